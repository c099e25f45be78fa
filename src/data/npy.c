/* NumPy .npy: a magic string, a header that is a Python dictionary, then the array (NEP 1).
 *
 * Images published for CIFAR-10-C are N x 32 x 32 x 3: a last dimension of 1, 3 or 4 where the second is none of these
 * is taken for channels, and brought to the front. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/bytes.h"

typedef struct {
  uint8_t *bytes;
  size_t count;
  const uint8_t *data;
  size_t left; /* bytes of data */
  char kind;   /* u, i, f, b */
  int width;   /* bytes of a number */
  int rank;
  int64_t dim[8];
} array;

/* The value of 'key' in the header's dictionary. */
static const char *entry(const char *header, const char *key)
{
  char quoted[32];
  snprintf(quoted, sizeof quoted, "'%s'", key);
  const char *at = strstr(header, quoted);
  at = at ? strchr(at + strlen(quoted), ':') : NULL;
  while (at && (*at == ':' || *at == ' '))
    at++;
  return at;
}

static facet_status parse_header(const char *path, const char *header, array *a)
{
  const char *type = entry(header, "descr"), *order = entry(header, "fortran_order"), *shape = entry(header, "shape");
  FACET_CHECK(type && order && shape && type[0] == '\'' && strlen(type) > 4 && shape[0] == '(', FACET_BAD_INPUT,
              "%s: damaged .npy header", path);
  FACET_CHECK(strncmp(order, "False", 5) == 0, FACET_BAD_INPUT,
              "%s: Fortran order is not supported: save a C-ordered array", path);
  a->kind = type[2];
  a->width = atoi(type + 3);
  bool known = (strchr("<|=", type[1]) || a->width == 1) && a->width > 0 && a->width <= 8 && strchr("uifb", a->kind);
  FACET_CHECK(known && type[1], FACET_BAD_INPUT, "%s: numbers of type %.4s are not supported", path, type + 1);
  for (shape++; *shape && *shape != ')';) {
    char *end;
    long long d = strtoll(shape, &end, 10);
    if (end == shape) {
      shape++;
      continue;
    }
    FACET_CHECK(a->rank < 8 && d >= 0, FACET_BAD_INPUT, "%s: damaged .npy header", path);
    a->dim[a->rank++] = d;
    shape = end;
  }
  return FACET_OK;
}

static facet_status parse(const char *path, array *a)
{
  FACET_CHECK(a->count >= 10 && memcmp(a->bytes, "\x93NUMPY", 6) == 0, FACET_BAD_INPUT, "%s: wrong magic: no .npy file",
              path);
  size_t wide = a->bytes[6] >= 2 ? 4 : 2, start = 8 + wide, length = 0;
  FACET_CHECK(a->count >= start, FACET_BAD_INPUT, "%s: truncated", path);
  for (size_t i = 0; i < wide; i++)
    length |= (size_t)a->bytes[8 + i] << (8 * i);
  FACET_CHECK(length > 0 && length <= a->count - start && length <= 1 << 20, FACET_BAD_INPUT, "%s: truncated", path);
  char *header = facet_format("%.*s", (int)length, (const char *)a->bytes + start);
  if (!header)
    return FACET_OS;
  facet_status status = parse_header(path, header, a);
  facet_free(&header);
  FACET_TRY(status);
  a->data = a->bytes + start + length;
  a->left = a->count - start - length;
  size_t size = (size_t)a->width;
  for (int i = 0; i < a->rank; i++) {
    FACET_CHECK(a->dim[i] > 0, FACET_BAD_INPUT, "%s: dimension %d is %lld", path, i, (long long)a->dim[i]);
    FACET_CHECK(size <= a->left / (size_t)a->dim[i], FACET_BAD_INPUT,
                "%s: truncated: its header says more than %zu bytes", path, a->left);
    size *= (size_t)a->dim[i];
  }
  FACET_CHECK(size == a->left, FACET_BAD_INPUT, "%s: holds %zu bytes but its header says %zu", path, a->left, size);
  return FACET_OK;
}

static facet_status array_read(const char *path, array *a)
{
  *a = (array){0};
  FACET_TRY(facet_bytes_read(path, &a->bytes, &a->count));
  facet_status status = parse(path, a);
  if (status != FACET_OK)
    facet_free(&a->bytes);
  return status;
}

static double real_at(const array *a, int64_t i)
{
  float single;
  double value;
  if (a->width == 4) {
    memcpy(&single, a->data + 4 * i, sizeof single);
    return (double)single;
  }
  memcpy(&value, a->data + 8 * i, sizeof value);
  return value;
}

static int64_t integer_at(const array *a, int64_t i)
{
  uint64_t bits = 0;
  memcpy(&bits, a->data + a->width * i, (size_t)a->width);
  if (a->kind == 'i' && a->width < 8 && bits >> (8 * a->width - 1))
    bits |= ~(uint64_t)0 << (8 * a->width);
  return (int64_t)bits;
}

static bool is_channels(int64_t d)
{
  return d == 1 || d == 3 || d == 4;
}

/* Copies pixels, channels first. */
static facet_status copy_pixels(const array *a, bool channels_last, facet_part *part)
{
  int64_t plane = part->height * part->width, size = part->channels * plane;
  part->is_float = a->kind == 'f';
  part->pixels = facet_allocate((size_t)(part->count * size), part->is_float ? sizeof(float) : 1);
  if (!part->pixels)
    return FACET_OS;
  for (int64_t n = 0; n < part->count; n++)
    for (int64_t c = 0; c < part->channels; c++)
      for (int64_t p = 0; p < plane; p++) {
        int64_t to = n * size + c * plane + p, from = channels_last ? n * size + p * part->channels + c : to;
        if (part->is_float)
          ((float *)part->pixels)[to] = (float)real_at(a, from);
        else
          ((uint8_t *)part->pixels)[to] = a->data[from];
      }
  return FACET_OK;
}

facet_status facet_npy_pixels(const char *path, facet_part *part)
{
  array a;
  FACET_TRY(array_read(path, &a));
  facet_status status = FACET_OK;
  bool bytes = a.kind == 'u' && a.width == 1, reals = a.kind == 'f' && a.width >= 4;
  bool last = a.rank == 4 && is_channels(a.dim[3]) && !is_channels(a.dim[1]);
  if (!bytes && !reals)
    status = facet_raise(FACET_BAD_INPUT, "%s: pixels must be uint8, float32 or float64", path);
  if (last) {
    int64_t channels = a.dim[3];
    a.dim[3] = a.dim[2];
    a.dim[2] = a.dim[1];
    a.dim[1] = channels;
  }
  if (status == FACET_OK)
    status = facet_part_shape(path, a.rank, a.dim, part);
  if (status == FACET_OK)
    status = copy_pixels(&a, last, part);
  if (status == FACET_OK)
    status = facet_part_finite(path, part);
  facet_free(&a.bytes);
  return status;
}

facet_status facet_npy_labels(const char *path, facet_part *part)
{
  array a;
  FACET_TRY(array_read(path, &a));
  facet_status status = FACET_OK;
  if (a.kind == 'f' || a.rank < 1 || (a.rank > 1 && a.left != (size_t)(a.dim[0] * a.width)))
    status = facet_raise(FACET_BAD_INPUT, "%s: labels must be a list of integers", path);
  if (status == FACET_OK && !(part->label = facet_allocate((size_t)a.dim[0], sizeof *part->label)))
    status = FACET_OS;
  for (int64_t i = 0; status == FACET_OK && i < a.dim[0]; i++) {
    int64_t label = integer_at(&a, i);
    part->label[i] = label < -1 || label > INT32_MAX ? INT32_MAX : (int32_t)label;
  }
  part->count = a.rank > 0 ? a.dim[0] : 0;
  facet_free(&a.bytes);
  return status;
}
