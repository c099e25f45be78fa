"""Seeded faults: tiny studies that use every stage are disturbed, started again, and have to end with the checksum of a
run that nobody disturbed, leaving nothing behind.

SEED=n   which faults (default 1);  COUNT=n   how many faults, at least (default 300);  TRY=n   that try alone, as SEED has it
LONGEST=n   seconds that a run may take (default 300): more, where the machine has much else to do

A try is one to three disturbed runs, each by its own kind of fault (faults.py), in its own stage, on its own number of
ranks, and then one undisturbed run. It survives if every disturbed run ends in time with a status that its fault allows,
and the last one with the checksum, and with what the checksum leaves out but is promised to the bit. What did not survive is kept, with what it said, and how to repeat it is printed."""

import collections
import ctypes
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile

from running import PR_SET_CHILD_SUBREAPER, Run, kin, moments, send

from conftest import STUDY as SMALL, apart, make_digits
from faults import EVERYWHERE, KINDS, LIBRARIES, checksum, counting
from test_stages import MORE

VARIANTS = """\
variants:
  - {method: magnitude, sparsity: 0.5, retrain: {epochs: 2}}
  - {method: gmp, sparsity: 0.7, budget: {epochs: 4}}
conditions: [clean, {corruption: gaussian_noise, severity: 5}]
"""
WHOLE = SMALL.split("variants:")[0] + VARIANTS + "linearize: {variants: all, samples: 70, rows: all}\n" + MORE.replace("change: {samples: 30", "change: {samples: 20")
# What is kept of W differs.
STUDIES = {"all": WHOLE, "digest": WHOLE.replace("rows: all}", "rows: all, keep: digest}")}


def files(folder):
    return {str(one.relative_to(folder)) for one in folder.rglob("*")}


class Undisturbed:
    """A study's run that nobody disturbs: its checksum, the moments that it has, and its files."""

    def __init__(self, folder, study):
        run = Run(fresh(folder, study) / "study.yaml", 2, True, None, counting(folder))
        if run.end() != 0:
            sys.exit("\n".join(["campaign: the study itself fails", *(line for _, line in run.lines)]))
        self.apart = apart(folder / "out/study.h5")
        self.checksum, self.moments, self.files, self.seconds = checksum(folder), moments(run.lines), files(folder), run.lines[-1][0]


def fresh(folder, study):
    folder.mkdir(parents=True)
    make_digits(folder)
    (folder / "study.yaml").write_text(study)
    return folder


def attempt(dice, folder, whole):
    """[(what happened)], what is wrong, or None, and the stages behind which it happened."""
    said, wrong, met = [], None, set()
    for kind in dice.sample(sorted(KINDS), dice.choice((1, 1, 2, 3))):
        moment = dice.choice(whole.moments)
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
    if wrong is None and checksum(folder) != whole.checksum:
        wrong = f"checksum {checksum(folder)}, not {whole.checksum}"
    if wrong is None and apart(folder / "out/study.h5") != whole.apart:
        wrong = "reach, census, groups or columns are others, though the checksum holds"
    left = sorted(files(folder) - whole.files)
    return said, wrong or (f"left behind: {', '.join(left)}" if left else None), met


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
    for library in LIBRARIES:
        library.make(here)
    wholes = {name: Undisturbed(here / f"whole-{name}", study) for name, study in STUDIES.items()}
    for library in LIBRARIES:
        library.calls = int((here / library.what).read_text())
    for name, whole in wholes.items():
        print(f"seed {seed}, keep: {name}: {whole.checksum}; {whole.seconds:.1f} s undisturbed; faults after {len(whole.moments)} moments", flush=True)
    survived, tried, kinds, met = 0, 0, collections.Counter(), set()
    number = max(0, only)
    while kinds.total() < (count if only < 0 else 1):
        dice = random.Random(f"{seed}/{number}")
        name = dice.choice(sorted(STUDIES))
        folder = fresh(here / f"try-{number}", STUDIES[name])
        said, wrong, moments_met = attempt(dice, folder, wholes[name])
        tried += 1
        met |= moments_met
        kinds.update(kind for kind, _, _ in said[:-1])
        if wrong is None:
            survived += 1
            shutil.rmtree(folder)
        else:
            (folder / "said").write_text("".join(f"--- {words}\n" + "".join(f"{at:8.3f} {line}\n" for at, line in lines)
                                                 for _, words, lines in said))
            print(f"try {number}: {wrong}\n  {'; '.join(words for _, words, _ in said)}\n"
                  f"  what it said: {folder}/said; again: make campaign SEED={seed} TRY={number}", flush=True)
        number += 1
    print(", ".join(f"{kind} {times}" for kind, times in sorted(kinds.items())))
    moments_of_all = {moment for whole in wholes.values() for moment, _ in whole.moments}
    print(f"survived {survived} of {tried}, with {kinds.total()} faults after {len(met)} of {len(moments_of_all)} moments")
    return survived != tried


if __name__ == "__main__":
    sys.exit(main())
