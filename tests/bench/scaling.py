"""make scaling: a study of a residual network on 1 and 2 ranks, strong (the same work) and weak (twice the work on two), phase by
phase from `facet run --profile`; what messages, agreement and syncs cost; and what follows from these for 64 to 4,096 ranks.

    scaling.py [--times N] [--bandwidth GB/s] [--latency us]    of the cluster's file system, all ranks together, and of its network

The forecast is of a study as large as people's: 30 networks like this one, 10,000 samples under 20 conditions, all
linearized in full for 7 of them. What follows the passes, comparing networks, conditions and samples, is measured on studies
of that many networks and conditions, a network that takes no time, and two numbers of samples: what does not grow with the
samples is told from what does. docs/scaling.md says how each number comes about."""

import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
SIDE, CLASSES, LINEAR, SAMPLES, BLOCK = 16, 10, 96, 384, 8
STUDY = """\
study: scaling
output: {output}
block: {block}
data:
  train: {{format: npy, images: train.npy, labels: train-labels.npy}}
  test: {{format: npy, images: test{samples}.npy, labels: test{samples}-labels.npy}}
model: {{architecture: resnet20, train: {{epochs: 1, batch: 64}}}}
variants: [{{method: magnitude, sparsity: [0.5, 0.9]}}]
conditions: [clean, {{corruption: gaussian_noise, severity: [1, 3, 5]}}]
linearize: {{samples: {linear}}}
aggregate: {{spectrum: 16}}
"""
VARIANTS, CONDITIONS = 3, 4
# As many networks, conditions and classes as the large one, of pictures of 16 numbers.
LINES = """\
study: lines
output: {output}
data:
  train: {{format: npy, images: few.npy, labels: few-labels.npy}}
  test: {{format: npy, images: test{samples}.npy, labels: test{samples}-labels.npy}}
model: {{architecture: {{dense: [16]}}, train: {{epochs: 1}}}}
variants: [{{method: magnitude, sparsity: {sparsities}}}]
conditions: [clean, {{corruption: [gaussian_noise, shot_noise, impulse_noise, brightness], severity: [1, 2, 3, 4, 5]}}]
aggregate: {{spectrum: none}}
"""
FEW, SOME, MANY = 64, 250, 1000
COMPARING = ("summary", "columns", "compare", "similarity", "cka")
LARGE = {"networks": 30, "linearized": 7, "samples": 10_000, "conditions": 21, "blocks": 40, "node": 64,
         "data": 60_000 * 3 * SIDE * SIDE, "train": 50_000, "epochs": 4, "parts": 4}  # parts: batch / micro_batch
RANKS = (1, 2, 64, 256, 1024, 4096)


def pictures(folder, name, count, *shape):
    random = np.random.default_rng(count)
    np.save(folder / f"{name}.npy", random.random((count, *shape), dtype=np.float32))
    np.save(folder / f"{name}-labels.npy", random.integers(0, CLASSES, count).astype(np.int64))


def passes(scale):
    """A study of few networks whose passes take the time; scale: how much there is to do."""
    def write(folder, name):
        pictures(folder, "train", 256, 3, SIDE, SIDE)
        pictures(folder, f"test{SAMPLES * scale}", SAMPLES * scale, 3, SIDE, SIDE)
        return STUDY.format(output=name, samples=SAMPLES * scale, linear=LINEAR * scale, block=BLOCK)
    return write


def lines(samples):
    """A study of many networks whose comparisons take the time."""
    def write(folder, name):
        pictures(folder, "few", FEW, 1, 4, 4)
        pictures(folder, f"test{samples}", samples, 1, 4, 4)
        sparsities = [round(i / LARGE["networks"], 3) for i in range(1, LARGE["networks"])]
        return LINES.format(output=name, samples=samples, sparsities=sparsities)
    return write


def measure(folder, name, ranks, write):
    """{phase: {array: list by rank}} of a run."""
    study = folder / f"{name}.yaml"
    study.write_text(write(folder, name))
    command = [ROOT / "build/facet", "run", "--profile", study, *(["-n", str(ranks)] if ranks > 1 else [])]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    if done.returncode:
        sys.exit(f"scaling: {done.stderr}")
    with h5py.File(folder / name / "study.h5") as file:
        group = file["profile"]
        arrays = [key for key, item in group.items() if not item.is_scale]
        return {phase: {key: group[key][i] for key in arrays} for i, phase in enumerate(group["stage"].asstr()[()])
                if np.isfinite(group["seconds"][i]).all()}


def quickest(folder, name, ranks, write, times):
    """Each phase as in the run that was the quickest through it: other programs disturb some of them."""
    runs = [measure(folder, f"{name}{i}", ranks, write) for i in range(times)]
    return {phase: min((run[phase] for run in runs if phase in run), key=lambda p: p["seconds"].max()) for phase in runs[0]}


def seconds(profile, phase):
    return float(profile[phase]["seconds"].max()) if phase in profile else 0.0


def costs(folder):
    done = subprocess.run(["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2",
                           ROOT / "build/tests/bench/bench_scale", folder / "sync"], capture_output=True, text=True, env=ENVIRONMENT)
    if done.returncode:
        sys.exit(f"scaling: {done.stderr}")
    return json.loads(done.stdout)


def show_measured(one, two, weak):
    print(f"{'phase':<12} {'1 rank':>9} {'2 ranks':>9} {'strong':>7} {'twice':>9} {'weak':>7} {'waiting':>8} {'files':>7}")
    for phase in one:
        times = [seconds(profile, phase) for profile in (one, two, weak)]
        if times[0] < 0.02:
            continue
        share = [100 * float(two[phase][key].sum() / two[phase]["seconds"].sum()) for key in ("waiting", "storing")]
        print(f"{phase:<12} {times[0]:8.2f}s {times[1]:8.2f}s {100 * times[0] / (2 * times[1]):6.0f}% {times[2]:8.2f}s "
              f"{100 * times[0] / times[2]:6.0f}% {share[0]:7.1f}% {share[1]:6.1f}%")


def grown(some, many, phase):
    """Seconds of a phase with the large study's samples, along the line through what it takes with SOME and MANY."""
    return seconds(many, phase) + max(0.0, seconds(many, phase) - seconds(some, phase)) / (MANY - SOME) * (LARGE["samples"] - MANY)


def shared(one, two):
    """{phase: (seconds on one rank, the share of them that is not shared out)} of what compares, by Amdahl's law from two ranks.
    one, two: with SOME and with MANY samples."""
    found = {}
    for phase in COMPARING:
        a, b = grown(*one, phase), grown(*two, phase)
        if a > 0:
            found[phase] = (a, min(1.0, max(0.0, 2 * b / a - 1)))
    return found


def show_shared(found):
    print(f"\nOf {LARGE['samples']} samples: " +
          ", ".join(f"{phase} {time:.3f} s, {100 * serial:.0f} % not shared out" for phase, (time, serial) in found.items()))


def forecast(one, comparing, cost, bandwidth, latency):
    """[(what, seconds by number of ranks)] of the large study."""
    own = {phase: seconds(one, phase) - float(one[phase]["storing"].max()) for phase in one}
    passes = VARIANTS * (SAMPLES * CONDITIONS + LINEAR * (CLASSES + 1))
    forward = own["analyse"] / passes
    dim = 3 * SIDE * SIDE
    linear = LARGE["linearized"] * LARGE["samples"]
    work = forward * (LARGE["networks"] * LARGE["samples"] * LARGE["conditions"] + linear * (CLASSES + 1))
    written = 4.0 * linear * CLASSES * dim
    tiles = LARGE["networks"] * LARGE["conditions"] * LARGE["blocks"]
    arrays = 12 * LARGE["networks"] + 60
    handed = {"similarity": 3 * 8 * LARGE["networks"] * LARGE["conditions"] * LARGE["samples"] / 1e9}  # what every rank gets

    def tail(ranks):  # the last tile of some rank, alone
        return work / tiles if ranks > 1 else 0.0

    def deal(ranks):  # rank 0 hears every rank when it asks, some 2 log2 of its tiles, and up to 256 reports a second
        asks, reports = ranks * 2 * math.log2(2 + tiles / ranks), 4 * ranks / (1 + ranks // 64) * work / ranks
        return cost["message"] * (asks + reports) + cost["unit"] * tiles

    def spectra(ranks):  # by the program's own count of operations: Gram matrices by all, eigenvectors by places x places
        def work_of(lines, by):
            return lines * dim ** 2 / by + 20 * dim ** 3 / min(by, max(1, dim // 128) ** 2)

        each = own["spectra"] / VARIANTS / work_of(LINEAR * CLASSES, 1)
        return LARGE["linearized"] * each * work_of(LARGE["samples"] * CLASSES, ranks)

    def start(ranks):  # every rank reads all data, a node's file system once; and plans
        return own["start"] + math.ceil(ranks / LARGE["node"]) * LARGE["data"] / bandwidth

    def training(ranks):  # dense first, by as many ranks as there are micro-batches in a batch; then the others side by side
        one, others = LARGE["epochs"] * LARGE["train"] / 256 * own["training"], LARGE["networks"] - 1
        groups = min(ranks, others)
        return sum(times * one * math.ceil(LARGE["parts"] / some) / LARGE["parts"] for times, some in ((1, ranks), (math.ceil(others / groups), ranks // groups)))

    rows = [("start, reading data", start), ("forward passes, W", lambda p: work / p), ("their last tile", tail), ("dealing by rank 0", deal),
            ("writing W", lambda p: written / min(bandwidth, p * 1e9)),
            ("marks", lambda p: cost["sync"] * min(work / p, tiles / p)),
            ("opening arrays", lambda p: arrays * 6 * latency * (1 + math.log2(p))),
            *((phase, lambda p, time=time, serial=serial, handed=handed.get(phase, 0.0): time * (serial + (1 - serial) / p) + handed * (p > 1))
              for phase, (time, serial) in comparing.items()),
            ("spectra", spectra),
            ("agreement", lambda p: 40 * (cost["agreement"] + latency * math.log2(p)))]
    return [(what, [take(p) for p in RANKS]) for what, take in [*rows, ("training", training)]]


def show_forecast(rows):
    print(f"\n{'seconds on ranks':<22}" + "".join(f"{p:>10}" for p in RANKS))
    for part, what in ((rows[:-1], "given"), (rows, "trained")):
        for name, values in part if part is not rows else rows[-1:]:
            print(f"{name:<22}" + "".join(f"{value:10.3g}" for value in values))
        sums = np.sum([values for _, values in part], axis=0)
        print(f"{'sum, ' + what:<22}" + "".join(f"{value:10.3g}" for value in sums))
        print(f"{'of the ideal':<22}" + "".join(f"{100 * sums[0] / p / value:9.0f}%" for p, value in zip(RANKS, sums)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bandwidth", type=float, default=10, help="GB/s that the file system takes from all ranks together")
    parser.add_argument("--latency", type=float, default=2, help="microseconds of a message between nodes")
    parser.add_argument("--times", type=int, default=3, help="how often each run is measured; the quickest counts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=ROOT / "results") as name:
        folder = pathlib.Path(name)
        one, two, weak = (quickest(folder, *how, options.times) for how in (("one", 1, passes(1)), ("two", 2, passes(1)), ("weak", 2, passes(2))))
        comparing = shared(*([quickest(folder, f"lines{samples}-{ranks}-", ranks, lines(samples), options.times) for samples in (SOME, MANY)]
                             for ranks in (1, 2)))
        cost = costs(folder)
    show_measured(one, two, weak)
    print("\n" + ", ".join(f"{key} {1e6 * value:.3g} us" for key, value in cost.items()))
    show_shared(comparing)
    cost["message"] = max(cost["message"], 1e-6 * options.latency)
    show_forecast(forecast(one, comparing, cost, 1e9 * options.bandwidth, 1e-6 * options.latency))


main()
