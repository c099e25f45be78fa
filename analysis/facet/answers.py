"""What a network says of samples: linearizations, margins, geometry, as arrays of numpy."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np

from facet.errors import NetworkError, known
from facet.hdf import Array


def numbers(x: Any) -> Array:
    """Samples as an array of numbers; a tensor of PyTorch is taken from its graph and device."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise NetworkError(f"x holds {array.dtype}, not numbers")
    return array


class Answer:
    """Of a batch, it has a length, and an item for each sample."""

    each: ClassVar[str]  # a field that has one number for each sample

    @property
    def _count(self) -> int | None:
        """Samples of a batch; None: one sample was given alone."""
        each = np.asarray(getattr(self, self.each))
        return len(each) if each.ndim else None

    def _samples(self) -> str:
        count = self._count
        return "one sample" if count is None else f"{count} sample{'s' * (count != 1)}"

    def __len__(self) -> int:
        count = self._count
        if count is None:
            raise TypeError("of one sample, not of a batch: it has no length, and no items")
        return count

    def __getitem__(self, i: int | slice) -> Self:
        """One sample, or some, of a batch."""
        len(self)
        parts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return type(self)(**{name: part if isinstance(part, (list, bool)) else part[i] for name, part in parts.items()})


CURVES = ("deletion", "insertion")  # of Faithfulness
SECANT = "secant: W is not the Jacobian"  # as the files say it


def worst(residual: Array) -> str:
    return f", worst residual {np.max(residual):.1e}" if np.size(residual) else ""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Linearization(Answer):
    """F(x) = W x + b, exactly, on the facet that each sample lies in. Of a batch of N samples; of one sample given alone,
    arrays lack the first dimension. k rows of W explain k of the K classes.

    W         N x k x the network's input shape, logits per unit of input; in the network's precision
    b         N x k, logits
    b_node    N x k x nodes, logits: what each node's constants add to b
    node      names of these nodes
    row       N x k, the class that each row explains
    residual  N, certificate: the largest |F - (W x + b)| of a sample's rows, relative to its largest |F|, or 1
    ties      N, gates that sit on a boundary as far as rounding can tell
    logits    N x K, F
    jacobian  whether W is the Jacobian; not of what is frozen at each sample (gates: secant)"""

    each = "residual"
    W: Array
    b: Array
    b_node: Array
    node: list[str]
    row: Array
    residual: Array
    ties: Array
    logits: Array
    jacobian: bool = True

    def __call__(self, x: Any) -> Array:
        """W x + b, in double: N x k logits, for x of W's samples, or for other inputs to see where the facet ends."""
        x = numbers(x).reshape(*self.row.shape[:-1], 1, -1)
        return np.asarray((self.W.reshape(*self.row.shape, -1) * x).sum(axis=-1, dtype=float) + self.b)

    def __repr__(self) -> str:
        k = self.row.shape[-1]
        size = " x ".join(map(str, self.W.shape[self.row.ndim:]))
        return (f"<facet.Linearization of {self._samples()}, {k} row{'s' * (k != 1)} of W each ({size}, {self.W.dtype})"
                f"{worst(self.residual)}{'' if self.jacobian else ', ' + SECANT}>")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Geometry(Answer):
    """Features and the directions of the classes, which the cross-entropy loss is made of. Of a batch of N samples; of one
    sample given alone, arrays lack the first dimension. NaN where there is no label.

    angle     N, radians, between the feature and the direction of the label's class
    length    N, 2-norm of the feature
    margin    N, signed distance of the feature to the nearest decision boundary
    loss      N, cross-entropy
    cosine    N x K, to every class direction
    label     N; -1: none
    predicted N, class of the largest logit
    feature   N x F, what the last linear node takes
    logits    N x K"""

    each = "length"
    angle: Array
    length: Array
    margin: Array
    loss: Array
    cosine: Array
    label: Array
    predicted: Array
    feature: Array
    logits: Array

    def __repr__(self) -> str:
        known = np.asarray(self.label) >= 0
        right, margin = np.asarray(self.predicted == self.label)[known], np.asarray(self.margin)[known]
        labelled = f", {np.mean(right):.1%} right, median margin {np.median(margin):.3g}" if known.any() else ""
        return f"<facet.Geometry of {self._samples()}, {self.feature.shape[-1]} features, {self.logits.shape[-1]} classes{labelled}>"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Paths(Answer):
    """What happens on the straight ways from one input to another, exactly, in double. Of a batch of N; of one way alone,
    arrays lack the first dimension.

    attribution  N x k x the network's input shape, logits: exact integrated gradients, which add up to total
    row          N x k, the class that each explains
    total        N x k, the logit at the end less that at the start
    residual     N, certificate: |total - sum of attribution|, relative to the largest |F| at both ends, or 1
    pieces       N, with a pattern of their own
    changes      N, how often the predicted class changes
    crossing     N x 16, at which share t of the way it does; NaN beyond
    logits       N x 65 x K, at t = 0, 1/64, ..., 1"""

    each = "residual"
    attribution: Array
    row: Array
    total: Array
    residual: Array
    pieces: Array
    changes: Array
    crossing: Array
    logits: Array

    def __repr__(self) -> str:
        return f"<facet.Paths to {self._samples()}, {np.sum(self.pieces):,} pieces{worst(self.residual)}>"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Reach(Answer):
    """How far the linearizations of samples hold, exactly, in double. Of a batch of N; of one sample alone, arrays lack the
    first dimension. Arrays over 2 norms: the max norm, the 2-norm.

    max_norm, two_norm  N, the largest radius within which the pattern does not change; 0 where the sample lies on a boundary
    untied    N x 2, the same without boundaries that the sample lies on, of which there are `tied` (N)
    error     N x 2, how far rounding may carry untied
    limit     N x 2, the name of the gate or maximum that bounds it; element: which of its elements; next: the piece, or
              the candidate, it is on beyond
    boundary  N x 2, distance to the nearest decision boundary of the map: no point of another class in the facet is nearer
    other     N x 2, the class beyond it
    inside    N x 2, whether point (N x 2 x the network's input shape) lies in the facet: then it is the nearest one there;
              and the nearest of all, where boundary is at most the radius
    within, beyond  N x 2, elements of the pattern that are others by plain passes at 63/64 and 65/64 of the radius
    residual  N, certificate of rows and points
    rows      N, how many rows had to be pulled back"""

    each = "residual"
    max_norm: Array
    two_norm: Array
    untied: Array
    error: Array
    limit: Array
    element: Array
    next: Array
    boundary: Array
    other: Array
    inside: Array
    point: Array
    within: Array
    beyond: Array
    tied: Array
    residual: Array
    rows: Array

    def __repr__(self) -> str:
        return f"<facet.Reach of {self._samples()}{worst(self.residual)}>"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Attributions(Answer):
    """Attributions as the field makes them, next to the exact ones, in double. Of a batch of N; of one sample given alone,
    arrays lack the first dimension.

    attribution  N x method x k x the network's input shape; NaN where a method says nothing of the network
    method       their names
    row          N x k, the class that each explains
    baseline     N x the network's input shape
    number       N, numbers of the samples: noise is that of the number"""

    each = "number"
    attribution: Array
    method: list[str]
    row: Array
    baseline: Array
    number: Array

    def __repr__(self) -> str:
        return f"<facet.Attributions of {self._samples()}: {', '.join(self.method)}>"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Faithfulness(Answer):
    """How faithful attributions are. Of a batch of N; of one sample given alone, arrays lack the first dimension.

    method       names of the methods
    deletion     N x method x k x points + 1: the class's probability, more and more of the input being the baseline's
    insertion    the same, from the baseline to the sample
    infidelity   N x method x k
    sensitivity  N x method x k, the largest
    agreement    N x method x method x k, Spearman's rank correlation of two methods
    number       N, numbers of the samples"""

    each = "number"
    method: list[str]
    deletion: Array
    insertion: Array
    infidelity: Array
    sensitivity: Array
    agreement: Array
    number: Array

    def area(self, curve: str = "deletion") -> Array:
        """The mean height of a curve, "deletion" or "insertion", by the trapezoidal rule: N x method x k."""
        if curve not in CURVES:
            raise NetworkError(known("curve", curve, CURVES))
        height = np.asarray(getattr(self, curve))
        return np.asarray((height[..., 1:] + height[..., :-1]).mean(axis=-1) / 2)

    def __repr__(self) -> str:
        return f"<facet.Faithfulness of {len(self.method)} methods, {self._samples()}>"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Margins(Answer):
    """Margins of samples as sums over inputs and nodes, exactly: (gradient * x).sum() + node.sum() is the margin. Of a batch
    of N samples; of one sample given alone, arrays lack the first dimension.

    gradient  N x the network's input shape: what the margin gains per unit of input
    node      N x nodes: what each node's constants add
    name      names of these nodes
    margin    N, signed distance of the feature to the boundary with the rival
    rival     N, class of the nearest boundary; -1: there is none
    residual  N, certificate: |margin - the sum|, relative to the margin, or 1"""

    each = "margin"
    gradient: Array
    node: Array
    name: list[str]
    margin: Array
    rival: Array
    residual: Array

    def __repr__(self) -> str:
        return f"<facet.Margins of {self._samples()}, {len(self.name)} nodes{worst(self.residual)}>"
