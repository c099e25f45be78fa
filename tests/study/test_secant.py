"""Networks that are not piecewise linear, frozen at each sample (`gates: secant`): logits, W and b against PyTorch in float64, W
against its gradient with gates detached; and what refuses such networks."""

import itertools
import logging

import h5py
import numpy as np
import pytest

import facet
from conftest import own_lines, run, sections
from test_torch_export import export, linearized, near, quick_exporter  # noqa: F401

torch = pytest.importorskip("torch", reason="PyTorch is not installed (tools/venv tests/study/torch.txt installs it)")
onnx = pytest.importorskip("onnx", reason="the Python package onnx is not installed")
import onnx.reference  # noqa: E402
from secant_family import SECANT, build, frozen  # noqa: E402
from torch_family import Net  # noqa: E402
from test_torch_export import exact  # noqa: E402

BOUND = {"double": 1e-6, "float": 1e-5}  # of the largest element: files hold rounded numbers, such as 1 / sqrt 2
CASES = [
    (name, *case) for name, case in itertools.product(SECANT, [("script", "open", "float", 0), ("dynamo", "one", "double float", 1)])
    if SECANT[name][2].get("only", case[0]) == case[0]
]
SAID = "secant: W is not the Jacobian"


def samples(shape, seed):
    return np.random.default_rng(seed).normal(size=(3, *shape)).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("name, exporter, batch, precisions, seed", CASES)
def test_frozen_gates(tmp_path, name, exporter, batch, precisions, seed):
    if exporter == "dynamo":
        pytest.importorskip("onnxscript", reason="onnxscript is not installed (tools/venv tests/study/torch.txt installs it)")
        logging.getLogger("onnxscript").setLevel(logging.ERROR)
    net, shape, _ = build(name, seed)
    export(net, torch.randn(1 if batch == "one" else 2, *shape), tmp_path / "net.onnx", exporter, batch, False)
    net, x = net.double(), samples(shape, seed)
    f, jacobian, _ = exact(net, x)
    with frozen():
        same, w, b = exact(net, x)
    near(same, f, 1e-12, "the detached network")
    for precision in precisions.split():
        logits, rows, offset, residual = linearized(tmp_path, x, precision, "net.onnx, gates: secant")
        near(logits, f, 1e-5, "logits")
        near(rows, w, BOUND[precision], "W")
        near(offset, b, BOUND[precision], "b")
        assert residual.max() <= (1e-12 if precision == "double" else 1e-5)
        assert np.abs(rows - jacobian).max() > 1e-3 * np.abs(jacobian).max()  # it is not the Jacobian, and says so
        with h5py.File(tmp_path / f"out-{precision}" / "study.h5") as h5:
            assert h5["linear/dense"].attrs["gates"] == h5["linear/dense/W"].attrs["gates"] == h5["variants/dense"].attrs["gates"] == SAID


# ---- what takes such a network, and what refuses it ----

@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network with frozen gates, and labelled samples."""
    folder = tmp_path_factory.mktemp("secant")
    net, shape, _ = build("mobile_net_v3", 0)
    export(net, torch.randn(2, *shape), folder / "net.onnx", "script", "open", False)
    np.save(folder / "x.npy", np.random.default_rng(3).random((12, *shape), np.float32))
    np.save(folder / "y.npy", np.arange(12) % 5)
    return folder


def study(folder, text, model="onnx: net.onnx, gates: secant", data="test"):
    files = "{format: npy, images: x.npy, labels: y.npy}"
    path = folder / "study.yaml"
    path.write_text(f"output: out\nmodel: {{{model}}}\ndata: {{{', '.join(f'{which}: {files}' for which in data.split())}}}\n{text}")
    return path


@pytest.mark.parametrize("text, data, said", [
    ("paths: {}\n", "test", "variant dense: paths: "),
    ("lines: {}\n", "test", "variant dense: lines: "),
    ("planes: {}\n", "test", "variant dense: planes: "),
    ("attributions: {}\n", "test", "variant dense: attributions: "),
    ("reach: {samples: 5}\n", "test", "variant dense: reach: "),
    ("census: {}\n", "test", "variant dense: census: "),
    ("change: {}\n", "test", "variant dense: change: "),
    ("variants: [{method: snip, sparsity: 0.5}]\n", "train test", "study.yaml:4: variant snip-global-0.5: snip: "),
    ("variants: [{method: synflow, sparsity: 0.5}]\n", "train test", "study.yaml:4: variant synflow-global-0.5: synflow: "),
    ("variants: [{method: magnitude, sparsity: 0.5, retrain: {}}]\n", "train test", ": training: "),
])
def test_refused_by(folder, text, data, said):
    for command in ("check", "run"):
        done = run(command, study(folder, text, data=data))
        assert done.returncode == 65 and len(own_lines(done)) == 1, done.stderr
        assert said in done.stderr and "only of a piecewise-linear network, but node" in done.stderr
        assert "(HardSwish) is frozen at each sample (gates: secant)" in done.stderr


def test_refused_without_the_key(folder):
    done = run("run", study(folder, "", model="onnx: net.onnx"))
    assert done.returncode == 65 and "not piecewise linear; 'gates: secant' freezes it at each sample" in done.stderr


def test_a_study(folder, monkeypatch, undrawn):
    """Pruned, its dead channels taken out, compared and mapped; the same on any number of ranks."""
    text = "linearize: {rows: {top: 2}}\nconditions: [clean, {corruption: fog, severity: 2}]\n" \
        "variants: [{method: filter, sparsity: 0.5, remove_dead: true}]\n"
    sums = []
    for ranks, more in (("1", ""), ("3", ""), ("2", "aggregate: {}\nembed: {epochs: 2, layers: [8], perplexity: 3, explain: 6}\n")):
        done = run("run", study(folder, text + more), "--fresh", "-n", ranks)
        assert done.returncode == 0, done.stderr
        sums.append(run("checksum", folder / "out" / "study.h5").stdout)
        assert run("verify", folder / "out" / "study.h5", "--tiles", "4").returncode == 0
    assert sums[0] == sums[1] and len(sums[0]) > 16
    with facet.open(folder / "out" / "study.h5") as opened:
        for variant in opened.variants:
            linear = opened.linear(variant)
            near(opened.network(variant).linearize(opened.input(0, variant), linear.row[0]).W.ravel(), linear.W[0].ravel(), 1e-5, "W")
            assert SAID[1:] in opened.plot.contributions(variant, 0).caption and SAID[1:] in opened.plot.contrast(variant, 0, *linear.row[0]).caption
            assert linear.residual.max() <= 1e-5 and SAID in repr(linear) and SAID in "".join(opened.warnings(variant))
            contrast = opened.contrast(variant, 0, *linear.row[0])
            for part in (opened.contributions(variant, 0), contrast, contrast / 2):
                assert repr(part).endswith(f", {SAID}>")
        for place in ("embed/dense", "embed/dense/W", "linear/dense/W", "aggregate/dense/directions"):
            assert opened.file[place].attrs["gates"] == SAID, place
        for part in (opened.position("dense", 0), opened.movement("dense", 0)):
            assert repr(part).endswith(f", {SAID}>")
        monkeypatch.setattr("facet.plot.gallery.changed", lambda study, limit: ([(0, opened.variants[1])], 1))  # whatever it says of it
        for picture in (opened.plot.gallery("dense"), opened.plot.gallery_contrasts("dense"), opened.plot.gallery_changed(), opened.plot.leading_directions(), opened.plot.explained_positions(), opened.plot.singular_values(), opened.plot.principal_angles()):
            assert f" S{SAID[1:]}." in picture.caption and "own slope" not in picture.caption


    text = sections(folder / "out" / "study.h5", "explanations")
    assert '<figure id="gallery_contrasts">' in text and "own slope" not in text and text.count(f"S{SAID[1:]}.") >= 3 and "a ReLU network" not in text
    for name in ("spectra", "map"):
        text = sections(folder / "out" / "study.h5", name)
        intro = text[text.index("<p>"):text.index("</p>")]
        assert f" S{SAID[1:]}." in intro and "answer to" not in intro and "is piecewise linear" not in intro, name


def test_inspect(folder):
    done = run("inspect", folder / "net.onnx")
    assert done.returncode == 0 and "HardSwish, frozen" in done.stdout and "Mul, frozen" in done.stdout, done
    assert "note        not piecewise linear: " in done.stdout and "frozen      in " in done.stdout


def test_in_python(folder):
    with pytest.raises(facet.NetworkError, match="'gates: secant' freezes it"):
        facet.Network(folder / "net.onnx")
    with facet.Network(folder / "net.onnx", gates="secant", precision="double") as network:
        x = np.load(folder / "x.npy")[:2]
        linear = network.linearize(x)
        assert not network.piecewise_linear and SAID in repr(network) and SAID in repr(linear) and not linear[0].jacobian
        near(linear(x), network(x), 1e-12, "W x + b")
        for refused in (lambda: network.integrated_gradients(0 * x[0], x), lambda: network.margins(x, [0, 1]), lambda: network.reach(x[0]),
                        lambda: network.line(x[0], x[1]), lambda: network.plane([x[0], x[1], 0 * x[0]]), lambda: network.attributions(x),
                        lambda: network.prune("taylor", 0.5, x=x, label=[0, 1])):
            with pytest.raises(facet.NetworkError, match="only of a piecewise-linear network"):
                refused()
        assert network.prune("magnitude", 0.5).mask.sparsity > 0.4


def test_a_constant_over_a_value(tmp_path):
    """One number is divided, under the key; several are not."""
    for count, gates, said in ((1, "pieces", "a constant divided by a value is not piecewise linear; 'gates: secant' freezes it"),
                               (6, "secant", "a constant of 6 divided by a value: one number is supported")):
        net = Net(lambda m, x: m.head(m.over / (1 + torch.abs(x))), head=torch.nn.Linear(6, 3))
        net.register_buffer("over", torch.full((count,), 2.0))
        export(net, torch.randn(2, 6), tmp_path / "net.onnx", "script", "open", False)
        with pytest.raises(facet.NetworkError, match=said):
            facet.Network(tmp_path / "net.onnx", gates=gates)


def test_softplus_of_the_newer_exporter(tmp_path):
    """A choice between two formulas in the file, one curve to facet, and the same choice in what it writes, as often as it is read; what is no such
    choice is refused."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed (tools/venv tests/study/torch.txt installs it)")
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    torch.manual_seed(2)
    net, x, file = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Softplus(2.5, 1.5), torch.nn.Linear(8, 3)), torch.randn(20, 6), tmp_path / "net.onnx"
    export(net, x[:1], file, "dynamo", "one", False)
    with facet.Network(file, gates="secant") as network:
        network.prune("random", 0).write(tmp_path / "again.onnx")
    with facet.Network(tmp_path / "again.onnx", gates="secant") as network:
        network.write(tmp_path / "third.onnx")
        near(network.linearize(x.numpy())(x.numpy()), net(x).detach().numpy(), 1e-6, "W x + b")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "third.onnx").read_bytes()
    written = onnx.load(tmp_path / "again.onnx")
    assert [node.op_type for node in written.graph.node] == "Gemm Mul Softplus Div Greater Where Gemm".split()
    near(onnx.reference.ReferenceEvaluator(written).run(None, {"x": x[:1].numpy()})[0], net(x[:1]).detach().numpy(), 1e-6, "what was written")
    said = run("inspect", tmp_path / "again.onnx").stdout
    assert "Softplus, frozen" in said and "Where" not in said and "Greater" not in said
    where = next(node for node in written.graph.node if node.op_type == "Where")
    where.input[1], where.input[2] = where.input[2], where.input[1]
    onnx.save(written, tmp_path / "other.onnx")
    with pytest.raises(facet.NetworkError, match=r"\(Where\): only constants may go through it"):
        facet.Network(tmp_path / "other.onnx", gates="secant")
    with pytest.raises(facet.NetworkError, match=r"\(Softplus\): not piecewise linear; 'gates: secant' freezes it"):
        facet.Network(file)


def test_a_rectifier_stays_one(tmp_path):
    """The key changes nothing where all is piecewise linear."""
    net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    export(net, torch.randn(2, 6), tmp_path / "net.onnx", "script", "open", False)
    with facet.Network(tmp_path / "net.onnx", gates="secant") as network:
        assert network.piecewise_linear and network.linearize(np.ones(6)).jacobian
        assert "secant" not in repr(network)
