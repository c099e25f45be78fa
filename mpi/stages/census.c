/* The stage census: the patterns of samples. Of every sample under every condition a hash of its pattern, node by node
 * and in all, how far it is from dense's and from the clean sample's, and which elements were on one piece for a whole
 * block of samples.
 *
 * Patterns are those of exact arithmetic, whatever the study's precision: passes are in double, where what rounding
 * reaches is decided by a rule (src/net/rounding.c).  So they are the same on every machine.  A unit of work is a block
 * of one variant under one condition, for which three sides go forward: the network itself, the network itself on clean
 * samples, and dense. */
#include <string.h>
#include <xxhash.h>

#include "pass.h"
#include "ranks/agree.h"
#include "reuse.h"

/* PASSES: forward passes in the study's precision that one of a side takes as long as, its pattern read. */
enum { MOST_BATCH = 8, PASSES = 5, OWN = 0, CLEAN = 1, DENSE = 2, SIDES = 3, VARYING = 255, REFERENCES = 2 };

typedef struct {
  const facet_context *context;
  const facet_store_plan *p;
  facet_pixels *pixels;
  int64_t batch;
  int variant; /* that was entered */
  facet_pass side[SIDES];
  int32_t *piece; /* of the largest gate */
  /* of a block */
  int64_t *hash, *gate_hash;
  int32_t *distance;
  uint8_t *always;
} census;

static void leave(void *self)
{
  census *c = self;
  for (int i = 0; i < SIDES; i++)
    facet_pass_clear(&c->side[i]);
  memset(c->side, 0, sizeof c->side);
  FACET_FREE(&c->piece, &c->hash, &c->gate_hash, &c->distance, &c->always);
}

static facet_status side_make(census *c, int variant, facet_pass *pass)
{
  const facet_member *m = &c->context->family->member[variant];
  facet_executor_options options = {.kernels = facet_kernels_find("exact"), .real = FACET_F64, .batch = c->batch};
  return facet_pass_make(m->network, options, c->pixels, &m->input, true, pass);
}

/* As many samples as fit, three sides of them in double, where a forward pass has so many of one. */
static int64_t batch_of(const facet_plan *plan, int v)
{
  int64_t own = plan->work[v].forward_batch, dense = plan->work[0].forward_batch;
  int64_t fits = (own < dense ? own : dense) / (2 * SIDES);
  return fits < 1 ? 1 : fits > MOST_BATCH ? MOST_BATCH : fits;
}

static facet_status enter(void *self, int v)
{
  census *c = self;
  const facet_store_variant *own = &c->p->variant[v];
  int64_t largest = 0, n = c->p->block;
  c->variant = v;
  c->batch = batch_of(c->context->plan, v);
  FACET_TRY(side_make(c, v, &c->side[OWN]));
  if (c->p->clean >= 0)
    FACET_TRY(side_make(c, v, &c->side[CLEAN]));
  if (v > 0)
    FACET_TRY(side_make(c, 0, &c->side[DENSE]));
  for (int g = 0; g < own->gates; g++)
    largest = own->gate_size[g] > largest ? own->gate_size[g] : largest;
  FACET_NEW(c->piece, largest);
  FACET_NEW(c->hash, n);
  FACET_NEW(c->gate_hash, n * own->gates);
  FACET_NEW(c->distance, n * REFERENCES * own->gates);
  FACET_NEW(c->always, own->gate_elements);
  return FACET_OK;
}

/* ---- a sample ---- */

/* Never -1, which stands for no hash. */
static int64_t hash_of(const void *data, size_t size)
{
  return (int64_t)(XXH3_64bits(data, size) >> 1);
}

static void add_pieces(int64_t size, const int32_t *piece, uint8_t *always)
{
  for (int64_t i = 0; i < size; i++) {
    uint8_t code = (uint8_t)(piece[i] < VARYING - 1 ? piece[i] + 1 : VARYING);
    always[i] = always[i] == 0 || always[i] == code ? code : VARYING;
  }
}

/* Sample i of the batch, number `at` of the block. */
static void take_pattern(census *c, int64_t i, int64_t at)
{
  const facet_store_variant *v = &c->p->variant[c->variant];
  int64_t *hash = c->gate_hash + at * v->gates, first = 0;
  for (int g = 0; g < v->gates; first += v->gate_size[g++]) {
    facet_executor_pieces(c->side[OWN].executor, i, g, c->piece);
    hash[g] = hash_of(c->piece, (size_t)v->gate_size[g] * sizeof *c->piece);
    add_pieces(v->gate_size[g], c->piece, c->always + first);
  }
  c->hash[at] = hash_of(hash, (size_t)v->gates * sizeof *hash);
}

/* To sample i of a side; executor NULL: to nothing. */
static void take_distance(census *c, const facet_executor *other, int64_t i, int32_t *distance)
{
  int gates = c->p->variant[c->variant].gates;
  for (int g = 0; g < gates; g++)
    distance[g] = other ? (int32_t)facet_executor_gate_differs(c->side[OWN].executor, i, other, i, g) : -1;
}

/* ---- a block ---- */

/* The side that a reference is: the network itself, where that is dense, or its sample clean. */
static const facet_pass *side_of(const census *c, int side, int condition)
{
  bool own = side == DENSE ? c->variant == 0 : condition == c->p->clean;
  return &c->side[own ? OWN : side];
}

static facet_status run_batch(census *c, int condition, int64_t first, int64_t count, int64_t at)
{
  const facet_pass *dense = side_of(c, DENSE, condition), *clean = side_of(c, CLEAN, condition);
  int gates = c->p->variant[c->variant].gates;
  FACET_TRY(facet_pass_run(&c->side[OWN], condition, first, count));
  if (dense == &c->side[DENSE])
    FACET_TRY(facet_pass_run(&c->side[DENSE], condition, first, count));
  if (clean == &c->side[CLEAN] && clean->executor)
    FACET_TRY(facet_pass_run(&c->side[CLEAN], c->p->clean, first, count));
  for (int64_t i = 0; i < count; i++, at++) {
    take_pattern(c, i, at);
    take_distance(c, dense->executor, i, c->distance + at * REFERENCES * gates);
    take_distance(c, clean->executor, i, c->distance + (at * REFERENCES + 1) * gates);
  }
  return FACET_OK;
}

static facet_tile tile_of(const census *c, int64_t i)
{
  return facet_plan_tile(c->context->plan, i);
}

static facet_status run_unit(void *self, facet_dealer *dealer, int64_t i)
{
  census *c = self;
  const facet_store_variant *v = &c->p->variant[c->variant];
  facet_tile t = tile_of(c, i);
  memset(c->always, 0, (size_t)v->gate_elements);
  for (int64_t at = 0, count; at < t.count; at += count) {
    count = t.count - at < c->batch ? t.count - at : c->batch;
    FACET_TRY(run_batch(c, t.condition, t.first + at, count, at));
    FACET_TRY(facet_dealer_pause(dealer));
  }
  facet_place place = {.variant = t.variant, .part = {{t.condition, 1}, {t.first, t.count}}};
  FACET_TRY(facet_store_put(c->context->store, FACET_ROW_CENSUS_HASH, place, c->hash));
  FACET_TRY(facet_store_put(c->context->store, FACET_ROW_CENSUS_GATE_HASH, place, c->gate_hash));
  FACET_TRY(facet_store_put(c->context->store, FACET_ROW_CENSUS_DISTANCE, place, c->distance));
  place.part[1].start = t.block;
  place.part[1].count = 1;
  return facet_store_put(c->context->store, FACET_ROW_CENSUS_PIECE, place, c->always);
}

/* ---- all of it ---- */

static void clear(void *self)
{
  facet_pixels_destroy(&((census *)self)->pixels);
}

static facet_status make(const facet_context *context, int ranks, void *self)
{
  (void)ranks;
  census *c = self;
  *c = (census){.context = context, .p = &context->plan->store};
  return facet_pixels_create(&context->plan->source, context->plan->room, &c->pixels);
}

static facet_unit unit_of(const void *self, int64_t i)
{
  const census *c = self;
  facet_tile t = tile_of(c, i);
  double own = 1 + (double)c->p->variant[t.variant].cost.flops, dense = 1 + (double)c->p->variant[0].cost.flops;
  return (facet_unit){.cost = (double)t.count * (own * (1 + (t.condition != c->p->clean)) + dense * (t.variant > 0)),
                      .group = t.variant,
                      .part = i,
                      .parts = 1,
                      .none = !facet_store_counts(c->p, t.variant, t.condition)};
}

static int64_t count(const facet_context *context)
{
  return facet_plan_tiles(context->plan);
}

static const facet_tiled tiled = {
    .tiles = {.stage = "census", .name = "blocks", .unit = unit_of, .enter = enter, .leave = leave, .run = run_unit},
    .count = count,
    .make = make,
    .clear = clear};

/* What a unit reads: the variant and dense under the condition, the variant clean. */
static facet_status still(const facet_context *c, uint8_t *take)
{
  const facet_store_plan *p = &c->plan->store;
  for (int64_t i = 0; i < facet_plan_tiles(c->plan); i++) {
    const facet_tile t = facet_plan_tile(c->plan, i);
    take[i] = take[i] && facet_before_dense(facet_reused_from(c)) &&
              facet_reused_sample(c, t.variant, t.condition, t.first) &&
              facet_reused_sample(c, 0, t.condition, t.first) &&
              (p->clean < 0 || facet_reused_sample(c, t.variant, p->clean, t.first));
  }
  return FACET_OK;
}

static facet_status run(const facet_context *context)
{
  return facet_tiled_run(context, &tiled, &(census){.context = NULL});
}

static bool wanted(const facet_plan *plan)
{
  return plan->store.census_conditions > 0;
}

static facet_status memory(const facet_context *context, int ranks, double *bytes)
{
  (void)ranks;
  return facet_tiled_memory(context, &tiled, &(census){.context = NULL}, bytes);
}

static facet_status seconds(const facet_context *context, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &context->plan->store;
  *sum = 0;
  for (int v = 0; v < p->variants; v++)
    for (int i = 0; i < p->census_conditions && p->variant[v].census; i++) {
      bool corrupted = p->census_condition[i] != p->clean;
      double passes = speeds->forward[v] * (1 + corrupted) + speeds->forward[0] * (v > 0);
      *sum += (PASSES * passes + (corrupted ? speeds->corrupting / p->conditions : 0)) * (double)p->samples / ranks;
    }
  return FACET_OK;
}

static facet_status plan_own(const facet_study_data *data, const facet_family *family, int ranks, facet_plan *plan)
{
  (void)data, (void)ranks;
  const facet_census_keys *k = &plan->keys->census;
  facet_store_plan *s = &plan->store;
  if (!k->wanted)
    return FACET_OK;
  FACET_NEW(s->census_condition, s->conditions);
  for (int c = 0; c < s->conditions; c++)
    if (facet_texts_ask(&k->conditions, s->condition[c]))
      s->census_condition[s->census_conditions++] = c;
  for (int v = 0; v < s->variants; v++)
    if ((s->variant[v].census = facet_texts_ask(&k->variants, s->variant[v].name)))
      FACET_TRY(facet_plan_need_pieces(plan, family, "census", v));
  return FACET_OK;
}

const facet_stage facet_stage_census = {.name = "census",
                                        .marks = "V, C, block",
                                        .wanted = wanted,
                                        .plan = plan_own,
                                        .memory = memory,
                                        .seconds = seconds,
                                        .still = still,
                                        .run = run,
                                        .reads = "create",
                                        .again = true};
