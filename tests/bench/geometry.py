"""Predictions and geometry of every sample, as a run stores them, against PyTorch's forward pass alone, on one core;
and the same of the network with 95 % of its weights pruned, of which PyTorch makes nothing.

`rows()` gives (name, facet's samples per second, PyTorch's) as run.py has them.  facet's rate is that of a whole run on
many samples, less one on few.
"""

import pathlib
import tempfile
import time

import run

STUDY = """\
data: {{test: {{format: npy, images: images.npy, labels: labels.npy, count: {count}}}}}
model: {{onnx: {model}}}
output: {name}{count}
"""
MANY, FEW = 6000, 250
PRUNED = "  - {method: magnitude, scope: global, sparsity: 0.95}\n"


def seconds(folder, model, count):
    path = folder / f"{model.stem}{count}.yaml"
    path.write_text(STUDY.format(count=count, model=model, name=model.stem))
    before = time.perf_counter()
    run.study(path, "--fresh")
    return time.perf_counter() - before


def rate(folder, model):
    many, few = (min(seconds(folder, model, count) for _ in range(2)) for count in (MANY, FEW))
    return (MANY - FEW) / (many - few)


def rows():
    import numpy

    table = run.resnet20.weights(blocks=3)
    random = numpy.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        pruned = run.prune_resnet20(folder, PRUNED) / "magnitude-global-0.95.onnx"
        numpy.save(folder / "images.npy", random.normal(size=(MANY, 3, 32, 32)).astype(numpy.float32))
        numpy.save(folder / "labels.npy", random.integers(0, 10, MANY))
        rates = [rate(folder, model) for model in (folder / "model.onnx", pruned)]
    peer = max(run.forward_torch(table, 3, batch) for batch in (32, 256))
    words = "predictions and geometry stored, 1 core, against PyTorch's forward pass alone"
    return [(f"{name}, {words}", own, peer) for name, own in zip(("ResNet-20", "ResNet-20, 95 % pruned"), rates)]
