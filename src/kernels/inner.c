/* Tiles of the weights and of the samples become double, and every pair of a row and a sample has its sum in memory, to
 * which the tiles are added in order. */
#include "inner.h"

#include <string.h>

enum { LONG = 1024, TILE = 1024, LANES = 4, ROWS = 2, SAMPLES = 4 };

typedef double lanes __attribute__((vector_size(LANES * sizeof(double))));

/* to[t] = start[t] + sum over f of weights[t][f] from[f]; indices are places in the layouts, zero where these pad. */
struct facet_inner {
  facet_task task;
  facet_layout in, out;
  int64_t from, to; /* elements of a sample */
  float *weights;
  double *start;
};

bool facet_inner_fits(const facet_conv_shape *shape, facet_task task)
{
  return shape->spatial == 0 && task != FACET_GRADIENT &&
         (task == FACET_FORWARD ? shape->in_channels : shape->out_channels) > LONG;
}

void facet_inner_destroy(facet_inner **inner)
{
  if (!*inner)
    return;
  facet_free(&(*inner)->weights);
  facet_free(&(*inner)->start);
  facet_free(inner);
}

facet_status facet_inner_create(const facet_conv_shape *shape, facet_task task, facet_layout in, facet_layout out,
                                facet_inner **inner)
{
  facet_status status = FACET_OK;
  facet_inner *n;
  bool forward = task == FACET_FORWARD;
  FACET_CHECK(facet_inner_fits(shape, task), FACET_INTERNAL, "not a long inner product");
  FACET_NEW(n, 1);
  n->task = task;
  n->in = in;
  n->out = out;
  n->from = facet_layout_size(forward ? in : out);
  n->to = facet_layout_size(forward ? out : in);
  FACET_NEW_GO(failed, status, n->weights, n->to * n->from);
  FACET_NEW_GO(failed, status, n->start, n->to);
  *inner = n;
  return FACET_OK;
failed:
  facet_inner_destroy(&n);
  return status;
}

size_t facet_inner_scratch(const facet_inner *n, int64_t samples)
{
  int64_t round = (samples + SAMPLES - 1) / SAMPLES * SAMPLES;
  return (size_t)((round + ROWS) * TILE + round * (n->to + ROWS)) * sizeof(double);
}

static int64_t place(facet_layout l, int64_t i)
{
  return facet_layout_at(l, i / l.spatial, i % l.spatial);
}

void facet_inner_weights(facet_inner *n, const float *weights, const float *bias)
{
  int64_t in = n->in.channels * n->in.spatial, out = n->out.channels * n->out.spatial;
  bool forward = n->task == FACET_FORWARD;
  for (int64_t o = 0; o < out; o++)
    for (int64_t i = 0; i < in; i++) {
      int64_t u = place(n->in, i), z = place(n->out, o);
      n->weights[forward ? z * n->from + u : u * n->from + z] = weights[o * in + i];
    }
  for (int64_t o = 0; forward && o < out; o++)
    n->start[place(n->out, o)] = bias ? (double)bias[o] : 0;
}

/* Floats as doubles, a whole tile of them: zeros at the end. */
static void widen(const float *from, int64_t count, double *to)
{
  for (int64_t i = 0; i < count; i++)
    to[i] = (double)from[i];
  memset(to + count, 0, (size_t)(TILE - count) * sizeof *to);
}

/* sum[sample][row] += row . sample over one tile, of ROWS rows and SAMPLES samples; step: from sample to sample in sum.
 */
static void add_tile(const double *rows, const double *samples, int64_t step, double *sum)
{
  lanes part[ROWS][SAMPLES] = {{{0}}};
  for (int64_t k = 0; k < TILE; k += LANES)
    for (int r = 0; r < ROWS; r++)
      for (int s = 0; s < SAMPLES; s++)
        part[r][s] += *(const lanes *)(const void *)(rows + r * TILE + k) *
                      *(const lanes *)(const void *)(samples + s * TILE + k);
  for (int r = 0; r < ROWS; r++)
    for (int s = 0; s < SAMPLES; s++)
      sum[s * step + r] += (part[r][s][0] + part[r][s][1]) + (part[r][s][2] + part[r][s][3]);
}

void facet_inner_run(const facet_inner *n, facet_part part, void *scratch, const float *from, float *to)
{
  int64_t count = part.end - part.first, round = (count + SAMPLES - 1) / SAMPLES * SAMPLES, step = n->to + ROWS;
  double *samples = scratch, *rows = samples + round * TILE, *sum = rows + ROWS * TILE;
  memset(scratch, 0, facet_inner_scratch(n, count));
  from += part.first * n->from;
  to += part.first * n->to;
  for (int64_t first = 0; first < n->from; first += TILE) {
    int64_t terms = n->from - first < TILE ? n->from - first : TILE;
    for (int64_t s = 0; s < count; s++)
      widen(from + s * n->from + first, terms, samples + s * TILE);
    for (int64_t t = 0; t < n->to; t += ROWS) {
      for (int64_t r = 0; r < ROWS && t + r < n->to; r++)
        widen(n->weights + (t + r) * n->from + first, terms, rows + r * TILE);
      for (int64_t s = 0; s < round; s += SAMPLES)
        add_tile(rows, samples + s * TILE, step, sum + s * step + t);
    }
  }
  for (int64_t s = 0; s < count; s++)
    for (int64_t t = 0; t < n->to; t++)
      to[s * n->to + t] = (float)(sum[s * step + t] + n->start[t]);
}
