/* What all stages have in common: see stage.h. */
#include "stage.h"

#include <string.h>

#include "ranks/agree.h"
#include "reuse.h"

#define ADDRESS(name) &facet_stage_##name,
const facet_stage *const facet_stages[] = {FACET_STAGES(ADDRESS) NULL};

facet_status facet_stage_done(const facet_context *c, const facet_stage *stage, bool *all)
{
  uint8_t *done = NULL;
  facet_status status = facet_store_marks_shared(c->comm, c->store, stage->name, &done);
  *all = status == FACET_OK;
  for (int64_t i = 0; *all && i < facet_store_parts(c->store, stage->name); i++)
    *all = done[i] == 1;
  facet_free(&done);
  return status;
}

/* ---- what stages read ---- */

static bool reads(const facet_stage *stage, const char *other)
{
  size_t length = strlen(other);
  for (const char *at = stage->reads; at && (at = strstr(at, other)); at += length)
    if ((at == stage->reads || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
      return true;
  return false;
}

static bool any(const bool *of, int count)
{
  for (int i = 0; i < count; i++)
    if (of[i])
      return true;
  return false;
}

/* Of which variants a stage has lost what it was made from: parts of others, of these variants, do not hold. */
static void find_lost(const facet_stage *stage, int variants, const bool *other, bool *lost)
{
  bool all = any(other, stage->apart ? 1 : variants); /* dense is the first */
  for (int v = 0; v < variants; v++)
    lost[v] = lost[v] || all || other[v];
}

/* lost: stages x V. own: V, zeros. What does not hold is said before what was made from others. */
static facet_status check_stage(const facet_context *c, int number, bool *lost, bool *own)
{
  const facet_stage *stage = facet_stages[number];
  const int variants = c->plan->store.variants;
  bool *all = lost + (size_t)number * (size_t)variants;
  int64_t count = 0;
  FACET_TRY(facet_store_check(c->store, stage->name, own));
  for (int i = 0; i < number; i++)
    if (reads(stage, facet_stages[i]->name))
      find_lost(stage, variants, lost + (size_t)i * (size_t)variants, all);
  if (any(all, variants))
    FACET_TRY(facet_store_forget(c->store, stage->name, all, &count));
  if (count > 0 && facet_rank(c->comm) == 0)
    fprintf(stderr, "facet: %s/study.h5: %lld %s of %s made from it, and computed anew\n",
            c->plan->store.settings->output, (long long)count, count == 1 ? "part" : "parts", stage->name);
  for (int v = 0; v < variants; v++) {
    all[v] = all[v] || own[v];
    own[v] = false;
  }
  return FACET_OK;
}

facet_status facet_stages_check(const facet_context *c)
{
  int stages = 0;
  bool *lost;
  while (facet_stages[stages])
    stages++;
  const size_t variants = (size_t)c->plan->store.variants;
  lost = facet_allocate(((size_t)stages + 1) * variants, sizeof *lost);
  facet_status status = facet_agree(c->comm, lost ? FACET_OK : FACET_OS);
  for (int i = 0; i < stages && status == FACET_OK; i++)
    if (facet_store_parts(c->store, facet_stages[i]->name) > 0)
      status = check_stage(c, i, lost, lost + (size_t)stages * variants);
  facet_free(&lost);
  return status == FACET_OK ? facet_store_sync(c->store) : status; /* all see the marks that are left */
}

static facet_status check_written(const facet_context *c, const facet_stage *stage, bool *lost)
{
  const int variants = c->plan->store.variants;
  for (int times = 0; !facet_store_held(c->store, stage->name); times++) {
    memset(lost, 0, (size_t)variants * sizeof *lost);
    FACET_TRY(facet_store_check(c->store, stage->name, lost));
    if (!any(lost, variants))
      return FACET_OK;
    FACET_CHECK(times == 0, FACET_IO, "%s/study.h5: what %s writes does not stay as it was written",
                c->plan->store.settings->output, stage->name);
    FACET_TRY(facet_store_sync(c->store));
    FACET_TRY(facet_stage_run(c, stage));
  }
  return FACET_OK;
}

/* Nothing has read yet what this run has written, unless it was held. */
static facet_status check_read(const facet_context *c, const facet_stage *stage)
{
  bool *lost = facet_allocate((size_t)c->plan->store.variants, sizeof *lost);
  facet_status status = facet_agree(c->comm, lost ? FACET_OK : FACET_OS);
  for (int i = 0; facet_stages[i] && facet_stages[i] != stage && status == FACET_OK; i++)
    if (reads(stage, facet_stages[i]->name) && facet_store_parts(c->store, facet_stages[i]->name) > 0)
      status = check_written(c, facet_stages[i], lost);
  facet_free(&lost);
  return status;
}

/* ---- running ---- */

facet_status facet_stage_run(const facet_context *c, const facet_stage *stage)
{
  bool done;
  FACET_TRY(facet_stage_done(c, stage, &done));
  if (done)
    return FACET_OK;
  FACET_AGREE(c->comm, facet_interrupt_check());
  FACET_TRY(check_read(c, stage));
  FACET_TRY(facet_reuse_stage(c, stage));
  FACET_TRY(stage->run(c));
  return facet_store_finish(c->store, stage->name);
}

facet_status facet_stages_hold(const facet_context *c)
{
  for (const facet_stage *const *stage = facet_stages; *stage; stage++)
    if ((*stage)->hold && facet_stage_wanted(*stage, c->plan))
      FACET_TRY((*stage)->hold(c));
  return FACET_OK;
}

static facet_tiles tiles_of(const facet_context *c, const facet_tiled *t, void *self)
{
  facet_tiles tiles = t->tiles;
  if (t->count)
    tiles.count = t->count(c);
  else if (tiles.count == 0)
    tiles.count = facet_plan_tiles(c->plan);
  tiles.self = self;
  return tiles;
}

facet_status facet_tiled_run(const facet_context *c, const facet_tiled *t, void *self)
{
  const facet_tiles tiles = tiles_of(c, t, self);
  facet_status status = facet_agree(c->comm, t->make(c, facet_ranks(c->comm), self));
  if (status == FACET_OK)
    status = facet_tiles_run(c->comm, &tiles, c->store);
  t->clear(self);
  return status;
}

facet_status facet_tiled_memory(const facet_context *c, const facet_tiled *t, void *self, double *bytes)
{
  const facet_tiles tiles = tiles_of(c, t, self);
  size_t before = facet_memory_in_use(), most = 0;
  facet_status status = t->make(c, 1, self);
  size_t own = facet_memory_in_use() - before;
  if (status == FACET_OK)
    status = facet_tiles_memory(&tiles, &most);
  t->clear(self);
  *bytes = (double)(own + most);
  return status;
}
