"""facet in Python: its questions are h5py's numbers, names that are not there are told, labels are the file's, nothing
happens on import, and the examples of docs/python.md run."""

import gc
import re
import shutil
import subprocess
import sys
import weakref

import h5py
import numpy as np
import pytest

from conftest import ROOT, STUDY, make_digits, run

import facet
from facet.__main__ import main

VARIANTS = """\
variants:
- {method: magnitude, scope: global, sparsity: [0.5, 0.9], seeds: [1, 2], retrain: {epochs: 1}}
conditions: [clean, {corruption: [gaussian_noise, fog], severity: [1, 5]}]
linearize: {variants: all, samples: 40, rows: all}
change: {samples: 20, conditions: [gaussian_noise/5], groups: class}
paths: {samples: 8, variants: [dense, magnitude-global-0.9-s2]}
aggregate: {spectrum: 4}
embed: {layers: [8], perplexity: 10, batch: 300, epochs: 3, explain: 30}
census: {variants: [dense, magnitude-global-0.9-s2]}
reach: {samples: 4, variants: [dense, magnitude-global-0.9-s2]}
planes: {window: 0.05, variants: [dense, magnitude-global-0.9-s2]}
lines: {variants: [dense, magnitude-global-0.9-s2]}
attributions: {samples: 8, steps: 4, noisy: 2, perturbations: 1, variants: [dense, magnitude-global-0.9-s2]}
"""
PRUNED = "magnitude-global-0.9-s2"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("python")
    make_digits(folder)
    text = STUDY.split("variants:")[0].replace("normalize:", "classes: [dress, coat, bag, boot]\n  normalize:") + VARIANTS
    (folder / "study.yaml").write_text(text)
    done = run("run", folder / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    return folder / "out" / "study.h5"


@pytest.fixture(scope="module")
def study(path):
    with facet.open(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def h5(path):
    with h5py.File(path) as opened:
        yield opened


def index(h5, of, name):
    return list(h5[of].asstr()[:]).index(name)


# ---- does it hold? ----


def test_whether_it_holds(study, path, tmp_path, monkeypatch):
    assert study.verified is True and study.verify(tiles=2, seed=1)
    assert sum("analyse of " in line for line in study.verify(tiles=2, seed=1).lines) == 2
    shutil.copytree(path.parent, tmp_path / "out")
    with h5py.File(tmp_path / "out/study.h5", "r+") as file:
        file["geometry/margin"][0, 1, 3] += 1
    with facet.open(tmp_path / "out/study.h5") as changed:
        found = changed.verify()
        assert not found and changed.verified is False and any("analyse of dense, gaussian_noise/1, block 0" in line for line in found.lines)
        monkeypatch.setenv("FACET_PROGRAM", str(tmp_path / "nowhere"))
        with pytest.raises(facet.StudyError, match="cannot be verified"):
            changed.verify()
    with h5py.File(tmp_path / "out/study.h5", "r+") as file:
        del file["checksum"]
    with facet.open(tmp_path / "out/study.h5") as without:
        monkeypatch.setattr(facet.Study, "verify", lambda _: pytest.fail("there is nothing to hold it against"))
        assert without.verified is None


# ---- the ten questions ----


def test_accuracy_is_that_of_the_file(study, h5):
    table = study.accuracy()
    assert list(table.columns) == ["mean", "deviation", "seeds"] and table.index.names == ["replicate", "condition"]
    for r, name in enumerate(h5["replicate"].asstr()[:]):
        for c, condition in enumerate(h5["condition"].asstr()[:]):
            line = table.loc[(name, condition)]
            assert line["mean"] == h5["replicates/accuracy_mean"][r, c] and line["seeds"] == h5["replicates/size"][r]
            assert np.array_equal(line["deviation"], h5["replicates/accuracy_deviation"][r, c], equal_nan=True)
    v, c = index(h5, "variant", PRUNED), index(h5, "condition", "fog/5")
    assert study.accuracy("fog/5", fold=False).loc[(PRUNED, "fog/5"), "accuracy"] == h5["summary/accuracy"][v, c]


def test_fragile_samples_and_their_images(study, h5):
    found, rank = study.fragile(6), h5["fragility/rank"][:6]
    assert list(found.table.index) == list(rank) and "6 samples" in repr(found)
    for image, sample in zip(found.images, rank):
        assert np.array_equal(image, h5["image"][sample])
        assert found.table.loc[sample, "flips"] == h5["fragility/flips"][sample]
        assert found.table.loc[sample, "worst_margin"] == h5["fragility/worst_margin"][sample]
        assert found.table.loc[sample, "class"] == h5["class"].asstr()[h5["label"][sample]]
    coats = study.fragile(5, "coat")
    assert list(coats.table.index) == list(h5["fragility/class_rank"][1, :5]) and set(coats.table["class"]) == {"coat"}
    assert found._repr_html_().count("<img") == 6


def row_of(h5, variant, sample, cls):
    return list(h5[f"linear/{variant}/row"][sample]).index(index(h5, "class", cls))


def test_a_row_of_W_by_sample_and_class(study, h5):
    for variant, sample, cls in ((PRUNED, 7, "bag"), ("dense", 39, "dress")):
        row, k = study.row(variant, sample, cls), row_of(h5, variant, sample, cls)
        assert row.dims == ("channel", "y", "x") and np.array_equal(row, h5[f"linear/{variant}/W"][sample, k])
        total = float((row * study.input(sample)).sum()) + row.attrs["b"]
        logit = h5["prediction/logits"][index(h5, "variant", variant), 0, sample, index(h5, "class", cls)]
        assert total == pytest.approx(logit, abs=1e-4)
    assert study.row("dense", 7).attrs["class"] == study.classes[h5["prediction/class"][0, 0, 7]]


def test_contrast_is_the_difference_of_two_logits(study, h5):
    logits = h5["prediction/logits"][index(h5, "variant", PRUNED), index(h5, "condition", "clean"), 7]
    best, second = (int(k) for k in np.argsort(-logits)[:2])
    of_two = study.contrast(PRUNED, 7)
    assert (of_two.cls, of_two.other) == (best, second) and np.isclose(of_two.sum, logits[best] - logits[second], atol=1e-4)
    against = study.contrast(PRUNED, 7, second)
    assert (against.cls, against.other) == (second, best) and np.isclose(against.sum, -of_two.sum)
    part = study.contrast(PRUNED, 7, "coat", "boot")
    w, b = h5[f"linear/{PRUNED}/W"][7].astype(float), h5[f"linear/{PRUNED}/b"][7].astype(float)
    one, two = (row_of(h5, PRUNED, 7, cls) for cls in ("coat", "boot"))
    np.testing.assert_allclose(part.pixels, (w[one] - w[two]) * study.input(7), rtol=1e-12, atol=1e-12)
    assert part.b == b[one] - b[two]
    logits = h5["prediction/logits"][index(h5, "variant", PRUNED), 0, 7]
    assert part.sum == pytest.approx(logits[1] - logits[3], abs=1e-4)


@pytest.mark.parametrize("condition", [None, "gaussian_noise/5"])
def test_margin_changes_are_maps(study, h5, condition):
    group = h5[f"change/{PRUNED}" + (f"/{condition}" if condition else "")]
    for i, sample in enumerate(h5["change/sample"][:3]):
        part = study.margin_change(PRUNED, sample, condition)
        assert np.array_equal(part.pixels, group["pixel"][i]) and np.array_equal(part.b_node, group["node"][i])
        assert part.total == group["total"][i] and list(part.gates.values()) == list(group["gates"][i])
        assert part.sum == pytest.approx(part.total, abs=1e-3)


def test_what_is_made_of_an_answer_changes_no_other(path):
    """Nor does anything hold a study that nobody holds any more."""
    with facet.open(path) as opened:
        before, found = opened.accuracy(fold=False), opened.summary("accuracy")
        found *= 100
        assert opened.accuracy(fold=False).equals(before) and opened.linear("dense") is opened.linear("dense")
        alive = weakref.ref(opened)
    del opened
    gc.collect()
    assert alive() is None


def test_class_damage(study, h5):
    table, by_class = study.class_damage("fog/1"), h5["summary/by_class/accuracy_mean"][:, index(h5, "condition", "fog/1")]
    seeds = [index(h5, "variant", f"magnitude-global-0.9-s{s}") for s in (1, 2)]
    np.testing.assert_allclose(table.loc["magnitude-global-0.9"], (by_class[seeds] - by_class[0]).mean(axis=0), atol=1e-15)
    assert list(table.columns) == ["dress", "coat", "bag", "boot"] and (table.loc["dense"] == 0).all()


def test_patterns(study, h5):
    regions, group, c = study.regions(), h5["census"][PRUNED], index(h5, "condition", "gaussian_noise/5")
    assert set(regions.index) == {(v, str(k)) for v in ("dense", PRUNED) for k in h5["condition"].asstr()[:]}
    shared = group["shared"][c]
    assert regions.loc[(PRUNED, "gaussian_noise/5")].tolist() == [
        h5["census/regions"][index(h5, "variant", PRUNED), c], shared.max(), (shared == 1).sum()]
    gates = study.gates(PRUNED, "gaussian_noise/5")
    assert gates.index.tolist() == group["gate"].asstr()[:].tolist() and gates["elements"].sum() == len(group["element"])
    assert gates["dead"].tolist() == group["dead"][c].tolist()
    assert np.allclose(gates["distance_clean"], group["distance"][c, :, 1].mean(axis=0))
    assert np.array_equal(study.pattern_distance(PRUNED, "gaussian_noise/5", "clean"), group["distance"][c, :, 1].sum(axis=1))
    assert (study.pattern_distance("dense") == 0).all()


def test_layer_sparsity(study, h5):
    table = study.layer_sparsity()
    seeds = [h5[f"variants/magnitude-global-0.9-s{s}"].attrs for s in (1, 2)]
    assert list(table.columns[:-1]) == list(seeds[0]["layer"])
    np.testing.assert_allclose(table.loc["magnitude-global-0.9"].iloc[:-1], np.mean([s["layer_achieved"] for s in seeds], axis=0))
    assert table.loc["magnitude-global-0.9", "whole network"] == np.mean([s["achieved"] for s in seeds])


def test_costs_and_those_that_nothing_beats(study, h5):
    assert np.array_equal(study.cost("flops_sparse"), h5["cost/flops_sparse"][:]) and set(study.costs()) == set(h5["cost"])
    table = study.pareto("flops_sparse")
    groups = [h5["variants/" + v].attrs["replicate"] for v in h5["variant"].asstr()[:]]
    for name, line in table.iterrows():
        mine = [i for i, group in enumerate(groups) if group == name]
        assert line["flops_sparse"] == h5["cost/flops_sparse"][:][mine].mean()
        beaten = [other for _, other in table.iterrows() if other["flops_sparse"] <= line["flops_sparse"]
                  and other["accuracy"] >= line["accuracy"]
                  and (other["flops_sparse"] < line["flops_sparse"] or other["accuracy"] > line["accuracy"])]
        assert line["best"] == (not beaten)
    assert table["flops_sparse"].is_monotonic_increasing and table["best"].any()


def test_tidy_tables(study, h5):
    table = study.table("geometry/margin", "prediction/loss", condition="fog/5")
    assert list(table.columns) == ["variant", "sample", "margin", "loss"]
    c = index(h5, "condition", "fog/5")
    assert np.array_equal(table["margin"], h5["geometry/margin"][:, c].ravel())
    assert np.array_equal(table["loss"], h5["prediction/loss"][:, c].ravel())
    assert (table["variant"].to_numpy().reshape(5, -1).T == h5["variant"].asstr()[:]).all()
    with pytest.raises(facet.StudyError, match="no one table holds them"):
        study.table("geometry/margin", "summary/margin")


# ---- names ----


@pytest.mark.parametrize("ask, words", [
    (lambda s: s.contributions("dense", 7, "dres"), "no class is called dres: did you mean dress"),
    (lambda s: s.contributions("dense", 100, "dress"), "sample 100 is not linearized; 40 are, 0 to 39"),
    (lambda s: s.contributions("dense", 130, "dress"), "no sample 130; there are 0 to 129"),
    (lambda s: s.contributions("dense", -1, "dress"), "no sample -1"),
    (lambda s: s.linear("dense").find(7, "Coat"), "no class is called Coat: did you mean coat"),
    (lambda s: s.linear("dense").find(7, 9), "no class 9; there are 0 to 3"),
    (lambda s: s.linear("dense").has(7, "nope"), "no class is called nope; there are: dress, "),
    (lambda s: s.linear("dense").has(7, -1), "no class -1; there are 0 to 3"),
    (lambda s: s.linear("dense").contribution("dres"), "no class is called dres: did you mean dress"),
    (lambda s: s.linear("dense").contribution(-1), "no class -1; there are 0 to 3"),
    (lambda s: s.attributions("dense", 3).of("gradient", "dres"), "no class is called dres: did you mean dress"),
    (lambda s: s.attributions("dense", 3).of("gradient", -1), "no class -1; there are 0 to 3"),
    (lambda s: s.contributions("dense", 7, 1.5), "a class is a name or a whole number, not 1.5"),
    (lambda s: s.image(7.5), "no sample 7.5; there are 0 to 129"),
    (lambda s: s.linear("densse"), "no variant is called densse: did you mean dense"),
    (lambda s: s.cost("flop"), "no cost is called flop: did you mean flops"),
    (lambda s: s.recipe("nope"), "no variant is called nope; there are: dense, "),
    (lambda s: s.warnings("nope"), "no variant is called nope"),
    (lambda s: s.accuracy("fog"), "no condition is called fog: did you mean fog/"),
    (lambda s: s.class_damage(origin="dens"), "did you mean dense"),
    (lambda s: s.gates("magnitude-global-0.5-s1"), "patterns of magnitude-global-0.5-s1 were not counted"),
    (lambda s: s.pattern_distance("dense", reference="clear"), "did you mean clean"),
    (lambda s: s.fragile(3, "cot"), "did you mean coat"),
    (lambda s: s.fragile(-3), "-3 samples"),
    (lambda s: s.class_damage(""), "no condition is called ;"),
    (lambda s: s.gates("dense", ""), "no condition is called ;"),
    (lambda s: s.pareto(condition=""), "no condition is called ;"),
    (lambda s: s.group_change(PRUNED, "class/dress", ""), "no condition is called ;"),
    (lambda s: s.summary("by_class"), "no summary is called by_class; there are: accuracy"),
    (lambda s: s.plot.facet_limits("one"), "no norm is called one; there are: max, two"),
    (lambda s: s.geometry("angel"), "no geometry is called angel: did you mean angle"),
    (lambda s: s.geometry("angle", "dense", "cleen"), "did you mean clean"),
    (lambda s: s.summary("acuracy"), "no summary is called acuracy: did you mean accuracy"),
    (lambda s: s.labelled("geometry/angel"), "did you mean geometry/angle"),
    (lambda s: s.labelled("geometry/angle", colour=1), "has no dimension colour; it has: variant, condition, sample"),
    (lambda s: s.labelled("geometry/angle", variant="dence"), "no variant is called dence: did you mean dense"),
    (lambda s: s.labelled("geometry/angle", variant=5), "variant 5 is not in 0..4"),
    (lambda s: s.labelled("linear/dense/b", linear_sample=99), "no linear_sample is called 99"),
    (lambda s: s.margin_change("dense", 3), "the change of margin of dense is not taken apart; those of: magnitude"),
    (lambda s: s.margin_change(PRUNED, 3, "fog/1"), "under fog/1 is not taken apart; 'conditions' in 'change' does not name it"),
    (lambda s: s.integrated_gradients("magnitude-global-0.5-s1", s.numbers("paths")[0]), f"is not there; those in: dense, {PRUNED}"),
    (lambda s: s.integrated_gradients("dense", 7, "fog/1"), "is not there"),
    (lambda s: s.position("dense", 99), "position of sample 99 of dense is not explained"),
    (lambda s: s.row("dense", 7, 8), "no class 8"),
    (lambda s: s.image(1000), "no sample 1000"),
    (lambda s: s.line("dense", "a"), "line a of dense is not there; "),
    (lambda s: s.plane("dense", "a"), "plane a of dense is not there; "),
    (lambda s: s.table(), "which array? aggregate/cka, "),
    (lambda s: s.table("geometry/angle", "summary/accuracy"), "summary/accuracy has the dimensions variant, condition: no one table holds them"),
    (lambda s: s.method_agreement("dense", "spear"), "no figure of agreement is called spear: did you mean spearman"),
    (lambda s: s.attributions("dense", 3).of("gradent"), "no method of attribution is called gradent: did you mean gradient"),
    (lambda s: s.image(s.numbers("change")[0], "fog"), "no condition is called fog: did you mean fog/"),
    (lambda s: s.input(min({*range(30)} - {*s.numbers("change")}), "dense", "fog/5"), "under fog/5 is not there: those of 20 samples are"),
])
def test_what_is_not_there_is_told(study, ask, words):
    with pytest.raises(facet.StudyError) as caught:
        ask(study)
    assert words in str(caught.value) and "\n" not in str(caught.value) and str(caught.value).startswith(f"{study.path}: ")
    assert str(caught.value).count(str(study.path)) == 1


def test_classes_go_by_name_and_by_number(study):
    linear, found = study.linear("dense"), study.attributions("dense", 3)
    assert linear.has(0, "dress") and linear.has(0, 0) and linear.find(7, "coat") == linear.find(7, 1)
    number, name = found.cls[0], found.name[0]
    assert np.array_equal(found.of("gradient", name), found.of("gradient", number))
    other = next(cls for cls in study.classes if cls not in found.name)
    with pytest.raises(facet.StudyError, match=f"class {other} of sample 3 is not explained; explained: {name}$"):
        found.of("gradient", other)
    i = study.numbers("change")[0]
    assert study.margin_change(PRUNED, i, "clean").total == study.margin_change(PRUNED, i).total  # as groups and paths have it


def test_rows_that_are_not_stored_are_told(tmp_path):
    import make_study

    make_study.synthesize(tmp_path / "study.h5", rows="predicted")
    with facet.open(tmp_path / "study.h5") as study:
        with pytest.raises(facet.StudyError, match="sample 7 under gaussian_noise/1 is not there: the file has none"):
            study.image(7, "gaussian_noise/1")
        stored = study.contributions("dense", 7).name
        other = next(name for name in study.classes if name != stored)
        with pytest.raises(facet.StudyError, match=f"class {other} is not stored for sample 7 of dense; stored: {stored}$"):
            study.contributions("dense", 7, other)
        assert not study.linear("dense").has(7, study.classes.index(other))
        with pytest.raises(facet.StudyError, match="no picture|nothing for the picture cka"):
            study.plot.cka()


# ---- labels ----


def test_dimensions_that_occur_twice_have_two_names(study, h5):
    agreement = study.labelled("summary/agreement")
    assert agreement.dims == ("condition", "variant", "variant_2")
    one = agreement.sel(condition="fog/1", variant="dense", variant_2=PRUNED)
    assert one.item() == h5["summary/agreement"][index(h5, "condition", "fog/1"), 0, index(h5, "variant", PRUNED)]
    for path in study.arrays():
        array = study.labelled(path)
        assert len(set(array.dims)) == array.ndim, path
        if not path.startswith(("progress/", "checksum/")):
            assert set(array.dims) == set(array.coords) and array.attrs["units"] and array.attrs["long_name"], path


def test_the_tree_holds_the_file(study, h5):
    tree, found = study.tree(), 0
    for node in tree.subtree:
        for name, array in node.data_vars.items():
            path = f"{node.path}/{name}".replace("//", "/")
            item = h5[path] if path in h5 else h5[f"{node.path}/{name.removeprefix(f'{node.name}_')}"]
            assert array.shape == item.shape, path
            found += 1
    assert found == len(set(study.arrays()) - {"linear/sample", "change/sample"}) and tree["embed"].sizes["sample"] == 130
    assert tree["embed/dense/W"].sizes["embed_sample"] == 30 and tree["linear/dense/W"].sel(linear_sample=7).shape == (4, 1, 12, 12)


def test_arrays_are_read_when_they_are_used(path):
    with facet.open(path) as study:
        w, tree = study.labelled("linear/dense/W"), study.tree()
        one = w.isel(linear_sample=[5, 2], k=0).values
        assert np.array_equal(one, study.file["linear/dense/W"][()][[5, 2], 0])
    with pytest.raises(Exception):  # the file is closed: nothing was read before  # noqa: B017
        w.values  # noqa: B018
    assert tree is not None


# ---- the package ----

QUIET = """
import sys, matplotlib
before = dict(dict.items(matplotlib.rcParams))  # as it is: asking for the backend would choose one
import facet, pkgutil, importlib
light = [name for name in ("xarray", "pandas", "jinja2", "torch", "onnx") if name in sys.modules]
for module in pkgutil.walk_packages(facet.__path__, "facet."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
with facet.open(sys.argv[1]) as study:
    study.plot.accuracy_by_sparsity().png()
after = dict(dict.items(matplotlib.rcParams))
print(light, [key for key in before if after[key] is not before[key] and after[key] != before[key]], "matplotlib.pyplot" in sys.modules)
"""


def test_nothing_happens_on_import(path):
    import matplotlib.font_manager  # noqa: F401  makes its list of fonts where there is none yet, which would be said

    done = subprocess.run([sys.executable, "-c", QUIET, path], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[] [] False\n", "")


def test_reprs_say_what_is_there(study):
    assert repr(study).startswith("<facet.Study small: 5 variants (3 without seeds, 5 linearized) x 5 conditions x 130 samples")
    for thing in (study.linear("dense"), study.contributions("dense", 7), study.contrast("dense", 7, 0, 1),
                  study.position("dense", 7), study.plot, study.margin_change(PRUNED, study.file["change/sample"][0])):
        assert repr(thing).startswith(f"<facet.{type(thing).__name__} of ") or "facet.Contributions to" in repr(thing)


def test_the_version_is_the_library_s():
    base = (ROOT / "include/facet/base.h").read_text()
    assert facet.__version__ == ".".join(re.findall(r"define FACET_VERSION_(?:MAJOR|MINOR|PATCH) +(\d+)", base))


def test_every_module_is_in_the_wheel():
    import tomllib

    about = tomllib.loads((ROOT / "analysis/pyproject.toml").read_text())
    packages = {str(init.parent.relative_to(ROOT / "analysis")).replace("/", ".") for init in ROOT.glob("analysis/facet/**/__init__.py")}
    assert set(about["tool"]["setuptools"]["packages"]) == packages
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "analysis/requirements.txt").read_text().splitlines() if "==" in line}
    wanted = {re.split("[<>=]", name)[0].lower() for name in about["project"]["dependencies"]}
    assert wanted <= pinned


def test_the_page_runs(path, monkeypatch, capsys):
    monkeypatch.chdir(path.parent)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.DOTALL)
    assert len(blocks) > 4
    names = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert "no class is called Dres: did you mean dress? There are:" in capsys.readouterr().out
    why = names["why"]
    assert why.pixels.sum() + why.b == pytest.approx(why.output, abs=1e-4)
    assert (path.parent / "accuracy.pdf").read_bytes()[:5] == b"%PDF-" and names["picture"].caption
    names["study"].close()


def test_the_page_names_every_command():
    from facet.__main__ import COMMANDS

    page = (ROOT / "docs/python.md").read_text()
    assert list(dict.fromkeys(re.findall(r"^\| `\.venv/bin/python -m facet (\w+)", page, re.MULTILINE))) == list(COMMANDS)


def test_all_names_are_offered_and_written_down():
    """What a repr calls facet.X is facet.X, and docs/python.md, whose tables are made of the docstrings, has every name."""
    said = {name for file in (ROOT / "analysis/facet").rglob("*.py") for name in re.findall(r"<facet\.(\w+)", file.read_text())}
    assert len(said) > 20 and said <= set(facet.__all__)
    page = (ROOT / "docs/python.md").read_text()
    for name in facet.__all__:
        assert getattr(facet, name).__doc__ and f"| `facet.{name}" in page, name
    for name in [name for kind in (facet.Study, facet.Network) for name in dir(kind) if name[0] != "_"]:
        assert re.search(rf"^\| `(study|network)\.{name}\b", page, re.M), name
    for name in [name for name in dir(facet.Plots) if name[0] != "_"]:
        assert f"| `study.plot.{name}(" in page, name


def test_every_picture_is_drawn(study):
    names = [name for name in dir(type(study.plot)) if name[0] != "_"]
    asked = {"contributions": ("dense", 7, "dress"), "contrast": ("dense", 7), "gallery": ("dense",), "gallery_contrasts": ("dense",),
             "ways": ("dense",), "nearest_points": ("dense",), "margin_change": (PRUNED, study.file["change/sample"][0]), "group_change": (PRUNED,)}
    for name in names:
        try:
            picture = getattr(study.plot, name)(*asked.get(name, ()))
        except facet.StudyError:
            assert name == "gallery_changed"  # pruning may have changed no sample that was linearized
            continue
        assert picture.caption and len(picture.axes) > 0, name
    radii = study.plot.facet_radii()  # of its replicates the second alone was measured
    assert [text.get_text() for text in radii.legends[0].get_texts()] == ["dense", PRUNED] and "the first seed that was measured" in radii.caption


def test_tables_in_parquet(path, tmp_path, h5):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (make test installs it)")
    assert main(["parquet", str(path), "--out", str(tmp_path)]) == 0
    samples = pandas.read_parquet(tmp_path / "samples.parquet")
    assert np.array_equal(samples["margin"], h5["geometry/margin"][:].ravel())
    assert np.array_equal(samples["class"], h5["prediction/class"][:].ravel())
    mine = samples[(samples["variant"] == PRUNED) & (samples["condition"] == "fog/5")]
    assert np.array_equal(mine["loss"], h5["prediction/loss"][index(h5, "variant", PRUNED), index(h5, "condition", "fog/5")])
    variants = pandas.read_parquet(tmp_path / "variants.parquet")
    assert list(variants["flops"]) == list(h5["cost/flops"][:]) and "method" in variants
    summary = pandas.read_parquet(tmp_path / "summary.parquet")
    assert np.array_equal(summary["accuracy"], h5["summary/accuracy"][:].ravel())


def test_an_unknown_command_is_usage(capsys):
    assert main(["reprot"]) == 64 and main([]) == 64
    assert main(["--version"]) == 0 and capsys.readouterr().out == f"facet {facet.__version__}\n"
