"""Trustworthiness, continuity and nearest-neighbour errors against scikit-learn."""

import subprocess

import numpy as np
import pytest

from conftest import ROOT

pytest.importorskip("sklearn", reason="scikit-learn is not installed (make test installs it)")
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.decomposition import PCA  # noqa: E402
from sklearn.manifold import trustworthiness  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors  # noqa: E402

QUALITY = ROOT / "build" / "tests" / "programs" / "quality"


def quality(folder, x, y, label, neighbours, references):
    """What facet says, of floats."""
    for name, array in (("x", x), ("y", y), ("label", label)):
        np.save(folder / f"{name}.npy", array)
    paths = [folder / f"{name}.npy" for name in ("x", "y", "label")]
    done = subprocess.run([QUALITY, *paths, str(neighbours), str(references)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    trust, continuity, *wrong = done.stdout.split()
    return [float(trust), float(continuity), *map(int, wrong)]


def errors(y, label, references):
    """Held-out samples among the references, and all samples among the others."""
    classifier = KNeighborsClassifier(1).fit(y[:references], label[:references])
    nearest = NearestNeighbors(n_neighbors=1).fit(y).kneighbors(return_distance=False)[:, 0]
    held_out = np.sum(classifier.predict(y[references:]) != label[references:])
    return [held_out, np.sum(label[nearest] != label)]


@pytest.mark.parametrize("count, features, neighbours", [(400, 3, 1), (1000, 50, 12), (500, 784, 5)])
def test_random_samples(tmp_path, count, features, neighbours):
    random = np.random.default_rng(features)
    label = random.integers(0, 5, count).astype(np.int32)
    x = (random.normal(size=(count, features)) + label[:, None]).astype(np.float32)
    y = (x[:, :2] + random.normal(size=(count, 2))).astype(np.float32)
    trust, continuity, *wrong = quality(tmp_path, x, y, label, neighbours, count // 2)
    x, y = x.astype(float), y.astype(float)
    assert trust == pytest.approx(trustworthiness(x, y, n_neighbors=neighbours), abs=1e-12)
    assert continuity == pytest.approx(trustworthiness(y, x, n_neighbors=neighbours), abs=1e-12)
    assert wrong == errors(y, label, count // 2)
    assert trust < 1 and continuity < 1 and min(wrong) > 0


def test_digits_with_equal_distances(tmp_path):
    """Pixels are whole numbers, and many distances equal: scikit-learn gets ranks where the lower number is nearer."""
    digits = load_digits()
    x, label = digits.data.astype(np.float32), digits.target.astype(np.int32)
    y = PCA(2, random_state=1).fit_transform(digits.data).astype(np.float32)
    trust, continuity, *wrong = quality(tmp_path, x, y, label, 12, 1000)
    squares = np.sum(digits.data**2, 1)
    distance = squares[:, None] + squares - 2 * digits.data @ digits.data.T
    np.fill_diagonal(distance, -1)
    ranks = np.argsort(np.argsort(distance, kind="stable"), kind="stable").astype(float)
    y = y.astype(float)
    assert trust == pytest.approx(trustworthiness(ranks, y, n_neighbors=12, metric="precomputed"), abs=1e-12)
    penalty = 0
    for own, there in zip(ranks, np.linalg.norm(y[:, None] - y, axis=2)):
        rank = np.argsort(np.argsort(there))  # no equal distances here
        penalty += np.maximum(rank[(own >= 1) & (own <= 12)] - 12, 0).sum()
    n = len(x)
    assert continuity == pytest.approx(1 - 2 * penalty / (n * 12 * (2 * n - 37)), abs=1e-12)
    assert wrong == errors(y, label, 1000)
