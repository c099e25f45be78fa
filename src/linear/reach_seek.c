/* The nearest of all walls, or contrasts: of those that may be it by the bound of their rows, these are pulled back.
 * See reach.c. */
#include <math.h>
#include <stdlib.h>

#include "reach_parts.h"

/* ---- those in question ---- */

bool facet_reach_tied(const facet_reach *r, int64_t wall, double rounding)
{
  return facet_region_distances(r->region)[wall] <= rounding;
}

/* Of all that are sought: not the predicted class against itself, nor what the sample lies on, or what never moves. */
static bool is_sought(const facet_reach *r, int64_t wall, const facet_wall_part *p, double noise)
{
  if (r->pulled[wall] || facet_reach_constant(r, wall, noise))
    return false;
  return wall >= r->walls ? wall - r->walls != facet_region_class(r->region) : !facet_reach_tied(r, wall, p->rounding);
}

typedef void visit(facet_reach *r, int64_t wall, double d, double rounding, facet_span l, double *threshold);

static void for_sought(facet_reach *r, facet_family_of_walls f, int norm, visit *see, double *threshold)
{
  int parts = facet_region_parts(r->region);
  for (int part = f == FACET_WALLS ? 0 : parts - 1; part < (f == FACET_WALLS ? parts - 1 : parts); part++) {
    const facet_wall_part p = facet_region_part(r->region, part);
    for (int64_t wall = p.first; wall < p.first + p.count; wall++)
      if (is_sought(r, wall, &p, r->noise[part]))
        see(r, wall, facet_region_distances(r->region)[wall], p.rounding,
            facet_reach_span(r, wall, r->noise[part], norm), threshold);
  }
}

static void see_about(facet_reach *r, int64_t wall, double d, double rounding, facet_span l, double *threshold)
{
  (void)wall, (void)rounding;
  r->broken = r->broken || isnan(d) || isnan(l.about);
  *threshold = fmin(*threshold, d / l.about);
}

static void see_candidate(facet_reach *r, int64_t wall, double d, double rounding, facet_span l, double *threshold)
{
  double least = fmax(d - rounding, 0) / l.most;
  if (least > *threshold)
    return;
  if (r->candidates < r->room)
    r->candidate[r->candidates] = (facet_candidate){least, wall};
  r->candidates++;
}

static int by_least(const void *a_, const void *b_)
{
  const facet_candidate *a = a_, *b = b_;
  return a->least != b->least ? (a->least > b->least) - (a->least < b->least)
                              : (a->wall > b->wall) - (a->wall < b->wall);
}

/* All that may be nearer than that, the nearest first. */
static facet_status gather(facet_reach *r, facet_family_of_walls f, int norm, double threshold)
{
  r->candidates = 0;
  for_sought(r, f, norm, see_candidate, &threshold);
  if (r->candidates > r->room) {
    FACET_TRY(facet_grow(&r->candidate, (size_t)r->room, (size_t)r->candidates, sizeof *r->candidate));
    r->room = r->candidates;
    r->candidates = 0;
    for_sought(r, f, norm, see_candidate, &threshold);
  }
  qsort(r->candidate, (size_t)r->candidates, sizeof *r->candidate, by_least);
  return FACET_OK;
}

/* ---- rows ---- */

double facet_row_length(const facet_reach *r, const double *row, int norm)
{
  double sum = 0;
  for (int64_t i = 0; i < r->inputs; i++) {
    double a = row[i] * facet_reach_scale(r, i);
    sum += norm == FACET_NORM_MAX ? fabs(a) : a * a;
  }
  return norm == FACET_NORM_MAX ? sum : sqrt(sum);
}

static void take_row(facet_reach *r, int64_t wall, const double *row)
{
  double d = facet_region_distances(r->region)[wall];
  double rounding = facet_region_part(r->region, facet_region_part_of(r->region, wall)).rounding;
  for (int norm = 0; norm < FACET_NORMS; norm++) {
    facet_nearest *n = &r->found[wall >= r->walls ? FACET_CONTRASTS : FACET_WALLS][norm];
    double length = facet_row_length(r, row, norm), distance = d / length;
    n->least = fmin(n->least, (d - rounding) / length);
    if (distance < n->distance || (distance == n->distance && wall < n->wall)) {
      n->distance = distance;
      n->wall = wall;
    }
  }
}

static facet_status pull(facet_reach *r, int64_t count, const facet_candidate *c)
{
  int64_t wall[FACET_REGION_ROWS];
  for (int64_t i = 0; i < count; i++)
    wall[i] = c[i].wall;
  FACET_TRY(facet_region_rows(r->region, count, wall, r->row, r->constant));
  for (int64_t i = 0; i < count; i++) {
    r->pulled[wall[i]] = 1;
    take_row(r, wall[i], r->row + i * r->inputs);
  }
  r->rows += count;
  return FACET_OK;
}

/* The nearest one: first those that may be as near as one that is about the nearest; if it is farther, those that may
 * be as near as what was found. */
facet_status facet_reach_seek(facet_reach *r, facet_family_of_walls f, int norm)
{
  const facet_nearest *n = &r->found[f][norm];
  double threshold = n->distance;
  for_sought(r, f, norm, see_about, &threshold);
  for (bool again = threshold < INFINITY && !r->broken; again;) {
    FACET_TRY(gather(r, f, norm, threshold));
    for (int64_t at = 0, count; at < r->candidates && r->candidate[at].least <= n->distance; at += count) {
      count = r->candidates - at < FACET_REGION_ROWS ? r->candidates - at : FACET_REGION_ROWS;
      FACET_TRY(pull(r, count, r->candidate + at));
    }
    again = n->distance > threshold;
    threshold = n->distance;
  }
  return FACET_OK;
}
