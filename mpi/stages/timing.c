/* The stage timing: how long a forward pass of each variant takes. Every rank measures its share of the networks, all
 * at once, as they run in the analysis. */
#include "ranks/agree.h"
#include "stage.h"

static facet_status measure(const facet_context *c, const uint8_t *done)
{
  for (int v = facet_rank(c->comm); v < c->plan->store.variants; v += facet_ranks(c->comm)) {
    double seconds;
    if (done[v])
      continue;
    FACET_TRY(facet_interrupt_check());
    FACET_TRY(facet_forward_measure(c->family->member[v].network, c->plan->store.settings->precision,
                                    c->plan->work[v].forward_batch, &seconds));
    FACET_TRY(facet_store_put(c->store, FACET_ROW_FORWARD_SECONDS, (facet_place){.part = {{v, 1}}}, &seconds));
    FACET_TRY(facet_store_mark(c->store, "timing", v));
  }
  return FACET_OK;
}

static facet_status run(const facet_context *c)
{
  uint8_t *done = NULL;
  facet_status status = facet_stage_marks(c, "timing", &done);
  if (status == FACET_OK)
    status = facet_agree(c->comm, measure(c, done));
  facet_free(&done);
  return status;
}

const facet_stage facet_stage_timing = {.name = "timing", .marks = "V", .run = run};
