/* Pullbacks to images, and gradients: see image.h.
 *
 * A strip of rows at a time: copy the rows of gz that it depends on, zeros around them, into working memory; then every
 * pixel is a sum of products with the flipped kernel, without borders to think of. */
#include "image.h"

#include <string.h>

enum {
  LANES = 8,
  PIXELS = 4, /* side by side, at once */
  FEW = 4,    /* channels of an image at most */
  WIDEST = 16 /* block of a layout */,
  BUDGET = 32768 /* floats of working memory, unless a row needs more */
};

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef float pixels __attribute__((vector_size(PIXELS * sizeof(float)), aligned(4)));

struct facet_image {
  facet_conv_shape shape;
  facet_layout out;
  int64_t groups;            /* of LANES channels of gz */
  int64_t rows, width, line; /* of a strip: of the image, of pixels with what sticks out, floats of a row of gz */
  float *kernel;             /* groups x kernel x in x LANES, flipped */
};

bool facet_image_fits(const facet_conv_shape *s, facet_layout in, facet_layout out)
{
  bool fits = s->spatial == 2 && s->groups == 1 && s->in_channels <= FEW && in.block == 1 && out.block % LANES == 0 &&
              out.block <= WIDEST;
  for (int d = 0; fits && d < 2; d++)
    fits = s->stride[d] == 1 && s->dilation[d] == 1 && s->pad_begin[d] < s->kernel[d] && s->pad_end[d] < s->kernel[d];
  return fits;
}

void facet_image_destroy(facet_image **image)
{
  if (*image)
    facet_free(&(*image)->kernel);
  facet_free(image);
}

facet_status facet_image_create(const facet_conv_shape *s, facet_layout out, facet_image **image)
{
  facet_image *m;
  facet_status status = FACET_OK;
  FACET_NEW(m, 1);
  m->shape = *s;
  m->out = out;
  m->groups = facet_layout_size(out) / out.spatial / LANES;
  m->width = (s->in[1] + PIXELS - 1) / PIXELS * PIXELS + s->kernel[1] - 1;
  m->line = m->width * LANES;
  m->rows = BUDGET / (m->groups * m->line) - s->kernel[0] + 1;
  m->rows = m->rows < 1 ? 1 : m->rows < s->in[0] ? m->rows : s->in[0];
  FACET_NEW_GO(failed, status, m->kernel, m->groups * s->kernel[0] * s->kernel[1] * s->in_channels * LANES);
  *image = m;
  return FACET_OK;
failed:
  facet_image_destroy(&m);
  return status;
}

/* Rows of gz that a strip depends on. */
static int64_t strip_rows(const facet_image *m)
{
  return m->rows + m->shape.kernel[0] - 1;
}

size_t facet_image_scratch(const facet_image *m)
{
  return (size_t)(m->groups * strip_rows(m) * m->line);
}

void facet_image_weights(facet_image *m, const float *weights)
{
  const facet_conv_shape *s = &m->shape;
  int64_t volume = s->kernel[0] * s->kernel[1];
  for (int64_t o = 0; o < s->out_channels; o++)
    for (int64_t c = 0; c < s->in_channels; c++)
      for (int64_t k = 0; k < volume; k++)
        m->kernel[((o / LANES * volume + volume - 1 - k) * s->in_channels + c) * LANES + o % LANES] =
            weights[(o * s->in_channels + c) * volume + k];
}

/* ---- working memory ---- */

/* Copies a row of gz to where its first pixel's first product is, or zeros for NULL; returns the sum. */
static lanes copy_row(const facet_image *m, const float *from, float *to)
{
  int64_t before = m->shape.kernel[1] - 1 - m->shape.pad_begin[1], count = m->shape.out[1];
  lanes sum[PIXELS] = {{0}};
  memset(to, 0, (size_t)m->line * sizeof *to);
  if (!from)
    return sum[0];
  to += before * LANES;
  int64_t room = m->width - before, x = 0;
  for (; x < count && x < room; x++)
    *(lanes *)(to + x * LANES) = *(const lanes *)(from + x * m->out.block);
  for (x = 0; x + PIXELS <= count; x += PIXELS)
    for (int i = 0; i < PIXELS; i++)
      sum[i] += *(const lanes *)(from + (x + i) * m->out.block);
  for (; x < count; x++)
    sum[0] += *(const lanes *)(from + x * m->out.block);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Fills working memory for the strip from row y on; of gz's rows each adds to the sums in one strip. */
static void copy_strip(const facet_image *m, int64_t y, const float *gz, float *sums, float *strip)
{
  int64_t height = m->shape.out[0], last = y + m->rows >= m->shape.in[0] ? height : y + m->rows;
  int64_t top = y + m->shape.pad_begin[0] - m->shape.kernel[0] + 1;
  for (int64_t g = 0; g < m->groups; g++) {
    int64_t c = g * LANES, block = m->out.block;
    const float *from = gz + c / block * block * m->out.spatial + c % block;
    for (int64_t r = top; r < top + strip_rows(m); r++, strip += m->line) {
      lanes sum = copy_row(m, r >= 0 && r < height ? from + r * m->shape.out[1] * block : NULL, strip);
      if (sums && r >= y && r < last)
        *(lanes *)(sums + c) += sum;
    }
  }
}

/* ---- products ---- */

/* The sum of every register's lanes. */
static inline pixels add_up(lanes a, lanes b, lanes c, lanes d)
{
  lanes ab = __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14) +
             __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
  lanes cd = __builtin_shufflevector(c, d, 0, 8, 2, 10, 4, 12, 6, 14) +
             __builtin_shufflevector(c, d, 1, 9, 3, 11, 5, 13, 7, 15);
  lanes all = __builtin_shufflevector(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13) +
              __builtin_shufflevector(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
  return __builtin_shufflevector(all, all, 0, 1, 2, 3) + __builtin_shufflevector(all, all, 4, 5, 6, 7);
}

/* PIXELS pixels of all channels, `side` the kernel's width; `from` is their first product's place in the strip. */
static inline void compute(const facet_image *m, const float *from, int channels, int64_t side, pixels *result)
{
  lanes sum[FEW][PIXELS] = {{{0}}};
  const float *kernel = m->kernel;
  int64_t plane = strip_rows(m) * m->line, height = m->shape.kernel[0];
  for (int64_t g = 0; g < m->groups; g++)
    for (int64_t i = 0; i < height; i++)
#pragma GCC unroll 3
      for (int64_t j = 0; j < side; j++, kernel += channels * LANES) {
        const float *at = from + g * plane + i * m->line + j * LANES;
#pragma GCC unroll 4
        for (int p = 0; p < PIXELS; p++)
#pragma GCC unroll 4
          for (int c = 0; c < channels; c++)
            sum[c][p] += *(const lanes *)(at + p * LANES) * *(const lanes *)(kernel + c * LANES);
      }
#pragma GCC unroll 4
  for (int c = 0; c < channels; c++)
    result[c] = add_up(sum[c][0], sum[c][1], sum[c][2], sum[c][3]);
}

/* All pixels of a strip, of which the image has `rows` rows. */
static inline void compute_strip(const facet_image *m, const float *strip, int64_t rows, int channels, int64_t side,
                                 float *gu)
{
  int64_t width = m->shape.in[1], plane = m->shape.in[0] * width;
  for (int64_t y = 0; y < rows; y++)
    for (int64_t x = 0; x < width; x += PIXELS) {
      pixels result[FEW];
      int64_t count = width - x < PIXELS ? width - x : PIXELS;
      compute(m, strip + y * m->line + x * LANES, channels, side, result);
      for (int c = 0; c < channels; c++)
        if (count == PIXELS)
          *(pixels *)(gu + c * plane + y * width + x) = result[c];
        else
          memcpy(gu + c * plane + y * width + x, &result[c], (size_t)count * sizeof *gu);
    }
}

static void pull_strip(const facet_image *m, const float *strip, int64_t rows, float *gu)
{
  int64_t side = m->shape.kernel[1];
  switch (m->shape.in_channels) { /* constants make better loops */
  case 1:
    compute_strip(m, strip, rows, 1, side, gu);
    break;
  case 2:
    compute_strip(m, strip, rows, 2, side, gu);
    break;
  case 3:
    if (side == 3)
      compute_strip(m, strip, rows, 3, 3, gu);
    else
      compute_strip(m, strip, rows, 3, side, gu);
    break;
  default:
    compute_strip(m, strip, rows, FEW, side, gu);
  }
}

void facet_image_pullback(const facet_image *m, facet_part part, float *scratch, const float *gz, float *sums,
                          float *gu)
{
  int64_t height = m->shape.in[0], width = m->shape.in[1], channels = m->groups * LANES;
  if (sums)
    memset(sums + part.first * channels, 0, (size_t)((part.end - part.first) * channels) * sizeof *sums);
  for (int64_t a = part.first; a < part.end; a++) {
    const float *from = gz + a * facet_layout_size(m->out);
    float *to = gu + a * m->shape.in_channels * height * width;
    for (int64_t y = 0; y < height; y += m->rows) {
      copy_strip(m, y, from, sums ? sums + a * channels : NULL, scratch);
      pull_strip(m, scratch, height - y < m->rows ? height - y : m->rows, to + y * width);
    }
  }
}

/* ---- the gradient ---- */

enum { TAPS = 9 };

bool facet_image_gradient_fits(const facet_conv_shape *s, facet_layout in, facet_layout out)
{
  return facet_image_fits(s, in, out) && s->kernel[0] == 3 && s->kernel[1] == 3;
}

/* A channel of the image, zeros around it: every product of an output position is at its place. */
size_t facet_image_gradient_scratch(const facet_image *m)
{
  return (size_t)((m->shape.out[0] + 2) * (m->shape.out[1] + 2));
}

static void copy_channel(const facet_image *m, const float *u, float *to)
{
  const facet_conv_shape *s = &m->shape;
  int64_t line = s->out[1] + 2, room = line - s->pad_begin[1], count = s->in[1] < room ? s->in[1] : room;
  memset(to, 0, facet_image_gradient_scratch(m) * sizeof *to);
  for (int64_t y = 0; y < s->in[0] && y + s->pad_begin[0] < s->out[0] + 2; y++)
    memcpy(to + (y + s->pad_begin[0]) * line + s->pad_begin[1], u + y * s->in[1], (size_t)count * sizeof *to);
}

/* LANES channels of gz with one channel of one image: adds to sum[tap], and the sum of gz to sum[TAPS]. */
static void meet(const facet_image *m, const float *image, const float *gz, float sum[TAPS + 1][LANES])
{
  int64_t height = m->shape.out[0], width = m->shape.out[1], line = width + 2;
  lanes total[TAPS + 1] = {{0}};
  for (int64_t y = 0; y < height; y++)
    for (int64_t x = 0; x < width; x++, gz += m->out.block) {
      const float *at = image + y * line + x;
      lanes g = *(const lanes *)gz;
#pragma GCC unroll 9
      for (int t = 0; t < TAPS; t++)
        total[t] += g * at[t / 3 * line + t % 3];
      total[TAPS] += g;
    }
  for (int t = 0; t <= TAPS; t++)
    for (int i = 0; i < LANES; i++)
      sum[t][i] += total[t][i];
}

void facet_image_gradient(const facet_image *m, int64_t batch, float *scratch, const float *u, const float *gz,
                          float *gw, float *gb)
{
  const facet_conv_shape *s = &m->shape;
  int64_t block = m->out.block, image = s->in[0] * s->in[1], size = facet_layout_size(m->out);
  for (int64_t c = 0; c < s->in_channels; c++)
    for (int64_t g = 0; g < m->groups; g++) {
      float sum[TAPS + 1][LANES] = {{0}};
      int64_t first = g * LANES, left = s->out_channels - first;
      for (int64_t a = 0; a < batch; a++) {
        copy_channel(m, u + (a * s->in_channels + c) * image, scratch);
        meet(m, scratch, gz + a * size + first / block * block * m->out.spatial + first % block, sum);
      }
      for (int64_t i = 0; i < LANES && i < left; i++)
        for (int t = 0; t < TAPS; t++)
          gw[((first + i) * s->in_channels + c) * TAPS + t] = sum[t][i];
      for (int64_t i = 0; gb && i < LANES && i < left; i++)
        gb[first + i] = sum[TAPS][i];
    }
}
