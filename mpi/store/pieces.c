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

static void turn(int64_t rows, int64_t columns, const double *from, double *to)
{
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++)
      to[j * rows + i] = from[i * columns + j];
}

facet_status facet_pieces_read(const facet_pieces *p, facet_store *store, int variant, int64_t i, double *room,
                               facet_lines *lines)
{
  int64_t steps = (p->size[p->axis] + p->step - 1) / p->step, before = i / steps;
  int64_t start = i % steps * p->step, left = p->size[p->axis] - start;
  facet_place place = {.variant = variant}; /* the box of W */
  for (int a = 0; a < p->axes; a++)
    place.part[a].count = p->size[a];
  place.part[p->axis].start = start;
  place.part[p->axis].count = left < p->step ? left : p->step;
  for (int a = p->axis - 1; a >= p->first; a--, before /= p->size[a + 1]) {
    place.part[a].start = before % p->size[a];
    place.part[a].count = 1;
  }
  lines->first = 0;
  lines->count = 1;
  for (int a = p->first; a < p->last; a++) {
    lines->first = lines->first * p->size[a] + place.part[a].start;
    lines->count *= place.part[a].count;
  }
  FACET_TRY(facet_store_get(store, FACET_ROW_W, place, p->transposed ? room : lines->numbers));
  if (p->transposed)
    turn(p->width, lines->count, room, lines->numbers);
  return FACET_OK;
}
