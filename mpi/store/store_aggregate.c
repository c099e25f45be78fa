/* What is computed over all samples together, in the store: /aggregate/VARIANT/... of each linearized variant, the
 * angles between variants, and the similarity of features. */
#include <string.h>

#include "stages/compare.h"

/* The arrays of one variant's spectrum; and those of all together. */
static const char *const names[] = {"singular_values", "share", "directions"};
enum { VALUES, SHARE, DIRECTIONS, NAMES };
static const char *const common[] = {"/aggregate/effective_rank", "/aggregate/residual", "/aggregate/principal_angles",
                                     "/aggregate/cka"};
enum { RANK, RESIDUAL, ANGLES, CKA, COMMON };

bool facet_store_has_spectrum(const facet_store_plan *p, int variant)
{
  return p->components > 0 && p->variant[variant].linearize;
}

int64_t facet_store_cka_items(const facet_store_plan *p)
{
  return p->study->aggregate.cka ? facet_compare_count(p) : 0;
}

/* Whether an array of all together is there. */
static bool is_there(const facet_store_plan *p, int array)
{
  return array == CKA ? facet_store_cka_items(p) > 0 : p->components > 0;
}

static char *path_of(const facet_store_plan *p, int v, const char *name)
{
  return facet_format("/aggregate/%s/%s", p->variant[v].name, name);
}

/* ---- creating ---- */

double facet_store_aggregate_bytes(const facet_store_plan *p)
{
  const double bytes_of_array = 1000, bytes_of_name = 120; /* of HDF5 itself */
  double d = (double)facet_image_inputs(p->image), v = p->variants;
  double items = (double)facet_store_cka_items(p), r = (double)p->components;
  double bytes = 8 * (v * v * r + 2 * v + r + items * items) + COMMON * bytes_of_array + items * bytes_of_name;
  for (int i = 0; i < p->variants; i++)
    if (facet_store_has_spectrum(p, i))
      bytes += 8 * r * (d + 2) + (NAMES + 1) * bytes_of_array;
  return p->study->aggregate.wanted ? bytes : 0;
}

static facet_status put_method(const facet_store_creation *c, const facet_store_variant *v)
{
  char *path = facet_format("/aggregate/%s", v->name);
  hid_t group = path ? H5Gopen2(c->file, path, H5P_DEFAULT) : -1;
  facet_free(&path);
  H5_CHECK(c->path, v->name, group);
  facet_status status = facet_store_put_text(c, group, "method", facet_spectrum_name(c->plan->spectrum_method));
  H5Gclose(group);
  return status;
}

static facet_status make_directions(const facet_store_creation *c, int v, const char *path, hid_t component)
{
  const facet_store_variant *variant = &c->plan->variant[v];
  hid_t scale[1 + FACET_MAX_AXES] = {component}, set = -1;
  facet_status status = facet_store_row_scales(c, variant, false, scale + 1);
  if (status == FACET_OK)
    status = facet_store_make_open(c, path, H5T_IEEE_F64LE, 1 + variant->input.axes, scale, &set);
  if (status == FACET_OK)
    status = facet_store_put_layout(c, set, &variant->input);
  facet_store_close_row_scales(variant, scale + 1);
  if (set >= 0)
    H5Dclose(set);
  return status;
}

static facet_status make_spectrum(const facet_store_creation *c, int v, hid_t component)
{
  for (int i = 0; i < NAMES; i++) {
    char *path = path_of(c->plan, v, names[i]);
    facet_status status = path ? FACET_OK : FACET_OS;
    if (status == FACET_OK && i == DIRECTIONS)
      status = make_directions(c, v, path, component);
    else if (status == FACET_OK)
      status = facet_store_make(c, path, H5T_IEEE_F64LE, 1, &component);
    facet_free(&path);
    FACET_TRY(status);
  }
  return put_method(c, &c->plan->variant[v]);
}

static facet_status make_spectra(const facet_store_creation *c)
{
  hid_t component = -1;
  if (c->plan->components == 0)
    return FACET_OK;
  facet_status status = facet_store_make_counting(c, "/aggregate/component", c->plan->components, 1, &component);
  const hid_t vvr[] = {c->variant, c->variant, component};
  for (int i = RANK; i <= ANGLES && status == FACET_OK; i++)
    status = facet_store_make(c, common[i], H5T_IEEE_F64LE, i == ANGLES ? 3 : 1, vvr);
  for (int v = 0; v < c->plan->variants && status == FACET_OK; v++)
    if (facet_store_has_spectrum(c->plan, v))
      status = make_spectrum(c, v, component);
  if (component >= 0)
    H5Dclose(component);
  return status;
}

static facet_status make_cka(const facet_store_creation *c)
{
  facet_compare_names n;
  hid_t item[2] = {-1, -1};
  if (!is_there(c->plan, CKA))
    return FACET_OK;
  facet_status status = facet_compare_names_make(c->plan, &n);
  if (status == FACET_OK)
    status = facet_store_make_names(c, "/aggregate/item", n.items, (const char *const *)n.item, &item[0]);
  item[1] = item[0];
  if (status == FACET_OK)
    status = facet_store_make(c, common[CKA], H5T_IEEE_F64LE, 2, item);
  if (item[0] >= 0)
    H5Dclose(item[0]);
  facet_compare_names_clear(&n);
  return status;
}

facet_status facet_store_make_aggregates(const facet_store_creation *c)
{
  FACET_TRY(make_spectra(c));
  return make_cka(c);
}

/* ---- opening ---- */

static hid_t *set_of(facet_store *s, int v, int name)
{
  return &s->aggregate[COMMON + v * NAMES + name];
}

static facet_status open_spectrum(facet_store *s, int v)
{
  const facet_store_plan *p = s->plan;
  const facet_input_layout *input = &p->variant[v].input;
  int64_t dim[1 + FACET_MAX_AXES] = {p->components};
  memcpy(dim + 1, input->size, sizeof input->size);
  for (int i = 0; i < NAMES; i++) {
    char *path = path_of(p, v, names[i]);
    facet_status status =
        path ? facet_store_open_set(s, path, i == DIRECTIONS ? 1 + input->axes : 1, dim, 8, set_of(s, v, i)) : FACET_OS;
    facet_free(&path);
    FACET_TRY(status);
  }
  return FACET_OK;
}

facet_status facet_store_open_aggregates(facet_store *s)
{
  const facet_store_plan *p = s->plan;
  const int64_t vvr[] = {p->variants, p->variants, p->components};
  const int64_t items[] = {facet_store_cka_items(p), facet_store_cka_items(p)};
  const struct {
    int rank;
    const int64_t *dim;
  } shape[COMMON] = {{1, vvr}, {1, vvr}, {3, vvr}, {2, items}};
  FACET_NEW(s->aggregate, COMMON + p->variants * NAMES);
  for (int i = 0; i < COMMON + p->variants * NAMES; i++)
    s->aggregate[i] = -1;
  for (int i = 0; i < COMMON; i++)
    if (is_there(p, i))
      FACET_TRY(facet_store_open_set(s, common[i], shape[i].rank, shape[i].dim, 8, &s->aggregate[i]));
  for (int v = 0; v < p->variants; v++)
    if (facet_store_has_spectrum(p, v))
      FACET_TRY(open_spectrum(s, v));
  return FACET_OK;
}

void facet_store_close_aggregates(facet_store *s)
{
  for (int i = 0; s->aggregate && i < COMMON + s->plan->variants * NAMES; i++)
    if (s->aggregate[i] >= 0)
      H5Dclose(s->aggregate[i]);
  facet_free(&s->aggregate);
}

/* ---- writing and reading ---- */

/* Where the directions of a variant lie. */
static int directions_box(const facet_store_plan *p, int v, int64_t *size)
{
  const facet_input_layout *input = &p->variant[v].input;
  size[0] = p->components;
  memcpy(size + 1, input->size, sizeof input->size);
  return 1 + input->axes;
}

facet_status facet_store_spectrum(facet_store *s, int v, const facet_spectrum *spectrum)
{
  const hid_t real = H5T_NATIVE_DOUBLE;
  const int64_t zero[1 + FACET_MAX_AXES] = {0}, at = v, one = 1, *r = &s->plan->components;
  int64_t size[1 + FACET_MAX_AXES];
  int axes = directions_box(s->plan, v, size);
  FACET_TRY(facet_store_write_part(s, *set_of(s, v, VALUES), real, 1, zero, r, spectrum->value));
  FACET_TRY(facet_store_write_part(s, *set_of(s, v, SHARE), real, 1, zero, r, spectrum->share));
  FACET_TRY(facet_store_write_part(s, *set_of(s, v, DIRECTIONS), real, axes, zero, size, spectrum->direction));
  FACET_TRY(facet_store_write_part(s, s->aggregate[RANK], real, 1, &at, &one, &spectrum->effective_rank));
  return facet_store_write_part(s, s->aggregate[RESIDUAL], real, 1, &at, &one, &spectrum->residual);
}

facet_status facet_store_read_directions(facet_store *s, int v, double *direction)
{
  const int64_t zero[1 + FACET_MAX_AXES] = {0};
  int64_t size[1 + FACET_MAX_AXES];
  int axes = directions_box(s->plan, v, size);
  return facet_store_read_part(s, *set_of(s, v, DIRECTIONS), H5T_NATIVE_DOUBLE, axes, zero, size, direction);
}

facet_status facet_store_angles(facet_store *s, int a, int b, const double *angle)
{
  const int64_t start[] = {a, b, 0}, mirrored[] = {b, a, 0}, size[] = {1, 1, s->plan->components};
  FACET_TRY(facet_store_write_part(s, s->aggregate[ANGLES], H5T_NATIVE_DOUBLE, 3, start, size, angle));
  return facet_store_write_part(s, s->aggregate[ANGLES], H5T_NATIVE_DOUBLE, 3, mirrored, size, angle);
}

facet_status facet_store_cka(facet_store *s, const double *table)
{
  const int64_t start[] = {0, 0}, size[] = {facet_store_cka_items(s->plan), facet_store_cka_items(s->plan)};
  return facet_store_write_part(s, s->aggregate[CKA], H5T_NATIVE_DOUBLE, 2, start, size, table);
}
