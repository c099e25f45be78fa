/* A two-dimensional slice of the input space, cut into the regions of a network, in double.
 *
 * On the plane x(u, v) = origin + u e1 + v e2 a piecewise-linear network is affine on each of finitely many convex
 * polygons, its regions' slices.  They are found layer by layer, as a path finds the pieces of a segment: what is known
 * are the values at the polygons' corners, and between corners they are affine.  A linear layer is applied to all
 * corners; at a gate a polygon is cut where an element changes its side between two corners, at a maximum where the
 * winner changes (Sotoudeh & Thakur 2019, arXiv 1908.06214; Humayun et al. 2023, arXiv 2302.12828).  So a layer costs
 * what it costs at the corners that the layers before it made.  In the end each region is cut once more, where its
 * largest logit changes.
 *
 * Corners are shared: the crossing of an edge is computed once, from the values at its two ends in one order, so that
 * both of its polygons get the same point.  A cut makes two of one polygon and loses nothing; what it would make
 * narrower than FACET_PLANE_NEAREST is not cut off, and counted.
 *
 * As many corners are known at once as there is memory for.  A chunk of polygons that outgrows it becomes two, which go
 * on one after the other; of the one that waits only places are kept, and its values are computed anew. */
#ifndef FACET_FACE_PLANE_H
#define FACET_FACE_PLANE_H

#include <facet/network.h>

FACET_BEGIN

#define FACET_PLANE_NEAREST 0x1p-43 /* of the diameter of what is cut: nearer corners are one */

/* The plane through three inputs (D numbers each, in the network's input order), x[0] its origin, in coordinates that
 * measure distances in the input: along: 2 x D, two unit vectors, the first towards x[1]; at: 3 x 2, where the three
 * lie. FACET_BAD_INPUT: they lie on a line. */
facet_status facet_plane_through(int64_t inputs, const double *const *x, double *along, double *at);
/* The rectangle around the three, its sides along the coordinates, farther out on every side by `margin` times the
 * longer one; then by `window` towards `centre` (u, v; NULL: the first of them): 1 leaves it. corner: 4 x 2,
 * counterclockwise. */
void facet_plane_around(const double *at, double margin, double window, const double *centre, double *corner);

typedef struct facet_plane facet_plane; /* its memory; one thread at a time */

/* bytes: of memory for corners that are known at once, of which more is faster; the result is the same but for
 * rounding. 64 are in any case. The network must outlive it. Caller destroys. */
facet_status facet_plane_create(const facet_network *network, double bytes, facet_plane **plane);
void facet_plane_destroy(facet_plane **plane);

/* Where the largest logit changes, looked for on the ways from the first of the three inputs x to the other two, the
 * nearer one: centre: u, v; at: of facet_plane_through. A place to look at: of a change that lasts less than 1/64 of
 * the way it may know nothing. *found: whether there is one; else centre is that of the first. pause: called now and
 * then; not FACET_OK: is returned; or NULL. */
facet_status facet_plane_change(facet_plane *plane, const double *const *x, const double *at,
                                facet_status (*pause)(void *context), void *context, double *centre, int32_t *found);

typedef struct {
  const double *origin, *along;         /* D; 2 x D: e1 and e2, in the network's input order */
  int64_t corners;                      /* of the convex polygon that is cut, at least 3, counterclockwise */
  const double *corner;                 /* corners x 2: u, v */
  int64_t most;                         /* polygons, at most; and 4 + 3 times as many points, 4 + 6 times corners */
  facet_status (*pause)(void *context); /* called now and then; not FACET_OK: is returned; or NULL */
  void *context;
} facet_plane_options;

/* Borrowed, until the next call. */
typedef struct {
  int64_t points, polygons, corners, regions;
  const double *at;      /* points x 2: u, v */
  const double *logits;  /* points x K; inside a polygon they are affine */
  const int64_t *first;  /* polygons + 1: where the corners of each begin */
  const int32_t *corner; /* corners: numbers of points, counterclockwise */
  const uint8_t *edge;   /* corners: 1 where the edge to the next one is a decision boundary */
  const int32_t *winner; /* polygons: the largest logit */
  const int64_t *region; /* polygons: those of one region have one number, 0 .. regions-1, and stand together */
  int64_t dropped;       /* cuts that were not made: a part would have been narrower than FACET_PLANE_NEAREST */
  double uncovered;      /* |1 - areas of all polygons / area of the whole| */
  double residual;       /* over all regions, at the mean of the corners: max |F - mean of the corners' logits| /
                            max(1, max |F|), F by a plain forward pass */
  int32_t full;          /* 1: there are more than `most`, and of the above nothing holds */
} facet_plane_result;

/* FACET_BAD_INPUT where the memory for corners does not do for one polygon. */
facet_status facet_plane_cut(facet_plane *plane, const facet_plane_options *options, facet_plane_result *result);

FACET_END

#endif
