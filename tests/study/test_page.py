"""python3 -m facet view: one page that holds the viewer and as much of a study as fits, with an index that is true."""

import base64
import gzip
import json
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest

from conftest import STUDY, make_digits, run

import facet
from facet.extract import METRICS, Cut, Extract, cuts, expected

TEMPLATE = "<html><head><title>facet</title></head><script type=\"text/plain\" id=\"study\">@STUDY@</script></html>"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    make_digits(folder)
    (folder / "study.yaml").write_text(STUDY + "change: {samples: 12, conditions: [gaussian_noise/5]}\n"
                                       "aggregate: {spectrum: 3}\nembed: {layers: [8], perplexity: 10, batch: 300, epochs: 1, explain: 10}\n")
    done = run("run", folder / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / "out/study.h5", "r+") as h5:
        h5.attrs["study_name"] = '<b>"small"</b>'
    (folder / "viewer").mkdir()
    (folder / "viewer/single.html").write_text(TEMPLATE)
    return folder / "out/study.h5"


def command(study, *words, monkeypatch):
    monkeypatch.setenv("FACET_VIEWER", str(study.parents[1] / "viewer"))
    return subprocess.run([sys.executable, "-m", "facet", "view", study, *map(str, words)], capture_output=True, text=True)


def arrays(h5):
    found = {}
    h5.visititems(lambda path, item: found.update({path: item}) if isinstance(item, h5py.Dataset) else None)
    return found


def assert_index(path):
    with h5py.File(path) as h5:
        index = {entry["path"]: entry for entry in json.loads(h5["index"].asstr()[()])}
        assert list(index) == ["/" + name for name in arrays(h5)]
        for name, item in arrays(h5).items():
            entry = index["/" + name]
            if item.dtype.kind == "O":
                assert entry["offset"] == -1 and entry["type"] == "text", name
                continue
            there = np.fromfile(path, entry["type"], item.size, offset=entry["offset"]).reshape(entry["shape"])
            assert there.tobytes() == item[()].tobytes(), name


def opened(tmp_path, source, cut):
    path = tmp_path / "cut.h5"
    with facet.open(source) as study:
        path.write_bytes(Extract(study, cut).bytes())
    assert_index(path)
    return h5py.File(path)


def test_the_page(study, tmp_path, monkeypatch):
    done = command(study, "-o", tmp_path / "study.html", monkeypatch=monkeypatch)
    assert done.returncode == 0 and "/linear: " not in done.stdout and "features" in done.stdout, done.stdout + done.stderr
    page = (tmp_path / "study.html").read_text()
    assert "<title>&lt;b&gt;&quot;small&quot;&lt;/b&gt;</title>" in page and "@STUDY@" not in page
    packed = re.search('id="study">([A-Za-z0-9+/=]+)</script>', page)[1]
    (tmp_path / "page.h5").write_bytes(gzip.decompress(base64.b64decode(packed)))
    assert_index(tmp_path / "page.h5")
    with h5py.File(study) as whole, h5py.File(tmp_path / "page.h5") as h5:
        left = ("checksum/", "feature/", "geometry/angle", "geometry/length", "geometry/margin", "prediction/loss", "embed/dense/", "embed/magnitude", "embed/random", "embed/train", "embed/embed_sample", "index")
        for name, item in arrays(whole).items():
            assert (name in h5) != name.startswith(left) or name in ("index",), name
            if name in h5 and name != "index":
                assert np.array_equal(h5[name][()], item[()].astype("f4") if name == "embed/position" else item[()],
                                      equal_nan=item.dtype.kind == "f"), name
                assert [[s.name for s in d.values()] for d in h5[name].dims] == [[s.name for s in d.values()] for d in item.dims], name
                assert h5[name].attrs["units"] == item.attrs["units"], name
        assert h5["image"].dtype == "u1" and h5.attrs["study_name"] == whole.attrs["study_name"]
        assert h5["variants/dense"].attrs["sha256"] == whole["variants/dense"].attrs["sha256"]


def test_the_most_telling_samples(study, tmp_path):
    with h5py.File(study) as whole, opened(tmp_path, study, Cut(telling=5, pictures=False)) as h5:
        rank = whole["fragility/rank"][()]
        numbers = h5["linear/linear_sample"][()]
        assert set(rank[rank < 70][:5]) <= set(numbers) and len(numbers) <= 5 + 3 * 4 and np.array_equal(numbers, h5["linear/sample"])
        assert np.array_equal(np.unique(whole["label"][()][numbers]), np.arange(4))
        for name in "W", "b", "b_node", "row", "residual", "ties":
            assert np.array_equal(h5[f"linear/random-layer-0.5/{name}"], whole[f"linear/random-layer-0.5/{name}"][()][numbers]), name
        changed = h5["change/change_sample"][()]
        places = [list(whole["change/change_sample"]).index(number) for number in changed]
        for name in "magnitude-global-0.9/pixel", "dense/gaussian_noise/5/moved", "picture":
            assert np.array_equal(h5["change/" + name], whole["change/" + name][()][places]), name
        shown = h5["image_sample"][()]
        assert np.array_equal(shown, np.union1d(numbers, changed)) and np.array_equal(h5["image"], whole["image"][()][shown])
        assert h5["image"].dims[0][0].name == "/image_sample" and h5["prediction/class"].shape == (4, 3, 130)
        assert any(line.startswith(f"/linear: {len(numbers)} of 70") for line in h5.attrs["left_out"])


def test_cosines_of_some(study, tmp_path, monkeypatch):
    """Where all of them are much: of dense, and clean of one of each group."""
    monkeypatch.setattr("facet.extract.SMALL", 1000)
    with h5py.File(study) as whole, opened(tmp_path, study, Cut()) as h5:
        cosine = whole["geometry/cosine"][()].astype("<f2")
        assert np.array_equal(h5["geometry/cosine"][0], cosine[0]) and np.array_equal(h5["geometry/cosine"][:, 0], cosine[:, 0])
        assert np.isnan(h5["geometry/cosine"][1:, 1:]).all() and "prediction/logits" not in h5
        assert h5.attrs["left_out"][-1].startswith("logits, features")


def test_half_precision(study, tmp_path):
    with h5py.File(study) as whole, opened(tmp_path, study, Cut(half=True)) as h5:
        assert "view/margin_bin" not in h5 and np.array_equal(h5["view/margin_edge"], whole["view/margin_edge"])
        for name in "view/margin", "embed/position", "linear/dense/W":
            assert h5[name].dtype == "<f2" and np.array_equal(h5[name], whole[name][()].astype("<f2")), name
        assert h5["linear/dense/b"].dtype == "<f4"


def test_fewer_samples_are_numbered_anew(study, tmp_path):
    with h5py.File(study) as whole, opened(tmp_path, study, Cut(4, True, False, 40)) as h5:
        kept = h5["sample"][()]
        assert 40 <= len(kept) < 70 and (np.diff(kept) > 0).all()
        assert np.array_equal(h5["label"], whole["label"][()][kept]) and np.array_equal(h5["geometry/cosine"], whole["geometry/cosine"][()][:, :, kept])
        assert np.array_equal(h5["prediction/class"], whole["prediction/class"][()][..., kept])
        assert np.array_equal(h5["view/loss"], whole["view/loss"][()][..., kept].astype("<f2"))
        assert np.array_equal(h5["fragility/first_lost"], whole["fragility/first_lost"][()][..., kept], equal_nan=True)
        assert np.array_equal(h5["summary/accuracy"], whole["summary/accuracy"])
        numbers = kept[h5["linear/linear_sample"][()]]
        assert np.array_equal(h5["linear/dense/b"], whole["linear/dense/b"][()][numbers])
        assert np.array_equal(h5["image"], whole["image"][()][kept[h5["image_sample"][()]]])
        rank = whole["fragility/rank"][()]
        assert np.array_equal(kept[h5["fragility/rank"][()]], rank[np.isin(rank, kept)])
        classes = h5["fragility/class_rank"][()]
        for k, row in enumerate(classes):
            assert (whole["label"][()][kept[row[row >= 0]]] == k).all() and np.count_nonzero(row >= 0) == np.count_nonzero(h5["label"][()] == k)


def test_lines_and_planes_stay_while_there_is_room(tmp_path, monkeypatch):
    """Without the room that they do not take; else none of them, and that is said. Their samples stay, numbered anew."""
    make_digits(tmp_path, train=160)
    text = STUDY.split("variants:")[0].replace("epochs: 2", "epochs: 1") + "variants: [{method: magnitude, sparsity: 0.5}]\nconditions: [clean]\n"
    (tmp_path / "study.yaml").write_text(text + "lines: {between: [3, 117]}\nplanes: {through: [3, 117, 5, 30, 31, 2], window: 0.05}\npaths: {samples: 9}\n")
    done = run("run", tmp_path / "study.yaml")
    assert done.returncode == 0, done.stderr
    source = tmp_path / "out/study.h5"
    with facet.open(source) as study, opened(tmp_path, source, Cut(slices=True)) as h5:
        assert list(cuts(study))[0] == Cut(slices=True) and expected(study, Cut(slices=True)) > expected(study, Cut()) > 0
        for name, item in arrays(study.file).items():
            if name.startswith(("lines/", "planes/")) and item.dtype.kind != "O":
                assert np.array_equal(h5[name], item[tuple(map(slice, h5[name].shape))], equal_nan=True), name
        for what, fullest in (("at", "points"), ("logits", "points"), ("end", "polygons"), ("region", "polygons")):
            most = max(study.file[f"planes/{v}/{fullest}"][()].max() for v in study.variants)
            assert all(h5[f"planes/{v}/{what}"].shape[1] == most < study.file[f"planes/{v}/{what}"].shape[1] for v in study.variants), what
        assert h5["planes/dense/corner"].shape[1] == max(study.file[f"planes/{v}/end"][()].max() for v in study.variants)
        assert h5["lines/dense/t"].shape[1] == max(study.file[f"lines/{v}/points"][()].max() for v in study.variants)
        assert not any("lines" in said for said in h5.attrs["left_out"])
    with h5py.File(source) as whole, opened(tmp_path, source, Cut(4, True, False, 40)) as h5:
        assert "planes/dense" not in h5 and "lines/dense" not in h5 and "/lines and /planes" in h5.attrs["left_out"]
        for name in ("lines/between", "planes/through", "paths/path_sample", "paths/sample"):
            assert np.array_equal(h5["sample"][()][h5[name][()]], whole[name]), name


def test_columns_are_made_where_a_study_has_none(study, tmp_path):
    older = tmp_path / "older.h5"
    older.write_bytes(study.read_bytes())
    with h5py.File(older, "r+") as h5:
        del h5["view"], h5["progress/columns"]
    with h5py.File(study) as whole, opened(tmp_path, older, Cut()) as h5:
        assert (h5["progress/columns"][()] == 1).all() and h5["progress/columns"].shape == (4, 3)
        for name, array in whole["view"].items():
            assert np.array_equal(h5["view"][name], array), name
            if name != "edge":
                assert {key: h5["view"][name].attrs[key].replace("`", "") for key in ("units", "long_name")} == \
                    {key: array.attrs[key].replace("`", "") for key in ("units", "long_name")}, name
    with h5py.File(study) as whole, opened(tmp_path, older, Cut(4, False, False, 40)) as h5:
        for name in METRICS:
            assert len(h5["sample"]) < len(whole["sample"]) and np.array_equal(h5[f"view/{name}_edge"], whole[f"view/{name}_edge"])
            assert np.array_equal(h5[f"view/{name}_bin"], whole[f"view/{name}_bin"][()][..., h5["sample"][()]])


def test_a_page_has_its_size(study, tmp_path, monkeypatch):
    sizes = []
    with facet.open(study) as opened_study:
        for cut in list(cuts(opened_study))[:3:2]:
            packed = len(gzip.compress(Extract(opened_study, cut).bytes(), 6))
            sizes.append(packed)
            assert 0.75 * expected(opened_study, cut) < packed
    assert sizes == sorted(sizes, reverse=True)
    most = (sizes[-1] * 4 // 3 + 1000) / 1e6
    done = command(study, "-o", tmp_path / "small.html", "--size", most, monkeypatch=monkeypatch)
    assert done.returncode == 0 and "half precision" in done.stdout, done.stderr
    assert (tmp_path / "small.html").stat().st_size <= most * 1e6
    done = command(study, "-o", tmp_path / "none.html", "--size", "0.01", monkeypatch=monkeypatch)
    assert done.returncode == 65 and "does not fit" in done.stderr and not (tmp_path / "none.html").exists()


def test_what_is_wrong_is_said(study, tmp_path, monkeypatch):
    done = command(study, "-o", tmp_path / "none/study.html", monkeypatch=monkeypatch)
    assert done.returncode == 73 and "none/study.html" in done.stderr
    (study.parents[1] / "viewer/single.html").write_text("<html></html>")
    done = command(study, monkeypatch=monkeypatch)
    (study.parents[1] / "viewer/single.html").unlink()
    assert done.returncode == 65 and "no place for a study" in done.stderr
    done = command(study, monkeypatch=monkeypatch)
    (study.parents[1] / "viewer/single.html").write_text(TEMPLATE)
    assert done.returncode == 66 and "make viewer builds it" in done.stderr
