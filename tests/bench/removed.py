"""What taking out the channels of pruned filters gains: ResNet-20 with half the filters of each layer removed, as a network
with zeros and as a smaller one, in facet and in onnxruntime on one core.

`rows()` gives (name, the smaller one's samples per second, the masked one's) as run.py has them.
"""

import pathlib
import subprocess
import tempfile

import run

STUDY = """\
data: {test: {format: npy, images: images.npy}}
model: {onnx: model.onnx}
output: out
variants:
  - {name: masked, method: filter, scope: layer, sparsity: 0.5}
  - {name: removed, method: filter, scope: layer, sparsity: 0.5, remove_dead: true}
"""
BATCH = 64


def make(folder):
    """Both networks, by facet itself."""
    import numpy

    run.resnet20.write_onnx(folder / "model.onnx", run.resnet20.weights(blocks=3), 3)
    numpy.save(folder / "images.npy", numpy.zeros((1, 3, 32, 32), numpy.float32))
    (folder / "study.yaml").write_text(STUDY)
    environment = {**run.ENVIRONMENT, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    subprocess.run([run.ROOT / "build" / "facet", "run", folder / "study.yaml"], check=True, env=environment,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return [folder / "out" / "variants" / f"{name}.onnx" for name in ("removed", "masked")]


def rows():
    shape = f"ResNet-20, half the filters of each layer removed, 1 core, batch {BATCH}"
    ways = {
        "forward pass of": lambda model: run.total(run.together("bench_forward", model, BATCH, run.SECONDS, processes=1)),
        "linearize": lambda model: run.total(run.together("bench_linear", model, run.SAMPLES, "plain", processes=1)),
        "onnxruntime's forward pass of": lambda model: run.forward_onnxruntime(model, BATCH),
    }
    table = []
    with tempfile.TemporaryDirectory() as folder:
        models = make(pathlib.Path(folder))
        for way, rate in ways.items():
            try:
                table.append((f"{way} {shape}: taken out against zeros", *map(rate, models)))
            except ImportError as missing:
                print(f"bench: {missing}: the comparison is left out")
    return table
