/* Creating the store: whole, closed, and never changed in its structure again.
 *
 * Rank 0 writes a temporary file with every array of the schema allocated, reserves its space on the disk, and renames
 * it.  What follows only overwrites raw data in place, so killing the program at any moment leaves a valid file
 * (docs/results.md says more). */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "ranks/versions.h"
#include "store_file.h"

typedef struct {
  const char *path; /* for messages */
  const facet_store_shape *shape;
  hid_t file;
} creation;

/* A list for creating links, and the groups on their path. Caller closes. */
static hid_t groups_made(void)
{
  hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  return links;
}

/* ---- attributes ---- */

static hid_t text_type(void)
{
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

/* count -1: a single one. */
static facet_status put_numbers(const creation *c, hid_t object, const char *name, hid_t memory, hid_t type,
                                int64_t count, const void *data)
{
  hsize_t dim = (hsize_t)count;
  hid_t space = count < 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &dim, NULL);
  hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  herr_t done = attribute < 0 ? -1 : H5Awrite(attribute, memory, data);
  if (attribute >= 0)
    H5Aclose(attribute);
  H5Sclose(space);
  H5_CHECK(c->path, name, done);
  return FACET_OK;
}

static facet_status put_text(const creation *c, hid_t object, const char *name, const char *text)
{
  hid_t type = text_type();
  facet_status status = put_numbers(c, object, name, type, type, -1, &text);
  H5Tclose(type);
  return status;
}

static facet_status put_double(const creation *c, hid_t object, const char *name, double value)
{
  return put_numbers(c, object, name, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, -1, &value);
}

static facet_status put_int(const creation *c, hid_t object, const char *name, int64_t value)
{
  return put_numbers(c, object, name, H5T_NATIVE_INT64, H5T_STD_I64LE, -1, &value);
}

static facet_status put_names(const creation *c, hid_t object, const char *name, int count, const char *const *text)
{
  hid_t type = text_type();
  facet_status status = put_numbers(c, object, name, type, type, count, text);
  H5Tclose(type);
  return status;
}

static facet_status root_attributes(const creation *c)
{
  const facet_store_plan *p = c->shape->plan;
  const facet_normalization *n = p->normalize;
  const double zero = 0, one = 1;
  int count;
  const facet_library *version = facet_versions(&count);
  hid_t root = c->file;
  FACET_TRY(put_text(c, root, "facet_version", FACET_VERSION));
  FACET_TRY(put_int(c, root, "schema_version", FACET_SCHEMA_VERSION));
  FACET_TRY(put_text(c, root, "git_revision", facet_revision()));
  FACET_TRY(put_text(c, root, "study_name", p->settings->name));
  FACET_TRY(put_text(c, root, "study", p->study_text));
  FACET_TRY(put_text(c, root, "study_filled", p->study_filled));
  FACET_TRY(put_int(c, root, "seed", p->settings->seed));
  if (p->diverged > 0)
    FACET_TRY(put_names(c, root, "diverged", p->diverged, (const char *const *)p->diverged_line));
  for (int i = 0; i < count; i++)
    FACET_TRY(put_text(c, root, version[i].key, version[i].text));
  FACET_TRY(put_double(c, root, "normalize_scale", n->scale));
  FACET_TRY(put_numbers(c, root, "normalize_mean", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, n->channels ? n->channels : 1,
                        n->channels ? n->mean : &zero));
  return put_numbers(c, root, "normalize_std", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, n->channels ? n->channels : 1,
                     n->channels ? n->std : &one);
}

static facet_status put_layout(const creation *c, hid_t object, const facet_input_layout *input)
{
  FACET_TRY(put_text(c, object, "layout", facet_input_layout_name(input)));
  return put_text(c, object, "order", facet_order_name(input->order));
}

static facet_status variant_attributes(const creation *c, const facet_store_variant *v)
{
  char *name = facet_format("/variants/%s", v->name);
  hid_t links = groups_made(), group = name ? H5Gcreate2(c->file, name, links, H5P_DEFAULT, H5P_DEFAULT) : -1;
  H5Pclose(links);
  facet_free(&name);
  H5_CHECK(c->path, v->name, group);
  facet_status status = FACET_OK;
  FACET_GO(done, status, put_text(c, group, "method", v->method));
  FACET_GO(done, status, put_text(c, group, "scope", v->scope));
  FACET_GO(done, status, put_int(c, group, "seed", v->seed));
  FACET_GO(done, status, put_text(c, group, "replicate", v->replicate));
  if (v->warnings > 0)
    FACET_GO(done, status, put_names(c, group, "warnings", v->warnings, (const char *const *)v->warning));
  FACET_GO(done, status, put_double(c, group, "sparsity", v->sparsity));
  FACET_GO(done, status, put_double(c, group, "achieved", v->achieved));
  FACET_GO(done, status, put_text(c, group, "onnx", v->onnx));
  FACET_GO(done, status, put_text(c, group, "sha256", v->sha256));
  FACET_GO(done, status,
           put_numbers(c, group, "input_shape", H5T_NATIVE_INT64, H5T_STD_I64LE, v->input.axes, v->input.size));
  FACET_GO(done, status, put_layout(c, group, &v->input));
  if (v->layers == 0)
    goto done;
  FACET_GO(done, status, put_names(c, group, "layer", v->layers, v->layer));
  FACET_GO(done, status,
           put_numbers(c, group, "layer_achieved", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, v->layers, v->layer_achieved));
  status = put_numbers(c, group, "layer_size", H5T_NATIVE_INT64, H5T_STD_I64LE, v->layers, v->layer_size);
done:
  H5Gclose(group);
  return status;
}

/* Of a group, its path in two parts: a text, or how a network takes samples. */
static facet_status put_on_group(const creation *c, const char *folder, const char *name, const char *attribute,
                                 const char *text, const facet_input_layout *input)
{
  char *path = facet_format("%s%s", folder, name);
  hid_t group = path ? H5Gopen2(c->file, path, H5P_DEFAULT) : -1;
  facet_free(&path);
  H5_CHECK(c->path, folder, group);
  facet_status status = input ? put_layout(c, group, input) : put_text(c, group, attribute, text);
  H5Gclose(group);
  return status;
}

static facet_status all_attributes(const creation *c)
{
  const facet_store_plan *p = c->shape->plan;
  FACET_TRY(root_attributes(c));
  for (int v = 0; v < p->variants; v++) {
    const facet_store_variant *variant = &p->variant[v];
    FACET_TRY(variant_attributes(c, variant));
    if (variant->linearize)
      FACET_TRY(put_on_group(c, "/linear/", variant->name, NULL, NULL, &variant->input));
    if (facet_store_has_spectrum(p, v))
      FACET_TRY(put_on_group(c, "/aggregate/", variant->name, "method", facet_spectrum_name(p->spectrum_method), NULL));
  }
  return put_on_group(c, "/summary", "", "reference", p->variant[0].name, NULL);
}

/* ---- coordinates ---- */

/* What a reader is told of an array, or of coordinates. */
static facet_status describe(const creation *c, hid_t set, const char *unit, const char *meaning)
{
  FACET_TRY(put_text(c, set, "units", unit[0] ? unit : "1"));
  return put_text(c, set, "long_name", meaning);
}

/* A list that is a dimension scale. */
static facet_status make_scale(const creation *c, const char *path, const facet_dimension_about *about, hid_t type,
                               hid_t memory, int64_t count, const void *data)
{
  hsize_t dim = (hsize_t)count;
  hid_t space = H5Screate_simple(1, &dim, NULL), list = H5Pcreate(H5P_DATASET_CREATE), links = groups_made();
  H5Pset_obj_track_times(list, 0);
  hid_t set = H5Dcreate2(c->file, path, type, space, links, list, H5P_DEFAULT);
  herr_t done = set < 0 ? -1 : 0;
  if (done >= 0 && count > 0)
    done = H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
  if (done >= 0)
    done = H5DSset_scale(set, strrchr(path, '/') + 1);
  H5Pclose(links);
  H5Pclose(list);
  H5Sclose(space);
  char meaning[300];
  (void)snprintf(meaning, sizeof meaning, "%s: %s", about->length, about->meaning);
  facet_status status = done < 0 ? facet_store_raise(c->path, path) : describe(c, set, "", meaning);
  if (set >= 0)
    H5Dclose(set);
  return status;
}

/* The coordinates of a dimension, whole; one of `text` and `number` is NULL. */
static facet_status fill_scale(const creation *c, facet_store_shape_axis axis, int variant, const char **text,
                               int64_t *number)
{
  const facet_dimension_about *about = &facet_dimension_table[axis.dimension];
  for (int64_t i = 0, n; i < axis.size; i++) {
    const char *name = facet_store_shape_coordinate(c->shape, axis.dimension, variant, i, &n);
    if (text)
      text[i] = name;
    else
      number[i] = n;
  }
  char *path = facet_store_shape_coordinate_path(c->shape, axis, variant);
  hid_t type = text ? text_type() : H5T_STD_I64LE;
  facet_status status = !path  ? FACET_OS
                        : text ? make_scale(c, path, about, type, type, axis.size, text)
                               : make_scale(c, path, about, type, H5T_NATIVE_INT64, axis.size, number);
  if (text)
    H5Tclose(type);
  facet_free(&path);
  return status;
}

static facet_status make_coordinates(const creation *c, facet_store_shape_axis axis, int variant)
{
  const char **text = NULL;
  int64_t *number = NULL;
  if (facet_dimension_table[axis.dimension].text)
    FACET_NEW(text, axis.size);
  else
    FACET_NEW(number, axis.size);
  facet_status status = fill_scale(c, axis, variant, text, number);
  facet_free(&text);
  facet_free(&number);
  return status;
}

/* Of each dimension that is there, and of the axes of networks' inputs that are not those of images. */
static facet_status make_all_coordinates(const creation *c)
{
  for (int d = 0; d < FACET_DIMENSIONS; d++) {
    bool own = strstr(facet_dimension_table[d].coordinate, "{variant}") != NULL;
    for (int v = 0; v < (own ? c->shape->plan->variants : 1); v++) {
      facet_store_shape_axis axis = {.dimension = (facet_dimension)d, .turn = 1};
      axis.size = facet_store_shape_size(c->shape, axis.dimension, v);
      if (axis.size >= 0)
        FACET_TRY(make_coordinates(c, axis, v));
    }
  }
  for (int v = 0; v < c->shape->plan->variants; v++) {
    facet_store_shape_array w;
    bool linear = facet_store_shape_find(c->shape, FACET_ROW_W, v, 0, &w);
    for (int i = 0; linear && i < w.axes; i++)
      if (w.axis[i].dimension == FACET_DIM_INPUT || w.axis[i].dimension == FACET_DIM_ONE)
        FACET_TRY(make_coordinates(c, w.axis[i], v));
  }
  return FACET_OK;
}

/* ---- arrays ---- */

/* What is not written yet must not look like a result, where saying so costs little: NaN, -1, and 0 for marks. Larger
 * arrays hold whatever the reserved blocks hold, zeros; /progress tells. */
enum { MOST_FILLED = 16 << 20 };

static hid_t creation_list(facet_row_type type, double bytes)
{
  const double nan = NAN;
  const int none = -1;
  hid_t list = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_layout(list, H5D_CONTIGUOUS);
  H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY);
  H5Pset_obj_track_times(list, 0);
  H5Pset_fill_time(list, bytes > MOST_FILLED ? H5D_FILL_TIME_NEVER : H5D_FILL_TIME_ALLOC);
  if (type == FACET_ROW_REAL || type == FACET_ROW_F64)
    H5Pset_fill_value(list, H5T_NATIVE_DOUBLE, &nan);
  else if (type != FACET_ROW_U8)
    H5Pset_fill_value(list, H5T_NATIVE_INT, &none);
  return list;
}

static facet_status attach_scales(const creation *c, const facet_store_shape_array *a, hid_t set)
{
  for (int i = 0; i < a->axes; i++) {
    char *path = facet_store_shape_coordinate_path(c->shape, a->axis[i], a->variant);
    hid_t scale = path ? H5Dopen2(c->file, path, H5P_DEFAULT) : -1;
    herr_t attached = scale < 0 ? -1 : H5DSattach_scale(set, scale, (unsigned)i);
    if (scale >= 0)
      H5Dclose(scale);
    facet_free(&path);
    if (attached < 0)
      return facet_store_raise(c->path, facet_dimension_table[a->axis[i].dimension].name);
  }
  return FACET_OK;
}

/* ---- what is known at once ---- */

static const struct {
  facet_row row;
  size_t at; /* in facet_store_cost */
} costs[] = {{FACET_ROW_COST_EPOCHS, offsetof(facet_store_cost, epochs)},
             {FACET_ROW_COST_EPOCHS_BEFORE, offsetof(facet_store_cost, epochs_before)},
             {FACET_ROW_COST_SAMPLES, offsetof(facet_store_cost, samples)},
             {FACET_ROW_COST_PARAMETERS, offsetof(facet_store_cost, parameters)},
             {FACET_ROW_COST_FLOPS, offsetof(facet_store_cost, flops)},
             {FACET_ROW_COST_FLOPS_SPARSE, offsetof(facet_store_cost, flops_sparse)},
             {FACET_ROW_COST_BYTES, offsetof(facet_store_cost, bytes)},
             {FACET_ROW_COST_BYTES_SPARSE, offsetof(facet_store_cost, bytes_sparse)},
             {FACET_ROW_TRAIN_SECONDS, offsetof(facet_store_cost, train_seconds)},
             {FACET_ROW_FORWARD_SECONDS, offsetof(facet_store_cost, forward_seconds)}};

/* Numbers of 8 bytes. */
static facet_status write_numbers(const creation *c, hid_t set, hid_t memory, const char *first, size_t step,
                                  int64_t count)
{
  uint64_t *number;
  FACET_NEW(number, count);
  for (int64_t i = 0; i < count; i++)
    memcpy(&number[i], first + (size_t)i * step, sizeof *number);
  herr_t written = H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, number);
  facet_free(&number);
  H5_CHECK(c->path, "writing", written);
  return FACET_OK;
}

/* Labels, costs and the sizes of replicates. */
static facet_status write_known(const creation *c, const facet_store_shape_array *a, hid_t set)
{
  const facet_store_plan *p = c->shape->plan;
  const facet_store_names *names = &c->shape->names;
  for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++)
    if (costs[i].row == a->row)
      return write_numbers(c, set, facet_store_memory(c->shape, a->row, FACET_AS_DOUBLE),
                           (const char *)&p->variant[0].cost + costs[i].at, sizeof p->variant[0], p->variants);
  if (a->row == FACET_ROW_LABEL) {
    H5_CHECK(c->path, "/label", H5Dwrite(set, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, p->label));
  } else if (a->row == FACET_ROW_REPLICATES) {
    int64_t *size;
    FACET_NEW(size, names->replicates);
    for (int v = 0; v < p->variants; v++)
      size[names->replicate_of[v]]++;
    facet_status status = write_numbers(c, set, H5T_NATIVE_INT64, (const char *)size, sizeof *size, names->replicates);
    facet_free(&size);
    return status;
  }
  return FACET_OK;
}

static facet_status fill_array(const creation *c, const facet_store_shape_array *a, hid_t set)
{
  const facet_row_about *about = &facet_row_table[a->row];
  FACET_TRY(attach_scales(c, a, set));
  FACET_TRY(describe(c, set, about->unit, about->meaning));
  if (strstr(about->dimensions, ANY_LAYOUT))
    FACET_TRY(put_layout(c, set, &c->shape->plan->variant[a->variant].input));
  return write_known(c, a, set);
}

static facet_status make_array(const creation *c, const facet_store_shape_array *a, const char *path)
{
  hsize_t dim[FACET_MOST_AXES];
  double bytes = (double)facet_store_size_of(c->shape, a->row);
  for (int i = 0; i < a->axes; i++) {
    dim[i] = (hsize_t)a->axis[i].size;
    bytes *= (double)dim[i];
  }
  facet_row_type type = facet_row_table[a->row].type;
  hid_t space = H5Screate_simple(a->axes, dim, NULL), list = creation_list(type, bytes), links = groups_made();
  hid_t set = H5Dcreate2(c->file, path, facet_store_file_type(c->shape, a->row), space, links, list, H5P_DEFAULT);
  H5Pclose(links);
  H5Pclose(list);
  H5Sclose(space);
  H5_CHECK(c->path, path, set);
  facet_status status = fill_array(c, a, set);
  H5Dclose(set);
  return status;
}

static facet_status make_all_arrays(const creation *c)
{
  for (facet_store_shape_array a = {.number = -1}; facet_store_shape_next(c->shape, &a);) {
    char *path = facet_store_shape_path(c->shape, &a);
    facet_status status = path ? FACET_OK : FACET_OS;
    if (path && !facet_row_is_coordinate(a.row))
      status = make_array(c, &a, path);
    facet_free(&path);
    FACET_TRY(status);
  }
  return FACET_OK;
}

/* ---- sizes ---- */

/* Of HDF5 itself: the file and its attributes; a variant's group; an array, its attributes included; what is lost as
 * the lists of arrays along a scale grow, for each pair of arrays along it; a text. Measured, with room to spare. */
enum { BYTES_OF_FILE = 40000, BYTES_OF_VARIANT = 5000, BYTES_OF_ARRAY = 1000, BYTES_OF_PAIR = 1, BYTES_OF_TEXT = 60 };

static double coordinate_bytes(const facet_store_shape *s, facet_dimension d, int variant)
{
  int64_t size = facet_store_shape_size(s, d, variant), number;
  double bytes = size < 0 ? 0 : BYTES_OF_ARRAY + 8.0 * (double)size;
  for (int64_t i = 0; i < size && facet_dimension_table[d].text; i++)
    bytes += BYTES_OF_TEXT + (double)strlen(facet_store_shape_coordinate(s, d, variant, i, &number));
  return bytes;
}

static double shape_bytes(const facet_store_shape *s)
{
  const facet_store_plan *p = s->plan;
  double along[FACET_DIMENSIONS] = {0}, bytes = BYTES_OF_FILE + 2 * (double)strlen(p->study_text);
  for (int v = 0; v < p->variants; v++)
    bytes += BYTES_OF_VARIANT + (double)p->variant[v].layers * 2 * BYTES_OF_TEXT;
  for (int d = 0; d < FACET_DIMENSIONS; d++)
    for (int v = 0; v < (strstr(facet_dimension_table[d].coordinate, "{variant}") ? p->variants : 1); v++)
      bytes += coordinate_bytes(s, (facet_dimension)d, v);
  for (facet_store_shape_array a = {.number = -1}; facet_store_shape_next(s, &a);) {
    double data = (double)facet_store_size_of(s, a.row);
    for (int i = 0; i < a.axes; i++) {
      data *= (double)a.axis[i].size;
      bool own = a.axis[i].dimension == FACET_DIM_INPUT || a.axis[i].dimension == FACET_DIM_ONE;
      bytes += own ? BYTES_OF_ARRAY + 8.0 * (double)a.axis[i].size : BYTES_OF_PAIR * along[a.axis[i].dimension]++;
    }
    bytes += BYTES_OF_ARRAY + data;
  }
  return bytes;
}

/* In floating point first: a study may ask for more than an int64_t can count. */
int64_t facet_store_bytes(const facet_store_plan *plan)
{
  facet_store_shape s;
  double bytes = facet_store_shape_make(plan, &s) == FACET_OK ? shape_bytes(&s) : 9e18;
  facet_store_shape_clear(&s);
  return bytes < 9e18 ? (int64_t)bytes : INT64_MAX;
}

/* ---- space on the disk ---- */

/* FACET_IO if `needed` bytes are more than there are in the file's folder; what cannot be asked is not held against it.
 * `refused`: the system has said so already. */
static facet_status check_space(const char *path, double needed, bool refused)
{
  struct statvfs s = {.f_frsize = 0};
  char *folder = facet_path_beside(path, ".");
  bool known = folder && statvfs(folder, &s) == 0 && s.f_blocks > 0;
  facet_free(&folder);
  double room = (double)s.f_bavail * (double)s.f_frsize;
  int digits = needed < 1e9 ? 6 : 2;
  FACET_CHECK(!refused || known, FACET_IO, "%s: no space left: %.*f GB needed", path, digits, needed / 1e9);
  FACET_CHECK(!refused && (!known || needed <= room), FACET_IO, "%s: no space left: %.*f GB needed, %.*f GB free", path,
              digits, needed / 1e9, digits, room / 1e9);
  return FACET_OK;
}

/* Gives every byte its block on the disk and makes what is there durable; 0 or errno. */
static int reserve(int file, off_t *size)
{
  struct stat about;
  if (fstat(file, &about) != 0)
    return errno;
  *size = about.st_size;
  int problem = posix_fallocate(file, 0, about.st_size);
  if (problem == EOPNOTSUPP || problem == EINVAL) /* a file system that cannot: statvfs has to do */
    problem = 0;
  return problem == 0 && fsync(file) != 0 ? errno : problem;
}

static facet_status reserve_file(const char *path, const char *temporary)
{
  off_t size = 0;
  int file = open(temporary, O_RDWR | O_CLOEXEC);
  FACET_CHECK(file >= 0, FACET_CANNOT_CREATE, "%s: %s", path, strerror(errno));
  int problem = reserve(file, &size);
  close(file);
  if (problem == ENOSPC) {
    unlink(temporary); /* so that what is free counts without it */
    return check_space(path, (double)size, true);
  }
  FACET_CHECK(problem == 0, FACET_IO, "%s: cannot reserve %.3f GB: %s", path, (double)size / 1e9, strerror(problem));
  return FACET_OK;
}

/* ---- the whole, on the disk ---- */

static facet_status create_all(const creation *c)
{
  FACET_TRY(make_all_coordinates(c));
  FACET_TRY(make_all_arrays(c));
  return all_attributes(c);
}

/* Of HDF5 1.8: its attributes may exceed 64 kB (a long study; the list of arrays along a scale), and its files carry no
 * mark of being open, which a kill would leave behind. */
static facet_status open_new(const char *path, const char *temporary, hid_t *file)
{
  hid_t create = H5Pcreate(H5P_FILE_CREATE), access = facet_store_access();
  H5Pset_obj_track_times(create, 0);
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  *file = H5Fcreate(temporary, H5F_ACC_TRUNC, create, access);
  H5Pclose(create);
  H5Pclose(access);
  if (*file < 0)
    (void)facet_store_raise(path, "cannot be created");
  return *file < 0 ? facet_raise(FACET_CANNOT_CREATE, "%s", facet_message()) : FACET_OK;
}

static facet_status create_file(const char *path, const char *temporary, const facet_store_shape *shape)
{
  creation c = {.path = path, .shape = shape};
  FACET_CHECK(!facet_exists(path), FACET_CANNOT_CREATE, "%s: is there already, and is not overwritten", path);
  unlink(temporary); /* of a run that was killed here */
  FACET_TRY(check_space(path, shape_bytes(shape), false));
  FACET_TRY(open_new(path, temporary, &c.file));
  facet_status status = create_all(&c);
  if (H5Fclose(c.file) < 0 && status == FACET_OK)
    status = facet_store_raise(path, "closing");
  if (status == FACET_OK)
    status = reserve_file(path, temporary);
  if (status == FACET_OK && rename(temporary, path) != 0)
    status = facet_raise(FACET_CANNOT_CREATE, "%s: %s", path, strerror(errno));
  if (status == FACET_OK)
    facet_sync_folder_of(path);
  else
    unlink(temporary);
  return status;
}

static facet_status create(const char *path, const facet_store_plan *plan)
{
  facet_store_shape shape;
  facet_status status = facet_store_shape_make(plan, &shape);
  char *temporary = facet_format("%s.new", path);
  if (status == FACET_OK)
    status = temporary ? create_file(path, temporary, &shape) : FACET_OS;
  facet_free(&temporary);
  facet_store_shape_clear(&shape);
  return status;
}

facet_status facet_store_create(MPI_Comm comm, const char *path, const facet_store_plan *plan)
{
  facet_store_listener before = facet_store_listen();
  facet_status status = facet_rank(comm) == 0 ? create(path, plan) : FACET_OK;
  return facet_agree(comm, facet_store_unlisten(before, status));
}
