/* Private to derivative*.c and rules.c.  Values and adjoints of a batch, all kept, in plain order; `d` marks tangents.
 */
#ifndef FACET_DERIVATIVE_PARTS_H
#define FACET_DERIVATIVE_PARTS_H

#include "derivative.h"
#include "lowered.h"

typedef struct {
  int64_t size;   /* of one sample */
  double *u, *du; /* batch samples; NULL where there is none: constants, no tangents */
  double *g, *dg; /* adjoints */
} facet_derivative_value;

typedef struct {
  facet_conv *forward, *pullback, *gradient; /* linear nodes */
  double *scale, *shift;                     /* diagonal nodes: one sample */
  int64_t offset;                            /* linear: where the weights start in the flat vector; -1: not prunable */
} facet_derivative_node;

/* One of the terms that element i of a node's output is the sum of, pattern frozen: factor * input[element]. */
typedef struct {
  int input;
  int64_t element;
  double factor;
} facet_term;

struct facet_derivative {
  const facet_network *network;
  facet_derivative_options options;
  int64_t batch, count; /* samples there is room for; of the present call */
  facet_parameter *parameter;
  int parameters;
  int64_t weights;
  facet_derivative_value *value; /* per value of the network */
  facet_derivative_node *node;   /* per node */
  facet_term *term;              /* room for the terms of one element */
  double *plain, *part;          /* a linear node's weights as its kernel wants them; their gradient */
  double *scratch;               /* one value of a batch */
};

/* Linear nodes. along NULL: no tangents. */
facet_status facet_derivative_linear_create(facet_derivative *d, int node);
facet_status facet_derivative_linear_forward(facet_derivative *d, int node, const double *weight, const double *along);
facet_status facet_derivative_linear_backward(facet_derivative *d, int node, const double *weight, const double *along,
                                              double *gradient, double *hessian);

/* to = W from, or W^T from (`back`), for the whole batch; weights of the flat vector. */
facet_status facet_derivative_linear_apply(facet_derivative *d, int node, bool back, const double *flat,
                                           const double *from, double *to);

/* All other kinds. */
facet_status facet_derivative_terms_create(facet_derivative *d, int node);
int64_t facet_derivative_most_terms(const facet_derivative *d, int node);
/* The terms of one element, in d->term: how many; for the absolute network all of one sign. */
int64_t facet_derivative_terms(const facet_derivative *d, int node, int64_t sample, int64_t i, double *constant);
void facet_derivative_terms_forward(facet_derivative *d, int node, bool tangents);
void facet_derivative_terms_backward(facet_derivative *d, int node, bool tangents);

#endif
