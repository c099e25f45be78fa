/* Private to src/prune: a criterion gives every weight of a layer a score; selection removes the lowest ones. */
#ifndef FACET_SCORE_H
#define FACET_SCORE_H

#include "prune/prune.h"

/* Scores of one layer's weights; `layer` counts the prunable layers from 0. score: as many as the tensor has. */
void facet_score_layer(facet_criterion criterion, const facet_tensor *weights, uint32_t seed, int layer, double *score);

/* keep[i] = 0 for the `remove` lowest of `count` scores, 1 for the others; equal scores go in order of position.
 * NaN counts as the highest score. Linear in count, no memory. */
void facet_select_lowest(const double *score, int64_t count, int64_t remove, uint8_t *keep);

#endif
