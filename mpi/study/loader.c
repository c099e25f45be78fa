/* Conditions applied to samples, and samples on their way into a network: see loader.h. */
#include "loader.h"

#include <string.h>

facet_status facet_condition_apply(facet_condition c, uint32_t seed, double scale, const facet_dataset *d,
                                   int64_t first, int64_t count, float *pixels)
{
  if (c.published)
    return facet_published_read(c.published, c.corruption, c.severity, scale, d, first, count, pixels);
  return facet_corrupt(c.corruption, c.severity, seed, scale, d->image, first, count, pixels);
}

/* Every file once, and the labels of every folder. */
facet_status facet_conditions_check(const facet_conditions *conditions, const char *file, const facet_dataset *d)
{
  const char *folder = "";
  for (int i = 0; i < conditions->count; i++) {
    facet_condition c = conditions->item[i];
    if (!c.published)
      continue;
    facet_status status = FACET_OK;
    if (strcmp(folder, c.published) != 0)
      status = facet_published_check_labels(c.published, d);
    folder = c.published;
    if (status == FACET_OK)
      status = facet_published_read(c.published, c.corruption, c.severity, 1, d, 0, 0, NULL);
    if (status != FACET_OK)
      return facet_raise_in(status, "%s: conditions.published: ", file);
  }
  return FACET_OK;
}

facet_status facet_loader_make(const facet_settings *settings, const facet_normalization *normalize,
                               const facet_dataset *data, const facet_input_layout *input, facet_loader *l)
{
  *l = (facet_loader){.settings = settings,
                      .normalize = normalize,
                      .data = data,
                      .input = input,
                      .inputs = facet_image_inputs(data->image)};
  FACET_NEW(l->pixels, l->inputs);
  FACET_NEW(l->single, l->inputs);
  FACET_NEW(l->image, l->inputs);
  return FACET_OK;
}

void facet_loader_clear(facet_loader *l)
{
  facet_free(&l->pixels);
  facet_free(&l->single);
  facet_free(&l->image);
}

facet_status facet_loader_load(facet_loader *l, facet_condition condition, int64_t sample, void *x, double *exact)
{
  const facet_normalization *n = l->normalize;
  facet_image image = l->data->image;
  facet_dataset_pixels(l->data, sample, 1, l->pixels);
  FACET_TRY(facet_condition_apply(condition, l->settings->seed, n->scale, l->data, sample, 1, l->pixels));
  bool twice = l->settings->precision == FACET_F64;
  if (twice || exact)
    facet_normalize_double(n, image, 1, l->pixels, l->image);
  if (exact)
    facet_input_arrange(l->input, image, 1, sizeof(double), l->image, exact);
  if (twice) {
    facet_input_arrange(l->input, image, 1, sizeof(double), l->image, x);
    return FACET_OK;
  }
  facet_normalize(n, image, 1, l->pixels, l->single);
  facet_input_arrange(l->input, image, 1, sizeof(float), l->single, x);
  return FACET_OK;
}
