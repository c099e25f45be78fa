/* The driver of tiles: units of work that ranks share, dealt by cost and dealt anew while they run.
 *
 * A stage says what its units are, each with a cost and a group (a variant, most often) that has to be entered before
 * it is run, and gives three functions.  The driver does the rest: who runs which unit, entering and leaving, marks of
 * what is done, progress, interrupts, failures.  Who runs a unit must change no bit of it. */
#ifndef FACET_TILES_H
#define FACET_TILES_H

#include "store/store.h"

typedef struct {
  double cost;         /* in any measure */
  int group;           /* units of one group stand together as far as possible: entering one takes time */
  int64_t part, parts; /* of the stage's marks: `part`, part + step, ... */
  bool none;           /* nothing is to be done */
  int64_t step;        /* 0 is 1 */
} facet_unit;

typedef struct facet_dealer facet_dealer;

/* The same on every rank but for self. All of it is borrowed. */
typedef struct {
  const char *stage, *name; /* for progress and marks: "analyse", "tiles"; name NULL: no progress */
  int64_t count;
  void *self;
  facet_unit (*unit)(const void *self, int64_t i); /* NULL: part i, all of one cost and group */
  facet_status (*enter)(void *self, int group);    /* NULL: nothing to enter, nor to leave */
  void (*leave)(void *self);                       /* also after an enter that failed; frees whatever uses kernels */
  facet_status (*run)(void *self, facet_dealer *dealer, int64_t i);
  bool together; /* every rank runs every unit, in their order and all at a time: `enter` and `run` are collective */
} facet_tiles;

/* Collective. Runs every unit of which not all parts are marked in the store, each on one rank, and marks it,
 * together with others of the same second, once the disk has their data, which is waited for beside the next units.
 * store NULL: nothing is marked. A rank that fails
 * or is interrupted stops at its unit's next pause, or its end; the others, told so, at those of theirs; all return the
 * same. */
facet_status facet_tiles_run(MPI_Comm comm, const facet_tiles *tiles, facet_store *store);
/* To be called by `run` between batches, on its rank: FACET_INTERRUPTED, or FACET_OK. Meanwhile rank 0 answers those
 * who ask for more, and others tell it that they are at work. */
facet_status facet_dealer_pause(facet_dealer *dealer);
/* Numbers 0 .. count-1 in units of `size`, `step` by `step`, of which nothing is marked nor shown. */
typedef struct {
  const char *stage;
  int64_t count, size, step;
  void *self;
  facet_status (*run)(void *self, int64_t first, int64_t count); /* at most a step */
} facet_portions;
/* Collective. As facet_tiles_run. */
facet_status facet_portions_run(MPI_Comm comm, const facet_portions *portions);
/* Not collective. Bytes that a rank takes for it beside what it has: each group entered, measured, and left. */
facet_status facet_tiles_memory(const facet_tiles *tiles, size_t *bytes);

#endif
