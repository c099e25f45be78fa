"""Pictures of a study: study.plot.accuracy_by_severity(), ..."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec

from facet.errors import StudyError
from facet.plot import (
    accuracy,
    census,
    certificate,
    comparisons,
    cost,
    embedding,
    geometry,
    groups,
    pruning,
    reach,
    samples,
    spectra,
)
from facet.plot import attributions as explained
from facet.plot import gallery as galleries
from facet.plot import lines as segments
from facet.plot import planes as slices
from facet.plot import ways as on_the_way
from facet.plot.style import Picture

if TYPE_CHECKING:
    from facet.study import Study

__all__ = ["Picture", "Plots"]

P = ParamSpec("P")


class Drawn(Generic[P]):
    """A picture of a study as a method: raises StudyError where the study holds nothing to show."""

    def __init__(self, function: Callable[Concatenate[Study, P], Picture | None]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, plots: Plots, owner: Any = None) -> Callable[P, Picture]:
        @functools.wraps(self.function)
        def draw(*arguments: P.args, **options: P.kwargs) -> Picture:
            drawn = self.function(plots.study, *arguments, **options)
            if drawn is None:
                raise StudyError(f"{plots.study.path}: holds nothing for the picture {self.function.__name__}")
            return drawn

        return draw


class Plots:
    """The pictures of a study, each with a caption; the report shows most of them. A picture is a figure of matplotlib; a
    notebook shows it, `save("name.pdf")` writes it."""

    def __init__(self, study: Study) -> None:
        self.study = study

    def __repr__(self) -> str:
        return f"<facet.Plots of {self.study.name}: {', '.join(name for name in dir(type(self)) if name[0] != '_')}>"

    accuracy_by_severity = Drawn(accuracy.accuracy_by_severity)
    accuracy_by_sparsity = Drawn(accuracy.accuracy_by_sparsity)
    geometry_distributions = Drawn(geometry.distributions)
    geometry_shift = Drawn(geometry.shift)
    margin_against_dense = Drawn(geometry.margin_against_dense)
    layer_sparsity = Drawn(pruning.layer_sparsity)
    class_damage = Drawn(pruning.class_damage)
    attributions = Drawn(explained.attributions)
    faithfulness_curves = Drawn(explained.faithfulness_curves)
    agreement_of_methods = Drawn(explained.agreement)
    dead_elements = Drawn(census.dead_elements)
    pattern_change = Drawn(census.pattern_change)
    pattern_shift = Drawn(census.pattern_shift)
    group_change = Drawn(groups.group_change)
    facet_radii = Drawn(reach.facet_radii)
    facet_limits = Drawn(reach.facet_limits)
    nearest_points = Drawn(reach.nearest_points)
    pareto = Drawn(cost.pareto)
    error_table = Drawn(comparisons.error_table)
    class_movement = Drawn(comparisons.class_movement)
    directions = Drawn(comparisons.directions)
    similarity = Drawn(comparisons.similarity)
    singular_values = Drawn(spectra.singular_values)
    leading_directions = Drawn(spectra.leading_directions)
    principal_angles = Drawn(spectra.principal_angles)
    cka = Drawn(spectra.cka)
    map = Drawn(embedding.the_map)
    maps_of_variants = Drawn(embedding.maps_of_variants)
    movements = Drawn(embedding.movements)
    explained_positions = Drawn(embedding.explanations)
    embedding_training = Drawn(embedding.training)
    fragile = Drawn(samples.fragile)
    fragile_samples = Drawn(comparisons.fragile_samples)
    contributions = Drawn(samples.contributions)
    contrast = Drawn(samples.contrast)
    margin_change = Drawn(samples.margin_change)
    gallery = Drawn(galleries.gallery)
    gallery_changed = Drawn(galleries.gallery_changed)
    gallery_contrasts = Drawn(galleries.gallery_contrasts)
    ways = Drawn(on_the_way.ways)
    line = Drawn(segments.line)
    plane = Drawn(slices.plane)
    residuals = Drawn(certificate.residuals)
