"""Masks of every criterion against PyTorch in double precision: the same sets, exactly, away from ties."""

import subprocess

import numpy as np
import pytest

from conftest import ROOT, SHARED

onnx = pytest.importorskip("onnx", reason="the Python package onnx is not installed")
torch = pytest.importorskip("torch", reason="PyTorch is not installed (make bench installs it)")
from onnx import helper, numpy_helper  # noqa: E402
from test_onnx import save  # noqa: E402
from torch_onnx import load  # noqa: E402

MASKS = ROOT / "build" / "tests" / "conformance" / "masks"
COUNT, BATCH, CLASSES, SHAPE = 80, 48, 5, (3, 8, 8)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A residual network with batch norm, grouped convolution and both kinds of pooling, two dense layers at its end,
    and the batches it is calibrated with."""
    folder = tmp_path_factory.mktemp("criteria")
    random = np.random.default_rng(11)
    constants = {}

    def weights(name, *shape):
        scale = np.sqrt(2 / np.prod(shape[1:]))
        constants[name] = (scale * random.standard_normal(shape)).astype(np.float32)
        return name

    def vector(name, size, low, high):
        constants[name] = random.uniform(low, high, size).astype(np.float32)
        return name

    def norm(source, target, size):
        bounds = {"gamma": (-1.5, 1.5), "beta": (-0.3, 0.3), "mean": (-0.3, 0.3), "var": (0.5, 2)}
        names = [vector(f"{target}.{kind}", size, *bound) for kind, bound in bounds.items()]
        return helper.make_node("BatchNormalization", [source, *names], [target])

    def conv(source, target, shape, pad=1, bias=False, **more):
        names = [weights(f"{target}.w", *shape)] + ([vector(f"{target}.b", shape[0], -0.3, 0.3)] if bias else [])
        return helper.make_node("Conv", [source, *names], [target], pads=[pad] * 4, **more)

    nodes = [
        conv("x", "c1", (8, 3, 3, 3)),
        norm("c1", "n1", 8),
        helper.make_node("Relu", ["n1"], ["r1"]),
        conv("r1", "c2", (8, 4, 3, 3), group=2, bias=True),
        norm("c2", "n2", 8),
        helper.make_node("Relu", ["n2"], ["r2"]),
        conv("r2", "c3", (8, 8, 3, 3)),
        norm("c3", "n3", 8),
        helper.make_node("Add", ["n3", "r1"], ["a"]),
        helper.make_node("LeakyRelu", ["a"], ["r3"], alpha=0.1),
        helper.make_node("MaxPool", ["r3"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        conv("p", "c4", (12, 8, 1, 1), pad=0, bias=True, strides=[2, 2]),
        helper.make_node("Relu", ["c4"], ["r4"]),
        helper.make_node("Flatten", ["r4"], ["f"]),
        helper.make_node("MatMul", ["f", weights("d1.w", 48, 10)], ["d1"]),
        helper.make_node("Relu", ["d1"], ["r5"]),
        helper.make_node(
            "Gemm", ["r5", weights("d2.w", CLASSES, 10), vector("d2.b", CLASSES, -0.1, 0.1)], ["y"], transB=1
        ),
    ]
    path = save(folder / "net.onnx", nodes, constants, shape=("N", *SHAPE))
    x = random.standard_normal((COUNT, *SHAPE)).astype(np.float32)
    label = random.integers(0, CLASSES, COUNT).astype(np.int32)
    (folder / "data").write_bytes(x.tobytes() + label.tobytes())
    return {
        "path": path,
        "data": folder / "data",
        "forward": load(path),
        "weights": {n: torch.from_numpy(constants[n]).double() for n in constants if n.endswith(".w")},
        "constants": constants,
        "x": torch.from_numpy(x).double(),
        "label": torch.from_numpy(label).long(),
    }


def masks_of(network, count=COUNT, **words):
    """Per layer the mask, flat; and the layers that the guard kept."""
    command = [MASKS, network["path"], network["data"], count, BATCH, *(f"{k}={v}" for k, v in words.items())]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    return {n: np.array(list(bits), dtype=int) for n, bits, *_ in lines}, {n for n, _, *guard in lines if guard}


# ---- the criteria again ----


def gradients(network, first, last, graph=False):
    weights = {n: w.clone().requires_grad_() for n, w in network["weights"].items()}
    logits = network["forward"](network["x"][first:last], weights)
    loss = torch.nn.functional.cross_entropy(logits, network["label"][first:last])
    return weights, dict(zip(weights, torch.autograd.grad(loss, weights.values(), create_graph=graph)))


def score_snip(network):
    weights, gradient = gradients(network, 0, BATCH)
    return {n: (weights[n] * gradient[n]).abs() for n in weights}


def score_taylor(network):
    total = {n: torch.zeros_like(w) for n, w in network["weights"].items()}
    for first in range(0, len(network["x"]), BATCH):
        weights, gradient = gradients(network, first, first + BATCH)
        for n in total:
            total[n] += (weights[n] * gradient[n]) ** 2
    return total


def score_grasp(network):
    """The paper removes the highest of -w (H g): the highest go first once the sign is turned again."""
    weights, gradient = gradients(network, 0, BATCH, graph=True)
    inner = sum((g * g.detach()).sum() for g in gradient.values())
    product = torch.autograd.grad(inner, weights.values())
    paper = {n: -w * h for (n, w), h in zip(weights.items(), product)}
    return {n: -s for n, s in paper.items()}


def score_magnitude(network):
    return {n: w.abs() for n, w in network["weights"].items()}


def score_flow(network, kept):
    """w dR/dw: all in absolute value, biases 0, batch norm without its shift."""
    weights = {n: (w.abs() * kept[n]).requires_grad_() for n, w in network["weights"].items()}
    other = dict(weights)
    for name, value in network["constants"].items():
        kind = name.rsplit(".", 1)[1]
        if kind in ("b", "beta", "mean"):
            other[name] = torch.zeros(value.shape, dtype=torch.float64)
        elif kind == "gamma":
            other[name] = torch.from_numpy(value).double().abs()
    flow = network["forward"](torch.ones(1, *SHAPE, dtype=torch.float64), other).sum()
    gradient = torch.autograd.grad(flow, weights.values())
    return {n: (w * g).detach() for (n, w), g in zip(weights.items(), gradient)}


def rounded(score):
    """To 32 binary digits: the weights of a chain without branches have equal scores."""
    digits, exponent = torch.frexp(score)
    return torch.ldexp(torch.round(torch.ldexp(digits, torch.tensor(32.0))), exponent - 32)


# ---- selection again: walk through the ranking, leave every group its last ----


def walk(scores, count, collapse=False):
    """scores: one array per layer. Returns what stays of each and which layers the guard kept."""
    order = sorted((s, l, i) for l, layer in enumerate(scores) for i, s in enumerate(layer.tolist()))
    keep, guarded = [np.ones(len(layer), dtype=int) for layer in scores], set()
    left, skipped = [len(layer) for layer in scores], False
    for rank, (score, l, i) in enumerate(order):
        if count == 0:
            before = order[rank - 1][0]
            exact = score == before  # dead weights, chains of synflow: the first ones go, in both programs
            assert skipped or exact or rank == 0 or score - before > 1e-9 * abs(score), "a tie: choose other numbers"
            break
        if left[l] == 1 and not collapse:
            guarded.add(l)
            skipped = True
            continue
        keep[l][i] = 0
        left[l] -= 1
        count -= 1
    return keep, guarded


def wanted(scores, scope, sparsity, collapse=False):
    names = list(scores)
    flat = [scores[n].detach().numpy().ravel() for n in names]
    if scope == "global":
        total = sum(len(f) for f in flat)
        keep, guarded = walk(flat, int(np.floor(sparsity * total + 0.5)), collapse)
        return dict(zip(names, keep)), {names[l] for l in guarded}
    keep, guarded = {}, set()
    for n, f in zip(names, flat):
        (keep[n],), g = walk([f], int(np.floor(sparsity * len(f) + 0.5)), collapse)
        guarded |= {n} if g else set()
    return keep, guarded


def same(found, keep):
    assert list(found) == list(keep)
    for n in keep:
        assert np.array_equal(found[n], keep[n]), n


SCORES = {"magnitude": score_magnitude, "taylor": score_taylor, "snip": score_snip, "grasp": score_grasp}


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("criterion", SCORES)
def test_masks(network, criterion, scope):
    scores = SCORES[criterion](network)
    for sparsity in (0.2, 0.5, 0.8, 0.95):
        found, guarded = masks_of(network, criterion=criterion, scope=scope, sparsity=sparsity)
        keep, kept_alone = wanted(scores, scope, sparsity)
        same(found, keep)
        assert guarded == kept_alone


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("sparsity", [0.5, 0.9, 0.97])
def test_synflow(network, scope, sparsity):
    rounds = 100
    kept = {n: torch.ones_like(w) for n, w in network["weights"].items()}
    for r in range(1, rounds + 1):
        scores = score_flow(network, kept)
        scores = {n: torch.where(kept[n] > 0, rounded(s), -1.0) for n, s in scores.items()}
        now = sparsity if r == rounds else 1 - (1 - sparsity) ** (r / rounds)
        keep, guarded = wanted(scores, scope, now)
        kept = {n: torch.from_numpy(keep[n]).reshape(w.shape).double() for n, w in kept.items()}
    found, kept_alone = masks_of(network, 0, criterion="synflow", scope=scope, sparsity=sparsity)
    same(found, keep)
    assert guarded == kept_alone


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("norm", [1, 2])
def test_filters(network, norm, scope):
    """As torch.norm ranks them; the mean in place of the sum where layers compete."""
    rows = {n: w.T if n == "d1.w" else w.flatten(1) for n, w in network["weights"].items() if n != "d2.w"}
    norms = {n: r.abs().sum(1) if norm == 1 else (r**2).sum(1).sqrt() for n, r in rows.items()}
    if scope == "global":
        norms = {n: s / (rows[n].shape[1] if norm == 1 else rows[n].shape[1] ** 0.5) for n, s in norms.items()}
    for sparsity in (0.1, 0.37, 0.6, 0.93):
        found, _ = masks_of(network, 0, criterion="filter", scope=scope, norm=norm, sparsity=sparsity)
        groups = [list(rows)] if scope == "global" else [[n] for n in rows]
        for names in groups:
            order = sorted((norms[n][f].item(), n, f) for n in names for f in range(len(norms[n])))
            gone, removed, target = {n: set() for n in names}, 0, sparsity * sum(rows[n].numel() for n in names)
            for _, n, f in order:
                if abs(removed + rows[n].shape[1] - target) > abs(removed - target):
                    break
                if len(gone[n]) < len(norms[n]) - 1:
                    gone[n].add(f)
                    removed += rows[n].shape[1]
            for n in names:
                shape = network["weights"][n].shape
                mask = torch.ones(shape, dtype=int)
                for f in gone[n]:
                    mask[(slice(None), f) if n == "d1.w" else f] = 0
                assert np.array_equal(found[n], mask.numpy().ravel()), (n, sparsity)
        assert found["d2.w"].all()


@pytest.mark.skipif(not (SHARED / "models").is_dir(), reason="no ../shared/models with real networks")
@pytest.mark.parametrize("criterion", ["taylor", "snip", "grasp"])
def test_trained_network(tmp_path, criterion):
    """A ResNet-20 as it was trained, its 270 000 weights ranked together."""
    count = 8  # one batch
    path = SHARED / "models" / "akamaster_resnet20.onnx"
    graph = onnx.load(path).graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    weights = [n.input[1] for n in graph.node if n.op_type in ("Conv", "Gemm")]
    random = np.random.default_rng(5)
    x = random.standard_normal((count, 3, 32, 32)).astype(np.float32)
    label = random.integers(0, 10, count).astype(np.int32)
    (tmp_path / "data").write_bytes(x.tobytes() + label.tobytes())
    network = {
        "path": path,
        "data": tmp_path / "data",
        "forward": load(path),
        "weights": {n: torch.from_numpy(constants[n].copy()).double() for n in weights},
        "x": torch.from_numpy(x).double(),
        "label": torch.from_numpy(label).long(),
    }
    scores = SCORES[criterion](network)
    for sparsity in (0.5, 0.95):
        found, guarded = masks_of(network, count, criterion=criterion, sparsity=sparsity)
        keep, kept_alone = wanted(scores, "global", sparsity)
        same(found, keep)
        assert guarded == kept_alone
