/* The graph: building, finishing (checks, order, folding, shapes), copying, destroying. */
#include <stdio.h>
#include <string.h>

#include "net/lower.h"

/* ---- building ---- */

facet_status facet_network_create(const char *name, int opset, facet_network **network)
{
  facet_network *n;
  FACET_NEW(n, 1);
  n->name = facet_copy_text(name);
  n->opset = opset;
  n->input = n->output = NO_VALUE;
  n->batch = FACET_BATCH_OPEN;
  *network = n;
  return FACET_OK;
}

void facet_attributes_destroy(facet_attribute **attribute, int count)
{
  for (int i = 0; *attribute && i < count; i++) {
    facet_attribute *a = &(*attribute)[i];
    facet_free(&a->name);
    facet_free(&a->text);
    facet_free(&a->integers);
    facet_free(&a->numbers);
    facet_tensor_destroy(&a->tensor);
  }
  facet_free(attribute);
}

/* Leaves it empty: without a type. */
static void node_clear(facet_node *node)
{
  facet_free(&node->name);
  facet_free(&node->type);
  facet_free(&node->input);
  facet_free(&node->output);
  facet_attributes_destroy(&node->attribute, node->attributes);
  facet_lowered_destroy(&node->lowered);
  *node = (facet_node){0};
}

void facet_network_destroy(facet_network **network)
{
  facet_network *n = *network;
  if (!n)
    return;
  for (int i = 0; i < n->nodes; i++)
    node_clear(&n->node[i]);
  for (int i = 0; i < n->values; i++) {
    facet_free(&n->value[i].name);
    facet_tensor_destroy(&n->value[i].constant);
  }
  facet_free(&n->node);
  facet_free(&n->value);
  facet_free(&n->names);
  facet_free(&n->name);
  facet_free(network);
}

/* FNV-1a. */
static size_t hash_of(const char *name)
{
  uint64_t hash = 14695981039346656037U;
  for (; *name; name++)
    hash = (hash ^ (unsigned char)*name) * 1099511628211U;
  return (size_t)(hash ^ hash >> 32);
}

/* The place of a name in the table: its own, or a free one. */
static int *name_place(const facet_network *network, const char *name)
{
  size_t mask = (size_t)network->name_room - 1;
  size_t at = hash_of(name) & mask;
  while (network->names[at] > 0 && strcmp(network->value[network->names[at] - 1].name, name) != 0)
    at = (at + 1) & mask;
  return &network->names[at];
}

/* Room for twice as many values, and a table that is at most half full. */
static facet_status more_values(facet_network *network)
{
  int room = network->value_room ? 2 * network->value_room : 64;
  FACET_TRY(facet_grow(&network->value, (size_t)network->value_room, (size_t)room, sizeof *network->value));
  network->value_room = room;
  facet_free(&network->names);
  network->name_room = 2 * room;
  FACET_NEW(network->names, network->name_room);
  for (int i = 0; i < network->values; i++)
    *name_place(network, network->value[i].name) = i + 1;
  return FACET_OK;
}

static int value_find(const facet_network *network, const char *name)
{
  return network->values > 0 ? *name_place(network, name) - 1 : NO_VALUE;
}

facet_status facet_network_value(facet_network *network, const char *name, int *value)
{
  *value = value_find(network, name);
  if (*value != NO_VALUE)
    return FACET_OK;
  if (network->values == network->value_room)
    FACET_TRY(more_values(network));
  facet_value *v = &network->value[network->values];
  v->name = facet_copy_text(name);
  if (!v->name)
    return FACET_OS;
  v->producer = -1;
  int *place = name_place(network, name);
  *place = ++network->values;
  *value = network->values - 1;
  return FACET_OK;
}

facet_status facet_network_set_input(facet_network *network, const char *name, facet_shape shape)
{
  FACET_TRY(facet_network_value(network, name, &network->input));
  network->value[network->input].shape = shape;
  network->value[network->input].whole = network->batch == FACET_BATCH_NONE;
  return FACET_OK;
}

void facet_network_set_batch(facet_network *network, int64_t batch)
{
  network->batch = batch;
  if (network->input != NO_VALUE)
    network->value[network->input].whole = batch == FACET_BATCH_NONE;
}

facet_status facet_network_set_output(facet_network *network, const char *name)
{
  return facet_network_value(network, name, &network->output);
}

facet_status facet_network_add_constant(facet_network *network, const char *name, facet_tensor *tensor)
{
  int v;
  facet_status status = facet_network_value(network, name, &v);
  if (status == FACET_OK && network->value[v].constant)
    status = facet_raise(FACET_BAD_INPUT, "constant %s is there twice", name);
  if (status != FACET_OK) {
    facet_tensor_destroy(&tensor);
    return status;
  }
  network->value[v].constant = tensor;
  network->value[v].shape = tensor->shape;
  return FACET_OK;
}

static facet_status node_values(facet_network *network, int count, const char *const *name, int **list)
{
  FACET_NEW(*list, count);
  for (int i = 0; i < count; i++) {
    (*list)[i] = NO_VALUE;
    if (name[i] && name[i][0])
      FACET_TRY(facet_network_value(network, name[i], &(*list)[i]));
  }
  return FACET_OK;
}

/* Room for so many more nodes. */
static facet_status room_for_nodes(facet_network *network, int more)
{
  int room = network->node_room;
  if (network->nodes + more <= room)
    return FACET_OK;
  room = 2 * room > network->nodes + more ? 2 * room : network->nodes + more + 16;
  FACET_TRY(facet_grow(&network->node, (size_t)network->nodes, (size_t)room, sizeof *network->node));
  network->node_room = room;
  return FACET_OK;
}

facet_status facet_network_add_node(facet_network *network, const char *type, const char *name, int inputs,
                                    const char *const *input, int outputs, const char *const *output, int attributes,
                                    facet_attribute *attribute)
{
  int count = network->nodes;
  facet_status status = room_for_nodes(network, 1);
  if (status != FACET_OK) {
    facet_attributes_destroy(&attribute, attributes);
    return status;
  }
  facet_node *node = &network->node[network->nodes++];
  *node = (facet_node){0};
  node->attributes = attributes;
  node->attribute = attribute;
  node->type = facet_copy_text(type);
  node->name = name && name[0] ? facet_copy_text(name) : facet_format("%s_%d", type, count);
  if (!node->type || !node->name)
    return FACET_OS;
  node->inputs = inputs;
  node->outputs = outputs;
  FACET_TRY(node_values(network, inputs, input, &node->input));
  FACET_TRY(node_values(network, outputs, output, &node->output));
  return FACET_OK;
}

/* ---- finishing ---- */

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

/* A last Softmax is no piecewise-linear gate: the logits before it are what is explained. */
static void strip_softmax(facet_network *network)
{
  int producer = network->value[network->output].producer;
  if (producer < 0)
    return;
  const facet_node *last = &network->node[producer];
  if ((strcmp(last->type, "Softmax") == 0 || strcmp(last->type, "LogSoftmax") == 0) && last->inputs == 1 &&
      last->input[0] != NO_VALUE) {
    network->output = last->input[0];
    network->softmax_stripped = true;
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
      node_clear(&network->node[i]);
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

/* ---- nodes that stand for others ---- */

/* Room for `count` more nodes at place i; they are zeroed. */
static facet_status open_gap(facet_network *network, int i, int count)
{
  size_t nodes = (size_t)network->nodes;
  FACET_TRY(room_for_nodes(network, count));
  memmove(&network->node[i + count], &network->node[i], (nodes - (size_t)i) * sizeof *network->node);
  memset(&network->node[i], 0, (size_t)count * sizeof *network->node);
  network->nodes += count;
  return FACET_OK;
}

static void close_gap(facet_network *network, int i)
{
  node_clear(&network->node[i]);
  memmove(&network->node[i], &network->node[i + 1], (size_t)(network->nodes - i - 1) * sizeof network->node[0]);
  network->nodes--;
}

/* A value of a name that is free: BASE, or BASE_2 and so on. */
static facet_status fresh_value(facet_network *network, const char *base, int *value)
{
  for (int turn = 1;; turn++) {
    char *name = turn == 1 ? facet_copy_text(base) : facet_format("%s_%d", base, turn);
    if (!name)
      return FACET_OS;
    bool taken = value_find(network, name) != NO_VALUE;
    facet_status status = taken ? FACET_OK : facet_network_value(network, name, value);
    facet_free(&name);
    if (!taken)
      return status;
  }
}

static facet_status fresh_list(facet_network *network, const char *base, int count, const int64_t *list, int *value)
{
  facet_tensor *t;
  FACET_TRY(fresh_value(network, base, value));
  FACET_TRY(facet_tensor_create(FACET_I64, (facet_shape){1, {count}}, &t));
  memcpy(t->data, list, (size_t)count * sizeof *list);
  network->value[*value].constant = t;
  network->value[*value].shape = t->shape;
  return FACET_OK;
}

/* Writes a node with the given inputs and one output into an empty place. */
static facet_status fill_node(facet_network *network, int i, const char *type, const char *name, int inputs,
                              const int *input, int output)
{
  facet_node *node = &network->node[i];
  node->type = facet_copy_text(type);
  node->name = facet_copy_text(name);
  FACET_NEW(node->input, inputs);
  FACET_NEW(node->output, 1);
  memcpy(node->input, input, (size_t)inputs * sizeof *input);
  node->inputs = inputs;
  node->output[0] = output;
  node->outputs = 1;
  return node->type && node->name ? FACET_OK : FACET_OS;
}

/* NAME_WHAT, in new memory. */
static char *name_part(const facet_network *network, int node, const char *what)
{
  return facet_format("%s_%s", network->node[node].name, what);
}

/* Puts an Expand in front of input j of node i: what its broadcasting says without a node. */
static facet_status insert_expand(facet_network *network, int i, int j, facet_shape full)
{
  char *name = name_part(network, i, "expand");
  int input[2] = {network->node[i].input[j], NO_VALUE}, output;
  facet_status status = name ? FACET_OK : FACET_OS;
  if (status == FACET_OK)
    status = fresh_list(network, name, full.rank, full.dim, &input[1]);
  if (status == FACET_OK)
    status = fresh_value(network, name, &output);
  if (status == FACET_OK)
    status = open_gap(network, i, 1);
  if (status == FACET_OK)
    status = fill_node(network, i, "Expand", name, 2, input, output);
  if (status == FACET_OK)
    network->node[i + 1].input[j] = output;
  network->opset = network->opset < 8 ? 8 : network->opset; /* the first that has Expand */
  facet_free(&name);
  return status;
}

static facet_status lower_node(facet_network *network, facet_node *node);

/* Expands the branches of node *i to one shape where they differ; *i moves on to where the node then is. */
static facet_status expand_branches(facet_network *network, int *i)
{
  facet_shape full = {0};
  bool first = true;
  for (int j = 0; j < network->node[*i].inputs; j++) {
    const facet_node *node = &network->node[*i];
    if (node->input[j] == NO_VALUE)
      continue;
    facet_shape one = facet_full_shape(network, node->input[j]), so_far = full;
    if (!first && !facet_broadcast(so_far, one, &full))
      return facet_node_raise(node, "branches of %s and %s", facet_shape_text(so_far), facet_shape_text(one));
    if (first)
      full = one;
    first = false;
  }
  FACET_TRY(facet_node_size(&network->node[*i], full));
  for (int j = 0; j < network->node[*i].inputs; j++) {
    int v = network->node[*i].input[j];
    if (v == NO_VALUE || network->value[v].constant || facet_shape_same(facet_full_shape(network, v), full))
      continue;
    FACET_TRY(insert_expand(network, *i, j, full));
    FACET_TRY(lower_node(network, &network->node[*i]));
    ++*i;
  }
  return FACET_OK;
}

/* Sizes of the parts of a Split: given, or equal (the last one may be smaller). */
static facet_status split_sizes(const facet_network *network, const facet_node *node, int64_t dim, int64_t *size)
{
  enum { MOST = 1024 };
  int64_t given[MOST], total = 0;
  int count;
  if (node->outputs < 1 || node->outputs > MOST)
    return facet_node_raise(node, "has %d outputs", node->outputs);
  FACET_TRY(facet_node_integers(network, node, "split", 1, MOST, given, &count));
  if (count >= 0 && count != node->outputs)
    return facet_node_raise(node, "has %d sizes for %d outputs", count, node->outputs);
  int64_t equal = (dim + node->outputs - 1) / node->outputs;
  for (int k = 0; k < node->outputs; k++) {
    size[k] = count >= 0 ? given[k] : total + equal <= dim ? equal : dim - total;
    if (size[k] < 0 || size[k] > dim)
      return facet_node_raise(node, "part %d has size %lld", k, (long long)size[k]);
    total += size[k];
  }
  if (total != dim)
    return facet_node_raise(node, "parts of %lld in all for a dimension of %lld", (long long)total, (long long)dim);
  return FACET_OK;
}

static facet_status insert_slice(facet_network *network, int at, int split, int part, int64_t axis, int64_t start,
                                 int64_t size)
{
  int input[4] = {network->node[split].input[0], NO_VALUE, NO_VALUE, NO_VALUE}, output;
  const int64_t list[3] = {start, start + size, axis};
  static const char *const what[3] = {"starts", "ends", "axes"};
  for (int k = 0; k < 3; k++) {
    char *name = name_part(network, split, what[k]);
    facet_status status = name ? fresh_list(network, name, 1, &list[k], &input[k + 1]) : FACET_OS;
    facet_free(&name);
    FACET_TRY(status);
  }
  output = network->node[split].output[part];
  char *name = facet_format("%s_%d", network->node[split].name, part);
  facet_status status = name ? fill_node(network, at, "Slice", name, 4, input, output) : FACET_OS;
  facet_free(&name);
  return status;
}

/* A Split becomes a Slice for every output that is in use. */
static facet_status replace_split(facet_network *network, int i)
{
  facet_node *node = &network->node[i];
  if (!facet_node_has(node, 0))
    return facet_node_raise(node, "has no input");
  facet_shape in = facet_full_shape(network, node->input[0]);
  int64_t axis = facet_node_int(node, "axis", 0), *size, start = 0;
  axis += axis < 0 ? in.rank : 0;
  if (axis < 0 || axis >= in.rank)
    return facet_node_raise(node, "axis %lld is out of range", (long long)axis);
  const facet_value *value = &network->value[node->input[0]];
  if (axis == 0 && !value->whole && network->batch != 0 && network->batch != 1)
    return facet_node_raise(node, "works along the batch dimension");
  FACET_NEW(size, node->outputs);
  int used = 0, outputs = node->outputs;
  facet_status status = split_sizes(network, node, in.dim[axis], size);
  for (int k = 0; k < outputs; k++)
    used += node->output[k] != NO_VALUE;
  if (status == FACET_OK)
    status = open_gap(network, i, used);
  for (int k = 0, at = i; status == FACET_OK && k < outputs; k++) {
    if (network->node[i + used].output[k] != NO_VALUE)
      status = insert_slice(network, at++, i + used, k, axis, start, size[k]);
    start += size[k];
  }
  if (status == FACET_OK)
    close_gap(network, i + used);
  network->opset = network->opset < 10 ? 10 : network->opset; /* Slice with inputs */
  facet_free(&size);
  return status;
}

/* ---- lowering ---- */

/* A full shape that starts with 1 is that of a batch; otherwise the value belongs to one sample as it is. */
static facet_status set_shape(facet_network *network, const facet_node *node)
{
  const facet_lowered *l = node->lowered;
  facet_value *value = &network->value[l->output];
  if (facet_shape_size(l->full) <= 0)
    return facet_node_raise(node, "output is empty");
  value->whole = l->full.rank == 0 || l->full.dim[0] != 1;
  value->shape = l->full;
  if (value->whole && network->batch > 1)
    return facet_node_raise(node, "output %s does not keep the batch of %lld samples first", facet_shape_text(l->full),
                            (long long)network->batch);
  if (!value->whole) {
    value->shape.rank--;
    memmove(value->shape.dim, l->full.dim + 1, (size_t)value->shape.rank * sizeof value->shape.dim[0]);
  }
  return FACET_OK;
}

/* Fills what every kind needs, then asks the operator's row. */
static facet_status lower_node(facet_network *network, facet_node *node)
{
  node->op = facet_operator_find(node->type);
  if (!node->op)
    return facet_node_raise(node, facet_operator_known(node->type) ? "only constants may go through it"
                                                                   : "operator is not supported");
  if (!node->op->lower)
    return facet_node_raise(node, "only supported as the last node, where it is left out");
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
      node_clear(&network->node[i++]);
      continue;
    }
    if (strcmp(network->node[i].type, "Split") == 0) {
      FACET_TRY(replace_split(network, i));
      continue;
    }
    const facet_operator *op = facet_operator_find(network->node[i].type);
    if (op && op->broadcast)
      FACET_TRY(expand_branches(network, &i));
    FACET_TRY(lower_node(network, &network->node[i]));
    i++;
  }
  return FACET_OK;
}

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
    node_clear(node);
  }
  drop_empty(network);
}

facet_status facet_network_finish(facet_network *network)
{
  FACET_CHECK(network->input != NO_VALUE, FACET_BAD_INPUT, "the network has no input");
  FACET_CHECK(network->output != NO_VALUE, FACET_BAD_INPUT, "the network has no output");
  FACET_TRY(find_producers(network));
  strip_softmax(network);
  FACET_TRY(sort_nodes(network));
  count_consumers(network);
  FACET_TRY(lower_nodes(network));
  drop_unused(network);
  for (int i = 0; i < network->values; i++)
    network->value[i].producer = -1;
  FACET_TRY(find_producers(network));
  FACET_CHECK(!network->softmax_stripped || network->output != network->input, FACET_BAD_INPUT,
              "there is nothing but a Softmax, which is no linear map");
  FACET_CHECK(!network->value[network->output].constant && network->nodes > 0, FACET_BAD_INPUT,
              "the output does not depend on the input");
  FACET_CHECK(network->value[network->output].producer >= 0, FACET_BAD_INPUT, "the output depends on no node");
  network->finished = true;
  return FACET_OK;
}

/* ---- copying ---- */

static facet_status attribute_copy(const facet_attribute *from, facet_attribute *to)
{
  *to = (facet_attribute){.kind = from->kind, .integer = from->integer, .number = from->number, .count = from->count};
  to->name = facet_copy_text(from->name);
  to->text = facet_copy_text(from->text);
  if (from->integers) {
    FACET_NEW(to->integers, from->count);
    memcpy(to->integers, from->integers, (size_t)from->count * sizeof *to->integers);
  }
  if (from->numbers) {
    FACET_NEW(to->numbers, from->count);
    memcpy(to->numbers, from->numbers, (size_t)from->count * sizeof *to->numbers);
  }
  if (from->tensor)
    FACET_TRY(facet_tensor_copy(from->tensor, &to->tensor));
  return FACET_OK;
}

facet_status facet_attributes_copy(const facet_attribute *attribute, int count, facet_attribute **copy)
{
  FACET_NEW(*copy, count);
  for (int i = 0; i < count; i++) {
    facet_status status = attribute_copy(&attribute[i], &(*copy)[i]);
    if (status != FACET_OK) {
      facet_attributes_destroy(copy, count);
      return status;
    }
  }
  return FACET_OK;
}

static facet_status node_copy(const facet_network *network, const facet_node *from, facet_network *to)
{
  facet_attribute *attribute;
  FACET_TRY(facet_attributes_copy(from->attribute, from->attributes, &attribute));
  const char **names = NULL;
  FACET_NEW(names, from->inputs + from->outputs);
  for (int i = 0; i < from->inputs + from->outputs; i++) {
    int v = i < from->inputs ? from->input[i] : from->output[i - from->inputs];
    names[i] = v == NO_VALUE ? "" : network->value[v].name;
  }
  facet_status status = facet_network_add_node(to, from->type, from->name, from->inputs, names, from->outputs,
                                               names + from->inputs, from->attributes, attribute);
  facet_free(&names);
  return status;
}

facet_status facet_network_copy_open(const facet_network *network, facet_network **copy)
{
  facet_network *n = NULL;
  facet_status status;
  FACET_GO(failed, status, facet_network_create(network->name, network->opset, &n));
  for (int i = 0; i < network->values; i++) { /* the same numbers as in the original */
    int v;
    FACET_GO(failed, status, facet_network_value(n, network->value[i].name, &v));
    n->value[v].shape = network->value[i].shape;
    n->value[v].whole = network->value[i].whole;
    if (network->value[i].constant)
      FACET_GO(failed, status, facet_tensor_copy(network->value[i].constant, &n->value[v].constant));
  }
  for (int i = 0; i < network->nodes; i++)
    FACET_GO(failed, status, node_copy(network, &network->node[i], n));
  n->batch = network->batch;
  n->input = network->input;
  n->output = network->output;
  *copy = n;
  return FACET_OK;
failed:
  facet_network_destroy(&n);
  return status;
}

facet_status facet_network_copy(const facet_network *network, facet_network **copy)
{
  FACET_TRY(facet_network_copy_open(network, copy));
  facet_status status = network->finished ? facet_network_finish(*copy) : FACET_OK;
  if (status != FACET_OK)
    facet_network_destroy(copy);
  else
    (*copy)->softmax_stripped = network->softmax_stripped;
  return status;
}

/* ---- asking ---- */

facet_shape facet_network_input_shape(const facet_network *network)
{
  return network->value[network->input].shape;
}

int64_t facet_network_outputs(const facet_network *network)
{
  return facet_shape_size(network->value[network->output].shape);
}

static facet_status list_add(facet_parameter **list, int *count, const facet_network *network, int node, int value,
                             facet_parameter_role role)
{
  if (value == NO_VALUE)
    return FACET_OK;
  for (int i = 0; i < *count; i++)
    if ((*list)[i].value == value)
      return FACET_OK;
  FACET_TRY(facet_grow(list, (size_t)*count, (size_t)*count + 1, sizeof **list));
  facet_parameter *p = &(*list)[*count];
  *p = (facet_parameter){.value = value, .node = node, .role = role};
  p->size = facet_shape_size(network->value[value].shape);
  p->offset = *count ? p[-1].offset + p[-1].size : 0;
  (*count)++;
  return FACET_OK;
}

facet_status facet_network_parameter_list(const facet_network *network, facet_parameter **list, int *count)
{
  *list = NULL;
  *count = 0;
  facet_status status = FACET_OK;
  for (int i = 0; i < network->nodes && status == FACET_OK; i++) {
    const facet_lowered *l = network->node[i].lowered;
    const struct {
      int value;
      facet_parameter_role role;
    } all[] = {{l->weight, FACET_WEIGHT}, {l->bias, FACET_BIAS}, {l->gamma, FACET_SCALE},
               {l->beta, FACET_SHIFT},    {l->mean, FACET_MEAN}, {l->variance, FACET_VARIANCE}};
    for (size_t j = 0; j < sizeof all / sizeof all[0] && status == FACET_OK; j++)
      status = list_add(list, count, network, i, all[j].value, all[j].role);
  }
  if (status != FACET_OK)
    facet_free(list);
  return status;
}

int64_t facet_network_parameters(const facet_network *network)
{
  facet_parameter *list;
  int count;
  if (facet_network_parameter_list(network, &list, &count) != FACET_OK || count == 0)
    return 0;
  int64_t total = list[count - 1].offset + list[count - 1].size;
  facet_free(&list);
  return total;
}
