"""Why margins of groups of samples changed: changes of their samples, added up by pixel and by node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas

from facet.errors import StudyError, known
from facet.explain import Moved
from facet.hdf import Array, strings

if TYPE_CHECKING:
    from facet.study import Study


@dataclass(repr=False)
class GroupChange(Moved):
    """What changed the margins of a group of samples, added up, in units of the feature: total = pixels.sum() + moved.sum() +
    b_node.sum(), up to `residual`. Divided by `samples` it is the mean sample's."""

    group: str
    variant: str
    condition: str
    samples: int
    lost: int  # right before, wrong after
    won: int
    pixels: Array  # channel x y x x
    moved: Array  # by the pixels' own change; 0 from dense to a variant
    b_node: Array
    node: list[str]
    total: float
    residual: float

    def __repr__(self) -> str:
        return (f"<facet.GroupChange of {self.group}, {self.samples} samples, {self.variant}, {self.condition}: {self.total:+.4f} = pixels "
                f"{self.pixels.sum() + self.moved.sum():+.4f}, nodes {self.b_node.sum():+.4f}>")


def names(study: Study) -> list[str]:
    """The groups; none where the study asks for none."""
    return strings(study.file["change/group"]) if "change/group" in study.file else []


def compared(study: Study) -> list[tuple[str, str]]:
    """(variant, condition) of all that is added up; clean: from dense to the variant."""
    found = []
    for variant in study.variants:
        for condition in study.conditions:
            where = f"change/{variant}" + ("" if condition == "clean" else f"/{condition}")
            if f"{where}/group_total" in study.file:
                found.append((variant, condition))
    return found


def _folder(study: Study, variant: str, condition: str | None) -> Any:
    study.variant_index(variant)
    condition = "clean" if condition is None else study.conditions[study.condition_index(condition)]
    if (variant, condition) not in compared(study):
        there = ", ".join(dict.fromkeys(v for v, c in compared(study) if c == condition))
        raise StudyError(f"{study.path}: no changes of {variant} are added up over groups, {condition}; "
                         + (f"those of: {there}" if there else "the study asks for none (change: {groups: class})"))
    return study.file[f"change/{variant}" + ("" if condition == "clean" else f"/{condition}")]


def group_change(study: Study, variant: str, group: str, condition: str | None) -> GroupChange:
    folder, there = _folder(study, variant, condition), names(study)
    if group not in there:
        raise StudyError(f"{study.path}: {known('group', group, there)}")
    g, pixels = there.index(group), folder["group_pixel"]
    samples, lost, won = (int(folder[f"group_{what}"][g]) for what in ("samples", "lost", "won"))
    moved = folder["group_moved"][g] if "group_moved" in folder else np.zeros(pixels.shape[1:])
    return GroupChange(group, variant, condition or "clean", samples, lost, won, pixels[g], moved, folder["group_node"][g],
                       strings(study.file[f"change/{variant}/node_name"]), float(folder["group_total"][g]), float(folder["group_residual"][g]))


def group_changes(study: Study) -> pandas.DataFrame:
    if not compared(study):
        raise StudyError(f"{study.path}: no changes are added up over groups (change: {{groups: class}})")
    rows, index = [], []
    for variant, condition in compared(study):
        folder = _folder(study, variant, condition)
        samples = folder["group_samples"][()]
        each = np.maximum(samples, 1)
        parts = {"pixels": folder["group_pixel"][()].sum(axis=(1, 2, 3)),
                 "moved": folder["group_moved"][()].sum(axis=(1, 2, 3)) if "group_moved" in folder else np.zeros(len(samples)),
                 "nodes": folder["group_node"][()].sum(axis=1)}
        for g, name in enumerate(names(study)):
            index.append((variant, condition, name))
            rows.append({"samples": samples[g], "lost": folder["group_lost"][g], "won": folder["group_won"][g],
                         "margin": folder["group_total"][g] / each[g], **{part: total[g] / each[g] for part, total in parts.items()},
                         "residual": folder["group_residual"][g]})
    return pandas.DataFrame(rows, index=pandas.MultiIndex.from_tuples(index, names=["variant", "condition", "group"]))
