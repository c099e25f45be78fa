/* Which inputs ties touch: by hand on tiny networks, and on networks of every kind of node against one-sided
 * differences, the same by every set of kernels. */
#include <math.h>

#include "near.h"
#include "nets.h"

enum { MOST = 64 };

typedef struct {
  const char *kernels;
  facet_type real;
} way;

static const way ways[] = {
    {"reference", FACET_F64}, {"exact", FACET_F64}, {"reference", FACET_F32}, {"dense", FACET_F32}};

/* What ties touch of sample x, for k rows; as the last of `samples` alike samples. */
static void touched_of(const facet_network *n, way by, const double *x, int64_t k, const int32_t *row, int64_t samples,
                       uint8_t *touched)
{
  int64_t d = facet_network_inputs(n);
  facet_executor *e;
  facet_executor_options options = {
      .kernels = facet_kernels_find(by.kernels), .real = by.real, .batch = samples + 1, .touched = true};
  double *many = facet_allocate((size_t)(samples * d), sizeof *many);
  float *rounded = facet_allocate((size_t)(samples * d), sizeof *rounded);
  int32_t *rows = facet_allocate((size_t)(samples * k), sizeof *rows);
  uint8_t *all = facet_allocate((size_t)(samples * d), 1);
  for (int64_t i = 0; i < samples * d; i++)
    rounded[i] = (float)(many[i] = x[i % d]);
  for (int64_t i = 0; i < samples * k; i++)
    rows[i] = row[i % k];
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  const void *given = by.real == FACET_F64 ? (const void *)many : rounded;
  assert_int_equal(facet_executor_forward(e, given, samples), FACET_OK);
  assert_int_equal(facet_executor_settle(e, many), FACET_OK);
  memset(all, 7, (size_t)(samples * d));
  assert_int_equal(facet_executor_touched(e, k, rows, all), FACET_OK);
  for (int64_t s = 1; s < samples; s++)
    assert_memory_equal(all, all + s * d, (size_t)d);
  memcpy(touched, all, (size_t)d);
  facet_executor_destroy(&e);
  void *owned[] = {&many, &rounded, &rows, &all};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
    facet_free(owned[i]);
}

static void check(const facet_network *n, const double *x, int64_t k, const int32_t *row, const char *wanted)
{
  uint8_t got[MOST];
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
    for (int64_t samples = 1; samples <= 9; samples += 8) { /* nine: more than go at once */
      touched_of(n, ways[i], x, k, row, samples, got);
      for (size_t j = 0; j < strlen(wanted); j++)
        if (got[j] != (uint8_t)(wanted[j] - '0'))
          fail_msg("%s kernels: input %zu is %d, not %c", ways[i].kernels, j, got[j], wanted[j]);
    }
}

/* ---- by hand ---- */

static facet_attribute *pool_of(int64_t length)
{
  facet_attribute *a = facet_allocate(2, sizeof *a);
  set_ints(&a[0], "kernel_shape", 1, &length);
  set_ints(&a[1], "strides", 1, &length);
  return a;
}

/* y = (2 max(x0, x1) - max(x2, x3), max(x2, x3)). */
static void maxima(void **state)
{
  static const int32_t rows[] = {0, 1};
  facet_network *n = begin_net((facet_shape){2, {1, 4}});
  (void)state;
  add_node(n, "MaxPool", "x", "most", 2, pool_of(2));
  add_node(n, "Flatten", "most", "flat", 0, NULL);
  add_gemm(n, "flat", "y", 2, 2, (double[]){2, -1, 0, 1}, NULL);
  end_net(n, "y");
  check(n, (double[]){1, 1, 2, 3}, 2, rows, "1100");
  check(n, (double[]){1, 1, 3, 3}, 2, rows, "1111");
  check(n, (double[]){1, 2, 3, 3}, 2, rows, "0011");
  check(n, (double[]){1, 2, 4, 3}, 2, rows, "0000");
  check(n, (double[]){1, 1, 3, 3}, 1, rows + 1, "0011"); /* the second row has no weight for the first maximum */
  check(n, (double[]){1, 1, 2, 3}, 1, rows + 1, "0000");
  facet_network_destroy(&n);
}

/* SCIENCE 1, A, at the exact tie (3/4, 1/2): its third gate is at 0; and at (0.9, -0.3), where nothing is. */
static void gates(void **state)
{
  static const int32_t rows[] = {0, 1};
  facet_network *n = golden_a();
  (void)state;
  check(n, (double[]){0.75, 0.5}, 2, rows, "11");
  check(n, (double[]){0.9, -0.3}, 2, rows, "00");
  facet_network_destroy(&n);
}

/* Behind a gate that is shut nobody sees a tie; behind one that is at 0, too, one does. */
static void behind_gates(void **state)
{
  static const int32_t row = 0;
  (void)state;
  for (int shift = -1; shift <= 1; shift++) {
    facet_network *n = begin_net((facet_shape){1, {3}});
    add_node(n, "Relu", "x", "r", 0, NULL);
    add_gemm(n, "r", "z", 3, 2, (double[]){1, 0, 1, 0, 0, 1}, (double[]){shift, 1});
    add_node(n, "Relu", "z", "s", 0, NULL);
    add_gemm(n, "s", "y", 2, 1, (double[]){1, 1}, NULL);
    end_net(n, "y");
    check(n, (double[]){0, 0, -1}, 1, &row, shift < 0 ? "000" : "100");
    check(n, (double[]){0, 0, 0}, 1, &row, shift < 0 ? "001" : "101");
    check(n, (double[]){-1, 0, 1}, 1, &row, shift < 0 ? "001" : "000"); /* z is 0: the gate after it is tied */
    facet_network_destroy(&n);
  }
}

/* What is refused. */
static void refused(void **state)
{
  static const int32_t rows[] = {1};
  uint8_t touched[3];
  facet_executor *e;
  (void)state;
  facet_network *n = begin_net((facet_shape){1, {3}});
  add_node(n, "Relu", "x", "r", 0, NULL);
  add_gemm(n, "r", "y", 3, 1, (double[]){1, 2, 3}, NULL);
  end_net(n, "y");
  for (int remembers = 0; remembers < 2; remembers++) {
    facet_executor_options options = {.real = FACET_F64, .batch = 1, .touched = remembers};
    assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
    assert_int_equal(facet_executor_forward(e, (double[]){1, 2, 3}, 1), FACET_OK);
    assert_int_equal(facet_executor_touched(e, 1, rows, touched), FACET_INTERNAL); /* no option; no such row */
    facet_executor_destroy(&e);
  }
  facet_network_destroy(&n);
}

/* What settles the pattern in double remembers where ties are, and needs nothing that follows them back. */
static void settling_remembers_alone(void **state)
{
  enum { BATCH = 2, GATES = 4 };
  size_t more[2];
  (void)state;
  facet_network *n = begin_net((facet_shape){1, {3}});
  add_gemm(n, "x", "z", 3, GATES, (double[3 * GATES]){1}, NULL);
  add_node(n, "Relu", "z", "r", 0, NULL);
  add_gemm(n, "r", "y", GATES, 1, (double[GATES]){1}, NULL);
  end_net(n, "y");
  for (int remembers = 0; remembers < 2; remembers++) {
    facet_executor *e;
    facet_executor_options options = {.real = FACET_F32, .batch = BATCH, .touched = remembers};
    assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
    size_t before = facet_executor_bytes(e);
    assert_int_equal(facet_executor_ready(e), FACET_OK);
    more[remembers] = facet_executor_bytes(e) - before;
    facet_executor_destroy(&e);
  }
  assert_int_equal(more[1] - more[0], BATCH * (GATES + sizeof(bool)));
  facet_network_destroy(&n);
}

/* ---- against one-sided differences ---- */

enum { SIDE = 6, PIXELS = SIDE * SIDE };

static void add_conv(facet_network *n, const char *type, const char *input, const char *name, facet_shape shape,
                     uint64_t seed, int sparse, const facet_attribute *with, int count)
{
  char weight[20], inputs[80];
  double w[400];
  facet_attribute *a = facet_allocate((size_t)count, sizeof *a);
  snprintf(weight, sizeof weight, "%s.w", name);
  snprintf(inputs, sizeof inputs, "%s,%s", input, weight);
  for (int64_t i = 0; i < facet_shape_size(shape); i++)
    w[i] = sparse && noise(900 * seed + 400 + (uint64_t)i) < 0.2 ? 0 : (float)noise(900 * seed + (uint64_t)i);
  add_numbers(n, weight, shape, w);
  memcpy(a, with, (size_t)count * sizeof *a);
  add_node(n, type, inputs, name, count, a);
}

static facet_attribute ints(const char *name, int count, const int64_t *value)
{
  facet_attribute a;
  set_ints(&a, name, count, value);
  return a;
}

static facet_attribute number(const char *name, int64_t value)
{
  return (facet_attribute){.name = facet_copy_text(name), .kind = FACET_INT, .integer = value};
}

static void add_longs(facet_network *n, const char *name, int count, const int64_t *value)
{
  facet_tensor *t;
  assert_int_equal(facet_tensor_create(FACET_I64, (facet_shape){1, {count}}, &t), FACET_OK);
  for (int i = 0; i < count; i++)
    facet_tensor_set(t, i, (double)value[i]);
  assert_int_equal(facet_network_add_constant(n, name, t), FACET_OK);
}

static facet_attribute *two(facet_attribute a, facet_attribute b)
{
  facet_attribute *both = facet_allocate(2, sizeof *both);
  both[0] = a;
  both[1] = b;
  return both;
}

/* Ties of every kind side by side, of a maximum of neighbours, of a window and of a gate, and then everything that only
 * passes on: convolutions with groups, strides and dilation, transposed ones, means over windows that overlap, gates of
 * two and three pieces, moves, sums, diagonals.  nested: maxima of all that, too. */
static facet_network *all_kinds(int sparse, int nested)
{
  static const int64_t ones[] = {1, 1, 1, 1}, twos[] = {2, 2}, threes[] = {3, 3}, after[] = {0, 0, 1, 1};
  static const int64_t left[] = {0, 0, 0, 0, 0, 0, 0, 1}, first[] = {1}, end[] = {SIDE + 1}, axis[] = {3};
  double w[3 * 54], half[4] = {0.5, -0.25, 0, 2};
  facet_network *n = begin_net((facet_shape){3, {1, SIDE, SIDE}});
  add_conv(n, "Conv", "x", "c1", (facet_shape){4, {4, 1, 3, 3}}, 1, sparse, (facet_attribute[]){ints("pads", 4, ones)},
           1); /* 4 x 6 x 6 */
  add_node(n, "MaxPool", "c1", "p1", 2, two(ints("kernel_shape", 2, threes), ints("pads", 4, ones)));
  add_longs(n, "left", 8, left);
  add_longs(n, "first", 1, first);
  add_longs(n, "end", 1, end);
  add_longs(n, "axis", 1, axis);
  add_node(n, "Pad", "x,left", "wide", 0, NULL);
  add_node(n, "Slice", "wide,first,end,axis", "shifted", 0, NULL);
  add_numbers(n, "low", (facet_shape){3, {1, 1, 1}}, (double[]){-3});
  add_node(n, "Max", "x,shifted,low", "s1", 0, NULL);
  add_numbers(n, "lift", (facet_shape){3, {1, 1, 1}}, (double[]){0.5});
  add_node(n, "Add", "x,lift", "z1", 0, NULL);
  add_node(n, "Relu", "z1", "g1", 0, NULL);
  add_node(n, "Concat", "p1,s1,g1", "k1", 1, one_int("axis", 1)); /* 6 x 6 x 6 */
  add_node(n, "LeakyRelu", "k1", "r1", 1, one_float("alpha", 0.25));
  add_conv(n, "Conv", "r1", "c2", (facet_shape){4, {4, 3, 2, 2}}, 2, sparse,
           (facet_attribute[]){number("group", 2), ints("dilations", 2, twos), ints("pads", 4, ones)}, 3);
  add_numbers(n, "half", (facet_shape){3, {4, 1, 1}}, half);
  add_node(n, "Mul", "p1,half", "m1", 0, NULL);
  add_node(n, nested ? "Max" : "Sub", "c2,m1", "d1", 0, NULL);
  add_conv(n, "Conv", "d1", "c3", (facet_shape){4, {6, 4, 2, 2}}, 3, sparse,
           (facet_attribute[]){ints("strides", 2, twos)}, 1); /* 6 x 3 x 3 */
  add_conv(n, "ConvTranspose", "c3", "t1", (facet_shape){4, {6, 1, 2, 2}}, 4, sparse,
           (facet_attribute[]){number("group", 2), ints("strides", 2, twos)}, 2); /* 2 x 6 x 6 */
  add_node(n, "AveragePool", "t1", "a1", 2, two(ints("kernel_shape", 2, twos), ints("pads", 4, after)));
  add_node(n, "Abs", "a1", "b1", 0, NULL);
  add_node(n, "Concat", "b1,d1", "k2", 1, one_int("axis", 1));
  add_node(n, nested ? "MaxPool" : "AveragePool", "k2", "p2", 2,
           two(ints("kernel_shape", 2, twos), ints("strides", 2, twos))); /* 6 x 3 x 3 */
  add_node(n, "Flatten", "p2", "flat", 0, NULL);
  for (int i = 0; i < 3 * 54; i++)
    w[i] = (float)noise(7000 + (uint64_t)i);
  add_gemm(n, "flat", "y", 54, 3, w, NULL);
  return end_net(n, "y");
}

/* 1 where some output gains otherwise per step up than per step down. */
static void differ(const facet_network *n, const double *x, uint8_t *found)
{
  static double near[2 * PIXELS + 1][PIXELS], y[(2 * PIXELS + 1) * 3];
  const double step = 0x1p-22;
  facet_executor *e;
  facet_executor_options options = {.real = FACET_F64, .batch = 2 * PIXELS + 1};
  for (int i = 0; i < 2 * PIXELS + 1; i++) {
    memcpy(near[i], x, sizeof near[i]);
    if (i < 2 * PIXELS)
      near[i][i / 2] += i % 2 ? -step : step;
  }
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  assert_int_equal(facet_executor_forward(e, near, 2 * PIXELS + 1), FACET_OK);
  assert_int_equal(facet_executor_output(e, y), FACET_OK);
  for (int i = 0; i < PIXELS; i++) {
    double most = 0;
    for (int k = 0; k < 3; k++)
      most = fmax(most, fabs(y[6 * i + k] + y[6 * i + 3 + k] - 2 * y[6 * PIXELS + k]) / step);
    found[i] = most > 1e-4;
  }
  facet_executor_destroy(&e);
}

/* Constant but for a rectangle. */
static void draw(uint64_t picture, double *x)
{
  int top = (int)(picture % 3), left = (int)(picture % 4);
  for (int i = 0; i < PIXELS; i++) {
    bool inside = i / SIDE >= top && i % SIDE >= left;
    x[i] = inside ? (float)noise(100 * picture + (uint64_t)i) : -0.5;
  }
}

/* What differs is touched, always; what is touched differs, unless a tie leaves another no choice. */
static void against_differences(int sparse, int nested)
{
  static const int32_t rows[] = {0, 1, 2};
  int touched = 0, free = 0;
  facet_network *n = all_kinds(sparse, nested);
  for (uint64_t picture = 0; picture < 12; picture++) {
    double x[PIXELS];
    uint8_t wanted[PIXELS], first[PIXELS], got[PIXELS];
    draw(picture, x);
    differ(n, x, wanted);
    touched_of(n, ways[0], x, 3, rows, 1, first);
    for (int j = 0; j < PIXELS; j++) {
      if (nested ? first[j] < wanted[j] : first[j] != wanted[j])
        fail_msg("sparse %d, nested %d, picture %d: pixel %d is %d, not %d", sparse, nested, (int)picture, j, first[j],
                 wanted[j]);
      *(first[j] ? &touched : &free) += 1;
    }
    for (size_t i = 1; i < sizeof ways / sizeof ways[0]; i++) {
      touched_of(n, ways[i], x, 3, rows, 1, got);
      assert_memory_equal(got, first, sizeof got);
    }
  }
  assert_true(touched > 40 && free > 40);
  facet_network_destroy(&n);
}

static void one_sided_differences(void **state)
{
  (void)state;
  for (int sparse = 0; sparse < 2; sparse++)
    for (int nested = 0; nested < 2; nested++)
      against_differences(sparse, nested);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(maxima),
      cmocka_unit_test(gates),
      cmocka_unit_test(behind_gates),
      cmocka_unit_test(refused),
      cmocka_unit_test(settling_remembers_alone),
      cmocka_unit_test(one_sided_differences),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
