/* Conditions applied to samples, and samples on their way into a network: see loader.h. */
#include "loader.h"

#include <string.h>

facet_status facet_condition_apply(const facet_sample_source *source, facet_condition c, int64_t first, int64_t count,
                                   facet_published **published, float *pixels)
{
  double scale = source->normalize->scale;
  if (c.published) {
    FACET_TRY(facet_published_open(c.published, c.corruption, source->data, published));
    return facet_published_pixels(*published, c.severity, scale, first, count, pixels);
  }
  return facet_corrupt(
      &(facet_corruption_settings){c.corruption, c.severity, source->settings->seed, scale, source->data->image}, first,
      count, pixels);
}

/* Every file once, and the labels of every folder. */
facet_status facet_conditions_check(const facet_conditions *conditions, const char *file, const facet_dataset *d)
{
  const char *folder = "";
  facet_published *published = NULL;
  facet_status status = FACET_OK;
  for (int i = 0; i < conditions->count; i++) {
    facet_condition c = conditions->item[i];
    if (!c.published)
      continue;
    if (strcmp(folder, c.published) != 0)
      FACET_GO(done, status, facet_published_check_labels(c.published, d));
    folder = c.published;
    FACET_GO(done, status, facet_published_open(c.published, c.corruption, d, &published));
  }
done:
  facet_published_close(&published);
  return status == FACET_OK ? FACET_OK : facet_raise_in(status, "%s: conditions.published: ", file);
}

double facet_conditions_bytes(const facet_sample_source *source)
{
  double most = 0;
  for (int i = 0; i < source->conditions->count; i++) {
    const facet_condition *c = &source->conditions->item[i];
    double bytes = c->published ? 0 : facet_corruption_bytes(c->corruption, source->data->image);
    most = bytes > most ? bytes : most;
  }
  return most;
}

facet_status facet_loader_make(facet_pixels *pixels, const facet_input_layout *input, facet_loader *l)
{
  const facet_sample_source *from = facet_pixels_source(pixels);
  *l = (facet_loader){.pixels = pixels,
                      .normalize = from->normalize,
                      .input = input,
                      .size = from->data->image,
                      .inputs = facet_image_inputs(from->data->image)};
  FACET_NEW(l->single, l->inputs);
  FACET_NEW(l->image, l->inputs);
  return FACET_OK;
}

void facet_loader_clear(facet_loader *l)
{
  facet_free(&l->single);
  facet_free(&l->image);
}

facet_status facet_loader_load(facet_loader *l, int condition, int64_t sample, float *x, double *exact)
{
  const float *pixels;
  FACET_TRY(facet_pixels_take(l->pixels, condition, sample, &pixels));
  if (x) {
    facet_normalize(l->normalize, l->size, 1, pixels, l->single);
    facet_input_arrange(l->input, l->size, 1, sizeof(float), l->single, x);
  }
  if (exact)
    facet_loader_arrange(l, pixels, exact);
  return FACET_OK;
}

void facet_loader_arrange(facet_loader *l, const float *pixels, double *x)
{
  facet_normalize_double(l->normalize, l->size, 1, pixels, l->image);
  facet_input_arrange(l->input, l->size, 1, sizeof(double), l->image, x);
}

void facet_loader_even(facet_loader *l, float value, double *x)
{
  for (int64_t i = 0; i < l->inputs; i++)
    l->single[i] = value;
  facet_loader_arrange(l, l->single, x);
}
