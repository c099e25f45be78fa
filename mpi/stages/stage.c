/* What all stages have in common: see stage.h. */
#include "stage.h"

#include "ranks/agree.h"
#include "reuse.h"

#define ADDRESS(name) &facet_stage_##name,
const facet_stage *const facet_stages[] = {FACET_STAGES(ADDRESS) NULL};

/* Whether all of it is. */
static facet_status is_done(const facet_context *c, const facet_stage *stage, bool *all)
{
  uint8_t *done = NULL;
  facet_status status = facet_store_marks_shared(c->comm, c->store, stage->name, &done);
  *all = status == FACET_OK;
  for (int64_t i = 0; *all && i < facet_store_parts(c->store, stage->name); i++)
    *all = done[i] == 1;
  facet_free(&done);
  return status;
}

facet_status facet_stage_run(const facet_context *c, const facet_stage *stage)
{
  bool done;
  FACET_TRY(is_done(c, stage, &done));
  if (done)
    return FACET_OK;
  FACET_AGREE(c->comm, facet_interrupt_check());
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
  tiles.count = t->count ? t->count(c) : facet_plan_tiles(c->plan);
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
