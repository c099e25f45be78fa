/* Linear steps: convolutions and inner products, with the batch norm after them folded into the weights.
 *
 * Folded or not, b stays split by node: with d = gamma / sqrt(var + eps) and the adjoint g of the norm's output,
 * the linear node's constant contributes <g, d a>, the norm's own <g, beta - mean d> (SCIENCE 1). */
#include <math.h>
#include <string.h>

#include "net/executor.h"

static facet_status linear_create(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  facet_layout in = x->layout[step->input[0]], out = x->layout[step->output];
  const facet_kernels *k = x->options.kernels;
  facet_type real = x->options.real;
  int64_t batch = x->options.batch;
  facet_status status = k->conv_create(&l->conv, real, FACET_FORWARD, batch, in, out, &step->forward);
  if (status == FACET_OK && x->options.rows > 0)
    status = k->conv_create(&l->conv, real, FACET_PULLBACK, batch * x->options.rows, in, out, &step->pullback);
  if (status == FACET_OK && x->options.training)
    status = k->conv_create(&l->conv, real, FACET_GRADIENT, batch, in, out, &step->gradient);
  if (status != FACET_OK)
    return facet_raise_in(status, "node %s (%s): ", step->node->name, step->node->type);
  if (l->bias != NO_VALUE)
    FACET_TRY(facet_executor_own(x, (size_t)l->conv.out_channels, sizeof *step->bias, &step->bias));
  if (step->norm) {
    FACET_TRY(facet_executor_own(x, (size_t)l->conv.out_channels, sizeof(double), &step->fold_scale));
    FACET_TRY(facet_executor_own(x, (size_t)l->conv.out_channels, sizeof(double), &step->fold_shift));
  }
  return FACET_OK;
}

/* Weight i of the plain order out x in x kernel. */
static int64_t weight_place(const facet_lowered *l, int64_t i)
{
  int64_t o = l->conv.out_channels, in = l->conv.in_channels;
  return l->transposed ? i % in * o + i / in : i;
}

static void fold_norm(facet_executor *x, facet_step *step)
{
  const facet_lowered *n = step->norm->lowered;
  const facet_value *value = x->network->value;
  for (int64_t c = 0; c < step->lowered->conv.out_channels; c++) {
    double deviation = sqrt(facet_tensor_get(value[n->variance].constant, c) + n->epsilon);
    step->fold_scale[c] = facet_tensor_get(value[n->gamma].constant, c) / deviation;
    step->fold_shift[c] = facet_tensor_get(value[n->beta].constant, c) -
                          facet_tensor_get(value[n->mean].constant, c) * step->fold_scale[c];
  }
}

static void put(const facet_executor *x, void *array, int64_t i, double value)
{
  if (x->options.real == FACET_F64)
    ((double *)array)[i] = value;
  else
    ((float *)array)[i] = (float)value;
}

static facet_status linear_refresh(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  const facet_tensor *weight = x->network->value[l->weight].constant;
  int64_t out = l->conv.out_channels, size = facet_shape_size(weight->shape);
  const void *ready = weight->data; /* as it is, where nothing is to be done to it */
  if (step->norm)
    fold_norm(x, step);
  if (step->norm || l->transposed || l->weight_factor != 1 || weight->type != x->options.real) {
    for (int64_t i = 0; i < size; i++) {
      double scale = l->weight_factor * (step->norm ? step->fold_scale[i / (size / out)] : 1);
      put(x, x->scratch, i, scale * facet_tensor_get(weight, weight_place(l, i)));
    }
    ready = x->scratch;
  }
  void *bias = NULL;
  if (l->bias != NO_VALUE || step->norm) {
    if (!(bias = facet_allocate((size_t)out, x->real)))
      return FACET_OS;
    const facet_tensor *b = l->bias != NO_VALUE ? x->network->value[l->bias].constant : NULL;
    for (int64_t c = 0; c < out; c++) {
      double a = 0;
      if (b)
        a = step->bias[c] = l->bias_factor * facet_tensor_get(b, facet_shape_size(b->shape) == 1 ? 0 : c);
      put(x, bias, c, step->norm ? a * step->fold_scale[c] + step->fold_shift[c] : a);
    }
  }
  const facet_kernels *k = x->options.kernels;
  facet_status status = k->conv_weights(step->forward, ready, bias);
  if (status == FACET_OK && step->pullback)
    status = k->conv_weights(step->pullback, ready, NULL);
  facet_free(&bias);
  return status;
}

static facet_status linear_forward(facet_executor *x, facet_step *step)
{
  return x->options.kernels->conv_forward(step->forward, facet_value_data(x, step->in_slot[0]),
                                          facet_value_data(x, step->out_slot));
}

/* With sums on the way, and the pullback of the gate before: to where the gate's would go. */
static facet_status fused_pullback(facet_executor *x, facet_step *step)
{
  const facet_way *way = &step->way[0];
  const facet_step *gate = step->gate;
  facet_fusion with = {.rows = x->options.rows};
  int to = gate ? gate->way[0].to : way->addend == NO_SLOT ? way->to : way->scratch;
  if (step->sums_with_pullback)
    with.sums = x->adjoint_sums;
  if (gate) {
    with.slope = gate->slope;
    with.addend = facet_adjoint_data(x, way->addend);
  }
  return x->options.kernels->conv_pullback_with(step->pullback, facet_adjoint_data(x, step->g_slot), &with,
                                                facet_adjoint_data(x, to));
}

static facet_status linear_pullback(facet_executor *x, facet_step *step)
{
  const facet_way *way = &step->way[0];
  const void *g = facet_adjoint_data(x, step->g_slot);
  void *to = facet_adjoint_data(x, way->addend == NO_SLOT ? way->to : way->scratch);
  if (step->gate || step->sums_with_pullback)
    FACET_TRY(fused_pullback(x, step));
  else
    FACET_TRY(x->options.kernels->conv_pullback(step->pullback, g, to));
  if (way->addend != NO_SLOT && !step->gate && !step->left_to_gate)
    x->e->add(facet_adjoints(x) * facet_value_size(x, step->input[0]), facet_adjoint_data(x, way->addend), 1, to,
              facet_adjoint_data(x, way->to));
  return FACET_OK;
}

/* `sum`: of the adjoint over the positions of a channel. */
static void bias_of_sums(const facet_step *step, int64_t channel, double sum, double *b)
{
  if (step->bias)
    b[step->constant[0]] += sum * step->bias[channel] * (step->norm ? step->fold_scale[channel] : 1);
  if (step->norm)
    b[step->constant[1]] += sum * step->fold_shift[channel];
}

static void linear_bias(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b)
{
  (void)sample;
  x->e->channel_sums(x->layout[step->output], g, x->sums);
  for (int64_t c = 0; c < step->lowered->conv.out_channels; c++)
    bias_of_sums(step, c, x->sums[c], b);
}

void facet_linear_bias_late(facet_executor *x, const facet_step *step, double *b_node)
{
  facet_layout l = x->layout[step->output];
  int64_t channels = facet_layout_size(l) / l.spatial;
  for (int64_t a = 0; a < facet_adjoints(x); a++)
    for (int64_t c = 0; c < step->lowered->conv.out_channels; c++)
      bias_of_sums(step, c, (double)x->adjoint_sums[a * channels + c], b_node + a * x->constants);
}

static facet_status linear_gradient(facet_executor *x, facet_step *step, float *gradient)
{
  const facet_lowered *l = step->lowered;
  float *weight = facet_gradient_of(x, l->weight, gradient);
  float *bias = l->bias != NO_VALUE ? facet_gradient_of(x, l->bias, gradient) : NULL;
  float *part = x->scratch, *bias_part = NULL;
  int64_t out = l->conv.out_channels, size = facet_shape_size(x->network->value[l->weight].shape);
  if (bias)
    FACET_NEW(bias_part, out);
  facet_status status = x->options.kernels->conv_gradient(step->gradient, facet_value_data(x, step->in_slot[0]),
                                                          facet_adjoint_data(x, step->g_slot), part, bias_part);
  for (int64_t i = 0; i < size; i++) /* added: several nodes may share a constant */
    weight[weight_place(l, i)] += (float)l->weight_factor * part[i];
  bool shared = bias && facet_shape_size(x->network->value[l->bias].shape) == 1;
  for (int64_t c = 0; bias && c < out; c++)
    bias[shared ? 0 : c] += (float)l->bias_factor * bias_part[c];
  facet_free(&bias_part);
  return status;
}

const facet_kind_row facet_kind_linear = {linear_create,   linear_refresh, linear_forward,
                                          linear_pullback, linear_bias,    linear_gradient};
