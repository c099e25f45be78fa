"""What a study says its variants cost, how replicates are summarised, and what it warns of."""

import h5py
import numpy as np
import onnx
import pytest

from conftest import STUDY, checksum, make_digits, run

HEAD = STUDY.split("variants:")[0]
VARIANTS = """\
variants:
- {method: [finetune, lth], sparsity: 0.8, seeds: [1, 2, 5], budget: {epochs: 2, rate: 0.05}}
- {method: random, sparsity: 0.5, seeds: [1, 2, 3]}
- {method: filter, sparsity: 0.5}
- {name: empty, method: magnitude, scope: layer, sparsity: 0.9999, allow_collapse: true}
- {name: wild, method: finetune, sparsity: 0.5, budget: {epochs: 30, rate: 100, decay: 0.1}}
conditions: [clean, {corruption: gaussian_noise, severity: 3}]
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("costs")
    make_digits(folder)
    (folder / "study.yaml").write_text(HEAD + VARIANTS)
    done = run("run", folder / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / "out/study.h5") as h5:
        yield folder, h5, [name.decode() for name in h5["variant"][:]], done.stderr


def test_training_costs(study):
    folder, h5, names, _ = study
    steps = 600 // 32  # what does not fill a batch is left out
    for i, name in enumerate(names):
        trained = name == "dense" or "finetune" in name or "lth" in name
        assert h5["cost/epochs"][i] == (2 if trained else 0), name
        assert h5["cost/samples"][i] == (2 * steps * 32 if trained else 0)
        assert h5["cost/epochs_before"][i] == (0 if name == "dense" or "lth" in name else 2)
        assert h5["cost/train_seconds"][i] > 0 if trained else h5["cost/train_seconds"][i] == 0
        assert 0 < h5["cost/forward_seconds"][i] < 1


def origins(h5):
    return {name: (group.attrs["parent"], group.attrs["operation"]) for name, group in h5["variants"].items()}


def test_where_each_came_from(study, tmp_path):
    """Of networks that are trained here, and of those that are read from elsewhere."""
    folder, h5, _, _ = study
    found = origins(h5)
    assert found["dense"] == ("", "train") and found["finetune-global-0.8-s1"] == ("dense", "prune, train")
    assert found["lth-global-0.8-s2"] == ("", "train, prune, rewind weights")
    assert found["random-global-0.5-s3"] == found["empty"] == found["filter-global-0.5"] == ("dense", "prune")
    make_digits(tmp_path)
    network = folder / "out/variants/dense.onnx"
    recipes = f"""\
variants:
- {{name: other, onnx: {folder}/out/variants/random-global-0.5-s1.onnx}}
- {{method: magnitude, sparsity: 0.5, retrain: {{epochs: 1}}}}
- {{method: filter, sparsity: 0.5, remove_dead: true, retrain: {{epochs: 1}}}}
- {{method: lth, sparsity: 0.5, budget: {{epochs: 2}}}}
"""
    (tmp_path / "study.yaml").write_text(HEAD.split("model:")[0] + f"model: {{onnx: {network}}}\n" + recipes)
    assert run("run", tmp_path / "study.yaml").returncode == 0
    with h5py.File(tmp_path / "out/study.h5") as read:
        assert origins(read) == {"dense": ("", "load"), "other": ("", "load"), "magnitude-global-0.5": ("dense", "prune, train"),
                                 "filter-global-0.5": ("dense", "prune, remove dead channels, train"),
                                 "lth-global-0.5": ("dense", "train, prune, rewind weights")}  # its first weights are dense's


def test_arithmetic_and_bytes(study):
    folder, h5, names, _ = study
    for i, name in enumerate(names):
        table = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(folder / f"out/variants/{name}.onnx").graph.initializer}
        weights = [t for t in table.values() if t.ndim in (2, 4)]
        positions = [144, 36, 1, 1]  # 12 x 12, pooled, then flat
        assert len(weights) == 4
        assert h5["cost/flops"][i] == 2 * sum(w.size * p for w, p in zip(weights, positions))
        assert h5["cost/flops_sparse"][i] == 2 * sum(np.count_nonzero(w) * p for w, p in zip(weights, positions))
        parameters = [t for t in table.values() if t.dtype == np.float32]
        assert h5["cost/parameters"][i] == sum(t.size for t in parameters)
        assert h5["cost/bytes"][i] == 4 * sum(t.size for t in parameters)
        assert h5["cost/bytes_sparse"][i] == 4 * sum(np.count_nonzero(t) for t in parameters)


def test_replicates(study):
    _, h5, names, _ = study
    groups = [h5[f"variants/{name}"].attrs["replicate"] for name in names]
    assert groups[1:4] == ["finetune-global-0.8"] * 3 and groups[4] == "lth-global-0.8"
    assert [h5[f"variants/{name}"].attrs["seed"] for name in names[1:4]] == [1, 2, 5]
    replicates = [name.decode() for name in h5["replicate"][:]]
    assert replicates == list(dict.fromkeys(groups))
    for what in ("accuracy", "loss", "angle", "length", "margin"):
        values = h5[f"summary/{what}"][:]
        for r, name in enumerate(replicates):
            of = values[[i for i, group in enumerate(groups) if group == name]]
            assert h5["replicates/size"][r] == len(of)
            np.testing.assert_allclose(h5[f"replicates/{what}_mean"][r], of.mean(0), rtol=1e-12)
            if len(of) > 1:
                np.testing.assert_allclose(h5[f"replicates/{what}_deviation"][r], of.std(0, ddof=1), rtol=1e-9, atol=1e-15)
            else:
                assert np.isnan(h5[f"replicates/{what}_deviation"][r]).all()
    random = h5["summary/accuracy"][names.index("random-global-0.5-s1") : names.index("random-global-0.5-s3") + 1, 0]
    assert len(set(random)) > 1  # seeds do something


def test_warnings(study):
    _, h5, names, said = study
    warnings = list(h5["variants/empty"].attrs["warnings"])
    assert len(warnings) == 4 and all("has lost all its" in line for line in warnings)
    for line in warnings:
        assert f"facet: warning: empty: {line}" in said
    assert "warnings" not in h5["variants/dense"].attrs
    assert "wild" not in names
    (line,) = h5.attrs["diverged"]
    assert "wild" in line and "no longer finite" in line
    assert said.rstrip().endswith(f"a variant is missing: {line}")


def test_a_later_run_knows_what_diverged_and_how_long_it_took(study):
    folder, h5, names, _ = study
    before, result = checksum(folder / "out/study.h5"), h5["cost/train_seconds"][:]
    (folder / "out/study.h5").rename(folder / "out/kept.h5")
    done = run("run", folder / "study.yaml", ranks=3)
    assert done.returncode == 0 and "train wild" not in done.stderr.split("a variant is missing")[0]
    with h5py.File(folder / "out/study.h5") as again:
        np.testing.assert_allclose(again["cost/train_seconds"][:], result, atol=1e-3)
    assert checksum(folder / "out/study.h5") == before
    (folder / "out/variants/left.checkpoint").write_text("of a killed run")
    run("run", "--fresh", folder / "study.yaml", ranks=2)
    assert not (folder / "out/variants/left.checkpoint").exists()
    assert checksum(folder / "out/study.h5") == before


def test_check_says_it_all_before(study):
    folder, _, names, _ = study
    done = run("check", folder / "study.yaml", "--verbose")
    assert done.returncode == 0
    lines = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line.endswith(("yes", "no")) and line[0] != " "}
    assert set(names) <= set(lines) and "wild" in lines
    assert lines["lth-global-0.8-s5"][4:6] == ["5", "2"] and lines["dense"][3:5] == ["3", "2"]
    assert "training         44 epochs" in done.stdout
