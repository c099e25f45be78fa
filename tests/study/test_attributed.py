"""Attributions in a study: those of the library (which test_attributions.py holds against Captum and Quantus), the same on any
number of ranks, in dense and pruned; going on, edited, and in Python and the report."""

import re
import shutil

import facet  # in conftest's path
import h5py
import numpy as np
import pytest
from conftest import STUDY, checksum, foretold, make_digits, normalised, own_lines, run, sections

HEAD = STUDY.split("variants:")[0].replace("epochs: 2", "epochs: 1")
SAMPLES, PRUNED = 3, "magnitude-global-0.5"
ASKED = "rows: {top: 2}, baseline: 30, steps: 9, noisy: 4, noise: 0.2, gamma: 0.5, points: 12, perturbations: 3, radius: 0.05"
HOW = {"steps": 9, "noisy": 4, "noise": 0.2, "gamma": 0.5, "seed": 3}


def write(folder, out, asked, more=""):
    text = HEAD.replace("output: out", f"output: {out}") + "variants: [{method: magnitude, sparsity: 0.5}]\n"
    (folder / "study.yaml").write_text(f"{text}attributions: {{samples: {SAMPLES}, {asked}}}\n{more}")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attributed")
    make_digits(folder, train=160, test=40)
    sums = []
    for ranks in (1, 2, 3):
        write(folder, f"out{ranks}", ASKED, "precision: double\n")
        done = run("run", folder / "study.yaml", ranks=ranks)
        assert done.returncode == 0, done.stderr
        sums.append(checksum(folder / f"out{ranks}/study.h5"))
    assert sums[0] == sums[1] == sums[2]
    with h5py.File(folder / "out1/study.h5") as h5:
        yield folder, h5


def test_they_are_the_librarys(study):
    folder, h5 = study
    x, baseline = normalised(h5["image"][:SAMPLES]), normalised(np.full((1, 12, 12), 30.0))
    assert list(h5["attributions/method"].asstr()) == facet.attribution_methods() and h5["attributions"].attrs["baseline"] == 30
    for variant in ("dense", PRUNED):
        group = h5[f"attributions/{variant}"]
        with facet.Network(folder / f"out1/variants/{variant}.onnx", precision="double") as network:
            found = network.attributions(x, baseline, top=2, **HOW)
            faith = network.faithfulness(x, found, points=12, perturbations=3, radius=0.05, **HOW)
        assert np.array_equal(group["row"][:], found.row)
        by_method = {"attribution": found.attribution, "deletion": faith.deletion, "insertion": faith.insertion, "infidelity": faith.infidelity,
                     "sensitivity": faith.sensitivity, "deletion_area": faith.area("deletion"), "insertion_area": faith.area("insertion")}
        for name, wanted in by_method.items():
            assert np.isfinite(wanted).all() and np.ptp(wanted) > 0
            np.testing.assert_allclose(group[name][:], np.swapaxes(wanted, 0, 1), rtol=1e-9, atol=1e-10, err_msg=name)
        np.testing.assert_allclose(group["spearman"][:], np.moveaxis(faith.agreement, 0, 2), rtol=0, atol=1e-9)
        assert np.all(np.diagonal(group["overlap"][:]) == 1) and group["overlap"][:].min() >= 0


def test_parts_of_the_logit_add_up(study):
    _, h5 = study
    group, names = h5["attributions/dense"], facet.attribution_methods()
    way, steps = (group["attribution"][names.index(name)].reshape(SAMPLES, 2, -1).sum(2)
                  for name in ("exact_integrated_gradients", "integrated_gradients"))
    deep = group["attribution"][names.index("deeplift")].reshape(SAMPLES, 2, -1).sum(2)
    np.testing.assert_allclose(deep, way, rtol=0, atol=1e-9)
    assert 0 < np.abs(steps - way).max() < 0.2 * np.abs(way).max()


def test_what_was_lost_is_made_again(study):
    folder, _ = study
    out = folder / "out2"
    before = checksum(out / "study.h5")
    with h5py.File(out / "study.h5", "r+") as h5:
        h5["attributions/dense/attribution"][:, 1] = np.nan
        h5["attributions/dense/spearman"][:, :, 1] = np.nan
        h5["progress/attributions"][0, 1] = 0
    write(folder, "out2", ASKED, "precision: double\n")
    done = run("run", folder / "study.yaml")
    assert done.returncode == 0, done.stderr
    assert checksum(out / "study.h5") == before
    again = run("run", folder / "study.yaml", ranks=2)
    assert again.returncode == 0 and "attributions:" not in again.stderr, again.stderr
    done = run("verify", "--tiles", 1, out / "study.h5")
    assert done.returncode == 0 and "of attributions, computed again" in done.stdout, done.stdout + done.stderr
    done = run("check", folder / "study.yaml")
    assert done.returncode == 0 and foretold(done.stdout, "attributions") == (6, 6)


def test_an_edited_study_takes_them_over(study):
    """More samples: those that there are stay. Another setting: all are made anew."""
    folder, _ = study
    write(folder, "edited", ASKED)
    assert run("run", folder / "study.yaml").returncode == 0
    for asked, made in ((ASKED.replace("rows:", "variants: dense, rows:"), 0), (ASKED.replace("steps: 9", "steps: 8"), 6)):
        write(folder, "edited", asked)
        done = run("run", folder / "study.yaml")
        assert done.returncode == 0, done.stderr
        said = re.search(r"^attributions: (\d+) attributions in", done.stderr, re.M)
        assert (int(said[1]) if said else 0) == made, done.stderr


def test_methods_of_choice_without_faithfulness(study):
    folder, whole = study
    write(folder, "few", ASKED + ", methods: [deeplift, gradient], faithfulness: false, variants: dense", "precision: double\n")
    done = run("run", folder / "study.yaml")
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / "few/study.h5") as h5:
        assert sorted(h5["attributions"]) == ["attributions_row", "attributions_sample", "dense", "method"]
        assert list(h5["attributions/method"].asstr()) == ["gradient", "deeplift"]
        assert "deletion" not in h5["attributions/dense"]
        for i, name in enumerate(("gradient", "deeplift")):
            assert np.array_equal(h5["attributions/dense/attribution"][i], whole["attributions/dense/attribution"][facet.attribution_methods().index(name)])
    opened = facet.open(folder / "few/study.h5")
    with pytest.raises(facet.StudyError, match="was not measured"):
        opened.faithfulness()


def test_python(study):
    from facet.report.numbers import rounded

    folder, h5 = study
    opened = facet.open(folder / "out1/study.h5")
    found = opened.attributions(PRUNED, 2)
    assert found.pixels.shape == (9, 2, 1, 12, 12) and "deeplift" in repr(found)
    assert np.array_equal(found.of("deeplift", found.cls[1]), h5[f"attributions/{PRUNED}/attribution"][7, 2, 1])
    with pytest.raises(facet.StudyError, match="no attributions of sample 9; those of 3 samples are"):
        opened.attributions("dense", 9)
    with pytest.raises(facet.StudyError, match="called gradcamm: did you mean gradcam"):
        found.of("gradcamm")
    table = opened.faithfulness()
    assert table.loc[("dense", "smoothgrad"), "deletion"] == pytest.approx(h5["attributions/dense/deletion_area"][4].mean())
    every = opened.faithfulness(fold=False)
    assert len(every) == 2 * 9 * SAMPLES * 2
    assert every.loc[(PRUNED, "lrp_gamma", 1, 1), "infidelity"] == h5[f"attributions/{PRUNED}/infidelity"][6, 1, 1]
    assert every.loc[(PRUNED, "lrp_gamma", 1, 1), "class"] == h5[f"attributions/{PRUNED}/row"][1, 1]
    agreement = opened.method_agreement("dense")
    assert agreement.loc["gradient", "deeplift"] == pytest.approx(h5["attributions/dense/spearman"][0, 7].mean())
    text = re.sub(r"<td[^>]*>", "<td>", sections(folder / "out1/study.h5", "attributions"))
    for what in ("spearman", "overlap"):
        value = opened.method_agreement("dense", what).loc["lrp_gamma", "exact_integrated_gradients"]
        assert f"<td>{rounded(value, 2)}</td>" in text[text.index("LRP-γ"):].partition("</tr>")[0], what
    for picture in (opened.plot.attributions(1), opened.plot.faithfulness_curves(), opened.plot.agreement_of_methods()):
        assert picture.caption and len(picture.png()) > 10_000


def test_the_class_that_is_predicted_is_shown(study, tmp_path):
    """Wherever its row is: here behind the other one."""
    folder, h5 = study
    shutil.copyfile(folder / "out1/study.h5", tmp_path / "study.h5")
    with h5py.File(tmp_path / "study.h5", "r+") as turned:
        for name, axis in (("row", 1), ("attribution", 2)):
            turned[f"attributions/dense/{name}"][...] = np.flip(h5[f"attributions/dense/{name}"][()], axis)
    with facet.open(tmp_path / "study.h5") as opened:
        predicted = int(opened.prediction("class", "dense", "clean")[1])
        assert opened.attributions("dense", 1).cls[1] == predicted
        drawn = opened.plot.attributions(1, limit=1)
        assert drawn.axes[0].get_xlabel() == opened.classes[predicted]
        gradient = next(axis for axis in drawn.axes if axis.get_title() == "gradient")
        assert np.array_equal(gradient.images[0].get_array(), h5["attributions/dense/attribution"][0, 1, 0].sum(axis=0))


@pytest.mark.parametrize("asked, wanted", [
    ("methods: gradcamm", "study.yaml:13: attributions.methods: "),
    ("variants: nobody", "attributions.variants: "),
    ("epsilon: 0", "attributions.epsilon: "),
    ("radius: 0", "attributions.radius: "),
])
def test_errors_are_one_line(study, asked, wanted):
    folder, _ = study
    write(folder, "wrong", asked)
    done = run("check", folder / "study.yaml")
    assert done.returncode == 65 and len(own_lines(done)) == 1 and wanted in done.stderr, done.stderr
