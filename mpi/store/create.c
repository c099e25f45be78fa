/* Creating the store: whole, closed, and never changed in its structure again.
 *
 * Rank 0 writes a temporary file with every array of the schema allocated, reserves its space on the disk, and renames
 * it.  What follows only overwrites raw data in place, so killing the program at any moment leaves a valid file
 * (docs/results.md says more). */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ranks/versions.h"
#include "store_file.h"

/* ---- attributes ---- */

/* So many texts (const char *), doubles or int64_t; none at all is no attribute. */
typedef struct {
  const char *name;
  enum { TEXT, REAL, WHOLE } kind;
  int64_t count;
  const void *data;
} attribute;
enum { SINGLE = -1 }; /* which is no list */

static facet_status put_one(const facet_store *s, const char *object, const attribute *a, hid_t text)
{
  const hid_t file[] = {text, H5T_IEEE_F64LE, H5T_STD_I64LE}, memory[] = {text, H5T_NATIVE_DOUBLE, H5T_NATIVE_INT64};
  hsize_t dim = (hsize_t)a->count;
  hid_t space = a->count < 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &dim, NULL);
  hid_t made = H5Acreate_by_name(s->file, object, a->name, file[a->kind], space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  herr_t done = made < 0 ? -1 : H5Awrite(made, memory[a->kind], a->data);
  H5_CLOSE(made, space);
  H5_CHECK(s->path, a->name, done);
  return FACET_OK;
}

/* To an object of the file, its path in two parts; the last of the list has no name. */
static facet_status put(const facet_store *s, const char *folder, const char *name, const attribute *a)
{
  char *object = facet_format("%s%s", folder, name);
  hid_t text = facet_store_text_type();
  facet_status status = object ? FACET_OK : FACET_OS;
  for (; a->name && status == FACET_OK; a++)
    if (a->count != 0)
      status = put_one(s, object, a, text);
  facet_free(&object);
  return status;
}

static facet_status root_attributes(const facet_store *s)
{
  const facet_store_plan *p = s->shape.plan;
  const facet_normalization *n = p->normalize;
  const double zero = 0, one = 1;
  const int64_t schema = FACET_SCHEMA_VERSION, seed = p->settings->seed, channels = n->channels ? n->channels : 1;
  const char *const facet = FACET_VERSION, *const revision = facet_revision();
  int count;
  const facet_library *version = facet_versions(&count);
  const attribute own[] = {{"facet_version", TEXT, SINGLE, &facet},
                           {"schema_version", WHOLE, SINGLE, &schema},
                           {"git_revision", TEXT, SINGLE, &revision},
                           {"study_name", TEXT, SINGLE, &p->settings->name},
                           {"study", TEXT, SINGLE, &p->study_text},
                           {"study_filled", TEXT, SINGLE, &p->study_filled},
                           {"seed", WHOLE, SINGLE, &seed},
                           {"made", TEXT, p->made ? SINGLE : 0, &p->made},
                           {"diverged", TEXT, p->diverged, p->diverged_line},
                           {"normalize_scale", REAL, SINGLE, &n->scale},
                           {"normalize_mean", REAL, channels, n->channels ? n->mean : &zero},
                           {"normalize_std", REAL, channels, n->channels ? n->std : &one},
                           {.name = NULL}};
  for (int i = 0; i < count; i++)
    FACET_TRY(put(s, "/", "", (attribute[]){{version[i].key, TEXT, SINGLE, &version[i].text}, {.name = NULL}}));
  for (int i = 0; i < p->origins; i++)
    FACET_TRY(
        put(s, "/", "",
            (attribute[]){{p->origin[i].name, TEXT, SINGLE, &(const char *){p->origin[i].sha256}}, {.name = NULL}}));
  return put(s, "/", "", own);
}

/* What executors handle at once, of one variant after the other. */
static facet_status put_batches(const facet_store *s)
{
  const facet_store_plan *p = s->shape.plan;
  int64_t *batch;
  FACET_NEW(batch, p->variants * FACET_BATCHES);
  for (int v = 0; v < p->variants; v++)
    memcpy(batch + (size_t)v * FACET_BATCHES, p->variant[v].batch, sizeof p->variant[v].batch);
  facet_status status =
      put(s, "/", "", (attribute[]){{"batches", WHOLE, p->variants * FACET_BATCHES, batch}, {.name = NULL}});
  facet_free(&batch);
  return status;
}

/* How a network takes samples. */
static facet_status put_layout(const facet_store *s, const char *folder, const char *name,
                               const facet_input_layout *input)
{
  const char *layout = facet_input_layout_name(input), *order = facet_order_name(input->order);
  return put(s, folder, name,
             (attribute[]){{"layout", TEXT, SINGLE, &layout}, {"order", TEXT, SINGLE, &order}, {.name = NULL}});
}

/* To what is the W of a network that is frozen at each sample, and its groups: of other networks nothing is said. */
static facet_status put_gates(const facet_store *s, const char *folder, const char *name, const facet_store_variant *v)
{
  const char *gates = "secant: W is not the Jacobian";
  return v->secant ? put(s, folder, name, (attribute[]){{"gates", TEXT, SINGLE, &gates}, {.name = NULL}}) : FACET_OK;
}

/* To a variant's own group, and those that other stages have for it. */
static facet_status variant_attributes(const facet_store *s, const facet_store_variant *v, bool spectrum)
{
  const int64_t seed = v->seed;
  const char *method = facet_spectrum_name(s->shape.plan->spectrum_method);
  const attribute own[] = {{"method", TEXT, SINGLE, &v->method},
                           {"scope", TEXT, SINGLE, &v->scope},
                           {"seed", WHOLE, SINGLE, &seed},
                           {"replicate", TEXT, SINGLE, &v->replicate},
                           {"parent", TEXT, v->parent ? SINGLE : 0, &v->parent},
                           {"operation", TEXT, v->operation ? SINGLE : 0, &v->operation},
                           {"warnings", TEXT, v->warnings, v->warning},
                           {"sparsity", REAL, SINGLE, &v->sparsity},
                           {"achieved", REAL, SINGLE, &v->achieved},
                           {"onnx", TEXT, SINGLE, &v->onnx},
                           {"sha256", TEXT, SINGLE, &v->sha256},
                           {"input_shape", WHOLE, v->input.axes, v->input.size},
                           {"layer", TEXT, v->layers, v->layer},
                           {"layer_achieved", REAL, v->layers, v->layer_achieved},
                           {"layer_size", WHOLE, v->layers, v->layer_size},
                           {.name = NULL}};
  FACET_TRY(put(s, "/variants/", v->name, own));
  FACET_TRY(put_layout(s, "/variants/", v->name, &v->input));
  FACET_TRY(put_gates(s, "/variants/", v->name, v));
  if (v->linearize) {
    const char *keep = facet_keep_name(s->shape.plan->keep);
    FACET_TRY(put_layout(s, "/linear/", v->name, &v->input));
    FACET_TRY(put(s, "/linear/", v->name, (attribute[]){{"keep", TEXT, SINGLE, &keep}, {.name = NULL}}));
    FACET_TRY(put_gates(s, "/linear/", v->name, v));
  }
  if (spectrum)
    FACET_TRY(put_gates(s, "/aggregate/", v->name, v));
  if (v->embed_nodes > 0)
    FACET_TRY(put_gates(s, "/embed/", v->name, v));
  return spectrum ? put(s, "/aggregate/", v->name, (attribute[]){{"method", TEXT, SINGLE, &method}, {.name = NULL}})
                  : FACET_OK;
}

static facet_status all_attributes(const facet_store *s)
{
  const facet_store_plan *p = s->shape.plan;
  hid_t variants = H5Gcreate2(s->file, "/variants", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), group = variants;
  for (int v = 0; v < p->variants && group >= 0; v++) {
    group = H5Gcreate2(variants, p->variant[v].name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5_CLOSE(group);
  }
  H5_CLOSE(variants);
  H5_CHECK(s->path, "/variants", group);
  FACET_TRY(root_attributes(s));
  FACET_TRY(put_batches(s));
  for (int i = 0; i < p->stages; i++) {
    const char *follows = p->stage[i].follows;
    if (follows[0])
      FACET_TRY(
          put(s, "/progress/", p->stage[i].name, (attribute[]){{"follows", TEXT, SINGLE, &follows}, {.name = NULL}}));
  }
  if (p->path_samples > 0)
    FACET_TRY(put(s, "/paths", "", (attribute[]){{"from", TEXT, SINGLE, &p->path_from}, {.name = NULL}}));
  if (p->reach_samples > 0)
    FACET_TRY(put(s, "/reach", "", (attribute[]){{"unit", TEXT, SINGLE, &p->reach_unit}, {.name = NULL}}));
  if (p->attributed > 0)
    FACET_TRY(put(s, "/attributions", "",
                  (attribute[]){{"baseline", REAL, SINGLE, &p->attribution_baseline}, {.name = NULL}}));
  for (int v = 0; v < p->variants; v++)
    FACET_TRY(variant_attributes(s, &p->variant[v], facet_store_has_spectrum(p, v)));
  return put(s, "/summary", "", (attribute[]){{"reference", TEXT, SINGLE, &p->variant[0].name}, {.name = NULL}});
}

/* ---- arrays ---- */

/* An array, and the groups on its path. Closes the list. */
static facet_status make_set(const facet_store *s, const char *path, hid_t type, hid_t list, int axes,
                             const hsize_t *dim, hid_t *set)
{
  hid_t space = H5Screate_simple(axes, dim, NULL), links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  H5Pset_obj_track_times(list, 0);
  *set = H5Dcreate2(s->file, path, type, space, links, list, H5P_DEFAULT);
  H5_CLOSE(links, list, space);
  H5_CHECK(s->path, path, *set);
  return FACET_OK;
}

/* What HDF5 still keeps of an array it writes as that closes. */
static facet_status close_set(const facet_store *s, const char *path, hid_t set, facet_status status)
{
  herr_t closed = set < 0 ? 0 : H5Dclose(set);
  FACET_TRY(status);
  H5_CHECK(s->path, path, closed);
  return FACET_OK;
}

/* What a reader is told of an array, or of coordinates. */
static facet_status describe(const facet_store *s, const char *path, const char *unit, const char *meaning)
{
  const char *units = unit[0] ? unit : "1";
  return put(s, path, "",
             (attribute[]){{"units", TEXT, SINGLE, &units}, {"long_name", TEXT, SINGLE, &meaning}, {.name = NULL}});
}

enum { AT_ONCE = 4096 };

/* Numbers first .. first+count-1 of a list. */
static facet_status write_some(const facet_store *s, const char *path, hid_t set, int64_t first, int64_t count,
                               hid_t type, void *data)
{
  facet_store_transfer t = {.set = set,
                            .memory = type,
                            .list = H5P_DEFAULT,
                            .axes = 1,
                            .start = {(hsize_t)first},
                            .count = {(hsize_t)count},
                            .most = SIZE_MAX,
                            .data = data,
                            .write = true};
  return facet_store_move(s->path, t) == FACET_OK ? FACET_OK : facet_store_raise(s->path, path);
}

static int64_t some(int64_t left)
{
  return left < AT_ONCE ? left : AT_ONCE;
}

/* 0, step, 2 step, ... */
static facet_status count_up(const facet_store *s, const char *path, hid_t set, int64_t size, int64_t step)
{
  int64_t number[AT_ONCE];
  for (int64_t first = 0, count; first < size; first += count) {
    count = some(size - first);
    for (int64_t i = 0; i < count; i++)
      number[i] = (first + i) * step;
    FACET_TRY(write_some(s, path, set, first, count, H5T_NATIVE_INT64, number));
  }
  return FACET_OK;
}

static facet_status write_labels(const facet_store *s, const char *path, hid_t set)
{
  facet_label_walk w = {.of = s->shape.plan->test};
  while (facet_labels_walk(&w))
    FACET_TRY(write_some(s, path, set, w.first, w.count, H5T_NATIVE_INT32, w.label));
  return w.status;
}

/* The coordinates of a dimension: a list that is a dimension scale. */
static facet_status fill_scale(const facet_store *s, const char *path, facet_store_shape_axis axis, int variant)
{
  const facet_dimension_about *about = &facet_dimension_table[axis.dimension];
  hsize_t size = (hsize_t)axis.size;
  char meaning[300];
  hid_t text = facet_store_text_type(), set;
  facet_status status =
      make_set(s, path, about->text ? text : H5T_STD_I64LE, H5Pcreate(H5P_DATASET_CREATE), 1, &size, &set);
  if (status == FACET_OK && !about->text)
    status = count_up(s, path, set, axis.size, axis.dimension == FACET_DIM_BLOCK ? s->shape.plan->block : 1);
  else if (status == FACET_OK &&
           H5Dwrite(set, text, H5S_ALL, H5S_ALL, H5P_DEFAULT, s->shape.extent[variant][axis.dimension].text) < 0)
    status = facet_store_raise(s->path, path);
  if (status == FACET_OK && H5DSset_scale(set, strrchr(path, '/') + 1) < 0)
    status = facet_store_raise(s->path, path);
  status = close_set(s, path, set, status);
  (void)snprintf(meaning, sizeof meaning, "%s: %s", about->length, about->meaning);
  return status == FACET_OK ? describe(s, path, "", meaning) : status;
}

static facet_status make_scale(const facet_store *s, facet_store_shape_axis axis, int variant)
{
  char *path = facet_store_shape_coordinate_path(&s->shape, axis, variant);
  facet_status status = path ? fill_scale(s, path, axis, variant) : FACET_OS;
  facet_free(&path);
  return status;
}

/* How many variants have a dimension of their own; 1: they share it. */
static int owners(const facet_store_shape *shape, int dimension)
{
  return strstr(facet_dimension_table[dimension].coordinate, "{variant}") ? shape->plan->variants : 1;
}

/* Of each dimension that is there. */
static facet_status make_all_scales(const facet_store *s)
{
  for (int d = 0; d < FACET_DIMENSIONS; d++)
    for (int v = 0; v < owners(&s->shape, d); v++)
      if (s->shape.extent[v][d].size >= 0)
        FACET_TRY(make_scale(
            s, (facet_store_shape_axis){.dimension = (facet_dimension)d, .turn = 1, .size = s->shape.extent[v][d].size},
            v));
  return FACET_OK;
}

/* Whether an axis is of a network's input alone. */
static bool is_of_input(facet_store_shape_axis axis)
{
  return axis.dimension == FACET_DIM_INPUT || axis.dimension == FACET_DIM_ONE;
}

/* Scales of a network's input, those that have to lie beside an array, and those of a dimension that occurs twice are
 * made with the first array that has them. */
static facet_status make_scale_of_array(const facet_store *s, facet_store_shape_axis axis, int variant)
{
  char *path = facet_store_shape_coordinate_path(&s->shape, axis, variant);
  if (!path)
    return FACET_OS;
  bool there = H5Lexists(s->file, path, H5P_DEFAULT) > 0;
  facet_free(&path);
  return there ? FACET_OK : make_scale(s, axis, variant);
}

static facet_status attach_scales(const facet_store *s, const facet_store_shape_array *a, hid_t set)
{
  for (int i = 0; i < a->axes; i++) {
    if (is_of_input(a->axis[i]) || a->axis[i].beside || a->axis[i].turn > 1)
      FACET_TRY(make_scale_of_array(s, a->axis[i], facet_row_of_stage(a->row) ? 0 : a->variant));
    char *path = facet_store_shape_coordinate_path(&s->shape, a->axis[i], a->variant);
    if (!path)
      return FACET_OS;
    hid_t scale = H5Dopen2(s->file, path, H5P_DEFAULT);
    herr_t attached = scale < 0 ? -1 : H5DSattach_scale(set, scale, (unsigned)i);
    H5_CLOSE(scale);
    facet_free(&path);
    H5_CHECK(s->path, facet_dimension_table[a->axis[i].dimension].name, attached);
  }
  return FACET_OK;
}

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
  H5Pset_fill_time(list, bytes > MOST_FILLED ? H5D_FILL_TIME_NEVER : H5D_FILL_TIME_ALLOC);
  if (type == FACET_ROW_REAL || type == FACET_ROW_LEAN || type == FACET_ROW_F32 || type == FACET_ROW_F64)
    H5Pset_fill_value(list, H5T_NATIVE_DOUBLE, &nan);
  else if (type != FACET_ROW_U8 && type != FACET_ROW_TEXT && type != FACET_ROW_LINE)
    H5Pset_fill_value(list, H5T_NATIVE_INT, &none);
  return list;
}

/* What is known at once: labels, costs, the sizes of replicates, and which samples are linearized. */
static facet_status write_known(const facet_store *s, const facet_store_shape_array *a, hid_t set)
{
  const facet_store_plan *p = s->shape.plan;
  const facet_store_cost *cost = &p->variant[0].cost;
  const struct {
    facet_row row;
    const void *first;
    size_t step;
  } known[] = {{FACET_ROW_REPLICATES, s->shape.names.replicate_size, sizeof(int64_t)},
               {FACET_ROW_COST_EPOCHS, &cost->epochs, sizeof p->variant[0]},
               {FACET_ROW_COST_EPOCHS_BEFORE, &cost->epochs_before, sizeof p->variant[0]},
               {FACET_ROW_COST_SAMPLES, &cost->samples, sizeof p->variant[0]},
               {FACET_ROW_COST_PARAMETERS, &cost->parameters, sizeof p->variant[0]},
               {FACET_ROW_COST_FLOPS, &cost->flops, sizeof p->variant[0]},
               {FACET_ROW_COST_FLOPS_SPARSE, &cost->flops_sparse, sizeof p->variant[0]},
               {FACET_ROW_COST_BYTES, &cost->bytes, sizeof p->variant[0]},
               {FACET_ROW_COST_BYTES_SPARSE, &cost->bytes_sparse, sizeof p->variant[0]},
               {FACET_ROW_TRAIN_SECONDS, &cost->train_seconds, sizeof p->variant[0]},
               {FACET_ROW_FORWARD_SECONDS, &cost->forward_seconds, sizeof p->variant[0]}};
  size_t k = 0, most = sizeof known / sizeof known[0];
  while (k < most && known[k].row != a->row)
    k++;
  if (k == most)
    return a->row == FACET_ROW_LABEL           ? write_labels(s, facet_row_table[a->row].path, set)
           : a->row == FACET_ROW_LINEAR_SAMPLE ? count_up(s, facet_row_table[a->row].path, set, (int64_t)a->elements, 1)
                                               : FACET_OK;
  hid_t memory = facet_store_memory(&s->shape, a->row, FACET_AS_DOUBLE);
  size_t size = H5Tget_size(memory), count = (size_t)a->elements;
  char *number;
  FACET_NEW(number, count * size);
  for (size_t i = 0; i < count; i++)
    memcpy(number + i * size, (const char *)known[k].first + i * known[k].step, size);
  herr_t written = H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, number);
  facet_free(&number);
  H5_CHECK(s->path, facet_row_table[a->row].path, written);
  return FACET_OK;
}

static facet_status make_array(const facet_store *s, const facet_store_shape_array *a, const char *path)
{
  const facet_row_about *about = &facet_row_table[a->row];
  double bytes = a->elements * (double)facet_store_size_of(&s->shape, a->row);
  hsize_t dim[FACET_MOST_AXES];
  hid_t set;
  for (int i = 0; i < a->axes; i++)
    dim[i] = (hsize_t)a->axis[i].size;
  FACET_TRY(make_set(s, path, facet_store_file_type(&s->shape, a->row), creation_list(about->type, bytes), a->axes, dim,
                     &set));
  facet_status status = attach_scales(s, a, set);
  if (status == FACET_OK)
    status = write_known(s, a, set);
  FACET_TRY(close_set(s, path, set, status));
  FACET_TRY(describe(s, path, about->unit, about->meaning));
  bool as_input = strstr(about->dimensions, ANY_LAYOUT) != NULL;
  if (!as_input && a->row != FACET_ROW_EMBED_W)
    return FACET_OK;
  const facet_store_variant *v = &s->shape.plan->variant[a->variant]; /* others may be of none */
  if (as_input)
    FACET_TRY(put_layout(s, path, "", &v->input));
  return put_gates(s, path, "", v);
}

static facet_status make_all_arrays(const facet_store *s)
{
  for (facet_store_shape_array a = {.number = -1}; facet_store_shape_next(&s->shape, &a);) {
    char *path = facet_store_shape_path(&s->shape, &a);
    facet_status status = path ? FACET_OK : FACET_OS;
    if (path && !facet_row_is_coordinate(a.row))
      status = make_array(s, &a, path);
    facet_free(&path);
    FACET_TRY(status);
  }
  return FACET_OK;
}

/* ---- sizes ---- */

/* Of HDF5 itself: the file and its attributes; a variant's group; an array, its attributes included; what is lost as
 * the lists of arrays along a scale grow, for each pair of arrays along it; a text. Measured, with room to spare. */
enum { BYTES_OF_FILE = 40000, BYTES_OF_VARIANT = 5000, BYTES_OF_ARRAY = 1200, BYTES_OF_PAIR = 1, BYTES_OF_TEXT = 60 };

static double coordinate_bytes(const facet_store_extent *extent)
{
  double bytes = extent->size < 0 ? 0 : BYTES_OF_ARRAY + 8.0 * (double)extent->size;
  for (int64_t i = 0; extent->text && i < extent->size; i++)
    bytes += BYTES_OF_TEXT + (double)strlen(extent->text[i]);
  return bytes;
}

static double shape_bytes(const facet_store_shape *s)
{
  const facet_store_plan *p = s->plan;
  double along[FACET_DIMENSIONS] = {0}, bytes = BYTES_OF_FILE + 2 * (double)strlen(p->study_text);
  for (int v = 0; v < p->variants; v++)
    bytes += BYTES_OF_VARIANT + (double)p->variant[v].layers * 2 * BYTES_OF_TEXT;
  for (int d = 0; d < FACET_DIMENSIONS; d++)
    for (int v = 0; v < owners(s, d); v++)
      bytes += coordinate_bytes(&s->extent[v][d]);
  for (facet_store_shape_array a = {.number = -1}; facet_store_shape_next(s, &a);) {
    bytes += BYTES_OF_ARRAY + a.elements * (double)facet_store_size_of(s, a.row);
    for (int i = 0; i < a.axes; i++)
      bytes += is_of_input(a.axis[i])                   ? BYTES_OF_ARRAY + 8.0 * (double)a.axis[i].size
               : a.axis[i].turn > 1 || a.axis[i].beside ? coordinate_bytes(&s->extent[0][a.axis[i].dimension])
                                                        : BYTES_OF_PAIR * along[a.axis[i].dimension]++;
  }
  return bytes;
}

/* In floating point first: a study may ask for more than an int64_t can count. */
facet_status facet_store_bytes(const facet_store_plan *plan, int64_t *bytes)
{
  facet_store_shape s;
  facet_status status = facet_store_shape_make(plan, &s);
  double all = status == FACET_OK ? shape_bytes(&s) : 0;
  facet_store_shape_clear(&s);
  *bytes = all < 9e18 ? (int64_t)all : INT64_MAX;
  return status;
}

/* ---- the whole, on the disk ---- */

/* Last of all: what is there now stays as it is. */
static facet_status write_head(const facet_store *s)
{
  int64_t sum;
  FACET_TRY(facet_store_head(s->path, s->file, &sum));
  hid_t set = H5Dopen2(s->file, facet_row_table[FACET_ROW_HEAD].path, H5P_DEFAULT);
  herr_t written = set < 0 ? -1 : H5Dwrite(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, &sum);
  H5_CLOSE(set);
  H5_CHECK(s->path, "writing /checksum/create", written);
  return FACET_OK;
}

static facet_status create_all(const facet_store *s)
{
  FACET_TRY(make_all_scales(s));
  FACET_TRY(make_all_arrays(s));
  FACET_TRY(all_attributes(s));
  FACET_TRY(facet_store_index_write(s->path, s->file));
  return write_head(s);
}

/* Of HDF5 1.8: its attributes may exceed 64 kB (a long study; the list of arrays along a scale), and its files carry no
 * mark of being open, which a kill would leave behind. */
static facet_status open_new(facet_store *s, const char *temporary)
{
  hid_t create = H5Pcreate(H5P_FILE_CREATE), access = facet_store_access();
  H5Pset_obj_track_times(create, 0);
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  s->file = H5Fcreate(temporary, H5F_ACC_EXCL, create, access);
  H5_CLOSE(create, access);
  if (s->file < 0)
    (void)facet_store_raise(s->path, "cannot be created");
  return s->file < 0 ? facet_raise(FACET_CANNOT_CREATE, "%s", facet_message()) : FACET_OK;
}

static facet_status create_file(facet_store *s, const char *temporary)
{
  int left = unlink(temporary); /* of a run that was killed here */
  FACET_CHECK(left == 0 || errno == ENOENT, FACET_CANNOT_CREATE, "%s: is in the way, and cannot be removed: %s",
              temporary, strerror(errno));
  FACET_TRY(facet_space_check(s->path, shape_bytes(&s->shape)));
  FACET_TRY(open_new(s, temporary));
  facet_status status = create_all(s);
  if (H5Fclose(s->file) < 0 && status == FACET_OK)
    status = facet_store_raise(s->path, "closing");
  if (status == FACET_OK)
    status = facet_space_reserve(s->path, temporary);
  if (status == FACET_OK && rename(temporary, s->path) != 0)
    status = facet_raise(FACET_CANNOT_CREATE, "%s: %s", s->path, strerror(errno));
  if (status == FACET_OK)
    facet_sync_folder_of(s->path);
  else
    unlink(temporary);
  return status;
}

static facet_status create(const char *path, const facet_store_plan *plan)
{
  facet_store s = {.path = path};
  FACET_CHECK(!facet_exists(path), FACET_CANNOT_CREATE, "%s: is there already, and is not overwritten", path);
  char *temporary = facet_format("%s.new", path);
  facet_status status = temporary ? facet_store_shape_make(plan, &s.shape) : FACET_OS;
  if (status == FACET_OK)
    status = create_file(&s, temporary);
  facet_store_shape_clear(&s.shape);
  facet_free(&temporary);
  return status;
}

facet_status facet_store_create(MPI_Comm comm, const char *path, const facet_store_plan *plan)
{
  facet_store_listener before = facet_store_listen(path);
  facet_status status = facet_rank(comm) == 0 ? create(path, plan) : FACET_OK;
  return facet_agree(comm, facet_store_unlisten(before, status));
}
