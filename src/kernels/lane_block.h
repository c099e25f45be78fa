/* A block in training (block.h) of which few weights are left, 16 samples in lanes (lane_conv.h): the convolution, its
 * pullback and its gradient know of these weights alone, and norm, gate and maximum are done to 16 samples at once.
 * Only the block's input, its result and their adjoints are brought into lanes and back. */
#ifndef FACET_LANE_BLOCK_H
#define FACET_LANE_BLOCK_H

#include "block.h"

typedef struct facet_lane_block facet_lane_block;

/* Whether so many samples fill lanes. */
bool facet_lane_block_fits(int64_t batch);
/* A shape that facet_block_fits. FACET_OS. Caller destroys. */
facet_status facet_lane_block_create(const facet_block_shape *shape, int64_t batch, facet_lane_block **block);
void facet_lane_block_destroy(facet_lane_block **block);
/* Bytes that it keeps, when no weight is 0. */
size_t facet_lane_block_bytes(const facet_lane_block *block);
/* Whether so few weights are left that this is faster; by the weights alone. */
bool facet_lane_block_worth(const facet_lane_block *block, const float *weights);
/* As those of block.h; the gradient of weights that are 0 is 0. FACET_OS. */
facet_status facet_lane_block_weights(facet_lane_block *block, const float *weights);
void facet_lane_block_forward(facet_lane_block *block, int64_t samples, const facet_block_norm *norm, const float *u,
                              float *result);
void facet_lane_block_backward(facet_lane_block *block, int64_t samples, const facet_block_norm *norm, const float *g,
                               float *gu, float *gw, double *grad_gamma, double *grad_beta);

#endif
