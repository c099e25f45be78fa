/* The loops over pairs for the level of processors in use: see kernels/levels.h. */
#include "kernels/levels.h"
#include "tsne_pairs.h"

#ifdef FACET_LEVELS

FACET_LEVELED_VOID(facet_tsne_sum,
                   (int64_t n, int64_t self, const double *d2, double beta, double *sum, double *weighted),
                   (n, self, d2, beta, sum, weighted))
FACET_LEVELED_VOID(facet_tsne_probabilities, (int64_t n, int64_t self, double beta, double sum, double *d2),
                   (n, self, beta, sum, d2))
FACET_LEVELED(facet_status, facet_tsne_pairs_float,
              (const facet_tsne_part *part, int dimensions, const double *y, double alpha, bool learn_alpha,
               facet_tsne_forces *forces),
              (part, dimensions, y, alpha, learn_alpha, forces))
FACET_LEVELED(facet_status, facet_tsne_pairs_double,
              (const facet_tsne_part *part, int dimensions, const double *y, double alpha, bool learn_alpha,
               facet_tsne_forces *forces),
              (part, dimensions, y, alpha, learn_alpha, forces))

#endif
