/* The body of block.c for LANES channels of a register; NAME(x) makes names unique.  No include guard: included for
 * each. */

typedef float NAME(lanes) __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef int32_t NAME(truth) __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

#define AT(pointer)      (*(NAME(lanes) *)(pointer))
#define READ(pointer)    (*(const NAME(lanes) *)(pointer))
#define PICK(is, a, b)   ((NAME(lanes))(((is) & (NAME(truth))(a)) | (~(is) & (NAME(truth))(b))))
#define WHERE(is, a)     ((NAME(lanes))((is) & (NAME(truth))(a)))
#define NORMED(z, ch, c) ((z - READ((ch)->mean + (c))) * READ((ch)->scale + (c)) + READ((ch)->shift + (c)))

/* ---- convolutions ---- */

/* rows x columns positions of LANES channels; from: the first one's first source. */
ALWAYS void NAME(tile)(const side *e, const float *from, const float *w, int step, int rows, int columns, float *to,
                       int64_t to_line, int64_t to_step)
{
  NAME(lanes) sum[TILE] = {{0}};
  for (int64_t b = 0; b < e->blocks; b++)
    for (int i = 0; i < TAPS; i++) {
      const float *at = from + b * e->plane + i / 3 * e->line + i % 3 * step;
#pragma GCC unroll 2
      for (int k = 0; k < step; k++, at++, w += LANES) {
        NAME(lanes) weight = READ(w);
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
          for (int p = 0; p < columns; p++)
            sum[r * columns + p] += at[r * e->line + p * step] * weight;
      }
    }
#pragma GCC unroll 2
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
    for (int p = 0; p < columns; p++)
      AT(to + r * to_line + p * to_step) = sum[r * columns + p];
}

/* All positions; where tiles do not fit, the last ones lie over those before. */
ALWAYS void NAME(cover)(const conv *c, const float *frame, const float *w, int step, int rows, int columns, float *to)
{
  const side *e = c->from;
  int64_t to_step = c->to->step, to_line = e->width * to_step;
  for (int64_t y0 = 0; y0 < e->height; y0 += rows)
    for (int64_t x0 = 0; x0 < e->width; x0 += columns) {
      int64_t y = y0 < e->height - rows ? y0 : e->height - rows, x = x0 < e->width - columns ? x0 : e->width - columns;
      NAME(tile)
      (e, frame + y * e->line + x * step, w, step, rows, columns, to + y * to_line + x * to_step, to_line, to_step);
    }
}

ALWAYS void NAME(cover_in)(const conv *c, const float *frame, const float *w, int step, float *to)
{
  switch (columns_of(c->from->width)) { /* constants make the sums registers */
#if TILE == 16
  case 16:
    NAME(cover)(c, frame, w, step, 1, 16, to);
    break;
  case 14:
    NAME(cover)(c, frame, w, step, 1, 14, to);
    break;
#endif
  case 8:
    NAME(cover)(c, frame, w, step, TILE / 8, 8, to);
    break;
  case 7:
    NAME(cover)(c, frame, w, step, TILE / 8, 7, to);
    break;
  case 4:
    NAME(cover)(c, frame, w, step, 2, 4, to);
    break;
  default:
    NAME(cover)(c, frame, w, step, 2, 2, to);
  }
}

/* One sample, out of its frame. */
static void NAME(convolve)(const conv *c, const float *frame, float *to)
{
  int64_t size = c->from->blocks * TAPS * c->from->step * LANES;
  for (int64_t n = 0; n < c->to->blocks * c->to->step; n += LANES) {
    const float *w = c->weights + n / LANES * size;
    float *first = to + channel_place(c->to->layout, n);
    if (c->from->step == 1)
      NAME(cover_in)(c, frame, w, 1, first);
    else if (c->from->step == 8)
      NAME(cover_in)(c, frame, w, 8, first);
    else
      NAME(cover_in)(c, frame, w, WIDEST, first);
  }
}

/* Adds the products of `depth` channels of u, from channel `first` of a block on, in a row of taps. */
ALWAYS void NAME(meet)(const side *in, const side *out, const float *u, const float *g, int step, int depth, float *to)
{
  NAME(lanes) sum[3 * DEPTH] = {{0}};
  for (int64_t y = 0; y < in->height; y++)
    for (int64_t x = 0; x < in->width; x++) {
      const float *at = u + y * in->line + x * step;
      NAME(lanes) with = READ(g + y * out->line + x * out->step);
#pragma GCC unroll 3
      for (int j = 0; j < 3; j++)
#pragma GCC unroll 8
        for (int k = 0; k < depth; k++)
          sum[j * depth + k] += at[j * step + k] * with;
    }
#pragma GCC unroll 3
  for (int j = 0; j < 3; j++)
#pragma GCC unroll 8
    for (int k = 0; k < depth; k++)
      AT(to + (j * step + k) * LANES) += sum[j * depth + k];
}

/* Adds one sample's gradient of the weights, in their order, from the frames of u and of z's adjoint. */
static void NAME(gradient)(const side *in, const side *out, const float *u, const float *gz, float *to)
{
  for (int64_t n = 0; n < out->blocks * out->step; n += LANES) {
    const float *g = gz + n / out->step * out->plane + n % out->step + out->line + out->step;
    for (int64_t b = 0; b < in->blocks; b++)
      for (int i = 0; i < 3; i++, to += 3 * in->step * LANES) {
        const float *at = u + b * in->plane + i * in->line;
        for (int k = 0; k < in->step; k += DEPTH)
          if (in->step == 1)
            NAME(meet)(in, out, at, g, 1, 1, to);
          else if (in->step == 8)
            NAME(meet)(in, out, at + k, g, 8, DEPTH, to + k * LANES);
          else
            NAME(meet)(in, out, at + k, g, WIDEST, DEPTH, to + k * LANES);
      }
  }
}

/* ---- batch norm, gate, maximum ---- */

/* The statistics of one sample. */
static void NAME(measure)(const facet_block *b, int64_t sample)
{
  const side *out = &b->out;
  int64_t positions = out->layout.spatial, step = out->step;
  double *const found[] = {statistics_of(b, sample, SUM), statistics_of(b, sample, NEAR),
                           statistics_of(b, sample, DISTANCES)};
  for (int64_t c = 0; c < b->channels; c += LANES) {
    const float *z = b->z + sample * facet_layout_size(out->layout) + channel_place(out->layout, c);
    NAME(lanes) sum[PARTIAL] = {{0}}, far[PARTIAL] = {{0}}, near;
    for (int64_t p = 0; p < positions; p++)
      sum[p % PARTIAL] += READ(z + p * step);
    sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    near = sum[0] / (float)positions;
    for (int64_t p = 0; p < positions; p++) {
      NAME(lanes) distance = READ(z + p * step) - near;
      far[p % PARTIAL] += distance * distance;
    }
    far[0] = (far[0] + far[1]) + (far[2] + far[3]);
    for (int i = 0; i < LANES; i++) {
      found[SUM][c + i] = (double)sum[0][i];
      found[NEAR][c + i] = (double)near[i];
      found[DISTANCES][c + i] = (double)far[0][i];
    }
  }
}

/* What four z's around a maximum become: their normed values' largest, and where each one is it. */
ALWAYS NAME(lanes) NAME(largest)(const NAME(lanes) * z, const channels *ch, int64_t c, NAME(truth) * wins)
{
  NAME(lanes) top = NORMED(z[0], ch, c);
#pragma GCC unroll 3
  for (int i = 1; i < 4; i++) {
    NAME(lanes) y = NORMED(z[i], ch, c);
    wins[i] = y > top;
    top = PICK(wins[i], y, top);
  }
  wins[2] &= ~wins[3];
  wins[1] &= ~(wins[2] | wins[3]);
  wins[0] = ~(wins[1] | wins[2] | wins[3]);
  return top;
}

ALWAYS void NAME(four)(const float *z, int64_t line, int64_t step, NAME(lanes) * values)
{
  values[0] = READ(z);
  values[1] = READ(z + step);
  values[2] = READ(z + line);
  values[3] = READ(z + line + step);
}

/* From z of one sample to the block's result. */
static void NAME(finish)(const facet_block *b, const channels *ch, const float *z_, float *result_)
{
  const side *e = &b->out;
  int64_t step = e->step, line = e->width * step;
  facet_layout to = result_layout(b);
  for (int64_t c = 0; c < b->channels; c += LANES) {
    const float *z = z_ + channel_place(e->layout, c);
    float *result = result_ + channel_place(to, c);
    for (int64_t y = 0; b->shape.pooled && y < e->height; y += 2)
      for (int64_t x = 0; x < e->width; x += 2, result += step) {
        NAME(lanes) four[4], top;
        NAME(truth) wins[4];
        NAME(four)(z + y * line + x * step, line, step, four);
        top = NAME(largest)(four, ch, c, wins);
        AT(result) = WHERE(top > 0, top);
      }
    for (int64_t p = 0; !b->shape.pooled && p < to.spatial; p++) {
      NAME(lanes) y = NORMED(READ(z + p * step), ch, c);
      AT(result + p * step) = WHERE(y > 0, y);
    }
  }
}

/* The sums of one sample that the norm's adjoint needs. */
static void NAME(measure_back)(const facet_block *b, const channels *ch, int64_t sample, const float *g_)
{
  const side *e = &b->out;
  int64_t step = e->step, line = e->width * step, columns = e->width / 2;
  facet_layout from = result_layout(b);
  double *adjoints = statistics_of(b, sample, OF_ADJOINT), *products = statistics_of(b, sample, OF_PRODUCTS);
  for (int64_t c = 0; c < b->channels; c += LANES) {
    const float *z = b->z + sample * facet_layout_size(e->layout) + channel_place(e->layout, c);
    const float *g = g_ + channel_place(from, c);
    NAME(lanes) mean = READ(ch->mean + c), one[PARTIAL] = {{0}}, two[PARTIAL] = {{0}};
    for (int64_t p = 0; p < from.spatial; p++) {
      NAME(lanes) with = READ(g + p * step), at, top;
      if (b->shape.pooled) {
        NAME(lanes) four[4];
        NAME(truth) wins[4];
        NAME(four)(z + p / columns * 2 * line + p % columns * 2 * step, line, step, four);
        top = NAME(largest)(four, ch, c, wins);
        at = PICK(wins[3], four[3], PICK(wins[2], four[2], PICK(wins[1], four[1], four[0])));
      } else {
        at = READ(z + p * step);
        top = NORMED(at, ch, c);
      }
      with = WHERE(top > 0, with);
      one[p % PARTIAL] += with;
      two[p % PARTIAL] += with * (at - mean);
    }
    one[0] = (one[0] + one[1]) + (one[2] + one[3]);
    two[0] = (two[0] + two[1]) + (two[2] + two[3]);
    for (int i = 0; i < LANES; i++) {
      adjoints[c + i] = (double)one[0][i];
      products[c + i] = (double)two[0][i];
    }
  }
}

/* The adjoint of one z: g of its y, where that is what got through. */
ALWAYS NAME(lanes) NAME(back)(NAME(lanes) z, NAME(lanes) g, const channels *ch, int64_t c)
{
  return READ(ch->slope + c) * (z - READ(ch->mean + c)) + (READ(ch->factor + c) * g + READ(ch->constant + c));
}

/* z's adjoint of one sample, into its frame. */
static void NAME(begin_back)(const facet_block *b, const channels *ch, const float *z_, const float *g_, float *frame)
{
  const side *e = &b->out;
  int64_t step = e->step, line = e->width * step;
  facet_layout from = result_layout(b);
  for (int64_t c = 0; c < b->channels; c += LANES) {
    const float *z = z_ + channel_place(e->layout, c), *g = g_ + channel_place(from, c);
    float *to = frame + c / step * e->plane + c % step + e->line + step;
    for (int64_t y = 0; b->shape.pooled && y < e->height; y += 2)
      for (int64_t x = 0; x < e->width; x += 2, g += step) {
        float *place = to + y * e->line + x * step;
        NAME(lanes) four[4], with = READ(g), top;
        NAME(truth) wins[4];
        NAME(four)(z + y * line + x * step, line, step, four);
        top = NAME(largest)(four, ch, c, wins);
        with = WHERE(top > 0, with);
        AT(place) = NAME(back)(four[0], WHERE(wins[0], with), ch, c);
        AT(place + step) = NAME(back)(four[1], WHERE(wins[1], with), ch, c);
        AT(place + e->line) = NAME(back)(four[2], WHERE(wins[2], with), ch, c);
        AT(place + e->line + step) = NAME(back)(four[3], WHERE(wins[3], with), ch, c);
      }
    for (int64_t y = 0; !b->shape.pooled && y < e->height; y++)
      for (int64_t x = 0; x < e->width; x++) {
        NAME(lanes) at = READ(z + y * line + x * step), with = READ(g + y * line + x * step);
        AT(to + y * e->line + x * step) = NAME(back)(at, WHERE(NORMED(at, ch, c) > 0, with), ch, c);
      }
  }
}

#undef AT
#undef READ
#undef PICK
#undef WHERE
#undef NORMED
