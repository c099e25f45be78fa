/* Angle, length and margin of features: the three terms of the cross-entropy loss. */
#ifndef FACET_FACE_GEOMETRY_H
#define FACET_FACE_GEOMETRY_H

#include <facet/network.h>

FACET_BEGIN

/* For one sample: h (features), y its class (or -1: angle and margin become NaN).
 * cosine: K, to every class direction; angle in radians; length the 2-norm; margin signed distance to the nearest
 * decision boundary. A zero feature or direction has cosine 0. All in double. */
void facet_geometry(const facet_head *head, const double *h, int32_t y, double *angle, double *length, double *margin,
                    double *cosine);
/* The rival of class y for feature h: the class whose decision boundary is nearest, and thereby the margin (as above),
 * and 1 / |w_y - w_rival|, which turns the difference of their logits into it. Of equal ones the first. -1, and NaN
 * twice, without a class or rival, or where the two have one direction. */
int32_t facet_rival(const facet_head *head, const double *h, int32_t y, double *margin, double *factor);
/* -log softmax(logits)[y]; NaN for y = -1. */
double facet_cross_entropy(const double *logits, int64_t classes, int32_t y);
/* The same loss from length, cosines and the head alone. */
double facet_loss_from_geometry(const facet_head *head, double length, const double *cosine, int32_t y);

FACET_END

#endif
