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

/* Rounding may keep squared distances from a mean above 0 where all numbers are one. */
static bool varies(int64_t count, const double *x)
{
  for (int64_t i = 1; i < count; i++)
    if (x[i] != x[0])
      return true;
  return false;
}

double facet_correlation(int64_t count, const double *a, const double *b)
{
  double mean_a = 0, mean_b = 0, ab = 0, aa = 0, bb = 0;
  if (!varies(count, a) || !varies(count, b))
    return NAN;
  for (int64_t i = 0; i < count; i++) {
    mean_a += a[i] / (double)count;
    mean_b += b[i] / (double)count;
  }
  for (int64_t i = 0; i < count; i++) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / sqrt(aa * bb);
}

void facet_correlations(int lists, int64_t count, int64_t stride, const double *list, double *correlation)
{
  for (int a = 0; a < lists; a++)
    for (int b = 0; b < lists; b++)
      correlation[a * lists + b] = facet_correlation(count, list + a * stride, list + b * stride);
}
