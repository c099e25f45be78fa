/* Picking samples: see picked.h. */
#include "picked.h"

facet_status facet_picked_samples(const facet_context *c, int64_t *sample)
{
  int64_t count = c->plan->store.change_samples;
  const facet_place all = {.part = {{0, count}}};
  for (int64_t i = 0; i < count; i++)
    sample[i] = i;
  return c->store && c->plan->keys->change.pick == FACET_PICK_FRAGILE
             ? facet_store_get(c->store, FACET_ROW_FRAGILE, all, sample)
             : FACET_OK;
}

bool facet_picked_known(const facet_context *c)
{
  return c->store || c->plan->keys->change.pick != FACET_PICK_FRAGILE;
}
