/* Joint probabilities: see affinity.h. */
#include "affinity.h"

#include <math.h>

#include "embed/tsne.h"
#include "ranks/agree.h"

enum { PORTION = 4 << 20 }; /* bytes that two ranks exchange at once */

static facet_status matrix(const facet_blockmatrix *x, facet_type type, int64_t columns, facet_blockmatrix **m)
{
  return facet_blockmatrix_create(x->grid, type, x->rows, columns, x->row_block, columns, m);
}

/* |x|^2 of all samples, on every rank: this rank's own, and 0 elsewhere, added up. */
static facet_status square_norms(const facet_blockmatrix *x, double *norm)
{
  int finite = 1;
  const double *value = x->local;
  for (int64_t j = 0; j < x->local_columns; j++)
    for (int64_t i = 0; i < x->local_rows; i++) {
      double v = value[i + j * x->local_rows];
      finite = finite && isfinite(v);
      norm[facet_blockmatrix_row(x, i)] += v * v;
    }
  MPI_Comm comm = facet_grid_comm(x->grid);
  FACET_TRY(facet_least(comm, &finite, 1, "checking features"));
  FACET_CHECK(finite, FACET_BAD_INPUT, "the features that are to be embedded are not finite");
  return facet_sum(comm, norm, x->rows, "distances");
}

typedef struct {
  facet_blockmatrix *exact, *products;
  double *norm, *line, *portion;
} workspace;

/* This rank's. */
static facet_tsne_rows rows_of(const workspace *d, const facet_affinity *out)
{
  const facet_blockmatrix *m = d->products;
  return (facet_tsne_rows){m->rows,       facet_rank(facet_grid_comm(m->grid)) * m->row_block,
                           m->local_rows, m->local,
                           out->p->type,  out->p->local};
}

/* The number of rows or columns from `from` on, at most `most`. */
static int64_t some(int64_t all, int64_t from, int64_t most)
{
  return all <= from ? 0 : all - from < most ? all - from : most;
}

/* p of both directions: each rank with one other at a time, itself among them. What the other sends of its rows are
 * columns here, in one piece as they lie. */
static facet_status join(workspace *d, const facet_tsne_rows *own_rows, facet_affinity *out)
{
  const facet_blockmatrix *m = d->products;
  MPI_Comm comm = facet_grid_comm(m->grid);
  int ranks = facet_ranks(comm), me = facet_rank(comm);
  int64_t block = m->row_block, width = PORTION / (block * (int64_t)sizeof(double)), own = m->local_rows;
  width = width < 1 ? 1 : width;
  d->portion = facet_allocate((size_t)(width * block), sizeof *d->portion);
  FACET_AGREE(comm, d->portion ? FACET_OK : FACET_OS);
  for (int turn = 0; turn < ranks; turn++) {
    int partner = (turn + ranks - me) % ranks;
    int64_t first = partner * block, rows = some(m->rows, first, block);
    for (int64_t from = 0; from < block; from += width) {
      int64_t sent = some(rows, from, width), received = some(own, from, width);
      const double *mine = sent > 0 ? (const double *)m->local + (first + from) * own : m->local;
      if (partner != me)
        FACET_TRY(facet_mpi_check(MPI_Sendrecv(mine, (int)(sent * own), FACET_MPI_TYPE(mine), partner, turn, d->portion,
                                               (int)(received * rows), FACET_MPI_TYPE(mine), partner, turn, comm,
                                               MPI_STATUS_IGNORE),
                                  "joining probabilities"));
      out->entropy +=
          facet_tsne_join(own_rows, from, received, (facet_tsne_other){first, rows, partner == me ? mine : d->portion});
    }
  }
  return facet_sum(comm, &out->entropy, 1, "entropy");
}

static facet_status make(const facet_blockmatrix *x, double perplexity, workspace *d, facet_affinity *out)
{
  MPI_Comm comm = facet_grid_comm(x->grid);
  FACET_TRY(matrix(x, FACET_F64, x->columns, &d->exact));
  FACET_TRY(facet_blockmatrix_redistribute(x, d->exact));
  d->norm = facet_allocate((size_t)x->rows, sizeof *d->norm);
  d->line = facet_allocate((size_t)x->rows * FACET_TSNE_TOGETHER, sizeof *d->line);
  FACET_AGREE(comm, d->norm && d->line ? FACET_OK : FACET_OS);
  FACET_TRY(square_norms(d->exact, d->norm));
  FACET_TRY(matrix(x, FACET_F64, x->rows, &d->products));
  FACET_TRY(facet_blockmatrix_gemm(false, true, 1, d->exact, d->exact, 0, d->products));
  facet_blockmatrix_destroy(&d->exact);
  FACET_TRY(matrix(x, x->type, x->rows, &out->p));
  const facet_tsne_rows block = rows_of(d, out);
  facet_tsne_given(&block, d->norm, perplexity, d->line);
  return join(d, &block, out);
}

facet_status facet_affinity_make(const facet_blockmatrix *x, double perplexity, facet_affinity *affinity)
{
  workspace d = {NULL, NULL, NULL, NULL, NULL};
  *affinity = (facet_affinity){NULL, 0};
  FACET_CHECK(perplexity >= 1 && perplexity < (double)(x->rows - 1), FACET_BAD_INPUT,
              "a perplexity of %g wants more than %lld samples at once", perplexity, (long long)x->rows);
  facet_status status = make(x, perplexity, &d, affinity);
  facet_blockmatrix_destroy(&d.exact);
  facet_blockmatrix_destroy(&d.products);
  FACET_FREE(&d.norm, &d.line, &d.portion);
  if (status != FACET_OK)
    facet_affinity_clear(affinity);
  return status;
}

void facet_affinity_clear(facet_affinity *affinity)
{
  facet_blockmatrix_destroy(&affinity->p);
}

/* Of this rank's rows of a matrix. */
static double rows_bytes(int ranks, facet_type type, int64_t rows, int64_t columns)
{
  return ceil((double)rows / ranks) * (double)columns * (double)facet_type_size(type);
}

double facet_affinity_bytes(int ranks, facet_type real, int64_t n)
{
  return rows_bytes(ranks, real, n, n);
}

double facet_affinity_peak(int ranks, facet_type real, int64_t n, int64_t inputs)
{
  double products = rows_bytes(ranks, FACET_F64, n, n), lines = 8 * (double)n * (FACET_TSNE_TOGETHER + 1);
  double first = rows_bytes(ranks, FACET_F64, n, inputs), last = rows_bytes(ranks, real, n, n) + PORTION;
  return lines + products + fmax(first, last);
}
