/* From a study, its data and its networks to the plan of a run. */
#ifndef FACET_PLAN_MAKE_H
#define FACET_PLAN_MAKE_H

#include "stages/plan.h"

/* Not collective. `text`: the study as the user wrote it (borrowed). study, data and family must outlive the plan,
 * which is for so many ranks. FACET_BAD_INPUT where the study's memory is not enough. Clear it when this succeeds. */
facet_status facet_plan_make(const facet_study *study, const char *text, const facet_study_data *data,
                             const facet_family *family, int ranks, facet_plan *plan);
void facet_plan_clear(facet_plan *plan);

#endif
