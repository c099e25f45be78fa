/* Writing ONNX: messages on the stack that borrow the network's arrays, packed into one buffer. */
#include <string.h>

#include "tensor_proto.h"

/* Everything that the messages point to, freed in one go. */
typedef struct {
  void **piece;
  size_t pieces;
} pile;

static void *keep(pile *p, size_t count, size_t size)
{
  if (facet_grow(&p->piece, p->pieces, p->pieces + 1, sizeof *p->piece) != FACET_OK)
    return NULL;
  return p->piece[p->pieces++] = facet_allocate(count, size);
}

static void pile_clear(pile *p)
{
  for (size_t i = 0; i < p->pieces; i++)
    facet_free(&p->piece[i]);
  facet_free(&p->piece);
}

#define KEEP(pile, p, count)                                                                                           \
  do {                                                                                                                 \
    if (!((p) = keep((pile), (size_t)(count), sizeof *(p))))                                                           \
      return FACET_OS;                                                                                                 \
  } while (0)

static facet_status pack_attribute(pile *heap, const facet_attribute *a, Onnx__AttributeProto *p)
{
  onnx__attribute_proto__init(p);
  p->name = a->name;
  p->has_type = true;
  switch (a->kind) {
  case FACET_INT:
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    p->has_i = true;
    p->i = a->integer;
    break;
  case FACET_FLOAT:
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
    p->has_f = true;
    p->f = (float)a->number;
    break;
  case FACET_TEXT:
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
    p->has_s = true;
    p->s.len = strlen(a->text);
    p->s.data = (uint8_t *)a->text;
    break;
  case FACET_INTS:
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    p->n_ints = (size_t)a->count;
    p->ints = a->integers;
    break;
  case FACET_FLOATS:
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
    p->n_floats = (size_t)a->count;
    KEEP(heap, p->floats, a->count);
    for (int i = 0; i < a->count; i++)
      p->floats[i] = (float)a->numbers[i];
    break;
  case FACET_TENSOR: {
    int64_t *dims;
    KEEP(heap, dims, FACET_MAX_RANK);
    KEEP(heap, p->t, 1);
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
    facet_tensor_to_proto(a->tensor, NULL, dims, p->t);
    break;
  }
  }
  return FACET_OK;
}

/* Names of values; a last Softmax is gone, so the output bears the name of the logits. */
static facet_status pack_names(pile *heap, const facet_network *n, int count, const int *value, char ***names)
{
  KEEP(heap, *names, count);
  for (int i = 0; i < count; i++)
    (*names)[i] = value[i] < 0 ? (char *)"" : n->value[value[i]].name;
  return FACET_OK;
}

/* `real`: the type of all numbers in the file, whatever types a Cast in the file that was read went between. */
static facet_status pack_node(pile *heap, const facet_network *n, const facet_node *node, int32_t real,
                              Onnx__NodeProto *p)
{
  onnx__node_proto__init(p);
  p->name = node->name;
  p->op_type = node->type;
  p->n_input = (size_t)node->inputs;
  p->n_output = (size_t)node->outputs;
  FACET_TRY(pack_names(heap, n, node->inputs, node->input, &p->input));
  FACET_TRY(pack_names(heap, n, node->outputs, node->output, &p->output));
  p->n_attribute = (size_t)node->attributes;
  KEEP(heap, p->attribute, node->attributes);
  for (int i = 0; i < node->attributes; i++) {
    KEEP(heap, p->attribute[i], 1);
    FACET_TRY(pack_attribute(heap, &node->attribute[i], p->attribute[i]));
    if (strcmp(node->type, "Cast") == 0 && strcmp(node->attribute[i].name, "to") == 0)
      p->attribute[i]->i = real;
  }
  return FACET_OK;
}

/* The nodes that it stands for; the last has its name. */
static facet_status pack_choice(pile *heap, const facet_network *n, const facet_node *node, int32_t real,
                                Onnx__GraphProto *graph)
{
  facet_choice_part part[FACET_CHOICE_PARTS];
  int count = facet_choice_parts(node, part);
  for (int i = 0; i < count; i++) {
    Onnx__NodeProto **p = &graph->node[graph->n_node++];
    const facet_node one = {.name = i == count - 1 ? node->name : (char *)"",
                            .type = (char *)part[i].type,
                            .inputs = part[i].inputs,
                            .input = part[i].input,
                            .outputs = 1,
                            .output = &part[i].output};
    KEEP(heap, *p, 1);
    FACET_TRY(pack_node(heap, n, &one, real, *p));
  }
  return FACET_OK;
}

static facet_status pack_nodes(pile *heap, const facet_network *n, int32_t real, Onnx__GraphProto *graph)
{
  KEEP(heap, graph->node, n->nodes * FACET_CHOICE_PARTS);
  for (int i = 0; i < n->nodes; i++) {
    if (facet_node_is_choice(&n->node[i])) {
      FACET_TRY(pack_choice(heap, n, &n->node[i], real, graph));
      continue;
    }
    Onnx__NodeProto **p = &graph->node[graph->n_node++];
    KEEP(heap, *p, 1);
    FACET_TRY(pack_node(heap, n, &n->node[i], real, *p));
  }
  return FACET_OK;
}

/* The type of the values: that of the first real constant (ONNX wants them all alike), float without any. */
static int32_t real_type(const Onnx__GraphProto *graph)
{
  for (size_t i = 0; i < graph->n_initializer; i++)
    if (graph->initializer[i]->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__INT64)
      return graph->initializer[i]->data_type;
  return ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
}

/* name: tensor of batch x shape, or of the shape alone. */
static facet_status pack_info(pile *heap, const facet_value *value, int64_t batch, int32_t real,
                              Onnx__ValueInfoProto ***list, size_t *count)
{
  Onnx__ValueInfoProto *p;
  Onnx__TypeProto *type;
  Onnx__TypeProto__Tensor *tensor;
  Onnx__TensorShapeProto *shape;
  KEEP(heap, *list, 1);
  KEEP(heap, p, 1);
  KEEP(heap, type, 1);
  KEEP(heap, tensor, 1);
  KEEP(heap, shape, 1);
  onnx__value_info_proto__init(p);
  onnx__type_proto__init(type);
  onnx__type_proto__tensor__init(tensor);
  onnx__tensor_shape_proto__init(shape);
  p->name = value->name;
  p->type = type;
  type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  type->tensor_type = tensor;
  tensor->has_elem_type = true;
  tensor->elem_type = real;
  tensor->shape = shape;
  size_t first = !value->whole;
  shape->n_dim = (size_t)value->shape.rank + first;
  KEEP(heap, shape->dim, shape->n_dim);
  for (size_t i = 0; i < shape->n_dim; i++) {
    KEEP(heap, shape->dim[i], 1);
    onnx__tensor_shape_proto__dimension__init(shape->dim[i]);
    if (i < first && batch == FACET_BATCH_OPEN) {
      shape->dim[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
      shape->dim[i]->dim_param = (char *)"N";
    } else {
      shape->dim[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
      shape->dim[i]->dim_value = i < first ? (batch > 0 ? batch : 1) : value->shape.dim[i - first];
    }
  }
  (*list)[0] = p;
  *count = 1;
  return FACET_OK;
}

/* Constants that some node reads. */
static facet_status pack_constants(pile *heap, const facet_network *n, Onnx__GraphProto *graph)
{
  bool *used;
  KEEP(heap, used, n->values);
  for (int i = 0; i < n->nodes; i++)
    for (int j = 0; j < n->node[i].inputs; j++)
      if (n->node[i].input[j] >= 0)
        used[n->node[i].input[j]] = true;
  KEEP(heap, graph->initializer, n->values);
  for (int v = 0; v < n->values; v++) {
    if (!n->value[v].constant || !used[v])
      continue;
    int64_t *dims;
    KEEP(heap, dims, FACET_MAX_RANK);
    KEEP(heap, graph->initializer[graph->n_initializer], 1);
    facet_tensor_to_proto(n->value[v].constant, n->value[v].name, dims, graph->initializer[graph->n_initializer++]);
  }
  return FACET_OK;
}

static facet_status pack_model(pile *heap, const facet_network *n, Onnx__ModelProto *model)
{
  Onnx__GraphProto *graph;
  Onnx__OperatorSetIdProto *opset;
  KEEP(heap, graph, 1);
  KEEP(heap, opset, 1);
  KEEP(heap, model->opset_import, 1);
  onnx__graph_proto__init(graph);
  onnx__operator_set_id_proto__init(opset);
  opset->domain = (char *)"";
  opset->has_version = true;
  opset->version = n->opset;
  model->n_opset_import = 1;
  model->opset_import[0] = opset;
  /* The version that came with the operator set (ONNX, Versioning.md), but no older than 4: before, constants had to be
   * listed among the inputs too. */
  model->has_ir_version = true;
  model->ir_version = n->opset <= 9    ? 4
                      : n->opset == 10 ? 5
                      : n->opset == 11 ? 6
                      : n->opset <= 14 ? 7
                      : n->opset <= 18 ? 8
                      : n->opset <= 20 ? 9
                      : n->opset <= 22 ? 10
                      : n->opset == 23 ? 11
                      : n->opset == 24 ? 12
                                       : 13;
  model->producer_name = (char *)"facet";
  model->graph = graph;
  graph->name = n->name && n->name[0] ? n->name : (char *)"facet";
  FACET_TRY(pack_constants(heap, n, graph));
  int32_t real = real_type(graph);
  FACET_TRY(pack_info(heap, &n->value[n->input], n->batch, real, &graph->input, &graph->n_input));
  FACET_TRY(pack_info(heap, &n->value[n->output], n->batch, real, &graph->output, &graph->n_output));
  return pack_nodes(heap, n, real, graph);
}

facet_status facet_onnx_write_bytes(const facet_network *network, uint8_t **bytes, size_t *count)
{
  pile heap = {0};
  Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
  facet_status status;
  *bytes = NULL;
  FACET_GO(done, status, pack_model(&heap, network, &model));
  *count = onnx__model_proto__get_packed_size(&model);
  FACET_NEW_GO(done, status, *bytes, *count);
  onnx__model_proto__pack(&model, *bytes);
done:
  pile_clear(&heap);
  return status;
}

facet_status facet_onnx_write(const facet_network *network, const char *path)
{
  uint8_t *bytes;
  size_t count;
  FACET_CHECK(network->finished, FACET_INTERNAL, "%s: the network is not finished", path);
  FACET_TRY(facet_onnx_write_bytes(network, &bytes, &count));
  facet_status status = facet_write_file(path, bytes, count);
  facet_free(&bytes);
  return status;
}
