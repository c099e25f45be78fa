/* What attributions are made with: the quadrature, made once, and pieces of a path that are found once for all rows. */
#include <facet/attribution.h>
#include <math.h>
#include <string.h>

#include "near.h"
#include "nets.h"

enum { STEPS = 1000, INPUTS = 2, CLASSES = 2 };

static facet_status count(void *context)
{
  ++*(int64_t *)context;
  return FACET_OK;
}

/* One pause and one point after the other: the square of the steps in all. Right for powers below 2 STEPS. */
static void a_quadrature(void **state)
{
  (void)state;
  static double node[STEPS], weight[STEPS];
  int64_t asked = 0;
  assert_int_equal(facet_attribution_quadrature(STEPS, count, &asked, node, weight), FACET_OK);
  assert_int_equal(asked, STEPS);
  for (int power = 0; power < 2 * STEPS; power += 399) {
    double sum = 0;
    for (int i = 0; i < STEPS; i++)
      sum += weight[i] * pow(node[i], power);
    assert_near(sum, 1.0 / (power + 1), 1e-14);
  }
  for (int i = 1; i < STEPS; i++)
    assert_true(node[i] > node[i - 1] && weight[i] > 0);
}

static facet_attributor *made(const facet_network *n, int64_t steps, const double *node, const double *weight,
                              int64_t *asked)
{
  facet_attributor *a;
  const facet_attribution_options options = {.steps = steps,
                                             .noisy = 1,
                                             .epsilon = 1e-9,
                                             .bytes = 1 << 20,
                                             .image = {1, 1, INPUTS},
                                             .pause = count,
                                             .context = asked,
                                             .node = node,
                                             .weight = weight};
  if (facet_attributor_create(n, &options, &a) != FACET_OK)
    fail_msg("%s", facet_message());
  return a;
}

/* It is not made where it is given, nor before it is needed. */
static void made_once(void **state)
{
  (void)state;
  static double node[STEPS], weight[STEPS];
  double given[CLASSES * INPUTS], own[CLASSES * INPUTS];
  const int32_t row[CLASSES] = {0, 1};
  const facet_explained what = {.x = (double[]){0.9, -0.3}, .baseline = (double[]){-1, -1}, .k = CLASSES, .row = row};
  int64_t asked = 0;
  int method = facet_attribution_find("integrated_gradients");
  facet_network *n = golden_a();
  assert_int_equal(facet_attribution_quadrature(STEPS, NULL, NULL, node, weight), FACET_OK);
  facet_attributor *a = made(n, STEPS, node, weight, &asked);
  assert_int_equal(facet_attributor_ready(a, method), FACET_OK);
  assert_int_equal(asked, 0);
  assert_int_equal(facet_attributor_explain(a, method, &what, given), FACET_OK);
  facet_attributor_destroy(&a);
  asked = 0;
  a = made(n, STEPS, NULL, NULL, &asked);
  assert_int_equal(asked, 0);
  assert_int_equal(facet_attributor_ready(a, method), FACET_OK);
  assert_int_equal(asked, STEPS);
  assert_int_equal(facet_attributor_explain(a, method, &what, own), FACET_OK);
  for (int i = 0; i < CLASSES * INPUTS; i++)
    assert_true(given[i] == own[i]);
  facet_attributor_destroy(&a);
  const facet_attribution_options too_many = {.steps = FACET_ATTRIBUTION_STEPS + 1, .noisy = 1, .epsilon = 1};
  assert_int_equal(facet_attributor_create(n, &too_many, &a), FACET_BAD_INPUT);
  facet_network_destroy(&n);
}

/* Steps that are taken there do not become more with rows; the numbers of a row are those that it has alone. */
static void pieces_are_found_once(void **state)
{
  (void)state;
  double both[CLASSES * INPUTS], alone[INPUTS];
  int64_t asked = 0, of_one, of_two;
  int method = facet_attribution_find("exact_integrated_gradients");
  facet_network *n = golden_a();
  facet_attributor *a = made(n, 1, NULL, NULL, &asked);
  const int32_t row[CLASSES] = {1, 0};
  facet_explained what = {.x = (double[]){0.9, -0.3}, .baseline = (double[]){-1, -1}, .k = CLASSES, .row = row};
  assert_int_equal(facet_attributor_explain(a, method, &what, both), FACET_OK);
  of_two = asked;
  for (int k = 0; k < CLASSES; k++) {
    asked = 0;
    what.k = 1;
    what.row = &row[k];
    assert_int_equal(facet_attributor_explain(a, method, &what, alone), FACET_OK);
    of_one = asked;
    assert_true(of_two < 2 * of_one);
    for (int i = 0; i < INPUTS; i++)
      assert_true(alone[i] == both[k * INPUTS + i]);
  }
  assert_near(both[INPUTS] + both[INPUTS + 1], -1.8,
              1e-12); /* of class 0: the logit at the end less that at the start */
  facet_attributor_destroy(&a);
  facet_network_destroy(&n);
}

/* Every method asks at every node of a pass there and back, at least. */
static void it_asks_at_every_step(void **state)
{
  (void)state;
  double to[INPUTS];
  int64_t asked = 0;
  facet_network *n = golden_a();
  facet_attributor *a = made(n, 2, NULL, NULL, &asked);
  const facet_explained what = {
      .x = (double[]){0.9, -0.3}, .baseline = (double[]){-1, -1}, .k = 1, .row = (const int32_t[]){0}};
  for (int m = 0; facet_attribution_name(m); m++) {
    asked = 0;
    assert_int_equal(facet_attributor_explain(a, m, &what, to), FACET_OK);
    if (strcmp(facet_attribution_name(m), "gradcam") != 0) /* there is no convolution */
      assert_true(asked >= 2 * n->nodes);
  }
  facet_attributor_destroy(&a);
  facet_network_destroy(&n);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_quadrature),
      cmocka_unit_test(made_once),
      cmocka_unit_test(pieces_are_found_once),
      cmocka_unit_test(it_asks_at_every_step),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
