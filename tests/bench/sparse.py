"""What weights that pruning has set to 0 gain: ResNet-20, all ten rows, on one core, with and without them; and single
layers, in the kernels for few weights against the usual ones.

`rows()` gives (name, the pruned network's samples per second, the dense one's) as run.py has them; single layers are
printed, in GFLOP/s as if no weight were 0.
"""

import json
import pathlib
import subprocess
import tempfile

import run

STUDY = """\
data: {test: {format: npy, images: images.npy}}
model: {onnx: model.onnx}
output: out
variants:
  - {method: magnitude, scope: [global, layer], sparsity: [0.9, 0.95, 0.98]}
"""
ADJOINTS = 40  # as many as mpi/stages/work.c takes at once


def make(folder):
    """The dense network, and the pruned ones by name."""
    import numpy

    run.resnet20.write_onnx(folder / "model.onnx", run.resnet20.weights(blocks=3), 3)
    numpy.save(folder / "images.npy", numpy.zeros((1, 3, 32, 32), numpy.float32))
    (folder / "study.yaml").write_text(STUDY)
    environment = {**run.ENVIRONMENT, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    subprocess.run([run.ROOT / "build" / "facet", "run", folder / "study.yaml"], check=True, env=environment,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {path.stem: path for path in sorted((folder / "out" / "variants").glob("magnitude-*.onnx"))}


def layers():
    said = subprocess.run([run.BUILD / "bench_kernels", "sparse", str(ADJOINTS)], check=True, env=run.ENVIRONMENT,
                          capture_output=True, text=True).stdout
    print("  pullback of one layer, GFLOP/s as if no weight were 0: usual kernels, those for few weights, the choice")
    for line in map(json.loads, said.splitlines()):
        print("  {in}x{kernel}x{kernel} to {out} at {extent}, stride {stride}, share {share}: {usual_gflops:.0f} "
              "{sparse_gflops:.0f} {chosen_gflops:.0f}".format_map(line))


def rows():
    table = []
    layers()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, model in make(folder).items():
            for how in ("plain", "settle"):
                rate = [run.total(run.together("bench_linear", at, run.SAMPLES, how, ADJOINTS, processes=1))
                        for at in (model, folder / "model.onnx")]
                words = {"plain": "all in float", "settle": "ties settled in double"}[how]
                table.append((f"linearize ResNet-20, {name}, 10 x 3,072, 1 core, {words}: against dense", *rate))
    return table
