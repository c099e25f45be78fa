"""python3 -m facet masks: masks of torch.nn.utils.prune to a mask file of facet (from-torch), and back (to-torch)."""

from __future__ import annotations

import argparse
from typing import Any

from facet import masks
from facet.errors import CANNOT_CREATE, MaskError
from facet.hdf import Array
from facet.phase import Phases, now

FROM = """Turns the masks of a module pruned by torch.nn.utils.prune into a mask file of facet. STATE.pt is the module's state
dict (torch.save(module.state_dict(), ...)) with its weight_mask buffers, MODEL.onnx the export of the same module, pruned or
not; layers without a mask keep everything."""
TO = """Puts the masks of a mask file of facet on a module's state dict, as torch.nn.utils.prune has them. MODEL.onnx is the file
that the masks are for, STATE.pt the state dict of the module it was exported from. MASKED.pt has weight_orig and weight_mask
in the place of each weight: load it after prune.identity(layer, "weight") for every layer. In Python,
facet.masks.apply_masks puts them on a module at once."""


def arguments(parser: argparse.ArgumentParser) -> None:
    ways = parser.add_subparsers(dest="way", metavar="from-torch|to-torch", required=True)
    one = ways.add_parser("from-torch", description=FROM)
    for name in ("STATE.pt", "MODEL.onnx", "MASKS.h5"):
        one.add_argument(name.partition(".")[0].lower(), metavar=name)
    two = ways.add_parser("to-torch", description=TO)
    for name in ("MODEL.onnx", "MASKS.h5", "STATE.pt", "MASKED.pt"):
        two.add_argument(name.partition(".")[0].lower(), metavar=name)


def run(options: argparse.Namespace) -> None:
    with Phases("masks"):
        written, found = _turn(options)
    print(f"{written}: {len(found)} layers, {_removed(found)} weights removed")


def _turn(options: argparse.Namespace) -> tuple[str, dict[str, Array]]:
    """What was written, and the masks that are in it."""
    now("reading the state dict")
    state = masks.load_state(options.state)
    now("reading the ONNX file")
    layers = masks.onnx_layers(options.model)
    now("pairing its layers with the module's")
    if options.way == "from-torch":
        found = masks.masks_of_module(layers, state)
        now("writing the masks")
        masks.write_masks(options.masks, found, {name: node for name, node, _ in layers})
        return options.masks, found
    try:
        found = masks.masks_for_module(layers, masks.read_masks(options.masks), state)
    except MaskError as error:
        text = str(error)
        raise MaskError(text if text.startswith(options.masks) else f"{options.masks}: {text}", error.status) from error
    now("writing the state dict")
    _save(masks.masked_state(state, found), options.masked)
    return options.masked, found


def _removed(found: dict[str, Array]) -> str:
    return f"{sum(int((m == 0).sum()) for m in found.values())} of {sum(m.size for m in found.values())}"


def _save(state: dict[str, Any], path: str) -> None:
    import torch

    try:
        torch.save(state, path)
    except (OSError, RuntimeError) as error:
        raise MaskError(f"{path}: cannot be written", CANNOT_CREATE) from error
