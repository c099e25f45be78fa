"""Networks in this process: linearized, taken apart, measured and pruned by the library, in numpy's arrays."""

from __future__ import annotations

import ctypes
import io
import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from facet import attributing
from facet.answers import SECANT, Attributions, Faithfulness, Geometry, Linearization, Margins, Paths, Reach, numbers
from facet.errors import NetworkError, known
from facet.handles import Handles
from facet.hdf import Array
from facet.library import (
    DOUBLE,
    FLOAT,
    ExecutorOptions,
    Head,
    LinearizationBuffers,
    LineOptions,
    LineResult,
    MarginBuffers,
    PathBuffers,
    PathOptions,
    PlaneOptions,
    PlaneResult,
    ReachOptions,
    ReachResult,
    address,
    library,
)
from facet.lines import Line
from facet.planes import Plane
from facet.pruning import Mask, make, read

FORWARD, ADJOINTS = 48, 40  # samples of a forward pass; samples times rows of a pullback: as in the program (mpi/stages/work.c)
CROSSINGS, POINTS = 16, 65  # of a path: as in the program
ALL, PREDICTED, TOP = range(3)  # facet_rows_choice
GATES = ("pieces", "secant")  # facet_gates
REACHED = ("untied", "error", "element", "next", "boundary", "other", "inside", "within", "beyond")  # of facet_reach_norm
Rows = str | int | Sequence[int] | Array


class Batches(NamedTuple):
    """What goes through a network at once, which the last bits of float may depend on; a study's own are in its file."""

    forward: int
    """Samples of a forward pass."""
    rows: int
    """Rows of W per sample that `linear` and `chunk` are for; 0: none."""
    linear: int
    """Samples that are linearized at once."""
    chunk: int
    """Rows of each of these that are pulled back at once."""


def copied(at: int, kind: Any, shape: tuple[int, ...]) -> Array:
    """Numbers that the library keeps, as an array of one's own."""
    return np.array(np.ctypeslib.as_array(ctypes.cast(at, ctypes.POINTER(kind)), shape))


def words(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def reached(out: ReachResult, gates: list[str]) -> dict[str, Any]:
    """What the library says of one sample, by the fields of Reach."""
    found: dict[str, Any] = {name: [getattr(norm, name) for norm in out.norm] for name in REACHED}
    found |= {"limit": [gates[norm.gate] if norm.gate >= 0 else "" for norm in out.norm]}
    found |= {name: norm.radius for name, norm in zip(("max_norm", "two_norm"), out.norm)}
    return found | {name: getattr(out, name) for name in ("tied", "residual", "rows")}


class Network:
    """A ReLU network of an ONNX file, in this process.

        network = facet.Network("model.onnx")
        linear = network.linearize(x)               W, b, b_node, residual, ties of a sample, or of a batch
        network.margins(x, label)                   a margin as a sum over inputs and nodes
        network.integrated_gradients(start, x)      exactly, on the way from start to x
        network.reach(x)                            how far W, b hold; the nearest boundary
        network.line(x, y)                          the segment between two inputs, cut into pieces
        network.plane([x, y, z])                    the plane through three inputs, cut into regions
        network.attributions(x)                     those that the field makes, next to the exact ones
        network.geometry(x, label)                  angle, length, margin, loss, features
        smaller = network.prune("magnitude", 0.9)   another network; smaller.mask says what went
        smaller.write("smaller.onnx")

    model: path of an ONNX file, or its bytes, which messages call `name`. precision: "float" or "double", of all that is computed, as in a study.
    kernels: "dense" (float), "reference" or "exact" (double); None: dense for float, reference for double.
    gates: "pieces" refuses what is not piecewise linear; "secant" freezes it at each sample (docs/networks.md): W x + b is F there,
    but W is not the Jacobian (`piecewise_linear` says so), and paths, margins and pruning by gradients refuse such a network.

    batches: what goes through at once, as in the study whose last bits are wanted (`Study.network` gives it); None: as in a study
    with memory for all and no small blocks.

    Samples are what the network takes, normalised, in its own input shape: one of them, or N of them. In double they go to
    the library as they are; in float they are rounded, and which facet they lie in is decided in double.

    Any number of threads may use a network at once. It is closed with `with`, by close(), or when nobody holds it any more.
    Errors are NetworkError with the library's line."""

    def __init__(self, model: str | os.PathLike[str] | bytes, *, precision: str = "float", kernels: str | None = None,
                 gates: str = "pieces", name: str = "ONNX bytes", batches: Batches | None = None) -> None:
        facet, pointer = library(), ctypes.c_void_p()
        if gates not in GATES:
            raise NetworkError(known("word for gates", gates, GATES))
        if isinstance(model, (bytes, bytearray, memoryview)):
            data = np.frombuffer(model, np.uint8)
            facet.onnx_read_bytes_gates(name.encode(), address(data), data.size, GATES.index(gates), ctypes.byref(pointer))
        else:
            name = os.fspath(model)
            facet.onnx_read_gates(os.fsencode(name), GATES.index(gates), ctypes.byref(pointer))
        try:
            self._begin(Handles(facet, pointer, name), precision, kernels, batches)
        except NetworkError:
            facet.network_destroy(ctypes.byref(pointer))
            raise

    @classmethod
    def from_torch(cls, module: Any, example: Any, *, precision: str = "float", kernels: str | None = None,
                   gates: str = "pieces") -> Network:
        """A module of PyTorch as it is in eval mode. Batch norm stays as it is, not folded into the weights before it, so that
        magnitudes mean what they mean in the module. example: a batch of samples, whose numbers do not matter."""
        import torch

        buffer, trained = io.BytesIO(), {part: part.training for part in module.modules()}
        try:
            module.eval()
            torch.onnx.export(module, (example,), buffer, dynamo=False, do_constant_folding=False,
                              training=torch.onnx.TrainingMode.PRESERVE, input_names=["x"], output_names=["logits"],
                              dynamic_axes={"x": {0: "N"}, "logits": {0: "N"}})
        finally:
            for part, training in trained.items():
                part.training = training
        return cls(buffer.getvalue(), precision=precision, kernels=kernels, gates=gates, name=type(module).__name__)

    def _begin(self, handles: Handles, precision: str, kernels: str | None, batches: Batches | None) -> None:
        if precision not in ("float", "double"):
            raise NetworkError(known("precision", precision, ("float", "double")))
        facet = handles.library
        self._kernels = facet.kernels_find(kernels.encode()) if kernels else None
        if kernels and not self._kernels:
            raise NetworkError(known("set of kernels", kernels, ("dense", "reference", "exact")))
        self.precision, self.kernels, self._batches = precision, kernels, batches
        self._real = DOUBLE if precision == "double" else FLOAT
        self._type = np.dtype(np.float64 if precision == "double" else np.float32)
        self._handles = handles
        self.mask: Mask | None = None
        """What was pruned away to make this network; None: nothing, as far as is known."""
        with handles.network() as network:
            shape = facet.network_input_shape(network)
            self.shape: tuple[int, ...] = tuple(shape.dim[:shape.rank])
            """Of one sample, as the network takes it."""
            self.classes = int(facet.network_outputs(network))
            """How many logits there are, K."""
            self.parameters = int(facet.network_parameters(network))
            """Numbers that training may change."""
            self.piecewise_linear = bool(facet.network_is_piecewise_linear(network))
            """Whether W is the Jacobian: nothing is frozen at each sample."""
            self.softmax_stripped = bool(facet.network_softmax_stripped(network))
            """Whether the file ends in a softmax or a sigmoid, which was taken off: the logits before it are explained."""
        self._finalize = weakref.finalize(self, handles.close)

    def close(self) -> None:
        """Gives back the network's memory; threads that are at work with it finish first."""
        self._finalize()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def name(self) -> str:
        """Path of its file; of a network that was made, of the file it began as."""
        return self._handles.name

    def __repr__(self) -> str:
        pruned = f", {self.mask.sparsity:.1%} of its weights removed" if self.mask else ""
        return (f"<facet.Network {self.name}: {words(self.shape)} to {self.classes} logits, {self.parameters:,} parameters, "
                f"{self.precision}{pruned}{'' if self.piecewise_linear else ', ' + SECANT}>")

    # ---- samples ----

    def _batch(self, x: Any) -> tuple[Array, bool]:
        """Samples as N x D, and whether one was given alone."""
        array = numbers(x)
        single = array.shape == self.shape
        if not single and array.shape[1:] != self.shape:
            raise NetworkError(f"{self.name}: samples are {words(self.shape)}, or N of them; x is {words(array.shape)}")
        return array.reshape(-1, int(np.prod(self.shape))), single

    def _each(self, inputs: Sequence[Any] | Array) -> Array:
        """Inputs that were given one by one, as N x D, in double."""
        given = [numbers(x) for x in inputs]
        for x in given:
            if x.shape != self.shape:
                raise NetworkError(f"{self.name}: inputs are {words(self.shape)} each; one is {words(x.shape)}")
        return np.array(given, np.float64).reshape(len(given), int(np.prod(self.shape)))

    def _check_classes(self, what: str) -> None:
        """That outputs are classes, of which one may be predicted; one output alone is."""
        try:
            with self._handles.network() as network:
                self._handles.library.network_classifies(network)
        except NetworkError as error:
            if self.classes > 1:
                raise NetworkError(f"{self.name}: {error}: {what}", error.status) from error

    def _labels(self, label: Any, count: int, single: bool) -> Array:
        if label is not None:
            self._check_classes("it takes no labels")
        found = np.full(count, -1, np.int32) if label is None else numbers(label)
        if found.shape != (() if single and label is not None else (count,)):
            raise NetworkError(f"{self.name}: {count} sample{'s' * (count != 1)}, but labels of shape {found.shape}")
        if found.dtype.kind not in "iu" or np.any((found < -1) | (found >= self.classes)):
            raise NetworkError(f"{self.name}: labels are whole numbers, 0 to {self.classes - 1}, or -1 for none")
        return np.ascontiguousarray(found, np.int32).reshape(count)

    def _options(self, batch: int, rows: int = 0) -> ExecutorOptions:
        return ExecutorOptions(kernels=self._kernels, real=self._real, batch=batch, rows=rows)

    def _forward_batch(self, count: int) -> int:
        """Samples of a forward pass: a study's, whether there are as many or not, or as many as there are."""
        return self._batches.forward if self._batches else max(1, min(FORWARD, count))

    def _linear_batch(self, k: int, batch: int | None) -> tuple[int, int]:
        """Samples that are linearized at once, and rows of each that are pulled back at once."""
        if batch is None and self._batches and self._batches.rows == k:
            return self._batches.linear, self._batches.chunk
        chunk = -(-k // -(-k // ADJOINTS))  # of chunks of much the same size
        return ADJOINTS // chunk if batch is None else max(batch, 1), chunk

    def _passes(self, executor: ctypes.c_void_p, batch: int, x: Array, settle: bool = False
                ) -> Iterator[tuple[slice, Array, Array]]:
        """Sends samples forward, a batch at a time: which they are, as the executor took them, and their logits."""
        facet = self._handles.library
        for first in range(0, len(x), batch):
            exact = np.ascontiguousarray(x[first:first + batch], np.float64)
            given = np.ascontiguousarray(exact, self._type)
            logits = np.empty((len(exact), self.classes))
            facet.executor_forward(executor, address(given), len(given))
            facet.executor_output(executor, address(logits))
            if not np.isfinite(logits).all():
                at = first + int(np.argmin(np.isfinite(logits).all(axis=1)))
                raise NetworkError(f"{self.name}: the logits of sample {at} are not finite")
            if settle:
                facet.executor_settle(executor, address(exact))
            yield slice(first, first + len(exact)), given, logits

    def logits(self, x: Any) -> Array:
        """F(x): N x K, or K of one sample; in double, as computed in the network's precision."""
        samples, single = self._batch(x)
        found, batch = np.empty((len(samples), self.classes)), self._forward_batch(len(samples))
        with self._handles.executor(self._options(batch)) as executor:
            for part, _, logits in self._passes(executor, batch, samples):
                found[part] = logits
        return found[0] if single else found

    __call__ = logits

    # ---- linearization ----

    def _chosen(self, rows: Rows, top: int | None, count: int) -> tuple[int, int, Array | None]:
        """(a choice of the library, rows of W per sample, or the rows themselves)."""
        if top is not None or isinstance(rows, str) and rows == "predicted":
            self._check_classes("rows are all, or numbers of outputs")
        if top is not None:
            if not 1 <= top <= self.classes:
                raise NetworkError(f"{self.name}: the top {top} of {self.classes} classes")
            return TOP, top, None
        if isinstance(rows, str):
            if rows not in ("all", "predicted"):
                raise NetworkError(known("choice of rows", rows, ("all", "predicted")))
            return (ALL, self.classes, None) if rows == "all" else (PREDICTED, 1, None)
        given = np.atleast_1d(numbers(rows))
        if given.dtype.kind not in "iu" or given.ndim > 2 or not given.size or np.any((given < 0) | (given >= self.classes)):
            raise NetworkError(f"{self.name}: rows are classes, 0 to {self.classes - 1}, or all or predicted")
        if given.ndim == 2 and len(given) != count:
            raise NetworkError(f"{self.name}: rows for {len(given)} samples, but there are {count}")
        chosen = np.ascontiguousarray(np.broadcast_to(given, (count, given.shape[-1])), np.int32)
        return ALL, chosen.shape[1], chosen

    def linearize(self, x: Any, rows: Rows = "all", *, top: int | None = None, batch: int | None = None) -> Linearization:
        """W, b, b by node, residual and ties of a sample, or of N. W takes N x k x inputs numbers of memory.

        rows: which classes W explains: "all", "predicted", a class, some ([0, 3]), or some of each sample's own (N x k).
        top: so many with the largest logits, largest first.
        batch: samples that go through at once, whether there are as many or not. None: as many as in the study that gave the
        network, where k is the study's, so that all bits are the study's, of a sample alone as of a batch; 40 / k otherwise.
        1 is fastest for one sample; the last bits may differ."""
        facet, (samples, single) = self._handles.library, self._batch(x)
        choice, k, given = self._chosen(rows, top, len(samples))
        n, (batch, chunk) = len(samples), self._linear_batch(k, batch)
        W, b, residual = np.empty((n, k, samples.shape[1]), self._type), np.empty((n, k)), np.empty(n)
        row, ties, found = np.empty((n, k), np.int32), np.empty(n, np.int32), np.empty((n, self.classes))
        with self._handles.executor(self._options(batch, chunk)) as executor:
            node = self._constant_nodes(executor)
            b_node = np.empty((n, k, len(node)))
            for part, taken, logits in self._passes(executor, batch, samples, settle=True):
                found[part] = logits
                if given is not None:
                    row[part] = given[part]
                else:
                    facet.rows_choose(choice, k, self.classes, address(logits), len(logits), address(row[part]))
                out = LinearizationBuffers(*(address(a[part]) for a in (W, b, b_node, residual, ties)))
                facet.linearize(executor, address(taken), len(taken), k, address(row[part]), ctypes.byref(out))
        whole = (W.reshape(n, k, *self.shape), b, b_node, node, row, residual, ties, found, self.piecewise_linear)
        return Linearization(*whole)[0] if single else Linearization(*whole)

    def integrated_gradients(self, start: Any, end: Any, rows: str = "predicted", *, top: int | None = None, memory: float = 2**26) -> Paths:
        """What happens on the straight way from one sample to another, or to N: exact integrated gradients with a certificate,
        pieces, and where the predicted class changes. Always in double.

        start: one sample for all of `end`, or as many. rows, top: as in linearize, by the logits at the end. memory: bytes for
        what is known at once."""
        facet, (samples, single) = self._handles.library, self._batch(end)
        given, _ = self._batch(start)
        if len(given) not in (1, len(samples)):
            raise NetworkError(f"{self.name}: {len(given)} starts of {len(samples)} ways")
        choice, k, fixed = self._chosen(rows, top, len(samples))
        if fixed is not None:
            raise NetworkError(f"{self.name}: rows of a path are all or predicted")
        n, starts = len(samples), np.broadcast_to(given, samples.shape)
        attribution, row, total = np.empty((n, k, samples.shape[1])), np.empty((n, k), np.int32), np.empty((n, k))
        residual, crossing = np.empty(n), np.empty((n, CROSSINGS))
        pieces, changes = np.empty(n, np.int64), np.empty(n, np.int64)
        logits, walk = np.empty((n, POINTS, self.classes)), ctypes.c_void_p()
        options = PathOptions(rows=choice, k=k, crossings=CROSSINGS, points=POINTS)
        with self._handles.network() as network:
            facet.path_create(network, memory, ctypes.byref(walk))
            try:
                for i in range(n):
                    ends = [np.ascontiguousarray(x[i], np.float64) for x in (starts, samples)]
                    out = PathBuffers(row=address(row[i]), attribution=address(attribution[i]), total=address(total[i]),
                                      crossing=address(crossing[i]), curve=address(logits[i]))
                    facet.path_follow(walk, address(ends[0]), address(ends[1]), ctypes.byref(options), ctypes.byref(out))
                    residual[i], pieces[i], changes[i] = out.residual, out.pieces, out.changes
            finally:
                facet.path_destroy(ctypes.byref(walk))
        whole = (attribution.reshape(n, k, *self.shape), row, total, residual, pieces, changes, crossing, logits)
        return Paths(*whole)[0] if single else Paths(*whole)

    def reach(self, x: Any, *, scale: Any = None, certain: bool = False) -> Reach:
        """How far the linearization of a sample, or of N, holds: the exact radius of its facet in the max norm and the 2-norm, and the
        nearest decision boundary. Always in double.

        scale: how far each input moves for a step of 1 in what distances are measured in: of a network's input shape, or one
        number; 1 / deviation for distances in pixels. certain: nothing is left to chance of 2^-100, which takes D passes."""
        facet, (samples, single) = self._handles.library, self._batch(x)
        n, inputs = samples.shape
        step = None if scale is None else np.ascontiguousarray(np.broadcast_to(np.asarray(scale, np.float64), self.shape).reshape(inputs))
        point, found = np.empty((n, 2, inputs)), []
        reach, out = ctypes.c_void_p(), ReachResult()
        options = ReachOptions(scale=None if step is None else address(step), certain=certain)
        with self._handles.executor(self._options(1, 0)) as executor:
            gates = [facet.executor_gate(executor, i).decode() for i in range(facet.executor_gates(executor))]
        with self._handles.network() as network:
            facet.reach_create(network, options, ctypes.byref(reach))
            try:
                for i in range(n):
                    start = np.ascontiguousarray(samples[i], np.float64)
                    for j in range(2):
                        out.norm[j].point = address(point[i, j])
                    facet.reach_find(reach, address(start), ctypes.byref(out))
                    found.append(reached(out, gates))
            finally:
                facet.reach_destroy(ctypes.byref(reach))
        every = found or [reached(ReachResult(), [""])]  # of no samples, arrays of their types without numbers
        fields = {name: np.array([one[name] for one in every])[:n] for name in every[0]}
        answer = Reach(point=point.reshape(n, 2, *self.shape), **fields)
        return answer[0] if single else answer

    def line(self, start: Any, end: Any, *, points: int = 10_000_000, memory: float = 2**26) -> Line:
        """The segment from one input to another, cut into the network's pieces, exactly. Always in double.

        points: at most so many ends of pieces and changes of the class. memory: bytes for what is known at once."""
        facet, x = self._handles.library, self._each((start, end))
        line, found, options = ctypes.c_void_p(), LineResult(), LineOptions(most=points)
        with self._handles.network() as network:
            facet.line_create(network, memory, ctypes.byref(line))
            try:
                facet.line_cut(line, address(x), address(x[1]), ctypes.byref(options), ctypes.byref(found))
                if found.full:
                    raise NetworkError(f"{self.name}: more than {points:,} points")
                t = copied(found.t, ctypes.c_double, (found.points,))
                logits = copied(found.logits, ctypes.c_double, (found.points, self.classes))
                piece = copied(found.piece, ctypes.c_int64, (found.points,))
                cls = copied(found.winner, ctypes.c_int32, (found.points,))
            finally:
                facet.line_destroy(ctypes.byref(line))
        return Line(t, logits, piece[:-1], cls[:-1], float(np.linalg.norm(x[1] - x[0])), found.residual)

    def plane(self, inputs: Any, *, margin: float = 0.2, window: float = 1.0, around: str = "change", polygons: int = 100_000,
              memory: float = 2**28) -> Plane:
        """The plane through three inputs, cut into the network's regions and by its largest logit, exactly. Always in double.

        margin: how far beyond the rectangle around the three, in shares of its longer side. window: how much of that is looked
        at: 1 is all of it. around: what less of it closes in on, "change", where the predicted class changes on the way from the
        first input to the second or third, the nearer one; or "sample", the first input, as where there is no such change.
        polygons: at most so many. memory: bytes for corners that are known at once."""
        facet, x = self._handles.library, self._each(inputs)
        if len(x) != 3:
            raise NetworkError(f"{self.name}: a plane goes through three inputs, not {len(x)}")
        if around not in ("change", "sample"):
            raise NetworkError(f"{self.name}: a window is around 'change' or 'sample', not '{around}'")
        along, at, centre, corner = np.empty((2, x.shape[1])), np.empty((3, 2)), np.zeros(2), np.empty((4, 2))
        three, changes = (ctypes.c_void_p * 3)(*map(address, x)), ctypes.c_int32()
        facet.plane_through(x.shape[1], three, address(along), address(at))
        options = PlaneOptions(origin=address(x), along=address(along), corners=4, corner=address(corner), most=polygons)
        plane, found = ctypes.c_void_p(), PlaneResult()
        with self._handles.network() as network:
            facet.plane_create(network, memory, ctypes.byref(plane))
            try:
                if around == "change":
                    facet.plane_change(plane, three, address(at), None, None, address(centre), ctypes.byref(changes))
                facet.plane_around(address(at), margin, window, address(centre), address(corner))
                facet.plane_cut(plane, ctypes.byref(options), ctypes.byref(found))
                if found.full:
                    raise NetworkError(f"{self.name}: more than {polygons:,} polygons: look at less of the plane (window), or allow more")
                at_points, logits = (copied(address_, ctypes.c_double, (found.points, width))
                                     for address_, width in ((found.at, 2), (found.logits, self.classes)))
                corners, edge = (copied(address_, kind, (found.corners,))
                                 for address_, kind in ((found.corner, ctypes.c_int32), (found.edge, ctypes.c_uint8)))
                first = copied(found.first, ctypes.c_int64, (found.polygons + 1,))
                cls = copied(found.winner, ctypes.c_int32, (found.polygons,))
                region = copied(found.region, ctypes.c_int64, (found.polygons,))
            finally:
                facet.plane_destroy(ctypes.byref(plane))
        return Plane(inputs=at, window=corner, origin=x[0].reshape(self.shape), along=along.reshape(2, *self.shape), points=at_points,
                     logits=logits, corner=corners, first=first, edge=edge, cls=cls, region=region, residual=found.residual,
                     uncovered=found.uncovered, dropped=found.dropped)

    def attributions(self, x: Any, baseline: Any = 0.0, rows: str = "predicted", *, methods: Sequence[str] | None = None,
                     top: int | None = None, number: int = 0, **how: Any) -> Attributions:
        """Attributions of a sample, or of N, as the field makes them, next to the exact ones: `facet.attribution_methods()` has the
        names. Always in double. Baseline: a number of the network's input, one sample, or one for each. rows, top: as in
        linearize. number: of the first sample, noise being that of seed and number.

        how: steps=50 (10,000 at most) of integrated gradients, noisy=50 and noise=0.1 of SmoothGrad, epsilon=1e-9 and gamma=0.25 of LRP, seed=1."""
        samples, single = self._batch(x)
        choice, k, fixed = self._chosen(rows, top, len(samples))
        if fixed is not None:
            raise NetworkError(f"{self.name}: rows of attributions are all or predicted")
        start = numbers(baseline)
        given = np.full((1, samples.shape[1]), start, float) if not start.ndim else self._batch(start)[0]
        if len(given) not in (1, len(samples)):
            raise NetworkError(f"{self.name}: {len(given)} baselines of {len(samples)} samples")
        pair = (np.array(samples, np.float64), np.array(np.broadcast_to(given, samples.shape), np.float64))
        whole = attributing.explain(self._handles, self.shape, pair, (choice, k), methods, number, how)
        return whole[0] if single else whole

    def faithfulness(self, x: Any, found: Attributions, *, points: int = 32, perturbations: int = 10, radius: float = 0.02,
                     **how: Any) -> Faithfulness:
        """How faithful attributions that `attributions` made of x are. points: of the curves; perturbations: of infidelity, and
        of sensitivity, where no number of the network's input changes by more than `radius`. how: as it was given there."""
        samples, single = self._batch(x)
        if found._count != (None if single else len(samples)):
            raise NetworkError(f"{self.name}: attributions of {found._samples()}, but {len(samples)} samples")
        whole = attributing.measure(self._handles, self.shape, np.array(samples, np.float64), found, (points, perturbations, radius), how)
        return whole[0] if single else whole

    def _constant_nodes(self, executor: ctypes.c_void_p) -> list[str]:
        facet = self._handles.library
        return [facet.executor_constant_node(executor, i).decode() for i in range(facet.executor_constant_nodes(executor))]

    # ---- margins, geometry ----

    def margins(self, x: Any, label: Any) -> Margins:
        """Margins of a sample, or of N, taken apart: which inputs and which nodes put it on its side of the boundary."""
        facet, (samples, single) = self._handles.library, self._batch(x)
        n, (labels, batch) = len(samples), (self._labels(label, len(samples), single), max(1, min(20, len(samples))))
        gradient, margin = np.empty(samples.shape), np.empty(n)
        rival, residual = np.empty(n, np.int32), np.empty(n)
        with self._handles.executor(self._options(batch, 2)) as executor, self._head() as head:
            name = self._constant_nodes(executor)
            node = np.empty((n, len(name)))
            for part, taken, _ in self._passes(executor, batch, samples, settle=True):
                out = MarginBuffers(*(address(a[part]) for a in (gradient, node, margin, residual, rival)))
                facet.margin_take_apart(executor, ctypes.byref(head), address(taken), len(taken), address(labels[part]),
                                        ctypes.byref(out))
        whole = (gradient.reshape(n, *self.shape), node, name, margin, rival, residual)
        return Margins(*whole)[0] if single else Margins(*whole)

    @contextmanager
    def _head(self) -> Iterator[Head]:
        """The last linear node: which value goes in, and the directions of the classes."""
        facet, head = self._handles.library, Head()
        with self._handles.network() as network:
            try:
                facet.network_head(network, ctypes.byref(head))
            except NetworkError as error:
                raise NetworkError(f"{self.name}: {error}", error.status) from error
        try:
            yield head
        finally:
            facet.head_clear(ctypes.byref(head))

    def geometry(self, x: Any, label: Any = None) -> Geometry:
        """Features of a sample, or of N, and how they lie to the classes' directions. label: of each, -1: none."""
        facet, (samples, single) = self._handles.library, self._batch(x)
        n, k = len(samples), self.classes
        labels, batch = self._labels(label, n, single), self._forward_batch(n)
        of_label, length, found, cosine = np.empty((3, n)), np.empty(n), np.empty((n, k)), np.empty((n, k))
        angle, margin, loss = of_label
        with self._head() as head, self._handles.executor(self._options(batch)) as executor:
            feature = np.empty((n, head.features))
            for part, _, logits in self._passes(executor, batch, samples):
                found[part] = logits
                facet.executor_value(executor, head.feature, address(feature[part]))
            for i, y in enumerate(labels.tolist()):
                facet.geometry(ctypes.byref(head), address(feature[i]), y, address(angle[i:]), address(length[i:]),
                               address(margin[i:]), address(cosine[i]))
                loss[i] = facet.loss_from_geometry(ctypes.byref(head), length[i], address(cosine[i]), y)
        whole = Geometry(angle, length, margin, loss, cosine, labels, found.argmax(axis=1), feature, found)
        return whole[0] if single else whole

    # ---- pruning ----

    def prune(self, method: str, sparsity: float, *, scope: str = "global", seed: int = 1, norm: int = 1, rounds: int = 100,
              allow_collapse: bool = False, x: Any = None, label: Any = None, batch: int = 128) -> Network:
        """A network without the weights that a method removes, not trained any further; `.mask` says which. This one stays.

        sparsity: the fraction removed, in [0, 1). scope: "global", weights of all layers compete, or "layer". seed: of
        random. norm: of filter, 1 or 2. rounds: of synflow. x, label: N samples for taylor (in batches), snip and grasp (the
        first batch). allow_collapse: a layer may lose all its weights."""
        how = {"scope": scope, "seed": seed, "norm": norm, "rounds": rounds, "allow_collapse": allow_collapse}
        samples = labels = None
        if x is not None:
            samples, single = self._batch(x)
            labels = self._labels(label, len(samples), single)
        with self._handles.network() as network:
            return self.masked(make(self._handles, network, method, sparsity, how, samples, labels, batch))

    def masked(self, mask: Mask | str | os.PathLike[str]) -> Network:
        """A network without the weights that a mask removes: one of this network's, or a mask file. This one stays."""
        facet, pointer = self._handles.library, ctypes.c_void_p()
        with self._handles.network() as network:
            mask = mask if isinstance(mask, Mask) else read(self._handles, network, os.fspath(mask))
            if mask.handles is not self._handles:
                raise NetworkError(f"{self.name}: the mask is one of another network; write it to a file to use it here")
            mask.owner = self
            facet.network_copy(network, ctypes.byref(pointer))
            facet.mask_apply(mask.pointer, pointer)
        made = Network.__new__(Network)
        made._begin(Handles(facet, pointer, self.name), self.precision, self.kernels, self._batches)
        made.mask = mask
        return made

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes an ordinary ONNX file, whole or not at all."""
        with self._handles.network() as network:
            self._handles.library.onnx_write(network, os.fsencode(path))
