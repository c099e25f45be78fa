/* Steps that work element by element: diagonals (batch norm, constants), sums of branches, gates. */
#include <math.h>
#include <string.h>

#include "net/executor.h"

/* ---- diagonal ---- */

static bool norm_in_training(const facet_executor *x, const facet_step *step)
{
  return x->options.training && step->lowered->batch_norm;
}

static facet_status diagonal_create(facet_executor *x, facet_step *step)
{
  size_t size = (size_t)facet_value_size(x, step->output), channels = (size_t)x->layout[step->output].channels;
  if (norm_in_training(x, step)) {
    FACET_TRY(facet_executor_own(x, channels, sizeof(double), &step->mean));
    return facet_executor_own(x, channels, sizeof(double), &step->deviation);
  }
  FACET_TRY(facet_executor_own(x, size, x->real, &step->scale));
  return facet_executor_own(x, size, x->real, &step->shift);
}

/* The element of a constant that meets element i (row-major) of a shape it spreads over. */
static int64_t spread_index(facet_shape constant, facet_shape shape, int64_t i)
{
  int64_t at = 0, step = 1;
  for (int d = shape.rank - 1, c = constant.rank - 1; d >= 0 && c >= 0; d--, c--) {
    if (constant.dim[c] != 1)
      at += i % shape.dim[d] * step;
    step *= constant.dim[c];
    i /= shape.dim[d];
  }
  return at;
}

/* scale and shift of element (channel, i): SCIENCE 1. */
static void diagonal_element(const facet_network *n, const facet_lowered *l, int64_t channel, int64_t i, double *scale,
                             double *shift)
{
  if (l->batch_norm) {
    *scale = facet_tensor_get(n->value[l->gamma].constant, channel) /
             sqrt(facet_tensor_get(n->value[l->variance].constant, channel) + l->epsilon);
    *shift = facet_tensor_get(n->value[l->beta].constant, channel) -
             facet_tensor_get(n->value[l->mean].constant, channel) * *scale;
    return;
  }
  const facet_value *constant = &n->value[l->constant];
  double c = facet_tensor_get(constant->constant, spread_index(constant->shape, n->value[l->output].shape, i));
  *scale = l->arithmetic == '*' ? c : l->arithmetic == '/' ? 1 / c : l->arithmetic == 'r' ? -1 : 1;
  *shift = l->arithmetic == '+' || l->arithmetic == 'r' ? c : l->arithmetic == '-' ? -c : 0;
}

static facet_status diagonal_refresh(facet_executor *x, facet_step *step)
{
  facet_layout layout = x->layout[step->output];
  if (norm_in_training(x, step))
    return FACET_OK;
  for (int64_t c = 0; c < layout.channels; c++)
    for (int64_t s = 0; s < layout.spatial; s++) {
      double scale, shift;
      int64_t at = facet_layout_at(layout, c, s);
      diagonal_element(x->network, step->lowered, c, c * layout.spatial + s, &scale, &shift);
      if (x->options.real == FACET_F64) {
        ((double *)step->scale)[at] = scale;
        ((double *)step->shift)[at] = shift;
      } else {
        ((float *)step->scale)[at] = (float)scale;
        ((float *)step->shift)[at] = (float)shift;
      }
    }
  return FACET_OK;
}

static facet_status norm_forward(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  facet_layout layout = x->layout[step->output];
  const facet_value *value = x->network->value;
  const void *u = facet_value_data(x, step->in_slot[0]);
  double *scale, *shift;
  FACET_NEW(scale, layout.channels);
  FACET_NEW(shift, layout.channels);
  x->e->norm_statistics(layout, x->count, u, step->mean, step->deviation);
  for (int64_t c = 0; c < layout.channels; c++) {
    step->deviation[c] = sqrt(step->deviation[c] + l->epsilon);
    scale[c] = facet_tensor_get(value[l->gamma].constant, c) / step->deviation[c];
    shift[c] = facet_tensor_get(value[l->beta].constant, c);
  }
  x->e->norm(layout, x->count, step->mean, scale, shift, u, facet_value_data(x, step->out_slot));
  facet_free(&scale);
  facet_free(&shift);
  return FACET_OK;
}

static facet_status diagonal_forward(facet_executor *x, facet_step *step)
{
  if (norm_in_training(x, step))
    return norm_forward(x, step);
  int64_t size = facet_value_size(x, step->output);
  for (int64_t s = 0; s < x->count; s++)
    x->e->diagonal(size, step->scale, step->shift, facet_at(x, facet_value_data(x, step->in_slot[0]), s * size),
                   facet_at(x, facet_value_data(x, step->out_slot), s * size));
  return FACET_OK;
}

/* Statistics of the batch go where the gradients of mean and variance would: training keeps running averages. */
static facet_status norm_pullback(facet_executor *x, facet_step *step, float *gradient)
{
  const facet_lowered *l = step->lowered;
  const facet_way *way = &step->way[0];
  facet_layout layout = x->layout[step->output];
  const facet_value *value = x->network->value;
  double *gamma, *grad_scale, *grad_shift;
  FACET_NEW(gamma, layout.channels);
  FACET_NEW(grad_scale, layout.channels);
  FACET_NEW(grad_shift, layout.channels);
  for (int64_t c = 0; c < layout.channels; c++)
    gamma[c] = facet_tensor_get(value[l->gamma].constant, c);
  const void *g = facet_adjoint_data(x, step->g_slot);
  void *to = facet_adjoint_data(x, way->addend == NO_SLOT ? way->to : way->scratch);
  x->e->norm_pullback(layout, x->count, step->mean, step->deviation, gamma, facet_value_data(x, step->in_slot[0]), g,
                      to, grad_scale, grad_shift);
  if (way->addend != NO_SLOT)
    x->e->add(x->count * facet_layout_size(layout), facet_adjoint_data(x, way->addend), 1, to,
              facet_adjoint_data(x, way->to));
  for (int64_t c = 0; c < layout.channels; c++) {
    facet_gradient_of(x, l->gamma, gradient)[c] += (float)grad_scale[c];
    facet_gradient_of(x, l->beta, gradient)[c] += (float)grad_shift[c];
    facet_gradient_of(x, l->mean, gradient)[c] = (float)step->mean[c];
    facet_gradient_of(x, l->variance, gradient)[c] = (float)(step->deviation[c] * step->deviation[c] - l->epsilon);
  }
  facet_free(&gamma);
  facet_free(&grad_scale);
  facet_free(&grad_shift);
  return FACET_OK;
}

static facet_status diagonal_gradient(facet_executor *x, facet_step *step, float *gradient)
{
  return norm_in_training(x, step) ? norm_pullback(x, step, gradient) : FACET_OK;
}

static facet_status diagonal_pullback(facet_executor *x, facet_step *step)
{
  const facet_way *way = &step->way[0];
  if (norm_in_training(x, step))
    return FACET_OK; /* done together with its parameters */
  x->e->gate_pullback(facet_value_size(x, step->output), x->count, x->options.rows, 0, step->scale,
                      facet_adjoint_data(x, step->g_slot), facet_adjoint_data(x, way->addend),
                      facet_adjoint_data(x, way->to));
  return FACET_OK;
}

static void diagonal_bias(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b)
{
  (void)sample;
  b[step->constant[0]] += x->e->dot(facet_value_size(x, step->output), g, step->shift);
}

const facet_kind_row facet_kind_diagonal = {diagonal_create,   diagonal_refresh, diagonal_forward,
                                            diagonal_pullback, diagonal_bias,    diagonal_gradient};

/* ---- sum ---- */

static facet_status nothing_to_create(facet_executor *x, facet_step *step)
{
  (void)x;
  (void)step;
  return FACET_OK;
}

static facet_status sum_forward(facet_executor *x, facet_step *step)
{
  int64_t count = x->options.batch * facet_value_size(x, step->output);
  void *out = facet_value_data(x, step->out_slot);
  const double *c = step->lowered->coefficient;
  for (int j = 0; j < step->inputs; j++) {
    const void *in = facet_value_data(x, step->in_slot[j]);
    if (j == 1 && c[0] == 1) /* the first two in one go */
      x->e->add(count, facet_value_data(x, step->in_slot[0]), c[1], in, out);
    else if (j > 0 || c[0] != 1)
      x->e->add(count, j > 0 ? out : NULL, c[j], in, out);
  }
  return FACET_OK;
}

static facet_status sum_pullback(facet_executor *x, facet_step *step)
{
  int64_t count = facet_adjoints(x) * facet_value_size(x, step->output);
  for (int j = 0; j < step->inputs; j++) {
    const facet_way *way = &step->way[j];
    if (way->to != step->g_slot) /* else the input shares the output's adjoint */
      x->e->add(count, facet_adjoint_data(x, way->addend), step->lowered->coefficient[j],
                facet_adjoint_data(x, step->g_slot), facet_adjoint_data(x, way->to));
  }
  return FACET_OK;
}

const facet_kind_row facet_kind_sum = {nothing_to_create, NULL, sum_forward, sum_pullback, NULL, NULL};

/* ---- gate ---- */

static facet_status gate_create(facet_executor *x, facet_step *step)
{
  return facet_executor_own(x, (size_t)(x->options.batch * facet_value_size(x, step->output)), x->real, &step->slope);
}

static facet_status gate_forward(facet_executor *x, facet_step *step)
{
  facet_layout layout = x->layout[step->output];
  int64_t size = facet_layout_size(layout), padding = size - layout.channels * layout.spatial;
  double nearly = facet_nearly(x);
  for (int64_t s = 0; s < x->count; s++)
    if (x->e->gate(size, padding, step->lowered->alpha, nearly,
                   facet_at(x, facet_value_data(x, step->in_slot[0]), s * size),
                   facet_at(x, facet_value_data(x, step->out_slot), s * size), facet_at(x, step->slope, s * size),
                   &x->ties[s]))
      x->unsure[s] = (int)(step - x->step) + 1;
  return FACET_OK;
}

static facet_status gate_pullback(facet_executor *x, facet_step *step)
{
  const facet_way *way = &step->way[0];
  int64_t size = facet_value_size(x, step->output);
  void *to = facet_adjoint_data(x, way->to);
  if (step->more != NO_SLOT)
    x->e->gate_pullback_sum(size, x->count, x->options.rows, step->slope, facet_adjoint_data(x, step->first),
                            facet_adjoint_data(x, step->more), to);
  else
    x->e->gate_pullback(size, x->count, x->options.rows, size, step->slope, facet_adjoint_data(x, step->g_slot),
                        facet_adjoint_data(x, way->addend), to);
  return FACET_OK;
}

const facet_kind_row facet_kind_gate = {gate_create, NULL, gate_forward, gate_pullback, NULL, NULL};
