/* The checksum of a store: what was found, wherever and however it was found.
 *
 * SHA-256 over every dataset but /progress, in order of path (path, kind and size of type, dimensions, bytes), and over
 * the attributes of the variants, in order of name. */
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

/* All bytes of a dataset, in pieces along the first dimension. */
static facet_status add_bytes(sum *s, hid_t set, hid_t type, hid_t space, size_t count)
{
  hsize_t dim[32] = {1}, start[32] = {0}, size[32];
  int rank = H5Sget_simple_extent_dims(space, dim, NULL);
  size_t line = dim[0] ? count / (size_t)dim[0] * H5Tget_size(type) : 0;
  hsize_t step = line ? (hsize_t)(((size_t)8 << 20) / line + 1) : 1;
  memcpy(size, dim, sizeof size);
  char *bytes;
  FACET_NEW(bytes, (size_t)step * (line ? line : 1));
  facet_status status = FACET_OK;
  for (hsize_t first = 0; first < dim[0] && count && status == FACET_OK; first += step) {
    start[0] = first;
    size[0] = dim[0] - first < step ? dim[0] - first : step;
    hid_t memory = H5Screate_simple(rank, size, NULL);
    herr_t read = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, size, NULL);
    if (read >= 0)
      read = H5Dread(set, type, memory, space, H5P_DEFAULT, bytes);
    H5Sclose(memory);
    status =
        read < 0 ? facet_store_raise(s->path, "reading") : facet_sha256_add(s->digest, bytes, (size_t)size[0] * line);
  }
  facet_free(&bytes);
  return status;
}

static facet_status add_set(sum *s, hid_t set)
{
  hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  size_t count = 0;
  facet_status status = add_shape(s, type, space, &count);
  if (status == FACET_OK && H5Tis_variable_str(type) > 0) {
    char **text = facet_allocate(count, sizeof *text);
    if (!text || H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0)
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
    s->status = facet_store_raise(s->path, "reading");
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
  if (strncmp(name, "progress", 8) == 0)
    return 0;
  if (info->type == H5O_TYPE_DATASET) {
    hid_t set = H5Dopen2(root, name, H5P_DEFAULT);
    s->status = add_text(s, name);
    if (s->status == FACET_OK)
      s->status = add_set(s, set);
    H5Dclose(set);
  } else if (strncmp(name, "variants/", 9) == 0) {
    hid_t group = H5Gopen2(root, name, H5P_DEFAULT);
    hsize_t from = 0;
    s->status = add_text(s, name);
    if (s->status == FACET_OK)
      H5Aiterate2(group, H5_INDEX_NAME, H5_ITER_INC, &from, visit_attribute, s);
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
    done += mark[i];
  facet_free(&mark);
  H5_CHECK(path, "reading", read);
  FACET_CHECK(done == count, FACET_BAD_INPUT, "%s: is not finished: %lld of %lld tiles are done", path, (long long)done,
              (long long)count);
  return FACET_OK;
}

facet_status facet_store_checksum(const char *path, char hex[65])
{
  sum s = {.path = path, .status = FACET_OK};
  FACET_CHECK(facet_exists(path), FACET_NO_INPUT, "%s: No such file or directory", path);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  s.file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
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
