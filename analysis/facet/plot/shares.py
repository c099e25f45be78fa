"""A table of shares, a row a layer and a column a variant, as shades with their percentages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import PercentFormatter

from facet.plot.style import DENSE, WIDTH, Picture, color_bar, picture

if TYPE_CHECKING:
    from facet.hdf import Array


def by_layer(table: Array, layers: list[str], shown: list[str], what: str) -> Picture:
    """table: layers x shown, from 0 to 1; NaN: nothing is there."""
    tight = len(shown) > 12
    figure, axis = picture(figsize=(min(WIDTH, 1.9 + 0.62 * len(shown)), 0.21 * len(layers) + (1.5 if tight else 1.25)))
    tint = LinearSegmentedColormap.from_list("shares", ["#f4f7fa", "#86b0d1", "#2f6d9f", "#0b2f52"])
    image = axis.imshow(table, cmap=tint, vmin=0, vmax=1, aspect="auto")
    if not tight:
        for (row, column), value in np.ndenumerate(table):
            if np.isfinite(value):
                axis.text(column, row, _almost(100 * value), ha="center", va="center", fontsize=7,
                          color="white" if value > 0.55 else DENSE)
    axis.set_yticks(range(len(layers)), layers, fontsize=7)
    axis.set_xticks(range(len(shown)), shown, rotation=35 if not tight else 60, ha="right", rotation_mode="anchor", fontsize=7)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.set_xticks(np.arange(len(shown) + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(len(layers) + 1) - 0.5, minor=True)
    axis.grid(which="minor", color="white", linewidth=1.2)
    axis.tick_params(which="minor", length=0)
    color_bar(figure, image, what, ax=axis, pad=0.02, aspect=18, format=PercentFormatter(1, decimals=0))
    return figure


def _almost(value: float) -> str:
    """A percentage without digits, but 99.6 is not 100."""
    return ">99" if 99.5 <= value < 100 else f"{value:.0f}"
