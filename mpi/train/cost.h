/* What a variant costs: training, arithmetic, memory, time. */
#ifndef FACET_COST_H
#define FACET_COST_H

#include "store/store.h"

/* Not collective. All but the times, which are NaN where there is something to time. data: the training samples, may be
 * NULL where nothing is trained. */
facet_status facet_variant_cost_count(const facet_study *study, const facet_dataset *data, const facet_variant *variant,
                                      const facet_network *network, facet_store_cost *cost);
/* Not collective. The best of several forward passes of a few samples of noise, of at most `batch` at once. */
facet_status facet_forward_measure(const facet_network *network, facet_type precision, int64_t batch, double *seconds);

#endif
