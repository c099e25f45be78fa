/* Units of one item in one variant: see items.h. */
#include "items.h"

#include <math.h>

facet_unit facet_item_unit(const facet_store_plan *p, int variant, int64_t unit, bool wanted)
{
  return (facet_unit){
      .cost = 1 + (double)p->variant[variant].cost.flops, .group = variant, .part = unit, .parts = 1, .none = !wanted};
}

void facet_items_still(const facet_context *c, int64_t items, int64_t each, const int64_t *sample, uint8_t *take)
{
  const facet_store_plan *p = &c->plan->store;
  for (int v = 0; v < p->variants; v++)
    for (int64_t i = 0; i < items; i++)
      for (int64_t j = 0; j < each; j++) {
        int64_t number = sample ? sample[each * i + j] : i;
        take[v * items + i] = take[v * items + i] && facet_reused_sample(c, v, p->clean, number);
      }
}

facet_status facet_items_number(const facet_context *c, int64_t items, facet_row array, facet_row labels)
{
  int64_t *number;
  FACET_NEW(number, items);
  for (int64_t i = 0; i < items; i++)
    number[i] = i;
  facet_status status = facet_store_put(c->store, array, (facet_place){0}, number);
  if (status == FACET_OK)
    status = facet_store_put(c->store, labels, (facet_place){0}, number);
  facet_free(&number);
  return status;
}

double facet_item_bytes(const facet_store_plan *p, double most)
{
  return fmin(most, (double)p->settings->memory / 8);
}
