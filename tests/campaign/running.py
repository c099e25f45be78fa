"""facet at work, for a campaign: its ranks, what it says and when, and its end, after which nothing of it is left."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/study"))
from conftest import FACET, MPIRUN, environment  # noqa: E402

LONGEST = int(os.environ.get("LONGEST") or 300)  # seconds: a run that takes longer hangs
PR_SET_CHILD_SUBREAPER = 36


def kin(pid):
    """The processes below this one."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in children] + [one for child in children for one in kin(child)]


def is_rank(pid):
    try:
        words = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        runs = pathlib.Path(f"/proc/{pid}/exe").resolve() == FACET.resolve()
    except OSError:
        return False
    return runs and any(word.startswith(b"OMPI_COMM_WORLD_RANK=") for word in words)


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Run:
    """facet at work. lines: what it said, when (seconds since the start)."""

    def __init__(self, study, ranks, launcher, limit=None, env=()):
        """launcher: by facet run -n, else by mpirun. limit: an option of prlimit for every rank; 1 rank has no mpirun."""
        program = [*(["prlimit", limit] if limit else []), FACET, "run", study]
        command = [*program, "-n", ranks] if launcher else [*MPIRUN, "-n", ranks, *program] if ranks > 1 else program
        self.begun, self.lines, self.launcher = time.monotonic(), [], launcher
        self.process = subprocess.Popen(
            [str(word) for word in command], env={**environment(), "OMPI_MCA_mpi_yield_when_idle": "1", **dict(env)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append((time.monotonic() - self.begun, line.rstrip()))

    def ranks(self):
        return [pid for pid in kin(self.process.pid) if is_rank(pid)]

    def end(self):
        """The status; None if it hung. Nothing of it is left afterwards."""
        try:
            status = self.process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            status = None
            for pid in (*kin(self.process.pid), self.process.pid):
                send(pid, signal.SIGKILL)
            self.process.wait()
        end = time.monotonic() + 20  # ranks whose launcher was killed end by themselves
        while (orphans := kin(os.getpid())) and time.monotonic() < end:
            reap(orphans)
            time.sleep(0.02)
        for pid in kin(os.getpid()):
            send(pid, signal.SIGKILL)
        reap(kin(os.getpid()))
        self.reader.join()
        return "left running" if orphans and status is not None else status


def reap(pids):
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass


def moments(lines):
    """[(line that a run says, seconds to the next)]: stages come alike often, however short they are."""
    times = [(0, "")] + [(at, text.split(":")[0]) for at, text in lines if re.match(r"[a-z][^:]*: .* in \d", text)]
    return [(text, max(0.01, after - at)) for (at, text), (after, _) in zip(times, times[1:])]


def wait_for(run, moment, dice):
    text, seconds = moment
    while text and run.process.poll() is None and not any(line.startswith(text + ":") for _, line in list(run.lines)):
        time.sleep(0.005)
    time.sleep(seconds * dice.random() if run.process.poll() is None else 0)
