/* Exact sums of gradients, and how parameters move by them. */
#ifndef FACET_SUMS_H
#define FACET_SUMS_H

#include "base/base.h"

/* Largest |g|, NaN above everything as infinity. */
float facet_sums_largest(const float *g, int64_t count);
/* Sums of `terms` numbers, each at most `largest`, are integers times 2^-exponent. */
int facet_sums_exponent(double largest, int64_t terms);
/* sum = the sum of `rows` rows of g, count numbers each. */
void facet_sums_make(int64_t rows, int64_t count, const float *g, int exponent, int64_t *sum);

typedef struct {
  float rate, momentum, decay;
  double scale; /* of the sums */
} facet_descent;

void facet_sums_average(int64_t count, const int64_t *sum, double scale, float *theta);
void facet_sums_descend(int64_t count, facet_descent d, const int64_t *sum, float *velocity, float *theta);
/* Of scores, by the straight-through estimate. */
void facet_sums_descend_scores(int64_t count, facet_descent d, const int64_t *sum, const float *weight, float *velocity,
                               float *score);

#endif
