/* What happens between two inputs against exact golden values (SCIENCE 1), and against a search by halves that knows
 * nothing of layers: where two samples have the same pattern, so has everything between them. */
#include <facet/attribution.h>
#include <math.h>

#include "mixed.h"
#include "near.h"
#include "net/walk_parts.h"

enum { MOST = 2000, CLASSES = 8, CROSSINGS = 6, POINTS = 5 };

static double room_of_test = 1 << 24;

typedef struct {
  double attribution[MOST], total[CLASSES], crossing[CROSSINGS], curve[POINTS * CLASSES];
  int32_t row[CLASSES];
  facet_path_result r;
} followed;

static void follow(const facet_network *n, const double *start, const double *end, followed *f)
{
  facet_path *path;
  int64_t classes = facet_network_outputs(n);
  assert_true(classes * facet_network_inputs(n) <= MOST && classes <= CLASSES);
  f->r = (facet_path_result){
      .row = f->row, .attribution = f->attribution, .total = f->total, .crossing = f->crossing, .curve = f->curve};
  const facet_path_options options = {.rows = FACET_ROWS_ALL, .k = classes, .crossings = CROSSINGS, .points = POINTS};
  assert_int_equal(facet_path_create(n, room_of_test, &path), FACET_OK);
  if (facet_path_follow(path, start, end, &options, &f->r) != FACET_OK)
    fail_msg("%s", facet_message());
  facet_path_destroy(&path);
}

/* ---- golden values ---- */

static void a_small_network(void **state)
{
  (void)state;
  static followed f;
  facet_network *n = golden_a();
  facet_walk *walk;
  const double start[2] = {-1, -1}, end[2] = {0.9, -0.3};
  static const double wanted[4] = {-19.0 / 240, -413.0 / 240, 19.0 / 480, 413.0 / 480};
  double logits[4];
  bool fits;
  follow(n, start, end, &f);
  for (int i = 0; i < 4; i++)
    assert_near(f.attribution[i], wanted[i], 1e-12);
  assert_near(f.total[0], -1.8, 1e-12);
  assert_near(f.total[1], 0.9, 1e-12);
  assert_int_equal(f.r.pieces, 3);
  assert_int_equal(f.r.changes, 0);
  assert_true(isnan(f.crossing[0]));
  assert_true(f.r.residual < 1e-12);
  assert_near(f.curve[0], 5.125, 1e-12);
  assert_near(f.curve[(POINTS - 1) * 2], 133.0 / 40, 1e-12);
  assert_int_equal(facet_walk_create(n, 1 << 20, 16, &walk), FACET_OK);
  assert_int_equal(facet_walk_begin(walk, start, end, logits), FACET_OK);
  assert_int_equal(facet_walk_part(walk, 0, 1, &fits), FACET_OK);
  assert_true(fits);
  assert_int_equal(facet_walk_points(walk), 4);
  assert_near(facet_walk_point(walk, 1), 5.0 / 12, 1e-12);
  assert_near(facet_walk_point(walk, 2), 15.0 / 16, 1e-12);
  facet_walk_destroy(&walk);
  facet_network_destroy(&n);
}

/* 2 relu(x) - 4 relu(x - 1/2), so many times over. */
static facet_network *tent_map(int times)
{
  facet_network *n = begin_net((facet_shape){1, {1}});
  char last[8] = "x";
  for (int i = 0; i < times; i++) {
    char first[8], gate[8], second[8];
    snprintf(first, sizeof first, "a%d", i);
    snprintf(gate, sizeof gate, "r%d", i);
    snprintf(second, sizeof second, "s%d", i);
    add_gemm(n, last, first, 1, 2, (double[]){1, 1}, (double[]){0, -0.5});
    add_node(n, "Relu", first, gate, 0, NULL);
    add_gemm(n, gate, second, 2, 1, (double[]){2, -4}, NULL);
    memcpy(last, second, sizeof last);
  }
  return end_net(n, last);
}

/* What 50 points of a Gauss-Legendre quadrature make of the same, as others do: 171 pieces of slope 256 are too many.
 */
static double by_quadrature(const facet_network *n, double end)
{
  facet_attributor *a;
  double found = NAN;
  const facet_attribution_options options = {
      .steps = 50, .noisy = 1, .epsilon = 1e-9, .bytes = 1 << 20, .image = {1, 1, 1}};
  const facet_explained what = {.x = &end, .baseline = (double[]){0}, .k = 1, .row = (int32_t[]){0}};
  assert_int_equal(facet_attributor_create(n, &options, &a), FACET_OK);
  assert_int_equal(facet_attributor_explain(a, facet_attribution_find("integrated_gradients"), &what, &found),
                   FACET_OK);
  facet_attributor_destroy(&a);
  return found;
}

static void the_tent_map(void **state)
{
  (void)state;
  static followed f;
  facet_network *n = tent_map(8);
  follow(n, (double[]){0}, (double[]){2.0 / 3}, &f);
  assert_near(f.attribution[0], 2.0 / 3, 1e-12);
  assert_near(f.total[0], 2.0 / 3, 1e-12);
  assert_int_equal(f.r.pieces, 171);
  assert_true(f.r.residual < 1e-12);
  assert_near(by_quadrature(n, 2.0 / 3), -14.65, 0.005);
  room_of_test = 0; /* the fewest points at once */
  follow(n, (double[]){0}, (double[]){2.0 / 3}, &f);
  room_of_test = 1 << 24;
  assert_near(f.attribution[0], 2.0 / 3, 1e-12);
  assert_int_equal(f.r.pieces, 171);
  facet_network_destroy(&n);
}

/* The same with all pieces kept; another class between two ends of one piece is a point, too. */
static void pieces_of_a_line(void **state)
{
  (void)state;
  facet_line *line;
  facet_line_result r;
  const facet_line_options options = {.most = 1000};
  facet_network *n = tent_map(8);
  for (int little = 0; little < 2; little++) {
    assert_int_equal(facet_line_create(n, little ? 0 : 1 << 24, &line), FACET_OK);
    assert_int_equal(facet_line_cut(line, (double[]){0}, (double[]){2.0 / 3}, &options, &r), FACET_OK);
    assert_int_equal(r.pieces, 171);
    assert_int_equal(r.points, 172);
    assert_true(r.residual < 1e-12);
    for (int64_t i = 0; i < r.points - 1; i++) {
      assert_near(r.t[i] * 2 / 3, (double)i / 256, 1e-12);
      assert_near(r.logits[i], (double)(i % 2), 1e-12);
      assert_int_equal(r.piece[i], i);
    }
    facet_line_destroy(&line);
  }
  facet_network_destroy(&n);
  n = begin_net((facet_shape){1, {1}});
  add_gemm(n, "x", "out", 1, 2, (double[]){1, -1}, (double[]){0, 0.5});
  end_net(n, "out");
  assert_int_equal(facet_line_create(n, 1 << 20, &line), FACET_OK);
  assert_int_equal(facet_line_cut(line, (double[]){0}, (double[]){1}, &options, &r), FACET_OK);
  assert_int_equal(r.pieces, 1);
  assert_int_equal(r.points, 3);
  assert_near(r.t[1], 0.25, 1e-12);
  assert_int_equal(r.winner[0], 1);
  assert_int_equal(r.winner[1], 0);
  const facet_line_options few = {.most = 2};
  assert_int_equal(facet_line_cut(line, (double[]){0}, (double[]){1}, &few, &r), FACET_OK);
  assert_true(r.full);
  facet_line_destroy(&line);
  facet_network_destroy(&n);
}

/* What is not a number in one row is not hidden by the next, which is right. */
static void a_row_that_is_no_number(void **state)
{
  (void)state;
  static followed f;
  facet_network *n = begin_net((facet_shape){1, {1}});
  add_gemm(n, "x", "l1", 1, 1, (double[]){1}, NULL);
  add_node(n, "Relu", "l1", "r1", 0, NULL);
  add_gemm(n, "r1", "l2", 1, 2, (double[]){1, 2}, (double[]){NAN, 0});
  n = end_net(n, "l2");
  follow(n, (double[]){-1}, (double[]){1}, &f);
  assert_true(isnan(f.total[0]));
  assert_near(f.total[1], 2, 1e-12);
  assert_true(isnan(f.r.residual));
  facet_network_destroy(&n);
}

/* max(x1, x2), as a Max of two branches and as a pool over both. */
static void a_maximum(void **state)
{
  (void)state;
  for (int pool = 0; pool < 2; pool++) {
    static followed f;
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
    follow(n, (double[]){1, 0}, (double[]){0, 2}, &f);
    assert_near(f.attribution[0], -1.0 / 3, 1e-12);
    assert_near(f.attribution[1], 4.0 / 3, 1e-12);
    assert_int_equal(f.r.pieces, 2);
    assert_true(f.r.residual < 1e-12);
    facet_network_destroy(&n);
  }
}

/* ---- ties ---- */

/* A unit that is 0 all along, two that change at one point, candidates that stay equal: each piece has one pattern, and
 * what is tied all along is on its lower side; of equal candidates the first wins. */
static void ties_along_the_way(void **state)
{
  (void)state;
  static followed f;
  facet_network *n = begin_net((facet_shape){1, {2}});
  add_gemm(n, "x", "l", 2, 4, (double[]){1, -1, 1, 1, 2, 2, 0.1, -0.1}, (double[]){0, -1, -2, 0});
  add_node(n, "Relu", "l", "r", 0, NULL);
  add_gemm(n, "r", "out", 4, 1, (double[]){5, 1, 1, 7}, NULL);
  end_net(n, "out");
  follow(n, (double[]){0, 0}, (double[]){1, 1}, &f); /* x1 = x2 */
  assert_int_equal(f.r.pieces, 2);
  assert_near(f.attribution[0], 1.5, 1e-12);
  assert_near(f.attribution[1], 1.5, 1e-12);
  facet_network_destroy(&n);
  n = begin_net((facet_shape){1, {2}});
  add_gemm(n, "x", "first", 2, 1, (double[]){2, 0}, NULL);
  add_gemm(n, "x", "second", 2, 1, (double[]){0, 2}, NULL);
  add_node(n, "Max", "first,second", "out", 0, NULL);
  end_net(n, "out");
  follow(n, (double[]){0, 0}, (double[]){1, 1}, &f);
  assert_int_equal(f.r.pieces, 1);
  assert_near(f.attribution[0], 2, 1e-12);
  assert_near(f.attribution[1], 0, 1e-12);
  facet_network_destroy(&n);
}

/* ---- against a search that knows nothing of layers ---- */

typedef struct {
  facet_executor *x;
  int64_t inputs, classes, pieces;
  const double *start, *end;
  double *gradient; /* K x D */
  double largest;   /* of the rows */
} search;

/* What is left of a piece at either end. */
static const double shortest = 1e-12;

static bool one_pattern(search *s, double t0, double t1)
{
  double x[2 * MOST];
  for (int64_t i = 0; i < s->inputs; i++) {
    x[i] = s->start[i] + t0 * (s->end[i] - s->start[i]);
    x[s->inputs + i] = s->start[i] + t1 * (s->end[i] - s->start[i]);
  }
  assert_int_equal(facet_executor_forward(s->x, x, 2), FACET_OK);
  for (int g = 0; g < facet_executor_gates(s->x); g++)
    if (facet_executor_gate_differs(s->x, 0, s->x, 1, g) != 0)
      return false;
  return true;
}

/* By halves, until what is left is too short to count. */
static void search_part(search *s, double t0, double t1)
{
  static double w[2 * MOST], b[2 * CLASSES * 40];
  int32_t row[2 * CLASSES];
  if (t1 - t0 < shortest)
    return;
  if (!one_pattern(s, t0, t1)) {
    double middle = (t0 + t1) / 2;
    search_part(s, t0, middle);
    search_part(s, middle, t1);
    return;
  }
  for (int64_t i = 0; i < 2 * s->classes; i++)
    row[i] = (int32_t)(i % s->classes);
  assert_int_equal(facet_executor_pullback(s->x, row, w, b), FACET_OK);
  for (int64_t i = 0; i < s->classes * s->inputs; i++) {
    s->gradient[i] += (t1 - t0) * w[i];
    s->largest = fmax(s->largest, fabs(w[i]));
  }
}

/* Wherever spans become pieces, the integral is the same. attribution: K x D. */
static void check_every_turn(const facet_network *n, const double *start, const double *end, const double *attribution)
{
  static double gradient[MOST];
  double logits[2 * CLASSES];
  int64_t inputs = facet_network_inputs(n);
  facet_walk *w;
  bool fits;
  int turns = 0;
  assert_int_equal(facet_walk_create(n, 1 << 26, 16, &w), FACET_OK);
  assert_int_equal(facet_walk_begin(w, start, end, logits), FACET_OK);
  assert_int_equal(facet_walk_part(w, 0, 1, &fits), FACET_OK);
  assert_true(fits);
  facet_walk_plan(w);
  w->planned = true;
  for (int turn = -1; turn <= w->x->steps; turn++) {
    if (turn >= 0 && turn < w->x->steps && !facet_step_chooses(&w->x->step[turn]))
      continue;
    turns++;
    w->turn = turn;
    for (int32_t c = 0; c < facet_network_outputs(n); c++) {
      memset(gradient, 0, sizeof gradient);
      assert_int_equal(facet_walk_integrate(w, c, gradient), FACET_OK);
      for (int64_t i = 0; i < inputs; i++)
        assert_near(gradient[i] * (end[i] - start[i]), attribution[c * inputs + i], 1e-12);
    }
  }
  assert_true(turns > 2);
  facet_walk_destroy(&w);
}

static void check_against_search(const facet_network *n, const double *start, const double *end)
{
  static followed f, g;
  static double gradient[MOST];
  search s = {.inputs = facet_network_inputs(n), .classes = facet_network_outputs(n)};
  s.start = start, s.end = end, s.gradient = gradient;
  memset(gradient, 0, sizeof gradient);
  facet_executor_options options = {.real = FACET_F64, .batch = 2, .rows = s.classes};
  assert_int_equal(facet_executor_create(n, options, &s.x), FACET_OK);
  search_part(&s, 0, 1);
  facet_executor_destroy(&s.x);
  follow(n, start, end, &f);
  assert_true(f.r.residual < 1e-12);
  assert_true(f.r.pieces > 50);
  double left_out = 2 * (double)f.r.pieces * shortest * s.largest;
  assert_true(left_out < 1e-6);
  for (int64_t i = 0; i < s.classes * s.inputs; i++) {
    double way = end[i % s.inputs] - start[i % s.inputs];
    assert_near(f.attribution[i], gradient[i] * way, left_out * fabs(way) + 1e-11);
  }
  check_every_turn(n, start, end, f.attribution);
  room_of_test = 0;
  follow(n, start, end, &g);
  room_of_test = 1 << 24;
  assert_int_equal(g.r.pieces, f.r.pieces);
  assert_int_equal(g.r.changes, f.r.changes);
  for (int64_t i = 0; i < s.classes * s.inputs; i++)
    assert_near(f.attribution[i], g.attribution[i], 1e-12);
  for (int64_t i = 0; i < POINTS * s.classes; i++)
    assert_near(f.curve[i], g.curve[i], 1e-12);
}

static void every_kind(void **state)
{
  (void)state;
  double start[243], end[243];
  facet_network *n = mixed_net(true);
  for (int i = 0; i < 243; i++) {
    start[i] = 0;
    end[i] = noise(100000 + (uint64_t)i);
  }
  check_against_search(n, start, end);
  facet_network_destroy(&n);
}

static void other_gates(void **state)
{
  (void)state;
  double start[6], end[6];
  facet_network *n = other_net();
  for (int i = 0; i < 6; i++) {
    start[i] = -4 + 2 * noise(700 + (uint64_t)i);
    end[i] = 4 + 2 * noise(720 + (uint64_t)i);
  }
  check_against_search(n, start, end);
  facet_network_destroy(&n);
}

/* ---- the predicted class ---- */

/* Logits 0, t and 4 t - 1: the class goes from 1 to 2 at t = 1/3, being 1 from the start on. */
static void the_class_changes(void **state)
{
  (void)state;
  static followed f;
  facet_network *n = begin_net((facet_shape){1, {1}});
  add_gemm(n, "x", "out", 1, 3, (double[]){0, 1, 4}, (double[]){0, 0, -1});
  end_net(n, "out");
  follow(n, (double[]){0}, (double[]){1}, &f);
  assert_int_equal(f.r.pieces, 1);
  assert_int_equal(f.r.changes, 1);
  assert_near(f.crossing[0], 1.0 / 3, 1e-15);
  assert_true(isnan(f.crossing[1]));
  facet_network_destroy(&n);
}

static facet_status stop(void *context)
{
  ++*(int *)context;
  return FACET_INTERRUPTED;
}

/* Counts how often it is called; from `last` on it stops what calls it. */
typedef struct {
  int64_t calls, last;
} counted;

static facet_status count(void *context)
{
  counted *c = context;
  return ++c->calls < c->last ? FACET_OK : FACET_INTERRUPTED;
}

/* Every step of a pass there and back asks, however few parts there are, and whoever stops leaves nothing behind. */
static void it_asks_at_every_step(void **state)
{
  (void)state;
  enum { MAPS = 6 };
  double attribution[1], total[1], before;
  int32_t row[1];
  counted c = {.last = INT64_MAX};
  facet_network *n = tent_map(MAPS);
  facet_path *path;
  facet_path_result r = {.row = row, .attribution = attribution, .total = total};
  const facet_path_options options = {.rows = FACET_ROWS_PREDICTED, .k = 1, .pause = count, .context = &c};
  assert_int_equal(facet_path_create(n, 1 << 20, &path), FACET_OK);
  assert_int_equal(facet_path_follow(path, (double[]){0}, (double[]){0.3}, &options, &r), FACET_OK);
  assert_true(c.calls >= 3 * n->nodes); /* the two ends; there; back */
  before = attribution[0];
  int64_t calls = c.calls;
  for (int64_t last = 1; last < calls; last++) {
    c = (counted){.last = last};
    assert_int_equal(facet_path_follow(path, (double[]){0}, (double[]){0.3}, &options, &r), FACET_INTERRUPTED);
    assert_int_equal(c.calls, last);
  }
  c = (counted){.last = INT64_MAX};
  assert_int_equal(facet_path_follow(path, (double[]){0}, (double[]){0.3}, &options, &r), FACET_OK);
  assert_true(before == attribution[0] && c.calls == calls);
  facet_path_destroy(&path);
  facet_network_destroy(&n);
}

static void it_can_be_stopped(void **state)
{
  (void)state;
  double attribution[1], total[1];
  int32_t row[1];
  int asked = 0;
  facet_network *n = tent_map(3);
  facet_path *path;
  facet_path_result r = {.row = row, .attribution = attribution, .total = total};
  const facet_path_options options = {.rows = FACET_ROWS_PREDICTED, .k = 1, .pause = stop, .context = &asked};
  assert_int_equal(facet_path_create(n, 0, &path), FACET_OK);
  assert_int_equal(facet_path_follow(path, (double[]){0}, (double[]){1}, &options, &r), FACET_INTERRUPTED);
  assert_int_equal(asked, 1);
  facet_path_destroy(&path);
  facet_network_destroy(&n);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_small_network),
      cmocka_unit_test(the_tent_map),
      cmocka_unit_test(pieces_of_a_line),
      cmocka_unit_test(a_maximum),
      cmocka_unit_test(ties_along_the_way),
      cmocka_unit_test(every_kind),
      cmocka_unit_test(other_gates),
      cmocka_unit_test(the_class_changes),
      cmocka_unit_test(it_can_be_stopped),
      cmocka_unit_test(it_asks_at_every_step),
      cmocka_unit_test(a_row_that_is_no_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
