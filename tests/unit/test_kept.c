/* What is kept of W where W itself is not: float16, and digests. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h> /* needs the above */

#include "linear/digest.h"
#include "linear/half.h"
#include "near.h"

static void every_half_comes_back(void **state)
{
  (void)state;
  for (int bits = 0; bits < 0x10000; bits++) {
    double number = facet_half_to((uint16_t)bits);
    if (isnan(number))
      assert_true(isnan(facet_half_to(facet_half_from(number))));
    else
      assert_int_equal(facet_half_from(number), bits);
  }
  assert_near(facet_half_to(0x3c00), 1, 0);
  assert_near(facet_half_to(0x7bff), FACET_HALF_MOST, 0);
  assert_near(facet_half_to(0x8001), -0x1p-24, 0);
}

/* Between two neighbours the nearer one, in the middle the even one, at the ends as well. */
static void halves_are_the_nearest(void **state)
{
  (void)state;
  for (int bits = 0; bits < 0x7bff; bits++) {
    double a = facet_half_to((uint16_t)bits), b = facet_half_to((uint16_t)(bits + 1)), middle = (a + b) / 2;
    assert_int_equal(facet_half_from(middle), bits + bits % 2);
    assert_int_equal(facet_half_from(nextafter(middle, 0)), bits);
    assert_int_equal(facet_half_from(-nextafter(middle, INFINITY)), 0x8000 + bits + 1);
  }
  assert_int_equal(facet_half_from(nextafter(65520, 0)), 0x7bff);
  assert_true(isinf(facet_half_to(facet_half_from(65520))));
}

/* ---- digests ---- */

enum { WIDE = 1 << 21, CLASSES = 4, ROWS = 9 }; /* so wide that sums of two classes are at hand, and no more */

typedef struct {
  double *sums[CLASSES];
  int loads, saves;
} shelf;

static facet_status load(void *context, int64_t k, double *sums)
{
  shelf *s = context;
  s->loads++;
  memcpy(sums, s->sums[k], 2 * WIDE * sizeof *sums);
  return FACET_OK;
}

static facet_status save(void *context, int64_t k, const double *sums)
{
  shelf *s = context;
  s->saves++;
  if (!s->sums[k])
    s->sums[k] = facet_allocate(2 * WIDE, sizeof *sums);
  memcpy(s->sums[k], sums, 2 * WIDE * sizeof *sums);
  return FACET_OK;
}

static float number(int64_t row, int64_t i)
{
  return (float)sin((double)(row * 7 + i));
}

/* Sums that were given up and taken back have the bits of a plain loop. */
static void digests_of_more_classes_than_are_held(void **state)
{
  (void)state;
  const int64_t class_of[ROWS] = {0, 1, 2, 0, 2, 0, 1, 1, 2}; /* nobody explains class 3 */
  shelf s = {.loads = 0};
  facet_digest d;
  float *w = facet_allocate(WIDE, sizeof *w), *x = facet_allocate(WIDE, sizeof *x);
  double *plain = facet_allocate((size_t)CLASSES * WIDE, sizeof *plain);
  assert_int_equal(facet_digest_make(FACET_F32, WIDE, CLASSES, false, (facet_class_keeper){load, save, &s}, &d),
                   FACET_OK);
  assert_int_equal(d.places, 2);
  facet_digest_begin(&d);
  for (int r = 0; r < ROWS; r++) {
    for (int64_t i = 0; i < WIDE; i++) {
      w[i] = number(r, i);
      x[i] = number(i, r);
      plain[class_of[r] * WIDE + i] += (double)w[i] * (double)x[i];
    }
    assert_int_equal(facet_digest_add(&d, class_of[r], w, x), FACET_OK);
  }
  assert_int_equal(facet_digest_end(&d), FACET_OK);
  assert_true(s.loads > 2);
  for (int64_t k = 0; k < CLASSES; k++) {
    assert_int_equal(d.rows[k], k < 3 ? 3 : 0);
    assert_memory_equal(s.sums[k], plain + k * WIDE, WIDE * sizeof *plain);
    for (int64_t i = 0; i < WIDE; i += 1001)
      assert_true(s.sums[k][WIDE + i] >= fabs(s.sums[k][i]));
    facet_free(&s.sums[k]);
  }
  facet_digest_clear(&d);
  FACET_FREE(&w, &x, &plain);
}

static facet_status forget(void *context, int64_t k, const double *sums)
{
  (void)context, (void)k, (void)sums;
  return FACET_OK;
}

/* More rows than wait at a time; then again from zeros. */
static void digests_with_a_gram_matrix(void **state)
{
  (void)state;
  enum { INPUTS = 5, MANY = 700 };
  double w[INPUTS], sum[INPUTS * INPUTS] = {0};
  facet_digest d;
  assert_int_equal(facet_digest_make(FACET_F64, INPUTS, 1, true, (facet_class_keeper){NULL, forget, NULL}, &d),
                   FACET_OK);
  for (int turn = 0; turn < 2; turn++) {
    facet_digest_begin(&d);
    for (int64_t r = 0; r < MANY; r++) {
      for (int64_t i = 0; i < INPUTS; i++)
        w[i] = (double)number(r, i);
      for (int i = 0; i < INPUTS * INPUTS && turn == 0; i++)
        sum[i] += w[i / INPUTS] * w[i % INPUTS];
      assert_int_equal(facet_digest_add(&d, 0, w, w), FACET_OK);
    }
    assert_int_equal(facet_digest_end(&d), FACET_OK);
    for (int i = 0; i < INPUTS * INPUTS; i++)
      assert_near(d.gram.sum[i], sum[i], 1e-9);
  }
  facet_digest_clear(&d);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_half_comes_back), cmocka_unit_test(halves_are_the_nearest),
                                     cmocka_unit_test(digests_of_more_classes_than_are_held),
                                     cmocka_unit_test(digests_with_a_gram_matrix)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
