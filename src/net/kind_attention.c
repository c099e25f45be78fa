/* Steps of attention: products of two branches of matrices, of which one is frozen at the sample (frozen.c), and what
 * is frozen whole, Softmax.  Values lie in plain order. */
#include <math.h>
#include <string.h>

#include "executor.h"

/* ---- products of matrices ---- */

static facet_status product_create(facet_executor *x, facet_step *step)
{
  step->slopes = facet_value_size(x, step->input[1]);
  if (!step->pulled)
    return FACET_OK;
  return facet_executor_own(x, (size_t)(x->options.batch * step->slopes), x->real, &step->slope);
}

/* Matrix number s of the left operands of a sample, or of the right ones. */
static int64_t left_of(const facet_lowered *l, int64_t s)
{
  return l->position[s] * l->rows * l->inner;
}

static int64_t right_of(const facet_lowered *l, int64_t s)
{
  return l->position[l->stacks + s] * l->inner * l->columns;
}

static facet_status product_forward(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  int64_t size = facet_value_size(x, step->output), linear = facet_value_size(x, step->input[0]);
  for (int64_t s = 0; s < x->count; s++) {
    void *u = facet_at(x, facet_value_data(x, step->in_slot[0]), s * linear), *left = u, *right = u;
    void *frozen = facet_at(x, facet_value_data(x, step->in_slot[1]), s * step->slopes);
    void *out = facet_at(x, facet_value_data(x, step->out_slot), s * size);
    *(l->right ? &left : &right) = frozen;
    memset(out, 0, (size_t)size * x->real);
    for (int64_t k = 0; k < l->stacks; k++)
      x->e->matrices(l->rows, l->inner, l->columns, facet_at(x, left, left_of(l, k)), false,
                     facet_at(x, right, right_of(l, k)), false, facet_at(x, out, k * l->rows * l->columns));
    if (step->slope)
      memcpy(facet_at(x, step->slope, s * step->slopes), frozen, (size_t)step->slopes * x->real);
  }
  return FACET_OK;
}

static facet_status product_pullback(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  const facet_way *way = &step->way[0];
  int64_t size = facet_value_size(x, step->output), linear = facet_value_size(x, step->input[0]);
  facet_way_open(x, way, step->input[0]);
  for (int64_t a = 0; a < facet_adjoints(x); a++) {
    void *frozen = facet_at(x, step->slope, a / x->options.rows * step->slopes);
    void *g = facet_at(x, facet_adjoint_data(x, step->g_slot), a * size);
    void *to = facet_at(x, facet_adjoint_data(x, way->to), a * linear);
    for (int64_t k = 0; k < l->stacks; k++) {
      void *part = facet_at(x, g, k * l->rows * l->columns);
      if (l->right)
        x->e->matrices(l->inner, l->rows, l->columns, facet_at(x, frozen, left_of(l, k)), true, part, false,
                       facet_at(x, to, right_of(l, k)));
      else
        x->e->matrices(l->rows, l->columns, l->inner, part, false, facet_at(x, frozen, right_of(l, k)), true,
                       facet_at(x, to, left_of(l, k)));
    }
  }
  return FACET_OK;
}

const facet_kind_row facet_kind_product = {product_create, NULL, product_forward, product_pullback, NULL, NULL};

/* ---- Softmax ---- */

static facet_status constant_create(facet_executor *x, facet_step *step)
{
  if (!step->pulled)
    return FACET_OK;
  return facet_executor_own(x, (size_t)(x->options.batch * facet_value_size(x, step->output)), x->real, &step->offset);
}

/* Of `count` numbers, `stride` apart. */
static void soft_max(const facet_executor *x, int64_t count, int64_t stride, const void *u, void *out)
{
  double most = -INFINITY, sum = 0;
  for (int64_t i = 0; i < count; i++) { /* no fmax: where it vectorizes that, GCC 12 for AArch64 dies */
    double here = facet_executor_get(x, u, i * stride);
    most = most > here ? most : here;
  }
  for (int64_t i = 0; i < count; i++)
    sum += exp(facet_executor_get(x, u, i * stride) - most);
  for (int64_t i = 0; i < count; i++)
    facet_executor_put(x, out, i * stride, exp(facet_executor_get(x, u, i * stride) - most) / sum);
}

static facet_status constant_forward(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  int64_t size = facet_value_size(x, step->output), together = l->length * l->stride;
  for (int64_t s = 0; s < x->count; s++) {
    void *u = facet_at(x, facet_value_data(x, step->in_slot[0]), s * size);
    void *out = facet_at(x, facet_value_data(x, step->out_slot), s * size);
    for (int64_t first = 0; first < size; first += together)
      for (int64_t i = first; i < first + l->stride; i++)
        soft_max(x, l->length, l->stride, facet_at(x, u, i), facet_at(x, out, i));
    if (step->offset)
      memcpy(facet_at(x, step->offset, s * size), out, (size_t)size * x->real);
  }
  return FACET_OK;
}

static facet_status constant_pullback(facet_executor *x, facet_step *step)
{
  (void)x, (void)step; /* no input is linear */
  return FACET_OK;
}

const facet_kind_row facet_kind_constant = {constant_create,   NULL, constant_forward, constant_pullback,
                                            facet_offset_bias, NULL};
