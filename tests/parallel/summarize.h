/* The stages that follow from the tiles, of a store that was made by hand. */
#ifndef SUMMARIZE_H
#define SUMMARIZE_H

#include "ranks/agree.h"
#include "stages/stage.h"

/* Of an open store; its plan names them. Collective over `comm`. */
static inline facet_status summarize(MPI_Comm comm, facet_store *store, const facet_store_plan *plan)
{
  const facet_stage *const stage[] = {&facet_stage_summary, &facet_stage_compare, &facet_stage_similarity};
  const facet_plan whole = {.store = *plan};
  const facet_context context = {.comm = comm, .plan = &whole, .store = store};
  FACET_TRY(facet_store_finish(store, "analyse"));
  for (int i = 0; i < 3; i++)
    if (facet_stage_wanted(stage[i], &whole))
      FACET_TRY(facet_stage_run(&context, stage[i]));
  return FACET_OK;
}

#endif
