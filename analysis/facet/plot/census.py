"""Activation patterns over the data set: what is always off, and how far pruning and corruption have moved patterns, gate by gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facet import census
from facet.plot.choice import choose, extremes, grouped, pick, seeds
from facet.plot.shares import by_layer
from facet.plot.style import Picture, styled
from facet.plot.words import failed_seeds, left_out

if TYPE_CHECKING:
    from facet.hdf import Array
    from facet.study import Study


def _shares(study: Study, what: str, limit: int, most_gates: int) -> tuple[Array, list[str], list[str], str] | None:
    """(gates x variants, gates, variants, what is left out) of a column of study.gates, as a share of the elements."""
    base = study.condition_index(study.reference)
    there = [v for v in census.counted(study) if study.file["census/regions"][study.variant_index(v), base] >= 0]
    groups = {name: group for name, group in grouped(study, there).items() if not (what == "distance_dense" and name == "dense")}
    if not groups:
        return None
    shown = list(groups) if len(groups) <= limit else pick(study, limit, list(groups))
    columns = {}
    for name in shown:
        tables = [census.gates(study, v, None) for v in groups[name]]
        shares = np.mean([(table[what] / table["elements"]).to_numpy() for table in tables], axis=0)
        columns[name] = dict(zip(map(str, tables[0].index), shares))
    every = list(dict.fromkeys(gate for name in shown for gate in columns[name]))
    rows = choose(every, most_gates)
    table = np.array([[columns[name].get(gate, np.nan) for name in shown] for gate in rows])
    more = (" Means over seeds." if seeds(study) > 1 else "") + failed_seeds(study, study.replicates) + left_out(shown, groups, "variants") + left_out(rows, every, "gates")
    return (table, rows, shown, more) if np.isfinite(table).any() else None


@styled
def dead_elements(study: Study, limit: int = 30, most_gates: int = 60) -> Picture | None:
    """Which share of each gate's elements is always off over the samples, by variant."""
    found = _shares(study, "dead", limit, most_gates)
    if found is None:
        return None
    table, rows, shown, more = found
    return by_layer(table, rows, shown, "always off").says(
        f"Elements of each gate that are off for every one of the {study.samples} samples ({study.reference}), in percent: the network "
        f"does not use them on this data. Maxima have none.{more}")


@styled
def pattern_change(study: Study, limit: int = 30, most_gates: int = 60) -> Picture | None:
    """Which share of each gate's elements is on another piece than in dense, by variant."""
    found = _shares(study, "distance_dense", limit, most_gates)
    if found is None:
        return None
    table, rows, shown, more = found
    return by_layer(table, rows, shown, "on another piece").says(
        f"How far pruning has moved activation patterns: elements of each gate that are on another piece than in dense, or won by "
        f"another candidate, in percent, a mean over the samples ({study.reference}).{more}")


@styled
def pattern_shift(study: Study, variant: str | None = None, limit: int = 30, most_gates: int = 60) -> Picture | None:
    """Which share of each gate's elements corruption puts on another piece than in the clean sample, by condition."""
    there = census.moved(study)
    shown = variant or (extremes(study, list(there))[0] if there else "")
    if shown not in there:
        return None
    conditions = choose(there[shown], limit)
    tables = [census.gates(study, shown, condition) for condition in conditions]
    every = list(map(str, tables[0].index))
    rows = choose(every, most_gates)
    table = np.array([(one["distance_clean"] / one["elements"])[rows] for one in tables]).T
    return by_layer(table, rows, conditions, "on another piece").says(
        f"How far corruption moves activation patterns in {shown}: elements of each gate that are on another piece than in the clean "
        f"sample, or won by another candidate, in percent, a mean over the {study.samples} samples."
        f"{left_out(conditions, there[shown], 'conditions')}{left_out(rows, every, 'gates')}")
