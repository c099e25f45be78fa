"""Paths from baselines to samples: their exact integrated gradients against many linearizations along the way, certificates,
the same on any number of ranks, and going on after some were lost."""

import re
import shutil

import facet  # in conftest's path
import h5py
import numpy as np
import pytest
from conftest import (RESNET, ROOT, STUDY, apart, checksum, foretold, long_of_resnet20, make_digits, normalised, own_lines, pictures_of_cifar10,
                      run, sections)
from facet.report import numbers

HEAD = STUDY.split("variants:")[0].replace("epochs: 2", "epochs: 1")
SAMPLES, CLASSES = 3, 4


def write(folder, out, paths, more=""):
    text = HEAD.replace("output: out", f"output: {out}") + "variants: [{method: magnitude, sparsity: 0.5}]\n"
    text += "conditions: [clean, {corruption: gaussian_noise, severity: [1, 5]}]\n"
    (folder / "study.yaml").write_text(f"{text}paths: {{samples: {SAMPLES}, {paths}}}\n{more}")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paths")
    make_digits(folder, train=160, test=40)
    sums = []
    for ranks in (1, 2, 3):
        write(folder, f"out{ranks}", "from: mean, rows: all, conditions: gaussian_noise/5", "precision: double\n")
        done = run("run", folder / "study.yaml", ranks=ranks)
        assert done.returncode == 0, done.stderr
        sums.append((checksum(folder / f"out{ranks}/study.h5"), apart(folder / f"out{ranks}/study.h5")))
    assert sums[0] == sums[1] == sums[2]
    with h5py.File(folder / "out1/study.h5") as h5:
        yield folder, h5


def groups(h5):
    return [h5[f"paths/{name}{condition}"] for name in ("dense", "magnitude-global-0.5") for condition in ("", "/gaussian_noise/5")]


def test_parts_add_up_on_every_sample(study):
    _, h5 = study
    assert list(h5["paths/sample"][:]) == list(range(SAMPLES))
    for group in groups(h5):
        assert group["attribution"].shape == (SAMPLES, CLASSES, 1, 12, 12)
        assert group["residual"][:].max() <= 1e-12 and group["rounded_residual"][:].max() <= 1e-12
        added = group["attribution"][:].reshape(SAMPLES, CLASSES, -1).sum(2)
        np.testing.assert_allclose(added, group["total"][:], rtol=0, atol=1e-10)
        np.testing.assert_allclose(group["logits"][:, -1] - group["logits"][:, 0], group["total"][:], rtol=0, atol=1e-10)
        assert np.all(group["class"][:] == np.arange(CLASSES)) and group["pieces"][:].min() > 100
    logits = h5["prediction/logits"][:, :, :SAMPLES]
    for v, c, group in ((0, 0, groups(h5)[0]), (1, 2, groups(h5)[3])):
        np.testing.assert_allclose(group["logits"][:, -1], logits[v, c], rtol=0, atol=1e-5)


def test_it_is_the_integral_of_w_along_the_way(study):
    """Within what so many midpoints can be wrong by: half a step at each change of the pattern."""
    folder, h5 = study
    steps, images = 2000, h5["image"][:]
    start, end = normalised(images.astype(np.float32).mean(0, dtype=float).astype(np.float32)), normalised(images[1])
    t = (np.arange(steps) + 0.5) / steps
    with facet.Network(folder / "out1/variants/dense.onnx", precision="double") as network:
        w = network.linearize(start + t[:, None, None, None] * (end - start)).W
        logits = network.logits(np.stack([start, end]))
    group = h5["paths/dense"]
    jumps = np.abs(np.diff(w, axis=0)).sum(0) / steps
    wanted = (end - start) * w.mean(0)
    assert np.all(np.abs(group["attribution"][1] - wanted) <= np.abs(end - start) * jumps + 1e-10)
    assert np.abs(wanted).max() > 0.01
    np.testing.assert_allclose(group["total"][1], logits[1] - logits[0], rtol=0, atol=1e-11)
    assert group["pieces"][1] > np.sum(np.abs(np.diff(w.reshape(steps, -1), axis=0)).max(1) > 1e-12)


@long_of_resnet20
def test_a_path_of_resnet20():
    """From black to a picture, beside what PyTorch's gradients at 5,000 midpoints say, in double, within what these can be wrong by."""
    torch = pytest.importorskip("torch")
    import torch_onnx

    steps, at_once, (end,) = 5000, 100, pictures_of_cifar10(1)
    start = -np.reshape([0.485 / 0.229, 0.456 / 0.224, 0.406 / 0.225], (3, 1, 1)) + np.zeros_like(end)
    with facet.Network(RESNET) as network:
        way = network.integrated_gradients(start, end)
    forward, total, jumps, last = torch_onnx.load(RESNET), 0, 0, None
    for t in torch.split((torch.arange(steps, dtype=torch.float64) + 0.5) / steps, at_once):
        x = (torch.from_numpy(start) + t[:, None, None, None] * torch.from_numpy(end - start)).requires_grad_()
        (w,) = torch.autograd.grad(forward(x)[:, int(way.row[0])].sum(), x)
        total = total + w.sum(0)
        jumps = jumps + (w if last is None else torch.cat([last, w])).diff(dim=0).abs().sum(0)
        last = w[-1:]
    with torch.no_grad():
        ends = forward(torch.from_numpy(np.stack([start, end])))[:, int(way.row[0])]
    wanted, size = (end - start) * (total / steps).numpy(), np.abs(end - start)
    print(way, np.abs(way.attribution[0] - wanted).sum() / np.abs(wanted).sum())
    assert way.residual <= 1e-12 and way.pieces > steps
    assert abs(way.attribution.sum() - float(ends[1] - ends[0])) <= 1e-11
    assert np.all(np.abs(way.attribution[0] - wanted) <= size * (jumps / steps).numpy() + 1e-10)
    assert np.abs(way.attribution[0] - wanted).sum() <= 0.01 * np.abs(wanted).sum()  # of many such errors, most of which cancel


def test_where_the_class_changes(study):
    _, h5 = study
    for group in groups(h5):
        assert np.array_equal(group["changes"][:], np.isfinite(group["crossing"][:]).sum(1))  # none has more than 16
        for curve, crossing in zip(group["logits"][:], group["crossing"][:]):
            best = curve.argmax(1)
            seen = np.flatnonzero(np.diff(best)) / (len(best) - 1)
            crossing = crossing[np.isfinite(crossing)]
            assert len(crossing) >= len(seen) and np.all(np.diff(crossing) > 0)
            for t in seen:
                assert np.any((crossing >= t) & (crossing <= t + 1 / (len(best) - 1)))
    assert any(np.isfinite(group["crossing"][:]).any() for group in groups(h5))


def test_what_was_lost_is_followed_again(study):
    folder, _ = study
    out = folder / "out2"
    before = checksum(out / "study.h5")
    assert run("verify", out / "study.h5").returncode == 0
    with h5py.File(out / "study.h5", "r+") as h5:
        h5["paths/dense/attribution"][1] = np.nan
        h5["progress/paths"][0, 1] = 0
    write(folder, "out2", "from: mean, rows: all, conditions: gaussian_noise/5", "precision: double\n")
    done = run("run", folder / "study.yaml")
    assert done.returncode == 0, done.stderr
    assert checksum(out / "study.h5") == before and "checksum" not in done.stderr
    again = run("run", folder / "study.yaml", ranks=2)
    assert again.returncode == 0 and "paths:" not in again.stderr, again.stderr
    done = run("verify", "--tiles", 1, out / "study.h5")
    assert done.returncode == 0, done.stdout + done.stderr
    done = run("check", folder / "study.yaml")
    assert done.returncode == 0 and foretold(done.stdout, "paths") == (6, 6)


def test_python(study):
    folder, h5 = study
    opened = facet.open(folder / "out1/study.h5")
    way = opened.integrated_gradients("magnitude-global-0.5", 2, "gaussian_noise/5")
    group = h5["paths/magnitude-global-0.5/gaussian_noise/5"]
    assert way.start == "mean" and way.cls == [0, 1, 2, 3] and way.pieces == group["pieces"][2]
    np.testing.assert_allclose(way.pixels.sum((1, 2, 3)), way.total, rtol=0, atol=1e-10)
    assert way.pixels.shape == (4, 1, 12, 12) and way.logits.shape == (65, 4) and "pieces" in repr(way)
    with pytest.raises(facet.StudyError, match="the path to sample 9 in dense, clean, is not there; those to 3 samples are"):
        opened.integrated_gradients("dense", 9)
    start = normalised(h5["image"][:].astype(np.float32).mean(0, dtype=float).astype(np.float32))
    with facet.Network(folder / "out1/variants/dense.onnx") as network:
        found = network.integrated_gradients(start, normalised(h5["image"][:SAMPLES]), rows="all")
        one = network.integrated_gradients(start, normalised(h5["image"][1]), top=2)
        with pytest.raises(facet.NetworkError, match="2 starts of 3 ways"):
            network.integrated_gradients(np.stack([start, start]), normalised(h5["image"][:SAMPLES]))
    group = h5["paths/dense"]
    for name in ("attribution", "total", "crossing", "changes", "pieces"):
        np.testing.assert_allclose(getattr(found, name), group[name][:], rtol=1e-9, atol=1e-11)
    assert one.attribution.shape == (2, 1, 12, 12) and one.pieces == found.pieces[1]
    assert len(found) == SAMPLES and found[1].residual <= 1e-12 and "pieces" in repr(found)
    names = {"study": opened}  # from one sample to another, as docs/study.md has it
    exec(re.search(r"^## paths\n.*?```python\n(.*?)```", (ROOT / "docs/study.md").read_text(), re.DOTALL | re.MULTILINE)[1], names)
    with names["network"] as network:
        gain = network(names["x"]) - network(names["y"])
    cls = int(h5["prediction/class"][0, 0, 7])
    assert names["way"].row.tolist() == [cls] and names["way"].attribution.sum() == pytest.approx(gain[cls], abs=1e-12) and names["way"].residual <= 1e-12


def test_the_benchmark_begins_where_a_study_does(study, monkeypatch):
    """From the mean, and from a sample blurred: the logit gains what the study says."""
    folder, h5 = study
    monkeypatch.syspath_prepend(str(ROOT / "tests/bench"))
    import paths

    images = h5["image"][:].astype(float)
    starts = {kind: paths.baselines(kind, images, SAMPLES) for kind in paths.BASELINES}
    assert np.all(starts["black"] == 0) and len(paths.baselines("blur", images, 1)) == 1
    with facet.Network(folder / "out1/variants/dense.onnx", precision="double") as network:
        gain = {kind: network(normalised(images[:SAMPLES])) - network(normalised(start)) for kind, start in starts.items()}
    np.testing.assert_allclose(gain["mean"], h5["paths/dense/total"][:], rtol=0, atol=1e-5)
    blurred = followed(folder, "blurred", "from: blur, variants: dense, rows: all")
    np.testing.assert_allclose(gain["blur"], blurred["total"], rtol=0, atol=1e-5)


def followed(folder, out, paths):
    write(folder, out, paths)
    done = run("run", folder / "study.yaml")
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / f"{out}/study.h5") as h5:
        return {name: h5[f"paths/dense/{name}"][()] for name in ("attribution", "total", "class", "pieces", "residual", "rounded_residual", "changes", "logits")}


def test_baselines(study):
    folder, _ = study
    grey, black = np.full((1, 1, 12, 12), 60, np.uint8), np.zeros((1, 1, 12, 12), np.uint8)
    np.save(folder / "two.npy", np.concatenate([black, grey]))
    zero, sixty = followed(folder, "zero", "rows: {top: 2}"), followed(folder, "sixty", "from: 60, rows: {top: 2}")
    both = followed(folder, "both", "from: two.npy, rows: {top: 2}")
    blurred = followed(folder, "blurred", "from: blur, variants: dense")
    assert zero["attribution"].shape == (SAMPLES, 2, 1, 12, 12) and blurred["attribution"].shape == (SAMPLES, 1, 1, 12, 12)
    np.testing.assert_array_equal(both["pieces"], zero["pieces"] + sixty["pieces"])
    np.testing.assert_array_equal(both["changes"], zero["changes"])
    for name in ("attribution", "total"):
        np.testing.assert_allclose(both[name], (zero[name] + sixty[name]) / 2, rtol=1e-5, atol=1e-6)
        assert np.abs(zero[name] - sixty[name]).max() > 1e-3
    for found in (zero, sixty, both, blurred):  # a study in float keeps attributions in float
        assert found["residual"].max() <= 1e-12
        stored = found["attribution"].astype(float).reshape(SAMPLES, -1, 144)
        off, size = np.abs(stored.sum(2) - found["total"]), np.maximum(1, np.abs(found["logits"][:, [0, -1]]).max((1, 2)))[:, None]
        assert np.all(off <= 1e-5 * size) and np.all(off <= 2.0**-24 * np.abs(stored).sum(2) + 1e-12 * size)  # rounding each by itself
        assert np.all(found["rounded_residual"] <= 1e-5) and (found["rounded_residual"] > 1e-9).any()
        np.testing.assert_allclose(found["rounded_residual"], (off / size).max(1), rtol=1e-5, atol=1e-12)


def test_baselines_that_changed_under_their_name_are_refused(study):
    """Paths of two sets of baselines are not mixed; under another name only the paths are made anew."""
    folder, _ = study
    out, file = folder / "named/study.h5", folder / "grey.npy"
    np.save(file, np.full((1, 1, 12, 12), 60, np.uint8))
    before = followed(folder, "named", "from: grey.npy, variants: dense")
    (folder / "moved").mkdir()
    file.rename(folder / "moved/grey.npy")
    done = run("verify", "--tiles", 1, "--data", folder / "moved", out)
    assert done.returncode == 0 and f"{folder}/moved/grey.npy: what the study was made with" in done.stdout, done.stdout + done.stderr
    np.save(file, np.full((1, 1, 12, 12), 200, np.uint8))
    done = run("verify", "--data", folder, out)
    assert done.returncode == 65 and f"{file}: is not what the study was made with" in done.stdout, done.stdout + done.stderr
    for finished in (True, False):
        if not finished:
            with h5py.File(out, "r+") as h5:
                h5["progress/paths"][0, 1] = 0
        done = run("run", folder / "study.yaml")
        assert done.returncode == 65 and len(own_lines(done)) == 1, done.stderr
        assert f"{file}: has changed since" in done.stderr and "study.h5 was made from it" in done.stderr
    file.rename(folder / "light.npy")
    after = followed(folder, "named", "from: light.npy, variants: dense")
    assert np.all(np.abs(after["total"] - before["total"]).reshape(SAMPLES, -1).max(1) > 1e-3)


def test_from_clean_to_corrupted(study):
    folder, _ = study
    write(folder, "ways", "from: clean, conditions: all, variants: dense")
    done = run("run", folder / "study.yaml")
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / "ways/study.h5") as h5:
        assert sorted(h5["paths/dense"]) == ["gaussian_noise"] and "magnitude-global-0.5" not in h5["paths"]
        for severity, c in ((1, 1), (5, 2)):
            group = h5[f"paths/dense/gaussian_noise/{severity}"]
            change = h5["prediction/logits"][0, c, :SAMPLES].astype(float) - h5["prediction/logits"][0, 0, :SAMPLES]
            np.testing.assert_allclose(group["total"][:], np.take_along_axis(change, group["class"][:].astype(int), 1), atol=1e-4)
        opened, group = facet.open(folder / "ways/study.h5"), h5["paths/dense/gaussian_noise/5"]
        picture = opened.plot.ways("dense", condition="gaussian_noise/5")
        maps = [axis.images[0].get_array() for axis in picture.axes if axis.images][1::2]
        assert np.array_equal(maps, group["attribution"][:, 0, 0].astype(float))
    text = sections(folder / "ways/study.h5", "ways")
    assert "does on the straight way from the clean sample to the sample under gaussian_noise/5" in text and "ways_gaussian_noise_5" in text


@pytest.mark.parametrize("paths, wanted", [
    ("from: nowhere.npy", "study.yaml:14: paths.from: "),
    ("from: narrow.npy", "images of 1 x 12 x 11, but samples are 1 x 12 x 12"),
    ("from: clean", "study.yaml:14: paths.from: where a path begins at the clean sample, 'conditions' has to say where it ends"),
    ("from: inf", "paths.from: inf is not finite"),
    ("variants: dence", "did you mean 'dense'?"),
    ("conditions: gaussian_noise/2", "there is no condition 'gaussian_noise/2'"),
])
def test_what_cannot_be(study, paths, wanted):
    folder, _ = study
    np.save(folder / "narrow.npy", np.zeros((2, 1, 12, 11), np.uint8))
    write(folder, "wrong", paths)
    done = run("check", folder / "study.yaml")
    assert done.returncode in (65, 66) and wanted in done.stderr, done.stderr
    assert len(own_lines(done)) == 1


def test_report(study):
    folder, h5 = study
    text = sections(folder / "out1/study.h5", "ways")
    assert "On the way to a sample" in text and "the mean of all test images" in text
    assert f"{int(np.median(h5['paths/dense/pieces'][:])):,}" in text and "integrated gradients are those of all pieces" in text
    assert text.count("What the networks dense and magnitude-global-0.5 do on the straight way from mean to ") == 2 * 2  # two pictures, and their alternative texts
    assert "to a sample." in text and "to the sample under gaussian_noise/5." in text
    picture = facet.open(folder / "out1/study.h5").plot.ways("dense", other="magnitude-global-0.5")
    maps = [axis.images[0] for axis in picture.axes if axis.images]
    for sample in range(SAMPLES):
        for place, group in ((1, h5["paths/dense"]), (2, h5["paths/magnitude-global-0.5"])):
            k = int(h5["paths/dense/logits"][sample, -1].argmax())
            assert np.array_equal(maps[3 * sample + place].get_array(), group["attribution"][sample, k, 0])
        assert maps[3 * sample + 1].get_clim() == maps[3 * sample + 2].get_clim()
    shutil.copy(folder / "out1/study.h5", folder / "more.h5")
    with h5py.File(folder / "more.h5", "r+") as copy:  # more than the file says where
        copy["paths/dense/crossing"][:], copy["paths/dense/changes"][:] = np.arange(16) / 16, 40
        copy["paths"].attrs["from"] = "/data/two.npy"
        copy["paths/dense/residual"][1], copy["paths/magnitude-global-0.5/rounded_residual"][1] = 2e-12, 3e-12
    text = sections(folder / "more.h5", "ways")
    assert "<td>40.0</td>" in re.sub(r"<td[^>]*>", "<td>", text) and facet.open(folder / "more.h5").integrated_gradients("dense", 0).changes == 40
    assert re.findall(r'<span class="bad">([^<]*)</span>', text) == [numbers.small(2e-12), numbers.small(3e-12)]  # no more than is promised
    assert "changes, of the first baseline (where there are several" in facet.open(folder / "more.h5").plot.ways("dense").caption


def test_an_edited_study_takes_paths_over(study):
    """Another variant: paths of the old ones are taken over; another baseline: none is."""
    folder, _ = study
    settings = "from: mean, rows: predicted, variants: {}"
    write(folder, "edited", settings.format("dense"))
    assert run("run", folder / "study.yaml").returncode == 0
    write(folder, "edited", settings.format("all"))
    done = run("run", folder / "study.yaml")
    assert done.returncode == 0 and re.search(r"paths: 3 paths in", done.stderr), done.stderr
    edited = checksum(folder / "edited/study.h5")
    done = run("run", folder / "study.yaml", "--fresh")
    assert done.returncode == 0 and re.search(r"paths: 6 paths in", done.stderr), done.stderr
    assert checksum(folder / "edited/study.h5") == edited
    write(folder, "edited", settings.format("all").replace("mean", "blur"))
    done = run("run", folder / "study.yaml")
    assert done.returncode == 0 and re.search(r"paths: 6 paths in", done.stderr), done.stderr
