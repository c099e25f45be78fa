"""Real networks on real images: accuracies, residuals, and W and b against PyTorch's float64 autograd.

The models and CIFAR-10 are not part of the project: the tests look for them in ../shared, and skip without them.
FACET_LONG=1 linearizes all 10,000 test images of ResNet-20 instead of 500."""

import os

import h5py
import numpy as np
import pytest

from conftest import FACET, SHARED, run

FASHION = "/usr/share/datasets/fashion-mnist/t10k-"
CIFAR = f"""test: {{format: cifar10, images: {SHARED}/data/cifar10/test_batch.bin}}"""
MNIST_LIKE = f"test: {{format: idx, images: {FASHION}images-idx3-ubyte.gz, labels: {FASHION}labels-idx1-ubyte.gz}}"
IMAGENET = "{scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}"

pytestmark = pytest.mark.skipif(not (SHARED / "models").is_dir(), reason="no ../shared/models with real networks")

MODELS = {  # name: data, normalize, accuracy in percent as measured by others (None: no test set of its own here)
    "akamaster_resnet20": (CIFAR, IMAGENET, 91.73),
    "akamaster_resnet56": (CIFAR, IMAGENET, 93.39),
    "distiller_resnet20_dense": (CIFAR, "{scale: 255, mean: 0.5, std: 0.5}", 91.71),
    "distiller_resnet20_channels_zeroed": (CIFAR, "{scale: 255, mean: 0.5, std: 0.5}", 90.81),
    "cvx_fashion_mnist": (MNIST_LIKE, "{scale: 255}", 78.27),
    "cnn_max_mninst2": (MNIST_LIKE, "{scale: 255}", None),
    "mnist5x20_leaky_relu": (MNIST_LIKE, "{scale: 255}", None),
}


def study(folder, model, more, count=0):
    data, normalize, _ = MODELS[model]
    if count:
        data = data.replace("}", f", count: {count}}}")
    (folder / "study.yaml").write_text(
        f"output: out\ndata:\n  {data}\n  normalize: {normalize}\n"
        f"model: {{onnx: {SHARED}/models/{model}.onnx}}\n{more}"
    )
    done = run("run", folder / "study.yaml", ranks=min(8, len(os.sched_getaffinity(0))), timeout=1700)
    assert done.returncode == 0, done.stderr
    return folder / "out" / "study.h5"


@pytest.mark.parametrize("model", [m for m in MODELS if MODELS[m][2] and m != "akamaster_resnet56"])
def test_accuracy_to_the_digit(tmp_path, model):
    with h5py.File(study(tmp_path, model, "")) as h5:
        assert round(100 * float(h5["summary/accuracy"][0, 0]), 2) == MODELS[model][2]


@pytest.mark.skipif(not os.environ.get("FACET_LONG"), reason="long: set FACET_LONG=1")
def test_accuracy_of_resnet56(tmp_path):
    test_accuracy_to_the_digit(tmp_path, "akamaster_resnet56")


@pytest.mark.parametrize("model", [m for m in MODELS if m != "akamaster_resnet56"])
def test_rows_are_float64_jacobians(tmp_path, model):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (make bench installs it)")
    from torch_onnx import load

    count = 64 if "resnet" in model else 100
    with h5py.File(study(tmp_path, model, "linearize: {rows: all}", count)) as h5:
        w, b = h5["linear/dense/W"][:].astype(float), h5["linear/dense/b"][:].astype(float)
        b_node, residual = h5["linear/dense/b_node"][:].astype(float), h5["linear/dense/residual"][:]
        image = torch.from_numpy(h5["image"][:].astype(np.float64))
        logits, ties = h5["prediction/logits"][0, 0], h5["linear/dense/ties"][:]
    scale = {"akamaster_resnet20": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])}.get(
        model, ([0.5], [0.5]) if "distiller" in model else ([0.0], [1.0])
    )
    mean, std = (torch.tensor(v, dtype=torch.float64).reshape(1, -1, 1, 1) for v in scale)
    x = (image / 255 - mean) / std
    network = load(str(SHARED / f"models/{model}.onnx"))
    if model == "cnn_max_mninst2":
        x = x.permute(0, 2, 3, 1)
    x = x.contiguous().requires_grad_(True)
    f = network(x)
    exact = np.stack(
        [torch.autograd.grad(f[:, k].sum(), x, retain_graph=True)[0].detach().numpy() for k in range(f.shape[1])], 1
    )
    exact, w = exact.reshape(*w.shape[:2], -1), w.reshape(*w.shape[:2], -1)  # both in the network's own order
    f = f.detach().numpy()
    np.testing.assert_allclose(logits, f, atol=2e-5 * np.abs(f).max())
    b_exact = f - np.einsum("nkd,nd->nk", exact, x.detach().numpy().reshape(len(w), -1))
    same = np.array([np.abs(w[i] - exact[i]).max() <= 1e-5 * np.abs(exact[i]).max() for i in range(len(w))])
    if model == "cnn_max_mninst2":  # its max pooling meets equal pixels, where the winner, and W, is a matter of choice
        assert np.all(ties[~same] > 0)
    else:
        assert same.all() and np.abs(w - exact).max() <= 1e-5 * np.abs(exact).max()
    assert np.abs(b - b_exact)[same].max() <= 1e-5 * np.abs(b_exact).max()
    np.testing.assert_allclose(b_node.sum(axis=2), b, atol=1e-5 * np.abs(b_node).max())
    assert residual.max() <= 1e-5


def test_certificate_on_resnet20(tmp_path):
    count = 10000 if os.environ.get("FACET_LONG") else 500
    store = study(tmp_path, "akamaster_resnet20", "linearize: {rows: all}", count)
    with h5py.File(store) as h5:
        residual = h5["linear/dense/residual"][:]
        assert residual.shape == (count,) and residual.max() <= 1e-5
        print("worst residual", residual.max())


def test_loss_from_geometry(tmp_path):
    store = study(tmp_path, "distiller_resnet20_dense", "", 100)
    import onnx
    from onnx import numpy_helper

    weights = {i.name: numpy_helper.to_array(i) for i in onnx.load(SHARED / "models/distiller_resnet20_dense.onnx").graph.initializer}
    (gemm,) = [n for n in onnx.load(SHARED / "models/distiller_resnet20_dense.onnx").graph.node if n.op_type == "Gemm"]
    w, c = weights[gemm.input[1]].astype(float), weights[gemm.input[2]].astype(float)
    with h5py.File(store) as h5:
        length, cosine = h5["geometry/length"][0, 0], h5["geometry/cosine"][0, 0]
        logits = np.linalg.norm(w, axis=1) * length[:, None] * cosine + c
        loss = np.log(np.exp(logits).sum(1)) - logits[np.arange(100), h5["label"][:]]
        np.testing.assert_allclose(loss, h5["prediction/loss"][0, 0], atol=1e-9)


def run_elsewhere(folder, names, x):
    """The logits of variants by onnxruntime."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="the Python package onnxruntime is not installed")
    for name in names:
        session = onnxruntime.InferenceSession(str(folder / f"out/variants/{name}.onnx"), providers=["CPUExecutionProvider"])
        yield session.run(None, {session.get_inputs()[0].name: x})[0]


def test_channels_that_others_have_pruned_can_be_taken_out(tmp_path):
    pytest.importorskip("onnx", reason="the Python package onnx is not installed")
    from test_onnx import pruned_convolutions

    model = "distiller_resnet20_channels_zeroed"
    gone = sum(count for _, _, count in pruned_convolutions(SHARED / f"models/{model}.onnx").values())
    variants = "variants: [{name: smaller, method: magnitude, sparsity: 0, remove_dead: true}]\n"
    with h5py.File(study(tmp_path, model, variants, 200)) as h5:
        dense, smaller = h5["prediction/logits"][:, 0]
        parameters = h5["cost/parameters"][:]
        x = ((h5["image"][:] / 255 - 0.5) / 0.5).astype(np.float32)
    assert parameters[0] - parameters[1] == gone > 0
    np.testing.assert_allclose(smaller, dense, rtol=0, atol=1e-5)
    np.testing.assert_allclose(*run_elsewhere(tmp_path, ("smaller", "dense"), x), rtol=0, atol=1e-5)


def test_half_the_filters_of_a_residual_network(tmp_path):
    """The inner channels of every block go; others are added to what comes over the skip, and stay, mostly."""
    onnx = pytest.importorskip("onnx", reason="the Python package onnx is not installed")
    recipe = "method: filter, scope: layer, sparsity: 0.5"
    variants = f"variants: [{{name: masked, {recipe}}}, {{name: removed, {recipe}, remove_dead: true}}]\n"
    with h5py.File(study(tmp_path, "akamaster_resnet20", variants, 200)) as h5:
        _, masked, removed = h5["prediction/logits"][:, 0]
        flops, size = h5["cost/flops"][:], h5["cost/bytes"][:]
        image = h5["image"][:] / 255
    np.testing.assert_allclose(removed, masked, rtol=0, atol=1e-5)
    assert flops[1] == flops[0] and flops[2] < 0.51 * flops[0] and size[2] < 0.5 * size[0]
    graph = onnx.load(tmp_path / "out/variants/removed.onnx").graph
    shape = {c.name: tuple(c.dims) for c in graph.initializer}
    convolutions = [shape[node.input[1]] for node in graph.node if node.op_type == "Conv"]
    assert [s[0] for s in convolutions[1::2]] == [8] * 3 + [16] * 3 + [32] * 3
    assert [s[1] for s in convolutions[2::2]] == [8] * 3 + [16] * 3 + [32] * 3
    mean, std = (np.reshape(v, (3, 1, 1)) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    x = ((image - mean) / std).astype(np.float32)
    np.testing.assert_allclose(*run_elsewhere(tmp_path, ("removed", "masked"), x), rtol=0, atol=1e-5)
