"""What pruning removed, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facet.plot.choice import choose, pick, removed, seeds
from facet.plot.shares import by_layer
from facet.plot.style import DENSE, SIGNED, WIDTH, Picture, color_bar, picture, styled
from facet.plot.words import failed_seeds, left_out, short
from facet.tables import removed_by_layer

if TYPE_CHECKING:
    from facet.study import Study


@styled
def layer_sparsity(study: Study, limit: int = 30, most_layers: int = 60) -> Picture | None:
    """Which share of each layer's weights is gone, by variant."""
    named = {name: layers for name, layers in removed_by_layer(study).items() if name != "dense"}
    if not named:
        return None
    shown = list(named) if len(named) <= limit else pick(study, limit, list(named))
    every = list(dict.fromkeys(layer for name in shown for layer in named[name]))
    layers = choose(every, most_layers)
    table = np.array([[named[name].get(layer, np.nan) for name in shown] for layer in layers]
                     + [[removed(study, name) for name in shown]])
    figure = by_layer(table, [*layers, "whole network"], shown, "weights removed")
    return figure.says("Share of the weights that pruning really removed, in percent, layer by layer from the input down, and of all weights together."
                    + (" Means over seeds." if seeds(study) > 1 else "") + failed_seeds(study, shown)
                    + left_out(shown, named, "variants") + left_out(layers[:-1], every, "layers"))


@styled
def class_damage(study: Study, condition: str | None = None, limit: int = 24, most_classes: int = 40) -> Picture | None:
    """Accuracy by class minus that of dense."""
    table = study.class_damage(condition)
    names = [name for name in pick(study, limit + 1) if name != "dense"]
    if not names or not np.isfinite(table.loc[names].to_numpy()).any():
        return None
    worst_first = table.loc[names].mean().sort_values().index.to_list()
    classes = worst_first[:most_classes]
    values = 100 * table.loc[names, classes].to_numpy()
    most = max(float(np.nanquantile(np.abs(values), 0.9)), 1e-9)  # what lies far beyond may not hide the rest
    figure, axis = picture(figsize=(min(WIDTH, 2.2 + 0.5 * len(classes)), 0.26 * len(names) + 1.2))
    image = axis.imshow(values, cmap=SIGNED, vmin=-most, vmax=most, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value) and len(classes) <= 16:
            axis.text(column, row, _points(value), ha="center", va="center", fontsize=6.5,
                      color="white" if abs(value) > 0.6 * most else DENSE)
    axis.set_xticks(range(len(classes)), [short(str(name), 14) for name in classes], rotation=50, ha="right",
                    rotation_mode="anchor", fontsize=7)
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.tick_params(length=0)
    axis.set_frame_on(False)
    color_bar(figure, image, "points", ax=axis, pad=0.02, aspect=18, extend="both")
    more = f" Shown: the {len(classes)} of {len(worst_first)} classes that lose most." if len(classes) < len(worst_first) else ""
    return figure.says(f"Which classes pay for pruning: the accuracy of each class in percent minus that of the dense network "
                       f"({condition or study.reference}), the most damaged on the left.{more}"
                       + (" Means over seeds." if seeds(study) > 1 else "") + failed_seeds(study, names) + left_out(names, [str(n) for n in table.index if n != "dense"], "variants", study=study))


def _points(value: float) -> str:
    text = f"{value:+.0f}" if abs(value) >= 10 else f"{value:+.1f}"
    return "0" if float(text) == 0 else text.replace("-", "−")
