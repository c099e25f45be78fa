"""Single panels: an image, a signed map over its pixels, and a ledger of parts that add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from facet.hdf import Array
from facet.plot.style import DENSE, GREY, LIGHT, MINUS, PLUS, SIGNED, mix
from facet.plot.words import short, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from facet.study import Study


def bound(*arrays: Any) -> float:
    """A symmetric colour limit that a few extreme pixels do not spoil."""
    values = np.abs(np.concatenate([a.ravel() for a in arrays]))
    values = values[np.isfinite(values)]
    if not values.size:
        return 1.0
    top = np.quantile(values, 0.995) if arrays[0].ndim == 2 and values.size > 200 else values.max()
    return float(top) if top > 0 else float(values.max()) or 1.0


def flat_sum(values: Array) -> Array:
    return values if values.shape[1] == 1 or values.shape[2] == 1 else values.sum(axis=0)


def image_of(axis: Axes, study: Study, sample: int) -> None:
    pixels_of(axis, study, study.image(sample).astype(float))


def pixels_of(axis: Axes, study: Study, image: Array, like: Array | None = None) -> None:
    """An input as pixels of the data set, channel x y x x; grey ones from the darkest to the brightest of `like`, or of itself."""
    axis.set_xticks([])
    axis.set_yticks([])
    if study.flat:
        bars(axis, image.ravel(), GREY)
        axis.spines[:].set_visible(False)
    elif len(image) == 3:
        scale = float(study.attrs.get("normalize_scale", 255.0))
        white = scale if scale > 1 else max(1.0, image.max())
        axis.imshow(np.clip(image.transpose(1, 2, 0) / white, 0, 1))
    else:
        of = (image if like is None else like).mean(axis=0)
        axis.imshow(image.mean(axis=0), cmap="gray", vmin=of.min(), vmax=of.max())


def bars(axis: Axes, values: Array, color: Any = None) -> None:
    at = np.arange(len(values))
    colors = color or np.where(values >= 0, PLUS, MINUS)
    axis.bar(at, values, width=0.85 if len(values) <= 40 else 1.0, color=colors, linewidth=0)
    axis.axhline(0, color=GREY, linewidth=0.6)
    axis.set_xlim(-0.7, len(values) - 0.3)


def pixel_map(axis: Axes, values: Array, bound: float, note: bool = True) -> None:
    """A signed map over the input: colours for pictures (channels summed), bars for flat data."""
    axis.set_xticks([])
    axis.set_yticks([])
    if values.shape[1] == 1 or values.shape[2] == 1:
        bars(axis, values.ravel())
        axis.set_ylim(-1.08 * bound, 1.08 * bound)
        axis.spines[:].set_visible(False)
    else:
        axis.imshow(values.sum(axis=0), cmap=SIGNED, vmin=-bound, vmax=bound)
        for spine in axis.spines.values():
            spine.set_visible(True)
            spine.set_color(LIGHT)
    if note:
        axis.set_xlabel(f"±{bound:#.2g}", fontsize=7, color=GREY, labelpad=2)


def hatch(axis: Axes, touched: Array) -> None:
    """Lines over the pixels of a map that ties touch, in any channel; below the bars of flat data, a mark."""
    if touched.shape[1] == 1 or touched.shape[2] == 1:
        at = np.flatnonzero(touched.ravel())
        axis.plot(at, np.zeros(len(at)), "|", color=DENSE, markersize=3, transform=axis.get_xaxis_transform(), clip_on=False)
        return
    runs = []
    for y, line in enumerate(np.asarray(touched.any(axis=0))):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], line, [0]))))
        runs += [Path([(a - 0.5, y - 0.5), (b - 0.5, y - 0.5), (b - 0.5, y + 0.5), (a - 0.5, y + 0.5), (a - 0.5, y - 0.5)], closed=True)
                 for a, b in zip(edges[::2], edges[1::2])]
    if runs:
        axis.add_patch(PathPatch(Path.make_compound_path(*runs), facecolor="none", edgecolor=mix(GREY, "white", 0.25),
                                 linewidth=0, hatch="//////"))


def ledger(axis: Axes, pixels: float, b: float, node: list[str], split: Array, title: str, most: int = 6, room: float = 0.25) -> None:
    """Bars that add up: pixels + bias = output, and the bias by node; numbers in a column on the right, which takes
    `room` of the width."""
    order = np.argsort(-np.abs(split), kind="stable")
    kept = sorted(order[:most] if len(split) <= most else order[:most - 1])
    names, found = [node[i] for i in kept], [float(split[i]) for i in kept]
    if len(split) > len(kept):
        names.append(f"{len(split) - len(kept)} others")
        found.append(float(split.sum() - sum(found)))
    labels = ["Σ W·x", "bias b"] + [f"· {short(name, 18, keep_end=True)}" for name in names]
    values = np.array([float(pixels), float(b), *found])
    known = np.where(np.isfinite(values), values, 0)
    at = -np.array([0, 1] + [2.25 + i for i in range(len(names))])
    for y, value, main in zip(at, known, [True, True] + [False] * len(names)):
        color = PLUS if value >= 0 else MINUS
        axis.barh(y, value, height=0.72 if main else 0.6, color=color if main else mix(color, "white", 0.45), linewidth=0)
    axis.axvline(0, color=GREY, linewidth=0.6)
    axis.set_yticks(at, labels, fontsize=6.8)
    axis.tick_params(axis="y", length=0, pad=1)
    axis.spines["left"].set_visible(False)
    low, high = min(0, known.min()), max(0, known.max(), 1e-30)
    axis.set_xlim(low - 0.03 * (high - low), low + (high - low) / (1 - room))
    for y, value in zip(at, values):
        axis.text(1, y, signed(value), transform=axis.get_yaxis_transform(), ha="right", va="center", fontsize=6.5, color=DENSE)
    axis.set_xticks([])
    axis.spines["bottom"].set_visible(False)
    axis.set_title(title, fontsize=7.5, pad=2)
