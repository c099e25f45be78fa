"""What a ReLU network does with each sample, and what pruning changes about it: facet's result files in Python.

    import facet
    study = facet.open("results/demo/study.h5")
    study.accuracy()
    help(facet.Study)           # all questions

    network = facet.Network("model.onnx")       # linearized, measured, pruned in this process
    network.linearize(x)

Commands: python3 -m facet --help. Nothing is drawn, changed or read when this is imported."""

import os

from facet.answers import Attributions, Faithfulness, Geometry, Linearization, Margins, Paths, Reach
from facet.attributing import attributions
from facet.corruptions import corrupt, corruptions
from facet.errors import FacetError, MaskError, NetworkError, StudyError
from facet.explain import Contrast, Contributions, MarginChange, Path, Position, check_sums, contrast_change
from facet.library import set_threads
from facet.linear import Linear
from facet.lines import Line
from facet.network import Network
from facet.packing import Packed, pack
from facet.planes import Plane
from facet.pruning import Mask, methods
from facet.study import Study

__version__ = "0.1.0"
__all__ = ["Attributions", "Contrast", "Contributions", "FacetError", "Faithfulness", "Geometry", "Line", "Linear", "Linearization", "MarginChange",
           "Margins", "Mask", "MaskError", "Network", "NetworkError", "Packed", "Path", "Paths", "Plane", "Position", "Reach", "Study", "StudyError",
           "attributions", "check_sums", "contrast_change",
           "corrupt", "corruptions", "methods", "open", "pack", "set_threads"]


def open(path: str | os.PathLike[str]) -> Study:  # noqa: A001
    """A finished result file (study.h5). Raises StudyError, one line, if it is missing, damaged or not finished."""
    return Study(path)
