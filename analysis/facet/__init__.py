"""What a ReLU network does with each sample, and what pruning changes about it: facet's result files in Python.

    import facet
    study = facet.open("results/demo/study.h5")
    study.accuracy()
    help(facet.Study)           # all questions

Commands: python -m facet --help. Nothing is drawn, changed or read when this is imported."""

import os

from facet.errors import FacetError, MaskError, StudyError
from facet.explain import Contrast, Contributions, MarginChange, Position, check_sums, contrast_change
from facet.linear import Linear
from facet.study import Study

__version__ = "0.1.0"
__all__ = ["Contrast", "Contributions", "FacetError", "Linear", "MarginChange", "MaskError", "Position", "Study", "StudyError",
           "check_sums", "contrast_change", "open"]


def open(path: str | os.PathLike[str]) -> Study:  # noqa: A001
    """A finished result file (study.h5). Raises StudyError, one line, if it is missing, damaged or not finished."""
    return Study(path)
