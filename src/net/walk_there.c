/* The steps of a walk forward: values at all points found so far. */
#include <string.h>

#include "walk_parts.h"

/* Kernels take AT_ONCE points; there is room for whole portions. */
static facet_status linear(const facet_walk *w, const facet_step *step, const double *u, double *z)
{
  const facet_kernels *k = &w->kernels;
  int64_t in = facet_walk_size(w, step->input[0]), out = facet_walk_size(w, step->output);
  for (int64_t p = 0; p < w->count; p += AT_ONCE) {
    FACET_TRY(facet_executor_pause(w->x));
    FACET_TRY(step->lowered->adjoint ? k->conv_pullback(step->forward, u + p * in, z + p * out)
                                     : k->conv_forward(step->forward, u + p * in, z + p * out));
  }
  return FACET_OK;
}

static void diagonal(const facet_walk *w, const facet_step *step, const double *u, double *z)
{
  int64_t size = facet_walk_size(w, step->output);
  for (int64_t p = 0; p < w->count; p++)
    if (step->lowered->by_channel)
      w->x->e->channels(w->x->layout[step->output], step->scale, step->shift, NULL, u + p * size, z + p * size);
    else
      w->x->e->diagonal(size, step->scale, step->shift, u + p * size, z + p * size);
}

static void sum(const facet_walk *w, const facet_step *step, double *z)
{
  int64_t count = w->count * facet_walk_size(w, step->output);
  for (int j = 0; j < step->inputs; j++)
    w->x->e->add(count, j > 0 ? z : NULL, step->lowered->coefficient[j], facet_walk_value(w, step->in_slot[j]), z);
}

/* Slopes are of no use here: a piece's are those of its middle. */
static void gate(const facet_walk *w, const facet_step *step, const double *u, double *z)
{
  const facet_lowered *l = step->lowered;
  facet_layout layout = w->x->layout[step->output];
  facet_pieces pieces = {.count = l->pieces, .at = l->at, .slope = l->slope, .offset = l->offset};
  pieces.slope_of = step->slope_of;
  int64_t size = facet_layout_size(layout);
  int32_t ties = 0;
  for (int64_t p = 0; p < w->count; p++)
    if (facet_gate_is_simple(l))
      w->x->e->gate(size, 0, l->slope[0], -1, u + p * size, z + p * size, step->slope, &ties, NULL);
    else
      w->x->e->pieces(layout, &pieces, -1, u + p * size, z + p * size, step->slope, NULL, &ties, NULL);
}

static facet_status choose(const facet_walk *w, const facet_step *step, double *z)
{
  const facet_lowered *l = step->lowered;
  int64_t size = facet_walk_size(w, step->output);
  int32_t ties = 0;
  const void **candidate;
  FACET_NEW(candidate, step->inputs + l->constants);
  for (int k = 0; k < l->constants; k++)
    candidate[step->inputs + k] = step->rival[k];
  for (int64_t p = 0; p < w->count; p++) {
    for (int j = 0; j < step->inputs; j++)
      candidate[j] = facet_walk_value(w, step->in_slot[j]) + p * size;
    w->x->e->select(w->x->layout[step->output], step->inputs + l->constants, candidate, l->sign, -1, z + p * size,
                    step->winner, &ties);
  }
  facet_free(&candidate);
  return FACET_OK;
}

static void move(const facet_walk *w, const facet_step *step, double *z)
{
  int64_t size = facet_walk_size(w, step->output);
  if (step->alias)
    return;
  for (int64_t p = 0; step->constants && p < w->count; p++)
    memcpy(z + p * size, step->constants, (size_t)size * sizeof *z);
  if (!step->constants)
    memset(z, 0, (size_t)(w->count * size) * sizeof *z);
  for (int j = 0; j < step->inputs; j++)
    w->x->e->gather(w->count, step->runs[j], step->run[j], facet_walk_value(w, step->in_slot[j]),
                    facet_walk_size(w, step->input[j]), z, size);
}

static void window(const facet_walk *w, const facet_step *step, const double *u, double *z)
{
  facet_windows windows = facet_step_windows(w->x, step);
  facet_layout in = facet_window_layout(w->x, step, step->input[0]);
  int64_t in_size = facet_layout_size(in), size = facet_walk_size(w, step->output);
  int32_t ties = 0;
  memset(z, 0, (size_t)(w->count * size) * sizeof *z); /* what no window writes */
  for (int64_t p = 0; p < w->count; p++)
    if (step->winner)
      w->x->e->window_max(&windows, in, -1, false, u + p * in_size, z + p * size, step->winner, &ties, NULL);
    else
      w->x->e->window_mean(&windows, in, u + p * in_size, z + p * size);
}

facet_status facet_walk_there(facet_walk *w, int number)
{
  const facet_step *step = &w->x->step[number];
  const double *u = facet_walk_value(w, step->in_slot[0]);
  double *z = facet_walk_value(w, step->out_slot);
  int64_t size = facet_walk_size(w, step->output);
  switch (step->lowered->kind) {
  case KIND_LINEAR:
    FACET_TRY(linear(w, step, u, z));
    break;
  case KIND_DIAGONAL:
    diagonal(w, step, u, z);
    return FACET_OK; /* its shift is done */
  case KIND_SUM:
    sum(w, step, z);
    break;
  case KIND_GATE:
    gate(w, step, u, z);
    break;
  case KIND_SELECT:
    FACET_TRY(choose(w, step, z));
    break;
  case KIND_MOVE:
    move(w, step, z);
    break;
  case KIND_WINDOW:
    window(w, step, u, z);
    break;
  case KIND_CURVE:
  case KIND_SCALE:
  case KIND_NORM:
  case KIND_PRODUCT:
  case KIND_CONSTANT:
    break; /* refused */
  }
  for (int64_t p = 0; step->shift && p < w->count; p++)
    w->x->e->add(size, z + p * size, 1, step->shift, z + p * size);
  return FACET_OK;
}
