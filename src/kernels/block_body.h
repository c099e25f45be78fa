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

/* One weight meets the sources of all sums of a tile. */
ALWAYS void NAME(add)(const float *at, int64_t line, int apart, NAME(lanes) weight, int rows, int columns,
                      NAME(lanes) * sum)
{
#pragma GCC unroll 2
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
    for (int p = 0; p < columns; p++)
      sum[r * columns + p] += at[r * line + p * apart] * weight;
}

/* rows x columns registers of sums; from: the first one's first source. */
ALWAYS void NAME(tile)(const side *e, const float *from, kept list, int step, bool paired, int rows, int columns,
                       float *to, int64_t to_line, int64_t to_step)
{
  NAME(lanes) sum[TILE] = {{0}};
  const int reach = paired ? 4 : 3, apart = paired ? 2 * step : step;
  const float *w = list.weights;
  if (list.offset)
#pragma GCC unroll 2
    for (int64_t n = 0; n < list.count; n++, w += LANES)
      NAME(add)(from + list.offset[n], e->line, apart, READ(w), rows, columns, sum);
  else
    for (int64_t b = 0; b < e->blocks; b++)
      for (int i = 0; i < 3; i++)
        for (int j = 0; j < reach; j++) {
          const float *at = from + b * e->plane + i * e->line + j * step;
#pragma GCC unroll 2
          for (int k = 0; k < step; k++, at++, w += LANES)
            NAME(add)(at, e->line, apart, READ(w), rows, columns, sum);
        }
#pragma GCC unroll 2
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
    for (int p = 0; p < columns; p++)
      AT(to + r * to_line + p * to_step) = sum[r * columns + p];
}

/* All positions; where tiles do not fit, the last ones lie over those before. */
ALWAYS void NAME(cover)(const conv *c, const float *frame, kept list, int step, bool paired, int rows, int columns,
                        float *to)
{
  const side *e = c->from;
  const int apart = paired ? 2 * step : step;
  int64_t to_step = c->to->step * (paired ? 2 : 1), to_line = e->width * c->to->step;
  int64_t width = paired ? e->width / 2 : e->width;
  for (int64_t y0 = 0; y0 < e->height; y0 += rows)
    for (int64_t x0 = 0; x0 < width; x0 += columns) {
      int64_t y = y0 < e->height - rows ? y0 : e->height - rows, x = x0 < width - columns ? x0 : width - columns;
      NAME(tile)
      (e, frame + y * e->line + x * apart, list, step, paired, rows, columns, to + y * to_line + x * to_step, to_line,
       to_step);
    }
}

ALWAYS void NAME(cover_in)(const conv *c, const float *frame, kept list, int step, bool paired, float *to)
{
  switch (columns_of(paired ? c->from->width / 2 : c->from->width)) { /* constants make the sums registers */
#if TILE == 16
  case 16:
    NAME(cover)(c, frame, list, step, paired, 1, 16, to);
    break;
  case 14:
    NAME(cover)(c, frame, list, step, paired, 1, 14, to);
    break;
#endif
  case 8:
    NAME(cover)(c, frame, list, step, paired, TILE / 8, 8, to);
    break;
  case 7:
    NAME(cover)(c, frame, list, step, paired, TILE / 8, 7, to);
    break;
  case 4:
    NAME(cover)(c, frame, list, step, paired, 2, 4, to);
    break;
  default:
    NAME(cover)(c, frame, list, step, paired, 2, 2, to);
  }
}

/* One sample, out of its frame. */
ALWAYS void NAME(convolve_as)(const conv *c, const float *frame, bool paired, float *to)
{
  for (int64_t group = 0; group < groups_of_channels(c); group++) {
    kept list = kept_of(c, group);
    float *first = to + channel_place(c->to->layout, group * (paired ? LANES / 2 : LANES));
    if (c->from->step == 1)
      NAME(cover_in)(c, frame, list, 1, paired, first);
    else if (c->from->step == 8)
      NAME(cover_in)(c, frame, list, 8, paired, first);
    else
      NAME(cover_in)(c, frame, list, WIDEST, paired, first);
  }
}

static void NAME(convolve)(const conv *c, const float *frame, float *to)
{
  if (LANES == PAIR && c->paired)
    NAME(convolve_as)(c, frame, LANES == PAIR, to);
  else
    NAME(convolve_as)(c, frame, false, to);
}

/* Adds the products of DEPTH channels of u in a row of taps. */
ALWAYS void NAME(meet)(const side *in, const side *out, const float *u, const float *g, int step, float *to)
{
  NAME(lanes) sum[3 * DEPTH] = {{0}};
  for (int64_t y = 0; y < in->height; y++)
    for (int64_t x = 0; x < in->width; x++) {
      const float *at = u + y * in->line + x * step;
      NAME(lanes) with = READ(g + y * out->line + x * out->step);
#pragma GCC unroll 3
      for (int j = 0; j < 3; j++)
#pragma GCC unroll 8
        for (int k = 0; k < DEPTH; k++)
          sum[j * DEPTH + k] += at[j * step + k] * with;
    }
#pragma GCC unroll 3
  for (int j = 0; j < 3; j++)
#pragma GCC unroll 8
    for (int k = 0; k < DEPTH; k++)
      AT(to + (j * step + k) * LANES) += sum[j * DEPTH + k];
}

/* The same of one channel of an image, all taps at once. */
ALWAYS void NAME(meet_image)(const side *in, const side *out, const float *u, const float *g, float *to)
{
  NAME(lanes) sum[TAPS] = {{0}};
  for (int64_t y = 0; y < in->height; y++)
    for (int64_t x = 0; x < in->width; x++) {
      const float *at = u + y * in->line + x;
      NAME(lanes) with = READ(g + y * out->line + x * out->step);
#pragma GCC unroll 9
      for (int i = 0; i < TAPS; i++)
        sum[i] += at[i / 3 * in->line + i % 3] * with;
    }
#pragma GCC unroll 9
  for (int i = 0; i < TAPS; i++)
    AT(to + i * LANES) += sum[i];
}

/* Adds one sample's gradient of the weights, in their order, from the frames of u and of z's adjoint. */
static void NAME(gradient)(const side *in, const side *out, const float *u, const float *gz, float *to)
{
  for (int64_t n = 0; n < out->blocks * out->step; n += LANES) {
    const float *g = gz + n / out->step * out->plane + n % out->step + out->line + out->step;
    for (int64_t b = 0; b < in->blocks; b++, to += TAPS * in->step * LANES)
      if (in->step == 1)
        NAME(meet_image)(in, out, u + b * in->plane, g, to);
      else
        for (int i = 0; i < 3; i++)
          for (int k = 0; k < in->step; k += DEPTH) {
            const float *at = u + b * in->plane + i * in->line + k;
            float *there = to + (3 * i * in->step + k) * LANES;
            if (in->step == 8)
              NAME(meet)(in, out, at, g, 8, there);
            else
              NAME(meet)(in, out, at, g, WIDEST, there);
          }
  }
}

/* ---- batch norm, gate, maximum ---- */

/* Of so many positions, the sum of z - near, or of its squares. */
ALWAYS NAME(lanes) NAME(add_up)(const float *z, int64_t positions, int64_t step, NAME(lanes) near, bool squares)
{
  NAME(lanes) sum[PARTIAL] = {{0}};
  int64_t p = 0;
  for (; p + PARTIAL <= positions; p += PARTIAL)
#pragma GCC unroll 4
    for (int i = 0; i < PARTIAL; i++) {
      NAME(lanes) distance = READ(z + (p + i) * step) - near;
      sum[i] += squares ? distance * distance : distance;
    }
  for (; p < positions; p++) {
    NAME(lanes) distance = READ(z + p * step) - near;
    sum[0] += squares ? distance * distance : distance;
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* The statistics of one sample. */
static void NAME(measure)(const facet_block *b, int64_t sample)
{
  const side *out = &b->out;
  int64_t positions = out->layout.spatial, step = out->step;
  double *const found[] = {statistics_of(b, sample, SUM), statistics_of(b, sample, NEAR),
                           statistics_of(b, sample, DISTANCES)};
  for (int64_t c = 0; c < b->channels; c += LANES) {
    const float *z = b->z + sample * facet_layout_size(out->layout) + channel_place(out->layout, c);
    NAME(lanes) none = {0}, sum = NAME(add_up)(z, positions, step, none, false), near = sum / (float)positions;
    NAME(lanes) far = NAME(add_up)(z, positions, step, near, true);
    for (int i = 0; i < LANES; i++) {
      found[SUM][c + i] = (double)sum[i];
      found[NEAR][c + i] = (double)near[i];
      found[DISTANCES][c + i] = (double)far[i];
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

/* The z of a position of the block's result, where what got through is the largest of four, and its normed value. */
ALWAYS NAME(lanes) NAME(passed)(const facet_block *b, const channels *ch, int64_t c, const float *z, NAME(lanes) * top)
{
  int64_t step = b->out.step;
  if (b->shape.pooled) {
    NAME(lanes) four[4];
    NAME(truth) wins[4];
    NAME(four)(z, b->out.width * step, step, four);
    *top = NAME(largest)(four, ch, c, wins);
    return PICK(wins[3], four[3], PICK(wins[2], four[2], PICK(wins[1], four[1], four[0])));
  }
  NAME(lanes) z0 = READ(z);
  *top = (z0 - READ(ch->mean + c)) * READ(ch->scale + c) + READ(ch->shift + c);
  return z0;
}

/* The sums of one sample that the norm's adjoint needs. */
static void NAME(measure_back)(const facet_block *b, const channels *ch, int64_t sample, const float *g_)
{
  const side *e = &b->out;
  int64_t step = e->step, line = e->width * step, apart = b->shape.pooled ? 2 : 1;
  facet_layout from = result_layout(b);
  double *adjoints = statistics_of(b, sample, OF_ADJOINT), *products = statistics_of(b, sample, OF_PRODUCTS);
  for (int64_t c = 0; c < b->channels; c += LANES) {
    const float *z = b->z + sample * facet_layout_size(e->layout) + channel_place(e->layout, c);
    const float *g = g_ + channel_place(from, c);
    NAME(lanes) mean = READ(ch->mean + c), one = {0}, two = {0};
    for (int64_t y = 0, p = 0; y < e->height; y += apart)
      for (int64_t x = 0; x < e->width; x += apart, p++) {
        NAME(lanes) top, at = NAME(passed)(b, ch, c, z + y * line + x * step, &top);
        NAME(lanes) with = WHERE(top > 0, READ(g + p * step));
        one += with;
        two += with * (at - mean);
      }
    for (int i = 0; i < LANES; i++) {
      adjoints[c + i] = (double)one[i];
      products[c + i] = (double)two[i];
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
