/* Coordinates of a plane through three inputs: the first is the origin, the second lies on the first axis, and
 * distances are those of the input.  And what of it is looked at. */
#include <math.h>

#include "plane_parts.h"

/* The three lie on a line if the third is no farther from it than this, of its distance to the first. */
static const double flat = 0x1p-30;

static double length_of(int64_t inputs, const double *x)
{
  double sum = 0;
  for (int64_t i = 0; i < inputs; i++)
    sum += x[i] * x[i];
  return sqrt(sum);
}

static void scale(int64_t inputs, double factor, double *x)
{
  for (int64_t i = 0; i < inputs; i++)
    x[i] *= factor;
}

facet_status facet_plane_through(int64_t inputs, const double *const *x, double *along, double *at)
{
  double *e1 = along, *e2 = along + inputs, inner = 0, farther = 0;
  for (int64_t i = 0; i < inputs; i++) {
    e1[i] = x[1][i] - x[0][i];
    e2[i] = x[2][i] - x[0][i];
  }
  double first = length_of(inputs, e1), second = length_of(inputs, e2);
  scale(inputs, 1 / first, e1);
  for (int64_t i = 0; i < inputs; i++)
    inner += e1[i] * e2[i];
  for (int64_t i = 0; i < inputs; i++)
    e2[i] -= inner * e1[i];
  double above = length_of(inputs, e2);
  FACET_CHECK(first > 0 && above > flat * second, FACET_BAD_INPUT, "they lie on a line: there are many such planes");
  scale(inputs, 1 / above, e2);
  for (int64_t i = 0; i < inputs; i++) /* once more, for what rounding left of e1 */
    farther += e1[i] * e2[i];
  for (int64_t i = 0; i < inputs; i++)
    e2[i] -= farther * e1[i];
  at[0] = at[1] = at[3] = 0;
  at[2] = first;
  at[4] = inner;
  at[5] = above;
  return FACET_OK;
}

void facet_plane_around(const double *at, double margin, double window, const double *centre, double *corner)
{
  double low[2], high[2];
  if (!centre)
    centre = at;
  for (int i = 0; i < 2; i++) {
    low[i] = fmin(fmin(at[i], at[2 + i]), at[4 + i]);
    high[i] = fmax(fmax(at[i], at[2 + i]), at[4 + i]);
  }
  double more = margin * fmax(high[0] - low[0], high[1] - low[1]);
  for (int i = 0; i < 2; i++) {
    low[i] = centre[i] + window * (low[i] - more - centre[i]);
    high[i] = centre[i] + window * (high[i] + more - centre[i]);
  }
  const double all[8] = {low[0], low[1], high[0], low[1], high[0], high[1], low[0], high[1]};
  for (int i = 0; i < 8; i++)
    corner[i] = all[i];
}

/* ---- where the largest logit changes ---- */

/* Even parts of a way, of which the first with a change is divided again, so many times in all. */
enum { PARTS = 64, ROUNDS = 4 };

/* The first part of the way from t[0] to t[1] at whose end another logit is the largest than `first`: becomes t. */
static facet_status narrow(facet_walk *w, int64_t first, double *logits, double t[2], int32_t *found)
{
  int64_t classes = facet_network_outputs(w->x->network);
  double from = t[0], part = (t[1] - t[0]) / PARTS, at[FACET_WALK_PASSES];
  *found = 0;
  for (int i = 0; i < PARTS && !*found; i += FACET_WALK_PASSES) {
    for (int j = 0; j < FACET_WALK_PASSES; j++)
      at[j] = from + (i + j + 1) * part;
    FACET_TRY(facet_walk_pass(w, FACET_WALK_PASSES, at, logits));
    for (int j = 0; j < FACET_WALK_PASSES && !*found; j++)
      if (facet_walk_largest(classes, logits + j * classes) != first) {
        t[0] = at[j] - part;
        t[1] = at[j];
        *found = 1;
      }
  }
  return FACET_OK;
}

static facet_status change_on(facet_walk *w, const double *start, const double *end, double *logits, double *t,
                              int32_t *found)
{
  double within[2] = {0, 1};
  int32_t again = 1;
  FACET_TRY(facet_walk_begin(w, start, end, logits));
  int64_t first = facet_walk_largest(facet_network_outputs(w->x->network), logits);
  FACET_TRY(narrow(w, first, logits, within, found));
  for (int i = 1; i < ROUNDS && *found && again; i++)
    FACET_TRY(narrow(w, first, logits, within, &again));
  *t = within[1];
  return FACET_OK;
}

facet_status facet_plane_change(facet_plane *plane, const double *const *x, const double *at,
                                facet_status (*pause)(void *context), void *context, double *centre, int32_t *found)
{
  facet_status status = FACET_OK;
  double nearest = 0, *logits;
  FACET_NEW(logits, FACET_WALK_PASSES * facet_network_outputs(plane->walk->x->network));
  facet_walk_pauses(plane->walk, pause, context);
  *found = 0;
  centre[0] = at[0];
  centre[1] = at[1];
  for (int i = 1; i < 3 && status == FACET_OK; i++) {
    int32_t there = 0;
    double t = 0;
    status = change_on(plane->walk, x[0], x[i], logits, &t, &there);
    double away = there ? t * hypot(at[2 * i], at[2 * i + 1]) : 0;
    if (status == FACET_OK && there && (!*found || away < nearest)) {
      *found = 1;
      nearest = away;
      centre[0] = t * at[2 * i];
      centre[1] = t * at[2 * i + 1];
    }
  }
  facet_free(&logits);
  return status;
}
