"""The library's face: headers that stand alone, and libraries that export what the headers declare and nothing else."""

import os
import re
import shutil
import subprocess

import pytest
from conftest import PATIENCE, ROOT

HEADERS = sorted((ROOT / "include" / "facet").glob("*.h"))
COMPILER = os.environ.get("CC", "gcc").split()


def shell(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.name)
def test_headers_stand_alone(header, tmp_path):
    source = tmp_path / "alone.c"
    source.write_text(f"#include <facet/{header.name}>\n#include <facet/{header.name}>\n")
    strict = ["-I", str(ROOT / "include"), "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    shell([*COMPILER, "-std=c17", "-Wconversion", "-Wshadow", *strict, str(source)])
    empty = subprocess.run([*COMPILER, "-x", "c++", "-fsyntax-only", "-"], input="", text=True, capture_output=True)
    if empty.returncode != 0:
        pytest.skip("no C++ compiler")
    shell([*COMPILER, "-std=c++17", "-x", "c++", *strict, str(source)])


def declared():
    """Functions that the headers declare, and do not define themselves."""
    names = set()
    for header in HEADERS:
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        text = re.sub(r"^static inline .*?^}", "", text, flags=re.S | re.M)
        text = re.sub(r"^#.*?(?<!\\)$", "", text, flags=re.S | re.M)
        names |= set(re.findall(r"^(?!typedef)\w[\w *]*?\b(\w+)\(", text, flags=re.M))
    return names


@pytest.mark.parametrize("library", ["libfacet.so", "libfacet.a"])
def test_libraries_export_the_face_alone(library):
    dynamic = ["-D"] if library.endswith(".so") else ["-g"]
    listing = shell(["nm", *dynamic, "--defined-only", "-P", str(ROOT / "build" / library)])
    exported = {line.split()[0] for line in listing.splitlines() if len(line.split()) > 2}
    assert exported == declared()
    assert all(name.startswith("facet_") for name in exported)


def test_every_name_in_the_headers_is_facets():
    """Macros, types, enumerators and tags; those of fields and arguments clash with nobody's."""
    names = set()
    for header in HEADERS:
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        names |= set(re.findall(r"^# *define (\w+)", text, flags=re.M))
        names |= set(re.findall(r"\b(?:struct|enum|union) (\w+)", text))
        names |= set(re.findall(r"^typedef [^;{]*\b(\w+);", text, flags=re.M)) | set(re.findall(r"^} (\w+);", text, flags=re.M))
        for body in re.findall(r"\benum(?: \w+)? *\{([^}]*)\}", text):
            names |= set(re.findall(r"(\w+)(?: *=[^,}]*)?(?:,|\s*$)", body))
    assert {"FACET_OK", "FACET_VERSION_MAJOR", "FACET_MAX_AXES", "facet_error", "facet_network"} <= names
    assert not [name for name in names if not re.match("facet_|FACET_", name)]


def test_what_is_exported_neither_prints_nor_ends_the_process():
    """Along direct calls: what prints (facet inspect, progress, tables of the documents) is the program's alone."""
    if not shutil.which("objdump"):
        pytest.skip("no objdump")
    plain = lambda name: re.sub(r"\.(part|constprop|isra|cold|_omp_fn)\b.*", "", name)
    objects = [ROOT / "build" / source.relative_to(ROOT).with_suffix(".o") for source in (ROOT / "src").glob("*/*.c")]
    calls, inside = {}, set()
    for line in shell(["objdump", "-dr", "--no-show-raw-insn", *map(str, objects)]).splitlines():
        if begins := re.match(r"[0-9a-f]+ <(\S+)>:", line):
            inside = calls.setdefault(plain(begins[1]), set())
        elif found := re.search(r"\bR_\w+\s+([\w.]+)", line) or re.search(r"<([\w.]+)>$", line):
            inside.add(plain(found[1]))

    def reached(names):
        seen, new = set(), set(names)
        while new:
            seen |= new
            new = set().union(*(calls.get(name, ()) for name in new)) - seen
        return seen

    wrong = {"printf", "puts", "putchar", "stdout", "stderr", "perror", "exit", "_exit", "abort"}
    assert wrong & reached({"facet_progress_end"}) and wrong & reached({"facet_inspect"})
    assert len(reached(declared())) > 300
    assert not wrong & reached(declared())
