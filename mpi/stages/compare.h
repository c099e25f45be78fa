/* Variants, conditions and samples compared, from what the finished tiles say: see store_compare.c for the arrays. */
#ifndef FACET_COMPARE_H
#define FACET_COMPARE_H

#include "store/store_file.h"

enum { FACET_MOST_ITEMS = 4000, FACET_CLASS_RANKS = 100 }; /* more items have no /similarity */

/* What of a study can be compared. */
typedef struct {
  int corruptions, *corruption_of; /* of each condition; -1: clean */
  char **corruption;
  int methods, *method_of; /* of each variant; -1: not pruned here. "lrr-global" */
  char **method;
  int64_t items; /* facet_compare_count */
  char **item;
} facet_compare_names;
/* Not collective. Clear it in any case. */
facet_status facet_compare_names_make(const facet_store_plan *plan, facet_compare_names *names);
void facet_compare_names_clear(facet_compare_names *names);

/* How many items /similarity compares: V x C, or 0 for fewer than two, or too many. */
int64_t facet_compare_count(const facet_store_plan *plan);
/* Bytes that rank 0 takes for all of this at most: the other ranks take less. */
double facet_compare_memory(const facet_store_plan *plan);

/* Not collective: one rank, in whose hands the store is, fills the arrays of store_compare.c but /similarity. accuracy:
 * V x C. */
facet_status facet_compare_fill(const facet_store_alone *store, const facet_store_plan *plan, const double *accuracy);
/* Collective; the store is closed. Fills /similarity, the same bits on any number of ranks. */
facet_status facet_compare_items(MPI_Comm comm, const char *path, const facet_store_plan *plan);

#endif
