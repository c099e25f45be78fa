"""Small networks that are not piecewise linear, as torchvision's families are built, and the same with what facet freezes at a
sample detached: its W is the gradient of that. Random weights, five logits."""

import contextlib

import torch
from torch import nn
from torch.nn import functional
from torch_family import IMAGE, Net, conv, flat

SECANT = {}  # name: (make, shape of one sample, options); options as in torch_family.py
detached = False  # whether gates are


def secant(shape=IMAGE, **options):
    """Enters a function that makes a network."""

    def enter(make):
        SECANT[make.__name__] = (make, shape, options)
        return make

    return enter


@contextlib.contextmanager
def frozen():
    """Inside, networks compute the same, with gates detached from the graph."""
    global detached
    detached = True
    try:
        yield
    finally:
        detached = False


def taken(gate):
    return gate.detach() if detached else gate


class Curve(nn.Module):
    """A function of one number; frozen, it is its secant from a(0) on."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        if not detached:
            return self.function(x)
        zero = self.function(torch.zeros_like(x)).detach()
        return ((self.function(x) - zero) / x).detach() * x + zero


def build(name, seed):
    """The network in evaluation mode and float32, its batch norm at no special values, and the shape of a sample."""
    make, shape, options = SECANT[name]
    torch.manual_seed(1000 * seed + len(name))
    net = make().eval()
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)):
            nn.init.uniform_(module.weight, 0.5, 1.5), nn.init.uniform_(module.bias, -0.5, 0.5)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5), nn.init.uniform_(module.running_var, 0.5, 2.0)
    return net, shape, options


# ---- one function ----

def perceptron(function):
    return nn.Sequential(nn.Linear(20, 16), Curve(function), nn.Linear(16, 12), Curve(function), nn.Linear(12, 5))


for _name, _function in {
    "gelu": functional.gelu, "silu": functional.silu, "hardswish": functional.hardswish, "sigmoid": torch.sigmoid,
    "tanh": torch.tanh, "elu": functional.elu, "elu_of_alpha": lambda x: functional.elu(x, 1.5), "celu": lambda x: functional.celu(x, 0.5),
    "selu": functional.selu, "softplus": functional.softplus, "mish": functional.mish, "softsign": functional.softsign,
    "erf": torch.erf,
}.items():
    # the newer exporter writes softplus as a choice between two formulas
    SECANT[_name] = (lambda function=_function: perceptron(function), (20,), {"only": "script"} if _name == "softplus" else {})


# ---- products of branches ----

class Squeeze(nn.Module):
    """Squeeze and excite: channels times a gate of their means."""

    def __init__(self, channels, gate, inner):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, channels // 2, 1), nn.Conv2d(channels // 2, channels, 1)
        self.gate, self.inner = gate, inner

    def forward(self, x):
        return x * taken(self.gate(self.up(self.inner(self.down(functional.adaptive_avg_pool2d(x, 1))))))


class Inverted(nn.Module):
    """An inverted residual: expand, by channel, squeeze and excite, project."""

    def __init__(self, inputs, inner, outputs, stride, act, squeeze):
        super().__init__()
        self.add = stride == 1 and inputs == outputs
        layers = [conv(inputs, inner, 1, bias=False), nn.BatchNorm2d(inner), act(),
                  conv(inner, inner, stride=stride, groups=inner, bias=False), nn.BatchNorm2d(inner), act()]
        self.layers = nn.Sequential(*layers, squeeze(inner), conv(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.layers(x)
        return x + y if self.add else y


@secant()
def mobile_net_v3():
    def squeeze(channels):
        return Squeeze(channels, nn.Hardsigmoid(), nn.ReLU())

    def swish():
        return Curve(functional.hardswish)

    return nn.Sequential(
        conv(3, 8, stride=2, bias=False), nn.BatchNorm2d(8), swish(), Inverted(8, 8, 8, 1, nn.ReLU, squeeze),
        Inverted(8, 16, 12, 2, nn.ReLU, lambda channels: nn.Identity()), Inverted(12, 24, 12, 1, swish, squeeze),
        conv(12, 24, 1, bias=False), nn.BatchNorm2d(24), swish(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 16), swish(),
        nn.Dropout(0.2), nn.Linear(16, 5),
    )


@secant()
def efficient_net():
    def swish():
        return Curve(functional.silu)

    def squeeze(channels):
        return Squeeze(channels, nn.Sigmoid(), nn.SiLU())

    return nn.Sequential(
        conv(3, 8, stride=2, bias=False), nn.BatchNorm2d(8), swish(), Inverted(8, 8, 8, 1, swish, squeeze),
        Inverted(8, 16, 12, 2, swish, squeeze), Inverted(12, 24, 12, 1, swish, squeeze), conv(12, 24, 1, bias=False), nn.BatchNorm2d(24),
        swish(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(24, 5),
    )


@secant((20,))
def gated_linear_units():
    def forward(m, x):
        a, b = m.a(x).chunk(2, dim=1)
        y = a * taken(torch.sigmoid(b))
        return m.head(taken(torch.tanh(m.b(y))) * m.c(y))  # the gate may stand on either side

    return Net(forward, a=nn.Linear(20, 32), b=nn.Linear(16, 12), c=nn.Linear(16, 12), head=nn.Linear(12, 5))


@secant((20,))
def bilinear():
    """Neither is a gate: the second is frozen, and so is what something is divided by."""
    return Net(
        lambda m, x: m.head(m.a(x) * taken(m.b(x)) / taken(1 + torch.abs(m.c(x)))),
        a=nn.Linear(20, 16), b=nn.Linear(20, 16), c=nn.Linear(20, 16), head=nn.Linear(16, 5),
    )


@secant((20,))
def with_rectifiers():
    """Gates and maxima beside what is frozen."""
    return Net(
        lambda m, x: m.head(functional.relu(m.b(m.act(m.a(x)))) * taken(torch.sigmoid(functional.relu(m.c(x))))),
        a=nn.Linear(20, 16), b=nn.Linear(16, 12), c=nn.Linear(20, 12), act=Curve(functional.gelu), head=nn.Linear(12, 5),
    )
