"""What the program found that the data supports, in sentences, and which variants have failed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from facet.hdf import strings

if TYPE_CHECKING:
    from facet.study import Study


@dataclass(frozen=True)
class Finding:
    """A sentence or two, what they are about, where the viewer shows it (the fragment of its address), and the numbers."""

    about: str
    text: str
    view: str
    numbers: dict[str, Any] = field(repr=False)


def findings(study: Study) -> list[Finding]:
    """Those that say something; none in files that were made before there were any."""
    if "findings/text" not in study.file:
        return []
    columns = [strings(study.file[f"findings/{name}"]) for name in ("finding", "text", "view", "number")]
    return [Finding(about, text, view, json.loads(numbers)) for about, text, view, numbers in zip(*columns) if text]


def failed(study: Study) -> list[str]:
    """Names of the variants that have failed; none in files that do not say so."""
    if "summary/failed" not in study.file:
        return []
    return [name for name, mark in zip(study.variants, study.file["summary/failed"][()] == 1) if mark]


def has_failed(study: Study, name: str) -> bool:
    """Whether all of a group of replicates has, or a variant."""
    return set(study.replicates.get(name, [name])) <= set(study.failed)


def sound(study: Study, variants: list[str]) -> list[str]:
    """Those of some variants that have not failed; all of them, if all have."""
    return [v for v in variants if v not in study.failed] or variants


def living(study: Study, name: str) -> list[str]:
    """The same of a group of replicates: those whose numbers are its."""
    return sound(study, study.replicates[name])
