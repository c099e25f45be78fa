/* Processors that differ: one way of computing for all ranks. */
#ifndef FACET_RANKS_LEVELS_H
#define FACET_RANKS_LEVELS_H

#include <mpi.h>

#include "base/base.h"

/* Collective, before anything is computed. Where ranks would compute with kernels of different levels, all take the
 * lowest, and rank 0 says so: else bits would depend on which rank computes what. FACET_BAD_INPUT where their OpenBLAS
 * have chosen different kernels, which only its environment can change. */
facet_status facet_levels_agree(MPI_Comm comm);

#endif
