/* Pieces of stacked linearizations: see pieces.h. */
#include "pieces.h"

#include <string.h>

enum { LEAST = 1 << 16, MOST = 1 << 27 }; /* bytes of a piece, unless one line is more */

/* As many lines as each has numbers: then their products cost more than moving both them and their sum. */
static int64_t lines_of_piece(int64_t width)
{
  int64_t line = width * (int64_t)sizeof(double), most = MOST / line, least = LEAST / line;
  return width < least ? least : width < most ? width : most;
}

facet_pieces facet_pieces_make(const facet_store_plan *plan, int variant, bool transposed)
{
  const facet_input_layout *input = &plan->variant[variant].input;
  facet_pieces p = {.axes = 2 + input->axes,
                    .size = {plan->linear_samples, plan->linear_rows},
                    .transposed = transposed,
                    .lines = 1,
                    .width = 1};
  memcpy(p.size + 2, input->size, (size_t)input->axes * sizeof *input->size);
  p.first = transposed ? 2 : 0;
  p.last = transposed ? p.axes : 2;
  for (int i = 0; i < p.axes; i++)
    *(i >= p.first && i < p.last ? &p.lines : &p.width) *= p.size[i];
  int64_t most = lines_of_piece(p.width);
  p.inner = p.lines;
  for (p.axis = p.first; p.axis < p.last; p.axis++) {
    p.inner /= p.size[p.axis];
    if (p.inner <= most || p.axis == p.last - 1)
      break;
  }
  p.step = most / p.inner < 1 ? 1 : most / p.inner < p.size[p.axis] ? most / p.inner : p.size[p.axis];
  p.most = p.step * p.inner;
  p.count = p.lines / (p.inner * p.size[p.axis]) * ((p.size[p.axis] + p.step - 1) / p.step);
  return p;
}

/* The box of W that is piece i. */
static void box_of(const facet_pieces *p, int64_t i, int64_t *start, int64_t *count)
{
  int64_t steps = (p->size[p->axis] + p->step - 1) / p->step, before = i / steps;
  memset(start, 0, sizeof p->size);
  memcpy(count, p->size, sizeof p->size);
  start[p->axis] = i % steps * p->step;
  count[p->axis] = p->size[p->axis] - start[p->axis] < p->step ? p->size[p->axis] - start[p->axis] : p->step;
  for (int a = p->axis - 1; a >= p->first; a--, before /= p->size[a + 1]) {
    start[a] = before % p->size[a];
    count[a] = 1;
  }
}

static void turn(int64_t rows, int64_t columns, const double *from, double *to)
{
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++)
      to[j * rows + i] = from[i * columns + j];
}

facet_status facet_pieces_read(const facet_pieces *p, facet_store *store, int variant, int64_t i, double *room,
                               int64_t *line, int64_t *lines, double *to)
{
  int64_t start[2 + FACET_MAX_AXES], count[2 + FACET_MAX_AXES];
  facet_place place = {.variant = variant};
  box_of(p, i, start, count);
  *line = 0;
  *lines = 1;
  for (int a = p->first; a < p->last; a++) {
    *line = *line * p->size[a] + start[a];
    *lines *= count[a];
  }
  for (int a = 0; a < p->axes; a++) {
    place.part[a].start = start[a];
    place.part[a].count = count[a];
  }
  FACET_TRY(facet_store_get(store, FACET_ROW_W, place, p->transposed ? room : to));
  if (p->transposed)
    turn(p->width, *lines, room, to);
  return FACET_OK;
}
