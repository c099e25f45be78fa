/* Layers that have collapsed: what a network loses with a layer's last weight is everything, so it is said. */
#include "net/filters.h"
#include "prune.h"

static facet_status count_filters(const facet_network *network, const struct facet_mask_layer *layer, int64_t *left)
{
  bool *alive;
  int64_t filters = facet_filters(network, layer->node);
  FACET_NEW(alive, filters);
  for (int64_t i = 0; i < layer->size; i++)
    if (layer->keep[i])
      alive[facet_filter_of(network, layer->node, i)] = true;
  *left = 0;
  for (int64_t f = 0; f < filters; f++)
    *left += alive[f];
  facet_free(&alive);
  return FACET_OK;
}

facet_status facet_mask_collapse(const facet_network *network, const facet_mask *mask, int layer, char **text)
{
  const struct facet_mask_layer *l = &mask->layer[layer];
  const char *name = network->node[l->node].name;
  int64_t left = l->size - l->removed, filters;
  *text = NULL;
  if (l->removed == 0)
    return FACET_OK;
  FACET_TRY(count_filters(network, l, &filters));
  if (left > 1 && filters > 1)
    return FACET_OK;
  if (left == 0)
    *text = facet_format("layer %s has lost all its %lld weights", name, (long long)l->size);
  else if (left == 1)
    *text = facet_format("layer %s keeps one weight of %lld", name, (long long)l->size);
  else
    *text = facet_format("layer %s keeps one filter of %lld", name, (long long)facet_filters(network, l->node));
  return *text ? FACET_OK : FACET_OS;
}
