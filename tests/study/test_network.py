"""The library in Python's process: its declarations are the headers', its numbers are a study's to the last bit, threads may
share a network, and what is wrong is said in one line."""

import ctypes
import gc
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import pytest
from conftest import BUILD, PATIENCE, ROOT, STUDY, checksum, make_digits, run

import facet
from facet.library import DECLARATIONS, STRUCTURES, declarations, library
from facet.network import FORWARD

VARIANTS = """\
variants:
  - {method: magnitude, scope: global, sparsity: 0.5}
  - {method: filter, scope: layer, sparsity: 0.5, norm: 2}
  - {method: synflow, scope: global, sparsity: 0.9}
"""
LANES = BUILD / "tests" / "programs" / "lanes"
HEADERS = sorted((ROOT / "include" / "facet").glob("*.h"))


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """The small study in float and in double: {precision: opened}."""
    folder = tmp_path_factory.mktemp("network")
    make_digits(folder)
    text = STUDY.split("variants:")[0] + VARIANTS + "conditions:" + STUDY.split("conditions:")[1]
    opened = {}
    for precision in ("float", "double"):
        (folder / f"{precision}.yaml").write_text(text.replace("output: out", f"output: {precision}\nprecision: {precision}"))
        done = run("run", folder / f"{precision}.yaml")
        assert done.returncode == 0, done.stderr
        opened[precision] = facet.open(folder / precision / "study.h5")
    yield opened
    for study in opened.values():
        study.close()


@pytest.fixture(scope="module")
def inputs(studies):
    """All samples, normalised; the same in both studies."""
    return np.stack([studies["float"].input(i) for i in range(studies["float"].samples)])


@pytest.fixture
def network(studies):
    with studies["float"].network("dense") as opened:
        yield opened


def same(found, stored):
    """To the last bit, in the type that the file has."""
    stored = np.asarray(stored[()])
    return np.array_equal(np.asarray(found).astype(stored.dtype).reshape(stored.shape), stored, equal_nan=True)


# ---- the library ----


def test_declarations_are_those_of_the_headers():
    plain = lambda text: re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", text, flags=re.S))
    headers = plain(" ".join(header.read_text() for header in HEADERS))
    lines = [plain(line).strip() for line in DECLARATIONS.split(";")][:-1]
    assert len(lines) == len(list(declarations())) > 40
    assert [line for line in lines if f"{line};" not in headers] == []


def test_structures_are_laid_out_as_the_compiler_does(tmp_path):
    wanted, source = [], ["#include <facet/facet.h>", "#include <stdio.h>", "int main(void) {"]
    for structure in STRUCTURES:
        wanted.append(f"{structure._name_} {ctypes.sizeof(structure)}")
        source.append(f'printf("{structure._name_} %zu\\n", sizeof({structure._name_}));')
        for name, *_ in structure._fields_:
            field = getattr(structure, name)
            wanted.append(f"{name} {field.offset} {field.size}")
            source.append(f'printf("{name} %zu %zu\\n", offsetof({structure._name_}, {name}), '
                          f"sizeof((({structure._name_} *)0)->{name}));")
    (tmp_path / "sizes.c").write_text("\n".join([*source, "}"]))
    compiler = os.environ.get("CC", "gcc").split()
    subprocess.run([*compiler, "-std=c17", "-I", str(ROOT / "include"), "sizes.c", "-o", "sizes"], cwd=tmp_path, check=True)
    said = subprocess.run([str(tmp_path / "sizes")], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == wanted


def python(code, folder=ROOT / "analysis", **environment):
    """Runs Python elsewhere, with the package in `folder`."""
    given = {name: value for name, value in os.environ.items() if name != "FACET_LIBRARY"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, cwd="/",
                          env={**given, "PYTHONPATH": str(folder), **environment})


WHERE = """
import facet.library
try:
    print(facet.library.library().path)
except facet.NetworkError as error:
    print(error.status, error)
"""


def test_where_the_library_is_found(tmp_path):
    shared = ROOT / "build" / "libfacet.so"
    assert python(WHERE).stdout.strip() == str(shared)
    assert python(WHERE, FACET_LIBRARY=str(shared)).stdout.strip() == str(shared)
    status, said = python(WHERE, FACET_LIBRARY="/none/libfacet.so").stdout.split(" ", 1)
    assert status == "69" and said.startswith("FACET_LIBRARY: /none/libfacet.so: ") and said.count("\n") == 1
    text = tmp_path / "text.so"
    text.write_text("no library")
    assert str(text) in python(WHERE, FACET_LIBRARY=str(text)).stdout

    alone = tmp_path / "lib" / "python3" / "site-packages"
    shutil.copytree(ROOT / "analysis" / "facet", alone / "facet", ignore=shutil.ignore_patterns("__pycache__"))
    status, said = python(WHERE, alone).stdout.split(" ", 1)
    assert status == "69" and "FACET_LIBRARY may say where it is" in said and str(alone / "facet") in said
    assert said.count("\n") == 1
    for folder in ("lib64", "lib"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "libfacet.so.0.1").symlink_to(shared)
        assert python(WHERE, alone).stdout.strip() == str(tmp_path / folder / "libfacet.so.0.1")
    (alone / "facet" / "libfacet.so").symlink_to(shared)
    assert python(WHERE, alone).stdout.strip() == str(alone / "facet" / "libfacet.so")
    for found in (alone / "facet" / "libfacet.so", tmp_path / "lib" / "libfacet.so.0.1", tmp_path / "lib64" / "libfacet.so.0.1"):
        found.unlink()
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "libfacet.so.0.1").symlink_to(shared)
    assert python(WHERE, alone, LD_LIBRARY_PATH=str(tmp_path / "system")).stdout.strip() == "libfacet.so.0.1"


def test_a_library_of_another_version_is_refused(tmp_path):
    shutil.copytree(ROOT / "analysis" / "facet", tmp_path / "facet", ignore=shutil.ignore_patterns("__pycache__"))
    text = (tmp_path / "facet" / "__init__.py").read_text()
    (tmp_path / "facet" / "__init__.py").write_text(re.sub(r'__version__ = ".*"', '__version__ = "9.9.0"', text))
    said = python(WHERE, tmp_path, FACET_LIBRARY=str(ROOT / "build" / "libfacet.so")).stdout
    assert re.fullmatch(r"69 \S+: version \S+, but this Python package is 9\.9\.0\n", said)


def test_nothing_is_loaded_on_import():
    said = python("import facet, facet.library as l; print(l.library.cache_info().currsize)").stdout
    assert said == "0\n"


# ---- numbers ----


@pytest.mark.parametrize("precision", ["float", "double"])
def test_linearizations_are_the_studys(studies, inputs, precision):
    study = studies[precision]
    for variant in study.variants:
        stored = study.file[f"linear/{variant}"]
        with study.network(variant) as network:
            linear = network.linearize(inputs[:len(stored["row"])])
            for name in ("W", "b", "b_node", "row", "residual", "ties"):
                assert same(getattr(linear, name), stored[name]), (variant, name)
            assert linear.node == [name.decode() for name in stored["node"]]
            alone = network.linearize(study.input(7, variant))
            assert alone.W.shape == (network.classes, *network.shape) and same(alone.W, stored["W"][7]) and \
                same(alone.b, stored["b"][7])


CUT = """\
variants: [{method: magnitude, scope: global, sparsity: 0.97}]
conditions: [clean, {corruption: gaussian_noise, severity: 5}]
linearize: {samples: 45, rows: ROWS}
"""


def run_with_little(study):
    """Runs a study with as many MiB of memory, in place of NEEDED, as it then says it needs, and one more."""
    text, needed = study.read_text(), 0
    while True:
        study.write_text(text.replace("NEEDED", str(needed + 1)))
        done = run("run", study)
        if done.returncode != 65:
            return done
        more = int(re.search(r"memory: .* take (\d+) MiB", done.stderr)[1])
        needed = max(more, needed + 1)


def test_what_a_study_handled_at_once_is_handled_at_once(tmp_path):
    """Small blocks, little memory and fewer rows change how many samples and rows go through together, and with them last
    bits. The pruned network goes forward in lanes where nothing is linearized."""
    make_digits(tmp_path, train=120, test=50, size=28)
    text = re.sub("conv: .*?}", "conv: [16, 40], dense: [16]}", STUDY.split("variants:")[0]).replace("epochs: 2", "epochs: 1")
    loaded, found = re.sub("model:.*", "model: {onnx: block/variants/dense.onnx}\n", text, flags=re.S), set()
    for name, text, more, rows in (("block", text, "block: 3", "all"), ("memory", loaded, "memory: NEEDED MiB", "all"),
                                   ("predicted", loaded, "block: 20", "predicted"), ("top", loaded, "block: 100", "{top: 3}")):
        text = text.replace("output: out", f"output: {name}").replace("block: 20", more)
        (tmp_path / f"{name}.yaml").write_text(text + CUT.replace("ROWS", rows))
        done = run_with_little(tmp_path / f"{name}.yaml")
        assert done.returncode == 0, done.stderr
        with facet.open(tmp_path / name / "study.h5") as study:
            found.add(tuple(study.attrs["batches"][:3]))
            scale, mean, std = study.normalization
            noise = (facet.corrupt(study.file["image"][()], "gaussian_noise", 5, seed=3).astype(float) / scale - mean) / std
            x, wanted = np.stack([study.input(i) for i in range(45)]), {"top": 3} if name == "top" else {"rows": rows}
            for v, variant in enumerate(study.variants):
                stored, logits = study.file[f"linear/{variant}"], study.file["prediction/logits"][v]
                with study.network(variant) as network, network.prune("magnitude", 0) as again:
                    linear, one = network.linearize(x, **wanted), again.linearize(x[7], **wanted)
                    for field in ("W", "b", "b_node", "row", "residual", "ties"):
                        assert same(getattr(linear, field), stored[field]), (name, variant, field)
                        assert same(getattr(one, field), stored[field][7]), (name, variant, field)
                    assert same(linear.logits, logits[0, :45]), (name, variant)
                    assert same(network(noise), logits[1]) and same(network(noise[7]), logits[1, 7]), (name, variant)
                    with facet.Network(network.name) as file:  # which nothing cuts, as in the last of the studies
                        assert name != "top" or same(file.linearize(x, **wanted).residual, stored["residual"]) and same(file(noise), logits[1])
                    assert network.linearize(x, [0, 1]).W.shape == (45, 2, 1, 28, 28)  # rows that are not the study's
    assert {(3, 3, 4), (20, 20, 1), (FORWARD, 13, 3)} < found
    ((forward, linear, _),) = found - {(3, 3, 4), (20, 20, 1), (FORWARD, 13, 3)}
    assert forward < FORWARD and linear < 10, "memory cuts nothing here: give less"


def test_ranks_agree_in_lanes(tmp_path):
    """Whoever takes a part, and whatever went through there before: in lanes forward and back, the last part not full."""
    make_digits(tmp_path, train=96)
    text = re.sub("architecture: .*}", "architecture: resnet20", STUDY.split("variants:")[0]).replace("epochs: 2", "epochs: 1")
    text, found = text.replace("block: 20", "block: 48") + CUT.replace("samples: 45", "samples: all").replace("ROWS", "all"), set()
    for ranks in (1, 2, 3):
        (tmp_path / f"{ranks}.yaml").write_text(text.replace("output: out", f"output: out{ranks}"))
        done = run("run", tmp_path / f"{ranks}.yaml", ranks=ranks)
        assert done.returncode == 0, done.stderr
        found.add(checksum(tmp_path / f"out{ranks}/study.h5"))
    with facet.open(tmp_path / "out3/study.h5") as study:
        for batches, variant in zip(np.reshape(study.attrs["batches"], (len(study.variants), -1)), study.variants):
            command = [LANES, tmp_path / f"out3/variants/{variant}.onnx", *map(str, batches[:3])]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert said.split() == ([] if variant == "dense" else ["forward", "back"])
    assert len(found) == 1


def test_layouts_of_networks(studies, tmp_path):
    """A network that takes its samples channels last."""
    import onnx
    from onnx import helper

    model = onnx.load(studies["float"].network("dense").name)
    name = model.graph.input[0].name
    dims = model.graph.input[0].type.tensor_type.shape.dim
    c, y, x = (d.dim_value for d in dims[1:])
    for dim, size in zip(dims[1:], (y, x, c)):
        dim.dim_value = size
    model.graph.node.insert(0, helper.make_node("Transpose", [name], ["first"], name="turn", perm=[0, 3, 1, 2]))
    for node in model.graph.node[1:]:
        for i, given in enumerate(node.input):
            if given == name:
                node.input[i] = "first"
    onnx.save(model, tmp_path / "last.onnx")
    given = studies["float"].input(3)
    with facet.Network(tmp_path / "last.onnx") as last, studies["float"].network("dense") as first:
        assert last.shape == (y, x, c)
        turned = last.linearize(np.moveaxis(given, 0, -1)).W
        assert np.allclose(np.moveaxis(turned, -1, 1), first.linearize(given).W, atol=1e-6)


def test_geometry_and_logits_are_the_studys(studies, inputs):
    study = studies["double"]
    c = study.conditions.index("gaussian_noise/5")
    noise = facet.corrupt(study.file["image"][()], "gaussian_noise", 5, seed=study.attrs["seed"])
    scale, mean, std = study.normalization
    for v, variant in enumerate(study.variants):
        with study.network(variant) as network:
            geometry = network.geometry(inputs, study.label)
            for name in ("angle", "length", "margin", "cosine"):
                assert same(getattr(geometry, name), study.file[f"geometry/{name}"][v, 0]), (variant, name)
            assert same(geometry.loss, study.file["prediction/loss"][v, 0])
            assert same(geometry.predicted, study.file["prediction/class"][v, 0])
            assert same(network((noise.astype(float) / scale - mean) / std), study.file["prediction/logits"][v, c])
            without = network.geometry(inputs[0])
            assert np.isnan(without.margin) and without.length == geometry.length[0] and without.label == -1


def test_networks_are_pruned_as_in_the_study(studies, network, tmp_path):
    study, folder = studies["float"], pathlib.Path(network.name).parent
    before, x = network.linearize(study.input(0)).W, study.input(1)
    ways = ({"method": "magnitude", "sparsity": 0.5}, {"method": "synflow", "sparsity": 0.9},
            {"method": "filter", "sparsity": 0.5, "scope": "layer", "norm": 2})
    for how in ways:
        (variant,) = [v for v in study.variants if study.recipe(v)["method"] == how["method"]]
        with network.prune(**how) as pruned:
            pruned.write(tmp_path / "pruned.onnx")
            assert (tmp_path / "pruned.onnx").read_bytes() == (folder / f"{variant}.onnx").read_bytes()
            assert pruned.mask.sparsity == study.recipe(variant)["achieved"]
            assert f"{pruned.mask.sparsity:.1%} of its weights removed" in repr(pruned)
            assert {n: int((~kept).sum()) for n, kept in pruned.mask.layers.items()} == pruned.mask.removed
            pruned.mask.write(tmp_path / "masks.h5")
            with network.masked(tmp_path / "masks.h5") as again:
                assert again.mask.removed == pruned.mask.removed
                # the biases that go with a filter are in no mask file
                assert np.array_equal(again(x), pruned(x)) == (how["method"] != "filter")
    assert np.array_equal(network.linearize(study.input(0)).W, before)


def test_pruning_that_looks_at_samples(studies, network, inputs):
    for method in ("taylor", "snip", "grasp"):
        pruned = network.prune(method, 0.5, x=inputs[:32], label=studies["float"].label[:32], batch=16)
        assert abs(pruned.mask.sparsity - 0.5) < 1e-3
    with pytest.raises(facet.NetworkError, match="dense.onnx: pruning by snip needs calibration data"):
        network.prune("snip", 0.5)
    assert network.prune("magnitude", 0.999).mask.warnings


def test_margins_add_up(studies, inputs):
    study = studies["double"]
    with study.network("dense") as network:
        margins, linear = network.margins(inputs, study.label), network.linearize(inputs)
        total = (margins.gradient * inputs).reshape(len(inputs), -1).sum(axis=1) + margins.node.sum(axis=1)
        assert np.abs(total - margins.margin).max() < 1e-12 and margins.residual.max() < 1e-12
        assert np.abs(margins.margin - network.geometry(inputs, study.label).margin).max() < 1e-12
        assert np.abs(linear(inputs) - linear.logits).max() < 1e-12
        one = network.margins(inputs[3], study.label[3])
        assert one.gradient.shape == network.shape and np.array_equal(one.gradient, margins[3].gradient)


def test_rows(network, inputs):
    x = inputs[:6]
    whole = network.linearize(x)
    predicted = network.linearize(x, "predicted")
    assert predicted.W.shape == (6, 1, *network.shape)
    assert np.array_equal(predicted.row[:, 0], whole.logits.argmax(axis=1))
    top = network.linearize(x, top=3)
    assert np.array_equal(top.row, np.argsort(-whole.logits, axis=1, kind="stable")[:, :3])
    own = network.linearize(x, top.row)
    assert np.array_equal(own.W, top.W) and np.array_equal(network.linearize(x, [1, 3]).row, [[1, 3]] * 6)
    for other in (predicted, top, network.linearize(x, 2), network.linearize(x, batch=1)):
        assert np.allclose(other.W, np.take_along_axis(whole.W, other.row[:, :, None, None, None], axis=1), atol=1e-5)
        assert other.residual.max() < 1e-5
    assert [part.row.shape for part in whole] == [(4,)] * 6 and whole[2:4].W.shape == (2, 4, *network.shape)
    assert len(network.linearize(x[:0])) == 0
    with pytest.raises(TypeError, match="no length"):
        len(network.linearize(x[0]))


def test_corruptions(studies):
    images = studies["float"].file["image"][:5]
    assert facet.corruptions()[0] == "clean" and "fog" in facet.corruptions() and len(facet.corruptions()) == 20
    noise = facet.corrupt(images, "shot_noise", 2, seed=9)
    assert np.array_equal(facet.corrupt(images[3], "shot_noise", 2, seed=9, first=3), noise[3])
    assert np.array_equal(facet.corrupt(images, "clean"), images) and noise.dtype == np.float32
    last = facet.corrupt(np.moveaxis(images, 1, -1), "shot_noise", 2, seed=9, order="channels_last")
    assert np.array_equal(np.moveaxis(last, -1, 1), noise)
    for wrong, said in (({"corruption": "fogg"}, "did you mean fog"), ({"corruption": "fog", "severity": 6}, "severity 6"),
                        ({"corruption": "fog", "order": "last"}, "did you mean channels_last")):
        with pytest.raises(facet.NetworkError, match=said):
            facet.corrupt(images, **wrong)


# ---- threads, lives ----


def together(work, count=4):
    """Runs work(i) in threads that begin at the same time; what each returned, or raised."""
    barrier, found = threading.Barrier(count), [None] * count

    def one(i):
        barrier.wait()
        try:
            found[i] = work(i)
        except Exception as error:
            found[i] = error

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_threads_share_a_network(network, inputs):
    alone = network.linearize(inputs)
    for found in together(lambda i: [network.linearize(inputs) for _ in range(3)][i % 3]):
        assert np.array_equal(found.W, alone.W) and np.array_equal(found.b_node, alone.b_node)


def test_calls_give_up_the_lock(studies, inputs, monkeypatch):
    """While one is at work a thread of Python goes on; it could not, from the beginning to the end, if calls kept Python's lock."""
    x, times, stopped, over = np.tile(inputs, (20, 1, 1, 1)), [], [], threading.Event()
    end = time.monotonic() + PATIENCE
    linearize = library().linearize

    def watched(*arguments):
        times.clear()
        first = time.monotonic()
        linearize(*arguments)
        last = time.monotonic()
        there = [first, *(t for t in times if first < t < last), last]
        stopped.append(max(np.diff(there)) / (last - first))

    def go_on():
        while not over.is_set():
            times.append(time.monotonic())

    monkeypatch.setattr(library(), "linearize", watched)
    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        with studies["double"].network("dense") as network:
            while time.monotonic() < end and not any(share < 0.4 for share in stopped):  # the machine may stop it, too
                network.linearize(x, batch=len(x))
    finally:
        over.set()
        thread.join()
    assert min(stopped) < 0.4


def test_each_thread_has_its_own_message(tmp_path):
    def fail(i):
        for _ in range(50):
            with pytest.raises(facet.NetworkError, match=f"none-{i}.onnx: No such file") as caught:
                facet.Network(tmp_path / f"none-{i}.onnx")
            assert caught.value.status == 66

    assert together(fail) == [None] * 4


def test_a_network_is_closed(studies, inputs):
    network = studies["float"].network("dense")
    pruned = network.prune("magnitude", 0.5)
    linear, begun = network.linearize(inputs), [threading.Event() for _ in range(3)]

    def work(i):
        if i == 0:
            for event in begun:
                event.wait()
            network.close()
            return None
        found = []
        try:
            while True:
                found.append(network.linearize(inputs[:12]).W)
                begun[i - 1].set()
        except facet.NetworkError as error:
            assert "is closed" in str(error)
        return all(np.array_equal(w, linear.W[:12]) for w in found) and len(found)

    assert all(done for done in together(work)[1:])
    with pytest.raises(facet.NetworkError, match="dense.onnx: the network is closed"):
        network(inputs[0])
    network.close()
    assert pruned(inputs[0]).shape == (4,)
    with pytest.raises(facet.NetworkError, match="is closed"):
        pruned.mask.write("none.h5")
    handles = pruned._handles
    del pruned
    with pytest.raises(facet.NetworkError, match="is closed"), handles.network():
        pass


def test_a_mask_outlives_the_name_of_its_network(network, tmp_path):
    smaller = facet.Network(network.name).prune("magnitude", 0.5)
    smaller.mask.write(tmp_path / "mask.h5")
    with network.masked(tmp_path / "mask.h5") as again:
        assert again.mask.removed == smaller.mask.removed


def test_memory_comes_back(studies, inputs):
    loaded = ctypes.CDLL(library().path)  # for what Python has no other use for
    loaded.facet_memory_in_use.restype = ctypes.c_size_t
    gc.collect()  # networks of other tests that an exception's traceback still holds
    loaded.facet_kernels_release()
    before = loaded.facet_memory_in_use()
    for _ in range(3):
        network = studies["float"].network("dense")
        pruned = network.prune("magnitude", 0.5)
        for k in range(1, 12):  # more executors than are kept
            pruned.linearize(inputs[:2], [0, 1], batch=k), network.geometry(inputs[:k], studies["float"].label[:k])
        assert loaded.facet_memory_in_use() > before
        del network, pruned
        loaded.facet_kernels_release()
        assert loaded.facet_memory_in_use() == before


# ---- what is wrong ----


@pytest.mark.parametrize("ask, said", [
    (lambda n, x: n.linearize(x[0, 0]), "samples are 1 x 12 x 12, or N of them; x is 12 x 12$"),
    (lambda n, x: n.linearize([["a"]]), "x holds <U1, not numbers"),
    (lambda n, x: n.linearize(x * np.nan), "dense.onnx: the logits of sample 0 are not finite"),
    (lambda n, x: n.linearize(x, "al"), "no choice of rows is called al: did you mean all"),
    (lambda n, x: n.linearize(x, [4]), "rows are classes, 0 to 3"),
    (lambda n, x: n.linearize(x[:3], np.zeros((2, 1), int)), "rows for 2 samples, but there are 3"),
    (lambda n, x: n.linearize(x, top=5), "the top 5 of 4 classes"),
    (lambda n, x: n.geometry(x, [1]), "130 samples, but labels of shape"),
    (lambda n, x: n.geometry(x[:1], [4]), "labels are whole numbers, 0 to 3, or -1"),
    (lambda n, x: n.margins(x[:1], [0.5]), "labels are whole numbers"),
    (lambda n, x: n.prune("magnitud", 0.5), "no method is called magnitud: did you mean magnitude"),
    (lambda n, x: n.prune("lth", 0.5), "dense.onnx: lth prunes while it trains"),
    (lambda n, x: n.prune("magnitude", 1), r"dense.onnx: sparsity 1 is not in \[0, 1\)"),
    (lambda n, x: n.prune("magnitude", 0.5, scope="all"), "no scope is called all; there are: global, layer"),
    (lambda n, x: n.masked(facet.Network(n.name).prune("random", 0.5).mask), "one of another network"),
    (lambda n, x: n.masked("none.h5"), "none.h5: "),
    (lambda n, x: n.write("/none/model.onnx"), "/none/model.onnx"),
    (lambda n, x: facet.Network(b"no model"), "^ONNX bytes: "),
    (lambda n, x: facet.Network(n.name, precision="doubl"), "did you mean double"),
    (lambda n, x: facet.Network(n.name, precision="double", kernels="dense")(x), "dense kernels do not offer double"),
    (lambda n, x: facet.set_threads(0), "0 threads"),
    (lambda n, x: n.line(x[0], x[:2]), "dense.onnx: inputs are 1 x 12 x 12 each; one is 2 x 1 x 12 x 12"),
    (lambda n, x: n.line(x[0], "a"), "x holds <U1, not numbers"),
    (lambda n, x: n.plane([x[0], x[1], x[2, 0]]), "dense.onnx: inputs are 1 x 12 x 12 each; one is 12 x 12"),
    (lambda n, x: n.plane(x[:2]), "through three inputs, not 2"),
    (lambda n, x: n.plane([]), "through three inputs, not 0"),
])
def test_what_is_wrong_is_said(network, inputs, ask, said):
    with pytest.raises(facet.NetworkError, match=said) as caught:
        ask(network, inputs)
    assert "\n" not in str(caught.value)


def test_words(network, inputs):
    assert re.fullmatch(r"<facet.Network \S+/dense.onnx: 1 x 12 x 12 to 4 logits, 5,064 parameters, float>", repr(network))
    assert "130 samples, 4 rows of W each (1 x 12 x 12, float32), worst residual" in repr(network.linearize(inputs))
    assert repr(network.linearize(inputs[0], "predicted")).startswith("<facet.Linearization of one sample, 1 row of W")
    assert "130 samples, 16 features, 4 classes" in repr(network.geometry(inputs))
    label = network.geometry(inputs).predicted.astype(np.int32)
    label[::2] = -1
    some = network.geometry(inputs, label)
    assert repr(some).endswith(f"4 classes, 100.0% right, median margin {np.median(some.margin[1::2]):.3g}>")
    assert repr(some[1]).endswith(f"4 classes, 100.0% right, median margin {some.margin[1]:.3g}>") and "right" not in repr(some[0])
    none = network.reach(inputs[:0])
    assert len(none) == 0 and none.point.shape == (0, 2, 1, 12, 12) and none.limit.dtype.kind == "U" and repr(none) == "<facet.Reach of 0 samples>"
    assert none.rows.dtype == network.reach(inputs[:1]).rows.dtype
    assert "4 nodes" in repr(network.margins(inputs, np.zeros(130, int)))
    assert repr(network.prune("magnitude", 0.5).mask) == \
        "<facet.Mask magnitude global 0.5: 2,498 of 4,996 weights of 4 layers removed>"
    with h5py.File("/dev/null", "w", driver="core", backing_store=False) as file:  # h5py's HDF5 lives beside the library's
        file["x"] = inputs
        assert np.array_equal(file["x"][0], inputs[0])


# ---- PyTorch ----


@pytest.mark.parametrize("first", ["torch, facet", "facet, torch"])
def test_pytorch_and_the_library_in_one_process(first, studies):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    code = f"import {first}\nn = facet.Network('{studies['float'].network('dense').name}')\nimport numpy, h5py\n" \
           "x = numpy.ones((3, 1, 12, 12), 'f4')\nw = n.linearize(torch.from_numpy(x).requires_grad_())\n" \
           "torch.nn.Conv2d(1, 4, 3)(torch.from_numpy(x)).sum().backward()\nprint(w.residual.max() < 1e-5)\n"
    done = python(code)
    assert done.stdout == "True\n", done.stderr


def test_autograd_agrees_in_double(inputs):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(2)
    layers = [torch.nn.Conv2d(1, 6, 3), torch.nn.BatchNorm2d(6), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
              torch.nn.Linear(150, 20), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(20, 4)]
    module, x = torch.nn.Sequential(*layers), torch.from_numpy(inputs).float()
    module(x)  # gives batch norm statistics that are not the first ones
    layers[1].eval()  # as where it is frozen
    network = facet.Network.from_torch(module, x[:2], precision="double")
    assert [part.training for part in module] == [layer is not layers[1] for layer in layers] and module.training
    assert "Sequential: 1 x 12 x 12 to 4 logits" in repr(network)
    assert any("BatchNormalization" in node for node in network.linearize(x[0]).node)
    line, leaves = network.line(x[0].numpy(), x[1].numpy()), x[:3].clone().requires_grad_()
    assert np.array_equal(network.line(leaves[0], leaves[1]).t, line.t) and len(network.plane(list(leaves), window=0.05))
    linear, module, leaf = network.linearize(x), module.eval().double(), x.double().requires_grad_()
    logits = module(leaf)
    gradient = torch.stack([torch.autograd.grad(logits[:, k].sum(), leaf, retain_graph=True)[0] for k in range(4)], dim=1)
    assert np.abs(linear.logits - logits.detach().numpy()).max() < 1e-12
    assert np.abs(linear.W - gradient.numpy()).max() < 1e-12
    # of weights alone, by magnitude, as torch.nn.utils.prune removes them
    pairs = [(layer, "weight") for layer in module if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear))]
    torch_prune = pytest.importorskip("torch.nn.utils.prune")
    torch_prune.global_unstructured(pairs, torch_prune.L1Unstructured, amount=0.5)
    masks = network.prune("magnitude", 0.5).mask.layers.values()
    for kept, (layer, _) in zip(masks, pairs, strict=True):
        assert np.array_equal(kept, layer.weight_mask.numpy().astype(bool))


def test_the_example():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    done = subprocess.run([sys.executable, str(ROOT / "analysis" / "examples" / "torch_model.py")], capture_output=True,
                          text=True, timeout=PATIENCE, env={**os.environ, "PYTHONPATH": str(ROOT / "analysis")})
    assert done.returncode == 0, done.stderr
    off, largest = re.search(r"W and autograd differ by (\S+) of at most (\S+)", done.stdout).groups()
    assert float(off) < 1e-12 * max(1, float(largest))
    for line in re.findall(r"^sample .*$", done.stdout, re.MULTILINE):
        pixels, b, logit = map(float, re.search(r"pixels (\S+), b (\S+), logit (\S+)", line).groups())
        assert abs(pixels + b - logit) < 2e-4
    try:
        import captum  # noqa: F401
    except ImportError:
        assert "Captum is not installed" in done.stdout
        pytest.skip("Captum is not installed: the example ran without it")
    assert not np.any(np.fromstring(re.search(r"W x \+ b +\[(.*)\]", done.stdout)[1], sep=" "))
