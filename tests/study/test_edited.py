"""A study that was edited takes over what is still true, network by network and tile by tile, and is bit for bit what a
fresh run makes: random edits one after the other, kills half-way, and what is refused.

FACET_EDITS=24 tries so many edits: make test-edits."""

import copy
import json
import os
import random
import re
import shutil
import signal

import h5py
import numpy as np
import pytest

from conftest import FACET, checksum, make_digits, run

EDITS = int(os.environ.get("FACET_EDITS", "5"))

BASE = {
    "study": "edited",
    "seed": 3,
    "output": "out",
    "block": 20,
    "data": {
        "train": {"format": "idx", "images": "train-images", "labels": "train-labels"},
        "test": {"format": "idx", "images": "test-images", "labels": "test-labels", "count": 110},
        "normalize": {"scale": 255, "mean": 0.2, "std": 0.3},
    },
    "model": {"architecture": {"conv": [4, 8], "dense": [16]}, "train": {"epochs": 1, "batch": 32, "rate": 0.05}},
    "variants": [
        {"method": "magnitude", "sparsity": [0.5, 0.9], "retrain": {"epochs": 1}},
        {"method": "random", "scope": "layer", "sparsity": [0.5], "seeds": [3]},
    ],
    "conditions": ["clean", {"corruption": ["gaussian_noise"], "severity": [1, 5]}],
    "linearize": {"variants": "all", "samples": 70, "rows": "all"},
}

SOME = ["dense", "magnitude-global-0.5"]  # whose pieces are looked at
PIECES = {"paths": {"samples": 3}, "reach": {"samples": 3}, "lines": {"count": 1}, "planes": {"window": 0.05}, "census": {},
          "attributions": {"samples": 3, "steps": 4, "noisy": 2, "perturbations": 1}}
EMBED = {"layers": [8], "epochs": 2, "batch": 300, "perplexity": 5, "explain": 30}


def write(folder, study, output="out"):
    (folder / "study.yaml").write_text(json.dumps({**study, "output": output}))
    return folder / "study.yaml"


def go(folder, study, *more, output="out", ranks=1):
    done = run("run", write(folder, study, output), *more, ranks=ranks)
    assert done.returncode == 0, done.stderr
    assert not (folder / output / "study.h5.before").exists()
    return done.stderr


def arrays(store):
    """All that a store holds but times, which no two runs share, and checksums, which are of one study alone."""
    found = {}
    with h5py.File(store) as f:
        f.visititems(lambda path, o: found.update({path: np.asarray(o[()])}) if isinstance(o, h5py.Dataset) else None)
    return {path: a for path, a in found.items() if not path.endswith("_seconds") and not path.startswith("checksum/")}


def assert_same(store, fresh):
    one, other = arrays(store), arrays(fresh)
    assert one.keys() == other.keys()
    for path in one:
        assert one[path].dtype == other[path].dtype and one[path].shape == other[path].shape, path
        if one[path].dtype == object:
            assert list(one[path].ravel()) == list(other[path].ravel()), path
        else:
            assert one[path].tobytes() == other[path].tobytes(), path
    assert checksum(store) == checksum(fresh)


def counted(said):
    """Tiles that were taken over, and that were computed; those that took over all but their features are both."""
    taken = re.search(r"(\d+) of \d+ tiles are taken over", said)
    made = re.search(r"analyse: (\d+) tiles in", said)
    return int(taken[1]) if taken else 0, int(made[1]) if made else 0


def parts(said):
    """What of later stages was taken over: {stage: (parts, of)}."""
    found = re.findall(r"facet: (\w+): (\d+) of (\d+) parts? (?:is|are) taken over", said)
    return {stage: (int(taken), int(of)) for stage, taken, of in found}


def shape_of(store):
    """What tiles of a store follow from: network, condition and block, with the samples that are linearized."""
    with h5py.File(store) as f:
        text = lambda path: [name.decode() for name in f[path][()]]
        samples, variants, conditions = len(f["label"]), text("variant"), text("condition")
        block = len(f["progress/block"]) and int((list(f["progress/block"][()]) + [samples])[1])
        rule = re.search(r"rows: (.*)", f.attrs["study_filled"])
        head = (block, f["prediction/logits"].dtype.str)
        found = {}
        for v in variants:
            n = len(f[f"linear/{v}/ties"]) if f"linear/{v}/ties" in f else 0
            kept = f"feature/{v}/value" in f
            for c in conditions:
                for first in range(0, samples, block):
                    count = min(block, samples - first)
                    linear = max(0, min(count, n - first)) if c == "clean" else 0
                    key = (head, f[f"variants/{v}"].attrs["sha256"], c, first, count, linear, linear and rule[1])
                    found[key] = kept
    return found, len(variants) * len(conditions) * -(-samples // block)


def expected(old, new):
    """How many tiles of a store are in another; those of them that lack features that they have now; and all."""
    before, _ = old
    after, tiles = new
    assert tiles == len(after), "two variants are one network"
    there = [key for key in after if key in before]
    return len(there), sum(after[key] and not before[key] for key in there), tiles


# ---- edits: each changes a study a little, by chance ----


def toggle(list_, item):
    list_.remove(item) if item in list_ else list_.insert(len(list_) // 2, item)


def edit_sparsity(study, chance):
    values = study["variants"][0]["sparsity"]
    toggle(values, chance.choice([0.5, 0.7, 0.8, 0.9]))
    values or values.append(0.6)


def edit_seeds(study, chance):
    values = study["variants"][-1].setdefault("seeds", [3])
    toggle(values, chance.choice([3, 4, 5]))
    values or values.append(6)


def edit_variant(study, chance):
    toggle(study["variants"], {"method": "filter", "sparsity": [chance.choice([0.25, 0.5])]})


def edit_order(study, chance):
    if len(study["variants"]) > 1 and study["variants"][0]["method"] == "magnitude":
        study["variants"][0]["sparsity"].reverse()
    study["conditions"].reverse()


def edit_condition(study, chance):
    toggle(study["conditions"], {"corruption": [chance.choice(["fog", "contrast", "jpeg"])], "severity": [2]})


def edit_severity(study, chance):
    for condition in study["conditions"]:
        if condition != "clean" and condition["corruption"] == ["gaussian_noise"]:
            toggle(condition["severity"], chance.choice([1, 2, 4, 5]))
            condition["severity"] or condition["severity"].append(3)


def edit_samples(study, chance):
    study["data"]["test"]["count"] = chance.choice([80, 95, 110, 120, 130])
    study["linearize"]["samples"] = min(study["linearize"]["samples"], 70)


def edit_linear(study, chance):
    study["linearize"]["samples"] = chance.choice([40, 50, 70])


def edit_rows(study, chance):
    study["linearize"]["rows"] = chance.choice(["all", "predicted", {"top": 2}])


def edit_whom(study, chance):
    study["linearize"]["variants"] = chance.choice(["all", ["dense"]])


def edit_block(study, chance):
    study["block"] = chance.choice([20, 25])


def edit_change(study, chance):
    pick = chance.choice(["first", "fragile"])
    study.pop("change", None) or study.update(change={"samples": 30, "conditions": "all", "pick": pick})


def edit_groups(study, chance):
    change = study.setdefault("change", {"samples": 30, "pick": "first"})
    change.pop("groups", None) or change.update(groups="class")


def piece(name, key, values):
    """Adds that stage, takes it away, or changes one of its keys."""
    def edit(study, chance):
        if name in study and chance.random() < 0.5:
            study[name][key] = chance.choice(values)
        else:
            study.pop(name, None) or study.update({name: {**PIECES[name], key: chance.choice(values)}})
    edit.__name__ = f"edit_{name}"
    return edit


def edit_aggregate(study, chance):
    study.pop("aggregate", None) or study.update(aggregate={"spectrum": 3})


def edit_embed(study, chance):
    study.pop("embed", None) or study.update(embed={**EMBED, "source": chance.choice(["features", "pixels"])})


def edit_encoder(study, chance):
    if "embed" in study:
        study["embed"].update(explain=chance.choice([10, 30, 50]), perplexity=chance.choice([5, 6]))
    else:
        edit_embed(study, chance)


CHANGES = [edit_sparsity, edit_seeds, edit_variant, edit_order, edit_condition, edit_severity, edit_samples, edit_linear,
           edit_rows, edit_whom, edit_block, edit_change, edit_groups, edit_aggregate, edit_embed, edit_encoder,
           piece("paths", "from", [0, "mean"]), piece("reach", "samples", [2, 3]), piece("lines", "count", [1, 2]),
           piece("planes", "window", [0.05, 0.04]), piece("census", "variants", ["all", ["dense"]]),
           piece("attributions", "steps", [4, 5])]
SEED = 12219  # whose first five gain samples, planes, a sparsity, a condition and a variant


def test_random_edits_are_what_fresh_runs_make(tmp_path):
    make_digits(tmp_path)
    chance, study = random.Random(SEED), copy.deepcopy(BASE)
    go(tmp_path, study)
    reused, later = 0, {}
    order = [change for _ in range(1 + EDITS // len(CHANGES)) for change in chance.sample(CHANGES, len(CHANGES))]
    assert {"edit_samples", "edit_planes", "edit_sparsity", "edit_condition", "edit_variant"} == {change.__name__ for change in order[:5]}
    for number, change in enumerate(order[:EDITS]):
        before = json.dumps(study)
        while json.dumps(study) == before:
            change(study, chance)
        old = shape_of(tmp_path / "out/study.h5")
        check = run("check", write(tmp_path, study))
        assert check.returncode == 0, check.stderr
        said = go(tmp_path, study, ranks=1 + number % 2 if "embed" not in study and "aggregate" not in study else 1)
        shutil.rmtree(tmp_path / "fresh", ignore_errors=True)
        go(tmp_path, study, output="fresh")
        assert_same(tmp_path / "out/study.h5", tmp_path / "fresh/study.h5")
        taken, made = counted(said)
        wanted, lacking, tiles = expected(old, shape_of(tmp_path / "out/study.h5"))
        assert (taken, made) == (wanted, tiles - wanted + lacking), change.__name__
        assert lacking == 0 or f"{lacking} of them but for features" in said
        assert taken == 0 or f" {taken} of {tiles} tiles" in check.stdout, (change.__name__, taken, tiles, check.stdout)
        reused += taken
        later.update(parts(said))
    assert reused > 0 and {"summary", "planes"} <= later.keys() and (EDITS < len(CHANGES) or {"encoder", "map", "judge"} <= later.keys())


def test_a_gained_seed_and_a_new_name_train_nothing_twice(tmp_path):
    make_digits(tmp_path)
    study = copy.deepcopy(BASE)
    study["variants"] = [{"method": "magnitude", "sparsity": 0.5, "retrain": {"epochs": 1}}]
    go(tmp_path, study)
    study["variants"][0].update(seeds=[3, 4], name="pruned")
    said = go(tmp_path, study)
    assert re.findall(r"train (\S+):", said) == ["pruned-s4"]
    assert counted(said) == (36, 18)
    go(tmp_path, study, output="fresh")
    assert_same(tmp_path / "out/study.h5", tmp_path / "fresh/study.h5")


def test_a_network_of_another_recipe_is_made_again(tmp_path):
    """Its name is the same: its training is not."""
    make_digits(tmp_path)
    study = copy.deepcopy(BASE)
    go(tmp_path, study)
    study["variants"][0]["retrain"]["epochs"] = 2
    said = go(tmp_path, study)
    assert re.findall(r"train (\S+):", said) == ["magnitude-global-0.5", "magnitude-global-0.9"]
    assert counted(said) == (36, 36)
    go(tmp_path, study, output="fresh")
    assert_same(tmp_path / "out/study.h5", tmp_path / "fresh/study.h5")


@pytest.mark.parametrize("count, blocks, of", [(95, 4, 5), (130, 5, 7)])
def test_samples_come_and_go(tmp_path, count, blocks, of):
    """The last block, of 10 samples, becomes another one: batches are not the same."""
    make_digits(tmp_path)
    go(tmp_path, BASE)
    study = copy.deepcopy(BASE)
    study["data"]["test"]["count"] = count
    assert counted(go(tmp_path, study)) == (12 * blocks, 12 * (of - blocks))
    go(tmp_path, study, output="fresh")
    assert_same(tmp_path / "out/study.h5", tmp_path / "fresh/study.h5")


def later(**embed):
    """With the stages that come after the analysis."""
    study = copy.deepcopy(BASE)
    study.update(embed={**EMBED, **embed}, change={"samples": 30, "pick": "first", "conditions": ["gaussian_noise/1"]},
                 aggregate={"spectrum": 3})
    return study


def made_again(folder, study, ranks=1):
    """Runs it, and afresh; check says beforehand what the run takes over. Returns that."""
    check = run("check", write(folder, study), "-n", str(ranks))
    said = go(folder, study, ranks=ranks)
    shutil.rmtree(folder / "fresh", ignore_errors=True)
    go(folder, study, output="fresh", ranks=ranks)
    assert_same(folder / "out/study.h5", folder / "fresh/study.h5")
    one, other = (folder / place / "embed/encoder.onnx" for place in ("out", "fresh"))
    assert one.exists() == other.exists() and (not one.exists() or one.read_bytes() == other.read_bytes())
    assert not list((folder / "out/embed").glob("*.before"))
    taken = parts(said)
    for stage, (count, of) in taken.items():
        words = f" {stage}" if of == 1 else f" {stage} {count} of {of}"
        unknown = stage in ("change", "pictures") and study["change"]["pick"] == "fragile"  # which samples those are
        assert unknown or f",{words}," in check.stdout, (stage, check.stdout)
    return taken


def test_later_stages_are_taken_over(tmp_path):
    """4 variants, 3 conditions, 6 blocks, 30 samples whose changes are taken apart in two units."""
    make_digits(tmp_path)
    study = later()
    go(tmp_path, study)
    study["variants"].insert(0, {"method": "filter", "sparsity": 0.25})
    assert made_again(tmp_path, study) == {"encoder": (1, 1), "map": (72, 90), "judge": (4, 5), "summary": (12, 15),
                                           "spectra": (4, 5), "change": (120, 150), "pictures": (90, 90)}
    study["conditions"].insert(1, {"corruption": "fog", "severity": 1})
    study["change"]["samples"] = 24  # the first unit alone: the other one's batches would be others
    study["embed"]["explain"] = 20  # the second block of the map is another one
    assert made_again(tmp_path, study) == {"encoder": (1, 1), "map": (85, 120), "judge": (5, 5), "summary": (15, 20),
                                           "spectra": (5, 5), "change": (120, 120), "pictures": (72, 96)}
    study["data"]["test"]["count"] = 120  # the last block is another one
    assert made_again(tmp_path, study) == {"encoder": (1, 1), "map": (100, 120), "spectra": (5, 5),
                                           "change": (120, 120), "pictures": (96, 96)}


def test_what_is_said_of_pieces_is_taken_over(tmp_path):
    """4 networks; of two of them 3 samples, 6 blocks under 3 conditions, a line and a plane; a third is wanted then, and
    another condition. What is not wanted at all counts as taken over; sums over groups are made anew."""
    make_digits(tmp_path)
    study = copy.deepcopy(BASE)
    study.update({name: {**keys, "variants": SOME} for name, keys in copy.deepcopy(PIECES).items()})
    study["change"] = {"samples": 30, "pick": "first", "groups": "class"}
    go(tmp_path, study)
    study["conditions"].append({"corruption": "fog", "severity": 1})
    for name in PIECES:
        study[name]["variants"] = [*SOME, "random-layer-0.5-s3"]
    assert made_again(tmp_path, study) == {"summary": (12, 16), "change": (120, 120), "pictures": (90, 120), "paths": (9, 12),
                                           "reach": (9, 12), "lines": (3, 4), "planes": (3, 4), "attributions": (9, 12),
                                           "census": (54, 96)}


def test_published_sets_are_known_by_their_images(tmp_path):
    make_digits(tmp_path)
    random, folder = np.random.default_rng(2), tmp_path / "Set-C"
    folder.mkdir()
    for name in ("fog", "snow"):
        np.save(folder / f"{name}.npy", random.integers(0, 256, (5 * 130, 12, 12, 1), dtype="u1"))
    labels = np.frombuffer((tmp_path / "test-labels").read_bytes()[-130:], dtype="u1")
    np.save(folder / "labels.npy", np.tile(labels, 5))
    study = copy.deepcopy(BASE)
    study["data"]["test"]["count"] = 130
    study["conditions"] = ["clean", {"corruption": ["fog", "snow"], "severity": [1], "published": "Set-C"}]
    go(tmp_path, study)
    study["variants"].pop()  # 3 networks, 3 conditions, 7 blocks
    check = run("check", write(tmp_path, study))
    assert ", 63 of 63 tiles," in check.stdout and counted(go(tmp_path, study)) == (63, 0)
    images = np.load(folder / "fog.npy")
    images[3, 4, 5] ^= 1
    np.save(folder / "fog.npy", images)
    study["variants"][0]["sparsity"] = [0.5]
    check = run("check", write(tmp_path, study))
    assert ", 28 of 42 tiles," in check.stdout
    assert counted(go(tmp_path, study)) == (28, 14)
    go(tmp_path, study, output="fresh")
    assert_same(tmp_path / "out/study.h5", tmp_path / "fresh/study.h5")


def test_what_follows_from_something_else_is_made_again(tmp_path):
    make_digits(tmp_path)
    study = later()
    go(tmp_path, study)
    study["embed"]["perplexity"] = 6
    rest = {"summary": (12, 12), "spectra": (4, 4), "change": (120, 120), "pictures": (90, 90)}
    assert made_again(tmp_path, study) == rest
    study["aggregate"]["method"] = "random"
    study["change"]["pick"] = "fragile"
    assert made_again(tmp_path, study) == {"encoder": (1, 1), "map": (72, 72), "judge": (4, 4), "summary": (12, 12),
                                           "pictures": (3, 90)}  # of a sample that has the place that it had
    with h5py.File(tmp_path / "out/study.h5") as f:
        assert f["embed/ranks"][()] == 1 and list(f["aggregate/ranks"][()]) == [1] * 4
    study["conditions"].reverse()
    taken = made_again(tmp_path, study, ranks=2)  # what other ranks would find otherwise
    assert not taken.keys() & {"encoder", "map", "judge", "spectra"} and taken["change"] == (120, 120) and taken["pictures"] == (90, 90)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_gained_stage_computes_features_alone(tmp_path, ranks):
    make_digits(tmp_path)
    go(tmp_path, BASE)
    study = {**BASE, "aggregate": {"spectrum": 3}}
    said = go(tmp_path, study, ranks=ranks)
    assert counted(said) == (4 * 3 * 6, 4 * 3 * 6) and "72 of them but for features" in said
    go(tmp_path, study, output="fresh", ranks=ranks)
    assert_same(tmp_path / "out/study.h5", tmp_path / "fresh/study.h5")
    del study["aggregate"]
    assert counted(go(tmp_path, study, ranks=ranks)) == (72, 0)


def test_changed_samples_are_computed_anew(tmp_path):
    """What a tile was of is in the store: pixels and labels are compared, not names of files."""
    make_digits(tmp_path)
    study = copy.deepcopy(BASE)
    go(tmp_path, study)
    path = tmp_path / "test-images"
    pixels = bytearray(path.read_bytes())
    pixels[16 + 45 * 144] ^= 8  # sample 45, of block 2
    (tmp_path / "other-images").write_bytes(pixels)
    study["data"]["test"]["images"] = "other-images"
    said = go(tmp_path, study)
    assert counted(said) == (4 * 3 * 5, 4 * 3)
    go(tmp_path, study, output="fresh")
    assert_same(tmp_path / "out/study.h5", tmp_path / "fresh/study.h5")


@pytest.mark.parametrize("what", [("seed", 4), ("study", "other"), ("model", {**BASE["model"], "train": {"epochs": 2}})],
                         ids=lambda what: what[0])
def test_another_study_is_refused(tmp_path, what):
    make_digits(tmp_path)
    go(tmp_path, BASE)
    before = checksum(tmp_path / "out/study.h5")
    write(tmp_path, {**BASE, what[0]: what[1]})
    done = run("run", tmp_path / "study.yaml")
    assert done.returncode == 65 and "different study" in done.stderr
    assert "different study" in run("check", tmp_path / "study.yaml").stdout
    assert checksum(tmp_path / "out/study.h5") == before


@pytest.mark.parametrize("gone", ["study.yaml", "variants/dense.onnx"])
def test_what_was_deleted_mixes_nothing(tmp_path, gone):
    """Another seed, and another retraining, where nothing but networks tells what they are of: refused beside a result file, and
    then made as if nothing were there."""
    make_digits(tmp_path)
    go(tmp_path, BASE)
    study = copy.deepcopy(BASE)
    study["seed"], study["variants"][0]["retrain"]["epochs"] = 4, 2
    (tmp_path / "out" / gone).unlink()
    done = run("run", write(tmp_path, study))
    assert done.returncode == 65 and "different study" in done.stderr, done.stderr
    (tmp_path / "out" / gone).unlink(missing_ok=True)
    (tmp_path / "out/study.h5").unlink()
    go(tmp_path, study)
    go(tmp_path, study, output="fresh")
    assert_same(tmp_path / "out/study.h5", tmp_path / "fresh/study.h5")


def marks(store):
    try:
        with h5py.File(store, locking=False) as f:
            done = f["progress/analyse"][()]
    except OSError:
        return 0, 1
    return int(done.sum()), done.size


def kill_at(held, where, **more):
    process, _ = held(where, FACET, ranks=1, **more)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_kills_lose_nothing(tmp_path, held):
    """Killed while a network is made, as soon as the new store is there, and when all is taken over; and edited then."""
    make_digits(tmp_path, test=600)
    out, study = tmp_path / "out", copy.deepcopy(BASE)
    study["data"]["test"]["count"] = 400
    study["linearize"]["samples"] = 400
    go(tmp_path, study)
    study["data"]["test"]["count"] = 600
    study["linearize"]["samples"] = 600
    study["variants"].append({"method": "gmp", "sparsity": 0.6, "budget": {"epochs": 40}})
    tiles, old = 5 * 3 * 30, 4 * 3 * 20
    write(tmp_path, study)
    kill_at(held, "gmp-global-0.6.checkpoint")
    assert (out / "study.h5.before").exists() and not (out / "study.h5").exists()
    kill_at(held, "out/study.h5")
    assert (out / "study.h5.before").exists()
    kill_at(held, "out/study.h5", writes=3500)  # behind what is taken over, and before all is done
    done, all_ = marks(out / "study.h5")
    assert old <= done < all_ == tiles and (out / "study.h5.before").exists()
    study["conditions"].append({"corruption": "fog", "severity": 1})
    said = go(tmp_path, study)
    assert counted(said)[0] >= old and "train" not in said
    go(tmp_path, study, output="fresh")
    assert_same(out / "study.h5", tmp_path / "fresh/study.h5")


@pytest.mark.parametrize("ranks", [1, 2])
def test_what_does_not_hold_is_not_taken_over(tmp_path, ranks):
    """One bit of a tile, of features and of a map in the study before; then one of what its file was made with."""
    make_digits(tmp_path)
    study = {**BASE, "embed": EMBED, "aggregate": {"spectrum": 3}}
    go(tmp_path, study, ranks=ranks)
    edited = {**study, "conditions": ["clean", {"corruption": ["gaussian_noise"], "severity": [1]}]}
    store = tmp_path / "out/study.h5"
    with h5py.File(store, "r+") as f:
        f["linear/dense/W"][25, 0, 0, 3, 3] += 0.5
        f["feature/random-layer-0.5-s3/value"][1, 47, 2] += 0.5
        f["embed/position"][1, 0, 3, 1] += 0.5
    said = go(tmp_path, edited, ranks=ranks)
    lost = re.findall(r"facet: (.*) in the study before does not hold its checksum, and is not taken over", said)
    assert sorted(lost) == ["analyse of dense, clean, block 1", "analyse of random-layer-0.5-s3, gaussian_noise/1, block 2",
                            "map of magnitude-global-0.5, clean, block 0"], said
    assert counted(said)[0] == 4 * 2 * 6 - 2 and parts(said)["map"][0] == 4 * 2 * 6 - 3
    go(tmp_path, edited, output="fresh", ranks=ranks)
    assert_same(store, tmp_path / "fresh/study.h5")
    with h5py.File(store, "r+") as f:
        f["label"][5] = 3 - f["label"][5]
    said = go(tmp_path, study, ranks=ranks)
    assert "nothing is taken over" in said and counted(said)[0] == 0
