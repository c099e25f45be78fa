/* Inner products of many terms, whose sums run in double.
 *
 * A sum of n terms in float may be off by n/2 units in the last place, and is where the terms are alike; how far
 * depends on the order that a machine's kernels take.  Products of two floats are exact in double, so that here the
 * result is the true sum's nearest float but for 2^-53 n, whatever the machine: the same bits everywhere.  The layers
 * that are so long are few, and bound by the reading of their weights. */
#ifndef FACET_INNER_H
#define FACET_INNER_H

#include "kernels.h"

typedef struct facet_inner facet_inner;

/* Whether this inner product, forward or pullback, has more than 1,024 terms. */
bool facet_inner_fits(const facet_conv_shape *shape, facet_task task);
facet_status facet_inner_create(const facet_conv_shape *shape, facet_task task, facet_layout in, facet_layout out,
                                facet_inner **inner);
void facet_inner_destroy(facet_inner **inner);
/* Bytes of working memory for a part of `samples` samples. */
size_t facet_inner_scratch(const facet_inner *inner, int64_t samples);
/* weights: out x in; bias: out, or NULL; copied. */
void facet_inner_weights(facet_inner *inner, const float *weights, const float *bias);
/* z of u, or gu of gz, for one part of a batch, whose arrays are given; overwrites, the layout's padding with zeros. */
void facet_inner_run(const facet_inner *inner, facet_part part, void *scratch, const float *from, float *to);

#endif
