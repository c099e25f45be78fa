/* Distributed matrices: grids, pieces, moving numbers, products, and everything that is called of BLACS and ScaLAPACK.
 * See blockmatrix.h; the decomposition that is checked is in blockmatrix_solve.c. */
#include "blockmatrix.h"

#include <math.h>
#include <string.h>

#include "blockmatrix_private.h"
#include "ranks/agree.h"

enum { PORTION = 32 << 20, MOST_ROWS = INT32_MAX };

/* ---- BLACS, PBLAS and ScaLAPACK, as they are called from C; arrays are void: the routine's letter says their type
 * ----
 */

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
FACET_BOTH(syrk, const char *, const char *, const int *, const int *, const void *, FACET_PLACE, const void *, void *,
           const int *, const int *, const int *);
FACET_BOTH(tran, const int *, const int *, const void *, FACET_PLACE, const void *, void *, const int *, const int *,
           const int *);
FACET_BOTH(gemr2d, const int *, const int *, FACET_PLACE, void *, const int *, const int *, const int *, const int *);
FACET_BOTH(syevd, const char *, const char *, const int *, void *, const int *, const int *, const int *, void *,
           void *, const int *, const int *, const int *, void *, const int *, int *, const int *, int *);

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

/* As square as the ranks permit. */
static void choose_shape(int ranks, int *rows, int *columns)
{
  int side = 1;
  while ((side + 1) * (side + 1) <= ranks)
    side++;
  int r = side;
  while (ranks % r != 0)
    r--;
  *rows = r == 1 && ranks > 3 ? side : r;
  *columns = ranks / *rows;
}

facet_status facet_grid_create(MPI_Comm comm, int rows, int columns, facet_grid **grid)
{
  facet_grid *g = facet_allocate(1, sizeof *g);
  *grid = NULL;
  FACET_AGREE(comm, g ? FACET_OK : FACET_OS);
  facet_status status = facet_mpi_check(MPI_Comm_dup(comm, &g->comm), "making a grid of ranks");
  if (status != FACET_OK) {
    facet_free(&g);
    return status;
  }
  g->rank = facet_rank(comm);
  g->ranks = facet_ranks(comm);
  if (rows == 0)
    choose_shape(g->ranks, &rows, &columns);
  if (rows < 1 || columns < 1 || rows * columns > g->ranks) {
    int ranks = g->ranks;
    MPI_Comm_free(&g->comm);
    facet_free(&g);
    return facet_raise(FACET_INTERNAL, "a grid of %d x %d on %d ranks", rows, columns, ranks);
  }
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

static int64_t fitting_block(int64_t asked, int64_t n, int places)
{
  int64_t each = (n + places - 1) / places;
  if (asked > 0)
    return asked;
  return each < 1 ? 1 : each < FACET_BLOCK ? each : FACET_BLOCK;
}

facet_status facet_blockmatrix_create(facet_grid *g, facet_type type, int64_t rows, int64_t columns, int64_t row_block,
                                      int64_t column_block, facet_blockmatrix **matrix)
{
  *matrix = NULL;
  FACET_CHECK((type == FACET_F32 || type == FACET_F64) && rows >= 1 && columns >= 1, FACET_INTERNAL,
              "a distributed matrix of %lld x %lld", (long long)rows, (long long)columns);
  row_block = fitting_block(row_block, rows, g->rows);
  column_block = fitting_block(column_block, columns, g->columns);
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
    const int descriptor[9] = {1,
                               facet_grid_holds(g) ? g->context : -1,
                               (int)rows,
                               (int)columns,
                               (int)row_block,
                               (int)column_block,
                               0,
                               0,
                               (int)leading(m)};
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

/* ---- rows in, rows out ---- */

/* The local elements whose numbers are in first .. first+count-1: those from *from on, before *to. */
static void local_range(int64_t first, int64_t count, int64_t block, int me, int places, int64_t *from, int64_t *to)
{
  *from = share(first, block, me, places);
  *to = share(first + count, block, me, places);
}

/* What travels in one round: how many rows of so many columns. Every rank's together are of a size that MPI counts. */
static int64_t rows_of_round(int ranks, int64_t columns, size_t size)
{
  int64_t rows = PORTION / ranks / (columns * (int64_t)size);
  return rows > 0 ? rows : 1;
}

typedef struct {
  const facet_grid *grid;
  MPI_Datatype type;
  size_t size;                                /* of an element */
  int *send, *send_at, *receive, *receive_at; /* elements, by rank */
  char *out, *in;                             /* what is sent, what comes */
} exchange;

static void exchange_clear(exchange *x)
{
  FACET_FREE(&x->send, &x->send_at, &x->receive, &x->receive_at, &x->out, &x->in);
}

static facet_status exchange_make(const facet_blockmatrix *m, exchange *x)
{
  *x = (exchange){
      .grid = m->grid, .type = m->type == FACET_F32 ? MPI_FLOAT : MPI_DOUBLE, .size = facet_type_size(m->type)};
  FACET_NEW(x->send, m->grid->ranks);
  FACET_NEW(x->send_at, m->grid->ranks);
  FACET_NEW(x->receive, m->grid->ranks);
  FACET_NEW(x->receive_at, m->grid->ranks);
  return FACET_OK;
}

/* Where each rank's part begins; how much it is in all. */
static int64_t add_up(const exchange *x, const int *count, int *at)
{
  int64_t sum = 0;
  for (int r = 0; r < x->grid->ranks; r++) {
    at[r] = (int)sum;
    sum += count[r];
  }
  return sum;
}

/* One round of filling: `mine` rows from `first` on of this rank; spans: first and count of every rank's. */
static facet_status fill_round(facet_blockmatrix *m, exchange *x, const int64_t *spans, const char *rows)
{
  const facet_grid *g = m->grid;
  int64_t first = spans[2 * g->rank], count = spans[2 * g->rank + 1], from, to;
  memset(x->send, 0, (size_t)g->ranks * sizeof *x->send);
  memset(x->receive, 0, (size_t)g->ranks * sizeof *x->receive);
  for (int r = 0; r < g->rows * g->columns; r++) {
    local_range(first, count, m->row_block, r / g->columns, g->rows, &from, &to);
    x->send[r] = (int)((to - from) * share(m->columns, m->column_block, r % g->columns, g->columns));
  }
  for (int r = 0; r < g->ranks && facet_grid_holds(g); r++) {
    local_range(spans[2 * r], spans[2 * r + 1], m->row_block, g->row, g->rows, &from, &to);
    x->receive[r] = (int)((to - from) * m->local_columns);
  }
  int64_t sent = add_up(x, x->send, x->send_at), received = add_up(x, x->receive, x->receive_at);
  facet_status status = FACET_OK;
  if (!(x->out = facet_allocate((size_t)sent, x->size)) || !(x->in = facet_allocate((size_t)received, x->size)))
    status = FACET_OS;
  FACET_AGREE(g->comm, status);
  char *out = x->out;
  for (int r = 0; r < g->rows * g->columns; r++) {
    int row = r / g->columns, column = r % g->columns;
    int64_t wide = share(m->columns, m->column_block, column, g->columns);
    local_range(first, count, m->row_block, row, g->rows, &from, &to);
    for (int64_t i = from; i < to; i++) {
      const char *line = rows + (size_t)((global_of(i, m->row_block, row, g->rows) - first) * m->columns) * x->size;
      for (int64_t j = 0; j < wide; j++, out += x->size)
        memcpy(out, line + (size_t)global_of(j, m->column_block, column, g->columns) * x->size, x->size);
    }
  }
  FACET_TRY(facet_mpi_check(
      MPI_Alltoallv(x->out, x->send, x->send_at, x->type, x->in, x->receive, x->receive_at, x->type, g->comm),
      "filling a distributed matrix"));
  const char *in = x->in;
  for (int r = 0; r < g->ranks && facet_grid_holds(g); r++) {
    local_range(spans[2 * r], spans[2 * r + 1], m->row_block, g->row, g->rows, &from, &to);
    for (int64_t i = from; i < to; i++)
      for (int64_t j = 0; j < m->local_columns; j++, in += x->size)
        memcpy((char *)m->local + (size_t)(i + j * leading(m)) * x->size, in, x->size);
  }
  facet_free(&x->out);
  facet_free(&x->in);
  return FACET_OK;
}

static facet_status fill(facet_blockmatrix *m, exchange *x, int64_t *spans, int64_t first, int64_t count,
                         const char *rows)
{
  const facet_grid *g = m->grid;
  int64_t step = rows_of_round(g->ranks, m->columns, x->size), rounds = (count + step - 1) / step;
  FACET_TRY(facet_largest(g->comm, &rounds, 1, "filling"));
  for (int64_t round = 0; round < rounds; round++) {
    int64_t done = round * step < count ? round * step : count;
    int64_t mine[2] = {first + done, count - done < step ? count - done : step};
    FACET_TRY(facet_mpi_check(MPI_Allgather(mine, 2, MPI_INT64_T, spans, 2, MPI_INT64_T, g->comm), "filling"));
    FACET_TRY(fill_round(m, x, spans, rows + (size_t)(done * m->columns) * x->size));
  }
  return FACET_OK;
}

facet_status facet_blockmatrix_fill(facet_blockmatrix *m, int64_t first, int64_t count, const void *rows)
{
  exchange x;
  int64_t *spans = NULL;
  facet_status status = exchange_make(m, &x);
  if (status == FACET_OK && !(spans = facet_allocate((size_t)m->grid->ranks * 2, sizeof *spans)))
    status = FACET_OS;
  if (status == FACET_OK && (first < 0 || count < 0 || first + count > m->rows))
    status = facet_raise(FACET_INTERNAL, "rows %lld .. %lld of a matrix with %lld", (long long)first,
                         (long long)(first + count), (long long)m->rows);
  status = facet_agree(m->grid->comm, status);
  if (status == FACET_OK)
    status = fill(m, &x, spans, first, count, rows);
  exchange_clear(&x);
  facet_free(&spans);
  return status;
}

/* One round of gathering: rows first .. first+count-1. */
static facet_status gather_round(const facet_blockmatrix *m, exchange *x, int64_t first, int64_t count, int64_t left,
                                 int64_t width, char *out)
{
  const facet_grid *g = m->grid;
  int64_t from, to, begin, end;
  memset(x->receive, 0, (size_t)g->ranks * sizeof *x->receive);
  for (int r = 0; r < g->rows * g->columns; r++) {
    local_range(first, count, m->row_block, r / g->columns, g->rows, &from, &to);
    local_range(left, width, m->column_block, r % g->columns, g->columns, &begin, &end);
    x->receive[r] = (int)((to - from) * (end - begin));
  }
  int64_t all = add_up(x, x->receive, x->receive_at);
  facet_status status = FACET_OK;
  if (!(x->out = facet_allocate((size_t)x->receive[g->rank], x->size)) ||
      !(x->in = facet_allocate((size_t)all, x->size)))
    status = FACET_OS;
  FACET_AGREE(g->comm, status);
  char *packed = x->out;
  if (facet_grid_holds(g)) {
    local_range(first, count, m->row_block, g->row, g->rows, &from, &to);
    local_range(left, width, m->column_block, g->column, g->columns, &begin, &end);
    for (int64_t i = from; i < to; i++)
      for (int64_t j = begin; j < end; j++, packed += x->size)
        memcpy(packed, (const char *)m->local + (size_t)(i + j * leading(m)) * x->size, x->size);
  }
  FACET_TRY(facet_mpi_check(
      MPI_Allgatherv(x->out, x->receive[g->rank], x->type, x->in, x->receive, x->receive_at, x->type, g->comm),
      "gathering a distributed matrix"));
  const char *in = x->in;
  for (int r = 0; r < g->rows * g->columns; r++) {
    int row = r / g->columns, column = r % g->columns;
    local_range(first, count, m->row_block, row, g->rows, &from, &to);
    local_range(left, width, m->column_block, column, g->columns, &begin, &end);
    for (int64_t i = from; i < to; i++) {
      char *line = out + (size_t)((global_of(i, m->row_block, row, g->rows) - first) * width) * x->size;
      for (int64_t j = begin; j < end; j++, in += x->size)
        memcpy(line + (size_t)(global_of(j, m->column_block, column, g->columns) - left) * x->size, in, x->size);
    }
  }
  facet_free(&x->out);
  facet_free(&x->in);
  return FACET_OK;
}

facet_status facet_blockmatrix_gather(const facet_blockmatrix *m, int64_t first, int64_t count, int64_t from,
                                      int64_t width, void *out)
{
  exchange x;
  FACET_CHECK(first >= 0 && count >= 0 && first + count <= m->rows && from >= 0 && width >= 1 &&
                  from + width <= m->columns,
              FACET_INTERNAL, "a part outside of a matrix is wanted");
  facet_status status = facet_agree(m->grid->comm, exchange_make(m, &x));
  int64_t step = rows_of_round(m->grid->ranks, width, x.size);
  for (int64_t i = 0; i < count && status == FACET_OK; i += step)
    status = gather_round(m, &x, first + i, count - i < step ? count - i : step, from, width,
                          (char *)out + (size_t)(i * width) * x.size);
  exchange_clear(&x);
  return status;
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
  int64_t width = PORTION * INT64_C(4) / (most > other ? most : other);
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
  if (same_pieces(from, to)) {
    copy_local(from, to);
    return FACET_OK;
  }
  if (from->type == to->type) {
    move_panels(from, to);
    return FACET_OK;
  }
  facet_blockmatrix *same;
  FACET_TRY(facet_blockmatrix_create(from->grid, to->type, from->rows, from->columns, from->row_block,
                                     from->column_block, &same));
  copy_local(from, same);
  move_panels(same, to);
  facet_blockmatrix_destroy(&same);
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

facet_status facet_blockmatrix_transpose(double alpha, const facet_blockmatrix *a, double beta, facet_blockmatrix *c)
{
  FACET_TRY(fits(a->rows == c->columns && a->columns == c->rows, a, a, c));
  const int m = (int)c->rows, n = (int)c->columns, one = 1;
  const facet_scalar x = {(float)alpha, alpha}, y = {(float)beta, beta};
  if (facet_grid_holds(c->grid))
    FACET_CALL(c, tran, &m, &n, facet_scalar_of(&x, c->type), a->local, &one, &one, a->descriptor,
               facet_scalar_of(&y, c->type), c->local, &one, &one, c->descriptor);
  return FACET_OK;
}

facet_status facet_blockmatrix_mirror(facet_blockmatrix *c)
{
  facet_blockmatrix *below;
  FACET_TRY(facet_blockmatrix_create(c->grid, c->type, c->rows, c->columns, c->row_block, c->column_block, &below));
  for (int64_t j = 0; j < c->local_columns; j++)
    for (int64_t i = 0; i < c->local_rows; i++) {
      int64_t at = i + j * leading(c), row = facet_blockmatrix_row(c, i), column = facet_blockmatrix_column(c, j);
      facet_blockmatrix_set(below, at, row > column ? facet_blockmatrix_get(c, at) : 0);
      if (row < column)
        facet_blockmatrix_set(c, at, 0);
    }
  facet_status status = facet_blockmatrix_transpose(1, below, 1, c);
  facet_blockmatrix_destroy(&below);
  return status;
}

facet_status facet_blockmatrix_syrk_below(bool transpose, double alpha, const facet_blockmatrix *a, double beta,
                                          facet_blockmatrix *c)
{
  int64_t order = transpose ? a->columns : a->rows, inner = transpose ? a->rows : a->columns;
  FACET_TRY(fits(order == c->rows && order == c->columns, a, a, c));
  const int n = (int)order, k = (int)inner, one = 1;
  const facet_scalar x = {(float)alpha, alpha}, y = {(float)beta, beta};
  if (facet_grid_holds(c->grid))
    FACET_CALL(c, syrk, "L", transpose ? "T" : "N", &n, &k, facet_scalar_of(&x, c->type), a->local, &one, &one,
               a->descriptor, facet_scalar_of(&y, c->type), c->local, &one, &one, c->descriptor);
  return FACET_OK;
}

/* Squares of numbers of the largest's size neither overflow nor vanish. */
facet_status facet_blockmatrix_norm(const facet_blockmatrix *a, double *norm)
{
  double largest = 0, sum = 0;
  const int64_t count = a->local_rows * a->local_columns;
  for (int64_t i = 0; i < count; i++)
    largest = fmax(largest, fabs(facet_blockmatrix_get(a, i))); /* passes over NaN */
  FACET_TRY(facet_largest(a->grid->comm, &largest, 1, "a norm"));
  const double scale = largest > 0 && isfinite(largest) ? largest : 1;
  for (int64_t i = 0; i < count; i++) {
    double x = facet_blockmatrix_get(a, i) / scale;
    sum += x * x;
  }
  FACET_TRY(facet_sum(a->grid->comm, &sum, 1, "a norm"));
  *norm = scale * sqrt(sum);
  return FACET_OK;
}

/* ---- the decomposition, as it is ---- */

int facet_scalapack_syevd(facet_blockmatrix *a, facet_blockmatrix *z, facet_workspace *w)
{
  const int n = (int)a->rows, one = 1;
  int info = 0;
  FACET_CALL(a, syevd, "V", "L", &n, a->local, &one, &one, a->descriptor, w->values, z->local, &one, &one,
             z->descriptor, w->work, &w->size, w->integers, &w->integers_size, &info);
  return info;
}
