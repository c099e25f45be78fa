"""Inputs that change between two runs of a study are noticed, whatever was made of them before; results and inputs that
are moved are not."""

import hashlib
import re
import shutil

import h5py
import numpy as np
import onnx
import pytest

from conftest import FACET, PATIENCE, STUDY, checksum, make_digits, own_lines, run


def go(folder, *more, ranks=1):
    done = run("run", folder / "study.yaml", *more, ranks=ranks)
    assert done.returncode == 0, done.stderr
    return folder / "out/study.h5"


def change(path):
    """Swaps two samples, or labels, that differ: the last one and another."""
    data = bytearray(path.read_bytes())
    assert data[-1] != data[-2] or data[-1] != data[-3]
    other = -2 if data[-1] != data[-2] else -3
    data[-1], data[other] = data[other], data[-1]
    path.write_bytes(data)


def refuses(folder, file, made, ranks=1):
    done = run("run", folder / "study.yaml", ranks=ranks)
    said = own_lines(done)
    words = rf"{re.escape(str(folder / file))}: has changed since {made} was made from it; use --fresh or another output"
    assert done.returncode == 65 and len(said) == 1 and re.search(words, said[0]), done.stderr


@pytest.mark.parametrize("file, ranks", [("train-labels", 1), ("train-images", 2)])
def test_training_data_after_dense_was_trained(small, file, ranks):
    """A run that was broken off after training: there is no store yet."""
    go(small).unlink()
    (small / "out/variants/magnitude-global-0.9.onnx").unlink()
    dense = (small / "out/variants/dense.onnx").read_bytes()
    change(small / file)
    refuses(small, file, "dense", ranks)
    assert not (small / "out/study.h5").exists() and (small / "out/variants/dense.onnx").read_bytes() == dense
    go(small, "--fresh", ranks=ranks)
    assert (small / "out/variants/dense.onnx").read_bytes() != dense


@pytest.mark.parametrize("file", ["test-images", "test-labels"])
def test_test_data_of_a_store(small, file):
    store = go(small)
    before = checksum(store)
    change(small / file)
    refuses(small, file, ".*/out/study.h5")
    assert checksum(store) == before
    assert checksum(go(small, "--fresh")) != before


@pytest.mark.parametrize("ranks", [1, 2])
def test_published_conditions_of_a_store(small, ranks):
    text = STUDY.replace("  - {corruption: gaussian_noise, severity: [1, 5]}", "  - {corruption: [fog, jpeg], severity: [1, 5], published: Set-C}")
    (small / "study.yaml").write_text(text)
    (small / "Set-C").mkdir()
    random = np.random.default_rng(2)
    sets = {"fog": "fog", "jpeg": "jpeg_compression"}
    for name in sets.values():
        np.save(small / f"Set-C/{name}.npy", random.integers(0, 256, (5 * 130, 12, 12, 1), dtype="u1"))
    labels = np.frombuffer((small / "test-labels").read_bytes()[-130:], dtype="u1")
    np.save(small / "Set-C/labels.npy", np.tile(labels, 5))
    before = checksum(go(small, ranks=ranks))
    with h5py.File(small / "out/study.h5") as f:
        for name, file in sets.items():
            for severity in (1, 5):
                part = np.load(small / f"Set-C/{file}.npy")[130 * (severity - 1) : 130 * severity]
                assert f.attrs[f"Set-C/{name}/{severity}_sha256"] == hashlib.sha256(part.tobytes()).hexdigest()
    images = np.load(small / "Set-C/jpeg_compression.npy")
    images[2 * 130] ^= 1  # of a severity that is not looked at
    np.save(small / "Set-C/jpeg_compression.npy", images)
    assert checksum(go(small, ranks=ranks)) == before
    images[4 * 130 + 129, 11, 11] ^= 1
    np.save(small / "Set-C/jpeg_compression.npy", images)
    refuses(small, "Set-C/jpeg_compression.npy", ".*/out/study.h5", ranks)


MASKED = """\
variants:
  - {name: own, mask: masks.h5, retrain: {epochs: 1}}
  - {name: other, mask: others.h5, retrain: {epochs: 1}}
  - {name: given, onnx: given.onnx}
  - {method: random, scope: layer, sparsity: 0.5}
conditions: [clean]
linearize: {variants: all, samples: 70, rows: all}
"""


def write_masks(path, dense, seed):
    with h5py.File(path, "w") as f:
        for w in onnx.load(dense).graph.initializer:
            if len(w.dims) > 1:
                f[f"masks/{w.name}"] = np.random.default_rng(seed).integers(0, 2, w.dims).astype("u1")


@pytest.fixture
def masked(small):
    """A study with two variants by masks and one from elsewhere; its dense network, as trained."""
    (small / "study.yaml").write_text(STUDY.split("variants:")[0] + "variants: [{method: random, sparsity: 0.5}]\n")
    go(small)
    dense = shutil.copy(small / "out/variants/dense.onnx", small / "trained.onnx")
    shutil.copy(small / "out/variants/random-global-0.5.onnx", small / "given.onnx")
    (small / "study.yaml").write_text(STUDY.split("variants:")[0] + MASKED)
    write_masks(small / "masks.h5", dense, 1)
    write_masks(small / "others.h5", dense, 2)
    go(small, "--fresh")
    return small


def assert_as_fresh(folder, ranks=1):
    found = checksum(folder / "out/study.h5")
    assert found == checksum(go(folder, "--fresh", ranks=ranks))


@pytest.mark.parametrize("ranks", [1, 2])
def test_masks_of_a_store(masked, ranks):
    """A file of masks that changed costs its own network and tiles: the rest is taken over, and all is as made afresh."""
    before = {path.name: path.stat().st_mtime_ns for path in (masked / "out/variants").glob("*.onnx")}
    write_masks(masked / "masks.h5", masked / "trained.onnx", 3)
    line = f"facet: {masked}/masks.h5: has changed since own was made from it: that is made anew, with all that follows from it\n"
    done = run("check", masked / "study.yaml")
    assert done.returncode == 0 and line in done.stderr and "reused           4 of 5 networks, 28 of 35 tiles" in done.stdout, done
    done = run("run", masked / "study.yaml", ranks=ranks)
    assert done.returncode == 0 and done.stderr.count("has changed") == 1 and line in done.stderr, done.stderr
    assert "28 of 35 tiles are taken over" in done.stderr and "train other" not in done.stderr, done.stderr
    after = {path.name: path.stat().st_mtime_ns for path in (masked / "out/variants").glob("*.onnx")}
    assert {name for name in after if after[name] != before[name]} == {"own.onnx", "given.onnx"}  # that is only a copy
    assert not (masked / "out/study.h5.before").exists()
    done = run("run", masked / "study.yaml", ranks=ranks)
    assert done.returncode == 0 and "nothing to do" in done.stdout and "changed" not in done.stderr, done
    assert_as_fresh(masked, ranks)


def test_masks_before_there_is_a_store(masked):
    (masked / "out/study.h5").unlink()
    own = (masked / "out/variants/own.onnx").read_bytes()
    write_masks(masked / "masks.h5", masked / "trained.onnx", 3)
    done = run("run", masked / "study.yaml")
    assert done.returncode == 0 and f"{masked}/masks.h5: has changed since own was made from it" in done.stderr, done.stderr
    assert "train other" not in done.stderr and (masked / "out/variants/own.onnx").read_bytes() != own
    assert_as_fresh(masked)


def test_masks_that_came_to_nothing(masked):
    """What is made by one file of masks is not taken for what another makes, though all else is the same."""
    (masked / "out/study.h5").unlink()
    (masked / "out/variants/other.onnx").unlink()  # killed before it was made
    (masked / "out/variants/other.record").unlink()
    done = run("run", masked / "study.yaml")
    assert done.returncode == 0 and "changed" not in done.stderr, done.stderr
    assert_as_fresh(masked)


@pytest.mark.parametrize("store", [True, False])
def test_a_network_from_elsewhere(masked, store):
    if not store:
        (masked / "out/study.h5").unlink()
    model = onnx.load(masked / "given.onnx")
    weights = next(w for w in model.graph.initializer if len(w.dims) > 1)
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * np.float32(1.5), weights.name))
    onnx.save(model, masked / "given.onnx")
    done = run("run", masked / "study.yaml")
    line = f"{masked}/given.onnx: has changed since given was made from it: that is made anew, with all that follows from it"
    assert done.returncode == 0 and line in done.stderr and "train" not in done.stderr, done.stderr
    assert ("28 of 35 tiles are taken over" in done.stderr) == store
    assert_as_fresh(masked)


def test_what_was_made_before_there_were_digests_is_used(small):
    store = go(small)
    before = checksum(store)
    for record in (small / "out/variants").glob("*.record"):
        lines = record.read_text().splitlines()
        assert lines[0].startswith("seconds ")
        record.write_text(lines[0] + "\n")
    with h5py.File(store) as f:
        digests = [name for name in f.attrs if name.endswith("_sha256")]
        assert len(digests) == 4 and all(re.fullmatch("[0-9a-f]{64}", f.attrs[name]) for name in digests)
    store.unlink()  # one of that age is of another schema
    assert checksum(go(small)) == before


def test_the_same_data_in_other_words_are_no_change(small):
    """Digests are of samples and labels, not of files: any number of ranks, gzip or not."""
    store = go(small)
    with h5py.File(store) as f:
        one = {name: f.attrs[name] for name in f.attrs if name.endswith("_sha256")}
    go(small, "--fresh", ranks=2)
    with h5py.File(store) as f:
        assert one == {name: f.attrs[name] for name in one}


def test_what_is_moved_knows_its_study(tmp_path):
    here, there = tmp_path / "here", tmp_path / "far" / "there"
    here.mkdir()
    make_digits(here)
    (here / "study.yaml").write_text(STUDY)
    before = checksum(go(here))
    shutil.move(here, there)
    stamp = (there / "out/variants/dense.onnx").stat().st_mtime_ns
    assert checksum(go(there)) == before
    shutil.move(there / "out", tmp_path / "results")  # the results alone
    for name in ("train-images", "train-labels"):
        (there / "data").mkdir(exist_ok=True)
        shutil.move(there / name, there / "data" / name)
    text = STUDY.replace("output: out", f"output: {tmp_path}/results").replace("train-", "data/train-")
    (there / "study.yaml").write_text(text)
    done = run("run", there / "study.yaml")
    assert done.returncode == 0 and "train" not in done.stderr, done.stderr
    assert checksum(tmp_path / "results/study.h5") == before
    assert (tmp_path / "results/variants/dense.onnx").stat().st_mtime_ns == stamp
    (there / "study.yaml").write_text(text.replace("seed: 3", "seed: 4"))
    done = run("run", there / "study.yaml")
    assert done.returncode == 65 and "different study" in done.stderr


@pytest.mark.parametrize("where", ["variants/dense.onnx", "out/study.h5"], ids=["before the plan", "after it"])
@pytest.mark.parametrize("key, file", [("change.groups", "part.npy"), ("paths.from", "black.npy")])
def test_files_that_are_read_again_by_the_same_run(tmp_path, held, where, key, file):
    """They change while networks are trained, or when the result file has been made: groups of more numbers than were planned
    for, and other baselines."""
    make_digits(tmp_path, train=64, test=20)
    first = {"part.npy": np.arange(20) % 2, "black.npy": np.zeros((1, 1, 12, 12), np.float32)}
    for name, array in first.items():
        np.save(tmp_path / name, array)
    more = "change: {samples: 20, groups: part.npy}\npaths: {samples: 1, from: black.npy}\n"
    (tmp_path / "study.yaml").write_text(STUDY.replace("epochs: 2", "epochs: 1").replace("samples: 70", "samples: 2") + more)
    process, mark = held(where, FACET)
    np.save(tmp_path / file, np.arange(20) * 40 if file == "part.npy" else first[file] + 1)
    mark.unlink()
    said = own_lines(process.communicate(timeout=PATIENCE)[1])
    assert process.returncode == 65 and len(said) == 1, said
    assert re.search(rf"study.yaml:\d+: {key}: {tmp_path}/{file}: has changed since this run read it first", said[0])
    np.save(tmp_path / file, first[file])
    go(tmp_path, ranks=2)
