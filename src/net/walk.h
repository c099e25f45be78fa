/* For src/linear: a walk along the straight segment between two inputs, in double.
 *
 * On the segment a piecewise-linear network is piecewise linear in t, the share of the way.  What it computes is known
 * on a part of the segment once its values are known at "points": the ends of the part, and every t at which some gate
 * or maximum changes.  Between two neighbouring points, on a "piece", all values are affine in t, and the pattern is
 * one.
 *
 * Points are found layer by layer: a linear layer is applied to the points found so far; the gate after it has new
 * points where an element crosses a boundary within a piece, found by the values at the piece's ends alone, and the
 * values there lie on the straight line between them (Sotoudeh & Thakur 2019, arXiv 1908.06214, in one dimension).  So
 * a layer costs what it costs at the points of the layers before it.  Backwards, the upper layers are pulled back once
 * for each span on which their patterns stay (walk_spans.c); from some layer on the adjoints of all pieces, each times
 * its length, go down together, and below a gate those are added whose pieces the gate alone had cut: their pattern is
 * the same from there on. */
#ifndef FACET_WALK_H
#define FACET_WALK_H

#include "net.h"

/* Share of rounding in values, of the largest among them. Far above what happens. */
#define FACET_WALK_ROUNDING 0x1p-46

typedef struct facet_walk facet_walk;

/* bytes: memory for points, which a part has as many of as fit, but `fewest` at least, which 8 divides, and 4096 at
 * most. The network must outlive it. Caller destroys. */
facet_status facet_walk_create(const facet_network *network, double bytes, int64_t fewest, facet_walk **walk);
void facet_walk_destroy(facet_walk **walk);
/* As facet_executor_pauses, of all that the walk does from now on; between portions of a step, too. */
void facet_walk_pauses(facet_walk *walk, facet_status (*pause)(void *context), void *context);
int64_t facet_walk_most(const facet_walk *walk); /* points of a part, at most */

/* The segment: D numbers of each end, borrowed, in the network's input order. logits: 2 x K, by plain passes. */
facet_status facet_walk_begin(facet_walk *walk, const double *start, const double *end, double *logits);
/* All points of the part from t0 to t1. *fits: whether there is room for them; else try a shorter one. */
facet_status facet_walk_part(facet_walk *walk, double t0, double t1, bool *fits);

/* The whole segment, in parts of which each has as many changes as there is room for; `take` is called after each. */
facet_status facet_walk_parts(facet_walk *walk, facet_status (*take)(void *self), void *self);
/* Plain passes at so many t, FACET_WALK_PASSES at most: count x K logits. No part is known afterwards. */
enum { FACET_WALK_PASSES = 8 };
facet_status facet_walk_pass(facet_walk *walk, int64_t count, const double *t, double *logits);

/* Of the last part that fitted, in order of t: the number of points, both ends among them; their t; their logits. */
int64_t facet_walk_points(const facet_walk *walk);
double facet_walk_point(const facet_walk *walk, int64_t i);
const double *facet_walk_logits(const facet_walk *walk, int64_t i); /* K */
/* Adds to w (D, input order) the integral of row `row` of W over that part: each piece's row times its length. */
facet_status facet_walk_integrate(facet_walk *walk, int32_t row, double *w);

/* The first of the largest of `count` numbers. walk_maximum.c */
int64_t facet_walk_largest(int64_t count, const double *x);
/* Of `count` numbers that are affine on a piece, `low` at its left end and `high` at its right one: which overtakes
 * number `now` first, and after what share of the piece; -1: none does by more than `rounding`. walk_maximum.c */
int64_t facet_walk_next_ahead(int64_t count, const double *low, const double *high, double rounding, int64_t now,
                              double *share);

#endif
