/* How margins change, exactly: for picked samples, what pruning and corruption did to the margin of each, as a sum over
 * its pixels and the networks' constants, and which gates changed. */
#ifndef FACET_CHANGE_H
#define FACET_CHANGE_H

#include <mpi.h>

#include "program/plan.h"

/* The samples that are looked at, and what is known of them. */
typedef struct {
  int64_t *sample; /* n of the plan */
  double *margin;  /* V x C x n, as /geometry/margin has them */
} facet_change_picked;

/* Collective. The samples that the study asks for: the most fragile ones as /fragility/rank of the finished store
 * `path` has them, or the first. Clear it in any case. */
facet_status facet_change_pick(MPI_Comm comm, const facet_plan *plan, const char *path, facet_change_picked *picked);
void facet_change_picked_clear(facet_change_picked *picked);
/* Collective. Fills /change of the open store; the bits do not depend on the number of ranks. */
facet_status facet_change_measure(MPI_Comm comm, const facet_plan *plan, const facet_study_data *data,
                                  const facet_family *family, const facet_change_picked *picked, facet_store *store);

#endif
