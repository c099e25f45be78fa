/* The kernel sets against the definition of a convolution, against each other and against identities of adjoints. */
#include "kernels/block.h"
#include "kernels/image.h"
#include "kernels/lane_conv.h"
#include "kernels/winograd.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- one node with random numbers, in plain order and double ---- */

typedef struct {
  facet_conv_shape shape;
  int64_t batch, in_positions, out_positions, volume;
  double *u, *z, *gz, *gu, *w, *bias, *gw, *gb; /* z, gu, gw, gb by the definition */
} problem;

static double draw(void)
{
  static uint64_t state = 1;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 40) / (double)(1 << 24) - 0.5;
}

static double *numbers(int64_t count, bool random)
{
  double *x = facet_allocate((size_t)count, sizeof *x);
  assert_non_null(x);
  for (int64_t i = 0; random && i < count; i++)
    x[i] = draw();
  return x;
}

/* The place in the image that kernel position k reads for output position o; -1 in the padding. */
static int64_t place(const facet_conv_shape *s, int64_t k, int64_t o)
{
  int64_t at = 0, step = 1;
  for (int d = s->spatial - 1; d >= 0; d--) {
    int64_t i = o % s->out[d] * s->stride[d] + k % s->kernel[d] * s->dilation[d] - s->pad_begin[d];
    if (i < 0 || i >= s->in[d])
      return -1;
    at += i * step;
    step *= s->in[d];
    o /= s->out[d];
    k /= s->kernel[d];
  }
  return at;
}

/* Every product of the convolution once, into all that is asked of it. */
static void define(problem *p)
{
  const facet_conv_shape *s = &p->shape;
  int64_t groups = s->spatial ? s->groups : 1, in = s->in_channels / groups, out = s->out_channels / groups;
  for (int64_t n = 0; n < p->batch; n++)
    for (int64_t c = 0; c < s->out_channels; c++)
      for (int64_t o = 0; o < p->out_positions; o++) {
        int64_t to = (n * s->out_channels + c) * p->out_positions + o;
        p->z[to] = p->bias[c];
        p->gb[c] += p->gz[to];
        for (int64_t i = 0; i < in; i++)
          for (int64_t k = 0; k < p->volume; k++) {
            int64_t at = place(s, k, o), from = (n * s->in_channels + c / out * in + i) * p->in_positions + at;
            int64_t weight = (c * in + i) * p->volume + k;
            if (at < 0)
              continue;
            p->z[to] += p->w[weight] * p->u[from];
            p->gu[from] += p->w[weight] * p->gz[to];
            p->gw[weight] += p->gz[to] * p->u[from];
          }
      }
}

/* The share of weights that are not 0 in the problems that are made next. */
static double share = 1;

static problem make_problem(facet_conv_shape shape, int64_t batch)
{
  problem p = {.shape = shape, .batch = batch, .in_positions = 1, .out_positions = 1, .volume = 1};
  for (int d = 0; d < shape.spatial; d++) {
    p.in_positions *= shape.in[d];
    p.out_positions *= shape.out[d];
    p.volume *= shape.kernel[d];
  }
  int64_t groups = shape.spatial ? shape.groups : 1;
  int64_t in = batch * shape.in_channels * p.in_positions, out = batch * shape.out_channels * p.out_positions;
  int64_t weights = shape.out_channels * shape.in_channels / groups * p.volume;
  p.u = numbers(in, true);
  p.gu = numbers(in, false);
  p.gz = numbers(out, true);
  p.z = numbers(out, false);
  p.w = numbers(weights, true);
  for (int64_t i = 0; share < 1 && i < weights; i++)
    p.w[i] = draw() + 0.5 < share ? p.w[i] : 0;
  p.gw = numbers(weights, false);
  p.bias = numbers(shape.out_channels, true);
  p.gb = numbers(shape.out_channels, false);
  define(&p);
  return p;
}

static void drop_problem(problem *p)
{
  double **all[] = {&p->u, &p->z, &p->gz, &p->gu, &p->w, &p->bias, &p->gw, &p->gb};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    facet_free(all[i]);
}

static int64_t count_weights(const problem *p)
{
  return p->shape.out_channels * p->shape.in_channels / (p->shape.spatial ? p->shape.groups : 1) * p->volume;
}

/* ---- the same numbers in a type and layout ---- */

static void put(void *data, facet_type real, int64_t i, double x)
{
  if (real == FACET_F32)
    ((float *)data)[i] = (float)x;
  else
    ((double *)data)[i] = x;
}

static double get(const void *data, facet_type real, int64_t i)
{
  return real == FACET_F32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
}

static void *flat(const double *x, int64_t count, facet_type real)
{
  void *data = facet_allocate((size_t)count, facet_type_size(real));
  assert_non_null(data);
  for (int64_t i = 0; i < count; i++)
    put(data, real, i, x[i]);
  return data;
}

static void *laid_out(const double *x, int64_t batch, facet_layout l, facet_type real)
{
  void *data = facet_allocate((size_t)(batch * facet_layout_size(l)), facet_type_size(real));
  assert_non_null(data);
  for (int64_t n = 0; n < batch; n++)
    for (int64_t c = 0; c < l.channels; c++)
      for (int64_t s = 0; s < l.spatial; s++)
        put(data, real, n * facet_layout_size(l) + facet_layout_at(l, c, s), x[(n * l.channels + c) * l.spatial + s]);
  return data;
}

/* A buffer to be overwritten: full of a number that must not survive. */
static void *dirty(int64_t count, facet_type real)
{
  void *data = facet_allocate((size_t)count, facet_type_size(real));
  assert_non_null(data);
  for (int64_t i = 0; i < count; i++)
    put(data, real, i, 777);
  return data;
}

static double largest(const double *x, int64_t count)
{
  double most = 0;
  for (int64_t i = 0; i < count; i++)
    most = fmax(most, fabs(x[i]));
  return most;
}

/* Within `tolerance` of the largest number, and zeros in the padding. */
static void same_numbers(const double *wanted, const void *data, int64_t batch, facet_layout l, facet_type real,
                         double tolerance)
{
  double bound = tolerance * fmax(1e-3, largest(wanted, batch * l.channels * l.spatial)), worst = 0, all = 0, sum = 0;
  for (int64_t n = 0; n < batch; n++)
    for (int64_t c = 0; c < l.channels; c++)
      for (int64_t s = 0; s < l.spatial; s++) {
        double x = get(data, real, n * facet_layout_size(l) + facet_layout_at(l, c, s));
        worst = fmax(worst, fabs(x - wanted[(n * l.channels + c) * l.spatial + s]));
        assert_true(isfinite(x) != 0);
        sum += fabs(x);
      }
  for (int64_t i = 0; i < batch * facet_layout_size(l); i++)
    all += fabs(get(data, real, i));
  if (worst > bound)
    fail_msg("off by %g, allowed %g", worst, bound);
  assert_true(fabs(all - sum) <= 1e-9 * sum);
}

typedef struct {
  const facet_kernels *kernels;
  facet_type real;
  double tolerance;
} contender;

/* Runs one task; returns its output (z, gu or gw; caller frees), and gb if asked for. */
static void *run(const problem *p, const contender *k, facet_task task, facet_layout in, facet_layout out, void **gb)
{
  facet_conv *conv = NULL;
  if (k->kernels->conv_create(&p->shape, k->real, task, p->batch, in, out, &conv) != FACET_OK)
    fail_msg("%s: %s", k->kernels->name, facet_message());
  void *u = laid_out(p->u, p->batch, in, k->real), *gz = laid_out(p->gz, p->batch, out, k->real);
  void *w = flat(p->w, count_weights(p), k->real), *bias = flat(p->bias, p->shape.out_channels, k->real);
  void *result = NULL;
  assert_int_equal(k->kernels->conv_weights(conv, w, bias), FACET_OK);
  if (task == FACET_FORWARD) {
    result = dirty(p->batch * facet_layout_size(out), k->real);
    assert_int_equal(k->kernels->conv_forward(conv, u, result), FACET_OK);
  } else if (task == FACET_PULLBACK) {
    result = dirty(p->batch * facet_layout_size(in), k->real);
    assert_int_equal(k->kernels->conv_pullback(conv, gz, result), FACET_OK);
  } else {
    result = dirty(count_weights(p), k->real);
    if (gb)
      *gb = dirty(p->shape.out_channels, k->real);
    assert_int_equal(k->kernels->conv_gradient(conv, u, gz, result, gb ? *gb : NULL), FACET_OK);
  }
  k->kernels->conv_destroy(&conv);
  assert_null(conv);
  facet_free(&u);
  facet_free(&gz);
  facet_free(&w);
  facet_free(&bias);
  return result;
}

static void three_tasks(const problem *p, const contender *k, facet_layout in, facet_layout out)
{
  void *gb = NULL, *z = run(p, k, FACET_FORWARD, in, out, NULL), *gu = run(p, k, FACET_PULLBACK, in, out, NULL);
  void *gw = run(p, k, FACET_GRADIENT, in, out, &gb);
  facet_layout weights = {count_weights(p), 1, 1}, bias = {p->shape.out_channels, 1, 1};
  same_numbers(p->z, z, p->batch, out, k->real, k->tolerance);
  same_numbers(p->gu, gu, p->batch, in, k->real, k->tolerance);
  same_numbers(p->gw, gw, 1, weights, k->real, k->tolerance);
  same_numbers(p->gb, gb, 1, bias, k->real, k->tolerance);
  facet_free(&z);
  facet_free(&gu);
  facet_free(&gw);
  facet_free(&gb);
}

/* ---- the grid ---- */

/* `extent` in each dimension, a little less in the later ones. */
static facet_conv_shape make_shape(int spatial, int64_t in, int64_t out, int64_t groups, int64_t extent, int64_t kernel,
                                   int64_t stride, int64_t dilation, int64_t begin, int64_t end)
{
  facet_conv_shape s = {.spatial = spatial, .in_channels = in, .out_channels = out, .groups = groups};
  for (int d = 0; d < spatial; d++) {
    s.in[d] = extent - d;
    s.kernel[d] = kernel;
    s.stride[d] = stride;
    s.dilation[d] = dilation;
    s.pad_begin[d] = begin;
    s.pad_end[d] = end;
    s.out[d] = (s.in[d] + begin + end - (kernel - 1) * dilation - 1) / stride + 1;
  }
  return s;
}

static const int64_t channels[] = {1, 3, 5, 8, 16, 24};
enum { CHANNELS = sizeof channels / sizeof channels[0] };

static facet_layout layout_of(int64_t count, int64_t spatial, int kind)
{
  return (facet_layout){count, spatial, kind == 0 ? 1 : kind == 1 ? 8 : kind == 2 ? 16 : count};
}

static void every_layout(facet_conv_shape shape, const contender *k)
{
  problem p = make_problem(shape, 3);
  for (int a = 0; a < 4; a++)
    for (int b = 0; b < 4; b++)
      three_tasks(&p, k, layout_of(shape.in_channels, p.in_positions, a),
                  layout_of(shape.out_channels, p.out_positions, b));
  drop_problem(&p);
}

static void grid(const contender *k)
{
  for (int a = 0; a < CHANNELS; a++)
    for (int b = 0; b < CHANNELS; b++)
      every_layout(make_shape(2, channels[a], channels[b], 1, 7, 3, 1, 1, 1, 1), k);
  for (int64_t stride = 1; stride <= 3; stride++)
    for (int64_t dilation = 1; dilation <= 2; dilation++) {
      every_layout(make_shape(1, 5, 16, 1, 13, 3, stride, dilation, 0, 2), k);
      every_layout(make_shape(2, 16, 8, 1, 9, 3, stride, dilation, 2, 0), k);
      every_layout(make_shape(2, 3, 24, 1, 9, 2, stride, dilation, 1, 0), k);
      every_layout(make_shape(3, 8, 5, 1, 7, 2, stride, dilation, 0, 1), k);
      every_layout(make_shape(2, 16, 16, 16, 9, 3, stride, dilation, 1, 1), k); /* depthwise */
      every_layout(make_shape(2, 24, 16, 8, 9, 3, stride, dilation, 1, 2), k);
    }
  every_layout(make_shape(2, 16, 24, 1, 8, 1, 2, 1, 0, 0), k);
  every_layout(make_shape(2, 16, 24, 1, 8, 1, 1, 1, 0, 0), k);
  every_layout(make_shape(3, 16, 16, 1, 5, 3, 1, 1, 1, 1), k);
  every_layout(make_shape(2, 16, 16, 1, 8, 5, 1, 1, 4, 3), k); /* more padding than 'same' */
  every_layout(make_shape(2, 8, 16, 1, 8, 3, 2, 1, 0, 2), k);  /* padding that no window reaches */
}

/* ---- in lanes ---- */

static facet_lanes_layout lanes_of(int64_t count, const int64_t *extent, int spatial, int64_t border)
{
  return facet_lanes_layout_of(count, spatial > 1 ? extent[0] : 1, extent[spatial - 1], border);
}

static void *vectors(facet_lanes_layout l)
{
  void *data = facet_allocate((size_t)l.size, FACET_LANES_BYTES);
  assert_non_null(data);
  return data;
}

/* Samples, or adjoints, of a task by lanes, in the layout that they came in. */
static void *run_lanes(const problem *p, facet_type real, facet_task task, facet_layout in, facet_layout out)
{
  const facet_conv_shape *s = &p->shape;
  bool forward = task == FACET_FORWARD;
  int64_t border = facet_lanes_border(s, task);
  facet_lanes_layout ends[] = {lanes_of(s->in_channels, s->in, s->spatial, border),
                               lanes_of(s->out_channels, s->out, s->spatial, border)};
  facet_layout from = forward ? in : out, to = forward ? out : in;
  facet_lanes *lanes = NULL;
  assert_int_equal(facet_lanes_create(s, real, task, &ends[!forward], &ends[forward], &lanes), FACET_OK);
  void *w = flat(p->w, count_weights(p), real), *bias = flat(p->bias, s->out_channels, real);
  assert_int_equal(facet_lanes_weights(lanes, w, forward ? bias : NULL), FACET_OK);
  void *source = laid_out(forward ? p->u : p->gz, p->batch, from, real);
  void *result = dirty(p->batch * facet_layout_size(to), real);
  void *packed = vectors(ends[!forward]), *made = vectors(ends[forward]);
  const void *each[FACET_MOST_LANES];
  void *each_result[FACET_MOST_LANES];
  for (int64_t i = 0; i < p->batch; i++) {
    each[i] = (char *)source + (size_t)(i * facet_layout_size(from)) * facet_type_size(real);
    each_result[i] = (char *)result + (size_t)(i * facet_layout_size(to)) * facet_type_size(real);
  }
  facet_lanes_pack(&ends[!forward], real, from, (int)p->batch, each, packed);
  facet_lanes_run(lanes, packed, NULL, made);
  facet_lanes_unpack(&ends[forward], real, to, (int)p->batch, made, each_result);
  facet_lanes_destroy(&lanes);
  void **owned[] = {&w, &bias, &source, &packed, &made};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
    facet_free(owned[i]);
  return result;
}

static void check_lanes(facet_conv_shape shape)
{
  problem p = make_problem(shape, 3);
  for (int kind = 0; kind < 4; kind++)
    for (int real = FACET_F32; real <= FACET_F64; real++) {
      facet_layout in = layout_of(shape.in_channels, p.in_positions, kind);
      facet_layout out = layout_of(shape.out_channels, p.out_positions, 3 - kind);
      double tolerance = real == FACET_F64 ? 1e-13 : 1e-5;
      void *z = run_lanes(&p, (facet_type)real, FACET_FORWARD, in, out);
      void *gu = run_lanes(&p, (facet_type)real, FACET_PULLBACK, in, out);
      same_numbers(p.z, z, 3, out, (facet_type)real, tolerance);
      same_numbers(p.gu, gu, 3, in, (facet_type)real, tolerance);
      facet_free(&z);
      facet_free(&gu);
    }
  drop_problem(&p);
}

/* Rows of every remainder of a tile, strides beyond the kernel, groups, and no weight at all. */
static void lanes(void **state)
{
  static const double shares[] = {1, 0.2, 0};
  (void)state;
  for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
    share = shares[i];
    for (int64_t extent = 2; extent <= 19; extent++)
      check_lanes(make_shape(2, 3, 5, 1, extent, 3, 1, 1, 1, 1));
    for (int64_t stride = 1; stride <= 3; stride++)
      for (int64_t dilation = 1; dilation <= 2; dilation++) {
        check_lanes(make_shape(1, 5, 16, 1, 13, 3, stride, dilation, 0, 2));
        check_lanes(make_shape(2, 16, 8, 1, 9, 3, stride, dilation, 2, 0));
        check_lanes(make_shape(2, 16, 16, 16, 9, 3, stride, dilation, 1, 1));
        check_lanes(make_shape(2, 24, 16, 8, 9, 2, stride, dilation, 1, 2));
        check_lanes(make_shape(2, 3, 8, 1, 18, 1, stride, 1, 0, 0));
      }
    check_lanes(make_shape(2, 5, 8, 1, 8, 5, 1, 1, 4, 3));
    check_lanes(make_shape(2, 40, 24, 1, 1, 1, 1, 1, 0, 0));
  }
  share = 1;
}

static const contender reference_double = {&facet_kernels_reference, FACET_F64, 1e-13};
static const contender reference_float = {&facet_kernels_reference, FACET_F32, 1e-5};
static const contender exact = {&facet_kernels_exact, FACET_F64, 1e-13};
static const contender dense = {&facet_kernels_dense, FACET_F32, 1e-5};

static void reference_double_grid(void **state)
{
  (void)state;
  grid(&reference_double);
}

static void reference_float_grid(void **state)
{
  (void)state;
  grid(&reference_float);
}

static void dense_grid(void **state)
{
  (void)state;
  grid(&dense);
}

/* Weights that are mostly 0, for which there are kernels of their own; all of them 0, too. */
static void few_weights(void **state)
{
  static const double shares[] = {0.15, 0.03, 0};
  (void)state;
  for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
    share = shares[i];
    grid(&dense);
    grid(&exact);
  }
  share = 1;
}

/* Inner products, also of values with positions, in every layout. */
static void inner_products(void **state)
{
  (void)state;
  const contender *all[] = {&reference_double, &reference_float, &dense};
  for (size_t k = 0; k < 3; k++)
    for (int a = 0; a < CHANNELS; a++)
      for (int b = 0; b < CHANNELS; b++)
        for (int kind = 0; kind < 4; kind++)
          for (int64_t positions = 1; positions <= 6; positions += 5) {
            problem p = make_problem(make_shape(0, channels[a] * positions, channels[b], 1, 0, 0, 0, 0, 0, 0), 5);
            three_tasks(&p, all[k], layout_of(channels[a], positions, kind), layout_of(channels[b], 1, kind));
            drop_problem(&p);
          }
}

/* More than 1,024 terms are summed in double: the nearest float, also where all terms are alike and a sum in float goes
 * astray by as much as half a unit in the last place a term. */
static void long_inner_products(void **state)
{
  (void)state;
  const contender nearest = {&facet_kernels_dense, FACET_F32, 0x1.001p-24};
  for (int alike = 0; alike < 2; alike++)
    for (int kind = 0; kind < 4; kind++) {
      problem p = make_problem(make_shape(0, 250 * 5, 1100, 1, 0, 0, 0, 0, 0, 0), 5);
      for (int64_t i = 0; alike && i < count_weights(&p); i++)
        p.w[i] = 0x1.99999ap-4;
      for (int64_t i = 0; alike && i < 5 * 250 * 5; i++)
        p.u[i] = p.gz[i % (5 * 1100)] = 0x1.38b676p-1;
      memset(p.z, 0, 5 * 1100 * sizeof *p.z);
      memset(p.gu, 0, 5 * 250 * 5 * sizeof *p.gu);
      define(&p);
      facet_layout in = layout_of(250, 5, kind), out = layout_of(1100, 1, kind);
      void *z = run(&p, &nearest, FACET_FORWARD, in, out, NULL), *gu = run(&p, &nearest, FACET_PULLBACK, in, out, NULL);
      same_numbers(p.z, z, 5, out, FACET_F32, nearest.tolerance);
      same_numbers(p.gu, gu, 5, in, FACET_F32, nearest.tolerance);
      facet_free(&z);
      facet_free(&gu);
      drop_problem(&p);
    }
}

/* ---- by hand ---- */

static void by_hand(void **state)
{
  (void)state;
  const facet_kernels *sets[] = {&facet_kernels_reference, &facet_kernels_dense};
  /* 1-D: u = 1 2 3 4, w = (1, 0, -1), one zero of padding before, stride 2: windows (0 1 2), (2 3 4). */
  facet_conv_shape line = make_shape(1, 1, 1, 1, 4, 3, 2, 1, 1, 0);
  facet_layout in = {1, 4, 1}, out = {1, 2, 1};
  float u[] = {1, 2, 3, 4}, w[] = {1, 0, -1}, bias[] = {10}, z[2], gz[] = {1, 10}, gu[4], gw[3], gb[1];
  float wanted_z[] = {8, 8}, wanted_gu[] = {0, 9, 0, -10}, wanted_gw[] = {20, 31, 42};
  for (size_t k = 0; k < 2; k++) {
    facet_conv *conv[3] = {0};
    for (int task = FACET_FORWARD; task <= FACET_GRADIENT; task++) {
      assert_int_equal(sets[k]->conv_create(&line, FACET_F32, (facet_task)task, 1, in, out, &conv[task]), FACET_OK);
      assert_int_equal(sets[k]->conv_weights(conv[task], w, bias), FACET_OK);
    }
    assert_int_equal(sets[k]->conv_forward(conv[FACET_FORWARD], u, z), FACET_OK);
    assert_int_equal(sets[k]->conv_pullback(conv[FACET_PULLBACK], gz, gu), FACET_OK);
    assert_int_equal(sets[k]->conv_gradient(conv[FACET_GRADIENT], u, gz, gw, gb), FACET_OK);
    assert_memory_equal(z, wanted_z, sizeof z);
    for (int i = 0; i < 4; i++)
      assert_true(gu[i] == wanted_gu[i]);
    assert_memory_equal(gw, wanted_gw, sizeof gw);
    assert_true(gb[0] == 11);
    assert_int_equal(sets[k]->conv_weights(conv[FACET_FORWARD], w, NULL), FACET_OK); /* no bias: the old one is gone */
    assert_int_equal(sets[k]->conv_forward(conv[FACET_FORWARD], u, z), FACET_OK);
    assert_true(z[0] == -2 && z[1] == -2);
    for (int task = FACET_FORWARD; task <= FACET_GRADIENT; task++)
      sets[k]->conv_destroy(&conv[task]);
  }
}

/* <gz, A u> = <A^T gz, u> = <g_A, A>, all by the kernels, in double. */
static void adjoint_identities(void **state)
{
  (void)state;
  facet_conv_shape shape = make_shape(2, 6, 9, 3, 11, 3, 2, 2, 1, 3);
  problem p = make_problem(shape, 4);
  facet_layout in = {6, p.in_positions, 1}, out = {9, p.out_positions, 1};
  memset(p.bias, 0, 9 * sizeof *p.bias);
  double *z = run(&p, &reference_double, FACET_FORWARD, in, out, NULL);
  double *gu = run(&p, &reference_double, FACET_PULLBACK, in, out, NULL);
  double *gw = run(&p, &reference_double, FACET_GRADIENT, in, out, NULL);
  double forward = 0, pulled = 0, graded = 0;
  for (int64_t i = 0; i < 4 * facet_layout_size(out); i++)
    forward += p.gz[i] * z[i];
  for (int64_t i = 0; i < 4 * facet_layout_size(in); i++)
    pulled += gu[i] * p.u[i];
  for (int64_t i = 0; i < count_weights(&p); i++)
    graded += gw[i] * p.w[i];
  assert_true(fabs(forward) > 1e-3);
  assert_true(fabs(forward - pulled) <= 1e-12 * fabs(forward) && fabs(forward - graded) <= 1e-12 * fabs(forward));
  facet_free(&z);
  facet_free(&gu);
  facet_free(&gw);
  drop_problem(&p);
}

/* ---- bits ---- */

/* The same bits twice, and for a sample whatever the other samples are. */
static void bits(const facet_conv_shape *shape, const contender *k, int kind)
{
  problem p = make_problem(*shape, 6);
  facet_layout in = layout_of(shape->in_channels, p.in_positions, kind);
  facet_layout out = layout_of(shape->out_channels, p.out_positions, kind);
  int64_t in_plain = shape->in_channels * p.in_positions, out_plain = shape->out_channels * p.out_positions, keep = 2;
  for (int task = FACET_FORWARD; task <= FACET_GRADIENT; task++) {
    void *first = run(&p, k, (facet_task)task, in, out, NULL), *second = run(&p, k, (facet_task)task, in, out, NULL);
    int64_t size = facet_layout_size(task == FACET_FORWARD ? out : in);
    int64_t count = task == FACET_GRADIENT ? count_weights(&p) : 6 * size;
    size_t real = facet_type_size(k->real);
    assert_memory_equal(first, second, (size_t)count * real);
    facet_free(&second);
    for (int64_t n = 0; n < 6; n++)
      if (n != keep) {
        for (int64_t i = 0; i < in_plain; i++)
          p.u[n * in_plain + i] = 100 * draw();
        for (int64_t i = 0; i < out_plain; i++)
          p.gz[n * out_plain + i] = 100 * draw();
      }
    second = run(&p, k, (facet_task)task, in, out, NULL);
    if (task != FACET_GRADIENT)
      assert_memory_equal((char *)first + (size_t)(keep * size) * real, (char *)second + (size_t)(keep * size) * real,
                          (size_t)size * real);
    facet_free(&first);
    facet_free(&second);
  }
  drop_problem(&p);
}

static void same_bits(void **state)
{
  (void)state;
  const contender *all[] = {&reference_double, &reference_float, &dense};
  for (size_t k = 0; k < 3; k++)
    for (int kind = 0; kind < 3; kind++) {
      facet_conv_shape shapes[] = {
          make_shape(2, 3, 16, 1, 16, 3, 1, 1, 1, 1), make_shape(2, 16, 16, 1, 16, 3, 1, 1, 1, 1),
          make_shape(2, 16, 32, 1, 16, 3, 2, 1, 1, 1), make_shape(2, 16, 32, 1, 16, 1, 2, 1, 0, 0),
          make_shape(0, 64, 10, 1, 0, 0, 0, 0, 0, 0)};
      for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        bits(&shapes[s], all[k], kind);
    }
}

/* ---- kernels of our own ---- */

/* A pullback with all that can be done on its way, in batches of `rows` adjoints for each of two samples. */
enum { SAMPLES = 2, EACH = 3, ADJOINTS = SAMPLES * EACH };

static facet_conv_shape sized(int64_t in, int64_t out, int64_t height, int64_t width, int64_t kernel, int64_t pad)
{
  facet_conv_shape s = make_shape(2, in, out, 1, height, kernel, 1, 1, pad, pad);
  const int64_t extent[] = {height, width};
  for (int d = 0; d < 2; d++) {
    s.in[d] = extent[d];
    s.out[d] = extent[d] + 2 * pad - kernel + 1;
  }
  return s;
}

typedef struct {
  float *gu, *sums; /* caller frees */
  int offered;
} fused;

/* slope and addend NULL: not used. */
static fused run_fused(const problem *p, facet_layout in, facet_layout out, const float *addend, const float *slope,
                       bool in_place)
{
  const facet_kernels *k = &facet_kernels_dense;
  facet_conv *conv = NULL;
  int64_t size = ADJOINTS * facet_layout_size(in);
  fused f = {.gu = dirty(size, FACET_F32), .sums = dirty(ADJOINTS * facet_layout_size(out) / out.spatial, FACET_F32)};
  float *gz = laid_out(p->gz, p->batch, out, FACET_F32), *w = flat(p->w, count_weights(p), FACET_F32);
  if (in_place)
    memcpy(f.gu, addend, (size_t)size * sizeof *f.gu);
  assert_int_equal(k->conv_create(&p->shape, FACET_F32, FACET_PULLBACK, ADJOINTS, in, out, &conv), FACET_OK);
  assert_int_equal(k->conv_weights(conv, w, NULL), FACET_OK);
  f.offered = k->conv_fuses(conv);
  const facet_fusion with = {.addend = in_place ? f.gu : addend, .slope = slope, .rows = EACH, .sums = f.sums};
  assert_int_equal(k->conv_pullback_with(conv, gz, &with, f.gu), FACET_OK);
  k->conv_destroy(&conv);
  facet_free(&gz);
  facet_free(&w);
  return f;
}

static void drop_fused(fused *f)
{
  facet_free(&f->gu);
  facet_free(&f->sums);
}

/* The sums of gz by channel, in layout order with zeros as padding. */
static void check_sums(const problem *p, facet_layout out, const float *sums)
{
  int64_t wide = facet_layout_size(out) / out.spatial;
  for (int64_t n = 0; n < ADJOINTS; n++)
    for (int64_t c = 0; c < wide; c++) {
      double sum = 0;
      for (int64_t s = 0; c < out.channels && s < out.spatial; s++)
        sum += p->gz[(n * out.channels + c) * out.spatial + s];
      assert_true(fabs(sum - (double)sums[n * wide + c]) <= 1e-5 * sqrt((double)out.spatial));
    }
}

/* gu = slope * (A^T gz + addend), by the definition. */
static void check_gate(const problem *p, facet_layout in, facet_layout out)
{
  int64_t all = ADJOINTS * in.channels * in.spatial, each = in.channels * in.spatial;
  double *addend = numbers(all, true), *slope = numbers(SAMPLES * each, true), *wanted = numbers(all, false);
  for (int64_t i = 0; i < all; i++)
    wanted[i] = slope[i / (EACH * each) * each + i % each] * (p->gu[i] + addend[i]);
  float *a = laid_out(addend, ADJOINTS, in, FACET_F32), *s = laid_out(slope, SAMPLES, in, FACET_F32);
  for (int in_place = 0; in_place < 2; in_place++) {
    fused f = run_fused(p, in, out, a, s, in_place == 1);
    same_numbers(wanted, f.gu, ADJOINTS, in, FACET_F32, 1e-5);
    check_sums(p, out, f.sums);
    drop_fused(&f);
  }
  facet_free(&addend);
  facet_free(&slope);
  facet_free(&wanted);
  facet_free(&a);
  facet_free(&s);
}

/* An adjoint's result and sums have the same bits whatever the others are, and wherever it stands. */
static void check_places(problem *p, facet_layout in, facet_layout out)
{
  enum { KEPT = 1, MOVED = 4 };
  int64_t size = facet_layout_size(in), plain = out.channels * out.spatial, wide = facet_layout_size(out) / out.spatial;
  fused first = run_fused(p, in, out, NULL, NULL, false);
  memcpy(p->gz + MOVED * plain, p->gz + KEPT * plain, (size_t)plain * sizeof *p->gz);
  for (int64_t i = 0; i < MOVED * plain; i++)
    p->gz[i] = 100 * draw();
  fused second = run_fused(p, in, out, NULL, NULL, false);
  assert_memory_equal(first.gu + KEPT * size, second.gu + MOVED * size, (size_t)size * sizeof(float));
  assert_memory_equal(first.sums + KEPT * wide, second.sums + MOVED * wide, (size_t)wide * sizeof(float));
  drop_fused(&first);
  drop_fused(&second);
}

/* Borders, remainders of tiles, padded channels, few channels and many; blocks of 8 and 16. */
static void winograd(void **state)
{
  (void)state;
  static const int64_t extents[][2] = {{3, 3}, {7, 9}, {8, 8}, {14, 6}, {4, 18}, {5, 12}, {16, 16}},
                       pairs[][2] = {{16, 16}, {32, 16}, {16, 24}, {8, 8}, {20, 12}, {64, 64}, {32, 32}, {72, 104}};
  for (size_t e = 0; e < sizeof extents / sizeof extents[0]; e++)
    for (size_t c = 0; c < sizeof pairs / sizeof pairs[0]; c++)
      for (int64_t block = 8; block <= 16; block += 8) {
        facet_conv_shape shape = sized(pairs[c][0], pairs[c][1], extents[e][0], extents[e][1], 3, 1);
        int64_t plane = extents[e][0] * extents[e][1];
        facet_layout in = {pairs[c][0], plane, block}, out = {pairs[c][1], plane, block};
        bool small = pairs[c][0] % block == 0 && pairs[c][1] % block == 0;
        assert_true(facet_winograd_fits(&shape, in, out) || !small);
        if (!facet_winograd_fits(&shape, in, out) || (pairs[c][0] > 40 && e > 1))
          continue;
        problem p = make_problem(shape, ADJOINTS);
        three_tasks(&p, &dense, in, out);
        three_tasks(&p, &exact, in, out);
        check_gate(&p, in, out);
        check_places(&p, in, out);
        drop_problem(&p);
      }
  facet_conv_shape shape = sized(16, 32, 8, 8, 3, 1);
  bits(&shape, &dense, 1);
  const facet_layout blocked = {16, 64, 8}, plain = {16, 64, 1}, wide = {32, 64, 8};
  assert_true(facet_winograd_fits(&shape, blocked, wide));
  assert_false(facet_winograd_fits(&shape, plain, wide));
  shape.pad_begin[0] = 0;
  assert_false(facet_winograd_fits(&shape, blocked, wide));
  shape = sized(16, 32, 2, 2, 3, 1); /* most of a tile would be thrown away */
  assert_false(facet_winograd_fits(&shape, (facet_layout){16, 4, 8}, (facet_layout){32, 4, 8}));
}

/* A block in training is the same bits on any number of threads. */
static void check_threads(bool held)
{
  enum { SEVERAL = 32, FEWER = 27, INPUTS = 8, POSITIONS = 36, RESULT = 16 * 9, WEIGHTS = 16 * INPUTS * 9 };
  facet_block_shape shape = {.in = {INPUTS, POSITIONS, 8}, .out = {16, POSITIONS, 16}, .pooled = true, .pulled = true};
  shape.shape = (facet_conv_shape){2, INPUTS, 16, 1, {6, 6}, {6, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
  static float u[SEVERAL * INPUTS * POSITIONS], g[SEVERAL * RESULT], weights[WEIGHTS];
  static float result[2][SEVERAL * RESULT], gu[2][SEVERAL * INPUTS * POSITIONS], gw[2][WEIGHTS];
  double gamma[16], beta[16] = {0}, grad[2][2][16];
  for (size_t i = 0; i < sizeof u / sizeof *u; i++)
    u[i] = (float)(i * 2654435761U % 1000) / 500 - 1;
  for (size_t i = 0; i < sizeof g / sizeof *g; i++)
    g[i] = (float)(i * 2246822519U % 1000) / 500 - 1;
  for (int i = 0; i < WEIGHTS; i++)
    weights[i] = held && i % 7 ? 0 : (float)((unsigned)i * 3266489917U % 1000) / 5000 - 0.1F;
  for (int i = 0; i < 16; i++)
    gamma[i] = i % 3 - 1.2; /* negative ones, too: a maximum is none of the convolution then */
  assert_true(facet_block_fits(&shape));
  for (int k = 0; k < 2; k++) {
    facet_block *b;
    double mean[16], variance[16];
    facet_block_norm norm = {1e-5, gamma, beta, mean, variance};
    facet_kernels_threads(k == 0 ? 1 : 3);
    assert_int_equal(facet_block_create(&shape, SEVERAL, &b), FACET_OK);
    assert_int_equal(facet_block_weights(b, weights, held), FACET_OK);
    facet_block_forward(b, FEWER, &norm, u, result[k]);
    facet_block_backward(b, FEWER, &norm, g, gu[k], gw[k], grad[k][0], grad[k][1]);
    facet_block_destroy(&b);
  }
  facet_kernels_threads(1);
  assert_memory_equal(result[0], result[1], sizeof result[0]);
  assert_memory_equal(gu[0], gu[1], sizeof gu[0]);
  assert_memory_equal(gw[0], gw[1], sizeof gw[0]);
  assert_memory_equal(grad[0], grad[1], sizeof grad[0]);
}

static void block_on_threads(void **state)
{
  (void)state;
  check_threads(false);
  check_threads(true); /* in lanes */
  facet_block_shape shape = {.in = {8, 36, 8}, .out = {16, 36, 16}, .pooled = true, .pulled = true};
  shape.shape = (facet_conv_shape){2, 8, 16, 1, {6, 6}, {6, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
  shape.in.block = 1;
  assert_false(facet_block_fits(&shape)); /* in plain order those of an image alone */
  shape.in.block = 8;
  shape.shape.stride[0] = 2;
  assert_false(facet_block_fits(&shape));
}

/* Of a sum of so many terms in float, beside the largest result: each costs half a unit to either side, and as many as
 * a root of them add up. */
static double rounding_of(double terms)
{
  return 3 * 0x1p-24 * sqrt(terms);
}

static void agree_to_rounding(const float *a, const float *b, int count, double terms)
{
  double largest = 0;
  for (int i = 0; i < count; i++)
    largest = fmax(largest, fabs((double)a[i]));
  for (int i = 0; i < count; i++)
    assert_true(fabs((double)a[i] - (double)b[i]) <= rounding_of(terms) * largest);
}

/* A block of few weights is the same in lanes, with blocks of channels that are not full, too: their padding is 0. */
static void block_in_lanes(void **state)
{
  (void)state;
  enum { BATCH_OF = 16, FEWER = 13, IN = 8, OUT = 24, BLOCK = 16, SIDE = 6, WEIGHTS = OUT * IN * 9 };
  enum { U = 16 * SIDE * SIDE, RESULT = 32 * SIDE * SIDE / 4 };
  facet_block_shape shape = {.in = {IN, SIDE * SIDE, BLOCK}, .out = {OUT, SIDE * SIDE, BLOCK}};
  shape.shape = (facet_conv_shape){2, IN, OUT, 1, {SIDE, SIDE}, {SIDE, SIDE}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
  shape.pooled = shape.pulled = true;
  static float u[BATCH_OF * U], g[BATCH_OF * RESULT], weights[WEIGHTS], result[2][BATCH_OF * RESULT];
  static float gu[2][BATCH_OF * U], gw[2][WEIGHTS];
  double gamma[OUT], beta[OUT], mean[OUT], variance[OUT], grad[2][2][OUT];
  for (int i = 0; i < BATCH_OF * U; i++)
    u[i] = i % BLOCK < IN ? (float)draw() : 0;
  for (int i = 0; i < BATCH_OF * RESULT; i++)
    g[i] = i / (RESULT / 2) % 2 == 0 || i % BLOCK < OUT - BLOCK ? (float)draw() : 0;
  for (int i = 0; i < WEIGHTS; i++)
    weights[i] = i % 5 == 0 ? (float)draw() : 0;
  for (int i = 0; i < OUT; i++) {
    gamma[i] = draw();
    beta[i] = draw();
  }
  assert_true(facet_block_fits(&shape));
  for (int k = 0; k < 2; k++) {
    facet_block *b;
    facet_block_norm norm = {1e-5, gamma, beta, mean, variance};
    memset(result[k], 1, sizeof result[k]);
    memset(gu[k], 1, sizeof gu[k]);
    assert_int_equal(facet_block_create(&shape, BATCH_OF, &b), FACET_OK);
    assert_int_equal(facet_block_weights(b, weights, k == 1), FACET_OK);
    facet_block_forward(b, FEWER, &norm, u, result[k]);
    facet_block_backward(b, FEWER, &norm, g, gu[k], gw[k], grad[k][0], grad[k][1]);
    facet_block_destroy(&b);
  }
  const double left = IN * 9.0 / 5, norm = 2.0 * FEWER * SIDE * SIDE; /* terms of a result; of a norm's statistics */
  agree_to_rounding(result[0], result[1], FEWER * RESULT, left + norm);
  agree_to_rounding(gu[0], gu[1], FEWER * U, left + OUT * 9.0 / 5 + 2 * norm);
  for (int i = 0; i < WEIGHTS; i++)
    gw[0][i] *= (float)(weights[i] != 0);
  agree_to_rounding(gw[0], gw[1], WEIGHTS, left + 2.5 * norm);
  for (int k = 0; k < 2; k++) {
    double largest = 0;
    for (int i = 0; i < OUT; i++)
      largest = fmax(largest, fabs(grad[0][k][i]));
    for (int i = 0; i < OUT; i++)
      assert_true(fabs(grad[0][k][i] - grad[1][k][i]) <= rounding_of(left + 1.5 * norm) * largest);
  }
}

/* Its error beside that of a plain sum in float: the points are good ones. */
static void winograd_is_accurate(void **state)
{
  (void)state;
  facet_layout l = {64, 64, 8};
  problem p = make_problem(sized(64, 64, 8, 8, 3, 1), ADJOINTS);
  double error = 0, size = 0;
  float *gu = run(&p, &dense, FACET_PULLBACK, l, l, NULL);
  for (int64_t n = 0; n < ADJOINTS; n++)
    for (int64_t i = 0; i < 64 * 64; i++) {
      double wanted = p.gu[n * 4096 + i], is = (double)gu[n * 4096 + facet_layout_at(l, i / 64, i % 64)];
      error += (is - wanted) * (is - wanted);
      size += wanted * wanted;
    }
  assert_true(sqrt(error / size) < 9e-7); /* 1.5e-6 with the points 0, +-1, +-2 */
  facet_free(&gu);
  drop_problem(&p);
}

/* Images of one to four channels, borders, padding of all widths, strips. */
static void images(void **state)
{
  (void)state;
  static const int64_t kernels[][2] = {{3, 1}, {5, 2}, {5, 0}, {2, 1}, {1, 0}},
                       extents[][2] = {{7, 9}, {8, 32}, {5, 6}};
  for (int64_t c = 1; c <= 4; c++)
    for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++)
      for (size_t e = 0; e < sizeof extents / sizeof extents[0]; e++)
        for (int64_t block = 8; block <= 16; block += 8) {
          facet_conv_shape shape = sized(c, block + 4, extents[e][0], extents[e][1], kernels[k][0], kernels[k][1]);
          facet_layout in = {c, extents[e][0] * extents[e][1], 1},
                       out = {block + 4, shape.out[0] * shape.out[1], block};
          assert_true(facet_image_fits(&shape, in, out));
          problem p = make_problem(shape, ADJOINTS);
          three_tasks(&p, &dense, in, out);
          fused f = run_fused(&p, in, out, NULL, NULL, false);
          assert_int_equal(f.offered, FACET_FUSES_SUMS);
          check_sums(&p, out, f.sums);
          drop_fused(&f);
          check_places(&p, in, out);
          drop_problem(&p);
        }
  facet_conv_shape strips = sized(3, 64, 40, 41, 3, 1); /* more rows than working memory takes at once */
  facet_layout in = {3, 40 * 41, 1}, out = {64, 40 * 41, 8};
  problem p = make_problem(strips, ADJOINTS);
  three_tasks(&p, &dense, in, out);
  check_places(&p, in, out);
  drop_problem(&p);
  strips.pad_begin[0] = 3; /* rows that see nothing of the image */
  assert_false(facet_image_fits(&strips, in, out));
  strips = make_shape(2, 3, 16, 1, 8, 3, 2, 1, 1, 1);
  assert_false(facet_image_fits(&strips, (facet_layout){3, 56, 1}, (facet_layout){16, 16, 8}));
}

/* ---- refusals ---- */

static void refusals(void **state)
{
  (void)state;
  facet_conv_shape good = make_shape(2, 4, 6, 2, 8, 3, 1, 1, 1, 1), bad = good;
  facet_layout in = {4, 56, 1}, out = {6, 56, 1}, small = {6, 55, 1};
  facet_conv *conv = NULL;
  const facet_kernels *sets[] = {&facet_kernels_reference, &facet_kernels_dense};
  assert_false(facet_kernels_dense.offers(FACET_F64));
  assert_int_equal(facet_kernels_dense.conv_create(&good, FACET_F64, FACET_FORWARD, 1, in, out, &conv),
                   FACET_BAD_INPUT);
  for (size_t k = 0; k < 2; k++) {
    assert_true(sets[k]->offers(FACET_F32));
    for (bad.groups = 3; bad.groups <= 4; bad.groups++) /* 3 does not divide 4 channels, nor 4 divide 6 */
      assert_int_equal(sets[k]->conv_create(&bad, FACET_F32, FACET_FORWARD, 1, in, out, &conv), FACET_BAD_INPUT);
    assert_int_equal(sets[k]->conv_create(&good, FACET_F32, FACET_FORWARD, 0, in, out, &conv), FACET_BAD_INPUT);
    assert_int_equal(sets[k]->conv_create(&good, FACET_F32, FACET_FORWARD, 1, in, small, &conv), FACET_BAD_INPUT);
    assert_null(conv);
    /* A node compiled for one task refuses the others. */
    float u[4 * 56] = {0}, z[6 * 56] = {0};
    assert_int_equal(sets[k]->conv_create(&good, FACET_F32, FACET_FORWARD, 1, in, out, &conv), FACET_OK);
    assert_int_equal(sets[k]->conv_pullback(conv, z, u), FACET_INTERNAL);
    sets[k]->conv_destroy(&conv);
  }
}

static void versions_and_blocks(void **state)
{
  (void)state;
  int major = 0;
  assert_int_equal(sscanf(facet_onednn_version(), "%d.", &major), 1);
  assert_true(major >= 2);
  for (int64_t count = 1; count <= 70; count++) {
    int64_t block = facet_kernels_dense.block(count);
    assert_int_equal(facet_kernels_reference.block(count), 1);
    assert_true(block == 1 || block == 8 || block == 16 || block == count);
  }
  assert_int_equal(facet_kernels_dense.block(3), 1); /* an image stays as it is */
}

/* By what OpenBLAS says of itself and what the processor can do. */
static void the_core_that_fits(void **state)
{
  static const struct {
    const char *core;
    facet_vectors can;
    const char *better;
  } expect[] = {
      {"Prescott", FACET_VECTORS_OLD, NULL},
      {"Prescott", FACET_VECTORS_AVX2, "Haswell"},
      {"Prescott", FACET_VECTORS_AVX512, "SkylakeX"},
      {"Sandybridge", FACET_VECTORS_AVX2, "Haswell"},
      {"Zen", FACET_VECTORS_AVX2, NULL},
      {"Zen", FACET_VECTORS_AVX512, "SkylakeX"},
      {"Haswell", FACET_VECTORS_AVX512, "SkylakeX"},
      {"SkylakeX", FACET_VECTORS_AVX512, NULL},
      {"SkylakeX", FACET_VECTORS_AVX2, NULL},
      {"Cooperlake", FACET_VECTORS_AVX512, NULL},
      {"SapphireRapids", FACET_VECTORS_AVX512, NULL},
      {"neoversen1", FACET_VECTORS_OLD, NULL},
  };
  (void)state;
  for (size_t i = 0; i < sizeof expect / sizeof expect[0]; i++) {
    const char *better = facet_blas_core_better(expect[i].core, expect[i].can);
    assert_string_equal(better ? better : "", expect[i].better ? expect[i].better : "");
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(by_hand),
      cmocka_unit_test(reference_double_grid),
      cmocka_unit_test(reference_float_grid),
      cmocka_unit_test(dense_grid),
      cmocka_unit_test(inner_products),
      cmocka_unit_test(long_inner_products),
      cmocka_unit_test(adjoint_identities),
      cmocka_unit_test(same_bits),
      cmocka_unit_test(few_weights),
      cmocka_unit_test(lanes),
      cmocka_unit_test(winograd),
      cmocka_unit_test(block_on_threads),
      cmocka_unit_test(block_in_lanes),
      cmocka_unit_test(winograd_is_accurate),
      cmocka_unit_test(images),
      cmocka_unit_test(refusals),
      cmocka_unit_test(versions_and_blocks),
      cmocka_unit_test(the_core_that_fits),
  };
  return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
