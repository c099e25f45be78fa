"""One step of parametric t-SNE on any number of ranks, against a re-derivation in numpy: joint probabilities, loss,
gradients of all parameters, the move by Adam."""

import subprocess

import numpy as np
import pytest

from conftest import MPIRUN, PATIENCE, ROOT, environment

PROGRAM = ROOT / "build/tests/programs/tsne"
SIZES = (40, 17, 9, 2)
N = 203


def samples(n=N, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, SIZES[0])) + 3 * rng.integers(0, 4, size=(n, 1))


def step(tmp_path, x, perplexity=30, alpha=1.0, real="double", ranks=1):
    x.astype(np.float64).tofile(tmp_path / "x")
    command = [*MPIRUN, "-n", ranks, PROGRAM, tmp_path / "x", *x.shape, perplexity, alpha, real, *SIZES[1:]]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=PATIENCE,
                          env=environment())
    if done.returncode != 0:
        return done
    n = len(x)
    result = {name: np.fromfile(tmp_path / f"x.{name}") for name in ("p", "before", "y", "gradients", "after")}
    result["p"], result["y"] = result["p"].reshape(n, n), result["y"].reshape(n, SIZES[-1])
    result["loss"], result["alpha"], result["norm"] = map(float, done.stdout.split())
    return result


def lines(done):
    """What the program said, without what the launcher adds."""
    return [line for line in done.stderr.splitlines() if line.startswith("tsne: ")]


def joint_probabilities(x, perplexity):
    """By definition: bisection of beta for every row, until nothing moves any more."""
    n = len(x)
    d2 = ((x[:, None] - x[None]) ** 2).sum(-1)
    p = np.zeros((n, n))
    for i in range(n):
        d = np.delete(d2[i], i) - np.delete(d2[i], i).min()
        low, high = 0.0, 1e6 / (d.mean() + 1e-300)
        for _ in range(200):
            beta = (low + high) / 2
            e = np.exp(-beta * d)
            entropy = np.log(e.sum()) + beta * (e * d).sum() / e.sum()
            low, high = (beta, high) if entropy > np.log(perplexity) else (low, beta)
        p[i, np.arange(n) != i] = e / e.sum()
    joint = np.maximum((p + p.T) / (2 * n), np.finfo(float).eps)
    np.fill_diagonal(joint, 0)
    return joint


def unpack(flat):
    layers, at = [], 0
    for inputs, outputs in zip(SIZES, SIZES[1:]):
        w = flat[at:at + inputs * outputs].reshape(inputs, outputs)
        at += inputs * outputs
        layers.append((w, flat[at:at + outputs]))
        at += outputs
    assert at == len(flat)
    return layers


def derive(x, layers, p, alpha):
    """Loss, dC/dalpha and gradients of a ReLU network's parameters, by the chain rule."""
    outs = [x]
    for i, (w, b) in enumerate(layers):
        z = outs[-1] @ w + b
        outs.append(z if i + 1 == len(layers) else np.maximum(z, 0))
    y = outs[-1]
    difference = y[:, None] - y[None]
    d2 = (difference ** 2).sum(-1)
    k = (1 + d2 / alpha) ** (-(alpha + 1) / 2)
    np.fill_diagonal(k, 0)
    q = k / k.sum()
    off = ~np.eye(len(x), dtype=bool)
    loss = (p[off] * np.log(p[off] / q[off])).sum()
    g = np.log1p(d2 / alpha) / 2 - (alpha + 1) / 2 * d2 / (alpha ** 2 + alpha * d2)
    by_alpha = ((p - q) * g)[off].sum()
    delta = 2 * (alpha + 1) / alpha * ((p - q)[..., None] * difference / (1 + d2 / alpha)[..., None]).sum(1)
    gradients = []
    for i in reversed(range(len(layers))):
        gradients[:0] = [(outs[i].T @ delta).ravel(), delta.sum(0)]
        delta = (delta @ layers[i][0].T) * (outs[i] > 0)
    return loss, by_alpha, y, np.concatenate(gradients)


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("alpha", [1.0, 1.7])
def test_a_step_is_that_of_numpy(tmp_path, ranks, alpha):
    x = samples()
    found = step(tmp_path, x, alpha=alpha, ranks=ranks)
    np.testing.assert_allclose(found["p"], joint_probabilities(x, 30), atol=1e-8)
    assert np.array_equal(found["p"], found["p"].T)
    loss, by_alpha, y, gradients = derive(x, unpack(found["before"]), found["p"], alpha)
    np.testing.assert_allclose(found["y"], y, atol=1e-12)
    assert abs(found["loss"] - loss) < 1e-9  # the sum of p is 1 but for what clamping adds
    assert abs(found["alpha"] - by_alpha) < 1e-11
    np.testing.assert_allclose(found["gradients"], gradients, atol=1e-11 * np.abs(gradients).max())
    assert abs(found["norm"] - np.linalg.norm(gradients)) < 1e-11 * found["norm"]
    first, second = 0.1 * gradients / (1 - 0.9), 0.001 * gradients ** 2 / (1 - 0.999)
    np.testing.assert_allclose(found["after"], found["before"] - 0.001 * first / (np.sqrt(second) + 1e-8), atol=1e-9)


def test_gradients_are_central_differences(tmp_path):
    x = samples(60, 1)
    found = step(tmp_path, x, perplexity=12, alpha=1.0, ranks=2)
    rng, h, scale = np.random.default_rng(2), 1e-4, np.abs(found["gradients"]).max()
    for i in rng.integers(0, len(found["before"]), 60):
        losses = []
        for sign in 1, -1:
            moved = found["before"].copy()
            moved[i] += sign * h
            losses.append(derive(x, unpack(moved), found["p"], 1.0)[0])
        assert abs((losses[0] - losses[1]) / (2 * h) - found["gradients"][i]) < 1e-7 * max(1, scale)


def test_float_is_near_double(tmp_path):
    x = samples()
    exact, single = step(tmp_path, x), step(tmp_path, x, real="float", ranks=2)
    np.testing.assert_allclose(single["p"], exact["p"], atol=1e-8)
    assert abs(single["loss"] - exact["loss"]) < 1e-5 * exact["loss"]
    scale = np.abs(exact["gradients"]).max()
    np.testing.assert_allclose(single["gradients"], exact["gradients"], atol=2e-4 * scale)


def test_joint_probabilities_are_those_of_scikit_learn(tmp_path):
    manifold = pytest.importorskip("sklearn.manifold._t_sne", reason="scikit-learn is not installed")
    from scipy.spatial.distance import squareform
    x = samples()
    d2 = ((x[:, None] - x[None]) ** 2).sum(-1).astype(np.float32)
    theirs = squareform(manifold._joint_probabilities(d2, 30, 0))
    np.testing.assert_allclose(step(tmp_path, x, ranks=2)["p"], theirs, atol=1e-6)


def test_duplicates_are_no_accident(tmp_path):
    """More than the perplexity: they are neighbours of each other alone, all alike."""
    x = samples()
    x[50:120] = x[0]
    found = step(tmp_path, x, perplexity=20, ranks=2)
    same = np.r_[0, 50:120]
    among = found["p"][np.ix_(same, same)][~np.eye(len(same), dtype=bool)]
    np.testing.assert_allclose(among, 1 / 70 / len(x), rtol=1e-9)
    for name in ("p", "y", "gradients", "after"):
        assert np.isfinite(found[name]).all()
    assert np.isfinite(found["loss"])


@pytest.mark.parametrize("perplexity", [0.5, N - 1, 5000])
def test_a_perplexity_that_cannot_be_had(tmp_path, perplexity):
    done = step(tmp_path, samples(), perplexity=perplexity, ranks=2)
    assert done.returncode == 65 and len(lines(done)) == 1 and "perplexity" in lines(done)[0], done.stderr


def test_what_is_not_finite(tmp_path):
    x = samples()
    x[100, 3] = np.inf
    done = step(tmp_path, x, ranks=2)
    assert done.returncode == 65 and len(lines(done)) == 1 and "not finite" in lines(done)[0], done.stderr
