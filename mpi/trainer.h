/* Data-parallel training whose weights are bitwise the same on any number of ranks. */
#ifndef FACET_TRAINER_H
#define FACET_TRAINER_H

#include <mpi.h>

#include "study.h"

typedef struct {
  const facet_dataset *data; /* every rank holds all of it */
  const facet_normalization *normalize;
  const facet_input_layout *input; /* how the network takes the samples */
  const facet_training *how;
  uint32_t seed;
  const facet_mask *mask; /* removed weights stay 0; NULL: none */
  const char *stage;      /* what the progress line says */
} facet_training_job;

/* Collective. Trains `network` in place: SGD with momentum and weight decay (as PyTorch's SGD), cross-entropy, running
 * batch-norm statistics with momentum 0.1. A step's batch is cut into micro-batches that the study fixes; ranks share
 * them out, and gradients are summed exactly, as 64-bit integers scaled by the exact maximum (DESIGN, "Parallel
 * model"). All ranks must come with the same network; all leave with the same bits. FACET_INTERRUPTED after a signal,
 * FACET_BAD_INPUT if the loss is no longer finite. */
facet_status facet_train(MPI_Comm comm, facet_network *network, const facet_training_job *job);
/* Bytes that a rank takes for training, of that many ranks; not collective. */
facet_status facet_train_memory(facet_network *network, const facet_training_job *job, int ranks, size_t *bytes);

#endif
