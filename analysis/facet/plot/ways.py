"""Ways to samples: exact integrated gradients beside W, and the logits on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facet.errors import StudyError
from facet.explain import Way, contributions
from facet.explain import way as way_to
from facet.hdf import plain
from facet.plot.choice import extremes
from facet.plot.pixels import bound, flat_sum, image_of, pixel_map, pixels_of
from facet.plot.style import DENSE, GREY, LIGHT, WIDTH, Picture, picture, styled
from facet.plot.words import class_name, count, grey_note, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from facet.study import Study


def followed(study: Study, condition: str = "clean") -> list[str]:
    """Variants in which there are ways to samples, clean or under a condition."""
    folder = "" if condition == "clean" else f"/{condition}"
    return [v for v in study.variants if f"paths/{v}{folder}/attribution" in study.file]


def ends(study: Study) -> list[str]:
    """Conditions of the samples that ways lead to."""
    return [condition for condition in study.conditions if followed(study, condition)]


def compared(study: Study, condition: str = "clean") -> list[str]:
    """Of the variants in which there are such ways dense, or the first, and the most pruned that has not failed: two, or one."""
    return extremes(study, followed(study, condition))


def _first(study: Study) -> str:
    """What is said of the changes where there may be several baselines."""
    start = str(plain(study.file["paths"].attrs["from"]))
    return ", of the first baseline (where there are several, logits are means)" if "/" in start else ""  # a file


def _contributions(axis: Axes, study: Study, variant: str, sample: int, cls: int) -> None:
    """W times the sample; nothing where that row is not stored."""
    try:
        pixels = contributions(study, variant, sample, cls).pixels
    except StudyError:
        axis.set_axis_off()
        return
    pixel_map(axis, pixels, bound(flat_sum(pixels)))


def _curves(axis: Axes, study: Study, way: Way, cls: int) -> None:
    """The logits of the classes that are largest at either end, and where the predicted class changes."""
    ends = [int(k) for at, most in ((-1, 2), (0, 1)) for k in np.argsort(-way.logits[at])[:most]]
    top = list(dict.fromkeys([cls, *ends]))[:4]
    for t in way.crossing:
        axis.axvline(t, color=LIGHT, linewidth=0.8)
    for place, k in enumerate(top):
        axis.plot(way.t, way.logits[:, k], linewidth=1.1, color=DENSE if place == 0 else f"C{place}", label=class_name(study, k))
    axis.legend(fontsize=6, frameon=False, loc="best", handlelength=1.2)
    axis.tick_params(labelsize=6)


@styled
def ways(study: Study, variant: str, limit: int = 4, condition: str | None = None, other: str | None = None) -> Picture | None:
    """Samples, W times the sample where it is stored, exact integrated gradients, and logits on the way: to the sample, or, with a
    condition, to it under that; with another variant, both side by side."""
    samples = study.numbers("paths")[:limit].tolist()
    if not samples:
        return None
    variants, clean = [variant, *([other] if other else [])], condition in (None, "clean")
    linear = [clean and v in study.linearized for v in variants]
    names = [f"{short(v, 22)}\n" if other else "" for v in variants]
    widths, titles = [1.0], ["sample"]
    for name, one in zip(names, linear):
        widths += [*[1] * one, 1, 1.75]
        titles += [*[f"{name}at the sample: W·x"] * one, f"{'' if one else name}integrated gradients", ""]
    curves = [i for i, title in enumerate(titles) if not title]
    figure, axes = picture(len(samples), len(titles), squeeze=False, figsize=(WIDTH, 1.45 * len(samples) * (0.8 if other else 1) + 0.3),
                           gridspec_kw={"width_ratios": widths})
    for row, sample in zip(axes, samples):
        found = [way_to(study, v, sample, condition) for v in variants]
        cls = _explained(found[0])
        places = [way.cls.index(cls) if cls in way.cls else 0 for way in found]
        _end(row[0], study, sample, condition)
        row[0].set_ylabel(f"sample {sample}", fontsize=7, color=GREY)
        row[0].set_xlabel(class_name(study, cls), fontsize=7.5, labelpad=2, color=DENSE)
        most, at = bound(*(flat_sum(way.pixels[i]) for way, i in zip(found, places))), 1
        for way, i, one in zip(found, places, linear):
            if one:
                _contributions(row[at], study, way.variant, sample, way.cls[i])
            pixel_map(row[at + one], way.pixels[i], most)
            if way.cls[i] != cls:  # where rows are predicted, each network explains its own class
                row[at + one].set_xlabel(f"{class_name(study, way.cls[i], 16)}, ±{most:#.2g}", fontsize=7, color=GREY, labelpad=2)
            _curves(row[at + one + 1], study, way, way.cls[i])
            row[at + one + 1].set_title(f"{count(way.pieces)} pieces", fontsize=7, loc="right", pad=2, color=GREY)
            at += one + 2
        low, high = (pick(row[i].get_ylim()[end] for i in curves) for end, pick in ((0, min), (1, max)))
        for i in curves:
            row[i].set_ylim(low, high)
    for i in curves:
        axes[-1][i].set_xlabel("share of the way", fontsize=7, labelpad=2)
    for axis, title in zip(axes[0], titles):
        if title:
            axis.set_title(title, loc="center", fontsize=7 if other else 8)
    begin = {"0": "black", "clean": "the clean sample"}.get(found[0].start, found[0].start)
    end = "a sample" if clean else f"the sample under {condition}"
    return figure.says(f"What {'the networks ' if other else 'the network '}{' and '.join(variants)} {'do' if other else 'does'} on the straight way from {begin} to {end}. "
                       f"{'W·x is of the piece that the sample lies in. ' * any(linear)}"
                       "The integrated gradients are those of all pieces on the way, each times its length, without a quadrature: they add up to "
                       f"what the logit below the sample gains on the way (red adds, blue takes away, scale below each map{', one for both networks; where one explains another class, its map says which' * bool(other)}). Beside them the logits on "
                       f"the way, and lines where the predicted class changes{_first(study)}.{grey_note(study)} Shown: {len(samples)} of {count(len(study.numbers('paths')))} samples.")


def _explained(way: Way) -> int:
    """The class whose maps are shown: what is predicted at the end, where it is explained."""
    predicted = int(way.logits[-1].argmax())
    return predicted if predicted in way.cls else way.cls[0]


def _end(axis: Axes, study: Study, sample: int, condition: str | None) -> None:
    """The sample at the end of the way; the clean one where the file has no other."""
    try:
        pixels_of(axis, study, study.image(sample, None if condition == "clean" else condition).astype(float))
    except StudyError:
        image_of(axis, study, sample)
