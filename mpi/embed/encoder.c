/* Encoders on distributed matrices: see encoder.h. */
#include "encoder.h"

#include <math.h>
#include <string.h>

#include "ranks/agree.h"

/* The moments are Adam's first and second, or momentum's velocity and nothing. All but gradients are the state. */
typedef enum { PARAMETERS, FIRST, SECOND, GRADIENTS, KINDS } kind;

typedef struct {
  facet_blockmatrix *weight;
  double *bias; /* the same on every rank */
} part;

/* One layer: z = x w + b. */
typedef struct {
  int64_t inputs, outputs;
  part of[KINDS];
  facet_blockmatrix *out, *delta; /* of n samples: what comes out, and the loss by it */
} layer;

struct facet_encoder {
  facet_grid *grid;
  facet_type real;
  int layers, ranks;
  layer *layer;
  int64_t n; /* samples that there is room for */
  int64_t moves;
  const facet_blockmatrix *x; /* of the last forward pass */
};

/* ---- the loops over local elements, for both types ---- */

typedef struct {
  double rate, keep_first, keep_second, correct_first, correct_second;
} adam;

#define REAL    float
#define NAME(x) x##_float
#define ROOT(x) sqrtf(x)
#include "encoder_body.h"
#undef REAL
#undef NAME
#undef ROOT

#define REAL    double
#define NAME(x) x##_double
#define ROOT(x) sqrt(x)
#include "encoder_body.h"

#define BOTH(e, name, ...) ((e)->real == FACET_F32 ? name##_float(__VA_ARGS__) : name##_double(__VA_ARGS__))

/* ---- making one ---- */

static int64_t in_one_piece(const facet_encoder *e, int64_t rows)
{
  return (rows + e->ranks - 1) / e->ranks;
}

static facet_status matrix(const facet_encoder *e, int64_t rows, int64_t columns, facet_blockmatrix **m)
{
  return facet_blockmatrix_create(e->grid, e->real, rows, columns, in_one_piece(e, rows), columns, m);
}

/* This rank's weights of a layer. A number belongs to its place among all. */
static void fill_weights(const facet_encoder *e, int number, uint32_t seed)
{
  const layer *l = &e->layer[number];
  const facet_blockmatrix *w = l->of[PARAMETERS].weight;
  double deviation = sqrt(2 / (double)l->inputs) * (number + 1 == e->layers ? 0.1 : 1), pair[2];
  for (int64_t j = 0; j < w->local_columns; j++)
    for (int64_t i = 0; i < w->local_rows; i++) {
      int64_t place = facet_blockmatrix_row(w, i) * l->outputs + facet_blockmatrix_column(w, j);
      facet_random_normal((facet_random){seed, FACET_STREAM_EMBED}, (uint64_t)number, (uint64_t)place, pair);
      facet_blockmatrix_set(w, i + j * w->local_rows, deviation * pair[0]);
    }
}

static facet_status make_layer(const facet_encoder *e, int number, const int64_t *size, uint32_t seed)
{
  layer *l = &e->layer[number];
  l->inputs = size[number];
  l->outputs = size[number + 1];
  facet_status status = FACET_OK;
  for (int k = 0; k < KINDS; k++) {
    FACET_TRY(matrix(e, l->inputs, l->outputs, &l->of[k].weight));
    if (!(l->of[k].bias = facet_allocate((size_t)l->outputs, sizeof(double))))
      status = FACET_OS;
  }
  FACET_AGREE(facet_grid_comm(e->grid), status);
  fill_weights(e, number, seed);
  return FACET_OK;
}

facet_status facet_encoder_create(facet_grid *grid, const facet_encoder_shape *shape, uint32_t seed,
                                  facet_encoder **encoder)
{
  MPI_Comm comm = facet_grid_comm(grid);
  facet_encoder *e = facet_allocate(1, sizeof *e);
  *encoder = e;
  if (e) {
    *e = (facet_encoder){.grid = grid, .real = shape->real, .layers = shape->layers, .ranks = facet_ranks(comm)};
    e->layer = facet_allocate((size_t)shape->layers, sizeof *e->layer);
  }
  facet_status status = facet_agree(comm, e && e->layer ? FACET_OK : FACET_OS);
  for (int i = 0; i < shape->layers && status == FACET_OK; i++)
    status = make_layer(e, i, shape->size, seed);
  if (status != FACET_OK)
    facet_encoder_destroy(encoder);
  return status;
}

static void leave_samples(facet_encoder *e)
{
  for (int i = 0; i < e->layers; i++) {
    facet_blockmatrix_destroy(&e->layer[i].out);
    facet_blockmatrix_destroy(&e->layer[i].delta);
  }
  e->n = 0;
}

void facet_encoder_destroy(facet_encoder **encoder)
{
  facet_encoder *e = *encoder;
  if (!e)
    return;
  if (e->layer)
    leave_samples(e);
  for (int i = 0; e->layer && i < e->layers; i++)
    for (int k = 0; k < KINDS; k++) {
      facet_blockmatrix_destroy(&e->layer[i].of[k].weight);
      facet_free(&e->layer[i].of[k].bias);
    }
  facet_free(&e->layer);
  facet_free(encoder);
}

/* ---- passes ---- */

facet_status facet_encoder_input(const facet_encoder *e, int64_t n, facet_blockmatrix **x)
{
  return matrix(e, n, e->layer[0].inputs, x);
}

void facet_encoder_blur(const facet_blockmatrix *x, const facet_encoder_noise *noise, facet_blockmatrix *out)
{
  if (x->type == FACET_F32)
    add_noise_float(x, noise, out);
  else
    add_noise_double(x, noise, out);
}

static facet_status make_room(facet_encoder *e, int64_t n)
{
  if (e->n == n)
    return FACET_OK;
  leave_samples(e);
  for (int i = 0; i < e->layers; i++) {
    FACET_TRY(matrix(e, n, e->layer[i].outputs, &e->layer[i].out));
    FACET_TRY(matrix(e, n, e->layer[i].outputs, &e->layer[i].delta));
  }
  e->n = n;
  return FACET_OK;
}

facet_status facet_encoder_forward(facet_encoder *e, const facet_blockmatrix *x, double *y)
{
  FACET_TRY(make_room(e, x->rows));
  e->x = x;
  for (int i = 0; i < e->layers; i++) {
    layer *l = &e->layer[i];
    FACET_TRY(
        facet_blockmatrix_gemm(false, false, 1, i ? e->layer[i - 1].out : x, l->of[PARAMETERS].weight, 0, l->out));
    BOTH(e, add_bias, l->out, l->of[PARAMETERS].bias, i + 1 < e->layers);
  }
  const facet_blockmatrix *out = e->layer[e->layers - 1].out;
  return facet_blockmatrix_gather(out, 0, out->columns, y);
}

/* Gradients of one layer's parameters, and their sum of squares. */
static facet_status layer_gradient(const facet_encoder *e, layer *l, const facet_blockmatrix *in, double *squares)
{
  double norm;
  part g = l->of[GRADIENTS];
  FACET_TRY(facet_blockmatrix_gemm(true, false, 1, in, l->delta, 0, g.weight));
  BOTH(e, column_sums, l->delta, g.bias);
  FACET_TRY(facet_sum(facet_grid_comm(e->grid), g.bias, l->outputs, "adding gradients up"));
  FACET_TRY(facet_blockmatrix_norm(g.weight, false, &norm));
  *squares += norm * norm;
  for (int64_t j = 0; j < l->outputs; j++)
    *squares += g.bias[j] * g.bias[j];
  return FACET_OK;
}

facet_status facet_encoder_backward(facet_encoder *e, const double *dy, double *norm)
{
  double squares = 0;
  layer *last = &e->layer[e->layers - 1];
  facet_blockmatrix_fill(last->delta, dy);
  for (int i = e->layers - 1; i >= 0; i--) {
    layer *l = &e->layer[i];
    FACET_TRY(layer_gradient(e, l, i ? e->layer[i - 1].out : e->x, &squares));
    if (i == 0)
      break;
    FACET_TRY(facet_blockmatrix_gemm(false, true, 1, l->delta, l->of[PARAMETERS].weight, 0, e->layer[i - 1].delta));
    BOTH(e, close_gates, e->layer[i - 1].out, e->layer[i - 1].delta);
  }
  *norm = sqrt(squares);
  return FACET_OK;
}

void facet_encoder_move(facet_encoder *e, facet_encoder_step step)
{
  double count = (double)++e->moves;
  adam a = {step.rate, 0.9, 0.999, 1 / (1 - pow(0.9, count)), 1 / (1 - pow(0.999, count))};
  for (int i = 0; i < e->layers; i++) {
    int64_t outputs = e->layer[i].outputs;
    const part *of = e->layer[i].of, p = of[PARAMETERS], g = of[GRADIENTS], first = of[FIRST], second = of[SECOND];
    int64_t size = p.weight->local_rows * p.weight->local_columns;
    if (step.optimizer == FACET_ADAM) {
      BOTH(e, adam_move, size, p.weight->local, g.weight->local, first.weight->local, second.weight->local, a);
      adam_move_double(outputs, p.bias, g.bias, first.bias, second.bias, a);
    } else {
      BOTH(e, momentum_move, size, p.weight->local, g.weight->local, first.weight->local, step.rate, step.momentum);
      momentum_move_double(outputs, p.bias, g.bias, first.bias, step.rate, step.momentum);
    }
  }
}

/* ---- the state in, the state out ---- */

double facet_encoder_parameters(const facet_encoder_shape *shape)
{
  double sum = 0;
  for (int i = 0; i < shape->layers; i++)
    sum += (double)(shape->size[i] + 1) * (double)shape->size[i + 1];
  return sum;
}

double facet_encoder_bytes(int ranks, const facet_encoder_shape *shape)
{
  double bytes = 0, width = (double)facet_type_size(shape->real);
  const int64_t *size = shape->size;
  for (int i = 0; i < shape->layers; i++)
    bytes += KINDS * (double)size[i + 1] * (ceil((double)size[i] / ranks) * width + sizeof(double));
  return bytes;
}

double facet_encoder_pass_bytes(int ranks, const facet_encoder_shape *shape, int64_t n)
{
  double numbers = 0;
  for (int i = 0; i < shape->layers; i++)
    numbers += 2 * (double)shape->size[i + 1];
  return numbers * ceil((double)n / ranks) * (double)facet_type_size(shape->real);
}

int64_t facet_encoder_state_size(const facet_encoder *e)
{
  int64_t sum = 1;
  for (int i = 0; i < e->layers; i++)
    sum += GRADIENTS * (e->layer[i].inputs + 1) * e->layer[i].outputs;
  return sum;
}

facet_status facet_encoder_save(const facet_encoder *e, double *state)
{
  for (kind k = 0; k < GRADIENTS; k++)
    for (int i = 0; i < e->layers; i++) {
      const layer *l = &e->layer[i];
      FACET_TRY(facet_blockmatrix_gather(l->of[k].weight, 0, l->outputs, state));
      state += l->inputs * l->outputs;
      memcpy(state, l->of[k].bias, (size_t)l->outputs * sizeof *state);
      state += l->outputs;
    }
  *state = (double)e->moves;
  return FACET_OK;
}

void facet_encoder_load(facet_encoder *e, const double *state)
{
  for (kind k = 0; k < GRADIENTS; k++)
    for (int i = 0; i < e->layers; i++) {
      const layer *l = &e->layer[i];
      facet_blockmatrix_fill(l->of[k].weight, state);
      state += l->inputs * l->outputs;
      memcpy(l->of[k].bias, state, (size_t)l->outputs * sizeof *state);
      state += l->outputs;
    }
  e->moves = (int64_t)*state;
}
