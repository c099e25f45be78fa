/* What the lower functions of all families use: attributes, constants, shapes, axes, broadcasting. */
#include "lower.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

facet_status(facet_node_raise)(const facet_node *node, const char *format, ...)
{
  char why[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(why, sizeof why, format, arguments);
  va_end(arguments);
  return facet_raise(FACET_BAD_INPUT, "node %s (%s): %s", node->name, node->type, why);
}

void facet_lowered_destroy(facet_lowered **lowered)
{
  facet_lowered *l = *lowered;
  if (l) {
    FACET_FREE(&l->input, &l->coefficient, &l->constant, &l->source, &l->from, &l->fill_of, &l->begin, &l->position,
               &l->weight_of, &l->tap);
    facet_tensor_destroy(&l->scale);
    facet_tensor_destroy(&l->shift);
  }
  facet_free(lowered);
}

/* ---- attributes and constants ---- */

const facet_attribute *facet_node_attribute(const facet_node *node, const char *name)
{
  for (int i = 0; i < node->attributes; i++)
    if (strcmp(node->attribute[i].name, name) == 0)
      return &node->attribute[i];
  return NULL;
}

int64_t facet_node_int(const facet_node *node, const char *name, int64_t otherwise)
{
  const facet_attribute *a = facet_node_attribute(node, name);
  return a && a->kind == FACET_INT ? a->integer : otherwise;
}

double facet_node_float(const facet_node *node, const char *name, double otherwise)
{
  const facet_attribute *a = facet_node_attribute(node, name);
  return a && a->kind == FACET_FLOAT ? a->number : otherwise;
}

const char *facet_node_text(const facet_node *node, const char *name, const char *otherwise)
{
  const facet_attribute *a = facet_node_attribute(node, name);
  return a && a->kind == FACET_TEXT ? a->text : otherwise;
}

bool facet_node_has(const facet_node *node, int i)
{
  return i >= 0 && i < node->inputs && node->input[i] != NO_VALUE;
}

const facet_tensor *facet_node_constant(const facet_network *network, const facet_node *node, int i)
{
  return facet_node_has(node, i) ? network->value[node->input[i]].constant : NULL;
}

facet_status facet_node_integers(const facet_network *network, const facet_node *node, const char *name, int i,
                                 int most, int64_t *list, int *count)
{
  const facet_attribute *a = facet_node_attribute(node, name);
  *count = -1;
  if (a) {
    if (a->kind != FACET_INTS || a->count > most)
      return facet_node_raise(node, "attribute %s is not a list of integers, at most %d", name, most);
    *count = a->count;
    for (int k = 0; k < a->count; k++)
      list[k] = a->integers[k];
  } else if (facet_node_has(node, i)) {
    const facet_tensor *t = facet_node_constant(network, node, i);
    if (!t || t->type != FACET_I64 || t->shape.rank > 1 || facet_shape_size(t->shape) > most)
      return facet_node_raise(node, "%s must be a constant list of integers, at most %d", name, most);
    *count = (int)facet_shape_size(t->shape);
    for (int k = 0; k < *count; k++)
      list[k] = ((const int64_t *)t->data)[k]; /* not through double: ends may be INT64_MAX */
  }
  return FACET_OK;
}

facet_status facet_node_scalar(const facet_network *network, const facet_node *node, int i, bool *given, double *x)
{
  *given = facet_node_has(node, i);
  if (!*given)
    return FACET_OK;
  const facet_tensor *t = facet_node_constant(network, node, i);
  if (!t || facet_shape_size(t->shape) != 1)
    return facet_node_raise(node, "input %d must be one constant number", i);
  *x = facet_tensor_get(t, 0);
  if (isnan(*x))
    return facet_node_raise(node, "input %d is NaN", i);
  return FACET_OK;
}

facet_status facet_node_real(const facet_network *network, const facet_node *node, int i, const char *what, int *value)
{
  const facet_tensor *t = facet_node_constant(network, node, i);
  if (!t || t->type == FACET_I64)
    return facet_node_raise(node, "%s must be constant numbers", what);
  if (facet_shape_size(t->shape) == 0)
    return facet_node_raise(node, "%s must be constant numbers, and there is none", what);
  *value = node->input[i];
  return FACET_OK;
}

facet_status facet_node_one_input(const facet_node *node)
{
  if (node->lowered->inputs != 1 || node->inputs < 1 || node->lowered->input[0] != node->input[0])
    return facet_node_raise(node, "only its first input may depend on the network's input");
  return FACET_OK;
}

/* ---- shapes ---- */

facet_shape facet_full_shape(const facet_network *network, int value)
{
  const facet_value *v = &network->value[value];
  if (v->constant || v->whole)
    return v->shape;
  facet_shape full = {.rank = v->shape.rank + 1, .dim = {1}};
  memcpy(full.dim + 1, v->shape.dim, (size_t)v->shape.rank * sizeof full.dim[0]);
  return full;
}

facet_shape facet_node_shape(const facet_network *network, const facet_node *node)
{
  return facet_full_shape(network, node->lowered->input[0]);
}

facet_status facet_node_axis(const facet_network *network, const facet_node *node, int64_t axis, facet_shape in,
                             bool mixes, int *result)
{
  int64_t a = axis < 0 ? axis + in.rank : axis;
  if (a < 0 || a >= in.rank)
    return facet_node_raise(node, "axis %lld is out of range", (long long)axis);
  const facet_value *v = &network->value[node->lowered->input[0]];
  bool batch = !v->constant && !v->whole && network->batch != 0 && network->batch != 1;
  if (a == 0 && mixes && batch)
    return facet_node_raise(node, "works along the batch dimension");
  *result = (int)a;
  return FACET_OK;
}

facet_status facet_node_size(const facet_node *node, facet_shape out)
{
  if (facet_shape_size(out) > (int64_t)1 << 27)
    return facet_node_raise(node, "output of %s is too large", facet_shape_text(out));
  return FACET_OK;
}

facet_status facet_node_count(facet_network *network, const facet_node *node, facet_shape out)
{
  network->elements += facet_shape_size(out);
  if (network->elements > (int64_t)1 << 28)
    return facet_node_raise(node, "with its output, the values of the network are more than %lld numbers", 1LL << 28);
  return FACET_OK;
}

bool facet_spreads(facet_shape constant, facet_shape full)
{
  for (int i = 0; i < constant.rank; i++) {
    int axis = full.rank - constant.rank + i;
    if (constant.dim[i] != 1 && (axis < 0 || constant.dim[i] != full.dim[axis]))
      return false;
  }
  return true;
}

int64_t facet_spread_index(facet_shape constant, facet_shape shape, int64_t i)
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

bool facet_broadcast(facet_shape a, facet_shape b, facet_shape *both)
{
  if (a.rank < b.rank) {
    facet_shape swap = a;
    a = b;
    b = swap;
  }
  *both = a;
  for (int i = 0; i < b.rank; i++) {
    int64_t *d = &both->dim[a.rank - b.rank + i];
    if (*d != b.dim[i] && *d != 1 && b.dim[i] != 1)
      return false;
    *d = *d == 1 ? b.dim[i] : *d;
  }
  return true;
}

void facet_strides(facet_shape shape, int64_t stride[FACET_MAX_RANK])
{
  int64_t step = 1;
  for (int i = shape.rank - 1; i >= 0; i--) {
    stride[i] = step;
    step *= shape.dim[i];
  }
}

bool facet_shape_only_channel(facet_shape constant, facet_shape full)
{
  for (int i = 0; i < constant.rank; i++)
    if (constant.dim[i] != 1 && full.rank - constant.rank + i != 1)
      return false;
  return full.rank >= 2 && full.dim[0] == 1;
}

void facet_diagonal_element(const facet_network *n, const facet_lowered *l, int64_t i, double *scale, double *shift)
{
  if (l->batch_norm) {
    int64_t inner = 1;
    for (int d = 2; d < l->full.rank; d++)
      inner *= l->full.dim[d];
    int64_t channel = i / inner % l->full.dim[1];
    *scale = facet_tensor_get(n->value[l->gamma].constant, channel) /
             sqrt(facet_tensor_get(n->value[l->variance].constant, channel) + l->epsilon);
    *shift = facet_tensor_get(n->value[l->beta].constant, channel) -
             facet_tensor_get(n->value[l->mean].constant, channel) * *scale;
    return;
  }
  *scale = l->scale ? facet_tensor_get(l->scale, facet_spread_index(l->scale->shape, l->full, i)) : 1;
  *shift = l->shift ? facet_tensor_get(l->shift, facet_spread_index(l->shift->shape, l->full, i)) : 0;
}
