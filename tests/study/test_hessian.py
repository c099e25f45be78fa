"""The gradient by the weights, and its exact derivative along a direction (what grasp ranks by), against
torch.autograd.grad twice, in double precision: equal to 1e-9."""

import subprocess

import numpy as np
import pytest

from conftest import ROOT, SHARED

onnx = pytest.importorskip("onnx", reason="the Python package onnx is not installed")
torch = pytest.importorskip("torch", reason="PyTorch is not installed (make bench installs it)")
from onnx import numpy_helper  # noqa: E402
from test_criteria import network  # noqa: E402, F401
from torch_onnx import load  # noqa: E402

PROGRAM = ROOT / "build" / "tests" / "programs" / "hessian"


def of_facet(folder, path, x, label, along):
    data = folder / "data"
    data.write_bytes(along.tobytes() + x.tobytes() + label.tobytes())
    done = subprocess.run([str(PROGRAM), str(path), str(data), str(len(x))], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loss, *rest = done.stdout.splitlines()
    return float(loss), *np.array([line.split() for line in rest], dtype=float).T


def of_torch(forward, weights, x, label, along):
    """d/de of the gradient at weights + e along, as the gradient of <gradient, along>."""
    weights = {n: torch.from_numpy(w.copy()).double().requires_grad_() for n, w in weights.items()}
    logits = forward(torch.from_numpy(x).double(), weights)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(label).long())
    first = torch.autograd.grad(loss, weights.values(), create_graph=True)
    flat = torch.cat([g.flatten() for g in first])
    second = torch.autograd.grad(flat @ torch.from_numpy(along), weights.values())
    return loss.item(), flat.detach().numpy(), torch.cat([h.flatten() for h in second]).numpy()


def compare(folder, path, weights, x, label, along):
    loss, gradient, product = of_facet(folder, path, x, label, along)
    wanted_loss, wanted_gradient, wanted = of_torch(load(path), weights, x, label, along)
    assert abs(loss - wanted_loss) < 1e-12 * wanted_loss
    for found, exact in ((gradient, wanted_gradient), (product, wanted)):
        assert len(found) == len(exact) and np.linalg.norm(exact) > 1e-3
        assert np.linalg.norm(found - exact) < 1e-9 * np.linalg.norm(exact)
        assert np.abs(found - exact).max() < 1e-9 * np.abs(exact).max()
    return wanted_gradient


def test_every_kind_of_layer(tmp_path, network):  # noqa: F811
    """Residual sum, grouped and strided convolutions, batch norm, leaky gates, pooling, inner products both ways round:
    along chance, and along the gradient itself, as grasp does."""
    weights = {n: w.numpy() for n, w in network["weights"].items()}
    x, label = network["x"].numpy().astype(np.float32), network["label"].numpy().astype(np.int32)
    along = np.random.default_rng(3).standard_normal(sum(w.size for w in weights.values()))
    gradient = compare(tmp_path, network["path"], weights, x, label, along)
    compare(tmp_path, network["path"], weights, x, label, gradient)


@pytest.mark.skipif(not (SHARED / "models").is_dir(), reason="no ../shared/models with real networks")
def test_trained_network(tmp_path):
    path = SHARED / "models" / "akamaster_resnet20.onnx"
    graph = onnx.load(path).graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    weights = {n.input[1]: constants[n.input[1]] for n in graph.node if n.op_type in ("Conv", "Gemm")}
    random = np.random.default_rng(5)
    x = random.standard_normal((4, 3, 32, 32)).astype(np.float32)
    label = random.integers(0, 10, 4).astype(np.int32)
    compare(tmp_path, path, weights, x, label, random.standard_normal(sum(w.size for w in weights.values())))
