/* What the kinds share: memory of an executor, constants as its layouts want them, and their shares of b. */
#include "executor.h"

#include <string.h>

facet_status facet_executor_own(facet_executor *x, size_t count, size_t size, void *pointer_to_pointer)
{
  void *data = facet_allocate(count, size);
  if (!data)
    return FACET_OS;
  memcpy(pointer_to_pointer, &data, sizeof data);
  x->own_bytes += count * size;
  return FACET_OK;
}

void facet_way_open(const facet_executor *x, const facet_way *way, int value)
{
  facet_adjoint_open(facet_adjoint_data(x, way->to), facet_adjoint_data(x, way->addend),
                     (size_t)(facet_adjoints(x) * facet_value_size(x, value)) * x->real);
}

float *facet_gradient_of(const facet_executor *x, int value, float *gradient)
{
  for (int i = 0; i < x->parameters; i++)
    if (x->parameter[i].value == value)
      return gradient + x->parameter[i].offset;
  return NULL;
}

void facet_executor_put(const facet_executor *x, void *array, int64_t i, double value)
{
  if (x->options.real == FACET_F64)
    ((double *)array)[i] = value;
  else
    ((float *)array)[i] = (float)value;
}

facet_status facet_executor_spread(facet_executor *x, const facet_step *step, const facet_tensor *constant,
                                   void *pointer_to_pointer)
{
  facet_layout layout = x->layout[step->output];
  void *array;
  FACET_TRY(facet_executor_own(x, (size_t)facet_layout_size(layout), x->real, &array));
  memcpy(pointer_to_pointer, &array, sizeof array);
  for (int64_t i = 0; i < layout.channels * layout.spatial; i++)
    facet_executor_put(x, array, facet_layout_at(layout, i / layout.spatial, i % layout.spatial),
                       facet_tensor_get(constant, facet_spread_index(constant->shape, step->lowered->full, i)));
  return FACET_OK;
}

/* Factor and constant of a folded diagonal in channel c. */
static void channel_of(const facet_network *n, const facet_lowered *l, int64_t c, double *scale, double *shift)
{
  int64_t inner = facet_shape_size(l->full) / l->full.dim[1];
  facet_diagonal_element(n, l, c * inner, scale, shift);
}

facet_status facet_fold_channels(facet_executor *x, facet_step *step, int64_t channels, const double *own)
{
  for (int k = 0; k < step->sources; k++)
    if (!step->source[k].by_channel)
      FACET_TRY(facet_executor_own(x, (size_t)channels, sizeof(double), &step->source[k].by_channel));
  if (!step->total)
    FACET_TRY(facet_executor_own(x, (size_t)channels, sizeof(double), &step->total));
  for (int64_t c = 0; c < channels; c++) {
    double scale, shift;
    int k = step->sources - 1;
    step->total[c] = 1;
    for (int j = step->folds - 1; j >= 0; j--) {
      channel_of(x->network, step->fold[j]->lowered, c, &scale, &shift);
      if (k >= 0 && step->source[k].node == step->fold[j])
        step->source[k--].by_channel[c] = shift * step->total[c];
      step->total[c] *= scale;
    }
    if (k == 0 && own)
      step->source[0].by_channel[c] = own[c] * step->total[c];
  }
  return FACET_OK;
}

void facet_channels_bias(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b)
{
  int64_t images;
  facet_layout layout = facet_step_channels(x, step, &images);
  (void)sample;
  for (int64_t i = 0; i < images; i++) {
    x->e->channel_sums(layout, (const char *)g + (size_t)(i * facet_layout_size(layout)) * x->real, x->sums);
    for (int k = 0; k < step->sources; k++)
      for (int64_t c = 0; step->source[k].by_channel && c < layout.channels; c++)
        b[step->source[k].constant] += x->sums[c] * step->source[k].by_channel[c];
  }
}

void facet_shift_bias(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b)
{
  (void)sample;
  b[step->source[0].constant] += x->e->dot(facet_value_size(x, step->output), g, step->shift);
}

void facet_offset_bias(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b)
{
  int64_t size = facet_value_size(x, step->output);
  b[step->source[0].constant] += x->e->dot(size, g, facet_at(x, step->offset, sample * size));
}
