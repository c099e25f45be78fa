/* The names of the criteria, and those that look at one weight at a time: chance, and magnitude (Han 2015). */
#include "prune/score.h"

#include <math.h>
#include <string.h>

static const char *const criterion_names[] = {
    [FACET_PRUNE_RANDOM] = "random",  [FACET_PRUNE_MAGNITUDE] = "magnitude", [FACET_PRUNE_FILTER] = "filter",
    [FACET_PRUNE_TAYLOR] = "taylor",  [FACET_PRUNE_SNIP] = "snip",           [FACET_PRUNE_GRASP] = "grasp",
    [FACET_PRUNE_SYNFLOW] = "synflow"};
static const char *const scope_names[] = {[FACET_SCOPE_GLOBAL] = "global", [FACET_SCOPE_LAYER] = "layer"};

static int find(const char *const *names, size_t count, const char *name)
{
  for (size_t i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0)
      return (int)i;
  return -1;
}

int facet_criterion_find(const char *name)
{
  return find(criterion_names, sizeof criterion_names / sizeof criterion_names[0], name);
}

const char *facet_criterion_name(facet_criterion criterion)
{
  return criterion_names[criterion];
}

bool facet_criterion_needs_data(facet_criterion criterion)
{
  return criterion == FACET_PRUNE_TAYLOR || criterion == FACET_PRUNE_SNIP || criterion == FACET_PRUNE_GRASP;
}

int facet_scope_find(const char *name)
{
  return find(scope_names, sizeof scope_names / sizeof scope_names[0], name);
}

static void score_random(int64_t count, uint32_t seed, int layer, double *score)
{
  facet_random random = {.seed = seed, .stream = FACET_STREAM_PRUNE};
  for (int64_t i = 0; i < count; i++)
    score[i] = facet_random_uniform(random, (uint64_t)layer, (uint64_t)i);
}

static void score_magnitude(const facet_tensor *weights, int64_t count, double *score)
{
  for (int64_t i = 0; i < count; i++)
    score[i] = fabs(facet_tensor_get(weights, i));
}

void facet_score_layer(facet_criterion criterion, const facet_tensor *weights, uint32_t seed, int layer, double *score)
{
  int64_t count = facet_shape_size(weights->shape);
  if (criterion == FACET_PRUNE_RANDOM)
    score_random(count, seed, layer, score);
  else
    score_magnitude(weights, count, score);
}
