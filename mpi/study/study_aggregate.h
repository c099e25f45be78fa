/* Private to the study: its key `aggregate`. */
#ifndef FACET_STUDY_AGGREGATE_H
#define FACET_STUDY_AGGREGATE_H

#include <stdio.h>

#include "study.h"
#include "study_schema.h"

/* Reads the mapping into a facet_study's `aggregate`; target is the study. */
facet_status facet_study_read_aggregate(const facet_schema_reader *reader, const facet_tree *node, void *target);
/* What `aggregate` leaves out depends on `linearize`, which is read by now. FACET_BAD_INPUT for a spectrum of nothing.
 */
facet_status facet_study_settle_aggregate(const facet_tree *root, facet_study *study);
/* The mapping as text, with all defaults. */
void facet_study_put_aggregate(FILE *out, const facet_aggregation *aggregate);

#endif
