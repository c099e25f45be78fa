/* Taking over: see reuse.h. What a tile follows from is compared by store/before.c, but for the samples, which the data
 * set has: all pixels and labels of a block of samples are held against those that are stored. */
#include "reuse.h"

#include <stdio.h>

#include "ranks/agree.h"
#include "ranks/exchange.h"

static const char stage_name[] = "analyse";

char *facet_reuse_file(const facet_settings *settings)
{
  return facet_format("%s/study.h5.before", settings->output);
}

/* ---- which ---- */

/* Of each block of samples whether it is there. */
static facet_status compare_blocks(const facet_context *c, const facet_before *before, float *pixels, bool *same)
{
  const facet_dataset *data = c->data->test;
  const int64_t block = c->plan->store.block;
  for (int64_t b = 0; b < c->plan->blocks; b++) {
    int64_t first = b * block, count = data->count - first < block ? data->count - first : block;
    facet_dataset_pixels(data, first, count, pixels);
    FACET_TRY(facet_before_samples(before, first, count, pixels, data->label + first, &same[b]));
  }
  return FACET_OK;
}

/* A published set may have changed, and is not stored. */
static bool is_published(const facet_context *c, const facet_tile *t)
{
  return c->plan->source.conditions->item[t->condition].published != NULL;
}

static facet_status find(const facet_context *c, const facet_before *before, float *pixels, bool *same, uint8_t *take,
                         int64_t *count)
{
  FACET_TRY(compare_blocks(c, before, pixels, same));
  for (int64_t i = 0; i < facet_plan_tiles(c->plan); i++) {
    facet_tile t = facet_plan_tile(c->plan, i);
    bool taken = same[t.block] && !is_published(c, &t) && facet_before_has(before, &t);
    *count += taken;
    if (take)
      take[i] = taken;
  }
  return FACET_OK;
}

facet_status facet_reuse_find(const facet_context *c, const char *path, uint8_t *take, int64_t *count)
{
  const facet_plan *plan = c->plan;
  facet_before *before;
  float *pixels = NULL;
  bool *same = NULL;
  facet_status status;
  *count = 0;
  FACET_TRY(facet_before_open(path, &plan->store, stage_name, &before));
  if (!before)
    return FACET_OK;
  FACET_NEW_GO(done, status, pixels, plan->store.block * plan->inputs);
  FACET_NEW_GO(done, status, same, plan->blocks);
  status = find(c, before, pixels, same, take, count);
done:
  facet_before_close(&before);
  facet_free(&pixels);
  facet_free(&same);
  return status;
}

/* ---- taking over ---- */

typedef struct {
  const facet_context *context;
  const facet_before *before;
  const uint8_t *take;
} reuse;

static facet_unit unit_of(const void *self, int64_t i)
{
  const reuse *r = self;
  facet_tile t = facet_plan_tile(r->context->plan, i);
  double numbers = (double)r->context->plan->inputs * (double)r->context->plan->store.linear_rows;
  return (facet_unit){.cost = (double)t.count + (double)t.linear * numbers, .part = i, .parts = 1, .none = !r->take[i]};
}

static facet_status run_tile(void *self, facet_dealer *dealer, int64_t i)
{
  const reuse *r = self;
  facet_tile t = facet_plan_tile(r->context->plan, i);
  FACET_TRY(facet_before_copy(r->before, &t, r->context->store));
  return facet_dealer_pause(dealer);
}

/* take: as rank 0 has it. */
static facet_status copy_tiles(const facet_context *c, const char *path, uint8_t *take, int64_t count)
{
  facet_before *before = NULL;
  facet_status status;
  FACET_TRY(facet_share(c->comm, (char *)take, facet_plan_tiles(c->plan), "taking tiles over"));
  status = facet_agree(c->comm, facet_before_open(path, &c->plan->store, stage_name, &before));
  reuse r = {c, before, take};
  const facet_tiles tiles = {.stage = stage_name,
                             .name = "tiles taken over",
                             .count = facet_plan_tiles(c->plan),
                             .self = &r,
                             .unit = unit_of,
                             .run = run_tile};
  if (status == FACET_OK)
    status = facet_tiles_run(c->comm, &tiles, c->store);
  facet_before_close(&before);
  if (status == FACET_OK && facet_rank(c->comm) == 0)
    fprintf(stderr, "facet: %lld of %lld tiles are taken over from the study before\n", (long long)count,
            (long long)facet_plan_tiles(c->plan));
  return status;
}

facet_status facet_reuse_tiles(const facet_context *c)
{
  char *path = facet_reuse_file(c->plan->store.settings);
  uint8_t *take = facet_allocate((size_t)facet_plan_tiles(c->plan), 1);
  int64_t count = 0;
  facet_status status = path && take ? FACET_OK : FACET_OS;
  if (status == FACET_OK && facet_rank(c->comm) == 0)
    status = facet_reuse_find(c, path, take, &count);
  status = facet_agree(c->comm, status);
  if (status == FACET_OK)
    status = facet_share(c->comm, &count, 1, "taking tiles over");
  if (status == FACET_OK && count > 0)
    status = copy_tiles(c, path, take, count);
  facet_free(&take);
  facet_free(&path);
  return status;
}
