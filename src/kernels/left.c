/* The weights of a convolution that are left: see left.h. */
#include "left.h"

static int64_t runs_of(const facet_left *l)
{
  return (l->forward ? l->shape.out_channels : l->shape.in_channels) * l->parts;
}

facet_status facet_left_create(const facet_conv_shape *shape, facet_type real, facet_task task, facet_left *left)
{
  *left = (facet_left){.shape = *shape, .real = real, .forward = task == FACET_FORWARD, .volume = 1, .parts = 1};
  for (int d = 0; d < shape->spatial; d++) {
    left->volume *= shape->kernel[d];
    left->parts *= left->forward ? 1 : shape->stride[d];
  }
  left->all = shape->out_channels * (shape->in_channels / shape->groups) * left->volume;
  FACET_NEW(left->shift, left->volume);
  FACET_NEW(left->part, left->volume);
  FACET_NEW(left->first, runs_of(left) + 1);
  return FACET_OK;
}

void facet_left_destroy(facet_left *left)
{
  facet_free(&left->shift);
  facet_free(&left->part);
  facet_free(&left->first);
  facet_free(&left->offset);
  facet_free(&left->weight);
}

static double weight_at(const facet_left *l, const void *weights, int64_t i)
{
  return l->real == FACET_F64 ? ((const double *)weights)[i] : (double)((const float *)weights)[i];
}

int64_t facet_left_count(const facet_left *l, const void *weights)
{
  const double *doubles = weights;
  const float *floats = weights;
  int64_t count = 0, all = l->all;
  if (l->real == FACET_F64)
    for (int64_t i = 0; i < all; i++)
      count += doubles[i] != 0;
  else
    for (int64_t i = 0; i < all; i++)
      count += floats[i] != 0;
  return count;
}

static void put_term(facet_left *l, int64_t i, int64_t offset, double weight)
{
  l->offset[i] = (int32_t)offset;
  if (l->real == FACET_F64)
    ((double *)l->weight)[i] = weight;
  else
    ((float *)l->weight)[i] = (float)weight;
}

/* The terms of a part of a channel of results, from term `next` on; the number after the last. */
static int64_t put_part(facet_left *l, int64_t channel, int64_t part, const void *weights, int64_t next)
{
  const facet_conv_shape *c = &l->shape;
  int64_t inputs = c->in_channels / c->groups, outputs = c->out_channels / c->groups;
  int64_t sources = l->forward ? inputs : outputs, group = channel / (l->forward ? outputs : inputs);
  for (int64_t i = 0; i < sources; i++)
    for (int64_t k = 0; k < l->volume; k++) {
      int64_t out = l->forward ? channel : group * outputs + i, in = l->forward ? i : channel - group * inputs;
      double weight = weight_at(l, weights, (out * inputs + in) * l->volume + k);
      if (weight != 0 && l->part[k] == part)
        put_term(l, next++, (group * sources + i) * l->apart + l->shift[k], weight);
    }
  return next;
}

facet_status facet_left_take(facet_left *l, const void *weights)
{
  int64_t count = facet_left_count(l, weights);
  if (count > l->room) {
    facet_free(&l->offset);
    facet_free(&l->weight);
    l->room = 0;
    FACET_NEW(l->offset, count);
    FACET_CHECK(l->weight = facet_allocate((size_t)count, facet_type_size(l->real)), FACET_OS, "out of memory");
    l->room = count;
  }
  for (int64_t r = 0; r < runs_of(l); r++)
    l->first[r + 1] = put_part(l, r / l->parts, r % l->parts, weights, l->first[r]);
  return FACET_OK;
}
