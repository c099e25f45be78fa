"""facet repack: a finished file becomes smaller, and whatever reads it finds the same in it."""

import signal
import subprocess

import h5py
import numpy as np

import facet
from conftest import FACET, PATIENCE, STUDY, checksum, environment, make_digits, own_lines, preloaded, run, wait_for

TEXT = STUDY.replace("\nvariants:\n", "\nvariants: [{method: magnitude, sparsity: 0.5}]\nold:\n").split("old:")[0] + \
    "conditions: [clean, {corruption: gaussian_noise, severity: 1}]\nlinearize: {samples: 110, rows: all}\naggregate: {spectrum: 4}\n"


def everything(path):
    """{path: (type, dimensions, attributes, numbers)} of all that is in a file."""
    found = {}

    def look(name, item):
        about = {key: value for key, value in item.attrs.items() if key not in ("DIMENSION_LIST", "REFERENCE_LIST")}
        if isinstance(item, h5py.Dataset):
            found[name] = (item.dtype, [[s.name for s in d.values()] for d in item.dims], about, item[()])
        else:
            found[name] = (None, None, about, None)

    with h5py.File(path) as h5:
        h5.visititems(look)
        found["/"] = (None, None, dict(h5.attrs), None)
    return found


def test_repack(tmp_path):
    make_digits(tmp_path)
    (tmp_path / "study.yaml").write_text(TEXT)
    store = tmp_path / "out" / "study.h5"
    assert run("run", tmp_path / "study.yaml").returncode == 0
    unfinished = tmp_path / "unfinished.h5"
    unfinished.write_bytes(store.read_bytes())
    with h5py.File(unfinished, "r+") as h5:
        h5["progress/compare"][()] = 0
    before, size, sum_before = everything(store), store.stat().st_size, checksum(store)

    done = run("repack", store)
    assert done.returncode == 0 and "became" in done.stdout, done.stderr
    assert store.stat().st_size < 0.9 * size and checksum(store) == sum_before
    after = everything(store)
    assert before.keys() == after.keys()
    for name, (kind, scales, about, numbers) in before.items():
        there = after[name]
        assert (kind, scales) == there[:2] and about.keys() == there[2].keys(), name
        assert all(np.array_equal(about[key], there[2][key]) for key in about), name
        assert numbers is None or name == "index" or np.array_equal(numbers, there[3], equal_nan=getattr(numbers, "dtype", None) in ("f4", "f8")), name
    with h5py.File(store) as h5:
        w = h5["linear/dense/W"]
        assert w.compression == "gzip" and w.shuffle and w.chunks[1:] == w.shape[1:] and h5["label"].chunks is None
        assert all(d.is_scale for d in (h5["variant"], h5["linear/linear_sample"]))

    with facet.open(store) as study:
        part = study.contributions("dense", 7)
        assert abs(part.pixels.sum() + part.b - part.output) < 1e-4
        assert study.labelled("geometry/angle", variant="dense", condition="clean").shape == (130,)
    again = run("run", tmp_path / "study.yaml", ranks=2)
    assert again.returncode == 0 and checksum(store) == sum_before and checksum(unfinished.parent / "out" / "study.h5") == sum_before

    refused = run("repack", unfinished)
    assert refused.returncode == 65 and "is not finished: compare is missing" in refused.stderr
    assert not list(tmp_path.rglob("*.facet-part-*"))

    (tmp_path / "study.yaml").write_text(TEXT.replace("severity: 1}", "severity: [1, 2]}"))
    edited = run("run", tmp_path / "study.yaml")
    assert edited.returncode == 0 and "28 of 42 tiles are taken over" in edited.stderr, edited.stderr


def test_asked_to_stop_and_killed(small):
    """While it copies: nothing is left, or what the next one, or the next run, removes."""
    assert run("run", small / "study.yaml").returncode == 0
    store, mark, shim = small / "out/study.h5", small / "held", preloaded("held", small)
    whole = store.read_bytes()

    def end(number):
        mark.unlink(missing_ok=True)
        env = environment() | {"LD_PRELOAD": str(shim), "HELD_AT": "study.h5", "HELD_WRITES": "1", "HELD_MARK": str(mark)}
        with subprocess.Popen([FACET, "repack", store], env=env, stderr=subprocess.PIPE, text=True) as process:
            wait_for(mark.exists, process)
            process.send_signal(number)
            return process, process.communicate(timeout=PATIENCE)[1], list(store.parent.glob("*.facet-part-*"))

    process, said, left = end(signal.SIGINT)
    assert process.returncode == 75 and own_lines(said) == [f"facet: {store}: interrupted; the file stays as it was"], said
    assert not left and not (small / "out/facet.lock").exists() and store.read_bytes() == whole
    for again in (["repack", store], ["run", small / "study.yaml"]):
        assert len(end(signal.SIGKILL)[2]) == 1
        assert run(*again).returncode == 0 and not list(store.parent.glob("*.facet-part-*"))
