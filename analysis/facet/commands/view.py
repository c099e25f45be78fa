"""python3 -m facet view: a study as one page that holds the viewer and itself, and opens by a double click.

`facet view STUDY.h5` shows all of a study; this is what fits into a file to be sent to somebody."""

from __future__ import annotations

import argparse
import base64
import gzip
import html
import os
import pathlib
import re

import facet
from facet.errors import CANNOT_CREATE, NO_INPUT, USAGE, FacetError
from facet.extract import Extract, cuts, expected
from facet.phase import Phases, now
from facet.study import Study

PLACE = "@STUDY@"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY.h5")
    parser.add_argument("-o", "--out", metavar="PAGE.html", help="the page (default: study.html, beside the study file)")
    parser.add_argument("--size", type=float, default=30, metavar="MB", help="how large it may become (default: 30)")


def run(options: argparse.Namespace) -> None:
    out = pathlib.Path(options.out) if options.out else pathlib.Path(options.study).parent / "study.html"
    if not options.size > 0:
        raise FacetError(f"--size: {options.size} MB is no size", USAGE)
    text = template()
    with Phases("view"), facet.open(options.study) as study:
        page, left_out = make(study, text, int(options.size * 1e6))
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise FacetError(f"{out}: {error.strerror}", CANNOT_CREATE) from error
    print(f"{out}: {len(page) / 1e6:.1f} MB; not in it, but in {options.study}:")
    for line in left_out:
        print(f"  {line}")


def places() -> list[pathlib.Path]:
    """Folders that may hold the built viewer: of a checkout, and as it is installed."""
    told = os.environ.get("FACET_VIEWER")
    if told:
        return [pathlib.Path(told)]
    above = pathlib.Path(__file__).resolve().parents[2]  # analysis
    return [above.parent / "build/viewer", above.parent / "viewer"]


def template() -> str:
    """The viewer as one page, with a place for the study."""
    for folder in places():
        page = folder / "single.html"
        if page.is_file():
            text = page.read_text(encoding="utf-8")
            if text.count(PLACE) != 1:
                raise FacetError(f"{page}: has no place for a study")
            return text
    raise FacetError(f"no built viewer in {' or '.join(map(str, places()))}: make viewer builds it, and FACET_VIEWER names its folder",
                     NO_INPUT)


def make(study: Study, text: str, most: int) -> tuple[str, list[str]]:
    """The page, in at most so many bytes, and what of the study is not in it."""
    text = re.sub("<title>.*?</title>", lambda _: f"<title>{html.escape(study.name)}</title>", text, count=1, flags=re.S)
    room = (most - len(text.encode())) * 3 // 4
    now("looking for what fits")
    for number, cut in enumerate(cuts(study), 1):
        if 0.75 * expected(study, cut) > room:
            continue
        now(f"packing the study, choice {number} of what is left out")
        extract = Extract(study, cut)
        packed = gzip.compress(extract.bytes(), 6, mtime=0)
        if len(packed) <= room:
            return text.replace(PLACE, base64.b64encode(packed).decode()), extract.left_out()
    raise FacetError(f"{study.path}: does not fit into a page of {most / 1e6:g} MB; give it more by --size")
