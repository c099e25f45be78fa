"""`facet corrupt`: the same pixels as in a run, in the layout of CIFAR-10-C, which can be read back as a data set; and the
contact sheet of them."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from conftest import STUDY, make_digits, own_lines, run

CONDITIONS = "conditions: [{corruption: [fog, jpeg], severity: [3, 1]}, clean, {corruption: shot_noise, severity: 5}]\n"


@pytest.fixture
def folder(tmp_path):
    make_digits(tmp_path, train=200, test=20)
    (tmp_path / "study.yaml").write_text(STUDY.split("variants:")[0] + CONDITIONS)
    done = run("corrupt", tmp_path / "study.yaml", tmp_path / "made")
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_files_hold_what_a_run_sees(folder):
    made = {path.stem: np.load(path) for path in (folder / "made").glob("*.npy")}
    assert {name: len(array) for name, array in made.items()} == {"fog": 40, "jpeg": 40, "clean": 20, "shot_noise": 20, "labels": 40}
    assert made["fog"].shape == (40, 12, 12, 1) and made["fog"].dtype == np.uint8
    assert np.array_equal(made["labels"][:20], made["labels"][20:])
    assert not np.array_equal(made["fog"][:20], made["fog"][20:])  # severity 1, then 3
    # a network sees the corrupted set alike, wherever it was corrupted
    assert run("run", folder / "study.yaml").returncode == 0
    head = STUDY.split("variants:")[0].replace("output: out", "output: again").replace(
        "test: {format: idx, images: test-images, labels: test-labels}", "test: {format: npy, images: jpeg3.npy, labels: labels.npy}")
    head = head.split("model:")[0] + "model: {onnx: out/variants/dense.onnx}\n"
    np.save(folder / "jpeg3.npy", made["jpeg"][20:])
    np.save(folder / "labels.npy", made["labels"][:20])
    (folder / "again.yaml").write_text(head.replace("  train: {format: idx, images: train-images, labels: train-labels}\n", ""))
    done = run("run", folder / "again.yaml")
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / "out/study.h5") as one, h5py.File(folder / "again/study.h5") as two:
        at = list(one["condition"].asstr()[:]).index("jpeg/3")
        np.testing.assert_allclose(one["prediction/logits"][0, at], two["prediction/logits"][0, 0], atol=1e-4)


def test_contact_sheet(folder):
    out = folder / "sheet.png"
    command = [sys.executable, "-m", "facet", "sheet", folder / "made", "--sample", "3", "--out", out]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0 and out.stat().st_size > 3000, done.stderr
    command[6] = "20"
    assert "not in 0..19" in subprocess.run(list(map(str, command)), capture_output=True, text=True).stderr


def test_where_nothing_can_be_written(folder):
    done = run("corrupt", folder / "study.yaml", folder / "study.yaml" / "x")
    assert done.returncode == 73 and len(own_lines(done)) == 1


# ---- published sets: what `facet corrupt` writes is one ----

ALL = "conditions: [{corruption: [fog, jpeg]}, {corruption: shot_noise}]\n"
PUBLISHED = """\
conditions: [clean, {corruption: fog, severity: [2, 5]}, {corruption: [fog, jpeg], severity: [2, 5], published: sets/Made-C}]
change: {samples: 5, pick: first}
"""


@pytest.fixture
def published(tmp_path):
    make_digits(tmp_path, train=200, test=20)
    (tmp_path / "write.yaml").write_text(STUDY.split("variants:")[0] + ALL)
    done = run("corrupt", tmp_path / "write.yaml", tmp_path / "sets/Made-C")
    assert done.returncode == 0, done.stderr
    (tmp_path / "sets/Made-C/jpeg.npy").rename(tmp_path / "sets/Made-C/jpeg_compression.npy")  # its name in CIFAR-10-C
    (tmp_path / "study.yaml").write_text(STUDY.split("variants:")[0] + PUBLISHED)
    return tmp_path


def test_published_sets_are_conditions(published):
    for ranks in 1, 2:
        done = run("run", published / "study.yaml", "--fresh", ranks=ranks)
        assert done.returncode == 0, done.stderr
        with h5py.File(published / "out/study.h5") as f:
            names = list(f["condition"].asstr()[:])
            assert names == ["clean", "fog/2", "fog/5", "Made-C/fog/2", "Made-C/fog/5", "Made-C/jpeg/2", "Made-C/jpeg/5"]
            logits = f["prediction/logits"][0]
            picture, severe = f["change/picture"][:, 4], np.load(published / "sets/Made-C/fog.npy")[80:85]
            assert np.array_equal(picture, severe.transpose(0, 3, 1, 2))
            assert list(f["corruption"].asstr()[:]) == ["fog", "Made-C/fog", "Made-C/jpeg"]
        # bytes, where facet's own corruption keeps fractions
        np.testing.assert_allclose(logits[3:5], logits[1:3], atol=0.1)
        assert np.abs(logits[3] - logits[4]).max() > 0.2 and np.abs(logits[5] - logits[6]).max() > 0.01
    # the numbers are those of the file, seen as a data set
    head = STUDY.split("variants:")[0].replace("output: out", "output: again").replace(
        "test: {format: idx, images: test-images, labels: test-labels}", "test: {format: npy, images: fog5.npy}")
    head = head.split("model:")[0] + "model: {onnx: out/variants/dense.onnx}\n"
    np.save(published / "fog5.npy", np.load(published / "sets/Made-C/fog.npy")[80:])
    (published / "again.yaml").write_text(head.replace("  train: {format: idx, images: train-images, labels: train-labels}\n", ""))
    assert run("run", published / "again.yaml").returncode == 0
    with h5py.File(published / "again/study.h5") as f:
        assert np.array_equal(f["prediction/logits"][0, 0], logits[4])


def refuse_truncated(folder):
    whole = (folder / "fog.npy").read_bytes()
    (folder / "fog.npy").write_bytes(whole[:-7])
    return "fog.npy", 65


def refuse_severities(folder):
    np.save(folder / "fog.npy", np.load(folder / "fog.npy")[:60])
    return "five severities", 65


def refuse_shape(folder):
    np.save(folder / "fog.npy", np.load(folder / "fog.npy")[:, :6])
    return "6 x 12 x 1", 65


def refuse_type(folder):
    np.save(folder / "fog.npy", np.load(folder / "fog.npy").astype(np.float32))
    return "uint8", 65


def refuse_labels(folder):
    np.save(folder / "labels.npy", 9 - np.load(folder / "labels.npy"))
    return "labels.npy: label", 65


def refuse_missing(folder):
    (folder / "fog.npy").unlink()
    return "fog.npy: No such file", 66


@pytest.mark.parametrize("damage", [refuse_truncated, refuse_severities, refuse_shape, refuse_type, refuse_labels, refuse_missing])
def test_published_sets_that_do_not_fit(published, damage):
    words, status = damage(published / "sets/Made-C")
    done = run("check", published / "study.yaml")
    assert done.returncode == status and words in done.stderr, done.stderr
    assert len(own_lines(done)) == 1 and "study.yaml" in done.stderr


def test_the_same_condition_twice(published):
    text = (published / "study.yaml").read_text()
    (published / "study.yaml").write_text(text.replace("[clean,", "[{corruption: fog, published: sets/Made-C},"))
    done = run("check", published / "study.yaml")
    assert done.returncode == 65 and "Made-C/fog/2 stands there twice" in done.stderr
