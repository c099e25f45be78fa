/* Private to the study: the tables of its keys, keys.def, and what holds between them. */
#ifndef FACET_STUDY_KEYS_H
#define FACET_STUDY_KEYS_H

#include "study.h"
#include "study_schema.h"

extern const facet_mapping facet_study_mapping; /* the whole */
extern const facet_mapping facet_training_mapping, facet_recipe_mapping, facet_corrupted_mapping;
extern const facet_mapping facet_model_keys_mapping, facet_normalization_mapping;

/* What holds between the keys. Errors as facet_study_read. */
facet_status facet_study_check(const facet_tree *root, const facet_study *study, facet_study_taken *taken);

/* The row of `conditions`: lists multiply. */
facet_status facet_conditions_read(const facet_schema_reader *reader, const facet_key *key, const facet_tree *node,
                                   void *study);
void facet_conditions_print(FILE *out, const void *study);
void facet_conditions_clear(void *study);

#endif
