/* What is kept of many linearizations where W itself is not: their Gram matrix, and of each class what its rows make of
 * each input. Rows of W go by once, in an order that is always the same, so the sums are, too. */
#ifndef FACET_DIGEST_H
#define FACET_DIGEST_H

#include "gram.h"

/* Who keeps the sums of a class while others are added to: 2 x inputs numbers, W x and |W x|. */
typedef struct {
  facet_status (*load)(void *context, int64_t k, double *sums);
  facet_status (*save)(void *context, int64_t k, const double *sums);
  void *context;
} facet_class_keeper;

typedef struct {
  facet_type real; /* of W and x */
  int64_t inputs, classes;
  /* the Gram matrix, if it is wanted */
  int64_t filled, most; /* lines that wait to be added, and how many do */
  int64_t behind;       /* rows to come that went by before; of these only the lines that waited are wanted */
  int64_t waited;       /* so many of the last of them */
  double *line;
  facet_gram_panel gram;
  /* sums by class: of so many at once */
  facet_class_keeper keeper;
  int64_t places, next; /* next: the place that is given up next */
  int64_t *held;        /* places: class; -1: none */
  int64_t *place;       /* classes: where it is held; -1: nowhere */
  int64_t *rows;        /* classes: how many rows explained it */
  double *sums;         /* places x 2 x inputs */
} facet_digest;

/* Bytes that facet_digest_make takes. */
double facet_digest_bytes(int64_t inputs, int64_t classes, bool gram);
/* Clear it in any case. */
facet_status facet_digest_make(facet_type real, int64_t inputs, int64_t classes, bool gram, facet_class_keeper keeper,
                               facet_digest *digest);
void facet_digest_clear(facet_digest *digest);
/* All sums are 0 again. */
void facet_digest_begin(facet_digest *digest);
/* Adds a row of W of sample x, which explains class k. Errors of the keeper. */
facet_status facet_digest_add(facet_digest *digest, int64_t k, const void *w, const void *x);
/* The keeper has the sums of all classes, and rows of the digest says how many those are of. So it may be left, and
 * taken up again elsewhere by facet_digest_begin and facet_digest_resume, with what gram.sum held. Errors of the
 * keeper. */
facet_status facet_digest_leave(facet_digest *digest);
/* Of so many rows of all classes: how many of the last ones are in no Gram matrix yet. */
int64_t facet_digest_waiting(const facet_digest *digest, int64_t rows);
/* again: so many of the last rows come once more; at least those that waited. */
void facet_digest_resume(facet_digest *digest, const int64_t *rows, int64_t again);
/* The Gram matrix is whole, both its triangles, and the keeper has the sums of all classes. */
facet_status facet_digest_end(facet_digest *digest);

#endif
