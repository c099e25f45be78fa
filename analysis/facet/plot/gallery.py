"""Samples explained exactly: images, rows of W, contributions, and the sums."""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from facet.explain import Contributions, contrast, contrast_change, contributions
from facet.plot.choice import representatives
from facet.plot.pixels import bound, flat_sum, hatch, image_of, ledger, pixel_map
from facet.plot.style import DENSE, GREY, PLUS, WIDTH, Picture, picture, styled
from facet.plot.words import class_name, count, gates_note, grey_note, short, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from facet.study import Study


MOST_TRIED = 100  # samples of a variant that are looked at, whether its network answers to them


def gallery_picks(study: Study, variant: str, limit: int = 6) -> list[int]:
    """Samples to show: the first of as many classes as possible, the last one the worst mistake."""
    linear = study.linear(variant)
    v, c = study.variant_index(variant), study.condition_index("clean")
    known = np.asarray(linear.sample)
    known = known[known < study.samples]
    predicted = study.file["prediction/class"][v, c][known]
    label = study.label[known]
    wrong = known[(predicted != label) & (label >= 0)]
    right = known[(predicted == label) | (label < 0)]
    first: dict[int, int] = {}
    for sample in right:
        first.setdefault(int(study.label[sample]), int(sample))
    picks = sorted(first.values())[:limit - bool(len(wrong))]
    picks += [int(s) for s in right if int(s) not in picks][:limit - bool(len(wrong)) - len(picks)]
    if len(wrong):
        margin = study.geometry("margin", variant, "clean")[wrong]
        picks.append(int(wrong[int(np.nanargmin(margin)) if np.isfinite(margin).any() else 0]))
    return picks


@styled
def gallery(study: Study, variant: str, limit: int = 6) -> Picture | None:
    """Samples, the row of W of their class, and what each pixel adds to its logit."""
    picks = [s for s in gallery_picks(study, variant, limit) if _has_predicted(study, variant, s)]
    if not picks:
        return None
    height = 1.32
    figure, axes = picture(len(picks), 4, squeeze=False, figsize=(WIDTH, height * len(picks) + 0.3),
                                gridspec_kw={"width_ratios": [1, 1, 1, 1.75]})
    for row, sample in zip(axes, picks):
        part = contributions(study, variant, sample)
        label = int(study.label[sample])
        image_of(row[0], study, sample)
        mark = "" if label < 0 or label == part.cls else f", but is {class_name(study, label)}"
        row[0].set_xlabel(f"{class_name(study, part.cls)}{mark}", fontsize=7.5, labelpad=2, color=PLUS if mark else DENSE)
        row[0].set_ylabel(f"sample {sample}", fontsize=7, color=GREY)
        pixel_map(row[1], part.w, bound(flat_sum(part.w)))
        _hatch(row[1], study, variant, sample)
        pixel_map(row[2], part.pixels, bound(flat_sum(part.pixels)))
        ledger(row[3], part.pixels.sum(), part.b, part.node, part.b_node, _sum(part))
    axes[-1][3].set_xlabel("logits", fontsize=7, labelpad=2)
    for axis, title in zip(axes[0], ("sample", "W, row of the prediction", "contributions W·x")):
        axis.set_title(title, loc="center", fontsize=8)
    all_of = len(study.linear(variant).sample)
    slope = "what the network, frozen at this sample, multiplies it by" if study.gates_of(variant) else "the network's own slope at this sample"
    return figure.says(f"Why the network {variant} says what it says, exactly. The row of W is {slope}; times "
                    "the normalised input it gives each pixel's contribution to the logit (red adds, blue takes away, scale "
                    "below each map). On the right: pixels plus bias add up to the logit, and the bias by the node it comes "
                    f"from.{gates_note(study, [variant])}{_touched_note(study, [(sample, variant) for sample in picks])}{grey_note(study)} Shown: {len(picks)} of "
                    f"{count(all_of)} linearized samples.")


@styled
def gallery_contrasts(study: Study, variant: str, limit: int = 4) -> Picture | None:
    """Samples, and why their class rather than the next best one, by pixel and by node."""
    picks = [s for s in gallery_picks(study, variant, limit) if _has_two(study, variant, s)]
    if not picks:
        return None
    figure, axes = picture(len(picks), 3, squeeze=False, figsize=(0.8 * WIDTH, 1.32 * len(picks) + 0.3), gridspec_kw={"width_ratios": [1, 1, 1.75]})
    for row, sample in zip(axes, picks):
        part = contrast(study, variant, sample)
        image_of(row[0], study, sample)
        row[0].set_ylabel(f"sample {sample}", fontsize=7, color=GREY)
        row[0].set_xlabel(f"{class_name(study, part.cls, 13)} − {class_name(study, part.other, 13)}", fontsize=7.5, labelpad=2, color=DENSE)
        pixel_map(row[1], part.pixels, bound(flat_sum(part.pixels)))
        _hatch(row[1], study, variant, sample)
        ledger(row[2], part.pixels.sum(), part.b, part.node, part.b_node, f"sum {signed(part.sum, 3)}")
    axes[-1][2].set_xlabel("logits", fontsize=7, labelpad=2)
    for axis, title in zip(axes[0], ("sample", "difference of two W·x")):
        axis.set_title(title, loc="center", fontsize=8)
    return figure.says(f"Why {variant} says the one class and not the next best one: the difference of the two logits by pixel (red speaks for "
                    f"the first, blue for the second) and by node, exactly.{gates_note(study, [variant])}"
                    f"{_touched_note(study, [(sample, variant) for sample in picks])}{grey_note(study)} Shown: {len(picks)} of "
                    f"{count(len(study.linear(variant).sample))} linearized samples.")


def _has_two(study: Study, variant: str, sample: int) -> bool:
    """True if the rows of the two largest logits are stored."""
    logits = study.file["prediction/logits"][study.variant_index(variant), study.condition_index("clean"), sample]
    return all(study.linear(variant).has(sample, int(k)) for k in np.argsort(-logits, kind="stable")[:2])


def _has_predicted(study: Study, variant: str, sample: int) -> bool:
    v, c = study.variant_index(variant), study.condition_index("clean")
    return study.linear(variant).has(sample, int(study.file["prediction/class"][v, c, sample]))


def _hatch(axis: Axes, study: Study, variant: str, sample: int) -> None:
    if study.linear(variant).knows_touched:
        hatch(axis, study.linear(variant).touched(sample))


def _touched_note(study: Study, shown: list[tuple[int, str]]) -> str:
    """What the hatching means, where some pixel is hatched."""
    parts = [study.linear(variant).touched(sample).mean() for sample, variant in shown if study.linear(variant).knows_touched]
    return f" Hatched: pixels that ties touch, {100 * min(parts):.0f} to {100 * max(parts):.0f} % of a sample; W there is one of " \
        "several, all as true." if parts and max(parts) > 0 else ""


def _sum(part: Contributions) -> str:
    return f"sum {signed(part.sum, 3)}, network {signed(part.output, 3)}"


def changed(study: Study, limit: int = 4) -> tuple[list[tuple[int, str]], int]:
    """[(sample, variant)] where pruning turned a right prediction wrong, spread over variants, the largest losses of
    margin first; and how many such pairs there are among the linearized samples."""
    if "dense" not in study.linearized or "clean" not in study.conditions:
        return [], 0
    c = study.condition_index("clean")
    before = study.file["prediction/class"][study.variant_index("dense"), c]
    margin = study.geometry("margin", "dense", "clean").astype(float)
    queues, total = [], 0
    first = representatives(study)
    for variant in sorted(study.linearized, key=lambda v: v not in first):  # other seeds last
        if variant == "dense" or variant in study.failed:
            continue
        after = study.file["prediction/class"][study.variant_index(variant), c]
        common = np.intersect1d(study.linear("dense").sample, study.linear(variant).sample)
        lost = common[(before[common] == study.label[common]) & (after[common] != study.label[common])]
        loss = (margin - study.geometry("margin", variant, "clean"))[lost]
        total += len(lost)
        order = lost[np.argsort(-np.nan_to_num(loss), kind="stable")[:MOST_TRIED]]
        queues.append([(int(s), variant) for s in itertools.islice((s for s in order if _answers(study, variant, int(s))), limit)])
    picks: list[tuple[int, str]] = []
    while any(queues) and len(picks) < limit:
        for queue in queues:
            queue[:] = [pair for pair in queue if pair[0] not in {s for s, _ in picks}]
            if queue and len(picks) < limit:
                picks.append(queue.pop(0))
    return picks, total


def _answers(study: Study, variant: str, sample: int) -> bool:
    """Whether a network answers to the input at all: where all its gates are shut there is nothing to see."""
    return not _has_predicted(study, variant, sample) or bool(np.any(contributions(study, variant, sample).w))


@styled
def gallery_changed(study: Study, limit: int = 4) -> Picture | None:
    """Samples that pruning moved to another class, with their contributions in dense and in the variant."""
    picks, total = changed(study, limit)
    picks = [(s, v) for s, v in picks if _has_predicted(study, "dense", s) and _has_predicted(study, v, s)]
    if not picks:
        return None
    contrasts = any(_has_contrast(study, *pair) for pair in picks)
    figure = Picture(figsize=(WIDTH, (2.85 if contrasts else 3.1) * len(picks) + 0.1))
    widths = [1, 1, 1, 1.45, 1.3][:4 + contrasts]
    grid = figure.add_gridspec(3 * len(picks) - 1, len(widths), width_ratios=widths,
                               height_ratios=([1, 1, 0.06] * len(picks))[:-1])
    for i, pair in enumerate(picks):
        _changed_block(figure, grid[3 * i:3 * i + 2, :].subgridspec(2, len(widths), width_ratios=widths), study, *pair)
    change = (" Last column: how pruning moved the difference of the two logits, right class minus wrong class, by pixel and "
              "by bias node: exact, like everything here.") if contrasts else ""
    return figure.says("Samples that the dense network has right and a pruned one wrong: each network's row of W for its own "
                    "prediction, the contributions W·x, and the sums. Both networks share the scale printed below the maps."
                    f"{change}{gates_note(study, ['dense', *(name for _, name in picks)])}"
                    f"{_touched_note(study, [(s, v) for s, name in picks for v in ('dense', name)])}{grey_note(study)} Shown: {len(picks)} of {count(total)} such cases among the linearized samples, "
                    "those that lose most margin.")


def _has_contrast(study: Study, sample: int, variant: str) -> bool:
    """True if the rows of both predictions are stored for both networks."""
    c = study.condition_index("clean")
    classes = [int(study.file["prediction/class"][study.variant_index(v), c, sample]) for v in ("dense", variant)]
    return all(study.linear(v).has(sample, k) for v in ("dense", variant) for k in classes)


def folded(variant: str, most: int = 19) -> str:
    """A variant's name on as many lines as it needs."""
    return "\n".join(textwrap.wrap(short(variant, 3 * most), most))


def _changed_block(figure: Any, grid: Any, study: Study, sample: int, variant: str) -> None:
    """Two rows, dense above pruned, and what pruning moved where all rows of W are there."""
    dense, pruned = contributions(study, "dense", sample), contributions(study, variant, sample)
    right, wrong = dense.cls, pruned.cls
    picture, words = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    image_of(picture, study, sample)
    picture.set_title(f"sample {sample}", fontsize=7.5, pad=3)
    words.axis("off")
    words.text(0.0, 1.0, f"dense says\n{class_name(study, right, 20)}.\n{folded(variant)}\nsays {class_name(study, wrong, 16)}.", fontsize=7,
               va="top", ha="left", transform=words.transAxes, linespacing=1.5).set_in_layout(False)
    bounds = bound(flat_sum(dense.w), flat_sum(pruned.w)), bound(flat_sum(dense.pixels), flat_sum(pruned.pixels))
    for row, (part, title) in enumerate(((dense, "dense"), (pruned, "pruned"))):
        weights, pixels, sums = (figure.add_subplot(grid[row, column]) for column in (1, 2, 3))
        pixel_map(weights, part.w, bounds[0], note=row == 1)
        _hatch(weights, study, ("dense", variant)[row], sample)
        pixel_map(pixels, part.pixels, bounds[1], note=row == 1)
        weights.set_title(f"W, {class_name(study, part.cls, 15)}", fontsize=7.5, pad=3)
        pixels.set_title("W·x", fontsize=7.5, pad=3)
        ledger(sums, part.pixels.sum(), part.b, part.node, part.b_node, f"{title}: sum {signed(part.sum, 3)}",
                most=5, room=0.32)
    if not _has_contrast(study, sample, variant):
        return
    moved = contrast_change(contrast(study, "dense", sample, right, wrong), contrast(study, variant, sample, right, wrong))
    top, below = figure.add_subplot(grid[0, 4]), figure.add_subplot(grid[1, 4])
    pixel_map(top, moved.pixels, bound(flat_sum(moved.pixels)))
    top.set_title(f"{class_name(study, right, 13)} − {class_name(study, wrong, 13)}", fontsize=7.5, pad=3, loc="center")
    ledger(below, moved.pixels.sum(), moved.b, moved.node, moved.b_node, f"moved by {signed(moved.sum, 3)}", most=5, room=0.38)
