"""What the whole-run tests share: the program, small data made on the spot, and running it on ranks."""

import atexit
import errno
import fcntl
import functools
import gc
import hashlib
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import warnings

import h5py
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("FACET_BUILD", "build")  # make test-mpich has another
FACET = BUILD / "facet"
FOUND = dict(re.findall("^FOUND_(.*) := (.*)$", (BUILD / "config.mk").read_text(), re.M))
MPIRUN = [FOUND["MPIRUN"], *(["--oversubscribe"] if FOUND["MPI"] == "openmpi" else [])]
SHARED = ROOT.parent / "shared"
RESNET, CIFAR = SHARED / "models/akamaster_resnet20.onnx", SHARED / "data/cifar10/test_batch.bin"
sys.path[:0] = [str(ROOT / "analysis"), str(ROOT / "tests")]  # facet, the Python package; what all tests share
os.environ["PYTHONPATH"] = str(ROOT / "analysis")  # and for the commands that tests start
os.environ.setdefault("FACET_SILENCE", "1000")  # nothing is said of what takes long, as everything may on a busy machine
from patience import PATIENCE  # noqa: E402


gc.set_threshold(50_000, 20, 20)  # figures, models and their libraries are millions of objects: looking for cycles was a seventh of the time

# Files that take a minute or more: they begin first, the longest before the others, so that no worker is left with one of them when all else is done.
LONG = ("test_torch_export.py", "test_report.py", "test_memory.py", "test_light.py", "test_install.py", "test_edited.py", "test_run.py",
        "test_aggregate.py", "test_exercise.py")


def long_of_resnet20(test):
    """A test that is skipped but with FACET_LONG, and where a real network and pictures of its kind are not there."""
    there = pytest.mark.skipif(not (RESNET.exists() and CIFAR.exists()), reason="no ../shared/models with ResNet-20, or no CIFAR-10")
    return pytest.mark.skipif(not os.environ.get("FACET_LONG"), reason="long: set FACET_LONG=1")(there(test))


def pictures_of_cifar10(count):
    """The first ones, as ResNet-20 takes them."""
    images = np.frombuffer(CIFAR.read_bytes(), np.uint8).reshape(-1, 3073)[:count, 1:].reshape(-1, 3, 32, 32) / 255
    return (images - np.reshape([0.485, 0.456, 0.406], (3, 1, 1))) / np.reshape([0.229, 0.224, 0.225], (3, 1, 1))


def pytest_collection_modifyitems(items):
    place = {name: turn for turn, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONG)))


def run(*arguments, ranks=1, timeout=PATIENCE, **options):
    """Runs the build's facet; returns the finished process, output as text. More ranks than one are started by facet, as Open MPI 5's
    mpirun loses words; those of other commands than `run` by mpirun."""
    command = [str(FACET), *map(str, arguments)]
    if ranks > 1:
        command = [*command, "-n", str(ranks)] if arguments[0] == "run" else [*MPIRUN, "-n", str(ranks), *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment(), **options)


def environment():
    """Root may run Open MPI, and every rank has one thread; tests run side by side, so none of them has its own core,
    and ranks that wait give theirs away."""
    return {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_NUM_THREADS": "1",
            "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_mpi_yield_when_idle": "1",
            "OMPI_MCA_btl_vader_backing_directory": shared_memory(), "OMPI_MCA_btl_sm_backing_directory": shared_memory()}


@functools.cache
def shared_memory():
    """Where Open MPI's ranks share memory, which it names by the number of their job. That has 16 bits, and tests run side by side: two
    jobs of one number would write into each other's."""
    folder = tempfile.mkdtemp(prefix="facet-tests-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def preloaded(name, folder):
    """The library that the C file of that name in this folder makes, for LD_PRELOAD; a test without a compiler is skipped."""
    compiler = shutil.which("cc") or pytest.skip("no C compiler")
    library, source = folder / f"{name}.so", pathlib.Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-D_GNU_SOURCE", "-std=c17", "-O1", "-fPIC", "-shared", "-o", library, source, "-ldl"], check=True)
    return library


# ---- runs that wait for a test ----

def wait_for(come, process=None):
    """Until that is so; the process, if there is one, must still be at work then."""
    end = time.monotonic() + PATIENCE
    while not come():
        assert not process or process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "never came"
        time.sleep(0.005)
    assert not process or process.poll() is None, ("over before it was seen", process.communicate()[1])


def wait_for_lock(folder):
    """Until nobody holds an output folder: who was killed lets it go a moment later, and who waits for a slow disk later still."""
    def is_free():
        try:
            with open(folder / "facet.lock", "r+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except BlockingIOError:
            return False
        return True
    wait_for(is_free)


def own_lines(said):
    """The lines of facet's own, of what a finished process, or a text, has said on stderr: other libraries and MPI say something
    on some machines, and facet itself that ranks share processors, and where they are slow what it does."""
    said = said if isinstance(said, str) else said.stderr
    slow = re.compile(r"ranks share|( \.\.\.|, \d+ s(: waiting for other ranks)?)$")
    return [line for line in said.splitlines() if line.startswith("facet: ") and not slow.search(line)]


def start(folder, *command, ranks=2, variables=(), flags=(), **options):
    """A run of a folder's study by facet, on so many ranks (with one, that is the process), or by what launches it."""
    return subprocess.Popen([*command, "run", *flags, folder / "study.yaml", *(["-n", str(ranks)] if command == (FACET,) and ranks > 1 else [])],
                            **{"env": {**environment(), **dict(variables)}, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                               "text": True, **options})


@pytest.fixture
def held(tmp_path):
    """held(where, command...): a run of which a rank has just made what `where` ends the path of, or said so, and waits there until it
    hears a signal or the mark is removed, which stands beside the process: so that nothing depends on who is how fast. time, writes,
    rank: see held.c; folder: of the study; more: as `start` has it."""
    library, mark, started = preloaded("held", tmp_path), tmp_path / "held", []

    def go(where, *command, folder=tmp_path, time=None, writes=None, rank=None, **more):
        mark.unlink(missing_ok=True)
        named = {"HELD_AT": where, "HELD_MARK": mark, "HELD_TIME": time, "HELD_WRITES": writes, "HELD_RANK": rank}
        process = start(folder, *command, **more,
                        variables={"LD_PRELOAD": str(library), **{k: str(v) for k, v in named.items() if v is not None}})
        started.append(process)
        wait_for(mark.exists, process)
        return process, mark
    yield go
    mark.unlink(missing_ok=True)
    for process in started:
        process.kill()
        process.wait()


# ---- little memory ----

@pytest.fixture
def group():
    """A cgroup with a limit on memory; as root, where the system has them."""
    for parent, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        folder = pathlib.Path(parent) / f"facet-test-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / limit).exists():
            (folder / limit).write_text(str(40 << 20))
            for swap, most in (("memory.memsw.limit_in_bytes", 40 << 20), ("memory.swap.max", 0)):  # else it is slow, and never full
                if (folder / swap).exists():
                    (folder / swap).write_text(str(most))
            yield folder
            wait_for(lambda: removed(folder))
            return
        folder.rmdir()
    pytest.skip("no cgroup can be made here")


def removed(folder):
    """Whether the cgroup could be: not while one whom it has killed is on the way out."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


# ---- data, and studies of them ----

def write_idx(path, array):
    array = np.ascontiguousarray(array, dtype=np.uint8)
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.tobytes())


def read_idx(path):
    data = path.read_bytes()
    dims = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(dims).copy()


def make_digits(folder, train=600, test=130, size=12, classes=4):
    """Images that can be told apart: a bright square whose corner depends on the class, and noise."""
    random = np.random.default_rng(7)
    for name, count in (("train", train), ("test", test)):
        labels = random.integers(0, classes, count)
        images = random.integers(0, 60, (count, size, size))
        for i, label in enumerate(labels):
            row, column = divmod(int(label), 2)
            images[i, 1 + 6 * row : 5 + 6 * row, 1 + 6 * column : 5 + 6 * column] += 150
        write_idx(folder / f"{name}-images", images)
        write_idx(folder / f"{name}-labels", labels)


def normalised(image):
    """As STUDY normalises the pixels of digits."""
    return (image.astype(float) / 255 - 0.2) / 0.3


def marked(store):
    """How many units are marked as done, of all stages; the file may be at work on."""
    if not store.exists():
        return 0
    with h5py.File(store, "r", locking=False) as h5:
        return sum(int(np.count_nonzero(marks[()])) for name, marks in h5["progress"].items() if name != "block")


STUDY = """\
study: small
seed: 3
output: out
block: 20
data:
  train: {format: idx, images: train-images, labels: train-labels}
  test: {format: idx, images: test-images, labels: test-labels}
  normalize: {scale: 255, mean: [0.2], std: [0.3]}
model:
  architecture: {conv: [4, 8], dense: [16]}
  train: {epochs: 2, batch: 32, micro_batch: 8, rate: 0.05}
variants:
  - {method: magnitude, scope: global, sparsity: [0.5, 0.9], retrain: {epochs: 1}}
  - {method: random, scope: layer, sparsity: 0.5}
conditions:
  - clean
  - {corruption: gaussian_noise, severity: [1, 5]}
linearize: {variants: all, samples: 70, rows: all}
"""


@pytest.fixture
def small(tmp_path):
    """A folder with a small data set and study.yaml: trained, pruned, linearized within a second or two."""
    make_digits(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures of a report are made, but not drawn, which takes most of its time: for tests of what a page says."""
    from facet.plot.style import Picture

    monkeypatch.setattr(Picture, "settle", lambda picture: None)
    monkeypatch.setattr(Picture, "png", lambda picture: b"")
    monkeypatch.setattr(Picture, "save", lambda picture, path: None)


def sections(path, *names, folder=None):
    """Some sections of the page of a study, as one text, made without the rest; their pictures lie in `folder`, or beside the
    study. Any warning is a failure."""
    from facet import Study
    from facet.report.page import Report

    with Study(path) as study, warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)  # of matplotlib's own libraries
        made = Report(study, folder or path.parent)
        return "".join(made.section(name) for name in names)


def first_table(text):
    """[(variant, cells)] of the first table in some of a page."""
    found = []
    for line in re.findall(r"<tr>(.*?)</tr>", text.partition("</table>")[0], re.DOTALL):
        cells = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", line)]
        if cells:
            found.append((cells[0].removesuffix(" !"), cells[1:]))
    return found


def checksum(store):
    done = run("checksum", store)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# What the checksum leaves out, but is the same bits on any number of ranks all the same (docs/results.md).
SAME = re.compile(r"reach/|census/|view/|change/member$|change/.*/group_|paths/.*/(changes|rounded_residual)$|summary/failed$|findings/")


def apart(store):
    """SHA-256 of these arrays of a finished file."""
    sums = hashlib.sha256()
    with h5py.File(store, "r", locking=False) as h5:
        names = []
        h5.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) and SAME.match(name) else None)
        for name in sorted(names):
            array = h5[name][()]
            sums.update(f"{name} {array.dtype} {array.shape}\n".encode())
            sums.update(repr(array.tolist()).encode() if array.dtype.kind == "O" else array.tobytes())
    return sums.hexdigest()


def foretold(checked, stage):
    """What `facet check` says of a stage of a finished study beside its time: how many parts are done, of how many."""
    time = re.search(rf"^time  .*[:,] {stage} (\d[\d.]* \w+)(,|$)", checked, re.M)
    done = re.search(rf"^reused  .*[ ,]{stage} (\d+) of (\d+),", checked, re.M)
    assert time and done, checked
    return int(done[1]), int(done[2])


def in_sight(plane):
    """Regions and polygons of a plane, but for slivers, which rounding may make or not."""
    large = plane.areas > 1e-9 * plane.areas.sum()
    return len(np.unique(plane.region[large])), int(large.sum())


# ---- files that are damaged ----

def places(path):
    """Path, whether it is a scale, first byte and bytes of every array of numbers in a result file."""
    found = []

    def note(name, item):
        if isinstance(item, h5py.Dataset) and item.dtype.kind != "O" and item.id.get_offset() and item.id.get_storage_size():
            found.append((name, item.is_scale, item.id.get_offset(), item.id.get_storage_size()))
    with h5py.File(path) as file:
        file.visititems(note)
    return found


def flip(path, at, bit):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))
