/* Features of a variant's test samples under a condition, by forward passes: they are not stored. */
#ifndef FACET_FEATURE_H
#define FACET_FEATURE_H

#include "plan.h"

typedef struct facet_features facet_features;

/* Not collective. How many features a network has: the size of what its last linear node takes; 0 without one. */
int64_t facet_features_count(const facet_network *network);
/* Not collective. For a variant that has features. All but the plan must outlive it. */
facet_status facet_features_create(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                                   int variant, facet_features **features);
void facet_features_destroy(facet_features **features);
/* Not collective. feature: count x features of samples first .. first+count-1, as the analysis saw them. */
facet_status facet_features_run(facet_features *features, int condition, int64_t first, int64_t count, double *feature);

#endif
