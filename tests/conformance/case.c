/* Reading a case, and making a network of it. */
#include "case.h"

#include <stdio.h>
#include <string.h>

bool case_open(onnx_case *c, const char *folder, const char *name)
{
  char path[1000];
  uint8_t *bytes;
  size_t count;
  *c = (onnx_case){.model = NULL};
  snprintf(c->folder, sizeof c->folder, "%s/%s", folder, name);
  snprintf(c->name, sizeof c->name, "%s", strncmp(name, "test_", 5) == 0 ? name + 5 : name);
  snprintf(path, sizeof path, "%s/model.onnx", c->folder);
  if (facet_read_file(path, &bytes, &count) != FACET_OK)
    return false;
  facet_status status = facet_onnx_unpack(bytes, count, &c->model);
  facet_free(&bytes);
  if (status != FACET_OK)
    return false;
  const Onnx__GraphProto *graph = c->model->graph;
  for (size_t i = 0; i < graph->n_input && c->inputs < MOST_VALUES; i++)
    if (!facet_onnx_initializer(graph, graph->input[i]->name))
      c->input[c->inputs++] = graph->input[i];
  c->outputs = graph->n_output < MOST_VALUES ? (int)graph->n_output : MOST_VALUES;
  return true;
}

static bool is_tensor(const Onnx__ValueInfoProto *info)
{
  return info->type && info->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
}

/* Takes the tensor of a file in place of the last one. */
static bool read_tensor(const onnx_case *c, int set, const char *what, int i, Onnx__TensorProto **tensor)
{
  char path[1000];
  uint8_t *bytes;
  size_t count;
  if (*tensor)
    onnx__tensor_proto__free_unpacked(*tensor, NULL);
  *tensor = NULL;
  snprintf(path, sizeof path, "%s/test_data_set_%d/%s_%d.pb", c->folder, set, what, i);
  if (facet_read_file(path, &bytes, &count) != FACET_OK)
    return false;
  *tensor = onnx__tensor_proto__unpack(NULL, count, bytes);
  facet_free(&bytes);
  return *tensor != NULL;
}

bool case_data(onnx_case *c, int set)
{
  bool any = false;
  for (int i = 0; i < c->inputs; i++)
    if (is_tensor(c->input[i]))
      any |= read_tensor(c, set, "input", i, &c->given[i]);
  for (int i = 0; i < c->outputs; i++)
    if (is_tensor(c->model->graph->output[i]))
      any |= read_tensor(c, set, "output", i, &c->expected[i]);
  return any;
}

void case_close(onnx_case *c)
{
  for (int i = 0; i < MOST_VALUES; i++) {
    if (c->given[i])
      onnx__tensor_proto__free_unpacked(c->given[i], NULL);
    if (c->expected[i])
      onnx__tensor_proto__free_unpacked(c->expected[i], NULL);
  }
  facet_onnx_free(&c->model);
}

bool case_real(const Onnx__TensorProto *t)
{
  return t && (t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT ||
               t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE ||
               t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16);
}

const char *case_operator(const onnx_case *c)
{
  const Onnx__GraphProto *graph = c->model->graph;
  for (size_t i = 0; i < graph->n_node; i++)
    if (!facet_onnx_node_known(graph->node[i]))
      return graph->node[i]->op_type;
  if (strstr(c->name, "_expanded"))
    return "function bodies";
  for (size_t i = 0; i < graph->n_node; i++)
    if (strcmp(graph->node[i]->op_type, "Constant") != 0)
      return graph->node[i]->op_type;
  return graph->n_node ? graph->node[0]->op_type : "none";
}

bool case_known(const onnx_case *c)
{
  const Onnx__GraphProto *graph = c->model->graph;
  for (size_t i = 0; i < graph->n_node; i++)
    if (!facet_onnx_node_known(graph->node[i]))
      return false;
  return true;
}

/* What to do with the model of a choice. */
typedef facet_status user(Onnx__ModelProto *model, void *context);

static facet_status with_choice(const onnx_case *c, int data, int out, user *use, void *context)
{
  Onnx__GraphProto *graph = c->model->graph, whole = *graph;
  size_t count = graph->n_initializer;
  Onnx__TensorProto **all;
  char *name[MOST_VALUES];
  FACET_NEW(all, count + MOST_VALUES);
  for (size_t i = 0; i < count; i++)
    all[i] = graph->initializer[i];
  for (int i = 0; i < c->inputs; i++)
    if (i != data && c->given[i]) {
      name[i] = c->given[i]->name;
      c->given[i]->name = c->input[i]->name; /* for as long as this takes */
      all[count++] = c->given[i];
    }
  graph->initializer = all;
  graph->n_initializer = count;
  graph->output = &whole.output[out];
  graph->n_output = 1;
  facet_status status = use(c->model, context);
  *graph = whole;
  for (int i = 0; i < c->inputs; i++)
    if (i != data && c->given[i])
      c->given[i]->name = name[i];
  facet_free(&all);
  return status;
}

static facet_status build(Onnx__ModelProto *model, void *context)
{
  return facet_onnx_build(model, NULL, FACET_GATES_SECANT, context);
}

facet_status case_build(const onnx_case *c, int data, int out, facet_network **network)
{
  return with_choice(c, data, out, build, network);
}

typedef struct {
  size_t most, *count;
  uint8_t *bytes;
} room;

static facet_status pack(Onnx__ModelProto *model, void *context)
{
  room *r = context;
  *r->count = onnx__model_proto__get_packed_size(model);
  if (*r->count > r->most)
    *r->count = 0;
  else
    onnx__model_proto__pack(model, r->bytes);
  return FACET_OK;
}

facet_status case_pack(const onnx_case *c, int data, int out, size_t most, uint8_t *bytes, size_t *count)
{
  room r = {.most = most, .count = count, .bytes = bytes};
  return with_choice(c, data, out, pack, &r);
}
