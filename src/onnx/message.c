/* From bytes to messages.
 *
 * protobuf-c unpacks messages within messages recursively and without a limit, so a small hostile file could exhaust
 * the stack.  A walk over the bytes, guided by the descriptors of the messages, goes before it and accepts only what
 * is well-formed and nested no deeper than any real network. */
#include <limits.h>
#include <string.h>

#include "graph.h"

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

/* ---- memory of messages: facet's, so that it is counted, and either may free what the other took ---- */

/* lacking: set where there is no memory; may be NULL. */
static void *take(void *lacking, size_t bytes)
{
  void *memory = facet_allocate(bytes, 1);
  if (!memory && lacking)
    *(bool *)lacking = true;
  return memory;
}

static void give_back(void *lacking, void *memory)
{
  (void)lacking;
  facet_free(&memory);
}

ProtobufCAllocator facet_onnx_memory = {take, give_back, NULL};

/* ---- names: whoever made the file chose them, and they end on terminals and in result files ---- */

static void clean_message(ProtobufCMessage *message);

static void clean_field(const ProtobufCFieldDescriptor *field, void *value)
{
  void *pointer;
  memcpy(&pointer, value, sizeof pointer);
  if (field->type == PROTOBUF_C_TYPE_STRING && pointer)
    facet_clean_text(pointer);
  else if (field->type == PROTOBUF_C_TYPE_MESSAGE && pointer)
    clean_message(pointer);
}

/* All texts of a message and of those within it, but for what nothing reads. */
static void clean_message(ProtobufCMessage *message)
{
  for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
    char *base = (char *)message, *list;
    uint32_t present;
    size_t count;
    if ((field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE) ||
        strcmp(field->name, "doc_string") == 0)
      continue;
    memcpy(&present, base + field->quantifier_offset, sizeof present);
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF && present != field->id)
      continue;
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
      clean_field(field, base + field->offset);
      continue;
    }
    memcpy(&count, base + field->quantifier_offset, sizeof count);
    memcpy(&list, base + field->offset, sizeof list);
    for (size_t j = 0; j < count; j++)
      clean_field(field, list + j * sizeof(void *));
  }
}

/* NULL: damaged, or FACET_OS where `lacking` comes back true. */
static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *descriptor, span s, bool *lacking)
{
  ProtobufCAllocator memory = {take, give_back, lacking};
  *lacking = false;
  ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &memory, (size_t)(s.end - s.at), s.at);
  if (message)
    clean_message(message);
  return message;
}

facet_status facet_onnx_unpack(const uint8_t *bytes, size_t count, Onnx__ModelProto **model)
{
  span all = {bytes, bytes + count};
  bool lacking = false;
  *model = NULL;
  FACET_CHECK(count > 0, FACET_BAD_INPUT, "is empty");
  if (well_formed(all, &onnx__model_proto__descriptor, DEEPEST))
    *model = (Onnx__ModelProto *)unpack(&onnx__model_proto__descriptor, all, &lacking);
  if (*model && (*model)->graph)
    return FACET_OK;
  facet_onnx_free(model);
  if (lacking)
    return FACET_OS;
  return facet_raise(FACET_BAD_INPUT, "is not an ONNX file, or is cut short or damaged");
}

facet_status facet_onnx_unpack_file(const char *path, Onnx__ModelProto **model)
{
  uint8_t *bytes;
  size_t count;
  *model = NULL;
  FACET_TRY(facet_read_file(path, &bytes, &count));
  facet_status status = facet_onnx_unpack(bytes, count, model);
  facet_free(&bytes);
  return status == FACET_OK ? FACET_OK : facet_raise_in(status, "%s: ", path);
}

void facet_onnx_free(Onnx__ModelProto **model)
{
  if (*model)
    onnx__model_proto__free_unpacked(*model, &facet_onnx_memory);
  *model = NULL;
}

/* ---- default values of attributes ----
 *
 * They came to ONNX with version 1.13.  An older onnx.proto does not know the field: then its bytes, length first, are
 * among those that protobuf-c keeps as unknown. */

enum { DEFAULTS = 11 /* FunctionProto.attribute_proto */ };

static bool is_named(const Onnx__AttributeProto *a, const char *name)
{
  return a->name && strcmp(a->name, name) == 0;
}

static facet_status unpack_attribute(span s, Onnx__AttributeProto **attribute)
{
  bool lacking;
  *attribute = (Onnx__AttributeProto *)unpack(&onnx__attribute_proto__descriptor, s, &lacking);
  return *attribute || !lacking ? FACET_OK : FACET_OS;
}

/* Another copy of a message. */
static facet_status copy_of(const Onnx__AttributeProto *a, Onnx__AttributeProto **copy)
{
  size_t count = onnx__attribute_proto__get_packed_size(a);
  uint8_t *bytes;
  FACET_NEW(bytes, count);
  onnx__attribute_proto__pack(a, bytes);
  facet_status status = unpack_attribute((span){bytes, bytes + count}, copy);
  facet_free(&bytes);
  return status;
}

static facet_status known_default(const Onnx__FunctionProto *function, const ProtobufCFieldDescriptor *field,
                                  const char *name, Onnx__AttributeProto **attribute)
{
  size_t count;
  Onnx__AttributeProto **list;
  memcpy(&count, (const uint8_t *)function + field->quantifier_offset, sizeof count);
  memcpy(&list, (const uint8_t *)function + field->offset, sizeof list);
  for (size_t i = 0; i < count; i++)
    if (is_named(list[i], name))
      return copy_of(list[i], attribute);
  return FACET_OK;
}

facet_status facet_onnx_default(const Onnx__FunctionProto *function, const char *name, Onnx__AttributeProto **attribute)
{
  const ProtobufCFieldDescriptor *field =
      protobuf_c_message_descriptor_get_field(&onnx__function_proto__descriptor, DEFAULTS);
  *attribute = NULL;
  if (field)
    return known_default(function, field, name, attribute);
  for (size_t i = 0; i < function->base.n_unknown_fields && !*attribute; i++) {
    const ProtobufCMessageUnknownField *f = &function->base.unknown_fields[i];
    span all = {f->data, f->data + f->len}, inner;
    if (f->tag != DEFAULTS)
      continue;
    bool sound =
        take_field(&all, f->wire_type, &inner) && well_formed(inner, &onnx__attribute_proto__descriptor, DEEPEST);
    Onnx__AttributeProto *a = NULL;
    if (sound)
      FACET_TRY(unpack_attribute(inner, &a));
    FACET_CHECK(a, FACET_BAD_INPUT, "a default value is damaged");
    if (is_named(a, name))
      *attribute = a;
    else
      onnx__attribute_proto__free_unpacked(a, &facet_onnx_memory);
  }
  return FACET_OK;
}
