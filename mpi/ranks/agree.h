/* Agreement of ranks: a failure anywhere is known everywhere before anyone goes on, and signals become
 * a polite stop. */
#ifndef FACET_AGREE_H
#define FACET_AGREE_H

#include <mpi.h>

#include "exchange.h"

/* Collective. Every rank gives its own status; all return that of the lowest rank that failed, with its message, or
 * FACET_OK. */
facet_status(facet_agree)(MPI_Comm comm, facet_status status);

/* The same, so that compilers and analyzers see that a rank that failed is told so. */
static inline facet_status facet_agree_or_own(MPI_Comm comm, facet_status status)
{
  facet_status agreed = (facet_agree)(comm, status);
  return agreed != FACET_OK ? agreed : status;
}
#define facet_agree(comm, status) facet_agree_or_own((comm), (status))

/* Passes up what the ranks agree on. */
#define FACET_AGREE(comm, call) FACET_TRY(facet_agree((comm), (call)))

int facet_rank(MPI_Comm comm);
int facet_ranks(MPI_Comm comm);

/* From now on SIGINT, SIGTERM and SIGUSR1 (which mpirun forwards) only set a flag, which is not set yet. */
void facet_interrupt_listen(void);
bool facet_interrupted(void);
/* FACET_INTERRUPTED with a message that says how to go on, or FACET_OK. */
facet_status facet_interrupt_check(void);

#endif
