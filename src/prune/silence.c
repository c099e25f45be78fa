/* A pruned filter goes with its feature map (Li 2017): where all weights of an output channel are removed, its bias,
 * and the shift and mean of a batch norm right behind it, are made 0, so that the channel puts out exactly 0. */
#include "net/filters.h"
#include "prune/score.h"

#include <string.h>

/* The batch norm that reads this value, or -1. */
static int norm_behind(const facet_network *network, int value)
{
  for (int i = 0; i < network->nodes; i++)
    if (strcmp(network->node[i].type, "BatchNormalization") == 0 && network->node[i].input[0] == value)
      return i;
  return -1;
}

static facet_status add(facet_mask *mask, int value, int64_t index)
{
  size_t count = (size_t)mask->silences;
  FACET_TRY(facet_grow(&mask->silence, count, count + 1, sizeof *mask->silence));
  mask->silence[mask->silences++] = (struct facet_mask_silence){value, index};
  return FACET_OK;
}

/* Parameters of one layer's channels that are gone. A constant that several nodes share stays as it is. */
static facet_status silence_layer(const facet_network *network, const facet_parameter *parameter, int parameters,
                                  const bool *gone, int node, facet_mask *mask)
{
  int64_t filters = facet_filters(network, node);
  int norm = norm_behind(network, network->node[node].output[0]);
  for (int p = 0; p < parameters; p++) {
    const facet_parameter *one = &parameter[p];
    bool own = one->node == node && one->role == FACET_BIAS;
    bool norms = one->node == norm && (one->role == FACET_SHIFT || one->role == FACET_MEAN);
    if ((!own && !norms) || one->size != filters || network->value[one->value].consumers != 1)
      continue;
    for (int64_t f = 0; f < filters; f++)
      if (gone[f])
        FACET_TRY(add(mask, one->value, f));
  }
  return FACET_OK;
}

facet_status facet_mask_silence(const facet_network *network, bool *const *gone, facet_mask *mask)
{
  facet_parameter *parameter;
  int parameters;
  FACET_TRY(facet_network_parameter_list(network, &parameter, &parameters));
  facet_status status = FACET_OK;
  for (int l = 0; l < mask->layers && status == FACET_OK; l++)
    if (gone[l])
      status = silence_layer(network, parameter, parameters, gone[l], mask->layer[l].node, mask);
  facet_free(&parameter);
  return status;
}
