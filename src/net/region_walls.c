/* The walls of a step with a pattern: what it compares, and which of it a wall is.
 *
 * A gate has a wall at each boundary of its pieces, for each element: d = u - boundary, boundary by boundary.  A
 * maximum has one for each of its candidates: the winner less the candidate, times the sign; the winner's own is 0, and
 * is no wall.  Elements that are padding have none either: d is a constant there. */
#include "region_parts.h"

/* ---- windows ---- */

typedef struct {
  facet_windows windows;
  facet_layout out;
  int64_t size;
} pool;

static pool pool_of(const facet_executor *x, const facet_step *step)
{
  pool p = {.windows = facet_step_windows(x, step), .out = facet_window_layout(x, step, step->output)};
  p.size = facet_layout_size(p.out);
  return p;
}

/* Of element i of the output: where its window is; padding: it has none. */
static int64_t window_of(const pool *p, int64_t i)
{
  return i / p->out.block % p->out.spatial;
}

static bool is_padding(const pool *p, int64_t i)
{
  int64_t k = p->out.block;
  return i / (k * p->out.spatial) * k + i % k >= p->out.channels;
}

/* Where candidate t of its window lies in the input. */
static int64_t candidate_of(const pool *p, int64_t i, int64_t t)
{
  int64_t k = p->out.block, s = window_of(p, i);
  return i / (k * p->out.spatial) * p->windows.in_spatial * k + p->windows.position[p->windows.begin[s] + t] * k +
         i % k;
}

static int64_t candidates_of(const pool *p, int64_t i)
{
  int64_t s = window_of(p, i);
  return is_padding(p, i) ? 0 : p->windows.begin[s + 1] - p->windows.begin[s];
}

/* Element and candidate of a wall. */
static int64_t find_candidate(const pool *p, int64_t wall, int64_t *t)
{
  int64_t i = 0;
  for (; wall >= candidates_of(p, i); i++)
    wall -= candidates_of(p, i);
  *t = wall;
  return i;
}

/* ---- comparing ---- */

int64_t facet_step_walls(const facet_executor *x, const facet_step *step)
{
  const facet_lowered *l = step->lowered;
  int64_t size = facet_value_size(x, step->output), count = 0;
  if (step->slope)
    return (l->pieces - 1) * size;
  if (l->kind == KIND_SELECT)
    return (step->inputs + l->constants) * size;
  pool p = pool_of(x, step);
  for (int64_t i = 0; i < p.size; i++)
    count += candidates_of(&p, i);
  return count;
}

static const double *sample_of(const facet_executor *x, const facet_step *step, int j, int64_t s)
{
  return (const double *)facet_value_data(x, step->in_slot[j]) + s * facet_value_size(x, step->input[j]);
}

static const double *rival_of(const facet_executor *x, const facet_step *step, int j, int64_t s)
{
  return j < step->inputs ? sample_of(x, step, j, s) : step->rival[j - step->inputs];
}

static void compare_gate(const facet_lowered *l, int64_t size, const double *u, double *d)
{
  for (int p = 0; p < l->pieces - 1; p++)
    for (int64_t i = 0; i < size; i++)
      d[p * size + i] = u[i] - l->at[p];
}

static void compare_window(const facet_executor *x, const facet_step *step, const int32_t *winner, const double *u,
                           double *d)
{
  pool p = pool_of(x, step);
  for (int64_t i = 0; i < p.size; i++)
    for (int64_t t = 0, count = candidates_of(&p, i); t < count; t++)
      *d++ = step->lowered->sign * (u[winner[i]] - u[candidate_of(&p, i, t)]);
}

static void compare_select(const facet_executor *x, const facet_step *step, const int32_t *winner, int64_t s, double *d)
{
  int64_t size = facet_value_size(x, step->output);
  for (int j = 0; j < step->inputs + step->lowered->constants; j++)
    for (int64_t i = 0; i < size; i++)
      d[j * size + i] = step->lowered->sign * (rival_of(x, step, winner[i], s)[i] - rival_of(x, step, j, s)[i]);
}

double facet_step_compare(const facet_executor *x, const facet_step *step, const facet_step *own, int64_t s, double *d)
{
  if (step->slope) {
    compare_gate(step->lowered, facet_value_size(x, step->output), sample_of(x, step, 0, s), d);
    return facet_rounding(x, step->input[0], s);
  }
  if (step->lowered->kind == KIND_SELECT) {
    compare_select(x, step, own->winner, s, d);
    return 2 * facet_rounding(x, step->output, s);
  }
  compare_window(x, step, own->winner, sample_of(x, step, 0, s), d);
  return 2 * facet_rounding(x, step->input[0], s);
}

/* ---- running ---- */

static void run_gate(const facet_executor *x, const facet_step *step, const facet_step *own)
{
  int64_t size = facet_value_size(x, step->output);
  double *out = facet_value_data(x, step->out_slot);
  x->e->gate_pullback(size, 1, x->count, 0, own->slope, facet_value_data(x, step->in_slot[0]), NULL, out);
  for (int64_t s = 0; own->offset && s < x->count; s++)
    x->e->add(size, out + s * size, 1, own->offset, out + s * size);
}

static void run_maximum(const facet_executor *x, const facet_step *step, const int32_t *winner, int64_t s)
{
  int64_t size = facet_value_size(x, step->output);
  double *out = (double *)facet_value_data(x, step->out_slot) + s * size;
  if (step->lowered->kind == KIND_SELECT) {
    for (int64_t i = 0; i < size; i++)
      out[i] = rival_of(x, step, winner[i], s)[i];
    return;
  }
  const double *u = sample_of(x, step, 0, s);
  pool p = pool_of(x, step);
  for (int64_t i = 0; i < size; i++)
    out[i] = is_padding(&p, i) ? 0 : u[winner[i]];
  if (step->shift)
    x->e->add(size, out, 1, step->shift, out);
}

facet_status facet_step_frozen(facet_executor *x, facet_step *step, const facet_step *own)
{
  if (step->slope)
    run_gate(x, step, own);
  for (int64_t s = 0; step->winner && s < x->count; s++)
    run_maximum(x, step, own->winner, s);
  return FACET_OK;
}

/* ---- one wall ---- */

static void add_to(facet_executor *x, const facet_step *step, int j, int64_t row, int64_t at, double what)
{
  double *g = facet_adjoint_data(x, step->way[j].to);
  g[row * facet_value_size(x, step->input[j]) + at] += what;
}

/* A candidate of a select: its part of the constant. */
static double place_rival(facet_executor *x, const facet_step *step, int32_t j, int64_t row, int64_t at, double what)
{
  if (j >= step->inputs)
    return what * ((const double *)step->rival[j - step->inputs])[at];
  add_to(x, step, j, row, at, what);
  return 0;
}

double facet_step_place(facet_executor *x, const facet_step *step, int64_t wall, int64_t row, double side)
{
  const facet_lowered *l = step->lowered;
  int64_t size = facet_value_size(x, step->output), t;
  if (step->slope) {
    add_to(x, step, 0, row, wall % size, side);
    return -side * l->at[wall / size];
  }
  side *= l->sign;
  if (l->kind == KIND_SELECT)
    return place_rival(x, step, step->winner[wall % size], row, wall % size, side) +
           place_rival(x, step, (int32_t)(wall / size), row, wall % size, -side);
  pool p = pool_of(x, step);
  int64_t i = find_candidate(&p, wall, &t);
  add_to(x, step, 0, row, step->winner[i], side);
  add_to(x, step, 0, row, candidate_of(&p, i, t), -side);
  return 0;
}

/* In the network's own order. */
static int64_t order_of(facet_layout l, int64_t i)
{
  int64_t s = i / l.block % l.spatial, c = i / (l.block * l.spatial) * l.block + i % l.block;
  return c * l.spatial + s;
}

facet_wall_name facet_step_name(const facet_executor *x, const facet_step *step, int64_t wall, int8_t side)
{
  int64_t size = facet_value_size(x, step->output), t;
  facet_layout l = x->layout[step->output];
  if (step->slope)
    return (facet_wall_name){.element = order_of(l, wall % size), .next = (int32_t)(wall / size + (side < 0))};
  if (step->lowered->kind == KIND_SELECT)
    return (facet_wall_name){.element = order_of(l, wall % size), .next = (int32_t)(wall / size)};
  pool p = pool_of(x, step);
  int64_t i = find_candidate(&p, wall, &t);
  return (facet_wall_name){.element = order_of(l, i), .next = (int32_t)t};
}
