/* Checksums of the parts of a stage: what a part's mark promises, held against the numbers.
 *
 * XXH3 over all that the part fills, array by array in the order of rows.def: its path, the box of it, its numbers as
 * the file holds them.  Which boxes are a part's follows from the dimensions: those that the stage's marks count
 * select, all others are whole.  The number of the part and the identity of the study, its text, networks and variants,
 * are mixed in, so that the checksum of one part is none of another, nor of another study. */
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "store_file.h"

enum { ROWS_AND_COLUMNS = 2 };

typedef struct {
  facet_row row;
  int variant, condition; /* 0 where the path has none */
  char *path;
  hid_t set;
  bool own; /* to be closed */
  int axes;
  facet_dimension dimension[FACET_MOST_AXES];
  hsize_t size[FACET_MOST_AXES];
} array;

struct facet_sums {
  facet_sums_source source;
  const char *stage;
  int axes;
  facet_dimension dimension[FACET_MOST_AXES]; /* of the marks */
  hsize_t size[FACET_MOST_AXES];
  int64_t parts;
  int arrays, room;
  array *array;
  char *piece;
  XXH3_state_t *state;
};

/* ---- arrays ---- */

static int take_dimensions(const char *list, facet_dimension dimension[FACET_MOST_AXES])
{
  int axes = 0;
  while (*list && strcmp(list, ANY_LAYOUT) != 0 && axes < FACET_MOST_AXES) {
    size_t length = strcspn(list, ",");
    dimension[axes++] = facet_dimension_called(list, length);
    list += length + (list[length] == ',' ? 2 : 0);
  }
  return axes;
}

static facet_status add_array(facet_sums *s, facet_row row, int variant, int condition)
{
  const facet_sums_source *from = &s->source;
  array a = {.row = row, .variant = variant, .condition = condition, .set = -1};
  facet_store_shape_array there;
  a.path = facet_store_path(facet_row_table[row].path, from->variant[variant], from->condition[condition]);
  FACET_CHECK(a.path, FACET_OS, "out of memory");
  if (from->store && facet_store_shape_find(&from->store->shape, row, variant, condition, &there)) {
    a.set = from->store->set[there.number];
  } else if (!from->store) {
    a.set = facet_store_set(from->file, a.path);
    a.own = true;
  }
  for (int i = 0; i < FACET_MOST_AXES; i++)
    a.dimension[i] = FACET_DIMENSIONS;
  (void)take_dimensions(facet_row_table[row].dimensions, a.dimension);
  if ((a.axes = facet_store_sizes(a.set, a.size)) < 0) {
    if (a.own)
      H5_CLOSE(a.set);
    facet_free(&a.path);
    return FACET_OK;
  }
  if (s->arrays == s->room) {
    array *more;
    FACET_NEW(more, 2 * s->room + 16);
    if (s->arrays > 0)
      memcpy(more, s->array, (size_t)s->arrays * sizeof *more);
    facet_free(&s->array);
    s->array = more;
    s->room = 2 * s->room + 16;
  }
  s->array[s->arrays++] = a;
  return FACET_OK;
}

static facet_status add_arrays(facet_sums *s)
{
  for (int r = 0; r < FACET_ROWS; r++) {
    const facet_row_about *about = &facet_row_table[r];
    if (strcmp(about->stage, s->stage) != 0)
      continue;
    int variants = strstr(about->path, "{variant}") ? s->source.variants : 1;
    int conditions = strstr(about->path, "{condition}") ? s->source.conditions : 1;
    for (int v = 0; v < variants; v++)
      for (int c = 0; c < conditions; c++)
        FACET_TRY(add_array(s, (facet_row)r, v, c));
  }
  return FACET_OK;
}

static facet_status begin(facet_sums *s, const char *marks)
{
  char *path = facet_store_path(facet_row_table[FACET_ROW_MARKS].path, s->stage, "");
  facet_store_shape_array there;
  hid_t set = -1;
  int axes;
  for (int i = 0; s->source.store && i < s->source.store->shape.plan->stages; i++)
    if (strcmp(s->source.store->shape.plan->stage[i].name, s->stage) == 0 &&
        facet_store_shape_find(&s->source.store->shape, FACET_ROW_MARKS, i, 0, &there))
      set = s->source.store->set[there.number];
  if (path && !s->source.store)
    set = facet_store_set(s->source.file, path);
  axes = facet_store_sizes(set, s->size);
  if (!s->source.store)
    H5_CLOSE(set);
  facet_free(&path);
  s->axes = take_dimensions(marks, s->dimension);
  FACET_CHECK(axes == s->axes, FACET_BAD_INPUT, "%s: /progress/%s is not that of the stage", s->source.path, s->stage);
  s->parts = 1;
  for (int i = 0; i < axes; i++)
    s->parts *= (int64_t)s->size[i];
  FACET_TRY(add_arrays(s));
  s->piece = facet_allocate(FACET_STORE_PIECE, 1);
  s->state = XXH3_createState();
  return s->piece && s->state ? FACET_OK : facet_raise(FACET_OS, "out of memory");
}

facet_status facet_sums_begin(const facet_sums_source *source, const char *stage, const char *marks, facet_sums **sums)
{
  FACET_NEW(*sums, 1);
  **sums = (facet_sums){.source = *source, .stage = stage};
  facet_status status = begin(*sums, marks);
  if (status != FACET_OK)
    facet_sums_end(sums);
  return status;
}

void facet_sums_end(facet_sums **sums)
{
  facet_sums *s = *sums;
  if (!s)
    return;
  for (int i = 0; i < s->arrays; i++) {
    if (s->array[i].own)
      H5_CLOSE(s->array[i].set);
    facet_free(&s->array[i].path);
  }
  XXH3_freeState(s->state);
  FACET_FREE(&s->array, &s->piece);
  facet_free(sums);
}

int64_t facet_sums_parts(const facet_sums *s)
{
  return s->parts;
}

/* ---- which boxes are a part's ---- */

typedef struct {
  hsize_t start[FACET_MOST_AXES], count[FACET_MOST_AXES];
} box;

static void cut(box *b, int axis, hsize_t start, hsize_t count)
{
  b->start[axis] = start;
  b->count[axis] = count;
}

/* Whether an axis is cut by what a dimension of marks counts. */
static bool is_cut_by(facet_dimension axis, facet_dimension mark)
{
  if (mark == FACET_DIM_BLOCK)
    return axis == FACET_DIM_SAMPLE || axis == FACET_DIM_LINEAR || axis == FACET_DIM_EXPLAINED ||
           axis == FACET_DIM_DIGEST;
  return axis == (mark == FACET_DIM_CHANGE_PLACE ? FACET_DIM_CHANGE : mark);
}

/* Samples of a block; of digests the one that begins with it. False: none. */
static bool cut_block(const facet_sums *s, const array *a, int axis, hsize_t at, box *b)
{
  hsize_t size = a->size[axis], first = at * (hsize_t)s->source.block;
  if (a->dimension[axis] == FACET_DIM_DIGEST) {
    hsize_t blocks = (hsize_t)s->source.linear_blocks, each = size > 0 ? (blocks + size - 1) / size : 1;
    cut(b, axis, at / each, 1);
    return at % each == 0 && at / each < size;
  }
  if (first >= size)
    return false;
  cut(b, axis, first, size - first < (hsize_t)s->source.block ? size - first : (hsize_t)s->source.block);
  return true;
}

/* What has no axis of that kind is of the one whose folder it lies in, or of the first, and of linearized samples of
 * clean ones. */
static bool is_of(const facet_sums *s, const array *a, facet_dimension mark, hsize_t at)
{
  const char *path = facet_row_table[a->row].path;
  bool few = false;
  for (int i = 0; i < a->axes; i++)
    few = few || a->dimension[i] == FACET_DIM_LINEAR || a->dimension[i] == FACET_DIM_EXPLAINED ||
          a->dimension[i] == FACET_DIM_DIGEST;
  if (mark == FACET_DIM_VARIANT && strstr(path, "{variant}"))
    return at == (hsize_t)a->variant;
  if (mark == FACET_DIM_CONDITION && strstr(path, "{condition}"))
    return at == (hsize_t)a->condition;
  return at == (mark == FACET_DIM_CONDITION && few ? (hsize_t)s->source.clean : 0);
}

/* A table of one kind by itself: a part is a pair both ways, or a row and a column from the diagonal on. */
static int cut_table(const facet_sums *s, const int axis[2], const hsize_t *at, int mark, box b[2])
{
  bool pairs = mark + 1 < s->axes && s->dimension[mark + 1] == s->dimension[mark];
  hsize_t i = at[mark], j = pairs ? at[mark + 1] : i, rest = pairs ? 1 : s->size[mark] - i;
  if (j > i)
    return 0;
  b[1] = b[0];
  cut(&b[0], axis[0], i, 1);
  cut(&b[0], axis[1], j, rest);
  cut(&b[1], axis[0], pairs ? j : i + 1, pairs ? 1 : rest - 1);
  cut(&b[1], axis[1], i, 1);
  return (pairs ? i != j : rest > 1) ? ROWS_AND_COLUMNS : 1;
}

static int find_boxes(const facet_sums *s, const array *a, const hsize_t *at, box b[2])
{
  int boxes = 1;
  b[0] = (box){.start = {0}};
  memcpy(b[0].count, a->size, sizeof b[0].count);
  for (int m = 0; m < s->axes && boxes > 0; m++) {
    int axis[2], found = 0;
    for (int i = 0; i < a->axes && found < 2; i++)
      if (is_cut_by(a->dimension[i], s->dimension[m]))
        axis[found++] = i;
    if (found == 0)
      boxes = is_of(s, a, s->dimension[m], at[m]) ? boxes : 0;
    else if (found == 2)
      return cut_table(s, axis, at, m, b);
    else if (s->dimension[m] == FACET_DIM_BLOCK)
      boxes = cut_block(s, a, axis[0], at[m], &b[0]) ? boxes : 0;
    else
      cut(&b[0], axis[0], at[m], 1);
  }
  return boxes;
}

/* ---- sums ---- */

static facet_status add_box(facet_sums *s, const array *a, const box *b)
{
  facet_store_transfer t = {.set = a->set,
                            .memory = H5Dget_type(a->set),
                            .list = H5P_DEFAULT,
                            .axes = a->axes,
                            .most = FACET_STORE_PIECE,
                            .data = s->piece,
                            .sum = s->state};
  memcpy(t.start, b->start, sizeof b->start);
  memcpy(t.count, b->count, sizeof b->count);
  XXH3_64bits_update(s->state, a->path, strlen(a->path));
  XXH3_64bits_update(s->state, b->start, sizeof b->start);
  XXH3_64bits_update(s->state, b->count, sizeof b->count);
  facet_status status = facet_store_move(s->source.path, t);
  H5_CLOSE(t.memory);
  return status;
}

static void find_place(const facet_sums *s, int64_t part, hsize_t at[FACET_MOST_AXES])
{
  for (int i = s->axes - 1; i >= 0; i--) {
    at[i] = (hsize_t)part % s->size[i];
    part /= (int64_t)s->size[i];
  }
}

facet_status facet_sums_find(facet_sums *s, int64_t part, int64_t *sum)
{
  hsize_t at[FACET_MOST_AXES] = {0};
  box b[2];
  find_place(s, part, at);
  XXH3_64bits_reset(s->state);
  for (int i = 0; i < s->arrays; i++)
    for (int k = 0, boxes = find_boxes(s, &s->array[i], at, b); k < boxes; k++)
      FACET_TRY(add_box(s, &s->array[i], &b[k]));
  XXH3_64bits_update(s->state, &part, sizeof part);
  XXH3_64bits_update(s->state, s->stage, strlen(s->stage));
  XXH3_64bits_update(s->state, &s->source.identity, sizeof s->source.identity);
  *sum = (int64_t)(XXH3_64bits_digest(s->state) >> 1);
  return FACET_OK;
}

void facet_sums_name(const facet_sums *s, int64_t part, char *text, size_t size)
{
  hsize_t at[FACET_MOST_AXES] = {0};
  find_place(s, part, at);
  (void)snprintf(text, size, "%s", s->stage);
  for (int i = 0; i < s->axes; i++) {
    facet_dimension d = s->dimension[i];
    size_t used = strlen(text);
    const char *between = i ? ", " : " of ";
    if (d == FACET_DIM_VARIANT)
      (void)snprintf(text + used, size - used, "%s%s", between, s->source.variant[at[i]]);
    else if (d == FACET_DIM_CONDITION)
      (void)snprintf(text + used, size - used, "%s%s", between, s->source.condition[at[i]]);
    else
      (void)snprintf(text + used, size - used, "%s%s %llu", between, facet_dimension_table[d].name,
                     (unsigned long long)at[i]);
  }
}

/* ---- of which study ---- */

static void mix(uint64_t *identity, const char *text)
{
  *identity = XXH64(text, strlen(text), *identity);
}

facet_status facet_sums_identity(hid_t file, int variants, const char *const *variant, uint64_t *identity)
{
  char *text = NULL;
  FACET_TRY(facet_store_text(file, "/", "study_filled", &text));
  char *study = facet_study_identity(text);
  facet_free(&text);
  FACET_CHECK(study, FACET_OS, "out of memory");
  *identity = 0;
  mix(identity, study);
  facet_free(&study);
  for (int v = 0; v < variants; v++) {
    char *object = facet_format("/variants/%s", variant[v]);
    FACET_CHECK(object, FACET_OS, "out of memory");
    facet_status status = facet_store_text(file, object, "sha256", &text);
    mix(identity, object);
    facet_free(&object);
    FACET_TRY(status);
    mix(identity, text);
    facet_free(&text);
  }
  return FACET_OK;
}
