"""W of the same study, whoever computes it: other kernels, another linear algebra library's core, another precision.

Images with constant background under max pooling, where candidates are equal in exact arithmetic alone."""

import os

import h5py
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import conftest
import facet
from conftest import SHARED, run

FASHION = "/usr/share/datasets/fashion-mnist/t10k-"
MNIST_LIKE = f"{{format: idx, images: {FASHION}images-idx3-ubyte.gz, labels: {FASHION}labels-idx1-ubyte.gz, count: COUNT}}"
CIFAR = f"{{format: cifar10, images: {SHARED}/data/cifar10/test_batch.bin, count: COUNT}}"

pytestmark = pytest.mark.skipif(not os.path.exists(FASHION + "images-idx3-ubyte.gz"), reason="no dataset-fashion-mnist")


def pooled(path):
    """Pools before and after a ReLU, over windows that overlap."""
    random = np.random.default_rng(5)

    def weights(name, *shape):
        size = np.prod(shape[1:]) if len(shape) > 1 else 16
        return numpy_helper.from_array((random.standard_normal(shape) / np.sqrt(size)).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["c1"], ["p1"], kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("Relu", ["p1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["p2"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p2"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes, "pooled", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 28, 28])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])],
        [weights("w1", 16, 1, 3, 3), weights("b1", 16), weights("w2", 16, 16, 3, 3), weights("b2", 16),
         weights("w3", 10, 576), weights("b3", 10)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)


def linearized(folder, model, data, normalize, precision="float", **environment):
    (folder / "study.yaml").write_text(
        f"output: out\nprecision: {precision}\ndata:\n  test: {data}\n  normalize: {normalize}\n"
        f"model: {{onnx: {model}}}\nlinearize: {{rows: all}}\n"
    )
    usual = conftest.environment
    try:
        conftest.environment = lambda: {**usual(), **environment}
        done = run("run", folder / "study.yaml", "--fresh", timeout=600)
    finally:
        conftest.environment = usual
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / "out" / "study.h5") as h5:
        part = h5["linear/dense"]
        return [part[name][:].astype(float) for name in ("W", "b", "ties", "residual")]


OTHERS = {"cnn_max_mninst2": (MNIST_LIKE, "{scale: 255}", 100),
          "akamaster_resnet20": (CIFAR, "{scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}", 24)}


@pytest.mark.parametrize("model", ["pooled", *OTHERS])
def test_w_is_the_same_everywhere(tmp_path, model):
    data, normalize, count = OTHERS.get(model, (MNIST_LIKE, "{scale: 255, mean: 0.286, std: 0.353}", 60))
    path = SHARED / f"models/{model}.onnx"
    if model == "pooled":
        path = tmp_path / "pooled.onnx"
        pooled(path)
    elif not path.exists():
        pytest.skip("no ../shared/models with real networks")
    data = data.replace("COUNT", str(count))
    w, b, ties, residual = linearized(tmp_path, path, data, normalize)
    assert residual.max() <= 1e-5
    assert model == "akamaster_resnet20" or (ties > 0).mean() > 0.5  # constant background does tie
    size, size_b = np.abs(w).reshape(count, -1).max(axis=1), np.maximum(1, np.abs(b).max(axis=1))
    oldest = [{"ONEDNN_MAX_CPU_ISA": "SSE41", "DNNL_MAX_CPU_ISA": "SSE41"}] if model == "pooled" else []  # slow
    for what in (*oldest, {"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2"}, {"OPENBLAS_CORETYPE": "Prescott"},
                 {"precision": "double"}):
        other = linearized(tmp_path, path, data, normalize, **what)
        off = np.abs(other[0] - w).reshape(count, -1).max(axis=1) / size
        assert off.max() <= 1e-5, (what, off.max())
        assert (np.abs(other[1] - b).max(axis=1) / size_b).max() <= 1e-5
        assert np.array_equal(other[2], ties)


def small_pooled(path):
    """The demo's pattern, smaller; a third of the weights are 0."""
    random = np.random.default_rng(5)

    def weights(name, *shape):
        w = random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        return numpy_helper.from_array((w * (random.random(shape) > 1 / 3)).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("Flatten", ["r2"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3"], ["y"], transB=1),
    ]
    bias = [numpy_helper.from_array(np.linspace(-0.2, 0.6, count, dtype=np.float32), name) for name, count in (("b1", 4), ("b2", 6))]
    graph = helper.make_graph(
        nodes, "small", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 28, 28])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])],
        [weights("w1", 4, 1, 3, 3), weights("w2", 6, 4, 3, 3), weights("w3", 10, 150), *bias],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)


def differ(network, x, rows, step=2.0 ** -18):
    """By one-sided differences in double: pixels per step of which some row gains otherwise up than down."""
    around = x[None] + step * np.eye(x.size).reshape(-1, *x.shape)
    up, down, here = (network(points)[:, rows] for points in (around, 2 * x[None] - around, x[None]))
    return (np.abs(up - 2 * here + down) / step).max(axis=1).reshape(x.shape) > 2e-9  # rounding: 3e-10


def test_what_ties_touch(tmp_path):
    """200 pictures: a pixel is touched exactly where the slopes to its two sides differ, in a row that is stored."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    import torch_onnx

    small_pooled(tmp_path / "net.onnx")
    network = torch_onnx.load(tmp_path / "net.onnx")
    (tmp_path / "study.yaml").write_text(
        f"output: out\ndata:\n  test: {MNIST_LIKE.replace('COUNT', '200')}\n  normalize: {{scale: 255, mean: 0.286, std: 0.353}}\n"
        "model: {onnx: net.onnx}\nlinearize: {rows: {top: 2}}\n"
    )
    done = run("run", tmp_path / "study.yaml")
    assert done.returncode == 0, done.stderr
    with facet.open(tmp_path / "out" / "study.h5") as study, torch.no_grad():
        linear, touched = study.linear("dense"), []
        for i in range(200):
            wanted = differ(lambda x: network(torch.from_numpy(x)).numpy(), study.input(i).astype(np.float32).astype(float), linear.row[i])
            touched.append(linear.touched(i))
            assert np.array_equal(touched[-1], wanted), i
        share = np.mean(touched, axis=(1, 2, 3))
        assert share.min() < 0.2 and share.max() > 0.4 and not np.any(touched, axis=(1, 2, 3))[linear.ties == 0].any()
        assert study.file["linear/dense/touched"].dtype == np.uint8
