/* A block of a small convolutional network in training, as one: convolution 3 x 3, batch norm over the batch, ReLU and,
 * if there is one, the largest of 2 x 2; forward, and back with all gradients.
 *
 * One after the other these would carry every number through memory some twenty times; here the convolution's result z
 * is written once and read three times, and the rest stays near, sample by sample: the statistics are taken while a
 * sample's z is at hand (and put together as Chan, Golub and LeVeque 1979 do), norm, gate and maximum are one pass, and
 * the adjoint of z is never more than one sample's.  The sums of the gradient run over fixed groups of samples, so that
 * results are the same on any number of threads. */
#ifndef FACET_BLOCK_H
#define FACET_BLOCK_H

#include "kernels.h"

typedef struct facet_block facet_block;

/* in: of the input u; out: of z, the convolution's result; pooled: the largest of 2 x 2 positions follows. Offered for
 * stride 1, padding 1 and at most 32 channels, in blocks of 8 or 16 but for an image's. */
typedef struct {
  facet_conv_shape shape;
  facet_layout in, out;
  bool pooled, pulled; /* pulled: the adjoint of u is wanted, which is not offered for images */
} facet_block_shape;

bool facet_block_fits(const facet_block_shape *shape);
facet_status facet_block_create(const facet_block_shape *shape, int64_t batch, facet_block **block);
void facet_block_destroy(facet_block **block);
/* Bytes that it keeps. */
size_t facet_block_bytes(const facet_block *block);
/* weights: out x in x 3 x 3, copied. held: those that are 0 stay so, and their gradient is not wanted: it may be 0.
 * Where few are left the block is another's, then (lane_block.h). FACET_OS. */
facet_status facet_block_weights(facet_block *block, const float *weights, bool held);

/* Of the batch norm, one number per channel. */
typedef struct {
  double epsilon;
  const double *gamma, *beta;
  double *mean, *variance; /* found forward, of the samples' z; to be there again on the way back */
} facet_block_norm;

/* From u to the block's result, in blocks as z; its padding is 0. */
void facet_block_forward(facet_block *block, int64_t samples, const facet_block_norm *norm, const float *u,
                         float *result);
/* After facet_block_forward of the same samples. g: adjoint of the result. Overwrites gw (as the weights), the
 * gradients of gamma and beta, and gu (if pulled). */
void facet_block_backward(facet_block *block, int64_t samples, const facet_block_norm *norm, const float *g, float *gu,
                          float *gw, double *grad_gamma, double *grad_beta);

#endif
