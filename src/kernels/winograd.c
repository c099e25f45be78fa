/* Winograd's algorithm: see winograd.h.
 *
 * A chunk of tiles at a time, small enough for the second-level cache: transform 6x6 tiles of the source into 36
 * matrices (tiles x channels), multiply each with the transformed kernel, transform the products back into 4x4 tiles of
 * the result. The words here are those of pullbacks: forward, an "adjoint" is a sample. */
#include "kernels/winograd.h"

#include <string.h>

enum {
  LANES = 8,             /* channels at once */
  TILE = 4,              /* outputs of a tile, in each direction */
  SIDE = TILE + 2,       /* sources and points of a tile, in each direction */
  POINTS = SIDE * SIDE,  /* products of a tile */
  ROWS = 6,              /* tiles and ... */
  COLUMNS = 2 * LANES,   /* ... channels of a block of products that registers hold */
  BUDGET = 384,          /* tiles times channels of a chunk, while channels are few */
  APART = 16,            /* floats between the matrices: their rows must not meet in one set of the cache */
  STEP = BUDGET + APART, /* from matrix to matrix, unless there are very many channels */
  WIDEST = 16            /* block of a layout */
};

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

struct facet_winograd {
  facet_conv_shape shape;
  bool forward;
  int64_t from, to; /* channels of sources and of results, padding included */
  facet_layout source, result;
  int64_t height, width, tiles; /* of one adjoint */
  int64_t chunk;                /* tiles at once, a multiple of ROWS */
  int64_t step;                 /* from matrix to matrix, of sources and of products */
  float *bias;                  /* forward: of the results */
  float *nothing;               /* zeros, for what lies outside */
  float *kernel;                /* POINTS x to/COLUMNS x from x COLUMNS */
};

/* The points +-A and +-B. */
static const float A = 0.625F, B = 1.5F, A2 = 0.390625F, B2 = 2.25F, A3 = 0.244140625F, B3 = 3.375F;
static const float PRODUCT = 0.87890625F, SUM = 2.640625F; /* of A2 and B2 */

static int64_t up(int64_t n, int64_t step)
{
  return (n + step - 1) / step * step;
}

static int64_t padded(facet_layout l)
{
  return up(l.channels, l.block);
}

bool facet_winograd_fits(const facet_conv_shape *s, facet_layout in, facet_layout out)
{
  bool fits = s->spatial == 2 && s->groups == 1 && in.block % LANES == 0 && out.block % LANES == 0 &&
              in.block <= WIDEST && out.block <= WIDEST;
  int64_t products = POINTS * padded(in) * padded(out), direct = 9 * s->in_channels * s->out_channels;
  for (int d = 0; fits && d < 2; d++) {
    fits = s->kernel[d] == 3 && s->stride[d] == 1 && s->dilation[d] == 1 && s->pad_begin[d] == 1 && s->pad_end[d] == 1;
    products *= up(s->in[d], TILE) / TILE;
    direct *= s->in[d];
  }
  return fits && 5 * products <= 3 * direct; /* transforms take their time too */
}

void facet_winograd_destroy(facet_winograd **winograd)
{
  if (*winograd) {
    facet_free(&(*winograd)->kernel);
    facet_free(&(*winograd)->bias);
    facet_free(&(*winograd)->nothing);
  }
  facet_free(winograd);
}

/* Few channels: what the first-level cache likes. Many: as many tiles as pay for reading the kernel once more. */
static int64_t chunk_of(int64_t channels)
{
  enum { MANY = 64, ENOUGH = 24 };
  if (channels < MANY)
    return BUDGET / channels > ROWS ? BUDGET / channels / ROWS * ROWS : ROWS;
  return up(channels / 4 > ENOUGH ? channels / 4 : ENOUGH, ROWS);
}

facet_status facet_winograd_create(const facet_conv_shape *s, facet_task task, facet_layout in, facet_layout out,
                                   facet_winograd **winograd)
{
  facet_winograd *w;
  FACET_NEW(w, 1);
  w->shape = *s;
  w->forward = task == FACET_FORWARD;
  w->source = w->forward ? in : out;
  w->result = w->forward ? out : in;
  w->from = padded(w->source);
  w->to = padded(w->result);
  w->height = s->in[0];
  w->width = s->in[1];
  w->tiles = up(w->height, TILE) / TILE * (up(w->width, TILE) / TILE);
  int64_t most = w->from > w->to ? w->from : w->to;
  w->chunk = chunk_of(most);
  w->step = w->chunk * most <= BUDGET ? STEP : w->chunk * most + APART;
  facet_status status = FACET_OK;
  FACET_NEW_GO(failed, status, w->kernel, POINTS * w->from * up(w->to, COLUMNS));
  FACET_NEW_GO(failed, status, w->bias, w->to);
  FACET_NEW_GO(failed, status, w->nothing, SIDE * WIDEST);
  *winograd = w;
  return FACET_OK;
failed:
  facet_winograd_destroy(&w);
  return status;
}

size_t facet_winograd_scratch(const facet_winograd *w)
{
  return (size_t)(2 * POINTS * w->step);
}

/* ---- the kernel ---- */

/* G g for G with the rows (1 p p^2) / N(p), N(p) the product of the distances to the other points, and (0 0 1). */
static void kernel_line(const double *g, int step, double *out, int out_step)
{
  static const double point[] = {0, 0.625, -0.625, 1.5, -1.5};
  for (int i = 0; i < SIDE - 1; i++) {
    double distances = 1;
    for (int j = 0; j < SIDE - 1; j++)
      if (j != i)
        distances *= point[i] - point[j];
    out[i * out_step] = (g[0] + point[i] * (g[step] + point[i] * g[2 * step])) / distances;
  }
  out[(SIDE - 1) * out_step] = g[2 * step];
}

/* One place of a matrix of the kernel: row f (channel of gz), column t (channel of gu). */
static int64_t kernel_place(const facet_winograd *w, int p, int64_t f, int64_t t)
{
  int64_t width = up(w->to, COLUMNS);
  return (p * width + t / COLUMNS * COLUMNS) * w->from + f * COLUMNS + t % COLUMNS;
}

void facet_winograd_weights(facet_winograd *w, const float *weights, const float *bias)
{
  int64_t inputs = w->shape.in_channels, outputs = w->shape.out_channels;
  for (int64_t o = 0; o < outputs; o++)
    for (int64_t c = 0; c < inputs; c++) {
      double g[3][3], half[SIDE][3], out[SIDE][SIDE];
      for (int i = 0; i < 9; i++) { /* a pullback meets the kernel turned round */
        int at = w->forward ? i : 8 - i;
        g[at / 3][at % 3] = (double)weights[(o * inputs + c) * 9 + i];
      }
      for (int i = 0; i < 3; i++)
        kernel_line(&g[0][i], 3, &half[0][i], 3);
      for (int i = 0; i < SIDE; i++)
        kernel_line(half[i], 1, out[i], 1);
      for (int p = 0; p < POINTS; p++)
        w->kernel[w->forward ? kernel_place(w, p, c, o) : kernel_place(w, p, o, c)] = (float)out[p % SIDE][p / SIDE];
    }
  for (int64_t o = 0; w->forward && o < outputs; o++)
    w->bias[o] = bias ? bias[o] : 0;
}

/* ---- tiles ---- */

/* Where a tile's outputs begin. */
typedef struct {
  int64_t adjoint, y, x;
} place;

static inline place next_place(const facet_winograd *w, place at)
{
  at.x += TILE;
  if (at.x >= w->width) {
    at.x = 0;
    at.y += TILE;
  }
  if (at.y >= w->height) {
    at.y = 0;
    at.adjoint++;
  }
  return at;
}

/* Where LANES channels from channel c on begin in a value of so many channels, and how far apart positions are. */
static inline int64_t channel_place(facet_layout l, int64_t c)
{
  return c / l.block * l.block * l.spatial + c % l.block;
}

/* ---- sources ---- */

/* The two passes over a tile are functions of their own: together they would need many more registers than there are,
 * and compilers then move arithmetic from one into the other at a high price. */
#define PASS static __attribute__((noinline))

/* B^T d along a row or column of a tile. */
static inline void source_line(const lanes *d, lanes *out)
{
  lanes even = d[4] - B2 * d[2], odd = d[3] - B2 * d[1];
  lanes even_more = d[4] - A2 * d[2], odd_more = d[3] - A2 * d[1];
  out[0] = PRODUCT * d[0] + (d[4] - SUM * d[2]);
  out[1] = even + A * odd;
  out[2] = even - A * odd;
  out[3] = even_more + B * odd_more;
  out[4] = even_more - B * odd_more;
  out[5] = PRODUCT * d[1] + (d[5] - SUM * d[3]);
}

/* Six sources of a row of the image from column x - 1 on, zeros where it ends. `line`: the row, or zeros. */
static inline void load_line(const facet_winograd *w, const float *line, bool inside, int64_t x, int64_t block,
                             lanes *d)
{
  const float *from = inside ? line + (x - 1) * block : w->nothing;
  int64_t left = w->width - x;
  d[0] = *(const lanes *)(x > 0 ? from : w->nothing);
  d[1] = *(const lanes *)(from + block);
  d[2] = *(const lanes *)(left > 1 ? from + 2 * block : w->nothing);
  d[3] = *(const lanes *)(left > 2 ? from + 3 * block : w->nothing);
  d[4] = *(const lanes *)(left > 3 ? from + 4 * block : w->nothing);
  d[5] = *(const lanes *)(left > 4 ? from + 5 * block : w->nothing);
}

/* A tile of LANES channels transformed along its rows, and turned; returns the sum of the sources that are its own. */
PASS lanes load_tile(const facet_winograd *w, place at, const float *from, lanes *half)
{
  lanes sum = {0};
  int64_t block = w->source.block;
#pragma GCC unroll 6
  for (int i = 0; i < SIDE; i++) {
    int64_t y = at.y - 1 + i;
    lanes d[SIDE], out[SIDE];
    load_line(w, from + y * w->width * block, y >= 0 && y < w->height, at.x, block, d);
    if (i > 0 && i < SIDE - 1) /* what lies outside is 0 */
      sum += (d[1] + d[2]) + (d[3] + d[4]);
    source_line(d, out);
#pragma GCC unroll 6
    for (int x = 0; x < SIDE; x++)
      half[x * SIDE + i] = out[x];
  }
  return sum;
}

/* The other direction, into the matrices. */
PASS void finish_tile(const lanes *half, int64_t step, float *to)
{
#pragma GCC unroll 6
  for (int x = 0; x < SIDE; x++) {
    lanes out[SIDE];
    source_line(half + x * SIDE, out);
#pragma GCC unroll 6
    for (int y = 0; y < SIDE; y++, to += step)
      *(lanes *)to = out[y];
  }
}

/* Tiles from `at` on; `sums`, if not NULL, takes the sums of every adjoint's channels. */
static place transform_sources(const facet_winograd *w, place at, int64_t count, const float *source, float *sums,
                               float *sources)
{
  int64_t size = facet_layout_size(w->source);
  for (int64_t t = 0; t < count; t++, at = next_place(w, at))
    for (int64_t c = 0; c < w->from; c += LANES) {
      lanes half[POINTS];
      lanes sum = load_tile(w, at, source + at.adjoint * size + channel_place(w->source, c), half);
      if (sums)
        *(lanes *)(sums + at.adjoint * w->from + c) += sum;
      finish_tile(half, w->step, sources + t * w->from + c);
    }
  return at;
}

/* ---- products ---- */

/* ROWS tiles times LANES or COLUMNS channels of products, all of it in registers. */
static inline void multiply_block(const float *a, const float *b, int64_t depth, int wide, float *out, int64_t to)
{
  lanes sum[ROWS][2] = {{{0}}};
#pragma GCC unroll 16
  for (int64_t k = 0; k < depth; k++) {
    lanes left = *(const lanes *)(b + k * COLUMNS), right = *(const lanes *)(b + k * COLUMNS + LANES);
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; r++) {
      sum[r][0] += a[r * depth + k] * left;
      if (wide)
        sum[r][1] += a[r * depth + k] * right;
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; r++) {
    *(lanes *)(out + r * to) = sum[r][0];
    if (wide)
      *(lanes *)(out + r * to + LANES) = sum[r][1];
  }
}

/* One of the matrices. Rows past count, up to a multiple of ROWS, are multiplied too: nobody reads them. */
static inline void multiply_matrix(int64_t count, const float *a, const float *b, int64_t depth, int64_t to, float *out)
{
  for (int64_t n = 0; n < to; n += COLUMNS)
    for (int64_t t = 0; t < count; t += ROWS)
      if (n + LANES < to)
        multiply_block(a + t * depth, b + n * depth, depth, 1, out + t * to + n, to);
      else
        multiply_block(a + t * depth, b + n * depth, depth, 0, out + t * to + n, to);
}

static void multiply(const facet_winograd *w, int64_t count, int p, float *sources, float *products)
{
  float *a = sources + p * w->step, *out = products + p * w->step;
  const float *b = w->kernel + p * w->from * up(w->to, COLUMNS);
  memset(a + count * w->from, 0, (size_t)((up(count, ROWS) - count) * w->from) * sizeof *a);
  if (w->from == 16 && w->to == 16)
    multiply_matrix(count, a, b, 16, 16, out);
  else if (w->from == 32 && w->to == 32)
    multiply_matrix(count, a, b, 32, 32, out);
  else if (w->from == 64 && w->to == 64)
    multiply_matrix(count, a, b, 64, 64, out);
  else
    multiply_matrix(count, a, b, w->from, w->to, out);
}

/* ---- results ---- */

/* A^T m along a row or column of a tile, A^T with the columns (1 p p^2 p^3) and (0 0 0 1). */
static inline void result_line(const lanes *m, lanes *out)
{
  lanes even = m[1] + m[2], odd = m[1] - m[2], even_more = m[3] + m[4], odd_more = m[3] - m[4];
  out[0] = m[0] + even + even_more;
  out[1] = A * odd + B * odd_more;
  out[2] = A2 * even + B2 * even_more;
  out[3] = A3 * odd + (B3 * odd_more + m[5]);
}

/* The products of one tile and LANES channels, transformed along columns, and turned. */
PASS void load_products(const float *from, int64_t step, lanes *half)
{
#pragma GCC unroll 6
  for (int x = 0; x < SIDE; x++) {
    lanes m[SIDE], out[TILE];
#pragma GCC unroll 6
    for (int y = 0; y < SIDE; y++, from += step)
      m[y] = *(const lanes *)from;
    result_line(m, out);
#pragma GCC unroll 4
    for (int y = 0; y < TILE; y++)
      half[y * SIDE + x] = out[y];
  }
}

/* Where a tile's results go in one group of channels, and what meets them there: result = slope * (sum + addend +
 * bias); NULL: 1, 0, 0. */
typedef struct {
  const float *addend, *slope, *bias;
  float *to;
} target;

static inline void store_line(const lanes *result, int64_t most, int64_t block, int64_t at, const target *t)
{
  for (int64_t x = 0; x < most; x++, at += block) {
    lanes r = result[x];
    if (t->addend)
      r += *(const lanes *)(t->addend + at);
    if (t->bias)
      r += *(const lanes *)t->bias;
    if (t->slope)
      r *= *(const lanes *)(t->slope + at);
    *(lanes *)(t->to + at) = r;
  }
}

/* The other direction, to where the results belong. */
PASS void store_tile(const facet_winograd *w, place at, const lanes *half, const target *to)
{
  int64_t left = w->height - at.y, most = w->width - at.x, block = w->result.block;
  for (int y = 0; y < TILE && y < left; y++) {
    lanes result[TILE];
    result_line(half + y * SIDE, result);
    if (most >= TILE)
      store_line(result, TILE, block, y * w->width * block, to);
    else
      store_line(result, most, block, y * w->width * block, to);
  }
}

static place transform_products(const facet_winograd *w, place at, int64_t count, const float *products,
                                const facet_fusion *with, float *result)
{
  int64_t size = facet_layout_size(w->result);
  const float *addend = with ? with->addend : NULL, *slope = with ? with->slope : NULL;
  for (int64_t t = 0; t < count; t++, at = next_place(w, at)) {
    int64_t sample = slope ? at.adjoint / with->rows : 0;
    for (int64_t c = 0; c < w->to; c += LANES) {
      int64_t inside = channel_place(w->result, c) + (at.y * w->width + at.x) * w->result.block;
      int64_t here = at.adjoint * size + inside;
      lanes half[TILE * SIDE];
      target to = {.addend = addend ? addend + here : NULL,
                   .slope = slope ? slope + sample * size + inside : NULL,
                   .bias = w->forward ? w->bias + c : NULL,
                   .to = result + here};
      load_products(products + t * w->to + c, w->step, half);
      store_tile(w, at, half, &to);
    }
  }
  return at;
}

void facet_winograd_run(const facet_winograd *w, facet_part part, float *scratch, const float *source,
                        const facet_fusion *with, float *result)
{
  int64_t all = (part.end - part.first) * w->tiles;
  float *sources = scratch, *products = scratch + POINTS * w->step, *sums = with ? with->sums : NULL;
  place from = {.adjoint = part.first}, to = from;
  if (sums)
    memset(sums + part.first * w->from, 0, (size_t)((part.end - part.first) * w->from) * sizeof *sums);
  for (int64_t first = 0; first < all; first += w->chunk) {
    int64_t count = all - first < w->chunk ? all - first : w->chunk;
    from = transform_sources(w, from, count, source, sums, sources);
    for (int p = 0; p < POINTS; p++)
      multiply(w, count, p, sources, products);
    to = transform_products(w, to, count, products, with, result);
  }
}
