/* Masks as the rooms see them, beside what the face shows of pruning. */
#ifndef FACET_PRUNE_H
#define FACET_PRUNE_H

#include <facet/prune.h>

#include "net/net.h"

struct facet_mask {
  int layers;
  struct facet_mask_layer *layer;
  int64_t silences; /* filter: parameters that go with the filters: bias, and shift and mean of the batch norm behind */
  struct facet_mask_silence {
    int value; /* the constant */
    int64_t index;
  } * silence;
};

#endif
