"""Lines between two inputs, cut into pieces: against PyTorch at many points of the way, in a study on any number of ranks, going on
after some were lost, the picture and the report. FACET_LONG=1 takes a line through ResNet-20 between pictures of CIFAR-10, some
minutes of a core; FACET_TRIES: at so many points."""

import os
import re

import facet  # in conftest's path
import h5py
import numpy as np
import pytest
from conftest import (RESNET, STUDY, checksum, foretold, long_of_resnet20, make_digits, own_lines, pictures_of_cifar10, read_idx, run,
                      sections, write_idx)

HEAD = STUDY.split("variants:")[0].replace("epochs: 2", "epochs: 1")
PRUNED = "magnitude-global-0.5"
KEYS = "between: [3, 17, 30, 31]"


def write(folder, out, lines):
    text = HEAD.replace("output: out", f"output: {out}") + "variants: [{method: magnitude, sparsity: 0.5}]\n"
    (folder / "study.yaml").write_text(f"{text}conditions: [clean]\nlines: {{{lines}}}\n")


@pytest.mark.parametrize("name", ["connected", "leaky", "pooled", "residual"])
def test_many_points_agree(name):
    """One pattern on every piece, and one piece of every pattern; the logits; the largest of them."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    import plane_grid

    module, network, (start, end, _) = plane_grid.made(name)
    line = network.line(start, end)
    t = (np.arange(20_000) + 0.5) / 20_000
    x = torch.from_numpy(start + t.reshape(-1, *[1] * start.ndim) * (end - start))
    pattern, logits = plane_grid.patterns(module, x)
    behind = np.searchsorted(line.t, t) - 1
    pairs = np.unique(np.column_stack([line.piece[behind], pattern]), axis=0)
    assert len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1])) == len(pairs) > 5
    assert np.array_equal(logits.argmax(axis=1), line.cls[behind]) and line.residual < 1e-12
    np.testing.assert_allclose(line.at(t), logits, atol=1e-11)
    assert line.t[0] == 0 and line.t[-1] == 1 and np.all(np.diff(line.t) > 0) and len(line) == line.piece[-1] + 1
    assert len(line.crossing) >= np.sum(np.diff(logits.argmax(axis=1)) != 0) and "pieces" in repr(line)
    again = network.line(start, end, memory=0)  # 16 points at once
    long = [np.diff(one.t) > 1e-9 for one in (line, again)]  # rounding may make slivers or not
    assert len(np.unique(again.piece[long[1]])) == len(np.unique(line.piece[long[0]]))
    np.testing.assert_allclose(again.t[1:][long[1]], line.t[1:][long[0]], atol=1e-12)
    with pytest.raises(facet.NetworkError, match="more than 5 points"):
        network.line(start, end, points=5)


@long_of_resnet20
def test_many_points_agree_of_resnet20():
    """The class and the logits; on each of some pieces one pattern from end to end, and another one on the next."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    import plane_grid
    import torch_onnx

    start, end = pictures_of_cifar10(10)[[3, 9]]
    with facet.Network(RESNET, precision="double") as network:
        line = network.line(start, end)
    forward, tries = torch_onnx.load(RESNET), int(os.environ.get("FACET_TRIES", "20000"))

    def passed(t):
        *gates, logits = plane_grid.passed(forward, start + t.reshape(-1, 1, 1, 1) * (end - start), torch.float64)
        return torch.cat(gates, 1) > 0, logits.numpy()

    assert len(line) > 50_000 and line.residual < 1e-12 and len(line.crossing) > 0
    every = (np.arange(tries) + 0.5) / tries
    said, cls = line.at(every), line.cls[np.searchsorted(line.t, every) - 1]
    for i in range(0, tries, 4):  # few at once stay in the cache
        _, logits = passed(every[i:i + 4])
        assert np.array_equal(logits.argmax(axis=1), cls[i:i + 4])
        np.testing.assert_allclose(said[i:i + 4], logits, rtol=0, atol=1e-10)
    print(line, "points:", tries)
    for i in np.random.default_rng(1).integers(1, len(line.t) - 2, tries // 10):
        a, b, c = line.t[i:i + 3]
        if min(b - a, c - b) > 1e-11:
            on, _ = passed(np.array([0.99 * a + 0.01 * b, 0.01 * a + 0.99 * b, 0.99 * b + 0.01 * c]))
            assert torch.equal(on[0], on[1]) and torch.equal(on[1], on[2]) == (line.piece[i] == line.piece[i + 1])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lines")
    make_digits(folder, train=160, test=40)
    sums = []
    for ranks in (1, 2, 3):
        write(folder, f"out{ranks}", KEYS)
        done = run("run", folder / "study.yaml", ranks=ranks)
        assert done.returncode == 0, done.stderr
        sums.append(checksum(folder / f"out{ranks}/study.h5"))
    assert sums[0] == sums[1] == sums[2]
    return folder


def test_lines_of_a_study(study):
    opened = facet.open(study / "out1/study.h5")
    assert opened.file["lines/between"][:].tolist() == [[3, 17], [30, 31]]
    for variant in ("dense", PRUNED):
        start, end = (opened.input(sample, variant) for sample in (30, 31))
        line = opened.line(variant, 1)
        with facet.Network(study / f"out1/variants/{variant}.onnx", precision="double") as network:
            again = network.line(start, end)
        assert len(line) == len(again) > 50 and line.residual < 1e-12
        np.testing.assert_allclose(line.t, again.t, atol=1e-12)
        np.testing.assert_allclose(line.logits, again.logits, atol=1e-10)
        assert np.array_equal(line.cls, again.cls) and abs(line.length - np.linalg.norm(end - start)) < 1e-9
    with pytest.raises(facet.StudyError, match="line 2 of dense is not there; 2 lines are"):
        opened.line("dense", 2)


def test_what_was_lost_is_cut_again(study):
    out = study / "out2"
    before = checksum(out / "study.h5")
    with h5py.File(out / "study.h5", "r+") as h5:
        h5["lines/dense/logits"][1] = 0
        h5["progress/lines"][0, 1] = 0
    write(study, "out2", KEYS)
    done = run("run", study / "study.yaml")
    assert done.returncode == 0 and re.search("lines: 1 lines? in", done.stderr), done.stderr
    assert checksum(out / "study.h5") == before
    done = run("verify", "--tiles", 2, out / "study.h5")
    assert done.returncode == 0, done.stdout + done.stderr
    done = run("check", study / "study.yaml")
    assert done.returncode == 0 and foretold(done.stdout, "lines") == (4, 4)


def test_more_than_there_is_room_for(study):
    write(study, "full", "count: 2, points: 20")
    done = run("run", study / "study.yaml")
    assert done.returncode == 0, done.stderr
    assert "facet: warning: line 1 of dense has more than 20 points and is left out: let 'points' be larger" in done.stderr
    opened = facet.open(study / "full/study.h5")
    with pytest.raises(facet.StudyError, match="has more points than the file has room for"):
        opened.line("dense")
    assert "too many" in sections(study / "full/study.h5", "slices")


@pytest.mark.parametrize("lines, wanted", [
    ("between: [3]", "lines.between: a line goes from one to another of two samples, and 1 are no multiple"),
    ("between: [3, 40]", "study.yaml:14: lines.between: there is no sample 40, but 0 to 39"),
    ("between: [3, 3]", "study.yaml:14: lines.between: sample 3 stands there twice for one"),
    ("between: [3, 4], count: 2", "lines.count: is of random ones, but 'between' says which samples"),
])
def test_what_cannot_be(study, lines, wanted):
    write(study, "wrong", lines)
    done = run("check", study / "study.yaml")
    assert done.returncode == 65 and wanted in done.stderr, done.stderr
    assert len(own_lines(done)) == 1


def test_two_of_one_picture(tmp_path, undrawn):
    """Given samples are refused at once; random ones are drawn anew. The report shows three of them, and says so."""
    make_digits(tmp_path, train=64, test=20)
    images = read_idx(tmp_path / "test-images")
    images[:19] = images[0]
    write_idx(tmp_path / "test-images", images)
    write(tmp_path, "same", "between: [3, 19, 3, 17]")
    done = run("check", tmp_path / "study.yaml")
    assert done.returncode == 65 and done.stderr == \
        f"facet: {tmp_path}/study.yaml:14: lines.between: samples 3 and 17 have one picture: there is no line between them\n"
    write(tmp_path, "drawn", "count: 5, variants: dense")
    assert run("run", tmp_path / "study.yaml").returncode == 0
    text = sections(tmp_path / "drawn/study.h5", "slices")
    assert "<p>Shown: 3 of 5 lines.</p>" in text and text.count("<img") == 3
    with h5py.File(tmp_path / "drawn/study.h5") as h5:
        assert np.all((h5["lines/between"][:] == 19).sum(1) == 1)


def test_picture_and_report(study, monkeypatch):
    opened = facet.open(study / "out1/study.h5")
    picture = opened.plot.line()
    assert "from sample 3 to sample 17" in picture.caption and len(picture.axes) == 2
    text = sections(study / "out1/study.h5", "slices")
    assert "Regions on lines and planes" in text and text.count("<img") == 2 and "Shown:" not in text and "30, 31" in text
    monkeypatch.setattr("facet.plot.lines.MOST", 1)
    assert f"Shown: 1 of 2 variants; left out: {PRUNED}." in opened.plot.line().caption and "Shown:" not in opened.plot.line(0, [PRUNED]).caption
