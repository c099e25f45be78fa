/* Figures of merit of a map: the nearest neighbour's label, trustworthiness and continuity of every variant's positions
 * of the clean test samples. */
#ifndef FACET_EMBED_JUDGE_H
#define FACET_EMBED_JUDGE_H

#include "plan.h"

/* Collective; the store has all positions. Judges the variants that are not judged yet. */
facet_status facet_embed_judge(MPI_Comm comm, const facet_plan *plan, const facet_study_data *data,
                               const facet_family *family, facet_store *store);
/* Not collective. Bytes that one of so many ranks takes for it. */
double facet_embed_judge_memory(const facet_store_plan *plan, int ranks);

#endif
