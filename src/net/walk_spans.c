/* The other way backward, for the upper steps of a network.
 *
 * The adjoint of a piece follows from the patterns of the steps above, which change at few points, where those of the
 * steps below change at many.  So the upper steps are pulled back once for each "span", between two neighbouring points
 * at which a pattern above changes: the adjoint itself, of length 1.  Spans become more with every step that chooses,
 * as pieces become fewer.  At one of these steps, the "turn", where all products together are fewest, each piece takes
 * the adjoints of the spans that it meets, each times the length of what both have in common, and goes on as
 * walk_back.c has it.
 *
 * A pattern may change where no boundary is crossed inside a piece, for what lies on one all along a piece is on its
 * lower side: so patterns themselves are compared. */
#include <string.h>

#include "walk_parts.h"

/* ---- where patterns change ---- */

/* The piece that the one at this place was when a step that cut was done, after which there were so many points. */
static int64_t piece_then(const facet_walk *w, int64_t place, int64_t after)
{
  int64_t piece = w->order[place];
  while (piece >= after)
    piece = w->parent[piece];
  return piece;
}

static void find_changes(const facet_walk *w, int number)
{
  const facet_walk_step *s = &w->step[number];
  size_t numbers = (size_t)facet_walk_size(w, w->x->step[number].output);
  size_t bytes = s->piece ? numbers : numbers * sizeof *s->winner;
  const unsigned char *pattern = s->piece ? s->piece : (const unsigned char *)s->winner;
  int64_t last = piece_then(w, 0, s->after);
  s->changes[0] = false;
  for (int64_t place = 1; place + 1 < w->found; place++) {
    int64_t now = piece_then(w, place, s->after);
    s->changes[place] =
        now != last && memcmp(pattern + (size_t)last * bytes, pattern + (size_t)now * bytes, bytes) != 0;
    last = now;
  }
}

/* ---- the turn ---- */

/* So many vectors of a linear step: kernels take whole portions. */
static double products_of(const facet_walk *w, int step, int64_t vectors)
{
  int64_t portions = (vectors + AT_ONCE - 1) / AT_ONCE;
  return w->step[step].products * (double)portions;
}

/* All of them on pieces. */
static double products_on_pieces(const facet_walk *w)
{
  double sum = 0;
  int64_t pieces = w->found;
  for (int i = w->x->steps - 1; i >= 0; i--) {
    sum += products_of(w, i, pieces);
    if (facet_step_chooses(&w->x->step[i]))
      pieces = w->step[i].before;
  }
  return sum;
}

/* Adds the changes of a step to those of the steps above; spans then. */
static int64_t add_changes(const facet_walk *w, int step, bool *above)
{
  int64_t spans = 1;
  for (int64_t place = 1; place + 1 < w->found; place++)
    spans += above[place] |= w->step[step].changes[place];
  return spans;
}

void facet_walk_plan(facet_walk *w)
{
  const double worth = 0.95; /* of the products on pieces: to turn takes time, too */
  double below = products_on_pieces(w), above = 0, least = worth * below;
  int64_t spans = 1, pieces = w->found;
  memset(w->above, 0, (size_t)w->found * sizeof *w->above);
  w->turn = w->x->steps;
  for (int i = w->x->steps - 1; i >= 0; i--) {
    below -= products_of(w, i, pieces);
    above += products_of(w, i, spans);
    if (!facet_step_chooses(&w->x->step[i]))
      continue;
    find_changes(w, i);
    pieces = w->step[i].before;
    spans = add_changes(w, i, w->above);
    if (above + below < least) {
      least = above + below;
      w->turn = i;
    }
  }
  if (above < least)
    w->turn = -1;
}

/* ---- spans ---- */

void facet_walk_spans_begin(facet_walk *w)
{
  w->spans = w->count = 1;
  memset(w->span, 0, (size_t)w->found * sizeof *w->span);
}

/* Span `from` has its right part, from a place on, as one of its own, with the same adjoints. */
static void split(facet_walk *w, const facet_live_slots *live, int64_t place)
{
  int64_t from = w->span[place], to = w->spans++;
  for (; place + 1 < w->found && w->span[place] == from; place++)
    w->span[place] = to;
  for (int k = 0; k < live->count; k++) {
    double *g = facet_walk_adjoint(w, live->slot[k]);
    memcpy(g + to * live->size[k], g + from * live->size[k], (size_t)live->size[k] * sizeof *g);
  }
}

void facet_walk_spans_split(facet_walk *w, int number)
{
  const facet_walk_step *s = &w->step[number];
  for (int64_t place = 1; place + 1 < w->found; place++)
    if (s->changes[place] && w->span[place] == w->span[place - 1])
      split(w, &s->above, place);
  for (int64_t place = w->found - 2; place >= 0; place--) /* any place of a span says its pattern */
    w->row[w->span[place]] = piece_then(w, place, s->after);
  w->count = w->spans;
}

/* ---- from spans to pieces ---- */

/* What pieces, of which there are `pieces`, and spans have in common, in order of t. */
static int64_t find_common(const facet_walk *w, int64_t pieces)
{
  int64_t count = 0;
  for (int64_t place = 0; place + 1 < w->found; place++) {
    int64_t piece = piece_then(w, place, pieces), span = w->span[place];
    double length = w->t[w->order[place + 1]] - w->t[w->order[place]];
    if (count > 0 && w->common[count - 1].piece == piece && w->common[count - 1].span == span)
      w->common[count - 1].length += length;
    else
      w->common[count++] = (facet_walk_common){piece, span, length};
  }
  return count;
}

/* In one slot; some numbers of all vectors at a time, for pieces lie where spans lay. */
static void take_slot(const facet_walk *w, int64_t common, int64_t pieces, int64_t size, double *g)
{
  int64_t most = FACET_WALK_ASIDE / w->spans;
  for (int64_t first = 0, n; first < size; first += n) {
    n = size - first < most ? size - first : most;
    for (int64_t q = 0; q < w->spans; q++)
      memcpy(w->aside + q * n, g + q * size + first, (size_t)n * sizeof *g);
    for (int64_t p = 0; p < pieces; p++)
      memset(g + p * size + first, 0, (size_t)n * sizeof *g);
    for (int64_t c = 0; c < common; c++) {
      double *to = g + w->common[c].piece * size + first;
      w->x->e->add(n, to, w->common[c].length, w->aside + w->common[c].span * n, to);
    }
  }
}

static void take(facet_walk *w, const facet_live_slots *live, int64_t pieces)
{
  int64_t common = find_common(w, pieces);
  for (int k = 0; k < live->count; k++)
    take_slot(w, common, pieces, live->size[k], facet_walk_adjoint(w, live->slot[k]));
  for (int64_t p = 0; p < w->found; p++)
    w->row[p] = p;
  w->spans = 0;
  w->count = pieces;
}

void facet_walk_spans_turn(facet_walk *w, int number)
{
  take(w, &w->step[number].adjoints, w->step[number].before);
}

void facet_walk_spans_end(facet_walk *w)
{
  int slot = OUTSIDE;
  int64_t size = facet_network_inputs(w->x->network);
  take(w, &(facet_live_slots){.count = 1, .slot = &slot, .size = &size}, 2);
}
