/* From bytes to messages.
 *
 * protobuf-c unpacks messages within messages recursively and without a limit, so a small hostile file could exhaust
 * the stack.  A walk over the bytes, guided by the descriptors of the messages, goes before it and accepts only what
 * is well-formed and nested no deeper than any real network. */
#include <limits.h>

#include "onnx/graph.h"

enum { DEEPEST = 40 };

typedef struct {
  const uint8_t *at, *end;
} span;

static bool take_varint(span *s, uint64_t *value)
{
  *value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (s->at == s->end)
      return false;
    uint8_t byte = *s->at++;
    *value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80)
      return true;
  }
  return false;
}

static bool take_bytes(span *s, uint64_t count)
{
  if (count > (uint64_t)(s->end - s->at))
    return false;
  s->at += count;
  return true;
}

/* Takes what follows a tag; *inner is the content of a length-prefixed field, else empty. */
static bool take_field(span *s, unsigned wire, span *inner)
{
  enum { VARINT = 0, EIGHT_BYTES = 1, LENGTH_PREFIXED = 2, FOUR_BYTES = 5 };
  uint64_t value;
  *inner = (span){s->end, s->end};
  switch (wire) {
  case VARINT:
    return take_varint(s, &value);
  case EIGHT_BYTES:
    return take_bytes(s, 8);
  case FOUR_BYTES:
    return take_bytes(s, 4);
  case LENGTH_PREFIXED:
    if (!take_varint(s, &value) || !take_bytes(s, value))
      return false;
    *inner = (span){s->at - value, s->at};
    return true;
  default:
    return false;
  }
}

static bool well_formed(span s, const ProtobufCMessageDescriptor *message, int deeper)
{
  while (s.at < s.end) {
    uint64_t tag;
    span inner;
    if (!take_varint(&s, &tag) || tag >> 3 == 0 || tag >> 3 > INT_MAX || !take_field(&s, tag & 7, &inner))
      return false;
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(message, (unsigned)(tag >> 3));
    if (field && field->type == PROTOBUF_C_TYPE_MESSAGE && inner.at < inner.end &&
        (deeper == 0 || !well_formed(inner, field->descriptor, deeper - 1)))
      return false;
  }
  return true;
}

facet_status facet_onnx_unpack(const uint8_t *bytes, size_t count, Onnx__ModelProto **model)
{
  *model = NULL;
  FACET_CHECK(count > 0, FACET_BAD_INPUT, "is empty");
  if (well_formed((span){bytes, bytes + count}, &onnx__model_proto__descriptor, DEEPEST))
    *model = onnx__model_proto__unpack(NULL, count, bytes);
  if (*model && (*model)->graph)
    return FACET_OK;
  facet_onnx_free(model);
  return facet_raise(FACET_BAD_INPUT, "is not an ONNX file, or is cut short or damaged");
}

void facet_onnx_free(Onnx__ModelProto **model)
{
  if (*model)
    onnx__model_proto__free_unpacked(*model, NULL);
  *model = NULL;
}
