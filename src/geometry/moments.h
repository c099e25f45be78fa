/* Means and standard deviations: of samples by class, and of groups of rows of a table. */
#ifndef FACET_MOMENTS_H
#define FACET_MOMENTS_H

#include "base/base.h"

/* Of the finite ones of `count` values, by their class 0 .. classes-1 (-1: not counted); the last element of number,
 * mean and deviation (classes + 1 each) is of all classes together. deviation: n - 1, NaN for fewer than two; mean: NaN
 * for none. */
void facet_moments(int64_t count, int64_t classes, const int32_t *label, const double *value, int64_t *number,
                   double *mean, double *deviation);

/* The mean of all values whose label is known, finite or not; NaN for none. */
double facet_labelled_mean(int64_t count, const int32_t *label, const double *value);

/* Of the rows of a table of rows x columns, by their group 0 .. groups-1, in each column. mean, deviation: groups x
 * columns; deviation: n - 1, NaN for one row. A value that is not finite, as the margin of a network that always says
 * the same, makes the mean so: it is one of them. */
void facet_group_moments(int rows, int columns, int groups, const int *group_of, const double *value, double *mean,
                         double *deviation);

#endif
