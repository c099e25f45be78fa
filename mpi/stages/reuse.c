/* Taking over: see reuse.h. What a part follows from is compared by store/before.c, but for the samples, which the data
 * set has: all pixels and labels of a block of samples are held against those that are stored. What else a part reads
 * its stage knows. */
#include "reuse.h"

#include <string.h>

#include "ranks/agree.h"
#include "ranks/exchange.h"

enum { COMPARED = 1 << 20 }; /* numbers that are compared at once */

struct facet_reused {
  facet_before *before;
  bool aside;
  uint8_t *tile; /* of each tile of the analysis: a facet_taken */
};

char *facet_reuse_file(const facet_settings *settings)
{
  return facet_format("%s/study.h5.before", settings->output);
}

/* ---- tiles of the analysis ---- */

static int64_t least(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* Of each block of samples whether it is there. pixels, label: room for `step` of them. */
static facet_status compare_blocks(const facet_context *c, int64_t step, float *pixels, int32_t *label, bool *same)
{
  const facet_dataset *data = c->data->test;
  const int64_t block = c->plan->store.block;
  for (int64_t b = 0; b < c->plan->blocks; b++) {
    int64_t end = least((b + 1) * block, data->count);
    same[b] = true;
    for (int64_t i = b * block, count; i < end && same[b]; i += count) {
      count = least(step, end - i);
      FACET_TRY(facet_dataset_pixels(data, i, count, pixels));
      FACET_TRY(facet_dataset_labels(data, i, count, label));
      FACET_TRY(facet_before_samples(c->reused->before, i, count, pixels, label, &same[b]));
      FACET_TRY(facet_interrupt_check());
    }
  }
  return FACET_OK;
}

static facet_status find_tiles(const facet_context *c)
{
  const facet_plan *plan = c->plan;
  float *pixels = NULL;
  int32_t *label = NULL;
  bool *same = NULL;
  facet_status status;
  int64_t step = 1 + least(plan->store.block, COMPARED / plan->inputs);
  FACET_NEW_GO(done, status, pixels, step * plan->inputs);
  FACET_NEW_GO(done, status, label, step);
  FACET_NEW_GO(done, status, same, plan->blocks);
  FACET_GO(done, status, facet_before_enter(c->reused->before, facet_stage_analyse.name));
  FACET_GO(done, status, compare_blocks(c, step, pixels, label, same));
  for (int64_t i = 0; i < facet_plan_tiles(plan); i++) {
    bool features;
    if (same[facet_plan_tile(plan, i).block] && facet_before_has(c->reused->before, i, &features))
      c->reused->tile[i] = features ? FACET_TAKEN_WHOLE : FACET_TAKEN_BUT_FEATURES;
  }
done:
  FACET_FREE(&pixels, &label);
  facet_free(&same);
  return status;
}

/* speaks: this process finds the tiles. */
static facet_status open_reused(facet_context *c, const char *path, bool aside, bool speaks)
{
  bool damaged;
  FACET_NEW(c->reused, 1);
  c->reused->aside = aside;
  FACET_NEW(c->reused->tile, facet_plan_tiles(c->plan));
  FACET_TRY(facet_before_open(path, &c->plan->store, &c->reused->before, &damaged));
  if (damaged && speaks)
    fprintf(stderr,
            "facet: %s: attributes, coordinates or labels do not hold their checksum, and nothing is taken over\n",
            path);
  return c->reused->before && speaks ? find_tiles(c) : FACET_OK;
}

/* Collective. Of a stage that was entered, parts that do not hold their checksum there are not taken over: each rank
 * looks at its share, and says it. */
static facet_status hold(const facet_context *c, int64_t parts, uint8_t *take)
{
  facet_before *before = c->reused->before;
  facet_status status = FACET_OK;
  int *kept = facet_allocate((size_t)parts, sizeof *kept);
  for (int64_t i = 0; kept && i < parts && status == FACET_OK; i++) {
    bool holds = true;
    char name[200];
    if (take[i] && i % facet_ranks(c->comm) == facet_rank(c->comm))
      status = facet_before_holds(before, i, &holds);
    if (status == FACET_OK && !holds) {
      facet_before_name(before, i, name, sizeof name);
      fprintf(stderr, "facet: %s in the study before does not hold its checksum, and is not taken over\n", name);
    }
    kept[i] = holds;
    if (status == FACET_OK)
      status = facet_interrupt_check();
  }
  status = facet_agree(c->comm, kept ? status : FACET_OS);
  if (status == FACET_OK)
    status = facet_least(c->comm, kept, parts, "taking over");
  for (int64_t i = 0; i < parts && status == FACET_OK; i++)
    take[i] = kept[i] ? take[i] : FACET_TAKEN_NOT;
  facet_free(&kept);
  return status;
}

static facet_status open_own(facet_context *c)
{
  char *path = facet_reuse_file(c->plan->store.settings);
  facet_status status = path ? open_reused(c, path, true, facet_rank(c->comm) == 0) : FACET_OS;
  facet_free(&path);
  return status;
}

/* Collective. A rank that cannot open what others can would go on alone. */
static facet_status all_alike(const facet_context *c)
{
  int least_there = c->reused->before != NULL, most_there = least_there;
  FACET_TRY(facet_least(c->comm, &least_there, 1, "taking over"));
  FACET_TRY(facet_largest(c->comm, &most_there, 1, "taking over"));
  FACET_CHECK(least_there == most_there, FACET_IO,
              "%s/study.h5.before: can be read by some ranks and not by others; run the same command again to go on",
              c->plan->store.settings->output);
  return FACET_OK;
}

/* Rank 0 alone looks what there is. */
facet_status facet_reuse_begin(facet_context *c)
{
  int64_t tiles = facet_plan_tiles(c->plan);
  FACET_AGREE(c->comm, open_own(c));
  FACET_TRY(all_alike(c));
  FACET_TRY(facet_share(c->comm, (char *)c->reused->tile, tiles, "taking tiles over"));
  if (!c->reused->before)
    return FACET_OK;
  FACET_AGREE(c->comm, facet_before_enter(c->reused->before, facet_stage_analyse.name));
  return hold(c, tiles, c->reused->tile);
}

void facet_reuse_end(facet_context *c)
{
  if (!c->reused)
    return;
  facet_before_close(&c->reused->before);
  facet_free(&c->reused->tile);
  facet_free(&c->reused);
}

/* ---- what stages ask ---- */

facet_taken facet_reused_tile(const facet_context *c, int64_t tile)
{
  return c->reused ? (facet_taken)c->reused->tile[tile] : FACET_TAKEN_NOT;
}

bool facet_reused_sample(const facet_context *c, int variant, int condition, int64_t sample)
{
  const facet_tile t = {.variant = variant, .condition = condition, .block = sample / c->plan->store.block};
  return facet_reused_tile(c, facet_plan_number(c->plan, &t)) != FACET_TAKEN_NOT;
}

bool facet_reused_tile_features(const facet_context *c, int64_t tile)
{
  return facet_reused_tile(c, tile) == FACET_TAKEN_WHOLE &&
         facet_before_keeps(c->reused->before, facet_plan_tile(c->plan, tile).variant);
}

/* Whether all tiles of a line are at least that. */
static bool is_line(const facet_context *c, int variant, int condition, int64_t samples, bool features)
{
  facet_tile t = {.variant = variant, .condition = condition};
  bool same = samples < c->plan->store.samples || facet_before_count(c->reused->before) == samples;
  for (; t.block * c->plan->store.block < samples && condition >= 0; t.block++) {
    int64_t tile = facet_plan_number(c->plan, &t);
    same = same && (features ? facet_reused_tile_features(c, tile) : facet_reused_tile(c, tile) != FACET_TAKEN_NOT);
  }
  return same;
}

bool facet_reused_line(const facet_context *c, int variant, int condition, int64_t samples)
{
  return is_line(c, variant, condition, samples, false);
}

bool facet_reused_features(const facet_context *c, int variant, int condition)
{
  return is_line(c, variant, condition, c->plan->store.samples, true);
}

facet_before *facet_reused_from(const facet_context *c)
{
  return c->reused->before;
}

bool facet_reused_aside(const facet_context *c)
{
  return c->reused->aside;
}

/* ---- parts of a stage ---- */

static facet_status find_parts(const facet_context *c, const facet_stage *stage, int64_t parts, uint8_t *take)
{
  bool features;
  for (int64_t i = 0; i < parts; i++)
    take[i] = facet_before_has(c->reused->before, i, &features);
  return stage->still(c, take);
}

static int64_t count_taken(const uint8_t *take, int64_t parts)
{
  int64_t count = 0;
  for (int64_t i = 0; i < parts; i++)
    count += take[i] != 0;
  return count;
}

typedef struct {
  const facet_context *context;
  const uint8_t *take;
} copying;

static facet_unit unit_of(const void *self, int64_t i)
{
  return (facet_unit){.cost = 1, .part = i, .parts = 1, .none = !((const copying *)self)->take[i]};
}

static facet_status run_part(void *self, facet_dealer *dealer, int64_t i)
{
  FACET_TRY(facet_reuse_copy(((const copying *)self)->context, i));
  return facet_dealer_pause(dealer);
}

facet_status facet_reuse_copy(const facet_context *c, int64_t part)
{
  return facet_before_copy(c->reused->before, part, c->store);
}

/* Of the analysis also what lacks features. */
static void say_taken(const facet_context *c, const facet_stage *stage, const uint8_t *take, int64_t parts)
{
  bool tiles = stage == &facet_stage_analyse;
  int64_t whole = count_taken(take, parts), all = tiles ? count_taken(c->reused->tile, parts) : whole;
  if (all == 0)
    return;
  fprintf(stderr, "facet: %s: %lld of %lld %s taken over from the study before", stage->name, (long long)all,
          (long long)parts,
          tiles        ? "tiles are"
          : parts == 1 ? "part is"
                       : "parts are");
  if (all > whole)
    fprintf(stderr, ", %lld of them but for features", (long long)(all - whole));
  fprintf(stderr, "\n");
}

static facet_status take_parts(const facet_context *c, const facet_stage *stage, int64_t parts, uint8_t *take)
{
  bool speaks = facet_rank(c->comm) == 0;
  copying self = {c, take};
  const facet_tiles tiles = {.stage = stage->name,
                             .name = "parts taken over",
                             .count = parts,
                             .self = &self,
                             .unit = unit_of,
                             .run = run_part};
  FACET_AGREE(c->comm, facet_before_enter(c->reused->before, stage->name));
  FACET_AGREE(c->comm, speaks ? find_parts(c, stage, parts, take) : FACET_OK);
  FACET_TRY(facet_share(c->comm, (char *)take, parts, "taking over"));
  if (stage != &facet_stage_analyse) /* which was looked at already */
    FACET_TRY(hold(c, parts, take));
  if (speaks)
    say_taken(c, stage, take, parts);
  if (count_taken(take, parts) == 0)
    return FACET_OK;
  FACET_TRY(facet_tiles_run(c->comm, &tiles, c->store));
  FACET_TRY(facet_store_sync(c->store));
  return stage->adopt ? facet_agree(c->comm, speaks ? stage->adopt(c) : FACET_OK) : FACET_OK;
}

facet_status facet_reuse_stage(const facet_context *c, const facet_stage *stage)
{
  if (!c->reused || !c->reused->before || !stage->still)
    return FACET_OK;
  int64_t parts = facet_store_parts(c->store, stage->name);
  uint8_t *take = facet_allocate((size_t)parts, sizeof *take);
  facet_status status = facet_agree(c->comm, take ? FACET_OK : FACET_OS);
  if (status == FACET_OK)
    status = take_parts(c, stage, parts, take);
  facet_free(&take);
  return status;
}

/* ---- forecasts ---- */

static facet_status count_stage(const facet_context *c, const facet_stage *stage, int64_t *count)
{
  uint8_t *take;
  FACET_TRY(facet_before_enter(c->reused->before, stage->name));
  int64_t parts = facet_before_plan_parts(c->reused->before);
  FACET_NEW(take, parts);
  facet_status status = find_parts(c, stage, parts, take);
  *count = stage == &facet_stage_analyse ? count_taken(c->reused->tile, parts) : count_taken(take, parts);
  facet_free(&take);
  return status;
}

facet_status facet_reuse_count(const facet_context *context, const char *path, bool aside, int64_t *count)
{
  facet_context c = *context;
  facet_status status = open_reused(&c, path, aside, true);
  for (int i = 0; facet_stages[i] && status == FACET_OK; i++) {
    const facet_stage *stage = facet_stages[i];
    count[i] = 0;
    if (c.reused->before && stage->still && facet_stage_wanted(stage, c.plan))
      status = count_stage(&c, stage, &count[i]);
  }
  facet_reuse_end(&c);
  return status;
}
