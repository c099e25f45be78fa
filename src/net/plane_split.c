/* Cutting one convex polygon where a function that is affine on it is 0.
 *
 * A corner is above, below, or at 0 within rounding.  Rounding is far above what sums lose, and values at a crossing
 * are those of the straight line between its edge's ends, so corners above and corners below are those of the exact
 * function: on a convex polygon they stand together, and at most two edges cross.  Where that does not hold after all,
 * nothing is cut, and it is counted. */
#include <math.h>
#include <string.h>

#include "plane_parts.h"

/* ---- crossings ---- */

void facet_plane_forget(facet_plane *s)
{
  for (int64_t i = 0; i < s->slots; i++)
    s->crossed[i].low = NO_POINT;
}

static uint64_t mix(uint64_t x)
{
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  return x ^ x >> 33;
}

/* Where a crossing is noted, or is to be. There are never more than half as many as slots. */
static facet_crossed *find(const facet_plane *s, int32_t low, int32_t high, int64_t key)
{
  uint64_t at = mix(mix((uint64_t)low << 32 | (uint32_t)high) + (uint64_t)key);
  for (;; at++) {
    facet_crossed *c = &s->crossed[at & (uint64_t)(s->slots - 1)];
    if (c->low == NO_POINT || (c->low == low && c->high == high && c->key == key))
      return c;
  }
}

static int32_t add_point(facet_plane *s, int32_t low, int32_t high, double share)
{
  facet_walk *w = s->walk;
  if (w->count == w->most)
    return NO_POINT;
  int64_t point = w->count++;
  facet_walk_between(w, s->live, low, high, share, point);
  for (int i = 0; i < 2; i++)
    s->at[2 * point + i] = (1 - share) * s->at[2 * low + i] + share * s->at[2 * high + i];
  if (s->side)
    facet_plane_sides(s, point);
  return (int32_t)point;
}

/* The point of an edge at which a function is 0: one of its ends, if that is too near. NO_POINT: there is no room. */
static int32_t cross(facet_plane *s, int32_t a, int32_t b, double at_a, double at_b, int64_t key)
{
  int32_t low = a < b ? a : b, high = a < b ? b : a;
  double at_low = a < b ? at_a : at_b, at_high = a < b ? at_b : at_a, share = at_low / (at_low - at_high);
  double length = hypot(s->at[2 * high] - s->at[2 * low], s->at[2 * high + 1] - s->at[2 * low + 1]);
  if (!(share * length > s->nearest))
    return low;
  if (!((1 - share) * length > s->nearest))
    return high;
  facet_crossed *c = find(s, low, high, key);
  if (c->low == NO_POINT) {
    int32_t point = add_point(s, low, high, share);
    if (point == NO_POINT)
      return NO_POINT;
    *c = (facet_crossed){.key = key, .low = low, .high = high, .point = point};
  }
  return c->point;
}

/* ---- parts ---- */

static int side_of(double value, double rounding)
{
  return value > rounding ? 1 : value < -rounding ? -1 : 0;
}

static void add(facet_corners *list, int32_t point)
{
  if (list->count == 0 || list->corner[list->count - 1] != point)
    list->corner[list->count++] = point;
}

/* The last one may be the first again. */
static void close_list(facet_corners *list)
{
  if (list->count > 1 && list->corner[0] == list->corner[list->count - 1])
    list->count--;
}

/* Whether the polygon has corners on both sides, and how many edges go from one to the other. */
static bool is_on_both(const facet_plane *s, const facet_corners *p, const double *value, int *changes)
{
  int last = 0, first = 0;
  *changes = 0;
  for (int64_t i = 0; i < p->count; i++) {
    int side = side_of(value[i], s->rounding);
    if (side == 0)
      continue;
    first = first == 0 ? side : first;
    *changes += last != 0 && side != last;
    last = side;
  }
  *changes += last != first;
  return *changes > 0;
}

facet_split facet_plane_split(facet_plane *s, const facet_corners *p, const double *value, int64_t key)
{
  facet_corners *above = &s->list[LIST_ABOVE], *below = &s->list[LIST_BELOW];
  int changes;
  if (!is_on_both(s, p, value, &changes))
    return SPLIT_NOT;
  above->count = below->count = 0;
  for (int64_t i = 0; i < p->count && changes == 2; i++) {
    int64_t j = i + 1 < p->count ? i + 1 : 0;
    int side = side_of(value[i], s->rounding), then = side_of(value[j], s->rounding);
    if (side >= 0)
      add(above, p->corner[i]);
    if (side <= 0)
      add(below, p->corner[i]);
    if (side * then >= 0)
      continue;
    int32_t point = cross(s, p->corner[i], p->corner[j], value[i], value[j], key);
    if (point == NO_POINT)
      return SPLIT_NO_ROOM;
    add(above, point);
    add(below, point);
  }
  close_list(above);
  close_list(below);
  if (above->count >= 3 && below->count >= 3)
    return SPLIT_DONE;
  s->r.dropped++;
  return SPLIT_NOT;
}
