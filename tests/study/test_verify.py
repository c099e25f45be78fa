"""Integrity: one changed bit of what is done, or a mark without data, is found by the next run, said, and made good.

FACET_FLIPS=50 tries so many bits with facet verify: make test-flips."""

import os
import re
import shutil
import signal
import subprocess

import h5py
import numpy as np
import pytest

from conftest import FACET, PATIENCE, STUDY, checksum, flip, make_digits, own_lines, places, preloaded, run
from test_stages import MORE

FLIPS = int(os.environ.get("FACET_FLIPS", "5"))
MADE_WITH_FILE = ("label", "cost", "replicates/size", "linear/sample", "linear/linear_sample", "checksum", "progress")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    make_digits(folder)
    (folder / "study.yaml").write_text(STUDY + MORE)
    with pytest.MonkeyPatch.context() as patch:  # the encoder's checkpoint stays, as if a kill had come before it went
        patch.setenv("LD_PRELOAD", str(preloaded("kept_checkpoints", folder)))
        done = run("run", folder / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    shutil.copy(folder / "out/study.h5", folder / "good.h5")
    shutil.copy(folder / "out/embed/encoder.checkpoint", folder / "good.checkpoint")
    for checkpoint in (folder / "out/variants").glob("*.checkpoint"):
        checkpoint.unlink()
    return folder


@pytest.fixture
def study(finished):
    yield finished
    shutil.copy(finished / "good.h5", finished / "out/study.h5")
    shutil.copy(finished / "good.checkpoint", finished / "out/embed/encoder.checkpoint")


def holds(done):
    return [line for line in done.stderr.splitlines() if "does not hold its checksum" in line]


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_bit_of_every_array_that_a_stage_fills(study, ranks):
    path, random = study / "out/study.h5", np.random.default_rng(ranks)
    good = checksum(path)
    with h5py.File(path) as file:
        before = {name: file[name][()] for name in ("linear/dense/W", "embed/loss", "embed/train/position", "embed/position", "aggregate/cka")}
    arrays = [p for p in places(path) if not p[0].startswith(MADE_WITH_FILE)
              and (not p[1] or p[0] == "change/change_sample")]
    assert len(arrays) > 100
    for _, _, first, size in arrays:
        flip(path, first + int(random.integers(size)), int(random.integers(8)))
    done = run("run", study / "study.yaml", ranks=ranks)
    assert done.returncode == 0, done.stderr
    for stage in ("analyse of dense, clean, block", "map of", "summary of", "compare does", "change of", "cka of"):
        assert any(stage in line for line in holds(done)), stage
    assert checksum(path) == good
    if ranks == 2:
        with h5py.File(path) as file:
            for name, array in before.items():
                assert np.array_equal(file[name][()], array, equal_nan=True), name
    assert not holds(run("run", study / "study.yaml", ranks=ranks))


@pytest.mark.parametrize("name", ["image", "linear/dense/W", "linear/dense/row", "prediction/logits", "geometry/margin",
                                  "feature/dense/value", "embed/dense/W", "change/magnitude-global-0.5/pixel",
                                  "aggregate/dense/directions", "checksum/analyse", "progress/analyse"])
def test_one_bit(study, name):
    path = study / "out/study.h5"
    good = checksum(path)
    (first, size), = [p[2:] for p in places(path) if p[0] == name]
    flip(path, first + size // 2, 6)
    done = run("run", study / "study.yaml")
    assert done.returncode == 0 and len(holds(done)) == 1, done.stderr
    assert checksum(path) == good


def test_a_mark_without_data(study):
    """Of a tile, with the checksum of another."""
    path = study / "out/study.h5"
    good = checksum(path)
    with h5py.File(path, "r+") as file:
        file["prediction/logits"][1, 1] = 0
        file["checksum/analyse"][1, 1] = file["checksum/analyse"][0, 0]
    done = run("run", study / "study.yaml")
    assert done.returncode == 0 and holds(done), done.stderr
    assert checksum(path) == good


@pytest.mark.parametrize("name", ["label", "sample", "linear/k", "cost/flops", "progress/block", "checksum/create"])
def test_what_the_file_was_made_with(study, name):
    path = study / "out/study.h5"
    (first, size), = [p[2:] for p in places(path) if p[0] == name]
    flip(path, first + size // 2, 0)
    for done in run("checksum", path), run("run", study / "study.yaml"):
        assert done.returncode == 65 and str(path) in done.stderr, done.stderr


def test_a_checksum_of_less_than_the_study(study):
    path = study / "out/study.h5"
    with h5py.File(path, "r+") as file:
        del file["linear"]
    done = run("checksum", path)
    assert done.returncode == 65 and "is not whole" in done.stderr
    shutil.copy(study / "good.h5", path)
    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = 7
    done = run("checksum", path)
    assert done.returncode == 65 and "has schema version 7, this facet reads 8 to 11" in done.stderr


@pytest.mark.parametrize("command", ["checksum", "verify"])
@pytest.mark.parametrize("change", ["more numbers than there are bytes", "a number that is many", "a version that is many"])
def test_a_file_that_says_more_than_it_holds(study, command, change):
    path = study / "out/study.h5"
    with h5py.File(path, "r+") as file:
        if change == "more numbers than there are bytes":
            file.create_dataset("odd", shape=((1 << 32) + 1,) * 2, chunks=(64, 64), dtype="f4")
        elif change == "a number that is many":
            del file["checksum/create"]
            file["checksum/create"] = np.zeros(100000, "i8")
        else:
            file.attrs["schema_version"] = np.full(8000, 8)
    done = run(command, path)
    assert done.returncode == 65 and len(own_lines(done) + done.stdout.splitlines()) <= 3, done.stdout + done.stderr
    assert str(path) in done.stderr + done.stdout


@pytest.mark.parametrize("ranks", [1, 2])
def test_verify(study, ranks):
    path = study / "out/study.h5"
    done = run("verify", path, ranks=ranks)
    assert done.returncode == 0 and "parts, 4 networks and 7 files beside them hold their checksums" in done.stdout, done.stdout + done.stderr
    (first, size), = [p[2:] for p in places(path) if p[0] == "linear/dense/W"]
    flip(path, first + size - 1, 3)
    done = run("verify", path, ranks=ranks)
    assert done.returncode == 65 and f"{path}: analyse of dense, clean, block " in done.stdout, done.stdout + done.stderr
    shutil.copy(study / "good.h5", path)
    with h5py.File(path, "r+") as file:
        file["linear/k"][0] = 5
    done = run("verify", path, ranks=ranks)
    assert done.returncode == 65 and "coordinates" in done.stdout, done.stdout + done.stderr


def test_verify_of_a_network(study):
    network = study / "out/variants/magnitude-global-0.5.onnx"
    good = network.read_bytes()
    flip(network, len(good) // 2, 2)
    done = run("verify", study / "out/study.h5")
    network.write_bytes(good)
    assert done.returncode == 65 and str(network) in done.stdout, done.stdout + done.stderr


def test_verify_of_an_older_file(study):
    path = study / "out/study.h5"
    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = 7
    done = run("verify", path)
    assert done.returncode == 65 and "older than checksums" in done.stderr


@pytest.mark.parametrize("ranks", [1, 2])
def test_tiles_are_the_same(study, ranks):
    """All of them; a few, always the same by one seed; started by facet itself."""
    path = study / "out/study.h5"
    done = run("verify", path, "--tiles", 1000, ranks=ranks)
    assert done.returncode == 0 and "the same, bit for bit" in done.stdout, done.stdout + done.stderr
    assert done.stdout.count("  analyse of ") == 4 * 3 * 7
    for parts, stage in (4 * 3, "summary"), (4 * 3, "columns"), (4 * 30, "change"):
        assert f"{path}: {parts} parts of {stage}, computed again from what they read, are the same" in done.stdout, done.stdout
    three = [run("verify", path, "--tiles", 3, "--seed", 5, *more).stdout for more in ([], ["-n", ranks])]
    assert three[0] == three[1] and three[0].count("  analyse of ") == 3 and "--seed 5" in three[0], three
    assert "3 parts of summary, computed again" in three[0], three


@pytest.mark.parametrize("seed", ["-1", "4294967296", "5x", "", "99999999999999999999"])
def test_a_seed_that_is_none(seed):
    """Said before anything is read."""
    done = run("verify", "none.h5", "--tiles", 3, "--seed", seed)
    assert done.returncode == 64 and len(own_lines(done)) == 1, done.stderr
    assert f"--seed: '{seed}' is no whole number from 0 to 4294967295" in done.stderr


@pytest.mark.parametrize("more", ["precision: double", "keep: rows", "keep: digest", "store: float16", "repack"])
def test_tiles_of_what_is_kept_otherwise(tmp_path, more):
    make_digits(tmp_path, train=200, test=70)
    study = STUDY.replace("samples: 70", f"samples: 50, {more}") if more[0] in "ks" else STUDY.replace("samples: 70", "samples: 50")
    (tmp_path / "study.yaml").write_text(study + (more if more[0] == "p" else ""))
    assert run("run", tmp_path / "study.yaml").returncode == 0
    if more == "repack":
        assert run("repack", tmp_path / "out/study.h5").returncode == 0
    done = run("verify", tmp_path / "out/study.h5", "--tiles", 100)
    assert done.returncode == 0 and "the same, bit for bit" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("ranks", [1, 2])
def test_tiles_of_another_processor(tmp_path, monkeypatch, ranks):
    """Whose last digits are others: that is said before the file is blamed, and which tiles and arrays they are of."""
    make_digits(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY + "change: {samples: 5}\n")
    with monkeypatch.context() as older:
        older.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
        if run("--version").stdout == subprocess.run([FACET, "--version"], capture_output=True, text=True, env={}).stdout:
            pytest.skip("this processor has nothing newer")
        assert run("run", tmp_path / "study.yaml").returncode == 0
    path = tmp_path / "out/study.h5"
    assert run("verify", path).returncode == 0
    done = run("verify", path, "--tiles", 1000, ranks=ranks)
    assert done.returncode == 65, done.stdout + done.stderr
    other, tile = done.stdout.find("was made by another build"), done.stdout.find("computed again, has another ")
    assert 0 < other < tile, done.stdout
    assert f"{path}: analyse of dense, clean, block 0, computed again, has another linear/dense/W: " in done.stdout
    assert f"{path}: part of change, computed again, has another change/" in done.stdout
    assert f"{path}: 12 parts of summary, computed again from what they read, are the same" in done.stdout


def test_data(study, tmp_path):
    """In a folder of their own; changed; without what tiles do not need."""
    for file in study.glob("*-*"):
        shutil.copy(file, tmp_path)
    good, bad = run("verify", study / "out/study.h5", "--data", tmp_path), []
    assert good.returncode == 0 and good.stdout.count(f"{tmp_path}/") == 4, good.stdout + good.stderr
    for file in "test-images", "test-labels", "train-images":
        flip(tmp_path / file, (tmp_path / file).stat().st_size - 1, 0)
        bad.append(run("verify", study / "out/study.h5", "--data", tmp_path, "--tiles", 2))
        assert bad[-1].returncode == 65 and f"{tmp_path}/{file}: is not what" in bad[-1].stdout, bad[-1].stdout
        assert "computed again, " not in bad[-1].stdout
        shutil.copy(study / file, tmp_path)
    train = study / "train-images"
    train.rename(study / "elsewhere")
    (tmp_path / "train-images").unlink()
    done = run("verify", study / "out/study.h5", "--data", tmp_path, "--tiles", 2)
    (study / "elsewhere").rename(train)
    assert done.returncode == 0 and f"{train}: is not there, and not checked" in done.stdout, done.stdout + done.stderr


BESIDE = ["variants/dense.onnx", "variants/magnitude-global-0.5.onnx", "variants/magnitude-global-0.9.record",
          "embed/encoder.onnx", "embed/encoder.record", "embed/encoder.checkpoint"]


def test_a_mark_that_was_cleared(study, held):
    """A part without a mark, but with a checksum, has lost the mark; from what a run finds damaged it takes both back."""
    path = study / "out/study.h5"
    good = checksum(path)
    with h5py.File(path, "r+") as file:
        file["progress/analyse"][0, 0, 3] = file["progress/compare"][()] = 0
    found = run("verify", path)
    lines = [line for line in found.stdout.splitlines() if line.endswith("has a checksum and no mark")]
    assert found.returncode == 65 and len(lines) == 2 and "analyse of dense, clean, block 3 has" in lines[0], found.stdout + found.stderr
    assert run("run", study / "study.yaml").returncode == 0 and run("verify", path).returncode == 0 and checksum(path) == good
    with h5py.File(path, "r+") as file:
        file["checksum/analyse"][...] += 1
    process, _ = held("out/study.h5", FACET, folder=study, ranks=1, writes=300)
    process.send_signal(signal.SIGUSR1)
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 75 and "is computed anew" in said, said
    done = run("verify", path)
    assert done.returncode == 0 and done.stdout.endswith("it is not finished\n"), done.stdout + done.stderr


def made_from(done):
    """{stage: parts} of what a run does anew, since it was made from parts that do not hold."""
    return {stage: int(count) for count, stage in re.findall(r"facet: \S+/study.h5: (\d+) parts? of (\w+) made from it, and computed anew", done.stderr)}


@pytest.mark.parametrize("variant", [0, 2])
def test_what_was_made_from_it(study, variant):
    """Of the same variant, where a stage reads no other; of dense, of all of them."""
    path = study / "out/study.h5"
    good = checksum(path)
    (first, size), = [p[2:] for p in places(path) if p[0] == "geometry/margin"]
    flip(path, first + size * (2 * variant + 1) // 8, 2)
    done = run("run", study / "study.yaml", ranks=2)
    assert done.returncode == 0 and len(holds(done)) == 1, done.stderr
    made = made_from(done)
    each = 4 if variant == 0 else 1
    assert (made["summary"], made["map"], made["compare"], made["similarity"], made["findings"]) == (3 * each, 21 * each, 1, 1, 1), made
    assert made["columns"] == 12 and made["spectra"] == each and "timing" not in made and "encoder" not in made, made
    assert checksum(path) == good and run("verify", path).returncode == 0


def test_what_was_made_from_it_before_a_run_was_stopped(study):
    """It had said what does not hold, and was over before it came to what was made from that."""
    path = study / "out/study.h5"
    good = checksum(path)
    with h5py.File(path, "r+") as file:
        file["progress/analyse"][0, 0, 0], file["checksum/analyse"][0, 0, 0] = 0, -2
    made = made_from(run("run", study / "study.yaml", ranks=2))
    assert made["summary"] and made["compare"] == made["findings"] == 1, made
    assert checksum(path) == good


def test_findings_are_made_from_comparisons(study):
    path = study / "out/study.h5"
    with h5py.File(path, "r+") as file:
        file["progress/compare"][...], file["checksum/compare"][...] = 0, -2
    assert made_from(run("run", study / "study.yaml"))["findings"] == 1


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_bit_that_flips_while_a_run_is_at_work(study, held, ranks):
    """After what is there was held: before the next stage reads it."""
    path = study / "out/study.h5"
    good = checksum(path)
    with h5py.File(path, "r+") as file:
        for marks in file["progress"].values():
            if marks.dtype == "u1":
                marks[...] = 0
        file["progress/analyse"][:2] = 1
    process, mark = held("out/study.h5", FACET, folder=study, ranks=ranks, writes=10)
    (first, _), = [p[2:] for p in places(path) if p[0] == "prediction/logits"]
    flip(path, first + 5, 2)
    mark.unlink()
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 0, said
    assert said.count("analyse of dense, clean, block 0 does not hold its checksum, and is computed anew") == 1, said
    assert said.index("does not hold") < said.index("summary: "), said
    assert checksum(path) == good and run("verify", path).returncode == 0


@pytest.mark.parametrize("name", BESIDE)
def test_what_lies_beside(study, name):
    """A bit of a network, a record, the encoder or its checkpoint: said, made anew, and then as it was."""
    path, target = study / "out/study.h5", study / "out" / name
    good, bytes_before = checksum(path), target.read_bytes()
    with h5py.File(path) as file:
        before = {array: file[array][()] for array in ("embed/loss", "embed/position", "embed/quality")}
    flip(target, len(bytes_before) // 2, 3)
    found = run("verify", path)
    assert found.returncode == 65 and str(target) in found.stdout, found.stdout + found.stderr
    done = run("run", study / "study.yaml", ranks=2)
    said = [line for line in done.stderr.splitlines() if "does not hold" in line]
    assert done.returncode == 0 and len(said) == 1 and str(target.with_suffix(""))[-12:] in said[0], done.stderr
    assert checksum(path) == good
    if target.suffix == ".onnx":
        assert target.read_bytes() == bytes_before
    with h5py.File(path) as file:
        for array, numbers in before.items():
            assert np.array_equal(file[array][()], numbers, equal_nan=True), array
    again = run("run", study / "study.yaml")
    assert "nothing to do" in again.stdout and "does not hold" not in again.stderr, again.stdout + again.stderr


@pytest.mark.parametrize("name", BESIDE[:3])
def test_networks_before_there_is_a_store(study, tmp_path, name):
    shutil.copytree(study / "out/variants", tmp_path / "out/variants")
    shutil.copy(study / "out/study.yaml", tmp_path / "out")
    for file in [*study.glob("*-*"), study / "study.yaml"]:
        shutil.copy(file, tmp_path)
    target = tmp_path / "out" / name
    flip(target, target.stat().st_size // 2, 3)
    done = run("run", tmp_path / "study.yaml", ranks=2)
    assert done.returncode == 0 and "and it is made anew" in done.stderr, done.stderr
    assert checksum(tmp_path / "out/study.h5") == checksum(study / "good.h5")


@pytest.mark.parametrize("target", ["out/variants/dense.onnx", "out/variants/other.onnx", "out/variants/other.record", "dense.onnx"])
def test_networks_from_elsewhere(study, tmp_path, target):
    """A copy that is not what was copied is copied anew; a network that has changed since is another matter."""
    for name, file in ("dense", "dense"), ("other", "random-layer-0.5"):
        shutil.copy(study / f"out/variants/{file}.onnx", tmp_path / f"{name}.onnx")
    for file in study.glob("test-*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "study.yaml").write_text("study: elsewhere\noutput: out\ndata: {test: {format: idx, images: test-images, "
        "labels: test-labels, count: 20}, normalize: {scale: 255, mean: [0.2], std: [0.3]}}\n"
        "model: {onnx: dense.onnx}\nvariants: [{onnx: other.onnx}]\nconditions: [clean]\n")
    assert run("run", tmp_path / "study.yaml").returncode == 0
    good = checksum(tmp_path / "out/study.h5")
    flip(tmp_path / target, (tmp_path / target).stat().st_size // 2, 3)
    done = run("run", tmp_path / "study.yaml")
    if target == "dense.onnx":
        assert done.returncode == 65 and "has changed since" in done.stderr, done.stderr
        return
    blamed, = [line for line in done.stderr.splitlines() if "and it is made anew" in line]
    assert done.returncode == 0 and str((tmp_path / target).with_suffix("")) in blamed, done.stderr  # and no model that was given
    assert checksum(tmp_path / "out/study.h5") == good and run("verify", tmp_path / "out/study.h5").returncode == 0


@pytest.mark.parametrize("flip_number", range(FLIPS))
def test_any_bit_is_found(study, flip_number):
    """Of any array, of any byte of the arrays, of a network, or of what else lies beside the file, in turn."""
    path, random = study / "out/study.h5", np.random.default_rng(1000 + flip_number)
    arrays = places(path)
    sizes = np.array([size for *_, size in arrays], float)
    beside = sorted((study / "out").glob("*/*" if flip_number % 2 else "*/*.onnx"))
    if flip_number % 5 > 2:
        target = beside[random.integers(len(beside))]
        first, size, name = 0, target.stat().st_size, str(target)
    else:
        target = path
        name, _, first, size = arrays[random.choice(len(arrays), p=sizes / sizes.sum() if flip_number % 5 else None)]
    good = target.read_bytes()
    flip(target, first + int(random.integers(size)), int(random.integers(8)))
    done = run("verify", path)
    target.write_bytes(good)
    assert done.returncode == 65 and str(target) in done.stdout, (name, done.stdout + done.stderr)
