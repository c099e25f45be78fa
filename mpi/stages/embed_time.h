/* How long an embedding will take, from short measurements of what it consists of. */
#ifndef FACET_EMBED_TIME_H
#define FACET_EMBED_TIME_H

#include "plan.h"

/* Not collective. Seconds on so many ranks; 0 where no embedding is wanted. Times the probabilities and a step of a
 * small batch of noise, and figures of merit of a few samples, and scales them: what is done for each pair of samples
 * with pairs, what is done for each sample with samples. forward: V seconds per sample; corrupting: seconds of all
 * conditions and variants. Ranks are taken to share the work evenly. */
facet_status facet_embed_time(const facet_plan *plan, const double *forward, double corrupting, int ranks,
                              double *seconds);

#endif
