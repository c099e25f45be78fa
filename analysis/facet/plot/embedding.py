"""The map of all samples: where the encoder puts them for every variant and condition, how they move, and which pixels put
them there, from /embed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator

from facet.explain import movement, position
from facet.findings import sound
from facet.hdf import Array, strings
from facet.plot.choice import choose, corruptions, firsts, pick, representatives
from facet.plot.pixels import bound, flat_sum, image_of, pixel_map
from facet.plot.style import DENSE, GREY, LIGHT, NAMED, WIDTH, Picture, legend, numbered, palette, picture, styled
from facet.plot.words import class_name, gates_note, left_out, short, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from facet.study import Study


MOST_POINTS = 12000  # in one map


def mapped(study: Study) -> list[str]:
    """Names of the variants that the encoder can place: not NaN."""
    if "embed/position" not in study.file:
        return []
    position, c = study.file["embed/position"], study.condition_index("clean")
    return [v for i, v in enumerate(study.variants) if np.isfinite(position[i, c, 0]).all()]


def explained(study: Study) -> list[str]:
    return [v for v in mapped(study) if f"embed/{v}/W" in study.file]


def places(study: Study, variant: str, condition: str = "clean") -> Array:
    """Positions in the plane, N x 2: a map of one axis is spread out over the other, one of three seen from above."""
    y = study.file["embed/position"][study.variant_index(variant), study.condition_index(condition)]
    if y.shape[1] == 1:
        spread = np.arange(len(y)) * 0.6180339887498949 % 1 * np.ptp(y) / 4
        return np.column_stack([y[:, 0], spread])
    return np.asarray(y[:, :2])


def _axes_note(study: Study) -> str:
    axes = study.file["embed/position"].shape[3]
    return {1: " The map has one axis, upright is chance.", 3: " The third axis of the map is not shown."}.get(axes, "")


def _colours(study: Study) -> Array:
    colours = palette(len(study.classes))
    known = [colours[int(k) % len(colours)] if k >= 0 else to_rgb("#bbbbbb") for k in study.label]
    return np.array(known)


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_aspect("equal")
    for spine in axis.spines.values():
        spine.set_visible(True)
        spine.set_color(LIGHT)


def _axes_named(axes: Any) -> None:
    """What a map's axes are: places alone, without a unit."""
    for column in axes.T:  # below the last map of each
        [axis for axis in column if axis.axison][-1].set_xlabel("map, x", fontsize=7, color=GREY)
    for line in axes:
        line[0].set_ylabel("map, y", fontsize=7, color=GREY)


def _numbered(axis: Axes, study: Study, points: Array, colours: Sequence[Any]) -> None:
    """The numbers of few classes, at the medians of their points."""
    classes = [k for k in range(len(study.classes)) if (study.label == k).any()]
    for k in classes if len(classes) <= NAMED else ():
        numbered(axis, np.median(points[study.label == k], axis=0), k, colours[k % len(colours)], class_name(study, k), rim=False)


def _points(axis: Axes, study: Study, points: Array, colours: Array, size: float) -> None:
    step = -(-len(points) // MOST_POINTS)
    order = np.random.default_rng(1).permutation(len(points))[::step]  # so that no class covers another
    axis.scatter(points[order, 0], points[order, 1], s=size, c=colours[order], linewidths=0, alpha=0.7, rasterized=True)


def _limits(point_sets: Sequence[Array], share: float = 0.001) -> tuple[Array, Array]:
    """Bounds that hold all but the outermost of the points, with a rim."""
    points = np.concatenate(point_sets)
    low, high = np.quantile(points, [share, 1 - share], axis=0)
    rim = 0.05 * np.maximum(high - low, 1e-9)
    return low - rim, high + rim


def _frame(axis: Axes, low: Array, high: Array) -> None:
    axis.set_xlim(low[0], high[0])
    axis.set_ylim(low[1], high[1])


@styled
def the_map(study: Study) -> Picture | None:
    """The clean samples of the dense network (or of the first variant that has positions)."""
    names = mapped(study)
    if not names:
        return None
    variant = "dense" if "dense" in names else names[0]
    points, colours = places(study, variant), _colours(study)
    figure, axis = picture(figsize=(0.8 * WIDTH, 0.68 * WIDTH))
    _points(axis, study, points, colours, 4 if len(points) > 3000 else 9)
    _frame(axis, *_limits([points]))
    _bare(axis)
    classes = [k for k in range(len(study.classes)) if (study.label == k).any()]
    for k in classes if len(classes) <= NAMED else ():
        axis.annotate(class_name(study, k), np.median(points[study.label == k], axis=0), ha="center", va="center", fontsize=8,
                      fontweight="bold", color=DENSE, bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.75})
    _axes_named(np.array([[axis]]))
    named = ("names stand at the median of their classes." if len(classes) <= NAMED else
             f"{len(classes)} classes share {len(palette(len(classes)))} colours.") if classes else "the samples have no labels."
    shown = f" Shown: {min(len(points), MOST_POINTS)} of {len(points)} samples." if len(points) > MOST_POINTS else ""
    return figure.says(f"The clean test samples of {variant} in the map, coloured by class; {named}{shown}{_axes_note(study)}")


@styled
def maps_of_variants(study: Study, limit: int = 6) -> Picture | None:
    """Small maps side by side, all with the same axes."""
    every = [v for v in representatives(study) if v in mapped(study)]
    shown = [v for v in firsts(study, pick(study, limit)) if v in every]
    if len(shown) < 2:
        return None
    columns = min(3, len(shown))
    rows, colours = -(-len(shown) // columns), _colours(study)
    found = {v: places(study, v) for v in shown}
    low, high = _limits(list(found.values()))
    figure, axes = picture(rows, columns, squeeze=False, figsize=(WIDTH, rows * (0.9 * WIDTH / columns + 0.2)))
    for axis in axes.ravel()[len(shown):]:
        axis.set_axis_off()
    for axis, variant in zip(axes.ravel(), shown):
        _points(axis, study, found[variant], colours, 1.5)
        _numbered(axis, study, found[variant], palette(len(study.classes)))
        _frame(axis, low, high)
        _bare(axis)
        axis.set_title(short(variant, 34), fontsize=8)
    _axes_named(axes)
    handles, labels = axes.ravel()[0].get_legend_handles_labels()
    if handles:
        legend(figure, handles, labels, 5)
    return figure.says("The same samples (clean) as other variants see them, in the same map and with the same axes: one encoder places them "
                    "all." + left_out(shown, every, "variants", study=study) + _axes_note(study))


def _pairs(study: Study, limit: int) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    """[(title, variant, condition)] of what is compared with the clean samples of dense: variants, then corruptions."""
    variants = [v for v in firsts(study, pick(study, limit + 1)) if v in mapped(study) and v != "dense"][:limit]
    worst = [steps[-1][1] for steps in corruptions(study).values()]
    return [(v, v, "clean") for v in variants], [(f"dense, {c}", "dense", c) for c in choose([c for c in worst if c != "clean"], limit)]


@styled
def movements(study: Study, limit: int = 4, longest: int = 150, most_classes: int = 20) -> Picture | None:
    """Arrows from the clean samples of dense to those of variants, and to corrupted ones."""
    if "dense" not in mapped(study):
        return None
    rows = [row for row in _pairs(study, limit) if row]
    if not rows:
        return None
    columns, before, label = max(map(len, rows)), places(study, "dense"), study.label
    classes = choose(sorted({int(k) for k in label if k >= 0}), most_classes)
    colours = palette(len(study.classes))
    after: dict[Any, Array] = {pair[1:]: places(study, *pair[1:]) for row in rows for pair in row}
    low, high = _limits([before, *after.values()])
    figure, axes = picture(len(rows), columns, squeeze=False, figsize=(WIDTH, len(rows) * (0.9 * WIDTH / max(columns, 2) + 0.2)))
    for axis in axes.ravel():
        axis.set_axis_off()
    for line, row in zip(axes, rows):
        for axis, (title, *where) in zip(line, row):
            axis.set_axis_on()
            moved = after[tuple(where)]
            far = np.argsort(-np.linalg.norm(moved - before, axis=1), kind="stable")[:longest]
            axis.add_collection(LineCollection(list(np.stack([before[far], moved[far]], axis=1)), colors=GREY, linewidths=0.35, alpha=0.5))
            for k in classes:
                start, end = (points[label == k].mean(axis=0) for points in (before, moved))
                colour = colours[k % len(colours)]
                axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0})
                numbered(axis, start, k, colour, class_name(study, k))
            _frame(axis, low, high)
            _bare(axis)
            axis.set_title(short(title, 34), fontsize=8)
    _axes_named(axes)
    handles, labels = axes[0][0].get_legend_handles_labels()
    if 0 < len(handles) <= NAMED:
        legend(figure, handles, labels, 5)
    return figure.says("From the clean samples of the dense network to those of a pruned one, and to corrupted ones: arrows join the means "
                    f"of the classes, grey lines are the {min(longest, len(before))} samples that move the farthest." + _axes_note(study))


@styled
def training(study: Study) -> Picture | None:
    """The encoder's loss and the norm of its gradient by epoch, and alpha where it was learned."""
    if "embed/loss" not in study.file:
        return None
    epoch = study.file["embed/epoch"][()] + 1
    curves = {"loss (nat)": "loss", "norm of the gradient": "gradient", "alpha (degrees of freedom)": "alpha"}
    curves = {title: study.file[f"embed/{name}"][()] for title, name in curves.items()}
    curves = {title: curve for title, curve in curves.items() if np.isfinite(curve).any() and not (title[:5] == "alpha" and np.ptp(curve) == 0)}
    if len(epoch) < 2 or not curves:
        return None
    figure, axes = picture(1, len(curves), squeeze=False, figsize=(WIDTH, 2.2))
    for axis, (title, curve) in zip(axes[0], curves.items()):
        axis.plot(epoch, curve, color=DENSE, linewidth=1.1)
        axis.set_xlabel("epoch")
        axis.set_ylabel(title)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.grid(axis="y", color=LIGHT, linewidth=0.5)
    return figure.says("How the encoder learned: the divergence of the map's similarities from those of the features (Kullback-Leibler), and "
                    "how steep it was; means over the batches of an epoch.")


def farthest(study: Study, limit: int) -> list[tuple[int, str | None]]:
    """[(sample, variant)]: of each class the explained sample that pruning moves farthest, in the variant that moves it
    most, each variant in its turn; without pruned variants, of each class the first. The farthest come first, then second ones of the classes."""
    names = explained(study)
    if not names:
        return []
    others = sound(study, [v for v in names if v != "dense"] if "dense" in names else [])
    sample, c = study.numbers("embed"), study.condition_index("clean")
    y = {v: study.file["embed/position"][study.variant_index(v), c][()][sample] for v in names}
    far = np.array([np.linalg.norm(y[v] - y["dense"], axis=1) for v in others] or [np.zeros(len(sample))])
    order = np.argsort(-far.max(axis=0), kind="stable")
    turn = np.zeros(len(sample), int)  # which one of its class a sample is, in that order
    for k in np.unique(study.label[sample]):
        own = order[study.label[sample[order]] == k]
        turn[own] = np.arange(len(own))
    order = order[np.argsort(turn[order], kind="stable")][:limit]
    if not others:
        return [(int(sample[i]), None) for i in order]
    picks: list[tuple[int, str | None]] = []
    used = np.zeros(len(others))
    for i in order:  # each variant in its turn, so that one does not stand for all
        turn_of = int(np.argmax(np.where(used == used.min(), far[:, i], -1)))
        picks.append((int(sample[i]), others[turn_of]))
        used[turn_of] += 1
    return picks


@styled
def explanations(study: Study, limit: int = 5) -> Picture | None:
    """Image, contributions to its position on each axis, and to its movement."""
    picks = farthest(study, limit)
    if not picks:
        return None
    origin = "dense" if "dense" in explained(study) else explained(study)[0]
    axes_names = strings(study.file["embed/axis"])
    moves, count = picks[0][1] is not None, len(axes_names)
    figure, axes = picture(len(picks), 1 + count * (1 + moves), squeeze=False, figsize=(WIDTH, 1.62 * len(picks) + 0.3))
    for line, (sample, variant) in zip(axes, picks):
        parts = [position(study, origin, sample)] + ([movement(study, variant, sample, origin)] if variant else [])
        image_of(line[0], study, sample)
        line[0].set_ylabel(f"sample {sample}", fontsize=7, color=GREY)
        line[0].set_xlabel(class_name(study, int(study.label[sample])) + (f"\n{short(variant, 24)}" if variant else ""), fontsize=6.5, labelpad=2)
        for i, part in enumerate(parts):
            most = bound(*(flat_sum(pixels) for pixels in part.pixels))
            for a in range(count):
                axis = line[1 + i * count + a]
                pixel_map(axis, part.pixels[a], most, note=False)
                axis.set_xlabel(f"{signed(part.total[a], plus=i > 0)} =\npixels {signed(part.pixels[a].sum(), plus=False)}, b {signed(part.b[a], plus=False)}", fontsize=6.5, labelpad=2)
    titles = ["sample"] + [f"position, {name}" for name in axes_names] + [f"movement, {name}" for name in axes_names] * moves
    for axis, title in zip(axes[0], titles):
        axis.set_title(title, loc="center", fontsize=8)
    moving = (" Movement: from there to the place in the variant under the picture, split in the same way." if moves else "")
    return figure.says(f"Why samples lie where they lie, exactly: position = sum of W x over the pixels + b, in {origin}. Red adds, blue takes "
                    f"away, on one scale for the axes.{moving}" + (" Chosen: of each class the explained sample that moves farthest." if moves else "")
                    + gates_note(study, [origin, *(variant for _, variant in picks if variant)]))
