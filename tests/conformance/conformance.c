/* Every official ONNX case whose operators facet claims: forward pass against the expected output, in double and in
 * float, and the certificate of the linearization at the same point.
 *
 *   conformance [-v] [FOLDER [WORD]]      cases below FOLDER whose name holds WORD
 *
 * A case has a model, inputs and expected outputs.  One floating-point input at a time is taken as the data, the others
 * become constants of the model; the outputs, one at a time too.  A case passes if all choices that facet takes pass,
 * and it takes one; it is claimed unless the reason why facet refuses it is in the table below.  Prints passed /
 * claimed / total by operator, and fails if a claimed case does. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facet.h"
#include "onnx/graph.h"

/* Expected outputs are float, computed by NumPy in an order of its own: sums differ by some ulps of the largest. Casts
 * to half precision round there; facet keeps its own precision. */
static const double TOLERANCE_F16 = 1e-3, TOLERANCE_F64 = 2e-6, TOLERANCE_F32 = 1e-5, RESIDUAL_F64 = 1e-12,
                    RESIDUAL_F32 = 1e-5;
static const char DATA[] = "/usr/share/libonnx-testdata/data";

/* Why a case whose operators facet knows is not claimed: what the refusal says. */
static const char *const refusals[] = {
    "is not piecewise linear",            /* Mul, Div, MatMul of two branches are linear in one of them only */
    "output is empty",                    /* reductions and slices to nothing */
    "only constants may go through it",   /* Exp, Sqrt and the like */
    "must be constant numbers",           /* weights as data: linear only in the other factor */
    "may depend on the network's input",  /* the same */
    "does not depend on the input",       /* Shape, Size, ConstantOfShape: no data */
    "training_mode",                      /* batch norm and dropout in training */
    "only the first output is supported", /* the same */
    "rounds to whole numbers",            /* Cast to integers */
    "data type STRING",
    "has no shape",     /* sequences */
    "has 0 dimensions", /* a ratio or limit as data */
    "of the target is 0",
    "is not known: only the first", /* data without elements */
    "mode cubic is not supported",
    "as in operator set 6", /* the claim begins with 7 */
};

enum { MOST_OPERATORS = 200, MOST_INPUTS = 16 };

typedef struct {
  char name[40];
  int passed, claimed, total;
} tally;

static tally tallies[MOST_OPERATORS];
static int operators, failures;
static bool verbose;

static tally *tally_of(const char *name)
{
  for (int i = 0; i < operators; i++)
    if (strcmp(tallies[i].name, name) == 0)
      return &tallies[i];
  if (operators == MOST_OPERATORS)
    return &tallies[0];
  snprintf(tallies[operators].name, sizeof tallies[operators].name, "%s", name);
  return &tallies[operators++];
}

/* ---- a case ---- */

typedef struct {
  char path[800];
  Onnx__ModelProto *model;
  int inputs; /* of the graph that are no initializers, in order */
  Onnx__ValueInfoProto *input[MOST_INPUTS];
  Onnx__TensorProto *value[MOST_INPUTS]; /* theirs; NULL: the case has none */
} sample;

static Onnx__TensorProto *read_tensor(const char *folder, const char *what, int i)
{
  char path[900];
  uint8_t *bytes;
  size_t count;
  snprintf(path, sizeof path, "%s/test_data_set_0/%s_%d.pb", folder, what, i);
  if (facet_read_file(path, &bytes, &count) != FACET_OK)
    return NULL;
  Onnx__TensorProto *tensor = onnx__tensor_proto__unpack(NULL, count, bytes);
  facet_free(&bytes);
  return tensor;
}

static bool is_real(const Onnx__TensorProto *t)
{
  return t && (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT ||
               t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE ||
               t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16);
}

static bool sample_read(sample *s)
{
  char path[900];
  uint8_t *bytes;
  size_t count;
  snprintf(path, sizeof path, "%s/model.onnx", s->path);
  if (facet_read_file(path, &bytes, &count) != FACET_OK)
    return false;
  facet_status status = facet_onnx_unpack(bytes, count, &s->model);
  facet_free(&bytes);
  if (status != FACET_OK)
    return false;
  const Onnx__GraphProto *graph = s->model->graph;
  for (size_t i = 0; i < graph->n_input && s->inputs < MOST_INPUTS; i++)
    if (!facet_onnx_initializer(graph, graph->input[i]->name)) {
      s->value[s->inputs] = read_tensor(s->path, "input", s->inputs);
      s->input[s->inputs++] = graph->input[i];
    }
  return true;
}

static void sample_clear(sample *s)
{
  for (int i = 0; i < s->inputs; i++)
    if (s->value[i])
      onnx__tensor_proto__free_unpacked(s->value[i], NULL);
  facet_onnx_free(&s->model);
}

/* The network with input d as the data and output o alone; the model is as it was afterwards. */
static facet_status build(const sample *s, int d, size_t o, facet_network **network)
{
  Onnx__GraphProto *graph = s->model->graph;
  Onnx__TensorProto **initializer = graph->initializer, *all[MOST_INPUTS + 1000];
  Onnx__ValueInfoProto **output = graph->output;
  size_t initializers = graph->n_initializer, outputs = graph->n_output;
  if (initializers > 1000)
    return facet_raise(FACET_BAD_INPUT, "more than 1000 initializers");
  for (size_t i = 0; i < initializers; i++)
    all[i] = initializer[i];
  size_t n = initializers;
  for (int i = 0; i < s->inputs; i++)
    if (i != d && s->value[i]) {
      facet_free(&s->value[i]->name);
      s->value[i]->name = strdup(s->input[i]->name);
      all[n++] = s->value[i];
    }
  graph->initializer = all;
  graph->n_initializer = n;
  graph->output = &output[o];
  graph->n_output = 1;
  facet_status status = facet_onnx_build(s->model, NULL, network);
  graph->initializer = initializer;
  graph->n_initializer = initializers;
  graph->output = output;
  graph->n_output = outputs;
  return status;
}

/* ---- running ---- */

/* The certificate of the samples of the last forward pass; of large outputs, of ROWS rows spread over them. */
static facet_status linearize(facet_executor *executor, const void *x, int64_t count, double *residual)
{
  enum { ROWS = 64 };
  const facet_network *network = facet_executor_network(executor);
  int64_t k = facet_network_outputs(network), d = facet_shape_size(facet_network_input_shape(network));
  int64_t rows = k < ROWS ? k : ROWS, nodes = facet_executor_constant_nodes(executor);
  double *b, *b_node, *worst;
  int32_t *row, *ties;
  double *w; /* room for either precision */
  FACET_NEW(b, count * rows);
  FACET_NEW(b_node, count * rows * nodes);
  FACET_NEW(worst, count);
  FACET_NEW(row, count * rows);
  FACET_NEW(ties, count);
  FACET_NEW(w, count * rows * d);
  for (int64_t i = 0; i < count * rows; i++)
    row[i] = (int32_t)(i % rows * k / rows);
  facet_linearization part = {w, b, b_node, worst, ties};
  facet_status status = facet_linearize(executor, x, count, rows, row, &part);
  for (int64_t s = 0; s < count; s++)
    *residual = worst[s] <= *residual ? *residual : worst[s]; /* lets NaN through */
  void *owned[] = {&b, &b_node, &worst, &row, &ties, &w};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
    facet_free(owned[i]);
  return status;
}

static facet_status compare(const double *got, const facet_tensor *expected, double tolerance)
{
  double largest = 1;
  int64_t size = facet_shape_size(expected->shape);
  for (int64_t i = 0; i < size; i++)
    largest = fmax(largest, fabs(facet_tensor_get(expected, i)));
  for (int64_t i = 0; i < size; i++)
    FACET_CHECK(fabs(got[i] - facet_tensor_get(expected, i)) <= tolerance * largest, FACET_INTERNAL,
                "element %lld is %.9g, expected %.9g", (long long)i, got[i], facet_tensor_get(expected, i));
  return FACET_OK;
}

/* All samples of the data through one precision. */
static facet_status run_precision(const facet_network *network, facet_type real, const facet_tensor *data,
                                  const facet_tensor *expected, double tolerance)
{
  enum { ROWS = 8 };
  int64_t d = facet_shape_size(facet_network_input_shape(network)), k = facet_network_outputs(network);
  int64_t size = facet_shape_size(data->shape), count = size / d, outputs = facet_shape_size(expected->shape);
  FACET_CHECK(count * d == size && count * k == outputs, FACET_INTERNAL,
              "%lld numbers give %lld samples of %lld with %lld outputs, expected %lld", (long long)size,
              (long long)count, (long long)d, (long long)k, (long long)outputs);
  facet_executor_options options = {.real = real, .batch = count, .rows = k < ROWS ? k : ROWS};
  facet_executor *executor = NULL;
  void *x = facet_allocate((size_t)size, sizeof(double));
  double *exact, *y, residual = 0;
  FACET_NEW(exact, size);
  FACET_NEW(y, outputs);
  for (int64_t i = 0; i < size; i++) {
    exact[i] = facet_tensor_get(data, i);
    if (real == FACET_F64)
      ((double *)x)[i] = exact[i];
    else
      ((float *)x)[i] = (float)exact[i];
  }
  facet_status status = facet_executor_create(network, options, &executor);
  if (status == FACET_OK)
    status = facet_executor_forward(executor, x, count);
  if (status == FACET_OK)
    status = facet_executor_output(executor, y);
  if (status == FACET_OK)
    status = compare(y, expected, tolerance);
  if (status == FACET_OK)
    status = facet_executor_settle(executor, exact);
  if (status == FACET_OK)
    status = linearize(executor, x, count, &residual);
  if (status == FACET_OK && !(residual <= (real == FACET_F64 ? RESIDUAL_F64 : RESIDUAL_F32)))
    status = facet_raise(FACET_INTERNAL, "residual %.3g", residual);
  facet_executor_destroy(&executor);
  facet_free(&x);
  facet_free(&exact);
  facet_free(&y);
  return status == FACET_OK ? FACET_OK : facet_raise_in(status, real == FACET_F64 ? "double: " : "float: ");
}

static bool fits_float(const facet_tensor *t)
{
  for (int64_t i = 0; i < facet_shape_size(t->shape); i++)
    if (fabs(facet_tensor_get(t, i)) > 1e30)
      return false;
  return true;
}

/* One choice of data and output. FACET_BAD_INPUT: refused. */
static facet_status run_choice(const sample *s, int d, size_t o)
{
  facet_network *network = NULL;
  facet_tensor *data = NULL, *expected = NULL;
  Onnx__TensorProto *y = read_tensor(s->path, "output", (int)o);
  facet_status status = build(s, d, o, &network);
  if (status == FACET_OK && network->softmax_stripped)
    status = facet_raise(FACET_BAD_INPUT, "a last Softmax is not piecewise linear");
  if (status == FACET_OK)
    status = facet_tensor_from_proto(s->value[d], NULL, &data);
  if (status == FACET_OK)
    status = facet_tensor_from_proto(y, NULL, &expected);
  bool half = y && y->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
  if (status == FACET_OK)
    status = run_precision(network, FACET_F64, data, expected, half ? TOLERANCE_F16 : TOLERANCE_F64);
  if (status == FACET_OK && fits_float(data))
    status = run_precision(network, FACET_F32, data, expected, half ? TOLERANCE_F16 : TOLERANCE_F32);
  facet_network_destroy(&network);
  facet_tensor_destroy(&data);
  facet_tensor_destroy(&expected);
  if (y)
    onnx__tensor_proto__free_unpacked(y, NULL);
  return status;
}

static bool known(const sample *s)
{
  for (size_t i = 0; i < s->model->graph->n_node; i++)
    if (!facet_onnx_node_known(s->model->graph->node[i]))
      return false;
  return true;
}

static bool excused(const char *message)
{
  for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
    if (strstr(message, refusals[i]))
      return true;
  return false;
}

static void run_case(sample *s)
{
  const Onnx__GraphProto *graph = s->model->graph;
  tally *t = tally_of(graph->n_node > 0 ? graph->node[graph->n_node - 1]->op_type : "");
  int taken = 0;
  char why[600] = "no floating-point input and output";
  bool claimed = false, failed = false, real_reason = false;
  t->total++;
  if (!known(s))
    return;
  for (int d = 0; d < s->inputs && !failed; d++)
    for (size_t o = 0; is_real(s->value[d]) && o < graph->n_output && !failed; o++) {
      Onnx__TensorProto *y = read_tensor(s->path, "output", (int)o);
      bool real = is_real(y);
      if (y)
        onnx__tensor_proto__free_unpacked(y, NULL);
      facet_status status = real ? run_choice(s, d, o) : FACET_BAD_INPUT;
      if (!real)
        continue;
      taken += status == FACET_OK;
      failed = status != FACET_OK && status != FACET_BAD_INPUT;
      bool reason = status != FACET_OK && (failed || !excused(facet_message()));
      claimed = claimed || status == FACET_OK || reason;
      if (status != FACET_OK && !real_reason)
        snprintf(why, sizeof why, "input %d, output %zu: %s", d, o, facet_message());
      real_reason = real_reason || reason;
    }
  bool passed = claimed && taken > 0 && !real_reason;
  t->claimed += claimed;
  t->passed += passed;
  const char *name = strstr(s->path, "/test_") ? strstr(s->path, "/test_") + 1 : s->path;
  if (claimed && !passed) {
    failures++;
    printf("FAILED %s: %s\n", name, why);
  } else if (verbose) {
    printf("%s %s%s%s\n", passed ? "passed" : "refused", name, taken && passed ? "" : ": ", passed ? "" : why);
  }
}

/* ---- all cases ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int run_folder(const char *folder, const char *word)
{
  struct dirent **entry;
  int count = scandir(folder, &entry, NULL, by_name), cases = 0;
  for (int i = 0; i < count; i++) {
    sample s = {.inputs = 0};
    snprintf(s.path, sizeof s.path, "%s/%s", folder, entry[i]->d_name);
    if (strncmp(entry[i]->d_name, "test_", 5) == 0 && strstr(entry[i]->d_name, word) && sample_read(&s)) {
      run_case(&s);
      cases++;
    }
    sample_clear(&s);
    free(entry[i]);
  }
  if (count >= 0)
    free(entry);
  return cases;
}

static int by_operator(const void *a, const void *b)
{
  return strcmp(((const tally *)a)->name, ((const tally *)b)->name);
}

int main(int argc, char **argv)
{
  static const char *const folders[] = {"node", "simple", "pytorch-operator", "pytorch-converted"};
  int cases = 0, at = 1;
  if (argc > at && strcmp(argv[at], "-v") == 0) {
    verbose = true;
    at++;
  }
  const char *root = argc > at ? argv[at] : DATA, *word = argc > at + 1 ? argv[at + 1] : "";
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
    char path[500];
    snprintf(path, sizeof path, "%s/%s", root, folders[i]);
    cases += run_folder(path, word);
  }
  if (cases == 0) {
    printf("conformance: skipped: no ONNX cases in %s (Debian: libonnx-testdata)\n", root);
    return 77;
  }
  tally all = {.name = "all"};
  qsort(tallies, (size_t)operators, sizeof tallies[0], by_operator);
  printf("%-24s %6s %7s %5s\n", "operator (last node)", "passed", "claimed", "total");
  for (int i = 0; i < operators; i++) {
    if (tallies[i].claimed || verbose)
      printf("%-24s %6d %7d %5d\n", tallies[i].name, tallies[i].passed, tallies[i].claimed, tallies[i].total);
    all.passed += tallies[i].passed;
    all.claimed += tallies[i].claimed;
    all.total += tallies[i].total;
  }
  printf("%-24s %6d %7d %5d\n", all.name, all.passed, all.claimed, all.total);
  return failures > 0;
}
