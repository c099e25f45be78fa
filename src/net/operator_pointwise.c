/* Shape inference of the operators that work element by element: diagonals, sums, gates, selections. */
#include <math.h>
#include <string.h>

#include "frozen.h"
#include "lower.h"

/* ---- diagonals ---- */

facet_status facet_lower_batch_norm(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  FACET_TRY(facet_node_one_input(node));
  facet_shape in = facet_node_shape(network, node);
  int *const value[] = {&l->gamma, &l->beta, &l->mean, &l->variance};
  static const char *const what[] = {"scale", "B", "mean", "var"};
  if (facet_node_int(node, "training_mode", 0) != 0)
    return facet_node_raise(node, "training_mode is on: export the network in evaluation mode");
  if (facet_node_int(node, "spatial", 1) == 0)
    return facet_node_raise(node, "spatial is 0: statistics by position are not supported");
  if (in.rank < 2)
    return facet_node_raise(node, "input of shape %s has no channels", facet_shape_text(in));
  for (int i = 0; i < 4; i++) {
    FACET_TRY(facet_node_real(network, node, i + 1, what[i], value[i]));
    facet_shape shape = network->value[*value[i]].shape;
    if (shape.rank != 1 || shape.dim[0] != in.dim[1])
      return facet_node_raise(node, "%s is %s but the input has %lld channels", what[i], facet_shape_text(shape),
                              (long long)in.dim[1]);
  }
  l->batch_norm = true;
  l->by_channel = in.dim[0] == 1;
  l->epsilon = facet_node_float(node, "epsilon", 1e-5);
  const facet_tensor *variance = network->value[l->variance].constant;
  for (int64_t c = 0; c < in.dim[1]; c++)
    if (!(facet_tensor_get(variance, c) + l->epsilon > 0))
      return facet_node_raise(node, "variance of channel %lld is %g", (long long)c, facet_tensor_get(variance, c));
  l->full = in;
  return FACET_OK;
}

/* A copy in double, each element f(x) = factor x, or factor / x. */
static facet_status scaled_copy(const facet_tensor *from, double factor, bool inverse, facet_tensor **copy)
{
  FACET_TRY(facet_tensor_create(FACET_F64, from->shape, copy));
  for (int64_t i = 0; i < facet_shape_size(from->shape); i++) {
    double x = facet_tensor_get(from, i);
    facet_tensor_set(*copy, i, inverse ? factor / x : factor * x);
  }
  return FACET_OK;
}

/* One number over a value: a curve. */
static facet_status lower_reciprocal(facet_network *network, facet_node *node, const facet_tensor *c)
{
  facet_lowered *l = node->lowered;
  FACET_TRY(facet_frozen_allowed(network, node, "a constant divided by a value is not piecewise linear"));
  if (facet_shape_size(c->shape) != 1)
    return facet_node_raise(node, "a constant of %s divided by a value: one number is supported",
                            facet_shape_text(c->shape));
  l->kind = KIND_CURVE;
  l->curve = facet_curve_find("Reciprocal");
  l->parameter[0] = facet_tensor_get(c, 0);
  return FACET_OK;
}

static facet_status lower_with_constant(facet_network *network, facet_node *node, char operation)
{
  facet_lowered *l = node->lowered;
  int side = node->input[0] == l->input[0] ? 1 : 0, value; /* of the constant */
  FACET_TRY(facet_node_real(network, node, side, "the other operand", &value));
  const facet_tensor *c = network->value[value].constant;
  l->full = facet_node_shape(network, node);
  if (!facet_spreads(c->shape, l->full))
    return facet_node_raise(node, "a constant of %s does not spread over %s", facet_shape_text(c->shape),
                            facet_shape_text(l->full));
  if (operation == '/' && side == 0)
    return lower_reciprocal(network, node, c);
  for (int64_t i = 0; operation == '/' && i < facet_shape_size(c->shape); i++)
    if (facet_tensor_get(c, i) == 0)
      return facet_node_raise(node, "divides by 0");
  l->kind = KIND_DIAGONAL;
  l->by_channel = facet_shape_only_channel(c->shape, l->full);
  if (operation == '*' || operation == '/')
    return scaled_copy(c, 1, operation == '/', &l->scale);
  if (operation == '-' && side == 0)
    FACET_TRY(facet_tensor_of_one(-1, &l->scale));
  return scaled_copy(c, operation == '-' && side == 1 ? -1 : 1, false, &l->shift);
}

facet_status facet_lower_neg(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  node->lowered->full = facet_node_shape(network, node);
  node->lowered->by_channel = node->lowered->full.rank >= 2 && node->lowered->full.dim[0] == 1;
  return facet_tensor_of_one(-1, &node->lowered->scale);
}

/* ---- sums ---- */

/* Adds factor * c, spread over the output, to the constant of a sum or diagonal. */
static facet_status add_shift(facet_node *node, const facet_tensor *c, double factor)
{
  facet_lowered *l = node->lowered;
  if (!l->shift)
    FACET_TRY(facet_tensor_create(FACET_F64, l->full, &l->shift));
  for (int64_t i = 0; i < facet_shape_size(l->full); i++)
    facet_tensor_set(l->shift, i,
                     facet_tensor_get(l->shift, i) +
                         factor * facet_tensor_get(c, facet_spread_index(c->shape, l->full, i)));
  return FACET_OK;
}

/* The output has the shape of the branches, which is one by now; constants must spread over it. */
static facet_status meet(const facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  l->full = facet_node_shape(network, node);
  for (int j = 1; j < l->inputs; j++) {
    facet_shape other = facet_full_shape(network, l->input[j]);
    if (!facet_shape_same(other, l->full))
      return facet_node_raise(node, "branches of %s and %s", facet_shape_text(l->full), facet_shape_text(other));
  }
  for (int i = 0; i < node->inputs; i++) {
    const facet_tensor *c = facet_node_constant(network, node, i);
    if (c && !facet_spreads(c->shape, l->full))
      return facet_node_raise(node, "a constant of %s does not spread over %s", facet_shape_text(c->shape),
                              facet_shape_text(l->full));
  }
  return FACET_OK;
}

/* factor * (sum of all inputs). */
static facet_status lower_sum_of(facet_network *network, facet_node *node, double factor)
{
  facet_lowered *l = node->lowered;
  l->kind = KIND_SUM;
  FACET_TRY(meet(network, node));
  FACET_NEW(l->coefficient, l->inputs);
  for (int j = 0; j < l->inputs; j++)
    l->coefficient[j] = factor;
  for (int i = 0; i < node->inputs; i++)
    if (facet_node_constant(network, node, i))
      FACET_TRY(add_shift(node, facet_node_constant(network, node, i), factor));
  return FACET_OK;
}

facet_status facet_lower_sum(facet_network *network, facet_node *node)
{
  return lower_sum_of(network, node, 1);
}

facet_status facet_lower_mean(facet_network *network, facet_node *node)
{
  return lower_sum_of(network, node, 1.0 / node->inputs);
}

static facet_status lower_arithmetic(facet_network *network, facet_node *node, char operation)
{
  facet_lowered *l = node->lowered;
  if (node->inputs != 2)
    return facet_node_raise(node, "has %d inputs", node->inputs);
  if (l->inputs == 1)
    return lower_with_constant(network, node, operation);
  if (operation == '*' || operation == '/')
    return facet_lower_branches(network, node, operation == '/');
  FACET_TRY(lower_sum_of(network, node, 1));
  l->coefficient[1] = operation == '-' ? -1 : 1;
  return FACET_OK;
}

facet_status facet_lower_add(facet_network *network, facet_node *node)
{
  return lower_arithmetic(network, node, '+');
}

facet_status facet_lower_sub(facet_network *network, facet_node *node)
{
  return lower_arithmetic(network, node, '-');
}

facet_status facet_lower_mul(facet_network *network, facet_node *node)
{
  return lower_arithmetic(network, node, '*');
}

facet_status facet_lower_div(facet_network *network, facet_node *node)
{
  return lower_arithmetic(network, node, '/');
}

/* ---- gates ---- */

/* A gate of two or three pieces, listed from the lowest on. */
static facet_status lower_gate(facet_network *network, facet_node *node, int pieces, const double *at,
                               const double *slope, const double *offset)
{
  facet_lowered *l = node->lowered;
  l->kind = KIND_GATE;
  l->full = facet_node_shape(network, node);
  l->pieces = pieces;
  memcpy(l->at, at, (size_t)(pieces - 1) * sizeof *at);
  memcpy(l->slope, slope, (size_t)pieces * sizeof *slope);
  memcpy(l->offset, offset, (size_t)pieces * sizeof *offset);
  return FACET_OK;
}

facet_status facet_lower_relu(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  return lower_gate(network, node, 2, (double[]){0}, (double[]){0, 1}, (double[]){0, 0});
}

facet_status facet_lower_leaky_relu(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  double alpha = facet_node_float(node, "alpha", 0.01);
  return lower_gate(network, node, 2, (double[]){0}, (double[]){alpha, 1}, (double[]){0, 0});
}

facet_status facet_lower_abs(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  return lower_gate(network, node, 2, (double[]){0}, (double[]){-1, 1}, (double[]){0, 0});
}

facet_status facet_lower_prelu(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  FACET_TRY(facet_node_one_input(node));
  FACET_TRY(facet_node_real(network, node, 1, "slope", &l->slope_of));
  FACET_TRY(lower_gate(network, node, 2, (double[]){0}, (double[]){0, 1}, (double[]){0, 0}));
  facet_value *slope = &network->value[l->slope_of];
  bool by_channel = slope->shape.rank == 1 && l->full.rank >= 2 && slope->shape.dim[0] == l->full.dim[1] &&
                    (network->opset < 7 || !facet_spreads(slope->shape, l->full));
  if (by_channel) { /* as the first operator sets had it: one slope per channel, whatever follows */
    facet_shape tall = {.rank = l->full.rank - 1, .dim = {slope->shape.dim[0]}};
    for (int d = 1; d < tall.rank; d++)
      tall.dim[d] = 1;
    slope->shape = slope->constant->shape = tall;
  }
  if (!facet_spreads(slope->shape, l->full))
    return facet_node_raise(node, "slopes of %s do not spread over %s", facet_shape_text(slope->shape),
                            facet_shape_text(l->full));
  return FACET_OK;
}

/* low, then slope u + shift, then high; the upper bound wins, as operator set 13 says of Clip. */
static facet_status lower_bounds(facet_network *network, facet_node *node, double slope, double shift, double low,
                                 double high)
{
  if (low > high && isinf(high))
    return facet_node_raise(node, "the lower bound %g is above the upper bound %g", low, high);
  low = low > high ? high : low;
  if (isinf(low) && isinf(high)) { /* no bound at all */
    double at = 0, slopes[] = {slope, slope}, offsets[] = {shift, shift};
    return lower_gate(network, node, 2, &at, slopes, offsets);
  }
  if (isinf(high))
    return lower_gate(network, node, 2, (double[]){(low - shift) / slope}, (double[]){0, slope},
                      (double[]){low, shift});
  if (isinf(low))
    return lower_gate(network, node, 2, (double[]){(high - shift) / slope}, (double[]){slope, 0},
                      (double[]){shift, high});
  return lower_gate(network, node, 3, (double[]){(low - shift) / slope, (high - shift) / slope},
                    (double[]){0, slope, 0}, (double[]){low, shift, high});
}

/* A bound beyond what a float holds is none. */
static double bound_of(double x)
{
  return x >= 3.4e38 ? (double)INFINITY : x <= -3.4e38 ? -(double)INFINITY : x;
}

facet_status facet_lower_clip(facet_network *network, facet_node *node)
{
  bool given;
  double low = facet_node_float(node, "min", -(double)INFINITY), high = facet_node_float(node, "max", (double)INFINITY);
  FACET_TRY(facet_node_one_input(node));
  FACET_TRY(facet_node_scalar(network, node, 1, &given, &low));
  FACET_TRY(facet_node_scalar(network, node, 2, &given, &high));
  return lower_bounds(network, node, 1, 0, bound_of(low), bound_of(high));
}

facet_status facet_lower_hard_sigmoid(facet_network *network, facet_node *node)
{
  double alpha = facet_node_float(node, "alpha", 0.2), beta = facet_node_float(node, "beta", 0.5);
  FACET_TRY(facet_node_one_input(node));
  if (!(alpha > 0))
    return facet_node_raise(node, "alpha is %g: above 0 is supported", alpha);
  return lower_bounds(network, node, alpha, beta, 0, 1);
}

/* ---- selections ---- */

static facet_status lower_select(facet_network *network, facet_node *node, double sign)
{
  facet_lowered *l = node->lowered;
  l->sign = sign;
  FACET_TRY(meet(network, node));
  FACET_NEW(l->constant, node->inputs);
  for (int i = 0; i < node->inputs; i++)
    if (facet_node_constant(network, node, i))
      FACET_TRY(facet_node_real(network, node, i, "constants", &l->constant[l->constants++]));
  if (l->inputs == 1 && l->constants == 1) { /* of one branch and one number: a bound */
    const facet_tensor *c = network->value[l->constant[0]].constant;
    double bound = facet_tensor_get(c, 0), none = (double)INFINITY;
    if (facet_shape_size(c->shape) == 1)
      return lower_bounds(network, node, 1, 0, sign > 0 ? bound : -none, sign > 0 ? none : bound);
  }
  return FACET_OK;
}

facet_status facet_lower_max(facet_network *network, facet_node *node)
{
  return lower_select(network, node, 1);
}

facet_status facet_lower_min(facet_network *network, facet_node *node)
{
  return lower_select(network, node, -1);
}
