"""A disk that fails at any moment of a run (see failing_disk.c): 73 or 74, one line, and the next run goes on to the same
bits. A few moments by default; `make test-disk` takes them all, on one rank and on two."""

import errno
import gzip
import os
import re
import shutil
import subprocess

import h5py
import numpy as np
import pytest

from conftest import FACET, PATIENCE, STUDY, checksum, environment, make_digits, own_lines, preloaded, run

RANKS = int(os.environ.get("FACET_DISK_RANKS", "1"))  # of which the first one's disk fails
OPTIONS = ["-n", str(RANKS)] if RANKS > 1 else []
MOMENTS = int(os.environ.get("FACET_DISK_MOMENTS", "4"))  # of each kind; 0: all
LATE = """\
variants:
  - {method: magnitude, sparsity: 0.5, retrain: {epochs: 2}}
conditions: [clean, {corruption: gaussian_noise, severity: 1}]
linearize: {samples: 10}
change: {samples: 10}
aggregate: {spectrum: 4}
embed: {layers: [8], perplexity: 5, batch: 30, epochs: 2, explain: 5}
"""


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """(a folder with a study, how to run it on a failing disk, calls of a run without failure, its checksum)."""
    folder = tmp_path_factory.mktemp("disk")
    shim = preloaded("failing_disk", folder)
    make_digits(folder, train=64, test=24)
    (folder / "study.yaml").write_text(STUDY.split("variants:")[0] + LATE)

    def go(*options, **variables):
        more = {"LD_PRELOAD": str(shim), "DISK_FOLDER": str(folder / "out"), **{k: str(v) for k, v in variables.items()}}
        return subprocess.run([FACET, "run", folder / "study.yaml", *options], env={**environment(), **more},
                              capture_output=True, text=True, timeout=PATIENCE)

    done = go(*OPTIONS, DISK_COUNT=folder / "count")
    assert done.returncode == 0, done.stderr
    return folder, go, int((folder / "count").read_text()), checksum(folder / "out/study.h5")


@pytest.mark.parametrize("error, once", [(errno.ENOSPC, False), (errno.EIO, True), (errno.EROFS, False)],
                         ids=["full", "once", "read-only"])
def test_goes_on_after_the_disk_failed(disk, error, once):
    folder, go, calls, whole = disk
    out = folder / "out"
    failed = 0
    for call in range(1, calls + 1, max(1, calls // MOMENTS) if MOMENTS else 1):
        shutil.rmtree(out, ignore_errors=True)
        done = go(*OPTIONS, DISK_CALL=call, DISK_ERROR=error, **({"DISK_ONCE": 1} if once else {}))
        said = own_lines(done)
        # what need not be written, or is written again, may fail once; and how much is written depends on how long it takes, and
        # of several ranks on chance
        fine = once or call > 0.8 * calls
        assert (fine and done.returncode == 0) or (done.returncode in (73, 74) and len(said) == 1), (call, done.stderr)
        assert done.returncode or checksum(out / "study.h5") == whole, call
        failed += done.returncode != 0
        done = go(*OPTIONS)
        assert done.returncode == 0 and checksum(out / "study.h5") == whole, (call, done.stderr)
        left = [path for path in out.rglob("*") if ".facet-part-" in path.name or path.suffix == ".new"]
        assert not left and not list((out / "variants").glob("*.checkpoint"))
    assert failed >= MOMENTS // 2


@pytest.mark.parametrize("what", [".", "out/study.h5"], ids=["all", "store"])
def test_goes_on_after_files_could_not_be_read(disk, what):
    """Of the study, its data and its output, or the store alone, of which MPI hands on zeros then. What need not be read may fail."""
    folder, go, _, whole = disk
    reads = {"DISK_FOLDER": (folder / what).resolve(), "DISK_READS": 1}
    shutil.rmtree(folder / "out", ignore_errors=True)
    assert go(*OPTIONS, **reads, DISK_COUNT=folder / "count of reads").returncode == 0
    calls, moments, failed = int((folder / "count of reads").read_text()), (MOMENTS or 100) // 2, 0
    for moment in range(moments):
        shutil.rmtree(folder / "out")
        call = 1 + int((moment + 0.5) / moments * calls)
        done = go(*OPTIONS, **reads, DISK_CALL=call, DISK_ERROR=errno.EIO, **({"DISK_ONCE": 1} if moment % 2 else {}))
        assert done.returncode == 0 or done.returncode == 74 and len(own_lines(done)) == 1, (call, done.stderr)
        assert done.returncode or checksum(folder / "out/study.h5") == whole, call
        failed += done.returncode != 0
        assert go(*OPTIONS).returncode == 0 and checksum(folder / "out/study.h5") == whole, call
    assert failed >= moments // 2


def test_what_cannot_be_read_is_not_called_damaged(disk):
    """A study that is finished, all of which is held against its checksums, by a rank whose reads fail from some moment on."""
    folder, go, _, whole = disk
    shutil.rmtree(folder / "out", ignore_errors=True)
    assert go("-n", "2").returncode == 0
    reads = {"DISK_FOLDER": (folder / "out/study.h5").resolve(), "DISK_READS": 1, "DISK_RANK": 1}
    assert go("-n", "2", **reads, DISK_COUNT=folder / "count of reads").returncode == 0
    calls = int((folder / "count of reads").read_text())
    for part in (0, 0.03, 0.1, 0.3, 0.6, 0.9):
        done = go("-n", "2", **reads, DISK_CALL=1 + int(part * calls), DISK_ERROR=errno.EIO)
        assert done.returncode == 74 and "Input/output error" in own_lines(done)[0] and len(own_lines(done)) == 1, (part, done.stderr)
    assert go("-n", "2").returncode == 0 and checksum(folder / "out/study.h5") == whole


def test_no_rank_waits_for_one_whose_disk_is_full(disk):
    """HDF5 leaves the others alone with a file that it cannot close."""
    folder, go, _, whole = disk
    shutil.rmtree(folder / "out", ignore_errors=True)
    assert go("-n", "2", DISK_COUNT=folder / "count of two").returncode == 0
    calls, failed = int((folder / "count of two").read_text()), 0
    for part in (0.5, 0.7, 0.9):
        shutil.rmtree(folder / "out")
        done = go("-n", "2", DISK_CALL=int(part * calls), DISK_ERROR=errno.ENOSPC)
        said = own_lines(done)
        assert done.returncode == 0 or done.returncode in (73, 74) and len(said) == 1, (part, done.stderr)
        failed += done.returncode != 0
    assert failed
    assert go("-n", "2").returncode == 0 and checksum(folder / "out/study.h5") == whole


@pytest.fixture
def odd(small):
    """odd(edit, variable=...): a study of two ranks that is done, edit(its file), and its next run, in which rank 1 sees files as
    odd_rank.c says: that, and the checksum before."""
    def go(edit, **variables):
        store = small / "out/study.h5"
        start = [FACET, "run", "-n", "2", small / "study.yaml"]
        assert subprocess.run(start, env=environment(), capture_output=True).returncode == 0
        whole = checksum(store)
        edit(store)
        done = subprocess.run(start, env=environment() | {"LD_PRELOAD": str(preloaded("odd_rank", small)), **variables},
                              capture_output=True, text=True, timeout=PATIENCE)
        return done, store, whole

    return go


def unmark_columns(store):
    with h5py.File(store, "r+") as h5:
        h5["progress/columns"][-1] = 0


def test_a_rank_that_reads_other_marks(odd):
    """Of a stage that is done, before one that is not."""
    done, store, whole = odd(unmark_columns, ODD_MARKS="/progress/analyse")
    assert done.returncode == 0 and checksum(store) == whole, done.stderr


def test_a_rank_that_cannot_open_the_store(odd):
    done, store, whole = odd(unmark_columns, ODD_FILE="out/study.h5")
    said = own_lines(done)
    assert done.returncode == 65 and len(said) == 1 and "out/study.h5: cannot be opened" in said[0], done.stderr
    assert run("run", store.parent.parent / "study.yaml").returncode == 0 and checksum(store) == whole


def test_a_rank_that_cannot_open_the_study_before(odd):
    done, store, whole = odd(lambda store: store.rename(f"{store}.before"), ODD_FILE="study.h5.before")
    said = own_lines(done)
    assert done.returncode == 74 and len(said) == 1 and "study.h5.before: can be read by some ranks" in said[0], done.stderr
    assert run("run", store.parent.parent / "study.yaml").returncode == 0 and checksum(store) == whole


def test_a_folder_that_vanishes(disk, held):
    """Between two stages of the work: after the networks, before the result file."""
    folder, go, _, whole = disk
    shutil.rmtree(folder / "out", ignore_errors=True)
    process, mark = held("out/variants/dense.onnx", FACET, folder=folder, ranks=1)
    (folder / "out").rename(folder / "gone")
    mark.unlink()
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode in (73, 74) and len(own_lines(said)) == 1, said
    (folder / "gone").rename(folder / "out")
    assert go().returncode == 0 and checksum(folder / "out/study.h5") == whole


@pytest.mark.parametrize("where", ["out/variants/dense.onnx", "out/embed", "out/embed/encoder.record"])
def test_a_folder_that_is_removed(held, tmp_path, where):
    """While networks are made, before the encoder is, and in the last stages."""
    make_digits(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY + "embed: {layers: [8], perplexity: 12, batch: 100, epochs: 2}\n")
    process, mark = held(where, FACET)
    shutil.rmtree(tmp_path / "out")
    mark.unlink()
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode in (73, 74) and len(own_lines(said)) == 1, said


def test_a_folder_that_is_removed_from_under_the_analysis(small, held):
    """Whose files are open, so that nothing but their path tells."""
    process, mark = held("out/study.h5", FACET, ranks=1, writes=20)
    assert analysed(small / "out/study.h5")
    shutil.rmtree(small / "out")
    mark.unlink()
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 74 and len(own_lines(said)) == 1 and "was moved or removed" in said, said


def test_a_file_system_that_cannot_reserve(small):
    """And says so only after signals, a timer's, have come between."""
    variables = {"LD_PRELOAD": str(preloaded("no_reserving", small)), "NO_RESERVING_MARK": str(small / "asked")}
    done = subprocess.run([FACET, "run", small / "study.yaml"], env=environment() | variables, capture_output=True, text=True)
    assert done.returncode == 0 and (small / "asked").exists(), done.stderr


def analysed(store):
    """Whether there is a sample that was."""
    if not store.exists():
        return False
    with h5py.File(store, "r", locking=False) as h5:
        return bool((h5["linear/dense/row"][()] >= 0).any())


WIDE = """\
output: out
data:
  train: {format: npy, images: x.npy, labels: y.npy}
  test: {format: npy, images: x.npy, labels: y.npy}
  normalize: {scale: 255}
model: {architecture: {dense: [2]}, train: {epochs: 1}}
variants: [{method: magnitude, sparsity: 0.5, retrain: {epochs: 1}}]
block: 4
linearize: {}
"""


def test_room_is_looked_at_before_training(tmp_path):
    """2 TB of W: nothing is trained for it, and check warns of it. Networks and checkpoints count."""
    np.save(tmp_path / "x.npy", np.zeros((20000, 768), dtype=np.uint8))
    np.save(tmp_path / "y.npy", np.arange(20000) % 2 * 19999)
    (tmp_path / "study.yaml").write_text(WIDE)
    env = environment() | {"LD_PRELOAD": str(preloaded("small_disk", tmp_path))}
    done = subprocess.run([FACET, "run", tmp_path / "study.yaml"], env=env, capture_output=True, text=True, timeout=PATIENCE)
    words = r"facet: \S+/out: no space left: \d+\.\d\d GB needed \(result file 2\d{3}\.\d\d, networks 0\.\d\d, checkpoints 0\.\d\d\), "
    assert done.returncode == 74 and re.search(words + "1000.00 GB free", done.stderr), done.stderr
    assert not list((tmp_path / "out/variants").glob("*"))
    (tmp_path / "study.yaml").write_text(WIDE.replace("linearize: {}\n", ""))
    np.save(tmp_path / "y.npy", np.arange(20000) % 2 * 9)
    done = subprocess.run([FACET, "check", tmp_path / "study.yaml"], env=environment(), capture_output=True, text=True, timeout=PATIENCE)
    # two networks of (768 + 1) 2 + (2 + 1) 10 numbers; at one time one checkpoint of four such lists beside another
    beside = float(re.search(r", (\d+\.\d\d) GiB in networks", done.stdout)[1])
    assert done.returncode == 0 and "no space left" not in done.stderr and beside < 0.01, done.stdout


def test_room_for_files_without_a_name_is_looked_at(tmp_path):
    """Labels of 17,000 samples lie in TMPDIR, and so do these samples while they are put in order: said before anything is trained,
    and again before the stages that are left, but not of those that are done."""
    np.save(tmp_path / "x.npy", np.arange(68000, dtype=np.uint8).reshape(17000, 4))
    np.save(tmp_path / "y.npy", np.arange(17000) % 2)
    study, folder = tmp_path / "study.yaml", tmp_path / "scratch"
    folder.mkdir()
    study.write_text(WIDE.replace("linearize: {}\n", "").replace("block: 4", "block: 5000") + "census: {}\n")
    usual = environment() | {"TMPDIR": str(folder)}
    small = usual | {"LD_PRELOAD": str(preloaded("small_disk", tmp_path)), "SMALL_DISK_AT": str(folder)}

    def go(command, env, *options):
        return subprocess.run([FACET, command, study, *options], env=env, capture_output=True, text=True, timeout=PATIENCE)

    def words(bytes):
        return f"{folder}, the folder TMPDIR: no space left: {17000 * bytes / 1e9:.6f} GB needed for features and orders of samples, 0.000098 GB free"

    done = go("check", small)
    assert re.search(rf"^TMPDIR  .* 0.00 GiB in {folder} of each node, 0.00 GiB of it decoded data, which are there now; 0.00 GiB free$", done.stdout, re.M)
    assert done.returncode == 0 and f"facet: warning: {words(48)}" in done.stderr, done.stderr  # of regions: in three orders
    done = go("run", small)
    assert done.returncode == 74 and own_lines(done) == [f"facet: {words(48)}"], done.stderr
    assert not list((tmp_path / "out/variants").glob("*"))
    assert go("run", usual).returncode == 0
    for stage, needed in ("summary", 0), ("compare", 24), ("findings", 32):  # of findings: of rank 0, and of all
        with h5py.File(tmp_path / "out/study.h5", "r+") as h5:
            h5[f"progress/{stage}"][...] = 0
        done = go("run", small)
        assert done.returncode == (74 if needed else 0) and (not needed or own_lines(done) == [f"facet: {words(needed)}"]), done.stderr
    with h5py.File(tmp_path / "out/study.h5", "r+") as h5:
        h5["progress/regions"][...] = 0
    done = go("run", small, "-n", "2")
    assert done.returncode == 74 and own_lines(done) == [f"facet: {words(96)}"], done.stderr  # two variants at once


def test_room_is_looked_at_before_data_are_decoded(tmp_path):
    """And not only found when the disk is full."""
    images, folder = np.arange(2000000, dtype=np.uint8).reshape(1000, 2000), tmp_path / "scratch"
    folder.mkdir()
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", np.arange(1000) % 2)
    (tmp_path / "x.npy.gz").write_bytes(gzip.compress((tmp_path / "x.npy").read_bytes()))
    with h5py.File(tmp_path / "x.h5", "w") as h5:
        h5.create_dataset("images", data=images, compression="gzip", chunks=(10, 2000))
        h5["labels"] = np.arange(1000) % 2
    env = environment() | {"TMPDIR": str(folder), "LD_PRELOAD": str(preloaded("small_disk", tmp_path)), "SMALL_DISK_AT": str(folder)}
    for file, needed in ("x.npy.gz", "0.000952"), ("x.h5", "0.002000"):  # of the first, 1 MiB has been decoded when its header is read
        study = WIDE.replace("images: x.npy", f"images: {file}")
        (tmp_path / "study.yaml").write_text(study.replace("format: npy", "format: hdf5").replace(", labels: y.npy", "") if file == "x.h5" else study)
        done = subprocess.run([FACET, "check", tmp_path / "study.yaml"], env=env, capture_output=True, text=True, timeout=PATIENCE)
        said = f"facet: {tmp_path}/{file}: cannot be decoded into the folder TMPDIR (otherwise /tmp): no space left: {needed} GB needed, 0.000098 GB free"
        assert done.returncode == 74 and own_lines(done) == [said], done.stderr
