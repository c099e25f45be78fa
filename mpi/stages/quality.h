/* Figures of merit of an embedding, on many ranks: see embed/quality.h. */
#ifndef FACET_QUALITY_H
#define FACET_QUALITY_H

#include <mpi.h>

#include "embed/quality.h"

/* Both are collective: every rank gives the same, whole, and has the same bits as on any other number of ranks. A rank
 * takes what a facet_ranking takes. Errors as there; FACET_INTERRUPTED. */

typedef struct {
  double trustworthiness, continuity; /* T(k), C(k): 1 is perfect */
} facet_rank_qualities;
facet_status facet_rank_qualities_find(MPI_Comm comm, const facet_embedded *embedded, facet_rank_qualities *found);

/* The share of the queries with a label whose nearest reference has another one; NaN if no query has a label. */
facet_status facet_nearest_error_find(MPI_Comm comm, const facet_labelled *labelled, double *error);

#endif
