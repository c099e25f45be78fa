"""How far linearizations hold: the radius of each sample's facet, and the nearest decision boundary."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas

from facet.errors import StudyError, known
from facet.hdf import Array, plain, strings
from facet.linear import picture

if TYPE_CHECKING:
    from facet.study import Study

NORMS = ("max", "two")
UNITS = {"input": "normalised inputs", "pixel": "pixels"}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Nearest:
    """The nearest point of another class of a sample's own map, in one variant and norm, and how it differs from the sample."""

    sample: int
    variant: str
    norm: str  # max or two
    cls: int  # predicted
    name: str
    other: int  # beyond the boundary
    other_name: str
    point: Array  # normalised input, channel x y x x
    difference: Array  # point - study.input(sample)
    distance: float  # in study.reach's unit
    inside: bool  # the point lies in the sample's facet, so that nothing nearer is of another class there; else a lower bound

    def __repr__(self) -> str:
        return (f"<facet.Nearest of sample {self.sample}, {self.variant}: {self.name} to {self.other_name} at {'' if self.inside else '>= '}"
                f"{self.distance:.4g}, norm {self.norm}>")


def measured(study: Study) -> list[str]:
    """Names of the variants in which facets are measured."""
    return [v for v in study.variants if f"reach/{v}/untied" in study.file]


def unit(study: Study) -> str:
    """What distances are measured in."""
    return UNITS[str(plain(study.file["reach"].attrs["unit"]))]


def group_of(study: Study, variant: str) -> Any:
    study.variant_index(variant)
    if variant not in measured(study):
        raise StudyError(f"{study.path}: facets of {variant} were not measured (reach)")
    return study.file[f"reach/{variant}"]


def gates(study: Study, variant: str) -> list[str]:
    return strings(group_of(study, variant)["gate"])


def radius(study: Study, variant: str, norm: str) -> Array:
    found: Array = group_of(study, variant)[f"{norm}_norm"][()]
    return found


def reach(study: Study, variant: str) -> pandas.DataFrame:
    group, names = group_of(study, variant), gates(study, variant)
    table: dict[str, Any] = {"tied": group["tied"][()].sum(axis=1)}
    for n, norm in enumerate(NORMS):
        boundary, own = group["boundary"][:, n], radius(study, variant, norm)
        table |= {f"{norm}_norm": own, f"untied_{norm}": group["untied"][:, n],
                  f"limit_{norm}": [names[i] if i >= 0 else "" for i in group["limit"][:, n]],
                  f"boundary_{norm}": boundary, f"other_{norm}": [study.classes[k] if k >= 0 else "" for k in group["other"][:, n]],
                  f"inside_{norm}": group["inside"][:, n].astype(bool), f"safe_{norm}": np.minimum(boundary, own)}
    return pandas.DataFrame(table, index=pandas.Index(study.numbers("reach"), name="sample"))


def nearest(study: Study, variant: str, sample: int, norm: str = "two") -> Nearest:
    """The stored point of another class that is nearest to a sample."""
    group, sample = group_of(study, variant), study.sample_index(sample)
    if norm not in NORMS:
        raise StudyError(f"{study.path}: {known('norm', norm, NORMS)}")
    at, n = np.flatnonzero(study.numbers("reach") == sample), NORMS.index(norm)
    if not len(at):
        raise StudyError(f"{study.path}: the facet of sample {sample} was not measured; those of {len(study.numbers('reach'))} samples are: "
                         "study.numbers('reach')")
    i, points = int(at[0]), group["point"]
    other = int(group["other"][i, n])
    if other < 0:
        raise StudyError(f"{study.path}: sample {sample} of {variant} has no decision boundary: no other class comes nearer in any direction")
    cls = int(study.file["prediction/class"][study.variant_index(variant), study.condition_index("clean"), sample])
    point = picture(points[i, n].astype(float), study.shape, str(plain(points.attrs.get("order", "channels_first"))))
    return Nearest(sample, variant, norm, cls, study.classes[cls], other, study.classes[other], point, point - study.input(sample),
                   float(group["boundary"][i, n]), bool(group["inside"][i, n]))


def radii(study: Study) -> pandas.DataFrame:
    if not measured(study):
        raise StudyError(f"{study.path}: no facets were measured (reach)")
    rows = []
    for variant in measured(study):
        table, group = reach(study, variant), group_of(study, variant)
        row = {name: table[name].median() for name in ("max_norm", "two_norm", "untied_max", "untied_two", "boundary_max", "boundary_two")}
        rows.append(row | {"tied": (table["tied"] > 0).mean(), "inside_max": table["inside_max"].mean(),
                           "inside_two": table["inside_two"].mean(), "residual": group["residual"][()].max()})
    return pandas.DataFrame(rows, index=pandas.Index(measured(study), name="variant"))
