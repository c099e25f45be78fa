"""Planes through three inputs, cut into regions: against PyTorch on a grid, which knows nothing of polygons, and against what
SyReNN and SplineCam define them to be. FACET_LONG=1 takes a grid of a million points, and as many in three planes of ResNet-20
through pictures of CIFAR-10, a quarter of an hour of a core; FACET_TRIES: so many there instead."""

import math
import os

import facet  # in conftest's path
import numpy as np
import pytest
from conftest import CIFAR, RESNET, in_sight, long_of_resnet20, run

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
import plane_grid


@pytest.mark.parametrize("name", plane_grid.networks())
def test_a_grid_agrees(name):
    """One pattern in every region, and one region of every pattern; the logits; the largest of them."""
    module, network, three = plane_grid.made(name)
    window = plane_grid.WINDOW.get(name, 1)
    plane, n = network.plane(three, window=window), 1000 if os.environ.get("FACET_LONG") else 200
    points, wrong, off = plane_grid.disagreements(plane, module, n)
    assert wrong == 0 and off < plane_grid.DEVIATION
    assert points >= (1 - 1e-4) * n * n - 10 and plane.regions > 40 and len(np.unique(plane.cls)) > 1
    assert plane.residual < 1e-12 and plane.uncovered < 1e-12 and plane.dropped == 0
    again = network.plane(three, window=window, memory=0)  # 64 corners at once
    assert in_sight(again) == in_sight(plane) and again.residual < 1e-12
    _, wrong, off = plane_grid.disagreements(again, module, 100)
    assert wrong == 0 and off < plane_grid.DEVIATION


@long_of_resnet20
def test_a_grid_agrees_of_resnet20(tmp_path):
    """In the windows of a study: around where dense changes its class; and with a tenth of its weights."""
    planes, tries = 3, int(os.environ.get("FACET_TRIES", "1000000"))
    (tmp_path / "study.yaml").write_text(f"""\
output: out
data:
  test: {{format: cifar10, images: {CIFAR}, count: 100}}
  normalize: {{scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
model: {{onnx: {RESNET}}}
variants: [{{method: magnitude, sparsity: 0.9}}]
planes: {{count: {planes}, variants: all}}
""")
    done = run("run", tmp_path / "study.yaml")
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
    study, pruned = facet.open(tmp_path / "out/study.h5"), "magnitude-global-0.9"
    for name, file, points in (("dense", RESNET, tries), (pruned, tmp_path / f"out/variants/{pruned}.onnx", tries // 10)):
        n = math.isqrt(-(-points // planes) - 1) + 1
        for number in range(planes):
            plane = study.plane(name, number)
            found = plane_grid.from_afar(plane, file, n)
            print(name, plane, found)
            assert plane.residual < 1e-12 and plane.uncovered < 1e-12 and plane.dropped == 0
            assert found.wrong == 0 and found.off < plane_grid.DEVIATION and found.error < plane_grid.SURE / 4
            assert found.points >= (1 - 1e-4) * n * n - 10 and found.told > found.asked / 2
            assert name == pruned or len(np.unique(plane.cls)) > 1


def test_what_a_plane_has():
    _, network, three = plane_grid.made("connected")
    plane = network.plane(three, margin=0.1)
    assert np.abs(plane.x(plane.inputs) - three).max() < 1e-12
    flat = plane.along.reshape(2, -1)
    assert np.abs(flat @ flat.T - np.eye(2)).max() < 1e-12  # distances are those of the input
    assert len(plane.polygons) == len(plane) >= plane.regions and "regions" in repr(plane)
    size = plane.window[2] - plane.window[0]
    assert abs(plane.areas.sum() / size.prod() - 1) < 1e-12 and plane.areas.min() > 0
    low, high = plane.inputs.min(axis=0), plane.inputs.max(axis=0)
    np.testing.assert_allclose(plane.window[0], low - 0.1 * (high - low).max())
    np.testing.assert_allclose(network.logits(three), [plane.affine(_at(plane, p)) @ [*p, 1] for p in plane.inputs], atol=1e-9)
    ends = plane.boundary.reshape(-1, 2)
    top = np.sort(network.logits(plane.x(ends)), axis=1)
    assert len(ends) > 0 and np.all(top[:, -1] - top[:, -2] < 1e-12 * np.abs(top).max())
    near = network.plane(three, margin=0.1, window=0.25, around="sample")
    np.testing.assert_allclose(near.window - near.inputs[0], 0.25 * (plane.window - plane.inputs[0]), atol=1e-12)
    near = network.plane(three, margin=0.1, window=0.01)  # around a change of class on the way to another input
    centre = (near.window[0] - 0.01 * plane.window[0]) / 0.99
    ways = [(plane.inputs[i], np.linalg.norm(plane.inputs[i])) for i in (1, 2)]
    assert min(np.linalg.norm(centre - np.dot(centre, way) / size**2 * way) for way, size in ways) < 1e-9
    assert len(np.unique(near.cls)) > 1 and near.boundary.size > 0
    with pytest.raises(facet.NetworkError, match="around 'change' or 'sample', not 'there'"):
        network.plane(three, around="there")
    with pytest.raises(facet.NetworkError, match="more than 5 polygons: look at less of the plane"):
        network.plane(three, polygons=5)
    with pytest.raises(facet.NetworkError, match="they lie on a line"):
        network.plane(np.stack([three[0], three[1], (three[0] + three[1]) / 2]))
    with pytest.raises(facet.NetworkError, match="goes through three inputs, not 2"):
        network.plane(three[:2])


def _at(plane, point):
    """The polygon that a point lies in."""
    for number, polygon in enumerate(plane.polygons):
        side = np.roll(polygon, -1, axis=0) - polygon
        if np.all(side[:, 0] * (point[1] - polygon[:, 1]) - side[:, 1] * (point[0] - polygon[:, 0]) >= 0):
            return number
    raise AssertionError(point)
