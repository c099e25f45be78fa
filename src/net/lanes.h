/* Private to src/net: the second way through a network of which most weights are 0: back, or, where nobody pulls back
 * and so wants a pattern, forward.
 *
 * Adjoints of a batch lie in lanes (kernels/lane_conv.h), from the logits to the input: 16 in float, 8 in double, which
 * need not be of one sample.  Only W at the end is brought into the order that others read.  Forward, in float, 16
 * samples lie so from the input to the logits, of which these and the features are brought back.  Which way a network
 * goes is chosen when it takes its constants, by weights, shapes and options alone: the same on every machine and rank.
 */
#ifndef FACET_NET_LANES_H
#define FACET_NET_LANES_H

#include "executor.h"
#include "kernels/lane_conv.h"

/* How one step brings an adjoint to one of its inputs. */
typedef struct {
  int to, addend, after; /* slots; NO_SLOT: 0. What was there so far is `addend`, or `after` behind a slope */
} facet_lanes_way;

typedef struct {
  int g;                    /* slot of the output's adjoint; forward: of what is stored */
  facet_lanes_way *way;     /* per input; forward: `to` is its slot, and the first one's addend what the step adds */
  const facet_step *gate;   /* linear: the gate whose pullback is done with this one's; or NULL; forward: that is done
                               with any step */
  int sums_of;              /* by channel sources: the step that sums this one's adjoint on its way; -1: none */
  int64_t sums;             /* linear: where it puts the sums of what it stores; -1: nobody wants them */
  bool backwards;           /* linear: every other one */
  int stores;               /* forward: the value that it stores, what is done with it included */
  bool done;                /* gate, forward a sum as well: that is done by such a step */
  facet_lanes *conv;        /* linear */
  facet_lanes_moves *moves; /* move, window sum: per input */
  int32_t *place;           /* window maximum: of every element of the input's layout, its vector; forward, any window:
                               of every position of a window */
  void *factor;             /* sum: coefficients as scales by channel, one array after the other */
} facet_lanes_step;

typedef struct facet_lanes_plan {
  bool forward, chosen, insisted;
  facet_lanes_layout *layout; /* per value */
  facet_lanes_step *step;
  int slots;
  facet_lanes_layout *slot; /* how each lies: one for values of one shape alone, for what is around stays 0 */
  int output, input;        /* slots of their adjoints; forward: of the values */
  int workers;
  int64_t bytes; /* of what is allocated when lanes are chosen: what follows, and what steps need */
  void **data;   /* workers x slots */
  double *sums;  /* workers x channels x lanes */
  void *made;    /* workers x sums that steps make on their way, of the type */
  int64_t made_size;
  int turns; /* linear steps */
  int64_t most_channels;
  int *order; /* forward: steps as they run, those that are done with others left out */
  int runs;
  int *slot_of; /* forward, per value: where it lies; NO_SLOT: it is never stored */
  void **kept;  /* forward, per value: of those that stay, batch samples of the layout that it has elsewhere; or NULL */
} facet_lanes_plan;

/* Leaves x->lanes NULL where a step is of a kind that lanes do not offer. */
facet_status facet_lanes_plan_create(facet_executor *x);
void facet_lanes_plan_destroy(facet_executor *x);
/* Makes what steps need, of which nothing is there. FACET_OS. */
facet_status facet_lanes_equip(facet_executor *x);
/* The same for a step of a forward pass. */
facet_status facet_lanes_equip_forward(facet_executor *x, int i);
/* Deals out slots for a forward pass, layouts being there. */
facet_status facet_lanes_plan_forward(facet_executor *x);
/* Whether a step can be done forward, layouts being there. */
bool facet_lanes_fits_forward(const facet_executor *x, const facet_step *step);
/* Index moves of a step between lanes: of each input, from the output's places to the input's, or forward the other way
 * round. FACET_OS. */
facet_status facet_lanes_find_moves(const facet_executor *x, const facet_step *step, facet_lanes_step *own);
/* Coefficients of a sum, by channel. FACET_OS. */
facet_status facet_lanes_find_factors(const facet_executor *x, const facet_step *step, facet_lanes_step *own);
/* Whether two values lie alike, but for what is behind them. */
bool facet_lanes_same(const facet_lanes_layout *a, const facet_lanes_layout *b);
/* A slot that nobody uses and where value v lies alike, or a new one. users: how many values lie in each slot, and now
 * one more; grows, and is the caller's. FACET_OS. */
facet_status facet_lanes_slot(facet_lanes_plan *plan, int **users, int v, int *slot);
/* What that takes for step i, at most, weights aside. */
int64_t facet_lanes_step_bytes(const facet_executor *x, int i);
/* Frees what is allocated when lanes are chosen. */
void facet_lanes_release(facet_executor *x);
/* Chooses by the network's constants, before steps take theirs, and makes room: in place of the adjoints of the other
 * way, which it frees, and no more than these take, whatever the number of threads. FACET_OS. */
facet_status facet_lanes_choose(facet_executor *x);
static inline bool facet_lanes_chosen(const facet_executor *x)
{
  return x->lanes && x->lanes->chosen && !x->lanes->forward;
}
static inline bool facet_lanes_chosen_forward(const facet_executor *x)
{
  return x->lanes && x->lanes->chosen && x->lanes->forward;
}
/* From now on lanes are chosen whatever they take: for tests. Takes constants anew. FACET_INTERNAL: the network is none
 * for lanes. */
facet_status facet_lanes_insist(facet_executor *x);
/* A linear step's weights, as the kernels have them, and forward the bias (or NULL). FACET_OS. */
facet_status facet_lanes_take(facet_executor *x, const facet_step *step, const void *weights, const void *bias);
/* As facet_executor_pullback. */
facet_status facet_lanes_pullback(facet_executor *x, const int32_t *row, void *w, double *b_node);
/* As facet_executor_forward, the count being right: what stays is in x->lanes->kept. */
facet_status facet_lanes_forward(facet_executor *x, const void *samples, int64_t count);

#endif
