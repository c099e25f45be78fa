/* How alike the features of all pairs of variant and condition are: linear CKA over the test samples. */
#ifndef FACET_CKA_RANKS_H
#define FACET_CKA_RANKS_H

#include "program/plan.h"

/* Collective. Fills /aggregate/cka of the open store. Up to FACET_MOST_PAIRED items, pairs of variant and condition,
 * are all compared with each other; of more, those under clean with each other and those of one variant with each
 * other. Others are NaN, and those of networks without features. FACET_INTERRUPTED. */
facet_status facet_cka(MPI_Comm comm, const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                       facet_store *store);
/* Not collective. Bytes that one of so many ranks takes at most; floating-point operations of all together. */
double facet_cka_memory(const facet_plan *plan, const facet_family *family, int ranks);
double facet_cka_work(const facet_plan *plan, const facet_family *family);

#endif
