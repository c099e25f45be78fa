"""What make install leaves: a tree that says what it is, against which C and C++ compile, link and run, wherever it lies;
from a clone or a tarball, by whoever builds."""

import contextlib
import os
import pathlib
import platform
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import types

import numpy as np
import onnx
import pytest
from conftest import BUILD, PATIENCE, ROOT, environment
from onnx import TensorProto, helper, numpy_helper

COMPILER = os.environ.get("CC", "gcc").split()
VERSION = ".".join(re.findall(r"define FACET_VERSION_(?:MAJOR|MINOR|PATCH) +(\d+)", (ROOT / "include/facet/base.h").read_text()))
OUTSIDE = {name: value for name, value in environment().items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
OUTSIDE |= {"CCACHE_DISABLE": "1"}  # nobody has no cache
if "-- " in os.environ.get("MAKEFLAGS", ""):  # variables of the make that runs this; the rest of it is its own
    OUTSIDE["MAKEFLAGS"] = os.environ["MAKEFLAGS"][os.environ["MAKEFLAGS"].index("-- "):]
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def shell(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def make(*arguments, folder=ROOT, by=(), **options):
    return subprocess.run([*by, "make", *arguments], cwd=folder, env=OUTSIDE, capture_output=True, text=True, timeout=600,
                          **options)


def install(**variables):
    """Where files are nobody else's unless that is asked for; of what is built, which others are at work with."""
    done = make("install", "-o", "all", *(f"{name}={value}" for name, value in variables.items()), umask=0o077)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    install(PREFIX=prefix)
    return prefix


@pytest.fixture(scope="module")
def spaced(tmp_path_factory):
    """DESTDIR, and what PREFIX lies under it, both with spaces and worse; LIBDIR as a packager has it."""
    root, prefix = tmp_path_factory.mktemp("a stage"), "/opt/my facet's"
    install(DESTDIR=root, PREFIX=prefix, LIBDIR=f"{prefix}/lib64")
    return root, prefix


def flags(library, *options):
    """pkg-config's words, of facet.pc in folder `library`."""
    said = shell(["pkg-config", *options, "facet"], env={**os.environ, "PKG_CONFIG_PATH": f"{library}/pkgconfig"})
    return shlex.split(said)


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
                             text=True, timeout=PATIENCE)
    assert missing.returncode == 66
    assert missing.stderr == "none.onnx: No such file or directory\n"


def test_the_installed_tree(installed):
    assert flags(installed / "lib", "--modversion") == [VERSION]
    headers = sorted(header.name for header in (ROOT / "include/facet").glob("*.h"))
    assert sorted(header.name for header in (installed / "include" / "facet").iterdir()) == headers
    assert f"facet {VERSION} " in shell([str(installed / "bin" / "facet"), "--version"])
    soname = re.search(r"SONAME.*\[(.*)\]", shell(["readelf", "-d", str(installed / "lib" / "libfacet.so")]))[1]
    assert (installed / "lib" / soname).resolve() == installed / "lib" / f"libfacet.so.{VERSION}"
    for name in ("LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff"):
        assert (installed / "share/doc/facet" / name).read_bytes() == (ROOT / name).read_bytes()
    for folder, target in (("docs", "share/doc/facet/docs"), ("jobs", "share/facet/jobs"), ("analysis", "share/facet/analysis")):
        for file in (ROOT / folder).glob("*.*"):
            if file.is_file() and not file.name.startswith(".") and file.suffix != ".1":
                assert (installed / target / file.name).read_bytes() == file.read_bytes()


def test_nothing_but_what_is_named_is_installed(installed):
    """No caches, no folders of tools, nothing that others may not read; and no path of it lies in a text."""
    for path in installed.rglob("*"):
        assert not re.search(r"__pycache__|/\.|\.pyc$|egg-info", str(path.relative_to(installed))), path
        assert path.stat().st_mode & 0o444 == 0o444 and (path.is_file() or path.stat().st_mode & 0o111 == 0o111), path
    binary = [installed / "bin", installed / "lib"]
    for path in (path for path in installed.rglob("*") if path.is_file() and path.parent not in binary):
        assert os.fsencode(ROOT) not in path.read_bytes(), path


def test_the_library_wants_neither_mpi_nor_scalapack(installed):
    """What libfacet.so itself names, what pkg-config says for it and for the static library, and what the latter calls."""
    foreign = re.compile(r"mpi(?!.*hdf5)|scalapack|blacs", re.I)
    needed = re.findall(r"NEEDED.*\[(.*)\]", shell(["readelf", "-d", str(installed / "lib" / "libfacet.so")]))
    assert len(needed) > 4 and not [name for name in needed if foreign.search(re.sub("hdf5_[a-z]*mpi[a-z]*", "hdf5", name))]
    assert [word for word in flags(installed / "lib", "--libs") if not word.startswith("-L")] == ["-lfacet"]
    static = flags(installed / "lib", "--static", "--libs")
    named = [word for word in static if word.startswith("-l")]
    assert "-lhdf5" in named and "-ldnnl" in named
    assert not [name for name in named if foreign.search(name)]
    undefined = shell(["nm", "-u", "-P", str(installed / "lib" / "libfacet.a")]).split()
    assert "H5Fopen" in undefined or "H5open" in undefined
    assert not [name for name in undefined if re.match(r"MPI_|PMPI_|ompi_|Cblacs|p[sd]ge", name)]


CPP = """\
#include <facet/facet.h>
#include <cstdio>
#if !FACET_VERSION_AT_LEAST(0, 1, 0)
#error "too old"
#endif
int main()
{
  facet_network *network = nullptr;
  facet_status status = facet_onnx_read("model.onnx", &network);
  if (status == FACET_OK)
    std::printf("%s %lld\\n", facet_version(), static_cast<long long>(facet_network_inputs(network)));
  facet_network_destroy(&network);
  return status;
}
"""


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_cpp_against_a_path_with_spaces(kind, spaced, tmp_path):
    if not shutil.which("g++"):
        pytest.skip("no C++ compiler")
    root, prefix = spaced
    library = f"{root}{prefix}/lib64"
    compile_flags, libs = flags(library, "--cflags"), flags(library, *(["--static"] if kind == "static" else []), "--libs")
    assert compile_flags == [f"-I{prefix}/include"] and libs[:2] == [f"-L{prefix}/lib64", "-lfacet"]
    here = [word.replace(prefix, f"{root}{prefix}") for word in [*compile_flags, *libs]]
    if kind == "static":
        here[here.index("-lfacet")] = "-l:libfacet.a"
    (tmp_path / "example.cpp").write_text(CPP)
    make_model(tmp_path / "model.onnx")
    shell(["g++", "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "example.cpp", "-o", "example", *here], cwd=tmp_path)
    places = {**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, [library, os.environ.get("LD_LIBRARY_PATH")]))}
    assert shell([str(tmp_path / "example")], cwd=tmp_path, env=places) == f"{VERSION} 8\n"


def test_prefixes_that_are_refused():
    for variable in ("PREFIX=somewhere", "LIBDIR=lib"):
        done = make("install", "-o", "all", variable)
        assert done.returncode != 0
        assert [line for line in done.stderr.splitlines() if not line.startswith("make: ***")] == [
            f"install: '{variable.split('=')[1]}' is no absolute path (PREFIX, LIBDIR); DESTDIR may stand before it"]
        assert not (ROOT / "somewhere").exists() and not (ROOT / "lib").exists()


# ---- manual page, completion, Python ----


def test_the_manual_page(installed):
    page = installed / "share/man/man1/facet.1"
    assert page.read_text() == shell([sys.executable, str(ROOT / "tools/man"), str(ROOT / "build/facet")]), "run make docs"
    help_says = shell([str(installed / "bin/facet"), "--help"])
    for word in re.findall(r"^  facet (\w+)", help_says, flags=re.M):
        assert f"\\fBfacet\\fR \\fB{word}\\fR" in page.read_text()
    if not shutil.which("man"):
        pytest.skip("no man")
    done = subprocess.run(["man", "-l", "--warnings=w", str(page)], capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C.UTF-8", "MANPAGER": "cat", "MANWIDTH": "100"})
    assert done.returncode == 0 and done.stderr == ""
    for line in ("facet run STUDY.yaml [-n RANKS] [--fresh]", "65     bad input", "FACET_MPIRUN"):
        assert line in done.stdout, done.stdout


def complete(installed, folder, line):
    """What bash offers where `line` ends: the words, as readline would get them."""
    words = line.split(" ")
    script = f"""
source {shlex.quote(str(installed / "share/bash-completion/completions/facet"))}
COMP_WORDS=({" ".join(map(shlex.quote, words))}) COMP_CWORD={len(words) - 1}
_facet facet {shlex.quote(words[-1])} {shlex.quote(words[-2])} 2>&1
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    places = {**os.environ, "PATH": f"{installed / 'bin'}:{os.environ['PATH']}"}
    return sorted(filter(None, shell(["bash", "--norc", "-c", script], cwd=folder, env=places).splitlines()))


def test_completion(installed, tmp_path):
    for name in ("my study.yaml", "other.yml", "net.onnx", "study.h5", "note.txt"):
        (tmp_path / name).touch()
    (tmp_path / "more").mkdir()
    offer = lambda line: complete(installed, tmp_path, line)
    commands = re.findall(r"^  facet (\w+) ", shell([str(installed / "bin/facet"), "--help"]), flags=re.M)
    assert "run" in commands and offer("facet ") == sorted([*commands, "--help", "--version"])
    assert offer("facet ru") == ["run"]
    assert offer("facet run ") == ["more", "my study.yaml", "other.yml"]
    assert offer("facet run m") == ["more", "my study.yaml"]
    assert offer("facet run -") == ["--fresh", "--help", "--profile", "-n"]
    assert offer("facet run --f") == ["--fresh"]
    assert offer("facet run -n ") == []
    assert offer("facet run -n 4 o") == ["other.yml"]
    assert offer("facet run other.yml ") == []
    assert offer("facet inspect ") == ["more", "net.onnx"]
    assert offer("facet checksum ") == ["more", "study.h5"]
    assert offer("facet check -") == ["--help", "--verbose", "-n"]
    assert offer("facet corrupt other.yml ") == ["more"]
    assert offer("facet nothing ") == []


def test_the_python_side(installed):
    """As files, and as what pip takes; nothing of it is lost on the way."""
    tree = installed / "share/facet/analysis"
    modules = sorted(str(file.relative_to(ROOT / "analysis")) for file in (ROOT / "analysis").rglob("*.py")
                     if "/build/" not in str(file) and "/viewer/" not in str(file))
    assert not (tree / "viewer").exists()  # of which what was built is installed
    assert modules and sorted(str(file.relative_to(tree)) for file in tree.rglob("*.py")) == modules
    with tarfile.open(installed / f"share/facet/facet-{VERSION}.tar.gz") as archive:
        inside = {member.name for member in archive.getmembers() if member.isfile()}
        assert {member.uid for member in archive.getmembers()} == {0}
    assert inside == {f"facet-{VERSION}/{file.relative_to(tree)}" for file in tree.rglob("*") if file.is_file()}


def test_the_installed_python_side_calls_the_installed_library(installed):
    code = "import facet.library as l; print(l.library().path); import facet; print(facet.__file__)"
    places = {name: value for name, value in OUTSIDE.items() if name not in ("FACET_LIBRARY", "LD_LIBRARY_PATH")}
    places["PYTHONPATH"] = str(installed / "share/facet/analysis")
    said = shell([sys.executable, "-B", "-c", code], cwd="/", env=places)
    library, package = said.split()
    assert pathlib.Path(library).resolve() == installed / f"lib/libfacet.so.{VERSION}"
    assert package.startswith(str(installed))


def test_pip_takes_the_python_side(installed, tmp_path):
    """With what it needs to run beside code: templates and types."""
    pytest.importorskip("setuptools")
    options = ["-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(tmp_path)]
    shell([sys.executable, "-m", "pip", "install", *options, str(installed / f"share/facet/facet-{VERSION}.tar.gz")],
          env={**OUTSIDE, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    wanted = {str(file.relative_to(ROOT / "analysis")) for file in (ROOT / "analysis/facet").rglob("*")
              if file.is_file() and file.suffix in (".py", ".html", ".css", ".typed") or file.name == "py.typed"}
    assert len(wanted) > 30 and not [name for name in wanted if not (tmp_path / name).exists()]


# ---- from where, by whom ----


def git(*words):
    """What git says here, whoever the clone belongs to."""
    if not (ROOT / ".git").exists():
        pytest.skip("no clone")
    with tempfile.NamedTemporaryFile("w") as settings:
        settings.write("[safe]\n\tdirectory = *\n")
        settings.flush()
        return subprocess.run(["git", *words], cwd=ROOT, env={**os.environ, "GIT_CONFIG_GLOBAL": settings.name}, stdout=subprocess.PIPE,
                              check=True).stdout


def unpack(folder):
    """What git archive makes of the last commit, without a .git; returns the commit."""
    archive = git("archive", "HEAD")
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-xf", "-"], input=archive, cwd=folder, check=True)
    return git("rev-parse", "HEAD").decode().strip()


def revision(folder, by=()):
    return shell([*by, "tools/revision"], cwd=folder, env=OUTSIDE).strip()


def built_from_objects(folder):
    """Builds the program there, taking over all objects but those that the commit makes new; what --version says."""
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))
    for path in (ROOT / "build").iterdir():
        if path.name in ("src", "mpi", "generated"):
            shutil.copytree(path, folder / "build" / path.name)
        elif path.is_file() and path.name != "revision" and path.suffix not in (".a", ".so"):
            (folder / "build").mkdir(exist_ok=True)
            shutil.copy2(path, folder / "build")
    done = make("build/facet", "V=", folder=folder)
    assert done.returncode == 0, done.stderr
    compiled = re.findall(r"^  cc (.*)", done.stdout, flags=re.M)
    assert "src/base/version.c" in compiled and len(compiled) < 20, done.stdout
    return shell([str(folder / "build/facet"), "--version"], env=OUTSIDE)


def test_the_commit_of_a_tarball(tmp_path):
    commit = unpack(tmp_path / "with space/facet")
    said = revision(tmp_path / "with space/facet")
    assert len(said) >= 7 and commit.startswith(said)
    shell(["git", "init", "-q", "."], cwd=tmp_path)
    assert revision(tmp_path / "with space/facet") == said
    assert built_from_objects(tmp_path / "with space/facet").startswith(f"facet {VERSION} ({said})\n")
    script = tmp_path / "with space/facet/tools/revision"
    script.write_text(script.read_text().replace(said, "$" + "Format:%h$"))
    assert revision(tmp_path / "with space/facet") == "unknown"  # a copy of no clone, inside another repository


def test_a_clone_of_somebody_else():
    """Who owns the folder does not matter to the commit's name; who may not write there is told so in a line."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        git("clone", "-q", "--depth", "1", f"file://{ROOT}", f"{name}/a clone")
        shutil.copy(ROOT / "Makefile", f"{name}/a clone")
        shutil.copytree(ROOT / "tools", f"{name}/a clone/tools", dirs_exist_ok=True)
        assert revision(f"{name}/a clone", NOBODY) == revision(f"{name}/a clone") != "unknown"
        refused = make("build/revision", folder=f"{name}/a clone", by=NOBODY)
        assert refused.returncode != 0
        assert re.fullmatch(r"Makefile:\d+: \*\*\* .*/a clone is not yours to write in: build a copy\.  Stop\.\n", refused.stderr)
        for path in (pathlib.Path(name) / "a clone", *(pathlib.Path(name) / "a clone").rglob("*")):
            os.lchown(path, 65534, 65534)
        os.mkdir(f"{name}/scratch")  # where the machine's own may be another's
        os.chown(f"{name}/scratch", 65534, 65534)
        built = make("build/src/base/version.o", "CFLAGS=-DTEXT='\"a\"'", folder=f"{name}/a clone",
                     by=[*NOBODY, "env", f"TMPDIR={name}/scratch"])
        assert built.returncode == 0, built.stderr
        strings = (pathlib.Path(name) / "a clone/build/src/base/version.o").read_bytes()
        assert revision(f"{name}/a clone").encode() in strings and b"-DTEXT='\"a\"'" in strings


# ---- what is said in several places ----


def test_versions_agree():
    change = re.search(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)[1]
    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), flags=re.M)[1]
    assert (change, citation) == (VERSION, VERSION)
    package = ROOT / "analysis/facet/__init__.py"
    if package.exists():
        assert re.search(r'__version__ = "(.*)"', package.read_text())[1] == VERSION


def read_recipe(monkeypatch):
    """The class of the Spack recipe, in a Spack of nothing but words: what it depends on, and its module."""
    wanted = []
    words = {name: lambda *args, **more: None for name in ("license", "version", "variant", "resource")}
    words |= {"depends_on": lambda what, **more: wanted.append(what), "when": lambda _: contextlib.nullcontext(),
              "default_args": lambda **more: contextlib.nullcontext(), "join_path": os.path.join}
    for name in ("spack_repo", "spack_repo.builtin", "spack_repo.builtin.build_systems", "spack"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    makefile = types.ModuleType("spack_repo.builtin.build_systems.makefile")
    makefile.MakefilePackage = object
    monkeypatch.setitem(sys.modules, makefile.__name__, makefile)
    package = types.ModuleType("spack.package")
    vars(package).update(words)
    monkeypatch.setitem(sys.modules, package.__name__, package)
    return runpy.run_path(str(ROOT / "packaging/spack_repo/facet/packages/facet/package.py")), wanted


def test_the_spack_recipe(monkeypatch):
    """It builds the clone it lies in, hands the Makefile variables that this or the probe knows, and knows all libraries."""
    module, wanted = read_recipe(monkeypatch)
    assert module["CLONE"] == str(ROOT)
    library = types.SimpleNamespace(mpicc="mpicc", prefix="/there", libs=types.SimpleNamespace(ld_flags="-lx"))

    class Spec(dict):
        __missing__ = lambda self, name: library
        satisfies = lambda self, what: what == "build_type=Debug"

    recipe = module["Facet"]()
    recipe.spec, recipe.prefix, recipe.stage = Spec(), "/opt", types.SimpleNamespace(source_path="/stage")
    assert {"CFLAGS=-O0", "HDF5_DIR=/there", "ONNX_PROTO=/stage/onnx-schema/onnx/onnx.proto"} <= set(recipe.build_targets)
    assert recipe.install_targets == ["install", "PREFIX=/opt", *recipe.build_targets]
    known = (ROOT / "Makefile").read_text()
    for setting in recipe.build_targets:
        assert re.search(rf"\b{setting.split('=')[0]}\b", known), setting
    said = (ROOT / "tools/probe").read_text()
    libraries = {re.split(r"[@ ]", what)[0] for what in wanted}
    assert {"mpi", "hdf5", "scalapack", "openblas", "onednn", "protobuf-c", "libyaml", "libjpeg-turbo", "zlib-api", "openssl",
            "random123", "xxhash"} <= libraries
    assert len(re.findall(r"^ *find_library ", said, flags=re.M)) + 1 == 12  # and MPI
    package = (ROOT / "analysis/pyproject.toml").read_text()
    needs = re.search(r"^dependencies = \[(.*?)\]", package, flags=re.M)[1]
    needs = dict([("python", re.search('^requires-python = ">=(.*)"$', package, flags=re.M)[1]),
                  *(("py-" + name, oldest) for name, oldest in re.findall(r'"([\w-]+)>=([\d.]+)"', needs))])
    assert {f"{name}@{oldest}:" for name, oldest in needs.items()} == {what for what in wanted if what.startswith("py")}
    # Whatever else a package's class has, Spack may take for something of its own: its name, for one.
    assert {name for name in vars(module["Facet"]) if not name.startswith("__")} == {
        "git", "build_time_test_callbacks", "build_targets", "install_targets", "setup_run_environment", "test_version"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="no x86-64")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="kernels of other processors are of one kind")
def test_a_build_for_many_processors_chooses_kernels_too(tmp_path):
    """x86-64-v3 is what most machines of a cluster have at least: those that have AVX-512 use it."""
    found = pathlib.Path(shutil.copy(BUILD / "config.mk", tmp_path))  # nothing is looked for anew
    for asked, chooses in [("ARCH=x86-64-v3", True), ("CFLAGS=-march=x86-64-v3", True), ("ARCH=native", False), ("CFLAGS=-march=native", False)]:
        plan = make("-n", "-o", found, f"OUT={tmp_path}", asked, "all")
        assert plan.returncode == 0 and ("-mavx512f" in plan.stdout) == chooses, (asked, plan.stderr)


def test_what_a_wrapper_takes_for_granted(tmp_path):
    """As Spack's does, it names the processor where something is compiled, and not where it is preprocessed alone."""
    wrapper = tmp_path / "cc"
    wrapper.write_text('#!/bin/sh\nmode=-march=haswell\nfor word; do\n  case $word in\n  -E) mode= && break ;;\n'
                       '  -c) break ;;\n  esac\ndone\nexec cc $mode "$@"\n')
    wrapper.chmod(0o755)
    target = os.path.join(os.environ.get("FACET_BUILD", "build"), "mpi/program/processor.o")
    done = make("-n", "V=1", f"FOUND_CC={wrapper}", "-W", "mpi/program/processor.c", target)
    assert done.returncode == 0, done.stderr
    granted = re.search("-march=x86-64 -DFACET_GRANTED='\"(.*?)\"'", done.stdout)[1].split()
    assert {"AVX2", "FMA", "BMI2"} <= set(granted) and "AVX512F" not in granted


def test_the_image_builds_as_the_readme_says():
    recipe = (ROOT / "packaging/facet.def").read_text()
    script = re.search(r"^%post\n(.*?)(?=^%)", recipe, flags=re.M | re.S)[1]
    shell(["sh", "-n"], input=script)
    for target in re.findall(r"make ([a-z]+)", script):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.M), target
    for tool in re.findall(r"tools/(\w+)", script):
        assert (ROOT / "tools" / tool).exists()
