"""OpenBLAS on a processor that it does not know: facet starts itself again with kernels that fit.

A library that is loaded first says in OpenBLAS's place that it chose Prescott, unless it is told otherwise.
"""

import os
import subprocess

import h5py
import pytest
from conftest import FACET, MPIRUN, PATIENCE, checksum, environment, own_lines

OLD = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
char *openblas_get_corename(void)
{
  char *(*real)(void) = (char *(*)(void))dlsym(RTLD_NEXT, "openblas_get_corename");
  return getenv("OPENBLAS_CORETYPE") && !getenv("ALWAYS_OLD") ? real() : "Prescott";
}
"""
SAID = "facet: OpenBLAS chose its Prescott kernels for this processor, facet told it to take "


def fitting():
    flags = open("/proc/cpuinfo").read().split("flags", 1)[-1].split("\n", 1)[0].split()
    if {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"} <= set(flags):
        return "SkylakeX"
    return "Haswell" if {"avx2", "fma"} <= set(flags) else None


pytestmark = pytest.mark.skipif(fitting() is None, reason="no processor for newer kernels than Prescott's")


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """The environment of a machine whose OpenBLAS is older than its processor."""
    folder = tmp_path_factory.mktemp("old")
    (folder / "old.c").write_text(OLD)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", folder / "old.so", folder / "old.c", "-ldl"],
                   check=True)
    env = {**environment(), "LD_PRELOAD": str(folder / "old.so")}
    env.pop("OPENBLAS_CORETYPE", None)
    return env


def facet(env, *arguments, ranks=1):
    command = ["env", *(f"{name}={env[name]}" for name in ("LD_PRELOAD",) if name in env), str(FACET)]
    env = {name: value for name, value in env.items() if name != "LD_PRELOAD"}
    command = ([*MPIRUN, "-n", str(ranks)] if ranks > 1 else []) + command
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE, env=env)


def blas_core(store):
    with h5py.File(store) as file:
        core = file.attrs["blas_core"]
        return core.decode() if isinstance(core, bytes) else core


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_run_takes_fitting_kernels_and_says_so_once(small, old, ranks):
    folder = small / "a folder"  # arguments are kept as they are
    folder.mkdir()
    for file in list(small.iterdir()):
        if file.is_file():
            file.rename(folder / file.name)
    done = facet(old, "run", folder / "study.yaml", "--fresh", ranks=ranks)
    assert done.returncode == 0, done.stderr
    assert f"on {ranks} rank" in done.stdout
    assert [line for line in done.stderr.splitlines() if "OpenBLAS" in line] == [SAID + fitting()]
    assert blas_core(folder / "out" / "study.h5") == fitting()
    first = checksum(folder / "out" / "study.h5")
    done = facet({**old, "OPENBLAS_CORETYPE": "Prescott"}, "run", "--fresh", folder / "study.yaml", ranks=ranks)
    assert done.returncode == 0 and "OpenBLAS" not in done.stderr, done.stderr
    assert blas_core(folder / "out" / "study.h5") == "Prescott"  # a user's own stands ...
    assert checksum(folder / "out" / "study.h5") == first  # ... and nothing that counts depends on it


def test_version_tells_both(old):
    done = facet(old, "--version")
    assert (done.returncode, own_lines(done)) == (0, [])
    assert f"BLAS core  {fitting()} (told so by facet: OpenBLAS by itself chose Prescott)\n" in done.stdout
    plain = facet({**old, "OPENBLAS_CORETYPE": "Haswell"}, "--version")
    assert plain.returncode == 0 and "BLAS core  Haswell\n" in plain.stdout


def test_it_tries_but_once(old):
    done = facet({**old, "ALWAYS_OLD": "1"}, "--version")
    assert (done.returncode, own_lines(done)) == (0, []) and "BLAS core  Prescott\n" in done.stdout


def test_errors_stay_one_line_and_commands_without_blas_do_not_start_again(old, tmp_path):
    done = facet(old, "run", tmp_path / "none.yaml", ranks=1)
    assert done.returncode == 66 and len(own_lines(done)) == 1, done.stderr
    assert facet(old, "--help").returncode == 0


def test_check_says_so_too(small, old):
    done = facet(old, "check", small / "study.yaml")
    assert (done.returncode, own_lines(done)) == (0, [SAID + fitting()])
