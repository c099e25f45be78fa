"""One network that takes its samples in every usual layout: the same W, stored in each network's own."""

import re
import shutil

import h5py
import numpy as np
import pytest

from conftest import checksum, own_lines, run

onnx = pytest.importorskip("onnx")
from onnx import helper, numpy_helper  # noqa: E402

SHAPE, CLASSES, SAMPLES = (3, 6, 5), 4, 23
C, Y, X = SHAPE

STUDY = """\
output: out
block: 10
data:
  test: {{format: npy, images: images.npy, labels: labels.npy{file}}}
  normalize: {{scale: 255, mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.4]}}{data}
model: {{onnx: {model}.onnx}}
conditions: [clean, {{corruption: gaussian_noise, severity: 2}}]
linearize: {{samples: 17, rows: all}}
{more}
"""

INPUTS = {  # what the network takes: dimensions, and how they become the C x Y x X that its convolution wants
    "first": ([C, Y, X], None),
    "last": ([Y, X, C], (0, 3, 1, 2)),
    "flat": ([C * Y * X], None),
    "flat_one": ([C * Y * X, 1], None),
    "flat_ones": ([1, 1, C * Y * X], None),
    "flat_last": ([C * Y * X], (0, 3, 1, 2)),
    "last_ones": ([1, Y, X, C, 1], (0, 3, 1, 2)),
}


def export(path, dims, turn, batch="N"):
    """Input, a reshape, a transposition, then a convolution and a dense layer: always the same numbers."""
    random = np.random.default_rng(3)
    shape = [0, *SHAPE] if turn is None else [0, Y, X, C]
    arrays = {"shape": np.array([-1, *shape[1:]], dtype=np.int64),
              "w": random.normal(size=(6, C, 3, 3)).astype("f4") / 5, "c": random.normal(size=6).astype("f4"),
              "v": random.normal(size=(CLASSES, 6 * Y * X)).astype("f4") / 10, "d": random.normal(size=CLASSES).astype("f4")}
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["r"])]
    if turn:
        nodes.append(helper.make_node("Transpose", ["r"], ["t"], perm=turn))
    nodes += [helper.make_node("Conv", ["t" if turn else "r", "w", "c"], ["z"], name="conv", pads=[1, 1, 1, 1]),
              helper.make_node("Relu", ["z"], ["h"]), helper.make_node("Flatten", ["h"], ["f"]),
              helper.make_node("Gemm", ["f", "v", "d"], ["y"], name="logits", transB=1)]
    graph = helper.make_graph(nodes, "layout", [helper.make_tensor_value_info("x", 1, [batch, *dims])],
                              [helper.make_tensor_value_info("y", 1, [batch, CLASSES])],
                              [numpy_helper.from_array(a, name) for name, a in arrays.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(5)
    np.save(tmp_path / "images.npy", random.integers(0, 256, (SAMPLES, *SHAPE), dtype=np.uint8))
    np.save(tmp_path / "labels.npy", random.integers(0, CLASSES, SAMPLES))
    for name, (dims, turn) in INPUTS.items():
        export(tmp_path / f"{name}.onnx", dims, turn)
    return tmp_path


def study(folder, model, data="", file="", more="", ranks=1, command="run"):
    (folder / "study.yaml").write_text(STUDY.format(model=model, data=data, file=file, more=more))
    shutil.rmtree(folder / "out", ignore_errors=True)
    return run(command, folder / "study.yaml", *(["--verbose"] if command == "check" else []), ranks=ranks)


def linear(folder, variant="dense"):
    """W as n, k, channel, y, x; its dimensions; layout and order; logits."""
    with h5py.File(folder / "out" / "study.h5") as h5:
        w = h5[f"linear/{variant}/W"]
        names = [d[0].name.rpartition("/")[2] for d in w.dims][2:]
        order, rows = w.attrs["order"], w[:]
        assert list(h5[f"variants/{variant}"].attrs["input_shape"]) == list(w.shape[2:])
        assert h5[f"variants/{variant}"].attrs["layout"] == h5[f"linear/{variant}"].attrs["layout"] == w.attrs["layout"]
        assert h5[f"linear/{variant}/residual"][:].max() < 1e-5
        if order == "channels_last":
            rows = np.moveaxis(rows.reshape(*rows.shape[:2], Y, X, C), -1, 2)
        index = list(h5["variant"].asstr()).index(variant)
        return rows.reshape(*rows.shape[:2], *SHAPE), names, (w.attrs["layout"], order), h5["prediction/logits"][index]


EXPECTED = {
    "first": (["channel", "y", "x"], ("channels_first", "channels_first")),
    "last": (["y", "x", "channel"], ("channels_last", "channels_last")),
    "flat": (["input"], ("flat", "channels_first")),
    "flat_one": (["input", "one"], ("flat", "channels_first")),
    "flat_ones": (["one", "one_2", "input"], ("flat", "channels_first")),
    "flat_last": (["input"], ("flat", "channels_last")),
    "last_ones": (["one", "y", "x", "channel", "one_2"], ("channels_last", "channels_last")),
}


def test_the_same_w_in_every_layout(folder):
    assert study(folder, "first").returncode == 0
    wanted, _, _, logits = linear(folder)
    for model, (names, layout) in EXPECTED.items():
        done = study(folder, model, "\n  layout: channels_last" if model == "flat_last" else "", ranks=2)
        assert done.returncode == 0, done.stderr
        w, found, said, f = linear(folder)
        assert found == names and said == layout, model
        np.testing.assert_allclose(w, wanted, atol=1e-5 * np.abs(wanted).max(), err_msg=model)
        np.testing.assert_allclose(f, logits, atol=1e-4, err_msg=model)


def test_ranks_and_layouts(folder):
    sums = set()
    for ranks in (1, 2, 3):
        assert study(folder, "last", ranks=ranks).returncode == 0
        sums.add(checksum(folder / "out" / "study.h5"))
    assert len(sums) == 1


def test_every_variant_has_its_own_layout(folder):
    more = "variants:\n- {onnx: last.onnx}\n- {onnx: flat.onnx}\n- {onnx: flat_last.onnx, layout: channels_last}\n"
    done = study(folder, "first", more=more, ranks=2)
    assert done.returncode == 0, done.stderr
    wanted, _, _, logits = linear(folder)
    for variant in ("last", "flat", "flat_last"):
        w, names, layout, f = linear(folder, variant)
        assert (names, layout) == EXPECTED[variant]
        np.testing.assert_allclose(w, wanted, atol=1e-5 * np.abs(wanted).max())
        np.testing.assert_allclose(f, logits, atol=1e-4)


@pytest.mark.parametrize("method", ["gram", "dual"])
def test_spectra_have_the_layout_of_w(folder, method):
    networks = [name for name in EXPECTED if name != "first"]
    more = "variants:\n" + "".join(f"- {{onnx: {name}.onnx{', layout: channels_last' * (name == 'flat_last')}}}\n"
                                   for name in networks) + f"aggregate: {{spectrum: 5, method: {method}}}\n"
    done = study(folder, "first", more=more, ranks=2)
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / "out" / "study.h5") as h5:
        orders = []
        for variant in ["dense", *networks]:
            w, group = h5[f"linear/{variant}/W"], h5[f"aggregate/{variant}"]
            names = [d[0].name for d in group["directions"].dims]
            assert names == ["/aggregate/component"] + [d[0].name.replace("/linear/", "/aggregate/") for d in w.dims][2:]
            assert dict(group["directions"].attrs.items())["order"] == w.attrs["order"]
            assert group["directions"].attrs["layout"] == w.attrs["layout"]
            m = w[:].astype(float).reshape(17 * CLASSES, -1)
            s = np.linalg.svd(m, compute_uv=False)
            np.testing.assert_allclose(group["singular_values"][:], s[:5], rtol=1e-9)
            v = group["directions"][:].reshape(5, -1)
            np.testing.assert_allclose(v @ m.T @ m, v * s[:5, None] ** 2, atol=1e-9 * s[0] ** 2)
            orders.append(w.attrs["order"])
        angles = h5["aggregate/principal_angles"][:]
        for a, one in enumerate(orders):
            for b, other in enumerate(orders):
                assert angles[a, b].max() < 1e-3 if one == other else np.isnan(angles[a, b]).all()
        assert np.all(h5["aggregate/cka"][:][::2, ::2] > 1 - 1e-6)  # the same network, clean


def test_images_that_lie_channels_last(folder):
    assert study(folder, "first").returncode == 0
    before = checksum(folder / "out" / "study.h5")
    images = np.load(folder / "images.npy")
    np.save(folder / "images.npy", np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
    for file in ("", ", layout: channels_last"):  # 3 stands last: that tells
        assert study(folder, "first", file=file).returncode == 0
        assert checksum(folder / "out" / "study.h5") == before
    done = study(folder, "first", file=", layout: channels_first")
    assert done.returncode == 65 and "images have 6 channels" in done.stderr


@pytest.mark.parametrize("model, data, more, words", [
    ("first", "\n  layout: channels_last", "", r"study.yaml:6: data.layout: channels_last, but images are 3 x 6 x 5 and the "
     r"network .*first.onnx takes 3 x 6 x 5: that is channels_first"),
    ("last", "\n  layout: channels_first", "", r"study.yaml:6: data.layout: channels_first, but .*that is channels_last"),
    ("first", "", "variants:\n- {onnx: last.onnx, layout: channels_first}", r"study.yaml:10: variants.layout: .*last.onnx"),
    ("odd", "", "", r"images are 3 x 6 x 5 but the network .*odd.onnx takes 5 x 6 x 3"),
])
def test_layouts_that_do_not_meet(folder, model, data, more, words):
    export(folder / "odd.onnx", [X, Y, C], (0, 3, 1, 2))
    for command in ("check", "run"):
        done = study(folder, model, data, more=more, command=command)
        assert done.returncode == 65 and len(own_lines(done)) == 1, done.stderr
        assert re.search(words, done.stderr), done.stderr


def test_check_says_the_layouts(folder):
    done = study(folder, "flat", "\n  layout: channels_last", command="check")
    assert re.search(r"^dense +flat +channels_last ", done.stdout, re.MULTILINE), done.stdout


def test_training_on_in_the_networks_order(folder):
    """Trained on from the same weights, a network ends with the same ones, whatever order it takes its samples in."""
    train = "train: {{format: npy, images: images.npy, labels: labels.npy}}\n  test:"
    weights = []
    for model in ("first", "last"):
        text = STUDY.replace("test:", train, 1).format(model=model, data="", file="", more="")
        text = text.replace(f"{model}.onnx}}", f"{model}.onnx, train: {{epochs: 2, batch: 8, rate: 0.01}}}}")
        (folder / "study.yaml").write_text(text)
        shutil.rmtree(folder / "out", ignore_errors=True)
        done = run("run", folder / "study.yaml")
        assert done.returncode == 0, done.stderr
        graph = onnx.load(folder / "out" / "variants" / "dense.onnx").graph
        weights.append({i.name: numpy_helper.to_array(i) for i in graph.initializer})
    for name in ("w", "v"):
        np.testing.assert_allclose(weights[0][name], weights[1][name], atol=1e-5)
        assert np.abs(weights[0][name]).max() > 0
