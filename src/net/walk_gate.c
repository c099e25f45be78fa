/* Where gates change inside a piece, and which of its own pieces a gate is on: decided by the values at the two ends of
 * a piece, between which they are affine.  What is within rounding of a boundary at both ends lies on it, and is on the
 * lower side, as everywhere in facet. */
#include <math.h>
#include <string.h>

#include "walk_parts.h"

enum { ROW = 16 }; /* elements that are looked at together */

/* Whether any of ROW elements, or fewer, is on different sides of a boundary at the two ends. */
static bool any_crosses(const double *a, const double *b, int64_t count, double at)
{
  double least = 0;
  for (int64_t i = 0; i < count; i++) {
    double product = (a[i] - at) * (b[i] - at);
    least = product < least ? product : least;
  }
  return least < 0;
}

static facet_status note_row(facet_walk *w, int64_t place, const double *a, const double *b, int64_t count, double at)
{
  for (int64_t i = 0; i < count; i++) {
    double before = a[i] - at, after = b[i] - at;
    if (before * after < 0 && fmax(fabs(before), fabs(after)) > w->rounding)
      FACET_TRY(facet_walk_note(w, place, before / (before - after)));
  }
  return FACET_OK;
}

facet_status facet_walk_gate_changes(facet_walk *w, const facet_step *step)
{
  const facet_lowered *l = step->lowered;
  int64_t size = facet_walk_size(w, step->output);
  const double *u = facet_walk_value(w, step->in_slot[0]);
  for (int64_t place = 0; place + 1 < w->count; place++) {
    const double *a = u + w->order[place] * size, *b = u + w->order[place + 1] * size;
    for (int p = 0; p < l->pieces - 1; p++)
      for (int64_t i = 0; i < size; i += ROW) {
        int64_t count = size - i < ROW ? size - i : ROW;
        if (any_crosses(a + i, b + i, count, l->at[p]))
          FACET_TRY(note_row(w, place, a + i, b + i, count, l->at[p]));
      }
  }
  return FACET_OK;
}

/* Elements above a boundary on one piece are on the gate's piece `above`. */
static void mark_above(const double *a, const double *b, int64_t size, double at, double rounding, uint8_t above,
                       uint8_t *on)
{
  for (int64_t i = 0; i < size; i++) {
    double before = a[i] - at, after = b[i] - at;
    bool off = (fabs(before) > rounding) | (fabs(after) > rounding);
    on[i] = ((before + after > 0) & off) ? above : on[i];
  }
}

void facet_walk_gate_pattern(const facet_walk *w, const facet_step *step, uint8_t *piece)
{
  const facet_lowered *l = step->lowered;
  int64_t size = facet_walk_size(w, step->output);
  const double *u = facet_walk_value(w, step->in_slot[0]);
  memset(piece, 0, (size_t)(w->count * size));
  for (int64_t place = 0; place + 1 < w->count; place++) {
    const double *a = u + w->order[place] * size, *b = u + w->order[place + 1] * size;
    for (int p = 0; p < l->pieces - 1; p++)
      mark_above(a, b, size, l->at[p], w->rounding, (uint8_t)(p + 1), piece + w->order[place] * size);
  }
}
