"""python3 -m facet parquet: a study's numbers as tidy tables in Parquet, for pandas, polars, DuckDB or R."""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

import numpy as np

import facet
from facet.errors import CANNOT_CREATE, FacetError
from facet.phase import Phases, now
from facet.study import Study


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY.h5")
    parser.add_argument("--out", metavar="DIR", help="folder to write to (default: parquet, beside the study file)")


def run(options: argparse.Namespace) -> None:
    folder = pathlib.Path(options.out) if options.out else pathlib.Path(options.study).parent / "parquet"
    with Phases("parquet"), facet.open(options.study) as study:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FacetError(f"{folder}: {error.strerror}", CANNOT_CREATE) from error
        for name, rows in write(study, folder).items():
            print(f"{folder / name}: {rows} rows")


def write(study: Study, folder: pathlib.Path) -> dict[str, int]:
    """variants (recipe and cost), summary (by variant and condition), fragility (by sample), and samples (by variant,
    condition and sample; piece by piece, so that it may be larger than memory). Returns {file: rows}."""
    import pandas
    import pyarrow
    import pyarrow.parquet

    now("writing variants, summary and fragility")
    tables = {"variants": variants(study), "summary": of_group(study, "summary", ("variant", "condition")),
              "fragility": of_group(study, "fragility", ("sample",))}
    rows = {}
    for name, table in tables.items():
        if table is not None:
            table.to_parquet(folder / f"{name}.parquet", index=False)
            rows[f"{name}.parquet"] = len(table)
    writer, count = None, 0
    for v, variant in enumerate(study.variants):
        now(f"writing samples of {variant}, variant {v + 1} of {len(study.variants)}")
        for c in range(len(study.conditions)):
            piece: dict[str, Any] = {
                "variant": pandas.Categorical.from_codes(np.full(study.samples, v), pandas.Index(study.variants)),
                "condition": pandas.Categorical.from_codes(np.full(study.samples, c), pandas.Index(study.conditions)),
                "sample": study.file["sample"][()], "label": study.label}
            for group, names in (("prediction", ("class", "loss")), ("geometry", ("angle", "length", "margin"))):
                piece.update({name: study.file[f"{group}/{name}"][v, c] for name in names if name in study.file[group]})
            table = pyarrow.Table.from_pandas(pandas.DataFrame(piece), preserve_index=False)
            writer = writer or pyarrow.parquet.ParquetWriter(folder / "samples.parquet", table.schema)
            writer.write_table(table)
            count += len(table)
    if writer:
        writer.close()
        rows["samples.parquet"] = count
    return rows


def variants(study: Study) -> Any:
    """A row for each variant: what made it, and what it costs."""
    import pandas

    recipes = [{key: value for key, value in study.recipe(v).items() if not isinstance(value, list)} for v in study.variants]
    return pandas.concat([pandas.DataFrame({"variant": study.variants}), pandas.DataFrame(recipes),
                          study.costs().reset_index(drop=True)], axis=1)


def of_group(study: Study, group: str, dims: tuple[str, ...]) -> Any:
    """The arrays of a group that have these dimensions, one table; None without any."""
    paths = [path for path, (names, *_) in study.arrays().items() if path.startswith(f"{group}/") and names == dims]
    return study.table(*paths) if paths else None
