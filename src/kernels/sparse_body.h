/* The body of sparse.c for one REAL; NAME(x) makes names unique.  No include guard: included twice. */

enum {
  NAME(LANES) = 32 / sizeof(REAL),           /* channels, and positions, of a tile */
  NAME(WIDE) = FACET_REGISTER / sizeof(REAL) /* positions of a vector */
};

typedef REAL NAME(wide) __attribute__((vector_size(FACET_REGISTER), aligned(sizeof(REAL))));

/* ---- into planes ---- */

/* LANES channels of some positions side by side, at most LANES, to as many planes. */
static inline void NAME(spread)(const REAL *from, int64_t block, int64_t count, int64_t step, REAL *to)
{
  for (int64_t p = 0; p < count; p++)
    for (int c = 0; c < NAME(LANES); c++)
      to[c * step + p] = from[p * block + c];
}

static inline void NAME(spread_tile)(const REAL *from, int64_t block, int64_t step, REAL *to)
{
  NAME(lanes) row[NAME(LANES)];
#pragma GCC unroll 16
  for (int p = 0; p < NAME(LANES); p++)
    row[p] = *(const NAME(lanes) *)(from + p * block);
  NAME(turn)(row);
#pragma GCC unroll 16
  for (int c = 0; c < NAME(LANES); c++)
    *(NAME(lanes) *)(to + c * step) = row[c];
}

/* LANES channels of a value; what lies around stays as it is. */
PASS void NAME(fill_planes)(const planes *v, const REAL *from, REAL *to)
{
  int64_t step = v->parts * v->plane;
  for (int64_t i = 0; i < v->stretches; i++) {
    stretch x = v->stretch[i];
    const REAL *own = from + x.position * v->layout.block;
    int64_t block = x.apart * v->layout.block;
    if (x.count < NAME(LANES)) {
      NAME(spread)(own, block, x.count, step, to + x.place);
      continue;
    }
    for (int64_t p = 0; p < x.count; p += NAME(LANES)) {
      int64_t at = p + NAME(LANES) > x.count ? x.count - NAME(LANES) : p; /* some twice, where the last tile ends */
      NAME(spread_tile)(own + at * block, block, step, to + x.place + at);
    }
  }
}

static void NAME(sum_positions)(facet_layout l, const REAL *from, REAL *sums)
{
  NAME(lanes) sum[4] = {{0}};
  int64_t p = 0;
  for (; p + 4 <= l.spatial; p += 4)
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
      sum[i] += *(const NAME(lanes) *)(from + (p + i) * l.block);
  for (; p < l.spatial; p++)
    sum[0] += *(const NAME(lanes) *)(from + p * l.block);
  *(NAME(lanes) *)sums = (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void NAME(fill)(const facet_sparse *s, const REAL *from, REAL *sums, REAL *to)
{
  const planes *v = &s->source;
  for (int64_t c = 0; c < padded(v->layout); c += NAME(LANES)) {
    const REAL *own = from + channel_place(v->layout, c);
    NAME(fill_planes)(v, own, to + c * v->parts * v->plane);
    if (sums)
      NAME(sum_positions)(v->layout, own, sums + c);
  }
}

/* ---- products ---- */

/* `vectors` of a plane of results: the bias and its terms. */
static inline void NAME(add_terms)(const facet_sparse *s, int64_t first, int64_t end, REAL bias, const REAL *source,
                                   int vectors, REAL *to)
{
  const REAL *weight = s->left.weight;
  NAME(wide) sum[MOST_VECTORS];
#pragma GCC unroll 16
  for (int i = 0; i < vectors; i++)
    sum[i] = bias - (NAME(wide)){0};
  for (int64_t t = first; t < end; t++) {
    const REAL *from = source + s->left.offset[t];
    NAME(wide) w = weight[t] - (NAME(wide)){0};
#pragma GCC unroll 16
    for (int i = 0; i < vectors; i++)
      sum[i] += w * *(const NAME(wide) *)(from + i * NAME(WIDE));
  }
#pragma GCC unroll 16
  for (int i = 0; i < vectors; i++)
    *(NAME(wide) *)(to + i * NAME(WIDE)) = sum[i];
}

PASS void NAME(make_plane)(const facet_sparse *s, int64_t first, int64_t end, REAL bias, const REAL *source, REAL *to)
{
  int64_t vectors = s->length / NAME(WIDE), v = 0;
  for (; v + MOST_VECTORS <= vectors; v += MOST_VECTORS)
    NAME(add_terms)(s, first, end, bias, source + v * NAME(WIDE), MOST_VECTORS, to + v * NAME(WIDE));
  for (; v + 4 <= vectors; v += 4)
    NAME(add_terms)(s, first, end, bias, source + v * NAME(WIDE), 4, to + v * NAME(WIDE));
  for (; v + 2 <= vectors; v += 2)
    NAME(add_terms)(s, first, end, bias, source + v * NAME(WIDE), 2, to + v * NAME(WIDE));
  for (; v < vectors; v++)
    NAME(add_terms)(s, first, end, bias, source + v * NAME(WIDE), 1, to + v * NAME(WIDE));
}

/* All planes of a group of channels; of those that only pad a block, zeros. */
static void NAME(make_group)(const facet_sparse *s, int64_t channel, const REAL *source, REAL *to)
{
  const REAL *bias = s->bias;
  int64_t parts = s->result.parts;
  for (int64_t i = 0; i < GROUP * parts; i++) {
    int64_t p = channel * parts + i, c = p / parts;
    bool own = c < s->result.layout.channels;
    NAME(make_plane)
    (s, own ? s->left.first[p] : 0, own ? s->left.first[p + 1] : 0, own ? bias[c] : 0, source, to + i * s->length);
  }
}

/* ---- from planes ---- */

/* Where results go, and what meets them there: result = slope * (sum + addend); NULL: 1, 0. */
typedef struct {
  const REAL *addend, *slope;
  REAL *to;
} NAME(target);

static inline void NAME(store_tile)(const REAL *from, int64_t step, int64_t count, int64_t block, int64_t at,
                                    const NAME(target) * t)
{
  NAME(lanes) row[NAME(LANES)];
#pragma GCC unroll 16
  for (int c = 0; c < NAME(LANES); c++)
    row[c] = *(const NAME(lanes) *)(from + c * step);
  NAME(turn)(row);
#pragma GCC unroll 16
  for (int p = 0; p < NAME(LANES); p++) {
    if (p >= count)
      break;
    NAME(lanes) r = row[p];
    if (t->addend)
      r += *(const NAME(lanes) *)(t->addend + at + p * block);
    if (t->slope)
      r *= *(const NAME(lanes) *)(t->slope + at + p * block);
    *(NAME(lanes) *)(t->to + at + p * block) = r;
  }
}

/* LANES channels of a value from their planes. */
PASS void NAME(empty_planes)(const planes *v, const REAL *from, const NAME(target) * t)
{
  int64_t step = v->parts * v->plane;
  for (int64_t i = 0; i < v->stretches; i++) {
    stretch x = v->stretch[i];
    int64_t block = x.apart * v->layout.block, at = x.position * v->layout.block;
    for (int64_t p = 0; p < x.count; p += NAME(LANES)) {
      int64_t left = x.count - p;
      if (left >= NAME(LANES))
        NAME(store_tile)(from + x.place + p, step, NAME(LANES), block, at + p * block, t);
      else
        NAME(store_tile)(from + x.place + p, step, left, block, at + p * block, t);
    }
  }
}

static void NAME(run)(const facet_sparse *s, facet_part part, void *scratch_, const void *source_,
                      const facet_fusion *with, void *result_)
{
  const planes *to = &s->result;
  int64_t from_size = facet_layout_size(s->source.layout), to_size = facet_layout_size(to->layout);
  int64_t from_channels = padded(s->source.layout);
  REAL *source = scratch_, *group = source + source_size(s), *sums = with ? with->sums : NULL;
  const REAL *addend = with ? with->addend : NULL, *slope = with ? with->slope : NULL;
  memset(source, 0, facet_sparse_scratch(s));
  for (int64_t a = part.first; a < part.end; a++) {
    NAME(fill)(s, (const REAL *)source_ + a * from_size, sums ? sums + a * from_channels : NULL, source);
    for (int64_t c = 0; c < padded(to->layout); c += GROUP) {
      NAME(make_group)(s, c, source, group);
      for (int64_t i = 0; i < GROUP; i += NAME(LANES)) {
        int64_t here = channel_place(to->layout, c + i), at = a * to_size + here;
        NAME(target)
        t = {.addend = addend ? addend + at : NULL,
             .slope = slope ? slope + a / with->rows * to_size + here : NULL,
             .to = (REAL *)result_ + at};
        NAME(empty_planes)(to, group + i * to->parts * to->plane, &t);
      }
    }
  }
}

static const body NAME(body) = {sizeof(REAL), NAME(run)};
