/* t-SNE for a block of rows: see tsne.h.  The loops over pairs are in tsne_pairs.c. */
#include "tsne.h"

#include <math.h>

#include "tsne_pairs.h"

enum { TRIES = 50 };

/* beta, between what was too small and what was too large. */
typedef struct {
  double low, high, beta;
} bracket;

static void move(bracket *b, bool more)
{
  *(more ? &b->low : &b->high) = b->beta;
  if (b->high == INFINITY)
    b->beta *= 2;
  else
    b->beta = (b->low + b->high) / 2;
}

/* Distances from the nearest one on, self left out (infinite); and their mean. */
static double from_nearest(int64_t n, int64_t self, double *d2)
{
  double least = INFINITY, sum = 0;
  for (int64_t j = 0; j < n; j++)
    if (j != self && d2[j] < least)
      least = d2[j];
  for (int64_t j = 0; j < n; j++) {
    d2[j] = j == self ? 0 : d2[j] - least;
    sum += d2[j];
  }
  return sum / (double)(n - 1);
}

void facet_tsne_neighbours(int64_t n, int64_t self, double perplexity, double *d2)
{
  double mean = from_nearest(n, self, d2), target = log(perplexity), sum, weighted;
  bracket b = {.low = 0, .high = INFINITY, .beta = mean > 0 ? 1 / mean : 1};
  for (int i = 0; i < TRIES; i++) {
    facet_tsne_sum(n, self, d2, b.beta, &sum, &weighted);
    double excess = log(sum) + b.beta * weighted / sum - target; /* of the entropy */
    if (fabs(excess) <= 1e-5 || i + 1 == TRIES)
      break;
    move(&b, excess > 0);
  }
  facet_tsne_probabilities(n, self, b.beta, sum, d2);
}

facet_status facet_tsne_measure(const facet_tsne_part *part, int dimensions, const double *y, double alpha,
                                bool learn_alpha, facet_tsne_forces *forces)
{
  FACET_CHECK(dimensions >= 1 && dimensions <= FACET_MOST_DIMENSIONS, FACET_INTERNAL, "a map of %d dimensions",
              dimensions);
  forces->cross = forces->weight = forces->cross_alpha = forces->weight_alpha = 0;
  return part->real == FACET_F32 ? facet_tsne_pairs_float(part, dimensions, y, alpha, learn_alpha, forces)
                                 : facet_tsne_pairs_double(part, dimensions, y, alpha, learn_alpha, forces);
}
