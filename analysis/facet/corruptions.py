"""Corruptions of images (Hendrycks & Dietterich 2019), as a study's conditions have them."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from facet.answers import numbers
from facet.errors import NetworkError, known
from facet.hdf import Array
from facet.library import CorruptionSettings, Image, library
from facet.pruning import names


def corruptions() -> list[str]:
    """Names of all corruptions; clean, which changes nothing, is the first."""
    return names(library().corruption_name)


def corrupt(images: Any, corruption: str, severity: int = 3, *, seed: int = 1, first: int = 0, scale: float = 255.0,
            order: str = "channels_first") -> Array:
    """Images under a corruption, float32 in 0..scale, in the shape that they came in; before normalisation.

    images: N x channel x y x x, or one image without N; with order "channels_last" N x y x x x channel. severity: 1 to 5.
    scale: white. Random numbers belong to the seed and to the image's place, `first` for the first one: image i of a study
    with that seed has those of first=i."""
    facet, every = library(), corruptions()
    if corruption not in every:
        raise NetworkError(known("corruption", corruption, every))
    if order not in ("channels_first", "channels_last"):
        raise NetworkError(known("order", order, ("channels_first", "channels_last")))
    if corruption != every[0] and severity not in range(1, 6):
        raise NetworkError(f"severity {severity} is not in 1..5")
    pixels = np.array(numbers(images), np.float32)
    if pixels.ndim not in (3, 4):
        raise NetworkError(f"images are N x channel x y x x, or one of them; these are {' x '.join(map(str, pixels.shape))}")
    last = order == "channels_last"
    work = np.ascontiguousarray(np.moveaxis(pixels, -1, -3) if last else pixels)
    image = Image(*work.shape[-3:])
    settings = CorruptionSettings(every.index(corruption), severity, seed, scale, image)
    facet.corrupt(ctypes.byref(settings), first, len(work) if work.ndim == 4 else 1, work.ctypes.data)
    return np.moveaxis(work, -3, -1) if last else work
