/* The arithmetic of reference.c for one REAL; NAME(x) makes names unique.  No include guard: included twice. */

enum { NAME(width) = FACET_PANEL / sizeof(REAL) }; /* output positions (or weights, in the gradient) side by side */

/* A sample from its layout into plain order; an inner product takes all samples at once, side by side. */
static const REAL *NAME(load)(const side *s, int64_t sample, const REAL *data, REAL *plain)
{
  data += sample * s->size;
  if (s->direct)
    return data;
  for (int64_t i = 0; i < s->together; i++, data += s->size)
    for (int64_t c = 0; c < s->layout.channels; c++)
      for (int64_t p = 0; p < s->layout.spatial; p++)
        plain[(c * s->layout.spatial + p) * s->together + i] = data[facet_layout_at(s->layout, c, p)];
  return plain;
}

static void NAME(store)(const side *s, int64_t sample, const REAL *plain, REAL *data)
{
  data += sample * s->size;
  memset(data, 0, (size_t)(s->together * s->size) * sizeof(REAL));
  for (int64_t i = 0; i < s->together; i++, data += s->size)
    for (int64_t c = 0; c < s->layout.channels; c++)
      for (int64_t p = 0; p < s->layout.spatial; p++)
        data[facet_layout_at(s->layout, c, p)] = plain[(c * s->layout.spatial + p) * s->together + i];
}

/* weights[channel of `to`, in fours][channel of `from`, kernel position][4] for the task at hand. */
static void NAME(pack_weights)(facet_conv *c, const void *weights_, const void *bias_)
{
  const REAL *weights = weights_, *bias = bias_;
  REAL *packed = c->weights, *start = c->start;
  int64_t in = c->in.channels, out = c->out.channels, volume = c->volume;
  for (int64_t g = 0; g < c->groups; g++)
    for (int64_t t = 0; t < c->to->channels; t++)
      for (int64_t f = 0; f < c->from->channels; f++)
        for (int64_t k = 0; k < volume; k++) {
          int64_t o = c->task == FACET_PULLBACK ? f : t, i = c->task == FACET_PULLBACK ? t : f;
          packed[((g * c->row_blocks + t / ROWS) * c->from->channels * volume + f * volume + k) * ROWS + t % ROWS] =
              weights[((g * out + o) * in + i) * volume + k];
        }
  for (int64_t g = 0; g < c->groups; g++)
    for (int64_t t = 0; t < c->to->channels; t++)
      start[g * c->row_blocks * ROWS + t] = bias && c->task == FACET_FORWARD ? bias[g * out + t] : 0;
}

/* The numbers that `width` positions of `to`, from `first` on, take from the plain sample: [channel, kernel][lane]. */
static void NAME(gather)(const facet_conv *c, int64_t first, const REAL *plain, REAL *panel)
{
  for (int64_t f = 0; f < c->from->channels; f++, plain += c->from->positions)
    for (int64_t k = 0; k < c->volume; k++, panel += NAME(width)) {
      const int32_t *at = c->map + k * c->map_step + first;
      for (int j = 0; j < NAME(width); j++)
        panel[j] = at[j] < 0 ? 0 : plain[at[j]];
    }
}

/* One plain sample: `to` = start + A `from`, or A^T; the map and the packed weights know which. */
static void NAME(apply_plain)(const facet_conv *c, const REAL *from, REAL *to)
{
  int64_t count = c->from->channels * c->volume, positions = c->to->positions;
  REAL *panel = c->panel, sum[ROWS * NAME(width)] __attribute__((aligned(FACET_PANEL)));
  for (int64_t g = 0; g < c->groups; g++, from += c->from->channels * c->from->positions)
    for (int64_t first = 0; first < positions; first += NAME(width)) {
      int64_t lanes = positions - first < NAME(width) ? positions - first : NAME(width);
      NAME(gather)(c, first, from, panel);
      for (int64_t b = 0; b < c->row_blocks; b++) {
        int64_t block = g * c->row_blocks + b;
        NAME(facet_panel)
        (count, (const REAL *)c->weights + block * count * ROWS, panel, (const REAL *)c->start + block * ROWS, sum);
        for (int64_t r = 0; r < ROWS && b * ROWS + r < c->to->channels; r++)
          memcpy(to + (g * c->to->channels + b * ROWS + r) * positions + first, sum + r * NAME(width),
                 (size_t)lanes * sizeof(REAL));
      }
    }
}

static void NAME(apply)(const facet_conv *c, const void *from, void *to)
{
  for (int64_t s = 0; s < c->batch; s += c->from->together) {
    const REAL *x = NAME(load)(c->from, s, from, c->plain_from);
    if (c->to->direct) {
      NAME(apply_plain)(c, x, (REAL *)to + s * c->to->size);
    } else {
      NAME(apply_plain)(c, x, c->plain_to);
      NAME(store)(c->to, s, c->plain_to, to);
    }
  }
}

/* One group of one plain sample: gw[o][i, k] += sum over positions p of gz[o][p] u[i][map[k][p]]. */
static void NAME(gradient_group)(const facet_conv *c, const REAL *u, const REAL *gz, REAL *gw)
{
  int64_t count = c->from->channels * c->volume, positions = c->to->positions;
  static const REAL zero[ROWS];
  REAL *panel = c->panel, *rows = c->rows, sum[ROWS * NAME(width)] __attribute__((aligned(FACET_PANEL)));
  for (int64_t o = 0; o < c->to->channels; o++)
    for (int64_t p = 0; p < positions; p++)
      rows[(o / ROWS * positions + p) * ROWS + o % ROWS] = gz[o * positions + p];
  for (int64_t first = 0; first < count; first += NAME(width)) {
    int64_t lanes = count - first < NAME(width) ? count - first : NAME(width);
    for (int64_t j = 0; j < lanes; j++) {
      const REAL *plane = u + (first + j) / c->volume * c->from->positions;
      const int32_t *at = c->map + (first + j) % c->volume * c->map_step;
      for (int64_t p = 0; p < positions; p++)
        panel[p * NAME(width) + j] = at[p] < 0 ? 0 : plane[at[p]];
    }
    for (int64_t b = 0; b < c->row_blocks; b++) {
      NAME(facet_panel)(positions, rows + b * positions * ROWS, panel, zero, sum);
      for (int64_t r = 0; r < ROWS && b * ROWS + r < c->to->channels; r++)
        for (int64_t j = 0; j < lanes; j++)
          gw[(b * ROWS + r) * count + first + j] += sum[r * NAME(width) + j];
    }
  }
}

static void NAME(gradient)(const facet_conv *c, const void *u_, const void *gz_, void *gw_, void *gb_)
{
  const side *f = c->from, *t = c->to;
  REAL *gw = gw_, *gb = gb_;
  int64_t weights = t->channels * f->channels * c->volume;
  memset(gw, 0, (size_t)(c->groups * weights) * sizeof(REAL));
  if (gb)
    memset(gb, 0, (size_t)(c->groups * t->channels) * sizeof(REAL));
  for (int64_t s = 0; s < c->batch; s += f->together) {
    const REAL *u = NAME(load)(f, s, u_, c->plain_from), *gz = NAME(load)(t, s, gz_, c->plain_to);
    for (int64_t g = 0; g < c->groups; g++)
      NAME(gradient_group)
    (c, u + g * f->channels * f->positions, gz + g * t->channels * t->positions, gw + g * weights);
    for (int64_t o = 0; gb && o < c->groups * t->channels; o++)
      for (int64_t p = 0; p < t->positions; p++)
        gb[o] += gz[o * t->positions + p];
  }
}
