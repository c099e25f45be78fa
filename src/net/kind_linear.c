/* Linear steps: convolutions, transposed or not, and inner products, with the diagonals by channel after them (batch
 * norm, Mul, Add) folded into the weights.
 *
 * Folded or not, b stays split by node: with d the product of the factors after it and the adjoint g of the step's
 * output, a node's constant a contributes <g, d a>. */
#include <math.h>
#include <string.h>

#include "lanes.h"

facet_ends facet_step_ends(const facet_executor *x, const facet_step *step)
{
  const facet_lowered *l = step->lowered;
  facet_ends e = {x->layout[step->input[0]], x->layout[step->output], 1};
  if (l->viewed)
    return (facet_ends){l->in, l->out, l->images};
  return l->adjoint ? (facet_ends){e.out, e.in, 1} : e;
}

static facet_status linear_create(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  const facet_kernels *k = x->options.kernels;
  facet_type real = x->options.real;
  facet_ends e = facet_step_ends(x, step);
  int64_t batch = x->options.batch * e.images, adjoints = batch * x->options.rows;
  facet_task forward = l->adjoint ? FACET_PULLBACK : FACET_FORWARD, back = l->adjoint ? FACET_FORWARD : FACET_PULLBACK;
  facet_status status;
  FACET_GO(failed, status, k->conv_create(&l->conv, real, forward, batch, e.in, e.out, &step->forward));
  if (x->options.rows > 0)
    FACET_GO(failed, status, k->conv_create(&l->conv, real, back, adjoints, e.in, e.out, &step->pullback));
  if (x->options.training)
    FACET_GO(failed, status, k->conv_create(&l->conv, real, FACET_GRADIENT, batch, e.in, e.out, &step->gradient));
  return FACET_OK;
failed:
  return facet_raise_in(status, "node %s (%s): ", step->node->name, step->node->type);
}

/* Channels of the step's output. */
static int64_t channels_of(const facet_lowered *l)
{
  return l->adjoint ? l->conv.in_channels : l->conv.out_channels;
}

/* The node's own constant per channel, before folding; NULL: none. Caller frees. */
static facet_status own_bias(const facet_executor *x, const facet_lowered *l, double **own)
{
  *own = NULL;
  if (l->bias == NO_VALUE)
    return FACET_OK;
  const facet_tensor *b = x->network->value[l->bias].constant;
  FACET_NEW(*own, channels_of(l));
  for (int64_t c = 0; c < channels_of(l); c++)
    (*own)[c] = l->bias_factor * facet_tensor_get(b, facet_shape_size(b->shape) == 1 ? 0 : c);
  return FACET_OK;
}

/* Weights in plain order and the executor's type, scaled by what is folded in. */
static const void *ready_weights(facet_executor *x, const facet_step *step)
{
  const facet_lowered *l = step->lowered;
  const facet_tensor *weight = x->network->value[l->weight].constant;
  int64_t size = facet_shape_size(weight->shape), out = channels_of(l);
  if (step->folds == 0 && !l->transposed && l->weight_factor == 1 && weight->type == x->options.real)
    return weight->data;
  for (int64_t i = 0; i < size; i++) {
    double scale = l->weight_factor * (step->folds > 0 ? step->total[i / (size / out)] : 1);
    facet_executor_put(x, x->scratch, i, scale * facet_tensor_get(weight, facet_weight_place(l, i)));
  }
  return x->scratch;
}

/* Of one output: how many terms, and the largest sum of the sizes of their weights, in double. */
static void weigh_sums(facet_step *step, const double *weights)
{
  const facet_conv_shape *c = &step->lowered->conv;
  int64_t channels = channels_of(step->lowered);
  int64_t in = c->in_channels / c->groups, out = c->out_channels / c->groups, volume = 1;
  for (int d = 0; d < c->spatial; d++)
    volume *= c->kernel[d];
  step->terms = (step->lowered->adjoint ? out : in) * volume + 1;
  step->gain = 0;
  for (int64_t k = 0; k < channels; k++) {
    double sum = 0;
    if (step->lowered->adjoint) /* input channel k of A, in its group */
      for (int64_t o = 0; o < out; o++)
        for (int64_t v = 0; v < volume; v++)
          sum += fabs(weights[((k / in * out + o) * in + k % in) * volume + v]);
    else
      for (int64_t i = 0; i < in * volume; i++)
        sum += fabs(weights[k * in * volume + i]);
    step->gain = sum > step->gain ? sum : step->gain;
  }
}

/* What a kernel cannot add: a constant that is none by channel, or the bias of a transposed convolution. */
static facet_status spread_shift(facet_executor *x, facet_step *step, const double *own)
{
  const facet_lowered *l = step->lowered;
  int64_t images, size = facet_value_size(x, step->output);
  facet_layout layout = facet_step_channels(x, step, &images);
  if (!l->shift && !(l->adjoint && own))
    return FACET_OK;
  if (l->shift && !step->shift)
    return facet_executor_spread(x, step, l->shift, &step->shift);
  if (!step->shift)
    FACET_TRY(facet_executor_own(x, (size_t)size, x->real, &step->shift));
  for (int64_t i = 0; own && l->adjoint && i < images; i++)
    for (int64_t c = 0; c < layout.channels; c++)
      for (int64_t s = 0; s < layout.spatial; s++)
        facet_executor_put(x, step->shift, i * facet_layout_size(layout) + facet_layout_at(layout, c, s), own[c]);
  return FACET_OK;
}

static facet_status linear_refresh(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  const facet_kernels *k = x->options.kernels;
  int64_t channels = channels_of(l);
  double *own = NULL;
  void *bias = NULL;
  facet_status status;
  FACET_GO(done, status, own_bias(x, l, &own));
  FACET_GO(done, status, facet_fold_channels(x, step, channels, own));
  FACET_GO(done, status, spread_shift(x, step, own));
  if (!l->adjoint && step->sources > 0 && !step->shift) {
    FACET_GO(done, status, (bias = facet_allocate((size_t)channels, x->real)) ? FACET_OK : FACET_OS);
    for (int64_t c = 0; c < channels; c++) {
      double sum = 0;
      for (int j = 0; j < step->sources; j++)
        sum += step->source[j].by_channel[c];
      facet_executor_put(x, bias, c, sum);
    }
  }
  const void *weights = ready_weights(x, step);
  if (x->size)
    weigh_sums(step, weights);
  FACET_GO(done, status, facet_touched_weights(x, step, weights));
  FACET_GO(done, status,
           facet_lanes_chosen_forward(x) ? facet_lanes_take(x, step, weights, bias)
                                         : k->conv_weights(step->forward, weights, bias));
  if (step->pullback)
    status = facet_lanes_chosen(x) ? facet_lanes_take(x, step, weights, NULL)
                                   : k->conv_weights(step->pullback, weights, NULL);
done:
  facet_free(&own);
  facet_free(&bias);
  return status;
}

static facet_status linear_forward(facet_executor *x, facet_step *step)
{
  const facet_kernels *k = x->options.kernels;
  const void *u = facet_value_data(x, step->in_slot[0]);
  void *z = facet_value_data(x, step->out_slot);
  FACET_TRY(step->lowered->adjoint ? k->conv_pullback(step->forward, u, z) : k->conv_forward(step->forward, u, z));
  int64_t size = facet_value_size(x, step->output);
  for (int64_t s = 0; step->shift && s < x->count; s++)
    x->e->add(size, facet_at(x, z, s * size), 1, step->shift, facet_at(x, z, s * size));
  return FACET_OK;
}

static facet_status pull(facet_executor *x, const facet_step *step, const void *g, void *to)
{
  const facet_kernels *k = x->options.kernels;
  return step->lowered->adjoint ? k->conv_forward(step->pullback, g, to) : k->conv_pullback(step->pullback, g, to);
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
    FACET_TRY(pull(x, step, g, to));
  if (way->addend != NO_SLOT && !step->gate && !step->left_to_gate)
    x->e->add(facet_adjoints(x) * facet_value_size(x, step->input[0]), facet_adjoint_data(x, way->addend), 1, to,
              facet_adjoint_data(x, way->to));
  return FACET_OK;
}

static void linear_bias(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b)
{
  if (step->lowered->shift)
    b[step->source[0].constant] += x->e->dot(facet_value_size(x, step->output), g, step->shift);
  else
    facet_channels_bias(x, step, sample, g, b);
}

void facet_linear_bias_late(facet_executor *x, const facet_step *step, double *b_node)
{
  facet_layout l = x->layout[step->output];
  int64_t channels = facet_layout_size(l) / l.spatial;
  for (int64_t a = 0; a < facet_adjoints(x); a++)
    for (int k = 0; k < step->sources; k++)
      for (int64_t c = 0; c < l.channels; c++)
        b_node[a * x->constants + step->source[k].constant] +=
            (double)x->adjoint_sums[a * channels + c] * step->source[k].by_channel[c];
}

/* The kernel sums over a whole batch: what is left of an earlier one behind the samples in use must not count. */
static void clear_unused(const facet_executor *x, const facet_step *step)
{
  int64_t size = facet_value_size(x, step->output), unused = x->options.batch - x->count;
  void *g = facet_adjoint_data(x, step->g_slot);
  if (unused > 0)
    memset(facet_at(x, g, x->count * size), 0, (size_t)(unused * size) * x->real);
}

static facet_status linear_gradient(facet_executor *x, facet_step *step, float *gradient)
{
  const facet_lowered *l = step->lowered;
  float *weight = facet_gradient_of(x, l->weight, gradient);
  float *bias = l->bias != NO_VALUE ? facet_gradient_of(x, l->bias, gradient) : NULL;
  float *part = x->scratch;
  const void *u = facet_value_data(x, step->in_slot[0]), *g = facet_adjoint_data(x, step->g_slot);
  int64_t images, size = facet_shape_size(x->network->value[l->weight].shape), out = facet_value_size(x, step->output);
  facet_layout layout = facet_step_channels(x, step, &images);
  clear_unused(x, step);
  FACET_TRY(x->options.kernels->conv_gradient(step->gradient, l->adjoint ? g : u, l->adjoint ? u : g, part, NULL));
  for (int64_t i = 0; i < size; i++) /* added: several nodes may share a constant */
    weight[facet_weight_place(l, i)] += (float)l->weight_factor * part[i];
  bool shared = bias && facet_shape_size(x->network->value[l->bias].shape) == 1;
  for (int64_t a = 0; bias && a < x->count * images; a++) {
    x->e->channel_sums(layout, (const char *)g + (size_t)(a * (out / images)) * x->real, x->sums);
    for (int64_t c = 0; c < layout.channels; c++)
      bias[shared ? 0 : c] += (float)(l->bias_factor * x->sums[c]);
  }
  return FACET_OK;
}

const facet_kind_row facet_kind_linear = {linear_create,   linear_refresh, linear_forward,
                                          linear_pullback, linear_bias,    linear_gradient};
