"""MPICH beside Open MPI: a wrapper that the user names decides, libraries and mpirun fit it, and results are the same bits.

`make test-mpich` makes the build for MPICH; in `make test` what needs it is skipped."""

import os
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, FACET, MPIRUN, ROOT, checksum, environment, run

WRAPPER = "mpicc.mpich"
OTHER = ROOT / "build" / "facet"  # the build for Open MPI


@pytest.fixture(scope="module", autouse=True)
def mpich():
    if not shutil.which(WRAPPER):
        pytest.skip("no MPICH here (make test-mpich installs it)")


@pytest.fixture
def built():
    if BUILD.name != "mpich":
        pytest.skip("not a build for MPICH (make test-mpich makes one)")


def test_a_wrapper_comes_before_what_pkg_config_knows():
    clean = {name: value for name, value in os.environ.items() if name not in ("MPI_CFLAGS", "MPI_LIBS", "HDF5_DIR", "SCALAPACK_LIBS")}
    done = subprocess.run([ROOT / "tools/probe"], env={**clean, "CC": WRAPPER}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = dict(re.findall("^FOUND_(.*) := (.*)$", done.stdout, re.M))
    assert found["CC"] == WRAPPER and found["MPI"] == "mpich"
    assert "hdf5/mpich" in found["LIBS"] and "-lscalapack-mpich" in found["LIBS"] and "openmpi" not in done.stdout
    said = subprocess.run([found["MPIRUN"], "--version"], capture_output=True, text=True)
    assert "HYDRA" in said.stdout + said.stderr


def test_libraries_of_another_mpi_are_refused():
    """HDF5 of Open MPI under MPICH's wrapper links, and would crash."""
    folder = "/usr/lib/x86_64-linux-gnu/hdf5/openmpi"
    if not os.path.isdir(folder):
        pytest.skip("no HDF5 of Open MPI where Debian has it")
    done = subprocess.run([ROOT / "tools/probe"], env={**os.environ, "CC": WRAPPER, "HDF5_DIR": folder}, capture_output=True, text=True)
    assert done.returncode == 1 and "HDF5" in done.stderr and "of the same MPI (mpich)" in done.stderr, done.stderr


def test_same_bits_as_under_open_mpi(built, small):
    assert run("--version").stdout.splitlines()[1].startswith("MPI        MPICH ")
    sums = set()
    for command in ([OTHER, "run"], [FACET, "run"], [*MPIRUN, "-n", "2", FACET, "run"], [FACET, "run", "-n", "3"]):
        shutil.rmtree(small / "out", ignore_errors=True)
        done = subprocess.run([*command, small / "study.yaml"], env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        sums.add(checksum(small / "out/study.h5"))
    assert len(sums) == 1


def test_the_other_launcher_is_refused(built, small):
    if not shutil.which("mpirun.openmpi"):
        pytest.skip("no mpirun of Open MPI")
    done = subprocess.run(["mpirun.openmpi", "--oversubscribe", "-n", "2", FACET, "run", small / "study.yaml"], env=environment(), capture_output=True,
                          text=True)
    assert "facet is built with MPICH" in done.stderr and not (small / "out").exists()
