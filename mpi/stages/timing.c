/* The stage timing: how long a forward pass of each variant takes. Every rank measures some of the networks, all at
 * once, as they run in the analysis. */
#include "stage.h"

static facet_status measure(void *self, facet_dealer *dealer, int64_t v)
{
  (void)dealer;
  const facet_context *c = self;
  double seconds;
  FACET_TRY(facet_forward_measure(c->family->member[v].network, c->plan->store.settings->precision,
                                  c->plan->work[v].forward_batch, &seconds));
  return facet_store_put(c->store, FACET_ROW_FORWARD_SECONDS, (facet_place){.part = {{v, 1}}}, &seconds);
}

static facet_status run(const facet_context *c)
{
  facet_context own = *c;
  const facet_tiles networks = {.stage = "timing", .count = c->plan->store.variants, .self = &own, .run = measure};
  return facet_tiles_run(c->comm, &networks, c->store);
}

const facet_stage facet_stage_timing = {.name = "timing", .marks = "V", .run = run};
