"""Planes through three samples, cut into regions, of several variants side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.patches import Patch

from facet import planes
from facet.plot.style import DENSE, GREY, WIDTH, Picture, picture, styled
from facet.plot.words import class_name, count, left_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from facet.study import Study

MOST = 3  # variants side by side
COLOURS = ["#a6cee3", "#fdbf6f", "#b2df8a", "#fb9a99", "#cab2d6", "#ffff99", "#d9d9d9", "#99d8c9", "#e5c494", "#f4cae4"]
DARK = ["#1f78b4", "#ff7f00", "#33a02c", "#e31a1c", "#6a3d9a", "#b15928", "#666666", "#1b9e77", "#a6761d", "#e7298a"]  # lines of the same classes


def whole(study: Study, number: int = 0) -> list[str]:
    """Variants in which there was room for the plane."""
    return [v for v in planes.cut(study) if study.file[f"planes/{v}/polygons"][number] > 0]


def _draw(axis: Axes, plane: planes.Plane, labels: list[str]) -> None:
    colours = [COLOURS[cls % len(COLOURS)] for cls in plane.cls]
    axis.add_collection(PolyCollection(plane.polygons, facecolors=colours, edgecolors=GREY, linewidths=min(0.3, 12 / len(plane) ** 0.5),
                                       rasterized=True))
    axis.add_collection(LineCollection(list(plane.boundary), colors=DENSE, linewidths=1.3, capstyle="round"))
    (left, low), (right, high) = plane.window[0], plane.window[2]
    for place, ((u, v), label) in enumerate(zip(plane.inputs, labels)):
        if left <= u <= right and low <= v <= high:
            axis.plot(u, v, marker="o^s"[place], color="white", markeredgecolor=DENSE, markersize=5)
            axis.annotate(label, (u, v), xytext=(0, 5), textcoords="offset points", ha="center", fontsize=6)
    axis.set_xlim(left, right)
    axis.set_ylim(low, high)
    axis.set_aspect("equal")
    axis.tick_params(labelsize=6)


@styled
def plane(study: Study, number: int = 0, variants: list[str] | None = None) -> Picture | None:
    """A plane through three samples, cut into the regions of several variants and coloured by the predicted class."""
    there = variants or (whole(study, number) if len(planes.samples(study)) > number else [])
    shown = variants or there[:MOST]
    if not shown:
        return None
    found = [planes.plane(study, variant, number) for variant in shown]
    width, height = np.ptp(found[0].window, axis=0)
    each = WIDTH / max(2, len(shown))
    figure, axes = picture(1, len(shown), squeeze=False, sharex=True, sharey=True,
                           figsize=(each * len(shown), min(1.3, height / width) * (each - 0.3) + 1.1))
    through = planes.samples(study)[number].tolist()
    labels = [f"sample {sample}" for sample in through]
    for axis, variant, one in zip(axes[0], shown, found):
        _draw(axis, one, labels)
        axis.set_title(variant, fontsize=8)
        axis.set_xlabel(f"{count(one.regions)} regions", fontsize=7, labelpad=2, color=GREY)
    classes = sorted({int(cls) for one in found for cls in one.cls})
    figure.legend(handles=[Patch(color=COLOURS[cls % len(COLOURS)], label=class_name(study, cls)) for cls in classes[:len(COLOURS)]],
                  loc="outside lower center", ncols=min(5, len(classes)), fontsize=7)
    return figure.says(f"The plane through samples {through[0]}, {through[1]} and {through[2]}, distances as the network's input has them. On each polygon the network "
                       "is one affine map; colours say which class is predicted, thick lines where that changes: exactly, not by sampling. "
                       "A sample that is not marked lies outside of what is looked at." + left_out(shown, there, "variants"))
