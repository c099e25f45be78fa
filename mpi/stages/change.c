/* The stage change: how margins change, exactly. For picked samples, what pruning and corruption did to the margin of
 * each, as a sum over its pixels and the networks' constants, and which gates changed.
 *
 * Three sides are compared: dense on clean samples, the variant on clean ones, and the variant on corrupted ones.  Each
 * is an executor with two rows, of the class and of its rival, and what they give for the same few samples.  A
 * unit of work is so many samples of one variant, and the same on any rank. */
#include <math.h>
#include <string.h>

#include "pass.h"
#include "picked.h"
#include "ranks/agree.h"
#include "reuse.h"

/* PASSES: forward passes that one side of a sample takes as long as. */
enum { UNIT = 24, MOST_BATCH = 8, PASSES = 4, DENSE = 0, CLEAN = 1, CORRUPTED = 2, SIDES = 3 };

/* One side: a network, and its margins of the present samples taken apart. */
typedef struct {
  const facet_member *member;
  facet_pass pass;
  facet_head head;
  int nodes;
  double *image; /* batch x D in double, channel by channel */
  facet_margin_map map;
  double *gradient; /* map.gradient of one sample, channel by channel */
} side;

typedef struct {
  const facet_context *context;
  const facet_store_plan *store_plan;
  int64_t *sample; /* s: which are looked at */
  facet_pixels *pixels;
  int64_t inputs, batch;
  int variant; /* that was entered */
  side side[SIDES];
  int32_t *label;                                  /* batch */
  int *node_of;                                    /* where the variant's constant nodes stand among change_node */
  double *pixel, *moved, *node, *total, *residual; /* what is stored, of a batch */
  int32_t *gates;
} change;

static void side_clear(side *s)
{
  facet_pass_clear(&s->pass);
  facet_head_clear(&s->head);
  FACET_FREE(&s->image, &s->map.gradient, &s->map.node, &s->map.margin, &s->map.residual, &s->map.rival, &s->gradient);
}

static facet_status side_make(const change *c, const facet_member *member, side *s)
{
  facet_type real = c->store_plan->settings->precision;
  facet_executor_options options = {.real = real, .batch = c->batch, .rows = 2};
  s->member = member;
  FACET_TRY(facet_network_head(member->network, &s->head));
  FACET_TRY(facet_pass_make(member->network, options, c->pixels, &member->input, true, &s->pass));
  s->nodes = facet_executor_constant_nodes(s->pass.executor);
  FACET_NEW(s->image, c->batch * c->inputs);
  FACET_NEW(s->map.gradient, c->batch * c->inputs);
  FACET_NEW(s->map.node, c->batch * s->nodes);
  FACET_NEW(s->map.margin, c->batch);
  FACET_NEW(s->map.residual, c->batch);
  FACET_NEW(s->map.rival, c->batch);
  FACET_NEW(s->gradient, c->inputs);
  return facet_executor_ready(s->pass.executor);
}

static void leave(void *self)
{
  change *c = self;
  for (int i = 0; i < SIDES; i++)
    side_clear(&c->side[i]);
  memset(c->side, 0, sizeof c->side);
  FACET_FREE(&c->node_of, &c->node, &c->gates);
}

static facet_status find_nodes(change *c, int v)
{
  const facet_store_variant *variant = &c->store_plan->variant[v];
  FACET_NEW(c->node_of, variant->constant_nodes);
  for (int i = 0; i < variant->constant_nodes; i++)
    while (strcmp(variant->change_node[c->node_of[i]], variant->constant_node[i]) != 0)
      c->node_of[i]++;
  return FACET_OK;
}

static facet_status enter(void *self, int v)
{
  change *c = self;
  const facet_store_variant *variant = &c->store_plan->variant[v];
  c->variant = v;
  if (v > 0)
    FACET_TRY(side_make(c, &c->context->family->member[0], &c->side[DENSE]));
  FACET_TRY(side_make(c, &c->context->family->member[v], &c->side[CLEAN]));
  if (c->store_plan->change_conditions > 0)
    FACET_TRY(side_make(c, &c->context->family->member[v], &c->side[CORRUPTED]));
  FACET_TRY(find_nodes(c, v));
  FACET_NEW(c->node, c->batch * variant->change_nodes);
  FACET_NEW(c->gates, c->batch * variant->gates);
  return FACET_OK;
}

/* ---- one side of one batch ---- */

/* Takes the margins of the samples first .. first+count-1 of the picked ones apart, under a condition. */
static facet_status run_side(change *c, side *s, int condition, int64_t first, int64_t count)
{
  for (int64_t i = 0; i < count; i++) {
    int64_t sample = c->sample[first + i];
    FACET_TRY(facet_dataset_labels(c->context->data->test, sample, 1, &c->label[i]));
    FACET_TRY(facet_pass_load(&s->pass, condition, sample, i));
    memcpy(s->image + i * c->inputs, s->pass.loader.image, (size_t)c->inputs * sizeof *s->image);
  }
  const void *x = facet_pass_input(&s->pass);
  FACET_TRY(facet_executor_forward(s->pass.executor, x, count));
  FACET_TRY(facet_executor_settle(s->pass.executor, s->pass.exact));
  return facet_margin_take_apart(s->pass.executor, &s->head, x, count, c->label, &s->map);
}

static const double *gradient_of(const change *c, side *s, int64_t i)
{
  const facet_dataset *d = c->context->data->test;
  const double *own = s->map.gradient + i * c->inputs;
  if (s->member->input.order != FACET_CHANNELS_LAST)
    return own;
  facet_channels_first(d->image, sizeof(double), own, s->gradient);
  return s->gradient;
}

/* ---- comparing ---- */

static double sum_of(int64_t count, const double *x)
{
  double sum = 0;
  for (int64_t i = 0; i < count; i++)
    sum += x[i];
  return sum;
}

/* From what the store has: how much larger the margin of a sample is for `variant` under `condition` than for another,
 * clean. */
static facet_status find_total(const change *c, int variant, int condition, int other, int64_t sample, double *total)
{
  const facet_place place = {.part = {{variant, 1}, {condition, 1}, {sample, 1}}};
  const facet_place clean = {.part = {{other, 1}, {c->store_plan->clean, 1}, {sample, 1}}};
  double before;
  FACET_TRY(facet_store_get(c->context->store, FACET_ROW_MARGIN, place, total));
  FACET_TRY(facet_store_get(c->context->store, FACET_ROW_MARGIN, clean, &before));
  *total -= before;
  return FACET_OK;
}

/* Sample i of the batch, whose change of margin is known. */
static void compare_sample(change *c, side *from, side *to, bool with_moved, int64_t i)
{
  const facet_store_variant *v = &c->store_plan->variant[c->variant];
  double *pixel = c->pixel + i * c->inputs, *moved = with_moved ? c->moved + i * c->inputs : NULL;
  double *node = c->node + i * v->change_nodes;
  facet_margin_change(c->inputs, gradient_of(c, from, i), from->image + i * c->inputs, gradient_of(c, to, i),
                      to->image + i * c->inputs, pixel, moved);
  memset(node, 0, (size_t)v->change_nodes * sizeof *node);
  for (int n = 0; n < from->nodes; n++) /* dense's come first; else both sides are the variant's own */
    node[from->member == to->member ? c->node_of[n] : n] -= from->map.node[i * from->nodes + n];
  for (int n = 0; n < to->nodes; n++)
    node[c->node_of[n]] += to->map.node[i * to->nodes + n];
  double sum = sum_of(c->inputs, pixel) + sum_of(v->change_nodes, node) + (moved ? sum_of(c->inputs, moved) : 0);
  c->residual[i] = fabs(c->total[i] - sum) / fmax(1, fabs(c->total[i]));
  for (int g = 0; g < v->gates; g++)
    c->gates[i * v->gates + g] = (int32_t)facet_executor_gate_differs(to->pass.executor, i, from->pass.executor, i, g);
}

/* condition: as the store counts them; -1: from dense to the variant. */
static facet_status compare(change *c, side *from, side *to, int condition, int64_t first, int64_t count)
{
  int before = condition < 0 ? 0 : c->variant;
  int after = condition < 0 ? c->store_plan->clean : c->store_plan->change_condition[condition];
  for (int64_t i = 0; i < count; i++) {
    FACET_TRY(find_total(c, c->variant, after, before, c->sample[first + i], &c->total[i]));
    compare_sample(c, from, to, condition >= 0, i);
  }
  const facet_place at = {.variant = c->variant, .condition = after, .part = {{first, count}}};
  const struct {
    facet_row from_dense, from_clean;
    const void *data;
  } arrays[] = {{FACET_ROW_CHANGE_PIXEL, FACET_ROW_MOVE_PIXEL, c->pixel},
                {FACET_ROW_CHANGE_NODE, FACET_ROW_MOVE_NODE, c->node},
                {FACET_ROW_CHANGE_GATES, FACET_ROW_MOVE_GATES, c->gates},
                {FACET_ROW_CHANGE_TOTAL, FACET_ROW_MOVE_TOTAL, c->total},
                {FACET_ROW_CHANGE_RESIDUAL, FACET_ROW_MOVE_RESIDUAL, c->residual},
                {FACET_ROW_CHANGE_RIVAL_BEFORE, FACET_ROW_MOVE_RIVAL_BEFORE, from->map.rival},
                {FACET_ROW_CHANGE_RIVAL, FACET_ROW_MOVE_RIVAL, to->map.rival}};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
    FACET_TRY(facet_store_put(c->context->store, condition < 0 ? arrays[i].from_dense : arrays[i].from_clean, at,
                              arrays[i].data));
  return condition < 0 ? FACET_OK : facet_store_put(c->context->store, FACET_ROW_MOVE_MOVED, at, c->moved);
}

static facet_status run_batch(change *c, int64_t first, int64_t count)
{
  int clean = c->store_plan->clean;
  side *dense = &c->side[DENSE], *own = &c->side[CLEAN], *corrupted = &c->side[CORRUPTED];
  FACET_TRY(run_side(c, own, clean, first, count));
  if (c->variant > 0) {
    FACET_TRY(run_side(c, dense, clean, first, count));
    FACET_TRY(compare(c, dense, own, -1, first, count));
  }
  for (int k = 0; k < c->store_plan->change_conditions; k++) {
    FACET_TRY(run_side(c, corrupted, c->store_plan->change_condition[k], first, count));
    FACET_TRY(compare(c, own, corrupted, k, first, count));
  }
  return FACET_OK;
}

/* ---- all of it ---- */

static void clear(void *self)
{
  change *c = self;
  facet_pixels_destroy(&c->pixels);
  FACET_FREE(&c->label, &c->pixel, &c->moved, &c->total, &c->residual, &c->sample);
}

static facet_status make(const facet_context *context, int ranks, void *self)
{
  (void)ranks;
  change *c = self;
  const facet_plan *plan = context->plan;
  int64_t most = plan->work[0].forward_batch;
  *c = (change){.context = context,
                .store_plan = &plan->store,
                .inputs = plan->inputs,
                .batch = most < MOST_BATCH ? most : MOST_BATCH};
  FACET_TRY(facet_pixels_create(&c->context->plan->source, 0, &c->pixels)); /* samples are picked here and there */
  FACET_NEW(c->sample, c->store_plan->change_samples);
  FACET_NEW(c->label, c->batch);
  FACET_NEW(c->pixel, c->batch * c->inputs);
  FACET_NEW(c->moved, c->batch * c->inputs);
  FACET_NEW(c->total, c->batch);
  FACET_NEW(c->residual, c->batch);
  FACET_TRY(facet_picked_samples(context, c->sample));
  if (!context->store || facet_rank(context->comm) != 0)
    return FACET_OK;
  FACET_TRY(facet_store_put(context->store, FACET_ROW_CHANGE_SAMPLE, (facet_place){0}, c->sample));
  return facet_store_put(context->store, FACET_ROW_CHANGE_LABEL, (facet_place){0}, c->sample);
}

/* Has features, without which there are no margins to compare. */
static bool comparable(const facet_family *family, int v)
{
  return facet_network_features(family->member[0].network, NULL) > 0 &&
         facet_network_features(family->member[v].network, NULL) > 0;
}

static bool is_compared(const facet_store_plan *p, const facet_family *family, int v)
{
  return p->variant[v].change && (v > 0 || p->change_conditions > 0) && comparable(family, v);
}

static int64_t units_of_variant(const facet_store_plan *p)
{
  return (p->change_samples + UNIT - 1) / UNIT;
}

static facet_status run_unit(void *self, facet_dealer *dealer, int64_t unit)
{
  change *c = self;
  int64_t first = unit % units_of_variant(c->store_plan) * UNIT;
  int64_t end = first + UNIT < c->store_plan->change_samples ? first + UNIT : c->store_plan->change_samples;
  for (int64_t i = first; i < end; i += c->batch) {
    FACET_TRY(run_batch(c, i, end - i < c->batch ? end - i : c->batch));
    FACET_TRY(facet_dealer_pause(dealer));
  }
  return FACET_OK;
}

static facet_unit unit_of(const void *self, int64_t i)
{
  const change *c = self;
  const facet_store_plan *p = c->store_plan;
  int64_t each = units_of_variant(p), first = i % each * UNIT, left = p->change_samples - first;
  int v = (int)(i / each);
  double dense = v > 0 ? 1 + (double)p->variant[0].cost.flops : 0, own = 1 + (double)p->variant[v].cost.flops;
  return (facet_unit){.cost = dense + own * (1 + p->change_conditions),
                      .group = v,
                      .part = v * p->change_samples + first,
                      .parts = left < UNIT ? left : UNIT,
                      .none = !is_compared(p, c->context->family, v)};
}

static int64_t count(const facet_context *context)
{
  return context->plan->store.variants * units_of_variant(&context->plan->store);
}

static const facet_tiled tiled = {
    .tiles = {.stage = "change", .name = "units", .unit = unit_of, .enter = enter, .leave = leave, .run = run_unit},
    .count = count,
    .make = make,
    .clear = clear};

/* ---- taking units over ---- */

/* What a unit reads of a sample: dense and the variant clean, the variant under the conditions. */
static bool reads_same(const facet_context *c, int v, int64_t sample)
{
  const facet_store_plan *p = &c->plan->store;
  bool same = facet_reused_sample(c, v, p->clean, sample) && facet_reused_sample(c, 0, p->clean, sample);
  for (int i = 0; i < p->change_conditions; i++)
    same = same && facet_reused_sample(c, v, p->change_condition[i], sample);
  return same;
}

/* Whole units alone: batches are then the same. same: the samples of the unit are. */
static void keep_unit(const facet_context *c, int v, int64_t first, bool same, const int64_t *sample, uint8_t *take)
{
  const facet_store_plan *p = &c->plan->store;
  int64_t end = first + UNIT < p->change_samples ? first + UNIT : p->change_samples;
  for (int64_t i = first; i < end; i++)
    same = same && take[v * p->change_samples + i] && reads_same(c, v, sample[i]);
  memset(take + v * p->change_samples + first, same, (size_t)(end - first));
}

static facet_status keep_units(const facet_context *c, const int64_t *sample, uint8_t *take)
{
  const facet_store_plan *p = &c->plan->store;
  facet_before *before = facet_reused_from(c);
  bool known = facet_picked_known(c) && facet_before_dense(before);
  for (int64_t first = 0; first < p->change_samples; first += UNIT) {
    int64_t left = p->change_samples - first, count = left < UNIT ? left : UNIT;
    bool same = known && (count == UNIT || facet_before_marked(before, 1) == p->change_samples);
    if (same)
      FACET_TRY(facet_before_equal(before, FACET_ROW_CHANGE_SAMPLE, first, count, sample + first, &same));
    for (int v = 0; v < p->variants; v++)
      keep_unit(c, v, first, same, sample, take);
  }
  return FACET_OK;
}

static facet_status still(const facet_context *c, uint8_t *take)
{
  int64_t *sample;
  FACET_NEW(sample, c->plan->store.change_samples);
  facet_status status = facet_picked_samples(c, sample);
  if (status == FACET_OK)
    status = keep_units(c, sample, take);
  facet_free(&sample);
  return status;
}

/* ---- the stage ---- */

static facet_status run(const facet_context *context)
{
  return facet_tiled_run(context, &tiled, &(change){.context = NULL});
}

static bool wanted(const facet_plan *plan)
{
  return plan->store.change_samples > 0;
}

static facet_status memory(const facet_context *context, int ranks, double *bytes)
{
  (void)ranks;
  return facet_tiled_memory(context, &tiled, &(change){.context = NULL}, bytes);
}

/* A side takes a forward pass, two rows of a linearization and the sum over its parts. */
static facet_status seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &context->plan->store;
  *sum = 0;
  for (int v = 0; v < p->variants; v++)
    if (is_compared(p, context->family, v)) {
      double dense = v > 0 ? speeds->forward[0] : 0, own = speeds->forward[v] * (1 + p->change_conditions);
      *sum += (PASSES * (dense + own) + speeds->corrupting) * (double)p->change_samples / ranks;
    }
  return FACET_OK;
}

/* The constant nodes of dense, then those that the variant alone has. */
static facet_status join_nodes(const facet_store_variant *dense, facet_store_variant *v)
{
  FACET_NEW(v->change_node, dense->constant_nodes + v->constant_nodes);
  for (int i = 0; i < dense->constant_nodes; i++)
    v->change_node[v->change_nodes++] = dense->constant_node[i];
  for (int i = 0; i < v->constant_nodes; i++)
    if (!facet_is_among(v->constant_node[i], (char *const *)dense->constant_node, dense->constant_nodes))
      v->change_node[v->change_nodes++] = v->constant_node[i];
  return FACET_OK;
}

static facet_status plan_own(const facet_study_data *data, const facet_family *family, int ranks, facet_plan *plan)
{
  (void)data, (void)ranks;
  const facet_change_keys *k = &plan->keys->change;
  facet_store_plan *s = &plan->store;
  if (!k->wanted)
    return FACET_OK;
  FACET_TRY(facet_plan_need_pieces(plan, family, "change", 0));
  s->change_samples = k->samples && k->samples < s->samples ? k->samples : s->samples;
  FACET_TRY(facet_plan_corrupted(s, k->all_conditions, &k->conditions, &s->change_conditions, &s->change_condition));
  for (int v = 0; v < s->variants; v++) {
    if ((s->variant[v].change = facet_texts_ask(&k->variants, s->variant[v].name)))
      FACET_TRY(facet_plan_need_pieces(plan, family, "change", v));
    FACET_TRY(join_nodes(&s->variant[0], &s->variant[v]));
  }
  return FACET_OK;
}

const facet_stage facet_stage_change = {.name = "change",
                                        .marks = "V, change place",
                                        .wanted = wanted,
                                        .plan = plan_own,
                                        .memory = memory,
                                        .seconds = seconds,
                                        .still = still,
                                        .run = run,
                                        .reads = "create analyse compare",
                                        .again = true};
