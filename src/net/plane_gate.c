/* Cutting polygons at a gate: where an element is on different sides of a boundary at two corners.  Sides are kept a
 * byte an element, so that most elements, which are on one side at all corners, are looked at many at a time. */
#include <math.h>
#include <string.h>

#include "plane_parts.h"

/* BOUNDARIES: of a gate, at most; each has two bits of a side, BELOW and ABOVE. */
enum { BOUNDARIES = MOST_PIECES - 1, BELOW = 1, ABOVE = 2, BITS = 2, ROW = 64 };

void facet_plane_sides(facet_plane *s, int64_t point)
{
  const facet_lowered *l = s->step->lowered;
  int64_t size = facet_walk_size(s->walk, s->step->output);
  const double *u = facet_walk_value(s->walk, s->step->in_slot[0]) + point * size;
  uint8_t *side = s->side + point * size;
  memset(side, 0, (size_t)size);
  for (int p = 0; p < l->pieces - 1; p++) {
    double low = l->at[p] - s->rounding, high = l->at[p] + s->rounding;
    for (int64_t i = 0; i < size; i++)
      side[i] = (uint8_t)(side[i] | ((u[i] < low) * BELOW + (u[i] > high) * ABOVE) << (BITS * p));
  }
}

/* Elements of ROW, or fewer, that are on both sides at some of the corners: which boundaries they cross. */
static bool cross_some(const facet_plane *s, const facet_corners *polygon, int64_t size, int64_t from, int64_t count,
                       uint8_t *crosses)
{
  uint8_t any = 0;
  memset(crosses, 0, ROW);
  for (int64_t c = 0; c < polygon->count; c++) {
    const uint8_t *side = s->side + polygon->corner[c] * size + from;
    for (int64_t i = 0; i < count; i++)
      crosses[i] |= side[i];
  }
  for (int64_t i = 0; i < count; i++) {
    crosses[i] = (uint8_t)(crosses[i] & crosses[i] >> 1 & (BELOW | BELOW << BITS));
    any |= crosses[i];
  }
  return any != 0;
}

/* The next element and boundary, element times BOUNDARIES plus boundary, that the polygon lies on both sides of; DONE:
 * none. */
static int64_t next_crossed(const facet_plane *s, const facet_corners *polygon, int64_t next)
{
  int64_t size = facet_walk_size(s->walk, s->step->output);
  uint8_t crosses[ROW];
  for (int64_t from = next / BOUNDARIES / ROW * ROW; from < size; from += ROW) {
    int64_t count = size - from < ROW ? size - from : ROW;
    if (!cross_some(s, polygon, size, from, count, crosses))
      continue;
    for (int64_t code = from * BOUNDARIES; code < (from + count) * BOUNDARIES; code++)
      if (code >= next && crosses[code / BOUNDARIES - from] >> (BITS * (code % BOUNDARIES)) & 1)
        return code;
  }
  return DONE;
}

static facet_split split(facet_plane *s, const facet_corners *polygon, int64_t code)
{
  int64_t size = facet_walk_size(s->walk, s->step->output), element = code / BOUNDARIES;
  const double *u = facet_walk_value(s->walk, s->step->in_slot[0]);
  double at = s->step->lowered->at[code % BOUNDARIES];
  for (int64_t c = 0; c < polygon->count; c++)
    s->value[c] = u[polygon->corner[c] * size + element] - at;
  return facet_plane_split(s, polygon, s->value, code);
}

/* What is left of a polygon that was taken from the work, or its parts, go there again, or are done. */
static facet_status cut_one(facet_plane *s, bool *fits)
{
  facet_polygons *work = &s->work;
  facet_corners *polygon = &s->list[LIST_POLYGON];
  int64_t i = --work->count, next = work->next[i];
  polygon->count = facet_polygons_corners(work, i);
  memcpy(polygon->corner, work->corner + work->first[i], (size_t)polygon->count * sizeof *polygon->corner);
  for (facet_split came = SPLIT_NOT; came == SPLIT_NOT; next++) {
    next = next == DONE ? DONE : next_crossed(s, polygon, next);
    if (next == DONE)
      return facet_polygons_add(&s->then, polygon->count, polygon->corner, DONE);
    came = split(s, polygon, next);
    if (came == SPLIT_NO_ROOM) {
      *fits = false;
      return facet_polygons_add(&s->then, polygon->count, polygon->corner, next);
    }
  }
  FACET_TRY(facet_polygons_add(work, s->list[LIST_BELOW].count, s->list[LIST_BELOW].corner, next));
  return facet_polygons_add(work, s->list[LIST_ABOVE].count, s->list[LIST_ABOVE].corner, next);
}

static facet_status cut_all(facet_plane *s, bool *fits)
{
  for (int64_t i = 0; i < s->now.count; i++) {
    const int32_t *corner = s->now.corner + s->now.first[i];
    int64_t corners = facet_polygons_corners(&s->now, i);
    if (!*fits) {
      FACET_TRY(facet_polygons_add(&s->then, corners, corner, s->now.next[i]));
      continue;
    }
    FACET_TRY(facet_polygons_add(&s->work, corners, corner, s->now.next[i]));
    while (s->work.count > 0 && *fits)
      FACET_TRY(cut_one(s, fits));
    for (; s->work.count > 0; s->work.count--) {
      int64_t last = s->work.count - 1;
      FACET_TRY(facet_polygons_add(&s->then, facet_polygons_corners(&s->work, last),
                                   s->work.corner + s->work.first[last], s->work.next[last]));
    }
  }
  return FACET_OK;
}

facet_status facet_plane_gate(facet_plane *s, int number, bool *fits)
{
  s->step = &s->walk->x->step[number];
  s->side = s->walk->step[number].piece;
  for (int64_t p = 0; p < s->walk->count; p++)
    facet_plane_sides(s, p);
  facet_status status = cut_all(s, fits);
  s->side = NULL;
  return status;
}
