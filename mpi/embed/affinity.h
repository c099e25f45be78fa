/* Who is whose neighbour among many samples: the joint probabilities of t-SNE as a distributed matrix. */
#ifndef FACET_AFFINITY_H
#define FACET_AFFINITY_H

#include "matrix/blockmatrix.h"

typedef struct {
  facet_blockmatrix *p; /* n x n, of x's type, on x's grid with this rank's rows in one piece; owned */
  double entropy;       /* sum p ln p */
} facet_affinity;

/* Collective. x: n x inputs on a grid of ranks x 1, this rank's rows in one piece. Squared distances in double, by
 * P?GEMM; rows by facet_tsne_neighbours; p_ij = max((p_j|i + p_i|j) / 2n, 2^-52) for i != j, 0 for i = j.
 * FACET_BAD_INPUT if x is not finite, or the perplexity is not in [1, n - 1). */
facet_status facet_affinity_make(const facet_blockmatrix *x, double perplexity, facet_affinity *affinity);
void facet_affinity_clear(facet_affinity *affinity);

/* Bytes that a rank takes for the p of n samples; at most while it is made of samples of so many inputs, itself
 * included. Not collective. */
double facet_affinity_bytes(int ranks, facet_type real, int64_t n);
double facet_affinity_peak(int ranks, facet_type real, int64_t n, int64_t inputs);

#endif
