/* HDF5, for the rooms that read or write its files.  Their calls take turns, because HDF5 is seldom built for several
 * threads; and its error handler, which would print, is silent meanwhile and afterwards what the caller had set. */
#ifndef FACET_HDF5_TURN_H
#define FACET_HDF5_TURN_H

#include <hdf5.h>

#include "base.h"

void facet_hdf5_lock(void); /* not to be taken twice */
void facet_hdf5_unlock(void);

/* HDF5 itself crashes on some damaged files. From here until facet_hdf5_unlock, or NULL, a crash is that of this file,
 * which a program may say (the handler of signals in mpi/program/exhausted.c). path: borrowed. */
void facet_hdf5_reads(const char *path);
const char *facet_hdf5_read(void); /* NULL: none */

/* status = call, of a function that uses HDF5 and does not do this again. */
#define FACET_WITH_HDF5(status, call)                                                                                  \
  do {                                                                                                                 \
    facet_hdf5_lock();                                                                                                 \
    H5E_BEGIN_TRY                                                                                                      \
    {                                                                                                                  \
      (status) = (call);                                                                                               \
    }                                                                                                                  \
    H5E_END_TRY                                                                                                        \
    facet_hdf5_unlock();                                                                                               \
  } while (0)

#endif
