/* The order that facet_random_permutation gives, of as many numbers as there are, without a list of them all.
 *
 * A window of it is found at a time, by the same draws, followed from the window's places back to where what lies there
 * in the end lay at first.  That draws once for each number behind the window's beginning: to go through all of n costs
 * n^2 / (2 FACET_SHUFFLE_WINDOW) draws, or n where one window holds them. */
#ifndef FACET_SHUFFLE_H
#define FACET_SHUFFLE_H

#include "base.h"

enum { FACET_SHUFFLE_WINDOW = 1 << 16 }; /* takes 16 bytes a number of it */

typedef struct facet_shuffle facet_shuffle;

/* Of 0 .. count-1. Caller destroys. */
facet_status facet_shuffle_create(facet_random random, int64_t count, facet_shuffle **shuffle);
void facet_shuffle_destroy(facet_shuffle **shuffle);
/* Places first .. first+number-1 of the order that depends on (seed, stream, sample). Cheap when they come one after
 * the other. */
void facet_shuffle_take(facet_shuffle *shuffle, uint64_t sample, int64_t first, int64_t number, int64_t *order);

#endif
