/* How long a study will take, from short measurements of what it consists of. */
#ifndef FACET_FORECAST_H
#define FACET_FORECAST_H

#include "plan.h"

typedef struct {
  double training, corrupting, forward, linearizing, aggregating, embedding; /* seconds, on all ranks together */
} facet_forecast;

/* Not collective. Times a step of training, corruptions of a few samples, and takes the forward times of every variant
 * (forward: V seconds per sample): linearizing costs about a forward pass for each row and one more (measured on
 * ResNet-20 and the demo's network); aggregates are timed by a matrix product, and take the features' forward passes
 * and corruptions once more; embed_time.h says what embeddings are timed by. Ranks are taken to share the work evenly.
 */
facet_status facet_forecast_make(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                                 const double *forward, int ranks, facet_forecast *forecast);

#endif
