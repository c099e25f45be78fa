"""Memory per rank: what facet check predicts against what a run takes, the bound of the study, and W streamed.

FACET_LONG=1 takes a million samples, too."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from conftest import FACET, MPIRUN, SHARED, STUDY, checksum, environment, long_of_resnet20, make_digits, own_lines, run

onnx = pytest.importorskip("onnx")
from onnx import helper, numpy_helper  # noqa: E402

FASHION = "/usr/share/datasets/fashion-mnist/t10k-"
MNIST_LIKE = f"{{format: idx, images: {FASHION}images-idx3-ubyte.gz, labels: {FASHION}labels-idx1-ubyte.gz, count: 500}}"
CIFAR = f"{{format: cifar10, images: {SHARED}/data/cifar10/test_batch.bin, count: 60}}"

# Runs a command and writes the largest memory that it had, in KiB, to a file of its own in a folder.
PEAK = "import os, subprocess, sys; p = subprocess.Popen(sys.argv[2:]); _, status, used = os.wait4(p.pid, 0); " \
    "open(f'{sys.argv[1]}/{os.getpid()}', 'w').write(str(used.ru_maxrss)); sys.exit(status != 0)"


def peak(study, ranks=1):
    """MiB of the rank that took the most."""
    mpirun = [*MPIRUN, "-n", str(ranks)] if ranks > 1 else []
    folder = study.parent / "peaks"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    done = subprocess.run([*mpirun, sys.executable, "-c", PEAK, str(folder), str(FACET), "run", str(study)],
                          capture_output=True, text=True, env=environment(), timeout=3600)
    assert done.returncode == 0, done.stderr
    found = [int(file.read_text()) / 1024 for file in folder.iterdir()]
    assert len(found) == ranks
    return max(found)


def predicted(study, ranks=1):
    done = run("check", study, ranks=ranks)
    assert done.returncode == 0, done.stderr
    return 1024 * float(re.search(r"^memory per rank +about ([\d.]+) GiB", done.stdout, re.MULTILINE)[1])


def check(study, ranks=1):
    said, taken = predicted(study, ranks), peak(study, ranks)
    print(f"{study}: predicted {said:.1f} MiB, taken {taken:.1f} MiB by one of {ranks}")
    assert 0.8 * taken <= said <= 1.2 * taken
    return taken


def write(folder, data, model, more="linearize: {rows: all}"):
    (folder / "study.yaml").write_text(f"output: out\ndata:\n  test: {data}\n  normalize: {{scale: 255}}\n"
                                       f"model: {{onnx: {model}}}\n{more}\n")
    return folder / "study.yaml"


def large_network(path, size=224, classes=1000, width=(16, 32, 64), hidden=128):
    """Convolutions and pooling, a dense layer, and as many outputs as ImageNet has; random weights."""
    random, nodes, arrays, last, channels = np.random.default_rng(0), [], {}, "x", 3
    for i, w in enumerate(width):
        arrays[f"w{i}"] = random.normal(size=(w, channels, 3, 3)) * np.sqrt(2 / (9 * channels))
        arrays[f"b{i}"] = random.normal(size=w) / 10
        stride = [2, 2] if i == 0 and size > 64 else [1, 1]
        nodes += [helper.make_node("Conv", [last, f"w{i}", f"b{i}"], [f"c{i}"], pads=[1] * 4, strides=stride),
                  helper.make_node("Relu", [f"c{i}"], [f"r{i}"]),
                  helper.make_node("MaxPool", [f"r{i}"], [f"p{i}"], kernel_shape=[2, 2], strides=[2, 2])]
        last, channels, size_now = f"p{i}", w, (size // (2 if size > 64 else 1)) // 2 ** (i + 1)
    features = channels * size_now ** 2
    arrays.update(d=random.normal(size=(hidden, features)) / np.sqrt(features), e=random.normal(size=hidden) / 10,
                  f=random.normal(size=(classes, hidden)) / np.sqrt(hidden), g=random.normal(size=classes) / 10)
    nodes += [helper.make_node("Flatten", [last], ["flat"]),
              helper.make_node("Gemm", ["flat", "d", "e"], ["dense"], transB=1), helper.make_node("Relu", ["dense"], ["h"]),
              helper.make_node("Gemm", ["h", "f", "g"], ["y"], transB=1)]
    graph = helper.make_graph(nodes, "large", [helper.make_tensor_value_info("x", 1, ["N", 3, size, size])],
                              [helper.make_tensor_value_info("y", 1, ["N", classes])],
                              [numpy_helper.from_array(a.astype("f4"), name) for name, a in arrays.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)


def large(folder, size, samples, more="linearize: {rows: all}"):
    large_network(folder / "large.onnx", size)
    images = np.random.default_rng(1).integers(0, 256, (samples, 3, size, size), dtype=np.uint8)
    np.save(folder / "images.npy", images)
    return write(folder, "{format: npy, images: images.npy}", "large.onnx", more)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_study_that_trains(tmp_path, ranks):
    make_digits(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY)
    check(tmp_path / "study.yaml", ranks)


@pytest.mark.skipif(not pathlib.Path(FASHION + "images-idx3-ubyte.gz").exists(), reason="no Fashion-MNIST")
def test_fashion_mnist(tmp_path):
    study = write(tmp_path, MNIST_LIKE, "mlp.onnx", "linearize: {samples: 300}")
    dense_network(tmp_path / "mlp.onnx")
    check(study)


@pytest.mark.skipif(not (SHARED / "models").is_dir(), reason="no ../shared/models with real networks")
@pytest.mark.parametrize("model", ["akamaster_resnet20", "akamaster_resnet56"])
@pytest.mark.parametrize("samples", ["all", "20"])  # all of them, or some: then forward passes alone as well
def test_real_networks(tmp_path, model, samples):
    check(write(tmp_path, CIFAR, SHARED / "models" / f"{model}.onnx", f"linearize: {{samples: {samples}}}\nblock: 20"))


def dense_network(path, inputs=784, hidden=256, classes=10):
    arrays = {"d": np.random.default_rng(0).normal(size=(inputs, hidden)) / np.sqrt(inputs),
              "f": np.random.default_rng(1).normal(size=(hidden, classes))}
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "d"], ["z"]), helper.make_node("Relu", ["z"], ["h"]),
                               helper.make_node("MatMul", ["h", "f"], ["y"])], "mlp",
                              [helper.make_tensor_value_info("x", 1, ["N", inputs])],
                              [helper.make_tensor_value_info("y", 1, ["N", classes])],
                              [numpy_helper.from_array(a.astype("f4"), name) for name, a in arrays.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)


def noise(folder, samples, more, size=28):
    """A small network, and so many samples of noise."""
    dense_network(folder / "mlp.onnx", size ** 2)
    np.save(folder / "images.npy", np.random.default_rng(2).integers(0, 256, (samples, size, size), dtype=np.uint8))
    return write(folder, "{format: npy, images: images.npy}", "mlp.onnx", more)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("samples, embed", [
    (3000, "layers: [100, 100]"),
    (4500, "layers: [100, 100], batch: 1500, source: pixels"),  # three batches, whose probabilities are kept
    (1500, "batch: 1500"),  # an encoder of van der Maaten's size
])
def test_an_embedding(tmp_path, samples, embed, ranks):
    check(noise(tmp_path, samples, f"embed: {{{embed}, epochs: 1, explain: 10}}"), ranks)


def test_probabilities_are_shared_by_the_ranks(tmp_path):
    """4,000 samples: their P takes 64 MB, and 128 MB more are needed to make it.  Whatever the embedding adds to a rank
    falls with the ranks: nowhere is there a whole matrix of 4,000 x 4,000."""
    bare, embed = {}, {}
    for ranks in (1, 2, 4):
        for found, more in ((bare, ""), (embed, "embed: {layers: [100, 100], epochs: 1, explain: 10}")):
            study = noise(tmp_path, 4000, more)
            shutil.rmtree(tmp_path / "out", ignore_errors=True)
            found[ranks] = peak(study, ranks)
    added = {ranks: embed[ranks] - bare[ranks] for ranks in bare}
    print("added by the embedding, MiB:", added)
    whole = 4000 ** 2 * 4 / 2 ** 20
    assert added[1] > 3 * whole
    assert added[2] < 0.6 * added[1] and added[4] < 0.35 * added[1] and added[4] < whole


def test_a_batch_that_does_not_fit(tmp_path):
    """Its probabilities take 12 x 4,000^2 bytes and 4 MiB while they are made: too many for one rank, but not for two."""
    study = noise(tmp_path, 4000, "embed: {layers: [10], epochs: 1}\nmemory: 150 MiB")
    for command in ("check", "run"):
        done = run(command, study)
        assert done.returncode == 65 and len(own_lines(done)) == 1, done.stderr
        assert "study.yaml:6: embed.batch: 4000 samples take 187 MiB for each of 1 rank, but memory is 150 MiB" in done.stderr
    assert run("check", study, ranks=2).returncode == 0


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("size, aggregate, linear, conditions", [
    (36, "method: gram, cka: false", 60, "clean"),  # 1,296 x 1,296
    (36, "method: dual, cka: false", 120, "clean"),  # 1,200 x 1,200
    (64, "method: random, cka: false", 120, "clean"),
    (28, "spectrum: none", 1, "clean, {corruption: [contrast, brightness], severity: [1, 2, 3]}"),  # features held
])
def test_an_aggregate(tmp_path, size, aggregate, linear, conditions, ranks):
    study = noise(tmp_path, 2000, f"linearize: {{rows: all, samples: {linear}}}\naggregate: {{{aggregate}}}\n"
                  f"conditions: [{conditions}]", size)
    check(study, ranks)


def test_work_of_the_size_of_imagenet(tmp_path):
    """1,000 rows of 150,528 numbers: 602 MB of W for a sample, in less memory than that."""
    study = large(tmp_path, 224, 1)
    assert check(study) < 500
    disk = float(re.search(r"^disk +([\d.]+) GiB", run("check", study).stdout, re.MULTILINE)[1])
    store = tmp_path / "out" / "study.h5"
    assert abs(disk - store.stat().st_size / 2**30) < 0.02
    with h5py.File(store) as h5:
        group = h5["linear/dense"]
        assert group["W"].shape == (1, 1000, 3, 224, 224)
        assert np.array_equal(group["row"][0], np.arange(1000)) and group["residual"][:].max() < 1e-5
        x, f = h5["image"][0].astype(float) / 255, h5["prediction/logits"][0, 0, 0]
        for k in (0, 39, 40, 700, 999):
            assert abs((group["W"][0, k] * x).sum() + group["b"][0, k] - f[k]) < 1e-4
        np.testing.assert_allclose(group["b_node"][:].sum(axis=2), group["b"][:], atol=1e-5)
    shutil.rmtree(tmp_path / "out")


def test_a_tight_bound_is_kept(tmp_path):
    """The same study with less memory takes fewer rows at once, and comes to the same W up to rounding."""
    w = []
    for bound, adjoints in ((2048, 40), (108, 39)):
        study = large(tmp_path, 64, 6, f"linearize: {{rows: all, samples: 3}}\nmemory: {bound} MiB\n")
        at_once = re.search(r"linearizing (\d+) x (\d+) rows", run("check", study, "--verbose").stdout)
        assert int(at_once[1]) * int(at_once[2]) <= adjoints
        assert peak(study) <= bound  # what settles gates is counted, and not always made: predictions are for long runs
        with h5py.File(tmp_path / "out" / "study.h5") as h5:
            w.append(h5["linear/dense/W"][:])
        shutil.rmtree(tmp_path / "out")
    np.testing.assert_allclose(w[0], w[1], atol=1e-5 * np.abs(w[0]).max())


def test_too_little_memory_is_one_line(tmp_path):
    for bound, words in ((30, "the program, corruptions and the networks alone take"), (88, "one row of one sample of dense take")):
        study = large(tmp_path, 64, 6, f"linearize: {{rows: all}}\nmemory: {bound} MiB\n")
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        for command in ("check", "run"):
            done = run(command, study)
            assert done.returncode == 65 and len(own_lines(done)) == 1, done.stderr
            assert f"study.yaml:7: memory: {bound} MiB" in done.stderr and words in done.stderr


def test_streamed_rows_are_the_same_on_any_number_of_ranks(tmp_path):
    study = large(tmp_path, 32, 5, "linearize: {rows: all}\nblock: 1")
    sums = set()
    for ranks in (1, 2):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        done = run("run", study, ranks=ranks)
        assert done.returncode == 0, done.stderr
        sums.add(checksum(tmp_path / "out" / "study.h5"))
    assert len(sums) == 1


def linear_network(path, inputs, classes):
    weight = numpy_helper.from_array(np.random.default_rng(0).normal(size=(inputs, classes)).astype("f4"), "w")
    graph = helper.make_graph([helper.make_node("Gemm", ["x", "w"], ["y"])], "linear",
                              [helper.make_tensor_value_info("x", 1, ["N", inputs])],
                              [helper.make_tensor_value_info("y", 1, ["N", classes])], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)


MANY = """\
variants: [{method: magnitude, sparsity: [0.5, 0.8]}]
conditions: [clean, {corruption: gaussian_noise, severity: 1}]
linearize: {samples: 10}
change: {samples: 20}
"""


LONG = pytest.mark.skipif(not os.environ.get("FACET_LONG"), reason="long: set FACET_LONG=1")


@pytest.mark.parametrize("many", [200000, pytest.param(1000000, marks=LONG)])
def test_memory_does_not_grow_with_samples(tmp_path, many):
    """Twenty times the samples, or a hundred times, through every stage but training and the map; the whole run, and what is
    forecast of it."""
    random, taken = np.random.default_rng(0), {}
    linear_network(tmp_path / "net.onnx", 16, 10)
    for count in (10000, many):
        np.save(tmp_path / "x.npy", random.integers(0, 256, (count, 4, 4), dtype=np.uint8))
        np.save(tmp_path / "y.npy", random.integers(0, 10, count))
        taken[count] = check(write(tmp_path, "{format: npy, images: x.npy, labels: y.npy}", "net.onnx", MANY))
        shutil.rmtree(tmp_path / "out")
    assert taken[many] < 1.05 * taken[10000]


@long_of_resnet20
def test_memory_does_not_grow_with_paths(tmp_path):
    """Of a network of 10^5 gates: a path at a time, each of as many pieces as half of them."""
    def paths(samples):
        return write(tmp_path, CIFAR.replace("count: 60", "count: 1000"), SHARED / "models/akamaster_resnet20.onnx", f"paths: {{samples: {samples}}}")

    taken = check(paths(1))
    assert taken < 2048 and predicted(paths(1000)) < 1.05 * predicted(paths(1))


def alignment(x, y):
    """Linear CKA by its definition."""
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    return np.linalg.norm(a.T @ b) ** 2 / np.linalg.norm(a.T @ a) / np.linalg.norm(b.T @ b)


def test_memory_does_not_grow_with_samples_that_are_compared(tmp_path):
    """CKA goes through the samples in pieces of 4,096 here, and comes to what its definition says."""
    taken = {}
    for count in (5000, 50000):
        dense_network(tmp_path / "mlp.onnx", 16, 64)
        np.save(tmp_path / "x.npy", np.random.default_rng(2).integers(0, 256, (count, 4, 4), dtype=np.uint8))
        more = "conditions: [clean, {corruption: [contrast, brightness], severity: [1, 3, 5]}]\naggregate: {spectrum: none}"
        taken[count] = check(write(tmp_path, "{format: npy, images: x.npy}", "mlp.onnx", more))
        with h5py.File(tmp_path / "out/study.h5") as h5:
            feature, cka = h5["feature/dense/value"][:].astype("f8"), h5["aggregate/cka"][:]
        for i in range(1, 7):
            assert cka[0, i] == cka[i, 0] == pytest.approx(alignment(feature[0], feature[i]), rel=1e-10)
        shutil.rmtree(tmp_path / "out")
    assert taken[50000] < 1.05 * taken[5000]


TRAIN = "{epochs: 1, batch: 1000, micro_batch: 500, rate: 0.001}"
MAP = """\
embed: {layers: [16], batch: 2000, perplexity: 10, epochs: 1, source: pixels, noise: 0.1}
memory: 80 MiB
"""


def grown(folder, train, test):
    """The most that a rank takes of studies that train a network and an encoder on so many samples, and judge the map of
    so many others."""
    random, taken = np.random.default_rng(0), []
    linear_network(folder / "net.onnx", 16, 10)
    for counts in zip(train, test):
        for name, n in zip(("", "t"), counts):
            np.save(folder / f"{name}x.npy", random.integers(0, 256, (n, 4, 4), dtype=np.uint8))
            np.save(folder / f"{name}y.npy", random.integers(0, 10, n))
        study = write(folder, "{format: npy, images: tx.npy, labels: ty.npy}", "net.onnx", MAP)
        text = study.read_text().replace("  normalize", "  train: {format: npy, images: x.npy, labels: y.npy}\n  normalize")
        study.write_text(text.replace("model: {onnx: net.onnx}", f"model: {{onnx: net.onnx, train: {TRAIN}}}"))
        taken.append(check(study))
        shutil.rmtree(folder / "out")
    return taken


def test_memory_does_not_grow_with_training_samples(tmp_path):
    """Through training, the encoder's, and the judge, who looks for the nearest training samples."""
    taken = grown(tmp_path, (10000, 80000), (500, 500))
    assert taken[1] < 1.05 * taken[0]


@LONG
@pytest.mark.parametrize("train, test", [((10000, 1000000), (5000, 5000)), ((10000, 10000), (10000, 100000))])
def test_memory_does_not_grow_with_a_million_samples(tmp_path, train, test):
    """A million are trained on; a hundred thousand judged, whose pairs are 10^10."""
    taken = grown(tmp_path, train, test)
    assert taken[1] < 1.05 * taken[0]


def test_corruptions_of_wide_data_take_what_they_need(tmp_path):
    """Of 1 x 4,000 numbers fog alone draws on a map of 4,096 x 4,096 doubles, and on one."""
    linear_network(tmp_path / "net.onnx", 4000, 3)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (4, 4000), dtype=np.uint8))
    taken = {}
    for name in ("gaussian_noise", "fog"):
        more = f"conditions: [clean, {{corruption: {name}, severity: 1}}]\nlinearize: {{samples: 2}}"
        taken[name] = check(write(tmp_path, "{format: npy, images: x.npy}", "net.onnx", more))
        shutil.rmtree(tmp_path / "out")
    assert 100 < taken["fog"] - taken["gaussian_noise"] < 160
