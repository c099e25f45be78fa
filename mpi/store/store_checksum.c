/* The checksum of a store: what was found, wherever and however it was found.
 *
 * SHA-256 over every dataset but /progress, times (..._seconds) and /aggregate, whose last digits are not the same on
 * any number of ranks, in order of path (path, kind and size of type, dimensions, bytes), and over the attributes of
 * the variants, in order of name. */
#include <string.h>

#include "store_file.h"

typedef struct {
  const char *path;
  hid_t file;
  facet_sha256 *digest;
  facet_status status;
} sum;

static facet_status add_text(sum *s, const char *text)
{
  return facet_sha256_add(s->digest, text, strlen(text) + 1);
}

static facet_status add_strings(sum *s, char **text, size_t count)
{
  for (size_t i = 0; i < count; i++)
    FACET_TRY(add_text(s, text[i] ? text[i] : ""));
  return FACET_OK;
}

/* Type and dimensions; *count elements. */
static facet_status add_shape(sum *s, hid_t type, hid_t space, size_t *count)
{
  hsize_t dim[32];
  int rank = H5Sget_simple_extent_dims(space, dim, NULL);
  H5_CHECK(s->path, "reading", rank);
  int64_t head[3] = {H5Tget_class(type), (int64_t)H5Tget_size(type), rank};
  *count = 1;
  FACET_TRY(facet_sha256_add(s->digest, head, sizeof head));
  for (int i = 0; i < rank; i++) {
    int64_t d = (int64_t)dim[i];
    *count *= (size_t)dim[i];
    FACET_TRY(facet_sha256_add(s->digest, &d, sizeof d));
  }
  return FACET_OK;
}

/* All bytes of a dataset. The first dimensions `outer` are gone through one by one, so that a piece of the next one,
 * all that follows included, takes a few megabytes however large the whole is. */
typedef struct {
  hid_t set, type, space;
  int rank, outer;
  hsize_t dim[H5S_MAX_RANK], start[H5S_MAX_RANK], size[H5S_MAX_RANK];
  size_t line; /* bytes of one element of dimension `outer` */
  hsize_t step;
  char *bytes;
} walk;

enum { PIECE = 8 << 20 };

static facet_status add_piece(sum *s, walk *w)
{
  hid_t memory = H5Screate_simple(w->rank, w->size, NULL);
  herr_t read = H5Sselect_hyperslab(w->space, H5S_SELECT_SET, w->start, NULL, w->size, NULL);
  if (read >= 0)
    read = H5Dread(w->set, w->type, memory, w->space, H5P_DEFAULT, w->bytes);
  H5Sclose(memory);
  H5_CHECK(s->path, "reading", read);
  return facet_sha256_add(s->digest, w->bytes, (size_t)w->size[w->outer] * w->line);
}

/* Counts `start` up along the outer dimensions; false after the last. */
static bool next_line(walk *w)
{
  for (int i = w->outer - 1; i >= 0; i--) {
    if (++w->start[i] < w->dim[i])
      return true;
    w->start[i] = 0;
  }
  return false;
}

static facet_status add_lines(sum *s, walk *w)
{
  do
    for (hsize_t first = 0; first < w->dim[w->outer]; first += w->step) {
      w->start[w->outer] = first;
      w->size[w->outer] = w->dim[w->outer] - first < w->step ? w->dim[w->outer] - first : w->step;
      FACET_TRY(add_piece(s, w));
    }
  while (next_line(w));
  return FACET_OK;
}

static facet_status add_bytes(sum *s, hid_t set, hid_t type, hid_t space, size_t count)
{
  walk w = {.set = set, .type = type, .space = space, .line = count * H5Tget_size(type)};
  w.rank = H5Sget_simple_extent_dims(space, w.dim, NULL);
  if (count == 0)
    return FACET_OK;
  FACET_CHECK(w.rank > 0, FACET_BAD_INPUT, "%s: holds a dataset that is none of facet's", s->path);
  memcpy(w.size, w.dim, sizeof w.size);
  w.line /= (size_t)w.dim[0];
  while (w.line > PIECE && w.outer + 1 < w.rank) {
    w.size[w.outer++] = 1;
    w.line /= (size_t)w.dim[w.outer];
  }
  w.step = w.line < PIECE ? (hsize_t)(PIECE / w.line) : 1;
  if (w.step > w.dim[w.outer])
    w.step = w.dim[w.outer];
  FACET_NEW(w.bytes, (size_t)w.step * w.line);
  facet_status status = add_lines(s, &w);
  facet_free(&w.bytes);
  return status;
}

static facet_status add_set(sum *s, hid_t set)
{
  hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  size_t count = 0;
  facet_status status = add_shape(s, type, space, &count);
  if (status == FACET_OK && H5Tis_variable_str(type) > 0) {
    char **text = facet_allocate(count, sizeof *text);
    if (!text)
      status = FACET_OS;
    else if (H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0)
      status = facet_store_raise(s->path, "reading");
    else
      status = add_strings(s, text, count);
    if (text)
      H5Dvlen_reclaim(type, space, H5P_DEFAULT, text);
    facet_free(&text);
  } else if (status == FACET_OK) {
    status = add_bytes(s, set, type, space, count);
  }
  H5Tclose(type);
  H5Sclose(space);
  return status;
}

static herr_t visit_attribute(hid_t object, const char *name, const H5A_info_t *info, void *data)
{
  (void)info;
  sum *s = data;
  hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  size_t count = 0;
  s->status = add_text(s, name);
  if (s->status == FACET_OK)
    s->status = add_shape(s, type, space, &count);
  size_t bytes = count * H5Tget_size(type);
  char *values = s->status == FACET_OK ? facet_allocate(bytes, 1) : NULL;
  if (values && H5Aread(attribute, type, values) >= 0) {
    bool text = H5Tis_variable_str(type) > 0;
    s->status = text ? add_strings(s, (char **)(void *)values, count) : facet_sha256_add(s->digest, values, bytes);
    if (text)
      H5Dvlen_reclaim(type, space, H5P_DEFAULT, values);
  } else if (s->status == FACET_OK) {
    s->status = values ? facet_store_raise(s->path, "reading") : FACET_OS;
  }
  facet_free(&values);
  H5Tclose(type);
  H5Sclose(space);
  H5Aclose(attribute);
  return s->status == FACET_OK ? 0 : -1;
}

static herr_t visit_object(hid_t root, const char *name, const H5O_info_t *info, void *data)
{
  sum *s = data;
  const size_t length = strlen(name), tail = strlen("_seconds");
  if (strncmp(name, "progress/", 9) == 0 || strncmp(name, "aggregate/", 10) == 0 || strncmp(name, "embed/", 6) == 0 ||
      (length > tail && strcmp(name + length - tail, "_seconds") == 0))
    return 0;
  if (info->type == H5O_TYPE_DATASET) {
    hid_t set = H5Dopen2(root, name, H5P_DEFAULT);
    s->status = set < 0 ? facet_store_raise(s->path, "reading") : add_text(s, name);
    if (s->status == FACET_OK)
      s->status = add_set(s, set);
    if (set >= 0)
      H5Dclose(set);
  } else if (strncmp(name, "variants/", 9) == 0) {
    hid_t group = H5Gopen2(root, name, H5P_DEFAULT);
    hsize_t from = 0;
    s->status = group < 0 ? facet_store_raise(s->path, "reading") : add_text(s, name);
    if (s->status == FACET_OK && H5Aiterate2(group, H5_INDEX_NAME, H5_ITER_INC, &from, visit_attribute, s) < 0 &&
        s->status == FACET_OK)
      s->status = facet_store_raise(s->path, "reading");
    if (group >= 0)
      H5Gclose(group);
  }
  return s->status == FACET_OK ? 0 : -1;
}

/* Refuses a store whose tiles are not all done. */
static facet_status check_finished(const char *path, hid_t file)
{
  hid_t set = H5Lexists(file, "/progress", H5P_DEFAULT) > 0 ? H5Dopen2(file, "/progress/tile", H5P_DEFAULT) : -1;
  FACET_CHECK(set >= 0, FACET_BAD_INPUT, "%s: is not a store of facet", path);
  hid_t space = H5Dget_space(set);
  hssize_t count = H5Sget_simple_extent_npoints(space), done = 0;
  H5Sclose(space);
  uint8_t *mark = facet_allocate((size_t)count, 1);
  herr_t read = mark ? H5Dread(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, mark) : -1;
  H5Dclose(set);
  for (hssize_t i = 0; read >= 0 && i < count; i++)
    done += mark[i] == 1;
  bool memory = mark != NULL;
  facet_free(&mark);
  if (!memory)
    return FACET_OS;
  H5_CHECK(path, "reading", read);
  FACET_CHECK(done == count, FACET_BAD_INPUT, "%s: is not finished: %lld of %lld tiles are done", path, (long long)done,
              (long long)count);
  return FACET_OK;
}

facet_status facet_store_checksum(const char *path, char hex[65])
{
  sum s = {.path = path, .status = FACET_OK};
  FACET_CHECK(facet_exists(path), FACET_NO_INPUT, "%s: No such file or directory", path);
  facet_store_listen();
  hid_t list = facet_store_access();
  s.file = H5Fopen(path, H5F_ACC_RDONLY, list);
  H5Pclose(list);
  FACET_CHECK(s.file >= 0, FACET_BAD_INPUT, "%s: not an HDF5 file, or damaged", path);
  facet_status status = check_finished(path, s.file);
  if (status == FACET_OK)
    status = facet_sha256_begin(&s.digest);
  if (status == FACET_OK && H5Ovisit(s.file, H5_INDEX_NAME, H5_ITER_INC, visit_object, &s) < 0)
    status = s.status != FACET_OK ? s.status : facet_store_raise(path, "reading");
  if (status == FACET_OK)
    status = facet_sha256_end(&s.digest, hex);
  else
    facet_sha256_drop(&s.digest);
  H5Fclose(s.file);
  return status;
}
