/* Features by forward passes: see feature.h. */
#include "feature.h"

#include "study/loader.h"

struct facet_features {
  facet_loader loader;
  facet_executor *executor; /* NULL: pixels are the features */
  int value;                /* of the network: the feature */
  int64_t batch, count;
  char *x; /* a batch as the network takes it, in the study's precision */
};

static facet_status make(const facet_feature_source *s, facet_features *f)
{
  f->batch = s->batch;
  FACET_TRY(facet_loader_make(&s->study->settings, &s->study->data.normalize, s->data, &s->member->input, &f->loader));
  FACET_NEW(f->x, (size_t)(f->batch * f->loader.inputs) * facet_type_size(s->study->settings.precision));
  f->count = f->loader.inputs;
  if (s->pixels)
    return FACET_OK;
  f->count = facet_network_features(s->member->network, &f->value);
  FACET_CHECK(f->count > 0, FACET_INTERNAL, "%s has no features", s->member->variant.name);
  return facet_executor_create(s->member->network,
                               (facet_executor_options){.real = s->study->settings.precision, .batch = f->batch},
                               &f->executor);
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
  facet_features *f = *features;
  if (!f)
    return;
  facet_executor_destroy(&f->executor);
  facet_loader_clear(&f->loader);
  facet_free(&f->x);
  facet_free(features);
  facet_kernels_release();
}

static facet_status run_batch(facet_features *f, int64_t count, double *feature)
{
  if (f->executor) {
    FACET_TRY(facet_executor_forward(f->executor, f->x, count));
    return facet_executor_value(f->executor, f->value, feature);
  }
  for (int64_t i = 0; i < count * f->count; i++)
    feature[i] =
        f->loader.settings->precision == FACET_F32 ? (double)((float *)(void *)f->x)[i] : ((double *)(void *)f->x)[i];
  return FACET_OK;
}

facet_status facet_features_run(facet_features *f, facet_condition condition, const int64_t *order, int64_t first,
                                int64_t count, double *feature)
{
  size_t size = (size_t)f->loader.inputs * facet_type_size(f->loader.settings->precision);
  for (int64_t i = 0, n; i < count; i += n) {
    n = count - i < f->batch ? count - i : f->batch;
    for (int64_t k = 0; k < n; k++) {
      int64_t sample = order ? order[first + i + k] : first + i + k;
      FACET_TRY(facet_loader_load(&f->loader, condition, sample, f->x + (size_t)k * size, NULL));
    }
    FACET_TRY(run_batch(f, n, feature + i * f->count));
  }
  return FACET_OK;
}
