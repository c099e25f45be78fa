"""Which variants, conditions and corruptions a picture shows, where there is no room for all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from facet.findings import has_failed, living

if TYPE_CHECKING:
    from facet.study import Study

T = TypeVar("T")


def choose(names: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of the names, evenly spread, the first and the last among them."""
    if len(names) <= limit:
        return list(names)
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, limit).astype(int))]


def family(variant: str) -> str:
    """magnitude-global-0.95 -> magnitude-global: the recipe without its sparsity."""
    return re.sub(r"-[01]?\.\d+(?=$|-)", "", variant)


def sparsity(study: Study, variant: str) -> float:
    """Share of the weights that is really gone; 0 where nothing is said."""
    recipe = study.recipe(variant)
    value = recipe.get("achieved", recipe.get("sparsity", 0.0))
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else 0.0


def removed(study: Study, name: str) -> float:
    """Share of the weights that is really gone in a group of replicates: the mean over the seeds that have not failed."""
    return float(np.mean([sparsity(study, v) for v in living(study, name)]))


def asked(study: Study, name: str) -> float:
    """The sparsity that a group of replicates was to have; where nothing is said, what it has."""
    value = study.recipe(study.replicates[name][0]).get("sparsity", np.nan)
    return value if value > 0 else removed(study, name)


def first(study: Study, name: str) -> str:
    """The first variant of a group of replicates that has not failed; the first, if all have."""
    return living(study, name)[0]


def firsts(study: Study, names: Sequence[str]) -> list[str]:
    """The same of each of these groups."""
    return [first(study, name) for name in names]


def representatives(study: Study) -> list[str]:
    """The same of all groups."""
    return firsts(study, list(study.replicates))


def grouped(study: Study, variants: Sequence[str]) -> dict[str, list[str]]:
    """{group of replicates: those of some variants that are of it, and have not failed if one of the group has not}, without
    groups that have none of them: what has collapsed does not stand for seeds that live."""
    groups = {name: [v for v in living(study, name) if v in variants] for name in study.replicates}
    return {name: group for name, group in groups.items() if group}


def extremes(study: Study, variants: Sequence[str]) -> list[str]:
    """Of these variants dense, or the first, and the most pruned that has not failed: two, or one."""
    groups = grouped(study, variants)
    names = sorted((name for name in groups if not has_failed(study, name)), key=lambda name: removed(study, name)) or list(groups)
    return list(dict.fromkeys([groups[names[0]][0], groups[names[-1]][0]]))


def alive(study: Study) -> list[str]:
    """Groups of replicates that have not failed; all of them, if all have."""
    return [name for name in study.replicates if not has_failed(study, name)] or list(study.replicates)


def seeds(study: Study) -> int:
    """How many replicates the largest group has."""
    return max(len(group) for group in study.replicates.values())


def corruptions(study: Study) -> dict[str, list[tuple[int, str]]]:
    """{corruption: [(severity, condition), ...]}, each beginning with clean at severity 0 where there is one."""
    clean = [(0, "clean")] if "clean" in study.conditions else []
    found: dict[str, list[tuple[int, str]]] = {}
    for condition in study.conditions:
        name, slash, level = condition.rpartition("/")
        if slash and level.isdigit():
            found.setdefault(name, list(clean)).append((int(level), condition))
    return {name: sorted(steps) for name, steps in found.items()}


def pick(study: Study, limit: int, among: Sequence[str] | None = None) -> list[str]:
    """At most `limit` groups of replicates for one picture, none that has failed: dense, and whole sparsities, the sparsest
    with several methods first, so that methods stand beside each other at one. Where even that has no room, its best."""
    names = [name for name in alive(study) if among is None or name in among]
    if len(names) <= limit:
        return names
    kept = {"dense"} & set(names)
    levels: dict[float, list[str]] = {}
    for name in names:
        if name != "dense":
            levels.setdefault(round(asked(study, name), 6), []).append(name)
    score = study.spread(study.summary("accuracy")[:, study.condition_index(study.reference)])[0]
    best = dict(zip(study.replicates, np.nan_to_num(score, nan=-1)))
    for _, level in sorted(levels.items(), key=lambda item: (len(item[1]) < 2, -item[0])):
        room = limit - len(kept)
        if len(level) <= room:
            kept.update(level)
        elif kept <= {"dense"}:
            kept.update(sorted(level, key=lambda name: -best[name])[:room])
    return [name for name in names if name in kept]
