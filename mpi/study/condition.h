/* Samples under a condition: corrupted here, or read from a published set. */
#ifndef FACET_CONDITION_H
#define FACET_CONDITION_H

#include "study.h"

/* Not collective. pixels: samples first .. first+count-1 of the data set, which become those of the condition. */
facet_status facet_condition_apply(const facet_study *study, const facet_dataset *data, facet_condition condition,
                                   int64_t first, int64_t count, float *pixels);
/* Not collective. FACET_BAD_INPUT, FACET_NO_INPUT with the study's file if a published set does not fit the data. */
facet_status facet_conditions_check(const facet_study *study, const facet_dataset *data);

#endif
