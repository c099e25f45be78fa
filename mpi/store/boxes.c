/* The boxes of parts: see boxes.h. */
#include "boxes.h"

#include <string.h>

enum { ROWS_AND_COLUMNS = 2 };

int facet_boxes_dimensions(const char *list, facet_dimension dimension[FACET_MOST_AXES])
{
  int axes = 0;
  for (int i = 0; i < FACET_MOST_AXES; i++)
    dimension[i] = FACET_DIMENSIONS;
  while (*list && strcmp(list, ANY_LAYOUT) != 0 && axes < FACET_MOST_AXES) {
    size_t length = strcspn(list, ",");
    dimension[axes++] = facet_dimension_called(list, length);
    list += length + (list[length] == ',' ? 2 : 0);
  }
  return axes;
}

int64_t facet_boxes_parts(const facet_marked *marked)
{
  int64_t parts = 1;
  for (int i = 0; i < marked->axes; i++)
    parts *= (int64_t)marked->size[i];
  return parts;
}

void facet_boxes_place(const facet_marked *marked, int64_t part, hsize_t at[FACET_MOST_AXES])
{
  for (int i = marked->axes - 1; i >= 0; i--) {
    at[i] = (hsize_t)part % marked->size[i];
    part /= (int64_t)marked->size[i];
  }
}

static void cut(facet_box *b, int axis, hsize_t start, hsize_t count)
{
  b->start[axis] = start;
  b->count[axis] = count;
}

/* Whether an axis is cut by what a dimension of marks counts. */
static bool is_cut_by(facet_dimension axis, facet_dimension mark)
{
  if (mark == FACET_DIM_BLOCK)
    return axis == FACET_DIM_SAMPLE || axis == FACET_DIM_LINEAR || axis == FACET_DIM_EXPLAINED ||
           axis == FACET_DIM_DIGEST || axis == FACET_DIM_BLOCK;
  if (mark == FACET_DIM_PATH_PLACE)
    return axis == FACET_DIM_PATH_SAMPLE;
  if (mark == FACET_DIM_REACH_PLACE)
    return axis == FACET_DIM_REACH_SAMPLE;
  if (mark == FACET_DIM_LINE_PLACE)
    return axis == FACET_DIM_LINE;
  if (mark == FACET_DIM_PLANE_PLACE)
    return axis == FACET_DIM_PLANE;
  if (mark == FACET_DIM_ATTRIBUTED_PLACE)
    return axis == FACET_DIM_ATTRIBUTED;
  return axis == (mark == FACET_DIM_CHANGE_PLACE ? FACET_DIM_CHANGE : mark);
}

int facet_boxes_cut(const facet_marked *marked, const facet_boxed *a, int axis)
{
  int m = 0;
  while (m < marked->axes && !is_cut_by(a->dimension[axis], marked->dimension[m]))
    m++;
  return m < marked->axes ? m : -1;
}

/* The block itself, or its samples; of digests the one that begins with it. False: none. */
static bool cut_block(const facet_marked *marked, const facet_boxed *a, int axis, hsize_t at, facet_box *b)
{
  hsize_t size = a->size[axis], each = a->dimension[axis] == FACET_DIM_BLOCK ? 1 : (hsize_t)marked->block;
  hsize_t first = at * each;
  if (a->dimension[axis] == FACET_DIM_DIGEST) {
    hsize_t blocks = (hsize_t)marked->linear_blocks;
    each = size > 0 ? (blocks + size - 1) / size : 1;
    cut(b, axis, at / each, 1);
    return at % each == 0 && at / each < size;
  }
  if (first >= size)
    return false;
  cut(b, axis, first, size - first < each ? size - first : each);
  return true;
}

/* What has no axis of that kind is of the one whose folder it lies in, or of the first, and of linearized samples of
 * clean ones. */
static bool is_of(const facet_marked *marked, const facet_boxed *a, facet_dimension mark, hsize_t at)
{
  const char *path = facet_row_table[a->row].path;
  bool few = false;
  for (int i = 0; i < a->axes; i++)
    few = few || a->dimension[i] == FACET_DIM_LINEAR || a->dimension[i] == FACET_DIM_EXPLAINED ||
          a->dimension[i] == FACET_DIM_DIGEST;
  if (mark == FACET_DIM_VARIANT && strstr(path, "{variant}"))
    return at == (hsize_t)a->variant;
  if (mark == FACET_DIM_CONDITION && strstr(path, "{condition}"))
    return at == (hsize_t)a->condition;
  return at == (mark == FACET_DIM_CONDITION && few ? (hsize_t)marked->clean : 0);
}

/* The axes of an array, two at most, that a dimension of the marks cuts. */
static int find_axes(const facet_boxed *a, facet_dimension mark, int axis[2])
{
  int found = 0;
  for (int i = 0; i < a->axes && found < 2; i++)
    if (is_cut_by(a->dimension[i], mark))
      axis[found++] = i;
  return found;
}

bool facet_boxes_fills(const facet_marked *marked, const facet_boxed *a, const hsize_t *at)
{
  bool fills = true;
  int axis[2];
  for (int m = 0; m < marked->axes; m++)
    fills = fills && (find_axes(a, marked->dimension[m], axis) > 0 || is_of(marked, a, marked->dimension[m], at[m]));
  return fills;
}

/* A part of a table is a pair both ways, or a row and a column from the diagonal on. */
static int cut_table(const facet_marked *marked, const int axis[2], const hsize_t *at, int mark, facet_box b[2])
{
  bool pairs = mark + 1 < marked->axes && marked->dimension[mark + 1] == marked->dimension[mark];
  hsize_t i = at[mark], j = pairs ? at[mark + 1] : i, rest = pairs ? 1 : marked->size[mark] - i;
  if (j > i)
    return 0;
  b[1] = b[0];
  cut(&b[0], axis[0], i, 1);
  cut(&b[0], axis[1], j, rest);
  cut(&b[1], axis[0], pairs ? j : i + 1, pairs ? 1 : rest - 1);
  cut(&b[1], axis[1], i, 1);
  return (pairs ? i != j : rest > 1) ? ROWS_AND_COLUMNS : 1;
}

int facet_boxes_cut_out(const facet_marked *marked, const facet_boxed *a, const hsize_t *at, facet_box b[2])
{
  b[0] = (facet_box){.start = {0}};
  memcpy(b[0].count, a->size, sizeof b[0].count);
  for (int m = 0; m < marked->axes; m++) {
    int axis[2], found = find_axes(a, marked->dimension[m], axis);
    if (found == 2)
      return cut_table(marked, axis, at, m, b);
    if (found == 1 && marked->dimension[m] != FACET_DIM_BLOCK)
      cut(&b[0], axis[0], at[m], 1);
    else if (found == 1 && !cut_block(marked, a, axis[0], at[m], &b[0]))
      return 0;
  }
  return 1;
}

int facet_boxes_find(const facet_marked *marked, const facet_boxed *a, const hsize_t *at, facet_box b[2])
{
  return facet_boxes_fills(marked, a, at) ? facet_boxes_cut_out(marked, a, at, b) : 0;
}
