"""How far linearizations hold: radii of facets beside distances to decision boundaries, and which gate ends a facet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facet import reach
from facet.errors import StudyError, known
from facet.plot.choice import choose, grouped, pick, seeds
from facet.plot.pixels import bound, flat_sum, image_of, pixel_map, pixels_of
from facet.plot.shares import by_layer
from facet.plot.style import DENSE, GREY, WIDTH, Look, Picture, legend, picture, styled
from facet.plot.words import class_name, count, failed_seeds, grey_note, left_out, one_seed

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


@styled
def nearest_points(study: Study, variant: str, limit: int = 4) -> Picture | None:
    """Samples, and in both norms the nearest point of another class beside them and what it differs in."""
    there = study.numbers("reach")[np.isfinite(reach.group_of(study, variant)["boundary"][()]).all(axis=1)]
    if not len(there):
        return None
    scale, mean, std = study.normalization
    figure, axes = picture(min(limit, len(there)), 5, squeeze=False, figsize=(WIDTH, 1.6 * min(limit, len(there)) + 0.3))
    for row, sample in zip(axes, there.tolist()):
        image_of(row[0], study, sample)
        row[0].set_ylabel(f"sample {sample}", fontsize=7, color=GREY)
        for norm, left, right in zip(("two", "max"), row[1::2], row[2::2]):
            found = reach.nearest(study, variant, sample, norm)
            pixels_of(left, study, (found.point * std + mean) * scale, study.image(sample).astype(float))
            left.set_xlabel(f"{class_name(study, found.other, 14)}, {'' if found.inside else '≥ '}{found.distance:.3g}", fontsize=7, labelpad=2)
            pixel_map(right, found.difference, bound(flat_sum(found.difference)))
        row[0].set_xlabel(class_name(study, found.cls), fontsize=7.5, labelpad=2, color=DENSE)
    for axis, title in zip(axes[0], ["sample", "nearest, 2-norm", "difference", "nearest, max norm", "difference"]):
        axis.set_title(title, loc="center", fontsize=8)
    return figure.says(f"Samples and the nearest points of another class of their own map in {variant}, with that class and the distance ({reach.unit(study)}), "
                       "and what such a point differs in, in normalised inputs (red: more, blue: less, scale below each map). Where the distance has a ≥, the point lies "
                       "outside of the sample's facet, where the network is another map: the distance is a lower bound in it."
                       f"{grey_note(study)} Shown: {len(axes)} of {count(len(study.numbers('reach')))} samples.")
