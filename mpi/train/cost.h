/* What a variant costs: training, arithmetic, memory, time. */
#ifndef FACET_COST_H
#define FACET_COST_H

#include "making.h"
#include "store/store.h"

/* Not collective. All but the times, which are NaN where there is something to time. */
facet_status facet_variant_cost_count(const facet_making *making, const facet_variant *variant,
                                      const facet_network *network, facet_store_cost *cost);
/* Not collective. The best of several forward passes of a few samples of noise, of at most `batch` at once. */
facet_status facet_forward_measure(const facet_network *network, facet_type precision, int64_t batch, double *seconds);

#endif
