/* The eigen-decomposition of distributed matrices, checked before they are handed out.
 *
 * ScaLAPACK's P?SYEVD may return wrong vectors, or not return, where a rank has little or nothing (seen: see the
 * tests of it), and with the workspace of its own query.  So it runs on a grid every rank of which has at
 * least two blocks, with more workspace than it asks for; smaller matrices go to one rank and LAPACK's divide and
 * conquer, and so does what fails the check; what fails it there (seen: 128 x 128 with OpenBLAS's kernels of one
 * processor) goes to LAPACK's QR iteration, which is slower and shares little with it. */
#include <math.h>
#include <string.h>

#include "blockmatrix_private.h"
#include "ranks/agree.h"

/* ScaLAPACK's, and LAPACK's own for what fits one rank; arrays are void. */
void pssyevd_(const char *, const char *, const int *, void *, const int *, const int *, const int *, void *, void *,
              const int *, const int *, const int *, void *, const int *, int *, const int *, int *);
void pdsyevd_(const char *, const char *, const int *, void *, const int *, const int *, const int *, void *, void *,
              const int *, const int *, const int *, void *, const int *, int *, const int *, int *);
void ssyevd_(const char *, const char *, const int *, void *, const int *, void *, void *, const int *, int *,
             const int *, int *);
void dsyevd_(const char *, const char *, const int *, void *, const int *, void *, void *, const int *, int *,
             const int *, int *);
void ssyev_(const char *, const char *, const int *, void *, const int *, void *, void *, const int *, int *);
void dsyev_(const char *, const char *, const int *, void *, const int *, void *, void *, const int *, int *);

enum { BLOCK = FACET_BLOCK, TOLERANCE = 30 };

/* ---- what is checked ---- */

static double epsilon_of(const facet_blockmatrix *a)
{
  return a->type == FACET_F32 ? 0x1p-23 : 0x1p-52;
}

/* |ZT Z - I|_F / n, of a matrix with n columns. */
static facet_status orthogonality(const facet_blockmatrix *z, double *defect)
{
  facet_blockmatrix *product;
  FACET_TRY(facet_blockmatrix_create(z->grid, z->type, z->columns, z->columns, BLOCK, BLOCK, &product));
  facet_status status = facet_blockmatrix_gemm(true, false, 1, z, z, 0, product);
  for (int64_t j = 0; j < product->local_columns; j++)
    for (int64_t i = 0; i < product->local_rows; i++)
      if (facet_blockmatrix_row(product, i) == facet_blockmatrix_column(product, j)) {
        int64_t at = i + j * product->local_rows;
        facet_blockmatrix_set(product, at, facet_blockmatrix_get(product, at) - 1);
      }
  if (status == FACET_OK)
    status = facet_blockmatrix_norm(product, false, defect);
  *defect /= (double)z->columns;
  facet_blockmatrix_destroy(&product);
  return status;
}

/* z's columns times `values`. */
static void scale_columns(const double *values, const facet_blockmatrix *z, facet_blockmatrix *out)
{
  for (int64_t j = 0; j < z->local_columns; j++)
    for (int64_t i = 0; i < z->local_rows; i++) {
      int64_t at = i + j * z->local_rows;
      facet_blockmatrix_set(out, at, facet_blockmatrix_get(z, at) * values[facet_blockmatrix_column(z, j)]);
    }
}

static facet_status like(const facet_blockmatrix *m, facet_blockmatrix **copy)
{
  return facet_blockmatrix_create(m->grid, m->type, m->rows, m->columns, m->row_block, m->column_block, copy);
}

/* |a - z diag(values) zT| / norm, which is |a|, of lower triangles. `room` has a's shape and z's grid, and is lost. */
static facet_status residual(const facet_blockmatrix *a, double norm, const double *values, const facet_blockmatrix *z,
                             facet_blockmatrix *room, double *relative)
{
  facet_blockmatrix *scaled;
  FACET_TRY(facet_blockmatrix_redistribute(a, room));
  FACET_TRY(like(z, &scaled));
  scale_columns(values, z, scaled);
  facet_status status = facet_blockmatrix_gemm(false, true, -1, scaled, z, 1, room);
  facet_blockmatrix_destroy(&scaled);
  FACET_TRY(status);
  FACET_TRY(facet_blockmatrix_norm(room, true, relative));
  *relative /= norm > 0 ? norm : 1;
  return FACET_OK;
}

/* ---- one attempt: on a grid of its own ---- */

/* Where a routine finds room: values, work and integers. size -1: it says in work[0] and integers[0] how much it wants.
 */
typedef struct {
  void *values, *work;
  int *integers, size, integers_size;
} workspace;

typedef struct {
  facet_grid *grid;
  facet_blockmatrix *a, *z; /* a is lost; its eigenvectors */
  double norm, *values;     /* |a|; the caller's */
  bool iterate;             /* by QR iteration, on one rank */
  int info;                 /* of this rank; not 0: it failed */
} attempt;

static void attempt_clear(attempt *t)
{
  facet_blockmatrix_destroy(&t->a);
  facet_blockmatrix_destroy(&t->z);
  facet_grid_destroy(&t->grid);
}

/* The most ranks each of which has two blocks at least, in a grid that is no long line; 1 x 1 for small matrices. */
static void choose_grid(const facet_blockmatrix *a, int *rows, int *columns)
{
  int64_t places = a->rows / (2 * BLOCK);
  int ranks = a->grid->rows * a->grid->columns;
  *rows = *columns = 1;
  for (int r = 1; r * r <= ranks && r <= places; r++) {
    int most = ranks / r < 3 * r ? ranks / r : 3 * r, c = most < places ? most : (int)places;
    if (r * c >= *rows * *columns) { /* at the same size the squarer one */
      *rows = r;
      *columns = c;
    }
  }
}

/* 1 x 1: all of it on one rank, in one piece. */
static facet_status attempt_make(const facet_blockmatrix *a, int rows, int columns, attempt *t)
{
  FACET_TRY(facet_grid_create(a->grid->comm, rows, columns, &t->grid));
  FACET_TRY(facet_blockmatrix_create(t->grid, a->type, a->rows, a->rows, BLOCK, BLOCK, &t->a));
  FACET_TRY(facet_blockmatrix_create(t->grid, a->type, a->rows, a->rows, BLOCK, BLOCK, &t->z));
  return facet_blockmatrix_redistribute(a, t->a);
}

static void call_lapack(attempt *t, workspace *w)
{
  facet_blockmatrix *a = t->a;
  const int n = (int)a->rows;
  if (t->iterate)
    (a->type == FACET_F32 ? ssyev_ : dsyev_)("V", "L", &n, a->local, &n, w->values, w->work, &w->size, &t->info);
  else
    (a->type == FACET_F32 ? ssyevd_ : dsyevd_)("V", "L", &n, a->local, &n, w->values, w->work, &w->size, w->integers,
                                               &w->integers_size, &t->info);
  memcpy(t->z->local, a->local, (size_t)(a->rows * a->rows) * facet_type_size(a->type));
}

/* For the ranks of its grid, all of them. */
static void call(attempt *t, workspace *w)
{
  const facet_blockmatrix *a = t->a, *z = t->z;
  const int n = (int)a->rows, one = 1;
  if (t->grid->rows * t->grid->columns == 1)
    call_lapack(t, w);
  else
    (a->type == FACET_F32 ? pssyevd_ : pdsyevd_)("V", "L", &n, a->local, &one, &one, a->descriptor, w->values, z->local,
                                                 &one, &one, z->descriptor, w->work, &w->size, w->integers,
                                                 &w->integers_size, &t->info);
}

/* As much room as the routine wants and more: floats round the size down, and with what P?SYEVD asks for it returns
 * wrong vectors without an error. */
static facet_status workspace_make(attempt *t, workspace *w)
{
  double found = 0, p = (double)t->a->local_rows, q = (double)t->a->local_columns, b = BLOCK;
  int integers = 0;
  float narrow;
  workspace query = {w->values, &found, &integers, -1, -1};
  call(t, &query);
  memcpy(&narrow, &found, sizeof narrow);
  double wanted = 1.01 * (t->a->type == FACET_F32 ? (double)narrow : found) + 2.0 * (double)t->a->rows +
                  fmax(b * (b - 1) / 2, (p + q) * b) + b * b + p * (b + q);
  FACET_CHECK(wanted < INT32_MAX, FACET_BAD_INPUT, "a matrix of %lld x %lld is too large to be decomposed on %d ranks",
              (long long)t->a->rows, (long long)t->a->columns, t->grid->rows * t->grid->columns);
  w->size = (int)wanted + 1;
  w->integers_size = integers + 8 * (int)t->a->rows + 100;
  if (!(w->work = facet_allocate((size_t)w->size, facet_type_size(t->a->type))))
    return FACET_OS;
  FACET_NEW(w->integers, w->integers_size);
  return FACET_OK;
}

/* Runs it where the grid has ranks; all ranks get the values, and agree on whether it succeeded. */
static facet_status attempt_run(const facet_blockmatrix *a, attempt *t, bool *succeeded)
{
  MPI_Comm comm = a->grid->comm;
  workspace w = {.values = facet_allocate((size_t)a->rows, sizeof(double))};
  facet_status status = w.values ? FACET_OK : FACET_OS;
  if (status == FACET_OK && facet_grid_holds(t->grid))
    status = workspace_make(t, &w);
  status = facet_agree(comm, status); /* none may call alone */
  if (status == FACET_OK && facet_grid_holds(t->grid)) {
    call(t, &w);
    for (int64_t i = 0; i < a->rows; i++)
      t->values[i] = a->type == FACET_F32 ? (double)((const float *)w.values)[i] : ((const double *)w.values)[i];
  }
  FACET_FREE(&w.values, &w.work, &w.integers);
  FACET_TRY(status);
  int failed = t->info != 0;
  FACET_TRY(facet_largest(comm, &failed, 1, "decomposing"));
  *succeeded = !failed;
  return facet_share(comm, t->values, a->rows, "decomposing");
}

/* On the grid of `t`. */
static facet_status decompose_on(const facet_blockmatrix *a, int rows, int columns, attempt *t, bool *good,
                                 facet_decomposition *quality)
{
  double bound = TOLERANCE * epsilon_of(a);
  *quality = (facet_decomposition){0, 0};
  FACET_TRY(attempt_make(a, rows, columns, t));
  FACET_TRY(attempt_run(a, t, good));
  if (!*good)
    return FACET_OK;
  FACET_TRY(residual(a, t->norm, t->values, t->z, t->a, &quality->residual));
  FACET_TRY(orthogonality(t->z, &quality->orthogonality));
  *good = quality->residual <= bound * sqrt((double)a->rows) && quality->orthogonality <= bound; /* false for NaN */
  return FACET_OK;
}

/* ScaLAPACK where the matrix is large; then, or if that fails the check, LAPACK on one rank, in one way or the other.
 */
static facet_status decompose(const facet_blockmatrix *a, double *values, attempt *t, facet_decomposition *quality)
{
  int rows, columns;
  bool good = false;
  facet_decomposition own;
  double norm;
  quality = quality ? quality : &own;
  FACET_TRY(facet_blockmatrix_norm(a, true, &norm));
  FACET_CHECK(isfinite(norm), FACET_BAD_INPUT, "a matrix to be decomposed has elements that are not finite");
  choose_grid(a, &rows, &columns);
  for (int step = rows * columns > 1 ? 0 : 1; step < 3 && !good; step++) {
    attempt_clear(t);
    FACET_AGREE(a->grid->comm, facet_interrupt_check()); /* the last look before what takes minutes to hours */
    *t = (attempt){.norm = norm, .values = values, .iterate = step == 2};
    FACET_TRY(decompose_on(a, step > 0 ? 1 : rows, step > 0 ? 1 : columns, t, &good, quality));
  }
  FACET_CHECK(good, FACET_INTERNAL,
              "a matrix of %lld x %lld could not be decomposed: residual %.1e, orthogonality %.1e", (long long)a->rows,
              (long long)a->columns, quality->residual, quality->orthogonality);
  return FACET_OK;
}

facet_status facet_blockmatrix_eigen(const facet_blockmatrix *a, double *values, facet_blockmatrix **vectors,
                                     facet_decomposition *quality)
{
  attempt t = {0};
  FACET_CHECK(a->rows == a->columns, FACET_INTERNAL, "eigenvectors of a matrix that is not square");
  facet_status status = decompose(a, values, &t, quality);
  if (status == FACET_OK)
    status = like(a, vectors);
  if (status == FACET_OK)
    status = facet_blockmatrix_redistribute(t.z, *vectors);
  attempt_clear(&t);
  return status;
}
