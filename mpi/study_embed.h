/* Private to the study: its key `embed`. */
#ifndef FACET_STUDY_EMBED_H
#define FACET_STUDY_EMBED_H

#include "study.h"
#include "study_schema.h"

/* Reads the mapping into a facet_study's `embed`; target is the study. */
facet_status facet_study_read_embed(const facet_schema_reader *reader, const facet_tree *node, void *target);
void facet_study_clear_embed(facet_embedding *embed);

#endif
