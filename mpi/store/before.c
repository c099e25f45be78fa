/* The store of a version of the study before this one, and what of it is still true.
 *
 * A tile is taken over, number by number, where all that its bits follow from is the same: the network (SHA-256), how
 * it takes samples, what is handled at once; the condition, and the seed if it corrupts; the samples, compared pixel by
 * pixel; whatever `made` says of the rest.  Features may be missing: a study may want them that did not before.  Which
 * parts of which arrays are a tile's follows from the dimensions in rows.def: variant and condition by their numbers
 * there and here, samples by the tile's. */
#include <string.h>

#include "ranks/versions.h"
#include "store_file.h"

enum { PIECE = 8 << 20 }; /* bytes that are copied at once */

struct facet_before {
  const facet_store_plan *plan;
  const char *stage;
  facet_store_shape shape; /* of the plan */
  char *path;
  hid_t file;
  /* of the file */
  int variants, conditions, clean;
  char **variant, **condition;
  int64_t samples, blocks;
  int64_t *linear; /* linearized samples of each variant */
  int64_t *batch;  /* as in facet_store_variant, of each */
  uint8_t *done;   /* marks of the stage */
  bool same_seed;
  /* of the plan */
  int *variant_of, *condition_of; /* their numbers in the file; -1: not there */
  hid_t *set;                     /* of every array of the plan's shape: the same in the file; -1: not there */
  hsize_t (*size)[FACET_MOST_AXES];
};

/* ---- what is in the file ---- */

/* A list of texts; *count is 0 where it cannot be read. */
static facet_status read_texts(hid_t file, const char *path, char ***text, int *count)
{
  hid_t set = H5Dopen2(file, path, H5P_DEFAULT), type = set < 0 ? -1 : H5Dget_type(set);
  hid_t space = set < 0 ? -1 : H5Dget_space(set);
  hssize_t there = space < 0 || H5Tis_variable_str(type) <= 0 ? 0 : H5Sget_simple_extent_npoints(space);
  char **read = facet_allocate((size_t)there + 1, sizeof *read);
  *text = facet_allocate((size_t)there + 1, sizeof **text);
  facet_status status = read && *text ? FACET_OK : FACET_OS;
  if (status == FACET_OK && there > 0 && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, read) >= 0) {
    for (*count = 0; *count < there && status == FACET_OK; ++*count)
      status = ((*text)[*count] = facet_copy_text(read[*count] ? read[*count] : "")) ? FACET_OK : FACET_OS;
    H5Dvlen_reclaim(type, space, H5P_DEFAULT, read);
  }
  facet_free(&read);
  H5_CLOSE(space, type, set);
  return status;
}

/* The sizes of an array; how many, -1: there is none, or it has more than arrays have here. */
static int find_sizes(hid_t set, hsize_t size[FACET_MOST_AXES])
{
  hsize_t all[H5S_MAX_RANK] = {0};
  hid_t space = set < 0 ? -1 : H5Dget_space(set);
  int axes = space < 0 ? -1 : H5Sget_simple_extent_dims(space, all, NULL);
  H5_CLOSE(space);
  if (axes > FACET_MOST_AXES)
    return -1;
  memcpy(size, all, FACET_MOST_AXES * sizeof *size);
  return axes;
}

static int find_sizes_of(hid_t file, const char *pattern, const char *name, hsize_t size[FACET_MOST_AXES])
{
  char *path = facet_store_path(pattern, name, "");
  hid_t set = path && H5LTpath_valid(file, path, true) > 0 ? H5Dopen2(file, path, H5P_DEFAULT) : -1;
  int axes = find_sizes(set, size);
  H5_CLOSE(set);
  facet_free(&path);
  return axes;
}

static bool has_text(hid_t file, const char *object, const char *name, const char *wanted)
{
  char *text = NULL;
  bool same = object && facet_store_text(file, object, name, &text) == FACET_OK && strcmp(text, wanted) == 0;
  facet_free(&text);
  return same;
}

/* The marks of a stage, and the sizes of their array; NULL: there are none. */
static uint8_t *read_marks(hid_t file, const char *stage, hsize_t size[FACET_MOST_AXES], int *axes, size_t *count)
{
  char *path = facet_store_path(facet_row_table[FACET_ROW_MARKS].path, stage, "");
  *axes = path ? find_sizes_of(file, path, "", size) : -1;
  *count = 1;
  for (int i = 0; i < *axes; i++)
    *count *= (size_t)size[i];
  uint8_t *done = *axes < 0 ? NULL : facet_allocate(*count, 1);
  if (done && H5LTread_dataset(file, path, H5T_NATIVE_UINT8, done) < 0)
    facet_free(&done);
  facet_free(&path);
  return done;
}

/* How many blocks there are, and which tiles are done; false: the marks do not fit. */
static bool find_tiles(facet_before *b)
{
  hsize_t size[FACET_MOST_AXES] = {0};
  size_t count;
  int axes;
  b->done = read_marks(b->file, b->stage, size, &axes, &count);
  b->blocks = (int64_t)size[2];
  return b->done && axes == 3 && (int64_t)size[0] == b->variants && (int64_t)size[1] == b->conditions;
}

static bool read_batches(const facet_before *b)
{
  hsize_t count = 0;
  H5T_class_t class;
  size_t bytes;
  return H5LTget_attribute_info(b->file, "/", "batches", &count, &class, &bytes) >= 0 &&
         (int)count == b->variants * FACET_BATCHES &&
         H5LTget_attribute(b->file, "/", "batches", H5T_NATIVE_INT64, b->batch) >= 0;
}

/* What the file holds. False: nothing that could be used. */
static facet_status read_file(facet_before *b, bool *fit)
{
  int version = 0;
  long long seed = -1;
  hsize_t size[FACET_MOST_AXES] = {0};
  *fit = b->plan->made && H5LTget_attribute_int(b->file, "/", "schema_version", &version) >= 0 &&
         version == FACET_SCHEMA_VERSION && has_text(b->file, "/", "made", b->plan->made) &&
         find_sizes_of(b->file, facet_row_table[FACET_ROW_LABEL].path, "", size) == 1;
  if (!*fit)
    return FACET_OK;
  b->samples = (int64_t)size[0];
  b->same_seed = H5LTget_attribute_long_long(b->file, "/", "seed", &seed) >= 0 && seed == b->plan->settings->seed;
  FACET_TRY(read_texts(b->file, facet_dimension_table[FACET_DIM_VARIANT].coordinate, &b->variant, &b->variants));
  FACET_TRY(read_texts(b->file, facet_dimension_table[FACET_DIM_CONDITION].coordinate, &b->condition, &b->conditions));
  FACET_NEW(b->linear, b->variants);
  FACET_NEW(b->batch, b->variants * FACET_BATCHES);
  for (int v = 0; v < b->variants; v++)
    b->linear[v] =
        find_sizes_of(b->file, facet_row_table[FACET_ROW_TIES].path, b->variant[v], size) == 1 ? (int64_t)size[0] : 0;
  *fit = find_tiles(b) && read_batches(b);
  return FACET_OK;
}

/* ---- what of the plan is there ---- */

/* The number of a variant in the file that is the same network, taking samples the same way. */
static int find_variant(const facet_before *b, const facet_store_variant *v)
{
  for (int i = 0; i < b->variants && v->sha256[0]; i++) {
    char *object = facet_format("/variants/%s", b->variant[i]);
    bool same = has_text(b->file, object, "sha256", v->sha256) &&
                has_text(b->file, object, "layout", facet_input_layout_name(&v->input)) &&
                has_text(b->file, object, "order", facet_order_name(v->input.order)) &&
                memcmp(b->batch + (size_t)i * FACET_BATCHES, v->batch, sizeof v->batch[0]) == 0;
    facet_free(&object);
    if (same)
      return i;
  }
  return -1;
}

static int find_text(char *const *text, int count, const char *wanted)
{
  for (int i = 0; i < count; i++)
    if (strcmp(text[i], wanted) == 0)
      return i;
  return -1;
}

static void open_array(facet_before *b, const facet_store_shape_array *a)
{
  const facet_row_about *about = &facet_row_table[a->row];
  bool of_variant = strstr(about->path, "{variant}") != NULL;
  int v = of_variant ? b->variant_of[a->variant] : 0;
  char *path = v < 0 ? NULL : facet_store_path(about->path, b->variant[v], "");
  hid_t set = path && H5LTpath_valid(b->file, path, true) > 0 ? H5Dopen2(b->file, path, H5P_DEFAULT) : -1;
  hid_t type = set < 0 ? -1 : H5Dget_type(set);
  facet_free(&path);
  if (find_sizes(set, b->size[a->number]) == a->axes && H5Tequal(type, facet_store_file_type(&b->shape, a->row)) > 0)
    b->set[a->number] = set;
  else
    H5_CLOSE(set);
  H5_CLOSE(type);
}

static facet_status match(facet_before *b)
{
  const facet_store_plan *p = b->plan;
  FACET_TRY(facet_store_shape_make(p, &b->shape));
  FACET_NEW(b->variant_of, p->variants);
  FACET_NEW(b->condition_of, p->conditions);
  FACET_NEW(b->size, b->shape.arrays);
  FACET_NEW(b->set, b->shape.arrays);
  b->clean = p->clean < 0 ? -1 : find_text(b->condition, b->conditions, p->condition[p->clean]);
  for (int v = 0; v < p->variants; v++)
    b->variant_of[v] = find_variant(b, &p->variant[v]);
  for (int c = 0; c < p->conditions; c++)
    b->condition_of[c] = find_text(b->condition, b->conditions, p->condition[c]);
  for (int64_t i = 0; i < b->shape.arrays; i++)
    b->set[i] = -1;
  for (facet_store_shape_array a = {.number = -1}; facet_store_shape_next(&b->shape, &a);)
    if (a.row == FACET_ROW_LABEL || strcmp(facet_row_table[a.row].stage, b->stage) == 0)
      open_array(b, &a);
  return FACET_OK;
}

void facet_before_close(facet_before **before)
{
  facet_before *b = *before;
  if (!b)
    return;
  for (int64_t i = 0; b->set && i < b->shape.arrays; i++)
    H5_CLOSE(b->set[i]);
  if (b->file >= 0)
    H5Fclose(b->file);
  facet_free_list(&b->variant, b->variants);
  facet_free_list(&b->condition, b->conditions);
  FACET_FREE(&b->path, &b->linear, &b->batch, &b->done, &b->variant_of, &b->condition_of, &b->set, &b->size);
  facet_store_shape_clear(&b->shape);
  facet_free(before);
}

static facet_status open_before(const char *path, facet_before *b, bool *fit)
{
  b->path = facet_copy_text(path);
  FACET_CHECK(b->path, FACET_OS, "out of memory");
  FACET_TRY(facet_store_open_alone(path, &b->file));
  FACET_TRY(read_file(b, fit));
  return *fit ? match(b) : FACET_OK;
}

facet_status facet_before_open(const char *path, const facet_store_plan *plan, const char *stage, facet_before **before)
{
  bool fit = false;
  *before = NULL;
  if (!facet_exists(path))
    return FACET_OK;
  FACET_NEW(*before, 1);
  **before = (facet_before){.plan = plan, .stage = stage, .file = -1};
  facet_store_listener listener = facet_store_listen();
  facet_status status = open_before(path, *before, &fit);
  if (status == FACET_BAD_INPUT) /* no store: nothing can be taken from it */
    status = FACET_OK;
  if (status != FACET_OK || !fit)
    facet_before_close(before);
  return facet_store_unlisten(listener, status);
}

int64_t facet_before_parts(const char *path, const char *stage)
{
  facet_store_listener listener = facet_store_listen();
  hsize_t size[FACET_MOST_AXES] = {0};
  size_t count = 0;
  int axes;
  int64_t parts = -1;
  hid_t file = -1;
  uint8_t *done = NULL;
  if (facet_exists(path) && facet_store_open_alone(path, &file) == FACET_OK)
    done = read_marks(file, stage, size, &axes, &count);
  for (size_t i = 0; done && i < count; i++)
    parts += done[i] + (i == 0);
  facet_free(&done);
  if (file >= 0)
    H5Fclose(file);
  (void)facet_store_unlisten(listener, FACET_OK);
  return parts;
}

/* ---- tiles ---- */

static bool is_done(const facet_before *b, int variant, int condition, int64_t block)
{
  return block < b->blocks && b->done[((int64_t)variant * b->conditions + condition) * b->blocks + block] == 1;
}

static int64_t least(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* How many samples of a tile are within the first `of`. */
static int64_t within(const facet_tile *t, int64_t of)
{
  return t->first < of ? least(t->count, of - t->first) : 0;
}

static bool is_of_first_samples(facet_dimension dimension)
{
  return dimension == FACET_DIM_LINEAR || dimension == FACET_DIM_EXPLAINED;
}

/* Whether an array sums up tiles: those with linearizations are then not taken over. */
static bool is_digest(const facet_store_shape_array *a)
{
  return a->axes > 0 && a->axis[0].dimension == FACET_DIM_DIGEST;
}

/* Whether the tile fills something of a row: what no condition has is of clean ones if it is of the first samples, and
 * else of the first tile of its samples. */
static bool fills(const facet_before *b, const facet_tile *t, const facet_store_shape_array *a)
{
  bool variant = strstr(facet_row_table[a->row].path, "{variant}") != NULL, condition = false, few = false;
  for (int i = 0; i < a->axes; i++) {
    variant = variant || a->axis[i].dimension == FACET_DIM_VARIANT;
    condition = condition || a->axis[i].dimension == FACET_DIM_CONDITION;
    few = few || is_of_first_samples(a->axis[i].dimension);
  }
  return (variant || t->variant == 0) && (condition || t->condition == (few ? b->plan->clean : 0));
}

/* The part of an array that is the tile's, here and in the file; false: the file does not have it. *empty: there is
 * none. */
static bool find_part(const facet_before *b, const facet_tile *t, const facet_store_shape_array *a,
                      facet_store_transfer *part, bool *empty)
{
  bool has = true;
  *part = (facet_store_transfer){.set = b->set[a->number], .axes = a->axes};
  *empty = false;
  for (int i = 0; i < a->axes; i++) {
    facet_dimension d = a->axis[i].dimension;
    bool samples = d == FACET_DIM_SAMPLE || is_of_first_samples(d);
    int64_t here = d == FACET_DIM_VARIANT ? t->variant : d == FACET_DIM_CONDITION ? t->condition : 0;
    int64_t there = d == FACET_DIM_VARIANT     ? b->variant_of[t->variant]
                    : d == FACET_DIM_CONDITION ? b->condition_of[t->condition]
                                               : 0;
    bool one = d == FACET_DIM_VARIANT || d == FACET_DIM_CONDITION;
    int64_t count = one ? 1 : samples ? within(t, a->axis[i].size) : a->axis[i].size;
    part->there[i] = (hsize_t)(samples ? t->first : here);
    part->start[i] = (hsize_t)(samples ? t->first : there);
    part->count[i] = (hsize_t)count;
    *empty = *empty || count == 0;
    has = has && (one || samples ? part->start[i] + part->count[i] <= b->size[a->number][i]
                                 : part->count[i] == b->size[a->number][i]);
  }
  return *empty || (part->set >= 0 && has);
}

/* The tile's part of a row; false: the file does not have it. */
static bool find_row(const facet_before *b, const facet_tile *t, facet_row row, facet_store_shape_array *a,
                     facet_store_transfer *part, bool *empty)
{
  int variant = strstr(facet_row_table[row].path, "{variant}") ? t->variant : 0;
  *empty = strcmp(facet_row_table[row].stage, b->stage) != 0 ||
           !facet_store_shape_find(&b->shape, row, variant, 0, a) || !fills(b, t, a) || is_digest(a);
  return *empty || find_part(b, t, a, part, empty);
}

bool facet_before_has(const facet_before *b, const facet_tile *t, bool *features)
{
  int v = b->variant_of[t->variant], c = b->condition_of[t->condition];
  if (t->linear > 0 && b->plan->digests > 0)
    return false;
  if (v < 0 || c < 0 || !is_done(b, v, c, t->block) || (t->condition != b->plan->clean && !b->same_seed))
    return false;
  bool same = least(b->plan->block, b->samples - t->first) == t->count &&
              (c == b->clean ? within(t, b->linear[v]) : 0) == t->linear;
  if (t->linear > 0)
    same = same && memcmp(b->batch + (size_t)v * FACET_BATCHES, b->plan->variant[t->variant].batch,
                          FACET_BATCHES * sizeof *b->batch) == 0;
  for (int row = 0; row < FACET_ROWS && same; row++) {
    facet_store_shape_array a;
    facet_store_transfer part;
    bool empty;
    bool has = find_row(b, t, (facet_row)row, &a, &part, &empty);
    if (row == FACET_ROW_FEATURE)
      *features = has;
    else
      same = has;
  }
  return same;
}

/* Whether an array's numbers of these samples are those. */
static facet_status same_numbers(const facet_before *b, facet_row row, int64_t first, int64_t count, const void *wanted,
                                 bool *same)
{
  facet_store_shape_array a;
  (void)facet_store_shape_find(&b->shape, row, 0, 0, &a);
  facet_store_transfer t = {.set = b->set[a.number],
                            .memory = facet_store_memory(&b->shape, row, FACET_AS_FLOAT),
                            .list = H5P_DEFAULT,
                            .axes = a.axes,
                            .start = {(hsize_t)first},
                            .count = {(hsize_t)count},
                            .most = SIZE_MAX};
  size_t bytes = (size_t)count * H5Tget_size(t.memory);
  *same = t.set >= 0 && t.start[0] + t.count[0] <= b->size[a.number][0];
  for (int i = 1; i < a.axes; i++) {
    t.count[i] = (hsize_t)a.axis[i].size;
    bytes *= (size_t)a.axis[i].size;
    *same = *same && t.count[i] == b->size[a.number][i];
  }
  if (!*same)
    return FACET_OK;
  if (!(t.data = facet_allocate(bytes, 1)))
    return FACET_OS;
  facet_status status = facet_store_move(b->path, t);
  *same = status == FACET_OK && memcmp(t.data, wanted, bytes) == 0;
  facet_free(&t.data);
  return status;
}

/* The images of a block were stored with its first tile. */
facet_status facet_before_samples(const facet_before *b, int64_t first, int64_t count, const float *pixels,
                                  const int32_t *label, bool *same)
{
  facet_store_listener listener = facet_store_listen();
  facet_status status = FACET_OK;
  *same = is_done(b, 0, 0, first / b->plan->block);
  if (*same)
    status = same_numbers(b, FACET_ROW_IMAGE, first, count, pixels, same);
  if (*same)
    status = same_numbers(b, FACET_ROW_LABEL, first, count, label, same);
  return facet_store_unlisten(listener, status);
}

static facet_status copy_all(const facet_before *b, const facet_tile *t, facet_store *s, char *room)
{
  for (int row = 0; row < FACET_ROWS; row++) {
    facet_store_shape_array a;
    facet_store_transfer part;
    bool empty, has = find_row(b, t, (facet_row)row, &a, &part, &empty);
    FACET_CHECK(has || row == FACET_ROW_FEATURE, FACET_INTERNAL, "%s: no such part of %s", b->path,
                facet_row_table[row].path);
    if (empty || !has)
      continue;
    part.to = s->set[a.number];
    part.memory = facet_store_memory(&b->shape, (facet_row)row, FACET_AS_STORED);
    part.list = s->list;
    part.most = PIECE;
    part.data = room;
    FACET_TRY(facet_store_move(s->path, part));
  }
  return FACET_OK;
}

facet_status facet_before_copy(const facet_before *b, const facet_tile *t, facet_store *s)
{
  char *room;
  FACET_NEW(room, PIECE);
  facet_store_listener listener = facet_store_listen();
  facet_status status = copy_all(b, t, s, room);
  facet_free(&room);
  return facet_store_unlisten(listener, status);
}
