/* Private to region*.c. */
#ifndef FACET_REGION_PARTS_H
#define FACET_REGION_PARTS_H

#include "executor.h"
#include "region.h"

typedef struct {
  int slot;
  int64_t size;
} facet_live_adjoint;

/* Of a step with a pattern, and of the output, which is the last: its walls, and adjoints of values made before it that
 * steps from it on have written to once they were pulled back. */
typedef struct {
  int step, lives;
  facet_live_adjoint *live;
  facet_wall_part part;
} facet_chooser;

struct facet_region {
  facet_kernels kernels;
  facet_executor *own;    /* the sample: its pattern; and rows back */
  facet_executor *points; /* forward */
  int choosers;           /* without the output */
  facet_chooser *chooser;
  int64_t walls, classes, predicted;
  int8_t *side;     /* of every wall: d is so many times what the step itself compares */
  double *distance; /* of the sample: walls, contrasts */
  double *logits, *point_logits;
  double *d;      /* of one chooser, at a point */
  double *b_node; /* rows x constant nodes */
};

static inline const facet_step *facet_chooser_step(const facet_region *r, const facet_executor *x, int chooser)
{
  return &x->step[r->chooser[chooser].step];
}

/* How many walls a step has; what it compares at them, for sample s of x, right before the step is run, as the pattern
 * of `own` has it, and how far rounding may carry that. region_walls.c */
int64_t facet_step_walls(const facet_executor *x, const facet_step *step);
double facet_step_compare(const facet_executor *x, const facet_step *step, const facet_step *own, int64_t s, double *d);
/* Runs a step of `points` that chooses as the pattern of `own` says. */
facet_status facet_step_frozen(facet_executor *x, facet_step *step, const facet_step *own);
/* Wall number `wall` of a step: into adjoints of its inputs, of one row, goes `side`; the constant it has itself. */
double facet_step_place(facet_executor *own, const facet_step *step, int64_t wall, int64_t row, double side);
facet_wall_name facet_step_name(const facet_executor *x, const facet_step *step, int64_t wall, int8_t side);

#endif
