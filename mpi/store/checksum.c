/* The checksum of a store: what was found, wherever and however it was found.
 *
 * SHA-256 over every dataset but those that rows.def sets apart (times, marks, and what comes of distributed matrices,
 * whose last digits are not the same on any number of ranks), in order of path (path, kind and size of type,
 * dimensions, bytes), and over the attributes of the variants, in order of name. */
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
  if (info->type == H5O_TYPE_DATASET) {
    if (!facet_row_summed(name))
      return 0;
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

/* ---- is a file finished? ---- */

/* How many parts of a stage are done, and there are. */
static facet_status count_done(const char *path, hid_t set, int64_t *done, int64_t *parts)
{
  hid_t space = H5Dget_space(set);
  *parts = H5Sget_simple_extent_npoints(space);
  *done = 0;
  H5Sclose(space);
  uint8_t *mark;
  FACET_NEW(mark, *parts);
  herr_t read = H5Dread(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, mark);
  for (int64_t i = 0; read >= 0 && i < *parts; i++)
    *done += mark[i] == 1;
  facet_free(&mark);
  H5_CHECK(path, "reading", read);
  return FACET_OK;
}

/* Adds a stage of /progress to the list of those that are missing, unless it is done. */
static facet_status look_at(const char *path, hid_t set, const char *stage, char **missing, int *count)
{
  int64_t done, parts;
  if (H5DSis_scale(set) > 0)
    return FACET_OK;
  FACET_TRY(count_done(path, set, &done, &parts));
  if (done == parts)
    return FACET_OK;
  char *longer = facet_format("%s%s%s", *missing ? *missing : "", *missing ? ", " : "", stage);
  char *exact = longer && done > 0
                    ? facet_format("%s (%lld of %lld parts are done)", longer, (long long)done, (long long)parts)
                    : facet_copy_text(longer);
  facet_free(&longer);
  facet_free(missing);
  *missing = exact;
  ++*count;
  return exact ? FACET_OK : FACET_OS;
}

static facet_status check_finished(const char *path, hid_t file)
{
  hid_t group = H5Lexists(file, "/progress", H5P_DEFAULT) > 0 ? H5Gopen2(file, "/progress", H5P_DEFAULT) : -1;
  FACET_CHECK(group >= 0, FACET_BAD_INPUT, "%s: is not a store of facet", path);
  H5G_info_t about = {.nlinks = 0};
  herr_t known = H5Gget_info(group, &about);
  facet_status status = known < 0 ? facet_store_raise(path, "reading /progress") : FACET_OK;
  char *missing = NULL, name[100];
  int count = 0;
  for (hsize_t i = 0; i < about.nlinks && status == FACET_OK; i++) {
    (void)H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
    status = set < 0 ? facet_store_raise(path, name) : look_at(path, set, name, &missing, &count);
    if (set >= 0)
      H5Dclose(set);
  }
  H5Gclose(group);
  if (status == FACET_OK && missing)
    status =
        facet_raise(FACET_BAD_INPUT, "%s: is not finished: %s %s missing", path, missing, count > 1 ? "are" : "is");
  facet_free(&missing);
  return status;
}

static facet_status open_to_read(const char *path, hid_t *file)
{
  FACET_CHECK(facet_exists(path), FACET_NO_INPUT, "%s: No such file or directory", path);
  hid_t list = facet_store_access();
  *file = H5Fopen(path, H5F_ACC_RDONLY, list);
  H5Pclose(list);
  FACET_CHECK(*file >= 0, FACET_BAD_INPUT, "%s: not an HDF5 file, or damaged", path);
  return FACET_OK;
}

static facet_status finished(const char *path)
{
  hid_t file;
  FACET_TRY(open_to_read(path, &file));
  facet_status status = check_finished(path, file);
  H5Fclose(file);
  return status;
}

facet_status facet_store_finished(const char *path)
{
  facet_store_listener before = facet_store_listen();
  return facet_store_unlisten(before, finished(path));
}

/* ---- the sum ---- */

static facet_status sum_up(const char *path, char hex[65])
{
  sum s = {.path = path, .status = FACET_OK};
  FACET_TRY(open_to_read(path, &s.file));
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

facet_status facet_store_checksum(const char *path, char hex[65])
{
  facet_store_listener before = facet_store_listen();
  return facet_store_unlisten(before, sum_up(path, hex));
}
