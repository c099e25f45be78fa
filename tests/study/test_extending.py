"""docs/extending.md: the files that it names are there, no more than it promises, and every row of the tables that it
speaks of can be reached and is in the documents."""

import re

import pytest

from conftest import ROOT, run

PAGE = (ROOT / "docs/extending.md").read_text()
RECIPES = re.findall(r"^\| \[(?:an?) ([a-z ]+)\]\(#(\S+)\) \| (.*?) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
THINGS = ["operator", "method", "corruption", "data format", "array", "stage", "study key"]


def document(name):
    return (ROOT / "docs" / name).read_text()


def source(name):
    return (ROOT / name).read_text()


def test_there_is_a_recipe_for_each():
    assert [thing for thing, *_ in RECIPES] == THINGS
    for _, anchor, *_ in RECIPES:
        assert f"\n## {anchor.replace('-', ' ').capitalize()}\n" in PAGE


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r[1])
def test_its_files_are_there_and_few(recipe):
    _, anchor, row, code, proof = recipe
    files = [re.findall(r"`([^`]+)`", cell) for cell in (row, code, proof)]
    assert len(files[0]) == 1 and len(files[1]) <= 1
    for pattern in sum(files, []):
        assert list(ROOT.glob(pattern)), pattern
    section = PAGE.split(f"\n## {anchor.replace('-', ' ').capitalize()}\n")[1].split("\n## ")[0]
    there = [str(path) for room in ("src", "mpi", "include", "tests") for path in (ROOT / room).rglob("*.*")]
    for name in re.findall(r"`([a-z_0-9/]+\.(?:c|h|def))`", section):
        assert any(path.endswith("/" + name) for path in there), name


def words_of(folder, text):
    """The words that the study would have taken in place of `nonsense`."""
    (folder / "study.yaml").write_text("data: {test: {format: npy, images: x.npy}}\nmodel: {onnx: x.onnx}\n" + text
                                       if "format" not in text else text)
    done = run("check", folder / "study.yaml")
    assert done.returncode == 65 and "nonsense" in done.stderr, done.stderr
    return re.findall(r"[a-z_0-9]+", done.stderr.split("nonsense", 1)[1])


def test_every_corruption_is_a_word_and_documented(tmp_path):
    names = re.findall(r'\{"([a-z_]+)",(?:\s+"[^"]*")+,\s+facet_\w+,', source("src/data/corrupt.c"))
    words = words_of(tmp_path, "conditions: [{corruption: nonsense}]\n")
    table = document("study.md").split("| family | names |")[1].split("\n\n")[0]
    assert len(names) > 15 and set(names) <= set(words)
    assert re.findall(r"`([a-z_]+)`", table) and set(re.findall(r"`([a-z_]+)`", table)) == set(names)


def test_every_format_is_a_word_and_documented(tmp_path):
    names = re.findall(r'^ +\{"([a-z0-9]+)", facet_', source("src/data/dataset.c"), re.MULTILINE)
    words = words_of(tmp_path, "data: {test: {format: nonsense, images: x.npy}}\nmodel: {onnx: x.onnx}\n")
    table = document("study.md").split("| `format` | images | labels |")[1].split("\n\n")[0]
    assert len(names) > 3 and set(names) <= set(words)
    assert re.findall(r"^\| `([a-z0-9]+)`", table, re.MULTILINE) == names


def test_every_method_is_a_word(tmp_path):
    names = re.findall(r'\{\.name = "([a-z_]+)"', source("src/prune/methods.c"))
    words = words_of(tmp_path, "variants: [{method: nonsense, sparsity: 0.5}]\n")
    assert len(names) > 10 and set(names) <= set(words)


def test_every_operator_is_documented():
    names = re.findall(r'^ +\{"(\w+)", KIND_', source("src/net/operators.c"), re.MULTILINE)
    assert len(names) > 50
    assert set(names) <= set(re.findall(r"\w+", document("networks.md")))


def test_every_stage_has_its_file():
    names = re.findall(r"STAGE\((\w+)\)", source("mpi/stages/list.h").split("#define")[2])
    assert len(names) > 8
    for name in names[1:]:
        assert f"const facet_stage facet_stage_{name} =" in source(f"mpi/stages/{name}.c")


def anchors(name):
    """Of the headings of a document, as hosts of Markdown make them."""
    titles = re.findall(r"^#+ (.*)$", (ROOT / name).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


PAGES = sorted(str(page.relative_to(ROOT)) for pattern in ("*.md", "docs/*.md", "jobs/*.md") for page in ROOT.glob(pattern))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s:]*)\)", (ROOT / page).read_text())
    for link in links:
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_targets_and_variables_are_documented():
    """Of make: by `make help` or the README. Of the environment: what the program, Python and the tests ask for, in a table."""
    makefile = source("Makefile")
    targets = re.search(r"^ALONE := (.*?[^\\])\nTARGETS := (.*?) \$", makefile, re.M | re.S)
    said = makefile.split("\nhelp:")[1] + source("README.md")
    for target in (targets[1] + " " + targets[2]).replace("\\", " ").split():
        assert target in ("all", "tests", "help") or re.search(rf"make {target}\b", said), target
    asked = set()
    for pattern, word in [("src/*/*.c", r'getenv\("(\w+)"'), ("mpi/*/*.c", r'getenv\("(\w+)"'), ("analysis/facet/**/*.py", r'environ\.get\("(\w+)"'),
                          ("tests/*/*.py", r'environ\.get\("(FACET_\w+)"'), ("tests/run", r"\{(FACET_\w+):-"), ("jobs/facet.sbatch", r"\{(FACET_\w+):-")]:
        asked |= {name for path in ROOT.glob(pattern) for name in re.findall(word, path.read_text())}
    assert len(asked) > 20
    pages = "".join(source(page) for page in ("docs/install.md", "CONTRIBUTING.md", "jobs/README.md"))
    launchers = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMI_SIZE", "PMIX_RANK", "SLURM_JOB_ID"}  # what they say of themselves
    assert [name for name in sorted(asked - launchers) if f"`{name}`" not in pages] == []


def test_what_people_look_for_is_where_readme_says():
    rows = source("README.md").split("| what | is written down in | and done in |")[1].split("\n\n")[0].splitlines()[2:]
    found = {row.split("|")[1].strip(): re.findall(r"`([\w/*.]+/[\w*]+\.\w+)`", row) for row in rows}
    assert len(found) > 8
    for what, files in found.items():
        assert files and all(list(ROOT.glob(file)) for file in files), what
    for what, word, file in [("residual", "residual", "src/linear/linear.c"), ("Adam", "adam", "mpi/embed/encoder.c"),
                             ("skips", "facet_stage_run", "mpi/stages/stage.c"), ("severity", '{"fog"', "src/data/corrupt.c")]:
        row = next(key for key in found if what in key)
        assert file in found[row] and word in source(file)
