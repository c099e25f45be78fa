/* What stages share of the encoder's training. */
#ifndef FACET_EMBED_H
#define FACET_EMBED_H

#include "embed/encoder.h"
#include "stage.h"

/* Not collective. Whether the study asks for a map: the encoder's, the map's and its judge's stage. */
bool facet_embed_wanted(const facet_plan *plan);
/* Not collective. The encoder, when it is trained; the caller destroys. */
facet_status facet_embed_read(const facet_settings *settings, facet_network **encoder);
/* Not collective, as a stage's. What the encoder follows from, and with that the map and what is said of it. */
facet_status facet_embed_follows(const facet_context *context, FILE *out);
/* Not collective. Whether the store before has an encoder that was trained on as many ranks. */
facet_status facet_embed_same_ranks(const facet_context *context, bool *same);
/* Not collective. The encoder that the study asks for. */
facet_encoder_shape facet_embed_shape(const facet_plan *plan);
/* Not collective. How many batches keep their joint probabilities on so many ranks, within the study's memory; -1 where
 * it does not suffice for making those of one. */
int64_t facet_embed_batches_kept(const facet_plan *plan, int ranks);

#endif
