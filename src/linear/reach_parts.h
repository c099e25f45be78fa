/* Private to reach*.c. */
#ifndef FACET_REACH_PARTS_H
#define FACET_REACH_PARTS_H

#include <facet/linear.h>

#include "base/base.h"
#include "net/region.h"

enum { FACET_PROBES = 48, FACET_PROBE_BATCH = FACET_REGION_POINTS };

/* Walls and contrasts are two families: of each the nearest one is sought. */
typedef enum { FACET_WALLS, FACET_CONTRASTS, FACET_FAMILIES } facet_family_of_walls;

typedef struct {
  double distance, least; /* least: as far as rounding may carry it, or any other one, down */
  int64_t wall;           /* -1: there is none */
} facet_nearest;

typedef struct {
  double least;
  int64_t wall;
} facet_candidate;

struct facet_reach {
  facet_reach_options options;
  facet_region *region;
  int64_t inputs, walls, all, probes; /* all: walls and contrasts */
  double *squares, *sizes;            /* of what each gains, summed over the probes; sizes: certain alone */
  double *noise;                      /* by part: how far rounding may carry a gain */
  uint8_t *pulled;
  facet_candidate *candidate;
  int64_t candidates, room;
  double *point; /* FACET_PROBE_BATCH x D */
  double *row;   /* FACET_REGION_ROWS x D */
  double constant[FACET_REGION_ROWS];
  const double *x;
  facet_nearest found[FACET_FAMILIES][FACET_NORMS];
  int64_t rows, tied;
  bool broken;                        /* some d is no number */
  int64_t outside[FACET_PROBE_BATCH]; /* walls behind which a point lies */
};

static inline double facet_reach_scale(const facet_reach *r, int64_t i)
{
  return r->options.scale ? r->options.scale[i] : 1;
}

/* ---- bounds of all rows: reach_bound.c ---- */

/* What |a| is about, in a dual norm, and what it is at most. */
typedef struct {
  double about, most;
} facet_span;

/* Sums up what all d gain along the probes. */
facet_status facet_reach_probe(facet_reach *r);
facet_span facet_reach_span(const facet_reach *r, int64_t wall, double noise, int norm);
/* Whether d does not depend on the input at all, as far as rounding can tell. */
bool facet_reach_constant(const facet_reach *r, int64_t wall, double noise);

/* ---- the nearest: reach_seek.c ---- */

/* |a| in the dual norm. */
double facet_row_length(const facet_reach *r, const double *row, int norm);
bool facet_reach_tied(const facet_reach *r, int64_t wall, double rounding);
/* Finds the nearest one of a family. */
facet_status facet_reach_seek(facet_reach *r, facet_family_of_walls family, int norm);

#endif
