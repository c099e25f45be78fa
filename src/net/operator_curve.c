/* Shape inference of the operators that are frozen at a sample (frozen.c). */
#include <math.h>
#include <string.h>

#include "frozen.h"
#include "lower.h"

/* ---- curves ---- */

static const double SELU_ALPHA = 1.67326319217681884765625, SELU_GAMMA = 1.05070102214813232421875;

static facet_status read_parameters(const facet_node *node, double *p)
{
  bool selu = strcmp(node->type, "Selu") == 0;
  const char *approximate = facet_node_text(node, "approximate", "none");
  bool by_tanh = strcmp(approximate, "tanh") == 0;
  if (!by_tanh && strcmp(approximate, "none") != 0)
    return facet_node_raise(node, "approximate is %s: none and tanh are known", approximate);
  p[0] = strcmp(node->type, "Gelu") == 0 ? by_tanh : facet_node_float(node, "alpha", selu ? SELU_ALPHA : 1);
  p[1] = strcmp(node->type, "Softplus") == 0 ? INFINITY : facet_node_float(node, "gamma", SELU_GAMMA);
  if (strcmp(node->type, "Celu") == 0 && !(p[0] > 0))
    return facet_node_raise(node, "alpha is %g: above 0 is supported", p[0]);
  return FACET_OK;
}

facet_status facet_lower_power(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  bool given;
  FACET_TRY(facet_node_one_input(node));
  FACET_TRY(facet_node_scalar(network, node, 1, &given, &l->parameter[0]));
  if (!given || !(l->parameter[0] > 0))
    return facet_node_raise(node, "its exponent must be one number above 0");
  l->curve = facet_curve_find(node->type);
  l->full = facet_node_shape(network, node);
  return FACET_OK;
}

facet_status facet_lower_curve(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  FACET_TRY(facet_node_one_input(node));
  l->curve = facet_curve_find(node->type);
  FACET_TRY(read_parameters(node, l->parameter));
  if (facet_node_is_choice(node))
    FACET_TRY(facet_choice_numbers(network, node, &l->parameter[0], &l->parameter[1]));
  l->at_zero = l->curve->at_zero ? l->curve->at_zero(l->parameter) : 0;
  l->full = facet_node_shape(network, node);
  return l->at_zero == 0 ? FACET_OK : facet_tensor_of_one(l->at_zero, &l->shift);
}

/* ---- products and quotients of two branches ---- */

/* `other` comes last, and is taken as it is. */
static void freeze(facet_lowered *l, int other)
{
  int linear = l->input[1 - other], frozen = l->input[other];
  l->input[0] = linear;
  l->input[1] = frozen;
  l->frozen = 1;
}

facet_status facet_lower_branches(facet_network *network, facet_node *node, bool quotient)
{
  facet_lowered *l = node->lowered;
  FACET_TRY(facet_frozen_allowed(network, node, "a product or quotient of two branches is not piecewise linear"));
  l->kind = KIND_SCALE;
  l->inverse = quotient;
  l->full = facet_node_shape(network, node);
  facet_shape other = facet_full_shape(network, l->input[1]);
  if (!facet_shape_same(other, l->full))
    return facet_node_raise(node, "branches of %s and %s", facet_shape_text(l->full), facet_shape_text(other));
  freeze(l, quotient ? 1 : facet_frozen_operand(network, l));
  return FACET_OK;
}

/* ---- normalization by the input's own statistics ---- */

/* Factors and constants, of which there are `count`, or one, or none. */
static facet_status norm_constants(facet_network *network, facet_node *node, int64_t count)
{
  facet_lowered *l = node->lowered;
  int *const value[] = {&l->gamma, &l->beta};
  static const char *const what[] = {"scale", "bias"};
  FACET_TRY(facet_node_one_input(node));
  l->epsilon = facet_node_float(node, "epsilon", 1e-5);
  l->plain = l->centred = true;
  for (int i = 0; i < 2; i++) {
    if (!facet_node_has(node, i + 1))
      continue;
    FACET_TRY(facet_node_real(network, node, i + 1, what[i], value[i]));
    facet_shape shape = network->value[*value[i]].shape;
    if (facet_shape_size(shape) != count && facet_shape_size(shape) != 1)
      return facet_node_raise(node, "%s is %s where %lld numbers are wanted", what[i], facet_shape_text(shape),
                              (long long)count);
  }
  return FACET_OK;
}

/* From an axis on. */
facet_status facet_lower_layer_norm(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  facet_shape in = facet_node_shape(network, node);
  int axis;
  l->full = in;
  l->length = l->stride = 1;
  FACET_TRY(facet_node_axis(network, node, facet_node_int(node, "axis", -1), in, true, &axis));
  for (int d = axis; d < in.rank; d++)
    l->length *= in.dim[d];
  FACET_TRY(norm_constants(network, node, l->length));
  l->centred = strcmp(node->type, "LayerNormalization") == 0;
  return FACET_OK;
}

static int64_t positions_of(facet_shape in)
{
  int64_t positions = 1;
  for (int d = 2; d < in.rank; d++)
    positions *= in.dim[d];
  return positions;
}

facet_status facet_lower_instance_norm(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  l->full = facet_node_shape(network, node);
  if (l->full.rank < 3)
    return facet_node_raise(node, "input of shape %s has no positions", facet_shape_text(l->full));
  l->length = l->stride = positions_of(l->full);
  return norm_constants(network, node, l->full.dim[1]);
}

/* Until operator set 21 factors were by group, and are by channel since. */
facet_status facet_lower_group_norm(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  l->full = facet_node_shape(network, node);
  int64_t groups = facet_node_int(node, "num_groups", 0), channels = l->full.rank < 2 ? 0 : l->full.dim[1];
  if (groups < 1 || channels % groups != 0)
    return facet_node_raise(node, "%lld groups of %lld channels", (long long)groups, (long long)channels);
  l->length = channels / groups * positions_of(l->full);
  l->stride = network->opset < 21 ? l->length : positions_of(l->full);
  return norm_constants(network, node, network->opset < 21 ? groups : channels);
}

/* ---- attention ---- */

/* Before operator set 13 all dimensions from the axis on are one. */
facet_status facet_lower_softmax(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  facet_shape in = facet_node_shape(network, node);
  bool old = network->opset < 13;
  int axis;
  FACET_TRY(facet_node_one_input(node));
  FACET_TRY(facet_node_axis(network, node, facet_node_int(node, "axis", old ? 1 : -1), in, true, &axis));
  l->full = in;
  l->plain = true;
  l->frozen = 1;
  l->length = l->stride = 1;
  for (int d = axis; d < in.rank; d++)
    *(d == axis || old ? &l->length : &l->stride) *= in.dim[d];
  return FACET_OK;
}

/* The matrices of each product. */
static facet_status pair_stacks(facet_node *node, facet_shape left, facet_shape right, facet_shape stack)
{
  facet_lowered *l = node->lowered;
  left.rank -= 2;
  right.rank -= 2;
  l->stacks = facet_shape_size(stack);
  if (l->stacks > 1 << 20)
    return facet_node_raise(node, "a product of %lld matrices is too large", (long long)l->stacks);
  FACET_NEW(l->position, 2 * l->stacks);
  for (int64_t s = 0; s < l->stacks; s++) {
    l->position[s] = facet_spread_index(left, stack, s);
    l->position[l->stacks + s] = facet_spread_index(right, stack, s);
  }
  return FACET_OK;
}

facet_status facet_lower_matrices(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  FACET_TRY(facet_frozen_allowed(network, node, "a product of two branches is not piecewise linear"));
  facet_shape a = facet_full_shape(network, l->input[0]), b = facet_full_shape(network, l->input[1]), stack;
  facet_shape a_stack = a, b_stack = b;
  a_stack.rank -= 2;
  b_stack.rank -= 2;
  bool fit = a.rank >= 2 && b.rank >= 2 && a.dim[a.rank - 1] == b.dim[b.rank - 2];
  if (!fit || !facet_broadcast(a_stack, b_stack, &stack))
    return facet_node_raise(node, "branches of %s and %s", facet_shape_text(a), facet_shape_text(b));
  l->kind = KIND_PRODUCT;
  l->plain = true;
  l->rows = a.dim[a.rank - 2];
  l->inner = a.dim[a.rank - 1];
  l->columns = b.dim[b.rank - 1];
  l->full = stack;
  l->full.dim[l->full.rank++] = l->rows;
  l->full.dim[l->full.rank++] = l->columns;
  FACET_TRY(facet_node_size(node, l->full));
  int frozen = facet_frozen_operand(network, l);
  l->right = frozen == 0;
  freeze(l, frozen);
  return pair_stacks(node, a, b, stack);
}
