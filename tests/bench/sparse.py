"""What weights that pruning has set to 0 gain: ResNet-20, forward and all ten rows, on one core, with and without them;
and single layers, in the kernels for few weights against the usual ones.

`rows()` gives (name, the pruned network's samples per second, the dense one's) as run.py has them; single layers are
printed, in GFLOP/s as if no weight were 0.
"""

import json
import pathlib
import subprocess
import tempfile

import run

VARIANTS = "  - {method: magnitude, scope: [global, layer], sparsity: [0.9, 0.95, 0.98]}\n"
ADJOINTS, SAMPLES = 40, 48  # as many as mpi/stages/work.c takes at once, back and forward


def layers():
    said = subprocess.run([run.BUILD / "bench_kernels", "sparse", str(ADJOINTS)], check=True, env=run.ENVIRONMENT,
                          capture_output=True, text=True).stdout
    print("  pullback of one layer, GFLOP/s as if no weight were 0: usual kernels, those for few weights, the "
          "choice, lanes")
    for line in map(json.loads, said.splitlines()):
        print("  {in}x{kernel}x{kernel} to {out} at {extent}, stride {stride}, share {share}: {usual_gflops:.0f} "
              "{sparse_gflops:.0f} {chosen_gflops:.0f} {lanes_gflops:.0f}".format_map(line))


def rows():
    table = []
    layers()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for model in sorted(run.prune_resnet20(folder, VARIANTS).glob("magnitude-*.onnx")):
            rate = [run.total(run.together("bench_forward", at, SAMPLES, run.SECONDS, processes=1))
                    for at in (model, folder / "model.onnx")]
            table.append((f"forward pass of ResNet-20, {model.stem}, 1 core, batch {SAMPLES}: against dense", *rate))
            for how in ("plain", "settle"):
                rate = [run.total(run.together("bench_linear", at, run.SAMPLES, how, ADJOINTS, processes=1))
                        for at in (model, folder / "model.onnx")]
                words = {"plain": "all in float", "settle": "ties settled in double"}[how]
                table.append((f"linearize ResNet-20, {model.stem}, 10 x 3,072, 1 core, {words}: against dense", *rate))
    return table
