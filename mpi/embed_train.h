/* Training the encoder of a parametric t-SNE (van der Maaten 2009): fixed batches, whose joint probabilities are made
 * once and kept where there is room, and a gradient step for each in turn. */
#ifndef FACET_EMBED_TRAIN_H
#define FACET_EMBED_TRAIN_H

#include "embed.h"

/* Collective. *encoder: trained, with the features' mean and scale folded into its first layer; the same on every rank;
 * the caller destroys it. What is logged goes to the store epoch by epoch. FACET_BAD_INPUT for features that are not
 * finite, or all the same, and batches too small for the perplexity; FACET_INTERRUPTED after a checkpoint. */
facet_status facet_embed_train(MPI_Comm comm, const facet_plan *plan, const facet_study_data *data,
                               const facet_family *family, facet_store *store, facet_network **encoder);

#endif
