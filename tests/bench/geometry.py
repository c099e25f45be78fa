"""Predictions and geometry of every sample, as a run stores them, against PyTorch's forward pass alone, on one core.

`rows()` gives (name, facet's samples per second, PyTorch's) as run.py has them.  facet's rate is that of a whole run on
many samples, less one on few.
"""

import pathlib
import tempfile
import time

import run

STUDY = """\
data: {{test: {{format: npy, images: images.npy, labels: labels.npy, count: {count}}}}}
model: {{onnx: model.onnx}}
output: out{count}
"""
MANY, FEW = 6000, 250


def seconds(folder, count):
    path = folder / f"{count}.yaml"
    path.write_text(STUDY.format(count=count))
    before = time.perf_counter()
    run.study(path, "--fresh")
    return time.perf_counter() - before


def rows():
    import numpy

    table = run.resnet20.weights(blocks=3)
    random = numpy.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run.resnet20.write_onnx(folder / "model.onnx", table, 3)
        numpy.save(folder / "images.npy", random.normal(size=(MANY, 3, 32, 32)).astype(numpy.float32))
        numpy.save(folder / "labels.npy", random.integers(0, 10, MANY))
        taken = [min(seconds(folder, count) for _ in range(2)) for count in (MANY, FEW)]
    own = (MANY - FEW) / (taken[0] - taken[1])
    peer = max(run.forward_torch(table, 3, batch) for batch in (32, 256))
    return [("ResNet-20, predictions and geometry stored, 1 core, against PyTorch's forward pass alone", own, peer)]
