"""How margins change, taken apart: against the margins in the file, against numpy on the W of the same file, and the same
on any number of ranks."""

import h5py
import numpy as np
import onnx
import pytest

from conftest import STUDY, checksum, make_digits, normalised, run
import facet  # in conftest's path

CHANGE = """\
variants:
  - {method: magnitude, sparsity: [0.5, 0.9]}
  - {method: filter, scope: layer, sparsity: 0.5, remove_dead: true}
conditions: [clean, {corruption: gaussian_noise, severity: [1, 5]}]
linearize: {rows: all}
change: {samples: 50, pick: first, conditions: [gaussian_noise/5]}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("change")
    make_digits(folder)
    sums = []
    for ranks in (1, 3):
        (folder / "study.yaml").write_text(STUDY.split("variants:")[0].replace("output: out", f"output: out{ranks}") + CHANGE)
        done = run("run", folder / "study.yaml", ranks=ranks)
        assert done.returncode == 0, done.stderr
        sums.append(checksum(folder / f"out{ranks}/study.h5"))
    assert sums[0] == sums[1]
    with h5py.File(folder / "out1/study.h5") as h5:
        yield folder, h5, [name.decode() for name in h5["variant"][:]]


def margins(h5, variant, condition):
    return h5["geometry/margin"][variant, condition][h5["change/sample"][:]]


def added_up(group):
    parts = [group[name][:].astype(float).reshape(50, -1).sum(1) for name in ("pixel", "moved", "node") if name in group]
    return np.sum(parts, axis=0)


def test_parts_add_up_to_what_the_margin_changed_by(study):
    _, h5, names = study
    assert list(h5["change/sample"][:]) == list(range(50))
    compared = 0
    for v, name in enumerate(names):
        for path, before, after in ((f"change/{name}", (0, 0), (v, 0)), (f"change/{name}/gaussian_noise/5", (v, 0), (v, 2))):
            if f"{path}/pixel" not in h5:
                assert name == "dense" and "gaussian" not in path
                continue
            group, change = h5[path], margins(h5, *after) - margins(h5, *before)
            np.testing.assert_allclose(group["total"][:], change, rtol=1e-12, atol=1e-12)
            assert np.all(np.abs(added_up(group) - change) <= 1e-5 * np.maximum(1, np.abs(change)))
            assert group["residual"][:].max() <= 1e-5 and np.abs(change).max() > 0.1
            assert ("moved" in group) == ("gaussian" in path)
            compared += 1
    assert compared == 7 and "gaussian_noise/1" not in h5["change/dense"]


def margin_map(folder, h5, name, sample, y):
    """Gradient, bias by node and rival, from the linearization in the file and the last layer of the network."""
    table = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(folder / f"out1/variants/{name}.onnx").graph.initializer}
    last = [t for t in table.values() if t.ndim == 2][-1].astype(float)
    last = last if last.shape[0] == 4 else last.T
    v = [n.decode() for n in h5["variant"][:]].index(name)
    logits = h5["prediction/logits"][v, 0, sample].astype(float)
    distance = [np.inf if j == y else (logits[y] - logits[j]) / np.linalg.norm(last[y] - last[j]) for j in range(4)]
    j = int(np.argmin(distance))
    norm = np.linalg.norm(last[y] - last[j])
    linear = h5[f"linear/{name}"]
    w, node = linear["W"][sample].astype(float), linear["b_node"][sample].astype(float)
    return (w[y] - w[j]) / norm, dict(zip(linear["node"].asstr()[:], (node[y] - node[j]) / norm)), j


def test_parts_are_those_of_the_linearizations(study):
    folder, h5, names = study
    for name in names[1:]:
        group = h5[f"change/{name}"]
        nodes = list(group["node_name"].asstr()[:])
        for sample in range(0, 50, 7):
            y, x = int(h5["label"][sample]), normalised(h5["image"][sample])
            before, before_node, before_rival = margin_map(folder, h5, "dense", sample, y)
            after, after_node, rival = margin_map(folder, h5, name, sample, y)
            assert (group["rival_before"][sample], group["rival"][sample]) == (before_rival, rival)
            np.testing.assert_allclose(group["pixel"][sample], (after - before) * x, atol=2e-5)
            wanted = [after_node.get(n, 0) - before_node.get(n, 0) for n in nodes]
            np.testing.assert_allclose(group["node"][sample], wanted, atol=2e-5)


def test_gates_are_counted(study):
    _, h5, names = study
    gates = list(h5["change/dense/gate_name"].asstr()[:])
    assert len(gates) == 4  # three ReLUs and a pooling
    assert (h5["change/magnitude-global-0.9/gates"][:].sum(0) > 0).any() and h5["change/magnitude-global-0.9/gates"][:].min() >= 0
    light = h5["change/magnitude-global-0.5/gates"][:].sum()
    assert 0 < light < h5["change/magnitude-global-0.9/gates"][:].sum()
    filters = [name for name in names if "filter" in name][0]
    assert (h5[f"change/{filters}/gates"][:] == -1).any()  # layers of another width have nothing to compare
    assert h5["change/dense/gaussian_noise/5/gates"][:].sum() > 0


def test_pictures_are_what_networks_saw(study):
    """Of every sample under every condition, bit for bit: as the library corrupts it, as `facet corrupt` writes it, and such
    that networks say of it what they said."""
    folder, h5, _ = study
    picture = h5["change/picture"]
    assert picture.shape == (50, 3, 1, 12, 12) and picture.dtype == np.float32
    assert [scale[0].name for scale in picture.dims] == ["/change/change_sample", "/condition", "/channel", "/y", "/x"]
    assert np.array_equal(picture[:, 0], h5["image"][:50])
    assert run("corrupt", folder / "study.yaml", folder / "made").returncode == 0
    made = np.load(folder / "made/gaussian_noise.npy").reshape(2, -1, 1, 12, 12)
    for c, severity in ((1, 1), (2, 5)):
        again = facet.corrupt(h5["image"][:50], "gaussian_noise", severity, seed=3)
        assert np.array_equal(picture[:, c], again) and not np.array_equal(picture[:, c], picture[:, 0])
        assert np.array_equal(np.rint(picture[:, c]), made[c - 1, :50])
    with facet.open(folder / "out1/study.h5") as opened:
        x = np.stack([opened.input(i, "dense", "gaussian_noise/5") for i in range(50)])
        np.testing.assert_allclose(opened.network("dense")(x), h5["prediction/logits"][0, 2, :50], atol=1e-5)
        assert np.array_equal(opened.image(7, "gaussian_noise/1"), picture[7, 1])
        with pytest.raises(facet.StudyError, match=r"sample 60 under gaussian_noise/1 is not there: those of 50 samples are"):
            opened.image(60, "gaussian_noise/1")


@pytest.mark.parametrize("change, words", [
    ("{samples: 0}", "change.samples: 0 is not in"),
    ("{pick: worst}", "change.pick: "),
    ("{variants: [magnitud-global-0.5]}", "did you mean 'magnitude-global-0.5'?"),
    ("{conditions: [gaussian_noise/2]}", "there is no condition 'gaussian_noise/2'; did you mean 'gaussian_noise/"),
])
def test_bad_input(tmp_path, change, words):
    make_digits(tmp_path)
    text = STUDY.split("variants:")[0] + CHANGE.rpartition("change:")[0] + f"change: {change}\n"
    (tmp_path / "bad.yaml").write_text(text)
    done = run("check", tmp_path / "bad.yaml")
    assert done.returncode == 65 and words in done.stderr and f"bad.yaml:{text.count(chr(10))}: change." in done.stderr
