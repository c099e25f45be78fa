/* Dead channels: which channels a network would compute the same logits without.
 *
 * All classes of tied channels (channels.h) are taken for dead, then those are called back that a remaining channel of
 * some linear node hears of, until no more come.  Nodes that are not understood hold their channels. */
#include <string.h>

#include "channels.h"

/* ---- what nodes do with channels ---- */

static bool is_one_of(const char *type, const char *const *list, size_t count)
{
  for (size_t i = 0; i < count; i++)
    if (strcmp(type, list[i]) == 0)
      return true;
  return false;
}

facet_status channel_list(const facet_network *network, const facet_node *node, const char *name, int input,
                          int64_t *list, int *count)
{
  return facet_node_integers(network, node, name, facet_node_attribute(node, name) ? -1 : input, 2 * FACET_MAX_RANK,
                             list, count);
}

facet_status channel_slice_place(const facet_network *network, const facet_node *node, int *place)
{
  int64_t axes[2 * FACET_MAX_RANK], starts[2 * FACET_MAX_RANK];
  int named, count;
  *place = -1;
  FACET_TRY(channel_list(network, node, "starts", 1, starts, &count));
  FACET_TRY(channel_list(network, node, "axes", 3, axes, &named));
  for (int k = 0; k < count; k++) {
    int64_t axis = named < 0 ? k : axes[k];
    if (axis == 1 || axis + node->lowered->full.rank == 1)
      *place = k;
  }
  return FACET_OK;
}

facet_status channel_pad_places(const facet_network *network, const facet_node *node, int *begin, int *end)
{
  int64_t axes[2 * FACET_MAX_RANK];
  int named;
  FACET_TRY(channel_list(network, node, "axes", 3, axes, &named));
  *begin = named < 0 ? 1 : -1;
  for (int k = 0; k < named; k++)
    if (axes[k] == 1 || axes[k] + node->lowered->full.rank == 1)
      *begin = k;
  *end = *begin < 0 ? -1 : *begin + (named < 0 ? node->lowered->full.rank : named);
  return FACET_OK;
}

/* Channels that a Slice takes must be neighbours: fewer of them are then, too. */
static bool slice_follows(const facet_network *network, const facet_node *node)
{
  int64_t steps[2 * FACET_MAX_RANK];
  int place, count;
  if (channel_slice_place(network, node, &place) != FACET_OK ||
      channel_list(network, node, "steps", 4, steps, &count) != FACET_OK)
    return false;
  return place < 0 || count < 0 || steps[place] == 1;
}

/* Channels that a Pad adds must be constants, and it may cut none off. */
static bool pad_follows(const facet_network *network, const facet_node *node)
{
  int64_t pads[2 * FACET_MAX_RANK];
  int begin, end, count;
  if (channel_pad_places(network, node, &begin, &end) != FACET_OK ||
      channel_list(network, node, facet_node_attribute(node, "paddings") ? "paddings" : "pads", 1, pads, &count) !=
          FACET_OK ||
      end >= count)
    return false;
  if (begin < 0 || (pads[begin] == 0 && pads[end] == 0))
    return true;
  return pads[begin] >= 0 && pads[end] >= 0 && strcmp(facet_node_text(node, "mode", "constant"), "constant") == 0;
}

/* Whether every output channel of a move has its elements from one channel of every input at most. */
static bool moves_by_channel(const channel_plan *p, const facet_lowered *l)
{
  int64_t inner = facet_shape_size(l->full) / l->full.dim[1], size = facet_shape_size(l->full);
  for (int j = 0; j < l->inputs; j++) {
    facet_shape in = p->network->value[l->input[j]].shape;
    int64_t own = facet_shape_size(in) / in.dim[0], channel = -1, seen = -1;
    for (int64_t i = 0; i < size; i++) {
      int64_t source = facet_move_source(l, i);
      if (source < 0 || (l->from && l->from[i] != j))
        continue;
      if (seen == i / inner && channel != source / own)
        return false;
      seen = i / inner;
      channel = source / own;
    }
  }
  return true;
}

static channel_node of_move(const channel_plan *p, const facet_node *node)
{
  static const char *const follow[] = {"CastLike", "Cast",    "Dropout",   "Flatten",  "Identity",
                                       "Reshape",  "Squeeze", "Transpose", "Unsqueeze"};
  const facet_lowered *l = node->lowered;
  bool follows = is_one_of(node->type, follow, sizeof follow / sizeof follow[0]) ||
                 (strcmp(node->type, "Concat") == 0 && !l->fill_of) ||
                 (strcmp(node->type, "Slice") == 0 && slice_follows(p->network, node)) ||
                 (strcmp(node->type, "Pad") == 0 && pad_follows(p->network, node));
  return follows && moves_by_channel(p, l) ? CHANNELS_TIED : CHANNELS_STAY;
}

static channel_node of_linear(const channel_plan *p, const facet_node *node)
{
  const facet_lowered *l = node->lowered;
  if (l->adjoint || l->viewed || l->shift || l->images != 1 || node->input[0] != l->input[0] ||
      channel_count(p, l->input[0]) != l->conv.in_channels || channel_count(p, l->output) != l->conv.out_channels)
    return CHANNELS_STAY;
  return l->conv.groups == 1 ? CHANNELS_CUT : CHANNELS_TIED;
}

channel_node channel_node_of(const channel_plan *p, const facet_node *node)
{
  const facet_lowered *l = node->lowered;
  int64_t channels = channel_count(p, l->output);
  for (int j = 0; j < l->inputs; j++)
    if (channel_count(p, l->input[j]) == 0)
      return CHANNELS_STAY;
  if (channels == 0)
    return CHANNELS_STAY;
  if (l->kind == KIND_LINEAR)
    return of_linear(p, node);
  if (l->kind == KIND_MOVE)
    return of_move(p, node);
  if (facet_kind_is_frozen(l->kind) && !facet_kind_is_factor(l->kind))
    return CHANNELS_STAY;
  for (int j = 0; j < l->inputs; j++)
    if (channel_count(p, l->input[j]) != channels)
      return CHANNELS_STAY;
  if (l->kind == KIND_WINDOW && (l->flat || (strcmp(node->type, "Resize") == 0 && facet_node_has(node, 3))))
    return CHANNELS_STAY;
  return CHANNELS_TIED;
}

/* Whether a constant can be put into the node's bias. */
static bool bias_open(const channel_plan *p, const facet_node *node)
{
  const facet_lowered *l = node->lowered;
  if (l->bias != NO_VALUE)
    return l->bias_factor != 0;
  return strcmp(node->type, "Conv") == 0 || (p->network->opset >= 7 && l->bias_factor != 0);
}

/* ---- classes ---- */

static int64_t root_of(const channel_plan *p, int64_t slot)
{
  while (p->parent[slot] != slot) {
    p->parent[slot] = p->parent[p->parent[slot]];
    slot = p->parent[slot];
  }
  return slot;
}

static void tie(channel_plan *p, int64_t a, int64_t b)
{
  a = root_of(p, a);
  b = root_of(p, b);
  p->keep[a] = p->keep[a] || p->keep[b];
  p->parent[b] = a;
}

static void keep_value(channel_plan *p, int value)
{
  for (int64_t s = p->first[value]; s < p->first[value + 1]; s++)
    p->keep[root_of(p, s)] = true;
}

static void tie_move(channel_plan *p, const facet_lowered *l)
{
  int64_t size = facet_shape_size(l->full), inner = size / l->full.dim[1];
  for (int64_t i = 0; i < size; i++) {
    int64_t source = facet_move_source(l, i);
    int v = l->input[l->from ? l->from[i] : 0];
    facet_shape in = p->network->value[v].shape;
    if (source >= 0)
      tie(p, p->first[l->output] + i / inner, p->first[v] + source / (facet_shape_size(in) / in.dim[0]));
  }
}

/* A group of channels goes whole. */
static void tie_groups(channel_plan *p, const facet_lowered *l)
{
  const facet_conv_shape *c = &l->conv;
  for (int64_t g = 0; g < c->groups; g++) {
    int64_t ins = c->in_channels / c->groups, outs = c->out_channels / c->groups, u = p->first[l->input[0]] + g * ins;
    for (int64_t i = 1; i < ins; i++)
      tie(p, u, u + i);
    for (int64_t o = 0; o < outs; o++)
      tie(p, u, p->first[l->output] + g * outs + o);
  }
}

static void tie_node(channel_plan *p, const facet_node *node)
{
  const facet_lowered *l = node->lowered;
  switch (channel_node_of(p, node)) {
  case CHANNELS_CUT:
    return;
  case CHANNELS_STAY:
    keep_value(p, l->output);
    for (int j = 0; j < l->inputs; j++)
      keep_value(p, l->input[j]);
    return;
  case CHANNELS_TIED:
    break;
  }
  if (l->kind == KIND_MOVE) {
    tie_move(p, l);
  } else if (l->kind == KIND_LINEAR) {
    tie_groups(p, l);
  } else {
    for (int j = 0; j < l->inputs; j++)
      for (int64_t c = 0; c < channel_count(p, l->output); c++)
        tie(p, p->first[l->output] + c, p->first[l->input[j]] + c);
  }
}

/* ---- which classes stay ---- */

/* Whether remaining outputs of a linear node hear of input channel i in a way that no bias can stand for. */
static bool is_heard(const channel_plan *p, const facet_node *node, int64_t i)
{
  const facet_lowered *l = node->lowered;
  bool open = bias_open(p, node);
  for (int64_t o = 0; o < l->conv.out_channels; o++) {
    double constant;
    if (p->keep[root_of(p, p->first[l->output] + o)] &&
        (!channel_effect(p, node, o, i, &constant) || (constant != 0 && !open)))
      return true;
  }
  return false;
}

/* Calls back what is heard of, from the output on; whether anything was. */
static bool call_back(channel_plan *p)
{
  bool more = false;
  for (int n = p->network->nodes - 1; n >= 0; n--) {
    const facet_node *node = &p->network->node[n];
    if (node->lowered->kind != KIND_LINEAR || channel_node_of(p, node) != CHANNELS_CUT)
      continue;
    int64_t first = p->first[node->lowered->input[0]];
    for (int64_t i = 0; i < node->lowered->conv.in_channels; i++) {
      int64_t root = root_of(p, first + i);
      if (!p->keep[root] && is_heard(p, node, i))
        p->keep[root] = more = true;
    }
  }
  return more;
}

/* A value keeps one channel at least; whether one had to be called back. */
static bool keep_values_alive(channel_plan *p)
{
  bool more = false;
  for (int v = 0; v < p->network->values; v++) {
    bool any = channel_count(p, v) == 0;
    for (int64_t s = p->first[v]; s < p->first[v + 1] && !any; s++)
      any = p->keep[root_of(p, s)];
    if (!any)
      p->keep[root_of(p, p->first[v])] = more = true;
  }
  return more;
}

static void settle(channel_plan *p)
{
  keep_value(p, p->network->input);
  keep_value(p, p->network->output);
  do {
    while (call_back(p))
      ;
  } while (keep_values_alive(p));
  for (int64_t s = 0; s < p->slots; s++) /* roots answer for their class to the end */
    if (p->parent[s] != s)
      p->keep[s] = p->keep[root_of(p, s)];
}

/* ---- the plan ---- */

static facet_status number_slots(const facet_network *network, channel_plan *p)
{
  *p = (channel_plan){.network = network};
  FACET_NEW(p->first, network->values + 1);
  for (int v = 0; v < network->values; v++) {
    const facet_value *value = &network->value[v];
    bool channels = !value->constant && !value->whole && value->shape.rank > 0 &&
                    (value->producer >= 0 || v == network->input) && value->consumers > 0;
    p->first[v + 1] = p->first[v] + (channels ? value->shape.dim[0] : 0);
  }
  p->slots = p->first[network->values];
  FACET_NEW(p->parent, p->slots);
  FACET_NEW(p->keep, p->slots);
  for (int64_t s = 0; s < p->slots; s++)
    p->parent[s] = s;
  return FACET_OK;
}

void channel_plan_clear(channel_plan *p)
{
  facet_free(&p->first);
  facet_free(&p->parent);
  facet_free(&p->keep);
  facet_free(&p->known);
  facet_free(&p->number);
}

facet_status channel_plan_make(const facet_network *network, channel_plan *p)
{
  FACET_CHECK(network->finished, FACET_INTERNAL, "the network is not finished");
  facet_status status;
  FACET_GO(failed, status, number_slots(network, p));
  FACET_GO(failed, status, channel_constants(p));
  for (int n = 0; n < network->nodes; n++)
    tie_node(p, &network->node[n]);
  settle(p);
  return FACET_OK;
failed:
  channel_plan_clear(p);
  return status;
}

/* ---- the report ---- */

/* Output channels whose weights are all zero. */
static int64_t zero_filters(const facet_network *network, const facet_lowered *l)
{
  const facet_tensor *w = network->value[l->weight].constant;
  bool by_column = l->transposed || l->adjoint; /* of ConvTranspose: in x out/groups x kernel */
  int64_t outs = l->conv.out_channels, size = facet_shape_size(w->shape), zero = 0;
  if (l->adjoint)
    outs = l->conv.in_channels / l->conv.groups;
  int64_t inner = l->adjoint ? size / (w->shape.dim[0] * outs) : by_column ? 1 : size / outs;
  for (int64_t o = 0; o < outs; o++) {
    bool all = true;
    for (int64_t r = 0; r < size / (outs * inner) && all; r++)
      for (int64_t k = 0; k < inner && all; k++)
        all = facet_tensor_get(w, (r * outs + o) * inner + k) == 0;
    zero += all;
  }
  return zero;
}

static facet_status fill_report(const channel_plan *p, facet_channels *report)
{
  FACET_NEW(report->layer, p->network->nodes);
  for (int n = 0; n < p->network->nodes; n++) {
    const facet_lowered *l = p->network->node[n].lowered;
    if (l->kind != KIND_LINEAR || l->weight == NO_VALUE)
      continue;
    struct facet_channel_layer *layer = &report->layer[report->layers++];
    layer->node = n;
    layer->channels = l->adjoint ? l->conv.in_channels : l->conv.out_channels;
    layer->zero = zero_filters(p->network, l);
    for (int64_t s = p->first[l->output]; s < p->first[l->output + 1]; s++)
      layer->dead += !p->keep[s];
    report->channels += layer->channels;
    report->zero += layer->zero;
    report->dead += layer->dead;
  }
  return FACET_OK;
}

facet_status facet_channels_dead(const facet_network *network, facet_channels **channels)
{
  channel_plan p;
  facet_channels *report = NULL;
  *channels = NULL;
  FACET_TRY(channel_plan_make(network, &p));
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, report, 1);
  status = fill_report(&p, report);
done:
  channel_plan_clear(&p);
  if (status != FACET_OK)
    facet_channels_destroy(&report);
  *channels = report;
  return status;
}

void facet_channels_destroy(facet_channels **channels)
{
  if (*channels)
    facet_free(&(*channels)->layer);
  facet_free(channels);
}
