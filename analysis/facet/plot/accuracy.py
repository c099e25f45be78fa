"""Accuracy against corruption and against sparsity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter

from facet.hdf import Array
from facet.plot.choice import alive, asked, corruptions, pick, removed, seeds
from facet.plot.style import DENSE, LIGHT, WIDTH, Look, Picture, legend, picture, styled
from facet.plot.words import bars_note, left_out, spoken

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from facet.study import Study


def _errors(deviation: Array) -> Array | None:
    """Error bars, where there are several seeds at all."""
    return deviation if np.isfinite(deviation).any() else None


@styled
def accuracy_by_severity(study: Study, limit: int = 8) -> Picture | None:
    """Accuracy against severity, a panel for each corruption, a line for each group of replicates."""
    look = Look(study)
    groups = corruptions(study)
    if not groups or not np.isfinite(study.summary("accuracy")).any():
        return None
    shown = pick(study, limit)
    names = list(study.replicates)
    mean, deviation = (part[[names.index(name) for name in shown]] for part in study.folded("accuracy"))
    panels: list[tuple[str, list[tuple[int, str]], tuple[float, float] | None]] = [(spoken(name), steps, None) for name, steps in groups.items()]
    close = _close_up(mean, deviation) if len(groups) == 1 else None
    if close:
        panels.append(("close-up", panels[0][1], close))
    columns = min(len(panels), 4 if len(panels) > 6 else 3)
    rows = -(-len(panels) // columns)
    side = len(panels) <= 2
    width = WIDTH if len(panels) > 1 else 0.62 * WIDTH + 1.6
    figure, axes = picture(rows, columns, sharex=True, sharey=not close, squeeze=False,
                                figsize=(width, 2.7 if side else 2.0 * rows + 0.35 + 0.16 * -(-len(shown) // 4)))
    for axis, (title, steps, limits) in zip(axes.flat, panels):
        at = [study.condition_index(condition) for _, condition in steps]
        for place, name in reversed(list(enumerate(shown))):
            axis.errorbar([s for s, _ in steps], mean[place, at], _errors(deviation[place, at]), label=name, capsize=2,
                          elinewidth=0.8, **look.line(name))
        axis.set_title(title)
        if limits:
            axis.set_ylim(limits)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axis.grid(axis="y", color=LIGHT, linewidth=0.5)
    for axis in axes.flat[len(panels):]:
        axis.set_visible(False)
    zero = " (0: clean)" if "clean" in study.conditions else ""
    for place, axis in enumerate(axes.flat[:len(panels)]):
        if place + columns >= len(panels):
            axis.set_xlabel(f"severity{zero}")
            axis.tick_params(labelbottom=True)
    for line in axes:
        line[0].set_ylabel("accuracy")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    if side:
        figure.legend(handles[::-1], labels[::-1], loc="outside right center", handlelength=1.8)
    else:
        legend(figure, handles[::-1], labels[::-1])
    more = " The close-up leaves out what lies far below the rest." if close else ""
    return figure.says("Share of test samples classified correctly as the corruption grows. One line per variant: one hue per "
                    f"pruning recipe, darker where more weights are gone; black is the dense network.{more}{bars_note(study)}"
                    + left_out(shown, names, "variants", study=study))


def _close_up(mean: Array, deviation: Array) -> tuple[float, float] | None:
    """Limits of the accuracies (lines x points) near the best line, error bars included, where others lie so far below
    that they hide the differences."""
    level = mean.mean(axis=1)
    near = level > level.max() - 0.12
    error = np.nan_to_num(deviation[near])
    low, high = (mean[near] - error).min(), (mean[near] + error).max()
    if near.sum() < 2 or mean[near].min() - mean.min() < 0.12:
        return None
    pad = max(0.05 * (high - low), 0.002)
    return low - pad, high + pad


@styled
def accuracy_by_sparsity(study: Study) -> Picture | None:
    """Accuracy against sparsity, clean and in the mean over corruptions, a line for each method."""
    look = Look(study)
    there = set(alive(study))
    lines = {name: [g for g in members if g in there] for name, members in look.families.items()}
    lines = {name: members for name, members in lines.items() if members and max(removed(study, g) for g in members) > 0}
    if not lines or not np.isfinite(study.summary("accuracy")).any():
        return None
    base = study.condition_index(study.reference)
    noisy = [i for i in range(len(study.conditions)) if i != base]
    rows = [(study.reference, *study.spread(study.summary("accuracy")[:, base]))]
    if noisy:
        what = f"mean of the {len(noisy)} other conditions" if len(noisy) > 1 else study.conditions[noisy[0]]
        rows.append((what, *study.spread(study.summary("accuracy")[:, noisy].mean(axis=1))))
    names = list(study.replicates)
    drawn = [i for i, name in enumerate(names) if name == "dense" or any(name in members for members in lines.values())]
    close = [_close_up(mean[drawn][:, None], deviation[drawn][:, None]) for _, mean, deviation in rows]
    shape = (len(rows), 2) if any(close) else (1, len(rows))
    figure, axes = picture(*shape, squeeze=False, sharex=True,
                                figsize=(WIDTH if shape[1] > 1 else 0.62 * WIDTH + 1.6, 2.2 * shape[0] + 0.5))
    for place, (title, mean, deviation) in enumerate(rows):
        panels = axes[place] if any(close) else [axes[0][place]]
        for axis, limits in zip(panels, (None, close[place])):
            if axis is not panels[0] and not limits:
                axis.set_visible(False)
                continue
            _sparsity_lines(axis, study, look, lines, mean, deviation)
            axis.set_title(f"{spoken(title)}, close-up" if limits else spoken(title))
            axis.set_ylim(limits)
    for line in axes:
        line[0].set_ylabel("accuracy")
    for axis in axes[-1]:
        axis.set_xlabel("sparsity (log scale of what is left)")
    handles, labels = axes[0][0].get_legend_handles_labels()
    legend(figure, handles, labels)
    more = " The close-ups leave out what lies far below the rest." if any(close) else ""
    beside = " Points of one sparsity stand side by side." if seeds(study) > 1 else ""
    return figure.says("Accuracy against the share of weights removed. One line per pruning recipe; the horizontal line is the "
                    f"dense network.{more}{bars_note(study)}{beside}"
                    + left_out([name for name in names if name in there], names, "variants", study=study))


def _sparsity_lines(axis: Axes, study: Study, look: Look, lines: dict[str, list[str]], mean: Array, deviation: Array) -> None:
    """One line for each recipe, and dense. mean, deviation: R."""
    names = list(study.replicates)
    left = {name: np.maximum([1 - removed(study, g) for g in members], 1e-4)
            for name, members in lines.items()}
    seen = sorted({max(round(1 - asked(study, g), 4), 1e-4) for members in lines.values() for g in members})
    gap = min(np.diff(np.log(seen)), default=1)
    step = min(0.035, 0.5 * gap / len(lines)) if seeds(study) > 1 else 0  # bars side by side, not one on the other
    if "dense" in names:
        axis.axhline(mean[names.index("dense")], color=DENSE, linewidth=1.4, zorder=1, label="dense")
    for place, (name, members) in enumerate(lines.items()):
        at = [names.index(group) for group in members]
        axis.errorbar(left[name] * np.exp(step * ((len(lines) - 1) / 2 - place)), mean[at], _errors(deviation[at]), label=name,
                      **{**look.line(members[0]), "markersize": 5, "color": look.hue[name], "capsize": 2.5, "elinewidth": 0.9})
    axis.set_xscale("log")
    if not axis.xaxis_inverted():  # axes that share x turn together
        axis.invert_xaxis()
    if len(seen) > 6 or gap < 0.2:
        nice = [digit * 10.0 ** power for power in range(-4, 1) for digit in (1, 2, 5)]
        seen = [t for t in nice if min(seen) * 0.98 <= t <= max(seen) * 1.02] or [min(seen)]
    axis.set_xticks(seen)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{1 - t:.4g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.minorticks_off()
    axis.margins(x=0.12)
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.grid(axis="y", color=LIGHT, linewidth=0.5)
