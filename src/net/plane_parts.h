/* Private to plane*.c.  Points have numbers of their own in a chunk, under which the walk keeps their values. */
#ifndef FACET_PLANE_PARTS_H
#define FACET_PLANE_PARTS_H

#include <facet/plane.h>

#include "walk_parts.h"

/* Polygons one after the other. Of a step that cuts, `next` is what they are to be held against next; DONE: nothing. */
typedef struct {
  int64_t count, room, corner_room;
  int64_t *first; /* count + 1 */
  int64_t *next;
  int32_t *corner;
} facet_polygons;

enum { NO_POINT = -1 };
static const int64_t DONE = INT64_MAX;

facet_status facet_polygons_add(facet_polygons *p, int64_t count, const int32_t *corner, int64_t next);
static inline int64_t facet_polygons_corners(const facet_polygons *p, int64_t i)
{
  return p->first[i + 1] - p->first[i];
}
void facet_polygons_clear(facet_polygons *p);

/* Points that steps made of edges: by the edge's ends and by what changes between them. */
typedef struct {
  int64_t key;
  int32_t low, high, point; /* low -1: empty */
} facet_crossed;

/* Polygons that wait, with the places of their points. */
typedef struct facet_chunk {
  int step; /* that is to be run next */
  int64_t points;
  double *at;
  facet_polygons polygons;
  struct facet_chunk *below; /* of the stack */
} facet_chunk;

/* A list of corners that has room for every point. */
typedef struct {
  int64_t count;
  int32_t *corner;
} facet_corners;

/* Corners in use at once while a polygon is cut. */
enum { LIST_POLYGON, LIST_ABOVE, LIST_BELOW, LIST_PART, LISTS };

struct facet_plane {
  facet_walk *walk;
  const facet_plane_options *options;
  double nearest;           /* FACET_PLANE_NEAREST of the whole */
  double *at;               /* most x 2: of the points */
  facet_polygons now, then; /* of the chunk, before and after a step */
  facet_polygons work;      /* those of one polygon, the last one first */
  facet_crossed *crossed;
  int64_t slots; /* of `crossed` */
  facet_corners list[LISTS];
  double *value;          /* of corners */
  uint8_t *side;          /* of a gate: most x elements; NULL: no gate is being cut */
  const facet_step *step; /* whose it is */
  const facet_live_slots *live;
  facet_live_slots logits_live; /* after the last step */
  double rounding;
  int64_t rivals_room, *rival; /* of a maximum: those that may win */
  facet_chunk *waiting;
  /* what is found, and what there is room for */
  facet_plane_result r;
  double *points, *logits, *mean; /* mean: places of the chunk's regions and their logits */
  int64_t point_room, polygon_room, corner_room, means, mean_room;
  int64_t *first, *region;
  int32_t *corner, *winner, *number; /* number: of a chunk's points, the result's */
  uint8_t *edge;
  double area;
};

/* What came of holding a polygon against a function that is affine on it. */
typedef enum { SPLIT_NOT, SPLIT_DONE, SPLIT_NO_ROOM } facet_split;

/* Cuts a polygon, of whose corners `value` has the function's values, where that is 0; list[LIST_ABOVE] and
 * list[LIST_BELOW] are its parts. What is within s->rounding of 0 is 0. key: of the function, or its negative, at the
 * present step. plane_split.c */
facet_split facet_plane_split(facet_plane *s, const facet_corners *polygon, const double *value, int64_t key);
/* Forgets what the step before made of edges. */
void facet_plane_forget(facet_plane *s);

/* Right before a step that cuts is run: cuts all polygons, as far as there is room. plane_gate.c, plane_maximum.c */
facet_status facet_plane_gate(facet_plane *s, int step, bool *fits);
/* Which side new points are on: of the gate that is being cut. */
void facet_plane_sides(facet_plane *s, int64_t point);
facet_status facet_plane_maximum(facet_plane *s, int step, bool *fits);
/* After the last step: every polygon is a region, and goes into the result. */
facet_status facet_plane_regions(facet_plane *s, bool *fits);

/* A polygon of the result. plane_result.c */
facet_status facet_plane_emit(facet_plane *s, const facet_corners *polygon, int64_t winner);
/* The region that was emitted last is whole: its middle is to be held against a forward pass. */
facet_status facet_plane_emit_region(facet_plane *s, const facet_corners *polygon);
facet_status facet_plane_certify(facet_plane *s);
/* Logits of a point of the chunk, after the last step. */
double facet_plane_logit(const facet_plane *s, int64_t k, int64_t point);
/* Puts a point of the chunk where it lies, before the first step. */
void facet_plane_place(facet_plane *s, int64_t point, double u, double v);

#endif
