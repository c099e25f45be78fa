"""Care: the demo's study as it is, against the same one that never waits for the disk and computes no checksums.

`rows()` gives (name, runs per hour with care, without, unit): the ratio is to be .97 at least.  Both are run in turns, each by
its best.  What is left in both: checkpoints are written into the file system's memory, and digests of the data made.
"""

import pathlib
import subprocess
import tempfile
import time

import stages

TURNS, UNIT = 3, "runs/h"


def seconds(path, **more):
    begun = time.perf_counter()
    done = subprocess.run([stages.ROOT / "build/facet", "run", "--fresh", path, "-n", str(stages.CORES)], capture_output=True,
                          text=True, env=stages.ENVIRONMENT | more)
    if done.returncode:
        raise SystemExit(f"bench: {done.stderr}")
    return time.perf_counter() - begun


def rows():
    (stages.ROOT / "results").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=stages.ROOT / "results") as name:
        folder = pathlib.Path(name)
        library, study = folder / "careless.so", folder / "study.yaml"
        source = pathlib.Path(__file__).with_name("careless.c")
        subprocess.run(["cc", "-std=c17", "-O1", "-fPIC", "-shared", "-o", library, source], check=True)
        study.write_text((stages.ROOT / "jobs/demo.yaml").read_text().replace("output: ../results/demo", "output: out"))
        care = careless = float("inf")
        for _ in range(TURNS):
            careless = min(careless, seconds(study, LD_PRELOAD=str(library)))
            care = min(care, seconds(study))
            print(f"  {care:.1f} s with care, {careless:.1f} s without", flush=True)
    return [(f"the demo with care, {stages.CORES} ranks, against without", 3600 / care, 3600 / careless, UNIT)]
