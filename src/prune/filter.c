/* Structured pruning (Li 2017): whole filters by their norm, lowest first, in each layer or over all of them. */
#include "methods.h"
#include "net/filters.h"
#include "score.h"

#include <math.h>
#include <stdlib.h>

facet_masker facet_mask_filters;

typedef struct {
  double norm;
  int layer;
  int64_t filter, weights;
} candidate;

typedef struct {
  facet_mask *mask;
  const facet_pruning *how;
  int64_t *left;        /* filters that each layer still has */
  bool **gone;          /* by layer and filter */
  candidate *candidate; /* of all layers, one after the other */
  int64_t candidates;
} pruner;

static int compare(const void *left, const void *right)
{
  const candidate *a = left, *b = right;
  if (a->norm != b->norm)
    return a->norm < b->norm ? -1 : 1;
  if (a->layer != b->layer)
    return a->layer < b->layer ? -1 : 1;
  return a->filter < b->filter ? -1 : a->filter > b->filter;
}

static facet_status add_layer(const facet_network *network, int l, pruner *p)
{
  const struct facet_mask_layer *layer = &p->mask->layer[l];
  const facet_tensor *weights = network->value[layer->value].constant;
  int64_t filters = facet_filters(network, layer->node), before = p->candidates;
  p->left[l] = filters;
  FACET_NEW(p->gone[l], filters);
  FACET_TRY(facet_grow(&p->candidate, (size_t)before, (size_t)(before + filters), sizeof *p->candidate));
  p->candidates += filters;
  candidate *own = p->candidate + before;
  for (int64_t f = 0; f < filters; f++)
    own[f] = (candidate){.layer = l, .filter = f};
  for (int64_t i = 0; i < layer->size; i++) {
    double w = facet_tensor_get(weights, i);
    candidate *c = &own[facet_filter_of(network, layer->node, i)];
    c->norm += p->how->norm == 2 ? w * w : fabs(w);
    c->weights++;
  }
  for (int64_t f = 0; f < filters; f++) {
    if (p->how->scope == FACET_SCOPE_GLOBAL)
      own[f].norm /= (double)own[f].weights;
    own[f].norm = p->how->norm == 2 ? sqrt(own[f].norm) : own[f].norm;
    FACET_CHECK(isfinite(own[f].norm), FACET_BAD_INPUT, "pruning by filter: the norm of a filter is not finite");
  }
  return FACET_OK;
}

/* Removes from the candidates, lowest first, as long as the target comes nearer. */
static void remove_filters(pruner *p, candidate *from, int64_t count)
{
  double target = 0, removed = 0;
  for (int64_t i = 0; i < count; i++)
    target += (double)from[i].weights;
  target *= p->how->sparsity;
  qsort(from, (size_t)count, sizeof *from, compare);
  for (int64_t i = 0; i < count; i++) {
    double more = (double)from[i].weights;
    if (fabs(removed + more - target) > fabs(removed - target))
      return;
    int l = from[i].layer;
    if (p->left[l] == 1 && !p->how->allow_collapse) {
      p->mask->layer[l].guarded = true;
      continue;
    }
    p->gone[l][from[i].filter] = true;
    p->left[l]--;
    removed += more;
  }
}

static void write_mask(const facet_network *network, const pruner *p)
{
  for (int l = 0; l < p->mask->layers; l++) {
    struct facet_mask_layer *layer = &p->mask->layer[l];
    for (int64_t i = 0; p->gone[l] && i < layer->size; i++) {
      layer->keep[i] = !p->gone[l][facet_filter_of(network, layer->node, i)];
      layer->removed += !layer->keep[i];
    }
  }
}

static facet_status prune(const facet_network *network, const bool *at_output, pruner *p)
{
  for (int l = 0; l < p->mask->layers; l++) {
    int64_t before = p->candidates;
    if (at_output[p->mask->layer[l].node])
      continue;
    FACET_TRY(add_layer(network, l, p));
    if (p->how->scope == FACET_SCOPE_LAYER)
      remove_filters(p, p->candidate + before, p->candidates - before);
  }
  FACET_CHECK(p->candidates > 0, FACET_BAD_INPUT,
              "network %s has no filters that could be pruned: its only layer makes the classes", network->name);
  if (p->how->scope == FACET_SCOPE_GLOBAL)
    remove_filters(p, p->candidate, p->candidates);
  write_mask(network, p);
  return FACET_OK;
}

facet_status facet_mask_filters(const facet_network *network, const facet_pruning *how, facet_mask *mask)
{
  facet_status status = FACET_OK;
  pruner p = {.mask = mask, .how = how};
  bool *at_output = NULL;
  FACET_NEW_GO(out, status, at_output, network->nodes);
  FACET_NEW_GO(out, status, p.left, mask->layers);
  FACET_NEW_GO(out, status, p.gone, mask->layers);
  FACET_GO(out, status, facet_nodes_at_output(network, at_output));
  FACET_GO(out, status, prune(network, at_output, &p));
  status = facet_mask_silence(network, p.gone, mask);
out:
  for (int l = 0; p.gone && l < mask->layers; l++)
    facet_free(&p.gone[l]);
  facet_free(&p.gone);
  facet_free(&p.left);
  facet_free(&p.candidate);
  facet_free(&at_output);
  return status;
}
