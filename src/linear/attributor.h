/* Private to attribution.c and faithful.c. */
#ifndef FACET_ATTRIBUTOR_H
#define FACET_ATTRIBUTOR_H

#include <facet/attribution.h>

#include "net/rules.h"

struct facet_attributor {
  const facet_network *network;
  facet_attribution_options options;
  int64_t inputs, classes, batch;
  facet_executor *executor; /* in double, one row at a time */
  facet_rules *rules;       /* made when they are first asked for, as is */
  facet_path *path;
  double *node, *weight; /* of the quadrature, unless the caller has it */
  double *total;         /* K: of exact integrated gradients, */
  int32_t *path_row;     /* and their rows */
  double *x, *w;         /* batch x D: where gradients are wanted, and they */
  double *b;             /* what a pullback tells of b */
  int32_t *row;          /* batch */
  double *noise;         /* D */
  double *logits;        /* batch x K */
  double *map;           /* of the last convolution */
  double *picture;       /* D: channel by channel */
};

#endif
