"""Attributions: a sample's maps by all methods side by side, the curves of deletion and insertion, and how far methods agree;
dense against pruned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facet import faithful
from facet.plot.choice import grouped, pick
from facet.plot.pixels import bound, flat_sum, image_of, pixel_map
from facet.plot.style import CLASSES, DENSE, GREY, SIGNED, WIDTH, Picture, color_bar, picture, styled
from facet.plot.words import class_name, count, left_out, short, signed

if TYPE_CHECKING:
    from facet.study import Study

COLUMNS = 5  # maps beside each other


def spoken(method: str) -> str:
    return {"gradient_x_input": "gradient × input", "exact_integrated_gradients": "exact int. gradients",
            "integrated_gradients": "int. gradients", "lrp_epsilon": "LRP-ε", "lrp_gamma": "LRP-γ", "smoothgrad": "SmoothGrad",
            "deeplift": "DeepLIFT", "gradcam": "Grad-CAM"}.get(method, method)


def shown(study: Study, limit: int) -> list[str]:
    """Dense and some of the others."""
    groups = grouped(study, faithful.attributed(study))
    names = list(groups) if len(groups) <= limit else pick(study, limit, list(groups))
    return [groups[name][0] for name in names]


def _spoken_for(study: Study, found: faithful.Attributed) -> int:
    """The class whose attributions are shown: the one that the network gives the sample, where it is explained."""
    if "clean" not in study.conditions:
        return found.cls[0]
    predicted = int(study.file["prediction/class"][study.variant_index(found.variant), study.condition_index("clean"), found.sample])
    return predicted if predicted in found.cls else found.cls[0]


@styled
def attributions(study: Study, sample: int | None = None, limit: int = 2) -> Picture | None:
    """A sample (default: the first) and its maps by all methods, in dense and in others."""
    variants, names = shown(study, limit), faithful.methods(study)
    if not variants:
        return None
    sample = int(study.numbers("attributions")[0]) if sample is None else sample
    found = {v: faithful.attributions(study, v, sample) for v in variants}
    names = [m for m in names if any(np.isfinite(found[v].of(m)).all() for v in variants)]
    columns = min(COLUMNS, len(names) + 1)
    lines = -(-(len(names) + 1) // columns)
    figure, axes = picture(lines * len(variants), columns, squeeze=False,
                           figsize=(WIDTH, (1.55 if not study.flat else 1.2) * lines * len(variants) + 0.2))
    for place, variant in enumerate(variants):
        one, cls = axes[place * lines:(place + 1) * lines].ravel(), _spoken_for(study, found[variant])
        image_of(one[0], study, sample)
        one[0].set_title(short(variant, 26), loc="center", fontsize=7.5)
        one[0].set_xlabel(class_name(study, cls), fontsize=7.5, labelpad=2, color=DENSE)
        for axis, method in zip(one[1:], names):
            pixels = found[variant].of(method, cls)
            axis.set_title(spoken(method), loc="center", fontsize=7.5)
            if np.isfinite(pixels).all():
                pixel_map(axis, pixels, bound(flat_sum(pixels)))
            else:
                axis.set_axis_off()
        for axis in one[len(names) + 1:]:
            axis.set_axis_off()
    return figure.says(f"Sample {sample} and attributions of the logit below it by all methods, each on a scale of its own (below it; red adds, blue takes "
                       "away; channels summed). Gradient and SmoothGrad are slopes; Grad-CAM is never negative; the others are parts of the logit.")


@styled
def faithfulness_curves(study: Study, limit: int = 2) -> Picture | None:
    """Curves of deletion and insertion by method, in dense and in others."""
    if not faithful.measured(study):
        return None
    variants, names = shown(study, limit), faithful.methods(study)
    if not variants:
        return None
    figure, axes = picture(len(variants), 2, squeeze=False, sharex=True, sharey=True, figsize=(WIDTH, 2.35 * len(variants) + 0.3))
    for line, variant in zip(axes, variants):
        for axis, which in zip(line, ("deletion", "insertion")):
            curves = faithful.curves(study, variant, which)
            share = np.linspace(0, 1, curves.shape[1])
            for m, (method, curve) in enumerate(zip(names, curves)):
                if np.isfinite(curve).all():
                    area = (curve[1:] + curve[:-1]).mean() / 2
                    axis.plot(share, curve, color=CLASSES[m % len(CLASSES)], linestyle=("-", "--")[m // len(CLASSES) % 2], linewidth=1.1,
                              label=f"{spoken(method)} {area:.3f}")
            axis.legend(fontsize=5.8, handlelength=1.2, labelspacing=0.25, loc="center left", bbox_to_anchor=(1, 0.5))
            axis.set_title(f"{short(variant, 26)}: {which}", fontsize=8)
        line[0].set_ylabel("probability", fontsize=7.5)
    for axis in axes[-1]:
        axis.set_xlabel("share of the input", fontsize=7.5)
    samples = len(study.numbers("attributions"))
    return figure.says("Probability of the explained class while the input's numbers become the baseline's, those of the largest attribution first (deletion: "
                       "the faster it falls, the better), and while they come back into the baseline (insertion: the faster it rises, the better). "
                       f"Means over {count(samples)} samples; beside each method the area below its curve. LRP-ε of a small epsilon is gradient × input, and its curve lies on that.")


@styled
def agreement(study: Study, limit: int = 2) -> Picture | None:
    """Rank correlation of all pairs of methods, in dense and in others."""
    if not faithful.measured(study):
        return None
    variants = shown(study, limit)
    if not variants:
        return None
    tables = [faithful.agreement(study, v, "spearman") for v in variants]
    names = [m for m in tables[0].index if any(np.isfinite(t.loc[m, m]) for t in tables)]
    figure, axes = picture(1, len(variants), squeeze=False, figsize=(WIDTH if len(variants) > 1 else 4.4, 3.6))
    for axis, variant, table in zip(axes[0], variants, tables):
        values = table.loc[names, names].to_numpy()
        image = axis.imshow(values, cmap=SIGNED, vmin=-1, vmax=1)
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                axis.text(column, row, signed(value, plus=False).replace("0.", ".", 1), ha="center", va="center", fontsize=5.5,
                          color="white" if abs(value) > 0.65 else DENSE)
        axis.set_xticks(range(len(names)), [spoken(m) for m in names], rotation=45, ha="right", rotation_mode="anchor", fontsize=6.5)
        axis.set_yticks(range(len(names)), [spoken(m) for m in names] if axis is axes[0][0] else [], fontsize=6.5)
        axis.tick_params(length=0, colors=GREY)
        axis.spines[:].set_visible(False)
        axis.set_title(short(variant, 30), fontsize=8)
    color_bar(figure, image, "rank correlation", ax=list(axes[0]), shrink=0.7, pad=0.02, aspect=18)
    return figure.says("How far methods agree which inputs matter: Spearman's rank correlation of two attributions over all numbers of the input, a mean over "
                       f"{count(len(study.numbers('attributions')))} samples.{left_out(variants, faithful.attributed(study), 'variants', study=study)}")
