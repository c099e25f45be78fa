"""Attributions and their faithfulness, by the library: what Network.attributions and Network.faithfulness do."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from facet.answers import Attributions, Faithfulness
from facet.errors import NetworkError, known
from facet.handles import Handles
from facet.hdf import Array
from facet.library import (
    AttributionOptions,
    Explained,
    FaithfulnessBuffers,
    FaithfulnessOptions,
    Image,
    address,
    library,
)

HOW: dict[str, Any] = {"steps": 50, "noisy": 50, "noise": 0.1, "epsilon": 1e-9, "gamma": 0.25, "seed": 1}
MEMORY = 2.0**26  # bytes for the points of a path that are known at once


def attribution_methods() -> list[str]:
    """Names of the methods of attribution that there are."""
    names: list[str] = []
    facet = library()
    while name := facet.attribution_name(len(names)):
        names.append(name.decode())
    return names


def image_of(shape: tuple[int, ...]) -> Image:
    """A sample's channels, height and width; one of other dimensions is a list of numbers."""
    return Image(*shape) if len(shape) == 3 else Image(1, 1, int(np.prod(shape)))


@contextmanager
def _attributor(handles: Handles, shape: tuple[int, ...], how: dict[str, Any]) -> Iterator[ctypes.c_void_p]:
    for name in how:
        if name not in HOW:
            raise NetworkError(known("setting of attributions", name, list(HOW)))
    options = AttributionOptions(**{**HOW, **how}, bytes=MEMORY, image=image_of(shape))
    attributor = ctypes.c_void_p()
    with handles.network() as network:
        handles.library.attributor_create(network, ctypes.byref(options), ctypes.byref(attributor))
        try:
            yield attributor
        finally:
            handles.library.attributor_destroy(ctypes.byref(attributor))


def explain(handles: Handles, shape: tuple[int, ...], pair: tuple[Array, Array], rows: tuple[int, int],
            methods: Sequence[str] | None, number: int, how: dict[str, Any]) -> Attributions:
    """pair: samples and baselines, N x D; rows: a choice of the library, and how many."""
    facet, (samples, baseline), (choice, k) = handles.library, pair, rows
    names = attribution_methods() if methods is None else list(methods)
    for name in names:
        if facet.attribution_find(name.encode()) < 0:
            raise NetworkError(known("method of attribution", name, attribution_methods()))
    n = len(samples)
    found, row = np.empty((n, len(names), k, samples.shape[1])), np.empty((n, k), np.int32)
    with _attributor(handles, shape, how) as attributor, handles.network() as network:
        logits = np.empty((n, facet.network_outputs(network)))
        facet.attributor_logits(attributor, address(samples), n, address(logits))
        facet.rows_choose(choice, k, logits.shape[1], address(logits), n, address(row))
        for i in range(n):
            what = Explained(address(samples[i]), address(baseline[i]), number + i, k, address(row[i]))
            for m, name in enumerate(names):
                facet.attributor_explain(attributor, facet.attribution_find(name.encode()), ctypes.byref(what), address(found[i, m]))
    return Attributions(found.reshape(n, len(names), k, *shape), names, row, baseline.reshape(n, *shape), number + np.arange(n))


def measure(handles: Handles, shape: tuple[int, ...], samples: Array, given: Attributions, settings: tuple[int, int, float],
            how: dict[str, Any]) -> Faithfulness:
    facet, (n, inputs), names = handles.library, samples.shape, given.method
    row = np.ascontiguousarray(given.row).reshape(n, -1)
    k, (points, perturbations, radius) = row.shape[1], settings
    attribution = np.ascontiguousarray(given.attribution).reshape(n, len(names), k, inputs)
    baseline, numbers = np.ascontiguousarray(given.baseline).reshape(n, inputs), np.reshape(given.number, n)
    curves, single = np.empty((2, n, len(names), k, points + 1)), np.empty((2, n, len(names), k))
    agreement, pair = np.empty((n, len(names), len(names), k)), np.empty(2)
    options = FaithfulnessOptions(points, perturbations, radius)
    with _attributor(handles, shape, how) as attributor:
        for i in range(n):
            what = Explained(address(samples[i]), address(baseline[i]), int(numbers[i]), k, address(row[i]))
            for m, name in enumerate(names):
                out = FaithfulnessBuffers(*(address(a[i, m]) for a in (*curves, *single)))
                facet.faithfulness_measure(attributor, facet.attribution_find(name.encode()), ctypes.byref(what),
                                           address(attribution[i, m]), ctypes.byref(options), ctypes.byref(out))
                for other, r in np.ndindex(len(names), k):
                    facet.rank_agreement(inputs, address(attribution[i, m, r]), address(attribution[i, other, r]), 1,
                                         address(pair), address(pair[1:]))
                    agreement[i, m, other, r] = pair[0]
    return Faithfulness(names, curves[0], curves[1], single[0], single[1], agreement, numbers)
