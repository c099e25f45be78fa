/* Whether lanes are faster, and find room: the time and the memory of both ways, from weights, shapes, batch and rows
 * alone.  What a product, a number and a convolution take was measured (docs/performance.md); only what one is to the
 * other counts, and that is much the same on one machine as on another. */
#include "lanes.h"

/* Lanes, nanoseconds: of a weight that is left at one position of all lanes, and of a result that is stored. */
static const double TERM = 0.3, RESULT = 4;

/* Products a nanosecond of the usual kernels: Winograd's algorithm for so many channels, at most; others. */
static const double MOST = 300, HALF = 16, OTHERS = 75;

/* In double there are no such kernels. */
static const double DOUBLE = 4;

/* Of the time of the usual way, what lanes may take at most; and of the weights, what may be left at most. */
static const double MARGIN = 0.9, SHARE = 0.5;

/* Products of a forward pass of a sample, at least: in less time goes by other ways. */
static const double LEAST = 1e6;

static double positions_of(const facet_lanes_layout *l)
{
  return (double)(l->height * l->width);
}

/* Weights of a step that are not 0. */
static double left_of(const facet_executor *x, const facet_step *step)
{
  const facet_tensor *weight = x->network->value[step->lowered->weight].constant;
  int64_t left = 0, size = facet_shape_size(weight->shape);
  for (int64_t i = 0; i < size; i++)
    left += facet_tensor_get(weight, i) != 0;
  return (double)left;
}

typedef struct {
  double lanes, usual;  /* nanoseconds of one lot of adjoints */
  double weights, left; /* of all linear steps */
  double products;
} times;

static void add_linear(const facet_executor *x, int i, times *t)
{
  const facet_step *step = &x->step[i];
  const facet_conv_shape *c = &step->lowered->conv;
  const facet_lanes_layout *in = &x->lanes->layout[step->input[0]], *out = &x->lanes->layout[step->output];
  double volume = 1, channels = (double)(c->in_channels < c->out_channels ? c->in_channels : c->out_channels);
  bool winograd = c->spatial == 2 && c->groups == 1;
  for (int d = 0; d < c->spatial; d++) {
    volume *= (double)c->kernel[d];
    winograd = winograd && c->kernel[d] == 3 && c->stride[d] == 1 && c->dilation[d] == 1;
  }
  double weights = (double)c->in_channels / (double)c->groups * (double)c->out_channels * volume;
  double products = weights * positions_of(out), rate = winograd ? MOST * channels / (channels + HALF) : OTHERS;
  double lanes = (double)facet_lanes_count(x->options.real);
  double left = left_of(x, step);
  t->usual += lanes * products / rate;
  t->lanes += TERM * left * positions_of(out) + RESULT * (double)in->channels * positions_of(in);
  t->weights += weights;
  t->left += left;
  t->products += products;
}

/* Of lanes; one lot goes through a worker at once. */
static int64_t lots_of(const facet_executor *x)
{
  int64_t lanes = facet_lanes_count(x->options.real);
  return (x->options.batch * x->options.rows + lanes - 1) / lanes;
}

/* What each worker takes. */
static int64_t worker_bytes(const facet_executor *x)
{
  const facet_lanes_plan *p = x->lanes;
  int64_t bytes = p->made_size * (int64_t)x->real + p->most_channels * FACET_MOST_LANES * (int64_t)sizeof *p->sums;
  for (int s = 0; s < p->slots; s++)
    bytes += p->slot[s].size * FACET_LANES_BYTES;
  return bytes;
}

/* What all share. */
static int64_t shared_bytes(const facet_executor *x, const times *t)
{
  int64_t bytes = (int64_t)t->left * (int64_t)(sizeof(int32_t) + x->real);
  for (int i = 0; i < x->steps; i++)
    bytes += facet_lanes_step_bytes(x, i);
  return bytes;
}

/* Workers that find room where the adjoints of the usual way would lie: `memory` counts these alone. */
static int64_t workers_in_room(const facet_executor *x, const times *t)
{
  int64_t room = (int64_t)facet_slots_bytes(&x->adjoints) - shared_bytes(x, t);
  return room > 0 ? room / worker_bytes(x) : 0;
}

static bool worth(const facet_executor *x, const times *t)
{
  int64_t lanes = facet_lanes_count(x->options.real), adjoints = x->options.batch * x->options.rows;
  double usual = t->usual * (x->options.real == FACET_F64 ? DOUBLE : 1),
         empty = (double)(lots_of(x) * lanes) / (double)adjoints;
  return t->left <= SHARE * t->weights && t->products >= LEAST && t->lanes * empty <= MARGIN * usual &&
         workers_in_room(x, t) > 0;
}

static facet_status allocate(facet_executor *x, const times *t)
{
  facet_lanes_plan *p = x->lanes;
  int64_t lots = lots_of(x), room = workers_in_room(x, t);
  int64_t most = p->insisted || lots < room ? lots : room;
  p->workers = facet_kernels_thread_count() < most ? facet_kernels_thread_count() : (int)most;
  p->bytes = p->workers * worker_bytes(x) + shared_bytes(x, t);
  FACET_NEW(p->data, (int64_t)p->workers * p->slots);
  for (int i = 0; i < p->workers * p->slots; i++)
    if (!(p->data[i] = facet_allocate((size_t)p->slot[i % p->slots].size, FACET_LANES_BYTES)))
      return FACET_OS;
  if (!(p->made = facet_allocate((size_t)(p->workers * p->made_size), x->real)))
    return FACET_OS;
  FACET_NEW(p->sums, p->workers * p->most_channels * FACET_MOST_LANES);
  return facet_lanes_equip(x);
}

facet_status facet_lanes_choose(facet_executor *x)
{
  times t = {0};
  if (!x->lanes)
    return FACET_OK;
  facet_lanes_release(x);
  for (int i = 0; i < x->steps; i++)
    if (x->step[i].lowered->kind == KIND_LINEAR)
      add_linear(x, i, &t);
  x->lanes->chosen = x->lanes->insisted || worth(x, &t);
  if (!x->lanes->chosen)
    return FACET_OK;
  facet_executor_drop_adjoints(x);
  return allocate(x, &t);
}

facet_status facet_lanes_insist(facet_executor *x)
{
  FACET_CHECK(x->lanes, FACET_INTERNAL, "the network is none for lanes");
  x->lanes->insisted = true;
  return facet_executor_refresh(x);
}

facet_status facet_lanes_take(facet_executor *x, const facet_step *step, const void *weights)
{
  return facet_lanes_weights(x->lanes->step[step - x->step].conv, weights);
}
