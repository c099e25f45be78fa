"""The linearizations of one variant: F(x) = W x + b around each sample."""

from __future__ import annotations

import functools

import h5py
import numpy as np

from facet.errors import StudyError, known
from facet.hdf import Array, plain, strings

RANKS = {"W": None, "row": 2, "b": 2, "b_node": 3, "residual": 1, "ties": 1, "node": 1}


class Linear:
    """The linearizations of one variant. `W`, `b`, `b_node`, `row` are h5py datasets: slice them to read.

    W           n x k x the network's input, logits per normalised input
    row         n x k, which class each row of W explains
    b, b_node   n x k, and n x k x node, logits: b_node adds up to b
    sample      n, numbers of the linearized samples

    A row of W has the dimensions of the network's own input: `layout` is channels_first, channels_last or flat, and
    `order` tells in which order its numbers run, channels_first or channels_last. `shape`: (channel, y, x) of a sample."""

    def __init__(self, group: h5py.Group, sample: Array, shape: tuple[int, ...], classes: list[str]) -> None:
        self.sample, self.shape, self.classes = sample, tuple(shape), classes
        for name, rank in RANKS.items():
            dataset = group.get(name)
            if not isinstance(dataset, h5py.Dataset) or dataset.ndim != (rank or dataset.ndim) or \
                    name != "node" and dataset.shape[:1] != (len(sample),) or \
                    name == "W" and int(np.prod(dataset.shape[2:])) != int(np.prod(shape)):
                raise StudyError(f"{group.file.filename}: {group.name}/{name} is missing or does not fit")
        self.W, self.row, self.b, self.b_node = (group[name] for name in ("W", "row", "b", "b_node"))
        self.node = strings(group["node"])
        self.variant = group.name.rpartition("/")[2]
        self.layout = str(plain(self.W.attrs.get("layout", "channels_first")))  # schema 1 says nothing: it had this alone
        self.order = str(plain(self.W.attrs.get("order", "channels_first")))
        self._group = group

    def __repr__(self) -> str:
        n, k = self.row.shape
        size = " x ".join(map(str, self.W.shape[2:]))
        return (f"<facet.Linear of {self.variant}: {n} samples, {k} row{'s' * (k > 1)} of W each ({size}, {self.layout}), "
                f"worst residual {np.max(self.residual):.1e}>")

    def pictures(self, *index: int) -> Array:
        """W[index] as float64 with every row as channel x y x x; index: a sample's position along n, and a row's k."""
        rows = self.W[index]
        rows = rows.reshape(*rows.shape[:2 - len(index)], -1).astype(float)
        channel, y, x = self.shape
        if self.order == "channels_last":
            return np.moveaxis(rows.reshape(*rows.shape[:-1], y, x, channel), -1, -3)
        return np.asarray(rows.reshape(*rows.shape[:-1], channel, y, x))

    @functools.cached_property
    def residual(self) -> Array:
        """Relative certificate of every sample, n."""
        return np.asarray(self._group["residual"][()])

    @functools.cached_property
    def ties(self) -> Array:
        """Gates that sit exactly on a boundary, n."""
        return np.asarray(self._group["ties"][()])

    def position(self, sample: int) -> int:
        """Where a sample of the test set lies along n."""
        found = np.flatnonzero(self.sample == sample)
        if not len(found):
            raise StudyError(f"sample {sample} is not linearized; {len(self.sample)} are, {self.sample.min()} to "
                             f"{self.sample.max()}")
        return int(found[0])

    def has(self, sample: int, cls: int) -> bool:
        """Whether the row that explains class number `cls` of a sample is stored."""
        return bool((self.row[self.position(sample)] == cls).any())

    def find(self, sample: int, cls: str | int) -> tuple[int, int]:
        """(i, k) of the stored row that explains class `cls`, a name or a number, of a sample."""
        if isinstance(cls, str) and cls not in self.classes:
            raise StudyError(known("class", cls, self.classes))
        number = self.classes.index(cls) if isinstance(cls, str) else cls
        if not 0 <= number < len(self.classes):
            raise StudyError(f"no class {cls}; there are 0 to {len(self.classes) - 1}")
        i = self.position(sample)
        k = np.flatnonzero(self.row[i] == number)
        if not len(k):
            there = ", ".join(self.classes[c] for c in self.row[i])
            raise StudyError(f"the row of class {self.classes[number]} is not stored for sample {sample} of {self.variant}; "
                             f"stored: {there}")
        return i, int(k[0])
