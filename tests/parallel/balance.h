/* Whether a slow rank holds nobody up.  The ideal is that all are busy to the end: the busiest is no longer so than
 * they are on average.  Shares that are not dealt anew would be off by more than half, always; dealt anew they are off
 * by more than this only where other programs keep a rank from the processor, so the best of some tries counts. */
#ifndef FACET_BALANCE_H
#define FACET_BALANCE_H

#include "ranks/agree.h"

enum { BALANCE_TRIES = 10 };

static inline double combined(double x, MPI_Op op)
{
  MPI_Allreduce(MPI_IN_PLACE, &x, 1, MPI_DOUBLE, op, MPI_COMM_WORLD);
  return x;
}

/* busy: seconds of this rank. Collective; the same on all. */
static inline bool balanced(double busy)
{
  double most = combined(busy, MPI_MAX), mean = combined(busy, MPI_SUM) / facet_ranks(MPI_COMM_WORLD);
  return most <= 1.15 * mean;
}

#endif
