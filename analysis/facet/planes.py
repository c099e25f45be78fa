"""Slices of the input space: a plane through three inputs, cut into a network's regions, exactly."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from facet.errors import StudyError
from facet.hdf import Array

if TYPE_CHECKING:
    from facet.study import Study


def _inside(at: Array, logits: Array, u: Array, v: Array) -> tuple[Array, Array]:
    """Which points of a grid lie in a polygon, and the logits there, from the triangle of three corners that is largest."""
    x, y = np.meshgrid(u, v)
    side = np.roll(at, -1, axis=0) - at
    inside = np.ones(x.shape, bool)
    for (a, b), (s, t) in zip(at, side):
        inside &= s * (y - b) - t * (x - a) >= 0
    points = np.column_stack([x[inside], y[inside]]) - at[0]
    spokes = at[1:] - at[0]
    area = spokes[:-1, 0] * spokes[1:, 1] - spokes[:-1, 1] * spokes[1:, 0]
    k = int(area.argmax())
    (a, b), (c, d) = spokes[k], spokes[k + 1]
    one, two = (points[:, 0] * d - points[:, 1] * c) / area[k], (a * points[:, 1] - b * points[:, 0]) / area[k]
    return inside, logits[0] + np.outer(one, logits[k + 1] - logits[0]) + np.outer(two, logits[k + 2] - logits[0])


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Plane:
    """The plane x(u, v) = origin + u along[0] + v along[1] through three inputs, as far as `window` goes, cut into polygons on
    each of which the network is one affine map and one class is largest. u and v are distances in the network's input.

    inputs    3 x 2, where the three inputs lie: u, v
    window    4 x 2, corners of what was cut
    origin    the first input; along: 2 unit vectors, of the input's shape
    points    P x 2, all corners of polygons; logits: P x K, there
    corner    numbers of points: those of polygon i, counterclockwise, are corner[first[i]:first[i + 1]]
    first     polygons + 1
    edge      of each corner whether the edge to the next one is a decision boundary
    cls       of each polygon, the class of the largest logit
    region    of each polygon, the number of its region: one that two classes share is two polygons or more
    residual  certificate: |F - what the polygon says| at the middle of every region, F by a plain forward pass, relative to the
              largest |F|, or 1
    uncovered certificate: by what share all areas together differ from the window's
    dropped   cuts that would have made something too narrow for numbers in double"""

    inputs: Array
    window: Array
    origin: Array
    along: Array
    points: Array
    logits: Array
    corner: Array
    first: Array
    edge: Array
    cls: Array
    region: Array
    residual: float
    uncovered: float
    dropped: int

    def __len__(self) -> int:
        """How many polygons there are."""
        return len(self.cls)

    @property
    def regions(self) -> int:
        """How many regions of the network the window shows."""
        return int(self.region.max()) + 1 if len(self.region) else 0

    def corners(self, polygon: int) -> Array:
        """Numbers of a polygon's points."""
        return self.corner[self.first[polygon]:self.first[polygon + 1]]

    @property
    def polygons(self) -> list[Array]:
        """Every polygon, as n x 2 numbers u, v."""
        return np.split(self.points[self.corner], self.first[1:-1])

    @property
    def areas(self) -> Array:
        """Of every polygon."""
        next_one = np.arange(1, len(self.corner) + 1)
        next_one[self.first[1:] - 1] = self.first[:-1]
        at = self.points[self.corner] - self.points[self.corner[self.first[:-1]]].repeat(np.diff(self.first), axis=0)
        cross = at[:, 0] * at[next_one, 1] - at[next_one, 0] * at[:, 1]
        return np.asarray(np.add.reduceat(cross, self.first[:-1]) / 2)

    @property
    def boundary(self) -> Array:
        """The decision boundary as segments, n x 2 x 2; those between two polygons twice, once of each."""
        next_one = np.arange(1, len(self.corner) + 1)
        next_one[self.first[1:] - 1] = self.first[:-1]
        ends = np.stack([self.points[self.corner], self.points[self.corner[next_one]]], axis=1)
        return np.asarray(ends[self.edge.astype(bool)])

    def x(self, at: Array) -> Array:
        """Inputs of the network at u, v: n x 2."""
        return np.asarray(self.origin + np.tensordot(np.asarray(at, float), self.along, axes=1))

    def affine(self, polygon: int) -> Array:
        """The network on a polygon: K x 3, logit = c[0] u + c[1] v + c[2]; by least squares from its corners."""
        corner = self.corners(polygon)
        at = self.points[corner]
        middle = at.mean(axis=0)
        slope = np.linalg.lstsq(at - middle, self.logits[corner] - self.logits[corner].mean(axis=0), rcond=None)[0]
        return np.column_stack([slope.T, self.logits[corner].mean(axis=0) - middle @ slope])

    def grid(self, n: int) -> tuple[Array, Array, Array]:
        """The middles of n x n cells of the window, row by row from below: u, v; the polygon that each lies in (of those that
        share it one, -1: in none, at an edge); the logits there."""
        low, high = self.window[0], self.window[2]
        u, v = (low[i] + (np.arange(n) + 0.5) / n * (high[i] - low[i]) for i in range(2))
        polygon, logits = np.full((n, n), -1), np.full((n, n, self.logits.shape[1]), np.nan)
        for number in range(len(self)):
            corner = self.corners(number)
            at = self.points[corner]
            i = slice(*np.searchsorted(u, [at[:, 0].min(), at[:, 0].max()]))
            j = slice(*np.searchsorted(v, [at[:, 1].min(), at[:, 1].max()]))
            if i.start < i.stop and j.start < j.stop:
                inside, found = _inside(at, self.logits[corner], u[i], v[j])
                polygon[j, i][inside] = number
                logits[j, i][inside] = found
        return np.stack(np.meshgrid(u, v), axis=-1), polygon, logits

    def __repr__(self) -> str:
        return (f"<facet.Plane through three inputs: {self.regions:,} regions, {len(self):,} polygons, {len(np.unique(self.cls))} classes, "
                f"residual {self.residual:.1e}>")


# ---- of a study ----


def cut(study: Study) -> list[str]:
    """Variants in which planes are cut."""
    return [v for v in study.variants if f"planes/{v}/polygons" in study.file]


def samples(study: Study) -> Array:
    """planes x 3 numbers of samples; none where the study asks for no plane."""
    return np.asarray(study.file["planes/through"][()]) if "planes/through" in study.file else np.zeros((0, 3), np.int64)


def plane(study: Study, variant: str, number: int = 0) -> Plane:
    """A plane of the study in one variant, in its network's input."""
    study.variant_index(variant)
    through = samples(study)
    if variant not in cut(study) or number not in range(len(through)):
        raise StudyError(f"{study.path}: plane {number} of {variant} is not there; "
                         + (f"{len(through)} planes are, in {', '.join(cut(study))}" if len(through) else
                            "the study asks for none (planes: {})"))
    group, at = study.file[f"planes/{variant}"], study.file["planes/at"][number]
    polygons, points = int(group["polygons"][number]), int(group["points"][number])
    if polygons == 0:
        raise StudyError(f"{study.path}: plane {number} of {variant} has more polygons than the file has room for: a smaller 'window' in "
                         "'planes' has fewer")
    x = np.stack([study.input(int(sample), variant) for sample in through[number]])
    first = (x[1] - x[0]) / at[1, 0]
    along = np.stack([first, (x[2] - x[0] - at[2, 0] * first) / at[2, 1]])
    end = group["end"][number, :polygons]
    corners = int(end[-1])
    return Plane(at, study.file["planes/window"][number], x[0], along, group["at"][number, :points], group["logits"][number, :points],
                 group["corner"][number, :corners], np.concatenate([[0], end]), group["edge"][number, :corners],
                 group["predicted"][number, :polygons], group["region"][number, :polygons], float(group["residual"][number]),
                 float(group["uncovered"][number]), int(group["dropped"][number]))
