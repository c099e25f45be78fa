/* Where maxima (max pools, Max, Min) change inside a piece, and who wins on it.  Candidates are affine there, so that
 * the largest is the upper envelope of a few lines, followed from left to right.  Of candidates that are one within
 * rounding at both ends the first wins, as everywhere in facet. */
#include <math.h>

#include "walk_parts.h"

/* One element's candidates at the two ends of a piece, larger is better. */
typedef struct {
  int64_t count;
  const double *low, *high;
  double rounding;
} rivals;

facet_walk_maximum facet_walk_maximum_of(const facet_walk *w, const facet_step *step)
{
  const facet_lowered *l = step->lowered;
  facet_walk_maximum m = {.step = step, .window = l->kind == KIND_WINDOW, .sign = l->sign};
  if (m.window) {
    m.windows = facet_step_windows(w->x, step);
    m.out = facet_window_layout(w->x, step, step->output);
  }
  return m;
}

int64_t facet_walk_rivals(const facet_walk_maximum *m, int64_t i)
{
  if (!m->window)
    return m->step->inputs + m->step->lowered->constants;
  int64_t s = i / m->out.block % m->windows.out_spatial;
  return m->windows.begin[s + 1] - m->windows.begin[s];
}

/* Where candidate t of a window lies in the input. */
static int64_t element_of(const facet_walk_maximum *m, int64_t i, int64_t t)
{
  int64_t k = m->out.block, s = i / k % m->windows.out_spatial;
  return i / (k * m->windows.out_spatial) * m->windows.in_spatial * k +
         m->windows.position[m->windows.begin[s] + t] * k + i % k;
}

double facet_walk_rival(const facet_walk *w, const facet_walk_maximum *m, int64_t i, int64_t t, int64_t point)
{
  const facet_step *step = m->step;
  if (m->window)
    return m->sign *
           facet_walk_value(w, step->in_slot[0])[point * facet_walk_size(w, step->input[0]) + element_of(m, i, t)];
  if (t < step->inputs)
    return m->sign * facet_walk_value(w, step->in_slot[t])[point * facet_walk_size(w, step->output) + i];
  return m->sign * ((const double *)step->rival[t - step->inputs])[i];
}

/* Fills in what competes for element i at points a and b. */
static rivals rivals_of(const facet_walk *w, const facet_walk_maximum *m, int64_t i, int64_t a, int64_t b)
{
  rivals r = {.count = facet_walk_rivals(m, i), .low = w->low, .high = w->high};
  for (int64_t t = 0; t < r.count; t++) {
    w->low[t] = facet_walk_rival(w, m, i, t, a);
    w->high[t] = facet_walk_rival(w, m, i, t, b);
  }
  return r;
}

int64_t facet_walk_largest(int64_t count, const double *x)
{
  int64_t best = 0;
  for (int64_t j = 1; j < count; j++)
    best = x[j] > x[best] ? j : best;
  return best;
}

/* The one that is ahead right after the left end. */
static int64_t first_ahead(const rivals *r)
{
  double top = r->low[facet_walk_largest(r->count, r->low)];
  int64_t ahead = -1;
  for (int64_t j = 0; j < r->count; j++)
    if (top - r->low[j] <= r->rounding && (ahead < 0 || r->high[j] > r->high[ahead]))
      ahead = j;
  return ahead;
}

int64_t facet_walk_next_ahead(int64_t count, const double *low, const double *high, double rounding, int64_t now,
                              double *share)
{
  int64_t next = -1;
  for (int64_t j = 0; j < count; j++) {
    double gained = high[j] - high[now], behind = fmax(low[now] - low[j], 0);
    if (!(gained > rounding))
      continue;
    double at = behind / (behind + gained);
    if (next < 0 || at < *share || (at == *share && high[j] > high[next])) {
      next = j;
      *share = at;
    }
  }
  return next;
}

static int64_t next_ahead(const rivals *r, int64_t now, double *share)
{
  return facet_walk_next_ahead(r->count, r->low, r->high, r->rounding, now, share);
}

facet_status facet_walk_maximum_changes(facet_walk *w, const facet_step *step)
{
  const facet_walk_maximum m = facet_walk_maximum_of(w, step);
  int64_t size = facet_walk_size(w, step->output);
  for (int64_t place = 0; place + 1 < w->count; place++)
    for (int64_t i = 0; i < size; i++) {
      rivals r = rivals_of(w, &m, i, w->order[place], w->order[place + 1]);
      double share = 0;
      r.rounding = w->rounding;
      if (facet_walk_largest(r.count, r.low) == facet_walk_largest(r.count, r.high))
        continue;
      for (int64_t now = first_ahead(&r); now >= 0 && (now = next_ahead(&r, now, &share)) >= 0;) /* -1: NaN */
        FACET_TRY(facet_walk_note(w, place, share));
    }
  return FACET_OK;
}

/* Who wins on a whole piece. */
static int64_t winner_of(const rivals *r)
{
  int64_t best = 0;
  for (int64_t j = 1; j < r->count; j++)
    best = r->low[j] + r->high[j] > r->low[best] + r->high[best] ? j : best;
  for (int64_t j = 0; j < best; j++)
    if (fabs(r->low[best] - r->low[j]) <= r->rounding && fabs(r->high[best] - r->high[j]) <= r->rounding)
      return j;
  return best;
}

void facet_walk_maximum_pattern(const facet_walk *w, const facet_step *step, int32_t *winner)
{
  const facet_walk_maximum m = facet_walk_maximum_of(w, step);
  int64_t size = facet_walk_size(w, step->output);
  for (int64_t i = 0; i < size; i++) /* to the right of the right end is nothing */
    winner[size + i] = 0;
  for (int64_t place = 0; place + 1 < w->count; place++) {
    int64_t left = w->order[place];
    for (int64_t i = 0; i < size; i++) {
      rivals r = rivals_of(w, &m, i, left, w->order[place + 1]);
      r.rounding = w->rounding;
      int64_t best = winner_of(&r);
      winner[left * size + i] = (int32_t)(m.window ? element_of(&m, i, best) : best);
    }
  }
}
