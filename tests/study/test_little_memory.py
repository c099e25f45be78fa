"""Under a limit of the address space, or of a cgroup, and when any rank is refused any allocation (see failing_memory.c), a
run ends with 71 and a line, or well; never with a crash, and no rank waits for another."""

import os
import resource
import shutil
import subprocess

import pytest

from conftest import FACET, PATIENCE, checksum, environment, own_lines, preloaded, run

LIMITS = [200, 230, 263, 340, 420, 443, 460, 470, 480, 490, 500]  # MB: from where OpenBLAS cannot start to where nothing is missing


def test_ends_with_71_and_a_line(small):
    endings = []
    for megabytes in LIMITS:
        done = run("run", small / "study.yaml", "--fresh",
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20)))
        said = own_lines(done)
        if done.returncode == 127:  # the loader has no room for the libraries of this machine: there is no facet yet
            continue
        assert done.returncode in (0, 71), (megabytes, done.stderr)
        assert done.returncode == 0 or len(said) == 1 and "out of memory" in said[0], (megabytes, done.stderr)
        endings.append(done.returncode)
    if 71 not in endings:
        pytest.skip("the limits are too wide for these libraries")
    assert run("run", small / "study.yaml").returncode == 0
    checksum(small / "out/study.h5")


@pytest.mark.parametrize("megabytes", [540, 570, 600, 630])
def test_a_late_stage_does_not_wait_for_memory(small, megabytes):
    """The first product of matrices comes after training and analysis; OpenBLAS would ask for its buffer for ever."""
    with (small / "study.yaml").open("a") as study:
        study.write("embed: {layers: [12], perplexity: 12, batch: 200, epochs: 2, explain: 30}\n")
    done = run("run", small / "study.yaml",
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20)))
    assert done.returncode in (0, 71), done.stderr


def test_a_cgroup_that_is_full(small, group):
    """The system kills a rank, which cannot say why: the launcher does. Weights with their gradients are more than the limit; of
    the program's own pages the first cgroup that read them is charged, which may be another."""
    study = small / "study.yaml"
    study.write_text(study.read_text().replace("dense: [16]", "dense: [2000]"))
    done = run("run", study, "-n", "2",
               preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid())))
    said = own_lines(done)
    assert done.returncode == 71 and len(said) == 1, done.stderr
    assert "out of memory: the system killed a rank, since the cgroup of this job or container has a limit" in said[0]
    assert run("run", study, "-n", "2").returncode == 0


@pytest.mark.parametrize("once", [False, True], ids=["all", "one"])
def test_a_rank_that_is_refused_memory_ends_all(small, once):
    """Of two ranks the second, at moments from before the networks are read to the last stage: the other one is not left waiting,
    and what is done is kept. `make campaign` takes any rank and any moment."""
    shim = preloaded("failing_memory", small)

    def go(**variables):
        more = {"LD_PRELOAD": str(shim), "MEMORY_RANK": "1", **{name: str(value) for name, value in variables.items()}}
        return subprocess.run([FACET, "run", small / "study.yaml", "-n", "2"], env=environment() | more, capture_output=True, text=True,
                              timeout=PATIENCE)

    assert go(MEMORY_COUNT=small / "count").returncode == 0
    calls, whole = int((small / "count").read_text()), checksum(small / "out/study.h5")
    ended = 0
    for part in (0.01, 0.3, 0.6):
        shutil.rmtree(small / "out", ignore_errors=True)
        done = go(MEMORY_CALL=int(part * calls), **({"MEMORY_ONCE": 1} if once else {}))
        said = own_lines(done)
        if once and done.returncode == 0:  # it was for words that need not be said
            assert checksum(small / "out/study.h5") == whole, part
            continue
        assert done.returncode == 71 and len(said) == 1 and "out of memory" in said[0] and " 0.0 MiB" not in said[0], (part, done.stderr)
        ended += 1
    assert ended > 0
    assert run("run", small / "study.yaml", "-n", "2").returncode == 0
    assert checksum(small / "out/study.h5") == whole
