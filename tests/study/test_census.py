"""The census of patterns, against a forward pass in numpy: who shares a region, how far patterns are apart, what never
changes; the same bits on any number of ranks, and taken over where they are still true."""

import re

import facet  # in conftest's path
import h5py
import numpy as np
import pytest
from conftest import STUDY, checksum, first_table, make_digits, run, sections

import onnx
from onnx import numpy_helper

CENSUS = """\
variants:
  - {method: magnitude, sparsity: [0.5, 0.9]}
conditions: [clean, {corruption: gaussian_noise, severity: 3}]
change: {samples: all, pick: first, variants: dense}
census: {}
"""


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("census")
    make_digits(folder, train=64, test=50)
    # the last two samples are the first two again: they share their regions
    for name, header, size in (("test-images", 16, 144), ("test-labels", 8, 1)):
        data = bytearray((folder / name).read_bytes())
        data[-2 * size:] = data[header:header + 2 * size]
        (folder / name).write_bytes(data)
    (folder / "study.yaml").write_text(STUDY.split("variants:")[0] + CENSUS)
    done = run("run", folder / "study.yaml")
    assert done.returncode == 0, done.stderr
    return folder


def patterns(model, x):
    """By gate, n x elements: which piece of a ReLU, or which of its four candidates has won a 2 x 2 maximum."""
    graph = onnx.load(model).graph
    value = {i.name: numpy_helper.to_array(i).astype(float) for i in graph.initializer}
    value[graph.input[0].name] = x
    found = {}
    for node in graph.node:
        u, *more = (value[name] for name in node.input)
        if node.op_type == "Conv":
            padded = np.pad(u, ((0, 0), (0, 0), (1, 1), (1, 1)))
            near = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
            z = np.einsum("nchwij,ocij->nohw", near, more[0]) + (more[1][:, None, None] if len(more) > 1 else 0)
        elif node.op_type == "BatchNormalization":
            gamma, beta, mean, variance = (m[:, None, None] for m in more)
            epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
            z = (u - mean) / np.sqrt(variance + epsilon) * gamma + beta
        elif node.op_type == "Relu":
            z = np.maximum(u, 0)
            found[node.name] = (u > 0).reshape(len(u), -1)
        elif node.op_type == "MaxPool":
            n, c, h, w = u.shape
            four = u.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
            z = four.max(-1)
            found[node.name] = four.argmax(-1).reshape(n, -1)
        elif node.op_type == "Gemm":
            z = u @ more[0].T + more[1]
        else:
            assert node.op_type in ("Flatten", "Reshape"), node.op_type
            z = u.reshape(len(u), -1)
        value[node.output[0]] = z
    return found


def test_against_numpy(counted):
    with facet.open(counted / "out/study.h5") as opened:
        always = {(v, c): opened.constant_elements(v, condition) for v in opened.variants for c, condition in enumerate(opened.conditions)}
    with h5py.File(counted / "out/study.h5") as f:
        x = (f["change/picture"][:].astype(float).transpose(1, 0, 2, 3, 4) / 255 - 0.2) / 0.3  # condition, sample, ...
        variants = [v.decode() for v in f["variant"]]
        of = {v: [patterns(counted / f"out/variants/{v}.onnx", pixels) for pixels in x] for v in variants}
        block = 20
        for v in variants:
            group = f["census"][v]
            gates = [g.decode() for g in group["gate"]]
            assert gates == list(of[v][0])
            ends = np.append(group["first"], group["element"].size)
            for c in range(2):
                own = [of[v][c][g] for g in gates]
                assert np.array_equal(np.diff(ends), [p.shape[1] for p in own])
                whole = [p.tobytes() for p in np.concatenate([p.astype(np.int32) for p in own], 1)]
                same = np.array([[a == b for b in whole] for a in whole])
                hashes = group["hash"][c]
                assert (hashes >= 0).all() and np.array_equal(hashes[:, None] == hashes, same)
                assert np.array_equal(group["shared"][c], same.sum(0)) and (same.sum() > len(same)) == (c == 0)
                assert f["census/regions"][variants.index(v), c] == len(set(whole))
                for g, pattern in enumerate(own):
                    by_gate = group["gate_hash"][c, :, g]
                    assert np.array_equal(by_gate[:, None] == by_gate, (pattern[:, None] == pattern).all(2))
                    for reference, other in enumerate((of["dense"][c], of[v][0])):
                        assert np.array_equal(group["distance"][c, :, reference, g],
                                              (pattern != other[gates[g]]).sum(1))
                    constant = (pattern == pattern[0]).all(0)
                    assert np.array_equal(always[v, c][gates[g]], np.where(constant, pattern[0], -1))
                    assert group["constant"][c, g] == constant.sum()
                    assert group["dead"][c, g] == ("relu" in gates[g]) * (constant & (pattern[0] == 0)).sum()
                    for b in range(group["piece"].shape[1]):
                        part = pattern[b * block:(b + 1) * block]
                        wanted = np.where((part == part[0]).all(0), part[0] + 1, 255)
                        assert np.array_equal(group["piece"][c, b, ends[g]:ends[g + 1]], wanted)


def test_report(counted, tmp_path):
    """By condition: in how many regions samples lie, and how far patterns are from clean ones, in all and by gate."""
    text = sections(counted / "out/study.h5", "patterns", folder=tmp_path)

    def named(part):  # without "failed"
        return [(name.split()[0], cells) for name, cells in first_table(part)]
    regions, distances = (text.partition(lead)[2].partition("</table>")[0] for lead in ("In so many regions", "The distance to clean"))
    assert re.findall("<th[^>]*>([^<]+)</th>", distances) == ["gaussian noise", "variant", "3"]
    assert re.findall("<th[^>]*>([^<]+)</th>", regions)[-3:] == ["variant", "clean", "3"]
    with facet.open(counted / "out/study.h5") as study:
        far = {v: study.file[f"census/{v}/distance"][1, :, 1].sum(1).mean() / study.file[f"census/{v}/element"].size for v in study.variants}
        assert named(distances) == [(v, [f"{100 * share:.2f}"]) for v, share in far.items()] and min(far.values()) > 0
        assert named(regions) == [(v, list(map(str, counts))) for v, counts in zip(study.variants, study.file["census/regions"][()])]
        gates = study.gates(study.variants[-1], "gaussian_noise/3")
        shares = 100 * gates["distance_clean"] / gates["elements"]
        picture = study.plot.pattern_shift(study.variants[-1])
        assert [said.get_text() for said in picture.axes[0].texts] == [f"{share:.0f}" for share in shares]
    for name in ("pattern_shift", "pattern_shift_pruned"):
        assert f'<figure id="{name}">' in text and (tmp_path / f"{name}.png").exists()


def arrays(path):
    found = {}

    def take(name, array):
        if isinstance(array, h5py.Dataset):
            found[name] = array[()].tolist()

    with h5py.File(path) as f:
        f["census"].visititems(take)
    return found


@pytest.mark.parametrize("ranks", [2, 3])
def test_same_bits_on_ranks(counted, tmp_path, ranks):
    study = (counted / "study.yaml").read_text().replace("output: out", f"output: {tmp_path}/out")
    (counted / f"ranks{ranks}.yaml").write_text(study)
    assert run("run", counted / f"ranks{ranks}.yaml", ranks=ranks).returncode == 0
    assert arrays(tmp_path / "out/study.h5") == arrays(counted / "out/study.h5")


def test_computed_again(counted):
    done = run("verify", "--tiles", "1000", counted / "out/study.h5")
    assert done.returncode == 0, done.stderr
    for what in ("18 parts of census", "6 parts of regions"):
        assert f"{what}, computed again from what they read, are the same" in done.stdout


def test_an_edited_study(counted, tmp_path):
    """A condition more: the blocks of the others are taken over, and all is as in a run from the start."""
    before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"
    study = re.sub(r"(\w+-(images|labels))", rf"{counted}/\1", (counted / "study.yaml").read_text())
    before.write_text(study)
    more = study.replace("severity: 3}]", "severity: 3}, {corruption: fog, severity: 1}]")
    assert run("run", before).returncode == 0
    before.write_text(more)
    done = run("run", before)
    assert done.returncode == 0 and "census: 18 of 27 parts" in done.stderr, done.stderr
    after.write_text(more.replace("output: out", "output: fresh"))
    assert run("run", after).returncode == 0
    assert arrays(tmp_path / "out/study.h5") == arrays(tmp_path / "fresh/study.h5")
    assert checksum(tmp_path / "out/study.h5") == checksum(tmp_path / "fresh/study.h5")


@pytest.mark.parametrize("line, said", [("census: {variants: [dens]}", "there is no variant 'dens'; did you mean 'dense'?"),
                                        ("census: {conditions: [fog/1]}", "there is no condition 'fog/1'")])
def test_names_that_are_not_there(counted, line, said):
    path = counted / "wrong.yaml"
    path.write_text((counted / "study.yaml").read_text().replace("census: {}", line))
    done = run("check", path)
    assert done.returncode == 65 and said in done.stderr, done.stderr


def test_some_of_it(counted, tmp_path):
    """One variant under one condition, without clean."""
    path = counted / "some.yaml"
    study = (counted / "study.yaml").read_text().replace("output: out", f"output: {tmp_path}/out")
    study = study.replace("clean, ", "").replace("change: {samples: all, pick: first, variants: dense}\n", "")
    path.write_text(study.replace("census: {}", "census: {variants: magnitude-global-0.9}"))
    done = run("run", path)
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "out/study.h5") as f, h5py.File(counted / "out/study.h5") as whole:
        assert "dense" not in f["census"]
        group, other = f["census/magnitude-global-0.9"], whole["census/magnitude-global-0.9"]
        assert np.array_equal(group["hash"][0], other["hash"][1])
        assert np.array_equal(group["distance"][0, :, 0], other["distance"][1, :, 0])
        assert (group["distance"][0, :, 1] == -1).all()
        assert f["census/regions"][:, 0].tolist() == [-1, -1, whole["census/regions"][2, 1]]
