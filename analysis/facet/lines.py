"""Lines through the input space: the segment between two inputs, cut into a network's pieces, exactly."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from facet.errors import StudyError
from facet.hdf import Array

if TYPE_CHECKING:
    from facet.study import Study


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Line:
    """The segment from one input to another, t from 0 to 1, cut where the network's pattern changes and where another class becomes
    the largest. Between two points the network is affine.

    t         P, in order: 0, where a piece or a class ends, 1
    logits    P x K, there
    piece     P - 1, the number of the piece behind each point but the last
    cls       P - 1, the class of the largest logit there
    length    distance of the two inputs
    residual  certificate: |F - what the line says| at the middles between points, F by a plain forward pass, relative to the
              largest |F|, or 1"""

    t: Array
    logits: Array
    piece: Array
    cls: Array
    length: float
    residual: float

    def __len__(self) -> int:
        """How many pieces there are."""
        return int(self.piece[-1]) + 1

    @property
    def crossing(self) -> Array:
        """At which t the predicted class changes."""
        return np.asarray(self.t[1:-1][self.cls[1:] != self.cls[:-1]])

    def at(self, t: Any) -> Array:
        """Logits at any t: n x K."""
        return np.column_stack([np.interp(t, self.t, logit) for logit in self.logits.T])

    def __repr__(self) -> str:
        return f"<facet.Line: {len(self):,} pieces, {len(self.crossing)} changes of the class, residual {self.residual:.1e}>"


# ---- of a study ----


def cut(study: Study) -> list[str]:
    """Variants in which lines are cut."""
    return [v for v in study.variants if f"lines/{v}/points" in study.file]


def samples(study: Study) -> Array:
    """lines x 2 numbers of samples; none where the study asks for no line."""
    return np.asarray(study.file["lines/between"][()]) if "lines/between" in study.file else np.zeros((0, 2), np.int64)


def line(study: Study, variant: str, number: int = 0) -> Line:
    """A line of the study in one variant."""
    study.variant_index(variant)
    between = samples(study)
    if variant not in cut(study) or number not in range(len(between)):
        raise StudyError(f"{study.path}: line {number} of {variant} is not there; "
                         + (f"{len(between)} lines are, in {', '.join(cut(study))}" if len(between) else
                            "the study asks for none (lines: {})"))
    group = study.file[f"lines/{variant}"]
    points = int(group["points"][number])
    if points == 0:
        raise StudyError(f"{study.path}: line {number} of {variant} has more points than the file has room for: 'points' in 'lines' may be "
                         "larger")
    return Line(group["t"][number, :points], group["logits"][number, :points], group["piece"][number, :points - 1],
                group["predicted"][number, :points - 1], float(study.file["lines/length"][number]), float(group["residual"][number]))
