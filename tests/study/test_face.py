"""The library as others get it: headers that stand alone, libraries that export what the headers declare and nothing
else, and an installed tree against which the README's example compiles, links and runs."""

import os
import re
import subprocess

import numpy as np
import onnx
import pytest
from conftest import ROOT
from onnx import TensorProto, helper, numpy_helper

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


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    outside = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    shell(["make", "install", f"PREFIX={prefix}"], cwd=ROOT, env=outside)
    return prefix


def make_model(path):
    """Gemm, Relu, Gemm: 8 inputs, 5 hidden, 3 outputs."""
    random = np.random.default_rng(3)
    shapes = {"w1": (5, 8), "b1": (5,), "w2": (3, 5), "b2": (3,)}
    constants = [numpy_helper.from_array(random.normal(size=shape).astype(np.float32), name)
                 for name, shape in shapes.items()]
    nodes = [helper.make_node("Gemm", ["x", "w1", "b1"], ["z"], transB=1), helper.make_node("Relu", ["z"], ["h"]),
             helper.make_node("Gemm", ["h", "w2", "b2"], ["y"], transB=1)]
    value = lambda name, size: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", size])
    graph = helper.make_graph(nodes, "small", [value("x", 8)], [value("y", 3)], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def readme():
    """The example and the two commands that compile it."""
    section = (ROOT / "README.md").read_text().split("## As a C library")[1].split("\n## ")[0]
    return re.search(r"```c\n(.*?)```", section, flags=re.S)[1], re.findall(r"^    (cc example\.c .*)$", section, flags=re.M)


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_the_readme_example(kind, installed, tmp_path):
    example, commands = readme()
    command = {"shared": commands[0], "static": commands[1]}[kind]
    (tmp_path / "example.c").write_text(example)
    make_model(tmp_path / "model.onnx")
    places = {**os.environ, "PKG_CONFIG_PATH": str(installed / "lib" / "pkgconfig")}
    shell(["sh", "-c", command.replace("cc ", " ".join([*COMPILER, "-std=c17 -Wall -Wextra -Wpedantic -Werror "]), 1)],
          cwd=tmp_path, env=places)
    needed = shell(["readelf", "-d", "example"], cwd=tmp_path)
    assert ("libfacet.so" in needed) == (kind == "shared")
    if kind == "shared":
        places["LD_LIBRARY_PATH"] = ":".join(filter(None, [str(installed / "lib"), os.environ.get("LD_LIBRARY_PATH")]))
    said = shell([str(tmp_path / "example"), "model.onnx"], cwd=tmp_path, env=places)
    parameters, outputs, residual = re.fullmatch(r"(\d+) parameters, (\d+) outputs, residual (\S+)\n", said).groups()
    assert (parameters, outputs) == ("63", "3")
    assert 0 <= float(residual) < 1e-6
    missing = subprocess.run([str(tmp_path / "example"), "none.onnx"], cwd=tmp_path, env=places, capture_output=True,
                             text=True, timeout=60)
    assert missing.returncode == 66
    assert missing.stderr == "none.onnx: No such file or directory\n"


def test_the_installed_tree(installed):
    version = ".".join(re.findall(r"define FACET_VERSION_(?:MAJOR|MINOR|PATCH) +(\d+)", (ROOT / "include/facet/base.h").read_text()))
    places = {**os.environ, "PKG_CONFIG_PATH": str(installed / "lib" / "pkgconfig")}
    assert shell(["pkg-config", "--modversion", "facet"], env=places).strip() == version
    assert sorted(header.name for header in (installed / "include" / "facet").iterdir()) == [h.name for h in HEADERS]
    assert f"facet {version} " in shell([str(installed / "bin" / "facet"), "--version"])
    soname = re.search(r"SONAME.*\[(.*)\]", shell(["readelf", "-d", str(installed / "lib" / "libfacet.so")]))[1]
    assert (installed / "lib" / soname).resolve() == installed / "lib" / f"libfacet.so.{version}"
