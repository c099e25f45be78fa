"""Masks of a network in this process: which weights pruning removes."""

from __future__ import annotations

import ctypes
import functools
import itertools
import os
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from facet.errors import NetworkError, known
from facet.handles import Handles
from facet.hdf import Array
from facet.library import Calibration, Library, MaskLayer, Pruning, library

SCOPES = ("global", "layer")  # facet_scope


def names(function: Callable[[int], bytes | None]) -> list[str]:
    """All that a numbered list of the library holds."""
    return [name.decode() for name in itertools.takewhile(bool, map(function, itertools.count())) if name]


def methods() -> list[str]:
    """Names of all pruning methods (docs/study.md); those that train are a study's alone."""
    return names(library().method_name)


class Mask:
    """Which weights of a network stay. Of a Network's `mask`, or made by a mask file."""

    def __init__(self, handles: Handles, network: ctypes.c_void_p, pointer: ctypes.c_void_p, what: str) -> None:
        facet = handles.library
        self.handles, self.pointer, self.what = handles, pointer, what
        self.owner: object = None  # the network that it is of, which is not collected while the mask is there
        weakref.finalize(self, facet.mask_destroy, ctypes.byref(pointer))
        self.sparsity = float(facet.mask_sparsity(pointer))
        """The fraction of all prunable weights that is removed."""
        self._layers = [MaskLayer.from_address(facet.mask_layer(pointer, i)) for i in range(facet.mask_layers(pointer))]
        self.names = [facet.network_value_name(network, layer.value).decode() for layer in self._layers]
        """Of the weights, as the ONNX file has them."""
        self._shapes = [_shape(facet, network, layer.value) for layer in self._layers]
        self.warnings = [text for i in range(len(self.names)) if (text := self._collapse(network, i))]
        """A line for each layer that has no more than one weight, or filter, left."""

    @functools.cached_property
    def layers(self) -> dict[str, Array]:
        """{name of the weights: bool array of their shape, True: kept}."""
        kept = {}
        for name, layer, shape in zip(self.names, self._layers, self._shapes):
            kept[name] = np.frombuffer(ctypes.string_at(layer.keep, layer.size), np.uint8).astype(bool).reshape(shape)
        return kept

    @property
    def removed(self) -> dict[str, int]:
        """How many weights each layer loses."""
        return {name: int(layer.removed) for name, layer in zip(self.names, self._layers)}

    def write(self, path: str | os.PathLike[str]) -> None:
        """A mask file (docs/study.md, mask files), whole or not at all; facet.masks and studies read it. It holds weights alone: not the
        biases that go with a filter."""
        with self.handles.network() as network:
            self.handles.library.mask_write(network, self.pointer, os.fsencode(path))

    def _collapse(self, network: ctypes.c_void_p, layer: int) -> str:
        facet, text = self.handles.library, ctypes.c_char_p()
        facet.mask_collapse(network, self.pointer, layer, ctypes.byref(text))
        said = (text.value or b"").decode()
        facet.free(ctypes.byref(text))
        return said

    def __repr__(self) -> str:
        size = sum(layer.size for layer in self._layers)
        warned = f", {len(self.warnings)} collapsed" if self.warnings else ""
        return (f"<facet.Mask {self.what}: {sum(self.removed.values()):,} of {size:,} weights of {len(self.names)} layers removed"
                f"{warned}>")


def _shape(facet: Library, network: ctypes.c_void_p, value: int) -> tuple[int, ...]:
    shape = facet.network_value_shape(network, value)
    return tuple(shape.dim[:shape.rank])


def read(handles: Handles, network: ctypes.c_void_p, path: str) -> Mask:
    """A mask file for this network."""
    pointer = ctypes.c_void_p()
    handles.library.mask_read(network, os.fsencode(path), ctypes.byref(pointer))
    return Mask(handles, network, pointer, path)


def make(handles: Handles, network: ctypes.c_void_p, method: str, sparsity: float, how: dict[str, Any], x: Array | None,
         label: Array | None, batch: int) -> Mask:
    """The mask that a method finds. x: N x D, label: N, for methods that look at samples."""
    facet, pointer = handles.library, ctypes.c_void_p()
    found = facet.method_find(method.encode())
    if not found:
        raise NetworkError(known("method", method, methods()))
    if how["scope"] not in SCOPES:
        raise NetworkError(known("scope", how["scope"], SCOPES))
    pruning = Pruning(**{**how, "method": found, "scope": SCOPES.index(how["scope"]), "sparsity": sparsity})
    calibration = None
    if x is not None and label is not None:
        x = np.ascontiguousarray(x, np.float32)
        calibration = Calibration(x=x.ctypes.data, label=label.ctypes.data, count=len(x), batch=batch)
    try:
        facet.mask_create(network, ctypes.byref(pruning), calibration and ctypes.byref(calibration), ctypes.byref(pointer))
    except NetworkError as error:
        raise NetworkError(f"{handles.name}: {error}", error.status) from error
    return Mask(handles, network, pointer, f"{method} {how['scope']} {sparsity:g}")
