"""Which variants, conditions and corruptions a picture shows, where there is no room for all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from facet.plot.style import Look
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
    """Share of the weights that is really gone in a group of replicates: the mean."""
    return float(np.mean([sparsity(study, v) for v in study.replicates[name]]))


def asked(study: Study, name: str) -> float:
    """The sparsity that a group of replicates was to have; where nothing is said, what it has."""
    value = study.recipe(study.replicates[name][0]).get("sparsity", np.nan)
    return value if value > 0 else removed(study, name)


def representatives(study: Study) -> list[str]:
    """The first of each group of replicates."""
    return [group[0] for group in study.replicates.values()]


def firsts(study: Study, names: Sequence[str]) -> list[str]:
    """The first seed of each of these replicates."""
    return [study.replicates[name][0] for name in names]


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


def pick(study: Study, look: Look, limit: int) -> list[str]:
    """At most `limit` replicates for one picture: dense, and as many of each recipe as there is room for, the sparsest
    always among them."""
    names = list(study.replicates)
    if len(names) <= limit:
        return names
    recipes = choose(list(look.families), limit - 1)
    each = (limit - 1) // len(recipes)
    kept = {"dense"}.union(*(choose(look.families[recipe][::-1], each) for recipe in recipes))
    return [name for name in names if name in kept]
