/* Fragility, calibration, correlation and similarity on cases small enough to follow by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* needs the above */

#include "geometry/errors.h"
#include "geometry/fragility.h"
#include "geometry/moments.h"
#include "geometry/quantiles.h"
#include "geometry/similarity.h"
#include "near.h"

/* Four samples of classes 0, 1, 1, unknown; dense has the first two right. */
static void fragile_samples(void **state)
{
  (void)state;
  const int32_t label[] = {0, 1, 1, -1}, dense[] = {0, 1, 0, 1}, a[] = {0, 0, 0, 0}, b[] = {1, 0, 1, 1};
  const double margin[] = {2, 1, -1, NAN}, margin_a[] = {1, -0.5, -2, NAN}, margin_b[] = {-3, -1, 1, NAN};
  facet_fragility f;
  assert_int_equal(facet_fragility_make(5, 2, &f), FACET_OK);
  facet_fragility_begin(&f, 4, label, dense, margin);
  facet_fragility_add(&f, dense, margin, false);
  facet_fragility_add(&f, a, margin_a, true);
  facet_fragility_add(&f, b, margin_b, true);
  const int32_t flips[] = {1, 2, 1, 1};
  assert_memory_equal(f.flips, flips, sizeof flips);
  assert_true(f.worst_margin[0] == -3 && f.worst_margin[1] == -1 && f.worst_margin[2] == -2);
  assert_true(f.margin_drop[0] == 5 && f.margin_drop[1] == 2 && f.margin_drop[2] == 1);
  assert_true(isnan(f.worst_margin[3]) && isnan(f.margin_drop[3]));
  uint8_t exemplar[4];
  facet_fragility_exemplars(&f, exemplar); /* votes: 0 and 1, twice 0, 0 and 1, 0 and 1: of equals the first */
  const uint8_t named[] = {0, 1, 0, 1};
  assert_memory_equal(exemplar, named, sizeof named);
  facet_fragile list[] = {{3, 1, -1, INFINITY}, {2, 1, 1, -2}, {1, 2, 1, -1}, {0, 1, 0, -3}, {4, 1, 0, -2}};
  qsort(list, 5, sizeof *list, facet_more_fragile);
  const int64_t order[] = {1, 0, 2, 4, 3};
  for (int i = 0; i < 5; i++)
    assert_int_equal(list[i].sample, order[i]);
  double lost[] = {NAN, NAN, NAN, NAN};
  facet_fragility_lost(&f, 0.5, (const int32_t[]){1, 2, 2, 2}, 2, lost); /* half is not more than half */
  assert_true(isnan(lost[0]) && lost[1] == 0.5 && isnan(lost[2]) && isnan(lost[3]));
  facet_fragility_lost(&f, 0.9, (const int32_t[]){2, 2, 2, 2}, 2, lost);
  assert_true(lost[0] == 0.9 && lost[1] == 0.5 && isnan(lost[2]));
  facet_fragility_clear(&f);
}

/* Classes 0, 1 and 2 of three, one and no samples that count. */
static void moments_by_class(void **state)
{
  (void)state;
  const int32_t label[] = {0, 1, 0, -1, 0, 2, 1};
  const double value[] = {1, 5, 2, 100, 6, INFINITY, NAN};
  facet_moments m;
  assert_int_equal(facet_moments_make(3, &m), FACET_OK);
  for (int at_once = 7; at_once > 0; at_once -= 6) { /* all, then one by one */
    facet_moments_begin(&m);
    for (int i = 0; i < 7; i += at_once)
      facet_moments_add(&m, at_once, label + i, value + i);
    facet_moments_means(&m);
    for (int i = 0; i < 7; i += at_once)
      facet_moments_spread(&m, at_once, label + i, value + i);
    facet_moments_deviations(&m);
    assert_true(m.number[0] == 3 && m.number[1] == 1 && m.number[2] == 0 && m.number[3] == 4);
    assert_true(m.mean[0] == 3 && m.mean[1] == 5 && isnan(m.mean[2]) && m.mean[3] == 3.5);
    assert_near(m.deviation[0], sqrt(7), 1e-15);
    assert_true(isnan(m.deviation[1]) && isnan(m.deviation[2]));
    assert_near(m.deviation[3], sqrt(17.0 / 3), 1e-15);
  }
  facet_moments_clear(&m);
  facet_labelled_mean mean = {.number = 0};
  facet_labelled_mean_add(&mean, 1, label + 3, value + 3);
  assert_true(isnan(facet_labelled_mean_of(&mean)));
  facet_labelled_mean_add(&mean, 5, label, value);
  assert_true(facet_labelled_mean_of(&mean) == 3.5);
  facet_labelled_mean_add(&mean, 1, label + 5, value + 5);
  assert_true(facet_labelled_mean_of(&mean) == (double)INFINITY);
}

/* Clean, two severities of corruption 0, one of corruption 1; the network errs more than its reference. */
static void corruption_errors(void **state)
{
  (void)state;
  const int of[] = {-1, 0, 0, 1};
  const double reference[] = {1, 0.75, 0.25, 1}, network[] = {0.75, 0.5, 0, 0.5};
  facet_corruptions c = {4, 2, 0, of};
  double error[2];
  assert_true(isnan(facet_corruption_errors(&c, network, reference, false, error)));
  assert_true(error[0] == 1.5 && isnan(error[1])); /* (0.5 + 1) / (0.25 + 0.75); the reference makes no error */
  (void)facet_corruption_errors(&c, network, reference, true, error);
  assert_true(error[0] == 1); /* (0.25 + 0.75) / 1 */
  assert_true(facet_corruption_mean(&c, network) == 2.0 / 3);
  c.corruptions = 1;
  assert_true(facet_corruption_errors(&c, network, reference, false, error) == 1.5);
  assert_true(facet_corruption_errors(&c, reference, reference, true, error) == 1);
  c.clean = -1;
  assert_true(isnan(facet_corruption_errors(&c, network, reference, true, error)));
  c.corruptions = 0;
  assert_true(isnan(facet_corruption_errors(&c, network, reference, false, error)));
  assert_true(isnan(facet_corruption_mean(&(facet_corruptions){1, 0, 0, of}, network)));
}

/* Rows of two groups, of three and of one, in two columns. */
/* Far from zero, in parts of any size, and joined. */
static void spread(void **state)
{
  (void)state;
  const double value[] = {1e6 + 1, NAN, 1e6 + 5, 1e6 + 2, NAN, 1e6 + 6};
  for (int at_once = 1; at_once <= 6; at_once++) {
    facet_spread all = {.count = 0}, first = all;
    facet_spread_add(&first, 2, value);
    facet_spread_join(&all, &first);
    for (int i = 2; i < 6; i += at_once)
      facet_spread_add(&all, at_once < 6 - i ? at_once : 6 - i, value + i);
    assert_true(all.count == 4);
    assert_near(all.mean, 1e6 + 3.5, 1e-9);
    assert_near(all.squares, 17, 1e-9);
  }
  facet_spread none = {.count = 0};
  facet_spread_add(&none, 1, value + 1);
  assert_true(none.count == 0 && none.mean == 0 && none.squares == 0);
}

static void moments_by_group(void **state)
{
  (void)state;
  const int group[] = {0, 1, 0, 0};
  const double value[] = {1, 1, 7, INFINITY, 2, INFINITY, 6, 3};
  double mean[4], deviation[4];
  facet_group_moments(4, 2, 2, group, value, mean, deviation);
  assert_true(mean[0] == 3 && mean[1] == (double)INFINITY && mean[2] == 7 && mean[3] == (double)INFINITY);
  assert_near(deviation[0], sqrt(7), 1e-15);
  assert_true(isnan(deviation[1]) && isnan(deviation[2]) && isnan(deviation[3]));
}

static void calibration(void **state)
{
  (void)state;
  facet_calibration_bins bins = {.count = {0}};
  assert_true(isnan(facet_calibration_error(&bins)));
  const double logits[] = {log(3), 0, 0, log(3), log(3), 0, 5, 5}; /* confidence 3/4, and 1/2 */
  facet_calibration_add(&bins, 4, 2, logits, (const int32_t[]){0, 1, 1, -1});
  assert_near(facet_calibration_error(&bins), fabs(2.0 / 3 - 0.75), 1e-15);
  facet_calibration_add(&bins, 1, 2, (const double[]){NAN, 0}, (const int32_t[]){0});
  assert_true(isnan(facet_calibration_error(&bins)));
}

/* Of `lists` lists of `count` numbers, side by side, some at a time. */
static void correlate(int lists, int64_t count, const double *list, int64_t at_once, double *found)
{
  facet_correlations c;
  assert_int_equal(facet_correlations_make(lists, count, &c), FACET_OK);
  for (int again = 0; again < 2; again++) { /* what was there before does not matter */
    facet_correlations_begin(&c);
    for (int64_t i = 0; i < count; i += at_once)
      facet_correlations_add(&c, count - i < at_once ? count - i : at_once, count, list + i);
    for (int64_t i = 0; i < count; i += at_once)
      facet_correlations_spread(&c, count - i < at_once ? count - i : at_once, count, list + i);
    facet_correlations_of(&c, found);
  }
  facet_correlations_clear(&c);
}

static void correlation(void **state)
{
  (void)state;
  double found[16], other[16];
  correlate(4, 3, (const double[]){1, 2, 3, 2, 4, 6, 1, 0, -1, 1, 1, 1}, 3, found);
  assert_near(found[1], 1, 1e-15);
  assert_near(found[2], -1, 1e-15);
  for (int i = 0; i < 4; i++)
    assert_true(isnan(found[4 * i + 3]) && isnan(found[12 + i]));
  assert_true(found[4] == found[1] && found[8] == found[2]);
  assert_near(found[0], 1, 1e-15);
  double list[3 * 130]; /* 130 / 130 does not add up to 1 */
  for (int i = 0; i < 130; i++) {
    list[i] = 1;
    list[130 + i] = i % 3;
    list[260 + i] = i % 7;
  }
  correlate(3, 130, list, 130, found);
  correlate(3, 130, list, 7, other);
  assert_true(isnan(found[0]) && isnan(found[1]) && !isnan(found[5]));
  assert_memory_equal(found, other, 9 * sizeof *found);
}

/* 19 coordinates: two whole vectors and a rest, one of them not known. */
static void squared_differences(void **state)
{
  (void)state;
  double a[2 * 19], b[19], there[2] = {1, 2}, back[2] = {1, 2};
  for (int k = 0; k < 19; k++) {
    a[k] = k;
    a[19 + k] = 0.1 * k;
    b[k] = -k;
  }
  a[5] = b[18] = NAN;
  facet_similarity_add(19, 2, a, 1, b, there);
  facet_similarity_add(19, 1, b, 2, a, back);
  assert_true(there[0] == 1 + 4 * (1785 - 25)); /* 1 + 4 + ... + 17 * 17 = 1785 */
  assert_near(there[1], 2 + 1.21 * 1785, 1e-11);
  assert_memory_equal(there, back, sizeof there);
}

/* Points 0, 1, 5, 7 and 20 on a line. */
static void tree_and_layout(void **state)
{
  (void)state;
  const double point[] = {20, 1, 7, 0, 5};
  double distance[25] = {0}, linkage[16], layout[10];
  int64_t order[5];
  facet_similarity_add(1, 5, point, 5, point, distance);
  for (int i = 0; i < 25; i++)
    distance[i] = sqrt(distance[i]);
  assert_true(distance[1] == 19 && distance[5] == 19 && distance[0] == 0);
  assert_int_equal(facet_similarity_linkage(5, distance, linkage, order), FACET_OK);
  const double wanted[] = {1, 3, 1, 2, 2, 4, 2, 2, 5, 6, 5.5, 4, 0, 7, 16.75, 5};
  for (int i = 0; i < 16; i++)
    assert_near(linkage[i], wanted[i], 1e-12);
  const int64_t leaves[] = {0, 1, 3, 2, 4};
  assert_memory_equal(order, leaves, sizeof leaves);
  assert_int_equal(facet_similarity_layout(5, distance, layout), FACET_OK);
  for (int i = 0; i < 5; i++) { /* a line stays one, its mean at 0 */
    assert_near(layout[2 * i], point[i] - 6.6, 1e-9);
    assert_near(layout[2 * i + 1], 0, 1e-5);
  }
}

static int by_size(const void *a, const void *b)
{
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* Exact ones, whatever the parts that numbers come in; sorted, beside. Of none, one, a few, and many numbers: some
 * equal, of all sizes and signs, and some that are none. */
static void quantiles_of_many(void **state)
{
  (void)state;
  enum { MOST = 5000 };
  static float number[MOST], sorted[MOST];
  static const int64_t sizes[] = {0, 1, 7, 64, 100, MOST};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    int64_t n = sizes[s], finite = 0;
    for (int64_t i = 0; i < n; i++) {
      double x = sin((double)(i + 1) * 12.9898) * 43758.5453;
      number[i] = (float)(i % 5 == 0 ? 0.25 : i % 7 == 0 ? -0.0 : ldexp(x - floor(x) - 0.4, (int)(i % 300) - 150));
      if (i > 10 && i % 11 == 0)
        number[i] = i % 2 ? (float)NAN : i % 3 ? (float)INFINITY : -(float)INFINITY;
      if (isfinite(number[i]))
        sorted[finite++] = number[i];
    }
    qsort(sorted, (size_t)finite, sizeof *sorted, by_size);
    facet_quantiles q;
    float edge[FACET_BINS + 1];
    assert_int_equal(facet_quantiles_begin(&q), FACET_OK);
    do {
      facet_quantiles_add(&q, n / 3, number);
      facet_quantiles_add(&q, n - n / 3, number + n / 3);
    } while (facet_quantiles_next(&q));
    facet_quantiles_edges(&q, edge);
    facet_quantiles_clear(&q);
    for (int t = 0; t <= FACET_BINS; t++)
      assert_true(finite > 0 ? edge[t] == sorted[t < FACET_BINS ? t * finite / FACET_BINS : finite - 1]
                             : isnan(edge[t]));
    for (int64_t i = 0; i < n; i++) {
      int bin = 0;
      for (int t = 1; t < FACET_BINS; t++)
        bin += edge[t] <= number[i];
      assert_int_equal(facet_bin_of(edge, number[i]), isfinite(number[i]) ? bin : FACET_NO_BIN);
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fragile_samples),   cmocka_unit_test(moments_by_class),    cmocka_unit_test(spread),
      cmocka_unit_test(corruption_errors), cmocka_unit_test(moments_by_group),    cmocka_unit_test(calibration),
      cmocka_unit_test(correlation),       cmocka_unit_test(squared_differences), cmocka_unit_test(quantiles_of_many),
      cmocka_unit_test(tree_and_layout)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
