/* One network of the study, made: dense, one from elsewhere, or one that is pruned from dense by its recipe: a
 * criterion, a file of masks, or a method that prunes while it trains; then, where the recipe says so, the removal of
 * dead channels, training on, and the removal of what died. */
#ifndef FACET_RECIPE_H
#define FACET_RECIPE_H

#include <mpi.h>

#include "making.h"
#include "method_run.h"

/* What is pruned. */
typedef struct {
  const facet_making *making;
  const facet_input_layout *input;    /* how dense, and what is made of it, takes the samples */
  const facet_network *first, *dense; /* dense before and after its training */
} facet_origin;

/* Collective; all ranks leave with the same bits, on any number of them. comm MPI_COMM_NULL: a sketch, for which
 * nothing is trained or scored by samples; dead channels are out of it where that shows which they will be. checkpoint:
 * see facet_method_job. *seconds: of training, 0 if there was none. Errors: FACET_DIVERGED; FACET_BAD_INPUT names
 * file, line and variant. Caller destroys. */
facet_status facet_recipe_make(MPI_Comm comm, const facet_origin *origin, const facet_variant *variant,
                               const char *checkpoint, facet_network **network, double *seconds);
/* The method and training of a variant that trains, or of dense; its stage and checkpoint are NULL. */
facet_method_job facet_recipe_job(const facet_origin *origin, const facet_variant *variant);

#endif
