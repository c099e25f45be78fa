/* Masks: for every prunable weight whether it stays.  A mask remembers the constants it is about by number, so it fits
 * a copy of the network as well as the network itself. */
#include "methods.h"
#include "score.h"

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

int facet_mask_layers(const facet_mask *mask)
{
  return mask->layers;
}

const struct facet_mask_layer *facet_mask_layer(const facet_mask *mask, int layer)
{
  return &mask->layer[layer];
}

int64_t facet_mask_size(const facet_mask *mask)
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

/* Among `layers` layers of the given sizes at once. */
static facet_status select_from(const facet_pruning *how, double sparsity, int layers, const int64_t *size,
                                double *score, uint8_t *keep, bool *guarded)
{
  int64_t count = 0;
  for (int l = 0; l < layers; l++)
    count += size[l];
  if (!how->allow_collapse)
    return facet_select_guarded(score, layers, size, how_many(sparsity, count), keep, guarded);
  facet_select_lowest(score, count, how_many(sparsity, count), keep);
  return FACET_OK;
}

static void take(facet_mask *mask, const uint8_t *keep, const bool *guarded)
{
  for (int l = 0; l < mask->layers; l++) {
    struct facet_mask_layer *layer = &mask->layer[l];
    memcpy(layer->keep, keep, (size_t)layer->size);
    layer->guarded = guarded[l];
    count_removed(layer);
    keep += layer->size;
  }
}

facet_status facet_mask_select(facet_mask *mask, const facet_pruning *how, double sparsity, double *score)
{
  facet_status status = FACET_OK;
  int64_t *size = NULL, start = 0;
  uint8_t *keep = NULL;
  bool *guarded = NULL;
  FACET_NEW_GO(out, status, size, mask->layers);
  FACET_NEW_GO(out, status, guarded, mask->layers);
  FACET_NEW_GO(out, status, keep, facet_mask_size(mask));
  for (int l = 0; l < mask->layers; l++)
    size[l] = mask->layer[l].size;
  if (how->scope == FACET_SCOPE_GLOBAL)
    FACET_GO(out, status, select_from(how, sparsity, mask->layers, size, score, keep, guarded));
  for (int l = 0; how->scope == FACET_SCOPE_LAYER && l < mask->layers; start += size[l++])
    FACET_GO(out, status, select_from(how, sparsity, 1, &size[l], score + start, keep + start, &guarded[l]));
  take(mask, keep, guarded);
out:
  facet_free(&size);
  facet_free(&keep);
  facet_free(&guarded);
  return status;
}

/* One score per weight, one selection. */
static facet_status score_and_select(const facet_network *network, const facet_pruning *how,
                                     const facet_calibration *data, facet_mask *mask)
{
  double *score;
  FACET_NEW(score, facet_mask_size(mask));
  facet_status status;
  FACET_GO(done, status, how->method->score(network, how, data, mask, score));
  status = facet_mask_select(mask, how, how->sparsity, score);
done:
  facet_free(&score);
  return status;
}

static facet_status check(const facet_pruning *how, const facet_calibration *data)
{
  FACET_CHECK(how->method, FACET_BAD_INPUT, "pruning without a method");
  FACET_CHECK(!how->method->rule, FACET_BAD_INPUT, "%s prunes while it trains", how->method->name);
  FACET_CHECK(how->sparsity >= 0 && how->sparsity < 1, FACET_BAD_INPUT, "sparsity %g is not in [0, 1)", how->sparsity);
  FACET_CHECK(how->norm >= 0 && how->norm <= 2, FACET_BAD_INPUT, "norm %d is neither 1 nor 2", how->norm);
  FACET_CHECK(how->rounds >= 0, FACET_BAD_INPUT, "%d rounds of pruning", how->rounds);
  if (!how->method->needs_data)
    return FACET_OK;
  FACET_CHECK(data && data->x && data->label && data->count > 0 && data->batch > 0, FACET_BAD_INPUT,
              "pruning by %s needs calibration data", how->method->name);
  return FACET_OK;
}

static facet_status fill(const facet_network *network, const facet_pruning *how, const facet_calibration *data,
                         facet_mask *mask)
{
  FACET_CHECK(mask->layers > 0, FACET_BAD_INPUT, "network %s has no weights that could be pruned", network->name);
  return how->method->mask ? how->method->mask(network, how, mask) : score_and_select(network, how, data, mask);
}

facet_status facet_mask_create(const facet_network *network, const facet_pruning *how, const facet_calibration *data,
                               facet_mask **mask)
{
  *mask = NULL;
  FACET_TRY(check(how, data));
  FACET_TRY(keep_all(network, mask));
  facet_status status = fill(network, how, data, *mask);
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
  facet_free(&(*mask)->silence);
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
  for (int64_t i = 0; i < mask->silences; i++)
    facet_tensor_set(network->value[mask->silence[i].value].constant, mask->silence[i].index, 0.0);
}

double facet_mask_sparsity(const facet_mask *mask)
{
  int64_t size = facet_mask_size(mask), removed = 0;
  for (int l = 0; l < mask->layers; l++)
    removed += mask->layer[l].removed;
  return size > 0 ? (double)removed / (double)size : 0;
}
