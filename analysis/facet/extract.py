"""A study cut down to what one page can hold: an HDF5 file of the same structure, with an index of its own.

Summaries, comparisons, costs, lines, planes and columns of all samples stay; of what is large for a sample (W, its parts,
changes by pixel) the most telling samples stay: the most fragile, and some of each class. Where that is still too much, lines
and planes go; then columns, positions and what is large for a sample become half precision and bins go, which follow from the
columns; then pictures go but for those samples'; then of the hundred most fragile forty stay, then fifteen; and last of all
samples go, evenly: those that stay are numbered anew, and /sample says what their numbers were."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import pathlib
import re
import tempfile
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from facet import planes
from facet.hdf import Array, dimension, strings
from facet.store import SCHEMAS
from facet.study import Study

METRICS = {"angle": "geometry/angle", "length": "geometry/length", "margin": "geometry/margin", "loss": "prediction/loss"}
BINS, NO_BIN = 64, 255
AT_ONCE = 1 << 26  # bytes
COSINES = 1 << 25  # bytes of an array that is mostly NaN, which packs to nothing
SMALL = 1 << 18  # bytes: what is no larger stays whole
ALWAYS = ("image", "label", "prediction/class", "embed/position", "progress/columns")
NEVER = re.compile("checksum/|profile/|feature/|index$|prediction/loss$|geometry/(angle|length|margin)$|embed/[^/]+/|view/")
# Arrays whose values are numbers of samples, and the dimensions that count some of them.
NUMBERS = re.compile(r"(linear|change|embed|paths|reach|attributions)/(\w+_)?sample$|lines/between$|planes/through$")
SOME = re.compile("/(linear|change|embed)/(sample|(linear|change|embed)_sample)$")
SLICES = re.compile("(lines|planes)/[^/]+/")  # what variants have of lines and planes
# What a page has no room for where it is large, by what it is called.
ROOMLESS = {"logits": "prediction/logits$", "cosines": "geometry/cosine$", "maps of attributions": "attributions/[^/]+/attribution$", "reach": "reach/[^/]+/(untied|tied|boundary)$",
            "nearest points": "reach/[^/]+/point$",
            "the census": "census/[^/]+/(distance|piece)$", "changes of groups by pixel": "change/.+/group_pixel$"}
OF_SCALES = {"DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME", "DIMENSION_LABELS"}
MOST_LINES = 16  # pairs of variant and condition whose cosines stay
OF_A_CLASS = 3  # samples of each class, beside the most fragile


@dataclasses.dataclass(frozen=True)
class Cut:
    """How much stays: telling samples, beside those of each class; in half precision, and without bins; pictures of all
    samples; of how many samples anything, 0: of all; and lines and planes."""

    telling: int = 100
    half: bool = False
    pictures: bool = True
    samples: int = 0
    slices: bool = False


def cuts(study: Study) -> Iterator[Cut]:
    """From everything that a page may hold to less and less."""
    if filled(study):
        yield Cut(slices=True)
    yield from (Cut(), Cut(half=True), Cut(half=True, pictures=False), Cut(40, True, False), Cut(15, True, False))
    samples = study.samples // 2
    while samples >= 500:
        yield Cut(15, True, False, samples)
        samples //= 2


def expected(study: Study, cut: Cut) -> float:
    """Bytes that the file takes when packed, roughly: numbers are noise, but for some bits."""
    samples, real = cut.samples or study.samples, 2 if cut.half else 4
    lines = len(study.variants) * len(study.conditions) * samples
    positions = study.file["embed/position"].shape[-1] if "embed/position" in study.file else 0
    bytes_ = lines * (0.9 * real * (len(METRICS) + positions) + (0.1 if cut.half else 3.1))
    bytes_ += 0.5 * study.file["image"].size * samples / study.samples if cut.pictures else 0
    room = filled(study) if cut.slices else {}

    def add(path: str, item: h5py.HLObject) -> None:
        nonlocal bytes_
        if isinstance(item, h5py.Dataset) and room and SLICES.match(path):
            scales = [dimension(item, axis)[1] for axis in range(item.ndim)]
            bytes_ += 0.7 * item.dtype.itemsize * math.prod(room.get(scale.name, len(scale)) if scale is not None else 1 for scale in scales)
        if isinstance(item, h5py.Dataset) and is_of_some(item) and not NEVER.match(path):
            telling_ = min(len(item), cut.telling + OF_A_CLASS * len(study.classes))
            bytes_ += 0.7 * real * telling_ * item.size / max(1, len(item))

    study.file.visititems(add)
    return bytes_


def filled(study: Study) -> dict[str, int]:
    """Of the room that lines and planes have in the file, how much the fullest takes, by the dimension's path."""
    found: dict[str, int] = {}
    for kind, count, scale in (("lines", "points", "point"), ("planes", "points", "point"), ("planes", "polygons", "polygon")):
        for variant in study.variants:
            if f"{kind}/{variant}/{count}" in study.file:
                most = int(study.file[f"{kind}/{variant}/{count}"][()].max())
                found[f"/{kind}/{scale}"] = max(1, most, found.get(f"/{kind}/{scale}", 1))
    for variant in planes.cut(study):
        group = study.file[f"planes/{variant}"]
        for number, polygons in enumerate(group["polygons"][()]):
            corners = int(group["end"][number, polygons - 1]) if polygons else 1
            found["/planes/corner_place"] = max(corners, found.get("/planes/corner_place", 1))
    return found


def is_of_some(item: h5py.Dataset) -> bool:
    """Whether an array is of some samples, and large for each."""
    scale = dimension(item, 0)[1] if item.ndim > 2 else None
    return scale is not None and bool(SOME.match(scale.name))


def telling(study: Study, folder: str, most: int) -> Array:
    """Places, in ascending order, of the most telling samples among those of /linear, /change, or of all ("")."""
    numbers = study.numbers(folder) if folder else np.arange(study.samples)
    rank = study.file["fragility/rank"][()] if "fragility/rank" in study.file else np.arange(0)
    place = np.full(study.samples, study.samples)
    place[rank[rank >= 0]] = np.arange(np.count_nonzero(rank >= 0))
    chosen: Array = np.argsort(place[numbers], kind="stable")[:most]
    for label in range(len(study.classes)):
        chosen = np.union1d(chosen, np.flatnonzero(study.label[numbers] == label)[:OF_A_CLASS])
    return np.sort(chosen)


class Extract:
    """One cut of a study; `bytes` is the file."""

    def __init__(self, study: Study, cut: Cut) -> None:
        self.study, self.cut, self.source = study, cut, study.file
        self.folders = [folder for folder in ("linear", "change") if len(study.numbers(folder))]
        self.places = {folder: telling(study, folder, cut.telling) for folder in self.folders}
        shown = [study.numbers(folder)[self.places[folder]] for folder in self.folders] or [telling(study, "", cut.telling)]
        self.shown = functools.reduce(np.union1d, shown)  # samples of which everything is there
        self.room = filled(study) if cut.slices else {}
        self.kept: Array = np.arange(study.samples)
        if cut.samples:
            even = np.linspace(0, study.samples - 1, cut.samples).astype(np.int64)
            named = [self.source[path][()].ravel() for path in ("lines/between", "planes/through") if path in self.source]
            named += [study.numbers(folder) for folder in ("paths", "reach", "attributions")]
            self.kept = functools.reduce(np.union1d, named, np.union1d(self.shown, even))

    # ---- which arrays, and how much of them ----

    def picks(self, item: h5py.Dataset) -> list[Array | None]:
        """Of each axis the places that stay; None: all."""
        found = []
        for axis in range(item.ndim):
            scale = dimension(item, axis)[1]
            found.append(self.pick(item.name if item.is_scale else scale.name if scale is not None else ""))
        return found

    def pick(self, scale: str) -> Array | None:
        if scale in ("/sample", "/fragility/place"):
            return None if len(self.kept) == self.study.samples else self.kept if scale == "/sample" else np.arange(len(self.kept))
        if scale in self.room:
            return np.arange(self.room[scale])
        some = SOME.match(scale)
        folder = "change" if scale == "/progress/change_place" else some[1] if some else ""
        return self.places.get(folder)

    def wanted(self, path: str, item: h5py.Dataset) -> bool:
        if NEVER.match(path) or (SLICES.match(path) and not self.cut.slices):
            return False
        picks = self.picks(item)
        stays = math.prod(length if pick is None else len(pick) for length, pick in zip(item.shape, picks))
        if path == "geometry/cosine" and 2 * stays <= COSINES:
            return True
        if path in ("prediction/logits", "geometry/cosine") or all(pick is None for pick in picks):
            return path in ALWAYS or stays * item.dtype.itemsize <= SMALL
        return True

    def read(self, item: h5py.Dataset) -> Array:
        """Of an array what stays."""
        picks = self.picks(item)
        first = next((axis for axis, pick in enumerate(picks) if pick is not None), None)
        if first is None:
            return np.asarray(item[()])
        pick = picks[first]
        assert pick is not None
        out = np.empty((*item.shape[:first], len(pick), *item.shape[first + 1:]), item.dtype)
        for at in np.ndindex(*item.shape[:first]):
            out[at] = chosen(item, at, pick)
        for axis, more in enumerate(picks[first + 1:], first + 1):
            out = out if more is None else out.take(more, axis)
        return out

    def renumbered(self, numbers: Array) -> Array:
        """Numbers of samples in the study, of some that stay, as their numbers here."""
        return np.searchsorted(self.kept, numbers)

    # ---- the numbers of an array ----

    def numbers(self, path: str, item: h5py.Dataset) -> Array:
        if path == "image":
            return self.pictures(item)
        if path == "geometry/cosine":
            return self.some_cosines(item)
        if path in ("fragility/rank", "fragility/class_rank") and len(self.kept) < self.study.samples:
            return self.ranks(item)
        found = self.read(item)
        if NUMBERS.match(path):
            found = self.renumbered(found)
        large = path == "embed/position" or (self.cut.half and is_of_some(item) and found.dtype.kind == "f")
        return self.narrow(found) if large else found

    def some_cosines(self, item: h5py.Dataset) -> Array:
        """All where they are small, else in half precision those of dense, and clean those of a network of each group of
        replicates; NaN for the others."""
        kept = self.pick("/sample")
        shape = (*item.shape[:2], len(self.kept), item.shape[3])
        if math.prod(shape) * item.dtype.itemsize <= SMALL:
            return self.read(item)
        found = np.full(shape, np.nan, "<f2")
        for variant, condition in self.cosine_lines():
            line = item[variant, condition]
            found[variant, condition] = line if kept is None else line[kept]
        return found

    def cosine_lines(self) -> list[tuple[int, int]]:
        clean = self.study.condition_index(self.study.reference)
        firsts = [(self.study.variant_index(group[0]), clean) for group in self.study.replicates.values()]
        return list(dict.fromkeys([*((0, c) for c in range(len(self.study.conditions))), *firsts]))[:MOST_LINES]

    def pictures(self, item: h5py.Dataset) -> Array:
        """Bytes, where pixels are whole numbers that fit."""
        places = self.kept if self.cut.pictures else self.shown
        found = item[()] if len(places) == len(item) else np.stack([item[place] for place in places])
        whole = np.nan_to_num(found, nan=-1)
        fits = whole.size and whole.min() >= 0 and whole.max() <= 255 and (whole == np.floor(whole)).all()
        return found.astype("u1") if fits else found

    def ranks(self, item: h5py.Dataset) -> Array:
        lines = np.atleast_2d(item[()])
        out = np.full((len(lines), len(self.kept) if item.ndim == 1 else lines.shape[1]), -1, item.dtype)
        for line, row in zip(lines, out):
            some = self.renumbered(line[np.isin(line, self.kept)])[:len(row)]
            row[:len(some)] = some
        return out.reshape(-1) if item.ndim == 1 else out

    def narrow(self, numbers: Array) -> Array:
        """In single precision, or in half where that is the cut and they fit."""
        largest = np.abs(numbers[np.isfinite(numbers)]).max(initial=0)
        return numbers.astype("<f2" if self.cut.half and largest < 6e4 else "<f4")

    # ---- writing ----

    def bytes(self) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "study.h5")
            with h5py.File(path, "w", libver=("v108", "v108")) as out:
                self.write(out)
            return path.read_bytes()

    def write(self, out: h5py.File) -> None:
        arrays: dict[str, h5py.Dataset] = {}
        groups: list[h5py.Group] = [self.source["/"]]

        def look(path: str, item: h5py.HLObject) -> None:
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif not item.is_scale and self.wanted(path, item):
                arrays[path] = item

        self.source.visititems(look)
        for path in [*arrays, *METRICS.values()]:  # and the coordinates of all these
            for axis in range(self.source[path].ndim):
                scale = dimension(self.source[path], axis)[1]
                if scale is not None:
                    arrays[scale.name[1:]] = scale
        for group in groups:
            if group.name == "/" or any(path.startswith(group.name[1:] + "/") for path in arrays) or group.name.startswith("/variants"):
                self.describe(group, out.require_group(group.name))
        for path, item in sorted(arrays.items()):
            self.put(out, path, item)
        self.put_columns(out)
        for path, item in sorted(arrays.items()):
            self.attach(out, path, item)
        out.attrs["schema_version"] = SCHEMAS[-1]
        out.attrs["left_out"] = self.left_out()
        write_index(out)

    def describe(self, source: Any, to: Any) -> None:
        for name, value in source.attrs.items():
            if name not in OF_SCALES:
                to.attrs[name] = value

    def put(self, out: h5py.File, path: str, item: h5py.Dataset) -> None:
        if item.dtype.kind in "OS":
            made = out.create_dataset(path, data=self.texts(path, item), dtype=h5py.string_dtype(), track_times=False)
        else:
            made = out.create_dataset(path, data=self.numbers(path, item), track_times=False)
        self.describe(item, made)
        if item.is_scale:
            made.make_scale(path.rpartition("/")[2])

    def texts(self, path: str, item: h5py.Dataset) -> Any:
        """Where a text leads to a sample, to its number here; to none that is not here."""
        def here(match: re.Match[str]) -> str:
            number = int(match[2])
            return f"{match[1]}{np.searchsorted(self.kept, number)}" if number in self.kept else ""
        found = [re.sub(r"(&?\bsample=)(\d+)", here, text) if path.startswith("findings/") else text for text in strings(item)]
        return found[0] if item.shape == () else np.array(found, dtype=object).reshape(item.shape)

    def attach(self, out: h5py.File, path: str, item: h5py.Dataset) -> None:
        for axis in range(0 if item.is_scale else item.ndim):
            scale = dimension(item, axis)[1]
            if scale is None:
                continue
            name = scale.name
            if path == "image" and axis == 0 and len(out["image"]) < len(self.kept):
                name = "/image_sample"
                made = out.create_dataset(name, data=self.renumbered(self.shown), track_times=False)
                made.attrs.update(units="1", long_name="numbers of the samples whose pictures are here")
                made.make_scale("image_sample")
            out[path].dims[axis].attach_scale(out[name])

    def put_columns(self, out: h5py.File) -> None:
        """/view, and the marks of its stage; made here if the study has none."""
        if "progress/columns" not in out:
            out["progress/columns"] = np.ones((len(self.study.variants), len(self.study.conditions)), "u1")
        for metric, of in METRICS.items():
            item = self.source[of]
            there = f"view/{metric}" in self.source
            column = self.read(self.source[f"view/{metric}"] if there else item).astype("<f4")
            edge = self.source[f"view/{metric}_edge"][()] if there else edges(item[()].astype("<f4"))
            code = self.read(self.source[f"view/{metric}_bin"]) if there else bins(column, edge)
            if "view/edge" not in out:
                numbers = out.create_dataset("view/edge", data=np.arange(BINS + 1), track_times=False)
                numbers.attrs.update(units="1", long_name=f"edges of bins: 0 … {BINS}")
                numbers.make_scale("edge")
            unit = item.attrs.get("units", "")
            for path, values, units, meaning in (
                    (metric, self.narrow(column), unit, f"/{of} in single precision"),
                    (f"{metric}_bin", code, "1", f"which bin /view/{metric} is in; {NO_BIN}: it is not finite"),
                    (f"{metric}_edge", edge, unit, f"where bins end: quantiles of all of /view/{metric}; NaN: there is no finite number")):
                if self.cut.half and path.endswith("_bin"):
                    continue
                made = out.create_dataset(f"view/{path}", data=values, track_times=False)
                if there:
                    self.describe(self.source[f"view/{path}"], made)
                else:
                    made.attrs.update(units=units, long_name=meaning)
                scales = ["view/edge"] if path.endswith("_edge") else ["variant", "condition", "sample"]
                for axis, scale in enumerate(scales):
                    made.dims[axis].attach_scale(out[scale])

    def left_out(self) -> list[str]:
        """What the page does not have of the study, a line each."""
        said = [f"/{folder}: {len(places)} of {len(self.study.numbers(folder))} samples, the most fragile and some of each class"
                for folder, places in self.places.items() if len(places) < len(self.study.numbers(folder))]
        if len(self.kept) < self.study.samples:
            said.append(f"{len(self.kept)} of {self.study.samples} samples, numbered anew: /sample says their numbers")
        if not self.cut.pictures:
            said.append(f"/image: {len(self.shown)} pictures")
        if self.cut.half:
            said.append("/view, /embed/position, and pixels of /linear and /change: in half precision")
        if not self.cut.slices and filled(self.study):
            said.append("/lines and /planes")
        arrays: dict[str, h5py.Dataset] = {}
        self.source.visititems(lambda path, item: arrays.update({path: item}) if isinstance(item, h5py.Dataset) and not item.is_scale else None)
        large = [name for name, pattern in ROOMLESS.items() if any(re.match(pattern, path) and not self.wanted(path, item) for path, item in arrays.items())]
        cosine = self.source.get("geometry/cosine")
        if cosine is not None and cosine.size * cosine.dtype.itemsize > SMALL and self.wanted("geometry/cosine", cosine):
            said.append("/geometry/cosine: of dense, and clean of one network of each group of replicates")
        return [*said, ", ".join([*large, "features", "the linearized map of positions"])]


def chosen(item: h5py.Dataset, at: tuple[int, ...], places: Array) -> Array:
    """Of the axis behind `at` these places, which ascend: all between read at once, unless that is much."""
    line = math.prod(item.shape[len(at) + 1:]) * item.dtype.itemsize
    if len(places) and (int(places[-1]) - int(places[0]) + 1) * line <= AT_ONCE:
        return np.asarray(item[(*at, slice(int(places[0]), int(places[-1]) + 1))][places - places[0]])
    return np.array([item[(*at, place)] for place in places], item.dtype).reshape(len(places), *item.shape[len(at) + 1:])


def edges(column: Array) -> Array:
    """As the stage `columns` has them: quantiles of all finite numbers."""
    finite = np.sort(column[np.isfinite(column)])
    if finite.size == 0:
        return np.full(BINS + 1, np.nan, "<f4")
    return np.append(finite[finite.size * np.arange(BINS) // BINS], finite[-1])


def bins(column: Array, edge: Array) -> Array:
    return np.where(np.isfinite(column), np.searchsorted(edge[1:-1], column, side="right"), NO_BIN).astype("u1")


def write_index(file: h5py.File) -> None:
    """/index, as docs/results.md describes it."""
    made = file.create_dataset("index", shape=(), dtype=h5py.string_dtype(), track_times=False)
    made.attrs.update(units="1", long_name="where in the file the numbers of its arrays lie, as JSON")
    file.flush()
    entries = []

    def look(_: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset):
            offset, text = item.id.get_offset(), item.dtype.kind in "OS"
            entries.append({"path": item.name, "offset": -1 if text or offset is None else offset, "shape": list(item.shape),
                            "type": "text" if text else item.dtype.str})

    file.visititems(look)
    made[()] = json.dumps(entries)
