/* Linear centred kernel alignment (Kornblith et al. 2019): how alike the features of two networks are, whatever
 * rotation and scale they come in: |H2T H1|_F^2 / (|H1T H1|_F |H2T H2|_F) of features centred over the samples. */
#ifndef FACET_CKA_H
#define FACET_CKA_H

#include "base/base.h"

/* Subtracts from every column of x, rows x columns, its mean, which is sum / samples. */
void facet_center(int64_t rows, int64_t columns, const double *sum, int64_t samples, double *x);

/* CKA of two from |H2T H1|_F^2 and each one's own |HT H|_F^2; NaN where features do not vary. */
double facet_cka(double product, double own, double other);

#endif
