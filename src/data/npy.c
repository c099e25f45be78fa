/* NumPy .npy: a magic string, a header that is a Python dictionary, then the array (NEP 1). */
#include "npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_HEADER = 1 << 20, AT_ONCE = 4096 }; /* bytes */

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

/* As NumPy calls it: "uint16". */
static const char *type_name(const facet_npy *a, char text[12])
{
  const char *kind = a->kind == 'u' ? "uint" : a->kind == 'i' ? "int" : a->kind == 'f' ? "float" : "bool";
  (void)snprintf(text, 12, "%s%.0d", kind, a->kind == 'b' ? 0 : 8 * a->width);
  return text;
}

/* 'descr': '<f4': byte order, kind, bytes of a number. */
static facet_status parse_type(const char *path, const char *text, facet_npy *a)
{
  int length = (int)strcspn(text, ",}");
  FACET_CHECK(strncmp(text, "'|O'", 4) != 0, FACET_BAD_INPUT,
              "%s: holds Python objects (images of several sizes?), not numbers: save one array of numbers", path);
  bool simple = length >= 5 && text[0] == '\'' && text[4] == '\'';
  FACET_CHECK(simple && strchr("uifb", text[2]) && strchr("1248", text[3]), FACET_BAD_INPUT,
              "%s: numbers of type %.*s are not supported", path, length < 40 ? length : 40, text);
  FACET_CHECK(text[3] == '1' || strchr("<|=", text[1]), FACET_BAD_INPUT,
              "%s: numbers of type %.5s are not supported: save them little endian", path, text);
  a->kind = text[2];
  a->width = text[3] - '0';
  return FACET_OK;
}

/* 'shape': (3, 2, 4), or (3,), or (). */
static facet_status parse_shape(const char *path, const char *text, facet_npy *a)
{
  FACET_CHECK(*text == '(', FACET_BAD_INPUT, "%s: damaged .npy header", path);
  text += 1 + strspn(text + 1, " ");
  while (*text != ')') {
    char *end;
    FACET_CHECK(*text >= '0' && *text <= '9' && a->rank < FACET_NPY_DIMENSIONS, FACET_BAD_INPUT,
                "%s: damaged .npy header", path);
    a->dim[a->rank++] = strtoll(text, &end, 10); /* what overflows is more than any file holds */
    end += *end == 'L';                          /* so Python 2 wrote it */
    end += strspn(end, " ");
    FACET_CHECK(*end == ',' || *end == ')', FACET_BAD_INPUT, "%s: damaged .npy header", path);
    text = end + (*end == ',');
    text += strspn(text, " ");
  }
  return FACET_OK;
}

static facet_status parse_header(const char *path, const char *header, facet_npy *a)
{
  const char *type = entry(header, "descr"), *order = entry(header, "fortran_order"), *shape = entry(header, "shape");
  FACET_CHECK(type && order && shape, FACET_BAD_INPUT, "%s: damaged .npy header", path);
  FACET_TRY(parse_type(path, type, a));
  FACET_CHECK(strncmp(order, "True", 4) != 0, FACET_BAD_INPUT,
              "%s: Fortran order is not supported: save a C-ordered array", path);
  FACET_CHECK(strncmp(order, "False", 5) == 0, FACET_BAD_INPUT, "%s: damaged .npy header", path);
  return parse_shape(path, shape, a);
}

/* What precedes the header: a magic string, the version, the header's length. */
static facet_status read_prefix(const char *path, facet_npy *a, size_t *length)
{
  static const char magic[] = "\x93NUMPY";
  uint8_t bytes[12];
  size_t size = a->bytes->size, there = size < sizeof bytes ? size : sizeof bytes, same = size < 6 ? size : 6;
  FACET_TRY(facet_bytes_take(a->bytes, 0, there, bytes));
  FACET_CHECK(size < 4 || memcmp(bytes, "PK\3\4", 4) != 0, FACET_BAD_INPUT,
              "%s: is an .npz archive of arrays: save each by itself as .npy (numpy.save)", path);
  FACET_CHECK(memcmp(bytes, magic, same) == 0, FACET_BAD_INPUT, "%s: wrong magic: not a .npy file", path);
  FACET_CHECK(size >= 8, FACET_BAD_INPUT, "%s: truncated: %zu bytes", path, size);
  FACET_CHECK(bytes[6] >= 1 && bytes[6] <= 3, FACET_BAD_INPUT, "%s: version %d of .npy is not supported", path,
              bytes[6]);
  size_t wide = bytes[6] == 1 ? 2 : 4;
  a->start = 8 + wide;
  FACET_CHECK(size >= a->start, FACET_BAD_INPUT, "%s: truncated: %zu bytes", path, size);
  *length = 0;
  for (size_t i = 0; i < wide; i++)
    *length |= (size_t)bytes[8 + i] << (8 * i);
  FACET_CHECK(*length <= size - a->start, FACET_BAD_INPUT, "%s: truncated: its header alone says %zu bytes", path,
              *length);
  FACET_CHECK(*length <= LONGEST_HEADER, FACET_BAD_INPUT, "%s: damaged .npy header: %zu bytes", path, *length);
  return FACET_OK;
}

static facet_status read_header(const char *path, facet_npy *a)
{
  char *header;
  size_t length;
  FACET_TRY(read_prefix(path, a, &length));
  FACET_NEW(header, length + 1);
  facet_status status = facet_bytes_take(a->bytes, a->start, length, header);
  if (status == FACET_OK)
    status = parse_header(path, header, a);
  facet_free(&header);
  a->start += length;
  a->left = a->bytes->size - a->start;
  return status;
}

static facet_status check_size(const char *path, const facet_npy *a)
{
  size_t size = (size_t)a->width;
  for (int i = 0; i < a->rank; i++) {
    FACET_CHECK(a->dim[i] > 0, FACET_BAD_INPUT, "%s: dimension %d is %lld", path, i, (long long)a->dim[i]);
    FACET_CHECK(size <= a->left / (size_t)a->dim[i], FACET_BAD_INPUT,
                "%s: truncated: its header says more than the %zu bytes it holds", path, a->left);
    size *= (size_t)a->dim[i];
  }
  FACET_CHECK(size == a->left, FACET_BAD_INPUT, "%s: %s: holds %zu bytes but its header says %zu", path,
              a->left < size ? "truncated" : "too long", a->left, size);
  return FACET_OK;
}

/* As facet_bytes_most. */
static size_t most_bytes(const facet_bytes *bytes)
{
  facet_npy a = {.bytes = (facet_bytes *)bytes};
  if (bytes->size < LONGEST_HEADER)
    return SIZE_MAX;
  if (read_header(bytes->path, &a) != FACET_OK)
    return 0;
  size_t size = (size_t)a.width;
  for (int i = 0; i < a.rank; i++)
    size = facet_bytes_times(size, a.dim[i] < 0 ? 0 : (size_t)a.dim[i]);
  return a.start + size;
}

facet_status facet_npy_open(const char *path, facet_decoded *decoded, facet_npy *a)
{
  *a = (facet_npy){0};
  FACET_TRY(facet_bytes_open_most(path, decoded, most_bytes, &a->bytes));
  facet_status status = read_header(path, a);
  if (status == FACET_OK)
    status = check_size(path, a);
  if (status != FACET_OK)
    facet_bytes_close(&a->bytes);
  return status;
}

/* Unsigned numbers beyond int64 become its largest. */
static int64_t integer_at(const facet_npy *a, const uint8_t *at)
{
  uint64_t bits = 0;
  memcpy(&bits, at, (size_t)a->width);
  if (a->kind == 'i' && a->width < 8 && bits >> (8 * a->width - 1))
    bits |= ~(uint64_t)0 << (8 * a->width);
  return a->kind != 'i' && bits > INT64_MAX ? INT64_MAX : (int64_t)bits;
}

facet_status facet_npy_pixels(const char *path, facet_part *part)
{
  facet_npy a;
  char type[12];
  FACET_TRY(facet_npy_open(path, part->decoded, &a));
  part->bytes = a.bytes;                                                             /* the part's from here on */
  bool bytes = a.kind == 'u' && a.width == 1, reals = a.kind == 'f' && a.width >= 4; /* 4 or 8 */
  FACET_CHECK(bytes || reals, FACET_BAD_INPUT, "%s: pixels are %s: save them as uint8, float32 or float64", path,
              type_name(&a, type));
  FACET_TRY(facet_part_shape(path, a.rank, a.dim, part));
  part->is_float = reals;
  part->start = a.start;
  part->width = (size_t)a.width;
  part->stride = (size_t)facet_image_inputs(part->image) * part->width;
  return facet_part_finite(path, part);
}

static facet_status read_labels(const char *path, const facet_npy *a, facet_part *part)
{
  uint8_t room[AT_ONCE];
  size_t width = (size_t)a->width, most = AT_ONCE / width;
  FACET_CHECK(
      a->rank != 2 || a->dim[1] == 1, FACET_BAD_INPUT,
      "%s: labels must be a list of integers, one class for each sample, but are %lld x %lld: one-hot, or several "
      "at once (multi-label)",
      path, (long long)a->dim[0], (long long)a->dim[1]);
  FACET_CHECK(a->kind != 'f' && a->rank > 0 && (a->rank == 1 || a->left == (size_t)a->dim[0] * width), FACET_BAD_INPUT,
              "%s: labels must be a list of integers", path);
  FACET_TRY(facet_part_labels(path, a->dim[0], part));
  for (size_t i = 0, all = (size_t)a->dim[0], count; i < all; i += count) {
    count = all - i < most ? all - i : most;
    FACET_TRY(facet_bytes_take(a->bytes, a->start + i * width, count * width, room));
    for (size_t j = 0; j < count; j++)
      FACET_TRY(facet_part_label(path, integer_at(a, room + j * width), part));
  }
  return facet_labels_end(part->decoded, &part->labels);
}

facet_status facet_npy_labels(const char *path, facet_part *part)
{
  facet_npy a;
  FACET_TRY(facet_npy_open(path, NULL, &a));
  facet_status status = read_labels(path, &a, part);
  facet_bytes_close(&a.bytes);
  return status;
}

facet_status facet_npy_whole_numbers(const char *path, int64_t count, int32_t *number)
{
  facet_part part = {.count = count};
  facet_status status = facet_npy_labels(path, &part);
  if (status == FACET_OK)
    status = facet_labels_take(&part.labels, 0, count, number);
  facet_part_clear(&part);
  return status;
}
