/* Private to the store: HDF5, and an open file. */
#ifndef FACET_STORE_FILE_H
#define FACET_STORE_FILE_H

#include <hdf5.h>
#include <hdf5_hl.h>

#include "ranks/agree.h"
#include "shape.h"

/* What HDF5 calls at a failure is the caller's own: every public function that calls HDF5 listens itself, which
 * silences HDF5 and keeps what it would have said last, and gives the caller's back. */
typedef struct {
  H5E_auto2_t function;
  void *data;
} facet_store_listener;
facet_store_listener facet_store_listen(void);
facet_status facet_store_unlisten(facet_store_listener before, facet_status status); /* returns status */

/* FACET_IO with HDF5's own innermost words about its last failure: "PATH: WHAT: ...". */
facet_status facet_store_raise(const char *path, const char *what);
/* A list for opening files without locks, which many parallel file systems lack; facet takes none on shared files
 * anyway. Caller closes. */
hid_t facet_store_access(void);

#define H5_CHECK(path, what, call)                                                                                     \
  do {                                                                                                                 \
    if ((call) < 0)                                                                                                    \
      return facet_store_raise((path), (what));                                                                        \
  } while (0)

/* A row's type in the file, the bytes of a number there, and its type in memory. */
hid_t facet_store_file_type(const facet_store_shape *shape, facet_row row);
size_t facet_store_size_of(const facet_store_shape *shape, facet_row row);
hid_t facet_store_memory(const facet_store_shape *shape, facet_row row, facet_store_as as);

struct facet_store {
  MPI_Comm comm;
  char *path;
  facet_store_shape shape;
  hid_t file;
  hid_t list; /* how numbers are moved */
  int raw;    /* the same file as the system knows it, for syncing */
  hid_t *set; /* of every array of the shape; -1: not there */
};

#endif
