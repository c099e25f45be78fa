"""What accuracy costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import PercentFormatter

from facet.plot.choice import alive
from facet.plot.style import DENSE, GREY, LIGHT, WIDTH, Look, Picture, legend, picture, styled
from facet.plot.words import failed_seeds, left_out

if TYPE_CHECKING:
    from facet.study import Study

TITLES = {"flops": "FLOPs of one sample", "flops_sparse": "FLOPs of one sample, of weights that are not 0",
          "bytes_sparse": "bytes of parameters that are not 0", "forward_seconds": "seconds of one sample"}


@styled
def pareto(study: Study, cost: str = "flops_sparse", condition: str | None = None) -> Picture | None:
    """Accuracy against a cost, and the line of those that no other one beats."""
    table, look = study.pareto(cost, condition), Look(study)
    if not np.isfinite(table[["accuracy", cost]].to_numpy()).all(axis=1).any():
        return None
    figure, axis = picture(figsize=(0.75 * WIDTH, 3.2))
    table = table[table.index.isin(alive(study))]
    best = table[table["best"]]
    axis.step(best[cost], best["accuracy"], where="post", color=GREY, linewidth=0.8, linestyle=":", zorder=1)
    for name, row in table.iterrows():
        error = row["deviation"] if np.isfinite(row["deviation"]) else None
        axis.errorbar(row[cost], row["accuracy"], error, color=look.color[str(name)], marker=look.marker[str(name)],
                      markeredgecolor=DENSE if row["best"] else "white", markeredgewidth=0.7, linewidth=0, elinewidth=0.8,
                      capsize=2, label=str(name), zorder=3)
    axis.set_xscale("log")
    axis.set_xlabel(TITLES.get(cost, cost.replace("_", " ")))
    axis.set_ylabel("accuracy")
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.grid(color=LIGHT, linewidth=0.5)
    handles, labels = axis.get_legend_handles_labels()
    legend(figure, handles, labels, 3)
    return figure.says("Accuracy against cost; on the dotted line, and ringed, are those for which no other one is as good and "
                       "cheaper. Bars: one standard deviation over seeds."
                       + failed_seeds(study, map(str, table.index)) + left_out([str(name) for name in table.index], study.replicates, "variants", study=study))
