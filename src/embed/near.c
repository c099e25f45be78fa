/* Distances as floats: see near.h. Loops are written so that compilers turn them into vectors, and compiled for several
 * levels of processors; whatever the level, results have the same bits. */
#include "near.h"

#include <string.h>

enum {
  LANES = 8,   /* as many sums as a vector takes: their order is the same on all processors */
  WIDE = 32,   /* values that are looked at together before each of them is */
  SUMMED = 256 /* places whose distances are summed up together */
};

/* Some values as compilers have them in vectors, of whichever width. */
typedef float floats __attribute__((vector_size(16 * sizeof(float)), aligned(4)));
typedef int32_t bools __attribute__((vector_size(16 * sizeof(int32_t)))); /* -1: true */
typedef double doubles __attribute__((vector_size(8 * sizeof(double)), aligned(8)));
typedef float rounded __attribute__((vector_size(8 * sizeof(float)), aligned(4)));

double facet_near_distance(int64_t features, const float *a, const float *b)
{
  double lane[LANES] = {0}, sum = 0;
  int64_t f = 0;
  for (; f + LANES <= features; f += LANES)
    for (int i = 0; i < LANES; i++) {
      double off = (double)a[f + i] - (double)b[f + i];
      lane[i] += off * off;
    }
  for (; f < features; f++)
    sum += ((double)a[f] - (double)b[f]) * ((double)a[f] - (double)b[f]);
  for (int i = 0; i < LANES; i++)
    sum += lane[i];
  return sum;
}

/* Sums that overflow, and errors without a bound, leave the distance anywhere. */
void facet_near_bound(const facet_near_float *query, int64_t count, const float *square, const float *product,
                      float *low, float *high)
{
  const facet_near_float q = *query;
  for (int64_t l = 0; l < count; l++) {
    float squares = q.square + square[l], middle = squares - 2 * product[l];
    float error = q.relative * squares + q.underflow, size = middle < 0 ? -middle : middle;
    bool known = (size <= FLT_MAX) & (error <= FLT_MAX); /* false for NaN */
    low[l] = known ? middle - error : -FLT_MAX;
    high[l] = known ? middle + error : INFINITY;
  }
}

/* In the plane, where most maps are. */
static void square_plane(const facet_near_layout *y, const double *place, int64_t first, int64_t count, float *far)
{
  const double *a = y->number + first, *b = a + y->stride, at = place[0], bt = place[1];
  int64_t l = 0;
  for (; l + 8 <= count; l += 8) {
    doubles ao = at - *(const doubles *)(a + l), bo = bt - *(const doubles *)(b + l);
    *(rounded *)(far + l) = __builtin_convertvector(ao * ao + bo * bo, rounded);
  }
  for (; l < count; l++)
    far[l] = (float)((at - a[l]) * (at - a[l]) + (bt - b[l]) * (bt - b[l]));
}

static void square_places(const facet_near_layout *y, const double *place, int64_t first, int64_t count, float *far)
{
  double sum[SUMMED] = {0};
  const double *number = y->number + first;
  for (int64_t d = 0; d < y->dimensions; d++)
    for (int64_t l = 0; l < count; l++) {
      double off = place[d] - number[d * y->stride + l];
      sum[l] += off * off;
    }
  for (int64_t l = 0; l < count; l++)
    far[l] = (float)sum[l];
}

void facet_near_places(const facet_near_layout *y, const double *place, int64_t first, int64_t count, float *far)
{
  for (int64_t from = 0; from < count; from += SUMMED) {
    int64_t some = count - from < SUMMED ? count - from : SUMMED;
    (y->dimensions == 2 ? square_plane : square_places)(y, place, first + from, some, far + from);
  }
}

int64_t facet_near_count(int64_t count, const float *value, float most)
{
  bools below[4] = {{0}}; /* four, so that no sum waits for the one before */
  int64_t all = 0, l = 0;
  for (; l + 64 <= count; l += 64) {
    const floats *v = (const floats *)(value + l);
    below[0] += v[0] <= most;
    below[1] += v[1] <= most;
    below[2] += v[2] <= most;
    below[3] += v[3] <= most;
  }
  below[0] += below[1] + below[2] + below[3];
  for (int i = 0; i < 16; i++)
    all -= below[0][i];
  for (; l < count; l++)
    all += value[l] <= most;
  return all;
}

/* Of WIDE values. */
static bool any_below(const float *value, float most)
{
  const floats *v = (const floats *)value;
  bools below = (v[0] <= most) | (v[1] <= most);
  int64_t two[8];
  memcpy(two, &below, sizeof two);
  return (two[0] | two[1] | two[2] | two[3] | two[4] | two[5] | two[6] | two[7]) != 0;
}

int64_t facet_near_find(int64_t count, const float *value, float most, int32_t *place)
{
  int64_t found = 0;
  for (int64_t l = 0; l < count; l += WIDE) {
    int64_t end = count - l < WIDE ? count : l + WIDE;
    if (end - l == WIDE && !any_below(value + l, most))
      continue;
    for (int64_t i = l; i < end; i++) {
      place[found] = (int32_t)i;
      found += value[i] <= most;
    }
  }
  return found;
}
