"""What a user is told on the way: that a study is finished, which command comes next, what takes long, and what a wrong
word was meant to be."""

import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import make_study
import numpy as np
import pytest

from conftest import FACET, PATIENCE, ROOT, STUDY, environment, run

from facet.__main__ import main
from facet.packing import pack
from facet.phase import Phases, now


VENV = ROOT / ".venv/bin/python"
HERE = pathlib.Path.cwd()
PYTHON = "python3" if not VENV.exists() else VENV.relative_to(HERE) if VENV.is_relative_to(HERE) else VENV


def last(done):
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_the_last_line_names_the_next_command(small):
    study, store = small / "study.yaml", small / "out/study.h5"
    assert last(run("check", study, "-n", 3)) == f"next: facet run {study} -n 3"
    assert last(run("run", study)) == f"next: {PYTHON} -m facet report {store}, or facet checksum {store}"
    assert last(run("check", study)) == f"finished         next: {PYTHON} -m facet report {store}"
    study.write_text(STUDY.replace("study: small", "study: other"))
    assert last(run("check", study)) == f"next: facet run {study} --fresh, which removes what is there"


def test_the_next_command_works_in_a_clone_and_where_it_is_installed(small):
    """With the Python of the clone that a build lies in, by the shortest path to it; python3 elsewhere."""
    shutil.copy(FACET, small / "facet")
    clone, other = small / "clone", small / "clone/build/other"
    for folder in (clone / "build", other):
        folder.mkdir(parents=True)
        shutil.copy(FACET, folder)
    assert run("run", small / "study.yaml").returncode == 0

    def said(program, folder):
        done = subprocess.run([program, "run", small / "study.yaml"], env=environment(), cwd=folder, capture_output=True, text=True)
        return last(done).split("next: ")[1].split(" -m facet report ")[0]

    (clone / ".venv/bin").mkdir(parents=True)
    (clone / ".venv/bin/python").symlink_to(sys.executable)
    assert said(clone / "build/facet", clone) == "python3"  # a folder of another kind
    (clone / "analysis/facet").mkdir(parents=True)
    (clone / "analysis/facet/__main__.py").touch()
    assert said(clone / "build/facet", clone) == said(other / "facet", clone) == ".venv/bin/python"
    assert said(clone / "build/facet", small / "out") == str(clone / ".venv/bin/python")
    assert said(small / "facet", small) == "python3"


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_finished_study_says_so_and_makes_nothing(small, ranks):
    assert run("run", small / "study.yaml", ranks=ranks).returncode == 0
    store = small / "out/study.h5"
    stamps = {path: path.stat().st_mtime_ns for path in (small / "out").rglob("*")}
    done = run("run", small / "study.yaml", ranks=ranks)
    assert done.returncode == 0
    assert done.stdout == f"{store} is finished, nothing to do; next: {PYTHON} -m facet report {store}\n"
    assert not [line for line in done.stderr.splitlines() if " in 0:" in line]
    assert stamps == {path: path.stat().st_mtime_ns for path in (small / "out").rglob("*")}


def test_what_takes_long_is_said(small):
    """FACET_SILENCE says after how many seconds: here at once, and by the timer."""
    for silence in ("0", "0.001"):
        done = subprocess.run([FACET, "run", small / "study.yaml", "--fresh"], env={**environment(), "FACET_SILENCE": silence},
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said = re.findall(r"^facet: (.*?)(?: \.\.\.|, \d+ s)$", done.stderr, flags=re.M)
        if silence == "0":
            phases = ["reading the data", "taking the digests of the data", "making or reading the networks", "planning",
                      "creating or opening the result file", "looking for what is still true", "ending"]
            assert [phase for phase in dict.fromkeys(said) if phase in phases] == phases
            assert {"train dense", "analyse", "compare"} <= set(said)
        else:
            assert said
    done = subprocess.run([FACET, "check", small / "study.yaml"], env={**environment(), "FACET_SILENCE": "0"},
                          capture_output=True, text=True)
    assert re.findall(r"^facet: (.*) \.\.\.$", done.stderr, flags=re.M) == [
        "reading the data", "reading or sketching the networks", "planning", "trying out what a run takes",
        "looking for what a run need not do again"]


def test_commands_without_stages_are_said_too(small):
    assert run("run", small / "study.yaml").returncode == 0
    for command, arguments in {"checksum": [small / "out/study.h5"], "corrupt": [small / "study.yaml", small / "sets"],
                               "inspect": [small / "out/variants/dense.onnx"]}.items():
        done = subprocess.run([FACET, command, *arguments], env={**environment(), "FACET_SILENCE": "0"}, text=True,
                              capture_output=True)
        assert done.returncode == 0 and done.stderr.startswith(f"facet: {command} ...\n"), done.stderr
    done = subprocess.run([FACET, "verify", small / "out/study.h5", "--tiles", "1"], env={**environment(), "FACET_SILENCE": "0"},
                          text=True, capture_output=True)
    assert done.returncode == 0 and list(dict.fromkeys(re.findall(r"^facet: (.*) \.\.\.$", done.stderr, flags=re.M)))[:5] == [
        "holding checksums against the data", "reading the data", "taking the digests of the data", "planning",
        "computing parts again"], done.stderr


def images(folder):
    """A folder for each of two classes, with a small image."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for name in ("ant", "bee"):
        (folder / "images" / name).mkdir(parents=True)
        image.new("L", (2, 2)).save(folder / "images" / name / "1.png")
    return [folder / "images", folder / "images.h5"]


def table(folder):
    (folder / "table.csv").write_text("label,a,b\n0,1,2\n1,3,4\n")
    return [folder / "table.csv", folder / "table.h5"]


def arrow(folder):
    pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed").write_table(
        pytest.importorskip("pyarrow").table({"x": [[1.0, 2.0]], "label": ["ant"]}), folder / "table.parquet")
    return [folder / "table.parquet", folder / "table.h5"]


def module(folder):
    """A linear layer whose weights are masked, as a state dict and in ONNX."""
    torch, prune, onnx = (pytest.importorskip(name, reason=f"{name} is not installed") for name in ("torch", "torch.nn.utils.prune", "onnx"))
    layer = prune.identity(torch.nn.Linear(2, 3), "weight")
    torch.save(layer.state_dict(), folder / "state.pt")
    shape = lambda name, count: onnx.helper.make_tensor_value_info(name, 1, ["N", count])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(
        [onnx.helper.make_node("Gemm", ["x", "weight"], ["y"], transB=1)], "layer", [shape("x", 2)], [shape("y", 3)],
        [onnx.numpy_helper.from_array(layer.weight_orig.detach().numpy(), "weight")])), folder / "net.onnx")
    return ["from-torch", folder / "state.pt", folder / "net.onnx", folder / "masks.h5"]


def back(folder):
    assert main(["masks", *map(str, module(folder))]) == 0
    return ["to-torch", folder / "net.onnx", folder / "masks.h5", folder / "state.pt", folder / "masked.pt"]


def corrupted(folder):
    for name in ("clean", "fog"):
        np.save(folder / f"{name}.npy", np.zeros((1 if name == "clean" else 5, 2, 2, 1), np.uint8))
    return [folder, "--out", folder / "sheet.png"]


def synthesized(folder):
    make_study.synthesize(folder / "study.h5")
    return [folder / "study.h5"]


@pytest.mark.parametrize("command, given, said", [
    ("pack", images, ["looking at what there is", "counting the images of 2 classes", "packing"]),
    ("pack", table, ["reading the table a first time, .*", "packing"]),
    ("pack", arrow, ["reading the labels, .*", "packing"]),
    ("masks", module, ["reading the state dict", "reading the ONNX file", "pairing .*", "writing the masks"]),
    ("masks", back, ["reading the state dict", "reading the ONNX file", "pairing .*", "writing the state dict"]),
    ("sheet", corrupted, ["opening the files", "drawing 2 corruptions"]),
    ("report", synthesized, ["opening the study", "adding up contributions", r"drawing .*, 1 of \d+", "holding checksums against the file"]),
    ("parquet", synthesized, ["writing variants, summary and fragility", r"writing samples of dense, variant 1 of \d+"]),
    ("view", synthesized, ["looking for what fits", "packing the study, choice 1 of what is left out"]),
])
def test_python_says_what_takes_long(tmp_path, undrawn, monkeypatch, capsys, command, given, said):
    """At once here; by a thread, where the silence is long enough for one."""
    words = [command, *map(str, given(tmp_path))]
    (tmp_path / "single.html").write_text("<title></title>@STUDY@")
    monkeypatch.setenv("FACET_VIEWER", str(tmp_path))
    for silence in ("0", "1000"):
        monkeypatch.setenv("FACET_SILENCE", silence)
        assert main(words) == 0
        lines = capsys.readouterr().err.splitlines()
        for phase in said if silence == "0" else []:
            assert any(re.fullmatch(rf"facet {command}: {phase} \.\.\.", line) for line in lines), lines
        assert silence == "0" or not lines


def test_a_phase_is_said_again_and_again(monkeypatch):
    monkeypatch.setenv("FACET_SILENCE", "0.01")
    said, end = io.StringIO(), time.monotonic() + PATIENCE
    monkeypatch.setattr(sys, "stderr", said)  # capsys may lose what another thread says while it is read
    with Phases("report"):
        now("something long")
        while not re.fullmatch(r"(facet report: something long \.\.\.\n)(facet report: something long, \d+ s\n)+", said.getvalue()):
            assert time.monotonic() < end, said.getvalue()
            time.sleep(0.001)
    now("nothing: no command is at work")


def test_packing_says_how_far_it_is(monkeypatch, tmp_path):
    """Off a terminal: on one there is a bar."""
    monkeypatch.setenv("FACET_SILENCE", "0.01")
    said, end = io.StringIO(), time.monotonic() + PATIENCE
    monkeypatch.setattr(sys, "stderr", said)

    class Slow:
        def __len__(self):
            return 3

        def __getitem__(self, i):
            while f"packing, {i} of 3 samples" not in said.getvalue() and i > 0:
                assert time.monotonic() < end, said.getvalue()
                time.sleep(0.001)
            return np.zeros((1, 2, 2), np.uint8), 0

    with Phases("pack"):
        assert pack(Slow(), tmp_path / "slow.h5", progress=True).count == 3
    assert re.search(r"^facet pack: packing, 2 of 3 samples(, \d+ s| \.\.\.)$", said.getvalue(), flags=re.M), said.getvalue()


def test_installing_shows_what_apt_and_pip_say(tmp_path):
    """Hundreds of megabytes are not fetched in silence."""
    tools, venv = tmp_path / "tools", tmp_path / ".venv/bin"
    for folder in (tools, venv):
        folder.mkdir(parents=True)
    for name, text in {"tools/apt-get": 'case "$*" in *-qq*install*) ;; *) echo "Get:1 $*" ;; esac', "tools/dpkg-query": "exit 1",
                       "tools/sudo": 'exec "$@"', ".venv/bin/python": 'case "$*" in *pip*--quiet*) ;; *pip*) echo "Collecting numpy" ;; esac'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "needed.txt").write_text("numpy==2\n")
    for command, begins, line in ((["deps", "mpich"], "deps: installing mpich ", r"Get:1 .*install .* mpich .*"),
                                  (["venv", "needed.txt"], "venv: installing numpy==2", "Collecting numpy")):
        done = subprocess.run([ROOT / "tools" / command[0], *command[1:]], cwd=tmp_path, capture_output=True, text=True,
                              env={**environment(), "PATH": f"{tools}:{os.environ['PATH']}"})
        assert done.returncode == 0 and re.search(f"^{line}$", done.stdout.partition(begins)[2], flags=re.M), done


def test_every_command_explains_itself():
    text = run("--help").stdout
    for command in re.findall(r"^  facet (\w+) ", text, flags=re.M):
        done = run(command, "--help")
        assert done.returncode == 0 and done.stdout.startswith(f"  facet {command} ") and "75 interrupted" in done.stdout
        usage, *words = done.stdout.splitlines()
        for option in re.findall(r"\[(-+\w+)", usage):
            assert option in "\n".join(words), (command, option)


WRONG = [("format: idx", "format: idxx", "idx"), ("method: magnitude", "method: magnitud", "magnitude"),
         ("scope: layer", "scope: layers", "layer"), ("gaussian_noise", "gausian_noise", "gaussian_noise"),
         ("- clean", "- clen", "clean"), ("variants: all", "variants: [dens]", "dense"), ("rows: all", "rows: predictd", "predicted"),
         ("seed: 3", "precision: duble", "double"), ("seed: 3", "embed: {variant: dens}", "dense"),
         ("seed: 3", "embed: {source: pixel}", "pixels"), ("seed: 3", "change: {conditions: [gausian_noise/5]}", "gaussian_noise/5"),
         ("seed: 3", "change: {variants: [random-layer-0.6]}", "random-layer-0.5"), ("seed: 3", "change: {pick: fragil}", "fragile"),
         ("seed: 3", "aggregate: {spectrum: 3, method: gramm}", "gram")]


@pytest.mark.parametrize("right, wrong, meant", WRONG)
def test_wrong_values_get_suggestions(small, right, wrong, meant):
    (small / "study.yaml").write_text(STUDY.replace(right, wrong, 1))
    done = run("check", small / "study.yaml")
    assert done.returncode == 65 and f"did you mean '{meant}'?" in done.stderr, done.stderr
