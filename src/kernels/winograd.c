/* Winograd's algorithm for pullbacks: see winograd.h.
 *
 * A chunk of tiles at a time, small enough for the second-level cache: transform 4x4 tiles of gz into 16 matrices
 * (tiles x channels), multiply each with the transformed kernel, transform the products back into 2x2 tiles of gu. */
#include "kernels/winograd.h"

#include <string.h>

enum { LANES = 8, POINTS = 16, ROWS = 6, COLUMNS = 16, BUDGET = 1536 /* tiles times channels of a chunk */ };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

struct facet_winograd {
  int64_t batch, from, to;      /* channels of gz and of gu */
  int64_t height, width, tiles; /* of one adjoint */
  int64_t chunk;                /* tiles at once, a multiple of ROWS */
  float *kernel;                /* POINTS x from x to */
  float *sources;               /* POINTS x chunk x from */
  float *products;              /* POINTS x chunk x to */
};

bool facet_winograd_fits(const facet_conv_shape *s, facet_layout in, facet_layout out)
{
  bool fits = s->spatial == 2 && s->groups == 1 && in.block == LANES && out.block == LANES &&
              s->in_channels % COLUMNS == 0 && s->out_channels % LANES == 0;
  for (int d = 0; fits && d < 2; d++)
    fits = s->kernel[d] == 3 && s->stride[d] == 1 && s->dilation[d] == 1 && s->pad_begin[d] == 1 &&
           s->pad_end[d] == 1 && s->in[d] % 2 == 0;
  return fits;
}

void facet_winograd_destroy(facet_winograd **winograd)
{
  if (*winograd) {
    facet_free(&(*winograd)->kernel);
    facet_free(&(*winograd)->sources);
    facet_free(&(*winograd)->products);
  }
  facet_free(winograd);
}

facet_status facet_winograd_create(const facet_conv_shape *s, int64_t batch, facet_winograd **winograd)
{
  facet_winograd *w;
  facet_status status = FACET_OK;
  FACET_NEW(w, 1);
  w->batch = batch;
  w->from = s->out_channels;
  w->to = s->in_channels;
  w->height = s->in[0];
  w->width = s->in[1];
  w->tiles = w->height / 2 * (w->width / 2);
  int64_t most = w->from > w->to ? w->from : w->to;
  w->chunk = BUDGET / most > ROWS ? BUDGET / most / ROWS * ROWS : ROWS;
  FACET_NEW_GO(failed, status, w->kernel, POINTS * w->from * w->to);
  FACET_NEW_GO(failed, status, w->sources, POINTS * w->chunk * w->from);
  FACET_NEW_GO(failed, status, w->products, POINTS * w->chunk * w->to);
  *winograd = w;
  return FACET_OK;
failed:
  facet_winograd_destroy(&w);
  return status;
}

/* G g G^T with G = (1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1). */
static void transform_kernel(double g[3][3], double out[4][4])
{
  double half[4][3];
  for (int x = 0; x < 3; x++) {
    half[0][x] = g[0][x];
    half[1][x] = (g[0][x] + g[1][x] + g[2][x]) / 2;
    half[2][x] = (g[0][x] - g[1][x] + g[2][x]) / 2;
    half[3][x] = g[2][x];
  }
  for (int y = 0; y < 4; y++) {
    out[y][0] = half[y][0];
    out[y][1] = (half[y][0] + half[y][1] + half[y][2]) / 2;
    out[y][2] = (half[y][0] - half[y][1] + half[y][2]) / 2;
    out[y][3] = half[y][2];
  }
}

void facet_winograd_weights(facet_winograd *w, const float *weights)
{
  for (int64_t f = 0; f < w->from; f++)
    for (int64_t t = 0; t < w->to; t++) {
      double g[3][3], out[4][4];
      for (int i = 0; i < 9; i++)
        g[2 - i / 3][2 - i % 3] = (double)weights[(f * w->to + t) * 9 + i];
      transform_kernel(g, out);
      for (int p = 0; p < POINTS; p++)
        w->kernel[(p * w->from + f) * w->to + t] = (float)out[p / 4][p % 4];
    }
}

/* Rows of d (or columns, by the step) to rows of B^T d. */
static inline void transform_line(const lanes *d, int step, lanes *out)
{
  out[0] = d[0] - d[2 * step];
  out[step] = d[step] + d[2 * step];
  out[2 * step] = d[2 * step] - d[step];
  out[3 * step] = d[step] - d[3 * step];
}

/* Where a tile's outputs begin. */
typedef struct {
  int64_t adjoint, y, x;
} place;

static place place_of(const facet_winograd *w, int64_t tile)
{
  int64_t in_adjoint = tile % w->tiles, across = w->width / 2;
  return (place){tile / w->tiles, in_adjoint / across * 2, in_adjoint % across * 2};
}

/* A tile that sticks out: zeros there. */
static void load_border(const facet_winograd *w, place at, const float *from, lanes *d)
{
  for (int i = 0; i < POINTS; i++) {
    int64_t y = at.y - 1 + i / 4, x = at.x - 1 + i % 4;
    bool inside = y >= 0 && y < w->height && x >= 0 && x < w->width;
    d[i] = inside ? *(const lanes *)(from + (y * w->width + x) * LANES) : (lanes){0};
  }
}

static void transform_sources(const facet_winograd *w, int64_t first, int64_t count, const float *gz)
{
  int64_t plane = w->height * w->width;
  for (int64_t t = 0; t < count; t++) {
    place at = place_of(w, first + t);
    bool interior = at.y > 0 && at.y + 3 <= w->height && at.x > 0 && at.x + 3 <= w->width;
    for (int64_t c = 0; c < w->from; c += LANES) {
      const float *from = gz + at.adjoint * plane * w->from + c * plane;
      lanes d[POINTS], half[POINTS], out[POINTS];
      if (interior) {
        const float *corner = from + ((at.y - 1) * w->width + at.x - 1) * LANES;
#pragma GCC unroll 16
        for (int i = 0; i < POINTS; i++)
          d[i] = *(const lanes *)(corner + (i / 4 * w->width + i % 4) * LANES);
      } else {
        load_border(w, at, from, d);
      }
      for (int i = 0; i < 4; i++)
        transform_line(d + i, 4, half + i);
      for (int i = 0; i < 4; i++)
        transform_line(half + 4 * i, 1, out + 4 * i);
      for (int p = 0; p < POINTS; p++)
        *(lanes *)(w->sources + (p * w->chunk + t) * w->from + c) = out[p];
    }
  }
}

/* products = sources x kernel for one of the 16 points, ROWS x COLUMNS at a time, all of it in registers. */
static void multiply(const facet_winograd *w, int64_t count, int p)
{
  for (int64_t n = 0; n < w->to; n += COLUMNS)
    for (int64_t t = 0; t < count; t += ROWS) {
      const float *a = w->sources + (p * w->chunk + t) * w->from;
      const float *b = w->kernel + p * w->from * w->to + n;
      float *out = w->products + (p * w->chunk + t) * w->to + n;
      lanes sum[ROWS][2] = {{{0}}};
      for (int64_t k = 0; k < w->from; k++) {
        lanes left = *(const lanes *)(b + k * w->to), right = *(const lanes *)(b + k * w->to + LANES);
#pragma GCC unroll 6
        for (int r = 0; r < ROWS; r++) {
          sum[r][0] += a[r * w->from + k] * left;
          sum[r][1] += a[r * w->from + k] * right;
        }
      }
#pragma GCC unroll 6
      for (int r = 0; r < ROWS; r++) {
        *(lanes *)(out + r * w->to) = sum[r][0];
        *(lanes *)(out + r * w->to + LANES) = sum[r][1];
      }
    }
}

/* A^T m A with A^T = (1 1 1 0; 0 1 -1 -1). */
static void transform_products(const facet_winograd *w, int64_t first, int64_t count, float *gu)
{
  int64_t plane = w->height * w->width;
  for (int64_t t = 0; t < count; t++) {
    place at = place_of(w, first + t);
    for (int64_t c = 0; c < w->to; c += LANES) {
      float *to = gu + at.adjoint * plane * w->to + c * plane + (at.y * w->width + at.x) * LANES;
      lanes m[POINTS], half[2][4];
      for (int p = 0; p < POINTS; p++)
        m[p] = *(const lanes *)(w->products + (p * w->chunk + t) * w->to + c);
      for (int x = 0; x < 4; x++) {
        half[0][x] = m[x] + m[4 + x] + m[8 + x];
        half[1][x] = m[4 + x] - m[8 + x] - m[12 + x];
      }
      for (int y = 0; y < 2; y++) {
        float *line = to + y * w->width * LANES;
        *(lanes *)line = half[y][0] + half[y][1] + half[y][2];
        *(lanes *)(line + LANES) = half[y][1] - half[y][2] - half[y][3];
      }
    }
  }
}

void facet_winograd_pullback(facet_winograd *w, const float *gz, float *gu)
{
  int64_t all = w->batch * w->tiles;
  for (int64_t first = 0; first < all; first += w->chunk) {
    int64_t count = all - first < w->chunk ? all - first : w->chunk;
    transform_sources(w, first, count, gz);
    for (int p = 0; p < POINTS; p++)
      multiply(w, count, p); /* rows past count, up to a multiple of ROWS, hold what was there: nobody reads them */
    transform_products(w, first, count, gu);
  }
}
