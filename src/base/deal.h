/* A row of units of known cost, dealt to ranks: which of them a rank has at once, and which it gets when it asks.
 *
 * The row is cut into shares of one cost, one for each rank, so that neighbours in the row stay together.  Of its share
 * a rank has the first part at once.  The rest is dealt in pieces that shrink with what is left: to its owner from the
 * front, to a rank whose own is gone from the tail of the largest share.  Nothing here knows how ranks ask. */
#ifndef FACET_DEAL_H
#define FACET_DEAL_H

#include "base.h"

/* Places first .. end-1 of the row. */
typedef struct {
  int64_t first, end;
} facet_range;

typedef struct {
  int ranks;
  int64_t count;      /* units in the row */
  double *before;     /* count + 1: cost of the units before each */
  facet_range *share; /* per rank: what is not dealt */
} facet_deal;

/* Room for so many units; there is none yet. Clear it in any case. */
facet_status facet_deal_begin(int ranks, int64_t most, facet_deal *deal);
void facet_deal_clear(facet_deal *deal);
void facet_deal_add(facet_deal *deal, double cost);
/* What a rank begins with; once for each, when all units are there. */
facet_range facet_deal_first(facet_deal *deal, int rank);
/* The next piece for a rank; empty when all is dealt. */
facet_range facet_deal_next(facet_deal *deal, int rank);

static inline bool facet_range_is_empty(facet_range r)
{
  return r.first == r.end;
}

#endif
