"""python3 -m facet pack: a data set into one HDF5 file that studies read."""

from __future__ import annotations

import argparse

from facet.packing import pack
from facet.phase import Phases

SOURCE = """SOURCE is a folder with a folder of images for each class (as ImageFolder has it); a data set of Hugging Face on disk, as
save_to_disk or the hub writes it (Arrow, Parquet); a CSV, a row for each sample, of its label and either its numbers or the
name of its image file; or MODULE:NAME or FILE.py:NAME, a data set of PyTorch or a function that makes one. It is read sample
by sample and need not fit in memory."""


def numbers(text: str) -> tuple[int, ...]:
    """32x32, or 3x32x32."""
    found = tuple(int(word) for word in text.lower().split("x"))
    if any(number < 1 for number in found):
        raise ValueError(text)
    return found


def size(text: str) -> tuple[int, int]:
    y, x = numbers(text)
    return y, x


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = SOURCE
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("out", metavar="OUT.h5")
    parser.add_argument("--size", type=size, metavar="YxX", help="fit images into it: scaled to cover it, cut in the middle")
    parser.add_argument("--channels", type=int, choices=(1, 3), help="1: grey, 3: colours (default: as the first image)")
    parser.add_argument("--count", type=int, metavar="N", help="the first N samples")
    parser.add_argument("--split", metavar="NAME", help="of a data set of Hugging Face: train, test, ...")
    parser.add_argument("--image", metavar="COLUMN", help="which column holds the images, or names their files")
    parser.add_argument("--label", metavar="COLUMN", help="which column holds the labels")
    parser.add_argument("--shape", type=numbers, metavar="CxYxX", help="of the numbers in a row of a CSV (default: a list)")


def run(options: argparse.Namespace) -> None:
    with Phases("pack"):
        made = pack(options.source, options.out, size=options.size, channels=options.channels, count=options.count,
                    split=options.split, image=options.image, label=options.label, shape=options.shape, progress=True)
    classes = f", {len(made.classes)} classes" if made.classes else "" if made.labelled else ", without labels"
    print(f"{made.path}: {made.count} samples, {' x '.join(map(str, made.shape))}, {made.type}{classes}; in a study:")
    print(made.study())
