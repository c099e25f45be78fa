"""The principal input directions of all linearizations, and how variants share them: spectra, directions as pictures,
principal angles, and the similarity of features (CKA), from /aggregate.  As in facet_figures: each function reads what it
needs and returns a figure and a caption, or None where the study holds nothing to show."""

import html

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

import facet_figures as figures
from facet_figures import DENSE, GREY, LIGHT, WIDTH, choose
from facet_study import _plain, _strings

ALL_PAIRS = 400  # beyond so many items, variants are compared with each other under clean alone
SHARED = "YlGnBu"  # light: nothing in common, dark: the same


def spectra(study):
    """Names of the variants whose spectra are in the file: not NaN, which a run that was stopped leaves."""
    paths = {v: f"aggregate/{v}/singular_values" for v in study.variants}
    return [v for v, path in paths.items() if path in study.file and np.isfinite(study.file[path][()]).all()]


def drawn(study, limit):
    """At most `limit` variants with spectra, first seeds before others, dense among them."""
    names = spectra(study)
    firsts = [v for v in names if v in figures.representatives(study)]
    return choose(firsts or names, limit)


def singular_values(study, look, limit=12):
    """The spectra on a log scale, and what the first directions explain together."""
    shown = drawn(study, limit)
    if not shown:
        return None
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.7 + 0.16 * -(-len(shown) // 4)))
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
    figures._legend(figure, handles[::-1], labels[::-1])
    return figure, ("Singular values of all rows of W of all linearized samples, stacked (logits per normalised input), and the "
                    "share of the sum of all squares that the first directions explain together."
                    + figures._left_out(shown, spectra(study), "variants"))


def directions_of(study, variant):
    """The directions of a variant: r x channel x y x x, whatever the network's layout; NaN where there is none."""
    dataset = study.file[f"aggregate/{variant}/directions"]
    rows, (channel, y, x) = dataset[()].astype(float), study.shape
    if _plain(dataset.attrs.get("order", "channels_first")) == "channels_last":
        return np.moveaxis(rows.reshape(-1, y, x, channel), -1, 1)
    return rows.reshape(-1, channel, y, x)


def turned(picture, dense):
    """A direction with the sign that makes its inner product with dense's of the same place positive."""
    return -picture if np.sum(picture * dense) < 0 else picture


def leading_directions(study, limit=6, most=6):
    """Pictures of the leading directions: a row for each variant, a column for each direction."""
    shown = drawn(study, limit)
    if not shown:
        return None
    found = {v: directions_of(study, v) for v in shown}
    count = min(most, max(len(pictures) for pictures in found.values()))
    if "dense" in found:
        found = {v: np.array([turned(*pair) for pair in zip(pictures, found["dense"])]) for v, pictures in found.items()}
    side = (WIDTH - 1.2) / count
    height = side * (1 if study.flat else min(study.shape[1] / study.shape[2], 2))
    figure, axes = plt.subplots(len(shown), count, squeeze=False, figsize=(WIDTH, len(shown) * (height + 0.16) + 0.35))
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
        row[0].set_ylabel(figures._folded(variant, 16), fontsize=7, rotation=0, ha="right", va="center", labelpad=4)
    for place, axis in enumerate(axes[0]):
        axis.set_title(str(place + 1), loc="center", fontsize=8)
    how = ("Mid-grey is 0; red, green and blue are lighter where the direction is positive in that channel, darker where it is "
           "negative, scaled for each picture."
           if _coloured(study) else "Red is positive and blue negative, scaled for each picture about 0." + figures._grey_note(study))
    signs = (" A direction has no sign of its own: each is turned so that its inner product with the dense network's of the "
             "same place is positive." if "dense" in found else " The sign of a direction means nothing.")
    return figure, ("The input directions to which the outputs of each network answer most, over all linearized samples, with the share "
                    f"of the sum of squares that each explains. {how}{signs} Directions with nearly equal singular values may come "
                    "mixed or swapped." + figures._left_out(shown, spectra(study), "variants"))


def _coloured(study):
    return study.shape[0] == 3 and not study.flat


def _direction(axis, study, picture):
    if not _coloured(study):
        figures._map(axis, picture, figures._bound(figures._flat_sum(picture)), note=False)
        return
    axis.set_xticks([])
    axis.set_yticks([])
    axis.imshow(np.clip(0.5 + 0.5 * picture.transpose(1, 2, 0) / figures._bound(picture.reshape(3, -1)), 0, 1))
    for spine in axis.spines.values():
        spine.set_visible(True)
        spine.set_color(LIGHT)


def angles(study):
    """(names, V x V x r principal angles in degrees) of the variants with spectra; None without any pair."""
    names = spectra(study)
    if len(names) < 2 or "aggregate/principal_angles" not in study.file:
        return None
    at = [study.variant_index(v) for v in names]
    return names, np.degrees(study.file["aggregate/principal_angles"][()][np.ix_(at, at)])


def principal_angles(study, look, limit=20, lines=10):
    """Mean angle of every pair of variants, and all angles of each with dense."""
    known = angles(study)
    if known is None or not np.isfinite(known[1]).any():
        return None
    names, table = known
    shown = choose(names, limit)
    at = [names.index(v) for v in shown]
    finite = np.isfinite(table)
    mean = (np.where(finite, table, 0).sum(axis=2) / np.where(finite.any(axis=2), finite.sum(axis=2), np.nan))[np.ix_(at, at)]
    others = [v for v in drawn(study, lines + 1) if v != "dense"] if "dense" in names else []
    figure, axes = plt.subplots(1, 1 + bool(others), squeeze=False, figsize=(WIDTH if others else 0.6 * WIDTH, 3.1 + 0.16 * -(-len(others) // 4)))
    _matrix(figure, axes[0][0], mean, [_label(v, 26) for v in shown], SHARED + "_r", (0, 90), "{:.0f}", "mean angle (degrees)")
    for variant in others:
        curve = table[names.index("dense"), names.index(variant)]
        curve = curve[np.isfinite(curve)]
        axes[0][1].plot(np.arange(1, len(curve) + 1), curve, **{**look.line(variant), "markersize": 3.5, "label": _label(variant, 32)})
    if others:
        axes[0][1].set(xlabel="angle, the smallest first", ylabel="angle with dense (degrees)", ylim=(0, 92), yticks=range(0, 91, 15))
        axes[0][1].xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[0][1].grid(axis="y", color=LIGHT, linewidth=0.5)
        figures._legend(figure, *axes[0][1].get_legend_handles_labels())
    which = "each variant" if len(others) == len(names) - 1 else f"{len(others)} of {len(names) - 1} variants"
    right = f" Right: all angles of {which} with the dense network." if others else ""
    return figure, ("Principal angles between the subspaces of the directions of two variants: 0° is a direction that both have, 90° "
                    f"one that the other has not. Matrix: the mean over the angles of a pair.{right}"
                    + figures._left_out(shown, names, "variants"))


def _label(name, most):
    return figures._short(name, most)


def _matrix(figure, axis, table, names, colours, limits, form, title):
    """A heat map with as many names as have room (empty ones are not written), and with values where they can be read."""
    low, high = limits
    image = axis.imshow(table, cmap=plt.get_cmap(colours).with_extremes(bad="#ececec"), vmin=low, vmax=high)
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
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axis, pad=0.02, aspect=22, shrink=0.8)
    bar.set_label(title)
    bar.outline.set_visible(False)


def cka_items(study, count, limit):
    """Which of the items of /aggregate/cka are shown, with their names: all of them, or variants under the reference and
    the last condition, or under the reference alone."""
    variants, conditions = range(len(study.variants)), range(len(study.conditions))
    if count != len(variants) * len(conditions):
        shown, item = choose(range(count), limit), _strings(study.file["aggregate/item"])
        return shown, [_label(item[i], 44) for i in shown]
    clean = study.condition_index(figures.reference(study))
    if count > limit:
        conditions = [clean] if count > ALL_PAIRS else sorted({clean, conditions[-1]})
        variants = choose(variants, limit // len(conditions))
    shown = [v * len(study.conditions) + c for v in variants for c in conditions]
    if len(shown) <= 24:
        return shown, [_label(study.variants[v] + (f", {study.conditions[c]}" if len(conditions) > 1 else ""), 44)
                       for v in variants for c in conditions]
    middle = conditions[len(conditions) // 2]  # variants alone, each in the middle of its conditions
    return shown, [_label(study.variants[v], 30) if c == middle else "" for v in variants for c in conditions]


def cka(study, limit=160):
    """Linear CKA of the features of all pairs of variant and condition."""
    if "aggregate/cka" not in study.file:
        return None
    table = study.file["aggregate/cka"][()]
    if not np.isfinite(table).any():
        return None
    shown, names = cka_items(study, len(table), limit)
    part = table[np.ix_(shown, shown)]
    side = float(np.clip(0.25 * len(shown) + 2.2, 3.2, WIDTH - 0.6))
    figure, axis = plt.subplots(figsize=(side + 0.6, side))
    low = min(float(np.nanmin(part)), 0.99)
    _matrix(figure, axis, part, names, SHARED, (low, 1), "{:.2f}", "linear CKA")
    more = " Grey pairs are not compared." if not np.isfinite(part).all() else ""
    more += " Each variant's conditions stand side by side, in the study's order." if "" in names else ""
    more += f" Shown: {len(shown)} of {len(table)}." if len(shown) < len(table) else ""
    return figure, ("How alike the features of two networks, or of one under two conditions, are over all test samples: linear CKA, 1 where one "
                    f"is a rotated and scaled copy of the other. The colours begin at the smallest value.{more}")


def section(page, small):
    """Adds the section to a page (class Report); nothing without /aggregate. small: how the page writes small numbers."""
    study = page.study
    if "aggregate" not in study.file:
        return
    table = [singular_value_table(page, small)] if spectra(study) else []
    page.section(
        "Spectra", *table,
        page.figure("singular_values", singular_values(study, page.look)),
        page.figure("leading_directions", leading_directions(study)),
        page.figure("principal_angles", principal_angles(study, page.look)),
        page.figure("cka", cka(study)))


def singular_value_table(page, small):
    """Effective rank, shares and residual of every variant with a spectrum, and what they mean."""
    study, rows, methods = page.study, [], set()
    rank, residual = (study.file[f"aggregate/{what}"][()] for what in ("effective_rank", "residual"))
    for variant in spectra(study):
        v, group = study.variant_index(variant), study.file[f"aggregate/{variant}"]
        share, method = np.cumsum(group["share"][()]), str(_plain(group.attrs.get("method", "?")))
        methods.add(method)
        cells = [f"{rank[v]:.1f}" if np.isfinite(rank[v]) else "–"]
        cells += [f"{100 * part:.1f} %" for part in (share[0], share[min(5, len(share)) - 1], share[-1])]
        cells += [str(len(share)), html.escape(method), small(residual[v])]
        rows.append([page.variant_cell(variant)] + [f"<td>{cell}</td>" for cell in cells])
    about = (" <code>random</code> finds the leading part alone, so the effective rank is not known; its residual bounds the error of "
             "each squared singular value, relative to the norm of them all.") if "random" in methods else ""
    return ("<p>All rows of W of all linearized samples, stacked, are one matrix; its right singular vectors are the input directions "
            "that a network's outputs answer to. The effective rank, the exponential of the entropy of the shares of the squared "
            "singular values, says how many there are. Shares are those of the first, of the first five and of all stored components; "
            f"the residual says how well they are known, relative to their size.{about}</p>"
            + page.table(["variant", "effective rank", "first", "first five", "all stored", "stored", "method", "residual"], rows))
