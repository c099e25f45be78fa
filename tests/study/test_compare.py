"""Summaries, fragile samples and similarity in the result file, against numpy and scipy on its own per-sample arrays."""

import shutil

import h5py
import numpy as np
import pytest

from conftest import STUDY, checksum, make_digits, run, write_idx

VARIANTS = """\
variants:
  - {method: magnitude, scope: global, sparsity: [0.5, 0.9, 0.97]}
  - {method: random, scope: layer, sparsity: [0.3, 0.8], seeds: [1, 2, 3]}
conditions: [clean, {corruption: gaussian_noise, severity: [1, 3, 5]}]
change: {samples: 30}
"""


def make_pale_digits(folder):
    """Test images so pale that the dense network errs, and differently under noise: no error to divide by is 0."""
    make_digits(folder)
    images = np.frombuffer((folder / "test-images").read_bytes()[16:], np.uint8).reshape(130, 12, 12)
    write_idx(folder / "test-images", 0.3 * images)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    make_pale_digits(folder)
    sums = []
    for ranks in (1, 3):
        text = STUDY.split("variants:")[0].replace("output: out", f"output: out{ranks}") + VARIANTS
        (folder / "study.yaml").write_text(text)
        done = run("run", folder / "study.yaml", ranks=ranks)
        assert done.returncode == 0, done.stderr
        sums.append(checksum(folder / f"out{ranks}/study.h5"))
    assert sums[0] == sums[1]
    with h5py.File(folder / "out1/study.h5") as h5:
        yield {name: item[()] for name, item in items(h5)}, h5


def items(h5):
    found = []
    h5.visititems(lambda name, item: found.append((name, item)) if isinstance(item, h5py.Dataset) else None)
    return found


def close(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


def test_by_class(study):
    f, _ = study
    right = (f["prediction/class"] == f["label"]).astype(float)
    for k in range(4):
        of = f["label"] == k
        close(f["summary/by_class/accuracy_mean"][..., k], right[..., of].mean(-1))
        for what in ("angle", "length", "margin"):
            values = f[f"geometry/{what}"]
            close(f[f"summary/by_class/{what}_mean"][..., k], values[..., of].mean(-1))
            close(f[f"summary/by_class/{what}_deviation"][..., k], values[..., of].std(-1, ddof=1))
            close(f[f"summary/{what}_deviation"], values.std(-1, ddof=1))


def test_calibration_and_agreement(study):
    f, _ = study
    logits = f["prediction/logits"].astype(float)
    p = np.exp(logits - logits.max(-1, keepdims=True))
    confidence = (p / p.sum(-1, keepdims=True)).max(-1)
    right = f["prediction/class"] == f["label"]
    bins = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    for v in range(len(logits)):
        for c in range(4):
            ece = sum(abs(right[v, c][bins[v, c] == b].sum() - confidence[v, c][bins[v, c] == b].sum()) for b in range(15))
            close(f["summary/ece"][v, c], ece / 130)
            close(f["summary/agreement"][c, v], (f["prediction/class"][:, c] == f["prediction/class"][v, c]).mean(-1))


def test_corruption_errors(study):
    f, h5 = study
    assert list(h5["corruption"].asstr()[:]) == ["gaussian_noise"] and h5["summary"].attrs["reference"] == "dense"
    error = 1 - f["summary/accuracy"]
    relative = (error[:, 1:] - error[:, :1]).sum(1)
    assert error[0, 1:].sum() > 0 and abs(relative[0]) > 0.01
    close(f["summary/corruption_error"][:, 0], error[:, 1:].sum(1) / error[0, 1:].sum())
    close(f["summary/relative_corruption_error"][:, 0], relative / relative[0])
    close(f["summary/mce"], f["summary/corruption_error"][:, 0])
    close(f["summary/relative_mce"], f["summary/relative_corruption_error"][:, 0])
    close(f["summary/mean_error"], error[:, 1:].mean(1))
    wrong = (f["prediction/class"] != f["label"])[:, 1:].sum(1)
    for v in range(10):
        wanted = 1 if np.ptp(wrong[v]) > 0 else np.nan
        close(f["summary/redundancy"][v], [[wanted]])  # of the one corruption with itself; tests/parallel has more


def test_fragile_samples(study):
    f, h5 = study
    predicted, margin, label = f["prediction/class"], f["geometry/margin"], f["label"]
    flips = (predicted != predicted[0, 0]).sum((0, 1))
    assert np.array_equal(f["fragility/flips"], flips) and flips.max() > 0
    close(f["fragility/worst_margin"], margin.min((0, 1)))
    close(f["fragility/margin_drop"], (margin[0, 0] - margin).max((0, 1)))
    rank = sorted(range(130), key=lambda i: (-flips[i], margin.min((0, 1))[i], i))
    assert list(f["fragility/rank"]) == rank and list(f["change/sample"]) == rank[:30]
    for k in range(4):
        of = [i for i in rank if label[i] == k]
        assert list(f["fragility/class_rank"][k]) == (of + [-1] * 100)[:100]
    votes = np.stack([(predicted[1:, 0] == k).sum(0) for k in range(4)])
    assert np.array_equal(f["fragility/exemplar"], votes.argmax(0) != predicted[0, 0])


def test_first_lost(study):
    f, h5 = study
    assert list(h5["fragility/method"].asstr()[:]) == ["magnitude-global", "random-layer"]
    wrong, right = f["prediction/class"][:, 0] != f["label"], f["prediction/class"][0, 0] == f["label"]
    for row, steps in ((0, ((0.5, [1]), (0.9, [2]), (0.97, [3]))), (1, ((0.3, [4, 5, 6]), (0.8, [7, 8, 9])))):
        lost = np.full(130, np.nan)
        for sparsity, networks in reversed(steps):
            lost[right & (2 * wrong[networks].sum(0) > len(networks))] = sparsity
        np.testing.assert_array_equal(f["fragility/first_lost"][row], lost)
        assert np.isfinite(lost).any() and np.isnan(lost).any()


def test_distances(study):
    f, h5 = study
    assert h5["similarity/item"].asstr()[5] == "magnitude-global-0.5, gaussian_noise/1"
    points = np.stack([f[f"geometry/{what}"].reshape(40, 130) / f[f"geometry/{what}"].std() for what in ("angle", "length", "margin")], 1)
    difference = points[:, None] - points[None]
    close(f["similarity/distance"], np.sqrt((difference ** 2).mean((2, 3))))


def test_tree(study):
    f, _ = study
    distance = f["similarity/distance"]
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy", reason="scipy is not there to compare the tree with")
    squareform = pytest.importorskip("scipy.spatial.distance").squareform
    wanted = hierarchy.linkage(squareform(distance, checks=False), "average")
    close(f["similarity/linkage"][:, 2:], wanted[:, 2:])
    assert np.array_equal(f["similarity/linkage"][:, :2], wanted[:, :2])
    assert list(f["similarity/order"]) == list(hierarchy.leaves_list(wanted))


def test_layout(study):
    f, _ = study
    distance = f["similarity/distance"]
    j = np.eye(40) - 1 / 40
    value, vector = np.linalg.eigh(-0.5 * j @ distance ** 2 @ j)
    for axis in (0, 1):
        wanted = vector[:, -1 - axis] * np.sqrt(value[-1 - axis])
        got = f["similarity/layout"][:, axis]
        np.testing.assert_allclose(got * np.sign(got @ wanted), wanted, atol=1e-8)
        assert got[np.abs(got).argmax()] > 0


def test_a_study_without_clean_samples_or_corruptions(tmp_path):
    make_digits(tmp_path)
    head = STUDY.split("variants:")[0]
    for name, conditions in (("noisy", "[{corruption: gaussian_noise, severity: 2}]"), ("clean", "[clean]")):
        (tmp_path / "study.yaml").write_text(head.replace("output: out", f"output: {name}") + f"conditions: {conditions}\n")
        done = run("run", tmp_path / "study.yaml")
        assert done.returncode == 0, done.stderr
        with h5py.File(tmp_path / name / "study.h5") as h5:
            assert np.isfinite(h5["summary/mean_error"][:]).all() == (name == "noisy")
            assert np.isnan(h5["fragility/worst_margin"][:]).all() == (name == "noisy")
            assert ("corruption" in h5) == (name == "noisy") and "similarity" not in h5


def test_a_study_without_labels(tmp_path):
    make_digits(tmp_path)
    text = STUDY.split("variants:")[0].replace(", labels: test-labels", "") + VARIANTS
    (tmp_path / "study.yaml").write_text(text)
    done = run("run", tmp_path / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "out/study.h5") as h5:
        f = {name: item[()] for name, item in items(h5)}
    assert (f["label"] == -1).all() and np.isfinite(f["geometry/length"]).all()
    for name, array in f.items():
        if name.startswith("summary/") and name not in ("summary/agreement", "summary/residual", "summary/failed"):
            assert np.isnan(array).all(), name
    assert np.isfinite(f["summary/agreement"]).all() and not f["summary/failed"].any()
    flips = (f["prediction/class"] != f["prediction/class"][0, 0]).sum((0, 1))
    assert np.array_equal(f["fragility/flips"], flips)
    assert list(f["fragility/rank"]) == sorted(range(130), key=lambda i: (-flips[i], i))
    assert (f["fragility/class_rank"] == -1).all()
    for name in ("worst_margin", "margin_drop", "first_lost"):
        assert np.isnan(f[f"fragility/{name}"]).all()
    for name in ("distance", "linkage", "layout"):
        assert np.isnan(f[f"similarity/{name}"]).all()
    assert (f["similarity/order"] == -1).all()


def test_the_layout_is_in_no_checksum(study, tmp_path):
    """Its last digits are the linear algebra library's; all else of the similarity is facet's own."""
    _, h5 = study
    before, copy = checksum(h5.filename), tmp_path / "study.h5"
    shutil.copy(h5.filename, copy)
    for name, changes in (("layout", False), ("distance", True)):
        with h5py.File(copy, "r+") as file:
            file[f"similarity/{name}"][1, 0] = np.nextafter(file[f"similarity/{name}"][1, 0], 7)
        assert (checksum(copy) != before) == changes, name
