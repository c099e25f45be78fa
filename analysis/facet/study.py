"""A study: what the result file holds, and the questions that it answers, one line each."""

from __future__ import annotations

import functools
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from facet import explain, findings
from facet.errors import StudyError, known
from facet.hdf import Array, plain, strings, texts
from facet.linear import Linear
from facet.store import Store

if TYPE_CHECKING:
    import pandas
    import xarray

    from facet import faithful
    from facet.groups import GroupChange
    from facet.lines import Line
    from facet.network import Batches, Network
    from facet.planes import Plane
    from facet.plot import Plots
    from facet.reach import Nearest
    from facet.tables import Fragile
    from facet.verified import Verified


class Study(Store):
    """A result file and its answers. Everything is asked for by name, and what is not there is said by name.

        study = facet.open("results/demo/study.h5")
        study                                               what is in it
        study.findings(), study.failed                      what the data supports, in sentences; who has failed
        study.accuracy()                                    replicates folded: mean, deviation, seeds
        study.fragile(10)                                   the most fragile samples, with their images
        study.row("dense", 7, "Coat")                       a row of W, channel x y x x
        study.contributions("dense", 7)                     why sample 7 gets its class: pixels.sum() + b == output
        study.contrast("dense", 7, "Coat", "Shirt")         why this class and not that
        study.margin_change("lrr-global-0.98-s1", 7)        what pruning did to sample 7, pixel by pixel
        study.image(7, "fog/5")                             its pixels as networks saw them
        study.class_damage()                                which classes pay for it
        study.layer_sparsity()                              where the weights went
        study.group_changes(), study.group_change(variant, "class/dress")   why pruning broke a group of samples
        study.regions(), study.gates("dense")               who shares a linear region; what gates do over the samples
        study.radii(), study.reach("dense")                 how far linearizations hold, and the nearest boundary
        study.nearest("dense", 7).difference                what to add to sample 7 to come to another class
        study.profile()                                     where the run's time went, by stage and rank
        study.verified, study.verify(tiles=5)               whether all of it holds its checksums; parts computed again
        study.costs(), study.pareto()                       what each variant takes; which are worth it
        study.table("geometry/margin", variant="dense")     any arrays as a tidy table of pandas
        study.labelled("geometry/angle"), study.tree()      the same as xarray, read when used
        study.plot.accuracy_by_sparsity()                   a picture, with its caption
        study.network("dense")                              the network itself: linearize, prune, ... what you like

    Methods that return arrays of numpy say their shape: V variants, C conditions, N test samples, K classes, R groups of
    replicates."""

    def __repr__(self) -> str:
        linear = f", {len(self.linearized)} linearized" if self.linearized else ""
        return (f"<facet.Study {self.name}: {len(self.variants)} variants ({len(self.replicates)} without seeds{linear}) x "
                f"{len(self.conditions)} conditions x {self.samples} samples of {len(self.classes)} classes, "
                f"{' x '.join(map(str, self.shape))}; {self.path}>")

    # ---- what the variants are ----

    @functools.cached_property
    def _recipes(self) -> dict[str, dict[str, Any]]:
        found = {}
        for variant in self.variants:
            group = self.file.get(f"variants/{variant}")
            found[variant] = {name: plain(value) for name, value in group.attrs.items()} if group is not None else {}
        return found

    def recipe(self, variant: str) -> dict[str, Any]:
        """How a variant came about: parent, operation, method, scope, sparsity, achieved, layer, ... (docs/results.md,
        Attributes)."""
        self.variant_index(variant)
        return self._recipes[variant]

    def gates_of(self, variant: str) -> str:
        """"secant: W is not the Jacobian" of a network that is not piecewise linear, and frozen at each sample; else empty."""
        return str(self.recipe(variant).get("gates", ""))

    @functools.cached_property
    def replicates(self) -> dict[str, list[str]]:
        """{name: [variant, ...]}: variants that differ in their seeds alone; most often each is alone, under its own name."""
        groups: dict[str, list[str]] = {}
        for variant in self.variants:
            groups.setdefault(str(self.recipe(variant).get("replicate", variant)), []).append(variant)
        return groups

    def warnings(self, variant: str) -> list[str]:
        """What the program had to say of a variant's layers, of W that is no Jacobian, and of certificates that do not hold."""
        linear = self.linear(variant) if variant in self.linearized else None
        said = [f"{linear.gates}; F = W x + b holds at each sample, where what is not piecewise linear is frozen" * bool(linear.gates),
                linear.warning] if linear else []
        return texts(self.recipe(variant), "warnings") + [line for line in said if line]

    # ---- what was found ----

    @functools.cached_property
    def failed(self) -> list[str]:
        """Names of the variants that have failed, which rankings and most pictures leave out (docs/results.md, Findings)."""
        return findings.failed(self)

    def findings(self) -> list[findings.Finding]:
        """What the data supports, in sentences, each with its numbers."""
        return findings.findings(self)

    # ---- numbers, as numpy ----

    def geometry(self, what: str, variant: str | None = None, condition: str | None = None) -> Array:
        """angle (radians), length or margin (of the feature), cosine: V x C x N [x K], or the part asked for."""
        return self._part("geometry", what, variant, condition)

    def prediction(self, what: str, variant: str | None = None, condition: str | None = None) -> Array:
        """class, loss (nat) or logits: V x C x N [x K], or the part asked for."""
        return self._part("prediction", what, variant, condition)

    def _part(self, group: str, what: str, variant: str | None, condition: str | None) -> Array:
        if what not in self.file[group]:
            raise StudyError(f"{self.path}: {known(group, what, self.file[group])}")
        v = slice(None) if variant is None else self.variant_index(variant)
        c = slice(None) if condition is None else self.condition_index(condition)
        return np.asarray(self.file[f"{group}/{what}"][v, c])

    @functools.cached_property
    def _summaries(self) -> dict[str, Array]:
        """Those that were asked for."""
        return {}

    def summary(self, what: str) -> Array:
        """accuracy, or the mean over labelled samples of loss, angle, length or margin: V x C (NaN when none is labelled).
        More of them in newer files: ece, angle_deviation, ..."""
        if what not in self._summaries:
            self._summaries[what] = self._summary(what)
        return self._summaries[what].copy()

    def _summary(self, what: str) -> Array:
        path = f"summary/{what}"
        found = self.file.get(path)  # or a folder, as by_class
        if getattr(found, "ndim", 0) == 2 and found.shape[1] == len(self.conditions):
            return np.asarray(self.file[path][()], dtype=float)
        source = {"accuracy": "prediction/class", "loss": "prediction/loss"}.get(what, f"geometry/{what}")
        if what not in ("accuracy", "loss", "angle", "length", "margin"):
            names = [name for name, item in self.file.get("summary", {}).items() if getattr(item, "ndim", 0) == 2]
            raise StudyError(f"{self.path}: {known('summary', what, names)}")
        labelled = self.label >= 0
        result = np.full((len(self.variants), len(self.conditions)), np.nan)
        for v in range(len(self.variants) if labelled.any() else 0):
            for c in range(len(self.conditions)):  # one line at a time: V x C x N may be large
                line = self.file[source][v, c]
                result[v, c] = np.mean((line == self.label if what == "accuracy" else line.astype(float))[labelled])
        return result

    def folded(self, what: str) -> tuple[Array, Array]:
        """(mean, deviation) of a summary over the replicates, R x C each: as `spread`, from the file where it has them and no seed
        has failed."""
        paths = [f"replicates/{what}_{part}" for part in ("mean", "deviation")]
        whole = all(len(findings.living(self, name)) == len(group) for name, group in self.replicates.items())  # the file's are of all seeds
        if whole and paths[0] in self.file and strings(self.file["replicate"]) == list(self.replicates):
            mean, deviation = (np.asarray(self.file[path][()]) for path in paths)
            return mean, deviation
        return self.spread(self.summary(what))

    def spread(self, values: Array) -> tuple[Array, Array]:
        """(mean, deviation) over the replicates of numbers given by variant, V x ...: R x ... each, of the seeds that have not
        failed, as long as there is one. The deviation is the standard deviation of these seeds, n - 1; NaN for one."""
        parts = [np.asarray(values)[[self.variant_index(v) for v in findings.living(self, name)]] for name in self.replicates]
        alone = np.full(np.shape(values)[1:], np.nan)
        with np.errstate(invalid="ignore"):  # an infinite margin has no deviation
            return (np.array([part.mean(axis=0) for part in parts]),
                    np.array([part.std(axis=0, ddof=1) if len(part) > 1 else alone for part in parts]))

    def image(self, sample: int, condition: str | None = None) -> Array:
        """Pixels as they lie in the data set: channel x y x x; with a condition, as networks saw them under it, of the samples
        of study.numbers("change")."""
        sample = self.sample_index(sample)
        if condition is None:
            return np.asarray(self.file["image"][sample])
        c, at = self.condition_index(condition), np.flatnonzero(self.numbers("change") == sample)
        there = "change/picture" in self.file
        if not there or not at.size or ("progress/pictures" in self.file and self.file["progress/pictures"][c, at[0]] != 1):
            why = ("the file has none" if not there else "the run has not got that far" if at.size else
                   f"those of {len(self.numbers('change'))} samples are: study.numbers('change')")
            raise StudyError(f"{self.path}: the picture of sample {sample} under {condition} is not there: {why}; facet.corrupt("
                             f"study.image({sample}), CORRUPTION, SEVERITY, seed=study.attrs['seed'], first={sample}, "
                             "scale=study.normalization[0]) makes it again")
        return np.asarray(self.file["change/picture"][at[0], c])

    @functools.cached_property
    def normalization(self) -> tuple[float, Array, Array]:
        """(scale, mean, std): x = (pixel / scale - mean) / std. Mean and std are per channel."""
        missing = [key for key in ("scale", "mean", "std") if f"normalize_{key}" not in self.attrs]
        if missing:
            raise StudyError(f"{self.path}: attribute normalize_{missing[0]} is missing: the network's input is not known")
        scale, mean, std = (np.asarray(self.attrs[f"normalize_{key}"], dtype=float) for key in ("scale", "mean", "std"))
        channels = self.shape[0]
        if any(np.size(value) not in (1, channels) for value in (mean, std)):
            raise StudyError(f"{self.path}: normalize_mean and normalize_std do not fit {channels} channels")
        mean, std = (np.broadcast_to(value.ravel(), channels).reshape(-1, 1, 1) for value in (mean, std))
        return float(scale), mean, std

    def input(self, sample: int, variant: str | None = None, condition: str | None = None) -> Array:
        """What the network sees: the normalised image, float64, channel x y x x; with a variant, as its network takes it, in
        its order and shape. condition: as of `image`."""
        scale, mean, std = self.normalization
        x = np.asarray((self.image(sample, condition).astype(float) / scale - mean) / std)
        if variant is None:
            return x
        recipe = self.recipe(variant)
        x = np.moveaxis(x, 0, -1) if recipe["order"] == "channels_last" else x
        return x.reshape(recipe["input_shape"])

    def network(self, variant: str) -> Network:
        """The variant's network, from its ONNX file beside this one, in the study's precision, which takes as much at once as
        the study did, so that its bits are the study's (docs/python.md)."""
        from facet.network import Network

        file = pathlib.Path(self.path).parent / "variants" / self.recipe(variant)["onnx"]
        return Network(file, precision="double" if self.file["image"].dtype.itemsize == 8 else "float",
                       gates="secant" if self.gates_of(variant) else "pieces", batches=self._batches(variant))

    def _batches(self, variant: str) -> Batches | None:
        """What the study handled at once of a variant; None: its file is older than that it is said."""
        from facet.network import ALL, TOP, Batches

        if "batches" not in self.attrs:
            return None
        numbers = np.asarray(self.attrs["batches"]).reshape(len(self.variants), -1)
        forward, linear, chunk, rows, top = numbers[self.variant_index(variant)].tolist()
        k = {ALL: len(self.classes), TOP: top}.get(rows, 1)
        return Batches(forward, k if linear else 0, linear, chunk)

    # ---- linearizations ----

    @functools.cached_property
    def linearized(self) -> list[str]:
        """Names of the variants whose linearizations are stored."""
        if not len(self.numbers("linear")):
            return []
        return [v for v in self.variants if f"linear/{v}" in self.file]

    @functools.cached_property
    def not_kept(self) -> str:
        """What of the linearizations the study did not keep, in a sentence; nothing where all is there."""
        kept = {self.linear(v).keep for v in self.linearized}
        return "The study kept digests of its linearizations: rows of W, and what is made of those of one sample, are not in " \
            "the file (linearize: run with keep: all)." if "digest" in kept else \
            "The study kept no bias by node (linearize: run with keep: all)." if "rows" in kept else ""

    def linear(self, variant: str) -> Linear:
        """The linearizations of a variant."""
        self.variant_index(variant)
        if variant not in self.linearized:
            there = f"; there are: {', '.join(self.linearized)}" if self.linearized else ", nor is any other"
            raise StudyError(f"{self.path}: variant {variant} is not linearized{there}")
        if variant not in self._linears:
            found = Linear(self.file[f"linear/{variant}"], self.numbers("linear"), self.shape, self.classes)
            self._check_numbers(f"linear/{variant}/row", np.asarray(found.row[()]), 0, len(self.classes))
            self._linears[variant] = found
        return self._linears[variant]

    @functools.cached_property
    def _linears(self) -> dict[str, Linear]:
        """Those that were asked for."""
        return {}

    def row(self, variant: str, sample: int, cls: str | int | None = None) -> xarray.DataArray:
        """The row of W that explains class `cls` (a name or a number; default: the predicted class) of a sample: channel x
        y x x, logits per normalised input. (row * study.input(sample)).sum() + b is the logit."""
        import xarray

        part = self.contributions(variant, sample, cls)
        return xarray.DataArray(part.w, dims=("channel", "y", "x"), name="W",
                                coords={name: np.arange(size) for name, size in zip(("channel", "y", "x"), self.shape)},
                                attrs={"units": "logit per normalised input", "long_name": "row of W", "variant": variant,
                                       "sample": part.sample, "class": part.name, "b": part.b})

    def contributions(self, variant: str, sample: int, cls: str | int | None = None) -> explain.Contributions:
        """What every pixel and node adds to the logit of class `cls` (default: the predicted one), exactly."""
        return explain.contributions(self, variant, sample, cls)

    def contrast(self, variant: str, sample: int, cls: str | int | None = None, other: str | int | None = None) -> explain.Contrast:
        """What every pixel and node adds to the logit of `cls` (default: the predicted one) minus that of `other` (the strongest of
        the others), exactly."""
        return explain.contrast(self, variant, sample, cls, other)

    def margin_change(self, variant: str, sample: int, condition: str | None = None) -> explain.MarginChange:
        """What every pixel and node adds to the change of a sample's margin: from dense to the variant, or, with a
        condition, from clean to that condition in the variant."""
        return explain.margin_change(self, variant, sample, condition)

    def group_change(self, variant: str, group: str, condition: str | None = None) -> GroupChange:
        """What every pixel and node adds to the change of the margins of a group of samples, added up: from dense to the
        variant, or, with a condition, from clean to that condition in the variant."""
        from facet import groups

        return groups.group_change(self, variant, group, condition)

    def group_changes(self) -> pandas.DataFrame:
        """How margins of groups changed, by variant, condition and group: `samples`, `lost`, `won`, the change of the mean
        `margin`, and its parts: `pixels` + `moved` + `nodes`."""
        from facet import groups

        return groups.group_changes(self)

    def integrated_gradients(self, variant: str, sample: int, condition: str | None = None) -> explain.Way:
        """What happens on the way to a sample, clean or under a condition: exact integrated gradients, pieces, logits."""
        return explain.way(self, variant, sample, condition)

    def line(self, variant: str, number: int = 0) -> Line:
        """A line between two samples, cut into the variant's pieces: logits at their ends, where the predicted class changes."""
        from facet import lines

        return lines.line(self, variant, number)

    def plane(self, variant: str, number: int = 0) -> Plane:
        """A plane through three samples, cut into the variant's regions: polygons, logits at their corners, classes."""
        from facet import planes

        return planes.plane(self, variant, number)

    def attributions(self, variant: str, sample: int) -> faithful.Attributed:
        """Attributions of a sample's outputs by all methods of the study: `method`, `pixels`."""
        from facet import faithful

        return faithful.attributions(self, variant, sample)

    def position(self, variant: str, sample: int) -> explain.Position:
        """What every pixel and node adds to a clean sample's place in the map."""
        return explain.position(self, variant, sample)

    def movement(self, variant: str, sample: int, origin: str = "dense") -> explain.Position:
        """What every pixel and node adds to a clean sample's movement in the map, from one variant to another."""
        return explain.movement(self, variant, sample, origin)

    # ---- tables ----

    def accuracy(self, condition: str | None = None, fold: bool = True) -> pandas.DataFrame:
        """Accuracy by replicate and condition: columns mean, deviation (over the seeds that have not failed, n - 1; NaN
        for one) and seeds, how many these are; with fold=False by variant and condition: accuracy."""
        from facet import tables

        return tables.accuracy(self, condition, fold)

    def fragile(self, count: int = 10, cls: str | int | None = None) -> Fragile:
        """The most fragile samples, of all or of a class: `table`, and `images` (count x channel x y x x)."""
        from facet import tables

        return tables.fragile(self, count, cls)

    def class_damage(self, condition: str | None = None, origin: str = "dense") -> pandas.DataFrame:
        """Accuracy of every class minus that in `origin`, replicates folded: R x K; negative is damage."""
        from facet import tables

        return tables.class_damage(self, condition, origin)

    def layer_sparsity(self) -> pandas.DataFrame:
        """Share of the weights that is gone, by replicate and layer, and of the whole network; the mean over seeds."""
        from facet import tables

        return tables.layer_sparsity(self)

    def regions(self) -> pandas.DataFrame:
        """The linear regions that the samples lie in, by variant and condition: `regions`, how many; `largest`, samples in the
        one with most; `alone`, samples with one of their own."""
        from facet import census

        return census.regions(self)

    def faithfulness(self, fold: bool = True) -> pandas.DataFrame:
        """How faithful attributions are, by variant and method, a mean over samples and rows: areas below the curves of `deletion`
        (low is good) and `insertion` (high is good), `infidelity` and largest `sensitivity`. fold=False: each sample's, and k."""
        from facet import faithful

        return faithful.faithfulness(self, fold)

    def method_agreement(self, variant: str, what: str = "spearman") -> pandas.DataFrame:
        """How far two methods of attribution agree, a mean over samples: rank correlation over the inputs, or, with "overlap",
        the share of the largest tenth that is in both."""
        from facet import faithful

        return faithful.agreement(self, variant, what)

    def gates(self, variant: str, condition: str | None = None) -> pandas.DataFrame:
        """Activation patterns of a variant by gate: `elements`, those that are `constant` over the samples, those that are
        `dead`, and the mean `distance_dense` and `distance_clean` of a sample's pattern, in elements."""
        from facet import census

        return census.gates(self, variant, condition)

    def constant_elements(self, variant: str, condition: str | None = None) -> dict[str, Array]:
        """Which elements never change over the samples, by gate, in the network's own order: the piece that an element is always on
        (ReLU: 0 off, 1 on), or the candidate that always wins; -1: it changes (or a candidate beyond the 253rd wins). Default: clean."""
        from facet import census

        return census.constant_elements(self, variant, condition)

    def pattern_distance(self, variant: str, condition: str | None = None, reference: str = "dense") -> Array:
        """In how many elements the pattern of each sample is another than in `reference`: dense, or the same variant clean. N."""
        from facet import census

        return census.distance(self, variant, condition, reference)

    def radii(self) -> pandas.DataFrame:
        """How far linearizations hold, by variant: medians over the samples of the radius in both norms (`untied_`: without
        boundaries that a sample lies on) and of the distance to the nearest decision boundary, shares of samples that are
        `tied`, and whose nearest point of another class lies `inside` the facet, and the worst certificate."""
        from facet import reach

        return reach.radii(self)

    def reach(self, variant: str) -> pandas.DataFrame:
        """How far the linearization of each sample holds, and what is next: by norm (`max`, `two`) the radius, the gate that
        ends it (`limit_`), the nearest decision boundary and the class beyond it, whether its nearest point lies `inside` the
        facet, and the distance within which no input at all is of another class (`safe_`, a lower bound)."""
        from facet import reach

        return reach.reach(self, variant)

    def nearest(self, variant: str, sample: int, norm: str = "two") -> Nearest:
        """The nearest point of another class of a sample's own map, in the 2-norm (`two`) or the max norm (`max`): `point` and its
        `difference` from the sample, channel x y x x, the class beyond (`other_name`), and whether it lies `inside` the facet."""
        from facet import reach

        return reach.nearest(self, variant, sample, norm)

    def cost(self, what: str) -> pandas.Series[float]:
        """epochs, epochs_before, samples, parameters, flops, flops_sparse, bytes, bytes_sparse, train_seconds or
        forward_seconds of every variant; NaN where it is not known."""
        from facet import tables

        return tables.cost(self, what)

    def costs(self) -> pandas.DataFrame:
        """All that the file knows of costs, a column each, by variant."""
        from facet import tables

        return tables.costs(self)

    def profile(self) -> pandas.DataFrame:
        """Where the time of a run went (facet run --profile): seconds, waiting, storing, rate, memory, ... by stage and rank,
        of the stages that took some."""
        from facet import tables

        return tables.profile(self)

    def pareto(self, cost: str = "flops_sparse", condition: str | None = None) -> pandas.DataFrame:
        """Cost and accuracy of every group of replicates, cheapest first, and `best`: no other one is as good for less."""
        from facet import tables

        return tables.pareto(self, cost, condition)

    # ---- does it hold? ----

    def verify(self, tiles: int = 0, seed: int | None = None, data: str | None = None) -> Verified:
        """Holds the file, and the networks beside it, against their checksums, by the program `facet verify`; tiles: computes
        so many parts of the analysis again, those that `seed` picks, from the data where they were or in the folder `data`,
        and compares every bit. True where all holds; its lines say what does not. StudyError where there is no program."""
        from facet.verified import verify

        return verify(self.path, tiles, seed, data)

    @functools.cached_property
    def verified(self) -> bool | None:
        """Whether file and networks hold their checksums, once looked at; None where nobody can say: there is no program to
        ask, or the file has no checksums."""
        if "checksum" not in self.file:
            return None
        try:
            return bool(self.verify())
        except StudyError:
            return None

    def table(self, *paths: str, **pick: Any) -> pandas.DataFrame:
        """Arrays as one tidy table: a row for each element, a column for each dimension and each array. pick: as
        `labelled`; arrays of one call have the same dimensions."""
        from facet import tables

        return tables.tidy(self, paths, pick)

    @functools.cached_property
    def plot(self) -> Plots:
        """The pictures of the report: study.plot.accuracy_by_severity(), ..."""
        from facet.plot import Plots

        return Plots(self)
