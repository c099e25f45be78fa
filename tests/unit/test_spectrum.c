/* Effective rank, signs, principal angles, Ritz values and CKA on cases that can be followed by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h> /* needs the above */

#include "geometry/cka.h"
#include "linear/gram.h"
#include "linear/sketch.h"
#include "linear/spectrum.h"
#include "near.h"

static void effective_ranks(void **state)
{
  (void)state;
  const double equal[] = {3, 3, 3, 3}, one[] = {5, 0, -1e-17}, uneven[] = {3, 1};
  assert_near(facet_effective_rank(4, equal), 4, 1e-14);
  assert_near(facet_effective_rank(3, one), 1, 1e-14);
  assert_near(facet_effective_rank(2, uneven), exp(-0.75 * log(0.75) - 0.25 * log(0.25)), 1e-14);
  assert_true(isnan(facet_effective_rank(2, &one[1])));
}

static void signs(void **state)
{
  (void)state;
  double down[] = {0.5, -0.75, 0.25}, tie[] = {-0.5, 0.5}, up[] = {0.1, 0.2};
  facet_direction_orient(3, down);
  assert_true(down[0] == -0.5 && down[1] == 0.75 && down[2] == -0.25);
  facet_direction_orient(2, tie);
  assert_true(tie[0] == 0.5 && tie[1] == -0.5);
  facet_direction_orient(2, up);
  assert_true(up[0] == 0.1 && up[1] == 0.2);
}

/* Squares 9, 4 and one that rounding alone makes, of a sum of 16. */
static void parts(void **state)
{
  (void)state;
  const double square[] = {9, 4, 1e-15};
  double value[3], share[3], direction[] = {0, -2, 3, 4, 1, 0};
  const facet_spectrum s = {2, 10, 3, value, share, direction};
  facet_spectrum_take(&s, square, 16);
  assert_true(value[0] == 3 && value[1] == 2 && value[2] == 0);
  assert_true(share[0] == 9.0 / 16 && share[1] == 0.25 && share[2] == 0);
  assert_true(direction[0] == 0 && direction[1] == 1);
  assert_near(direction[2], 0.6, 1e-15);
  assert_near(direction[3], 0.8, 1e-15);
  assert_true(isnan(direction[4]) && isnan(direction[5]));
  facet_rows_reverse(3, 1, value);
  assert_true(value[0] == 0 && value[1] == 2 && value[2] == 3);
}

/* In panels of columns and pieces of lines: from the diagonal on, the matrix is that of all lines at once. */
static void gram(void **state)
{
  (void)state;
  enum { LINES = 7, ORDER = 5 };
  double line[LINES * ORDER], sum[2 * ORDER];
  for (int i = 0; i < LINES * ORDER; i++)
    line[i] = (i * 7) % 11 - 5;
  for (int first = 0; first < ORDER; first += 2) {
    memset(sum, 0, sizeof sum);
    const facet_gram_panel panel = {ORDER, first, first + 2 < ORDER ? 2 : ORDER - first, sum};
    facet_gram_add(&panel, 3, line);
    facet_gram_add(&panel, 0, line);
    facet_gram_add(&panel, LINES - 3, line + 3L * ORDER);
    for (int i = 0; i < panel.count; i++)
      for (int j = first + i; j < ORDER; j++) {
        double product = 0;
        for (int k = 0; k < LINES; k++)
          product += line[k * ORDER + first + i] * line[k * ORDER + j];
        assert_true(sum[i * ORDER + j] == product);
      }
  }
}

/* Planes of R^5 turned against each other by known angles, one of them too small for a cosine to tell. */
static void angles(void **state)
{
  (void)state;
  const double small = 1e-10, large = 1.2;
  const double u[] = {1, 0, 0, 0, 0, 0, 1, 0, 0, 0};
  const double v[] = {cos(small), 0, sin(small), 0, 0, 0, cos(large), 0, sin(large), 0};
  double mixed[10], angle[2];
  for (int i = 0; i < 5; i++) { /* another basis of the same plane */
    mixed[i] = 0.6 * v[i] + 0.8 * v[5 + i];
    mixed[5 + i] = -0.8 * v[i] + 0.6 * v[5 + i];
  }
  assert_int_equal(facet_principal_angles(5, 2, u, 2, mixed, angle), FACET_OK);
  assert_near(angle[0], small, 1e-15);
  assert_near(angle[1], large, 1e-14);
  assert_int_equal(facet_principal_angles(5, 1, v + 5, 2, u, angle), FACET_OK); /* a line and a plane */
  assert_near(angle[0], large, 1e-14);
  assert_int_equal(facet_principal_angles(5, 2, u, 1, v, angle), FACET_OK);
  assert_near(angle[0], small, 1e-15);
  assert_int_equal(facet_principal_angles(5, 2, u, 2, u, angle), FACET_OK);
  assert_true(angle[0] == 0 && angle[1] == 0);
  assert_int_equal(facet_principal_angles(1, 2, u, 1, v, angle), FACET_INTERNAL);
}

/* G = diag(9, 4, 1) in the span of the first two axes: exact; in that of others: as far off as the residual says. */
static void ritz_values(void **state)
{
  (void)state;
  const double g[] = {9, 4, 1};
  double q[] = {1, 2, 0, 3, -1, 0}, gq[6], value[2], direction[6], residual;
  assert_int_equal(facet_rows_orthonormalize(2, 3, q), FACET_OK);
  assert_near(q[0] * q[3] + q[1] * q[4], 0, 1e-15);
  assert_near(q[0] * q[0] + q[1] * q[1], 1, 1e-15);
  for (int i = 0; i < 6; i++)
    gq[i] = q[i] * g[i % 3];
  assert_int_equal(facet_ritz(&(facet_subspace){2, 3, q, gq}, 2, value, direction, &residual), FACET_OK);
  assert_near(value[0], 9, 1e-14);
  assert_near(value[1], 4, 1e-14);
  assert_near(fabs(direction[0]), 1, 1e-15);
  assert_near(fabs(direction[4]), 1, 1e-15);
  assert_near(residual, 0, 1e-15);
  const double off = 0.1, tilted[] = {cos(off), 0, sin(off)};
  for (int i = 0; i < 3; i++)
    gq[i] = tilted[i] * g[i];
  assert_int_equal(facet_ritz(&(facet_subspace){1, 3, tilted, gq}, 1, value, direction, &residual), FACET_OK);
  double wanted = 9 * cos(off) * cos(off) + sin(off) * sin(off);
  assert_near(value[0], wanted, 1e-14);
  assert_near(residual, 8 * sin(off) * cos(off) / wanted, 1e-14); /* |G q - l q| of a plane turned by `off` */
  assert_true(9 - value[0] <= residual * value[0]);
  assert_int_equal(facet_rows_orthonormalize(4, 3, q), FACET_INTERNAL);
}

/* Of what varies, and of what does not. */
static void alignment(void **state)
{
  (void)state;
  double x[] = {1, 5, 3, 7, 2, 6};
  const double sum[] = {6, 18};
  facet_center(3, 2, sum, 3, x);
  const double centered[] = {-1, -1, 1, 1, 0, 0};
  assert_memory_equal(x, centered, sizeof x);
  assert_near(facet_cka(36, 4, 324), 1, 1e-15); /* one is the other turned and scaled */
  assert_true(facet_cka(0, 324, 25) == 0);
  assert_true(isnan(facet_cka(0, 4, 0)) && isnan(facet_cka(0, 0, 4)) && isnan(facet_cka(NAN, 4, 25)));
}

/* MT M = diag(25, 4, 1), of lines that come in pieces, the last ones first: a basis of two is exact in the limit. */
static void sketches(void **state)
{
  (void)state;
  const double m[] = {3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0};
  double value[2], direction[6], residual = 1;
  facet_sketch k;
  assert_int_equal(facet_sketch_make((facet_random){1, FACET_STREAM_PROJECT}, 2, 3, 2, &k), FACET_OK);
  for (int walk = 0;; walk++) {
    facet_sketch_add(&k, 4, 1, m + 12);
    facet_sketch_add(&k, 2, 2, m + 6);
    facet_sketch_add(&k, 1, 0, m + 3);
    facet_sketch_add(&k, 0, 2, m);
    if (walk == 30)
      break;
    assert_int_equal(facet_sketch_renew(&k), FACET_OK);
  }
  assert_near(k.squares, 30, 1e-14);
  assert_int_equal(facet_ritz(&(facet_subspace){2, 3, k.basis, k.product}, 2, value, direction, &residual), FACET_OK);
  assert_near(value[0], 25, 1e-12);
  assert_near(value[1], 4, 1e-12);
  assert_near(fabs(direction[0]), 1, 1e-12);
  assert_near(fabs(direction[4]), 1, 1e-12);
  assert_true(residual < 1e-12);
  facet_sketch_clear(&k);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(effective_ranks), cmocka_unit_test(signs),    cmocka_unit_test(parts),
      cmocka_unit_test(sketches),        cmocka_unit_test(gram),     cmocka_unit_test(angles),
      cmocka_unit_test(ritz_values),     cmocka_unit_test(alignment)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
