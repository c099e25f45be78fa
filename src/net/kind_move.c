/* Steps that move elements (Reshape, Transpose, Slice, Pad, Concat) and steps over windows (pooling).
 *
 * A move is an index map between the layouts of its input and output, cut into runs of neighbours; where the map
 * changes nothing the output simply is the input. */
#include <string.h>

#include "executor.h"

/* ---- move ---- */

/* Where row-major element i lies. */
static int64_t place(facet_layout layout, int64_t i)
{
  return facet_layout_at(layout, i / layout.spatial, i % layout.spatial);
}

static bool changes_nothing(const facet_executor *x, const facet_step *step)
{
  const facet_lowered *l = step->lowered;
  facet_layout in = x->layout[step->input[0]], out = x->layout[step->output];
  if (step->inputs != 1 || facet_layout_size(in) != facet_layout_size(out) ||
      in.channels * in.spatial != out.channels * out.spatial)
    return false;
  for (int64_t i = 0; i < out.channels * out.spatial; i++)
    if (facet_move_source(l, i) < 0 || place(in, facet_move_source(l, i)) != place(out, i))
      return false;
  return true;
}

/* Runs in order of the output's memory. */
static facet_status find_runs(facet_executor *x, facet_step *step, int j)
{
  const facet_lowered *l = step->lowered;
  facet_layout in = x->layout[step->input[j]], out = x->layout[step->output];
  facet_status status = FACET_OK;
  int64_t size = facet_layout_size(out), count = 0;
  int64_t *source = NULL; /* by place in the output, + 1; 0: not from here */
  FACET_CHECK(size < INT32_MAX && facet_layout_size(in) < INT32_MAX, FACET_BAD_INPUT, "node %s (%s): too large",
              step->node->name, step->node->type);
  FACET_NEW(source, size);
  for (int64_t i = 0; i < out.channels * out.spatial; i++)
    if ((l->from ? l->from[i] : 0) == j && facet_move_source(l, i) >= 0)
      source[place(out, i)] = place(in, facet_move_source(l, i)) + 1;
  for (int pass = 0; pass < 2; pass++) { /* count, then fill */
    count = 0;
    for (int64_t p = 0; p < size; p++) {
      if (!source[p])
        continue;
      if (p > 0 && source[p - 1] && source[p] == source[p - 1] + 1) {
        if (pass)
          step->run[j][count - 1].length++;
        continue;
      }
      if (pass)
        step->run[j][count] = (facet_run){(int32_t)p, (int32_t)(source[p] - 1), 1};
      count++;
    }
    if (pass == 0)
      FACET_GO(done, status, facet_executor_own(x, (size_t)count, sizeof(facet_run), &step->run[j]));
  }
  step->runs[j] = count;
done:
  facet_free(&source);
  return status;
}

static facet_status find_fill(facet_executor *x, facet_step *step)
{
  const facet_lowered *l = step->lowered;
  facet_layout out = x->layout[step->output];
  FACET_TRY(facet_executor_own(x, (size_t)facet_layout_size(out), x->real, &step->constants));
  for (int64_t i = 0; i < out.channels * out.spatial; i++) {
    if (facet_move_source(l, i) < 0)
      facet_executor_put(x, step->constants, place(out, i), l->fill_of ? l->fill_of[i] : l->fill);
  }
  return FACET_OK;
}

static facet_status move_create(facet_executor *x, facet_step *step)
{
  step->alias = changes_nothing(x, step);
  for (int j = 0; j < step->inputs; j++) /* even where nothing changes: W lies in memory of its own */
    FACET_TRY(find_runs(x, step, j));
  return step->sources > 0 ? find_fill(x, step) : FACET_OK;
}

static facet_status move_forward(facet_executor *x, facet_step *step)
{
  int64_t size = facet_value_size(x, step->output);
  char *out = facet_value_data(x, step->out_slot);
  if (step->alias)
    return FACET_OK;
  if (step->constants)
    for (int64_t s = 0; s < x->count; s++)
      memcpy(facet_at(x, out, s * size), step->constants, (size_t)size * x->real);
  else
    memset(out, 0, (size_t)(x->options.batch * size) * x->real);
  for (int j = 0; j < step->inputs; j++)
    x->e->gather(x->count, step->runs[j], step->run[j], facet_value_data(x, step->in_slot[j]),
                 facet_value_size(x, step->input[j]), out, size);
  return FACET_OK;
}

static facet_status move_pullback(facet_executor *x, facet_step *step)
{
  for (int j = 0; j < step->inputs; j++) {
    const facet_way *way = &step->way[j];
    if (way->to == step->g_slot)
      continue;
    facet_way_open(x, way, step->input[j]);
    x->e->scatter(facet_adjoints(x), step->runs[j], step->run[j], facet_adjoint_data(x, step->g_slot),
                  facet_value_size(x, step->output), facet_adjoint_data(x, way->to),
                  facet_value_size(x, step->input[j]));
  }
  return FACET_OK;
}

static void move_bias(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b)
{
  (void)sample;
  b[step->source[0].constant] += x->e->dot(facet_value_size(x, step->output), g, step->constants);
}

const facet_kind_row facet_kind_move = {move_create, NULL, move_forward, move_pullback, move_bias, NULL};

/* ---- window ---- */

facet_layout facet_window_layout(const facet_executor *x, const facet_step *step, int value)
{
  facet_layout layout = x->layout[value];
  return step->lowered->flat ? (facet_layout){1, facet_layout_size(layout), 1} : layout;
}

facet_windows facet_step_windows(const facet_executor *x, const facet_step *step)
{
  const facet_lowered *l = step->lowered;
  return (facet_windows){.in_spatial = facet_window_layout(x, step, step->input[0]).spatial,
                         .out_spatial = facet_window_layout(x, step, step->output).spatial,
                         .begin = l->begin,
                         .position = l->position,
                         .weight = l->weight_of,
                         .tap = l->tap,
                         .sign = l->sign};
}

static facet_status window_create(facet_executor *x, facet_step *step)
{
  FACET_CHECK(facet_value_size(x, step->input[0]) < INT32_MAX, FACET_BAD_INPUT, "node %s (%s): too large",
              step->node->name, step->node->type);
  if (step->lowered->shift)
    FACET_TRY(facet_executor_spread(x, step, step->lowered->shift, &step->shift));
  if (!step->lowered->maximum)
    return FACET_OK;
  return facet_executor_own(x, (size_t)(x->options.batch * facet_value_size(x, step->output)), sizeof *step->winner,
                            &step->winner);
}

/* Whether a value comes out of a ReLU: two zeros there are both off, and no tie. */
static bool from_relu(const facet_executor *x, int value)
{
  int producer = x->network->value[value].producer;
  return producer >= 0 && facet_gate_is_relu(x->network->node[producer].lowered);
}

static void window_max(facet_executor *x, facet_step *step, int64_t sample, const void *u, void *to)
{
  facet_windows w = facet_step_windows(x, step);
  bool flat_zero = step->lowered->sign > 0 && from_relu(x, step->input[0]);
  uint8_t *near = facet_touched_near(x, step, sample);
  x->e->window_max(&w, facet_window_layout(x, step, step->input[0]),
                   2 * facet_rounding_at(x, step, step->input[0], sample), flat_zero, u, to,
                   step->winner + sample * facet_value_size(x, step->output), &x->ties[sample], near);
  if (near)
    step->marked[sample] = x->ties[sample] > 0;
}

static facet_status window_forward(facet_executor *x, facet_step *step)
{
  facet_windows w = facet_step_windows(x, step);
  facet_layout in = facet_window_layout(x, step, step->input[0]);
  int64_t in_size = facet_layout_size(in), out_size = facet_value_size(x, step->output);
  facet_layout out = facet_window_layout(x, step, step->output);
  bool padded = out.channels % out.block != 0 || x->count < x->options.batch;
  if (padded) /* what no window writes is 0 */
    memset(facet_value_data(x, step->out_slot), 0, (size_t)(x->options.batch * out_size) * x->real);
  for (int64_t s = 0; s < x->count; s++) {
    const void *u = facet_at(x, facet_value_data(x, step->in_slot[0]), s * in_size);
    void *to = facet_at(x, facet_value_data(x, step->out_slot), s * out_size);
    if (!step->winner)
      x->e->window_mean(&w, in, u, to);
    else
      window_max(x, step, s, u, to);
    if (step->shift)
      x->e->add(out_size, to, 1, step->shift, to);
  }
  return FACET_OK;
}

static facet_status window_pullback(facet_executor *x, facet_step *step)
{
  facet_windows w = facet_step_windows(x, step);
  const facet_way *way = &step->way[0];
  const void *g = facet_adjoint_data(x, step->g_slot);
  void *to = facet_adjoint_data(x, way->to);
  if (!step->winner) {
    facet_way_open(x, way, step->input[0]);
    x->e->window_mean_pullback(&w, facet_window_layout(x, step, step->input[0]), facet_adjoints(x), g, to);
    return FACET_OK;
  }
  int64_t in_size = facet_value_size(x, step->input[0]), out_size = facet_value_size(x, step->output);
  int64_t rows = x->options.rows;
  bool fresh = way->addend == NO_SLOT; /* zeros are made sample by sample, while they are near */
  if (!fresh)
    facet_way_open(x, way, step->input[0]);
  for (int64_t s = 0; s < x->count; s++) {
    void *sample = facet_at(x, to, s * rows * in_size);
    if (fresh)
      memset(sample, 0, (size_t)(rows * in_size) * x->real);
    x->e->window_max_pullback(out_size, in_size, 1, rows, step->winner + s * out_size,
                              (const char *)g + (size_t)(s * rows * out_size) * x->real, sample);
  }
  return FACET_OK;
}

const facet_kind_row facet_kind_window = {window_create, NULL, window_forward, window_pullback, facet_shift_bias, NULL};
