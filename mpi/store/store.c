/* The store in use: opened by all ranks, overwritten in place by each on its own. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ranks/versions.h"
#include "store_file.h"

/* MOST_AT_ONCE: MPI libraries take a few bytes less than 2 GiB. CONVERTED: bytes that HDF5 converts at a time; it
 * clears as many for every call, by itself 1 MiB. */
enum { MOST_AT_ONCE = 1 << 30, CONVERTED = 1 << 16 };

/* ---- types ---- */

hid_t facet_store_file_type(const facet_store_shape *shape, facet_row row)
{
  switch (facet_row_table[row].type) {
  case FACET_ROW_I32:
    return H5T_STD_I32LE;
  case FACET_ROW_I64:
    return H5T_STD_I64LE;
  case FACET_ROW_U8:
    return H5T_STD_U8LE;
  case FACET_ROW_REAL:
    return shape->plan->settings->precision == FACET_F64 ? H5T_IEEE_F64LE : H5T_IEEE_F32LE;
  default:
    return H5T_IEEE_F64LE;
  }
}

size_t facet_store_size_of(const facet_store_shape *shape, facet_row row)
{
  return H5Tget_size(facet_store_file_type(shape, row));
}

hid_t facet_store_memory(const facet_store_shape *shape, facet_row row, facet_store_as as)
{
  facet_row_type type = facet_row_table[row].type;
  if (type != FACET_ROW_REAL && type != FACET_ROW_F64)
    return type == FACET_ROW_I32 ? H5T_NATIVE_INT32 : type == FACET_ROW_I64 ? H5T_NATIVE_INT64 : H5T_NATIVE_UINT8;
  bool single = as == FACET_AS_FLOAT || (as == FACET_AS_STORED && facet_store_size_of(shape, row) == sizeof(float));
  return single ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
}

/* ---- does a file fit? Asked by rank 0, which opens it alone, so that no rank waits for one that found out ---- */

typedef struct {
  const char *path;
  const facet_store_shape *shape;
  hid_t file;
} checked;

static facet_status read_text(const checked *s, const char *object, const char *name, char **text)
{
  *text = NULL;
  hid_t attribute = H5Aopen_by_name(s->file, object, name, H5P_DEFAULT, H5P_DEFAULT);
  char *words = NULL;
  hid_t type = attribute < 0 ? -1 : H5Aget_type(attribute);
  bool ok = type >= 0 && H5Tis_variable_str(type) > 0 && H5Aread(attribute, type, &words) >= 0 && words;
  if (ok)
    *text = facet_copy_text(words);
  if (words)
    H5free_memory(words);
  if (type >= 0)
    H5Tclose(type);
  if (attribute >= 0)
    H5Aclose(attribute);
  FACET_CHECK(ok, FACET_BAD_INPUT, "%s: is not a store of facet: %s has no %s", s->path, object, name);
  return *text ? FACET_OK : FACET_OS;
}

static facet_status same_text(const checked *s, const char *object, const char *name, const char *wanted,
                              const char *otherwise)
{
  char *text;
  FACET_TRY(read_text(s, object, name, &text));
  bool same = strcmp(text, wanted) == 0;
  facet_free(&text);
  FACET_CHECK(same, FACET_BAD_INPUT, "%s: %s; use --fresh or another output", s->path, otherwise);
  return FACET_OK;
}

static facet_status same_study(const checked *s)
{
  facet_status status = same_text(s, "/", "study_filled", s->shape->plan->study_filled, "belongs to a different study");
  for (int v = 0; v < s->shape->plan->variants && status == FACET_OK; v++) {
    char *object = facet_format("/variants/%s", s->shape->plan->variant[v].name);
    if (!object)
      return FACET_OS;
    if (H5Lexists(s->file, "/variants", H5P_DEFAULT) <= 0 || H5Lexists(s->file, object, H5P_DEFAULT) <= 0)
      status =
          facet_raise(FACET_BAD_INPUT, "%s: has no variant %s; use --fresh", s->path, s->shape->plan->variant[v].name);
    else
      status = same_text(s, object, "sha256", s->shape->plan->variant[v].sha256, "was made with other networks");
    facet_free(&object);
  }
  return status;
}

static facet_status same_schema(const checked *s)
{
  int version = 0;
  hid_t attribute = H5Aopen(s->file, "schema_version", H5P_DEFAULT);
  herr_t read = attribute < 0 ? -1 : H5Aread(attribute, H5T_NATIVE_INT, &version);
  if (attribute >= 0)
    H5Aclose(attribute);
  FACET_CHECK(read >= 0, FACET_BAD_INPUT, "%s: is not a store of facet: it has no schema_version", s->path);
  FACET_CHECK(version == FACET_SCHEMA_VERSION, FACET_BAD_INPUT, "%s: has schema version %d, this facet writes %d",
              s->path, version, FACET_SCHEMA_VERSION);
  return FACET_OK;
}

/* The dimensions of an array, and the size of its elements. */
static bool has_shape(const facet_store_shape *shape, const facet_store_shape_array *a, hid_t set)
{
  hsize_t there[H5S_MAX_RANK] = {0};
  hid_t space = H5Dget_space(set), type = H5Dget_type(set);
  bool same = H5Sget_simple_extent_dims(space, there, NULL) == a->axes &&
              H5Tget_size(type) == facet_store_size_of(shape, a->row);
  for (int i = 0; i < a->axes; i++)
    same = same && (int64_t)there[i] == a->axis[i].size;
  H5Sclose(space);
  H5Tclose(type);
  return same;
}

static facet_status open_array(const checked *s, const facet_store_shape_array *a, hid_t *set)
{
  char *path = facet_store_shape_path(s->shape, a);
  facet_status status = FACET_OK;
  *set = path ? H5Dopen2(s->file, path, H5P_DEFAULT) : -1;
  if (*set < 0)
    status = facet_raise(path ? FACET_BAD_INPUT : FACET_OS, "%s: has no dataset %s; use --fresh or another output",
                         s->path, path);
  else if (!has_shape(s->shape, a, *set))
    status = facet_raise(FACET_BAD_INPUT, "%s: the shape of %s is not that of the study; use --fresh or another output",
                         s->path, path);
  facet_free(&path);
  return status;
}

static facet_status same_arrays(const checked *s)
{
  for (facet_store_shape_array a = {.number = -1}; facet_store_shape_next(s->shape, &a);) {
    hid_t set;
    facet_status status = open_array(s, &a, &set);
    if (set >= 0)
      H5Dclose(set);
    FACET_TRY(status);
  }
  return FACET_OK;
}

/* Results of two versions of a data set must not be mixed. */
static facet_status same_labels(const checked *s)
{
  int32_t *label;
  FACET_NEW(label, s->shape->plan->samples);
  facet_status status = FACET_OK;
  hid_t set = H5Dopen2(s->file, "/label", H5P_DEFAULT);
  if (H5Dread(set, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, label) < 0)
    status = facet_store_raise(s->path, "reading /label");
  else if (memcmp(label, s->shape->plan->label, (size_t)s->shape->plan->samples * sizeof *label) != 0)
    status = facet_raise(FACET_BAD_INPUT, "%s: was made with other labels; use --fresh or another output", s->path);
  H5Dclose(set);
  facet_free(&label);
  return status;
}

static facet_status check_file(const char *path, const facet_store_shape *shape)
{
  hid_t list = facet_store_access();
  checked s = {path, shape, H5Fopen(path, H5F_ACC_RDONLY, list)};
  H5Pclose(list);
  FACET_CHECK(s.file >= 0, FACET_BAD_INPUT, "%s: cannot be opened: not an HDF5 file, or damaged", path);
  facet_status status;
  FACET_GO(done, status, same_schema(&s));
  FACET_GO(done, status, same_study(&s));
  FACET_GO(done, status, same_arrays(&s));
  status = same_labels(&s);
done:
  H5Fclose(s.file);
  return status;
}

/* ---- opening and closing ---- */

/* What a rank needs before the collective part begins. */
static facet_status prepare(facet_store *s, const char *path, const facet_store_plan *plan)
{
  FACET_TRY(facet_store_shape_make(plan, &s->shape));
  FACET_NEW(s->set, s->shape.arrays);
  for (int64_t i = 0; i < s->shape.arrays; i++)
    s->set[i] = -1;
  s->path = facet_copy_text(path);
  s->raw = s->path ? open(s->path, O_RDWR | O_CLOEXEC) : -1;
  FACET_CHECK(s->path, FACET_OS, "out of memory");
  FACET_CHECK(s->raw >= 0, FACET_IO, "%s: %s", s->path, strerror(errno));
  s->list = H5Pcreate(H5P_DATASET_XFER);
  H5_CHECK(s->path, "opening", s->list < 0 ? -1 : H5Pset_buffer(s->list, CONVERTED, NULL, NULL));
  return facet_rank(s->comm) == 0 ? check_file(path, &s->shape) : FACET_OK;
}

/* Collective: whatever a rank finds, it makes the same calls as the others to the end, and says so then. */
static facet_status open_file(facet_store *s)
{
  hid_t list = facet_store_access();
  herr_t shared = H5Pset_fapl_mpio(list, s->comm, MPI_INFO_NULL);
  H5Pset_all_coll_metadata_ops(list, 1);
  H5Pset_coll_metadata_write(list, 1);
  s->file = shared < 0 ? -1 : H5Fopen(s->path, H5F_ACC_RDWR, list);
  H5Pclose(list);
  FACET_AGREE(s->comm, s->file >= 0 ? FACET_OK
                                    : facet_raise(FACET_BAD_INPUT, "%s: cannot be opened: not an HDF5 file, or damaged",
                                                  s->path));
  const checked c = {s->path, &s->shape, s->file};
  facet_status first = FACET_OK;
  char words[1000]; /* of the first failure */
  for (facet_store_shape_array a = {.number = -1}; facet_store_shape_next(&s->shape, &a);) {
    facet_status status = open_array(&c, &a, &s->set[a.number]);
    if (status != FACET_OK && first == FACET_OK)
      (void)snprintf(words, sizeof words, "%s", facet_message());
    first = first == FACET_OK ? status : first;
  }
  return first == FACET_OK ? FACET_OK : facet_raise(first, "%s", words);
}

/* Closes what is open; the first failure is reported. Collective. */
static facet_status release(facet_store **store)
{
  facet_store *s = *store;
  facet_status status = FACET_OK;
  for (int64_t i = 0; s->set && i < s->shape.arrays; i++)
    if (s->set[i] >= 0)
      H5Dclose(s->set[i]);
  if (s->file >= 0 && H5Fclose(s->file) < 0)
    status = facet_store_raise(s->path, "closing");
  if (s->list >= 0)
    H5Pclose(s->list);
  if (s->raw >= 0)
    close(s->raw);
  facet_free(&s->set);
  facet_free(&s->path);
  facet_store_shape_clear(&s->shape);
  facet_free(store);
  return status;
}

facet_status facet_store_open(MPI_Comm comm, const char *path, const facet_store_plan *plan, facet_store **store)
{
  facet_store *s = facet_allocate(1, sizeof *s);
  *store = NULL;
  FACET_AGREE(comm, s ? FACET_OK : FACET_OS);
  *s = (facet_store){.comm = comm, .file = -1, .list = -1, .raw = -1};
  facet_store_listener before = facet_store_listen();
  facet_status status = facet_agree(comm, prepare(s, path, plan));
  if (status == FACET_OK)
    status = facet_agree(comm, open_file(s));
  if (status != FACET_OK)
    (void)release(&s);
  *store = s;
  (void)facet_store_unlisten(before, status);
  return status == FACET_OK ? FACET_OK : facet_raise(status, "%s", facet_message());
}

facet_status facet_store_sync(facet_store *s)
{
  facet_store_listener before = facet_store_listen();
  facet_status status = FACET_OK;
  if (H5Fflush(s->file, H5F_SCOPE_GLOBAL) < 0) /* a collective MPI_File_sync */
    status = facet_store_raise(s->path, "syncing");
  return facet_agree(s->comm, facet_store_unlisten(before, status));
}

facet_status facet_store_close(facet_store **store)
{
  if (!*store)
    return FACET_OK;
  MPI_Comm comm = (*store)->comm;
  facet_status status = facet_store_sync(*store);
  char first[1000]; /* what the sync said, which closing may overwrite */
  (void)snprintf(first, sizeof first, "%s", facet_message());
  facet_store_listener before = facet_store_listen();
  facet_status closed = facet_agree(comm, facet_store_unlisten(before, release(store)));
  return status == FACET_OK ? closed : facet_raise(status, "%s", first);
}

/* ---- parts of arrays ---- */

typedef struct {
  hid_t set, memory, list;
  int axes;
  hsize_t start[FACET_MOST_AXES], count[FACET_MOST_AXES];
  char *data;
  bool write;
} transfer;

static herr_t move_once(const transfer *t)
{
  hid_t space = H5Dget_space(t->set), flat = H5Screate_simple(t->axes, t->count, NULL);
  herr_t done = space < 0 || flat < 0 ? -1 : 0;
  if (done >= 0 && t->axes > 0)
    done = H5Sselect_hyperslab(space, H5S_SELECT_SET, t->start, NULL, t->count, NULL);
  if (done >= 0)
    done = t->write ? H5Dwrite(t->set, t->memory, flat, space, t->list, t->data)
                    : H5Dread(t->set, t->memory, flat, space, t->list, t->data);
  if (space >= 0)
    H5Sclose(space);
  if (flat >= 0)
    H5Sclose(flat);
  return done;
}

/* Halves of the outermost dimension that is more than one lie one behind the other. */
static herr_t move(transfer t)
{
  size_t line = H5Tget_size(t.memory); /* bytes of one of that dimension */
  int split = 0;
  while (split < t.axes && t.count[split] <= 1)
    split++;
  for (int i = split + 1; i < t.axes; i++)
    line *= (size_t)t.count[i];
  if (split == t.axes || line * (size_t)t.count[split] <= MOST_AT_ONCE)
    return move_once(&t);
  transfer rest = t;
  t.count[split] /= 2;
  rest.start[split] += t.count[split];
  rest.count[split] -= t.count[split];
  rest.data += line * (size_t)t.count[split];
  herr_t done = move(t);
  return done < 0 ? done : move(rest);
}

static facet_status move_place(const facet_store *s, facet_row row, const facet_place *place, char *data, bool write)
{
  facet_store_shape_array a;
  bool there = facet_store_shape_find(&s->shape, row, place->variant, place->condition, &a) && s->set[a.number] >= 0;
  transfer t = {.memory = facet_store_memory(&s->shape, row, place->as), .list = s->list, .data = data, .write = write};
  for (int i = 0; there && i < a.axes; i++) {
    int64_t start = place->part[i].start, count = place->part[i].count;
    count = start == 0 && count == 0 ? a.axis[i].size : count;
    there = start >= 0 && count >= 0 && start + count <= a.axis[i].size;
    t.start[i] = (hsize_t)start;
    t.count[i] = (hsize_t)count;
  }
  FACET_CHECK(there, FACET_INTERNAL, "%s: no such part of %s", s->path, facet_row_table[row].path);
  t.set = s->set[a.number];
  t.axes = a.axes;
  H5_CHECK(s->path, write ? "writing" : "reading", move(t));
  return FACET_OK;
}

facet_status facet_store_put(facet_store *s, facet_row row, facet_place place, const void *data)
{
  facet_store_listener before = facet_store_listen();
  return facet_store_unlisten(before, move_place(s, row, &place, (char *)data, true));
}

facet_status facet_store_get(facet_store *s, facet_row row, facet_place place, void *data)
{
  facet_store_listener before = facet_store_listen();
  return facet_store_unlisten(before, move_place(s, row, &place, data, false));
}

/* ---- marks ---- */

/* The array of a stage's marks; false: the study does not want it. */
static bool find_marks(const facet_store *s, const char *stage, facet_store_shape_array *a)
{
  int number = facet_store_shape_stage(s->shape.plan, stage);
  return number >= 0 && facet_store_shape_find(&s->shape, FACET_ROW_MARKS, number, 0, a);
}

int64_t facet_store_parts(const facet_store *s, const char *stage)
{
  facet_store_shape_array a;
  if (!find_marks(s, stage, &a))
    return 0;
  int64_t parts = 1;
  for (int i = 0; i < a.axes; i++)
    parts *= a.axis[i].size;
  return parts;
}

facet_status facet_store_mark_parts(facet_store *s, const char *stage, int64_t count, const int64_t *part)
{
  const uint8_t one = 1;
  facet_store_shape_array a;
  FACET_CHECK(find_marks(s, stage, &a), FACET_INTERNAL, "%s: no stage %s", s->path, stage);
  FACET_CHECK(fdatasync(s->raw) == 0, FACET_IO, "%s: %s", s->path, strerror(errno)); /* marks come after their data */
  for (int64_t k = 0; k < count; k++) {
    facet_place place = {.variant = a.variant};
    int64_t rest = part[k];
    for (int i = a.axes - 1; i >= 0; i--) {
      place.part[i].start = rest % a.axis[i].size;
      place.part[i].count = 1;
      rest /= a.axis[i].size;
    }
    FACET_TRY(facet_store_put(s, FACET_ROW_MARKS, place, &one));
  }
  return FACET_OK;
}

facet_status facet_store_mark(facet_store *s, const char *stage, int64_t part)
{
  return facet_store_mark_parts(s, stage, 1, &part);
}

facet_status facet_store_marks(facet_store *s, const char *stage, uint8_t *done)
{
  facet_store_shape_array a;
  FACET_CHECK(find_marks(s, stage, &a), FACET_INTERNAL, "%s: no stage %s", s->path, stage);
  return facet_store_get(s, FACET_ROW_MARKS, (facet_place){.variant = a.variant}, done);
}

static facet_status mark_all(facet_store *s, const char *stage)
{
  facet_store_shape_array a;
  int64_t parts = facet_store_parts(s, stage);
  uint8_t *one;
  if (!find_marks(s, stage, &a))
    return FACET_OK;
  FACET_NEW(one, parts);
  memset(one, 1, (size_t)parts);
  facet_status status = facet_store_put(s, FACET_ROW_MARKS, (facet_place){.variant = a.variant}, one);
  facet_free(&one);
  return status;
}

facet_status facet_store_finish(facet_store *s, const char *stage)
{
  FACET_TRY(facet_store_sync(s));
  return facet_agree(s->comm, facet_rank(s->comm) == 0 ? mark_all(s, stage) : FACET_OK);
}
