/* ONNX files: what is written and read again is the same network, every claim a file makes is checked, and no bytes,
 * however damaged, do more harm than one line. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
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
  static const uint16_t brain[] = {0x3f80, 0xc020, 0x0001, 0x7f7f}; /* the upper halves of binary32 */
  static const double brains[] = {1, -2.5, 0x1p-133, 0x1.fep127};
  check_type(16, brain, sizeof brain, FACET_F32, brains);
}

/* Integers and truth values become int64, raw and typed. w is no weight then, so another constant is looked at. */
static void check_integers(int32_t type, const void *raw, size_t bytes, const double *wanted)
{
  sample s;
  sample_begin(&s);
  Onnx__TensorProto list;
  sample_tensor(&list, "list", 2, s.w_dims, 0, NULL);
  list.data_type = type;
  list.has_raw_data = true;
  list.raw_data.data = (uint8_t *)raw;
  list.raw_data.len = 4 * bytes;
  s.initializers[2] = &list;
  s.graph.n_initializer = 3;
  facet_network *n = sample_network(&s);
  assert_numbers(constant(n, "list"), FACET_I64, 4, wanted);
  facet_network_destroy(&n);
  int32_t narrow[4];
  uint64_t wide[4];
  for (int i = 0; i < 4; i++) {
    narrow[i] = (int32_t)wanted[i];
    wide[i] = (uint64_t)wanted[i];
  }
  bool is_unsigned = type == ONNX__TENSOR_PROTO__DATA_TYPE__UINT32 || type == ONNX__TENSOR_PROTO__DATA_TYPE__UINT64;
  list.has_raw_data = false;
  list.n_int32_data = is_unsigned ? 0 : 4;
  list.int32_data = narrow;
  list.n_uint64_data = is_unsigned ? 4 : 0;
  list.uint64_data = wide;
  n = sample_network(&s);
  assert_numbers(constant(n, "list"), FACET_I64, 4, wanted);
  facet_network_destroy(&n);
}

static void test_integers_of_every_width(void **state)
{
  (void)state;
  static const int8_t i8[] = {1, -2, 127, -128};
  static const int16_t i16[] = {1, -2, 32767, -32768};
  static const int32_t i32[] = {1, -2, INT32_MAX, INT32_MIN};
  static const uint8_t u8[] = {1, 2, 200, 255}, truth[] = {1, 0, 1, 1};
  static const uint16_t u16[] = {1, 2, 40000, 65535};
  static const uint32_t u32[] = {1, 2, 3000000000U, UINT32_MAX};
  static const uint64_t u64[] = {1, 2, UINT64_C(1) << 40, 5};
  check_integers(ONNX__TENSOR_PROTO__DATA_TYPE__INT8, i8, 1, (const double[]){1, -2, 127, -128});
  check_integers(ONNX__TENSOR_PROTO__DATA_TYPE__INT16, i16, 2, (const double[]){1, -2, 32767, -32768});
  check_integers(ONNX__TENSOR_PROTO__DATA_TYPE__INT32, i32, 4, (const double[]){1, -2, INT32_MAX, INT32_MIN});
  check_integers(ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, u8, 1, (const double[]){1, 2, 200, 255});
  check_integers(ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, truth, 1, (const double[]){1, 0, 1, 1});
  check_integers(ONNX__TENSOR_PROTO__DATA_TYPE__UINT16, u16, 2, (const double[]){1, 2, 40000, 65535});
  check_integers(ONNX__TENSOR_PROTO__DATA_TYPE__UINT32, u32, 4, (const double[]){1, 2, 3e9, UINT32_MAX});
  check_integers(ONNX__TENSOR_PROTO__DATA_TYPE__UINT64, u64, 8, (const double[]){1, 2, 0x1p40, 5});
  sample s;
  uint64_t large[] = {0, 0, 0, UINT64_MAX};
  sample_begin(&s);
  s.w.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__UINT64;
  s.w.n_float_data = 0;
  s.w.n_uint64_data = 4;
  s.w.uint64_data = large;
  assert_refused(&s, "initializer w: element [1, 1] is too large");
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
  s.leak.op_type = (char *)"Cos";
  assert_refused(&s, "node leak (Cos): not piecewise linear");
  s.leak.op_type = (char *)"Elu";
  assert_refused(&s, "node leak (Elu): not piecewise linear; 'gates: secant' freezes it at each sample");
  s.leak.op_type = (char *)"LRN";
  assert_refused(&s, "node leak (LRN): not piecewise linear: its scale depends on the input");
  s.leak.op_type = (char *)"ThresholdedRelu";
  assert_refused(&s, "node leak (ThresholdedRelu): not continuous: no gradient tells what it does");
  s.leak.op_type = (char *)"Loop";
  assert_refused(&s, "node leak (Loop): control flow is not supported");
  s.leak.op_type = (char *)"QLinearConv";
  assert_refused(&s, "node leak (QLinearConv): quantized networks are not supported");
  s.leak.op_type = (char *)"Gel"; /* the beginning of a name is no name, nor are two */
  assert_refused(&s, "node leak (Gel): operator is not supported");
  s.leak.op_type = (char *)"Tanh Gelu";
  assert_refused(&s, "node leak (Tanh Gelu): operator is not supported");
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
  assert_refused(&s, "initializer w: holds 4 elements but its dimensions say 0");
  sample_begin(&s);
  s.w_dims[0] = INT64_MAX;
  assert_refused(&s, "initializer w: dimension 0 is 9223372036854775807");
  sample_begin(&s); /* 8 EiB are claimed; none may be allocated */
  s.w_dims[0] = s.w_dims[1] = INT32_MAX;
  assert_refused(&s, "initializer w: holds 4 elements but its dimensions say 4611686014132420609");
  int64_t huge[] = {INT32_MAX, INT32_MAX, INT32_MAX, 0}; /* the product does not fit, though it is 0 */
  sample_begin(&s);
  s.w.n_dims = 4;
  s.w.dims = huge;
  assert_refused(&s, "initializer w: has too many elements");
  sample_begin(&s);
  s.w.n_float_data = 3;
  assert_refused(&s, "initializer w: holds 3 elements but its dimensions say 4");
}

static void test_tensors_are_refused(void **state)
{
  (void)state;
  sample s;
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
  sample_begin(&s);
  s.alpha.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR;
  assert_refused(&s, "node leak (LeakyRelu): attribute alpha is a sparse tensor: not supported");
  sample_begin(&s);
  s.alpha.ref_attr_name = (char *)"slope";
  assert_refused(&s, "node leak (LeakyRelu): attribute alpha refers to one of a function, but the node is in none");
  sample_begin(&s);
  s.opset.version = 26;
  assert_refused(&s, "operator set 26 is not known: at most 25 are supported");
}

/* What operators meant before operator set 7, where nothing but the number of the set tells. */
static void test_old_meanings(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  s.opset.version = 6; /* Gemm and LeakyRelu mean what they mean today */
  facet_network *n = sample_network(&s);
  facet_network_destroy(&n);
  char *in[] = {(char *)"h", (char *)"b"};
  Onnx__AttributeProto axis = ONNX__ATTRIBUTE_PROTO__INIT, *attributes[] = {&axis};
  sample_node(&s.leak, "Add", "sum", 2, in, s.leak_out);
  n = sample_network(&s);
  facet_network_destroy(&n);
  axis.name = (char *)"axis";
  axis.has_i = true;
  axis.i = 1;
  s.leak.n_attribute = 1;
  s.leak.attribute = attributes;
  assert_refused(&s, "node sum (Add): spreading along an axis, as in operator set 6, is not supported");
  s.opset.version = 7;
  n = sample_network(&s);
  facet_network_destroy(&n);
  s.opset.version = 8;
  s.leak.op_type = (char *)"BatchNormalization";
  axis.name = (char *)"spatial";
  axis.i = 0;
  assert_refused(&s, "node sum (BatchNormalization): spatial is off: statistics for each position, as before operator "
                     "set 9, are not supported");
}

/* ---- constants that are empty, or a bound ---- */

static const char *const types_to_try[] = {"Add",
                                           "AveragePool",
                                           "BatchNormalization",
                                           "Cast",
                                           "Clip",
                                           "Concat",
                                           "Constant",
                                           "ConstantOfShape",
                                           "Conv",
                                           "ConvTranspose",
                                           "DepthToSpace",
                                           "Div",
                                           "Dropout",
                                           "Expand",
                                           "Flatten",
                                           "Gather",
                                           "Gemm",
                                           "GlobalAveragePool",
                                           "GlobalMaxPool",
                                           "HardSigmoid",
                                           "Identity",
                                           "LeakyRelu",
                                           "MatMul",
                                           "Max",
                                           "MaxPool",
                                           "Mean",
                                           "Min",
                                           "Mul",
                                           "Neg",
                                           "PRelu",
                                           "Pad",
                                           "Pow",
                                           "Range",
                                           "ReduceMax",
                                           "ReduceMean",
                                           "ReduceSum",
                                           "Relu",
                                           "Reshape",
                                           "Resize",
                                           "Shape",
                                           "Sigmoid",
                                           "Slice",
                                           "Softmax",
                                           "SpaceToDepth",
                                           "Split",
                                           "Squeeze",
                                           "Sub",
                                           "Sum",
                                           "Tile",
                                           "TopK",
                                           "Transpose",
                                           "Unsqueeze",
                                           "Upsample",
                                           "Where"};

/* Every operator with an empty constant at every place: whatever comes of it, nothing divides by it or reads it. */
static void test_empty_constants(void **state)
{
  (void)state;
  static int64_t shapes[][4] = {{0}, {0, 2}, {2, 0}, {0, 2, 1, 1}, {2, 0, 1, 1}, {2, 2, 0, 1}, {2, 2, 1, 0}};
  static const size_t ranks[] = {1, 2, 2, 4, 4, 4, 4};
  for (size_t i = 0; i < sizeof types_to_try / sizeof types_to_try[0]; i++)
    for (size_t j = 0; j < sizeof ranks / sizeof ranks[0]; j++)
      for (int place = 0; place < 20; place++) {
        sample s;
        sample_begin(&s);
        char *in[] = {(char *)"x", (char *)"b", (char *)"b", (char *)"b", (char *)"b"};
        size_t inputs = 1 + (size_t)place % 5;
        in[inputs - 1] = (char *)"w";
        s.w.n_dims = ranks[j];
        s.w.dims = shapes[j];
        s.w.n_float_data = 0;
        s.w.data_type = place < 10 ? PROTO_FLOAT : ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
        Onnx__TensorShapeProto__Dimension wide = s.features, *dims[] = {&s.batch, &wide, &s.features, &s.features};
        if (place / 5 % 2) {
          s.shape.n_dim = 4;
          s.shape.dim = dims;
        }
        sample_node(&s.gemm, types_to_try[i], "node", inputs, in, s.gemm_out);
        facet_network *n = NULL;
        if (sample_read(&s, &n) == FACET_OK)
          facet_network_destroy(&n);
        assert_null(n);
      }
}

/* Every operator with some of its inputs left out, the others constants, or data where it says so. */
static void test_inputs_left_out(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof types_to_try / sizeof types_to_try[0]; i++)
    for (unsigned place = 0; place < 5 * 32 * 2; place++) {
      sample s;
      sample_begin(&s);
      char *in[5];
      size_t inputs = 1 + place % 5;
      for (size_t j = 0; j < inputs; j++)
        in[j] = (char *)(place / 5 >> j & 1 ? "" : j == 0 && place >= 160 ? "x" : "w");
      sample_node(&s.gemm, types_to_try[i], "node", inputs, in, s.gemm_out);
      facet_network *n = NULL;
      if (sample_read(&s, &n) == FACET_OK)
        facet_network_destroy(&n);
      assert_null(n);
    }
}

static void test_empty_lists(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  Onnx__TensorProto roi;
  Onnx__NodeProto constant_node;
  Onnx__AttributeProto value = ONNX__ATTRIBUTE_PROTO__INIT, *values[] = {&value};
  int64_t none[] = {0};
  char *out[] = {(char *)"list"};
  sample_tensor(&roi, "roi", 1, none, 0, NULL);
  s.initializers[2] = &roi;
  s.graph.n_initializer = 3;
  sample_node(&constant_node, "Constant", NULL, 0, NULL, out);
  constant_node.n_attribute = 1;
  constant_node.attribute = values;
  value.name = (char *)"value_ints";
  value.has_type = true;
  value.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
  s.nodes[2] = &constant_node;
  s.graph.n_node = 3;
  facet_network *n = sample_network(&s);
  assert_numbers(constant(n, "roi"), FACET_F32, 0, NULL);
  facet_network_destroy(&n);
}

/* An infinity by itself may be a bound; as a number to reckon with it is refused. */
static void test_infinite_scalars(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  Onnx__TensorProto bound;
  float infinite = INFINITY;
  char *in[] = {(char *)"h", (char *)"bound"};
  sample_tensor(&bound, "bound", 0, NULL, 1, &infinite);
  s.initializers[2] = &bound;
  s.graph.n_initializer = 3;
  facet_network *n = sample_network(&s); /* read by nobody */
  assert_numbers(constant(n, "bound"), FACET_F32, 1, (const double[]){(double)INFINITY});
  facet_network_destroy(&n);
  sample_node(&s.leak, "Add", "sum", 2, in, s.leak_out);
  assert_refused(&s, "node sum (Add): constant bound is infinite");
  char *bounds[] = {(char *)"h", (char *)"", (char *)"bound"};
  sample_node(&s.leak, "Clip", "clip", 3, bounds, s.leak_out);
  n = sample_network(&s);
  facet_network_destroy(&n);
  s.opset.version = 10; /* before, bounds were attributes */
  s.leak.n_input = 1;
  s.leak.n_attribute = 1;
  s.leak.attribute = s.alphas;
  s.alpha.name = (char *)"max";
  s.alpha.f = infinite;
  n = sample_network(&s);
  facet_network_destroy(&n);
  s.alpha.f = NAN;
  assert_refused(&s, "node clip (Clip): attribute max is NaN");
  s.leak.op_type = (char *)"LeakyRelu";
  s.alpha.f = infinite;
  assert_refused(&s, "node clip (LeakyRelu): attribute max is infinite");
  s.leak.n_attribute = 0;
  infinite = NAN;
  assert_refused(&s, "initializer bound: element [] is NaN");
}

/* What onnxruntime refuses: a misspelt attribute is not one that was left out. */
static void test_attributes_are_refused(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  s.alpha.name = (char *)"alhpa";
  assert_refused(&s, "node leak (LeakyRelu): there is no attribute alhpa of this operator");
  s.alpha.name = (char *)"alpha";
  s.alpha.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
  s.alpha.has_i = true;
  assert_refused(&s, "node leak (LeakyRelu): attribute alpha cannot be a whole number");
  sample_begin(&s);
  Onnx__AttributeProto *twice[] = {&s.alpha, &s.alpha};
  s.leak.n_attribute = 2;
  s.leak.attribute = twice;
  assert_refused(&s, "node leak (LeakyRelu): attribute alpha is there twice");
}

/* A node of one constant number is put between the two of the sample, whose second one becomes a sum. */
static void fold(sample *s, Onnx__NodeProto *node, Onnx__TensorProto *number, float *value, const char *type)
{
  static char *in[] = {(char *)"number"}, *out[] = {(char *)"made"}, *sum[] = {(char *)"h", (char *)"made"};
  sample_begin(s);
  sample_tensor(number, "number", 0, NULL, 1, value);
  sample_node(node, type, "fold", 1, in, out);
  sample_node(&s->leak, "Add", "sum", 2, sum, s->leak_out);
  s->initializers[2] = number;
  s->nodes[2] = node;
  s->graph.n_initializer = s->graph.n_node = 3;
}

static void test_constants_that_make_no_number(void **state)
{
  (void)state;
  sample s;
  Onnx__NodeProto node;
  Onnx__TensorProto number;
  Onnx__AttributeProto to = ONNX__ATTRIBUTE_PROTO__INIT, *attributes[] = {&to};
  float value = -1;
  fold(&s, &node, &number, &value, "Sqrt");
  assert_refused(&s, "node fold (Sqrt): its inputs are constants, and make NaN");
  fold(&s, &node, &number, &value, "Resize");
  assert_refused(&s, "node fold (Resize): its input has no dimensions");
  value = INFINITY;
  fold(&s, &node, &number, &value, "Cast");
  to.name = (char *)"to";
  to.has_type = to.has_i = true;
  to.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
  to.i = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
  node.n_attribute = 1;
  node.attribute = attributes;
  assert_refused(&s, "node fold (Cast): casts inf to a whole number");
}

/* Names end on terminals and in result files: an escape, half a character, and one that is whole. */
static void test_names_are_cleaned(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  s.leak.name = (char *)"a\033[2Jb\xc3 \xc3\xa9\x7f\xc2\x9b";
  facet_network *n = sample_network(&s);
  assert_string_equal(n->node[1].name, "a?[2Jb? \xc3\xa9???");
  facet_network_destroy(&n);
}

/* Each value is small enough, but not all together; nodes that move nothing take no memory here. */
static void test_values_together_are_bounded(void **state)
{
  (void)state;
  facet_network *n = begin_net((facet_shape){1, {(int64_t)1 << 26}});
  char name[] = "a", before[] = "x";
  for (int i = 0; i < 5; i++, name[0]++) {
    add_node(n, "Identity", before, name, 0, NULL);
    before[0] = name[0];
  }
  assert_int_equal(facet_network_set_output(n, before), FACET_OK);
  assert_int_equal(facet_network_finish(n), FACET_BAD_INPUT);
  assert_string_equal(facet_message(),
                      "node e (Identity): with its output, the values of the network are more than 268435456 "
                      "numbers");
  facet_network_destroy(&n);
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
  facet_status status = facet_network_plain(
      &(facet_plain){(facet_shape){3, {1, 6, 6}}, 2, (const int64_t[]){2, 3}, 1, (const int64_t[]){4}, 3, 5}, &n);
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

/* Reads the bytes a thousand times with some of them changed. How often they were refused. */
static int flip_and_read(const uint8_t *bytes, size_t count)
{
  int refused = 0;
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
  return refused;
}

static void test_flipped_bytes(void **state)
{
  (void)state;
  facet_network *n = plain();
  uint8_t *bytes;
  size_t count;
  written(n, &bytes, &count);
  facet_network_destroy(&n);
  assert_true(flip_and_read(bytes, count) > 100);
  facet_free(&bytes);
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
  assert_null(back->stripped);
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
  facet_attribute *a = facet_allocate(2, sizeof *a), *scales = facet_allocate(1, sizeof *scales);
  set_ints(&a[0], "pads", 4, (const int64_t[]){0, 0, 0, 0});
  a[1] = (facet_attribute){.name = facet_copy_text("auto_pad"), .kind = FACET_TEXT, .text = facet_copy_text("NOTSET")};
  *scales = (facet_attribute){.name = facet_copy_text("scales"), .kind = FACET_FLOATS, .count = 4};
  scales->numbers = facet_allocate(4, sizeof *scales->numbers);
  for (int i = 0; i < 4; i++)
    scales->numbers[i] = i < 2 ? 1 : 2.5;
  add_numbers(n, "kernel", (facet_shape){4, {2, 3, 1, 1}}, w);
  add_numbers(n, "bias", (facet_shape){1, {2}}, b);
  add_node(n, "Conv", "x,kernel,bias", "c", 2, a);
  add_node(n, "Upsample", "c", "u", 1, scales);
  add_node(n, "LeakyRelu", "u", "r", 1, one_float("alpha", 0.25));
  add_node(n, "Flatten", "r", "f", 1, one_int("axis", 1));
  end_net(n, "f");
  assert_int_equal(round_trip(n), ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE);
  facet_network_destroy(&n);
}

/* ---- data in other files ---- */

enum { MOST_ENTRIES = 3 };

/* w of the sample, in another file. */
typedef struct {
  sample s;
  Onnx__StringStringEntryProto entry[MOST_ENTRIES], *entries[MOST_ENTRIES];
  char folder[64], model[100], data[100];
} outside;

static void outside_set(outside *o, const char *key, const char *value)
{
  size_t i = 0;
  while (i < o->s.w.n_external_data && strcmp(o->entry[i].key, key) != 0)
    i++;
  assert_true(i < MOST_ENTRIES);
  if (i == o->s.w.n_external_data) {
    onnx__string_string_entry_proto__init(&o->entry[i]);
    o->entries[i] = &o->entry[i];
    o->s.w.n_external_data++;
  }
  o->entry[i].key = (char *)key;
  o->entry[i].value = (char *)value;
}

static void write_data(const outside *o, const void *bytes, size_t count)
{
  assert_int_equal(facet_write_file(o->data, bytes, count), FACET_OK);
}

static void outside_begin(outside *o)
{
  static const float data[] = {9, 1, -2, 3, 4, 9};
  sample_begin(&o->s);
  snprintf(o->folder, sizeof o->folder, "%s", temporary_folder());
  snprintf(o->model, sizeof o->model, "%s/net.onnx", o->folder);
  snprintf(o->data, sizeof o->data, "%s/net.data", o->folder);
  o->s.w.n_float_data = 0;
  o->s.w.has_data_location = true;
  o->s.w.data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  o->s.w.external_data = o->entries;
  outside_set(o, "location", "net.data");
  outside_set(o, "offset", "4");
  outside_set(o, "length", "16");
  write_data(o, data, sizeof data);
}

static void outside_end(const outside *o)
{
  unlink(o->model);
  unlink(o->data);
  assert_int_equal(rmdir(o->folder), 0);
}

static void outside_write(const outside *o)
{
  size_t count = onnx__model_proto__get_packed_size(&o->s.model);
  uint8_t *bytes = facet_allocate(count, 1);
  assert_non_null(bytes);
  onnx__model_proto__pack(&o->s.model, bytes);
  assert_int_equal(facet_write_file(o->model, bytes, count), FACET_OK);
  facet_free(&bytes);
}

static facet_network *outside_network(const outside *o)
{
  facet_network *n = NULL;
  outside_write(o);
  if (facet_onnx_read(o->model, &n) != FACET_OK)
    fail_msg("%s", facet_message());
  return n;
}

static void assert_outside_refused(const outside *o, facet_status status, const char *message)
{
  char wanted[400];
  facet_network *n = NULL;
  uint8_t *bytes = NULL;
  size_t count;
  outside_write(o);
  snprintf(wanted, sizeof wanted, "%s: initializer w: %s", o->model, message);
  assert_int_equal(facet_onnx_read(o->model, &n), status);
  assert_string_equal(facet_message(), wanted);
  assert_null(n);
  assert_int_equal(facet_onnx_whole(o->model, &bytes, &count), status);
  assert_string_equal(facet_message(), wanted);
  assert_null(bytes);
}

static void test_data_in_another_file(void **state)
{
  (void)state;
  outside o;
  outside_begin(&o);
  facet_network *n = outside_network(&o);
  assert_numbers(constant(n, "w"), FACET_F32, 4, (const double[]){1, -2, 3, 4});
  facet_network_destroy(&n);
  o.s.w.n_external_data = 2; /* the length may be left out */
  n = outside_network(&o);
  assert_numbers(constant(n, "w"), FACET_F32, 4, (const double[]){1, -2, 3, 4});
  facet_network_destroy(&n);
  static const uint16_t half[] = {0, 0, 0x3c00, 0xc100, 0x0001, 0x7bff};
  write_data(&o, half, sizeof half);
  o.s.w.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
  n = outside_network(&o);
  assert_numbers(constant(n, "w"), FACET_F32, 4, (const double[]){1, -2.5, 0x1p-24, 65504});
  facet_network_destroy(&n);
  outside_end(&o);
}

/* More than one block, of a type that is widened on the way. */
static void test_large_data_in_another_file(void **state)
{
  (void)state;
  enum { WIDE = 50000 };
  outside o;
  outside_begin(&o);
  Onnx__TensorProto list = o.s.w;
  int64_t dims[] = {WIDE};
  static int16_t numbers[WIDE];
  for (int i = 0; i < WIDE; i++)
    numbers[i] = (int16_t)(i % 65536 - 32768);
  write_data(&o, numbers, sizeof numbers);
  sample_tensor(&o.s.w, "w", 2, o.s.w_dims, 4, o.s.w_data);
  list.name = (char *)"list";
  list.n_dims = 1;
  list.dims = dims;
  list.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT16;
  list.n_external_data = 1; /* location alone */
  list.external_data = o.entries;
  o.s.initializers[2] = &list;
  o.s.graph.n_initializer = 3;
  facet_network *n = outside_network(&o);
  const facet_tensor *t = constant(n, "list");
  assert_non_null(t);
  for (int i = 0; i < WIDE; i++)
    assert_true(facet_tensor_get(t, i) == numbers[i]);
  facet_network_destroy(&n);
  outside_end(&o);
}

static void test_data_files_are_refused(void **state)
{
  (void)state;
  outside o;
  outside_begin(&o);
  outside_set(&o, "location", "/etc/passwd");
  assert_outside_refused(&o, FACET_BAD_INPUT,
                         "has its data in /etc/passwd: data files must lie in the folder of the network");
  outside_set(&o, "location", "a/../../net.data");
  assert_outside_refused(&o, FACET_BAD_INPUT,
                         "has its data in a/../../net.data: data files must lie in the folder of the network");
  outside_set(&o, "location", "..");
  assert_outside_refused(&o, FACET_BAD_INPUT, "has its data in ..: data files must lie in the folder of the network");
  outside_set(&o, "location", "..data");
  assert_outside_refused(&o, FACET_NO_INPUT, "data file ..data: No such file or directory");
  outside_set(&o, "location", "");
  assert_outside_refused(&o, FACET_BAD_INPUT, "has its data in another file, but does not say which");
  outside_set(&o, "location", ".");
  assert_outside_refused(&o, FACET_BAD_INPUT, "data file .: is no ordinary file");
  outside_set(&o, "location", "net.data");
  outside_set(&o, "length", "12");
  assert_outside_refused(&o, FACET_BAD_INPUT, "data file net.data: length is 12 bytes but the dimensions say 16");
  outside_set(&o, "length", "16");
  outside_set(&o, "offset", "9");
  assert_outside_refused(&o, FACET_BAD_INPUT, "data file net.data: has 24 bytes, not 16 from 9 on");
  outside_set(&o, "offset", "9223372036854775807");
  assert_outside_refused(&o, FACET_BAD_INPUT, "data file net.data: has 24 bytes, not 16 from 9223372036854775807 on");
  static const char *const wrong[] = {"9223372036854775808", "18446744073709551617", "-1", "0x4", "4 ", ""};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    char wanted[100];
    outside_set(&o, "offset", wrong[i]);
    snprintf(wanted, sizeof wanted, "data file net.data: offset is %s", wrong[i]);
    wanted[strlen(wanted) - (wanted[strlen(wanted) - 1] == ' ')] = 0; /* messages end in no blank */
    assert_outside_refused(&o, FACET_BAD_INPUT, wanted);
  }
  outside_set(&o, "offset", "4");
  o.s.w_dims[0] = o.s.w_dims[1] = INT32_MAX; /* 16 EiB */
  o.s.w.n_external_data = 2;
  assert_outside_refused(&o, FACET_BAD_INPUT, "data file net.data: has 24 bytes, not 18446744056529682436 from 4 on");
  int64_t cube[] = {INT32_MAX, INT32_MAX, 4}; /* bytes that 64 bits do not count */
  o.s.w.n_dims = 3;
  o.s.w.dims = cube;
  assert_outside_refused(&o, FACET_BAD_INPUT, "has too many elements");
  o.s.w.n_dims = 2;
  o.s.w.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
  assert_outside_refused(&o, FACET_BAD_INPUT, "data file net.data: has 24 bytes, not 18446744073709551615 from 4 on");
  unlink(o.data);
  assert_int_equal(symlink("/etc/passwd", o.data), 0);
  assert_outside_refused(&o, FACET_BAD_INPUT, "data file net.data: is a link that leaves the folder of the network");
  unlink(o.data);
  assert_int_equal(mkfifo(o.data, 0600), 0); /* nobody writes: must not wait */
  assert_outside_refused(&o, FACET_BAD_INPUT, "data file net.data: is no ordinary file");
  outside_end(&o);
}

static void test_memory_has_no_other_files(void **state)
{
  (void)state;
  outside o;
  outside_begin(&o);
  assert_refused(&o.s, "initializer w: has its data in another file, net.data: a network in memory has no folder");
  outside_end(&o);
}

/* The whole of a model is one file that says the same. */
static void test_whole(void **state)
{
  (void)state;
  outside o;
  outside_begin(&o);
  Onnx__NodeProto node;
  Onnx__AttributeProto value = ONNX__ATTRIBUTE_PROTO__INIT, *values[] = {&value};
  Onnx__TensorProto inner = o.s.w;
  char *out[] = {(char *)"w"};
  sample_node(&node, "Constant", NULL, 0, NULL, out); /* w comes from a node, whose attribute lies outside */
  node.n_attribute = 1;
  node.attribute = values;
  value.name = (char *)"value";
  value.t = &inner;
  o.s.initializers[0] = &o.s.b;
  o.s.graph.n_initializer = 1;
  o.s.nodes[2] = &node;
  o.s.graph.n_node = 3;
  facet_network *n = outside_network(&o), *m = NULL;
  uint8_t *bytes, *plain_bytes, *again;
  size_t count, plain_count, again_count, before = facet_memory_in_use();
  assert_int_equal(facet_onnx_whole(o.model, &bytes, &count), FACET_OK);
  facet_free(&bytes);
  assert_int_equal(facet_memory_in_use(), before); /* what facet put into the message is given back as facet's */
  assert_int_equal(facet_onnx_whole(o.model, &bytes, &count), FACET_OK);
  assert_int_equal(facet_onnx_read_bytes("whole", bytes, count, &m), FACET_OK);
  assert_same_network(n, m);
  facet_network_destroy(&n);
  facet_network_destroy(&m);
  assert_int_equal(facet_write_file(o.model, bytes, count), FACET_OK); /* the whole of a whole is itself */
  assert_int_equal(facet_onnx_whole(o.model, &again, &again_count), FACET_OK);
  assert_int_equal(facet_read_file(o.model, &plain_bytes, &plain_count), FACET_OK);
  assert_int_equal(again_count, plain_count);
  assert_memory_equal(again, plain_bytes, plain_count);
  facet_free(&bytes);
  facet_free(&again);
  facet_free(&plain_bytes);
  outside_end(&o);
}

/* ---- functions of the model ---- */

/* y = pkg.Layer(x, w, b){slope} = LeakyRelu(pkg.Dense(x, w, b)){alpha = slope}, Dense = Gemm */
typedef struct {
  sample s;
  Onnx__FunctionProto layer, dense, *functions[2];
  Onnx__OperatorSetIdProto inner;
  Onnx__OperatorSetIdProto *inners[1];
  Onnx__NodeProto call, *calls[2], dense_call, leak, *layer_nodes[2], gemm, *dense_nodes[1];
  Onnx__AttributeProto slope, *slopes[1], reference, *references[1];
  char *formals[3], *result[1], *hidden[1], *y[1], *x[3];
} layered;

static void layered_function(layered *l, Onnx__FunctionProto *f, const char *name, size_t nodes, Onnx__NodeProto **node)
{
  onnx__function_proto__init(f);
  f->name = (char *)name;
  f->domain = (char *)"pkg";
  f->n_input = 3;
  f->input = l->formals;
  f->n_output = 1;
  f->output = l->result;
  f->n_node = nodes;
  f->node = node;
  f->n_opset_import = 1;
  f->opset_import = l->inners;
}

static void layered_begin(layered *l)
{
  memset(l, 0, sizeof *l);
  sample_begin(&l->s);
  l->formals[0] = (char *)"h"; /* names of the graph, to be kept apart from its own */
  l->formals[1] = (char *)"w";
  l->formals[2] = (char *)"b";
  l->result[0] = (char *)"r";
  l->hidden[0] = (char *)"x";
  l->x[0] = (char *)"x";
  l->x[1] = (char *)"w";
  l->x[2] = (char *)"b";
  l->y[0] = (char *)"y";
  l->inner = l->s.opset;
  l->inners[0] = &l->inner;
  sample_node(&l->gemm, "Gemm", "gemm", 3, l->formals, l->result);
  sample_node(&l->dense_call, "Dense", NULL, 3, l->formals, l->hidden);
  l->dense_call.domain = (char *)"pkg";
  sample_node(&l->leak, "LeakyRelu", "leak", 1, l->hidden, l->result);
  onnx__attribute_proto__init(&l->reference);
  l->reference.name = (char *)"alpha";
  l->reference.ref_attr_name = (char *)"slope";
  l->reference.has_type = true;
  l->reference.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
  l->references[0] = &l->reference;
  l->leak.n_attribute = 1;
  l->leak.attribute = l->references;
  l->dense_nodes[0] = &l->gemm;
  l->layer_nodes[0] = &l->dense_call;
  l->layer_nodes[1] = &l->leak;
  layered_function(l, &l->dense, "Dense", 1, l->dense_nodes);
  layered_function(l, &l->layer, "Layer", 2, l->layer_nodes);
  l->functions[0] = &l->layer;
  l->functions[1] = &l->dense;
  l->s.model.n_functions = 2;
  l->s.model.functions = l->functions;
  sample_node(&l->call, "Layer", "first", 3, l->x, l->y);
  l->call.domain = (char *)"pkg";
  l->slope = l->s.alpha;
  l->slope.name = (char *)"slope";
  l->slopes[0] = &l->slope;
  l->call.n_attribute = 1;
  l->call.attribute = l->slopes;
  l->s.nodes[0] = &l->call;
  l->s.graph.n_node = 1;
}

static void test_functions(void **state)
{
  (void)state;
  layered l;
  layered_begin(&l);
  facet_network *n = sample_network(&l.s);
  assert_int_equal(n->nodes, 2);
  assert_string_equal(n->node[0].name, "first/Dense_0/gemm");
  assert_string_equal(n->node[0].type, "Gemm");
  assert_string_equal(n->value[n->node[0].input[0]].name, "x");
  assert_string_equal(n->value[n->node[0].output[0]].name, "x::1");
  assert_string_equal(n->node[1].name, "first/leak");
  assert_string_equal(n->value[n->node[1].output[0]].name, "y");
  assert_int_equal(n->node[1].attributes, 1);
  assert_string_equal(n->node[1].attribute[0].name, "alpha");
  assert_true(n->node[1].attribute[0].number == 0.25);
  facet_network_destroy(&n);
  l.call.n_attribute = 0; /* then the reference stands for nothing */
  n = sample_network(&l.s);
  assert_int_equal(n->node[1].attributes, 0);
  facet_network_destroy(&n);
  static char colons[] = "a:::b"; /* a value of the graph */
  l.x[0] = colons;
  l.s.x.name = colons;
  n = sample_network(&l.s);
  assert_string_equal(n->value[n->node[0].output[0]].name, "x::::1");
  facet_network_destroy(&n);
}

/* The default of an attribute lies in a field that the system's onnx.proto may not know. */
static void test_defaults_of_functions(void **state)
{
  (void)state;
  layered l;
  layered_begin(&l);
  l.call.n_attribute = 0;
  uint8_t attribute[64];
  size_t length = onnx__attribute_proto__pack(&l.slope, attribute + 1);
  attribute[0] = (uint8_t)length;
  ProtobufCMessageUnknownField unknown = {
      .tag = 11, .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, .len = length + 1, .data = attribute};
  l.layer.base.n_unknown_fields = 1;
  l.layer.base.unknown_fields = &unknown;
  facet_network *n = sample_network(&l.s);
  assert_int_equal(n->node[1].attributes, 1);
  assert_true(n->node[1].attribute[0].number == 0.25);
  facet_network_destroy(&n);
  l.slope.f = 0.5F; /* what the caller says goes before */
  l.call.n_attribute = 1;
  n = sample_network(&l.s);
  assert_true(n->node[1].attribute[0].number == 0.5);
  facet_network_destroy(&n);
}

static void test_functions_are_refused(void **state)
{
  (void)state;
  layered l;
  layered_begin(&l);
  l.dense_nodes[0] = &l.call; /* Layer -> Dense -> Layer */
  assert_refused(&l.s, "node first/Dense_0/first (Layer): the function calls itself");
  layered_begin(&l);
  l.dense.n_input = 2;
  assert_refused(&l.s, "node first/Dense_0 (Dense): has 3 inputs and 1 outputs but the function 2 and 1");
  layered_begin(&l);
  l.dense.name = (char *)"Layer";
  assert_refused(&l.s, "node first (Layer): there are several functions of this name");
  layered_begin(&l);
  l.inner.version = 9;
  assert_refused(&l.s, "node first (Layer): the function is in operator set 9 but the network in 13");
  layered_begin(&l);
  l.layer.output = l.formals;
  assert_refused(&l.s, "node first (Layer): h is input and output of the function: not supported");
  layered_begin(&l);
  l.gemm.op_type = (char *)"Cos";
  assert_refused(&l.s, "node first/Dense_0/gemm (Cos): not piecewise linear");
}

static void test_flipped_bytes_of_functions(void **state)
{
  (void)state;
  layered l;
  layered_begin(&l);
  size_t count = onnx__model_proto__get_packed_size(&l.s.model);
  uint8_t *bytes = facet_allocate(count, 1);
  assert_non_null(bytes);
  onnx__model_proto__pack(&l.s.model, bytes);
  assert_true(flip_and_read(bytes, count) > 100);
  facet_free(&bytes);
}

/* Functions that call the next one twice, forty deep: a million million nodes in two thousand bytes. */
static void test_functions_that_grow(void **state)
{
  (void)state;
  enum { DEEP = 40 };
  layered l;
  static Onnx__FunctionProto f[DEEP];
  static Onnx__NodeProto node[DEEP][2], *list[DEEP][2];
  static Onnx__FunctionProto *functions[DEEP];
  static char names[DEEP + 1][8];
  layered_begin(&l);
  for (int i = 0; i < DEEP; i++) {
    snprintf(names[i], sizeof names[i], "F%d", i);
    snprintf(names[i + 1], sizeof names[i + 1], "F%d", i + 1);
    for (int j = 0; j < 2; j++) {
      sample_node(&node[i][j], i + 1 < DEEP ? names[i + 1] : "Relu", NULL, 1, l.formals, j ? l.result : l.hidden);
      node[i][j].domain = (char *)(i + 1 < DEEP ? "pkg" : "");
      list[i][j] = &node[i][j];
    }
    layered_function(&l, &f[i], names[i], 2, list[i]);
    functions[i] = &f[i];
  }
  l.s.model.n_functions = DEEP;
  l.s.model.functions = functions;
  l.call.op_type = names[0];
  l.call.n_input = 1;
  l.call.n_attribute = 0;
  assert_refused(&l.s, "the functions of the file make too large a network");
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
  assert_string_equal(n->stripped, "Softmax");
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

/* Constants of narrower types were widened, so a Cast to such a type would leave two types in one file. */
static void test_casts_go_to_the_type_of_the_file(void **state)
{
  (void)state;
  sample s;
  sample_begin(&s);
  s.leak.op_type = (char *)"Cast";
  s.alpha.name = (char *)"to";
  s.alpha.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
  s.alpha.has_f = false;
  s.alpha.has_i = true;
  s.alpha.i = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
  facet_network *n = sample_network(&s);
  uint8_t *bytes;
  size_t count;
  written(n, &bytes, &count);
  Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, count, bytes);
  assert_non_null(model);
  assert_string_equal(model->graph->node[1]->op_type, "Cast");
  assert_int_equal(model->graph->node[1]->attribute[0]->i, PROTO_FLOAT);
  onnx__model_proto__free_unpacked(model, NULL);
  facet_free(&bytes);
  facet_network_destroy(&n);
}

/* The version of the file format goes with the operator set (ONNX, Versioning.md). */
static void test_format_version(void **state)
{
  (void)state;
  static const int pairs[][2] = {{7, 4},  {9, 4},   {11, 6},  {13, 7},  {17, 8},
                                 {20, 9}, {21, 10}, {23, 11}, {24, 12}, {25, 13}};
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
      cmocka_unit_test(test_integers_of_every_width),
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
      cmocka_unit_test(test_old_meanings),
      cmocka_unit_test(test_empty_constants),
      cmocka_unit_test(test_inputs_left_out),
      cmocka_unit_test(test_empty_lists),
      cmocka_unit_test(test_infinite_scalars),
      cmocka_unit_test(test_attributes_are_refused),
      cmocka_unit_test(test_constants_that_make_no_number),
      cmocka_unit_test(test_names_are_cleaned),
      cmocka_unit_test(test_values_together_are_bounded),
      cmocka_unit_test(test_cut_short),
      cmocka_unit_test(test_flipped_bytes),
      cmocka_unit_test(test_other_files),
      cmocka_unit_test(test_deep_nesting),
      cmocka_unit_test(test_round_trip_of_plain),
      cmocka_unit_test(test_round_trip_of_small),
      cmocka_unit_test(test_round_trip_of_doubles),
      cmocka_unit_test(test_data_in_another_file),
      cmocka_unit_test(test_large_data_in_another_file),
      cmocka_unit_test(test_data_files_are_refused),
      cmocka_unit_test(test_memory_has_no_other_files),
      cmocka_unit_test(test_whole),
      cmocka_unit_test(test_functions),
      cmocka_unit_test(test_defaults_of_functions),
      cmocka_unit_test(test_functions_are_refused),
      cmocka_unit_test(test_flipped_bytes_of_functions),
      cmocka_unit_test(test_functions_that_grow),
      cmocka_unit_test(test_softmax_is_left_out),
      cmocka_unit_test(test_round_trip_of_real_models),
      cmocka_unit_test(test_casts_go_to_the_type_of_the_file),
      cmocka_unit_test(test_format_version),
      cmocka_unit_test(test_files),
  };
  return cmocka_run_group_tests_name("onnx", tests, NULL, NULL);
}
