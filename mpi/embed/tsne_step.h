/* Loss and gradient of the embedding of many samples, whose joint probabilities are distributed. */
#ifndef FACET_TSNE_STEP_H
#define FACET_TSNE_STEP_H

#include "affinity.h"

typedef struct {
  double loss;  /* KL(P|Q), without exaggeration */
  double alpha; /* dC/dalpha; 0 where it is not learned */
  double *y;    /* n x dimensions by rows: dC/dy of this rank's samples, 0 elsewhere; the caller's */
} facet_tsne_gradient;

/* Collective over the grid of p. y: n x dimensions, on every rank. exaggeration multiplies p in dC/dy (van der Maaten &
 * Hinton 2008); 1: none. */
facet_status facet_tsne_step(const facet_affinity *affinity, int dimensions, const double *y, double alpha,
                             bool learn_alpha, double exaggeration, facet_tsne_gradient *gradient);

#endif
