/* Steps that normalize a sample by its own statistics: z = gamma r (u - mean u) + beta, with the mean and r = 1 /
 * sqrt(variance + epsilon) of each group of neighbours.  The mean is linear and stays; r is frozen at the sample.
 * Values lie in plain order, so groups are contiguous.  Statistics in double. */
#include <math.h>

#include "executor.h"

static facet_status norm_create(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  int64_t size = facet_value_size(x, step->output);
  step->slopes = size / l->length;
  FACET_TRY(facet_executor_own(x, (size_t)size, x->real, &step->scale));
  if (l->beta != NO_VALUE)
    FACET_TRY(facet_executor_own(x, (size_t)size, x->real, &step->shift));
  return facet_executor_own(x, (size_t)(x->options.batch * step->slopes), x->real, &step->slope);
}

/* gamma or beta of element i. */
static double constant_of(const facet_executor *x, const facet_lowered *l, int value, int64_t i)
{
  const facet_tensor *t = x->network->value[value].constant;
  return facet_tensor_get(t, i / l->stride % facet_shape_size(t->shape));
}

static facet_status norm_refresh(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  for (int64_t i = 0, size = facet_value_size(x, step->output); i < size; i++) {
    facet_executor_put(x, step->scale, i, l->gamma != NO_VALUE ? constant_of(x, l, l->gamma, i) : 1);
    if (step->shift)
      facet_executor_put(x, step->shift, i, constant_of(x, l, l->beta, i));
  }
  return FACET_OK;
}

/* How large what one group puts out is, in units of its input's size, and with what the error of r makes of it: r is
 * off by the relative error of the variance, which is that of u times the largest normalized element. */
static double group_gain(double r, double furthest)
{
  return 2 * r * (1 + furthest * r * furthest * r);
}

/* One group; *gain: the largest so far. */
static void normalize(const facet_executor *x, const facet_step *step, int64_t sample, int64_t group, double *gain)
{
  const facet_lowered *l = step->lowered;
  int64_t size = facet_value_size(x, step->output), n = l->length, first = group * n;
  const void *u = facet_at(x, facet_value_data(x, step->in_slot[0]), sample * size + first);
  void *out = facet_at(x, facet_value_data(x, step->out_slot), sample * size + first);
  double mean = 0, variance = 0, furthest = 0;
  for (int64_t i = 0; l->centred && i < n; i++)
    mean += facet_executor_get(x, u, i) / (double)n;
  for (int64_t i = 0; i < n; i++) {
    double d = facet_executor_get(x, u, i) - mean;
    variance += d * d / (double)n;
    furthest = fmax(furthest, fabs(d));
  }
  double r = 1 / sqrt(variance + l->epsilon);
  facet_executor_put(x, step->slope, sample * step->slopes + group, r);
  for (int64_t i = 0; i < n; i++) {
    double z = facet_executor_get(x, step->scale, first + i) * r * (facet_executor_get(x, u, i) - mean);
    facet_executor_put(x, out, i, z + (step->shift ? facet_executor_get(x, step->shift, first + i) : 0));
  }
  *gain = fmax(*gain, group_gain(r, furthest));
}

static facet_status norm_forward(facet_executor *x, facet_step *step)
{
  int64_t size = facet_value_size(x, step->output);
  double scale = x->e->largest(size, step->scale), shift = step->shift ? x->e->largest(size, step->shift) : 0;
  for (int64_t s = 0; s < x->count; s++) {
    double gain = 0;
    for (int64_t group = 0; group < step->slopes; group++)
      normalize(x, step, s, group, &gain);
    facet_rounding_grow(x, step, s, scale * gain, shift);
  }
  return FACET_OK;
}

/* to += h - mean h, with h = r gamma g, of one group of one adjoint. */
static void pull_group(const facet_executor *x, const facet_step *step, double r, int64_t first, const void *g,
                       void *to)
{
  int64_t n = step->lowered->length;
  double mean = 0;
  for (int64_t i = first; step->lowered->centred && i < first + n; i++)
    mean += r * facet_executor_get(x, step->scale, i) * facet_executor_get(x, g, i) / (double)n;
  for (int64_t i = first; i < first + n; i++) {
    double h = r * facet_executor_get(x, step->scale, i) * facet_executor_get(x, g, i);
    facet_executor_put(x, to, i, facet_executor_get(x, to, i) + h - mean);
  }
}

static facet_status norm_pullback(facet_executor *x, facet_step *step)
{
  const facet_way *way = &step->way[0];
  int64_t size = facet_value_size(x, step->output);
  facet_way_open(x, way, step->input[0]);
  for (int64_t a = 0; a < facet_adjoints(x); a++) {
    const void *g = facet_at(x, facet_adjoint_data(x, step->g_slot), a * size);
    void *to = facet_at(x, facet_adjoint_data(x, way->to), a * size);
    for (int64_t group = 0; group < step->slopes; group++)
      pull_group(x, step, facet_executor_get(x, step->slope, a / x->options.rows * step->slopes + group),
                 group * step->lowered->length, g, to);
  }
  return FACET_OK;
}

const facet_kind_row facet_kind_norm = {norm_create, norm_refresh, norm_forward, norm_pullback, facet_shift_bias, NULL};
