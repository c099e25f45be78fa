/* Derivatives through every kind but the linear one: with the pattern frozen, an element of the output is a constant
 * plus a few terms, and the terms alone decide how tangents and adjoints go. */
#include <math.h>

#include "derivative_parts.h"

facet_status facet_derivative_terms_create(facet_derivative *d, int node)
{
  const facet_lowered *l = d->network->node[node].lowered;
  facet_derivative_node *n = &d->node[node];
  if (l->kind != KIND_DIAGONAL)
    return FACET_OK;
  int64_t size = d->value[l->output].size;
  FACET_NEW(n->scale, size);
  FACET_NEW(n->shift, size);
  for (int64_t i = 0; i < size; i++)
    facet_diagonal_element(d->network, l, i, &n->scale[i], &n->shift[i]);
  return FACET_OK;
}

/* Positions of a value's plane: what windows are over. */
static int64_t plane_of(const facet_derivative *d, const facet_lowered *l, int v)
{
  facet_shape shape = d->network->value[v].shape;
  return l->flat || shape.rank == 0 ? d->value[v].size : d->value[v].size / shape.dim[0];
}

int64_t facet_derivative_most_terms(const facet_derivative *d, int node)
{
  const facet_lowered *l = d->network->node[node].lowered;
  int64_t most = l->inputs;
  for (int64_t s = 0; l->kind == KIND_WINDOW && s < plane_of(d, l, l->output); s++)
    if (l->begin[s + 1] - l->begin[s] > most)
      most = l->begin[s + 1] - l->begin[s];
  return most;
}

static double constant_at(const facet_derivative *d, const facet_lowered *l, int value, int64_t i)
{
  const facet_tensor *t = d->network->value[value].constant;
  return facet_tensor_get(t, facet_spread_index(t->shape, l->full, i));
}

static double shift_at(const facet_lowered *l, int64_t i)
{
  return l->shift ? facet_tensor_get(l->shift, facet_spread_index(l->shift->shape, l->full, i)) : 0;
}

static const double *input_of(const facet_derivative *d, const facet_lowered *l, int j, int64_t sample)
{
  const facet_derivative_value *v = &d->value[l->input[j]];
  return v->u + sample * v->size;
}

static int64_t gate_terms(const facet_derivative *d, const facet_lowered *l, int64_t sample, int64_t i,
                          double *constant)
{
  double u = input_of(d, l, 0, sample)[i];
  int piece = 0;
  for (int p = 0; p < l->pieces - 1; p++)
    if (d->options.absolute ? l->at[p] <= 0 : u > l->at[p])
      piece = p + 1;
  *constant = l->offset[piece];
  d->term[0] = (facet_term){0, i, l->slope[piece]};
  if (piece == 0 && l->slope_of != NO_VALUE)
    d->term[0].factor = constant_at(d, l, l->slope_of, i);
  return 1;
}

static int64_t select_terms(const facet_derivative *d, const facet_lowered *l, int64_t sample, int64_t i,
                            double *constant)
{
  int winner = 0;
  double best = l->sign * input_of(d, l, 0, sample)[i];
  for (int j = 1; j < l->inputs; j++)
    if (l->sign * input_of(d, l, j, sample)[i] > best) {
      best = l->sign * input_of(d, l, j, sample)[i];
      winner = j;
    }
  d->term[0] = (facet_term){winner, i, 1};
  int64_t count = 1;
  for (int k = 0; k < l->constants && !d->options.absolute; k++)
    if (l->sign * constant_at(d, l, l->constant[k], i) > best) {
      *constant = constant_at(d, l, l->constant[k], i);
      best = l->sign * *constant;
      count = 0;
    }
  return count;
}

static int64_t move_terms(const facet_derivative *d, const facet_lowered *l, int64_t i, double *constant)
{
  int64_t source = facet_move_source(l, i);
  if (source < 0) {
    *constant = l->fill_of ? l->fill_of[i] : l->fill;
    return 0;
  }
  d->term[0] = (facet_term){l->from ? l->from[i] : 0, source, 1};
  return 1;
}

static int64_t window_terms(const facet_derivative *d, const facet_lowered *l, int64_t sample, int64_t i,
                            double *constant)
{
  int64_t in = plane_of(d, l, l->input[0]), out = plane_of(d, l, l->output);
  int64_t s = i % out, first = i / out * in, begin = l->begin[s], count = l->begin[s + 1] - begin;
  *constant = shift_at(l, i);
  if (!l->maximum) {
    for (int64_t t = 0; t < count; t++)
      d->term[t] = (facet_term){0, first + l->position[begin + t], l->weight_of[s] * (l->tap ? l->tap[begin + t] : 1)};
    return count;
  }
  const double *u = input_of(d, l, 0, sample) + first;
  int64_t winner = l->position[begin];
  for (int64_t t = 1; t < count; t++)
    if (l->sign * u[l->position[begin + t]] > l->sign * u[winner])
      winner = l->position[begin + t];
  d->term[0] = (facet_term){0, first + winner, 1};
  return 1;
}

static int64_t terms_of(const facet_derivative *d, int node, int64_t sample, int64_t i, double *constant)
{
  const facet_lowered *l = d->network->node[node].lowered;
  *constant = 0;
  switch (l->kind) {
  case KIND_DIAGONAL:
    *constant = d->node[node].shift[i];
    d->term[0] = (facet_term){0, i, d->node[node].scale[i]};
    return 1;
  case KIND_SUM:
    *constant = shift_at(l, i);
    for (int j = 0; j < l->inputs; j++)
      d->term[j] = (facet_term){j, i, l->coefficient[j]};
    return l->inputs;
  case KIND_GATE:
    return gate_terms(d, l, sample, i, constant);
  case KIND_SELECT:
    return select_terms(d, l, sample, i, constant);
  case KIND_MOVE:
    return move_terms(d, l, i, constant);
  case KIND_WINDOW:
    return window_terms(d, l, sample, i, constant);
  case KIND_LINEAR: /* in derivative_linear.c */
  case KIND_CURVE:  /* refused, as is what follows */
  case KIND_SCALE:
  case KIND_NORM:
  case KIND_PRODUCT:
  case KIND_CONSTANT:
    break;
  }
  return 0;
}

int64_t facet_derivative_terms(const facet_derivative *d, int node, int64_t sample, int64_t i, double *constant)
{
  int64_t count = terms_of(d, node, sample, i, constant);
  if (d->options.absolute) {
    *constant = 0;
    for (int64_t t = 0; t < count; t++)
      d->term[t].factor = fabs(d->term[t].factor);
  }
  return count;
}

void facet_derivative_terms_forward(facet_derivative *d, int node, bool tangents)
{
  const facet_lowered *l = d->network->node[node].lowered;
  const facet_derivative_value *out = &d->value[l->output];
  for (int64_t s = 0; s < d->batch; s++)
    for (int64_t i = 0; i < out->size; i++) {
      double z, dz = 0;
      int64_t count = facet_derivative_terms(d, node, s, i, &z);
      for (int64_t t = 0; t < count; t++) {
        const facet_derivative_value *in = &d->value[l->input[d->term[t].input]];
        int64_t at = s * in->size + d->term[t].element;
        z += d->term[t].factor * in->u[at];
        dz += tangents ? d->term[t].factor * in->du[at] : 0;
      }
      out->u[s * out->size + i] = z;
      if (tangents)
        out->du[s * out->size + i] = dz;
    }
}

void facet_derivative_terms_backward(facet_derivative *d, int node, bool tangents)
{
  const facet_lowered *l = d->network->node[node].lowered;
  const facet_derivative_value *out = &d->value[l->output];
  for (int64_t s = 0; s < d->batch; s++)
    for (int64_t i = 0; i < out->size; i++) {
      double constant;
      int64_t count = facet_derivative_terms(d, node, s, i, &constant);
      for (int64_t t = 0; t < count; t++) {
        facet_derivative_value *in = &d->value[l->input[d->term[t].input]];
        int64_t at = s * in->size + d->term[t].element;
        in->g[at] += d->term[t].factor * out->g[s * out->size + i];
        if (tangents)
          in->dg[at] += d->term[t].factor * out->dg[s * out->size + i];
      }
    }
}
