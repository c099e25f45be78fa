"""Outputs, decisions, changes of margin and places in the map, taken apart exactly: by pixel and by node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import h5py
import numpy as np

from facet.errors import StudyError
from facet.hdf import Array, plain, strings
from facet.linear import picture

if TYPE_CHECKING:
    from facet.study import Study


def _said(gates: str) -> str:
    return f", {gates}" if gates else ""


class ByPixel:
    """Parts of a number: its pixels, and what the constants of the nodes make of it."""

    pixels: Array
    b: float

    @property
    def sum(self) -> float:
        return float(self.pixels.sum() + self.b)


class Moved:
    """Parts of a change: by pixels under what changed in the network, by their own change, and by nodes."""

    pixels: Array
    moved: Array
    b_node: Array

    @property
    def sum(self) -> float:
        return float(self.pixels.sum() + self.moved.sum() + self.b_node.sum())


@dataclass(repr=False)
class Contributions(ByPixel):
    """One output F_k of one sample, exactly: F_k = pixels.sum() + b, and b = b_node.sum(). All in logits."""

    sample: int
    variant: str
    cls: int  # number of the class that the output is of
    name: str  # of that class
    x: Array  # normalised input, channel x y x x
    w: Array  # the row of W, channel x y x x as x is
    pixels: Array  # w * x
    b: float
    b_node: Array
    node: list[str]
    output: float  # F_k of the plain forward pass, as stored
    gates: str = ""  # "secant: W is not the Jacobian" of a network that is frozen at each sample

    def __repr__(self) -> str:
        return (f"<facet.Contributions to {self.name}, sample {self.sample} of {self.variant}: pixels "
                f"{self.pixels.sum():+.4f}, b {self.b:+.4f}, sum {self.sum:+.4f}, network {self.output:+.4f}{_said(self.gates)}>")


@dataclass(repr=False)
class Contrast(ByPixel):
    """The difference of two outputs F_c - F_other, taken apart in the same way, in logits. Dividing everything by the
    distance of the two class directions gives the signed distance to their decision boundary: the margin, for the nearest
    one."""

    cls: int
    other: int
    pixels: Array  # channel x y x x
    b: float
    b_node: Array
    node: list[str]
    gates: str = ""  # as of Contributions

    def __truediv__(self, distance: float) -> Contrast:
        return Contrast(self.cls, self.other, self.pixels / distance, self.b / distance, self.b_node / distance, self.node, self.gates)

    def __repr__(self) -> str:
        return (f"<facet.Contrast of class {self.cls} minus class {self.other}: pixels {self.pixels.sum():+.4f}, "
                f"b {self.b:+.4f}, sum {self.sum:+.4f}{_said(self.gates)}>")


@dataclass(repr=False)
class Position:
    """Where a sample lies in the map, or how it moves there, exactly: total = pixels.sum over the picture + b, for each
    axis of the map, and b = b_node.sum(axis=1)."""

    sample: int
    pixels: Array  # axis x channel x y x x
    b: Array  # axis
    b_node: Array  # axis x node
    node: list[str]
    total: Array  # axis: of the plain forward pass, as stored
    gates: str = ""  # as of Contributions

    @property
    def sum(self) -> Array:
        return np.asarray(self.pixels.sum(axis=(1, 2, 3)) + self.b)

    def __repr__(self) -> str:
        return f"<facet.Position of sample {self.sample}: {np.round(self.total, 4).tolist()}{_said(self.gates)}>"


@dataclass(repr=False)
class MarginChange(Moved):
    """What changed a sample's margin, in units of the feature: from dense to a variant, clean, or from clean to a condition
    in one variant. total = pixels.sum() + moved.sum() + b_node.sum(), up to `residual`."""

    sample: int
    variant: str
    condition: str
    pixels: Array  # channel x y x x: by what changed in the network, or in its pattern
    moved: Array  # channel x y x x: by the pixels' own change; 0 from dense to a variant
    b_node: Array
    node: list[str]
    gates: dict[str, int]  # by gate: elements on another piece than before; -1: dense has no such gate
    rivals: tuple[int, int]  # classes whose boundaries are nearest, before and after
    total: float
    residual: float

    def __repr__(self) -> str:
        return (f"<facet.MarginChange of sample {self.sample}, {self.variant}, {self.condition}: {self.total:+.4f} = pixels "
                f"{self.pixels.sum() + self.moved.sum():+.4f}, nodes {self.b_node.sum():+.4f}>")


@dataclass(repr=False)
class Way:
    """What happens on the straight way to a sample, in one variant: exact integrated gradients of k logits, in logits.
    pixels[i].sum() is total[i], up to `residual`."""

    sample: int
    variant: str
    condition: str  # of the sample at the end
    start: str  # where the way begins: a number, mean, blur, clean, or a file
    cls: list[int]
    name: list[str]
    pixels: Array  # k x channel x y x x
    total: Array  # k: the logit at the end less that at the start
    residual: float
    pieces: int
    changes: int  # how often the predicted class does; of several baselines, as crossing, of the way from the first
    crossing: Array  # t, the share of the way, where it does: the first 16
    t: Array
    logits: Array  # at each t, K of them

    def __repr__(self) -> str:
        return (f"<facet.Way to sample {self.sample}, {self.variant}, {self.condition}, from {self.start}: {self.pieces:,} pieces, "
                f"{', '.join(f'{name} {total:+.4f}' for name, total in zip(self.name, self.total))}, residual {self.residual:.1e}>")


def contributions(study: Study, variant: str, sample: int, cls: str | int | None = None) -> Contributions:
    """What every pixel and bias node adds to the output for class `cls`, a name or a number (default: the class predicted
    on clean data)."""
    linear = study.linear(variant)
    sample = study.sample_index(sample)
    v, c = study.variant_index(variant), study.condition_index("clean")
    number = int(study.file["prediction/class"][v, c, sample]) if cls is None else study.class_index(cls)
    found = linear.find(sample, number)
    x, w = study.input(sample), linear.pictures(*found)
    return Contributions(sample, variant, number, study.classes[number], x, w, w * x, float(linear.b[found]),
                         linear.split(*found), linear.node,
                         float(study.file["prediction/logits"][v, c, sample, number]), linear.gates)


def contrast(study: Study, variant: str, sample: int, cls: str | int | None = None, other: str | int | None = None) -> Contrast:
    """F_cls - F_other of one sample by pixel and bias node; needs both rows of W. Default: the class predicted on clean data, and
    the strongest of the others, which `rows: {top: 2}` stores."""
    if other is None:
        v, c = study.variant_index(variant), study.condition_index("clean")
        logits = study.file["prediction/logits"][v, c, study.sample_index(sample)].astype(float)
        logits[int(logits.argmax()) if cls is None else study.class_index(cls)] = -np.inf
        other = int(logits.argmax())
    one, two = (contributions(study, variant, sample, k) for k in (cls, other))
    return Contrast(one.cls, two.cls, one.pixels - two.pixels, one.b - two.b, one.b_node - two.b_node, one.node, one.gates)


def contrast_change(before: Contrast, after: Contrast) -> Contrast:
    """What another variant changes about a decision, by pixel and bias node (nodes are matched by name)."""
    if (before.cls, before.other) != (after.cls, after.other):
        raise StudyError("the two contrasts compare different classes")
    node, split = _node_change(before, after)
    return Contrast(before.cls, before.other, after.pixels - before.pixels, after.b - before.b, split, node, after.gates or before.gates)


def _under(study: Study, condition: str | None) -> str:
    """What a condition adds to the path of a variant's folder: nothing where it is clean."""
    return "" if condition is None or study.conditions[study.condition_index(condition)] == "clean" else f"/{condition}"


def margin_change(study: Study, variant: str, sample: int, condition: str | None = None) -> MarginChange:
    """What each pixel and node adds to the change of a sample's margin: from dense to a variant, or, with a condition, from
    clean to that condition in the variant."""
    study.variant_index(variant), study.sample_index(sample)
    folder = _under(study, condition)
    path = f"change/{variant}{folder}"
    if f"{path}/pixel" not in study.file:
        there = [v for v in study.variants if f"change/{v}{folder}/pixel" in study.file]
        under = f" under {condition}" if folder else ""
        asked = "'conditions' in 'change' does not name it" if folder and "change" in study.file else "the study asks for none (change: {})"
        raise StudyError(f"{study.path}: the change of margin of {variant}{under} is not taken apart; "
                         + (f"those of: {', '.join(there)}" if there else asked))
    at = np.flatnonzero(study.numbers("change") == sample)
    if not len(at):
        raise StudyError(f"{study.path}: the change of margin of sample {sample} is not taken apart; those of "
                         f"{len(study.numbers('change'))} samples are: study.numbers('change')")
    i, group, names = int(at[0]), study.file[path], study.file[f"change/{variant}"]
    pixels = group["pixel"][i].astype(float)
    gates = {name: int(gate) for name, gate in zip(strings(names["gate_name"]), group["gates"][i])}
    return MarginChange(int(sample), variant, condition or "clean", pixels,
                        group["moved"][i].astype(float) if "moved" in group else np.zeros_like(pixels),
                        group["node"][i].astype(float), strings(names["node_name"]), gates,
                        (int(group["rival_before"][i]), int(group["rival"][i])), float(group["total"][i]),
                        float(group["residual"][i]))


def changes_of(group: h5py.Group) -> Array:
    """How often the predicted class changes on each way; older files say it of the first 16 alone."""
    return np.asarray(group["changes"][()] if "changes" in group else np.isfinite(group["crossing"][()]).sum(axis=1))


def way(study: Study, variant: str, sample: int, condition: str | None = None) -> Way:
    """What happens on the way to a sample: clean, or under a condition."""
    study.variant_index(variant), study.sample_index(sample)
    folder = _under(study, condition)
    where, there = f"paths/{variant}{folder}", study.numbers("paths")
    at = np.flatnonzero(there == sample)
    if f"{where}/attribution" not in study.file or not len(at):
        followed = [v for v in study.variants if f"paths/{v}{folder}/attribution" in study.file]
        raise StudyError(f"{study.path}: the path to sample {sample} in {variant}, {condition or 'clean'}, is not there; "
                         + ("the study asks for none (paths: {})" if not len(there) else
                            f"those to {len(there)} samples are: study.numbers('paths')" if variant in followed else
                            f"those in: {', '.join(followed)}" if followed else "'conditions' in 'paths' does not name it"))
    group, i = study.file[where], int(at[0])
    rows, crossing = group["attribution"], group["crossing"][i]
    order = str(plain(rows.attrs.get("order", "channels_first")))
    cls, logits = [int(k) for k in group["class"][i]], group["logits"][i].astype(float)
    return Way(sample, variant, condition or "clean", str(plain(study.file["paths"].attrs["from"])), cls, [study.classes[k] for k in cls],
               picture(rows[i].astype(float), study.shape, order, 1), group["total"][i], float(group["residual"][i]),
               int(group["pieces"][i]), int(changes_of(group)[i]), crossing[np.isfinite(crossing)], np.linspace(0, 1, len(logits)), logits)


def position(study: Study, variant: str, sample: int) -> Position:
    """What every pixel and bias node adds to a clean sample's position in the map."""
    v, path = study.variant_index(variant), f"embed/{variant}"
    at = np.flatnonzero(study.numbers("embed") == sample)
    if f"{path}/W" not in study.file or not len(at):
        raise StudyError(f"{study.path}: the position of sample {sample} of {variant} is not explained")
    group, i = study.file[path], int(at[0])
    total = study.file["embed/position"][v, study.condition_index("clean"), sample]
    return Position(sample, group["W"][i].astype(float) * study.input(sample), group["b"][i].astype(float),
                    group["b_node"][i].astype(float), strings(group["node"]), total, study.gates_of(variant))


def movement(study: Study, variant: str, sample: int, origin: str = "dense") -> Position:
    """How a clean sample moves from one variant to another, by pixel and bias node (matched by name)."""
    before, after = (position(study, v, sample) for v in (origin, variant))
    node, split = _node_change(before, after)
    return Position(sample, after.pixels - before.pixels, after.b - before.b, split, node, after.total - before.total, after.gates or before.gates)


def _node_change(before: Contrast | Position, after: Contrast | Position) -> tuple[list[str], Array]:
    """(names, differences) of b_node, whose last axis is that of the nodes."""
    node = list(dict.fromkeys(before.node + after.node))
    split = np.zeros((*np.shape(after.b_node)[:-1], len(node)))
    for part, sign in ((after, 1), (before, -1)):
        for i, name in enumerate(part.node):
            split[..., node.index(name)] += sign * part.b_node[..., i]
    return node, split


def check_sums(study: Study, variant: str, limit: int = 200, most_bytes: int = 64 << 20) -> tuple[int, int, float, float]:
    """Adds contributions and bias up again in float64, over evenly spaced samples (all their stored rows), as many as
    `limit` and a budget of bytes allow. Returns (samples, rows, worst |sum W*x + b - F| / max(1, max |F|),
    worst |sum b_node - b| / max(1, max |F|))."""
    linear = study.linear(variant)
    v, c = study.variant_index(variant), study.condition_index("clean")
    n, k = linear.row.shape
    one = max(1, int(np.prod(linear.W.shape[1:])) * linear.W.dtype.itemsize)
    step = max(1, most_bytes // (8 * int(np.prod(study.shape))))  # rows at once, in float64
    count = min(n, limit, max(1, most_bytes // one))
    worst, worst_split = np.float64(0), np.float64(0)
    for i in np.unique(np.linspace(0, n - 1, count).astype(int)):
        sample = int(linear.sample[i])
        logits = study.file["prediction/logits"][v, c, sample].astype(float)
        x, b = study.input(sample).ravel(), linear.b[i].astype(float)
        sums = [picture(linear.W[i, j:j + step].astype(float), study.shape, linear.order, 1).reshape(-1, x.size) @ x for j in range(0, k, step)]
        total = np.concatenate(sums) + b
        size = max(1.0, np.abs(logits).max())
        split = linear.split(i).sum(axis=1)
        worst = np.maximum(worst, np.abs(total - logits[linear.row[i]]).max() / size)  # np.maximum keeps a NaN, max() not
        worst_split = np.maximum(worst_split, np.abs(split - b).max() / size)
    return count, count * k, float(worst), float(worst_split)
