/* Versions of facet and of the libraries in use. */
#include "versions.h"

#include <hdf5.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"

#ifndef FACET_SCALAPACK_VERSION
#define FACET_SCALAPACK_VERSION "unknown"
#endif

/* The name and the number: the first of what Open MPI says, "Open MPI v4.1.4, package: ...", the first line of MPICH's
 * table, "MPICH Version:      4.0.2". */
static void say_mpi(char *text)
{
  int length;
  MPI_Get_library_version(text, &length);
  text[strcspn(text, ",\n")] = 0;
  char *colon = strstr(text, " Version:");
  if (colon) {
    const char *number = colon + strlen(" Version:");
    number += strspn(number, " \t");
    memmove(colon + 1, number, strlen(number) + 1);
  }
}

const facet_library *facet_versions(int *count)
{
  static char mpi[MPI_MAX_LIBRARY_VERSION_STRING], hdf5[64];
  static facet_library versions[] = {
      {"mpi_version", "MPI", mpi},
      {"hdf5_version", "HDF5", hdf5},
      {"scalapack_version", "ScaLAPACK", FACET_SCALAPACK_VERSION},
      {"blas_core", "BLAS core", ""},
      {"onednn_version", "oneDNN", ""},
      {"kernels", "kernels", ""},
  };
  unsigned major, minor, release;
  say_mpi(mpi);
  H5get_libversion(&major, &minor, &release);
  snprintf(hdf5, sizeof hdf5, "%u.%u.%u", major, minor, release);
  versions[3].text = facet_blas_core();
  versions[4].text = facet_onednn_version();
  versions[5].text = facet_level_name();
  *count = (int)(sizeof versions / sizeof versions[0]);
  return versions;
}

void facet_versions_print(void)
{
  int count;
  const facet_library *versions = facet_versions(&count);
  const char *before = facet_blas_core_before();
  printf("facet %s (%s)\n", facet_version(), facet_revision());
  for (int i = 0; i < count; i++)
    if (before && strcmp(versions[i].key, "blas_core") == 0)
      printf("%-10s %s (told so by facet: OpenBLAS by itself chose %s)\n", versions[i].title, versions[i].text, before);
    else
      printf("%-10s %s\n", versions[i].title, versions[i].text);
  printf("%-10s %s\n", "compiler", facet_compiler());
}

void facet_versions_warn(void)
{
  if (facet_blas_core_before())
    fprintf(stderr, "facet: OpenBLAS chose its %s kernels for this processor, facet told it to take %s\n",
            facet_blas_core_before(), facet_blas_core());
}
