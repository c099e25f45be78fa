/* The body of winograd.c for one REAL and LANES channels at once; NAME(x) makes names unique.  No include guard:
 * included for each. */

enum { NAME(COLUMNS) = 2 * LANES }; /* channels of a block of products that registers hold */

typedef REAL NAME(lanes) __attribute__((vector_size(LANES * sizeof(REAL)), aligned(sizeof(REAL))));

/* One place of a matrix of the kernel: row f (channel of sources), column t (of results). */
static int64_t NAME(kernel_place)(const facet_winograd *w, int p, int64_t f, int64_t t)
{
  int64_t width = up(w->to, NAME(COLUMNS));
  return (p * width + t / NAME(COLUMNS) * NAME(COLUMNS)) * w->from + f * NAME(COLUMNS) + t % NAME(COLUMNS);
}

static void NAME(weights)(facet_winograd *w, const void *weights_, const void *bias_)
{
  const REAL *weights = weights_, *bias = bias_;
  REAL *kernel = w->kernel, *own_bias = w->bias;
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
        kernel[w->forward ? NAME(kernel_place)(w, p, c, o) : NAME(kernel_place)(w, p, o, c)] =
            (REAL)out[p % SIDE][p / SIDE];
    }
  for (int64_t o = 0; w->forward && o < outputs; o++)
    own_bias[o] = bias ? bias[o] : 0;
}

/* ---- sources ---- */

/* B^T d along a row or column of a tile. */
static inline void NAME(source_line)(const NAME(lanes) * d, NAME(lanes) * out)
{
  NAME(lanes) even = d[4] - B2 * d[2], odd = d[3] - B2 * d[1];
  NAME(lanes) even_more = d[4] - A2 * d[2], odd_more = d[3] - A2 * d[1];
  out[0] = PRODUCT * d[0] + (d[4] - SUM * d[2]);
  out[1] = even + A * odd;
  out[2] = even - A * odd;
  out[3] = even_more + B * odd_more;
  out[4] = even_more - B * odd_more;
  out[5] = PRODUCT * d[1] + (d[5] - SUM * d[3]);
}

/* Six sources of a row of the image from column x - 1 on, zeros where it ends. `line`: the row, or zeros. */
static inline void NAME(load_line)(const facet_winograd *w, const REAL *line, bool inside, int64_t x, int64_t block,
                                   NAME(lanes) * d)
{
  const REAL *from = inside ? line + (x - 1) * block : w->nothing;
  int64_t left = w->width - x;
  d[0] = *(const NAME(lanes) *)(x > 0 ? from : w->nothing);
  d[1] = *(const NAME(lanes) *)(from + block);
  d[2] = *(const NAME(lanes) *)(left > 1 ? from + 2 * block : w->nothing);
  d[3] = *(const NAME(lanes) *)(left > 2 ? from + 3 * block : w->nothing);
  d[4] = *(const NAME(lanes) *)(left > 3 ? from + 4 * block : w->nothing);
  d[5] = *(const NAME(lanes) *)(left > 4 ? from + 5 * block : w->nothing);
}

/* A tile of LANES channels transformed along its rows, and turned; returns the sum of the sources that are its own. */
PASS NAME(lanes) NAME(load_tile)(const facet_winograd *w, place at, const REAL *from, NAME(lanes) * half)
{
  NAME(lanes) sum = {0};
  int64_t block = w->source.block;
#pragma GCC unroll 6
  for (int i = 0; i < SIDE; i++) {
    int64_t y = at.y - 1 + i;
    NAME(lanes) d[SIDE], out[SIDE];
    NAME(load_line)(w, from + y * w->width * block, y >= 0 && y < w->height, at.x, block, d);
    if (i > 0 && i < SIDE - 1) /* what lies outside is 0 */
      sum += (d[1] + d[2]) + (d[3] + d[4]);
    NAME(source_line)(d, out);
#pragma GCC unroll 6
    for (int x = 0; x < SIDE; x++)
      half[x * SIDE + i] = out[x];
  }
  return sum;
}

/* The other direction, into the matrices. */
PASS void NAME(finish_tile)(const NAME(lanes) * half, int64_t step, REAL *to)
{
#pragma GCC unroll 6
  for (int x = 0; x < SIDE; x++) {
    NAME(lanes) out[SIDE];
    NAME(source_line)(half + x * SIDE, out);
#pragma GCC unroll 6
    for (int y = 0; y < SIDE; y++, to += step)
      *(NAME(lanes) *)to = out[y];
  }
}

/* Tiles from `at` on; `sums`, if not NULL, takes the sums of every adjoint's channels. */
static place NAME(transform_sources)(const facet_winograd *w, place at, int64_t count, const REAL *source, REAL *sums,
                                     REAL *sources)
{
  int64_t size = facet_layout_size(w->source);
  for (int64_t t = 0; t < count; t++, at = next_place(w, at))
    for (int64_t c = 0; c < w->from; c += LANES) {
      NAME(lanes) half[POINTS];
      NAME(lanes) sum = NAME(load_tile)(w, at, source + at.adjoint * size + channel_place(w->source, c), half);
      if (sums)
        *(NAME(lanes) *)(sums + at.adjoint * w->from + c) += sum;
      NAME(finish_tile)(half, w->step, sources + t * w->from + c);
    }
  return at;
}

/* ---- products ---- */

/* ROWS tiles times LANES or COLUMNS channels of products, all of it in registers. */
static inline __attribute__((always_inline)) void NAME(multiply_block)(const REAL *a, const REAL *b, int64_t depth,
                                                                       int wide, REAL *out, int64_t to)
{
  NAME(lanes) sum[ROWS][2] = {{{0}}};
#pragma GCC unroll 16
  for (int64_t k = 0; k < depth; k++) {
    NAME(lanes)
    left = *(const NAME(lanes) *)(b + k * NAME(COLUMNS)), right = *(const NAME(lanes) *)(b + k * NAME(COLUMNS) + LANES);
#pragma GCC unroll 12
    for (int r = 0; r < ROWS; r++) {
      sum[r][0] += a[r * depth + k] * left;
      if (wide)
        sum[r][1] += a[r * depth + k] * right;
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < ROWS; r++) {
    *(NAME(lanes) *)(out + r * to) = sum[r][0];
    if (wide)
      *(NAME(lanes) *)(out + r * to + LANES) = sum[r][1];
  }
}

/* One of the matrices. Rows past count, up to a multiple of ROWS, are multiplied too: nobody reads them. */
static inline void NAME(multiply_matrix)(int64_t count, const REAL *a, const REAL *b, int64_t depth, int64_t to,
                                         REAL *out)
{
  for (int64_t n = 0; n < to; n += NAME(COLUMNS))
    for (int64_t t = 0; t < count; t += ROWS)
      if (n + LANES < to)
        NAME(multiply_block)(a + t * depth, b + n * depth, depth, 1, out + t * to + n, to);
      else
        NAME(multiply_block)(a + t * depth, b + n * depth, depth, 0, out + t * to + n, to);
}

static void NAME(multiply)(const facet_winograd *w, int64_t count, int p, REAL *sources, REAL *products)
{
  REAL *a = sources + p * w->step, *out = products + p * w->step;
  const REAL *b = (const REAL *)w->kernel + p * w->from * up(w->to, NAME(COLUMNS));
  memset(a + count * w->from, 0, (size_t)((up(count, ROWS) - count) * w->from) * sizeof *a);
  if (w->from == 16 && w->to == 16)
    NAME(multiply_matrix)(count, a, b, 16, 16, out);
  else if (w->from == 32 && w->to == 32)
    NAME(multiply_matrix)(count, a, b, 32, 32, out);
  else if (w->from == 64 && w->to == 64)
    NAME(multiply_matrix)(count, a, b, 64, 64, out);
  else
    NAME(multiply_matrix)(count, a, b, w->from, w->to, out);
}

/* ---- results ---- */

/* A^T m along a row or column of a tile, A^T with the columns (1 p p^2 p^3) and (0 0 0 1). */
static inline void NAME(result_line)(const NAME(lanes) * m, NAME(lanes) * out)
{
  NAME(lanes) even = m[1] + m[2], odd = m[1] - m[2], even_more = m[3] + m[4], odd_more = m[3] - m[4];
  out[0] = m[0] + even + even_more;
  out[1] = A * odd + B * odd_more;
  out[2] = A2 * even + B2 * even_more;
  out[3] = A3 * odd + (B3 * odd_more + m[5]);
}

/* The products of one tile and LANES channels, transformed along columns, and turned. */
PASS void NAME(load_products)(const REAL *from, int64_t step, NAME(lanes) * half)
{
#pragma GCC unroll 6
  for (int x = 0; x < SIDE; x++) {
    NAME(lanes) m[SIDE], out[TILE];
#pragma GCC unroll 6
    for (int y = 0; y < SIDE; y++, from += step)
      m[y] = *(const NAME(lanes) *)from;
    NAME(result_line)(m, out);
#pragma GCC unroll 4
    for (int y = 0; y < TILE; y++)
      half[y * SIDE + x] = out[y];
  }
}

/* Where a tile's results go in one group of channels, and what meets them there: result = slope * (sum + addend +
 * bias); NULL: 1, 0, 0. */
typedef struct {
  const REAL *addend, *slope, *bias;
  REAL *to;
} NAME(target);

static inline void NAME(store_line)(const NAME(lanes) * result, int64_t most, int64_t block, int64_t at,
                                    const NAME(target) * t)
{
  for (int64_t x = 0; x < most; x++, at += block) {
    NAME(lanes) r = result[x];
    if (t->addend)
      r += *(const NAME(lanes) *)(t->addend + at);
    if (t->bias)
      r += *(const NAME(lanes) *)t->bias;
    if (t->slope)
      r *= *(const NAME(lanes) *)(t->slope + at);
    *(NAME(lanes) *)(t->to + at) = r;
  }
}

/* The other direction, to where the results belong. */
PASS void NAME(store_tile)(const facet_winograd *w, place at, const NAME(lanes) * half, const NAME(target) * to)
{
  int64_t left = w->height - at.y, most = w->width - at.x, block = w->result.block;
  for (int y = 0; y < TILE && y < left; y++) {
    NAME(lanes) result[TILE];
    NAME(result_line)(half + y * SIDE, result);
    if (most >= TILE)
      NAME(store_line)(result, TILE, block, y * w->width * block, to);
    else
      NAME(store_line)(result, most, block, y * w->width * block, to);
  }
}

static place NAME(transform_products)(const facet_winograd *w, place at, int64_t count, const REAL *products,
                                      const facet_fusion *with, REAL *result)
{
  int64_t size = facet_layout_size(w->result);
  const REAL *addend = with ? with->addend : NULL, *slope = with ? with->slope : NULL;
  for (int64_t t = 0; t < count; t++, at = next_place(w, at)) {
    int64_t sample = slope ? at.adjoint / with->rows : 0;
    for (int64_t c = 0; c < w->to; c += LANES) {
      int64_t inside = channel_place(w->result, c) + (at.y * w->width + at.x) * w->result.block;
      int64_t here = at.adjoint * size + inside;
      NAME(lanes) half[TILE * SIDE];
      NAME(target)
      to = {.addend = addend ? addend + here : NULL,
            .slope = slope ? slope + sample * size + inside : NULL,
            .bias = w->forward ? (const REAL *)w->bias + c : NULL,
            .to = result + here};
      NAME(load_products)(products + t * w->to + c, w->step, half);
      NAME(store_tile)(w, at, half, &to);
    }
  }
  return at;
}

static void NAME(run)(const facet_winograd *w, facet_part part, void *scratch_, const void *source_,
                      const facet_fusion *with, void *result_)
{
  const REAL *source = source_;
  REAL *scratch = scratch_, *result = result_;
  int64_t all = (part.end - part.first) * w->tiles;
  REAL *sources = scratch, *products = scratch + POINTS * w->step, *sums = with ? with->sums : NULL;
  place from = {.adjoint = part.first}, to = from;
  if (sums)
    memset(sums + part.first * w->from, 0, (size_t)((part.end - part.first) * w->from) * sizeof *sums);
  for (int64_t first = 0; first < all; first += w->chunk) {
    int64_t count = all - first < w->chunk ? all - first : w->chunk;
    from = NAME(transform_sources)(w, from, count, source, sums, sources);
    for (int p = 0; p < POINTS; p++)
      NAME(multiply)(w, count, p, sources, products);
    to = NAME(transform_products)(w, to, count, products, with, result);
  }
}

static const body NAME(body) = {sizeof(REAL), NAME(COLUMNS), NAME(weights), NAME(run)};
