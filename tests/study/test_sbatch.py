"""facet.sbatch without Slurm: a job that is interrupted goes back into the queue, but not for ever if nothing moves."""

import os
import subprocess

import pytest

from conftest import ROOT


@pytest.mark.parametrize("moves", [False, True])
def test_no_more_than_three_restarts_without_progress(tmp_path, moves):
    work = tmp_path / "a study"
    (work / "out").mkdir(parents=True)
    (work / "my.yaml").write_text("study: x\noutput: 'out'  # here\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("scontrol", f'[ $1 = show ] && echo JobState=RUNNING || echo "$@" >> "{tmp_path}/requeued"'),
                       ("facet", ""),
                       ("mpirun", f'echo x >> "{work}/out/{"study.h5" if moves else "facet.lock"}"\nexit 75')):
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    said = []
    for start in range(6):
        env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": str(start),
               "FACET": str(tools / "facet")}
        done = subprocess.run(["bash", ROOT / "jobs/facet.sbatch", work / "my.yaml"], env=env, capture_output=True, text=True)
        assert done.returncode == 75, done.stderr
        said.append(done.stderr)
        if "not put back" in done.stderr:
            break
    requeued = (tmp_path / "requeued").read_text().splitlines()
    assert set(requeued) == {"requeue 7"} and len(requeued) == (6 if moves else 3), said
    assert moves == bool(list(work.glob("my.yaml.restarts-*")))
