/* Errors of this rank in collective calls that change a file, and in those that read one.
 *
 * HDF5 gives up on the rank whose part of such a call fails, while the others wait for it in the next one, for ever: a
 * disk that is full when a file is flushed or closed would hang the run.  So HDF5 is told that all went well, and who
 * flushes or closes asks here afterwards. */
#ifndef FACET_FILE_ERRORS_H
#define FACET_FILE_ERRORS_H

#include <mpi.h>

/* Before such a call. */
void facet_file_error_watch(void);
/* Behind it: keeps an error, the first one; not all numbers moved are one, too. *status, if it is not NULL or
 * MPI_STATUS_IGNORE, says then that all `count` were. Returns MPI_SUCCESS. */
int facet_file_error_keep(int code, MPI_Status *status, int count, MPI_Datatype type);
/* Behind a call that reads. Open MPI says of a read that failed by the numbers alone that were moved, and HDF5 takes
 * what is missing for zeros, as behind the end of a file: MPI_ERR_IO if it is none of that. */
int facet_file_error_read(MPI_File file, MPI_Offset at, int code, const MPI_Status *status, int count,
                          MPI_Datatype type);
/* What went wrong since it was asked last, as text that holds until the next error; NULL: nothing. */
const char *facet_file_error_take(void);

#endif
