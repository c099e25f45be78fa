/* For src/prune: exact derivatives of a network by its prunable weights, in double and apart from the executor.
 *
 * The weights are one flat vector: the parameters of role FACET_WEIGHT, one after the other in the order of
 * facet_network_parameter_list.  They are as in the file (nothing is folded into them) and are handed in at every call,
 * so a step along some direction needs no second network.  Everything else (biases, batch norm with the statistics of
 * the file) is taken from the network and stays.
 *
 * A Hessian-vector product is the derivative of the gradient along v.  Both passes carry dual numbers u + e du with
 * e^2 = 0: weights W + e V, values, adjoints.  With the pattern frozen (gates, winners) every node but the linear ones
 * maps du as it maps u, without its constants; a linear node is a product, so d(W u) = V u + W du; the softmax has its
 * own rule.  No step size, no cancellation: exact to rounding wherever the network is differentiable. */
#ifndef FACET_DERIVATIVE_H
#define FACET_DERIVATIVE_H

#include "net.h"

typedef struct facet_derivative facet_derivative;

typedef struct {
  int64_t batch; /* samples that come at once, at most: memory follows it up to a bound */
  bool tangents; /* derivatives along a direction are wanted */
  bool absolute; /* the network of synflow: see facet_derivative_flow */
} facet_derivative_options;

/* The network must outlive it. */
facet_status facet_derivative_create(const facet_network *network, facet_derivative_options options,
                                     facet_derivative **derivative);
void facet_derivative_destroy(facet_derivative **derivative);

int64_t facet_derivative_weights(const facet_derivative *derivative);            /* length of the flat vector */
void facet_derivative_start(const facet_derivative *derivative, double *weight); /* the network's own weights */

/* Labelled samples. x: count x D in the input's order; label: 0 .. K-1. */
typedef struct {
  const float *x;
  const int32_t *label;
  int64_t count;
} facet_labelled;

typedef struct {
  double loss;
  double *gradient; /* flat, of the caller */
  double *hessian;  /* the derivative of the gradient along a direction; NULL: not wanted */
} facet_loss_derivatives;

/* The mean cross-entropy over the samples and its gradient; with `along` (a flat vector, or NULL) the Hessian's product
 * with it. */
facet_status facet_derivative_loss(facet_derivative *derivative, const double *weight, const double *along,
                                   facet_labelled samples, facet_loss_derivatives *found);

/* For a derivative made with `absolute`: R, the sum of the outputs for an input of ones, and dR/dweight.  `weight` is
 * to hold absolute values; the rest of the network follows the same rule: no biases and no other additive constants
 * (batch norm is |gamma| / sqrt(variance + epsilon) u), factors in absolute value, constants in Max and Min do not
 * compete, and gates have the slope of their piece just above 0 (1 for ReLU). */
facet_status facet_derivative_flow(facet_derivative *derivative, const double *weight, double *flow, double *gradient);

#endif
