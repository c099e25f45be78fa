"""Trainings killed with SIGKILL half-way go on from their checkpoint, to the same bits: every method that prunes while
it trains, alone on two ranks, and several at once in groups of ranks."""

import os
import pathlib
import re
import shutil
import signal
import struct

import pytest

from conftest import FACET, MPIRUN, STUDY, checksum, make_digits, run, wait_for, wait_for_lock

METHODS = ["gmp", "lth", "lrr", "edge_popup", "biprop"]
EPOCHS, BATCH, SAMPLES = 30, 32, 600
STEPS = EPOCHS * (SAMPLES // BATCH)


def write_study(folder, methods):
    make_digits(folder, train=SAMPLES)
    head = STUDY.split("variants:")[0].replace("conv: [4, 8]", "conv: [8, 16]").replace("epochs: 2", "epochs: 1")
    rewind = "rewind: 3, " if {"lth", "lrr"} & set(methods) else ""  # which others do not take
    recipe = f"{{method: [{', '.join(methods)}], sparsity: 0.7, {rewind}budget: {{epochs: {EPOCHS}, rate: 0.05}}}}"
    (folder / "study.yaml").write_text(f"{head}variants:\n- {recipe}\n")


def step_of(checkpoint):
    """The step that a checkpoint is of (0: there is none): what follows its title, version, two digests and steps."""
    try:
        state = checkpoint.read_bytes()[len("facet checkpoint 4\n") + 4 * 65 :]
    except FileNotFoundError:
        return 0
    return struct.unpack_from("<q", state)[0]


def descendants(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children] + [one for child in children for one in descendants(int(child))]


def kill_all(folder, process):
    """mpirun and its ranks at one blow: Open MPI gives each a process group of its own."""
    groups = {os.getpgid(pid) for pid in (process.pid, *descendants(process.pid))}
    assert os.getpgid(0) not in groups and len(groups) > 1
    for group in groups:
        os.killpg(group, signal.SIGKILL)
    process.communicate()
    wait_for_lock(folder / "out")


def kill_half_way(folder, held, checkpoints):
    """Starts the study on two ranks and kills it when those trainings are a third through; returns their steps. Each is held
    where the checkpoint of its tenth epoch is there."""
    process, _ = held("-global-0.7.checkpoint", *MPIRUN, "-n", "2", FACET, time=EPOCHS // 3, rank="all", start_new_session=True)
    wait_for(lambda: all(step_of(checkpoint) >= STEPS // 3 for checkpoint in checkpoints), process)
    kill_all(folder, process)
    return [step_of(checkpoint) for checkpoint in checkpoints]


@pytest.mark.parametrize("methods", [[method] for method in METHODS] + [METHODS], ids="-".join)
def test_goes_on_to_the_same_bits(tmp_path, held, methods):
    write_study(tmp_path, methods)
    done = run("run", tmp_path / "study.yaml")
    assert done.returncode == 0 and "goes on" not in done.stderr, done.stderr
    whole = checksum(tmp_path / "out/study.h5")
    shutil.rmtree(tmp_path / "out")

    names = [f"{method}-global-0.7" for method in methods[:2]]  # two ranks: two trainings side by side
    steps = kill_half_way(tmp_path, held, [tmp_path / f"out/variants/{name}.checkpoint" for name in names])
    assert all(STEPS // 3 <= step < STEPS for step in steps) and not (tmp_path / "out/study.h5").exists()

    done = run("run", tmp_path / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    taken_up = re.findall(r"train (\S+): goes on from (\d+) of (\d+) samples", done.stderr)
    assert sorted(taken_up) == sorted((n, str(s * BATCH), str(STEPS * BATCH)) for n, s in zip(names, steps))
    assert checksum(tmp_path / "out/study.h5") == whole
    assert not list((tmp_path / "out/variants").glob("*.checkpoint*"))
