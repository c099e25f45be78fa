/* A 3x3 convolution or its pullback by Winograd's algorithm F(4x4, 3x3): four times fewer products.
 *
 * For stride 1 and padding 1 in layouts of 8- or 16-channel blocks.  The pullback is the correlation of the output's
 * adjoint with the kernel turned round; Lavin & Gray 2016 (arXiv 1509.09308) give the transforms of 6x6 tiles into 4x4
 * outputs.  The points here are 0, +-5/8, +-3/2 and infinity: every coefficient is exact in float, and the error stays
 * near twice that of the plain sum, where the usual points 0, +-1, +-2 double it once more. */
#ifndef FACET_WINOGRAD_H
#define FACET_WINOGRAD_H

#include "kernels.h"

typedef struct facet_winograd facet_winograd;

/* Whether this is offered, and worth it. */
bool facet_winograd_fits(const facet_conv_shape *shape, facet_layout in, facet_layout out);
facet_status facet_winograd_create(const facet_conv_shape *shape, facet_type real, facet_task task, facet_layout in,
                                   facet_layout out, facet_winograd **winograd); /* FACET_FORWARD or FACET_PULLBACK */
void facet_winograd_destroy(facet_winograd **winograd);
/* Bytes of working memory that a run needs. */
size_t facet_winograd_scratch(const facet_winograd *winograd);
/* weights: out x in x 3 x 3; bias: forward, or NULL. Copied. */
void facet_winograd_weights(facet_winograd *winograd, const void *weights, const void *bias);
/* From u to z, or from gz to gu, for one part of a batch, whose arrays are given; `with` may be NULL. What belongs to a
 * sample or an adjoint depends on it alone. */
void facet_winograd_run(const facet_winograd *winograd, facet_part part, void *scratch, const void *source,
                        const facet_fusion *with, void *result);

#endif
