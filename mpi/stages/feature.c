/* Features by forward passes: see feature.h. */
#include "feature.h"

struct facet_features {
  facet_store *stored; /* NULL: they are made here */
  int variant;
  facet_pass pass; /* without an executor: inputs are the features */
  int value;       /* of the network: the feature */
  int64_t count;
};

facet_feature_source facet_feature_source_of(const facet_context *c, int variant, facet_pixels *pixels)
{
  return (facet_feature_source){.pixels = pixels,
                                .member = &c->family->member[variant],
                                .real = c->plan->store.settings->precision,
                                .batch = c->plan->work[variant].forward_batch,
                                .stored = c->plan->store.variant[variant].features > 0 ? c->store : NULL,
                                .variant = variant};
}

static facet_status make(const facet_feature_source *s, facet_features *f)
{
  f->stored = s->inputs ? NULL : s->stored;
  f->variant = s->variant;
  if (f->stored)
    return FACET_OK;
  const facet_network *network = s->inputs ? NULL : s->member->network;
  facet_executor_options options = {.real = s->real, .batch = s->batch};
  FACET_TRY(facet_pass_make(network, options, s->pixels, &s->member->input, false, &f->pass));
  f->count = network ? facet_network_features(network, &f->value) : f->pass.loader.inputs;
  FACET_CHECK(f->count > 0, FACET_INTERNAL, "%s has no features", s->member->variant.name);
  return FACET_OK;
}

facet_status facet_features_create(const facet_feature_source *source, facet_features **features)
{
  FACET_NEW(*features, 1);
  facet_status status = make(source, *features);
  if (status != FACET_OK)
    facet_features_destroy(features);
  return status;
}

void facet_features_destroy(facet_features **features)
{
  if (!*features)
    return;
  facet_pass_clear(&(*features)->pass);
  facet_free(features);
}

static facet_status run_batch(facet_features *f, int64_t count, double *feature)
{
  facet_pass *p = &f->pass;
  if (p->executor) {
    FACET_TRY(facet_executor_forward(p->executor, facet_pass_input(p), count));
    return facet_executor_value(p->executor, f->value, feature);
  }
  for (int64_t i = 0; i < count * f->count; i++)
    feature[i] = p->x ? (double)p->x[i] : p->exact[i];
  return FACET_OK;
}

facet_status facet_features_run(facet_features *f, int condition, const int64_t *order, int64_t first, int64_t count,
                                double *feature)
{
  if (f->stored && count > 0) /* a part {0, 0} would be all of them */
    return facet_store_get(f->stored, FACET_ROW_FEATURE,
                           (facet_place){.variant = f->variant, .part = {{condition, 1}, {first, count}}}, feature);
  for (int64_t i = 0, n; i < count; i += n) {
    n = count - i < f->pass.batch ? count - i : f->pass.batch;
    for (int64_t k = 0; k < n; k++)
      FACET_TRY(facet_pass_load(&f->pass, condition, order ? order[first + i + k] : first + i + k, k));
    FACET_TRY(run_batch(f, n, feature + i * f->count));
  }
  return FACET_OK;
}
