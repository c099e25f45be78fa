"""`facet check` begins with its verdict, folds replicates, and shows all of it with --verbose."""

import pathlib
import re

import pytest

from conftest import ROOT, STUDY, run


def test_the_verdict_comes_first(small):
    study = STUDY.replace("variants:", "variants:\n  - {method: random, sparsity: 0.5, seeds: [1, 2, 3]}", 1)
    (small / "study.yaml").write_text(study)
    short = run("check", small / "study.yaml", "-n", 4).stdout
    first = short.splitlines()[0]
    assert re.fullmatch(r"small: about .+ on 4 ranks, \d+\.\d\d GiB of memory each, \d+\.\d\d GiB of disk", first), first
    assert "rows: " not in short and "random-global-0.5-s2" not in short and "2 replicates more" in short
    assert len([line for line in short.splitlines() if re.match(r"random-global\S* +random ", line)]) == 1
    whole = run("check", small / "study.yaml", "--verbose").stdout
    assert "seeds: [1, 2, 3]" in whole and "replicates more" not in whole and "linearizing" in whole
    assert len([line for line in whole.splitlines() if re.match(r"random-global\S*-s[123] +random ", line)]) == 3
    assert run("run", small / "study.yaml").returncode == 0
    again = run("check", small / "study.yaml").stdout.splitlines()
    there = re.match(r"reused +(\d+) of (\d+) networks, (\d+) of (\d+) tiles", again[1])
    assert there and there[1] == there[2] and there[3] == there[4], again[:3]


def test_options_of_check(small):
    done = run("check", small / "study.yaml", "--verbse")
    assert done.returncode == 64 and "did you mean '--verbose'?" in done.stderr
    for option in ("--fresh", "-v", "-verbose", "--"):  # parts of those that there are, too
        done = run("check", small / "study.yaml", option)
        assert done.returncode == 64 and f"there is no option '{option}'" in done.stderr, option


FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.skipif(not FASHION.exists(), reason="no Fashion-MNIST (Debian package: dataset-fashion-mnist)")
@pytest.mark.parametrize("name", ["demo", "explain"])
def test_the_studies_that_come_along_are_right(tmp_path, name):
    text = (ROOT / "jobs" / f"{name}.yaml").read_text()
    (tmp_path / "study.yaml").write_text(text.replace(f"../results/{name}", "out"))
    done = run("check", tmp_path / "study.yaml")
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == f"next: facet run {tmp_path / 'study.yaml'}", done.stderr


def test_every_key_has_an_example():
    table = (ROOT / "docs/study.md").read_text().split("<!-- table study_tables study -->")[1].split("<!-- end -->")[0]
    used = "".join((ROOT / "jobs" / f"{name}.yaml").read_text() for name in ("demo", "explain"))
    optional = {"precision", "threads", "block", "memory"}  # whose defaults are what most want
    for key in set(re.findall(r"^\| `(\w+)`", table, re.M)) - optional:
        assert re.search(rf"^{key}:", used, re.M), key
