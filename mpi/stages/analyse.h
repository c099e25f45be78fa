/* The analysis of a study: every tile that is not done yet, shared out over the ranks. */
#ifndef FACET_ANALYSE_H
#define FACET_ANALYSE_H

#include "program/plan.h"

/* Collective. Predictions and geometry of every tile, linearizations where the plan has them, written to the store and
 * marked. A rank that fails or is interrupted stops at a tile's end; the others finish theirs; then all agree. */
facet_status facet_analyse(MPI_Comm comm, const facet_plan *plan, const facet_study_data *data,
                           const facet_family *family, facet_store *store);
/* Not collective. Bytes that a rank takes for it, beside data and networks: made, measured, and thrown away. */
facet_status facet_analysis_memory(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                                   size_t *bytes);

#endif
