/* What a variant costs: training, arithmetic, memory, time. */
#ifndef FACET_COST_H
#define FACET_COST_H

#include "study/study.h"

typedef struct {
  double epochs, epochs_before; /* of its own training; of the network that it began with */
  int64_t samples;              /* that its own training sees, each as often as it does */
  int64_t parameters;
  int64_t flops, flops_sparse; /* of a forward pass of one sample, 2 for each multiply-add; sparse: of weights not 0 */
  int64_t bytes, bytes_sparse; /* of the parameters */
  double train_seconds;        /* wall time of its own training; NaN: not known, 0: none */
  double forward_seconds;      /* of a forward pass, per sample, on one rank; NaN: not measured */
} facet_variant_cost;

/* Not collective. All but the times, which are NaN where there is something to time. data: the training samples, may be
 * NULL where nothing is trained. */
facet_status facet_variant_cost_count(const facet_study *study, const facet_dataset *data, const facet_variant *variant,
                                      const facet_network *network, facet_variant_cost *cost);
/* Not collective. The best of several forward passes of a few samples of noise, of at most `batch` at once. */
facet_status facet_forward_measure(const facet_network *network, facet_type precision, int64_t batch, double *seconds);

#endif
