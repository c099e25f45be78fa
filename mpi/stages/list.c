/* The list of stages: see list.h. */
#include "stage.h"

#define ADDRESS(name) &facet_stage_##name,
const facet_stage *const facet_stages[] = {FACET_STAGES(ADDRESS) NULL};
