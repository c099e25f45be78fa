/* Loss and gradient: see tsne_step.h. */
#include "tsne_step.h"

#include <math.h>
#include <string.h>

#include "embed/tsne.h"
#include "ranks/agree.h"

static facet_status measure(const facet_blockmatrix *p, int dimensions, const double *y, double alpha, bool learn,
                            int64_t *self, facet_tsne_forces *f)
{
  for (int64_t i = 0; i < p->local_rows; i++)
    self[i] = facet_blockmatrix_row(p, i);
  facet_tsne_part part = {.real = p->type, .n = p->rows, .rows = p->local_rows, .self = self, .p = p->local};
  return facet_tsne_measure(&part, dimensions, y, alpha, learn, f);
}

facet_status facet_tsne_step(const facet_affinity *affinity, int dimensions, const double *y, double alpha,
                             bool learn_alpha, double exaggeration, facet_tsne_gradient *g)
{
  const facet_blockmatrix *p = affinity->p;
  MPI_Comm comm = facet_grid_comm(p->grid);
  int64_t numbers = p->local_rows * dimensions;
  facet_tsne_forces f = {.pull = facet_allocate((size_t)numbers, sizeof(double)),
                         .push = facet_allocate((size_t)numbers, sizeof(double))};
  int64_t *self = facet_allocate((size_t)p->local_rows, sizeof *self);
  facet_status status = f.pull && f.push && self ? FACET_OK : FACET_OS;
  if (status == FACET_OK)
    status = measure(p, dimensions, y, alpha, learn_alpha, self, &f);
  status = facet_agree(comm, status);
  double sums[4] = {f.cross, f.weight, f.cross_alpha, f.weight_alpha};
  if (status == FACET_OK)
    status = facet_sum(comm, sums, 4, "adding a loss up");
  if (status == FACET_OK) {
    g->loss = affinity->entropy + sums[0] + log(sums[1]);
    g->alpha = sums[2] - sums[3] / sums[1];
    memset(g->y, 0, (size_t)(p->rows * dimensions) * sizeof *g->y);
    for (int64_t i = 0; i < numbers; i++)
      g->y[self[i / dimensions] * dimensions + i % dimensions] =
          2 * (alpha + 1) / alpha * (exaggeration * f.pull[i] - f.push[i] / sums[1]);
  }
  FACET_FREE(&f.pull, &f.push, &self);
  return status;
}
