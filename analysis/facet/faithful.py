"""What a study says of attributions: those of a sample by all methods, how faithful they are, and how far they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas

from facet.errors import StudyError, known, number_of
from facet.hdf import Array, plain, strings
from facet.linear import picture

if TYPE_CHECKING:
    from facet.study import Study

FIGURES = {"deletion": "deletion_area", "insertion": "insertion_area", "infidelity": "infidelity", "sensitivity": "sensitivity"}
AGREEMENT = ("spearman", "overlap")


@dataclass(repr=False)
class Attributed:
    """Attributions of k outputs of one sample in one variant, by the methods of the study."""

    sample: int
    variant: str
    method: list[str]
    cls: list[int]  # numbers of the classes that the outputs are of
    name: list[str]
    pixels: Array  # method x k x channel x y x x
    classes: list[str]  # all of the study
    path: str  # of the study

    def of(self, method: str, cls: str | int | None = None) -> Array:
        """By one method, of a class, a name or a number (default: the first of cls): channel x y x x."""
        if method not in self.method:
            raise StudyError(f"{self.path}: {known('method of attribution', method, self.method)}")
        try:
            number = self.cls[0] if cls is None else number_of("class", cls, self.classes)
        except StudyError as error:
            raise StudyError(f"{self.path}: {error}") from error
        if number not in self.cls:
            raise StudyError(f"{self.path}: class {self.classes[number]} of sample {self.sample} is not explained; explained: {', '.join(self.name)}")
        return np.asarray(self.pixels[self.method.index(method), self.cls.index(number)])

    def __repr__(self) -> str:
        return f"<facet.Attributed, sample {self.sample} of {self.variant}, {', '.join(self.name)}: {', '.join(self.method)}>"


def attributed(study: Study) -> list[str]:
    """Names of the variants whose outputs are attributed."""
    return [v for v in study.variants if f"attributions/{v}/attribution" in study.file]


def methods(study: Study) -> list[str]:
    return strings(study.file["attributions/method"]) if "attributions/method" in study.file else []


def measured(study: Study) -> bool:
    """Whether their faithfulness is measured, too."""
    return any(f"attributions/{v}/deletion" in study.file for v in attributed(study))


def _group(study: Study, variant: str) -> Any:
    study.variant_index(variant)
    if variant not in attributed(study):
        raise StudyError(f"{study.path}: there are no attributions of {variant} (attributions)")
    return study.file[f"attributions/{variant}"]


def attributions(study: Study, variant: str, sample: int) -> Attributed:
    group, there = _group(study, variant), study.numbers("attributions")
    at = np.flatnonzero(there == study.sample_index(sample))
    if not len(at):
        raise StudyError(f"{study.path}: there are no attributions of sample {sample}; those of {len(there)} samples are: "
                         "study.numbers('attributions')")
    rows, i = group["attribution"], int(at[0])
    cls = [int(k) for k in group["row"][i]]
    order = str(plain(rows.attrs.get("order", "channels_first")))
    return Attributed(int(sample), variant, methods(study), cls, [study.classes[k] for k in cls],
                      picture(rows[:, i].astype(float), study.shape, order, 2), study.classes, study.path)


def _measured(study: Study, variant: str) -> Any:
    group = _group(study, variant)
    if "deletion" not in group:
        raise StudyError(f"{study.path}: the faithfulness of attributions was not measured (attributions: faithfulness: false)")
    return group


def faithfulness(study: Study, fold: bool) -> pandas.DataFrame:
    if not attributed(study):
        raise StudyError(f"{study.path}: there are no attributions (attributions)")
    parts, names = [], methods(study)
    for variant in attributed(study):
        group = _measured(study, variant)
        cls = group["row"][()]
        index = pandas.MultiIndex.from_product([[variant], names, study.numbers("attributions"), range(cls.shape[1])],
                                               names=["variant", "method", "sample", "k"])
        table = pandas.DataFrame({name: group[array][()].ravel() for name, array in FIGURES.items()}, index=index)
        table.insert(0, "class", np.tile(cls.ravel(), len(names)).tolist())
        parts.append(table)
    table = pandas.concat(parts)
    return table.drop(columns="class").groupby(level=["variant", "method"], sort=False).mean() if fold else table


def agreement(study: Study, variant: str, what: str) -> pandas.DataFrame:
    group, names = _measured(study, variant), methods(study)
    if what not in AGREEMENT:
        raise StudyError(f"{study.path}: {known('figure of agreement', what, AGREEMENT)}")
    found = group[what][()].reshape(len(names), len(names), -1)
    there = np.isfinite(found)
    mean = np.where(there, found, 0).sum(axis=2) / np.where(there.any(axis=2), there.sum(axis=2), np.nan)
    return pandas.DataFrame(mean, index=pandas.Index(names, name="method"), columns=pandas.Index(names, name="other"))


def curves(study: Study, variant: str, which: str) -> Array:
    """Means over samples and rows of deletion or insertion: method x point."""
    found = _measured(study, variant)[which][()]
    return np.asarray(found.mean(axis=(1, 2)))
