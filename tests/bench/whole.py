"""A whole study, that of thirty pruned variants (jobs/pruning.yaml), on one rank and on all cores; and each of its stages.

`rows()` gives (name, runs per hour on all cores, on one, unit) as run.py has them; of stages that take no time it prints the
seconds alone.  Each is run once, anew.  FACET_WHOLE says how many samples of both data sets it takes (all; 1,000 show that it works).
"""

import os
import pathlib
import re
import tempfile
import time

import h5py
import stages

STUDY = stages.ROOT / "jobs/pruning.yaml"
SAMPLES = int(os.environ.get("FACET_WHOLE", "0"))  # 0: all
SHORT, UNIT = 0.5, "runs/h"  # seconds of a stage below which its ratio says nothing


def text():
    found = re.sub(r"^output: .*$", "output: out", STUDY.read_text(), flags=re.M)
    fewer = lambda match: match[1] + str(min(int(match[2]), SAMPLES or int(match[2])))  # noqa: E731
    return re.sub(r"((?:count|samples|explain): )(\d+)", fewer, found)


def measure(path, ranks):
    """(seconds, {stage: seconds, of the rank that took longest})."""
    begun = time.perf_counter()
    store = stages.run(path, ranks, "--fresh")
    took = time.perf_counter() - begun
    with h5py.File(store) as file:
        found = {stage: float(stages.profiled(file, stage).max()) for stage in file["profile/stage"].asstr()[()]}
    print(f"  {ranks} ranks: {took:.1f} s", flush=True)
    return took, {stage: spent for stage, spent in found.items() if spent > 0}


def rows():
    (stages.ROOT / "results").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=stages.ROOT / "results") as name:
        path = pathlib.Path(name) / "study.yaml"
        path.write_text(text())
        many, by_many = measure(path, stages.CORES)
        one, by_one = measure(path, 1)
    study = f"the study of thirty variants{f', {SAMPLES:,} samples' if SAMPLES else ''}"
    ranks = f"{stages.CORES} ranks against 1"
    found = [(f"{study}, whole, {ranks}", 3600 / many, 3600 / one, UNIT)]
    print(f"  {'stage':<12} {'1 rank':>9} {stages.CORES:>3} ranks  ratio")
    for stage in sorted(by_one.keys() & by_many.keys(), key=by_one.get, reverse=True):
        print(f"  {stage:<12} {by_one[stage]:8.2f}s {by_many[stage]:8.2f}s {by_one[stage] / by_many[stage]:6.2f}", flush=True)
        if by_one[stage] >= SHORT:
            found.append((f"{study}, {stage}, {ranks}", 3600 / by_many[stage], 3600 / by_one[stage], UNIT))
    return found
