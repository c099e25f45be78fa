/* What an encoder learns from: training samples, dealt to batches by one permutation, and each batch to the ranks in
 * pieces; their features, standardized.  A rank computes those of its own samples, once; those of batches that are not
 * held lie in a file without a name, in TMPDIR, until their turn comes. */
#ifndef FACET_EMBED_SAMPLES_H
#define FACET_EMBED_SAMPLES_H

#include <mpi.h>

#include "base/shuffle.h"
#include "embed/encoder.h"
#include "feature.h"

typedef struct {
  int64_t first, count; /* of the permutation */
  facet_blockmatrix *x; /* count x features; NULL: in the file */
} facet_embed_batch;

typedef struct {
  const facet_plan *plan;
  const facet_dataset *data;
  const facet_member *member; /* whose features they are */
  int64_t count, features;
  int64_t held; /* the first so many batches are */
  int batches;
  facet_embed_batch *batch;
  int64_t largest;        /* samples of the largest batch */
  facet_shuffle *shuffle; /* the permutation: samples of the data */
  int64_t *order;         /* largest: a piece of it */
  int file;
  char *folder;        /* of the file; NULL: there is none */
  double *mean, scale; /* x = (feature - mean) / scale */
} facet_embed_samples;

/* Not collective. Deals so many samples of the data to as few batches of about one size as the study allows; plan,
 * data, member, count, features and held are set, everything else is zero. Clear it in any case. */
facet_status facet_embed_samples_deal(facet_embed_samples *samples);
void facet_embed_samples_clear(facet_embed_samples *samples);
/* Collective. Finds all features. FACET_BAD_INPUT for those that are not finite, or all the same; FACET_IO where the
 * file has no room. */
facet_status facet_embed_samples_take(MPI_Comm comm, const facet_encoder *encoder, facet_embed_samples *samples);
/* Collective, after that. The batch's x, as encoders take it, for as long as it is not left. */
facet_status facet_embed_samples_enter(MPI_Comm comm, const facet_encoder *encoder, facet_embed_samples *samples,
                                       int batch);
void facet_embed_samples_leave(facet_embed_samples *samples, int batch); /* not collective */
/* Not collective. The samples first .. first+count-1 of the batch, until the next call. */
const int64_t *facet_embed_samples_of(facet_embed_samples *samples, const facet_embed_batch *batch, int64_t first,
                                      int64_t count);
/* Not collective. Bytes that a rank takes while it finds features, beside what it fills. */
facet_status facet_embed_samples_memory(const facet_embed_samples *samples, double *bytes);

#endif
