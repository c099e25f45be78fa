"""torchvision's own networks, whole, at small images and random weights, through both of PyTorch's exporters: logits, W and b
against PyTorch in float64, with what facet freezes at a sample detached."""

import logging

import numpy as np
import pytest

from test_torch_export import export, linearized, near, quick_exporter  # noqa: F401

torch = pytest.importorskip("torch", reason="PyTorch is not installed (tools/venv tests/study/torch.txt installs it)")
torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed: it wants the one version of PyTorch that it was built for")
pytest.importorskip("onnxscript", reason="onnxscript is not installed (tools/venv tests/study/torch.txt installs it)")
from secant_family import Attention, Channels, Curve, Norm, frozen, taken  # noqa: E402
from test_torch_export import exact  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torchvision import models  # noqa: E402
from torchvision.models.convnext import LayerNorm2d  # noqa: E402
from torchvision.ops import SqueezeExcitation  # noqa: E402

SHAPE = (3, 64, 64)
CURVED = {
    "mobilenet_v3_small": models.mobilenet_v3_small, "mobilenet_v3_large": models.mobilenet_v3_large,
    "efficientnet_b0": models.efficientnet_b0, "efficientnet_v2_s": models.efficientnet_v2_s, "regnet_y_400mf": models.regnet_y_400mf,
    "convnext_tiny": models.convnext_tiny, "swin_t": models.swin_t,
    "vision_transformer": lambda num_classes: models.VisionTransformer(64, 16, 4, 4, 128, 256, num_classes=num_classes),
}
PIECEWISE = {
    "mnasnet0_5": models.mnasnet0_5, "shufflenet_v2_x0_5": models.shufflenet_v2_x0_5, "squeezenet1_1": models.squeezenet1_1,
    "densenet121": models.densenet121, "mobilenet_v2": models.mobilenet_v2, "resnet18": models.resnet18,
    "googlenet": lambda num_classes: models.googlenet(num_classes=num_classes, aux_logits=False, init_weights=False),
}


class Excite(SqueezeExcitation):
    def forward(self, x):
        return taken(self._scale(x)) * x


class SelfAttention(Attention):
    """Called as nn.MultiheadAttention is."""

    def __init__(self, layer):
        super().__init__(layer.embed_dim, layer.num_heads, True)
        self.layer = layer

    def forward(self, x, *_, **__):
        return super().forward(x), None


def channels(norm):
    made = Channels(*norm.normalized_shape)
    made.norm.module.load_state_dict(norm.state_dict())
    return made


CURVES = {nn.Hardswish: functional.hardswish, nn.SiLU: functional.silu, nn.GELU: functional.gelu}


def freezable(net):
    """The same network, with its own weights, of modules that can be frozen."""
    for name, child in net.named_children():
        kind = type(child)
        if kind in CURVES:
            setattr(net, name, Curve(CURVES[kind]))
        elif kind is nn.LayerNorm:
            setattr(net, name, Norm(child, lambda x: x))
        elif kind is LayerNorm2d:
            setattr(net, name, channels(child))
        elif kind is nn.MultiheadAttention:
            setattr(net, name, SelfAttention(child))
        else:
            if kind is SqueezeExcitation:
                child.__class__ = Excite
            freezable(child)
    return net


def build(make):
    """In evaluation mode, with scales and shifts, and statistics of batch norm that some images have."""
    torch.manual_seed(3)
    net = make(num_classes=5).eval()
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            nn.init.uniform_(module.weight, 0.5, 1.5), nn.init.uniform_(module.bias, -0.3, 0.3)
        if isinstance(module, nn.BatchNorm2d):
            module.eps = float(np.float32(module.eps))  # as the file holds it
            module.momentum = 1.0
            module.train()
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)  # a head of zeros says nothing
    with torch.no_grad():
        net(torch.rand(8, *SHAPE))
    return net.eval()


@pytest.mark.parametrize("exporter, batch", [("script", "open"), ("dynamo", "one")])
@pytest.mark.parametrize("name", [*CURVED, *PIECEWISE])
def test_whole_networks(tmp_path, monkeypatch, name, exporter, batch):
    """Batch norm is kept, so that the file has the network's own numbers; as users export it is below."""
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    net = build({**CURVED, **PIECEWISE}[name])
    one, two = torch.rand(1, *SHAPE), torch.rand(2, *SHAPE)
    export(net, one if batch == "one" else two, tmp_path / "net.onnx", exporter, batch, True)
    export(net, two if batch == "one" else one, tmp_path / "folded.onnx", exporter, "open", False)
    x = np.random.default_rng(5).random((2, *SHAPE)).astype(np.float32).astype(np.float64)
    with torch.no_grad():
        plain = net.double()(torch.from_numpy(x)).numpy()
    softmax = functional.softmax
    with frozen(), monkeypatch.context() as patched:
        patched.setattr(functional, "softmax", lambda *call, **more: taken(softmax(*call, **more)))  # as Swin calls it
        f, w, b = exact(freezable(net), x)
    near(f, plain, 1e-12, "the detached network")
    gates = ", gates: secant" if name in CURVED else ""
    logits, rows, offset, residual = linearized(tmp_path, x, "double", f"net.onnx{gates}")
    near(logits, f, 1e-6, "logits")
    near(rows / np.abs(w).max(), w / np.abs(w).max(), 1e-6, "W")
    near(offset, b, 1e-6, "b")
    assert residual.max() <= 1e-12
    (tmp_path / "out-double").rename(tmp_path / "kept")
    logits, _, _, residual = linearized(tmp_path, x, "double", f"folded.onnx{gates}")
    near(logits, f, 1e-4, "logits of folded batch norm")  # each weight is rounded once more
    assert residual.max() <= 1e-12
