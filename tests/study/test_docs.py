"""tools/docs: the tables in the documents are those of the program."""

import re
import subprocess

from conftest import ROOT

TEXT = "# A\n\n<!-- table say one  two -->\nold\n<!-- end -->\n\nmore\n<!-- table say three -->\n<!-- end -->\n"


def docs(folder, *options):
    program = folder / "say"
    program.write_text('#!/bin/sh\necho "| $# $1 |"\n')
    program.chmod(0o755)
    command = [ROOT / "tools" / "docs", *options, folder, folder / "a.md"]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_documents_themselves():
    files = sorted((ROOT / "docs").glob("*.md"))
    done = subprocess.run([ROOT / "tools" / "docs", "--check", ROOT / "build/tests/programs", *files],
                          capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_every_section_of_the_report_is_described():
    from facet.report.sections import SECTIONS

    table = (ROOT / "docs/report.md").read_text().split("| section | shows |")[1]
    assert re.findall(r"^\| ([A-Z][^|]*) \|", table, re.M) == [title for title, _ in SECTIONS.values()]


def test_every_view_of_the_viewer_is_described():
    source = "".join(path.read_text() for path in (ROOT / "analysis/viewer/src/views").glob("*.ts"))
    titles = re.findall(r'\bid: "\w+",\s*title: "([^"]+)"', source)
    page = (ROOT / "docs/viewer.md").read_text().lower()
    assert len(titles) > 10
    assert [title for title in titles if f"**{title.lower()}" not in page] == []


def test_tables_are_written(tmp_path):
    file = tmp_path / "a.md"
    file.write_text(TEXT)
    assert docs(tmp_path).returncode == 0
    assert file.read_text() == TEXT.replace("old", "| 2 one |").replace("three -->\n", "three -->\n| 1 three |\n")
    assert docs(tmp_path, "--check").returncode == 0


def test_a_table_that_differs(tmp_path):
    file = tmp_path / "a.md"
    file.write_text(TEXT)
    done = docs(tmp_path, "--check")
    assert done.returncode == 1 and "make docs" in done.stderr
    assert "-old" in done.stdout and "+| 2 one |" in done.stdout
    assert file.read_text() == TEXT


def test_a_table_without_end(tmp_path):
    (tmp_path / "a.md").write_text(TEXT + "<!-- table say -->\n")
    assert docs(tmp_path).returncode == 1
    (tmp_path / "a.md").write_text(TEXT + "see <!-- table say -->\n<!-- end -->\n")
    assert docs(tmp_path).returncode == 1
