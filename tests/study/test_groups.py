"""Changes of margins added up over groups of samples: what is stored of a group is the sum of what is stored of its samples,
and its parts add up; the same on any number of ranks."""

import re

import facet  # in conftest's path
import h5py
import numpy as np
import pytest
from conftest import STUDY, first_table, make_digits, own_lines, run, sections

from facet.plot.words import signed

HEAD = STUDY.split("variants:")[0].replace("epochs: 2", "epochs: 1")
PRUNED, CONDITION = "magnitude-global-0.9", "gaussian_noise/5"
LIGHT, DARK = np.arange(60) % 3 - 1, np.arange(60) % 2 == 0


def write(folder, out, groups):
    text = HEAD.replace("output: out", f"output: {out}") + "variants: [{method: magnitude, sparsity: [0.5, 0.9]}]\n"
    text += f"conditions: [clean, {{corruption: gaussian_noise, severity: 5}}]\n"
    (folder / "study.yaml").write_text(f"{text}change: {{samples: 50, conditions: all, groups: {groups}}}\n")
    return folder / "study.yaml"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("groups")
    make_digits(folder, train=160, test=60)
    np.save(folder / "light.npy", LIGHT)
    np.save(folder / "dark.npy", DARK)
    found = []
    for ranks in (1, 2, 3):
        done = run("run", write(folder, f"out{ranks}", "[class, light.npy, dark.npy]"), ranks=ranks)
        assert done.returncode == 0, done.stderr
        found.append(arrays(folder / f"out{ranks}/study.h5"))
    assert found[0] == found[1] == found[2] and len(found[0]) == 2 + 2 * 7 + 3 * 8
    with h5py.File(folder / "out1/study.h5") as h5:
        yield folder, h5


def arrays(path):
    found = {}
    with h5py.File(path) as f:
        f["change"].visititems(lambda name, a: found.update({name: repr(a[()].tolist())})
                               if isinstance(a, h5py.Dataset) and ("group_" in name or name in ("group", "member")) else None)
    return found


def test_sums_of_samples(study):
    _, h5 = study
    change, sample = h5["change"], h5["change/sample"][:]
    names = [g.decode() for g in change["group"]]
    classes = [c.decode() for c in h5["class"]]
    assert names == ["all", *(f"class/{c}" for c in classes), "light/0", "light/1", "dark/0", "dark/1"]
    label = h5["label"][:][sample]
    members = [label >= 0, *(label == k for k in range(len(classes))), LIGHT[sample] == 0, LIGHT[sample] == 1, ~DARK[sample], DARK[sample]]
    assert np.array_equal(change["member"][:], np.transpose(members))
    variants, conditions = ([name.decode() for name in h5[what]] for what in ("variant", "condition"))
    right = (h5["prediction/class"][:] == h5["label"][:])[:, :, sample]
    for variant in variants:
        for under in (None, CONDITION):
            if variant == "dense" and under is None:
                assert "group_total" not in change["dense"]
                continue
            group = change[variant] if under is None else change[variant][under]
            v, c = variants.index(variant), conditions.index(under or "clean")
            before, after = right[v if under else 0, 0], right[v, c]
            for g, member in enumerate(members):
                assert group["group_samples"][g] == member.sum()
                assert group["group_lost"][g] == (before & ~after & member).sum() and group["group_won"][g] == (~before & after & member).sum()
                for name in ("total", "pixel", "node", *(["moved"] if under else [])):
                    np.testing.assert_allclose(group[f"group_{name}"][g], group[name][:].astype(float)[member].sum(0), rtol=1e-10, atol=1e-10)
                parts = sum(group[f"group_{name}"][g].sum() for name in ("pixel", "node", *(["moved"] if under else [])))
                size = max(1, np.abs(group["total"][:][member]).sum())
                np.testing.assert_allclose(group["group_residual"][g], abs(group["group_total"][g] - parts) / size, atol=1e-12)
            assert group["group_residual"][:].max() < 1e-5
            # classes are a partition: their sums are those of all
            np.testing.assert_allclose(group["group_pixel"][1:5].sum(0), group["group_pixel"][0], atol=1e-9)


def test_computed_again(study):
    folder, _ = study
    done = run("verify", "--tiles", 1000, folder / "out1/study.h5")
    assert done.returncode == 0 and "3 parts of groups, computed again from what they read, are the same" in done.stdout, done.stdout
    with h5py.File(folder / "out2/study.h5", "r+") as h5:
        h5["progress/groups"][1] = 0
        h5[f"change/{PRUNED}/group_total"][0] = 7
    before = arrays(folder / "out1/study.h5")
    done = run("check", write(folder, "out1", "[class, light.npy, dark.npy]"))
    assert done.returncode == 0 and "groups 0 s" in done.stdout, done.stdout + done.stderr
    done = run("run", write(folder, "out2", "[class, light.npy, dark.npy]"))
    assert done.returncode == 0 and arrays(folder / "out2/study.h5") == before, done.stderr


def test_groups_that_changed_under_their_name_are_refused(study):
    folder, _ = study
    np.save(folder / "sun.npy", LIGHT)
    path = write(folder, "sun", "sun.npy")
    assert run("run", path).returncode == 0
    np.save(folder / "sun.npy", -LIGHT * LIGHT)
    done = run("run", path)
    assert done.returncode == 65 and f"{folder}/sun.npy: has changed since" in done.stderr and len(own_lines(done)) == 1, done.stderr


@pytest.mark.parametrize("groups, status, wanted", [
    ("nowhere.npy", 66, "study.yaml:14: change.groups: "), ("short.npy", 65, "short.npy"), ("[class, class]", 65, "change.groups"),
    ("half.npy", 65, "must be a list of integers"), ("[light.npy, more/light.npy]", 65, "two files are called light"),
])
def test_what_cannot_be(study, groups, status, wanted):
    folder, _ = study
    np.save(folder / "short.npy", LIGHT[:7])
    np.save(folder / "half.npy", LIGHT / 2)
    (folder / "more").mkdir(exist_ok=True)
    np.save(folder / "more/light.npy", LIGHT)
    done = run("check", write(folder, "wrong", groups))
    assert done.returncode == status and wanted in done.stderr and len(own_lines(done)) == 1, done.stderr


def test_in_python(study):
    folder, h5 = study
    opened = facet.open(folder / "out1/study.h5")
    table = opened.group_changes()
    group = h5[f"change/{PRUNED}"]
    assert table.index.names == ["variant", "condition", "group"] and len(table) == 5 * 9
    row = table.loc[(PRUNED, "clean", "light/1")]
    g = [name.decode() for name in h5["change/group"]].index("light/1")
    assert row["samples"] == group["group_samples"][g] and row["lost"] == group["group_lost"][g]
    assert np.isclose(row["margin"], group["group_total"][g] / row["samples"])
    assert np.isclose(row["pixels"] + row["nodes"], row["margin"], atol=1e-5)
    why = opened.group_change(PRUNED, "light/1", CONDITION)
    moved = group[CONDITION]
    assert why.samples == moved["group_samples"][g] and np.array_equal(why.pixels, moved["group_pixel"][g])
    assert np.array_equal(why.moved, moved["group_moved"][g]) and why.total == moved["group_total"][g]
    assert np.isclose(why.sum, why.total, atol=1e-4) and "light/1" in repr(why)
    with pytest.raises(facet.StudyError, match="did you mean light/1"):
        opened.group_change(PRUNED, "light/11")
    with pytest.raises(facet.StudyError, match="no changes of dense are added up over groups"):
        opened.group_change("dense", "all")


def test_report(study, tmp_path):
    """From dense to pruned and from clean to corrupted: all groups, the one that loses most first, with what its change is made of."""
    folder, h5 = study
    opened = facet.open(folder / "out1/study.h5")
    text = sections(folder / "out1/study.h5", "groups", folder=tmp_path)
    assert "What changed for groups of samples" in text and (tmp_path / "group_change.png").exists()
    before, _, after = text.partition("From clean to corrupted")
    table = opened.group_changes()
    table = table[table["samples"] > 0].sort_values("margin", kind="stable")
    pruned, corrupted = [], []
    for (variant, condition, group), row in table.iterrows():
        samples, lost, won = (str(int(row[what])) for what in ("samples", "lost", "won"))
        if condition == "clean":
            pruned.append((variant, [group, samples, lost, won, *(signed(row[name], 3) for name in ("margin", "pixels", "nodes"))]))
        else:
            corrupted.append((variant, [condition, group, samples, f"{lost}, {won}", *(signed(row[name]) for name in ("margin", "pixels", "moved", "nodes"))]))
    for part, wanted in ((before, pruned), (after, corrupted)):
        assert [(name.split()[0], cells[:-1]) for name, cells in first_table(part)] == wanted and len(wanted) > 10
    worst = table.xs(CONDITION, level="condition").index[0][0]
    assert '<figure id="group_change_corrupted">' in after and f"changed in {worst}, from clean to {CONDITION}" in after


def test_report_of_dense_alone(study):
    folder, _ = study
    path = write(folder, "alone", "class")
    path.write_text(re.sub("variants:.*\n", "", path.read_text()))
    assert run("run", path).returncode == 0
    text = sections(folder / "alone/study.h5", "groups")
    assert "From dense to the variant" not in text and {name.split()[0] for name, _ in first_table(text)} == {"dense"}
