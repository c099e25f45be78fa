/* One run at a time in an output folder. */
#ifndef FACET_LOCK_H
#define FACET_LOCK_H

#include "base/base.h"

typedef struct {
  char *path;
  int file; /* open while it is held */
  int made; /* so many folders that were not there before, the last ones of the path */
} facet_lock;

/* Not collective: one rank of a run. Makes the folder, and takes the lock in it until the process ends, however that
 * ends. FACET_CANNOT_CREATE at once, with who holds it, if another process does, on whatever node. The same where
 * the file system knows no locks, unless the environment says FACET_UNLOCKED=1. Release it in any case. */
facet_status facet_lock_take(const char *folder, facet_lock *lock);
/* Whether it was taken, and its file is not where it was any more. */
bool facet_lock_is_lost(const facet_lock *lock);
/* Not needed by who is killed: then the file stays, and holds nobody. Nothing where nothing was taken. Folders that
 * were made for it go, too, if nothing is in them. */
void facet_lock_release(facet_lock *lock);

#endif
