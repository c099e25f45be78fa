/* Cutting polygons where the largest of several changes: at maxima (max pools, Max, Min), and in the end among logits.
 *
 * If one of them is the largest at all corners, within rounding, it is so on the whole polygon.  Else each that may be
 * the largest somewhere gets the part of the polygon where it is: the polygon, clipped by one difference after the
 * other.  Of candidates that are one within rounding at all corners the first stands for both, as everywhere in facet.
 */
#include <math.h>
#include <string.h>

#include "plane_parts.h"

/* What compete for an element. */
typedef struct {
  const facet_walk_maximum *maximum; /* NULL: logits */
  int64_t element, count;
} contest;

static double value_of(const facet_plane *s, const contest *c, int64_t k, int64_t point)
{
  return c->maximum ? facet_walk_rival(s->walk, c->maximum, c->element, k, point) : facet_plane_logit(s, k, point);
}

static double top_of(const facet_plane *s, const contest *c, int64_t point)
{
  double top = value_of(s, c, 0, point);
  for (int64_t k = 1; k < c->count; k++)
    top = fmax(top, value_of(s, c, k, point));
  return top;
}

/* The first that is the largest at all corners; -1: none is. */
static int64_t winner_of_all(const facet_plane *s, const contest *c, const facet_corners *p)
{
  for (int64_t i = 0; i < p->count; i++)
    s->value[i] = top_of(s, c, p->corner[i]) - s->rounding;
  for (int64_t k = 0; k < c->count; k++) {
    int64_t i = 0;
    while (i < p->count && value_of(s, c, k, p->corner[i]) >= s->value[i])
      i++;
    if (i == p->count)
      return k;
  }
  return -1;
}

/* Whether k is below j at all corners by more than rounding; whether they are one. */
static bool is_below(const facet_plane *s, const contest *c, const facet_corners *p, int64_t k, int64_t j)
{
  for (int64_t i = 0; i < p->count; i++)
    if (!(value_of(s, c, k, p->corner[i]) < value_of(s, c, j, p->corner[i]) - s->rounding))
      return false;
  return true;
}

static bool is_same(const facet_plane *s, const contest *c, const facet_corners *p, int64_t k, int64_t j)
{
  for (int64_t i = 0; i < p->count; i++)
    if (!(fabs(value_of(s, c, k, p->corner[i]) - value_of(s, c, j, p->corner[i])) <= s->rounding))
      return false;
  return true;
}

/* The largest at a corner. */
static int64_t first_at(const facet_plane *s, const contest *c, int64_t point)
{
  int64_t best = 0;
  for (int64_t k = 1; k < c->count; k++)
    best = value_of(s, c, k, point) > value_of(s, c, best, point) ? k : best;
  return best;
}

/* Those that may win somewhere, into s->rival: none that is below one which is the largest at some corner, nor the same
 * as one before it. */
static facet_status find_rivals(facet_plane *s, const contest *c, const facet_corners *p, int64_t *rivals)
{
  *rivals = 0;
  if (s->rivals_room < c->count) {
    FACET_TRY(facet_grow(&s->rival, (size_t)s->rivals_room, (size_t)c->count, sizeof *s->rival));
    s->rivals_room = c->count;
  }
  for (int64_t k = 0; k < c->count; k++) {
    bool out = false;
    for (int64_t i = 0; i < p->count && !out; i++)
      out = is_below(s, c, p, k, first_at(s, c, p->corner[i]));
    for (int64_t r = 0; r < *rivals && !out; r++)
      out = is_same(s, c, p, k, s->rival[r]);
    if (!out)
      s->rival[(*rivals)++] = k;
  }
  return FACET_OK;
}

/* The part of the polygon where k wins over all rivals, in list[LIST_PART]; it may be empty. SPLIT_NO_ROOM: there is no
 * room for its corners. */
static facet_split clip(facet_plane *s, const contest *c, const facet_corners *p, int64_t rivals, int64_t k)
{
  facet_corners *part = &s->list[LIST_PART];
  part->count = p->count;
  memcpy(part->corner, p->corner, (size_t)p->count * sizeof *p->corner);
  for (int64_t r = 0; r < rivals && part->count > 0; r++) {
    int64_t j = s->rival[r], low = j < k ? j : k, high = j < k ? k : j;
    double most = 0;
    for (int64_t i = 0; i < part->count; i++) {
      double ahead = value_of(s, c, k, part->corner[i]) - value_of(s, c, j, part->corner[i]);
      s->value[i] = ahead;
      most = fabs(ahead) > fabs(most) ? ahead : most;
    }
    facet_split came =
        j == k ? SPLIT_NOT : facet_plane_split(s, part, s->value, (c->element * c->count + low) * c->count + high);
    if (came == SPLIT_NO_ROOM)
      return came;
    if (came == SPLIT_DONE) {
      part->count = s->list[LIST_ABOVE].count;
      memcpy(part->corner, s->list[LIST_ABOVE].corner, (size_t)part->count * sizeof *part->corner);
    } else if (most < 0)
      part->count = 0;
  }
  return SPLIT_DONE;
}

/* Parts of the polygon into s->work, from `base` on, with the winner of each as `next`. *fits false: there is no room,
 * and none are there. */
static facet_status divide(facet_plane *s, const contest *c, const facet_corners *p, bool *fits)
{
  int64_t base = s->work.count, rivals;
  FACET_TRY(find_rivals(s, c, p, &rivals));
  for (int64_t r = 0; r < rivals; r++) {
    if (clip(s, c, p, rivals, s->rival[r]) == SPLIT_NO_ROOM) {
      s->work.count = base;
      *fits = false;
      return FACET_OK;
    }
    const facet_corners *part = &s->list[LIST_PART];
    if (part->count >= 3)
      FACET_TRY(facet_polygons_add(&s->work, part->count, part->corner, s->rival[r]));
  }
  if (s->work.count == base) /* all too narrow: who wins at the first corner stands for all */
    FACET_TRY(facet_polygons_add(&s->work, p->count, p->corner, first_at(s, c, p->corner[0])));
  return FACET_OK;
}

static void take(facet_plane *s, const facet_polygons *from, int64_t i)
{
  facet_corners *polygon = &s->list[LIST_POLYGON];
  polygon->count = facet_polygons_corners(from, i);
  memcpy(polygon->corner, from->corner + from->first[i], (size_t)polygon->count * sizeof *polygon->corner);
}

/* ---- maxima ---- */

/* The polygon that was taken from the work last: on to the next element at which it is divided, or done. */
static facet_status cut_one(facet_plane *s, const facet_walk_maximum *m, bool *fits)
{
  int64_t size = facet_walk_size(s->walk, m->step->output), i = --s->work.count, next = s->work.next[i];
  const facet_corners *polygon = &s->list[LIST_POLYGON];
  take(s, &s->work, i);
  for (; next < size; next++) {
    const contest c = {m, next, facet_walk_rivals(m, next)};
    if (c.count < 2 || winner_of_all(s, &c, polygon) >= 0)
      continue;
    int64_t base = s->work.count;
    FACET_TRY(divide(s, &c, polygon, fits));
    if (!*fits)
      break;
    for (int64_t k = base; k < s->work.count; k++)
      s->work.next[k] = next + 1;
    return FACET_OK;
  }
  return facet_polygons_add(&s->then, polygon->count, polygon->corner, *fits ? DONE : next);
}

facet_status facet_plane_maximum(facet_plane *s, int number, bool *fits)
{
  const facet_walk_maximum m = facet_walk_maximum_of(s->walk, &s->walk->x->step[number]);
  for (int64_t i = 0; i < s->now.count; i++) {
    FACET_TRY(facet_polygons_add(&s->work, facet_polygons_corners(&s->now, i), s->now.corner + s->now.first[i],
                                 s->now.next[i]));
    while (s->work.count > 0 && *fits)
      FACET_TRY(cut_one(s, &m, fits));
    for (; s->work.count > 0; s->work.count--) {
      take(s, &s->work, s->work.count - 1);
      FACET_TRY(facet_polygons_add(&s->then, s->list[LIST_POLYGON].count, s->list[LIST_POLYGON].corner,
                                   s->work.next[s->work.count - 1]));
    }
  }
  return FACET_OK;
}

/* ---- regions ---- */

/* One region, by the largest logit. */
static facet_status finish_one(facet_plane *s, const contest *c, bool *fits)
{
  const facet_corners *polygon = &s->list[LIST_POLYGON];
  int64_t winner = winner_of_all(s, c, polygon);
  if (winner >= 0) {
    FACET_TRY(facet_plane_emit(s, polygon, winner));
    return facet_plane_emit_region(s, polygon);
  }
  FACET_TRY(divide(s, c, polygon, fits));
  for (int64_t k = 0; k < s->work.count; k++) {
    facet_corners *part = &s->list[LIST_PART];
    part->count = facet_polygons_corners(&s->work, k);
    memcpy(part->corner, s->work.corner + s->work.first[k], (size_t)part->count * sizeof *part->corner);
    FACET_TRY(facet_plane_emit(s, part, s->work.next[k]));
  }
  s->work.count = 0;
  return *fits ? facet_plane_emit_region(s, polygon) : FACET_OK;
}

facet_status facet_plane_regions(facet_plane *s, bool *fits)
{
  const contest c = {NULL, 0, facet_network_outputs(s->walk->x->network)};
  for (int64_t i = 0; i < s->now.count && !s->r.full; i++) {
    take(s, &s->now, i);
    if (*fits)
      FACET_TRY(finish_one(s, &c, fits));
    if (!*fits)
      FACET_TRY(facet_polygons_add(&s->then, s->list[LIST_POLYGON].count, s->list[LIST_POLYGON].corner, 0));
  }
  return FACET_OK;
}
