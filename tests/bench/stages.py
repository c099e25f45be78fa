"""One stage of a study, run again and again, and timed by facet's own profile.

The study is of 10,000 random images of 28 x 28 and a small network: W of all ten classes is 100,000 x 784, 314 MB.
"""

import os
import pathlib
import subprocess
import sys

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORES = len(os.sched_getaffinity(0))
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
SAMPLES, PIXELS, CLASSES, TRAIN = 10_000, 784, 10, 1000
STUDY = """\
output: out
data:
  train: {format: npy, images: train.npy, labels: train-labels.npy}
  test: {format: npy, images: test.npy, labels: test-labels.npy}
model: {architecture: {dense: [32]}, train: {epochs: 1}}
"""


def write(folder, more):
    """The study's file, with these lines beside those above."""
    for name, count in (("train", TRAIN), ("test", SAMPLES)):
        random = np.random.default_rng(count)
        np.save(folder / f"{name}.npy", random.random((count, 1, 28, 28), dtype=np.float32))
        np.save(folder / f"{name}-labels.npy", random.integers(0, CLASSES, count).astype(np.int64))
    path = folder / "study.yaml"
    path.write_text(STUDY + more)
    return path


def run(path, ranks, *options):
    command = [ROOT / "build" / "facet", "run", "--profile", path, *options, *(["-n", str(ranks)] if ranks > 1 else [])]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    if done.returncode:
        sys.exit(f"bench: {done.stderr}")
    return path.parent / "out" / "study.h5"


def profiled(file, stage):
    """Seconds of a stage by rank, added up over the runs that the store has seen; 0 where there was none."""
    return np.nan_to_num(file["profile/seconds"][list(file["profile/stage"].asstr()[()]).index(stage)])


def seconds(path, ranks, stage):
    """Of a stage, run anew: of the rank that took longest, until all that it wrote is on the disk."""
    store, before = path.parent / "out" / "study.h5", 0
    if store.exists():
        with h5py.File(store, "r+") as file:
            file["progress"][stage][...] = 0
            before = profiled(file, stage)
    with h5py.File(run(path, ranks)) as file:
        return float((profiled(file, stage) - before).max())
