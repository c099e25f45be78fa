/* Reading ONNX: the message is unpacked whole, then handed to the network's builder piece by piece. */
#include <string.h>

#include "onnx/graph.h"

bool facet_onnx_has_initializer(const Onnx__GraphProto *graph, const char *name)
{
  for (size_t i = 0; i < graph->n_initializer; i++)
    if (graph->initializer[i]->name && strcmp(graph->initializer[i]->name, name) == 0)
      return true;
  return false;
}

/* ---- attributes ---- */

static facet_status read_integers(const Onnx__AttributeProto *p, facet_attribute *a)
{
  a->kind = FACET_INTS;
  FACET_CHECK(p->n_ints <= 4096, FACET_BAD_INPUT, "attribute %s has %zu entries", p->name, p->n_ints);
  a->count = (int)p->n_ints;
  FACET_NEW(a->integers, p->n_ints);
  for (size_t i = 0; i < p->n_ints; i++)
    a->integers[i] = p->ints[i];
  return FACET_OK;
}

static facet_status read_numbers(const Onnx__AttributeProto *p, facet_attribute *a)
{
  a->kind = FACET_FLOATS;
  FACET_CHECK(p->n_floats <= 4096, FACET_BAD_INPUT, "attribute %s has %zu entries", p->name, p->n_floats);
  a->count = (int)p->n_floats;
  FACET_NEW(a->numbers, p->n_floats);
  for (size_t i = 0; i < p->n_floats; i++)
    a->numbers[i] = (double)p->floats[i];
  return FACET_OK;
}

static facet_status read_attribute(const Onnx__AttributeProto *p, facet_attribute *a)
{
  FACET_CHECK(p->name, FACET_BAD_INPUT, "an attribute has no name");
  if (!(a->name = facet_copy_text(p->name)))
    return FACET_OS;
  switch (p->has_type ? p->type : ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED) {
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
    a->kind = FACET_INT;
    a->integer = p->i;
    return FACET_OK;
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:
    a->kind = FACET_FLOAT;
    a->number = (double)p->f;
    return FACET_OK;
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
    a->kind = FACET_TEXT;
    a->text = facet_format("%.*s", p->s.len < 4096 ? (int)p->s.len : 4096, p->s.data ? (const char *)p->s.data : "");
    return a->text ? FACET_OK : FACET_OS;
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
    return read_integers(p, a);
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
    return read_numbers(p, a);
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
    FACET_CHECK(p->t, FACET_BAD_INPUT, "attribute %s is empty", p->name);
    a->kind = FACET_TENSOR;
    facet_status status = facet_tensor_from_proto(p->t, &a->tensor);
    return status == FACET_OK ? FACET_OK : facet_raise_in(status, "attribute %s ", p->name);
  default:
    return facet_raise(FACET_BAD_INPUT, "attribute %s has a type that is not supported", p->name);
  }
}

/* ---- nodes ---- */

static facet_status add_node(const Onnx__NodeProto *p, const char *name, facet_network *network)
{
  facet_attribute *attribute = NULL;
  facet_status status = FACET_OK;
  bool own = !p->domain || !p->domain[0] || strcmp(p->domain, "ai.onnx") == 0;
  FACET_CHECK(own, FACET_BAD_INPUT, "operators of domain %s are not supported", p->domain);
  FACET_CHECK(facet_operator_known(p->op_type), FACET_BAD_INPUT, "operator is not supported");
  FACET_CHECK(p->n_input <= 10000 && p->n_output <= 10000, FACET_BAD_INPUT, "has %zu inputs", p->n_input);
  FACET_NEW(attribute, p->n_attribute);
  for (size_t i = 0; i < p->n_attribute && status == FACET_OK; i++)
    status = read_attribute(p->attribute[i], &attribute[i]);
  if (status != FACET_OK) {
    facet_attributes_destroy(&attribute, (int)p->n_attribute);
    return status;
  }
  return facet_network_add_node(network, p->op_type, name, (int)p->n_input, (const char *const *)p->input,
                                (int)p->n_output, (const char *const *)p->output, (int)p->n_attribute, attribute);
}

static facet_status add_nodes(const Onnx__GraphProto *graph, facet_network *network)
{
  for (size_t i = 0; i < graph->n_node; i++) {
    const Onnx__NodeProto *p = graph->node[i];
    FACET_CHECK(p->op_type && p->op_type[0], FACET_BAD_INPUT, "node %zu has no operator", i);
    char *name = facet_onnx_node_name(p, i);
    facet_status status = name ? add_node(p, name, network) : FACET_OS;
    if (status == FACET_BAD_INPUT)
      (void)facet_raise_in(status, "node %s (%s): ", name, p->op_type);
    facet_free(&name);
    FACET_TRY(status);
  }
  return FACET_OK;
}

char *facet_onnx_node_name(const Onnx__NodeProto *p, size_t i)
{
  return p->name && p->name[0] ? facet_copy_text(p->name) : facet_format("%s_%zu", p->op_type ? p->op_type : "", i);
}

/* ---- input and output ---- */

facet_status facet_onnx_input_shape(const Onnx__ValueInfoProto *info, facet_shape *shape)
{
  const Onnx__TypeProto *type = info->type;
  bool tensor =
      type && type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && type->tensor_type && type->tensor_type->shape;
  FACET_CHECK(tensor, FACET_BAD_INPUT, "input %s has no shape", info->name);
  const Onnx__TensorShapeProto *dims = type->tensor_type->shape;
  FACET_CHECK(dims->n_dim >= 2 && dims->n_dim <= FACET_MAX_RANK, FACET_BAD_INPUT,
              "input %s has %zu dimensions: the batch and at least one more are needed", info->name, dims->n_dim);
  *shape = (facet_shape){.rank = (int)dims->n_dim - 1};
  int64_t size = 1;
  for (size_t i = 1; i < dims->n_dim; i++) {
    const Onnx__TensorShapeProto__Dimension *d = dims->dim[i];
    bool known = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && d->dim_value > 0 &&
                 d->dim_value <= 1 << 24;
    FACET_CHECK(known, FACET_BAD_INPUT, "dimension %zu of input %s is not known: only the first (batch) may be open", i,
                info->name);
    shape->dim[i - 1] = d->dim_value;
    size *= d->dim_value;
    FACET_CHECK(size <= 1 << 28, FACET_BAD_INPUT, "input %s is too large", info->name);
  }
  return FACET_OK;
}

static facet_status set_input(const Onnx__GraphProto *graph, facet_network *network)
{
  const Onnx__ValueInfoProto *input = NULL;
  for (size_t i = 0; i < graph->n_input; i++) {
    const Onnx__ValueInfoProto *p = graph->input[i];
    FACET_CHECK(p->name, FACET_BAD_INPUT, "an input has no name");
    if (facet_onnx_has_initializer(graph, p->name))
      continue; /* old files list constants among the inputs */
    FACET_CHECK(!input, FACET_BAD_INPUT, "has more than one input: %s and %s", input->name, p->name);
    input = p;
  }
  FACET_CHECK(input, FACET_BAD_INPUT, "has no input");
  facet_shape shape;
  FACET_TRY(facet_onnx_input_shape(input, &shape));
  return facet_network_set_input(network, input->name, shape);
}

static facet_status set_output(const Onnx__GraphProto *graph, facet_network *network)
{
  FACET_CHECK(graph->n_output > 0 && graph->output[0]->name, FACET_BAD_INPUT, "has no output");
  FACET_CHECK(graph->n_output == 1 || !graph->output[1]->name, FACET_BAD_INPUT, "has more than one output: %s and %s",
              graph->output[0]->name, graph->output[1]->name);
  return facet_network_set_output(network, graph->output[0]->name);
}

static facet_status add_initializers(const Onnx__GraphProto *graph, facet_network *network)
{
  FACET_CHECK(graph->n_sparse_initializer == 0, FACET_BAD_INPUT, "sparse initializers are not supported");
  for (size_t i = 0; i < graph->n_initializer; i++) {
    const Onnx__TensorProto *p = graph->initializer[i];
    facet_tensor *tensor;
    FACET_CHECK(p->name, FACET_BAD_INPUT, "initializer %zu has no name", i);
    facet_status status = facet_tensor_from_proto(p, &tensor);
    if (status != FACET_OK)
      return facet_raise_in(status, "initializer %s: ", p->name);
    FACET_TRY(facet_network_add_constant(network, p->name, tensor));
  }
  return FACET_OK;
}

int facet_onnx_opset(const Onnx__ModelProto *model)
{
  for (size_t i = 0; i < model->n_opset_import; i++) {
    const Onnx__OperatorSetIdProto *p = model->opset_import[i];
    if ((!p->domain || !p->domain[0] || strcmp(p->domain, "ai.onnx") == 0) && p->has_version)
      return p->version > 0 && p->version < 1000 ? (int)p->version : 0;
  }
  return 0;
}

static facet_status build(const Onnx__ModelProto *model, facet_network *network)
{
  FACET_TRY(set_input(model->graph, network));
  FACET_TRY(add_initializers(model->graph, network));
  FACET_TRY(add_nodes(model->graph, network));
  FACET_TRY(set_output(model->graph, network));
  return facet_network_finish(network);
}

/* Calls build; the message then bears the file's name. */
facet_status facet_onnx_read_bytes(const char *name, const uint8_t *bytes, size_t count, facet_network **network)
{
  Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, count, bytes);
  facet_status status = FACET_OK;
  facet_network *n = NULL;
  if (!model || !model->graph) {
    status = facet_raise(FACET_BAD_INPUT, "is not an ONNX file, or is cut short");
  } else if (facet_onnx_opset(model) < 1) {
    status = facet_raise(FACET_BAD_INPUT, "names no ONNX operator set");
  } else {
    const char *title = model->graph->name ? model->graph->name : "";
    status = facet_network_create(title, facet_onnx_opset(model), &n);
    if (status == FACET_OK)
      status = build(model, n);
  }
  if (model)
    onnx__model_proto__free_unpacked(model, NULL);
  if (status == FACET_OK) {
    *network = n;
    return FACET_OK;
  }
  facet_network_destroy(&n);
  return facet_raise_in(status, "%s: ", name);
}

facet_status facet_onnx_read(const char *path, facet_network **network)
{
  uint8_t *bytes;
  size_t count;
  FACET_TRY(facet_read_file(path, &bytes, &count));
  facet_status status = facet_onnx_read_bytes(path, bytes, count, network);
  facet_free(&bytes);
  return status;
}
