/* For src/linear: the facet that a sample lies in, as what bounds it, in double.
 *
 * With the sample's pattern frozen the network is one affine map, and so is everything inside it.  The facet is where
 * the pattern is still the right one: where every gate's input is on the same side of its boundaries, and everybody who
 * won a maximum is still ahead.  Each of these is a "wall": a number d(x) = a x + c that is at least 0 in the facet.
 * Behind them come "contrasts", affine too, which are no walls: by how much the predicted class is ahead of each class.
 *
 * Points go forward through the frozen map, all of them together, and leave d of every wall; rows a of some walls come
 * back through it. */
#ifndef FACET_REGION_H
#define FACET_REGION_H

#include "net.h"

enum { FACET_REGION_POINTS = 8, FACET_REGION_ROWS = 8 }; /* at once */

typedef struct facet_region facet_region;

/* The network must outlive it. Caller destroys. */
facet_status facet_region_create(const facet_network *network, facet_region **region);
void facet_region_destroy(facet_region **region);
/* As facet_executor_pauses. */
void facet_region_pauses(facet_region *region, facet_status (*pause)(void *context), void *context);
int64_t facet_region_walls(const facet_region *region); /* contrasts are numbers from here on, one a class */

/* Walls of one gate or maximum stand together, in a part; contrasts are the last part. */
typedef struct {
  int64_t first, count;
  double rounding; /* how far rounding may carry d of the sample that was entered */
} facet_wall_part;

int facet_region_parts(const facet_region *region);
facet_wall_part facet_region_part(const facet_region *region, int part);
int facet_region_part_of(const facet_region *region, int64_t wall);

/* The sample whose facet it is from now on: D numbers in the network's input order. What is within rounding of a
 * boundary is decided by the rule of facet_executor_settle. */
facet_status facet_region_enter(facet_region *region, const double *x);
/* Of the sample: d of every wall and contrast; the predicted class. */
const double *facet_region_distances(const facet_region *region);
int64_t facet_region_class(const facet_region *region);

/* Takes d of all walls of a part at a point, and how far rounding may carry it there. */
typedef struct {
  void (*take)(void *context, int64_t point, int part, const double *d, double rounding);
  void *context;
} facet_wall_sink;

/* d of all walls and contrasts, by the sample's map, at FACET_REGION_POINTS points or fewer (D numbers each). */
facet_status facet_region_carry(facet_region *region, const double *x, int64_t count, facet_wall_sink sink);
/* Rows a of FACET_REGION_ROWS walls or contrasts, or fewer; from nothing but weights and constants come c, too. row:
 * FACET_REGION_ROWS x D, input order; constant: count. */
facet_status facet_region_rows(facet_region *region, int64_t count, const int64_t *wall, double *row, double *constant);

/* Which gate or maximum of the network a wall belongs to, as facet_executor_gates counts them; the element, in the
 * network's own order; and the piece, or the candidate, that it is on beyond the wall (facet_executor_pieces). */
typedef struct {
  int gate;
  int64_t element;
  int32_t next;
} facet_wall_name;

facet_wall_name facet_region_name(const facet_region *region, int64_t wall);

/* By plain passes, which know nothing of what was frozen: of FACET_REGION_POINTS points or fewer, how many elements of
 * the pattern are another than the sample's, and the logits (count x K). */
facet_status facet_region_compare(facet_region *region, const double *x, int64_t count, int64_t *differs,
                                  double *logits);

#endif
