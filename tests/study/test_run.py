"""Whole runs of a small study: the same bits on any number of ranks, after a kill, and what the results must obey."""

import re
import shutil
import signal
import subprocess

import h5py
import numpy as np
import pytest

from conftest import FACET, MPIRUN, PATIENCE, STUDY, checksum, environment, make_digits, marked, own_lines, preloaded, run, wait_for, wait_for_lock, write_idx

import facet


def run_study(folder, ranks=1, *more):
    done = run("run", folder / "study.yaml", *more, ranks=ranks)
    assert done.returncode == 0, done.stderr
    return folder / "out" / "study.h5"


def test_same_bits_on_any_number_of_ranks(small):
    sums = {}
    for ranks in (1, 2, 3, 4):
        shutil.rmtree(small / "out", ignore_errors=True)
        sums[ranks] = checksum(run_study(small, ranks))
    assert len(set(sums.values())) == 1, sums


def test_double_precision_too(small):
    text = (small / "study.yaml").read_text().replace("samples: 70", "samples: 10")
    (small / "study.yaml").write_text(text + "precision: double\n")
    with h5py.File(run_study(small, 2)) as h5:
        assert h5["linear/dense/W"].dtype == np.float64
        assert np.max(h5["linear/dense/residual"][:]) < 1e-12


@pytest.fixture
def longer(tmp_path):
    """The small study with more parts to its analysis: 2400 tiles."""
    make_digits(tmp_path, test=800)
    (tmp_path / "study.yaml").write_text(STUDY.replace("block: 20", "block: 4"))
    return tmp_path


def kill(folder, process):
    process.kill()  # mpirun alone: its ranks are left to die with it, or are killed here
    subprocess.run(["pkill", "-9", "-f", re.escape(f"{FACET} run {folder}")], check=False)
    process.communicate()
    wait_for_lock(folder / "out")


def test_goes_on_after_a_kill(longer, held):
    """At last when rank 1 has marked what it had at once, which it does when rank 0 answers no more."""
    whole = checksum(run_study(longer, 2))
    out = longer / "out"
    shutil.rmtree(out)
    for where, writes, marks in (("out/study.yaml", None, 0), ("variants/dense.onnx", None, 0), ("out/study.h5", None, 0),
                                 ("out/study.h5", 40, 1), ("out/study.h5", 40, 250)):
        process, _ = held(where, *MPIRUN, "-n", "2", FACET, writes=writes)
        wait_for(lambda: marked(out / "study.h5") >= marks, process)  # noqa: B023
        kill(longer, process)
    done = run("checksum", out / "study.h5")
    assert done.returncode == 65 and int(re.search(r"analyse \((\d+) of 2400 ", done.stderr)[1]) >= 250, done.stderr
    assert checksum(run_study(longer, 3)) == whole


def test_interruption_is_resumable(longer, held):
    whole = checksum(run_study(longer))
    out = longer / "out"
    shutil.rmtree(out)
    for where, writes in (("out/study.yaml", None), ("out/study.h5", 40)):  # before training, in the analysis
        process, _ = held(where, FACET, writes=writes)
        process.send_signal(signal.SIGUSR1)
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 75, errors
        assert "run the same command again" in errors
    assert checksum(run_study(longer)) == whole


def test_a_kill_before_the_summary_leaves_it_unfinished(small):
    """What a kill leaves between the tiles and the summary, made by hand: an array that is NaN, a mark that is 0."""
    store = run_study(small)
    before = checksum(store)
    with h5py.File(store, "r+") as h5:
        assert (h5["progress/summary"][...] == 1).all()
        h5["progress/summary"][...] = 0
        h5["summary/accuracy"][...] = np.nan
    done = run("checksum", store)
    assert done.returncode == 65 and "is not finished: summary is missing" in done.stderr
    with pytest.raises(facet.StudyError, match="not finished: summary is missing"):
        facet.open(store)
    assert checksum(run_study(small, 2)) == before
    facet.open(store).close()


def test_a_finished_study_is_left_alone(small):
    store = run_study(small)
    before = checksum(store)
    assert checksum(run_study(small, 2)) == before


def test_results_obey_their_definitions(small):
    with h5py.File(run_study(small, 2)) as h5:
        variants = [v.decode() if isinstance(v, bytes) else v for v in h5["variant"][:]]
        assert variants == ["dense", "magnitude-global-0.5", "magnitude-global-0.9", "random-layer-0.5"]
        x = (h5["image"][:70] / 255 - 0.2) / 0.3
        for v, name in enumerate(variants):
            group = h5[f"linear/{name}"]
            f = h5["prediction/logits"][v, 0, :70]
            w, b = group["W"][:].astype(float), group["b"][:].astype(float)
            np.testing.assert_allclose(np.einsum("nkcyx,ncyx->nk", w, x) + b, f, atol=1e-4)
            np.testing.assert_allclose(group["b_node"][:].sum(axis=2), b, atol=1e-5)
            assert group["residual"][:].max() < 1e-5
        logits = h5["prediction/logits"][:].astype(float)
        label = h5["label"][:]
        log_sum = np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1)) + logits.max(-1)
        loss = log_sum - np.take_along_axis(logits, label[None, None, :, None], -1)[..., 0]
        np.testing.assert_allclose(h5["prediction/loss"][:], loss, atol=1e-5)
        margin, predicted = h5["geometry/margin"][:], h5["prediction/class"][:]
        assert np.array_equal(margin < 0, predicted != label)
        assert h5["summary/accuracy"][0, 0] > 0.9
        achieved = [h5[f"variants/{name}"].attrs["achieved"] for name in variants]
        np.testing.assert_allclose(achieved, [0, 0.5, 0.9, 0.5], atol=2e-3)


def test_variants_run_elsewhere_to_the_same_logits(small):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    store = run_study(small)
    with h5py.File(store) as h5:
        x = ((h5["image"][:] / 255 - 0.2) / 0.3).astype(np.float32)
        for v, name in enumerate(["dense", "magnitude-global-0.9", "random-layer-0.5"]):
            session = onnxruntime.InferenceSession(str(small / f"out/variants/{name}.onnx"))
            (logits,) = session.run(None, {session.get_inputs()[0].name: x})
            row = [b.decode() if isinstance(b, bytes) else b for b in h5["variant"][:]].index(name)
            np.testing.assert_allclose(logits, h5["prediction/logits"][row, 0], atol=2e-4)


def test_rows_top_and_predicted(small):
    text = (small / "study.yaml").read_text()
    (small / "study.yaml").write_text(text.replace("rows: all", "rows: {top: 2}"))
    with h5py.File(run_study(small, 2)) as h5:
        logits = h5["prediction/logits"][0, 0, :70]
        assert np.array_equal(h5["linear/dense/row"][:], np.argsort(-logits, axis=1, kind="stable")[:, :2])
        w = h5["linear/dense/W"][:]
    (small / "study.yaml").write_text(text.replace("output: out", "output: all"))
    assert run("run", small / "study.yaml").returncode == 0
    with h5py.File(small / "all" / "study.h5") as h5:
        rows = np.argsort(-logits, axis=1, kind="stable")[:, :2]
        whole = h5["linear/dense/W"][:]
        np.testing.assert_allclose(w, np.take_along_axis(whole, rows[:, :, None, None, None], 1), atol=1e-5)


@pytest.mark.parametrize("broken, status, words", [
    (("train-images", "missing-images"), 66, "missing-images"),
    (("epochs: 2", "epoch: 2"), 65, r"study.yaml:11: .*epoch"),
    (("sparsity: 0.5}", "sparsity: 0.5, name: loss}"), 65, r"study.yaml:14: variants\[1\].name: 'loss' is taken"),
    (("sparsity: 0.5}", "sparsity: 1.5}"), 65, r"study.yaml:14: variants\[1\].sparsity: 1.5 is not in \[0, 1\)"),
    (("samples: 70", "samples: 7000"), 65, "7000"),
    (("mean: [0.2]", "mean: [0.2, 0.3]"), 65, "mean"),
    (("train-labels", "train-images"), 65, "train-images"),
    (("scale: 255, ", ""), 65, "corruptions need pixels from 0 to data.normalize.scale, which is 1"),
])
def test_bad_input_is_one_line(small, broken, status, words):
    text = (small / "study.yaml").read_text()
    assert broken[0] in text
    (small / "study.yaml").write_text(text.replace(*broken))
    for command in ("check", "run"):
        done = run(command, small / "study.yaml")
        assert done.returncode == status, done.stderr
        assert len(own_lines(done)) == 1, done.stderr
        assert re.search(words, own_lines(done)[0]), done.stderr


def test_another_studys_output_is_not_touched(small):
    before = checksum(run_study(small))
    text = (small / "study.yaml").read_text()
    (small / "study.yaml").write_text(text.replace("seed: 3", "seed: 4"))
    done = run("run", small / "study.yaml")
    assert done.returncode == 65 and "different study" in done.stderr
    assert checksum(small / "out" / "study.h5") == before
    assert checksum(run_study(small, 1, "--fresh")) != before


@pytest.mark.parametrize("what", ["variants/old.onnx", "embed/encoder.checkpoint", "study.h5", "study.yaml"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_fresh_that_cannot_remove_something_fails(small, ranks, what):
    """A folder is where facet would have a file: it is not removed, and nothing is taken for a result."""
    (small / "out" / what / "kept").mkdir(parents=True)
    done = run("run", small / "study.yaml", "--fresh", ranks=ranks)
    said = own_lines(done)
    assert done.returncode == 73 and len(said) == 1, done.stderr
    assert f"out/{what}: cannot be removed: " in said[0]
    assert (small / "out" / what / "kept").exists() and not (small / "out/variants/dense.onnx").exists()


@pytest.mark.parametrize("more", [(), ("--fresh",)], ids=["goes on", "fresh"])
def test_what_a_kill_left_half_written_goes(small, more):
    run_study(small)
    left = [name.replace("#", ".facet-part-") for name in ("study.yaml#77", "study.h5#5", "variants/dense.checkpoint#4194303",
                                                           "variants/dense.onnx#9", "embed/encoder.checkpoint#1")]
    others = ["study.h5.part-00", "variants/dense.onnx.part-9", "variants/notes.facet-part-two", "notes.facet-part-1.txt"]
    (small / "out/embed").mkdir()
    for name in left + others:
        (small / "out" / name).write_bytes(b"half")
    run_study(small, 2, *more)
    assert [name for name in left + others if (small / "out" / name).exists()] == others


def test_checkpoints_of_what_was_trained_go(small):
    """A kill comes right before they are removed; of the encoder before it counts as done."""
    text = STUDY.replace("retrain: {epochs: 1}", "retrain: {epochs: 2}") + "embed: {layers: [8], perplexity: 5, batch: 65, epochs: 2}\n"
    (small / "study.yaml").write_text(text)
    shim = preloaded("kept_checkpoints", small)
    done = subprocess.run([FACET, "run", small / "study.yaml"], env={**environment(), "LD_PRELOAD": str(shim)}, capture_output=True, text=True)
    left = {path.relative_to(small / "out").as_posix() for path in (small / "out").rglob("*.checkpoint")}
    assert done.returncode == 0 and left >= {"variants/dense.checkpoint", "variants/magnitude-global-0.5.checkpoint", "embed/encoder.checkpoint"}, done.stderr
    with h5py.File(small / "out/study.h5", "a") as file:
        file["progress/encoder"][...] = 0
    run_study(small, 2)
    assert not list((small / "out").rglob("*.checkpoint"))


def test_label_out_of_range(small):
    text = (small / "study.yaml").read_text()
    (small / "study.yaml").write_text(text.replace("  normalize:", "  classes: [a, b, c]\n  normalize:"))
    done = run("run", small / "study.yaml")
    assert done.returncode == 65 and "label 3 of sample" in done.stderr, done.stderr


def test_model_that_does_not_fit_the_images(small):
    run_study(small)
    shutil.copy(small / "out/variants/dense.onnx", small / "dense.onnx")
    write_idx(small / "test-images", np.zeros((130, 10, 12)))
    study = "data:\n  test: {format: idx, images: test-images, labels: test-labels}\nmodel: {onnx: dense.onnx}\noutput: o2\n"
    (small / "fit.yaml").write_text(study)
    done = run("run", small / "fit.yaml")
    assert done.returncode == 65 and "1 x 10 x 12" in done.stderr and "1 x 12 x 12" in done.stderr, done.stderr


def test_usage():
    for arguments in ([], ["walk"], ["run"], ["check", "a", "b"]):
        done = run(*arguments)
        assert done.returncode == 64 and len(own_lines(done)) == 1
    assert run("--help").returncode == 0
    version = run("--version").stdout
    for word in ("MPI", "HDF5", "ScaLAPACK", "BLAS", "oneDNN"):
        assert word in version
