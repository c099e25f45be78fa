/* Agreement of ranks: a failure anywhere is known everywhere before anyone goes on, and signals become
 * a polite stop. */
#ifndef FACET_AGREE_H
#define FACET_AGREE_H

#include <mpi.h>

#include "exchange.h"

/* MPI_COMM_NULL is this process alone, also where MPI was not started. */

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

/* Signals are heard from now on, and count for who listens first. Not collective, and before MPI is. */
void facet_interrupt_begin(void);
/* Collective. From now on SIGINT, SIGTERM and SIGUSR1 (which mpirun forwards) to any rank only set a flag, which is not
 * set yet, on all of them; but by one that came after facet_interrupt_begin. */
facet_status facet_interrupt_listen(MPI_Comm comm);
/* What this rank says on standard error the moment it gets SIGTERM, before it is killed; NULL: nothing. */
void facet_interrupt_say(const char *words);
/* Whether it is; passes it on. Not collective, but every rank looks now and then; facet_agree does while it waits. */
bool facet_interrupted(void);
/* Until there is a message of that rank (MPI_ANY_SOURCE: of any) with that tag, to be received: looks all the time. Not
 * collective. */
void facet_interrupt_await(MPI_Comm comm, int rank, int tag);
/* What else this rank does whenever it looks whether it is interrupted, and so while it waits; it looks at nothing
 * itself. NULL: nothing. */
void facet_interrupt_meanwhile(void (*what)(void *self), void *self);
/* Collective: the end of listening to others, which listening anew begins with. */
void facet_interrupt_settle(void);
/* FACET_INTERRUPTED with a message that says how to go on, or FACET_OK. */
facet_status facet_interrupt_check(void);

#endif
