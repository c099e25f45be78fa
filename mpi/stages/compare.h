/* Variants, conditions and samples compared, from what the finished tiles say: store/rows.def lists the arrays. */
#ifndef FACET_COMPARE_H
#define FACET_COMPARE_H

#include "store/store_file.h"

/* Bytes that rank 0 takes for all of this at most: the other ranks take less. */
double facet_compare_memory(const facet_store_plan *plan);

/* Not collective: one rank, in whose hands the store is, fills what stage compare fills. accuracy:
 * V x C. */
facet_status facet_compare_fill(const facet_store_alone *store, const facet_store_plan *plan, const double *accuracy);
/* Collective; the store is closed. Fills /similarity, the same bits on any number of ranks. */
facet_status facet_compare_items(MPI_Comm comm, const char *path, const facet_store_plan *plan);

#endif
