"""A family of small PyTorch networks, for what people write and exporters make of it: random weights, five logits."""

import torch
from torch import nn
from torch.nn import functional

IMAGE = (3, 8, 8)
# name: (make, shape of one sample, options). keep_batch_norm: the export does not fold it. rounded: the file has rounded
# numbers, since batch norm is folded in float, or since attributes of ONNX, as a slope of 0.01, are float. only: the one
# exporter that makes something of it that facet reads.
FAMILY = {}


class Net(nn.Module):
    """A network whose forward pass is a function of its modules and x."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.function = forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        return self.function(self, x)


def family(shape=IMAGE, **options):
    """Enters a function that makes a network."""

    def enter(make):
        FAMILY[make.__name__] = (make, shape, options)
        return make

    return enter


def flat(*layers, features):
    """Layers, then five logits of everything."""
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 5))


def build(name, seed):
    """The network in evaluation mode and float32, nothing in it at a special value, and the shape of a sample."""
    make, shape, options = FAMILY[name]
    torch.manual_seed(1000 * seed + len(name))
    net = make().eval()
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for numbers, low, high in (
                (module.weight, 0.5, 1.5), (module.bias, -0.5, 0.5), (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2.0),
            ):
                nn.init.uniform_(numbers, low, high)
        if isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, -0.5, 0.9)
    return net, shape, options


def conv(inputs=3, outputs=6, kernel=3, **more):
    return nn.Conv2d(inputs, outputs, kernel, **{"padding": kernel // 2, **more})


# ---- rectifiers ----

@family((20,))
def module_relu():
    return nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 5))


@family((20,))
def functional_relu():
    return Net(lambda m, x: m.c(functional.relu(m.b(torch.relu(m.a(x))))), a=nn.Linear(20, 16), b=nn.Linear(16, 12), c=nn.Linear(12, 5))


@family()
def in_place_relu():
    return flat(conv(), nn.ReLU(inplace=True), conv(6, 4), nn.ReLU6(inplace=True), features=256)


@family(rounded=True)
def leaky_relu():
    return flat(conv(), nn.LeakyReLU(0.2), conv(6, 4), nn.LeakyReLU(), features=256)


@family()
def prelu():
    return flat(conv(), nn.PReLU(), conv(6, 4), nn.PReLU(4), features=256)


@family((20,))
def prelu_of_features():
    return nn.Sequential(nn.Linear(20, 16), nn.PReLU(16), nn.Linear(16, 5))


@family()
def relu6_of_large_numbers():
    return Net(lambda m, x: m.head(functional.relu6(8 * m.a(x)).flatten(1)), a=conv(), head=nn.Linear(384, 5))


@family(rounded=True)
def hard_tanh():
    return flat(conv(), nn.Hardtanh(), conv(6, 4), nn.Hardtanh(-0.2, 0.3), features=256)


@family(rounded=True)
def hard_sigmoid():
    return Net(lambda m, x: m.head(functional.hardsigmoid(4 * m.a(x)).flatten(1)), a=conv(), head=nn.Linear(384, 5))


@family(rounded=True)
def absolute_and_clamp():
    return Net(
        lambda m, x: m.head(torch.clamp(torch.abs(m.a(x)) - 0.3, min=0.1, max=0.8).flatten(1)),
        a=conv(), head=nn.Linear(384, 5),
    )


@family(rounded=True)
def clamp_on_one_side():
    return Net(
        lambda m, x: m.head((m.a(x).clamp(min=0.0) - m.b(x).clamp(max=0.25)).flatten(1)),
        a=conv(), b=conv(), head=nn.Linear(384, 5),
    )


@family()
def maximum_of_branches():
    return Net(
        lambda m, x: m.head(torch.minimum(torch.maximum(m.a(x), m.b(x)), m.c(x) + 0.5).flatten(1)),
        a=conv(), b=conv(), c=conv(), head=nn.Linear(384, 5),
    )


@family()
def maximum_with_constant():
    return Net(
        lambda m, x: m.head(torch.maximum(m.a(x), torch.tensor(0.25)).flatten(1)), a=conv(), head=nn.Linear(384, 5)
    )


@family((20,))
def maxout():
    return Net(lambda m, x: m.b(m.a(x).view(x.size(0), 8, 4).max(dim=2)[0]), a=nn.Linear(20, 32), b=nn.Linear(8, 5))


@family((20,))
def amax_and_amin():
    return Net(
        lambda m, x: m.b(torch.cat([m.a(x).view(-1, 8, 4).amax(2), m.a(x).view(-1, 8, 4).amin(dim=-1)], 1)),
        a=nn.Linear(20, 32), b=nn.Linear(16, 5),
    )


@family((20,))
def crelu():
    return Net(lambda m, x: m.b(functional.relu(torch.cat([m.a(x), -m.a(x)], dim=1))), a=nn.Linear(20, 8), b=nn.Linear(16, 5))


# ---- batch norm, modules that come back, skips ----

@family(rounded=True)
def batch_norm_folded():
    return flat(conv(bias=False), nn.BatchNorm2d(6), nn.ReLU(), conv(6, 4), nn.BatchNorm2d(4), nn.ReLU(), features=256)


@family(rounded=True, keep_batch_norm=True)
def batch_norm_kept():
    return batch_norm_folded()


@family(rounded=True)
def batch_norm_first():
    return flat(nn.BatchNorm2d(3), nn.ReLU(), conv(), nn.ReLU(), nn.BatchNorm2d(6, affine=True), features=384)


@family((20,), rounded=True)
def batch_norm_of_features():
    return nn.Sequential(nn.Linear(20, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5))


@family()
def module_used_twice():
    return Net(lambda m, x: m.head(m.relu(m.b(m.relu(m.b(m.relu(m.a(x)))))).flatten(1)), a=conv(), b=conv(6, 6), relu=nn.ReLU(), head=nn.Linear(384, 5))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.a, self.b = conv(inputs, outputs, stride=stride, bias=False), conv(outputs, outputs, bias=False)
        self.na, self.nb = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.short = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.short = nn.Sequential(conv(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.nb(self.b(functional.relu(self.na(self.a(x)))))
        y += self.short(x)
        return functional.relu(y)


@family(rounded=True)
def residual():
    return nn.Sequential(conv(), nn.BatchNorm2d(6), nn.ReLU(inplace=True), Residual(6, 6, 1), Residual(6, 8, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


@family(rounded=True, keep_batch_norm=True)
def residual_with_batch_norm():
    return residual()


@family()
def shortcut_by_slices_and_zeros():
    def forward(m, x):
        y = functional.relu(m.a(x))
        return m.head((functional.relu(m.b(y)) + functional.pad(y[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))).mean((2, 3)))

    return Net(forward, a=conv(), b=conv(6, 8, stride=2), head=nn.Linear(8, 5))


@family()
def dense_connections():
    def forward(m, x):
        y = functional.relu(m.a(x))
        y = torch.cat([y, functional.relu(m.b(y))], 1)
        return m.head(torch.flatten(torch.cat((y, functional.relu(m.c(y))), dim=1), 1))

    return Net(forward, a=conv(), b=conv(6, 2), c=conv(8, 2), head=nn.Linear(640, 5))


# ---- convolutions ----

@family()
def grouped_and_depthwise():
    return flat(
        conv(3, 6), nn.ReLU(), conv(6, 6, groups=6), nn.ReLU6(), conv(6, 8, 1), nn.ReLU(), conv(8, 4, groups=2),
        nn.ReLU(), conv(4, 8, groups=4, stride=2), nn.ReLU(), features=128,
    )


@family()
def dilated_and_uneven():
    return flat(
        nn.Conv2d(3, 4, (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 1)), nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding="same", dilation=2), nn.ReLU(), features=160,
    )


@family()
def padding_modes():
    return flat(conv(padding_mode="reflect"), nn.ReLU(), conv(6, 4, padding_mode="replicate"), nn.ReLU(), features=256)


@family()
def shuffled_channels():
    def forward(m, x):
        y = functional.relu(m.a(x))
        n, c, h, w = y.size()
        y = y.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, -1, h, w)
        return m.head(functional.relu(m.b(y)).mean([2, 3]))

    return Net(forward, a=conv(), b=conv(6, 4, groups=2), head=nn.Linear(4, 5))


@family((3, 5, 5))
def transposed_convolution():
    return flat(
        nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), nn.ReLU(),
        nn.ConvTranspose2d(4, 4, 2, groups=2, bias=False), nn.ReLU(), features=484,
    )


@family((2, 16), rounded=True)
def one_dimension():
    return flat(
        nn.Conv1d(2, 4, 3, padding=1), nn.BatchNorm1d(4), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(4, 6, 3, dilation=2),
        nn.ReLU(), nn.AvgPool1d(2), nn.ConvTranspose1d(6, 3, 4, stride=2), nn.ReLU(), features=18,
    )


@family((2, 4, 5, 6), rounded=True)
def three_dimensions():
    return flat(
        nn.Conv3d(2, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU(), nn.MaxPool3d((1, 2, 2), ceil_mode=True),
        nn.ConvTranspose3d(4, 2, 2), nn.ReLU(), nn.AvgPool3d(2), features=16,
    )


# ---- pooling ----

@family((3, 9, 10))
def max_pooling():
    return flat(
        conv(), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1), nn.MaxPool2d(2, 1, dilation=2), nn.MaxPool2d((1, 2), ceil_mode=True),
        features=36,
    )


@family((3, 9, 10))
def average_pooling():
    return flat(
        conv(), nn.ReLU(), nn.AvgPool2d(3, 2, padding=1), nn.AvgPool2d(2, 2, padding=1, count_include_pad=False, ceil_mode=True),
        features=54,
    )


@family((3, 9, 10))
def average_pooling_with_ceil():
    return flat(conv(), nn.ReLU(), nn.AvgPool2d(3, 2, padding=1, ceil_mode=True), features=180)


@family((3, 12, 12))
def adaptive_pooling():
    return Net(
        lambda m, x: m.head(torch.cat([functional.adaptive_avg_pool2d(functional.relu(m.a(x)), (3, 2)).flatten(1), functional.adaptive_max_pool2d(m.a(x), 1).flatten(1)], 1)),
        a=conv(), head=nn.Linear(42, 5),
    )


@family()
def global_mean():
    return Net(lambda m, x: m.head(functional.relu(m.a(x)).mean((2, 3))), a=conv(), head=nn.Linear(6, 5))


@family()
def global_mean_and_sum():
    return Net(
        lambda m, x: m.head(torch.cat([functional.relu(m.a(x)).mean((-2, -1), keepdim=True), m.a(x).sum((2, 3), keepdim=True)], 1).squeeze(-1).squeeze(-1)),
        a=conv(), head=nn.Linear(12, 5),
    )


@family()
def fully_convolutional():
    return Net(lambda m, x: functional.adaptive_avg_pool2d(m.b(functional.relu(m.a(x))), 1).view(x.size(0), -1), a=conv(), b=conv(6, 5, 1))


# ---- shapes ----

@family()
def view_by_size():
    return Net(lambda m, x: m.head(functional.relu(m.a(x)).view(x.size(0), -1)), a=conv(), head=nn.Linear(384, 5))


@family()
def view_of_minus_one():
    return Net(lambda m, x: m.head(functional.relu(m.a(x)).view(-1, 6 * 8 * 8)), a=conv(), head=nn.Linear(384, 5))


@family()
def reshape_and_permute():
    def forward(m, x):
        y = functional.relu(m.a(x)).permute(0, 2, 3, 1)
        return m.head(y.reshape(y.shape[0], y.shape[1] * y.shape[2], y.shape[3]).mean(dim=1))

    return Net(forward, a=conv(), head=nn.Linear(6, 5))


@family((4, 6))
def linear_of_tokens():
    return Net(lambda m, x: m.head(functional.relu(m.b(functional.relu(m.a(x)))).flatten(1)), a=nn.Linear(6, 7), b=nn.Linear(7, 3), head=nn.Linear(12, 5))


@family((4, 6))
def mixer():
    return Net(
        lambda m, x: m.head((x + m.b(functional.relu(m.a(x.transpose(1, 2)))).transpose(1, 2)).mean(1)),
        a=nn.Linear(4, 8), b=nn.Linear(8, 4), head=nn.Linear(6, 5),
    )


@family()
def patches():
    return Net(
        lambda m, x: m.head(functional.relu(m.b(functional.relu(m.a(x)).flatten(2).transpose(1, 2))).mean(dim=1)),
        a=nn.Conv2d(3, 6, 4, stride=4), b=nn.Linear(6, 7), head=nn.Linear(7, 5),
    )


@family()
def pixel_shuffle():
    return flat(conv(3, 8), nn.ReLU(), nn.PixelShuffle(2), conv(2, 2), nn.ReLU(), nn.PixelUnshuffle(4), nn.ReLU(), features=512)


@family((3, 6, 6))
def nearest_neighbours():
    return Net(
        lambda m, x: m.head(functional.relu(m.b(functional.interpolate(functional.relu(m.a(x)), scale_factor=2))).flatten(1)),
        a=conv(3, 4), b=conv(4, 2), head=nn.Linear(288, 5),
    )


@family((3, 6, 6))
def bilinear():
    return Net(
        lambda m, x: m.head(functional.relu(m.b(functional.interpolate(functional.relu(m.a(x)), scale_factor=2, mode="bilinear"))).flatten(1)),
        a=conv(3, 4), b=conv(4, 2), head=nn.Linear(288, 5),
    )


@family((3, 6, 6))
def bilinear_to_a_size():
    return Net(
        lambda m, x: m.head(functional.relu(functional.interpolate(m.a(x), size=(9, 7), mode="bilinear", align_corners=True)).flatten(1)),
        a=conv(3, 4), head=nn.Linear(252, 5),
    )


@family((3, 5, 5))
def bilinear_by_a_factor():
    return Net(
        lambda m, x: m.head(functional.relu(functional.interpolate(m.a(x), scale_factor=1.5, mode="bilinear", align_corners=True)).flatten(1)),
        a=conv(3, 4), head=nn.Linear(196, 5),
    )


@family((2, 7), rounded=True, only="script")  # GatherND again
def linear_interpolation():
    return Net(
        lambda m, x: m.head(functional.relu(functional.interpolate(m.a(x), scale_factor=1.5, mode="linear")).flatten(1)),
        a=nn.Conv1d(2, 4, 3, padding=1), head=nn.Linear(40, 5),
    )


@family((3, 6, 6))
def pyramid():
    def forward(m, x):
        y = functional.relu(m.a(x))
        z = functional.relu(m.b(y))
        return m.head((y + functional.interpolate(z, size=y.shape[-2:], mode="nearest")).flatten(1))

    return Net(forward, a=conv(3, 4), b=conv(4, 4, stride=2), head=nn.Linear(144, 5))


@family()
def split_and_chunk():
    def forward(m, x):
        a, b = functional.relu(m.a(x)).chunk(2, dim=1)
        c, d, e = torch.split(m.b(a), [1, 2, 3], dim=1)
        return m.head(torch.cat([functional.relu(b), c, d - b[:, :2], e], 1).flatten(1))

    return Net(forward, a=conv(3, 8), b=conv(4, 6), head=nn.Linear(640, 5))


@family()
def slices():
    def forward(m, x):
        y = functional.relu(m.a(x))
        return m.head(torch.cat([y[:, 1:4, ::2, 1:-1], y[:, :3, 4:, -6:]], 1).flatten(1))

    return Net(forward, a=conv(), head=nn.Linear(144, 5))


@family()
def focus():
    def forward(m, x):
        y = torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)
        return m.head(functional.relu(m.a(y)).mean((2, 3)))

    return Net(forward, a=conv(12, 6), head=nn.Linear(6, 5))


@family()
def pads():
    return flat(nn.ReflectionPad2d((1, 2, 0, 1)), conv(3, 4, padding=0), nn.ReLU(), nn.ReplicationPad2d(1), nn.ConstantPad2d((0, 1, 1, 0), 0.5), conv(4, 2, padding=0), nn.ReLU(), features=160)


@family((20,))
def stack_and_unbind():
    def forward(m, x):
        y = torch.stack([m.a(x), m.b(x)], dim=1)
        first, second = y.unbind(1)
        return m.head(functional.relu(first - second) + functional.relu(y).sum(1))

    return Net(forward, a=nn.Linear(20, 8), b=nn.Linear(20, 8), head=nn.Linear(8, 5))


@family((6, 4))
def indices():
    def forward(m, x):
        return m.head(functional.relu(m.a(x))[:, 2] + m.a(x)[:, -1] + x.flatten(1)[:, :7])

    return Net(forward, a=nn.Linear(4, 7), head=nn.Linear(7, 5))


@family((6, 4), only="script")  # the other writes a GatherND along a batch that is not first
def list_of_indices():
    return Net(lambda m, x: m.head(functional.relu(m.a(x))[:, [0, 3, 5]].flatten(1)), a=nn.Linear(4, 7), head=nn.Linear(21, 5))


@family((20,))
def repeated_and_expanded():
    def forward(m, x):
        y = functional.relu(m.a(x))
        z = y.unsqueeze(2).expand(-1, -1, 3) - y.repeat(1, 3).view(-1, 8, 3)
        return m.head(functional.relu(z).flatten(1))

    return Net(forward, a=nn.Linear(20, 8), head=nn.Linear(24, 5))


# ---- arithmetic ----

class Normalized(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.net = flat(conv(), nn.ReLU(), features=384)

    def forward(self, x):
        return self.net((x / 2 - self.mean) / self.std)


@family()
def preprocessing_inside():
    return Normalized()


@family((20,))
def scaled_and_shifted():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(20, 8), nn.Linear(8, 5)
            self.scale, self.shift = nn.Parameter(torch.randn(8)), nn.Parameter(torch.randn(1))

        def forward(self, x):
            y = functional.relu(self.a(x)) * self.scale + self.shift
            return self.b(1 - y / 3 + 0.5 * functional.dropout(y, 0.5, self.training)) * 2.0

    return Scaled()


@family((20,))
def products_with_weights():
    class Products(nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.v, self.b = (nn.Parameter(torch.randn(*s)) for s in ((20, 8), (5, 8), (5,)))

        def forward(self, x):
            y = torch.relu(x @ self.w)
            return torch.matmul(y, self.v.t()) + self.b

    return Products()


@family((20,))
def ensemble():
    return Net(
        lambda m, x: (m.a(x) + m.b(x) + torch.stack([m.a(-x), m.b(-x)], 1).mean(1)) / 3,
        a=nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 5)),
        b=nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 5)),
    )
