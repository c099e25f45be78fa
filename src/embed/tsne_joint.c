/* Joint probabilities of a block of rows: see tsne.h. */
#include <math.h>

#include "tsne.h"

enum { TOGETHER = FACET_TSNE_TOGETHER };

void facet_tsne_given(const facet_tsne_rows *block, const double *norm, double perplexity, double *line)
{
  int64_t n = block->n, rows = block->rows;
  double *value = block->given;
  for (int64_t first = 0; first < rows; first += TOGETHER) {
    int64_t count = rows - first < TOGETHER ? rows - first : TOGETHER;
    for (int64_t j = 0; j < n; j++)
      for (int64_t i = 0; i < count; i++)
        line[i * n + j] = fmax(0, norm[block->first + first + i] + norm[j] - 2 * value[first + i + j * rows]);
    for (int64_t i = 0; i < count; i++)
      facet_tsne_neighbours(n, block->first + first + i, perplexity, line + i * n);
    for (int64_t j = 0; j < n; j++)
      for (int64_t i = 0; i < count; i++)
        value[first + i + j * rows] = line[i * n + j];
  }
}

double facet_tsne_join(const facet_tsne_rows *block, int64_t from, int64_t count, facet_tsne_other other)
{
  double each = 1 / (2 * (double)block->n), sum = 0;
  for (int64_t j = 0; j < other.rows; j++)
    for (int64_t i = 0; i < count; i++) {
      int64_t at = from + i + (other.first + j) * block->rows;
      double joint = (block->given[at] + other.given[j + i * other.rows]) * each;
      joint = block->first + from + i == other.first + j ? 0 : fmax(joint, FACET_TSNE_LEAST);
      if (block->real == FACET_F32)
        joint = (double)(((float *)block->p)[at] = (float)joint);
      else
        ((double *)block->p)[at] = joint;
      sum += joint > 0 ? joint * log(joint) : 0;
    }
  return sum;
}
