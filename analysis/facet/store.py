"""The result file: opened, checked, and what it says of itself."""

from __future__ import annotations

import functools
import operator
import os
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np

from facet.errors import NO_INPUT, StudyError, known, number_of
from facet.hdf import Array, dimension_names, labelled, plain, select, strings, texts, unlike_the_root

if TYPE_CHECKING:
    import xarray

SCHEMAS = range(1, 12)  # that this reader knows
NEEDED = ("variant", "condition", "class", "sample", "label", "image", "prediction/logits", "prediction/class",
          "geometry/angle", "geometry/length", "geometry/margin")


class Store:
    """A result file, opened to be read. Raises StudyError, one line, if it is missing, no study, or not finished."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        try:
            self.file = h5py.File(self.path, "r")
        except (FileNotFoundError, IsADirectoryError) as error:
            raise StudyError(f"{self.path}: no such file", NO_INPUT) from error
        except PermissionError as error:
            raise StudyError(f"{self.path}: permission denied", NO_INPUT) from error
        except OSError as error:
            if isinstance(error, BlockingIOError) or "unable to lock" in str(error):
                raise StudyError(f"{self.path}: is locked: a program is writing it, or its file system has no locks; with "
                                 "HDF5_USE_FILE_LOCKING=FALSE in the environment it is read all the same") from error
            raise StudyError(f"{self.path}: not an HDF5 file, or a damaged one") from error
        try:
            self._check()
        except StudyError:
            self.close()
            raise

    def _check(self) -> None:
        missing = [name for name in NEEDED if not isinstance(self.file.get(name), h5py.Dataset)]
        if missing:
            raise StudyError(f"{self.path}: not a facet study: {', '.join('/' + name for name in missing)} "
                             f"{'is' if len(missing) == 1 else 'are'} missing")
        version = plain(self.file.attrs.get("schema_version", 1))
        if version not in SCHEMAS:
            raise StudyError(f"{self.path}: schema version {version}, this reader knows {SCHEMAS[0]} to {SCHEMAS[-1]}")
        self._check_shapes()
        unfinished = self.missing_stages()
        if unfinished:
            raise StudyError(f"{self.path}: not finished: {', '.join(unfinished)} "
                             f"{'is' if len(unfinished) == 1 else 'are'} missing; start `facet run` again and it goes on")

    def _check_shapes(self) -> None:
        lines = (len(self.variants), len(self.conditions), self.samples)
        wanted = {"label": lines[2:], "image": lines[2:], "prediction/class": lines, "prediction/logits": (*lines, len(self.classes)),
                  "geometry/angle": lines, "geometry/length": lines, "geometry/margin": lines}
        wanted.update({f"cost/{name}": lines[:1] for name in self.file.get("cost", ())})
        for name, shape in wanted.items():
            found = self.file[name].shape
            rank = 4 if name == "image" else len(shape)
            if found[:len(shape)] != shape or len(found) != rank:
                raise StudyError(f"{self.path}: /{name} has shape {found}, which does not fit {lines[0]} variants, "
                                 f"{lines[1]} conditions, {lines[2]} samples, {len(self.classes)} classes")
        if 0 in lines:
            raise StudyError(f"{self.path}: holds no samples")
        self._check_numbers("label", self.label, -1, len(self.classes))

    def _check_numbers(self, path: str, found: Array, first: int, end: int) -> None:
        """What counts classes or samples has to be numbers of some: negative ones would count from the end."""
        if found.dtype.kind not in "iu":
            raise StudyError(f"{self.path}: /{path} holds {found.dtype}, not whole numbers")
        if found.size and not first <= found.min() <= found.max() < end:
            raise StudyError(f"{self.path}: /{path} holds {found.min()} to {found.max()}, not {first} to {end - 1}")

    def missing_stages(self) -> list[str]:
        """Stages of the study that are not done, with how far they are: "analyse (12 of 80 parts are done)"."""
        missing = []
        for stage, marks in self.file.get("progress", {}).items():
            if marks.is_scale:
                continue
            done, parts = int(np.sum(marks[()] == 1)), marks.size
            if done < parts:
                missing.append(f"{stage} ({done} of {parts} parts are done)" if done else stage)
        return missing

    def close(self) -> None:
        """Closes the file; arrays that were not read yet cannot be read any more."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # ---- names ----

    @functools.cached_property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the file: versions, seed, the study's own text, ... (docs/results.md, Attributes)."""
        return {name: plain(value) for name, value in self.file.attrs.items()}

    @functools.cached_property
    def name(self) -> str:
        """What the study is called."""
        return str(self.attrs.get("study_name", "study"))

    @functools.cached_property
    def variants(self) -> list[str]:
        """Names of the networks, dense first."""
        return strings(self.file["variant"])

    @functools.cached_property
    def conditions(self) -> list[str]:
        """What the samples were seen under: clean, gaussian_noise/3, ..."""
        return strings(self.file["condition"])

    @property
    def reference(self) -> str:
        """The condition that comparisons are made under: clean, or the first one."""
        return "clean" if "clean" in self.conditions else self.conditions[0]

    @functools.cached_property
    def classes(self) -> list[str]:
        """Names of the classes, in order; their numbers where the study names none."""
        return strings(self.file["class"])

    @functools.cached_property
    def label(self) -> Array:
        """True class of every test sample, N, int32; -1 where there is none."""
        return np.asarray(self.file["label"][()])

    @property
    def samples(self) -> int:
        """How many test samples there are, N."""
        return int(self.file["sample"].shape[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channel, y, x) of a sample."""
        channel, y, x = self.file["image"].shape[1:]
        return channel, y, x

    @property
    def flat(self) -> bool:
        """True for data that are a list of numbers, not a picture."""
        return self.shape[1] == 1 or self.shape[2] == 1

    @functools.cached_property
    def diverged(self) -> list[str]:
        """One line for each variant that is missing because its training diverged."""
        return texts(self.attrs, "diverged")

    # ---- places, asked for by name ----

    def variant_index(self, variant: str) -> int:
        """Number of a variant, given by name."""
        return self._index(self.variants, variant, "variant")

    def condition_index(self, condition: str) -> int:
        """Number of a condition, given by name."""
        return self._index(self.conditions, condition, "condition")

    def class_index(self, cls: str | int) -> int:
        """Number of a class, given by name or number."""
        try:
            return number_of("class", cls, self.classes)
        except StudyError as error:
            raise StudyError(f"{self.path}: {error}") from error

    def sample_index(self, sample: int) -> int:
        """The number of a test sample, if there is one."""
        try:
            number = operator.index(sample)
        except TypeError:  # a name, or half of one
            number = -1
        if not 0 <= number < self.samples:
            raise StudyError(f"{self.path}: no sample {sample}; there are 0 to {self.samples - 1}")
        return number

    def _index(self, names: list[str], name: str, what: str) -> int:
        if name not in names:
            raise StudyError(f"{self.path}: {known(what, name, names)}")
        return names.index(name)

    # ---- arrays ----

    def numbers(self, folder: str) -> Array:
        """Numbers of the samples that /linear, /change or /embed is about, int64; none where there is no such folder."""
        for path in (f"{folder}/{folder}_sample", f"{folder}/sample"):  # the second before schema version 7
            if path in self.file:
                found = np.asarray(self.file[path][()])
                self._check_numbers(path, found, 0, self.samples)
                return found
        return np.zeros(0, dtype=np.int64)

    def dataset(self, path: str) -> h5py.Dataset:
        """An array of the file, as h5py has it."""
        item = self.file.get(path)
        if not isinstance(item, h5py.Dataset):
            raise StudyError(f"{self.path}: {known('array', path, self.arrays())}")
        return item

    def arrays(self) -> dict[str, tuple[tuple[str, ...], str, str]]:
        """{path: (names of its dimensions, unit, meaning)} of every array, in the file's own words: files describe
        themselves since schema version 6, before it unit and meaning are empty."""
        found = {}

        def visit(path: str, item: h5py.HLObject) -> None:
            if isinstance(item, h5py.Dataset) and not item.is_scale:
                unit, meaning = (plain(item.attrs.get(key, "")) for key in ("units", "long_name"))
                found[path] = (dimension_names(item), unit, meaning)

        self.file.visititems(visit)
        return found

    def labelled(self, path: str, **pick: Any) -> xarray.DataArray:
        """An array with named dimensions, coordinates, units and meaning. Nothing is read before it is used.

        pick: by name of a dimension a label ("dense"; sample=7), a list of labels, or a slice of positions, as sel and isel
        of the array would take them: labelled("geometry/angle", variant="dense", condition="clean"). Of two dimensions
        that count the same, the second is variant_2; those of fewer samples are linear_sample, change_sample and
        embed_sample."""
        dataset = self.dataset(path)
        try:
            return select(labelled(dataset), pick)
        except StudyError as error:
            raise StudyError(f"{self.path}: {error}") from error

    def tree(self) -> xarray.DataTree:
        """The whole file as an xarray tree, group by group, read when used."""
        import xarray

        groups: dict[str, dict[str, xarray.DataArray]] = {"/": {}}
        attributes = {"/": self.attrs}

        def visit(path: str, item: h5py.HLObject) -> None:
            if isinstance(item, h5py.Group):
                groups["/" + path] = {}
                attributes["/" + path] = {key: plain(value) for key, value in item.attrs.items()}
            elif not item.is_scale:
                array = labelled(item)
                name = unlike_the_root(self.file, path)
                if name not in array.coords:  # else it is the coordinate itself
                    groups["/" + path.rpartition("/")[0]][name] = array

        self.file.visititems(visit)
        return xarray.DataTree.from_dict({path: xarray.Dataset(arrays, attrs=attributes[path])
                                          for path, arrays in groups.items()}, name=self.name)
