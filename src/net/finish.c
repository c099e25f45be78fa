/* Finishing: checks a graph, puts its nodes in order, folds what is known, lowers every node, drops what nobody reads.
 */
#include <string.h>

#include "finish.h"
#include "frozen.h"

/* ---- order ---- */

/* Sets producers; refuses values that two nodes make, or that a node and a constant make. */
static facet_status find_producers(facet_network *network)
{
  for (int i = 0; i < network->nodes; i++)
    for (int j = 0; j < network->node[i].outputs; j++) {
      int v = network->node[i].output[j];
      if (v == NO_VALUE)
        continue;
      facet_value *value = &network->value[v];
      if (value->producer >= 0 || value->constant || v == network->input)
        return facet_node_raise(&network->node[i], "value %s is made twice", value->name);
      value->producer = i;
    }
  return FACET_OK;
}

/* What comes last and is no piecewise-linear gate, but leaves the largest of the logits the largest: the logits before
 * it are what is explained. */
static void strip_last(facet_network *network)
{
  static const char *const monotone[] = {"Softmax", "LogSoftmax", "Sigmoid"};
  int producer = network->value[network->output].producer;
  if (producer < 0)
    return;
  const facet_node *last = &network->node[producer];
  for (size_t i = 0; i < sizeof monotone / sizeof monotone[0]; i++)
    if (strcmp(last->type, monotone[i]) == 0 && last->inputs == 1 && last->input[0] != NO_VALUE) {
      network->output = last->input[0];
      network->stripped = monotone[i];
    }
}

typedef struct {
  char *state; /* per node: 0 not seen, 1 on the way, 2 placed */
  int *order;
  int placed;
} walk;

/* Places the producers of `v` before it, by an explicit stack (files may be deep). */
static facet_status place_producers(const facet_network *network, int v, walk *w, int *stack)
{
  int depth = 0;
  if (network->value[v].producer >= 0)
    stack[depth++] = network->value[v].producer;
  while (depth > 0) {
    int n = stack[depth - 1];
    const facet_node *node = &network->node[n];
    if (w->state[n] == 2) {
      depth--;
      continue;
    }
    bool ready = true;
    w->state[n] = 1;
    for (int j = 0; j < node->inputs && ready; j++) {
      int u = node->input[j];
      int p = u == NO_VALUE ? -1 : network->value[u].producer;
      if (u != NO_VALUE && p < 0 && !network->value[u].constant && u != network->input)
        return facet_node_raise(node, "input %s is made by no node and is no constant", network->value[u].name);
      if (p >= 0 && w->state[p] == 1)
        return facet_node_raise(node, "the graph has a cycle");
      if (p >= 0 && w->state[p] == 0) {
        stack[depth++] = p;
        ready = false;
      }
    }
    if (ready) {
      w->state[n] = 2;
      w->order[w->placed++] = n;
      depth--;
    }
  }
  return FACET_OK;
}

/* Keeps the nodes that the output needs, each after its inputs. */
static facet_status sort_nodes(facet_network *network)
{
  facet_status status = FACET_OK;
  walk w = {0};
  int *stack = NULL;
  facet_node *sorted = NULL;
  size_t nodes = (size_t)network->nodes;
  FACET_NEW_GO(done, status, w.state, nodes);
  FACET_NEW_GO(done, status, w.order, nodes);
  FACET_NEW_GO(done, status, stack, nodes + 1);
  FACET_NEW_GO(done, status, sorted, nodes);
  FACET_GO(done, status, place_producers(network, network->output, &w, stack));
  for (int i = 0; i < w.placed; i++)
    sorted[i] = network->node[w.order[i]];
  for (int i = 0; i < network->nodes; i++)
    if (w.state[i] != 2)
      facet_node_clear(&network->node[i]);
  facet_free(&network->node);
  network->node = sorted;
  network->node_room = network->nodes;
  network->nodes = w.placed;
  sorted = NULL;
  for (int i = 0; i < network->values; i++)
    network->value[i].producer = -1;
  status = find_producers(network);
done:
  facet_free(&w.state);
  facet_free(&w.order);
  facet_free(&stack);
  facet_free(&sorted);
  return status;
}

/* ---- lowering ---- */

/* Whether a value is a part, along the first dimension, of one that is no batch: then it is none, either, though it may
 * be 1 long there. */
static bool is_part_of_whole(const facet_network *network, const facet_node *node)
{
  const facet_value *in = &network->value[node->lowered->input[0]];
  return strcmp(node->type, "Slice") == 0 && in->whole && in->shape.rank > 0 &&
         node->lowered->full.dim[0] != in->shape.dim[0];
}

/* A full shape that starts with 1 is that of a batch; otherwise the value belongs to one sample as it is. */
static facet_status set_shape(facet_network *network, const facet_node *node)
{
  const facet_lowered *l = node->lowered;
  facet_value *value = &network->value[l->output];
  if (facet_shape_size(l->full) <= 0)
    return facet_node_raise(node, "output is empty");
  FACET_TRY(facet_node_count(network, node, l->full));
  value->whole = l->full.rank == 0 || l->full.dim[0] != 1 || is_part_of_whole(network, node);
  value->shape = l->full;
  value->bounded = facet_frozen_bounded(network, l);
  if (value->whole && network->batch > 1)
    return facet_node_raise(node, "output %s does not keep the batch of %lld samples first", facet_shape_text(l->full),
                            (long long)network->batch);
  if (!value->whole) {
    value->shape.rank--;
    memmove(value->shape.dim, l->full.dim + 1, (size_t)value->shape.rank * sizeof value->shape.dim[0]);
  }
  return FACET_OK;
}

facet_status facet_node_lower(facet_network *network, facet_node *node)
{
  node->op = facet_operator_find(node->type);
  if (!node->op)
    return facet_node_raise(node, facet_operator_known(node->type) ? "only constants may go through it"
                                                                   : "operator is not supported");
  if (!node->op->lower)
    return facet_node_raise(node, "not piecewise linear, and only the last node may be left out");
  if (facet_kind_is_frozen(node->op->kind))
    FACET_TRY(facet_frozen_allowed(network, node, "not piecewise linear"));
  FACET_NEW(node->lowered, 1);
  facet_lowered *l = node->lowered;
  FACET_NEW(l->input, node->inputs + 1);
  for (int j = 0; j < node->inputs; j++)
    if (node->input[j] != NO_VALUE && !network->value[node->input[j]].constant)
      l->input[l->inputs++] = node->input[j];
  if (node->outputs < 1 || node->output[0] == NO_VALUE)
    return facet_node_raise(node, "has no output");
  for (int j = 1; j < node->outputs; j++)
    if (node->output[j] != NO_VALUE && network->value[node->output[j]].consumers > 0)
      return facet_node_raise(node, "output %s is in use: only the first output is supported",
                              network->value[node->output[j]].name);
  if (l->inputs == 0)
    return facet_node_raise(node, "depends on nothing");
  l->kind = node->op->kind;
  l->output = node->output[0];
  l->images = 1;
  l->weight = l->bias = l->gamma = l->beta = l->mean = l->variance = l->slope_of = NO_VALUE;
  FACET_TRY(node->op->lower(network, node));
  return set_shape(network, node);
}

/* In order: folds, replaces and lowers every node. What was folded leaves its place empty. */
static facet_status lower_nodes(facet_network *network)
{
  for (int i = 0; i < network->nodes;) {
    bool folded;
    FACET_TRY(facet_fold(network, &network->node[i], &folded));
    if (folded) {
      facet_node_clear(&network->node[i++]);
      continue;
    }
    if (strcmp(network->node[i].type, "Split") == 0) {
      FACET_TRY(facet_node_replace_split(network, i));
      continue;
    }
    if (strcmp(network->node[i].type, "SplitToSequence") == 0) {
      FACET_TRY(facet_node_check_sequence(network, i++)); /* nothing takes it once its SequenceAt are Slices */
      continue;
    }
    if (strcmp(network->node[i].type, "SequenceAt") == 0)
      FACET_TRY(facet_node_replace_sequence_at(network, i));
    if (facet_choice_follows(network, i)) {
      i++; /* the Where says what it is */
      continue;
    }
    if (strcmp(network->node[i].type, "Where") == 0)
      FACET_TRY(facet_choice_replace(network, i));
    const facet_operator *op = facet_operator_find(network->node[i].type);
    if (op && op->broadcast)
      FACET_TRY(facet_node_expand(network, &i));
    FACET_TRY(facet_node_lower(network, &network->node[i]));
    i++;
  }
  return FACET_OK;
}

/* ---- all of it ---- */

static void drop_empty(facet_network *network)
{
  int kept = 0;
  for (int i = 0; i < network->nodes; i++)
    if (network->node[i].type)
      network->node[kept++] = network->node[i];
  network->nodes = kept;
}

static void count_consumers(facet_network *network)
{
  for (int i = 0; i < network->values; i++)
    network->value[i].consumers = 0;
  for (int i = 0; i < network->nodes; i++)
    for (int j = 0; j < network->node[i].inputs; j++)
      if (network->node[i].input[j] != NO_VALUE)
        network->value[network->node[i].input[j]].consumers++;
  network->value[network->output].consumers++;
}

/* Drops what only folded shapes wanted, from the last node on. */
static void drop_unused(facet_network *network)
{
  drop_empty(network);
  count_consumers(network);
  for (int i = network->nodes - 1; i >= 0; i--) {
    facet_node *node = &network->node[i];
    if (network->value[node->output[0]].consumers > 0)
      continue;
    for (int j = 0; j < node->inputs; j++)
      if (node->input[j] != NO_VALUE)
        network->value[node->input[j]].consumers--;
    facet_node_clear(node);
  }
  drop_empty(network);
}

facet_status facet_network_finish(facet_network *network)
{
  FACET_CHECK(network->input != NO_VALUE, FACET_BAD_INPUT, "the network has no input");
  FACET_CHECK(network->output != NO_VALUE, FACET_BAD_INPUT, "the network has no output");
  FACET_TRY(find_producers(network));
  network->elements = 0;
  strip_last(network);
  FACET_TRY(sort_nodes(network));
  count_consumers(network);
  FACET_TRY(lower_nodes(network));
  drop_unused(network);
  for (int i = 0; i < network->values; i++)
    network->value[i].producer = -1;
  FACET_TRY(find_producers(network));
  FACET_CHECK(!network->stripped || network->output != network->input, FACET_BAD_INPUT,
              "there is nothing but a %s, which is no linear map", network->stripped);
  FACET_CHECK(!network->value[network->output].constant && network->nodes > 0, FACET_BAD_INPUT,
              "the output does not depend on the input");
  FACET_CHECK(network->value[network->output].producer >= 0, FACET_BAD_INPUT, "the output depends on no node");
  network->finished = true;
  return FACET_OK;
}
