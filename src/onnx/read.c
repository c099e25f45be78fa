/* Reading ONNX: the message is unpacked whole, then handed to the network's builder piece by piece. */
#include <math.h>
#include <string.h>

#include "graph.h"

const Onnx__TensorProto *facet_onnx_initializer(const Onnx__GraphProto *graph, const char *name)
{
  for (size_t i = 0; i < graph->n_initializer; i++)
    if (graph->initializer[i]->name && strcmp(graph->initializer[i]->name, name) == 0)
      return graph->initializer[i];
  return NULL;
}

/* ---- nodes ---- */

static const Onnx__TensorProto *constant_of(const Onnx__GraphProto *graph, const char *name)
{
  const Onnx__TensorProto *tensor = facet_onnx_initializer(graph, name);
  for (size_t i = 0; i < graph->n_node && !tensor; i++) {
    const Onnx__NodeProto *p = graph->node[i];
    const Onnx__AttributeProto *value = facet_onnx_attribute(p, "value");
    if (value && p->op_type && strcmp(p->op_type, "Constant") == 0 && p->n_output == 1 &&
        strcmp(p->output[0], name) == 0)
      tensor = value->t;
  }
  return tensor;
}

/* Inputs that matter. Dropout's third, training_mode, must be a constant that is false, and is left out. */
static facet_status count_inputs(const Onnx__GraphProto *graph, const char *path, const Onnx__NodeProto *p, int *inputs)
{
  *inputs = (int)p->n_input;
  if (strcmp(p->op_type, "Dropout") != 0 || p->n_input < 3)
    return FACET_OK;
  *inputs = 2;
  if (!p->input[2][0])
    return FACET_OK;
  const Onnx__TensorProto *training = constant_of(graph, p->input[2]);
  facet_tensor *tensor;
  FACET_CHECK(training, FACET_BAD_INPUT, "training_mode must be a constant");
  FACET_TRY(facet_tensor_from_proto(training, path, &tensor));
  bool off = facet_shape_size(tensor->shape) == 1 && facet_tensor_get(tensor, 0) == 0;
  facet_tensor_destroy(&tensor);
  FACET_CHECK(off, FACET_BAD_INPUT, "training_mode is on: export the network in evaluation mode");
  return FACET_OK;
}

static facet_status add_node(const Onnx__GraphProto *graph, const char *path, const Onnx__NodeProto *p,
                             const char *name, facet_network *network)
{
  facet_attribute *attribute;
  int attributes, inputs;
  char why[FACET_REASON];
  FACET_CHECK(!facet_onnx_refused(p, why), FACET_BAD_INPUT, "%s", why);
  FACET_CHECK(p->n_input <= 10000 && p->n_output <= 10000, FACET_BAD_INPUT, "has %zu inputs and %zu outputs",
              p->n_input, p->n_output);
  FACET_TRY(facet_onnx_check_old(p, network->opset));
  FACET_TRY(count_inputs(graph, path, p, &inputs));
  FACET_TRY(facet_onnx_attributes(p, path, &attribute, &attributes));
  return facet_network_add_node(network, &(facet_node_words){p->op_type, name, inputs, (const char *const *)p->input,
                                                             (int)p->n_output, (const char *const *)p->output,
                                                             attributes, attribute});
}

static facet_status add_nodes(const Onnx__GraphProto *graph, const char *path, facet_network *network)
{
  for (size_t i = 0; i < graph->n_node; i++) {
    const Onnx__NodeProto *p = graph->node[i];
    FACET_CHECK(p->op_type && p->op_type[0], FACET_BAD_INPUT, "node %zu has no operator", i);
    char *name = facet_onnx_node_name(p, i);
    facet_status status = name ? add_node(graph, path, p, name, network) : FACET_OS;
    if (status != FACET_OK && name)
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

/* The shape of one sample, and what the file says of the batch: open, so many samples, or none where there is but one
 * dimension or `whole` is set. */
static facet_status read_input_shape(const Onnx__ValueInfoProto *info, bool whole, facet_shape *shape, int64_t *batch)
{
  const Onnx__TypeProto *type = info->type;
  bool tensor =
      type && type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && type->tensor_type && type->tensor_type->shape;
  FACET_CHECK(tensor, FACET_BAD_INPUT, "input %s has no shape", info->name);
  int32_t number = type->tensor_type->elem_type;
  FACET_CHECK(number == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT || number == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE ||
                  number == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16,
              FACET_BAD_INPUT, "input %s does not take floating-point numbers", info->name);
  const Onnx__TensorShapeProto *dims = type->tensor_type->shape;
  FACET_CHECK(dims->n_dim >= 1 && dims->n_dim <= FACET_MAX_RANK, FACET_BAD_INPUT,
              "input %s has %zu dimensions: 1 to %d are supported", info->name, dims->n_dim, FACET_MAX_RANK);
  const Onnx__TensorShapeProto__Dimension *front = dims->dim[0];
  bool fixed = front->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && front->dim_value > 0;
  *batch = dims->n_dim == 1 || whole ? FACET_BATCH_NONE : fixed ? front->dim_value : FACET_BATCH_OPEN;
  size_t first = *batch != FACET_BATCH_NONE;
  *shape = (facet_shape){.rank = (int)(dims->n_dim - first)};
  int64_t size = 1;
  for (size_t i = first; i < dims->n_dim; i++) {
    const Onnx__TensorShapeProto__Dimension *d = dims->dim[i];
    bool known = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && d->dim_value > 0 &&
                 d->dim_value <= 1 << 24;
    FACET_CHECK(known, FACET_BAD_INPUT, "dimension %zu of input %s is not known: only the first (batch) may be open", i,
                info->name);
    shape->dim[i - first] = d->dim_value;
    size *= d->dim_value;
    FACET_CHECK(size <= 1 << 26, FACET_BAD_INPUT, "input %s is too large", info->name);
  }
  return FACET_OK;
}

static facet_status set_input(const Onnx__GraphProto *graph, bool whole, facet_network *network)
{
  const Onnx__ValueInfoProto *input = NULL;
  for (size_t i = 0; i < graph->n_input; i++) {
    const Onnx__ValueInfoProto *p = graph->input[i];
    FACET_CHECK(p->name, FACET_BAD_INPUT, "an input has no name");
    if (facet_onnx_initializer(graph, p->name))
      continue; /* old files list constants among the inputs */
    FACET_CHECK(!input, FACET_BAD_INPUT, "has more than one input: %s and %s", input->name, p->name);
    input = p;
  }
  FACET_CHECK(input, FACET_BAD_INPUT, "has no input");
  facet_shape shape;
  int64_t batch;
  FACET_TRY(read_input_shape(input, whole, &shape, &batch));
  facet_network_set_batch(network, batch);
  return facet_network_set_input(network, input->name, shape);
}

static facet_status raise_outputs(const Onnx__GraphProto *graph)
{
  char *names = NULL;
  for (size_t i = 0; i < graph->n_output; i++) {
    const char *name = graph->output[i]->name ? graph->output[i]->name : "";
    char *longer = i ? facet_format("%s, %s", names, name) : facet_copy_text(name);
    facet_free(&names);
    if (!longer)
      return FACET_OS;
    names = longer;
  }
  facet_status status =
      facet_raise(FACET_BAD_INPUT, "has %zu outputs, of which facet cannot choose one: %s", graph->n_output, names);
  facet_free(&names);
  return status;
}

static facet_status set_output(const Onnx__GraphProto *graph, facet_network *network)
{
  FACET_CHECK(graph->n_output > 0 && graph->output[0]->name, FACET_BAD_INPUT, "has no output");
  if (graph->n_output > 1)
    return raise_outputs(graph);
  return facet_network_set_output(network, graph->output[0]->name);
}

static facet_status add_initializers(const Onnx__GraphProto *graph, const char *path, facet_network *network)
{
  FACET_CHECK(graph->n_sparse_initializer == 0, FACET_BAD_INPUT, "sparse initializers are not supported");
  for (size_t i = 0; i < graph->n_initializer; i++) {
    const Onnx__TensorProto *p = graph->initializer[i];
    facet_tensor *tensor;
    FACET_CHECK(p->name, FACET_BAD_INPUT, "initializer %zu has no name", i);
    facet_status status = facet_tensor_from_proto(p, path, &tensor);
    if (status != FACET_OK)
      return facet_raise_in(status, "initializer %s: ", p->name);
    FACET_TRY(facet_network_add_constant(network, p->name, tensor));
  }
  return FACET_OK;
}

/* An infinite constant may only be a bound. */
static facet_status check_infinities(const facet_network *n)
{
  static const char *const bounded[] = {"Clip", "Max", "Min"};
  for (int i = 0; i < n->nodes; i++) {
    const facet_node *node = &n->node[i];
    bool bound = false;
    for (size_t j = 0; j < sizeof bounded / sizeof bounded[0]; j++)
      bound = bound || strcmp(node->type, bounded[j]) == 0;
    for (int j = 0; j < node->inputs && !bound; j++) {
      const facet_value *v = node->input[j] < 0 ? NULL : &n->value[node->input[j]];
      bool infinite = false;
      for (int64_t k = 0; v && v->constant && v->constant->type != FACET_I64 && k < facet_shape_size(v->shape); k++)
        infinite = infinite || isinf(facet_tensor_get(v->constant, k));
      FACET_CHECK(!infinite, FACET_BAD_INPUT, "node %s (%s): constant %s is infinite", node->name, node->type, v->name);
    }
  }
  return FACET_OK;
}

static facet_status build(const Onnx__GraphProto *graph, const char *path, bool whole, facet_network *network)
{
  FACET_TRY(set_input(graph, whole, network));
  FACET_TRY(add_initializers(graph, path, network));
  FACET_TRY(add_nodes(graph, path, network));
  FACET_TRY(set_output(graph, network));
  FACET_TRY(facet_network_finish(network));
  return check_infinities(network);
}

static facet_status build_network(const Onnx__ModelProto *model, const char *path, facet_gates gates, bool whole,
                                  facet_network **network)
{
  facet_onnx_inlined inlined;
  int opset;
  *network = NULL;
  FACET_TRY(facet_onnx_opset(model, &opset));
  facet_status status;
  FACET_GO(done, status, facet_onnx_inline(model, &inlined));
  FACET_GO(done, status, facet_network_create(model->graph->name ? model->graph->name : "", opset, network));
  (*network)->secant = gates == FACET_GATES_SECANT;
  status = build(&inlined.graph, path, whole, *network);
done:
  if (status != FACET_OK && *network && (whole || (*network)->batch <= 1))
    facet_network_destroy(network);
  facet_onnx_inlined_clear(&inlined);
  return status;
}

/* A first dimension that is fixed and above 1 is a batch, unless the network does not treat it as one (784 x 1): then
 * the whole input is one sample. */
facet_status facet_onnx_build(const Onnx__ModelProto *model, const char *path, facet_gates gates,
                              facet_network **network)
{
  facet_status status = build_network(model, path, gates, false, network);
  if (status == FACET_OK || !*network)
    return status;
  facet_network_destroy(network);
  return status == FACET_BAD_INPUT ? build_network(model, path, gates, true, network) : status;
}

/* ---- the file ---- */

facet_status facet_onnx_read_bytes_gates(const char *name, const uint8_t *bytes, size_t count, facet_gates gates,
                                         facet_network **network)
{
  Onnx__ModelProto *model;
  *network = NULL;
  facet_status status;
  FACET_GO(done, status, facet_onnx_unpack(bytes, count, &model));
  status = facet_onnx_build(model, NULL, gates, network);
done:
  facet_onnx_free(&model);
  return status == FACET_OK ? FACET_OK : facet_raise_in(status, "%s: ", name);
}

facet_status facet_onnx_read_gates(const char *path, facet_gates gates, facet_network **network)
{
  Onnx__ModelProto *model;
  *network = NULL;
  FACET_TRY(facet_onnx_unpack_file(path, &model));
  facet_status status = facet_onnx_build(model, path, gates, network);
  facet_onnx_free(&model);
  return status == FACET_OK ? FACET_OK : facet_raise_in(status, "%s: ", path);
}

facet_status facet_onnx_read(const char *path, facet_network **network)
{
  return facet_onnx_read_gates(path, FACET_GATES_PIECES, network);
}

facet_status facet_onnx_read_bytes(const char *name, const uint8_t *bytes, size_t count, facet_network **network)
{
  return facet_onnx_read_bytes_gates(name, bytes, count, FACET_GATES_PIECES, network);
}
