/* Blocks in training: see block.h.
 *
 * Every convolution, forward or back, takes its source out of a frame: one sample with zeros around it, so that no
 * product needs to know of borders.  A tile of positions (ROWS x COLUMNS) times one register of channels is summed up
 * in registers: each weight meets all positions of the tile. */
#include "block.h"

#include <math.h>
#include <string.h>

#include "lane_block.h"
#include "registers.h"

enum {
  TAPS = 9,
  IMAGE = 4,                            /* channels in plain order at most */
  MOST = 32,                            /* channels at most: beyond, other algorithms win */
  WIDEST = 16,                          /* block of a layout */
  TOGETHER = 8,                         /* samples whose gradients are added up first */
  PARTIAL = 4,                          /* sums side by side */
  PAIR = 16,                            /* lanes of a register that holds two positions of 8 channels */
  DEPTH = FACET_REGISTERS == 32 ? 8 : 4 /* channels of u that meet z's adjoint at once, at three taps */
};

#if defined(__AVX512F__) || defined(__aarch64__)
#define TILE 16 /* sums of a tile */
#else
#define TILE 8
#endif

/* A value as frames hold it: blocks of `step` channels. */
typedef struct {
  facet_layout layout;
  int64_t height, width;
  int64_t blocks, step;
  int64_t line, plane; /* floats of a row and of a block of a frame */
  int64_t lanes;       /* channels of a register that adds up to this value */
} side;

/* What a convolution between two sides computes with.  A register is LANES channels of the result at one position, or,
 * paired, 8 channels at two positions side by side, which meet four sources in a row in place of three. */
typedef struct {
  const side *from, *to;
  bool paired;
  float *weights;         /* [registers of channels of the result][blocks of the source][taps][channels of it][lanes] */
  float *left;            /* of each register of channels, those that are not all 0, one after the other ... */
  int32_t *offset, *most; /* ... where in a frame what each meets is, from its first source on; and how many */
} conv;

/* The weights of one register of channels: all of them, in order, or those that are left. */
typedef struct {
  int64_t count;
  const float *weights;
  const int32_t *offset; /* NULL: all */
} kept;

struct facet_block {
  facet_block_shape shape;
  int64_t batch, channels; /* of z, padding included */
  side in, out;
  conv forward, back;      /* back without weights: nobody wants it */
  int64_t groups;          /* of TOGETHER samples */
  float *z;                /* batch samples, in blocks */
  float *frames;           /* of u, per sample: filled forward, and there on the way back */
  float *back_frames;      /* of z's adjoint, per group */
  float *gradient;         /* per group, as forward.weights */
  double *statistics;      /* per sample: STATISTICS times the channels */
  facet_lane_block *lanes; /* NULL: the batch does not fill them */
  bool by_lanes;           /* with the weights that it has */
};

/* Per sample and channel: of z, its sum, a mean near the sample's own and the squared distances from that; on the way
 * back, the sums of the adjoint, and of its products with the normed z. */
enum { SUM, NEAR, DISTANCES, STATISTICS };
enum { OF_ADJOINT, OF_PRODUCTS };

/* What one pass needs to know of every channel: y = scale (z - mean) + shift, and back, with the adjoint g of y,
 * factor g + slope (z - mean) + constant. */
typedef struct {
  float mean[MOST], scale[MOST], shift[MOST], factor[MOST], slope[MOST], constant[MOST];
} channels;

static double *statistics_of(const facet_block *b, int64_t sample, int which)
{
  return b->statistics + (sample * STATISTICS + which) * b->channels;
}

/* Where channel c begins in a sample of a layout. */
static inline int64_t channel_place(facet_layout l, int64_t c)
{
  return c / l.block * l.block * l.spatial + c % l.block;
}

/* The results of a block, one sample. */
static int64_t result_size(const facet_block *b)
{
  int64_t size = facet_layout_size(b->shape.out);
  return b->shape.pooled ? size / 4 : size;
}

/* A layout of the block's result. */
static facet_layout result_layout(const facet_block *b)
{
  facet_layout l = b->shape.out;
  l.spatial /= b->shape.pooled ? 4 : 1;
  return l;
}

/* Weights of a register of channels that meet one source each, as many as there may be. */
static int64_t most_kept(const conv *c)
{
  return c->from->blocks * c->from->step * (c->paired ? 12 : TAPS);
}

static int64_t lanes_of(const conv *c)
{
  return c->paired ? PAIR : c->to->lanes;
}

static int64_t groups_of_channels(const conv *c)
{
  return c->to->blocks * c->to->step / c->to->lanes;
}

/* Floats of the weights, and of their gradient. */
static int64_t weights_size(const conv *c)
{
  return groups_of_channels(c) * most_kept(c) * lanes_of(c);
}

static int64_t gradient_size(const conv *c)
{
  return c->to->blocks * c->to->step * c->from->blocks * c->from->step * TAPS;
}

/* Most of them: going through all in order is faster, to the same sums. */
static inline kept kept_of(const conv *c, int64_t group)
{
  int64_t most = most_kept(c), first = group * most;
  if (c->most[group] > 3 * most / 4)
    return (kept){.weights = c->weights + first * lanes_of(c)};
  return (kept){c->most[group], c->left + first * lanes_of(c), c->offset + first};
}

/* Positions of a tile in a row: where no number of them fits, the last tiles overlap. */
static int columns_of(int64_t width)
{
  static const int offered[] = {2, 4, 7, 8, 14, 16};
  int64_t tiles = (width + TILE - 1) / TILE, wanted = (width + tiles - 1) / tiles;
  int best = offered[0];
  for (size_t i = 1; i < sizeof offered / sizeof offered[0] && best < wanted; i++)
    if (offered[i] <= width && offered[i] <= TILE)
      best = offered[i];
  return best;
}

#define ALWAYS static inline __attribute__((always_inline))

#define LANES   (FACET_REGISTER / 4)
#define NAME(x) x##_whole
#include "block_body.h"
#undef LANES
#undef NAME

#if defined(__AVX512F__) /* whose registers hold more than a block of 8 channels */
#define LANES   8
#define NAME(x) x##_half
#include "block_body.h"
#undef LANES
#undef NAME
#define FOR_LANES(side, name, arguments) ((side)->lanes == 8 ? name##_half arguments : name##_whole arguments)
#define CONVOLVE(c, arguments)           ((c)->paired ? convolve_whole arguments : FOR_LANES((c)->to, convolve, arguments))
#else
#define FOR_LANES(side, name, arguments) name##_whole arguments
#define CONVOLVE(c, arguments)           convolve_whole arguments
#endif

/* ---- making ---- */

bool facet_block_fits(const facet_block_shape *b)
{
  const facet_conv_shape *s = &b->shape;
  bool image = b->in.block == 1 && s->in_channels <= IMAGE;
  bool fits = (!image || !b->pulled) && s->spatial == 2 && s->groups == 1 && s->out_channels <= MOST &&
              s->in_channels <= MOST && (image || b->in.block == 8 || b->in.block == WIDEST) &&
              (b->out.block == 8 || b->out.block == WIDEST);
  for (int d = 0; fits && d < 2; d++)
    fits = s->kernel[d] == 3 && s->stride[d] == 1 && s->dilation[d] == 1 && s->pad_begin[d] == 1 &&
           s->pad_end[d] == 1 && s->in[d] >= 2 && (!b->pooled || s->in[d] % 2 == 0);
  return fits;
}

static side make_side(facet_layout layout, const facet_conv_shape *s)
{
  int64_t whole = FACET_REGISTER / (int64_t)sizeof(float);
  side e = {.layout = layout, .height = s->in[0], .width = s->in[1], .step = layout.block};
  e.blocks = (layout.channels + layout.block - 1) / layout.block;
  e.line = (e.width + 2) * e.step;
  e.plane = (e.height + 2) * e.line;
  e.lanes = whole < layout.block ? whole : layout.block;
  return e;
}

/* Floats of a frame. */
static int64_t frame_size(const side *e)
{
  return e->blocks * e->plane;
}

void facet_block_destroy(facet_block **block)
{
  facet_block *b = *block;
  if (b) {
    facet_lane_block_destroy(&b->lanes);
    FACET_FREE(&b->forward.weights, &b->forward.left, &b->forward.offset, &b->forward.most, &b->back.weights,
               &b->back.left, &b->back.offset, &b->back.most, &b->z, &b->frames, &b->back_frames, &b->gradient,
               &b->statistics);
  }
  facet_free(block);
}

static conv make_conv(const side *from, const side *to)
{
  bool wide = FACET_REGISTER == PAIR * sizeof(float);
  return (conv){.from = from, .to = to, .paired = wide && to->step == 8 && to->width % 2 == 0 && to->width >= 4};
}

static facet_status make_weights(conv *c)
{
  FACET_NEW(c->weights, weights_size(c));
  FACET_NEW(c->left, weights_size(c));
  FACET_NEW(c->offset, groups_of_channels(c) * most_kept(c));
  FACET_NEW(c->most, groups_of_channels(c));
  return FACET_OK;
}

facet_status facet_block_create(const facet_block_shape *shape, int64_t batch, facet_block **block)
{
  facet_block *b;
  facet_status status = FACET_OK;
  FACET_NEW(b, 1);
  b->shape = *shape;
  b->batch = batch;
  b->in = make_side(shape->in, &shape->shape);
  b->out = make_side(shape->out, &shape->shape);
  b->channels = b->out.blocks * b->out.step;
  b->forward = make_conv(&b->in, &b->out);
  b->back = make_conv(&b->out, &b->in);
  b->groups = (batch + TOGETHER - 1) / TOGETHER;
  FACET_GO(failed, status, make_weights(&b->forward));
  if (shape->pulled)
    FACET_GO(failed, status, make_weights(&b->back));
  FACET_NEW_GO(failed, status, b->z, batch * facet_layout_size(shape->out));
  FACET_NEW_GO(failed, status, b->frames, batch * frame_size(&b->in));
  FACET_NEW_GO(failed, status, b->back_frames, b->groups * frame_size(&b->out));
  FACET_NEW_GO(failed, status, b->gradient, b->groups * gradient_size(&b->forward));
  FACET_NEW_GO(failed, status, b->statistics, batch * STATISTICS * b->channels);
  if (facet_lane_block_fits(batch))
    FACET_GO(failed, status, facet_lane_block_create(shape, batch, &b->lanes));
  *block = b;
  return FACET_OK;
failed:
  facet_block_destroy(&b);
  return status;
}

static size_t conv_bytes(const conv *c)
{
  int64_t lists = groups_of_channels(c) * (most_kept(c) + 1);
  return c->weights ? (size_t)(2 * weights_size(c)) * sizeof(float) + (size_t)lists * sizeof(int32_t) : 0;
}

size_t facet_block_bytes(const facet_block *b)
{
  int64_t floats = b->batch * (facet_layout_size(b->shape.out) + frame_size(&b->in)) +
                   b->groups * (frame_size(&b->out) + gradient_size(&b->forward));
  return conv_bytes(&b->forward) + conv_bytes(&b->back) + (size_t)floats * sizeof(float) +
         (size_t)(b->batch * STATISTICS * b->channels) * sizeof(double) +
         (b->lanes ? facet_lane_block_bytes(b->lanes) : 0);
}

/* The place of what belongs to a tap, a channel of the source and one of the result: [registers][blocks][taps][channels
 * of a block][lanes]. */
static int64_t place_of(const conv *c, int64_t from, int64_t to, int64_t tap, int64_t taps, int64_t lanes)
{
  int64_t block = to / c->to->lanes * c->from->blocks + from / c->from->step;
  return ((block * taps + tap) * c->from->step + from % c->from->step) * lanes + to % c->to->lanes;
}

static void put_weight(const conv *c, int64_t from, int64_t to, int64_t tap, float weight)
{
  if (!c->paired) {
    c->weights[place_of(c, from, to, tap, TAPS, c->to->lanes)] = weight;
    return;
  }
  int64_t first = place_of(c, from, to, tap / 3 * 4 + tap % 3, 12, PAIR), next = c->from->step * PAIR + PAIR / 2;
  c->weights[first] = c->weights[first + next] = weight; /* of the second position, one source further on */
}

/* Leaves out what is 0 for all that a register holds: of pruned weights much. */
static void take_left(conv *c)
{
  int64_t lanes = lanes_of(c), most = most_kept(c), row = c->paired ? 4 : 3, step = c->from->step;
  for (int64_t group = 0; group < groups_of_channels(c); group++) {
    int32_t count = 0;
    for (int64_t i = 0; i < most; i++) {
      const float *w = c->weights + (group * most + i) * lanes;
      int64_t tap = i / step % (3 * row), block = i / step / (3 * row), place = group * most + count;
      bool any = false;
      for (int64_t l = 0; l < lanes; l++)
        any |= w[l] != 0;
      if (!any)
        continue;
      memcpy(c->left + place * lanes, w, (size_t)lanes * sizeof *w);
      c->offset[place] = (int32_t)(block * c->from->plane + tap / row * c->from->line + tap % row * step + i % step);
      count++;
    }
    c->most[group] = count;
  }
}

facet_status facet_block_weights(facet_block *b, const float *weights, bool held)
{
  const facet_conv_shape *s = &b->shape.shape;
  b->by_lanes = held && b->lanes && facet_lane_block_worth(b->lanes, weights);
  if (b->by_lanes)
    return facet_lane_block_weights(b->lanes, weights);
  for (int64_t o = 0; o < s->out_channels; o++)
    for (int64_t i = 0; i < s->in_channels; i++)
      for (int t = 0; t < TAPS; t++, weights++) {
        put_weight(&b->forward, i, o, t, *weights);
        if (b->shape.pulled) /* which meets the kernel turned round */
          put_weight(&b->back, o, i, TAPS - 1 - t, *weights);
      }
  take_left(&b->forward);
  if (b->shape.pulled)
    take_left(&b->back);
  return FACET_OK;
}

/* ---- forward ---- */

/* A sample into its frame, around which there are zeros. */
static void frame_sample(const side *e, const float *from, float *frame)
{
  int64_t line = e->width * e->step;
  for (int64_t b = 0; b < e->blocks; b++)
    for (int64_t y = 0; y < e->height; y++, from += line)
      memcpy(frame + b * e->plane + (y + 1) * e->line + e->step, from, (size_t)line * sizeof *from);
}

/* Samples of one group, of so many in all. */
static facet_part group_part(int64_t group, int64_t samples)
{
  int64_t first = group * TOGETHER, left = samples - first;
  return (facet_part){first, first + (left < TOGETHER ? left : TOGETHER)};
}

static int64_t groups_of(int64_t samples)
{
  return (samples + TOGETHER - 1) / TOGETHER;
}

static void convolve_group(const facet_block *b, int64_t group, int64_t samples, const float *u)
{
  facet_part part = group_part(group, samples);
  int64_t size = facet_layout_size(b->shape.in), z_size = facet_layout_size(b->shape.out);
  for (int64_t s = part.first; s < part.end; s++) {
    float *frame = b->frames + s * frame_size(&b->in);
    frame_sample(&b->in, u + s * size, frame);
    CONVOLVE(&b->forward, (&b->forward, frame, b->z + s * z_size));
    FOR_LANES(&b->out, measure, (b, s));
  }
}

/* Mean and variance over all samples and positions. */
static void take_statistics(const facet_block *b, int64_t samples, const facet_block_norm *norm)
{
  double positions = (double)b->shape.out.spatial, all = (double)samples * positions;
  for (int64_t c = 0; c < b->shape.out.channels; c++) {
    double sum = 0, squares = 0;
    for (int64_t s = 0; s < samples; s++)
      sum += statistics_of(b, s, SUM)[c];
    norm->mean[c] = sum / all;
    for (int64_t s = 0; s < samples; s++) {
      double near = statistics_of(b, s, NEAR)[c], off = near - norm->mean[c];
      squares += statistics_of(b, s, DISTANCES)[c] + 2 * off * (statistics_of(b, s, SUM)[c] - positions * near) +
                 positions * off * off;
    }
    norm->variance[c] = squares / all;
  }
}

static void fill_channels(const facet_block *b, const facet_block_norm *norm, channels *ch)
{
  *ch = (channels){.mean = {0}};
  for (int64_t c = 0; c < b->shape.out.channels; c++) {
    ch->mean[c] = (float)norm->mean[c];
    ch->scale[c] = (float)(norm->gamma[c] / sqrt(norm->variance[c] + norm->epsilon));
    ch->shift[c] = (float)norm->beta[c];
  }
}

void facet_block_forward(facet_block *b, int64_t samples, const facet_block_norm *norm, const float *u, float *result)
{
  channels ch;
  if (b->by_lanes) {
    facet_lane_block_forward(b->lanes, samples, norm, u, result);
    return;
  }
  int64_t z_size = facet_layout_size(b->shape.out), size = result_size(b), groups = groups_of(samples);
#pragma omp parallel for schedule(static)
  for (int64_t group = 0; group < groups; group++)
    convolve_group(b, group, samples, u);
  take_statistics(b, samples, norm);
  fill_channels(b, norm, &ch);
#pragma omp parallel for schedule(static)
  for (int64_t s = 0; s < samples; s++)
    FOR_LANES(&b->out, finish, (b, &ch, b->z + s * z_size, result + s * size));
}

/* ---- back ---- */

/* What the norm's adjoint is made of, and the gradients of its parameters. */
static void take_back(const facet_block *b, int64_t samples, const facet_block_norm *norm, channels *ch,
                      double *grad_gamma, double *grad_beta)
{
  double all = (double)(samples * b->shape.out.spatial);
  for (int64_t c = 0; c < b->shape.out.channels; c++) {
    double sum = 0, products = 0, deviation = sqrt(norm->variance[c] + norm->epsilon);
    for (int64_t s = 0; s < samples; s++) {
      sum += statistics_of(b, s, OF_ADJOINT)[c];
      products += statistics_of(b, s, OF_PRODUCTS)[c];
    }
    double factor = norm->gamma[c] / deviation;
    grad_beta[c] = sum;
    grad_gamma[c] = products / deviation;
    ch->factor[c] = (float)factor;
    ch->slope[c] = (float)(-factor * products / all / (deviation * deviation));
    ch->constant[c] = (float)(-factor * sum / all);
  }
}

static void pull_group(const facet_block *b, int64_t group, int64_t samples, const channels *ch, const float *g,
                       float *gu)
{
  facet_part part = group_part(group, samples);
  int64_t in_size = facet_layout_size(b->shape.in), z_size = facet_layout_size(b->shape.out), size = result_size(b);
  float *back = b->back_frames + group * frame_size(&b->out);
  float *gradient = b->gradient + group * gradient_size(&b->forward);
  memset(gradient, 0, (size_t)gradient_size(&b->forward) * sizeof *gradient);
  for (int64_t s = part.first; s < part.end; s++) {
    FOR_LANES(&b->out, begin_back, (b, ch, b->z + s * z_size, g + s * size, back));
    FOR_LANES(&b->out, gradient, (&b->in, &b->out, b->frames + s * frame_size(&b->in), back, gradient));
    if (gu)
      CONVOLVE(&b->back, (&b->back, back, gu + s * in_size));
  }
}

/* The groups' gradients added up, in order, as the weights lie. */
static void take_gradient(const facet_block *b, int64_t groups, float *gw)
{
  const facet_conv_shape *s = &b->shape.shape;
  int64_t size = gradient_size(&b->forward);
  for (int64_t g = 1; g < groups; g++)
    for (int64_t i = 0; i < size; i++)
      b->gradient[i] += b->gradient[g * size + i];
  for (int64_t o = 0; o < s->out_channels; o++)
    for (int64_t i = 0; i < s->in_channels; i++)
      for (int64_t t = 0; t < TAPS; t++, gw++)
        *gw = b->gradient[place_of(&b->forward, i, o, t, TAPS, b->out.lanes)];
}

void facet_block_backward(facet_block *b, int64_t samples, const facet_block_norm *norm, const float *g, float *gu,
                          float *gw, double *grad_gamma, double *grad_beta)
{
  channels ch;
  if (b->by_lanes) {
    facet_lane_block_backward(b->lanes, samples, norm, g, gu, gw, grad_gamma, grad_beta);
    return;
  }
  int64_t size = result_size(b), groups = groups_of(samples);
  fill_channels(b, norm, &ch);
#pragma omp parallel for schedule(static)
  for (int64_t s = 0; s < samples; s++)
    FOR_LANES(&b->out, measure_back, (b, &ch, s, g + s * size));
  take_back(b, samples, norm, &ch, grad_gamma, grad_beta);
#pragma omp parallel for schedule(static)
  for (int64_t group = 0; group < groups; group++)
    pull_group(b, group, samples, &ch, g, b->shape.pulled ? gu : NULL);
  take_gradient(b, groups, gw);
}
