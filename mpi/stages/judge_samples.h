/* What the judge reads of a variant's test samples, by the block: what its map is drawn from, where they came to lie,
 * their labels; and the same of the samples that the encoder learnt from. */
#ifndef FACET_JUDGE_SAMPLES_H
#define FACET_JUDGE_SAMPLES_H

#include "embed/quality.h"
#include "feature.h"

typedef struct {
  facet_many x, position, label, reference, reference_label; /* see embed/quality.h; x is float */
  /* its own */
  const facet_context *context;
  int variant;
  facet_pixels *pixels;
  facet_features *reader;
  int64_t batch;
  double *feature; /* of a batch */
  int64_t block;   /* samples of `found` */
  float *found;    /* by passes through the network, of a block, or of all samples where that is one */
  bool filed;      /* there is a file of all of them otherwise, for all ranks of a node: */
  int file;
  char *folder; /* of one that this rank made, and writes; NULL: another's */
} facet_judge_samples;

/* Not collective. For a study; clear it in any case. */
facet_status facet_judge_samples_make(const facet_context *context, facet_judge_samples *samples);
void facet_judge_samples_clear(facet_judge_samples *samples);
/* Collective. Of one variant, until it is left. What neither the store nor the data have is found by all ranks here.
 * FACET_IO where TMPDIR has no room for it, FACET_INTERRUPTED. */
facet_status facet_judge_samples_enter(facet_judge_samples *samples, int variant);
void facet_judge_samples_leave(facet_judge_samples *samples); /* not collective */
/* Bytes that a rank takes for them, at most. */
double facet_judge_samples_bytes(const facet_context *context, int ranks);
/* And those of their file. */
double facet_judge_samples_filed(const facet_plan *plan);

#endif
