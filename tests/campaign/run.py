"""Seeded faults: a tiny study that uses every stage is disturbed, started again, and has to end with the checksum of a
run that nobody disturbed, leaving nothing behind.

SEED=n   which faults (default 1);  COUNT=n   how many tries (default 300);  TRY=n   that try alone, as SEED has it
LONGEST=n   seconds that a run may take (default 300): more, where the machine has much else to do

A try is one to three disturbed runs, each by its own kind of fault, in its own stage, on its own number of ranks, and
then one undisturbed run. A try survives if every disturbed run ends in time with a status that its fault allows, and
the last one with the checksum. What did not survive is kept, with what it said, and how to repeat it is printed."""

import collections
import ctypes
import errno
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/study"))
from conftest import FACET, MPIRUN, STUDY as SMALL, environment, flip, make_digits, places  # noqa: E402

STUDY = SMALL.split("variants:")[0] + """\
variants:
  - {method: magnitude, sparsity: 0.5, retrain: {epochs: 2}}
  - {method: gmp, sparsity: 0.7, budget: {epochs: 4}}
conditions: [clean, {corruption: gaussian_noise, severity: 5}]
linearize: {variants: all, samples: 70, rows: all}
change: {samples: 20}
aggregate: {spectrum: 4}
embed: {layers: [16], perplexity: 12, batch: 100, epochs: 4, explain: 20}
"""
LONGEST = int(os.environ.get("LONGEST") or 300)  # seconds: a run that takes longer hangs
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
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


# ---- faults: each a function of (dice, folder, a moment to wait for); returns (words, status, allowed, lines) ----

def moments(lines):
    """[(line that a run says, seconds to the next)]: stages come alike often, however short they are."""
    times = [(0, "")] + [(at, text.split(":")[0]) for at, text in lines if re.match(r"[a-z][^:]*: .* in \d", text)]
    return [(text, max(0.01, after - at)) for (at, text), (after, _) in zip(times, times[1:])]


def wait_for(run, moment, dice):
    text, seconds = moment
    while text and run.process.poll() is None and not any(line.startswith(text + ":") for _, line in list(run.lines)):
        time.sleep(0.005)
    time.sleep(seconds * dice.random() if run.process.poll() is None else 0)


def signalled(number, whom, twice=False):
    def fault(dice, folder, moment):
        run = Run(folder / "study.yaml", dice.choice((1, 2, 2, 3)), dice.random() < 0.5)
        wait_for(run, moment, dice)
        ranks = run.ranks() or [run.process.pid]
        targets = {"launcher": [run.process.pid], "all": ranks, "rank": dice.sample(ranks, 1) if ranks else []}[whom]
        for pid in targets + (dice.sample(ranks, 1) if twice and ranks else []):
            send(pid, number)
        if number == signal.SIGKILL or not moment[0] or (whom == "launcher" and not run.launcher) or ranks == [run.process.pid]:
            allowed = None  # dead is dead; nobody may listen yet; and mpirun has its own ways with signals
        else:
            allowed = {0, 75}
        return f"{number.name} to {whom}{' and a rank' if twice else ''}", run.end(), allowed, run.lines
    return fault


def limited(what, least, most, allowed, ranks):
    def fault(dice, folder, _):
        limit = f"--{what}={int(least * (most / least) ** dice.random())}"
        run = Run(folder / "study.yaml", dice.choice(ranks), False, limit)
        return limit, run.end(), allowed, run.lines
    return fault


def failing_disk(dice, folder, _):
    call, problem, once = int(400 ** dice.random()), dice.choice(DISK_ERRORS), dice.random() < 0.3
    env = {"LD_PRELOAD": str(DISK), "DISK_FOLDER": str(folder / "out"), "DISK_CALL": str(call), "DISK_ERROR": str(problem)}
    run = Run(folder / "study.yaml", dice.choice((1, 2)), True, None, {**env, **({"DISK_ONCE": "1"} if once else {})})
    return f"error {problem} of call {call}{' alone' if once else ''}", run.end(), {0, 73, 74}, run.lines


def two_at_once(dice, folder, moment):
    first = Run(folder / "study.yaml", dice.choice((1, 2)), True)
    wait_for(first, moment, dice)
    late = first.process.poll() is not None
    second = Run(folder / "study.yaml", dice.choice((1, 2)), True)
    statuses = second_end(second), first.end()
    fine = sorted(str(s) for s in statuses) in (["0", "73"], ["0", "0"]) and (statuses[0] == 73 or late or statuses[1] in (0, 73))
    return "two at once", statuses, {statuses} if fine else set(), first.lines + second.lines


def second_end(run):
    try:
        return run.process.wait(LONGEST)
    finally:
        run.reader.join()


def arrays(path):
    """[(file, first byte, bytes, name)] of the arrays of numbers in a store."""
    return [(path, first, size, name) for name, _, first, size in places(path)] if path.exists() else []


def whole(out, *patterns):
    paths = sorted(path for pattern in patterns for path in out.glob(pattern))
    return [(path, 0, path.stat().st_size, "") for path in paths if path.stat().st_size]


FLIPPED = {"array": lambda out: arrays(out / "study.h5"), "network": lambda out: whole(out, "variants/*.onnx", "embed/*.onnx"),
           "checkpoint": lambda out: whole(out, "*/*.checkpoint", "*/*.record")}


def flipped(dice, folder, moment):
    """A run is killed, a bit of what it left changed: the next one computes anew, or ends with 65; then the bit is as before."""
    run = Run(folder / "study.yaml", dice.choice((1, 2)), True)
    wait_for(run, moment, dice)
    for pid in (*run.ranks(), run.process.pid):
        send(pid, signal.SIGKILL)
    run.end()
    found = [(what, *one) for what in FLIPPED for one in FLIPPED[what](folder / "out")]
    if not found:
        return "nothing there to flip", 0, {0}, run.lines
    what = dice.choice(sorted({one[0] for one in found}))
    _, path, first, size, name = dice.choice([one for one in found if one[0] == what])
    at, bit = first + dice.randrange(size), dice.randrange(8)
    flip(path, at, bit)
    again = Run(folder / "study.yaml", dice.choice((1, 2)), True)
    status = again.end()
    if status != 0:
        flip(path, at, bit)
    return f"bit {bit} of byte {at} of {path.name} {name}".rstrip(), status, {0, 65}, run.lines + again.lines


KINDS = {
    **{f"kill {whom}": signalled(signal.SIGKILL, whom) for whom in ("rank", "all", "launcher")},
    **{f"{number.name} {whom}": signalled(number, whom) for number in STOPS for whom in ("rank", "all", "launcher")},
    "kill launcher and rank": signalled(signal.SIGKILL, "launcher", True),
    "memory": limited("as", 2e8, 2e9, {0, 71}, (1, 2)),
    "two at once": two_at_once,
    "failing disk": failing_disk,
    "flipped bit": flipped,
}
DISK = None
DISK_ERRORS = (errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT)
EVERYWHERE = {"memory", "failing disk"}  # they come where they come, not after a moment


def checksum(folder):
    done = subprocess.run([str(FACET), "checksum", str(folder / "out/study.h5")], env=environment(), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.strip()


def files(folder):
    return {str(one.relative_to(folder)) for one in folder.rglob("*")}


def attempt(dice, folder, where, wanted):
    """[(what happened)], what is wrong, or None, and the stages behind which it happened."""
    said, wrong, met = [], None, set()
    for kind in dice.sample(sorted(KINDS), dice.choice((1, 1, 2, 3))):
        moment = dice.choice(where)
        words, status, allowed, lines = KINDS[kind](dice, folder, moment)
        when = "" if kind in EVERYWHERE else f" after {moment[0] or 'the start'}"
        met |= {moment[0]} if when else set()
        said.append((kind, f"{words}{when}: {status}", lines))
        if status is None or status == "left running" or (allowed is not None and status not in allowed):
            wrong = wrong or f"{kind}: status {status}"
    run = Run(folder / "study.yaml", dice.choice((1, 2, 3)), True)
    status = run.end()
    said.append(("last", f"undisturbed: {status}", run.lines))
    if wrong is None and status != 0:
        wrong = f"undisturbed: status {status}"
    if wrong is None and checksum(folder) != wanted:
        wrong = f"checksum {checksum(folder)}, not {wanted}"
    left = sorted(files(folder) - files(folder.parent / "whole"))
    return said, wrong or (f"left behind: {', '.join(left)}" if left else None), met


def fresh(folder):
    folder.mkdir(parents=True)
    make_digits(folder)
    (folder / "study.yaml").write_text(STUDY)
    return folder


def main():
    seed, count, only = (int(os.environ.get(name) or value) for name, value in (("SEED", 1), ("COUNT", 300), ("TRY", -1)))
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # orphans come to us, so that none is missed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("campaign: stopped"))
    here = pathlib.Path(tempfile.mkdtemp(prefix="facet-campaign-"))
    (here / "tmp").mkdir()  # all that MPI, too, puts anywhere while it runs, and may leave when it is killed
    os.environ.update({"TMPDIR": str(here / "tmp"), "OMPI_MCA_orte_tmpdir_base": str(here / "tmp"),
                       "OMPI_MCA_btl_vader_backing_directory": str(here / "tmp")})
    try:
        return attempts(here, seed, count, only)
    finally:
        for pid in kin(os.getpid()):
            send(pid, signal.SIGKILL)
        kept = {path.parent for path in here.glob("try-*/said")}  # what did not survive, and nothing else
        for path in set(here.iterdir()) - kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not kept:
            here.rmdir()


def attempts(here, seed, count, only):
    """Exit status: 1 if something did not survive."""
    global DISK
    source, DISK = ROOT / "tests/study/failing_disk.c", here / "failing_disk.so"
    if not source.exists():
        del KINDS["failing disk"]
    else:
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-w", "-D_GNU_SOURCE", source, "-o", DISK, "-ldl"], check=True)
    run = Run(fresh(here / "whole") / "study.yaml", 2, True)
    if run.end() != 0:
        sys.exit("\n".join(["campaign: the study itself fails", *(line for _, line in run.lines)]))
    wanted, where = checksum(here / "whole"), moments(run.lines)
    print(f"seed {seed}: {wanted}; {run.lines[-1][0]:.1f} s undisturbed; faults after {len(where)} moments", flush=True)
    survived, tried, kinds, met = 0, 0, collections.Counter(), set()
    for number in range(count) if only < 0 else [only]:
        folder = fresh(here / f"try-{number}")
        said, wrong, moments_met = attempt(random.Random(f"{seed}/{number}"), folder, where, wanted)
        tried += 1
        met |= moments_met
        kinds.update(kind for kind, _, _ in said[:-1])
        if wrong is None:
            survived += 1
            shutil.rmtree(folder)
            continue
        (folder / "said").write_text("".join(f"--- {words}\n" + "".join(f"{at:8.3f} {line}\n" for at, line in lines)
                                             for _, words, lines in said))
        print(f"try {number}: {wrong}\n  {'; '.join(words for _, words, _ in said)}\n"
              f"  what it said: {folder}/said; again: make campaign SEED={seed} TRY={number}", flush=True)
    print(", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items())))
    print(f"survived {survived} of {tried}, with {kinds.total()} faults after {len(met)} of {len(where)} moments")
    return survived != tried


if __name__ == "__main__":
    sys.exit(main())
