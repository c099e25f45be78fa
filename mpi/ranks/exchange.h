/* Numbers that all ranks exchange. Each type is paired with MPI's name of it here. */
#ifndef FACET_EXCHANGE_H
#define FACET_EXCHANGE_H

#include <mpi.h>

#include "base/base.h"

/* MPI's name of what a pointer points to; a type that is not listed does not compile. */
#define FACET_MPI_TYPE(pointer)                                                                                        \
  _Generic(*(pointer), char : MPI_BYTE, int : MPI_INT, int64_t : MPI_INT64_T, float : MPI_FLOAT, double : MPI_DOUBLE)

/* Collective. x: `count` numbers, any count, become on all ranks the sums, the largest, the smallest, or those of rank
 * 0. Errors: FACET_IO; `what` says of what. */
#define facet_sum(comm, x, count, what)     facet_combine_numbers(comm, MPI_SUM, FACET_MPI_TYPE(x), x, count, what)
#define facet_largest(comm, x, count, what) facet_combine_numbers(comm, MPI_MAX, FACET_MPI_TYPE(x), x, count, what)
#define facet_least(comm, x, count, what)   facet_combine_numbers(comm, MPI_MIN, FACET_MPI_TYPE(x), x, count, what)
#define facet_share(comm, x, count, what)   facet_share_numbers(comm, FACET_MPI_TYPE(x), x, count, what)

facet_status facet_combine_numbers(MPI_Comm comm, MPI_Op op, MPI_Datatype type, void *x, int64_t count,
                                   const char *what);
facet_status facet_share_numbers(MPI_Comm comm, MPI_Datatype type, void *x, int64_t count, const char *what);

/* FACET_IO with the MPI library's words unless `code` is MPI_SUCCESS. `what` names the call. */
facet_status facet_mpi_check(int code, const char *what);
/* Collective. The ranks that share this one's node, with its memory and its folders, in their order. The caller frees.
 */
facet_status facet_node_ranks(MPI_Comm comm, MPI_Comm *node);

#endif
