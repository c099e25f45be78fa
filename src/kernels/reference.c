/* The reference kernels: one node in plain arithmetic, float or double, any layout.
 *
 * One idea serves the three tasks.  A map made once says which input position each (kernel position, output position)
 * reads; read backwards it says the same for the pullback.  The numbers that a few neighbouring positions need are
 * gathered into a panel, and all output channels are formed from it, four at a time.  Every sum runs over channel, then
 * kernel position, in order; a sample is computed by itself, so nothing depends on the rest of the batch. */
#include "panel.h"

#include <limits.h>
#include <string.h>

enum { ROWS = FACET_PANEL_ROWS }; /* output channels formed together */

/* One end of the node: u or z, per group. */
typedef struct {
  facet_layout layout;
  int64_t size;                /* elements of one sample in its layout */
  int64_t channels, positions; /* of one group, as the loops see them */
  int64_t together;            /* samples taken as one: the batch for an inner product, else 1 */
  bool direct;                 /* already in plain order */
} side;

struct facet_conv {
  const struct body *body;
  facet_type real;
  facet_task task;
  int64_t batch, groups, volume; /* volume: kernel positions */
  side in, out;
  const side *from, *to; /* the pullback goes from out to in; the others from in to out */
  int64_t row_blocks;    /* channels of `to` in a group, in ROWS */
  int64_t map_step;
  int32_t *map;                /* [kernel position][position of to]: position of from, or -1 */
  void *weights, *start;       /* packed; what a sum starts with */
  void *panel, *rows;          /* gathered numbers; gradient: z's adjoints, ROWS side by side */
  void *plain_from, *plain_to; /* samples in plain order, where a side is not direct */
};

#define REAL    float
#define NAME(x) x##_f32
#include "reference_body.h"
#undef REAL
#undef NAME

#define REAL    double
#define NAME(x) x##_f64
#include "reference_body.h"
#undef REAL
#undef NAME

typedef struct body {
  int64_t width;
  void (*pack_weights)(facet_conv *, const void *, const void *);
  void (*apply)(const facet_conv *, const void *, void *);
  void (*gradient)(const facet_conv *, const void *, const void *, void *, void *);
} body;

static const body body_f32 = {width_f32, pack_weights_f32, apply_f32, gradient_f32};
static const body body_f64 = {width_f64, pack_weights_f64, apply_f64, gradient_f64};

/* ---- compiling ---- */

/* Splits a position into its indices, last dimension fastest. */
static void split(int dimensions, const int64_t *extent, int64_t position, int64_t *index)
{
  for (int d = dimensions - 1; d >= 0; d--) {
    index[d] = position % extent[d];
    position /= extent[d];
  }
}

/* The input position that kernel position k reads for output position o, or -1 in the padding. */
static int64_t input_position(const facet_conv_shape *s, const int64_t *k, const int64_t *o)
{
  int64_t position = 0;
  for (int d = 0; d < s->spatial; d++) {
    int64_t i = o[d] * s->stride[d] + k[d] * s->dilation[d] - s->pad_begin[d];
    if (i < 0 || i >= s->in[d])
      return -1;
    position = position * s->in[d] + i;
  }
  return position;
}

static void make_map(facet_conv *c, const facet_conv_shape *s)
{
  int64_t k[FACET_MAX_SPATIAL], o[FACET_MAX_SPATIAL];
  for (int64_t i = 0; i < c->volume * c->map_step; i++)
    c->map[i] = -1;
  for (int64_t v = 0; v < c->volume; v++) {
    int32_t *row = c->map + v * c->map_step;
    split(s->spatial, s->kernel, v, k);
    for (int64_t z = 0; z < c->out.positions; z++) {
      split(s->spatial, s->out, z, o);
      int64_t u = input_position(s, k, o);
      if (u < 0)
        continue;
      if (c->task == FACET_PULLBACK)
        row[u] = (int32_t)z;
      else
        row[z] = (int32_t)u;
    }
  }
}

static side make_side(facet_layout layout, const facet_conv_shape *shape, int64_t channels, int64_t batch)
{
  bool inner = shape->spatial == 0;
  return (side){.layout = layout,
                .size = facet_layout_size(layout),
                .channels = inner ? channels : channels / shape->groups,
                .positions = inner ? batch : layout.spatial,
                .together = inner ? batch : 1,
                .direct = !inner && layout.block == 1};
}

static facet_status make_buffers(facet_conv *c)
{
  size_t real = facet_type_size(c->real);
  int64_t count = c->from->channels * c->volume, blocks = c->groups * c->row_blocks;
  int64_t longest = c->task == FACET_GRADIENT && c->to->positions > count ? c->to->positions : count;
  const struct {
    void **data;
    int64_t count;
  } buffer[] = {
      {&c->panel, longest * c->body->width},
      {&c->weights, c->task == FACET_GRADIENT ? 0 : blocks * count * ROWS},
      {&c->start, c->task == FACET_GRADIENT ? 0 : blocks * ROWS},
      {&c->rows, c->task == FACET_GRADIENT ? c->row_blocks * c->to->positions * ROWS : 0},
      {&c->plain_from, c->from->direct ? 0 : c->groups * c->from->channels * c->from->positions},
      {&c->plain_to, c->to->direct ? 0 : c->groups * c->to->channels * c->to->positions},
  };
  for (size_t i = 0; i < sizeof buffer / sizeof buffer[0]; i++)
    if (!(*buffer[i].data = facet_allocate((size_t)buffer[i].count, real)))
      return FACET_OS;
  return FACET_OK;
}

static void reference_destroy(facet_conv **conv)
{
  facet_conv *c = *conv;
  if (!c)
    return;
  void **owned[] = {&c->weights, &c->start, &c->panel, &c->rows, &c->plain_from, &c->plain_to};
  for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
    facet_free(owned[i]);
  facet_free(&c->map);
  facet_free(conv);
}

static bool reference_offers(facet_type real)
{
  return real == FACET_F32 || real == FACET_F64;
}

static facet_status reference_create(const facet_conv_shape *shape, facet_type real, facet_task task, int64_t batch,
                                     facet_layout in, facet_layout out, facet_conv **conv)
{
  FACET_CHECK(reference_offers(real), FACET_BAD_INPUT, "reference kernels: neither float nor double");
  FACET_TRY(facet_conv_check(shape, batch, in, out));
  FACET_CHECK((shape->spatial ? in.spatial : batch) < INT32_MAX && (shape->spatial ? out.spatial : batch) < INT32_MAX,
              FACET_BAD_INPUT, "reference kernels: more than 2^31 positions");
  facet_status status = FACET_OK;
  facet_conv *c = NULL;
  FACET_NEW(c, 1);
  /* An inner product is a 1-D convolution with kernel 1 over the batch. */
  facet_conv_shape inner = {.spatial = 1, .in = {batch}, .out = {batch}, .kernel = {1}, .stride = {1}, .dilation = {1}};
  c->body = real == FACET_F32 ? &body_f32 : &body_f64;
  c->real = real;
  c->task = task;
  c->batch = batch;
  c->groups = shape->spatial ? shape->groups : 1;
  c->volume = 1;
  for (int d = 0; d < shape->spatial; d++)
    c->volume *= shape->kernel[d];
  c->in = make_side(in, shape, shape->in_channels, batch);
  c->out = make_side(out, shape, shape->out_channels, batch);
  c->from = task == FACET_PULLBACK ? &c->out : &c->in;
  c->to = task == FACET_PULLBACK ? &c->in : &c->out;
  c->row_blocks = (c->to->channels + ROWS - 1) / ROWS;
  c->map_step = (c->to->positions + c->body->width - 1) / c->body->width * c->body->width;
  FACET_NEW_GO(fail, status, c->map, c->volume * c->map_step);
  make_map(c, shape->spatial ? shape : &inner);
  FACET_GO(fail, status, make_buffers(c));
  *conv = c;
  return FACET_OK;
fail:
  reference_destroy(&c);
  return status;
}

/* ---- running ---- */

static facet_status reference_weights(facet_conv *c, const void *weights, const void *bias)
{
  if (c->task != FACET_GRADIENT)
    c->body->pack_weights(c, weights, bias);
  return FACET_OK;
}

static facet_status reference_forward(facet_conv *c, const void *u, void *z)
{
  FACET_CHECK(c->task == FACET_FORWARD, FACET_INTERNAL, "reference kernels: not compiled for forward");
  c->body->apply(c, u, z);
  return FACET_OK;
}

static facet_status reference_pullback(facet_conv *c, const void *gz, void *gu)
{
  FACET_CHECK(c->task == FACET_PULLBACK, FACET_INTERNAL, "reference kernels: not compiled for pullback");
  c->body->apply(c, gz, gu);
  return FACET_OK;
}

static facet_status reference_gradient(facet_conv *c, const void *u, const void *gz, void *gw, void *gb)
{
  FACET_CHECK(c->task == FACET_GRADIENT, FACET_INTERNAL, "reference kernels: not compiled for the gradient");
  c->body->gradient(c, u, gz, gw, gb);
  return FACET_OK;
}

static int64_t reference_block(int64_t channels)
{
  (void)channels;
  return 1;
}

static int reference_fuses(const facet_conv *conv)
{
  (void)conv;
  return 0;
}

static facet_status reference_pullback_with(facet_conv *conv, const void *gz, const facet_fusion *with, void *gu)
{
  (void)conv, (void)gz, (void)with, (void)gu;
  return facet_raise(FACET_INTERNAL, "reference kernels fuse nothing");
}

const facet_kernels facet_kernels_reference = {
    .name = "reference",
    .offers = reference_offers,
    .block = reference_block,
    .conv_create = reference_create,
    .conv_weights = reference_weights,
    .conv_forward = reference_forward,
    .conv_pullback = reference_pullback,
    .conv_fuses = reference_fuses,
    .conv_pullback_with = reference_pullback_with,
    .conv_gradient = reference_gradient,
    .conv_destroy = reference_destroy,
};
