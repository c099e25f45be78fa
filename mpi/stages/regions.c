/* The stage regions: what the census adds up to. How many samples lie in one region with each, in how many regions all
 * of them lie, and how many elements of every gate never change, or are always off.
 *
 * Samples of one region are found by putting hashes in order, on the disk where there are many; a unit of work is a
 * variant under a condition. */
#include <string.h>

#include "base/sorter.h"
#include "ranks/agree.h"
#include "reuse.h"

enum { AT_ONCE = 1 << 14, VARYING = 255 };

/* A sample of a pattern, which so many have. */
typedef struct {
  int64_t key, sample; /* key: the hash; or how many */
} entry;

typedef struct {
  const facet_context *context;
  const facet_store_plan *p;
  /* by hash: the one says how many are equal, and the other, behind it, who they are; in the samples' own order */
  facet_sorter *ahead, *behind, *samples;
  int64_t number[AT_ONCE];
  int32_t shared[AT_ONCE];
  uint8_t *always, *piece; /* of all elements; of a block */
} regions;

static int by_key(const void *a, const void *b)
{
  const entry *x = a, *y = b;
  return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : (x->sample > y->sample) - (x->sample < y->sample);
}

static int by_sample(const void *a, const void *b)
{
  const entry *x = a, *y = b;
  return (x->sample > y->sample) - (x->sample < y->sample);
}

static void clear(regions *r)
{
  facet_sorter_destroy(&r->ahead);
  facet_sorter_destroy(&r->behind);
  facet_sorter_destroy(&r->samples);
  FACET_FREE(&r->always, &r->piece);
}

/* ---- samples of one region ---- */

static facet_place line(int v, int c, int64_t first, int64_t count)
{
  return (facet_place){.variant = v, .part = {{c, 1}, {first, count}}};
}

static facet_status read_hashes(regions *r, int v, int c)
{
  for (int64_t first = 0, count; first < r->p->samples; first += count) {
    count = r->p->samples - first < AT_ONCE ? r->p->samples - first : AT_ONCE;
    FACET_TRY(facet_store_get(r->context->store, FACET_ROW_CENSUS_HASH, line(v, c, first, count), r->number));
    for (int64_t i = 0; i < count; i++) {
      const entry e = {r->number[i], first + i};
      FACET_TRY(facet_sorter_add(r->ahead, &e));
      FACET_TRY(facet_sorter_add(r->behind, &e));
    }
  }
  return FACET_OK;
}

/* Every sample with how many there are of its pattern. */
static facet_status take_runs(regions *r, int64_t *patterns)
{
  entry next = {0}, own;
  bool more, found;
  FACET_TRY(facet_sorter_next(r->ahead, &next, &more));
  for (*patterns = 0; more; ++*patterns) {
    int64_t hash = next.key, run = 0;
    for (; more && next.key == hash; run++)
      FACET_TRY(facet_sorter_next(r->ahead, &next, &more));
    for (int64_t i = 0; i < run; i++) {
      FACET_TRY(facet_sorter_next(r->behind, &own, &found));
      own.key = run;
      FACET_TRY(facet_sorter_add(r->samples, &own));
    }
  }
  return FACET_OK;
}

static facet_status write_shared(regions *r, int v, int c)
{
  entry e;
  bool found;
  for (int64_t first = 0, count; first < r->p->samples; first += count) {
    count = r->p->samples - first < AT_ONCE ? r->p->samples - first : AT_ONCE;
    for (int64_t i = 0; i < count; i++) {
      FACET_TRY(facet_sorter_next(r->samples, &e, &found));
      r->shared[i] = (int32_t)e.key;
    }
    FACET_TRY(facet_store_put(r->context->store, FACET_ROW_CENSUS_SHARED, line(v, c, first, count), r->shared));
  }
  return FACET_OK;
}

/* patterns -1: nobody has counted them. */
static facet_status write_count(const regions *r, int v, int c, int64_t patterns)
{
  return facet_store_put(r->context->store, FACET_ROW_CENSUS_REGIONS, (facet_place){.part = {{v, 1}, {c, 1}}},
                         &patterns);
}

static facet_status find_regions(regions *r, int v, int c)
{
  int64_t n = r->p->samples, patterns;
  FACET_TRY(facet_sorter_create(sizeof(entry), by_key, n, &r->ahead));
  FACET_TRY(facet_sorter_create(sizeof(entry), by_key, n, &r->behind));
  FACET_TRY(facet_sorter_create(sizeof(entry), by_sample, n, &r->samples));
  FACET_TRY(read_hashes(r, v, c));
  FACET_TRY(take_runs(r, &patterns));
  FACET_TRY(write_shared(r, v, c));
  return write_count(r, v, c, patterns);
}

/* ---- elements that never change ---- */

static facet_status join_blocks(regions *r, int v, int c)
{
  int64_t size = r->p->variant[v].gate_elements;
  FACET_NEW(r->always, size);
  FACET_NEW(r->piece, size);
  for (int64_t b = 0; b < r->context->plan->blocks; b++) {
    FACET_TRY(facet_store_get(r->context->store, FACET_ROW_CENSUS_PIECE, line(v, c, b, 1), r->piece));
    for (int64_t i = 0; i < size; i++)
      r->always[i] = b == 0 || r->always[i] == r->piece[i] ? r->piece[i] : VARYING;
  }
  return FACET_OK;
}

static facet_status count_elements(regions *r, int v, int c)
{
  const facet_store_variant *own = &r->p->variant[v];
  const uint8_t *always = r->always;
  int64_t *constant, *dead;
  FACET_NEW(constant, own->gates);
  dead = facet_allocate((size_t)own->gates, sizeof *dead);
  facet_status status = dead ? FACET_OK : FACET_OS;
  for (int g = 0; g < own->gates && status == FACET_OK; always += own->gate_size[g++])
    for (int64_t i = 0; i < own->gate_size[g]; i++) {
      constant[g] += always[i] != VARYING;
      dead[g] += always[i] <= 32 && (own->gate_off[g] >> (always[i] - 1) & 1);
    }
  const facet_place place = {.variant = v, .part = {{c, 1}}};
  if (status == FACET_OK)
    status = facet_store_put(r->context->store, FACET_ROW_CENSUS_CONSTANT, place, constant);
  if (status == FACET_OK)
    status = facet_store_put(r->context->store, FACET_ROW_CENSUS_DEAD, place, dead);
  FACET_FREE(&constant, &dead);
  return status;
}

static facet_status write_first(const regions *r, int v)
{
  const facet_store_variant *own = &r->p->variant[v];
  int64_t *first;
  FACET_NEW(first, own->gates);
  for (int g = 1; g < own->gates; g++)
    first[g] = first[g - 1] + own->gate_size[g - 1];
  facet_status status = facet_store_put(r->context->store, FACET_ROW_CENSUS_FIRST, (facet_place){.variant = v}, first);
  facet_free(&first);
  return status;
}

/* ---- all of it ---- */

static facet_status add_up(regions *r, int v, int c)
{
  FACET_TRY(find_regions(r, v, c));
  FACET_TRY(join_blocks(r, v, c));
  return count_elements(r, v, c);
}

/* What belongs to no condition goes with the first. */
static facet_status run_unit(void *self, facet_dealer *dealer, int64_t i)
{
  regions *r = self;
  int v = (int)(i / r->p->conditions), c = (int)(i % r->p->conditions);
  if (c == 0 && r->p->variant[v].census)
    FACET_TRY(write_first(r, v));
  facet_status status = facet_store_counts(r->p, v, c) ? add_up(r, v, c) : write_count(r, v, c, -1);
  clear(r);
  return status == FACET_OK ? facet_dealer_pause(dealer) : status;
}

static facet_unit unit_of(const void *self, int64_t i)
{
  const facet_store_plan *p = ((const regions *)self)->p;
  int v = (int)(i / p->conditions);
  double cost = p->variant[v].census ? (double)p->samples + (double)p->variant[v].gate_elements : 1;
  return (facet_unit){.cost = cost, .part = i, .parts = 1};
}

static facet_status run(const facet_context *c)
{
  const facet_store_plan *p = &c->plan->store;
  regions *r = facet_allocate(1, sizeof *r);
  facet_status status = facet_agree(c->comm, r ? FACET_OK : FACET_OS);
  if (status == FACET_OK) {
    r->context = c;
    r->p = p;
    const facet_tiles tiles = {.stage = "regions",
                               .name = "regions",
                               .count = (int64_t)p->variants * p->conditions,
                               .self = r,
                               .unit = unit_of,
                               .run = run_unit};
    status = facet_tiles_run(c->comm, &tiles, c->store);
  }
  facet_free(&r);
  return status;
}

static bool wanted(const facet_plan *plan)
{
  return plan->store.census_conditions > 0;
}

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  (void)ranks;
  const facet_store_plan *p = &c->plan->store;
  double elements = 0;
  for (int v = 0; v < p->variants; v++)
    if (p->variant[v].census && (double)p->variant[v].gate_elements > elements)
      elements = (double)p->variant[v].gate_elements;
  *bytes = (double)sizeof(regions) + 3 * facet_sorter_bytes(sizeof(entry), p->samples) + 2 * elements;
  return FACET_OK;
}

/* Of each rank that has a unit. */
static double nameless(const facet_plan *plan, int ranks, int here)
{
  (void)ranks;
  const facet_store_plan *p = &plan->store;
  double units = (double)p->variants * p->conditions;
  return 3 * (here < units ? here : units) * facet_sorter_filed(sizeof(entry), p->samples);
}

/* Everything that is read takes as long as some operations of a matrix product. */
static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &c->plan->store;
  double numbers = 0;
  for (int v = 0; v < p->variants; v++)
    if (p->variant[v].census)
      numbers += p->census_conditions *
                 (1000 * (double)p->samples + 100 * (double)p->variant[v].gate_elements * (double)c->plan->blocks);
  *sum = speeds->product * numbers / ranks;
  return FACET_OK;
}

const facet_stage facet_stage_regions = {.name = "regions",
                                         .marks = "V, C",
                                         .wanted = wanted,
                                         .memory = memory,
                                         .nameless = nameless,
                                         .seconds = seconds,
                                         .run = run,
                                         .reads = "census",
                                         .again = true};
