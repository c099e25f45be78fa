/* Sums of errors by corruption, over those of a reference: see errors.h. */
#include "errors.h"

#include <math.h>

/* Over the severities of corruption x. */
static double sum_errors(const facet_corruptions *c, const double *accuracy, int x, bool relative)
{
  double sum = 0, clean = c->clean < 0 ? NAN : 1 - accuracy[c->clean];
  for (int i = 0; i < c->conditions; i++)
    if (c->corruption_of[i] == x)
      sum += 1 - accuracy[i] - (relative ? clean : 0);
  return sum;
}

double facet_corruption_errors(const facet_corruptions *c, const double *accuracy, const double *reference,
                               bool relative, double *error)
{
  double all = 0;
  for (int x = 0; x < c->corruptions; x++) {
    double of_reference = sum_errors(c, reference, x, relative);
    error[x] = of_reference == 0 ? NAN : sum_errors(c, accuracy, x, relative) / of_reference;
    all += error[x];
  }
  return c->corruptions > 0 ? all / c->corruptions : NAN; /* of the reference itself: exactly 1 */
}

double facet_corruption_mean(const facet_corruptions *c, const double *accuracy)
{
  double sum = 0;
  int count = 0;
  for (int i = 0; i < c->conditions; i++)
    if (c->corruption_of[i] >= 0) {
      sum += 1 - accuracy[i];
      count++;
    }
  return count > 0 ? sum / count : NAN;
}

facet_status facet_correlations_make(int lists, int64_t count, facet_correlations *c)
{
  *c = (facet_correlations){.lists = lists, .count = count};
  FACET_NEW(c->first, lists);
  FACET_NEW(c->mean, lists);
  FACET_NEW(c->varies, lists);
  FACET_NEW(c->product, lists * lists);
  return FACET_OK;
}

void facet_correlations_clear(facet_correlations *c)
{
  FACET_FREE(&c->first, &c->mean, &c->varies, &c->product);
}

void facet_correlations_begin(facet_correlations *c)
{
  c->seen = 0;
  for (int a = 0; a < c->lists; a++) {
    c->mean[a] = 0;
    c->varies[a] = false;
    for (int b = 0; b < c->lists; b++)
      c->product[a * c->lists + b] = 0;
  }
}

/* Rounding may keep squared distances from a mean above 0 where all numbers are one: whether they vary is looked at. */
void facet_correlations_add(facet_correlations *c, int64_t count, int64_t stride, const double *list)
{
  for (int a = 0; a < c->lists; a++) {
    const double *x = list + a * stride;
    if (c->seen == 0 && count > 0)
      c->first[a] = x[0];
    for (int64_t i = 0; i < count; i++) {
      c->varies[a] = c->varies[a] || x[i] != c->first[a];
      c->mean[a] += x[i] / (double)c->count;
    }
  }
  c->seen += count;
}

void facet_correlations_spread(facet_correlations *c, int64_t count, int64_t stride, const double *list)
{
  for (int a = 0; a < c->lists; a++)
    for (int b = 0; b <= a; b++) {
      const double *x = list + a * stride, *y = list + b * stride;
      double *sum = &c->product[a * c->lists + b];
      for (int64_t i = 0; i < count; i++)
        *sum += (x[i] - c->mean[a]) * (y[i] - c->mean[b]);
    }
}

void facet_correlations_of(const facet_correlations *c, double *correlation)
{
  int n = c->lists;
  for (int a = 0; a < n; a++)
    for (int b = 0; b <= a; b++)
      correlation[a * n + b] = correlation[b * n + a] =
          c->varies[a] && c->varies[b] ? c->product[a * n + b] / sqrt(c->product[a * n + a] * c->product[b * n + b])
                                       : (double)NAN;
}
