"""The trainer's steps against PyTorch's SGD in float64."""

import numpy as np
import pytest

from conftest import run

onnx = pytest.importorskip("onnx", reason="the Python package onnx is not installed")
torch = pytest.importorskip("torch", reason="PyTorch is not installed (make bench installs it)")
from onnx import helper, numpy_helper  # noqa: E402
from test_onnx import save  # noqa: E402

STUDY = """\
data:
  train: {format: npy, images: x.npy, labels: labels.npy}
  test: {format: npy, images: x.npy, labels: labels.npy}
model:
  onnx: net.onnx
  train: {epochs: 6, batch: 4, rate: 0.01, momentum: 0.9, decay: 0.5, schedule: constant}
output: out
"""


def test_steps_without_a_gradient_go_on(tmp_path):
    """Four samples, each with a pixel of its own; the network is sure of all of them and wrong about the last. One step
    mends that. From then on every gradient is exactly 0, and momentum and decay alone move the weights."""
    x, labels = 1000 * np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1], dtype=np.int64)
    weights = {"w": np.array([[2, -2, 3, 2], [-1, 1, -2, -1]], np.float32), "b": np.array([0.25, -0.5], np.float32)}
    np.save(tmp_path / "x.npy", x.reshape(4, 1, 2, 2))
    np.save(tmp_path / "labels.npy", labels)
    (tmp_path / "study.yaml").write_text(STUDY)
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w", "b"], ["y"], transB=1)]
    save(tmp_path / "net.onnx", nodes, weights, shape=("N", 1, 2, 2))

    parameters = [torch.tensor(weights[name].astype(float), requires_grad=True) for name in ("w", "b")]
    sgd = torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=0.5)
    gradients = []
    for _ in range(6):
        sgd.zero_grad()
        logits = torch.tensor(x.astype(float)) @ parameters[0].T + parameters[1]
        torch.nn.functional.cross_entropy(logits, torch.tensor(labels)).backward()
        gradients.append(max(p.grad.abs().max().item() for p in parameters))
        sgd.step()
    assert gradients[0] > 1 and gradients[1:] == [0] * 5

    for ranks in (1, 2):
        done = run("run", tmp_path / "study.yaml", "--fresh", ranks=ranks)
        assert done.returncode == 0, done.stderr
        made = {i.name: numpy_helper.to_array(i) for i in onnx.load(tmp_path / "out/variants/dense.onnx").graph.initializer}
        for name, p in zip(("w", "b"), parameters):
            np.testing.assert_allclose(made[name], p.detach().numpy(), rtol=2e-6)
