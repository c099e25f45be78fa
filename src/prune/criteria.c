/* Criteria that look at one weight at a time: chance, and magnitude (Han 2015). */
#include "methods.h"
#include "score.h"

#include <math.h>

facet_scorer facet_score_random, facet_score_magnitude;

facet_status facet_score_random(const facet_network *network, const facet_pruning *how, const facet_calibration *data,
                                const facet_mask *mask, double *score)
{
  (void)network;
  (void)data;
  facet_random random = {.seed = how->seed, .stream = FACET_STREAM_PRUNE};
  for (int l = 0; l < mask->layers; score += mask->layer[l++].size)
    for (int64_t i = 0; i < mask->layer[l].size; i++)
      score[i] = facet_random_uniform(random, (uint64_t)l, (uint64_t)i);
  return FACET_OK;
}

facet_status facet_score_magnitude(const facet_network *network, const facet_pruning *how,
                                   const facet_calibration *data, const facet_mask *mask, double *score)
{
  (void)how;
  (void)data;
  for (int l = 0; l < mask->layers; score += mask->layer[l++].size)
    for (int64_t i = 0; i < mask->layer[l].size; i++)
      score[i] = fabs(facet_tensor_get(network->value[mask->layer[l].value].constant, i));
  return FACET_OK;
}
