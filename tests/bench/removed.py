"""What taking out the channels of pruned filters gains: ResNet-20 with half the filters of each layer removed, as a network
with zeros and as a smaller one, in facet and in onnxruntime on one core.

`rows()` gives (name, the smaller one's samples per second, the masked one's) as run.py has them.
"""

import pathlib
import tempfile

import run

VARIANTS = """\
  - {name: masked, method: filter, scope: layer, sparsity: 0.5}
  - {name: removed, method: filter, scope: layer, sparsity: 0.5, remove_dead: true}
"""
BATCH = 64


def rows():
    shape = f"ResNet-20, half the filters of each layer removed, 1 core, batch {BATCH}"
    ways = {
        "forward pass of": lambda model: run.total(run.together("bench_forward", model, BATCH, run.SECONDS, processes=1)),
        "linearize": lambda model: run.total(run.together("bench_linear", model, run.SAMPLES, "plain", processes=1)),
        "onnxruntime's forward pass of": lambda model: run.forward_onnxruntime(model, BATCH),
    }
    table = []
    with tempfile.TemporaryDirectory() as folder:
        pruned = run.prune_resnet20(pathlib.Path(folder), VARIANTS)
        models = [pruned / "removed.onnx", pruned / "masked.onnx"]
        for way, rate in ways.items():
            try:
                table.append((f"{way} {shape}: taken out against zeros", *map(rate, models)))
            except ImportError as missing:
                print(f"bench: {missing}: the comparison is left out")
    return table
