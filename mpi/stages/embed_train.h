/* Training the encoder of a parametric t-SNE (van der Maaten 2009): fixed batches, whose joint probabilities are made
 * once and kept where there is room, and a gradient step for each in turn. */
#ifndef FACET_EMBED_TRAIN_H
#define FACET_EMBED_TRAIN_H

#include "plan.h"

/* Collective. *encoder: trained, with the features' mean and scale folded into its first layer; the same on every rank;
 * the caller destroys it. What is logged goes to the store epoch by epoch. FACET_BAD_INPUT for features that are not
 * finite, or all the same, and batches too small for the perplexity; FACET_INTERRUPTED after a checkpoint. */
facet_status facet_embed_train(MPI_Comm comm, const facet_plan *plan, const facet_study_data *data,
                               const facet_family *family, facet_store *store, facet_network **encoder);

/* Not collective. How many batches keep their joint probabilities on so many ranks, within the study's memory; -1 where
 * it does not suffice for making those of one. samples and inputs: of the encoder. */
int64_t facet_embed_batches_kept(const facet_study *study, int64_t samples, int64_t inputs, int ranks);
/* Not collective. FACET_BAD_INPUT with file and line in that case. */
facet_status facet_embed_fits(const facet_store_plan *plan, int ranks);
/* Not collective. Bytes that one of so many ranks takes for it at most, beside data and networks, where it fits. */
facet_status facet_embed_train_memory(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                                      int ranks, double *bytes);

#endif
