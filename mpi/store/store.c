/* The store in use: opened by all ranks, overwritten in place by each on its own. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "ranks/exchange.h"
#include "ranks/file_errors.h"
#include "ranks/profile.h"
#include "ranks/versions.h"
#include "store_file.h"

/* MOST_AT_ONCE: MPI libraries take a few bytes less than 2 GiB. CONVERTED: bytes that HDF5 converts at a time; it
 * clears as many for every call, by itself 1 MiB. */
enum { MOST_AT_ONCE = 1 << 30, CONVERTED = 1 << 16 };

/* ---- types ---- */

/* IEEE 754's binary16, which HDF5 has no name for. Made once; HDF5 itself lets go of it at its end. */
static hid_t half_type(void)
{
  static hid_t half = -1;
  if (half >= 0)
    return half;
  half = H5Tcopy(H5T_IEEE_F32LE);
  H5Tset_fields(half, 15, 10, 5, 0, 10);
  H5Tset_size(half, 2);
  H5Tset_ebias(half, 15);
  return half;
}

/* Of UTF-8; made once, as above. */
static hid_t text_of(size_t bytes, hid_t *text)
{
  if (*text >= 0)
    return *text;
  *text = H5Tcopy(H5T_C_S1);
  H5Tset_size(*text, bytes);
  H5Tset_cset(*text, H5T_CSET_UTF8);
  return *text;
}

hid_t facet_store_text_type(void)
{
  static hid_t text = -1;
  return text_of(H5T_VARIABLE, &text);
}

/* Texts of one length, which are overwritten in place as numbers are. */
static hid_t line_type(void)
{
  static hid_t line = -1;
  return text_of(FACET_LINE_BYTES, &line);
}

hid_t facet_store_file_type(const facet_store_shape *shape, facet_row row)
{
  bool twice = shape->plan->settings->precision == FACET_F64;
  hid_t real = twice ? H5T_IEEE_F64LE : H5T_IEEE_F32LE;
  const hid_t type[] = {[FACET_ROW_REAL] = real,          [FACET_ROW_LEAN] = shape->plan->half ? half_type() : real,
                        [FACET_ROW_F32] = H5T_IEEE_F32LE, [FACET_ROW_F64] = H5T_IEEE_F64LE,
                        [FACET_ROW_I32] = H5T_STD_I32LE,  [FACET_ROW_I64] = H5T_STD_I64LE,
                        [FACET_ROW_U8] = H5T_STD_U8LE,    [FACET_ROW_TEXT] = facet_store_text_type(),
                        [FACET_ROW_LINE] = line_type()};
  return type[facet_row_table[row].type];
}

size_t facet_store_size_of(const facet_store_shape *shape, facet_row row)
{
  return H5Tget_size(facet_store_file_type(shape, row));
}

hid_t facet_store_memory(const facet_store_shape *shape, facet_row row, facet_store_as as)
{
  bool single = as == FACET_AS_FLOAT || (as == FACET_AS_STORED && facet_store_size_of(shape, row) == sizeof(float));
  hid_t real = single ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
  const hid_t type[] = {[FACET_ROW_REAL] = real,
                        [FACET_ROW_LEAN] = as == FACET_AS_STORED && shape->plan->half ? half_type() : real,
                        [FACET_ROW_F32] = real,
                        [FACET_ROW_F64] = real,
                        [FACET_ROW_I32] = H5T_NATIVE_INT32,
                        [FACET_ROW_I64] = H5T_NATIVE_INT64,
                        [FACET_ROW_U8] = H5T_NATIVE_UINT8,
                        [FACET_ROW_TEXT] = facet_store_text_type(),
                        [FACET_ROW_LINE] = line_type()};
  return type[facet_row_table[row].type];
}

/* ---- all arrays of a file ---- */

/* The dimensions of an array, and the size of its elements. */
static bool has_shape(const facet_store *s, const facet_store_shape_array *a)
{
  hsize_t there[H5S_MAX_RANK] = {0};
  hid_t set = s->set[a->number], space = set < 0 ? -1 : H5Dget_space(set), type = set < 0 ? -1 : H5Dget_type(set);
  bool same = set >= 0 && H5Sget_simple_extent_dims(space, there, NULL) == a->axes &&
              H5Tget_size(type) == facet_store_size_of(&s->shape, a->row);
  for (int i = 0; i < a->axes; i++)
    same = same && (int64_t)there[i] == a->axis[i].size;
  H5_CLOSE(space, type);
  return same;
}

/* Whether an array is filled, or counted, by a stage; NULL: any. */
static bool is_of_stage(const facet_store *s, const facet_store_shape_array *a, const char *stage)
{
  const char *own = facet_row_of_stage(a->row) ? s->shape.plan->stage[a->variant].name : facet_row_table[a->row].stage;
  return !stage || strcmp(own, stage) == 0;
}

/* The paths of a stage's arrays that are not open, by their numbers; NULL: of others. To be freed in any case. */
static facet_status name_arrays(const facet_store *s, const char *stage, char ***path)
{
  FACET_NEW(*path, s->shape.arrays);
  for (facet_store_shape_array a = {.number = -1}; facet_store_shape_next(&s->shape, &a);) {
    if (!is_of_stage(s, &a, stage) || s->set[a.number] >= 0)
      continue;
    (*path)[a.number] = facet_store_shape_path(&s->shape, &a);
    FACET_CHECK((*path)[a.number], FACET_OS, "out of memory");
  }
  return FACET_OK;
}

static void forget_names(const facet_store *s, char ***path)
{
  for (int64_t i = 0; *path && i < s->shape.arrays; i++)
    facet_free(&(*path)[i]);
  facet_free(path);
}

/* Whatever is wrong with some, all ranks make the same calls to the end. Says what is wrong with the first. */
static facet_status open_named(facet_store *s, char *const *path)
{
  facet_store_shape_array bad = {.number = -1};
  for (facet_store_shape_array a = bad; facet_store_shape_next(&s->shape, &a);) {
    if (!path[a.number])
      continue;
    s->set[a.number] = H5Dopen2(s->file, path[a.number], H5P_DEFAULT);
    if (!has_shape(s, &a) && bad.number < 0)
      bad = a;
  }
  if (bad.number < 0)
    return FACET_OK;
  return s->set[bad.number] < 0
             ? facet_store_refuse(s->path, "has no dataset %s; use --fresh or another output", path[bad.number])
             : facet_store_refuse(s->path, "the shape of %s is not that of the study; use --fresh or another output",
                                  path[bad.number]);
}

/* comm: of those that open the file together, which no rank without memory for a name may leave alone. */
static facet_status open_arrays(MPI_Comm comm, facet_store *s, const char *stage)
{
  char **path = NULL;
  facet_status status = facet_agree(comm, name_arrays(s, stage, &path));
  if (status == FACET_OK)
    status = open_named(s, path);
  forget_names(s, &path);
  return status;
}

facet_status facet_store_open_arrays(facet_store *s, const char *stage)
{
  return open_arrays(MPI_COMM_NULL, s, stage);
}

/* After a collective call of HDF5 that gave this. */
static facet_status collective(const facet_store *s, const char *what, herr_t done)
{
  const char *error = facet_file_error_take();
  FACET_CHECK(!error, FACET_IO, "%s: %s: %s", s->path, what, error);
  return done < 0 ? facet_store_raise(s->path, what) : FACET_OK;
}

static facet_status close_file(facet_store *s)
{
  facet_store_sets_close(&s->shape, s->set);
  if (s->file < 0)
    return FACET_OK;
  facet_status synced = collective(s, "syncing", H5Fflush(s->file, H5F_SCOPE_GLOBAL)); /* MPI_File_sync */
  facet_status closed = collective(s, "closing", H5Fclose(s->file));
  s->file = -1;
  return synced != FACET_OK ? synced : closed;
}

/* ---- does a file fit? Asked by rank 0, which opens it alone, so that no rank waits for one that found out ---- */

static facet_status same_study(const facet_store *s)
{
  char *text;
  bool same;
  FACET_TRY(facet_store_text(s->file, "/", "study_filled", &text));
  bool there = text[0] != '\0';
  facet_status status = facet_study_same(text, s->shape.plan->study_filled, &same);
  facet_free(&text);
  FACET_TRY(status);
  if (!there)
    return facet_store_refuse(s->path, "is not a store of facet: / has no study_filled");
  FACET_CHECK(same, FACET_BAD_INPUT, "%s: belongs to a different study; use --fresh or another output", s->path);
  return FACET_OK;
}

/* Results of two versions of a data set must not be mixed. */
static facet_status same_data(const facet_store *s)
{
  const facet_store_plan *p = s->shape.plan;
  for (int i = 0; i < p->origins; i++) {
    char *text;
    FACET_TRY(facet_store_text(s->file, "/", p->origin[i].name, &text));
    facet_status status = facet_data_same(&p->origin[i], text, s->path);
    facet_free(&text);
    FACET_TRY(status);
  }
  return FACET_OK;
}

static facet_status same_variant(const facet_store *s, const facet_store_variant *v)
{
  char *object = facet_format("/variants/%s", v->name), *sha256 = NULL;
  facet_status status = object ? FACET_OK : FACET_OS;
  if (object && H5LTpath_valid(s->file, object, false) <= 0)
    status = facet_store_refuse(s->path, "has no variant %s; use --fresh", v->name);
  if (status == FACET_OK)
    status = facet_store_text(s->file, object, "sha256", &sha256);
  if (status == FACET_OK && strcmp(sha256, v->sha256) != 0)
    status = facet_raise(FACET_BAD_INPUT, "%s: was made with other networks; use --fresh or another output", s->path);
  FACET_FREE(&object, &sha256);
  return status;
}

/* Schema, study, data and variants. */
static facet_status same_attributes(const facet_store *s)
{
  const facet_store_plan *p = s->shape.plan;
  int64_t version = 0;
  if (!facet_store_attribute(s->file, "schema_version", 1, &version))
    return facet_store_refuse(s->path, "is not a store of facet: it has no schema_version");
  FACET_CHECK(version == FACET_SCHEMA_VERSION, FACET_BAD_INPUT, "%s: has schema version %lld, this facet writes %d",
              s->path, (long long)version, FACET_SCHEMA_VERSION);
  FACET_TRY(same_study(s));
  FACET_TRY(same_data(s));
  for (int v = 0; v < p->variants; v++)
    FACET_TRY(same_variant(s, &p->variant[v]));
  return FACET_OK;
}

facet_status facet_store_same(const char *path, hid_t file, const facet_store_plan *plan)
{
  return same_attributes(&(facet_store){.path = path, .file = file, .shape = {.plan = plan}});
}

static facet_status same_labels(const facet_store *s)
{
  facet_label_walk w = {.of = s->shape.plan->test};
  int32_t then[FACET_LABELS_AT_ONCE];
  facet_store_transfer t = {
      .memory = H5T_NATIVE_INT32, .list = H5P_DEFAULT, .axes = 1, .most = SIZE_MAX, .data = (char *)then};
  facet_status status = FACET_OK;
  t.set = facet_store_set(s->file, facet_row_table[FACET_ROW_LABEL].path);
  while (status == FACET_OK && facet_labels_walk(&w)) {
    t.start[0] = (hsize_t)w.first;
    t.count[0] = (hsize_t)w.count;
    status = facet_store_move(s->path, t);
    if (status == FACET_OK && memcmp(w.label, then, (size_t)w.count * sizeof *then) != 0)
      status = facet_raise(FACET_BAD_INPUT, "%s: was made with other labels; use --fresh or another output", s->path);
  }
  H5_CLOSE(t.set);
  return status == FACET_OK ? w.status : status;
}

/* What nobody writes again. */
static facet_status same_head(const facet_store *s)
{
  bool holds;
  FACET_TRY(facet_store_head_holds(s->path, s->file, &holds));
  return holds
             ? FACET_OK
             : facet_store_refuse(s->path, "is damaged: attributes, coordinates or labels do not hold their checksum; "
                                           "use --fresh");
}

static facet_status check_file(facet_store *s)
{
  facet_status status;
  FACET_GO(done, status, facet_store_open_alone(s->path, &s->file));
  FACET_GO(done, status, same_attributes(s));
  FACET_GO(done, status, facet_sums_identity(s->file, s->shape.plan->variants, s->shape.names.variant, &s->identity));
  FACET_GO(done, status, facet_store_open_arrays(s, NULL));
  FACET_GO(done, status, same_labels(s));
  status = same_head(s);
done:
  (void)close_file(s);
  return status;
}

/* ---- opening and closing ---- */

facet_status facet_store_lay_out(facet_store *s, const char *path, const facet_store_plan *plan)
{
  FACET_TRY(facet_store_shape_make(plan, &s->shape));
  FACET_TRY(facet_store_sets_make(&s->shape, &s->set));
  s->path = facet_copy_text(path);
  return s->path ? FACET_OK : FACET_OS;
}

/* What a rank needs before the collective part begins. */
static facet_status prepare(facet_store *s, const char *path, const facet_store_plan *plan)
{
  FACET_TRY(facet_store_lay_out(s, path, plan));
  s->raw = open(path, O_RDWR | O_CLOEXEC);
  FACET_CHECK(s->raw >= 0, FACET_IO, "%s: %s", path, strerror(errno));
  s->list = H5Pcreate(H5P_DATASET_XFER);
  H5_CHECK(path, "opening", s->list < 0 ? -1 : H5Pset_buffer(s->list, CONVERTED, NULL, NULL));
  return facet_rank(s->comm) == 0 ? check_file(s) : FACET_OK;
}

/* A file that is open may be written to when nobody finds it any more. */
static facet_status still_there(const facet_store *s)
{
  FACET_CHECK(facet_still_there(s->path, s->raw), FACET_IO,
              "%s: was moved or removed while the study was at work in it; run the same command again to make what is "
              "missing",
              s->path);
  return FACET_OK;
}

/* Collective. */
static facet_status open_file(facet_store *s)
{
  hid_t list = facet_store_access();
  herr_t shared = H5Pset_fapl_mpio(list, s->comm, MPI_INFO_NULL);
  H5Pset_all_coll_metadata_ops(list, 1);
  H5Pset_coll_metadata_write(list, 1);
  s->file = shared < 0 ? -1 : H5Fopen(s->path, H5F_ACC_RDWR, list);
  H5_CLOSE(list);
  facet_status status = facet_agree(s->comm, still_there(s));
  if (status == FACET_OK)
    status = facet_agree(s->comm, s->file >= 0
                                      ? FACET_OK
                                      : facet_store_refuse(s->path, "cannot be opened: not an HDF5 file, or damaged"));
  if (status != FACET_OK)
    s->file = -1; /* open on some ranks, perhaps, which would wait for the others to close it: it stays so */
  FACET_TRY(status);
  FACET_TRY(facet_share(s->comm, (char *)&s->identity, sizeof s->identity, "opening the store"));
  return open_arrays(s->comm, s, NULL);
}

/* Closes what is open. Collective. */
static facet_status release(facet_store **store)
{
  facet_store *s = *store;
  if (s->settling)
    (void)facet_store_settle_end(s); /* whoever began it has failed */
  facet_sums_end(&s->sums);
  facet_again_free(&s->again);
  facet_status status = close_file(s);
  H5_CLOSE(s->list);
  if (s->raw >= 0)
    close(s->raw);
  FACET_FREE(&s->set, &s->path);
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
  facet_store_listener before = facet_store_listen(path);
  facet_status status = facet_agree(comm, facet_store_heard(path, prepare(s, path, plan)));
  if (status == FACET_OK)
    status = facet_agree(comm, facet_store_heard(path, open_file(s)));
  if (status != FACET_OK)
    (void)release(&s);
  *store = s;
  return facet_store_unlisten(before, status);
}

int64_t facet_store_profiled(const char *path)
{
  facet_store_listener before = facet_store_listen(path);
  const char *ranks = facet_dimension_table[FACET_DIM_PROFILED].coordinate;
  hid_t file = -1;
  int64_t size = 0;
  if (facet_exists(path) && facet_store_open_alone(path, &file) == FACET_OK)
    size = facet_store_count(file, ranks);
  if (file >= 0)
    H5Fclose(file);
  (void)facet_store_unlisten(before, FACET_OK);
  return size;
}

int64_t facet_store_profile_ranks(const facet_store *s)
{
  return s->shape.plan->profile_ranks;
}

facet_status facet_store_sync(facet_store *s)
{
  facet_store_listener before = facet_store_listen(s->path);
  facet_status status = collective(s, "syncing", H5Fflush(s->file, H5F_SCOPE_GLOBAL)); /* MPI_File_sync */
  if (status == FACET_OK)
    status = facet_store_synced(s, 0);
  status = facet_agree(s->comm, facet_store_unlisten(before, status));
  s->unsettled = 0;
  if (status != FACET_OK && s->lost == 0)
    s->lost = EIO;
  return status;
}

facet_status facet_store_close(facet_store **store)
{
  if (!*store)
    return FACET_OK;
  MPI_Comm comm = (*store)->comm;
  facet_store_listener before = facet_store_listen(NULL);
  return facet_agree(comm, facet_store_unlisten(before, release(store)));
}

/* ---- parts of arrays ---- */

static herr_t transfer(const facet_store_transfer *t, hid_t set, const hsize_t *start, bool write)
{
  hid_t space = H5Dget_space(set), flat = H5Screate_simple(t->axes, t->count, NULL);
  herr_t done = space < 0 || flat < 0 ? -1 : 0;
  if (done >= 0 && t->axes > 0)
    done = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, t->count, NULL);
  if (done >= 0)
    done = write ? H5Dwrite(set, t->memory, flat, space, t->list, t->data)
                 : H5Dread(set, t->memory, flat, space, t->list, t->data);
  H5_CLOSE(space, flat);
  return done;
}

static facet_status move_once(const char *path, const facet_store_transfer *t, size_t bytes)
{
  H5_CHECK(path, t->write ? "writing" : "reading", transfer(t, t->set, t->start, t->write));
  if (t->to)
    H5_CHECK(path, "copying", transfer(t, t->to, t->there, true));
  if (t->sum)
    XXH3_64bits_update(t->sum, t->data, bytes);
  if (t->digest)
    FACET_TRY(facet_sha256_add(t->digest, t->data, bytes));
  return t->digest || t->to ? facet_interrupt_check() : FACET_OK; /* all of a file may go this way */
}

/* Halves of the outermost dimension that is more than one lie one behind the other. */
facet_status facet_store_move(const char *path, facet_store_transfer t)
{
  size_t line = H5Tget_size(t.memory); /* bytes of one of that dimension */
  int split = 0;
  while (split < t.axes && t.count[split] <= 1)
    split++;
  for (int i = split + 1; i < t.axes; i++)
    line *= (size_t)t.count[i];
  size_t bytes = split < t.axes ? line * (size_t)t.count[split] : line;
  if (split == t.axes || bytes <= t.most)
    return move_once(path, &t, bytes);
  facet_store_transfer rest = t;
  t.count[split] /= 2;
  rest.start[split] += t.count[split];
  rest.count[split] -= t.count[split];
  rest.there[split] += t.count[split];
  if (!t.digest && !t.to && !t.sum)
    rest.data += line * (size_t)t.count[split];
  FACET_TRY(facet_store_move(path, t));
  return facet_store_move(path, rest);
}

facet_status facet_store_part(const facet_store *s, facet_row row, const facet_place *place,
                              facet_store_transfer *transfer)
{
  facet_store_shape_array a;
  bool there = facet_store_shape_find(&s->shape, row, place->variant, place->condition, &a) && s->set[a.number] >= 0;
  facet_store_transfer t = {
      .memory = facet_store_memory(&s->shape, row, place->as), .list = s->list, .most = MOST_AT_ONCE};
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
  *transfer = t;
  return FACET_OK;
}

/* Adds the bytes to what has been moved. */
static facet_status move_place(const facet_store *s, facet_row row, const facet_place *place, char *data, bool write,
                               int64_t *moved)
{
  facet_store_transfer t;
  FACET_TRY(facet_store_part(s, row, place, &t));
  int64_t bytes = (int64_t)H5Tget_size(t.memory);
  for (int i = 0; i < t.axes; i++)
    bytes *= (int64_t)t.count[i];
  t.data = data;
  t.write = write;
  *moved += bytes;
  return facet_store_move(s->path, t);
}

facet_status facet_store_put(facet_store *s, facet_row row, facet_place place, const void *data)
{
  facet_store_listener before = facet_store_listen(s->path);
  return facet_store_unlisten(before, s->again ? facet_again_put(s, row, &place, data)
                                               : move_place(s, row, &place, (char *)data, true, &s->unsettled));
}

facet_status facet_store_get(facet_store *s, facet_row row, facet_place place, void *data)
{
  if (s->again && facet_again_get(s, row, &place, data))
    return FACET_OK;
  facet_store_listener before = facet_store_listen(s->path);
  int64_t bytes = 0;
  return facet_store_unlisten(before, move_place(s, row, &place, data, false, &bytes));
}

/* ---- marks ---- */

/* The array of a stage's marks, or of their checksums; false: the study does not want it. */
static bool find_marks(const facet_store *s, facet_row row, const char *stage, facet_store_shape_array *a)
{
  const facet_store_plan *p = s->shape.plan;
  for (int i = 0; i < p->stages; i++)
    if (strcmp(p->stage[i].name, stage) == 0)
      return facet_store_shape_find(&s->shape, row, i, 0, a);
  return false;
}

int64_t facet_store_parts(const facet_store *s, const char *stage)
{
  facet_store_shape_array a;
  return find_marks(s, FACET_ROW_MARKS, stage, &a) ? (int64_t)a.elements : 0;
}

/* What finds the checksums of a stage, kept until another stage's are asked for: a stage marks its parts second by
 * second. */
static facet_status take_sums(facet_store *s, const facet_store_shape_array *a)
{
  const facet_store_plan *p = s->shape.plan;
  if (s->sums && s->sums_of == a->variant)
    return FACET_OK;
  facet_sums_end(&s->sums);
  s->sums_of = a->variant;
  const facet_sums_source source = {.path = s->path,
                                    .store = s,
                                    .variants = p->variants,
                                    .conditions = p->conditions,
                                    .clean = p->clean,
                                    .variant = s->shape.names.variant,
                                    .condition = p->condition,
                                    .block = p->block,
                                    .linear_blocks = (p->linear_samples + p->block - 1) / p->block,
                                    .identity = s->identity};
  return facet_sums_begin(&source, p->stage[a->variant].name, p->stage[a->variant].marks, &s->sums);
}

static facet_place place_of(const facet_store_shape_array *a, int64_t part)
{
  facet_place place = {.variant = a->variant};
  for (int i = a->axes - 1; i >= 0; i--) {
    place.part[i].start = part % a->axis[i].size;
    place.part[i].count = 1;
    part /= a->axis[i].size;
  }
  return place;
}

/* In place of the checksum of a part whose mark was taken back; -1 is that of one that never had any. What is below is
 * that of a part that was left. */
static const int64_t taken_back = -2;

static int64_t as_left(int64_t sum)
{
  return taken_back - 1 - sum / 2;
}

/* The checksum of a part's data, then its mark; both after the data. */
static facet_status mark_part(facet_store *s, const facet_store_shape_array *a, int64_t part)
{
  const uint8_t one = 1;
  const facet_place place = place_of(a, part);
  int64_t sum;
  FACET_TRY(facet_sums_find(s->sums, part, &sum));
  FACET_TRY(facet_store_put(s, FACET_ROW_SUMS, place, &sum));
  return facet_store_put(s, FACET_ROW_MARKS, place, &one);
}

static facet_status mark_some(facet_store *s, const facet_store_shape_array *a, int64_t count, const int64_t *part)
{
  facet_store_listener before = facet_store_listen(s->path);
  facet_status status = take_sums(s, a);
  for (int64_t k = 0; k < count && status == FACET_OK; k++)
    status = mark_part(s, a, part[k]);
  return facet_store_unlisten(before, status);
}

facet_status facet_store_synced(facet_store *s, int failed)
{
  if (s->lost == 0)
    s->lost = failed;
  FACET_CHECK(s->lost == 0, FACET_IO, "%s: %s", s->path, strerror(s->lost));
  return still_there(s);
}

facet_status facet_store_settle(facet_store *s)
{
  double begun = facet_seconds();
  FACET_TRY(facet_store_synced(s, 0));
  s->unsettled = 0;
  FACET_TRY(facet_store_synced(s, fdatasync(s->raw) == 0 ? 0 : errno));
  facet_profile_stored(facet_seconds() - begun);
  return FACET_OK;
}

/* settle: makes their data durable, which is to happen before. */
static facet_status mark_behind(facet_store *s, facet_status (*settle)(facet_store *s), const char *stage,
                                int64_t count, const int64_t *part)
{
  facet_store_shape_array a;
  if (s->again)
    return FACET_OK;
  FACET_CHECK(find_marks(s, FACET_ROW_MARKS, stage, &a), FACET_INTERNAL, "%s: no stage %s", s->path, stage);
  FACET_TRY(settle(s));
  return mark_some(s, &a, count, part);
}

facet_status facet_store_mark_parts(facet_store *s, const char *stage, int64_t count, const int64_t *part)
{
  return mark_behind(s, facet_store_settle, stage, count, part);
}

facet_status facet_store_mark_settled(facet_store *s, const char *stage, int64_t count, const int64_t *part)
{
  return mark_behind(s, facet_store_settle_end, stage, count, part);
}

facet_status facet_store_mark(facet_store *s, const char *stage, int64_t part)
{
  return facet_store_mark_parts(s, stage, 1, &part);
}

/* Writes the checksums of parts as they are now, or, with `hold`, asks whether they are those that were written. */
static facet_status see_left(facet_store *s, const char *stage, int64_t count, const int64_t *part, bool *hold)
{
  facet_store_shape_array a;
  FACET_CHECK(find_marks(s, FACET_ROW_MARKS, stage, &a), FACET_INTERNAL, "%s: no stage %s", s->path, stage);
  FACET_TRY(take_sums(s, &a));
  for (int64_t k = 0; k < count; k++) {
    int64_t now, then;
    FACET_TRY(facet_sums_find(s->sums, part[k], &now));
    now = as_left(now);
    if (!hold) {
      FACET_TRY(facet_store_put(s, FACET_ROW_SUMS, place_of(&a, part[k]), &now));
      continue;
    }
    FACET_TRY(facet_store_get(s, FACET_ROW_SUMS, place_of(&a, part[k]), &then));
    *hold = *hold && now == then;
  }
  return FACET_OK;
}

facet_status facet_store_leave_parts(facet_store *s, const char *stage, int64_t count, const int64_t *part)
{
  facet_store_listener before = facet_store_listen(s->path);
  return facet_store_unlisten(before, see_left(s, stage, count, part, NULL));
}

facet_status facet_store_left_hold(facet_store *s, const char *stage, int64_t count, const int64_t *part, bool *hold)
{
  facet_store_listener before = facet_store_listen(s->path);
  *hold = true;
  return facet_store_unlisten(before, see_left(s, stage, count, part, hold));
}

facet_status facet_store_marks(facet_store *s, const char *stage, uint8_t *done)
{
  facet_store_shape_array a;
  FACET_CHECK(find_marks(s, FACET_ROW_MARKS, stage, &a), FACET_INTERNAL, "%s: no stage %s", s->path, stage);
  if (s->again && facet_again_marks(s, stage, (int64_t)a.elements, done))
    return FACET_OK;
  return facet_store_get(s, FACET_ROW_MARKS, (facet_place){.variant = a.variant}, done);
}

facet_status facet_store_marks_shared(MPI_Comm comm, facet_store *s, const char *stage, uint8_t **done)
{
  int64_t parts = facet_store_parts(s, stage);
  *done = facet_allocate((size_t)parts, sizeof **done);
  facet_status status = !*done ? FACET_OS : facet_rank(comm) == 0 ? facet_store_marks(s, stage, *done) : FACET_OK;
  FACET_AGREE(comm, status);
  return facet_share(comm, (char *)*done, parts, "reading marks");
}

/* This rank's share of the parts that are not marked yet. */
static facet_status mark_rest(facet_store *s, const char *stage)
{
  facet_store_shape_array a;
  uint8_t *done = NULL;
  int64_t *part = NULL, count = 0, rank = facet_rank(s->comm), ranks = facet_ranks(s->comm);
  facet_status status = FACET_OK;
  if (!find_marks(s, FACET_ROW_MARKS, stage, &a))
    return FACET_OK;
  FACET_NEW_GO(end, status, done, a.elements);
  FACET_NEW_GO(end, status, part, a.elements);
  FACET_GO(end, status, facet_store_marks(s, stage, done));
  for (int64_t i = rank; i < (int64_t)a.elements; i += ranks)
    if (!done[i])
      part[count++] = i;
  status = mark_some(s, &a, count, part);
end:
  FACET_FREE(&done, &part);
  return status;
}

facet_status facet_store_finish(facet_store *s, const char *stage)
{
  facet_store_shape_array a;
  FACET_TRY(facet_store_sync(s));
  FACET_AGREE(s->comm, mark_rest(s, stage));
  if (find_marks(s, FACET_ROW_MARKS, stage, &a))
    s->held[a.variant] = false;
  return facet_store_sync(s);
}

/* ---- do the marks hold? ---- */

enum { IS_BAD = 2, WAS_BAD = 1 }; /* WAS_BAD: found by a run that was over before it was computed anew */

/* bad: of this rank's share of the parts. */
static facet_status check_share(facet_store *s, const facet_store_shape_array *a, const uint8_t *done, int *bad)
{
  int64_t *sum = NULL, rank = facet_rank(s->comm), ranks = facet_ranks(s->comm);
  bool hold;
  facet_status status = FACET_OK;
  FACET_NEW_GO(end, status, sum, a->elements);
  FACET_GO(end, status, facet_store_get(s, FACET_ROW_SUMS, (facet_place){.variant = a->variant}, sum));
  FACET_GO(end, status, take_sums(s, a));
  for (int64_t i = rank; i < (int64_t)a->elements; i += ranks)
    if (done[i]) {
      FACET_GO(end, status, facet_interrupt_check());
      FACET_GO(end, status, facet_sums_hold(s->sums, i, sum[i], &hold));
      bad[i] = !hold || done[i] != 1 ? IS_BAD : 0;
    } else {
      bad[i] = sum[i] == taken_back ? WAS_BAD : 0;
    }
end:
  facet_free(&sum);
  return status;
}

/* Rank 0 says what does not hold, and takes its marks back. */
static facet_status unmark(facet_store *s, const facet_store_shape_array *a, const int *bad)
{
  const uint8_t none = 0;
  char name[200];
  facet_status status = FACET_OK;
  for (int64_t i = 0; i < (int64_t)a->elements && status == FACET_OK; i++)
    if (bad[i] == IS_BAD) {
      facet_sums_name(s->sums, i, name, sizeof name);
      fprintf(stderr, "facet: %s: %s does not hold its checksum, and is computed anew\n", s->path, name);
      status = facet_store_put(s, FACET_ROW_MARKS, place_of(a, i), &none);
      if (status == FACET_OK)
        status = facet_store_put(s, FACET_ROW_SUMS, place_of(a, i), &taken_back);
    }
  return status;
}

/* The variant of a part; -1: the marks count none. */
static int variant_of(const facet_store_shape_array *a, int64_t part)
{
  bool counts = a->axes > 0 && a->axis[0].dimension == FACET_DIM_VARIANT;
  return counts ? (int)(part / ((int64_t)a->elements / a->axis[0].size)) : -1;
}

static facet_status check_parts(facet_store *s, const facet_store_shape_array *a, const uint8_t *done, int *bad,
                                bool *lost)
{
  FACET_AGREE(s->comm, check_share(s, a, done, bad));
  FACET_TRY(facet_largest(s->comm, bad, (int64_t)a->elements, "holding checksums against the data"));
  for (int64_t i = 0; i < (int64_t)a->elements; i++)
    for (int v = 0; bad[i] && v < s->shape.plan->variants; v++)
      lost[v] = lost[v] || variant_of(a, i) < 0 || variant_of(a, i) == v;
  return facet_agree(s->comm, facet_rank(s->comm) == 0 ? unmark(s, a, bad) : FACET_OK);
}

static facet_status check_stage(facet_store *s, const facet_store_shape_array *a, bool *lost)
{
  uint8_t *done = NULL;
  int *bad = facet_allocate((size_t)a->elements, sizeof *bad);
  facet_status status = facet_agree(s->comm, bad ? FACET_OK : FACET_OS);
  if (status == FACET_OK)
    status = facet_store_marks_shared(s->comm, s, s->shape.plan->stage[a->variant].name, &done);
  if (status == FACET_OK)
    status = check_parts(s, a, done, bad, lost);
  FACET_FREE(&done, &bad);
  s->held[a->variant] = status == FACET_OK;
  return status;
}

facet_status facet_store_check(facet_store *s, const char *stage, bool *lost)
{
  facet_store_listener before = facet_store_listen(s->path);
  facet_store_shape_array a;
  bool there = find_marks(s, FACET_ROW_MARKS, stage, &a);
  return facet_store_unlisten(before, there ? check_stage(s, &a, lost) : FACET_OK);
}

bool facet_store_held(const facet_store *s, const char *stage)
{
  facet_store_shape_array a;
  return !find_marks(s, FACET_ROW_MARKS, stage, &a) || s->held[a.variant];
}

facet_status facet_store_spoilt(facet_store *s, const char *stage, int64_t part, bool *spoilt)
{
  facet_store_shape_array a;
  uint8_t done = 0;
  int64_t sum = 0;
  FACET_CHECK(find_marks(s, FACET_ROW_MARKS, stage, &a), FACET_INTERNAL, "%s: no stage %s", s->path, stage);
  FACET_TRY(facet_store_get(s, FACET_ROW_MARKS, place_of(&a, part), &done));
  FACET_TRY(facet_store_get(s, FACET_ROW_SUMS, place_of(&a, part), &sum));
  *spoilt = !done && (sum >= 0 || sum == taken_back);
  return FACET_OK;
}

/* Rank 0. */
static facet_status forget(facet_store *s, const char *stage, const bool *lost, int64_t *count)
{
  facet_store_shape_array a;
  uint8_t *mark = NULL;
  int64_t *sum = NULL, forgotten = 0;
  facet_status status = FACET_OK;
  const facet_place all = {.variant = find_marks(s, FACET_ROW_MARKS, stage, &a) ? a.variant : -1};
  if (all.variant < 0)
    return FACET_OK;
  FACET_NEW_GO(done, status, mark, a.elements);
  FACET_NEW_GO(done, status, sum, a.elements);
  FACET_GO(done, status, facet_store_get(s, FACET_ROW_MARKS, all, mark));
  FACET_GO(done, status, facet_store_get(s, FACET_ROW_SUMS, all, sum));
  for (int64_t i = 0; i < (int64_t)a.elements; i++)
    if (!lost || variant_of(&a, i) < 0 || lost[variant_of(&a, i)]) {
      forgotten += mark[i] == 1;
      mark[i] = 0;
      sum[i] = sum[i] >= 0 ? taken_back : sum[i];
    }
  FACET_GO(done, status, facet_store_put(s, FACET_ROW_MARKS, all, mark));
  status = facet_store_put(s, FACET_ROW_SUMS, all, sum);
  if (count)
    *count = forgotten;
done:
  FACET_FREE(&mark, &sum);
  return status;
}

facet_status facet_store_forget(facet_store *s, const char *stage, const bool *lost, int64_t *count)
{
  FACET_AGREE(s->comm, facet_rank(s->comm) == 0 ? forget(s, stage, lost, count) : FACET_OK);
  return facet_store_sync(s);
}
