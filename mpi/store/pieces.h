/* The stacked linearizations of a variant, W of all samples and rows one below the other, in pieces that a rank can
 * hold.  W is never there as a whole: a piece is read from the store, used, and forgotten. */
#ifndef FACET_PIECES_H
#define FACET_PIECES_H

#include "store.h"

/* Lines are rows of the stack M, (sample, k) each, of D numbers, or with `transposed` its columns, of n k numbers. */
typedef struct {
  int axes; /* of W: sample, k, and those of the input */
  int64_t size[2 + FACET_MAX_AXES];
  int first, last;      /* the axes that count lines: first .. last-1 */
  int axis;             /* the one that is cut into steps: those before it are gone through one by one */
  int64_t step, inner;  /* of that axis; lines in one element of it */
  int64_t lines, width; /* of all; numbers of a line */
  int64_t count, most;  /* pieces; lines of the largest */
  bool transposed;
} facet_pieces;

facet_pieces facet_pieces_make(const facet_store_plan *plan, int variant, bool transposed);
typedef struct {
  int64_t first, count;
  double *numbers; /* by lines; the caller's, room for `most` of them */
} facet_lines;
/* Reads piece i. room: for `most` lines, where W is turned if it has to be. */
facet_status facet_pieces_read(const facet_pieces *pieces, facet_store *store, int variant, int64_t i, double *room,
                               facet_lines *lines);

#endif
