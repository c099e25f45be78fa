"""Studies with every criterion and every method that prunes while it trains: the same bits on any number of ranks, the
sparsity that was asked for, and trainings that diverge."""

import h5py
import numpy as np
import pytest

from conftest import STUDY, checksum, make_digits, run

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
    return folder / name / "study.h5", done.stderr


def test_same_bits_for_every_grouping(folder):
    results = [run_study(folder, SWEEP, f"on{ranks}", ranks)[0] for ranks in (1, 2, 3, 4)]
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
    onnx = pytest.importorskip("onnx")
    values = {i.name: onnx.numpy_helper.to_array(i) for i in onnx.load(folder / "on1/variants/biprop-global-0.7-s1.onnx").graph.initializer}
    weights = [v for v in values.values() if v.ndim in (2, 4)]
    assert len(weights) >= 3
    for weight in weights:  # 0 and plus or minus one number in each layer
        assert len(np.unique(np.abs(weight[weight != 0]))) <= 1


def test_a_training_that_diverges_costs_its_own_variant(folder):
    variants = "variants:\n- {name: wild, method: finetune, sparsity: 0.5, budget: {epochs: 30, rate: 100, decay: 0.1}}\n- {method: magnitude, sparsity: 0.5}\n"
    result, said = run_study(folder, variants, "wild", 2)
    assert "wild" in said and "no longer finite" in said and "step" in said
    with h5py.File(result) as h5:
        assert [name.decode() for name in h5["variant"][:]] == ["dense", "magnitude-global-0.5"]


@pytest.mark.parametrize("variant, message", [
    ("{method: random, sparsity: 1.0}", "sparsity: 1.0 is not in [0, 1)"),
    ("{method: lth, sparsity: 0.5}", "budget: missing: lth prunes while it trains"),
    ("{mask: none.h5}", "none.h5"),
])
def test_bad_recipes(folder, variant, message):
    (folder / "bad.yaml").write_text(HEAD + f"variants:\n- {variant}\n")
    done = run("run", folder / "bad.yaml")
    assert done.returncode in (65, 66) and message in done.stderr and done.stderr.count("facet:") == 1
