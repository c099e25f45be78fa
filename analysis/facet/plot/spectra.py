"""The principal input directions of all linearizations, and how variants share them: spectra, directions as pictures,
principal angles, and the similarity of features (CKA), from /aggregate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from facet.hdf import Array, plain
from facet.plot.choice import grouped, pick, seeds
from facet.plot.comparisons import fold, matrix
from facet.plot.gallery import folded
from facet.plot.pixels import bound, flat_sum, pixel_map
from facet.plot.style import GREY, LIGHT, WIDTH, Look, Picture, legend, picture, styled
from facet.plot.words import failed_seeds, gates_note, grey_note, left_out, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from facet.study import Study


SHARED = "YlGnBu"  # light: nothing in common, dark: the same


def spectra(study: Study) -> list[str]:
    """Names of the variants whose spectra are in the file: not NaN, which a run that was stopped leaves."""
    paths = {v: f"aggregate/{v}/singular_values" for v in study.variants}
    return [v for v, path in paths.items() if path in study.file and np.isfinite(study.file[path][()]).all()]


def with_spectra(study: Study, limit: int) -> list[str]:
    """At most `limit` variants, dense among them: of each group of replicates the first with a spectrum that has not failed; of
    groups that have failed wholly, the first."""
    groups = grouped(study, spectra(study))
    return [groups[name][0] for name in pick(study, limit, list(groups))]


@styled
def singular_values(study: Study, limit: int = 12) -> Picture | None:
    """The spectra on a log scale, and what the first directions explain together."""
    look = Look(study)
    shown = with_spectra(study, limit)
    if not shown:
        return None
    figure, axes = picture(1, 2, figsize=(WIDTH, 2.7 + 0.16 * -(-len(shown) // 4)))
    for variant in shown[::-1]:
        values, share = (study.file[f"aggregate/{variant}/{part}"][()] for part in ("singular_values", "share"))
        place, known = np.arange(1, len(values) + 1), values > 0
        line = {**look.line(variant), "markersize": 3.5, "label": _label(variant, 40)}
        axes[0].plot(place[known], values[known], **line)
        axes[1].plot(place, np.cumsum(share), **line)
    axes[0].set_yscale("log")
    low, high = axes[0].get_ylim()
    axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,)))
    axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[0].yaxis.set_minor_formatter(NullFormatter())
    axes[0].set_ylabel("singular value")
    axes[1].set_ylabel("share explained, cumulated")
    axes[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for axis in axes:
        axis.set_xlabel("component")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(axis="y", color=LIGHT, linewidth=0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    legend(figure, handles[::-1], labels[::-1])
    return figure.says("Singular values of all rows of W of all linearized samples, stacked (logits per normalised input), and the "
                    "share of the sum of all squares that the first directions explain together."
                    + gates_note(study, shown) + left_out(shown, spectra(study), "variants", study=study))


def directions_of(study: Study, variant: str) -> Array:
    """The directions of a variant: r x channel x y x x, whatever the network's layout; NaN where there is none."""
    dataset = study.file[f"aggregate/{variant}/directions"]
    rows, (channel, y, x) = dataset[()].astype(float), study.shape
    if plain(dataset.attrs.get("order", "channels_first")) == "channels_last":
        rows = np.moveaxis(rows.reshape(-1, y, x, channel), -1, 1)
    return np.asarray(rows.reshape(-1, channel, y, x))


def turned(direction: Array, dense: Array) -> Array:
    """A direction with the sign that makes its inner product with dense's of the same place positive."""
    return -direction if np.sum(direction * dense) < 0 else direction


@styled
def leading_directions(study: Study, limit: int = 6, most: int = 6) -> Picture | None:
    """Pictures of the leading directions: a row for each variant, a column for each direction."""
    shown = with_spectra(study, limit)
    if not shown:
        return None
    found = {v: directions_of(study, v) for v in shown}
    count = min(most, max(len(pictures) for pictures in found.values()))
    if "dense" in found:
        found = {v: np.array([turned(*pair) for pair in zip(pictures, found["dense"])]) for v, pictures in found.items()}
    side = (WIDTH - 1.2) / count
    height = side * (1 if study.flat else min(study.shape[1] / study.shape[2], 2))
    figure, axes = picture(len(shown), count, squeeze=False, figsize=(WIDTH, len(shown) * (height + 0.16) + 0.35))
    for row, variant in zip(axes, shown):
        share = study.file[f"aggregate/{variant}/share"][()]
        for place, axis in enumerate(row):
            if place >= len(found[variant]) or not np.isfinite(found[variant][place]).all():
                axis.set_axis_off()
                continue
            _direction(axis, study, found[variant][place])
            axis.set_xlabel(f"{100 * share[place]:.1f} %", fontsize=7, color=GREY, labelpad=2)
        row[0].set_axis_on()
        row[0].set_xticks([])
        row[0].set_yticks([])
        row[0].set_ylabel(folded(variant, 16), fontsize=7, rotation=0, ha="right", va="center", labelpad=4)
    for place, axis in enumerate(axes[0]):
        axis.set_title(str(place + 1), loc="center", fontsize=8)
    how = ("Mid-grey is 0; red, green and blue are lighter where the direction is positive in that channel, darker where it is "
           "negative, scaled for each picture."
           if _coloured(study) else "Red is positive and blue negative, scaled for each picture about 0." + grey_note(study))
    signs = (" A direction has no sign of its own: each is turned so that its inner product with the dense network's of the "
             "same place is positive." if "dense" in found else " The sign of a direction means nothing.")
    return figure.says("The input directions to which the outputs of each network answer most, over all linearized samples, with the share "
                    f"of the sum of squares that each explains. {how}{signs} Directions with nearly equal singular values may come "
                    "mixed or swapped." + gates_note(study, shown) + left_out(shown, spectra(study), "variants", study=study))


def _coloured(study: Study) -> bool:
    return study.shape[0] == 3 and not study.flat


def _direction(axis: Axes, study: Study, direction: Array) -> None:
    if not _coloured(study):
        pixel_map(axis, direction, bound(flat_sum(direction)), note=False)
        return
    axis.set_xticks([])
    axis.set_yticks([])
    axis.imshow(np.clip(0.5 + 0.5 * direction.transpose(1, 2, 0) / bound(direction.reshape(3, -1)), 0, 1))
    for spine in axis.spines.values():
        spine.set_visible(True)
        spine.set_color(LIGHT)


def angles(study: Study) -> tuple[list[str], Array] | None:
    """(names, V x V x r principal angles in degrees) of the variants with spectra; None without any pair."""
    names = spectra(study)
    if len(names) < 2 or "aggregate/principal_angles" not in study.file:
        return None
    at = [study.variant_index(v) for v in names]
    return names, np.degrees(study.file["aggregate/principal_angles"][()][np.ix_(at, at)])


@styled
def principal_angles(study: Study, limit: int = 20, lines: int = 10) -> Picture | None:
    """Mean angle of every pair of variants, and all angles of each with dense."""
    look = Look(study)
    known = angles(study)
    if known is None or not np.isfinite(known[1]).any():
        return None
    names, table = known
    shown = [v for v in with_spectra(study, limit) if v in names]
    at = [names.index(v) for v in shown]
    finite = np.isfinite(table)
    mean = (np.where(finite, table, 0).sum(axis=2) / np.where(finite.any(axis=2), finite.sum(axis=2), np.nan))[np.ix_(at, at)]
    others = [v for v in with_spectra(study, lines + 1) if v != "dense"] if "dense" in names else []
    figure, axes = picture(1, 1 + bool(others), squeeze=False, figsize=(WIDTH if others else 0.6 * WIDTH, 3.1 + 0.16 * -(-len(others) // 4)))
    matrix(figure, axes[0][0], mean, [_label(v, 26) for v in shown], SHARED + "_r", (0, 90), "{:.0f}", "mean angle (degrees)")
    for variant in others:
        curve = table[names.index("dense"), names.index(variant)]
        curve = curve[np.isfinite(curve)]
        axes[0][1].plot(np.arange(1, len(curve) + 1), curve, **{**look.line(variant), "markersize": 3.5, "label": _label(variant, 32)})
    if others:
        axes[0][1].set(xlabel="angle, the smallest first", ylabel="angle with dense (degrees)", ylim=(0, 92), yticks=range(0, 91, 15))
        axes[0][1].xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[0][1].grid(axis="y", color=LIGHT, linewidth=0.5)
        legend(figure, *axes[0][1].get_legend_handles_labels())
    which = "each variant" if len(others) == len(names) - 1 else f"{len(others)} of {len(names) - 1} variants"
    right = f" Right: all angles of {which} with the dense network." if others else ""
    return figure.says("Principal angles between the subspaces of the directions of two variants: 0° is a direction that both have, 90° "
                    f"one that the other has not. Matrix: the mean over the angles of a pair.{right}"
                    + gates_note(study, [*shown, *others]) + left_out(shown, names, "variants", study=study))


def _label(name: str, most: int) -> str:
    return short(name, most)


def cka_items(study: Study, limit: int) -> tuple[list[str], list[int]]:
    """Which groups of replicates and which conditions are shown: all, or the reference and the last one, or the reference
    alone, as many as have room for their names."""
    clean = study.condition_index(study.reference)
    conditions = list(range(len(study.conditions)))
    names = pick(study, limit)
    if len(names) * len(conditions) > limit:
        conditions = sorted({clean, conditions[-1]})
    if len(names) * len(conditions) > limit:
        conditions = [clean]
    return names, conditions


@styled
def cka(study: Study, limit: int = 24) -> Picture | None:
    """Linear CKA of the features of variants under conditions, seeds folded."""
    if "aggregate/cka" not in study.file:
        return None
    table = study.file["aggregate/cka"][()]
    if not np.isfinite(table).any() or len(table) != len(study.variants) * len(study.conditions):
        return None
    groups, conditions = cka_items(study, limit)
    part = fold(study, table, groups, conditions)
    names = [_label(name + (f", {study.conditions[c]}" if len(conditions) > 1 else ""), 44) for name in groups for c in conditions]
    side = float(np.clip(0.25 * len(names) + 2.2, 3.2, WIDTH - 0.6))
    figure, axis = picture(figsize=(side + 0.6, side))
    low = min(float(np.nanmin(part)), 0.99)
    matrix(figure, axis, part, names, SHARED, (low, 1), "{:.2f}", "linear CKA")
    more = " Grey pairs are not compared." if not np.isfinite(part).all() else ""
    more += " Of replicates the mean over seeds, on the diagonal between different ones." if seeds(study) > 1 else ""
    more += failed_seeds(study, groups)
    left = left_out([study.conditions[c] for c in conditions], study.conditions, "conditions")
    return figure.says("How alike the features of two networks, or of one under two conditions, are over all test samples: linear CKA, 1 where one "
                       "is a rotated and scaled copy of the other. The colours begin at the smallest value."
                       f"{more}{left_out(groups, study.replicates, 'variants', study=study)}{left}")
