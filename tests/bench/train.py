"""Training speed: a step of the demo's network, and of a wider one, against the same loop in PyTorch on the same cores;
and with weights held at 0, a share of each layer or of all together, against the same network dense.

`rows()` gives (name, facet's samples per second, the peer's) as run.py has them; run by itself it prints them.  Both are
measured in turns, and each has its best turn: what else the machine does disturbs one or the other.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build" / "tests" / "bench" / "bench_train"
CORES = len(os.sched_getaffinity(0))
STEPS, TURNS = 100, 3
PRUNED = (50, 80, 90, 95, 98)  # percent
SCOPES = {"layer": "each layer", "global": "all layers together"}
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}


class Network(NamedTuple):
    name: str
    batch: int
    conv: tuple
    dense: int


NETWORKS = (Network("demo's network", 64, (8, 16, 16), 32), Network("one of 16, 32, 32, 128", 128, (16, 32, 32), 128))


def facet(net, ranks, percent=0, scope="layer"):
    """Samples per second on so many ranks: of the median step."""
    sizes = (net.batch * STEPS, net.batch, 32, net.dense, *net.conv, percent, scope)
    command = ["mpirun", "--use-hwthread-cpus", "-n", str(ranks), str(PROGRAM), *map(str, sizes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    if done.returncode:
        sys.exit("bench: bench_train failed")
    return 1 / json.loads(done.stdout.splitlines()[-1])["seconds_per_sample"]


def module(net, memory):
    from torch import nn

    layers, channels = [], 1
    for i, width in enumerate(net.conv):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if i < 2 else []
        channels = width
    layers += [nn.Flatten(), nn.Linear(channels * 49, net.dense), nn.ReLU(), nn.Linear(net.dense, 10)]
    return nn.Sequential(*layers).to(memory_format=memory)


def pytorch(net, threads, layout):
    """The same loop: samples drawn by index, normalised, one step of SGD; weights and activations in that layout."""
    import torch

    torch.set_num_threads(threads)
    memory = getattr(torch, layout)
    model, batch = module(net, memory), net.batch
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    pixels = torch.randint(0, 256, (batch * STEPS, 1, 28, 28), dtype=torch.uint8)
    labels = torch.randint(0, 10, (batch * STEPS,))
    order, times = torch.randperm(batch * STEPS), []
    for step in range(STEPS):
        before = time.perf_counter()
        chosen = order[step * batch : (step + 1) * batch]
        x = ((pixels[chosen].float() / 255 - 0.286) / 0.353).contiguous(memory_format=memory)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), labels[chosen]).backward()
        optimizer.step()
        times.append(time.perf_counter() - before)
    return batch / statistics.median(times)


def pruned_rows():
    """Each in turns, on one core."""
    table = []
    for net in NETWORKS:
        rates = {how: 0 for how in ((0, "layer"), *((percent, scope) for scope in SCOPES for percent in PRUNED))}
        for _ in range(TURNS):
            for how in rates:
                rates[how] = max(rates[how], facet(net, 1, *how))
        dense = rates.pop((0, "layer"))
        table += [(f"train {net.name}, batch {net.batch}, 1 core, {percent} % of {SCOPES[scope]} held at 0: against dense", rate, dense)
                  for (percent, scope), rate in rates.items()]
    return table


def rows():
    import torch  # noqa: F401  (or an ImportError, before anything is measured)

    table = pruned_rows()
    for net in NETWORKS:
        layouts, own = {"contiguous_format": 0, "channels_last": 0}, 0
        for _ in range(TURNS):
            own = max(own, facet(net, CORES))
            for layout in layouts:
                layouts[layout] = max(layouts[layout], pytorch(net, CORES, layout))
        shape = f"train {net.name}, batch {net.batch}, {CORES} cores"
        table += [(f"{shape}, against PyTorch ({layout})", own, rate) for layout, rate in layouts.items()]
    return table


if __name__ == "__main__":
    for name, ours, theirs in rows():
        print(f"{name}: {ours:.0f} against {theirs:.0f} samples/s, {ours / theirs:.2f} times as fast")
