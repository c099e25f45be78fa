/* Private to src/data: an array as it lies in a .npy file. */
#ifndef FACET_NPY_H
#define FACET_NPY_H

#include "bytes.h"

enum { FACET_NPY_DIMENSIONS = 8 };

typedef struct {
  uint8_t *bytes; /* of the whole file; the caller's */
  size_t count;
  const uint8_t *data;
  size_t left; /* bytes of data */
  char kind;   /* u, i, f, b */
  int width;   /* bytes of a number */
  int rank;
  int64_t dim[FACET_NPY_DIMENSIONS];
} facet_npy;

/* Fills the rest from bytes and count. FACET_BAD_INPUT with the file's name. */
facet_status facet_npy_parse(const char *path, facet_npy *array);
facet_part_reader facet_npy_labels; /* integers */

#endif
