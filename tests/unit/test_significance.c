/* Tests of hypotheses against what scipy 1.15 has for the same numbers, quantiles against mpmath in 30 digits, and by
 * hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the above */

#include "geometry/significance.h"
#include "near.h"

/* To 1e-11 of the number itself. */
#define assert_close(got, wanted) assert_near((got), (wanted), 1e-11 * fabs((double)(wanted)))

static void counts(void **state)
{
  (void)state;
  assert_close(facet_binomial_above(7, 10, 0.5), 0.171875);
  assert_close(facet_binomial_above(60, 1000, 0.05), 0.08673217838486141);
  assert_close(facet_binomial_above(3, 5000, 0.0001), 0.014381991560423591);
  assert_close(facet_binomial_above(9990, 10000, 0.99), 7.562773329151055e-31);
  assert_close(facet_binomial_above(40, 100, 0.9), 1);
  assert_true(facet_binomial_above(0, 10, 0) == 1 && facet_binomial_above(1, 10, 0) == 0 &&
              facet_binomial_above(10, 10, 1) == 1);
  assert_close(facet_sign_test(3, 9), 0.14599609375);
  assert_close(facet_sign_test(10, 0), 0.001953125);
  assert_close(facet_sign_test(520, 430), 0.003859707497655395);
  assert_true(facet_sign_test(5, 5) == 1 && facet_sign_test(0, 0) == 1);
}

static void tables(void **state)
{
  (void)state;
  assert_close(facet_fisher_test(8, 10, 1, 10), 0.005477494641581329);
  assert_near(facet_fisher_test(60, 800, 150, 8200), 6.465741574250121e-17, 1e-26);
  assert_close(facet_fisher_test(3, 3, 0, 40), 8.103071063933232e-05);
  assert_close(facet_fisher_test(5, 50, 40, 400), 1);
  assert_true(facet_fisher_test(0, 16, 0, 114) == 1 && facet_fisher_test(0, 0, 3, 10) == 1);
}

static void student(void **state)
{
  (void)state;
  assert_close(facet_student_p(-2.5, 2), 0.1296117202215108);
  assert_close(facet_student_p(0.3, 9), 0.7709907037415249);
  assert_close(facet_student_p(40, 3), 3.438068078915854e-05);
  assert_close(facet_student_p(1.96, 9999), 0.05002352300521021);
  assert_true(facet_student_p(0, 5) == 1 && facet_student_p(INFINITY, 5) == 0);
  assert_close(facet_student_t(0.05, 2), 0.95 * sqrt(2 / 0.0975)); /* in closed form */
  assert_close(facet_student_t(0.05, 9), 2.262157162798205543);
  assert_close(facet_student_t(0.01, 9999), 2.576321095856597738);
}

/* The smallest of four times 4, the next times 3, and no adjusted one below one before it. */
static void adjusted(void **state)
{
  (void)state;
  double p[] = {0.03, 0.01, 0.04, 0.5};
  assert_int_equal(facet_holm(4, p, p), FACET_OK);
  assert_close(p[1], 0.04);
  assert_close(p[0], 0.09);
  assert_close(p[2], 0.09);
  assert_close(p[3], 0.5);
}

/* 1, -2, 0 and 5 in units of 2: mean 0.5, squares 30, so a deviation of sqrt(26 / 3) / 2. */
static void differences(void **state)
{
  (void)state;
  facet_pairs all = {.count = 0};
  const int64_t difference[] = {1, -2, 0, 5};
  assert_true(isnan(facet_pairs_mean(&all, 1)) && isnan(facet_pairs_reach(&all, 1)));
  for (int i = 0; i < 4; i++)
    facet_pairs_add(&all, difference[i]);
  assert_true(all.count == 4 && all.wins == 2 && all.losses == 1);
  assert_close(facet_pairs_mean(&all, 2), 0.5);
  assert_close(facet_pairs_squares(&all), 30);
  assert_close(facet_pairs_reach(&all, 2), facet_student_t(0.05, 3) * sqrt(26.0 / 3) / 2 / 2);
  const int64_t large = 3000000000; /* whose squares do not add up in 64 bits */
  facet_pairs sum = {.count = 0};
  facet_pairs_add(&sum, large);
  facet_pairs_add(&sum, large);
  assert_close(facet_pairs_squares(&sum), 2 * 9e18);
}

/* Ten numbers, two of them alike, of four levels. */
static void ranks(void **state)
{
  (void)state;
  double low, high;
  const int64_t count[] = {2, 3, 3, 2}, twice[] = {9, 29, 34, 38};
  double rho = facet_spearman(4, count, twice, 8 + 2 * 4);
  assert_close(rho, 0.7746030175359292);
  assert_true(isnan(facet_spearman(1, (const int64_t[]){3}, (const int64_t[]){12}, 3)));      /* one level */
  assert_true(isnan(facet_spearman(2, (const int64_t[]){1, 1}, (const int64_t[]){3, 3}, 8))); /* one number */
  facet_spearman_interval(0.5, 103, &low, &high);
  double reach = 1.959963984540054 * sqrt(1.125 / 100);
  assert_close(low, tanh(atanh(0.5) - reach));
  assert_close(high, tanh(atanh(0.5) + reach));
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(counts),      cmocka_unit_test(tables),
                                     cmocka_unit_test(student),     cmocka_unit_test(adjusted),
                                     cmocka_unit_test(differences), cmocka_unit_test(ranks)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
