/* The table of curves: see curve.h. */
#include "curve.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const double SQRT_2 = 1.4142135623730951, TWO_OVER_ROOT_PI = 1.1283791670955126, LOG_2 = 0.6931471805599453;

/* ---- without parameters ---- */

static double sigmoid(double u, const double *p)
{
  (void)p;
  return u == 0 ? 0.25 : tanh(u / 2) / (2 * u);
}

static double one_half(const double *p)
{
  (void)p;
  return 0.5;
}

static double exponential(double u, const double *p)
{
  (void)p;
  return u == 0 ? 1 : expm1(u) / u;
}

static double exactly_one(const double *p)
{
  (void)p;
  return 1;
}

static double hyperbolic_tangent(double u, const double *p)
{
  (void)p;
  return u == 0 ? 1 : tanh(u) / u;
}

static double error_function(double u, const double *p)
{
  (void)p;
  return u == 0 ? TWO_OVER_ROOT_PI : erf(u) / u;
}

static double log_of_sum(double u) /* log(1 + e^u) */
{
  return fmax(u, 0) + log1p(exp(-fabs(u)));
}

/* log(1 + e^u) - log 2. */
static double soft_plus_rise(double u)
{
  enum { LARGE = 30 };
  return u > LARGE ? u + log1p(exp(-u)) - LOG_2 : log1p(expm1(u) / 2);
}

static double soft_sign(double u, const double *p)
{
  (void)p;
  return 1 / (1 + fabs(u));
}

static double hard_swish(double u, const double *p)
{
  (void)p;
  double share = (u + 3) / 6;
  return share < 0 ? 0 : share > 1 ? 1 : share;
}

static double mish(double u, const double *p)
{
  (void)p;
  return tanh(log_of_sum(u));
}

/* ---- with parameters ---- */

/* p[0]: whether by tanh. */
static double gelu(double u, const double *p)
{
  const double cube = 0.044715, factor = TWO_OVER_ROOT_PI / SQRT_2;
  return p[0] != 0 ? (1 + tanh(factor * (u + cube * u * u * u))) / 2 : erfc(-u / SQRT_2) / 2;
}

/* p[0]: alpha. */
static double swish(double u, const double *p)
{
  return 1 / (1 + exp(-p[0] * u));
}

/* p[0]: beta; p[1]: threshold of beta u, at least 0, above which it is u itself: a step of log(1 + e^-p[1]) / p[0]. */
static double soft_plus(double u, const double *p)
{
  double v = p[0] * u;
  return v == 0 ? 0.5 : v > p[1] ? 1 - LOG_2 / v : soft_plus_rise(v) / v;
}

static double of_soft_plus(const double *p)
{
  return LOG_2 / p[0];
}

/* p[0]: the exponent. Without a limit at 0 it is 0. */
static double power(double u, const double *p)
{
  return u == 0 && p[0] < 1 ? 0 : pow(u, p[0] - 1);
}

static double square_root(double u, const double *p)
{
  (void)p;
  return u == 0 ? 0 : 1 / sqrt(u);
}

/* p[0]: what is divided. */
static double reciprocal(double u, const double *p)
{
  return p[0] / (u * u);
}

static double logarithm(double u, const double *p)
{
  (void)p;
  return log(u) / u;
}

/* p[0]: alpha. At 0 the lower side's, as a gate there is on its lower piece. */
static double elu(double u, const double *p)
{
  return u > 0 ? 1 : u == 0 ? p[0] : p[0] * expm1(u) / u;
}

static double celu(double u, const double *p)
{
  return u >= 0 ? 1 : p[0] * expm1(u / p[0]) / u;
}

/* p[1]: gamma. */
static double selu(double u, const double *p)
{
  return p[1] * elu(u, p);
}

/* ---- the steepest ---- */

static double one_quarter(const double *p, double least, double most)
{
  (void)least, (void)most;
  (void)p;
  return 0.25;
}

static double one(const double *p, double least, double most)
{
  (void)least, (void)most;
  (void)p;
  return 1;
}

static double of_error_function(const double *p, double least, double most)
{
  (void)least, (void)most;
  (void)p;
  return TWO_OVER_ROOT_PI;
}

static double of_bump(const double *p, double least, double most) /* Gelu 1.129, Swish 1.1, Mish 1.09 */
{
  (void)least, (void)most;
  (void)p;
  return 1.13;
}

static double of_hard_swish(const double *p, double least, double most)
{
  (void)least, (void)most;
  (void)p;
  return 1.5;
}

static double of_elu(const double *p, double least, double most)
{
  (void)least, (void)most;
  return fmax(1, fabs(p[0]));
}

static double of_selu(const double *p, double least, double most)
{
  (void)least, (void)most;
  return fabs(p[1]) * of_elu(p, 0, 0);
}

/* Of u^q |q| u^(q - 1), which is largest at one end or the other. */
static double of_power(const double *p, double least, double most)
{
  return fabs(p[0]) * pow(p[0] < 1 ? least : most, p[0] - 1);
}

static double of_root(const double *p, double least, double most)
{
  (void)p, (void)most;
  return 1 / (2 * sqrt(least));
}

static double of_reciprocal(const double *p, double least, double most)
{
  (void)most;
  return fabs(p[0]) / (least * least);
}

static double of_exponential(const double *p, double least, double most)
{
  (void)p, (void)least;
  return exp(most);
}

static double of_logarithm(const double *p, double least, double most)
{
  (void)p, (void)most;
  return 1 / least;
}

static const facet_curve curves[] = {
    {"Celu", celu, NULL, one, false, false},
    {"Elu", elu, NULL, of_elu, false, false},
    {"Erf", error_function, NULL, of_error_function, true, false},
    {"Exp", exponential, exactly_one, of_exponential, false, false},
    {"Gelu", gelu, NULL, of_bump, false, false},
    {"HardSwish", hard_swish, NULL, of_hard_swish, false, false},
    {"Log", logarithm, NULL, of_logarithm, false, true},
    {"Mish", mish, NULL, of_bump, false, false},
    {"Pow", power, NULL, of_power, false, true},
    {"Reciprocal", reciprocal, NULL, of_reciprocal, false, true},
    {"Selu", selu, NULL, of_selu, false, false},
    {"Sigmoid", sigmoid, one_half, one_quarter, true, false},
    {"Softplus", soft_plus, of_soft_plus, one, false, false},
    {"Softsign", soft_sign, NULL, one, true, false},
    {"Sqrt", square_root, NULL, of_root, false, true},
    {"Swish", swish, NULL, of_bump, false, false},
    {"Tanh", hyperbolic_tangent, NULL, one, true, false},
};

const facet_curve *facet_curve_find(const char *type)
{
  for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++)
    if (strcmp(curves[i].type, type) == 0)
      return &curves[i];
  return NULL;
}
