/* The checksum of a store: what was found, wherever and however it was found.
 *
 * SHA-256 over every dataset but those that rows.def sets apart (times, marks, and what comes of distributed matrices,
 * whose last digits are not the same on any number of ranks), in order of path (path, kind and size of type,
 * dimensions, bytes), and over the attributes of the variants, in order of name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hdf5_held.h"
#include "base/process_memory.h"
#include "ranks/versions.h"
#include "store_file.h"

typedef struct {
  const char *path;
  facet_sha256 *digest;
  facet_status status;
  bool head;   /* of what was written when the file was made, instead */
  char *piece; /* room for numbers, one for all arrays: there may be many thousands */
} sum;

static facet_status add_text(const sum *s, const char *text)
{
  return facet_sha256_add(s->digest, text, strlen(text) + 1);
}

/* Type and dimensions; *count elements. */
static facet_status add_shape(const sum *s, hid_t type, hid_t space, hsize_t dim[H5S_MAX_RANK], size_t *count)
{
  int rank = H5Sget_simple_extent_dims(space, dim, NULL);
  H5_CHECK(s->path, "reading", rank);
  int64_t head[3] = {H5Tget_class(type), (int64_t)H5Tget_size(type), rank};
  *count = (size_t)H5Sget_simple_extent_npoints(space);
  FACET_TRY(facet_sha256_add(s->digest, head, sizeof head));
  for (int i = 0; i < rank; i++) {
    int64_t d = (int64_t)dim[i];
    FACET_TRY(facet_sha256_add(s->digest, &d, sizeof d));
  }
  return FACET_OK;
}

/* What was read whole, unless that failed: texts, which are given back to HDF5, or other values. */
static facet_status add_values(const sum *s, hid_t type, hid_t space, size_t count, herr_t read, void *values)
{
  H5_CHECK(s->path, "reading", read);
  if (H5Tis_variable_str(type) <= 0)
    return facet_sha256_add(s->digest, values, count * H5Tget_size(type));
  facet_status status = FACET_OK;
  char **text = values;
  for (size_t i = 0; i < count && status == FACET_OK; i++)
    status = add_text(s, text[i] ? text[i] : "");
  H5Dvlen_reclaim(type, space, H5P_DEFAULT, values);
  return status;
}

/* Attributes and texts whole, numbers by pieces of a few megabytes however large all of it is. */
static facet_status add_content(const sum *s, hid_t object, bool attribute, hid_t type, hid_t space)
{
  size_t count = 0, size = H5Tget_size(type);
  facet_store_transfer t = {.set = object,
                            .memory = type,
                            .list = H5P_DEFAULT,
                            .most = FACET_STORE_PIECE,
                            .data = s->piece,
                            .digest = s->digest};
  t.axes = H5Sget_simple_extent_ndims(space);
  FACET_TRY(add_shape(s, type, space, t.count, &count));
  if (count == 0)
    return FACET_OK;
  if (!attribute && H5Tis_variable_str(type) <= 0)
    return facet_store_move(s->path, t);
  void *whole = facet_allocate(count, size);
  if (!whole)
    return FACET_OS;
  facet_status status = add_values(
      s, type, space, count,
      attribute ? H5Aread(object, type, whole) : H5Dread(object, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, whole), whole);
  facet_free(&whole);
  return status;
}

/* A dataset, or an attribute, that was opened by its name; closes it. 0: go on. */
static herr_t add_object(sum *s, const char *name, hid_t object, bool attribute)
{
  s->status = object < 0 ? facet_store_raise(s->path, "reading") : add_text(s, name);
  hid_t type = object < 0 ? -1 : attribute ? H5Aget_type(object) : H5Dget_type(object);
  hid_t space = object < 0 ? -1 : attribute ? H5Aget_space(object) : H5Dget_space(object);
  if (s->status == FACET_OK && !attribute && !facet_hdf5_can_hold(object))
    s->status = facet_raise(FACET_BAD_INPUT, "%s: is damaged: %s says more than the file can hold", s->path, name);
  if (s->status == FACET_OK)
    s->status = add_content(s, object, attribute, type, space);
  H5_CLOSE(type, space, object);
  return s->status == FACET_OK ? 0 : -1;
}

static herr_t visit_attribute(hid_t object, const char *name, const H5A_info_t *info, void *data)
{
  (void)info;
  return add_object(data, name, H5Aopen(object, name, H5P_DEFAULT), true);
}

/* Whether an array of the file was filled when it was made: a row of that stage, or coordinates, also beside marks. The
 * index is another one where arrays lie elsewhere: it is held against the file itself. */
static bool is_made_with_file(const char *name, hid_t set)
{
  facet_row row = facet_row_of(name);
  if (row == FACET_ROW_INDEX)
    return false;
  return row == FACET_ROWS || strcmp(facet_row_table[row].stage, "create") == 0 ||
         (facet_row_of_stage(row) && H5DSis_scale(set) > 0);
}

/* What was there from the beginning, and of the rest that it is there, and how large. */
static herr_t add_made(sum *s, hid_t root, const char *name)
{
  hsize_t dim[H5S_MAX_RANK];
  size_t count;
  hid_t set = H5Dopen2(root, name, H5P_DEFAULT);
  if (strcmp(name, facet_row_table[FACET_ROW_HEAD].path + 1) == 0) { /* this very number */
    H5_CLOSE(set);
    return 0;
  }
  if (is_made_with_file(name, set))
    return add_object(s, name, set, false);
  hid_t type = set < 0 ? -1 : H5Dget_type(set), space = set < 0 ? -1 : H5Dget_space(set);
  s->status = space < 0 ? facet_store_raise(s->path, "reading") : add_text(s, name);
  if (s->status == FACET_OK)
    s->status = add_shape(s, type, space, dim, &count);
  H5_CLOSE(type, space, set);
  return s->status == FACET_OK ? 0 : -1;
}

static herr_t visit_object(hid_t root, const char *name, const H5O_info_t *info, void *data)
{
  sum *s = data;
  hsize_t from = 0;
  if (info->type == H5O_TYPE_DATASET && s->head)
    return add_made(s, root, name);
  if (info->type == H5O_TYPE_DATASET)
    return facet_row_summed(name) ? add_object(s, name, H5Dopen2(root, name, H5P_DEFAULT), false) : 0;
  if (strncmp(name, "variants/", 9) != 0 && !(s->head && strcmp(name, ".") == 0))
    return 0;
  s->status = add_text(s, name);
  return s->status == FACET_OK
             ? H5Aiterate_by_name(root, name, H5_INDEX_NAME, H5_ITER_INC, &from, visit_attribute, s, H5P_DEFAULT)
             : -1;
}

/* ---- is a file finished? ---- */

typedef struct {
  FILE *missing; /* stages, and how much of them is there */
  int count;
  bool unread;
} unfinished;

/* A stage of /progress, which is missing unless all of its parts are done. */
static herr_t look_at(hid_t progress, const char *stage, const H5O_info_t *info, void *data)
{
  unfinished *u = data;
  if (info->type != H5O_TYPE_DATASET)
    return 0;
  hid_t set = facet_store_set(progress, stage), space = set < 0 ? -1 : H5Dget_space(set);
  long long parts = space < 0 ? -1 : H5Sget_simple_extent_npoints(space), done = 0;
  bool scale = set >= 0 && H5DSis_scale(set) > 0;
  uint8_t *mark = parts < 0 ? NULL : facet_allocate((size_t)parts, 1);
  u->unread = !mark || (!scale && H5Dread(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, mark) < 0);
  for (long long i = 0; !u->unread && i < parts; i++)
    done += mark[i] == 1;
  H5_CLOSE(space, set);
  facet_free(&mark);
  if (u->unread || scale || done == parts)
    return u->unread ? -1 : 0;
  (void)fprintf(u->missing, "%s%s", u->count++ ? ", " : "", stage);
  if (done > 0)
    (void)fprintf(u->missing, " (%lld of %lld parts are done)", done, parts);
  return 0;
}

static facet_status check_finished(const char *path, hid_t file)
{
  char *list = NULL;
  size_t length;
  unfinished u = {.missing = open_memstream(&list, &length)};
  FACET_CHECK(u.missing, FACET_OS, "out of memory");
  bool store = H5Lexists(file, "/progress", H5P_DEFAULT) > 0;
  herr_t seen = store ? H5Ovisit_by_name(file, "/progress", H5_INDEX_NAME, H5_ITER_INC, look_at, &u, H5P_DEFAULT) : 0;
  (void)fclose(u.missing);
  facet_status status = FACET_OK;
  if (!store)
    status = facet_raise(FACET_BAD_INPUT, "%s: is not a store of facet", path);
  else if (seen < 0)
    status = facet_store_raise(path, "reading /progress");
  else if (u.count > 0)
    status = facet_raise(FACET_BAD_INPUT, "%s: is not finished: %s %s missing", path, list, u.count > 1 ? "are" : "is");
  free(list);
  return status;
}

static facet_status look_finished(const char *path, const facet_store_plan *plan, bool *finished)
{
  hid_t file;
  FACET_TRY(facet_store_open_alone(path, &file));
  facet_status status = check_finished(path, file);
  *finished = status == FACET_OK;
  if (*finished)
    status = facet_store_same(path, file, plan);
  H5Fclose(file);
  return *finished || status != FACET_BAD_INPUT ? status : FACET_OK;
}

facet_status facet_store_finished(const char *path, const facet_store_plan *plan, bool *finished)
{
  *finished = false;
  if (!facet_exists(path))
    return FACET_OK;
  facet_store_listener before = facet_store_listen(path);
  return facet_store_unlisten(before, look_finished(path, plan, finished));
}

/* ---- the sum ---- */

static facet_status add_all(sum *s, hid_t file, char hex[65])
{
  FACET_TRY(facet_sha256_begin(&s->digest));
  s->piece = facet_allocate_room(FACET_STORE_PIECE);
  FACET_TRY(s->piece ? FACET_OK : FACET_OS);
  herr_t seen = H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, visit_object, s);
  facet_free(&s->piece);
  if (seen < 0)
    return s->status != FACET_OK ? s->status : facet_store_raise(s->path, "reading");
  return facet_sha256_end(&s->digest, hex);
}

facet_status facet_store_head(const char *path, hid_t file, int64_t *number)
{
  sum s = {.path = path, .head = true, .status = FACET_OK};
  char hex[65] = "";
  facet_status status = add_all(&s, file, hex);
  facet_sha256_drop(&s.digest);
  hex[15] = '\0'; /* 60 bits of it */
  *number = strtoll(hex, NULL, 16);
  return status;
}

facet_status facet_store_head_holds(const char *path, hid_t file, bool *holds)
{
  int64_t then = -1, now;
  const char *head = facet_row_table[FACET_ROW_HEAD].path;
  *holds = facet_store_integers(file, head, 1, &then);
  facet_status status = facet_store_heard(path, *holds ? FACET_OK : FACET_BAD_INPUT);
  if (*holds)
    status = facet_store_heard(path, facet_store_head(path, file, &now));
  *holds = *holds && status == FACET_OK && now == then;
  bool damaged =
      status == FACET_BAD_INPUT || facet_store_is_spoiled(status); /* FACET_BAD_INPUT: more than the file holds */
  return damaged ? FACET_OK : status;
}

facet_status facet_store_check_version(const char *path, hid_t file)
{
  int64_t version = 0;
  FACET_CHECK(facet_store_attribute(file, "schema_version", 1, &version), FACET_BAD_INPUT,
              "%s: is not a store of facet: it has no schema_version", path);
  FACET_CHECK(version >= FACET_SCHEMA_SUMMED && version <= FACET_SCHEMA_VERSION, FACET_BAD_INPUT,
              "%s: has schema version %lld, this facet reads %d to %d: it is %s", path, (long long)version,
              FACET_SCHEMA_SUMMED, FACET_SCHEMA_VERSION,
              version < FACET_SCHEMA_SUMMED ? "older than checksums" : "newer");
  return FACET_OK;
}

/* The checksum of an earlier schema is another one, and what was taken out of a file is missed. */
static facet_status check_head(const char *path, hid_t file)
{
  bool holds;
  FACET_TRY(facet_store_check_version(path, file));
  FACET_TRY(facet_store_head_holds(path, file, &holds));
  FACET_CHECK(holds, FACET_BAD_INPUT,
              "%s: is not whole, or damaged: its attributes, coordinates and arrays are not those it was made with",
              path);
  return FACET_OK;
}

static facet_status sum_up(const char *path, char hex[65])
{
  sum s = {.path = path, .status = FACET_OK};
  facet_status status;
  hid_t file;
  FACET_CHECK(facet_exists(path), FACET_NO_INPUT, "%s: No such file or directory", path);
  FACET_TRY(facet_store_open_alone(path, &file));
  FACET_GO(done, status, check_finished(path, file));
  FACET_GO(done, status, check_head(path, file));
  status = add_all(&s, file, hex);
done:
  facet_sha256_drop(&s.digest);
  H5Fclose(file);
  return status;
}

facet_status facet_store_checksum(const char *path, char hex[65])
{
  facet_store_listener before = facet_store_listen(path);
  return facet_store_unlisten(before, sum_up(path, hex));
}
