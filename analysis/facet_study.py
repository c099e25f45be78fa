"""Opens a facet result file (study.h5) as numpy or as xarray, and takes its linearizations apart.

    from facet_study import Study, contributions
    with Study("results/demo/study.h5") as study:
        study.variants                                   # ['dense', 'magnitude-global-0.5', ...]
        study.geometry("angle")                          # numpy, V x C x N, radians
        study.geometry("angle", "dense", "clean")        # numpy, N: only this line is read
        study.labelled("geometry/angle").sel(variant="dense").mean("sample")    # xarray.DataArray
        study.linear("dense").W                          # h5py dataset, read when sliced: n x k x the network's input
        study.linear("dense").pictures(0, 1)             # one row of it as channel x y x x, whatever the network's layout
        part = contributions(study, "dense", 7)          # why sample 7 gets its class, exactly
        part.pixels.sum() + part.b == part.output        # up to rounding
        study.replicates                                 # {'lrr-global-0.98': ['lrr-global-0.98-s1', ...], ...}
        position_contributions(study, "dense", 7).sum    # where sample 7 lies in the map, from pixels and biases
        movement(study, "magnitude-global-0.5", 7).sum   # and how pruning moves it there
        mean, deviation = study.replicate_summary("accuracy")    # over seeds, each R x C
        study.cost("epochs")                             # numpy, V: NaN in files that do not know

Nothing is read before it is asked for, and W never as a whole.
"""

import functools
from dataclasses import dataclass

import h5py
import numpy as np

BAD_INPUT, NO_INPUT = 65, 66  # sysexits, as in the program


class StudyError(Exception):
    """What is wrong with a study file, in one line, and the exit status that says so."""

    def __init__(self, message, status=BAD_INPUT):
        super().__init__(message)
        self.status = status


def _strings(dataset):
    return [s.decode() if isinstance(s, bytes) else str(s) for s in dataset[()].ravel()]


def _plain(value):
    """An HDF5 attribute as a Python value: bytes become str, arrays of them lists, numbers plain numbers."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _texts(attributes, name):
    """A list of texts, empty if there is no such attribute."""
    value = attributes.get(name, [])
    return [value] if isinstance(value, str) else list(value)


class Linear:
    """The linearizations of one variant. `W`, `b`, `b_node`, `row` are h5py datasets: slice them to read.

    A row of W has the dimensions of the network's own input: `layout` is channels_first, channels_last or flat, and
    `order` tells in which order its numbers run, channels_first or channels_last. `shape`: (channel, y, x) of a sample."""

    def __init__(self, group, sample, shape):
        self.sample = sample  # n: numbers of the linearized samples
        self.shape = tuple(shape)
        for name, rank in (("W", None), ("row", 2), ("b", 2), ("b_node", 3), ("residual", 1), ("ties", 1), ("node", 1)):
            dataset = group.get(name)
            if not isinstance(dataset, h5py.Dataset) or dataset.ndim != (rank or dataset.ndim) or \
                    name != "node" and dataset.shape[:1] != (len(sample),) or \
                    name == "W" and int(np.prod(dataset.shape[2:])) != int(np.prod(shape)):
                raise StudyError(f"{group.file.filename}: {group.name}/{name} is missing or does not fit")
        self.W, self.row, self.b, self.b_node = (group[name] for name in ("W", "row", "b", "b_node"))
        self.node = _strings(group["node"])
        self.layout = _plain(self.W.attrs.get("layout", "channels_first"))  # schema 1 says nothing: it had this alone
        self.order = _plain(self.W.attrs.get("order", "channels_first"))
        self._group = group

    def pictures(self, *index):
        """W[index] as float64 with every row as channel x y x x; index: a sample's position along n, and a row's k."""
        rows = self.W[index]
        rows = rows.reshape(*rows.shape[:2 - len(index)], -1).astype(float)
        channel, y, x = self.shape
        if self.order == "channels_last":
            return np.moveaxis(rows.reshape(*rows.shape[:-1], y, x, channel), -1, -3)
        return rows.reshape(*rows.shape[:-1], channel, y, x)

    @functools.cached_property
    def residual(self):
        return self._group["residual"][()]

    @functools.cached_property
    def ties(self):
        return self._group["ties"][()]

    def position(self, sample):
        """Where a sample of the test set lies along n."""
        found = np.flatnonzero(self.sample == sample)
        if not len(found):
            raise StudyError(f"sample {sample} is not linearized")
        return int(found[0])

    def find(self, sample, cls):
        """(i, k) of the stored row that explains class `cls` of a sample, or None where that row was not asked for."""
        i = self.position(sample)
        k = np.flatnonzero(self.row[i] == cls)
        return (i, int(k[0])) if len(k) else None


class Study:
    """A result file. Raises StudyError, one line, if it is missing, no study, or not finished."""

    def __init__(self, path):
        self.path = str(path)
        self._linear = {}
        try:
            self.file = h5py.File(self.path, "r")
        except (FileNotFoundError, IsADirectoryError) as error:
            raise StudyError(f"{self.path}: no such file", NO_INPUT) from error
        except PermissionError as error:
            raise StudyError(f"{self.path}: permission denied", NO_INPUT) from error
        except OSError as error:
            raise StudyError(f"{self.path}: not an HDF5 file, or a damaged one") from error
        try:
            self._check()
        except StudyError:
            self.close()
            raise

    def _check(self):
        missing = [name for name in ("variant", "condition", "class", "sample", "label", "image", "prediction/logits",
                                     "prediction/class", "geometry/angle", "geometry/length", "geometry/margin")
                   if not isinstance(self.file.get(name), h5py.Dataset)]
        if missing:
            raise StudyError(f"{self.path}: not a facet study: {', '.join('/' + name for name in missing)} "
                             f"{'is' if len(missing) == 1 else 'are'} missing")
        version = _plain(self.file.attrs.get("schema_version", 1))
        if version not in range(1, 7):
            raise StudyError(f"{self.path}: schema version {version}, this reader knows 1 to 6")
        lines = (len(self.variants), len(self.conditions), self.samples)
        wanted = {"label": lines[2:], "image": lines[2:], "prediction/class": lines, "prediction/logits": lines,
                  "geometry/angle": lines, "geometry/length": lines, "geometry/margin": lines}
        wanted.update({f"cost/{name}": lines[:1] for name in self.file.get("cost", ())})
        for name, shape in wanted.items():
            found = self.file[name].shape
            rank = {"image": 4, "prediction/logits": 4}.get(name, len(shape))
            if found[:len(shape)] != shape or len(found) != rank:
                raise StudyError(f"{self.path}: /{name} has shape {found}, which does not fit {lines[0]} variants, "
                                 f"{lines[1]} conditions, {lines[2]} samples")
        if 0 in lines:
            raise StudyError(f"{self.path}: holds no samples")
        missing = self.missing_stages()
        if missing:
            raise StudyError(f"{self.path}: not finished: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} "
                             "missing; start `facet run` again and it goes on")

    def missing_stages(self):
        """Stages of the study that are not done, with how far they are: "analyse (12 of 80 parts are done)"."""
        missing = []
        for stage, marks in self.file.get("progress", {}).items():
            if marks.is_scale:
                continue
            done, parts = int(np.sum(marks[()] == 1)), marks.size
            if done < parts:
                missing.append(f"{stage} ({done} of {parts} parts are done)" if done else stage)
        return missing

    def close(self):
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- coordinates and what the file says about itself ----

    @functools.cached_property
    def attrs(self):
        return {name: _plain(value) for name, value in self.file.attrs.items()}

    @functools.cached_property
    def name(self):
        return str(self.attrs.get("study_name", "study"))

    @functools.cached_property
    def variants(self):
        return _strings(self.file["variant"])

    @functools.cached_property
    def conditions(self):
        return _strings(self.file["condition"])

    @functools.cached_property
    def classes(self):
        return _strings(self.file["class"])

    @functools.cached_property
    def label(self):
        return self.file["label"][()]

    @property
    def samples(self):
        return self.file["sample"].shape[0]

    @property
    def shape(self):
        """(channel, y, x) of a sample."""
        return self.file["image"].shape[1:]

    @property
    def flat(self):
        """True for data that are a list of numbers, not a picture."""
        return self.shape[1] == 1 or self.shape[2] == 1

    def variant_index(self, variant):
        return self._index(self.variants, variant, "variant")

    def condition_index(self, condition):
        return self._index(self.conditions, condition, "condition")

    def _index(self, names, name, what):
        if name not in names:
            raise StudyError(f"{self.path}: no {what} is called {name}; there are: {', '.join(names)}")
        return names.index(name)

    def recipe(self, variant):
        """Attributes of a variant (method, scope, sparsity, achieved, layers, ...) as a dict."""
        group = self.file.get(f"variants/{variant}")
        return {name: _plain(value) for name, value in group.attrs.items()} if group is not None else {}

    @functools.cached_property
    def replicates(self):
        """{name: [variant, ...]}: variants that differ in their seeds alone; most often each is alone, under its own name."""
        groups = {}
        for variant in self.variants:
            groups.setdefault(self.recipe(variant).get("replicate", variant), []).append(variant)
        return groups

    def warnings(self, variant):
        """What the program had to say of a variant's layers."""
        return _texts(self.recipe(variant), "warnings")

    @functools.cached_property
    def diverged(self):
        """One line for each variant that is missing because its training diverged."""
        return _texts(self.attrs, "diverged")

    def cost(self, what):
        """epochs, epochs_before, samples, parameters, flops, flops_sparse, bytes, bytes_sparse, train_seconds or
        forward_seconds of every variant; NaN in files that do not know."""
        path = f"cost/{what}"
        return self.file[path][()].astype(float) if path in self.file else np.full(len(self.variants), np.nan)

    # ---- numbers ----

    def geometry(self, what, variant=None, condition=None):
        """angle (radians), length or margin: V x C x N, or the part asked for."""
        return self._part(f"geometry/{what}", variant, condition)

    def prediction(self, what, variant=None, condition=None):
        """class, loss or logits: V x C x N [x K], or the part asked for."""
        return self._part(f"prediction/{what}", variant, condition)

    def _part(self, path, variant, condition):
        v = slice(None) if variant is None else self.variant_index(variant)
        c = slice(None) if condition is None else self.condition_index(condition)
        return self.file[path][v, c]

    @functools.cached_property
    def accuracy(self):
        """V x C, the share of labelled samples that are right (NaN when none is labelled)."""
        return self.summary("accuracy")

    def summary(self, what):
        """accuracy, loss, angle, length or margin, the mean over labelled samples: V x C (NaN when none is labelled)."""
        if f"summary/{what}" in self.file:
            return np.asarray(self.file[f"summary/{what}"][()], dtype=float)
        path = {"accuracy": "prediction/class", "loss": "prediction/loss"}.get(what, f"geometry/{what}")
        known = self.label >= 0
        result = np.full((len(self.variants), len(self.conditions)), np.nan)
        for v in range(len(self.variants) if known.any() else 0):
            for c in range(len(self.conditions)):  # one line at a time: V x C x N may be large
                line = self.file[path][v, c]
                result[v, c] = np.mean((line == self.label if what == "accuracy" else line.astype(float))[known])
        return result

    def replicate_summary(self, what):
        """(mean, deviation) of a summary over the replicates, R x C each: as `spread`, from the file where it has them."""
        paths = [f"replicates/{what}_{part}" for part in ("mean", "deviation")]
        if paths[0] in self.file and _strings(self.file["replicate"]) == list(self.replicates):
            return tuple(self.file[path][()] for path in paths)
        return self.spread(self.summary(what))

    def spread(self, values):
        """(mean, deviation) over the replicates of numbers given by variant, V x ...: R x ... each. The deviation is the
        standard deviation of the seeds, n - 1; NaN for one."""
        parts = [np.asarray(values)[[self.variant_index(v) for v in group]] for group in self.replicates.values()]
        alone = np.full(np.shape(values)[1:], np.nan)
        with np.errstate(invalid="ignore"):  # an infinite margin has no deviation
            return (np.array([part.mean(axis=0) for part in parts]),
                    np.array([part.std(axis=0, ddof=1) if len(part) > 1 else alone for part in parts]))

    def image(self, sample):
        """Pixels as they lie in the data set: channel x y x x."""
        return self.file["image"][sample]

    @functools.cached_property
    def normalization(self):
        """(scale, mean, std): x = (pixel / scale - mean) / std. Mean and std are per channel."""
        missing = [key for key in ("scale", "mean", "std") if f"normalize_{key}" not in self.attrs]
        if missing:
            raise StudyError(f"{self.path}: attribute normalize_{missing[0]} is missing: the network's input is not known")
        scale, mean, std = (np.asarray(self.attrs[f"normalize_{key}"], dtype=float) for key in ("scale", "mean", "std"))
        channels = self.shape[0]
        if any(np.size(value) not in (1, channels) for value in (mean, std)):
            raise StudyError(f"{self.path}: normalize_mean and normalize_std do not fit {channels} channels")
        return float(scale), *(np.broadcast_to(value.ravel(), channels).reshape(-1, 1, 1) for value in (mean, std))

    def input(self, sample):
        """What the network sees: the normalised image, float64, channel x y x x."""
        scale, mean, std = self.normalization
        return (self.image(sample).astype(float) / scale - mean) / std

    @functools.cached_property
    def linearized(self):
        """Names of the variants whose linearizations are stored."""
        if "linear/sample" not in self.file or self.file["linear/sample"].shape[0] == 0:
            return []
        return [v for v in self.variants if f"linear/{v}" in self.file]

    def linear(self, variant):
        """The linearizations of a variant (class Linear)."""
        self.variant_index(variant)
        if variant not in self.linearized:
            raise StudyError(f"{self.path}: variant {variant} is not linearized")
        if variant not in self._linear:
            self._linear[variant] = Linear(self.file[f"linear/{variant}"], self.file["linear/sample"][()], self.shape)
        return self._linear[variant]


    # ---- xarray ----

    def arrays(self):
        """{path: (names of its dimensions, unit, meaning)} of every array, in the file's own words: files describe
        themselves since schema version 6, before it unit and meaning are empty."""
        found = {}

        def visit(path, item):
            if isinstance(item, h5py.Dataset) and not item.is_scale:
                about = (_plain(item.attrs.get(key, "")) for key in ("units", "long_name"))
                found[path] = (tuple(self._dimension(item, axis)[0] for axis in range(item.ndim)), *about)

        self.file.visititems(visit)
        return found

    def labelled(self, path, **pick):
        """A dataset as an xarray.DataArray with named dimensions and coordinates.

        pick: positions or slices by dimension name, applied before reading: labelled("linear/dense/W", sample=0)."""
        import xarray

        if path not in self.file or not isinstance(self.file[path], h5py.Dataset):
            raise StudyError(f"{self.path}: no dataset {path}")
        dataset = self.file[path]
        names, scales = zip(*(self._dimension(dataset, axis) for axis in range(dataset.ndim)))
        unknown = set(pick) - set(names)
        if unknown:
            raise StudyError(f"{path} has no dimension {', '.join(sorted(unknown))}; it has: {', '.join(names)}")
        key = tuple(pick.get(name, slice(None)) for name in names)
        kept = [axis for axis, k in enumerate(key) if not isinstance(k, (int, np.integer))]
        coords = {}
        for axis in kept:
            scale = scales[axis]
            if scale is not None and scale.shape == (dataset.shape[axis],):
                values = np.asarray(_strings(scale)) if scale.dtype.kind in "OS" else scale[()]
                coords[names[axis]] = values[key[axis]]
        return xarray.DataArray(dataset[key], dims=[names[axis] for axis in kept], coords=coords,
                                name=path.rpartition("/")[2],
                                attrs={key: _plain(dataset.attrs[key]) for key in ("units", "long_name") if key in dataset.attrs})

    @staticmethod
    def _dimension(dataset, axis):
        dimension = dataset.dims[axis]
        scale = dimension[0] if len(dimension) else None
        name = scale.name.rpartition("/")[2] if scale is not None else dimension.label
        return name or f"axis{axis}", scale


# ---- taking one output, or one decision, apart ----


@dataclass
class Contributions:
    """One output F_k of one sample, exactly: F_k = pixels.sum() + b, and b = b_node.sum()."""

    sample: int
    variant: str
    cls: int
    x: np.ndarray  # normalised input, channel x y x x
    w: np.ndarray  # the row of W, channel x y x x as x is
    pixels: np.ndarray  # w * x
    b: float
    b_node: np.ndarray
    node: list
    output: float  # F_k of the plain forward pass, as stored

    @property
    def sum(self):
        return float(self.pixels.sum() + self.b)


@dataclass
class Contrast:
    """The difference of two outputs F_c - F_other, taken apart in the same way. Dividing everything by the distance of
    the two class directions gives the signed distance to their decision boundary: the margin, for the nearest one."""

    cls: int
    other: int
    pixels: np.ndarray
    b: float
    b_node: np.ndarray
    node: list

    @property
    def sum(self):
        return float(self.pixels.sum() + self.b)

    def __truediv__(self, distance):
        return Contrast(self.cls, self.other, self.pixels / distance, self.b / distance, self.b_node / distance, self.node)


def contributions(study, variant, sample, cls=None):
    """Contributions of every pixel and bias node to the output for `cls` (default: the class predicted on clean data)."""
    linear = study.linear(variant)
    v, c = study.variant_index(variant), study.condition_index("clean")
    if cls is None:
        cls = int(study.file["prediction/class"][v, c, sample])
    found = linear.find(sample, cls)
    if found is None:
        raise StudyError(f"{study.path}: the row of class {cls} is not stored for sample {sample} of {variant}")
    x, w = study.input(sample), linear.pictures(*found)
    return Contributions(sample, variant, cls, x, w, w * x, float(linear.b[found]), linear.b_node[found].astype(float),
                         linear.node, float(study.file["prediction/logits"][v, c, sample, cls]))


def contrast(study, variant, sample, cls, other):
    """F_cls - F_other of one sample by pixel and bias node; needs both rows of W."""
    one, two = (contributions(study, variant, sample, k) for k in (cls, other))
    return Contrast(cls, other, one.pixels - two.pixels, one.b - two.b, one.b_node - two.b_node, one.node)


def contrast_change(before, after):
    """What another variant changes about a decision, by pixel and bias node (nodes are matched by name)."""
    if (before.cls, before.other) != (after.cls, after.other):
        raise ValueError("the two contrasts compare different classes")
    node, split = _node_change(before, after)
    return Contrast(before.cls, before.other, after.pixels - before.pixels, after.b - before.b, split, node)


@dataclass
class Position:
    """Where a sample lies in the map, or how it moves there, exactly: total = pixels.sum over the picture + b, for each
    axis of the map, and b = b_node.sum(axis=1)."""

    sample: int
    pixels: np.ndarray  # axis x channel x y x x
    b: np.ndarray  # axis
    b_node: np.ndarray  # axis x node
    node: list
    total: np.ndarray  # axis: of the plain forward pass, as stored

    @property
    def sum(self):
        return self.pixels.sum(axis=(1, 2, 3)) + self.b


def position_contributions(study, variant, sample):
    """What every pixel and bias node adds to a clean sample's position in the map."""
    path = f"embed/{variant}"
    at = np.flatnonzero(study.file["embed/sample"][()] == sample) if "embed/sample" in study.file else []
    if f"{path}/W" not in study.file or not len(at):
        raise StudyError(f"{study.path}: the position of sample {sample} of {variant} is not explained")
    group, i = study.file[path], int(at[0])
    total = study.file["embed/position"][study.variant_index(variant), study.condition_index("clean"), sample]
    return Position(sample, group["W"][i].astype(float) * study.input(sample), group["b"][i].astype(float),
                    group["b_node"][i].astype(float), _strings(group["node"]), total)


def movement(study, variant, sample, origin="dense"):
    """How a clean sample moves from one variant to another, by pixel and bias node (matched by name)."""
    before, after = (position_contributions(study, v, sample) for v in (origin, variant))
    node, split = _node_change(before, after)
    return Position(sample, after.pixels - before.pixels, after.b - before.b, split, node, after.total - before.total)


def _node_change(before, after):
    """(names, differences) of b_node, whose last axis is that of the nodes."""
    node = list(dict.fromkeys(before.node + after.node))
    split = np.zeros((*np.shape(after.b_node)[:-1], len(node)))
    for part, sign in ((after, 1), (before, -1)):
        for i, name in enumerate(part.node):
            split[..., node.index(name)] += sign * part.b_node[..., i]
    return node, split


def check_sums(study, variant, limit=200, most_bytes=64 << 20):
    """Adds contributions and bias up again in float64, over evenly spaced samples (all their stored rows), as many as
    `limit` and a budget of bytes allow. Returns (samples, rows, worst |sum W*x + b - F| / max(1, max |F|),
    worst |sum b_node - b| / max(1, max |F|))."""
    linear = study.linear(variant)
    v, c = study.variant_index(variant), study.condition_index("clean")
    n, k = linear.row.shape
    one = max(1, int(np.prod(linear.W.shape[1:])) * linear.W.dtype.itemsize)
    count = min(n, limit, max(1, most_bytes // one))
    worst, worst_split = 0.0, 0.0
    for i in np.unique(np.linspace(0, n - 1, count).astype(int)):
        sample = int(linear.sample[i])
        logits = study.file["prediction/logits"][v, c, sample].astype(float)
        x, b = study.input(sample).ravel(), linear.b[i].astype(float)
        total = linear.pictures(i).reshape(k, -1) @ x + b
        size = max(1.0, np.abs(logits).max())
        split = linear.b_node[i].astype(float).sum(axis=1)
        worst = np.maximum(worst, np.abs(total - logits[linear.row[i]]).max() / size)  # np.maximum keeps a NaN, max() not
        worst_split = np.maximum(worst_split, np.abs(split - b).max() / size)
    return count, count * k, float(worst), float(worst_split)
