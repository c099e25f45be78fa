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


def check_flips(study, store, whole):
    """A chunk that cannot be unpacked, and what lies in one piece: named, and computed anew in a file that is not packed any more."""
    packed = store.read_bytes()
    with h5py.File(store) as h5:
        chunk, other = h5["linear/dense/W"].id.get_chunk_info(0), h5["aggregate/cka"].id.get_offset()
    data = bytearray(packed)
    data[chunk.byte_offset + chunk.size // 2] ^= 4
    data[chunk.byte_offset + chunk.size - 1] ^= 1  # of its own checksum
    data[other + 1] ^= 8
    store.write_bytes(data)
    assert run("checksum", store).returncode == 74
    said = run("verify", store)
    assert said.returncode == 65 and "analyse of dense, clean, block" in said.stdout and "cka of " in said.stdout, said
    again = run("run", study, ranks=2)
    lines = own_lines(again)
    assert again.returncode == 0 and "is packed, and not all of it holds" in lines[0], again.stderr
    assert any("analyse of dense, clean, block" in line and line.endswith("is computed anew") for line in lines[1:]), lines
    assert checksum(store) == whole and run("verify", store).returncode == 0
    with h5py.File(store) as h5:
        assert h5["linear/dense/W"].chunks is None
    store.write_bytes(packed)


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

    check_flips(tmp_path / "study.yaml", store, sum_before)

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
