"""Stages: each is forecast, shows progress and has marks; what is done is not done again, and a file that lacks one is not finished."""

import re
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from conftest import ROOT, STUDY, checksum, make_digits, preloaded, run

MORE = """\
change: {samples: 30, conditions: [gaussian_noise/5], groups: class}
paths: {samples: 4, variants: [dense, magnitude-global-0.5]}
lines: {variants: [dense, magnitude-global-0.5]}
planes: {count: 2, window: 0.02, variants: [dense, magnitude-global-0.5]}
aggregate: {spectrum: 4}
embed: {layers: [12], perplexity: 12, batch: 200, epochs: 2, explain: 30}
census: {variants: dense}
reach: {samples: 3, variants: dense}
attributions: {samples: 3, variants: magnitude-global-0.5, steps: 5, noisy: 3, perturbations: 2, points: 6}
"""

# A stage and an array that it fills, the first axis of which its marks have, unless it has one mark.
FILLS = {"analyse": "prediction/loss", "map": "embed/position", "judge": "embed/quality", "timing": "cost/forward_seconds",
         "summary": "summary/accuracy", "columns": "view/margin", "compare": "summary/agreement", "similarity": "similarity/distance",
         "change": "change/magnitude-global-0.5/total", "groups": "change/magnitude-global-0.5/group_total", "pictures": "change/picture", "paths": "paths/magnitude-global-0.5/total",
         "reach": "reach/dense/untied", "lines": "lines/magnitude-global-0.5/pieces", "planes": "planes/magnitude-global-0.5/regions", "attributions": "attributions/magnitude-global-0.5/row", "census": "census/dense/distance", "regions": "census/regions", "spectra": "aggregate/effective_rank",
         "angles": "aggregate/principal_angles", "cka": "aggregate/cka", "findings": "findings/text"}
ALSO = {"census": [f"census/dense/{what}" for what in ("hash", "gate_hash", "piece")],
        "regions": [f"census/dense/{what}" for what in ("first", "shared", "constant", "dead")],
        "reach": [f"reach/dense/{what}" for what in ("max_norm", "two_norm", "limit", "boundary", "inside", "point", "residual")],
        "groups": ["change/magnitude-global-0.5/group_pixel", "change/magnitude-global-0.5/group_node", "change/dense/gaussian_noise/5/group_moved"],
        "paths": ["paths/magnitude-global-0.5/attribution", "paths/dense/changes"]}
ROUNDED = {"map", "judge", "spectra", "angles", "cka"}  # of distributed matrices, whose last digits depend on the number of ranks
ORDER = ["analyse", "encoder", "map", "judge", "timing", "summary", "columns", "compare", "similarity", "change", "groups", "pictures", "paths", "reach", "lines", "planes", "attributions", "census", "regions",
         "spectra", "angles", "cka", "findings"]
FROM_DATA = ("encoder", "timing", "paths", "reach", "lines", "planes", "attributions", "census", "regions")
MADE_FROM = {"analyse": [name for name in ORDER if name not in FROM_DATA], "map": ["judge"],
             "summary": ["compare", "change", "groups", "pictures", "findings"], "census": ["regions"], "spectra": ["angles"]}


def stages_run(stderr):
    """Stages that say how far they are, in their order. timing is over too soon for that."""
    return list(dict.fromkeys(re.findall(rf"^({'|'.join(ORDER)})[: ]", stderr, re.M)))


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    make_digits(folder)
    (folder / "study.yaml").write_text(STUDY + MORE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(preloaded("arrays_used", folder)))
        patch.setenv("ARRAYS_USED", str(folder / "arrays"))
        done = run("run", folder / "study.yaml", ranks=2)
    assert done.returncode == 0, done.stderr
    (folder / "stderr").write_text(done.stderr)
    return folder


@pytest.fixture
def copy(everything, tmp_path):
    """The finished study, as it was made afterwards."""
    shutil.copytree(everything / "out", tmp_path / "kept")
    yield everything
    shutil.rmtree(everything / "out")
    shutil.move(tmp_path / "kept", everything / "out")


def test_all_have_marks_progress_and_a_forecast(everything):
    said = stages_run((everything / "stderr").read_text())
    assert said == [stage for stage in ORDER if stage != "timing"]
    with h5py.File(everything / "out/study.h5") as file:
        marks = {name: array[()] for name, array in file["progress"].items() if not array.is_scale}
    assert sorted(marks) == sorted(ORDER) and all((array == 1).all() for array in marks.values())
    forecast = re.search(r"^time .*: (.*)$", run("check", everything / "study.yaml").stdout, re.M)[1]
    names = [part.split()[0] for part in forecast.split(", ")]
    assert names == ["training", *[stage for stage in ORDER if stage != "timing"]]


def used_by_stages(folder):
    """{stage: arrays that it read} of a run: it begins when its marks are asked for after the stage before it has set some; the last
    one ends with its own."""
    used, marked = {}, True
    lines = (folder / "arrays").read_text().rpartition(f"w /progress/{ORDER[-1]}\n")[0].splitlines()
    for line in lines:
        how, name = line.split(" ", 1)
        if marked and len(used) < len(ORDER) and line == f"r /progress/{ORDER[len(used)]}":
            used[ORDER[len(used)]], marked = set(), False
        elif used and line == f"w /progress/{list(used)[-1]}":
            marked = True
        elif used and how == "r":
            used[list(used)[-1]].add(name)
    return used


def filled_by():
    """(pattern, stage) of every array of the result file, those with fewer names to be filled in first."""
    rows = [re.match(r'\w+, "([^"]+)".*?"(\w*)",\s+(?:SUMMED|APART)', row, re.S).groups()
            for row in (ROOT / "mpi/store/rows.def").read_text().split("\nROW(")[1:]]
    return [(re.sub(r"\\{condition\\}", ".+", re.sub(r"\\{(variant|stage)\\}", "[^/]+", re.escape(path))), stage)
            for path, stage in sorted(rows, key=lambda row: row[0].count("{"))]


def test_a_stage_reads_what_its_list_says(everything):
    """By it what others wrote is held against its checksums before, and what was made from damage is made anew, and no more."""
    rows, lists = filled_by(), {}
    for path in (ROOT / "mpi/stages").glob("*.c"):
        for stage, fields in re.findall(r"^const facet_stage facet_stage_(\w+) = \{(.*?)\};", path.read_text(), re.M | re.S):
            lists[stage] = set("".join(re.findall(r'\.reads = "([^"]*)"', fields)).split())
    read = {stage: {next(owner for pattern, owner in rows if re.fullmatch(pattern, name)) for name in names}
            for stage, names in used_by_stages(everything).items()}
    assert list(read) == ORDER and {owner for _, owner in rows} - set(ORDER) == {"create", "profile", ""}
    for stage, owners in read.items():
        assert owners - {stage, ""} <= lists[stage] <= owners | {"create"}, (stage, owners, lists[stage])


def test_nothing_is_done_twice(copy):
    before = checksum(copy / "out/study.h5")
    again = run("run", copy / "study.yaml", ranks=2)
    assert again.returncode == 0 and not stages_run(again.stderr), again.stderr
    assert checksum(copy / "out/study.h5") == before


def test_more_ranks_than_samples(tmp_path):
    make_digits(tmp_path, test=3)
    (tmp_path / "study.yaml").write_text(STUDY.split("linearize:")[0] + "aggregate: {}\n")
    alike = {}
    for ranks in 1, 4:
        done = run("run", tmp_path / "study.yaml", "--fresh", ranks=ranks)
        assert done.returncode == 0, done.stderr
        with h5py.File(tmp_path / "out/study.h5") as file:
            alike[ranks] = file["aggregate/cka"][()]
    np.testing.assert_array_equal(alike[4], alike[1])


def test_a_map_whose_encoder_is_gone_gets_it_again(copy):
    with h5py.File(copy / "out/study.h5", "r+") as file:
        good, file["progress/map"][1, 0] = file["embed/position"][()], 0
        file["embed/position"][1, 0] = np.nan
    encoder = (copy / "out/embed/encoder.onnx").read_bytes()
    (copy / "out/embed/encoder.onnx").unlink()
    done = run("run", copy / "study.yaml", ranks=2)
    assert done.returncode == 0 and stages_run(done.stderr)[:2] == ["encoder", "map"], done.stderr
    assert (copy / "out/embed/encoder.onnx").read_bytes() == encoder
    with h5py.File(copy / "out/study.h5") as file:
        assert np.array_equal(file["embed/position"][()], good, equal_nan=True)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("stage", FILLS)
def test_what_is_missing_is_said_and_made(copy, stage, ranks):
    """Some marks of one stage are taken away, and all of an array is spoilt: parts whose marks stood hold no checksum, and what
    was made from them is made again."""
    path = copy / "out/study.h5"
    with h5py.File(path, "r+") as file:
        marks, good = file["progress"][stage], {name: file[name][()] for name in [FILLS[stage], *ALSO.get(stage, ())]}
        taken = slice(1, 2) if marks.ndim else ()
        marks[taken] = 0
        for name, array in good.items():
            file[name][...] = b"spoilt" if array.dtype.kind == "S" else np.full(array.shape, np.nan)
    for command in ([str(ROOT / "build/facet"), "checksum", path], [sys.executable, "-m", "facet", "report", path]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 65 and "not finished: " + stage in done.stderr, done.stderr
    again = run("run", copy / "study.yaml", ranks=ranks)
    assert again.returncode == 0, again.stderr
    assert " ".join(stages_run(again.stderr)) == " ".join(name for name in ORDER if name != "timing" and name in (stage, *MADE_FROM.get(stage, ())))
    with h5py.File(path) as file:
        made, all_marked = {name: file[name][()] for name in good}, (file["progress"][stage][()] == 1).all()
    assert all_marked
    for name, array in made.items():
        if stage == "timing":
            assert (array > 0).all()
        elif stage in ROUNDED:
            assert np.allclose(array, good[name], rtol=1e-9, equal_nan=True)
        else:
            assert array.tobytes() == good[name].tobytes(), name


@pytest.mark.parametrize("of, array, at, wrong", [
    ("", "linear/dense/residual", 3, "W and b are not what the network does there; use precision: double"),
    (" of paths", "paths/magnitude-global-0.5/residual", 2, "integrated gradients do not add up to what logits gain there"),
    (" of paths as stored", "paths/magnitude-global-0.5/rounded_residual", 2, "integrated gradients do not add up to what logits gain there; use precision: double"),
    (" of reach", "reach/dense/residual", 1, "radii and boundaries are not those of the network there"),
    (" of lines", "lines/dense/residual", 0, "the pieces are not those of the network there"),
    (" of planes", "planes/dense/uncovered", 1, "the polygons are not those of the network there"),
    (" of planes", "planes/dense/residual", 1, "the polygons are not those of the network there")])
def test_certificates_that_do_not_hold_are_said(copy, of, array, at, wrong):
    """By their precision's bound, which the report has, too; where there was no room for a plane, nothing is said of it."""
    from facet.linear import BOUND, PATH_BOUND

    path = copy / "out/study.h5"
    bound = (PATH_BOUND if "paths" in of else BOUND)[8 if of and "stored" not in of else 4]
    for value, bad in ((0.9 * bound, False), (2 * bound, True), (np.nan, True)):
        with h5py.File(path, "r+") as file:
            file[array][at], variant = value, array.split("/")[1]
            if of == " of planes" and not bad:
                file["planes/dense/polygons"][0], file["planes/dense/residual"][0], file["planes/dense/uncovered"][0] = 0, np.nan, np.nan
            all_ = sum(file[name].size for name in ("planes/dense/residual", "planes/dense/uncovered")) if of == " of planes" else file[array].size
        done = run("check", copy / "study.yaml")  # a run would compute anew what does not hold its checksum
        said = f"facet: warning: {variant}: 1 of {all_} certificates{of} are above {bound:g}, or no numbers: {wrong}"
        assert done.returncode == 0 and done.stderr.count("certificates") == bad and (said in done.stderr) == bad, done.stderr


def test_a_kill_between_stages_leaves_no_finished_file(copy):
    """A file whose tiles are all done, but nothing that follows from them."""
    path = copy / "out/study.h5"
    with h5py.File(path, "r+") as file:
        for stage in ("compare", "similarity", "cka"):
            file["progress"][stage][...] = 0
    done = run("checksum", path)
    assert done.returncode == 65 and "is not finished: cka, compare, similarity are missing" in done.stderr
