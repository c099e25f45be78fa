"""Networks as torch.onnx.export writes them, by both exporters: logits, W and b against PyTorch in float64.

Each network of torch_family.py is exported with random weights and run in both precisions, W and b for all classes.
FACET_LONG=1 takes every combination of exporter, batch and precision, and three seeds. `make test` installs PyTorch
into .venv (tests/study/torch.txt); without it, or without onnxscript for the newer exporter, the tests skip."""

import ast
import contextlib
import functools
import io
import itertools
import logging
import os
import re
import warnings

import h5py
import numpy as np
import pytest

from conftest import ROOT, run

MISSING = "is not installed (tools/venv tests/study/torch.txt installs it)"
torch = pytest.importorskip("torch", reason=f"PyTorch {MISSING}")
onnx = pytest.importorskip("onnx", reason="the Python package onnx is not installed")
from onnx import numpy_helper  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils import prune  # noqa: E402
from torch_family import FAMILY, build  # noqa: E402

LONG = bool(os.environ.get("FACET_LONG"))
SAMPLES = 3
NEAR = 1e-5  # a gate this close to its kink has no gradient that float could be held to
# Of the largest element. The files hold the weights that PyTorch has, unless something was rounded on the way.
BOUND = {("double", False): 1e-11, ("double", True): 1e-7, ("float", False): 1e-5, ("float", True): 1e-5}
# exporter, batch in the file, precision, seed
USUAL = [("script", "open", "float", 0), ("script", "one", "double", 1), ("dynamo", "open", "double", 2)]
ALL = list(itertools.product(("script", "dynamo"), ("open", "one"), ("float", "double"), range(3)))
CASES = [
    (name, *case) for name, (_, _, options) in FAMILY.items() for case in (ALL if LONG else USUAL)
    if options.get("only", case[0]) == case[0]
]


@pytest.fixture(scope="module", autouse=True)
def quick_exporter():
    """The newer exporter sets up its table of operators anew for every file, which takes half of its time."""
    with contextlib.suppress(ImportError, AttributeError):
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        ONNXRegistry.from_torchlib = staticmethod(functools.cache(ONNXRegistry.from_torchlib))


def export(net, x, path, exporter, batch, keep_batch_norm):
    """Writes the file, quietly."""
    options = {"input_names": ["x"], "output_names": ["logits"], "dynamo": exporter == "dynamo"}
    if exporter == "dynamo":
        if batch == "open":
            options["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
        options["external_data"] = False
        options["optimize"] = not keep_batch_norm
    else:
        if batch == "open":
            options["dynamic_axes"] = {"x": {0: "batch"}, "logits": {0: "batch"}}
        if keep_batch_norm:
            options["do_constant_folding"] = False
            options["training"] = torch.onnx.TrainingMode.PRESERVE
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x,), str(path), **options)


def away_from_kinks(net, shape, seed):
    """Samples, in double the same as in float, whose gates are all clear of their kinks: so that the gradient at x is
    that within 1e-5 of x, along a few directions."""
    random = np.random.default_rng(seed)
    kept = []
    while len(kept) < SAMPLES:
        x = random.normal(size=shape).astype(np.float32).astype(np.float64)
        u = torch.from_numpy(random.normal(size=(6, *shape)) * NEAR)
        at = torch.from_numpy(x[None])
        with torch.no_grad():
            middle, around, back = net(at), net(at + u), net(at - u)
        if float((around + back - 2 * middle).abs().max()) < 1e-12 * max(1.0, float(middle.abs().max())):
            kept.append(x)
    return np.stack(kept)


def exact(net, x):
    """Logits, W and b by float64 autograd."""
    at = torch.from_numpy(x).requires_grad_(True)
    f = net(at)
    rows = [torch.autograd.grad(f[:, k].sum(), at, retain_graph=True)[0].numpy() for k in range(f.shape[1])]
    w = np.stack(rows, 1).reshape(len(x), f.shape[1], -1)
    f = f.detach().numpy()
    return f, w, f - np.einsum("nkd,nd->nk", w, x.reshape(len(x), -1))


def linearized(folder, x, precision, model):
    shape = x.shape if x.ndim == 4 else (len(x), int(np.prod(x.shape[1:])))
    np.save(folder / "x.npy", x.astype(np.float32).reshape(shape))
    np.save(folder / "y.npy", np.zeros(len(x), dtype=np.int64))
    (folder / "study.yaml").write_text(
        f"output: out-{precision}\nprecision: {precision}\n"
        "data: {test: {format: npy, images: x.npy, labels: y.npy}}\n"
        f"model: {{onnx: {model}}}\nlinearize: {{rows: all}}\n"
    )
    done = run("run", folder / "study.yaml")
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / f"out-{precision}" / "study.h5") as h5:
        w = h5["linear/dense/W"][:].astype(float)
        return (h5["prediction/logits"][0, 0].astype(float), w.reshape(*w.shape[:2], -1),
                h5["linear/dense/b"][:].astype(float), h5["linear/dense/residual"][:])


def near(got, wanted, bound, what):
    assert got.shape == wanted.shape, (what, got.shape, wanted.shape)
    error = np.abs(got - wanted).max() / max(1.0, np.abs(wanted).max())
    assert error <= bound, f"{what} is off by {error:.3g} of its largest element"


@pytest.mark.parametrize("name, exporter, batch, precision, seed", CASES)
def test_export(tmp_path, name, exporter, batch, precision, seed):
    if exporter == "dynamo":
        pytest.importorskip("onnxscript", reason=f"onnxscript {MISSING}")
        logging.getLogger("onnxscript").setLevel(logging.ERROR)
    net, shape, options = build(name, seed)
    example = torch.randn(1 if batch == "one" else 2, *shape)
    export(net, example, tmp_path / "net.onnx", exporter, batch, options.get("keep_batch_norm", False))
    net = net.double()
    x = away_from_kinks(net, shape, seed)
    f, w, b = exact(net, x)
    logits, rows, offset, residual = linearized(tmp_path, x, precision, "net.onnx")
    bound = BOUND[precision, options.get("rounded", False)]
    near(logits, f, 1e-5, "logits")
    near(rows, w, bound, "W")
    near(offset, b, bound, "b")
    assert residual.max() <= (1e-12 if precision == "double" else 1e-5)


def keeping_lines(page):
    """The calls that README and docs show for an export that keeps batch norm."""
    (block,) = re.findall(r"```python\n(torch\.onnx\.export.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return [ast.unparse(statement) for statement in ast.parse(block).body]


def normalized():
    torch.manual_seed(4)
    net = nn.Sequential(nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3, bias=False),
                        nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 3)).eval()
    for norm in (net[1], net[4]):
        norm.running_var.uniform_(0.05, 5), norm.weight.data.uniform_(0.2, 3), norm.running_mean.normal_()
    return net


@pytest.mark.parametrize("which", [0, 1], ids=["script", "dynamo"])
def test_the_export_that_keeps_batch_norm(tmp_path, monkeypatch, which):
    """What README shows keeps it, so that magnitude removes what torch.nn.utils.prune removes; the default does not, and
    facet says so."""
    if which == 1:
        pytest.importorskip("onnxscript", reason=f"onnxscript {MISSING}")
        logging.getLogger("onnxscript").setLevel(logging.ERROR)
    monkeypatch.chdir(tmp_path)
    lines = keeping_lines("README.md")
    assert lines == keeping_lines("docs/networks.md") and len(lines) == 2
    model, x, note = normalized(), torch.randn(2, 1, 8, 8), "no BatchNormalization behind convolutions: folded?"
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (x,), "folded.onnx", dynamo=which == 1)
        exec(lines[which], {"torch": torch, "model": model, "x": x})
    assert note in run("inspect", "folded.onnx").stdout
    kept = run("inspect", "model.onnx")
    assert kept.returncode == 0 and note not in kept.stdout, kept
    assert len(re.findall(r" BatchNormalization ", kept.stdout)) == 2

    layers = [model[i] for i in (0, 3, 7)]
    prune.global_unstructured([(layer, "weight") for layer in layers], prune.L1Unstructured, amount=0.5)
    wanted = {layer.weight.shape: layer.weight.detach().numpy() == 0 for layer in layers}
    np.save("x.npy", np.random.default_rng(1).normal(size=(4, 1, 8, 8)).astype("f4")), np.save("y.npy", np.zeros(4, int))
    removed = {}
    for name in ("model", "folded"):
        (tmp_path / "study.yaml").write_text(
            f"output: {name}\ndata: {{test: {{format: npy, images: x.npy, labels: y.npy}}}}\nmodel: {{onnx: {name}.onnx}}\n"
            "variants: [{name: half, method: magnitude, scope: global, sparsity: 0.5}]\n")
        done = run("run", "study.yaml")
        assert done.returncode == 0, done.stderr
        tensors = onnx.load(f"{name}/variants/half.onnx").graph.initializer
        removed[name] = {tuple(t.dims): numpy_helper.to_array(t) == 0 for t in tensors if len(t.dims) > 1}
    assert len(wanted) == 3 and all((removed["model"][shape] == zero).all() for shape, zero in wanted.items())
    assert any((removed["folded"][shape] != zero).any() for shape, zero in wanted.items())
