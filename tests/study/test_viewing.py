"""What the file holds for who looks at it, not through HDF5: the index of its arrays."""

import json
import shutil
import subprocess

import h5py
import numpy as np
import pytest

from conftest import STUDY, checksum, make_digits, run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("viewing")
    make_digits(folder)
    text = STUDY.replace("sparsity: [0.5, 0.9], retrain: {epochs: 1}", "sparsity: 0.5, seeds: [1, 2]").replace("rows: all", "rows: all, store: float16")
    (folder / "study.yaml").write_text(text + "change: {samples: 10}\naggregate: {spectrum: 3}\n")
    done = run("run", folder / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    return folder / "out/study.h5"


def indexed(path):
    with h5py.File(path) as h5:
        return json.loads(h5["index"].asstr()[()])


def numbers_of(h5):
    """Arrays of numbers that lie in one piece."""
    found = []
    h5.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu"
                  and item.chunks is None else None)
    return found


def assert_index(path, least):
    index = {entry.pop("path"): entry for entry in indexed(path)}
    with h5py.File(path) as h5:
        arrays = numbers_of(h5)
        assert list(index) == [array.name for array in arrays] and len(arrays) > least
        for array in arrays:
            entry = index[array.name]
            assert entry == {"offset": array.id.get_offset(), "shape": list(array.shape), "type": array.dtype.str}, array.name
            there = np.fromfile(path, entry["type"], array.size, offset=entry["offset"]).reshape(entry["shape"])
            assert there.tobytes() == array[()].tobytes(), array.name
    return index


def test_numbers_by_byte_offset_are_those_of_h5py(finished):
    index = assert_index(finished, 100)
    assert {entry["type"] for entry in index.values()} >= {"<f2", "<f4", "<f8", "<i4", "<i8", "|u1"}
    assert run("verify", finished).returncode == 0


def test_repack_lists_what_still_lies_in_one_piece(finished, tmp_path):
    path, good = tmp_path / "study.h5", checksum(finished)
    shutil.copy(finished, path)
    done = run("repack", path)
    assert done.returncode == 0 and checksum(path) == good, done.stderr
    index = assert_index(path, 50)
    assert "/image" not in index and "/label" in index
    done = run("verify", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_index_that_another_tool_left_behind_is_found(finished, tmp_path):
    path, good = tmp_path / "study.h5", checksum(finished)
    subprocess.run(["h5repack", finished, path], check=True)
    assert checksum(path) == good
    done = run("verify", path)
    assert done.returncode == 65 and "/index does not say where the arrays lie" in done.stdout, done.stdout + done.stderr
