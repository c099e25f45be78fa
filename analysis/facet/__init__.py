"""What a ReLU network does with each sample, and what pruning changes about it: facet's result files in Python.

    import facet
    study = facet.open("results/demo/study.h5")
    study.accuracy()
    help(facet.Study)           # all questions

    network = facet.Network("model.onnx")       # linearized, measured, pruned in this process
    network.linearize(x)

Commands: python3 -m facet --help. Nothing is drawn, changed or read when this is imported."""

import importlib
import os
from typing import TYPE_CHECKING, Any

from facet.answers import Attributions, Faithfulness, Geometry, Linearization, Margins, Paths, Reach
from facet.attributing import attribution_methods
from facet.corruptions import corrupt, corruptions
from facet.errors import FacetError, MaskError, NetworkError, StudyError
from facet.explain import Contrast, Contributions, MarginChange, Position, Way, check_sums, contrast_change
from facet.library import set_threads
from facet.linear import Linear
from facet.lines import Line
from facet.network import Network
from facet.packing import Packed, pack
from facet.planes import Plane
from facet.pruning import Mask, methods
from facet.study import Study

if TYPE_CHECKING:
    from facet.faithful import Attributed
    from facet.findings import Finding
    from facet.groups import GroupChange
    from facet.plot import Picture, Plots
    from facet.reach import Nearest
    from facet.tables import Fragile
    from facet.verified import Verified

__version__ = "0.1.0"
__all__ = ["Attributed", "Attributions", "Contrast", "Contributions", "FacetError", "Faithfulness", "Finding", "Fragile", "Geometry", "GroupChange",
           "Line", "Linear", "Linearization", "MarginChange", "Margins", "Mask", "MaskError", "Nearest", "Network", "NetworkError", "Packed", "Paths",
           "Picture", "Plane", "Plots", "Position", "Reach", "Study", "StudyError", "Verified", "Way",
           "attribution_methods", "check_sums", "contrast_change", "corrupt", "corruptions", "methods", "open", "pack", "set_threads"]

# Answers whose modules take pandas or matplotlib along: imported when somebody names them.
LATER = {"Attributed": "faithful", "Finding": "findings", "Fragile": "tables", "GroupChange": "groups", "Nearest": "reach", "Picture": "plot", "Plots": "plot",
         "Verified": "verified"}


def __getattr__(name: str) -> Any:
    if name not in LATER:
        raise AttributeError(f"module 'facet' has no attribute {name!r}")
    return getattr(importlib.import_module(f"facet.{LATER[name]}"), name)


def open(path: str | os.PathLike[str]) -> Study:  # noqa: A001
    """A finished result file (study.h5). Raises StudyError, one line, if it is missing, damaged or not finished."""
    return Study(path)
