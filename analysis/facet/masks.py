"""Masks of weights: facet's mask files, the layers of an ONNX file, and PyTorch's torch.nn.utils.prune, paired.

A mask file (HDF5) has below /masks one uint8 dataset per layer, of the shape of its weights, 1 kept and 0 removed, named
as the weights are in the ONNX file (| for /).  An exporter may rename weights, transpose them and fold batch norm into
them, so a layer of a module is found by its name or else by its numbers: equal, or one factor per output channel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import h5py
import numpy as np

from facet.errors import CANNOT_CREATE, NO_INPUT, MaskError
from facet.hdf import Array

LINEAR = ("Conv", "ConvTranspose", "Gemm", "MatMul")


Path = str | os.PathLike[str]
Layer = tuple[str, str, Array]  # name of the weights, of the node, weights
State = Mapping[str, Any]  # of torch: tensors by name


# ---- files ----


def write_masks(path: Path, masks: Mapping[str, Array], nodes: Mapping[str, str] | None = None) -> None:
    """masks: array by name of the weights; nodes: node names by the same."""
    try:
        with h5py.File(path, "w") as h5:
            h5.attrs["facet_masks"] = np.array([1], dtype=np.int64)
            group = h5.create_group("masks")
            for name, mask in masks.items():
                data = np.ascontiguousarray(mask, dtype=np.uint8)
                if not np.isin(mask, (0, 1)).all():
                    raise MaskError(f"{path}: mask {name}: only 0 and 1 make sense")
                layer = group.create_dataset(name.replace("/", "|"), data=data, track_times=False)
                layer.attrs["shape"] = np.array(data.shape, dtype=np.int64)
                layer.attrs["removed"] = np.array([np.count_nonzero(data == 0)], dtype=np.int64)
                layer.attrs["initializer"] = name
                layer.attrs["node"] = (nodes or {}).get(name, "")
    except OSError as error:
        raise MaskError(f"{path}: cannot be written", CANNOT_CREATE) from error


def read_masks(path: Path) -> dict[str, Array]:
    """Arrays of 0 and 1 by name, | for /."""
    try:
        with h5py.File(path, "r") as h5:
            if "masks" not in h5:
                raise MaskError(f"{path}: holds no masks: no group /masks")
            masks = {name: h5["masks"][name][()] for name in h5["masks"]}
    except FileNotFoundError as error:
        raise MaskError(f"{path}: No such file or directory", NO_INPUT) from error
    except OSError as error:
        raise MaskError(f"{path}: not an HDF5 file, or truncated or damaged") from error
    for name, mask in masks.items():
        if mask.dtype != np.uint8 or (mask > 1).any():
            raise MaskError(f"{path}: mask {name} is not of 0 and 1 in 8-bit unsigned integers")
    return masks


# ---- ONNX ----


def onnx_layers(path: Path) -> list[Layer]:
    """[(name of the weights, node name, weights)] of the prunable layers, each constant once, in the file's order."""
    import onnx
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    try:
        graph = onnx.load(path).graph
    except FileNotFoundError as error:
        raise MaskError(f"{path}: No such file or directory", NO_INPUT) from error
    except Exception as error:  # protobuf has exceptions of its own
        raise MaskError(f"{path}: not an ONNX file, or truncated or damaged") from error
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    layers: list[Layer] = []
    for i, node in enumerate(graph.node):
        inputs = [name for name in node.input if name]
        if all(name in constants for name in inputs) and node.op_type not in LINEAR:
            results = ReferenceEvaluator(node).run(None, {name: constants[name] for name in inputs})
            constants.update(zip(node.output, results))
        elif node.op_type in LINEAR:
            for name in inputs[:2]:
                if name in constants and name not in (layer[0] for layer in layers):
                    layers.append((name, node.name or f"{node.op_type}_{i}", constants[name]))
    return layers


# ---- modules ----


def state_of(module: Any) -> State:
    """The state dict of a module, or what is one already (a checkpoint that holds one among other things, too)."""
    state: Any = module.state_dict() if hasattr(module, "state_dict") and callable(module.state_dict) else module
    state = state.get("state_dict", state) if hasattr(state, "get") else state
    if not hasattr(state, "items") or not all(hasattr(value, "shape") for value in state.values()):
        raise MaskError("holds no state dict")
    return dict(state)


def torch_layers(state: State) -> dict[str, tuple[Array, Array | None]]:
    """{layer: (weights before pruning, mask or None)} of everything with a matrix or kernel called weight."""
    layers: dict[str, tuple[Array, Array | None]] = {}
    for key, value in state.items():
        name, _, last = key.rpartition(".")
        if last in ("weight", "weight_orig") and value.dim() >= 2:
            mask = state.get(f"{name}.weight_mask" if name else "weight_mask")
            if last == "weight_orig" and mask is None:
                raise MaskError(f"layer {name} has weight_orig but no weight_mask")
            mask = None if last == "weight" or mask is None else mask.detach().cpu().numpy()
            if mask is not None and (mask.shape != tuple(value.shape) or not np.isin(mask, (0, 1)).all()):
                raise MaskError(f"mask of layer {name} is not one 0 or 1 for each weight")
            layers[name] = (value.detach().cpu().double().numpy(), mask)
    return layers


def _rows_alike(a: Array, b: Array) -> bool:
    """Whether every row of b is a row of a times a number of its own."""
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    product, lengths = (a * b).sum(1), np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return bool(((a != 0).any(1) == (b != 0).any(1)).all() and (abs(product) >= (1 - 1e-6) * lengths).all())


def _turned(weights: Array) -> Array:
    return weights.T if weights.ndim == 2 else weights


def _fits(layer: tuple[Array, Array | None], weights: Array, turned: bool, exact: bool) -> bool:
    before, mask = layer
    weights = _turned(weights) if turned else weights
    if weights.shape != before.shape:
        return False
    for own in [before] if mask is None else [before * mask, before]:
        if np.allclose(own, weights, rtol=1e-5, atol=1e-7) or (not exact and _rows_alike(own, weights)):
            return True
    return False


def pair(layers: Iterable[Layer], modules: Mapping[str, tuple[Array, Array | None]]) -> dict[str, tuple[str, bool]]:
    """{name of ONNX weights: (layer of the module, whether its weights lie transposed)}; every ONNX layer has one."""
    pairs: dict[str, tuple[str, bool]] = {}
    free = dict(modules)
    for name, _, weights in layers:  # by name
        module = next((m for m in free if name in (f"{m}.weight", f"{m}.weight_orig", "weight" if not m else None)), None)
        if module is not None and weights.shape == free[module][0].shape:
            pairs[name] = (module, False)
            del free[module]
    for exact in (True, False):  # by numbers: equal ones first
        for name, _, weights in layers:
            if name in pairs:
                continue
            found = [(m, t) for m in free for t in (False, True)[: weights.ndim if weights.ndim == 2 else 1]
                     if _fits(free[m], weights.astype(np.float64), t, exact)]
            if len({m for m, _ in found}) == 1:
                pairs[name] = found[0]
                del free[found[0][0]]
    for name, node, weights in layers:
        if name not in pairs:
            shape = " x ".join(map(str, weights.shape))
            raise MaskError(f"weights {name} of node {node} ({shape}) are those of no one layer of the module")
    return pairs


def masks_of_module(layers: Iterable[Layer], module: Any) -> dict[str, Array]:
    """Masks by ONNX name of the pruned module (or state dict) that the ONNX file was exported from."""
    modules, masks = torch_layers(state_of(module)), {}
    pairs = pair(layers, modules)
    unused = [m for m in modules if modules[m][1] is not None and m not in (p for p, _ in pairs.values())]
    if unused:
        raise MaskError(f"layer {unused[0]} has a mask, but the ONNX file no such weights")
    for name, *_ in layers:
        module_name, turned = pairs[name]
        mask = modules[module_name][1]
        mask = np.ones(modules[module_name][0].shape) if mask is None else mask
        masks[name] = (_turned(mask) if turned else mask).astype(np.uint8)
    return masks


def masks_for_module(layers: Iterable[Layer], masks: Mapping[str, Array], module: Any) -> dict[str, Array]:
    """{layer of the module: mask of its weights} from masks by ONNX name."""
    modules, result = torch_layers(state_of(module)), {}
    pairs = pair(layers, modules)
    for name, node, weights in layers:
        link = name.replace("/", "|")
        mask = masks.get(link, masks.get(node.replace("/", "|")))
        if mask is None:
            raise MaskError(f"has no mask for {name} of node {node}")
        if mask.shape != weights.shape:
            shapes = [" x ".join(map(str, s)) for s in (mask.shape, weights.shape)]
            raise MaskError(f"mask {name} is {shapes[0]} but the weights are {shapes[1]}")
        module_name, turned = pairs[name]
        result[module_name] = _turned(mask) if turned else mask
    return result


def apply_masks(module: Any, masks: Mapping[str, Array]) -> None:
    """torch.nn.utils.prune.custom_from_mask for every layer: masks as masks_for_module gives them."""
    import torch
    from torch.nn.utils import prune

    for name, mask in masks.items():
        layer = module.get_submodule(name)
        if prune.is_pruned(layer) and hasattr(layer, "weight_mask"):
            prune.remove(layer, "weight")
        prune.custom_from_mask(layer, "weight", torch.from_numpy(np.array(mask)).to(layer.weight))


def masked_state(state: State, masks: Mapping[str, Array]) -> dict[str, Any]:
    """The state dict of a module pruned by these masks: weight_orig and weight_mask in the place of weight."""
    import torch

    result = {}
    for key, value in state.items():
        name, _, last = key.rpartition(".")
        dot = f"{name}." if name else ""
        if name in masks and last in ("weight", "weight_orig"):
            result[f"{dot}weight_orig"] = value
            result[f"{dot}weight_mask"] = torch.from_numpy(np.array(masks[name])).to(value)
        elif not (name in masks and last == "weight_mask"):
            result[key] = value
    return result


# ---- state dicts on the disk ----


def load_state(path: Path) -> State:
    """A state dict that torch.save wrote; nothing in the file is run."""
    import torch

    try:
        return state_of(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        raise MaskError(f"{path}: No such file or directory", NO_INPUT) from error
    except MaskError as error:
        raise MaskError(f"{path}: {error}") from error
    except Exception as error:  # pickle and zip have exceptions of their own
        raise MaskError(f"{path}: not a state dict that torch.save wrote") from error
