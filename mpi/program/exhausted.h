/* Libraries that crash where there is no memory. */
#ifndef FACET_EXHAUSTED_H
#define FACET_EXHAUSTED_H

#include <stdbool.h>

/* After MPI_Init, which has handlers of its own. Where a library crashes or aborts (oneDNN, MPI) and the system gives
 * no more memory, the process ends with FACET_OS and a line, for the launcher of ranks too if ranked; with
 * FACET_BAD_INPUT while HDF5 reads somebody's file; otherwise as before. */
void facet_exhausted_listen(bool ranked);

#endif
