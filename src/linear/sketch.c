/* The range finder: see sketch.h. */
#include "sketch.h"

#include <cblas.h>
#include <string.h>

#include "spectrum.h"

facet_status facet_sketch_make(facet_random random, int64_t size, int64_t inputs, int64_t most, facet_sketch *k)
{
  *k = (facet_sketch){.random = random, .size = size, .inputs = inputs};
  FACET_NEW(k->basis, size * inputs);
  FACET_NEW(k->product, size * inputs);
  FACET_NEW(k->image, size * most);
  return FACET_OK;
}

void facet_sketch_clear(facet_sketch *k)
{
  FACET_FREE(&k->basis, &k->product, &k->image);
}

/* Standard normal numbers, which belong to the line of M. */
static void draw(const facet_sketch *k, int64_t first, int64_t count)
{
  double pair[2];
  for (int64_t i = 0; i < count; i++)
    for (int64_t j = 0; j < k->size; j++) {
      if (j % 2 == 0)
        facet_random_normal(k->random, (uint64_t)(first + i), (uint64_t)(j / 2), pair);
      k->image[i * k->size + j] = pair[j % 2];
    }
}

void facet_sketch_add(facet_sketch *k, int64_t first, int64_t count, const double *lines)
{
  int size = (int)k->size, d = (int)k->inputs, n = (int)count;
  if (count == 0)
    return;
  if (!k->begun) {
    draw(k, first, count);
    k->squares += cblas_ddot(n * d, lines, 1, lines, 1);
  } else {
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, size, d, 1, lines, d, k->basis, d, 0, k->image, size);
  }
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, size, d, n, 1, k->image, size, lines, d, 1, k->product, d);
}

facet_status facet_sketch_renew(facet_sketch *k)
{
  size_t bytes = (size_t)(k->size * k->inputs) * sizeof *k->basis;
  k->begun = true;
  memcpy(k->basis, k->product, bytes);
  memset(k->product, 0, bytes);
  return facet_rows_orthonormalize(k->size, k->inputs, k->basis);
}
