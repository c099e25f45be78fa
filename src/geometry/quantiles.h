/* Quantiles of a great many single-precision numbers, exactly, in a megabyte however many there are: the edges of bins
 * that hold about as many numbers each.
 *
 * A number's bits, turned so that they are in its order, are found from the top down: three passes over all numbers
 * count, each for the few beginnings that lead to a quantile, what the next bits are.  Counts add up over parts of the
 * numbers and over ranks, in any order. */
#ifndef FACET_QUANTILES_H
#define FACET_QUANTILES_H

#include "base/base.h"

enum { FACET_BINS = 64, FACET_NO_BIN = 255 };

typedef struct {
  int pass;                           /* from 0 */
  int64_t total;                      /* finite numbers; after the first pass */
  int beginnings;                     /* of quantiles, ascending */
  uint32_t beginning[FACET_BINS + 1]; /* their bits as far as they are known */
  int of[FACET_BINS + 1];             /* the beginning of each quantile */
  int64_t place[FACET_BINS + 1];      /* and its place among the numbers that begin so */
  int64_t *count, counts;             /* of this pass: to be summed up over ranks */
} facet_quantiles;

/* The caller clears it in any case. */
facet_status facet_quantiles_begin(facet_quantiles *q);
void facet_quantiles_clear(facet_quantiles *q);
double facet_quantiles_bytes(void); /* that it takes at most */
/* Counts numbers in this pass; those that are not finite are none. */
void facet_quantiles_add(facet_quantiles *q, int64_t count, const float *number);
/* Ends a pass, after all numbers; false: it was the last one. */
bool facet_quantiles_next(facet_quantiles *q);
/* After the last pass: of n numbers in order the one at place k n / 64, rounded down; the last one at 64. NaN: of none.
 */
void facet_quantiles_edges(const facet_quantiles *q, float edge[FACET_BINS + 1]);

/* How many of the inner edges are not above a number; FACET_NO_BIN of one that is not finite. */
uint8_t facet_bin_of(const float edge[FACET_BINS + 1], float number);

#endif
