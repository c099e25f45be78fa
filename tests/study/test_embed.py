"""The key `embed` of a study: positions are those of the written networks, explanations and movements add up, training
stops and goes on with the same bits, and bad values get one line."""

import re

import h5py
import numpy as np
import onnx
import onnxruntime
import pytest

from conftest import STUDY, make_digits, own_lines, run

EMBED = "embed: {layers: [24, 16], perplexity: 12, batch: 200, epochs: 15, explain: 60}\n"


@pytest.fixture
def folder(tmp_path):
    make_digits(tmp_path, train=500, test=120)
    (tmp_path / "study.yaml").write_text(STUDY + EMBED)
    return tmp_path


def change(folder, *pairs):
    text = (folder / "study.yaml").read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (folder / "study.yaml").write_text(text)


def images(f, count=None):
    x = f["image"][:count].astype(np.float64) / f.attrs["normalize_scale"]
    return (x - f.attrs["normalize_mean"].reshape(1, -1, 1, 1)) / f.attrs["normalize_std"].reshape(1, -1, 1, 1)


def features(path, x):
    """What goes into the last Gemm."""
    model = onnx.load(path)
    last = [n for n in model.graph.node if n.op_type == "Gemm"][-1].input[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([last], {session.get_inputs()[0].name: x.astype(np.float32)})[0]


def encode(path, h):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: h.astype(np.float32)})[0]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_positions_and_explanations(folder, ranks):
    done = run("run", folder / "study.yaml", ranks=ranks)
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / "out/study.h5") as f:
        e, variants = f["embed"], f["variant"].asstr()[:]
        assert e["position"].shape == (4, 3, 120, 2) and np.isfinite(e["position"][()]).all()
        x = images(f)
        for v, variant in enumerate(variants):
            h = features(folder / f"out/variants/{variant}.onnx", x)
            np.testing.assert_allclose(e["position"][v, 0], encode(folder / "out/embed/encoder.onnx", h), atol=2e-4)
            group = e[variant]
            w, b = group["W"][()].astype(float), group["b"][()].astype(float)
            assert w.shape == (60, 2, 1, 12, 12)
            mapped = (w * x[:60, None]).sum((2, 3, 4)) + b
            np.testing.assert_allclose(mapped, e["position"][v, 0, :60], rtol=0, atol=1e-11)
            np.testing.assert_allclose(group["b_node"][()].sum(-1), b, rtol=0, atol=1e-12)
            assert group["residual"][()].max() <= 1e-12
            # movement from dense: by pixels and by nodes
            moved = ((w - e["dense/W"][()]) * x[:60, None]).sum((2, 3, 4)) + b - e["dense/b"][()]
            np.testing.assert_allclose(moved, e["position"][v, 0, :60] - e["position"][0, 0, :60], rtol=0, atol=1e-11)
        assert "embed/dense3" in group["node"].asstr()[:]
        loss = e["loss"][()]
        assert loss.shape == (15,) and loss[-1] < 0.95 * loss[0] and (e["rate"][()] > 0).all() and (e["alpha"][()] == 1).all()
        assert sorted(e["train/train_sample"][()]) == list(range(500))


def test_a_lost_store_is_made_anew_whole(folder):
    store = folder / "out/study.h5"

    def read():
        assert run("run", folder / "study.yaml", ranks=2).returncode == 0
        with h5py.File(store) as f:
            return {name: f[name][()] for name in ("embed/loss", "embed/train/position", "embed/position", "embed/quality")}

    whole = read()
    store.unlink()
    for name, values in read().items():
        assert np.isfinite(values).all()
        np.testing.assert_array_equal(values, whole[name])


def test_figures_of_merit(folder):
    assert run("run", folder / "study.yaml", ranks=2).returncode == 0
    with h5py.File(folder / "out/study.h5") as f:
        y, train, label = f["embed/position"][0, 0], f["embed/train/position"][()], f["embed/train/label"][()]
        d2 = ((y[:, None] - train[None]) ** 2).sum(-1)
        error, trust, continuity = f["embed/quality"][0]
        assert error == np.mean(label[d2.argmin(1)] != f["label"][()])
        h = features(folder / "out/variants/dense.onnx", images(f)).astype(float)

    def ranks_of(p):
        d = ((p[:, None] - p[None]) ** 2).sum(-1)
        np.fill_diagonal(d, -1)
        return d.argsort(1, kind="stable").argsort(1)

    n, k, (in_x, in_y) = len(h), 12, (ranks_of(h), ranks_of(y))
    scale = 2 / (n * k * (2 * n - 3 * k - 1))
    assert abs(trust - (1 - scale * np.where((in_y > 0) & (in_y <= k), np.maximum(in_x - k, 0), 0).sum())) < 1e-6
    assert abs(continuity - (1 - scale * np.where((in_x > 0) & (in_x <= k), np.maximum(in_y - k, 0), 0).sum())) < 1e-6


def results(folder):
    with h5py.File(folder / "out/study.h5") as f:
        return {name: f[name][()] for name in ("embed/loss", "embed/position", "embed/train/position", "embed/dense/W", "embed/quality")}


def test_a_finished_encoder_is_not_trained_again(folder):
    """One that was interrupted goes on with the same bits: test_stops.py."""
    assert run("run", folder / "study.yaml", ranks=2).returncode == 0
    whole = results(folder)
    again = run("run", folder / "study.yaml", ranks=2)
    assert again.returncode == 0 and "encoder:" not in again.stderr
    for name, array in results(folder).items():
        assert np.array_equal(array, whole[name]), name


def test_pixels_and_a_learned_alpha(folder):
    change(folder, ("embed: {", "embed: {source: pixels, alpha: learned, dimensions: 1, optimizer: momentum, rate: 0.01, exaggeration: 4, exaggeration_epochs: 3, "))
    assert run("run", folder / "study.yaml", ranks=2).returncode == 0
    with h5py.File(folder / "out/study.h5") as f:
        position, alpha = f["embed/position"][()], f["embed/alpha"][()]
        np.testing.assert_allclose(position[0, 0], encode(folder / "out/embed/encoder.onnx", images(f).reshape(120, -1)), atol=1e-4)
        assert np.array_equal(position[0], position[3])  # pruning moves no pixel
        assert not np.array_equal(position[0, 0], position[0, 2])
        assert (np.diff(alpha) != 0).all() and f["embed/loss"][-1] < f["embed/loss"][0]


def test_features_of_another_size_have_no_positions(folder):
    change(folder, ("  - {method: random, scope: layer, sparsity: 0.5}\n", "  - {method: filter, scope: layer, sparsity: 0.5, remove_dead: true}\n"),
           ("dense: [16]", "dense: []"))
    done = run("run", folder / "study.yaml", ranks=2)
    assert done.returncode == 0 and "filter-layer-0.5 has no positions" in done.stderr
    with h5py.File(folder / "out/study.h5") as f:
        assert np.isnan(f["embed/position"][3]).all() and np.isnan(f["embed/quality"][3]).all()
        assert np.isfinite(f["embed/position"][:3]).all() and "filter-layer-0.5" not in f["embed"]


@pytest.mark.parametrize("old, new, words", [
    ("perplexity: 12", "perplexity: 199", "study.yaml:19: embed.perplexity: 199 neighbours"),
    ("perplexity: 12", "perplexity: 0.5", "study.yaml:19: embed.perplexity"),
    ("layers: [24, 16]", "layer: [24, 16]", "study.yaml:19: embed.layer"),
    ("layers: [24, 16]", "layers: [0]", "embed.layers[0]: 0 is not in"),
    ("explain: 60", "variant: dens", "there is no variant 'dens'; did you mean 'dense'?"),
    ("explain: 60", "samples: 501", "embed.samples: 501, but there are 500"),
    ("explain: 60", "source: feature", "embed.source"),
    ("explain: 60", "alpha: 0", "embed.alpha"),
    ("batch: 200", "batch: 3", "embed.batch"),
    ("explain: 60", "noise: -0.1", "embed.noise"),
    ("explain: 60", "noise: 1e30", "embed.noise: 1e30 is not in [0, 1000]"),
    ("  - clean\n", "", "embed: needs 'clean' among the conditions"),
])
def test_bad_wishes(folder, old, new, words):
    if new == "":
        change(folder, ("linearize: {variants: all, samples: 70, rows: all}\n", ""))
    change(folder, (old, new))
    done = run("check", folder / "study.yaml")
    assert done.returncode == 65 and words in done.stderr and len(own_lines(done)) == 1, done.stderr


def whole(folder):
    """Every number of /embed, where all variants have positions."""
    with h5py.File(folder / "out/study.h5") as f:
        arrays = {}
        f["embed"].visititems(lambda name, a: arrays.update({name: a[()]}) if isinstance(a, h5py.Dataset) and a.dtype.kind == "f" else None)
    assert {"position", "train/position", "loss", "quality", "dense/W"} <= arrays.keys()
    for name, array in arrays.items():
        assert np.isfinite(array).all(), name
    return arrays


@pytest.mark.parametrize("source", ["features", "pixels"])
def test_duplicates(folder, source):
    """Of 500 training samples 10 are different: each has more copies in a batch than the perplexity counts neighbours.
    Copies lie in one place."""
    header, pixels = (folder / "train-images").read_bytes()[:16], 144
    images, labels = (np.frombuffer((folder / f"train-{name}").read_bytes()[at:], np.uint8) for name, at in (("images", 16), ("labels", 8)))
    copies = np.arange(500) % 10
    (folder / "train-images").write_bytes(header + images.reshape(500, pixels)[copies].tobytes())
    (folder / "train-labels").write_bytes((folder / "train-labels").read_bytes()[:8] + labels[copies].tobytes())
    change(folder, ("embed: {", f"embed: {{source: {source}, "))
    done = run("run", folder / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    position = whole(folder)["train/position"]
    with h5py.File(folder / "out/study.h5") as f:
        copy = f["embed/train/train_sample"][()] % 10
    places = np.array([position[copy == i].mean(0) for i in range(10)])
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)[~np.eye(10, dtype=bool)]
    assert np.abs(position - places[copy]).max() < 1e-3 * apart.min()


def test_one_class_only(folder):
    for name in ("train", "test"):
        labels = (folder / f"{name}-labels").read_bytes()
        (folder / f"{name}-labels").write_bytes(labels[:8] + bytes(len(labels) - 8))
    change(folder, ("model:\n", "  classes: [a, b, c, d]\nmodel:\n"))
    done = run("run", folder / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    assert (whole(folder)["quality"][:, 0] == 0).all()  # no sample has a neighbour of another class


def float_study(folder, train, embed="{layers: [8], perplexity: 5, epochs: 2}"):
    """A network of two layers that is not trained, and samples of 6 numbers: `train` to embed, others to test."""
    random = np.random.default_rng(0)
    arrays = {"w": random.normal(size=(6, 8)), "v": random.normal(size=(8, 3))}
    nodes = [onnx.helper.make_node("MatMul", ["x", "w"], ["z"]), onnx.helper.make_node("Relu", ["z"], ["h"]),
             onnx.helper.make_node("MatMul", ["h", "v"], ["y"])]
    graph = onnx.helper.make_graph(nodes, "two", [onnx.helper.make_tensor_value_info("x", 1, ["N", 6])],
                                   [onnx.helper.make_tensor_value_info("y", 1, ["N", 3])],
                                   [onnx.numpy_helper.from_array(a.astype("f4"), name) for name, a in arrays.items()])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=7), folder / "two.onnx")
    for name, x in (("train", train), ("test", random.normal(size=(30, 6)))):
        np.save(folder / f"{name}.npy", x.astype("f4"))
        np.save(folder / f"{name}-labels.npy", np.arange(len(x)) % 3)
    sets = "".join(f"  {name}: {{format: npy, images: {name}.npy, labels: {name}-labels.npy}}\n" for name in ("train", "test"))
    (folder / "study.yaml").write_text(f"output: out\ndata:\n{sets}model: {{onnx: two.onnx}}\nembed: {embed}\n")
    return folder / "study.yaml"


@pytest.mark.parametrize("ranks", [1, 2])
def test_features_that_are_not_finite(tmp_path, ranks):
    """Pixels are finite, or their file is refused; what a network makes of them need not be."""
    train = np.random.default_rng(1).normal(size=(40, 6))
    train[7] = 3e38
    done = run("run", float_study(tmp_path, train), ranks=ranks)
    assert done.returncode == 65 and "study.yaml:6: embed: the features of sample 7 are not finite\n" in done.stderr
    with h5py.File(tmp_path / "out/study.h5") as f:
        assert np.isnan(f["embed/position"][()]).all() and not (tmp_path / "out/embed/encoder.onnx").exists()
    assert run("run", float_study(tmp_path, np.delete(train, 7, 0)), "--fresh", ranks=ranks).returncode == 0


def test_samples_that_are_all_the_same(tmp_path):
    """0.1 is no binary number: sums of it are not exact, and leave a variance of rounding errors."""
    done = run("run", float_study(tmp_path, np.full((3001, 6), 0.1)), ranks=2)
    assert done.returncode == 65 and "study.yaml:6: embed: the features of all samples are the same" in done.stderr


def test_no_labels(tmp_path):
    study = float_study(tmp_path, np.random.default_rng(1).normal(size=(40, 6)))
    change(tmp_path, (", labels: test-labels.npy", ""))
    assert run("run", study, ranks=2).returncode == 0
    with h5py.File(tmp_path / "out/study.h5") as f:
        assert np.isnan(f["embed/quality"][0, 0]) and np.isfinite(f["embed/quality"][0, 1:]).all()
        assert np.isfinite(f["embed/position"][()]).all()


def test_too_few_samples(tmp_path):
    done = run("check", float_study(tmp_path, np.zeros((20, 6)), "{}"))
    assert done.returncode == 65 and "embed.perplexity: 30 neighbours are more than a batch of 20 samples has" in done.stderr


def test_forecast_names_the_encoder(folder):
    """How the time follows from the work is counted in tests/parallel/test_encoder.c."""
    change(folder, ("epochs: 15,", "epochs: 1000000,"))
    done = run("check", folder / "study.yaml")
    assert done.returncode == 0 and re.search(r"^time .*[,:] encoder \d+ (h|min|s)", done.stdout, flags=re.M), done.stdout


def test_a_rate_too_large(folder):
    change(folder, ("explain: 60", "optimizer: momentum, rate: 1.0e+30"))
    done = run("run", folder / "study.yaml", ranks=2)
    assert done.returncode == 65 and "study.yaml:19: embed.rate: the loss is no longer finite in epoch" in done.stderr
    with h5py.File(folder / "out/study.h5") as f:
        assert np.isnan(f["embed/position"][()]).all()
