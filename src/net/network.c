/* The graph: building, copying, destroying, asking. */
#include <string.h>

#include "finish.h"

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

void facet_node_clear(facet_node *node)
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
    facet_node_clear(&n->node[i]);
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

int facet_network_find(const facet_network *network, const char *name)
{
  return network->values > 0 ? *name_place(network, name) - 1 : NO_VALUE;
}

facet_status facet_network_value(facet_network *network, const char *name, int *value)
{
  *value = facet_network_find(network, name);
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

facet_status facet_network_room(facet_network *network, int more)
{
  int room = network->node_room;
  if (network->nodes + more <= room)
    return FACET_OK;
  room = 2 * room > network->nodes + more ? 2 * room : network->nodes + more + 16;
  FACET_TRY(facet_grow(&network->node, (size_t)network->nodes, (size_t)room, sizeof *network->node));
  network->node_room = room;
  return FACET_OK;
}

/* Who makes attributes need not look at every name. */
static bool are_named(const facet_node *node)
{
  for (int i = 0; i < node->attributes; i++)
    if (!node->attribute[i].name)
      return false;
  return true;
}

facet_status facet_network_add_node(facet_network *network, const facet_node_words *words)
{
  facet_attribute *attribute = words->attribute;
  int count = network->nodes;
  facet_status status = facet_network_room(network, 1);
  if (status != FACET_OK) {
    facet_attributes_destroy(&attribute, words->attributes);
    return status;
  }
  facet_node *node = &network->node[network->nodes++];
  *node = (facet_node){.attributes = words->attributes, .attribute = attribute};
  node->type = facet_copy_text(words->type);
  node->name = words->name && words->name[0] ? facet_copy_text(words->name) : facet_format("%s_%d", words->type, count);
  if (!node->type || !node->name || !are_named(node))
    return FACET_OS;
  node->inputs = words->inputs;
  node->outputs = words->outputs;
  FACET_TRY(node_values(network, words->inputs, words->input, &node->input));
  FACET_TRY(node_values(network, words->outputs, words->output, &node->output));
  return FACET_OK;
}

/* ---- copying ---- */

static facet_status attribute_copy(const facet_attribute *from, facet_attribute *to)
{
  *to = (facet_attribute){.kind = from->kind, .integer = from->integer, .number = from->number, .count = from->count};
  to->name = facet_copy_text(from->name);
  to->text = facet_copy_text(from->text);
  if (!to->name || (from->text && !to->text))
    return FACET_OS;
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
  facet_status status =
      facet_network_add_node(to, &(facet_node_words){from->type, from->name, from->inputs, names, from->outputs,
                                                     names + from->inputs, from->attributes, attribute});
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
  n->secant = network->secant;
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
    (*copy)->stripped = network->stripped;
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

facet_status facet_network_classifies(const facet_network *network)
{
  facet_shape out = network->value[network->output].shape;
  int wide = 0;
  for (int i = 0; i < out.rank; i++)
    wide += out.dim[i] > 1;
  FACET_CHECK(wide > 0, FACET_BAD_INPUT,
              "has one output z, as a binary network with one logit has; facet compares two classes and more: "
              "export it with the outputs 0 and z, whose Softmax is the Sigmoid of z");
  FACET_CHECK(wide == 1, FACET_BAD_INPUT,
              "has outputs N x %s, not N x K: not one score for each of K classes, so that it is no classifier",
              facet_shape_text(out));
  return FACET_OK;
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
