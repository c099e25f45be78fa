/* Linearization against exact golden values (SCIENCE 1) and against the properties it must have. */
#include <math.h>

#include "mixed.h"
#include "near.h"
#include "net/lanes.h"

enum { MOST = 4000 };

/* One sample linearized in full; everything as double. */
typedef struct {
  double f[MOST], w[MOST], b[MOST], b_node[MOST], residual;
  int32_t ties;
  int nodes;
} linearized;

static facet_type real_of_test = FACET_F64;
static const facet_kernels *kernels_of_test;
static bool lanes_of_test;

static void linearize_rows(const facet_network *n, int64_t rows, const double *x, linearized *out)
{
  facet_executor *e;
  int64_t inputs = facet_shape_size(facet_network_input_shape(n)), classes = facet_network_outputs(n);
  facet_executor_options options = {
      .kernels = kernels_of_test, .real = real_of_test, .batch = 3, .rows = rows}; /* two of three samples in use */
  int32_t *row = facet_allocate((size_t)(2 * classes), sizeof *row);
  char *samples = facet_allocate((size_t)(2 * inputs), sizeof(double));
  double *exact = facet_allocate((size_t)(2 * inputs), sizeof *exact);
  char *w = facet_allocate((size_t)(2 * inputs * classes), sizeof(double));
  double *many = facet_allocate(4 * MOST, sizeof *many);
  int32_t ties[2];
  double residual[2];
  for (int64_t i = 0; i < inputs; i++) {
    double values[2] = {x[i] / 2 + 0.125, x[i]}; /* the sample of interest comes second */
    for (int s = 0; s < 2; s++) {
      exact[s * inputs + i] = values[s];
      if (real_of_test == FACET_F64)
        ((double *)(void *)samples)[s * inputs + i] = values[s];
      else
        ((float *)(void *)samples)[s * inputs + i] = (float)values[s];
    }
  }
  for (int64_t i = 0; i < 2 * classes; i++)
    row[i] = (int32_t)(i % classes);
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  if (lanes_of_test)
    assert_int_equal(facet_lanes_insist(e), FACET_OK);
  out->nodes = facet_executor_constant_nodes(e);
  facet_linearization result = {w, many, many + MOST, residual, ties};
  assert_int_equal(facet_executor_forward(e, samples, 2), FACET_OK);
  double *f = many + 3 * MOST;
  assert_int_equal(facet_executor_output(e, f), FACET_OK);
  assert_int_equal(facet_executor_settle(e, exact), FACET_OK);
  assert_int_equal(facet_linearize(e, samples, 2, classes, row, &result), FACET_OK);
  memcpy(out->f, f + classes, (size_t)classes * sizeof *f);
  for (int64_t i = 0; i < classes * inputs; i++)
    out->w[i] = real_of_test == FACET_F64 ? ((double *)(void *)w)[classes * inputs + i]
                                          : ((float *)(void *)w)[classes * inputs + i];
  memcpy(out->b, result.b + classes, (size_t)classes * sizeof *out->b);
  memcpy(out->b_node, result.b_node + classes * out->nodes, (size_t)(classes * out->nodes) * sizeof *out->b);
  out->residual = residual[1];
  out->ties = ties[1];
  facet_executor_destroy(&e);
  facet_free(&row);
  facet_free(&samples);
  facet_free(&exact);
  facet_free(&w);
  facet_free(&many);
}

static void linearize(const facet_network *n, const double *x, linearized *out)
{
  linearize_rows(n, facet_network_outputs(n), x, out);
}

static void check_golden_a(double tolerance)
{
  static const double f[2] = {133.0 / 40, -13.0 / 5}, w[4] = {-4, -6, 2, 3}, b[2] = {41.0 / 8, -3.5};
  static const double b_node[6] = {6, -1, 0.125, -3, 0.5, -1};
  facet_network *n = golden_a();
  for (int64_t rows = 1; rows <= 2; rows++) { /* in one chunk of rows, and in two */
    static linearized l;
    linearize_rows(n, rows, (double[]){0.9, -0.3}, &l);
    assert_int_equal(l.nodes, 3);
    for (int i = 0; i < 2; i++) {
      assert_near(l.f[i], f[i], tolerance);
      assert_near(l.b[i], b[i], tolerance);
    }
    for (int i = 0; i < 4; i++)
      assert_near(l.w[i], w[i], tolerance);
    for (int i = 0; i < 6; i++)
      assert_near(l.b_node[i], b_node[i], tolerance);
    assert_true(l.residual <= tolerance);
    assert_int_equal(l.ties, 0);
    linearize_rows(n, rows, (double[]){0.75, 0.5}, &l);
    assert_true(l.ties > 0);
  }
  facet_network_destroy(&n);
}

static void golden_a_in_double(void **state)
{
  (void)state;
  check_golden_a(1e-12);
}

static void golden_a_in_float(void **state)
{
  (void)state;
  real_of_test = FACET_F32;
  check_golden_a(1e-5);
  kernels_of_test = &facet_kernels_reference;
  check_golden_a(1e-5);
  kernels_of_test = NULL;
  real_of_test = FACET_F64;
}

/* The tent map 2 relu(x) - 4 relu(x - 1/2), three times over. */
static void golden_b(void **state)
{
  (void)state;
  static linearized l;
  facet_network *n = begin_net((facet_shape){1, {1}});
  char last[8] = "x";
  for (int i = 0; i < 3; i++) {
    char first[8], gate[8], second[8];
    snprintf(first, sizeof first, "a%d", i);
    snprintf(gate, sizeof gate, "r%d", i);
    snprintf(second, sizeof second, "s%d", i);
    add_gemm(n, last, first, 1, 2, (double[]){1, 1}, (double[]){0, -0.5});
    add_node(n, "Relu", first, gate, 0, NULL);
    add_gemm(n, gate, second, 2, 1, (double[]){2, -4}, NULL);
    memcpy(last, second, sizeof last);
  }
  end_net(n, last);
  linearize(n, (double[]){5.0 / 16}, &l);
  assert_near(l.f[0], 0.5, 1e-12);
  assert_near(l.w[0], 8, 1e-12);
  assert_near(l.b[0], -2, 1e-12);
  facet_network_destroy(&n);
}

static void fill(double *x, int count, uint64_t seed)
{
  for (int i = 0; i < count; i++)
    x[i] = noise(100000 + 1000 * seed + (uint64_t)i);
}

/* Central differences inside the region equal W; the certificate holds; b by node sums to b; F = W x + b. */
static void every_kind_is_exact(void **state)
{
  (void)state;
  static linearized l, up, down;
  facet_network *n = mixed_net(true);
  assert_string_equal(n->stripped, "Softmax");
  double x[243];
  for (uint64_t seed = 0; seed < 3; seed++) {
    fill(x, 243, seed);
    linearize(n, x, &l);
    assert_true(l.residual < 1e-12);
    assert_int_equal(l.nodes, 5); /* Sub, Conv, BatchNormalization, Pad, Add */
    for (int i = 0; i < 243; i += 7) {
      double keep = x[i], h = 1e-7;
      x[i] = keep + h;
      linearize(n, x, &up);
      x[i] = keep - h;
      linearize(n, x, &down);
      x[i] = keep;
      for (int k = 0; k < 5; k++)
        assert_near(l.w[k * 243 + i], (up.f[k] - down.f[k]) / (2 * h), 1e-6);
    }
  }
  facet_network_destroy(&n);
}

/* The dense kernels in float agree with the reference in double. */
static void dense_agrees_with_reference(void **state)
{
  (void)state;
  static linearized exact, quick;
  facet_network *n = mixed_net(true);
  double x[243];
  fill(x, 243, 8);
  for (int i = 0; i < 243; i++)
    x[i] = (double)(float)x[i];
  linearize(n, x, &exact);
  real_of_test = FACET_F32;
  linearize_rows(n, 2, x, &quick);
  real_of_test = FACET_F64;
  assert_true(quick.residual < 1e-5);
  for (int i = 0; i < 5 * 243; i++)
    assert_near(quick.w[i], exact.w[i], 1e-5);
  for (int i = 0; i < 5 * 5; i++)
    assert_near(quick.b_node[i], exact.b_node[i], 1e-5);
  facet_network_destroy(&n);
}

static void add_conv(facet_network *n, const char *input, const char *name, int64_t in, int64_t out, uint64_t seed)
{
  char weight[20], inputs[60];
  double w[16 * 16 * 9];
  snprintf(weight, sizeof weight, "%s.w", name);
  snprintf(inputs, sizeof inputs, "%s,%s", input, weight);
  for (int64_t i = 0; i < out * in * 9; i++)
    w[i] = noise(1000 * seed + (uint64_t)i) / 6;
  add_numbers(n, weight, (facet_shape){4, {out, in, 3, 3}}, w);
  facet_attribute *a = facet_allocate(1, sizeof *a);
  set_ints(a, "pads", 4, (int64_t[]){1, 1, 1, 1});
  add_node(n, "Conv", inputs, name, 1, a);
}

static void add_norm(facet_network *n, const char *input, const char *name, uint64_t seed)
{
  const char *part[] = {"g", "b", "m", "v"};
  char text[80];
  for (int i = 0; i < 4; i++) {
    double numbers[16];
    for (int c = 0; c < 16; c++)
      numbers[c] = noise(seed * 100 + (uint64_t)(16 * i + c)) / 2 + (i == 3 ? 1 : 0.2);
    snprintf(text, sizeof text, "%s.%s", name, part[i]);
    add_numbers(n, text, (facet_shape){1, {16}}, numbers);
  }
  snprintf(text, sizeof text, "%s,%s.g,%s.b,%s.m,%s.v", input, name, name, name, name);
  add_node(n, "BatchNormalization", text, name, 0, NULL);
}

/* Residual blocks of 16 channels: gates, sums of branches and batch norms' shares of b, all done within pullbacks. */
static facet_network *residual_net(void)
{
  facet_network *n = begin_net((facet_shape){3, {3, 9, 9}});
  add_conv(n, "x", "c0", 3, 16, 1);
  add_norm(n, "c0", "n0", 2);
  add_node(n, "Relu", "n0", "r0", 0, NULL);
  add_conv(n, "r0", "c1", 16, 16, 3);
  add_norm(n, "c1", "n1", 4);
  add_node(n, "LeakyRelu", "n1", "r1", 1, one_float("alpha", 0.25));
  add_conv(n, "r1", "c2", 16, 16, 5);
  add_norm(n, "c2", "n2", 6);
  add_node(n, "Add", "n2,r0", "s2", 0, NULL);
  add_node(n, "Relu", "s2", "r2", 0, NULL);
  add_conv(n, "r2", "c3", 16, 16, 7);
  add_node(n, "Relu", "c3", "r3", 0, NULL);
  add_conv(n, "r3", "c4", 16, 16, 8);
  add_node(n, "Add", "r2,c4", "s4", 0, NULL);
  add_node(n, "Relu", "s4", "r4", 0, NULL);
  add_node(n, "GlobalAveragePool", "r4", "pool", 0, NULL);
  add_node(n, "Flatten", "pool", "flat", 0, NULL);
  double w[80], b[5];
  for (int i = 0; i < 80; i++)
    w[i] = noise(90000 + (uint64_t)i);
  for (int i = 0; i < 5; i++)
    b[i] = noise(91000 + (uint64_t)i);
  add_gemm(n, "flat", "logits", 16, 5, w, b);
  return end_net(n, "logits");
}

static void fused_pullbacks_agree(void **state)
{
  (void)state;
  static linearized exact, quick, few;
  facet_network *n = residual_net();
  double x[243];
  fill(x, 243, 9);
  for (int i = 0; i < 243; i++)
    x[i] = (double)(float)x[i];
  linearize(n, x, &exact);
  real_of_test = FACET_F32;
  linearize(n, x, &quick);
  linearize_rows(n, 2, x, &few);
  real_of_test = FACET_F64;
  assert_true(exact.residual < 1e-12 && quick.residual < 1e-5);
  assert_int_equal(exact.nodes, 4); /* three batch norms, one Gemm */
  for (int i = 0; i < 5 * 243; i++)
    assert_near(quick.w[i], exact.w[i], 1e-5);
  for (int i = 0; i < 5 * 4; i++)
    assert_near(quick.b_node[i], exact.b_node[i], 1e-5);
  assert_memory_equal(quick.w, few.w, sizeof quick.w); /* two rows at a time or five: the same bits */
  assert_memory_equal(quick.b_node, few.b_node, sizeof quick.b_node);
  facet_network_destroy(&n);
}

/* No constants: b = 0 and F(2x) = 2 F(x). */
/* In lanes, all rows at once or two, by what the kernels make of them. */
static void check_lanes(const facet_network *n, facet_type real, double tolerance)
{
  static linearized exact, lanes, few;
  int64_t classes = facet_network_outputs(n);
  double x[243];
  fill(x, 243, 10);
  for (int i = 0; i < 243; i++)
    x[i] = (double)(float)x[i];
  linearize(n, x, &exact);
  real_of_test = real;
  lanes_of_test = true;
  linearize(n, x, &lanes);
  linearize_rows(n, 2, x, &few);
  lanes_of_test = false;
  real_of_test = FACET_F64;
  assert_true(lanes.residual < tolerance);
  for (int64_t i = 0; i < classes * 243; i++)
    assert_near(lanes.w[i], exact.w[i], tolerance);
  for (int64_t i = 0; i < classes * exact.nodes; i++)
    assert_near(lanes.b_node[i], exact.b_node[i], tolerance);
  assert_memory_equal(lanes.w, few.w, (size_t)(classes * 243) * sizeof *few.w);
  assert_memory_equal(lanes.b_node, few.b_node, (size_t)(classes * exact.nodes) * sizeof *few.b_node);
}

static void lanes_agree(void **state)
{
  (void)state;
  facet_network *nets[] = {mixed_net(true), residual_net()};
  for (int i = 0; i < 2; i++) {
    check_lanes(nets[i], FACET_F64, 1e-12);
    check_lanes(nets[i], FACET_F32, 1e-5);
    facet_network_destroy(&nets[i]);
  }
}

static bool by_lanes(const facet_network *n)
{
  facet_executor *e;
  facet_executor_options options = {.real = FACET_F32, .batch = 8, .rows = 10};
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  bool lanes = facet_lanes_chosen(e);
  facet_executor_destroy(&e);
  return lanes;
}

/* Of what takes the networks' constants; and whether by lanes. */
static size_t memory_of(const facet_network *n, int64_t batch, bool *lanes)
{
  facet_executor *e;
  facet_executor_options options = {.real = FACET_F32, .batch = batch, .rows = 10};
  size_t before = facet_memory_in_use();
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  size_t bytes = facet_memory_in_use() - before;
  *lanes = facet_lanes_chosen(e);
  facet_executor_destroy(&e);
  return bytes;
}

/* ResNet-20 of few weights, at batches small and large: lanes lie where adjoints would, or are not taken: with
 * threads, of which all may keep room for themselves. */
static void lanes_take_no_more(void **state)
{
  (void)state;
  facet_network *n;
  size_t dense[9];
  bool lanes;
  assert_int_equal(facet_network_resnet((facet_shape){3, {3, 32, 32}}, 3, 10, 1, &n), FACET_OK);
  facet_kernels_threads(4);
  for (int64_t batch = 1; batch < 9; batch++) {
    dense[batch] = memory_of(n, batch, &lanes);
    assert_false(lanes);
  }
  thin(n, 20);
  for (int64_t batch = 1; batch < 9; batch++) {
    size_t bytes = memory_of(n, batch, &lanes);
    assert_true(bytes <= dense[batch] + (1 << 18)); /* what sparse kernels of the forward pass keep for themselves */
    assert_int_equal(lanes, batch >= 3);
  }
  facet_kernels_threads(1);
  facet_network_destroy(&n);
}

/* Where few weights are left of many, and nowhere else. */
static void lanes_are_chosen(void **state)
{
  (void)state;
  facet_network *n;
  assert_int_equal(facet_network_resnet((facet_shape){3, {3, 32, 32}}, 1, 10, 1, &n), FACET_OK);
  assert_false(by_lanes(n));
  thin(n, 20);
  assert_true(by_lanes(n));
  facet_network_destroy(&n);
  assert_int_equal(facet_network_resnet((facet_shape){3, {3, 8, 8}}, 1, 10, 1, &n), FACET_OK);
  thin(n, 20);
  assert_false(by_lanes(n));
  facet_network_destroy(&n);
}

static void bias_free(void **state)
{
  (void)state;
  static linearized once, twice;
  facet_network *n = mixed_net(false);
  double x[243];
  fill(x, 243, 5);
  linearize(n, x, &once);
  for (int i = 0; i < 243; i++)
    x[i] *= 2;
  linearize(n, x, &twice);
  for (int k = 0; k < 5; k++) {
    assert_near(once.b[k], 0, 1e-15);
    assert_near(twice.f[k], 2 * once.f[k], 1e-12);
  }
  facet_network_destroy(&n);
}

/* ---- W as a stream ---- */

enum { SAMPLES = 2, INPUTS = 243, CLASSES = 5 };

typedef struct {
  char w[SAMPLES * CLASSES * INPUTS * sizeof(double)];
  size_t line;
  int64_t next, chunks; /* the row expected next */
} gathered;

static facet_status gather(void *context, int64_t from, int64_t rows, const void *w)
{
  gathered *g = context;
  assert_int_equal(from, g->next);
  g->next += rows;
  g->chunks++;
  for (int64_t s = 0; s < SAMPLES; s++)
    memcpy(g->w + (size_t)(s * CLASSES + from) * g->line, (const char *)w + (size_t)(s * rows) * g->line,
           (size_t)rows * g->line);
  return FACET_OK;
}

static facet_status full(void *context, int64_t from, int64_t rows, const void *w)
{
  (void)context;
  (void)from;
  (void)rows;
  (void)w;
  return facet_raise(FACET_IO, "disk full");
}

/* Chunks of `rows` rows, in a batch that is not full, handed out one by one. */
static void stream(const facet_network *n, facet_type real, int64_t rows, const void *x, gathered *g,
                   facet_linearization *out)
{
  facet_executor *e;
  int32_t row[SAMPLES * CLASSES];
  facet_executor_options options = {
      .kernels = &facet_kernels_reference, .real = real, .batch = SAMPLES + 1, .rows = rows, .room = true};
  for (int i = 0; i < SAMPLES * CLASSES; i++)
    row[i] = (i + 2) % CLASSES;
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  *g = (gathered){.line = INPUTS * facet_type_size(real)};
  out->w = facet_allocate((size_t)((SAMPLES + 1) * rows), g->line);
  assert_int_equal(facet_executor_forward(e, x, SAMPLES), FACET_OK);
  assert_int_equal(facet_linearize_to(e, x, SAMPLES, CLASSES, row, (facet_w_sink){full, NULL}, out), FACET_IO);
  assert_int_equal(facet_linearize_to(e, x, SAMPLES, CLASSES, row, (facet_w_sink){gather, g}, out), FACET_OK);
  assert_int_equal(g->next, CLASSES);
  assert_int_equal(g->chunks, (CLASSES + rows - 1) / rows);
  facet_executor_destroy(&e);
  facet_free(&out->w);
}

static void check_stream(facet_type real)
{
  enum { NODES = 5 };
  static gathered whole, part;
  double b[2][SAMPLES * CLASSES], b_node[2][SAMPLES * CLASSES * NODES], residual[2][SAMPLES], x[SAMPLES * INPUTS];
  float single[SAMPLES * INPUTS];
  int32_t ties[2][SAMPLES];
  facet_network *n = mixed_net(true);
  for (int i = 0; i < SAMPLES * INPUTS; i++)
    single[i] = (float)(x[i] = noise(77 + (uint64_t)i));
  const void *samples = real == FACET_F64 ? (const void *)x : single;
  facet_linearization all = {NULL, b[0], b_node[0], residual[0], ties[0]};
  facet_linearization some = {NULL, b[1], b_node[1], residual[1], ties[1]};
  stream(n, real, CLASSES, samples, &whole, &all);
  for (int64_t rows = 1; rows < CLASSES; rows++) {
    stream(n, real, rows, samples, &part, &some);
    assert_memory_equal(part.w, whole.w, SAMPLES * CLASSES * whole.line);
    assert_memory_equal(b[1], b[0], sizeof b[0]);
    assert_memory_equal(b_node[1], b_node[0], sizeof b_node[0]);
    assert_memory_equal(residual[1], residual[0], sizeof residual[0]);
    assert_memory_equal(ties[1], ties[0], sizeof ties[0]);
    assert_true(residual[0][0] > 0 && residual[0][1] > 0);
  }
  facet_network_destroy(&n);
}

static void chunks_of_rows_are_the_same_bits(void **state)
{
  (void)state;
  check_stream(FACET_F64);
  check_stream(FACET_F32);
}

static void rows_are_chosen(void **state)
{
  (void)state;
  double logits[10] = {1, 5, 3, 5, -2, 0, 0, 0, 0, 7};
  int32_t row[10];
  assert_int_equal(facet_rows_count(FACET_ROWS_ALL, 3, 5), 5);
  assert_int_equal(facet_rows_count(FACET_ROWS_TOP, 3, 5), 3);
  assert_int_equal(facet_rows_count(FACET_ROWS_TOP, 9, 5), 5);
  facet_rows_choose(FACET_ROWS_TOP, 3, 5, logits, 2, row);
  assert_memory_equal(row, ((int32_t[]){1, 3, 2, 4, 0, 1}), 6 * sizeof *row);
  facet_rows_choose(FACET_ROWS_PREDICTED, 1, 5, logits, 2, row);
  assert_memory_equal(row, ((int32_t[]){1, 4}), 2 * sizeof *row);
}

/* ---- gradients of a training executor (batch norm from the batch), of networks for 2 x 6 x 6 and 4 classes ---- */

enum { BATCH = 8, PIXELS = 2 * 36, ANSWERS = 4 };

/* <logits, d>, whose gradient is asked for. */
static double loss(facet_executor *e, const double *x, int64_t count, const float *d)
{
  double logits[BATCH * ANSWERS], sum = 0;
  assert_int_equal(facet_executor_refresh(e), FACET_OK);
  assert_int_equal(facet_executor_forward(e, x, count), FACET_OK);
  assert_int_equal(facet_executor_output(e, logits), FACET_OK);
  for (int64_t i = 0; i < count * ANSWERS; i++)
    sum += logits[i] * (double)d[i];
  return sum;
}

static bool same_pattern(const facet_executor *a, const facet_executor *b, int64_t count)
{
  int64_t differing = 0;
  for (int gate = 0; gate < facet_executor_gates(a); gate++)
    for (int64_t s = 0; s < count; s++)
      differing += facet_executor_gate_differs(a, s, b, s, gate);
  return differing == 0;
}

/* Samples none of whose gates and maxima is so near a change that rounding in float could make it: small changes of x
 * make none. */
static void clear_samples(facet_executor *e, facet_executor *moved, int64_t count, double *x)
{
  static const float none[BATCH * ANSWERS];
  double near[BATCH * PIXELS];
  int moves = 0;
  for (uint64_t seed = 0; moves < 8; seed++) {
    assert_true(seed < 100);
    fill(x, BATCH * PIXELS, seed);
    loss(e, x, count, none);
    for (moves = 0; moves < 8; moves++) {
      for (int i = 0; i < BATCH * PIXELS; i++)
        near[i] = x[i] + 0x1p-16 * noise(7000 * seed + (uint64_t)(1000 * moves + i));
      loss(moved, near, count, none);
      if (!same_pattern(e, moved, count))
        break;
    }
  }
}

/* The slope along one parameter by a central difference in double that crosses no gate. */
static double slope_of(facet_executor *up, facet_executor *down, const double *x, int64_t count, const float *d,
                       float *theta)
{
  float keep = *theta, h = 0x1p-18F;
  double high, low, difference;
  do {
    h /= 4;
    assert_true(h >= 0x1p-24F);
    *theta = keep + h;
    high = loss(up, x, count, d);
    difference = (double)*theta;
    *theta = keep - h;
    low = loss(down, x, count, d);
    difference -= (double)*theta;
    *theta = keep;
  } while (!same_pattern(up, down, count));
  return (high - low) / difference;
}

static facet_executor *trainer_of(const facet_network *n, facet_type real, const facet_kernels *kernels, int64_t batch)
{
  facet_executor *e;
  facet_executor_options options = {.kernels = kernels, .real = real, .batch = batch, .training = true};
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  return e;
}

static facet_executor *trainer(const facet_network *n, facet_type real, const facet_kernels *kernels)
{
  return trainer_of(n, real, kernels, BATCH);
}

/* Terms of all sums that a gradient goes through: forward, back, the statistics of each norm both ways, and its own
 * over the batch. Each may cost half a unit in the last place. positions: of a channel, of all samples, at most. */
static double terms_of(const facet_network *n, const facet_parameter *list, int count, double positions)
{
  double terms = positions;
  for (int i = 0; i < count; i++) {
    const facet_shape shape = n->value[list[i].value].constant->shape;
    if (list[i].role == FACET_MEAN)
      terms += 2 * positions;
    else if (list[i].role == FACET_WEIGHT)
      terms += (double)list[i].size / (double)shape.dim[0] + (double)list[i].size / (double)shape.dim[1];
  }
  return terms;
}

/* The reference kernels' gradient against slopes in double, the dense kernels' against the reference kernels'; bound:
 * relative to the largest number of a parameter. */
static void check_parameter(facet_executor *const *slopes, const double *x, int64_t samples, const float *d,
                            const facet_parameter *p, float *const *gradient, double bound)
{
  const facet_network *n = facet_executor_network(slopes[0]);
  const float *reference = gradient[0] + p->offset, *dense = gradient[1] + p->offset;
  float *theta = n->value[p->value].constant->data;
  double largest = 0;
  for (int64_t j = 0; j < p->size; j++)
    largest = fmax(largest, fabs((double)reference[j]));
  assert_true(largest > 1e-3);
  for (int64_t j = 0; j < p->size; j++)
    assert_near((double)dense[j], (double)reference[j], bound * largest);
  for (int64_t j = 0; j < p->size; j += p->size / 5 + 1)
    assert_near((double)reference[j], slope_of(slopes[0], slopes[1], x, samples, d, theta + j), bound * largest);
}

static void check_gradients(facet_network *n)
{
  const facet_kernels *const kernels[2] = {&facet_kernels_reference, &facet_kernels_dense};
  facet_executor *slopes[2], *e[2];
  facet_parameter *list;
  int count;
  double x[BATCH * PIXELS];
  float single[BATCH * PIXELS], d[BATCH * ANSWERS], *gradient[2];
  for (int i = 0; i < BATCH * ANSWERS; i++)
    d[i] = (float)noise(5000 + (uint64_t)i);
  assert_int_equal(facet_network_parameter_list(n, &list, &count), FACET_OK);
  for (int k = 0; k < 2; k++) {
    slopes[k] = trainer(n, FACET_F64, &facet_kernels_reference);
    e[k] = trainer(n, FACET_F32, kernels[k]);
    gradient[k] = facet_allocate((size_t)facet_network_parameters(n), sizeof **gradient);
  }
  double bound = 0x1p-24 * terms_of(n, list, count, BATCH * PIXELS / 2);
  assert_true(bound < 1e-3);
  for (int64_t samples = 6; samples <= 8; samples += 2) { /* a batch that is not full, and a full one */
    clear_samples(slopes[0], slopes[1], samples, x);
    for (int i = 0; i < BATCH * PIXELS; i++)
      single[i] = (float)x[i];
    for (int k = 0; k < 2; k++) {
      assert_int_equal(facet_executor_forward(e[k], single, samples), FACET_OK);
      assert_int_equal(facet_executor_gradient(e[k], d, gradient[k]), FACET_OK);
    }
    for (int i = 0; i < count; i++)
      if (list[i].role != FACET_MEAN && list[i].role != FACET_VARIANCE)
        check_parameter(slopes, x, samples, d, &list[i], gradient, bound);
  }
  for (int k = 0; k < 2; k++) {
    facet_executor_destroy(&slopes[k]);
    facet_executor_destroy(&e[k]);
    facet_free(&gradient[k]);
  }
  facet_free(&list);
  facet_network_destroy(&n);
}

static void gradients_of_plain(void **state)
{
  (void)state;
  facet_network *n;
  assert_int_equal(facet_network_plain(
                       &(facet_plain){(facet_shape){3, {2, 6, 6}}, 2, (int64_t[]){5, 8}, 1, (int64_t[]){7}, 4, 3}, &n),
                   FACET_OK);
  check_gradients(n);
}

/* Blocks that training does as one (kernels/block.h) against their nodes one by one, by the reference kernels: widths
 * that tiles fit and do not fit, layouts in blocks of 8 and 16, with and without a maximum behind, all weights or few
 * of them; held: those that are 0 stay so, and in batches that fill lanes (kernels/lane_block.h) have no gradient.
 * Terms are too many here for each to cost half a unit: they do so to either side, and as many as a root of them add
 * up. */
static void check_blocks(bool pruned, bool held, int64_t batch, int64_t samples)
{
  static const struct {
    int64_t channels, height, width, conv[3];
    int convs;
  } networks[] = {{1, 28, 28, {8, 16, 16}, 3}, {3, 16, 20, {16, 24, 8}, 3}, {2, 12, 10, {32, 6}, 2}, {4, 7, 9, {5}, 1}};
  const facet_kernels *const kernels[2] = {&facet_kernels_reference, &facet_kernels_dense};
  for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++) {
    facet_network *n;
    facet_parameter *list;
    int count;
    const facet_shape input = {3, {networks[i].channels, networks[i].height, networks[i].width}};
    const int64_t size = facet_shape_size(input), five = 5;
    assert_int_equal(
        facet_network_plain(&(facet_plain){input, networks[i].convs, networks[i].conv, 1, &five, 4, 3}, &n), FACET_OK);
    assert_int_equal(facet_network_parameter_list(n, &list, &count), FACET_OK);
    for (int p = 0; pruned && p < count; p++)
      for (int64_t j = 0; list[p].role == FACET_WEIGHT && j < list[p].size; j++)
        ((float *)n->value[list[p].value].constant->data)[j] *= j % 11 == 0;
    double *x = facet_allocate((size_t)(batch * size), sizeof *x);
    float *single = facet_allocate((size_t)(batch * size), sizeof *single), *gradient[2];
    float *d = facet_allocate((size_t)(batch * ANSWERS), sizeof *d);
    fill(x, (int)(batch * size), 3);
    for (int64_t j = 0; j < batch * size; j++)
      single[j] = (float)x[j];
    for (int64_t j = 0; j < batch * ANSWERS; j++)
      d[j] = (float)noise(5000 + (uint64_t)j);
    for (int k = 0; k < 2; k++) {
      facet_executor *e = trainer_of(n, FACET_F32, kernels[k], batch);
      facet_executor_hold(e, held);
      assert_int_equal(facet_executor_refresh(e), FACET_OK);
      gradient[k] = facet_allocate((size_t)facet_network_parameters(n), sizeof **gradient);
      assert_int_equal(facet_executor_forward(e, single, samples), FACET_OK);
      assert_int_equal(facet_executor_gradient(e, d, gradient[k]), FACET_OK);
      facet_executor_destroy(&e);
    }
    int64_t left_out = 0;
    double bound =
        3 * 0x1p-24 * sqrt(terms_of(n, list, count, (double)(samples * networks[i].height * networks[i].width)));
    assert_true(bound < 1e-4);
    for (int p = 0; p < count; p++) {
      const float *one = gradient[0] + list[p].offset, *other = gradient[1] + list[p].offset;
      const float *theta = n->value[list[p].value].constant->data;
      double largest = 0;
      for (int64_t j = 0; j < list[p].size; j++)
        largest = fmax(largest, fabs((double)one[j]));
      for (int64_t j = 0; j < list[p].size; j++) {
        bool out = held && list[p].role == FACET_WEIGHT && theta[j] == 0 && other[j] == 0;
        assert_near((double)other[j], out ? 0 : (double)one[j], bound * largest);
        left_out += out;
      }
    }
    assert_true(!held || facet_level() == FACET_VECTORS_OLD || left_out > 0); /* there its layouts know no blocks */
    FACET_FREE(&x, &single, &d, &gradient[0], &gradient[1], &list);
    facet_network_destroy(&n);
  }
}

static void blocks_agree(void **state)
{
  (void)state;
  check_blocks(false, false, BATCH, 7);
  check_blocks(true, false, BATCH, 7);
  check_blocks(true, true, 32, 32);
  check_blocks(true, true, 32, 21); /* lanes that nobody uses */
  check_blocks(true, true, 16, 7);
}

static void gradients_of_resnet(void **state)
{
  (void)state;
  facet_network *n;
  assert_int_equal(facet_network_resnet((facet_shape){3, {2, 6, 6}}, 1, 4, 3, &n), FACET_OK);
  check_gradients(n);
}

/* Of the size that the paper gives: 0.27 M parameters (with the norms' statistics), 16 to 64 channels; as seeded. */
static void resnet20_is_that_of_the_paper(void **state)
{
  (void)state;
  facet_network *n[3];
  for (uint32_t i = 0; i < 3; i++)
    assert_int_equal(facet_network_resnet((facet_shape){3, {3, 32, 32}}, 3, 10, i / 2, &n[i]), FACET_OK);
  facet_cost *cost;
  facet_parameter *list;
  int count;
  assert_int_equal(facet_network_parameters(n[0]), 271098);
  assert_int_equal(facet_network_cost(n[0], &cost), FACET_OK);
  assert_int_equal(cost->all.products, 40551040); /* the "41 million FLOPs" of the literature */
  assert_int_equal(facet_network_parameter_list(n[0], &list, &count), FACET_OK);
  int64_t same = 0, other = 0;
  for (int p = 0; p < count; p++)
    for (int64_t i = 0; list[p].role == FACET_WEIGHT && i < list[p].size; i++) {
      double x[3];
      for (int k = 0; k < 3; k++)
        x[k] = facet_tensor_get(n[k]->value[list[p].value].constant, i);
      same += x[0] == x[1];
      other += x[0] == x[2];
    }
  assert_int_equal(same, 270896 - 16 * 32 - 32 * 64);
  assert_true(other < 10);
  facet_free(&list);
  facet_cost_destroy(&cost);
  for (int i = 0; i < 3; i++)
    facet_network_destroy(&n[i]);
  assert_int_equal(facet_network_resnet((facet_shape){3, {3, 32, 32}}, 0, 10, 1, &n[0]), FACET_BAD_INPUT);
  assert_int_equal(facet_network_resnet((facet_shape){1, {3}}, 3, 10, 1, &n[0]), FACET_BAD_INPUT);
}

/* One row of two is no number, and the certificate says so, whichever it is. */
static void a_row_that_is_no_number(void **state)
{
  (void)state;
  for (int bad = 0; bad < 2; bad++) {
    double w[] = {1, 2, 3, 4}, x[] = {0, 1}, got[4], b[2], b_node[2], residual;
    int32_t row[] = {0, 1}, ties;
    facet_executor *e;
    w[(size_t)bad * 2] = INFINITY; /* times 0 */
    facet_network *n = begin_net((facet_shape){1, {2}});
    add_gemm(n, "x", "y", 2, 2, w, NULL);
    end_net(n, "y");
    facet_executor_options options = {.real = FACET_F64, .batch = 1, .rows = 1};
    facet_linearization result = {got, b, b_node, &residual, &ties};
    assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
    assert_int_equal(facet_executor_forward(e, x, 1), FACET_OK);
    assert_int_equal(facet_linearize(e, x, 1, 2, row, &result), FACET_OK);
    assert_true(isnan(residual));
    facet_executor_destroy(&e);
    facet_network_destroy(&n);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(golden_a_in_double),
      cmocka_unit_test(golden_b),
      cmocka_unit_test(a_row_that_is_no_number),
      cmocka_unit_test(every_kind_is_exact),
      cmocka_unit_test(bias_free),
      cmocka_unit_test(lanes_agree),
      cmocka_unit_test(lanes_are_chosen),
      cmocka_unit_test(lanes_take_no_more),
      cmocka_unit_test(dense_agrees_with_reference),
      cmocka_unit_test(rows_are_chosen),
      cmocka_unit_test(gradients_of_plain),
      cmocka_unit_test(blocks_agree),
      cmocka_unit_test(gradients_of_resnet),
      cmocka_unit_test(golden_a_in_float),
      cmocka_unit_test(resnet20_is_that_of_the_paper),
      cmocka_unit_test(fused_pullbacks_agree),
      cmocka_unit_test(chunks_of_rows_are_the_same_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
