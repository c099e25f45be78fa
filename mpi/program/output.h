/* The output folder of a study. */
#ifndef FACET_OUTPUT_H
#define FACET_OUTPUT_H

#include "base/base.h"

/* Not collective: rank 0. Makes the folder, or recognises it as this study's own by the canonical text of it, and
 * removes first what facet made there if it is to begin afresh. FACET_BAD_INPUT for another study's,
 * FACET_CANNOT_CREATE also for what cannot be removed, FACET_IO. */
facet_status facet_output_claim(const char *output, const char *text, bool fresh);

#endif
