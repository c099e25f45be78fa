"""The figures of merit of a map, against scikit-learn's, of the same samples, on one core.

`rows()` gives (name, facet's samples per second, the peer's) as run.py has them.  Features look like those of a network:
ten classes, no number below 0; a map keeps most of their neighbours, or few.  All figures have to be the same.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import stages
from threadpoolctl import threadpool_limits

SAMPLES, FEATURES, NEIGHBOURS, TURNS = 10_000, 32, 12, 3
PROGRAM = stages.ROOT / "build" / "tests" / "bench" / "bench_judge"
MAPS = {"a good map": 0.02, "a bad map": 1.0}  # how far positions are off


def make(noise):
    """Features on a curved surface round each class, and positions on it."""
    random = np.random.default_rng(1)
    label, place = random.integers(0, 10, SAMPLES), random.normal(size=(SAMPLES, 2))
    centre, turn = 4 * random.normal(size=(10, FEATURES)), random.normal(size=(2, FEATURES))
    x = np.maximum(centre[label] + place @ turn + 0.1 * random.normal(size=(SAMPLES, FEATURES)), 0).astype(np.float32)
    y = 10 * random.normal(size=(10, 2))[label] + place + noise * random.normal(size=place.shape)
    return x, y, label.astype(np.int32)


def facet(x, y, label):
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder) / name for name in ("x", "y", "label")]
        for path, array in zip(files, (x, y, label)):
            array.tofile(path)
        sizes = map(str, (*x.shape, y.shape[1], NEIGHBOURS, TURNS))
        done = subprocess.run([PROGRAM, *files, *sizes], capture_output=True, text=True, env=stages.ENVIRONMENT)
        if done.returncode:
            sys.exit(f"bench: {done.stderr}")
        return json.loads(done.stdout)


def sklearn(x, y, label):
    """By the quicker of its ways."""
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import NearestNeighbors

    def nearest(way):
        near = NearestNeighbors(n_neighbors=1, algorithm=way).fit(y).kneighbors(return_distance=False)[:, 0]
        return float(np.mean(label[near] != label))

    found = {}
    with threadpool_limits(1):
        for name, work in (
            ("trustworthiness", lambda: trustworthiness(x.astype(float), y, n_neighbors=NEIGHBOURS)),
            ("continuity", lambda: trustworthiness(y, x.astype(float), n_neighbors=NEIGHBOURS)),
            ("error", lambda: nearest("brute")),
            ("error", lambda: nearest("kd_tree")),
        ):
            begun = time.perf_counter()
            figure = work()
            took = time.perf_counter() - begun
            found[name] = (figure, min(took, found.get(name, (0, np.inf))[1]))
    return found


def rows():
    import sklearn as _  # noqa: F401  (or an ImportError, before anything is measured)

    every = []
    for name, noise in MAPS.items():
        data = make(noise)
        own, peer = facet(*data), sklearn(*data)
        off = max(abs(own[what] - figure) for what, (figure, _) in peer.items())
        if off > 1e-9:
            sys.exit(f"bench: figures of merit are not scikit-learn's, by {off:.1e}")
        took = {what: seconds for what, (_, seconds) in peer.items()}
        print(f"  {name}, T = {own['trustworthiness']:.3f}: {own['ranks']:.2f} s and {own['errors']:.3f} s; {took}", flush=True)
        what = f"{SAMPLES:,} samples of {FEATURES} features, {name}, 1 core, against scikit-learn"
        both = took["trustworthiness"] + took["continuity"]
        every.append((f"trustworthiness and continuity of {what}", SAMPLES / own["ranks"], SAMPLES / both))
        every.append((f"nearest neighbour's label of {what}", SAMPLES / own["errors"], SAMPLES / took["error"]))
    return every
