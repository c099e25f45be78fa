/* Curves: s(u) u + a(0) is the function to a few units in the last place, by formulas that are not its own, from far
 * below 0 to far above, and s goes on through 0; no slope is steeper than `steepest`. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/curve.h"

static double log_of_sum(double u) /* log(1 + e^u) */
{
  return u > 0 ? u + log1p(exp(-u)) : log1p(exp(u));
}

static double sigmoid(double u, const double *p)
{
  (void)p;
  return 1 / (1 + exp(-u));
}

static double exponential(double u, const double *p)
{
  (void)p;
  return exp(u);
}

static double hyperbolic_tangent(double u, const double *p)
{
  (void)p;
  return tanh(u);
}

static double error_function(double u, const double *p)
{
  (void)p;
  return erf(u);
}

static double soft_plus(double u, const double *p)
{
  return p[0] * u > p[1] ? u : log_of_sum(p[0] * u) / p[0];
}

static double soft_sign(double u, const double *p)
{
  (void)p;
  return u / (1 + fabs(u));
}

static double hard_swish(double u, const double *p)
{
  (void)p;
  return u * fmax(0, fmin(6, u + 3)) / 6;
}

static double mish(double u, const double *p)
{
  (void)p;
  return u * tanh(log_of_sum(u));
}

static double gelu(double u, const double *p)
{
  double third = u * u * u, inner = sqrt(2 / acos(-1)) * (u + 0.044715 * third);
  return p[0] != 0 ? u * (1 + tanh(inner)) / 2 : u * erfc(-u / sqrt(2)) / 2;
}

static double swish(double u, const double *p)
{
  return u / (1 + exp(-p[0] * u));
}

static double elu(double u, const double *p)
{
  return u > 0 ? u : p[0] * expm1(u);
}

static double celu(double u, const double *p)
{
  return fmax(0, u) + fmin(0, p[0] * expm1(u / p[0]));
}

static double selu(double u, const double *p)
{
  return p[1] * elu(u, p);
}

static const struct {
  const char *type;
  double (*function)(double u, const double *p);
  double parameter[2];
} cases[] = {
    {"Sigmoid", sigmoid, {0}},
    {"Exp", exponential, {0}},
    {"Tanh", hyperbolic_tangent, {0}},
    {"Erf", error_function, {0}},
    {"Softplus", soft_plus, {1, INFINITY}},
    {"Softplus", soft_plus, {1, 20}},
    {"Softplus", soft_plus, {2.5, 7.012}}, /* its step is at no point that is tried */
    {"Softsign", soft_sign, {0}},
    {"HardSwish", hard_swish, {0}},
    {"Mish", mish, {0}},
    {"Gelu", gelu, {0}},
    {"Gelu", gelu, {1}},
    {"Swish", swish, {1}},
    {"Swish", swish, {2.5}},
    {"Elu", elu, {1}},
    {"Elu", elu, {1.5}},
    {"Celu", celu, {0.5}},
    {"Selu", selu, {1.67326319217681884765625, 1.05070102214813232421875}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static void secants_give_the_function(void **state)
{
  (void)state;
  static const double at[] = {1e-300, 1e-8, 1e-3, 0.3, 1, 2.9, 3.1, 8, 29, 31, 700, 1e5};
  for (int i = 0; i < CASES; i++) {
    const facet_curve *c = facet_curve_find(cases[i].type);
    const double *p = cases[i].parameter;
    assert_non_null(c);
    double zero = c->at_zero ? c->at_zero(p) : 0;
    assert_true(fabs(zero - cases[i].function(0, p)) < 1e-16);
    for (size_t k = 0; k < 2 * sizeof at / sizeof at[0]; k++) {
      double u = k % 2 ? -at[k / 2] : at[k / 2], wanted = cases[i].function(u, p);
      double is = c->secant(u, p) * u + zero;
      assert_true(is == wanted || fabs(is - wanted) <= 0x1p-50 * fmax(1, fabs(wanted)));
    }
  }
}

static void secants_go_on_through_zero(void **state)
{
  (void)state;
  for (int i = 0; i < CASES; i++) {
    const facet_curve *c = facet_curve_find(cases[i].type);
    double at = c->secant(0, cases[i].parameter), below = c->secant(-1e-9, cases[i].parameter);
    assert_true(fabs(at - below) < 1e-8);
  }
}

static void no_slope_is_steeper(void **state)
{
  (void)state;
  const double step = 1e-6, range = 12;
  for (int i = 0; i < CASES; i++) {
    const facet_curve *c = facet_curve_find(cases[i].type);
    const double *p = cases[i].parameter;
    double most = c->steepest(p, 0, range + step);
    for (double u = -range; u < range; u += 0.01)
      assert_true(fabs(cases[i].function(u + step, p) - cases[i].function(u, p)) / step <= most + 1e-6);
  }
}

static void powers_roots_reciprocals_and_logarithms(void **state)
{
  (void)state;
  const facet_curve *power = facet_curve_find("Pow"), *root = facet_curve_find("Sqrt"),
                    *reciprocal = facet_curve_find("Reciprocal"), *logarithm = facet_curve_find("Log");
  const double square = 2, half = 0.5, three = 3;
  assert_true(power->secant(-3, &square) == -3 && power->secant(0, &square) == 0 && power->secant(0, &half) == 0);
  assert_true(root->secant(16, NULL) * 16 == 4 && root->secant(0, NULL) == 0);
  assert_true(reciprocal->secant(-4, &three) * -4 == -0.75 && logarithm->secant(1, NULL) == 0);
  assert_true(fabs(logarithm->secant(0.1, NULL) * 0.1 - log(0.1)) < 1e-15 && logarithm->steepest(NULL, 0.25, 9) == 4);
  assert_true(power->steepest(&square, 1, 5) == 10 && power->steepest(&half, 4, 9) == 0.25);
  assert_true(root->steepest(NULL, 4, 9) == 0.25 && reciprocal->steepest(&three, 0.5, 9) == 12);
  assert_null(facet_curve_find("Relu"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(secants_give_the_function),
      cmocka_unit_test(secants_go_on_through_zero),
      cmocka_unit_test(no_slope_is_steeper),
      cmocka_unit_test(powers_roots_reciprocals_and_logarithms),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
