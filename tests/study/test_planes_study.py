"""Planes in a study: polygons in the file against forward passes of its networks, the same bits on any number of ranks, going on
after some were lost, what an edited study takes over, the picture and the report."""

import re

import facet  # in conftest's path
import h5py
import numpy as np
import pytest
from conftest import STUDY, checksum, foretold, in_sight, make_digits, own_lines, read_idx, run, sections, write_idx

HEAD = STUDY.split("variants:")[0].replace("epochs: 2", "epochs: 1")
PRUNED = "magnitude-global-0.5"
KEYS = "through: [3, 17, 5, 30, 31, 2], window: 0.05, polygons: 4000"


def write(folder, out, planes):
    text = HEAD.replace("output: out", f"output: {out}") + "variants: [{method: magnitude, sparsity: 0.5}]\n"
    text += "conditions: [clean, {corruption: gaussian_noise, severity: [5]}]\n"
    (folder / "study.yaml").write_text(f"{text}planes: {{{planes}}}\n")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planes")
    make_digits(folder, train=160, test=40)
    sums = []
    for ranks in (1, 2, 3):
        write(folder, f"out{ranks}", KEYS)
        done = run("run", folder / "study.yaml", ranks=ranks)
        assert done.returncode == 0, done.stderr
        sums.append(checksum(folder / f"out{ranks}/study.h5"))
    assert sums[0] == sums[1] == sums[2]
    return folder


def test_polygons_say_what_the_networks_say(study):
    opened = facet.open(study / "out1/study.h5")
    for variant in ("dense", PRUNED):
        with facet.Network(study / f"out1/variants/{variant}.onnx", precision="double") as network:
            for number in range(2):
                plane = opened.plane(variant, number)
                assert plane.residual < 1e-12 and plane.uncovered < 1e-12 and plane.regions > 10
                np.testing.assert_allclose(plane.areas.sum(), np.ptp(plane.window, axis=0).prod(), rtol=1e-12)
                at, polygon, logits = plane.grid(40)
                inside = polygon >= 0
                assert inside.mean() > 0.99
                wanted = network.logits(plane.x(at[inside]))
                np.testing.assert_allclose(logits[inside], wanted, atol=1e-9)
                assert np.array_equal(wanted.argmax(axis=1), plane.cls[polygon[inside]])
                if variant == "dense":  # whose change of class the window is around
                    again = network.plane(plane.x(plane.inputs), window=0.05)
                    assert in_sight(again) == in_sight(plane)
    group = opened.file["planes"]
    assert group["through"][:].tolist() == [[3, 17, 5], [30, 31, 2]]
    assert np.allclose(opened.plane("dense", 1).inputs[0], 0) and "regions" in repr(opened.plane("dense"))
    with pytest.raises(facet.StudyError, match="plane 2 of dense is not there; 2 planes are"):
        opened.plane("dense", 2)


def test_what_was_lost_is_cut_again(study):
    out = study / "out2"
    before = checksum(out / "study.h5")
    with h5py.File(out / "study.h5", "r+") as h5:
        h5["planes/dense/logits"][1] = 0
        h5["progress/planes"][0, 1] = 0
    write(study, "out2", KEYS)
    done = run("run", study / "study.yaml")
    assert done.returncode == 0 and re.search("planes: 1 planes? in", done.stderr), done.stderr
    assert checksum(out / "study.h5") == before
    done = run("verify", "--tiles", 2, out / "study.h5")
    assert done.returncode == 0, done.stdout + done.stderr
    done = run("check", study / "study.yaml")
    assert done.returncode == 0 and foretold(done.stdout, "planes") == (4, 4)


def test_an_edited_study_takes_planes_over(study):
    write(study, "edited", KEYS + ", variants: dense")
    assert run("run", study / "study.yaml").returncode == 0
    write(study, "edited", KEYS)
    done = run("run", study / "study.yaml")
    assert done.returncode == 0 and re.search("planes: 2 planes in", done.stderr), done.stderr
    assert checksum(study / "edited/study.h5") == checksum(study / "out1/study.h5")
    write(study, "edited", KEYS.replace("0.05", "0.04"))
    done = run("run", study / "study.yaml")
    assert done.returncode == 0 and re.search("planes: 4 planes in", done.stderr), done.stderr


def test_more_than_there_is_room_for(study):
    """Of a variant that has too many polygons nothing is kept, and a line says so; random planes are of different classes."""
    write(study, "full", "count: 3, window: 0.05, polygons: 40")
    done = run("run", study / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    assert "facet: warning: plane 0 of dense has more than 40 polygons and is left out: let 'window' be smaller" in done.stderr
    opened = facet.open(study / "full/study.h5")
    assert np.all(opened.file["planes/dense/polygons"][:] == 0)
    labels = opened.label[opened.file["planes/through"][:]]
    assert all(len(set(three)) == 3 for three in labels.tolist())
    with pytest.raises(facet.StudyError, match="has more polygons than the file has room for"):
        opened.plane("dense")
    assert "too many" in sections(study / "full/study.h5", "slices")


def test_a_window_that_fits(study):
    """`auto` leaves room for what is expected of dense."""
    write(study, "auto", "polygons: 2000")
    done = run("run", study / "study.yaml")
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
    plane = facet.open(study / "auto/study.h5").plane("dense")
    assert 100 < len(plane) <= 2000


def test_a_window_around_a_change(study):
    """A small window shows where dense changes its class, also of the pruned network, unless it is to be around the sample."""
    opened = facet.open(study / "out1/study.h5")
    assert all(len(np.unique(opened.plane("dense", number).cls)) > 1 for number in range(2))
    write(study, "around", KEYS + ", around: sample")
    assert run("run", study / "study.yaml").returncode == 0
    plane = facet.open(study / "around/study.h5").plane(PRUNED, 1)
    assert np.all(plane.window[0] < 0) and np.all(plane.window[2] > 0)  # the first sample is in it


@pytest.mark.parametrize("planes, wanted", [
    ("through: [3, 17]", "planes.through: a plane goes through three samples, and 2 are no multiple"),
    ("through: [3, 17, 40]", "study.yaml:14: planes.through: there is no sample 40, but 0 to 39"),
    ("through: [3, 17, 3]", "study.yaml:14: planes.through: sample 3 stands there twice for one"),
    ("through: [3, 17, 4], count: 2", "planes.count: is of random ones, but 'through' says which samples"),
    ("window: 0", "planes.window: 0 is not in (0, 1]"),
    ("variants: dence", "did you mean 'dense'?"),
])
def test_what_cannot_be(study, planes, wanted):
    write(study, "wrong", planes)
    done = run("check", study / "study.yaml")
    assert done.returncode == 65 and wanted in done.stderr, done.stderr
    assert len(own_lines(done)) == 1


def test_three_on_a_line(tmp_path, undrawn):
    """Given samples are refused at once; random ones are drawn anew, unless there are none to be found. The report
    shows three of them, and says so."""
    make_digits(tmp_path, train=64, test=20)
    images, labels = (read_idx(tmp_path / f"test-{what}") for what in ("images", "labels"))
    three = [int(np.flatnonzero(labels == k)[0]) for k in range(3)]
    first, last = images[three[0]] // 4 * 4, images[three[2]] // 4 * 4
    images[:] = first  # two pictures in all, and the one between them
    images[three[2]], images[three[1]] = last, first // 2 + last // 2
    write_idx(tmp_path / "test-images", images)
    for planes, said in ((f"through: {three}", f"samples {three[0]}, {three[1]} and {three[2]} lie on a line: there are many such planes"),
                         ("count: 1", "pictures of random samples lie on a line")):
        write(tmp_path, "flat", planes)
        done = run("check", tmp_path / "study.yaml")
        assert done.returncode == 65 and done.stderr == f"facet: {tmp_path}/study.yaml:14: planes.through: {said}\n", done.stderr
    images[three[0]] = images[three[0]].T // 2
    write_idx(tmp_path / "test-images", images)
    write(tmp_path, "drawn", "count: 6, polygons: 16, window: 0.0001, variants: dense")
    assert run("run", tmp_path / "study.yaml").returncode == 0
    text = sections(tmp_path / "drawn/study.h5", "slices")
    assert "<p>Shown: 3 of 6 planes.</p>" in text and text.count("<img") == 3
    with h5py.File(tmp_path / "drawn/study.h5") as h5:
        flat = images.reshape(len(images), -1).astype(float)
        through = flat[h5["planes/through"][:]]
        assert all(np.linalg.matrix_rank(x[1:] - x[0]) == 2 for x in through)


def test_picture_and_report(study, monkeypatch):
    opened = facet.open(study / "out1/study.h5")
    picture = opened.plot.plane()
    assert "through samples 3, 17 and 5" in picture.caption and len(picture.axes) == 2
    with pytest.raises(facet.StudyError, match="plane 7 of dense is not there"):
        opened.plot.plane(0, ["dense"]) and opened.plane("dense", 7)
    text = sections(study / "out1/study.h5", "slices")
    assert "Regions on lines and planes" in text and text.count("<img") == 2 and "Shown:" not in text and "30, 31, 2" in text
    monkeypatch.setattr("facet.plot.planes.MOST", 1)
    assert f"Shown: 1 of 2 variants; left out: {PRUNED}." in opened.plot.plane().caption and "Shown:" not in opened.plot.plane(0, [PRUNED]).caption
