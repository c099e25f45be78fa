/* The executor: runs a compiled network, forward with its pattern, and back through it. */
#include "executor.h"
#include "lanes.h"

#include <string.h>

#include "kernels/block.h"

const facet_kind_row *const facet_kinds[] = {
    [KIND_LINEAR] = &facet_kind_linear, [KIND_DIAGONAL] = &facet_kind_diagonal, [KIND_SUM] = &facet_kind_sum,
    [KIND_GATE] = &facet_kind_gate,     [KIND_SELECT] = &facet_kind_select,     [KIND_MOVE] = &facet_kind_move,
    [KIND_WINDOW] = &facet_kind_window, [KIND_CURVE] = &facet_kind_curve,       [KIND_SCALE] = &facet_kind_scale,
    [KIND_NORM] = &facet_kind_norm,     [KIND_PRODUCT] = &facet_kind_product,   [KIND_CONSTANT] = &facet_kind_constant,
};

static facet_status check_options(const facet_executor_options *o)
{
  FACET_CHECK(o->real == FACET_F32 || o->real == FACET_F64, FACET_INTERNAL, "an executor of neither float nor double");
  FACET_CHECK(o->batch > 0 && o->rows >= 0, FACET_INTERNAL, "an executor of %lld samples and %lld rows",
              (long long)o->batch, (long long)o->rows);
  FACET_CHECK(o->kernels->offers(o->real), FACET_INTERNAL, "%s kernels do not offer %s", o->kernels->name,
              o->real == FACET_F64 ? "double" : "float");
  return FACET_OK;
}

/* `blocks`: the kernel set whose liking decides the layouts, of another executor, which this one is to settle; or NULL.
 */
static facet_status create(const facet_network *network, facet_executor_options options, const facet_kernels *blocks,
                           facet_executor **executor)
{
  facet_executor *x;
  *executor = NULL;
  FACET_CHECK(network->finished, FACET_INTERNAL, "the network is not finished");
  if (options.training)
    FACET_TRY(facet_network_need_pieces(network, "training"));
  bool may_lanes = !options.kernels || options.kernels == &facet_kernels_dense;
  if (!options.kernels)
    options.kernels = options.real == FACET_F64 ? &facet_kernels_reference : &facet_kernels_dense;
  FACET_TRY(check_options(&options));
  FACET_NEW(x, 1);
  x->may_lanes = may_lanes;
  if (options.training)
    options.rows = 1;
  x->network = network;
  x->options = options;
  x->settles = blocks != NULL;
  x->blocks = blocks ? blocks : options.kernels;
  x->e = facet_elementwise_of(options.real);
  x->real = facet_type_size(options.real);
  facet_status status = facet_executor_compile(x);
  if (status != FACET_OK)
    facet_executor_destroy(&x);
  else
    *executor = x;
  return status;
}

facet_status facet_executor_create(const facet_network *network, facet_executor_options options,
                                   facet_executor **executor)
{
  return create(network, options, NULL, executor);
}

void facet_executor_destroy(facet_executor **executor)
{
  facet_executor *x = *executor;
  if (!x)
    return;
  facet_executor_destroy(&x->exact);
  facet_lanes_plan_destroy(x);
  for (int i = 0; i < x->steps; i++) {
    facet_step *s = &x->step[i];
    facet_conv **conv[] = {&s->forward, &s->pullback, &s->gradient};
    for (size_t c = 0; c < sizeof conv / sizeof conv[0]; c++)
      if (*conv[c])
        x->options.kernels->conv_destroy(conv[c]);
    for (int j = 0; s->run && j < s->inputs; j++)
      facet_free(&s->run[j]);
    for (int k = 0; s->rival && k < s->lowered->constants; k++)
      facet_free(&s->rival[k]);
    for (int k = 0; k < s->sources; k++)
      facet_free(&s->source[k].by_channel);
    FACET_FREE(&s->in_slot, &s->way, &s->run, &s->runs, &s->fold, &s->total, &s->scale, &s->shift, &s->slope,
               &s->offset, &s->slope_of, &s->rival, &s->winner, &s->constants, &s->mean, &s->deviation, &s->source,
               &s->tied, &s->marked, &s->present, &s->gamma, &s->beta);
    facet_block_destroy(&s->block);
  }
  facet_slots_end(&x->values);
  facet_slots_end(&x->adjoints);
  FACET_FREE(&x->layout, &x->slot, &x->keep, &x->step, &x->constant_name, &x->ties, &x->sums, &x->parameter,
             &x->scratch, &x->whole, &x->size, &x->terms, &x->adjoint_sums, &x->reach, &x->reach_at, &x->plain[0],
             &x->plain[1]);
  facet_free(executor);
}

facet_status facet_executor_refresh(facet_executor *x)
{
  facet_executor_destroy(&x->exact); /* made anew from the new constants when needed */
  FACET_TRY(facet_lanes_choose(x));
  if (!facet_lanes_chosen(x))
    FACET_TRY(facet_executor_need_adjoints(x));
  if (!facet_lanes_chosen_forward(x))
    FACET_TRY(facet_executor_need_values(x));
  for (int i = 0; i < x->steps; i++) {
    const facet_kind_row *kind = facet_kind_of(&x->step[i]);
    if (kind->refresh)
      FACET_TRY(kind->refresh(x, &x->step[i]));
  }
  facet_rounding_refresh(x);
  return FACET_OK;
}

int64_t facet_executor_count(const facet_executor *x)
{
  return x->count;
}

facet_executor_options facet_executor_settings(const facet_executor *x)
{
  return x->options;
}

const facet_network *facet_executor_network(const facet_executor *x)
{
  return x->network;
}

size_t facet_executor_bytes(const facet_executor *x)
{
  return x->own_bytes + (x->values_there ? facet_slots_bytes(&x->values) : 0) +
         (x->adjoints_there ? facet_slots_bytes(&x->adjoints) : 0) + (x->lanes ? (size_t)x->lanes->bytes : 0) +
         (x->exact ? facet_executor_bytes(x->exact) : 0);
}

/* ---- running ---- */

facet_status facet_executor_begin(facet_executor *x, const void *samples, int64_t count)
{
  FACET_CHECK(count >= 1 && count <= x->options.batch, FACET_INTERNAL, "%lld samples in a batch of %lld",
              (long long)count, (long long)x->options.batch);
  x->count = count;
  if (facet_lanes_chosen_forward(x))
    return FACET_OK; /* which take the samples as they are */
  int input = x->network->input;
  int64_t size = facet_value_size(x, input);
  char *to = facet_value_data(x, x->slot[input]);
  memcpy(to, samples, (size_t)(count * size) * x->real);
  memset(facet_at(x, to, count * size), 0, (size_t)((x->options.batch - count) * size) * x->real);
  memset(x->ties, 0, (size_t)x->options.batch * sizeof *x->ties);
  facet_rounding_begin(x);
  return FACET_OK;
}

/* Runs steps up to `last` for the samples given; batch norm and all as compiled. */
static facet_status forward(facet_executor *x, const void *samples, int64_t count, int last)
{
  FACET_TRY(facet_executor_begin(x, samples, count));
  if (facet_lanes_chosen_forward(x)) {
    FACET_TRY(facet_executor_pause(x));
    return facet_lanes_forward(x, samples, count);
  }
  for (int i = 0; i < last; i++) {
    FACET_TRY(facet_executor_pause(x));
    facet_rounding_follow(x, &x->step[i]);
    FACET_TRY(facet_kind_of(&x->step[i])->forward(x, &x->step[i]));
  }
  return FACET_OK;
}

/* Sample s takes the pattern of sample `from` of the double-precision executor. */
static void take_pattern(facet_executor *x, int64_t s, int64_t from)
{
  x->ties[s] = x->exact->ties[from];
  facet_touched_take(x, s, from);
  for (int i = 0; i < x->patterned; i++) {
    const facet_step *to = &x->step[i], *exact = &x->exact->step[i];
    int64_t size = facet_value_size(x, to->output);
    if (to->winner)
      memcpy(to->winner + s * size, exact->winner + from * size, (size_t)size * sizeof *to->winner);
    for (int64_t j = 0, n = to->slopes; to->slope && j < n; j++)
      ((float *)to->slope)[s * n + j] = (float)((const double *)exact->slope)[from * n + j];
    for (int64_t j = 0; to->offset && j < size; j++)
      ((float *)to->offset)[s * size + j] = (float)((const double *)exact->offset)[from * size + j];
  }
}

/* Samples that run in double at once: what all share of the weights comes from memory but once. Few, and fewer where
 * patterns are large. */
static int64_t settled_at_once(const facet_executor *x)
{
  enum { MOST = 8, BYTES = 16 << 20 };
  int64_t pattern = 1, most = x->options.batch < MOST ? x->options.batch : MOST;
  for (int i = 0; i < x->patterned; i++)
    pattern += facet_value_size(x, x->step[i].output) * (int64_t)sizeof(double);
  return pattern * most <= BYTES ? most : BYTES / pattern > 0 ? BYTES / pattern : 1;
}

facet_status facet_executor_ready(facet_executor *x)
{
  facet_executor_options options = {
      .kernels = &facet_kernels_exact, .real = FACET_F64, .touched = x->options.touched, .blank = x->options.blank};
  if (x->exact || x->options.real != FACET_F32 || x->options.training || x->patterned == 0)
    return FACET_OK;
  options.batch = settled_at_once(x);
  return create(x->network, options, x->blocks, &x->exact);
}

/* Rounding in float reaches some gate of nearly every sample: of 10^5 gates a few are that near to 0.  One on the wrong
 * side changes whole rows of W.  So the pattern is that of a second pass in double, where what rounding reaches is
 * decided by a rule. */
facet_status facet_executor_settle(facet_executor *x, const double *samples)
{
  int64_t inputs = facet_value_size(x, x->network->input);
  FACET_TRY(facet_executor_ready(x));
  if (x->exact)
    facet_executor_pauses(x->exact, x->pause, x->pause_context);
  for (int64_t first = 0, count; x->exact && first < x->count; first += count) {
    int64_t left = x->count - first;
    count = left < x->exact->options.batch ? left : x->exact->options.batch;
    FACET_TRY(forward(x->exact, samples + first * inputs, count, x->patterned));
    for (int64_t s = 0; s < count; s++)
      take_pattern(x, first + s, s);
  }
  return FACET_OK;
}

facet_status facet_executor_forward(facet_executor *x, const void *samples, int64_t count)
{
  return forward(x, samples, count, x->steps);
}

facet_status facet_executor_value(const facet_executor *x, int value, double *out)
{
  FACET_CHECK(value >= 0 && value < x->network->values, FACET_INTERNAL, "there is no value %d", value);
  FACET_CHECK(x->keep[value] || value == x->network->input, FACET_INTERNAL, "value %s is not kept",
              x->network->value[value].name);
  facet_layout layout = x->layout[value];
  void *data = facet_lanes_chosen_forward(x) ? x->lanes->kept[value] : facet_value_data(x, x->slot[value]);
  for (int64_t s = 0; s < x->count; s++)
    x->e->unpack(layout, facet_at(x, data, s * facet_layout_size(layout)), out + s * layout.channels * layout.spatial);
  return FACET_OK;
}

facet_status facet_executor_output(const facet_executor *x, double *logits)
{
  return facet_executor_value(x, x->network->output, logits);
}

void facet_executor_ties(const facet_executor *x, int32_t *ties)
{
  memcpy(ties, x->ties, (size_t)x->count * sizeof *ties);
}

int facet_executor_constant_nodes(const facet_executor *x)
{
  return x->constants;
}

const char *facet_executor_constant_node(const facet_executor *x, int i)
{
  return x->constant_name[i];
}

/* What a step's constants add to b, once the adjoint of its output is complete. */
static void take_bias(facet_executor *x, const facet_step *step, double *b_node)
{
  const facet_kind_row *kind = facet_kind_of(step);
  int64_t size = facet_value_size(x, step->output);
  if (kind->bias && step->sources > 0)
    for (int64_t a = 0; a < facet_adjoints(x); a++)
      kind->bias(x, step, a / x->options.rows, facet_at(x, facet_adjoint_data(x, step->g_slot), a * size),
                 b_node + a * x->constants);
}

facet_status facet_executor_step_back(facet_executor *x, int number, double *b_node, float *gradient)
{
  facet_step *step = &x->step[number];
  const facet_kind_row *kind = facet_kind_of(step);
  if (step->g_slot == NO_SLOT)
    return FACET_OK; /* frozen */
  FACET_TRY(facet_executor_pause(x));
  if (b_node && !step->sums_with_pullback)
    take_bias(x, step, b_node);
  if (gradient && kind->gradient)
    FACET_TRY(kind->gradient(x, step, gradient));
  bool unread = x->options.training && step->lowered->kind == KIND_LINEAR && step->way[0].to == OUTSIDE;
  if (!step->done_by_linear && !unread) /* in training nobody wants W */
    FACET_TRY(kind->pullback(x, step));
  if (b_node && step->sums_with_pullback)
    facet_linear_bias_late(x, step, b_node);
  return FACET_OK;
}

/* Steps from last to first. */
static facet_status backward(facet_executor *x, double *b_node, float *gradient)
{
  for (int i = x->steps - 1; i >= 0; i--)
    FACET_TRY(facet_executor_step_back(x, i, b_node, gradient));
  return FACET_OK;
}

facet_status facet_executor_pullback(facet_executor *x, const int32_t *row, void *w, double *b_node)
{
  FACET_CHECK(x->options.rows > 0 && !x->options.training && x->count > 0, FACET_INTERNAL,
              "pullback without rows or forward pass");
  int output = x->network->output;
  facet_layout layout = x->layout[output];
  int64_t size = facet_layout_size(layout), outputs = layout.channels * layout.spatial;
  for (int64_t a = 0; a < facet_adjoints(x); a++)
    FACET_CHECK(row[a] < outputs, FACET_INTERNAL, "row %d of %lld outputs", row[a], (long long)outputs);
  memset(b_node, 0, (size_t)(facet_adjoints(x) * x->constants) * sizeof *b_node);
  if (facet_lanes_chosen(x)) {
    FACET_TRY(facet_executor_pause(x));
    return facet_lanes_pullback(x, row, w, b_node);
  }
  if (x->input_adjoint == NO_SLOT) /* nothing but what is frozen depends on the input */
    memset(w, 0, (size_t)(facet_adjoints(x) * facet_value_size(x, x->network->input)) * x->real);
  void *g = facet_adjoint_data(x, x->output_adjoint);
  memset(g, 0, (size_t)(x->options.batch * x->options.rows * size) * x->real);
  for (int64_t a = 0; a < facet_adjoints(x); a++) {
    if (row[a] < 0)
      continue;
    int64_t at = a * size + facet_layout_at(layout, row[a] / layout.spatial, row[a] % layout.spatial);
    if (x->options.real == FACET_F64)
      ((double *)g)[at] = 1;
    else
      ((float *)g)[at] = 1;
  }
  if (x->count == x->options.batch || x->options.room) {
    x->adjoints.slot[OUTSIDE].data = w;
    return backward(x, b_node, NULL);
  }
  /* kernels work on whole batches: let them write where there is room */
  int64_t inputs = facet_value_size(x, x->network->input);
  if (!x->whole)
    FACET_TRY(facet_executor_own(x, (size_t)(x->options.batch * x->options.rows * inputs), x->real, &x->whole));
  x->adjoints.slot[OUTSIDE].data = x->whole;
  FACET_TRY(backward(x, b_node, NULL));
  memcpy(w, x->whole, (size_t)(facet_adjoints(x) * inputs) * x->real);
  return FACET_OK;
}

void facet_executor_pauses(facet_executor *x, facet_status (*pause)(void *context), void *context)
{
  x->pause = pause;
  x->pause_context = context;
}

void facet_executor_hold(facet_executor *x, bool held)
{
  x->held = held;
}

facet_status facet_executor_gradient(facet_executor *x, const float *dlogits, float *gradient)
{
  FACET_CHECK(x->options.training && x->options.real == FACET_F32, FACET_INTERNAL, "not a training executor");
  facet_layout layout = x->layout[x->network->output];
  int64_t size = facet_layout_size(layout), outputs = layout.channels * layout.spatial;
  float *g = facet_adjoint_data(x, x->output_adjoint);
  memset(g, 0, (size_t)(x->options.batch * size) * sizeof *g);
  for (int64_t s = 0; s < x->count; s++)
    x->e->pack(layout, dlogits + s * outputs, g + s * size);
  for (int i = 0; i < x->parameters; i++)
    memset(gradient + x->parameter[i].offset, 0, (size_t)x->parameter[i].size * sizeof *gradient);
  return backward(x, NULL, gradient);
}
