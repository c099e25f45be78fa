"""Studies with every criterion and every method that prunes while it trains: the same bits on any number of ranks, the
sparsity that was asked for, weights as the methods leave them, trainings that diverge, and recipes that are refused."""

import re

import h5py
import numpy as np
import pytest

from conftest import STUDY, checksum, make_digits, own_lines, run

HEAD = STUDY.split("variants:")[0]
SWEEP = """\
variants:
- {method: [random, taylor, snip, grasp, synflow], scope: [global, layer], sparsity: 0.5}
- {method: filter, norm: 2, sparsity: 0.4, remove_dead: true}
- {method: [finetune, gmp, lth, lrr, edge_popup, biprop], sparsity: 0.7, seeds: [1, 2], budget: {epochs: 2, rate: 0.05}}
"""


@pytest.fixture
def folder(tmp_path):
    make_digits(tmp_path)
    return tmp_path


def run_study(folder, variants, name, ranks):
    (folder / f"{name}.yaml").write_text(HEAD.replace("output: out", f"output: {name}") + variants)
    done = run("run", folder / f"{name}.yaml", ranks=ranks)
    assert done.returncode == 0, done.stderr
    return folder / name / "study.h5"


def test_same_bits_for_every_grouping(folder):
    results = [run_study(folder, SWEEP, f"on{ranks}", ranks) for ranks in (1, 2, 3, 4)]
    assert len({checksum(result) for result in results}) == 1
    with h5py.File(results[0]) as h5:
        names = [name.decode() for name in h5["variant"][:]]
        assert len(names) == 1 + 10 + 1 + 12 and "gmp-global-0.7-s2" in names
        for name in names[1:]:
            attributes = h5[f"variants/{name}"].attrs
            if "filter" in name:  # gone altogether
                assert attributes["layer_size"].sum() < h5["variants/dense"].attrs["layer_size"].sum()
            else:
                assert abs(attributes["achieved"] - attributes["sparsity"]) < 2e-3, name


def run_methods(folder, methods, ranks):
    """The folder of the networks that come out."""
    recipe = f"{{method: [{', '.join(methods)}], sparsity: 0.7, budget: {{epochs: 2}}}}"
    return run_study(folder, f"variants:\n- {recipe}\n", f"{len(methods)}-{methods[0]}-on-{ranks}", ranks).parent / "variants"


def test_same_networks_however_ranks_are_shared_out(folder):
    """Alone on all ranks, two or three at a time on groups of equal and of different sizes: the same files."""
    alone = run_methods(folder, ["gmp", "lth", "lrr", "edge_popup", "biprop"], 1)
    for ranks, methods in ((2, ["lth"]), (3, ["biprop"]), (4, ["gmp"]), (3, ["lrr", "edge_popup"]),
                           (4, ["edge_popup", "gmp"]), (4, ["biprop", "lth", "lrr"])):
        there = run_methods(folder, methods, ranks)
        for name in ("dense", *(f"{method}-global-0.7" for method in methods)):
            assert (there / f"{name}.onnx").read_bytes() == (alone / f"{name}.onnx").read_bytes(), (name, methods, ranks)


def weights_of(path):
    onnx = pytest.importorskip("onnx", reason="the Python package onnx is not installed")
    values = {i.name: onnx.numpy_helper.to_array(i) for i in onnx.load(path).graph.initializer}
    return {name: v for name, v in values.items() if v.ndim in (2, 4)}


def test_scores_choose_among_the_first_weights(folder):
    """edge_popup: every weight that stays has the bits of its first value. biprop: in every layer plus or minus the mean
    of those, as they point. At a rate of 1e-30 a step changes no weight: dense shows the first ones."""
    head = HEAD.replace("rate: 0.05", "rate: 1e-30, decay: 0").replace("output: out", "output: first")
    recipe = "{method: [edge_popup, biprop], scope: layer, sparsity: 0.6, budget: {epochs: 2, rate: 0.1}}"
    (folder / "first.yaml").write_text(f"{head}variants:\n- {recipe}\n")
    done = run("run", folder / "first.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    first, popup, binary = (weights_of(folder / f"first/variants/{name}.onnx")
                            for name in ("dense", "edge_popup-layer-0.6", "biprop-layer-0.6"))
    assert len(first) == 4 and first.keys() == popup.keys() == binary.keys()
    moved = 0
    for name, was in first.items():
        assert was.all()
        for now in (popup[name], binary[name]):
            assert np.count_nonzero(now == 0) == np.floor(0.6 * now.size + 0.5)
        kept = popup[name] != 0
        assert np.array_equal(popup[name][kept], was[kept])
        kept = binary[name] != 0
        alpha = np.abs(was[kept].astype(float)).mean()
        np.testing.assert_allclose(binary[name][kept], alpha * np.sign(was[kept]), rtol=1e-6)
        assert len(np.unique(binary[name])) == 3  # -alpha, 0 and alpha, to the bit
        moved += np.count_nonzero((popup[name] != 0) != (binary[name] != 0))
    assert moved > 0  # the two trained their scores to different ends


def test_a_training_that_diverges_costs_its_own_variant(folder):
    """It is told with its step, the same on any number of ranks, and once more at the end."""
    variants = """\
variants:
- {name: wild, method: [finetune, lth], sparsity: 0.5, budget: {epochs: 30, rate: 100, decay: 0.1}}
- {method: magnitude, sparsity: 0.5}
"""
    lost, told = ("wild-finetune", "wild-lth"), []
    for ranks in (1, 3):
        (folder / "wild.yaml").write_text(HEAD.replace("output: out", f"output: wild{ranks}") + variants)
        done = run("run", folder / "wild.yaml", ranks=ranks)
        assert done.returncode == 0, done.stderr
        warnings = [line for line in done.stderr.splitlines() if "warning" in line]
        told.append(sorted(warnings[:2]))
        store = folder / f"wild{ranks}" / "study.h5"
        assert done.stdout.splitlines()[-2].startswith(f"{store}: 2 variants, ")
        assert len(warnings) == 4
        for name, line in zip(lost, warnings[2:]):
            assert line.startswith(f"facet: warning: a variant is missing: train {name}: diverged: at step ")
        with h5py.File(store) as h5:
            assert [name.decode() for name in h5["variant"][:]] == ["dense", "magnitude-global-0.5"]
            assert np.isfinite(h5["summary/accuracy"][:]).all()
    assert told[0] == told[1] and len(told[0]) == 2
    for name, line in zip(lost, told[0]):
        assert re.fullmatch(rf"facet: warning: train {name}: diverged: at step \d+ of epoch \d+ the loss is no longer "
                            rf"finite; lower the rate; the study goes on without {name}", line)


def assert_refused(folder, text, line, words, commands=("check", "run")):
    (folder / "bad.yaml").write_text(text)
    for command in commands:
        done = run(command, folder / "bad.yaml")
        assert done.returncode == 65, (done.returncode, done.stderr)
        errors = own_lines(done)
        assert len(errors) == 1 and errors[0].startswith(f"facet: {folder}/bad.yaml:{line}: {words}")


@pytest.mark.parametrize("variant, words", [
    ("{method: random, sparsity: 1.0}", "variants[0].sparsity: 1.0 is not in [0, 1)"),
    ("{method: lth, sparsity: 0.5}", "variants[0].budget: missing: lth prunes while it trains"),
    ("{method: lth, sparsity: 0.5, budget: {epochs: 1}, rewind: 900}", "variant lth-global-0.5: rewind: "),
])
def test_bad_recipes(folder, variant, words):
    text = HEAD + f"variants:\n- {variant}\n"
    late = "rewind" in variant  # only with the data is it known how many steps there are
    assert_refused(folder, text, text.count("\n"), words, ("run",) if late else ("check", "run"))


@pytest.mark.parametrize("method", ["taylor", "snip", "grasp"])
def test_no_data_to_score_with(folder, method):
    data = "data: {test: {format: idx, images: test-images, labels: test-labels}}\nmodel: {onnx: net.onnx}\n"
    text = data + f"variants:\n- sparsity: 0.5\n  method: {method}\n"
    assert_refused(folder, text, 5, f"variants[0].method: {method} needs data.train, which is missing")


def test_a_mask_of_the_wrong_shape(folder):
    dense = run_study(folder, "", "plain", 1).parent / "variants/dense.onnx"
    weights = weights_of(dense)
    with h5py.File(folder / "masks.h5", "w") as h5:
        for name, value in weights.items():
            h5[f"masks/{name.replace('/', '|')}"] = np.ones(value.shape[::-1], dtype=np.uint8)
    text = HEAD + "variants:\n- {method: magnitude, sparsity: 0.5}\n- {name: mine,\n   mask: masks.h5}\n"
    name, value = next(iter(weights.items()))
    shapes = [" x ".join(map(str, shape)) for shape in (value.shape[::-1], value.shape)]
    words = f"variants[1].mask: {folder}/masks.h5: mask {name} is {shapes[0]} but the weights are {shapes[1]}"
    assert_refused(folder, text, text.count("\n") - 1, words)
    assert "train" not in run("run", folder / "bad.yaml").stderr.split("facet: ")[0]  # nothing was spent on it
