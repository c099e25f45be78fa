/* Methods that prune while they train, and plain training as the simplest of them.
 *
 * Each has a budget: training.how->epochs is all the training that it does, in epochs of steps; what the network that
 * comes in has cost before is not in it.  Sparsity is counted over the prunable weights.
 *
 *   train       all of the budget with the mask that is given, or none.
 *   finetune    magnitude at the start, then all of the budget.
 *   gmp         (Zhu & Gupta 2017) the sparsity grows from 0 to s as s (1 - (1 - t/T)^3) over the first three quarters
 *               T of the steps, magnitude each of 100 times; the last quarter trains on with the last mask.
 *   lth         (Frankle 2019) trainings one after the other, enough of them that a fraction of what is left (theirs:
 *               20 %), removed after each but the last, makes s (the last removal is what is missing); by magnitude,
 * then weights, batch norm and all, go back to what they were at iteration `rewind` of the first training. lrr (Renda
 * 2020) the same, but the weights stay and the learning-rate schedule alone goes back.  If the network comes in
 * trained, that was the first training, and the first removal is made at once. edge_popup  (Ramanujan 2020) weights,
 * biases and batch norm's factors stay as they are; scores are trained, and the fraction 1 - s of highest |score| has
 * its weights, anew at every step. biprop      (Diffenderfer & Kailkhura 2021) edge_popup whose weights are alpha
 * sign(w), alpha the mean |w| of what a layer keeps.
 *
 * lth and lrr: a training after the first starts at iteration `rewind` of its schedule, so it is shorter by that; the
 * budget is cut so that all schedules have the same length but the last, which takes the steps left over. */
#ifndef FACET_METHODS_H
#define FACET_METHODS_H

#include "trainer.h"

typedef enum {
  FACET_METHOD_TRAIN,
  FACET_METHOD_FINETUNE,
  FACET_METHOD_GMP,
  FACET_METHOD_LTH,
  FACET_METHOD_LRR,
  FACET_METHOD_EDGE_POPUP,
  FACET_METHOD_BIPROP
} facet_training_method;

typedef struct {
  facet_training_method method;
  double sparsity; /* in [0, 1) */
  facet_scope scope;
  int64_t rewind;   /* lth, lrr: a number of steps */
  double per_round; /* lth, lrr: of what is left, each removal takes this fraction; in (0, 1) */
  bool trained;     /* lrr: the network that comes in has been trained */
  bool allow_collapse;
  facet_training_job training;
} facet_method_job;

/* What a network has cost, a killed run's part included. */
typedef struct {
  int64_t steps, samples; /* samples seen, each as often as it was seen */
  double epochs, seconds;
} facet_method_cost;

int facet_training_method_find(const char *name); /* "train", "finetune", ..., "biprop"; -1: unknown */
const char *facet_training_method_name(facet_training_method method);
/* What is meant to come in: dense as trained (finetune, gmp, lrr), or its first weights (lth, edge_popup, biprop). */
bool facet_training_method_wants_trained(facet_training_method method);

/* Collective. Trains and prunes `network` in place, on all ranks alike: the same bits on any number of them. With
 * training.checkpoint, goes on from there if it fits (and says so on stderr), and keeps it up to date after every epoch
 * but the last; the caller removes it when the network is safe. Errors as facet_trainer_step: FACET_DIVERGED names
 * training.stage and the step. FACET_BAD_INPUT: rewind or rounds do not fit the budget. cost may be NULL. */
facet_status facet_method_run(MPI_Comm comm, const facet_method_job *job, facet_network *network,
                              facet_method_cost *cost);
/* Plain training, or on with removed weights kept at 0. */
facet_status facet_train(MPI_Comm comm, facet_network *network, const facet_training_job *job, facet_method_cost *cost);
/* Not collective. Bytes that a rank takes, of that many ranks. */
facet_status facet_method_memory(const facet_method_job *job, facet_network *network, int ranks, size_t *bytes);

/* gmp's sparsity when `done` of its ramp, in [0, 1], is over. */
double facet_gmp_sparsity(double first, double last, double done);

/* lth and lrr: how the budget is cut. */
typedef struct {
  int removals, trainings;
  int64_t length; /* steps of a schedule; of the last: last_length */
  int64_t last_length, rewind;
  double per_round;
  bool trained; /* the first training starts at `rewind`, too, and a removal is before it */
} facet_rounds;
/* Where step `step` of all is. */
typedef struct {
  int training;
  int64_t position, length; /* in its schedule */
  bool first;               /* of its training */
} facet_round_place;
facet_status facet_rounds_cut(double sparsity, double per_round, int64_t steps, int64_t rewind, bool trained,
                              facet_rounds *rounds);
facet_round_place facet_rounds_at(const facet_rounds *rounds, int64_t step);
double facet_rounds_sparsity(const facet_rounds *rounds, double sparsity, int removal); /* after removal 1, 2, ... */

#endif
