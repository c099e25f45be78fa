/* A slice: its memory, and its chunks, one after the other. See <facet/plane.h>. */
#include <facet/plane.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plane_parts.h"

/* Corners at once: a polygon with all that a wide maximum makes of it. */
enum { FEWEST = 64 };

/* ---- lists of polygons ---- */

facet_status facet_polygons_add(facet_polygons *p, int64_t count, const int32_t *corner, int64_t next)
{
  if (p->count == p->room) {
    int64_t room = 2 * p->room + 16;
    FACET_TRY(facet_grow(&p->next, (size_t)p->room, (size_t)room, sizeof *p->next));
    FACET_TRY(facet_grow(&p->first, p->first ? (size_t)p->room + 1 : 0, (size_t)room + 1, sizeof *p->first));
    p->room = room;
  }
  int64_t first = p->first[p->count];
  if (first + count > p->corner_room) {
    int64_t room = 2 * (first + count);
    FACET_TRY(facet_grow(&p->corner, (size_t)p->corner_room, (size_t)room, sizeof *p->corner));
    p->corner_room = room;
  }
  memcpy(p->corner + first, corner, (size_t)count * sizeof *corner);
  p->next[p->count] = next;
  p->first[++p->count] = first + count;
  return FACET_OK;
}

void facet_polygons_clear(facet_polygons *p)
{
  FACET_FREE(&p->first, &p->next, &p->corner);
  *p = (facet_polygons){.count = 0};
}

/* ---- memory ---- */

static facet_status make(const facet_network *network, double bytes, facet_plane *s)
{
  FACET_TRY(facet_network_need_pieces(network, "a plane"));
  FACET_TRY(facet_walk_create(network, bytes, FEWEST, &s->walk));
  int64_t most = s->walk->most;
  for (s->slots = 16; s->slots < 2 * most;)
    s->slots *= 2;
  FACET_NEW(s->crossed, s->slots);
  FACET_NEW(s->at, 2 * most);
  FACET_NEW(s->number, most);
  FACET_NEW(s->value, most + 2);
  for (int i = 0; i < LISTS; i++)
    FACET_NEW(s->list[i].corner, most + 2);
  const facet_executor *x = s->walk->x;
  FACET_NEW(s->logits_live.slot, 1);
  FACET_NEW(s->logits_live.size, 1);
  s->logits_live.count = 1;
  s->logits_live.slot[0] = x->slot[x->network->output];
  s->logits_live.size[0] = facet_walk_size(s->walk, x->network->output);
  return FACET_OK;
}

facet_status facet_plane_create(const facet_network *network, double bytes, facet_plane **plane)
{
  *plane = NULL;
  facet_plane *s;
  FACET_NEW(s, 1);
  facet_status status = make(network, bytes, s);
  if (status != FACET_OK)
    facet_plane_destroy(&s);
  *plane = s;
  return status;
}

static void pop(facet_plane *s)
{
  facet_chunk *c = s->waiting;
  s->waiting = c->below;
  facet_polygons_clear(&c->polygons);
  FACET_FREE(&c->at);
  facet_free(&c);
}

void facet_plane_destroy(facet_plane **plane)
{
  facet_plane *s = *plane;
  if (!s)
    return;
  while (s->waiting)
    pop(s);
  facet_walk_destroy(&s->walk);
  facet_polygons_clear(&s->now);
  facet_polygons_clear(&s->then);
  facet_polygons_clear(&s->work);
  for (int i = 0; i < LISTS; i++)
    facet_free(&s->list[i].corner);
  FACET_FREE(&s->crossed, &s->at, &s->number, &s->value, &s->rival, &s->points, &s->logits, &s->mean, &s->first,
             &s->region, &s->corner, &s->winner, &s->edge, &s->logits_live.slot, &s->logits_live.size);
  facet_free(plane);
}

/* ---- chunks ---- */

/* A polygon and where its middle lies, to be put in order. */
typedef struct {
  double middle;
  int64_t number;
} placed;

static int by_middle(const void *a_, const void *b_)
{
  const placed *a = a_, *b = b_;
  return a->middle != b->middle ? (a->middle > b->middle) - (a->middle < b->middle)
                                : (a->number > b->number) - (a->number < b->number);
}

static double middle_of(const facet_plane *s, int64_t polygon, int axis)
{
  const facet_polygons *p = &s->now;
  double sum = 0;
  for (int64_t i = p->first[polygon]; i < p->first[polygon + 1]; i++)
    sum += s->at[2 * p->corner[i] + axis];
  return sum / (double)facet_polygons_corners(p, polygon);
}

/* Along the axis in which middles lie farther apart. */
static void put_in_order(const facet_plane *s, placed *order)
{
  double length[2];
  for (int pass = 0; pass < 3; pass++) {
    int axis = pass < 2 ? pass : length[1] > length[0];
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < s->now.count; i++) {
      order[i] = (placed){middle_of(s, i, axis), i};
      low = fmin(low, order[i].middle);
      high = fmax(high, order[i].middle);
    }
    if (pass < 2)
      length[pass] = high - low;
  }
  qsort(order, (size_t)s->now.count, sizeof *order, by_middle);
}

static facet_status fill(facet_plane *s, const placed *order, int64_t count, facet_chunk *c)
{
  const facet_polygons *from = &s->now;
  facet_corners *polygon = &s->list[LIST_POLYGON];
  FACET_NEW(c->at, 2 * s->walk->count);
  for (int64_t p = 0; p < s->walk->count; p++)
    s->number[p] = NO_POINT;
  for (int64_t i = 0; i < count; i++) {
    int64_t number = order[i].number;
    polygon->count = 0;
    for (int64_t k = from->first[number]; k < from->first[number + 1]; k++) {
      int32_t point = from->corner[k];
      if (s->number[point] == NO_POINT) {
        memcpy(c->at + 2 * c->points, s->at + 2 * point, 2 * sizeof *s->at);
        s->number[point] = (int32_t)c->points++;
      }
      polygon->corner[polygon->count++] = s->number[point];
    }
    FACET_TRY(facet_polygons_add(&c->polygons, polygon->count, polygon->corner, from->next[number]));
  }
  return FACET_OK;
}

/* Some of the polygons at hand wait, from a step on. */
static facet_status push(facet_plane *s, int step, const placed *order, int64_t count)
{
  facet_chunk *c;
  FACET_NEW(c, 1);
  c->step = step;
  c->below = s->waiting;
  s->waiting = c;
  return fill(s, order, count, c);
}

/* All of them, one half after the other. */
static facet_status push_halves(facet_plane *s, int step)
{
  int64_t half = s->now.count / 2;
  placed *order;
  FACET_NEW(order, s->now.count);
  put_in_order(s, order);
  facet_status status = push(s, step, order + half, s->now.count - half);
  if (status == FACET_OK && half > 0)
    status = push(s, step, order, half);
  facet_free(&order);
  return status;
}

static void turn(facet_plane *s)
{
  facet_polygons then = s->then;
  s->then = s->now;
  s->now = then;
  s->then.count = 0;
}

static facet_status start_chunk(facet_plane *s, int *step)
{
  facet_chunk *c = s->waiting;
  facet_walk *w = s->walk;
  *step = c->step;
  w->count = c->points;
  memcpy(s->at, c->at, (size_t)(2 * c->points) * sizeof *s->at);
  for (int64_t p = 0; p < c->points; p++)
    facet_plane_place(s, p, s->at[2 * p], s->at[2 * p + 1]);
  facet_polygons polygons = c->polygons;
  c->polygons = s->now;
  s->now = polygons;
  s->then.count = s->work.count = 0;
  pop(s);
  for (int i = 0; i < *step; i++) {
    FACET_TRY(facet_executor_pause(w->x));
    FACET_TRY(facet_walk_there(w, i));
  }
  return FACET_OK;
}

/* A polygon alone for which there is no room: it gets all of it, unless it had. */
static facet_status check_progress(const facet_plane *s, int64_t before, int64_t next)
{
  FACET_CHECK(s->now.count > 1 || before > 1 || s->now.next[0] > next, FACET_BAD_INPUT,
              "a polygon of %lld corners, of %lld that fit, cannot be cut: it wants more memory",
              (long long)facet_polygons_corners(&s->now, 0), (long long)s->walk->most);
  return FACET_OK;
}

/* Right before a step: the last one is behind all steps, where regions are cut by the largest logit. */
static facet_status cut(facet_plane *s, int step, bool *fits)
{
  facet_walk *w = s->walk;
  int64_t before = s->now.count, next = s->now.next[0];
  bool last = step == w->x->steps;
  *fits = true;
  facet_plane_forget(s);
  if (last) {
    double largest = 0;
    for (int64_t p = 0; p < w->count; p++)
      for (int64_t k = 0; k < facet_network_outputs(w->x->network); k++)
        largest = fmax(largest, fabs(facet_plane_logit(s, k, p)));
    s->rounding = FACET_WALK_ROUNDING * largest;
    s->live = &s->logits_live;
    FACET_TRY(facet_plane_regions(s, fits));
  } else {
    s->rounding = facet_walk_rounding_of(w, &w->x->step[step]);
    s->live = &w->step[step].values;
    FACET_TRY(w->step[step].piece ? facet_plane_gate(s, step, fits) : facet_plane_maximum(s, step, fits));
  }
  turn(s);
  if (*fits)
    return FACET_OK;
  FACET_TRY(check_progress(s, before, next));
  return push_halves(s, step);
}

static facet_status run_chunk(facet_plane *s)
{
  facet_walk *w = s->walk;
  int from;
  bool fits = true;
  FACET_TRY(start_chunk(s, &from));
  for (int i = from; i < w->x->steps && fits; i++) {
    FACET_TRY(facet_executor_pause(w->x));
    if (facet_step_chooses(&w->x->step[i]))
      FACET_TRY(cut(s, i, &fits));
    for (int64_t p = 0; p < s->now.count; p++)
      s->now.next[p] = 0;
    if (fits)
      FACET_TRY(facet_walk_there(w, i));
  }
  for (int64_t p = 0; p < w->most; p++)
    s->number[p] = NO_POINT;
  if (fits)
    FACET_TRY(cut(s, w->x->steps, &fits));
  return s->r.full ? FACET_OK : facet_plane_certify(s);
}

/* ---- all of it ---- */

/* What is to be cut, as the first chunk; its size. */
static facet_status begin(facet_plane *s, const facet_plane_options *o, double *area)
{
  facet_corners *whole = &s->list[LIST_POLYGON];
  double twice = 0, diameter = 0;
  FACET_CHECK(o->corners >= 3 && o->corners <= s->walk->most, FACET_INTERNAL, "a polygon of %lld corners",
              (long long)o->corners);
  while (s->waiting)
    pop(s);
  s->options = o;
  s->r = (facet_plane_result){.full = false};
  s->area = 0;
  s->means = 0;
  s->side = NULL;
  s->now.count = 0;
  for (int64_t i = 0; i < o->corners; i++) {
    const double *first = o->corner, *a = o->corner + 2 * i, *b = o->corner + 2 * ((i + 1) % o->corners);
    twice += (a[0] - first[0]) * (b[1] - first[1]) - (b[0] - first[0]) * (a[1] - first[1]); /* far from 0, too */
    for (int64_t j = 0; j < i; j++)
      diameter = fmax(diameter, hypot(a[0] - o->corner[2 * j], a[1] - o->corner[2 * j + 1]));
    s->at[2 * i] = a[0];
    s->at[2 * i + 1] = a[1];
    whole->corner[i] = (int32_t)i;
  }
  s->walk->count = o->corners;
  s->nearest = FACET_PLANE_NEAREST * diameter;
  *area = twice / 2;
  FACET_TRY(facet_polygons_add(&s->now, o->corners, whole->corner, 0));
  return push(s, 0, &(placed){0, 0}, 1);
}

/* Polygons that are found or wait. */
static int64_t polygons_so_far(const facet_plane *s)
{
  int64_t sum = s->r.polygons;
  for (const facet_chunk *c = s->waiting; c; c = c->below)
    sum += c->polygons.count;
  return sum;
}

facet_status facet_plane_cut(facet_plane *s, const facet_plane_options *o, facet_plane_result *result)
{
  double area;
  FACET_TRY(begin(s, o, &area));
  facet_walk_pauses(s->walk, o->pause, o->context);
  while (s->waiting && !s->r.full) {
    FACET_TRY(run_chunk(s));
    s->r.full = s->r.full || polygons_so_far(s) > o->most;
  }
  s->r.uncovered = fabs(1 - s->area / area);
  s->r.at = s->points;
  s->r.logits = s->logits;
  s->r.first = s->first;
  s->r.corner = s->corner;
  s->r.edge = s->edge;
  s->r.winner = s->winner;
  s->r.region = s->region;
  *result = s->r;
  return FACET_OK;
}
