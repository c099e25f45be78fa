/* The pullback of a convolution to an image, and its gradient: to one to four channels in plain order, where the usual
 * kernels, which compute many channels at once, have few to compute.  Here the channels of the output's adjoint lie
 * side by side in a register and are added up at the end. */
#ifndef FACET_IMAGE_H
#define FACET_IMAGE_H

#include "kernels.h"

typedef struct facet_image facet_image;

/* Whether this pullback is offered: stride 1, padding less than the kernel, out in 8- or 16-channel blocks. */
bool facet_image_fits(const facet_conv_shape *shape, facet_layout in, facet_layout out);
facet_status facet_image_create(const facet_conv_shape *shape, facet_layout out, facet_image **image);
void facet_image_destroy(facet_image **image);
/* Floats of working memory that a pullback needs. */
size_t facet_image_scratch(const facet_image *image);
/* weights: out x in x kernel, copied. */
void facet_image_weights(facet_image *image, const float *weights);
/* gz: adjoints of the output; gu: of the image, overwritten; sums as in facet_fusion, or NULL; for one part of a batch,
 * whose arrays are given. Every adjoint's result depends on it alone. */
void facet_image_pullback(const facet_image *image, facet_part part, float *scratch, const float *gz, float *sums,
                          float *gu);

/* The gradient of the same convolution, if its kernel is 3 x 3: gw as weights, gb per output channel or NULL, both
 * overwritten; summed over a batch, in order. */
bool facet_image_gradient_fits(const facet_conv_shape *shape, facet_layout in, facet_layout out);
size_t facet_image_gradient_scratch(const facet_image *image); /* floats */
void facet_image_gradient(const facet_image *image, int64_t batch, float *scratch, const float *u, const float *gz,
                          float *gw, float *gb);

#endif
