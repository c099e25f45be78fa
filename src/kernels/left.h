/* The weights of a convolution that are left, those that are not 0, as terms of its results.
 *
 * Pulled back, a channel of results has a part for each remainder by the strides, which meet different positions of the
 * kernel; forward it is one.  From result to result of a part the sources move on alike, so that a weight's source lies
 * as far from where the result's begin, whichever it is: by its channel, and a shift by its position of the kernel. */
#ifndef FACET_LEFT_H
#define FACET_LEFT_H

#include "kernels.h"

typedef struct {
  facet_conv_shape shape;
  facet_type real;
  bool forward;    /* results are z, or else gu */
  int64_t all;     /* weights */
  int64_t volume;  /* positions of the kernel */
  int64_t parts;   /* of a channel of results */
  int64_t apart;   /* numbers from a channel of sources to the next */
  int64_t *shift;  /* of each position of the kernel: numbers */
  int32_t *part;   /* of each: that of the results which meet it */
  int64_t *first;  /* result channels x parts + 1: where the terms of each begin */
  int32_t *offset; /* of every term: numbers into the sources */
  void *weight;    /* of every term */
  int64_t room;    /* for terms */
} facet_left;

/* Without terms; the caller sets apart, shift and part. FACET_OS. To be destroyed either way. */
facet_status facet_left_create(const facet_conv_shape *shape, facet_type real, facet_task task, facet_left *left);
void facet_left_destroy(facet_left *left);
/* How many of the weights (out x in/groups x kernel) are not 0. */
int64_t facet_left_count(const facet_left *left, const void *weights);
/* Copies these. FACET_OS. */
facet_status facet_left_take(facet_left *left, const void *weights);

#endif
