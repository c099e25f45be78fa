/* Winograd's algorithm: see winograd.h.
 *
 * A chunk of tiles at a time, small enough for the second-level cache: transform 6x6 tiles of the source into 36
 * matrices (tiles x channels), multiply each with the transformed kernel, transform the products back into 4x4 tiles of
 * the result. The words here are those of pullbacks: forward, an "adjoint" is a sample. */
#include "winograd.h"

#include <string.h>

#include "registers.h"

enum {
  WIDTH = 8,                            /* channels of every group that is worked on are a multiple of it */
  TILE = 4,                             /* outputs of a tile, in each direction */
  SIDE = TILE + 2,                      /* sources and points of a tile, in each direction */
  POINTS = SIDE * SIDE,                 /* products of a tile */
  ROWS = FACET_REGISTERS == 32 ? 8 : 6, /* tiles of a block of products that registers hold, twice as wide */
  BUDGET = 384,                         /* tiles times channels of a chunk, while channels are few */
  APART = 16,            /* numbers between the matrices: their rows must not meet in one set of the cache */
  STEP = BUDGET + APART, /* from matrix to matrix, unless there are very many channels */
  WIDEST = 16            /* block of a layout */
};

typedef struct {
  size_t real;
  int64_t columns; /* channels of a block of products */
  void (*weights)(facet_winograd *w, const void *weights, const void *bias);
  void (*run)(const facet_winograd *w, facet_part part, void *scratch, const void *source, const facet_fusion *with,
              void *result);
} body;

struct facet_winograd {
  const body *body;
  facet_conv_shape shape;
  bool forward;
  int64_t from, to; /* channels of sources and of results, padding included */
  facet_layout source, result;
  int64_t height, width, tiles; /* of one adjoint */
  int64_t chunk;                /* tiles at once, a multiple of ROWS */
  int64_t step;                 /* from matrix to matrix, of sources and of products */
  void *bias;                   /* forward: of the results */
  void *nothing;                /* zeros, for what lies outside */
  void *kernel;                 /* POINTS x to/COLUMNS x from x COLUMNS */
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

/* Where a group of channels from channel c on begin in a value of so many channels, and how far apart positions are. */
static inline int64_t channel_place(facet_layout l, int64_t c)
{
  return c / l.block * l.block * l.spatial + c % l.block;
}

/* The two passes over a tile are functions of their own: together they would need many more registers than there are,
 * and compilers then move arithmetic from one into the other at a high price. */
#define PASS static __attribute__((noinline))

#define REAL    float
#define LANES   (FACET_REGISTER / 4)
#define NAME(x) x##_f32
#include "winograd_body.h"
#undef REAL
#undef LANES
#undef NAME

#define REAL    double
#define LANES   (FACET_REGISTER / 8)
#define NAME(x) x##_f64
#include "winograd_body.h"
#undef REAL
#undef LANES
#undef NAME

#if defined __AVX512F__ /* whose registers may hold more than the channels of a block: half of one */
#define REAL    float
#define LANES   WIDTH
#define NAME(x) x##_half
#include "winograd_body.h"
#undef REAL
#undef LANES
#undef NAME
#endif

static const body *body_of(facet_type real, facet_layout in, facet_layout out)
{
#if defined __AVX512F__
  int64_t whole = FACET_REGISTER / (int64_t)sizeof(float);
  if (real == FACET_F32 && (in.block % whole != 0 || out.block % whole != 0))
    return &body_half;
#else
  (void)in;
  (void)out;
#endif
  return real == FACET_F64 ? &body_f64 : &body_f32;
}

/* ---- for both ---- */

bool facet_winograd_fits(const facet_conv_shape *s, facet_layout in, facet_layout out)
{
  bool fits = s->spatial == 2 && s->groups == 1 && in.block % WIDTH == 0 && out.block % WIDTH == 0 &&
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

facet_status facet_winograd_create(const facet_conv_shape *s, facet_type real, facet_task task, facet_layout in,
                                   facet_layout out, facet_winograd **winograd)
{
  facet_winograd *w;
  FACET_NEW(w, 1);
  w->body = body_of(real, in, out);
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
  w->kernel = facet_allocate((size_t)(POINTS * w->from * up(w->to, w->body->columns)), w->body->real);
  w->bias = facet_allocate((size_t)w->to, w->body->real);
  w->nothing = facet_allocate(SIDE * WIDEST, w->body->real);
  if (w->kernel && w->bias && w->nothing) {
    *winograd = w;
    return FACET_OK;
  }
  facet_winograd_destroy(&w);
  return FACET_OS;
}

size_t facet_winograd_scratch(const facet_winograd *w)
{
  return (size_t)(2 * POINTS * w->step) * w->body->real;
}

void facet_winograd_weights(facet_winograd *w, const void *weights, const void *bias)
{
  w->body->weights(w, weights, bias);
}

void facet_winograd_run(const facet_winograd *w, facet_part part, void *scratch, const void *source,
                        const facet_fusion *with, void *result)
{
  w->body->run(w, part, scratch, source, with, result);
}
