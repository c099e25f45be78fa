"""Where people keep images: folders of files, data sets of PyTorch, Hugging Face's Arrow and Parquet, CSV. Each is opened as
a Source, whose samples are made one after the other, so that none has to fit in memory."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import importlib
import importlib.util
import itertools
import json
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from facet.errors import NO_INPUT, FacetError, known
from facet.phase import now

Sample = tuple[str, Any, int | None]  # where it is, for messages; image: of PIL, an array, or the bytes of a file; label
SPLITS = {"train", "training", "test", "val", "valid", "validation", "dev"}
ROWS = 64  # of a table, at once


@dataclasses.dataclass(frozen=True)
class Source:
    samples: Callable[[], Iterator[Sample]]  # from the first one, at each call
    count: int | None  # None: known when all were seen
    classes: list[str]  # names; [] where there are none


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is asked for of a source; None: what there is, where that leaves no doubt."""

    split: str | None = None
    image: str | None = None  # name of the column of images
    label: str | None = None
    shape: tuple[int, ...] | None = None  # of a row of numbers


def named(labels: Iterable[Any]) -> tuple[list[str], dict[Any, int | None]]:
    """(names of classes, the number of each label), of labels as a table has them: numbers from 0 on stay what they are,
    other ones are classes in order. None, and -1 where no other label is below 0, are no label."""
    found = {label.item() if isinstance(label, np.generic) else label for label in labels}
    nothing = {label for label in found if label is None or label != label or label == -1}  # NaN is not itself
    found -= nothing
    numbers: dict[Any, int | None] = dict.fromkeys(nothing)
    if all(isinstance(label, (int, float)) and label == int(label) for label in found):
        if all(label >= 0 for label in found) and max(found, default=0) < 2 * len(found) + 10:
            return [], {**numbers, **{label: int(label) for label in found}}
        order = sorted(found)
        return [str(int(label)) for label in order], {**numbers, **{label: i for i, label in enumerate(order)}}
    order = sorted(found, key=str)
    return [str(label) for label in order], {**numbers, **{label: i for i, label in enumerate(order)}}


# ---- folders of images ----


def is_image(name: str) -> bool:
    from PIL import Image

    return pathlib.PurePath(name).suffix.lower() in Image.registered_extensions()


def files_below(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for where, folders, names in os.walk(folder):
        folders.sort()
        yield from (pathlib.Path(where, name) for name in sorted(names) if is_image(name))


def of_folder(folder: pathlib.Path) -> Source:
    """ImageFolder of torchvision: a folder for each class, in order of their names."""
    classes = sorted(f.name for f in folder.iterdir() if f.is_dir() and any(True for _ in files_below(f)))
    if not classes:
        raise FacetError(f"{folder}: no folders with images in them, one for each class, and no Arrow or Parquet files")
    if {name.lower() for name in classes} <= SPLITS:
        raise FacetError(f"{folder}: holds {', '.join(classes)}, which are no classes: pack {folder / classes[0]}, for one")

    def samples() -> Iterator[Sample]:
        for label, name in enumerate(classes):
            for file in files_below(folder / name):
                yield str(file), file, label

    now(f"counting the images of {len(classes)} classes")
    return Source(samples, sum(1 for name in classes for _ in files_below(folder / name)), classes)


# ---- data sets of PyTorch ----


def numbered(label: Any, where: str) -> int | None:
    """A label as the number of its class; None, as of -1: there is none."""
    try:
        number = int(label)
        whole = bool(label == number)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # the last of a tensor of several numbers
        whole = False
    if not whole:
        said = " ".join(repr(label).split())
        raise FacetError(f"{where}: a label is the number of a class, a whole one, not {said if len(said) <= 40 else said[:39] + '…'}")
    return None if number == -1 else number


def of_dataset(dataset: Any, wanted: Wanted) -> Source:
    """What has a length and items: a torch.utils.data.Dataset of (image, label), or of images, or one of Hugging Face."""
    features = getattr(dataset, "features", None)
    names = getattr(dataset, "classes", None)
    columns = columns_of({name: vars(feature) | {"_type": type(feature).__name__} for name, feature in features.items()},
                         wanted, type(dataset).__name__, list(features)) if features else None
    if columns and columns.classes:
        names = columns.classes
    try:
        count = len(dataset)
    except TypeError as error:
        raise FacetError(f"{type(dataset).__name__}: a data set needs a length, and items") from error

    def samples() -> Iterator[Sample]:
        for i in range(count):
            item, label = dataset[i], None
            if columns and isinstance(item, dict):
                item, label = item[columns.image], item[columns.label] if columns.label else None
            elif isinstance(item, (tuple, list)):
                item, label = item[0], item[1] if len(item) > 1 else None
            yield f"sample {i}", item, None if label is None else numbered(label, f"{type(dataset).__name__}: sample {i}")

    return Source(samples, count, [str(name) for name in names] if isinstance(names, (list, tuple)) else [])


def of_python(text: str, wanted: Wanted) -> Source:
    """MODULE:NAME or FILE.py:NAME: a data set, or a function that makes one."""
    where, _, name = text.rpartition(":")
    try:
        if where.endswith(".py"):
            spec = importlib.util.spec_from_file_location(pathlib.Path(where).stem, where)
            assert spec and spec.loader
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(where)
    except FileNotFoundError as error:
        raise FacetError(f"{where}: no such file", NO_INPUT) from error
    if not hasattr(module, name):
        raise FacetError(f"{where}: {known('data set', name, [n for n in vars(module) if n[0] != '_'])}", NO_INPUT)
    found = getattr(module, name)
    makes = isinstance(found, type) or callable(found) and not hasattr(found, "__getitem__")
    return of_dataset(found() if makes else found, wanted)


# ---- Hugging Face: Arrow and Parquet ----


@dataclasses.dataclass(frozen=True)
class Columns:
    image: str
    label: str | None
    classes: list[str]


def one_of(what: str, names: Sequence[str], where: str) -> str | None:
    """The only one of several names, None of none."""
    if len(names) > 1:
        raise FacetError(f"{where}: several {what} columns: {', '.join(names)}; say which with --{what}")
    return names[0] if names else None


def columns_of(features: dict[str, Any], wanted: Wanted, where: str, there: list[str]) -> Columns:
    """Which column is the image, and which the label: as asked for, as the data set's own words say, or by usual names."""
    kinds = {name: feature.get("_type") if isinstance(feature, dict) else None for name, feature in features.items()}
    for what, name in (("column", wanted.image), ("column", wanted.label)):
        if name is not None and name not in there:
            raise FacetError(f"{where}: {known(what, name, there)}")
    image = wanted.image or one_of("image", [name for name, kind in kinds.items() if kind == "Image"], where) or \
        next((name for name in ("image", "img", "pixels", "pixel_values", "x", "features") if name in there), None)
    if image is None:
        raise FacetError(f"{where}: no column of images; say which with --image: {', '.join(there)}")
    label = wanted.label or one_of("label", [name for name, kind in kinds.items() if kind == "ClassLabel"], where) or \
        next((name for name in ("label", "labels", "class", "target", "y") if name in there), None)
    names = features.get(label, {}).get("names") if label and isinstance(features.get(label), dict) else None
    return Columns(image, label, list(names or []))


def split_files(folder: pathlib.Path, wanted: Wanted) -> list[pathlib.Path]:
    """The files of a data set on disk, as save_to_disk or the hub writes them, of the split that is asked for."""
    splits: dict[str, list[pathlib.Path]] = {}
    state, parts = folder / "state.json", folder / "dataset_dict.json"
    if state.exists():
        return [folder / file["filename"] for file in json.loads(state.read_text())["_data_files"]]
    if parts.exists():
        splits = {name: [folder / name] for name in json.loads(parts.read_text())["splits"]}
    else:
        for file in sorted([*folder.rglob("*.parquet"), *folder.rglob("*.arrow")]):
            named = re.match(r"(.*?)(-\d{5}-of-\d{5}.*)?\.(?:parquet|arrow)", file.name)
            name = named[1] if named and named[2] else file.parent.name if file.parent != folder else ""
            splits.setdefault(name, []).append(file)
    if wanted.split is not None and wanted.split not in splits:
        raise FacetError(f"{folder}: {known('split', wanted.split, splits)}")
    if wanted.split is None and len(splits) > 1:
        raise FacetError(f"{folder}: has {', '.join(splits)}; say which with --split")
    chosen = splits[wanted.split or next(iter(splits))]
    return split_files(chosen[0], Wanted()) if parts.exists() else chosen


@contextlib.contextmanager
def arrow(file: pathlib.Path) -> Iterator[Any]:
    """A file of Arrow, mapped: as a stream, which save_to_disk writes, or as what pyarrow calls a file."""
    import pyarrow

    with pyarrow.memory_map(str(file)) as mapped:
        whole = mapped.read(6) == b"ARROW1"
        mapped.seek(0)
        with (pyarrow.ipc.open_file if whole else pyarrow.ipc.open_stream)(mapped) as table:
            yield table


def rows_of(file: pathlib.Path, columns: list[str]) -> Iterator[dict[str, list[Any]]]:
    """A few rows of a table at a time, by column."""
    import pyarrow.parquet

    if file.suffix == ".parquet":
        with pyarrow.parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(ROWS, columns=columns):
                yield batch.to_pydict()
        return
    with arrow(file) as table:
        for batch in (table.get_batch(i) for i in range(table.num_record_batches)) if hasattr(table, "get_batch") else table:
            for first in range(0, batch.num_rows, ROWS):
                yield batch.slice(first, ROWS).select(columns).to_pydict()


def schema_of(file: pathlib.Path) -> tuple[Any, int | None]:
    """(schema of a table, its rows as far as they are known)."""
    import pyarrow
    import pyarrow.parquet

    try:
        if file.suffix == ".parquet":
            with pyarrow.parquet.ParquetFile(file) as table:
                return table.schema_arrow, table.metadata.num_rows
        with arrow(file) as table:
            return table.schema, None
    except FileNotFoundError as error:
        raise FacetError(f"{file}: no such file", NO_INPUT) from error
    except pyarrow.ArrowInvalid as error:
        raise FacetError(f"{file}: no table of Arrow or Parquet: {str(error).splitlines()[0]}") from error


def of_tables(files: list[pathlib.Path], wanted: Wanted) -> Source:
    schemas = [schema_of(file) for file in files]
    metadata = schemas[0][0].metadata or {}
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    columns = columns_of(features, wanted, str(files[0]), schemas[0][0].names)
    label, classes, number = columns.label, columns.classes, None
    kind = np.dtype(np.uint8) if are_bytes(schemas[0][0].field(columns.image).type) else None
    if label and not classes:
        now("reading the labels, for the classes there are")
        classes, number = named(value for file in files for rows in rows_of(file, [label]) for value in rows[label])

    def samples() -> Iterator[Sample]:
        for file in files:
            place = itertools.count()
            for rows in rows_of(file, [columns.image, *([label] if label else [])]):
                for i, value in enumerate(rows[columns.image]):
                    given = rows[label][i] if label else None
                    mine = number[given] if number else None if given in (None, -1) else int(given)
                    yield f"{file}: row {next(place)}", picture(value, file.parent, kind), mine

    counts = [count for _, count in schemas if count is not None]
    return Source(samples, sum(counts) if len(counts) == len(files) else None, classes)


def are_bytes(kind: Any) -> bool:
    """Whether lists of lists, as Arrow has them, hold bytes in the end."""
    while hasattr(kind, "storage_type") or hasattr(kind, "value_type"):
        kind = kind.storage_type if hasattr(kind, "storage_type") else kind.value_type
    return str(kind) == "uint8"


def picture(value: Any, folder: pathlib.Path, kind: np.dtype[Any] | None) -> Any:
    """A cell of a column of images: the bytes of a file, where one lies, or numbers of a kind."""
    if isinstance(value, dict):  # of Hugging Face
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str):
        return folder / value
    return value if isinstance(value, bytes) else np.asarray(value, kind)


# ---- CSV ----


def of_csv(file: pathlib.Path, wanted: Wanted) -> Source:
    """A row for each sample: its label, and either its numbers or the name of its file."""
    import pandas

    def first_row() -> list[str]:
        try:
            return list(pandas.read_csv(file, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0])
        except pandas.errors.EmptyDataError as error:
            raise FacetError(f"{file}: is empty") from error
        except (pandas.errors.ParserError, UnicodeDecodeError) as error:
            raise FacetError(f"{file}: {str(error).splitlines()[0]}") from error

    first = first_row()
    header = None if all(is_number(word) for word in first) else 0
    names = [str(i) for i in range(len(first))] if header is None else first
    for name in (wanted.image, wanted.label):
        if name is not None and name not in names:
            raise FacetError(f"{file}: {known('column', name, names)}")
    paths = wanted.image or next((n for n in ("image", "file", "filename", "file_name", "path") if n in names), None)
    label = wanted.label or ("0" if header is None else next((n for n in ("label", "labels", "class", "target", "y")
                                                              if n in names), None))
    columns = [name for name in names if name != label] if paths is None else [paths]
    texts = dict.fromkeys([name for name in (paths, label) if name], str)
    if "" in columns:
        raise FacetError(f"{file}: column {names.index('') + 1} has no name: is it the index of a table? df.to_csv(..., index=False) leaves it out")
    needed = {*columns, label}
    twice = [name for name, count in collections.Counter(names).items() if count > 1 and name in needed]
    if twice:
        raise FacetError(f"{file}: several columns are called {twice[0]}")

    def chunks(take: list[str]) -> Iterator[Any]:
        try:
            yield from pandas.read_csv(file, header=header, names=names if header is None else None, usecols=take, dtype=texts,
                                       keep_default_na=False, na_values={n: [""] for n in take if n not in texts},
                                       chunksize=ROWS * 4)
        except (pandas.errors.ParserError, UnicodeDecodeError) as error:
            raise FacetError(f"{file}: {str(error).splitlines()[0]}") from error

    now("reading the table a first time, for its classes and whether its numbers are bytes")
    taken = columns + ([label] if label else [])
    whole, count, words = True, 0, set()
    for chunk in chunks(taken):
        if label:
            words |= set(chunk[label])
        if paths is None:
            values = numbers_of(chunk[columns], file, count)
            whole = whole and bool(np.all((values >= 0) & (values <= 255) & (values == np.rint(values))))
        count += len(chunk)
    meant = {word: None if word == "" else float(word) if all(is_number(w) for w in words - {""}) else word for word in words}
    classes, number = named(meant.values())
    shape = wanted.shape or (len(columns),)
    if paths is None and int(np.prod(shape)) != len(columns):
        raise FacetError(f"{file}: {len(columns)} numbers in a row are not {' x '.join(map(str, shape))}")

    def samples() -> Iterator[Sample]:
        row, kind = 0, np.uint8 if whole else np.float32
        for chunk in chunks(taken):
            values = chunk[paths].tolist() if paths else numbers_of(chunk[columns], file, row).astype(kind).reshape(-1, *shape)
            labels = [number[meant[word]] for word in chunk[label]] if label else [None] * len(chunk)
            for i, (value, mine) in enumerate(zip(values, labels)):
                yield f"{file}: row {row + i}", file.parent / value if paths else value, mine
            row += len(chunk)

    return Source(samples, count, classes)


def is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def numbers_of(table: Any, file: pathlib.Path, row: int) -> Any:
    """Columns as numbers, all of them finite."""
    try:
        values = table.to_numpy(float)
    except ValueError as error:
        raise FacetError(f"{file}: not numbers, near row {row}: {error}") from error
    if not np.isfinite(values).all():
        i, j = np.argwhere(~np.isfinite(values))[0]
        raise FacetError(f"{file}: row {row + i}, column {table.columns[j]}: {values[i, j]}")
    return values


# ---- which of them ----


def find(source: Any, wanted: Wanted) -> Source:
    """Opens what `source` is: a path, MODULE:NAME, or a data set itself."""
    if not isinstance(source, (str, os.PathLike)):
        return of_dataset(source, wanted)
    path = pathlib.Path(source)
    if not path.exists():
        if re.fullmatch(r".+:[A-Za-z_]\w*", str(source)):
            return of_python(str(source), wanted)
        raise FacetError(f"{path}: no such file or folder", NO_INPUT)
    if path.is_dir():
        tables = (path / "state.json").exists() or (path / "dataset_dict.json").exists() or \
            any(True for kind in ("*.parquet", "*.arrow") for _ in path.rglob(kind))
        return of_tables(split_files(path, wanted), wanted) if tables else of_folder(path)
    if path.suffix in (".parquet", ".arrow"):
        return of_tables([path], wanted)
    if ".csv" in path.suffixes:
        return of_csv(path, wanted)
    raise FacetError(f"{path}: neither a folder nor .csv, .parquet or .arrow; facet itself reads .npy, IDX and CIFAR binary")
