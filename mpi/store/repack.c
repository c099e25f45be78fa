/* Packing a finished store: the same arrays in compressed chunks, beside the file, then in its place. And the way back,
 * before anything is computed anew in such a file, for parallel HDF5 writes none of them alone into chunks.
 *
 * A run needs contiguous arrays, which all ranks overwrite in place; once nothing is written any more they may be
 * smaller.  Everything is copied as it is, type by type and attribute by attribute, but for how numbers lie in the
 * file; scales of dimensions, which point to each other, are attached anew, and the index says
 * what still lies in one piece.  The checksum of both files has to be the
 * same before one takes the place of the other. On the way back a chunk that cannot be unpacked becomes zeros, which do
 * not hold their checksum. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_file.h"

/* Bytes of a chunk, unless one line is more: a reader of one sample decodes no more than that. Smaller arrays than
 * WORTH stay as they are. */
enum { CHUNK = 1 << 18, WORTH = 1 << 16, LEVEL = 4 };

typedef struct {
  const char *path, *temporary;
  bool unpacks;
  hid_t from, to;
  facet_progress *progress;
  int64_t bytes; /* that were copied */
  facet_status status;
} packing;

/* ---- attributes ---- */

/* What the library for dimension scales writes and reads itself. */
static bool is_of_scales(const char *name)
{
  static char *const own[] = {"DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME", "DIMENSION_LABELS"};
  return facet_is_among(name, own, sizeof own / sizeof own[0]);
}

/* Numbers or texts of an attribute, or of a small dataset, whole. */
static facet_status copy_whole(const char *path, hid_t from, hid_t to, bool attribute)
{
  hid_t type = attribute ? H5Aget_type(from) : H5Dget_type(from);
  hid_t space = attribute ? H5Aget_space(from) : H5Dget_space(from);
  hssize_t count = space < 0 ? 0 : H5Sget_simple_extent_npoints(space);
  void *data = facet_allocate((size_t)(count > 0 ? count : 1), type < 0 ? 1 : H5Tget_size(type));
  herr_t done = !data || type < 0 || space < 0 ? -1 : 0;
  if (done >= 0 && count > 0) {
    done = attribute ? H5Aread(from, type, data) : H5Dread(from, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    if (done >= 0)
      done = attribute ? H5Awrite(to, type, data) : H5Dwrite(to, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    if (H5Tis_variable_str(type) > 0)
      H5Dvlen_reclaim(type, space, H5P_DEFAULT, data);
  }
  facet_free(&data);
  H5_CLOSE(type, space);
  H5_CHECK(path, "packing", done);
  return FACET_OK;
}

typedef struct {
  packing *p;
  hid_t to;
} attributes;

static herr_t copy_attribute(hid_t from, const char *name, const H5A_info_t *info, void *data)
{
  attributes *a = data;
  (void)info;
  if (is_of_scales(name))
    return 0;
  hid_t own = H5Aopen(from, name, H5P_DEFAULT), type = H5Aget_type(own), space = H5Aget_space(own);
  hid_t made = H5Acreate2(a->to, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  a->p->status = made < 0 ? facet_store_raise(a->p->path, "packing") : copy_whole(a->p->path, own, made, true);
  H5_CLOSE(made, space, type, own);
  return a->p->status == FACET_OK ? 0 : -1;
}

static facet_status copy_attributes(packing *p, hid_t from, hid_t to)
{
  attributes a = {p, to};
  hsize_t at = 0;
  herr_t done = H5Aiterate2(from, H5_INDEX_NAME, H5_ITER_INC, &at, copy_attribute, &a);
  FACET_TRY(p->status);
  H5_CHECK(p->path, "packing", done);
  return FACET_OK;
}

/* ---- arrays ---- */

/* A chunk: of the dimensions from the outermost on one element each, then some of one, then all. */
static int find_chunk(int axes, const hsize_t *size, size_t bytes, hsize_t *chunk)
{
  double line = (double)bytes; /* of one element of an axis */
  int axis = axes;
  while (axis > 0 && line * (double)size[axis - 1] <= CHUNK) {
    axis--;
    chunk[axis] = size[axis];
    line *= (double)size[axis];
  }
  if (axis == 0)
    return 0;
  axis--;
  double some = CHUNK / line;
  chunk[axis] = some < 1 ? 1 : (hsize_t)some;
  for (int i = 0; i < axis; i++)
    chunk[i] = 1;
  return axis;
}

/* One chunk; on the way back zeros for what is spoiled. */
static facet_status copy_chunk(const packing *p, facet_store_transfer t, size_t bytes)
{
  facet_status status = facet_store_move(p->path, t);
  if (!p->unpacks || !facet_store_is_spoiled(status))
    return status;
  memset(t.data, 0, bytes);
  t.set = t.to;
  t.to = 0;
  t.write = true;
  return facet_store_move(p->path, t);
}

/* Chunk by chunk, each read and written at once. */
static facet_status copy_chunks(packing *p, facet_store_transfer t, int axis, const hsize_t *size, const hsize_t *chunk)
{
  size_t bytes = H5Tget_size(t.memory);
  for (int i = 0; i < t.axes; i++)
    bytes *= (size_t)chunk[i];
  if (!(t.data = facet_allocate(bytes, 1)))
    return FACET_OS;
  t.most = SIZE_MAX;
  facet_status status = FACET_OK;
  for (bool more = true; more && status == FACET_OK;) {
    for (int i = 0; i < t.axes; i++) {
      t.count[i] = size[i] - t.start[i] < chunk[i] ? size[i] - t.start[i] : chunk[i];
      t.there[i] = t.start[i];
    }
    status = copy_chunk(p, t, bytes);
    p->bytes += (int64_t)bytes;
    facet_progress_at(p->progress, p->bytes / (1 << 20));
    more = false;
    for (int i = axis; i >= 0 && !more; i--) {
      t.start[i] += chunk[i];
      more = t.start[i] < size[i];
      t.start[i] = more ? t.start[i] : 0;
    }
  }
  facet_free(&t.data);
  return status;
}

/* Marks and their checksums stay as they are: what they say of the rest must be there to be read. */
static bool is_worth(const char *name, hid_t type, hid_t space)
{
  double bytes = (double)H5Sget_simple_extent_npoints(space) * (double)H5Tget_size(type);
  return H5Sget_simple_extent_ndims(space) > 0 && bytes >= WORTH && H5Tis_variable_str(type) == 0 &&
         strncmp(name, "progress/", 9) != 0 && strncmp(name, "checksum/", 9) != 0;
}

static void list_chunks(hid_t list, int axes, const hsize_t *chunk)
{
  H5Premove_filter(list, H5Z_FILTER_ALL);
  H5Pset_chunk(list, axes, chunk);
  H5Pset_alloc_time(list, H5D_ALLOC_TIME_INCR);
  H5Pset_shuffle(list);
  H5Pset_deflate(list, LEVEL);
}

static void list_whole(hid_t list)
{
  H5Premove_filter(list, H5Z_FILTER_ALL);
  H5Pset_layout(list, H5D_CONTIGUOUS);
  H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY);
}

static facet_status copy_array(packing *p, const char *name, hid_t from)
{
  hsize_t size[H5S_MAX_RANK] = {0}, chunk[H5S_MAX_RANK] = {0};
  hid_t type = H5Dget_type(from), space = H5Dget_space(from), list = H5Dget_create_plist(from);
  int axes = H5Sget_simple_extent_dims(space, size, NULL), axis = axes - 1;
  bool packs = p->unpacks ? H5Pget_layout(list) == H5D_CHUNKED && H5Pget_chunk(list, H5S_MAX_RANK, chunk) == axes
                          : is_worth(name, type, space);
  if (packs && p->unpacks) {
    list_whole(list);
  } else if (packs) {
    axis = find_chunk(axes, size, H5Tget_size(type), chunk);
    list_chunks(list, axes, chunk);
  }
  hid_t to = H5Dcreate2(p->to, name, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
  facet_status status = to < 0 ? facet_store_raise(p->path, name) : copy_attributes(p, from, to);
  if (status == FACET_OK && packs)
    status =
        copy_chunks(p, (facet_store_transfer){.set = from, .to = to, .memory = type, .list = H5P_DEFAULT, .axes = axes},
                    axis, size, chunk);
  else if (status == FACET_OK)
    status = copy_whole(p->path, from, to, false);
  H5_CLOSE(to, list, space, type);
  return status;
}

static facet_status copy_group(packing *p, const char *name, hid_t from)
{
  bool root = strcmp(name, ".") == 0;
  hid_t to = root ? H5Gopen2(p->to, "/", H5P_DEFAULT) : H5Gcreate2(p->to, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  facet_status status = to < 0 ? facet_store_raise(p->path, name) : copy_attributes(p, from, to);
  H5_CLOSE(to);
  return status;
}

static herr_t copy_object(hid_t root, const char *name, const H5O_info_t *info, void *data)
{
  packing *p = data;
  hid_t from = H5Oopen(root, name, H5P_DEFAULT);
  p->status = from < 0                         ? facet_store_raise(p->path, name)
              : info->type == H5O_TYPE_DATASET ? copy_array(p, name, from)
                                               : copy_group(p, name, from);
  H5_CLOSE(from);
  return p->status == FACET_OK ? 0 : -1;
}

/* ---- scales ---- */

typedef struct {
  packing *p;
  hid_t to; /* the array that gets them */
} scaled;

static herr_t attach(hid_t set, unsigned axis, hid_t scale, void *data)
{
  const scaled *s = data;
  char name[1000];
  (void)set;
  if (H5Iget_name(scale, name, sizeof name) <= 0)
    return -1;
  hid_t own = H5Dopen2(s->p->to, name, H5P_DEFAULT);
  herr_t done = own < 0 ? -1 : H5DSattach_scale(s->to, own, axis);
  H5_CLOSE(own);
  return done < 0 ? -1 : 0;
}

static herr_t make_scale(hid_t root, const char *name, const H5O_info_t *info, void *data)
{
  packing *p = data;
  char label[1000] = "";
  if (info->type != H5O_TYPE_DATASET)
    return 0;
  hid_t from = H5Dopen2(root, name, H5P_DEFAULT), to = H5Dopen2(p->to, name, H5P_DEFAULT);
  herr_t done = from < 0 || to < 0 ? -1 : 0;
  if (done >= 0 && H5DSis_scale(from) > 0)
    done = H5DSget_scale_name(from, label, sizeof label) < 0 ? -1 : H5DSset_scale(to, label);
  H5_CLOSE(to, from);
  return done < 0 ? -1 : 0;
}

static herr_t attach_all(hid_t root, const char *name, const H5O_info_t *info, void *data)
{
  packing *p = data;
  if (info->type != H5O_TYPE_DATASET)
    return 0;
  hid_t from = H5Dopen2(root, name, H5P_DEFAULT), space = H5Dget_space(from);
  int axes = H5DSis_scale(from) > 0 ? 0 : H5Sget_simple_extent_ndims(space);
  scaled s = {p, axes > 0 ? H5Dopen2(p->to, name, H5P_DEFAULT) : -1};
  herr_t done = axes > 0 && s.to < 0 ? -1 : 0;
  for (int i = 0; i < axes && done >= 0; i++)
    done = H5DSiterate_scales(from, (unsigned)i, NULL, attach, &s);
  H5_CLOSE(s.to, space, from);
  return done < 0 ? -1 : 0;
}

/* ---- the whole ---- */

static facet_status visit(packing *p, H5O_iterate_t each)
{
  if (H5Ovisit(p->from, H5_INDEX_NAME, H5_ITER_INC, each, p) < 0)
    return p->status != FACET_OK ? p->status : facet_store_raise(p->path, "packing");
  return FACET_OK;
}

/* As the store is made: of HDF5 1.8, without times. */
static facet_status open_both(packing *p)
{
  FACET_TRY(facet_store_open_alone(p->path, &p->from));
  hid_t create = H5Pcreate(H5P_FILE_CREATE), access = facet_store_access();
  H5Pset_obj_track_times(create, 0);
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  p->to = H5Fcreate(p->temporary, H5F_ACC_TRUNC, create, access);
  H5_CLOSE(create, access);
  if (p->to < 0)
    (void)facet_store_raise(p->temporary, "cannot be created");
  return p->to < 0 ? facet_raise(FACET_CANNOT_CREATE, "%s", facet_message()) : FACET_OK;
}

static facet_status copy_all(packing *p)
{
  facet_status status;
  FACET_GO(done, status, open_both(p));
  FACET_GO(done, status, visit(p, copy_object));
  FACET_GO(done, status, visit(p, make_scale));
  FACET_GO(done, status, visit(p, attach_all));
  status = facet_store_index_write(p->temporary, p->to);
done:
  if (p->to >= 0 && H5Fclose(p->to) < 0 && status == FACET_OK)
    status = facet_store_raise(p->temporary, "closing");
  if (p->from >= 0)
    H5Fclose(p->from);
  return status;
}

static facet_status sync_file(const char *path)
{
  int file = open(path, O_RDONLY | O_CLOEXEC);
  int synced = file < 0 ? -1 : fsync(file), problem = errno;
  if (file >= 0)
    close(file);
  FACET_CHECK(synced == 0, FACET_IO, "%s: %s", path, strerror(problem));
  return FACET_OK;
}

/* Takes the place of the file, once it is known to be the same. */
static facet_status replace(const packing *p, const char *hex)
{
  char packed[65];
  if (hex)
    FACET_TRY(facet_store_checksum(p->temporary, packed));
  FACET_CHECK(!hex || strcmp(hex, packed) == 0, FACET_INTERNAL,
              "%s: packing changed its checksum; the file stays as it was", p->path);
  FACET_TRY(sync_file(p->temporary));
  FACET_CHECK(rename(p->temporary, p->path) == 0, FACET_CANNOT_CREATE, "%s: %s", p->path, strerror(errno));
  facet_sync_folder_of(p->path);
  return FACET_OK;
}

static facet_status find_size(const char *path, int64_t *bytes)
{
  struct stat about;
  FACET_CHECK(stat(path, &about) == 0, FACET_IO, "%s: %s", path, strerror(errno));
  *bytes = about.st_size;
  return FACET_OK;
}

/* hex: of the file; NULL: whatever it is, for some of it does not hold. */
static facet_status pack(packing *p, const char *hex, int64_t *before, int64_t *after)
{
  FACET_TRY(find_size(p->path, before));
  facet_remove_temporaries_of(p->path); /* of one that was killed here */
  FACET_TRY(facet_space_check(p->path, (double)*before));
  FACET_TRY(facet_progress_begin(&p->progress, p->unpacks ? "unpack" : "repack", "MiB", *before / (1 << 20), false));
  facet_status status = copy_all(p);
  if (status == FACET_OK)
    facet_progress_at(p->progress, *before / (1 << 20));
  facet_progress_end(&p->progress);
  if (status == FACET_OK)
    status = find_size(p->temporary, after);
  if (status == FACET_OK)
    status = replace(p, hex);
  if (status != FACET_OK)
    unlink(p->temporary);
  return status;
}

facet_status facet_store_repack(const char *path, int64_t *before, int64_t *after)
{
  char hex[65];
  FACET_TRY(facet_store_checksum(path, hex)); /* and it is finished */
  char *temporary = facet_temporary(path);
  packing p = {.path = path, .temporary = temporary, .from = -1, .to = -1, .status = FACET_OK};
  facet_store_listener listener = facet_store_listen(path);
  facet_status status = facet_store_unlisten(listener, temporary ? pack(&p, hex, before, after) : FACET_OS);
  facet_free(&temporary);
  return status;
}

/* ---- the way back ---- */

typedef struct {
  bool any, holds; /* holds: what was written when the file was made, without which nothing can be mended */
  double bytes;    /* of all arrays */
} chunked;

static herr_t look_at(hid_t root, const char *name, const H5O_info_t *info, void *data)
{
  chunked *found = data;
  if (info->type != H5O_TYPE_DATASET)
    return 0;
  hid_t set = H5Dopen2(root, name, H5P_DEFAULT), list = H5Dget_create_plist(set), space = H5Dget_space(set),
        type = H5Dget_type(set);
  herr_t done = set < 0 || list < 0 || space < 0 || type < 0 ? -1 : 0;
  if (done >= 0) {
    found->any = found->any || H5Pget_layout(list) == H5D_CHUNKED;
    found->bytes += (double)H5Sget_simple_extent_npoints(space) * (double)H5Tget_size(type);
  }
  H5_CLOSE(type, space, list, set);
  return done;
}

static facet_status look(const char *path, chunked *found)
{
  hid_t file;
  *found = (chunked){.any = false};
  FACET_TRY(facet_store_open_alone(path, &file));
  herr_t seen = H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, look_at, found);
  facet_status status = seen < 0 ? facet_store_raise(path, "listing its arrays") : FACET_OK;
  if (status == FACET_OK && found->any)
    status = facet_store_head_holds(path, file, &found->holds);
  H5Fclose(file);
  return status;
}

static facet_status unpack(packing *p)
{
  chunked found;
  int64_t before, after;
  FACET_TRY(look(p->path, &found));
  if (!found.any || !found.holds) /* then opening says so */
    return FACET_OK;
  fprintf(stderr,
          "facet: %s: is packed, and not all of it holds: it is unpacked first; `facet repack` packs it again\n",
          p->path);
  FACET_TRY(facet_space_check(p->path, found.bytes));
  return pack(p, NULL, &before, &after);
}

facet_status facet_store_unpack(const char *path)
{
  char *temporary = facet_temporary(path);
  packing p = {.path = path, .temporary = temporary, .unpacks = true, .from = -1, .to = -1, .status = FACET_OK};
  facet_store_listener listener = facet_store_listen(path);
  facet_status status = facet_store_unlisten(listener, temporary ? unpack(&p) : FACET_OS);
  facet_free(&temporary);
  return status;
}
