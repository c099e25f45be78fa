/* The store of a version of the study before this one, and what of it is still true.
 *
 * Stage by stage, and part by part of a stage's marks, what is there is taken over, number by number, where all that
 * its bits follow from is the same.  For a tile of the analysis that is the network (SHA-256), how it takes samples,
 * what is handled at once; the condition, and the seed if it corrupts, or the published images; the samples, compared
 * pixel by pixel; whatever `made` says of the rest.  For a later stage, the tiles that a part read (the stage knows
 * which), and whatever `follows` of the stage says of the rest.  Which boxes of which arrays are a part's
 * says boxes.h, here and there: variant and condition have their numbers here and there, samples are the same.  What
 * does not hold its checksum there is not taken over. */
#include <string.h>

#include "boxes.h"
#include "ranks/versions.h"

struct facet_before {
  const facet_store_plan *plan;
  facet_store_shape shape; /* of the plan */
  char *path;
  hid_t file;
  /* of the file */
  facet_sums_source in;
  int64_t samples;
  int64_t *linear; /* linearized samples of each variant */
  bool *kept;      /* of each: its features are there */
  int64_t *batch;  /* as in facet_store_variant, of each */
  bool same_seed;
  char *room; /* for what is copied; NULL: nothing was yet */
  /* of the stage that was entered */
  const char *stage;        /* NULL: none */
  facet_marked here, there; /* its marks in the plan, and in the file */
  uint8_t *done;            /* NULL: nothing of it can be true */
  facet_sums *sums;         /* NULL, too */
  int64_t *sum;             /* of each part, as it was */
  /* of the plan */
  int *variant_of, *condition_of; /* their numbers in the file; -1: not there */
  hid_t *set; /* of every array of the plan's shape that is the stage's: the same in the file; -1: not there */
  hsize_t (*size)[FACET_MOST_AXES];
};

/* ---- what is in the file ---- */

static int find_sizes_of(hid_t file, const char *pattern, const char *name, hsize_t size[FACET_MOST_AXES])
{
  char *path = facet_store_path(pattern, name, "");
  hid_t set = path ? facet_store_set(file, path) : -1;
  int axes = facet_store_sizes(set, size);
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

/* What the file holds. False: nothing that could be used. */
static facet_status read_file(facet_before *b, bool *fit)
{
  int64_t version = 0, seed = -1;
  hsize_t size[FACET_MOST_AXES] = {0};
  *fit = b->plan->made && facet_store_attribute(b->file, "schema_version", 1, &version) &&
         version == FACET_SCHEMA_VERSION && has_text(b->file, "/", "made", b->plan->made) &&
         find_sizes_of(b->file, facet_row_table[FACET_ROW_LABEL].path, "", size) == 1;
  if (!*fit)
    return FACET_OK;
  b->samples = (int64_t)size[0];
  b->same_seed = facet_store_attribute(b->file, "seed", 1, &seed) && seed == b->plan->settings->seed;
  FACET_TRY(facet_sums_describe(b->path, b->file, &b->in));
  FACET_NEW(b->linear, b->in.variants);
  FACET_NEW(b->kept, b->in.variants);
  FACET_NEW(b->batch, b->in.variants * FACET_BATCHES);
  for (int v = 0; v < b->in.variants; v++) {
    b->linear[v] = find_sizes_of(b->file, facet_row_table[FACET_ROW_TIES].path, b->in.variant[v], size) == 1
                       ? (int64_t)size[0]
                       : 0;
    b->kept[v] = find_sizes_of(b->file, facet_row_table[FACET_ROW_FEATURE].path, b->in.variant[v], size) >= 0;
  }
  *fit = facet_store_attribute(b->file, "batches", (int64_t)b->in.variants * FACET_BATCHES, b->batch);
  return FACET_OK;
}

/* ---- what of the plan is there ---- */

static bool has_variant(facet_row row)
{
  return strstr(facet_row_table[row].path, "{variant}") != NULL;
}

static bool has_condition(facet_row row)
{
  return strstr(facet_row_table[row].path, "{condition}") != NULL;
}

/* The number of a variant in the file that is the same network, taking samples the same way. */
static int find_variant(const facet_before *b, const facet_store_variant *v)
{
  for (int i = 0; i < b->in.variants && v->sha256[0]; i++) {
    char *object = facet_format("/variants/%s", b->in.variant[i]);
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

static int find_text(const char *const *text, int count, const char *wanted)
{
  for (int i = 0; i < count; i++)
    if (strcmp(text[i], wanted) == 0)
      return i;
  return -1;
}

/* The number of a condition in the file; a published one must have the same images there. */
static int find_condition(const facet_before *b, const char *name)
{
  int c = find_text(b->in.condition, b->in.conditions, name);
  for (int i = 0; i < b->plan->origins && c >= 0; i++) {
    const facet_data_origin *o = &b->plan->origin[i];
    size_t length = strlen(name);
    if (strncmp(o->name, name, length) == 0 && strcmp(o->name + length, "_sha256") == 0 &&
        !has_text(b->file, "/", o->name, o->sha256))
      c = -1;
  }
  return c;
}

static void open_array(facet_before *b, const facet_store_shape_array *a)
{
  const facet_row_about *about = &facet_row_table[a->row];
  int v = has_variant(a->row) ? b->variant_of[a->variant] : 0,
      c = has_condition(a->row) ? b->condition_of[a->condition] : 0;
  char *path = v < 0 || c < 0 ? NULL : facet_store_path(about->path, b->in.variant[v], b->in.condition[c]);
  hid_t set = path ? facet_store_set(b->file, path) : -1;
  hid_t type = set < 0 ? -1 : H5Dget_type(set);
  facet_free(&path);
  if (facet_store_sizes(set, b->size[a->number]) == a->axes &&
      H5Tequal(type, facet_store_file_type(&b->shape, a->row)) > 0)
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
  FACET_TRY(facet_store_sets_make(&b->shape, &b->set));
  for (int v = 0; v < p->variants; v++)
    b->variant_of[v] = find_variant(b, &p->variant[v]);
  for (int c = 0; c < p->conditions; c++)
    b->condition_of[c] = find_condition(b, p->condition[c]);
  return FACET_OK;
}

static void leave(facet_before *b)
{
  facet_store_sets_close(&b->shape, b->set);
  facet_sums_end(&b->sums);
  facet_free(&b->sum);
  facet_free(&b->done);
}

/* What the marks count, here and there. */
static void find_marked(facet_before *b, const facet_store_shape_array *marks)
{
  const facet_store_plan *p = b->plan;
  int64_t blocks = (p->linear_samples + p->block - 1) / p->block;
  b->here = (facet_marked){.axes = marks->axes, .clean = p->clean, .block = p->block, .linear_blocks = blocks};
  for (int i = 0; i < marks->axes; i++) {
    b->here.dimension[i] = marks->axis[i].dimension;
    b->here.size[i] = (hsize_t)marks->axis[i].size;
  }
  b->there = b->here;
  b->there.clean = b->in.clean;
  b->there.linear_blocks = b->in.linear_blocks;
}

/* The marks of a stage of the plan, where it followed from the same there. */
static facet_status read_stage(facet_before *b, int number)
{
  const facet_store_stage *stage = &b->plan->stage[number];
  facet_store_shape_array marks;
  b->stage = stage->name;
  (void)facet_store_shape_find(&b->shape, FACET_ROW_MARKS, number, 0, &marks);
  find_marked(b, &marks);
  char *path = facet_store_shape_path(&b->shape, &marks);
  bool same = path && find_sizes_of(b->file, path, "", b->there.size) == b->here.axes &&
              (!stage->follows[0] || has_text(b->file, path, "follows", stage->follows));
  facet_free(&path);
  if (!same)
    return FACET_OK;
  FACET_TRY(facet_sums_begin(&b->in, b->stage, stage->marks, &b->sums));
  return facet_sums_read(b->sums, &b->done, &b->sum);
}

facet_status facet_before_enter(facet_before *b, const char *stage)
{
  facet_store_listener listener = facet_store_listen(b->path);
  facet_status status = FACET_OK;
  leave(b);
  for (int i = 0; i < b->plan->stages && status == FACET_OK; i++)
    if (strcmp(b->plan->stage[i].name, stage) == 0)
      status = read_stage(b, i);
  for (facet_store_shape_array a = {.number = -1}; b->done && facet_store_shape_next(&b->shape, &a);)
    if (strcmp(facet_row_table[a.row].stage, b->stage) == 0)
      open_array(b, &a);
  return facet_store_unlisten(listener, status);
}

void facet_before_close(facet_before **before)
{
  facet_before *b = *before;
  if (!b)
    return;
  leave(b);
  if (b->file >= 0)
    H5Fclose(b->file);
  facet_sums_forget(&b->in);
  FACET_FREE(&b->path, &b->room, &b->linear, &b->kept, &b->batch, &b->variant_of, &b->condition_of, &b->set, &b->size);
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

facet_status facet_before_open(const char *path, const facet_store_plan *plan, facet_before **before, bool *damaged)
{
  bool fit = false, holds = true;
  *before = NULL;
  *damaged = false;
  if (!facet_exists(path))
    return FACET_OK;
  FACET_NEW(*before, 1);
  **before = (facet_before){.plan = plan, .file = -1};
  facet_store_listener listener = facet_store_listen(path);
  facet_status status = open_before(path, *before, &fit);
  if (status == FACET_OK && fit)
    status = facet_store_head_holds(path, (*before)->file, &holds);
  *damaged = status == FACET_OK && !holds;
  fit = fit && holds;
  status = facet_store_heard(path, status);
  if (status == FACET_BAD_INPUT) /* no store: nothing can be taken from it */
    status = FACET_OK;
  if (status != FACET_OK || !fit)
    facet_before_close(before);
  return facet_store_unlisten(listener, status);
}

int64_t facet_before_parts(const char *path, const char *stage)
{
  facet_store_listener listener = facet_store_listen(path);
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

/* ---- parts ---- */

/* A part of the marks: -1 for what these do not count. */
typedef struct {
  int variant, condition;
  int64_t first, count;                               /* samples of a block; 0, 0: none is counted */
  hsize_t here[FACET_MOST_AXES], at[FACET_MOST_AXES]; /* where it is here, and in the file */
  int64_t there;                                      /* its number in the file; -1: not there, or not done */
} piece;

static int64_t least(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* How many numbers of a piece are within the first `of`. */
static int64_t within(const piece *p, int64_t of)
{
  return p->first < of ? least(p->count, of - p->first) : 0;
}

/* Takes a place along one axis of the marks; its number there. */
static int64_t take_apart(const facet_before *b, facet_dimension dimension, int64_t at, piece *p)
{
  const facet_store_plan *plan = b->plan;
  switch (dimension) {
  case FACET_DIM_VARIANT:
    p->variant = (int)at;
    return b->variant_of[at];
  case FACET_DIM_CONDITION:
    p->condition = (int)at;
    return b->condition_of[at];
  case FACET_DIM_BLOCK:
    p->first = at * plan->block;
    p->count = least(plan->block, plan->samples - p->first);
    return least(plan->block, b->samples - p->first) == p->count ? at : -1;
  case FACET_DIM_CHANGE_PLACE:
  case FACET_DIM_PATH_PLACE:
  case FACET_DIM_REACH_PLACE:
  case FACET_DIM_LINE_PLACE:
  case FACET_DIM_PLANE_PLACE:
  case FACET_DIM_ATTRIBUTED_PLACE:
    return at;
  default:
    return -1;
  }
}

static piece find_piece(const facet_before *b, int64_t part)
{
  piece p = {.variant = -1, .condition = -1, .there = -1};
  if (!b->done)
    return p;
  p.there = 0;
  facet_boxes_place(&b->here, part, p.here);
  for (int i = 0; i < b->here.axes && p.there >= 0; i++) {
    int64_t at = take_apart(b, b->here.dimension[i], (int64_t)p.here[i], &p), size = (int64_t)b->there.size[i];
    p.there = at < 0 || at >= size ? -1 : p.there * size + at;
    p.at[i] = (hsize_t)at;
  }
  if (p.there >= 0 && b->done[p.there] != 1)
    p.there = -1;
  return p;
}

/* An array of the stage, with its sizes here, or in the file, if it is there. */
static facet_boxed boxed_of(const facet_before *b, const facet_store_shape_array *a, bool there)
{
  facet_boxed boxed = {.row = a->row, .variant = a->variant, .condition = a->condition, .axes = a->axes};
  for (int i = 0; i < a->axes; i++) {
    boxed.dimension[i] = a->axis[i].dimension;
    boxed.size[i] = there ? b->size[a->number][i] : (hsize_t)a->axis[i].size;
  }
  return boxed;
}

/* Whether a box is the same here and there, and within what is there: of variants and conditions, which have other
 * numbers there, only one that the marks count. */
static bool same_box(const facet_marked *marked, const facet_boxed *array, const facet_box *here,
                     const facet_box *there)
{
  bool same = true;
  for (int i = 0; i < array->axes; i++) {
    bool numbered = array->dimension[i] == FACET_DIM_VARIANT || array->dimension[i] == FACET_DIM_CONDITION;
    same = same && here->count[i] == there->count[i] && there->start[i] + there->count[i] <= array->size[i] &&
           (!numbered || facet_boxes_cut(marked, array, i) >= 0);
  }
  return same;
}

/* The part of an array that is the piece's, here and in the file; false: the file does not have it. *empty: there is
 * none. */
static bool find_part(const facet_before *b, const piece *p, const facet_store_shape_array *a,
                      facet_store_transfer *part, bool *empty)
{
  facet_box here[2], there[2];
  const facet_boxed own = boxed_of(b, a, false), other = boxed_of(b, a, true);
  *part = (facet_store_transfer){.set = b->set[a->number], .axes = a->axes};
  *empty = facet_store_shape_is_digest(a) || /* tiles with linearizations are then not taken over */
           !facet_boxes_fills(&b->here, &own, p->here);
  if (*empty)
    return true;
  int boxes = facet_boxes_cut_out(&b->here, &own, p->here, here);
  if (part->set < 0) {
    *empty = boxes == 0;
    return *empty;
  }
  bool same = facet_boxes_cut_out(&b->there, &other, p->at, there) == boxes;
  *empty = same && boxes == 0;
  if (*empty || !same || boxes > 1 || !same_box(&b->there, &other, &here[0], &there[0]))
    return *empty;
  memcpy(part->there, here[0].start, sizeof here[0].start);
  memcpy(part->start, there[0].start, sizeof there[0].start);
  memcpy(part->count, here[0].count, sizeof here[0].count);
  return true;
}

/* The next array that a piece may fill something of, from one of zeros with row -1 on; false: no more. */
static bool next_array(const facet_before *b, const piece *p, facet_store_shape_array *a)
{
  int row = (int)a->row, condition = a->condition + 1;
  for (; row < FACET_ROWS; row++, condition = 0) {
    if (row < 0 || strcmp(facet_row_table[row].stage, b->stage) != 0)
      continue;
    int conditions = has_condition((facet_row)row) ? b->plan->conditions : 1;
    for (; condition < conditions; condition++)
      if (facet_store_shape_find(&b->shape, (facet_row)row, has_variant((facet_row)row) ? p->variant : 0, condition, a))
        return true;
  }
  return false;
}

int64_t facet_before_plan_parts(const facet_before *b)
{
  return facet_boxes_parts(&b->here);
}

int64_t facet_before_marked(const facet_before *b, int axis)
{
  return b->done ? (int64_t)b->there.size[axis] : 0;
}

int64_t facet_before_count(const facet_before *b)
{
  return b->samples;
}

bool facet_before_keeps(const facet_before *b, int variant)
{
  int v = b->variant_of[variant];
  return v >= 0 && b->kept[v] == (b->plan->variant[variant].features > 0);
}

bool facet_before_dense(const facet_before *b)
{
  return b->variant_of[0] == 0;
}

/* A tile of the analysis: how it was linearized. */
static bool same_linear(const facet_before *b, const piece *p)
{
  const facet_store_variant *v = &b->plan->variant[p->variant];
  int there = b->variant_of[p->variant];
  bool clean = p->condition == b->plan->clean;
  int64_t linear = clean && v->linearize ? within(p, b->plan->linear_samples) : 0;
  if ((clean ? within(p, b->linear[there]) : 0) != linear)
    return false;
  if (linear > 0 && b->plan->digests > 0)
    return false;
  return linear == 0 || memcmp(b->batch + (size_t)there * FACET_BATCHES, v->batch, sizeof v->batch) == 0;
}

bool facet_before_has(const facet_before *b, int64_t part, bool *features)
{
  const piece p = find_piece(b, part);
  bool same = p.there >= 0 && (p.condition < 0 || p.condition == b->plan->clean || b->same_seed);
  *features = true;
  if (same && strcmp(b->stage, "analyse") == 0)
    same = same_linear(b, &p);
  for (facet_store_shape_array a = {.row = (facet_row)-1, .condition = -1}; same && next_array(b, &p, &a);) {
    facet_store_transfer transfer;
    bool empty, has = find_part(b, &p, &a, &transfer, &empty);
    if (a.row == FACET_ROW_FEATURE)
      *features = has;
    else
      same = has;
  }
  return same;
}

/* An array of which there is one. */
static facet_store_shape_array open_one(facet_before *b, facet_row row)
{
  facet_store_shape_array a;
  if (facet_store_shape_find(&b->shape, row, 0, 0, &a) && b->set[a.number] < 0)
    open_array(b, &a);
  return a;
}

/* Whether an array's numbers of these samples are those. */
static facet_status same_numbers(facet_before *b, facet_row row, int64_t first, int64_t count, const void *wanted,
                                 bool *same)
{
  facet_store_shape_array a = open_one(b, row);
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
  return facet_store_is_spoiled(status) ? FACET_OK : status;
}

facet_status facet_before_equal(facet_before *b, facet_row row, int64_t first, int64_t count, const void *wanted,
                                bool *same)
{
  facet_store_listener listener = facet_store_listen(b->path);
  facet_status status = same_numbers(b, row, first, count, wanted, same);
  return facet_store_unlisten(listener, status);
}

facet_status facet_before_number(facet_before *b, facet_row row, int variant, int32_t *number)
{
  facet_store_listener listener = facet_store_listen(b->path);
  facet_store_shape_array a = open_one(b, row);
  facet_store_transfer t = {.set = b->set[a.number],
                            .memory = facet_store_memory(&b->shape, row, FACET_AS_DOUBLE),
                            .list = H5P_DEFAULT,
                            .axes = a.axes,
                            .start = {(hsize_t)b->variant_of[variant]},
                            .count = {1},
                            .most = SIZE_MAX,
                            .data = (char *)number};
  *number = -1;
  bool there = t.set >= 0 && (a.axes == 0 || b->variant_of[variant] >= 0);
  facet_status status = there ? facet_store_move(b->path, t) : FACET_OK;
  return facet_store_unlisten(listener, status);
}

/* The images of a block were stored with its first tile. */
facet_status facet_before_samples(facet_before *b, int64_t first, int64_t count, const float *pixels,
                                  const int32_t *label, bool *same)
{
  int64_t block = first / b->plan->block;
  *same = b->done && b->here.axes == 3 && block < (int64_t)b->there.size[2] && b->done[block] == 1;
  if (*same)
    FACET_TRY(facet_before_equal(b, FACET_ROW_IMAGE, first, count, pixels, same));
  return *same ? facet_before_equal(b, FACET_ROW_LABEL, first, count, label, same) : FACET_OK;
}

facet_status facet_before_holds(facet_before *b, int64_t part, bool *holds)
{
  const piece p = find_piece(b, part);
  facet_store_listener listener = facet_store_listen(b->path);
  *holds = false;
  facet_status status = p.there < 0 ? FACET_OK : facet_sums_hold(b->sums, p.there, b->sum[p.there], holds);
  return facet_store_unlisten(listener, status);
}

void facet_before_name(const facet_before *b, int64_t part, char *text, size_t size)
{
  facet_sums_name(b->sums, find_piece(b, part).there, text, size);
}

static facet_status copy_all(const facet_before *b, const piece *p, facet_store *s)
{
  for (facet_store_shape_array a = {.row = (facet_row)-1, .condition = -1}; next_array(b, p, &a);) {
    facet_store_transfer part;
    bool empty, has = find_part(b, p, &a, &part, &empty);
    FACET_CHECK(has || a.row == FACET_ROW_FEATURE, FACET_INTERNAL, "%s: no such part of %s", b->path,
                facet_row_table[a.row].path);
    if (empty || !has)
      continue;
    part.to = s->set[a.number];
    part.memory = facet_store_memory(&b->shape, a.row, FACET_AS_STORED);
    part.list = s->list;
    part.most = FACET_STORE_PIECE;
    part.data = b->room;
    FACET_TRY(facet_store_move(s->path, part));
  }
  return FACET_OK;
}

facet_status facet_before_copy(facet_before *b, int64_t part, facet_store *s)
{
  const piece p = find_piece(b, part);
  if (!b->room)
    FACET_NEW(b->room, FACET_STORE_PIECE);
  facet_store_listener listener = facet_store_listen(b->path);
  return facet_store_unlisten(listener, copy_all(b, &p, s));
}
