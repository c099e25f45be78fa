"""The result file as others see it: names, shapes and types as docs/results.md lists them, in h5py and in xarray."""

import re
import warnings

import h5py
import numpy as np
import pytest

from conftest import ROOT, run

import facet

SIZES = {"V": 4, "C": 3, "N": 130, "K": 4, "channel": 1, "y": 12, "x": 12, "n": 70, "k": 4, "R": 4, "block": 7, "X": 1, "M": 2, "P": 130, "Q": 100,
         "I": 12, "axis": 2, "leaf": 12, "merge": 11, "column": 4, "s": 20, "r": 5, "J": 12, "position axis": 2, "epoch": 4, "training place": 600,
         "merit": 3, "e": 30, "bin edge": 65, "F": 11, "path": 4, "path k": 1, "crossing": 16, "path point": 65,
         "path K": 4, "reference": 2, "group": 5, "reached": 6, "norm": 2,
         "line": 2, "line end": 2, "line point": 5000, "line K": 4, "plane": 2, "plane input": 3, "plane axis": 2, "window corner": 4, "polygon": 3000, "plane point": 9004, "corner": 18004, "plane K": 4, "attributed": 3, "attributed k": 1,
         "attribution method": 9, "curve point": 7}
# Dimensions of what is there under `keep: digest`, and `--profile`, alone; and arrays under `store: float16`.
ELSEWHERE = {"g", "D", "phase", "profiled rank"}
ROOTED = ("/linear/sample", "/change/sample", "/paths/sample", "/reach/sample")
ROUNDED = re.compile("/linear/<variant>/round.*")
PAGE = (ROOT / "docs" / "results.md").read_text()
SCALES = dict(re.findall(r"^\| ([\w ]+?) \| .+? \| `(/.+?)` \| (?:text|i64) \|", PAGE.partition("## Arrays")[0], re.MULTILINE))


def documented():
    """path -> (dimensions, type) of the table of arrays."""
    table = PAGE.partition("## Arrays")[2].partition("## Attributes")[0]
    rows = {}
    table = table.replace(" ([or otherwise](#layout))", "")
    for paths, shape, kind in re.findall(r"^\| (`.+?`) \| (?:([^|]+?) )? ?\| (.+?) \|", table, re.MULTILINE):
        names = re.findall(r"`(.+?)`", paths)
        folder = names[0].rpartition("/")[0]
        for name in names:
            path = name if name.startswith("/") else f"{folder}/{name}"
            rows[path] = (shape.split(", ") if shape else [], kind)
    return rows


def beside(array, scale):
    """A coordinate that lies neither beside an array nor above has a copy beside it."""
    folder, _, name = scale.rpartition("/")
    return scale if array.startswith(folder + "/") else f"{array.rpartition('/')[0]}/{name}"


@pytest.fixture
def store(small):
    with (small / "study.yaml").open("a") as study:
        study.write("change: {samples: 20, conditions: [gaussian_noise/5], groups: class}\npaths: {samples: 4, conditions: gaussian_noise/5}\nlines: {between: [3, 17, 5, 8], points: 5000}\nplanes: {count: 2, window: 0.02, polygons: 3000}\naggregate: {spectrum: 5}\n"
                    "embed: {layers: [8], perplexity: 10, batch: 300, epochs: 4, explain: 30}\ncensus: {}\nreach: {samples: 6}\n"
                    "attributions: {samples: 3, steps: 5, noisy: 3, perturbations: 2, points: 6}\n")
    done = run("run", small / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    return small / "out" / "study.h5"


def test_arrays_are_those_of_the_documentation(store):
    rows = documented()
    kinds = {"real": "<f4", "real or f16": "<f4", "f64": "<f8", "i32": "<i4", "i64": "<i8", "u8": "|u1", "f32": "<f4", "text": "|O",
             "text of 4096 bytes": "|S4096"}
    with h5py.File(store) as h5:
        expected = {scale for dim, scale in SCALES.items() if "<variant>" not in scale and dim not in ELSEWHERE}
        marks = rows.pop("/progress/<stage>")
        for stage, array in h5["progress"].items():
            assert array.is_scale or array.dtype.str == kinds[marks[1]] and (array[()] == 1).all(), stage
            expected.add(array.name)
        sums = rows.pop("/checksum/<stage>")
        for stage, array in h5["checksum"].items():
            assert array.is_scale or array.dtype.str == kinds[sums[1]] and (array[()] >= 0).all(), stage
            expected.add(array.name)
        for path, (dims, kind) in rows.items():
            if ELSEWHERE & set(dims) or ROUNDED.fullmatch(path):
                continue
            for variant in h5["variant"].asstr()[:] if "<variant>" in path else [""]:
                name = path.replace("<variant>", variant).replace("<condition>", "gaussian_noise/5")
                if name.startswith("/change/dense/") and "gaussian" not in name:
                    continue  # dense is not compared with itself
                own = {d: s.replace("<variant>", variant) for d, s in SCALES.items() if "<variant>" in s}
                expected |= {name} | {own[d] for d in dims if d in own}
                array = h5[name]
                assert array.dtype.str == kinds[kind], name
                assert isinstance(array.attrs["units"], str) and isinstance(array.attrs["long_name"], str), name
                assert array.shape == tuple(len(h5[own[d]]) if d in own else SIZES[d] for d in dims), name
                scales = [beside(name, own.get(d) or SCALES[d]) for d in dims]
                scales = [s + f"_{scales[:i].count(s) + 1}" * (s in scales[:i]) for i, s in enumerate(scales)]
                assert [d[0].name for d in array.dims] == scales, name
                expected.update(scales)
        found = set()
        h5.visititems(lambda name, item: found.add("/" + name) if isinstance(item, h5py.Dataset) else None)
        assert found == expected


def test_the_file_describes_itself(store):
    with facet.open(store) as study:
        found = study.arrays()
        margin = study.labelled("geometry/margin", variant=0, condition=0)
    rows = documented()
    for path, (dims, unit, meaning) in found.items():
        known = re.sub("/(dense|magnitude[^/]*|random[^/]*)/", "/<variant>/", "/" + path).replace("gaussian_noise/5", "<condition>")
        if not path.startswith(("progress/", "checksum/")):
            assert len(dims) == len(rows[known][0]) and f"| {unit} |".replace("| 1 |", "|  |") in PAGE, path
            assert meaning.replace("|", "\\|") in PAGE, path
    assert found["geometry/margin"][:2] == (("variant", "condition", "sample"), "feature")
    assert margin.attrs["units"] == "feature" and margin.attrs["long_name"].startswith("signed distance")


def test_attributes_are_those_of_the_documentation(store):
    text = PAGE.partition("## Attributes")[2].partition("## How")[0]
    table, _, rest = text.partition("Of the group `/summary`")
    rest = rest.partition("Of the file:")[2]
    with h5py.File(store) as h5:
        of_variant = re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table.splitlines() if line[:3] == "| `"))
        for variant in h5["variants"].values():
            assert sorted({*variant.attrs, "warnings"}) == sorted(of_variant)  # left out where there are none, as is
        assert sorted({*h5.attrs, "diverged", "paths_from_sha256", "groups_sha256", "groups_2_sha256"}) == sorted(re.findall(r"`(\w+)`", rest))
        assert h5.attrs["schema_version"] == 11 and isinstance(h5.attrs["study"], str)


def test_xarray_sees_named_dimensions(store):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")

    def opened(group):
        return xarray.open_dataset(store, engine="h5netcdf", group=group)

    with opened("/") as root, opened("/geometry") as geometry, opened("/prediction") as prediction:
        assert root["variant"].values[1] == "magnitude-global-0.5"
        assert geometry["cosine"].dims == ("variant", "condition", "sample", "class")
        angle = geometry["angle"].assign_coords(variant=root["variant"], condition=root["condition"])
        clean = angle.sel(variant="dense", condition="clean")
        assert clean.dims == ("sample",) and np.isfinite(clean).all()
        assert prediction["logits"].shape == (4, 3, 130, 4)
    with opened("/linear/dense") as linear, opened("/linear") as above:
        assert linear["W"].dims == ("linear_sample", "k", "channel", "y", "x") and linear["W"].shape[0] == 70
        assert linear["b_node"].sum("node").shape == linear["b"].shape
        assert list(linear["node"].values)
        assert np.array_equal(above["linear_sample"], np.arange(70)) and np.array_equal(above["sample"], np.arange(70))


def test_the_whole_file_opens_as_a_tree(store):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    with warnings.catch_warnings(), h5py.File(store) as h5:
        warnings.simplefilter("error")
        with xarray.open_datatree(store) as tree:  # it finds the engine by itself
            found = 0
            for node in tree.subtree:
                for name, coordinate in node.coords.items():
                    assert coordinate.attrs["units"] and coordinate.attrs["long_name"], f"{node.path}/{name}"
                for name, array in node.dataset.variables.items():
                    path = f"{node.path}/{name}"
                    if path not in h5 or h5[path].is_scale or path in ROOTED or re.fullmatch("/paths/.+/class", path):
                        continue  # coordinates, and names of theirs, where a tree of xarray shows those of the root
                    assert len(set(array.dims)) == array.ndim and set(array.dims) <= set(node.coords), path
                    assert array.attrs["units"] and array.attrs["long_name"], path
                    assert all(len(node.coords[d]) == size for d, size in array.sizes.items()), path
                    assert array.shape == h5[path].shape, path
                    found += 1
            assert found == len([1 for item in datasets(h5) if not item.is_scale]) - len(ROOTED) - 2 * 4
            agreement = tree["summary/agreement"].sel(condition="clean", variant="dense", variant_2="random-layer-0.5")
            assert agreement.item() == h5["summary/agreement"][0, 0, 3]
            assert tree["embed/position"].sizes["sample"] == 130 and tree["embed/dense/W"].sizes["embed_sample"] == 30
            assert np.array_equal(tree["change/change_sample"], h5["change/sample"])
            assert (tree["change/change_sample"] >= 0).all()


def datasets(h5):
    found = []
    h5.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found
