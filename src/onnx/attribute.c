/* Attributes of nodes, from the messages of a file. */
#include <math.h>
#include <string.h>

#include "graph.h"

enum { MOST_ENTRIES = 1 << 20, LONGEST_TEXT = 4096 };

const Onnx__AttributeProto *facet_onnx_attribute(const Onnx__NodeProto *node, const char *name)
{
  for (size_t i = 0; i < node->n_attribute; i++)
    if (node->attribute[i]->name && strcmp(node->attribute[i]->name, name) == 0)
      return node->attribute[i];
  return NULL;
}

/* The first files of ONNX have no type: then the field that is there tells. */
static Onnx__AttributeProto__AttributeType type_of(const Onnx__AttributeProto *p)
{
  if (p->has_type && p->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED)
    return p->type;
  return p->has_i      ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT
         : p->has_f    ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT
         : p->has_s    ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING
         : p->n_ints   ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS
         : p->n_floats ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS
         : p->t        ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR
         : p->g        ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH
                       : ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED;
}

static facet_status read_integers(const Onnx__AttributeProto *p, facet_attribute *a)
{
  a->kind = FACET_INTS;
  FACET_CHECK(p->n_ints <= MOST_ENTRIES, FACET_BAD_INPUT, "attribute %s has %zu entries", p->name, p->n_ints);
  a->count = (int)p->n_ints;
  FACET_NEW(a->integers, p->n_ints);
  for (size_t i = 0; i < p->n_ints; i++)
    a->integers[i] = p->ints[i];
  return FACET_OK;
}

static facet_status read_number(const Onnx__AttributeProto *p, float from, double *to)
{
  FACET_CHECK(isfinite(from), FACET_BAD_INPUT, "attribute %s is %s", p->name, isnan(from) ? "NaN" : "infinite");
  *to = (double)from;
  return FACET_OK;
}

static facet_status read_numbers(const Onnx__AttributeProto *p, facet_attribute *a)
{
  a->kind = FACET_FLOATS;
  FACET_CHECK(p->n_floats <= MOST_ENTRIES, FACET_BAD_INPUT, "attribute %s has %zu entries", p->name, p->n_floats);
  a->count = (int)p->n_floats;
  FACET_NEW(a->numbers, p->n_floats);
  for (size_t i = 0; i < p->n_floats; i++)
    FACET_TRY(read_number(p, p->floats[i], &a->numbers[i]));
  return FACET_OK;
}

static facet_status read_text(const Onnx__AttributeProto *p, facet_attribute *a)
{
  a->kind = FACET_TEXT;
  FACET_CHECK(p->s.len <= LONGEST_TEXT, FACET_BAD_INPUT, "attribute %s has %zu characters", p->name, p->s.len);
  a->text = facet_format("%.*s", (int)p->s.len, p->s.len ? (const char *)p->s.data : "");
  facet_clean_text(a->text);
  return a->text ? FACET_OK : FACET_OS;
}

static facet_status read_tensor(const Onnx__AttributeProto *p, const char *path, facet_attribute *a)
{
  a->kind = FACET_TENSOR;
  FACET_CHECK(p->t, FACET_BAD_INPUT, "attribute %s is empty", p->name);
  facet_status status = facet_tensor_from_proto(p->t, path, &a->tensor);
  return status == FACET_OK ? FACET_OK : facet_raise_in(status, "attribute %s: ", p->name);
}

static facet_status read_attribute(const Onnx__AttributeProto *p, const char *path, bool bound, facet_attribute *a)
{
  FACET_CHECK(p->name && p->name[0], FACET_BAD_INPUT, "an attribute has no name");
  FACET_CHECK(!p->ref_attr_name || !p->ref_attr_name[0], FACET_BAD_INPUT,
              "attribute %s refers to one of a function, but the node is in none", p->name);
  if (!(a->name = facet_copy_text(p->name)))
    return FACET_OS;
  switch (type_of(p)) {
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
    a->kind = FACET_INT;
    a->integer = p->i;
    return FACET_OK;
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:
    a->kind = FACET_FLOAT;
    a->number = (double)p->f;
    return bound && isinf(p->f) ? FACET_OK : read_number(p, p->f, &a->number);
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
    return read_text(p, a);
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
    return read_integers(p, a);
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
    return read_numbers(p, a);
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
    return read_tensor(p, path, a);
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH:
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPHS:
    return facet_raise(FACET_BAD_INPUT, "attribute %s is a graph: networks within networks are not supported", p->name);
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR:
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSORS:
    return facet_raise(FACET_BAD_INPUT, "attribute %s is a sparse tensor: not supported", p->name);
  default:
    return facet_raise(FACET_BAD_INPUT, "attribute %s has a type that is not supported", p->name);
  }
}

/* Constant may hold a number or a list in other attributes than "value": those become the tensor they stand for. */
static facet_status constant_value(facet_attribute *a)
{
  bool list = a->kind == FACET_INTS || a->kind == FACET_FLOATS;
  bool whole = a->kind == FACET_INT || a->kind == FACET_INTS;
  if (strncmp(a->name, "value_", 6) != 0 || a->kind == FACET_TEXT || a->kind == FACET_TENSOR)
    return FACET_OK;
  char *name = facet_copy_text("value");
  if (!name)
    return FACET_OS;
  facet_free(&a->name);
  a->name = name;
  facet_shape shape = {.rank = list, .dim = {a->count}};
  FACET_TRY(facet_tensor_create(whole ? FACET_I64 : FACET_F32, shape, &a->tensor));
  for (int i = 0; i < (list ? a->count : 1); i++)
    if (whole)
      ((int64_t *)a->tensor->data)[i] = list ? a->integers[i] : a->integer;
    else
      ((float *)a->tensor->data)[i] = (float)(list ? a->numbers[i] : a->number);
  facet_free(&a->integers);
  facet_free(&a->numbers);
  a->kind = FACET_TENSOR;
  a->count = 0;
  return FACET_OK;
}

facet_status facet_onnx_attributes(const Onnx__NodeProto *node, const char *path, facet_attribute **attribute,
                                   int *count)
{
  facet_status status = FACET_OK;
  bool constant = strcmp(node->op_type, "Constant") == 0;
  bool bound = constant || strcmp(node->op_type, "Clip") == 0; /* a bound may be infinite */
  FACET_CHECK(node->n_attribute <= 1000, FACET_BAD_INPUT, "has %zu attributes", node->n_attribute);
  *count = (int)node->n_attribute;
  FACET_NEW(*attribute, *count);
  for (int i = 0; i < *count; i++) {
    FACET_GO(failed, status, read_attribute(node->attribute[i], path, bound, &(*attribute)[i]));
    FACET_GO(failed, status, facet_onnx_check_attribute(node->op_type, &(*attribute)[i]));
    FACET_CHECK_GO(failed, status, facet_onnx_attribute(node, node->attribute[i]->name) == node->attribute[i],
                   FACET_BAD_INPUT, "attribute %s is there twice", node->attribute[i]->name);
    if (constant)
      FACET_GO(failed, status, constant_value(&(*attribute)[i]));
  }
  return FACET_OK;
failed:
  facet_attributes_destroy(attribute, *count);
  return status;
}
