/* The index of a file: where in it the numbers of its arrays lie, so that a reader goes by byte offset, without HDF5.
 *
 * A JSON array, an object for every array of numbers that lies in one piece, in order of path:
 *   {"path": "/geometry/margin", "offset": 4096, "shape": [4, 3, 130], "type": "<f8"}
 * Texts, and what is in chunks, are not in it.  It follows from the file itself, so a copy whose arrays lie elsewhere
 * can be told: facet_store_index_holds. */
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

/* As numpy says it: "<f8", "|u1"; '\0' where a reader would not know it. */
static char kind_of(hid_t type)
{
  H5T_class_t class = H5Tget_class(type);
  if (class == H5T_FLOAT)
    return 'f';
  return class != H5T_INTEGER ? '\0' : H5Tget_sign(type) == H5T_SGN_NONE ? 'u' : 'i';
}

static void put_entry(FILE *out, const char *name, hid_t set, hid_t type, hid_t space, bool first)
{
  hsize_t size[H5S_MAX_RANK];
  haddr_t offset = H5Dget_offset(set);
  int axes = H5Sget_simple_extent_dims(space, size, NULL);
  size_t bytes = H5Tget_size(type);
  (void)fprintf(out, "%s{\"path\": ", first ? "[" : ",\n");
  put_string(out, name);
  (void)fprintf(out, ", \"offset\": %llu, \"shape\": [", (unsigned long long)offset);
  for (int i = 0; i < axes; i++)
    (void)fprintf(out, "%s%llu", i ? ", " : "", (unsigned long long)size[i]);
  (void)fprintf(out, "], \"type\": \"%c%c%zu\"}", bytes == 1 ? '|' : '<', kind_of(type), bytes);
}

typedef struct {
  FILE *out;
  bool first;
} list;

static herr_t visit(hid_t root, const char *name, const H5O_info_t *info, void *data)
{
  list *l = data;
  if (info->type != H5O_TYPE_DATASET)
    return 0;
  char *path = facet_format("/%s", name);
  hid_t set = path ? H5Dopen2(root, name, H5P_DEFAULT) : -1, made = set < 0 ? -1 : H5Dget_create_plist(set);
  hid_t type = set < 0 ? -1 : H5Dget_type(set), space = set < 0 ? -1 : H5Dget_space(set);
  bool read = made >= 0 && type >= 0 && space >= 0;
  if (read && kind_of(type) && H5Pget_layout(made) == H5D_CONTIGUOUS && H5Dget_offset(set) != HADDR_UNDEF) {
    put_entry(l->out, path, set, type, space, l->first);
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
  list l = {open_memstream(text, &length), true};
  FACET_CHECK(l.out, FACET_OS, "out of memory");
  herr_t seen = H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, visit, &l);
  (void)fputs(l.first ? "[]" : "]", l.out);
  FACET_CHECK(fclose(l.out) == 0, FACET_OS, "out of memory");
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
