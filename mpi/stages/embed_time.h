/* How long the training of an encoder will take, from short measurements of what it consists of. */
#ifndef FACET_EMBED_TIME_H
#define FACET_EMBED_TIME_H

#include "stage.h"

/* As a stage's seconds. Times the probabilities and a step of a small batch of noise, and scales them: what is done for
 * each pair of samples with pairs, what is done for each sample with samples. Ranks are taken to share the work evenly.
 */
facet_status facet_embed_seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *seconds);

/* Seconds on one rank, of one unit of what is timed. */
typedef struct {
  double probabilities, forces;   /* per pair of samples of a batch */
  double forward, backward, move; /* per sample; per sample; per step */
} facet_embed_times;
/* What they come to on one rank: features, probabilities, steps. feature: seconds of one sample. ranks: that share what
 * is kept. */
double facet_embed_training_seconds(const facet_plan *plan, const facet_embed_times *times, double feature, int ranks);

#endif
