/* Creating the store: whole, closed, and never changed in its structure again.
 *
 * Rank 0 writes a temporary file with every dataset allocated, reserves its space on the disk, and renames it.  What
 * follows only overwrites raw data in place, so killing the program at any moment leaves a valid file (docs/results.md
 * says more). */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store_file.h"

const char *const facet_store_summaries[6] = {"accuracy", "loss", "angle", "length", "margin", "residual"};
const char *const facet_store_spreads[2] = {"mean", "deviation"};

/* ---- HDF5's words ---- */

static char words[200];

static herr_t keep_words(unsigned n, const H5E_error2_t *error, void *unused)
{
  (void)n;
  (void)unused;
  const char *text = error->desc ? error->desc : "", *system = strstr(text, "error message = '");
  if (system) /* among numbers of descriptors and addresses, what the system said */
    snprintf(words, sizeof words, "%.*s", (int)strcspn(system + 17, "'"), system + 17);
  else
    snprintf(words, sizeof words, "%s", text);
  return 1; /* the first one met going up is where it happened */
}

/* Called by HDF5 at every failure: the calls that clean up afterwards make it forget. */
static herr_t listen(hid_t stack, void *unused)
{
  return H5Ewalk2(stack, H5E_WALK_UPWARD, keep_words, unused);
}

void facet_store_listen(void)
{
  words[0] = '\0';
  H5Eset_auto2(H5E_DEFAULT, listen, NULL);
}

facet_status facet_store_raise(const char *path, const char *what)
{
  return facet_raise(FACET_IO, "%s: %s: %s", path, what, words[0] ? words : "HDF5 failed");
}

hid_t facet_store_access(void)
{
  hid_t list = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 12, 0))
  H5Pset_file_locking(list, 0, 1);
#endif
  return list;
}

/* ---- sizes ---- */

/* Of HDF5 itself: the root, every variant (its group, attributes and up to seven arrays), and every name; and, for each
 * pair of linearized variants, what is lost as the lists of arrays along the common scales grow. Measured, with room to
 * spare. */
enum { BYTES_OF_ROOT = 120000, BYTES_OF_VARIANT = 16000, BYTES_OF_NAME = 120, BYTES_OF_PAIR = 40 };

/* Numbers of the coordinates that a row of W has beside channel, y and x. */
static double input_sizes(const facet_input_layout *input)
{
  double sum = 0;
  for (int i = 0; i < input->axes; i++)
    sum += input->axis[i] >= FACET_AXIS_INPUT ? (double)input->size[i] : 0;
  return sum;
}

/* In floating point first: a study may ask for more than an int64_t can count. */
int64_t facet_store_bytes(const facet_store_plan *p)
{
  double pairs = (double)p->variants * p->conditions, real = (double)facet_type_size(p->study->settings.precision);
  double d = (double)facet_image_inputs(p->image), n = (double)p->samples;
  double k = (double)p->linear_rows, linearized = 0;
  double bytes =
      n * (12 + real * d) + pairs * n * (4 + real * p->classes + 8 * (4 + p->classes)) + pairs * n / (double)p->block;
  bytes += 8 * ((double)p->image.channels + (double)p->image.height + (double)p->image.width +
                (double)p->linear_samples + k) +
           128 * pairs;
  bytes += BYTES_OF_ROOT + 2 * (double)strlen(p->study_text) + (double)p->classes * BYTES_OF_NAME;
  for (int v = 0; v < p->variants; v++) {
    const facet_store_variant *variant = &p->variant[v];
    bytes += BYTES_OF_VARIANT + (double)variant->layers * 2 * BYTES_OF_NAME;
    linearized += variant->linearize;
    if (variant->linearize)
      bytes += variant->constant_nodes * (double)BYTES_OF_NAME + 8 * input_sizes(&variant->input) +
               (double)p->linear_samples * (k * (4 + real * (d + 1 + variant->constant_nodes)) + 4 + real);
  }
  bytes += BYTES_OF_PAIR * linearized * linearized + facet_store_change_bytes(p) + facet_store_compare_bytes(p) +
           facet_store_aggregate_bytes(p) + facet_store_embed_bytes(p);
  return bytes < 9e18 ? (int64_t)bytes : INT64_MAX;
}

/* ---- attributes ---- */

static facet_status root_attributes(const facet_store_creation *c)
{
  const facet_study *study = c->plan->study;
  const facet_normalization *n = &study->data.normalize;
  const double zero = 0, one = 1;
  char *filled = NULL;
  int count;
  const facet_library *version = facet_versions(&count);
  hid_t root = c->file;
  FACET_TRY(facet_store_put_text(c, root, "facet_version", FACET_VERSION));
  FACET_TRY(facet_store_put_int(c, root, "schema_version", FACET_SCHEMA_VERSION));
  FACET_TRY(facet_store_put_text(c, root, "git_revision", facet_revision()));
  FACET_TRY(facet_store_put_text(c, root, "study_name", study->settings.name));
  FACET_TRY(facet_store_put_text(c, root, "study", c->plan->study_text));
  FACET_TRY(facet_study_text(study, &filled));
  facet_status status = facet_store_put_text(c, root, "study_filled", filled);
  facet_free(&filled);
  FACET_TRY(status);
  FACET_TRY(facet_store_put_int(c, root, "seed", study->settings.seed));
  if (c->plan->diverged > 0)
    FACET_TRY(
        facet_store_put_names(c, root, "diverged", c->plan->diverged, (const char *const *)c->plan->diverged_line));
  for (int i = 0; i < count; i++)
    FACET_TRY(facet_store_put_text(c, root, version[i].key, version[i].text));
  FACET_TRY(facet_store_put_double(c, root, "normalize_scale", n->scale));
  FACET_TRY(facet_store_put_numbers(c, root, "normalize_mean", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE,
                                    n->channels ? n->channels : 1, n->channels ? n->mean : &zero));
  return facet_store_put_numbers(c, root, "normalize_std", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE,
                                 n->channels ? n->channels : 1, n->channels ? n->std : &one);
}

facet_status facet_store_put_layout(const facet_store_creation *c, hid_t object, const facet_input_layout *input)
{
  FACET_TRY(facet_store_put_text(c, object, "layout", facet_input_layout_name(input)));
  return facet_store_put_text(c, object, "order", facet_order_name(input->order));
}

static facet_status variant_attributes(const facet_store_creation *c, const facet_store_variant *v)
{
  char *name = facet_format("/variants/%s", v->name);
  hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  hid_t group = name ? H5Gcreate2(c->file, name, links, H5P_DEFAULT, H5P_DEFAULT) : -1;
  H5Pclose(links);
  facet_free(&name);
  H5_CHECK(c->path, v->name, group);
  facet_status status = facet_store_put_text(c, group, "method", v->method);
  if (status == FACET_OK)
    status = facet_store_put_text(c, group, "scope", v->scope);
  if (status == FACET_OK)
    status = facet_store_put_int(c, group, "seed", v->seed);
  if (status == FACET_OK)
    status = facet_store_put_text(c, group, "replicate", v->replicate);
  if (status == FACET_OK && v->warnings > 0)
    status = facet_store_put_names(c, group, "warnings", v->warnings, (const char *const *)v->warning);
  if (status == FACET_OK)
    status = facet_store_put_double(c, group, "sparsity", v->sparsity);
  if (status == FACET_OK)
    status = facet_store_put_double(c, group, "achieved", v->achieved);
  if (status == FACET_OK)
    status = facet_store_put_text(c, group, "onnx", v->onnx);
  if (status == FACET_OK)
    status = facet_store_put_text(c, group, "sha256", v->sha256);
  if (status == FACET_OK)
    status =
        facet_store_put_numbers(c, group, "input_shape", H5T_NATIVE_INT64, H5T_STD_I64LE, v->input.axes, v->input.size);
  if (status == FACET_OK)
    status = facet_store_put_layout(c, group, &v->input);
  if (status == FACET_OK && v->layers > 0)
    status = facet_store_put_names(c, group, "layer", v->layers, v->layer);
  if (status == FACET_OK && v->layers > 0)
    status = facet_store_put_numbers(c, group, "layer_achieved", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, v->layers,
                                     v->layer_achieved);
  if (status == FACET_OK && v->layers > 0)
    status = facet_store_put_numbers(c, group, "layer_size", H5T_NATIVE_INT64, H5T_STD_I64LE, v->layers, v->layer_size);
  H5Gclose(group);
  return status;
}

/* ---- the whole file ---- */

static facet_status create_scales(facet_store_creation *c)
{
  const facet_store_plan *p = c->plan;
  const char **variant;
  FACET_NEW(variant, p->variants);
  for (int i = 0; i < p->variants; i++)
    variant[i] = p->variant[i].name;
  facet_status status = facet_store_make_names(c, "/variant", p->variants, variant, &c->variant);
  facet_free(&variant);
  FACET_TRY(status);
  FACET_TRY(facet_store_make_names(c, "/condition", p->conditions, p->condition, &c->condition));
  FACET_TRY(facet_store_make_names(c, "/class", p->classes, p->class_name, &c->class));
  FACET_TRY(facet_store_make_counting(c, "/sample", p->samples, 1, &c->sample));
  FACET_TRY(facet_store_make_counting(c, "/channel", p->image.channels, 1, &c->channel));
  FACET_TRY(facet_store_make_counting(c, "/y", p->image.height, 1, &c->y));
  FACET_TRY(facet_store_make_counting(c, "/x", p->image.width, 1, &c->x));
  if (p->linear_samples == 0)
    return FACET_OK;
  FACET_TRY(facet_store_make_counting(c, "/linear/sample", p->linear_samples, 1, &c->linear));
  return facet_store_make_counting(c, "/linear/k", p->linear_rows, 1, &c->rank);
}

static facet_status own_scale(const facet_store_creation *c, const char *path, int64_t size, bool make, hid_t *scale)
{
  if (make)
    return facet_store_make_counting(c, path, size, 1, scale);
  *scale = H5Dopen2(c->file, path, H5P_DEFAULT);
  H5_CHECK(c->path, path, *scale);
  return FACET_OK;
}

facet_status facet_store_row_scales(const facet_store_creation *c, const facet_store_variant *v, bool make,
                                    hid_t *scale)
{
  static const char *const names[] = {[FACET_AXIS_INPUT] = "input", [FACET_AXIS_ONE] = "one"};
  const hid_t image[] = {[FACET_AXIS_CHANNEL] = c->channel, [FACET_AXIS_Y] = c->y, [FACET_AXIS_X] = c->x};
  int times[] = {[FACET_AXIS_INPUT] = 0, [FACET_AXIS_ONE] = 0};
  for (int i = 0; i < v->input.axes; i++) {
    facet_axis axis = v->input.axis[i];
    if (axis < FACET_AXIS_INPUT) {
      scale[i] = image[axis];
      continue;
    }
    int turn = ++times[axis];
    char *path = turn == 1 ? facet_format("/linear/%s/%s", v->name, names[axis])
                           : facet_format("/linear/%s/%s_%d", v->name, names[axis], turn);
    facet_status status = path ? own_scale(c, path, v->input.size[i], make, &scale[i]) : FACET_OS;
    facet_free(&path);
    FACET_TRY(status);
  }
  return FACET_OK;
}

void facet_store_close_row_scales(const facet_store_variant *v, const hid_t *scale)
{
  for (int i = 0; i < v->input.axes; i++)
    if (v->input.axis[i] >= FACET_AXIS_INPUT && scale[i] > 0)
      H5Dclose(scale[i]);
}

static facet_status put_layout_on_group(const facet_store_creation *c, const facet_store_variant *v)
{
  char *path = facet_format("/linear/%s", v->name);
  hid_t group = path ? H5Gopen2(c->file, path, H5P_DEFAULT) : -1;
  facet_free(&path);
  H5_CHECK(c->path, v->name, group);
  facet_status status = facet_store_put_layout(c, group, &v->input);
  H5Gclose(group);
  return status;
}

static facet_status create_w(const facet_store_creation *c, const facet_store_variant *v, const char *path)
{
  hid_t scale[2 + FACET_MAX_AXES] = {c->linear, c->rank}, w = -1;
  facet_status status = facet_store_row_scales(c, v, true, scale + 2);
  if (status == FACET_OK)
    status = facet_store_make_open(c, path, c->real, 2 + v->input.axes, scale, &w);
  if (status == FACET_OK)
    status = facet_store_put_layout(c, w, &v->input);
  if (status == FACET_OK)
    status = put_layout_on_group(c, v);
  facet_store_close_row_scales(v, scale + 2);
  if (w >= 0)
    H5Dclose(w);
  return status;
}

static facet_status create_linear(const facet_store_creation *c, const facet_store_variant *v)
{
  static const char *const names[] = {"W", "row", "b", "b_node", "residual", "ties"};
  hid_t node = -1;
  char *path[7] = {NULL};
  facet_status status = FACET_OK;
  for (int i = 0; i < 7; i++)
    if (!(path[i] = facet_format("/linear/%s/%s", v->name, i < 6 ? names[i] : "node")))
      status = FACET_OS;
  if (status == FACET_OK)
    status = facet_store_make_names(c, path[6], v->constant_nodes, v->constant_node, &node);
  const hid_t nk[] = {c->linear, c->rank}, b_node[] = {c->linear, c->rank, node};
  if (status == FACET_OK)
    status = create_w(c, v, path[0]);
  if (status == FACET_OK)
    status = facet_store_make(c, path[1], H5T_STD_I32LE, 2, nk);
  if (status == FACET_OK)
    status = facet_store_make(c, path[2], c->real, 2, nk);
  if (status == FACET_OK)
    status = facet_store_make(c, path[3], c->real, 3, b_node);
  if (status == FACET_OK)
    status = facet_store_make(c, path[4], c->real, 1, nk);
  if (status == FACET_OK)
    status = facet_store_make(c, path[5], H5T_STD_I32LE, 1, nk);
  if (node >= 0)
    H5Dclose(node);
  for (int i = 0; i < 7; i++)
    facet_free(&path[i]);
  return status;
}

/* ---- costs ---- */

static const struct {
  const char *name;
  bool real;
  size_t at; /* in facet_variant_cost */
} costs[] = {{"epochs", true, offsetof(facet_variant_cost, epochs)},
             {"epochs_before", true, offsetof(facet_variant_cost, epochs_before)},
             {"samples", false, offsetof(facet_variant_cost, samples)},
             {"parameters", false, offsetof(facet_variant_cost, parameters)},
             {"flops", false, offsetof(facet_variant_cost, flops)},
             {"flops_sparse", false, offsetof(facet_variant_cost, flops_sparse)},
             {"bytes", false, offsetof(facet_variant_cost, bytes)},
             {"bytes_sparse", false, offsetof(facet_variant_cost, bytes_sparse)},
             {"train_seconds", true, offsetof(facet_variant_cost, train_seconds)},
             {"forward_seconds", true, offsetof(facet_variant_cost, forward_seconds)}};

/* An array over the variants, of one member of their costs. Every number has 8 bytes. */
static facet_status create_cost(const facet_store_creation *c, const char *name, bool real, size_t at)
{
  const facet_store_plan *p = c->plan;
  hid_t memory = real ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64, set;
  uint64_t *number;
  char path[40];
  (void)snprintf(path, sizeof path, "/cost/%s", name);
  FACET_TRY(facet_store_make_open(c, path, real ? H5T_IEEE_F64LE : H5T_STD_I64LE, 1, &c->variant, &set));
  FACET_NEW(number, p->variants);
  for (int v = 0; v < p->variants; v++)
    memcpy(&number[v], (const char *)&p->variant[v].cost + at, sizeof *number);
  herr_t written = H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, number);
  facet_free(&number);
  H5Dclose(set);
  H5_CHECK(c->path, path, written);
  return FACET_OK;
}

/* ---- replicates ---- */

int facet_store_replicates(const facet_store_plan *plan, int *replicate)
{
  int count = 0;
  for (int v = 0; v < plan->variants; v++) {
    int same = 0;
    while (same < v && strcmp(plan->variant[same].replicate, plan->variant[v].replicate) != 0)
      same++;
    replicate[v] = same < v ? replicate[same] : count++;
  }
  return count;
}

/* The scale of replicates, how many each has, and what their summaries will be. */
static facet_status create_spreads(const facet_store_creation *c, const int *replicate, int count, const char **name,
                                   int64_t *size)
{
  const facet_store_plan *p = c->plan;
  hid_t scale[2] = {-1, c->condition}, set;
  char path[60];
  for (int v = 0; v < p->variants; v++) {
    name[replicate[v]] = p->variant[v].replicate;
    size[replicate[v]]++;
  }
  facet_status status = facet_store_make_names(c, "/replicate", count, name, &scale[0]);
  if (status == FACET_OK)
    status = facet_store_make_open(c, "/replicates/size", H5T_STD_I64LE, 1, scale, &set);
  if (status == FACET_OK) {
    herr_t written = H5Dwrite(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, size);
    H5Dclose(set);
    status = written < 0 ? facet_store_raise(c->path, "/replicates/size") : FACET_OK;
  }
  for (int i = 0; i < 10 && status == FACET_OK; i++) {
    (void)snprintf(path, sizeof path, "/replicates/%s_%s", facet_store_summaries[i / 2], facet_store_spreads[i % 2]);
    status = facet_store_make(c, path, H5T_IEEE_F64LE, 2, scale);
  }
  if (scale[0] >= 0)
    H5Dclose(scale[0]);
  return status;
}

static facet_status create_replicates(const facet_store_creation *c)
{
  int variants = c->plan->variants, *replicate = NULL;
  const char **name = NULL;
  int64_t *size = NULL;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, replicate, variants);
  FACET_NEW_GO(done, status, name, variants);
  FACET_NEW_GO(done, status, size, variants);
  status = create_spreads(c, replicate, facet_store_replicates(c->plan, replicate), name, size);
done:
  facet_free(&replicate);
  facet_free(&name);
  facet_free(&size);
  return status;
}

static facet_status create_tiles(const facet_store_creation *c)
{
  const facet_store_plan *p = c->plan;
  hid_t block;
  FACET_TRY(facet_store_make_counting(c, "/progress/block", (p->samples + p->block - 1) / p->block, p->block, &block));
  const hid_t vcb[] = {c->variant, c->condition, block};
  facet_status status = facet_store_make(c, "/progress/tile", H5T_STD_U8LE, 3, vcb);
  if (status == FACET_OK && p->embed_axes > 0)
    status = facet_store_make(c, "/progress/embed", H5T_STD_U8LE, 3, vcb);
  H5Dclose(block);
  return status;
}

static facet_status create_all(facet_store_creation *c)
{
  const facet_store_plan *p = c->plan;
  hid_t label;
  FACET_TRY(root_attributes(c));
  FACET_TRY(create_scales(c));
  const hid_t n[] = {c->sample, c->channel, c->y, c->x};
  const hid_t vcn[] = {c->variant, c->condition, c->sample, c->class};
  FACET_TRY(facet_store_make_open(c, "/label", H5T_STD_I32LE, 1, n, &label));
  herr_t written = H5Dwrite(label, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, p->label);
  H5Dclose(label);
  H5_CHECK(c->path, "/label", written);
  FACET_TRY(facet_store_make(c, "/image", c->real, 4, n));
  FACET_TRY(facet_store_make(c, "/prediction/logits", c->real, 4, vcn));
  FACET_TRY(facet_store_make(c, "/prediction/class", H5T_STD_I32LE, 3, vcn));
  FACET_TRY(facet_store_make(c, "/prediction/loss", H5T_IEEE_F64LE, 3, vcn));
  FACET_TRY(facet_store_make(c, "/geometry/angle", H5T_IEEE_F64LE, 3, vcn));
  FACET_TRY(facet_store_make(c, "/geometry/length", H5T_IEEE_F64LE, 3, vcn));
  FACET_TRY(facet_store_make(c, "/geometry/margin", H5T_IEEE_F64LE, 3, vcn));
  FACET_TRY(facet_store_make(c, "/geometry/cosine", H5T_IEEE_F64LE, 4, vcn));
  for (int i = 0; i < 6; i++) {
    char name[40];
    snprintf(name, sizeof name, "/summary/%s", facet_store_summaries[i]);
    FACET_TRY(facet_store_make(c, name, H5T_IEEE_F64LE, i < 5 ? 2 : 1, vcn));
  }
  for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++)
    FACET_TRY(create_cost(c, costs[i].name, costs[i].real, costs[i].at));
  FACET_TRY(create_replicates(c));
  for (int v = 0; v < p->variants; v++) {
    FACET_TRY(variant_attributes(c, &p->variant[v]));
    if (p->variant[v].linearize)
      FACET_TRY(create_linear(c, &p->variant[v]));
  }
  FACET_TRY(facet_store_make_comparisons(c));
  FACET_TRY(facet_store_make_changes(c));
  FACET_TRY(facet_store_make_aggregates(c));
  FACET_TRY(facet_store_make_embed(c));
  return create_tiles(c);
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

static void close_scales(facet_store_creation *c)
{
  hid_t *scale[] = {&c->variant, &c->condition, &c->sample, &c->class, &c->channel, &c->y, &c->x, &c->linear, &c->rank};
  for (size_t i = 0; i < sizeof scale / sizeof scale[0]; i++)
    if (*scale[i] > 0)
      H5Dclose(*scale[i]);
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

static facet_status create_file(const char *path, const char *temporary, const facet_store_plan *plan)
{
  facet_store_creation c = {.path = path,
                            .plan = plan,
                            .real = plan->study->settings.precision == FACET_F64 ? H5T_IEEE_F64LE : H5T_IEEE_F32LE};
  FACET_CHECK(!facet_exists(path), FACET_CANNOT_CREATE, "%s: is there already, and is not overwritten", path);
  unlink(temporary); /* of a run that was killed here */
  FACET_TRY(check_space(path, (double)facet_store_bytes(plan), false));
  FACET_TRY(open_new(path, temporary, &c.file));
  facet_status status = create_all(&c);
  close_scales(&c);
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

facet_status facet_store_create(MPI_Comm comm, const char *path, const facet_store_plan *plan)
{
  facet_status status = FACET_OK;
  facet_store_listen();
  if (facet_rank(comm) == 0) {
    char *temporary = facet_format("%s.new", path);
    status = temporary ? create_file(path, temporary, plan) : FACET_OS;
    facet_free(&temporary);
  }
  return facet_agree(comm, status);
}

bool facet_store_name_taken(const char *name)
{
  static const char *const taken[] = {"sample",         "k",       "component", "item", "cka", "principal_angles",
                                      "effective_rank", "residual"};
  for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
    if (strcmp(name, taken[i]) == 0)
      return true;
  return false;
}
