"""Ways to samples: exact integrated gradients beside W, and the logits on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facet.errors import StudyError
from facet.explain import Way, contributions
from facet.explain import way as way_to
from facet.hdf import plain
from facet.plot.pixels import bound, flat_sum, image_of, pixel_map
from facet.plot.style import DENSE, GREY, LIGHT, WIDTH, Picture, picture, styled
from facet.plot.words import class_name, count, grey_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from facet.study import Study


def followed(study: Study) -> list[str]:
    """Variants in which there are ways to clean samples."""
    return [v for v in study.variants if f"paths/{v}/attribution" in study.file]


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
def ways(study: Study, variant: str, limit: int = 4) -> Picture | None:
    """Samples, W times the sample where it is stored, exact integrated gradients, and logits on the way."""
    samples = study.numbers("paths")[:limit].tolist()
    if not samples:
        return None
    linear = variant in study.linearized
    titles = ["sample", *["at the sample: W·x"] * linear, "integrated gradients"]
    figure, axes = picture(len(samples), len(titles) + 1, squeeze=False, figsize=(WIDTH, 1.45 * len(samples) + 0.3),
                           gridspec_kw={"width_ratios": [*[1] * len(titles), 1.75]})
    for row, sample in zip(axes, samples):
        way = way_to(study, variant, sample)
        predicted = int(way.logits[-1].argmax())
        at = way.cls.index(predicted) if predicted in way.cls else 0
        image_of(row[0], study, sample)
        row[0].set_ylabel(f"sample {sample}", fontsize=7, color=GREY)
        row[0].set_xlabel(class_name(study, way.cls[at]), fontsize=7.5, labelpad=2, color=DENSE)
        if linear:
            _contributions(row[1], study, variant, sample, way.cls[at])
        pixel_map(row[-2], way.pixels[at], bound(flat_sum(way.pixels[at])))
        _curves(row[-1], study, way, way.cls[at])
        row[-1].set_title(f"{count(way.pieces)} pieces", fontsize=7, loc="right", pad=2, color=GREY)
    axes[-1][-1].set_xlabel("share of the way", fontsize=7, labelpad=2)
    for axis, title in zip(axes[0], titles):
        axis.set_title(title, loc="center", fontsize=8)
    return figure.says(f"What the network {variant} does on the straight way from {'black' if way.start == '0' else way.start} to a sample. {'W·x is of the piece that the sample lies in. ' * linear}"
                       "The integrated gradients are those of all pieces on the way, each times its length, without a quadrature: they add up to "
                       "what the logit gains on the way (red adds, blue takes away, scale below each map). Right: the logits on the way, and lines where the "
                       f"predicted class changes{_first(study)}.{grey_note(study)} Shown: {len(samples)} of {count(len(study.numbers('paths')))} samples.")
