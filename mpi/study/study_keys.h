/* Private to the study: the tables of its keys, by what they are about. */
#ifndef FACET_STUDY_KEYS_H
#define FACET_STUDY_KEYS_H

#include "study.h"
#include "study_schema.h"

extern const facet_mapping facet_keys_study; /* the whole */

/* What holds between the keys. Errors as facet_study_read. */
facet_status facet_study_check(const facet_tree *root, const facet_study *study, facet_study_taken *taken);

/* What is measured: samples, and conditions. */
extern const facet_mapping facet_keys_data, facet_keys_corrupted;
extern const facet_word facet_words_order[];
facet_status facet_keys_read_conditions(const facet_schema_reader *reader, const facet_tree *node, void *study);
void facet_keys_print_conditions(FILE *out, const void *study);
void facet_keys_clear_conditions(void *study);

/* Of what: networks. The study is the reader's context. */
extern const facet_mapping facet_keys_model, facet_keys_variant;

/* What is computed. */
extern const facet_mapping facet_keys_linearize, facet_keys_change, facet_keys_aggregate, facet_keys_embed;

#endif
