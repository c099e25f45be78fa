/* Taking over what is still true from the store of a version of the study before this one: tiles of the analysis first,
 * and then, stage by stage, the parts that read nothing but such tiles and that follow from the same. */
#ifndef FACET_REUSE_H
#define FACET_REUSE_H

#include "stage.h"

/* Where that store lies: it had the store's own place. The caller frees. */
char *facet_reuse_file(const facet_settings *settings);

/* Collective. Opens that store, if there is one, and finds its tiles; in the context. End it in any case. */
facet_status facet_reuse_begin(facet_context *context);
void facet_reuse_end(facet_context *context);
/* Collective. Copies what a stage may take over into the store, marks it, unless it is, and says how much there is. */
facet_status facet_reuse_stage(const facet_context *context, const facet_stage *stage);
/* Not collective. Copies a part of the stage that is being run. */
facet_status facet_reuse_copy(const facet_context *context, int64_t part);

/* What is taken over of a tile of the analysis, by its number. But for features: the analysis copies it and goes on. */
typedef enum { FACET_TAKEN_NOT, FACET_TAKEN_BUT_FEATURES, FACET_TAKEN_WHOLE } facet_taken;
facet_taken facet_reused_tile(const facet_context *context, int64_t tile);
/* Whether the tile of a sample is, with its features or without: what reads the sample reads the same. */
bool facet_reused_sample(const facet_context *context, int variant, int condition, int64_t sample);
/* Whether all tiles of the first so many samples of a variant under a condition are, and, where those are all, there
 * were no more; and, for those who read features of all, whether these were stored there as they are here. condition
 * -1: there is nothing to read. */
bool facet_reused_line(const facet_context *context, int variant, int condition, int64_t samples);
bool facet_reused_features(const facet_context *context, int variant, int condition);
/* As the latter, of a tile alone. */
bool facet_reused_tile_features(const facet_context *context, int64_t tile);

/* The store before, of which the present stage is entered. */
facet_before *facet_reused_from(const facet_context *context);

/* Not collective, of a context that is forecast. How many parts of each of facet_stages a store has that a run of the
 * plan would take over: all 0 where there is no such file, or no store. aside: it lies where facet_reuse_file says. */
facet_status facet_reuse_count(const facet_context *context, const char *path, bool aside, int64_t *count);
/* Whether the files that the store had beside it, of stages, lie aside, too. */
bool facet_reused_aside(const facet_context *context);

#endif
