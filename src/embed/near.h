/* Private to src/embed: squared distances of one query from many samples, as floats that are good enough to tell most
 * of them apart, eight or sixteen at a time; and each exactly, for the few that they leave open.
 *
 * What a float says of a distance is compared with what facet_near_range makes of the other: at most `surely`, it is
 * nearer; above `perhaps`, it is not. */
#ifndef FACET_NEAR_H
#define FACET_NEAR_H

#include <float.h>
#include <math.h>

#include "base/base.h"

/* The exact one, of floats: sum of (a - b)^2 in double, always in the same order. */
double facet_near_distance(int64_t features, const float *a, const float *b);

/* What a product in float says of |x|^2 + |z|^2 - 2 xz. */
typedef struct {
  float square;              /* |x|^2, of the query */
  float relative, underflow; /* its error is at most relative (|x|^2 + |z|^2) + underflow */
} facet_near_float;
/* For products of so many features. A relative error of u in each of n roundings is one of n u / (1 - n u) in the sum
 * of |x z|, which is at most (|x|^2 + |z|^2) / 2, for every order of summation (Higham 2002, 3.1); the few more are for
 * the rest, which is in float, too. */
static inline facet_near_float facet_near_float_make(int64_t features, double square)
{
  double n = (double)features + 32, unit = n * FLT_EPSILON / 2;
  return (facet_near_float){.square = (float)square,
                            .relative = unit < 0.5 ? (float)(unit / (1 - unit)) : INFINITY,
                            .underflow = (float)(4 * n * FLT_MIN)};
}
/* square, product: |z|^2 and xz of each sample. The distance is at least low and at most high. */
void facet_near_bound(const facet_near_float *query, int64_t count, const float *square, const float *product,
                      float *low, float *high);

/* Places, dimension by dimension. */
typedef struct {
  int64_t dimensions, stride; /* numbers from one dimension to the next */
  const double *number;
} facet_near_layout;
/* The exact distance of a place from number `i`: a sum in double, from the first dimension on. */
static inline double facet_near_place(const facet_near_layout *places, const double *place, int64_t i)
{
  double far = 0;
  for (int64_t d = 0; d < places->dimensions; d++) {
    double off = place[d] - places->number[d * places->stride + i];
    far += off * off;
  }
  return far;
}
/* Of the places first .. first+count-1, rounded to the nearest float. */
void facet_near_places(const facet_near_layout *places, const double *place, int64_t first, int64_t count, float *far);

typedef struct {
  float surely, perhaps;
} facet_near_range;
/* A float is within 2^-23 of what it stands for, or FLT_MIN; some more is left for what is rounded here. */
static inline facet_near_range facet_near_range_of(double far)
{
  double surely = far * (1 - 0x1p-20) - 4 * (double)FLT_MIN, perhaps = far * (1 + 0x1p-20) + 4 * (double)FLT_MIN;
  return (facet_near_range){.surely = surely < FLT_MAX ? (float)surely : FLT_MAX,
                            .perhaps = perhaps < FLT_MAX ? (float)perhaps : INFINITY};
}
/* How many of the values are at most `most`; of fewer than 2^31. And which ones, in their order: room for count + 1. */
int64_t facet_near_count(int64_t count, const float *value, float most);
int64_t facet_near_find(int64_t count, const float *value, float most, int32_t *place);

#endif
