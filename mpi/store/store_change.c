/* Changes of margin in the store: /change/sample, and for each variant the changes from dense (/change/VARIANT/...) and
 * from clean to corrupted samples (/change/VARIANT/CONDITION/...). */
#include "store_file.h"

/* The arrays of one comparison. */
static const char *const names[] = {"pixel", "moved", "node", "gates", "total", "residual", "rival_before", "rival"};
enum { PIXEL, MOVED, NODE, GATES, TOTAL, RESIDUAL, RIVAL_BEFORE, RIVAL, NAMES };

static int comparisons(const facet_store_plan *p)
{
  return 1 + p->change_conditions;
}

/* Whether variant v has comparison k: 0 is the one with dense, which dense itself has not. */
static bool compared(const facet_store_plan *p, int v, int k)
{
  return p->change_samples > 0 && p->variant[v].change && (k > 0 || v > 0);
}

/* "/change/VARIANT", or with a condition behind it. Caller frees. */
static char *folder_of(const facet_store_plan *p, int v, int k)
{
  return k == 0 ? facet_format("/change/%s", p->variant[v].name)
                : facet_format("/change/%s/%s", p->variant[v].name, p->condition[p->change_condition[k - 1]]);
}

/* ---- creating ---- */

double facet_store_change_bytes(const facet_store_plan *p)
{
  const double bytes_of_array = 700, bytes_of_name = 120; /* of HDF5 itself */
  double d = (double)facet_image_inputs(p->image), bytes = 0;
  double real = (double)facet_type_size(p->study->settings.precision);
  for (int v = 0; v < p->variants; v++) {
    const facet_store_variant *variant = &p->variant[v];
    for (int k = 0; k < comparisons(p); k++)
      if (compared(p, v, k))
        bytes += NAMES * bytes_of_array + (variant->change_nodes + variant->gates) * bytes_of_name +
                 (double)p->change_samples *
                     (real * (d * (k > 0 ? 2 : 1) + variant->change_nodes) + 4 * variant->gates + 24);
  }
  return bytes;
}

/* The scales along a variant's nodes and gates. */
typedef struct {
  hid_t sample, node, gate;
} scales;

static facet_status make_comparison(const facet_store_creation *c, const char *folder, bool conditions, const scales *s)
{
  const hid_t pixel[] = {s->sample, c->channel, c->y, c->x}, node[] = {s->sample, s->node},
              gates[] = {s->sample, s->gate};
  const struct {
    hid_t type;
    int rank;
    const hid_t *scale;
  } arrays[NAMES] = {{c->real, 4, pixel},       {c->real, 4, pixel},        {c->real, 2, node},
                     {H5T_STD_I32LE, 2, gates}, {H5T_IEEE_F64LE, 1, pixel}, {H5T_IEEE_F64LE, 1, pixel},
                     {H5T_STD_I32LE, 1, pixel}, {H5T_STD_I32LE, 1, pixel}};
  for (int i = 0; i < NAMES; i++) {
    char *name = facet_format("%s/%s", folder, names[i]);
    facet_status status = name ? FACET_OK : FACET_OS;
    if (status == FACET_OK && (i != MOVED || conditions))
      status = facet_store_make(c, name, arrays[i].type, arrays[i].rank, arrays[i].scale);
    facet_free(&name);
    FACET_TRY(status);
  }
  return FACET_OK;
}

static facet_status make_names(const facet_store_creation *c, int v, const char *name, int count,
                               const char *const *text, hid_t *scale)
{
  char *path = facet_format("/change/%s/%s", c->plan->variant[v].name, name);
  facet_status status = path ? facet_store_make_names(c, path, count, text, scale) : FACET_OS;
  facet_free(&path);
  return status;
}

static facet_status make_variant(const facet_store_creation *c, int v, hid_t sample)
{
  const facet_store_variant *variant = &c->plan->variant[v];
  scales s = {sample, -1, -1};
  facet_status status = make_names(c, v, "node_name", variant->change_nodes, variant->change_node, &s.node);
  if (status == FACET_OK)
    status = make_names(c, v, "gate_name", variant->gates, variant->gate, &s.gate);
  for (int k = 0; k < comparisons(c->plan) && status == FACET_OK; k++) {
    if (!compared(c->plan, v, k))
      continue;
    char *folder = folder_of(c->plan, v, k);
    status = folder ? make_comparison(c, folder, k > 0, &s) : FACET_OS;
    facet_free(&folder);
  }
  if (s.node >= 0)
    H5Dclose(s.node);
  if (s.gate >= 0)
    H5Dclose(s.gate);
  return status;
}

facet_status facet_store_make_changes(const facet_store_creation *c)
{
  hid_t sample = -1;
  if (c->plan->change_samples == 0)
    return FACET_OK;
  FACET_TRY(facet_store_make_counting(c, "/change/sample", c->plan->change_samples, 1, &sample));
  facet_status status = FACET_OK;
  for (int v = 0; v < c->plan->variants && status == FACET_OK; v++)
    if (c->plan->variant[v].change && (v > 0 || c->plan->change_conditions > 0))
      status = make_variant(c, v, sample);
  H5Dclose(sample);
  return status;
}

/* ---- opening ---- */

static facet_store_change_sets *sets_of(const facet_store *s, int v, int k)
{
  return &s->change[v * comparisons(s->plan) + k];
}

/* The places of one comparison's datasets, in order of their names. */
static void list_places(facet_store_change_sets *sets, hid_t *place[NAMES])
{
  hid_t *all[NAMES] = {&sets->pixel, &sets->moved,    &sets->node,         &sets->gates,
                       &sets->total, &sets->residual, &sets->rival_before, &sets->rival};
  for (int i = 0; i < NAMES; i++)
    place[i] = all[i];
}

static facet_status open_comparison(facet_store *s, int v, int k)
{
  const facet_store_plan *p = s->plan;
  const size_t real = facet_type_size(p->study->settings.precision);
  const int64_t n = p->change_samples, pixel[] = {n, p->image.channels, p->image.height, p->image.width},
                node[] = {n, p->variant[v].change_nodes}, gates[] = {n, p->variant[v].gates};
  const struct {
    int rank;
    const int64_t *dim;
    size_t size;
  } shape[NAMES] = {{4, pixel, real}, {4, pixel, real}, {2, node, real}, {2, gates, 4},
                    {1, pixel, 8},    {1, pixel, 8},    {1, pixel, 4},   {1, pixel, 4}};
  hid_t *place[NAMES];
  list_places(sets_of(s, v, k), place);
  char *folder = folder_of(p, v, k);
  facet_status status = folder ? FACET_OK : FACET_OS;
  for (int i = 0; i < NAMES && status == FACET_OK; i++) {
    if (i == MOVED && k == 0)
      continue;
    char *name = facet_format("%s/%s", folder, names[i]);
    status = name ? facet_store_open_set(s, name, shape[i].rank, shape[i].dim, shape[i].size, place[i]) : FACET_OS;
    facet_free(&name);
  }
  facet_free(&folder);
  return status;
}

facet_status facet_store_open_changes(facet_store *s)
{
  const facet_store_plan *p = s->plan;
  int count = p->variants * comparisons(p);
  if (p->change_samples == 0)
    return FACET_OK;
  FACET_NEW(s->change, count);
  for (int i = 0; i < count; i++)
    s->change[i] = (facet_store_change_sets){-1, -1, -1, -1, -1, -1, -1, -1};
  FACET_TRY(facet_store_open_set(s, "/change/sample", 1, &p->change_samples, sizeof(int64_t), &s->change_sample));
  for (int v = 0; v < p->variants; v++)
    for (int k = 0; k < comparisons(p); k++)
      if (compared(p, v, k))
        FACET_TRY(open_comparison(s, v, k));
  return FACET_OK;
}

void facet_store_close_changes(facet_store *s)
{
  for (int i = 0; s->change && i < s->plan->variants * comparisons(s->plan); i++) {
    hid_t *place[NAMES];
    list_places(&s->change[i], place);
    for (int j = 0; j < NAMES; j++)
      if (*place[j] >= 0)
        H5Dclose(*place[j]);
  }
  if (s->change_sample >= 0)
    H5Dclose(s->change_sample);
  facet_free(&s->change);
}

/* ---- writing ---- */

facet_status facet_store_change_samples(facet_store *s, const int64_t *sample)
{
  const int64_t start = 0;
  return facet_store_write_part(s, s->change_sample, H5T_NATIVE_INT64, 1, &start, &s->plan->change_samples, sample);
}

facet_status facet_store_changes(facet_store *s, int variant, int condition, int64_t first, int64_t count,
                                 const facet_store_change *change)
{
  const facet_store_plan *p = s->plan;
  const facet_store_change_sets *sets = sets_of(s, variant, condition + 1);
  const int64_t start[] = {first, 0, 0, 0}, pixel[] = {count, p->image.channels, p->image.height, p->image.width};
  const int64_t node[] = {count, p->variant[variant].change_nodes}, gates[] = {count, p->variant[variant].gates};
  const struct {
    hid_t set, memory;
    int rank;
    const int64_t *size;
    const void *data;
  } parts[] = {{sets->pixel, H5T_NATIVE_DOUBLE, 4, pixel, change->pixel},
               {sets->moved, H5T_NATIVE_DOUBLE, 4, pixel, change->moved},
               {sets->node, H5T_NATIVE_DOUBLE, 2, node, change->node},
               {sets->gates, H5T_NATIVE_INT32, 2, gates, change->gates},
               {sets->total, H5T_NATIVE_DOUBLE, 1, pixel, change->total},
               {sets->residual, H5T_NATIVE_DOUBLE, 1, pixel, change->residual},
               {sets->rival_before, H5T_NATIVE_INT32, 1, pixel, change->rival_before},
               {sets->rival, H5T_NATIVE_INT32, 1, pixel, change->rival}};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    if (parts[i].data)
      FACET_TRY(
          facet_store_write_part(s, parts[i].set, parts[i].memory, parts[i].rank, start, parts[i].size, parts[i].data));
  return FACET_OK;
}
