"""The linearizations of one variant: F(x) = W x + b around each sample."""

from __future__ import annotations

import functools

import h5py
import numpy as np

from facet.errors import StudyError, number_of
from facet.hdf import Array, plain, strings

RANKS = {"W": None, "row": 2, "b": 2, "b_node": 3, "residual": 1, "ties": 1, "node": 1}
NOT_KEPT = {"rows": {"b_node", "node"}, "digest": {"W"}}  # by what the study says at linearize.keep
UNSPLIT = "all nodes"
# Of a certificate, by the bytes of the numbers that it is about: those of mpi/store/certificates.c
BOUND = {4: 1e-3, 8: 1e-11}
PATH_BOUND = {4: 1e-5, 8: 1e-12}


def picture(rows: Array, shape: tuple[int, ...], order: str, before: int = 0) -> Array:
    """Inputs of a network in their order as channel x y x x; `before`: dimensions that stand before these."""
    rows = rows.reshape(*rows.shape[:before], -1)
    channel, y, x = shape
    if order == "channels_last":
        return np.moveaxis(rows.reshape(*rows.shape[:-1], y, x, channel), -1, -3)
    return np.asarray(rows.reshape(*rows.shape[:-1], channel, y, x))


class Linear:
    """The linearizations of one variant. `W`, `b`, `b_node`, `row` are h5py datasets: slice them to read.

    W           n x k x the network's input, logits per normalised input
    row         n x k, which class each row of W explains
    b, b_node   n x k, and n x k x node, logits: b_node adds up to b
    sample      n, numbers of the linearized samples

    A row of W has the dimensions of the network's own input: `layout` is channels_first, channels_last or flat, and
    `order` tells in which order its numbers run, channels_first or channels_last. `shape`: (channel, y, x) of a sample.

    `keep` is what the study kept: all; rows (no b by node); or digest (no W, but sums: `contribution`, `gram`). What is not
    kept is said so when it is asked for."""

    def __init__(self, group: h5py.Group, sample: Array, shape: tuple[int, ...], classes: list[str]) -> None:
        self.sample, self.shape, self.classes = sample, tuple(shape), classes
        self.keep = str(plain(group.attrs.get("keep", "all")))
        self.gates = str(plain(group.attrs.get("gates", "")))
        """"secant: W is not the Jacobian" where the network is not piecewise linear, and frozen at each sample; else empty."""
        for name, rank in RANKS.items():
            if name in NOT_KEPT.get(self.keep, ()):
                continue
            dataset = group.get(name)
            if not isinstance(dataset, h5py.Dataset) or dataset.ndim != (rank or dataset.ndim) or \
                    name != "node" and dataset.shape[:1] != (len(sample),) or \
                    name == "W" and int(np.prod(dataset.shape[2:])) != int(np.prod(shape)):
                raise StudyError(f"{group.file.filename}: {group.name}/{name} is missing or does not fit")
        self.row, self.b = group["row"], group["b"]
        self.node = [UNSPLIT] if self.keep == "rows" else strings(group["node"])
        self.variant = group.name.rpartition("/")[2]
        about = group["contribution" if self.keep == "digest" else "W"].attrs
        self.layout = str(plain(about.get("layout", "channels_first")))  # schema 1 says nothing: it had this alone
        self.order = str(plain(about.get("order", "channels_first")))
        self._group = group

    def __repr__(self) -> str:
        n, k = self.row.shape
        size = " x ".join(map(str, self._group["contribution" if self.keep == "digest" else "W"].shape[2:]))
        kept = {"all": "", "rows": "no b by node, ", "digest": "digests of them, "}[self.keep]
        return (f"<facet.Linear of {self.variant}: {n} samples, {k} row{'s' * (k > 1)} of W each ({size}, {self.layout}), {kept}"
                f"worst residual {np.max(self.residual):.1e}{', ' * bool(self.gates)}{self.gates}>")

    def _kept(self, name: str, what: str) -> h5py.Dataset:
        if name not in self._group:
            need = "without keep: rows" if name == "b_node" else "with keep: all" if name == "W" else \
                "with keep: digest" + " and a spectrum" * (name == "gram")
            study = {"all": "everything else", "rows": "rows of W", "digest": "digests"}[self.keep]
            raise StudyError(f"{self._group.file.filename}: {what} of {self.variant} is not there: the study kept {study}; run "
                             f"it {need} (key linearize)")
        return self._group[name]

    @property
    def W(self) -> h5py.Dataset:  # noqa: N802
        return self._kept("W", "W")

    @property
    def b_node(self) -> h5py.Dataset:
        return self._kept("b_node", "b by node")

    def split(self, *index: int) -> Array:
        """b_node[index] as float64; where it is not kept b itself, as of one node."""
        return np.asarray(self.b[index])[..., None].astype(float) if self.keep == "rows" else self.b_node[index].astype(float)

    @functools.cached_property
    def explained(self) -> Array:
        """Under keep: digest, how many rows of W explained each class, K."""
        return np.asarray(self._kept("explained", "the digest")[()].sum(axis=0))

    def contribution(self, cls: str | int, size: bool = False) -> Array:
        """Under keep: digest, the mean contribution W x (size: |W x|) of every pixel to the logit of a class, a name or a
        number, over the rows that explain it: channel x y x x, float64; NaN without such rows."""
        k = self._class(cls)
        rows = self._kept("magnitude" if size else "contribution", "the digest")[:, k].sum(axis=0)
        return self._picture(rows / self.explained[k] if self.explained[k] else np.full_like(rows, np.nan))

    @functools.cached_property
    def gram(self) -> Array:
        """Under keep: digest, M'M of all rows of W, D x D, in W's own order, float64."""
        return np.asarray(self._kept("gram", "the Gram matrix")[()].sum(axis=0))

    def pictures(self, *index: int) -> Array:
        """W[index] as float64 with every row as channel x y x x; index: a sample's position along n, and a row's k."""
        rows = self.W[index]
        return self._picture(rows.astype(float), 2 - len(index))

    def _picture(self, rows: Array, before: int = 0) -> Array:
        return picture(rows, self.shape, self.order, before)

    @functools.cached_property
    def residual(self) -> Array:
        """Relative certificate of every sample, n."""
        return np.asarray(self._group["residual"][()])

    @property
    def bound(self) -> float:
        """What a certificate that holds does not exceed, in the study's precision."""
        return BOUND[self._group["residual"].dtype.itemsize]

    @property
    def warning(self) -> str:
        """What is to be said of certificates that do not hold; nothing where all do."""
        bound = self.bound
        bad = int(np.sum(~(self.residual <= bound)))  # NaN, too
        then = "use precision: double" if bound == BOUND[4] else "its numbers are too large for double"
        return f"{bad} of {len(self.residual)} certificates are above {bound:g}, or no numbers: W and b are not what the " \
            f"network does there; {then}" if bad else ""

    @functools.cached_property
    def ties(self) -> Array:
        """Gates that sit exactly on a boundary, n."""
        return np.asarray(self._group["ties"][()])

    def touched(self, sample: int) -> Array:
        """The pixels of a sample that its ties touch, channel x y x x: where W is one of several, in some stored row. At all
        others it is the same however ties are decided. Files that facet wrote before it knew have no such array."""
        i = self.position(sample)
        if "touched" not in self._group:
            why = "the study kept digests; run it with keep: all or rows (key linearize)" if self.keep == "digest" else \
                "an earlier facet wrote this file"
            raise StudyError(f"{self._group.file.filename}: which pixels ties touch in {self.variant} is not there: {why}")
        return np.asarray(self._group["touched"][i], bool)

    @property
    def knows_touched(self) -> bool:
        """Whether the file says which pixels ties touch."""
        return "touched" in self._group

    def _class(self, cls: str | int) -> int:
        try:
            return number_of("class", cls, self.classes)
        except StudyError as error:
            raise StudyError(f"{self._group.file.filename}: {error}") from error

    def position(self, sample: int) -> int:
        """Where a sample of the test set lies along n."""
        found = np.flatnonzero(self.sample == sample)
        if not len(found):
            raise StudyError(f"{self._group.file.filename}: sample {sample} is not linearized; {len(self.sample)} are, "
                             f"{self.sample.min()} to {self.sample.max()}")
        return int(found[0])

    def has(self, sample: int, cls: str | int) -> bool:
        """Whether the row that explains class `cls`, a name or a number, of a sample is stored."""
        return bool((self.row[self.position(sample)] == self._class(cls)).any())

    def find(self, sample: int, cls: str | int) -> tuple[int, int]:
        """(i, k) of the stored row that explains class `cls`, a name or a number, of a sample."""
        number, i = self._class(cls), self.position(sample)
        k = np.flatnonzero(self.row[i] == number)
        if not len(k):
            there = ", ".join(self.classes[c] for c in self.row[i])
            raise StudyError(f"{self._group.file.filename}: the row of class {self.classes[number]} is not stored for sample {sample} of {self.variant}; "
                             f"stored: {there}")
        return i, int(k[0])
