/* HDF5: images and labels as datasets, "file.h5:/path" or by default /images and /labels. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/hdf5_turn.h"
#include "bytes.h"

static const char IMAGES[] = "/images", LABELS[] = "/labels";

enum { MOST_COMPRESSED = 1 << 15 }; /* bytes out of one: of deflate 1032, of zstd 2^15 */

typedef struct {
  hid_t file, set, space;
  int rank;
  int64_t dim[8];
  H5T_class_t class;
  size_t width;     /* bytes of a number */
  bool is_unsigned; /* of integers */
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
  FACET_CHECK(s->file >= 0, FACET_BAD_INPUT, "%s: not an HDF5 file, or truncated or damaged", path);
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
  s->is_unsigned = s->class == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_NONE;
  H5Tclose(type);
  FACET_CHECK(s->width > 0, FACET_BAD_INPUT, "%s: dataset %s is damaged", path, set);
  return FACET_OK;
}

/* Opens what `path` names; `otherwise` is the dataset when it names only the file. */
static facet_status source_open(const char *path, const char *otherwise, source *s)
{
  *s = (source){.file = -1, .set = -1, .space = -1};
  const char *colon = strstr(path, ":/");
  char *file = facet_format("%.*s", colon ? (int)(colon - path) : (int)strlen(path), path);
  facet_status status;
  FACET_GO(done, status, file ? FACET_OK : FACET_OS);
  FACET_CHECK_GO(done, status, access(file, R_OK) == 0, FACET_NO_INPUT, "%s: %s", file, strerror(errno));
  status = open_set(path, file, colon ? colon + 1 : otherwise, s);
done:
  facet_free(&file);
  if (status != FACET_OK)
    source_close(s);
  return status;
}

/* Bytes of numbers that the file may hold, by what it says of itself and by its own size. */
static hsize_t bytes_held(const source *s)
{
  hid_t list = H5Dget_create_plist(s->set);
  hsize_t held = H5Dget_storage_size(s->set), file = 0;
  bool elsewhere = H5Pget_external_count(list) > 0;
  if (!elsewhere && H5Fget_filesize(s->file, &file) >= 0 && held > file)
    held = file;
  if (H5Pget_nfilters(list) > 0)
    held *= MOST_COMPRESSED;
  if (H5Pget_layout(list) == H5D_VIRTUAL)
    held = UINT64_MAX; /* its numbers lie in other files */
  H5Pclose(list);
  return held;
}

/* FACET_BAD_INPUT if the dimensions say more than the file can hold. To be asked before memory is. */
static facet_status check_held(const char *path, const source *s)
{
  hsize_t held = bytes_held(s), left = held / s->width;
  for (int i = 0; i < s->rank; i++) {
    FACET_CHECK(s->dim[i] > 0, FACET_BAD_INPUT, "%s: dimension %d is %lld", path, i, (long long)s->dim[i]);
    left /= (hsize_t)s->dim[i];
    FACET_CHECK(left > 0, FACET_BAD_INPUT, "%s: truncated: its dimensions say more than the %llu bytes it holds", path,
                (unsigned long long)held);
  }
  return FACET_OK;
}

static facet_status pixels(const char *path, facet_part *part)
{
  source s;
  FACET_TRY(source_open(path, IMAGES, &s));
  facet_status status;
  bool bytes = s.is_unsigned && s.width == 1;
  hid_t type = bytes ? H5T_NATIVE_UINT8 : H5T_NATIVE_FLOAT;
  part->is_float = !bytes;
  FACET_GO(done, status, facet_part_shape(path, s.rank, s.dim, part));
  FACET_CHECK_GO(done, status, s.class == H5T_INTEGER || s.class == H5T_FLOAT, FACET_BAD_INPUT,
                 "%s: pixels must be integers or real numbers", path);
  FACET_GO(done, status, check_held(path, &s));
  size_t size = (size_t)(part->count * facet_image_inputs(part->image));
  part->pixels = facet_allocate(size, bytes ? 1 : sizeof(float));
  FACET_GO(done, status, part->pixels ? FACET_OK : FACET_OS);
  FACET_CHECK_GO(done, status, H5Dread(s.set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, part->pixels) >= 0, FACET_BAD_INPUT,
                 "%s: cannot be read: truncated or damaged", path);
  status = facet_part_finite(path, part);
done:
  source_close(&s);
  return status;
}

static facet_status read_labels(const char *path, const source *s, facet_part *part)
{
  int64_t *wide;
  facet_status status = FACET_OK;
  FACET_CHECK(
      s->rank != 2, FACET_BAD_INPUT,
      "%s: labels must be a list of integers, one class for each sample, but are %lld x %lld: one-hot, or several "
      "at once (multi-label)",
      path, (long long)s->dim[0], (long long)s->dim[1]);
  FACET_CHECK(s->class == H5T_INTEGER && s->rank == 1, FACET_BAD_INPUT, "%s: labels must be a list of integers", path);
  FACET_TRY(check_held(path, s));
  FACET_NEW(wide, s->dim[0]);
  FACET_NEW_GO(done, status, part->label, s->dim[0]);
  part->count = s->dim[0];
  if (H5Dread(s->set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, wide) < 0)
    status = facet_raise(FACET_BAD_INPUT, "%s: cannot be read: truncated or damaged", path);
  for (int64_t i = 0; status == FACET_OK && i < part->count; i++)
    status = facet_part_label(path, i, wide[i], part);
done:
  facet_free(&wide);
  return status;
}

static facet_status labels(const char *path, facet_part *part)
{
  source s;
  FACET_TRY(source_open(path, LABELS, &s));
  facet_status status = read_labels(path, &s, part);
  source_close(&s);
  return status;
}

static facet_status labels_beside(const char *path, facet_part *part)
{
  source s;
  FACET_TRY(source_open(path, IMAGES, &s));
  bool there = H5Lexists(s.file, LABELS, H5P_DEFAULT) > 0;
  source_close(&s);
  if (!there)
    return FACET_OK;
  const char *colon = strstr(path, ":/");
  char *beside = facet_format("%.*s:%s", colon ? (int)(colon - path) : (int)strlen(path), path, LABELS);
  if (!beside)
    return FACET_OS;
  facet_status status = labels(beside, part);
  facet_free(&beside);
  return status;
}

facet_status facet_hdf5_pixels(const char *path, facet_part *part)
{
  facet_status status;
  FACET_WITH_HDF5(status, pixels(path, part));
  return status;
}

facet_status facet_hdf5_labels(const char *path, facet_part *part)
{
  facet_status status;
  FACET_WITH_HDF5(status, labels(path, part));
  return status;
}

facet_status facet_hdf5_labels_beside(const char *path, facet_part *part)
{
  facet_status status;
  FACET_WITH_HDF5(status, labels_beside(path, part));
  return status;
}
