/* Steps that work element by element: diagonals (batch norm, constants), sums of branches, gates, selections. */
#include <math.h>
#include <string.h>

#include "executor.h"

/* ---- diagonal ---- */

static bool norm_in_training(const facet_executor *x, const facet_step *step)
{
  return x->options.training && step->lowered->batch_norm;
}

static bool by_channel(const facet_step *step)
{
  return step->lowered->by_channel;
}

static facet_status diagonal_create(facet_executor *x, facet_step *step)
{
  facet_layout layout = x->layout[step->output];
  size_t size = (size_t)facet_layout_size(layout), channels = (size_t)layout.channels;
  if (norm_in_training(x, step)) {
    FACET_TRY(facet_executor_own(x, channels, sizeof(double), &step->mean));
    return facet_executor_own(x, channels, sizeof(double), &step->deviation);
  }
  if (by_channel(step))
    size /= (size_t)layout.spatial;
  FACET_TRY(facet_executor_own(x, size, x->real, &step->scale));
  return facet_executor_own(x, size, x->real, &step->shift);
}

/* One factor and constant per channel, what is folded in applied. */
static facet_status refresh_channels(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  int64_t channels = x->layout[step->output].channels, inner = facet_shape_size(l->full) / channels;
  double *own;
  FACET_NEW(own, channels);
  for (int64_t c = 0; c < channels; c++) {
    double scale;
    facet_diagonal_element(x->network, l, c * inner, &scale, &own[c]);
  }
  facet_status status = facet_fold_channels(x, step, channels, own);
  for (int64_t c = 0; status == FACET_OK && c < channels; c++) {
    double scale, shift, sum = 0;
    facet_diagonal_element(x->network, l, c * inner, &scale, &shift);
    for (int k = 0; k < step->sources; k++)
      sum += step->source[k].by_channel[c];
    facet_executor_put(x, step->scale, c, scale * step->total[c]);
    facet_executor_put(x, step->shift, c, sum);
  }
  facet_free(&own);
  return status;
}

static facet_status diagonal_refresh(facet_executor *x, facet_step *step)
{
  facet_layout layout = x->layout[step->output];
  if (norm_in_training(x, step))
    return FACET_OK;
  if (by_channel(step))
    return refresh_channels(x, step);
  for (int64_t i = 0; i < layout.channels * layout.spatial; i++) {
    double scale, shift;
    int64_t at = facet_layout_at(layout, i / layout.spatial, i % layout.spatial);
    facet_diagonal_element(x->network, step->lowered, i, &scale, &shift);
    facet_executor_put(x, step->scale, at, scale);
    facet_executor_put(x, step->shift, at, shift);
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
  for (int64_t s = 0; s < x->count; s++) {
    const void *in = facet_at(x, facet_value_data(x, step->in_slot[0]), s * size);
    void *out = facet_at(x, facet_value_data(x, step->out_slot), s * size);
    if (by_channel(step))
      x->e->channels(x->layout[step->output], step->scale, step->shift, NULL, in, out);
    else
      x->e->diagonal(size, step->scale, step->shift, in, out);
  }
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
  int64_t size = facet_value_size(x, step->output);
  for (int64_t a = 0; by_channel(step) && a < facet_adjoints(x); a++)
    x->e->channels(x->layout[step->output], step->scale, NULL,
                   way->addend == NO_SLOT ? NULL : facet_at(x, facet_adjoint_data(x, way->addend), a * size),
                   facet_at(x, facet_adjoint_data(x, step->g_slot), a * size),
                   facet_at(x, facet_adjoint_data(x, way->to), a * size));
  if (by_channel(step))
    return FACET_OK;
  x->e->gate_pullback(facet_value_size(x, step->output), x->count, x->options.rows, 0, step->scale,
                      facet_adjoint_data(x, step->g_slot), facet_adjoint_data(x, way->addend),
                      facet_adjoint_data(x, way->to));
  return FACET_OK;
}

static void diagonal_bias(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b)
{
  if (by_channel(step))
    facet_channels_bias(x, step, sample, g, b);
  else
    b[step->source[0].constant] += x->e->dot(facet_value_size(x, step->output), g, step->shift);
}

const facet_kind_row facet_kind_diagonal = {diagonal_create,   diagonal_refresh, diagonal_forward,
                                            diagonal_pullback, diagonal_bias,    diagonal_gradient};

/* ---- sum ---- */

static facet_status sum_create(facet_executor *x, facet_step *step)
{
  return step->lowered->shift ? facet_executor_spread(x, step, step->lowered->shift, &step->shift) : FACET_OK;
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
    else if (j > 0 || c[0] != 1 || step->inputs == 1)
      x->e->add(count, j > 0 ? out : NULL, c[j], in, out);
  }
  int64_t size = facet_value_size(x, step->output);
  for (int64_t s = 0; step->shift && s < x->count; s++)
    x->e->add(size, facet_at(x, out, s * size), 1, step->shift, facet_at(x, out, s * size));
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

const facet_kind_row facet_kind_sum = {sum_create, NULL, sum_forward, sum_pullback, facet_shift_bias, NULL};

/* ---- gate ---- */

bool facet_gate_is_simple(const facet_lowered *l)
{
  return l->pieces == 2 && l->at[0] == 0 && l->slope[1] == 1 && l->offset[0] == 0 && l->offset[1] == 0 &&
         l->slope_of == NO_VALUE;
}

bool facet_gate_is_relu(const facet_lowered *l)
{
  return facet_gate_is_simple(l) && l->slope[0] == 0;
}

static facet_status gate_create(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  step->slopes = facet_value_size(x, step->output);
  size_t size = (size_t)(x->options.batch * step->slopes);
  if (step->sources > 0)
    FACET_TRY(facet_executor_own(x, size, x->real, &step->offset));
  if (l->slope_of != NO_VALUE)
    FACET_TRY(facet_executor_spread(x, step, x->network->value[l->slope_of].constant, &step->slope_of));
  return facet_executor_own(x, size, x->real, &step->slope);
}

static facet_status gate_forward(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  facet_layout layout = x->layout[step->output];
  int64_t size = facet_layout_size(layout), padding = size - layout.channels * layout.spatial;
  facet_pieces pieces = {.count = l->pieces, .at = l->at, .slope = l->slope, .offset = l->offset};
  pieces.slope_of = step->slope_of;
  for (int64_t s = 0; s < x->count; s++) {
    const void *z = facet_at(x, facet_value_data(x, step->in_slot[0]), s * size);
    void *out = facet_at(x, facet_value_data(x, step->out_slot), s * size), *slope = facet_at(x, step->slope, s * size);
    void *offset = step->offset ? facet_at(x, step->offset, s * size) : NULL;
    double bound = facet_rounding_at(x, step, step->input[0], s);
    int32_t before = x->ties[s];
    uint8_t *near = facet_touched_near(x, step, s);
    if (facet_gate_is_simple(l))
      x->e->gate(size, padding, l->slope[0], bound, z, out, slope, &x->ties[s], near);
    else
      x->e->pieces(layout, &pieces, bound, z, out, slope, offset, &x->ties[s], near);
    if (near)
      step->marked[s] = x->ties[s] > before;
  }
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

const facet_kind_row facet_kind_gate = {gate_create, NULL, gate_forward, gate_pullback, facet_offset_bias, NULL};

/* ---- select ---- */

static facet_status select_create(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  FACET_NEW(step->rival, l->constants);
  for (int k = 0; k < l->constants; k++)
    FACET_TRY(facet_executor_spread(x, step, x->network->value[l->constant[k]].constant, &step->rival[k]));
  return facet_executor_own(x, (size_t)(x->options.batch * facet_value_size(x, step->output)), sizeof *step->winner,
                            &step->winner);
}

static facet_status select_forward(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  facet_layout layout = x->layout[step->output];
  int64_t size = facet_layout_size(layout);
  const void **candidate;
  FACET_NEW(candidate, step->inputs + l->constants);
  for (int k = 0; k < l->constants; k++)
    candidate[step->inputs + k] = step->rival[k];
  for (int64_t s = 0; s < x->count; s++) {
    for (int j = 0; j < step->inputs; j++)
      candidate[j] = facet_at(x, facet_value_data(x, step->in_slot[j]), s * size);
    int32_t before = x->ties[s];
    x->e->select(layout, step->inputs + l->constants, candidate, l->sign,
                 2 * facet_rounding_at(x, step, step->output, s),
                 facet_at(x, facet_value_data(x, step->out_slot), s * size), step->winner + s * size, &x->ties[s]);
    facet_touched_select(x, step, s, before, candidate);
  }
  facet_free(&candidate);
  return FACET_OK;
}

static facet_status select_pullback(facet_executor *x, facet_step *step)
{
  for (int j = 0; j < step->inputs; j++) {
    const facet_way *way = &step->way[j];
    x->e->select_pullback(facet_value_size(x, step->output), x->count, x->options.rows, step->winner, j,
                          facet_adjoint_data(x, step->g_slot), facet_adjoint_data(x, way->addend),
                          facet_adjoint_data(x, way->to));
  }
  return FACET_OK;
}

static void select_bias(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b)
{
  int64_t size = facet_value_size(x, step->output);
  for (int k = 0; k < step->lowered->constants; k++)
    b[step->source[0].constant] +=
        x->e->select_dot(size, step->winner + sample * size, step->inputs + k, g, step->rival[k]);
}

const facet_kind_row facet_kind_select = {select_create, NULL, select_forward, select_pullback, select_bias, NULL};
