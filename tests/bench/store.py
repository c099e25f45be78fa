"""Writing: the analysis of a network that costs next to nothing, whose W is 314 MB, against dd of the same file.

`rows()` gives (name, facet's bytes per second, dd's, unit) as run.py has them.  dd copies the finished file, which is in
memory, into the same folder, and waits for the disk (conv=fsync); the stage ends when all that it wrote is on the disk.
Both are measured in turns, each by its best, and a disk that others use says nothing.
"""

import pathlib
import subprocess
import tempfile
import time

import stages

TURNS, UNIT = 4, "MB/s"
MORE = "linearize: {{rows: all, keep: {keep}}}\n"


def dd_rate(store, folder):
    """Bytes per second."""
    copy, bytes_ = folder / "copy", store.stat().st_size
    begun = time.perf_counter()
    subprocess.run(["dd", f"if={store}", f"of={copy}", "bs=4M", "conv=fsync"], check=True, stderr=subprocess.DEVNULL)
    took = time.perf_counter() - begun
    copy.unlink()
    return bytes_ / took


def rows():
    (stages.ROOT / "results").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=stages.ROOT / "results") as name:
        folder = pathlib.Path(name)
        kept, left = folder / "kept", folder / "left"
        for part in (kept, left):
            part.mkdir()
        path, alone = stages.write(kept, MORE.format(keep="all")), stages.write(left, MORE.format(keep="digest"))
        own, computing, peer = {}, {}, 0.0
        store = stages.run(path, stages.CORES)
        stages.run(alone, stages.CORES)
        for _ in range(TURNS):
            peer = max(peer, dd_rate(store, folder))
            for ranks in sorted({1, stages.CORES}):
                own[ranks] = min(own.get(ranks, 1e9), stages.seconds(path, ranks, "analyse"))
                computing[ranks] = min(computing.get(ranks, 1e9), stages.seconds(alone, ranks, "analyse"))
        size = store.stat().st_size
    found = []
    for ranks, took in own.items():
        least = max(computing[ranks], size / peer)
        print(f"  {size / 1e6:.0f} MB on {ranks} ranks: {took:.2f} s; computing alone {computing[ranks]:.2f} s, "
              f"dd {size / peer:.2f} s: {took / least:.2f} of the longer one", flush=True)
        found.append((f"writing W of 100,000 x 784, {ranks} ranks, against dd with fsync", size / took / 1e6, peer / 1e6, UNIT))
    return found
