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

/* Pearson's correlations of all pairs of lists, whose numbers go by twice, some at a time, in the same order: sums do
 * not depend on how many come at once. */
typedef struct {
  int lists;
  int64_t count, seen;
  double *first, *mean; /* lists */
  bool *varies;         /* lists */
  double *product;      /* lists x lists: of distances from the means */
} facet_correlations;

/* Of lists of `count` numbers. Clear it in any case. */
facet_status facet_correlations_make(int lists, int64_t count, facet_correlations *correlations);
void facet_correlations_clear(facet_correlations *correlations);
/* Before the first numbers; the next `count` of each list, which begin `stride` numbers apart; and all of them again.
 */
void facet_correlations_begin(facet_correlations *correlations);
void facet_correlations_add(facet_correlations *correlations, int64_t count, int64_t stride, const double *list);
void facet_correlations_spread(facet_correlations *correlations, int64_t count, int64_t stride, const double *list);
/* correlation: lists x lists; NaN where one does not vary. */
void facet_correlations_of(const facet_correlations *correlations, double *correlation);

#endif
