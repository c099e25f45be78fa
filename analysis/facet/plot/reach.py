"""How far linearizations hold: radii of facets beside distances to decision boundaries, and which gate ends a facet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facet import reach
from facet.errors import StudyError, known
from facet.plot.choice import choose, grouped, pick, seeds
from facet.plot.shares import by_layer
from facet.plot.style import WIDTH, Look, Picture, legend, picture, styled
from facet.plot.words import count, failed_seeds, left_out, one_seed

if TYPE_CHECKING:
    from facet.study import Study

NAMES = {"max": "max norm", "two": "2-norm"}


def _shown(study: Study, limit: int) -> list[str]:
    groups = grouped(study, reach.measured(study))
    return [groups[name][0] for name in pick(study, limit, list(groups))]


@styled
def facet_radii(study: Study, limit: int = 8) -> Picture | None:
    """How many samples have a facet of so much radius, and a decision boundary so near."""
    shown = _shown(study, limit)
    if not shown:
        return None
    look = Look(study)
    figure, axes = picture(1, 2, sharey=True, figsize=(WIDTH, 2.9))
    for axis, norm in zip(axes, reach.NORMS):
        for variant in reversed(shown):
            table = reach.reach(study, variant)
            for what, style in ((f"untied_{norm}", "-"), (f"boundary_{norm}", ":")):
                x = np.sort(table[what].to_numpy(float))
                x = x[np.isfinite(x) & (x > 0)]
                if len(x):
                    line = look.line(variant) | {"linestyle": style, "marker": ""}
                    axis.step(x, np.arange(1, len(x) + 1) / len(table), where="post", label=variant if style == "-" else None, **line)
        axis.set_xscale("log")
        axis.set_xlabel(f"distance in the {NAMES[norm]} ({reach.unit(study)})")
        axis.set_ylim(0, 1.02)
    axes[0].set_ylabel("share of the samples")
    handles, labels = axes[0].get_legend_handles_labels()
    legend(figure, handles[::-1], labels[::-1], 3)
    return figure.says(f"How far the linearizations of {count(len(study.numbers('reach')))} samples hold: the share of samples whose facet ends within "
                       "a distance (solid; without boundaries that a sample lies on), and whose map has a decision boundary within it (dotted). Within "
                       "the solid one, W and b are exactly those of the sample." + left_out(shown, reach.measured(study), "variants", study=study) + one_seed(study, " that was measured"))


@styled
def facet_limits(study: Study, norm: str = "max", limit: int = 30, most_gates: int = 60) -> Picture | None:
    """Which gate or maximum ends the facets of how many samples."""
    if norm not in reach.NORMS:
        raise StudyError(f"{study.path}: {known('norm', norm, reach.NORMS)}")
    groups = grouped(study, reach.measured(study))
    if not groups:
        return None
    shown = list(groups) if len(groups) <= limit else pick(study, limit, list(groups))
    columns = {}
    for name in shown:
        ends = [gate for v in groups[name] for gate in reach.reach(study, v)[f"limit_{norm}"]]
        columns[name] = {gate: ends.count(gate) / len(ends) for gate in reach.gates(study, groups[name][0])}
    every = list(dict.fromkeys(gate for name in shown for gate in columns[name]))
    rows = choose(every, most_gates)
    table = np.array([[columns[name].get(gate, np.nan) for name in shown] for gate in rows])
    if not rows:
        return None
    return by_layer(table, rows, shown, "of the samples").says(
        f"Which gate or maximum changes first, in percent of the samples ({NAMES[norm]}): where the map stops to hold."
        + " Means over seeds." * (seeds(study) > 1) + failed_seeds(study, study.replicates) + left_out(shown, groups, "variants") + left_out(rows, every, "gates"))
