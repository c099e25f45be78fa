/* The body of lane_conv.c for one REAL; WHOLE is as long; NAME(x) makes names unique.  No include guard: included
 * twice. */

enum {
  NAME(LANES) = FACET_LANES_BYTES / sizeof(REAL),
  NAME(WIDE) = FACET_REGISTER / sizeof(REAL) /* lanes of a register */
};

typedef REAL NAME(wide) __attribute__((vector_size(FACET_REGISTER), aligned(sizeof(REAL))));
typedef WHOLE NAME(bits) __attribute__((vector_size(FACET_REGISTER), aligned(sizeof(REAL))));

static inline NAME(wide) NAME(all)(REAL x)
{
  return x - (NAME(wide)){0};
}

/* a where the mask says so, else b. */
static inline NAME(wide) NAME(choose)(NAME(bits) mask, NAME(wide) a, NAME(wide) b)
{
  return (NAME(wide))((mask & (NAME(bits))a) | (~mask & (NAME(bits))b));
}

/* ---- what meets a result ---- */

/* A fusion, made ready: which bits of each register belong to which sample. */
typedef struct {
  const REAL *addend, *after;
  REAL *sums;
  bool gated;
  REAL alpha;
  int samples;
  int64_t block;
  const REAL *slope[FACET_MOST_LANES];
  NAME(bits) mask[FACET_MOST_LANES][PARTS];
} NAME(target);

static void NAME(aim)(const facet_lanes_fusion *with, NAME(target) * t)
{
  *t = (NAME(target)){.samples = 0};
  if (!with)
    return;
  t->addend = with->addend;
  t->after = with->after;
  t->sums = with->sums;
  t->gated = with->gated;
  t->alpha = (REAL)with->alpha;
  t->samples = with->samples;
  t->block = with->layout.block;
  for (int q = 0; q < t->samples; q++) {
    t->slope[q] = with->slope[q];
    for (int i = with->first[q]; i < with->first[q + 1]; i++)
      t->mask[q][i / NAME(WIDE)][i % NAME(WIDE)] = -1;
  }
}

/* The slopes of all lanes; at: where the position's is, of every sample. */
static inline NAME(wide) NAME(slopes)(const NAME(target) * t, int64_t at, int part)
{
  NAME(bits) slope = t->mask[0][part] & (NAME(bits))NAME(all)(t->slope[0][at]);
  for (int q = 1; q < t->samples; q++)
    slope |= t->mask[q][part] & (NAME(bits))NAME(all)(t->slope[q][at]);
  return (NAME(wide))slope;
}

/* Where some results of a row go: numbers from the value's begin, and from the slopes' of one sample. */
typedef struct {
  int64_t to, slope;
} NAME(where);

/* `count` of `run` sums, which become what is stored; what that adds up to. */
static inline __attribute__((always_inline)) NAME(wide)
    NAME(meet)(const NAME(target) * t, NAME(wide) * sum, int run, int count, NAME(where) at, int64_t step, int part,
               REAL *result)
{
  NAME(wide) total = {0};
  step *= NAME(LANES);
#define EACH(...)                                                                                                      \
  _Pragma("GCC unroll 8") for (int i = 0; i < run; i++)                                                                \
  {                                                                                                                    \
    if (i >= count)                                                                                                    \
      break;                                                                                                           \
    __VA_ARGS__;                                                                                                       \
  }
  if (t->addend)
    EACH(sum[i] += *(const NAME(wide) *)(t->addend + at.to + i * step))
  if (t->gated)
    EACH(sum[i] = NAME(choose)((NAME(bits))(sum[i] > 0), sum[i], t->alpha * sum[i]))
  if (t->samples > 0)
    EACH(sum[i] *= NAME(slopes)(t, at.slope + i * step / NAME(LANES) * t->block, part))
  if (t->after)
    EACH(sum[i] += *(const NAME(wide) *)(t->after + at.to + i * step))
  EACH(*(NAME(wide) *)(result + at.to + i * step) = sum[i]; total += sum[i])
#undef EACH
  return total;
}

/* Mostly all of them are stored, which need not be asked of each. */
static inline __attribute__((always_inline)) NAME(wide)
    NAME(finish)(const NAME(target) * t, NAME(wide) * sum, int run, int count, NAME(where) at, int64_t step, int part,
                 REAL *result)
{
  return count == run ? NAME(meet)(t, sum, run, run, at, step, part, result)
                      : NAME(meet)(t, sum, run, count, at, step, part, result);
}

/* ---- sums ---- */

/* The terms of a channel. */
typedef struct {
  int64_t count;
  const int32_t *offset;
  const REAL *weight;
  REAL bias;
  REAL *total; /* of the channel, or NULL */
} NAME(terms);

static inline void NAME(add_total)(const NAME(terms) * t, int part, NAME(wide) total)
{
  if (t->total)
    *(NAME(wide) *)(t->total + part * NAME(WIDE)) += total;
}

/* Of `rows` rows of `run` positions each, whose sources are `step` vectors apart; the rows' are `down` numbers apart.
 */
static inline __attribute__((always_inline)) void NAME(add)(const NAME(terms) * t, const REAL *source, int rows,
                                                            int run, int step, int64_t down, NAME(wide) * sum)
{
#pragma GCC unroll 16
  for (int i = 0; i < rows * run; i++)
    sum[i] = NAME(all)(t->bias);
  for (int64_t k = 0; k < t->count; k++) {
    const REAL *from = source + t->offset[k], *below = from + down;
    NAME(wide) w = NAME(all)(t->weight[k]);
#pragma GCC unroll 8
    for (int i = 0; i < run; i++)
      sum[i] += w * *(const NAME(wide) *)(from + i * step * NAME(LANES));
    if (rows > 1)
#pragma GCC unroll 8
      for (int i = 0; i < run; i++)
        sum[run + i] += w * *(const NAME(wide) *)(below + i * step * NAME(LANES));
  }
}

/* Part of a phase: rows of positions, of which `count` each are stored. */
typedef struct {
  const facet_lanes *lanes;
  const NAME(target) * target;
  const REAL *source; /* of the first position */
  REAL *result;
  int count, part;
  int64_t down, result_down, slope_down; /* from row to row: numbers */
} NAME(tile);

static inline __attribute__((always_inline)) void NAME(make_run)(const NAME(tile) * t, const NAME(terms) * terms,
                                                                 NAME(where) at, int rows, int run, int step)
{
  NAME(wide) sum[2 * RUN], total = {0};
  NAME(add)(terms, t->source, rows, run, step, t->down, sum);
  for (int r = 0; r < rows; r++) {
    NAME(where) here = {at.to + r * t->result_down, at.slope + r * t->slope_down};
    total += NAME(finish)(t->target, sum + r * run, run, t->count, here, t->lanes->step[1], t->part, t->result);
  }
  NAME(add_total)(terms, t->part, total);
}

/* One position: chains, so that one sum need not wait for the last. */
static inline void NAME(make_single)(const NAME(tile) * t, const NAME(terms) * terms, NAME(where) at)
{
  NAME(wide) sum[CHAINS] = {NAME(all)(terms->bias)};
  int64_t k = 0;
  for (; k + CHAINS <= terms->count; k += CHAINS)
#pragma GCC unroll 4
    for (int i = 0; i < CHAINS; i++)
      sum[i] += terms->weight[k + i] * *(const NAME(wide) *)(t->source + terms->offset[k + i]);
  for (; k < terms->count; k++)
    sum[0] += terms->weight[k] * *(const NAME(wide) *)(t->source + terms->offset[k]);
  sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  NAME(add_total)(terms, t->part, NAME(finish)(t->target, sum, 1, 1, at, 1, t->part, t->result));
}

/* All channels of a tile. */
static inline __attribute__((always_inline)) void NAME(make_channels)(const NAME(tile) * t, int number, NAME(where) at,
                                                                      int rows, int run, int step, facet_layout slopes)
{
  const facet_lanes *s = t->lanes;
  const facet_left *left = &s->left;
  const REAL *weight = left->weight, *bias = s->bias;
  for (int64_t c = 0; c < s->result.channels; c++) {
    int64_t first = left->first[c * left->parts + number], end = left->first[c * left->parts + number + 1];
    NAME(terms) terms = {end - first, left->offset + first, weight + first, bias[c], NULL};
    if (t->target->sums)
      terms.total = t->target->sums + c * NAME(LANES);
    NAME(where)
    here = {at.to + c * s->result.plane * NAME(LANES),
            at.slope + (t->target->samples ? facet_layout_at(slopes, c, 0) : 0)};
    if (run == 1)
      NAME(make_single)(t, &terms, here);
    else
      NAME(make_run)(t, &terms, here, rows, run, step);
  }
}

/* Functions of their own: within one another they need more registers than there are. */
#define OF_RUN(rows, run, step)                                                                                        \
  static __attribute__((noinline)) void NAME(make_##rows##_##run##_##step)(const NAME(tile) * t, int number,           \
                                                                           NAME(where) at, facet_layout slopes)        \
  {                                                                                                                    \
    NAME(make_channels)(t, number, at, rows, run, step, slopes);                                                       \
  }

OF_RUN(1, 1, 1)
OF_RUN(1, 2, 1)
OF_RUN(1, 4, 1)
OF_RUN(1, 8, 1)
OF_RUN(1, 2, 2)
OF_RUN(1, 4, 2)
OF_RUN(1, 8, 2)
#if defined __AVX512F__
OF_RUN(2, 2, 1)
OF_RUN(2, 4, 1)
OF_RUN(2, 8, 1)
OF_RUN(2, 2, 2)
OF_RUN(2, 4, 2)
OF_RUN(2, 8, 2)
#endif
#undef OF_RUN

/* Of so many rows and positions, and steps: those that are computed together, which may be more. */
static inline void NAME(make_tile)(const NAME(tile) * t, int number, NAME(where) at, int64_t rows, facet_layout slopes)
{
  typedef void make(const NAME(tile) * t, int number, NAME(where) at, facet_layout slopes);
  static make *const one[WIDEST_STEP][3] = {{NAME(make_1_2_1), NAME(make_1_4_1), NAME(make_1_8_1)},
                                            {NAME(make_1_2_2), NAME(make_1_4_2), NAME(make_1_8_2)}};
#if defined __AVX512F__
  static make *const two[WIDEST_STEP][3] = {{NAME(make_2_2_1), NAME(make_2_4_1), NAME(make_2_8_1)},
                                            {NAME(make_2_2_2), NAME(make_2_4_2), NAME(make_2_8_2)}};
#else
  make *const(*two)[3] = one; /* ROWS is 1 */
#endif
  if (t->count == 1) {
    NAME(make_1_1_1)(t, number, at, slopes);
    return;
  }
  int run = t->count > 4 ? 2 : t->count > 2 ? 1 : 0;
  (rows > 1 ? two : one)[t->lanes->from_step[1] == WIDEST_STEP][run](t, number, at, slopes);
}

/* A tile of `rows` rows; y, x: its first result. */
static void NAME(run_tile)(NAME(tile) t, int number, int64_t y, int64_t x, int64_t rows, facet_layout slopes)
{
  const facet_lanes_layout *to = &t.lanes->result;
  const REAL *source = t.source;
  for (t.part = 0; t.part < PARTS; t.part++) {
    int64_t lane = t.part * NAME(WIDE);
    NAME(where)
    at = {(to->before + y * to->pitch + x) * NAME(LANES) + lane, (y * to->width + x) * t.target->block};
    t.source = source + lane;
    NAME(make_tile)(&t, number, at, rows, slopes);
  }
}

/* `rows` rows of a phase from row i on. */
static void NAME(run_rows)(const facet_lanes *s, int number, int64_t i, int64_t rows, const REAL *source,
                           const NAME(target) * target, facet_layout slopes, REAL *result)
{
  const phase *p = &s->phase[number];
  int64_t most = s->from_step[1] > WIDEST_STEP ? 1 : RUN;
  for (int64_t j = 0; j < p->columns; j += most) {
    int64_t y = p->y + i * s->step[0], x = p->x + j * s->step[1], left = p->columns - j;
    NAME(tile)
    t = {.lanes = s,
         .target = target,
         .source = source + (i * s->from_step[0] * s->source.pitch + j * s->from_step[1]) * NAME(LANES),
         .result = result,
         .count = left < most ? (int)left : (int)most,
         .down = s->from_step[0] * s->source.pitch * NAME(LANES),
         .result_down = s->step[0] * s->result.pitch * NAME(LANES),
         .slope_down = s->step[0] * s->result.width * target->block};
    if (t.count > 1) {
      NAME(run_tile)(t, number, y, x, rows, slopes);
      continue;
    }
    for (int64_t r = 0; r < rows; r++, t.source += t.down) /* tiles of one position have one row */
      NAME(run_tile)(t, number, y + r * s->step[0], x, 1, slopes);
  }
}

static void NAME(run)(const facet_lanes *s, const void *source, const facet_lanes_fusion *with, void *result)
{
  NAME(target) t;
  NAME(aim)(with, &t);
  facet_layout slopes = with ? with->layout : (facet_layout){0};
  for (int p = 0; p < s->left.parts; p++) {
    int64_t rows = s->phase[p].rows, tiles = (rows + ROWS - 1) / ROWS;
    for (int64_t k = 0; k < tiles; k++) {
      int64_t i = (with && with->backwards ? tiles - 1 - k : k) * ROWS, left = rows - i;
      NAME(run_rows)(s, p, i, left < ROWS ? left : ROWS, source, &t, slopes, result);
    }
  }
}

/* ---- gradients of weights ---- */

/* Of `terms` weights of a channel, whose adjoint begins at gz. */
static inline __attribute__((always_inline)) void
NAME(add_gradients)(const facet_lanes *s, const int32_t *offset, int terms, const REAL *u, const REAL *gz, double *gw)
{
  int64_t across = s->from_step[1] * NAME(LANES), down = s->from_step[0] * s->source.pitch * NAME(LANES);
  for (int t = 0; t < terms; t++)
    gw[t] = 0;
  for (int part = 0; part < PARTS; part++) {
    NAME(wide) sum[RUN] = {{0}};
    for (int64_t y = 0; y < s->result.height; y++) {
      const REAL *g = gz + y * s->result.pitch * NAME(LANES) + part * NAME(WIDE);
      const REAL *from = u + y * down + part * NAME(WIDE);
      for (int64_t x = 0; x < s->result.width; x++, g += NAME(LANES), from += across)
#pragma GCC unroll 8
        for (int t = 0; t < terms; t++)
          sum[t] += *(const NAME(wide) *)g * *(const NAME(wide) *)(from + offset[t]);
    }
    for (int t = 0; t < terms; t++)
      for (int i = 0; i < NAME(WIDE); i++)
        gw[t] += (double)sum[t][i];
  }
}

static void NAME(gradient)(const facet_lanes *s, const void *u, const void *gz, double *gw)
{
  const facet_left *left = &s->left;
  for (int64_t c = 0; c < s->result.channels; c++) {
    const REAL *own = (const REAL *)gz + (s->result.before + c * s->result.plane) * NAME(LANES);
    int64_t t = left->first[c], end = left->first[c + 1];
    for (; t + RUN <= end; t += RUN)
      NAME(add_gradients)(s, left->offset + t, RUN, u, own, gw + t);
    if (t + RUN / 2 <= end) {
      NAME(add_gradients)(s, left->offset + t, RUN / 2, u, own, gw + t);
      t += RUN / 2;
    }
    for (; t < end; t++)
      NAME(add_gradients)(s, left->offset + t, 1, u, own, gw + t);
  }
}

/* ---- element by element ---- */

static void NAME(map)(const facet_lanes_layout *l, const void *scale_, const void *shift_, const void *g_,
                      const facet_lanes_fusion *with, void *to)
{
  const REAL *scale = scale_, *shift = shift_, *g = g_;
  NAME(target) t;
  NAME(aim)(with, &t);
  for (int64_t c = 0; c < l->channels; c++) {
    int64_t slope = t.samples ? facet_layout_at(with->layout, c, 0) : 0;
    REAL factor = scale ? scale[c] : 1, constant = shift ? shift[c] : 0;
    for (int64_t y = 0; y < l->height; y++)
      for (int64_t x = 0; x < l->width; x++)
        for (int part = 0; part < PARTS; part++) {
          NAME(where)
          at = {(l->before + c * l->plane + y * l->pitch + x) * NAME(LANES) + part * NAME(WIDE),
                slope + (y * l->width + x) * t.block};
          NAME(wide) r = factor * *(const NAME(wide) *)(g + at.to) + constant;
          (void)NAME(finish)(&t, &r, 1, 1, at, 1, part, to);
        }
  }
}

static void NAME(move)(const facet_lanes_moves *m, const void *g_, void *to_)
{
  for (int64_t c = 0; c < m->channels; c++) {
    const REAL *g = (const REAL *)g_ + c * m->source_step * NAME(LANES);
    REAL *to = (REAL *)to_ + c * m->target_step * NAME(LANES);
    for (int64_t i = 0; i < m->count; i++) {
      REAL factor = m->factor ? (REAL)m->factor[i] : 1;
      for (int part = 0; part < PARTS; part++)
        *(NAME(wide) *)(to + m->target[i] * NAME(LANES) + part * NAME(WIDE)) +=
            factor * *(const NAME(wide) *)(g + m->source[i] * NAME(LANES) + part * NAME(WIDE));
    }
  }
}

static void NAME(win)(const facet_lanes_layout *l, const facet_lanes_fusion *with, const int32_t *const *winner,
                      const int32_t *place, const void *g_, void *to_)
{
  const REAL *g = g_;
  REAL *to = to_;
  int64_t spatial = l->height * l->width;
  for (int64_t c = 0; c < l->channels; c++)
    for (int64_t p = 0; p < spatial; p++) {
      const REAL *from = g + facet_lanes_place(l, c, p) * NAME(LANES);
      int64_t at = facet_layout_at(with->layout, c, p);
      for (int q = 0; q < with->samples; q++) {
        REAL *won = to + (int64_t)place[winner[q][at]] * NAME(LANES);
        for (int i = with->first[q]; i < with->first[q + 1]; i++)
          won[i] += from[i];
      }
    }
}

static void NAME(window)(const facet_lanes_layout *in, const facet_lanes_layout *out, const facet_lanes_windows *w,
                         const void *u_, void *to_)
{
  REAL sign = (REAL)w->sign;
  for (int64_t c = 0; c < out->channels; c++)
    for (int64_t s = 0; s < out->height * out->width; s++)
      for (int lane = 0; lane < NAME(LANES); lane += NAME(WIDE)) {
        const REAL *u = (const REAL *)u_ + (in->before + c * in->plane) * NAME(LANES) + lane;
        NAME(wide) r = {0};
        if (!w->weight && w->begin[s] < w->begin[s + 1])
          r = *(const NAME(wide) *)(u + (int64_t)w->place[w->begin[s]] * NAME(LANES));
        for (int64_t t = w->begin[s]; t < w->begin[s + 1]; t++) {
          NAME(wide) one = *(const NAME(wide) *)(u + (int64_t)w->place[t] * NAME(LANES));
          if (w->weight)
            r += w->tap ? (REAL)w->tap[t] * one : one;
          else
            r = NAME(choose)((NAME(bits))(sign * one > sign * r), one, r);
        }
        *(NAME(wide) *)((REAL *)to_ + facet_lanes_place(out, c, s) * NAME(LANES) + lane) =
            w->weight ? (REAL)w->weight[s] * r : r;
      }
}

static void NAME(sums)(const facet_lanes_layout *l, const void *g_, double *sums)
{
  const REAL *g = g_;
  for (int64_t c = 0; c < l->channels; c++)
    for (int part = 0; part < PARTS; part++) {
      NAME(wide) sum[4] = {{0}};
      for (int64_t y = 0; y < l->height; y++) {
        const REAL *row = g + (l->before + c * l->plane + y * l->pitch) * NAME(LANES) + part * NAME(WIDE);
        int64_t x = 0;
        for (; x + 4 <= l->width; x += 4)
#pragma GCC unroll 4
          for (int i = 0; i < 4; i++)
            sum[i] += *(const NAME(wide) *)(row + (x + i) * NAME(LANES));
        for (; x < l->width; x++)
          sum[0] += *(const NAME(wide) *)(row + x * NAME(LANES));
      }
      sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
      for (int i = 0; i < NAME(WIDE); i++)
        sums[c * NAME(LANES) + part * NAME(WIDE) + i] = (double)sum[0][i];
    }
}

static void NAME(dot)(const facet_lanes_layout *l, const void *g_, const facet_lanes_fusion *with, double *sums)
{
  const REAL *g = g_;
  for (int i = 0; i < NAME(LANES); i++)
    sums[i] = 0;
  for (int64_t c = 0; c < l->channels; c++)
    for (int64_t p = 0; p < l->height * l->width; p++) {
      const REAL *own = g + facet_lanes_place(l, c, p) * NAME(LANES);
      int64_t at = facet_layout_at(with->layout, c, p);
      for (int q = 0; q < with->samples; q++) {
        double factor = (double)((const REAL *)with->slope[q])[at];
        for (int i = with->first[q]; i < with->first[q + 1]; i++)
          sums[i] += factor * (double)own[i];
      }
    }
}

/* ---- to lanes, and from them ---- */

static void NAME(pack)(const facet_lanes_layout *l, facet_layout layout, int count, const void *const *from,
                       void *lanes)
{
  for (int64_t c = 0; c < l->channels; c++)
    for (int64_t p = 0; p < l->height * l->width; p++) {
      REAL *to = (REAL *)lanes + facet_lanes_place(l, c, p) * NAME(LANES);
      int64_t at = facet_layout_at(layout, c, p);
      for (int i = 0; i < NAME(LANES); i++)
        to[i] = i < count ? ((const REAL *)from[i])[at] : 0;
    }
}

static void NAME(unpack)(const facet_lanes_layout *l, facet_layout layout, int count, const void *lanes,
                         void *const *to)
{
  int64_t padded = (layout.channels + layout.block - 1) / layout.block * layout.block;
  for (int64_t c = 0; c < padded; c++)
    for (int64_t p = 0; p < l->height * l->width; p++) {
      const REAL *from = (const REAL *)lanes + (c < l->channels ? facet_lanes_place(l, c, p) : 0) * NAME(LANES);
      int64_t at = facet_layout_at(layout, c, p);
      for (int i = 0; i < count; i++)
        ((REAL *)to[i])[at] = c < l->channels ? from[i] : 0;
    }
}
