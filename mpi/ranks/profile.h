/* Where the time of a rank goes, by what it asks of MPI: every call that waits for other ranks, or moves numbers of a
 * file, is counted and timed, those of HDF5 and ScaLAPACK, too. While one that waits goes on the phase (base.h) knows.
 */
#ifndef FACET_PROFILE_H
#define FACET_PROFILE_H

#include "base/base.h"

typedef struct {
  double seconds;   /* since it was taken before */
  double waiting;   /* of these, in messages and collective calls */
  double storing;   /* and in files: reading, writing, syncing */
  double memory;    /* bytes of the process that were in memory at the most; where the system cannot begin anew: ever */
  int64_t units;    /* of work, as the driver of tiles hands them out */
  int64_t messages; /* sent to one rank */
  int64_t collective; /* calls that all ranks make together */
  int64_t bytes;      /* read from and written to files by MPI */
} facet_profile;

/* From now on. Before, and without, counting costs nothing worth mentioning. */
void facet_profile_begin(void);
/* What there was since it began, or was taken before, of this rank; zeros where it did not begin. */
facet_profile facet_profile_take(void);
/* Around what waits for other ranks by several calls of MPI: as one call, collective or not. */
double facet_profile_enter(void);
void facet_profile_leave(double begun, bool collective);
/* A unit of work is done. */
void facet_profile_unit(void);
/* Seconds that a file took beside MPI: a sync. */
void facet_profile_stored(double seconds);

#endif
