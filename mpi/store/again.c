/* A file whose parts are computed again: what a stage would store is held against what is there, bit for bit.
 *
 * Numbers are made what the file would have made of them, and compared as the file holds them.  What a stage puts more
 * than once, sums that it goes on with, is kept until the end of the part, and given back to it where it asks. */
#include <math.h>
#include <string.h>

#include "ranks/said.h"
#include "store_file.h"

/* What was put of an array: numbers, how many of them are others, and by how much at most. */
typedef struct {
  facet_row row;
  int variant, condition;
  int64_t numbers, others;
  double most;
} held;

/* Sums that may be put anew. */
typedef struct {
  facet_row row;
  facet_place place;
  size_t bytes;
  char *data;
} kept;

struct facet_again {
  const char *stage;     /* of which some parts are chosen; NULL: none */
  const uint8_t *chosen; /* borrowed: 1 of each of them */
  int count, keeps;
  held *array;
  kept *sum;
};

static bool is_sum(const facet_store *s, facet_row row, const facet_place *place)
{
  facet_store_shape_array a;
  (void)facet_store_shape_find(&s->shape, row, place->variant, place->condition, &a);
  return facet_store_shape_is_digest(&a);
}

static facet_status find_held(struct facet_again *again, facet_row row, const facet_place *place, held **array)
{
  for (int i = 0; i < again->count; i++) {
    *array = &again->array[i];
    if ((*array)->row == row && (*array)->variant == place->variant && (*array)->condition == place->condition)
      return FACET_OK;
  }
  FACET_TRY(facet_grow(&again->array, (size_t)again->count, (size_t)again->count + 1, sizeof *again->array));
  *array = &again->array[again->count++];
  **array = (held){.row = row, .variant = place->variant, .condition = place->condition};
  return FACET_OK;
}

/* ---- comparing ---- */

/* Both as the file has them; room for as many doubles. */
static facet_status count_others(const char *path, hid_t type, size_t count, char *ours, char *theirs, held *array)
{
  size_t size = H5Tget_size(type);
  array->numbers += (int64_t)count;
  if (memcmp(ours, theirs, count * size) == 0)
    return FACET_OK;
  for (size_t i = 0; i < count; i++)
    array->others += memcmp(ours + i * size, theirs + i * size, size) != 0;
  H5_CHECK(path, "comparing", H5Tconvert(type, H5T_NATIVE_DOUBLE, count, ours, NULL, H5P_DEFAULT));
  H5_CHECK(path, "comparing", H5Tconvert(type, H5T_NATIVE_DOUBLE, count, theirs, NULL, H5P_DEFAULT));
  const double *a = (const double *)(const void *)ours, *b = (const double *)(const void *)theirs;
  for (size_t i = 0; i < count; i++)
    array->most = fmax(array->most, fabs(a[i] - b[i])); /* of NaN nothing is known */
  return FACET_OK;
}

/* t: the part of the array, as its numbers are in memory. */
static facet_status compare_part(const facet_store *s, facet_store_transfer t, const void *data, held *array)
{
  size_t count = 1, size = H5Tget_size(t.memory);
  char *ours = NULL, *theirs = NULL;
  hid_t type = H5Dget_type(t.set);
  facet_status status;
  for (int i = 0; i < t.axes; i++)
    count *= (size_t)t.count[i];
  FACET_NEW_GO(done, status, ours, count * sizeof(double));
  FACET_NEW_GO(done, status, theirs, count * sizeof(double));
  memcpy(ours, data, count * size);
  if (H5Tconvert(t.memory, type, count, ours, NULL, H5P_DEFAULT) < 0)
    FACET_GO(done, status, facet_store_raise(s->path, "comparing"));
  t.memory = type;
  t.data = theirs;
  FACET_GO(done, status, facet_store_move(s->path, t));
  status = count_others(s->path, type, count, ours, theirs, array);
done:
  FACET_FREE(&ours, &theirs);
  H5_CLOSE(type);
  return status;
}

static facet_status compare(facet_store *s, facet_row row, const facet_place *place, const void *data)
{
  facet_store_transfer t;
  held *array;
  FACET_TRY(facet_store_part(s, row, place, &t));
  FACET_TRY(find_held(s->again, row, place, &array));
  return compare_part(s, t, data, array);
}

/* ---- sums ---- */

static bool same_place(const facet_place *a, const facet_place *b)
{
  return a->variant == b->variant && a->condition == b->condition && memcmp(a->part, b->part, sizeof a->part) == 0;
}

static kept *find_sum(struct facet_again *again, facet_row row, const facet_place *place)
{
  for (int i = 0; i < again->keeps; i++)
    if (again->sum[i].row == row && same_place(&again->sum[i].place, place))
      return &again->sum[i];
  return NULL;
}

static facet_status keep(facet_store *s, facet_row row, const facet_place *place, const void *data)
{
  struct facet_again *again = s->again;
  kept *sum = find_sum(again, row, place);
  facet_store_transfer t;
  FACET_TRY(facet_store_part(s, row, place, &t));
  if (!sum) {
    FACET_TRY(facet_grow(&again->sum, (size_t)again->keeps, (size_t)again->keeps + 1, sizeof *again->sum));
    sum = &again->sum[again->keeps];
    *sum = (kept){.row = row, .place = *place, .bytes = H5Tget_size(t.memory)};
    for (int i = 0; i < t.axes; i++)
      sum->bytes *= (size_t)t.count[i];
    FACET_NEW(sum->data, sum->bytes);
    again->keeps++;
  }
  memcpy(sum->data, data, sum->bytes);
  return FACET_OK;
}

/* ---- as a store ---- */

facet_status facet_again_put(facet_store *s, facet_row row, const facet_place *place, const void *data)
{
  return is_sum(s, row, place) ? keep(s, row, place, data) : compare(s, row, place, data);
}

bool facet_again_get(facet_store *s, facet_row row, const facet_place *place, void *data)
{
  const kept *sum = find_sum(s->again, row, place);
  if (sum)
    memcpy(data, sum->data, sum->bytes);
  return sum != NULL;
}

void facet_again_free(struct facet_again **again)
{
  if (!*again)
    return;
  for (int i = 0; i < (*again)->keeps; i++)
    facet_free(&(*again)->sum[i].data);
  FACET_FREE(&(*again)->sum, &(*again)->array);
  facet_free(again);
}

void facet_again_choose(facet_store *s, const char *stage, const uint8_t *chosen)
{
  s->again->stage = stage;
  s->again->chosen = chosen;
}

bool facet_again_marks(const facet_store *s, const char *stage, int64_t parts, uint8_t *done)
{
  const struct facet_again *again = s->again;
  if (!again->stage || strcmp(again->stage, stage) != 0)
    return false;
  for (int64_t i = 0; i < parts; i++)
    done[i] = !again->chosen[i];
  return true;
}

static facet_status open_again(const char *path, const facet_store_plan *plan, const char *stage, facet_store *s)
{
  FACET_NEW(s->again, 1);
  FACET_TRY(facet_store_lay_out(s, path, plan));
  FACET_TRY(facet_store_open_alone(path, &s->file));
  return facet_store_open_arrays(s, stage);
}

facet_status facet_again_add(facet_store *s, const char *stages)
{
  char *names = facet_copy_text(stages), *rest = names;
  facet_store_listener before = facet_store_listen(s->path);
  facet_status status = names ? FACET_OK : FACET_OS;
  for (const char *name; status == FACET_OK && (name = strsep(&rest, " "));)
    status = facet_store_open_arrays(s, name);
  facet_free(&names);
  return facet_store_unlisten(before, status);
}

facet_status facet_again_open(const char *path, const facet_store_plan *plan, const char *stage, facet_store **store)
{
  FACET_NEW(*store, 1);
  **store = (facet_store){.comm = MPI_COMM_NULL, .file = -1, .list = H5P_DEFAULT, .raw = -1};
  facet_store_listener before = facet_store_listen(path);
  facet_status status = facet_store_unlisten(before, open_again(path, plan, stage, *store));
  if (status != FACET_OK)
    (void)facet_store_close(store);
  return status;
}

facet_status facet_again_said(const char *path, const char *name, char **text)
{
  hid_t file;
  *text = NULL;
  FACET_CHECK(facet_exists(path), FACET_NO_INPUT, "%s: No such file or directory", path);
  facet_store_listener before = facet_store_listen(path);
  facet_status status = facet_store_open_alone(path, &file);
  if (status == FACET_OK) {
    status = facet_store_text(file, "/", name, text);
    H5Fclose(file);
  }
  return facet_store_unlisten(before, status);
}

static facet_status read_variants(const char *path, hid_t file, int64_t **batch, char ***variant, int *count)
{
  FACET_TRY(facet_store_texts(file, facet_dimension_table[FACET_DIM_VARIANT].coordinate, variant, count));
  const int64_t numbers = (int64_t)*count * FACET_BATCHES;
  FACET_NEW(*batch, numbers);
  bool read = numbers > 0 && facet_store_attribute(file, "batches", numbers, *batch);
  FACET_CHECK(read, FACET_BAD_INPUT, "%s: does not say what was handled at once", path);
  return FACET_OK;
}

facet_status facet_again_variants(const char *path, int64_t **batch, char ***variant, int *count)
{
  hid_t file;
  *batch = NULL;
  *variant = NULL;
  *count = 0;
  facet_store_listener before = facet_store_listen(path);
  facet_status status = facet_store_open_alone(path, &file);
  if (status == FACET_OK) {
    status = read_variants(path, file, batch, variant, count);
    H5Fclose(file);
  }
  return facet_store_unlisten(before, status);
}

/* ---- what was found ---- */

static facet_status compare_sums(facet_store *s)
{
  struct facet_again *again = s->again;
  facet_status status = FACET_OK;
  for (int i = 0; i < again->keeps; i++) {
    if (status == FACET_OK)
      status = compare(s, again->sum[i].row, &again->sum[i].place, again->sum[i].data);
    facet_free(&again->sum[i].data);
  }
  again->keeps = 0;
  return status;
}

static facet_status say(const facet_store *s, const char *part, const held *a)
{
  const facet_store_plan *p = s->shape.plan;
  char *path = facet_store_path(facet_row_table[a->row].path, p->variant[a->variant].name, p->condition[a->condition]);
  FACET_CHECK(path, FACET_OS, "out of memory");
  facet_said("%s: %s, computed again, has another %s: %lld of %lld numbers, by up to %.3g", s->path, part, path + 1,
             (long long)a->others, (long long)a->numbers, a->most);
  facet_free(&path);
  return FACET_OK;
}

facet_status facet_again_end(facet_store *s, const char *part, bool *same)
{
  facet_store_listener before = facet_store_listen(s->path);
  struct facet_again *again = s->again;
  facet_status status = compare_sums(s);
  *same = true;
  for (int i = 0; i < again->count && status == FACET_OK; i++)
    if (again->array[i].others > 0) {
      *same = false;
      status = say(s, part, &again->array[i]);
    }
  again->count = 0;
  return facet_store_unlisten(before, status);
}
