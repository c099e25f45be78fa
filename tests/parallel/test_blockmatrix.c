/* Distributed matrices on every grid that the ranks permit, against BLAS and LAPACK on the gathered numbers.
 * Ranks: 1 2 3 4 6 8
 *
 * A rank alone must not leave a test, since the others would wait for it: what is wrong is counted, and all ranks fail
 * together at the end of the test.  Matrices are written by rows, in doubles that the matrix's type can hold. */
#include <cblas.h>
#include <dlfcn.h>
#include <math.h>
#include <mpi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "matrix/blockmatrix_private.h"
#include "ranks/agree.h"

void dsyevd_(const char *, const char *, const int *, double *, const int *, double *, double *, const int *, int *,
             const int *, int *);
void dsyev_(const char *, const char *, const int *, double *, const int *, double *, double *, const int *, int *);

/* LAPACK's vectors, wrong in one number where a test wants it so: these take the place of the library's. */
static bool spoil_division, spoil_iteration;

void dsyevd_(const char *job, const char *part, const int *n, double *a, const int *lda, double *s, double *work,
             const int *size, int *integers, const int *integers_size, int *info)
{
  void (*real)(const char *, const char *, const int *, double *, const int *, double *, double *, const int *, int *,
               const int *, int *);
  *(void **)&real = dlsym(RTLD_NEXT, "dsyevd_");
  real(job, part, n, a, lda, s, work, size, integers, integers_size, info);
  if (spoil_division && *job == 'V' && *size > 0)
    a[0] += 1e-9;
}

void dsyev_(const char *job, const char *part, const int *n, double *a, const int *lda, double *s, double *work,
            const int *size, int *info)
{
  void (*real)(const char *, const char *, const int *, double *, const int *, double *, double *, const int *, int *);
  *(void **)&real = dlsym(RTLD_NEXT, "dsyev_");
  real(job, part, n, a, lda, s, work, size, info);
  if (spoil_iteration && *size > 0)
    a[0] += 1e-9;
}

static int rank, ranks, wrong;
static char where[160]; /* what is being tested, for messages */

#define EXPECT(condition, ...)                                                                                         \
  do {                                                                                                                 \
    if (!(condition) && ++wrong <= 10) {                                                                               \
      print_error("rank %d: %s: ", rank, where);                                                                       \
      print_error(__VA_ARGS__);                                                                                        \
      print_error("\n");                                                                                               \
    }                                                                                                                  \
  } while (0)

static bool succeeds(facet_status status)
{
  EXPECT(status == FACET_OK, "%s", facet_message());
  return status == FACET_OK;
}

static void fails(facet_status status, facet_status wanted, const char *words)
{
  EXPECT(status == wanted && strstr(facet_message(), words), "status %d, not %d: %s", (int)status, (int)wanted,
         facet_message());
}

static void finish(void)
{
  MPI_Allreduce(MPI_IN_PLACE, &wrong, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  int all = wrong;
  wrong = 0;
  assert_int_equal(all, 0);
}

/* ---- grids and numbers ---- */

static const int grids[][2] = {{1, 1}, {1, 2}, {2, 1}, {1, 3}, {2, 2}, {0, 0}, {2, 3}, {1, 5}, {2, 4}, {7, 1}, {8, 1}};
enum { GRIDS = sizeof grids / sizeof grids[0] };
static const facet_type types[] = {FACET_F64, FACET_F32};

/* Small grids have had their turn on few ranks, and so has the default. */
static bool takes(int g)
{
  int size = grids[g][0] * grids[g][1];
  return size <= ranks && (ranks <= 4 || size > ranks - 2);
}

/* {0, 0}: nearly all ranks. */
static const int *shape_of(int g)
{
  static const int square[9][2] = {{0, 0}, {1, 1}, {1, 2}, {1, 3}, {2, 2}, {2, 2}, {2, 3}, {2, 3}, {2, 4}};
  return grids[g][0] ? grids[g] : square[ranks];
}

static facet_grid *grid_of(int g)
{
  facet_grid *grid;
  if (facet_grid_create(MPI_COMM_WORLD, shape_of(g)[0], shape_of(g)[1], &grid) != FACET_OK) {
    print_error("%s\n", facet_message());
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  (void)snprintf(where, sizeof where, "%d x %d", grid->rows, grid->columns);
  return grid;
}

static void name_case(const facet_grid *grid, facet_type type, const char *text, int64_t m, int64_t n)
{
  (void)snprintf(where, sizeof where, "%d x %d ranks, %s, %s %lld x %lld", grid->rows, grid->columns,
                 type == FACET_F32 ? "float" : "double", text, (long long)m, (long long)n);
}

static double *numbers(int64_t count)
{
  double *x = facet_allocate((size_t)count, sizeof *x);
  if (!x)
    MPI_Abort(MPI_COMM_WORLD, 1);
  return x;
}

static double rounded(facet_type type, double x)
{
  return type == FACET_F32 ? (double)(float)x : x;
}

static double epsilon_of(facet_type type)
{
  return type == FACET_F32 ? 0x1p-23 : 0x1p-52;
}

/* Blocks of 0: so that every rank has a part. */
static facet_status create(facet_grid *grid, facet_type type, int64_t rows, int64_t columns, int64_t row_block,
                           int64_t column_block, facet_blockmatrix **m)
{
  int64_t high = (rows + grid->rows - 1) / grid->rows, wide = (columns + grid->columns - 1) / grid->columns;
  row_block = row_block ? row_block : high < FACET_BLOCK ? high : FACET_BLOCK;
  column_block = column_block ? column_block : wide < FACET_BLOCK ? wide : FACET_BLOCK;
  return facet_blockmatrix_create(grid, type, rows, columns, row_block, column_block, m);
}

/* In (-1, 1), the same on every rank. */
static void random_numbers(uint32_t seed, facet_type type, int64_t count, double *x)
{
  for (int64_t i = 0; i < count; i++)
    x[i] = rounded(type, 2 * facet_random_uniform((facet_random){seed, 1}, (uint64_t)i, 0) - 1);
}

static double *new_random(uint32_t seed, facet_type type, int64_t count)
{
  double *x = numbers(count);
  random_numbers(seed, type, count, x);
  return x;
}

/* A distributed matrix with the numbers x. */
static facet_blockmatrix *put(facet_grid *grid, facet_type type, int64_t rows, int64_t columns, int64_t row_block,
                              int64_t column_block, const double *x)
{
  facet_blockmatrix *m;
  if (create(grid, type, rows, columns, row_block, column_block, &m) != FACET_OK) {
    print_error("%s: %s\n", where, facet_message());
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  facet_blockmatrix_fill(m, x);
  return m;
}

/* Some columns of it, on every rank. */
static double *get_part(const facet_blockmatrix *m, int64_t from, int64_t width)
{
  double *x = numbers(m->rows * width);
  succeeds(facet_blockmatrix_gather(m, from, width, x));
  return x;
}

static double *get(const facet_blockmatrix *m)
{
  return get_part(m, 0, m->columns);
}

/* Infinite where one alone is not a number. */
static double largest_difference(int64_t count, const double *x, const double *y)
{
  double most = 0;
  for (int64_t i = 0; i < count; i++)
    if (!(isnan(x[i]) && isnan(y[i])))
      most = isnan(x[i] - y[i]) ? INFINITY : fmax(most, fabs(x[i] - y[i]));
  return most;
}

static void expect_same(const facet_blockmatrix *m, const double *wanted, double tolerance)
{
  double *x = get(m), difference = largest_difference(m->rows * m->columns, x, wanted);
  EXPECT(difference <= tolerance, "%g off, more than %g", difference, tolerance);
  facet_free(&x);
}

/* ---- grids and pieces ---- */

static void test_grids(void **state)
{
  (void)state;
  facet_grid *grid;
  for (int g = 0; g < GRIDS; g++) {
    if (!takes(g))
      continue;
    grid = grid_of(g);
    int rows = grid->rows, columns = grid->columns, row = grid->row, column = grid->column;
    const int *wanted = shape_of(g);
    EXPECT(rows == wanted[0] && columns == wanted[1], "a grid of %d x %d", rows, columns);
    int places[2] = {row >= 0, row >= 0 ? row * columns + column : 0};
    EXPECT((row >= 0) == (column >= 0) && row < rows && column < columns, "place %d, %d", row, column);
    MPI_Allreduce(MPI_IN_PLACE, places, 2, MPI_INT, MPI_SUM, facet_grid_comm(grid));
    EXPECT(places[0] == rows * columns && places[1] == places[0] * (places[0] - 1) / 2, "%d places", places[0]);
    facet_grid_destroy(&grid);
    EXPECT(!grid, "not nulled");
  }
  fails(facet_grid_create(MPI_COMM_WORLD, 3, 3, &grid), FACET_INTERNAL, "3 x 3");
  fails(facet_grid_create(MPI_COMM_WORLD, 1, -1, &grid), FACET_INTERNAL, "1 x -1");
  finish();
}

/* How many of n in blocks the first of `places` has. */
static int64_t first_part(int64_t n, int64_t block, int places)
{
  int64_t blocks = n / block;
  return blocks / places * block + (blocks % places > 0 ? block : n % block);
}

/* Every element is in exactly one piece, where its numbers say, and the largest is the first. */
static void expect_pieces(facet_grid *grid, int64_t rows, int64_t columns, int64_t row_block, int64_t column_block)
{
  facet_blockmatrix *m;
  int *owners = facet_allocate((size_t)(rows * columns), sizeof *owners), shared = 0;
  name_case(grid, FACET_F32, "pieces", rows, columns);
  if (succeeds(create(grid, FACET_F32, rows, columns, row_block, column_block, &m))) {
    int64_t local = m->local_rows * m->local_columns, most = local;
    for (int64_t i = 0; i < local; i++) {
      int64_t r = facet_blockmatrix_row(m, i % m->local_rows), c = facet_blockmatrix_column(m, i / m->local_rows);
      EXPECT(r >= 0 && r < rows && c >= 0 && c < columns, "an element outside");
      owners[r * columns + c]++;
      EXPECT(((const float *)m->local)[i] == 0, "not zero");
    }
    EXPECT(grid->row >= 0 || local == 0, "something lies outside of the grid");
    EXPECT(m->descriptor[8] == (m->local_rows > 0 ? m->local_rows : 1), "the next column is %d on", m->descriptor[8]);
    MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_INT64_T, MPI_MAX, MPI_COMM_WORLD);
    int64_t first = first_part(rows, m->row_block, grid->rows) * first_part(columns, m->column_block, grid->columns);
    EXPECT(most == first, "%lld elements are not %lld", (long long)most, (long long)first);
    facet_blockmatrix_destroy(&m);
  }
  MPI_Allreduce(MPI_IN_PLACE, owners, (int)(rows * columns), MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  for (int64_t i = 0; i < rows * columns; i++)
    shared += owners[i] != 1;
  EXPECT(shared == 0, "%d elements without one owner", shared);
  facet_free(&owners);
}

static void test_pieces(void **state)
{
  (void)state;
  facet_blockmatrix *m;
  for (int g = 0; g < GRIDS; g++) {
    if (!takes(g))
      continue;
    facet_grid *grid = grid_of(g);
    expect_pieces(grid, 1, 1, 0, 0);
    expect_pieces(grid, 200, 3, 0, 0);
    expect_pieces(grid, 130, 70, 64, 5);
    expect_pieces(grid, 3, 65, 100, 64);
    fails(create(grid, FACET_F64, INT64_C(1) << 32, 1, 0, 0, &m), FACET_BAD_INPUT, "a matrix of 4294967296 x 1");
    fails(create(grid, FACET_F32, 2000000000, 2000000000, 0, 0, &m), FACET_BAD_INPUT,
          "more elements than ScaLAPACK counts");
    fails(create(grid, FACET_F64, 0, 5, 0, 0, &m), FACET_INTERNAL, "0 x 5");
    fails(create(grid, FACET_I64, 5, 5, 0, 0, &m), FACET_INTERNAL, "5 x 5");
    facet_grid_destroy(&grid);
  }
  finish();
}

/* ---- moving ---- */

static void expect_moves(facet_grid *grid, facet_type type, int64_t rows, int64_t columns, int64_t row_block,
                         int64_t column_block)
{
  double *x = new_random(1, type, rows * columns);
  name_case(grid, type, "moved", rows, columns);
  facet_blockmatrix *m = put(grid, type, rows, columns, row_block, column_block, x);
  expect_same(m, x, 0);
  int64_t from = columns / 2, width = columns - from;
  double *part = get_part(m, from, width);
  for (int64_t i = 0; i < rows; i++)
    EXPECT(memcmp(&part[i * width], &x[i * columns + from], (size_t)width * sizeof *x) == 0, "a wrong part");
  facet_blockmatrix_destroy(&m);
  facet_free(&part);
  facet_free(&x);
}

static void test_fill_and_gather(void **state)
{
  (void)state;
  for (int g = 0; g < GRIDS; g++) {
    if (!takes(g))
      continue;
    facet_grid *grid = grid_of(g);
    for (int t = 0; t < 2; t++) {
      expect_moves(grid, types[t], 1, 1, 0, 0);
      expect_moves(grid, types[t], 1, 200, 0, 0);
      expect_moves(grid, types[t], 200, 1, 64, 64);
      expect_moves(grid, types[t], 131, 67, 5, 9);
      expect_moves(grid, types[t], 65, 130, 0, 130);
    }
    facet_grid_destroy(&grid);
  }
  finish();
}

/* Bits are kept, of zeros with a sign and of what is no number too; parts outside of the matrix. */
static void test_odd_numbers(void **state)
{
  (void)state;
  const double x[6] = {-0.0, 0x1p-1074, -INFINITY, 0x1.fffffffffffffp+1023, 1, 0};
  facet_grid *grid = grid_of(5);
  name_case(grid, FACET_F64, "odd", 3, 2);
  facet_blockmatrix *m = put(grid, FACET_F64, 3, 2, 1, 1, x);
  double *back = get(m);
  EXPECT(memcmp(back, x, sizeof x) == 0, "other bits");
  fails(facet_blockmatrix_gather(m, 0, 3, back), FACET_INTERNAL, "outside");
  fails(facet_blockmatrix_gather(m, -1, 1, back), FACET_INTERNAL, "outside");
  facet_free(&back);
  facet_blockmatrix_destroy(&m);
  facet_grid_destroy(&grid);
  finish();
}

static void test_redistribute(void **state)
{
  (void)state;
  enum { ROWS = 131, COLUMNS = 70 };
  double *x = new_random(2, FACET_F32, (int64_t)ROWS * COLUMNS);
  for (int g = 0; g < GRIDS; g++)
    for (int h = 0; h < GRIDS; h++) {
      if (!takes(g) || !takes(h))
        continue;
      facet_grid *a = grid_of(g), *b = grid_of(h);
      facet_type type = types[(g + h) % 2], other = types[h % 2];
      name_case(b, type, "moved from another grid", ROWS, COLUMNS);
      facet_blockmatrix *from = put(a, type, ROWS, COLUMNS, 64, 5, x), *to, *beside;
      if (succeeds(create(b, type, ROWS, COLUMNS, 0, 64, &to)) &&
          succeeds(create(b, other, ROWS, COLUMNS, 0, 64, &beside))) {
        succeeds(facet_blockmatrix_redistribute(from, to));
        expect_same(to, x, 0);
        succeeds(facet_blockmatrix_redistribute(to, beside));
        expect_same(beside, x, 0);
        if (type != other)
          fails(facet_blockmatrix_redistribute(from, beside), FACET_INTERNAL, "type");
        facet_blockmatrix_destroy(&to);
        facet_blockmatrix_destroy(&beside);
      }
      facet_blockmatrix_destroy(&from);
      facet_grid_destroy(&a);
      facet_grid_destroy(&b);
    }
  facet_free(&x);
  finish();
}

/* ---- arithmetic ---- */

/* Of `terms` of up to 1: each partial sum is up to so many, rounded to half an epsilon, and errors add up like a walk.
 */
static double error_of_sum(facet_type type, int terms)
{
  return pow(terms, 1.5) / 2 * epsilon_of(type);
}

/* c = alpha op(a) op(b) + beta c: blocks of any sizes, which rotate. beta 0 must not look at c, which is NaN then. */
static void expect_product(facet_grid *grid, facet_type type, const int shape[3], int turn)
{
  static const int64_t block[][2] = {{0, 0}, {64, 64}, {5, 9}, {33, 200}, {7, 7}};
  const int64_t *of_a = block[turn % 5], *of_b = block[turn / 2 % 5], *of_c = block[turn / 3 % 5];
  bool over_a = turn & 1, over_b = turn & 2;
  int m = shape[0], n = shape[1], k = shape[2];
  double alpha = -0.5, beta = turn % 3 == 0 ? 0 : 0.25;
  double *a = new_random(3, type, (int64_t)m * k), *b = new_random(4, type, (int64_t)k * n),
         *c = new_random(5, type, (int64_t)m * n);
  if (beta == 0)
    for (int i = 0; i < m * n; i++)
      c[i] = NAN;
  name_case(grid, type, over_a ? over_b ? "TT" : "TN" : over_b ? "NT" : "NN", m, n);
  facet_blockmatrix *x = put(grid, type, over_a ? k : m, over_a ? m : k, of_a[0], of_a[1], a);
  facet_blockmatrix *y = put(grid, type, over_b ? n : k, over_b ? k : n, of_b[0], of_b[1], b);
  facet_blockmatrix *z = put(grid, type, m, n, of_c[0], of_c[1], c);
  succeeds(facet_blockmatrix_gemm(over_a, over_b, alpha, x, y, beta, z));
  cblas_dgemm(CblasRowMajor, over_a ? CblasTrans : CblasNoTrans, over_b ? CblasTrans : CblasNoTrans, m, n, k, alpha, a,
              over_a ? m : k, b, over_b ? k : n, beta, c, n);
  expect_same(z, c, error_of_sum(type, k + 1));
  expect_same(x, a, 0);
  facet_blockmatrix_destroy(&x);
  facet_blockmatrix_destroy(&y);
  facet_blockmatrix_destroy(&z);
  facet_free(&a);
  facet_free(&b);
  facet_free(&c);
}

static void test_gemm(void **state)
{
  (void)state;
  static const int shape[][3] = {{1, 1, 1},    {1, 50, 7},     {65, 3, 130}, {64, 64, 64},
                                 {100, 33, 1}, {130, 70, 200}, {5, 200, 3},  {2, 2, 300}};
  for (int g = 0; g < GRIDS; g++) {
    if (!takes(g))
      continue;
    facet_grid *grid = grid_of(g);
    for (int s = 0; s < 8; s++)
      for (int turn = s; turn < s + 4; turn++) {
        expect_product(grid, types[(turn + s / 2) % 2], shape[s], turn);
        if (turn < s + 2)
          expect_product(grid, types[(turn + s / 2 + 1) % 2], shape[s], turn);
      }
    facet_grid_destroy(&grid);
  }
  finish();
}

static void test_what_does_not_fit(void **state)
{
  (void)state;
  facet_grid *grid = grid_of(0), *other = grid_of(5);
  const double zero[12] = {0};
  facet_blockmatrix *a = put(grid, FACET_F64, 3, 4, 0, 0, zero), *b = put(grid, FACET_F64, 4, 3, 0, 0, zero),
                    *c = put(grid, FACET_F64, 3, 3, 0, 0, zero), *narrow = put(grid, FACET_F32, 4, 3, 0, 0, zero),
                    *elsewhere = put(other, FACET_F64, 4, 3, 0, 0, zero);
  succeeds(facet_blockmatrix_gemm(false, false, 1, a, b, 0, c));
  fails(facet_blockmatrix_gemm(false, true, 1, a, b, 0, c), FACET_INTERNAL, "do not fit");
  fails(facet_blockmatrix_gemm(false, false, 1, a, narrow, 0, c), FACET_INTERNAL, "do not fit");
  fails(facet_blockmatrix_gemm(false, false, 1, a, elsewhere, 0, c), FACET_INTERNAL, "do not fit");
  fails(facet_blockmatrix_redistribute(a, b), FACET_INTERNAL, "shape");
  double values[4];
  fails(facet_blockmatrix_eigen(a, values, &c, NULL), FACET_INTERNAL, "not square");
  facet_blockmatrix_destroy(&a);
  facet_blockmatrix_destroy(&b);
  facet_blockmatrix_destroy(&c);
  facet_blockmatrix_destroy(&narrow);
  facet_blockmatrix_destroy(&elsewhere);
  facet_grid_destroy(&grid);
  facet_grid_destroy(&other);
  finish();
}

static void test_norm(void **state)
{
  (void)state;
  static const struct {
    facet_type type;
    double scale, last;
  } of[] = {{FACET_F64, 1, 0},     {FACET_F32, 1, 0},        {FACET_F64, 1e300, 0},     {FACET_F64, 1e-300, 0},
            {FACET_F32, 1e-40, 0}, {FACET_F64, 1, INFINITY}, {FACET_F64, 1, -INFINITY}, {FACET_F32, 1, NAN}};
  enum { ROWS = 30, COLUMNS = 70 };
  facet_grid *grid = grid_of(5);
  for (int i = 0; i < 8; i++) {
    double *x = new_random(8, of[i].type, (int64_t)ROWS * COLUMNS), norm = 0, squares = 0;
    name_case(grid, of[i].type, "norm", ROWS, COLUMNS);
    for (int j = 0; j < ROWS * COLUMNS; j++) {
      x[j] = rounded(of[i].type, x[j] * of[i].scale);
      squares += x[j] / of[i].scale * (x[j] / of[i].scale);
    }
    x[ROWS * COLUMNS - 1] += of[i].last;
    facet_blockmatrix *m = put(grid, of[i].type, ROWS, COLUMNS, 0, 0, x);
    succeeds(facet_blockmatrix_norm(m, false, &norm));
    double wanted = sqrt(squares) * of[i].scale;
    EXPECT(of[i].last == 0 ? fabs(norm / wanted - 1) < 1e-13 : !isfinite(norm) && isnan(norm) == isnan(of[i].last),
           "%g, not %g", norm, wanted);
    facet_blockmatrix_destroy(&m);
    facet_free(&x);
  }
  facet_grid_destroy(&grid);
  finish();
}

/* ---- decompositions ---- */

enum { LARGE = 240 }; /* such matrices take time, so each grid has them in one type alone */
typedef enum { RANDOM, LOW_RANK, ZERO, IDENTITY, SPECTRUM, HALF, TINY, HUGE_ONES } kind;
static const char *const kind_name[] = {"random", "of rank 2", "zero", "identity", "spectrum", "half", "tiny", "huge"};

/* x = (I - 2 u uT) x (I - 2 u uT), u of unit length. */
static void reflect(int64_t n, double *x)
{
  double *u = new_random(10, FACET_F64, n), squares = cblas_ddot((int)n, u, 1, u, 1);
  for (int from_left = 1; from_left >= 0; from_left--)
    for (int64_t i = 0; i < n; i++) {
      double *line = from_left ? x + i : x + i * n;
      int step = from_left ? (int)n : 1;
      cblas_daxpy((int)n, -2 / squares * cblas_ddot((int)n, u, 1, line, step), u, 1, line, step);
    }
  facet_free(&u);
}

/* The eigenvalues of SPECTRUM: three equal ones at each power of ten, down to where they are lost. */
static double level(int64_t i)
{
  return pow(10, -(double)(i / 3 % 12));
}

static double *new_matrix(kind of, facet_type type, int64_t n)
{
  double *x = numbers(n * n), scale = 1;
  if (of == TINY || of == HUGE_ONES)
    scale = type == FACET_F32 ? (of == TINY ? 1e-30 : 1e30) : of == TINY ? 1e-200 : 1e200;
  if (of == RANDOM || of == HALF || scale != 1)
    random_numbers(9, FACET_F64, n * n, x);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) {
      if (of == LOW_RANK)
        x[i * n + j] = 1 + (double)(i % 5) * (double)(j % 5) / 16; /* exact, and symmetric */
      if (i == j && (of == IDENTITY || of == SPECTRUM))
        x[i * n + j] = of == IDENTITY ? 1 : level(i);
      x[i * n + j] *= scale;
    }
  if (of == SPECTRUM)
    reflect(n, x);
  for (int64_t i = 0; i < n * n; i++)
    x[i] = rounded(type, i % n > i / n ? (of == HALF ? NAN : x[i % n * n + i / n]) : x[i]);
  return x;
}

/* A matrix and what it is compared with, which rank 0 alone knows: itself without NaN, its eigenvalues by LAPACK in
 * double, eigenvectors as rows. */
typedef struct {
  kind of;
  facet_type type;
  int n;
  double *x, *whole, *values, *vectors;
} reference;

static reference new_reference(kind of, facet_type type, int n)
{
  reference a = {.of = of, .type = type, .n = n};
  int64_t size = (int64_t)n * n, room = 1 + 6 * (int64_t)n + 2 * size;
  int info = 0, *integers = facet_allocate((size_t)(3 + 5 * n), sizeof *integers);
  double *work = numbers(room);
  a.x = new_matrix(of, type, n);
  a.whole = numbers(size);
  a.vectors = numbers(size);
  a.values = numbers(n);
  for (int64_t i = 0; i < size; i++)
    a.vectors[i] = a.whole[i] = i % n > i / n ? a.x[i % n * n + i / n] : a.x[i];
  if (rank == 0)
    dsyevd_("V", "U", &n, a.vectors, &n, a.values, work, &(int){(int)room}, integers, &(int){3 + 5 * n}, &info);
  EXPECT(info == 0, "LAPACK: %d", info);
  facet_free(&work);
  facet_free(&integers);
  return a;
}

static void clear_reference(reference *a)
{
  facet_free(&a->x);
  facet_free(&a->whole);
  facet_free(&a->values);
  facet_free(&a->vectors);
}

static double frobenius(int64_t count, const double *x)
{
  return cblas_dnrm2((int)count, x, 1);
}

/* |whole - z diag(values) zT|_F / |whole|_F. */
static double residual_of(const reference *a, const double *values, const double *z)
{
  int n = a->n;
  int64_t size = (int64_t)n * n;
  double *scaled = numbers(size), *rest = numbers(size), norm = frobenius(size, a->whole);
  for (int64_t i = 0; i < size; i++)
    scaled[i] = z[i] * values[i % n];
  memcpy(rest, a->whole, (size_t)size * sizeof *rest);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, n, n, -1, scaled, n, z, n, 1, rest, n);
  double part = frobenius(size, rest);
  facet_free(&scaled);
  facet_free(&rest);
  return norm > 0 ? part / norm : part;
}

/* |ZT Z - I|_F / n. */
static double defect_of(int n, const double *z)
{
  double *product = numbers((int64_t)n * n);
  for (int i = 0; i < n; i++)
    product[(int64_t)i * n + i] = 1;
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, n, n, 1, z, n, z, n, -1, product, n);
  double defect = frobenius((int64_t)n * n, product) / n;
  facet_free(&product);
  return defect;
}

/* On rank 0, NULL on others. */
static double *get_first(const facet_blockmatrix *m)
{
  double *x = get(m);
  if (rank > 0)
    facet_free(&x);
  return x;
}

/* Values as LAPACK's, here and on all ranks; vectors orthogonal; their product the matrix; the report says the same.
 * A decomposition applies 2 n reflections, each from sums of n terms; rounding errors of both add up at random to some
 * sqrt(2 n n) / 2 epsilon of the matrix's norm, which moves the values by as much (Weyl). */
static void expect_decomposition(const reference *a, const double *values, const facet_blockmatrix *vectors,
                                 facet_decomposition quality)
{
  double *z = get_first(vectors), *first = numbers(a->n), epsilon = epsilon_of(a->type);
  memcpy(first, values, (size_t)a->n * sizeof *first);
  MPI_Bcast(first, a->n, MPI_DOUBLE, 0, MPI_COMM_WORLD);
  EXPECT(memcmp(first, values, (size_t)a->n * sizeof *first) == 0, "other values than rank 0");
  facet_free(&first);
  if (rank > 0)
    return;
  double scale = fmax(fabs(a->values[0]), fabs(a->values[a->n - 1])), bound = 4 * a->n * epsilon;
  double difference = largest_difference(a->n, values, a->values);
  EXPECT(difference <= bound * scale, "values %g off, more than %g", difference, bound * scale);
  double residual = residual_of(a, values, z), defect = defect_of(a->n, z);
  EXPECT(residual <= bound && quality.residual <= bound, "residual %g, said to be %g, not %g", residual,
         quality.residual, bound);
  EXPECT(defect <= 4 * epsilon && quality.orthogonality <= 4 * epsilon, "orthogonality %g, said to be %g", defect,
         quality.orthogonality);
  facet_free(&z);
}

/* Eigenvectors that no neighbour blurs, up to their sign. */
static void expect_vectors(const reference *a, const facet_blockmatrix *vectors)
{
  double *z = get_first(vectors), scale = fmax(fabs(a->values[0]), fabs(a->values[a->n - 1]));
  for (int j = 0; j < a->n && z; j++) {
    double below = j > 0 ? a->values[j] - a->values[j - 1] : scale;
    double gap = fmin(below, j + 1 < a->n ? a->values[j + 1] - a->values[j] : scale);
    double cosine = fabs(cblas_ddot(a->n, z + j, a->n, a->vectors + (int64_t)j * a->n, 1));
    double sine = 4 * sqrt(a->n) * epsilon_of(a->type) * scale / gap; /* Davis and Kahan */
    EXPECT(!(sine < 0.1) || cosine > 1 - sine * sine - a->n * epsilon_of(a->type), "vector %d: 1 - %g", j, 1 - cosine);
  }
  facet_free(&z);
}

typedef struct {
  kind of;
  int n;
} shape;

static void expect_eigen(const reference *a, facet_grid *grid, int64_t row_block, int64_t column_block)
{
  double *values = numbers(a->n), *x = numbers((int64_t)a->n * a->n);
  facet_blockmatrix *vectors;
  facet_decomposition quality = {NAN, NAN};
  name_case(grid, a->type, kind_name[a->of], a->n, a->n);
  for (int i = 0; i < a->n * a->n; i++) /* what is above the diagonal is not looked at */
    x[i] = i % a->n > i / a->n ? NAN : a->x[i];
  facet_blockmatrix *m = put(grid, a->type, a->n, a->n, row_block, column_block, x);
  if (succeeds(facet_blockmatrix_eigen(m, values, &vectors, &quality))) {
    EXPECT(vectors->rows == a->n && vectors->columns == a->n && vectors->type == a->type && vectors->grid == grid,
           "other vectors");
    expect_decomposition(a, values, vectors, quality);
    expect_vectors(a, vectors);
    facet_blockmatrix_destroy(&vectors);
  }
  expect_same(m, x, 0);
  facet_blockmatrix_destroy(&m);
  facet_free(&values);
  facet_free(&x);
}

/* Every order in both types on every grid, in blocks that change. `iterate`: what LAPACK divides and conquers is wrong
 * in doubles. */
static void decompose_all(int shapes, const shape *of, bool iterate)
{
  static const int64_t block[][2] = {{0, 0}, {64, 64}, {5, 9}};
  for (int s = 0; s < shapes; s++)
    for (int t = 0; t < 2; t++) {
      reference a = new_reference(of[s].of, types[t], of[s].n);
      for (int g = 0; g < GRIDS; g++) {
        const int64_t *blocks = block[(s + t + g) % 3];
        if (!takes(g) || (a.n >= LARGE && (s + g) % 2 == t))
          continue;
        facet_grid *grid = grid_of(g);
        spoil_division = iterate;
        expect_eigen(&a, grid, blocks[0], blocks[1]);
        spoil_division = false;
        facet_grid_destroy(&grid);
      }
      clear_reference(&a);
    }
  finish();
}

/* 100 and 128 are orders at which P?SYEVD was seen to hang and to return wrong vectors. */
static void test_eigen(void **state)
{
  (void)state;
  static const shape of[] = {{RANDOM, 1},     {RANDOM, 2},     {RANDOM, 3},     {RANDOM, 63},    {RANDOM, 64},
                             {RANDOM, 65},    {RANDOM, 100},   {RANDOM, 128},   {RANDOM, 200},   {ZERO, 1},
                             {ZERO, 64},      {ZERO, 128},     {LOW_RANK, 100}, {HALF, 65},      {TINY, 30},
                             {HUGE_ONES, 30}, {IDENTITY, 128}, {SPECTRUM, 70},  {SPECTRUM, 128}, {RANDOM, 256},
                             {ZERO, 256},     {LOW_RANK, 257}, {SPECTRUM, 384}, {HUGE_ONES, 300}};
  decompose_all(sizeof of / sizeof of[0], of, false);
}

/* Wrong vectors of LAPACK's divide and conquer are found out, and made in another way; then there is nothing left. */
static void test_wrong_vectors(void **state)
{
  (void)state;
  reference a = new_reference(RANDOM, FACET_F64, 70);
  double values[70];
  facet_blockmatrix *vectors = NULL;
  for (int g = 0; g < GRIDS && takes(g); g++) {
    facet_grid *grid = grid_of(g);
    spoil_division = true;
    expect_eigen(&a, grid, 0, 0);
    spoil_iteration = true;
    facet_blockmatrix *m = put(grid, FACET_F64, 70, 70, 0, 0, a.x);
    fails(facet_blockmatrix_eigen(m, values, &vectors, NULL), FACET_INTERNAL, "could not be decomposed");
    EXPECT(!vectors, "something was made");
    spoil_division = spoil_iteration = false;
    facet_blockmatrix_destroy(&m);
    facet_grid_destroy(&grid);
  }
  clear_reference(&a);
  finish();
}

/* By QR iteration everything is as good. */
static void test_iteration(void **state)
{
  (void)state;
  static const shape of[] = {{RANDOM, 1}, {RANDOM, 65}, {SPECTRUM, 128}, {LOW_RANK, 100}};
  decompose_all(sizeof of / sizeof of[0], of, true);
}

static void test_not_finite(void **state)
{
  (void)state;
  static const double bad[] = {NAN, INFINITY, -INFINITY};
  static const int order[] = {1, 5, 300};
  double values[300];
  facet_blockmatrix *vectors = NULL;
  for (int g = 0; g < GRIDS; g++)
    for (int i = 0; i < 3 && takes(g); i++) {
      facet_grid *grid = grid_of(g);
      int n = order[i];
      double *x = new_random(12, FACET_F64, (int64_t)n * n);
      x[(int64_t)n * n - n] = bad[(g + i) % 3]; /* the last row's first */
      name_case(grid, types[i % 2], "not finite", n, n);
      facet_blockmatrix *m = put(grid, types[i % 2], n, n, 0, 0, x);
      fails(facet_blockmatrix_eigen(m, values, &vectors, NULL), FACET_BAD_INPUT, "not finite");
      EXPECT(!vectors, "something was made");
      facet_blockmatrix_destroy(&m);
      facet_free(&x);
      facet_grid_destroy(&grid);
    }
  finish();
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  rank = facet_rank(MPI_COMM_WORLD);
  ranks = facet_ranks(MPI_COMM_WORLD);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_grids),
      cmocka_unit_test(test_pieces),
      cmocka_unit_test(test_fill_and_gather),
      cmocka_unit_test(test_odd_numbers),
      cmocka_unit_test(test_redistribute),
      cmocka_unit_test(test_gemm),
      cmocka_unit_test(test_what_does_not_fit),
      cmocka_unit_test(test_norm),
      cmocka_unit_test(test_eigen),
      cmocka_unit_test(test_wrong_vectors),
      cmocka_unit_test(test_iteration),
      cmocka_unit_test(test_not_finite),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
