/* Private to src/geometry: dot product and length, summed in order so that a result is the same everywhere. */
#ifndef FACET_VECTOR_H
#define FACET_VECTOR_H

#include <math.h>
#include <stdint.h>

static inline double vector_dot(const double *a, const double *b, int64_t count)
{
  double sum = 0;
  for (int64_t i = 0; i < count; i++)
    sum += a[i] * b[i];
  return sum;
}

static inline double vector_length(const double *a, int64_t count)
{
  return sqrt(vector_dot(a, a, count));
}

#endif
