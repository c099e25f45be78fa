/* The stage reach: how far the linearization of each sample holds: the exact radius of its facet, in two norms, and the
 * nearest decision boundary.
 *
 * It is done in double precision, whatever the study's.  A unit of work is a sample in a variant. */
#include <stdio.h>
#include <string.h>

#include "items.h"

/* SLOWER: what kernels for double are, in forward passes of the study's precision. */
enum { SLOWER = 4 };

typedef struct {
  facet_item_work common;
  const facet_reach_keys *keys;
  /* of the variant that was entered */
  facet_reach *reach;
  double *x, *scale; /* D each; scale: for distances in pixels, else NULL */
  double *point;     /* norms x D */
  int32_t *tied;     /* by gate */
} reaching;

/* ---- entering ---- */

/* How far each input moves when its pixel moves by 1. */
static facet_status find_scale(reaching *w)
{
  FACET_NEW(w->scale, w->common.inputs);
  facet_loader_even(&w->common.loader, 1, w->scale);
  facet_loader_even(&w->common.loader, 0, w->x);
  for (int64_t i = 0; i < w->common.inputs; i++)
    w->scale[i] -= w->x[i];
  return FACET_OK;
}

static facet_status enter(void *self, const facet_member *member)
{
  reaching *w = self;
  FACET_NEW(w->x, w->common.inputs);
  FACET_NEW(w->point, FACET_NORMS * w->common.inputs);
  FACET_NEW(w->tied, w->common.plan->variant[w->common.variant].gates);
  if (w->keys->unit == FACET_REACH_PIXEL)
    FACET_TRY(find_scale(w));
  const facet_reach_options options = {
      .scale = w->scale, .certain = w->keys->certain, .pause = facet_item_pause, .context = w};
  return facet_reach_create(member->network, options, &w->reach);
}

static void leave(void *self)
{
  reaching *w = self;
  facet_reach_destroy(&w->reach);
  FACET_FREE(&w->x, &w->scale, &w->point, &w->tied);
}

/* ---- one sample ---- */

static facet_status put(const reaching *w, int64_t sample, const facet_reach_result *r)
{
  const facet_place at = {.variant = w->common.variant, .part = {{sample, 1}}};
  double untied[FACET_NORMS], error[FACET_NORMS], boundary[FACET_NORMS];
  int32_t limit[FACET_NORMS], next[FACET_NORMS], other[FACET_NORMS];
  int64_t element[FACET_NORMS], within[FACET_NORMS], beyond[FACET_NORMS];
  uint8_t inside[FACET_NORMS];
  for (int i = 0; i < FACET_NORMS; i++) {
    const facet_reach_norm *n = &r->norm[i];
    untied[i] = n->untied;
    error[i] = n->error;
    limit[i] = n->gate;
    element[i] = n->element;
    next[i] = n->next;
    boundary[i] = n->boundary;
    other[i] = n->other;
    inside[i] = n->inside;
    within[i] = n->within;
    beyond[i] = n->beyond;
  }
  const struct {
    facet_row row;
    const void *data;
  } arrays[] = {{FACET_ROW_REACH_MAX_NORM, &r->norm[FACET_NORM_MAX].radius},
                {FACET_ROW_REACH_TWO_NORM, &r->norm[FACET_NORM_TWO].radius},
                {FACET_ROW_REACH_UNTIED, untied},
                {FACET_ROW_REACH_ERROR, error},
                {FACET_ROW_REACH_NUMBER, limit},
                {FACET_ROW_REACH_ELEMENT, element},
                {FACET_ROW_REACH_NEXT, next},
                {FACET_ROW_REACH_TIED, w->tied},
                {FACET_ROW_REACH_BOUNDARY, boundary},
                {FACET_ROW_REACH_OTHER, other},
                {FACET_ROW_REACH_INSIDE, inside},
                {FACET_ROW_REACH_POINT, w->point},
                {FACET_ROW_REACH_WITHIN, within},
                {FACET_ROW_REACH_BEYOND, beyond},
                {FACET_ROW_REACH_RESIDUAL, &r->residual},
                {FACET_ROW_REACH_ROWS, &r->rows}};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
    FACET_TRY(facet_store_put(w->common.store, arrays[i].row, at, arrays[i].data));
  return FACET_OK;
}

static facet_status run_item(void *self, int64_t sample)
{
  reaching *w = self;
  facet_reach_result r = {.tied_of = w->tied};
  for (int i = 0; i < FACET_NORMS; i++)
    r.norm[i].point = w->point + i * w->common.inputs;
  FACET_TRY(facet_loader_load(&w->common.loader, w->common.plan->clean, sample, NULL, w->x));
  FACET_TRY(facet_reach_find(w->reach, w->x, &r));
  return put(w, sample, &r);
}

/* ---- all of it ---- */

static facet_status make(void *self)
{
  reaching *w = self;
  w->keys = &w->common.context->plan->keys->reach;
  return facet_items_number(&w->common, FACET_ROW_REACH_SAMPLE, FACET_ROW_REACH_LABEL);
}

static const facet_items items = {.stage = "reach",
                                  .name = "facets",
                                  FACET_ITEMS_OF(reach_samples, reach),
                                  .make = make,
                                  .enter = enter,
                                  .leave = leave,
                                  .run = run_item};

static facet_status follows(const facet_context *c, FILE *out)
{
  const facet_reach_keys *k = &c->plan->keys->reach;
  fprintf(out, "unit %d, certain %d", (int)k->unit, k->certain);
  return FACET_OK;
}

static facet_status still(const facet_context *c, uint8_t *take)
{
  facet_items_still(c, &items, 1, NULL, take);
  return FACET_OK;
}

static facet_status run(const facet_context *context)
{
  return facet_items_run(context, &items, &(reaching){.common = {0}});
}

static bool wanted(const facet_plan *plan)
{
  return facet_items_wanted(&items, plan);
}

static facet_status memory(const facet_context *context, int ranks, double *bytes)
{
  (void)ranks;
  return facet_items_memory(context, &items, &(reaching){.common = {0}}, bytes);
}

static facet_status seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &context->plan->store;
  bool certain = context->plan->keys->reach.certain;
  *sum = 0;
  for (int v = 0; v < p->variants; v++)
    if (p->variant[v].reach)
      *sum += (double)p->reach_samples * facet_reach_passes(context->family->member[v].network, certain) * SLOWER *
              speeds->forward[v] / ranks;
  return FACET_OK;
}

static facet_status plan_own(const facet_study_data *data, const facet_family *family, int ranks, facet_plan *plan)
{
  (void)data, (void)ranks;
  const facet_reach_keys *k = &plan->keys->reach;
  facet_store_plan *s = &plan->store;
  if (!k->wanted)
    return FACET_OK;
  s->reach_unit = k->unit == FACET_REACH_PIXEL ? "pixel" : "input";
  s->reach_samples = facet_items_samples(s, k->samples);
  return facet_items_ask(&items, &k->variants, family, plan);
}

const facet_stage facet_stage_reach = {.name = "reach",
                                       .marks = "V, reach place",
                                       .wanted = wanted,
                                       .plan = plan_own,
                                       .memory = memory,
                                       .seconds = seconds,
                                       .follows = follows,
                                       .still = still,
                                       .run = run,
                                       .reads = "create",
                                       .apart = true,
                                       .again = true};
