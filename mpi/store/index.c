/* The index of a file: where in it the numbers of its arrays lie, so that a reader goes by byte offset, without HDF5.
 *
 * A JSON array, an object for every array, in order of path:
 *   {"path": "/geometry/margin", "offset": 4096, "shape": [4, 3, 130], "type": "<f8"}
 * The offset is -1 of texts, and of numbers that do not lie in one piece (in chunks).  It follows from the file itself,
 * so a copy whose arrays lie elsewhere can be told: facet_store_index_holds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_file.h"

/* A path as JSON has it. */
static void put_string(FILE *out, const char *text)
{
  (void)putc('"', out);
  for (; *text; text++)
    if (*text == '"' || *text == '\\')
      (void)fprintf(out, "\\%c", *text);
    else if ((unsigned char)*text < ' ')
      (void)fprintf(out, "\\u%04x", *text);
    else
      (void)putc(*text, out);
  (void)putc('"', out);
}

/* As numpy says it, and "text". */
static void put_type(FILE *out, hid_t type)
{
  size_t bytes = H5Tget_size(type);
  H5T_class_t class = H5Tget_class(type);
  if (class == H5T_STRING)
    (void)fputs("text", out);
  else
    (void)fprintf(out, "%c%c%zu", bytes == 1 ? '|' : '<',
                  class == H5T_FLOAT                  ? 'f'
                  : H5Tget_sign(type) == H5T_SGN_NONE ? 'u'
                                                      : 'i',
                  bytes);
}

/* -1: its numbers, if it has any, do not lie in one piece. */
static long long offset_of(hid_t set, hid_t type, hid_t made)
{
  if (H5Tget_class(type) == H5T_STRING || H5Pget_layout(made) != H5D_CONTIGUOUS)
    return -1;
  haddr_t offset = H5Dget_offset(set);
  return offset == HADDR_UNDEF ? -1 : (long long)offset;
}

static void put_entry(FILE *out, const char *path, long long offset, hid_t type, hid_t space)
{
  hsize_t size[H5S_MAX_RANK];
  int axes = H5Sget_simple_extent_dims(space, size, NULL);
  (void)fputs("{\"path\": ", out);
  put_string(out, path);
  (void)fprintf(out, ", \"offset\": %lld, \"shape\": [", offset);
  for (int i = 0; i < axes; i++)
    (void)fprintf(out, "%s%llu", i ? ", " : "", (unsigned long long)size[i]);
  (void)fputs("], \"type\": \"", out);
  put_type(out, type);
  (void)fputs("\"}", out);
}

typedef struct {
  FILE *out;
  bool first;
  facet_status status; /* of what is not HDF5's */
} list;

static herr_t visit(hid_t root, const char *name, const H5O_info_t *info, void *data)
{
  list *l = data;
  if (info->type != H5O_TYPE_DATASET)
    return 0;
  char *path = facet_format("/%s", name);
  if (!path) {
    l->status = FACET_OS;
    return -1;
  }
  hid_t set = H5Dopen2(root, name, H5P_DEFAULT), made = set < 0 ? -1 : H5Dget_create_plist(set);
  hid_t type = set < 0 ? -1 : H5Dget_type(set), space = set < 0 ? -1 : H5Dget_space(set);
  bool read = made >= 0 && type >= 0 && space >= 0;
  if (read) {
    (void)fputs(l->first ? "[" : ",\n", l->out);
    put_entry(l->out, path, offset_of(set, type, made), type, space);
    l->first = false;
  }
  H5_CLOSE(space, type, made, set);
  facet_free(&path);
  return read ? 0 : -1;
}

/* What the index of an open file has to be; the caller frees it, by free(). */
static facet_status find(const char *path, hid_t file, char **text)
{
  size_t length;
  list l = {open_memstream(text, &length), true, FACET_OK};
  FACET_CHECK(l.out, FACET_OS, "out of memory");
  herr_t seen = H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, visit, &l);
  (void)fputs(l.first ? "[]" : "]", l.out);
  FACET_CHECK(fclose(l.out) == 0, FACET_OS, "out of memory");
  FACET_TRY(l.status);
  H5_CHECK(path, "listing its arrays", seen);
  return FACET_OK;
}

facet_status facet_store_index_write(const char *path, hid_t file)
{
  char *text = NULL;
  facet_status status = find(path, file, &text);
  hid_t set = H5Dopen2(file, facet_row_table[FACET_ROW_INDEX].path, H5P_DEFAULT);
  hid_t type = set < 0 ? -1 : H5Dget_type(set);
  if (status == FACET_OK && (type < 0 || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &text) < 0))
    status = facet_store_raise(path, "writing /index");
  H5_CLOSE(type, set);
  free(text);
  return status;
}

facet_status facet_store_index_holds(const char *path, hid_t file, bool *holds)
{
  char *text = NULL, **there = NULL;
  int count = 0;
  *holds = true;
  if (H5LTpath_valid(file, facet_row_table[FACET_ROW_INDEX].path, true) <= 0) /* before version 9 */
    return FACET_OK;
  facet_status status = find(path, file, &text);
  if (status == FACET_OK)
    status = facet_store_texts(file, facet_row_table[FACET_ROW_INDEX].path, &there, &count);
  if (status == FACET_OK)
    *holds = count == 1 && strcmp(there[0], text) == 0;
  facet_free_list(&there, count);
  free(text);
  return status;
}
