/* A pruned filter goes with its feature map (Li 2017): where all weights of an output channel are removed, its bias,
 * and the shift and mean of a batch norm right behind it, its company, are made 0: the channel puts out exactly 0. */
#include "net/filters.h"
#include "score.h"

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

typedef struct {
  const facet_network *network;
  facet_parameter *parameter;
  int parameters;
} listed;

/* Whether a parameter is of the company of this node, whose output `norm` reads. A constant that several nodes share
 * stays as it is. */
static bool is_company(const listed *all, const facet_parameter *p, int node, int norm)
{
  bool own = p->node == node && p->role == FACET_BIAS;
  bool norms = p->node == norm && (p->role == FACET_SHIFT || p->role == FACET_MEAN);
  return (own || norms) && p->size == facet_filters(all->network, node) && all->network->value[p->value].consumers == 1;
}

/* The company of one layer's filters that are gone. */
static facet_status silence_layer(const listed *all, const bool *gone, int node, facet_mask *mask)
{
  int norm = norm_behind(all->network, all->network->node[node].output[0]);
  for (int p = 0; p < all->parameters; p++)
    for (int64_t f = 0; is_company(all, &all->parameter[p], node, norm) && f < all->parameter[p].size; f++)
      if (gone[f])
        FACET_TRY(add(mask, all->parameter[p].value, f));
  return FACET_OK;
}

facet_status facet_mask_silence(const facet_network *network, bool *const *gone, facet_mask *mask)
{
  listed all = {.network = network};
  FACET_TRY(facet_network_parameter_list(network, &all.parameter, &all.parameters));
  facet_status status = FACET_OK;
  for (int l = 0; l < mask->layers && status == FACET_OK; l++)
    if (gone[l])
      status = silence_layer(&all, gone[l], mask->layer[l].node, mask);
  facet_free(&all.parameter);
  return status;
}

/* Which of a layer's filters put out exactly 0: all of their weights are removed, and their company is 0. */
static facet_status find_silent(const listed *all, const struct facet_mask_layer *layer, bool **silent)
{
  const facet_network *network = all->network;
  int norm = norm_behind(network, network->node[layer->node].output[0]);
  int64_t filters = facet_filters(network, layer->node);
  FACET_NEW(*silent, filters);
  for (int64_t f = 0; f < filters; f++)
    (*silent)[f] = true;
  for (int64_t i = 0; i < layer->size; i++)
    if (layer->keep[i])
      (*silent)[facet_filter_of(network, layer->node, i)] = false;
  for (int p = 0; p < all->parameters; p++)
    for (int64_t f = 0; is_company(all, &all->parameter[p], layer->node, norm) && f < filters; f++)
      if (facet_tensor_get(network->value[all->parameter[p].value].constant, f) != 0)
        (*silent)[f] = false;
  return FACET_OK;
}

facet_status facet_mask_silence_zeros(const facet_network *network, facet_mask *mask)
{
  listed all = {.network = network};
  FACET_TRY(facet_network_parameter_list(network, &all.parameter, &all.parameters));
  facet_status status = FACET_OK;
  bool *silent = NULL;
  for (int l = 0; l < mask->layers; l++) {
    FACET_GO(done, status, find_silent(&all, &mask->layer[l], &silent));
    FACET_GO(done, status, silence_layer(&all, silent, mask->layer[l].node, mask));
    facet_free(&silent);
  }
done:
  facet_free(&silent);
  facet_free(&all.parameter);
  return status;
}
