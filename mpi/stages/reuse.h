/* Taking over what is still true from the store of a version of the study before this one. */
#ifndef FACET_REUSE_H
#define FACET_REUSE_H

#include "stage.h"

/* Where that store lies: it had the store's own place. The caller frees. */
char *facet_reuse_file(const facet_settings *settings);
/* Not collective. How many tiles of the analysis a store has that are true in the plan. 0 where there is no such file,
 * or no store. */
facet_status facet_reuse_count(const facet_context *context, const char *path, int64_t *count);

typedef struct {
  facet_before *before;
  uint8_t *take; /* of each tile: a facet_taken; NULL: none is */
} facet_reused;
typedef enum { FACET_TAKEN_NOT, FACET_TAKEN_BUT_FEATURES, FACET_TAKEN_WHOLE } facet_taken;
/* Collective. Copies whole tiles into the context's store and marks them, unless they are, and says how many there are;
 * those whose features are missing are for the analysis to copy and to go on with. Clear it in any case. */
facet_status facet_reuse_begin(const facet_context *context, facet_reused *reused);
void facet_reuse_clear(facet_reused *reused);

#endif
