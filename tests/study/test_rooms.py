"""tools/rooms: which includes it lets pass, and what it says of the others; and tools/tidy without a file."""

import subprocess

from conftest import ROOT

TABLE = """\
| place | holds | public headers |
|---|---|---|
| `mpi/top` | | `top.h` |
| `src/face` | | `include/house/net.h` |
| `src/low` | | `low.h` |
"""

TREE = {
    "include/house/net.h": "#include <low/low.h>\n",
    "mpi/top/top.h": "",
    "mpi/top/own.h": '#include "top.h"\n#include <house/net.h>\n#include <stdio.h>\n',
    "src/face/face.c": '#include "house/net.h"\n  #  include "low/low.h"\n',
    "src/low/low.h": '#include "low/low_private.h"\n',
    "src/low/low_private.h": "",
}


def rooms(folder, more=None):
    """The lines that tools/rooms prints for a tree, and whether it is content."""
    for name, text in {**TREE, **(more or {}), "docs/rooms.md": TABLE}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = subprocess.run([ROOT / "tools" / "rooms", folder], capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.splitlines(), done.returncode == 0


def test_the_house_itself():
    done = subprocess.run([ROOT / "tools" / "rooms", ROOT], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_downward_includes_pass(tmp_path):
    assert rooms(tmp_path) == ([], True)


def test_an_include_that_runs_up(tmp_path):
    lines, content = rooms(tmp_path, {"src/low/up.c": '\n#include "house/net.h"\n#include "top/own.h"\n'})
    assert not content
    assert lines == [
        'src/low/up.c:2: includes "house/net.h": from src/low up to src/face; rooms below it in docs/rooms.md are allowed',
        'src/low/up.c:3: includes "top/own.h": from src/low up to mpi/top; rooms below it in docs/rooms.md are allowed']


def test_a_private_header(tmp_path):
    lines, content = rooms(tmp_path, {"mpi/top/reach.c": '#include "low/low_private.h"\n'})
    assert not content
    assert lines == ['mpi/top/reach.c:1: includes "low/low_private.h": from mpi/top to src/low, whose own it is; '
                     'allowed of that room: src/low/low.h']


def test_mpi_in_the_library(tmp_path):
    lines, content = rooms(tmp_path, {"src/low/ranks.c": "#include <mpi.h>\n", "mpi/top/ranks.c": "#include <mpi.h>\n"})
    assert (lines, content) == (['src/low/ranks.c:1: includes "mpi.h": MPI is for mpi/ alone'], False)


def test_the_table_and_the_folders_agree(tmp_path):
    lines, content = rooms(tmp_path / "more", {"src/attic/box.c": ""})
    assert (lines, content) == (["src/attic/box.c: src/attic is no room: list it in docs/rooms.md"], False)
    (tmp_path / "less/docs").mkdir(parents=True)
    (tmp_path / "less/src/low").mkdir(parents=True)
    (tmp_path / "less/src/low/low.c").write_text("")
    (tmp_path / "less/docs/rooms.md").write_text("| `src/low` | | `low.h` |\n| `src/gone` | | |\n")
    done = subprocess.run([ROOT / "tools" / "rooms", tmp_path / "less"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["docs/rooms.md:1: src/low has no header low.h",
                                        "docs/rooms.md: there is no room src/gone"]


def test_tidy_without_a_file():
    done = subprocess.run([ROOT / "tools" / "tidy", "-std=c17", "--"], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("tidy: nothing to do\n", "", 0)
