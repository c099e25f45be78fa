/* Channels that put out one number at every position, whatever the sample: found from the input on. */
#include <math.h>

#include "channels.h"

static const double SAME = 1e-13; /* of windows whose factors differ by rounding alone */

/* Whether kernel tap t reads inside the image at every output position: where it does not, a constant is no constant
 * at the border. */
static bool tap_inside(const facet_conv_shape *c, int64_t t)
{
  for (int d = c->spatial - 1; d >= 0; d--) {
    int64_t first = t % c->kernel[d] * c->dilation[d] - c->pad_begin[d];
    if (first < 0 || first + (c->out[d] - 1) * c->stride[d] >= c->in[d])
      return false;
    t /= c->kernel[d];
  }
  return true;
}

bool channel_effect(const channel_plan *p, const facet_node *node, int64_t o, int64_t i, double *constant)
{
  const facet_lowered *l = node->lowered;
  const facet_conv_shape *c = &l->conv;
  const facet_tensor *w = p->network->value[l->weight].constant;
  int64_t each = c->in_channels / c->groups, taps = 1, slot = p->first[l->input[0]] + i;
  for (int d = 0; d < c->spatial; d++)
    taps *= c->kernel[d];
  int64_t at = l->transposed ? i * c->out_channels + o : (o * each + i % each) * taps;
  *constant = 0;
  if (p->known[slot] && p->number[slot] == 0)
    return true;
  for (int64_t t = 0; t < taps; t++) {
    double x = facet_tensor_get(w, at + t);
    if (x != 0 && !(p->known[slot] && tap_inside(c, t)))
      return false;
    if (x != 0)
      *constant += l->weight_factor * x * p->number[slot];
  }
  return isfinite(*constant);
}

static bool of_linear(const channel_plan *p, const facet_node *node, int64_t o, double *number)
{
  const facet_lowered *l = node->lowered;
  int64_t each = l->conv.in_channels / l->conv.groups, group = o / (l->conv.out_channels / l->conv.groups);
  const facet_tensor *bias = l->bias == NO_VALUE ? NULL : p->network->value[l->bias].constant;
  *number = bias ? l->bias_factor * facet_tensor_get(bias, facet_shape_size(bias->shape) == 1 ? 0 : o) : 0;
  for (int64_t i = group * each; i < (group + 1) * each; i++) {
    double effect;
    if (!channel_effect(p, node, o, i, &effect))
      return false;
    *number += effect;
  }
  return true;
}

/* The factor and shift that all elements of channel c have in common. */
static bool common_diagonal(const channel_plan *p, const facet_lowered *l, int64_t c, double *scale, double *shift)
{
  int64_t inner = facet_shape_size(l->full) / l->full.dim[1];
  facet_diagonal_element(p->network, l, c * inner, scale, shift);
  for (int64_t s = 1; s < inner && !l->batch_norm; s++) {
    double other[2];
    facet_diagonal_element(p->network, l, c * inner + s, &other[0], &other[1]);
    if (other[0] != *scale || other[1] != *shift)
      return false;
  }
  return true;
}

static bool of_diagonal(const channel_plan *p, const facet_lowered *l, int64_t c, double *number)
{
  double scale, shift;
  int64_t u = p->first[l->input[0]] + c;
  if (!common_diagonal(p, l, c, &scale, &shift) || (!p->known[u] && scale != 0))
    return false;
  *number = scale == 0 ? shift : scale * p->number[u] + shift;
  return true;
}

static bool of_sum(const channel_plan *p, const facet_lowered *l, int64_t c, double *number)
{
  double scale;
  if (!common_diagonal(p, l, c, &scale, number))
    return false;
  for (int j = 0; j < l->inputs; j++) {
    int64_t u = p->first[l->input[j]] + c;
    if (!p->known[u])
      return false;
    *number += l->coefficient[j] * p->number[u];
  }
  return true;
}

static bool of_gate(const channel_plan *p, const facet_lowered *l, int64_t c, double *number)
{
  int64_t u = p->first[l->input[0]] + c;
  int piece = 0;
  if (!p->known[u] || l->slope_of != NO_VALUE)
    return false;
  for (int k = 1; k < l->pieces; k++)
    if (p->number[u] > l->at[k - 1])
      piece = k;
  *number = l->slope[piece] * p->number[u] + l->offset[piece];
  return true;
}

static bool of_curve(const channel_plan *p, const facet_lowered *l, int64_t c, double *number)
{
  int64_t u = p->first[l->input[0]] + c;
  *number = p->known[u] ? facet_curve_at(l, p->number[u]) : 0;
  return p->known[u];
}

static bool of_scale(const channel_plan *p, const facet_lowered *l, int64_t c, double *number)
{
  int64_t u = p->first[l->input[0]] + c, f = p->first[l->input[1]] + c;
  if (!p->known[u] || !p->known[f])
    return false;
  *number = l->inverse ? p->number[u] / p->number[f] : p->number[u] * p->number[f];
  return true;
}

static bool of_select(const channel_plan *p, const facet_lowered *l, int64_t c, double *number)
{
  for (int j = 0; j < l->inputs; j++) {
    int64_t u = p->first[l->input[j]] + c;
    if (!p->known[u] || l->constants > 0)
      return false;
    if (j == 0 || l->sign * p->number[u] > l->sign * *number)
      *number = p->number[u];
  }
  return true;
}

static bool of_window(const channel_plan *p, const facet_lowered *l, int64_t c, double *number)
{
  int64_t u = p->first[l->input[0]] + c, outs = facet_shape_size(l->full) / l->full.dim[1];
  double common = 0;
  if (!p->known[u] || l->shift)
    return false;
  *number = p->number[u];
  if (l->maximum || *number == 0)
    return true;
  for (int64_t s = 0; s < outs; s++) {
    double sum = 0;
    for (int64_t k = l->begin[s]; k < l->begin[s + 1]; k++)
      sum += l->tap ? l->tap[k] : 1;
    sum *= l->weight_of[s];
    if (s > 0 && fabs(sum - common) > SAME * fabs(common))
      return false;
    common = s > 0 ? common : sum;
  }
  *number *= common;
  return true;
}

static bool of_move(const channel_plan *p, const facet_lowered *l, int64_t c, double *number)
{
  int64_t inner = facet_shape_size(l->full) / l->full.dim[1];
  for (int64_t i = c * inner; i < (c + 1) * inner; i++) {
    int v = l->input[l->from ? l->from[i] : 0];
    int64_t source = facet_move_source(l, i);
    double x = l->fill_of ? l->fill_of[i] : l->fill;
    if (source >= 0) {
      facet_shape in = p->network->value[v].shape;
      int64_t u = p->first[v] + source / (facet_shape_size(in) / in.dim[0]);
      if (!p->known[u])
        return false;
      x = p->number[u];
    }
    if (i > c * inner && x != *number)
      return false;
    *number = x;
  }
  return true;
}

static bool of_node(const channel_plan *p, const facet_node *node, int64_t c, double *number)
{
  switch (node->lowered->kind) {
  case KIND_LINEAR:
    return of_linear(p, node, c, number);
  case KIND_DIAGONAL:
    return of_diagonal(p, node->lowered, c, number);
  case KIND_SUM:
    return of_sum(p, node->lowered, c, number);
  case KIND_GATE:
    return of_gate(p, node->lowered, c, number);
  case KIND_SELECT:
    return of_select(p, node->lowered, c, number);
  case KIND_MOVE:
    return of_move(p, node->lowered, c, number);
  case KIND_CURVE:
    return of_curve(p, node->lowered, c, number);
  case KIND_SCALE:
    return of_scale(p, node->lowered, c, number);
  case KIND_NORM: /* they stay: channels.c */
  case KIND_PRODUCT:
  case KIND_CONSTANT:
    return false;
  case KIND_WINDOW:
    break;
  }
  return of_window(p, node->lowered, c, number);
}

facet_status channel_constants(channel_plan *p)
{
  FACET_NEW(p->known, p->slots);
  FACET_NEW(p->number, p->slots);
  for (int n = 0; n < p->network->nodes; n++) {
    const facet_node *node = &p->network->node[n];
    int64_t first = p->first[node->output[0]];
    if (channel_node_of(p, node) == CHANNELS_STAY)
      continue;
    for (int64_t c = 0; c < channel_count(p, node->output[0]); c++) {
      double x = 0;
      p->known[first + c] = of_node(p, node, c, &x) && isfinite(x);
      p->number[first + c] = x;
    }
  }
  return FACET_OK;
}
