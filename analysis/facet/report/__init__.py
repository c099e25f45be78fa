"""The report of a study: one HTML page that holds its pictures, and the pictures beside it as PNG and PDF."""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from facet.errors import CANNOT_CREATE, StudyError
from facet.phase import now

if TYPE_CHECKING:
    from facet.report.page import Report
    from facet.study import Study


@contextlib.contextmanager
def collected_rarely() -> Iterator[None]:
    """Figures are a great many objects, almost all of them needed: looking for cycles among them takes a seventh of a report."""
    before = gc.get_threshold()
    gc.set_threshold(before[0] and max(before[0], 50_000), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def write(study: Study, folder: str | os.PathLike[str]) -> Report:
    """Writes report.html and its pictures into a folder, which is made if need be."""
    from facet.report.page import Report

    place = pathlib.Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"{place}: {error.strerror}", CANNOT_CREATE) from error
    now("adding up contributions")
    with collected_rarely():
        report = Report(study, place)
        (place / "report.html").write_text(report.html(), encoding="utf-8")
    return report
