/* Following ways back through a linear step (touched.c): by every weight that is not 0.
 *
 * Channel by channel in plain order, and row by row of the plane, whatever the layouts.  Where no weight is 0, all
 * channels before the step reach the same, and are found once. */
#include <string.h>

#include "executor.h"

static int64_t volume_of(const facet_conv_shape *p)
{
  return p->kernel[0] * p->kernel[1] * p->kernel[2];
}

/* By one tap of the kernel: output o meets input o * stride + offset, where there is one. */
typedef struct {
  int64_t offset[FACET_MAX_SPATIAL], first[FACET_MAX_SPATIAL], end[FACET_MAX_SPATIAL];
} meeting;

static meeting meeting_at(const facet_conv_shape *p, int64_t tap)
{
  meeting m;
  for (int a = FACET_MAX_SPATIAL - 1; a >= 0; a--) {
    int64_t offset = tap % p->kernel[a] * p->dilation[a] - p->pad_begin[a], room = p->in[a] - 1 - offset;
    tap /= p->kernel[a];
    m.offset[a] = offset;
    m.first[a] = offset >= 0 ? 0 : (-offset + p->stride[a] - 1) / p->stride[a];
    m.end[a] = room < 0 ? 0 : room / p->stride[a] + 1;
    m.end[a] = m.end[a] < p->out[a] ? m.end[a] : p->out[a];
  }
  return m;
}

/* to |= from, one channel each, where they meet: from outputs to inputs, or the other way round. */
static void follow_tap(const facet_conv_shape *p, meeting m, bool adjoint, const uint16_t *restrict from,
                       uint16_t *restrict to)
{
  int64_t length = m.end[2] - m.first[2], step = p->stride[2];
  for (int64_t i = m.first[0]; i < m.end[0]; i++)
    for (int64_t j = m.first[1]; j < m.end[1]; j++) {
      int64_t out = (i * p->out[1] + j) * p->out[2] + m.first[2];
      int64_t in = ((i * p->stride[0] + m.offset[0]) * p->in[1] + j * p->stride[1] + m.offset[1]) * p->in[2] +
                   m.first[2] * step + m.offset[2];
      if (adjoint)
        for (int64_t n = 0; n < length; n++)
          to[out + n] |= from[in + n * step];
      else if (step == 1)
        for (int64_t n = 0; n < length; n++)
          to[in + n] |= from[out + n];
      else
        for (int64_t n = 0; n < length; n++)
          to[in + n * step] |= from[out + n];
    }
}

/* What ways follow in one image: planes of channels, plain. */
typedef struct {
  const facet_step *step;
  facet_conv_shape p;           /* over all axes */
  int64_t from_plane, to_plane; /* elements of a channel */
  int64_t from_group, to_group; /* channels of a group */
  uint16_t *from, *to;
} image;

static bool is_reached(const image *i, int64_t channel)
{
  const uint16_t *plane = i->from + channel * i->from_plane;
  uint16_t any = 0;
  for (int64_t n = 0; n < i->from_plane; n++)
    any |= plane[n];
  return any != 0;
}

/* Weight `tap` between channel f of a group that is reached and channel t of one before the step. */
static bool is_present(const image *i, int64_t group, int64_t f, int64_t t, int64_t volume, int64_t tap)
{
  bool adjoint = i->step->lowered->adjoint;
  int64_t out = adjoint ? group * i->to_group + t : group * i->from_group + f;
  int64_t in = adjoint ? f : t, ins = adjoint ? i->from_group : i->to_group;
  return i->step->present[(out * ins + in) * volume + tap];
}

static void follow_sparse(const image *i, int64_t group)
{
  int64_t volume = volume_of(&i->p);
  for (int64_t f = 0; f < i->from_group; f++) {
    int64_t channel = group * i->from_group + f;
    if (!is_reached(i, channel))
      continue;
    for (int64_t tap = 0; tap < volume; tap++) {
      const meeting m = meeting_at(&i->p, tap);
      for (int64_t t = 0; t < i->to_group; t++)
        if (is_present(i, group, f, t, volume, tap))
          follow_tap(&i->p, m, i->step->lowered->adjoint, i->from + channel * i->from_plane,
                     i->to + (group * i->to_group + t) * i->to_plane);
    }
  }
}

/* The first channel of the group takes all of it, and gives it to the others. */
static void follow_dense(const image *i, int64_t group)
{
  uint16_t *from = i->from + group * i->from_group * i->from_plane;
  uint16_t *to = i->to + group * i->to_group * i->to_plane;
  for (int64_t f = 1; f < i->from_group; f++)
    for (int64_t n = 0; n < i->from_plane; n++)
      from[n] |= from[f * i->from_plane + n];
  for (int64_t tap = 0; tap < volume_of(&i->p); tap++)
    follow_tap(&i->p, meeting_at(&i->p, tap), i->step->lowered->adjoint, from, to);
  for (int64_t t = 1; t < i->to_group; t++)
    memcpy(to + t * i->to_plane, to, (size_t)i->to_plane * sizeof *to);
}

/* An inner product: every element is a channel. */
static void follow_inner(const image *i)
{
  bool adjoint = i->step->lowered->adjoint;
  uint16_t any = 0;
  for (int64_t f = 0; f < i->from_group; f++) {
    const uint16_t came = i->from[f];
    any |= came;
    for (int64_t t = 0; came && !i->step->dense && t < i->to_group; t++)
      i->to[t] |= i->step->present[adjoint ? t * i->from_group + f : f * i->to_group + t] ? came : 0;
  }
  for (int64_t t = 0; i->step->dense && t < i->to_group; t++)
    i->to[t] = any;
}

static void to_plain(facet_layout l, const uint16_t *packed, uint16_t *plain)
{
  for (int64_t c = 0; c < l.channels; c++)
    for (int64_t s = 0; s < l.spatial; s++)
      plain[c * l.spatial + s] = packed[facet_layout_at(l, c, s)];
}

static void from_plain(facet_layout l, const uint16_t *plain, uint16_t *packed)
{
  for (int64_t c = 0; c < l.channels; c++)
    for (int64_t s = 0; s < l.spatial; s++)
      packed[facet_layout_at(l, c, s)] |= plain[c * l.spatial + s];
}

void facet_touched_linear(facet_executor *x, const facet_step *step)
{
  const facet_lowered *l = step->lowered;
  const facet_conv_shape *c = &l->conv;
  facet_ends e = facet_step_ends(x, step);
  facet_layout from = l->adjoint ? e.in : e.out, to = l->adjoint ? e.out : e.in;
  int64_t outs = c->out_channels / (c->spatial ? c->groups : 1), ins = c->in_channels / (c->spatial ? c->groups : 1);
  image i = {.step = step,
             .p = facet_conv_over(c, FACET_MAX_SPATIAL),
             .from_plane = from.spatial,
             .to_plane = to.spatial,
             .from_group = l->adjoint ? ins : outs,
             .to_group = l->adjoint ? outs : ins,
             .from = x->plain[0],
             .to = x->plain[1]};
  for (int64_t n = 0; n < e.images; n++) {
    to_plain(from, x->reach + x->reach_at[step->output] + n * facet_layout_size(from), i.from);
    memset(i.to, 0, (size_t)(to.channels * to.spatial) * sizeof *i.to);
    if (c->spatial == 0)
      follow_inner(&i);
    for (int64_t g = 0; c->spatial > 0 && g < c->groups; g++)
      if (step->dense)
        follow_dense(&i, g);
      else
        follow_sparse(&i, g);
    from_plain(to, i.to, x->reach + x->reach_at[step->input[0]] + n * facet_layout_size(to));
  }
}

static bool is_weight(const facet_executor *x, const void *weights, int64_t i)
{
  return x->options.real == FACET_F64 ? ((const double *)weights)[i] != 0 : ((const float *)weights)[i] != 0;
}

facet_status facet_touched_weights(facet_executor *x, facet_step *step, const void *weights)
{
  if (!x->options.touched || x->settles)
    return FACET_OK;
  const int64_t size = facet_shape_size(x->network->value[step->lowered->weight].shape);
  int64_t i = 0;
  while (i < size && is_weight(x, weights, i))
    i++;
  step->dense = i == size;
  if (step->dense)
    return FACET_OK;
  if (!step->present)
    FACET_TRY(facet_executor_own(x, (size_t)size, 1, &step->present));
  for (i = 0; i < size; i++)
    step->present[i] = is_weight(x, weights, i);
  return FACET_OK;
}
