"""Inputs that change between two runs of a study are noticed, whatever was made of them before; results and inputs that
are moved are not."""

import hashlib
import re
import shutil

import h5py
import numpy as np
import onnx
import pytest

from conftest import STUDY, checksum, make_digits, run


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
    said = [line for line in done.stderr.splitlines() if line.startswith("facet: ")]
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


def test_masks(small):
    def write(seed):
        weights = onnx.load(small / "out/variants/dense.onnx").graph.initializer
        with h5py.File(small / "masks.h5", "w") as f:
            for w in weights:
                if len(w.dims) > 1:
                    f[f"masks/{w.name}"] = np.random.default_rng(seed).integers(0, 2, w.dims).astype("u1")

    go(small)
    (small / "study.yaml").write_text(STUDY.replace("  - {method: random", "  - {name: own, mask: masks.h5}\n  - {method: random"))
    write(1)
    go(small, "--fresh").unlink()
    write(2)
    refuses(small, "masks.h5", "own")


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
