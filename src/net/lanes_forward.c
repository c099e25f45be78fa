/* Forward passes in lanes: see lanes.h.  So many samples as there are lanes go through all steps together, and such
 * lots are dealt to threads.  The last lot of a batch has lanes that nobody uses. */
#include "lanes.h"

#include <string.h>

typedef struct {
  facet_executor *x;
  const facet_lanes_plan *p;
  int64_t first; /* sample */
  int count;
  void **data; /* slots */
} lot;

/* ---- to lanes and back ---- */

static void begin(const lot *l, const void *samples)
{
  const facet_executor *x = l->x;
  int input = x->network->input;
  int64_t size = facet_value_size(x, input); /* in plain order */
  const void *from[FACET_MOST_LANES];
  const char *own = (const char *)samples + (size_t)(l->first * size) * x->real;
  for (int i = 0; i < l->count; i++)
    from[i] = own + (size_t)(i * size) * x->real;
  memcpy(facet_at(x, l->p->kept[input], l->first * size), own, (size_t)(l->count * size) * x->real);
  facet_lanes_pack(&l->p->layout[input], x->options.real, x->layout[input], l->count, from, l->data[l->p->input]);
}

/* A value that stays, as soon as it is there. */
static void keep(const lot *l, int v)
{
  const facet_executor *x = l->x;
  void *to[FACET_MOST_LANES];
  if (!l->p->kept[v])
    return;
  for (int i = 0; i < l->count; i++)
    to[i] = facet_at(x, l->p->kept[v], (l->first + i) * facet_value_size(x, v));
  facet_lanes_unpack(&l->p->layout[v], x->options.real, x->layout[v], l->count, l->data[l->p->slot_of[v]], to);
}

/* ---- steps ---- */

static void sum(const lot *l, const facet_step *step, const facet_lanes_step *own)
{
  const facet_lanes_layout *layout = &l->p->layout[step->output];
  void *to = l->data[own->g];
  for (int j = 0; j < step->inputs; j++) {
    const void *factor = (const char *)own->factor + (size_t)(j * layout->channels) * l->x->real;
    facet_lanes_fusion with = {.addend = j > 0 ? to : NULL};
    facet_lanes_map(layout, l->x->options.real, factor, NULL, l->data[own->way[j].to], &with, to);
  }
}

static void move(const lot *l, const facet_step *step, const facet_lanes_step *own)
{
  if (own->way[0].to == own->g)
    return;
  memset(l->data[own->g], 0, (size_t)l->p->slot[own->g].size * FACET_LANES_BYTES);
  for (int j = 0; j < step->inputs; j++)
    facet_lanes_move(&own->moves[j], l->x->options.real, l->data[own->way[j].to], l->data[own->g]);
}

static void window(const lot *l, const facet_step *step, const facet_lanes_step *own)
{
  const facet_lowered *w = step->lowered;
  facet_lanes_windows windows = {
      .begin = w->begin, .place = own->place, .weight = w->weight_of, .tap = w->tap, .sign = w->sign};
  facet_lanes_window(&l->p->layout[step->input[0]], &l->p->layout[step->output], l->x->options.real, &windows,
                     l->data[own->way[0].to], l->data[own->g]);
}

static void run_step(const lot *l, const facet_step *step, const facet_lanes_step *own)
{
  const facet_lowered *w = step->lowered;
  const facet_step *gate = w->kind == KIND_GATE ? step : own->gate;
  const void *u = l->data[own->way[0].to];
  void *to = l->data[own->g];
  facet_lanes_fusion with = {.addend = own->way[0].addend == NO_SLOT ? NULL : l->data[own->way[0].addend],
                             .gated = gate != NULL,
                             .alpha = gate ? gate->lowered->slope[0] : 0,
                             .backwards = own->backwards};
  bool diagonal = w->kind == KIND_DIAGONAL;
  switch (w->kind) {
  case KIND_LINEAR:
    facet_lanes_run(own->conv, u, &with, to);
    break;
  case KIND_SUM:
    sum(l, step, own);
    break;
  case KIND_MOVE:
    move(l, step, own);
    break;
  case KIND_WINDOW:
    window(l, step, own);
    break;
  default:
    facet_lanes_map(&l->p->layout[step->output], l->x->options.real, diagonal ? step->scale : NULL,
                    diagonal ? step->shift : NULL, u, &with, to);
  }
}

static void run_lot(const lot *l, const void *samples)
{
  begin(l, samples);
  for (int k = 0; k < l->p->runs; k++) {
    int i = l->p->order[k];
    run_step(l, &l->x->step[i], &l->p->step[i]);
    keep(l, l->p->step[i].stores);
  }
}

facet_status facet_lanes_forward(facet_executor *x, const void *samples, int64_t count)
{
  const facet_lanes_plan *p = x->lanes;
  int lanes = facet_lanes_count(x->options.real);
  int64_t lots = (count + lanes - 1) / lanes;
  memset(x->ties, 0, (size_t)x->options.batch * sizeof *x->ties);
#pragma omp parallel for schedule(static) num_threads(p->workers) if (p->workers > 1)
  for (int worker = 0; worker < p->workers; worker++)
    for (int64_t i = lots * worker / p->workers; i < lots * (worker + 1) / p->workers; i++) {
      int64_t left = count - i * lanes;
      lot l = {.x = x, .p = p, .first = i * lanes, .count = left < lanes ? (int)left : lanes};
      l.data = p->data + (int64_t)worker * p->slots;
      run_lot(&l, samples);
    }
  return FACET_OK;
}
