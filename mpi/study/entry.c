/* Samples on their way into a network: see entry.h. */
#include "entry.h"

facet_status facet_entry_make(const facet_study *study, const facet_dataset *data, const facet_member *member,
                              facet_entry *e)
{
  *e = (facet_entry){
      .study = study, .data = data, .input = &member->input, .inputs = data->channels * data->height * data->width};
  FACET_NEW(e->pixels, e->inputs);
  FACET_NEW(e->single, e->inputs);
  FACET_NEW(e->image, e->inputs);
  return FACET_OK;
}

void facet_entry_clear(facet_entry *e)
{
  facet_free(&e->pixels);
  facet_free(&e->single);
  facet_free(&e->image);
}

facet_status facet_entry_take(facet_entry *e, facet_condition condition, int64_t sample, void *x, double *exact)
{
  const facet_normalization *n = &e->study->data.normalize;
  int64_t channels = e->data->channels, plane = e->data->height * e->data->width;
  facet_dataset_pixels(e->data, sample, 1, e->pixels);
  FACET_TRY(facet_condition_apply(e->study, e->data, condition, sample, 1, e->pixels));
  bool twice = e->study->settings.precision == FACET_F64;
  if (twice || exact)
    facet_normalize_double(n, channels, plane, 1, e->pixels, e->image);
  if (exact)
    facet_input_arrange(e->input, channels, plane, 1, sizeof(double), e->image, exact);
  if (twice) {
    facet_input_arrange(e->input, channels, plane, 1, sizeof(double), e->image, x);
    return FACET_OK;
  }
  facet_normalize(n, channels, plane, 1, e->pixels, e->single);
  facet_input_arrange(e->input, channels, plane, 1, sizeof(float), e->single, x);
  return FACET_OK;
}
