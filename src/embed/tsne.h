/* The mathematics of t-SNE for a block of rows (van der Maaten & Hinton 2008, van der Maaten 2009): who is
 * whose neighbour in the input, how that differs from who is whose neighbour in the map, and what would mend it.
 * Nothing here knows ranks: what a row adds to sums over all samples is handed out, and summed by the caller. */
#ifndef FACET_TSNE_H
#define FACET_TSNE_H

#include "base/base.h"

enum { FACET_MOST_DIMENSIONS = 3 }; /* of a map */

/* The smallest joint probability: p and q are clamped to it. */
#define FACET_TSNE_LEAST 0x1p-52

/* p_j|i of one sample: exp(-beta d2_j), normalised, where beta is bisected (at most 50 times) until the entropy is
 * within 1e-5 of ln(perplexity). d2: n squared distances, not negative, overwritten by p; p is 0 at `self`. Scaling all
 * distances changes nothing. Samples that lie where `self` lies are neighbours as near as can be: where there are more
 * of them than the perplexity, they share everything evenly. perplexity: in [1, n - 1). */
void facet_tsne_neighbours(int64_t n, int64_t self, double perplexity, double *d2);

enum { FACET_TSNE_TOGETHER = 8 }; /* rows that are copied at once: a cache line of a column */

/* A block of rows of both matrices: `rows` samples from `first` on against all n, column by column. */
typedef struct {
  int64_t n, first, rows;
  double *given;   /* products of samples, then p_j|i */
  facet_type real; /* of p */
  void *p;         /* joint probabilities */
} facet_tsne_rows;

/* given: products x_i x_j become p_j|i. norm: |x|^2 of all n samples; line: room for FACET_TSNE_TOGETHER n numbers. */
void facet_tsne_given(const facet_tsne_rows *block, const double *norm, double perplexity, double *line);

/* p_j|i of another block's samples `first` .. for samples of this one: a column of `rows` numbers for each. */
typedef struct {
  int64_t first, rows;
  const double *given;
} facet_tsne_other;

/* p_ij = max((p_j|i + p_i|j) / 2n, FACET_TSNE_LEAST) for i != j, 0 for i = j, of the block's rows from .. from+count-1,
 * whose columns `other` has, and of the other's samples. Returns the sum of p ln p. */
double facet_tsne_join(const facet_tsne_rows *block, int64_t from, int64_t count, facet_tsne_other other);

/* A part of the matrix of joint probabilities: `rows` samples against all n, column by column. */
typedef struct {
  facet_type real; /* of p, and what the inner loops count in */
  int64_t n, rows;
  const int64_t *self; /* rows: which of the n samples each is */
  const void *p;       /* n columns of `rows` numbers, the next column max(1, rows) on; p of a sample with itself: 0 */
} facet_tsne_part;

/* What the rows of a part say about positions in the map; the caller provides the arrays. */
typedef struct {
  double *pull, *push; /* rows x dimensions: sum_j p_ij w (y_i - y_j) and sum_j k_ij w (y_i - y_j) */
  double cross;        /* sum_ij p_ij ((alpha + 1) / 2) ln(1 + d2 / alpha) */
  double weight;       /* sum_ij k_ij */
  double cross_alpha;  /* sum_ij p_ij g_ij, with g the derivative by alpha of ((alpha + 1) / 2) ln(1 + d2 / alpha) */
  double weight_alpha; /* sum_ij k_ij g_ij */
} facet_tsne_forces;

/* With d2 = |y_i - y_j|^2, w = 1 / (1 + d2 / alpha), k = w^((alpha + 1) / 2), q = k / Z and Z = the sum of all
 * `weight`s: loss C = sum p ln p + cross + ln Z,   (sum p = 1) dC/dy_i = (2 (alpha + 1) / alpha) (pull_i - push_i / Z),
 * dC/dalpha = cross_alpha - weight_alpha / Z, sums over all rows of all parts. y: n x dimensions. learn_alpha: the last
 * two are wanted, and 0 otherwise. */
facet_status facet_tsne_measure(const facet_tsne_part *part, int dimensions, const double *y, double alpha,
                                bool learn_alpha, facet_tsne_forces *forces);

#endif
