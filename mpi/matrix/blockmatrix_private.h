/* Private to blockmatrix*.c: what a grid is. */
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

#endif
