/* HDF5: images and labels as datasets, "file.h5:/path" or by default /images and /labels.
 *
 * Images are read by hyperslab, and the file stays open. Where they are compressed they are decoded first, a row of
 * chunks at a time, because samples that are asked for one by one, in any order, would each decode a chunk. */
#include <string.h>

#include "base/hdf5_held.h"
#include "base/hdf5_turn.h"
#include "bytes.h"

static const char IMAGES[] = "/images", LABELS[] = "/labels";
enum { LABELS_AT_ONCE = 1024 };

/* AT_ONCE: bytes that are decoded, unless a sample is more. */
enum { AT_ONCE = 64 << 20, LONGEST_NAME = 1024 };

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
  FACET_GO(done, status, facet_check_file(file));
  facet_hdf5_reads(path);
  status = open_set(path, file, colon ? colon + 1 : otherwise, s);
done:
  facet_free(&file);
  if (status != FACET_OK)
    source_close(s);
  return status;
}

/* One source of a virtual dataset: it must be there, for HDF5 reads zeros where it is not, and in the folder. */
static facet_status check_source(const char *path, const source *s, const char *file, const char *set)
{
  bool outside = file[0] == '/' || strcmp(file, "..") == 0 || strncmp(file, "../", 3) == 0 || strstr(file, "/../");
  FACET_CHECK(!outside, FACET_BAD_INPUT, "%s: its numbers lie in %s, outside its own folder", path, file);
  char name[LONGEST_NAME];
  char *beside = NULL;
  hid_t other = s->file;
  if (strcmp(file, ".") != 0) {
    FACET_CHECK(H5Fget_name(s->file, name, sizeof name) > 0, FACET_BAD_INPUT, "%s: its name is too long", path);
    if (!(beside = facet_path_beside(name, file)))
      return FACET_OS;
    other = H5Fopen(beside, H5F_ACC_RDONLY, H5P_DEFAULT);
  }
  hid_t found = other >= 0 ? H5Dopen2(other, set, H5P_DEFAULT) : -1;
  hid_t list = found >= 0 ? H5Dget_create_plist(found) : -1;
  bool own = list >= 0 && H5Pget_layout(list) != H5D_VIRTUAL && H5Pget_external_count(list) == 0;
  if (list >= 0)
    H5Pclose(list);
  if (found >= 0)
    H5Dclose(found);
  if (beside && other >= 0)
    H5Fclose(other);
  facet_free(&beside);
  FACET_CHECK(own, FACET_BAD_INPUT, "%s: its numbers lie in %s, dataset %s, which %s", path, file, set,
              found < 0 ? "cannot be read" : "does not hold them either");
  return FACET_OK;
}

static facet_status check_mapping(const char *path, const source *s, hid_t list, size_t i)
{
  char file[LONGEST_NAME], set[LONGEST_NAME];
  ssize_t a = H5Pget_virtual_filename(list, i, file, sizeof file),
          b = H5Pget_virtual_dsetname(list, i, set, sizeof set);
  FACET_CHECK(a >= 0 && b >= 0 && a < LONGEST_NAME && b < LONGEST_NAME, FACET_BAD_INPUT,
              "%s: where its numbers lie is damaged", path);
  return check_source(path, s, file, set);
}

/* FACET_BAD_INPUT where numbers lie in other files, unless those are there and beside this one. */
static facet_status check_elsewhere(const char *path, const source *s)
{
  hid_t list = H5Dget_create_plist(s->set);
  size_t sources = 0;
  facet_status status = FACET_OK;
  FACET_CHECK(list >= 0, FACET_BAD_INPUT, "%s: its dataset is damaged", path);
  if (H5Pget_external_count(list) > 0)
    status = facet_raise(FACET_BAD_INPUT,
                         "%s: its numbers lie in other files (external storage): h5repack brings them "
                         "into one",
                         path);
  else if (H5Pget_layout(list) == H5D_VIRTUAL && H5Pget_virtual_count(list, &sources) < 0)
    status = facet_raise(FACET_BAD_INPUT, "%s: where its numbers lie is damaged", path);
  for (size_t i = 0; i < sources && status == FACET_OK; i++)
    status = check_mapping(path, s, list, i);
  H5Pclose(list);
  return status;
}

/* FACET_BAD_INPUT if the dimensions say more than the file can hold. To be asked before memory is. */
static facet_status check_held(const char *path, const source *s)
{
  FACET_TRY(check_elsewhere(path, s));
  for (int i = 0; i < s->rank; i++)
    FACET_CHECK(s->dim[i] > 0, FACET_BAD_INPUT, "%s: dimension %d is %lld", path, i, (long long)s->dim[i]);
  FACET_CHECK(facet_hdf5_can_hold(s->set), FACET_BAD_INPUT,
              "%s: truncated: its dimensions say more than the %llu bytes it holds", path,
              (unsigned long long)facet_hdf5_held(s->set));
  return FACET_OK;
}

/* ---- images ---- */

struct facet_hdf5_set {
  char *path;
  source from;
  bool is_float;
};

static facet_status take(const facet_hdf5_set *set, int64_t first, int64_t count, void *to)
{
  const source *s = &set->from;
  facet_hdf5_reads(set->path);
  hsize_t start[4] = {(hsize_t)first}, size[4] = {(hsize_t)count};
  for (int i = 1; i < s->rank; i++)
    size[i] = (hsize_t)s->dim[i];
  hid_t there = H5Scopy(s->space), here = H5Screate_simple(s->rank, size, NULL);
  bool read = there >= 0 && here >= 0 && H5Sselect_hyperslab(there, H5S_SELECT_SET, start, NULL, size, NULL) >= 0 &&
              H5Dread(s->set, set->is_float ? H5T_NATIVE_FLOAT : H5T_NATIVE_UINT8, here, there, H5P_DEFAULT, to) >= 0;
  if (there >= 0)
    H5Sclose(there);
  if (here >= 0)
    H5Sclose(here);
  FACET_CHECK(read, FACET_BAD_INPUT, "%s: cannot be read: truncated or damaged", set->path);
  return FACET_OK;
}

facet_status facet_hdf5_take(const facet_hdf5_set *set, int64_t first, int64_t count, void *to)
{
  facet_status status;
  FACET_WITH_HDF5(status, take(set, first, count, to));
  return status;
}

static facet_status close_set(const facet_hdf5_set *set)
{
  source from = set->from;
  source_close(&from);
  return FACET_OK;
}

void facet_hdf5_close(facet_hdf5_set **set)
{
  facet_status closed;
  if (*set) {
    FACET_WITH_HDF5(closed, close_set(*set));
    (void)closed;
    facet_free(&(*set)->path);
  }
  facet_free(set);
}

/* Samples of a row of chunks, of which no more than AT_ONCE; 0: they are not compressed. */
static int64_t samples_at_once(const source *s, size_t sample)
{
  hsize_t chunk[4] = {0};
  hid_t list = H5Dget_create_plist(s->set);
  bool packed = list >= 0 && H5Pget_nfilters(list) > 0 && H5Pget_layout(list) == H5D_CHUNKED &&
                H5Pget_chunk(list, s->rank, chunk) == s->rank;
  if (list >= 0)
    H5Pclose(list);
  int64_t most = (int64_t)(AT_ONCE / sample), row = packed ? (int64_t)chunk[0] : 0;
  return row <= most ? row : most > 0 ? most : 1;
}

static facet_status decode(const facet_hdf5_set *set, int64_t step, size_t sample, int64_t count, facet_bytes *scratch)
{
  char *room;
  facet_status status = FACET_OK;
  FACET_NEW(room, (size_t)step * sample);
  for (int64_t first = 0; first < count && status == FACET_OK; first += step) {
    int64_t n = count - first < step ? count - first : step;
    status = take(set, first, n, room);
    if (status == FACET_OK)
      status = facet_scratch_add(scratch, (size_t)n * sample, room);
  }
  facet_free(&room);
  return status;
}

/* Leaves the part as it is where the numbers are not compressed. */
static facet_status decode_part(const char *path, facet_part *part)
{
  size_t width = part->is_float ? sizeof(float) : 1, sample = (size_t)facet_image_inputs(part->image) * width;
  int64_t step = samples_at_once(&part->set->from, sample);
  if (step == 0)
    return FACET_OK;
  part->stride = sample;
  part->width = width;
  FACET_TRY(facet_decoded_take(path, part->decoded, &part->bytes));
  if (!part->bytes) {
    FACET_TRY(facet_scratch_open(path, part->decoded, &part->bytes));
    FACET_TRY(facet_scratch_room(part->bytes, (double)part->count * (double)sample));
    FACET_TRY(decode(part->set, step < part->count ? step : part->count, sample, part->count, part->bytes));
    facet_decoded_tell(part->bytes, part->decoded);
  }
  (void)close_set(part->set);
  FACET_FREE(&part->set->path, &part->set);
  return FACET_OK;
}

static facet_status pixels(const char *path, facet_part *part)
{
  source s;
  FACET_TRY(source_open(path, IMAGES, &s));
  if (!(part->set = facet_allocate(1, sizeof *part->set))) {
    source_close(&s);
    return FACET_OS;
  }
  *part->set = (facet_hdf5_set){.path = facet_copy_text(path), .from = s};
  if (!part->set->path)
    return FACET_OS;
  part->is_float = part->set->is_float = !(s.is_unsigned && s.width == 1);
  FACET_TRY(facet_part_shape(path, s.rank, s.dim, part));
  FACET_CHECK(s.class == H5T_INTEGER || s.class == H5T_FLOAT, FACET_BAD_INPUT,
              "%s: pixels must be bytes or real numbers", path);
  /* Their white is rarely 255, and nobody would notice: whoever converts them says what it is. */
  FACET_CHECK(s.class == H5T_FLOAT || s.width == 1, FACET_BAD_INPUT,
              "%s: pixels are %sint%zu: save them as uint8, float32 or float64", path, s.is_unsigned ? "u" : "",
              8 * s.width);
  FACET_TRY(check_held(path, &s));
  return decode_part(path, part);
}

/* `count` labels from `first` on. */
static facet_status read_some_labels(const char *path, const source *s, hsize_t first, hsize_t count, int64_t *label,
                                     facet_part *part)
{
  hid_t memory = H5Screate_simple(1, &count, NULL), all = H5Dget_space(s->set);
  bool read = H5Sselect_hyperslab(all, H5S_SELECT_SET, &first, NULL, &count, NULL) >= 0 &&
              H5Dread(s->set, H5T_NATIVE_INT64, memory, all, H5P_DEFAULT, label) >= 0;
  H5Sclose(memory);
  H5Sclose(all);
  FACET_CHECK(read, FACET_BAD_INPUT, "%s: cannot be read: truncated or damaged", path);
  for (hsize_t i = 0; i < count; i++)
    FACET_TRY(facet_part_label(path, label[i], part));
  return FACET_OK;
}

static facet_status read_labels(const char *path, const source *s, facet_part *part)
{
  int64_t label[LABELS_AT_ONCE];
  FACET_CHECK(
      s->rank != 2, FACET_BAD_INPUT,
      "%s: labels must be a list of integers, one class for each sample, but are %lld x %lld: one-hot, or several "
      "at once (multi-label)",
      path, (long long)s->dim[0], (long long)s->dim[1]);
  FACET_CHECK(s->class == H5T_INTEGER && s->rank == 1, FACET_BAD_INPUT, "%s: labels must be a list of integers", path);
  FACET_TRY(check_held(path, s));
  FACET_TRY(facet_part_labels(path, s->dim[0], part));
  for (int64_t first = 0, count; first < s->dim[0]; first += count) {
    count = s->dim[0] - first < LABELS_AT_ONCE ? s->dim[0] - first : LABELS_AT_ONCE;
    FACET_TRY(read_some_labels(path, s, (hsize_t)first, (hsize_t)count, label, part));
  }
  return facet_labels_end(part->decoded, &part->labels);
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
  return status == FACET_OK ? facet_part_finite(path, part) : status;
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
