/* How alike networks are: each is a point whose coordinates are the angle, length and margin of every sample, each
 * metric divided by its standard deviation over everything; distances, a tree, and a picture in the plane. */
#ifndef FACET_SIMILARITY_H
#define FACET_SIMILARITY_H

#include "base/base.h"

/* Adds to distance (items x items, row-major; both halves) the squared differences of `count` coordinates; points:
 * items x count. What is not finite in one of the two adds nothing. */
void facet_similarity_add(int64_t items, int64_t count, const double *points, double *distance);

/* Average linkage (UPGMA; nearest-neighbour chain, Murtagh 1983). distance: items x items. linkage: (items - 1) x 4 as
 * scipy has it: the two clusters joined (items + i is what line i made), their distance, and how many items they hold.
 * order: the items as the leaves of the tree lie. */
facet_status facet_similarity_linkage(int64_t items, const double *distance, double *linkage, int64_t *order);

/* Classical multidimensional scaling (Torgerson 1952): layout items x 2, whose distances come nearest to the given ones
 * in the sense of the scalar products. The largest coordinate of each axis is positive. FACET_INTERNAL if LAPACK
 * fails. */
facet_status facet_similarity_layout(int64_t items, const double *distance, double *layout);

#endif
