"""Tidy tables of pandas: the questions about many variants, samples, classes and layers at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas

from facet.errors import StudyError, known
from facet.findings import has_failed, living
from facet.hdf import Array, strings

if TYPE_CHECKING:
    from facet.study import Study


@dataclass(repr=False)
class Fragile:
    """The most fragile samples: `table`, one row each, indexed by their numbers, and `images`, count x channel x y x x."""

    table: pandas.DataFrame
    images: Array
    scale: float = 255.0  # the pixel value that is white

    def __repr__(self) -> str:
        return f"<facet.Fragile: {len(self.table)} samples, images {' x '.join(map(str, self.images.shape))}>\n{self.table}"

    def _repr_html_(self) -> str:
        from facet.plot.style import thumbnail

        shown = self.table.reset_index()
        shown.insert(0, "image", [thumbnail(image, self.scale) for image in self.images])
        return str(shown.to_html(escape=False, index=False))


def accuracy(study: Study, condition: str | None, fold: bool) -> pandas.DataFrame:
    conditions = study.conditions if condition is None else [study.conditions[study.condition_index(condition)]]
    at = [study.condition_index(c) for c in conditions]
    if not fold:
        index = pandas.MultiIndex.from_product([study.variants, conditions], names=["variant", "condition"])
        return pandas.DataFrame({"accuracy": study.summary("accuracy")[:, at].ravel()}, index=index)
    mean, deviation = study.folded("accuracy")
    index = pandas.MultiIndex.from_product([list(study.replicates), conditions], names=["replicate", "condition"])
    seeds = np.repeat([len(living(study, name)) for name in study.replicates], len(at))
    return pandas.DataFrame({"mean": mean[:, at].ravel(), "deviation": deviation[:, at].ravel(), "seeds": seeds}, index=index)


def fragile(study: Study, count: int, cls: str | int | None) -> Fragile:
    if "fragility/rank" not in study.file:
        raise StudyError(f"{study.path}: holds nothing about fragile samples (/fragility)")
    if count < 0:
        raise StudyError(f"{study.path}: {count} samples")
    if cls is None:
        rank = study.file["fragility/rank"][:count]
    else:
        rank = study.file["fragility/class_rank"][study.class_index(cls), :count]
    rank = rank[rank >= 0]
    order = np.argsort(rank)
    at, back = rank[order], np.argsort(order)  # h5py wants numbers that grow
    columns: dict[str, Any] = {"class": [study.classes[k] if k >= 0 else "" for k in study.label[rank]]}
    for name in ("flips", "worst_margin", "margin_drop", "exemplar"):
        columns[name] = study.file[f"fragility/{name}"][()][rank]
    columns["exemplar"] = columns["exemplar"].astype(bool)
    table = pandas.DataFrame(columns, index=pandas.Index(rank, name="sample"))
    return Fragile(table, np.asarray(study.file["image"][at])[back], float(study.attrs.get("normalize_scale", 255.0)))


def class_damage(study: Study, condition: str | None, origin: str) -> pandas.DataFrame:
    c, v = study.condition_index(study.reference if condition is None else condition), study.variant_index(origin)
    by_class = _accuracy_by_class(study, c)
    mean, _ = study.spread(by_class - by_class[v])
    return pandas.DataFrame(mean, index=pandas.Index(list(study.replicates), name="replicate"),
                            columns=pandas.Index(study.classes, name="class"))


def _accuracy_by_class(study: Study, c: int) -> Array:
    """V x K under one condition."""
    if "summary/by_class/accuracy_mean" in study.file:
        return np.asarray(study.file["summary/by_class/accuracy_mean"][:, c])
    found = np.full((len(study.variants), len(study.classes)), np.nan)
    for v in range(len(study.variants)):
        right = study.file["prediction/class"][v, c] == study.label
        for k in range(len(study.classes)):
            if (study.label == k).any():
                found[v, k] = right[study.label == k].mean()
    return found


def removed_by_layer(study: Study) -> dict[str, dict[str, float]]:
    """{group of replicates: {layer: share of its weights that is gone}}, means over seeds that have not failed; of groups that say so."""
    found = {}
    for name in study.replicates:
        recipes = [study.recipe(v) for v in living(study, name)]
        if all("layer" in r and "layer_achieved" in r for r in recipes):
            gone = np.mean([np.atleast_1d(r["layer_achieved"]).astype(float) for r in recipes], axis=0)
            found[name] = dict(zip(map(str, np.atleast_1d(recipes[0]["layer"])), gone.tolist()))
    return found


def layer_sparsity(study: Study) -> pandas.DataFrame:
    rows = removed_by_layer(study)
    if not rows:
        raise StudyError(f"{study.path}: says nothing of layers")
    for name, row in rows.items():
        row["whole network"] = float(np.mean([float(study.recipe(v).get("achieved", np.nan)) for v in living(study, name)]))
    table = pandas.DataFrame.from_dict(rows, orient="index")
    table = table[[name for name in table.columns if name != "whole network"] + ["whole network"]]
    return table.rename_axis(index="replicate", columns="layer")


def costs(study: Study) -> pandas.DataFrame:
    names = list(study.file.get("cost", ()))
    return pandas.DataFrame({name: study.file[f"cost/{name}"][()] for name in names},
                            index=pandas.Index(study.variants, name="variant"))


def cost(study: Study, what: str) -> pandas.Series[float]:
    if f"cost/{what}" not in study.file:
        raise StudyError(f"{study.path}: {known('cost', what, study.file.get('cost', ()))}")
    return pandas.Series(study.file[f"cost/{what}"][()].astype(float), index=pandas.Index(study.variants, name="variant"),
                         name=what)


def pareto(study: Study, what: str, condition: str | None) -> pandas.DataFrame:
    c = study.condition_index(study.reference if condition is None else condition)
    price, _ = study.spread(cost(study, what).to_numpy())
    mean, deviation = (part[:, c] for part in study.folded("accuracy"))
    table = pandas.DataFrame({what: price, "accuracy": mean, "deviation": deviation},
                             index=pandas.Index(list(study.replicates), name="replicate"))
    gone = np.array([has_failed(study, name) for name in study.replicates])
    beaten = [bool(np.any(~gone & (price <= p) & (mean >= a) & ((price < p) | (mean > a)))) for p, a in zip(price, mean)]
    table["best"] = ~np.array(beaten) & np.isfinite(price) & np.isfinite(mean) & ~gone
    return table.sort_values([what, "accuracy"], ascending=[True, False])


def tidy(study: Study, paths: tuple[str, ...], pick: dict[str, Any]) -> pandas.DataFrame:
    if not paths:
        raise StudyError(f"{study.path}: which array? " + known("array", "", study.arrays()).partition(": ")[2])
    arrays = {path: study.labelled(path, **pick) for path in paths}
    dims = {path: array.dims for path, array in arrays.items()}
    if len(set(dims.values())) > 1:
        raise StudyError(f"{study.path}: " + "; ".join(f"{path} has the dimensions {', '.join(map(str, d))}" for path, d in dims.items())
                         + ": no one table holds them")
    short = [path.rpartition("/")[2] for path in paths]
    names = short if len(set(short)) == len(short) else [path.replace("/", "_") for path in paths]
    first = next(iter(arrays.values()))
    if not first.dims:
        return pandas.DataFrame({name: [array.item()] for name, array in zip(names, arrays.values())})
    index = pandas.MultiIndex.from_product([first[d].values for d in first.dims], names=[str(d) for d in first.dims])
    columns = {name: array.values.ravel() for name, array in zip(names, arrays.values())}
    return pandas.DataFrame(columns, index=index).reset_index()


def profile(study: Study) -> pandas.DataFrame:
    """Every stage that took some time, by rank; a column for each array of /profile."""
    if "profile" not in study.file:
        raise StudyError(f"{study.path}: has no profile: run the study with --profile from its beginning")
    group = study.file["profile"]
    index = pandas.MultiIndex.from_product([strings(group["stage"]), group["rank"][()]], names=["stage", "rank"])
    arrays = {name: item[()].ravel() for name, item in group.items() if not item.is_scale}
    names = ["seconds", "waiting", "storing", "rate", "memory"]
    found = pandas.DataFrame({name: arrays[name] for name in names + sorted(arrays.keys() - names)}, index=index)
    return found.dropna(subset=["seconds"])
