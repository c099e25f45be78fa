/* A range finder (Halko, Martinsson & Tropp 2011, algorithm 4.4): a basis of the leading right singular directions of a
 * matrix M, whose lines go by in pieces, a few times. In the first walk M is multiplied with random numbers, then MT M
 * with the basis that came of the walk before. */
#ifndef FACET_SKETCH_H
#define FACET_SKETCH_H

#include "base/base.h"

typedef struct {
  facet_random random;
  int64_t size, inputs;
  bool begun;      /* there is a basis */
  double *basis;   /* size x inputs: orthonormal rows */
  double *product; /* the same: MT M times the basis, of the lines that were added in this walk */
  double *image;   /* lines of a piece x size: M times the basis */
  double squares;  /* of all numbers of the lines */
} facet_sketch;

/* most: lines of a piece. Clear it in any case. */
facet_status facet_sketch_make(facet_random random, int64_t size, int64_t inputs, int64_t most, facet_sketch *sketch);
void facet_sketch_clear(facet_sketch *sketch);
/* Lines first .. first+count-1 of M, count x inputs: 0 or more, in any order. */
void facet_sketch_add(facet_sketch *sketch, int64_t first, int64_t count, const double *lines);
/* After a walk: the product, summed over whoever added lines, becomes the next walk's basis. Errors as of
 * facet_rows_orthonormalize. */
facet_status facet_sketch_renew(facet_sketch *sketch);

#endif
