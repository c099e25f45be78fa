#!/usr/bin/env python3
"""A contact sheet of what `facet corrupt` wrote: one sample under every corruption (a row each) and severity.

    facet corrupt study.yaml corrupted && python analysis/contact_sheet.py corrupted --sample 7 --out sheet.png

The folder has files in the layout of CIFAR-10-C, so those of its authors do as well; labels.npy says how many samples a
severity has where clean.npy is missing (its length by five)."""

import argparse
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np


def load(folder):
    """{corruption: S x N x y x x x channel, mapped}, and N."""
    files = {path.stem: np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))}
    labels = files.pop("labels", None)
    if not files:
        sys.exit(f"contact_sheet: {folder}: no .npy files")
    samples = len(files["clean"]) if "clean" in files else len(labels) // 5
    return {name: f.reshape(-1, samples, *f.shape[1:]) for name, f in files.items()}, samples


def draw(files, sample):
    clean = files.pop("clean", None)
    columns = max(map(len, files.values())) + (clean is not None)
    figure, axes = plt.subplots(len(files), columns, squeeze=False, figsize=(0.9 * columns + 1.1, 0.9 * len(files) + 0.3))
    for row, (name, images) in zip(axes, files.items()):
        pictures = ([clean[0, sample]] if clean is not None else []) + [image[sample] for image in images]
        for axis, picture in zip(row, pictures):
            axis.imshow(picture[..., 0] if picture.shape[-1] == 1 else picture, cmap="gray", vmin=0, vmax=255)
        row[0].set_ylabel(name.replace("_", " "), rotation=0, ha="right", va="center", fontsize=8)
        for axis in row[len(pictures):]:
            axis.set_visible(False)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    titles = (["clean"] if clean is not None else []) + [str(s + 1) for s in range(columns)]
    for axis, title in zip(axes[0], titles):
        axis.set_title(title, fontsize=8)
    figure.subplots_adjust(1.1 / (0.9 * columns + 1.1), 0.005, 0.995, 1 - 0.3 / (0.9 * len(files) + 0.3), 0.04, 0.04)
    return figure


def main():
    parser = argparse.ArgumentParser(description="Draws one sample under all corruptions that `facet corrupt` wrote.")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--out", default="contact_sheet.png")
    options = parser.parse_args()
    files, samples = load(options.folder)
    if not 0 <= options.sample < samples:
        sys.exit(f"contact_sheet: sample {options.sample} is not in 0..{samples - 1}")
    draw(files, options.sample).savefig(options.out, dpi=120)
    print(options.out)


if __name__ == "__main__":
    main()
