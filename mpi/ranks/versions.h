/* Versions of facet and of the libraries in use: for --version and for the store. */
#ifndef FACET_VERSIONS_H
#define FACET_VERSIONS_H

#define FACET_VERSION "0.1.0"
enum { FACET_SCHEMA_VERSION = 5 };

typedef struct {
  const char *key;   /* as an attribute of the store: "hdf5_version" */
  const char *title; /* for people: "HDF5" */
  const char *text;
} facet_version;

/* Library versions; *count of them. The texts stay valid for ever. */
const facet_version *facet_versions(int *count);
const char *facet_revision(void); /* git revision of the source */
void facet_versions_print(void);

#endif
