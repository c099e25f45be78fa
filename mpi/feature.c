/* Features by forward passes: see feature.h. */
#include "feature.h"

#include "condition.h"

struct facet_features {
  const facet_study *study;
  const facet_dataset *data;
  const facet_input_layout *input;
  facet_executor *executor;
  int value; /* of the network: the feature */
  int64_t batch, inputs, count;
  float *pixels, *single; /* of a batch; one sample, normalised */
  double *image;          /* the same */
  void *x;                /* a batch in the network's order */
};

int64_t facet_features_count(const facet_network *network)
{
  facet_head head;
  if (facet_network_head(network, &head) != FACET_OK)
    return 0;
  int64_t count = head.features;
  facet_head_clear(&head);
  return count;
}

static facet_status make(const facet_plan *plan, const facet_network *network, facet_features *f)
{
  const facet_executor_options options = {.real = f->study->precision, .batch = f->batch};
  facet_head head;
  FACET_TRY(facet_network_head(network, &head));
  f->value = head.feature;
  f->count = head.features;
  facet_head_clear(&head);
  FACET_TRY(facet_executor_create(network, options, &f->executor));
  f->inputs = plan->inputs;
  FACET_NEW(f->pixels, f->batch * f->inputs);
  FACET_NEW(f->single, f->inputs);
  FACET_NEW(f->image, f->inputs);
  f->x = facet_allocate((size_t)(f->batch * f->inputs), facet_type_size(f->study->precision));
  return f->x ? FACET_OK : FACET_OS;
}

facet_status facet_features_create(const facet_plan *plan, const facet_study_data *data, const facet_family *family,
                                   int variant, facet_features **features)
{
  facet_features *f;
  FACET_NEW(f, 1);
  f->study = plan->store.study;
  f->data = data->test;
  f->input = &family->member[variant].input;
  f->batch = plan->work[variant].forward_batch;
  facet_status status = make(plan, family->member[variant].network, f);
  if (status != FACET_OK)
    facet_features_destroy(&f);
  *features = f;
  return status;
}

void facet_features_destroy(facet_features **features)
{
  facet_features *f = *features;
  if (!f)
    return;
  facet_executor_destroy(&f->executor);
  facet_free(&f->pixels);
  facet_free(&f->single);
  facet_free(&f->image);
  facet_free(&f->x);
  facet_free(features);
  facet_kernels_release();
}

/* x of one sample of the batch: normalised channel by channel, then brought into the network's order. */
static void enter_sample(facet_features *f, int64_t i)
{
  const facet_normalization *how = &f->study->normalize;
  int64_t channels = f->data->channels, plane = f->data->height * f->data->width;
  const float *pixels = f->pixels + i * f->inputs;
  if (f->study->precision == FACET_F64) {
    facet_normalize_double(how, channels, plane, 1, pixels, f->image);
    facet_input_arrange(f->input, channels, plane, 1, sizeof(double), f->image, (double *)f->x + i * f->inputs);
    return;
  }
  facet_normalize(how, channels, plane, 1, pixels, f->single);
  facet_input_arrange(f->input, channels, plane, 1, sizeof(float), f->single, (float *)f->x + i * f->inputs);
}

facet_status facet_features_run(facet_features *f, int condition, int64_t first, int64_t count, double *feature)
{
  facet_condition how = f->study->condition[condition];
  for (int64_t i = 0, n; i < count; i += n) {
    n = count - i < f->batch ? count - i : f->batch;
    facet_dataset_pixels(f->data, first + i, n, f->pixels);
    FACET_TRY(facet_condition_apply(f->study, f->data, how, first + i, n, f->pixels));
    for (int64_t k = 0; k < n; k++)
      enter_sample(f, k);
    FACET_TRY(facet_executor_forward(f->executor, f->x, n));
    FACET_TRY(facet_executor_value(f->executor, f->value, feature + i * f->count));
  }
  return FACET_OK;
}
