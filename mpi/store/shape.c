/* From a plan to the shape of its file: see store_file.h. */
#include <stdio.h>
#include <string.h>

#include "geometry/quantiles.h"
#include "store_file.h"

/* ---- dimensions ---- */

/* Sizes of an embedding, of spectra and the like are 0 in a plan without. */
static int64_t some(int64_t size)
{
  return size > 0 ? size : -1;
}

#define NUMBERS                                           NULL
#define TEXT(list)                                        ((const char *const *)(list))
#define DIMENSION(id, name, coordinate, size, holds, ...) [FACET_DIM_##id] = {size, holds},
/* All dimensions as one variant has them. */
static void find_extents(const facet_store_plan *p, const facet_store_names *n, const facet_store_variant *v,
                         facet_store_extent extent[FACET_DIMENSIONS])
{
  static const char *const columns[] = {"first", "second", "distance", "items"}, *const axes[] = {"x", "y", "z"},
                           *const merits[] = {"nearest_error", "trustworthiness", "continuity"},
                           *const references[] = {"dense", "clean"}, *const norms[] = {"max", "two"},
                           *const plane_axes[] = {"u", "v"};
  bool compared = p->change_samples > 0 && v->change && (v != p->variant || p->change_conditions > 0);
  const facet_store_extent all[FACET_DIMENSIONS] = {
#include "rows.def"
  };
  memcpy(extent, all, sizeof all);
}
#undef NUMBERS
#undef TEXT

/* ---- which arrays are there, beside: those whose dimensions are ---- */

static bool is_among(int condition, int count, const int *list)
{
  for (int i = 0; i < count; i++)
    if (list[i] == condition)
      return true;
  return false;
}

#define ROW(id, path, dimensions, type, unit, there, ...) [FACET_ROW_##id] = there,
static bool is_there(const facet_store_plan *p, facet_row row, int variant, int condition)
{
  const facet_store_variant *v = &p->variant[variant];
  bool always = true, linearized = v->linearize, stored = linearized && p->keep != FACET_KEEP_DIGEST,
       halved = stored && p->half, by_node = linearized && p->keep != FACET_KEEP_ROWS,
       digested = linearized && p->digests > 0, changed = v->change && variant > 0, embedded = v->embed_nodes > 0,
       moved = v->change && is_among(condition, p->change_conditions, p->change_condition),
       pathed = v->path && p->path_clean, way = v->path && is_among(condition, p->path_conditions, p->path_condition),
       attributed = v->attribution, measured = v->attribution && p->curve_points > 0,
       spectral = facet_store_has_spectrum(p, variant), any_spectrum = p->components > 0, counted = v->census,
       reached = v->reach, planed = v->plane, lined = v->line, any_census = p->census_conditions > 0,
       grouped = p->change_groups > 0, summed_up = digested && spectral, mapped = p->embed_axes > 0;
  const bool there[FACET_ROWS] = {
#include "rows.def"
  };
  return there[row];
}

/* ---- arrays ---- */

facet_dimension facet_dimension_called(const char *name, size_t length)
{
  int d = 0;
  while (d < FACET_DIMENSIONS &&
         (strlen(facet_dimension_table[d].name) != length || strncmp(facet_dimension_table[d].name, name, length) != 0))
    d++;
  return (facet_dimension)d;
}

/* The axes of a variant's own input. */
static int input_axes(const facet_input_layout *input, facet_store_shape_axis *axis)
{
  static const facet_dimension of[] = {[FACET_AXIS_CHANNEL] = FACET_DIM_CHANNEL,
                                       [FACET_AXIS_Y] = FACET_DIM_Y,
                                       [FACET_AXIS_X] = FACET_DIM_X,
                                       [FACET_AXIS_INPUT] = FACET_DIM_INPUT,
                                       [FACET_AXIS_ONE] = FACET_DIM_ONE};
  for (int i = 0; i < input->axes; i++)
    axis[i] = (facet_store_shape_axis){.dimension = of[input->axis[i]], .turn = 1, .size = input->size[i]};
  return input->axes;
}

/* Whether a coordinate lies beside an array or above: there readers look for it. */
static bool is_within(const char *coordinate, const char *path)
{
  return strncmp(coordinate, path, (size_t)(strrchr(coordinate, '/') + 1 - coordinate)) == 0;
}

bool facet_store_shape_find(const facet_store_shape *s, facet_row row, int variant, int condition,
                            facet_store_shape_array *a)
{
  bool marks = facet_row_of_stage(row), many = strstr(facet_row_table[row].path, "{condition}") != NULL;
  int of = marks ? 0 : variant;
  const char *list = marks ? s->plan->stage[variant].marks : facet_row_table[row].dimensions;
  *a = (facet_store_shape_array){.row = row, .variant = variant, .condition = condition, .elements = 1};
  a->number = s->first[row] + (many ? (int64_t)variant * s->plan->conditions + condition : variant);
  while (*list && strcmp(list, ANY_LAYOUT) != 0) {
    size_t length = strcspn(list, ",");
    facet_dimension dimension = facet_dimension_called(list, length);
    a->axis[a->axes++] =
        (facet_store_shape_axis){.dimension = dimension, .turn = 1, .size = s->extent[of][dimension].size};
    list += length + (list[length] == ',' ? 2 : 0);
  }
  if (*list)
    a->axes += input_axes(&s->plan->variant[of].input, a->axis + a->axes);
  bool there = is_there(s->plan, row, of, condition);
  for (int i = 0; i < a->axes; i++) {
    for (int j = 0; j < i; j++)
      a->axis[i].turn += a->axis[j].dimension == a->axis[i].dimension;
    if (!is_within(facet_dimension_table[a->axis[i].dimension].coordinate, facet_row_table[row].path))
      a->axis[i].beside = facet_row_table[row].path;
    there = there && a->axis[i].size >= 0;
    a->elements *= (double)a->axis[i].size;
  }
  return there;
}

bool facet_store_shape_is_digest(const facet_store_shape_array *a)
{
  return a->axes > 0 && a->axis[0].dimension == FACET_DIM_DIGEST;
}

/* How many arrays a row stands for: of variants or stages, and of conditions. */
static void count_arrays(const facet_store_plan *p, int row, int *variants, int *conditions)
{
  const char *path = facet_row_table[row].path;
  *variants = strstr(path, "{variant}") ? p->variants : strstr(path, "{stage}") ? p->stages : 1;
  *conditions = strstr(path, "{condition}") ? p->conditions : 1;
}

bool facet_store_shape_next(const facet_store_shape *s, facet_store_shape_array *a)
{
  int variants, conditions, row = (int)a->row, v = a->variant, c = a->condition + (a->number >= 0);
  for (; row < FACET_ROWS; row++, v = 0) {
    count_arrays(s->plan, row, &variants, &conditions);
    for (; v < variants; v++, c = 0)
      for (; c < conditions; c++)
        if (facet_store_shape_find(s, (facet_row)row, v, c, a))
          return true;
  }
  return false;
}

/* ---- paths ---- */

char *facet_store_path(const char *pattern, const char *variant, const char *condition)
{
  char *path = facet_copy_text(pattern);
  size_t at = path ? strcspn(path, "{") : 0;
  while (path && path[at]) {
    const char *name = path[at + 1] == 'c' ? condition : variant;
    const char *rest = strchr(path + at, '}') + 1;
    char *longer = facet_format("%.*s%s%s", (int)at, path, name, rest);
    at += strlen(name) + strcspn(rest, "{");
    facet_free(&path);
    path = longer;
  }
  return path;
}

char *facet_store_shape_path(const facet_store_shape *s, const facet_store_shape_array *a)
{
  const facet_store_plan *p = s->plan;
  const char *name = facet_row_of_stage(a->row) ? p->stage[a->variant].name : p->variant[a->variant].name;
  return facet_store_path(facet_row_table[a->row].path, name, p->condition[a->condition]);
}

char *facet_store_shape_coordinate_path(const facet_store_shape *s, facet_store_shape_axis axis, int variant)
{
  const char *own = facet_dimension_table[axis.dimension].coordinate, *name = strrchr(own, '/');
  const char *in = axis.beside ? axis.beside : own;
  char pattern[200], turn[20] = "";
  if (axis.turn > 1)
    (void)snprintf(turn, sizeof turn, "_%d", axis.turn);
  (void)snprintf(pattern, sizeof pattern, "%.*s%s%s", (int)(strrchr(in, '/') - in), in, name, turn);
  return facet_store_path(pattern, s->plan->variant[variant].name, s->plan->condition[0]);
}

/* ---- the whole ---- */

facet_status facet_store_shape_make(const facet_store_plan *plan, facet_store_shape *s)
{
  *s = (facet_store_shape){.plan = plan};
  FACET_TRY(facet_store_names_make(plan, &s->names));
  FACET_NEW(s->extent, plan->variants);
  for (int v = 0; v < plan->variants; v++)
    find_extents(plan, &s->names, &plan->variant[v], s->extent[v]);
  for (int r = 0; r < FACET_ROWS; r++) {
    int variants, conditions;
    count_arrays(plan, r, &variants, &conditions);
    s->first[r] = s->arrays;
    s->arrays += (int64_t)variants * conditions;
  }
  return FACET_OK;
}

facet_status facet_store_sets_make(const facet_store_shape *s, hid_t **set)
{
  FACET_NEW(*set, s->arrays);
  for (int64_t i = 0; i < s->arrays; i++)
    (*set)[i] = -1;
  return FACET_OK;
}

void facet_store_sets_close(const facet_store_shape *s, hid_t *set)
{
  for (int64_t i = 0; set && i < s->arrays; i++) {
    H5_CLOSE(set[i]);
    set[i] = -1;
  }
}

int64_t facet_store_stage_parts(const facet_store_plan *plan, int stage)
{
  facet_store_shape s;
  facet_store_shape_array a = {.elements = 0};
  if (facet_store_shape_make(plan, &s) == FACET_OK)
    (void)facet_store_shape_find(&s, FACET_ROW_MARKS, stage, 0, &a);
  facet_store_shape_clear(&s);
  return (int64_t)a.elements;
}

void facet_store_shape_clear(facet_store_shape *s)
{
  facet_free(&s->extent);
  facet_store_names_clear(&s->names);
}
