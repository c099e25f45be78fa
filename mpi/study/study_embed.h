/* The key `embed` of a study. */
#ifndef FACET_STUDY_EMBED_H
#define FACET_STUDY_EMBED_H

#include "study.h"

/* How many batches of about one size the encoder learns from, none larger than the study's. */
int64_t facet_embed_batches(const facet_embedding *embed, int64_t samples);
int64_t facet_embed_largest(const facet_embedding *embed, int64_t samples); /* of those batches: its samples */
/* What can be said once it is known how many samples there are to learn from. FACET_BAD_INPUT with file and line. */
facet_status facet_study_check_embed(const facet_study *study, int64_t there);

#endif
