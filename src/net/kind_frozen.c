/* Steps that are frozen at the sample, element by element: curves by their secant, products by one of their factors
 * (frozen.c).  What an element was multiplied by is remembered like a gate's slope, and taken back through like one. */
#include "executor.h"

static facet_status make_factor(facet_executor *x, facet_step *step)
{
  step->slopes = facet_value_size(x, step->output);
  if (!step->pulled)
    return FACET_OK;
  return facet_executor_own(x, (size_t)(x->options.batch * step->slopes), x->real, &step->slope);
}

/* out = f u + shift of one sample, f as `factor_of` says of element i; what pads a block is 0. All in double. */
static void multiply(const facet_executor *x, const facet_step *step, int64_t sample,
                     double (*factor_of)(const facet_executor *x, const facet_step *step, int64_t sample, int64_t i))
{
  facet_layout l = x->layout[step->output];
  int64_t size = facet_layout_size(l), first = sample * size;
  const void *u = facet_at(x, facet_value_data(x, step->in_slot[0]), first);
  void *out = facet_at(x, facet_value_data(x, step->out_slot), first);
  for (int64_t i = 0; i < size; i++) {
    bool padding = i / (l.block * l.spatial) * l.block + i % l.block >= l.channels;
    double f = padding ? 0 : factor_of(x, step, sample, i);
    double shift = step->shift ? facet_executor_get(x, step->shift, i) : 0;
    if (step->slope)
      facet_executor_put(x, step->slope, first + i, f);
    facet_executor_put(x, out, i, padding ? 0 : f * facet_executor_get(x, u, i) + shift);
  }
}

static facet_status factor_pullback(facet_executor *x, facet_step *step)
{
  const facet_way *way = &step->way[0];
  int64_t size = facet_value_size(x, step->output);
  x->e->gate_pullback(size, x->count, x->options.rows, size, step->slope, facet_adjoint_data(x, step->g_slot),
                      facet_adjoint_data(x, way->addend), facet_adjoint_data(x, way->to));
  return FACET_OK;
}

/* ---- curves ---- */

static facet_status curve_create(facet_executor *x, facet_step *step)
{
  if (step->lowered->shift)
    FACET_TRY(facet_executor_spread(x, step, step->lowered->shift, &step->shift));
  return make_factor(x, step);
}

static double secant_of(const facet_executor *x, const facet_step *step, int64_t sample, int64_t i)
{
  const facet_lowered *l = step->lowered;
  const void *u = facet_value_data(x, step->in_slot[0]);
  return l->curve->secant(facet_executor_get(x, u, sample * facet_value_size(x, step->output) + i), l->parameter);
}

static facet_status curve_forward(facet_executor *x, facet_step *step)
{
  for (int64_t s = 0; s < x->count; s++)
    multiply(x, step, s, secant_of);
  return FACET_OK;
}

const facet_kind_row facet_kind_curve = {curve_create, NULL, curve_forward, factor_pullback, facet_shift_bias, NULL};

/* ---- products of two branches ---- */

static double other_of(const facet_executor *x, const facet_step *step, int64_t sample, int64_t i)
{
  const void *other = facet_value_data(x, step->in_slot[1]);
  double f = facet_executor_get(x, other, sample * facet_value_size(x, step->output) + i);
  return step->lowered->inverse ? 1 / f : f;
}

static facet_status scale_forward(facet_executor *x, facet_step *step)
{
  for (int64_t s = 0; s < x->count; s++)
    multiply(x, step, s, other_of);
  return FACET_OK;
}

const facet_kind_row facet_kind_scale = {make_factor, NULL, scale_forward, factor_pullback, NULL, NULL};
