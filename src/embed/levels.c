/* The loops over pairs and over distances for the level of processors in use: see kernels/levels.h. */
#include "kernels/levels.h"
#include "near.h"
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

FACET_LEVELED(double, facet_near_distance, (int64_t features, const float *a, const float *b), (features, a, b))
FACET_LEVELED_VOID(facet_near_bound,
                   (const facet_near_float *f, int64_t count, const float *square, const float *product, float *low,
                    float *high),
                   (f, count, square, product, low, high))
FACET_LEVELED_VOID(facet_near_places,
                   (const facet_near_layout *y, const double *place, int64_t first, int64_t count, float *far),
                   (y, place, first, count, far))
FACET_LEVELED(int64_t, facet_near_count, (int64_t count, const float *value, float most), (count, value, most))
FACET_LEVELED(int64_t, facet_near_find, (int64_t count, const float *value, float most, int32_t *place),
              (count, value, most, place))

#endif
