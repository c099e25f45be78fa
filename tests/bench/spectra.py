"""Spectra of W, 100,000 x 784, against NumPy's product and decomposition of the same numbers in memory.

`rows()` gives (name, facet's lines of W per second, the peer's, unit) as run.py has them.  facet reads W from the file as it
is, in float; the peer has it in memory, in double.  Both are measured in turns, and their results compared.
"""

import pathlib
import sys
import tempfile
import time

import h5py
import numpy as np
import stages
from threadpoolctl import threadpool_limits

TURNS, VALUES, UNIT = 3, 16, "lines/s"
MORE = f"linearize: {{rows: all}}\naggregate: {{spectrum: {VALUES}}}\n"


def numpy_seconds(w, threads):
    """And the largest singular values: W^T W is a call of dsyrk."""
    with threadpool_limits(threads):
        begun = time.perf_counter()
        values, _ = np.linalg.eigh(w.T @ w)
        return time.perf_counter() - begun, np.sqrt(values[::-1][:VALUES])


def rows():
    with tempfile.TemporaryDirectory() as name:
        path = stages.write(pathlib.Path(name), MORE)
        store = stages.run(path, stages.CORES)
        with h5py.File(store) as file:
            w = file["linear/dense/W"][()].reshape(-1, stages.PIXELS).astype(float)
        own, peer = {}, {}
        for _ in range(TURNS):
            for cores in sorted({1, stages.CORES}):
                own[cores] = min(own.get(cores, np.inf), stages.seconds(path, cores, "spectra"))
                took, values = numpy_seconds(w, cores)
                peer[cores] = min(peer.get(cores, np.inf), took)
                with h5py.File(store) as file:
                    off = np.abs(file["aggregate/dense/singular_values"][()] - values).max() / values[0]
                if off > 1e-12:
                    sys.exit(f"bench: singular values are not NumPy's, by {off:.1e} of the largest")
    lines, what = len(w), f"spectrum of W, {len(w):,} x {w.shape[1]}"
    print(f"  {what}: " + "; ".join(f"{own[n]:.2f} s on {n}, NumPy {peer[n]:.2f} s" for n in own), flush=True)
    found = [(f"{what}, {n} cores, against NumPy's, of numbers in memory", lines / own[n], lines / peer[n], UNIT) for n in own]
    if stages.CORES > 1:
        found.append((f"{what}, {stages.CORES} ranks against 1", lines / own[stages.CORES], lines / own[1], UNIT))
    return found
