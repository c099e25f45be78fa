/* Which inputs ties touch.
 *
 * At a tie W is one of several: the gate may be on either piece, any of the tied candidates of a maximum may win.  W as
 * a function of all these choices is a sum over the ways from a row of the output back to an input, of the product of
 * what lies on the way: weights, slopes, and 1 or 0 for who wins.  An input of which no way that leads through
 * something tied is open has the same W whatever is chosen.  So ways are followed: from the rows of a sample through
 * weights that are not 0, gates that are open and winners; a tied gate is open too, and so is every tied candidate, and
 * what has come through one is tied from there on.  An input that is reached tied is touched.
 *
 * Nothing is computed that could be rounded: what is tied says rounding.c, what is 0 is exactly 0.  That ways add up to
 * nothing is not seen, nor that one choice leaves another none (a gate after a gate).  Both are rare: none of 15,000
 * touched pixels of a dense network, one of a thousand where 98 % of the weights are gone.
 *
 * Eight samples at once, a bit each: the low byte of a number says by whom an element is reached, the high one by whom
 * through a tie. */
#include <string.h>

#include "executor.h"

enum { AT_ONCE = 8 };

/* Samples of the last forward pass that have ties. */
typedef struct {
  int64_t sample[AT_ONCE];
  int count;
} group;

static uint16_t *reach_of(const facet_executor *x, int value)
{
  return x->reach + x->reach_at[value];
}

/* Both of a sample's bits. */
static uint16_t both(int j)
{
  return (uint16_t)(0x101U << j);
}

/* What came this far, now that it went through something tied. */
static uint16_t tied(uint16_t reach)
{
  return (uint16_t)(reach | reach << 8);
}

/* Where a sample of the pass is tied at a step; NULL: nowhere. */
static const uint8_t *tied_of(const facet_step *step, int64_t sample)
{
  return step->marked[sample] ? step->tied + sample * step->tied_size : NULL;
}

static int candidates_of(const facet_step *step)
{
  return step->inputs + step->lowered->constants;
}

/* ---- making ---- */

static int64_t tied_size(const facet_executor *x, const facet_step *step)
{
  const facet_lowered *l = step->lowered;
  int64_t size = facet_value_size(x, step->output);
  if (l->kind == KIND_GATE)
    return size;
  if (l->kind == KIND_SELECT)
    return size * candidates_of(step);
  if (l->kind != KIND_WINDOW || !l->maximum)
    return 0;
  facet_layout in = facet_window_layout(x, step, step->input[0]);
  return facet_layout_size(in) / in.spatial * l->begin[facet_window_layout(x, step, step->output).spatial];
}

facet_status facet_touched_create(facet_executor *x)
{
  int64_t all = 0, largest = 0;
  if (!x->options.touched)
    return FACET_OK;
  for (int i = 0; i < x->steps; i++) {
    facet_step *step = &x->step[i];
    step->tied_size = tied_size(x, step);
    if (step->tied_size == 0)
      continue;
    FACET_TRY(facet_executor_own(x, (size_t)(x->options.batch * step->tied_size), 1, &step->tied));
    FACET_TRY(facet_executor_own(x, (size_t)x->options.batch, sizeof *step->marked, &step->marked));
    largest = step->tied_size > largest ? step->tied_size : largest;
  }
  if (x->settles)
    return FACET_OK;
  FACET_TRY(facet_executor_own(x, (size_t)x->network->values, sizeof *x->reach_at, &x->reach_at));
  for (int v = 0; v < x->network->values; v++) {
    int64_t size = x->layout[v].block > 0 ? facet_value_size(x, v) : 0;
    x->reach_at[v] = all;
    all += size;
    largest = size > largest ? size : largest;
  }
  FACET_TRY(facet_executor_own(x, (size_t)all, sizeof *x->reach, &x->reach));
  for (int i = 0; i < 2; i++)
    FACET_TRY(facet_executor_own(x, (size_t)largest, sizeof *x->plain[i], &x->plain[i]));
  return FACET_OK;
}

/* ---- remembering, while a sample runs forward ---- */

void facet_touched_select(facet_executor *x, const facet_step *step, int64_t sample, int32_t before,
                          const void *const *candidate)
{
  uint8_t *near = facet_touched_near(x, step, sample);
  if (!near || x->ties[sample] == before)
    return;
  x->e->select_near(facet_value_size(x, step->output), candidates_of(step), candidate, step->lowered->sign,
                    2 * facet_rounding(x, step->output, sample), near);
  step->marked[sample] = true;
}

uint8_t *facet_touched_near(const facet_executor *x, const facet_step *step, int64_t sample)
{
  if (!step->tied || !x->size)
    return NULL;
  uint8_t *near = step->tied + sample * step->tied_size;
  step->marked[sample] = false;
  memset(near, 0, (size_t)step->tied_size);
  return near;
}

void facet_touched_take(facet_executor *x, int64_t s, int64_t from)
{
  for (int i = 0; i < x->patterned; i++) {
    const facet_step *to = &x->step[i], *exact = &x->exact->step[i];
    if (to->tied && (to->marked[s] = exact->marked[from]))
      memcpy(to->tied + s * to->tied_size, exact->tied + from * to->tied_size, (size_t)to->tied_size);
  }
}

/* ---- following, a step back ---- */

static void through_diagonal(const facet_executor *x, const facet_step *step)
{
  facet_layout layout = x->layout[step->output];
  const uint16_t *from = reach_of(x, step->output);
  uint16_t *to = reach_of(x, step->input[0]), *open = x->plain[0];
  int64_t k = layout.block, size = facet_layout_size(layout), scales = size;
  if (step->lowered->by_channel)
    scales /= layout.spatial;
  memset(open, 0, (size_t)scales * sizeof *open);
  x->e->gate_open(scales, step->scale, UINT16_MAX, open);
  for (int64_t i = 0; i < size; i++)
    to[i] |= from[i] & open[scales < size ? i / (k * layout.spatial) * k + i % k : i];
}

static void through_sum(const facet_executor *x, const facet_step *step)
{
  const uint16_t *from = reach_of(x, step->output);
  for (int j = 0; j < step->inputs; j++) {
    uint16_t *to = reach_of(x, step->input[j]);
    for (int64_t i = 0; step->lowered->coefficient[j] != 0 && i < facet_value_size(x, step->output); i++)
      to[i] |= from[i];
  }
}

/* Where the samples of a group are tied at a step, a bit each; false: nowhere. */
static bool gather_tied(const facet_executor *x, const facet_step *step, const group *g)
{
  uint16_t *near = x->plain[1];
  bool any = false;
  memset(near, 0, (size_t)step->tied_size * sizeof *near);
  for (int j = 0; j < g->count; j++) {
    const uint8_t *is_near = tied_of(step, g->sample[j]);
    const uint16_t bits = both(j);
    any = any || is_near;
    for (int64_t i = 0; is_near && i < step->tied_size; i++)
      near[i] |= (uint16_t)(is_near[i] * bits);
  }
  return any;
}

/* What is frozen has no ties of its own. */
static void through_factor(const facet_executor *x, const facet_step *step, const group *g)
{
  int64_t size = facet_value_size(x, step->output);
  const uint16_t *from = reach_of(x, step->output);
  uint16_t *to = reach_of(x, step->input[0]), *open = x->plain[0];
  memset(open, 0, (size_t)size * sizeof *open);
  for (int j = 0; j < g->count; j++)
    x->e->gate_open(size, facet_at(x, step->slope, g->sample[j] * size), both(j), open);
  for (int64_t i = 0; i < size; i++)
    to[i] |= from[i] & open[i];
}

/* Within a group of a norm all hear of all. */
static void through_norm(const facet_executor *x, const facet_step *step)
{
  int64_t size = facet_value_size(x, step->output), length = step->lowered->length;
  const uint16_t *from = reach_of(x, step->output);
  uint16_t *to = reach_of(x, step->input[0]);
  for (int64_t first = 0; first < size; first += length) {
    uint16_t all = 0;
    for (int64_t i = first; i < first + length; i++)
      all |= from[i];
    for (int64_t i = first; i < first + length; i++)
      to[i] |= all;
  }
}

/* By every element of the frozen matrices that is not 0 in some sample of the group. */
static void through_product(const facet_executor *x, const facet_step *step, const group *g)
{
  const facet_lowered *l = step->lowered;
  const uint16_t *from = reach_of(x, step->output);
  uint16_t *to = reach_of(x, step->input[0]), *open = x->plain[0];
  int64_t m = l->rows, n = l->columns, k = l->inner;
  for (int64_t s = 0; s < l->stacks; s++) {
    int64_t left = l->position[s] * m * k, right = l->position[l->stacks + s] * k * n, frozen = l->right ? left : right;
    memset(open, 0, (size_t)(l->right ? m * k : k * n) * sizeof *open);
    for (int j = 0; j < g->count; j++)
      x->e->gate_open(l->right ? m * k : k * n, facet_at(x, step->slope, g->sample[j] * step->slopes + frozen), both(j),
                      open);
    for (int64_t r = 0; r < m; r++)
      for (int64_t i = 0; i < k; i++)
        for (int64_t c = 0; c < n; c++)
          to[l->right ? right + i * n + c : left + r * k + i] |=
              from[(s * m + r) * n + c] & open[l->right ? r * k + i : i * n + c];
  }
}

static void through_gate(const facet_executor *x, const facet_step *step, const group *g)
{
  int64_t size = facet_value_size(x, step->output);
  const uint16_t *from = reach_of(x, step->output), *near = x->plain[1];
  uint16_t *to = reach_of(x, step->input[0]), *open = x->plain[0];
  memset(open, 0, (size_t)size * sizeof *open);
  for (int j = 0; j < g->count; j++)
    x->e->gate_open(size, facet_at(x, step->slope, g->sample[j] * size), both(j), open);
  if (gather_tied(x, step, g))
    for (int64_t i = 0; i < size; i++)
      to[i] |= (uint16_t)((from[i] & open[i]) | tied(from[i] & near[i]));
  else
    for (int64_t i = 0; i < size; i++)
      to[i] |= from[i] & open[i];
}

static void through_select(const facet_executor *x, const facet_step *step, const group *g)
{
  int64_t size = facet_value_size(x, step->output);
  const uint16_t *from = reach_of(x, step->output);
  bool any = gather_tied(x, step, g);
  for (int j = 0; j < step->inputs; j++) {
    const uint16_t *near = x->plain[1] + j * size;
    uint16_t *to = reach_of(x, step->input[j]);
    for (int n = 0; n < g->count; n++) {
      const int32_t *winner = step->winner + g->sample[n] * size;
      for (int64_t i = 0; i < size; i++)
        to[i] |= winner[i] == j ? from[i] & both(n) : 0;
    }
    for (int64_t i = 0; any && i < size; i++)
      to[i] |= tied(from[i] & near[i]);
  }
}

static void through_move(const facet_executor *x, const facet_step *step)
{
  const uint16_t *from = reach_of(x, step->output);
  for (int j = 0; j < step->inputs; j++) {
    uint16_t *to = reach_of(x, step->input[j]);
    for (int64_t r = 0; r < step->runs[j]; r++)
      for (int32_t i = 0; i < step->run[j][r].length; i++)
        to[step->run[j][r].source + i] |= from[step->run[j][r].target + i];
  }
}

/* The windows of a step: position number t of window s, in channel c of block b. */
static void through_mean(const facet_executor *x, const facet_step *step)
{
  facet_windows w = facet_step_windows(x, step);
  int64_t k = facet_window_layout(x, step, step->output).block, size = facet_value_size(x, step->output);
  const uint16_t *from = reach_of(x, step->output);
  for (int64_t i = 0; i < size; i++) {
    int64_t b = i / (k * w.out_spatial), s = i / k % w.out_spatial, c = i % k;
    uint16_t *to = reach_of(x, step->input[0]) + b * w.in_spatial * k + c;
    for (int64_t t = w.begin[s]; from[i] && w.weight[s] != 0 && t < w.begin[s + 1]; t++)
      to[w.position[t] * k] |= w.tap && w.tap[t] == 0 ? 0 : from[i];
  }
}

static void through_winners(const facet_executor *x, const facet_step *step, const group *g)
{
  int64_t size = facet_value_size(x, step->output);
  const uint16_t *from = reach_of(x, step->output);
  uint16_t *to = reach_of(x, step->input[0]);
  for (int j = 0; j < g->count; j++) {
    const int32_t *winner = step->winner + g->sample[j] * size;
    for (int64_t i = 0; i < size; i++)
      to[winner[i]] |= from[i] & both(j);
  }
}

static void through_maximum(const facet_executor *x, const facet_step *step, const group *g)
{
  facet_windows w = facet_step_windows(x, step);
  facet_layout layout = facet_window_layout(x, step, step->output);
  int64_t k = layout.block, blocks = facet_layout_size(layout) / (k * layout.spatial), all = w.begin[w.out_spatial];
  through_winners(x, step, g);
  if (!gather_tied(x, step, g))
    return;
  for (int64_t b = 0; b < blocks; b++)
    for (int64_t s = 0; s < w.out_spatial; s++)
      for (int64_t t = w.begin[s]; t < w.begin[s + 1]; t++) {
        const uint16_t *from = reach_of(x, step->output) + (b * w.out_spatial + s) * k;
        const uint16_t *near = x->plain[1] + (b * all + t) * k;
        uint16_t *to = reach_of(x, step->input[0]) + (b * w.in_spatial + w.position[t]) * k;
        for (int64_t c = 0; c < k; c++)
          to[c] |= tied(from[c] & near[c]);
      }
}

static void through(facet_executor *x, const facet_step *step, const group *g)
{
  switch (step->lowered->kind) {
  case KIND_LINEAR:
    facet_touched_linear(x, step);
    break;
  case KIND_CURVE:
  case KIND_SCALE:
    through_factor(x, step, g);
    break;
  case KIND_NORM:
    through_norm(x, step);
    break;
  case KIND_PRODUCT:
    through_product(x, step, g);
    break;
  case KIND_CONSTANT:
    break;
  case KIND_DIAGONAL:
    through_diagonal(x, step);
    break;
  case KIND_SUM:
    through_sum(x, step);
    break;
  case KIND_GATE:
    through_gate(x, step, g);
    break;
  case KIND_SELECT:
    through_select(x, step, g);
    break;
  case KIND_MOVE:
    through_move(x, step);
    break;
  case KIND_WINDOW:
    if (step->lowered->maximum)
      through_maximum(x, step, g);
    else
      through_mean(x, step);
    break;
  }
}

/* ---- all of it ---- */

static void follow(facet_executor *x, const group *g, int64_t k, const int32_t *row, uint8_t *touched)
{
  int input = x->network->input, output = x->network->output, last = x->network->values - 1;
  facet_layout layout = x->layout[output];
  int64_t inputs = facet_value_size(x, input);
  size_t all = (size_t)(x->reach_at[last] + (x->layout[last].block > 0 ? facet_value_size(x, last) : 0));
  memset(x->reach, 0, all * sizeof *x->reach);
  for (int j = 0; j < g->count; j++)
    for (int64_t r = 0; r < k; r++) {
      int32_t c = row[g->sample[j] * k + r];
      if (c >= 0)
        reach_of(x, output)[facet_layout_at(layout, c / layout.spatial, c % layout.spatial)] |= (uint16_t)(1U << j);
    }
  for (int i = x->steps - 1; i >= 0; i--)
    if (x->step[i].pulled)
      through(x, &x->step[i], g);
  for (int j = 0; j < g->count; j++)
    for (int64_t i = 0; i < inputs; i++)
      touched[g->sample[j] * inputs + i] = reach_of(x, input)[i] >> (8 + j) & 1;
}

facet_status facet_executor_touched(facet_executor *x, int64_t k, const int32_t *row, uint8_t *touched)
{
  facet_layout layout = x->layout[x->network->output];
  FACET_CHECK(x->options.touched, FACET_INTERNAL, "an executor that does not remember where ties are");
  for (int64_t i = 0; i < x->count * k; i++)
    FACET_CHECK(row[i] < layout.channels * layout.spatial, FACET_INTERNAL, "row %d of %lld outputs", row[i],
                (long long)(layout.channels * layout.spatial));
  memset(touched, 0, (size_t)(x->count * facet_value_size(x, x->network->input)));
  for (int64_t s = 0; s < x->count;) {
    group g = {.count = 0};
    for (; s < x->count && g.count < AT_ONCE; s++)
      if (x->ties[s] > 0)
        g.sample[g.count++] = s;
    if (g.count > 0)
      follow(x, &g, k, row, touched);
  }
  return FACET_OK;
}
