/* The embedding of a study (key `embed`): a parametric t-SNE trained once, applied to every variant and condition, and
 * linearized, so that a sample's position is a sum over its pixels and the constants of nodes. */
#ifndef FACET_EMBED_H
#define FACET_EMBED_H

#include "program/plan.h"

/* Collective; the store is open, its tiles are done. Trains the encoder unless <output>/embed/encoder.onnx is there
 * from before, going on where a run before was stopped; then positions, linearizations and figures of merit, as far as
 * they are not in the store. Does nothing where no embedding is wanted. */
facet_status facet_embed(MPI_Comm comm, const facet_plan *plan, const facet_study_data *data,
                         const facet_family *family, facet_store *store);

/* Not collective; for the plan. How many samples the encoder is trained on, and how many numbers each has: those of the
 * feature, or of the pixels. FACET_BAD_INPUT "FILE:LINE: embed: ..." where that is impossible. */
facet_status facet_embed_source(const facet_study *study, const facet_study_data *data, const facet_family *family,
                                int64_t *samples, int64_t *numbers);
/* Not collective. The network from a variant's input to a position. encoder NULL: one of zeros, which has the same
 * nodes. *stacked is NULL where the variant's feature is of another size. Caller destroys. */
facet_status facet_embed_stack(const facet_study *study, const facet_member *member, const facet_network *encoder,
                               int64_t numbers, facet_network **stacked);

/* Not collective. Bytes that one of so many ranks takes for it at most, beside data and networks; 0 where no embedding
 * is wanted. FACET_BAD_INPUT as facet_embed_fits. */
facet_status facet_embed_memory(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                                int ranks, double *bytes);

#endif
