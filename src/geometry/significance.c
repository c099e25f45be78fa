/* Tests of counts by their exact distributions, of pairs and ranks: see significance.h. */
#include "significance.h"

#include <math.h>
#include <stdlib.h>

/* ---- counts ---- */

static double log_choose(int64_t n, int64_t k)
{
  return lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1);
}

/* The terms fall from k on, or rise to the middle first and fall then: they are added until they no longer count. */
double facet_binomial_above(int64_t k, int64_t n, double p)
{
  if (k <= 0)
    return 1;
  if (k > n || p <= 0)
    return 0;
  if (p >= 1)
    return 1;
  double term = exp(log_choose(n, k) + (double)k * log(p) + (double)(n - k) * log1p(-p)), sum = 0;
  if (term == 0 && (double)k < (double)n * p) /* far below the middle */
    return 1;
  for (int64_t i = k; i <= n && (term > sum * 1e-17 || (double)i < (double)n * p); i++) {
    sum += term;
    term *= (double)(n - i) / (double)(i + 1) * (p / (1 - p));
  }
  return sum < 1 ? sum : 1;
}

double facet_sign_test(int64_t wins, int64_t losses)
{
  int64_t more = wins > losses ? wins : losses;
  double twice = 2 * facet_binomial_above(more, wins + losses, 0.5);
  return twice < 1 ? twice : 1;
}

double facet_fisher_test(int64_t a, int64_t row, int64_t c, int64_t other)
{
  if (row <= 0 || other <= 0)
    return 1;
  int64_t hits = a + c, least = hits > other ? hits - other : 0, most = hits < row ? hits : row;
  double all = log_choose(row + other, hits), sum = 0;
  double here = log_choose(row, a) + log_choose(other, c) - all;
  double term = log_choose(row, least) + log_choose(other, hits - least) - all;
  for (int64_t i = least; i <= most; i++) {
    if (term <= here + 1e-7)
      sum += exp(term);
    term += log((double)(row - i) * (double)(hits - i) / ((double)(i + 1) * (double)(other - hits + i + 1)));
  }
  return sum < 1 ? sum : 1;
}

/* ---- Student's t ---- */

enum { MOST_FRACTIONS = 500, HALVINGS = 200 };

/* A step of Lentz's method. */
static double lentz(double number)
{
  return fabs(number) < 1e-300 ? 1e-300 : number;
}

/* The continued fraction of the incomplete beta function (Abramowitz & Stegun 26.5.8), by Lentz's method. */
static double beta_fraction(double a, double b, double x)
{
  double c = 1, d = 1 / lentz(1 - (a + b) * x / (a + 1)), result = d;
  for (int m = 1; m < MOST_FRACTIONS; m++) {
    double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / lentz(1 + even * d);
    c = lentz(1 + even / c);
    result *= c * d;
    d = 1 / lentz(1 + odd * d);
    c = lentz(1 + odd / c);
    result *= c * d;
    if (fabs(c * d - 1) < 1e-16)
      break;
  }
  return result;
}

/* The regularized incomplete beta function. */
static double beta_below(double a, double b, double x)
{
  if (x <= 0 || x >= 1)
    return x <= 0 ? 0 : 1;
  double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double facet_student_p(double t, double degrees)
{
  return isinf(t) ? 0 : beta_below(degrees / 2, 0.5, degrees / (degrees + t * t));
}

double facet_student_t(double p, double degrees)
{
  double low = 0, high = 1;
  while (facet_student_p(high, degrees) > p && high < 1e300)
    high *= 2;
  for (int i = 0; i < HALVINGS && low < high; i++) {
    double middle = (low + high) / 2;
    if (facet_student_p(middle, degrees) > p)
      low = middle;
    else
      high = middle;
  }
  return high;
}

/* ---- many tests ---- */

typedef struct {
  double p;
  int64_t of;
} listed;

static int by_p(const void *a, const void *b)
{
  const listed *x = a, *y = b;
  return x->p != y->p ? (x->p > y->p) - (x->p < y->p) : (x->of > y->of) - (x->of < y->of);
}

facet_status facet_holm(int64_t count, const double *p, double *adjusted)
{
  listed *list;
  double most = 0;
  FACET_NEW(list, count);
  for (int64_t i = 0; i < count; i++)
    list[i] = (listed){p[i], i};
  qsort(list, (size_t)count, sizeof *list, by_p);
  for (int64_t i = 0; i < count; i++) {
    double own = fmin(1, list[i].p * (double)(count - i));
    most = own > most ? own : most;
    adjusted[list[i].of] = most;
  }
  facet_free(&list);
  return FACET_OK;
}

/* ---- pairs ---- */

#define PART ((int64_t)1 << 20)

void facet_pairs_add(facet_pairs *pairs, int64_t difference)
{
  int64_t square = difference * difference;
  pairs->count++;
  pairs->wins += difference > 0;
  pairs->losses += difference < 0;
  pairs->sum += difference;
  pairs->high += square / PART;
  pairs->low += square % PART;
}

double facet_pairs_squares(const facet_pairs *pairs)
{
  return (double)pairs->high * (double)PART + (double)pairs->low;
}

double facet_pairs_mean(const facet_pairs *pairs, double unit)
{
  return pairs->count > 0 ? (double)pairs->sum / (double)pairs->count / unit : NAN;
}

double facet_pairs_reach(const facet_pairs *pairs, double unit)
{
  double n = (double)pairs->count, mean = facet_pairs_mean(pairs, 1);
  if (pairs->count < 2)
    return NAN;
  double around = facet_pairs_squares(pairs) - n * mean * mean;
  return facet_student_t(0.05, n - 1) * sqrt(fmax(0, around) / (n - 1) / n) / unit;
}

/* ---- ranks ---- */

/* Pearson's correlation of midranks, of which those of a level are all the same. */
double facet_spearman(int64_t levels, const int64_t *count, const int64_t *twice, double alike)
{
  int64_t n = 0;
  double mean, ab = 0, bb = 0;
  for (int64_t k = 0; k < levels; k++)
    n += count[k];
  mean = ((double)n + 1) / 2;
  int64_t below = 0;
  for (int64_t k = 0; k < levels; k++) {
    double own = (double)below + ((double)count[k] + 1) / 2 - mean;
    ab += own * ((double)twice[k] / 2 - (double)count[k] * mean);
    bb += own * own * (double)count[k];
    below += count[k];
  }
  double aa = ((double)n * (double)n * (double)n - alike) / 12; /* ties take t (t^2 - 1) / 12 off n (n^2 - 1) / 12 */
  return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}

void facet_spearman_interval(double correlation, int64_t count, double *low, double *high)
{
  double reach = count > 3 ? 1.959963984540054 * sqrt((1 + correlation * correlation / 2) / (double)(count - 3)) : NAN;
  *low = tanh(atanh(correlation) - reach);
  *high = tanh(atanh(correlation) + reach);
}
