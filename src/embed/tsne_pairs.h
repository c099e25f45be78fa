/* Private to src/embed: the loops over pairs of samples, which have a file of their own because it is compiled with
 * vector versions of exp and log. */
#ifndef FACET_TSNE_PAIRS_H
#define FACET_TSNE_PAIRS_H

#include "tsne.h"

/* sum_j exp(-beta d2_j) and sum_j d2_j exp(-beta d2_j), j != self. */
void facet_tsne_sum(int64_t n, int64_t self, const double *d2, double beta, double *sum, double *weighted);
/* d2_j becomes exp(-beta d2_j) / sum, 0 at self. */
void facet_tsne_probabilities(int64_t n, int64_t self, double beta, double sum, double *d2);

/* facet_tsne_measure. */
facet_status facet_tsne_pairs_float(const facet_tsne_part *part, int dimensions, const double *y, double alpha,
                                    bool learn_alpha, facet_tsne_forces *forces);
facet_status facet_tsne_pairs_double(const facet_tsne_part *part, int dimensions, const double *y, double alpha,
                                     bool learn_alpha, facet_tsne_forces *forces);

#endif
