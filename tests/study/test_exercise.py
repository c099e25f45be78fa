"""The recipes of docs/extending.md, followed in a copy of the program: an operator, a method, a corruption, a data format, an
array, a stage and a study key are added, built, and used by one study; each in no more files than the page says."""

import os
import shutil
import subprocess

import h5py
import numpy as np
import pytest

from conftest import MPIRUN, ROOT, environment

onnx = pytest.importorskip("onnx", reason="the Python package onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

NEW = object()  # a file of its own
MOST = {"operator": 2, "method": 2, "corruption": 2, "format": 2, "array": 1, "stage": 2, "key": 1}

# Of each thing: where, and what is put before which text.
STEPS = {
    "operator": {
        "src/net/operators.c": [("facet_lower facet_lower_conv,", "facet_lower facet_lower_shrink;\n"),
                                ('    {"Size", KIND_MOVE', '    {"Shrink", KIND_GATE, false, facet_lower_shrink, " bias:f lambd:f "},\n')],
        "src/net/operator_pointwise.c": [("facet_status facet_lower_prelu(", """\
facet_status facet_lower_shrink(facet_network *network, facet_node *node)
{
  double bound = facet_node_float(node, "lambd", 0.5), bias = facet_node_float(node, "bias", 0);
  FACET_TRY(facet_node_one_input(node));
  if (bound != bias)
    return facet_node_raise(node, "is not continuous: bias is not lambd");
  return lower_gate(network, node, 3, (double[]){-bound, bound}, (double[]){1, 0, 1}, (double[]){bias, 0, -bias});
}

""")]},
    "method": {
        "src/prune/methods.c": [("facet_masker facet_mask_filters,", "facet_scorer facet_score_first;\n"),
                                ('    {.name = "taylor"', '    {.name = "first", .score = facet_score_first, .removes = "the first", .source = ""},\n')],
        "src/prune/criteria.c": [("facet_status facet_score_random(", """\
facet_scorer facet_score_first;

facet_status facet_score_first(const facet_network *network, const facet_pruning *how, const facet_calibration *data,
                               const facet_mask *mask, double *score)
{
  (void)network;
  (void)how;
  (void)data;
  for (int l = 0; l < mask->layers; score += mask->layer[l++].size)
    for (int64_t i = 0; i < mask->layer[l].size; i++)
      score[i] = (double)i;
  return FACET_OK;
}

""")]},
    "corruption": {
        "src/data/corrupt.c": [("facet_corruption facet_gaussian_noise,", "facet_corruption facet_negative;\n"),
                               ("};\nenum { CORRUPTIONS", '    {"negative", "share", facet_negative, 0, {{.2}, {.4}, {.6}, {.8}, {1}}},\n')],
        "src/data/corrupt_digital.c": [("/* Towards the mean of each channel. */", """\
/* Towards the negative. */
facet_status facet_negative(const facet_canvas *c, double *pixels)
{
  for (int64_t i = 0; i < c->size; i++)
    pixels[i] += c->constant[0] * (1 - 2 * pixels[i]);
  return FACET_OK;
}

""")]},
    "format": {
        "src/data/dataset.c": [("facet_part_reader facet_idx_pixels,", "facet_part_reader facet_square_read;\n"),
                               ("};\nenum { FORMATS", '    {"square", facet_square_read, NULL, NULL, true},\n')],
        "src/data/square.c": [(NEW, """\
/* Squares of 12 x 12 bytes, the label before each. */
#include "data/bytes.h"

enum { IMAGE = 12 * 12, RECORD = 1 + IMAGE };

facet_status facet_square_read(const char *path, facet_part *part)
{
  facet_bytes *bytes;
  FACET_TRY(facet_bytes_open(path, part->decoded, &bytes));
  *part = (facet_part){.image = {1, 12, 12}, .order = FACET_CHANNELS_FIRST, .decoded = part->decoded, .bytes = bytes,
                       .start = 1, .stride = RECORD, .width = 1};
  FACET_CHECK(bytes->size > 0 && bytes->size % RECORD == 0, FACET_BAD_INPUT, "%s: truncated", path);
  FACET_TRY(facet_part_labels(path, (int64_t)(bytes->size / RECORD), part));
  for (int64_t i = 0; i < part->count; i++) {
    uint8_t label;
    FACET_TRY(facet_bytes_take(bytes, (size_t)i * RECORD, 1, &label));
    FACET_TRY(facet_labels_add(&part->labels, label));
  }
  return facet_labels_end(part->decoded, &part->labels);
}
""")]},
    "array": {
        "mpi/store/rows.def": [("ROW(COST_EPOCHS,", 'ROW(TALLY, "/tally/given", "V, C", I32, "", always, "tally", APART,\n'
                                '    "classes that some sample is given")\n\n')]},
    "stage": {
        "mpi/stages/list.h": [("  STAGE(findings)", "  STAGE(tally) \\\n")],
        "mpi/stages/tally.c": [(NEW, """\
/* The stage tally: how many classes a variant gives under each condition. */
#include <string.h>

#include "stage.h"

typedef struct {
  const facet_context *context;
  int32_t *given; /* of every sample */
  bool *seen;     /* of every class */
} work;

static facet_status enter(void *self, int variant)
{
  work *w = self;
  (void)variant;
  FACET_NEW(w->given, w->context->plan->store.samples);
  FACET_NEW(w->seen, w->context->plan->store.classes);
  return FACET_OK;
}

static void leave(void *self)
{
  work *w = self;
  facet_free(&w->given);
  facet_free(&w->seen);
}

static facet_status count(const work *w, int64_t v, int c)
{
  const facet_store_plan *p = &w->context->plan->store;
  const facet_place place = {.part = {{v, 1}, {c, 1}}};
  int32_t different = 0;
  FACET_TRY(facet_store_get(w->context->store, FACET_ROW_PREDICTED, place, w->given));
  memset(w->seen, 0, (size_t)p->classes * sizeof *w->seen);
  for (int64_t i = 0; i < p->samples; i++) {
    different += !w->seen[w->given[i]];
    w->seen[w->given[i]] = true;
  }
  return facet_store_put(w->context->store, FACET_ROW_TALLY, place, &different);
}

static facet_status run_variant(void *self, facet_dealer *dealer, int64_t v)
{
  const work *w = self;
  for (int c = 0; c < w->context->plan->store.conditions; c++) {
    FACET_TRY(facet_dealer_pause(dealer));
    FACET_TRY(count(w, v, c));
  }
  return FACET_OK;
}

static facet_status run(const facet_context *c)
{
  work w = {.context = c};
  const facet_tiles tiles = {
      .stage = "tally", .name = "variants", .count = c->plan->store.variants, .self = &w, .enter = enter, .leave = leave, .run = run_variant};
  return facet_tiles_run(c->comm, &tiles, c->store);
}

static bool wanted(const facet_plan *plan)
{
  return plan->keys->tally;
}

const facet_stage facet_stage_tally = {.name = "tally", .marks = "V", .wanted = wanted, .run = run};
""")]},
    "key": {
        "mpi/study/keys.def": [("END_STRUCT(facet_stage_keys)", 'KEY(bool, tally, TRUTH, "false", "whether classes are counted")\n')]},
}

STUDY = """\
output: out
block: 10
data: {test: {format: square, images: test.square}, normalize: {scale: 255}}
model: {onnx: net.onnx}
variants: [{method: first, sparsity: 0.5}]
conditions: [clean, {corruption: negative, severity: [3, 5]}]
linearize: {rows: all}
tally: yes
"""


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """A built copy of the program with all of it."""
    copy = tmp_path_factory.mktemp("exercise") / "facet"
    others = [".git", ".venv", "results", "tests", "node_modules", "viewer"]
    builds = ["sanitize", "arm64", "clang", "fuzz", "mpich"]  # others than this one, where CI has made them
    passing = ["*.new", "__pycache__"]  # which others beside this make and remove
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*others, *builds, *passing))
    for files in STEPS.values():
        for name, places in files.items():
            for before, text in places:
                if before is NEW:
                    assert not (copy / name).exists()
                    (copy / name).write_text(text)
                    continue
                old = (copy / name).read_text()
                assert old.count(before) == 1, (name, before)
                (copy / name).write_text(old.replace(before, text + before))
    quiet = {name: value for name, value in environment().items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "-C", copy, f"-j{min(2, os.cpu_count() or 1)}", "build/facet"], env=quiet, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return copy / "build" / "facet"


def make_net(folder):
    random = np.random.default_rng(3)
    weights = [random.normal(size=shape).astype(np.float32) / 8 for shape in ((9, 144), (9,), (4, 9), (4,))]
    names = ["w", "b", "v", "c"]
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("Gemm", ["flat", "w", "b"], ["h"], transB=1),
             helper.make_node("Shrink", ["h"], ["s"], lambd=0.25, bias=0.25),
             helper.make_node("Gemm", ["s", "v", "c"], ["y"], transB=1)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 12, 12])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
                              [numpy_helper.from_array(w, n) for w, n in zip(weights, names)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), folder / "net.onnx")
    return weights


def logits(x, w, b, v, c):
    h = x @ w.T + b
    return np.sign(h) * np.maximum(np.abs(h) - 0.25, 0) @ v.T + c


@pytest.mark.parametrize("thing", MOST)
def test_few_files(thing):
    assert len(STEPS[thing]) <= MOST[thing]


def test_all_of_it_works(changed, tmp_path):
    weights = make_net(tmp_path)
    random = np.random.default_rng(5)
    records = random.integers(0, 256, (40, 145)).astype(np.uint8)
    records[:, 0] %= 4
    (tmp_path / "test.square").write_bytes(records.tobytes())
    (tmp_path / "study.yaml").write_text(STUDY)

    def facet(*arguments):
        done = subprocess.run([*arguments, tmp_path / "study.yaml"], env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    shown = facet(changed, "check", "--verbose")
    assert "tally: true" in shown and "first-global-0.5" in shown and "format: square" in shown
    facet(*MPIRUN, "-n", "2", changed, "run")
    with h5py.File(tmp_path / "out/study.h5") as h5:
        assert np.array_equal(h5["label"][:], records[:, 0])
        p = records[:, 1:] / 255
        for c, strength in enumerate((0, 0.6, 1)):
            wanted = logits(p + strength * (1 - 2 * p), *weights)
            np.testing.assert_allclose(h5["prediction/logits"][0, c], wanted, atol=1e-5)
        assert np.any(h5["linear/dense/b_node"][:] != 0) and h5["linear/dense/residual"][:].max() < 1e-6
        given = h5["prediction/class"][:]
        assert np.array_equal(h5["tally/given"][:], [[len(set(row)) for row in variant] for variant in given])
        assert np.all(h5["progress/tally"][:] == 1)
    pruned = {t.name: numpy_helper.to_array(t) for t in onnx.load(tmp_path / "out/variants/first-global-0.5.onnx").graph.initializer}
    kept = [next(a for a in pruned.values() if a.shape == w.shape) for w in weights[::2]]
    for old, new in zip(weights[::2], kept):
        gone = new.ravel() == 0
        assert not np.any(np.diff(gone.astype(int)) > 0) and np.array_equal(new.ravel()[~gone], old.ravel()[~gone])
    assert sum(int(np.sum(new == 0)) for new in kept) == (9 * 144 + 4 * 9) // 2
    assert facet(changed, "check")  # of what is there
