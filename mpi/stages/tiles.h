/* The driver of tiles: units of work that ranks share, dealt by cost and dealt anew while they run.
 *
 * A stage gives its units, each with a cost and a group (a variant, most often) that has to be entered before it is
 * run, and three functions.  The driver does the rest: who runs which unit, entering and leaving, progress, interrupts,
 * failures.  Who runs a unit must change no bit of it. */
#ifndef FACET_TILES_H
#define FACET_TILES_H

#include <mpi.h>

#include "base/base.h"

typedef struct {
  double cost; /* in any measure; more than 0 */
  int group;   /* units of one group stand together as far as possible: entering one takes time */
  bool done;   /* before this run */
} facet_unit;

typedef struct facet_dealer facet_dealer;

/* The same on every rank but for self. All of it is borrowed. */
typedef struct {
  const char *stage, *name; /* for progress: "analyse", "tiles" */
  int64_t count;
  const facet_unit *unit;
  void *self;
  facet_status (*enter)(void *self, int group);
  void (*leave)(void *self); /* also after an enter that failed; frees whatever uses kernels */
  facet_status (*run)(void *self, facet_dealer *dealer, int64_t unit);
} facet_tiles;

/* Collective. Runs every unit that is not done, each on one rank. A rank that fails or is interrupted stops at the end
 * of its unit; the others, told so, at the end of theirs; all return the same. */
facet_status facet_tiles_run(MPI_Comm comm, const facet_tiles *tiles);
/* To be called by `run` between batches, on its rank: FACET_INTERRUPTED, or FACET_OK. Meanwhile rank 0 answers those
 * who ask for more. dealer NULL: nobody does. */
facet_status facet_dealer_pause(facet_dealer *dealer);
/* Not collective. Bytes that a rank takes for it beside what it has: each group entered, measured, and left. */
facet_status facet_tiles_memory(const facet_tiles *tiles, size_t *bytes);

#endif
