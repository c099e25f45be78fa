/* What an encoder learns from: training samples, dealt to batches by one permutation, and each batch to the ranks in
 * pieces; their features, standardized.  A rank computes those of its own samples. */
#ifndef FACET_EMBED_SAMPLES_H
#define FACET_EMBED_SAMPLES_H

#include <mpi.h>

#include "feature.h"
#include "matrix/blockmatrix.h"

typedef struct {
  int64_t first, count; /* of the permutation */
  facet_blockmatrix *x; /* count x features */
} facet_embed_batch;

typedef struct {
  const facet_plan *plan;
  const facet_dataset *data;
  const facet_member *member; /* whose features they are */
  int64_t count, features;
  int64_t *order; /* the permutation: samples of the data */
  int batches;
  facet_embed_batch *batch;
  double *mean, scale; /* x = (feature - mean) / scale */
} facet_embed_samples;

/* Not collective. Deals so many samples of the data to as few batches of about one size as the study allows; plan,
 * data, member, count and features are set, everything else is zero. Clear it in any case. */
facet_status facet_embed_samples_deal(facet_embed_samples *samples);
void facet_embed_samples_clear(facet_embed_samples *samples);
/* Collective. Fills the batches' x, which the caller has made, as encoders take it (see facet_encoder_input).
 * FACET_BAD_INPUT for features that are not finite, or all the same. */
facet_status facet_embed_samples_take(MPI_Comm comm, facet_embed_samples *samples);
/* Not collective. Bytes that a rank takes while it finds features, beside what it fills. */
facet_status facet_embed_samples_memory(const facet_embed_samples *samples, double *bytes);

#endif
