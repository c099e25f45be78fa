/* What `facet check` shows beside the study itself. */
#ifndef FACET_CHECK_H
#define FACET_CHECK_H

#include "stages/analyse.h"

/* Prints variants, tiles, work, memory per rank, disk. */
facet_status facet_plan_print(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                              int ranks);

#endif
