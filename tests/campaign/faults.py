"""The kinds of faults of a campaign. Each is a function of (dice, folder of a study, a moment to wait for) that disturbs a
run, and gives back (words, status, statuses that the fault allows or None for any, lines that were said). What it changes of
the study and its data is as before when it ends."""

import errno
import shutil
import signal
import subprocess
import time

from running import LONGEST, Run, send, wait_for  # which finds conftest, too

import h5py

from conftest import FACET, environment, flip, places, preloaded, read_idx, write_idx

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
STARTED = ("variants/*.checkpoint", "variants/*.record", "study.h5")  # what a run that began has left


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


def killed(dice, folder, moment):
    """What a run says that is killed at that moment."""
    run = Run(folder / "study.yaml", dice.choice((1, 2)), True)
    wait_for(run, moment, dice)
    for pid in (*run.ranks(), run.process.pid):
        send(pid, signal.SIGKILL)
    run.end()
    return run.lines


def stopped_for_a_while(dice, folder, moment):
    """A rank stands still, as on a node that hangs, and goes on: nobody gives up, and nothing is lost."""
    run = Run(folder / "study.yaml", dice.choice((2, 3)), True)
    wait_for(run, moment, dice)
    ranks = run.ranks()
    for pid in dice.sample(ranks, 1) if ranks else []:
        send(pid, signal.SIGSTOP)
        time.sleep(2 * dice.random())
        send(pid, signal.SIGCONT)
    return "a rank that stood still", run.end(), {0}, run.lines


def limited(what, least, most, allowed, ranks):
    def fault(dice, folder, _):
        limit = f"--{what}={int(least * (most / least) ** dice.random())}"
        run = Run(folder / "study.yaml", dice.choice(ranks), False, limit)
        return limit, run.end(), allowed, run.lines
    return fault


# ---- disk and memory ----

class Failing:
    """A library that lets calls fail (tests/study), and how many there are in a run of two ranks without failures."""

    def __init__(self, what):
        self.what, self.library, self.calls = what, None, 0

    def make(self, folder):
        self.library = preloaded(f"failing_{self.what}", folder)

    def variables(self, folder, **more):
        """For a run in that folder. more: what the library looks for, without what its names begin with."""
        prefix = self.what.upper()
        return {"LD_PRELOAD": str(self.library), **{f"{prefix}_{name}": str(value) for name, value in (more | {"FOLDER": folder / "out"}).items()}}


DISK, MEMORY = Failing("disk"), Failing("memory")
LIBRARIES = (DISK, MEMORY)
ERRORS = (errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT)


def counting(folder):
    """Variables for a run in that folder whose calls of each kind are counted (rank 0's), in files beside the folder."""
    both = [library.variables(folder, COUNT=folder.parent / library.what, RANK=0) for library in LIBRARIES]
    return {**both[0], **both[1], "LD_PRELOAD": ":".join(variables["LD_PRELOAD"] for variables in both)}


def failing(library, allowed, problems=()):
    """From one call on, or that one alone, of any rank: of a run's calls any, or, as often, one of its first."""
    def fault(dice, folder, _):
        call = dice.randint(1, library.calls) if dice.random() < 0.5 else int(library.calls ** dice.random())
        problem, once, ranks = {"ERROR": dice.choice(problems)} if problems else {}, dice.random() < 0.3, dice.choice((1, 2))
        rank = dice.randrange(ranks)
        variables = library.variables(folder, CALL=call, RANK=rank, **problem, **({"ONCE": 1} if once else {}))
        run = Run(folder / "study.yaml", ranks, True, None, variables)
        error = f"error {problem['ERROR']} of" if problem else "no memory at"
        return f"{error} call {call}{' alone' if once else ''} of rank {rank} of {ranks}", run.end(), allowed, run.lines
    return fault


def failing_reads(dice, folder, _):
    """As above, of the reads of the study, its data and its output; of a run that has fewer reads, none."""
    call, ranks, once = int(30000 ** dice.random()), dice.choice((1, 2)), dice.random() < 0.3
    rank = dice.randrange(ranks)
    variables = DISK.variables(folder, CALL=call, RANK=rank, ERROR=errno.EIO, READS=1, **({"ONCE": 1} if once else {}))
    run = Run(folder / "study.yaml", ranks, True, None, {**variables, "DISK_FOLDER": str(folder)})
    return f"read {call}{' alone' if once else ''} of rank {rank} of {ranks}", run.end(), {0, 74}, run.lines


def vanished(dice, folder, moment):
    """The folder is moved away under a run, and back afterwards."""
    run = Run(folder / "study.yaml", dice.choice((1, 2)), True)
    wait_for(run, moment, dice)
    if not (folder / "out").exists():
        return "no folder to move away", run.end(), {0}, run.lines
    (folder / "out").rename(folder / "away")
    over = run.process.poll() is not None
    status = run.end()
    if (folder / "out").exists():
        shutil.rmtree(folder / "out")
    (folder / "away").rename(folder / "out")
    return f"the folder moved away{' when all was over' if over else ''}", status, {0} if over else {0, 66, 73, 74}, run.lines


# ---- what is not as it was ----

def arrays(path):
    """[(file, first byte, bytes, name)] of the arrays of numbers in a store."""
    return [(path, first, size, name) for name, _, first, size in places(path)] if path.exists() else []


def whole(out, *patterns):
    paths = sorted(path for pattern in patterns for path in out.glob(pattern))
    return [(path, 0, path.stat().st_size, "") for path in paths if path.stat().st_size]


FLIPPED = {"array": lambda out: arrays(out / "study.h5"), "network": lambda out: whole(out, "variants/*.onnx", "embed/*.onnx"),
           "checkpoint": lambda out: whole(out, "*/*.checkpoint", "*/*.record")}


def run_on_flipped(dice, folder, path, first, size, name, lines):
    """A run after some bit of these bytes was changed, which is changed back where it ends with 65."""
    at, bit = first + dice.randrange(size), dice.randrange(8)
    flip(path, at, bit)
    again = Run(folder / "study.yaml", dice.choice((1, 2)), True)
    status = again.end()
    if status != 0:
        flip(path, at, bit)
    return f"bit {bit} of byte {at} of {path.name} {name}".rstrip(), status, {0, 65}, lines + again.lines


def flipped(dice, folder, moment):
    """A run is killed, a bit of what it left changed: the next one computes anew, or ends with 65; then the bit is as before."""
    lines = killed(dice, folder, moment)
    found = [(what, *one) for what in FLIPPED for one in FLIPPED[what](folder / "out")]
    if not found:
        return "nothing there to flip", 0, {0}, lines
    what = dice.choice(sorted({one[0] for one in found}))
    _, path, first, size, name = dice.choice([one for one in found if one[0] == what])
    return run_on_flipped(dice, folder, path, first, size, name, lines)


def chunks(path):
    """(array, first byte, bytes) of the chunks of a packed store."""
    found = []

    def note(name, item):
        if isinstance(item, h5py.Dataset) and item.chunks:
            infos = [item.id.get_chunk_info(i) for i in range(item.id.get_num_chunks())]
            found.extend((name, one.byte_offset, one.size) for one in infos)
    with h5py.File(path) as file:
        file.visititems(note)
    return found


def flipped_packed(dice, folder, _):
    """A finished file is packed, and a bit of a chunk changed: the next run computes what does not hold anew, or ends with 65 where
    it is of what the file was made with; then the bit is as before."""
    first, store = Run(folder / "study.yaml", dice.choice((1, 2)), True), folder / "out/study.h5"
    status = first.end()
    if status != 0 or subprocess.run([str(FACET), "repack", str(store)], env=environment(), capture_output=True).returncode != 0:
        return "a run and facet repack", status, set(), first.lines
    name, offset, size = dice.choice(chunks(store))
    return run_on_flipped(dice, folder, store, offset, size, f"{name}, packed", first.lines)


def begun(folder):
    return any(one for pattern in STARTED for one in (folder / "out").glob(pattern))


def exchanged(what):
    def fault(dice, folder, moment):
        """Two of them change places while nothing runs: refused; and then they are where they were."""
        lines = killed(dice, folder, moment)
        if not begun(folder):
            return "nothing begun to mix with", 0, {0}, lines
        stored = (folder / "out/study.h5").exists()  # before that nothing follows from test data, with which another study could be mixed
        path = folder / f"{dice.choice(('train', 'test') if stored else ('train',))}-{what}"
        before, items = path.read_bytes(), read_idx(path)
        a = dice.randrange(len(items))
        b = dice.choice([i for i in range(len(items)) if (items[i] != items[a]).any()])
        items[[a, b]] = items[[b, a]]
        write_idx(path, items)
        again = Run(folder / "study.yaml", dice.choice((1, 2)), True)
        status = again.end()
        path.write_bytes(before)
        return f"{what} {a} and {b} of {path.name} exchanged", status, {65}, lines + again.lines
    return fault


# A network that only the edition has stays, as the documents say, until somebody removes it.
OWN = "variants/magnitude-global-0.8.*"
EDITS = [("sparsity: 0.5", "sparsity: [0.5, 0.8]"), ("severity: 5", "severity: [1, 5]"), ("{spectrum: 4}", "{spectrum: 3}"), ("change: {samples: 20", "change: {samples: 24"),
         ("samples: 70", "samples: 50"), ("epochs: 4}}", "epochs: 3}}")]


def edited(dice, folder, moment):
    """A killed study is edited, its edition runs, for as long as it likes or is killed as well; then it is as before."""
    lines = killed(dice, folder, moment)
    before = (folder / "study.yaml").read_text()
    old, new = dice.choice([edit for edit in EDITS if edit[0] in before])
    (folder / "study.yaml").write_text(before.replace(old, new, 1))
    if dice.random() < 0.5:
        status, allowed, more = 0, {0}, killed(dice, folder, moment)
    else:
        again = Run(folder / "study.yaml", dice.choice((1, 2)), True)
        status, allowed, more = again.end(), {0}, again.lines
    (folder / "study.yaml").write_text(before)
    for path in (folder / "out").glob(OWN):
        path.unlink()
    return f"{old} became {new} and was taken back", status, allowed, lines + more


# ---- others ----

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


KINDS = {
    **{f"kill {whom}": signalled(signal.SIGKILL, whom) for whom in ("rank", "all", "launcher")},
    **{f"{number.name} {whom}": signalled(number, whom) for number in STOPS for whom in ("rank", "all", "launcher")},
    "kill launcher and rank": signalled(signal.SIGKILL, "launcher", True),
    "stopped rank": stopped_for_a_while,
    "memory": limited("as", 2e8, 2e9, {0, 71}, (1, 2)),
    "two at once": two_at_once,
    "failing disk": failing(DISK, {0, 73, 74}, ERRORS),
    "failing reads": failing_reads,
    "failing memory": failing(MEMORY, {0, 71}),
    "vanished folder": vanished,
    "flipped bit": flipped,
    "flipped bit of a packed file": flipped_packed,
    "exchanged labels": exchanged("labels"),
    "exchanged images": exchanged("images"),
    "edited study": edited,
}
EVERYWHERE = {"memory", "failing disk", "failing reads", "failing memory", "flipped bit of a packed file"}  # they come where they come, not after a moment


def checksum(folder):
    done = subprocess.run([str(FACET), "checksum", str(folder / "out/study.h5")], env=environment(), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.strip()
