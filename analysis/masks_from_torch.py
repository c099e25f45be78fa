#!/usr/bin/env python3
"""Turns the masks of a module pruned by torch.nn.utils.prune into a mask file of facet.

    python analysis/masks_from_torch.py STATE.pt MODEL.onnx MASKS.h5

STATE.pt is the module's state dict (torch.save(module.state_dict(), ...)) with its weight_mask buffers, MODEL.onnx the
export of the same module, pruned or not; layers without a mask keep everything.  From Python: facet_masks.
Exit status: 65 for files that do not fit together, 66 for a missing one, 69 without torch or onnx, 73 when the mask file
cannot be written."""

import argparse
import sys

import facet_masks


def main():
    parser = argparse.ArgumentParser(description="Masks of torch.nn.utils.prune to a mask file of facet.")
    parser.add_argument("state", metavar="STATE.pt")
    parser.add_argument("model", metavar="MODEL.onnx")
    parser.add_argument("masks", metavar="MASKS.h5")
    options = parser.parse_args()
    state = facet_masks.load_state(options.state)
    layers = facet_masks.onnx_layers(options.model)
    masks = facet_masks.masks_of_module(layers, state)
    facet_masks.write_masks(options.masks, masks, {name: node for name, node, _ in layers})
    removed, size = sum(int((m == 0).sum()) for m in masks.values()), sum(m.size for m in masks.values())
    print(f"{options.masks}: {len(masks)} layers, {removed} of {size} weights removed")


if __name__ == "__main__":
    sys.exit(facet_masks.run_script("masks_from_torch", main))
