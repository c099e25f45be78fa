/* The sets of kernels by name. */
#include "kernels.h"

#include <string.h>

const facet_kernels *facet_kernels_find(const char *name)
{
  static const facet_kernels *const set[] = {&facet_kernels_dense, &facet_kernels_reference, &facet_kernels_exact};
  for (size_t i = 0; i < sizeof set / sizeof set[0]; i++)
    if (strcmp(set[i]->name, name) == 0)
      return set[i];
  return NULL;
}
