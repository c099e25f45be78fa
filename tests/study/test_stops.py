"""Stops on request: a signal to the launcher or to any one rank, in whatever stage, leaves what the next run goes on from."""

import gzip
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess

import numpy as np
import pytest

from conftest import FACET, MPIRUN, PATIENCE, STUDY, checksum, make_digits, marked, run, wait_for, wait_for_lock

LATE = """\
change: {samples: 40}
aggregate: {spectrum: 6}
embed: {layers: [24, 16], perplexity: 12, batch: 100, epochs: 40, explain: 30}
"""


def ranks_of(process):
    """The processes that run the study, as they are started: their numbers by rank."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = dict(word.split("=", 1) for word in (entry / "environ").read_text().split("\0") if "=" in word)
            if (entry / "comm").read_text().strip() == "facet" and "OMPI_COMM_WORLD_RANK" in words:
                if process.pid in ancestors(int(entry.name)):
                    found[int(words["OMPI_COMM_WORLD_RANK"])] = int(entry.name)
        except (OSError, UnicodeDecodeError):
            pass
    return found


def ancestors(pid):
    while pid > 1:
        pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        yield pid


def stopped(process):
    said = process.communicate(timeout=PATIENCE)[1]
    words = [line for line in said.splitlines() if line.startswith("facet: interrupted")]
    assert process.returncode == 75 and len(words) == 1 and "run the same command again to go on" in words[0], said
    return said


def spent(process):
    """Processor time of a run so far, in seconds: of the process, and of all below it."""
    ticks = 0
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if process.pid in (int(entry.name), *ancestors(int(entry.name))):
                ticks += sum(map(int, (entry / "stat").read_text().rpartition(")")[2].split()[11:15]))
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


def spent_by_ended():
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def told(folder):
    """What is done, as facet progress says it."""
    where, _, done = run("progress", folder / "study.yaml").stdout.partition(": ")
    assert where == str(folder / "out")
    return done


@pytest.mark.parametrize("asked", [0, 1, None], ids=["rank 0", "rank 1", "launcher"])
def test_inside_an_epoch(tmp_path, held, asked):
    """Asked before two trainings side by side, of one epoch each: both stop after a step, and go on from it."""
    make_digits(tmp_path)
    text = STUDY.split("variants:")[0].replace("conv: [4, 8]", "conv: [16, 24]").replace("epochs: 2", "epochs: 1")
    more = "variants:\n- {method: [gmp, finetune], sparsity: 0.7, budget: {epochs: 1, batch: 1, rate: 0.001}}\n"
    (tmp_path / "study.yaml").write_text(text + more)
    assert run("run", tmp_path / "study.yaml").returncode == 0
    whole = checksum(tmp_path / "out/study.h5")
    shutil.rmtree(tmp_path / "out")
    before = spent_by_ended()
    process, mark = held("out/variants/dense.onnx", FACET)
    until = spent(process)
    os.kill(process.pid if asked is None else ranks_of(process)[asked], signal.SIGUSR1)
    if asked == 1:
        mark.unlink()
    stopped(process)
    assert spent_by_ended() - before - until < 10  # seconds of the processor: those of a clock are other programs', too
    assert len(list((tmp_path / "out/variants").glob("*.checkpoint"))) == 2
    left = re.search(r"1 networks, 1 records of networks, (\d+) steps of unfinished trainings, 0 of 0 parts", told(tmp_path))
    done = run("run", tmp_path / "study.yaml", ranks=3)
    steps = [int(step) for step in re.findall(r"goes on from (\d+) of 600 samples", done.stderr)]
    assert done.returncode == 0 and len(steps) == 2 and all(0 < step < 600 for step in steps), done.stderr
    assert int(left[1]) == sum(steps)
    assert re.match(r"3 networks, 3 records of networks, 0 steps of unfinished trainings, (\d+) of \1 parts, 0 rows", told(tmp_path))
    assert checksum(tmp_path / "out/study.h5") == whole
    assert not list((tmp_path / "out").rglob("*.checkpoint*"))


def test_while_the_digests_of_the_data_are_taken(small, held, monkeypatch):
    monkeypatch.setenv("FACET_SILENCE", "0")
    process, mark = held("facet: taking the digests of the data ...", FACET)
    os.kill(ranks_of(process)[0], signal.SIGUSR1)
    mark.unlink()  # mpirun, which passes the line on, waits, too
    assert "facet: making or reading the networks ..." not in stopped(process)


def test_before_there_are_ranks(small, held):
    """Before MPI begins: heard, and said as ever."""
    process, _ = held("MPI_Init", FACET, ranks=1)
    process.send_signal(signal.SIGTERM)
    stopped(process)
    assert not (small / "out").exists()


def test_while_data_are_decoded(small, held, monkeypatch):
    monkeypatch.setenv("FACET_SILENCE", "0")
    images = small / "train-images"
    (small / "train-images.gz").write_bytes(gzip.compress(images.read_bytes()))
    (small / "study.yaml").write_text(STUDY.replace("images: train-images", "images: train-images.gz"))
    process, _ = held("facet: reading the data ...", FACET, ranks=1)
    process.send_signal(signal.SIGINT)
    assert "facet: taking the digests" not in stopped(process)
    assert not (small / "out").exists()


def test_again_and_again(tmp_path, held):
    """Stopped by one signal after the other, from before the first tile to the last stages."""
    make_digits(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY + LATE)
    assert run("run", tmp_path / "study.yaml").returncode == 0
    store = tmp_path / "out/study.h5"
    whole, marks = checksum(store), [marked(store)]
    shutil.rmtree(tmp_path / "out")
    for asked, where, writes in ((signal.SIGTERM, "out/study.h5", None), (signal.SIGINT, "out/study.h5", 40),
                                 (signal.SIGUSR1, "out/embed", None), (signal.SIGTERM, "embed/encoder.record", None)):
        process, _ = held(where, FACET, writes=writes)
        process.send_signal(asked)
        stopped(process)
        marks.insert(-1, marked(store))
    assert marks == sorted(set(marks)), marks
    assert run("run", "-n", "2", tmp_path / "study.yaml").returncode == 0 and checksum(store) == whole


def test_inside_the_encoder(tmp_path, held, monkeypatch):
    """Asked before the features of its samples are taken, before its first step, and when it is trained, one after the other."""
    make_digits(tmp_path, train=2000)
    late = LATE.replace("epochs: 40", "epochs: 2").replace("batch: 100", "batch: 40").replace("[24, 16]", "[600, 600]")
    (tmp_path / "study.yaml").write_text(STUDY.split("variants:")[0] + late.split("\n", 2)[2])
    assert run("run", "-n", "2", tmp_path / "study.yaml").returncode == 0
    whole = checksum(tmp_path / "out/study.h5")
    shutil.rmtree(tmp_path / "out")
    checkpoint = tmp_path / "out/embed/encoder.checkpoint"

    def done():
        """Epochs, and steps of the next."""
        return np.fromfile(checkpoint, offset=len("facet checkpoint 4\n") + 4 * 65, count=2)

    process, mark = held("out/embed", FACET)
    os.kill(ranks_of(process)[1], signal.SIGUSR1)
    mark.unlink()
    stopped(process)
    assert not checkpoint.exists()
    monkeypatch.setenv("FACET_SILENCE", "0")
    process, mark = held("facet: encoder ...", FACET, time=2)  # the stage, and its steps
    os.kill(ranks_of(process)[1], signal.SIGUSR1)
    mark.unlink()
    stopped(process)
    assert done()[0] < 2 and 0 < done()[1] < 50, done()
    process, mark = held("encoder.checkpoint", FACET)
    os.kill(ranks_of(process)[1], signal.SIGUSR1)
    mark.unlink()
    stopped(process)
    assert list(done()) == [2, 0] and not checkpoint.with_name("encoder.onnx").exists()
    assert run("run", "-n", "2", tmp_path / "study.yaml").returncode == 0
    assert checksum(tmp_path / "out/study.h5") == whole


def test_bare_mpirun(tmp_path, held):
    """SIGUSR1, which mpirun passes on: as ever. By SIGTERM and SIGINT it ends itself, with 1, and kills its ranks a second
    later: rank 0 has said how to go on by then (Open MPI 5 passes nothing on any more), and what is done is kept."""
    version = re.search(r"\d+", subprocess.run([MPIRUN[0], "--version"], capture_output=True, text=True).stdout)[0]
    make_digits(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY)
    store = tmp_path / "out/study.h5"
    assert run("run", tmp_path / "study.yaml").returncode == 0
    whole = checksum(store)
    for asked, status in ((signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGUSR1, 75)):
        for _ in range(3):  # again on a machine so busy that no rank comes to speak within that second
            shutil.rmtree(tmp_path / "out")
            process, _ = held("out/variants", *MPIRUN, "--bind-to", "none", "-n", "2", FACET)
            process.send_signal(asked)
            said = process.communicate(timeout=PATIENCE)[1]
            wait_for_lock(tmp_path / "out")
            words = [line for line in said.splitlines() if "run the same command again to go on" in line]
            if words or int(version) >= 5:
                break
        assert (words or int(version) >= 5 and status == 1) and process.returncode == status, said
        assert run("run", "-n", "2", tmp_path / "study.yaml").returncode == 0
        assert checksum(store) == whole


def test_who_waits_for_a_rank_that_hangs_says_so(small, held, monkeypatch):
    """In a training of its own, while rank 0 has done with its own ones; and goes on with it."""
    monkeypatch.setenv("FACET_SILENCE", "0.01")
    with open(small / "said", "w+") as said:
        process, mark = held("variants/magnitude-global-0.9.record", *MPIRUN, "-n", "2", FACET, rank=1, stdout=said, stderr=said)
        before = len((small / "said").read_text())
        wait_for(lambda: ": waiting for other ranks\n" in (small / "said").read_text()[before:], process)
        mark.unlink()
        assert process.wait(timeout=PATIENCE) == 0
