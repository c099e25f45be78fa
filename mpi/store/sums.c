/* Checksums of the parts of a stage: what a part's mark promises, held against the numbers.
 *
 * XXH3 over all that the part fills (boxes.h), array by array in the order of rows.def: its path, the box of it, its
 * numbers as the file holds them.  The number of the part and the identity of the study, its text, networks and
 * variants, are mixed in, so that the checksum of one part is none of another, nor of another study. */
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "base/process_memory.h"
#include "boxes.h"

typedef struct {
  facet_boxed boxed;
  char *path;
  hid_t set;
  bool own; /* to be closed */
} array;

struct facet_sums {
  facet_sums_source source;
  const char *stage;
  facet_marked marked;
  int64_t parts;
  int arrays, room;
  array *array;
  char *piece;
  XXH3_state_t *state;
};

/* ---- arrays ---- */

static void forget(array *a)
{
  if (a->own)
    H5_CLOSE(a->set);
  facet_free(&a->path);
}

static facet_status make_room(facet_sums *s)
{
  int room = 2 * s->room + 16;
  if (s->arrays < s->room)
    return FACET_OK;
  FACET_TRY(facet_grow(&s->array, (size_t)s->room, (size_t)room, sizeof *s->array));
  s->room = room;
  return FACET_OK;
}

static facet_status add_array(facet_sums *s, facet_row row, int variant, int condition)
{
  const facet_sums_source *from = &s->source;
  array a = {.boxed = {.row = row, .variant = variant, .condition = condition}, .set = -1};
  facet_store_shape_array there;
  a.path = facet_store_path(facet_row_table[row].path, from->variant[variant], from->condition[condition]);
  FACET_CHECK(a.path, FACET_OS, "out of memory");
  if (from->store && facet_store_shape_find(&from->store->shape, row, variant, condition, &there)) {
    a.set = from->store->set[there.number];
  } else if (!from->store) {
    a.set = facet_store_set(from->file, a.path);
    a.own = true;
  }
  (void)facet_boxes_dimensions(facet_row_table[row].dimensions, a.boxed.dimension);
  if ((a.boxed.axes = facet_store_sizes(a.set, a.boxed.size)) < 0) {
    forget(&a);
    return FACET_OK;
  }
  facet_status status = make_room(s);
  if (status == FACET_OK)
    s->array[s->arrays++] = a;
  else
    forget(&a);
  return status;
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
  axes = facet_store_sizes(set, s->marked.size);
  if (!s->source.store)
    H5_CLOSE(set);
  facet_free(&path);
  s->marked.clean = s->source.clean;
  s->marked.block = s->source.block;
  s->marked.linear_blocks = s->source.linear_blocks;
  s->marked.axes = facet_boxes_dimensions(marks, s->marked.dimension);
  FACET_CHECK(axes == s->marked.axes, FACET_BAD_INPUT, "%s: /progress/%s is not that of the stage", s->source.path,
              s->stage);
  s->parts = facet_boxes_parts(&s->marked);
  FACET_TRY(add_arrays(s));
  s->piece = facet_allocate_room(FACET_STORE_PIECE);
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
  for (int i = 0; i < s->arrays; i++)
    forget(&s->array[i]);
  XXH3_freeState(s->state);
  FACET_FREE(&s->array, &s->piece);
  facet_free(sums);
}

int64_t facet_sums_parts(const facet_sums *s)
{
  return s->parts;
}

facet_status facet_sums_read(const facet_sums *s, uint8_t **mark, int64_t **sum)
{
  const facet_sums_source *from = &s->source;
  char *marks = facet_store_path(facet_row_table[FACET_ROW_MARKS].path, s->stage, "");
  char *sums = facet_store_path(facet_row_table[FACET_ROW_SUMS].path, s->stage, "");
  facet_status status = marks && sums ? FACET_OK : FACET_OS;
  FACET_NEW_GO(done, status, *mark, s->parts);
  FACET_NEW_GO(done, status, *sum, s->parts);
  if (status == FACET_OK && (facet_store_count(from->file, marks) != s->parts ||
                             H5LTread_dataset(from->file, marks, H5T_NATIVE_UINT8, *mark) < 0 ||
                             !facet_store_integers(from->file, sums, s->parts, *sum)))
    status = facet_raise(FACET_BAD_INPUT, "%s: has no checksums of %s", from->path, s->stage);
done:
  FACET_FREE(&marks, &sums);
  return status;
}

/* ---- sums ---- */

static facet_status add_box(facet_sums *s, const array *a, const facet_box *b)
{
  facet_store_transfer t = {.set = a->set,
                            .memory = H5Dget_type(a->set),
                            .list = H5P_DEFAULT,
                            .axes = a->boxed.axes,
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

facet_status facet_sums_find(facet_sums *s, int64_t part, int64_t *sum)
{
  hsize_t at[FACET_MOST_AXES] = {0};
  facet_box b[2];
  facet_boxes_place(&s->marked, part, at);
  XXH3_64bits_reset(s->state);
  for (int i = 0; i < s->arrays; i++)
    for (int k = 0, boxes = facet_boxes_find(&s->marked, &s->array[i].boxed, at, b); k < boxes; k++)
      FACET_TRY(add_box(s, &s->array[i], &b[k]));
  XXH3_64bits_update(s->state, &part, sizeof part);
  XXH3_64bits_update(s->state, s->stage, strlen(s->stage));
  XXH3_64bits_update(s->state, &s->source.identity, sizeof s->source.identity);
  *sum = (int64_t)(XXH3_64bits_digest(s->state) >> 1);
  return FACET_OK;
}

facet_status facet_sums_hold(facet_sums *s, int64_t part, int64_t then, bool *hold)
{
  int64_t now;
  facet_status status = facet_sums_find(s, part, &now);
  *hold = status == FACET_OK && now == then;
  return facet_store_is_spoiled(status) ? FACET_OK : status;
}

void facet_sums_name(const facet_sums *s, int64_t part, char *text, size_t size)
{
  hsize_t at[FACET_MOST_AXES] = {0};
  facet_boxes_place(&s->marked, part, at);
  (void)snprintf(text, size, "%s", s->stage);
  for (int i = 0; i < s->marked.axes; i++) {
    facet_dimension d = s->marked.dimension[i];
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

/* ---- what a file says of itself ---- */

int64_t facet_store_count(hid_t file, const char *path)
{
  hid_t set = facet_store_set(file, path);
  hid_t space = set < 0 ? -1 : H5Dget_space(set);
  hssize_t count = space < 0 ? 0 : H5Sget_simple_extent_npoints(space);
  H5_CLOSE(space, set);
  return count;
}

/* Samples of a tile: where the second block begins, or all of them. */
static facet_status find_block(facet_sums_source *s)
{
  const char *path = facet_dimension_table[FACET_DIM_BLOCK].coordinate;
  int64_t blocks = facet_store_count(s->file, path), *first;
  s->block = facet_store_count(s->file, facet_row_table[FACET_ROW_LABEL].path);
  FACET_NEW(first, blocks);
  bool read = blocks > 0 && facet_store_integers(s->file, path, blocks, first);
  if (read && blocks > 1)
    s->block = first[1];
  facet_free(&first);
  FACET_CHECK(read && s->block > 0, FACET_BAD_INPUT, "%s: has no blocks of samples", s->path);
  int64_t linear = facet_store_count(s->file, facet_dimension_table[FACET_DIM_LINEAR].coordinate);
  s->linear_blocks = (linear + s->block - 1) / s->block;
  return FACET_OK;
}

facet_status facet_sums_describe(const char *path, hid_t file, facet_sums_source *s)
{
  char **variant = NULL, **condition = NULL;
  *s = (facet_sums_source){.path = path, .file = file, .clean = -1};
  FACET_TRY(facet_store_texts(file, facet_dimension_table[FACET_DIM_VARIANT].coordinate, &variant, &s->variants));
  s->variant = (const char *const *)variant;
  FACET_TRY(facet_store_texts(file, facet_dimension_table[FACET_DIM_CONDITION].coordinate, &condition, &s->conditions));
  s->condition = (const char *const *)condition;
  for (int c = 0; c < s->conditions; c++)
    if (strcmp(condition[c], "clean") == 0)
      s->clean = c;
  FACET_CHECK(s->variants > 0 && s->conditions > 0, FACET_BAD_INPUT, "%s: names no variants or conditions", path);
  FACET_TRY(find_block(s));
  return facet_sums_identity(file, s->variants, s->variant, &s->identity);
}

void facet_sums_forget(facet_sums_source *s)
{
  facet_free_list(&s->variant, s->variants);
  facet_free_list(&s->condition, s->conditions);
  s->variants = s->conditions = 0;
}
