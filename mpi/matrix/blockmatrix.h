/* Distributed dense matrices: a small interface over BLACS and ScaLAPACK, which nothing else calls.
 *
 * A matrix lies in block-cyclic pieces on a grid of ranks; row and column numbers are 64-bit here and checked against
 * ScaLAPACK's 32 bits.  Results of ScaLAPACK are checked before they are handed out, because some of its routines
 * return wrong answers without an error: eigenvectors by residual and orthogonality.  Results are
 * not bitwise the same on other grids.
 *
 * Everything is collective over the grid's communicator unless it says otherwise, and all its ranks return the same
 * status.  Ranks that the grid has no place for hold nothing and take part all the same. */
#ifndef FACET_BLOCKMATRIX_H
#define FACET_BLOCKMATRIX_H

#include <mpi.h>

#include "base/base.h"

/* ---- grids ---- */

typedef struct facet_grid facet_grid;

/* rows x columns <= ranks of `comm`, which is duplicated. Destroy it after its matrices. */
facet_status facet_grid_create(MPI_Comm comm, int rows, int columns, facet_grid **grid);
void facet_grid_destroy(facet_grid **grid);
MPI_Comm facet_grid_comm(const facet_grid *grid); /* the duplicate */

/* ---- matrices ---- */

enum { FACET_BLOCK = 64 }; /* rows and columns of a block where nothing else matters */

typedef struct {
  facet_grid *grid; /* borrowed */
  facet_type type;  /* FACET_F32 or FACET_F64 */
  int64_t rows, columns;
  int64_t row_block, column_block;
  int64_t local_rows, local_columns; /* of this rank; 0 where it holds nothing */
  void *local;                       /* local_rows x local_columns by columns, the next column max(1, local_rows) on */
  int descriptor[9];                 /* ScaLAPACK's */
} facet_blockmatrix;

/* Zeros. FACET_OS; FACET_BAD_INPUT "matrix of 70000 x 70000 on 2 ranks: a rank's part has more elements than ScaLAPACK
 * counts". */
facet_status facet_blockmatrix_create(facet_grid *grid, facet_type type, int64_t rows, int64_t columns,
                                      int64_t row_block, int64_t column_block, facet_blockmatrix **matrix);
void facet_blockmatrix_destroy(facet_blockmatrix **matrix); /* not collective */
/* Not collective. Row of the matrix that this rank's local row i is, and the same for columns. */
int64_t facet_blockmatrix_row(const facet_blockmatrix *matrix, int64_t i);
int64_t facet_blockmatrix_column(const facet_blockmatrix *matrix, int64_t j);

/* Not collective. Element i of the local array, in double. */
static inline double facet_blockmatrix_get(const facet_blockmatrix *matrix, int64_t i)
{
  return matrix->type == FACET_F32 ? (double)((const float *)matrix->local)[i] : ((const double *)matrix->local)[i];
}
static inline void facet_blockmatrix_set(const facet_blockmatrix *matrix, int64_t i, double x)
{
  if (matrix->type == FACET_F32)
    ((float *)matrix->local)[i] = (float)x;
  else
    ((double *)matrix->local)[i] = x;
}

/* Not collective. This rank's elements, of all of them, rows x columns by rows. */
void facet_blockmatrix_fill(const facet_blockmatrix *matrix, const double *x);
/* Columns from .. from+width-1, rows x width by rows, on every rank. */
facet_status facet_blockmatrix_gather(const facet_blockmatrix *matrix, int64_t from, int64_t width, double *out);
/* The same numbers in other blocks, on another grid of the same ranks; or, in the same blocks, in the other type. */
facet_status facet_blockmatrix_redistribute(const facet_blockmatrix *from, facet_blockmatrix *to);

/* ---- arithmetic: all matrices on one grid, of one type, of fitting shapes, or FACET_INTERNAL; any blocks ---- */

/* c = alpha op(a) op(b) + beta c; `transpose` says whether op is the transpose. P?GEMM. */
facet_status facet_blockmatrix_gemm(bool transpose_a, bool transpose_b, double alpha, const facet_blockmatrix *a,
                                    const facet_blockmatrix *b, double beta, facet_blockmatrix *c);
/* Frobenius norm, on every rank; infinite or NaN where an element is. What a number holds does not overflow.
 * symmetric: a is square, and only its lower triangle is looked at. */
facet_status facet_blockmatrix_norm(const facet_blockmatrix *a, bool symmetric, double *norm);

/* How good a decomposition is: what was checked before it was handed out. */
typedef struct {
  double residual;      /* |A - Z L ZT|_F / |A|_F; 0 for a zero matrix */
  double orthogonality; /* |ZT Z - I|_F / n */
} facet_decomposition;

/* Symmetric eigen-decomposition of square `a` (kept; its lower triangle counts): values (n on every rank, ascending),
 * vectors (n x n, in blocks like a's, made here, caller destroys). Runs on as many ranks as have two blocks of
 * FACET_BLOCK each; LAPACK on one rank does what is smaller (all with n < 256), and what fails the check: residual up
 * to 30 sqrt(n) epsilon, orthogonality up to 30 epsilon; by QR iteration, if need be. FACET_BAD_INPUT for what is not
 * finite, or too large; FACET_INTERNAL if LAPACK fails too; FACET_INTERRUPTED before it begins, not inside. */
facet_status facet_blockmatrix_eigen(const facet_blockmatrix *a, double *values, facet_blockmatrix **vectors,
                                     facet_decomposition *quality);

#endif
