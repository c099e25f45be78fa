"""`facet inspect` on small files made on the spot: what it prints, and one line with the right exit status for each
file that cannot be read."""

import re

import numpy as np
import pytest

from conftest import SHARED, run

onnx = pytest.importorskip("onnx", reason="the Python package onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

WEIGHT = np.array([[1, 0, 2], [0, 0, 3]], dtype=np.float32)
BIAS = np.array([0.5, 0], dtype=np.float32)


def save(path, nodes, constants, shape=("N", 3), output="y", opset=13, also_inputs=(), domains=()):
    """An ONNX file with float input x and one output."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    inputs += [helper.make_tensor_value_info(n, TensorProto.FLOAT, constants[n].shape) for n in also_inputs]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains]
    graph = helper.make_graph(nodes, "test", inputs, outputs, tensors)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=7), path)
    return path


def gemm(output="h"):
    return helper.make_node("Gemm", ["x", "w", "b"], [output], name="dense", transB=1)


def refused(path, status, *parts):
    """Inspection fails with one line on stderr that begins with the file and holds the parts. Returns stdout."""
    done = run("inspect", path)
    assert done.returncode == status, done
    assert done.stderr.startswith(f"facet: {path}: ") and done.stderr.count("\n") == 1, done.stderr
    for part in parts:
        assert part in done.stderr, done.stderr
    return done.stdout


def inspected(path):
    done = run("inspect", path)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def row(text, node):
    """The columns of a node's line."""
    (line,) = [line for line in text.splitlines() if line.split()[:1] == [node]]
    return re.split(r"  +", line.strip())


def test_table(tmp_path):
    nodes = [gemm(), helper.make_node("Relu", ["h"], ["y"])]
    text = inspected(save(tmp_path / "net.onnx", nodes, {"w": WEIGHT, "b": BIAS}))
    assert row(text, "dense")[1:] == ["Gemm", "2", "8", "3", "50.000 %", "0", "0"]  # 6 weights, 3 zero, 2 biases
    assert row(text, "Relu_1")[1:] == ["Relu", "2"]
    assert row(text, "input")[1:] == ["x", "N x 3"]
    assert row(text, "output")[1:] == ["y", "N x 2"]
    assert row(text, "opset")[1:] == ["13"]
    assert row(text, "parameters")[1].startswith("8, of them 6 weights")
    assert row(text, "supported")[1:] == ["yes"]
    assert "Softmax" not in text


def test_shapes_of_a_convolutional_network(tmp_path):
    kernel = np.ones((4, 3, 3, 3), dtype=np.float32)
    kernel[1] = 0
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["y"], name="flat"),
    ]
    text = inspected(save(tmp_path / "net.onnx", nodes, {"w": kernel}, shape=(1, 3, 8, 6)))
    assert row(text, "conv")[1:] == ["Conv", "4 x 4 x 3", "108", "27", "25.000 %", "1", "0"]
    assert row(text, "pool")[2] == "4 x 1 x 1"
    assert row(text, "flat")[2] == "4"
    assert row(text, "input")[2] == "N x 3 x 8 x 6"


def test_pruned_networks_are_recognised(tmp_path):
    first, second = np.ones((4, 1, 3, 3), dtype=np.float32), np.ones((2, 4, 1, 1), dtype=np.float32)
    first[1] = 0  # its channel is 0: dead
    second[:, 3] = 0  # nobody reads that one
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["c"], name="first"),
        helper.make_node("Conv", ["c", "b"], ["p"], name="second"),
        helper.make_node("Flatten", ["p"], ["y"], name="flat"),
    ]
    text = inspected(save(tmp_path / "net.onnx", nodes, {"a": first, "b": second}, shape=("N", 1, 4, 4)))
    assert row(text, "first")[3:] == ["36", "9", "25.000 %", "1", "2"]
    assert row(text, "second")[3:] == ["8", "2", "25.000 %", "0", "0"]
    assert row(text, "pruned")[1] == "11 of 44 weights are zero; 1 of 6 filters are all zero, in 1 layers"
    assert row(text, "dead")[1] == "2 channels in 1 layers; their removal would leave 22 parameters"
    assert row(text, "cost")[1].startswith("176 multiply-adds per sample, 132 with weights that are not zero; 176 bytes")
    dense = inspected(save(tmp_path / "dense.onnx", [gemm("y")], {"w": WEIGHT + 1, "b": BIAS}))
    assert "pruned" not in dense and "\ndead " not in dense


def test_last_softmax_is_left_out(tmp_path):
    nodes = [gemm(), helper.make_node("Softmax", ["h"], ["y"], name="softmax")]
    text = inspected(save(tmp_path / "net.onnx", nodes, {"w": WEIGHT, "b": BIAS}))
    assert "a last Softmax is left out" in text
    assert row(text, "output")[1] == "h"


def test_constants_among_the_inputs(tmp_path):
    path = save(tmp_path / "net.onnx", [gemm("y")], {"w": WEIGHT, "b": BIAS}, also_inputs=("w", "b"), opset=8)
    assert row(inspected(path), "input")[1:] == ["x", "N x 3"]


def test_every_unknown_operator_is_named(tmp_path):
    nodes = [
        gemm(),
        helper.make_node("Erf", ["h"], ["e"], name="error"),
        helper.make_node("Relu", ["e"], ["r"]),
        helper.make_node("Relu", ["r"], ["f"], name="foreign", domain="com.example"),
        helper.make_node("Cos", ["f"], ["y"]),
    ]
    path = save(tmp_path / "net.onnx", nodes, {"w": WEIGHT, "b": BIAS}, domains=["com.example"])
    text = refused(path, 65, "node error (Erf): operator is not supported")
    marked = [line.split()[0] for line in text.splitlines() if " not supported" in line]
    assert marked == ["error", "foreign", "Cos_4"]
    assert row(text, "foreign")[2] == "not supported: of domain com.example"
    assert row(text, "supported")[1] == "no: 3 of 5 nodes are not"


@pytest.mark.parametrize("value, word", [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")])
def test_numbers_that_are_none(tmp_path, value, word):
    weight = WEIGHT.copy()
    weight[1, 2] = value
    path = save(tmp_path / "net.onnx", [gemm("y")], {"w": weight, "b": BIAS})
    refused(path, 65, f"initializer w: element [1, 2] is {word}")


def test_shapes_that_do_not_fit(tmp_path):
    path = save(tmp_path / "net.onnx", [gemm("y")], {"w": WEIGHT.T.copy(), "b": BIAS})
    text = refused(path, 65, "node dense (Gemm): weights are 3 x 2 but the input has 3 features")
    assert row(text, "supported")[1] == "no"


def test_missing_file(tmp_path):
    assert refused(tmp_path / "net.onnx", 66, "No such file or directory") == ""
    assert refused(tmp_path, 66) == ""


def test_broken_files(tmp_path):
    path = save(tmp_path / "net.onnx", [gemm("y")], {"w": WEIGHT, "b": BIAS})
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:-1], b"not a network\n", b"\x89PNG\r\n\x1a\n" + bytes(100)):
        path.write_bytes(content)
        assert refused(path, 65, "is not an ONNX file, or is cut short or damaged") == ""
    path.write_bytes(b"")
    assert refused(path, 65, "is empty") == ""


def test_numbers_in_another_file(tmp_path):
    path = save(tmp_path / "net.onnx", [gemm("y")], {"w": WEIGHT, "b": BIAS})
    onnx.save_model(
        onnx.load(path), path, save_as_external_data=True, all_tensors_to_one_file=True, location="net.data",
        size_threshold=0, convert_attribute=False,
    )
    refused(path, 65, "initializer w: has its data in another file: not supported")


@pytest.mark.skipif(not (SHARED / "models").is_dir(), reason="no ../shared/models with real networks")
def test_zeros_of_a_pruned_network():
    text = inspected(SHARED / "models" / "distiller_resnet20_channels_zeroed.onnx")
    convolutions = [line.split() for line in text.splitlines() if line.split()[1:2] == ["Conv"]]
    assert len(convolutions) == 19 + 2  # with those of the shortcuts
    zeros, dead = [[int(columns[k]) for columns in convolutions] for k in (-5, -1)]
    assert [z for z in zeros if z] == [720, 1152, 1152, 2592, 4032, 7488, 6912] and sum(zeros) == 24048
    assert [d for d in dead if d] == [5, 8, 8, 9, 14, 13, 12]  # each of the seven layers reads fewer than are made
    assert "pruned      24048 of 270896 weights are zero" in text
    assert "dead        69 channels in 7 layers; their removal would leave 230710 parameters" in text
