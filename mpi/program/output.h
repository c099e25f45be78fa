/* The output folder of a study. */
#ifndef FACET_OUTPUT_H
#define FACET_OUTPUT_H

#include "base/base.h"

/* What an output holds. */
typedef enum { FACET_OUTPUT_EMPTY, FACET_OUTPUT_SAME, FACET_OUTPUT_EDITED, FACET_OUTPUT_OTHER } facet_output_state;

/* Not collective, as all of these: rank 0. Whether it is this study's own by the canonical text of it; or, if dense,
 * the network, is the study's, that of another version of the study: one of the same name. */
facet_status facet_output_look(const char *output, const char *text, bool dense, facet_output_state *state);
/* Makes the folder, or recognises it as this study's own, and removes first what facet made there if it is to begin
 * afresh. The store of another version of the study takes the name study.h5.before; changed: what is there counts as
 * one, since a variant is made from another file now. FACET_BAD_INPUT for another study's, FACET_CANNOT_CREATE also for
 * what cannot be removed, FACET_IO. *edited: it is changed, or there is such a store. */
facet_status facet_output_claim(const char *output, const char *text, bool dense, bool changed, bool fresh,
                                bool *edited);
/* Whether the study's own store is there. */
bool facet_output_has_store(const char *output);
/* Removes that of another version: the study's own is finished. FACET_IO: it is no longer there. */
facet_status facet_output_finish(const char *output);

#endif
