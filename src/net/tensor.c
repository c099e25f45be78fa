/* Shapes and constant arrays. */
#include "net.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int64_t facet_shape_size(facet_shape shape)
{
  int64_t size = 1;
  for (int i = 0; i < shape.rank; i++)
    if (__builtin_mul_overflow(size, shape.dim[i], &size))
      return INT64_MAX;
  return size;
}

bool facet_shape_same(facet_shape a, facet_shape b)
{
  return a.rank == b.rank && (a.rank == 0 || memcmp(a.dim, b.dim, (size_t)a.rank * sizeof a.dim[0]) == 0);
}

const char *facet_shape_text(facet_shape shape)
{
  static _Thread_local char texts[8][FACET_MAX_RANK * 24];
  static _Thread_local unsigned turn;
  char *text = texts[turn++ % 8];
  int at = shape.rank == 0 ? snprintf(text, sizeof texts[0], "scalar") : 0;
  for (int i = 0; i < shape.rank; i++)
    at += snprintf(text + at, sizeof texts[0] - (size_t)at, "%s%lld", i ? " x " : "", (long long)shape.dim[i]);
  return text;
}

facet_status facet_tensor_create(facet_type type, facet_shape shape, facet_tensor **tensor)
{
  facet_tensor *t;
  FACET_NEW(t, 1);
  t->type = type;
  t->shape = shape;
  t->data = facet_allocate((size_t)facet_shape_size(shape), facet_type_size(type));
  if (!t->data) {
    facet_free(&t);
    return FACET_OS;
  }
  *tensor = t;
  return FACET_OK;
}

facet_status facet_tensor_copy(const facet_tensor *tensor, facet_tensor **copy)
{
  FACET_TRY(facet_tensor_create(tensor->type, tensor->shape, copy));
  memcpy((*copy)->data, tensor->data, (size_t)facet_shape_size(tensor->shape) * facet_type_size(tensor->type));
  return FACET_OK;
}

facet_status facet_tensor_of_one(double number, facet_tensor **tensor)
{
  FACET_TRY(facet_tensor_create(FACET_F64, (facet_shape){0}, tensor));
  facet_tensor_set(*tensor, 0, number);
  return FACET_OK;
}

void facet_tensor_destroy(facet_tensor **tensor)
{
  if (*tensor)
    facet_free(&(*tensor)->data);
  facet_free(tensor);
}

int64_t facet_whole_of(double x)
{
  return isnan(x) ? 0 : x >= 0x1p63 ? INT64_MAX : x < -0x1p63 ? INT64_MIN : (int64_t)x;
}

double facet_tensor_get(const facet_tensor *tensor, int64_t i)
{
  switch (tensor->type) {
  case FACET_F32:
    return ((const float *)tensor->data)[i];
  case FACET_F64:
    return ((const double *)tensor->data)[i];
  case FACET_I64:
    break;
  }
  return (double)((const int64_t *)tensor->data)[i];
}

void facet_tensor_set(facet_tensor *tensor, int64_t i, double x)
{
  switch (tensor->type) {
  case FACET_F32:
    ((float *)tensor->data)[i] = (float)x;
    break;
  case FACET_F64:
    ((double *)tensor->data)[i] = x;
    break;
  case FACET_I64:
    ((int64_t *)tensor->data)[i] = facet_whole_of(x);
    break;
  }
}
