"""Lines between two samples, cut into pieces: the logits on the way, of several variants one below the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facet import lines
from facet.plot.planes import COLOURS, DARK
from facet.plot.style import DENSE, GREY, WIDTH, Picture, picture, styled
from facet.plot.words import class_name, count, left_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from facet.study import Study

MOST = 3  # variants


def whole(study: Study, number: int = 0) -> list[str]:
    """Variants in which there was room for the line."""
    return [v for v in lines.cut(study) if study.file[f"lines/{v}/points"][number] > 0]


def _draw(axis: Axes, study: Study, one: lines.Line, classes: list[int]) -> None:
    starts = np.flatnonzero(np.concatenate([[True], one.cls[1:] != one.cls[:-1]]))
    for first, last in zip(starts, [*starts[1:], len(one.cls)]):
        axis.axvspan(one.t[first], one.t[last], color=COLOURS[one.cls[first] % len(COLOURS)], linewidth=0)
    for t in one.crossing:
        axis.axvline(t, color=DENSE, linewidth=0.9)
    for k in classes:
        axis.plot(one.t, one.logits[:, k], linewidth=1.2, color=DARK[k % len(DARK)], label=class_name(study, k))
    if len(one) <= 200:  # ends of pieces
        axis.plot(one.t, np.full(len(one.t), 0.0), "|", color=GREY, markersize=4, transform=axis.get_xaxis_transform(), clip_on=False)
    axis.set_xlim(0, 1)
    axis.tick_params(labelsize=6)


@styled
def line(study: Study, number: int = 0, variants: list[str] | None = None) -> Picture | None:
    """The logits on the line between two samples, of several variants, with the predicted class behind them."""
    there = variants or (whole(study, number) if len(lines.samples(study)) > number else [])
    shown = variants or there[:MOST]
    if not shown:
        return None
    found = [lines.line(study, variant, number) for variant in shown]
    ends = [int(k) for one in found for at in (0, -1) for k in np.argsort(-one.logits[at])[:2]]
    classes = list(dict.fromkeys([*(int(k) for one in found for k in np.unique(one.cls)), *ends]))[:6]
    figure, axes = picture(len(shown), 1, squeeze=False, sharex=True, figsize=(WIDTH, 1.35 * len(shown) + 0.5))
    for axis, variant, one in zip(axes[:, 0], shown, found):
        _draw(axis, study, one, classes)
        axis.set_title(variant, fontsize=8)
        axis.set_title(f"{count(len(one))} pieces", fontsize=7, loc="right", color=GREY)
    axes[-1][0].set_xlabel("share of the way", fontsize=7, labelpad=2)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(classes), fontsize=7)
    one, other = lines.samples(study)[number].tolist()
    return figure.says(f"Logits on the straight line from sample {one} to sample {other}, at all ends of the network's pieces (ticks below, where they are "
                       "few), between which they are affine. The background says which class is predicted, lines where that changes: exactly, not by sampling."
                       + left_out(shown, there, "variants"))
