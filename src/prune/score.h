/* Private to src/prune: a criterion gives every weight of a layer a score; selection removes the lowest ones.
 * Scores of all layers of a mask lie one after the other: the flat vector of net/derivative.h. */
#ifndef FACET_SCORE_H
#define FACET_SCORE_H

#include "prune.h"

int64_t facet_mask_size(const facet_mask *mask); /* weights of all layers */

/* Removes from every layer, or from all together, the lowest scores so that the sparsity is reached. Scores may
 * change. */
facet_status facet_mask_select(facet_mask *mask, const facet_pruning *how, double sparsity, double *score);
/* Lists what is to be silenced; gone: by layer (NULL: nothing) and filter. */
facet_status facet_mask_silence(const facet_network *network, bool *const *gone, facet_mask *mask);
/* The same of removed filters that put out exactly 0 in this network. */
facet_status facet_mask_silence_zeros(const facet_network *network, facet_mask *mask);

/* keep[i] = 0 for the `remove` lowest of `count` scores, 1 for the others; equal scores go in order of position.
 * NaN counts as the highest score. Linear in count, no memory. */
void facet_select_lowest(const double *score, int64_t count, int64_t remove, uint8_t *keep);

/* The same over layers of the given sizes, of which each keeps its last: the highest, the last of equals. What the
 * guard cost goes elsewhere while there is anything. guarded[l]: its turn had come. Scores may change. */
facet_status facet_select_guarded(double *score, int layers, const int64_t *size, int64_t remove, uint8_t *keep,
                                  bool *guarded);

#endif
