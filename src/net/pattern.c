/* Patterns of two executors compared, gate by gate: how many elements are on another piece, or won by another one. */
#include "executor.h"

#include <string.h>

static const facet_step *gate_of(const facet_executor *x, int gate)
{
  for (int i = 0; i < x->steps; i++)
    if (facet_step_chooses(&x->step[i]) && gate-- == 0)
      return &x->step[i];
  return NULL;
}

int facet_executor_gates(const facet_executor *x)
{
  int count = 0;
  for (int i = 0; i < x->steps; i++)
    count += facet_step_chooses(&x->step[i]);
  return count;
}

const char *facet_executor_gate(const facet_executor *x, int gate)
{
  return gate_of(x, gate)->node->name;
}

/* ---- pieces ---- */

/* A number as the executor holds it. */
static double held(const facet_executor *x, double number)
{
  return x->options.real == FACET_F32 ? (double)(float)number : number;
}

/* Element `at` of a real array; NULL: all 0. */
static double number_at(const facet_executor *x, const void *array, int64_t at)
{
  return !array ? 0 : x->options.real == FACET_F32 ? (double)((const float *)array)[at] : ((const double *)array)[at];
}

/* Which piece of a gate element `at` among all samples is on: the one whose slope and offset it has. */
static int32_t piece_at(const facet_executor *x, const facet_step *s, int64_t at)
{
  const facet_lowered *l = s->lowered;
  double slope = number_at(x, s->slope, at), offset = number_at(x, s->offset, at);
  int32_t p = l->pieces - 1; /* the lowest one's slope may be anything: slope_of */
  while (p > 0 && !(slope == held(x, l->slope[p]) && offset == held(x, l->offset[p])))
    p--;
  return p;
}

/* The number, in its window, of what has won at output position `place` of a maximum. */
static int32_t candidate_at(const facet_executor *x, const facet_step *s, int64_t place, int32_t winner)
{
  facet_windows w = facet_step_windows(x, s);
  int64_t block = facet_window_layout(x, s, s->input[0]).block, position = winner % (block * w.in_spatial) / block;
  int64_t first = w.begin[place], t = 0;
  while (first + t < w.begin[place + 1] && w.position[first + t] != position)
    t++;
  return (int32_t)t;
}

int64_t facet_executor_gate_size(const facet_executor *x, int gate)
{
  facet_layout l = x->layout[gate_of(x, gate)->output];
  return l.channels * l.spatial;
}

uint32_t facet_executor_gate_off(const facet_executor *x, int gate)
{
  const facet_step *s = gate_of(x, gate);
  uint32_t off = 0;
  for (int p = 0; s->slope && p < s->lowered->pieces; p++)
    if (s->lowered->slope[p] == 0 && !(p == 0 && s->slope_of))
      off |= 1U << p;
  return off;
}

static int32_t element(const facet_executor *x, const facet_step *s, int64_t at, int64_t place)
{
  if (s->slope)
    return piece_at(x, s, at);
  return s->lowered->kind == KIND_WINDOW ? candidate_at(x, s, place, s->winner[at]) : s->winner[at];
}

void facet_executor_pieces(const facet_executor *x, int64_t sample, int gate, int32_t *piece)
{
  const facet_step *s = gate_of(x, gate);
  facet_layout l = x->layout[s->output];
  int64_t first = sample * facet_layout_size(l);
  for (int64_t c = 0; c < l.channels; c++)
    for (int64_t p = 0; p < l.spatial; p++)
      piece[c * l.spatial + p] =
          element(x, s, first + facet_layout_at(l, c, p), s->lowered->flat ? c * l.spatial + p : p);
}

/* ---- comparing ---- */

/* Of gate `t` of another executor. */
static bool comparable(const facet_executor *a, const facet_step *s, const facet_executor *b, const facet_step *t)
{
  return t && !s->slope == !t->slope && s->lowered->pieces == t->lowered->pieces &&
         facet_layout_same(a->layout[s->output], b->layout[t->output]);
}

int64_t facet_executor_gate_differs(const facet_executor *a, int64_t sample_a, const facet_executor *b,
                                    int64_t sample_b, int gate)
{
  const facet_step *s = gate_of(a, gate), *t = NULL;
  for (int i = 0; i < b->steps && !t; i++)
    if (facet_step_chooses(&b->step[i]) && strcmp(b->step[i].node->name, s->node->name) == 0)
      t = &b->step[i];
  if (!comparable(a, s, b, t))
    return -1;
  int64_t size = facet_layout_size(a->layout[s->output]), count = 0;
  for (int64_t i = 0; i < size; i++)
    count += s->slope ? piece_at(a, s, sample_a * size + i) != piece_at(b, t, sample_b * size + i)
                      : s->winner[sample_a * size + i] != t->winner[sample_b * size + i];
  return count;
}
