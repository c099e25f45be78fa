"""One program for all processors: it computes with the vectors that it finds, and one that was built for more says so."""

import os
import re
import subprocess

import pytest

from conftest import BUILD, FOUND, MPIRUN, PATIENCE, ROOT, checksum, environment, run

FLAGS = open("/proc/cpuinfo").read().split("flags", 1)[-1].split("\n", 1)[0].split() if os.path.exists("/proc/cpuinfo") else []
pytestmark = pytest.mark.skipif("sse2" not in FLAGS, reason="no x86-64")


def built_for(folder, *features):
    """What a main says that is linked with the check."""
    (folder / "main.c").write_text('#include <stdio.h>\nint main(void) { puts("runs"); return 0; }\n')
    subprocess.run([os.environ.get("CC", "cc"), "-D_GNU_SOURCE", f'-DFACET_GRANTED=" {" ".join(features)} "', "-o", folder / "main",
                    folder / "main.c", ROOT / "mpi/program/processor.c"], check=True)
    return lambda **rank: subprocess.run([folder / "main"], capture_output=True, text=True, env={**os.environ, **rank})


def test_a_line_instead_of_an_illegal_instruction(tmp_path):
    lacking = [name for name in ("XOP", "FMA4", "AVX512F", "AVX2") if name.lower() not in FLAGS]
    if not lacking:
        pytest.skip("this processor has everything")
    start = built_for(tmp_path, "SSE4_2", lacking[0])
    done = start()
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr == (f"facet: built for another processor, this one has no {lacking[0]}: build it here, or "
                           "without -march and ARCH= for any\n")
    assert start(OMPI_COMM_WORLD_RANK="1").stderr == ""  # one rank speaks
    assert start(OMPI_COMM_WORLD_RANK="0").stderr == done.stderr


def test_what_is_there_runs(tmp_path):
    known = {"SSE4_2": "sse4_2", "POPCNT": "popcnt", "AVX2": "avx2", "AVX512F": "avx512f"}
    done = built_for(tmp_path, *(name for name, flag in known.items() if flag in FLAGS))()
    assert (done.returncode, done.stdout, done.stderr) == (0, "runs\n", "")


def test_kernels_are_chosen_when_it_runs(monkeypatch):
    """By the processor, or as oneDNN is told: ranks on nodes that differ can agree."""
    def kernels():
        return re.search("^kernels +(.*)$", run("--version").stdout, re.M)[1]

    if kernels() == "as compiled":
        pytest.skip("built for one kind of processor")
    best = "AVX-512" if "avx512vl" in FLAGS else "AVX2" if {"avx2", "fma"} <= set(FLAGS) else "SSE2"
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    assert kernels() == best
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX2")
    assert kernels() == ("SSE2" if best == "SSE2" else "AVX2")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    assert kernels() == "SSE2"


@pytest.mark.parametrize("isa", ["SSE41", "AVX2"])
def test_kernels_of_older_processors(isa):
    """What the unit tests say of the best kernels holds for the others."""
    for name in ("test_kernels", "test_tsne"):
        done = subprocess.run([BUILD / "tests/unit" / name], capture_output=True, text=True, env={**environment(), "DNNL_MAX_CPU_ISA": isa})
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("isa", ["AVX2", "SSE41"])
def test_ranks_whose_processors_differ(small, isa):
    """One is like an older one: all compute as it does, and a line says so. Where OpenBLAS differs, a line says what to do."""
    best = re.search("^kernels +(.*)$", run("--version").stdout, re.M)[1]
    if FOUND["MPI"] != "openmpi" or best not in ("AVX-512", "AVX2") or best == isa:
        pytest.skip("this processor has nothing newer")
    run_it = [str(BUILD / "facet"), "run", str(small / "study.yaml")]

    def two(variable, *more):
        """`variable` on rank 1 alone; by the shell, for Open MPI 5.0.7 crashes on two programs."""
        only = ["sh", "-c", '[ "$OMPI_COMM_WORLD_RANK" != 1 ] || export "$0"; exec "$@"', variable]
        return subprocess.run([*MPIRUN, "-n", "2", *only, *run_it, *more], capture_output=True, text=True, timeout=PATIENCE,
                              env=environment())
    older = subprocess.run(run_it, capture_output=True, text=True, env={**environment(), "ONEDNN_MAX_CPU_ISA": isa})
    assert older.returncode == 0, older.stderr
    wanted = checksum(small / "out/study.h5")
    assert not [line for line in older.stderr.splitlines() if "processors differ" in line]
    done = two(f"ONEDNN_MAX_CPU_ISA={isa}", "--fresh")
    assert done.returncode == 0 and done.stderr.count("the ranks' processors differ") == 1, done.stderr
    assert checksum(small / "out/study.h5") == wanted
    done = two("OPENBLAS_CORETYPE=Nehalem")
    assert "start all ranks with OPENBLAS_CORETYPE=" in done.stderr and "kernels on rank 1" in done.stderr, done.stderr
