#!/usr/bin/env python3
"""Puts the masks of a mask file of facet on a module's state dict, as torch.nn.utils.prune has them.

    python analysis/masks_to_torch.py MODEL.onnx MASKS.h5 STATE.pt MASKED.pt

MODEL.onnx is the file that the masks are for, STATE.pt the state dict of the module it was exported from.  MASKED.pt has
weight_orig and weight_mask in the place of each weight: load it after prune.identity(layer, "weight") for every layer.
From Python: facet_masks.apply_masks puts them on a module at once.
Exit status: 65 for files that do not fit together, 66 for a missing one, 69 without torch or onnx, 73 when the state
dict cannot be written."""

import argparse
import sys

import facet_masks


def main():
    parser = argparse.ArgumentParser(description="A mask file of facet to masks of torch.nn.utils.prune.")
    parser.add_argument("model", metavar="MODEL.onnx")
    parser.add_argument("masks", metavar="MASKS.h5")
    parser.add_argument("state", metavar="STATE.pt")
    parser.add_argument("masked", metavar="MASKED.pt")
    options = parser.parse_args()
    state = facet_masks.load_state(options.state)
    layers = facet_masks.onnx_layers(options.model)
    try:
        masks = facet_masks.masks_for_module(layers, facet_masks.read_masks(options.masks), state)
    except facet_masks.MaskError as error:
        text = str(error)
        raise facet_masks.MaskError(text if text.startswith(options.masks) else f"{options.masks}: {text}", error.status)
    save(facet_masks.masked_state(state, masks), options.masked)
    removed, size = sum(int((m == 0).sum()) for m in masks.values()), sum(m.size for m in masks.values())
    print(f"{options.masked}: {len(masks)} layers, {removed} of {size} weights removed")


def save(state, path):
    import torch

    try:
        torch.save(state, path)
    except (OSError, RuntimeError) as error:
        raise facet_masks.MaskError(f"{path}: cannot be written", facet_masks.CANNOT_CREATE) from error


if __name__ == "__main__":
    sys.exit(facet_masks.run_script("masks_to_torch", main))
