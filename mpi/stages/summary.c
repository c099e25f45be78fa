/* The stage summary: means, spreads and comparisons of variants, conditions and samples, from what the tiles say, and
 * how long a forward pass of each variant takes. */
#include <stdio.h>

#include "compare.h"
#include "ranks/agree.h"
#include "stage.h"
#include "train/cost.h"

enum { OPERATIONS = 8 }; /* of a matrix product, that take as long as one of these */

/* Forward times: every rank measures its share of the networks, all at once, as they run in the analysis. */
static facet_status measure_forward(const facet_context *c, double *seconds)
{
  const facet_plan *plan = c->plan;
  for (int i = facet_rank(c->comm); i < plan->store.variants; i += facet_ranks(c->comm))
    FACET_TRY(facet_forward_measure(c->family->member[i].network, plan->store.study->settings.precision,
                                    plan->work[i].forward_batch, &seconds[i]));
  return FACET_OK;
}

static facet_status run(const facet_context *c)
{
  int variants = c->plan->store.variants;
  double *seconds = facet_allocate((size_t)variants, sizeof *seconds);
  facet_status status = facet_agree(c->comm, seconds ? measure_forward(c, seconds) : FACET_OS);
  if (status == FACET_OK)
    status = facet_sum(c->comm, seconds, variants, "summarizing");
  if (status == FACET_OK)
    status = facet_store_sync(c->store);
  if (status == FACET_OK)
    status = facet_store_summarize(c->comm, c->store->path, &c->plan->store, seconds);
  facet_free(&seconds);
  return status;
}

static bool wanted(const facet_plan *plan)
{
  return plan->store.variants > 0;
}

static facet_status memory(const facet_context *c, int ranks, double *bytes)
{
  (void)ranks;
  *bytes = facet_compare_memory(&c->plan->store);
  return FACET_OK;
}

/* Numbers of the tiles are read and added up, classes of all pairs of variants compared, and pairs of items. */
static facet_status seconds(const facet_context *c, const facet_speeds *speeds, int ranks, double *sum)
{
  const facet_store_plan *p = &c->plan->store;
  double n = (double)p->samples, items = (double)p->variants * p->conditions, pairs = (double)facet_store_items(p);
  double lines = n * items * (p->classes + 30) + n * items * p->variants;
  *sum = OPERATIONS * speeds->product * (lines + 9 * n * pairs * pairs / 2 / ranks);
  return FACET_OK;
}

static void warn(const facet_plan *plan)
{
  const facet_store_plan *p = &plan->store;
  if (p->variants * (int64_t)p->conditions > FACET_MOST_ITEMS)
    fprintf(stderr, "facet: warning: no /similarity%s: %d variants under %d conditions are more than %d pairs\n",
            p->study->aggregate.cka ? " and no /aggregate/cka" : "", p->variants, p->conditions, FACET_MOST_ITEMS);
}

const facet_stage facet_stage_summary = {
    .name = "summary", .marks = "", .wanted = wanted, .memory = memory, .seconds = seconds, .run = run, .warn = warn};
