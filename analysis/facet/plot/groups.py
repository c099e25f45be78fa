"""Groups whose margins pruning changed most, and the pixels that did it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facet import groups
from facet.plot.pixels import bound, flat_sum, pixel_map
from facet.plot.style import GREY, WIDTH, Picture, picture, styled
from facet.plot.words import count, grey_note, short, signed

if TYPE_CHECKING:
    from facet.study import Study


@styled
def group_change(study: Study, variant: str, condition: str | None = None, limit: int = 5) -> Picture | None:
    """The groups whose mean margin fell most, by pixel."""
    found = [groups.group_change(study, variant, name, condition) for name in groups.names(study)[1:]]
    found = sorted((one for one in found if one.samples > 0), key=lambda one: one.total / one.samples)
    if not found:
        return None
    shown = found[:limit]
    figure, axes = picture(1, len(shown), squeeze=False, figsize=(WIDTH * len(shown) / limit + 0.3, 1.9))
    maps = [(one.pixels + one.moved) / one.samples for one in shown]
    largest = max(bound(flat_sum(pixels)) for pixels in maps)
    for axis, one, pixels in zip(axes[0], shown, maps):
        pixel_map(axis, pixels, largest)
        nodes = float(np.sum(one.b_node)) / one.samples
        axis.set_title(short(one.group, 18), fontsize=7.5, loc="center")
        axis.set_xlabel(f"{signed(one.total / one.samples)} = {signed(float(pixels.sum()))} {signed(nodes)}\n"
                        f"{count(one.samples)} samples, {count(one.lost)} lost, {count(one.won)} won", fontsize=6.5, color=GREY, labelpad=2)
    what = "from dense, clean" if condition in (None, "clean") else f"from clean to {condition}"
    return figure.says(f"Why the margins of groups changed in {variant}, {what}: what each pixel adds to the change of the mean sample's margin (red adds, blue "
                       "takes away, one scale for all). Below, the change, and its parts: all pixels together, and all constants of the network."
                       f"{grey_note(study)} Shown: the {len(shown)} of {count(len(found))} groups that lose most.")
