"""`facet run -n RANKS` starts its ranks itself: what they say arrives, signals and statuses are passed on."""

import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess

import pytest
from conftest import FACET, FOUND, MPIRUN, PATIENCE, STUDY, checksum, environment, own_lines, preloaded, run, wait_for_lock

LAUNCHES = int(os.environ.get("FACET_LAUNCHES", "10"))  # a hundred take a minute (make test-launches)
TIMES = max(1, LAUNCHES // 10)  # of each signal


def test_same_bits_as_mpirun(small):
    done = run("run", "-n", 3, small / "study.yaml")
    assert done.returncode == 0, done.stderr
    assert "in " in done.stderr and "3 ranks" in done.stderr and "\036" not in done.stderr
    mine = checksum(small / "out/study.h5")
    shutil.rmtree(small / "out")
    assert subprocess.run([*MPIRUN, "-n", "2", FACET, "run", small / "study.yaml"], env=environment()).returncode == 0
    assert checksum(small / "out/study.h5") == mine


def test_a_rank_alone_starts_no_daemon(small, tmp_path_factory):
    """Whose folder would lie beside the program's own; nothing is left there, not even by one that was killed, and who has
    told Open MPI to make no folders is heard."""
    if not re.search("Open MPI v?4", run("--version").stdout):
        pytest.skip("another MPI, which starts none")
    folder = tmp_path_factory.mktemp("tmp")
    own = folder / f"ompi.facet.{socket.gethostname()}.{os.geteuid()}"
    own.mkdir(mode=0o700)
    killed = own / "1/1/0"  # as of a process that lived once
    killed.mkdir(parents=True)
    (killed / "study.h5.sm").write_bytes(b"x")
    told = {**environment(), "TMPDIR": str(folder)}
    done = subprocess.run([FACET, "run", small / "study.yaml"], env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(folder.rglob("*")) == [own]
    done = subprocess.run([FACET, "check", small / "study.yaml"], env={**told, "OMPI_MCA_orte_no_session_dirs": "/home"},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_message_arrives(small):
    (small / "study.yaml").write_text(STUDY.replace("seed: 3", "sede: 3"))
    for _ in range(LAUNCHES):
        done = run("run", small / "study.yaml", "-n", 2)
        assert done.returncode == 65, done.stderr
        assert len(own_lines(done)) == 1 and "study.yaml:2" in own_lines(done)[0] and "did you mean 'seed'?" in own_lines(done)[0]
        assert "mpirun" not in done.stderr and "prterun" not in done.stderr


def test_no_word_goes_through_mpirun(small):
    """Which may lose some: Open MPI 5's does on a busy machine."""
    done = subprocess.run([FACET, "run", "-n", "2", small / "study.yaml"], capture_output=True, text=True, timeout=PATIENCE,
                          env=environment() | {"LD_PRELOAD": str(preloaded("deaf_mpirun", small))})
    assert done.returncode == 0 and done.stderr.splitlines()[-1].startswith("findings: "), done.stderr


@pytest.mark.parametrize("asks", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_stop_it_where_it_can_go_on(small, held, asks):
    for _ in range(TIMES):
        shutil.rmtree(small / "out", ignore_errors=True)
        running, _ = held("dense.checkpoint", FACET, start_new_session=True)
        os.killpg(running.pid, asks)  # as the keyboard does: the launcher's whole group
        said = running.communicate(timeout=PATIENCE)[1]
        assert running.returncode == 75, said
        assert re.search("facet: interrupted.*; run the same command again to go on", said), said
    assert run("run", "-n", 2, small / "study.yaml").returncode == 0


def test_killed_ranks_are_no_success(small, held):
    for _ in range(TIMES):
        shutil.rmtree(small / "out", ignore_errors=True)
        running, _ = held("dense.checkpoint", FACET)
        ranks = subprocess.run(["pgrep", "-f", f"run --ranked 0 {small}"], capture_output=True, text=True).stdout.split()
        os.kill(int(ranks[-1]), signal.SIGKILL)
        said = running.communicate(timeout=PATIENCE)[1]
        assert running.returncode == 70 and "ranks ended without a word" in said, said
        wait_for_lock(small / "out")


def test_the_terminal_keeps_its_bar(small):
    master, slave = pty.openpty()
    running = subprocess.Popen([FACET, "run", small / "study.yaml", "-n", "2"], env=environment(), stderr=slave)
    os.close(slave)
    seen = b""
    while running.poll() is None or select.select([master], [], [], 0)[0]:
        if select.select([master], [], [], 0.05)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:
                break
    os.close(master)
    assert running.wait() == 0
    assert b"\r\x1b[K" in seen and b"\x1e" not in seen


def test_usage(small, tmp_path):
    study = small / "study.yaml"
    for arguments, words in [(["-n", "0", study], "'0' is no whole number from 1 to 1048575"), (["-n", "two", study], "'two' is no whole number"), (["-n"], "''"),
                             (["--frehs", study], "did you mean '--fresh'?")]:
        done = run("run", *arguments)
        assert done.returncode == 64 and len(own_lines(done)) == 1 and words in done.stderr, done.stderr
    done = run("rum", study)
    assert done.returncode == 64 and "did you mean 'run'?" in done.stderr
    done = run("pack", study)
    assert done.returncode == 64 and "`facet repack STUDY.h5`" in done.stderr and "`python3 -m facet pack`" in done.stderr
    done = subprocess.run([*MPIRUN, "-n", "2", FACET, "run", "-n", "2", study], env=environment(), capture_output=True, text=True)
    assert done.returncode == 64 and "started already" in done.stderr
    lonely = subprocess.run([FACET, "run", "-n", "2", study], env={**environment(), "PATH": str(tmp_path)}, capture_output=True, text=True)
    assert lonely.returncode == 66 and own_lines(lonely) == ["facet: mpirun: No such file or directory"]


def test_help_of_a_command():
    done = run("run", "--help")
    assert done.returncode == 0 and re.search(r"facet run STUDY.yaml \[-n RANKS\]", done.stdout) and "75 interrupted" in done.stdout
    assert "checksum" not in done.stdout


@pytest.mark.parametrize("size, rank", [("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"), ("PMI_SIZE", "PMI_RANK")])
def test_ranks_of_another_mpi_are_refused(small, monkeypatch, size, rank):
    """Under the launcher of another MPI every process is alone, and all would write the same files."""
    monkeypatch.setenv(size, "4")
    for me in ("0", "3"):
        monkeypatch.setenv(rank, me)
        done = run("run", small / "study.yaml")
        assert done.returncode == 64 and not (small / "out").exists()
        said = [line for line in done.stderr.splitlines() if "facet: the launcher started 4 processes, but each is alone" in line]
        assert len(said) == (me == "0") == len(own_lines(done))  # one of them speaks
    monkeypatch.setenv(size, "1")
    assert run("check", small / "study.yaml").returncode == 0
    monkeypatch.setenv("PMI_SIZE" if size.startswith("OMPI") else "OMPI_COMM_WORLD_SIZE", "4")  # and 1 of a launcher further out
    done = run("run", small / "study.yaml")
    assert done.returncode == 64 and "4 processes, but each is alone" in done.stderr


@pytest.mark.skipif(FOUND["MPI"] != "openmpi", reason="MPICH itself goes by PMI_SIZE")
@pytest.mark.parametrize("said, refused", [
    ({"OMPI_COMM_WORLD_SIZE": "4"}, "the launcher started 4 processes, but MPI sees 2"), ({"PMI_SIZE": "4"}, ""),
    ({"PMI_SIZE": "1"}, ""), ({"OMPI_COMM_WORLD_SIZE": "1"}, "")])
def test_fewer_ranks_than_were_started_are_refused(small, said, refused):
    """Where no launcher's word is what MPI has: several lots of ranks would write the same files."""
    words = [f"{name}={value}" for name, value in said.items()]
    done = subprocess.run([*MPIRUN, "-n", "2", "env", *words, FACET, "check", small / "study.yaml"], env=environment(),
                          capture_output=True, text=True)
    assert (done.returncode, len(own_lines(done))) == ((64, 1) if refused else (0, 0)) and refused in done.stderr, done.stderr


def test_the_last_words_come_before_the_end(small):
    """mpirun kills all others as soon as one rank has ended with a status: here the one that speaks ends last, if at all."""
    (small / "study.yaml").write_text(STUDY.replace("seed: 3", "sede: 3"))
    done = subprocess.run([*MPIRUN, "-n", "2", FACET, "run", small / "study.yaml"], capture_output=True, text=True, timeout=PATIENCE,
                          env=environment() | {"LD_PRELOAD": str(preloaded("never_ends", small))})
    assert done.returncode == 65 and len(own_lines(done)) == 1 and "did you mean 'seed'?" in done.stderr, done.stderr
