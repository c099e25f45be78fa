/* Means and standard deviations: of samples by class, of values that go by once, and of groups of rows of a table. */
#ifndef FACET_MOMENTS_H
#define FACET_MOMENTS_H

#include "base/base.h"

/* Of the finite ones of many values, by their class 0 .. classes-1 (-1: not counted); the last element of number, mean
 * and deviation (classes + 1 each) is of all classes together. The values go by twice, some at a time, in the same
 * order: sums do not depend on how many come at once. */
typedef struct {
  int64_t classes;
  int64_t *number;
  double *mean, *deviation;
} facet_moments;

/* Clear it in any case. */
facet_status facet_moments_make(int64_t classes, facet_moments *moments);
void facet_moments_clear(facet_moments *moments);
/* Before the first values, which facet_moments_add takes. */
void facet_moments_begin(facet_moments *moments);
void facet_moments_add(facet_moments *moments, int64_t count, const int32_t *label, const double *value);
/* After the last: mean is true, NaN for none. facet_moments_spread takes all values once more then. */
void facet_moments_means(facet_moments *moments);
void facet_moments_spread(facet_moments *moments, int64_t count, const int32_t *label, const double *value);
/* After the last again: deviation is true, n - 1, NaN for fewer than two. */
void facet_moments_deviations(facet_moments *moments);

/* How values spread, which go by once, some at a time: how many, their mean, and the sum of the squared distances from
 * it. Begins with zeros. */
typedef struct {
  double count, mean, squares;
} facet_spread;
/* NaN: not known, and not counted. */
void facet_spread_add(facet_spread *spread, int64_t count, const double *value);
/* That of both together; the order of many of them matters to the last digits. */
void facet_spread_join(facet_spread *spread, const facet_spread *other);

/* The mean of all values whose label is known, finite or not; some at a time. Begins with zeros. */
typedef struct {
  double sum;
  int64_t number;
} facet_labelled_mean;
void facet_labelled_mean_add(facet_labelled_mean *mean, int64_t count, const int32_t *label, const double *value);
double facet_labelled_mean_of(const facet_labelled_mean *mean); /* NaN for none */

/* Of the rows of a table of rows x columns, by their group 0 .. groups-1, in each column. mean, deviation: groups x
 * columns; deviation: n - 1, NaN for one row. A value that is not finite, as the margin of a network that always says
 * the same, makes the mean so: it is one of them. */
void facet_group_moments(int rows, int columns, int groups, const int *group_of, const double *value, double *mean,
                         double *deviation);

#endif
