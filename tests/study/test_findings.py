"""What the findings say, held against scipy on the study's own arrays: who has failed, who is best, what margins
explain, which classes and corruptions pay, and which samples every method loses."""

import json
import re
import shutil

import h5py
import numpy as np
import pytest

from conftest import run, write_idx

stats = pytest.importorskip("scipy.stats", reason="the Python package scipy is not installed")

VARIANTS = """\
variants:
  - {method: [magnitude, random], scope: global, sparsity: [0.6, 0.8], seeds: [1, 2, 3], retrain: {epochs: 1}}
  - {method: gmp, scope: global, sparsity: 0.8, seeds: [1, 2], budget: {epochs: 2}}
  - {method: random, scope: layer, sparsity: 0.99}
"""
STUDY = """\
study: small
seed: 3
output: out
block: 50
data:
  train: {format: idx, images: train-images, labels: train-labels}
  test: {format: idx, images: test-images, labels: test-labels}
  classes: [one, two, three, "f\\"our"]
  normalize: {scale: 255, mean: [0.3], std: [0.3]}
model:
  architecture: {conv: [4], dense: [12]}
  train: {epochs: 4, batch: 32, micro_batch: 8, rate: 0.05}
""" + VARIANTS + """\
conditions:
  - clean
  - {corruption: [gaussian_noise, contrast], severity: [1, 3]}
"""


def hard(folder, test=311):
    """Four classes that are told apart most of the time."""
    random = np.random.default_rng(7)
    for name, count in (("train", 600), ("test", test)):
        labels = random.integers(0, 4, count)
        images = random.integers(0, 150, (count, 12, 12))
        for i, label in enumerate(labels):
            row, column = divmod(int(label), 2)
            images[i, 1 + 6 * row : 5 + 6 * row, 1 + 6 * column : 5 + 6 * column] += random.integers(0, 100)
        write_idx(folder / f"{name}-images", images)
        write_idx(folder / f"{name}-labels", labels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("findings")
    hard(folder)
    (folder / "study.yaml").write_text(STUDY)
    done = run("run", folder / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    return folder


def findings(path):
    """{about: (text, view, numbers)}"""
    with h5py.File(path) as h5:
        columns = [h5["findings"][name].asstr()[:] for name in ("finding", "text", "view", "number")]
    return {about: (text, view, json.loads(number)) for about, text, view, number in zip(*columns)}


class Study:
    """What the findings are made of."""

    def __init__(self, path):
        with h5py.File(path) as h5:
            self.variants, self.conditions = list(h5["variant"].asstr()[:]), list(h5["condition"].asstr()[:])
            self.classes, self.label = list(h5["class"].asstr()[:]), h5["label"][:]
            self.right = h5["prediction/class"][:] == self.label
            self.margin, self.failed = h5["geometry/margin"][0, 0], h5["summary/failed"][:].astype(bool)
            about = [h5["variants"][v].attrs for v in self.variants]
            self.method = [f"{a['method']}-{a['scope']}" for a in about]
            self.sparsity, self.seed = [a["sparsity"] for a in about], [a["seed"] for a in about]
        self.pruned = [v for v in range(1, len(self.variants)) if not self.failed[v]]
        self.sound = self.right[0, 0]

    def networks(self, method, sparsity):
        return [v for v in self.pruned if self.method[v] == method and self.sparsity[v] == sparsity]

    def answers(self, method, sparsity, corrupted):
        """Of each sample, the share of right answers; and of each seed, the accuracy."""
        own = self.networks(method, sparsity)
        part = self.right[own, 1:] if corrupted else self.right[own, :1]
        return part.mean(axis=(0, 1)), {self.seed[v]: row.mean() for v, row in zip(own, part)}


@pytest.fixture(scope="module")
def study(folder):
    return Study(folder / "out/study.h5")


@pytest.fixture(scope="module")
def found(folder):
    return findings(folder / "out/study.h5")


def holm(p):
    order, adjusted, most = np.argsort(p, kind="stable"), np.zeros(len(p)), 0.0
    for place, i in enumerate(order):
        most = adjusted[i] = max(most, min(1, p[i] * (len(p) - place)))
    return adjusted


def sign(difference):
    wins, losses = (difference > 1e-12).sum(), (difference < -1e-12).sum()
    return stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0


def test_who_has_failed(study, found):
    accuracy, chance = study.right[:, 0].mean(axis=1), np.bincount(study.label).max() / len(study.label)
    rule = (accuracy - chance <= 5 * np.sqrt(chance * (1 - chance) / len(study.label))) | (accuracy - chance < (accuracy[0] - chance) / 2)
    assert np.array_equal(study.failed, rule) and study.failed.any() and not study.failed.all()
    text, view, number = found["failed"]
    assert [item["variant"] for item in number["failed"]] == [v for v, bad in zip(study.variants, rule) if bad]
    assert f"{rule.sum()} of {len(study.variants)} variants" in text and all(item["variant"] in text for item in number["failed"][:5])
    assert view.startswith("#view=evaluation&first=dense&second=" + number["failed"][0]["variant"])


def test_slots_follow_from_the_study(found):
    assert list(found) == ["failed", *(f"best of {what} at {s}" for s in ("0.6", "0.8", "0.99") for what in ("clean", "corrupted")),
                           "margin and pruning", "margin and corruption", "classes and pruning", "classes and corruption",
                           "corruption and pruning", "samples lost"]
    assert found["best of clean at 0.99"][0] == "At sparsity 0.99 every variant has failed."


def test_the_best_by_sparsity(study, found):
    """All pairs of methods at a sparsity, clean and corrupted, are one family of tests."""
    family = {}
    for corrupted in (False, True):
        for sparsity in (0.6, 0.8):
            methods = sorted({study.method[v] for v in study.pruned if study.sparsity[v] == sparsity})
            for i, a in enumerate(methods):
                for b in methods[:i]:
                    one, other = (study.answers(m, sparsity, corrupted)[0] for m in (a, b))
                    family[corrupted, sparsity, frozenset((a, b))] = sign(one - other)
    adjusted = dict(zip(family, holm(list(family.values()))))
    compared = 0
    for corrupted in (False, True):
        for sparsity in (0.6, 0.8):
            text, view, number = found[f"best of {'corrupted' if corrupted else 'clean'} at {sparsity:g}"]
            methods = {study.method[v] for v in study.pruned if study.sparsity[v] == sparsity}
            own, seeds = study.answers(number["best"], sparsity, corrupted)
            assert own.mean() == pytest.approx(max(study.answers(m, sparsity, corrupted)[0].mean() for m in methods))
            assert number["accuracy"] == pytest.approx(own.mean()) and number["tests"] == len(family)
            assert {item["with"] for item in number["comparisons"]} == methods - {number["best"]}
            assert f"At sparsity {sparsity:g} " in text and number["best"] in text and f"{100 * own.mean():.2f}\u202f%" in text
            assert "view=evaluation" in view and f"first={number['best']}" in view
            for item in number["comparisons"]:
                other, others = study.answers(item["with"], sparsity, corrupted)
                key = corrupted, sparsity, frozenset((number["best"], item["with"]))
                low, high = stats.ttest_rel(own, other).confidence_interval(0.95)
                assert [item["difference"], item["low"], item["high"]] == pytest.approx([np.mean(own - other), low, high], rel=1e-9, abs=1e-12)
                assert item["p"] == pytest.approx(family[key], rel=1e-9) and item["holm"] == pytest.approx(adjusted[key], rel=1e-9)
                both = sorted(set(seeds) & set(others))
                assert item["seeds"] == len(both)
                if len(both) > 1:
                    test = stats.ttest_rel([seeds[s] for s in both], [others[s] for s in both])
                    assert [item["seed_low"], item["seed_high"]] == pytest.approx(list(test.confidence_interval(0.95)), rel=1e-9)
                    assert item["seed_p"] == pytest.approx(test.pvalue, rel=1e-9)
                compared += 1
            leads = [item["difference"] for item in number["comparisons"]]
            assert leads == sorted(leads)
            first = number["comparisons"][0] if number["comparisons"] else None
            if first:
                sure = first["holm"] < 0.05 and first["low"] > 0
                assert ("is best" in text) == sure and ("no method is shown to be best" in text) == (not sure)
    assert compared > 3


def test_one_network_and_one_condition_is_mcnemar(tmp_path, folder):
    """Two methods, one seed, no corruption, and no other test: the exact test of the discordant pairs as it is."""
    for name in ("train-images", "train-labels", "test-images", "test-labels"):
        shutil.copy(folder / name, tmp_path)
    text = STUDY.replace(VARIANTS, "variants:\n  - {method: [magnitude, taylor], scope: global, sparsity: 0.8}\n")
    (tmp_path / "study.yaml").write_text(re.sub(r"  - \{corruption.*\n", "", text))
    done = run("run", tmp_path / "study.yaml")
    assert done.returncode == 0, done.stderr
    study, found = Study(tmp_path / "out/study.h5"), findings(tmp_path / "out/study.h5")
    if study.failed.any():
        pytest.fail("the variants are no networks to compare: choose others")
    item = found["best of clean at 0.8"][2]["comparisons"][0]
    a, b = study.right[1, 0], study.right[2, 0]
    assert item["p"] == item["holm"] == pytest.approx(stats.binomtest(int((a & ~b).sum()), int((a ^ b).sum())).pvalue, rel=1e-9)
    assert "best of corrupted at 0.8" not in found and "margin and corruption" not in found


def test_what_margins_explain(study, found):
    kept = {"pruning": study.right[study.pruned, 0].mean(axis=0), "corruption": study.right[0, 1:].mean(axis=0)}
    for name, share in kept.items():
        text, view, number = found[f"margin and {name}"]
        rho = stats.spearmanr(study.margin[study.sound], share[study.sound]).statistic
        reach = stats.norm.ppf(0.975) * np.sqrt((1 + rho**2 / 2) / (study.sound.sum() - 3))
        assert [number["spearman"], number["explained"], number["samples"]] == pytest.approx([rho, rho**2, study.sound.sum()], rel=1e-12)
        assert [number["low"], number["high"]] == pytest.approx(list(np.tanh(np.arctanh(rho) + np.array([-reach, reach]))), rel=1e-9)
        assert f"{100 * rho**2:.0f}\u202f%" in text and f"survive {name}" in text
        assert "view=geometry" in view and "metric=margin" in view


def test_which_classes_pay(study, found):
    for name, part in (("pruning", study.right[study.pruned, 0]), ("corruption", study.right[0, 1:])):
        text, view, number = found[f"classes and {name}"]
        gone = study.sound & ((~part).sum(axis=0) * 2 > len(part))
        drops, p = [], []
        for k in range(4):
            own = study.label == k
            table = [[(gone & here).sum(), (study.sound & here).sum() - (gone & here).sum()] for here in (own, ~own)]
            drops.append(study.sound[own].mean() - part[:, own].mean())
            p.append(stats.fisher_exact(table).pvalue)
        assert number["drop"] == pytest.approx(study.sound.mean() - part.mean(), rel=1e-9)
        assert [item["class"] for item in number["classes"]] == study.classes
        for key, wanted in (("drop", drops), ("p", p), ("holm", holm(p))):
            assert [item[key] for item in number["classes"]] == pytest.approx(list(wanted), rel=1e-8, abs=1e-12)
        most = int(np.argmax(drops))
        assert (f"{study.classes[most]} pays most for {name}" in text) == (number["classes"][most]["holm"] < 0.05)
        assert "class=" + study.classes[most].replace('"', "%22") in view


def test_which_corruption_pruning_makes_worse(study, found):
    lost = study.right[:1].astype(float) - study.right[study.pruned]  # by network, condition, sample
    excess = {name: (lost[:, first:first + 2] - lost[:, :1]).mean(axis=(0, 1)) for name, first in (("gaussian_noise", 1), ("contrast", 3))}
    p = [sign(d) for d in excess.values()]
    text, view, number = found["corruption and pruning"]
    assert [item["corruption"] for item in number["corruptions"]] == list(excess)
    for item, difference, own, both in zip(number["corruptions"], excess.values(), p, holm(p)):
        low, high = stats.ttest_1samp(difference, 0).confidence_interval(0.95)
        assert [item["excess"], item["low"], item["high"]] == pytest.approx([difference.mean(), low, high], rel=1e-9)
        assert [item["p"], item["holm"]] == pytest.approx([own, both], rel=1e-9)
    assert max(excess, key=lambda name: excess[name].mean()) in text


def test_which_samples_every_method_loses(study, found):
    methods = sorted({study.method[v] for v in study.pruned})
    lost = []
    for method in methods:
        groups = [study.networks(method, s) for s in sorted(set(study.sparsity))]
        lost.append(study.sound & np.any([(~study.right[g, 0]).sum(axis=0) * 2 > len(g) for g in groups if g], axis=0))
    every = np.all(lost, axis=0)
    text, view, number = found["samples lost"]
    share = np.prod([one.sum() / study.sound.sum() for one in lost])
    assert [number["lost"], number["of"], number["methods"]] == [every.sum(), study.sound.sum(), len(methods)] and every.any()
    assert number["expected"] == pytest.approx(share * study.sound.sum(), rel=1e-9)
    assert number["p"] == pytest.approx(stats.binomtest(int(every.sum()), int(study.sound.sum()), share, "greater").pvalue, rel=1e-9)
    wrong = (~study.right[study.pruned]).sum(axis=(0, 1))
    order = sorted(np.flatnonzero(every), key=lambda i: (-wrong[i], i))[:8]
    assert number["samples"] == order and f"sample={order[0]}" in view and f"samples {order[0]}" in text


def test_the_same_on_any_number_of_ranks_and_after_a_stop(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "again")
    path = tmp_path / "again/out/study.h5"
    for ranks in (1, 3):
        with h5py.File(path, "r+") as h5:
            h5["progress/findings"][...] = 0
            for name in ("text", "view", "number"):
                h5["findings"][name][...] = b"?"
            h5["summary/failed"][...] = 7
        done = run("run", tmp_path / "again/study.yaml", ranks=ranks)
        assert done.returncode == 0 and "analyse" not in done.stderr, done.stderr
        with h5py.File(path) as now, h5py.File(folder / "out/study.h5") as then:
            for name in ("findings/text", "findings/view", "findings/number", "summary/failed"):
                assert np.array_equal(now[name][()], then[name][()]), (ranks, name)


def test_without_labels_nothing_is_said(folder, tmp_path):
    shutil.copy(folder / "test-images", tmp_path)
    (tmp_path / "study.yaml").write_text(
        f"study: blind\noutput: out\ndata:\n  test: {{format: idx, images: test-images, count: 20}}\n"
        f"  normalize: {{scale: 255, mean: [0.3], std: [0.3]}}\nmodel: {{onnx: {folder}/out/variants/dense.onnx}}\n"
        "variants:\n  - {method: magnitude, sparsity: 0.5}\n")
    done = run("run", tmp_path / "study.yaml")
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "out/study.h5") as h5:
        assert not any(h5["findings/text"].asstr()[:]) and set(h5["findings/number"].asstr()[:]) == {"{}"}
        assert not h5["summary/failed"][:].any()
