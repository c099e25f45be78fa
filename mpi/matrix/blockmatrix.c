/* Distributed matrices: grids, pieces, moving numbers, products, by BLACS, PBLAS and ScaLAPACK. See blockmatrix.h; the
 * decomposition is in blockmatrix_solve.c. */
#include "blockmatrix.h"

#include <math.h>
#include <string.h>

#include "blockmatrix_private.h"
#include "ranks/agree.h"

enum { PORTION = 128 << 20, MOST_ROWS = INT32_MAX };

/* ---- BLACS, PBLAS and ScaLAPACK, as they are called from C; arrays are void: a letter says their type ---- */

int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int columns);
void Cblacs_gridinfo(int context, int *rows, int *columns, int *row, int *column);
void Cblacs_gridexit(int context);

/* Routines of one name for both types: alpha and beta point to a number of that type. */
#define FACET_BOTH(name, ...)                                                                                          \
  void ps##name##_(__VA_ARGS__);                                                                                       \
  void pd##name##_(__VA_ARGS__)
#define FACET_PLACE const void *, const int *, const int *, const int * /* array, row, column, descriptor */
FACET_BOTH(gemm, const char *, const char *, const int *, const int *, const int *, const void *, FACET_PLACE,
           FACET_PLACE, const void *, void *, const int *, const int *, const int *);
FACET_BOTH(gemr2d, const int *, const int *, FACET_PLACE, void *, const int *, const int *, const int *, const int *);

/* The routine `name` for the type of `m`. */
#define FACET_CALL(m, name, ...) ((m)->type == FACET_F32 ? ps##name##_(__VA_ARGS__) : pd##name##_(__VA_ARGS__))

/* A number in both types, and the one that a matrix wants. */
typedef struct {
  float f;
  double d;
} facet_scalar;
static inline const void *facet_scalar_of(const facet_scalar *x, facet_type type)
{
  return type == FACET_F32 ? (const void *)&x->f : (const void *)&x->d;
}

/* PBLAS asks for it: how wide the panels are that its products work through (its own answer, 32, leaves half of the
 * speed of a BLAS behind; its comment invites users to replace it). */
int pilaenv_(const int *context, const char *precision);
int pilaenv_(const int *context, const char *precision)
{
  (void)context;
  (void)precision;
  return 1024;
}

/* ---- grids ---- */

facet_status facet_grid_create(MPI_Comm comm, int rows, int columns, facet_grid **grid)
{
  int ranks = facet_ranks(comm);
  *grid = NULL;
  FACET_CHECK(rows >= 1 && columns >= 1 && rows * columns <= ranks, FACET_INTERNAL, "a grid of %d x %d on %d ranks",
              rows, columns, ranks);
  facet_grid *g = facet_allocate(1, sizeof *g);
  FACET_AGREE(comm, g ? FACET_OK : FACET_OS);
  facet_status status = facet_mpi_check(MPI_Comm_dup(comm, &g->comm), "making a grid of ranks");
  if (status != FACET_OK) {
    facet_free(&g);
    return status;
  }
  g->rank = facet_rank(comm);
  g->ranks = ranks;
  g->rows = rows;
  g->columns = columns;
  g->handle = Csys2blacs_handle(g->comm);
  g->context = g->everybody = g->handle;
  Cblacs_gridinit(&g->everybody, "Row", 1, g->ranks);
  Cblacs_gridinit(&g->context, "Row", rows, columns);
  bool inside = g->rank < rows * columns; /* by rows, in order of rank */
  g->row = inside ? g->rank / columns : -1;
  g->column = inside ? g->rank % columns : -1;
  *grid = g;
  return FACET_OK;
}

void facet_grid_destroy(facet_grid **grid)
{
  facet_grid *g = *grid;
  if (!g)
    return;
  if (facet_grid_holds(g))
    Cblacs_gridexit(g->context);
  Cblacs_gridexit(g->everybody);
  Cfree_blacs_system_handle(g->handle);
  MPI_Comm_free(&g->comm);
  facet_free(grid);
}

MPI_Comm facet_grid_comm(const facet_grid *grid)
{
  return grid->comm;
}

/* ---- which element is where ---- */

/* How many of `n` in blocks fall to place `me` of `places` (ScaLAPACK's NUMROC, in 64 bits). */
static int64_t share(int64_t n, int64_t block, int me, int places)
{
  if (me < 0)
    return 0;
  int64_t blocks = n / block, count = blocks / places * block, rest = blocks % places;
  return count + (me < rest ? block : me == rest ? n % block : 0);
}

/* Which element of all the local number `i` is. */
static int64_t global_of(int64_t i, int64_t block, int me, int places)
{
  return (i / block * places + me) * block + i % block;
}

int64_t facet_blockmatrix_row(const facet_blockmatrix *m, int64_t i)
{
  return global_of(i, m->row_block, m->grid->row, m->grid->rows);
}

int64_t facet_blockmatrix_column(const facet_blockmatrix *m, int64_t j)
{
  return global_of(j, m->column_block, m->grid->column, m->grid->columns);
}

static int64_t leading(const facet_blockmatrix *m)
{
  return m->local_rows > 0 ? m->local_rows : 1;
}

/* ---- matrices ---- */

facet_status facet_blockmatrix_create(facet_grid *g, facet_type type, int64_t rows, int64_t columns, int64_t row_block,
                                      int64_t column_block, facet_blockmatrix **matrix)
{
  *matrix = NULL;
  FACET_CHECK((type == FACET_F32 || type == FACET_F64) && rows >= 1 && columns >= 1 && row_block >= 1 &&
                  column_block >= 1,
              FACET_INTERNAL, "a distributed matrix of %lld x %lld", (long long)rows, (long long)columns);
  int64_t most_rows = share(rows, row_block, 0, g->rows), most_columns = share(columns, column_block, 0, g->columns);
  FACET_CHECK(rows <= MOST_ROWS && columns <= MOST_ROWS && row_block <= MOST_ROWS && column_block <= MOST_ROWS &&
                  most_rows <= INT32_MAX / most_columns,
              FACET_BAD_INPUT,
              "a matrix of %lld x %lld on %d ranks: a rank's part has more elements than ScaLAPACK counts",
              (long long)rows, (long long)columns, g->rows * g->columns);
  facet_blockmatrix *m = facet_allocate(1, sizeof *m);
  facet_status status = m ? FACET_OK : FACET_OS;
  if (m) {
    *m = (facet_blockmatrix){.grid = g,
                             .type = type,
                             .rows = rows,
                             .columns = columns,
                             .row_block = row_block,
                             .column_block = column_block,
                             .local_rows = share(rows, row_block, g->row, g->rows),
                             .local_columns = share(columns, column_block, g->column, g->columns)};
    const int context = facet_grid_holds(g) ? g->context : -1, line = (int)leading(m);
    const int descriptor[9] = {1, context, (int)rows, (int)columns, (int)row_block, (int)column_block, 0, 0, line};
    memcpy(m->descriptor, descriptor, sizeof descriptor);
    m->local = facet_allocate((size_t)(m->local_rows * m->local_columns), facet_type_size(type));
    status = m->local ? FACET_OK : FACET_OS;
  }
  status = facet_agree(g->comm, status);
  if (status != FACET_OK)
    facet_blockmatrix_destroy(&m);
  *matrix = m;
  return status;
}

void facet_blockmatrix_destroy(facet_blockmatrix **matrix)
{
  if (*matrix)
    facet_free(&(*matrix)->local);
  facet_free(matrix);
}

/* ---- all numbers in, all numbers out ---- */

/* Where an element stands among `width` columns from `from` on, by rows; -1: elsewhere. */
static int64_t place_of(const facet_blockmatrix *m, int64_t i, int64_t j, int64_t from, int64_t width)
{
  int64_t column = facet_blockmatrix_column(m, j) - from;
  return column < 0 || column >= width ? -1 : facet_blockmatrix_row(m, i) * width + column;
}

void facet_blockmatrix_fill(const facet_blockmatrix *m, const double *x)
{
  for (int64_t j = 0; j < m->local_columns; j++)
    for (int64_t i = 0; i < m->local_rows; i++)
      facet_blockmatrix_set(m, i + j * leading(m), x[place_of(m, i, j, 0, m->columns)]);
}

/* An element comes from one rank, and zeros from the others: all their bits together are its own. */
facet_status facet_blockmatrix_gather(const facet_blockmatrix *m, int64_t from, int64_t width, double *out)
{
  FACET_CHECK(from >= 0 && width >= 1 && from + width <= m->columns, FACET_INTERNAL,
              "a part outside of a matrix is wanted");
  memset(out, 0, (size_t)(m->rows * width) * sizeof *out);
  for (int64_t j = 0; j < m->local_columns; j++)
    for (int64_t i = 0; i < m->local_rows; i++) {
      int64_t at = place_of(m, i, j, from, width);
      if (at >= 0)
        out[at] = facet_blockmatrix_get(m, i + j * leading(m));
    }
  return facet_combine_numbers(m->grid->comm, MPI_BOR, MPI_UINT64_T, out, m->rows * width,
                               "gathering a distributed matrix");
}

/* ---- moving ---- */

static bool same_pieces(const facet_blockmatrix *a, const facet_blockmatrix *b)
{
  return a->grid == b->grid && a->row_block == b->row_block && a->column_block == b->column_block;
}

static void copy_local(const facet_blockmatrix *from, facet_blockmatrix *to)
{
  int64_t count = from->local_rows * from->local_columns;
  if (from->type == to->type)
    memcpy(to->local, from->local, (size_t)count * facet_type_size(to->type));
  else
    for (int64_t i = 0; i < count; i++)
      facet_blockmatrix_set(to, i, facet_blockmatrix_get(from, i));
}

/* P?GEMR2D, in panels whose bytes it can count. */
static void move_panels(const facet_blockmatrix *from, facet_blockmatrix *to)
{
  const int one = 1, rows = (int)from->rows, everybody = from->grid->everybody;
  int64_t most = share(from->rows, from->row_block, 0, from->grid->rows);
  int64_t other = share(to->rows, to->row_block, 0, to->grid->rows);
  int64_t width = PORTION / (most > other ? most : other);
  width = width < 1 ? 1 : width;
  for (int64_t j = 0; j < from->columns; j += width) {
    int columns = (int)(from->columns - j < width ? from->columns - j : width), at = (int)j + 1;
    FACET_CALL(to, gemr2d, &rows, &columns, from->local, &one, &at, from->descriptor, to->local, &one, &at,
               to->descriptor, &everybody);
  }
}

facet_status facet_blockmatrix_redistribute(const facet_blockmatrix *from, facet_blockmatrix *to)
{
  FACET_CHECK(from->rows == to->rows && from->columns == to->columns && from->grid->ranks == to->grid->ranks,
              FACET_INTERNAL, "a matrix cannot move to one of another shape");
  FACET_CHECK(from->type == to->type || same_pieces(from, to), FACET_INTERNAL,
              "a matrix cannot move and change its type at once");
  if (same_pieces(from, to))
    copy_local(from, to);
  else
    move_panels(from, to);
  return FACET_OK;
}

/* ---- arithmetic ---- */

static facet_status fits(bool shapes, const facet_blockmatrix *a, const facet_blockmatrix *b,
                         const facet_blockmatrix *c)
{
  FACET_CHECK(shapes && a->grid == b->grid && a->grid == c->grid && a->type == b->type && a->type == c->type,
              FACET_INTERNAL, "distributed matrices of %lld x %lld, %lld x %lld and %lld x %lld do not fit each other",
              (long long)a->rows, (long long)a->columns, (long long)b->rows, (long long)b->columns, (long long)c->rows,
              (long long)c->columns);
  return FACET_OK;
}

facet_status facet_blockmatrix_gemm(bool transpose_a, bool transpose_b, double alpha, const facet_blockmatrix *a,
                                    const facet_blockmatrix *b, double beta, facet_blockmatrix *c)
{
  int64_t inner = transpose_a ? a->rows : a->columns, other = transpose_b ? b->columns : b->rows;
  int64_t rows = transpose_a ? a->columns : a->rows, columns = transpose_b ? b->rows : b->columns;
  FACET_TRY(fits(inner == other && rows == c->rows && columns == c->columns, a, b, c));
  const int m = (int)rows, n = (int)columns, k = (int)inner, one = 1;
  const facet_scalar x = {(float)alpha, alpha}, y = {(float)beta, beta};
  if (facet_grid_holds(c->grid))
    FACET_CALL(c, gemm, transpose_a ? "T" : "N", transpose_b ? "T" : "N", &m, &n, &k, facet_scalar_of(&x, c->type),
               a->local, &one, &one, a->descriptor, b->local, &one, &one, b->descriptor, facet_scalar_of(&y, c->type),
               c->local, &one, &one, c->descriptor);
  return FACET_OK;
}

/* How often a norm counts element i of the local array: of a symmetric matrix, the triangle above the diagonal has what
 * the one below has. */
static int counts(const facet_blockmatrix *a, bool symmetric, int64_t i)
{
  if (!symmetric)
    return 1;
  int64_t row = facet_blockmatrix_row(a, i % a->local_rows), column = facet_blockmatrix_column(a, i / a->local_rows);
  return (row >= column) + (row > column);
}

/* Squares of numbers of the largest's size neither overflow nor vanish. */
facet_status facet_blockmatrix_norm(const facet_blockmatrix *a, bool symmetric, double *norm)
{
  double largest = 0, sum = 0;
  const int64_t count = a->local_rows * a->local_columns;
  for (int64_t i = 0; i < count; i++)
    if (counts(a, symmetric, i) > 0)
      largest = fmax(largest, fabs(facet_blockmatrix_get(a, i))); /* passes over NaN */
  FACET_TRY(facet_largest(a->grid->comm, &largest, 1, "a norm"));
  const double scale = largest > 0 && isfinite(largest) ? largest : 1;
  for (int64_t i = 0; i < count; i++) {
    int times = counts(a, symmetric, i);
    double x = times > 0 ? facet_blockmatrix_get(a, i) / scale : 0;
    sum += times * x * x;
  }
  FACET_TRY(facet_sum(a->grid->comm, &sum, 1, "a norm"));
  *norm = scale * sqrt(sum);
  return FACET_OK;
}
