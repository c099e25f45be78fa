"""Parametric t-SNE in PyTorch, and UMAP: what facet's is measured against, in time and in figures of merit.

    embed.py [fashion | digits] [--train N] [--test N] [--epochs N] [--rate R] [--exaggeration A N]     trains both
    embed.py step       seconds of a training step, facet and PyTorch

Prints a JSON line for each of facet, PyTorch, UMAP and parametric UMAP: 1-nearest-neighbour error of held-out samples
among the training samples (`error_train`) and among each other (`error_test`), trustworthiness T(12) of the held-out
samples, all by scikit-learn, and the seconds it took.  `rows()` gives (name, facet's samples per second, PyTorch's) as run.py has them.

PyTorch's network (D-500-500-2000-2, ReLU), batches (5,000 samples, whose joint probabilities are found once and kept),
perplexity, loss, optimizer and number of steps are facet's; noise and the falling rate are facet's alone.  UMAP, plain and
parametric, has its own defaults.
"""

import argparse
import gzip
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
FASHION = "/usr/share/datasets/fashion-mnist/"
CORES = len(os.sched_getaffinity(0))
WIDTHS = (500, 500, 2000, 2)
BATCH, PERPLEXITY, RATE = 5000, 30, 3e-3
TRAIN, TEST, EPOCHS = 10000, 10000, 30
BUDGETS = {  # of training, for facet and for PyTorch
    "fashion": {"epochs": 200, "exaggeration": (4, 50)},
    "digits": {"epochs": 1000, "exaggeration": (4, 250)},
}
NEIGHBOURS = 12
STEPS = 5  # that are timed


# ---- data: (training samples, their labels, test samples, their labels) ----


def fashion(train, test):
    def read(name, count):
        pixels = np.frombuffer(gzip.open(f"{FASHION}{name}-images-idx3-ubyte.gz").read(), np.uint8, offset=16)
        labels = np.frombuffer(gzip.open(f"{FASHION}{name}-labels-idx1-ubyte.gz").read(), np.uint8, offset=8)
        x = (pixels.reshape(-1, 784)[:count] / 255 - 0.2860) / 0.3530
        return x.astype(np.float32), labels[:count].astype(np.int32)

    return *read("train", train), *read("t10k", test)


def digits(train, test):
    """Scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, shuffled: at most 1,297 to train, 500 to test."""
    from sklearn.datasets import load_digits

    x, label = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(x))
    x, label = (x[order] / 16).astype(np.float32), label[order].astype(np.int32)
    train, test = min(train, 1297), min(test, 500)
    return x[:train], label[:train], x[-test:], label[-test:]


DATA = {"fashion": fashion, "digits": digits}


def figures(data, places, test_places):
    """Of positions, by scikit-learn."""
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import KNeighborsClassifier

    _, label, test, test_label = data
    near = KNeighborsClassifier(1).fit(places, label)
    others = KNeighborsClassifier(1).fit(test_places, test_label).kneighbors(return_distance=False)[:, 0]
    return {
        "error_train": round(1 - near.score(test_places, test_label), 4),
        "error_test": round(float(np.mean(test_label[others] != test_label)), 4),
        "trustworthiness": round(float(trustworthiness(test.astype(float), test_places, n_neighbors=NEIGHBOURS)), 4),
    }


# ---- parametric t-SNE in PyTorch ----


def make_encoder(features):
    from torch import nn

    layers = []
    for inputs, outputs in zip((features, *WIDTHS), WIDTHS):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def square_distances(x):
    square = (x * x).sum(1)
    return (square[:, None] + square - 2 * x @ x.T).fill_diagonal_(0).clamp_min(0)


def joint_probabilities(x, perplexity):
    """Symmetric, sum 1; the precision beta of each sample by bisection, all samples at once."""
    import torch

    n = len(x)
    d = square_distances(x).fill_diagonal_(float("inf"))
    d -= d.min(1, keepdim=True).values
    d /= d.fill_diagonal_(0).mean(1, keepdim=True).clamp_min(1e-30)  # so that beta is near 1
    target = float(np.log(perplexity))
    beta, low, high = torch.ones(n, 1), torch.zeros(n, 1), torch.full((n, 1), float("inf"))
    p = torch.empty_like(d)
    for _ in range(50):
        torch.mul(d, -beta, out=p).exp_().fill_diagonal_(0)
        total = p.sum(1, keepdim=True)
        mean = torch.bmm(p[:, None], d[:, :, None])[:, 0] / total
        off = total.log() + beta * mean - target
        if (off.abs() <= 1e-5).all():
            break
        wide = off > 0
        low, high = torch.where(wide, beta, low), torch.where(wide, high, beta)
        beta = torch.where(high.isinf(), 2 * beta, (low + high) / 2)
    p /= total
    p = ((p + p.T) / (2 * n)).clamp_min_(2**-52).fill_diagonal_(0)
    return p / p.sum()


def divergence(y, p, exaggeration):
    """Kullback-Leibler divergence of Student-t similarities from p, but for what does not depend on y."""
    s = 1 + square_distances(y)
    return exaggeration * (p * s.log()).sum() + (s.reciprocal().sum() - len(y)).log()


def step(encoder, optimizer, loss_of, x, p, exaggeration=1.0):
    optimizer.zero_grad()
    loss_of(encoder(x), p, exaggeration).backward()
    optimizer.step()


def train(x, test, epochs=EPOCHS, batch=BATCH, perplexity=PERPLEXITY, rate=RATE, exaggeration=(1.0, 0), seed=1,
          threads=CORES):
    """Positions of both after training on x; exaggeration: attraction is multiplied by so much for so many epochs."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    x, test = torch.from_numpy(x), torch.from_numpy(test)
    encoder = make_encoder(x.shape[1])
    optimizer = torch.optim.Adam(encoder.parameters(), lr=rate, fused=True)
    loss_of = torch.compile(divergence)
    batches = [(part, joint_probabilities(part, perplexity)) for part in x[torch.randperm(len(x))].split(batch)]
    for epoch in range(epochs):
        factor = exaggeration[0] if epoch < exaggeration[1] else 1.0
        for i in torch.randperm(len(batches)):
            step(encoder, optimizer, loss_of, *batches[i], factor)
    with torch.inference_mode():
        return encoder(x).numpy(), encoder(test).numpy()


def step_seconds(batch, threads, features=784, compiled=False):
    """The median step: forward pass, loss, backward pass, Adam."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    x, p = torch.randn(batch, features), torch.rand(batch, batch)
    p /= p.sum()
    encoder = make_encoder(features)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=RATE, fused=True)
    loss_of = torch.compile(divergence) if compiled else divergence
    times = []
    for _ in range(1 + STEPS):  # the first one warms up
        before = time.perf_counter()
        step(encoder, optimizer, loss_of, x, p)
        times.append(time.perf_counter() - before)
    return statistics.median(times[1:])


# ---- the others ----


def umap(x, test, seed=1):
    """Plain UMAP, with its defaults; seeded, and so on one core."""
    from umap import UMAP

    model = UMAP(random_state=seed, n_jobs=1)
    return model.fit_transform(x), model.transform(test)


def parametric_umap(x, test, seed=1):
    """UMAP's neural network, with its defaults, in TensorFlow on all cores."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow
    from umap.parametric_umap import ParametricUMAP

    tensorflow.keras.utils.set_random_seed(seed)
    model = ParametricUMAP(random_state=seed, n_jobs=1, keras_fit_kwargs={"verbose": 0})
    return model.fit_transform(x), model.transform(test)


# ---- facet ----

STUDY = """\
data:
  train: {{format: npy, images: x.npy, labels: label.npy}}
  test: {{format: npy, images: test_x.npy, labels: test_label.npy}}
model: {{architecture: {{dense: [1]}}, train: {{epochs: 1}}}}
embed: {{source: pixels, batch: {batch}, perplexity: {perplexity}, rate: {rate}, epochs: {epochs},
  exaggeration: {factor}, exaggeration_epochs: {early}, explain: 1}}
output: out
"""
ROOT_MAY = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_NUM_THREADS": "1"}


def on_ranks(ranks, *command):
    """What a program of facet's writes."""
    whole = ["mpirun", "--use-hwthread-cpus", "-n", ranks, *command]
    done = subprocess.run([str(word) for word in whole], capture_output=True, text=True, env={**os.environ, **ROOT_MAY})
    if done.returncode:
        sys.exit(f"bench: {done.stderr.strip()}")
    return done.stdout


def facet(data, epochs=EPOCHS, rate=RATE, exaggeration=(1.0, 0)):
    """Positions of both."""
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        for name, array in zip(("x", "label", "test_x", "test_label"), data):
            np.save(f"{folder}/{name}.npy", array)
        settings = {"batch": BATCH, "perplexity": PERPLEXITY, "rate": rate, "epochs": epochs}
        study = pathlib.Path(folder) / "study.yaml"
        study.write_text(STUDY.format(factor=exaggeration[0], early=int(exaggeration[1]), **settings))
        on_ranks(CORES, ROOT / "build" / "facet", "run", study)
        with h5py.File(f"{folder}/out/study.h5") as store:
            train, sample = store["embed/train/position"][:], store["embed/train/train_sample"][:]
            return train[np.argsort(sample)], store["embed/position"][0, 0]


def facet_step_seconds(batch, ranks, features=784):
    program = ROOT / "build" / "tests" / "bench" / "bench_embed"
    return json.loads(on_ranks(ranks, program, batch, features, *WIDTHS))["step"]


# ---- all of them ----


def show(name, data, method, places, seconds):
    line = {"data": name, "method": method, "train": len(places[0]), "test": len(places[1])}
    print(json.dumps(line | figures(data, *places) | {"seconds": round(seconds, 1)}), flush=True)


def compare(name, train_count, test_count, methods):
    """A line for each of the methods: {name: positions of (x, test)}; what is not installed is said."""
    warnings.simplefilter("ignore")  # of UMAP and TensorFlow, about themselves
    data = DATA[name](train_count, test_count)
    for method, run in methods.items():
        before = time.perf_counter()
        try:
            places = run(data[0], data[2])
        except ImportError as missing:
            print(f"bench: {missing}: {method} is left out")
            continue
        show(name, data, method, places, time.perf_counter() - before)


def compare_all(name, train_count, test_count, given):
    """A line for each method, all with one budget."""

    def pytorch(x, test):
        return train(x, test, **given)

    def ours(x, test):
        return facet((x, label, test, test_label), **given)

    _, label, _, test_label = DATA[name](train_count, test_count)
    methods = {"facet": ours, "PyTorch": pytorch, "UMAP": umap, "parametric UMAP": parametric_umap}
    compare(name, train_count, test_count, methods)


def rows():
    """A line of figures for each data set and method, and rows for the speed of a step."""
    import torch  # noqa: F401  (or an ImportError, before anything is measured)

    found, seconds = [], {}
    for batch in (BATCH, 2 * BATCH):
        peer = min(step_seconds(batch, CORES, compiled=compiled) for compiled in (False, True))
        seconds = {ranks: facet_step_seconds(batch, ranks) for ranks in {1, CORES}}
        name = f"step of parametric t-SNE, 784 features, batch {batch}, {CORES} cores"
        found.append((f"{name}, against PyTorch", batch / seconds[CORES], batch / peer))
        if CORES > 1:
            found.append((f"{name}, against one", batch / seconds[CORES], batch / seconds[1]))
    for name, budget in BUDGETS.items():
        compare_all(name, TRAIN, TEST, budget)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="fashion", choices=[*DATA, "step"])
    parser.add_argument("--train", type=int, default=TRAIN)
    parser.add_argument("--test", type=int, default=TEST)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--exaggeration", type=float, nargs=2, metavar=("A", "EPOCHS"))
    given = parser.parse_args()
    if given.what == "step":
        for batch in (BATCH, 2 * BATCH):
            for compiled in (False, True):
                line = {"batch": batch, "threads": CORES, "compiled": compiled}
                print(json.dumps(line | {"seconds": step_seconds(batch, CORES, compiled=compiled)}), flush=True)
            print(json.dumps({"batch": batch, "ranks": CORES, "facet": facet_step_seconds(batch, CORES)}), flush=True)
        return
    budget = {**BUDGETS[given.what], "rate": given.rate}
    budget |= {key: value for key in ("epochs", "exaggeration") if (value := getattr(given, key)) is not None}
    compare_all(given.what, given.train, given.test, budget)


if __name__ == "__main__":
    main()
