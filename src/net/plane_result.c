/* What a slice was found to be, and its certificate: areas that add up to the whole, and at the middle of every region
 * a plain forward pass, which knows nothing of corners. */
#include <math.h>
#include <string.h>

#include "plane_parts.h"

enum { POINTS_A_POLYGON = 3, CORNERS_A_POLYGON = 6 };

double facet_plane_logit(const facet_plane *s, int64_t k, int64_t point)
{
  const facet_executor *x = s->walk->x;
  facet_layout layout = x->layout[x->network->output];
  const double *logits = facet_walk_value(s->walk, x->slot[x->network->output]) + point * facet_layout_size(layout);
  return logits[facet_layout_at(layout, k / layout.spatial, k % layout.spatial)];
}

void facet_plane_place(facet_plane *s, int64_t point, double u, double v)
{
  const facet_network *network = s->walk->x->network;
  int64_t inputs = facet_network_inputs(network);
  const double *origin = s->options->origin, *e1 = s->options->along, *e2 = e1 + inputs;
  double *to = facet_walk_value(s->walk, s->walk->x->slot[network->input]) + point * inputs;
  for (int64_t i = 0; i < inputs; i++)
    to[i] = origin[i] + u * e1[i] + v * e2[i];
}

/* ---- room ---- */

/* At least so many. */
static facet_status grow(void *pointer_to_pointer, int64_t old, int64_t room, size_t size)
{
  return facet_grow(pointer_to_pointer, (size_t)old, (size_t)room, size);
}

static int64_t more(int64_t room, int64_t wanted)
{
  int64_t doubled = 2 * room;
  return doubled > wanted ? doubled : wanted + 16;
}

static facet_status make_room(facet_plane *s, int64_t corners)
{
  facet_plane_result *r = &s->r;
  int64_t classes = facet_network_outputs(s->walk->x->network), old = s->point_room, room;
  if (r->points + corners > s->point_room) {
    room = more(old, r->points + corners);
    FACET_TRY(grow(&s->points, 2 * old, 2 * room, sizeof *s->points));
    FACET_TRY(grow(&s->logits, classes * old, classes * room, sizeof *s->logits));
    s->point_room = room;
  }
  old = s->corner_room;
  if (r->corners + corners > s->corner_room) {
    room = more(old, r->corners + corners);
    FACET_TRY(grow(&s->corner, old, room, sizeof *s->corner));
    FACET_TRY(grow(&s->edge, old, room, sizeof *s->edge));
    s->corner_room = room;
  }
  old = s->polygon_room;
  if (r->polygons + 2 > s->polygon_room) {
    room = more(old, r->polygons + 2);
    FACET_TRY(grow(&s->first, old, room, sizeof *s->first));
    FACET_TRY(grow(&s->winner, old, room, sizeof *s->winner));
    FACET_TRY(grow(&s->region, old, room, sizeof *s->region));
    s->polygon_room = room;
  }
  return FACET_OK;
}

/* ---- polygons ---- */

static int32_t number_of(facet_plane *s, int64_t point)
{
  facet_plane_result *r = &s->r;
  int64_t classes = facet_network_outputs(s->walk->x->network);
  if (s->number[point] != NO_POINT)
    return s->number[point];
  memcpy(s->points + 2 * r->points, s->at + 2 * point, 2 * sizeof *s->at);
  for (int64_t k = 0; k < classes; k++)
    s->logits[r->points * classes + k] = facet_plane_logit(s, k, point);
  s->number[point] = (int32_t)r->points;
  return (int32_t)r->points++;
}

/* Whether another logit is as large as the winner's at both ends. */
static bool is_boundary(const facet_plane *s, int64_t winner, int64_t a, int64_t b)
{
  double at_a = facet_plane_logit(s, winner, a) - s->rounding, at_b = facet_plane_logit(s, winner, b) - s->rounding;
  for (int64_t k = 0; k < facet_network_outputs(s->walk->x->network); k++)
    if (k != winner && facet_plane_logit(s, k, a) >= at_a && facet_plane_logit(s, k, b) >= at_b)
      return true;
  return false;
}

static double area_of(const facet_plane *s, const facet_corners *p)
{
  const double *o = s->at + 2 * p->corner[0];
  double twice = 0;
  for (int64_t i = 1; i + 1 < p->count; i++) {
    const double *a = s->at + 2 * p->corner[i], *b = s->at + 2 * p->corner[i + 1];
    twice += (a[0] - o[0]) * (b[1] - o[1]) - (b[0] - o[0]) * (a[1] - o[1]);
  }
  return twice / 2;
}

facet_status facet_plane_emit(facet_plane *s, const facet_corners *p, int64_t winner)
{
  facet_plane_result *r = &s->r;
  FACET_TRY(make_room(s, p->count));
  for (int64_t i = 0; i < p->count; i++) {
    s->corner[r->corners + i] = number_of(s, p->corner[i]);
    s->edge[r->corners + i] = is_boundary(s, winner, p->corner[i], p->corner[i + 1 < p->count ? i + 1 : 0]);
  }
  s->winner[r->polygons] = (int32_t)winner;
  s->region[r->polygons] = r->regions;
  r->corners += p->count;
  s->first[++r->polygons] = r->corners;
  s->area += area_of(s, p);
  int64_t most = s->options->most;
  r->full = r->polygons > most || r->points > POINTS_A_POLYGON * most + 4 || r->corners > CORNERS_A_POLYGON * most + 4;
  return FACET_OK;
}

/* ---- the certificate ---- */

facet_status facet_plane_emit_region(facet_plane *s, const facet_corners *p)
{
  int64_t classes = facet_network_outputs(s->walk->x->network), each = 2 + classes;
  if (s->means == s->mean_room) {
    int64_t room = more(s->mean_room, 1);
    FACET_TRY(grow(&s->mean, each * s->mean_room, each * room, sizeof *s->mean));
    s->mean_room = room;
  }
  double *mean = s->mean + s->means++ * each;
  memset(mean, 0, (size_t)each * sizeof *mean);
  for (int64_t i = 0; i < p->count; i++) {
    for (int j = 0; j < 2; j++)
      mean[j] += s->at[2 * p->corner[i] + j] / (double)p->count;
    for (int64_t k = 0; k < classes; k++)
      mean[2 + k] += facet_plane_logit(s, k, p->corner[i]) / (double)p->count;
  }
  s->r.regions++;
  return FACET_OK;
}

static void take_residual(facet_plane *s, const double *mean, int64_t point)
{
  double most = 0, largest = 1;
  for (int64_t k = 0; k < facet_network_outputs(s->walk->x->network); k++) {
    double logit = facet_plane_logit(s, k, point), distance = fabs(logit - mean[2 + k]);
    most = isnan(most) || distance <= most ? most : distance; /* NaN stays */
    largest = fmax(largest, fabs(logit));
  }
  double residual = most / largest;
  s->r.residual = isnan(s->r.residual) || residual <= s->r.residual ? s->r.residual : residual;
}

facet_status facet_plane_certify(facet_plane *s)
{
  facet_walk *w = s->walk;
  int64_t each = 2 + facet_network_outputs(w->x->network);
  for (int64_t from = 0; from < s->means; from += w->count) {
    w->count = s->means - from < w->most ? s->means - from : w->most;
    for (int64_t p = 0; p < w->count; p++)
      facet_plane_place(s, p, s->mean[(from + p) * each], s->mean[(from + p) * each + 1]);
    for (int i = 0; i < w->x->steps; i++)
      FACET_TRY(facet_walk_there(w, i));
    for (int64_t p = 0; p < w->count; p++)
      take_residual(s, s->mean + (from + p) * each, p);
  }
  s->means = 0;
  return FACET_OK;
}
