/* The store in use: opened by all ranks, overwritten in place by each on its own. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "store_file.h"

enum { MOST_AT_ONCE = 1 << 30 };

/* ---- opening ---- */

static facet_status read_text(const facet_store *s, const char *object, const char *name, char **text)
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

static facet_status same_text(const facet_store *s, const char *object, const char *name, const char *wanted,
                              const char *otherwise)
{
  char *text;
  FACET_TRY(read_text(s, object, name, &text));
  bool same = strcmp(text, wanted) == 0;
  facet_free(&text);
  FACET_CHECK(same, FACET_BAD_INPUT, "%s: %s; use --fresh or another output", s->path, otherwise);
  return FACET_OK;
}

static facet_status same_study(const facet_store *s)
{
  char *filled;
  FACET_TRY(facet_study_text(s->plan->study, &filled));
  facet_status status = same_text(s, "/", "study_filled", filled, "belongs to a different study");
  facet_free(&filled);
  for (int v = 0; v < s->plan->variants && status == FACET_OK; v++) {
    char *object = facet_format("/variants/%s", s->plan->variant[v].name);
    if (!object)
      return FACET_OS;
    if (H5Lexists(s->file, "/variants", H5P_DEFAULT) <= 0 || H5Lexists(s->file, object, H5P_DEFAULT) <= 0)
      status = facet_raise(FACET_BAD_INPUT, "%s: has no variant %s; use --fresh", s->path, s->plan->variant[v].name);
    else
      status = same_text(s, object, "sha256", s->plan->variant[v].sha256, "was made with other networks");
    facet_free(&object);
  }
  return status;
}

static facet_status same_schema(const facet_store *s)
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

/* Whether an array has these dimensions, and its elements one of the sizes that facet writes: `size`. */
static bool has_shape(hid_t set, int rank, const int64_t *dim, size_t size)
{
  hsize_t there[H5S_MAX_RANK] = {0};
  hid_t space = H5Dget_space(set), type = H5Dget_type(set);
  bool same = H5Sget_simple_extent_dims(space, there, NULL) == rank && H5Tget_size(type) == size;
  for (int i = 0; i < rank; i++)
    same = same && (int64_t)there[i] == dim[i];
  H5Sclose(space);
  H5Tclose(type);
  return same;
}

facet_status facet_store_open_set(const facet_store *s, const char *name, int rank, const int64_t *dim, size_t size,
                                  hid_t *set)
{
  *set = H5Dopen2(s->file, name, H5P_DEFAULT);
  FACET_CHECK(*set >= 0, FACET_BAD_INPUT, "%s: has no dataset %s; use --fresh or another output", s->path, name);
  FACET_CHECK(has_shape(*set, rank, dim, size), FACET_BAD_INPUT,
              "%s: the shape of %s is not that of the study; use --fresh or another output", s->path, name);
  return FACET_OK;
}

static facet_status open_sets(facet_store *s)
{
  const facet_store_plan *p = s->plan;
  const int64_t image[] = {p->samples, p->image.channels, p->image.height, p->image.width};
  const int64_t vcn[] = {p->variants, p->conditions, p->samples, p->classes};
  const int64_t vcb[] = {p->variants, p->conditions, s->blocks};
  const size_t real = facet_type_size(p->study->settings.precision);
  const struct {
    const char *name;
    hid_t *set;
    const int64_t *dim;
    int rank;
    size_t size;
  } sets[] = {
      {"/label", &s->label, image, 1, 4},
      {"/image", &s->image, image, 4, real},
      {"/prediction/logits", &s->logits, vcn, 4, real},
      {"/prediction/class", &s->predicted, vcn, 3, 4},
      {"/prediction/loss", &s->loss, vcn, 3, sizeof(double)},
      {"/geometry/angle", &s->angle, vcn, 3, sizeof(double)},
      {"/geometry/length", &s->length, vcn, 3, sizeof(double)},
      {"/geometry/margin", &s->margin, vcn, 3, sizeof(double)},
      {"/geometry/cosine", &s->cosine, vcn, 4, sizeof(double)},
      {"/progress/tile", &s->tile, vcb, 3, 1},
  };
  for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
    FACET_TRY(facet_store_open_set(s, sets[i].name, sets[i].rank, sets[i].dim, sets[i].size, sets[i].set));
  return FACET_OK;
}

static facet_status open_linear(facet_store *s, int v)
{
  const facet_store_plan *p = s->plan;
  const facet_input_layout *input = &p->variant[v].input;
  int64_t w[2 + FACET_MAX_AXES] = {p->linear_samples, p->linear_rows};
  memcpy(w + 2, input->size, sizeof input->size);
  const int64_t b_node[] = {p->linear_samples, p->linear_rows, p->variant[v].constant_nodes};
  const size_t real = facet_type_size(p->study->settings.precision);
  facet_store_linear_sets *l = &s->linear[v];
  const struct {
    const char *name;
    hid_t *set;
    const int64_t *dim;
    int rank;
    size_t size;
  } sets[] = {
      {"W", &l->w, w, 2 + input->axes, real},  {"row", &l->row, w, 2, 4},   {"b", &l->b, w, 2, real},
      {"b_node", &l->b_node, b_node, 3, real}, {"ties", &l->ties, w, 1, 4}, {"residual", &l->residual, w, 1, real}};
  for (int i = 0; i < 6; i++) {
    char *name = facet_format("/linear/%s/%s", p->variant[v].name, sets[i].name);
    facet_status status =
        name ? facet_store_open_set(s, name, sets[i].rank, sets[i].dim, sets[i].size, sets[i].set) : FACET_OS;
    facet_free(&name);
    FACET_TRY(status);
  }
  return FACET_OK;
}

/* Results of two versions of a data set must not be mixed. */
static facet_status same_labels(const facet_store *s)
{
  int32_t *label;
  FACET_NEW(label, s->plan->samples);
  facet_status status = FACET_OK;
  if (H5Dread(s->label, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, label) < 0)
    status = facet_store_raise(s->path, "reading /label");
  else if (memcmp(label, s->plan->label, (size_t)s->plan->samples * sizeof *label) != 0)
    status = facet_raise(FACET_BAD_INPUT, "%s: was made with other labels; use --fresh or another output", s->path);
  facet_free(&label);
  return status;
}

/* What a rank needs before the collective part begins. */
static facet_status prepare(facet_store *s, const char *path)
{
  s->path = facet_copy_text(path);
  FACET_NEW(s->linear, s->plan->variants);
  for (int v = 0; v < s->plan->variants; v++)
    s->linear[v] = (facet_store_linear_sets){-1, -1, -1, -1, -1, -1};
  s->raw = s->path ? open(s->path, O_RDWR | O_CLOEXEC) : -1;
  FACET_CHECK(s->path, FACET_OS, "out of memory");
  FACET_CHECK(s->raw >= 0, FACET_IO, "%s: %s", s->path, strerror(errno));
  return FACET_OK;
}

static facet_status open_file(facet_store *s)
{
  hid_t list = facet_store_access();
  herr_t shared = H5Pset_fapl_mpio(list, s->comm, MPI_INFO_NULL);
  H5Pset_all_coll_metadata_ops(list, 1);
  H5Pset_coll_metadata_write(list, 1);
  s->file = shared < 0 ? -1 : H5Fopen(s->path, H5F_ACC_RDWR, list);
  H5Pclose(list);
  FACET_CHECK(s->file >= 0, FACET_BAD_INPUT, "%s: cannot be opened: not an HDF5 file, or damaged", s->path);
  FACET_TRY(same_schema(s));
  FACET_TRY(same_study(s));
  FACET_TRY(open_sets(s));
  for (int v = 0; v < s->plan->variants; v++)
    if (s->plan->variant[v].linearize)
      FACET_TRY(open_linear(s, v));
  FACET_TRY(facet_store_open_changes(s));
  FACET_TRY(facet_store_open_aggregates(s));
  FACET_TRY(facet_store_open_embed(s));
  return same_labels(s);
}

/* Closes what is open; the first failure is reported. Collective. */
static facet_status store_release(facet_store **store)
{
  facet_store *s = *store;
  facet_status status = FACET_OK;
  hid_t *sets[] = {&s->label, &s->image,  &s->logits, &s->predicted, &s->loss,
                   &s->angle, &s->length, &s->margin, &s->cosine,    &s->tile};
  for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
    if (*sets[i] >= 0)
      H5Dclose(*sets[i]);
  for (int v = 0; s->linear && v < s->plan->variants; v++) {
    hid_t *linear[] = {&s->linear[v].w,      &s->linear[v].row,      &s->linear[v].b,
                       &s->linear[v].b_node, &s->linear[v].residual, &s->linear[v].ties};
    for (int i = 0; i < 6; i++)
      if (*linear[i] >= 0)
        H5Dclose(*linear[i]);
  }
  facet_store_close_changes(s);
  facet_store_close_aggregates(s);
  facet_store_close_embed(s);
  if (s->file >= 0 && H5Fclose(s->file) < 0)
    status = facet_store_raise(s->path, "closing");
  if (s->raw >= 0)
    close(s->raw);
  facet_free(&s->linear);
  facet_free(&s->path);
  facet_free(store);
  return status;
}

facet_status facet_store_open(MPI_Comm comm, const char *path, const facet_store_plan *plan, facet_store **store)
{
  facet_store *s = facet_allocate(1, sizeof *s);
  FACET_AGREE(comm, s ? FACET_OK : FACET_OS);
  *s = (facet_store){.comm = comm,
                     .plan = plan,
                     .file = -1,
                     .raw = -1,
                     .label = -1,
                     .image = -1,
                     .logits = -1,
                     .predicted = -1,
                     .loss = -1,
                     .angle = -1,
                     .length = -1,
                     .margin = -1,
                     .cosine = -1,
                     .tile = -1,
                     .change_sample = -1,
                     .embed = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, NULL}};
  s->blocks = (plan->samples + plan->block - 1) / plan->block;
  s->real = plan->study->settings.precision == FACET_F64 ? H5T_NATIVE_DOUBLE : H5T_NATIVE_FLOAT;
  facet_store_listen();
  facet_status status = facet_agree(comm, prepare(s, path));
  if (status == FACET_OK)
    status = facet_agree(comm, open_file(s));
  if (status != FACET_OK)
    (void)store_release(&s);
  *store = s;
  return status == FACET_OK ? FACET_OK : facet_raise(status, "%s", facet_message());
}

facet_status facet_store_sync(facet_store *s)
{
  facet_status status = FACET_OK;
  if (H5Fflush(s->file, H5F_SCOPE_GLOBAL) < 0) /* a collective MPI_File_sync */
    status = facet_store_raise(s->path, "syncing");
  return facet_agree(s->comm, status);
}

facet_status facet_store_close(facet_store **store)
{
  if (!*store)
    return FACET_OK;
  MPI_Comm comm = (*store)->comm;
  facet_status status = facet_store_sync(*store);
  char first[1000]; /* what the sync said, which closing may overwrite */
  snprintf(first, sizeof first, "%s", facet_message());
  facet_status closed = facet_agree(comm, store_release(store));
  return status == FACET_OK ? closed : facet_raise(status, "%s", first);
}

/* ---- reading and writing parts ---- */

/* The part start .. start+count of a dataset, written from or read into contiguous memory. */
static facet_status transfer(const facet_store *s, hid_t set, hid_t memory, int rank, const int64_t *start,
                             const int64_t *count, const void *from, void *to)
{
  hsize_t offset[2 + FACET_MAX_AXES], size[2 + FACET_MAX_AXES];
  for (int i = 0; i < rank; i++) {
    offset[i] = (hsize_t)start[i];
    size[i] = (hsize_t)count[i];
  }
  hid_t space = H5Dget_space(set), flat = H5Screate_simple(rank, size, NULL);
  herr_t done = space < 0 || flat < 0 ? -1 : H5Sselect_hyperslab(space, H5S_SELECT_SET, offset, NULL, size, NULL);
  if (done >= 0)
    done = from ? H5Dwrite(set, memory, flat, space, H5P_DEFAULT, from)
                : H5Dread(set, memory, flat, space, H5P_DEFAULT, to);
  if (space >= 0)
    H5Sclose(space);
  if (flat >= 0)
    H5Sclose(flat);
  H5_CHECK(s->path, from ? "writing" : "reading", done);
  return FACET_OK;
}

facet_status facet_store_write_part(const facet_store *s, hid_t set, hid_t memory, int rank, const int64_t *start,
                                    const int64_t *count, const void *data)
{
  return transfer(s, set, memory, rank, start, count, data, NULL);
}

facet_status facet_store_read_part(const facet_store *s, hid_t set, hid_t memory, int rank, const int64_t *start,
                                   const int64_t *count, void *data)
{
  return transfer(s, set, memory, rank, start, count, NULL, data);
}

facet_status facet_store_read_w(facet_store *s, int variant, const int64_t *start, const int64_t *count, double *w)
{
  return facet_store_read_part(s, s->linear[variant].w, H5T_NATIVE_DOUBLE, 2 + s->plan->variant[variant].input.axes,
                               start, count, w);
}

facet_status facet_store_images(facet_store *s, int64_t first, int64_t count, const float *pixels)
{
  return facet_store_write_part(
      s, s->image, H5T_NATIVE_FLOAT, 4, (int64_t[]){first, 0, 0, 0},
      (int64_t[]){count, s->plan->image.channels, s->plan->image.height, s->plan->image.width}, pixels);
}

facet_status facet_store_predictions(facet_store *s, int variant, int condition, int64_t first, int64_t count,
                                     const double *logits, const int32_t *predicted, const double *loss)
{
  const int64_t start[] = {variant, condition, first, 0}, size[] = {1, 1, count, s->plan->classes};
  FACET_TRY(facet_store_write_part(s, s->logits, H5T_NATIVE_DOUBLE, 4, start, size, logits));
  FACET_TRY(facet_store_write_part(s, s->predicted, H5T_NATIVE_INT32, 3, start, size, predicted));
  return facet_store_write_part(s, s->loss, H5T_NATIVE_DOUBLE, 3, start, size, loss);
}

facet_status facet_store_geometry(facet_store *s, int variant, int condition, int64_t first, int64_t count,
                                  const double *angle, const double *length, const double *margin, const double *cosine)
{
  const int64_t start[] = {variant, condition, first, 0}, size[] = {1, 1, count, s->plan->classes};
  FACET_TRY(facet_store_write_part(s, s->angle, H5T_NATIVE_DOUBLE, 3, start, size, angle));
  FACET_TRY(facet_store_write_part(s, s->length, H5T_NATIVE_DOUBLE, 3, start, size, length));
  FACET_TRY(facet_store_write_part(s, s->margin, H5T_NATIVE_DOUBLE, 3, start, size, margin));
  return facet_store_write_part(s, s->cosine, H5T_NATIVE_DOUBLE, 4, start, size, cosine);
}

/* In pieces that MPI can count: its libraries take a few bytes less than 2 GiB at once. What a piece holds lies in one
 * piece in the file, too: all rows of some samples, or some rows of one. */
facet_status facet_store_w(facet_store *s, int variant, int64_t first, int64_t count, int64_t from, int64_t rows,
                           const void *w)
{
  const facet_store_plan *p = s->plan;
  const facet_input_layout *input = &p->variant[variant].input;
  int64_t line = facet_image_inputs(p->image) * (int64_t)facet_type_size(p->study->settings.precision);
  int64_t lines = line < MOST_AT_ONCE ? MOST_AT_ONCE / line : 1;
  int64_t step = rows < lines ? rows : lines, together = rows == p->linear_rows && rows < lines ? lines / rows : 1;
  int64_t start[2 + FACET_MAX_AXES] = {0}, size[2 + FACET_MAX_AXES];
  memcpy(size + 2, input->size, sizeof input->size);
  for (int64_t i = 0; i < count; i += together)
    for (int64_t r = 0; r < rows; r += step) {
      start[0] = first + i;
      start[1] = from + r;
      size[0] = count - i < together ? count - i : together;
      size[1] = rows - r < step ? rows - r : step;
      FACET_TRY(facet_store_write_part(s, s->linear[variant].w, s->real, 2 + input->axes, start, size,
                                       (const char *)w + (i * rows + r) * line));
    }
  return FACET_OK;
}

facet_status facet_store_linear(facet_store *s, int variant, int64_t first, int64_t count, const int32_t *row,
                                const facet_linearization *linear)
{
  const facet_store_plan *p = s->plan;
  const facet_store_linear_sets *l = &s->linear[variant];
  int64_t k = p->linear_rows;
  const int64_t start[] = {first, 0, 0}, w[] = {count, k};
  const int64_t nodes[] = {count, k, p->variant[variant].constant_nodes};
  FACET_TRY(facet_store_write_part(s, l->row, H5T_NATIVE_INT32, 2, start, w, row));
  FACET_TRY(facet_store_write_part(s, l->b, H5T_NATIVE_DOUBLE, 2, start, w, linear->b));
  FACET_TRY(facet_store_write_part(s, l->b_node, H5T_NATIVE_DOUBLE, 3, start, nodes, linear->b_node));
  FACET_TRY(facet_store_write_part(s, l->residual, H5T_NATIVE_DOUBLE, 1, start, w, linear->residual));
  return facet_store_write_part(s, l->ties, H5T_NATIVE_INT32, 1, start, w, linear->ties);
}

facet_status facet_store_mark(facet_store *s, int variant, int condition, int64_t block)
{
  const uint8_t one = 1;
  FACET_CHECK(fdatasync(s->raw) == 0, FACET_IO, "%s: %s", s->path, strerror(errno)); /* a mark comes after its data */
  return facet_store_write_part(s, s->tile, H5T_NATIVE_UINT8, 3, (int64_t[]){variant, condition, block},
                                (int64_t[]){1, 1, 1}, &one);
}

facet_status facet_store_marks(facet_store *s, uint8_t *done)
{
  return facet_store_read_part(s, s->tile, H5T_NATIVE_UINT8, 3, (int64_t[]){0, 0, 0},
                               (int64_t[]){s->plan->variants, s->plan->conditions, s->blocks}, done);
}
