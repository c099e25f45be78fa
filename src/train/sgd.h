/* Training by stochastic gradient descent, one step at a time, whose weights are bitwise the same in however many parts
 * a batch is shared out.  Nothing here knows ranks: each part has its own facet_sgd and the same network, and whoever
 * steps brings the parts together, the largest gradient of all after facet_sgd_gradients, the sum of all after
 * facet_sgd_sum. */
#ifndef FACET_SGD_H
#define FACET_SGD_H

#include "base/shuffle.h"
#include "data/data.h"
#include "net/net.h"
#include "prune/prune.h"

typedef struct {
  int epochs;
  int64_t batch, micro_batch; /* gradients are summed over fixed micro-batches; micro_batch divides batch */
  double rate, momentum, decay;
  enum { FACET_SCHEDULE_COSINE, FACET_SCHEDULE_STEP, FACET_SCHEDULE_CONSTANT } schedule;
  int step_epochs; /* step: the rate is multiplied by step_factor every so many epochs */
  double step_factor;
  /* from here on 0 is off */
  double warmup;    /* the rates of the first so many epochs are scaled by a factor that grows linearly to 1 */
  double smoothing; /* of labels: this much of the target is spread over all classes */
  facet_augmentation augment;
} facet_training;

typedef struct {
  const facet_dataset *data;
  const facet_normalization *normalize;
  const facet_input_layout *input; /* how the network takes the samples */
  const facet_training *how;
  uint32_t seed;
  const char *stage; /* what messages, and a progress line, call it */
} facet_training_job;

/* Training scores instead of weights (Ramanujan 2020): a score s decides by |s| whether its weight w is there, and by
 * the straight-through estimate dL/ds = dL/dw * w * sign(s). */
typedef struct {
  facet_network *scores; /* a copy of the network with scores in place of its prunable weights */
  const facet_network *weights;
} facet_straight_through;

typedef struct {
  int64_t batch, epoch; /* samples of a step; steps of an epoch: samples beyond are left out */
  int64_t total;        /* numbers in a flat vector of all parameters */
  float *velocity;      /* total: what the optimizer remembers from step to step: for checkpoints, and to be zeroed */
  int64_t *sum;         /* total: see facet_sgd_sum */
  /* its own */
  facet_network *network;
  const facet_straight_through *through;
  const facet_training_job *job;
  int part, parts;
  facet_executor *executor;
  facet_parameter *parameter;
  int parameters;
  int64_t inputs, classes;
  int64_t micro, micros, own; /* samples of a micro-batch; micro-batches of a step, and of this part of one */
  int64_t most;               /* of them, a part has room for the gradients of */
  int64_t *share;             /* parts: how many are whose; those of the first part come first */
  double *pace;               /* parts: seconds of a micro-batch, as they are known */
  double *took;               /* parts: room for those who deal */
  double busy;                /* seconds of own micro-batches since they were dealt last; and how many */
  int64_t gone_through;
  int exponent;           /* sums are integers times 2^-exponent */
  float *gradient;        /* own micro-batches of a step, one after the other */
  facet_shuffle *shuffle; /* of the data, for each epoch */
  int64_t *order;         /* micro: a piece of it */
  float *pixels, *x, *dlogits, *room;
  float *table; /* data.h: of pixels that are bytes; NULL: they are not */
  double *logits;
  double loss; /* of the own samples since it was last shown */
  int64_t seen;
} facet_sgd;

/* SGD with momentum and weight decay (as PyTorch's SGD), cross-entropy, running batch-norm statistics with momentum
 * 0.1, on the network's own constants. With `through` the scores take the steps; of the network only the batch-norm
 * statistics change. Network, job and through must outlive it. FACET_BAD_INPUT: not a float32 network. */
facet_status facet_sgd_create(facet_network *network, const facet_straight_through *through,
                              const facet_training_job *job, int part, int parts, facet_sgd **sgd);
void facet_sgd_destroy(facet_sgd **sgd);
/* Bytes that one of so many parts takes. */
facet_status facet_sgd_memory(facet_network *network, const facet_training_job *job, int parts, size_t *bytes);

/* Step number `step`, counted over all epochs, of this part: its batch is cut into micro-batches that the study fixes,
 * and each part goes through some of them. The network's constants may have been changed since the step before.
 * mask: as facet_sgd_move will have it; gradients of what stays 0 may be left out. *largest: of their |gradients|;
 * infinite if one is not finite. */
facet_status facet_sgd_gradients(facet_sgd *sgd, int64_t step, const facet_mask *mask, double *largest);
/* Seconds that one of its micro-batches took this part since they were dealt last; 0: it had none. */
double facet_sgd_pace(const facet_sgd *sgd);
/* Deals the micro-batches of the steps that come to the parts anew, by what one took each, facet_sgd_pace of all: fewer
 * to one who is slow. All parts are to be told the same, between steps. Whoever goes through a micro-batch changes no
 * bit. */
void facet_sgd_deal(facet_sgd *sgd, const double *took);
/* sum: the gradients of this part's micro-batches, as integers scaled by the largest gradient of all parts, so that
 * adding the parts up is exact. FACET_DIVERGED names job.stage and the step if `largest` is not finite. */
facet_status facet_sgd_sum(facet_sgd *sgd, int64_t step, double largest);
/* Moves the parameters by the sum of all parts. mask: what stays 0; NULL: nothing. */
void facet_sgd_move(facet_sgd *sgd, double rate, const facet_mask *mask);
/* Mean loss of this part's samples since the last call; false until there are enough to say. */
bool facet_sgd_loss(facet_sgd *sgd, double *loss);

/* Samples that a training sees, of so many: each epoch leaves out what does not fill a batch. */
int64_t facet_training_samples(const facet_training *how, int64_t count);
/* The learning rate at step `position` of a training of `length` steps, `epoch` of them an epoch. */
double facet_training_rate(const facet_training *how, int64_t position, int64_t length, int64_t epoch);

#endif
