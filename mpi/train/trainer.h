/* Data-parallel training whose weights are bitwise the same on any number of ranks: one step at a time.  Which steps a
 * method takes, and what it does to the weights between them, is method_run.c's. */
#ifndef FACET_TRAINER_H
#define FACET_TRAINER_H

#include <mpi.h>

#include "study/study.h"

typedef struct {
  const facet_dataset *data; /* every rank holds all of it */
  const facet_normalization *normalize;
  const facet_input_layout *input; /* how the network takes the samples */
  const facet_training *how;
  uint32_t seed;
  const facet_mask *mask; /* removed weights stay 0; NULL: none */
  const char *stage;      /* what the progress line says */
  const char *checkpoint; /* a file that keeps what a killed training goes on from; NULL: none */
} facet_training_job;

/* Training scores instead of weights (Ramanujan 2020): a score s decides by |s| whether its weight w is there, and by
 * the straight-through estimate dL/ds = dL/dw * w * sign(s). */
typedef struct {
  facet_network *scores; /* a copy of the network with scores in place of its prunable weights */
  const facet_network *weights;
} facet_straight_through;

typedef struct facet_trainer facet_trainer;

/* SGD with momentum and weight decay (as PyTorch's SGD), cross-entropy, running batch-norm statistics with momentum
 * 0.1, on the network's own constants. With `through` the scores take the steps; of the network only the batch-norm
 * statistics change. Network, job and through must outlive the trainer. Not collective. */
facet_status facet_trainer_create(MPI_Comm comm, facet_network *network, const facet_straight_through *through,
                                  const facet_training_job *job, facet_trainer **trainer);
void facet_trainer_destroy(facet_trainer **trainer);
/* Samples that a training sees, of so many: each epoch leaves out what does not fill a batch. */
int64_t facet_training_samples(const facet_training *how, int64_t count);
int64_t facet_trainer_batch(const facet_trainer *trainer); /* samples of a step */
int64_t facet_trainer_epoch(const facet_trainer *trainer); /* steps of an epoch; samples beyond are left out */
/* What the optimizer remembers from step to step, and how many numbers: for checkpoints, and to be zeroed. */
float *facet_trainer_velocity(facet_trainer *trainer, int64_t *count);
/* Mean loss of this rank's samples since the last call; false until there are enough to say. */
bool facet_trainer_loss(facet_trainer *trainer, double *loss);

/* Collective. Step number `step`, counted over all epochs. Its batch is cut into micro-batches that the study fixes;
 * ranks share them out, and gradients are summed exactly, as integers scaled by the exact maximum. All ranks must come
 * with the same network; all leave with the same bits. The network's constants may be changed between steps. mask: what
 * stays 0; NULL: nothing. FACET_INTERRUPTED after a signal, FACET_DIVERGED if the loss is no longer finite; then the
 * network is as it was before the step. */
facet_status facet_trainer_step(facet_trainer *trainer, int64_t step, double rate, const facet_mask *mask);

/* The learning rate at step `position` of a training of `length` steps, `epoch` of them an epoch. */
double facet_trainer_rate(const facet_training *how, int64_t position, int64_t length, int64_t epoch);

/* Bytes that a rank takes for a trainer, of that many ranks; not collective. */
facet_status facet_train_memory(facet_network *network, const facet_training_job *job, int ranks, size_t *bytes);

#endif
