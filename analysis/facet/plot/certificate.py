"""How well the affine maps are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facet.plot.choice import choose
from facet.plot.style import LIGHT, WIDTH, Look, Picture, picture, styled
from facet.plot.words import left_out

if TYPE_CHECKING:
    from facet.study import Study


@styled
def residuals(study: Study, limit: int = 30) -> Picture | None:
    """Certificates of all linearizations, by variant, against what the precision promises."""
    look = Look(study)
    if not study.linearized:
        return None
    rows = {}
    for name, group in study.replicates.items():
        group = [v for v in group if v in study.linearized]
        if group:
            rows[name if len(group) > 1 else group[0]] = group
    shown = choose(list(rows), limit)
    figure, axis = picture(figsize=(0.75 * WIDTH, 0.24 * len(shown) + 0.75))
    smallest = np.inf
    for row, variant in enumerate(shown):
        r = np.concatenate([study.linear(v).residual.astype(float) for v in rows[variant]])
        r = np.maximum(r[np.isfinite(r)], 1e-18)
        if not len(r):
            continue
        q = np.quantile(r, [0.0, 0.25, 0.5, 0.75, 1.0])
        smallest = min(smallest, q[1])
        axis.plot(q[[0, 4]], [-row, -row], color=look.color[variant], linewidth=0.9)
        axis.plot(q[[1, 3]], [-row, -row], color=look.color[variant], linewidth=4, solid_capstyle="butt")
        axis.plot(q[2], -row, "o", color="white", markeredgecolor=look.color[variant], markersize=4)
        axis.plot(q[4], -row, "|", color=look.color[variant], markersize=8, markeredgewidth=1.6)
    axis.set_xscale("log")
    if np.isfinite(smallest):
        axis.set_xlim(left=smallest / 10)
    axis.set_yticks([-row for row in range(len(shown))], shown)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.grid(axis="x", color=LIGHT, linewidth=0.5)
    axis.set_xlabel("residual max |F − (Wx + b)| / max(1, max |F|)")
    axis.set_ylim(-len(shown) + 0.4, 0.6)
    return figure.says("How far the affine map of each sample misses the network's own output: circle median, thick bar middle "
                    "half, tick the worst sample. Rounding of 32-bit numbers is about 1e-7."
                    + (" Replicates are taken together." if len(rows) < len(study.linearized) else "")
                    + left_out(shown, rows, "variants"))
