"""What the census of activation patterns says: regions that samples share, and how gates behave over the data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas

from facet.errors import StudyError, known
from facet.hdf import Array, strings

if TYPE_CHECKING:
    from facet.study import Study

REFERENCES = ("dense", "clean")
VARYING = 255  # as files say that an element is not always on the same piece


def counted(study: Study) -> list[str]:
    """Names of the variants whose patterns are counted."""
    return [v for v in study.variants if f"census/{v}" in study.file]


def _group(study: Study, variant: str) -> Any:
    study.variant_index(variant)
    if variant not in counted(study):
        raise StudyError(f"{study.path}: the patterns of {variant} were not counted (census)")
    return study.file[f"census/{variant}"]


def _condition(study: Study, variant: str, condition: str | None) -> tuple[Any, int]:
    """The group of a variant, and a condition that is counted."""
    group, c = _group(study, variant), study.condition_index(study.reference if condition is None else condition)
    if study.file["census/regions"][study.variant_index(variant), c] < 0:
        raise StudyError(f"{study.path}: the patterns of {variant} under {study.conditions[c]} were not counted (census)")
    return group, c


def regions(study: Study) -> pandas.DataFrame:
    if "census/regions" not in study.file:
        raise StudyError(f"{study.path}: no patterns were counted (census)")
    number, rows = study.file["census/regions"][()], {}
    for variant in counted(study):
        for c, condition in enumerate(study.conditions):
            if number[study.variant_index(variant), c] >= 0:
                shared = study.file[f"census/{variant}/shared"][c]
                rows[variant, condition] = (number[study.variant_index(variant), c], shared.max(), np.sum(shared == 1))
    index = pandas.MultiIndex.from_tuples(rows, names=["variant", "condition"])
    return pandas.DataFrame(list(rows.values()), index=index, columns=["regions", "largest", "alone"])


def gates(study: Study, variant: str, condition: str | None) -> pandas.DataFrame:
    group, c = _condition(study, variant, condition)
    first = np.append(group["first"][()], group["element"].size)
    table = {"elements": np.diff(first), "constant": group["constant"][c], "dead": group["dead"][c]}
    for r, reference in enumerate(REFERENCES):
        distance = group["distance"][c, :, r].astype(float)
        distance[distance < 0] = np.nan
        table[f"distance_{reference}"] = distance.mean(axis=0)
    return pandas.DataFrame(table, index=pandas.Index(strings(group["gate"]), name="gate"))


def moved(study: Study) -> dict[str, list[str]]:
    """{variant: the corrupted conditions under which its patterns are compared with clean ones}, without variants that have none."""
    if "clean" not in study.conditions or "census/regions" not in study.file:
        return {}
    number = study.file["census/regions"][()]
    found = {v: [name for name, regions in zip(study.conditions, number[study.variant_index(v)]) if regions >= 0 and name != "clean"]
             for v in counted(study)}
    return {v: conditions for v, conditions in found.items() if conditions}


def constant_elements(study: Study, variant: str, condition: str | None) -> dict[str, Array]:
    group, c = _condition(study, variant, condition)
    blocks = group["piece"][c].astype(int)  # of each block of samples: 1 + the piece
    same = (blocks == blocks[0]).all(axis=0) & (blocks[0] != VARYING)
    return dict(zip(strings(group["gate"]), np.split(np.where(same, blocks[0] - 1, -1), group["first"][()][1:])))


def distance(study: Study, variant: str, condition: str | None, reference: str) -> Array:
    group, c = _condition(study, variant, condition)
    if reference not in REFERENCES:
        raise StudyError(f"{study.path}: {known('reference', reference, REFERENCES)}")
    found = group["distance"][c, :, REFERENCES.index(reference)]
    if (found < 0).any():
        raise StudyError(f"{study.path}: patterns of {variant} cannot be compared with {reference}: it has other gates, or is not there")
    total: Array = found.sum(axis=1, dtype=np.int64)
    return total
