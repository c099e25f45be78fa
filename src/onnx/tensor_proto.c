/* Constant arrays in ONNX: little-endian raw bytes, in the message or in another file, or a typed field of the
 * message. */
#include "tensor_proto.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- types of numbers ---- */

/* How a data type is stored, and what it becomes. */
typedef struct {
  int32_t type;
  size_t bytes; /* of an element */
  facet_type becomes;
} layout;

#define TYPE(name) ONNX__TENSOR_PROTO__DATA_TYPE__##name
static const layout layouts[] = {
    {TYPE(FLOAT), 4, FACET_F32},       {TYPE(DOUBLE), 8, FACET_F64}, {TYPE(FLOAT16), 2, FACET_F32},
    {16 /* BFLOAT16 */, 2, FACET_F32}, {TYPE(INT64), 8, FACET_I64},  {TYPE(INT32), 4, FACET_I64},
    {TYPE(INT16), 2, FACET_I64},       {TYPE(INT8), 1, FACET_I64},   {TYPE(UINT64), 8, FACET_I64},
    {TYPE(UINT32), 4, FACET_I64},      {TYPE(UINT16), 2, FACET_I64}, {TYPE(UINT8), 1, FACET_I64},
    {TYPE(BOOL), 1, FACET_I64},
};

/* The elements lie in the file as they lie in memory. */
static bool is_plain(const layout *l)
{
  return l->type == TYPE(FLOAT) || l->type == TYPE(DOUBLE) || l->type == TYPE(INT64);
}

static facet_status find_layout(const Onnx__TensorProto *p, const layout **l)
{
  int32_t type = p->has_data_type ? p->data_type : 0;
  for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
    if (layouts[i].type == type) {
      *l = &layouts[i];
      return FACET_OK;
    }
  const ProtobufCEnumValue *known =
      protobuf_c_enum_descriptor_get_value(&onnx__tensor_proto__data_type__descriptor, type);
  if (known)
    return facet_raise(FACET_BAD_INPUT, "data type %s is not supported", known->name);
  return facet_raise(FACET_BAD_INPUT, "data type %d is not known", (int)type);
}

/* IEEE 754 half precision. */
static float half_value(uint16_t bits)
{
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double magnitude = exponent == 31  ? (fraction ? (double)NAN : (double)INFINITY)
                     : exponent == 0 ? ldexp(fraction, -24)
                                     : ldexp(1024 + fraction, exponent - 25);
  return (float)(bits & 0x8000 ? -magnitude : magnitude);
}

/* The upper half of a float. */
static float brain_value(uint16_t bits)
{
  uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

static float short_value(const layout *l, uint16_t bits)
{
  return l->type == TYPE(FLOAT16) ? half_value(bits) : brain_value(bits);
}

/* An integer of 1 to 8 bytes. */
static int64_t integer_value(const layout *l, const uint8_t *at)
{
  uint64_t bits = 0;
  memcpy(&bits, at, l->bytes);
  switch (l->type) {
  case TYPE(INT32):
    return (int32_t)bits;
  case TYPE(INT16):
    return (int16_t)bits;
  case TYPE(INT8):
    return (int8_t)bits;
  case TYPE(BOOL):
    return bits != 0;
  default:
    return (int64_t)bits;
  }
}

/* ---- what is stored ---- */

/* Dimensions, with a product that is known to fit. */
static facet_status read_shape(const Onnx__TensorProto *p, facet_shape *shape, size_t *count)
{
  FACET_CHECK(p->n_dims <= FACET_MAX_RANK, FACET_BAD_INPUT, "has %zu dimensions: at most %d are supported", p->n_dims,
              FACET_MAX_RANK);
  *count = 1;
  shape->rank = (int)p->n_dims;
  for (size_t i = 0; i < p->n_dims; i++) {
    FACET_CHECK(p->dims[i] >= 0 && p->dims[i] <= INT32_MAX, FACET_BAD_INPUT, "dimension %zu is %lld", i,
                (long long)p->dims[i]);
    FACET_CHECK(*count <= (size_t)1 << 31, FACET_BAD_INPUT, "has too many elements");
    shape->dim[i] = p->dims[i];
    *count *= (size_t)p->dims[i];
  }
  return FACET_OK;
}

/* UINT64_MAX, which no file holds, where it is even more. */
static uint64_t byte_count(const layout *l, size_t count)
{
  uint64_t bytes;
  return __builtin_mul_overflow(count, l->bytes, &bytes) ? UINT64_MAX : bytes;
}

/* Some writers leave an empty raw_data beside the typed field. */
static bool is_raw(const Onnx__TensorProto *p)
{
  return p->has_raw_data && p->raw_data.len > 0;
}

/* Elements that the message itself holds. */
static size_t stored_count(const Onnx__TensorProto *p, const layout *l)
{
  if (is_raw(p))
    return p->raw_data.len % l->bytes ? (size_t)-1 : p->raw_data.len / l->bytes;
  switch (l->type) {
  case TYPE(FLOAT):
    return p->n_float_data;
  case TYPE(DOUBLE):
    return p->n_double_data;
  case TYPE(INT64):
    return p->n_int64_data;
  case TYPE(UINT64):
  case TYPE(UINT32):
    return p->n_uint64_data;
  default:
    return p->n_int32_data;
  }
}

/* Elements `from` to `from + count` of the tensor, out of raw bytes. */
static void take_raw(const layout *l, const uint8_t *raw, size_t from, size_t count, facet_tensor *t)
{
  if (is_plain(l)) {
    memcpy((uint8_t *)t->data + from * l->bytes, raw, count * l->bytes);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    uint16_t bits;
    if (t->type == FACET_I64) {
      ((int64_t *)t->data)[from + i] = integer_value(l, raw + i * l->bytes);
      continue;
    }
    memcpy(&bits, raw + i * l->bytes, sizeof bits);
    ((float *)t->data)[from + i] = short_value(l, bits);
  }
}

static void take_typed(const Onnx__TensorProto *p, const layout *l, size_t count, facet_tensor *t)
{
  const void *plain = l->type == TYPE(FLOAT)    ? (const void *)p->float_data
                      : l->type == TYPE(DOUBLE) ? (const void *)p->double_data
                                                : (const void *)p->int64_data;
  if (is_plain(l)) {
    memcpy(t->data, plain, count * l->bytes);
    return;
  }
  for (size_t i = 0; i < count; i++)
    if (l->becomes == FACET_F32)
      ((float *)t->data)[i] = short_value(l, (uint16_t)p->int32_data[i]);
    else if (l->type == TYPE(UINT64) || l->type == TYPE(UINT32))
      ((int64_t *)t->data)[i] = (int64_t)p->uint64_data[i];
    else
      ((int64_t *)t->data)[i] = l->type == TYPE(BOOL) ? p->int32_data[i] != 0 : p->int32_data[i];
}

/* Straight into the tensor where that can be, else block by block. */
static facet_status take_external(const layout *l, facet_external *e, size_t count, facet_tensor *t)
{
  uint8_t block[1 << 14];
  if (is_plain(l))
    return facet_external_read(e, t->data, count * l->bytes);
  for (size_t from = 0; from < count;) {
    size_t part = sizeof block / l->bytes < count - from ? sizeof block / l->bytes : count - from;
    FACET_TRY(facet_external_read(e, block, part * l->bytes));
    take_raw(l, block, from, part, t);
    from += part;
  }
  return FACET_OK;
}

/* ---- what they hold ---- */

/* Says where element i of a row-major array is: "element [3, 0, 1] is NaN". */
static facet_status raise_element(facet_shape shape, size_t i, const char *what)
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
  return facet_raise(FACET_BAD_INPUT, "element [%s] is %s", text, what);
}

/* An infinity by itself may be a bound that does not bind; where it is none, the network's check tells. */
static facet_status check_elements(const facet_tensor *t, const layout *l, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (t->type == FACET_I64) {
      if ((l->type == TYPE(UINT64) || l->type == TYPE(UINT32)) && ((const int64_t *)t->data)[i] < 0)
        return raise_element(t->shape, i, "too large");
      continue;
    }
    double value = facet_tensor_get(t, (int64_t)i);
    if (!isfinite(value) && (count > 1 || isnan(value)))
      return raise_element(t->shape, i, isnan(value) ? "NaN" : "infinite");
  }
  return FACET_OK;
}

/* ---- the whole ---- */

static facet_status create_from_file(const Onnx__TensorProto *p, const char *model, const layout *l, facet_shape shape,
                                     size_t count, facet_tensor **t)
{
  facet_external e;
  FACET_TRY(facet_external_open(p, model, byte_count(l, count), &e));
  facet_status status;
  FACET_GO(done, status, facet_tensor_create(l->becomes, shape, t));
  status = take_external(l, &e, count, *t);
done:
  facet_external_close(&e);
  return status;
}

static facet_status create_from_message(const Onnx__TensorProto *p, const layout *l, facet_shape shape, size_t count,
                                        facet_tensor **t)
{
  size_t there = stored_count(p, l);
  FACET_CHECK(there == count, FACET_BAD_INPUT, "holds %zu elements but its dimensions say %zu",
              there == (size_t)-1 ? p->raw_data.len / l->bytes : there, count);
  FACET_TRY(facet_tensor_create(l->becomes, shape, t));
  if (count == 0) /* no pointers to nothing */
    return FACET_OK;
  if (is_raw(p))
    take_raw(l, p->raw_data.data, 0, count, *t);
  else
    take_typed(p, l, count, *t);
  return FACET_OK;
}

facet_status facet_tensor_from_proto(const Onnx__TensorProto *p, const char *model, facet_tensor **tensor)
{
  const layout *l;
  facet_shape shape = {0};
  size_t count;
  facet_tensor *t = NULL;
  FACET_CHECK(!p->segment, FACET_BAD_INPUT, "is split into segments: not supported");
  FACET_TRY(find_layout(p, &l));
  FACET_TRY(read_shape(p, &shape, &count));
  facet_status status;
  FACET_GO(done, status,
           facet_external_is(p) ? create_from_file(p, model, l, shape, count, &t)
                                : create_from_message(p, l, shape, count, &t));
  status = check_elements(t, l, count);
done:
  if (status != FACET_OK)
    facet_tensor_destroy(&t);
  *tensor = t;
  return status;
}

void facet_tensor_to_proto(const facet_tensor *tensor, char *name, int64_t *dims, Onnx__TensorProto *p)
{
  static const int32_t type[] = {[FACET_F32] = TYPE(FLOAT), [FACET_F64] = TYPE(DOUBLE), [FACET_I64] = TYPE(INT64)};
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

static void forget_external(Onnx__TensorProto *p)
{
  for (size_t i = 0; i < p->n_external_data; i++)
    onnx__string_string_entry_proto__free_unpacked(p->external_data[i], &facet_onnx_memory);
  facet_free(&p->external_data);
  p->n_external_data = 0;
  p->has_data_location = false;
}

facet_status facet_tensor_embed(Onnx__TensorProto *p, const char *model)
{
  const layout *l;
  facet_shape shape = {0};
  facet_external e;
  size_t count;
  if (!facet_external_is(p))
    return FACET_OK;
  FACET_TRY(find_layout(p, &l));
  FACET_TRY(read_shape(p, &shape, &count));
  FACET_TRY(facet_external_open(p, model, byte_count(l, count), &e));
  facet_free(&p->raw_data.data);
  p->has_raw_data = true;
  p->raw_data.len = 0;
  p->raw_data.data = facet_allocate(count, l->bytes);
  facet_status status = FACET_OS;
  if (p->raw_data.data) {
    p->raw_data.len = count * l->bytes;
    status = facet_external_read(&e, p->raw_data.data, p->raw_data.len);
  }
  facet_external_close(&e);
  forget_external(p);
  return status;
}
