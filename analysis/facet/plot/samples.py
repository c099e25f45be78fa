"""One sample, or some that were asked for: images, contributions, a decision, a change of margin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facet.plot.pixels import bound, flat_sum, image_of, ledger, pixel_map
from facet.plot.style import GREY, WIDTH, Picture, picture, styled
from facet.plot.words import class_name, gates_note, signed

if TYPE_CHECKING:
    from facet.study import Study


@styled
def fragile(study: Study, count: int = 10, cls: str | int | None = None) -> Picture | None:
    """The most fragile samples: image, class, how often they flip."""
    found = study.fragile(count, cls).table
    columns = min(len(found), 5)
    if not columns:
        return None
    rows = -(-len(found) // columns)
    figure, axes = picture(rows, columns, squeeze=False, figsize=(WIDTH, rows * (WIDTH / 5 + 0.35)))
    for axis in axes.flat[len(found):]:
        axis.set_visible(False)
    pairs = len(study.variants) * len(study.conditions)
    for axis, (sample, row) in zip(axes.flat, found.iterrows()):
        image_of(axis, study, int(str(sample)))
        axis.set_title(f"sample {sample}", fontsize=7, color=GREY, loc="center")
        axis.set_xlabel(f"{class_name(study, int(study.label[int(str(sample))]))}\n{row['flips']} of {pairs} flip", fontsize=7)
    return figure.says("The most fragile samples: how many pairs of variant and condition give each another class than the dense "
                       "network does clean.")


@styled
def contributions(study: Study, variant: str, sample: int, cls: str | int | None = None) -> Picture | None:
    """Image, row of W, contributions W x, and the sum."""
    part = study.contributions(variant, sample, cls)
    figure, axes = picture(1, 4, figsize=(WIDTH, 1.75), width_ratios=[1, 1, 1, 1.75])
    image_of(axes[0], study, sample)
    axes[0].set_xlabel(class_name(study, int(study.label[sample])), fontsize=7.5)
    axes[0].set_title(f"sample {sample}", loc="center", fontsize=8)
    for axis, values, title in ((axes[1], part.w, "row of W"), (axes[2], part.pixels, "contributions W·x")):
        pixel_map(axis, values, bound(flat_sum(values)))
        axis.set_title(title, loc="center", fontsize=8)
    ledger(axes[3], part.pixels.sum(), part.b, part.node, part.b_node, f"sum {signed(part.sum, 3)}, network {signed(part.output, 3)}")
    return figure.says(f"What the output for {part.name} of {variant} is made of at sample {sample}, exactly: pixels plus bias add up "
                       f"to the logit; red adds, blue takes away.{gates_note(study, [variant])}")


@styled
def contrast(study: Study, variant: str, sample: int, cls: str | int | None = None, other: str | int | None = None) -> Picture | None:
    """Image, what each pixel adds to the difference of two logits, and the sum. Default: the two classes that study.contrast takes."""
    part = study.contrast(variant, sample, cls, other)
    title = f"{class_name(study, part.cls, 16)} − {class_name(study, part.other, 16)}"
    return _one(study, sample, part.pixels, part.b, part.node, part.b_node, f"sum {signed(part.sum, 3)}", title).says(
        f"Why {variant} gives sample {sample} the one class rather than the other: the difference of the two logits by pixel and by "
        f"node, exactly; red speaks for the first.{gates_note(study, [variant])}")


@styled
def margin_change(study: Study, variant: str, sample: int, condition: str | None = None) -> Picture | None:
    """Image, what each pixel adds to the change of a margin, and the sum."""
    part = study.margin_change(variant, sample, condition)
    pixels = part.pixels + part.moved
    what = f"from clean to {condition} in {variant}" if condition else f"from dense to {variant}"
    return _one(study, sample, pixels, float(part.b_node.sum()), part.node, part.b_node, f"change {signed(part.total, 3)}",
                "margin change by pixel").says(
        f"What changes the margin of sample {sample} {what}, exactly: by pixel and by the constants of nodes; red adds, blue takes "
        "away.")


def _one(study: Study, sample: int, pixels: object, b: float, node: list[str], b_node: object, total: str, title: str) -> Picture:
    import numpy as np

    values, split = np.asarray(pixels), np.asarray(b_node)
    figure, axes = picture(1, 3, figsize=(0.8 * WIDTH, 1.75), width_ratios=[1, 1, 1.75])
    image_of(axes[0], study, sample)
    axes[0].set_title(f"sample {sample}", loc="center", fontsize=8)
    axes[0].set_xlabel(class_name(study, int(study.label[sample])), fontsize=7.5)
    pixel_map(axes[1], values, bound(flat_sum(values)))
    axes[1].set_title(title, loc="center", fontsize=8)
    ledger(axes[2], values.sum(), b, node, split, total)
    return figure
