/* Writing .npy files (NEP 1) of bytes. */
#ifndef FACET_NPY_WRITE_H
#define FACET_NPY_WRITE_H

#include <stdio.h>

#include "base/base.h"

typedef struct {
  const char *path; /* borrowed */
  FILE *file;
} facet_npy_file;

/* Begins a file of an array with so many axes, in C order. FACET_CANNOT_CREATE, FACET_IO: it is closed then. */
facet_status facet_npy_begin(const char *path, int axes, const int64_t *dim, facet_npy_file *file);
/* The next bytes of the array. FACET_IO. */
facet_status facet_npy_add(const facet_npy_file *file, const uint8_t *bytes, size_t count);
/* Closes it; returns `status`, with which it came to an end, or, had that been FACET_OK, FACET_IO. */
facet_status facet_npy_end(facet_npy_file *file, facet_status status);

#endif
