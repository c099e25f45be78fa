/* Linear CKA from its sums: see cka.h. */
#include "cka.h"

#include <math.h>

void facet_center(int64_t rows, int64_t columns, const double *sum, int64_t samples, double *x)
{
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++)
      x[i * columns + j] -= sum[j] / (double)samples;
}

void facet_cka_normalize(int64_t items, double *table)
{
  for (int64_t i = 0; i < items; i++)
    for (int64_t j = i + 1; j < items; j++) {
      double both = sqrt(table[i * items + i]) * sqrt(table[j * items + j]);
      table[i * items + j] = table[j * items + i] = both > 0 ? table[i * items + j] / both : (double)NAN;
    }
  for (int64_t i = 0; i < items; i++)
    table[i * items + i] = table[i * items + i] > 0 ? 1 : (double)NAN;
}
