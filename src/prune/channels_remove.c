/* Building a network without its dead channels: a copy whose constants, groups and channel lists are cut to size. */
#include <string.h>

#include "channels.h"
#include "score.h"

typedef struct {
  channel_plan plan;
  facet_network *n; /* the copy: the same numbers of values and nodes; plan.network is the original */
} cutter;

/* ---- constants ---- */

static int64_t kept_in(const channel_plan *p, int64_t from, int64_t to)
{
  int64_t count = 0;
  for (int64_t s = from; s < to; s++)
    count += p->keep[s];
  return count;
}

/* Entries of one axis for which keep is set; keep NULL: all. */
static facet_status take(const facet_tensor *from, int axis, const bool *keep, facet_tensor **taken)
{
  if (!keep)
    return facet_tensor_copy(from, taken);
  facet_shape shape = from->shape;
  int64_t dim = shape.dim[axis], inner = 1, outer = 1, count = 0;
  for (int d = 0; d < shape.rank; d++)
    *(d < axis ? &outer : &inner) *= d == axis ? 1 : shape.dim[d];
  for (int64_t i = 0; i < dim; i++)
    count += keep[i];
  shape.dim[axis] = count;
  FACET_TRY(facet_tensor_create(from->type, shape, taken));
  size_t run = (size_t)inner * facet_type_size(from->type);
  char *to = (*taken)->data;
  for (int64_t i = 0; i < outer * dim; i++)
    if (keep[i % dim]) {
      memcpy(to, (const char *)from->data + (size_t)i * run, run);
      to += run;
    }
  return FACET_OK;
}

static int uses_of(const facet_network *n, int value)
{
  int uses = 0;
  for (int i = 0; i < n->nodes; i++)
    for (int j = 0; j < n->node[i].inputs; j++)
      uses += n->node[i].input[j] == value;
  return uses;
}

/* A new value called BASE_WHAT, or BASE_WHAT_2 and so on. */
static facet_status fresh_value(facet_network *n, const char *base, const char *what, int *value)
{
  for (int turn = 1, before = n->values; before == n->values; turn++) {
    char *name = turn == 1 ? facet_format("%s_%s", base, what) : facet_format("%s_%s_%d", base, what, turn);
    facet_status status = name ? facet_network_value(n, name, value) : FACET_OS;
    facet_free(&name);
    FACET_TRY(status);
  }
  return FACET_OK;
}

/* Gives input j of a node another constant, which is taken over; other readers of the old one keep it. */
static facet_status replace(cutter *c, int node, int j, const char *what, facet_tensor *tensor)
{
  facet_node *at = &c->n->node[node];
  facet_status status = FACET_OK;
  int v = j < at->inputs ? at->input[j] : NO_VALUE;
  if (j >= at->inputs) {
    status = facet_grow(&at->input, (size_t)at->inputs, (size_t)j + 1, sizeof *at->input);
    for (int k = at->inputs; status == FACET_OK && k <= j; k++)
      at->input[k] = NO_VALUE;
    if (status == FACET_OK)
      at->inputs = j + 1;
  }
  if (status == FACET_OK && (v == NO_VALUE || uses_of(c->n, v) > 1))
    status = fresh_value(c->n, at->name, what, &v);
  if (status != FACET_OK) {
    facet_tensor_destroy(&tensor);
    return status;
  }
  at->input[j] = v;
  facet_tensor_destroy(&c->n->value[v].constant);
  c->n->value[v].constant = tensor;
  c->n->value[v].shape = tensor->shape;
  return FACET_OK;
}

static facet_status cut_constant(cutter *c, int node, int j, int axis, const bool *keep)
{
  facet_tensor *taken;
  FACET_TRY(take(c->n->value[c->n->node[node].input[j]].constant, axis, keep, &taken));
  return replace(c, node, j, "cut", taken);
}

static facet_status replace_list(cutter *c, int node, const char *name, int input, int count, const int64_t *list)
{
  facet_node *at = &c->n->node[node];
  for (int i = 0; i < at->attributes; i++)
    if (strcmp(at->attribute[i].name, name) == 0) {
      memcpy(at->attribute[i].integers, list, (size_t)count * sizeof *list);
      return FACET_OK;
    }
  facet_tensor *t;
  FACET_TRY(facet_tensor_create(FACET_I64, (facet_shape){1, {count}}, &t));
  memcpy(t->data, list, (size_t)count * sizeof *list);
  return replace(c, node, input, name, t);
}

/* ---- linear nodes ---- */

/* What removed channels bring to output channel o. */
static double missing(const channel_plan *p, const facet_node *node, int64_t o)
{
  const facet_lowered *l = node->lowered;
  double sum = 0, one;
  for (int64_t i = 0; l->conv.groups == 1 && i < l->conv.in_channels; i++)
    if (!p->keep[p->first[l->input[0]] + i] && channel_effect(p, node, o, i, &one))
      sum += one;
  return sum;
}

/* The bias of the remaining channels, with what the removed ones brought. */
static facet_status cut_bias(cutter *c, int node)
{
  const channel_plan *p = &c->plan;
  const facet_node *old = &p->network->node[node];
  const facet_lowered *l = old->lowered;
  const facet_tensor *bias = l->bias == NO_VALUE ? NULL : p->network->value[l->bias].constant;
  const bool *keep = p->keep + p->first[l->output];
  bool any = false, one = bias && facet_shape_size(bias->shape) == 1;
  for (int64_t o = 0; o < l->conv.out_channels && !any; o++)
    any = keep[o] && missing(p, old, o) != 0;
  if (!any && (!bias || (one && l->conv.out_channels > 1)))
    return FACET_OK;
  if (!any)
    return cut_constant(c, node, 2, bias->shape.rank - 1, keep);
  facet_tensor *t;
  facet_type type = p->network->value[l->weight].constant->type;
  int64_t outs = kept_in(p, p->first[l->output], p->first[l->output + 1]), at = 0;
  FACET_TRY(facet_tensor_create(type, (facet_shape){1, {outs}}, &t));
  for (int64_t o = 0; o < l->conv.out_channels; o++) {
    double x = bias ? facet_tensor_get(bias, one ? 0 : o) : 0;
    if (keep[o])
      facet_tensor_set(t, at++, x + missing(p, old, o) / l->bias_factor);
  }
  return replace(c, node, 2, "bias", t);
}

static facet_status cut_weights(cutter *c, int node)
{
  const channel_plan *p = &c->plan;
  const facet_lowered *l = p->network->node[node].lowered;
  const bool *ins = p->keep + p->first[l->input[0]], *outs = p->keep + p->first[l->output];
  FACET_TRY(cut_constant(c, node, 1, l->transposed, outs));
  if (l->conv.groups == 1)
    return cut_constant(c, node, 1, !l->transposed, ins);
  int64_t each = l->conv.in_channels / l->conv.groups;
  facet_node *at = &c->n->node[node];
  for (int i = 0; i < at->attributes; i++)
    if (strcmp(at->attribute[i].name, "group") == 0)
      at->attribute[i].integer = kept_in(p, p->first[l->input[0]], p->first[l->input[0] + 1]) / each;
  return FACET_OK;
}

/* A MatMul that has got a bias is a Gemm. */
static facet_status name_product(cutter *c, int node)
{
  facet_node *at = &c->n->node[node];
  if (strcmp(at->type, "MatMul") != 0 || at->inputs < 3)
    return FACET_OK;
  char *type = facet_copy_text("Gemm");
  if (!type)
    return FACET_OS;
  facet_free(&at->type);
  at->type = type;
  return FACET_OK;
}

static facet_status cut_linear(cutter *c, int node)
{
  FACET_TRY(cut_bias(c, node));
  FACET_TRY(cut_weights(c, node));
  return name_product(c, node);
}

/* ---- other nodes ---- */

/* Constants of a node that works element by element, where they vary along channels. */
static facet_status cut_spread(cutter *c, int node)
{
  const facet_node *old = &c->plan.network->node[node];
  const facet_lowered *l = old->lowered;
  for (int j = 0; j < old->inputs; j++) {
    const facet_tensor *t = facet_node_constant(c->plan.network, old, j);
    int axis = !t ? -1 : l->batch_norm ? 0 : t->shape.rank - (l->full.rank - 1);
    if (axis >= 0 && t->shape.dim[axis] == l->full.dim[1] && l->full.dim[1] > 1)
      FACET_TRY(cut_constant(c, node, j, axis, c->plan.keep + c->plan.first[l->output]));
  }
  return FACET_OK;
}

static facet_status cut_slice(cutter *c, int node)
{
  const channel_plan *p = &c->plan;
  const facet_node *old = &p->network->node[node];
  const facet_lowered *l = old->lowered;
  int64_t starts[2 * FACET_MAX_RANK], ends[2 * FACET_MAX_RANK], channels = channel_count(p, l->input[0]);
  int place, count;
  FACET_TRY(channel_slice_place(p->network, old, &place));
  if (place < 0)
    return FACET_OK;
  FACET_TRY(channel_list(p->network, old, "starts", 1, starts, &count));
  FACET_TRY(channel_list(p->network, old, "ends", 2, ends, &count));
  int64_t start = starts[place], first = p->first[l->input[0]];
  start = start < -channels ? 0 : start < 0 ? start + channels : start;
  starts[place] = kept_in(p, first, first + start);
  ends[place] = starts[place] + kept_in(p, p->first[l->output], p->first[l->output + 1]);
  FACET_TRY(replace_list(c, node, "starts", 1, count, starts));
  return replace_list(c, node, "ends", 2, count, ends);
}

static facet_status cut_pad(cutter *c, int node)
{
  const channel_plan *p = &c->plan;
  const facet_node *old = &p->network->node[node];
  int64_t pads[2 * FACET_MAX_RANK], first = p->first[old->output[0]], last = p->first[old->output[0] + 1];
  int begin, end, count;
  const char *name = facet_node_attribute(old, "paddings") ? "paddings" : "pads";
  FACET_TRY(channel_pad_places(p->network, old, &begin, &end));
  if (begin < 0)
    return FACET_OK;
  FACET_TRY(channel_list(p->network, old, name, 1, pads, &count));
  pads[begin] = kept_in(p, first, first + pads[begin]);
  pads[end] = kept_in(p, last - pads[end], last);
  return replace_list(c, node, name, 1, count, pads);
}

/* A target shape that names the number of channels. */
static facet_status cut_reshape(cutter *c, int node)
{
  const channel_plan *p = &c->plan;
  const facet_node *old = &p->network->node[node];
  int64_t shape[2 * FACET_MAX_RANK];
  int count;
  FACET_TRY(channel_list(p->network, old, "shape", 1, shape, &count));
  if (count < 2 || shape[1] < 1)
    return FACET_OK;
  shape[1] = kept_in(p, p->first[old->output[0]], p->first[old->output[0] + 1]);
  return replace_list(c, node, "shape", 1, count, shape);
}

static facet_status cut_move(cutter *c, int node)
{
  const char *type = c->plan.network->node[node].type;
  if (strcmp(type, "Slice") == 0)
    return cut_slice(c, node);
  if (strcmp(type, "Pad") == 0)
    return cut_pad(c, node);
  return strcmp(type, "Reshape") == 0 ? cut_reshape(c, node) : FACET_OK;
}

static bool is_touched(const channel_plan *p, const facet_lowered *l)
{
  bool all = true;
  for (int64_t s = p->first[l->output]; s < p->first[l->output + 1]; s++)
    all = all && p->keep[s];
  for (int j = 0; j < l->inputs; j++)
    for (int64_t s = p->first[l->input[j]]; s < p->first[l->input[j] + 1]; s++)
      all = all && p->keep[s];
  return !all;
}

static facet_status cut_node(cutter *c, int node)
{
  const facet_lowered *l = c->plan.network->node[node].lowered;
  if (!is_touched(&c->plan, l))
    return FACET_OK;
  if (l->kind == KIND_LINEAR)
    return cut_linear(c, node);
  if (l->kind == KIND_MOVE)
    return cut_move(c, node);
  return l->kind == KIND_WINDOW ? FACET_OK : cut_spread(c, node);
}

/* Takes the dead channels of `network` out of a copy of `from`, which differs from it in the numbers of constants. */
static facet_status cut(const facet_network *network, const facet_network *from, facet_network **smaller)
{
  cutter c = {0};
  facet_network unfinished = *from; /* copies of it may still be changed */
  *smaller = NULL;
  FACET_TRY(channel_plan_make(network, &c.plan));
  unfinished.finished = false;
  facet_status status;
  FACET_GO(done, status, facet_network_copy(&unfinished, &c.n));
  for (int n = 0; n < network->nodes; n++)
    FACET_GO(done, status, cut_node(&c, n));
  status = facet_network_finish(c.n);
done:
  channel_plan_clear(&c.plan);
  if (status != FACET_OK)
    facet_network_destroy(&c.n);
  *smaller = c.n;
  return status;
}

facet_status facet_channels_remove(const facet_network *network, facet_network **smaller)
{
  return cut(network, network, smaller);
}

/* A copy of the network whose parameters are 1, and 0 where the mask removes them. */
static facet_status mark(const facet_network *network, const facet_mask *mask, facet_network **marked)
{
  facet_parameter *list;
  int count;
  FACET_TRY(facet_network_parameter_list(network, &list, &count));
  facet_status status;
  FACET_GO(done, status, facet_network_copy(network, marked));
  for (int p = 0; p < count; p++)
    for (int64_t i = 0; i < list[p].size; i++)
      facet_tensor_set((*marked)->value[list[p].value].constant, i, 1);
  facet_mask_apply(mask, *marked);
done:
  facet_free(&list);
  return status;
}

/* The marks are cut as the numbers are. */
facet_status facet_channels_cut_mask(const facet_network *network, const facet_mask *mask, facet_mask **cut_mask)
{
  facet_network *marked = NULL, *smaller = NULL;
  facet_status status = FACET_OK;
  *cut_mask = NULL;
  FACET_GO(out, status, mark(network, mask, &marked));
  FACET_GO(out, status, cut(network, marked, &smaller));
  FACET_GO(out, status, facet_mask_of_zeros(smaller, cut_mask));
  status = facet_mask_silence_zeros(smaller, *cut_mask);
out:
  facet_network_destroy(&marked);
  facet_network_destroy(&smaller);
  if (status != FACET_OK)
    facet_mask_destroy(cut_mask);
  return status;
}
