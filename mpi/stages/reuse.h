/* Taking over what is still true from the store of a version of the study before this one. */
#ifndef FACET_REUSE_H
#define FACET_REUSE_H

#include "stage.h"

/* Where that store lies: it had the store's own place. The caller frees. */
char *facet_reuse_file(const facet_settings *settings);
/* Not collective. How many tiles of the analysis a store has that are true in the plan; take: of each whether it does,
 * or NULL. 0 where there is no such file, or no store. */
facet_status facet_reuse_find(const facet_context *context, const char *path, uint8_t *take, int64_t *count);
/* Collective. Copies them into the context's store and marks them, unless they are there, and says how many there are.
 */
facet_status facet_reuse_tiles(const facet_context *context);

#endif
