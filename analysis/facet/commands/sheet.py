"""python3 -m facet sheet: one sample under every corruption (a row each) and severity.

    facet corrupt study.yaml corrupted && python3 -m facet sheet corrupted --sample 7 --out sheet.png

The folder has files in the layout of CIFAR-10-C, so those of its authors do as well; labels.npy says how many samples a
severity has where clean.npy is missing (its length by five)."""

from __future__ import annotations

import argparse
import pathlib

import numpy as np

from facet.errors import NO_INPUT, USAGE, FacetError
from facet.hdf import Array
from facet.phase import Phases, now
from facet.plot.style import Picture


def load(folder: pathlib.Path) -> tuple[dict[str, Array], int]:
    """{corruption: S x N x y x x x channel, mapped}, and N."""
    files = {path.stem: np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))}
    labels = files.pop("labels", None)
    if not files:
        raise FacetError(f"{folder}: no .npy files", NO_INPUT)
    if "clean" not in files and labels is None:
        raise FacetError(f"{folder}: neither clean.npy nor labels.npy, so how many samples a severity has is not known")
    samples = len(files["clean"]) if "clean" in files else len(labels) // 5
    return {name: f.reshape(-1, samples, *f.shape[1:]) for name, f in files.items()}, samples


def draw(files: dict[str, Array], sample: int) -> Picture:
    clean = files.pop("clean", None)
    columns = max(map(len, files.values())) + (clean is not None)
    figure = Picture(figsize=(0.9 * columns + 1.1, 0.9 * len(files) + 0.3))
    axes = figure.subplots(len(files), columns, squeeze=False)
    for row, (name, images) in zip(axes, files.items()):
        pictures = ([clean[0, sample]] if clean is not None else []) + [image[sample] for image in images]
        for axis, image in zip(row, pictures):
            axis.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255)
        row[0].set_ylabel(name.replace("_", " "), rotation=0, ha="right", va="center", fontsize=8)
        for axis in row[len(pictures):]:
            axis.set_visible(False)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    titles = (["clean"] if clean is not None else []) + [str(s + 1) for s in range(columns)]
    for axis, title in zip(axes[0], titles):
        axis.set_title(title, fontsize=8)
    figure.set_layout_engine("none")
    figure.subplots_adjust(1.1 / (0.9 * columns + 1.1), 0.005, 0.995, 1 - 0.3 / (0.9 * len(files) + 0.3), 0.04, 0.04)
    return figure


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=pathlib.Path, help="what `facet corrupt` wrote, or CIFAR-10-C: an .npy file for each corruption, and labels.npy")
    parser.add_argument("--sample", type=int, default=0, help="which test sample, from 0 on (default: 0)")
    parser.add_argument("--out", default="contact_sheet.png", help="the picture; its ending says of which kind (default: contact_sheet.png)")


def run(options: argparse.Namespace) -> None:
    with Phases("sheet"):
        now("opening the files")
        files, samples = load(options.folder)
        if not 0 <= options.sample < samples:
            raise FacetError(f"sample {options.sample} is not in 0..{samples - 1}", USAGE)
        now(f"drawing {len(files)} corruptions")
        draw(files, options.sample).savefig(options.out, dpi=120)
    print(options.out)
