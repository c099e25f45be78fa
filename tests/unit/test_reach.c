/* How far a facet reaches: against exact golden values (SCIENCE 1), against all rows of a network one by one, and
 * against plain passes at points inside and outside. */
#include <math.h>

#include "mixed.h"
#include "near.h"
#include "net/region.h"

enum { MOST = 300, CLASSES = 8, POINTS = 200 };

typedef struct {
  double point[FACET_NORMS][MOST];
  facet_reach_result r;
} found;

static void find(const facet_network *n, const double *x, facet_reach_options options, found *f)
{
  facet_reach *reach;
  assert_true(facet_network_inputs(n) <= MOST);
  for (int norm = 0; norm < FACET_NORMS; norm++)
    f->r.norm[norm].point = f->point[norm];
  assert_int_equal(facet_reach_create(n, options, &reach), FACET_OK);
  if (facet_reach_find(reach, x, &f->r) != FACET_OK)
    fail_msg("%s", facet_message());
  facet_reach_destroy(&reach);
}

static facet_reach_options plain(void)
{
  return (facet_reach_options){.certain = false};
}

/* ---- golden values ---- */

static void a_small_network(void **state)
{
  (void)state;
  static found f;
  facet_network *n = golden_a();
  find(n, (double[]){0.9, -0.3}, plain(), &f);
  const facet_reach_norm *max = &f.r.norm[FACET_NORM_MAX], *two = &f.r.norm[FACET_NORM_TWO];
  assert_near(max->radius, 0.1, 1e-12);
  assert_near(two->radius, 0.4 / sqrt(10), 1e-12);
  assert_near(two->radius, 0.126491106, 1e-9);
  assert_true(max->error < 1e-12 && two->error < 1e-12);
  assert_int_equal(max->gate, 0);
  assert_int_equal(max->element, 1); /* 3 x1 + x2 - 2 = 0.4 */
  assert_int_equal(max->next, 0);
  assert_int_equal(f.r.tied, 0);
  assert_int_equal(max->within, 0);
  assert_int_equal(max->beyond, 1);
  assert_int_equal(two->within, 0);
  assert_int_equal(two->beyond, 1);
  /* F_0 - F_1 = 237/40, W_0 - W_1 = (-6, -9) */
  assert_near(max->boundary, 237.0 / 40 / 15, 1e-12);
  assert_near(two->boundary, 237.0 / 40 / sqrt(117), 1e-12);
  assert_int_equal(max->other, 1);
  assert_near(f.point[FACET_NORM_MAX][0], 0.9 + 237.0 / 600, 1e-12);
  assert_near(f.point[FACET_NORM_MAX][1], -0.3 + 237.0 / 600, 1e-12);
  assert_near(f.point[FACET_NORM_TWO][0], 0.9 + 237.0 / 40 * 6 / 117, 1e-12);
  assert_true(f.r.residual < 1e-12);
  find(n, (double[]){0.75, 0.5}, plain(), &f); /* an exact tie */
  assert_true(f.r.tied >= 1);
  assert_true(max->radius == 0 && two->radius == 0);
  assert_true(max->untied > 0 && max->untied <= two->untied);
  assert_int_equal(max->within, -1);
  facet_network_destroy(&n);
}

/* A piece of the tent map of 8 pieces: as far to both ends from its middle. One output: there is no boundary. */
static void a_piece_of_a_tent_map(void **state)
{
  (void)state;
  static found f;
  facet_network *n = begin_net((facet_shape){1, {1}});
  add_gemm(n, "x", "a0", 1, 2, (double[]){1, 1}, (double[]){0, -0.5});
  add_node(n, "Relu", "a0", "r0", 0, NULL);
  add_gemm(n, "r0", "a1", 2, 2, (double[]){2, -4, 2, -4}, (double[]){0, -0.5});
  add_node(n, "Relu", "a1", "r1", 0, NULL);
  add_gemm(n, "r1", "a2", 2, 2, (double[]){2, -4, 2, -4}, (double[]){0, -0.5});
  add_node(n, "Relu", "a2", "r2", 0, NULL);
  add_gemm(n, "r2", "out", 2, 1, (double[]){2, -4}, NULL);
  end_net(n, "out");
  const double half = 0.5;
  find(n, (double[]){5.0 / 16}, plain(), &f);
  for (int norm = 0; norm < FACET_NORMS; norm++) {
    assert_near(f.r.norm[norm].radius, 1.0 / 16, 1e-12);
    assert_true(isinf(f.r.norm[norm].boundary));
    assert_int_equal(f.r.norm[norm].other, -1);
    assert_false(f.r.norm[norm].inside);
    assert_true(isnan(f.point[norm][0]));
  }
  find(n, (double[]){5.0 / 16}, (facet_reach_options){.scale = &half}, &f); /* a step of 1 moves the input by 1/2 */
  assert_near(f.r.norm[FACET_NORM_TWO].radius, 1.0 / 8, 1e-12);
  facet_network_destroy(&n);
}

static void a_maximum(void **state)
{
  (void)state;
  static found f;
  for (int pool = 0; pool < 2; pool++) {
    facet_network *n = begin_net(pool ? (facet_shape){2, {1, 2}} : (facet_shape){1, {2}});
    if (pool) {
      facet_attribute *a = facet_allocate(1, sizeof *a);
      set_ints(a, "kernel_shape", 1, (int64_t[]){2});
      add_node(n, "MaxPool", "x", "max", 1, a);
      add_node(n, "Flatten", "max", "out", 0, NULL);
    } else {
      add_gemm(n, "x", "first", 2, 1, (double[]){1, 0}, NULL);
      add_gemm(n, "x", "second", 2, 1, (double[]){0, 1}, NULL);
      add_node(n, "Max", "first,second", "out", 0, NULL);
    }
    end_net(n, "out");
    find(n, (double[]){1, 0}, plain(), &f);
    assert_near(f.r.norm[FACET_NORM_MAX].radius, 0.5, 1e-12);
    assert_near(f.r.norm[FACET_NORM_TWO].radius, sqrt(0.5), 1e-12);
    assert_int_equal(f.r.norm[FACET_NORM_TWO].next, 1);
    facet_network_destroy(&n);
  }
}

/* ---- what never changes, and where points lie ---- */

/* A unit that is 0 everywhere, one that is constant, and no other: nothing bounds the facet. */
static void nothing_changes(void **state)
{
  (void)state;
  static found f;
  facet_network *n = begin_net((facet_shape){1, {2}});
  add_gemm(n, "x", "l", 2, 2, (double[]){0, 0, 0, 0}, (double[]){0, 1});
  add_node(n, "Relu", "l", "r", 0, NULL);
  add_gemm(n, "r", "out", 2, 2, (double[]){1, 0, 0, 1}, NULL);
  end_net(n, "out");
  find(n, (double[]){3, 4}, plain(), &f);
  assert_int_equal(f.r.tied, 0);
  for (int norm = 0; norm < FACET_NORMS; norm++) {
    assert_true(isinf(f.r.norm[norm].radius));
    assert_true(isinf(f.r.norm[norm].boundary)); /* the classes are as far from each other everywhere */
    assert_int_equal(f.r.norm[norm].gate, -1);
    assert_int_equal(f.r.norm[norm].beyond, -1);
  }
  facet_network_destroy(&n);
}

/* Class 0 is ahead by x2. A gate that changes at x1 = 0 bounds the radius, but not the way to the boundary; one that
 * changes at x2 = 1/2 is on that way. */
static void the_facet_is_longer_one_way(void **state)
{
  (void)state;
  static found f;
  for (int barred = 0; barred < 2; barred++) {
    facet_network *n = begin_net((facet_shape){1, {2}});
    add_gemm(n, "x", "l", 2, 3, (double[]){1, 0, 0, 1, 0, 1}, (double[]){0, 10, barred ? -0.5 : -10});
    add_node(n, "Relu", "l", "r", 0, NULL);
    add_gemm(n, "r", "out", 3, 2, (double[]){1, 1, 0, 1, 0, 0}, (double[]){-10, 0});
    end_net(n, "out");
    find(n, (double[]){0.1, 1}, plain(), &f);
    for (int norm = 0; norm < FACET_NORMS; norm++) {
      assert_near(f.r.norm[norm].radius, 0.1, 1e-12);
      assert_near(f.r.norm[norm].boundary, 1, 1e-12);
      assert_int_equal(f.r.norm[norm].inside, !barred);
      assert_near(f.point[norm][0], 0.1, 1e-12);
      assert_near(f.point[norm][1], 0, 1e-12);
    }
    assert_true(f.r.residual < 1e-12);
    facet_network_destroy(&n);
  }
}

/* What is no number is said to be none. */
static void no_number(void **state)
{
  (void)state;
  static found f;
  facet_network *n = begin_net((facet_shape){1, {1}});
  add_gemm(n, "x", "l", 1, 2, (double[]){1, NAN}, NULL);
  add_node(n, "Relu", "l", "r", 0, NULL);
  add_gemm(n, "r", "out", 2, 2, (double[]){1, 2, 3, 4}, NULL);
  end_net(n, "out");
  find(n, (double[]){1}, plain(), &f);
  assert_true(isnan(f.r.norm[FACET_NORM_TWO].radius));
  assert_true(isnan(f.r.residual));
  facet_network_destroy(&n);
}

/* ---- against every row, and against plain passes ---- */

static double length_of(const double *row, int64_t inputs, int norm)
{
  double sum = 0;
  for (int64_t i = 0; i < inputs; i++)
    sum += norm == FACET_NORM_MAX ? fabs(row[i]) : row[i] * row[i];
  return norm == FACET_NORM_MAX ? sum : sqrt(sum);
}

/* The least distance of all walls, all rows pulled back. Rows of nothing but rounding are of what never changes. */
static double nearest_wall(const facet_network *n, const double *x, int norm)
{
  static double row[FACET_REGION_ROWS * MOST];
  double constant[FACET_REGION_ROWS], least = INFINITY;
  int64_t wall[FACET_REGION_ROWS], inputs = facet_network_inputs(n), walls;
  facet_region *region;
  assert_int_equal(facet_region_create(n, &region), FACET_OK);
  assert_int_equal(facet_region_enter(region, x), FACET_OK);
  walls = facet_region_walls(region);
  for (int64_t first = 0; first < walls; first += FACET_REGION_ROWS) {
    int64_t count = walls - first < FACET_REGION_ROWS ? walls - first : FACET_REGION_ROWS;
    for (int64_t i = 0; i < count; i++)
      wall[i] = first + i;
    assert_int_equal(facet_region_rows(region, count, wall, row, constant), FACET_OK);
    for (int64_t i = 0; i < count; i++) {
      double d = facet_region_distances(region)[first + i], sum = constant[i];
      for (int64_t j = 0; j < inputs; j++)
        sum += row[i * inputs + j] * x[j];
      assert_near(sum, d, 1e-11 * fmax(1, fabs(d)));
      if (length_of(row + i * inputs, inputs, norm) > 1e-12)
        least = fmin(least, d / length_of(row + i * inputs, inputs, norm));
    }
  }
  facet_region_destroy(&region);
  return least;
}

/* The nearest boundary by the rows of W, as linearizations have them. */
static double nearest_class(const facet_network *n, const double *x, int norm)
{
  static double w[CLASSES * MOST];
  double b[CLASSES], b_node[CLASSES * 40], logits[CLASSES], residual, least = INFINITY;
  int32_t ties, row[CLASSES];
  int64_t inputs = facet_network_inputs(n), classes = facet_network_outputs(n), c = 0;
  facet_executor *e;
  facet_linearization out = {.w = w, .b = b, .b_node = b_node, .residual = &residual, .ties = &ties};
  facet_executor_options options = {.real = FACET_F64, .batch = 1, .rows = classes};
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  assert_int_equal(facet_executor_forward(e, x, 1), FACET_OK);
  assert_int_equal(facet_executor_output(e, logits), FACET_OK);
  facet_rows_choose(FACET_ROWS_ALL, classes, classes, NULL, 1, row);
  assert_int_equal(facet_linearize(e, x, 1, classes, row, &out), FACET_OK);
  facet_executor_destroy(&e);
  for (int64_t k = 1; k < classes; k++)
    c = logits[k] > logits[c] ? k : c;
  for (int64_t k = 0; k < classes; k++) {
    double difference[MOST];
    for (int64_t i = 0; i < inputs; i++)
      difference[i] = w[c * inputs + i] - w[k * inputs + i];
    if (k != c)
      least = fmin(least, (logits[c] - logits[k]) / length_of(difference, inputs, norm));
  }
  return least;
}

/* Points in the ball of a norm, some of them on its edge. */
static void random_point(const double *x, int64_t inputs, int norm, double radius, uint64_t number, double *to)
{
  double step[MOST], length = 1;
  for (int64_t i = 0; i < inputs; i++) {
    double u = noise(number * MOST + (uint64_t)i);
    step[i] = norm == FACET_NORM_MAX && number % 2 ? (u > 0) - (u < 0) : u;
  }
  if (norm == FACET_NORM_TWO)
    length = length_of(step, inputs, norm);
  for (int64_t i = 0; i < inputs; i++)
    to[i] = x[i] + radius * step[i] / length;
}

static void check_inside(const facet_network *n, const double *x, int norm, double radius)
{
  double two[2 * MOST];
  int64_t inputs = facet_network_inputs(n);
  facet_executor *e;
  facet_executor_options options = {.real = FACET_F64, .batch = 2};
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  memcpy(two, x, (size_t)inputs * sizeof *x);
  for (uint64_t p = 0; p < POINTS; p++) {
    random_point(x, inputs, norm, radius, 7000 + p, two + inputs);
    assert_int_equal(facet_executor_forward(e, two, 2), FACET_OK);
    for (int g = 0; g < facet_executor_gates(e); g++)
      assert_int_equal(facet_executor_gate_differs(e, 0, e, 1, g), 0);
  }
  facet_executor_destroy(&e);
}

static void check(const facet_network *n, const double *x)
{
  static found f, g;
  find(n, x, plain(), &f);
  find(n, x, (facet_reach_options){.certain = true}, &g);
  assert_true(f.r.residual < 1e-12);
  assert_int_equal(f.r.tied, 0);
  for (int norm = 0; norm < FACET_NORMS; norm++) {
    const facet_reach_norm *a = &f.r.norm[norm], *b = &g.r.norm[norm];
    assert_true(a->radius > 0);
    assert_near(a->radius, nearest_wall(n, x, norm), 1e-11 * a->radius);
    double other = nearest_class(n, x, norm);
    assert_true(a->boundary == other || fabs(a->boundary - other) < 1e-11 * other); /* INFINITY: all rows are one */
    assert_true(a->radius == b->radius && a->boundary == b->boundary);
    assert_true(a->gate == b->gate && a->element == b->element && a->next == b->next && a->inside == b->inside);
    assert_true(a->error >= 0 && a->error < 1e-6 * a->radius);
    assert_int_equal(a->within, 0);
    assert_true(a->beyond > 0);
    check_inside(n, x, norm, a->radius * (1 - 1e-9)); /* nearer to the boundary rounding decides */
  }
}

static void every_kind(void **state)
{
  (void)state;
  double x[243];
  for (int bias = 0; bias < 2; bias++) {
    facet_network *n = mixed_net(bias);
    for (uint64_t sample = 0; sample < 3; sample++) {
      for (uint64_t i = 0; i < 243; i++)
        x[i] = noise(100000 + 1000 * sample + i);
      check(n, x);
    }
    facet_network_destroy(&n);
  }
}

static void other_gates(void **state)
{
  (void)state;
  double x[6];
  facet_network *n = other_net();
  for (uint64_t sample = 0; sample < 20; sample++) {
    for (uint64_t i = 0; i < 6; i++)
      x[i] = 2 * noise(50000 + 100 * sample + i);
    check(n, x);
  }
  facet_network_destroy(&n);
}

static facet_status stop(void *context)
{
  ++*(int *)context;
  return FACET_INTERRUPTED;
}

static facet_status count(void *context)
{
  ++*(int64_t *)context;
  return FACET_OK;
}

/* At every step: of the sample's own pass, of it through its map, of the probes, and of the points at the end, twice.
 */
static void it_asks_at_every_step(void **state)
{
  (void)state;
  static found f;
  int64_t asked = 0;
  facet_network *n = golden_a();
  facet_reach *reach;
  for (int norm = 0; norm < FACET_NORMS; norm++)
    f.r.norm[norm].point = f.point[norm];
  assert_int_equal(facet_reach_create(n, (facet_reach_options){.pause = count, .context = &asked}, &reach), FACET_OK);
  assert_int_equal(facet_reach_find(reach, (double[]){0.9, -0.3}, &f.r), FACET_OK);
  assert_true(asked >= 5 * n->nodes);
  facet_reach_destroy(&reach);
  facet_network_destroy(&n);
}

static void it_can_be_stopped(void **state)
{
  (void)state;
  static found f;
  int asked = 0;
  facet_network *n = golden_a();
  facet_reach *reach;
  for (int norm = 0; norm < FACET_NORMS; norm++)
    f.r.norm[norm].point = f.point[norm];
  assert_int_equal(facet_reach_create(n, (facet_reach_options){.pause = stop, .context = &asked}, &reach), FACET_OK);
  assert_int_equal(facet_reach_find(reach, (double[]){0.9, -0.3}, &f.r), FACET_INTERRUPTED);
  assert_int_equal(asked, 1);
  facet_reach_destroy(&reach);
  facet_network_destroy(&n);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_small_network),
      cmocka_unit_test(a_piece_of_a_tent_map),
      cmocka_unit_test(a_maximum),
      cmocka_unit_test(nothing_changes),
      cmocka_unit_test(the_facet_is_longer_one_way),
      cmocka_unit_test(no_number),
      cmocka_unit_test(every_kind),
      cmocka_unit_test(other_gates),
      cmocka_unit_test(it_can_be_stopped),
      cmocka_unit_test(it_asks_at_every_step),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
