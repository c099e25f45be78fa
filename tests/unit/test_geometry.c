/* Geometry against numbers worked out by hand, and the loss that angle, length and directions must give back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "near.h"
#include "rooms.h"

static const double tiny = 1e-15;

/* h = (3, 4) against (1, 0), (0, 1) and (-3, -4): cosines 3/5, 4/5 and -1; logits 13/4, 7/2 and -25. */
static double three_direction[] = {1, 0, 0, 1, -3, -4};
static double three_offset[] = {0.25, -0.5, 0};
static const facet_head three = {.features = 2, .classes = 3, .direction = three_direction, .offset = three_offset};
static const double three_h[] = {3, 4};

static void test_by_hand(void **state)
{
  (void)state;
  const double angle_wanted[] = {0.92729521800161223, 0.64350110879328439, 3.14159265358979324};
  const double margin_wanted[] = {-0.17677669529663688, 0.17677669529663688, -4.9939416421299919};
  for (int32_t y = 0; y < 3; y++) {
    double angle, length, margin, cosine[3];
    facet_geometry(&three, three_h, y, &angle, &length, &margin, cosine);
    assert_near(length, 5, 0);
    assert_near(cosine[0], 0.6, tiny);
    assert_near(cosine[1], 0.8, tiny);
    assert_near(cosine[2], -1, tiny);
    assert_near(angle, angle_wanted[y], tiny);
    assert_near(margin, margin_wanted[y], 4 * tiny);
  }
}

static void test_loss_by_hand(void **state)
{
  (void)state;
  const double logits[] = {3.25, 3.5, -25};
  const double wanted[] = {0.82593941987907933, 0.57593941987907933, 29.075939419879079};
  for (int32_t y = 0; y < 3; y++)
    assert_near(facet_cross_entropy(logits, 3, y), wanted[y], 1e-14);
}

static void test_unknown_class(void **state)
{
  (void)state;
  const int32_t unknown[] = {-1, 3};
  for (int i = 0; i < 2; i++) {
    double angle, length, margin, cosine[3];
    facet_geometry(&three, three_h, unknown[i], &angle, &length, &margin, cosine);
    assert_true(isnan(angle));
    assert_true(isnan(margin));
    assert_near(length, 5, 0);
    assert_near(cosine[1], 0.8, tiny);
    assert_true(isnan(facet_cross_entropy(three_h, 2, unknown[i])));
    assert_true(isnan(facet_loss_from_geometry(&three, length, cosine, unknown[i])));
  }
}

/* Nothing points anywhere: right angles. The offsets alone decide the loss and, over the distance, the margin. */
static void test_zero_feature(void **state)
{
  (void)state;
  const double h[] = {0, 0};
  double angle, length, margin, cosine[3];
  facet_geometry(&three, h, 0, &angle, &length, &margin, cosine);
  assert_near(length, 0, 0);
  for (int j = 0; j < 3; j++)
    assert_near(cosine[j], 0, 0);
  assert_near(angle, acos(0), 0);
  assert_near(margin, 0.25 / sqrt(32), tiny);
  assert_near(facet_loss_from_geometry(&three, length, cosine, 0), facet_cross_entropy(three_offset, 3, 0), tiny);
}

static void test_zero_direction(void **state)
{
  (void)state;
  double direction[] = {0, 0, 2, 0};
  double offset[] = {1, 0};
  const facet_head head = {.features = 2, .classes = 2, .direction = direction, .offset = offset};
  const double h[] = {3, 4};
  double angle, length, margin, cosine[2];
  facet_geometry(&head, h, 0, &angle, &length, &margin, cosine);
  assert_near(cosine[0], 0, 0);
  assert_near(cosine[1], 0.6, tiny);
  assert_near(margin, (-6 + 1) / 2.0, tiny);
}

/* Classes that share a direction have no boundary between them, only a sign. */
static void test_same_direction(void **state)
{
  (void)state;
  double direction[] = {1, 2, 1, 2};
  double offset[] = {0.5, -0.5};
  facet_head head = {.features = 2, .classes = 2, .direction = direction, .offset = offset};
  const double h[] = {3, 4};
  double angle, length, margin, cosine[2];
  facet_geometry(&head, h, 0, &angle, &length, &margin, cosine);
  assert_true(isinf(margin) && margin > 0);
  facet_geometry(&head, h, 1, &angle, &length, &margin, cosine);
  assert_true(isinf(margin) && margin < 0);
  offset[1] = 0.5;
  facet_geometry(&head, h, 1, &angle, &length, &margin, cosine);
  assert_near(margin, 0, 0);
}

static void test_not_a_number_stays(void **state)
{
  (void)state;
  const double h[] = {NAN, 4};
  double angle, length, margin, cosine[3];
  facet_geometry(&three, h, 0, &angle, &length, &margin, cosine);
  assert_true(isnan(angle) && isnan(length) && isnan(margin) && isnan(cosine[0]));
  const double logits[] = {1, NAN, 2};
  for (int32_t y = 0; y < 3; y++)
    assert_true(isnan(facet_cross_entropy(logits, 3, y)));
}

/* Neither a huge logit overflows nor does a loss near zero vanish in rounding. */
static void test_extreme_logits(void **state)
{
  (void)state;
  const double huge[] = {1000, -1000, 999};
  assert_near(facet_cross_entropy(huge, 3, 1), 2000 + log1p(exp(-1)), 1e-12);
  const double sure[] = {40, 0};
  assert_near(facet_cross_entropy(sure, 2, 0) / exp(-40), 1, 1e-14);
}

/* ---- random heads ---- */

enum { CLASSES = 10, FEATURES = 64, SAMPLES = 2000 };

typedef struct {
  facet_head head;
  double h[SAMPLES][FEATURES];
  double logits[SAMPLES][CLASSES];
} random_case;

static void normals(uint64_t sample, int64_t count, double *x)
{
  for (int64_t i = 0; i < count; i++) {
    double pair[2];
    facet_random_normal((facet_random){.seed = 7, .stream = 99}, sample, (uint64_t)i, pair);
    x[i] = pair[0];
  }
}

static int set_up(void **state)
{
  static double direction[CLASSES * FEATURES], offset[CLASSES];
  random_case *c = calloc(1, sizeof *c);
  if (!c)
    return -1;
  normals(0, CLASSES * FEATURES, direction);
  normals(1, CLASSES, offset);
  c->head = (facet_head){.features = FEATURES, .classes = CLASSES, .direction = direction, .offset = offset};
  for (int s = 0; s < SAMPLES; s++) {
    normals((uint64_t)s + 2, FEATURES, c->h[s]);
    for (int j = 0; j < CLASSES; j++) {
      c->logits[s][j] = offset[j];
      for (int i = 0; i < FEATURES; i++)
        c->logits[s][j] += direction[j * FEATURES + i] * c->h[s][i];
    }
  }
  *state = c;
  return 0;
}

static int tear_down(void **state)
{
  free(*state);
  return 0;
}

static bool misclassified(const double *logits, int32_t y)
{
  for (int32_t j = 0; j < CLASSES; j++)
    if (logits[j] > logits[y])
      return true;
  return false;
}

static void test_margin_is_negative_exactly_when_misclassified(void **state)
{
  const random_case *c = *state;
  int right = 0;
  for (int s = 0; s < SAMPLES; s++)
    for (int32_t y = 0; y < CLASSES; y++) {
      double angle, length, margin, cosine[CLASSES];
      facet_geometry(&c->head, c->h[s], y, &angle, &length, &margin, cosine);
      assert_int_equal(margin < 0, misclassified(c->logits[s], y));
      right += margin > 0;
    }
  assert_int_equal(right, SAMPLES);
}

/* Going the margin's length straight at the nearest boundary ends on it. */
static void test_margin_is_a_distance(void **state)
{
  const random_case *c = *state;
  for (int s = 0; s < 100; s++) {
    int32_t y = 0, rival = -1;
    while (misclassified(c->logits[s], y))
      y++;
    double angle, length, margin, cosine[CLASSES], nearest = INFINITY;
    facet_geometry(&c->head, c->h[s], y, &angle, &length, &margin, cosine);
    double toward[FEATURES];
    for (int32_t j = 0; j < CLASSES; j++) {
      double square = 0;
      for (int i = 0; i < FEATURES; i++)
        square += pow(c->head.direction[y * FEATURES + i] - c->head.direction[j * FEATURES + i], 2);
      if (j == y || (c->logits[s][y] - c->logits[s][j]) / sqrt(square) >= nearest)
        continue;
      nearest = (c->logits[s][y] - c->logits[s][j]) / sqrt(square);
      rival = j;
      for (int i = 0; i < FEATURES; i++)
        toward[i] = (c->head.direction[j * FEATURES + i] - c->head.direction[y * FEATURES + i]) / sqrt(square);
    }
    double own = c->head.offset[y], other = c->head.offset[rival];
    for (int i = 0; i < FEATURES; i++) {
      double moved = c->h[s][i] + margin * toward[i];
      own += c->head.direction[y * FEATURES + i] * moved;
      other += c->head.direction[rival * FEATURES + i] * moved;
    }
    assert_near(own, other, 1e-11);
  }
}

static void test_loss_from_geometry_is_the_cross_entropy(void **state)
{
  const random_case *c = *state;
  for (int s = 0; s < SAMPLES; s++)
    for (int32_t y = 0; y < CLASSES; y++) {
      double angle, length, margin, cosine[CLASSES];
      facet_geometry(&c->head, c->h[s], y, &angle, &length, &margin, cosine);
      double loss = facet_cross_entropy(c->logits[s], CLASSES, y);
      assert_near(facet_loss_from_geometry(&c->head, length, cosine, y), loss, 1e-12 * fmax(1, loss));
    }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_by_hand),
      cmocka_unit_test(test_loss_by_hand),
      cmocka_unit_test(test_unknown_class),
      cmocka_unit_test(test_zero_feature),
      cmocka_unit_test(test_zero_direction),
      cmocka_unit_test(test_same_direction),
      cmocka_unit_test(test_not_a_number_stays),
      cmocka_unit_test(test_extreme_logits),
      cmocka_unit_test_setup_teardown(test_margin_is_negative_exactly_when_misclassified, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_margin_is_a_distance, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_loss_from_geometry_is_the_cross_entropy, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
