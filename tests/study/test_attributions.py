"""Attributions and their faithfulness against Captum and Quantus in float64, on the same networks, samples and perturbations.

Captum notes what goes back to a module before it lets the next one change that, so a max pool right behind a ReLU is not
propagated by its rule; a copy of the tensor between them (class Copy) lets it, and is nothing in ONNX."""

import copy
import ctypes
import warnings

import facet  # in conftest's path
import numpy as np
import pytest
from facet.library import Image, library
from scipy import stats

MISSING = "is not installed (tools/venv tests/study/torch.txt tests/study/explainers.txt installs it)"
torch = pytest.importorskip("torch", reason=f"PyTorch {MISSING}")
captum = pytest.importorskip("captum", reason=f"Captum {MISSING}")
pytest.importorskip("onnx", reason="the Python package onnx is not installed")
from captum import attr  # noqa: E402
from captum.attr._utils.custom_modules import Addition_Module  # noqa: E402
from captum.attr._utils.lrp_rules import EpsilonRule, GammaRule  # noqa: E402
from captum.metrics import infidelity, sensitivity_max  # noqa: E402
from torch import nn  # noqa: E402

SAMPLES, CLASSES, SHAPE = 3, 5, (3, 8, 8)
BASELINE, SEED, NOISY, NOISE = 0.1, 3, 6, 0.2
GLOBAL = {"gradient_x_input", "integrated_gradients", "exact_integrated_gradients", "lrp_epsilon", "lrp_gamma", "deeplift"}


class Copy(nn.Module):
    def forward(self, x):
        return x.clone()


class Flat(nn.Module):
    """Captum takes a rule for it, which for nn.Flatten it does not."""

    def forward(self, x):
        return x.flatten(1)


class Residual(nn.Module):
    """Convolutions with batch norm, a shortcut, both kinds of pools: all that has a rule of its own."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.relu, self.copy = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), Copy()
        self.pool, self.second, self.add, self.after = nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1), Addition_Module(), nn.ReLU()
        self.third, self.last, self.mean, self.flat = nn.Conv2d(8, 6, 3), nn.ReLU(), nn.AvgPool2d(2), Flat()
        self.dense = nn.Linear(6, CLASSES)
        for numbers, low, high in ((self.norm.running_mean, -0.5, 0.5), (self.norm.running_var, 0.5, 2),
                                   (self.norm.weight.data, 0.5, 1.5), (self.norm.bias.data, -0.5, 0.5)):
            numbers.uniform_(low, high)

    def forward(self, x):
        x = self.pool(self.copy(self.relu(self.norm(self.first(x)))))
        x = self.last(self.third(self.after(self.add(self.second(x), x))))
        return self.dense(self.flat(self.mean(x)))


class Plain(nn.Sequential):
    def __init__(self):
        super().__init__(Flat(), nn.Linear(192, 20), nn.ReLU(), nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, CLASSES))


@pytest.fixture(scope="module", params=[Residual, Plain])
def case(request):
    """The network in both, samples, and what facet says of them."""
    torch.manual_seed(5)
    net = request.param().eval()
    x = np.random.default_rng(5).normal(size=(SAMPLES, *SHAPE)).astype(np.float32).astype(float)
    network = facet.Network.from_torch(net, torch.zeros(1, *SHAPE), precision="double")
    found = network.attributions(x, BASELINE, seed=SEED, noisy=NOISY, noise=NOISE, epsilon=1e-3, gamma=0.4)
    net = net.double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield net, network, x, found


def ours(found, method):
    return found.attribution[:, found.method.index(method), 0]


def close(a, b, bound=1e-11):
    b = b.detach().numpy() if hasattr(b, "detach") else np.asarray(b)
    assert np.abs(b).max() > 0
    np.testing.assert_allclose(a, b, rtol=0, atol=bound * np.abs(b).max())


def tensors(x, found):
    start = torch.full((len(x), *SHAPE), BASELINE, dtype=torch.float64)
    return torch.tensor(x, requires_grad=True), start, torch.tensor(found.row[:, 0].astype(np.int64))


def test_gradients_are_captums(case):
    net, network, x, found = case
    samples, start, target = tensors(x, found)
    assert np.all(found.row[:, 0] == network(x).argmax(1))
    close(ours(found, "gradient"), attr.Saliency(net).attribute(samples, target, abs=False))
    close(ours(found, "gradient_x_input"), attr.InputXGradient(net).attribute(samples, target))
    # Captum rounds the quadrature to float32
    close(ours(found, "integrated_gradients"), attr.IntegratedGradients(net).attribute(samples, start, target, n_steps=50), 1e-6)


def test_integrated_gradients_are_the_quadrature(case):
    net, _, x, found = case
    node, weight = np.polynomial.legendre.leggauss(50)
    for i in range(SAMPLES):
        way = torch.tensor(BASELINE + (1 + node)[:, None, None, None] / 2 * (x[i] - BASELINE), requires_grad=True)
        gradient = torch.autograd.grad(net(way)[:, found.row[i, 0]].sum(), way)[0].numpy()
        close(ours(found, "integrated_gradients")[i], (x[i] - BASELINE) * np.tensordot(weight / 2, gradient, 1), 1e-10)


def test_exact_ones_add_up_and_are_those_of_the_path(case):
    _, network, x, found = case
    total = network(x) - network(np.full_like(x, BASELINE))
    exact = ours(found, "exact_integrated_gradients")
    np.testing.assert_allclose(exact.reshape(SAMPLES, -1).sum(1), total[np.arange(SAMPLES), found.row[:, 0]], rtol=0, atol=1e-12)
    way = network.integrated_gradients(np.full(SHAPE, BASELINE), x)
    assert np.array_equal(way.attribution[:, 0], exact) and np.array_equal(way.row, found.row)


def test_smoothgrad_is_the_mean_over_the_same_noise(case):
    net, _, x, found = case
    samples, _, target = tensors(x, found)
    noise, size = np.empty(x[0].size), x[0].size
    for i in range(SAMPLES):
        some = []
        for draw in range(NOISY):
            library().attribution_noise(SEED, i, draw, size, noise.ctypes.data)
            some.append(x[i] + NOISE * np.ptp(x[i]) * noise.reshape(SHAPE))
        assert abs(np.std(some - x[i]) / (NOISE * np.ptp(x[i])) - 1) < 0.1
        noisy = torch.tensor(np.stack(some), requires_grad=True)
        close(ours(found, "smoothgrad")[i], attr.Saliency(net).attribute(noisy, target[i].item(), abs=False).mean(0))


def give_rules(net, linear, epsilon):
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.rule = copy.copy(linear)
        elif not list(module.children()) and not isinstance(module, nn.ReLU):
            module.rule = EpsilonRule(1e-30 if isinstance(module, (Flat, Copy)) else epsilon)  # u R / u: what it gets


def test_relevance_is_captums(case):
    """At epsilon 1e-3; Captum's gamma rule has 1e-9 in linear layers."""
    net, network, x, found = case
    samples, _, target = tensors(x, found)
    give_rules(net, EpsilonRule(1e-3), 1e-3)
    close(ours(found, "lrp_epsilon"), attr.LRP(net).attribute(samples, target), 1e-9)
    give_rules(net, GammaRule(0.4), 1e-9)
    again = network.attributions(x, BASELINE, methods=["lrp_gamma"], epsilon=1e-9, gamma=0.4)
    close(ours(again, "lrp_gamma"), attr.LRP(net).attribute(samples, target), 1e-6)


def test_deeplift_is_captums(case):
    """One sample at a time: of a batch, Captum takes the first one's gradients where a secant has no length."""
    net, network, x, found = case
    samples, start, target = tensors(x, found)
    each = [attr.DeepLift(net).attribute(samples[i:i + 1], start[i:i + 1], target[i:i + 1]) for i in range(SAMPLES)]
    close(ours(found, "deeplift"), torch.cat(each))


def test_gradcam_is_captums(case):
    net, _, x, found = case
    samples, _, target = tensors(x, found)
    if isinstance(net, Plain):
        assert np.isnan(ours(found, "gradcam")).all()
        return
    cam = attr.LayerGradCam(net, net.third).attribute(samples, target, relu_attributions=True)
    close(ours(found, "gradcam"), attr.LayerAttribution.interpolate(cam, SHAPE[1:]).expand(-1, 3, -1, -1))


# ---- faithfulness ----

POINTS, PERTURBATIONS, RADIUS = 24, 4, 0.05


@pytest.fixture(scope="module")
def faithful(case):
    net, network, x, found = case
    return network.faithfulness(x, found, points=POINTS, perturbations=PERTURBATIONS, radius=RADIUS, seed=SEED, noisy=NOISY,
                                noise=NOISE, epsilon=1e-3, gamma=0.4)


def test_deletion_and_insertion_are_quantus_pixel_flipping(case, faithful):
    quantus = pytest.importorskip("quantus", reason=f"Quantus {MISSING}")
    net, _, x, found = case
    samples, start, target = x, np.full_like(x, BASELINE), found.row[:, 0]
    single = copy.deepcopy(net).float()  # as Quantus has its inputs

    def turn_to(other):
        def turn(arr, indices, **_):
            arr = arr.copy()
            for i, row in enumerate(indices):
                arr[i, row] = other[i].ravel()[row]
            return arr
        return turn

    for m, method in enumerate(found.method):
        a = ours(found, method)
        if not np.isfinite(a).all():
            assert np.isnan(faithful.deletion[:, m]).all() and np.isnan(faithful.insertion[:, m]).all() and method == "gradcam"
            continue
        if method == "gradcam":  # pixels of equal attribution: Quantus' order among them is not said, facet takes the first
            places = np.argsort(np.argsort(-a.reshape(SAMPLES, -1), axis=1, kind="stable"), axis=1)
            a = -places.reshape(a.shape).astype(float)
        for curve, begin, end in ((faithful.deletion, samples, start), (faithful.insertion, start, samples)):
            flipping = quantus.PixelFlipping(features_in_step=x[0].size // POINTS, normalise=False, abs=False, perturb_func=turn_to(end),
                                             disable_warnings=True)
            scores = flipping(model=single, x_batch=begin.copy(), y_batch=target, a_batch=a, device="cpu", softmax=True)
            np.testing.assert_allclose(curve[:, m, 0, 1:], scores, rtol=0, atol=1e-5)
            first = torch.softmax(net(torch.tensor(begin)), 1).detach().numpy()[np.arange(SAMPLES), target]
            np.testing.assert_allclose(curve[:, m, 0, 0], first, rtol=0, atol=1e-12)
            area = quantus.helpers.utils.calculate_auc(curve[:, m, 0], batched=True) / POINTS
            which = "deletion" if curve is faithful.deletion else "insertion"
            np.testing.assert_allclose(faithful.area(which)[:, m, 0], area, rtol=0, atol=1e-12)


def test_the_ends_of_the_curves_are_those_of_the_way(case, faithful):
    for m, method in enumerate(faithful.method):
        if np.isfinite(faithful.deletion[:, m]).all():
            np.testing.assert_allclose(faithful.deletion[:, m, 0, 0], faithful.insertion[:, m, 0, -1], rtol=0, atol=1e-12)
            np.testing.assert_allclose(faithful.deletion[:, m, 0, -1], faithful.insertion[:, m, 0, 0], rtol=0, atol=1e-12)


def rectangles(number):
    inside = np.empty((PERTURBATIONS, *SHAPE))
    for draw in range(PERTURBATIONS):
        library().attribution_rectangle(SEED, number, draw, Image(*SHAPE), inside[draw].ctypes.data)
    return inside


def test_rectangles_are_at_most_half_of_the_image():
    sizes, inside = [], np.empty(SHAPE)
    for draw in range(500):
        library().attribution_rectangle(SEED, 7, draw, Image(*SHAPE), inside.ctypes.data)
        assert np.array_equal(inside, np.broadcast_to(inside[0], SHAPE)) and np.isin(inside, (0, 1)).all()
        rows, columns = np.flatnonzero(inside[0].any(1)), np.flatnonzero(inside[0].any(0))
        assert inside[0].sum() == len(rows) * len(columns) and np.all(np.diff(rows) == 1) and np.all(np.diff(columns) == 1)
        sizes.append((len(rows), len(columns), rows[0], columns[0]))
    assert np.array_equal(np.max(sizes, 0), (4, 4, 7, 7)) and np.array_equal(np.min(sizes, 0), (1, 1, 0, 0))


def test_infidelity_is_captums(case, faithful):
    net, _, x, found = case
    for m, method in enumerate(found.method):
        for i in range(SAMPLES):
            a = torch.tensor(ours(found, method)[i:i + 1])
            if torch.isnan(a).any():
                assert np.isnan(faithful.infidelity[i, m, 0])
                continue
            inside = torch.tensor(rectangles(i))

            def perturb(inputs, baselines, inside=inside, parts=method in GLOBAL):
                gone = inside * (inputs - baselines)
                return inside if parts else gone, inputs - gone

            sample = torch.tensor(x[i:i + 1])
            wanted = infidelity(net, perturb, sample, a, baselines=torch.full_like(sample, BASELINE), target=int(found.row[i, 0]),
                                n_perturb_samples=PERTURBATIONS)
            np.testing.assert_allclose(faithful.infidelity[i, m, 0], wanted.item(), rtol=1e-9, atol=1e-14)


def shifted(x, number):
    some = np.empty((PERTURBATIONS, *SHAPE))
    for draw in range(PERTURBATIONS):
        library().attribution_shift(SEED, number, draw, some[draw].size, some[draw].ctypes.data)
    assert np.abs(some).max() < 1 and some.std() == pytest.approx(1 / np.sqrt(3), rel=0.1)
    return x + RADIUS * some


@pytest.mark.parametrize("method", ["gradient", "gradient_x_input", "integrated_gradients", "exact_integrated_gradients", "deeplift", "lrp_epsilon", "lrp_gamma",
                                    "smoothgrad", "gradcam"])
def test_sensitivity_is_captums(case, faithful, method):
    """Captum's metric, of what facet explains."""
    net, network, x, found = case
    for i in range(SAMPLES):
        def explain(inputs, i=i):
            whole = isinstance(inputs, tuple)
            inputs = inputs[0] if whole else inputs
            again = [network.attributions(s, BASELINE, rows="all", methods=[method], number=i, seed=SEED, noisy=NOISY, noise=NOISE,
                                          epsilon=1e-3, gamma=0.4) for s in inputs.detach().numpy()]
            stacked = torch.tensor(np.stack([a.attribution[0, found.row[i, 0]] for a in again]))
            return (stacked,) if whole else stacked

        near = torch.tensor(shifted(x[i], i))
        wanted = sensitivity_max(explain, torch.tensor(x[i:i + 1]), perturb_func=lambda _: near, n_perturb_samples=PERTURBATIONS)
        got = faithful.sensitivity[i, found.method.index(method), 0]
        if method == "gradcam" and isinstance(net, Plain):
            assert np.isnan(got)
        else:
            assert got == pytest.approx(wanted.item(), rel=1e-9)


def test_agreement_is_spearmans(case, faithful):
    _, _, _, found = case
    m, other = found.method.index("gradient_x_input"), found.method.index("deeplift")
    for i in range(SAMPLES):
        a, b = (found.attribution[i, at, 0].ravel() for at in (m, other))
        assert faithful.agreement[i, m, other, 0] == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
        assert faithful.agreement[i, m, m, 0] == pytest.approx(1, abs=1e-12)


def test_ranks_and_overlap_with_ties():
    random = np.random.default_rng(2)
    spearman, overlap = ctypes.c_double(), ctypes.c_double()
    for _ in range(20):
        a, b = random.integers(0, 6, 40).astype(float), random.integers(0, 6, 40).astype(float)
        library().rank_agreement(40, a.ctypes.data, b.ctypes.data, 10, ctypes.addressof(spearman), ctypes.addressof(overlap))
        assert spearman.value == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
        first = [set(np.argsort(-v, kind="stable")[:10]) for v in (a, b)]
        assert overlap.value == len(first[0] & first[1]) / 10
    b[3] = np.nan
    library().rank_agreement(40, a.ctypes.data, b.ctypes.data, 10, ctypes.addressof(spearman), ctypes.addressof(overlap))
    assert np.isnan(spearman.value) and np.isnan(overlap.value)


def test_errors_are_one_line():
    torch.manual_seed(0)
    network = facet.Network.from_torch(Plain(), torch.zeros(1, *SHAPE))
    with pytest.raises(facet.NetworkError, match="gradcam"):
        network.attributions(np.zeros(SHAPE), methods=["gradcamm"])
    with pytest.raises(facet.NetworkError, match="steps"):
        network.attributions(np.zeros(SHAPE), step=3)
    with pytest.raises(facet.NetworkError, match=r"steps: 10001 is not in \[1, 10000\]"):
        network.attributions(np.zeros(SHAPE), steps=10001)
    assert facet.attribution_methods()[0] == "gradient" and len(facet.attribution_methods()) == 9
