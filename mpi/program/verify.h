/* What `facet verify` is made of. */
#ifndef FACET_VERIFY_H
#define FACET_VERIFY_H

#include "commands.h"
#include "store/store.h"

/* Collective, after the file was found to hold: its data held against it, and as many tiles, and parts of each
 * stage that can, as the call says computed again; *bad: so many data sets, tiles and stages are others. */
facet_status facet_verify_again(MPI_Comm comm, const facet_call *call, int64_t *bad);
/* Collective: what it finds. */
facet_status facet_verify_store(MPI_Comm comm, const char *path, bool says, facet_store_verified *found);

#endif
