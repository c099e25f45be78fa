"""`facet corrupt`: the same pixels as in a run, in the layout of CIFAR-10-C, which can be read back as a data set; and the
contact sheet of them."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from conftest import ROOT, STUDY, make_digits, run

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
    command = [sys.executable, ROOT / "analysis/contact_sheet.py", folder / "made", "--sample", "3", "--out", out]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0 and out.stat().st_size > 3000, done.stderr
    command[4] = "20"
    assert "not in 0..19" in subprocess.run(list(map(str, command)), capture_output=True, text=True).stderr


def test_where_nothing_can_be_written(folder):
    done = run("corrupt", folder / "study.yaml", folder / "study.yaml" / "x")
    assert done.returncode == 73 and done.stderr.count("\n") == 1
