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
    """A function of one number; frozen, it is its secant from a(0) on, or from 0 where that is infinite."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        if not detached:
            return self.function(x)
        zero = self.function(torch.zeros_like(x)).detach().nan_to_num(0, 0, 0)
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
    "erf": torch.erf, "exp": torch.exp,
}.items():
    SECANT[_name] = (lambda function=_function: perceptron(function), (20,), {})


@secant((20,), only="dynamo")  # the other exporter leaves the threshold out
def softplus_up_to_a_threshold():
    return perceptron(lambda x: functional.softplus(x, 2.5, 1.5))


@secant((20,))
def of_what_is_above_zero():
    """Functions that are infinite at 0, or infinitely steep; of a constant divided by a value, too."""

    def forward(m, x):
        y = functional.relu(m.a(x)) + 0.5
        return m.head(m.over(y) + m.log(y) + m.root(y) + m.one_over(y))

    return Net(forward, a=nn.Linear(20, 16), over=Curve(lambda x: torch.full((1,), -2.5, dtype=x.dtype) / x), log=Curve(torch.log),
               root=Curve(torch.sqrt), one_over=Curve(torch.reciprocal), head=nn.Linear(16, 5))


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
def two_gates():
    """Both are bounded: the second is frozen."""
    return Net(
        lambda m, x: m.head(m.act(m.a(x)) * taken(torch.sigmoid(m.b(x)))),
        a=nn.Linear(20, 16), b=nn.Linear(20, 16), act=Curve(torch.tanh), head=nn.Linear(16, 5),
    )


@secant((20,))
def with_rectifiers():
    """Gates and maxima beside what is frozen."""
    return Net(
        lambda m, x: m.head(functional.relu(m.b(m.act(m.a(x)))) * taken(torch.sigmoid(functional.relu(m.c(x))))),
        a=nn.Linear(20, 16), b=nn.Linear(16, 12), c=nn.Linear(20, 12), act=Curve(functional.gelu), head=nn.Linear(12, 5),
    )


# ---- normalization by a sample's own statistics: the mean is linear, the deviation is frozen ----

class Norm(nn.Module):
    """A norm of PyTorch; frozen, the deviation of each group is detached. groups: of x, as N x groups x elements."""

    def __init__(self, module, groups, centred=True):
        super().__init__()
        self.module, self.groups, self.centred = module, groups, centred

    def forward(self, x):
        if not detached:
            return self.module(x)
        u = self.groups(x)
        d = u - u.mean(-1, keepdim=True) if self.centred else u
        z = (d / torch.sqrt((d * d).mean(-1, keepdim=True) + self.module.eps).detach()).reshape(x.shape)
        by_channel = isinstance(self.module, (nn.GroupNorm, nn.InstanceNorm2d))
        scale, shift = self.module.weight, getattr(self.module, "bias", None)
        if by_channel:
            scale, shift = scale[:, None, None], shift[:, None, None]
        return z * scale + (0 if shift is None else shift)


def layer_norm(features, **more):
    return Norm(nn.LayerNorm(features, **more), lambda x: x)


class Channels(nn.Module):
    """A layer norm over channels of N x channel x y x x."""

    def __init__(self, features):
        super().__init__()
        self.norm = layer_norm(features, eps=1e-6)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class NextBlock(nn.Module):
    """A block of ConvNeXt: convolution by channel, norm, two layers by position, scaled."""

    def __init__(self, width):
        super().__init__()
        self.conv, self.norm = conv(width, width, 7, groups=width), layer_norm(width, eps=1e-6)
        self.a, self.b, self.act = nn.Linear(width, 4 * width), nn.Linear(4 * width, width), Curve(functional.gelu)
        self.scale = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        y = self.norm(self.conv(x).permute(0, 2, 3, 1))
        return x + (self.b(self.act(self.a(y))) * self.scale).permute(0, 3, 1, 2)


@secant()
def conv_next():
    return nn.Sequential(
        nn.Conv2d(3, 8, 2, 2), Channels(8), NextBlock(8), Channels(8), nn.Conv2d(8, 12, 2, 2), NextBlock(12), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), layer_norm(12), nn.Linear(12, 5),
    )


@secant()
def group_and_instance_norms():
    return nn.Sequential(
        conv(3, 8), Norm(nn.GroupNorm(2, 8), lambda x: x.reshape(len(x), 2, -1)), nn.ReLU(),
        conv(8, 6), Norm(nn.InstanceNorm2d(6, affine=True), lambda x: x.flatten(2)), Curve(functional.silu), nn.Flatten(), nn.Linear(384, 5),
    )


@secant((4, 12), only="dynamo")  # the other exporter knows no such norm
def root_mean_square():
    return nn.Sequential(nn.Linear(12, 8), Norm(nn.RMSNorm(8, eps=1e-5), lambda x: x, False), nn.Flatten(), nn.Linear(32, 5))


# ---- attention: its weights are frozen ----

class Attention(nn.Module):
    """Self-attention. function: scaled_dot_product_attention, or one layer of PyTorch."""

    def __init__(self, width, heads, layer=False):
        super().__init__()
        self.heads = heads
        self.layer = nn.MultiheadAttention(width, heads, batch_first=True) if layer else None
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        if self.layer and not detached:
            return self.layer(x, x, x, need_weights=False)[0]
        n, t, width = x.shape
        qkv = functional.linear(x, self.layer.in_proj_weight, self.layer.in_proj_bias) if self.layer else self.qkv(x)
        q, k, v = qkv.reshape(n, t, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        if detached:
            y = torch.softmax(q @ k.transpose(-1, -2) / (width // self.heads) ** 0.5, -1).detach() @ v
        else:
            y = functional.scaled_dot_product_attention(q, k, v)
        y = y.transpose(1, 2).reshape(n, t, width)
        return self.layer.out_proj(y) if self.layer else self.out(y)


class Encoder(nn.Module):
    def __init__(self, width, heads, layer, act=None):
        super().__init__()
        self.first, self.attention, self.second = layer_norm(width), Attention(width, heads, layer), layer_norm(width)
        self.a, self.b, self.act = nn.Linear(width, 2 * width), nn.Linear(2 * width, width), act or Curve(functional.gelu)

    def forward(self, x):
        x = x + self.attention(self.first(x))
        return x + self.b(self.act(self.a(self.second(x))))


def vision_transformer(layer):
    """Patches, a class token, positions, two encoders, a head on the class token."""

    def forward(m, x):
        tokens = m.patch(x).reshape(x.shape[0], 12, -1).permute(0, 2, 1)
        tokens = torch.cat([m.token.expand(x.shape[0], -1, -1), tokens], dim=1) + m.position
        return m.head(m.norm(m.b(m.a(tokens)))[:, 0])

    net = Net(forward, patch=nn.Conv2d(3, 12, 4, 4), a=Encoder(12, 3, layer), b=Encoder(12, 3, layer), norm=layer_norm(12), head=nn.Linear(12, 5))
    net.token, net.position = nn.Parameter(torch.randn(1, 1, 12)), nn.Parameter(torch.randn(1, 5, 12))
    return net


@secant()
def vision_transformer_of_layers():
    return vision_transformer(True)


@secant()
def vision_transformer_of_functions():
    return vision_transformer(False)


@secant((4, 12))
def softmax_alone():
    """A Softmax that is no factor is a constant of the sample."""
    return Net(lambda m, x: m.head((taken(torch.softmax(m.a(x), -1)) + m.b(x)).flatten(1)), a=nn.Linear(12, 6), b=nn.Linear(12, 6), head=nn.Linear(24, 5))


@secant((4, 12))
def transformer_with_rectifiers():
    """Gates whose ties are looked for behind norms and attention; a class token by a maximum."""
    return Net(
        lambda m, x: m.head(m.b(m.a(x)).amax(1)), a=Encoder(12, 3, False, nn.ReLU()), b=Encoder(12, 2, False, nn.ReLU()), head=nn.Linear(12, 5)
    )
