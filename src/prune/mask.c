/* Masks: for every prunable weight whether it stays.  A mask remembers the constants it is about by number, so it fits
 * a copy of the network as well as the network itself. */
#include "prune/score.h"

#include <math.h>
#include <string.h>

static const facet_tensor *weights_of(const facet_network *network, const struct facet_mask_layer *layer)
{
  return network->value[layer->value].constant;
}

/* A mask of all prunable layers that keeps everything. */
static facet_status keep_layers(const facet_parameter *parameter, int count, facet_mask *mask)
{
  FACET_NEW(mask->layer, count);
  for (int p = 0; p < count; p++) {
    if (parameter[p].role != FACET_WEIGHT)
      continue;
    struct facet_mask_layer *layer = &mask->layer[mask->layers];
    layer->value = parameter[p].value;
    layer->node = parameter[p].node;
    layer->size = parameter[p].size;
    FACET_NEW(layer->keep, layer->size);
    memset(layer->keep, 1, (size_t)layer->size);
    mask->layers++;
  }
  return FACET_OK;
}

static facet_status keep_all(const facet_network *network, facet_mask **mask)
{
  *mask = NULL;
  facet_status status = FACET_OK;
  facet_parameter *parameter = NULL;
  facet_mask *made = NULL;
  int count = 0;
  FACET_GO(out, status, facet_network_parameter_list(network, &parameter, &count));
  FACET_NEW_GO(out, status, made, 1);
  FACET_GO(out, status, keep_layers(parameter, count, made));
  *mask = made;
  made = NULL;
out:
  facet_mask_destroy(&made);
  facet_free(&parameter);
  return status;
}

static int64_t mask_size(const facet_mask *mask)
{
  int64_t size = 0;
  for (int l = 0; l < mask->layers; l++)
    size += mask->layer[l].size;
  return size;
}

static void count_removed(struct facet_mask_layer *layer)
{
  layer->removed = 0;
  for (int64_t i = 0; i < layer->size; i++)
    layer->removed += !layer->keep[i];
}

static int64_t how_many(double sparsity, int64_t size)
{
  return llround(sparsity * (double)size);
}

/* Scores of all layers one after the other are selected from at once, or layer by layer; keep has the same order. */
static void select_all(const facet_mask *mask, facet_scope scope, double sparsity, const double *score, uint8_t *keep)
{
  int64_t size = mask_size(mask);
  if (scope == FACET_SCOPE_GLOBAL) {
    facet_select_lowest(score, size, how_many(sparsity, size), keep);
    return;
  }
  int64_t start = 0;
  for (int l = 0; l < mask->layers; l++) {
    int64_t count = mask->layer[l].size;
    facet_select_lowest(score + start, count, how_many(sparsity, count), keep + start);
    start += count;
  }
}

static facet_status fill(const facet_network *network, facet_criterion criterion, facet_scope scope, double sparsity,
                         uint32_t seed, facet_mask *mask)
{
  facet_status status = FACET_OK;
  double *score = NULL;
  uint8_t *keep = NULL;
  int64_t size = mask_size(mask), start = 0;
  FACET_NEW_GO(out, status, score, size);
  FACET_NEW_GO(out, status, keep, size);
  for (int l = 0; l < mask->layers; l++) {
    facet_score_layer(criterion, weights_of(network, &mask->layer[l]), seed, l, score + start);
    start += mask->layer[l].size;
  }
  select_all(mask, scope, sparsity, score, keep);
  start = 0;
  for (int l = 0; l < mask->layers; l++) {
    struct facet_mask_layer *layer = &mask->layer[l];
    memcpy(layer->keep, keep + start, (size_t)layer->size);
    count_removed(layer);
    start += layer->size;
  }
out:
  facet_free(&score);
  facet_free(&keep);
  return status;
}

facet_status facet_mask_create(const facet_network *network, facet_criterion criterion, facet_scope scope,
                               double sparsity, uint32_t seed, facet_mask **mask)
{
  *mask = NULL;
  FACET_CHECK(sparsity >= 0 && sparsity < 1, FACET_BAD_INPUT, "sparsity %g is not in [0, 1)", sparsity);
  FACET_TRY(keep_all(network, mask));
  facet_status status = FACET_OK;
  if ((*mask)->layers == 0)
    status = facet_raise(FACET_BAD_INPUT, "network %s has no weights that could be pruned", network->name);
  else
    status = fill(network, criterion, scope, sparsity, seed, *mask);
  if (status != FACET_OK)
    facet_mask_destroy(mask);
  return status;
}

facet_status facet_mask_of_zeros(const facet_network *network, facet_mask **mask)
{
  FACET_TRY(keep_all(network, mask));
  for (int l = 0; l < (*mask)->layers; l++) {
    struct facet_mask_layer *layer = &(*mask)->layer[l];
    for (int64_t i = 0; i < layer->size; i++)
      layer->keep[i] = facet_tensor_get(weights_of(network, layer), i) != 0;
    count_removed(layer);
  }
  return FACET_OK;
}

void facet_mask_destroy(facet_mask **mask)
{
  if (!*mask)
    return;
  for (int l = 0; (*mask)->layer && l < (*mask)->layers; l++)
    facet_free(&(*mask)->layer[l].keep);
  facet_free(&(*mask)->layer);
  facet_free(mask);
}

void facet_mask_apply(const facet_mask *mask, facet_network *network)
{
  for (int l = 0; l < mask->layers; l++) {
    const struct facet_mask_layer *layer = &mask->layer[l];
    facet_tensor *weights = network->value[layer->value].constant;
    for (int64_t i = 0; i < layer->size; i++)
      if (!layer->keep[i])
        facet_tensor_set(weights, i, 0.0);
  }
}

double facet_mask_sparsity(const facet_mask *mask)
{
  int64_t size = mask_size(mask), removed = 0;
  for (int l = 0; l < mask->layers; l++)
    removed += mask->layer[l].removed;
  return size > 0 ? (double)removed / (double)size : 0;
}
