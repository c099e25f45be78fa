/* The Gram matrix MT M of a matrix whose lines go by in pieces, some of its columns at a time. */
#ifndef FACET_GRAM_H
#define FACET_GRAM_H

#include "base/base.h"

/* Columns first .. first+count-1 of a Gram matrix: of each, the numbers from the diagonal on count. */
typedef struct {
  int64_t order, first, count;
  double *sum; /* count x order; the caller's, zeros at first */
} facet_gram_panel;

/* Adds the products of some lines, count x order. */
void facet_gram_add(const facet_gram_panel *panel, int64_t count, const double *lines);

#endif
