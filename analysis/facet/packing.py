"""Images into one HDF5 file that studies read: /images, N x channel x y x x, and /labels; written while they are read."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pathlib
import sys
import time
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from facet.errors import CANNOT_CREATE, NO_INPUT, FacetError
from facet.hdf import Array
from facet.phase import now, still
from facet.sources import Wanted, find

AT_ONCE = 1 << 22  # bytes of images that wait to be written


@dataclasses.dataclass(frozen=True)
class Packed:
    """A packed file: how many samples, the shape of each, and what a study has to know of it."""

    path: str
    count: int
    shape: tuple[int, ...]  # channel, y, x; or one number, of lists of numbers
    type: str
    labelled: bool
    classes: list[str]
    mean: list[float]  # of each channel, of pixels over `scale`
    std: list[float]
    scale: float

    def __repr__(self) -> str:
        classes = f", {len(self.classes)} classes" if self.classes else "" if self.labelled else ", without labels"
        return f"<facet.Packed {self.path}: {self.count} x {' x '.join(map(str, self.shape))}, {self.type}{classes}>"

    def study(self) -> str:
        """The `data` of a study that reads it, in YAML."""
        lines = ["data:", f"  test: {{format: hdf5, images: {json.dumps(self.path, ensure_ascii=False)}"]
        if len(self.shape) == 3:
            lines[-1] += ", layout: channels_first"
        lines[-1] += "}"
        spread = [std if std > 0 else 1.0 for std in self.std]
        mean, std = (f"[{', '.join(f'{value:.4g}' for value in values)}]" for values in (self.mean, spread))
        lines.append(f"  normalize: {{scale: {self.scale:g}, mean: {mean}, std: {std}}}")
        if self.classes:
            lines.append(f"  classes: [{', '.join(json.dumps(name, ensure_ascii=False) for name in self.classes)}]")
        return "\n".join(lines)


class Writer:
    """Takes samples one by one. The file appears when the `with` ends well, and not otherwise."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path, self.part = path, path.with_name(f"{path.name}.part-{os.getpid()}")
        self.count, self.labelled = 0, False
        self.shape: tuple[int, ...] = ()
        self._waiting: list[Array] = []
        self._labels: list[int] = []
        self._sums = np.zeros((2, 1))
        try:
            self.file = h5py.File(self.part, "w")
        except OSError as error:
            raise FacetError(f"{path}: cannot be written", CANNOT_CREATE) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.file.close()
        if kind is None:
            self.part.replace(self.path)
        else:
            self.part.unlink(missing_ok=True)

    def begin(self, image: Array, labelled: bool) -> None:
        """By the first sample: shape, type, and whether there are labels."""
        self.shape, self.labelled, self.type = image.shape, labelled, image.dtype
        rows = max(1, AT_ONCE // max(1, 4 * image.nbytes))
        self.images = self.file.create_dataset("images", (0, *image.shape), image.dtype, maxshape=(None, *image.shape),
                                               chunks=(rows, *image.shape), track_times=False)
        if labelled:
            self.labels = self.file.create_dataset("labels", (0,), np.int32, maxshape=(None,), chunks=(1 << 14,),
                                                   track_times=False)
        self._sums = np.zeros((2, image.shape[0] if image.ndim == 3 else 1))

    def add(self, where: str, image: Array, label: int | None) -> None:
        if not self.shape:
            self.begin(image, label is not None)
        if image.shape != self.shape:
            said = [" x ".join(map(str, shape)) for shape in (image.shape, self.shape)]
            raise FacetError(f"{where}: {said[0]}, but those before are {said[1]}: --size makes images alike, and --channels")
        if image.dtype != self.type:
            raise FacetError(f"{where}: {image.dtype}, but those before are {self.type}")
        if (label is not None) != self.labelled:
            raise FacetError(f"{where}: has {'a' if label is not None else 'no'} label, unlike those before")
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise FacetError(f"{where}: holds NaN or infinity")
        values = image.reshape(len(self._sums[0]), -1).astype(float)
        self._sums += [values.mean(axis=1), (values**2).mean(axis=1)]
        self._waiting.append(image)
        self._labels.append(-1 if label is None else label)
        if len(self._waiting) * image.nbytes >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        if not self._waiting:
            return
        first, self.count = self.count, self.count + len(self._waiting)
        try:
            self.images.resize(self.count, axis=0)
            self.images[first:] = np.stack(self._waiting)
            if self.labelled:
                self.labels.resize(self.count, axis=0)
                self.labels[first:] = self._labels
        except OSError as error:
            raise FacetError(f"{self.path}: writing failed: {str(error).splitlines()[0]}", CANNOT_CREATE) from error
        self._waiting, self._labels = [], []

    def spread(self, scale: float) -> tuple[list[float], list[float]]:
        """(mean, standard deviation) of each channel over all pixels, in units of `scale`."""
        mean, square = self._sums / max(1, self.count) / np.array([[scale], [scale**2]])
        return mean.tolist(), np.sqrt(np.maximum(0, square - mean**2)).tolist()


def array(where: str, image: Any, size: tuple[int, int] | None, channels: int | None) -> Array:
    """An image as channel x y x x, uint8 or float32; a list of numbers stays one. PIL's, or a file's, are converted to the
    channels that are asked for, or else to grey or RGB, and fitted into a size: scaled to cover it, cut in the middle."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        if isinstance(image, (pathlib.Path, bytes)):
            image = Image.open(io.BytesIO(image) if isinstance(image, bytes) else image)
        if isinstance(image, Image.Image):
            deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
            mode = {1: "L", 3: "RGB"}[channels] if channels else "L" if image.mode in ("1", "L", "LA") else "RGB"
            image = image if deep else image.convert(mode)
            if size:
                image = ImageOps.fit(image.convert("F") if deep else image, size[::-1], Image.Resampling.BILINEAR)
    except FileNotFoundError as error:
        raise FacetError(f"{image}: no such file", NO_INPUT) from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise FacetError(f"{where}: no image, or a damaged one") from error
    made = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)
    last = isinstance(image, Image.Image) or made.ndim == 3 and made.shape[2] in (1, 3, 4) and made.shape[0] not in (1, 3, 4)
    if made.dtype.kind not in "fiub" or made.ndim not in (1, 2, 3):
        raise FacetError(f"{where}: neither an image nor a list of numbers: {made.dtype}, {made.ndim} dimensions")
    if made.ndim == 2:
        made = made[None]
    elif made.ndim == 3 and last:
        made = np.moveaxis(made, 2, 0)
    if size and made.ndim == 3 and made.shape[1:] != size:
        raise FacetError(f"{where}: --size is for image files; this is an array of {made.shape[1]} x {made.shape[2]}")
    return np.ascontiguousarray(made, np.uint8 if made.dtype in (np.uint8, bool) else np.float32)


class Progress:
    """A line on a terminal; elsewhere a command's phase."""

    def __init__(self, total: int | None, wanted: bool) -> None:
        self.total, self.begun, self.said = total, time.monotonic(), 0.0
        self.wanted, self.of = wanted and sys.stderr.isatty(), "" if total is None else f" of {total}"
        now("" if self.wanted else "packing")

    def __call__(self, done: int, last: bool = False) -> None:
        if not self.wanted:
            still(f"packing, {done}{self.of} samples")
            return
        time_now = time.monotonic()
        if not last and time_now - self.said < 0.2:
            return
        self.said, took, bar = time_now, time_now - self.begun, ""
        if self.total:
            filled = 30 * done // max(1, self.total)
            left = took / max(1, done) * (self.total - done)
            bar = f"{self.of} [{'#' * filled}{'.' * (30 - filled)}] {int(left // 60)}:{int(left % 60):02} left"
        print(f"\r\033[Kfacet pack: {done}{bar}", end="\n" if last else "", file=sys.stderr, flush=True)


def pack(source: Any, path: str | os.PathLike[str], *, size: tuple[int, int] | None = None, channels: int | None = None,
         count: int | None = None, split: str | None = None, image: str | None = None, label: str | None = None,
         shape: tuple[int, ...] | None = None, progress: bool = False) -> Packed:
    """Writes a data set into one HDF5 file that studies read, sample by sample; whole or not at all.

    source: a folder with one of images for each class (ImageFolder), a folder or file of Arrow or Parquet (Hugging Face), a
    CSV, MODULE:NAME or FILE.py:NAME of a data set, or such a data set: with a length, and items (image, label).
    size: (y, x), which image files are fitted into: scaled to cover it, and cut in the middle. channels: 1 or 3.
    count: the first so many. split: of Hugging Face. image, label: names of columns. shape: of the numbers of a CSV's row."""
    if channels not in (None, 1, 3):
        raise FacetError(f"{channels} channels: 1 is grey, 3 are colours")
    now("looking at what there is")
    found = find(source, Wanted(split, image, label, shape))
    total = found.count if count is None else min(count, found.count) if found.count is not None else count
    show, done = Progress(total, progress), 0
    with Writer(pathlib.Path(path)) as writer:
        for where, given, number in found.samples():
            if done == count:
                break
            most = (len(found.classes) or np.iinfo(np.int32).max) - 1
            if number is not None and not 0 <= number <= most:
                raise FacetError(f"{where}: label {number} is not in 0..{most}")
            writer.add(where, array(where, given, size, channels), number)
            done += 1
            show(done)
        if not done or count is not None and done < count:
            raise FacetError(f"{source}: {done} samples" + (f", not {count}" if count is not None else ""))
        writer.flush()
        show(done, last=True)
        if found.classes:
            writer.file.create_dataset("classes", data=found.classes, dtype=h5py.string_dtype(), track_times=False)
        scale = 255.0 if writer.type == np.uint8 else 1.0
        return Packed(os.fspath(path), done, writer.shape, str(writer.type), writer.labelled, found.classes,
                      *writer.spread(scale), scale)
