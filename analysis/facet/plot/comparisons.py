"""Figures that compare variants and conditions, and look at fragile samples: errors under corruption, movement of the
classes, similarity, and what changed a sample's margin, pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap

from facet.findings import living, sound
from facet.hdf import Array, strings
from facet.plot.choice import alive, choose, corruptions, first, firsts, pick, representatives, seeds, sparsity
from facet.plot.pixels import bound, flat_sum, image_of, ledger, pixel_map
from facet.plot.style import DENSE, GREY, LIGHT, WIDTH, Look, Picture, color_bar, legend, numbered, palette, picture, styled
from facet.plot.words import class_name, count, failed_seeds, left_out, short, signed, spoken

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from facet.study import Study


HEAT = LinearSegmentedColormap.from_list("error", ["#f4f7fa", "#f0c9a0", "#c4532b", "#5a1208"])


def _strip(axis: Axes) -> None:
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)


@styled
def error_table(study: Study, limit: int = 24) -> Picture | None:
    """Mean error of every group of replicates under every corruption."""
    groups = corruptions(study)
    if not groups or not np.isfinite(study.summary("accuracy")).any():
        return None
    names = pick(study, limit)
    rows = [list(study.replicates).index(name) for name in names]
    error = 1 - study.spread(study.summary("accuracy"))[0][rows]
    columns, titles = [], []
    if "clean" in study.conditions:
        columns.append(error[:, study.condition_index("clean")])
        titles.append("clean")
    for name, steps in groups.items():
        at = [study.condition_index(condition) for _, condition in steps if condition != "clean"]
        columns.append(error[:, at].mean(axis=1))
        titles.append(spoken(name))
    table = np.array(columns).T
    figure, axis = picture(figsize=(WIDTH, 0.26 * len(names) + 1.35))
    image = axis.imshow(table, cmap=HEAT, vmin=0, vmax=max(float(np.nanmax(table)), 0.01), aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        if np.isfinite(value):
            axis.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=6.5,
                      color="white" if value > 0.6 * np.nanmax(table) else DENSE)
    axis.set_xticks(range(len(titles)), titles, rotation=50, ha="right", rotation_mode="anchor", fontsize=7)
    axis.set_yticks(range(len(names)), names, fontsize=7)
    _strip(axis)
    color_bar(figure, image, "error", ax=axis, pad=0.01, aspect=18)
    axis.set_xlabel("condition")
    return figure.says(f"Error in percent under each corruption, the mean over its severities{' and over seeds' * (seeds(study) > 1)}."
                       + failed_seeds(study, names) + left_out(names, study.replicates, "variants", study=study))


@styled
def class_movement(study: Study, limit: int = 4, most_classes: Any = 20) -> Picture | None:
    """Angle against length by class: where each class lies in the dense network, and where pruning takes it."""
    others = [v for v in firsts(study, pick(study, limit + 1)) if v != "dense"][:limit]
    if "dense" not in study.variants or not others:
        return None
    condition, label = study.reference, study.label
    classes = choose(sorted({int(k) for k in label if k >= 0}), most_classes)

    def means(variant: str) -> Array:
        angle, length = (study.geometry(m, variant, condition).astype(float) for m in ("angle", "length"))
        return np.array([[np.nanmean(length[label == k]), np.nanmean(angle[label == k])] for k in classes])

    if not classes or not np.isfinite(study.geometry("angle", "dense", condition)).any():
        return None
    dense = means("dense")
    columns = 2 if len(others) == 4 else min(len(others), 3)
    lines = -(-len(others) // columns)
    figure, axes = picture(lines, columns, squeeze=False, sharex=True, sharey=True, figsize=(WIDTH, 2.6 * lines + 0.5))
    colors = palette(len(classes))
    for axis in axes.flat[len(others):]:
        axis.set_visible(False)
    for axis, variant in zip(axes.flat, others):
        after = means(variant)
        for i, k in enumerate(classes):
            color = colors[i % len(colors)]
            axis.annotate("", after[i], dense[i], arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 1, "shrinkA": 2, "shrinkB": 0})
            axis.plot(*after[i], ".", color=color, markersize=2)
            numbered(axis, dense[i], k, color, class_name(study, k) if axis is axes[0][0] else None)
        axis.set_title(variant, fontsize=8)
        axis.margins(0.1)
        axis.grid(color=LIGHT, linewidth=0.5)
    for axis in axes[-1]:
        axis.set_xlabel("length of the feature")
    for line in axes:
        line[0].set_ylabel("angle (radians)")
    handles, labels = axes[0][0].get_legend_handles_labels()
    legend(figure, handles, labels, 5)
    return figure.says(f"Where each class lies ({condition}): the mean angle and length of its samples in the dense network (the circle with its number) and after "
                    "pruning (tip of the arrow). Up is away from the class's own direction, left is less confident."
                    + left_out(others, [v for v in representatives(study) if v != "dense"], "variants", study=study))


@styled
def directions(study: Study, most_samples: Any = 5000, most_classes: Any = 200, bins: Any = 60) -> Picture | None:
    """Cosines to all class directions, as parallel coordinates whose lines are so many that their density is drawn."""
    others = [v for v in firsts(study, alive(study)) if v != "dense"]
    if "dense" not in study.variants or not others or "geometry/cosine" not in study.file:
        return None
    sparsest = max(others, key=lambda v: sparsity(study, v))
    c, step = study.condition_index(study.reference), -(-study.samples // most_samples)
    classes = choose(range(len(study.classes)), most_classes)
    figure, axes = picture(2, 1, sharex=True, figsize=(WIDTH, 4.4))
    image: Any = None
    for axis, variant in zip(axes, ("dense", sparsest)):
        cosine = study.file["geometry/cosine"][study.variant_index(variant), c, ::step][:, classes].astype(float)
        if not np.isfinite(cosine).any():
            return None
        found = np.array([np.histogram(column[np.isfinite(column)], bins=bins, range=(-1, 1))[0] for column in cosine.T]).T
        image = axis.imshow(np.where(found / len(cosine) > 0, found / len(cosine), np.nan), cmap="magma_r", aspect="auto", origin="lower", vmin=0,
                            extent=(-0.5, len(classes) - 0.5, -1, 1))
        axis.axhline(0, color=GREY, linewidth=0.6)
        own = [np.nanmean(cosine[study.label[::step] == k, i]) if (study.label[::step] == k).any() else np.nan for i, k in enumerate(classes)]
        axis.plot(range(len(classes)), own, "_", color="#0072B2", markersize=max(3, 160 / len(classes)), markeredgewidth=1.4)
        axis.set_title(variant, fontsize=8)
        axis.set_ylabel("cosine")
    shown = choose(range(len(classes)), 20)
    axes[1].set_xticks(shown, [class_name(study, classes[i], 12) for i in shown], rotation=40, ha="right", rotation_mode="anchor", fontsize=7)
    color_bar(figure, image, "share of samples", ax=axes, pad=0.01, aspect=30)
    return figure.says("How the features of all samples point to the directions of all classes, one column each: dark is where most samples are. "
                    f"The blue mark is the mean of the class's own samples. Above dense, below {sparsest}, of which most weights are gone."
                    + (f" Shown: {len(classes)} of {len(study.classes)} classes." if len(classes) < len(study.classes) else ""))


def matrix(figure: Any, axis: Axes, table: Any, names: Sequence[str], colours: str, limits: tuple[float, float], form: str, title: str) -> None:
    """A heat map with as many names as have room (empty ones are not written), and with values where they can be read."""
    low, high = limits
    image = axis.imshow(table, cmap=colormaps.get_cmap(colours).with_extremes(bad="#ececec"), vmin=low, vmax=high)
    if len(table) <= 16:
        for (row, column), value in np.ndenumerate(table):
            if np.isfinite(value):
                red, green, blue, _ = image.cmap(image.norm(value))
                dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
                axis.text(column, row, form.format(value), ha="center", va="center", color="white" if dark else DENSE,
                          fontsize=min(7, 64 / len(table)))
    at = choose([i for i, name in enumerate(names) if name], 40)
    size = 7 if len(at) <= 12 else 5.5
    axis.set_yticks(at, [names[i] for i in at], fontsize=size)
    axis.set_xticks(at, [names[i] for i in at], fontsize=size, rotation=50, ha="right", rotation_mode="anchor")
    _strip(axis)
    color_bar(figure, image, title, ax=axis, pad=0.02, aspect=22, shrink=0.8)


def fold(study: Study, table: Array, groups: Sequence[str], conditions: Sequence[int]) -> Array:
    """A table of items (variants x conditions) by itself, folded over the seeds that have not failed: of each two groups of
    replicates under two conditions the mean over pairs of networks; of a group with itself over different networks, unless
    it has one alone."""
    count = len(study.conditions)
    items = [(living(study, name), c) for name in groups for c in conditions]
    found = np.full((len(items), len(items)), np.nan)
    for i, (one, c) in enumerate(items):
        for j, (other, d) in enumerate(items):
            at = [(study.variant_index(v) * count + c, study.variant_index(w) * count + d)
                  for v in one for w in other if v != w or len(one) == 1]
            found[i, j] = np.mean([table[pair] for pair in at])
    return found


@styled
def similarity(study: Study, limit: int = 24) -> Picture | None:
    """Every variant under every condition in the plane, and the distances between groups of replicates."""
    look = Look(study)
    if "similarity/layout" not in study.file:
        return None
    layout, order = study.file["similarity/layout"][()], study.file["similarity/order"][()]
    distance = study.file["similarity/distance"][()]
    if not np.isfinite(distance).all() or not distance.any():
        return None
    conditions, base = len(study.conditions), study.condition_index(study.reference)
    names = alive(study)
    figure, axes = picture(1, 2, figsize=(WIDTH, 4.2), gridspec_kw={"width_ratios": [1.15, 1]})
    for name in names:
        for variant in living(study, name):
            at = study.variant_index(variant) * conditions
            points = layout[at:at + conditions]
            for c in range(conditions):
                if c != base:
                    axes[0].plot(*zip(points[base], points[c]), color=look.color[name], linewidth=0.4, alpha=0.5, zorder=1)
            axes[0].plot(*np.delete(points, base, axis=0).T, ".", color=look.color[name], markersize=2.5, zorder=2)
            axes[0].plot(*points[base], look.marker[name], color=look.color[name], markeredgecolor="white", markeredgewidth=0.5,
                         markersize=6, zorder=3, label=name if variant == first(study, name) else None)
    axes[0].set_aspect("equal", adjustable="datalim")
    axes[0].set_xlabel("first axis of the layout (standard deviations)")
    axes[0].set_ylabel("second axis")
    shown = pick(study, limit)
    place = {name: min(int(np.flatnonzero(order == study.variant_index(v) * conditions + base)[0]) for v in living(study, name))
             for name in shown}
    shown = sorted(shown, key=lambda name: place[name])
    table = fold(study, distance, shown, [base])
    matrix(figure, axes[1], table, shown, "viridis_r", (0, float(np.nanmax(table, initial=0))), "{:.1f}", "distance (standard deviations)")
    handles, labels = axes[0].get_legend_handles_labels()
    legend(figure, handles, labels)
    several = " Over seeds the mean, on the diagonal between different seeds." if seeds(study) > 1 else ""
    several += failed_seeds(study, names)
    return figure.says("How alike networks are to their samples: each is a point whose coordinates are the angle, length and margin of every "
                    f"sample, each divided by its standard deviation, laid out in the plane by classical scaling. Large: {study.reference}; "
                    f"dots, joined to it: the corrupted samples. Right: the distances under {study.reference}, in the order of "
                    f"their tree (average linkage).{several}" + left_out(shown, study.replicates, "variants", study=study))


def compared(study: Study) -> list[str]:
    """Names of the variants whose changes of margin from dense are in the file, without those that have failed."""
    return sound(study, [v for v in study.variants if f"change/{v}/pixel" in study.file])


@styled
def fragile_samples(study: Study, limit: int = 5) -> Picture | None:
    """The picked samples that lose most, in the variant that costs them most: image, margin change by pixel and by node,
    and the gates that changed."""
    variants = compared(study)
    if not variants:
        return None
    samples = study.numbers("change")
    total = np.array([study.file[f"change/{v}/total"][()] for v in variants])
    total[~np.isfinite(total)] = np.inf
    worst = [i for i in np.argsort(total.min(axis=0), kind="stable")[:limit] if np.isfinite(total[:, i].min())]
    if not worst:
        return None
    figure, axes = picture(len(worst), 4, squeeze=False, figsize=(WIDTH, 1.34 * len(worst) + 0.3),
                                gridspec_kw={"width_ratios": [1, 1, 1.7, 1.2]})
    for row, i in zip(axes, worst):
        variant = variants[int(np.argmin(total[:, i]))]
        group, sample = study.file[f"change/{variant}"], int(samples[i])
        pixel, node = group["pixel"][i].astype(float), group["node"][i].astype(float)
        names = strings(group["node_name"])
        label = int(study.label[sample])
        image_of(row[0], study, sample)
        row[0].set_ylabel(f"sample {sample}", fontsize=7, color=GREY)
        row[0].set_xlabel(class_name(study, label), fontsize=7.5, labelpad=2)
        pixel_map(row[1], pixel, bound(flat_sum(pixel)))
        ledger(row[2], pixel.sum(), node.sum(), names, node, f"{variant}: {signed(float(group['total'][i]))}", most=5, room=0.6)
        gates = group["gates"][i].astype(float)
        known = gates >= 0
        row[3].barh(-np.arange(len(gates))[known], gates[known], color="#7a8fa3", linewidth=0, height=0.8)
        gate = strings(group["gate_name"])
        few = [g for g in range(len(gates)) if known[g]][:10]
        row[3].set_yticks([-g for g in few], [short(gate[g], 12, keep_end=True) for g in few], fontsize=5.5)
        row[3].tick_params(axis="y", length=0, pad=1)
        row[3].set_xticks([])
        row[3].spines["bottom"].set_visible(False)
        row[3].set_xlabel(f"{count(int(gates[known].sum()))} gates changed", fontsize=7, labelpad=2)
    for axis, title in zip(axes[0], ("sample", "margin change by pixel", None, "gates by layer")):
        if title:
            axis.set_title(title, loc="center", fontsize=8)
    return figure.says("Samples that pruning moves most, exactly: how far the margin of each fell from the dense network to the variant named, "
                    "split over its pixels (red adds, blue takes away) and the constants of the nodes; the parts add up to the change. "
                    f"Right: how many gates of each layer switched. Shown: {len(worst)} of {len(samples)} samples that the study picked.")


def margin_certificate(study: Study) -> tuple[int, int, float] | None:
    """(comparisons, samples, worst residual) of the changes of margin; None without any."""
    found = [study.file[f"change/{v}/residual"][()] for v in compared(study)]
    finite = [r[np.isfinite(r)] for r in found]
    return (len(found), len(found[0]), max(float(r.max()) for r in finite if len(r))) if any(len(r) for r in finite) else None
