/* Pruning: which weights to remove.  sparsity is always the fraction REMOVED of the prunable weights
 * (Conv, Gemm and MatMul weights: parameters of role FACET_WEIGHT). */
#ifndef FACET_PRUNE_H
#define FACET_PRUNE_H

#include "net/net.h"

typedef enum { FACET_PRUNE_RANDOM, FACET_PRUNE_MAGNITUDE } facet_criterion;
typedef enum { FACET_SCOPE_GLOBAL, FACET_SCOPE_LAYER } facet_scope;

typedef struct {
  int layers;
  struct facet_mask_layer {
    int value; /* the weight constant in the network */
    int node;
    int64_t size;
    int64_t removed;
    uint8_t *keep; /* size bytes: 1 kept, 0 removed; row-major like the constant */
  } * layer;
} facet_mask;

/* The mask that removes round(sparsity * size) weights: over all layers together (global), or in each one (layer).
 * Lowest score goes first; equal scores in order of position, so the mask is the same everywhere. */
facet_status facet_mask_create(const facet_network *network, facet_criterion criterion, facet_scope scope,
                               double sparsity, uint32_t seed, facet_mask **mask);
/* What is exactly zero in a network (an external variant, for one). */
facet_status facet_mask_of_zeros(const facet_network *network, facet_mask **mask);
/* A file of masks (HDF5, see mask_file.c), written whole or not at all. Reading wants a mask of the right shape for
 * every layer, of 0 and 1, and no other; errors: FACET_NO_INPUT, FACET_BAD_INPUT with "FILE: why". */
facet_status facet_mask_write(const facet_network *network, const facet_mask *mask, const char *path);
facet_status facet_mask_read(const facet_network *network, const char *path, facet_mask **mask);
void facet_mask_destroy(facet_mask **mask);
void facet_mask_apply(const facet_mask *mask, facet_network *network); /* removed weights become +0 */
double facet_mask_sparsity(const facet_mask *mask);                    /* achieved, over all layers */

/* Dead channels: output channels of linear nodes that the logits do not hear of, or hear of as a constant that the next
 * layer's bias can take over.  What cannot be shown to be dead is not. */
typedef struct {
  int layers;
  int64_t channels, zero, dead; /* over all layers */
  struct facet_channel_layer {
    int node;
    int64_t channels;
    int64_t zero; /* their weights (the filter) are all zero */
    int64_t dead;
  } * layer;
} facet_channels;

facet_status facet_channels_dead(const facet_network *network, facet_channels **channels);
void facet_channels_destroy(facet_channels **channels);
/* A network without them, finished, with the same logits; a copy where there are none. Values keep their numbers. */
facet_status facet_channels_remove(const facet_network *network, facet_network **smaller);

int facet_criterion_find(const char *name); /* -1: unknown */
int facet_scope_find(const char *name);

#endif
