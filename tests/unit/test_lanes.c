/* Forward passes in lanes, where nobody pulls back, against the reference kernels in double; and where they are chosen.
 */
#include "mixed.h"
#include "near.h"
#include "net/lanes.h"

enum { BATCH = 40, MOST_OUTPUTS = 1000 };

static facet_executor *make(const facet_network *n, facet_type real, int64_t batch, bool insist)
{
  facet_executor *e;
  facet_executor_options options = {.real = real, .batch = batch};
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  if (insist)
    assert_int_equal(facet_lanes_insist(e), FACET_OK);
  assert_int_equal(facet_lanes_chosen_forward(e), insist);
  return e;
}

/* Logits, and a value that stays, of `count` samples from sample `first` on. */
typedef struct {
  double output[BATCH * MOST_OUTPUTS], feature[BATCH * MOST_OUTPUTS];
} passed;

static void pass(facet_executor *e, const double *x, int64_t first, int64_t count, passed *p)
{
  const facet_network *n = facet_executor_network(e);
  int64_t inputs = facet_shape_size(facet_network_input_shape(n));
  bool real = facet_executor_settings(e).real == FACET_F64;
  float *single = facet_allocate((size_t)(count * inputs), sizeof *single);
  int feature;
  assert_non_null(single);
  for (int64_t i = 0; i < count * inputs; i++)
    single[i] = (float)x[first * inputs + i];
  assert_int_equal(facet_executor_forward(e, real ? (const void *)(x + first * inputs) : single, count), FACET_OK);
  assert_int_equal(facet_executor_output(e, p->output), FACET_OK);
  if (facet_network_features(n, &feature) > 0)
    assert_int_equal(facet_executor_value(e, feature, p->feature), FACET_OK);
  assert_int_equal(facet_executor_value(e, n->input, p->feature + BATCH * MOST_OUTPUTS / 2), FACET_OK);
  for (int64_t i = 0; i < inputs; i++)
    assert_true(p->feature[BATCH * MOST_OUTPUTS / 2 + i] == (double)(float)x[first * inputs + i]);
  facet_free(&single);
}

/* In batches of any size, and anywhere in them, a sample becomes the same bits. */
static void check(const facet_network *n)
{
  static passed exact, lanes, few;
  int64_t inputs = facet_shape_size(facet_network_input_shape(n)), outputs = facet_network_outputs(n);
  int64_t features = facet_network_features(n, NULL);
  double *x = facet_allocate((size_t)(BATCH * inputs), sizeof *x);
  assert_non_null(x);
  assert_true(inputs * BATCH <= BATCH * MOST_OUTPUTS / 2 && features <= MOST_OUTPUTS / 2);
  for (int64_t i = 0; i < BATCH * inputs; i++)
    x[i] = (double)(float)noise((uint64_t)i);
  facet_executor *e = make(n, FACET_F64, BATCH, false);
  pass(e, x, 0, BATCH, &exact);
  facet_executor_destroy(&e);
  e = make(n, FACET_F32, BATCH, true);
  pass(e, x, 0, BATCH, &lanes);
  for (int64_t i = 0; i < BATCH * outputs; i++)
    assert_near(lanes.output[i], exact.output[i], 1e-5);
  for (int64_t i = 0; i < BATCH * features; i++)
    assert_near(lanes.feature[i], exact.feature[i], 1e-5);
  for (int64_t first = 0, count = 3; first + count <= BATCH; first += count, count += 7) {
    pass(e, x, first, count, &few);
    assert_memory_equal(few.output, lanes.output + first * outputs, (size_t)(count * outputs) * sizeof(double));
    assert_memory_equal(few.feature, lanes.feature + first * features, (size_t)(count * features) * sizeof(double));
  }
  facet_kernels_threads(3);
  assert_int_equal(facet_executor_refresh(e), FACET_OK);
  pass(e, x, 0, BATCH, &few);
  facet_kernels_threads(1);
  assert_memory_equal(few.output, lanes.output, (size_t)(BATCH * outputs) * sizeof(double));
  facet_executor_destroy(&e);
  facet_free(&x);
}

/* Every kind that is offered, and every stride that has kernels of its own. */
static void lanes_agree(void **state)
{
  (void)state;
  facet_network *n = mixed_net(false);
  check(n);
  facet_network_destroy(&n);
  assert_int_equal(facet_network_resnet((facet_shape){3, {3, 12, 12}}, 1, 10, 1, &n), FACET_OK);
  check(n);
  facet_network_destroy(&n);
  int64_t conv[] = {5, 9, 4}, dense[] = {12};
  assert_int_equal(facet_network_plain(&(facet_plain){(facet_shape){3, {1, 14, 14}}, 3, conv, 1, dense, 7, 1}, &n),
                   FACET_OK);
  check(n);
  facet_network_destroy(&n);
}

/* Two branches of convolutions, of which the later one adds the earlier; one that others read as well; a value that
 * stays though a gate follows it. */
static void what_is_read_twice_stays(void **state)
{
  (void)state;
  double w[2][9], b[] = {0.1, -0.2, 0.3};
  for (int i = 0; i < 18; i++)
    w[i / 9][i % 9] = noise((uint64_t)i);
  facet_network *n = begin_net((facet_shape){3, {3, 5, 4}});
  add_numbers(n, "a.w", (facet_shape){4, {3, 3, 1, 1}}, w[0]);
  add_numbers(n, "b.w", (facet_shape){4, {3, 3, 1, 1}}, w[1]);
  add_numbers(n, "b.b", (facet_shape){1, {3}}, b);
  add_node(n, "Conv", "x,a.w", "a", 0, NULL);
  add_node(n, "Conv", "x,b.w,b.b", "b", 0, NULL);
  add_node(n, "Add", "a,b", "s", 0, NULL);
  add_node(n, "LeakyRelu", "s", "r", 1, one_float("alpha", 0.5));
  add_node(n, "Conv", "r,a.w", "c", 0, NULL);
  add_node(n, "Add", "r,c", "t", 0, NULL); /* r once more below */
  add_node(n, "Relu", "t", "u", 0, NULL);
  add_node(n, "Conv", "u,b.w,b.b", "d", 0, NULL);
  add_node(n, "Sub", "d,r", "e", 0, NULL);
  add_node(n, "Add", "e,u", "f", 0, NULL);
  add_node(n, "Relu", "f", "g", 0, NULL);
  add_node(n, "Add", "g,g", "h", 0, NULL);
  add_node(n, "Flatten", "h", "flat", 0, NULL);
  n = end_net(n, "flat");
  check(n);
  facet_network_destroy(&n);
}

/* ---- the choice ---- */

static bool by_lanes(const facet_network *n, facet_executor_options options)
{
  facet_executor *e;
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  bool lanes = facet_lanes_chosen_forward(e);
  facet_executor_destroy(&e);
  return lanes;
}

static size_t memory_of(const facet_network *n, int64_t batch)
{
  facet_executor *e;
  size_t before = facet_memory_in_use();
  assert_int_equal(facet_executor_create(n, (facet_executor_options){.real = FACET_F32, .batch = batch}, &e), FACET_OK);
  size_t bytes = facet_memory_in_use() - before;
  facet_executor_destroy(&e);
  return bytes;
}

/* Where few weights are left, samples fill the lanes, and nobody wants the pattern or all digits. */
static void lanes_are_chosen(void **state)
{
  (void)state;
  facet_network *n;
  facet_executor_options options = {.real = FACET_F32, .batch = 48}, few = options, rows = options, real = options;
  few.batch = 3;
  rows.rows = 1;
  real.real = FACET_F64;
  assert_int_equal(facet_network_resnet((facet_shape){3, {3, 32, 32}}, 3, 10, 1, &n), FACET_OK);
  size_t dense = memory_of(n, 48), one = memory_of(n, 3);
  assert_false(by_lanes(n, options));
  thin(n, 20);
  assert_true(by_lanes(n, options));
  assert_false(by_lanes(n, few));
  assert_false(by_lanes(n, rows));
  assert_false(by_lanes(n, real));
  assert_true(memory_of(n, 48) <= dense && memory_of(n, 3) <= one + (1 << 18));
  facet_network_destroy(&n);
}

/* New constants: back to the usual way, and once more. */
static void refreshed(void **state)
{
  (void)state;
  static passed before, after;
  facet_network *n;
  double x[3072] = {0};
  assert_int_equal(facet_network_resnet((facet_shape){3, {3, 32, 32}}, 1, 10, 1, &n), FACET_OK);
  facet_executor *e = make(n, FACET_F32, 32, false);
  thin(n, 20);
  assert_int_equal(facet_executor_refresh(e), FACET_OK);
  assert_true(facet_lanes_chosen_forward(e));
  for (int i = 0; i < 3072; i++)
    x[i] = (double)(float)noise((uint64_t)i);
  pass(e, x, 0, 1, &before);
  facet_executor_destroy(&e);
  e = make(n, FACET_F64, 1, false);
  pass(e, x, 0, 1, &after);
  for (int i = 0; i < 10; i++)
    assert_near(before.output[i], after.output[i], 1e-5);
  facet_executor_destroy(&e);
  facet_network_destroy(&n);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lanes_agree),
      cmocka_unit_test(what_is_read_twice_stays),
      cmocka_unit_test(lanes_are_chosen),
      cmocka_unit_test(refreshed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
