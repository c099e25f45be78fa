"""The figures of a report: each function reads what it needs from a study and returns a matplotlib figure and a caption
that says how to read it, or None where the study holds nothing to show.

One look for all: every variant has one colour and one marker everywhere. Families of variants (one recipe, several
sparsities) share a hue of the Okabe-Ito palette, safe for colour-blind readers; the sparser, the darker. Replicates, which
differ in their seeds alone, look alike: they are drawn as one, by their mean and deviation, or by the first of them."""

import re
import textwrap

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter

from facet_study import contrast, contrast_change, contributions

WIDTH = 7.2  # inches: two columns of a journal page
HUES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
DENSE, GREY, LIGHT = "#1a1a1a", "#666666", "#d9d9d9"
MARKERS = "osD^v<>hp*"  # none that an error bar could be taken for
SIGNED = "RdBu_r"  # red adds, blue takes away
PLUS, MINUS = "#b2182b", "#2166ac"
METRICS = {"angle": "angle (radians)", "length": "length of the feature", "margin": "margin (signed distance)"}

STYLE = {
    "font.size": 8, "axes.labelsize": 8, "axes.titlesize": 8.5, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5, "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False,
    "axes.linewidth": 0.7, "xtick.major.width": 0.7, "ytick.major.width": 0.7, "xtick.major.size": 3,
    "ytick.major.size": 3, "lines.linewidth": 1.4, "lines.markersize": 4.5, "axes.titlelocation": "left",
    "figure.constrained_layout.use": True, "figure.dpi": 100, "savefig.dpi": 200, "pdf.fonttype": 42,
    "figure.facecolor": "white", "axes.axisbelow": True, "image.interpolation": "nearest",
}
plt.rcParams.update(STYLE)


def _mix(color, other, share):
    return tuple((1 - share) * a + share * b for a, b in zip(to_rgb(color), to_rgb(other)))


def family(variant):
    """magnitude-global-0.95 -> magnitude-global: the recipe without its sparsity."""
    return re.sub(r"-[01]?\.\d+(?=$|-)", "", variant)


class Look:
    """Colour and marker of every variant of a study."""

    def __init__(self, study):
        members = {}
        for name in study.replicates:
            members.setdefault(family(name), []).append(name)
        members.pop("dense", None)
        self.families = members  # {family: [name of replicates, ...]}, least pruned first
        self.color, self.marker, self.hue = {"dense": DENSE}, {"dense": "o"}, {}
        for number, (name, names) in enumerate(members.items()):
            hue = self.hue[name] = HUES[number % len(HUES)]
            names.sort(key=lambda group: (removed(study, group), group))
            for rank, group in enumerate(names):
                place = 2 * rank / (len(names) - 1) - 1 if len(names) > 1 else 0  # -1 least pruned, 1 most
                for variant in (group, *study.replicates[group]):
                    self.color[variant] = _mix(hue, "white" if place < 0 else "black", (0.5 if place < 0 else 0.4) * abs(place))
                    self.marker[variant] = MARKERS[(number + 1) % len(MARKERS)]

    def line(self, variant):
        return {"color": self.color[variant], "marker": self.marker[variant], "markeredgecolor": "white",
                "markeredgewidth": 0.5, "linewidth": 2 if variant == "dense" else 1.4,
                "zorder": 4 if variant == "dense" else 3}


def sparsity(study, variant):
    """Share of the weights that is really gone; 0 where nothing is said."""
    recipe = study.recipe(variant)
    value = recipe.get("achieved", recipe.get("sparsity", 0.0))
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else 0.0


def removed(study, name):
    """Share of the weights that is really gone in a group of replicates: the mean."""
    return float(np.mean([sparsity(study, v) for v in study.replicates[name]]))


def asked(study, name):
    """The sparsity that a group of replicates was to have; where nothing is said, what it has."""
    value = study.recipe(study.replicates[name][0]).get("sparsity", np.nan)
    return value if value > 0 else removed(study, name)


def representatives(study):
    """The first of each group of replicates."""
    return [group[0] for group in study.replicates.values()]


def seeds(study):
    """How many replicates the largest group has."""
    return max(len(group) for group in study.replicates.values())


def pick(study, look, limit):
    """At most `limit` replicates for one picture: dense, and as many of each recipe as there is room for, the sparsest
    always among them."""
    names = list(study.replicates)
    if len(names) <= limit:
        return names
    recipes = choose(list(look.families), limit - 1)
    each = (limit - 1) // len(recipes)
    kept = {"dense"}.union(*(choose(look.families[recipe][::-1], each) for recipe in recipes))
    return [name for name in names if name in kept]


def _one_seed(study):
    return " Of replicates the first seed is shown." if seeds(study) > 1 else ""


def _bars_note(study):
    """What the error bars are."""
    sizes = sorted({len(group) for group in study.replicates.values()} - {1})
    if not sizes:
        return ""
    return f" Means over {' or '.join(map(str, sizes))} seeds; bars: one standard deviation."


def count(number):
    """10000 -> 10 000, with spaces that do not break."""
    return f"{number:,}".replace(",", "\u202f")


def choose(names, limit):
    """At most `limit` of the names, evenly spread, the first and the last among them."""
    if len(names) <= limit:
        return list(names)
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, limit).astype(int))]


def corruptions(study):
    """{corruption: [(severity, condition), ...]}, each beginning with clean at severity 0 where there is one."""
    clean = [(0, "clean")] if "clean" in study.conditions else []
    found = {}
    for condition in study.conditions:
        name, slash, level = condition.rpartition("/")
        if slash and level.isdigit():
            found.setdefault(name, list(clean)).append((int(level), condition))
    return {name: sorted(steps) for name, steps in found.items()}


def reference(study):
    """The condition that comparisons are made under: clean, or the first one."""
    return "clean" if "clean" in study.conditions else study.conditions[0]


def spoken(corruption):
    return corruption.replace("_", " ")


def _left_out(shown, all_of, what, most=6):
    """What a picture does not show: how many, and by name if they are few."""
    rest = [name for name in all_of if name not in shown]
    names = f"; left out: {', '.join(rest)}" if len(rest) <= most else ""
    return f" Shown: {len(shown)} of {len(all_of)} {what}{names}." if rest else ""


def firsts(study, names):
    """The first seed of each of these replicates."""
    return [study.replicates[name][0] for name in names]


def _infinite_note(margins):
    """What becomes of infinite margins, {variant: N}, where there are any."""
    share = {v: np.isinf(margin).mean() for v, margin in margins.items()}
    worst = max(share, key=share.get)
    return (f" Margins are infinite where pruning leaves two classes the same direction: for up to {100 * share[worst]:.0f} % of "
            f"the samples ({worst}), which lie outside of the picture.") if share[worst] else ""


def _legend(figure, handles, labels, columns=4):
    figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(labels)), handlelength=1.8,
                  columnspacing=1.6)


# ---- accuracy ----


def _errors(deviation):
    """Error bars, where there are several seeds at all."""
    return deviation if np.isfinite(deviation).any() else None


def accuracy_by_severity(study, look, limit=8):
    groups = corruptions(study)
    if not groups or not np.isfinite(study.accuracy).any():
        return None
    shown = pick(study, look, limit)
    names = list(study.replicates)
    mean, deviation = (part[[names.index(name) for name in shown]] for part in study.replicate_summary("accuracy"))
    panels = [(spoken(name), steps, None) for name, steps in groups.items()]
    close = _close_up(mean, deviation) if len(groups) == 1 else None
    if close:
        panels.append(("close-up", panels[0][1], close))
    columns = min(len(panels), 4 if len(panels) > 6 else 3)
    rows = -(-len(panels) // columns)
    side = len(panels) <= 2
    width = WIDTH if len(panels) > 1 else 0.62 * WIDTH + 1.6
    figure, axes = plt.subplots(rows, columns, sharex=True, sharey=not close, squeeze=False,
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
        _legend(figure, handles[::-1], labels[::-1])
    more = " The close-up leaves out what lies far below the rest." if close else ""
    return figure, ("Share of test samples classified correctly as the corruption grows. One line per variant: one hue per "
                    f"pruning recipe, darker where more weights are gone; black is the dense network.{more}{_bars_note(study)}"
                    + _left_out(shown, names, "variants"))


def _close_up(mean, deviation):
    """Limits of the accuracies (lines x points) near the best line, error bars included, where others lie so far below
    that they hide the differences."""
    level = mean.mean(axis=1)
    near = level > level.max() - 0.12
    error = np.nan_to_num(deviation[near])
    low, high = (mean[near] - error).min(), (mean[near] + error).max()
    if near.sum() < 2 or mean[near].min() - mean.min() < 0.2:
        return None
    pad = max(0.05 * (high - low), 0.002)
    return low - pad, high + pad


def accuracy_by_sparsity(study, look):
    lines = {name: members for name, members in look.families.items()
             if max(removed(study, g) for g in members) > 0}
    if not lines or not np.isfinite(study.accuracy).any():
        return None
    base = study.condition_index(reference(study))
    noisy = [i for i in range(len(study.conditions)) if i != base]
    rows = [(reference(study), *study.spread(study.accuracy[:, base]))]
    if noisy:
        what = f"mean of the {len(noisy)} other conditions" if len(noisy) > 1 else study.conditions[noisy[0]]
        rows.append((what, *study.spread(study.accuracy[:, noisy].mean(axis=1))))
    names = list(study.replicates)
    drawn = [i for i, name in enumerate(names) if name == "dense" or any(name in members for members in lines.values())]
    close = [_close_up(mean[drawn][:, None], deviation[drawn][:, None]) for _, mean, deviation in rows]
    shape = (len(rows), 2) if any(close) else (1, len(rows))
    figure, axes = plt.subplots(*shape, squeeze=False, sharex=True,
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
    _legend(figure, handles, labels)
    more = " The close-ups leave out what lies far below the rest." if any(close) else ""
    beside = " Points of one sparsity stand side by side." if seeds(study) > 1 else ""
    return figure, ("Accuracy against the share of weights removed. One line per pruning recipe; the horizontal line is the "
                    f"dense network.{more}{_bars_note(study)}{beside}")


def _sparsity_lines(axis, study, look, lines, mean, deviation):
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


# ---- geometry ----


def _density(values, low, high, points=220):
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


def distributions(study, look, limit=8):
    shown = firsts(study, pick(study, look, limit))
    condition = reference(study)
    data = {m: {v: study.geometry(m, v, condition).astype(float) for v in shown} for m in METRICS}
    if not np.isfinite(data["length"][shown[0]]).any():
        return None
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 0.36 * len(shown) + 0.9), sharey=True)
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
    return figure, (f"How the features of all samples lie ({condition}), one row per variant; the black outline repeats the "
                    "dense network. Circle and bar: median and middle half. The shaded side of margin zero is misclassified."
                    + _infinite_note(data["margin"]) + _left_out(shown, representatives(study), "variants")
                    + _one_seed(study))


def shift(study, look, limit=6, most_corruptions=4):
    groups = {name: steps for name, steps in corruptions(study).items() if len(steps) > 1 and steps[0][1] == "clean"}
    shown = [v for v in firsts(study, pick(study, look, limit))
             if groups and np.isfinite(study.geometry("length", v, "clean")).any()]
    if not shown:
        return None
    picked = choose(list(groups), most_corruptions)
    figure, axes = plt.subplots(len(picked), 3, squeeze=False, sharex=True, figsize=(WIDTH, 1.75 * len(picked) + 0.75))
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
    _legend(figure, handles[::-1], labels[::-1], 3)
    return figure, ("How far corruption moves each sample from where it lay clean: medians of the change; the band is the "
                    f"middle half of {shown[0]}. A growing angle and a shrinking margin bring a sample to the decision boundary."
                    + _left_out(shown, representatives(study), "variants") + _left_out(picked, groups, "corruptions")
                    + _one_seed(study))


def margin_against_dense(study, look, limit=6):
    others = [v for v in representatives(study) if v != "dense"]
    if "dense" not in study.variants or not others:
        return None
    condition = reference(study)
    known = study.label >= 0
    dense = study.geometry("margin", "dense", condition).astype(float)
    if not np.isfinite(dense).any():
        return None
    shown = [v for v in firsts(study, pick(study, look, limit + 1)) if v != "dense"]
    data = {v: study.geometry("margin", v, condition).astype(float) for v in shown}
    both = np.concatenate([dense] + list(data.values()))
    low, high = np.quantile(both[np.isfinite(both)], [0.002, 0.998])
    low, high = min(low, -0.05 * abs(high)), max(high, 0.05 * abs(low))
    pad = 0.04 * (high - low)
    low, high = low - pad, high + pad
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(rows, columns, squeeze=False, sharex=True, sharey=True,
                                figsize=(WIDTH * columns / 3 + (0.7 if columns < 3 else 0.2), 2.35 * rows + 0.3))
    bins = np.linspace(low, high, 64)
    counts = {v: np.histogram2d(dense, data[v], bins)[0].T for v in shown}
    most = max(2, max(c.max() for c in counts.values()))
    sides = {v: study.prediction("class", v, condition) == study.label for v in ["dense"] + shown}
    image = None
    for axis, variant in zip(axes.flat, shown):
        tint = matplotlib.colors.LinearSegmentedColormap.from_list("ink", ["#cfe0ee", "#3b76a8", "#08223d"])
        image = axis.pcolormesh(bins, bins, np.ma.masked_equal(counts[variant], 0), cmap=tint, norm=LogNorm(1, most),
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
    bar = figure.colorbar(image, ax=axes, shrink=min(1, 2.0 / (2.35 * rows)), pad=0.02, aspect=22)
    bar.set_label("samples")
    bar.outline.set_visible(False)
    return figure, ("Every sample's margin before and after pruning; on the dotted diagonal nothing changed. Below the "
                    "horizontal line the pruned network is wrong: “lost” were right in the dense network, “won” were wrong."
                    + _infinite_note(data) + _left_out(shown, others, "pruned variants") + _one_seed(study))


# ---- what was pruned, and the certificate ----


def layer_sparsity(study, limit=30, most_layers=60):
    named = {}
    for name, group in study.replicates.items():
        recipes = [study.recipe(v) for v in group]
        if name != "dense" and all("layer" in r and "layer_achieved" in r for r in recipes):
            gone = np.mean([np.atleast_1d(r["layer_achieved"]).astype(float) for r in recipes], axis=0)
            named[name] = dict(zip(np.atleast_1d(recipes[0]["layer"]), gone))
    if not named:
        return None
    shown = choose(list(named), limit)
    every = list(dict.fromkeys(layer for name in shown for layer in named[name]))
    layers = choose(every, most_layers)
    table = np.array([[named[name].get(layer, np.nan) for name in shown] for layer in layers]
                     + [[removed(study, name) for name in shown]])
    layers = layers + ["whole network"]
    tight = len(shown) > 12
    figure, axis = plt.subplots(figsize=(min(WIDTH, 1.9 + 0.62 * len(shown)), 0.21 * len(layers) + (1.5 if tight else 1.25)))
    tint = matplotlib.colors.LinearSegmentedColormap.from_list("gone", ["#f4f7fa", "#86b0d1", "#2f6d9f", "#0b2f52"])
    image = axis.imshow(table, cmap=tint, vmin=0, vmax=1, aspect="auto")
    if not tight:
        for (row, column), value in np.ndenumerate(table):
            if np.isfinite(value):
                axis.text(column, row, _almost(100 * value), ha="center", va="center", fontsize=7,
                          color="white" if value > 0.55 else DENSE)
    axis.set_yticks(range(len(layers)), layers, fontsize=7)
    axis.set_xticks(range(len(shown)), shown, rotation=35 if not tight else 60, ha="right", rotation_mode="anchor", fontsize=7)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.set_xticks(np.arange(len(shown) + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(len(layers) + 1) - 0.5, minor=True)
    axis.grid(which="minor", color="white", linewidth=1.2)
    axis.tick_params(which="minor", length=0)
    bar = figure.colorbar(image, ax=axis, pad=0.02, aspect=18, format=PercentFormatter(1, decimals=0))
    bar.set_label("weights removed")
    bar.outline.set_visible(False)
    return figure, ("Share of the weights that pruning really removed, in percent, layer by layer from the input down, and of all weights together."
                    + (" Means over seeds." if seeds(study) > 1 else "")
                    + _left_out(shown, named, "variants") + _left_out(layers[:-1], every, "layers"))


def _almost(value):
    """A percentage without digits, but 99.6 is not 100."""
    return ">99" if 99.5 <= value < 100 else f"{value:.0f}"


def residuals(study, look, limit=30):
    if not study.linearized:
        return None
    rows = {}
    for name, group in study.replicates.items():
        group = [v for v in group if v in study.linearized]
        if group:
            rows[name if len(group) > 1 else group[0]] = group
    shown = choose(list(rows), limit)
    figure, axis = plt.subplots(figsize=(0.75 * WIDTH, 0.24 * len(shown) + 0.75))
    smallest = np.inf
    for row, variant in enumerate(shown):
        r = np.concatenate([study.linear(v).residual.astype(float) for v in rows[variant]])
        r = np.maximum(r[np.isfinite(r)], 1e-18)
        if not len(r):
            continue
        q = np.quantile(r, [0.0, 0.25, 0.5, 0.75, 1.0])
        smallest = min(smallest, q[1])
        axis.plot(q[[0, 4]], [-row, -row], color=look.color[variant], linewidth=0.9)
        axis.plot(q[[1, 3]], [-row, -row], color=look.color[variant], linewidth=4, solid_capstyle="butt")
        axis.plot(q[2], -row, "o", color="white", markeredgecolor=look.color[variant], markersize=4)
        axis.plot(q[4], -row, "|", color=look.color[variant], markersize=8, markeredgewidth=1.6)
    axis.set_xscale("log")
    if np.isfinite(smallest):
        axis.set_xlim(left=smallest / 10)
    axis.set_yticks([-row for row in range(len(shown))], shown)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.grid(axis="x", color=LIGHT, linewidth=0.5)
    axis.set_xlabel("residual max |F − (Wx + b)| / max(1, max |F|)")
    axis.set_ylim(-len(shown) + 0.4, 0.6)
    return figure, ("How far the affine map of each sample misses the network's own output: circle median, thick bar middle "
                    "half, tick the worst sample. Rounding of 32-bit numbers is about 1e-7."
                    + (" Replicates are taken together." if len(rows) < len(study.linearized) else "")
                    + _left_out(shown, rows, "variants"))


# ---- galleries ----


def _bound(*arrays):
    """A symmetric colour limit that a few extreme pixels do not spoil."""
    values = np.abs(np.concatenate([a.ravel() for a in arrays]))
    values = values[np.isfinite(values)]
    if not values.size:
        return 1.0
    top = np.quantile(values, 0.995) if arrays[0].ndim == 2 and values.size > 200 else values.max()
    return float(top) if top > 0 else float(values.max()) or 1.0


def _picture(axis, study, sample):
    axis.set_xticks([])
    axis.set_yticks([])
    image = study.image(sample).astype(float)
    if study.flat:
        _bars(axis, image.ravel(), GREY)
        axis.spines[:].set_visible(False)
    elif len(image) == 3:
        white = study.normalization[0] if study.normalization[0] > 1 else max(1.0, image.max())
        axis.imshow(np.clip(image.transpose(1, 2, 0) / white, 0, 1))
    else:
        axis.imshow(image.mean(axis=0), cmap="gray")


def _bars(axis, values, color=None):
    at = np.arange(len(values))
    colors = color or np.where(values >= 0, PLUS, MINUS)
    axis.bar(at, values, width=0.85 if len(values) <= 40 else 1.0, color=colors, linewidth=0)
    axis.axhline(0, color=GREY, linewidth=0.6)
    axis.set_xlim(-0.7, len(values) - 0.3)


def _map(axis, values, bound, note=True):
    """A signed map over the input: colours for pictures (channels summed), bars for flat data."""
    axis.set_xticks([])
    axis.set_yticks([])
    if values.shape[1] == 1 or values.shape[2] == 1:
        _bars(axis, values.ravel())
        axis.set_ylim(-1.08 * bound, 1.08 * bound)
        axis.spines[:].set_visible(False)
    else:
        axis.imshow(values.sum(axis=0), cmap=SIGNED, vmin=-bound, vmax=bound)
        for spine in axis.spines.values():
            spine.set_visible(True)
            spine.set_color(LIGHT)
    if note:
        axis.set_xlabel(f"±{bound:#.2g}", fontsize=7, color=GREY, labelpad=2)


def _flat_sum(values):
    return values if values.shape[1] == 1 or values.shape[2] == 1 else values.sum(axis=0)


def _ledger(axis, pixels, b, node, split, title, most=6, room=0.25):
    """Bars that add up: pixels + bias = output, and the bias by node; numbers in a column on the right, which takes
    `room` of the width."""
    order = np.argsort(-np.abs(split), kind="stable")
    kept = sorted(order[:most] if len(split) <= most else order[:most - 1])
    names, values = [node[i] for i in kept], [float(split[i]) for i in kept]
    if len(split) > len(kept):
        names.append(f"{len(split) - len(kept)} others")
        values.append(float(split.sum() - sum(values)))
    labels = ["Σ W·x", "bias b"] + [f"· {_short(name, 18, keep_end=True)}" for name in names]
    values = np.array([float(pixels), float(b)] + values)
    known = np.where(np.isfinite(values), values, 0)
    at = -np.array([0, 1] + [2.25 + i for i in range(len(names))])
    for y, value, main in zip(at, known, [True, True] + [False] * len(names)):
        color = PLUS if value >= 0 else MINUS
        axis.barh(y, value, height=0.72 if main else 0.6, color=color if main else _mix(color, "white", 0.45), linewidth=0)
    axis.axvline(0, color=GREY, linewidth=0.6)
    axis.set_yticks(at, labels, fontsize=6.8)
    axis.tick_params(axis="y", length=0, pad=1)
    axis.spines["left"].set_visible(False)
    low, high = min(0, known.min()), max(0, known.max(), 1e-30)
    axis.set_xlim(low - 0.03 * (high - low), low + (high - low) / (1 - room))
    for y, value in zip(at, values):
        axis.text(1, y, _number(value), transform=axis.get_yaxis_transform(), ha="right", va="center", fontsize=6.5, color=DENSE)
    axis.set_xticks([])
    axis.spines["bottom"].set_visible(False)
    axis.set_title(title, fontsize=7.5, pad=2)


def _number(value, digits=2):
    text = f"{value:+.{digits}f}"
    return (text[1:] if float(text) == 0 else text).replace("-", "−")


def _sum(part):
    return f"sum {_number(part.sum, 3)}, network {_number(part.output, 3)}"


def _name(study, cls, most=22):
    return _short(study.classes[cls] if 0 <= cls < len(study.classes) else "no label", most)


def _short(name, most, keep_end=False):
    """A name cut to fit, its dollar signs escaped: they would start a formula."""
    if len(name) > most:
        name = "…" + name[1 - most:] if keep_end else name[:most - 1] + "…"
    return name.replace("$", r"\$")


def _grey_note(study):
    return " Channels are summed." if study.shape[0] > 1 and not study.flat else ""


def gallery_picks(study, variant, limit=6):
    """Samples to show: the first of as many classes as possible, the last one the worst mistake."""
    linear = study.linear(variant)
    v, c = study.variant_index(variant), study.condition_index("clean")
    known = np.asarray(linear.sample)
    known = known[known < study.samples]
    predicted = study.file["prediction/class"][v, c][known]
    label = study.label[known]
    wrong = known[(predicted != label) & (label >= 0)]
    right = known[(predicted == label) | (label < 0)]
    first = {}
    for sample in right:
        first.setdefault(int(study.label[sample]), int(sample))
    picks = sorted(first.values())[:limit - bool(len(wrong))]
    picks += [int(s) for s in right if int(s) not in picks][:limit - bool(len(wrong)) - len(picks)]
    if len(wrong):
        margin = study.geometry("margin", variant, "clean")[wrong]
        picks.append(int(wrong[int(np.nanargmin(margin)) if np.isfinite(margin).any() else 0]))
    return picks


def gallery(study, variant, limit=6):
    picks = [s for s in gallery_picks(study, variant, limit) if _has_predicted(study, variant, s)]
    if not picks:
        return None
    height = 1.32
    figure, axes = plt.subplots(len(picks), 4, squeeze=False, figsize=(WIDTH, height * len(picks) + 0.3),
                                gridspec_kw={"width_ratios": [1, 1, 1, 1.75]})
    for row, sample in zip(axes, picks):
        part = contributions(study, variant, sample)
        label = int(study.label[sample])
        _picture(row[0], study, sample)
        mark = "" if label < 0 or label == part.cls else f", but is {_name(study, label)}"
        row[0].set_xlabel(f"{_name(study, part.cls)}{mark}", fontsize=7.5, labelpad=2, color=PLUS if mark else DENSE)
        row[0].set_ylabel(f"sample {sample}", fontsize=7, color=GREY)
        _map(row[1], part.w, _bound(_flat_sum(part.w)))
        _map(row[2], part.pixels, _bound(_flat_sum(part.pixels)))
        _ledger(row[3], part.pixels.sum(), part.b, part.node, part.b_node, _sum(part))
    for axis, title in zip(axes[0], ("sample", "W, row of the prediction", "contributions W·x")):
        axis.set_title(title, loc="center", fontsize=8)
    all_of = len(study.linear(variant).sample)
    return figure, (f"Why the network {variant} says what it says, exactly. The row of W is the network's own slope at this sample; times "
                    "the normalised input it gives each pixel's contribution to the logit (red adds, blue takes away, scale "
                    "below each map). On the right: pixels plus bias add up to the logit, and the bias by the node it comes "
                    f"from.{_grey_note(study)} Shown: {len(picks)} of {count(all_of)} linearized samples.")


def _has_predicted(study, variant, sample):
    v, c = study.variant_index(variant), study.condition_index("clean")
    return study.linear(variant).find(sample, int(study.file["prediction/class"][v, c, sample])) is not None


def changed(study, limit=4):
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
        if variant == "dense":
            continue
        after = study.file["prediction/class"][study.variant_index(variant), c]
        common = np.intersect1d(study.linear("dense").sample, study.linear(variant).sample)
        lost = common[(before[common] == study.label[common]) & (after[common] != study.label[common])]
        loss = (margin - study.geometry("margin", variant, "clean"))[lost]
        total += len(lost)
        queues.append([(int(s), variant) for s in lost[np.argsort(-np.nan_to_num(loss), kind="stable")[:limit]]])
    picks = []
    while any(queues) and len(picks) < limit:
        for queue in queues:
            queue[:] = [pair for pair in queue if pair[0] not in {s for s, _ in picks}]
            if queue and len(picks) < limit:
                picks.append(queue.pop(0))
    return picks, total


def gallery_changed(study, limit=4):
    picks, total = changed(study, limit)
    picks = [(s, v) for s, v in picks if _has_predicted(study, "dense", s) and _has_predicted(study, v, s)]
    if not picks:
        return None
    contrasts = any(_has_contrast(study, *pair) for pair in picks)
    figure = plt.figure(figsize=(WIDTH, (2.85 if contrasts else 3.1) * len(picks) + 0.1))
    widths = [1, 1, 1, 1.45, 1.3][:4 + contrasts]
    grid = figure.add_gridspec(3 * len(picks) - 1, len(widths), width_ratios=widths,
                               height_ratios=([1, 1, 0.06] * len(picks))[:-1])
    for i, pair in enumerate(picks):
        _changed_block(figure, grid[3 * i:3 * i + 2, :].subgridspec(2, len(widths), width_ratios=widths), study, *pair)
    change = (" Last column: how pruning moved the difference of the two logits, right class minus wrong class, by pixel and "
              "by bias node: exact, like everything here.") if contrasts else ""
    return figure, ("Samples that the dense network has right and a pruned one wrong: each network's row of W for its own "
                    "prediction, the contributions W·x, and the sums. Both networks share the scale printed below the maps."
                    f"{change}{_grey_note(study)} Shown: {len(picks)} of {count(total)} such cases among the linearized samples, "
                    "those that lose most margin.")


def _has_contrast(study, sample, variant):
    """True if the rows of both predictions are stored for both networks."""
    c = study.condition_index("clean")
    classes = [int(study.file["prediction/class"][study.variant_index(v), c, sample]) for v in ("dense", variant)]
    return all(study.linear(v).find(sample, k) is not None for v in ("dense", variant) for k in classes)


def _folded(variant, most=19):
    """A variant's name on as many lines as it needs."""
    return "\n".join(textwrap.wrap(_short(variant, 3 * most), most))


def _changed_block(figure, grid, study, sample, variant):
    """Two rows, dense above pruned, and what pruning moved where all rows of W are there."""
    dense, pruned = contributions(study, "dense", sample), contributions(study, variant, sample)
    right, wrong = dense.cls, pruned.cls
    picture, words = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    _picture(picture, study, sample)
    picture.set_title(f"sample {sample}", fontsize=7.5, pad=3)
    words.axis("off")
    words.text(0.0, 1.0, f"dense says\n{_name(study, right, 20)}.\n{_folded(variant)}\nsays {_name(study, wrong, 16)}.", fontsize=7,
               va="top", ha="left", transform=words.transAxes, linespacing=1.5).set_in_layout(False)
    bounds = _bound(_flat_sum(dense.w), _flat_sum(pruned.w)), _bound(_flat_sum(dense.pixels), _flat_sum(pruned.pixels))
    for row, (part, title) in enumerate(((dense, "dense"), (pruned, "pruned"))):
        weights, pixels, ledger = (figure.add_subplot(grid[row, column]) for column in (1, 2, 3))
        _map(weights, part.w, bounds[0], note=row == 1)
        _map(pixels, part.pixels, bounds[1], note=row == 1)
        weights.set_title(f"W, {_name(study, part.cls, 15)}", fontsize=7.5, pad=3)
        pixels.set_title("W·x", fontsize=7.5, pad=3)
        _ledger(ledger, part.pixels.sum(), part.b, part.node, part.b_node, f"{title}: sum {_number(part.sum, 3)}",
                most=5, room=0.32)
    if not _has_contrast(study, sample, variant):
        return
    moved = contrast_change(contrast(study, "dense", sample, right, wrong), contrast(study, variant, sample, right, wrong))
    top, below = figure.add_subplot(grid[0, 4]), figure.add_subplot(grid[1, 4])
    _map(top, moved.pixels, _bound(_flat_sum(moved.pixels)))
    top.set_title(f"{_name(study, right, 13)} − {_name(study, wrong, 13)}", fontsize=7.5, pad=3, loc="center")
    _ledger(below, moved.pixels.sum(), moved.b, moved.node, moved.b_node, f"moved by {_number(moved.sum, 3)}", most=5, room=0.38)
