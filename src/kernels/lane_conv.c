/* Convolutions in lanes: see lane_conv.h.
 *
 * Along a dimension of stride s, dilation d, output o meets kernel position k at input o s + k d - pad.  Forward, the
 * results side by side are all outputs, and their sources s apart.  Pulled back, inputs are parted by the remainder of
 * (input + pad) by s: those of one part are s apart and meet the same kernel positions, and their sources lie side by
 * side.  Either way a weight's source is the result's place in its part, times a step, and an offset that belongs to
 * the weight. */
#include "lane_conv.h"

#include <string.h>

#include "left.h"
#include "registers.h"

enum {
  RUN = 8,                             /* positions of a row that are computed together */
  WIDEST_STEP = 2,                     /* from source to source of these; where they are farther apart, one at a time */
  ROWS = FACET_REGISTER == 64 ? 2 : 1, /* rows of so many that registers hold at once; more would be kept in memory */
  SLACK = 32,                          /* vectors behind a value that they may touch beyond what is stored */
  APART = 8,                           /* channels lie an odd multiple of half of it apart: vectors, for the cache */
  PLANAR = 2,                          /* dimensions */
  CHAINS = 4,                          /* of sums, where there is one position */
  PARTS = FACET_LANES_BYTES / FACET_REGISTER
};

/* Results that meet the same kernel positions: from y, x on, the layer's step apart. */
typedef struct {
  int64_t y, x, rows, columns;
} phase;

struct facet_lanes {
  facet_left left; /* of two dimensions */
  facet_lanes_layout source, result;
  phase *phase;                            /* of each of its parts */
  int64_t step[PLANAR], from_step[PLANAR]; /* from result to result of a part, and of their sources */
  void *bias;                              /* of the result's channels */
};

facet_lanes_layout facet_lanes_layout_of(int64_t channels, int64_t height, int64_t width, int64_t border)
{
  facet_lanes_layout l = {.channels = channels, .height = height, .width = width};
  l.pitch = width + border; /* what lies behind a row lies before the next one */
  /* Were channels a power of two apart, or one vector more, what the results of a tile read of all of them would lie in
   * few sets of the nearest cache: 64, each for a line of a vector. An odd multiple of 4 spreads it over all. */
  l.plane = (height + border) * l.pitch;
  l.plane += (APART + APART / 2 - l.plane % APART) % APART;
  l.before = border * l.pitch + border;
  l.size = l.before + channels * l.plane + border * l.pitch + SLACK;
  return l;
}

#define REAL    float
#define WHOLE   int32_t
#define NAME(x) x##_f32
#include "lane_conv_body.h"
#undef REAL
#undef WHOLE
#undef NAME

#define REAL    double
#define WHOLE   int64_t
#define NAME(x) x##_f64
#include "lane_conv_body.h"
#undef REAL
#undef WHOLE
#undef NAME

/* ---- shapes ---- */

static int64_t floor_of(int64_t a, int64_t b)
{
  return a >= 0 ? a / b : -((-a + b - 1) / b);
}

static int64_t larger(int64_t a, int64_t b)
{
  return a > b ? a : b;
}

int64_t facet_lanes_border(const facet_conv_shape *shape, facet_task task)
{
  int64_t border = 0;
  if (shape->spatial > PLANAR)
    return -1;
  facet_conv_shape c = facet_conv_over(shape, PLANAR);
  for (int d = 0; d < PLANAR; d++) {
    int64_t reach = (c.kernel[d] - 1) * c.dilation[d], s = c.stride[d], pad = c.pad_begin[d];
    if (task == FACET_FORWARD) {
      border = larger(border, pad);
      border = larger(border, (c.out[d] - 1) * s + reach - pad - (c.in[d] - 1));
    } else {
      border = larger(border, -floor_of(pad - reach, s));
      border = larger(border, floor_of(c.in[d] - 1 + pad, s) - (c.out[d] - 1));
    }
  }
  return border;
}

/* Results of remainder r by the stride, along dimension d: which come first, and how many. */
static int64_t phase_of(const facet_lanes *s, int d, int64_t r, int64_t *count)
{
  const facet_conv_shape *c = &s->left.shape;
  int64_t first = ((r - c->pad_begin[d]) % c->stride[d] + c->stride[d]) % c->stride[d];
  *count = first < c->in[d] ? (c->in[d] - 1 - first) / c->stride[d] + 1 : 0;
  return first;
}

static void find_phases(facet_lanes *s)
{
  const facet_conv_shape *c = &s->left.shape;
  for (int d = 0; d < PLANAR; d++) {
    s->step[d] = s->left.forward ? 1 : c->stride[d];
    s->from_step[d] = s->left.forward ? c->stride[d] : 1;
  }
  if (s->left.forward) {
    s->phase[0] = (phase){0, 0, c->out[0], c->out[1]};
    return;
  }
  for (int64_t r = 0; r < s->left.parts; r++) {
    phase *p = &s->phase[r];
    p->y = phase_of(s, 0, r / c->stride[1], &p->rows);
    p->x = phase_of(s, 1, r % c->stride[1], &p->columns);
  }
}

/* Of kernel position k. */
static void find_shift(facet_lanes *s, int64_t k)
{
  const facet_conv_shape *c = &s->left.shape;
  int64_t at[] = {k / c->kernel[1], k % c->kernel[1]}, shift[PLANAR], part = 0;
  for (int d = 0; d < PLANAR; d++) {
    int64_t tap = at[d] * c->dilation[d], count;
    if (s->left.forward) {
      shift[d] = tap - c->pad_begin[d];
      continue;
    }
    int64_t remainder = tap % c->stride[d];
    part = part * c->stride[d] + remainder;
    shift[d] = (phase_of(s, d, remainder, &count) + c->pad_begin[d] - tap) / c->stride[d]; /* without a remainder */
  }
  s->left.shift[k] = (s->source.before + shift[0] * s->source.pitch + shift[1]) * facet_lanes_count(s->left.real);
  s->left.part[k] = (int32_t)part;
}

facet_status facet_lanes_create(const facet_conv_shape *shape, facet_type real, facet_task task,
                                const facet_lanes_layout *source, const facet_lanes_layout *result, facet_lanes **lanes)
{
  facet_lanes *s;
  facet_conv_shape c = facet_conv_over(shape, PLANAR);
  facet_status status = FACET_OK;
  FACET_NEW(s, 1);
  s->source = *source;
  s->result = *result;
  FACET_GO(failed, status, facet_left_create(&c, real, task, &s->left));
  FACET_NEW_GO(failed, status, s->phase, s->left.parts);
  FACET_GO(failed, status,
           (s->bias = facet_allocate((size_t)result->channels, facet_type_size(real))) ? FACET_OK : FACET_OS);
  s->left.apart = source->plane * facet_lanes_count(real);
  find_phases(s);
  for (int64_t k = 0; k < s->left.volume; k++)
    find_shift(s, k);
  *lanes = s;
  return FACET_OK;
failed:
  facet_lanes_destroy(&s);
  return status;
}

void facet_lanes_destroy(facet_lanes **lanes)
{
  facet_lanes *s = *lanes;
  if (s) {
    facet_free(&s->phase);
    facet_free(&s->bias);
    facet_left_destroy(&s->left);
  }
  facet_free(lanes);
}

facet_status facet_lanes_weights(facet_lanes *s, const void *weights, const void *bias)
{
  size_t bytes = (size_t)s->result.channels * facet_type_size(s->left.real);
  if (bias)
    memcpy(s->bias, bias, bytes);
  else
    memset(s->bias, 0, bytes);
  return facet_left_take(&s->left, weights);
}

/* ---- for both ---- */

#define EITHER(name, ...) (real == FACET_F64 ? name##_f64(__VA_ARGS__) : name##_f32(__VA_ARGS__))

void facet_lanes_run(const facet_lanes *s, const void *source, const facet_lanes_fusion *with, void *result)
{
  facet_type real = s->left.real;
  EITHER(run, s, source, with, result);
}

void facet_lanes_gradient(const facet_lanes *s, const void *u, const void *gz, double *gw)
{
  facet_type real = s->left.real;
  EITHER(gradient, s, u, gz, gw);
}

void facet_lanes_map(const facet_lanes_layout *layout, facet_type real, const void *scale, const void *shift,
                     const void *g, const facet_lanes_fusion *with, void *to)
{
  EITHER(map, layout, scale, shift, g, with, to);
}

void facet_lanes_move(const facet_lanes_moves *moves, facet_type real, const void *g, void *to)
{
  EITHER(move, moves, g, to);
}

void facet_lanes_win(const facet_lanes_layout *layout, facet_type real, const facet_lanes_fusion *with,
                     const int32_t *const *winner, const int32_t *place, const void *g, void *to)
{
  EITHER(win, layout, with, winner, place, g, to);
}

void facet_lanes_window(const facet_lanes_layout *in, const facet_lanes_layout *out, facet_type real,
                        const facet_lanes_windows *windows, const void *u, void *to)
{
  EITHER(window, in, out, windows, u, to);
}

void facet_lanes_sums(const facet_lanes_layout *layout, facet_type real, const void *g, double *sums)
{
  EITHER(sums, layout, g, sums);
}

void facet_lanes_dot(const facet_lanes_layout *layout, facet_type real, const void *g, const facet_lanes_fusion *with,
                     double *sums)
{
  EITHER(dot, layout, g, with, sums);
}

void facet_lanes_pack(const facet_lanes_layout *to, facet_type real, facet_layout layout, int count,
                      const void *const *from, void *lanes)
{
  EITHER(pack, to, layout, count, from, lanes);
}

void facet_lanes_unpack(const facet_lanes_layout *from, facet_type real, facet_layout layout, int count,
                        const void *lanes, void *const *to)
{
  EITHER(unpack, from, layout, count, lanes, to);
}
