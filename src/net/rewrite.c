/* Nodes that stand for others: Expand for what broadcasting says without a node, Slice for the outputs of Split and,
 * or Gather, for what is taken by number from the sequence of a SplitToSequence. */
#include <string.h>

#include "finish.h"

/* Room for `count` more nodes at place i; they are zeroed. */
static facet_status open_gap(facet_network *network, int i, int count)
{
  size_t nodes = (size_t)network->nodes;
  FACET_TRY(facet_network_room(network, count));
  memmove(&network->node[i + count], &network->node[i], (nodes - (size_t)i) * sizeof *network->node);
  memset(&network->node[i], 0, (size_t)count * sizeof *network->node);
  network->nodes += count;
  return FACET_OK;
}

static void close_gap(facet_network *network, int i)
{
  facet_node_clear(&network->node[i]);
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
    bool taken = facet_network_find(network, name) != NO_VALUE;
    facet_status status = taken ? FACET_OK : facet_network_value(network, name, value);
    facet_free(&name);
    if (!taken)
      return status;
  }
}

/* A constant of integers; of the empty shape, it is one of them. */
static facet_status fresh_list(facet_network *network, const char *base, facet_shape shape, const int64_t *list,
                               int *value)
{
  facet_tensor *t;
  FACET_TRY(fresh_value(network, base, value));
  FACET_TRY(facet_tensor_create(FACET_I64, shape, &t));
  memcpy(t->data, list, (size_t)facet_shape_size(shape) * sizeof *list);
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
  facet_status status;
  FACET_GO(done, status, name ? FACET_OK : FACET_OS);
  FACET_GO(done, status, fresh_list(network, name, (facet_shape){1, {full.rank}}, full.dim, &input[1]));
  FACET_GO(done, status, fresh_value(network, name, &output));
  FACET_GO(done, status, open_gap(network, i, 1));
  FACET_GO(done, status, fill_node(network, i, "Expand", name, 2, input, output));
  network->node[i + 1].input[j] = output;
  network->opset = network->opset < 8 ? 8 : network->opset; /* the first that has Expand */
done:
  facet_free(&name);
  return status;
}

facet_status facet_node_expand(facet_network *network, int *i)
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
    FACET_TRY(facet_node_lower(network, &network->node[*i]));
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

/* The dimension that a node splits, and its size. */
static facet_status split_axis(const facet_network *network, const facet_node *node, int64_t *axis, int64_t *dim)
{
  if (!facet_node_has(node, 0))
    return facet_node_raise(node, "has no input");
  facet_shape in = facet_full_shape(network, node->input[0]);
  *axis = facet_node_int(node, "axis", 0);
  *axis += *axis < 0 ? in.rank : 0;
  if (*axis < 0 || *axis >= in.rank)
    return facet_node_raise(node, "axis %lld is out of range", (long long)*axis);
  const facet_value *value = &network->value[node->input[0]];
  if (*axis == 0 && !value->whole && network->batch != 0 && network->batch != 1)
    return facet_node_raise(node, "works along the batch dimension");
  *dim = in.dim[*axis];
  return FACET_OK;
}

/* Writes part number `part` of node `split` as a Slice into an empty place. */
static facet_status insert_slice(facet_network *network, int at, int split, int part, int64_t axis, int64_t start,
                                 int64_t size, int output)
{
  int input[4] = {network->node[split].input[0], NO_VALUE, NO_VALUE, NO_VALUE};
  const int64_t list[3] = {start, start + size, axis};
  static const char *const what[3] = {"starts", "ends", "axes"};
  for (int k = 0; k < 3; k++) {
    char *name = name_part(network, split, what[k]);
    facet_status status = name ? fresh_list(network, name, (facet_shape){1, {1}}, &list[k], &input[k + 1]) : FACET_OS;
    facet_free(&name);
    FACET_TRY(status);
  }
  network->opset = network->opset < 10 ? 10 : network->opset; /* Slice with inputs */
  char *name = facet_format("%s_%d", network->node[split].name, part);
  facet_status status = name ? fill_node(network, at, "Slice", name, 4, input, output) : FACET_OS;
  facet_free(&name);
  return status;
}

/* The same of one element, without the dimension that is split: as a Gather. */
static facet_status insert_gather(facet_network *network, int at, int split, int64_t axis, int64_t element, int output)
{
  int input[2] = {network->node[split].input[0], NO_VALUE};
  char *name = facet_format("%s_%lld", network->node[split].name, (long long)element);
  facet_status status = name ? fresh_list(network, name, (facet_shape){0}, &element, &input[1]) : FACET_OS;
  if (status == FACET_OK)
    status = fill_node(network, at, "Gather", name, 2, input, output);
  facet_free(&name);
  FACET_TRY(status);
  facet_node *node = &network->node[at];
  FACET_NEW(node->attribute, 1);
  node->attributes = 1;
  node->attribute[0] = (facet_attribute){.name = facet_copy_text("axis"), .kind = FACET_INT, .integer = axis};
  return node->attribute[0].name ? FACET_OK : FACET_OS;
}

facet_status facet_node_replace_split(facet_network *network, int i)
{
  const facet_node *node = &network->node[i];
  int64_t axis, dim, *size, start = 0;
  FACET_TRY(split_axis(network, node, &axis, &dim));
  FACET_NEW(size, node->outputs);
  int used = 0, outputs = node->outputs;
  facet_status status;
  FACET_GO(done, status, split_sizes(network, node, dim, size));
  for (int k = 0; k < outputs; k++)
    used += node->output[k] != NO_VALUE;
  FACET_GO(done, status, open_gap(network, i, used));
  for (int k = 0, at = i; k < outputs; k++) {
    int output = network->node[i + used].output[k];
    if (output != NO_VALUE)
      FACET_GO(done, status, insert_slice(network, at++, i + used, k, axis, start, size[k], output));
    start += size[k];
  }
  close_gap(network, i + used);
done:
  facet_free(&size);
  return status;
}

/* Where part `part` (from the end, if negative) of a SplitToSequence begins, and its size. `at`: who asks for it. */
static facet_status sequence_part(const facet_network *network, const facet_node *node, const facet_node *at,
                                  int64_t dim, int64_t part, int64_t *start, int64_t *size)
{
  enum { MOST = 1024 };
  int64_t given[MOST] = {1}, parts, total = 0;
  int count;
  FACET_TRY(facet_node_integers(network, node, "split", 1, MOST, given, &count));
  bool equal = count < 0 || network->value[node->input[1]].constant->shape.rank == 0;
  if (equal && given[0] < 1)
    return facet_node_raise(node, "parts of size %lld", (long long)given[0]);
  parts = equal ? dim / given[0] + (dim % given[0] != 0) : count;
  int64_t k = part + (part < 0 ? parts : 0);
  if (k < 0 || k >= parts)
    return facet_node_raise(at, "asks for part %lld of %lld", (long long)part, (long long)parts);
  *start = equal ? k * given[0] : 0;
  *size = !equal ? given[k] : dim - *start < given[0] ? dim - *start : given[0];
  for (int j = 0; !equal && j < parts; j++) {
    if (given[j] < 0 || given[j] > dim - total)
      return facet_node_raise(node, "its parts do not make up a dimension of %lld", (long long)dim);
    *start += j < k ? given[j] : 0;
    total += given[j];
  }
  if (!equal && total != dim)
    return facet_node_raise(node, "its parts do not make up a dimension of %lld", (long long)dim);
  return FACET_OK;
}

static bool takes(const facet_node *node, int value)
{
  for (int j = 0; j < node->inputs; j++)
    if (node->input[j] == value)
      return true;
  return false;
}

facet_status facet_node_check_sequence(const facet_network *network, int i)
{
  const facet_node *node = &network->node[i];
  if (node->outputs != 1 || node->output[0] == NO_VALUE)
    return facet_node_raise(node, "must have one output");
  if (node->output[0] == network->output)
    return facet_node_raise(node, "the output of the network is a sequence");
  for (int j = i + 1; j < network->nodes; j++)
    if (network->node[j].type && takes(&network->node[j], node->output[0]) &&
        strcmp(network->node[j].type, "SequenceAt") != 0)
      return facet_node_raise(&network->node[j], "takes a sequence: SequenceAt alone may");
  return FACET_OK;
}

facet_status facet_node_replace_sequence_at(facet_network *network, int j)
{
  facet_node *at = &network->node[j];
  if (at->outputs != 1 || at->output[0] == NO_VALUE)
    return facet_node_raise(at, "must have one output");
  int i = 0, count, output = at->output[0];
  while (i < j && !(network->node[i].type && strcmp(network->node[i].type, "SplitToSequence") == 0 &&
                    facet_node_has(at, 0) && network->node[i].output[0] == at->input[0]))
    i++;
  if (i == j)
    return facet_node_raise(at, "its sequence must be that of a SplitToSequence");
  const facet_node *node = &network->node[i];
  int64_t axis, dim, part, start, size;
  FACET_TRY(split_axis(network, node, &axis, &dim));
  FACET_TRY(facet_node_integers(network, at, "position", 1, 1, &part, &count));
  if (count != 1)
    return facet_node_raise(at, "has no position");
  FACET_TRY(sequence_part(network, node, at, dim, part, &start, &size));
  facet_node_clear(at);
  if (facet_node_has(node, 1) || facet_node_int(node, "keepdims", 1) != 0)
    return insert_slice(network, j, i, (int)part, axis, start, size, output);
  return insert_gather(network, j, i, axis, start, output);
}
