/* Linear CKA from its sums: see cka.h. */
#include "cka.h"

#include <math.h>

void facet_center(int64_t rows, int64_t columns, const double *sum, int64_t samples, double *x)
{
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++)
      x[i * columns + j] -= sum[j] / (double)samples;
}

double facet_cka(double product, double own, double other)
{
  double both = sqrt(own) * sqrt(other);
  return both > 0 ? product / both : (double)NAN;
}
