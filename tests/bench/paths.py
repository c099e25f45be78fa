"""make bench, paths: exact integrated gradients of ResNet-20 against quadrature with Captum's default rule (Gauss-Legendre) in
PyTorch, on all cores: time, and how far 50, 500 and 5,000 steps are from the exact ones. A few minutes."""

import concurrent.futures
import os
import pathlib
import sys
import tempfile
import time

import numpy as np
import resnet20

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORES = len(os.sched_getaffinity(0))
STEPS = (50, 500, 5000)
BATCH = 100


def exact(model, start, end):
    """Of one path, in a process of its own."""
    sys.path.insert(0, str(ROOT / "analysis"))
    import facet

    with facet.Network(model) as network:
        begun = time.perf_counter()
        way = network.integrated_gradients(start, end)
        return time.perf_counter() - begun, way.attribution[0], int(way.row[0]), int(way.pieces), float(way.residual)


def quadrature(module, start, end, cls, steps):
    """Integrated gradients by so many steps, in float: seconds, and what they are."""
    import torch

    node, weight = (torch.from_numpy(part.astype(np.float32)) for part in np.polynomial.legendre.leggauss(steps))
    first, way = (torch.from_numpy(part.astype(np.float32)) for part in (start, end - start))
    begun, total = time.perf_counter(), torch.zeros(start.shape, dtype=torch.float64)
    for t, w in zip(((node + 1) / 2).split(BATCH), (weight / 2).split(BATCH)):
        x = (first + t[:, None, None, None] * way).requires_grad_()
        (gradient,) = torch.autograd.grad(module(x)[:, cls].sum(), x)
        total += (w[:, None, None, None] * gradient).sum(0)
    return time.perf_counter() - begun, (total * way).numpy()


def rows():
    import torch

    torch.set_num_threads(CORES)
    table, random = resnet20.weights(blocks=3), np.random.default_rng(5)
    start, ends = np.zeros((3, 32, 32)), random.normal(0, 1, (CORES, 3, 32, 32))
    module = resnet20.torch_module(table, 3).eval()
    with tempfile.TemporaryDirectory() as folder:
        model = f"{folder}/model.onnx"
        resnet20.write_onnx(model, table, 3)
        with concurrent.futures.ProcessPoolExecutor(CORES) as pool:
            found = list(pool.map(exact, [model] * CORES, [start] * CORES, ends))
    facet_rate, of_steps = CORES / max(seconds for seconds, *_ in found), []
    print(f"  {', '.join(f'{pieces:,} pieces, residual {residual:.1e}' for *_, pieces, residual in found)}; {1 / facet_rate:.1f} s a path on all cores")
    for steps in STEPS:
        taken, error = [], []
        for end, (_, wanted, cls, *_) in zip(ends, found):
            seconds, got = quadrature(module, start, end, cls, steps)
            taken.append(seconds)
            error.append(np.abs(got - wanted).sum() / np.abs(wanted).sum())
        print(f"  {steps} steps: off by {100 * max(error):.2g} % of the sum of sizes, {np.mean(taken):.2f} s a path")
        of_steps.append((f"ResNet-20, exact integrated gradients against {steps} steps, an hour", 3600 * facet_rate, 3600 / np.mean(taken)))
    return of_steps
