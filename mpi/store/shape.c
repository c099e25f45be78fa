/* From a plan to the shape of its file: see shape.h. */
#include "shape.h"

#include <stdio.h>
#include <string.h>

/* ---- dimensions ---- */

/* Sizes of an embedding, of spectra and the like are 0 in a plan without. */
static int64_t unless_none(int64_t size)
{
  return size > 0 ? size : -1;
}

/* Of the dimensions that all variants share. */
static int64_t common_size(const facet_store_shape *s, facet_dimension d)
{
  const facet_store_plan *p = s->plan;
  int64_t items = unless_none(s->names.items), embedding = p->embed_axes > 0;
  switch (d) {
  case FACET_DIM_VARIANT:
    return p->variants;
  case FACET_DIM_CONDITION:
    return p->conditions;
  case FACET_DIM_CLASS:
    return p->classes;
  case FACET_DIM_SAMPLE:
  case FACET_DIM_PLACE:
    return p->samples;
  case FACET_DIM_CHANNEL:
    return p->image.channels;
  case FACET_DIM_Y:
    return p->image.height;
  case FACET_DIM_X:
    return p->image.width;
  case FACET_DIM_LINEAR:
    return unless_none(p->linear_samples);
  case FACET_DIM_RANK:
    return p->linear_samples > 0 ? p->linear_rows : -1;
  case FACET_DIM_REPLICATE:
    return s->names.replicates;
  case FACET_DIM_CORRUPTION:
    return unless_none(s->names.corruptions);
  case FACET_DIM_METHOD:
    return unless_none(s->names.methods);
  case FACET_DIM_CLASS_PLACE:
    return p->samples < FACET_CLASS_RANKS ? p->samples : FACET_CLASS_RANKS;
  case FACET_DIM_ITEM:
  case FACET_DIM_LEAF:
    return items;
  case FACET_DIM_AXIS:
    return items > 0 ? 2 : -1;
  case FACET_DIM_MERGE:
    return items > 0 ? items - 1 : -1;
  case FACET_DIM_COLUMN:
    return items > 0 ? 4 : -1;
  case FACET_DIM_CHANGE:
    return unless_none(p->change_samples);
  case FACET_DIM_COMPONENT:
    return unless_none(p->components);
  case FACET_DIM_PAIR:
    return unless_none(facet_store_cka_items(p));
  case FACET_DIM_POSITION:
    return unless_none(p->embed_axes);
  case FACET_DIM_EPOCH:
    return embedding ? p->embed_epochs : -1;
  case FACET_DIM_TRAINED:
    return embedding ? p->embed_train : -1;
  case FACET_DIM_MERIT:
    return embedding ? 3 : -1;
  case FACET_DIM_EXPLAINED:
    return embedding ? p->embed_samples : -1;
  case FACET_DIM_BLOCK:
    return (p->samples + p->block - 1) / p->block;
  default:
    return -1;
  }
}

int64_t facet_store_shape_size(const facet_store_shape *s, facet_dimension d, int variant)
{
  const facet_store_plan *p = s->plan;
  const facet_store_variant *v = &p->variant[variant];
  bool changes = p->change_samples > 0 && v->change && (variant > 0 || p->change_conditions > 0);
  switch (d) {
  case FACET_DIM_NODE:
    return v->linearize ? v->constant_nodes : -1;
  case FACET_DIM_FEATURE:
    return unless_none(v->features);
  case FACET_DIM_CHANGE_NODE:
    return changes ? v->change_nodes : -1;
  case FACET_DIM_GATE:
    return changes ? v->gates : -1;
  case FACET_DIM_EMBED_NODE:
    return unless_none(v->embed_nodes);
  default:
    return s->size[d];
  }
}

const char *facet_store_shape_coordinate(const facet_store_shape *s, facet_dimension d, int variant, int64_t i,
                                         int64_t *number)
{
  static const char *const columns[] = {"first", "second", "distance", "items"}, *const axes[] = {"x", "y", "z"},
                           *const merits[] = {"nearest_error", "trustworthiness", "continuity"};
  const facet_store_plan *p = s->plan;
  *number = d == FACET_DIM_BLOCK ? i * p->block : i;
  switch (d) {
  case FACET_DIM_VARIANT:
    return p->variant[i].name;
  case FACET_DIM_CONDITION:
    return p->condition[i];
  case FACET_DIM_CLASS:
    return p->class_name[i];
  case FACET_DIM_NODE:
    return p->variant[variant].constant_node[i];
  case FACET_DIM_REPLICATE:
    return s->names.replicate[i];
  case FACET_DIM_CORRUPTION:
    return s->names.corruption[i];
  case FACET_DIM_METHOD:
    return s->names.method[i];
  case FACET_DIM_ITEM:
  case FACET_DIM_PAIR:
    return s->names.item[i];
  case FACET_DIM_AXIS:
  case FACET_DIM_POSITION:
    return axes[i];
  case FACET_DIM_COLUMN:
    return columns[i];
  case FACET_DIM_CHANGE_NODE:
    return p->variant[variant].change_node[i];
  case FACET_DIM_GATE:
    return p->variant[variant].gate[i];
  case FACET_DIM_MERIT:
    return merits[i];
  case FACET_DIM_EMBED_NODE:
    return p->variant[variant].embed_node[i];
  default:
    return NULL;
  }
}

/* ---- which arrays are there, beside: those whose dimensions are ---- */

static bool always(const facet_store_plan *p, int v, int c)
{
  (void)p;
  (void)v;
  (void)c;
  return true;
}

static bool linearized(const facet_store_plan *p, int v, int c)
{
  (void)c;
  return p->variant[v].linearize;
}

static bool changed(const facet_store_plan *p, int v, int c)
{
  (void)c;
  return p->variant[v].change && v > 0;
}

static bool moved(const facet_store_plan *p, int v, int c)
{
  bool wanted = false;
  for (int i = 0; i < p->change_conditions; i++)
    wanted = wanted || p->change_condition[i] == c;
  return p->variant[v].change && wanted;
}

static bool spectral(const facet_store_plan *p, int v, int c)
{
  (void)c;
  return facet_store_has_spectrum(p, v);
}

static bool any_spectrum(const facet_store_plan *p, int v, int c)
{
  (void)v;
  (void)c;
  return p->components > 0;
}

static bool embedded(const facet_store_plan *p, int v, int c)
{
  (void)c;
  return p->variant[v].embed_nodes > 0;
}

#define DIMENSION(...)
#define ROW(id, path, dimensions, type, unit, there, ...) [FACET_ROW_##id] = (there),
static bool (*const is_there[FACET_ROWS])(const facet_store_plan *, int, int) = {
#include "rows.def"
};
#undef DIMENSION
#undef ROW

/* ---- arrays ---- */

static facet_dimension dimension_called(const char *name, size_t length)
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
  for (int i = 0; i < input->axes; i++) {
    axis[i] = (facet_store_shape_axis){.dimension = of[input->axis[i]], .turn = 1, .size = input->size[i]};
    for (int j = 0; j < i; j++)
      axis[i].turn += axis[j].dimension == axis[i].dimension;
  }
  return input->axes;
}

bool facet_store_shape_find(const facet_store_shape *s, facet_row row, int variant, int condition,
                            facet_store_shape_array *a)
{
  bool marks = row == FACET_ROW_MARKS;
  const char *list = marks ? s->plan->stage[variant].marks : facet_row_table[row].dimensions;
  *a = (facet_store_shape_array){.row = row, .variant = variant, .condition = condition};
  bool many = strstr(facet_row_table[row].path, "{condition}") != NULL;
  a->number = s->first[row] + (many ? (int64_t)variant * s->plan->conditions + condition : variant);
  if (!is_there[row](s->plan, variant, condition))
    return false;
  while (*list) {
    size_t length = strcspn(list, ",");
    if (strcmp(list, ANY_LAYOUT) == 0) {
      a->axes += input_axes(&s->plan->variant[variant].input, a->axis + a->axes);
      break;
    }
    facet_store_shape_axis *axis = &a->axis[a->axes++];
    axis->dimension = dimension_called(list, length);
    axis->turn = 1;
    axis->size = facet_store_shape_size(s, axis->dimension, marks ? 0 : variant);
    if (axis->size < 0)
      return false;
    list += length + (list[length] == ',' ? 2 : 0);
  }
  return true;
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

/* A pattern with its holes filled. */
static char *fill(const facet_store_plan *p, const char *pattern, int variant, int condition)
{
  char *path = facet_copy_text(pattern);
  size_t at = path ? strcspn(path, "{") : 0;
  while (path && path[at]) {
    const char *name = path[at + 1] == 'v'   ? p->variant[variant].name
                       : path[at + 1] == 'c' ? p->condition[condition]
                                             : p->stage[variant].name;
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
  return fill(s->plan, facet_row_table[a->row].path, a->variant, a->condition);
}

char *facet_store_shape_coordinate_path(const facet_store_shape *s, facet_store_shape_axis axis, int variant)
{
  char pattern[200];
  if (axis.turn > 1)
    (void)snprintf(pattern, sizeof pattern, "%s_%d", facet_dimension_table[axis.dimension].coordinate, axis.turn);
  return fill(s->plan, axis.turn > 1 ? pattern : facet_dimension_table[axis.dimension].coordinate, variant, 0);
}

/* ---- the whole ---- */

int facet_store_shape_stage(const facet_store_plan *plan, const char *name)
{
  for (int i = 0; i < plan->stages; i++)
    if (strcmp(plan->stage[i].name, name) == 0)
      return i;
  return -1;
}

facet_status facet_store_shape_make(const facet_store_plan *plan, facet_store_shape *s)
{
  *s = (facet_store_shape){.plan = plan};
  FACET_TRY(facet_store_names_make(plan, &s->names));
  for (int d = 0; d < FACET_DIMENSIONS; d++)
    s->size[d] = common_size(s, (facet_dimension)d);
  for (int r = 0; r < FACET_ROWS; r++) {
    int variants, conditions;
    count_arrays(plan, r, &variants, &conditions);
    s->first[r] = s->arrays;
    s->arrays += (int64_t)variants * conditions;
  }
  return FACET_OK;
}

void facet_store_shape_clear(facet_store_shape *s)
{
  facet_store_names_clear(&s->names);
}
