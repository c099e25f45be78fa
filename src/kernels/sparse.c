/* Convolutions with few weights: see sparse.h.
 *
 * Planes: along a dimension of stride s and dilation d, output o meets kernel position k at input o s + k d - pad.
 *
 * - Forward, inputs are parted by the remainder of (input + pad) by s: plane k d mod s, place o + k d / s.
 *
 * - Pulled back, results are: input i = s j + remainder - pad gets from kernel position k, if k d has that remainder,
 *   what output j - k d / s has.
 *
 * Either way the source's place is the result's and a shift that belongs to k.  Source and result planes are as wide,
 * so that the shift is the same for all positions; what the result has beyond its own is never read. */
#include "sparse.h"

#include <string.h>

#include "left.h"
#include "registers.h"

enum {
  MOST_VECTORS = 8, /* of a plane that registers hold at once; more would be kept in memory */
  GROUP = 8,   /* channels of results that are finished together; every block that is offered is a multiple of it */
  WIDEST = 16, /* block of a layout */
  SLACK = 16,  /* numbers past a plane's end that a run of vectors may touch */
  BORDER = -1  /* a position that no weight meets */
};

/* Positions, so far apart, that lie side by side in a plane. */
typedef struct {
  int32_t position, apart, place, count;
} stretch;

/* A value and the planes that its channels become. */
typedef struct {
  facet_layout layout;
  int64_t parts; /* planes of a channel */
  int64_t plane; /* numbers of a plane, slack included */
  int64_t stretches;
  stretch *stretch;
} planes;

typedef struct {
  size_t real;
  void (*run)(const facet_sparse *s, facet_part part, void *scratch, const void *source, const facet_fusion *with,
              void *result);
} body;

struct facet_sparse {
  const body *body;
  facet_left left; /* over all axes; a part of a channel of results: a plane */
  planes source, result;
  int64_t length; /* numbers of a result plane that are computed */
  void *bias;     /* forward: of the results, padded */
};

/* ---- where things lie ---- */

/* One dimension. */
typedef struct {
  int64_t extent;              /* of planes */
  int64_t source, result;      /* positions of the value */
  int64_t parts_in, parts_out; /* planes of source and result */
  int64_t step_in, step_out;   /* a position is a plane's place times step ... */
  int64_t begin_in, begin_out; /* ... and its remainder, less this */
  int64_t length;              /* places of a result plane */
} side;

/* Along dimension d. */
static side describe_side(const facet_sparse *s, int d)
{
  const facet_conv_shape *c = &s->left.shape;
  int64_t stride = c->stride[d], reach = (c->kernel[d] - 1) * c->dilation[d] / stride;
  if (s->left.forward)
    return (side){.extent = c->out[d] + reach,
                  .source = c->in[d],
                  .result = c->out[d],
                  .parts_in = stride,
                  .parts_out = 1,
                  .step_in = stride,
                  .step_out = 1,
                  .begin_in = c->pad_begin[d],
                  .length = c->out[d]};
  int64_t before = c->pad_begin[d] / stride, length = (c->in[d] - 1 + c->pad_begin[d]) / stride - before + 1;
  return (side){.extent = length + reach,
                .source = c->out[d],
                .result = c->in[d],
                .parts_in = 1,
                .parts_out = stride,
                .step_in = 1,
                .step_out = stride,
                .begin_in = reach - before,
                .begin_out = c->pad_begin[d] - before * stride,
                .length = length};
}

/* How far the source's place is from the result's for kernel position k, and the remainder that parts planes. */
static int64_t shift_of(const facet_sparse *s, int d, int64_t k, int64_t *remainder)
{
  const facet_conv_shape *c = &s->left.shape;
  int64_t stride = c->stride[d], reach = (c->kernel[d] - 1) * c->dilation[d] / stride;
  *remainder = k * c->dilation[d] % stride;
  return s->left.forward ? k * c->dilation[d] / stride : reach - k * c->dilation[d] / stride;
}

/* A value's positions along one dimension. */
typedef struct {
  int64_t count, step, begin; /* position p has the place (p + begin) / step of a plane, by the remainder */
  int64_t extent;             /* of planes: what lies beyond has no place */
} line;

static line line_of(const side *s, bool source)
{
  return source ? (line){s->source, s->step_in, s->begin_in, s->extent}
                : (line){s->result, s->step_out, s->begin_out, s->extent};
}

/* The place of a position; BORDER: none. */
static int64_t place_of(line l, int64_t p, int64_t *remainder)
{
  int64_t at = p + l.begin;
  *remainder = at < 0 ? 0 : at % l.step;
  return at >= 0 && at / l.step < l.extent ? at / l.step : BORDER;
}

/* Positions along the last dimension, of one remainder. */
static void add_stretch(planes *v, line l, int64_t position, int64_t place, int64_t remainder)
{
  int64_t first = remainder - l.begin, count;
  while (first < 0)
    first += l.step;
  int64_t at = (first + l.begin) / l.step, most = l.extent - at;
  count = first < l.count ? (l.count - first + l.step - 1) / l.step : 0;
  count = count < most ? count : most;
  if (count <= 0)
    return;
  stretch new = {(int32_t)(position + first), (int32_t)l.step, (int32_t)(place + at), (int32_t)count};
  stretch *last = v->stretches > 0 ? &v->stretch[v->stretches - 1] : NULL;
  if (last && l.step == 1 && last->position + last->count == new.position && last->place + last->count == new.place)
    last->count += new.count;
  else
    v->stretch[v->stretches++] = new;
}

/* All positions of a value that have a place. */
static void find_stretches(planes *v, const side *sides, bool source)
{
  line l[FACET_MAX_SPATIAL];
  for (int d = 0; d < FACET_MAX_SPATIAL; d++)
    l[d] = line_of(&sides[d], source);
  for (int64_t p = 0; p < l[0].count * l[1].count; p++) {
    int64_t part[2], place = place_of(l[0], p / l[1].count, &part[0]), next = place_of(l[1], p % l[1].count, &part[1]);
    if (place == BORDER || next == BORDER)
      continue;
    place = (place * l[1].extent + next) * l[2].extent;
    for (int64_t r = 0; r < l[2].step; r++)
      add_stretch(v, l[2], p * l[2].count, place + ((part[0] * l[1].step + part[1]) * l[2].step + r) * v->plane, r);
  }
}

static void find_shifts(facet_sparse *s, const side *sides)
{
  const int64_t *size = s->left.shape.kernel;
  for (int64_t k = 0; k < s->left.volume; k++) {
    int64_t index[] = {k / size[2] / size[1], k / size[2] % size[1], k % size[2]}, part = 0, shift = 0;
    for (int d = 0; d < FACET_MAX_SPATIAL; d++) {
      int64_t remainder, own = shift_of(s, d, index[d], &remainder);
      part = part * (sides[d].parts_in * sides[d].parts_out) + remainder;
      shift = shift * sides[d].extent + own;
    }
    s->left.shift[k] = s->left.forward ? part * s->source.plane + shift : shift;
    s->left.part[k] = (int32_t)(s->left.forward ? 0 : part);
  }
}

static int64_t padded(facet_layout l)
{
  return (l.channels + l.block - 1) / l.block * l.block;
}

/* Numbers of all source planes. */
static int64_t source_size(const facet_sparse *s)
{
  return padded(s->source.layout) * s->source.parts * s->source.plane + SLACK;
}

/* ---- tiles turned: rows become columns ---- */

typedef float lanes_f32 __attribute__((vector_size(32), aligned(4)));
typedef double lanes_f64 __attribute__((vector_size(32), aligned(8)));

#define PAIR(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

static inline void turn_f32(lanes_f32 *r)
{
  lanes_f32 pairs[8], fours[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = PAIR(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[i + 1] = PAIR(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; j++) {
      fours[i + 2 * j] = PAIR(pairs[i + j], pairs[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      fours[i + 2 * j + 1] = PAIR(pairs[i + j], pairs[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    r[i] = PAIR(fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    r[i + 4] = PAIR(fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

static inline void turn_f64(lanes_f64 *r)
{
  lanes_f64 even = PAIR(r[0], r[1], 0, 4, 2, 6), odd = PAIR(r[0], r[1], 1, 5, 3, 7);
  lanes_f64 even_more = PAIR(r[2], r[3], 0, 4, 2, 6), odd_more = PAIR(r[2], r[3], 1, 5, 3, 7);
  r[0] = PAIR(even, even_more, 0, 1, 4, 5);
  r[1] = PAIR(odd, odd_more, 0, 1, 4, 5);
  r[2] = PAIR(even, even_more, 2, 3, 6, 7);
  r[3] = PAIR(odd, odd_more, 2, 3, 6, 7);
}

/* Where a group of channels from channel c on begin in a value. */
static int64_t channel_place(facet_layout l, int64_t c)
{
  return c / l.block * l.block * l.spatial + c % l.block;
}

/* Functions of their own: within one another they need more registers than there are. */
#define PASS static __attribute__((noinline))

#define REAL    float
#define NAME(x) x##_f32
#include "sparse_body.h"
#undef REAL
#undef NAME

#define REAL    double
#define NAME(x) x##_f64
#include "sparse_body.h"
#undef REAL
#undef NAME

/* ---- for both ---- */

bool facet_sparse_fits(const facet_conv_shape *s, facet_layout in, facet_layout out)
{
  enum { FEW = 16 }; /* positions: fewer are not worth a vector */
  return s->spatial > 0 && in.spatial >= FEW && out.spatial >= FEW && in.spatial < INT32_MAX / 64 / WIDEST &&
         in.block % GROUP == 0 && out.block % GROUP == 0 && in.block <= WIDEST && out.block <= WIDEST;
}

void facet_sparse_destroy(facet_sparse **sparse)
{
  facet_sparse *s = *sparse;
  if (s) {
    facet_free(&s->source.stretch);
    facet_free(&s->result.stretch);
    facet_left_destroy(&s->left);
    facet_free(&s->bias);
  }
  facet_free(sparse);
}

static void find_planes(facet_sparse *s, const side *sides)
{
  int64_t extent = 1, length = 0;
  s->source.parts = s->result.parts = 1;
  for (int d = 0; d < FACET_MAX_SPATIAL; d++) {
    s->source.parts *= sides[d].parts_in;
    s->result.parts *= sides[d].parts_out;
    length = length * sides[d].extent + sides[d].length - 1;
    extent *= sides[d].extent;
  }
  s->source.plane = extent;
  s->length = (length + SLACK) / SLACK * SLACK;
  s->result.plane = s->length;
}

facet_status facet_sparse_create(const facet_conv_shape *shape, facet_type real, facet_task task, facet_layout in,
                                 facet_layout out, facet_sparse **sparse)
{
  facet_sparse *s;
  side sides[FACET_MAX_SPATIAL];
  facet_conv_shape c = facet_conv_over(shape, FACET_MAX_SPATIAL);
  facet_status status = FACET_OK;
  FACET_NEW(s, 1);
  s->body = real == FACET_F64 ? &body_f64 : &body_f32;
  FACET_GO(failed, status, facet_left_create(&c, real, task, &s->left));
  s->source.layout = s->left.forward ? in : out;
  s->result.layout = s->left.forward ? out : in;
  for (int d = 0; d < FACET_MAX_SPATIAL; d++)
    sides[d] = describe_side(s, d);
  find_planes(s, sides);
  s->left.apart = s->source.parts * s->source.plane;
  FACET_NEW_GO(failed, status, s->source.stretch, s->source.layout.spatial);
  FACET_NEW_GO(failed, status, s->result.stretch, s->result.layout.spatial);
  FACET_GO(failed, status,
           (s->bias = facet_allocate((size_t)padded(s->result.layout), s->body->real)) ? FACET_OK : FACET_OS);
  find_stretches(&s->source, sides, true);
  find_stretches(&s->result, sides, false);
  find_shifts(s, sides);
  *sparse = s;
  return FACET_OK;
failed:
  facet_sparse_destroy(&s);
  return status;
}

size_t facet_sparse_scratch(const facet_sparse *s)
{
  return (size_t)(source_size(s) + GROUP * s->result.parts * s->result.plane + SLACK) * s->body->real;
}

bool facet_sparse_worth(const facet_sparse *s, const void *weights)
{
  enum { SHARE = 8, PRODUCTS = 16, CACHE = 1 << 19 }; /* at most every 8th weight; products a number; bytes of planes */
  int64_t all = s->left.all, left = facet_left_count(&s->left, weights);
  int64_t numbers = facet_layout_size(s->source.layout) + facet_layout_size(s->result.layout);
  int64_t products = all * (s->left.forward ? s->result.layout.spatial : s->source.layout.spatial);
  return left * SHARE <= all && products >= PRODUCTS * numbers && source_size(s) * (int64_t)s->body->real <= CACHE;
}

facet_status facet_sparse_weights(facet_sparse *s, const void *weights, const void *bias)
{
  size_t bytes = (size_t)s->result.layout.channels * s->body->real;
  if (s->left.forward && bias)
    memcpy(s->bias, bias, bytes);
  else
    memset(s->bias, 0, bytes);
  return facet_left_take(&s->left, weights);
}

void facet_sparse_run(const facet_sparse *s, facet_part part, void *scratch, const void *source,
                      const facet_fusion *with, void *result)
{
  s->body->run(s, part, scratch, source, with, result);
}
