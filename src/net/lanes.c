/* Pullbacks in lanes: see lanes.h.  Adjoints are taken in the order in which they come, so many at once as there are
 * lanes; each such lot goes through all steps by itself, and lots are dealt to threads. */
#include "lanes.h"

#include <string.h>

/* What goes through the steps at once. */
typedef struct {
  int count;      /* lanes in use */
  int64_t *which; /* of each, the adjoint */
  int samples;
  int64_t sample[FACET_MOST_LANES];
  int first[FACET_MOST_LANES + 1]; /* lanes of each sample */
  void **data;                     /* slots */
  double *sums;                    /* scratch: channels x lanes */
  char *made;                      /* sums that steps made on their way */
} lot;

typedef struct {
  facet_executor *x;
  const facet_lanes_plan *p;
  const int32_t *row;
  void *w;
  double *b_node;
} pullback;

static void *slot_data(const lot *l, int slot)
{
  return slot == NO_SLOT ? NULL : l->data[slot];
}

static size_t slot_bytes(const facet_lanes_plan *p, int slot)
{
  return (size_t)p->slot[slot].size * FACET_LANES_BYTES;
}

/* A fusion with what each sample has `step` elements apart in an array of a value's layout. */
static void aim(const pullback *b, const lot *l, const void *array, int64_t step, int value, facet_lanes_fusion *with)
{
  with->samples = l->samples;
  with->layout = b->x->layout[value];
  memcpy(with->first, l->first, sizeof with->first);
  for (int q = 0; q < l->samples; q++)
    with->slope[q] = (const char *)array + (size_t)(l->sample[q] * step) * b->x->real;
}

static facet_lanes_fusion fusion_of(const lot *l, const facet_lanes_way *way)
{
  return (facet_lanes_fusion){.addend = slot_data(l, way->addend), .after = slot_data(l, way->after)};
}

/* ---- b ---- */

static void add_bias(const pullback *b, const lot *l, int constant, int lane, double sum)
{
  b->b_node[l->which[lane] * b->x->constants + constant] += sum;
}

/* Of each channel of a step's adjoint. */
static void find_sums(const pullback *b, const lot *l, const facet_step *step, const void *g)
{
  const facet_lanes_layout *layout = &b->p->layout[step->output];
  int by = b->p->step[step - b->x->step].sums_of;
  if (by < 0) {
    facet_lanes_sums(layout, b->x->options.real, g, l->sums);
    return;
  }
  const void *made = l->made + (size_t)b->p->step[by].sums * b->x->real;
  for (int64_t i = 0; i < layout->channels * facet_lanes_count(b->x->options.real); i++)
    l->sums[i] = b->x->options.real == FACET_F64 ? ((const double *)made)[i] : (double)((const float *)made)[i];
}

static void bias_by_channel(const pullback *b, const lot *l, const facet_step *step, const void *g)
{
  const facet_lanes_layout *layout = &b->p->layout[step->output];
  int lanes = facet_lanes_count(b->x->options.real);
  find_sums(b, l, step, g);
  for (int k = 0; k < step->sources; k++)
    for (int i = 0; i < l->count && step->source[k].by_channel; i++) {
      double sum = 0;
      for (int64_t c = 0; c < layout->channels; c++)
        sum += l->sums[c * lanes + i] * step->source[k].by_channel[c];
      add_bias(b, l, step->source[k].constant, i, sum);
    }
}

/* What each sample adds, or all do (step 0). */
static void bias_by_element(const pullback *b, const lot *l, const facet_step *step, const void *array, int64_t size,
                            const void *g)
{
  facet_lanes_fusion with = {.addend = NULL};
  double sums[FACET_MOST_LANES];
  aim(b, l, array, size, step->output, &with);
  facet_lanes_dot(&b->p->layout[step->output], b->x->options.real, g, &with, sums);
  for (int i = 0; i < l->count; i++)
    add_bias(b, l, step->source[0].constant, i, sums[i]);
}

static void take_bias(const pullback *b, const lot *l, const facet_step *step, const void *g)
{
  const facet_lowered *w = step->lowered;
  if (step->sources == 0)
    return;
  if (w->kind == KIND_GATE)
    bias_by_element(b, l, step, step->offset, facet_value_size(b->x, step->output), g);
  else if (w->kind == KIND_MOVE)
    bias_by_element(b, l, step, step->constants, 0, g);
  else if (w->kind == KIND_LINEAR ? !w->shift : w->kind == KIND_DIAGONAL && w->by_channel)
    bias_by_channel(b, l, step, g);
  else
    bias_by_element(b, l, step, step->shift, 0, g);
}

/* ---- steps ---- */

static void open_way(const pullback *b, const lot *l, const facet_lanes_way *way)
{
  facet_adjoint_open(l->data[way->to], slot_data(l, way->addend), slot_bytes(b->p, way->to));
}

static void pull_linear(const pullback *b, const lot *l, const facet_lanes_step *own, const void *g)
{
  facet_lanes_fusion with = fusion_of(l, &own->way[0]);
  if (own->gate)
    aim(b, l, own->gate->slope, facet_value_size(b->x, own->gate->output), own->gate->output, &with);
  with.backwards = own->backwards;
  if (own->sums >= 0) {
    with.sums = l->made + (size_t)own->sums * b->x->real;
    memset(with.sums, 0, (size_t)b->p->slot[own->way[0].to].channels * FACET_LANES_BYTES);
  }
  facet_lanes_run(own->conv, g, &with, l->data[own->way[0].to]);
}

static void pull_pointwise(const pullback *b, const lot *l, const facet_step *step, const facet_lanes_step *own,
                           const void *g)
{
  const facet_lowered *w = step->lowered;
  const facet_lanes_layout *layout = &b->p->layout[step->output];
  for (int j = 0; j < step->inputs; j++) {
    facet_lanes_fusion with = fusion_of(l, &own->way[j]);
    const void *scale = w->kind == KIND_DIAGONAL && w->by_channel ? step->scale : NULL;
    if (w->kind == KIND_SUM)
      scale = (const char *)own->factor + (size_t)(j * layout->channels) * b->x->real;
    else if (w->kind == KIND_GATE)
      aim(b, l, step->slope, facet_value_size(b->x, step->output), step->output, &with);
    else if (!w->by_channel)
      aim(b, l, step->scale, 0, step->output, &with);
    if (own->way[j].to != own->g || own->way[j].addend != NO_SLOT || w->kind != KIND_SUM)
      facet_lanes_map(layout, b->x->options.real, scale, NULL, g, &with, l->data[own->way[j].to]);
  }
}

static void pull_window(const pullback *b, const lot *l, const facet_step *step, const facet_lanes_step *own,
                        const void *g)
{
  facet_lanes_fusion with = {.addend = NULL};
  const int32_t *winner[FACET_MOST_LANES];
  void *to = l->data[own->way[0].to];
  open_way(b, l, &own->way[0]);
  if (!step->winner) {
    facet_lanes_move(&own->moves[0], b->x->options.real, g, to);
    return;
  }
  aim(b, l, NULL, 0, step->output, &with);
  for (int q = 0; q < l->samples; q++)
    winner[q] = step->winner + l->sample[q] * facet_value_size(b->x, step->output);
  facet_lanes_win(&b->p->layout[step->output], b->x->options.real, &with, winner, own->place, g, to);
}

static void pull_move(const pullback *b, const lot *l, const facet_step *step, const facet_lanes_step *own,
                      const void *g)
{
  for (int j = 0; j < step->inputs; j++) {
    if (own->way[j].to == own->g)
      continue;
    open_way(b, l, &own->way[j]);
    facet_lanes_move(&own->moves[j], b->x->options.real, g, l->data[own->way[j].to]);
  }
}

static void pull_step(const pullback *b, const lot *l, int i)
{
  const facet_step *step = &b->x->step[i];
  const facet_lanes_step *own = &b->p->step[i];
  if (own->done)
    return;
  const void *g = l->data[own->g];
  take_bias(b, l, step, g);
  switch (step->lowered->kind) {
  case KIND_LINEAR:
    pull_linear(b, l, own, g);
    break;
  case KIND_MOVE:
    pull_move(b, l, step, own, g);
    break;
  case KIND_WINDOW:
    pull_window(b, l, step, own, g);
    break;
  default:
    pull_pointwise(b, l, step, own, g);
  }
}

/* ---- lots ---- */

/* Ones at the rows that are asked for. */
static void begin(const pullback *b, const lot *l)
{
  const facet_lanes_layout *out = &b->p->layout[b->x->network->output];
  int64_t spatial = out->height * out->width;
  int lanes = facet_lanes_count(b->x->options.real);
  void *g = l->data[b->p->output];
  memset(g, 0, slot_bytes(b->p, b->p->output));
  for (int i = 0; i < l->count; i++) {
    int32_t row = b->row[l->which[i]];
    facet_executor_put(b->x, g, facet_lanes_place(out, row / spatial, row % spatial) * lanes + i, 1);
  }
}

static void end(const pullback *b, const lot *l)
{
  int64_t inputs = facet_value_size(b->x, b->x->network->input);
  void *to[FACET_MOST_LANES];
  for (int i = 0; i < l->count; i++)
    to[i] = facet_at(b->x, b->w, l->which[i] * inputs);
  facet_lanes_unpack(&b->p->layout[b->x->network->input], b->x->options.real, b->x->layout[b->x->network->input],
                     l->count, l->data[b->p->input], to);
}

/* Which samples the lanes belong to. */
static void part_lanes(const pullback *b, lot *l)
{
  for (int i = 0; i < l->count; i++) {
    int64_t sample = l->which[i] / b->x->options.rows;
    if (l->samples == 0 || l->sample[l->samples - 1] != sample) {
      l->first[l->samples] = i;
      l->sample[l->samples++] = sample;
    }
  }
  l->first[l->samples] = l->count;
}

static void pull_lot(const pullback *b, lot *l)
{
  part_lanes(b, l);
  begin(b, l);
  for (int i = b->x->steps - 1; i >= 0; i--)
    pull_step(b, l, i);
  end(b, l);
}

/* Adjoints that are asked for: which; the others' rows become 0. */
static int64_t find_adjoints(const pullback *b, int64_t *which)
{
  int64_t inputs = facet_value_size(b->x, b->x->network->input), count = 0;
  for (int64_t a = 0; a < facet_adjoints(b->x); a++)
    if (b->row[a] >= 0)
      which[count++] = a;
    else
      memset(facet_at(b->x, b->w, a * inputs), 0, (size_t)inputs * b->x->real);
  return count;
}

facet_status facet_lanes_pullback(facet_executor *x, const int32_t *row, void *w, double *b_node)
{
  const facet_lanes_plan *p = x->lanes;
  pullback b = {x, p, row, w, b_node};
  int lanes = facet_lanes_count(x->options.real);
  int64_t *which;
  FACET_NEW(which, facet_adjoints(x));
  int64_t count = find_adjoints(&b, which), lots = (count + lanes - 1) / lanes;
#pragma omp parallel for schedule(static) num_threads(p->workers) if (p->workers > 1)
  for (int worker = 0; worker < p->workers; worker++)
    for (int64_t i = lots * worker / p->workers; i < lots * (worker + 1) / p->workers; i++) {
      int64_t left = count - i * lanes;
      lot l = {.count = left < lanes ? (int)left : lanes, .which = which + i * lanes};
      l.data = p->data + (int64_t)worker * p->slots;
      l.made = (char *)p->made + (size_t)(worker * p->made_size) * x->real;
      l.sums = p->sums + (int64_t)worker * p->most_channels * FACET_MOST_LANES;
      pull_lot(&b, &l);
    }
  facet_free(&which);
  return FACET_OK;
}
