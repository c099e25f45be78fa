/* A convolution, or its pullback, of which most weights are 0: the time that it takes goes with those that are left.
 *
 * One sample or adjoint at a time.  Its channels become planes with zeros around them, in which the numbers that one
 * weight meets at all positions lie side by side: for each weight that is left, a plane of the result gains weight
 * times a run of a plane of the source, without an index inside and without borders to think of.  With a stride, a
 * plane for each remainder of the positions. */
#ifndef FACET_SPARSE_H
#define FACET_SPARSE_H

#include "kernels.h"

typedef struct facet_sparse facet_sparse;

/* Whether this is offered. */
bool facet_sparse_fits(const facet_conv_shape *shape, facet_layout in, facet_layout out);
facet_status facet_sparse_create(const facet_conv_shape *shape, facet_type real, facet_task task, facet_layout in,
                                 facet_layout out, facet_sparse **sparse); /* FACET_FORWARD or FACET_PULLBACK */
void facet_sparse_destroy(facet_sparse **sparse);
/* Bytes of working memory that a run needs. */
size_t facet_sparse_scratch(const facet_sparse *sparse);
/* Whether so few of the weights (out x in/groups x kernel) are not 0, in a convolution that has work enough, that this
 * is faster than the usual kernels. Where that begins was measured (docs/performance.md), and is the same on every
 * machine: results depend on no clock. */
bool facet_sparse_worth(const facet_sparse *sparse, const void *weights);
/* The weights that are not 0, and the bias (forward, or NULL), are copied. FACET_OS. */
facet_status facet_sparse_weights(facet_sparse *sparse, const void *weights, const void *bias);
/* From u to z, or from gz to gu, for one part of a batch, whose arrays are given; `with` may be NULL. What belongs to a
 * sample or an adjoint depends on it alone. */
void facet_sparse_run(const facet_sparse *sparse, facet_part part, void *scratch, const void *source,
                      const facet_fusion *with, void *result);

#endif
