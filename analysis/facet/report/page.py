"""The page: what every section is given, its pictures, and the whole made of templates."""

from __future__ import annotations

import base64
import functools
import os
import pathlib
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup
from matplotlib.colors import to_hex

from facet.explain import check_sums
from facet.findings import has_failed
from facet.phase import now
from facet.plot.choice import seeds
from facet.plot.style import Look, Picture
from facet.plot.words import count, spoken
from facet.report import numbers
from facet.report.sections import SECTIONS, header, sentences, tiles

if TYPE_CHECKING:
    from facet.study import Study


LARGEST = 4 << 30  # bytes of a file that a report holds against its checksums: some seconds


@functools.cache
def templates() -> jinja2.Environment:
    """The templates of this folder; what they are given is escaped."""
    made = jinja2.Environment(loader=jinja2.PackageLoader("facet.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
                              undefined=jinja2.StrictUndefined)
    made.filters.update(count=count, spoken=spoken, small=numbers.small, percent=numbers.percent)
    return made


class Report:
    """The report of a study: every picture goes into the page and, under its own name, into the folder."""

    def __init__(self, study: Study, folder: pathlib.Path) -> None:
        self.study, self.folder = study, folder
        self.look = Look(study)
        self.pictures = 0
        self.anchors: set[str] = set()  # of figures and sections
        self.base = study.reference
        self.seeds = seeds(study)
        self.mean, self.deviation = (part[:, study.condition_index(self.base)] for part in study.folded("accuracy"))
        self.failed = {name for name in study.replicates if has_failed(study, name)} | set(study.failed)
        self.warned = {name for name, group in study.replicates.items()
                       for v in group if study.warnings(v) for name in (name, v)}
        self.checks = {v: check_sums(study, v) for v in study.linearized if study.linear(v).keep != "digest"} if "clean" in study.conditions else {}

    def figure(self, name: str, drawn: Picture | None) -> str:
        """Saves a picture as PNG and PDF and returns it as HTML; nothing for nothing."""
        if drawn is None:
            return ""
        self.pictures += 1
        self.anchors.add(name)
        drawn.settle()
        png = drawn.png()
        drawn.save(self.folder / f"{name}.pdf")
        (self.folder / f"{name}.png").write_bytes(png)
        text = templates().get_template("figure.html").render(
            name=name, number=self.pictures, caption=drawn.caption, width=round(drawn.get_size_inches()[0] * 120),
            data=base64.b64encode(png).decode())
        return Markup(text)

    def color(self, variant: str) -> str:
        return to_hex(self.look.color[variant])

    def section(self, name: str) -> str:
        """A section as HTML; nothing where the study holds nothing for it."""
        title, context = SECTIONS[name]
        found = context(self)
        if found is None:
            return ""
        anchor = title.lower().replace(" ", "-")
        self.anchors.add(anchor)
        text = templates().get_template(f"{name}.html").render(page=self, study=self.study, title=title, anchor=anchor, **found)
        return Markup(text)

    def holds(self) -> str:
        """Whether the file holds its checksums: what takes long to read is not read for that."""
        if os.path.getsize(self.study.path) > LARGEST:
            return Markup("It is large, and was not held against its checksums: <code>facet verify</code> does that.")
        if self.study.verified is None:
            return "It was not held against checksums: it has none that this program knows, or the program is not here."
        if self.study.verified:
            return "All of it, and the networks beside it, hold their checksums."
        return Markup('<span class="bad">It does not hold its checksums</span>, or something beside it does not: '
                      "<code>facet verify</code> says what.")

    def html(self) -> str:
        """The whole page."""
        made = {}
        for number, (name, (title, _)) in enumerate(SECTIONS.items(), 1):
            now(f"drawing {title.lower()}, {number} of {len(SECTIONS)}")
            made[name] = self.section(name)
        now("holding checksums against the file")
        links = [(title.lower().replace(" ", "-"), title) for name, (title, _) in SECTIONS.items() if made[name]]
        return templates().get_template("page.html").render(
            study=self.study, facts=header(self), tiles=tiles(self), findings=sentences(self), links=links, sections=[text for text in made.values() if text],
            file=pathlib.Path(self.study.path).name, holds=self.holds())
