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

/* The usual way forward, nanoseconds: what gates and sums take of a result, with the pattern; where few weights are
 * left (kernels/sparse.h), of such a weight at one position, and of a number that goes in or comes out. */
static const double GATE = 0.7, FEW = 0.125, SPARSE_TERM = 0.03, SPARSE_NUMBER = 0.4;

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

/* Of a sample by the usual way: `dense` without what follows, where no weight is 0. */
static double forward_of(const facet_lanes_layout *in, const facet_lanes_layout *out, double share, double left,
                         double dense)
{
  double results = (double)out->channels * positions_of(out), sources = (double)in->channels * positions_of(in);
  double sparse = SPARSE_TERM * left * positions_of(out) + SPARSE_NUMBER * (sources + results);
  return GATE * results + (share <= FEW && sparse < dense ? sparse : dense);
}

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
  t->usual +=
      x->lanes->forward ? lanes * forward_of(in, out, left / weights, left, products / rate) : lanes * products / rate;
  const facet_lanes_layout *result = x->lanes->forward ? out : in;
  t->lanes += TERM * left * positions_of(out) + RESULT * (double)result->channels * positions_of(result);
  t->weights += weights;
  t->left += left;
  t->products += products;
}

/* What lies in lanes: samples, or adjoints. */
static int64_t most_in_lanes(const facet_executor *x)
{
  return x->options.batch * (x->lanes->forward ? 1 : x->options.rows);
}

/* Of lanes; one lot goes through a worker at once. */
static int64_t lots_of(const facet_executor *x)
{
  int64_t lanes = facet_lanes_count(x->options.real);
  return (most_in_lanes(x) + lanes - 1) / lanes;
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

/* Forward: values that stay. */
static bool is_kept(const facet_executor *x, int v)
{
  return x->keep[v] || v == x->network->input;
}

static int64_t kept_size(const facet_executor *x, int v)
{
  return x->options.batch * facet_value_size(x, v);
}

/* What all share. */
static int64_t shared_bytes(const facet_executor *x, const times *t)
{
  int64_t bytes = (int64_t)t->left * (int64_t)(sizeof(int32_t) + x->real);
  for (int i = 0; i < x->steps; i++)
    bytes += facet_lanes_step_bytes(x, i);
  for (int v = 0; x->lanes->forward && v < x->network->values; v++)
    bytes += is_kept(x, v) ? kept_size(x, v) * (int64_t)x->real : 0;
  return bytes;
}

/* Workers that find room where the values or adjoints of the usual way would lie: `memory` counts these alone. */
static int64_t workers_in_room(const facet_executor *x, const times *t)
{
  const facet_slots *usual = x->lanes->forward ? &x->values : &x->adjoints;
  int64_t room = (int64_t)facet_slots_bytes(usual) - shared_bytes(x, t);
  return room > 0 ? room / worker_bytes(x) : 0;
}

static bool worth(const facet_executor *x, const times *t)
{
  int64_t lanes = facet_lanes_count(x->options.real);
  double usual = t->usual * (x->options.real == FACET_F64 ? DOUBLE : 1),
         empty = (double)(lots_of(x) * lanes) / (double)most_in_lanes(x);
  return t->left <= SHARE * t->weights && t->products >= LEAST && t->lanes * empty <= MARGIN * usual &&
         workers_in_room(x, t) > 0;
}

static facet_status allocate_kept(facet_executor *x)
{
  facet_lanes_plan *p = x->lanes;
  FACET_NEW(p->kept, x->network->values);
  for (int v = 0; v < x->network->values; v++)
    if (is_kept(x, v) && !(p->kept[v] = facet_allocate((size_t)kept_size(x, v), x->real)))
      return FACET_OS;
  return FACET_OK;
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
  if (p->forward)
    FACET_TRY(allocate_kept(x));
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
  if (x->lanes->forward)
    facet_executor_drop_values(x);
  else
    facet_executor_drop_adjoints(x);
  return allocate(x, &t);
}

facet_status facet_lanes_insist(facet_executor *x)
{
  FACET_CHECK(x->lanes, FACET_INTERNAL, "the network is none for lanes");
  x->lanes->insisted = true;
  return facet_executor_refresh(x);
}

facet_status facet_lanes_take(facet_executor *x, const facet_step *step, const void *weights, const void *bias)
{
  return facet_lanes_weights(x->lanes->step[step - x->step].conv, weights, bias);
}
