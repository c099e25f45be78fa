"""How far linearizations hold, against PyTorch: the rows of every gate and max pool by autograd in float64, points inside and
outside of the radius; the same on any number of ranks, and taken over where it is still true. FACET_LONG=1 takes 10^5 points
in each of two norms around samples of ResNet-20, a quarter of an hour of a core; FACET_TRIES: so many instead."""

import os
import re

import facet  # in conftest's path
import h5py
import numpy as np
import pytest
from conftest import (RESNET, STUDY, checksum, foretold, long_of_resnet20, make_digits, normalised, own_lines, pictures_of_cifar10, run,
                      sections)

torch = pytest.importorskip("torch")

HEAD = STUDY.split("variants:")[0].replace("epochs: 2", "epochs: 1")
SAMPLES = 4
DUAL = (1, 2)  # of the max norm and the 2-norm


def write(folder, out, reach, more=""):
    text = HEAD.replace("output: out", f"output: {out}") + "variants: [{method: magnitude, sparsity: 0.5}]\n"
    (folder / "study.yaml").write_text(f"{text}reach: {{samples: {SAMPLES}, {reach}}}\n{more}")
    return folder / "study.yaml"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reach")
    make_digits(folder, train=160, test=40)
    images = bytearray((folder / "test-images").read_bytes())
    images[16:16 + 6 * 12] = bytes(6 * 12)  # the first one's upper half is black: under a max pool that is a tie
    (folder / "test-images").write_bytes(images)
    sums = []
    for ranks in (1, 2, 3):
        done = run("run", write(folder, f"out{ranks}", "variants: all"), ranks=ranks)
        assert done.returncode == 0, done.stderr
        sums.append((checksum(folder / f"out{ranks}/study.h5"), arrays(folder / f"out{ranks}/study.h5")))
    assert sums[0] == sums[1] == sums[2]
    with h5py.File(folder / "out1/study.h5") as h5:
        yield folder, h5


def arrays(path):
    found = {}
    with h5py.File(path) as f:
        f["reach"].visititems(lambda name, a: found.update({name: repr(a[()].tolist())}) if isinstance(a, h5py.Dataset) else None)
    return found


def walls(model, x):
    """Of one sample, by gate: every d (elements, or elements x candidates), which is at least 0 in its facet; the piece that each
    element is on, as `next` counts them; and the logits: functions of x, in float64, by PyTorch."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(model).graph
    value = {i.name: torch.tensor(numpy_helper.to_array(i).astype(float)) for i in graph.initializer}
    value[graph.input[0].name] = x
    found, piece = {}, {}
    for node in graph.node:
        u, *more = (value[name] for name in node.input)
        attribute = {a.name: a for a in node.attribute}
        if node.op_type == "Conv":
            z = torch.nn.functional.conv2d(u, *more, padding=1)
        elif node.op_type == "BatchNormalization":
            epsilon = attribute["epsilon"].f if "epsilon" in attribute else 1e-5
            gamma, beta, mean, variance = (m[:, None, None] for m in more)
            z = (u - mean) / torch.sqrt(variance + epsilon) * gamma + beta
        elif node.op_type == "Relu":
            z = torch.relu(u)
            found[node.name], piece[node.name] = torch.where(u > 0, u, -u).reshape(-1, 1), (u > 0).flatten().int()
        elif node.op_type == "MaxPool":
            n, c, h, w = u.shape
            four = u.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
            best = four.argmax(-1, keepdim=True)
            z = four.gather(-1, best)[..., 0]
            found[node.name], piece[node.name] = (z[..., None] - four).reshape(-1, 4), best.flatten()
        elif node.op_type == "Gemm":
            z = u @ more[0].T + more[1]
        else:
            assert node.op_type in ("Flatten", "Reshape"), node.op_type
            z = u.reshape(len(u), -1)
        value[node.output[0]] = z
    return found, piece, value[graph.output[0].name][0]


def rows(d, x):
    """The row of each d, by autograd."""
    return torch.stack([torch.autograd.grad(one, x, retain_graph=True)[0].reshape(-1) for one in d.reshape(-1)])


def every_row(model, image):
    """{gate: (d, rows)}, and of the logits, of a sample."""
    x = torch.tensor(image[None], requires_grad=True)
    found, _, logits = walls(model, x)
    return ({name: (d.detach().numpy().reshape(-1), rows(d, x).numpy()) for name, d in found.items()},
            logits.detach().numpy(), rows(logits, x).numpy())


@pytest.mark.parametrize("variant, sample", [("dense", 1), ("dense", 2), ("magnitude-global-0.5", 1)])
def test_against_the_rows_of_every_gate(study, variant, sample):
    folder, h5 = study
    image = normalised(h5["image"][sample])
    found, logits, w = every_row(folder / f"out1/variants/{variant}.onnx", image)
    group, names = h5[f"reach/{variant}"], [g.decode() for g in h5[f"reach/{variant}/gate"]]
    assert names == list(found) and (group["tied"][sample] == 0).all()
    c = logits.argmax()
    for n, dual in enumerate(DUAL):
        least = {}
        for name, (d, a) in found.items():
            length = np.linalg.norm(a, ord=dual, axis=1)
            moves = length > 1e-12
            least[name] = np.where(moves, d / np.where(moves, length, 1), np.inf)
        radius = min(part.min() for part in least.values())
        np.testing.assert_allclose(group[("max_norm", "two_norm")[n]][sample], radius, rtol=1e-9)
        assert group["untied"][sample, n] == group[("max_norm", "two_norm")[n]][sample]
        assert 0 <= group["error"][sample, n] < 1e-6 * radius
        limit = names[group["limit"][sample, n]]
        candidates = 4 if "pool" in limit.lower() else 1
        assert least[limit].argmin() // candidates == group["element"][sample, n]
        assert np.isclose(least[limit].min(), radius, rtol=1e-9)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (logits[c] - logits) / np.linalg.norm(w[c] - w, ord=dual, axis=1)
        distance[c] = np.inf
        np.testing.assert_allclose(group["boundary"][sample, n], distance.min(), rtol=1e-9)
        k = group["other"][sample, n]
        assert k == distance.argmin()
        # the nearest point, and whether all d are at least 0 there
        row = w[c] - w[k]
        step = np.sign(row) if n == 0 else row / np.linalg.norm(row)
        point = image.reshape(-1) - distance[k] * step
        np.testing.assert_allclose(group["point"][sample, n].reshape(-1), point, atol=1e-5)
        moved = min((d + a @ (point - image.reshape(-1))).min() for d, a in found.values())
        assert group["inside"][sample, n] == (moved >= -1e-9)
    assert group["residual"][sample] <= 1e-12


def test_points_inside_and_just_outside(study):
    folder, h5 = study
    rng = np.random.default_rng(1)
    with facet.Network(folder / "out1/variants/dense.onnx", precision="double") as network:
        for sample in range(1, SAMPLES):
            image, group = normalised(h5["image"][sample]), h5["reach/dense"]
            w = network.linearize(image, rows="all")
            for n, name in enumerate(("max_norm", "two_norm")):
                steps = rng.uniform(-1, 1, (200, *image.shape))
                steps[::2] = np.sign(steps[::2]) if n == 0 else steps[::2]
                if n == 1:
                    steps /= np.linalg.norm(steps.reshape(200, -1), axis=1)[:, None, None, None]
                points = image + group[name][sample] * (1 - 1e-9) * steps
                inside = network.linearize(points, rows="all")
                # one map: W and b of every point are those of the sample
                assert np.abs(inside.W - w.W).max() <= 1e-12 and np.abs(inside.b - w.b).max() <= 1e-12
            assert (group["within"][sample] == 0).all() and (group["beyond"][sample] > 0).all()


@pytest.mark.parametrize("variant, sample", [("dense", 1), ("dense", 2), ("dense", 3), ("magnitude-global-0.5", 1)])
def test_only_the_named_element_changes_just_outside(study, variant, sample):
    """Towards what bounds the radius, in PyTorch, and it goes to the named piece. Of candidates of a max pool that are all off,
    and so equal, who comes first wins in PyTorch; one that begins to be on takes over, and counts as its ReLU alone."""
    folder, h5 = study
    model, image, group = folder / f"out1/variants/{variant}.onnx", normalised(h5["image"][sample]), h5[f"reach/{variant}"]
    x = torch.tensor(image[None], requires_grad=True)
    found, own, _ = walls(model, x)
    for n, name in enumerate(("max_norm", "two_norm")):
        radius, gate, element, beyond = group[name][sample], group["gate"][group["limit"][sample, n]].decode(), *(
            int(group[which][sample, n]) for which in ("element", "next"))
        d = found[gate][element, beyond if found[gate].shape[1] > 1 else 0]
        row = -torch.autograd.grad(d, x, retain_graph=True)[0]
        step = row / row.norm() if n else row.sign()
        for share, wanted in ((1 - 1e-6, []), (1 + 1e-6, [(gate, element, beyond)])):
            _, there, _ = walls(model, x.detach() + share * radius * step)
            moved = [(g, i, int(there[g][i])) for g in own for i in torch.nonzero(there[g] != own[g]).flatten().tolist()
                     if found[g].shape[1] == 1 or found[g][i].abs().max() > 0]
            assert moved == wanted


@long_of_resnet20
def test_many_points_inside_facets_of_resnet20(monkeypatch):
    """At none of them is an element of any gate on another side than at the sample; just outside of the radius, towards what
    bounds it, the named element is, and no other."""
    import onnx
    import torch_onnx

    samples, at_once, gates = 5, 4, []  # few at once stay in the cache
    monkeypatch.setitem(torch_onnx.OPERATORS, "Relu", lambda a, u: gates.append(u) or torch.relu(u))
    forward, rng = torch_onnx.load(RESNET), np.random.default_rng(2)
    places = [f"{node.op_type}_{place}" for place, node in enumerate(onnx.load(RESNET).graph.node) if node.op_type == "Relu"]

    def pattern(x):
        gates.clear()
        with torch.no_grad():
            forward(torch.from_numpy(x))
        return torch.cat([(u > 0).flatten(1) for u in gates], 1)

    images = pictures_of_cifar10(samples)
    with facet.Network(RESNET, precision="double") as network:
        found = network.reach(images)
    assert np.all(found.tied == 0) and np.all(found.within == 0) and np.all(found.beyond > 0)
    batches = -(-int(os.environ.get("FACET_TRIES", "100000")) // (samples * at_once))
    for i, image in enumerate(images):
        own = pattern(image[None])
        for n, radius in enumerate((found.max_norm[i], found.two_norm[i])):
            gates.clear()
            x = torch.tensor(image[None], requires_grad=True)
            forward(x)
            gate, element = places.index(found.limit[i][n]), found.element[i, n]
            d = gates[gate].flatten()[element]
            row = torch.autograd.grad(d, x)[0].numpy()[0] * (-1 if d > 0 else 1)
            step = row / np.linalg.norm(row) if n else np.sign(row)
            np.testing.assert_allclose(abs(d.item()) / np.linalg.norm(row.ravel(), DUAL[n]), radius, atol=found.error[i, n])
            inside, outside = (pattern(image + (1 + more) * radius * step[None])[0] for more in (-1e-3, 1e-3))
            assert torch.equal(inside, own[0])
            other = sum(u[0].numel() for u in gates[:gate]) + element
            assert torch.nonzero(outside != own[0]).tolist() == [[other]] and outside[other] == found.next[i, n]
            for turn in range(batches):
                steps = rng.normal(size=(at_once, *image.shape)) if n else rng.uniform(-1, 1, (at_once, *image.shape))
                if n:
                    steps /= np.linalg.norm(steps.reshape(at_once, -1), axis=1)[:, None, None, None]
                elif turn % 2:
                    steps = np.sign(steps)  # corners: as far as it goes
                assert torch.equal(pattern(image + radius * (1 - 1e-9) * steps), own.expand(at_once, -1)), (i, n, turn)


def test_ties(study):
    """Candidates of a max pool over black are equal."""
    _, h5 = study
    group = h5["reach/dense"]
    assert group["tied"][0].sum() > 0 and group["max_norm"][0] == 0 and group["two_norm"][0] == 0
    assert (group["untied"][0] > 0).all() and (group["within"][0] == -1).all() and (group["beyond"][0] == -1).all()
    assert (group["tied"][1:] == 0).all() and (group["max_norm"][1:] > 0).all()


def test_certain_and_in_pixels(study):
    folder, h5 = study
    for out, reach in (("certain", "certain: true"), ("pixel", "unit: pixel")):
        done = run("run", write(folder, out, f"{reach}, variants: dense"), "--fresh")
        assert done.returncode == 0, done.stderr
    with h5py.File(folder / "certain/study.h5") as certain, h5py.File(folder / "pixel/study.h5") as pixel:
        for name, array in h5["reach/dense"].items():
            if name != "rows":
                np.testing.assert_array_equal(certain[f"reach/dense/{name}"][()], array[()])
        assert (certain["reach/dense/rows"][:] <= h5["reach/dense/rows"][:]).all()
        for name in ("max_norm", "two_norm", "untied", "boundary"):  # one channel: all inputs move by 1 / (255 * 0.3)
            np.testing.assert_allclose(pixel[f"reach/dense/{name}"][()], h5[f"reach/dense/{name}"][()] * 255 * 0.3, rtol=1e-9)
        np.testing.assert_allclose(pixel["reach/dense/point"][()], h5["reach/dense/point"][()], atol=1e-5)
    write(folder, "out1", "variants: all")


def test_what_was_lost_is_measured_again(study):
    folder, _ = study
    out = folder / "out2/study.h5"
    before = arrays(out)
    path = write(folder, "out2", "variants: all")
    with h5py.File(out, "r+") as h5:
        h5["reach/dense/max_norm"][1] = np.nan
        h5["progress/reach"][0, 1] = 0
    done = run("run", path)
    assert done.returncode == 0, done.stderr
    assert arrays(out) == before and re.search("reach: 1 facets? in", done.stderr), done.stderr
    again = run("run", path, ranks=2)
    assert again.returncode == 0 and "reach:" not in again.stderr, again.stderr
    done = run("verify", "--tiles", 1000, out)
    assert done.returncode == 0 and "8 parts of reach, computed again from what they read, are the same" in done.stdout, done.stdout
    done = run("check", path)
    assert done.returncode == 0 and foretold(done.stdout, "reach") == (8, 8)


def test_an_edited_study_takes_facets_over(study):
    folder, _ = study
    assert run("run", write(folder, "edited", "variants: dense")).returncode == 0
    done = run("run", write(folder, "edited", "variants: all"))
    assert done.returncode == 0 and re.search("reach: 4 facets in", done.stderr), done.stderr
    edited = arrays(folder / "edited/study.h5")
    done = run("run", write(folder, "edited", "variants: all"), "--fresh")
    assert done.returncode == 0 and arrays(folder / "edited/study.h5") == edited
    done = run("run", write(folder, "edited", "variants: all, unit: pixel"))
    assert done.returncode == 0 and re.search("reach: 8 facets in", done.stderr), done.stderr


@pytest.mark.parametrize("reach, wanted", [("variants: dence", "did you mean 'dense'?"), ("unit: pixels", "did you mean 'pixel'?"),
                                           ("certain: 2", "reach.certain")])
def test_what_cannot_be(study, reach, wanted):
    folder, _ = study
    done = run("check", write(folder, "wrong", reach))
    assert done.returncode == 65 and wanted in done.stderr and len(own_lines(done)) == 1, done.stderr


def test_in_python(study):
    folder, h5 = study
    images = normalised(h5["image"][:SAMPLES])
    group = h5["reach/dense"]
    with facet.Network(folder / "out1/variants/dense.onnx") as network:
        found, one = network.reach(images), network.reach(images[1], certain=True)
        pixels = network.reach(images[1], scale=1 / (255 * 0.3))
    for name in ("max_norm", "two_norm", "untied", "boundary", "element", "next", "other", "inside", "within", "beyond"):
        np.testing.assert_allclose(getattr(found, name), group[name][()], rtol=1e-9)
    names = [g.decode() for g in group["gate"]]
    assert [names[i] for i in group["limit"][1]] == list(one.limit) and one.max_norm == found.max_norm[1]
    assert found.tied.tolist() == group["tied"][()].sum(1).tolist()
    np.testing.assert_allclose(pixels.untied, one.untied * 255 * 0.3, rtol=1e-9)
    assert one.point.shape == (2, 1, 12, 12) and "Reach of one sample" in repr(one)


def test_tables(study):
    folder, h5 = study
    opened, group = facet.open(folder / "out1/study.h5"), h5["reach/dense"]
    table, names = opened.reach("dense"), [g.decode() for g in group["gate"]]
    assert table.index.tolist() == list(range(SAMPLES))
    for n, norm in enumerate(("max", "two")):
        assert table[f"{norm}_norm"].tolist() == group[f"{norm}_norm"][()].tolist()
        assert table[f"boundary_{norm}"].tolist() == group["boundary"][:, n].tolist()
        assert table[f"limit_{norm}"].tolist() == [names[i] for i in group["limit"][:, n]]
        assert table[f"inside_{norm}"].tolist() == [bool(i) for i in group["inside"][:, n]]
        assert table[f"safe_{norm}"].tolist() == np.minimum(group["boundary"][:, n], group[f"{norm}_norm"][()]).tolist()
    assert table["tied"].tolist() == group["tied"][()].sum(1).tolist()
    radii = opened.radii()
    assert radii.index.tolist() == ["dense", "magnitude-global-0.5"]
    assert radii.loc["dense", "max_norm"] == np.median(group["max_norm"][()]) and radii.loc["dense", "tied"] == 1 / SAMPLES
    assert radii.loc["dense", "untied_two"] == np.median(group["untied"][:, 1])
    text = opened.file["reach"].attrs["unit"]
    assert text == "input"
    with pytest.raises(facet.StudyError, match="did you mean dense"):
        opened.reach("dens")


def test_nearest_points(study):
    folder, h5 = study
    opened, group = facet.open(folder / "out1/study.h5"), h5["reach/dense"]
    for n, norm in enumerate(("max", "two")):
        found = opened.nearest("dense", 2, norm)
        assert np.array_equal(found.point, group["point"][2, n]) and np.array_equal(found.difference, found.point - opened.input(2))
        assert (found.distance, found.inside, found.other) == (group["boundary"][2, n], bool(group["inside"][2, n]), group["other"][2, n])
        assert found.other_name == opened.classes[found.other] != found.name and found.other_name in repr(found)
        # in its norm the difference is as long as the distance, and by W of the sample both classes are equal there
        assert np.linalg.norm(found.difference.ravel(), (np.inf, 2)[n]) == pytest.approx(found.distance, rel=1e-5)
        with facet.Network(folder / "out1/variants/dense.onnx", precision="double") as network:
            own = network.linearize(opened.input(2), rows="all")
        logits = np.tensordot(own.W, found.point, 3) + own.b
        assert abs(logits[found.cls] - logits[found.other]) < 1e-5
    for asked, said in ((("dense", 9), "not measured; those of 4 samples"), (("dense", 2, "tow"), "did you mean two"), (("dens", 2), "did you mean dense")):
        with pytest.raises(facet.StudyError, match=said):
            opened.nearest(*asked)
    picture = opened.plot.nearest_points("dense", 2)
    sample, point = (axis.images[0] for axis in picture.axes[:2])
    assert sample.get_clim() == point.get_clim()  # one scale of greys
    assert len(picture.axes) == 10 and f"Shown: 2 of {SAMPLES} samples" in picture.caption


def test_report(study):
    from facet.report.numbers import rounded

    folder, h5 = study
    text = sections(folder / "out1/study.h5", "reach")
    assert "How far linearizations hold" in text and rounded(np.median(h5["reach/dense/untied"][:, 0])) in text
    assert "Which gate or maximum changes first" in text and "Distances are in normalised inputs" in text
    assert "nearest points of another class of their own map in dense" in text
