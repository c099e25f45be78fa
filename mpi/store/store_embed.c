/* The embedding in the store: /embed/position, the log of its training, where the training samples came to lie, what
 * was measured of it, and each variant's explained positions, /embed/VARIANT/... */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "store_file.h"

static const char *const names[] = {"W", "b", "b_node", "residual", "ties"};
enum { W, B, B_NODE, RESIDUAL, TIES, NAMES };

/* ---- creating ---- */

double facet_store_embed_bytes(const facet_store_plan *p)
{
  const double bytes_of_root = 30000, bytes_of_variant = 6000, bytes_of_name = 120; /* of HDF5 itself */
  double d = (double)facet_image_inputs(p->image), a = p->embed_axes;
  if (p->embed_axes == 0)
    return 0;
  double bytes = bytes_of_root + 40 * p->study->embed.epochs + (double)p->embed_train * (8 + 4 + 8 * a + 8);
  bytes +=
      (double)p->variants * p->conditions * ((double)p->samples * 8 * a + (double)p->samples / (double)p->block + 1);
  for (int v = 0; v < p->variants; v++)
    if (p->variant[v].embed_nodes > 0)
      bytes += bytes_of_variant + p->variant[v].embed_nodes * bytes_of_name +
               (double)p->embed_samples * (8 * a * (d + 1 + p->variant[v].embed_nodes) + 4 + 8);
  return bytes;
}

/* "/embed/VARIANT/NAME". Caller frees. */
static char *path_of(const facet_store_plan *p, int v, const char *name)
{
  return facet_format("/embed/%s/%s", p->variant[v].name, name);
}

static facet_status make_variant(const facet_store_creation *c, int v, hid_t sample, hid_t axis)
{
  const facet_store_variant *variant = &c->plan->variant[v];
  hid_t node = -1;
  char *path = path_of(c->plan, v, "node");
  facet_status status =
      path ? facet_store_make_names(c, path, variant->embed_nodes, (const char *const *)variant->embed_node, &node)
           : FACET_OS;
  facet_free(&path);
  const hid_t w[] = {sample, axis, c->channel, c->y, c->x}, b_node[] = {sample, axis, node};
  const struct {
    hid_t type;
    int rank;
    const hid_t *scale;
  } arrays[NAMES] = {{H5T_IEEE_F64LE, 5, w},
                     {H5T_IEEE_F64LE, 2, w},
                     {H5T_IEEE_F64LE, 3, b_node},
                     {H5T_IEEE_F64LE, 1, w},
                     {H5T_STD_I32LE, 1, w}};
  for (int i = 0; i < NAMES && status == FACET_OK; i++) {
    path = path_of(c->plan, v, names[i]);
    status = path ? facet_store_make(c, path, arrays[i].type, arrays[i].rank, arrays[i].scale) : FACET_OS;
    facet_free(&path);
  }
  if (node >= 0)
    H5Dclose(node);
  return status;
}

typedef struct {
  hid_t axis, epoch, train, merit, sample;
} scales;

static facet_status make_scales(const facet_store_creation *c, scales *s)
{
  static const char *const axes[] = {"x", "y", "z"};
  static const char *const merits[] = {"nearest_error", "trustworthiness", "continuity"};
  const facet_store_plan *p = c->plan;
  FACET_TRY(facet_store_make_names(c, "/embed/axis", p->embed_axes, axes, &s->axis));
  FACET_TRY(facet_store_make_counting(c, "/embed/epoch", p->study->embed.epochs, 1, &s->epoch));
  FACET_TRY(facet_store_make_counting(c, "/embed/train/place", p->embed_train, 1, &s->train));
  FACET_TRY(facet_store_make_names(c, "/embed/merit", 3, merits, &s->merit));
  return facet_store_make_counting(c, "/embed/sample", p->embed_samples, 1, &s->sample);
}

static facet_status make_arrays(const facet_store_creation *c, const scales *s)
{
  const facet_store_plan *p = c->plan;
  const hid_t position[] = {c->variant, c->condition, c->sample, s->axis}, train[] = {s->train, s->axis},
              quality[] = {c->variant, s->merit};
  const struct {
    const char *name;
    hid_t type;
    int rank;
    const hid_t *scale;
  } arrays[] = {{"/embed/position", H5T_IEEE_F64LE, 4, position},   {"/embed/loss", H5T_IEEE_F64LE, 1, &s->epoch},
                {"/embed/gradient", H5T_IEEE_F64LE, 1, &s->epoch},  {"/embed/rate", H5T_IEEE_F64LE, 1, &s->epoch},
                {"/embed/alpha", H5T_IEEE_F64LE, 1, &s->epoch},     {"/embed/quality", H5T_IEEE_F64LE, 2, quality},
                {"/embed/train/sample", H5T_STD_I64LE, 1, train},   {"/embed/train/label", H5T_STD_I32LE, 1, train},
                {"/embed/train/position", H5T_IEEE_F64LE, 2, train}};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
    FACET_TRY(facet_store_make(c, arrays[i].name, arrays[i].type, arrays[i].rank, arrays[i].scale));
  for (int v = 0; v < p->variants; v++)
    if (p->variant[v].embed_nodes > 0)
      FACET_TRY(make_variant(c, v, s->sample, s->axis));
  return FACET_OK;
}

facet_status facet_store_make_embed(const facet_store_creation *c)
{
  scales s = {-1, -1, -1, -1, -1};
  if (c->plan->embed_axes == 0)
    return FACET_OK;
  facet_status status = make_scales(c, &s);
  if (status == FACET_OK)
    status = make_arrays(c, &s);
  const hid_t open[] = {s.axis, s.epoch, s.train, s.merit, s.sample};
  for (int i = 0; i < 5; i++)
    if (open[i] >= 0)
      H5Dclose(open[i]);
  return status;
}

/* ---- opening ---- */

static void list_places(facet_store_embed_sets *sets, hid_t *place[NAMES])
{
  hid_t *all[NAMES] = {&sets->w, &sets->b, &sets->b_node, &sets->residual, &sets->ties};
  memcpy(place, all, sizeof all);
}

static facet_status open_variant(facet_store *s, int v)
{
  const facet_store_plan *p = s->plan;
  const int64_t w[] = {p->embed_samples, p->embed_axes, p->image.channels, p->image.height, p->image.width},
                b_node[] = {p->embed_samples, p->embed_axes, p->variant[v].embed_nodes};
  const struct {
    int rank;
    const int64_t *dim;
    size_t size;
  } sets[NAMES] = {{5, w, 8}, {2, w, 8}, {3, b_node, 8}, {1, w, 8}, {1, w, 4}};
  hid_t *place[NAMES];
  list_places(&s->embed.variant[v], place);
  for (int i = 0; i < NAMES; i++) {
    char *path = path_of(p, v, names[i]);
    facet_status status =
        path ? facet_store_open_set(s, path, sets[i].rank, sets[i].dim, sets[i].size, place[i]) : FACET_OS;
    facet_free(&path);
    FACET_TRY(status);
  }
  return FACET_OK;
}

facet_status facet_store_open_embed(facet_store *s)
{
  const facet_store_plan *p = s->plan;
  if (p->embed_axes == 0)
    return FACET_OK;
  const int64_t position[] = {p->variants, p->conditions, p->samples, p->embed_axes},
                epochs[] = {p->study->embed.epochs}, quality[] = {p->variants, 3},
                train[] = {p->embed_train, p->embed_axes}, tile[] = {p->variants, p->conditions, s->blocks};
  const struct {
    const char *name;
    hid_t *set;
    const int64_t *dim;
    int rank;
    size_t size;
  } sets[] = {
      {"/embed/position", &s->embed.position, position, 4, 8}, {"/embed/loss", &s->embed.loss, epochs, 1, 8},
      {"/embed/gradient", &s->embed.gradient, epochs, 1, 8},   {"/embed/rate", &s->embed.rate, epochs, 1, 8},
      {"/embed/alpha", &s->embed.alpha, epochs, 1, 8},         {"/embed/quality", &s->embed.quality, quality, 2, 8},
      {"/embed/train/sample", &s->embed.sample, train, 1, 8},  {"/embed/train/label", &s->embed.label, train, 1, 4},
      {"/embed/train/position", &s->embed.train, train, 2, 8}, {"/progress/embed", &s->embed.tile, tile, 3, 1}};
  for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
    FACET_TRY(facet_store_open_set(s, sets[i].name, sets[i].rank, sets[i].dim, sets[i].size, sets[i].set));
  FACET_NEW(s->embed.variant, p->variants);
  for (int v = 0; v < p->variants; v++)
    s->embed.variant[v] = (facet_store_embed_sets){-1, -1, -1, -1, -1};
  for (int v = 0; v < p->variants; v++)
    if (p->variant[v].embed_nodes > 0)
      FACET_TRY(open_variant(s, v));
  return FACET_OK;
}

void facet_store_close_embed(facet_store *s)
{
  hid_t *sets[] = {&s->embed.position, &s->embed.loss, &s->embed.gradient, &s->embed.rate,  &s->embed.alpha,
                   &s->embed.quality,  &s->embed.tile, &s->embed.sample,   &s->embed.label, &s->embed.train};
  for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
    if (*sets[i] >= 0)
      H5Dclose(*sets[i]);
  for (int v = 0; s->embed.variant && v < s->plan->variants; v++) {
    hid_t *place[NAMES];
    list_places(&s->embed.variant[v], place);
    for (int i = 0; i < NAMES; i++)
      if (*place[i] >= 0)
        H5Dclose(*place[i]);
  }
  facet_free(&s->embed.variant);
}

/* ---- writing and reading ---- */

facet_status facet_store_embed_epoch(facet_store *s, int epoch, const double log[4])
{
  const hid_t sets[4] = {s->embed.loss, s->embed.gradient, s->embed.rate, s->embed.alpha};
  for (int i = 0; i < 4; i++)
    FACET_TRY(facet_store_write_part(s, sets[i], H5T_NATIVE_DOUBLE, 1, (int64_t[]){epoch}, (int64_t[]){1}, &log[i]));
  return FACET_OK;
}

facet_status facet_store_embed_train(facet_store *s, int64_t first, int64_t count, const int64_t *sample,
                                     const int32_t *label, const double *position)
{
  const int64_t start[] = {first, 0}, size[] = {count, s->plan->embed_axes};
  FACET_TRY(facet_store_write_part(s, s->embed.sample, H5T_NATIVE_INT64, 1, start, size, sample));
  FACET_TRY(facet_store_write_part(s, s->embed.label, H5T_NATIVE_INT32, 1, start, size, label));
  return facet_store_write_part(s, s->embed.train, H5T_NATIVE_DOUBLE, 2, start, size, position);
}

facet_status facet_store_embed_positions(facet_store *s, int variant, int condition, int64_t first, int64_t count,
                                         const double *position)
{
  return facet_store_write_part(s, s->embed.position, H5T_NATIVE_DOUBLE, 4, (int64_t[]){variant, condition, first, 0},
                                (int64_t[]){1, 1, count, s->plan->embed_axes}, position);
}

facet_status facet_store_embed_linear(facet_store *s, int variant, int64_t first, int64_t count,
                                      const facet_linearization *linear)
{
  const facet_store_plan *p = s->plan;
  const facet_store_embed_sets *e = &s->embed.variant[variant];
  const int64_t start[5] = {first}, w[] = {count, p->embed_axes, p->image.channels, p->image.height, p->image.width},
                nodes[] = {count, p->embed_axes, p->variant[variant].embed_nodes};
  FACET_TRY(facet_store_write_part(s, e->w, H5T_NATIVE_DOUBLE, 5, start, w, linear->w));
  FACET_TRY(facet_store_write_part(s, e->b, H5T_NATIVE_DOUBLE, 2, start, w, linear->b));
  FACET_TRY(facet_store_write_part(s, e->b_node, H5T_NATIVE_DOUBLE, 3, start, nodes, linear->b_node));
  FACET_TRY(facet_store_write_part(s, e->residual, H5T_NATIVE_DOUBLE, 1, start, w, linear->residual));
  return facet_store_write_part(s, e->ties, H5T_NATIVE_INT32, 1, start, w, linear->ties);
}

facet_status facet_store_embed_quality(facet_store *s, int variant, const double quality[3])
{
  return facet_store_write_part(s, s->embed.quality, H5T_NATIVE_DOUBLE, 2, (int64_t[]){variant, 0}, (int64_t[]){1, 3},
                                quality);
}

facet_status facet_store_embed_read_quality(facet_store *s, int variant, double quality[3])
{
  return facet_store_read_part(s, s->embed.quality, H5T_NATIVE_DOUBLE, 2, (int64_t[]){variant, 0}, (int64_t[]){1, 3},
                               quality);
}

facet_status facet_store_embed_mark(facet_store *s, int variant, int condition, int64_t block)
{
  const uint8_t one = 1;
  FACET_CHECK(fdatasync(s->raw) == 0, FACET_IO, "%s: %s", s->path, strerror(errno)); /* a mark comes after its data */
  return facet_store_write_part(s, s->embed.tile, H5T_NATIVE_UINT8, 3, (int64_t[]){variant, condition, block},
                                (int64_t[]){1, 1, 1}, &one);
}

facet_status facet_store_embed_marks(facet_store *s, uint8_t *done)
{
  return facet_store_read_part(s, s->embed.tile, H5T_NATIVE_UINT8, 3, (int64_t[]){0, 0, 0},
                               (int64_t[]){s->plan->variants, s->plan->conditions, s->blocks}, done);
}

facet_status facet_store_embed_read(facet_store *s, int variant, int condition, double *position)
{
  return facet_store_read_part(s, s->embed.position, H5T_NATIVE_DOUBLE, 4, (int64_t[]){variant, condition, 0, 0},
                               (int64_t[]){1, 1, s->plan->samples, s->plan->embed_axes}, position);
}

facet_status facet_store_embed_read_train(facet_store *s, int32_t *label, double *position)
{
  const int64_t start[] = {0, 0}, size[] = {s->plan->embed_train, s->plan->embed_axes};
  FACET_TRY(facet_store_read_part(s, s->embed.label, H5T_NATIVE_INT32, 1, start, size, label));
  return facet_store_read_part(s, s->embed.train, H5T_NATIVE_DOUBLE, 2, start, size, position);
}
