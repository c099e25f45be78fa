"""`facet inspect` on small files made on the spot: what it prints, and one line with the right exit status for each
file that cannot be read."""

import re

import h5py
import numpy as np
import pytest

import facet
from conftest import SHARED, own_lines, run

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
    assert len(own_lines(done)) == 1 and own_lines(done)[0].startswith(f"facet: {path}: "), done.stderr
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


def convolutions(*kinds):
    """Nodes and constants: "bias", "norm" or "bare" convolutions of one channel, Relu behind each."""
    nodes, constants, last = [], {}, "x"
    for i, kind in enumerate(kinds):
        constants[f"w{i}"] = np.full((1, 1, 1, 1), 0.5, np.float32)
        more = [f"b{i}"] if "bias" in kind else []
        constants.update({name: np.ones(1, np.float32) for name in more})
        nodes.append(helper.make_node("Conv", [last, f"w{i}", *more], [f"c{i}"]))
        if "norm" in kind:
            constants.update({f"n{i}{part}": np.ones(1, np.float32) for part in "abcd"})
            nodes.append(helper.make_node("BatchNormalization", [f"c{i}", *(f"n{i}{part}" for part in "abcd")], [f"m{i}"]))
        last = f"r{i}"
        nodes.append(helper.make_node("Relu", [nodes[-1].output[0]], [last]))
    constants["w"] = np.ones((4, 144), np.float32)
    nodes += [helper.make_node("Flatten", [last], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"], transB=1)]
    return nodes, constants


FOLDED = "no BatchNormalization behind convolutions: folded? magnitude means something else then"


@pytest.mark.parametrize("kinds, noted", [
    (["bias", "bias"], True),
    (["bias", "bare", "bare"], True),
    (["norm", "norm"], False),
    (["bias norm", "bias norm"], False),
    (["bare", "bare"], False),
    (["norm", "norm", "norm", "bias"], False),  # a last layer
])
def test_folded_batch_norm_is_noted(small, tmp_path, kinds, noted):
    nodes, constants = convolutions(*kinds)
    path = save(tmp_path / "net.onnx", nodes, constants, shape=("N", 1, 12, 12))
    assert (f"note        {FOLDED}" in inspected(path)) == noted
    study_of(small, path)
    done = run("check", small / "study.yaml")  # nothing is pruned
    assert done.returncode == 0 and FOLDED not in done.stderr
    text = (small / "study.yaml").read_text()
    (small / "study.yaml").write_text(text.replace("conditions:", "variants: [{method: magnitude, sparsity: 0.5}]\nconditions:"))
    done = run("check", small / "study.yaml")
    assert done.returncode == 0 and (f"facet: warning: {path}: {FOLDED}" in done.stderr) == noted, done.stderr


@pytest.mark.parametrize("last, said", [("Sigmoid", True), ("Softmax", False)])
def test_several_labels_are_said(small, tmp_path, last, said):
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["h"], transB=1), helper.make_node(last, ["h"], ["y"])]
    path = save(tmp_path / "net.onnx", nodes, {"w": np.eye(4, 144, dtype=np.float32)}, shape=("N", 1, 12, 12))
    study_of(small, path)
    note = f"facet: warning: {path}: a last Sigmoid is left out: the logits before it are explained; of several labels at once (multi-label)"
    for command in ("check", "run", "run"):  # the second run finds all finished
        done = run(command, small / "study.yaml")
        assert done.returncode == 0 and (note in done.stderr) == said, done.stderr


def test_last_sigmoid_is_left_out(tmp_path):
    nodes = [gemm(), helper.make_node("Sigmoid", ["h"], ["y"])]
    text = inspected(save(tmp_path / "net.onnx", nodes, {"w": WEIGHT, "b": BIAS}))
    assert "a last Sigmoid is left out: the logits before it are explained; of several labels at once (multi-label)" in text
    assert row(text, "output")[1] == "h"
    nodes = [gemm(), helper.make_node("Sigmoid", ["h"], ["s"], name="inner"), helper.make_node("Relu", ["s"], ["y"])]
    text = inspected(save(tmp_path / "net.onnx", nodes, {"w": WEIGHT, "b": BIAS}))
    assert row(text, "inner")[1] == "Sigmoid, frozen"


def study_of(folder, network):
    text = (folder / "study.yaml").read_text()
    start, end = text.index("model:"), text.index("conditions:")
    (folder / "study.yaml").write_text(f"{text[:start]}model: {{onnx: {network.name}}}\n{text[end:]}")


def test_last_sigmoid_has_the_classes_of_its_logits(small, tmp_path):
    """To the bit what the same network is without it, also where Sigmoids saturate and are equal."""
    weight = np.random.default_rng(5).normal(size=(4, 144)).astype(np.float32) * 20
    logits = []
    for last in ([], [helper.make_node("Sigmoid", ["h"], ["y"])]):
        nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["h"], transB=1), *last]
        study_of(small, save(tmp_path / "net.onnx", nodes, {"w": weight}, shape=("N", 1, 12, 12), output=nodes[-1].output[0]))
        done = run("run", small / "study.yaml", "--fresh")
        assert done.returncode == 0, done.stderr
        with h5py.File(small / "out/study.h5") as f:
            logits.append(f["prediction/logits"][0, 0])
    assert (logits[0] == logits[1]).all() and (logits[0] > 20).sum() > 10  # where Sigmoid is 1 in float


@pytest.mark.parametrize("kind, words", [
    ("segmentation", r"net.onnx: has outputs N x 3 x 10 x 10, not N x K: .* no classifier"),
    ("binary", r"net.onnx: has one output z, as a binary network with one logit has; .* with the outputs 0 and z"),
])
@pytest.mark.parametrize("command", ["check", "run"])
def test_what_is_no_classifier_is_refused(small, tmp_path, kind, words, command):
    if kind == "segmentation":
        nodes, w = [helper.make_node("Conv", ["x", "w"], ["y"])], np.ones((3, 1, 3, 3), np.float32)
    else:
        flat = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["h"], transB=1)]
        nodes, w = [*flat, helper.make_node("Sigmoid", ["h"], ["y"])], np.ones((1, 144), np.float32)
    study_of(small, save(tmp_path / "net.onnx", nodes, {"w": w}, shape=("N", 1, 12, 12)))
    done = run(command, small / "study.yaml")
    assert done.returncode == 65 and len(own_lines(done)) == 1 and re.search(words, done.stderr), done.stderr
    if command == "check":
        (note,) = re.findall(r"^note +no study takes it: it (.*)$", inspected(tmp_path / "net.onnx"), flags=re.M)
        assert re.search(words.removeprefix("net.onnx: "), note)


def test_classes_of_what_is_no_classifier(tmp_path):
    """In Python any output may be explained, by its number; a class is not predicted. One output alone is."""
    x = np.random.default_rng(2).normal(size=(2, 1, 4, 4))
    wide = save(tmp_path / "wide.onnx", [helper.make_node("Conv", ["x", "w"], ["y"])], {"w": np.ones((3, 1, 3, 3), np.float32)}, shape=("N", 1, 4, 4))
    one = save(tmp_path / "one.onnx", [helper.make_node("Conv", ["x", "w"], ["y"])], {"w": np.ones((1, 1, 4, 4), np.float32)}, shape=("N", 1, 4, 4))
    with facet.Network(wide) as network:
        assert np.array_equal(network.linearize(x, [11]).W[:, 0], network.linearize(x).W[:, 11]) and network.classes == 12
        said = "wide.onnx: has outputs N x 3 x 2 x 2, not N x K: .* no classifier: "
        for ask, what in [(lambda: network.linearize(x, "predicted"), "rows are all, or numbers of outputs"),
                          (lambda: network.linearize(x, top=2), "rows are all, or numbers of outputs"),
                          (lambda: network.attributions(x), "rows are all, or numbers of outputs"),
                          (lambda: network.integrated_gradients(x[0], x), "rows are all, or numbers of outputs"),
                          (lambda: network.margins(x, [0, 1]), "it takes no labels"),
                          (lambda: network.prune("snip", 0.5, x=x, label=[0, 1]), "it takes no labels")]:
            with pytest.raises(facet.NetworkError, match=said + what):
                ask()
    with facet.Network(one) as network:
        assert network.linearize(x, "predicted").row.tolist() == [[0], [0]]


def test_constants_among_the_inputs(tmp_path):
    path = save(tmp_path / "net.onnx", [gemm("y")], {"w": WEIGHT, "b": BIAS}, also_inputs=("w", "b"), opset=8)
    assert row(inspected(path), "input")[1:] == ["x", "N x 3"]


def test_every_unknown_operator_is_named(tmp_path):
    nodes = [
        gemm(),
        helper.make_node("Sin", ["h"], ["e"], name="error"),
        helper.make_node("Relu", ["e"], ["r"]),
        helper.make_node("Relu", ["r"], ["f"], name="foreign", domain="com.example"),
        helper.make_node("Cos", ["f"], ["y"]),
    ]
    path = save(tmp_path / "net.onnx", nodes, {"w": WEIGHT, "b": BIAS}, domains=["com.example"])
    text = refused(path, 65, "node error (Sin): not piecewise linear")
    marked = [line.split()[0] for line in text.splitlines() if " not supported" in line]
    assert marked == ["error", "foreign", "Cos_4"]
    assert row(text, "error")[2] == "not supported: not piecewise linear"
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


@pytest.mark.parametrize(
    "operator, reason",
    [
        ("LpNormalization", "not piecewise linear: its scale depends on the input"),
        ("Floor", "not continuous: no gradient tells what it does"),
        ("LSTM", "not piecewise linear: it multiplies what depends on the input"),
        ("QuantizeLinear", "quantized networks are not supported"),
        ("If", "control flow is not supported"),
        ("TheirOwn", "operator is not supported"),
    ],
)
def test_reasons(tmp_path, operator, reason):
    nodes = [gemm(), helper.make_node(operator, ["h"], ["y"], name="it")]
    path = save(tmp_path / "net.onnx", nodes, {"w": WEIGHT, "b": BIAS})
    done = run("inspect", path)
    if done.returncode == 65 and "not supported" in row(done.stdout, "it")[-1]:  # else src/net has come to know it
        assert f"node it ({operator}): {reason}" in done.stderr
        assert row(done.stdout, "it")[2].removeprefix("not supported: ") in (reason, "not supported")


def sequence(tmp_path, options, taken, shape=("N", 5), **constants):
    """A network that puts together again what it takes from a split sequence."""
    constants = {name: np.array(value, np.int64) for name, value in constants.items()}
    nodes = [helper.make_node("SplitToSequence", ["x", *constants], ["s"], name="cut", axis=1, **options)]
    for k, at in enumerate(taken):
        constants[f"at{k}"] = np.array(at, np.int64)
        nodes.append(helper.make_node("SequenceAt", ["s", f"at{k}"], [f"p{k}"], name=f"take{k}"))
    nodes.append(helper.make_node("Concat", [f"p{k}" for k in range(len(taken))], ["y"], axis=1))
    return save(tmp_path / "net.onnx", nodes, constants, shape=shape)


@pytest.mark.parametrize("constants, options, taken, order", [
    ({"split": 2}, {}, [-1, 0, 1], [4, 0, 1, 2, 3]), ({"split": [1, 4]}, {"keepdims": 0}, [1, 0, 1], [1, 2, 3, 4, 0, 1, 2, 3, 4]),
    ({}, {}, [3, 0], [3, 0]), ({"split": 7}, {}, [0, 0], [*range(5), *range(5)]),
])
def test_parts_of_a_sequence(tmp_path, constants, options, taken, order):
    x = np.arange(10, dtype=np.float32).reshape(2, 5)
    net = facet.Network(sequence(tmp_path, options, taken, **constants))
    assert np.array_equal(net.linearize(x).logits, x[:, order])


def test_elements_of_a_sequence(tmp_path):
    x = np.arange(30, dtype=np.float32).reshape(2, 5, 3)
    net = facet.Network(sequence(tmp_path, {"keepdims": 0}, [-1, 2], shape=("N", 5, 3)))
    assert np.array_equal(net.linearize(x).logits, np.concatenate([x[:, 4], x[:, 2]], axis=1))


@pytest.mark.parametrize("constants, taken, said", [
    ({"split": 2}, [3], "take0 (SequenceAt): asks for part 3 of 3"), ({}, [-6], "take0 (SequenceAt): asks for part -6 of 5"),
    ({"split": 0}, [0], "cut (SplitToSequence): parts of size 0"), ({"split": [3, 3]}, [1], "cut (SplitToSequence): its parts do not make up a dimension of 5"),
    ({"split": 2**63 - 1}, [1], "asks for part 1 of 1"), ({"split": [1, 2**63 - 1, 2**63 - 1, 6]}, [0], "do not make up a dimension of 5"),
    ({"split": [3, 1]}, [0], "do not make up a dimension of 5"), ({"split": [6, -1]}, [1], "do not make up a dimension of 5"),
])
def test_parts_that_a_sequence_has_not(tmp_path, constants, taken, said):
    refused(sequence(tmp_path, {}, taken, **constants), 65, said)


def test_a_sequence_goes_nowhere_else(tmp_path):
    path = sequence(tmp_path, {}, [0])
    model = onnx.load(path)
    model.graph.node[-1].input.append("s")
    onnx.save(model, path)
    refused(path, 65, "(Concat): takes a sequence: SequenceAt alone may")
    del model.graph.node[1:]
    model.graph.output[0].name = "s"
    onnx.save(model, path)
    refused(path, 65, "cut (SplitToSequence): the output of the network is a sequence")


@pytest.mark.parametrize("place, outputs", [(0, ["s", "t"]), (0, ["", "t"]), (1, ["p0", "t"]), (1, ["", "t"])])
def test_nodes_of_a_sequence_have_one_output(tmp_path, place, outputs):
    path = sequence(tmp_path, {}, [0])
    model = onnx.load(path)
    del model.graph.node[place].output[:]
    model.graph.node[place].output.extend(outputs)
    model.graph.node[-1].input.append("t")
    onnx.save(model, path)
    refused(path, 65)


def test_constants_are_scattered(tmp_path):
    """What torch.onnx writes for masks that are filled part by part."""
    constants = {"zero": np.zeros((2, 3), np.float32), "at": np.array([[1, -1], [0, 0]]), "new": np.array([5, 7], np.float32),
                 "rows": np.array([[-1]]), "row": np.array([[1, 2, 3]], np.float32), "one": np.arange(6).reshape(2, 3)}
    nodes = [helper.make_node("ScatterND", ["zero", "at", "new"], ["a"]), helper.make_node("ScatterND", ["a", "rows", "row"], ["b"]),
             helper.make_node("Max", ["one"], ["max"]), helper.make_node("Cast", ["max"], ["float"], to=TensorProto.FLOAT),
             helper.make_node("Sum", ["a", "b", "float"], ["sum"]), helper.make_node("Add", ["x", "sum"], ["s"]),
             helper.make_node("Flatten", ["s"], ["y"])]
    net = facet.Network(save(tmp_path / "net.onnx", nodes, constants, shape=("N", 2, 3)))
    a = np.array([[7, 0, 0], [0, 0, 5]])
    b = np.array([[7, 0, 0], [1, 2, 3]])
    assert np.array_equal(net.linearize(np.zeros((1, 2, 3), np.float32)).logits, (a + b + np.arange(6).reshape(2, 3)).reshape(1, 6))
    constants["at"] = np.array([[1, 3], [0, 0]])
    refused(save(tmp_path / "net.onnx", nodes, constants, shape=("N", 2, 3)), 65, "(ScatterND): index 3 is out of range")
    constants["at"] = np.array([[1, 2]])
    refused(save(tmp_path / "net.onnx", nodes, constants, shape=("N", 2, 3)), 65, "(ScatterND): updates of 2 for 1 x 1")


def test_softmax_inside_is_marked(tmp_path):
    nodes = [gemm(), helper.make_node("Softmax", ["h"], ["s"], name="inner"), helper.make_node("Relu", ["s"], ["y"])]
    text = inspected(save(tmp_path / "net.onnx", nodes, {"w": WEIGHT, "b": BIAS}))
    assert row(text, "inner")[1] == "Softmax, frozen"
    nodes[1].op_type = "LogSoftmax"
    text = refused(save(tmp_path / "net.onnx", nodes, {"w": WEIGHT, "b": BIAS}), 65, "node inner (LogSoftmax): ")
    assert row(text, "inner")[2] == "not supported: not piecewise linear, unless it comes last"


# ---- data in other files ----


def save_outside(path, data="net.data", **options):
    """A model whose two constants lie in another file."""
    save(path, [gemm("y")], {"w": WEIGHT, "b": BIAS})
    onnx.save_model(
        onnx.load(path), path, save_as_external_data=True, all_tensors_to_one_file=True, location=data,
        size_threshold=0, convert_attribute=False, **options,
    )
    return path


def test_numbers_in_another_file(tmp_path):
    path = save_outside(tmp_path / "net.onnx")
    assert len(path.read_bytes()) < 400
    assert row(inspected(path), "dense")[1:] == ["Gemm", "2", "8", "3", "50.000 %", "0", "0"]
    inside = tmp_path / "parts"
    inside.mkdir()
    path = save_outside(inside / "net.onnx")
    assert run("inspect", "parts/net.onnx", cwd=tmp_path).returncode == 0  # beside the model, wherever one stands
    assert run("inspect", "net.onnx", cwd=inside).returncode == 0


def test_other_file_is_missing_or_wrong(tmp_path):
    path = save_outside(tmp_path / "net.onnx")
    data = tmp_path / "net.data"
    whole = data.read_bytes()
    data.write_bytes(whole[:-1])
    refused(path, 65, "initializer ", "data file net.data: has ")
    data.unlink()
    assert refused(path, 66, "initializer w: data file net.data: No such file or directory") == ""
    data.mkdir()
    refused(path, 65, "initializer w: data file net.data: is no ordinary file")
    for location in ("/etc/hostname", "../net.data", "a/../../net.data"):
        model = onnx.load(path, load_external_data=False)
        for entry in model.graph.initializer[0].external_data:
            if entry.key == "location":
                entry.value = location
        onnx.save(model, tmp_path / "out.onnx")
        wanted = f"initializer w: has its data in {location}: data files must lie in the folder of the network"
        refused(tmp_path / "out.onnx", 65, wanted)


def test_study_of_a_network_in_two_files(small, tmp_path):
    """The study's copy is whole, and what its digest covers includes the data file."""
    random = np.random.default_rng(1)
    weight = random.standard_normal((4, 144)).astype(np.float32)
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"], transB=1)]
    path = save(tmp_path / "net.onnx", nodes, {"w": weight}, shape=("N", 1, 12, 12))
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=0)
    study = (small / "study.yaml").read_text()
    start, end = study.index("model:"), study.index("variants:")
    study = study[:start] + "model: {onnx: net.onnx}\n" + study[end:]
    start, end = study.index("variants:"), study.index("conditions:")
    study = study[:start] + "variants: [{method: magnitude, sparsity: 0.5}]\n" + study[end:]
    (small / "study.yaml").write_text(study)
    done = run("run", small / "study.yaml")
    assert done.returncode == 0, done.stderr
    copy = onnx.load(small / "out" / "variants" / "dense.onnx", load_external_data=False)
    assert (numpy_helper.to_array(copy.graph.initializer[0]) == weight).all()
    assert run("run", small / "study.yaml").returncode == 0
    data = bytearray((tmp_path / "net.data").read_bytes())
    data[0] ^= 1
    (tmp_path / "net.data").write_bytes(data)
    done = run("run", small / "study.yaml")
    assert done.returncode == 65 and "has changed since this study began" in done.stderr, done


# ---- numbers of other types ----


@pytest.mark.parametrize("kind", ["FLOAT16", "BFLOAT16", "DOUBLE"])
@pytest.mark.parametrize("raw", [False, True])
def test_types_of_numbers(tmp_path, kind, raw):
    type_ = getattr(TensorProto, kind)
    path = save(tmp_path / "net.onnx", [gemm("y")], {"w": WEIGHT, "b": BIAS})
    model = onnx.load(path)
    for tensor, value in zip(model.graph.initializer, (WEIGHT, BIAS)):
        if kind == "BFLOAT16":
            bits = (value.view(np.uint32) >> 16).astype(np.uint16)
            new = TensorProto(name=tensor.name, dims=value.shape, data_type=type_)
            if raw:
                new.raw_data = bits.tobytes()
            else:
                new.int32_data.extend(int(b) for b in bits.ravel())
        else:
            cast = value.astype(np.float16 if kind == "FLOAT16" else np.float64)
            new = helper.make_tensor(tensor.name, type_, value.shape, cast.tobytes() if raw else cast.ravel(), raw=raw)
        tensor.CopyFrom(new)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT if kind == "BFLOAT16" else type_
    onnx.save(model, path)
    assert row(inspected(path), "dense")[1:] == ["Gemm", "2", "8", "3", "50.000 %", "0", "0"]


def test_empty_constants(tmp_path):
    empty = {"roi": np.zeros(0, np.float32), "axes": np.zeros((0,), np.int64), "none": np.zeros((2, 0, 3), np.float32)}
    inspected(save(tmp_path / "net.onnx", [gemm("y")], {"w": WEIGHT, "b": BIAS, **empty}))


def test_infinite_bias(tmp_path):
    bias = np.array([np.inf], dtype=np.float32)
    path = save(tmp_path / "net.onnx", [gemm("y")], {"w": WEIGHT[:1], "b": bias})
    refused(path, 65, "node dense (Gemm): constant b is infinite")


# ---- functions of the model ----


def test_functions(tmp_path):
    """As some exporters leave them: a layer that is a function, whose activation is one, with a default slope."""
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("pkg.torch", 1)]
    leak = helper.make_node("LeakyRelu", ["a"], ["b"])
    reference = {"ref_attr_name": "slope", "type": onnx.AttributeProto.FLOAT}
    leak.attribute.append(onnx.AttributeProto(name="alpha", **reference))
    activation = helper.make_function(
        "pkg.torch", "leaky", ["a"], ["b"], [leak], opsets, attribute_protos=[helper.make_attribute("slope", 0.125)]
    )
    inner = helper.make_node("leaky", ["h"], ["y"], domain="pkg.torch")
    inner.attribute.append(onnx.AttributeProto(name="slope", **reference))
    layer = helper.make_function(
        "pkg.torch", "layer", ["x", "w", "b"], ["y"],
        [helper.make_node("Gemm", ["x", "w", "b"], ["h"], name="linear", transB=1), inner], opsets, ["slope"],
    )
    constants = {"w": WEIGHT, "b": BIAS, "w2": np.eye(2, dtype=np.float32), "b2": BIAS}
    nodes = [
        helper.make_node("layer", ["x", "w", "b"], ["h"], name="first", domain="pkg.torch", slope=0.25),
        helper.make_node("layer", ["h", "w2", "b2"], ["y"], name="second", domain="pkg.torch"),
    ]
    path = save(tmp_path / "net.onnx", nodes, constants, opset=18, domains=["pkg.torch"])
    model = onnx.load(path)
    model.functions.extend([layer, activation])
    onnx.save(model, path)
    text = inspected(path)
    names = [line.split()[0] for line in text.splitlines()[1:5]]
    assert names == ["first/linear", "first/leaky_1/LeakyRelu_0", "second/linear", "second/leaky_1/LeakyRelu_0"]
    assert row(text, "first/linear")[1:3] == ["Gemm", "2"]
    leak.op_type = "Cos"
    model.functions[1].node[0].op_type = "Cos"
    onnx.save(model, path)
    text = refused(path, 65, "node first/leaky_1/Cos_0 (Cos): not piecewise linear")
    assert row(text, "supported")[1] == "no: 2 of 4 nodes are not"


def pruned_convolutions(path):
    """By convolution: its zero weights, those of its output channels that the convolution behind batch norm and ReLU does
    not read, and how many parameters would go with these."""
    graph = onnx.load(path).graph
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    readers = {}
    for node in graph.node:
        readers.setdefault(node.input[0], []).append(node)
        for other in node.input[1:]:
            readers.setdefault(other, []).append(None)
    found = {}
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        weights, behind, value = constants[node.input[1]], [], node.output[0]
        for kind in ("BatchNormalization", "Relu", "Conv"):
            (reader, *others) = readers[value]
            behind += [reader] if reader and reader.op_type == kind and not others else []
            value = reader.output[0] if reader else value
        read = constants[behind[2].input[1]] if len(behind) == 3 else np.ones((1, len(weights), 1, 1))
        unread = int((read == 0).all(axis=(0, 2, 3)).sum())
        found[node.output[0]] = (int((weights == 0).sum()), unread, unread * (weights[0].size + 4 + read[:, 0].size))
    return found


@pytest.mark.skipif(not (SHARED / "models").is_dir(), reason="no ../shared/models with real networks")
def test_zeros_of_a_pruned_network():
    path = SHARED / "models" / "distiller_resnet20_channels_zeroed.onnx"
    text = inspected(path)
    wanted = list(pruned_convolutions(path).values())
    convolutions = [line.split() for line in text.splitlines() if line.split()[1:2] == ["Conv"]]
    assert len(convolutions) == 19 + 2  # with those of the shortcuts
    zeros, dead = [[int(columns[k]) for columns in convolutions] for k in (-5, -1)]
    assert zeros == [z for z, _, _ in wanted] and sum(zeros) == 24048
    assert dead == [d for _, d, _ in wanted] and sum(d > 0 for d in dead) == 7
    left = 274042 - sum(gone for _, _, gone in wanted)
    assert "pruned      24048 of 270896 weights are zero" in text
    assert f"dead        69 channels in 7 layers; their removal would leave {left} parameters" in text and left == 230710
