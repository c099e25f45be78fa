/* Private to src/data: an array as it lies in a .npy file. */
#ifndef FACET_NPY_H
#define FACET_NPY_H

#include "bytes.h"

enum { FACET_NPY_DIMENSIONS = 8 };

typedef struct {
  facet_bytes *bytes; /* owned */
  size_t start, left; /* where the numbers begin in the file, and how many bytes they are */
  char kind;          /* u, i, f, b */
  int width;          /* bytes of a number */
  int rank;
  int64_t dim[FACET_NPY_DIMENSIONS];
} facet_npy;

/* Opens the file and reads its header. FACET_BAD_INPUT with the file's name. Caller closes array->bytes. */
facet_status facet_npy_open(const char *path, facet_decoded *decoded, facet_npy *array);
facet_part_reader facet_npy_labels; /* integers */

#endif
