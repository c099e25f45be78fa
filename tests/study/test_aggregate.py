"""Spectra, principal angles and similarity of features in the result file, against numpy and scipy on the W in the same
file and on features that onnxruntime finds in the networks beside it."""

import h5py
import numpy as np
import onnx
import pytest

from conftest import STUDY, checksum, make_digits, run

AGGREGATE = """\
variants:
  - {method: magnitude, sparsity: [0.5, 0.95]}
  - {method: filter, scope: layer, sparsity: 0.5, remove_dead: true}
conditions: [clean, {corruption: gaussian_noise, severity: [1, 5]}]
linearize: {variants: [dense, magnitude-global-0.5, magnitude-global-0.95], samples: 70, rows: ROWS}
aggregate: {spectrum: 12, method: METHOD}
"""
LINEARIZED = ["dense", "magnitude-global-0.5", "magnitude-global-0.95"]
RUNS = [(ranks, method) for ranks in (1, 2, 3) for method in ("gram", "dual", "random")]


@pytest.fixture(scope="module", params=["all", "predicted"])
def studies(tmp_path_factory, request):
    """One finished study for each of RUNS: 280 or 70 rows of W of 144 numbers, so gram and dual both have several
    pieces."""
    folder = tmp_path_factory.mktemp("aggregate")
    make_digits(folder)
    files = {}
    for ranks, method in RUNS if request.param == "all" else RUNS[3:6]:
        text = STUDY.split("variants:")[0] + AGGREGATE.replace("ROWS", request.param).replace("METHOD", method)
        name = f"{method}{ranks}"
        (folder / f"{name}.yaml").write_text(text.replace("output: out", f"output: {name}"))
        done = run("run", folder / f"{name}.yaml", ranks=ranks)
        assert done.returncode == 0, done.stderr
        files[ranks, method] = h5py.File(folder / name / "study.h5")
    yield folder, files
    for file in files.values():
        file.close()


def stacked(h5, name):
    w = h5[f"linear/{name}/W"][:].astype(float)
    return w.reshape(w.shape[0] * w.shape[1], -1)


def residual_of(h5, name):
    return h5["aggregate/residual"][list(h5["variant"].asstr()[:]).index(name)]


def test_singular_values(studies):
    for (_, method), h5 in studies[1].items():
        for name in LINEARIZED:
            m, group = stacked(h5, name), h5[f"aggregate/{name}"]
            _, s, _ = np.linalg.svd(m, full_matrices=False)
            got, total = group["singular_values"][:], np.sum(s ** 2)
            assert group.attrs["method"] == method and len(got) == 12
            residual = residual_of(h5, name)
            if method == "random":
                assert residual < 0.05  # an error that is stated, and holds
                assert np.abs(got ** 2 - s[:12] ** 2).max() <= residual * np.linalg.norm(got ** 2) + 1e-12 * s[0] ** 2
            else:
                assert residual < 1e-13
                np.testing.assert_allclose(got, s[:12], rtol=1e-9, atol=2e-7 * s[0])  # below that, 0
                assert np.array_equal(np.isnan(group["directions"][:].reshape(12, -1)[:, 0]), got == 0)
            np.testing.assert_allclose(group["share"][:], got ** 2 / total, rtol=1e-12)


def test_effective_rank(studies):
    for (_, method), h5 in studies[1].items():
        for v, name in enumerate(h5["variant"].asstr()[:]):
            got = h5["aggregate/effective_rank"][v]
            if name not in LINEARIZED:
                assert np.isnan(got) and np.isnan(residual_of(h5, name)) and name not in h5["aggregate"]
                continue
            if method == "random":  # which does not know the whole spectrum
                assert np.isnan(got)
                continue
            share = np.linalg.svd(stacked(h5, name), compute_uv=False) ** 2
            share = share[share > 0] / share.sum()
            assert got == pytest.approx(np.exp(-np.sum(share * np.log(share))), rel=1e-9)


def test_directions(studies):
    """Rows are unit vectors with a positive largest entry, and right singular vectors as far as singular values differ:
    what is compared is M v = s u, in the squared sense of the stored residual."""
    for (_, method), h5 in studies[1].items():
        for name in LINEARIZED:
            m, group = stacked(h5, name), h5[f"aggregate/{name}"]
            v, s = group["directions"][:].reshape(12, -1), group["singular_values"][:]
            assert group["directions"].shape[1:] == h5[f"linear/{name}/W"].shape[2:] == (1, 12, 12)
            assert [d[0].name for d in group["directions"].dims] == ["/aggregate/component", "/channel", "/y", "/x"]
            assert group["directions"].attrs["order"] == "channels_first"
            known = s > 1e-6 * s[0]
            assert known.sum() >= 4 and np.isfinite(v[known]).all()
            np.testing.assert_allclose(v[known] @ v[known].T, np.eye(known.sum()), atol=1e-8)
            assert all(row[np.abs(row).argmax()] > 0 for row in v[known])
            off = np.linalg.norm(m.T @ (m @ v[known].T) - v[known].T * s[known] ** 2, axis=0)
            bound = 1e-11 * s[0] ** 2 if method != "random" else (residual_of(h5, name) + 1e-11) * np.linalg.norm(s ** 2)
            assert off.max() <= bound


def test_ways_and_ranks_agree(studies):
    files = studies[1]
    first = next(iter(files.values()))
    for (_, method), h5 in files.items():
        for name in LINEARIZED:
            assert np.array_equal(h5[f"linear/{name}/W"][:], first[f"linear/{name}/W"][:])  # the same bits, to begin with
            a, b = h5[f"aggregate/{name}"], first[f"aggregate/{name}"]
            tolerance = 1e-9 if method != "random" else residual_of(h5, name) * 12 + 1e-9
            np.testing.assert_allclose(a["singular_values"][:4], b["singular_values"][:4], rtol=tolerance)
            gaps = np.abs(np.diff(b["singular_values"][:5] ** 2)) / b["singular_values"][0] ** 2
            for i in np.flatnonzero((gaps > 0.02) & (np.append(1, gaps[:-1]) > 0.02)):  # a direction of its own
                turned = 1e-8 if method != "random" else 100 * residual_of(h5, name) + 1e-8
                np.testing.assert_allclose(a["directions"][i], b["directions"][i], atol=turned)
        np.testing.assert_allclose(h5["aggregate/cka"][:], first["aggregate/cka"][:], rtol=1e-6)  # of float32 features


def test_principal_angles(studies):
    angles_of = pytest.importorskip("scipy.linalg", reason="scipy is not there to compare the angles with").subspace_angles
    for h5 in studies[1].values():
        names = list(h5["variant"].asstr()[:])
        for a, first in enumerate(names):
            for b, second in enumerate(names):
                got = h5["aggregate/principal_angles"][a, b]
                if first not in LINEARIZED or second not in LINEARIZED:
                    assert np.isnan(got).all()
                    continue
                u, v = (h5[f"aggregate/{name}/directions"][:].reshape(12, -1) for name in (first, second))
                u, v = u[np.isfinite(u[:, 0])], v[np.isfinite(v[:, 0])]
                wanted = np.sort(angles_of(u.T, v.T))
                np.testing.assert_allclose(got[: len(wanted)], wanted, atol=1e-12)
                assert np.isnan(got[len(wanted):]).all() and (first == second or wanted[-1] > 0.1)


def features(file, x):
    """What the last linear node of a network takes."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="the Python package onnxruntime is not installed")
    model = onnx.load(file)
    last = [node for node in model.graph.node if node.op_type in ("Gemm", "MatMul")][-1]
    model.graph.output.append(onnx.helper.make_tensor_value_info(last.input[0], onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([last.input[0]], {model.graph.input[0].name: x})[0].astype(float)


def test_features_are_kept(studies):
    folder, files = studies
    output = folder / "gram1" if (folder / "gram1").exists() else folder / "gram2"
    for h5 in files.values():
        for v, name in enumerate(h5["variant"].asstr()[:]):
            kept = h5[f"feature/{name}/value"][:].astype(float)
            np.testing.assert_allclose(np.linalg.norm(kept, axis=2), h5["geometry/length"][v], rtol=1e-6)
            x = (h5["image"][:].astype(np.float32) / 255 - 0.2) / 0.3
            np.testing.assert_allclose(kept[0], features(output / f"variants/{name}.onnx", x.astype(np.float32)),
                                       atol=1e-5 * np.abs(kept[0]).max())


def alignment(a, b):
    a, b = a - a.mean(0), b - b.mean(0)
    return np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))


def test_cka(studies, tmp_path):
    folder, files = studies
    done = run("corrupt", next(folder.glob("*.yaml")), tmp_path)
    assert done.returncode == 0, done.stderr
    noise = np.load(tmp_path / "gaussian_noise.npy").reshape(-1, 130, 1, 12, 12)
    h5 = next(iter(files.values()))
    clean = h5["image"][:].astype(np.float32)
    normalised = [((x.astype(np.float32) / 255 - 0.2) / 0.3).astype(np.float32) for x in (clean, noise[0], noise[-1])]
    output = folder / "gram1" if (folder / "gram1").exists() else folder / "gram2"
    names = list(h5["variant"].asstr()[:])
    found = [features(output / f"variants/{name}.onnx", x) for name in names for x in normalised]
    assert len({f.shape[1] for f in found}) == 2  # of networks with removed channels, fewer
    wanted = np.array([[alignment(a, b) for b in found] for a in found])
    got, items = h5["aggregate/cka"][:], list(h5["aggregate/item"].asstr()[:])
    assert items == [f"{name}, {c}" for name in names for c in ("clean", "gaussian_noise/1", "gaussian_noise/5")]
    assert np.array_equal(got, got.T) and np.all(np.diag(got) == 1) and wanted.min() < 0.9
    known = [i for i, item in enumerate(items) if item.endswith("clean")]
    np.testing.assert_allclose(got[np.ix_(known, known)], wanted[np.ix_(known, known)], atol=1e-6)
    np.testing.assert_allclose(got, wanted, atol=2e-3)  # noisy pixels are rounded to bytes in the .npy files


@pytest.mark.parametrize("linearize, aggregate, words", [
    ("", "{spectrum: 3}", "aggregate.spectrum: is of linearizations, but there is no 'linearize'"),
    ("linearize: {}", "{spectrum: 1001}", "aggregate.spectrum: 1001 is not in [1, 1000]"),
    ("linearize: {}", "{method: svd}", "aggregate.method: 'svd' is not one of auto, gram, dual, random"),
    ("linearize: {}", "{rank: 3}", "aggregate.rank: unknown key; there are spectrum, method, cka"),
    ("linearize: {}", "{cka: maybe}", "aggregate.cka: 'maybe' is not one of true, false"),
])
def test_bad_input(tmp_path, linearize, aggregate, words):
    make_digits(tmp_path)
    text = STUDY.split("linearize:")[0] + f"{linearize}\naggregate: {aggregate}\n"
    (tmp_path / "bad.yaml").write_text(text)
    done = run("check", tmp_path / "bad.yaml")
    assert done.returncode == 65 and f"bad.yaml:{text.count(chr(10))}: {words}" in done.stderr


def test_too_large_a_gram_matrix_is_refused_before_anything_is_done(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 1, 129, 128), np.uint8))
    np.save(tmp_path / "y.npy", np.array([0, 1, 0]))
    text = ("data: {test: {format: npy, images: x.npy, labels: y.npy}, train: {format: npy, images: x.npy, labels: y.npy}}\n"
            "model: {architecture: {dense: [4]}, train: {epochs: 1}}\nlinearize: {}\naggregate: {method: METHOD}\n")
    for method, status in (("gram", 65), ("auto", 0), ("random", 0)):
        (tmp_path / "large.yaml").write_text(text.replace("METHOD", method))
        done = run("check", tmp_path / "large.yaml")
        assert done.returncode == status, done.stderr
        if status:
            assert "large.yaml:4: aggregate.method: gram makes a matrix of 16512 x 16512; at most" in done.stderr
        else:
            assert f"6 singular values of 6 x 16512, method {'dual' if method == 'auto' else 'random'}" in done.stdout


def test_defaults_and_none(tmp_path):
    make_digits(tmp_path)
    text = STUDY.split("linearize:")[0]
    for more, words in ((" {}", "spectrum: none\n  method: auto\n  cka: true"),
                        (" {}\nlinearize: {}", "spectrum: 32\n  method: auto\n  cka: true"),
                        (" {spectrum: none, cka: no}\nlinearize: {}", "spectrum: none\n  method: auto\n  cka: false")):
        (tmp_path / "s.yaml").write_text(text + f"aggregate:{more}\n")
        done = run("check", tmp_path / "s.yaml", "--verbose")
        assert done.returncode == 0 and f"aggregate:\n  {words}" in done.stdout, done.stderr
    done = run("run", tmp_path / "s.yaml")
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "out/study.h5") as h5:
        assert "aggregate" not in h5


def test_checksum_leaves_them_out_and_a_second_run_repeats_them(studies):
    folder, files = studies
    assert len({checksum(h5.filename) for h5 in files.values()}) == 1
    key = next(key for key in files if key[1] == "gram")
    before, path = files[key]["aggregate/dense/singular_values"][:], files[key].filename
    files.pop(key).close()
    study = folder / f"gram{key[0]}.yaml"
    with h5py.File(path, "a") as f:
        f["aggregate/dense/singular_values"][...] = np.nan
        f["aggregate/cka"][...] = np.nan
        for stage in ("spectra", "cka"):
            f["progress"][stage][...] = 0
    done = run("run", study, ranks=key[0])
    assert done.returncode == 0, done.stderr
    files[key] = h5py.File(path)
    np.testing.assert_allclose(files[key]["aggregate/dense/singular_values"][:], before, rtol=1e-12, atol=1e-9)
    assert np.isfinite(files[key]["aggregate/cka"][:]).all()


def test_pieces_of_channels_and_lines(tmp_path):
    """Columns of W go by some lines of a channel at a time: 20 rows of 3 x 24 x 24 make six pieces for two ranks."""
    random = np.random.default_rng(3)
    for name, count in (("train", 64), ("test", 20)):
        np.save(tmp_path / f"{name}.npy", random.integers(0, 256, (count, 3, 24, 24), dtype=np.uint8))
        np.save(tmp_path / f"{name}-labels.npy", random.integers(0, 3, count))
    (tmp_path / "s.yaml").write_text(
        "output: out\nprecision: double\ndata:\n  train: {format: npy, images: train.npy, labels: train-labels.npy}\n"
        "  test: {format: npy, images: test.npy, labels: test-labels.npy}\n  normalize: {scale: 255}\n"
        "model: {architecture: {dense: [64]}, train: {epochs: 1}}\nlinearize: {rows: predicted}\n"
        "aggregate: {spectrum: 4, method: dual}\n")
    done = run("run", tmp_path / "s.yaml", ranks=2)
    assert done.returncode == 0 and "12 pieces of W" in done.stderr, done.stderr  # twice six
    with h5py.File(tmp_path / "out/study.h5") as h5:
        m, group = stacked(h5, "dense"), h5["aggregate/dense"]
        _, s, v = np.linalg.svd(m, full_matrices=False)
        np.testing.assert_allclose(group["singular_values"][:], s[:4], rtol=1e-10)
        got = group["directions"][:].reshape(4, -1)
        np.testing.assert_allclose(np.abs(np.sum(got * v[:4], axis=1)), 1, rtol=1e-8)


CORRUPTIONS = ("brightness", "contrast", "fog", "gaussian_noise", "impulse_noise", "jpeg", "pixelate", "saturate", "shot_noise",
               "speckle_noise")


def test_many_pairs_and_little_memory(tmp_path):
    """Beyond 400 pairs of variant and condition, clean ones are compared with each other and those of a variant; and the
    study's memory changes nothing."""
    make_digits(tmp_path)
    text = STUDY.split("variants:")[0].replace("test-labels}", "test-labels, count: 20}")
    many = (f"variants:\n- {{method: magnitude, sparsity: [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]}}\nconditions:\n- clean\n"
            f"- {{corruption: [{', '.join(CORRUPTIONS)}]}}\naggregate: {{}}\n")  # 8 x 51
    few = "variants:\n- {method: magnitude, sparsity: [0.3, 0.95]}\nconditions:\n- clean\n- {corruption: [fog, jpeg]}\naggregate: {}\n"
    tables = {}
    for name, more in (("many", many), ("few", few), ("tight", few + "memory: 73 MiB\n")):
        (tmp_path / f"{name}.yaml").write_text(text.replace("output: out", f"output: {name}") + more)
        done = run("run", "-n", 2, tmp_path / f"{name}.yaml")
        assert done.returncode == 0, done.stderr
        assert ("/aggregate/cka compares variants under clean" in done.stderr) == (name == "many")
        with h5py.File(tmp_path / name / "study.h5") as h5:
            tables[name] = dict(cka=h5["aggregate/cka"][:], item=list(h5["aggregate/item"].asstr()[:]))
    np.testing.assert_allclose(tables["tight"]["cka"], tables["few"]["cka"], rtol=1e-12)
    item, cka = tables["many"]["item"], tables["many"]["cka"]
    of = np.array([name.split(", ") for name in item])
    there = (of[:, None, 0] == of[None, :, 0]) | ((of[:, None, 1] == "clean") & (of[None, :, 1] == "clean"))
    assert len(item) == 408 and np.array_equal(np.isfinite(cka), there)
    for a, one in enumerate(tables["few"]["item"]):
        for b, other in enumerate(tables["few"]["item"]):
            if there[item.index(one), item.index(other)]:
                assert cka[item.index(one), item.index(other)] == pytest.approx(tables["few"]["cka"][a, b], rel=1e-6)
