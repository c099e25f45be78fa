"""The shared library, libfacet: where it is found, and its functions as ctypes calls them.

Functions and structures stand here as include/facet/*.h declares them; a test holds them against the headers. A call gives
up Python's global lock while it runs, and one that fails raises NetworkError with the library's own line."""

from __future__ import annotations

import ctypes
import functools
import os
import pathlib
import re
import sysconfig
from collections.abc import Callable, Iterator
from typing import Any

from facet.errors import NOT_THERE, NetworkError

# ---- structures ----


def address(array: Any) -> int:
    """Where the numbers of an array of numpy lie."""
    return int(array.ctypes.data)


class Shape(ctypes.Structure):
    _name_ = "facet_shape"
    _fields_ = [("rank", ctypes.c_int), ("dim", ctypes.c_int64 * 8)]


class ExecutorOptions(ctypes.Structure):
    _name_ = "facet_executor_options"
    _fields_ = [("kernels", ctypes.c_void_p), ("real", ctypes.c_int), ("batch", ctypes.c_int64), ("rows", ctypes.c_int64),
                ("room", ctypes.c_bool), ("training", ctypes.c_bool), ("touched", ctypes.c_bool)]


class LinearizationBuffers(ctypes.Structure):
    _name_ = "facet_linearization"
    _fields_ = [(name, ctypes.c_void_p) for name in ("w", "b", "b_node", "residual", "ties")]


class MarginBuffers(ctypes.Structure):
    _name_ = "facet_margin_map"
    _fields_ = [(name, ctypes.c_void_p) for name in ("gradient", "node", "margin", "residual", "rival")]


class PathOptions(ctypes.Structure):
    _name_ = "facet_path_options"
    _fields_ = [("rows", ctypes.c_int), ("given", ctypes.c_void_p), ("k", ctypes.c_int64), ("crossings", ctypes.c_int64), ("points", ctypes.c_int64),
                ("pause", ctypes.c_void_p), ("context", ctypes.c_void_p)]


class PathBuffers(ctypes.Structure):
    _name_ = "facet_path_result"
    _fields_ = [("row", ctypes.c_void_p), ("attribution", ctypes.c_void_p), ("total", ctypes.c_void_p), ("residual", ctypes.c_double),
                ("pieces", ctypes.c_int64), ("changes", ctypes.c_int64), ("crossing", ctypes.c_void_p), ("curve", ctypes.c_void_p)]


class ReachOptions(ctypes.Structure):
    _name_ = "facet_reach_options"
    _fields_ = [("scale", ctypes.c_void_p), ("certain", ctypes.c_bool), ("pause", ctypes.c_void_p), ("context", ctypes.c_void_p)]


class ReachNorm(ctypes.Structure):
    _name_ = "facet_reach_norm"
    _fields_ = [("radius", ctypes.c_double), ("untied", ctypes.c_double), ("error", ctypes.c_double), ("gate", ctypes.c_int),
                ("element", ctypes.c_int64), ("next", ctypes.c_int32), ("boundary", ctypes.c_double), ("other", ctypes.c_int32),
                ("inside", ctypes.c_bool), ("within", ctypes.c_int64), ("beyond", ctypes.c_int64), ("point", ctypes.c_void_p)]


class ReachResult(ctypes.Structure):
    _name_ = "facet_reach_result"
    _fields_ = [("tied", ctypes.c_int64), ("residual", ctypes.c_double), ("tied_of", ctypes.c_void_p), ("rows", ctypes.c_int64), ("norm", ReachNorm * 2)]


class LineOptions(ctypes.Structure):
    _name_ = "facet_line_options"
    _fields_ = [("most", ctypes.c_int64), ("pause", ctypes.c_void_p), ("context", ctypes.c_void_p)]


class LineResult(ctypes.Structure):
    _name_ = "facet_line_result"
    _fields_ = [*((name, ctypes.c_int64) for name in ("points", "pieces")),
                *((name, ctypes.c_void_p) for name in ("t", "logits", "piece", "winner")), ("residual", ctypes.c_double), ("full", ctypes.c_int32)]


class PlaneOptions(ctypes.Structure):
    _name_ = "facet_plane_options"
    _fields_ = [("origin", ctypes.c_void_p), ("along", ctypes.c_void_p), ("corners", ctypes.c_int64), ("corner", ctypes.c_void_p),
                ("most", ctypes.c_int64), ("pause", ctypes.c_void_p), ("context", ctypes.c_void_p)]


class PlaneResult(ctypes.Structure):
    _name_ = "facet_plane_result"
    _fields_ = [*((name, ctypes.c_int64) for name in ("points", "polygons", "corners", "regions")),
                *((name, ctypes.c_void_p) for name in ("at", "logits", "first", "corner", "edge", "winner", "region")),
                ("dropped", ctypes.c_int64), ("uncovered", ctypes.c_double), ("residual", ctypes.c_double), ("full", ctypes.c_int32)]


class Head(ctypes.Structure):
    _name_ = "facet_head"
    _fields_ = [("feature", ctypes.c_int), ("node", ctypes.c_int), ("features", ctypes.c_int64), ("classes", ctypes.c_int64),
                ("direction", ctypes.c_void_p), ("offset", ctypes.c_void_p)]


class Pruning(ctypes.Structure):
    _name_ = "facet_pruning"
    _fields_ = [("method", ctypes.c_void_p), ("scope", ctypes.c_int), ("sparsity", ctypes.c_double), ("seed", ctypes.c_uint32),
                ("norm", ctypes.c_int), ("rounds", ctypes.c_int), ("allow_collapse", ctypes.c_bool), ("pause", ctypes.c_void_p),
                ("context", ctypes.c_void_p)]


class Calibration(ctypes.Structure):
    _name_ = "facet_calibration"
    _fields_ = [("x", ctypes.c_void_p), ("label", ctypes.c_void_p), ("count", ctypes.c_int64), ("batch", ctypes.c_int64)]


class MaskLayer(ctypes.Structure):
    _name_ = "struct facet_mask_layer"
    _fields_ = [("value", ctypes.c_int), ("node", ctypes.c_int), ("size", ctypes.c_int64), ("removed", ctypes.c_int64),
                ("guarded", ctypes.c_bool), ("keep", ctypes.c_void_p)]


class Image(ctypes.Structure):
    _name_ = "facet_image"
    _fields_ = [(name, ctypes.c_int64) for name in ("channels", "height", "width")]


class AttributionOptions(ctypes.Structure):
    _name_ = "facet_attribution_options"
    _fields_ = [("steps", ctypes.c_int64), ("noisy", ctypes.c_int64), ("noise", ctypes.c_double), ("epsilon", ctypes.c_double),
                ("gamma", ctypes.c_double), ("seed", ctypes.c_uint32), ("bytes", ctypes.c_double), ("image", Image),
                ("layout", ctypes.c_void_p), ("pause", ctypes.c_void_p), ("context", ctypes.c_void_p), ("node", ctypes.c_void_p),
                ("weight", ctypes.c_void_p)]


class Explained(ctypes.Structure):
    _name_ = "facet_explained"
    _fields_ = [("x", ctypes.c_void_p), ("baseline", ctypes.c_void_p), ("number", ctypes.c_int64), ("k", ctypes.c_int64),
                ("row", ctypes.c_void_p)]


class FaithfulnessOptions(ctypes.Structure):
    _name_ = "facet_faithfulness_options"
    _fields_ = [("points", ctypes.c_int64), ("perturbations", ctypes.c_int64), ("radius", ctypes.c_double)]


class FaithfulnessBuffers(ctypes.Structure):
    _name_ = "facet_faithfulness"
    _fields_ = [(name, ctypes.c_void_p) for name in ("deletion", "insertion", "infidelity", "sensitivity")]


class CorruptionSettings(ctypes.Structure):
    _name_ = "facet_corruption_settings"
    _fields_ = [("corruption", ctypes.c_int), ("severity", ctypes.c_int), ("seed", ctypes.c_uint32), ("scale", ctypes.c_double),
                ("image", Image)]


STRUCTURES = (Shape, ExecutorOptions, LinearizationBuffers, MarginBuffers, PathOptions, PathBuffers, LineOptions, LineResult, PlaneOptions, PlaneResult,
              ReachOptions, ReachNorm, ReachResult, AttributionOptions, Explained, FaithfulnessOptions, FaithfulnessBuffers, Head, Pruning,
              Calibration, MaskLayer, Image, CorruptionSettings)
FLOAT, DOUBLE = 1, 2  # facet_type

# ---- functions ----

DECLARATIONS = """
const char *facet_version(void);
const char *facet_message(void);
void facet_free(void *pointer_to_pointer);
const facet_kernels *facet_kernels_find(const char *name);
void facet_kernels_threads(int threads);

facet_status facet_onnx_read_gates(const char *path, facet_gates gates, facet_network **network);
facet_status facet_onnx_read_bytes_gates(const char *name, const uint8_t *bytes, size_t count, facet_gates gates,
                                         facet_network **network);
facet_status facet_onnx_write(const facet_network *network, const char *path);
facet_status facet_network_copy(const facet_network *network, facet_network **copy);
void facet_network_destroy(facet_network **network);
const char *facet_network_name(const facet_network *network);
facet_shape facet_network_input_shape(const facet_network *network);
int64_t facet_network_outputs(const facet_network *network);
int64_t facet_network_parameters(const facet_network *network);
facet_status facet_network_classifies(const facet_network *network);
bool facet_network_is_piecewise_linear(const facet_network *network);
bool facet_network_softmax_stripped(const facet_network *network);
const char *facet_network_node_name(const facet_network *network, int node);
const char *facet_network_value_name(const facet_network *network, int value);
facet_shape facet_network_value_shape(const facet_network *network, int value);
facet_status facet_network_head(const facet_network *network, facet_head *head);
void facet_head_clear(facet_head *head);

facet_status facet_executor_create(const facet_network *network, facet_executor_options options, facet_executor **executor);
void facet_executor_destroy(facet_executor **executor);
facet_status facet_executor_forward(facet_executor *executor, const void *x, int64_t count);
facet_status facet_executor_settle(facet_executor *executor, const double *x);
facet_status facet_executor_output(const facet_executor *executor, double *logits);
facet_status facet_executor_value(const facet_executor *executor, int value, double *out);
int facet_executor_constant_nodes(const facet_executor *executor);
const char *facet_executor_constant_node(const facet_executor *executor, int i);
int facet_executor_gates(const facet_executor *executor);
const char *facet_executor_gate(const facet_executor *executor, int gate);

void facet_rows_choose(facet_rows_choice choice, int64_t k, int64_t classes, const double *logits, int64_t count, int32_t *row);
facet_status facet_linearize(facet_executor *executor, const void *x, int64_t count, int64_t k, const int32_t *row,
                             facet_linearization *out);
facet_status facet_margin_take_apart(facet_executor *executor, const facet_head *head, const void *x, int64_t count,
                                     const int32_t *label, facet_margin_map *map);
facet_status facet_path_create(const facet_network *network, double bytes, facet_path **path);
void facet_path_destroy(facet_path **path);
facet_status facet_path_follow(facet_path *path, const double *start, const double *end,
                               const facet_path_options *options, facet_path_result *result);
facet_status facet_reach_create(const facet_network *network, facet_reach_options options, facet_reach **reach);
void facet_reach_destroy(facet_reach **reach);
facet_status facet_reach_find(facet_reach *reach, const double *x, facet_reach_result *result);
facet_status facet_line_create(const facet_network *network, double bytes, facet_line **line);
void facet_line_destroy(facet_line **line);
facet_status facet_line_cut(facet_line *line, const double *start, const double *end, const facet_line_options *options,
                            facet_line_result *result);
facet_status facet_plane_through(int64_t inputs, const double *const *x, double *along, double *at);
void facet_plane_around(const double *at, double margin, double window, const double *centre, double *corner);
facet_status facet_plane_create(const facet_network *network, double bytes, facet_plane **plane);
void facet_plane_destroy(facet_plane **plane);
facet_status facet_plane_change(facet_plane *plane, const double *const *x, const double *at, facet_status (*pause)(void *context),
                                void *context, double *centre, int32_t *found);
facet_status facet_plane_cut(facet_plane *plane, const facet_plane_options *options, facet_plane_result *result);
int facet_attribution_find(const char *name);
const char *facet_attribution_name(int method);
facet_status facet_attributor_create(const facet_network *network, const facet_attribution_options *options,
                                     facet_attributor **attributor);
void facet_attributor_destroy(facet_attributor **attributor);
facet_status facet_attributor_logits(facet_attributor *attributor, const double *x, int64_t count, double *logits);
facet_status facet_attributor_explain(facet_attributor *attributor, int method, const facet_explained *what,
                                      double *attribution);
facet_status facet_faithfulness_measure(facet_attributor *attributor, int method, const facet_explained *what,
                                        const double *attribution, const facet_faithfulness_options *options,
                                        facet_faithfulness *result);
double facet_curve_area(int64_t points, const double *curve);
facet_status facet_rank_agreement(int64_t count, const double *a, const double *b, int64_t top, double *spearman,
                                  double *overlap);
void facet_attribution_noise(uint32_t seed, int64_t number, int64_t draw, int64_t count, double *noise);
void facet_attribution_shift(uint32_t seed, int64_t number, int64_t draw, int64_t count, double *shift);
void facet_attribution_rectangle(uint32_t seed, int64_t number, int64_t draw, facet_image image, double *inside);
void facet_geometry(const facet_head *head, const double *h, int32_t y, double *angle, double *length, double *margin,
                    double *cosine);
double facet_loss_from_geometry(const facet_head *head, double length, const double *cosine, int32_t y);

const facet_method *facet_method_find(const char *name);
const char *facet_method_name(int number);
const char *facet_scope_name(int scope);
facet_status facet_mask_create(const facet_network *network, const facet_pruning *how, const facet_calibration *data,
                               facet_mask **mask);
facet_status facet_mask_write(const facet_network *network, const facet_mask *mask, const char *path);
facet_status facet_mask_read(const facet_network *network, const char *path, facet_mask **mask);
void facet_mask_destroy(facet_mask **mask);
int facet_mask_layers(const facet_mask *mask);
const struct facet_mask_layer *facet_mask_layer(const facet_mask *mask, int layer);
void facet_mask_apply(const facet_mask *mask, facet_network *network);
double facet_mask_sparsity(const facet_mask *mask);
facet_status facet_mask_collapse(const facet_network *network, const facet_mask *mask, int layer, char **text);

const char *facet_corruption_name(int corruption);
facet_status facet_corrupt(const facet_corruption_settings *how, int64_t first, int64_t count, float *pixels);
"""

NUMBERS: dict[str, Any] = {
    "void": None, "bool": ctypes.c_bool, "int": ctypes.c_int, "double": ctypes.c_double, "size_t": ctypes.c_size_t,
    "int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32, "int64_t": ctypes.c_int64, "facet_status": ctypes.c_int,
    "facet_rows_choice": ctypes.c_int, "facet_gates": ctypes.c_int, "facet_shape": Shape, "facet_image": Image,
    "facet_executor_options": ExecutorOptions, "facet_reach_options": ReachOptions}


def _type(words: str) -> Any:
    """What ctypes calls a type of the headers: "const char *" are bytes, any other pointer is an address."""
    if "*" in words:
        return ctypes.c_char_p if words.split() == ["const", "char", "*"] else ctypes.c_void_p
    return NUMBERS[words.strip()]


def declarations() -> Iterator[tuple[str, str, list[str]]]:
    """(function, type of its result, types of its arguments) as the headers have them."""
    pattern = re.compile(r"([\w ]+?[ *]+)(facet_\w+)\((.*)\)", re.DOTALL)
    for text in filter(str.strip, DECLARATIONS.split(";")):
        found = pattern.fullmatch(text.strip())
        assert found, text
        arguments = [re.sub(r"\w+$", "", argument.strip()) for argument in found[3].split(",") if argument != "void"]
        yield found[2], found[1], arguments


class Library:
    """libfacet, loaded: its functions by name without facet_, as `library().onnx_read(path, address)`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.loaded = ctypes.CDLL(path)
        self._functions: dict[str, Callable[..., Any]] = {}
        for name, result, arguments in declarations():
            function = getattr(self.loaded, name)
            function.restype, function.argtypes = _type(result), [_type(argument) for argument in arguments]
            if result.strip() == "facet_status":
                function.errcheck = self._check
            self._functions[name.removeprefix("facet_")] = function

    def _check(self, status: int, function: Any, arguments: tuple[Any, ...]) -> int:
        if status:  # by the same thread: messages are each thread's own
            raise NetworkError(self.message().decode(errors="replace"), status)
        return status

    def __getattr__(self, name: str) -> Callable[..., Any]:
        try:
            return self._functions[name]
        except KeyError as error:
            raise AttributeError(f"libfacet as Python knows it has no {name}") from error

    def __repr__(self) -> str:
        return f"<libfacet {self.version().decode()}: {self.path}>"


# ---- where it is ----


def _version() -> str:
    from facet import __version__

    return __version__


def soname() -> str:
    """The file's name that says which versions fit: libfacet.so.0.1."""
    return "libfacet.so." + _version().rpartition(".")[0]


def places(package: pathlib.Path) -> list[pathlib.Path]:
    """Where the library may lie, best first: in the package; in the tree that `make install` put the package in, or that
    its Python belongs to; in build/ of the checkout that the package lies in."""
    found = [package / soname(), package / "libfacet.so"]
    prefix = next((folder.parent for folder in package.parents if folder.name in ("lib", "lib64", "share")), None)
    if prefix:
        folders = ("lib", "lib64", f"lib/{sysconfig.get_config_var('MULTIARCH') or '.'}")
        found += [prefix / folder / soname() for folder in folders]
    checkout = package.parent.parent
    if (checkout / "include" / "facet" / "facet.h").exists():
        found.append(checkout / "build" / "libfacet.so")
    return found


def _load(path: str, why: str) -> Library:
    try:
        found = Library(path)
    except OSError as error:
        raise NetworkError(f"{why}: {str(error).splitlines()[0]}", NOT_THERE) from error
    except AttributeError as error:
        raise NetworkError(f"{path}: not facet's library, or one of another version: {error}", NOT_THERE) from error
    version = found.version().decode()
    if version.rpartition(".")[0] != _version().rpartition(".")[0]:
        raise NetworkError(f"{path}: version {version}, but this Python package is {_version()}", NOT_THERE)
    return found


@functools.cache
def library() -> Library:
    """libfacet: FACET_LIBRARY names it; or it lies beside the package, or in build/ of the checkout; or the system's
    loader knows it. NetworkError, status 69, where there is none, and where it cannot be loaded."""
    named = os.environ.get("FACET_LIBRARY")
    if named:
        return _load(os.path.abspath(named), f"FACET_LIBRARY: {named}" if not os.path.exists(named) else "FACET_LIBRARY")
    tried = places(pathlib.Path(__file__).resolve().parent)
    for path in tried:
        if path.exists():
            return _load(str(path), "libfacet")
    folders = ", ".join(dict.fromkeys(str(path.parent) for path in tried))
    return _load(soname(), f"no {soname()} in {folders}, nor where the loader looks; `make` builds it, and FACET_LIBRARY may "
                           f"say where it is")


def set_threads(count: int) -> None:
    """How many OpenMP threads networks use whose first samples come from now on, in any thread of Python; 1 at first."""
    if count < 1:
        raise NetworkError(f"{count} threads")
    library().kernels_threads(count)
