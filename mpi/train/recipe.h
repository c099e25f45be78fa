/* One pruned network, made from dense by its recipe: a criterion, a file of masks, or a method that prunes while it
 * trains; then, where the recipe says so, the removal of dead channels, training on, and the removal of what died. */
#ifndef FACET_RECIPE_H
#define FACET_RECIPE_H

#include <mpi.h>

#include "method_run.h"
#include "variants.h"

typedef struct {
  const facet_study *study;
  const facet_study_data *data;
  const facet_input_layout *input;    /* how dense, and what is made of it, takes the samples */
  const facet_network *first, *dense; /* dense before and after its training */
} facet_kitchen;

/* Collective; all ranks leave with the same bits, on any number of them. comm MPI_COMM_NULL: a sketch, for which
 * nothing is trained or scored by samples; dead channels are out of it where that shows which they will be. checkpoint:
 * see facet_training_job. *seconds: of training, 0 if there was none. Errors: FACET_DIVERGED; FACET_BAD_INPUT names
 * file, line and variant. Caller destroys. */
facet_status facet_recipe_make(MPI_Comm comm, const facet_kitchen *kitchen, const facet_variant *variant,
                               const char *checkpoint, facet_network **network, double *seconds);
/* Not collective. Reads the mask file of a variant whose recipe has one, for the network `like`. Errors name file, line
 * and key. Caller destroys. */
facet_status facet_recipe_mask(const facet_study *study, const facet_variant *variant, const facet_network *like,
                               facet_mask **mask);
/* The method and training of a recipe, for facet_method_memory; its stage and checkpoint are NULL. */
facet_method_job facet_recipe_job(const facet_kitchen *kitchen, const facet_variant *variant);

#endif
