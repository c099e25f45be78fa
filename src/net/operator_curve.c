/* Shape inference of the operators that are frozen at a sample (frozen.c). */
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
  p[1] = facet_node_float(node, "gamma", SELU_GAMMA);
  if (strcmp(node->type, "Celu") == 0 && !(p[0] > 0))
    return facet_node_raise(node, "alpha is %g: above 0 is supported", p[0]);
  return FACET_OK;
}

facet_status facet_lower_curve(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  FACET_TRY(facet_node_one_input(node));
  l->curve = facet_curve_find(node->type);
  FACET_TRY(read_parameters(node, l->parameter));
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
