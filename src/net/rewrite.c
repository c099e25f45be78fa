/* Nodes that stand for others: Expand for what broadcasting says without a node, Slice for the outputs of Split. */
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
  facet_status status;
  FACET_GO(done, status, name ? FACET_OK : FACET_OS);
  FACET_GO(done, status, fresh_list(network, name, full.rank, full.dim, &input[1]));
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

facet_status facet_node_replace_split(facet_network *network, int i)
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
  facet_status status;
  FACET_GO(done, status, split_sizes(network, node, in.dim[axis], size));
  for (int k = 0; k < outputs; k++)
    used += node->output[k] != NO_VALUE;
  FACET_GO(done, status, open_gap(network, i, used));
  for (int k = 0, at = i; k < outputs; k++) {
    if (network->node[i + used].output[k] != NO_VALUE)
      FACET_GO(done, status, insert_slice(network, at++, i + used, k, axis, start, size[k]));
    start += size[k];
  }
  close_gap(network, i + used);
  network->opset = network->opset < 10 ? 10 : network->opset; /* Slice with inputs */
done:
  facet_free(&size);
  return status;
}
