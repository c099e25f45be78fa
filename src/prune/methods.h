/* Pruning methods: the one table of them.  Everything that asks which methods there are, what one needs, or how it
 * prunes, asks here.
 *
 * A method prunes in one of three ways.  Either it scores every weight, and the lowest go; or it finds its mask by
 * itself; or it has a rule, and prunes while it trains.  Functions say what a method is; a rule knows nothing of how
 * steps are taken, nor by whom, and is carried out by whoever trains.
 *
 * To add one: its functions in the file of its family, and its row in methods.c. */
#ifndef FACET_METHODS_H
#define FACET_METHODS_H

#include "prune.h"

/* Scores every weight of the mask's layers, one layer after the other. data: NULL unless the method needs it. */
typedef facet_status facet_scorer(const facet_network *network, const facet_pruning *how, const facet_calibration *data,
                                  const facet_mask *mask, double *score);
/* Fills a mask that comes as one that keeps everything. */
typedef facet_status facet_masker(const facet_network *network, const facet_pruning *how, facet_mask *mask);

/* All the training that a method does. What the network that comes in has cost before is not in it. */
typedef struct {
  double sparsity;
  int64_t steps;
  int64_t rewind;   /* a number of steps */
  double per_round; /* of what is left, each removal takes this fraction; in (0, 1) */
  bool trained;     /* the network that comes in is what the method wants, trained, and that has been done */
} facet_budget;

/* What comes before a step, in this order, and where the step is in its learning-rate schedule. */
typedef struct {
  bool remembers; /* the parameters as they are now */
  bool removes;   /* to `sparsity`, by magnitude */
  bool rewinds;   /* parameters to what was remembered; the new mask stays */
  bool restarts;  /* the optimizer forgets the steps so far */
  double sparsity;
  int64_t position, length;
} facet_turn;

typedef struct {
  /* FACET_BAD_INPUT if there is no way to spend the budget; NULL: there always is. */
  facet_status (*check)(const facet_budget *budget);
  facet_turn (*turn)(const facet_budget *budget, int64_t step);
  bool remembers; /* some turns do */
  /* Where there is `weigh`, scores are trained in place of the weights, by the straight-through estimate: the fraction
   * 1 - sparsity of highest |score| has its weights, anew at every step. begin: the first scores of layer 0, 1, ... of
   * prunable ones; weigh: what the layer computes with. */
  void (*begin)(const float *weight, int64_t count, uint32_t seed, int layer, float *score);
  void (*weigh)(const float *weight, const uint8_t *keep, int64_t count, float *to);
} facet_rule;

struct facet_method {
  const char *name;
  facet_scorer *score; /* this, or one of the next two */
  facet_masker *mask;
  const facet_rule *rule;
  bool needs_data;       /* samples to score with */
  bool gradients;        /* of the weights: piecewise-linear networks alone have them here */
  bool from_first;       /* the network that comes in has its first weights; otherwise as trained */
  bool filters;          /* whole ones go: by layer, how many follows from the shapes alone */
  const char *operation; /* what is done to the network, step by step; NULL: "prune" */
  const char *keys[2];   /* of the study's `variants`: those that not all methods take */
  const char *removes;   /* for the documents, in Markdown */
  const char *source;
};

/* Of the table: 0, 1, ...; NULL: there is none of that number. */
const facet_method *facet_method_at(int number);
bool facet_method_takes(const facet_method *method, const char *key);
/* The table of docs/study.md, on stdout. */
void facet_methods_print(void);

#endif
