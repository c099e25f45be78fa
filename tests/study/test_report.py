"""The report and the reader, facet in Python: on small files of real networks, on files that are wrong, and on a whole run."""

import base64
import contextlib
import dataclasses
import fcntl
import io
import json
import os
import re
import subprocess
import sys
import tracemalloc
import warnings

import h5py
import numpy as np
import pytest
from matplotlib import image as plt_image
from matplotlib.layout_engine import ConstrainedLayoutEngine

import make_study
from conftest import ROOT, first_table, sections

import facet
from facet.__main__ import main
from facet.plot import attributions, choice, pixels, reach, spectra, style, words
from facet.plot.choice import pick
from facet.report import numbers
from facet.report.page import Report
from facet.store import SCHEMAS

DEMO = ROOT / "results" / "demo" / "study.h5"


@dataclasses.dataclass
class Finished:
    returncode: int
    stdout: str
    stderr: str


def report(*arguments):
    """Runs the command inside this process: importing matplotlib again and again takes long. Any warning is a failure."""
    out, err = io.StringIO(), io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)  # of matplotlib's own libraries
        status = main(["report", *map(str, arguments)])
    return Finished(status, out.getvalue(), err.getvalue())


def as_a_user(*arguments):
    return subprocess.run([sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-m", "facet", "report",
                           *map(str, arguments)], capture_output=True, text=True, timeout=600)


def page(tmp_path, **kind):
    """Writes a study and its report; returns the HTML and the folder."""
    make_study.synthesize(tmp_path / "study.h5", **kind)
    done = report(tmp_path / "study.h5")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    folder = tmp_path / "report"
    return (folder / "report.html").read_text(encoding="utf-8"), folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The page of the first kind, and its folder; nobody changes either."""
    return page(tmp_path_factory.mktemp("plain"))


KINDS = {
    "grey pictures": {},
    "coloured pictures, predicted row": {"shape": (3, 6, 5), "rows": "predicted"},
    "numbers": {"shape": (1, 1, 9)},
    "coloured pictures, channels last": {"shape": (3, 6, 5), "layout": ("channels_last", "channels_last")},
    "a flat network": {"shape": (3, 6, 5), "layout": ("flat", "channels_first")},
    "no linearization": {"linearized": 0},
    "one variant, one condition": {"sparsities": (), "randoms": (), "severities": ()},
    "one variant, noise alone": {"sparsities": (), "randoms": (), "severities": (3,), "clean": False},
    "double precision, top two rows": {"double": True, "rows": 2},
    "three seeds": {"seeds": (1, 2, 5), "sparsities": (0.5, 0.9), "randoms": (0.5, 0.9)},
    "thirty pruned, with seeds": {"seeds": (1, 2, 3), "sparsities": (0.95, 0.98), "randoms": (0.95, 0.98),
                                  "others": ("gmp", "lrr", "lth")},
    "a hundred classes": {"classes": 100, "samples": 300, "hidden": 40},
    "thirty variants": {"sparsities": tuple(round(0.3 + 0.035 * i, 3) for i in range(19)),
                        "randoms": tuple(round(0.1 + 0.08 * i, 2) for i in range(10)), "severities": (2,)},
}


# Pictures of predictions, geometry and pruning; and what makes no other arrays of these than grey pictures have, but other
# images, rows or W. Such studies have these pictures drawn once, for grey pictures, and are held to all the others.
OF_PREDICTIONS = {"accuracy_by_severity", "accuracy_by_sparsity", "geometry_distributions", "geometry_shift", "margin_against_dense",
                  "class_damage", "layer_sparsity", "error_table", "class_movement", "pareto"}
OF_OTHER_IMAGES = {"coloured pictures, predicted row", "numbers", "coloured pictures, channels last", "a flat network", "no linearization"}


@pytest.fixture
def undrawn_predictions(monkeypatch):
    """The pictures OF_PREDICTIONS are made, but not drawn."""
    figure = Report.figure

    def undrawn(page, name, drawn):
        if drawn is not None and name in OF_PREDICTIONS:
            drawn.settle, drawn.png, drawn.save = lambda: None, lambda: b"", lambda path: None
        return figure(page, name, drawn)
    monkeypatch.setattr(Report, "figure", undrawn)


def test_contributions_are_pictures_in_every_layout(tmp_path):
    parts = []
    for i, layout in enumerate([("channels_first", "channels_first"), ("channels_last", "channels_last"),
                                ("flat", "channels_first"), ("flat", "channels_last")]):
        make_study.synthesize(tmp_path / f"{i}.h5", shape=(3, 6, 5), layout=layout)
        with facet.open(tmp_path / f"{i}.h5") as study:
            assert (study.linear("dense").layout, study.linear("dense").order) == layout
            parts.append(study.contributions("dense", 7))
            assert study.linear("dense").pictures(7).shape == (3, 3, 6, 5)
            *_, worst, split = facet.check_sums(study, "dense")
            assert worst < 1e-5 and split < 1e-5
    for part in parts:
        assert part.pixels.shape == (3, 6, 5) and abs(part.sum - part.output) < 1e-4
        assert np.array_equal(part.w, parts[0].w)


def test_a_study_of_schema_1_is_read(tmp_path, undrawn):
    make_study.synthesize(tmp_path / "study.h5")
    with h5py.File(tmp_path / "study.h5", "a") as f:
        f.attrs["schema_version"] = 1
        del f["cost"]
        del f["linear/dense/W"].attrs["layout"], f["linear/dense/W"].attrs["order"]
    with facet.open(tmp_path / "study.h5") as study:
        part = study.contributions("dense", 7)
        assert abs(part.sum - part.output) < 1e-4
        with pytest.raises(facet.StudyError, match="no cost is called flops; there are: none"):
            study.cost("flops")
        assert study.diverged == []
    assert report(tmp_path / "study.h5").returncode == 0


def rows(text, section):
    """{variant: cells} of the first table of a section."""
    return dict(first_table(text.partition(f'<section id="{section}">')[2]))


def said(values, digits=2):
    return f"{np.mean(values):.{digits}f}" + (f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else "")


def test_replicates_are_summed_up(tmp_path, undrawn):
    make_study.synthesize(tmp_path / "study.h5", **KINDS["three seeds"], linearized=0)
    text = sections(tmp_path / "study.h5", "accuracy", "geometry", "pruning")
    accuracy = rows(text, "accuracy")
    changes, geometry = rows(text, "what-pruning-changes"), rows(text, "geometry-of-the-features")
    with facet.open(tmp_path / "study.h5") as study:
        assert list(study.replicates) == ["dense", "magnitude-global-0.5", "magnitude-global-0.9", "random-layer-0.5",
                                          "random-layer-0.9"] == list(accuracy)
        before = study.prediction("class", "dense", "clean")
        for name, group in study.replicates.items():
            assert len(group) == (1 if name == "dense" else 3)
            right = np.array([[np.mean(study.prediction("class", v, c) == study.label) for c in study.conditions] for v in group])
            assert accuracy[name] == [said(100 * part) for part in right.T]
            means = [[study.prediction("loss", v, "clean").mean(dtype=float) for v in group]]
            means += [[study.geometry(what, v, "clean").mean(dtype=float) for v in group] for what in ("angle", "length", "margin")]
            assert geometry[name] == [said(values, 3).replace("-", "−") for values in means]
            if name != "dense":
                assert changes[name][1] == said([100 * np.mean(study.prediction("class", v, "clean") != before) for v in group])


@pytest.mark.parametrize("version", [2, 3])
def test_summaries_of_replicates_are_those_of_numpy(tmp_path, version, undrawn):
    make_study.synthesize(tmp_path / "study.h5", **KINDS["three seeds"])
    with h5py.File(tmp_path / "study.h5", "a") as f:
        f.attrs["schema_version"] = version
        if version == 2:
            del f["cost"], f["replicate"], f["replicates"], f["summary"]
            for group in f["variants"].values():
                for name in {"replicate", "warnings"} & set(group.attrs):
                    del group.attrs[name]
        else:
            f["replicates/loss_mean"][...] += 1  # what the file holds is what is read
    with facet.open(tmp_path / "study.h5") as study:
        assert len(study.replicates) == (13 if version == 2 else 5)
        for what in ("accuracy", "loss", "angle", "length", "margin"):
            values = study.prediction("class") == study.label if what == "accuracy" else \
                study.prediction(what) if what == "loss" else study.geometry(what)
            values = values.astype(float).mean(axis=2)
            mean, deviation = study.folded(what)
            for r, group in enumerate(study.replicates.values()):
                of = values[[study.variant_index(v) for v in group]]
                assert mean[r] - (version == 3 and what == "loss") == pytest.approx(of.mean(axis=0), abs=1e-6)
                assert np.isnan(deviation[r]).all() if len(group) == 1 else \
                    deviation[r] == pytest.approx(of.std(axis=0, ddof=1), abs=1e-6)
        assert ("cost/epochs" in study.file) == (version == 3)
    if version == 2:
        assert report(tmp_path / "study.h5").returncode == 0
    text = sections(tmp_path / "study.h5", "methods", "costs")
    assert ('id="what-the-variants-cost"' in text) == (version == 3)
    assert ("What training each took is not wholly known" in text) == (version == 2)


def test_methods_are_ranked_at_equal_sparsity_and_budget(tmp_path):
    make_study.synthesize(tmp_path / "study.h5", **KINDS["thirty pruned, with seeds"], linearized=0)
    text = sections(tmp_path / "study.h5", "methods")
    table = rows(text, "methods-compared")
    with facet.open(tmp_path / "study.h5") as study:
        mean = dict(zip(study.replicates, study.folded("accuracy")[0][:, 0]))
    assert len(table) == 10 and [cells[0] for cells in table.values()] == ["0.95"] * 5 + ["0.98"] * 5
    for target in ("0.95", "0.98"):
        ranked = [(name, cells) for name, cells in table.items() if cells[0] == target]
        assert [mean[name] for name, _ in ranked] == sorted((mean[name] for name, _ in ranked), reverse=True)
        assert [cells[1] for _, cells in ranked] == list("12345")
        for _, cells in ranked:
            assert cells[3] == "3" and cells[4] == "5.5 = 2 + 3.5" and "±" in cells[2]
    assert "took the same number of epochs" in text
    with h5py.File(tmp_path / "study.h5", "a") as f:
        mine = np.char.startswith(f["variant"].asstr()[()].astype(str), "lrr-global-0.98")
        f["cost/epochs"][...] = np.where(mine, 9, f["cost/epochs"][()])
    text = sections(tmp_path / "study.h5", "methods")
    assert "Budgets are not equal</span> at sparsity 0.98:" in text and "took the same" not in text
    assert rows(text, "methods-compared")["lrr-global-0.98"][4] == "11 = 2 + 9"
    with h5py.File(tmp_path / "study.h5", "a") as f:
        f["cost/epochs_before"][-1] = np.nan
    text = sections(tmp_path / "study.h5", "methods")
    assert "not wholly known" in text and "took the same" not in text
    assert rows(text, "methods-compared")["lth-global-0.98"][4] == "–"


def test_costs_are_those_of_the_file(tmp_path, undrawn):
    make_study.synthesize(tmp_path / "study.h5")
    table, size = rows(sections(tmp_path / "study.h5", "costs"), "what-the-variants-cost"), 24 * 30 + 3 * 24
    with facet.open(tmp_path / "study.h5") as study:
        v = study.variant_index("magnitude-global-0.9")
        nonzero = int(study.cost("flops_sparse")["magnitude-global-0.9"]) // 2
        assert study.cost("flops").iloc[v] == 2 * size and nonzero == pytest.approx(0.1 * size, abs=1)
        assert study.cost("parameters").iloc[v] == size + 27
    assert table["dense"][:5] == ["2", "120", "1.5 s", "819", "1.58\u202fk"]
    assert table["dense"][-1] == "7.0 µs"
    assert table["magnitude-global-0.9"] == ["3.5", "210", "3.5 s", "819", "1.58\u202fk", f"{2 * nonzero}", "3.28\u202fk",
                                             f"{4 * (nonzero + 27)}", "9.0 µs"]
    assert table["random-layer-0.5"][2] == table["random-layer-0.5"][-1] == "–"  # times that are not known


def test_warnings_and_the_missing_are_named_first(tmp_path, undrawn):
    make_study.synthesize(tmp_path / "study.h5", **KINDS["three seeds"], linearized=0)
    with h5py.File(tmp_path / "study.h5", "a") as f:
        f.attrs["diverged"] = np.array(["wild-0.9-s2: diverged: at step 3 of <epoch> 1"], dtype=h5py.string_dtype())
        f["variants/magnitude-global-0.9-s2"].attrs["warnings"] = "one text, not a list"
    with facet.open(tmp_path / "study.h5") as study:
        assert study.warnings("dense") == [] and study.warnings("magnitude-global-0.9-s2") == ["one text, not a list"]
        assert study.diverged == ["wild-0.9-s2: diverged: at step 3 of <epoch> 1"]
    assert report(tmp_path / "study.h5").returncode == 0
    text = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    section = text.partition('<section id="warnings">')[2].partition("</section>")[0]
    assert text.index('<section id="warnings">') < text.index('<section id="accuracy">')
    assert "wild-0.9-s2: diverged: at step 3 of &lt;epoch&gt; 1" in section
    assert "one text, not a list: <b>magnitude-global-0.9-s2</b>" in section
    assert "<b>random-layer-0.5-s1</b>, <b>random-layer-0.5-s2</b>, <b>random-layer-0.5-s5</b>" in section
    marked = set(re.findall(r'</span>([^<]+) <a class="bad"', text.partition('id="accuracy"')[2].partition("</table>")[0]))
    assert marked == {"magnitude-global-0.9", "random-layer-0.5", "random-layer-0.9"}
    make_study.synthesize(tmp_path / "study.h5", linearized=0)
    assert sections(tmp_path / "study.h5", "warnings") == ""


def test_figures_of_many_variants_stay_readable(tmp_path):
    make_study.synthesize(tmp_path / "study.h5", **KINDS["thirty pruned, with seeds"])
    with facet.open(tmp_path / "study.h5") as study:
        assert len(study.variants) == 31
        shown = ["dense"] + [f"{method}-0.98" for method in ("magnitude-global", "random-layer", "gmp-global", "lrr-global",
                                                            "lth-global")]
        assert pick(study, 8) == shown and pick(study, 11) == list(study.replicates)
        drawn = study.plot.accuracy_by_severity()
        caption = drawn.caption
        assert [text.get_text() for text in drawn.legends[0].get_texts()] == shown
        assert "6 of 11 variants; left out: magnitude-global-0.95, " in caption and "3 seeds" in caption
        drawn = study.plot.accuracy_by_sparsity()
        caption = drawn.caption
        methods = [name.removesuffix("-0.98") for name in shown]
        assert [text.get_text() for text in drawn.legends[0].get_texts()] == methods
        drawn.canvas.draw()
        below = [text.get_text() for text in drawn.axes[-1].get_xticklabels()]
        assert below == ["0.98", "0.95"] and "one standard deviation" in caption
        mean, deviation = study.folded("accuracy")
        line = next(c for c in drawn.axes[0].containers if c.get_label() == "lrr-global")
        at = [list(study.replicates).index(f"lrr-global-{s}") for s in (0.95, 0.98)]
        assert list(line.lines[0].get_ydata()) == list(mean[at, 0])
        bars = [segment[1, 1] - segment[0, 1] for segment in line.lines[2][0].get_segments()]
        assert bars == pytest.approx(2 * deviation[at, 0])
        for name in ("geometry_distributions", "geometry_shift"):
            caption = getattr(study.plot, name)().caption
            assert "6 of 11 variants" in caption and "first seed" in caption


def test_what_has_failed_is_marked_and_left_out(tmp_path, undrawn):
    """One method at 0.98 has failed in all seeds, another in one."""
    gone = [f"lth-global-0.98-s{seed}" for seed in (1, 2, 3)]
    make_study.synthesize(tmp_path / "study.h5", **KINDS["thirty pruned, with seeds"], linearized=0, failed=[*gone, "gmp-global-0.98-s1"])
    with facet.open(tmp_path / "study.h5") as study:
        assert sorted(study.failed) == ["gmp-global-0.98-s1", *gone]
        shown = ["dense", *(f"{m}-0.98" for m in ("magnitude-global", "random-layer", "gmp-global", "lrr-global"))]
        assert pick(study, 8) == shown and "lth-global-0.98" not in pick(study, 11) and len(pick(study, 11)) == 10
        assert pick(study, 3)[0] == "dense" and all(name in shown for name in pick(study, 3)) and len(pick(study, 3)) == 3
        for name in ("accuracy_by_severity", "error_table", "class_damage", "pareto", "geometry_distributions", "accuracy_by_sparsity"):
            assert re.search(r"failed: lth-global-0.98(-s1)?\.", getattr(study.plot, name)().caption), name
        assert [text.get_text() for text in study.plot.error_table().axes[0].get_yticklabels()] == pick(study, 24)
        assert "gmp-global-0.98-s2" in [text.get_text() for text in study.plot.geometry_distributions().axes[0].get_yticklabels()]
        assert not study.pareto().loc["lth-global-0.98", "best"]
    text = sections(tmp_path / "study.h5", "accuracy", "methods")
    table = [(name, cells) for name, cells in rows(text, "methods-compared").items() if cells[0] == "0.98"]
    assert table[-1][0] == "lth-global-0.98 failed" and [cells[1] for _, cells in table] == ["1", "2", "3", "4", "–"]
    assert text.count("failed</span>") == 2  # in both tables


def test_what_has_failed_beats_nobody(tmp_path):
    """It is the cheapest and, by its numbers, the best."""
    make_study.synthesize(tmp_path / "study.h5", failed=["magnitude-global-0.9"], linearized=0)
    with h5py.File(tmp_path / "study.h5", "a") as f:
        names = list(f["variant"].asstr())
        f["cost/flops_sparse"][...] = 100 + np.arange(len(names))
        f["cost/flops_sparse"][names.index("magnitude-global-0.9")] = 1
        f["replicates/accuracy_mean"][...] = 0.5
        f["replicates/accuracy_mean"][list(f["replicate"].asstr()).index("magnitude-global-0.9")] = 1
    with facet.open(tmp_path / "study.h5") as study:
        table = study.pareto()
        assert list(table.index[table["best"]]) == ["dense"] and table.index[0] == "magnitude-global-0.9"


def test_seeds_that_have_failed_are_not_drawn(tmp_path):
    """Of three the first has: the second stands for them, and means are over two."""
    make_study.synthesize(tmp_path / "study.h5", **KINDS["three seeds"], linearized=0, failed=["magnitude-global-0.5-s1"])
    random = np.random.default_rng(3)
    with h5py.File(tmp_path / "study.h5", "a") as f:
        names, conditions = list(f["variant"].asstr()), len(f["condition"])
        for name in names:
            f[f"aggregate/{name}/singular_values"] = np.arange(3.0, 0, -1)
        place = random.normal(size=(len(names) * conditions, 2))
        distance = f["similarity/distance"] = np.linalg.norm(place - place[:, None], axis=2)
        f["similarity/layout"], f["similarity/order"] = place, np.arange(len(place))
    with facet.open(tmp_path / "study.h5") as study:
        group = study.replicates["magnitude-global-0.5"]
        assert choice.living(study, "magnitude-global-0.5") == group[1:] and choice.first(study, "magnitude-global-0.5") == group[1]
        assert spectra.with_spectra(study, 20) == [group[1] if name == "magnitude-global-0.5" else own[0] for name, own in study.replicates.items()]
        drawn = study.plot.similarity()
        rows = {text.get_text(): row for row, text in enumerate(drawn.axes[1].get_yticklabels())}
        table = drawn.axes[1].images[0].get_array()
        at = [names.index(v) * conditions for v in group[1:]]
        row = rows["magnitude-global-0.5"]
        assert table[row, rows["dense"]] == pytest.approx(distance[at, 0].mean()) and table[row, row] == pytest.approx(distance[at[0], at[1]])
        large = [line.get_xydata()[0] for line in drawn.axes[0].lines if line.get_markersize() == 6]
        there = [names.index(v) * conditions for v in names if v != group[0]]
        assert sorted(map(tuple, large)) == sorted(map(tuple, place[there])) and "Seeds that have failed are left out." in drawn.caption
        assert {text.get_text() for text in drawn.legends[0].get_texts()} == set(study.replicates)


def test_means_are_of_seeds_that_have_not_failed(tmp_path, undrawn):
    """Of three one has collapsed, and one of another group; where all have, the mean is that of all."""
    gone, wholly = ["magnitude-global-0.5-s2", "magnitude-global-0.9-s1"], [f"random-layer-0.9-s{seed}" for seed in (1, 2, 5)]
    make_study.synthesize(tmp_path / "study.h5", **KINDS["three seeds"], linearized=0, failed=gone + wholly)
    with h5py.File(tmp_path / "study.h5", "a") as f:
        v = list(f["variant"].asstr()).index(gone[0])
        f["prediction/class"][v], f["summary/accuracy"][v], f["cost/flops_sparse"][v] = 0, 0.01, 9_000
        f[f"variants/{gone[0]}"].attrs.update(achieved=1.0, layer_achieved=np.ones(len(f[f"variants/{gone[0]}"].attrs["layer"])))
    with facet.open(tmp_path / "study.h5") as study:
        accuracy, flops = study.summary("accuracy")[:, 0], study.cost("flops_sparse").to_numpy()
        table, pareto, damage, layers = study.accuracy("clean"), study.pareto(), study.class_damage(), study.layer_sparsity()
        drawn = study.plot.layer_sparsity()
        shares = dict(zip([text.get_text() for text in drawn.axes[0].get_xticklabels()], drawn.axes[0].images[0].get_array().T))
        assert "Means over seeds. Seeds that have failed are left out." in drawn.caption
        cells, ranked = ({name.split()[0]: line for name, line in rows(sections(tmp_path / "study.h5", section), place).items()}
                         for section, place in (("accuracy", "accuracy"), ("methods", "methods-compared")))
        for name, group in study.replicates.items():
            counted = [v for v in group if v not in gone]  # all of wholly
            at = [study.variant_index(v) for v in counted]
            line = table.loc[(name, "clean")]
            assert line["seeds"] == len(counted) == (1 if name == "dense" else 2 if name.startswith("magnitude") else 3)
            assert line["mean"] == pytest.approx(accuracy[at].mean()) == pareto.loc[name, "accuracy"]
            assert pareto.loc[name, "flops_sparse"] == pytest.approx(flops[at].mean())
            assert cells[name][0] == said(100 * accuracy[at])
            right = [[(study.prediction("class", v, "clean") == study.label)[study.label == k].mean() for k in range(3)] for v in ["dense", *counted]]
            assert damage.loc[name].to_list() == pytest.approx(np.mean(right[1:], axis=0) - right[0])
            left = np.mean([[*study.recipe(v)["layer_achieved"], study.recipe(v)["achieved"]] for v in counted], axis=0)
            assert layers.loc[name].to_list() == pytest.approx(left) and choice.removed(study, name) == pytest.approx(left[-1])
            if name != "dense":
                assert shares[name].tolist() == pytest.approx(left)
                assert ranked[name][2:4] == [said(100 * accuracy[at]), str(len(counted))]
        drawn = study.plot.accuracy_by_sparsity()
        line = next(c for c in drawn.axes[0].containers if c.get_label() == "magnitude-global")
        assert line.lines[0].get_ydata() == pytest.approx(table.loc[["magnitude-global-0.5", "magnitude-global-0.9"], "mean"])
        assert "Means over 2 or 3 seeds; bars: one standard deviation. Seeds that have failed are left out." in drawn.caption


def test_of_seeds_one_that_was_measured_is_shown(tmp_path):
    """Attributions and facets of the second seed alone; where all that were attributed have failed and there is no room, no picture."""
    measured = ["dense", "magnitude-global-0.5-s2", "magnitude-global-0.9-s2", "random-layer-0.5-s2"]
    make_study.synthesize(tmp_path / "study.h5", **KINDS["three seeds"], linearized=0)
    with h5py.File(tmp_path / "study.h5", "a") as f:
        for v in measured:
            f[f"reach/{v}/untied"] = f[f"attributions/{v}/attribution"] = f[f"attributions/{v}/deletion"] = np.zeros((1, 2))
    with facet.open(tmp_path / "study.h5") as study:
        assert reach._shown(study, 8) == measured == attributions.shown(study, 4)
        few = attributions.shown(study, 2)
        assert few[0] == "dense" and len(few) == 2 and few[1] in measured
        study.failed = [v for v in study.variants if "random-layer-0.9" not in v]
        assert attributions.shown(study, 4) == measured and attributions.shown(study, 1) == []
        assert attributions.faithfulness_curves(study, 1) is None and attributions.agreement(study, 1) is None
        study.failed = measured[1:2]  # the first and the third live, and were not measured
        without = [v for v in measured if v not in study.failed]
        assert attributions.shown(study, 4) == reach._shown(study, 8) == without
        assert choice.grouped(study, measured) == {"dense": ["dense"], **{v.removesuffix("-s2"): [v] for v in without[1:]}}
        assert words.one_seed(study) == " Of replicates the first seed is shown. Seeds that have failed are left out."
        assert words.left_out(without, measured, "variants", study=study) == f" Shown: 3 of 4 variants; failed: {measured[1]}."


def test_files_that_do_not_say_who_has_failed(tmp_path, undrawn):
    page(tmp_path, failed=None)
    with facet.open(tmp_path / "study.h5") as study:
        assert study.failed == [] and study.findings() == []


def test_the_page_begins_with_the_findings(tmp_path, undrawn):
    """Each leads to what shows it, and has its numbers; what is empty is left out, and markup stays text."""
    make_study.synthesize(tmp_path / "study.h5")
    said = [("failed", "No variant has failed: all <b>are</b> well.", {"chance": 0.5}), ("best of clean at 0.9", "", {}),
            ("best of corrupted at 0.9", "At sparsity 0.9 one is best: by far.", {"best": "x"}), ("samples lost", "Two are lost.", {"lost": 2})]
    with h5py.File(tmp_path / "study.h5", "a") as f:
        f["findings/finding"] = np.array([about for about, _, _ in said], dtype=h5py.string_dtype())
        kind = h5py.string_dtype("utf-8", 4096)
        f["findings/text"] = np.array([text.encode() for _, text, _ in said], dtype=kind)
        f["findings/view"] = np.array([b"#view=sample"] * 4, dtype=kind)
        f["findings/number"] = np.array([json.dumps(numbers).encode() for _, _, numbers in said], dtype=kind)
    with facet.open(tmp_path / "study.h5") as study:
        assert [(found.about, found.text, found.numbers) for found in study.findings()] == [one for one in said if one[1]]
        assert study.findings()[0].view == "#view=sample"
        text = Report(study, tmp_path).html()
    start = text.partition('<ol class="findings">')[2].partition("</ol>")[0]
    assert text.index('<ol class="findings">') < text.index('<div class="tiles">') < text.index("<section")
    assert start.count("<li>") == 3 and "all &lt;b&gt;are&lt;/b&gt; well." in start and "&#34;chance&#34;: 0.5" in start
    assert 'href="#accuracy_by_severity"' in start
    for anchor in re.findall(r'href="#([^"]+)"', start):
        assert f'id="{anchor}"' in text
    with h5py.File(tmp_path / "study.h5", "a") as f:
        f["findings/text"][...] = b""
    with facet.open(tmp_path / "study.h5") as study:
        assert "The data of this study supports no finding." in Report(study, tmp_path).html()


def test_tables_fit_a_printed_page(tmp_path, undrawn):
    """Many conditions are cut into tables of ten columns, and all are there."""
    make_study.synthesize(tmp_path / "study.h5", linearized=0, severities=tuple(range(1, 24)))
    text = sections(tmp_path / "study.h5", "accuracy")
    tables = re.findall(r"<table>(.*?)</table>", text, re.DOTALL)
    heads = [re.findall(r"<th>([^<]*)</th>", table.rpartition("</thead>")[0].rpartition("<tr>")[2])[1:] for table in tables]
    assert sum(heads, []) == ["clean", *map(str, range(1, 24))] and max(map(len, heads)) <= 10
    assert all(len(re.findall("<tr>", table.partition("<tbody>")[2])) == 4 for table in tables)


@pytest.mark.parametrize("written, wanted", [
    (words.signed(-0.5), "−0.50"), (words.signed(0.5), "+0.50"), (words.signed(-0.001), "0.00"), (words.signed(0.001), "0.00"), (words.signed(np.inf), "+∞"),
    (words.signed(-np.inf, 3), "−∞"), (words.signed(np.nan), "–"), (words.signed(-0.0004, 3, plus=False), "0.000"), (words.signed(0.5, plus=False), "0.50"),
    (numbers.rounded(-0.25), "−0.25"), (numbers.rounded(-0.001, 2), "0.00"), (numbers.rounded(np.inf), "∞"), (numbers.rounded(np.nan, 3), "–"),
    (numbers.rounded(-1.234e-6), "−1.23\u202f×\u202f10⁻⁶"), (numbers.small(np.inf), "∞"), (numbers.small(np.nan), "not a number"), (numbers.small(0), "0"),
    (numbers.spread(-0.001, 0.25, "+.2f"), "0.00 ± 0.25"), (numbers.spread(-np.inf, np.nan), "−∞"),
])
def test_numbers_are_typeset(written, wanted):
    assert written == wanted


def test_certificates_are_held_to_what_their_precision_promises(tmp_path, undrawn):
    for double, worst, bad in ((False, 1e-4, False), (False, 2e-3, True), (True, 1e-12, False), (True, 1e-9, True)):
        make_study.synthesize(tmp_path / "study.h5", double=double)
        with h5py.File(tmp_path / "study.h5", "a") as f:
            f["linear/dense/residual"][5] = worst
        line = sections(tmp_path / "study.h5", "certificate").partition("<tbody>")[2].partition("</tr>")[0]
        assert ('<span class="bad">' in line) == bad and numbers.small(worst) in line, line


def test_infinite_margins_are_counted(tmp_path, undrawn):
    """Where two classes have one direction the margin is infinite; such samples are lost all the same."""
    make_study.synthesize(tmp_path / "study.h5", linearized=0)
    text = sections(tmp_path / "study.h5", "pruning")
    with h5py.File(tmp_path / "study.h5", "a") as f:
        wrong = (f["prediction/class"][3, 0] != f["label"][()])
        f["geometry/margin"][3, 0] = np.where(wrong, -np.inf, f["geometry/margin"][3, 0])
        f["summary/margin"][3, 0] = f["replicates/margin_mean"][3, 0] = -np.inf
    assert wrong.any() and not wrong.all()
    before = rows(text, "what-pruning-changes")["random-layer-0.5"]
    text = sections(tmp_path / "study.h5", "geometry", "pruning")
    assert rows(text, "what-pruning-changes")["random-layer-0.5"][:4] == before[:4]
    assert rows(text, "geometry-of-the-features")["random-layer-0.5"][3] == "−∞"
    assert f"for up to {100 * wrong.mean():.0f} % of the samples (random-layer-0.5)" in text
    with facet.open(tmp_path / "study.h5") as study:
        drawn = study.plot.margin_against_dense()
        axis = next(axis for axis in drawn.axes if axis.get_title("left") == "random-layer-0.5")
        assert axis.texts[0].get_text() == f"lost {float(before[2]):.1f} %"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_study_gets_a_page(tmp_path, kind, request):
    known = OF_PREDICTIONS if kind in OF_OTHER_IMAGES else set()
    if known:
        request.getfixturevalue("undrawn_predictions")
    text, folder = page(tmp_path, **KINDS[kind]) if KINDS[kind] else request.getfixturevalue("plain")
    outside = re.findall(r"""(?:src|href)\s*=\s*["']?(?!data:|\#)[^"'>]+|url\(|@import""", text)
    assert not outside, "the page must hold all it shows"
    names = re.findall(r'<figure id="(\w+)">', text)
    assert len(names) == text.count('" src="data:image/png;base64,') == len(list(folder.glob("*.png")))
    assert known <= set(names)
    for name in set(names) - known:
        assert (folder / f"{name}.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert (folder / f"{name}.pdf").read_bytes()[:5] == b"%PDF-"
    linearized = KINDS[kind].get("linearized", 1) and KINDS[kind].get("clean", True)
    assert ("gallery" in names) == bool(linearized)
    assert "geometry_distributions" in names
    assert ("margin_against_dense" in names) == (KINDS[kind].get("sparsities", 1) != ())
    if kind == "thirty variants":
        assert "of 30 variants" in text and "of 29 pruned variants" in text


def test_the_page_says_what_the_file_says(plain, tmp_path):
    text, folder = plain
    with facet.open(folder.parent / "study.h5") as study:
        for fact in ("synthetic", study.attrs["facet_version"], study.attrs["git_revision"], *study.variants):
            assert fact in text
        for value in study.summary("accuracy").ravel():
            assert f">{100 * value:.2f}</td>" in text
        before, after = (study.prediction("class", v, "clean") for v in ("dense", "magnitude-global-0.9"))
        lost = np.mean((before == study.label) & (after != study.label))
        assert f"<td>{100 * lost:.2f}</td>" in text
    again = as_a_user(folder.parent / "study.h5", "--out", tmp_path / "again")
    assert again.returncode == 0 and again.stderr == ""
    assert (tmp_path / "again" / "report.html").read_text(encoding="utf-8") == text, "the same file, the same page"


def test_a_picture_is_laid_out_once_for_both_files(tmp_path, monkeypatch):
    make_study.synthesize(tmp_path / "study.h5", linearized=0)
    calls, execute = [], ConstrainedLayoutEngine.execute
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda engine, figure: calls.append(figure) or execute(engine, figure))
    with facet.open(tmp_path / "study.h5") as study:
        made = Report(study, tmp_path)
        made.section("accuracy")
        assert made.pictures == 2 == len(calls) == len(set(calls))
        assert study.plot.accuracy_by_severity().png() == (tmp_path / "accuracy_by_severity.png").read_bytes()


def test_names_are_not_markup(tmp_path):
    make_study.synthesize(tmp_path / "study.h5")
    with h5py.File(tmp_path / "study.h5", "a") as f:
        f["class"][...] = ["<b>$\\x$", "$", "a" * 90]
        f.attrs["study_name"] = "<script>alert(1)</script>"
    done = report(tmp_path / "study.h5")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    text = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in text and "&lt;script&gt;" in text


@pytest.mark.parametrize("rows", ["all", "predicted"])
def test_contributions_add_up(tmp_path, rows):
    nets, x, _ = make_study.synthesize(tmp_path / "study.h5", rows=rows, double=True)
    with facet.open(tmp_path / "study.h5") as study:
        for variant, net in nets.items():
            _, _, logits = make_study.forward(net, x[:20])
            for sample in range(20):
                part = study.contributions(variant, sample)
                assert part.cls == logits[sample].argmax()
                assert np.allclose(part.x.ravel(), x[sample], atol=1e-12)
                assert np.array_equal(part.pixels, part.w * part.x)
                assert abs(part.sum - logits[sample].max()) < 1e-12
                assert abs(part.b_node.sum() - part.b) < 1e-12
            samples, count, worst, split = facet.check_sums(study, variant, limit=7)
            assert (samples, count) == (7, 7 * (3 if rows == "all" else 1)) and worst < 1e-12 and split < 1e-12


def test_contributions_are_added_up_within_a_budget(tmp_path):
    """Of many classes a row at a time, to the same sums."""
    make_study.synthesize(tmp_path / "study.h5", classes=100, shape=(3, 16, 16), samples=150, linearized=2, layout=("channels_last", "channels_last"))
    with facet.open(tmp_path / "study.h5") as study:
        whole = facet.check_sums(study, "dense")
        assert whole[:2] == (2, 200) and whole[2] < 1e-5
        peak = {}
        for limit in (1 << 12, 64 << 20):
            tracemalloc.start()
            found = facet.check_sums(study, "dense", 1, limit)
            peak[limit] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert found[:2] == (1, 100) and found[2] < whole[2] + 1e-12 and found[3] < whole[3] + 1e-12
        assert peak[1 << 12] < 200_000 < 100 * 768 * 8 < peak[64 << 20]


@pytest.mark.parametrize("shape", [(1, 2, 2), (3, 2, 2)])
@pytest.mark.parametrize("pixels, scale, wanted", [([0, 4095, 2048, 8190], 4095, [0, 255, 128, 255]), ([0, 1, 0.5, 0], 1, [0, 255, 128, 0]),
                                                   ([0, 100, 50, 200], 1, [0, 128, 64, 255]), ([-2, 2, 0, 0], 1, [0, 255, 128, 128])])
def test_thumbnails_are_black_to_white(shape, pixels, scale, wanted):
    image = np.broadcast_to(np.reshape(pixels, (1, 2, 2)), shape)
    drawn = plt_image.imread(io.BytesIO(base64.b64decode(style.thumbnail(image, scale).partition("base64,")[2].rstrip('">'))))
    assert np.abs(255 * drawn[..., 0].ravel() - wanted).max() <= 1


def test_colours_need_no_more_than_the_pixel_that_is_white(tmp_path):
    make_study.synthesize(tmp_path / "study.h5", shape=(3, 6, 6), linearized=0)
    for missing in ("normalize_mean", "normalize_std", "normalize_scale"):  # 255 where nothing is said
        with h5py.File(tmp_path / "study.h5", "a") as f:
            del f.attrs[missing]
        with facet.open(tmp_path / "study.h5") as study:
            _, axis = style.picture(figsize=(1, 1))
            pixels.image_of(axis, study, 3)
            drawn = axis.images[0].get_array()
            assert np.array_equal(drawn, np.clip(study.image(3).astype(float).transpose(1, 2, 0) / 255, 0, 1)) and drawn.max() > 0.1


def test_a_change_of_margin_splits_exactly(tmp_path):
    nets, x, label = make_study.synthesize(tmp_path / "study.h5", double=True)
    with facet.open(tmp_path / "study.h5") as study:
        for sample in range(20):
            margins, parts = [], []
            right = int(label[sample])
            for variant in ("dense", "magnitude-global-0.5"):
                (w, c), (_, h, logits) = nets[variant][1], make_study.forward(nets[variant], x[sample:sample + 1])
                rival = (right + 1) % 3
                distance = np.linalg.norm(w[right] - w[rival])
                margins.append(((w[right] - w[rival]) @ h[0] + c[right] - c[rival]) / distance)
                parts.append(study.contrast(variant, sample, right, rival) / distance)
            moved = facet.contrast_change(*parts)
            assert abs(moved.sum - (margins[1] - margins[0])) < 1e-12
            assert abs(moved.b_node.sum() - moved.b) < 1e-12
            assert moved.pixels.shape == study.shape


def test_wrong_results_are_seen(tmp_path, undrawn_predictions):
    """The check of the report is no decoration: a spoilt weight or a NaN in W shows in its numbers."""
    for value in (3.0, np.nan):
        make_study.synthesize(tmp_path / "study.h5")
        with h5py.File(tmp_path / "study.h5", "a") as f:
            f["linear/dense/W"][5, 1, 0, 2, 2] += value
            f["linear/dense/residual"][5] = value
        with facet.open(tmp_path / "study.h5") as study:
            worst = facet.check_sums(study, "dense")[2]
            assert not worst < 1e-2
    done = report(tmp_path / "study.h5")  # the NaN must not stop the report
    assert done.returncode == 0, done.stderr
    assert 'class="bad"' in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_labelled_arrays(tmp_path):
    xarray = pytest.importorskip("xarray")
    make_study.synthesize(tmp_path / "study.h5")
    with facet.open(tmp_path / "study.h5") as study:
        angle = study.labelled("geometry/angle")
        assert isinstance(angle, xarray.DataArray) and angle.dims == ("variant", "condition", "sample")
        assert np.array_equal(angle.sel(variant="dense", condition="clean"), study.geometry("angle", "dense", "clean"))
        w = study.labelled("linear/dense/W", linear_sample=3)
        assert w.dims == ("k", "channel", "y", "x") and np.array_equal(w, study.linear("dense").W[3])
        assert list(study.labelled("linear/dense/b_node")["node"].values) == make_study.NODES
        with pytest.raises(facet.StudyError, match="has no dimension colour; it has: variant, condition, sample"):
            study.labelled("geometry/angle", colour=0)


def spoil(path, how):
    make_study.synthesize(path, done=how != "unfinished")
    if how == "missing":
        path.unlink()
    elif how == "text":
        path.write_text("study: demo\n")
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "folder":
        path.unlink()
        path.mkdir()
    else:
        with h5py.File(path, "a") as f:
            if how == "another file":
                for key in list(f):
                    del f[key]
            elif how == "no margin":
                del f["geometry/margin"]
            elif how == "newer schema":
                f.attrs["schema_version"] = 99
            elif how == "no normalisation":
                del f.attrs["normalize_scale"]
            elif how == "no bias":
                del f["linear/dense/b"]
            elif how in ("large rows", "negative rows"):
                f["linear/dense/row"][...] = 1000000 if how == "large rows" else -3
            elif how == "samples":
                f["linear/sample"][...] = 1000000
            elif how == "labels":
                f["label"][...] = -7
            elif how == "ranks":
                logits = f["prediction/logits"][()]
                del f["prediction/logits"]
                f["prediction/logits"] = logits[..., :1]
            elif how == "summary":
                accuracy = f["summary/accuracy"][()]
                del f["summary/accuracy"]
                f["summary/accuracy"] = accuracy[:1]
            elif how == "misfit":
                del f["label"]
                f["label"] = np.zeros(3, "i4")


@pytest.mark.parametrize("how, status, says", [
    ("missing", 66, "no such file"),
    ("folder", 66, "no such file"),
    ("text", 65, "not an HDF5 file"),
    ("truncated", 65, "not an HDF5 file, or a damaged one"),
    ("another file", 65, "not a facet study: /variant, /condition, "),
    ("no margin", 65, "not a facet study: /geometry/margin is missing"),
    ("unfinished", 65, "not finished: tile (63 of 64 parts are done) is missing"),
    ("newer schema", 65, "schema version 99, this reader knows 1 to 11"),
    ("no normalisation", 65, "attribute normalize_scale is missing"),
    ("no bias", 65, "/linear/dense/b is missing or does not fit"),
    ("misfit", 65, "/label has shape (3,)"),
    ("large rows", 65, "/linear/dense/row holds 1000000 to 1000000, not 0 to "),
    ("negative rows", 65, "/linear/dense/row holds -3 to -3, not 0 to "),
    ("samples", 65, "/linear/sample holds 1000000 to 1000000, not 0 to "),
    ("labels", 65, "/label holds -7 to -7, not -1 to "),
    ("ranks", 65, "/prediction/logits has shape ("),
    ("summary", 65, "could not be read to the end (IndexError: "),
])
def test_bad_input_is_one_line(tmp_path, how, status, says):
    path = tmp_path / "study.h5"
    spoil(path, how)
    done = report(path)
    assert done.returncode == status, done.stderr
    assert done.stderr.count("\n") == 1 and str(path) in done.stderr and says in done.stderr


def test_a_file_that_is_locked_is_not_damaged(tmp_path, monkeypatch):
    make_study.synthesize(tmp_path / "study.h5")
    monkeypatch.delenv("HDF5_USE_FILE_LOCKING", raising=False)
    with open(tmp_path / "study.h5", "rb") as mine:
        fcntl.flock(mine, fcntl.LOCK_EX)
        with pytest.raises(facet.StudyError, match="study.h5: is locked: .*HDF5_USE_FILE_LOCKING=FALSE"):
            facet.open(tmp_path / "study.h5")
    facet.open(tmp_path / "study.h5").close()


def test_usage_and_output_have_their_status(tmp_path):
    assert as_a_user().returncode == 64
    assert as_a_user("--help").returncode == 0
    nothing = as_a_user(tmp_path / "nothing.h5")
    assert nothing.returncode == 66 and nothing.stderr == f"facet report: {tmp_path / 'nothing.h5'}: no such file\n"
    make_study.synthesize(tmp_path / "study.h5")
    (tmp_path / "file").write_text("")
    done = report(tmp_path / "study.h5", "--out", tmp_path / "file" / "below")
    assert done.returncode == 73 and done.stderr.count("\n") == 1


@pytest.fixture
def demo():
    if not DEMO.exists():
        pytest.skip("results/demo/study.h5 is not there: run make demo first")
    with h5py.File(DEMO, locking=False) as made:
        if made.attrs["schema_version"] != SCHEMAS[-1]:
            pytest.skip("the demo is of another schema: run make demo again")
        if any((marks[()] != 1).any() for marks in made["progress"].values() if not marks.is_scale):
            pytest.skip("the demo is not finished")
    return DEMO


def test_the_demo(tmp_path, demo):
    done = report(demo, "--out", tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    worst = [float(value) for value in re.findall(r"contributions \+ b = F to (\S+),", done.stdout)]
    assert worst and max(worst) < 1e-5


@pytest.mark.skipif(not os.environ.get("FACET_README"), reason="of the machine that README's demo was made on: set FACET_README=1 there")
def test_readme_says_what_the_demo_finds(demo):
    """Training rounds otherwise on other processors, and networks become others."""
    readme = " ".join((ROOT / "README.md").read_text().split("**What it shows, for one.**")[1].split("\n\n")[0].split())
    with facet.open(demo) as study:
        found = {finding.about: finding for finding in study.findings()}
        clean, less = (found[f"best of clean at {sparsity}"].numbers for sparsity in (0.97, 0.9))
        failed = len(found["failed"].numbers["failed"])
        under = study.conditions.index("gaussian_noise/3")
        accuracy = study.file["summary/accuracy"][:, under]
        noise = [100 * np.array([accuracy[study.variants.index(v)] for v in study.replicates[f"{method}-global-0.97"]])
                 for method in ("gmp", "magnitude")]
    first, close = clean["comparisons"][0], less["comparisons"][0]
    assert (clean["best"], less["best"], first["with"], close["with"], failed) == (*2 * ("gmp-global",), *2 * ("magnitude-global",), 2)
    for words in (f"is right on {100 * clean['accuracy']:.2f} % of the clean pictures, {100 * first['difference']:.2f} points ahead",
                  f"95 % interval over samples {100 * first['low']:.2f} to {100 * first['high']:.2f}, sign test p = {first['holm']:.2g}",
                  f"on {noise[0].mean():.1f} ± {noise[0].std(ddof=1):.1f} % where magnitude keeps {noise[1].mean():.1f} ± {noise[1].std(ddof=1):.1f} %",
                  f"it is {100 * close['difference']:.2f} points ahead (p = {close['holm']:.2g})", "two of the nineteen networks have failed"):
        assert words in readme, words
