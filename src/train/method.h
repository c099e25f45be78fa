/* A network under a training: plain, or by a method that prunes while it trains, as the method's rule says
 * (prune/methods.h): what happens to weights and mask between steps.  All of it follows from the weights, so that masks
 * are the same bits wherever the weights are. */
#ifndef FACET_METHOD_H
#define FACET_METHOD_H

#include "prune/methods.h"
#include "sgd.h"

/* Its budget is training.how->epochs. Sparsity is counted over the prunable weights. */
typedef struct {
  const facet_method *method; /* one with a rule; NULL: plain training, with `mask` held if there is one */
  double sparsity;            /* in [0, 1) */
  facet_scope scope;
  int64_t rewind;   /* of the rule's budget */
  double per_round; /* the same */
  bool trained;     /* the network that comes in has been trained, where the method wants that */
  bool allow_collapse;
  const facet_mask *mask; /* removed weights stay 0; NULL: none */
  const char *checkpoint; /* a file that keeps what a killed training goes on from; NULL: none */
  facet_training_job training;
} facet_method_job;

typedef struct {
  facet_sgd *sgd;
  int64_t step, steps; /* done, of all */
  double seconds;      /* that the steps took */
  facet_piece *piece;  /* see facet_method_pieces */
  int pieces;
  /* its own */
  const facet_method_job *job;
  const facet_rule *rule; /* NULL: of plain training */
  facet_budget budget;
  facet_network *network;
  facet_straight_through through;
  facet_network *weights, *scores; /* of rules that train scores: as they came in; what is trained */
  facet_network *early;            /* of rules that remember */
  facet_mask *mask;                /* of methods that prune */
  facet_parameter *parameter;
  int parameters;
} facet_method_state;

/* Makes `network`, whose constants are trained in place, ready for the first step, as one of `parts` of every batch
 * (sgd.h). Job and network must outlive it; clear it in any case. FACET_BAD_INPUT: rewind or rounds do not fit the
 * budget. */
facet_status facet_method_begin(const facet_method_job *job, facet_network *network, int part, int parts,
                                facet_method_state *state);
void facet_method_clear(facet_method_state *state);
/* What comes before the next step, and the step's rate. */
facet_status facet_method_before(facet_method_state *state, double *rate);
/* What stays 0 in the step that was begun; NULL: nothing. */
const facet_mask *facet_method_mask(const facet_method_state *state);
/* What comes after it; it counts as done. */
facet_status facet_method_after(facet_method_state *state);

/* Where the state lies now, for it to be saved, or filled with one that was. */
facet_status facet_method_pieces(facet_method_state *state);
/* After it was filled. */
void facet_method_filled(facet_method_state *state);
/* Of all that the state follows from: settings, data, mask, and the network as it comes in. */
facet_status facet_method_digest(const facet_method_job *job, const facet_network *network, char hex[65]);

/* Bytes that one of so many parts takes, with a checkpoint. */
facet_status facet_method_memory(const facet_method_job *job, facet_network *network, int parts, size_t *bytes);

#endif
