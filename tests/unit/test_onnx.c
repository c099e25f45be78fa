/* ONNX files: what is written and read again is the same network, every claim a file makes is checked, and no bytes,
 * however damaged, do more harm than one line. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "nets.h"

#include <onnx.pb-c.h>

/* ---- a small model, to be changed by each test before it is packed ---- */

enum { PROTO_FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT };

/* x (N x 2) -> Gemm with w and b -> LeakyRelu "leak" -> y */
typedef struct {
  Onnx__ModelProto model;
  Onnx__GraphProto graph;
  Onnx__OperatorSetIdProto opset;
  Onnx__NodeProto gemm, leak, *nodes[3];
  Onnx__AttributeProto alpha, *alphas[1];
  Onnx__TensorProto w, b, *initializers[3];
  Onnx__ValueInfoProto x, y, *inputs[3], *outputs[3];
  Onnx__TypeProto type;
  Onnx__TypeProto__Tensor tensor;
  Onnx__TensorShapeProto shape;
  Onnx__TensorShapeProto__Dimension batch, features, *dims[2];
  Onnx__OperatorSetIdProto *opsets[1];
  int64_t w_dims[2], b_dims[1];
  float w_data[4], b_data[2];
  char *gemm_in[3], *gemm_out[1], *leak_in[1], *leak_out[1];
} sample;

static void sample_tensor(Onnx__TensorProto *t, const char *name, size_t rank, int64_t *dims, size_t count, float *data)
{
  onnx__tensor_proto__init(t);
  t->name = (char *)name;
  t->n_dims = rank;
  t->dims = dims;
  t->has_data_type = true;
  t->data_type = PROTO_FLOAT;
  t->n_float_data = count;
  t->float_data = data;
}

static void sample_node(Onnx__NodeProto *p, const char *type, const char *name, size_t inputs, char **in, char **out)
{
  onnx__node_proto__init(p);
  p->op_type = (char *)type;
  p->name = (char *)name;
  p->n_input = inputs;
  p->input = in;
  p->n_output = 1;
  p->output = out;
}

static void sample_values(sample *s)
{
  onnx__value_info_proto__init(&s->x);
  onnx__value_info_proto__init(&s->y);
  onnx__type_proto__init(&s->type);
  onnx__type_proto__tensor__init(&s->tensor);
  onnx__tensor_shape_proto__init(&s->shape);
  onnx__tensor_shape_proto__dimension__init(&s->batch);
  onnx__tensor_shape_proto__dimension__init(&s->features);
  s->x.name = (char *)"x";
  s->y.name = (char *)"y";
  s->x.type = s->y.type = &s->type;
  s->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  s->type.tensor_type = &s->tensor;
  s->tensor.has_elem_type = true;
  s->tensor.elem_type = PROTO_FLOAT;
  s->tensor.shape = &s->shape;
  s->shape.n_dim = 2;
  s->shape.dim = s->dims;
  s->dims[0] = &s->batch;
  s->dims[1] = &s->features;
  s->batch.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
  s->batch.dim_param = (char *)"batch";
  s->features.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
  s->features.dim_value = 2;
}

static void sample_lists(sample *s)
{
  s->nodes[0] = &s->gemm;
  s->nodes[1] = &s->leak;
  s->graph.n_node = 2;
  s->graph.node = s->nodes;
  s->initializers[0] = &s->w;
  s->initializers[1] = &s->b;
  s->graph.n_initializer = 2;
  s->graph.initializer = s->initializers;
  s->inputs[0] = &s->x;
  s->graph.n_input = 1;
  s->graph.input = s->inputs;
  s->outputs[0] = &s->y;
  s->graph.n_output = 1;
  s->graph.output = s->outputs;
  s->model.graph = &s->graph;
  s->opsets[0] = &s->opset;
  s->model.n_opset_import = 1;
  s->model.opset_import = s->opsets;
}

static void sample_begin(sample *s)
{
  static const float w[] = {1, -2, 3, 4}, b[] = {0.5F, -1};
  memset(s, 0, sizeof *s);
  onnx__model_proto__init(&s->model);
  onnx__graph_proto__init(&s->graph);
  onnx__operator_set_id_proto__init(&s->opset);
  s->opset.has_version = true;
  s->opset.version = 13;
  s->w_dims[0] = s->w_dims[1] = s->b_dims[0] = 2;
  memcpy(s->w_data, w, sizeof w);
  memcpy(s->b_data, b, sizeof b);
  sample_tensor(&s->w, "w", 2, s->w_dims, 4, s->w_data);
  sample_tensor(&s->b, "b", 1, s->b_dims, 2, s->b_data);
  s->gemm_in[0] = (char *)"x";
  s->gemm_in[1] = (char *)"w";
  s->gemm_in[2] = (char *)"b";
  s->gemm_out[0] = s->leak_in[0] = (char *)"h";
  s->leak_out[0] = (char *)"y";
  sample_node(&s->gemm, "Gemm", NULL, 3, s->gemm_in, s->gemm_out);
  sample_node(&s->leak, "LeakyRelu", "leak", 1, s->leak_in, s->leak_out);
  onnx__attribute_proto__init(&s->alpha);
  s->alpha.name = (char *)"alpha";
  s->alpha.has_type = s->alpha.has_f = true;
  s->alpha.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
  s->alpha.f = 0.25F;
  s->alphas[0] = &s->alpha;
  s->leak.n_attribute = 1;
  s->leak.attribute = s->alphas;
  sample_values(s);
  sample_lists(s);
}

static facet_status sample_read(const sample *s, facet_network **n)
{
  size_t count = onnx__model_proto__get_packed_size(&s->model);
  uint8_t *bytes = facet_allocate(count, 1);
  assert_non_null(bytes);
  assert_int_equal(onnx__model_proto__pack(&s->model, bytes), count);
  facet_status status = facet_onnx_read_bytes("net.onnx", bytes, count, n);
  facet_free(&bytes);
  return status;
}

static facet_network *sample_network(const sample *s)
{
  facet_network *n = NULL;
  if (sample_read(s, &n) != FACET_OK)
    fail_msg("%s", facet_message());
  return n;
}

/* The model must be refused, with "net.onnx: " and exactly this message. */
static void assert_refused(const sample *s, const char *message)
{
  facet_network *n = NULL;
  char wanted[400];
  snprintf(wanted, sizeof wanted, "net.onnx: %s", message);
  assert_int_equal(sample_read(s, &n), FACET_BAD_INPUT);
  assert_string_equal(facet_message(), wanted);
  assert_null(n);
}

static const facet_tensor *constant(const facet_network *n, const char *name)
{
  for (int v = 0; v < n->values; v++)
    if (strcmp(n->value[v].name, name) == 0)
      return n->value[v].constant;
  return NULL;
}

static void assert_numbers(const facet_tensor *t, facet_type type, int64_t count, const double *wanted)
{
  assert_non_null(t);
  assert_int_equal(t->type, type);
  assert_int_equal(facet_shape_size(t->shape), count);
  for (int64_t i = 0; i < count; i++)
    assert_true(facet_tensor_get(t, i) == wanted[i]);
}

/* ---- reading ---- */

static void test_small_model(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  facet_network *n = sample_network(&s);
  assert_int_equal(n->opset, 13);
  assert_int_equal(n->nodes, 2);
  assert_string_equal(n->node[0].name, "Gemm_0");
  assert_string_equal(n->node[1].name, "leak");
  assert_string_equal(facet_shape_text(facet_network_input_shape(n)), "2");
  assert_int_equal(facet_network_outputs(n), 2);
  assert_numbers(constant(n, "w"), FACET_F32, 4, (const double[]){1, -2, 3, 4});
  assert_int_equal(n->node[1].attributes, 1);
  assert_int_equal(n->node[1].attribute[0].kind, FACET_FLOAT);
  assert_true(n->node[1].attribute[0].number == 0.25);
  facet_network_destroy(&n);
}

static void test_fixed_batch_is_dropped(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  s.batch.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
  s.batch.dim_value = 7;
  facet_network *n = sample_network(&s);
  assert_string_equal(facet_shape_text(facet_network_input_shape(n)), "2");
  facet_network_destroy(&n);
  s.batch.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE__NOT_SET;
  n = sample_network(&s);
  facet_network_destroy(&n);
}

static void test_initializers_among_inputs(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  Onnx__ValueInfoProto w = s.x, b = s.x;
  w.name = (char *)"w";
  b.name = (char *)"b";
  s.inputs[0] = &w;
  s.inputs[1] = &s.x;
  s.inputs[2] = &b;
  s.graph.n_input = 3;
  facet_network *n = sample_network(&s);
  assert_string_equal(n->value[n->input].name, "x");
  assert_non_null(constant(n, "b"));
  facet_network_destroy(&n);
}

/* Takes w as raw bytes, or as integers where the bytes are NULL, and compares. */
static void check_type(int32_t type, const void *raw, size_t bytes, facet_type becomes, const double *wanted)
{
  sample s;
  sample_begin(&s);
  s.w.data_type = type;
  s.w.n_float_data = 0;
  s.w.has_raw_data = true;
  s.w.raw_data.data = (uint8_t *)raw;
  s.w.raw_data.len = bytes;
  facet_network *n = sample_network(&s);
  assert_numbers(constant(n, "w"), becomes, 4, wanted);
  facet_network_destroy(&n);
  s.w.raw_data.len = bytes - 1;
  facet_network *none = NULL;
  assert_int_equal(sample_read(&s, &none), FACET_BAD_INPUT);
  assert_null(none);
}

static void test_raw_types(void **state)
{
  (void)state;
  static const float single[] = {1, -2.5F, 1e-30F, 3};
  static const double twice[] = {1, -2.5, 1e-300, 3};
  static const uint16_t half[] = {0x3c00, 0xc100, 0x0001, 0x7bff}; /* IEEE 754 binary16 */
  static const double halves[] = {1, -2.5, 0x1p-24, 65504};
  const double singles[] = {1, -2.5, (double)1e-30F, 3};
  check_type(PROTO_FLOAT, single, sizeof single, FACET_F32, singles);
  check_type(ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, twice, sizeof twice, FACET_F64, twice);
  check_type(ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, half, sizeof half, FACET_F32, halves);
}

static void test_typed_fields(void **state)
{
  (void)state;
  sample s;
  double twice[] = {1, 2, 3, 1e-300};
  int32_t half[] = {0x3c00, 0xc100, 0x0001, 0x7bff};
  sample_begin(&s);
  s.w.n_float_data = 0;
  s.w.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
  s.w.n_double_data = 4;
  s.w.double_data = twice;
  facet_network *n = sample_network(&s);
  assert_numbers(constant(n, "w"), FACET_F64, 4, twice);
  facet_network_destroy(&n);
  s.w.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
  s.w.n_double_data = 0;
  s.w.n_int32_data = 4;
  s.w.int32_data = half;
  s.w.has_raw_data = true; /* empty beside the typed field */
  n = sample_network(&s);
  assert_numbers(constant(n, "w"), FACET_F32, 4, (const double[]){1, -2.5, 0x1p-24, 65504});
  facet_network_destroy(&n);
}

/* A Reshape whose target is given as int32 and int64, raw and typed, must give the same network. */
static void test_integer_types(void **state)
{
  (void)state;
  static int32_t narrow[] = {-1, 2};
  static int64_t wide[] = {-1, 2};
  for (int turn = 0; turn < 4; turn++) {
    sample s;
    sample_begin(&s);
    Onnx__TensorProto target;
    Onnx__NodeProto reshape;
    char *in[] = {(char *)"x", (char *)"target"}, *out[] = {(char *)"flat"};
    bool small = turn & 1, raw = turn & 2;
    sample_tensor(&target, "target", 1, s.b_dims, 0, NULL);
    target.data_type = small ? ONNX__TENSOR_PROTO__DATA_TYPE__INT32 : ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    target.has_raw_data = raw;
    target.raw_data.data = small ? (uint8_t *)narrow : (uint8_t *)wide;
    target.raw_data.len = raw ? (small ? sizeof narrow : sizeof wide) : 0;
    target.n_int32_data = small && !raw ? 2 : 0;
    target.int32_data = narrow;
    target.n_int64_data = !small && !raw ? 2 : 0;
    target.int64_data = wide;
    sample_node(&reshape, "Reshape", NULL, 2, in, out);
    s.gemm_in[0] = out[0];
    s.nodes[2] = &reshape; /* nodes may come in any order */
    s.graph.n_node = 3;
    s.initializers[2] = &target;
    s.graph.n_initializer = 3;
    facet_network *n = sample_network(&s);
    assert_string_equal(n->node[0].name, "Reshape_2");
    assert_numbers(constant(n, "target"), FACET_I64, 2, (const double[]){-1, 2});
    facet_network_destroy(&n);
  }
}

/* Constant nodes may hold plain numbers instead of a tensor. */
static void test_constants_of_numbers(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  Onnx__NodeProto node;
  Onnx__AttributeProto value = ONNX__ATTRIBUTE_PROTO__INIT, *values[] = {&value};
  char *out[] = {(char *)"b"};
  sample_node(&node, "Constant", NULL, 0, NULL, out);
  node.n_attribute = 1;
  node.attribute = values;
  value.name = (char *)"value_floats"; /* no type, as in the first files: the field that is there tells */
  value.n_floats = 2;
  value.floats = s.b_data;
  s.nodes[2] = &node;
  s.graph.n_node = 3;
  s.graph.n_initializer = 1;
  facet_network *n = sample_network(&s);
  assert_numbers(constant(n, "b"), FACET_F32, 2, (const double[]){0.5, -1});
  facet_network_destroy(&n);
  value.name = (char *)"value_float";
  value.n_floats = 0;
  value.has_f = true;
  value.f = -4;
  n = sample_network(&s);
  assert_numbers(constant(n, "b"), FACET_F32, 1, (const double[]){-4});
  facet_network_destroy(&n);
}

static void test_dropout_leaves_its_mode_out(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  Onnx__TensorProto mode;
  Onnx__NodeProto dropout;
  char *in[] = {(char *)"x", (char *)"", (char *)"mode"}, *out[] = {(char *)"d"};
  uint8_t on = 0;
  sample_tensor(&mode, "mode", 0, NULL, 0, NULL);
  mode.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__BOOL;
  mode.has_raw_data = true;
  mode.raw_data.data = &on;
  mode.raw_data.len = 1;
  sample_node(&dropout, "Dropout", "drop", 3, in, out);
  s.gemm_in[0] = out[0];
  s.nodes[2] = &dropout;
  s.graph.n_node = 3;
  s.initializers[2] = &mode;
  s.graph.n_initializer = 3;
  facet_network *n = sample_network(&s);
  assert_int_equal(n->node[0].inputs, 2);
  facet_network_destroy(&n);
  on = 1;
  assert_refused(&s, "node drop (Dropout): training_mode is on: export the network in evaluation mode");
}

/* ---- refusing ---- */

static void test_operators_are_refused(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  s.leak.op_type = (char *)"Gelu";
  assert_refused(&s, "node leak (Gelu): operator is not supported");
  sample_begin(&s);
  s.gemm.domain = (char *)"com.microsoft";
  assert_refused(&s, "node Gemm_0 (Gemm): operators of domain com.microsoft are not supported");
  sample_begin(&s);
  s.leak.op_type = NULL;
  assert_refused(&s, "node 1 has no operator");
  sample_begin(&s);
  s.opset.version = 6;
  s.leak.op_type = (char *)"Dropout";
  assert_refused(&s, "node leak (Dropout): is_test is off: export the network in evaluation mode");
}

static void test_numbers_are_refused(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  s.w_data[2] = NAN;
  assert_refused(&s, "initializer w: element [1, 0] is NaN");
  sample_begin(&s);
  s.b_data[1] = -INFINITY;
  assert_refused(&s, "initializer b: element [1] is infinite");
  sample_begin(&s);
  s.alpha.f = NAN;
  assert_refused(&s, "node leak (LeakyRelu): attribute alpha is NaN");
  static int32_t not_a_half[] = {0x3c00, 0x7e00, 0, 0};
  sample_begin(&s);
  s.w.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
  s.w.n_float_data = 0;
  s.w.n_int32_data = 4;
  s.w.int32_data = not_a_half;
  assert_refused(&s, "initializer w: element [0, 1] is NaN");
}

static void test_sizes_are_refused(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  s.w_dims[1] = 3;
  assert_refused(&s, "initializer w: holds 4 elements but its dimensions say 6");
  sample_begin(&s);
  s.w_dims[0] = -2;
  assert_refused(&s, "initializer w: dimension 0 is -2");
  sample_begin(&s);
  s.w_dims[1] = 0;
  assert_refused(&s, "initializer w: dimension 1 is 0");
  sample_begin(&s);
  s.w_dims[0] = INT64_MAX;
  assert_refused(&s, "initializer w: dimension 0 is 9223372036854775807");
  sample_begin(&s); /* 8 EiB are claimed; none may be allocated */
  s.w_dims[0] = s.w_dims[1] = INT32_MAX;
  assert_refused(&s, "initializer w: holds 4 elements but its dimensions say 4611686014132420609");
  sample_begin(&s);
  s.w.n_float_data = 3;
  assert_refused(&s, "initializer w: holds 3 elements but its dimensions say 4");
}

static void test_tensors_are_refused(void **state)
{
  (void)state;
  sample s;
  Onnx__StringStringEntryProto entry = ONNX__STRING_STRING_ENTRY_PROTO__INIT, *entries[] = {&entry};
  Onnx__TensorProto__Segment segment = ONNX__TENSOR_PROTO__SEGMENT__INIT;
  Onnx__SparseTensorProto sparse = ONNX__SPARSE_TENSOR_PROTO__INIT, *sparses[] = {&sparse};
  int64_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 2, 2};
  sample_begin(&s);
  s.w.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__STRING;
  assert_refused(&s, "initializer w: data type STRING is not supported");
  sample_begin(&s);
  s.w.data_type = 99;
  assert_refused(&s, "initializer w: data type 99 is not known");
  sample_begin(&s);
  s.w.n_external_data = 1;
  s.w.external_data = entries;
  assert_refused(&s, "initializer w: has its data in another file: not supported");
  sample_begin(&s);
  s.w.segment = &segment;
  assert_refused(&s, "initializer w: is split into segments: not supported");
  sample_begin(&s);
  s.graph.n_sparse_initializer = 1;
  s.graph.sparse_initializer = sparses;
  assert_refused(&s, "sparse initializers are not supported");
  sample_begin(&s);
  s.w.n_dims = 9;
  s.w.dims = nine;
  assert_refused(&s, "initializer w: has 9 dimensions: at most 8 are supported");
  sample_begin(&s);
  s.b.name = (char *)"w";
  assert_refused(&s, "constant w is there twice");
}

static void test_inputs_and_outputs_are_refused(void **state)
{
  (void)state;
  sample s;
  Onnx__ValueInfoProto z;
  sample_begin(&s);
  z = s.x;
  z.name = (char *)"z";
  s.inputs[1] = &z;
  s.graph.n_input = 2;
  assert_refused(&s, "has more than one input: x and z");
  sample_begin(&s);
  s.graph.n_input = 0;
  assert_refused(&s, "has no input");
  sample_begin(&s);
  s.outputs[1] = &z;
  s.graph.n_output = 2;
  assert_refused(&s, "has 2 outputs, of which facet cannot choose one: y, z");
  sample_begin(&s);
  s.features.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
  s.features.dim_param = (char *)"width";
  assert_refused(&s, "dimension 1 of input x is not known: only the first (batch) may be open");
  sample_begin(&s);
  s.features.dim_value = INT64_MAX;
  assert_refused(&s, "dimension 1 of input x is not known: only the first (batch) may be open");
  sample_begin(&s);
  s.tensor.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8;
  assert_refused(&s, "input x does not take floating-point numbers");
  sample_begin(&s);
  s.gemm_in[1] = (char *)"nowhere";
  assert_refused(&s, "node Gemm_0 (Gemm): input nowhere is made by no node and is no constant");
}

static void test_models_are_refused(void **state)
{
  (void)state;
  sample s;
  Onnx__GraphProto inner = ONNX__GRAPH_PROTO__INIT;
  sample_begin(&s);
  s.model.n_opset_import = 0;
  assert_refused(&s, "names no ONNX operator set");
  sample_begin(&s);
  s.opset.domain = (char *)"ai.onnx.ml";
  assert_refused(&s, "names no ONNX operator set");
  sample_begin(&s);
  s.model.graph = NULL;
  assert_refused(&s, "is not an ONNX file, or is cut short or damaged");
  sample_begin(&s);
  s.alpha.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH;
  s.alpha.has_f = false;
  s.alpha.g = &inner;
  assert_refused(&s, "node leak (LeakyRelu): attribute alpha is a graph: networks within networks are not supported");
}

/* ---- damaged bytes ---- */

/* Reads; whatever comes of it, it is a network or one line that names the file. */
static facet_status read_anything(const uint8_t *bytes, size_t count)
{
  facet_network *n = NULL;
  facet_status status = facet_onnx_read_bytes("net.onnx", bytes, count, &n);
  if (status == FACET_OK) {
    assert_true(n && n->finished && n->nodes > 0);
    facet_network_destroy(&n);
    return status;
  }
  assert_true(status == FACET_BAD_INPUT || status == FACET_OS);
  assert_int_equal(strncmp(facet_message(), "net.onnx: ", 10), 0);
  assert_true(strlen(facet_message()) > 10);
  assert_null(strchr(facet_message(), '\n'));
  assert_null(n);
  return status;
}

static facet_network *plain(void)
{
  facet_network *n = NULL;
  facet_status status =
      facet_network_plain((facet_shape){3, {1, 6, 6}}, 2, (const int64_t[]){2, 3}, 1, (const int64_t[]){4}, 3, 5, &n);
  assert_int_equal(status, FACET_OK);
  return n;
}

static char *temporary_folder(void)
{
  static char folder[64];
  snprintf(folder, sizeof folder, "/tmp/facet-onnx-XXXXXX");
  assert_non_null(mkdtemp(folder));
  return folder;
}

/* What facet_onnx_write makes of a network. */
static void written(const facet_network *n, uint8_t **bytes, size_t *count)
{
  char *folder = temporary_folder(), path[100];
  snprintf(path, sizeof path, "%s/net.onnx", folder);
  if (facet_onnx_write(n, path) != FACET_OK)
    fail_msg("%s", facet_message());
  assert_int_equal(facet_read_file(path, bytes, count), FACET_OK);
  unlink(path);
  rmdir(folder);
}

static void test_cut_short(void **state)
{
  (void)state;
  facet_network *n = plain();
  uint8_t *bytes;
  size_t count, read = 0;
  written(n, &bytes, &count);
  facet_network_destroy(&n);
  for (size_t length = 0; length < count; length++) {
    uint8_t *part = malloc(length ? length : 1); /* of the exact size: the sanitizer sees every byte read beyond */
    assert_non_null(part);
    memcpy(part, bytes, length);
    read += read_anything(part, length) == FACET_OK;
    free(part);
  }
  assert_int_equal(read, 0);
  assert_int_equal(read_anything(bytes, count), FACET_OK);
  facet_free(&bytes);
}

static void test_flipped_bytes(void **state)
{
  (void)state;
  facet_network *n = plain();
  uint8_t *bytes;
  size_t count;
  int refused = 0;
  written(n, &bytes, &count);
  facet_network_destroy(&n);
  for (uint64_t turn = 0; turn < 1000; turn++) {
    uint8_t *damaged = malloc(count);
    assert_non_null(damaged);
    memcpy(damaged, bytes, count);
    uint32_t random[4];
    for (uint64_t flip = 0; flip <= turn % 4; flip++) {
      facet_random_bits((facet_random){11, 1}, turn, flip, random);
      /* every other turn in the first part of the file: structure rather than weights */
      damaged[random[0] % (turn & 1 ? count : count / 8)] ^= (uint8_t)(1 + random[1] % 255);
    }
    refused += read_anything(damaged, count) != FACET_OK;
    free(damaged);
  }
  facet_free(&bytes);
  assert_true(refused > 100);
}

static void test_other_files(void **state)
{
  (void)state;
  static const char html[] = "<!DOCTYPE html><html><body>404: Not found</body></html>";
  assert_int_equal(read_anything((const uint8_t *)"", 0), FACET_BAD_INPUT);
  assert_string_equal(facet_message(), "net.onnx: is empty");
  assert_int_equal(read_anything((const uint8_t *)html, sizeof html), FACET_BAD_INPUT);
  assert_string_equal(facet_message(), "net.onnx: is not an ONNX file, or is cut short or damaged");
}

/* Messages within messages, a hundred thousand deep: a graph attribute of a node of a graph, and so on. */
static void test_deep_nesting(void **state)
{
  (void)state;
  enum { LEVELS = 99999 /* thrice as many as graphs */, ROOM = 16 * LEVELS };
  static const uint8_t tags[] = {0x0a /* GraphProto.node */, 0x2a /* NodeProto.attribute */, 0x32 /* .g */};
  uint8_t *bytes = malloc(ROOM);
  assert_non_null(bytes);
  size_t at = ROOM;
  for (int level = 0; level <= LEVELS; level++) { /* from the inside out */
    size_t length = ROOM - at;
    uint8_t varint[10];
    size_t digits = 0;
    do {
      varint[digits] = (uint8_t)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
      length >>= 7;
      digits++;
    } while (length);
    at -= digits;
    memcpy(bytes + at, varint, digits);
    bytes[--at] = level == LEVELS ? 0x3a /* ModelProto.graph */ : tags[2 - level % 3];
  }
  assert_int_equal(read_anything(bytes + at, ROOM - at), FACET_BAD_INPUT);
  assert_string_equal(facet_message(), "net.onnx: is not an ONNX file, or is cut short or damaged");
  free(bytes);
}

/* ---- writing and reading again ---- */

static void assert_same_attribute(const facet_attribute *a, const facet_attribute *b)
{
  assert_string_equal(a->name, b->name);
  assert_int_equal(a->kind, b->kind);
  assert_int_equal(a->integer, b->integer);
  assert_true(a->number == b->number);
  assert_int_equal(a->count, b->count);
  if (a->text)
    assert_string_equal(a->text, b->text);
  for (int i = 0; i < a->count; i++)
    assert_true(a->kind == FACET_INTS ? a->integers[i] == b->integers[i] : a->numbers[i] == b->numbers[i]);
}

static void assert_same_value(const facet_network *m, int u, const facet_network *n, int v)
{
  assert_int_equal(u < 0, v < 0);
  if (u < 0)
    return;
  const facet_value *a = &m->value[u], *b = &n->value[v];
  assert_string_equal(a->name, b->name);
  if (a->consumers > 0)
    assert_true(facet_shape_same(a->shape, b->shape));
  assert_int_equal(!a->constant, !b->constant);
  if (a->constant) {
    assert_int_equal(a->constant->type, b->constant->type);
    size_t bytes = (size_t)facet_shape_size(a->shape) * facet_type_size(a->constant->type);
    assert_memory_equal(a->constant->data, b->constant->data, bytes);
  }
}

static void assert_same_network(const facet_network *m, const facet_network *n)
{
  assert_int_equal(m->opset, n->opset);
  assert_int_equal(m->nodes, n->nodes);
  assert_same_value(m, m->input, n, n->input);
  assert_same_value(m, m->output, n, n->output);
  assert_int_equal(facet_network_parameters(m), facet_network_parameters(n));
  for (int i = 0; i < m->nodes; i++) {
    const facet_node *a = &m->node[i], *b = &n->node[i];
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->type, b->type);
    assert_int_equal(a->inputs, b->inputs);
    assert_int_equal(a->outputs, b->outputs);
    assert_int_equal(a->attributes, b->attributes);
    for (int j = 0; j < a->inputs; j++)
      assert_same_value(m, a->input[j], n, b->input[j]);
    for (int j = 0; j < a->outputs; j++)
      assert_same_value(m, a->output[j], n, b->output[j]);
    for (int j = 0; j < a->attributes; j++)
      assert_same_attribute(&a->attribute[j], &b->attribute[j]);
  }
}

/* Written and read it is the same network, and written once more the same bytes. Returns the type of the input. */
static int round_trip(const facet_network *n)
{
  uint8_t *bytes, *again;
  size_t count, count_again;
  facet_network *back = NULL;
  written(n, &bytes, &count);
  if (facet_onnx_read_bytes("back", bytes, count, &back) != FACET_OK)
    fail_msg("%s", facet_message());
  assert_same_network(n, back);
  assert_false(back->softmax_stripped);
  written(back, &again, &count_again);
  assert_int_equal(count, count_again);
  assert_memory_equal(bytes, again, count);
  Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, count, bytes);
  assert_non_null(model);
  assert_string_equal(model->producer_name, "facet");
  assert_string_equal(model->graph->input[0]->type->tensor_type->shape->dim[0]->dim_param, "N");
  int type = model->graph->input[0]->type->tensor_type->elem_type;
  onnx__model_proto__free_unpacked(model, NULL);
  facet_network_destroy(&back);
  facet_free(&bytes);
  facet_free(&again);
  return type;
}

static void test_round_trip_of_plain(void **state)
{
  (void)state;
  facet_network *n = plain();
  assert_int_equal(round_trip(n), PROTO_FLOAT);
  facet_network_destroy(&n);
}

static void test_round_trip_of_small(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  facet_network *n = sample_network(&s);
  assert_int_equal(round_trip(n), PROTO_FLOAT);
  facet_network_destroy(&n);
}

/* Doubles stay doubles, and the file says so throughout; attributes of every kind come back as they were. */
static void test_round_trip_of_doubles(void **state)
{
  (void)state;
  const double w[] = {1, -1.0 / 3, 1e-200, 4, 5, 6}, b[] = {0.1, -0.2};
  facet_network *n = begin_net((facet_shape){3, {3, 1, 1}});
  facet_attribute *a = facet_allocate(3, sizeof *a);
  set_ints(&a[0], "pads", 4, (const int64_t[]){0, 0, 0, 0});
  a[1] = (facet_attribute){.name = facet_copy_text("auto_pad"), .kind = FACET_TEXT, .text = facet_copy_text("NOTSET")};
  a[2] = (facet_attribute){.name = facet_copy_text("note"), .kind = FACET_FLOATS, .count = 2};
  a[2].numbers = facet_allocate(2, sizeof *a[2].numbers);
  a[2].numbers[1] = 0.5;
  add_numbers(n, "kernel", (facet_shape){4, {2, 3, 1, 1}}, w);
  add_numbers(n, "bias", (facet_shape){1, {2}}, b);
  add_node(n, "Conv", "x,kernel,bias", "c", 3, a);
  add_node(n, "LeakyRelu", "c", "r", 1, one_float("alpha", 0.25));
  add_node(n, "Flatten", "r", "f", 1, one_int("axis", 1));
  end_net(n, "f");
  assert_int_equal(round_trip(n), ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE);
  facet_network_destroy(&n);
}

/* A last Softmax is not written, nor is a constant that only it or nobody read. */
static void test_softmax_is_left_out(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  Onnx__TensorProto spare;
  sample_tensor(&spare, "spare", 1, s.b_dims, 2, s.b_data);
  s.leak.op_type = (char *)"Softmax";
  s.leak.n_attribute = 0;
  s.initializers[2] = &spare;
  s.graph.n_initializer = 3;
  facet_network *n = sample_network(&s);
  assert_true(n->softmax_stripped);
  uint8_t *bytes;
  size_t count;
  written(n, &bytes, &count);
  Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, count, bytes);
  assert_non_null(model);
  assert_int_equal(model->graph->n_node, 1);
  assert_int_equal(model->graph->n_initializer, 2);
  assert_string_equal(model->graph->output[0]->name, "h");
  onnx__model_proto__free_unpacked(model, NULL);
  facet_free(&bytes);
  round_trip(n);
  facet_network_destroy(&n);
}

static void test_round_trip_of_real_models(void **state)
{
  (void)state;
  static const char folder[] = "../shared/models";
  DIR *models = opendir(folder);
  if (!models) {
    printf("skipped: there are no models of others in %s\n", folder);
    skip();
  }
  int found = 0;
  for (struct dirent *entry; (entry = readdir(models));) {
    char path[400];
    facet_network *n = NULL;
    size_t length = strlen(entry->d_name);
    if (length < 5 || strcmp(entry->d_name + length - 5, ".onnx") != 0)
      continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (facet_onnx_read(path, &n) != FACET_OK)
      fail_msg("%s", facet_message());
    assert_int_equal(facet_network_outputs(n), 10);
    round_trip(n);
    facet_network_destroy(&n);
    found++;
  }
  closedir(models);
  assert_true(found > 0);
}

/* The version of the file format goes with the operator set (ONNX, Versioning.md). */
static void test_format_version(void **state)
{
  (void)state;
  static const int pairs[][2] = {{7, 4}, {9, 4}, {11, 6}, {13, 7}, {17, 8}, {20, 9}, {21, 10}, {23, 11}};
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    sample s;
    sample_begin(&s);
    s.opset.version = pairs[i][0];
    facet_network *n = sample_network(&s);
    uint8_t *bytes;
    size_t count;
    written(n, &bytes, &count);
    Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, count, bytes);
    assert_non_null(model);
    assert_int_equal(model->opset_import[0]->version, pairs[i][0]);
    assert_int_equal(model->ir_version, pairs[i][1]);
    onnx__model_proto__free_unpacked(model, NULL);
    facet_free(&bytes);
    facet_network_destroy(&n);
  }
}

static void test_files(void **state)
{
  (void)state;
  char *folder = temporary_folder(), path[120];
  facet_network *n = NULL, *plain_network = plain();
  snprintf(path, sizeof path, "%s/missing.onnx", folder);
  assert_int_equal(facet_onnx_read(path, &n), FACET_NO_INPUT);
  assert_non_null(strstr(facet_message(), "missing.onnx"));
  assert_null(n);
  snprintf(path, sizeof path, "%s/none/net.onnx", folder);
  assert_int_equal(facet_onnx_write(plain_network, path), FACET_CANNOT_CREATE);
  assert_false(facet_exists(path));
  facet_network_destroy(&plain_network);
  rmdir(folder);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_small_model),
      cmocka_unit_test(test_fixed_batch_is_dropped),
      cmocka_unit_test(test_initializers_among_inputs),
      cmocka_unit_test(test_raw_types),
      cmocka_unit_test(test_typed_fields),
      cmocka_unit_test(test_integer_types),
      cmocka_unit_test(test_constants_of_numbers),
      cmocka_unit_test(test_dropout_leaves_its_mode_out),
      cmocka_unit_test(test_operators_are_refused),
      cmocka_unit_test(test_numbers_are_refused),
      cmocka_unit_test(test_sizes_are_refused),
      cmocka_unit_test(test_tensors_are_refused),
      cmocka_unit_test(test_inputs_and_outputs_are_refused),
      cmocka_unit_test(test_models_are_refused),
      cmocka_unit_test(test_cut_short),
      cmocka_unit_test(test_flipped_bytes),
      cmocka_unit_test(test_other_files),
      cmocka_unit_test(test_deep_nesting),
      cmocka_unit_test(test_round_trip_of_plain),
      cmocka_unit_test(test_round_trip_of_small),
      cmocka_unit_test(test_round_trip_of_doubles),
      cmocka_unit_test(test_softmax_is_left_out),
      cmocka_unit_test(test_round_trip_of_real_models),
      cmocka_unit_test(test_format_version),
      cmocka_unit_test(test_files),
  };
  return cmocka_run_group_tests_name("onnx", tests, NULL, NULL);
}
