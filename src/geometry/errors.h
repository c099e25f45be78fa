/* Errors of networks under corruptions, each at some severities, and how they go together. */
#ifndef FACET_ERRORS_H
#define FACET_ERRORS_H

#include "base/base.h"

/* The conditions that networks are tested under. */
typedef struct {
  int conditions, corruptions;
  int clean;                /* which condition is clean; -1: none */
  const int *corruption_of; /* C: of 0 .. corruptions - 1; -1: of none */
} facet_corruptions;

/* Corruption errors (Hendrycks 2019) of a network held against another, the reference: error, X numbers, is the sum of
 * errors over the severities of a corruption, the clean error subtracted from each if `relative`, over that of the
 * reference; NaN where that is 0, or there is no clean one to subtract. Returns their mean; NaN without corruptions.
 * accuracy, reference: C. */
double facet_corruption_errors(const facet_corruptions *corruptions, const double *accuracy, const double *reference,
                               bool relative, double *error);
/* The mean error over all conditions that are of a corruption; NaN if none is. */
double facet_corruption_mean(const facet_corruptions *corruptions, const double *accuracy);

/* Pearson's correlation of two lists; NaN where one does not vary. */
double facet_correlation(int64_t count, const double *a, const double *b);
/* Of all pairs of `lists` lists, which begin `stride` numbers apart. correlation: lists x lists. */
void facet_correlations(int lists, int64_t count, int64_t stride, const double *list, double *correlation);

#endif
