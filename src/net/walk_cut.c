/* Cutting pieces: where a step changes inside a piece, it is cut, and what later steps want there is put on the
 * straight line between its ends. */
#include <math.h>
#include <stdlib.h>

#include "walk_parts.h"

/* Changes nearer than that to a point, or to each other, are at one: rounding moves them so far at most. */
static const double nearest = 0x1p-43;

double facet_walk_rounding_of(const facet_walk *w, const facet_step *step)
{
  double most = 0;
  for (int j = 0; j < step->inputs; j++)
    most = fmax(most,
                w->x->e->largest(w->count * facet_walk_size(w, step->input[j]), facet_walk_value(w, step->in_slot[j])));
  return FACET_WALK_ROUNDING * most;
}

facet_status facet_walk_note(facet_walk *w, int64_t place, double share)
{
  int64_t left = w->order[place];
  double from = w->t[left], to = w->t[w->order[place + 1]], t = from + share * (to - from);
  if (!(t - from > nearest && to - t > nearest))
    return FACET_OK;
  if (w->changes == w->change_room) {
    size_t room = (size_t)w->change_room;
    FACET_TRY(facet_grow(&w->change, room, 2 * room, sizeof *w->change));
    w->change_room *= 2;
  }
  w->change[w->changes++] = (facet_change_point){t, left};
  return FACET_OK;
}

static int by_t(const void *a_, const void *b_)
{
  const facet_change_point *a = a_, *b = b_;
  return (a->t > b->t) - (a->t < b->t);
}

/* In order of t, each once. */
static void sort_changes(facet_walk *w)
{
  int64_t kept = 0;
  qsort(w->change, (size_t)w->changes, sizeof *w->change, by_t);
  for (int64_t i = 0; i < w->changes; i++)
    if (kept == 0 || w->change[i].t - w->change[kept - 1].t > nearest)
      w->change[kept++] = w->change[i];
  w->changes = kept;
}

/* What lies in a slot at a new point, between two old ones. */
static void between(double *x, int64_t size, int64_t left, int64_t right, double share, int64_t point)
{
  const double *a = x + left * size, *b = x + right * size;
  double *to = x + point * size;
  for (int64_t i = 0; i < size; i++)
    to[i] = (1 - share) * a[i] + share * b[i];
}

void facet_walk_between(facet_walk *w, const facet_live_slots *live, int64_t a, int64_t b, double share, int64_t point)
{
  for (int i = 0; i < live->count; i++)
    between(facet_walk_value(w, live->slot[i]), live->size[i], a, b, share, point);
}

static void add_point(facet_walk *w, const facet_live_slots *live, const facet_change_point *c, int64_t right)
{
  int64_t point = w->count++;
  double share = (c->t - w->t[c->left]) / (w->t[right] - w->t[c->left]);
  w->t[point] = c->t;
  w->parent[point] = c->left;
  facet_walk_between(w, live, c->left, right, share, point);
}

static void cut(facet_walk *w, const facet_live_slots *live)
{
  int64_t old = w->count, next = 0, placed = 0;
  for (int64_t i = 0; i < old; i++) {
    w->spare[placed++] = w->order[i];
    for (; next < w->changes && w->change[next].left == w->order[i]; next++) {
      w->spare[placed++] = w->count;
      add_point(w, live, &w->change[next], w->order[i + 1]);
    }
  }
  int64_t *order = w->spare;
  w->spare = w->order;
  w->order = order;
}

facet_status facet_walk_cut(facet_walk *w, int number, bool *fits)
{
  const facet_step *step = &w->x->step[number];
  facet_walk_step *s = &w->step[number];
  w->changes = 0;
  w->rounding = facet_walk_rounding_of(w, step);
  FACET_TRY(s->piece ? facet_walk_gate_changes(w, step) : facet_walk_maximum_changes(w, step));
  sort_changes(w);
  *fits = w->count + w->changes <= w->most;
  if (!*fits)
    return FACET_OK;
  s->before = w->count;
  cut(w, &s->values);
  s->after = w->count;
  if (s->piece)
    facet_walk_gate_pattern(w, step, s->piece);
  else
    facet_walk_maximum_pattern(w, step, s->winner);
  return FACET_OK;
}
