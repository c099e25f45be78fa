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

/* Whether neither the first nor the last rank does, being the slow one. Collective, as what is tried. */
static inline bool slow_ranks_hold_nobody(bool (*tried)(int slow))
{
  int ranks = facet_ranks(MPI_COMM_WORLD);
  bool even = true;
  for (int slow = 0; even && slow<ranks; slow += ranks> 1 ? ranks - 1 : 1) {
    even = false;
    for (int i = 0; i < BALANCE_TRIES && !even; i++)
      even = tried(slow);
  }
  return even;
}

#endif
