"""What the program found that the data supports, in sentences, and which variants have failed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

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
    """Names of the variants that have failed: from the file, or by its rule (docs/results.md, Findings) where it is older."""
    if "summary/failed" in study.file:
        marks = study.file["summary/failed"][()] == 1
    else:
        accuracy = study.summary("accuracy")[:, study.condition_index(study.reference)]
        members = np.bincount(study.label[study.label >= 0], minlength=1)
        if not members.sum():
            return []
        chance = members.max() / members.sum()
        gain, dense = accuracy - chance, accuracy[0] - chance
        marks = (gain <= 5 * np.sqrt(chance * (1 - chance) / members.sum())) | ((dense > 0) & (gain < dense / 2))
    return [name for name, mark in zip(study.variants, marks) if mark]
