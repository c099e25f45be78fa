"""Holds a plane's polygons against PyTorch in double on a grid, which knows nothing of polygons: the pattern of every gate and
pool, the logits and the largest of them. Run by hand with a number of points on a side:

    PYTHONPATH=analysis python tests/study/plane_grid.py 1000"""

import sys

import facet
import numpy as np
import torch
from torch import nn

WINDOW = {"residual": 0.2}  # there are thousands of regions in that, too
DEVIATION = 1e-9  # of logits, relative: of a polygon with sides down to 1e-13 of the window, from values good to 1e-15


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


if __name__ == "__main__":
    for kind in networks():
        torch_module, facet_network, three = made(kind)
        slice_ = facet_network.plane(three, window=WINDOW.get(kind, 1))
        print(kind, slice_, "uncovered", slice_.uncovered, "dropped", slice_.dropped, flush=True)
        print("  points, disagreements, largest difference of logits:", *disagreements(slice_, torch_module, int(sys.argv[1])), flush=True)
