/* Private to blockmatrix*.c: what a grid is, and ScaLAPACK's decomposition as it is, unchecked. */
#ifndef FACET_BLOCKMATRIX_PRIVATE_H
#define FACET_BLOCKMATRIX_PRIVATE_H

#include "blockmatrix.h"

struct facet_grid {
  MPI_Comm comm;          /* duplicate */
  int ranks, rank;        /* of comm */
  int rows, columns;      /* of the grid */
  int row, column;        /* of this rank; -1: none */
  int context, everybody; /* BLACS: of the grid; of all ranks in a line, for moving between grids */
  int handle;             /* of comm */
};

/* Whether this rank has a place in the grid: others must not call the routines above. */
static inline bool facet_grid_holds(const facet_grid *g)
{
  return g->row >= 0;
}

/* Where a routine finds room: values, work and integers. size -1: it says in work[0] and integers[0] how much it wants.
 */
typedef struct {
  void *values, *work;
  int *integers, size, integers_size;
} facet_workspace;

/* For the ranks of the grid, all of them. P?SYEVD of the lower triangle of a, which is lost: values, and vectors in z.
 * Returns the routine's INFO: 0 is success. */
int facet_scalapack_syevd(facet_blockmatrix *a, facet_blockmatrix *z, facet_workspace *workspace);

#endif
