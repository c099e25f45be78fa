/* Private to src/net: the second way through a pullback, for networks of which most weights are 0.
 *
 * Adjoints of a batch lie in lanes (kernels/lane_conv.h), from the logits to the input: 16 in float, 8 in double, which
 * need not be of one sample.  Only W at the end is brought into the order that others read.  Which way a network goes
 * is chosen when it takes its constants, by weights, shapes and options alone: the same on every machine and rank. */
#ifndef FACET_NET_LANES_H
#define FACET_NET_LANES_H

#include "executor.h"
#include "kernels/lane_conv.h"

/* How one step brings an adjoint to one of its inputs. */
typedef struct {
  int to, addend, after; /* slots; NO_SLOT: 0. What was there so far is `addend`, or `after` behind a slope */
} facet_lanes_way;

typedef struct {
  int g;                    /* slot of the output's adjoint */
  facet_lanes_way *way;     /* per input */
  const facet_step *gate;   /* linear: the gate whose pullback is done with this one's; or NULL */
  int sums_of;              /* by channel sources: the step that sums this one's adjoint on its way; -1: none */
  int64_t sums;             /* linear: where it puts the sums of what it stores; -1: nobody wants them */
  bool backwards;           /* linear: every other one */
  bool done;                /* gate: that is done by such a step */
  facet_lanes *conv;        /* linear */
  facet_lanes_moves *moves; /* move, window sum: per input */
  int32_t *place;           /* window maximum: of every element of the input's layout, its vector */
  void *factor;             /* sum: coefficients as scales by channel, one array after the other */
} facet_lanes_step;

typedef struct facet_lanes_plan {
  bool chosen, insisted;
  facet_lanes_layout *layout; /* per value */
  facet_lanes_step *step;
  int slots;
  facet_lanes_layout *slot; /* how each lies: one for values of one shape alone, for what is around stays 0 */
  int output, input;        /* slots of their adjoints */
  int workers;
  int64_t bytes; /* of what is allocated when lanes are chosen: what follows, and what steps need */
  void **data;   /* workers x slots */
  double *sums;  /* workers x channels x lanes */
  void *made;    /* workers x sums that steps make on their way, of the type */
  int64_t made_size;
  int turns; /* linear steps */
  int64_t most_channels;
} facet_lanes_plan;

/* Leaves x->lanes NULL where a step is of a kind that lanes do not offer. */
facet_status facet_lanes_plan_create(facet_executor *x);
void facet_lanes_plan_destroy(facet_executor *x);
/* Makes what steps need, of which nothing is there. FACET_OS. */
facet_status facet_lanes_equip(facet_executor *x);
/* What that takes for step i, at most, weights aside. */
int64_t facet_lanes_step_bytes(const facet_executor *x, int i);
/* Frees what is allocated when lanes are chosen. */
void facet_lanes_release(facet_executor *x);
/* Chooses by the network's constants, before steps take theirs, and makes room: in place of the adjoints of the other
 * way, which it frees, and no more than these take, whatever the number of threads. FACET_OS. */
facet_status facet_lanes_choose(facet_executor *x);
static inline bool facet_lanes_chosen(const facet_executor *x)
{
  return x->lanes && x->lanes->chosen;
}
/* From now on lanes are chosen whatever they take: for tests. Takes constants anew. FACET_INTERNAL: the network is none
 * for lanes. */
facet_status facet_lanes_insist(facet_executor *x);
/* A linear step's weights, as the kernels have them. FACET_OS. */
facet_status facet_lanes_take(facet_executor *x, const facet_step *step, const void *weights);
/* As facet_executor_pullback. */
facet_status facet_lanes_pullback(facet_executor *x, const int32_t *row, void *w, double *b_node);

#endif
