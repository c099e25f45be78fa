"""python3 -m facet report: writes the report of a study."""

from __future__ import annotations

import argparse
import pathlib

import facet
from facet import report
from facet.phase import Phases, now


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY.h5")
    parser.add_argument("--out", metavar="DIR", help="folder to write to (default: report, beside the study file)")


def run(options: argparse.Namespace) -> None:
    folder = pathlib.Path(options.out) if options.out else pathlib.Path(options.study).parent / "report"
    with Phases("report"):
        now("opening the study")
        with facet.open(options.study) as study:
            made = report.write(study, folder)
    for variant, (samples, rows, worst, split) in made.checks.items():
        print(f"{variant}: sum of contributions + b = F to {worst:.1e}, b by node = b to {split:.1e} "
              f"({rows} rows of {samples} samples, float64)")
    print(f"facet report: {folder / 'report.html'}")
