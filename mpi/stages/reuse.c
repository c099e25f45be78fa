/* Taking over: see reuse.h. What a tile follows from is compared by store/before.c, but for the samples, which the data
 * set has: all pixels and labels of a block of samples are held against those that are stored. */
#include "reuse.h"

#include <stdio.h>

#include "ranks/agree.h"
#include "ranks/exchange.h"

enum { COMPARED = 1 << 20 }; /* numbers that are compared at once */
static const char stage_name[] = "analyse";

char *facet_reuse_file(const facet_settings *settings)
{
  return facet_format("%s/study.h5.before", settings->output);
}

/* ---- which ---- */

static int64_t least(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* Of each block of samples whether it is there. pixels: room for `step` of them. */
static facet_status compare_blocks(const facet_context *c, const facet_before *before, int64_t step, float *pixels,
                                   bool *same)
{
  const facet_dataset *data = c->data->test;
  const int64_t block = c->plan->store.block;
  for (int64_t b = 0; b < c->plan->blocks; b++) {
    int64_t end = least((b + 1) * block, data->count);
    same[b] = true;
    for (int64_t i = b * block, count; i < end && same[b]; i += count) {
      count = least(step, end - i);
      facet_dataset_pixels(data, i, count, pixels);
      FACET_TRY(facet_before_samples(before, i, count, pixels, data->label + i, &same[b]));
    }
  }
  return FACET_OK;
}

/* A published set may have changed, and is not stored. */
static bool is_published(const facet_context *c, const facet_tile *t)
{
  return c->plan->source.conditions->item[t->condition].published != NULL;
}

static void find(const facet_context *c, const facet_before *before, const bool *same, uint8_t *take)
{
  for (int64_t i = 0; i < facet_plan_tiles(c->plan); i++) {
    facet_tile t = facet_plan_tile(c->plan, i);
    bool features = false;
    if (same[t.block] && !is_published(c, &t) && facet_before_has(before, &t, &features))
      take[i] = features ? FACET_TAKEN_WHOLE : FACET_TAKEN_BUT_FEATURES;
  }
}

static facet_status find_all(const facet_context *c, const facet_before *before, uint8_t *take)
{
  const facet_plan *plan = c->plan;
  float *pixels = NULL;
  bool *same = NULL;
  facet_status status;
  int64_t step = 1 + least(plan->store.block, COMPARED / plan->inputs);
  FACET_NEW_GO(done, status, pixels, step * plan->inputs);
  FACET_NEW_GO(done, status, same, plan->blocks);
  FACET_GO(done, status, compare_blocks(c, before, step, pixels, same));
  find(c, before, same, take);
done:
  facet_free(&pixels);
  facet_free(&same);
  return status;
}

static int64_t count_taken(const facet_context *c, const uint8_t *take, facet_taken least)
{
  int64_t count = 0;
  for (int64_t i = 0; i < facet_plan_tiles(c->plan); i++)
    count += take[i] >= least;
  return count;
}

facet_status facet_reuse_count(const facet_context *c, const char *path, int64_t *count)
{
  facet_reused r = {.before = NULL};
  facet_status status;
  *count = 0;
  FACET_GO(done, status, facet_before_open(path, &c->plan->store, stage_name, &r.before));
  FACET_NEW_GO(done, status, r.take, facet_plan_tiles(c->plan));
  if (r.before)
    status = find_all(c, r.before, r.take);
  *count = count_taken(c, r.take, FACET_TAKEN_BUT_FEATURES);
done:
  facet_reuse_clear(&r);
  return status;
}

/* ---- taking over ---- */

typedef struct {
  const facet_context *context;
  const facet_reused *reused;
} copying;

static facet_unit unit_of(const void *self, int64_t i)
{
  const copying *r = self;
  facet_tile t = facet_plan_tile(r->context->plan, i);
  double numbers = (double)r->context->plan->inputs * (double)r->context->plan->store.linear_rows;
  return (facet_unit){.cost = (double)t.count + (double)t.linear * numbers,
                      .part = i,
                      .parts = 1,
                      .none = r->reused->take[i] != FACET_TAKEN_WHOLE};
}

static facet_status run_tile(void *self, facet_dealer *dealer, int64_t i)
{
  const copying *r = self;
  facet_tile t = facet_plan_tile(r->context->plan, i);
  FACET_TRY(facet_before_copy(r->reused->before, &t, r->context->store));
  return facet_dealer_pause(dealer);
}

static void say_taken(const facet_context *c, const uint8_t *take)
{
  int64_t count = count_taken(c, take, FACET_TAKEN_BUT_FEATURES),
          features = count - count_taken(c, take, FACET_TAKEN_WHOLE);
  fprintf(stderr, "facet: %lld of %lld tiles are taken over from the study before", (long long)count,
          (long long)facet_plan_tiles(c->plan));
  if (features > 0)
    fprintf(stderr, ", %lld of them but for features", (long long)features);
  fprintf(stderr, "\n");
}

static facet_status copy_tiles(const facet_context *c, facet_reused *reused)
{
  copying r = {c, reused};
  const facet_tiles tiles = {.stage = stage_name,
                             .name = "tiles taken over",
                             .count = facet_plan_tiles(c->plan),
                             .self = &r,
                             .unit = unit_of,
                             .run = run_tile};
  if (count_taken(c, reused->take, FACET_TAKEN_WHOLE) > 0)
    FACET_TRY(facet_tiles_run(c->comm, &tiles, c->store));
  if (facet_rank(c->comm) == 0)
    say_taken(c, reused->take);
  return FACET_OK;
}

void facet_reuse_clear(facet_reused *r)
{
  facet_before_close(&r->before);
  facet_free(&r->take);
}

/* Rank 0 alone looks what there is. */
static facet_status open_own(const facet_context *c, facet_reused *r)
{
  char *path = facet_reuse_file(c->plan->store.settings);
  facet_status status = path ? facet_before_open(path, &c->plan->store, stage_name, &r->before) : FACET_OS;
  facet_free(&path);
  FACET_TRY(status);
  FACET_NEW(r->take, facet_plan_tiles(c->plan));
  return r->before && facet_rank(c->comm) == 0 ? find_all(c, r->before, r->take) : FACET_OK;
}

facet_status facet_reuse_begin(const facet_context *c, facet_reused *r)
{
  *r = (facet_reused){.before = NULL};
  FACET_AGREE(c->comm, open_own(c, r));
  FACET_TRY(facet_share(c->comm, (char *)r->take, facet_plan_tiles(c->plan), "taking tiles over"));
  return count_taken(c, r->take, FACET_TAKEN_BUT_FEATURES) > 0 ? copy_tiles(c, r) : FACET_OK;
}
