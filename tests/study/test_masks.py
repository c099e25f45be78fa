"""Masks of torch.nn.utils.prune to facet's mask files and back, for ONNX exports with names, and without."""

import contextlib
import io
import subprocess
import sys
import types

import h5py
import numpy as np
import pytest

from conftest import STUDY, run

torch = pytest.importorskip("torch", reason="PyTorch is not installed (make bench installs it)")
onnx = pytest.importorskip("onnx", reason="the Python package onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils import prune  # noqa: E402

from facet import masks as facet_masks  # noqa: E402
from facet.__main__ import main  # noqa: E402


def module():
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.Flatten(),
                        nn.Linear(64, 3)).eval()
    net[1].running_var.uniform_(0.5, 2)
    return net


def pruned():
    net = module()
    prune.random_unstructured(net[0], "weight", 0.5)
    prune.l1_unstructured(net[5], "weight", 0.25)
    return net


def weights_of(layer, masked):
    return (layer.weight if masked else getattr(layer, "weight_orig", layer.weight)).detach().numpy().copy()


def export(net, path, names=True, folded=False, masked=True, turned=False):
    """The module as ONNX: with its names or an exporter's, batch norm folded or not, Linear as MatMul with W^T or not."""
    w = [weights_of(net[i], masked) for i in (0, 3, 5)]
    scale = (net[1].weight / torch.sqrt(net[1].running_var + net[1].eps)).detach().numpy()
    if folded:
        w[0] *= -scale.reshape(-1, 1, 1, 1)
    called = ["0.weight", "3.weight", "5.weight"] if names else ["onnx::Conv_1", "/3/w", "onnx::MatMul_7"]
    norm = {f"n{i}": v.detach().numpy() for i, v in enumerate((net[1].weight, net[1].bias, net[1].running_mean, net[1].running_var))}
    nodes = [helper.make_node("Conv", ["x", called[0]], ["a"], name="first")]
    nodes += [] if folded else [helper.make_node("BatchNormalization", ["a", *norm], ["a2"], epsilon=net[1].eps)]
    nodes += [
        helper.make_node("Relu", ["a" if folded else "a2"], ["b"]),
        helper.make_node("Conv", ["b", called[1]], ["c"], name="second"),
        helper.make_node("Flatten", ["c"], ["d"]),
    ]
    if turned:
        nodes += [helper.make_node("Transpose", [called[2]], ["wt"], perm=[1, 0]), helper.make_node("MatMul", ["d", "wt"], ["y"])]
    else:
        nodes += [helper.make_node("Gemm", ["d", called[2]], ["y"], name="last", transB=1)]
    constants = dict(zip(called, w)) | ({} if folded else norm)
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)
    return ["wt" if turned and i == 2 else name for i, name in enumerate(called)]


def script(way, *arguments):
    """Runs python3 -m facet masks in here (PyTorch takes seconds to load); what subprocess.run would return."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["masks", way, *map(str, arguments)])
    assert err.getvalue().count("\n") <= 1, err.getvalue()
    return types.SimpleNamespace(returncode=status, stdout=out.getvalue(), stderr=err.getvalue())


def test_called_as_a_command():
    for way in ("from-torch", "to-torch"):
        done = subprocess.run([sys.executable, "-m", "facet", "masks", way], capture_output=True, text=True)
        assert done.returncode == 64 and f"usage: python3 -m facet masks {way}" in done.stderr


CASES = [dict(), dict(masked=False), dict(names=False), dict(names=False, folded=True), dict(names=False, turned=True),
         dict(names=False, masked=False, folded=True, turned=True)]


@pytest.mark.parametrize("case", CASES)
def test_there_and_back(tmp_path, case):
    net = pruned()
    names = export(net, tmp_path / "net.onnx", **case)
    torch.save(net.state_dict(), tmp_path / "state.pt")
    done = script("from-torch", tmp_path / "state.pt", tmp_path / "net.onnx", tmp_path / "masks.h5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("3 layers, 84 of 280 weights removed\n")
    wanted = [net[0].weight_mask.numpy(), np.ones((4, 4, 1, 1)), net[5].weight_mask.numpy()]
    with h5py.File(tmp_path / "masks.h5") as h5:
        assert list(h5.attrs["facet_masks"]) == [1]
        for name, mask in zip(names, wanted):
            data = h5["masks"][name.replace("/", "|")]
            mask = mask.T if name == "wt" else mask
            assert data.dtype == np.uint8 and data.attrs["initializer"] == name
            assert tuple(data.attrs["shape"]) == data.shape and data.attrs["removed"][0] == (mask == 0).sum()
            assert np.array_equal(data[()], mask)
    torch.save(module().state_dict(), tmp_path / "dense.pt")
    if case.get("masked", True):  # the export of the pruned module does not fit the dense one by numbers
        torch.save(net.state_dict(), tmp_path / "dense.pt")
    done = script("to-torch", tmp_path / "net.onnx", tmp_path / "masks.h5", tmp_path / "dense.pt", tmp_path / "masked.pt")
    assert done.returncode == 0, done.stderr
    again = module()
    for i in (0, 3, 5):
        prune.identity(again[i], "weight")
    again.load_state_dict(torch.load(tmp_path / "masked.pt", weights_only=True))
    x = torch.randn(4, 2, 6, 6)
    assert torch.equal(again(x), net(x))


def test_masks_on_a_module(tmp_path):
    net, dense = pruned(), module()
    export(net, tmp_path / "net.onnx")
    layers = facet_masks.onnx_layers(tmp_path / "net.onnx")
    facet_masks.apply_masks(dense, facet_masks.masks_for_module(layers, facet_masks.masks_of_module(layers, net), dense))
    x = torch.randn(4, 2, 6, 6)
    assert torch.equal(dense(x), net(x))


def inspected_zeros(path):
    done = run("inspect", path)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("pruned")]
    return int(line.split()[1])


def test_an_export_by_pytorch(tmp_path):
    net = pruned()
    try:
        torch.onnx.export(net, torch.zeros(1, 2, 6, 6), tmp_path / "net.onnx", dynamo=False)
    except Exception as error:  # its exporter comes and goes
        pytest.skip(f"this PyTorch does not export: {error}")
    masks = facet_masks.masks_of_module(facet_masks.onnx_layers(tmp_path / "net.onnx"), net)
    assert inspected_zeros(tmp_path / "net.onnx") == 84
    assert sorted(int((m == 0).sum()) for m in masks.values()) == [0, 36, 48]


def test_files_that_do_not_fit(tmp_path):
    net = pruned()
    export(net, tmp_path / "net.onnx", names=False)
    torch.save(net.state_dict(), tmp_path / "state.pt")
    torch.save(nn.Sequential(nn.Linear(3, 3)).state_dict(), tmp_path / "other.pt")
    model, masks, state = tmp_path / "net.onnx", tmp_path / "masks.h5", tmp_path / "state.pt"

    def refused(status, line, way, *arguments):
        done = script(way, *arguments)
        assert (done.returncode, done.stderr) == (status, f"facet masks: {line}\n")

    refused(66, f"{tmp_path}/no.pt: No such file or directory", "from-torch", tmp_path / "no.pt", model, masks)
    refused(66, f"{tmp_path}/no.onnx: No such file or directory", "from-torch", state, tmp_path / "no.onnx", masks)
    refused(65, f"{model}: not a state dict that torch.save wrote", "from-torch", model, model, masks)
    refused(65, "weights onnx::Conv_1 of node first (4 x 2 x 3 x 3) are those of no one layer of the module",
            "from-torch", tmp_path / "other.pt", model, masks)
    refused(73, f"{tmp_path}/no/masks.h5: cannot be written", "from-torch", state, model, tmp_path / "no/masks.h5")
    back = (model, masks, state, tmp_path / "out.pt")
    refused(66, f"{masks}: No such file or directory", "to-torch", *back)
    good = facet_masks.masks_of_module(facet_masks.onnx_layers(model), net)
    facet_masks.write_masks(masks, {"/3/w": good["/3/w"]})
    refused(65, f"{masks}: has no mask for onnx::Conv_1 of node first", "to-torch", *back)
    facet_masks.write_masks(masks, good | {"/3/w": np.ones((4, 4), dtype=np.uint8)})
    refused(65, f"{masks}: mask /3/w is 4 x 4 but the weights are 4 x 4 x 1 x 1", "to-torch", *back)
    with h5py.File(masks, "w") as h5:
        h5["masks/first"] = np.full((4, 2, 3, 3), 2, dtype=np.uint8)
    refused(65, f"{masks}: mask first is not of 0 and 1 in 8-bit unsigned integers", "to-torch", *back)


def constants_of(path):
    """The constants of an ONNX file by name, and its nodes."""
    graph = onnx.load(path).graph
    return {c.name: numpy_helper.to_array(c) for c in graph.initializer}, list(graph.node)


def company_of_filters(path):
    """For every batch norm behind a convolution: which filters are all zero; its shift, mean and variance."""
    constants, nodes = constants_of(path)
    makes = {node.output[0]: node for node in nodes}
    for norm in nodes:
        if norm.op_type == "BatchNormalization":
            weights = constants[makes[norm.input[0]].input[1]]
            yield (weights == 0).all(axis=(1, 2, 3)), *(constants[name] for name in norm.input[2:])


def test_pruned_filters_go_with_their_feature_maps(small):
    """Biases and batch norm of removed filters are silent, also after retraining, so that the channels can be taken out:
    half of every layer but the last.  Taken out before the training or after it, the network is the same."""
    training = "budget: {epochs: 1, rate: 0.05}"
    folder = small
    (folder / "study.yaml").write_text(STUDY.split("variants:")[0] + f"""\
variants:
  - {{name: masked, method: filter, scope: layer, sparsity: 0.5}}
  - {{name: removed, method: filter, scope: layer, sparsity: 0.5, remove_dead: true}}
  - {{name: masked-trained, method: filter, scope: layer, sparsity: 0.5, {training}}}
  - {{name: removed-trained, method: filter, scope: layer, sparsity: 0.5, remove_dead: true, {training}}}
""")
    done = run("run", folder / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / "out/study.h5") as h5:
        names = [name.decode() for name in h5["variant"][:]]
        logits = {name: h5["prediction/logits"][i, 0] for i, name in enumerate(names)}
        sizes = {name: list(h5[f"variants/{name}"].attrs["layer_size"]) for name in names}
    assert sizes["dense"] == [4 * 9, 8 * 4 * 9, 8 * 36 * 16, 16 * 4] == sizes["masked"]
    for kind in ("", "-trained"):
        for layer, (gone, *company, _) in enumerate(company_of_filters(folder / f"out/variants/masked{kind}.onnx")):
            assert gone.sum() == (2, 4)[layer]
            for numbers in company:
                assert np.array_equal(numbers == 0, gone)
        assert sizes["removed" + kind] == [2 * 9, 4 * 2 * 9, 4 * 36 * 8, 8 * 4]
        np.testing.assert_allclose(logits["removed" + kind], logits["masked" + kind], atol=1e-5 * np.abs(logits["masked" + kind]).max())
    assert np.abs(logits["masked"] - logits["masked-trained"]).max() > 0.1
    text = run("check", folder / "study.yaml", "--verbose").stdout  # before a weight is trained, it knows how small they will be
    for name in names[1:]:
        size = sum(c.size for c in constants_of(folder / f"out/variants/{name}.onnx")[0].values())
        (row,) = [line for line in text.splitlines() if line.split()[:2] == [name, "filter"]]
        assert f" {size / 1000:.3g} k " in row


def network_with_a_doubtful_channel(path):
    """Channel 1 of the first layer: without its filter, ReLU shuts it by the running mean of its batch norm, and would
    open it by that of a training, which is 0."""
    random = np.random.default_rng(5)
    constants = {name: random.normal(0, 0.3, shape).astype(np.float32)
                 for name, shape in {"a": (4, 1, 3, 3), "b": (6, 4, 3, 3), "c": (4, 6)}.items()}
    for name, value in {"gamma": 1, "beta": 0.5, "mean": 0, "var": 1}.items():
        constants[name] = np.full(4, value, np.float32)
    constants["mean"][1] = 1
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["1"], pads=[1] * 4),
        helper.make_node("BatchNormalization", ["1", "gamma", "beta", "mean", "var"], ["2"]),
        helper.make_node("Relu", ["2"], ["3"]),
        helper.make_node("Conv", ["3", "b"], ["4"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["4"], ["5"]),
        helper.make_node("GlobalAveragePool", ["5"], ["6"]),
        helper.make_node("Flatten", ["6"], ["7"]),
        helper.make_node("Gemm", ["7", "c"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 12, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(v, k) for k, v in constants.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)
    return constants


def test_training_does_not_bring_back_what_is_dead(small):
    constants = network_with_a_doubtful_channel(small / "net.onnx")
    masks = {name: np.random.default_rng(6).integers(0, 2, constants[name].shape) for name in "abc"}
    masks["a"][1] = 0
    masks["c"][0] |= 1  # all of the second layer is heard of
    for filters in (masks["a"], masks["b"]):
        filters[0, 0, 0, 0] = 1
    facet_masks.write_masks(small / "masks.h5", masks)
    training = "retrain: {epochs: 2, batch: 32, rate: 0.05}"
    (small / "study.yaml").write_text(STUDY.split("model:")[0] + f"""\
model: {{onnx: net.onnx}}
variants:
  - {{name: held, mask: masks.h5, {training}}}
  - {{name: removed, mask: masks.h5, remove_dead: true, {training}}}
""")
    done = run("run", small / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    ((gone, shift, mean, variance),) = company_of_filters(small / "out/variants/held.onnx")
    assert gone[1] and shift[1] > mean[1] / np.sqrt(variance[1] + 1e-5)  # brought back
    left, _ = constants_of(small / "out/variants/removed.onnx")
    cut = {"a": np.delete(masks["a"], 1, axis=0), "b": np.delete(masks["b"], 1, axis=1), "c": masks["c"]}
    before = {"a": np.delete(constants["a"], 1, axis=0), "b": np.delete(constants["b"], 1, axis=1), "c": constants["c"]}
    for name in "abc":
        assert np.array_equal(left[name] != 0, cut[name]), name
        assert (left[name] != before[name])[cut[name] == 1].all(), name
