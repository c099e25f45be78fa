/* The pullback of a 3x3 convolution by Winograd's algorithm F(2x2, 3x3): 2.25 times fewer products.
 *
 * For stride 1 and padding 1 in layouts of 8-channel blocks, where oneDNN offers no Winograd (AVX2).  The pullback is
 * the correlation of the output's adjoint with the flipped kernel; Lavin & Gray 2016 (arXiv 1509.09308) give the
 * transforms of 4x4 tiles into 2x2 outputs. */
#ifndef FACET_WINOGRAD_H
#define FACET_WINOGRAD_H

#include "kernels/kernels.h"

typedef struct facet_winograd facet_winograd;

/* Whether this pullback is offered, and worth it. */
bool facet_winograd_fits(const facet_conv_shape *shape, facet_layout in, facet_layout out);
facet_status facet_winograd_create(const facet_conv_shape *shape, int64_t batch, facet_winograd **winograd);
void facet_winograd_destroy(facet_winograd **winograd);
/* weights: out x in x 3 x 3, copied. */
void facet_winograd_weights(facet_winograd *winograd, const float *weights);
/* gz: batch adjoints of the output; gu: of the input, overwritten. Every adjoint's result depends on it alone. */
void facet_winograd_pullback(facet_winograd *winograd, const float *gz, float *gu);

#endif
