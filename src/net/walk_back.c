/* The steps of a walk backward: adjoints of all pieces that there were when the step was run forward, or of spans
 * (walk_spans.c).  They go the ways that the executor planned. */
#include "walk_parts.h"

static double *open_way(const facet_walk *w, const facet_way *way, int64_t numbers)
{
  double *to = facet_walk_adjoint(w, way->to);
  facet_adjoint_open(to, facet_walk_adjoint(w, way->addend), (size_t)numbers * sizeof *to);
  return to;
}

static facet_status linear(const facet_walk *w, const facet_step *step, const double *g)
{
  const facet_kernels *k = &w->kernels;
  const facet_way *way = &step->way[0];
  int64_t in = facet_walk_size(w, step->input[0]), out = facet_walk_size(w, step->output);
  double *to = facet_walk_adjoint(w, way->addend == NO_SLOT ? way->to : way->scratch);
  for (int64_t p = 0; p < w->count; p += AT_ONCE) {
    FACET_TRY(facet_executor_pause(w->x));
    FACET_TRY(step->lowered->adjoint ? k->conv_forward(step->pullback, g + p * out, to + p * in)
                                     : k->conv_pullback(step->pullback, g + p * out, to + p * in));
  }
  if (way->addend != NO_SLOT && !step->left_to_gate)
    w->x->e->add(w->count * in, facet_walk_adjoint(w, way->addend), 1, to, facet_walk_adjoint(w, way->to));
  return FACET_OK;
}

static void diagonal(const facet_walk *w, const facet_step *step, const double *g)
{
  const facet_way *way = &step->way[0];
  const double *addend = facet_walk_adjoint(w, way->addend);
  double *to = facet_walk_adjoint(w, way->to);
  int64_t size = facet_walk_size(w, step->output);
  for (int64_t p = 0; step->lowered->by_channel && p < w->count; p++)
    w->x->e->channels(w->x->layout[step->output], step->scale, NULL, addend ? addend + p * size : NULL, g + p * size,
                      to + p * size);
  if (!step->lowered->by_channel)
    w->x->e->gate_pullback(size, w->count, 1, 0, step->scale, g, addend, to);
}

static void sum(const facet_walk *w, const facet_step *step, const double *g)
{
  int64_t count = w->count * facet_walk_size(w, step->output);
  for (int j = 0; j < step->inputs; j++) {
    const facet_way *way = &step->way[j];
    if (way->to != step->g_slot) /* else the input shares the output's adjoint */
      w->x->e->add(count, facet_walk_adjoint(w, way->addend), step->lowered->coefficient[j], g,
                   facet_walk_adjoint(w, way->to));
  }
}

/* Slopes of one piece of the way. */
static void find_slopes(const facet_lowered *l, const double *lowest, const uint8_t *piece, int64_t size, double *slope)
{
  double low = l->slope[0], high = l->slope[1];
  if (!lowest && l->pieces == 2)
    for (int64_t i = 0; i < size; i++)
      slope[i] = piece[i] ? high : low;
  else
    for (int64_t i = 0; i < size; i++)
      slope[i] = piece[i] == 0 && lowest ? lowest[i] : l->slope[piece[i]];
}

static void gate(const facet_walk *w, const facet_step *step, const uint8_t *piece, const double *g)
{
  const double *more = facet_walk_adjoint(w, step->more), *addend = facet_walk_adjoint(w, step->way[0].addend);
  double *to = facet_walk_adjoint(w, step->way[0].to);
  int64_t size = facet_walk_size(w, step->output);
  if (more)
    g = facet_walk_adjoint(w, step->first);
  for (int64_t p = 0; p < w->count; p++) {
    int64_t at = p * size;
    find_slopes(step->lowered, step->slope_of, piece + w->row[p] * size, size, w->slope);
    if (more)
      w->x->e->gate_pullback_sum(size, 1, 1, w->slope, g + at, more + at, to + at);
    else
      w->x->e->gate_pullback(size, 1, 1, 0, w->slope, g + at, addend ? addend + at : NULL, to + at);
  }
}

static void choose(const facet_walk *w, const facet_step *step, const int32_t *winner, const double *g)
{
  int64_t size = facet_walk_size(w, step->output);
  for (int j = 0; j < step->inputs; j++) {
    const double *addend = facet_walk_adjoint(w, step->way[j].addend);
    double *to = facet_walk_adjoint(w, step->way[j].to);
    for (int64_t p = 0; p < w->count; p++)
      w->x->e->select_pullback(size, 1, 1, winner + w->row[p] * size, j, g + p * size,
                               addend ? addend + p * size : NULL, to + p * size);
  }
}

static void move(const facet_walk *w, const facet_step *step, const double *g)
{
  for (int j = 0; j < step->inputs; j++) {
    int64_t in = facet_walk_size(w, step->input[j]);
    if (step->way[j].to == step->g_slot)
      continue;
    double *to = open_way(w, &step->way[j], w->count * in);
    w->x->e->scatter(w->count, step->runs[j], step->run[j], g, facet_walk_size(w, step->output), to, in);
  }
}

static void window(const facet_walk *w, const facet_step *step, const int32_t *winner, const double *g)
{
  facet_windows windows = facet_step_windows(w->x, step);
  int64_t in = facet_walk_size(w, step->input[0]), out = facet_walk_size(w, step->output);
  double *to = open_way(w, &step->way[0], w->count * in);
  for (int64_t p = 0; winner && p < w->count; p++)
    w->x->e->window_max_pullback(out, in, 1, 1, winner + w->row[p] * out, g + p * out, to + p * in);
  if (!winner)
    w->x->e->window_mean_pullback(&windows, facet_window_layout(w->x, step, step->input[0]), w->count, g, to);
}

/* Pieces that the step cut become one again. */
static void join(facet_walk *w, const facet_walk_step *s)
{
  for (int k = 0; k < s->adjoints.count; k++) {
    double *g = facet_walk_adjoint(w, s->adjoints.slot[k]);
    int64_t size = s->adjoints.size[k];
    for (int64_t p = s->before; p < s->after; p++)
      w->x->e->add(size, g + w->parent[p] * size, 1, g + p * size, g + w->parent[p] * size);
  }
  w->count = s->before;
}

facet_status facet_walk_back(facet_walk *w, int number)
{
  const facet_step *step = &w->x->step[number];
  const facet_walk_step *s = &w->step[number];
  const double *g = facet_walk_adjoint(w, step->g_slot);
  bool chooses = facet_step_chooses(step);
  if (chooses && w->spans > 0)
    facet_walk_spans_split(w, number);
  switch (step->lowered->kind) {
  case KIND_LINEAR:
    FACET_TRY(linear(w, step, g));
    break;
  case KIND_DIAGONAL:
    diagonal(w, step, g);
    break;
  case KIND_SUM:
    sum(w, step, g);
    break;
  case KIND_GATE:
    gate(w, step, s->piece, g);
    break;
  case KIND_SELECT:
    choose(w, step, s->winner, g);
    break;
  case KIND_MOVE:
    move(w, step, g);
    break;
  case KIND_WINDOW:
    window(w, step, s->winner, g);
    break;
  case KIND_CURVE:
  case KIND_SCALE:
  case KIND_NORM:
  case KIND_PRODUCT:
  case KIND_CONSTANT:
    break; /* refused */
  }
  if (chooses && w->spans == 0)
    join(w, s);
  if (number == w->turn)
    facet_walk_spans_turn(w, number);
  return FACET_OK;
}
