/* HDF5: images and labels as datasets, "file.h5:/path" or by default /images and /labels. */
#include <hdf5.h>
#include <string.h>

#include "data/bytes.h"

typedef struct {
  hid_t file, set, space;
  int rank;
  int64_t dim[8];
  H5T_class_t class;
  size_t width;
} source;

static void source_close(source *s)
{
  if (s->space >= 0)
    H5Sclose(s->space);
  if (s->set >= 0)
    H5Dclose(s->set);
  if (s->file >= 0)
    H5Fclose(s->file);
}

static facet_status open_set(const char *path, const char *file, const char *set, source *s)
{
  hsize_t dim[32];
  s->file = H5Fopen(file, H5F_ACC_RDONLY, H5P_DEFAULT);
  FACET_CHECK(s->file >= 0, FACET_BAD_INPUT, "%s: not an HDF5 file, or damaged", path);
  s->set = H5Dopen2(s->file, set, H5P_DEFAULT);
  FACET_CHECK(s->set >= 0, FACET_BAD_INPUT, "%s: has no dataset %s", path, set);
  s->space = H5Dget_space(s->set);
  s->rank = s->space >= 0 ? H5Sget_simple_extent_ndims(s->space) : -1;
  FACET_CHECK(s->rank >= 1 && s->rank <= 4 && H5Sget_simple_extent_dims(s->space, dim, NULL) == s->rank,
              FACET_BAD_INPUT, "%s: dataset %s is not an array of 1 to 4 dimensions", path, set);
  for (int i = 0; i < s->rank; i++)
    s->dim[i] = (int64_t)dim[i];
  hid_t type = H5Dget_type(s->set);
  s->class = H5Tget_class(type);
  s->width = H5Tget_size(type);
  H5Tclose(type);
  return FACET_OK;
}

/* Opens what `path` names; `otherwise` is the dataset when it names only the file. */
static facet_status source_open(const char *path, const char *otherwise, source *s)
{
  *s = (source){.file = -1, .set = -1, .space = -1};
  const char *colon = strstr(path, ":/");
  char *file = facet_format("%.*s", colon ? (int)(colon - path) : (int)strlen(path), path);
  facet_status status = file ? FACET_OK : FACET_OS;
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  if (status == FACET_OK && !facet_exists(file))
    status = facet_raise(FACET_NO_INPUT, "%s: No such file or directory", file);
  if (status == FACET_OK)
    status = open_set(path, file, colon ? colon + 1 : otherwise, s);
  facet_free(&file);
  if (status != FACET_OK)
    source_close(s);
  return status;
}

facet_status facet_hdf5_pixels(const char *path, facet_part *part)
{
  source s;
  FACET_TRY(source_open(path, "/images", &s));
  facet_status status = facet_part_shape(path, s.rank, s.dim, part);
  bool bytes = s.class == H5T_INTEGER && s.width == 1;
  part->is_float = !bytes;
  if (status == FACET_OK && s.class != H5T_INTEGER && s.class != H5T_FLOAT)
    status = facet_raise(FACET_BAD_INPUT, "%s: pixels must be numbers", path);
  if (status == FACET_OK) {
    size_t size = (size_t)(part->count * part->channels * part->height * part->width);
    part->pixels = facet_allocate(size, bytes ? 1 : sizeof(float));
    status = part->pixels ? FACET_OK : FACET_OS;
  }
  if (status == FACET_OK &&
      H5Dread(s.set, bytes ? H5T_NATIVE_UINT8 : H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, part->pixels) < 0)
    status = facet_raise(FACET_BAD_INPUT, "%s: cannot be read: truncated or damaged", path);
  if (status == FACET_OK)
    status = facet_part_finite(path, part);
  source_close(&s);
  return status;
}

facet_status facet_hdf5_labels(const char *path, facet_part *part)
{
  source s;
  FACET_TRY(source_open(path, "/labels", &s));
  facet_status status = FACET_OK;
  if (s.class != H5T_INTEGER || s.rank != 1 || s.dim[0] < 1)
    status = facet_raise(FACET_BAD_INPUT, "%s: labels must be a list of integers", path);
  if (status == FACET_OK && !(part->label = facet_allocate((size_t)s.dim[0], sizeof *part->label)))
    status = FACET_OS;
  if (status == FACET_OK && H5Dread(s.set, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, part->label) < 0)
    status = facet_raise(FACET_BAD_INPUT, "%s: cannot be read: truncated or damaged", path);
  part->count = s.dim[0];
  source_close(&s);
  return status;
}
