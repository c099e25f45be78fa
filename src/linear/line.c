/* A segment between two inputs, cut into the pieces of a network, with the logits at all their ends. */
#include <facet/linear.h>
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "net/walk.h"

enum { FEWEST = 16 }; /* points at once */

struct facet_line {
  facet_walk *walk;
  int64_t classes, room;
  facet_line_result r;
  double *t, *logits;
  int64_t *piece;
  int32_t *winner;
  const facet_line_options *options;
  int64_t now; /* the class predicted so far; -1: nothing is known yet */
};

facet_status facet_line_create(const facet_network *network, double bytes, facet_line **line)
{
  facet_line *l;
  *line = NULL;
  FACET_NEW(l, 1);
  l->classes = facet_network_outputs(network);
  facet_status status = facet_network_need_pieces(network, "a line");
  if (status == FACET_OK)
    status = facet_walk_create(network, bytes, FEWEST, &l->walk);
  if (status != FACET_OK)
    facet_line_destroy(&l);
  *line = l;
  return status;
}

void facet_line_destroy(facet_line **line)
{
  facet_line *l = *line;
  if (!l)
    return;
  facet_walk_destroy(&l->walk);
  FACET_FREE(&l->t, &l->logits, &l->piece, &l->winner);
  facet_free(line);
}

/* ---- points ---- */

static facet_status make_room(facet_line *l)
{
  size_t old = (size_t)l->room, room = 2 * old + 64, classes = (size_t)l->classes;
  if (l->r.points < l->room)
    return FACET_OK;
  FACET_TRY(facet_grow(&l->t, old, room, sizeof *l->t));
  FACET_TRY(facet_grow(&l->logits, classes * old, classes * room, sizeof *l->logits));
  FACET_TRY(facet_grow(&l->piece, old, room, sizeof *l->piece));
  FACET_TRY(facet_grow(&l->winner, old, room, sizeof *l->winner));
  l->room = (int64_t)room;
  return FACET_OK;
}

/* A point between two others, with the number of the piece to its right. */
static facet_status add(facet_line *l, double t, const double *before, const double *after, double share)
{
  FACET_TRY(make_room(l));
  int64_t at = l->r.points++;
  l->t[at] = t;
  l->piece[at] = l->r.pieces - 1;
  for (int64_t k = 0; k < l->classes; k++)
    l->logits[at * l->classes + k] = (1 - share) * before[k] + share * after[k];
  return FACET_OK;
}

/* Where another class becomes the largest between two points of the walk. */
static facet_status add_changes(facet_line *l, int64_t i)
{
  const double *before = facet_walk_logits(l->walk, i), *after = facet_walk_logits(l->walk, i + 1);
  double from = facet_walk_point(l->walk, i), to = facet_walk_point(l->walk, i + 1), most = 0, share = 0;
  for (int64_t k = 0; k < l->classes; k++)
    most = fmax(most, fmax(fabs(before[k]), fabs(after[k])));
  for (int64_t next;
       (next = facet_walk_next_ahead(l->classes, before, after, FACET_WALK_ROUNDING * most, l->now, &share)) >= 0;
       l->now = next)
    if (share > 0)
      FACET_TRY(add(l, from + share * (to - from), before, after, share));
  return FACET_OK;
}

/* The ends of a part are points of no change: but for those of the whole they are left out. */
static facet_status take_part(void *self)
{
  facet_line *l = self;
  int64_t points = facet_walk_points(l->walk);
  for (int64_t i = 0; i < points && !l->r.full; i++) {
    double t = facet_walk_point(l->walk, i);
    const double *logits = facet_walk_logits(l->walk, i);
    bool first = i == 0, last = i == points - 1;
    if (first && t == 0)
      l->now = facet_walk_largest(l->classes, logits);
    l->r.pieces += first ? t == 0 : !last;
    if (!(first || last) || t == 0 || t == 1)
      FACET_TRY(add(l, t, logits, logits, 0));
    if (!last)
      FACET_TRY(add_changes(l, i));
    l->r.full = l->r.points > l->options->most;
  }
  return FACET_OK;
}

/* ---- the certificate ---- */

/* Between each two neighbouring points, by whom it is won, and how far a plain pass is from the straight line. */
static facet_status certify(facet_line *l)
{
  double t[FACET_WALK_PASSES], *logits;
  facet_status status = FACET_OK;
  FACET_NEW(logits, FACET_WALK_PASSES * l->classes);
  for (int64_t from = 0, count; from + 1 < l->r.points && status == FACET_OK; from += count) {
    count = l->r.points - 1 - from < FACET_WALK_PASSES ? l->r.points - 1 - from : FACET_WALK_PASSES;
    for (int64_t i = 0; i < count; i++)
      t[i] = (l->t[from + i] + l->t[from + i + 1]) / 2;
    status = facet_walk_pass(l->walk, count, t, logits);
    for (int64_t i = 0; i < count && status == FACET_OK; i++) {
      const double *a = l->logits + (from + i) * l->classes, *b = a + l->classes, *f = logits + i * l->classes;
      double most = 0, size = 1;
      int64_t best = 0;
      for (int64_t k = 0; k < l->classes; k++) {
        double off = fabs(f[k] - (a[k] + b[k]) / 2);
        most = isnan(most) || off <= most ? most : off; /* NaN stays */
        size = fmax(size, fabs(f[k]));
        best = a[k] + b[k] > a[best] + b[best] ? k : best;
      }
      l->winner[from + i] = (int32_t)best;
      l->r.residual = isnan(l->r.residual) || most / size <= l->r.residual ? l->r.residual : most / size;
    }
  }
  facet_free(&logits);
  return status;
}

facet_status facet_line_cut(facet_line *l, const double *start, const double *end, const facet_line_options *o,
                            facet_line_result *result)
{
  double *ends;
  FACET_NEW(ends, 2 * l->classes);
  facet_walk_pauses(l->walk, o->pause, o->context);
  facet_status status = facet_walk_begin(l->walk, start, end, ends);
  facet_free(&ends);
  FACET_TRY(status);
  l->r = (facet_line_result){.full = 0};
  l->options = o;
  FACET_TRY(facet_walk_parts(l->walk, take_part, l));
  if (!l->r.full) {
    FACET_TRY(certify(l));
    l->winner[l->r.points - 1] = l->winner[l->r.points - 2];
  }
  l->r.t = l->t;
  l->r.logits = l->logits;
  l->r.piece = l->piece;
  l->r.winner = l->winner;
  *result = l->r;
  return FACET_OK;
}
