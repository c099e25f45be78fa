/* The margin of a sample as a sum over its pixels and the network's constants (SCIENCE 2): with class y and rival j,
 * m(x) = [ (W_y - W_j) x + (b_y - b_j) ] / |w_y - w_j|, exactly. */
#ifndef FACET_MARGIN_H
#define FACET_MARGIN_H

#include "net/net.h"

/* Of `count` samples; buffers are the caller's. NaN where there is no class, or no boundary. */
typedef struct {
  double *gradient; /* count x D, in the network's input order: what the margin gains per input */
  double *node;     /* count x constant nodes: what each node's constants add */
  double *margin;   /* count */
  double *residual; /* count: |m - (sum gradient x + sum node)| / max(1, |m|), m from the feature */
  int32_t *rival;   /* count; -1 where there is none */
} facet_margin_map;

/* Takes apart the margins of the samples of the executor's last forward pass, which has two rows. x: count x D as given
 * to it; label: count. head: of its network; its feature is kept by the executor. */
facet_status facet_margin_take_apart(facet_executor *executor, const facet_head *head, const void *x, int64_t count,
                                     const int32_t *label, facet_margin_map *map);

/* How the margin came from `from` to `to`, of one sample: inputs before and after (D each; the same numbers when the
 * network changed), and the gradients. pixel: D, gradient_to x_to - gradient_from x_from; moved (may be NULL): the part
 * gradient_from (x_to - x_from), and then pixel holds the rest, (gradient_to - gradient_from) x_to. */
void facet_margin_change(int64_t inputs, const double *gradient_from, const double *x_from, const double *gradient_to,
                         const double *x_to, double *pixel, double *moved);

#endif
