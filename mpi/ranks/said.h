/* Lines of all ranks on standard output, in an order that is always the same: each rank keeps its own, and rank 0
 * prints them. What ranks print by themselves a launcher passes on in any order, also behind what rank 0 says later. */
#ifndef FACET_SAID_H
#define FACET_SAID_H

#include <mpi.h>
#include <stdarg.h>

#include "base/base.h"

/* Not collective. Keeps a line, given without its end, until facet_said_print; where there is no memory it is printed.
 */
void facet_said(const char *format, ...) __attribute__((format(printf, 1, 2)));
void facet_said_list(const char *format, va_list list) __attribute__((format(printf, 1, 0)));
/* Collective, also after a failure that all ranks know of: `status`. Prints what all ranks have kept, rank by rank.
 * Returns status, or where that is FACET_OK what went wrong here: FACET_IO. MPI_COMM_NULL: this process alone. */
facet_status facet_said_print(MPI_Comm comm, facet_status status);

#endif
