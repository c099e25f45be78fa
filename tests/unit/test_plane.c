/* A plane through the input space, cut into regions: arrangements whose number of regions is known, golden networks,
 * and every kind of node against plain forward passes at points that know nothing of polygons. */
#include <facet/plane.h>
#include <math.h>

#include "mixed.h"
#include "near.h"

enum { MOST = 400, CLASSES = 8 };

static const double unit[4] = {1, 0, 0, 1}, nought[2] = {0, 0};
static const double plenty = 1 << 24;

typedef struct {
  facet_plane *plane;
  facet_plane_result r;
  int64_t classes;
} sliced;

/* corner: of a rectangle, lower left and upper right. */
static void slice(const facet_network *n, double bytes, const double *origin, const double *along, const double box[4],
                  int64_t most, sliced *s)
{
  const double corner[8] = {box[0], box[1], box[2], box[1], box[2], box[3], box[0], box[3]};
  const facet_plane_options options = {.origin = origin, .along = along, .corners = 4, .corner = corner, .most = most};
  s->classes = facet_network_outputs(n);
  assert_int_equal(facet_plane_create(n, bytes, &s->plane), FACET_OK);
  if (facet_plane_cut(s->plane, &options, &s->r) != FACET_OK)
    fail_msg("%s", facet_message());
  if (s->r.full)
    return;
  assert_true(s->r.uncovered < 1e-12);
  assert_true(s->r.residual < 1e-12);
  assert_int_equal(s->r.dropped, 0);
}

/* The polygon that a point lies in, farther than `away` from its edges; -1: in none. */
static int64_t polygon_at(const facet_plane_result *r, double u, double v, double away)
{
  for (int64_t p = 0; p < r->polygons; p++) {
    bool inside = true;
    for (int64_t i = r->first[p]; i < r->first[p + 1] && inside; i++) {
      const double *a = r->at + 2 * r->corner[i],
                   *b = r->at + 2 * r->corner[i + 1 < r->first[p + 1] ? i + 1 : r->first[p]];
      double cross = (b[0] - a[0]) * (v - a[1]) - (b[1] - a[1]) * (u - a[0]);
      inside = cross > away * hypot(b[0] - a[0], b[1] - a[1]);
    }
    if (inside)
      return p;
  }
  return -1;
}

/* Logits there, between three corners around it. */
static void logits_at(const sliced *s, int64_t p, double u, double v, double *logits)
{
  const facet_plane_result *r = &s->r;
  const int32_t *c = r->corner + r->first[p];
  const double *a = r->at + 2 * c[0];
  for (int64_t i = 1; i + 1 < r->first[p + 1] - r->first[p]; i++) {
    const double *b = r->at + 2 * c[i], *d = r->at + 2 * c[i + 1];
    double whole = (b[0] - a[0]) * (d[1] - a[1]) - (b[1] - a[1]) * (d[0] - a[0]);
    double of_b = ((u - a[0]) * (d[1] - a[1]) - (v - a[1]) * (d[0] - a[0])) / whole;
    double of_d = ((b[0] - a[0]) * (v - a[1]) - (b[1] - a[1]) * (u - a[0])) / whole;
    if (whole <= 0 || of_b < -1e-9 || of_d < -1e-9 || of_b + of_d > 1 + 1e-9)
      continue;
    for (int64_t k = 0; k < s->classes; k++)
      logits[k] = (1 - of_b - of_d) * r->logits[c[0] * s->classes + k] + of_b * r->logits[c[i] * s->classes + k] +
                  of_d * r->logits[c[i + 1] * s->classes + k];
    return;
  }
  fail_msg("no triangle of the polygon has the point");
}

static double share(uint64_t i)
{
  return fabs(noise(i));
}

/* At random points the network says what polygons say. Points that lie in no polygon are near an edge. */
static void check_points(const facet_network *n, const double *origin, const double *along, const double box[4],
                         const sliced *s)
{
  double x[MOST], logits[CLASSES], wanted[CLASSES];
  int64_t inputs = facet_network_inputs(n), missed = 0, points = 2000;
  facet_executor *e;
  facet_executor_options options = {.real = FACET_F64, .batch = 1, .rows = 0};
  assert_int_equal(facet_executor_create(n, options, &e), FACET_OK);
  for (int64_t i = 0; i < points; i++) {
    double u = box[0] + share((uint64_t)(2 * i + 5)) * (box[2] - box[0]);
    double v = box[1] + share((uint64_t)(2 * i + 6)) * (box[3] - box[1]);
    int64_t p = polygon_at(&s->r, u, v, 1e-9);
    missed += p < 0;
    if (p < 0)
      continue;
    for (int64_t j = 0; j < inputs; j++)
      x[j] = origin[j] + u * along[j] + v * along[inputs + j];
    assert_int_equal(facet_executor_forward(e, x, 1), FACET_OK);
    assert_int_equal(facet_executor_output(e, wanted), FACET_OK);
    logits_at(s, p, u, v, logits);
    int64_t best = 0;
    for (int64_t k = 0; k < s->classes; k++) {
      assert_near(logits[k], wanted[k], 1e-9);
      best = wanted[k] > wanted[best] ? k : best;
    }
    assert_true(wanted[s->r.winner[p]] >= wanted[best] - 1e-9);
  }
  assert_true(missed <= 2);
  facet_executor_destroy(&e);
}

/* ---- arrangements ---- */

/* n lines, no two of them parallel, no three through one point: 1 + n + n (n - 1) / 2 regions. */
static void lines_in_general_position(void **state)
{
  (void)state;
  enum { LINES = 14 };
  const double pi = 3.14159265358979323846, box[4] = {-60, -60, 60, 60};
  double w[2 * LINES], b[LINES], out[LINES];
  for (int i = 0; i < LINES; i++) {
    double turn = pi * i / LINES + 0.05;
    w[2 * i] = cos(turn);
    w[2 * i + 1] = sin(turn);
    b[i] = noise((uint64_t)i);
    out[i] = noise((uint64_t)(i + 50));
  }
  facet_network *n = begin_net((facet_shape){1, {2}});
  add_gemm(n, "x", "l", 2, LINES, w, b);
  add_node(n, "Relu", "l", "r", 0, NULL);
  add_gemm(n, "r", "out", LINES, 1, out, NULL);
  end_net(n, "out");
  for (int little = 0; little < 2; little++) {
    sliced s;
    slice(n, little ? 0 : plenty, nought, unit, box, 1000, &s);
    assert_int_equal(s.r.regions, 1 + LINES + LINES * (LINES - 1) / 2);
    assert_int_equal(s.r.polygons, s.r.regions);
    if (!little) /* each of its corners once: those of the box, two ends of each line, each crossing */
      assert_int_equal(s.r.points, 4 + 2 * LINES + LINES * (LINES - 1) / 2);
    facet_plane_destroy(&s.plane);
  }
  facet_network_destroy(&n);
}

/* 2 relu(x) - 4 relu(x - 1/2), eight times over, of x + y: 2^8 strips where that goes from 0 to 1. */
static void the_tent_map(void **state)
{
  (void)state;
  facet_network *n = begin_net((facet_shape){1, {2}});
  char last[8] = "x";
  for (int i = 0; i < 8; i++) {
    char first[8], gate[8], second[8];
    snprintf(first, sizeof first, "a%d", i);
    snprintf(gate, sizeof gate, "r%d", i);
    snprintf(second, sizeof second, "s%d", i);
    add_gemm(n, last, first, i == 0 ? 2 : 1, 2, (double[]){1, 1, 1, 1}, (double[]){0, -0.5});
    add_node(n, "Relu", first, gate, 0, NULL);
    add_gemm(n, gate, second, 2, 1, (double[]){2, -4}, NULL);
    memcpy(last, second, sizeof last);
  }
  end_net(n, last);
  const double box[4] = {0, 0, 0.5, 0.5};
  for (int little = 0; little < 2; little++) {
    sliced s;
    slice(n, little ? 0 : plenty, nought, unit, box, 1000, &s);
    assert_int_equal(s.r.regions, 256);
    facet_plane_destroy(&s.plane);
  }
  facet_network_destroy(&n);
}

/* Areas are as good there as near 0. */
static void a_small_window_far_away(void **state)
{
  (void)state;
  facet_network *n = begin_net((facet_shape){1, {2}});
  add_gemm(n, "x", "a", 2, 1, (double[]){1, -1}, NULL);
  add_node(n, "Relu", "a", "r", 0, NULL);
  end_net(n, "r");
  const double box[4] = {16.1, 16.103, 16.117, 16.111};
  sliced s;
  slice(n, plenty, nought, unit, box, 10, &s);
  assert_int_equal(s.r.regions, 2);
  facet_plane_destroy(&s.plane);
  facet_network_destroy(&n);
}

/* ---- maxima ---- */

/* max(x, y, 0), as a pool over what three units give: three regions that meet in a point. */
static void three_that_meet(void **state)
{
  (void)state;
  const double box[4] = {-1, -2, 2, 1};
  facet_network *n = begin_net((facet_shape){1, {2}});
  add_gemm(n, "x", "l", 2, 3, (double[]){1, 0, 0, 1, 0, 0}, NULL);
  facet_tensor *shape;
  assert_int_equal(facet_tensor_create(FACET_I64, (facet_shape){1, {3}}, &shape), FACET_OK);
  memcpy(shape->data, (int64_t[]){-1, 1, 3}, 3 * sizeof(int64_t));
  assert_int_equal(facet_network_add_constant(n, "shape", shape), FACET_OK);
  add_node(n, "Reshape", "l,shape", "image", 0, NULL);
  facet_attribute *a = facet_allocate(1, sizeof *a);
  set_ints(a, "kernel_shape", 1, (int64_t[]){3});
  add_node(n, "MaxPool", "image", "max", 1, a);
  add_node(n, "Flatten", "max", "out", 0, NULL);
  end_net(n, "out");
  sliced s;
  slice(n, plenty, nought, unit, box, 100, &s);
  assert_int_equal(s.r.regions, 3);
  check_points(n, nought, unit, box, &s);
  int64_t middle = polygon_at(&s.r, -0.5, -0.5, 0);
  assert_int_equal(s.r.first[middle + 1] - s.r.first[middle], 4);
  facet_plane_destroy(&s.plane);
  facet_network_destroy(&n);
}

/* ---- decision boundaries ---- */

static double length_of_boundary(const facet_plane_result *r, int32_t winner)
{
  double sum = 0;
  for (int64_t p = 0; p < r->polygons; p++)
    for (int64_t i = r->first[p]; i < r->first[p + 1]; i++) {
      const double *a = r->at + 2 * r->corner[i],
                   *b = r->at + 2 * r->corner[i + 1 < r->first[p + 1] ? i + 1 : r->first[p]];
      sum += r->edge[i] && r->winner[p] == winner ? hypot(b[0] - a[0], b[1] - a[1]) : 0;
    }
  return sum;
}

/* Logits x, y and 0.25 of one region; and relu(x), relu(-x), whose boundary is the gate's own. */
static void where_the_class_changes(void **state)
{
  (void)state;
  const double box[4] = {-1, -1, 1, 1};
  sliced s;
  facet_network *n = begin_net((facet_shape){1, {2}});
  add_gemm(n, "x", "out", 2, 3, (double[]){1, 0, 0, 1, 0, 0}, (double[]){0, 0, 0.25});
  end_net(n, "out");
  slice(n, plenty, nought, unit, box, 100, &s);
  assert_int_equal(s.r.regions, 1);
  assert_int_equal(s.r.polygons, 3);
  assert_near(length_of_boundary(&s.r, 0), 1.25 + 0.75 * sqrt(2), 1e-12);
  assert_near(length_of_boundary(&s.r, 2), 2.5, 1e-12);
  facet_plane_destroy(&s.plane);
  facet_network_destroy(&n);
  n = begin_net((facet_shape){1, {2}});
  add_gemm(n, "x", "l", 2, 2, (double[]){1, 0, -1, 0}, NULL);
  add_node(n, "Relu", "l", "out", 0, NULL);
  end_net(n, "out");
  slice(n, plenty, nought, unit, box, 100, &s);
  assert_int_equal(s.r.regions, 2);
  assert_int_equal(s.r.polygons, 2);
  assert_near(length_of_boundary(&s.r, 0), 2, 1e-12);
  assert_near(length_of_boundary(&s.r, 1), 2, 1e-12);
  facet_plane_destroy(&s.plane);
  facet_network_destroy(&n);
}

/* ---- every kind ---- */

static void every_kind(void **state)
{
  (void)state;
  double origin[243], along[2 * 243];
  const double box[4] = {-0.1, -0.08, 0.12, 0.1};
  for (int i = 0; i < 243; i++)
    origin[i] = noise((uint64_t)(i + 3000));
  for (int i = 0; i < 2 * 243; i++)
    along[i] = noise((uint64_t)(i + 4000));
  facet_network *n = mixed_net(true);
  sliced s, t;
  slice(n, plenty, origin, along, box, 100000, &s);
  assert_true(s.r.regions > 300);
  check_points(n, origin, along, box, &s);
  slice(n, 0, origin, along, box, 100000, &t);
  assert_int_equal(s.r.regions, t.r.regions);
  assert_int_equal(s.r.polygons, t.r.polygons);
  check_points(n, origin, along, box, &t);
  facet_plane_destroy(&t.plane);
  slice(n, plenty, origin, along, box, s.r.polygons - 1, &t);
  assert_true(t.r.full);
  facet_plane_destroy(&t.plane);
  facet_plane_destroy(&s.plane);
  facet_network_destroy(&n);
}

/* ---- the frame ---- */

static void through_three_inputs(void **state)
{
  (void)state;
  const double a[4] = {1, 2, 3, 4}, b[4] = {2, 0, 3, 4}, c[4] = {0, 0, 1, -1}, between[4] = {1.5, 1, 3, 4};
  const double *x[3] = {a, b, c};
  double along[8], at[6], corner[8];
  assert_int_equal(facet_plane_through(4, x, along, at), FACET_OK);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 4; j++)
      assert_near(a[j] + at[2 * i] * along[j] + at[2 * i + 1] * along[4 + j], x[i][j], 1e-12);
  facet_plane_around(at, 0.5, 0.5, NULL, corner);
  assert_near(corner[0] + corner[2], (at[2] + fmin(0, at[4])) / 2, 1e-12);
  assert_true(corner[2] > corner[0] && corner[5] > corner[3]);
  double all[8], near[8];
  facet_plane_around(at, 0.5, 1, NULL, all);
  facet_plane_around(at, 0.5, 1, at + 2, near); /* the whole is the whole */
  for (int i = 0; i < 8; i++)
    assert_near(near[i], all[i], 1e-12);
  facet_plane_around(at, 0.5, 0.25, at + 2, near);
  for (int i = 0; i < 8; i++)
    assert_near(near[i] - at[2 + i % 2], (all[i] - at[2 + i % 2]) / 4, 1e-12);
  x[2] = between;
  assert_int_equal(facet_plane_through(4, x, along, at), FACET_BAD_INPUT);
}

static facet_status stop(void *context)
{
  return ++*(int *)context < 3 ? FACET_OK : facet_raise(FACET_INTERRUPTED, "stopped");
}

/* y(x) = (1 - x0, x0 + 4 x1): from the origin the class changes at 1/2 towards (1, 0), and at 1/4 towards (0, 1). */
static void where_to_look(void **state)
{
  (void)state;
  const double w[4] = {-1, 0, 1, 4}, b[2] = {1, 0}, ends[4][2] = {{0, 0}, {1, 0}, {0, 1}, {0.3, 0}};
  const double *x[3] = {ends[0], ends[1], ends[2]};
  double along[4], at[6], centre[2];
  int32_t found;
  facet_plane *plane;
  facet_network *n = begin_net((facet_shape){1, {2}});
  add_gemm(n, "x", "out", 2, 2, w, b);
  end_net(n, "out");
  assert_int_equal(facet_plane_create(n, 0, &plane), FACET_OK);
  assert_int_equal(facet_plane_through(2, x, along, at), FACET_OK);
  assert_int_equal(facet_plane_change(plane, x, at, NULL, NULL, centre, &found), FACET_OK);
  assert_true(found);
  assert_near(centre[0], 0, 1e-12);
  assert_near(centre[1], 0.25, 0x1p-24);
  x[2] = (const double[2]){0, -1};
  assert_int_equal(facet_plane_through(2, x, along, at), FACET_OK);
  assert_int_equal(facet_plane_change(plane, x, at, NULL, NULL, centre, &found), FACET_OK);
  assert_true(found);
  assert_near(centre[0], 0.5, 0x1p-24);
  x[1] = ends[3];
  assert_int_equal(facet_plane_through(2, x, along, at), FACET_OK);
  assert_int_equal(facet_plane_change(plane, x, at, NULL, NULL, centre, &found), FACET_OK);
  assert_true(!found && centre[0] == 0 && centre[1] == 0);
  int pauses = 0;
  assert_int_equal(facet_plane_change(plane, x, at, stop, &pauses, centre, &found), FACET_INTERRUPTED);
  assert_int_equal(pauses, 3);
  facet_plane_destroy(&plane);
  facet_network_destroy(&n);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_in_general_position), cmocka_unit_test(the_tent_map),
      cmocka_unit_test(a_small_window_far_away),   cmocka_unit_test(three_that_meet),
      cmocka_unit_test(where_the_class_changes),   cmocka_unit_test(every_kind),
      cmocka_unit_test(through_three_inputs),      cmocka_unit_test(where_to_look),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
