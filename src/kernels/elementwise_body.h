/* The body of elementwise.c for one REAL; NAME(x) makes names unique.  No include guard: included twice.
 * FOR_EACH: such a loop may work in place; an element is written after it was read and no other depends on it. */

/* Eight numbers in registers, and what comparing them gives: integers of the same width. */
enum { NAME(WIDE) = 8 };
typedef REAL NAME(wide) __attribute__((vector_size(8 * sizeof(REAL)), aligned(sizeof(REAL))));
typedef INTEGER NAME(truth) __attribute__((vector_size(8 * sizeof(REAL)), aligned(sizeof(REAL))));

/* Many side by side: a compiler may not reorder one. */
static double NAME(largest)(int64_t size, const void *z_)
{
  enum { SIDE_BY_SIDE = 32 };
  const REAL *z = z_;
  REAL high[SIDE_BY_SIDE] = {0};
  int64_t i = 0;
  for (; i + SIDE_BY_SIDE <= size; i += SIDE_BY_SIDE)
    for (int j = 0; j < SIDE_BY_SIDE; j++) {
      REAL m = ABSOLUTE(z[i + j]);
      high[j] = m > high[j] ? m : high[j];
    }
  for (; i < size; i++) {
    REAL m = ABSOLUTE(z[i]);
    high[0] = m > high[0] ? m : high[0];
  }
  for (int j = 1; j < SIDE_BY_SIDE; j++)
    high[0] = high[j] > high[0] ? high[j] : high[0];
  return (double)high[0];
}

static void NAME(gate)(int64_t size, int64_t padding, double alpha, double bound, const void *z_, void *out_,
                       void *slope_, int32_t *ties, uint8_t *near)
{
  const REAL *z = z_;
  REAL *out = out_, *slope = slope_;
  REAL a = (REAL)alpha, shut = (REAL)(bound > 0 ? bound : 0);
  if (bound >= 0) {
    INTEGER count = -(INTEGER)padding;
    for (int64_t i = 0; i < size; i++)
      count += ABSOLUTE(z[i]) <= shut;
    *ties += (int32_t)count;
    if (near && count > 0 && alpha != 1)
      FOR_EACH(i, size)
        near[i] = ABSOLUTE(z[i]) <= shut;
  }
  FOR_EACH(i, size) {
    REAL u = z[i];
    slope[i] = u > shut ? (REAL)1 : a;
    out[i] = (u > 0 ? (REAL)1 : a) * u;
  }
}

/* Loops over the blocks of channels: calls for block b of `lanes` channels each. */
#define FOR_BLOCKS(layout, b, lanes)                                                                                   \
  for (int64_t b = 0, lanes; b * (layout).block < (layout).channels; b++)                                              \
    if ((lanes = (layout).channels - b * (layout).block, lanes = lanes < (layout).block ? lanes : (layout).block) > 0)

static void NAME(pieces)(facet_layout layout, const facet_pieces *p, double bound, const void *z_, void *out_,
                         void *slope_, void *offset_, int32_t *ties, uint8_t *near)
{
  const REAL *z = z_, *slope_of = p->slope_of;
  REAL *out = out_, *slope = slope_, *offset = offset_, shut = (REAL)(bound > 0 ? bound : 0);
  int64_t k = layout.block;
  FOR_BLOCKS(layout, b, lanes)
  {
    for (int64_t i = b * k * layout.spatial; i < (b + 1) * k * layout.spatial; i++) {
      int piece = 0, ruled = 0;
      bool padding = i % k >= lanes, tie = false;
      REAL u = z[i], lowest = slope_of ? slope_of[i] : (REAL)p->slope[0];
      for (int j = 0; j < p->count - 1; j++) {
        REAL beyond = u - (REAL)p->at[j];
        piece = beyond > 0 ? j + 1 : piece;
        ruled = beyond > shut ? j + 1 : ruled;
        tie |= ABSOLUTE(beyond) <= shut;
      }
      *ties += tie && !padding && bound >= 0;
      if (near)
        near[i] = tie && !padding && bound >= 0;
      slope[i] = padding ? 0 : ruled == 0 ? lowest : (REAL)p->slope[ruled];
      if (offset)
        offset[i] = padding ? 0 : (REAL)p->offset[ruled];
      out[i] = padding ? 0 : (piece == 0 ? lowest : (REAL)p->slope[piece]) * u + (REAL)p->offset[piece];
    }
  }
}

static void NAME(select)(facet_layout layout, int candidates, const void *const *candidate, double sign, double bound,
                         void *out_, int32_t *winner, int32_t *ties)
{
  REAL *out = out_, s = (REAL)sign;
  int64_t k = layout.block;
  FOR_BLOCKS(layout, b, lanes)
  {
    for (int64_t i = b * k * layout.spatial; i < (b + 1) * k * layout.spatial; i++) {
      REAL first = s * ((const REAL *)candidate[0])[i], second = -(REAL)INFINITY;
      int32_t best = 0;
      for (int j = 1; j < candidates; j++) {
        REAL x = s * ((const REAL *)candidate[j])[i];
        second = x > first ? first : x > second ? x : second;
        best = x > first ? j : best;
        first = x > first ? x : first;
      }
      bool padding = i % k >= lanes, tie = bound >= 0 && first - second <= (REAL)bound;
      *ties += tie && !padding;
      for (int j = best - 1; tie && j >= 0; j--)
        best = first - s * ((const REAL *)candidate[j])[i] <= (REAL)bound ? j : best;
      winner[i] = best;
      out[i] = padding ? 0 : s * first;
    }
  }
}

static void NAME(select_pullback)(int64_t size, int64_t samples, int64_t rows, const int32_t *winner, int which,
                                  const void *g_, const void *addend_, void *out_)
{
  const REAL *g = g_, *addend = addend_;
  REAL *out = out_;
  for (int64_t s = 0; s < samples; s++, winner += size)
    for (int64_t r = 0; r < rows; r++, g += size, out += size, addend += addend ? size : 0)
      FOR_EACH(i, size)
        out[i] = (addend ? addend[i] : 0) + (winner[i] == which ? g[i] : 0);
}

static double NAME(select_dot)(int64_t size, const int32_t *winner, int which, const void *a_, const void *b_)
{
  const REAL *a = a_, *b = b_;
  double sum = 0;
  for (int64_t i = 0; i < size; i++)
    sum += winner[i] == which ? (double)a[i] * (double)b[i] : 0;
  return sum;
}

/* `lanes` channels side by side over the positions. */
static inline void NAME(channel_lanes)(int64_t positions, int lanes, const REAL *scale, const REAL *shift,
                                       const REAL *addend, const REAL *in, REAL *out)
{
  for (int64_t s = 0; s < positions; s++)
    FOR_EACH(c, lanes) {
      int64_t i = s * lanes + c;
      out[i] = scale[c] * in[i] + (shift ? shift[c] : 0) + (addend ? addend[i] : 0);
    }
}

static void NAME(channels)(facet_layout layout, const void *scale_, const void *shift_, const void *addend_,
                           const void *in_, void *out_)
{
  const REAL *scale = scale_, *shift = shift_, *addend = addend_, *in = in_;
  REAL *out = out_;
  int64_t k = layout.block, block = k * layout.spatial;
  for (int64_t b = 0; b * k < layout.channels; b++) {
    const REAL *d = scale + b * k, *a = shift ? shift + b * k : NULL, *more = addend ? addend + b * block : NULL;
    if (k == 1) {
      REAL factor = d[0], constant = a ? a[0] : 0;
      FOR_EACH(i, block)
        out[b * block + i] = factor * in[b * block + i] + constant + (more ? more[i] : 0);
    } else if (k == 8) {
      NAME(channel_lanes)(layout.spatial, 8, d, a, more, in + b * block, out + b * block);
    } else {
      NAME(channel_lanes)(layout.spatial, (int)k, d, a, more, in + b * block, out + b * block);
    }
  }
}

static void NAME(diagonal)(int64_t size, const void *scale_, const void *shift_, const void *in_, void *out_)
{
  const REAL *scale = scale_, *shift = shift_, *in = in_;
  REAL *out = out_;
  FOR_EACH(i, size)
    out[i] = scale[i] * in[i] + shift[i];
}

static void NAME(gate_pullback)(int64_t size, int64_t samples, int64_t rows, int64_t slope_step, const void *slope_,
                                const void *g_, const void *addend_, void *out_)
{
  const REAL *slope = slope_, *g = g_, *addend = addend_;
  REAL *out = out_;
  for (int64_t s = 0; s < samples; s++, slope += slope_step)
    for (int64_t r = 0; r < rows; r++, g += size, out += size) {
      if (addend) {
        FOR_EACH(i, size)
          out[i] = addend[i] + slope[i] * g[i];
        addend += size;
      } else {
        FOR_EACH(i, size)
          out[i] = slope[i] * g[i];
      }
    }
}

static void NAME(gate_pullback_sum)(int64_t size, int64_t samples, int64_t rows, const void *slope_, const void *g_,
                                    const void *more_, void *out_)
{
  const REAL *slope = slope_, *g = g_, *more = more_;
  REAL *out = out_;
  for (int64_t s = 0; s < samples; s++, slope += size)
    for (int64_t r = 0; r < rows; r++, g += size, more += size, out += size)
      FOR_EACH(i, size)
        out[i] = slope[i] * (g[i] + more[i]);
}

static void NAME(add)(int64_t count, const void *a_, double factor, const void *b_, void *out_)
{
  const REAL *a = a_, *b = b_;
  REAL *out = out_, f = (REAL)factor;
  if (a)
    FOR_EACH(i, count)
      out[i] = a[i] + f * b[i];
  else
    FOR_EACH(i, count)
      out[i] = f * b[i];
}

static void NAME(gather)(int64_t samples, int64_t runs, const facet_run *run, const void *src_, int64_t src_size,
                         void *dst_, int64_t dst_size)
{
  const REAL *src = src_;
  REAL *dst = dst_;
  for (int64_t s = 0; s < samples; s++, src += src_size, dst += dst_size)
    for (int64_t r = 0; r < runs; r++)
      if (run[r].length == 1) /* of blocks, all of them */
        dst[run[r].target] = src[run[r].source];
      else
        for (int32_t i = 0; i < run[r].length; i++)
          dst[run[r].target + i] = src[run[r].source + i];
}

static void NAME(scatter)(int64_t samples, int64_t runs, const facet_run *run, const void *src_, int64_t src_size,
                          void *dst_, int64_t dst_size)
{
  const REAL *src = src_;
  REAL *dst = dst_;
  for (int64_t s = 0; s < samples; s++, src += src_size, dst += dst_size)
    for (int64_t r = 0; r < runs; r++)
      if (run[r].length == 1)
        dst[run[r].source] += src[run[r].target];
      else
        for (int32_t i = 0; i < run[r].length; i++)
          dst[run[r].source + i] += src[run[r].target + i];
}

static void NAME(window_mean)(const facet_windows *w, facet_layout in, const void *u_, void *out_)
{
  int64_t k = in.block;
  FOR_BLOCKS(in, b, lanes)
  {
    const REAL *u = (const REAL *)u_ + b * w->in_spatial * k;
    REAL *out = (REAL *)out_ + b * w->out_spatial * k;
    for (int64_t s = 0; s < w->out_spatial; s++)
      for (int64_t c = 0; c < lanes; c++) {
        REAL sum = 0;
        for (int64_t t = w->begin[s]; t < w->begin[s + 1]; t++)
          sum += w->tap ? (REAL)w->tap[t] * u[w->position[t] * k + c] : u[w->position[t] * k + c];
        out[s * k + c] = sum * (REAL)w->weight[s];
      }
  }
}

/* Lane by lane: a where it is true, else b. */
#define PICK(is, a, b)      (((is) & (a)) | (~(is) & (b)))
#define PICK_WIDE(is, a, b) ((NAME(wide))PICK(is, (NAME(truth))(a), (NAME(truth))(b)))

/* Writes down which of eight neighbours are near, at every position of a window, if the window is tied in any. near: at
 * the first of them at the first position. */
static inline void NAME(write_near)(NAME(truth) tie, NAME(wide) top, const int64_t *position, int64_t positions,
                                    int64_t k, REAL sign, REAL bound, const REAL *u, uint8_t *near)
{
  INTEGER any = 0;
  for (int c = 0; c < NAME(WIDE); c++)
    any |= tie[c];
  for (int64_t t = 0; any && t < positions; t++) {
    NAME(truth) is = tie & (top - sign * *(const NAME(wide) *)(u + position[t] * k) <= bound);
    for (int c = 0; c < NAME(WIDE); c++)
      near[t * k + c] = is[c] != 0;
  }
}

/* Eight neighbouring channels of a block, of which `lanes` are there: values, winners and, where `count`, how many
 * ties, and where (near: at the first of them; or NULL). Padding lanes are written, too: their inputs are 0. */
static inline int32_t NAME(window_wide)(const facet_windows *w, int64_t k, int lanes, int32_t base, bool count,
                                        REAL bound, bool flat_zero, const REAL *restrict u, REAL *restrict out,
                                        int32_t *restrict winner, uint8_t *restrict near, bool zeros)
{
  const REAL sign = (REAL)w->sign;
  const NAME(truth) always = (NAME(truth)){0} == 0, judged = flat_zero ? ~always : always;
  NAME(truth) found = {0};
  for (int64_t s = 0; s < w->out_spatial; s++, out += k, winner += k) {
    int64_t begin = w->begin[s], t = begin, end = w->begin[s + 1], at = w->position[t] * k;
    NAME(wide) first = sign * *(const NAME(wide) *)(u + at), second = (NAME(wide)){0} - (REAL)INFINITY;
    NAME(truth) best = (INTEGER)at + (NAME(truth)){0};
    while (++t < end) {
      at = w->position[t] * k;
      NAME(wide) x = sign * *(const NAME(wide) *)(u + at);
      NAME(truth) wins = x > first;
      if (count) {
        NAME(wide) loser = PICK_WIDE(wins, first, x);
        second = PICK_WIDE(loser > second, loser, second);
      }
      best = PICK(wins, (INTEGER)at + (NAME(truth)){0}, best);
      first = PICK_WIDE(wins, x, first);
    }
    if (count) {
      NAME(truth) tie = first - second <= bound, counted = tie & (judged | (first > bound));
      found -= counted;
      if (near)
        NAME(write_near)
      (zeros ? tie : counted, first, w->position + begin, end - begin, k, sign, bound, u, near + begin * k);
    }
    while (count && --t >= begin) { /* the first of those near the top, found last */
      at = w->position[t] * k;
      NAME(wide) x = sign * *(const NAME(wide) *)(u + at);
      best = PICK(first - x <= bound, (INTEGER)at + (NAME(truth)){0}, best);
    }
    *(NAME(wide) *)out = sign * first;
    for (int c = 0; c < NAME(WIDE); c++)
      winner[c] = base + (int32_t)best[c] + c;
  }
  int32_t ties = 0;
  for (int c = 0; c < lanes; c++)
    ties += (int32_t)found[c];
  return ties;
}

/* One channel of a block, as above. */
static int32_t NAME(window_lane)(const facet_windows *w, int64_t k, int32_t base, bool count, REAL bound,
                                 bool flat_zero, const REAL *restrict u, REAL *restrict out, int32_t *restrict winner,
                                 uint8_t *restrict near, bool zeros)
{
  const REAL sign = (REAL)w->sign;
  int32_t ties = 0;
  for (int64_t s = 0; s < w->out_spatial; s++) {
    int64_t begin = w->begin[s], t = begin, best = w->position[t] * k;
    REAL first = sign * u[best], second = -(REAL)INFINITY;
    while (++t < w->begin[s + 1]) {
      int64_t at = w->position[t] * k;
      REAL x = sign * u[at], loser = x > first ? first : x;
      second = loser > second ? loser : second;
      best = x > first ? at : best;
      first = x > first ? x : first;
    }
    bool tie = count && first - second <= bound, counted = tie && !(flat_zero && first <= bound);
    ties += counted;
    for (int64_t i = begin; near && (zeros ? tie : counted) && i < t; i++)
      near[i * k] = first - sign * u[w->position[i] * k] <= bound;
    while (tie && --t >= begin) /* the first of those near the top, found last */
      best = first - sign * u[w->position[t] * k] <= bound ? w->position[t] * k : best;
    out[s * k] = sign * first;
    winner[s * k] = base + (int32_t)best;
  }
  return ties;
}

static void NAME(window_max)(const facet_windows *w, facet_layout in, double bound, bool flat_zero, const void *u_,
                             void *out_, int32_t *winner_, int32_t *ties, uint8_t *near_)
{
  int64_t k = in.block, positions = w->begin[w->out_spatial];
  bool count = bound >= 0, zeros = *ties > 0;
  REAL reach = (REAL)bound;
  int step = k % NAME(WIDE) == 0 ? NAME(WIDE) : 1;
  FOR_BLOCKS(in, b, lanes)
  for (int64_t c = 0; c < lanes; c += step) {
    int32_t base = (int32_t)(b * w->in_spatial * k + c);
    int64_t to = b * w->out_spatial * k + c;
    const REAL *u = (const REAL *)u_ + base;
    REAL *out = (REAL *)out_ + to;
    int32_t *winner = winner_ + to;
    uint8_t *near = near_ ? near_ + b * positions * k + c : NULL;
    int there = lanes - c < step ? (int)(lanes - c) : step;
    if (step == 1)
      *ties += NAME(window_lane)(w, k, base, count, reach, flat_zero, u, out, winner, near, zeros);
    else if (count && near) /* constants, so that float, and who does not ask, have none of it */
      *ties += NAME(window_wide)(w, k, there, base, true, reach, flat_zero, u, out, winner, near, zeros);
    else if (count)
      *ties += NAME(window_wide)(w, k, there, base, true, reach, flat_zero, u, out, winner, NULL, false);
    else
      NAME(window_wide)(w, k, there, base, false, reach, flat_zero, u, out, winner, NULL, false);
  }
}

#undef PICK
#undef PICK_WIDE

static void NAME(select_near)(int64_t size, int candidates, const void *const *candidate, double sign, double bound,
                              uint8_t *near)
{
  for (int64_t i = 0; i < size; i++) {
    REAL first = -(REAL)INFINITY;
    int count = 0;
    for (int j = 0; j < candidates; j++) {
      REAL x = (REAL)sign * ((const REAL *)candidate[j])[i];
      first = x > first ? x : first;
    }
    for (int j = 0; j < candidates; j++)
      count += near[j * size + i] = first - (REAL)sign * ((const REAL *)candidate[j])[i] <= (REAL)bound;
    for (int j = 0; j < candidates && count == 1; j++)
      near[j * size + i] = 0;
  }
}

static void NAME(gate_open)(int64_t size, const void *slope_, uint16_t bit, uint16_t *open)
{
  const REAL *slope = slope_;
  FOR_EACH(i, size)
    open[i] |= slope[i] != 0 ? bit : 0;
}

static void NAME(window_mean_pullback)(const facet_windows *w, facet_layout in, int64_t adjoints, const void *g_,
                                       void *gu_)
{
  int64_t k = in.block;
  facet_layout out = {in.channels, w->out_spatial, k};
  for (int64_t a = 0; a < adjoints; a++)
    FOR_BLOCKS(in, b, lanes)
    {
      const REAL *g = (const REAL *)g_ + a * facet_layout_size(out) + b * w->out_spatial * k;
      REAL *gu = (REAL *)gu_ + a * facet_layout_size(in) + b * w->in_spatial * k;
      for (int64_t s = 0; s < w->out_spatial; s++)
        for (int64_t t = w->begin[s]; t < w->begin[s + 1]; t++)
          for (int64_t c = 0; c < lanes; c++)
            gu[w->position[t] * k + c] += (REAL)(w->tap ? w->tap[t] * w->weight[s] : w->weight[s]) * g[s * k + c];
    }
}

/* Padding elements of the output have some winner and adjoint 0: they add nothing. */
static void NAME(window_max_pullback)(int64_t out_size, int64_t in_size, int64_t samples, int64_t rows,
                                      const int32_t *winner, const void *g_, void *gu_)
{
  const REAL *g = g_;
  REAL *gu = gu_;
  for (int64_t s = 0; s < samples; s++, winner += out_size)
    for (int64_t r = 0; r < rows; r++, g += out_size, gu += in_size)
      for (int64_t i = 0; i < out_size; i++)
        gu[winner[i]] += g[i];
}

static void NAME(channel_sums)(facet_layout layout, const void *g_, double *sum)
{
  int64_t k = layout.block;
  FOR_BLOCKS(layout, b, lanes)
  {
    const REAL *g = (const REAL *)g_ + b * layout.spatial * k;
    double *total = sum + b * k;
    if (k == 1) { /* plain: one channel's positions lie side by side */
      REAL part[8] = {0};
      int64_t s = 0;
      for (; s + 8 <= layout.spatial; s += 8)
        for (int i = 0; i < 8; i++)
          part[i] += g[s + i];
      double all = 0;
      for (; s < layout.spatial; s++)
        all += g[s];
      for (int i = 0; i < 8; i++)
        all += part[i];
      *total = all;
    } else if (k == 8) {
      REAL part[8] = {0};
      for (int64_t s = 0; s < layout.spatial; s++)
        for (int i = 0; i < 8; i++)
          part[i] += g[s * 8 + i];
      for (int64_t c = 0; c < lanes; c++)
        total[c] = part[c];
    } else if (k == 16) {
      REAL part[16] = {0};
      for (int64_t s = 0; s < layout.spatial; s++)
        for (int i = 0; i < 16; i++)
          part[i] += g[s * 16 + i];
      for (int64_t c = 0; c < lanes; c++)
        total[c] = part[c];
    } else {
      for (int64_t c = 0; c < lanes; c++)
        total[c] = 0;
      for (int64_t s = 0; s < layout.spatial; s++)
        for (int64_t c = 0; c < lanes; c++)
          total[c] += g[s * k + c];
    }
  }
}

static double NAME(dot)(int64_t count, const void *a_, const void *b_)
{
  const REAL *a = a_, *b = b_;
  double part[4] = {0};
  int64_t i = 0;
  for (; i + 4 <= count; i += 4)
    for (int j = 0; j < 4; j++)
      part[j] += (double)a[i + j] * (double)b[i + j];
  double sum = (part[0] + part[1]) + (part[2] + part[3]);
  for (; i < count; i++)
    sum += (double)a[i] * (double)b[i];
  return sum;
}

/* Batch norm works on groups of channels that lie side by side: 8 of a block, or one of a plain layout. Both loops
 * below keep one partial sum per lane; padding lanes count too, and nobody reads them. */

/* sums[0] += g, sums[1] += g * (u - m) * d over the positions of one sample; g NULL: u itself, and (u - m)^2. */
static inline void NAME(norm_sums)(int64_t positions, int64_t step, const REAL *u, const REAL *g, const REAL *m,
                                   const REAL *d, double (*sums)[NAME(WIDE)])
{
  NAME(wide) one = {0}, two = {0};
  const NAME(wide) mean = *(const NAME(wide) *)m, scale = *(const NAME(wide) *)d;
  if (g)
    for (int64_t p = 0; p < positions; p++) {
      NAME(wide) x = *(const NAME(wide) *)(u + p * step), with = *(const NAME(wide) *)(g + p * step);
      one += with;
      two += with * ((x - mean) * scale);
    }
  else
    for (int64_t p = 0; p < positions; p++) {
      NAME(wide) x = *(const NAME(wide) *)(u + p * step), y = (x - mean) * scale;
      one += x;
      two += y * y;
    }
  for (int c = 0; c < NAME(WIDE); c++) {
    sums[0][c] += (double)one[c];
    sums[1][c] += (double)two[c];
  }
}

/* The same for the first of the lanes alone. */
static inline void NAME(norm_sums_single)(int64_t positions, int64_t step, const REAL *u, const REAL *g, REAL m, REAL d,
                                          double (*sums)[NAME(WIDE)])
{
  REAL one = 0, two = 0;
  for (int64_t p = 0; p < positions; p++) {
    REAL x = u[p * step], y = (x - m) * d;
    one += g ? g[p * step] : x;
    two += g ? g[p * step] * y : y * y;
  }
  sums[0][0] += (double)one;
  sums[1][0] += (double)two;
}

/* One channel of a plain layout: partial sums along its positions instead. */
static inline void NAME(norm_sums_plain)(int64_t positions, const REAL *u, const REAL *g, REAL m, REAL d,
                                         double (*sums)[NAME(WIDE)])
{
  double more[2][NAME(WIDE)] = {{0}};
  REAL mean[NAME(WIDE)], scale[NAME(WIDE)];
  for (int c = 0; c < NAME(WIDE); c++) {
    mean[c] = m;
    scale[c] = d;
  }
  int64_t whole = positions / NAME(WIDE);
  NAME(norm_sums)(whole, NAME(WIDE), u, g, mean, scale, more);
  for (int c = 0; c < NAME(WIDE); c++)
    for (int i = 0; i < 2; i++)
      sums[i][0] += more[i][c];
  int64_t done = whole * NAME(WIDE);
  NAME(norm_sums_single)(positions - done, 1, u + done, g ? g + done : NULL, m, d, sums);
}

/* Channels first .. first + lanes - 1 lie side by side from element `at` on, `step` apart from position to position. */
typedef struct {
  int64_t first, at, step;
  int lanes, real; /* real: without padding */
} NAME(channel_group);

static inline NAME(channel_group) NAME(group)(facet_layout l, int64_t i)
{
  bool wide = l.block % NAME(WIDE) == 0;
  int64_t first = wide ? i * NAME(WIDE) : i;
  int64_t left = l.channels - first, lanes = wide ? NAME(WIDE) : 1;
  return (NAME(channel_group)){first, facet_layout_at(l, first, 0), l.block, (int)lanes,
                               (int)(left < lanes ? left : lanes)};
}

static inline int64_t NAME(groups)(facet_layout l)
{
  return l.block % NAME(WIDE) == 0 ? (l.channels + NAME(WIDE) - 1) / NAME(WIDE) : l.channels;
}

/* Sums of one group over all samples. */
static void NAME(group_sums)(facet_layout l, NAME(channel_group) group, int64_t samples, const REAL *u, const REAL *g,
                             const REAL *m, const REAL *d, double (*sums)[NAME(WIDE)])
{
  int64_t size = facet_layout_size(l);
  memset(sums, 0, 2 * sizeof *sums);
  for (int64_t s = 0; s < samples; s++) {
    const REAL *from = u + s * size + group.at, *with = g ? g + s * size + group.at : NULL;
    if (group.lanes == NAME(WIDE))
      NAME(norm_sums)(l.spatial, group.step, from, with, m, d, sums);
    else if (group.step == 1)
      NAME(norm_sums_plain)(l.spatial, from, with, m[0], d[0], sums);
    else
      NAME(norm_sums_single)(l.spatial, group.step, from, with, m[0], d[0], sums);
  }
}

static void NAME(norm_statistics)(facet_layout layout, int64_t samples, const void *u, double *mean, double *variance)
{
  double n = (double)(samples * layout.spatial), sums[2][NAME(WIDE)];
  for (int64_t i = 0; i < NAME(groups)(layout); i++) {
    NAME(channel_group) group = NAME(group)(layout, i);
    REAL m[NAME(WIDE)] = {0}, one[NAME(WIDE)] = {1, 1, 1, 1, 1, 1, 1, 1};
    NAME(group_sums)(layout, group, samples, u, NULL, m, one, sums);
    for (int c = 0; c < group.real; c++)
      m[c] = (REAL)(mean[group.first + c] = sums[0][c] / n);
    NAME(group_sums)(layout, group, samples, u, NULL, m, one, sums); /* squared distances from it */
    for (int c = 0; c < group.real; c++)
      variance[group.first + c] = sums[1][c] / n;
  }
}

/* out = a g + b (u - m) + c for the lanes of a group; g NULL: 0. */
static inline void NAME(norm_apply)(int64_t positions, int64_t step, const REAL *u, const REAL *g, const REAL *a_,
                                    const REAL *b_, const REAL *m_, const REAL *c_, REAL *out)
{
  const NAME(wide) a = *(const NAME(wide) *)a_, b = *(const NAME(wide) *)b_, m = *(const NAME(wide) *)m_,
                   c = *(const NAME(wide) *)c_;
  if (g)
    for (int64_t p = 0; p < positions; p++)
      *(NAME(wide) *)(out + p * step) =
          a * *(const NAME(wide) *)(g + p * step) + b * (*(const NAME(wide) *)(u + p * step) - m) + c;
  else
    for (int64_t p = 0; p < positions; p++)
      *(NAME(wide) *)(out + p * step) = b * (*(const NAME(wide) *)(u + p * step) - m) + c;
}

static inline void NAME(norm_apply_single)(int64_t positions, int64_t step, const REAL *u, const REAL *g, REAL a,
                                           REAL b, REAL m, REAL c, REAL *out)
{
  FOR_EACH(p, positions)
    out[p * step] = (g ? a * g[p * step] : 0) + b * (u[p * step] - m) + c;
}

static void NAME(group_apply)(facet_layout l, NAME(channel_group) group, int64_t samples, const REAL *u, const REAL *g,
                              const REAL *a, const REAL *b, const REAL *m, const REAL *c, REAL *out)
{
  int64_t size = facet_layout_size(l);
  for (int64_t s = 0; s < samples; s++) {
    const REAL *from = u + s * size + group.at, *with = g ? g + s * size + group.at : NULL;
    REAL *to = out + s * size + group.at;
    if (group.lanes == NAME(WIDE))
      NAME(norm_apply)(l.spatial, group.step, from, with, a, b, m, c, to);
    else
      NAME(norm_apply_single)(l.spatial, group.step, from, with, a[0], b[0], m[0], c[0], to);
  }
}

static void NAME(norm)(facet_layout layout, int64_t samples, const double *mean, const double *scale,
                       const double *shift, const void *u, void *out)
{
  for (int64_t i = 0; i < NAME(groups)(layout); i++) {
    NAME(channel_group) group = NAME(group)(layout, i);
    REAL none[NAME(WIDE)] = {0}, b[NAME(WIDE)] = {0}, m[NAME(WIDE)] = {0}, shifts[NAME(WIDE)] = {0};
    for (int c = 0; c < group.real; c++) {
      b[c] = (REAL)scale[group.first + c];
      m[c] = (REAL)mean[group.first + c];
      shifts[c] = (REAL)shift[group.first + c];
    }
    NAME(group_apply)(layout, group, samples, u, NULL, none, b, m, shifts, out);
  }
}

static void NAME(norm_pullback)(facet_layout layout, int64_t samples, const double *mean, const double *deviation,
                                const double *scale, const void *u, const void *g, void *gu, double *grad_scale,
                                double *grad_shift)
{
  double n = (double)(samples * layout.spatial), sums[2][NAME(WIDE)];
  for (int64_t i = 0; i < NAME(groups)(layout); i++) {
    NAME(channel_group) group = NAME(group)(layout, i);
    REAL m[NAME(WIDE)] = {0}, d[NAME(WIDE)] = {0}, a[NAME(WIDE)] = {0}, b[NAME(WIDE)] = {0}, shift[NAME(WIDE)] = {0};
    for (int c = 0; c < group.real; c++) {
      m[c] = (REAL)mean[group.first + c];
      d[c] = (REAL)(1 / deviation[group.first + c]);
    }
    NAME(group_sums)(layout, group, samples, u, g, m, d, sums);
    for (int c = 0; c < group.real; c++) {
      double f = scale[group.first + c] / deviation[group.first + c];
      grad_shift[group.first + c] = sums[0][c];
      grad_scale[group.first + c] = sums[1][c];
      a[c] = (REAL)f;
      b[c] = (REAL)(-f * sums[1][c] / n / deviation[group.first + c]);
      shift[c] = (REAL)(-f * sums[0][c] / n);
    }
    NAME(group_apply)(layout, group, samples, u, g, a, b, m, shift, gu);
  }
}

static void NAME(pack)(facet_layout layout, const void *plain_, void *packed_)
{
  const REAL *plain = plain_;
  REAL *packed = packed_;
  memset(packed, 0, (size_t)facet_layout_size(layout) * sizeof *packed);
  for (int64_t c = 0; c < layout.channels; c++)
    for (int64_t s = 0; s < layout.spatial; s++)
      packed[facet_layout_at(layout, c, s)] = plain[c * layout.spatial + s];
}

static void NAME(unpack)(facet_layout layout, const void *packed_, double *plain)
{
  const REAL *packed = packed_;
  for (int64_t c = 0; c < layout.channels; c++)
    for (int64_t s = 0; s < layout.spatial; s++)
      plain[c * layout.spatial + s] = packed[facet_layout_at(layout, c, s)];
}

static void NAME(matrices)(int64_t rows, int64_t inner, int64_t columns, const void *a_, bool a_turned, const void *b_,
                           bool b_turned, void *out_)
{
  const REAL *a = a_, *b = b_;
  REAL *out = out_;
  for (int64_t r = 0; r < rows; r++, out += columns)
    for (int64_t i = 0; i < inner; i++) {
      REAL factor = a[a_turned ? i * rows + r : r * inner + i];
      if (b_turned)
        for (int64_t c = 0; c < columns; c++)
          out[c] += factor * b[c * inner + i];
      else
        FOR_EACH(c, columns)
          out[c] += factor * b[i * columns + c];
    }
}

static const facet_elementwise NAME(table) = {
    .largest = NAME(largest),
    .gate = NAME(gate),
    .pieces = NAME(pieces),
    .select = NAME(select),
    .select_pullback = NAME(select_pullback),
    .select_dot = NAME(select_dot),
    .channels = NAME(channels),
    .diagonal = NAME(diagonal),
    .gate_pullback = NAME(gate_pullback),
    .gate_pullback_sum = NAME(gate_pullback_sum),
    .add = NAME(add),
    .gather = NAME(gather),
    .scatter = NAME(scatter),
    .window_mean = NAME(window_mean),
    .window_max = NAME(window_max),
    .select_near = NAME(select_near),
    .gate_open = NAME(gate_open),
    .window_mean_pullback = NAME(window_mean_pullback),
    .window_max_pullback = NAME(window_max_pullback),
    .channel_sums = NAME(channel_sums),
    .dot = NAME(dot),
    .matrices = NAME(matrices),
    .norm_statistics = NAME(norm_statistics),
    .norm = NAME(norm),
    .norm_pullback = NAME(norm_pullback),
    .pack = NAME(pack),
    .unpack = NAME(unpack),
};

#undef FOR_BLOCKS
