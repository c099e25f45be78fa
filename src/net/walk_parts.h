/* Private to walk*.c.  Points have numbers in the order in which they were found, and so have pieces, by the point at
 * their left: 0 is the left end of the part, 1 the right one, to the right of which nothing is. */
#ifndef FACET_WALK_PARTS_H
#define FACET_WALK_PARTS_H

#include "executor.h"
#include "walk.h"

enum { AT_ONCE = FACET_WALK_PASSES }; /* points that kernels take at once */

/* A change inside a piece. */
typedef struct {
  double t;
  int64_t left;
} facet_change_point;

typedef struct {
  int count, *slot;
  int64_t *size; /* numbers of one point there */
} facet_live_slots;

/* What the walk knows of a step beside the executor. */
typedef struct {
  uint8_t *piece;                    /* gate, of every piece: which piece of the gate, by element */
  int32_t *winner;                   /* maximum: who won */
  facet_live_slots values, adjoints; /* steps that cut pieces: what is read then or later, there and back */
  facet_live_slots above;            /* the same: adjoints before it is pulled back */
  int64_t before, after;             /* points before it was run, and after */
  bool *changes;                     /* at every place of the part, whether its pattern there is another one */
  double products;                   /* linear: of AT_ONCE vectors */
} facet_walk_step;

/* What a piece and a span have in common: walk_spans.c. */
typedef struct {
  int64_t piece, span;
  double length;
} facet_walk_common;
enum { FACET_WALK_ASIDE = 1 << 15 }; /* numbers, several of each point there may be */

struct facet_walk {
  facet_executor *x; /* whose steps these are; its buffers serve the plain passes */
  facet_kernels kernels;
  double *ends;               /* 2 x D */
  double *middles;            /* AT_ONCE x D, of plain passes */
  int64_t most, count, found; /* points there is room for; in use; of the whole part */
  double *t;                  /* most */
  int64_t *parent;            /* of a piece: the one that it was cut from */
  int64_t *order, *spare;     /* point numbers in order of t */
  facet_change_point *change; /* of one step */
  int64_t changes, change_room;
  facet_walk_step *step;
  double *memory;                 /* values on the way there, adjoints on the way back */
  int64_t *value_at, *adjoint_at; /* per slot of the executor: where it begins in `memory`, for `most` points */
  double *slope;                  /* of a gate, on one piece */
  double rounding;                /* of the step that cuts: what is within rounding of 0 there */
  double *low, *high;             /* of a maximum: what competes at the two ends of a piece */
  double *logits;                 /* of every point */
  double *outside;                /* adjoints of the input */
  /* back: of spans, from the top to the step `turn`, and of pieces then; steps: of pieces alone; -1: of spans alone */
  bool planned; /* for this part */
  int turn;
  int64_t spans;             /* 0: it is on pieces */
  int64_t *span;             /* of each place */
  int64_t *row;              /* of each vector: the piece that its pattern is that of */
  bool *above;               /* places where some pattern above changes, while it is planned */
  facet_walk_common *common; /* most */
  double *aside;             /* FACET_WALK_ASIDE */
};

static inline double *facet_walk_value(const facet_walk *w, int slot)
{
  return w->memory + w->value_at[slot];
}

static inline double *facet_walk_adjoint(const facet_walk *w, int slot)
{
  return slot == NO_SLOT ? NULL : slot == OUTSIDE ? w->outside : w->memory + w->adjoint_at[slot];
}

static inline int64_t facet_walk_size(const facet_walk *w, int value)
{
  return facet_layout_size(w->x->layout[value]);
}

/* Which slots are live when steps that cut run: walk_live.c. */
facet_status facet_walk_find_live(facet_walk *walk);
/* Right before a step that cuts is run: new points where it changes, values there, and the pattern of every piece.
 * *fits false: there are too many. walk_cut.c */
facet_status facet_walk_cut(facet_walk *walk, int step, bool *fits);
/* Below that, what a step that cuts reads may be 0, or equal. */
double facet_walk_rounding_of(const facet_walk *walk, const facet_step *step);
/* What is live at a new point, which lies between two others. */
void facet_walk_between(facet_walk *walk, const facet_live_slots *live, int64_t a, int64_t b, double share,
                        int64_t point);
/* Notes the changes of a step, piece by piece; afterwards its pattern on every piece. walk_gate.c, walk_maximum.c */
facet_status facet_walk_note(facet_walk *walk, int64_t place, double share);
facet_status facet_walk_gate_changes(facet_walk *walk, const facet_step *step);
void facet_walk_gate_pattern(const facet_walk *walk, const facet_step *step, uint8_t *piece);
/* What the elements of a maximum are made of, as windows over one input or as several inputs and constants. */
typedef struct {
  const facet_step *step;
  facet_windows windows;
  facet_layout out;
  bool window;
  double sign;
} facet_walk_maximum;
facet_walk_maximum facet_walk_maximum_of(const facet_walk *walk, const facet_step *step);
/* How many compete for element i; candidate t of them at a point, larger is better. */
int64_t facet_walk_rivals(const facet_walk_maximum *maximum, int64_t i);
double facet_walk_rival(const facet_walk *walk, const facet_walk_maximum *maximum, int64_t i, int64_t t, int64_t point);
facet_status facet_walk_maximum_changes(facet_walk *walk, const facet_step *step);
void facet_walk_maximum_pattern(const facet_walk *walk, const facet_step *step, int32_t *winner);
/* A step's values at all points: walk_there.c. Its adjoints, at all pieces: walk_back.c. */
facet_status facet_walk_there(facet_walk *walk, int step);
facet_status facet_walk_back(facet_walk *walk, int step);

/* walk_spans.c. Chooses the turn, of a part that was walked. */
void facet_walk_plan(facet_walk *walk);
/* At the top: one span, whose adjoint is to be put in place. Before a step that cuts: spans end where its pattern
 * changes. Behind it, if it is the turn: pieces take what is of spans. Behind all steps: the first piece takes all. */
void facet_walk_spans_begin(facet_walk *walk);
void facet_walk_spans_split(facet_walk *walk, int step);
void facet_walk_spans_turn(facet_walk *walk, int step);
void facet_walk_spans_end(facet_walk *walk);

#endif
