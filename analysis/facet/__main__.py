"""The commands: python3 -m facet COMMAND. Exit status as in the program: 64 wrong usage, 65 bad input, 66 input missing,
69 a package that is not installed, 73 cannot create output, 74 reading or writing failed."""

from __future__ import annotations

import argparse
import importlib
import os
import pathlib
import sys
import tempfile

from facet import __version__
from facet.errors import BAD_INPUT, IO, NOT_THERE, USAGE, FacetError

# {command: (module, what it does)}; a module has arguments(parser) and run(options)
COMMANDS = {
    "report": ("facet.commands.report", "the report of a study: one HTML page, and its pictures"),
    "view": ("facet.commands.view", "a study and the viewer as one page, which opens by a double click"),
    "masks": ("facet.commands.masks", "masks of torch.nn.utils.prune to a mask file of facet, and back"),
    "pack": ("facet.commands.pack", "a data set (ImageFolder, PyTorch, Hugging Face, CSV) as one HDF5 file that studies read"),
    "parquet": ("facet.commands.parquet", "a study's numbers as tidy tables in Parquet"),
    "sheet": ("facet.commands.sheet", "one sample under all corruptions that `facet corrupt` wrote"),
}


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m facet", description="facet's result files and masks in Python.")
    parser.add_argument("--version", action="version", version=f"facet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, what) in COMMANDS.items():
        commands.add_parser(name, help=what)
    return parser


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]


def run(words: list[str]) -> int:
    """Exit status of a command; what is wrong goes to stderr, one line."""
    name = words[0] if words else ""
    if name not in COMMANDS:
        arguments().parse_args(words)
        return 0
    module, what = COMMANDS[name]
    command = importlib.import_module(module)
    parser = argparse.ArgumentParser(prog=f"python3 -m facet {name}", description=what[0].upper() + what[1:] + ".")
    command.arguments(parser)
    options = parser.parse_args(words[1:])
    try:
        command.run(options)
    except FacetError as error:
        print(f"facet {name}: {error}", file=sys.stderr)
        return error.status
    except (LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        if "study" not in options or os.environ.get("FACET_TRACEBACK"):
            raise
        print(f"facet {name}: {options.study}: could not be read to the end ({type(error).__name__}: {first_line(error)}): the file "
              "may be damaged (facet verify), or this is a fault of facet's (FACET_TRACEBACK=1 shows where)", file=sys.stderr)
        return BAD_INPUT
    except ModuleNotFoundError as error:
        print(f"facet {name}: the Python package {error.name} is not installed", file=sys.stderr)
        return NOT_THERE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"facet {name}: {where}{error.strerror or str(error).splitlines()[0]}", file=sys.stderr)
        return IO
    return 0


def main(words: list[str] | None = None) -> int:
    if "MPLCONFIGDIR" not in os.environ and not os.access(pathlib.Path.home(), os.W_OK):
        os.environ["MPLCONFIGDIR"] = tempfile.mkdtemp()  # matplotlib would complain about a home it cannot write to
    try:
        return run(sys.argv[1:] if words is None else words)
    except SystemExit as usage:  # argparse says 2; the program says 64
        return USAGE if usage.code == 2 else int(usage.code or 0)


if __name__ == "__main__":
    sys.exit(main())
