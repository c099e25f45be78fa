/* How alike networks are: each is a point whose coordinates are the angle, length and margin of every sample, each
 * metric divided by its standard deviation over everything; distances, a tree, and a picture in the plane. */
#ifndef FACET_SIMILARITY_H
#define FACET_SIMILARITY_H

#include "base/base.h"

/* Adds to sum (rows x columns) the squared differences of `count` coordinates of two lists of points: a, rows x count,
 * and b, columns x count; finite, or NaN: not known, which adds nothing. sum(a, b) and sum(b, a) are the same bits. */
void facet_similarity_add(int64_t count, int64_t rows, const double *a, int64_t columns, const double *b, double *sum);

/* Average linkage (UPGMA; nearest-neighbour chain, Murtagh 1983). distance: items x items, finite. linkage: (items - 1)
 * x 4 as scipy has it: the two clusters joined (items + i is what line i made), their distance, and how many items they
 * hold. order: the items as the leaves of the tree lie. */
facet_status facet_similarity_linkage(int64_t items, const double *distance, double *linkage, int64_t *order);

/* Classical multidimensional scaling (Torgerson 1952): layout items x 2, whose distances come nearest to the given ones
 * in the sense of the scalar products. The largest coordinate of each axis is positive. FACET_INTERNAL if LAPACK
 * fails. */
facet_status facet_similarity_layout(int64_t items, const double *distance, double *layout);

#endif
