"""What the file holds for who looks at it, the index of its arrays, for who goes by byte offset, and columns for brushing."""

import json
import re
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


def assert_index(path, least):
    """All arrays are in it; of those in one piece, the numbers at its offset are h5py's. {path: entry} of these."""
    index, arrays = {entry.pop("path"): entry for entry in indexed(path)}, []
    with h5py.File(path) as h5:
        h5.visititems(lambda _, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None)
        assert list(index) == [array.name for array in arrays]
        for array in arrays:
            entry, text = index[array.name], array.dtype.kind in "OS"
            whole = not text and array.chunks is None
            assert entry == {"offset": array.id.get_offset() if whole else -1, "shape": list(array.shape),
                             "type": "text" if text else array.dtype.str}, array.name
            if not whole:
                del index[array.name]
                continue
            there = np.fromfile(path, entry["type"], array.size, offset=entry["offset"]).reshape(entry["shape"])
            assert there.tobytes() == array[()].tobytes(), array.name
    assert len(index) > least
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


METRICS = {"angle": "geometry/angle", "length": "geometry/length", "margin": "geometry/margin", "loss": "prediction/loss"}


def view_of(path):
    with h5py.File(path) as h5:
        return {name: array[()] for name, array in h5["view"].items()}


def test_columns_are_those_of_numpy(finished):
    view = view_of(finished)
    with h5py.File(finished) as h5:
        assert all(h5[f"view/{metric}"].attrs["units"] == h5[path].attrs["units"] for metric, path in METRICS.items())
        numbers = {metric: h5[path][()] for metric, path in METRICS.items()}
        labels = h5["label"][()]
    for metric, value in numbers.items():
        column, edge = view[metric], view[metric + "_edge"]
        assert column.dtype == "<f4" and column.tobytes() == value.astype("<f4").tobytes(), metric
        finite = np.sort(column[np.isfinite(column)])
        assert finite.size == column.size and (labels >= 0).all()
        assert np.array_equal(edge, np.append(finite[finite.size * np.arange(64) // 64], finite[-1])), metric
        bins = np.searchsorted(edge[1:-1], column, side="right")
        assert view[metric + "_bin"].dtype == "u1" and np.array_equal(view[metric + "_bin"], bins), metric
    assert np.bincount(view["margin_bin"].ravel(), minlength=64).min() > 0.8 * view["margin"].size / 64


def test_columns_do_not_depend_on_ranks_nor_on_stops(finished):
    """Half of their marks are taken away: what is made anew is what was there."""
    good = view_of(finished)
    for ranks in 1, 3:
        with h5py.File(finished, "r+") as h5:
            marks = h5["progress/columns"]
            assert marks.shape == good["margin"].shape[:2] and (marks[()] == 1).all()
            for name in [*METRICS, *[metric + "_bin" for metric in METRICS]]:
                h5["view"][name][::2] = 0
            marks[::2] = 0
        done = run("run", finished.parents[1] / "study.yaml", ranks=ranks)
        assert done.returncode == 0 and "columns: 6 columns" in done.stderr, done.stderr
        assert all(np.array_equal(array, good[name]) for name, array in view_of(finished).items())


def test_columns_without_labels(tmp_path):
    """Lengths are known all the same."""
    make_digits(tmp_path)
    (tmp_path / "study.yaml").write_text(re.sub("test: {format: idx, images: test-images, .*}", "test: {format: idx, images: test-images}",
                                                STUDY.split("variants:")[0]))
    done = run("run", tmp_path / "study.yaml")
    assert done.returncode == 0, done.stderr
    view = view_of(tmp_path / "out/study.h5")
    for metric in "angle", "margin", "loss":
        assert np.isnan(view[metric]).all() and np.isnan(view[metric + "_edge"]).all() and (view[metric + "_bin"] == 255).all()
    assert np.isfinite(view["length_edge"]).all() and view["length_bin"].max() == 63
