/* Times in order, for qsort: the middle one is what counts. */
#ifndef ASCENDING_H
#define ASCENDING_H

static inline int ascending(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

#endif
