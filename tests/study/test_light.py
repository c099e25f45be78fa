"""The light_* networks of the Python package onnx: ResNet-50, DenseNet-121, Inception, ShuffleNet, SqueezeNet, VGG-19 and
others at 224 x 224, whose weights are all one number. They run, also with random weights, as onnxruntime runs them, and
their linearizations are exact; those with LRN are refused by the node's name.

FACET_LONG=1 gives the large ones random weights, too, takes both choices of rows for all, and VGG-19 as it is, which takes
6 GiB; without, VGG-19 is one for 64 x 64, with random weights."""

import importlib.util
import os
import pathlib

import h5py
import numpy as np
import pytest

from conftest import own_lines, run

onnx = pytest.importorskip("onnx", reason="the Python package onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the Python package onnxruntime is not installed")
from onnx import numpy_helper  # noqa: E402

LIGHT = pathlib.Path(importlib.util.find_spec("onnx").origin).parent / "backend" / "test" / "data" / "light"
PIECEWISE_LINEAR = ["densenet121", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19"]
WITH_LRN = ["bvlc_alexnet", "inception_v1", "zfnet512"]
LARGE = ["densenet121", "inception_v2", "resnet50", "vgg19"]
LONG = bool(os.environ.get("FACET_LONG"))
TOP = [name for name in PIECEWISE_LINEAR if name != "vgg19" or LONG]
PREDICTED = PIECEWISE_LINEAR if LONG else ["squeezenet"]
CASES = [(name, "{top: 3}") for name in TOP] + [(name, "predicted") for name in PREDICTED]
SHAPE = (3, 224, 224)
NEAR = 1e-4  # of the largest logit: float on both sides, through up to 121 layers
RESIDUAL = 1e-5

pytestmark = pytest.mark.skipif(not LIGHT.is_dir(), reason="this version of the Python package onnx has no light networks")


def without_softmax(model):
    """The network whose output is the logits."""
    last = model.graph.node[-1]
    if last.op_type == "Softmax":
        model.graph.output[0].name = last.input[0]
        del model.graph.node[-1]
    return model


def with_random_weights(model, seed=1):
    """Every ConstantOfShape becomes an initializer: He's for weights, about 1 for scales and variances, small for others."""
    random = np.random.default_rng(seed)
    graph = model.graph
    shapes = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    positive = {i for n in graph.node if n.op_type == "BatchNormalization" for i in (n.input[1], n.input[4])}
    for node in [n for n in graph.node if n.op_type == "ConstantOfShape"]:
        shape, name = tuple(shapes[node.input[0]].tolist()), node.output[0]
        if name in positive:
            values = random.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            values = random.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        else:
            values = 0.1 * random.normal(size=shape)
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
        graph.node.remove(node)
    return model


def at_64(model):
    """VGG-19 for 64 x 64: all its layers, but a twelfth of the work and of the weights of the first dense one."""
    graph, shapes = model.graph, {"fc6_w_0__SHAPE": [4096, 2048], "OC2_DUMMY_1": [1, 2048]}
    for tensor in graph.initializer:
        if tensor.name in shapes:
            tensor.CopyFrom(numpy_helper.from_array(np.array(shapes.pop(tensor.name)), tensor.name))
    assert not shapes
    for axis in next(value for value in graph.input if value.name == "data_0").type.tensor_type.shape.dim[2:]:
        axis.dim_value = 64
    return model


def samples(shape=SHAPE):
    """The ramp that the package's own expected outputs belong to, and noise."""
    ramp = (np.arange(np.prod(shape)) / np.prod(shape)).reshape(shape)
    return np.stack([ramp, np.random.default_rng(0).normal(size=shape)]).astype(np.float32)


def peer(model, x):
    """What onnxruntime makes of the same file, sample by sample, for the batch of 1 is fixed in these."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.stack([session.run(None, {session.get_inputs()[0].name: one[None]})[0].ravel() for one in x])


def linearized(folder, model, rows, x):
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", np.zeros(len(x), dtype=np.int64))
    (folder / "study.yaml").write_text(
        "output: out\nmemory: 8 GiB\ndata: {test: {format: npy, images: x.npy, labels: y.npy}}\n"
        f"model: {{onnx: {model}}}\nlinearize: {{rows: {rows}}}\n"
    )
    done = run("run", folder / "study.yaml", timeout=900)
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / "out" / "study.h5") as h5:
        part = h5["linear/dense"]
        return (h5["prediction/logits"][0, 0].astype(float), part["row"][:], part["W"][:].astype(float),
                part["b"][:].astype(float), part["residual"][:])


def check(folder, model, rows, x, wanted):
    logits, row, w, b, residual = linearized(folder, model, rows, x)
    logits = logits.reshape(wanted.shape)
    scale = np.abs(wanted).max(axis=1, keepdims=True)
    assert np.all(np.abs(logits - wanted) <= NEAR * scale), np.abs((logits - wanted) / scale).max()
    assert residual.max() <= RESIDUAL
    assert row.shape == (len(x), 1 if rows == "predicted" else 3)
    chosen = np.take_along_axis(logits, row, 1)
    assert np.all(chosen[:, :1] == logits.max(axis=1, keepdims=True)) and np.all(np.diff(chosen, axis=1) <= 0)
    again = np.einsum("nkcyx,ncyx->nk", w, x.astype(float)) + b
    assert np.all(np.abs(again - chosen) <= 1e-4 * np.maximum(1, scale))


@pytest.mark.parametrize("name, rows", CASES)
def test_as_it_is(tmp_path, name, rows):
    if name == "vgg19" and os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") < 8 << 30:
        pytest.skip("VGG-19 needs a machine with 8 GiB")
    path = LIGHT / f"light_{name}.onnx"
    x = samples()
    wanted = peer(without_softmax(onnx.load(path)), x)
    if name == "densenet121":  # the one without a Softmax, after which all of them expect 1/1000
        expected = numpy_helper.to_array(onnx.load_tensor(LIGHT / f"light_{name}_output_0.pb")).ravel()
        np.testing.assert_allclose(wanted[0], expected, rtol=1e-4)
    check(tmp_path, path, rows, x, wanted)


@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
def test_with_random_weights(tmp_path, name):
    small = name == "vgg19" and not LONG
    if name in LARGE and not LONG and not small:
        pytest.skip("long: set FACET_LONG=1")
    model = onnx.load(LIGHT / f"light_{name}.onnx")
    model = without_softmax(with_random_weights(at_64(model) if small else model))
    onnx.save(model, tmp_path / "net.onnx")
    x = samples((3, 64, 64)) if small else samples()
    check(tmp_path, "net.onnx", "{top: 3}", x, peer(model, x))


@pytest.mark.parametrize("name", WITH_LRN)
def test_local_response_normalization_is_refused(name):
    path = LIGHT / f"light_{name}.onnx"
    node, at = next((n, i) for i, n in enumerate(onnx.load(path).graph.node) if n.op_type == "LRN")
    done = run("inspect", path)
    assert done.returncode == 65
    assert len(own_lines(done)) == 1 and f"node {node.name or f'LRN_{at}'} (LRN)" in done.stderr, done.stderr
