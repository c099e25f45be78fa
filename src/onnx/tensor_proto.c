/* Constant arrays in ONNX: little-endian raw bytes, or a typed field of the message. */
#include "onnx/tensor_proto.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* IEEE 754 half precision. */
static double half_value(uint16_t bits)
{
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double magnitude = exponent == 31  ? (fraction ? (double)NAN : (double)INFINITY)
                     : exponent == 0 ? ldexp(fraction, -24)
                                     : ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

typedef enum { KIND_REAL32, KIND_REAL64, KIND_HALF, KIND_INT64, KIND_INT32, KIND_BYTE, KIND_NONE } stored_kind;

static stored_kind kind_of(int32_t type, size_t *bytes)
{
  switch (type) {
  case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
    *bytes = 4;
    return KIND_REAL32;
  case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
    *bytes = 8;
    return KIND_REAL64;
  case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
    *bytes = 2;
    return KIND_HALF;
  case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
    *bytes = 8;
    return KIND_INT64;
  case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
    *bytes = 4;
    return KIND_INT32;
  case ONNX__TENSOR_PROTO__DATA_TYPE__BOOL:
    *bytes = 1;
    return KIND_BYTE;
  default:
    *bytes = 0;
    return KIND_NONE;
  }
}

/* Dimensions, with a product that is known to fit. */
static facet_status read_shape(const Onnx__TensorProto *p, facet_shape *shape, size_t *count)
{
  FACET_CHECK(p->n_dims <= FACET_MAX_RANK, FACET_BAD_INPUT, "has %zu dimensions: at most %d are supported", p->n_dims,
              FACET_MAX_RANK);
  *count = 1;
  shape->rank = (int)p->n_dims;
  for (size_t i = 0; i < p->n_dims; i++) {
    FACET_CHECK(p->dims[i] > 0 && p->dims[i] <= INT32_MAX && *count <= (size_t)1 << 31, FACET_BAD_INPUT,
                "dimension %zu is %lld", i, (long long)p->dims[i]);
    shape->dim[i] = p->dims[i];
    *count *= (size_t)p->dims[i];
  }
  return FACET_OK;
}

/* Some writers leave an empty raw_data beside the typed field. */
static bool is_raw(const Onnx__TensorProto *p)
{
  return p->has_raw_data && p->raw_data.len > 0;
}

/* Elements that the typed field or the raw bytes hold. */
static size_t stored_count(const Onnx__TensorProto *p, stored_kind kind, size_t bytes)
{
  if (is_raw(p))
    return p->raw_data.len % bytes ? (size_t)-1 : p->raw_data.len / bytes;
  switch (kind) {
  case KIND_REAL32:
    return p->n_float_data;
  case KIND_REAL64:
    return p->n_double_data;
  case KIND_INT64:
    return p->n_int64_data;
  default:
    return p->n_int32_data;
  }
}

static double raw_real(const uint8_t *at, stored_kind kind)
{
  float single;
  double value;
  uint16_t half;
  switch (kind) {
  case KIND_REAL32:
    memcpy(&single, at, sizeof single);
    return (double)single;
  case KIND_REAL64:
    memcpy(&value, at, sizeof value);
    return value;
  default:
    memcpy(&half, at, sizeof half);
    return half_value(half);
  }
}

static double stored_real(const Onnx__TensorProto *p, stored_kind kind, size_t bytes, size_t i)
{
  if (is_raw(p))
    return raw_real(p->raw_data.data + i * bytes, kind);
  if (kind == KIND_REAL32)
    return (double)p->float_data[i];
  return kind == KIND_REAL64 ? p->double_data[i] : half_value((uint16_t)p->int32_data[i]);
}

static int64_t stored_integer(const Onnx__TensorProto *p, stored_kind kind, size_t bytes, size_t i)
{
  int64_t wide = 0;
  int32_t narrow = 0;
  if (!is_raw(p))
    return kind == KIND_INT64 ? p->int64_data[i] : p->int32_data[i];
  const uint8_t *at = p->raw_data.data + i * bytes;
  if (kind == KIND_BYTE)
    return *at;
  memcpy(&wide, at, kind == KIND_INT64 ? sizeof wide : 0);
  memcpy(&narrow, at, kind == KIND_INT32 ? sizeof narrow : 0);
  return kind == KIND_INT64 ? wide : narrow;
}

static facet_status raise_type(const Onnx__TensorProto *p)
{
  const ProtobufCEnumValue *type = protobuf_c_enum_descriptor_get_value(&onnx__tensor_proto__data_type__descriptor,
                                                                        p->has_data_type ? p->data_type : 0);
  if (type)
    return facet_raise(FACET_BAD_INPUT, "data type %s is not supported", type->name);
  return facet_raise(FACET_BAD_INPUT, "data type %d is not known", (int)p->data_type);
}

/* Says where element i of a row-major array is: "element [3, 0, 1] is NaN". */
static facet_status raise_not_finite(facet_shape shape, size_t i, double value)
{
  char text[FACET_MAX_RANK * 24] = "";
  int64_t index[FACET_MAX_RANK], rest = (int64_t)i;
  for (int d = shape.rank - 1; d >= 0; d--) {
    index[d] = rest % shape.dim[d];
    rest /= shape.dim[d];
  }
  size_t at = 0;
  for (int d = 0; d < shape.rank; d++)
    at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld", d ? ", " : "", (long long)index[d]);
  return facet_raise(FACET_BAD_INPUT, "element [%s] is %s", text, isnan(value) ? "NaN" : "infinite");
}

facet_status facet_tensor_from_proto(const Onnx__TensorProto *p, facet_tensor **tensor)
{
  size_t bytes, count = 0;
  stored_kind kind = kind_of(p->has_data_type ? p->data_type : 0, &bytes);
  facet_shape shape = {0};
  bool outside = p->has_data_location && p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  FACET_CHECK(!outside && p->n_external_data == 0, FACET_BAD_INPUT, "has its data in another file: not supported");
  FACET_CHECK(!p->segment, FACET_BAD_INPUT, "is split into segments: not supported");
  if (kind == KIND_NONE)
    return raise_type(p);
  FACET_TRY(read_shape(p, &shape, &count));
  size_t there = stored_count(p, kind, bytes);
  FACET_CHECK(there == count, FACET_BAD_INPUT, "holds %zu elements but its dimensions say %zu",
              there == (size_t)-1 ? p->raw_data.len / bytes : there, count);
  facet_type type = kind == KIND_REAL64 ? FACET_F64 : kind <= KIND_HALF ? FACET_F32 : FACET_I64;
  facet_tensor *t;
  FACET_TRY(facet_tensor_create(type, shape, &t));
  for (size_t i = 0; i < count; i++) {
    if (type == FACET_I64) {
      ((int64_t *)t->data)[i] = stored_integer(p, kind, bytes, i);
      continue;
    }
    double value = stored_real(p, kind, bytes, i);
    if (!isfinite(value)) {
      facet_tensor_destroy(&t);
      return raise_not_finite(shape, i, value);
    }
    facet_tensor_set(t, (int64_t)i, value);
  }
  *tensor = t;
  return FACET_OK;
}

void facet_tensor_to_proto(const facet_tensor *tensor, char *name, int64_t *dims, Onnx__TensorProto *p)
{
  static const int32_t type[] = {[FACET_F32] = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
                                 [FACET_F64] = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE,
                                 [FACET_I64] = ONNX__TENSOR_PROTO__DATA_TYPE__INT64};
  onnx__tensor_proto__init(p);
  memcpy(dims, tensor->shape.dim, (size_t)tensor->shape.rank * sizeof *dims);
  p->name = name;
  p->n_dims = (size_t)tensor->shape.rank;
  p->dims = dims;
  p->has_data_type = true;
  p->data_type = type[tensor->type];
  p->has_raw_data = true;
  p->raw_data.data = tensor->data;
  p->raw_data.len = (size_t)facet_shape_size(tensor->shape) * facet_type_size(tensor->type);
}
