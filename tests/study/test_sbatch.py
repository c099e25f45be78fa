"""facet.sbatch without Slurm: a job that is interrupted goes back into the queue, but not for ever if nothing moves."""

import os
import subprocess
import sys

import h5py
import pytest

from conftest import FACET, PATIENCE, ROOT, STUDY, environment


@pytest.fixture
def job(tmp_path):
    """job(mpirun): a study that leaves out its output, and what starts it as Slurm does, with a stub in place of mpirun."""
    work, tools = tmp_path / "a study", tmp_path / "bin"
    work.mkdir()
    tools.mkdir()
    (work / "my.yaml").write_text(STUDY.replace("study: small\n", "").replace("output: out\n", ""))

    def make(mpirun):
        stubs = {"scontrol": f'[ $1 = show ] && echo JobState=RUNNING || echo "$@" >> "{tmp_path}/requeued"', "mpirun": mpirun}
        for name, text in stubs.items():
            (tools / name).write_text(f"#!/bin/bash\n{text}\n")
            (tools / name).chmod(0o755)

        def start(number, **more):
            env = {**environment(), "PATH": f"{tools}:{os.environ['PATH']}", "SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": str(number),
                   "FACET": str(FACET)}
            return ["bash", ROOT / "jobs/facet.sbatch", work / "my.yaml"], env | more
        return start
    make.work = work
    return make


NOTHING = "echo x >> study.h5; touch variants/dense.onnx ../other/variants/x$RANDOM.onnx"  # written, and no further


@pytest.mark.parametrize("moves", [":", ": > variants/$SLURM_RESTART_COUNT.record",
                                   r"printf '\1' | dd of=study.h5 bs=1 seek=$(($(cat at) + SLURM_RESTART_COUNT)) conv=notrunc status=none"],
                         ids=["never", "a network", "a part"])
def test_no_more_than_three_restarts_without_progress(tmp_path, job, moves):
    out = tmp_path / "results" / "my"
    for folder in (out, tmp_path / "results" / "other"):
        (folder / "variants").mkdir(parents=True)
    (out / "variants/dense.onnx").touch()
    with h5py.File(out / "study.h5", "w") as h5:
        marks = h5.create_dataset("progress/analyse", data=[0] * 8, dtype="u1")
        h5["variant"] = ["dense"]
        at = marks.id.get_offset()
    (out / "at").write_text(str(at))
    start, said = job(f'cd "{out}"; {NOTHING}; {moves}; exit 75'), []
    for number in range(6):
        command, env = start(number)
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert done.returncode == 75, done.stderr
        said.append(done.stderr)
        if "not put back" in done.stderr:
            break
    requeued = (tmp_path / "requeued").read_text().splitlines()
    assert set(requeued) == {"requeue 7"} and len(requeued) == (3 if moves == ":" else 6), said
    assert (moves != ":") == bool(list(job.work.glob("my.yaml.restarts-*")))


def test_waiting_for_another_rank_is_no_progress(tmp_path, job):
    """Rank 0 says so every twenty seconds while another one hangs."""
    start = job("seconds=0; while sleep 0.1; do echo \"facet: analyse, $((seconds++)) s: waiting for other ranks\"; done")
    command, env = start(0, FACET_STALL="2")
    with open(tmp_path / "log", "a+") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
        assert process.wait(timeout=PATIENCE) > 0
        log.seek(0)
        assert "nothing moved for 2 s; back into the queue" in log.read()
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"


def test_a_cgroup_that_is_full(tmp_path, job, group):
    """The system kills a rank, and mpirun ends with a status of its own: more restarts would not help."""
    start = job(f"{sys.executable} -c 'bytes(range(256)) * (1 << 19)' || exit 137")
    command, env = start(0)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE,
                          preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid())))
    assert done.returncode == 71 and "facet.sbatch: out of memory: the system killed a rank" in done.stderr, done
    assert not (tmp_path / "requeued").exists()
    command, env = job("kill -KILL $$")(0)  # a rank that somebody else killed
    assert subprocess.run(command, env=env, capture_output=True).returncode == 137
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"
