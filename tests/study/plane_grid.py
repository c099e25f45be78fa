"""Holds a plane's polygons against PyTorch in double on a grid, which knows nothing of polygons: the pattern of every gate and
pool, the logits and the largest of them. Run by hand with a number of points on a side:

    PYTHONPATH=analysis python tests/study/plane_grid.py 1000"""

import dataclasses
import pathlib
import sys
from collections.abc import Callable
from unittest import mock

import facet
import numpy as np
import torch
import torch_onnx
from torch import nn

WINDOW = {"residual": 0.2}  # there are thousands of regions in that, too
DEVIATION = 1e-9  # of logits, relative: of a polygon with sides down to 1e-13 of the window, from values good to 1e-15
SURE = 1e-5  # what float tells from 0, in terms of the largest of the layer


class Block(nn.Module):
    """Of a residual network, as for CIFAR-10: a shortcut by every second position, channels padded with zeros."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after))
        self.gate, self.stride, self.pad = nn.ReLU(), stride, (after - before) // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        way = nn.functional.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return self.gate(self.second(self.first(x)) + way)


def networks() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Of SyReNN's and SplineCam's kinds: fully connected, leaky too; convolutions with pools; residual."""
    return {"connected": (nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(),
                                        nn.Linear(16, 4)), (5,)),
            "leaky": (nn.Sequential(nn.Linear(2, 20), nn.LeakyReLU(0.1), nn.Linear(20, 20), nn.Hardtanh(-0.5, 0.5), nn.Linear(20, 3)), (2,)),
            "pooled": (nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.ReLU(),
                                     nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6, 4)), (1, 10, 10)),
            "residual": (nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), Block(4, 4, 1), Block(4, 8, 2),
                                       Block(8, 16, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4)), (3, 8, 8))}


def made(name: str) -> tuple[nn.Module, facet.Network, np.ndarray]:
    """The network in PyTorch and in facet, both in double, and three inputs."""
    torch.manual_seed(3)
    module, shape = networks()[name]
    x = torch.randn(64, *shape)
    with torch.no_grad():
        module.train()(x)  # gives batch norm statistics that are not the first ones
        module.eval()[-1].bias -= module(x[:3]).mean(0)  # so that no class is the largest everywhere
    network = facet.Network.from_torch(module, x[:2], precision="double")
    return module.double(), network, x[:3].double().numpy()


def patterns(module: nn.Module, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """A hash of the pattern of every input, and its logits."""
    codes: list[torch.Tensor] = []
    weight = torch.Generator().manual_seed(0)

    def note(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        u = inputs[0]
        if isinstance(layer, nn.MaxPool2d):
            code = nn.functional.max_pool2d(u, layer.kernel_size, return_indices=True)[1]
        elif isinstance(layer, nn.Hardtanh):
            code = (u > layer.min_val).long() + (u > layer.max_val).long()
        else:
            code = (u > 0).long()
        code = code.flatten(1)
        codes.append((code * torch.randint(1, 2**40, code.shape[1:], generator=weight)).sum(1))

    kinds = (nn.ReLU, nn.LeakyReLU, nn.Hardtanh, nn.MaxPool2d)
    hooks = [layer.register_forward_hook(note) for layer in module.modules() if isinstance(layer, kinds)]
    with torch.no_grad():
        logits = module(x)
    for hook in hooks:
        hook.remove()
    return torch.stack(codes).sum(0).numpy(), logits.numpy()


def disagreements(plane: facet.Plane, module: nn.Module, n: int, at_once: int = 4096) -> tuple[int, int, float]:
    """Of n x n points those that were looked at, those of which the polygon says another pattern (two patterns in one region, or
    one in two) or another class, and the largest relative difference of logits."""
    at, polygon, logits = plane.grid(n)
    known = polygon.ravel() >= 0
    at, polygon, logits = at.reshape(-1, 2)[known], polygon.ravel()[known], logits.reshape(-1, logits.shape[-1])[known]
    found = [patterns(module, torch.from_numpy(plane.x(at[i:i + at_once]))) for i in range(0, len(at), at_once)]
    pattern, wanted = (np.concatenate(part) for part in zip(*found))
    pairs = np.unique(np.column_stack([plane.region[polygon], pattern]), axis=0)
    wrong = len(pairs) - len(np.unique(pairs[:, 0])) + len(pairs) - len(np.unique(pairs[:, 1]))
    wrong += int(np.sum(wanted.argmax(axis=1) != plane.cls[polygon]))
    return len(at), wrong, float(np.abs(logits - wanted).max() / max(1, np.abs(wanted).max()))


# ---- a network of 10^5 gates, and more points than there is time for in double ----


@dataclasses.dataclass
class Found:
    """points: how many were looked at, in so many regions; wrong: patterns, classes and logits that are others than the polygon says;
    looked_up: points so near two classes that double had to tell; off: the largest relative difference of logits, in double; error: the
    largest of float, in terms of the largest of the layer; told, asked: points that float saw to be none of another region, of so
    many."""

    points: int = 0
    regions: int = 0
    wrong: int = 0
    looked_up: int = 0
    off: float = 0
    error: float = 0
    told: int = 0
    asked: int = 0


def passed(forward: Callable[[torch.Tensor], torch.Tensor], x: np.ndarray, real: torch.dtype) -> list[torch.Tensor]:
    """What every ReLU of a network of torch_onnx.py is given, and the logits."""
    layers: list[torch.Tensor] = []
    with torch.no_grad(), mock.patch.dict(torch_onnx.OPERATORS, Relu=lambda a, u: layers.append(u.flatten(1)) or torch.relu(u)):
        logits = forward(torch.from_numpy(x).to(real))
    return [*layers, logits]


def others(layers: list[torch.Tensor], sides: list[torch.Tensor], sure: list[float]) -> int:
    """How many points have an element on another side (1: above 0, -1: not) than that, as far as float can tell."""
    return int(torch.stack([(z * side).amin(1) < -bound for z, side, bound in zip(layers, sides, sure)]).any(0).sum())


def from_afar(plane: facet.Plane, path: pathlib.Path, n: int, at_once: int = 32) -> Found:
    """Of n x n points, of a network with ReLUs alone. At a point inside every region double says the pattern, which no other region
    may have. At the points of the grid float may not say another one, of all elements that are farther from 0 than SURE, in terms
    of the largest of their layer: several times what float is seen to be off. So with the logits; and where two classes are no
    farther from each other, double says which it is. To know whether a wrong pattern would be seen, some points are held against the
    region before, too."""
    exact, rough, found, patterns = torch_onnx.load(path), torch_onnx.load(path, torch.float32), Found(), set()
    at, polygon, logits = plane.grid(n)
    order = np.flatnonzero(polygon >= 0)
    order = order[plane.region[polygon.ravel()[order]].argsort(kind="stable")]  # region by region
    at, polygon, logits = at.reshape(-1, 2)[order], polygon.ravel()[order], logits.reshape(-1, logits.shape[-1])[order]
    first = np.unique(plane.region[polygon], return_index=True)[1]

    def in_double(at: np.ndarray, polygon: np.ndarray, logits: np.ndarray) -> list[torch.Tensor]:
        layers = passed(exact, plane.x(at), torch.float64)
        wanted = layers[-1].numpy()
        found.wrong += int(np.sum(wanted.argmax(axis=1) != plane.cls[polygon]))
        found.off = max(found.off, float(np.abs(logits - wanted).max() / max(1, np.abs(wanted).max())))
        return layers

    before: list[torch.Tensor] = []
    for begin, end in zip(first, [*first[1:], len(at)]):
        corner = plane.corners(polygon[begin])
        middle = plane.points[corner].mean(axis=0, keepdims=True)
        layers = in_double(middle, polygon[begin:begin + 1], plane.logits[corner].mean(axis=0))
        largest = [float(layer.abs().max()) for layer in layers]
        off = [float((one - other).abs().max()) for one, other in zip(layers, passed(rough, plane.x(middle), torch.float32))]
        found.error = max(found.error, *(a / b for a, b in zip(off, largest)))
        sure = [SURE * most for most in largest]
        sides = [torch.where(z[0] > 0, 1.0, -1.0).float() for z in layers[:-1]]
        patterns.add(np.packbits(torch.cat(sides).numpy() > 0).tobytes())
        for i in range(begin, end, at_once):
            some = slice(i, min(i + at_once, end))
            *layers, said = passed(rough, plane.x(at[some]), torch.float32)
            found.points += len(said)
            found.wrong += others(layers, sides, sure) + int(np.sum(np.abs(said.numpy() - logits[some]).max(axis=1) > sure[-1]))
            two = said.topk(2).values
            near = (two[:, 0] - two[:, 1] <= 2 * sure[-1]).numpy()
            found.wrong += int(np.sum(said.argmax(1).numpy()[~near] != plane.cls[polygon[some]][~near]))
            if near.any():
                found.looked_up += int(near.sum())
                in_double(at[some][near], polygon[some][near], logits[some][near])
            if i == begin and before:
                found.asked += len(said)
                found.told += others(layers, before, sure)
        before = sides
    found.regions = len(first)
    found.wrong += len(first) - len(patterns)
    return found


if __name__ == "__main__":
    for kind in networks():
        torch_module, facet_network, three = made(kind)
        slice_ = facet_network.plane(three, window=WINDOW.get(kind, 1))
        print(kind, slice_, "uncovered", slice_.uncovered, "dropped", slice_.dropped, flush=True)
        print("  points, disagreements, largest difference of logits:", *disagreements(slice_, torch_module, int(sys.argv[1])), flush=True)
