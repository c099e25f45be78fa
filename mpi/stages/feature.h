/* Features of samples, as the analysis stored them, or else by forward passes. */
#ifndef FACET_FEATURE_H
#define FACET_FEATURE_H

#include "pass.h"
#include "stage.h"

typedef struct facet_features facet_features;

/* All of it is borrowed. */
typedef struct {
  facet_pixels *pixels;
  const facet_member *member; /* with features, unless inputs are wanted */
  bool inputs;                /* the network's input, in its own order, for a feature */
  facet_type real;
  int64_t batch;       /* samples of one pass */
  facet_store *stored; /* where they are; NULL: nowhere */
  int variant;         /* there */
} facet_feature_source;

/* Where the features of a variant's test samples come from, if the plan is followed. pixels: of those. */
facet_feature_source facet_feature_source_of(const facet_context *context, int variant, facet_pixels *pixels);
/* Not collective. The source's parts must outlive it. */
facet_status facet_features_create(const facet_feature_source *source, facet_features **features);
void facet_features_destroy(facet_features **features);
/* Not collective. feature: count x features of samples order[first] .. order[first+count-1], as the analysis sees them
 * under the condition (-1: as they are); order NULL: of samples first .. */
facet_status facet_features_run(facet_features *features, int condition, const int64_t *order, int64_t first,
                                int64_t count, double *feature);

#endif
