/* Margins taken apart: golden net A of SCIENCE 1, whose numbers follow by hand, and patterns compared. */
#include <math.h>

#include "near.h"
#include "nets.h"

static facet_executor *executor_of(const facet_network *n, int64_t batch)
{
  facet_executor *x;
  facet_executor_options options = {.real = FACET_F64, .batch = batch, .rows = 2};
  assert_int_equal(facet_executor_create(n, options, &x), FACET_OK);
  return x;
}

/* F = (133/40, -13/5), W = ((-4, -6), (2, 3)), b by layer (6, -3), (-1, 1/2), (1/8, -1), |w_0 - w_1| = 5. */
static void golden(void **state)
{
  (void)state;
  facet_network *n = golden_a();
  facet_executor *x = executor_of(n, 3);
  facet_head head;
  const double sample[] = {0.9, -0.3, 0.9, -0.3, 0.9, -0.3};
  const int32_t label[] = {0, 1, -1};
  double gradient[6], node[9], margin[3], residual[3];
  int32_t rival[3];
  facet_margin_map map = {gradient, node, margin, residual, rival};
  assert_int_equal(facet_network_head(n, &head), FACET_OK);
  assert_int_equal(facet_executor_forward(x, sample, 3), FACET_OK);
  assert_int_equal(facet_executor_constant_nodes(x), 3);
  assert_int_equal(facet_margin_take_apart(x, &head, sample, 3, label, &map), FACET_OK);
  const double wanted[] = {-1.2, -1.8}, nodes[] = {1.8, -0.3, 0.225};
  for (int s = 0; s < 2; s++) {
    double sign = s ? -1 : 1;
    assert_int_equal(rival[s], 1 - label[s]);
    assert_near(margin[s], sign * 1.185, 1e-12);
    assert_true(residual[s] < 1e-12);
    for (int i = 0; i < 2; i++)
      assert_near(gradient[2 * s + i], sign * wanted[i], 1e-12);
    for (int i = 0; i < 3; i++)
      assert_near(node[3 * s + i], sign * nodes[i], 1e-12);
  }
  assert_true(rival[2] == -1 && isnan(margin[2]) && isnan(gradient[4]) && isnan(node[6]));
  facet_head_clear(&head);
  facet_executor_destroy(&x);
  facet_network_destroy(&n);
}

/* A network whose class directions find no memory has features all the same: nobody may store it as one without. */
static void no_memory_is_not_no_features(void **state)
{
  (void)state;
  facet_network *n = golden_a();
  facet_head head;
  int value = -1;
  assert_int_equal(facet_network_features(n, &value), 2);
  assert_string_equal(n->value[value].name, "r2");
  n->value[value].shape.dim[0] = (int64_t)1 << 60; /* more than any machine holds */
  assert_true(facet_network_features(n, NULL) > 0);
  assert_int_equal(facet_network_head(n, &head), FACET_OS);
  assert_true(!head.direction && !head.offset);
  facet_network_destroy(&n);
  assert_int_equal(facet_network_create("none", 13, &n), FACET_OK);
  assert_int_equal(facet_network_set_input(n, "x", (facet_shape){1, {2}}), FACET_OK);
  add_node(n, "Relu", "x", "y", 0, NULL);
  assert_int_equal(facet_network_set_output(n, "y"), FACET_OK);
  assert_int_equal(facet_network_finish(n), FACET_OK);
  assert_int_equal(facet_network_features(n, NULL), 0);
  assert_int_equal(facet_network_head(n, &head), FACET_BAD_INPUT);
  facet_network_destroy(&n);
}

static void a_change_is_split(void **state)
{
  (void)state;
  const double g[] = {1, 2}, x[] = {3, 4}, h[] = {2, -1}, y[] = {5, 6};
  double pixel[2], moved[2];
  facet_margin_change(2, g, x, h, y, pixel, NULL);
  assert_true(pixel[0] == 7 && pixel[1] == -14);
  facet_margin_change(2, g, x, h, y, pixel, moved);
  assert_true(moved[0] == 2 && moved[1] == 4 && pixel[0] == 5 && pixel[1] == -18);
}

/* z1 = (5/2, 2/5, -7/10) at the golden sample: at (-0.9, 0.3) it is (-1/2, -22/5, 17/10), and all three gates differ.
 */
static void gates_that_differ(void **state)
{
  (void)state;
  facet_network *n = golden_a();
  facet_executor *a = executor_of(n, 2), *b = executor_of(n, 1);
  const double two[] = {0.9, -0.3, -0.9, 0.3};
  assert_int_equal(facet_executor_forward(a, two, 2), FACET_OK);
  assert_int_equal(facet_executor_forward(b, two, 1), FACET_OK);
  assert_int_equal(facet_executor_gates(a), 2);
  for (int gate = 0; gate < 2; gate++)
    assert_int_equal(facet_executor_gate_differs(a, 0, b, 0, gate), 0);
  assert_int_equal(facet_executor_gate_differs(a, 1, b, 0, 0), 3);
  facet_executor_destroy(&a);
  facet_executor_destroy(&b);
  facet_network_destroy(&n);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(golden), cmocka_unit_test(no_memory_is_not_no_features),
                                     cmocka_unit_test(a_change_is_split), cmocka_unit_test(gates_that_differ)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
