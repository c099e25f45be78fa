/* What the key `embed` of a study makes of the samples that there are. */
#include "study_embed.h"

int64_t facet_embed_batches(const facet_embedding *e, int64_t samples)
{
  return (samples + e->batch - 1) / e->batch;
}

int64_t facet_embed_largest(const facet_embedding *e, int64_t samples)
{
  int64_t batches = facet_embed_batches(e, samples);
  return (samples + batches - 1) / batches;
}

facet_status facet_study_check_embed(const facet_study *study, int64_t there)
{
  const facet_embedding *e = &study->stages.embed;
  if (!e->wanted)
    return FACET_OK;
  FACET_CHECK(e->samples <= there, FACET_BAD_INPUT, "%s:%d: embed.samples: %lld, but there are %lld",
              study->settings.file, e->line, (long long)e->samples, (long long)there);
  int64_t samples = e->samples ? e->samples : there, least = samples / facet_embed_batches(e, samples);
  FACET_CHECK(e->perplexity < (double)(least - 1), FACET_BAD_INPUT,
              "%s:%d: embed.perplexity: %g neighbours are more than a batch of %lld samples has", study->settings.file,
              e->line, e->perplexity, (long long)least);
  return FACET_OK;
}
