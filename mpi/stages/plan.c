/* Tiles, and what ranks have to have alike: see plan.h. */
#include "plan.h"

#include "ranks/agree.h"

facet_status facet_plan_share(MPI_Comm comm, facet_plan *plan)
{
  int64_t bytes = plan->store.variants * (int64_t)sizeof *plan->work;
  FACET_TRY(facet_share(comm, (char *)plan->work, bytes, "sharing the plan"));
  return facet_share(comm, &plan->room, 1, "sharing the plan");
}

facet_status facet_plan_corrupted(const facet_store_plan *plan, bool all, const facet_texts *asked, int *count,
                                  int **condition)
{
  int *own;
  FACET_NEW(own, plan->conditions);
  *condition = own;
  *count = 0;
  for (int c = 0; c < plan->conditions; c++)
    if (c != plan->clean && (all || facet_is_among(plan->condition[c], asked->item, asked->count)))
      own[(*count)++] = c;
  return FACET_OK;
}

facet_status facet_plan_need_pieces(const facet_plan *plan, const facet_family *family, const char *key, int v)
{
  const facet_member *m = &family->member[v];
  facet_status status = facet_network_need_pieces(m->network, key);
  return status == FACET_OK ? FACET_OK
                            : facet_raise_in(status, "%s: variant %s: ", plan->store.settings->file, m->variant.name);
}

int64_t facet_plan_tiles(const facet_plan *plan)
{
  return (int64_t)plan->store.variants * plan->store.conditions * plan->blocks;
}

facet_tile facet_plan_tile(const facet_plan *plan, int64_t i)
{
  const facet_store_plan *s = &plan->store;
  facet_tile t = {.block = i % plan->blocks};
  t.condition = (int)(i / plan->blocks % s->conditions);
  t.variant = (int)(i / plan->blocks / s->conditions);
  t.first = t.block * s->block;
  t.count = s->samples - t.first < s->block ? s->samples - t.first : s->block;
  bool linear = s->variant[t.variant].linearize && t.condition == s->clean;
  int64_t left = s->linear_samples - t.first;
  t.linear = !linear || left <= 0 ? 0 : left < t.count ? left : t.count;
  return t;
}

facet_tile facet_plan_in_order(const facet_plan *plan, int64_t span, int64_t i)
{
  int64_t pairs = plan->store.conditions * plan->blocks, variants = plan->store.variants;
  int64_t first = i / (variants * span) * span, rest = i - first * variants;
  int64_t here = pairs - first < span ? pairs - first : span;
  return facet_plan_tile(plan, rest / here * pairs + first + rest % here);
}

int64_t facet_plan_span(const facet_plan *plan, int ranks)
{
  int64_t pairs = plan->store.conditions * plan->blocks, own = (pairs + ranks - 1) / ranks;
  double kept = plan->room / ((double)(plan->store.block * plan->inputs) * sizeof(float));
  return kept < 1 ? pairs : kept < (double)own ? (int64_t)kept : own;
}

int64_t facet_plan_number(const facet_plan *plan, const facet_tile *tile)
{
  return ((int64_t)tile->variant * plan->store.conditions + tile->condition) * plan->blocks + tile->block;
}
