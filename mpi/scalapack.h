/* Private to blockmatrix*.c: BLACS, PBLAS, ScaLAPACK and LAPACK as they are called from C, and which of two precisions
 * is meant.  Arrays are void: the routine's letter says their type. */
#ifndef FACET_SCALAPACK_H
#define FACET_SCALAPACK_H

#include "blockmatrix.h"

struct facet_grid {
  MPI_Comm comm;          /* duplicate */
  int ranks, rank;        /* of comm */
  int rows, columns;      /* of the grid */
  int row, column;        /* of this rank; -1: none */
  int context, everybody; /* BLACS: of the grid; of all ranks in a line, for moving between grids */
  int handle;             /* of comm */
};

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
FACET_BOTH(symm, const char *, const char *, const int *, const int *, const void *, FACET_PLACE, FACET_PLACE,
           const void *, void *, const int *, const int *, const int *);
FACET_BOTH(syrk, const char *, const char *, const int *, const int *, const void *, FACET_PLACE, const void *, void *,
           const int *, const int *, const int *);
FACET_BOTH(tran, const int *, const int *, const void *, FACET_PLACE, const void *, void *, const int *, const int *,
           const int *);
FACET_BOTH(gemr2d, const int *, const int *, FACET_PLACE, void *, const int *, const int *, const int *, const int *);
FACET_BOTH(syevd, const char *, const char *, const int *, void *, const int *, const int *, const int *, void *,
           void *, const int *, const int *, const int *, void *, const int *, int *, const int *, int *);
FACET_BOTH(gesvd, const char *, const char *, const int *, const int *, void *, const int *, const int *, const int *,
           void *, void *, const int *, const int *, const int *, void *, const int *, const int *, const int *, void *,
           const int *, int *);

/* LAPACK's own, for what fits one rank. */
void ssyevd_(const char *, const char *, const int *, void *, const int *, void *, void *, const int *, int *,
             const int *, int *);
void dsyevd_(const char *, const char *, const int *, void *, const int *, void *, void *, const int *, int *,
             const int *, int *);
void sgesdd_(const char *, const int *, const int *, void *, const int *, void *, void *, const int *, void *,
             const int *, void *, const int *, int *, int *);
void dgesdd_(const char *, const int *, const int *, void *, const int *, void *, void *, const int *, void *,
             const int *, void *, const int *, int *, int *);

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

/* Whether this rank has a place in the grid: others must not call the routines above. */
static inline bool facet_grid_holds(const facet_grid *g)
{
  return g->row >= 0;
}

/* Element i of the local array, in double. */
static inline double facet_local_get(const facet_blockmatrix *m, int64_t i)
{
  return m->type == FACET_F32 ? (double)((const float *)m->local)[i] : ((const double *)m->local)[i];
}
static inline void facet_local_set(const facet_blockmatrix *m, int64_t i, double x)
{
  if (m->type == FACET_F32)
    ((float *)m->local)[i] = (float)x;
  else
    ((double *)m->local)[i] = x;
}

#endif
