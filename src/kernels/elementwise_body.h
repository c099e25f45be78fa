/* The body of elementwise.c for one REAL; NAME(x) makes names unique.  No include guard: included twice. */

static void NAME(gate)(int64_t size, int64_t padding, double alpha, double nearly, const void *z_, void *out_,
                       void *slope_, int32_t *ties)
{
  const REAL *z = z_;
  REAL *out = out_, *slope = slope_;
  REAL a = (REAL)alpha, largest = 0;
  for (int64_t i = 0; i < size; i++) {
    REAL m = z[i] < 0 ? -z[i] : z[i];
    largest = m > largest ? m : largest;
  }
  REAL bound = (REAL)(nearly * (double)largest);
  int32_t near = 0;
  for (int64_t i = 0; i < size; i++) {
    REAL u = z[i];
    REAL s = u > 0 ? (REAL)1 : a;
    near += (u < 0 ? -u : u) <= bound;
    slope[i] = s;
    out[i] = u > 0 ? u : a * u;
  }
  *ties += near - (int32_t)padding;
}

static void NAME(diagonal)(int64_t size, const void *scale_, const void *shift_, const void *in_, void *out_)
{
  const REAL *scale = scale_, *shift = shift_, *in = in_;
  REAL *out = out_;
  for (int64_t i = 0; i < size; i++)
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
        for (int64_t i = 0; i < size; i++)
          out[i] = addend[i] + slope[i] * g[i];
        addend += size;
      } else {
        for (int64_t i = 0; i < size; i++)
          out[i] = slope[i] * g[i];
      }
    }
}

static void NAME(add)(int64_t count, const void *a_, double factor, const void *b_, void *out_)
{
  const REAL *a = a_, *b = b_;
  REAL *out = out_, f = (REAL)factor;
  if (a)
    for (int64_t i = 0; i < count; i++)
      out[i] = a[i] + f * b[i];
  else
    for (int64_t i = 0; i < count; i++)
      out[i] = f * b[i];
}

static void NAME(gather)(int64_t samples, int64_t runs, const facet_run *run, const void *src_, int64_t src_size,
                         void *dst_, int64_t dst_size)
{
  const REAL *src = src_;
  REAL *dst = dst_;
  for (int64_t s = 0; s < samples; s++, src += src_size, dst += dst_size)
    for (int64_t r = 0; r < runs; r++)
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
      for (int32_t i = 0; i < run[r].length; i++)
        dst[run[r].source + i] += src[run[r].target + i];
}

/* Loops over the blocks of channels: calls for block b of `lanes` channels each. */
#define FOR_BLOCKS(layout, b, lanes)                                                                                   \
  for (int64_t b = 0, lanes; b * (layout).block < (layout).channels; b++)                                              \
    if ((lanes = (layout).channels - b * (layout).block, lanes = lanes < (layout).block ? lanes : (layout).block) > 0)

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
          sum += u[w->position[t] * k + c];
        out[s * k + c] = sum * (REAL)w->weight[s];
      }
  }
}

static void NAME(window_max)(const facet_windows *w, facet_layout in, double nearly, bool flat_zero, const void *u_,
                             void *out_, int32_t *winner, int32_t *ties)
{
  int64_t k = in.block;
  REAL largest = 0;
  for (int64_t i = 0; i < facet_layout_size(in); i++) {
    REAL m = ((const REAL *)u_)[i];
    m = m < 0 ? -m : m;
    largest = m > largest ? m : largest;
  }
  REAL bound = (REAL)(nearly * (double)largest);
  FOR_BLOCKS(in, b, lanes)
  {
    const REAL *u = (const REAL *)u_ + b * w->in_spatial * k;
    REAL *out = (REAL *)out_ + b * w->out_spatial * k;
    int32_t *win = winner + b * w->out_spatial * k;
    for (int64_t s = 0; s < w->out_spatial; s++)
      for (int64_t c = 0; c < lanes; c++) {
        int64_t t = w->begin[s], best = w->position[t] * k + c;
        REAL first = u[best], second = -(REAL)INFINITY;
        for (t++; t < w->begin[s + 1]; t++) {
          int64_t at = w->position[t] * k + c;
          if (u[at] > first) {
            second = first;
            first = u[at];
            best = at;
          } else if (u[at] > second) {
            second = u[at];
          }
        }
        out[s * k + c] = first;
        win[s * k + c] = (int32_t)(b * w->in_spatial * k + best);
        *ties += first - second <= bound && !(flat_zero && first == 0);
      }
  }
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
            gu[w->position[t] * k + c] += (REAL)w->weight[s] * g[s * k + c];
    }
}

/* Padding elements of the output have winner 0 and adjoint 0: they add nothing. */
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

static void NAME(norm_statistics)(facet_layout layout, int64_t samples, const void *u_, double *mean, double *variance)
{
  int64_t k = layout.block, size = facet_layout_size(layout);
  double n = (double)(samples * layout.spatial);
  for (int pass = 0; pass < 2; pass++) { /* mean first, then squared distances from it */
    double *sum = pass ? variance : mean;
    FOR_BLOCKS(layout, b, lanes)
    {
      for (int64_t c = 0; c < lanes; c++) {
        double total = 0, centre = pass ? mean[b * k + c] : 0;
        for (int64_t s = 0; s < samples; s++) {
          const REAL *u = (const REAL *)u_ + s * size + b * layout.spatial * k + c;
          REAL part = 0;
          for (int64_t p = 0; p < layout.spatial; p++) {
            REAL x = u[p * k] - (REAL)centre;
            part += pass ? x * x : x;
          }
          total += (double)part;
        }
        sum[b * k + c] = total / n;
      }
    }
  }
}

static void NAME(norm)(facet_layout layout, int64_t samples, const double *mean, const double *scale,
                       const double *shift, const void *u_, void *out_)
{
  int64_t k = layout.block, size = facet_layout_size(layout);
  for (int64_t s = 0; s < samples; s++)
    FOR_BLOCKS(layout, b, lanes)
    {
      const REAL *u = (const REAL *)u_ + s * size + b * layout.spatial * k;
      REAL *out = (REAL *)out_ + s * size + b * layout.spatial * k;
      for (int64_t c = 0; c < lanes; c++) {
        REAL m = (REAL)mean[b * k + c], d = (REAL)scale[b * k + c], a = (REAL)shift[b * k + c];
        for (int64_t p = 0; p < layout.spatial; p++)
          out[p * k + c] = (u[p * k + c] - m) * d + a;
      }
    }
}

static void NAME(norm_pullback)(facet_layout layout, int64_t samples, const double *mean, const double *deviation,
                                const double *scale, const void *u_, const void *g_, void *gu_, double *grad_scale,
                                double *grad_shift)
{
  int64_t k = layout.block, size = facet_layout_size(layout);
  double n = (double)(samples * layout.spatial);
  FOR_BLOCKS(layout, b, lanes)
  for (int64_t c = 0; c < lanes; c++) {
    int64_t channel = b * k + c, at = b * layout.spatial * k + c;
    REAL m = (REAL)mean[channel], d = (REAL)(1 / deviation[channel]);
    double sum = 0, product = 0;
    for (int64_t s = 0; s < samples; s++) {
      const REAL *u = (const REAL *)u_ + s * size + at, *g = (const REAL *)g_ + s * size + at;
      REAL part = 0, part_product = 0;
      for (int64_t p = 0; p < layout.spatial; p++) {
        part += g[p * k];
        part_product += g[p * k] * ((u[p * k] - m) * d);
      }
      sum += (double)part;
      product += (double)part_product;
    }
    grad_shift[channel] = sum;
    grad_scale[channel] = product;
    REAL f = (REAL)(scale[channel] / deviation[channel]), a = (REAL)(sum / n), q = (REAL)(product / n);
    for (int64_t s = 0; s < samples; s++) {
      const REAL *u = (const REAL *)u_ + s * size + at, *g = (const REAL *)g_ + s * size + at;
      REAL *gu = (REAL *)gu_ + s * size + at;
      for (int64_t p = 0; p < layout.spatial; p++)
        gu[p * k] = f * (g[p * k] - a - (u[p * k] - m) * d * q);
    }
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

static const facet_elementwise NAME(table) = {
    NAME(gate),
    NAME(diagonal),
    NAME(gate_pullback),
    NAME(add),
    NAME(gather),
    NAME(scatter),
    NAME(window_mean),
    NAME(window_max),
    NAME(window_mean_pullback),
    NAME(window_max_pullback),
    NAME(channel_sums),
    NAME(dot),
    NAME(norm_statistics),
    NAME(norm),
    NAME(norm_pullback),
    NAME(pack),
    NAME(unpack),
};

#undef FOR_BLOCKS
