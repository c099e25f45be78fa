"""The library's face: headers that stand alone, and libraries that export what the headers declare and nothing else."""

import os
import re
import subprocess

import pytest
from conftest import ROOT

HEADERS = sorted((ROOT / "include" / "facet").glob("*.h"))
COMPILER = os.environ.get("CC", "gcc").split()


def shell(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
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
