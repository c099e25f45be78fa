/* Networks that are not piecewise linear, one sample at a time (`gates: secant`).
 *
 * At one sample every operator is written as z = A u + a, with A and a of that sample, so that F = W x + b holds there
 * exactly.  Of a smooth function of one number that is its secant (curve.h).  Of a product of two branches one is taken
 * as it is at the sample, and the other stays: u * f is linear in u.  W is then no Jacobian: how f would change with x
 * is not in it.
 *
 * Which of the two is frozen follows from the graph alone: gates are what cannot grow, what comes out of a Sigmoid, a
 * HardSigmoid, a Softmax.  So the operand that is bounded whatever the sample is the gate.  Bounded are: what comes out
 * of a bounded function or of a gate that is closed on both sides, and what is made of bounded values by moves, sums,
 * maxima, means, constant factors, and functions of one number.  A layer's output is not, whatever it takes. */
#include "frozen.h"

facet_status facet_frozen_allowed(const facet_network *network, const facet_node *node, const char *why)
{
  if (network->secant)
    return FACET_OK;
  return facet_node_raise(node, "%s; 'gates: secant' freezes it at each sample", why);
}

int facet_frozen_operand(const facet_network *network, const facet_lowered *l)
{
  bool first = network->value[l->input[0]].bounded, second = network->value[l->input[1]].bounded;
  return first && !second ? 0 : 1;
}

static bool inputs_bounded(const facet_network *network, const facet_lowered *l)
{
  bool all = true;
  for (int j = 0; j < l->inputs; j++)
    all = all && network->value[l->input[j]].bounded;
  return all;
}

static bool is_closed(const facet_lowered *l)
{
  return l->slope[0] == 0 && l->slope_of == NO_VALUE && l->slope[l->pieces - 1] == 0;
}

bool facet_frozen_bounded(const facet_network *network, const facet_lowered *l)
{
  switch (l->kind) {
  case KIND_LINEAR:
    return false;
  case KIND_GATE:
    return is_closed(l) || inputs_bounded(network, l);
  case KIND_CURVE:
    return l->curve->bounded || (!l->curve->at_least && inputs_bounded(network, l));
  case KIND_SCALE:
    return !l->inverse && inputs_bounded(network, l);
  case KIND_NORM: /* as what it is made of is not, where it is written out */
  case KIND_PRODUCT:
    return false;
  case KIND_CONSTANT:
    return true;
  default:
    return inputs_bounded(network, l);
  }
}

/* The first node that is frozen at a sample; NULL: none is. */
static const facet_node *first_frozen(const facet_network *network)
{
  for (int i = 0; i < network->nodes; i++)
    if (facet_kind_is_frozen(network->node[i].lowered->kind))
      return &network->node[i];
  return NULL;
}

bool facet_network_is_piecewise_linear(const facet_network *network)
{
  return !first_frozen(network);
}

facet_status facet_network_need_pieces(const facet_network *network, const char *what)
{
  const facet_node *node = first_frozen(network);
  FACET_CHECK(!node, FACET_BAD_INPUT,
              "%s: only of a piecewise-linear network, but node %s (%s) is frozen at each sample (gates: secant)", what,
              node->name, node->type);
  return FACET_OK;
}

int facet_network_frozen(const facet_network *network, int node)
{
  const facet_lowered *l = network->node[node].lowered;
  if (!facet_kind_is_frozen(l->kind))
    return FACET_FROZEN_NOT;
  return l->kind == KIND_SCALE || l->kind == KIND_PRODUCT ? l->input[1] : FACET_FROZEN_ITSELF;
}
