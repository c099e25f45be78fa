/* The sets of kernels by name, and what BLAS computes with. */
#include "kernels.h"

#include <cblas.h>
#include <string.h>

const facet_kernels *facet_kernels_find(const char *name)
{
  static const facet_kernels *const set[] = {&facet_kernels_dense, &facet_kernels_reference, &facet_kernels_exact};
  for (size_t i = 0; i < sizeof set / sizeof set[0]; i++)
    if (strcmp(set[i]->name, name) == 0)
      return set[i];
  return NULL;
}

const char *facet_blas_core(void)
{
  return openblas_get_corename();
}
