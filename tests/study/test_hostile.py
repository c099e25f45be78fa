"""Hostile and odd input: one line, the status that says what it is, no crash, and no room taken that a file only asks for."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from conftest import FACET, STUDY, environment, make_digits, run

HERE = pathlib.Path(__file__).resolve().parent


def one_line(done, status, words):
    """It ended with that status and one line, which has the words. Open MPI's own do not count: "[host][...] Unable to find ...",
    where the network is odd, in pieces where ranks say it at once."""
    assert done.returncode == status, (done.returncode, done.stderr)
    lines = [line for line in done.stderr.splitlines() if line.startswith("facet")]
    assert len(lines) == 1 and words in lines[0], done.stderr


def two_layers(folder, first, second):
    """y = second relu(first x), on 20 samples of 1 x 4 x 4, and a study of it."""
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "a"], ["h"], transB=1),
             helper.make_node("Relu", ["h"], ["r"]), helper.make_node("Gemm", ["r", "b"], ["y"], transB=1)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", 1, ["N", 1, 4, 4])],
                              [helper.make_tensor_value_info("y", 1, ["N", len(second)])],
                              [numpy_helper.from_array(v.astype("f4"), k) for k, v in (("a", first), ("b", second))])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), folder / "m.onnx")
    random = np.random.default_rng(1)
    np.save(folder / "i.npy", random.random((20, 1, 4, 4), dtype="f4") * np.float32(1e-30))
    np.save(folder / "l.npy", random.integers(0, len(second), 20))
    study = folder / "s.yaml"
    study.write_text("output: out\ndata: {test: {format: npy, images: i.npy, labels: l.npy}}\nmodel: {onnx: m.onnx}\n"
                     "linearize: {}\n")
    return study


def test_certificates_that_do_not_hold_are_said(tmp_path):
    """Logits are small, but W is beyond what float holds: by the run, by one that has nothing to do, check and the report."""
    random = np.random.default_rng(2)
    study = two_layers(tmp_path, 1e25 * random.standard_normal((8, 16)), 1e25 * random.standard_normal((3, 8)))
    said = "facet: warning: dense: 20 of 20 certificates are above 0.001, or no numbers: W and b are not what the network " \
        "does there; use precision: double"
    for command in ("run", "run", "check"):
        done = run(command, study)
        assert done.returncode == 0 and said in done.stderr.splitlines(), done.stderr
    done = subprocess.run([sys.executable, "-m", "facet", "report", tmp_path / "out/study.h5"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert said.partition("dense: ")[2] in (tmp_path / "out/report/report.html").read_text()
    study.write_text(study.read_text() + "precision: double\n")
    done = run("run", study, "--fresh")
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_file_that_hdf5_crashes_on(tmp_path, ranks):
    """Whether this HDF5 does or not."""
    study = two_layers(tmp_path, np.ones((8, 16)), np.ones((3, 8)))
    shutil.copy(HERE / "damaged_heap.h5", tmp_path / "i.h5")
    study.write_text(study.read_text().replace("npy, images: i.npy", "hdf5, images: i.h5"))
    done = run("run", study, "-n", ranks)
    one_line(done, 65, f"{tmp_path}/i.h5: ")


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for command in ("inspect", "check", "checksum", "verify"):
        for path, what in ((tmp_path / "pipe", "pipe"), ("/dev/zero", "device")):
            one_line(run(command, path), 66, f"{path}: is a {what}, not a file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read")
def test_a_file_that_may_not_be_read():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # what pytest makes is closed to others, and so may be where facet lies
        path = pathlib.Path(folder)
        path.chmod(0o755)
        (path / "s.h5").touch(0)
        program = shutil.copy(FACET, path / "facet")
        done = subprocess.run([program, "checksum", path / "s.h5"], capture_output=True, text=True, env=environment(), user=65534,
                              group=65534, extra_groups=[], cwd="/")
    one_line(done, 66, "s.h5: Permission denied")


@pytest.mark.parametrize("labels, words", [("one class", "all of one class"), ("a number", "label 1000000 makes more classes than")])
def test_labels_that_make_no_classes(tmp_path, labels, words):
    make_digits(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY.replace("train: {format: idx, images: train-images, labels: train-labels}",
                                                       "train: {format: npy, images: i.npy, labels: l.npy}"))
    np.save(tmp_path / "i.npy", np.zeros((600, 1, 12, 12), "u1"))
    np.save(tmp_path / "l.npy", np.array([0] * 599 + [0 if labels == "one class" else 1000000]))
    one_line(run("run", tmp_path / "study.yaml"), 65, words)


@pytest.mark.parametrize("name", ["variants", "embed"])
def test_fresh_removes_nothing_behind_a_link(tmp_path, name):
    study = two_layers(tmp_path, np.ones((8, 16)), np.ones((3, 8)))
    assert run("run", study).returncode == 0
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/mine.onnx").write_bytes(b"mine")
    shutil.rmtree(tmp_path / "out" / name, ignore_errors=True)
    (tmp_path / "out" / name).symlink_to(tmp_path / "theirs")
    one_line(run("run", study, "--fresh"), 73, f"out/{name}: is a link to another folder")
    assert (tmp_path / "theirs/mine.onnx").read_bytes() == b"mine"


@pytest.mark.parametrize("target", ["hdf5", "data"])
@pytest.mark.parametrize("does, status", [("exit 1", 1), ("echo stat::number_of_executed_units: 7", 0)])
def test_a_fuzz_target_that_does_not_start_has_found_nothing_out(tmp_path, target, does, status):
    (tmp_path / "tests/fuzz").mkdir(parents=True)
    program = tmp_path / f"tests/fuzz/fuzz_{target}"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    done = subprocess.run([HERE.parent / "fuzz/run", tmp_path, "1", target], capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    assert f"fuzz {target}: {7 if status == 0 else 0} executions in at most 1 s, status {status}" in done.stdout


def test_resizing_holds_corners_of_what_is_resized_alone(tmp_path):
    """Of seven dimensions two grow: a point lies between four others, not between 32, which would take 1 GiB here."""
    nodes = [helper.make_node("Resize", ["x", "", "s"], ["r"], mode="linear"),
             helper.make_node("GlobalMaxPool", ["r"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    scales = numpy_helper.from_array(np.array([1, 1, 1, 1, 1, 2, 2], "f4"), "s")
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", 1, ["N", 1, 1, 1, 1, 512, 1024])],
                              [helper.make_tensor_value_info("y", 1, ["N", 1])], [scales])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), tmp_path / "m.onnx")
    done = subprocess.run(["prlimit", f"--as={1300 << 20}", FACET, "inspect", tmp_path / "m.onnx"], capture_output=True, text=True,
                          env=environment())
    assert "memory" not in done.stderr and done.returncode != 71, done.stderr
    assert "Resize" in done.stdout + done.stderr, done
