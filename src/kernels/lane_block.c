/* Blocks of few weights: see lane_block.h.
 *
 * A lot is as many samples as there are lanes.  Its u stays in lanes until the gradient has met it, and then becomes
 * gu; its z becomes z's adjoint, with the zeros around it that the pullback needs.  Lanes beyond the last sample hold
 * zeros, and are left out of all sums.  Statistics and gradients are of one lot each, and put together in order: the
 * same bits on any number of threads. */
#include "lane_block.h"

#include <math.h>
#include <string.h>

#include "lane_conv.h"
#include "registers.h"

enum {
  TAPS = 9,
  WINDOW = 4, /* positions of a maximum */
  LANES = FACET_MOST_LANES,
  WIDE = FACET_REGISTER / sizeof(float),
  PARTS = LANES / WIDE,
  MOST = 32, /* channels: block.h */
  OCTET = 8, /* rows and columns that are turned at once */
  IMAGE = 1, /* block of a value in plain order */
  SHARE = 2  /* at most every so many-th weight is left */
};

typedef float wide __attribute__((vector_size(FACET_REGISTER), aligned(4)));
typedef int32_t bits __attribute__((vector_size(FACET_REGISTER), aligned(4)));
typedef float octet __attribute__((vector_size(32), aligned(4)));

struct facet_lane_block {
  facet_block_shape shape;
  int64_t batch, lots, weights;
  facet_lanes_layout in, out, result; /* of u, z, and what the block makes */
  facet_lanes *forward, *back;
  int32_t *index; /* of every weight that is left, its place among all */
  int64_t left;
  float *u, *z, *g;   /* of every lot */
  double *statistics; /* of every lot: STATISTICS times the channels */
  double *gradient;   /* of every lot: of the weights that are left */
};

enum { FIRST, SECOND, STATISTICS };

/* Of a channel: y = scale (z - mean) + shift; z's adjoint is factor ĝ + slope (z - mean) + constant, where ĝ has gone
 * back through gate and maximum. */
typedef struct {
  float mean, scale, shift, factor, slope, constant;
} channel;

static inline wide load(const float *from)
{
  return *(const wide *)from;
}

/* a where the mask says so, else b. */
static inline wide choose(bits mask, wide a, wide b)
{
  return (wide)((mask & (bits)a) | (~mask & (bits)b));
}

static int64_t floats(const facet_lanes_layout *l)
{
  return l->size * LANES;
}

/* Channels of a layout, with those that pad its blocks. */
static int64_t padded(facet_layout l)
{
  return facet_layout_size(l) / l.spatial;
}

/* ---- making ---- */

bool facet_lane_block_fits(int64_t batch)
{
  return batch % LANES == 0;
}

/* Room for whole blocks of channels: those beyond hold zeros. */
static facet_lanes_layout lay_out(facet_layout layout, int64_t height, int64_t width, int64_t border)
{
  facet_lanes_layout l = facet_lanes_layout_of(padded(layout), height, width, border);
  l.channels = layout.channels;
  return l;
}

void facet_lane_block_destroy(facet_lane_block **block)
{
  facet_lane_block *b = *block;
  if (b) {
    facet_lanes_destroy(&b->forward);
    facet_lanes_destroy(&b->back);
    FACET_FREE(&b->index, &b->u, &b->z, &b->g, &b->statistics, &b->gradient);
  }
  facet_free(block);
}

facet_status facet_lane_block_create(const facet_block_shape *shape, int64_t batch, facet_lane_block **block)
{
  const facet_conv_shape *s = &shape->shape;
  facet_lane_block *b;
  facet_status status = FACET_OK;
  int64_t step = shape->pooled ? 2 : 1;
  FACET_NEW(b, 1);
  b->shape = *shape;
  b->batch = batch;
  b->lots = (batch + LANES - 1) / LANES;
  b->weights = s->out_channels * s->in_channels * TAPS;
  b->in = lay_out(shape->in, s->in[0], s->in[1], 1);
  b->out = lay_out(shape->out, s->out[0], s->out[1], 1);
  b->result = lay_out(shape->out, s->out[0] / step, s->out[1] / step, 0);
  FACET_GO(failed, status, facet_lanes_create(s, FACET_F32, FACET_FORWARD, &b->in, &b->out, &b->forward));
  if (shape->pulled)
    FACET_GO(failed, status, facet_lanes_create(s, FACET_F32, FACET_PULLBACK, &b->out, &b->in, &b->back));
  FACET_NEW_GO(failed, status, b->index, b->weights);
  FACET_NEW_GO(failed, status, b->u, b->lots * floats(&b->in));
  FACET_NEW_GO(failed, status, b->z, b->lots * floats(&b->out));
  FACET_NEW_GO(failed, status, b->g, b->lots * floats(&b->result));
  FACET_NEW_GO(failed, status, b->statistics, b->lots * STATISTICS * s->out_channels);
  FACET_NEW_GO(failed, status, b->gradient, b->lots * b->weights);
  *block = b;
  return FACET_OK;
failed:
  facet_lane_block_destroy(&b);
  return status;
}

size_t facet_lane_block_bytes(const facet_lane_block *b)
{
  int64_t numbers = b->lots * (floats(&b->in) + floats(&b->out) + floats(&b->result)) + 5 * b->weights;
  int64_t doubles = b->lots * (STATISTICS * b->shape.shape.out_channels + b->weights);
  return (size_t)numbers * sizeof(float) + (size_t)doubles * sizeof(double);
}

static int64_t count_left(const facet_lane_block *b, const float *weights)
{
  int64_t left = 0;
  for (int64_t i = 0; i < b->weights; i++)
    left += weights[i] != 0;
  return left;
}

bool facet_lane_block_worth(const facet_lane_block *b, const float *weights)
{
  return count_left(b, weights) * SHARE <= b->weights;
}

facet_status facet_lane_block_weights(facet_lane_block *b, const float *weights)
{
  b->left = 0;
  for (int64_t i = 0; i < b->weights; i++)
    if (weights[i] != 0)
      b->index[b->left++] = (int32_t)i;
  FACET_TRY(facet_lanes_weights(b->forward, weights, NULL));
  return b->back ? facet_lanes_weights(b->back, weights, NULL) : FACET_OK;
}

/* ---- to lanes, and back ---- */

#define PAIR(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

/* Rows become columns. */
static inline void turn(octet *r)
{
  octet pairs[OCTET], fours[OCTET];
#pragma GCC unroll 4
  for (int i = 0; i < OCTET; i += 2) {
    pairs[i] = PAIR(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[i + 1] = PAIR(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
#pragma GCC unroll 4
  for (int i = 0; i < OCTET; i += 4)
    for (int j = 0; j < 2; j++) {
      fours[i + 2 * j] = PAIR(pairs[i + j], pairs[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      fours[i + 2 * j + 1] = PAIR(pairs[i + j], pairs[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
#pragma GCC unroll 4
  for (int i = 0; i < OCTET / 2; i++) {
    r[i] = PAIR(fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    r[i + 4] = PAIR(fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

/* Eight numbers in a row of each of `count` samples, `size` apart, become as many vectors, `apart` floats from one to
 * the next. */
static inline void turn_in(const float *from, int64_t size, int64_t count, float *to, int64_t apart)
{
  for (int64_t half = 0; half < LANES; half += OCTET) {
    octet row[OCTET];
    for (int64_t i = 0; i < OCTET; i++)
      row[i] = half + i < count ? *(const octet *)(from + (half + i) * size) : (octet){0};
    turn(row);
    for (int64_t i = 0; i < OCTET; i++)
      *(octet *)(to + i * apart + half) = row[i];
  }
}

/* The other way round. */
static inline void turn_out(const float *from, int64_t apart, int64_t count, float *to, int64_t size)
{
  for (int64_t half = 0; half < count; half += OCTET) {
    octet row[OCTET];
    for (int64_t i = 0; i < OCTET; i++)
      row[i] = *(const octet *)(from + i * apart + half);
    turn(row);
    for (int64_t i = 0; i < OCTET && half + i < count; i++)
      *(octet *)(to + (half + i) * size) = row[i];
  }
}

/* Where an octet of channels of a position is in a sample of a layout. */
static inline int64_t octet_place(facet_layout l, int64_t c, int64_t position)
{
  return c / l.block * l.block * l.spatial + position * l.block + c % l.block;
}

/* An image's rows, of eight positions at least. */
static void image_in(const facet_lanes_layout *l, const float *from, int64_t size, int64_t count, float *to)
{
  for (int64_t row = 0; row < l->channels * l->height; row++)
    for (int64_t x = 0; x < l->width; x += OCTET) {
      int64_t at = x + OCTET > l->width ? l->width - OCTET : x; /* some twice, where the last octet ends */
      int64_t place = facet_lanes_place(l, row / l->height, row % l->height * l->width + at);
      turn_in(from + row * l->width + at, size, count, to + place * LANES, LANES);
    }
}

static void take_in(const facet_lanes_layout *l, facet_layout layout, const float *from, int64_t count, float *to)
{
  int64_t size = facet_layout_size(layout);
  const void *each[LANES];
  if (layout.block != IMAGE) {
    for (int64_t c = 0; c < padded(layout); c += OCTET)
      for (int64_t p = 0; p < layout.spatial; p++)
        turn_in(from + octet_place(layout, c, p), size, count, to + facet_lanes_place(l, c, p) * LANES,
                l->plane * LANES);
    return;
  }
  if (l->width >= OCTET) {
    image_in(l, from, size, count, to);
    return;
  }
  for (int64_t i = 0; i < count; i++)
    each[i] = from + i * size;
  facet_lanes_pack(l, FACET_F32, layout, (int)count, each, to);
}

static void take_out(const facet_lanes_layout *l, facet_layout layout, const float *from, int64_t count, float *to)
{
  int64_t size = facet_layout_size(layout);
  for (int64_t c = 0; c < padded(layout); c += OCTET)
    for (int64_t p = 0; p < layout.spatial; p++)
      turn_out(from + facet_lanes_place(l, c, p) * LANES, l->plane * LANES, count, to + octet_place(layout, c, p),
               size);
}

/* ---- channels ---- */

static channel channel_of(const facet_block_norm *norm, int64_t c)
{
  return (channel){.mean = (float)norm->mean[c],
                   .scale = (float)(norm->gamma[c] / sqrt(norm->variance[c] + norm->epsilon)),
                   .shift = (float)norm->beta[c]};
}

static double *statistic(const facet_lane_block *b, int64_t lot, int which)
{
  return b->statistics + (lot * STATISTICS + which) * b->shape.shape.out_channels;
}

/* Over lots, in order. */
static double total(const facet_lane_block *b, int64_t lots, int which, int64_t c)
{
  double sum = 0;
  for (int64_t lot = 0; lot < lots; lot++)
    sum += statistic(b, lot, which)[c];
  return sum;
}

/* Of the lanes in use. */
static double sum_lanes(const wide *sum, int64_t count)
{
  double all_lanes = 0;
  for (int64_t i = 0; i < count; i++)
    all_lanes += (double)sum[i / WIDE][i % WIDE];
  return all_lanes;
}

static int64_t lots_of(int64_t samples)
{
  return (samples + LANES - 1) / LANES;
}

static int64_t count_of(int64_t lot, int64_t samples)
{
  int64_t left = samples - lot * LANES;
  return left < LANES ? left : LANES;
}

static float *z_of(const facet_lane_block *b, int64_t lot)
{
  return b->z + lot * floats(&b->out);
}

/* The result, as it lies in a sample. */
static facet_layout result_layout(const facet_lane_block *b)
{
  facet_layout l = b->shape.out;
  l.spatial /= b->shape.pooled ? WINDOW : 1;
  return l;
}

/* ---- forward ---- */

/* Of a lot, per channel: the sum of z, and its squared distances from the lot's own mean. In each lane they are taken
 * from a mean of its first row, which is near enough that nothing cancels, and put together in double (Chan, Golub and
 * LeVeque 1979). */
static void measure(const facet_lane_block *b, int64_t lot, int64_t count)
{
  const facet_lanes_layout *l = &b->out;
  double positions = (double)(l->height * l->width);
  for (int64_t c = 0; c < l->channels; c++) {
    wide near[PARTS] = {{0}}, one[PARTS] = {{0}}, two[PARTS] = {{0}};
    const float *z = z_of(b, lot) + facet_lanes_place(l, c, 0) * LANES;
    for (int64_t x = 0; x < l->width * PARTS; x++)
      near[x % PARTS] += load(z + x * WIDE);
    for (int part = 0; part < PARTS; part++)
      near[part] /= (float)l->width;
    for (int64_t y = 0; y < l->height; y++, z += l->pitch * LANES)
      for (int64_t x = 0; x < l->width * PARTS; x += PARTS)
#pragma GCC unroll 4
        for (int part = 0; part < PARTS; part++) {
          wide off = load(z + (x + part) * WIDE) - near[part];
          one[part] += off;
          two[part] += off * off;
        }
    double sum = sum_lanes(one, count) + positions * sum_lanes(near, count);
    double mean = sum / positions / (double)count, squares = sum_lanes(two, count);
    for (int64_t i = 0; i < count; i++) {
      double own = (double)one[i / WIDE][i % WIDE] / positions, off = (double)near[i / WIDE][i % WIDE] + own - mean;
      squares += positions * (off * off - own * own);
    }
    statistic(b, lot, FIRST)[c] = sum;
    statistic(b, lot, SECOND)[c] = squares;
  }
}

/* Mean and variance over all lots. */
static void take_statistics(const facet_lane_block *b, int64_t samples, const facet_block_norm *norm, int64_t c)
{
  double positions = (double)b->shape.out.spatial, squares = 0;
  norm->mean[c] = total(b, lots_of(samples), FIRST, c) / ((double)samples * positions);
  for (int64_t lot = 0; lot < lots_of(samples); lot++) {
    double numbers = (double)count_of(lot, samples) * positions;
    double off = statistic(b, lot, FIRST)[c] / numbers - norm->mean[c];
    squares += statistic(b, lot, SECOND)[c] + numbers * off * off;
  }
  norm->variance[c] = squares / ((double)samples * positions);
}

/* The largest of a window's normed z, and what that z is less the mean; positions of a row are LANES floats apart, rows
 * `pitch`; positions 1: of one alone. */
static inline __attribute__((always_inline)) wide passed(const float *z, int64_t pitch, int positions,
                                                         const channel *ch, wide *off)
{
  const int64_t offset[WINDOW] = {0, LANES, pitch, pitch + LANES};
  wide at = load(z) - ch->mean, top = ch->scale * at + ch->shift;
#pragma GCC unroll 4
  for (int t = 1; t < positions; t++) {
    wide next = load(z + offset[t]) - ch->mean, y = ch->scale * next + ch->shift;
    bits more = (bits)(y > top);
    top = choose(more, y, top);
    at = choose(more, next, at);
  }
  *off = at;
  return top;
}

/* Norm, gate and maximum of one octet of channels. */
static inline __attribute__((always_inline)) void finish(const facet_lane_block *b, const channel *ch, int64_t first,
                                                         const float *z, int positions, int64_t count, float *result)
{
  facet_layout layout = result_layout(b);
  int64_t step = positions == WINDOW ? 2 : 1, pitch = b->out.pitch * LANES, left = b->out.channels - first;
  float made[OCTET * LANES] = {0};
  for (int64_t y = 0; y < b->result.height; y++)
    for (int64_t x = 0; x < b->result.width; x++) {
      const float *from = z + (facet_lanes_place(&b->out, first, 0) + step * (y * b->out.pitch + x)) * LANES;
      for (int64_t c = 0; c < OCTET && c < left; c++, from += b->out.plane * LANES)
#pragma GCC unroll 4
        for (int part = 0; part < PARTS; part++) {
          wide off, top = passed(from + part * WIDE, pitch, positions, &ch[first + c], &off);
          *(wide *)(made + c * LANES + part * WIDE) = (wide)((bits)(top > 0) & (bits)top);
        }
      turn_out(made, LANES, count, result + octet_place(layout, first, y * b->result.width + x),
               facet_layout_size(layout));
    }
}

static void finish_lot(const facet_lane_block *b, const channel *ch, int64_t lot, int64_t samples, float *result)
{
  int64_t size = facet_layout_size(result_layout(b));
  for (int64_t c = 0; c < padded(b->shape.out); c += OCTET)
    if (b->shape.pooled)
      finish(b, ch, c, z_of(b, lot), WINDOW, count_of(lot, samples), result + lot * LANES * size);
    else
      finish(b, ch, c, z_of(b, lot), 1, count_of(lot, samples), result + lot * LANES * size);
}

void facet_lane_block_forward(facet_lane_block *b, int64_t samples, const facet_block_norm *norm, const float *u,
                              float *result)
{
  int64_t lots = lots_of(samples), size = facet_layout_size(b->shape.in);
  channel ch[MOST];
#pragma omp parallel for schedule(static)
  for (int64_t lot = 0; lot < lots; lot++) {
    float *own = b->u + lot * floats(&b->in);
    take_in(&b->in, b->shape.in, u + lot * LANES * size, count_of(lot, samples), own);
    facet_lanes_run(b->forward, own, NULL, z_of(b, lot));
    measure(b, lot, count_of(lot, samples));
  }
  for (int64_t c = 0; c < b->shape.shape.out_channels; c++) {
    take_statistics(b, samples, norm, c);
    ch[c] = channel_of(norm, c);
  }
#pragma omp parallel for schedule(static)
  for (int64_t lot = 0; lot < lots; lot++)
    finish_lot(b, ch, lot, samples, result);
}

/* ---- back ---- */

/* Of a channel: sums of the adjoint that comes back through maximum and gate, and of its products with z less the mean.
 */
static inline __attribute__((always_inline)) void sum_back(const facet_lane_block *b, const channel *ch, const float *z,
                                                           const float *g, int positions, wide *first, wide *second)
{
  int64_t step = positions == WINDOW ? 2 : 1, pitch = b->out.pitch * LANES;
  for (int64_t y = 0; y < b->result.height; y++)
    for (int64_t x = 0; x < b->result.width; x++, g += LANES)
#pragma GCC unroll 4
      for (int part = 0; part < PARTS; part++) {
        wide off, top = passed(z + step * (y * pitch + x * LANES) + part * WIDE, pitch, positions, ch, &off);
        wide through = (wide)((bits)(top > 0) & (bits)load(g + part * WIDE));
        first[part] += through;
        second[part] += through * off;
      }
}

/* z's adjoint of a channel, which takes its place, in the lanes that are in use: of a window the first of the largest
 * has what comes back, if the gate is open. */
static inline __attribute__((always_inline)) void find_back(const facet_lane_block *b, const channel *ch, float *z,
                                                            const float *g, int positions, const bits *used)
{
  int64_t step = positions == WINDOW ? 2 : 1, pitch = b->out.pitch * LANES;
  const int64_t offset[WINDOW] = {0, LANES, pitch, pitch + LANES};
  for (int64_t y = 0; y < b->result.height; y++)
    for (int64_t x = 0; x < b->result.width; x++, g += LANES)
#pragma GCC unroll 4
      for (int part = 0; part < PARTS; part++) {
        float *at = z + step * (y * pitch + x * LANES) + part * WIDE;
        wide off, best, top = passed(at, pitch, positions, ch, &best);
        wide through = ch->factor * (wide)((bits)(top > 0) & (bits)load(g + part * WIDE));
        bits open = used[part];
#pragma GCC unroll 4
        for (int t = 0; t < positions; t++) {
          off = load(at + offset[t]) - ch->mean;
          bits here = open & (bits)(off == best);
          open &= ~here;
          wide gz = (wide)(here & (bits)through) + (ch->slope * off + ch->constant);
          *(wide *)(at + offset[t]) = (wide)(used[part] & (bits)gz);
        }
      }
}

static const float *g_of(const facet_lane_block *b, int64_t lot, int64_t c)
{
  return b->g + lot * floats(&b->result) + facet_lanes_place(&b->result, c, 0) * LANES;
}

static void measure_back(const facet_lane_block *b, const channel *ch, int64_t lot, int64_t count)
{
  for (int64_t c = 0; c < b->out.channels; c++) {
    wide first[PARTS] = {{0}}, second[PARTS] = {{0}};
    const float *z = z_of(b, lot) + facet_lanes_place(&b->out, c, 0) * LANES;
    if (b->shape.pooled)
      sum_back(b, &ch[c], z, g_of(b, lot, c), WINDOW, first, second);
    else
      sum_back(b, &ch[c], z, g_of(b, lot, c), 1, first, second);
    statistic(b, lot, FIRST)[c] = sum_lanes(first, count);
    statistic(b, lot, SECOND)[c] = sum_lanes(second, count);
  }
}

static void find_adjoint(const facet_lane_block *b, const channel *ch, int64_t lot, int64_t count)
{
  bits used[PARTS] = {{0}};
  for (int64_t i = 0; i < count; i++)
    used[i / WIDE][i % WIDE] = -1;
  for (int64_t c = 0; c < b->out.channels; c++) {
    float *z = z_of(b, lot) + facet_lanes_place(&b->out, c, 0) * LANES;
    if (b->shape.pooled)
      find_back(b, &ch[c], z, g_of(b, lot, c), WINDOW, used);
    else
      find_back(b, &ch[c], z, g_of(b, lot, c), 1, used);
  }
}

/* What the norm's adjoint is made of, and the gradients of its parameters. */
static void take_back(const facet_lane_block *b, int64_t samples, const facet_block_norm *norm, channel *ch,
                      double *grad_gamma, double *grad_beta)
{
  double numbers = (double)(samples * b->shape.out.spatial);
  for (int64_t c = 0; c < b->shape.shape.out_channels; c++) {
    double sum = total(b, lots_of(samples), FIRST, c), products = total(b, lots_of(samples), SECOND, c);
    double deviation = sqrt(norm->variance[c] + norm->epsilon), factor = norm->gamma[c] / deviation;
    grad_beta[c] = sum;
    grad_gamma[c] = products / deviation;
    ch[c].factor = (float)factor;
    ch[c].slope = (float)(-factor * products / numbers / (deviation * deviation));
    ch[c].constant = (float)(-factor * sum / numbers);
  }
}

static void take_gradient(const facet_lane_block *b, int64_t lots, float *gw)
{
  memset(gw, 0, (size_t)b->weights * sizeof *gw);
  for (int64_t i = 0; i < b->left; i++) {
    double sum = 0;
    for (int64_t lot = 0; lot < lots; lot++)
      sum += b->gradient[lot * b->weights + i];
    gw[b->index[i]] = (float)sum;
  }
}

void facet_lane_block_backward(facet_lane_block *b, int64_t samples, const facet_block_norm *norm, const float *g,
                               float *gu, float *gw, double *grad_gamma, double *grad_beta)
{
  int64_t lots = lots_of(samples), in_size = facet_layout_size(b->shape.in);
  facet_layout result = result_layout(b);
  channel ch[MOST];
  for (int64_t c = 0; c < b->shape.shape.out_channels; c++)
    ch[c] = channel_of(norm, c);
#pragma omp parallel for schedule(static)
  for (int64_t lot = 0; lot < lots; lot++) {
    int64_t count = count_of(lot, samples);
    take_in(&b->result, result, g + lot * LANES * facet_layout_size(result), count, b->g + lot * floats(&b->result));
    measure_back(b, ch, lot, count);
  }
  take_back(b, samples, norm, ch, grad_gamma, grad_beta);
#pragma omp parallel for schedule(static)
  for (int64_t lot = 0; lot < lots; lot++) {
    float *u = b->u + lot * floats(&b->in);
    find_adjoint(b, ch, lot, count_of(lot, samples));
    facet_lanes_gradient(b->forward, u, z_of(b, lot), b->gradient + lot * b->weights);
    if (!b->back)
      continue;
    facet_lanes_run(b->back, z_of(b, lot), NULL, u);
    take_out(&b->in, b->shape.in, u, count_of(lot, samples), gu + lot * LANES * in_size);
  }
  take_gradient(b, lots, gw);
}
