/* A whole training: plain, or by a method that prunes while it trains, carried out by the method's rule
 * (prune/methods.h). */
#ifndef FACET_METHOD_RUN_H
#define FACET_METHOD_RUN_H

#include "prune/methods.h"
#include "trainer.h"

/* Its budget is training.how->epochs. Sparsity is counted over the prunable weights. */
typedef struct {
  const facet_method *method; /* one with a rule; NULL: plain training, with training.mask held if there is one */
  double sparsity;            /* in [0, 1) */
  facet_scope scope;
  int64_t rewind;   /* of the rule's budget */
  double per_round; /* the same */
  bool trained;     /* the network that comes in has been trained, where the method wants that */
  bool allow_collapse;
  facet_training_job training;
} facet_method_job;

/* What a network has cost, a killed run's part included. */
typedef struct {
  int64_t steps, samples; /* samples seen, each as often as it was seen */
  double epochs, seconds;
} facet_method_cost;

/* Collective. Trains and prunes `network` in place, on all ranks alike: the same bits on any number of them. With
 * training.checkpoint, goes on from there if it fits (and says so on stderr), and keeps it up to date after every epoch
 * but the last; the caller removes it when the network is safe. Errors as facet_trainer_step: FACET_DIVERGED names
 * training.stage and the step. FACET_BAD_INPUT: rewind or rounds do not fit the budget. cost may be NULL. */
facet_status facet_method_run(MPI_Comm comm, const facet_method_job *job, facet_network *network,
                              facet_method_cost *cost);
/* Not collective. Bytes that a rank takes, of that many ranks. */
facet_status facet_method_memory(const facet_method_job *job, facet_network *network, int ranks, size_t *bytes);

#endif
