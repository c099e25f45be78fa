"""How far linearizations hold: the radius of each sample's facet, and the nearest decision boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas

from facet.errors import StudyError
from facet.hdf import Array, plain, strings

if TYPE_CHECKING:
    from facet.study import Study

NORMS = ("max", "two")
UNITS = {"input": "normalised inputs", "pixel": "pixels"}


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
