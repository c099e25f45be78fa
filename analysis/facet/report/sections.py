"""What each section of the report is made of: tables and pictures, for the template of its name. A section that a study
has nothing for is None."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from facet import census, faithful, groups, lines, planes, reach
from facet.errors import StudyError
from facet.explain import changes_of
from facet.findings import living
from facet.hdf import Array, plain
from facet.linear import BOUND, PATH_BOUND
from facet.plot import accuracy as accuracies
from facet.plot import attributions as maps
from facet.plot import census as drawn_census
from facet.plot import certificate as certificates
from facet.plot import comparisons as compare
from facet.plot import cost as prices
from facet.plot import embedding, gallery, pruning, ways
from facet.plot import geometry as features
from facet.plot import groups as drawn_groups
from facet.plot import lines as drawn_lines
from facet.plot import planes as drawn_planes
from facet.plot import reach as drawn_reach
from facet.plot import spectra as spectral
from facet.plot.choice import corruptions, extremes, removed
from facet.plot.style import thumbnail
from facet.plot.words import class_name, count, gates_note, signed
from facet.report.numbers import metric, percent, rounded, small, spread

if TYPE_CHECKING:
    import pandas

    from facet.report.page import Report
    from facet.study import Study

Context = dict[str, Any]


@dataclass
class Cell:
    """A cell of a table: its text, a shade of the background (0 to 1), and whether it is bad news."""

    text: str
    shade: float | None = None
    bad: bool = False


# Where the page shows what a finding is about: the first of these figures and sections that there is.
SHOWN = {"failed": ("accuracy_by_severity", "accuracy"), "best of clean": ("methods-compared", "accuracy"),
         "best of corrupted": ("accuracy_by_severity", "accuracy"), "margin and pruning": ("margin_against_dense",),
         "margin and corruption": ("geometry_shift", "geometry-of-the-features"), "classes and pruning": ("class_damage",),
         "classes and corruption": ("geometry_shift", "geometry-of-the-features"), "corruption and pruning": ("error_table",),
         "samples lost": ("fragile-samples",)}


def sentences(page: Report) -> list[tuple[str, str, str, str]]:
    """(what it says first, the rest, anchor of what shows it, its numbers as text) of every finding."""
    found = []
    for finding in page.study.findings():
        places = next((places for about, places in SHOWN.items() if finding.about.startswith(about)), ())
        lead, _, rest = finding.text.partition(": ")
        found.append((lead + ":" * bool(rest), rest, next((place for place in places if place in page.anchors), ""), json.dumps(finding.numbers, indent=1)))
    return found


Row = tuple[str, list[Any]]  # the variant, and its cells: texts or Cells


def header(page: Report) -> list[tuple[str, str]]:
    s, attrs = page.study, page.study.attrs
    facts = [("facet", attrs.get("facet_version", "?")), ("revision", str(attrs.get("git_revision", "?"))[:16]),
             ("seed", attrs.get("seed", "?")), ("samples", count(s.samples)), ("input", " × ".join(map(str, s.shape))),
             ("classes", len(s.classes)), ("variants", len(s.variants)), ("conditions", len(s.conditions))]
    if page.seeds > 1:
        facts.insert(-1, ("groups of replicates", len(s.replicates)))
    return [(name, str(value)) for name, value in facts]


def tiles(page: Report) -> list[tuple[str, str, str]]:
    """(what, value, note) of the numbers on top."""
    s, names = page.study, list(page.study.replicates)
    mean = dict(zip(names, page.mean))
    about = {name: f"± {100 * error:.2f} over {len(living(s, name))} seeds; " if np.isfinite(error) else ""
             for name, error in zip(names, page.deviation)}
    gone = {name: removed(s, name) for name in names}
    found = []
    if "dense" in mean:
        found.append(("dense network", percent(mean["dense"]), f"{about['dense']}accuracy, {page.base}"))
    pruned = [name for name in names if name != "dense" and np.isfinite(mean[name]) and name not in page.failed]
    if pruned:
        best = max(pruned, key=lambda name: float(mean[name]))
        found.append(("best other variant", percent(mean[best]),
                      f"{about[best]}{best}, {percent(gone[best], 0)} of weights removed"))
    close = [name for name in pruned if gone[name] > 0 and mean[name] >= mean.get("dense", np.nan) - 0.01]
    if close:
        most = max(close, key=lambda name: gone[name])
        found.append(("sparsest within 1 point of dense", percent(gone[most], 1), f"removed; {most}, {percent(mean[most])}"))
    return found + _certified(page)


def _certified(page: Report) -> list[tuple[str, str, str]]:
    s, found = page.study, []
    if s.linearized:
        worst = {v: float(np.max(s.linear(v).residual)) for v in s.linearized}  # np.max keeps a NaN
        where = max(worst, key=lambda v: np.inf if np.isnan(worst[v]) else worst[v])
        found.append(("worst residual", small(worst[where]),
                      f"{where}; {count(len(s.linear(where).sample))} samples linearized for each of "
                      f"{len(s.linearized)} variant{'s' * (len(s.linearized) > 1)}"))
    if page.checks:
        rows = sum(check[1] for check in page.checks.values())
        found.append(("contributions miss F by at most", small(float(np.max([c[2] for c in page.checks.values()]))),
                      f"{count(rows)} rows added up again here, in 64 bits"))
    return found


def warnings(page: Report) -> Context | None:
    told: dict[str, list[str]] = {}
    for variant in page.study.variants:
        for line in page.study.warnings(variant):
            told.setdefault(line, []).append(variant)
    return {"told": told} if told or page.study.diverged else None


def accuracy(page: Report) -> Context | None:
    s = page.study
    if not np.isfinite(s.summary("accuracy")).any():
        return {"labelled": False}
    return {"labelled": True, "tables": [_accuracies(page, part) for part in _by_condition(s, s.conditions)],
            "by_severity": page.figure("accuracy_by_severity", accuracies.accuracy_by_severity(s)),
            "by_sparsity": page.figure("accuracy_by_sparsity", accuracies.accuracy_by_sparsity(s))}


MOST_COLUMNS = 10  # of a table: what a printed page has room for


Columns = list[tuple[str, list[tuple[str, str]]]]  # of a table: by corruption, each condition's title and its name


def _by_condition(study: Study, shown: list[str]) -> list[Columns]:
    """These conditions as columns, as many together as a page has room for: clean and what is no corruption, then by severity."""
    parts = [(name, [(str(level), c) for level, c in steps if c != "clean" and c in shown]) for name, steps in corruptions(study).items()]
    named = {c for _, columns in parts for _, c in columns}
    rest = sorted((c for c in shown if c not in named), key=lambda c: c != "clean")
    return _portions([("", [(c, c) for c in rest]), *parts])


def _portions(groups: Columns) -> list[Columns]:
    """Named groups of columns, as many together as a page has room for; a group that has more columns is cut."""
    cut = [(name, columns[i:i + MOST_COLUMNS]) for name, columns in groups for i in range(0, len(columns), MOST_COLUMNS)]
    found: list[Columns] = [[]]
    for name, columns in cut:
        if found[-1] and sum(len(own) for _, own in found[-1]) + len(columns) > MOST_COLUMNS:
            found.append([])
        found[-1].append((name, columns))
    return found


def _accuracies(page: Report, groups: Columns) -> Context:
    """A table of accuracies under these conditions. Shades go from the worst to the best that has not failed."""
    s = page.study
    mean, deviation = s.folded("accuracy")
    well = [place for place, name in enumerate(s.replicates) if name not in page.failed] or list(range(len(mean)))
    low, high = np.nanmin(mean[well]), np.nanmax(mean[well])
    order = [column for _, columns in groups for column in columns]
    rows: list[Row] = []
    for place, name in enumerate(s.replicates):
        cells = []
        for _, condition in order:
            value, error = (part[place, s.condition_index(condition)] for part in (mean, deviation))
            shade = 0.04 + 0.34 * max((value - low) / (high - low), 0) if high > low and np.isfinite(value) else 0.04
            cells.append(Cell(spread(100 * value, 100 * error), shade))
        rows.append((name, cells))
    return _columned(groups, rows)


def _columned(groups: Columns, rows: list[Row]) -> Context:
    """A table whose columns are conditions."""
    return {"head": [title for _, columns in groups for title, _ in columns], "rows": rows, "above": [(name, len(columns)) for name, columns in groups]}


def _spread_of_cost(page: Report, what: str) -> Array:
    """Of every group of replicates: the mean; NaN in files that do not know."""
    s = page.study
    values = s.cost(what).to_numpy() if f"cost/{what}" in s.file else np.full(len(s.variants), np.nan)
    return s.spread(values)[0]


def methods(page: Report) -> Context | None:
    """Methods at the same sparsity, best first."""
    s, names = page.study, list(page.study.replicates)
    own, before = (_spread_of_cost(page, what) for what in ("epochs", "epochs_before"))
    by_sparsity: dict[float, list[int]] = {}
    for place, name in enumerate(names):
        recipe = s.recipe(s.replicates[name][0])
        if recipe.get("method", "dense") not in ("dense", "external", "mask") and np.isfinite(page.mean[place]):
            by_sparsity.setdefault(float(recipe["sparsity"]), []).append(place)
    rows: list[Row] = []
    unequal, unknown = [], False
    for target, places in sorted(by_sparsity.items()):
        if len({s.recipe(s.replicates[names[p]][0])["method"] for p in places}) < 2:
            continue
        budget = own[places] + before[places]
        unknown |= bool(np.isnan(budget).any())
        if np.nan_to_num(np.ptp(budget)) > 0.01 * np.min(budget):
            unequal.append(f"{target:g}")
        places = sorted(places, key=lambda p: (names[p] in page.failed, -float(page.mean[p])))
        for rank, place in enumerate(places, 1):
            parts = before[place], own[place]
            epochs = "{:g} = {:g} + {:g}".format(sum(parts), *parts) if np.isfinite(sum(parts)) else "–"
            rows.append((names[place], [f"{target:g}", "–" if names[place] in page.failed else str(rank), spread(100 * page.mean[place], 100 * page.deviation[place]),
                                        str(len(living(s, names[place]))), epochs, percent(removed(s, names[place]), 2)]))
    return {"rows": rows, "unequal": unequal, "unknown": unknown} if rows else None


def geometry(page: Report) -> Context | None:
    """Means over the samples, and over seeds."""
    s, c = page.study, page.study.condition_index(page.base)
    drawn = page.figure("geometry_distributions", features.distributions(s))
    if not drawn:
        return None
    table = [[part[:, c] for part in s.folded(name)] for name in ("loss", "angle", "length", "margin")]
    rows: list[Row] = []
    if any(np.isfinite(mean).any() for mean, _ in table):
        rows = [(name, [spread(mean[r], error[r], ".3f") for mean, error in table]) for r, name in enumerate(s.replicates)]
    return {"rows": rows, "infinite": any(np.isinf(mean).any() for mean, _ in table), "distributions": drawn,
            "shift": page.figure("geometry_shift", features.shift(s))}


def pruned(page: Report) -> Context | None:
    s = page.study
    if not [name for name in s.replicates if name != "dense"]:
        return None
    rows: list[Row] = []
    if "dense" in s.variants:
        mean, deviation = s.spread(np.array([_against_dense(page, v) for v in s.variants]))
        for r, name in enumerate(s.replicates):
            if name != "dense":
                cells = [percent(removed(s, name), 1)]
                cells += [spread(100 * mean[r, i], 100 * deviation[r, i]) for i in range(3)]
                rows.append((name, [*cells, spread(mean[r, 3], deviation[r, 3], "+.3f")]))
    labelled = bool((s.label >= 0).any()) and "dense" in s.variants
    return {"rows": rows, "margins": page.figure("margin_against_dense", features.margin_against_dense(s)),
            "damage": page.figure("class_damage", pruning.class_damage(s)) if labelled else "",
            "layers": page.figure("layer_sparsity", pruning.layer_sparsity(s))}


def _against_dense(page: Report, variant: str) -> list[float]:
    """Shares of samples: prediction changed, right -> wrong, wrong -> right; and the median change of margin."""
    s = page.study
    labelled = s.label >= 0
    before, after = (s.prediction("class", v, page.base) for v in ("dense", variant))
    was, now = (before == s.label)[labelled], (after == s.label)[labelled]
    sides = [np.mean(was & ~now), np.mean(~was & now)] if labelled.any() else [np.nan] * 2
    with np.errstate(invalid="ignore"):  # two infinite margins have no difference
        moved = s.geometry("margin", variant, page.base) - s.geometry("margin", "dense", page.base).astype(float)
    moved = moved[~np.isnan(moved)]
    middle = np.quantile(moved, 0.5, method="lower") if len(moved) else np.nan  # of infinities no mean is taken
    return [float(np.mean(before != after)), *map(float, sides), float(middle)]


def comparisons(page: Report) -> Context | None:
    """Errors under corruption with their summaries, and how alike the networks are."""
    s = page.study
    rows: list[Row] = []
    if "summary/mce" in s.file and "corruption" in s.file:
        values = [s.spread(s.file[f"summary/{key}"][()])[0] for key in ("mean_error", "mce", "relative_mce")]
        rows = [(name, [percent(value[place], digits) for value, digits in zip(values, (2, 1, 1))])
                for place, name in enumerate(s.replicates)]
    found = {"rows": rows, "errors": page.figure("error_table", compare.error_table(s)),
             "movement": page.figure("class_movement", compare.class_movement(s)),
             "directions": page.figure("directions", compare.directions(s)),
             "similarity": page.figure("similarity", compare.similarity(s))}
    return found if any(found.values()) else None


def patterns(page: Report) -> Context | None:
    """Regions that samples share, and what gates do over the data set."""
    s = page.study
    if not census.counted(s):
        return None
    rows: list[Row] = []
    found = census.regions(s)
    for variant in found.index.unique("variant"):
        of = found.loc[variant]
        condition = page.base if page.base in of.index else of.index[0]
        gates, base = census.gates(s, variant, condition), of.loc[condition]
        share = [percent(_share_of_gates(gates, what)) for what in ("constant", "dead", "distance_dense")]
        rows.append((variant, [count(base["regions"]), count(base["largest"]), *share]))
    conditions = [c for c in s.conditions if c in found.index.unique("condition")]
    compared = census.moved(s)
    return {"rows": rows, "dead": page.figure("dead_elements", drawn_census.dead_elements(s)),
            "moved": page.figure("pattern_change", drawn_census.pattern_change(s)),
            "shared": bool((found["regions"] < s.samples).any()),
            "regions": [_regions(found, part) for part in _by_condition(s, conditions)] if len(conditions) > 1 else [],
            "distances": _distances(s, compared),
            "shifts": [page.figure("pattern_shift" + "_pruned" * (place > 0), drawn_census.pattern_shift(s, variant))
                       for place, variant in enumerate(extremes(s, list(compared)) if compared else [])]}


def _share_of_gates(gates: pandas.DataFrame, what: str) -> float:
    """The share of a column of study.gates in the elements of the gates of which it is known."""
    known = gates[gates[what].notna()]
    return float(known[what].sum() / known["elements"].sum()) if len(known) else np.nan


def _regions(found: pandas.DataFrame, groups: Columns) -> Context:
    """A table of how many regions samples lie in, under these conditions."""
    order = [condition for _, columns in groups for _, condition in columns]
    return _columned(groups, [(variant, [count(found["regions"][variant, c]) if (variant, c) in found.index else "–" for c in order])
                              for variant in found.index.unique("variant")])


def _distances(study: Study, compared: dict[str, list[str]]) -> list[Context]:
    """Tables of how far corruptions move patterns, in percent of the elements."""
    share = {(v, c): _share_of_gates(census.gates(study, v, c), "distance_clean") for v in compared for c in compared[v]}
    most = np.nanmax([0, *share.values()])
    found = []
    for part in _by_condition(study, [c for c in study.conditions if any(c in one for one in compared.values())]):
        order = [condition for _, columns in part for _, condition in columns]
        cells = {v: [share.get((v, c), np.nan) for c in order] for v in compared}
        found.append(_columned(part, [(v, [Cell(rounded(100 * value, 2), 0.04 + 0.34 * value / most if value > 0 else 0.04) for value in own])
                                        for v, own in cells.items()]))
    return found


MOST_GROUPS = 60


def of_groups(page: Report) -> Context | None:
    """Why pruning, and corruption, changed the margins of groups of samples."""
    s = page.study
    if not groups.compared(s):
        return None
    table = groups.group_changes(s).reset_index()
    table = table[table["samples"] > 0].sort_values("margin", kind="stable")
    pruning = table["condition"] == "clean"  # from dense; else from clean, in one network
    parts = [_changes_of_groups(page, part, corrupted) for corrupted, part in enumerate((table[pruning], table[~pruning])) if len(part)]
    return {"parts": parts, "samples": count(len(s.numbers("change")))}


def _changes_of_groups(page: Report, table: pandas.DataFrame, corrupted: int) -> Context:
    """Groups and what changed them, the one that loses most first."""
    rows: list[Row] = []
    for _, row in table[:MOST_GROUPS].iterrows():
        lost, won = count(row["lost"]), count(row["won"])
        certified = Cell(small(row["residual"]), bad=not row["residual"] <= 1e-4)
        if corrupted:
            parts = [signed(row[name]) for name in ("margin", "pixels", "moved", "nodes")]
            rows.append((row["variant"], [row["condition"], row["group"], count(row["samples"]), f"{lost}, {won}", *parts, certified]))
        else:
            parts = [signed(row[name], 3) for name in ("margin", "pixels", "nodes")]
            rows.append((row["variant"], [row["group"], count(row["samples"]), lost, won, *parts, certified]))
    worst = table.iloc[0]
    drawn = drawn_groups.group_change(page.study, worst["variant"], worst["condition"])
    return {"corrupted": corrupted, "rows": rows,
            "more": f"The {MOST_GROUPS} of {count(len(table))} that lose most." if len(table) > MOST_GROUPS else "",
            "picture": page.figure("group_change" + "_corrupted" * corrupted, drawn)}


def facets(page: Report) -> Context | None:
    """How far linearizations hold."""
    s = page.study
    if not reach.measured(s):
        return None
    rows: list[Row] = []
    for variant, row in reach.radii(s).iterrows():
        near = [rounded(row[name]) for name in ("untied_max", "untied_two", "boundary_max", "boundary_two")]
        rows.append((str(variant), [*near, percent(row["inside_two"]), percent(row["tied"]),
                                    Cell(small(row["residual"]), bad=not row["residual"] <= BOUND[8])]))
    return {"rows": rows, "unit": reach.unit(s), "radii": page.figure("facet_radii", drawn_reach.facet_radii(s)),
            "limits": page.figure("facet_limits", drawn_reach.facet_limits(s)),
            "points": page.figure("nearest_points", drawn_reach.nearest_points(s, reach.measured(s)[0]))}


def spectra(page: Report) -> Context | None:
    s = page.study
    if "aggregate" not in s.file:
        return None
    rows: list[Row] = []
    names, kinds = spectral.spectra(s), set()
    if names:
        rank, residual = (s.file[f"aggregate/{what}"][()] for what in ("effective_rank", "residual"))
    for variant in names:
        v, group = s.variant_index(variant), s.file[f"aggregate/{variant}"]
        share, method = np.cumsum(group["share"][()]), str(plain(group.attrs.get("method", "?")))
        kinds.add(method)
        cells = [f"{rank[v]:.1f}" if np.isfinite(rank[v]) else "–"]
        cells += [f"{100 * part:.1f} %" for part in (share[0], share[min(5, len(share)) - 1], share[-1])]
        rows.append((variant, [*cells, str(len(share)), method, small(residual[v])]))
    found: Context = {"rows": rows, "values": page.figure("singular_values", spectral.singular_values(s)),
             "directions": page.figure("leading_directions", spectral.leading_directions(s)),
             "angles": page.figure("principal_angles", spectral.principal_angles(s)), "cka": page.figure("cka", spectral.cka(s))}
    return {**found, "random": "random" in kinds, "frozen": gates_note(s, names)} if any(found.values()) else None


def the_map(page: Report) -> Context | None:
    s = page.study
    mapped = set(embedding.mapped(s))
    if not mapped:
        return None
    rows: list[Row] = []
    mean, deviation = s.spread(s.file["embed/quality"][()])
    for place, (name, group) in enumerate(s.replicates.items()):
        if not set(group) <= mapped:
            continue
        residual = max([float(np.max(s.file[f"embed/{v}/residual"][()])) for v in group if f"embed/{v}/residual" in s.file],
                       default=np.nan)
        rows.append((name, [spread(100 * mean[place, 0], 100 * deviation[place, 0]),
                            *(spread(mean[place, i], deviation[place, i], ".4f") for i in (1, 2)), small(residual)]))
    return {"rows": rows, "frozen": gates_note(s, sorted(mapped, key=s.variant_index)), "map": page.figure("map", embedding.the_map(s)),
            "variants": page.figure("maps_of_variants", embedding.maps_of_variants(s)),
            "movements": page.figure("movements", embedding.movements(s)),
            "positions": page.figure("explained_positions", embedding.explanations(s)),
            "training": page.figure("embedding_training", embedding.training(s))}


def fragile(page: Report) -> Context | None:
    s = page.study
    if "fragility/flips" not in s.file or not np.isfinite(s.file["fragility/worst_margin"][()]).any():
        return None
    flips, exemplar = s.file["fragility/flips"][()], s.file["fragility/exemplar"][()]
    pairs = len(s.variants) * len(s.conditions)
    found = s.fragile(8)
    hardest = [_hardest(s, int(str(sample)), found.scale) for sample in found.table.index]
    seen = any(hardest)
    rows = [(Markup(thumbnail(image, found.scale, 44)) + f" {sample}",
             [row["class"] or "–", *_said(s, int(str(sample))), f"{count(row['flips'])} of {count(pairs)}",
              signed(row["worst_margin"]), "yes" if row["exemplar"] else "", *[under or "–"] * seen])
            for image, under, (sample, row) in zip(found.images, hardest, found.table.iterrows())]
    return {"rows": rows, "seen": seen, "flipped": int((flips > 0).sum()), "exemplars": int(exemplar.sum()),
            "certificate": compare.margin_certificate(s),
            "samples": page.figure("fragile_samples", compare.fragile_samples(s))}


def _hardest(study: Study, sample: int, scale: float) -> Markup | None:
    """The corrupted condition under which most networks that have not failed give a sample another class than dense clean: as
    they saw it, and how many; scale: the pixel value that is white. None where its picture is not in the file."""
    if "dense" not in study.variants or study.reference != "clean" or len(study.conditions) < 2:
        return None
    said = study.file["prediction/class"][:, :, sample]
    clean, v = study.condition_index("clean"), [study.variant_index(one) for one in study.variants if one not in study.failed]
    flips = (said[v] != said[study.variant_index("dense"), clean]).sum(axis=0)
    flips[clean] = -1
    c = int(flips.argmax())
    try:
        picture = study.image(sample, study.conditions[c])
    except StudyError:
        return None
    return Markup(thumbnail(picture, scale, 44)) + f" {study.conditions[c]}: {flips[c]} of {len(v)}"


def _said(study: Study, sample: int) -> list[str]:
    """What dense says of a sample, and what most pruned networks do that have not failed, with how many."""
    said = study.file["prediction/class"][:, study.condition_index(study.reference), sample]
    others = [v for v in study.variants if v != "dense" and v not in study.failed]
    classes, votes = np.unique(said[[study.variant_index(v) for v in others]], return_counts=True)
    most = f"{class_name(study, int(classes[votes.argmax()]))} ({votes.max()} of {len(others)})" if others else "–"
    return [class_name(study, int(said[study.variant_index("dense")])) if "dense" in study.variants else "–", most]


def explanations(page: Report) -> Context | None:
    s = page.study
    if not page.checks:
        return {"gallery": "", "contrasts": "", "changed": "", "frozen": gates_note(s, s.linearized)} if s.not_kept else None
    shown = "dense" if "dense" in s.linearized else s.linearized[0]
    return {"frozen": gates_note(s, s.linearized), "gallery": page.figure("gallery", gallery.gallery(s, shown)),
            "contrasts": page.figure("gallery_contrasts", gallery.gallery_contrasts(s, shown)),
            "changed": page.figure("gallery_changed", gallery.gallery_changed(s))}


def on_the_way(page: Report) -> Context | None:
    s = page.study
    if not len(s.numbers("paths")):
        return None
    rows: list[Row] = []
    for variant in s.variants:
        for condition in s.conditions:
            group = s.file.get(f"paths/{variant}" if condition == "clean" else f"paths/{variant}/{condition}")
            if group is None or "pieces" not in group:
                continue
            pieces, residual = group["pieces"][()], float(np.max(group["residual"][()]))
            changes, stored = changes_of(group), group.get("rounded_residual")
            off = np.nan if stored is None else float(np.max(stored[()]))
            rows.append((variant, [condition, count(len(pieces)), count(int(np.median(pieces))), count(int(pieces.max())),
                                   f"{changes.mean():.1f}", Cell(small(residual), bad=not residual <= PATH_BOUND[8]),
                                   Cell(small(off), bad=stored is not None and not off <= PATH_BOUND[group["attribution"].dtype.itemsize])]))
    ends = ways.ends(s)
    pictures = []
    for condition in dict.fromkeys([*ends[:1], *ends[-1:]]):  # clean where there are such ways, and the last
        variant, *others = ways.compared(s, condition)
        pictures.append(page.figure("ways" if condition == "clean" else "ways_" + condition.replace("/", "_"),
                                    ways.ways(s, variant, condition=condition, other=others[0] if others else None)))
    start = str(plain(s.file["paths"].attrs["from"]))
    return {"rows": rows, "start": {"0": "black", "mean": "the mean of all test images", "blur": "the sample blurred",
                                    "clean": "the clean sample"}.get(start, start),
            "pictures": pictures}


MOST_SLICES = 3  # pictures of lines, and of planes


def sliced(page: Report) -> Context | None:
    """Lines and planes, cut into regions."""
    s = page.study
    through, between = planes.samples(s), lines.samples(s)
    rows: list[Row] = []
    pieces: list[Row] = []
    for variant in planes.cut(s):
        group = s.file[f"planes/{variant}"]
        for number, three in enumerate(through.tolist()):
            at, polygons = ", ".join(map(str, three)), int(group["polygons"][number])
            proofs = [Cell(small(value), bad=not value <= BOUND[8]) for value in (group["uncovered"][number], group["residual"][number])]
            classes = len(np.unique(group["predicted"][number, :polygons]))
            rows.append((variant, [at, count(int(group["regions"][number])), count(polygons), count(classes), *proofs]
                         if polygons else [at, "too many", *["–"] * 4]))
    for variant in lines.cut(s):
        group = s.file[f"lines/{variant}"]
        for number, two in enumerate(between.tolist()):
            at, there = ", ".join(map(str, two)), int(group["points"][number]) > 0
            residual = float(group["residual"][number])
            pieces.append((variant, [at, count(int(group["pieces"][number])), count(len(lines.line(s, variant, number).crossing)),
                                     Cell(small(residual), bad=not residual <= BOUND[8])] if there else [at, "too many", *["–"] * 2]))
    pictures, shown = [], []
    for name, every, whole, draw in (("line", len(between), drawn_lines.whole, drawn_lines.line), ("plane", len(through), drawn_planes.whole, drawn_planes.plane)):
        first = list(itertools.islice((number for number in range(every) if whole(s, number)), MOST_SLICES))
        pictures += [page.figure(f"{name}_{number}", draw(s, number)) for number in first]
        shown += [f"{len(first)} of {count(every)} {name}s"] * (len(first) < every)
    return {"rows": rows, "pieces": pieces, "pictures": pictures, "shown": " and ".join(shown)} if rows or pieces else None


def attributions(page: Report) -> Context | None:
    s = page.study
    if not faithful.attributed(s):
        return None
    rows: list[Row] = []
    if faithful.measured(s):
        table, exact = s.faithfulness(), "exact_integrated_gradients"
        for variant in maps.shown(s, 4):
            near = [pairs[exact].to_numpy() if exact in pairs else np.full(len(pairs), np.nan)
                    for pairs in (s.method_agreement(variant, what) for what in faithful.AGREEMENT)]
            figures = table.loc[variant]
            for method, line, *agrees in zip(figures.index, figures.to_numpy(), *near):
                rows.append((variant, [maps.spoken(method), rounded(line[0], 3), rounded(line[1], 3), rounded(line[2]), rounded(line[3]),
                                       *(rounded(value, 2) for value in agrees)]))
    return {"rows": rows, "samples": len(s.numbers("attributions")), "baseline": f"{plain(s.file['attributions'].attrs['baseline']):g}",
            "maps": page.figure("attributions", maps.attributions(s)),
            "curves": page.figure("faithfulness_curves", maps.faithfulness_curves(s)),
            "agreement": page.figure("agreement_of_methods", maps.agreement(s))}


def costs(page: Report) -> Context | None:
    s = page.study
    what = ("epochs", "samples", "train_seconds", "parameters", "flops", "flops_sparse", "bytes", "bytes_sparse",
            "forward_seconds")
    table = {name: _spread_of_cost(page, name) for name in what}
    if not np.isfinite(table["parameters"]).any():
        return None
    rows: list[Row] = []
    for place, name in enumerate(s.replicates):
        cost = {key: float(table[key][place]) for key in what}
        rows.append((name, [f"{cost['epochs']:g}" if np.isfinite(cost["epochs"]) else "–", metric(cost["samples"]),
                            f"{cost['train_seconds']:.1f} s" if cost["epochs"] and np.isfinite(cost["train_seconds"]) else "–",
                            *(metric(cost[key]) for key in ("parameters", "flops", "flops_sparse", "bytes", "bytes_sparse")),
                            f"{1e6 * cost['forward_seconds']:.1f} µs" if np.isfinite(cost["forward_seconds"]) else "–"]))
    return {"rows": rows, "pareto": page.figure("pareto", prices.pareto(s)) if len(s.replicates) > 1 else ""}


def certificate(page: Report) -> Context | None:
    s = page.study
    rows: list[Row] = []
    for variant in s.linearized:
        linear = s.linear(variant)
        residual, ties = linear.residual.astype(float), linear.ties
        check, worst = page.checks.get(variant), float(np.max(residual))
        cells = [f"{count(len(residual))} × {linear.row.shape[1]}", small(float(np.median(residual))),
                 Cell(small(worst), bad=not worst <= linear.bound), percent(float(np.mean(ties > 0)), 1), count(int(ties.max()))]
        rows.append((variant, cells + ([count(check[1]), small(check[2]), small(check[3])] if check else ["–"] * 3)))
    return {"rows": rows, "residuals": page.figure("residuals", certificates.residuals(s))}


# {template: (title, what it is given)}, in the order of the page
SECTIONS: dict[str, tuple[str, Callable[[Report], Context | None]]] = {
    "warnings": ("Warnings", warnings), "accuracy": ("Accuracy", accuracy), "methods": ("Methods compared", methods),
    "geometry": ("Geometry of the features", geometry), "pruning": ("What pruning changes", pruned),
    "comparisons": ("Corruption and similarity", comparisons), "patterns": ("Activation patterns", patterns),
    "groups": ("What changed for groups of samples", of_groups), "reach": ("How far linearizations hold", facets), "spectra": ("Spectra", spectra), "map": ("Map", the_map),
    "fragile": ("Fragile samples", fragile), "explanations": ("Samples explained exactly", explanations),
    "ways": ("On the way to a sample", on_the_way), "slices": ("Regions on lines and planes", sliced), "attributions": ("Attributions and their faithfulness", attributions),
    "costs": ("What the variants cost", costs), "certificate": ("Certificate", certificate),
}
