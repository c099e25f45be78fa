"""Angle, length and margin of the features: how they lie, and how corruption and pruning move them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.ticker import MaxNLocator

from facet.hdf import Array
from facet.plot.choice import choose, corruptions, firsts, pick, representatives
from facet.plot.style import DENSE, GREY, WIDTH, Look, Picture, color_bar, legend, picture, styled
from facet.plot.words import infinite_note, left_out, one_seed, spoken

if TYPE_CHECKING:
    from facet.study import Study

METRICS = {"angle": "angle (radians)", "length": "length of the feature", "margin": "margin (signed distance)"}


def _density(values: Array, low: float, high: float, points: int = 220) -> tuple[Array, Array]:
    """A smooth histogram on a fixed grid, normalised to peak 1."""
    values = values[(values >= low) & (values <= high)]  # no NaN either
    found, edges = np.histogram(values, bins=points, range=(low, high))
    deviation = values.std() if len(values) else 0
    width = max(0.9 * deviation * max(len(values), 1) ** -0.2 / (edges[1] - edges[0]), 1.2)  # Silverman, in bins
    reach = int(4 * width) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    padded = np.pad(found.astype(float), reach, mode="symmetric")  # mirrored, so that the curve does not sag at the ends
    smooth = np.convolve(padded, kernel, mode="same")[reach:-reach]
    return (edges[:-1] + edges[1:]) / 2, smooth / max(smooth.max(), 1e-30)


@styled
def distributions(study: Study, limit: int = 8) -> Picture | None:
    """How angle, length and margin of all samples lie, a row for each variant."""
    look = Look(study)
    shown = firsts(study, pick(study, limit))
    condition = study.reference
    data = {m: {v: study.geometry(m, v, condition).astype(float) for v in shown} for m in METRICS}
    if not np.isfinite(data["length"][shown[0]]).any():
        return None
    figure, axes = picture(1, 3, figsize=(WIDTH, 0.36 * len(shown) + 0.9), sharey=True)
    for axis, (metric, label) in zip(axes, METRICS.items()):
        every = np.concatenate([d[np.isfinite(d)] for d in data[metric].values()])
        if not len(every):
            axis.set_visible(False)
            continue
        low, high = np.quantile(every, [0.002, 0.998])
        low, high = (low - 0.03 * (high - low), high + 0.03 * (high - low)) if high > low else (low - 1, high + 1)
        low = max(low, 0) if metric != "margin" else low
        base = _density(data[metric]["dense"], low, high) if "dense" in shown else None
        if metric == "margin" and low < 0:
            axis.axvspan(low, 0, color="#f3e3dc", linewidth=0, zorder=0)
        for row, variant in enumerate(shown):
            floor = -row
            grid, density = _density(data[metric][variant], low, high)
            axis.fill_between(grid, floor, floor + 0.82 * density, color=look.color[variant], alpha=0.75, linewidth=0)
            if base is not None and variant != "dense":
                axis.plot(base[0], floor + 0.82 * base[1], color=DENSE, linewidth=0.8)
            known = data[metric][variant][~np.isnan(data[metric][variant])]
            if len(known):
                q = np.quantile(np.clip(known, low, high), [0.25, 0.5, 0.75])  # infinite ones sit at the edge
                axis.plot(q[[0, 2]], [floor, floor], color=DENSE, linewidth=1.6, solid_capstyle="butt", zorder=5)
                axis.plot(q[1], floor, "o", color="white", markeredgecolor=DENSE, markeredgewidth=0.9, markersize=4, zorder=6)
        axis.set_xlim(low, high)
        axis.set_xlabel(label)
        axis.set_yticks([-row for row in range(len(shown))], shown)
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
    axes[0].set_ylim(-len(shown) + 0.75, 0.95)
    return figure.says(f"How the features of all samples lie ({condition}), one row per variant; the black outline repeats the "
                    "dense network. Circle and bar: median and middle half. The shaded side of margin zero is misclassified."
                    + infinite_note(data["margin"]) + left_out(shown, representatives(study), "variants", study=study)
                    + one_seed(study))


@styled
def shift(study: Study, limit: int = 6, most_corruptions: int = 4) -> Picture | None:
    """How far corruption moves samples in angle, length and margin: medians, by severity."""
    look = Look(study)
    groups = {name: steps for name, steps in corruptions(study).items() if len(steps) > 1 and steps[0][1] == "clean"}
    shown = [v for v in firsts(study, pick(study, limit))
             if groups and np.isfinite(study.geometry("length", v, "clean")).any()]
    if not shown:
        return None
    picked = choose(list(groups), most_corruptions)
    figure, axes = picture(len(picked), 3, squeeze=False, sharex=True, figsize=(WIDTH, 1.75 * len(picked) + 0.75))
    for line, name in zip(axes, picked):
        for axis, (metric, label) in zip(line, METRICS.items()):
            severity = [s for s, _ in groups[name]]
            for variant in reversed(shown):
                clean = study.geometry(metric, variant, "clean").astype(float)
                with np.errstate(invalid="ignore"):  # two infinite margins have no difference
                    moved = [study.geometry(metric, variant, condition) - clean for _, condition in groups[name]]
                moved = [m[np.isfinite(m)] for m in moved]
                q = np.array([np.quantile(m, [0.25, 0.5, 0.75]) if len(m) else [np.nan] * 3 for m in moved])
                if variant == shown[0]:
                    axis.fill_between(severity, q[:, 0], q[:, 2], color=look.color[variant], alpha=0.12, linewidth=0)
                axis.plot(severity, q[:, 1], label=variant, **look.line(variant))
            axis.axhline(0, color=GREY, linewidth=0.7, linestyle=":")
            axis.set_ylabel(f"change of {label.split(' of')[0].split(' (s')[0]}")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        line[0].set_title(spoken(name))
    for axis in axes[-1]:
        axis.set_xlabel("severity (0: clean)")
    handles, labels = axes[0][0].get_legend_handles_labels()
    legend(figure, handles[::-1], labels[::-1], 3)
    return figure.says("How far corruption moves each sample from where it lay clean: medians of the change; the band is the "
                    f"middle half of {shown[0]}. A growing angle and a shrinking margin bring a sample to the decision boundary."
                    + left_out(shown, representatives(study), "variants", study=study) + left_out(picked, groups, "corruptions")
                    + one_seed(study))


@styled
def margin_against_dense(study: Study, limit: int = 6) -> Picture | None:
    """Every sample's margin in a variant against that in dense."""
    others = [v for v in representatives(study) if v != "dense"]
    if "dense" not in study.variants or not others:
        return None
    condition = study.reference
    known = study.label >= 0
    dense = study.geometry("margin", "dense", condition).astype(float)
    if not np.isfinite(dense).any():
        return None
    shown = [v for v in firsts(study, pick(study, limit + 1)) if v != "dense"]
    data = {v: study.geometry("margin", v, condition).astype(float) for v in shown}
    both = np.concatenate([dense] + list(data.values()))
    low, high = np.quantile(both[np.isfinite(both)], [0.002, 0.998])
    low, high = min(low, -0.05 * abs(high)), max(high, 0.05 * abs(low))
    pad = 0.04 * (high - low)
    low, high = low - pad, high + pad
    columns = 2 if len(shown) == 4 else min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = picture(rows, columns, squeeze=False, sharex=True, sharey=True,
                                figsize=(WIDTH * columns / 3 + (0.7 if columns < 3 else 0.2), 2.35 * rows + 0.3))
    bins = np.linspace(low, high, 64)
    counts = {v: np.histogram2d(dense, data[v], bins)[0].T for v in shown}
    most = max(2, max(c.max() for c in counts.values()))
    sides = {v: study.prediction("class", v, condition) == study.label for v in ["dense"] + shown}
    image: Any = None
    for axis, variant in zip(axes.flat, shown):
        tint = LinearSegmentedColormap.from_list("ink", ["#cfe0ee", "#3b76a8", "#08223d"])
        image = axis.pcolormesh(bins, bins, np.where(counts[variant] > 0, counts[variant], np.nan), cmap=tint, norm=LogNorm(1, most),
                                rasterized=True, linewidth=0)
        axis.axhline(0, color=GREY, linewidth=0.7)
        axis.axvline(0, color=GREY, linewidth=0.7)
        axis.plot([low, high], [low, high], color=GREY, linewidth=0.7, linestyle=":")
        right, still = (sides[v][known] for v in ("dense", variant))
        for text, share, x, y, ha, va in (("lost", right & ~still, 0.97, 0.03, "right", "bottom"),
                                          ("won", ~right & still, 0.03, 0.97, "left", "top")):
            axis.text(x, y, f"{text} {100 * share.mean() if len(share) else 0:.1f} %", transform=axis.transAxes, ha=ha, va=va, fontsize=7.5,
                      bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1})
        axis.set_aspect("equal")
        axis.set_xlim(low, high)
        axis.set_ylim(low, high)
        axis.set_title(variant, fontsize=8)
    for axis in axes.flat[len(shown):]:
        axis.set_visible(False)
    figure.supxlabel("margin in the dense network", fontsize=8)
    figure.supylabel("margin after pruning", fontsize=8)
    color_bar(figure, image, "samples", ax=axes, shrink=min(1, 2.0 / (2.35 * rows)), pad=0.02, aspect=22)
    return figure.says("Every sample's margin before and after pruning; on the dotted diagonal nothing changed. Below the "
                    "horizontal line the pruned network is wrong: “lost” were right in the dense network, “won” were wrong."
                    + infinite_note(data) + left_out(shown, others, "pruned variants", study=study) + one_seed(study))
