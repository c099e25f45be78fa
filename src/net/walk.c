/* A walk: its memory, a part of the segment, and the integral over it. See walk.h. */
#include "walk.h"

#include <math.h>
#include <string.h>

#include "walk_parts.h"

enum { MOST = 4096, FIRST_CHANGES = 1024 };

/* ---- memory ---- */

/* Kernels in double are fastest where channels lie in eights. */
static int64_t eights(int64_t channels)
{
  return channels >= 8 ? 8 : 1;
}

/* Where each slot begins, for `most` points, and how many numbers all of them have of one point. */
static int64_t lay_out(const facet_slots *slots, int64_t most, int64_t *at)
{
  int64_t numbers = 0;
  for (int i = 1; i < slots->count; i++) {
    at[i] = numbers * most;
    numbers += (int64_t)(slots->slot[i].bytes / AT_ONCE / sizeof(double));
  }
  return numbers;
}

/* Bytes of one point. */
static double point_bytes(facet_walk *w)
{
  const facet_executor *x = w->x;
  int64_t values = lay_out(&x->values, 0, w->value_at), adjoints = lay_out(&x->adjoints, 0, w->adjoint_at);
  int64_t inputs = facet_walk_size(w, x->network->input);
  double bytes = 8 * (double)((values > adjoints ? values : adjoints) + inputs);
  for (int i = 0; i < x->steps; i++)
    if (facet_step_chooses(&x->step[i]))
      bytes += (double)facet_walk_size(w, x->step[i].output) * (x->step[i].slope ? 1 : sizeof(int32_t));
  return bytes;
}

static facet_status make_points(facet_walk *w)
{
  const facet_executor *x = w->x;
  int64_t values = lay_out(&x->values, w->most, w->value_at);
  int64_t adjoints = lay_out(&x->adjoints, w->most, w->adjoint_at);
  FACET_NEW(w->memory, (values > adjoints ? values : adjoints) * w->most);
  FACET_NEW(w->outside, facet_walk_size(w, x->network->input) * w->most);
  FACET_NEW(w->logits, facet_network_outputs(x->network) * w->most);
  FACET_NEW(w->t, w->most);
  FACET_NEW(w->parent, w->most);
  FACET_NEW(w->order, w->most);
  FACET_NEW(w->spare, w->most);
  FACET_NEW(w->span, w->most);
  FACET_NEW(w->row, w->most);
  FACET_NEW(w->above, w->most);
  FACET_NEW(w->common, w->most);
  FACET_NEW(w->aside, FACET_WALK_ASIDE);
  FACET_NEW(w->change, FIRST_CHANGES);
  w->change_room = FIRST_CHANGES;
  for (int i = 0; i < x->steps; i++) {
    int64_t size = facet_walk_size(w, x->step[i].output) * w->most;
    if (x->step[i].slope)
      FACET_NEW(w->step[i].piece, size);
    else if (x->step[i].winner)
      FACET_NEW(w->step[i].winner, size);
    if (facet_step_chooses(&x->step[i]))
      FACET_NEW(w->step[i].changes, w->most);
  }
  return FACET_OK;
}

/* Of each step, of AT_ONCE vectors. */
static facet_status find_products(facet_walk *w)
{
  const facet_network *n = w->x->network;
  facet_cost *cost;
  FACET_TRY(facet_network_cost(n, &cost));
  for (int i = 0; i < w->x->steps; i++)
    for (int l = 0; l < cost->layers; l++)
      if (&n->node[cost->layer[l].node] == w->x->step[i].node)
        w->step[i].products = AT_ONCE * (double)cost->layer[l].products;
  facet_cost_destroy(&cost);
  return FACET_OK;
}

/* Elements of the largest gate. */
static int64_t largest_gate(const facet_walk *w)
{
  int64_t most = 1;
  for (int i = 0; i < w->x->steps; i++)
    if (w->x->step[i].slope && facet_walk_size(w, w->x->step[i].output) > most)
      most = facet_walk_size(w, w->x->step[i].output);
  return most;
}

/* Candidates of the widest maximum. */
static int64_t most_rivals(const facet_walk *w)
{
  int64_t most = 1;
  for (int i = 0; i < w->x->steps; i++) {
    const facet_lowered *l = w->x->step[i].lowered;
    int64_t count = l->inputs + (l->kind == KIND_SELECT ? l->constants : 0);
    int64_t windows = l->kind == KIND_WINDOW ? facet_step_windows(w->x, &w->x->step[i]).out_spatial : 0;
    most = count > most ? count : most;
    for (int64_t s = 0; s < windows; s++)
      most = l->begin[s + 1] - l->begin[s] > most ? l->begin[s + 1] - l->begin[s] : most;
  }
  return most;
}

static facet_status make(const facet_network *network, double bytes, int64_t fewest, facet_walk *w)
{
  w->kernels = facet_kernels_exact;
  w->kernels.block = eights;
  facet_executor_options options = {.kernels = &w->kernels, .real = FACET_F64, .batch = AT_ONCE, .rows = 1};
  FACET_TRY(facet_executor_create(network, options, &w->x));
  FACET_NEW(w->ends, AT_ONCE * facet_network_inputs(network));
  FACET_NEW(w->middles, AT_ONCE * facet_network_inputs(network));
  FACET_NEW(w->step, w->x->steps);
  FACET_NEW(w->value_at, w->x->values.count);
  FACET_NEW(w->adjoint_at, w->x->adjoints.count);
  FACET_NEW(w->low, most_rivals(w));
  FACET_NEW(w->high, most_rivals(w));
  FACET_NEW(w->slope, largest_gate(w));
  double most = bytes / point_bytes(w);
  w->most = most < (double)fewest ? fewest : most > MOST ? MOST : (int64_t)most / AT_ONCE * AT_ONCE;
  FACET_TRY(make_points(w));
  FACET_TRY(find_products(w));
  return facet_walk_find_live(w);
}

facet_status facet_walk_create(const facet_network *network, double bytes, int64_t fewest, facet_walk **walk)
{
  *walk = NULL;
  FACET_TRY(facet_network_need_pieces(network, "a path"));
  facet_walk *w;
  FACET_NEW(w, 1);
  facet_status status = make(network, bytes, fewest, w);
  if (status != FACET_OK)
    facet_walk_destroy(&w);
  *walk = w;
  return status;
}

void facet_walk_destroy(facet_walk **walk)
{
  facet_walk *w = *walk;
  if (!w)
    return;
  for (int i = 0; w->step && i < w->x->steps; i++) {
    facet_walk_step *s = &w->step[i];
    FACET_FREE(&s->piece, &s->winner, &s->changes, &s->values.slot, &s->values.size, &s->adjoints.slot,
               &s->adjoints.size, &s->above.slot, &s->above.size);
  }
  facet_executor_destroy(&w->x);
  FACET_FREE(&w->ends, &w->middles, &w->step, &w->value_at, &w->adjoint_at, &w->low, &w->high, &w->slope, &w->memory,
             &w->outside, &w->logits, &w->t, &w->parent, &w->order, &w->spare, &w->change, &w->span, &w->row, &w->above,
             &w->common, &w->aside);
  facet_free(walk);
}

void facet_walk_pauses(facet_walk *w, facet_status (*pause)(void *context), void *context)
{
  facet_executor_pauses(w->x, pause, context);
}

int64_t facet_walk_most(const facet_walk *w)
{
  return w->most;
}

/* ---- there ---- */

facet_status facet_walk_begin(facet_walk *w, const double *start, const double *end, double *logits)
{
  int64_t inputs = facet_network_inputs(w->x->network);
  memcpy(w->ends, start, (size_t)inputs * sizeof *start);
  memcpy(w->ends + inputs, end, (size_t)inputs * sizeof *end);
  FACET_TRY(facet_executor_forward(w->x, w->ends, 2));
  return facet_executor_output(w->x, logits);
}

static void input_at(const facet_walk *w, double t, double *x)
{
  int64_t inputs = facet_network_inputs(w->x->network);
  const double *start = w->ends, *end = w->ends + inputs;
  for (int64_t i = 0; i < inputs; i++)
    x[i] = t == 1 ? end[i] : start[i] + t * (end[i] - start[i]);
}

static void place_end(facet_walk *w, int64_t point, double t)
{
  int64_t inputs = facet_network_inputs(w->x->network);
  w->t[point] = t;
  w->order[point] = point;
  input_at(w, t, facet_walk_value(w, w->x->slot[w->x->network->input]) + point * inputs);
}

facet_status facet_walk_pass(facet_walk *w, int64_t count, const double *t, double *logits)
{
  int64_t inputs = facet_network_inputs(w->x->network);
  w->found = 0;
  for (int64_t i = 0; i < count; i++)
    input_at(w, t[i], w->middles + i * inputs);
  FACET_TRY(facet_executor_forward(w->x, w->middles, count));
  return facet_executor_output(w->x, logits);
}

static void take_logits(facet_walk *w)
{
  const facet_executor *x = w->x;
  facet_layout layout = x->layout[x->network->output];
  int64_t size = facet_layout_size(layout), outputs = layout.channels * layout.spatial;
  for (int64_t p = 0; p < w->count; p++)
    x->e->unpack(layout, facet_walk_value(w, x->slot[x->network->output]) + p * size, w->logits + p * outputs);
}

facet_status facet_walk_part(facet_walk *w, double t0, double t1, bool *fits)
{
  *fits = true;
  w->planned = false;
  w->found = w->spans = 0;
  w->count = 2;
  place_end(w, 0, t0);
  place_end(w, 1, t1);
  for (int i = 0; i < w->x->steps; i++) {
    FACET_TRY(facet_executor_pause(w->x));
    if (facet_step_chooses(&w->x->step[i]))
      FACET_TRY(facet_walk_cut(w, i, fits));
    if (!*fits)
      return FACET_OK;
    FACET_TRY(facet_walk_there(w, i));
  }
  take_logits(w);
  w->found = w->count;
  return FACET_OK;
}

/* The next part is as long as the last one promises. Cuts at halves and the like are where changes may lie, too. */
facet_status facet_walk_parts(facet_walk *w, facet_status (*take)(void *self), void *self)
{
  const double shorter = 0.4375, full = 0.8;
  double width = 1;
  for (double t = 0; t < 1;) {
    bool fits;
    double to = t + width < 1 ? t + width : 1;
    FACET_TRY(facet_walk_part(w, t, to, &fits));
    if (!fits) {
      width = (to - t) * shorter;
      continue;
    }
    width *= fmin(2, full * (double)w->most / (double)w->found);
    t = to;
    FACET_TRY(take(self));
  }
  return FACET_OK;
}

int64_t facet_walk_points(const facet_walk *w)
{
  return w->found;
}

double facet_walk_point(const facet_walk *w, int64_t i)
{
  return w->t[w->order[i]];
}

const double *facet_walk_logits(const facet_walk *w, int64_t i)
{
  return w->logits + w->order[i] * facet_network_outputs(w->x->network);
}

/* ---- and back ---- */

/* Of one span; or of all pieces, times their length. */
static void place_adjoints(facet_walk *w, int32_t row)
{
  const facet_executor *x = w->x;
  facet_layout layout = x->layout[x->network->output];
  int64_t size = facet_layout_size(layout), at = facet_layout_at(layout, row / layout.spatial, row % layout.spatial);
  double *g = facet_walk_adjoint(w, x->output_adjoint);
  w->count = w->found;
  if (w->turn < x->steps)
    facet_walk_spans_begin(w);
  memset(g, 0, (size_t)(w->count * size) * sizeof *g);
  if (w->spans > 0)
    g[at] = 1;
  for (int64_t i = 0; w->spans == 0 && i < w->found; i++) {
    g[w->order[i] * size + at] = i + 1 < w->found ? w->t[w->order[i + 1]] - w->t[w->order[i]] : 0;
    w->row[i] = i;
  }
}

facet_status facet_walk_integrate(facet_walk *w, int32_t row, double *gradient)
{
  int64_t inputs = facet_network_inputs(w->x->network);
  FACET_CHECK(w->found > 0 && row >= 0 && row < facet_network_outputs(w->x->network), FACET_INTERNAL,
              "no part of a walk, or no row %d", row);
  if (w->x->input_adjoint == NO_SLOT)
    return FACET_OK;
  if (!w->planned)
    facet_walk_plan(w);
  w->planned = true;
  place_adjoints(w, row);
  for (int i = w->x->steps - 1; i >= 0; i--) {
    FACET_TRY(facet_executor_pause(w->x));
    FACET_TRY(facet_walk_back(w, i));
  }
  if (w->spans > 0)
    facet_walk_spans_end(w);
  for (int64_t i = 0; i < inputs; i++)
    gradient[i] += w->outside[i];
  return FACET_OK;
}
