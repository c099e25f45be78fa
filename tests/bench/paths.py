"""make bench, paths: exact integrated gradients of ResNet-20 on CIFAR-10 against captum.attr.IntegratedGradients with its default
rule (Gauss-Legendre), on all cores: time, and how far 50, 500 and 5,000 steps are from the exact ones. A few minutes; FACET_PATHS
says how many pictures (as many as cores), FACET_BASELINE where paths begin: black (as it is), mean, of all pictures of the file, or
blur, as `paths: {from: ...}` of a study makes them.

Without Captum (tools/venv tests/study/explainers.txt, by make bench) that rule by PyTorch alone, which is said; without ../shared's network and pictures a
network of random weights, and noise."""

import concurrent.futures
import importlib.util
import os
import pathlib
import sys
import tempfile
import time

import numpy as np
import resnet20

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
MODEL, PICTURES = SHARED / "models/akamaster_resnet20.onnx", SHARED / "data/cifar10/test_batch.bin"
MEAN, DEVIATION = (np.reshape(part, (3, 1, 1)) for part in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
CORES = len(os.sched_getaffinity(0))
STEPS = (50, 500, 5000)
BASELINES = ("black", "mean", "blur")
BATCH = 100


def exact(model, start, end):
    """Of one path, in a process of its own."""
    sys.path.insert(0, str(ROOT / "analysis"))
    import facet

    with facet.Network(model) as network:
        begun = time.perf_counter()
        way = network.integrated_gradients(start, end)
        return time.perf_counter() - begun, way.attribution[0], int(way.row[0]), int(way.pieces), float(way.residual)


def by_torch(module, start, end, cls, steps):
    """Integrated gradients by so many steps, in float."""
    import torch

    node, weight = (torch.from_numpy(part.astype(np.float32)) for part in np.polynomial.legendre.leggauss(steps))
    way, total = end - start, torch.zeros(start.shape, dtype=torch.float64)
    for t, w in zip(((node + 1) / 2).split(BATCH), (weight / 2).split(BATCH)):
        x = (start + t[:, None, None, None] * way).requires_grad_()
        (gradient,) = torch.autograd.grad(module(x)[:, cls].sum(), x)
        total += (w[:, None, None, None] * gradient).sum(0)
    return total * way


def by_captum(module, start, end, cls, steps):
    from captum.attr import IntegratedGradients

    return IntegratedGradients(module).attribute(end[None], start[None], target=cls, n_steps=steps, internal_batch_size=BATCH)[0]


def blurred(images):
    """Gaussian, its deviation an eighth of the longer side, as far as three of it; weights that lie outside do not count."""
    deviation = max(images.shape[2:]) / 8
    rows, columns = (np.exp(-(np.subtract.outer(range(size), range(size)) / deviation)**2 / 2) for size in images.shape[2:])
    for kernel in rows, columns:
        at = np.arange(len(kernel))
        kernel[np.abs(np.subtract.outer(at, at)) > np.ceil(3 * deviation)] = 0
        kernel /= kernel.sum(axis=1, keepdims=True)
    return rows @ images @ columns.T


def baselines(kind, images, count):
    """Where the paths to the first `count` of these pictures begin."""
    if kind not in BASELINES:
        sys.exit(f"paths: FACET_BASELINE={kind} is none of {', '.join(BASELINES)}")
    if kind == "blur":
        return blurred(images[:count])
    return np.broadcast_to(images.mean(axis=0) if kind == "mean" else np.zeros(images.shape[1:]), images[:count].shape)


def subject(folder):
    """The file of a network, the network in PyTorch, baselines, as many samples as are wanted, and what they are."""
    count, kind = int(os.environ.get("FACET_PATHS", CORES)), os.environ.get("FACET_BASELINE", "black")
    if MODEL.exists() and PICTURES.exists():
        import torch

        sys.path.insert(0, str(ROOT / "tests/study"))
        from torch_onnx import load

        images = np.frombuffer(PICTURES.read_bytes(), np.uint8).reshape(-1, 3073)[:, 1:].reshape(-1, 3, 32, 32) / 255
        starts, ends = baselines(kind, images, count), images[:count]
        return MODEL, load(MODEL, torch.float32), (starts - MEAN) / DEVIATION, (ends - MEAN) / DEVIATION, f"akamaster's ResNet-20, CIFAR-10, from {kind}"
    table, model = resnet20.weights(blocks=3), pathlib.Path(folder, "model.onnx")
    resnet20.write_onnx(str(model), table, 3)
    ends = np.random.default_rng(5).normal(0, 1, (count, 3, 32, 32))
    return model, resnet20.torch_module(table, 3).eval(), baselines(kind, ends, count), ends, f"a random ResNet-20, noise, from {kind}"


def rows():
    import torch

    torch.set_num_threads(CORES)
    quadrature, rule = (by_captum, "Captum") if importlib.util.find_spec("captum") else (by_torch, "PyTorch")
    if rule == "PyTorch":
        print("  Captum is not installed (tools/venv tests/study/explainers.txt): its rule by PyTorch alone stands for it")
    with tempfile.TemporaryDirectory() as folder:
        model, module, starts, ends, what = subject(folder)
        with concurrent.futures.ProcessPoolExecutor(CORES) as pool:
            found = list(pool.map(exact, [model] * len(ends), starts, ends))
    at_once, of_steps = min(CORES, len(ends)), []
    facet_rate = at_once / max(seconds for seconds, *_ in found)
    print(f"  {what}: {', '.join(f'{pieces:,} pieces, residual {residual:.1e}' for *_, pieces, residual in found)}; {1 / facet_rate:.1f} s a path, {at_once} at once")
    for steps in STEPS:
        taken, error, short = [], [], []
        for start, end, (_, wanted, cls, *_) in zip(starts, ends, found):
            pair = [torch.from_numpy(part.astype(np.float32)) for part in (start, end)]
            begun = time.perf_counter()
            got = quadrature(module, *pair, cls, steps).numpy()
            taken.append(time.perf_counter() - begun)
            error.append(np.abs(got - wanted).sum() / np.abs(wanted).sum())
            short.append(abs(got.sum() - wanted.sum()))
        print(f"  {rule}, {steps} steps: off by {100 * max(error):.2g} % of the sum of sizes, completeness by {max(short):.2g} logits, {np.mean(taken):.2f} s a path")
        of_steps.append((f"ResNet-20, exact integrated gradients against {rule}'s {steps} steps, an hour", 3600 * facet_rate, 3600 / np.mean(taken)))
    return of_steps


if __name__ == "__main__":
    rows()
