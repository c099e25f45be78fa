/* Versions of the libraries in use, those of the program alone too: for --version and for the store. */
#ifndef FACET_VERSIONS_H
#define FACET_VERSIONS_H

#include <facet/base.h>

/* And the oldest that has checksums of its parts: what they cover is the same since. */
enum { FACET_SCHEMA_VERSION = 11, FACET_SCHEMA_SUMMED = 8 };

typedef struct {
  const char *key;   /* as an attribute of the store: "hdf5_version" */
  const char *title; /* for people: "HDF5" */
  const char *text;
} facet_library;

/* Library versions; *count of them. The texts stay valid for ever. */
const facet_library *facet_versions(int *count);
void facet_versions_print(void);
/* Says on stderr, in one line, if OpenBLAS was told which kernels to take (kernels.h). */
void facet_versions_warn(void);

#endif
