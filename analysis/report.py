#!/usr/bin/env python3
"""Writes the report of a study: one HTML page that holds its pictures, and the pictures beside it as PNG and PDF.

    python analysis/report.py results/demo/study.h5 [--out DIR]

DIR is `report` beside the study file unless given. Exit status as in the program: 65 for a file that is no finished
study, 66 for a missing one, 73 when the report cannot be written."""

import argparse
import base64
import html
import io
import os
import pathlib
import sys
import tempfile

if "MPLCONFIGDIR" not in os.environ and not os.access(pathlib.Path.home(), os.W_OK):
    os.environ["MPLCONFIGDIR"] = tempfile.mkdtemp()  # matplotlib would complain about a home it cannot write to

import matplotlib.pyplot as plt
import numpy as np

import facet_comparisons as comparisons
import facet_figures as figures
import facet_maps as maps
import facet_spectra as spectra
from facet_figures import count
from facet_study import Study, StudyError, check_sums

CANNOT_CREATE = 73

STYLE = """
:root { --ink: #1c2024; --soft: #5b6570; --line: #dfe3e8; --page: #ffffff; --card: #f6f8fa; --accent: #0b5a8a; --tint: 11, 90, 138 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --soft: #9aa5b1; --line: #343b44; --page: #14171a; --card: #1d2226; --accent: #7cc0ea; --tint: 90, 170, 220 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; letter-spacing: -.01em }
h2 { font-size: 1.25rem; margin: 3rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line) }
p { margin: .5rem 0 1rem; max-width: 46rem }
.facts { color: var(--soft); font-size: .9rem; margin: 0 0 1.5rem }
.facts b { color: var(--ink); font-weight: 500 }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .75rem; margin: 1.5rem 0 }
.tile { background: var(--card); border-radius: .5rem; padding: .9rem 1rem }
.tile .what { color: var(--soft); font-size: .82rem }
.tile .value { font-size: 1.55rem; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.3 }
.tile .note { color: var(--soft); font-size: .82rem; overflow-wrap: anywhere }
figure { margin: 1.25rem 0 1.75rem }
figure .paper { background: #fff; border: 1px solid var(--line); border-radius: .5rem; padding: .9rem; text-align: center }
figure img { display: block; margin: 0 auto; max-width: 100%; height: auto }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .5rem; max-width: 50rem }
.scroll { overflow-x: auto; margin: 1rem 0 }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums }
th, td { padding: .32rem .65rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th { font-weight: 500; color: var(--soft); white-space: normal; line-height: 1.3 }
thead th { vertical-align: bottom }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--page); color: var(--ink) }
.swatch { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .5em; border: 1px solid var(--soft) }
nav { font-size: .9rem; margin: 1rem 0 } nav a { color: var(--accent); margin-right: 1rem; text-decoration: none }
nav a:hover { text-decoration: underline }
.bad { color: #d1442e; font-weight: 600 }
code { font: .92em ui-monospace, "DejaVu Sans Mono", Menlo, monospace }
footer { color: var(--soft); font-size: .85rem; margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1rem }
@media print { h2 { break-after: avoid } figure { break-inside: avoid } }
"""

esc = html.escape


def percent(value, digits=2):
    return f"{100 * value:.{digits}f} %" if np.isfinite(value) else "–"


def spread(value, error, form=".2f"):
    """88.95 ± 0.10; the deviation where there is one."""
    if np.isnan(value):
        return "–"
    text = f"{value:{form}}" + (f" ± {error:{form.lstrip('+')}}" if np.isfinite(error) else "")
    return text.replace("-", "−").replace("inf", "∞")


def small(value):
    """8.0e-07 -> 8.0 × 10⁻⁷"""
    if value == 0 or not np.isfinite(value):
        return "0" if value == 0 else "not a number"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}\u202f×\u202f10{str(int(power)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def metric(number):
    """12345678 -> 12.3 M"""
    if not np.isfinite(number):
        return "–"
    power = min(max(int(np.log10(max(number, 1)) // 3), 0), 4)
    return f"{number / 1000 ** power:.3g}" + ("", "\u202fk", "\u202fM", "\u202fG", "\u202fT")[power]


def hex_color(color):
    return "#" + "".join(f"{round(255 * part):02x}" for part in figures.to_rgb(color))


class Report:
    """Collects sections; every figure goes into the page and, under its own name, into the folder."""

    def __init__(self, study, folder):
        self.study, self.folder = study, folder
        self.look = figures.Look(study)
        self.sections, self.pictures = [], 0
        self.base = figures.reference(study)
        self.mean, self.deviation = (part[:, study.condition_index(self.base)] for part in study.replicate_summary("accuracy"))
        self.warned = {name for name, group in study.replicates.items()
                       for v in group if study.warnings(v) for name in (name, v)}
        self.checks = {v: check_sums(study, v) for v in study.linearized} if "clean" in study.conditions else {}

    # ---- parts of the page ----

    def section(self, title, *parts):
        parts = [part for part in parts if part]
        if parts:
            anchor = title.lower().replace(" ", "-")
            self.sections.append((anchor, title, "\n".join(parts)))

    def figure(self, name, drawn):
        """Saves a figure as PNG and PDF and returns it as HTML; nothing for nothing."""
        if drawn is None:
            return ""
        figure, caption = drawn
        self.pictures += 1
        picture = io.BytesIO()
        figure.savefig(picture, format="png", metadata={"Software": None})
        figure.set_layout_engine("none")  # the PDF keeps the places found for the PNG
        figure.savefig(self.folder / f"{name}.pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
        width = int(round(figure.get_size_inches()[0] * 120))
        plt.close(figure)
        (self.folder / f"{name}.png").write_bytes(picture.getvalue())
        data = base64.b64encode(picture.getvalue()).decode()
        return (f'<figure id="{name}"><div class="paper"><img width="{width}" alt="{esc(caption)}" '
                f'src="data:image/png;base64,{data}"></div>\n'
                f"<figcaption><b>Figure {self.pictures}.</b> {esc(caption)}</figcaption></figure>")

    def table(self, head, rows, above=""):
        body = "\n".join("<tr>" + "".join(cells) + "</tr>" for cells in rows)
        titles = "".join(f"<th>{cell}</th>" for cell in head)
        return f'<div class="scroll"><table><thead>{above}<tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'

    def variant_cell(self, variant):
        return f'<td><span class="swatch" style="background:{hex_color(self.look.color[variant])}"></span>{esc(variant)}{self.mark(variant)}</td>'

    def mark(self, variant):
        return ' <a class="bad" href="#warnings" title="there are warnings">!</a>' if variant in self.warned else ""

    # ---- what they hold ----

    def header(self):
        s, attrs = self.study, self.study.attrs
        facts = [("facet", attrs.get("facet_version", "?")), ("revision", str(attrs.get("git_revision", "?"))[:16]),
                 ("seed", attrs.get("seed", "?")), ("samples", count(s.samples)),
                 ("input", " × ".join(map(str, s.shape))), ("classes", len(s.classes)), ("variants", len(s.variants)),
                 ("conditions", len(s.conditions))]
        if figures.seeds(s) > 1:
            facts.insert(-1, ("groups of replicates", len(s.replicates)))
        line = " · ".join(f"{name} <b>{esc(str(value))}</b>" for name, value in facts)
        return f"<h1>{esc(s.name)}</h1>\n<p class='facts'>{line}</p>"

    def tiles(self):
        s, names = self.study, list(self.study.replicates)
        mean = dict(zip(names, self.mean))
        about = {name: f"± {100 * error:.2f} over {len(s.replicates[name])} seeds; " if np.isfinite(error) else ""
                 for name, error in zip(names, self.deviation)}
        gone = {name: figures.removed(s, name) for name in names}
        tiles = []
        if "dense" in mean:
            tiles.append(("dense network", percent(mean["dense"]), f"{about['dense']}accuracy, {self.base}"))
        pruned = [name for name in names if name != "dense" and np.isfinite(mean[name])]
        if pruned:
            best = max(pruned, key=mean.get)
            tiles.append(("best other variant", percent(mean[best]),
                          f"{about[best]}{best}, {percent(gone[best], 0)} of weights removed"))
        close = [name for name in pruned if gone[name] > 0 and mean[name] >= mean.get("dense", np.nan) - 0.01]
        if close:
            most = max(close, key=gone.get)
            tiles.append(("sparsest within 1 point of dense", percent(gone[most], 1), f"removed; {most}, {percent(mean[most])}"))
        if s.linearized:
            worst = {v: float(np.max(s.linear(v).residual)) for v in s.linearized}  # np.max keeps a NaN
            where = max(worst, key=lambda v: np.inf if np.isnan(worst[v]) else worst[v])
            tiles.append(("worst residual", small(worst[where]),
                          f"{where}; {count(len(s.linear(where).sample))} samples linearized for each of "
                          f"{len(s.linearized)} variant{'s' * (len(s.linearized) > 1)}"))
        if self.checks:
            rows = sum(check[1] for check in self.checks.values())
            tiles.append(("contributions miss F by at most", small(float(np.max([c[2] for c in self.checks.values()]))),
                          f"{count(rows)} rows added up again here, in 64 bits"))
        return '<div class="tiles">' + "".join(
            f'<div class="tile"><div class="what">{esc(what)}</div><div class="value">{esc(value)}</div>'
            f'<div class="note">{esc(note)}</div></div>' for what, value, note in tiles) + "</div>"

    def accuracy(self):
        s = self.study
        if not np.isfinite(s.accuracy).any():
            self.section("Accuracy", "<p>The samples of this study have no labels, so nothing is said about accuracy.</p>")
            return
        groups, above, order = figures.corruptions(s), "", []
        if groups:
            plain = [c for c in s.conditions if not any(c == name for steps in groups.values() for _, name in steps)]
            plain = [c for c in s.conditions if c == "clean"] + plain
            above = "<tr><th></th>" + f'<th colspan="{len(plain)}"></th>' * bool(plain)
            order = [(c, c) for c in plain]
            for name, steps in groups.items():
                steps = [step for step in steps if step[1] != "clean"]
                above += f'<th colspan="{len(steps)}" style="text-align:left">{esc(figures.spoken(name))}</th>'
                order += [(str(level), condition) for level, condition in steps]
            above += "</tr>"
        else:
            order = [(c, c) for c in s.conditions]
        mean, deviation = s.replicate_summary("accuracy")
        low, high = np.nanmin(mean), np.nanmax(mean)
        rows = []
        for place, name in enumerate(s.replicates):
            cells = [self.variant_cell(name)]
            for _, condition in order:
                value, error = (part[place, s.condition_index(condition)] for part in (mean, deviation))
                shade = 0.04 + 0.34 * (value - low) / (high - low) if high > low and np.isfinite(value) else 0.04
                cells.append(f'<td style="background:rgba(var(--tint),{shade:.2f})">{spread(100 * value, 100 * error)}</td>')
            rows.append(cells)
        over = " Replicates over seeds are summed up as mean ± standard deviation." if figures.seeds(s) > 1 else ""
        self.section(
            "Accuracy",
            f"<p>The share of the {count(s.samples)} test samples that each network classifies correctly, in percent, under "
            f"every condition.{over}</p>",
            self.table(["variant"] + [esc(title) for title, _ in order], rows, above),
            self.figure("accuracy_by_severity", figures.accuracy_by_severity(s, self.look)),
            self.figure("accuracy_by_sparsity", figures.accuracy_by_sparsity(s, self.look)))

    def methods(self):
        """Methods at the same sparsity, best first."""
        s, names = self.study, list(self.study.replicates)
        own, before = (s.spread(s.cost(what))[0] for what in ("epochs", "epochs_before"))
        by_sparsity = {}
        for place, name in enumerate(names):
            recipe = s.recipe(s.replicates[name][0])
            if recipe.get("method", "dense") not in ("dense", "external", "mask") and np.isfinite(self.mean[place]):
                by_sparsity.setdefault(float(recipe["sparsity"]), []).append(place)
        rows, unequal, unknown = [], [], False
        for target, places in sorted(by_sparsity.items()):
            if len({s.recipe(s.replicates[names[p]][0])["method"] for p in places}) < 2:
                continue
            budget = own[places] + before[places]
            unknown |= np.isnan(budget).any()
            if np.nan_to_num(np.ptp(budget)) > 0.01 * np.min(budget):
                unequal.append(f"{target:g}")
            for rank, place in enumerate(sorted(places, key=lambda p: -self.mean[p]), 1):
                name = names[place]
                before_own = before[place], own[place]
                epochs = "{:g} = {:g} + {:g}".format(sum(before_own), *before_own) if np.isfinite(sum(before_own)) else "–"
                rows.append([self.variant_cell(name)] + [f"<td>{cell}</td>" for cell in (
                    f"{target:g}", rank, spread(100 * self.mean[place], 100 * self.deviation[place]),
                    len(s.replicates[name]), epochs, percent(figures.removed(s, name), 2))])
        if not rows:
            return
        if unknown:
            said = "What training each took is not wholly known."
        elif unequal:
            said = (f'<span class="bad">Budgets are not equal</span> at sparsity {", ".join(unequal)}: there the order tells of '
                    "epochs, too.")
        else:
            said = "All at one sparsity took the same number of epochs."
        self.section(
            "Methods compared",
            "<p>Methods that remove the same share of the weights, best first: accuracy in percent "
            f"({esc(self.base)}), and the epochs they took: of the network that they begin with, and their own. {said}</p>",
            self.table(["variant", "sparsity", "place", "accuracy", "seeds", "epochs = before + own", "really removed"], rows))

    def costs(self):
        s = self.study
        what = ("epochs", "samples", "train_seconds", "parameters", "flops", "flops_sparse", "bytes", "bytes_sparse",
                "forward_seconds")
        table = {name: s.spread(s.cost(name))[0] for name in what}
        if not np.isfinite(table["parameters"]).any():
            return
        rows = []
        for place, name in enumerate(s.replicates):
            cost = {key: table[key][place] for key in what}
            cells = [f"{cost['epochs']:g}" if np.isfinite(cost["epochs"]) else "–", metric(cost["samples"]),
                     f"{cost['train_seconds']:.1f} s" if cost["epochs"] and np.isfinite(cost["train_seconds"]) else "–",
                     metric(cost["parameters"]), metric(cost["flops"]), metric(cost["flops_sparse"]), metric(cost["bytes"]),
                     metric(cost["bytes_sparse"]),
                     f"{1e6 * cost['forward_seconds']:.1f} µs" if np.isfinite(cost["forward_seconds"]) else "–"]
            rows.append([self.variant_cell(name)] + [f"<td>{cell}</td>" for cell in cells])
        over = " Means over replicates." if figures.seeds(s) > 1 else ""
        self.section(
            "What the variants cost",
            "<p>Each one's own training, and what its network takes: floating-point operations of a forward pass of one sample "
            f"(two for each multiply-add) and bytes of its parameters, also without those that are zero.{over}</p>",
            self.table(["variant", "epochs", "samples", "training", "parameters", "FLOPs", "of weights not 0", "bytes",
                        "not 0", "forward, one sample"], rows))

    def warnings(self):
        s, told = self.study, {}
        for variant in s.variants:
            for line in s.warnings(variant):
                told.setdefault(line, []).append(f"<b>{esc(variant)}</b>")
        parts = []
        if s.diverged:
            lines = "".join(f"<li>{esc(line)}</li>" for line in s.diverged)
            parts.append(f'<p><span class="bad">Missing</span> from all that follows, because training diverged:</p>'
                         f"<ul>{lines}</ul>")
        if told:
            lines = "".join(f"<li>{esc(line)}: {', '.join(names)}</li>" for line, names in told.items())
            parts.append('<p>What the program says of these networks, which are marked <span class="bad">!</span> below:</p>'
                         f"<ul>{lines}</ul>")
        self.section("Warnings", *parts)

    def geometry(self):
        s = self.study
        drawn = self.figure("geometry_distributions", figures.distributions(s, self.look))
        if not drawn:
            return
        self.section(
            "Geometry of the features",
            "<p>The loss depends on a sample only through its feature, the input of the last layer. Its <b>angle</b> to the "
            "direction of the true class says how well it points there (small is good), its <b>length</b> how confident the "
            "network is, and its <b>margin</b> how far it is from the nearest decision boundary; a negative margin is a "
            "mistake.</p>",
            self.geometry_table(), drawn, self.figure("geometry_shift", figures.shift(s, self.look)))

    def geometry_table(self):
        """Means over the samples, and over seeds."""
        s, c = self.study, self.study.condition_index(self.base)
        what = ("loss", "angle", "length", "margin")
        table = [[part[:, c] for part in s.replicate_summary(name)] for name in what]
        if not any(np.isfinite(mean).any() for mean, _ in table):
            return ""
        rows = [[self.variant_cell(name)] + [f"<td>{spread(mean[r], error[r], '.3f')}</td>" for mean, error in table]
                for r, name in enumerate(s.replicates)]
        over = ", ± the standard deviation over seeds" if figures.seeds(s) > 1 else ""
        note = (" A mean margin is infinite where pruning leaves two classes the same direction."
                if any(np.isinf(mean).any() for mean, _ in table) else "")
        return (f"<p>Means over the samples ({esc(self.base)}){over}.{note}</p>"
                + self.table(["variant", "loss", "angle", "length", "margin"], rows))

    def pruning(self):
        s = self.study
        others = [name for name in s.replicates if name != "dense"]
        if not others:
            return
        parts = []
        known = s.label >= 0
        if "dense" in s.variants:
            mean, deviation = s.spread(np.array([self.against_dense(v, known) for v in s.variants]))
            rows = []
            for r, name in enumerate(s.replicates):
                if name != "dense":
                    cells = [percent(figures.removed(s, name), 1)]
                    cells += [spread(100 * mean[r, i], 100 * deviation[r, i]) for i in range(3)]
                    cells.append(spread(mean[r, 3], deviation[r, 3], "+.3f"))
                    rows.append([self.variant_cell(name)] + [f"<td>{cell}</td>" for cell in cells])
            parts.append(self.table(["variant", "weights removed", "predictions changed", "right → wrong", "wrong → right",
                                     "median change of margin"], rows))
        over = "; ± the standard deviation over seeds" if figures.seeds(s) > 1 else ""
        self.section(
            "What pruning changes",
            f"<p>Accuracy hides how many samples change sides. Each variant against the dense network, sample by sample "
            f"({esc(self.base)}), in percent of them{over}.</p>", *parts,
            self.figure("margin_against_dense", figures.margin_against_dense(s, self.look)),
            self.figure("layer_sparsity", figures.layer_sparsity(s)))

    def against_dense(self, variant, known):
        """Shares of samples: prediction changed, right -> wrong, wrong -> right; and the median change of margin."""
        s = self.study
        before, after = (s.prediction("class", v, self.base) for v in ("dense", variant))
        was, now = (before == s.label)[known], (after == s.label)[known]
        sides = [np.mean(was & ~now), np.mean(~was & now)] if known.any() else [np.nan] * 2
        with np.errstate(invalid="ignore"):  # two infinite margins have no difference
            moved = s.geometry("margin", variant, self.base) - s.geometry("margin", "dense", self.base).astype(float)
        moved = moved[~np.isnan(moved)]
        middle = np.quantile(moved, 0.5, method="lower") if len(moved) else np.nan  # of infinities no mean is taken
        return [np.mean(before != after), *sides, middle]

    def comparisons(self):
        """Errors under corruption with their summaries, and how alike the networks are."""
        s = self.study
        rows = []
        if "summary/mce" in s.file and "corruption" in s.file:
            values = {key: s.spread(s.file[f"summary/{key}"][()])[0] for key in ("mean_error", "mce", "relative_mce")}
            for place, name in enumerate(s.replicates):
                cells = [percent(values[key][place], digits) for key, digits in (("mean_error", 2), ("mce", 1), ("relative_mce", 1))]
                rows.append([self.variant_cell(name)] + [f"<td>{cell}</td>" for cell in cells])
        self.section(
            "Corruption and similarity",
            self.figure("error_table", comparisons.error_table(s)),
            "<p>The corruption error of a network is the sum of its errors over the severities, divided by that of the dense "
            "one, and mCE its mean over the corruptions; relative mCE counts the errors beyond the clean ones.</p>" if rows else "",
            self.table(["variant", "mean error", "mCE", "relative mCE"], rows) if rows else "",
            self.figure("class_movement", comparisons.class_movement(s)),
            self.figure("directions", comparisons.directions(s)),
            self.figure("similarity", comparisons.similarity(s, self.look)))

    def spectra(self):
        spectra.section(self, small)

    def map(self):
        maps.section(self, small, spread)

    def fragile(self):
        s = self.study
        if "fragility/flips" not in s.file or not np.isfinite(s.file["fragility/worst_margin"][()]).any():
            return
        flips, exemplar = s.file["fragility/flips"][()], s.file["fragility/exemplar"][()]
        pairs = len(s.variants) * len(s.conditions)
        rows = []
        for sample in s.file["fragility/rank"][:8]:
            sample, label = int(sample), int(s.label[sample])
            cells = (str(sample), s.classes[label] if label >= 0 else "–", f"{count(int(flips[sample]))} of {count(pairs)}",
                     f"{s.file['fragility/worst_margin'][sample]:+.2f}".replace("-", "−"), "yes" if exemplar[sample] else "")
            rows.append([f"<td>{esc(cell)}</td>" for cell in cells])
        certificate = comparisons.margin_certificate(s)
        sure = (f" The parts add up to the change of each margin within {small(certificate[2])} (relative, over {certificate[0]} "
                f"variants and {count(certificate[1])} samples)." if certificate else "")
        self.section(
            "Fragile samples",
            f"<p>{count(int((flips > 0).sum()))} of {count(s.samples)} samples get another class than the dense network gives them "
            f"clean from at least one variant under one condition; {count(int(exemplar.sum()))} are pruning-identified "
            "exemplars: most pruned variants change their class, clean. The most fragile:</p>",
            self.table(["sample", "class", "flips", "worst margin", "exemplar"], rows),
            f"<p>What moved a margin is known exactly, by pixel and by bias.{sure}</p>" if certificate else "",
            self.figure("fragile_samples", comparisons.fragile_samples(s)))

    def explanations(self):
        s = self.study
        if not self.checks:
            return
        shown = "dense" if "dense" in s.linearized else s.linearized[0]
        self.section(
            "Samples explained exactly",
            "<p>With its gates frozen at one sample x, a ReLU network is an affine map, F(x) = Wx + b. Nothing is estimated: "
            "each pixel's contribution is its weight in W times its normalised value, and these, with the bias b, add up to "
            "the network's output. The bias in turn is the sum of what each node with constants sends to the output.</p>",
            self.figure("gallery", figures.gallery(s, shown)),
            self.figure("gallery_changed", figures.gallery_changed(s)))

    def certificate(self):
        s = self.study
        if not s.linearized:
            self.section("Certificate", "<p>This study asks for no linearizations, so there is nothing to certify.</p>")
            return
        rows = []
        for variant in s.linearized:
            linear = s.linear(variant)
            residual, ties = linear.residual.astype(float), linear.ties
            check = self.checks.get(variant)
            worst = float(np.max(residual))
            cells = [f"{count(len(residual))} × {linear.row.shape[1]}", small(float(np.median(residual))),
                     f'<span class="{"bad" if not worst <= 1e-5 else ""}">{small(worst)}</span>',
                     percent(np.mean(ties > 0), 1), count(int(ties.max()))]
            cells += [count(check[1]), small(check[2]), small(check[3])] if check else ["–"] * 3
            rows.append([self.variant_cell(variant)] + [f"<td>{cell}</td>" for cell in cells])
        left = "" if self.checks else " The condition <code>clean</code> is not part of the study, so nothing could be added up again."
        self.section(
            "Certificate",
            "<p>The <b>residual</b> compares the affine map of each sample with the network's plain forward pass, relative to "
            "its largest output: max |F − (Wx + b)| / max(1, max |F|). The bias is computed from the nodes' own constants, "
            "never as the difference, so the check means something. <b>Ties</b> are gates that sit exactly on a boundary, "
            "where W is one of several right answers. The last columns are computed here, apart from the program: the sum of "
            "contributions and bias against the stored output, and the bias by node against the bias, both in 64-bit "
            f"arithmetic and relative in the same way, over evenly spaced samples.{left}</p>",
            self.table(["variant", "samples × rows", "median residual", "worst residual", "samples with ties", "most ties",
                        "rows added up", "Σ Wx + b against F", "b by node against b"], rows),
            self.figure("residuals", figures.residuals(s, self.look)))

    def page(self):
        for part in (self.warnings, self.accuracy, self.methods, self.geometry, self.pruning, self.comparisons, self.spectra, self.map,
                     self.fragile, self.explanations, self.costs, self.certificate):
            part()
        links = "".join(f'<a href="#{anchor}">{esc(title)}</a>' for anchor, title, _ in self.sections)
        body = "\n".join(f'<section id="{anchor}"><h2>{esc(title)}</h2>\n{text}</section>'
                         for anchor, title, text in self.sections)
        return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{esc(self.study.name)} · facet</title>\n'
                f'<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
                f'content="light dark">\n<style>{STYLE}</style></head>\n<body><main>\n{self.header()}\n{self.tiles()}\n'
                f"<nav>{links}</nav>\n{body}\n<footer>Written by facet's <code>analysis/report.py</code> from "
                f"<code>{esc(pathlib.Path(self.study.path).name)}</code>. Every picture lies beside this page as PNG and as "
                "PDF.</footer>\n</main></body></html>\n")


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Writes the report of a study as one HTML page, PNGs and PDFs.")
    parser.add_argument("study", metavar="STUDY.h5")
    parser.add_argument("--out", metavar="DIR", help="folder to write to (default: report, beside the study file)")
    options = parser.parse_args(arguments)
    folder = pathlib.Path(options.out) if options.out else pathlib.Path(options.study).parent / "report"
    try:
        with Study(options.study) as study:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StudyError(f"{folder}: {error.strerror}", CANNOT_CREATE) from error
            report = Report(study, folder)
            page = report.page()
            (folder / "report.html").write_text(page, encoding="utf-8")
            for variant, (samples, rows, worst, split) in report.checks.items():
                print(f"{variant}: sum of contributions + b = F to {worst:.1e}, b by node = b to {split:.1e} "
                      f"({rows} rows of {samples} samples, float64)")
    except StudyError as error:
        print(f"report: {error}", file=sys.stderr)
        return error.status
    except OSError as error:
        where = error.filename or options.study
        print(f"report: {where}: {error.strerror or 'cannot be read or written: ' + str(error).splitlines()[0]}", file=sys.stderr)
        return 74
    print(f"report: {folder / 'report.html'}")
    return 0


if __name__ == "__main__":
    try:
        STATUS = main()
    except SystemExit as usage:  # argparse says 2; the program says 64
        STATUS = 64 if usage.code == 2 else usage.code
    sys.exit(STATUS)
