/* The samples that are looked at closely, of which the stages change and pictures have arrays: as the study picks them.
 */
#ifndef FACET_PICKED_H
#define FACET_PICKED_H

#include "stage.h"

/* Not collective. sample: plan->store.change_samples of them, the most fragile ones as /fragility/rank has them, or the
 * first. */
facet_status facet_picked_samples(const facet_context *context, int64_t *sample);
/* Not collective, of a store before. Whether it can be known yet which these are: not before the run that finds the
 * most fragile ones. */
bool facet_picked_known(const facet_context *context);

#endif
