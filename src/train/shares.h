/* Equal units of work shared out to parts that are not as fast as each other, by what one unit takes each of them. */
#ifndef FACET_SHARES_H
#define FACET_SHARES_H

#include "base/base.h"

/* How many of `units` each of `parts` gets, `most` of them at most, so that the last one is over soonest; pace: what
 * one takes each, > 0. The same numbers give the same shares; where all are alike, the first parts have more. parts x
 * most is units or more. */
void facet_shares_deal(int parts, int64_t units, int64_t most, const double *pace, int64_t *share);

/* What is known of the paces after some work. took: what a unit took each part in it; 0: it had none. pace: 0 where
 * nothing is known yet. One who had nothing to do is thought faster bit by bit, so that who was slow for a while is
 * tried again. */
void facet_shares_learn(int parts, const double *took, double *pace);

#endif
