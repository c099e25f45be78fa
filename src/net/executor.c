/* The executor: compiles a network for one kernel set, precision, batch and number of rows, and runs it.
 *
 * Compiling: nodes become steps (diagonals by channel folded into the node before them, except in training); values
 * that only elementwise kinds connect share a layout, blocked if a convolution touches them; buffers are planned so
 * that a value's memory is used again after its last reader, forward and backward. */
#include "net/executor.h"

#include <math.h>
#include <string.h>

static const facet_kind_row *const kinds[] = {
    [KIND_LINEAR] = &facet_kind_linear, [KIND_DIAGONAL] = &facet_kind_diagonal, [KIND_SUM] = &facet_kind_sum,
    [KIND_GATE] = &facet_kind_gate,     [KIND_SELECT] = &facet_kind_select,     [KIND_MOVE] = &facet_kind_move,
    [KIND_WINDOW] = &facet_kind_window,
};

facet_status facet_executor_own(facet_executor *x, size_t count, size_t size, void *pointer_to_pointer)
{
  void *data = facet_allocate(count, size);
  if (!data)
    return FACET_OS;
  memcpy(pointer_to_pointer, &data, sizeof data);
  x->own_bytes += count * size;
  return FACET_OK;
}

void facet_way_open(const facet_executor *x, const facet_way *way, int value)
{
  void *to = facet_adjoint_data(x, way->to);
  size_t bytes = (size_t)(facet_adjoints(x) * facet_value_size(x, value)) * x->real;
  if (way->addend == NO_SLOT)
    memset(to, 0, bytes);
  else if (way->addend != way->to)
    memcpy(to, facet_adjoint_data(x, way->addend), bytes);
}

float *facet_gradient_of(const facet_executor *x, int value, float *gradient)
{
  for (int i = 0; i < x->parameters; i++)
    if (x->parameter[i].value == value)
      return gradient + x->parameter[i].offset;
  return NULL;
}

/* ---- steps ---- */

/* The diagonal by channel that can be folded into what makes value v: its only reader. reader: the last one, by value.
 */
static const facet_node *foldable(const facet_executor *x, const int *reader, int v)
{
  const facet_network *n = x->network;
  if (n->value[v].consumers != 1 || reader[v] < 0)
    return NULL;
  const facet_lowered *l = n->node[reader[v]].lowered;
  return l->kind == KIND_DIAGONAL && l->by_channel ? &n->node[reader[v]] : NULL;
}

/* Whether diagonals can be folded into a node at all. */
static bool takes_folds(const facet_executor *x, const facet_lowered *l)
{
  if (x->options.training)
    return false;
  return l->kind == KIND_LINEAR ? !l->adjoint && l->images == 1 && !l->shift && (!l->viewed || l->out.spatial == 1)
                                : l->kind == KIND_DIAGONAL && l->by_channel;
}

static facet_status collect_folds(facet_executor *x, facet_step *step, const int *reader, bool *folded)
{
  const facet_node *next;
  while ((next = foldable(x, reader, step->output))) {
    size_t folds = (size_t)step->folds;
    FACET_TRY(facet_grow(&step->fold, folds, folds + 1, sizeof *step->fold));
    step->fold[step->folds++] = next;
    step->output = next->lowered->output;
    folded[next - x->network->node] = true;
  }
  return FACET_OK;
}

static facet_status fill_step(facet_executor *x, facet_step *step, const facet_node *node)
{
  step->node = node;
  step->lowered = node->lowered;
  step->inputs = node->lowered->inputs;
  step->input = node->lowered->input;
  step->output = node->lowered->output;
  step->more = NO_SLOT;
  FACET_NEW(step->in_slot, step->inputs);
  FACET_NEW(step->way, step->inputs);
  FACET_NEW(step->run, step->inputs);
  FACET_NEW(step->runs, step->inputs);
  x->steps++;
  return FACET_OK;
}

static facet_status make_steps(facet_executor *x)
{
  const facet_network *n = x->network;
  facet_status status = FACET_OK;
  int *reader = NULL;
  bool *folded = NULL;
  FACET_NEW(x->step, n->nodes);
  FACET_NEW_GO(done, status, folded, n->nodes);
  FACET_NEW_GO(done, status, reader, n->values);
  for (int v = 0; v < n->values; v++)
    reader[v] = -1;
  for (int i = 0; i < n->nodes; i++)
    for (int j = 0; j < n->node[i].lowered->inputs; j++)
      reader[n->node[i].lowered->input[j]] = i;
  for (int i = 0; i < n->nodes; i++) {
    if (folded[i])
      continue;
    facet_step *step = &x->step[x->steps];
    FACET_GO(done, status, fill_step(x, step, &n->node[i]));
    if (takes_folds(x, step->lowered))
      FACET_GO(done, status, collect_folds(x, step, reader, folded));
  }
done:
  facet_free(&reader);
  facet_free(&folded);
  return status;
}

/* ---- layouts ---- */

static int group_of(int *group, int v)
{
  while (group[v] != v)
    v = group[v] = group[group[v]];
  return v;
}

/* Values joined by kinds that work element by element share a layout: blocked if a convolution reads or writes one of
 * them, plain if the network's input is among them or some step wants it so. */
static facet_status choose_layouts(facet_executor *x)
{
  const facet_network *n = x->network;
  facet_status status = FACET_OK;
  int *group = NULL;
  bool *blocked = NULL;
  FACET_NEW(x->layout, n->values);
  FACET_NEW_GO(done, status, group, n->values);
  FACET_NEW_GO(done, status, blocked, n->values);
  for (int v = 0; v < n->values; v++)
    group[v] = v;
  for (int i = 0; i < x->steps; i++) {
    const facet_step *step = &x->step[i];
    facet_kind kind = step->lowered->kind;
    if (kind != KIND_LINEAR && kind != KIND_MOVE && !step->lowered->flat)
      for (int j = 0; j < step->inputs; j++)
        group[group_of(group, step->input[j])] = group_of(group, step->output);
  }
  for (int i = 0; i < x->steps; i++)
    if (x->step[i].lowered->kind == KIND_LINEAR && x->step[i].lowered->conv.spatial > 0) {
      blocked[group_of(group, x->step[i].input[0])] = true;
      blocked[group_of(group, x->step[i].output)] = true;
    }
  for (int i = 0; i < x->steps; i++) /* Slice, Pad, Concat of blocked values move whole blocks */
    for (int j = 0; x->step[i].lowered->keeps_axes && j < x->step[i].inputs; j++)
      if (blocked[group_of(group, x->step[i].input[j])])
        blocked[group_of(group, x->step[i].output)] = true;
  blocked[group_of(group, n->input)] = false;
  for (int i = 0; i < x->steps; i++) {
    const facet_step *step = &x->step[i];
    if (!step->lowered->plain)
      continue;
    blocked[group_of(group, step->output)] = false;
    for (int j = 0; j < step->inputs; j++)
      blocked[group_of(group, step->input[j])] = false;
  }
  for (int v = 0; v < n->values; v++) {
    facet_shape shape = n->value[v].shape;
    int64_t channels = shape.rank > 0 ? shape.dim[0] : 1;
    if (n->value[v].constant || (n->value[v].producer < 0 && v != n->input))
      continue;
    x->layout[v] = (facet_layout){channels, facet_shape_size(shape) / channels, 1};
    if (blocked[group_of(group, v)])
      x->layout[v].block = x->blocks->block(channels);
  }
done:
  facet_free(&group);
  facet_free(&blocked);
  return status;
}

/* ---- buffers ---- */

static size_t value_bytes(const facet_executor *x, int v)
{
  return (size_t)(x->options.batch * facet_value_size(x, v)) * x->real;
}

/* Kept to the end: the output, the head's feature; in training what parameter gradients read again. */
static facet_status choose_kept(facet_executor *x)
{
  int feature;
  FACET_NEW(x->keep, x->network->values);
  x->keep[x->network->output] = true;
  if (facet_network_features(x->network, &feature) > 0)
    x->keep[feature] = true;
  for (int i = 0; x->options.training && i < x->steps; i++)
    if (x->step[i].lowered->kind == KIND_LINEAR || x->step[i].lowered->batch_norm)
      x->keep[x->step[i].input[0]] = true;
  return FACET_OK;
}

static facet_status plan_forward(facet_executor *x)
{
  const facet_network *n = x->network;
  int *left = NULL;
  facet_status status = FACET_OK;
  FACET_NEW(x->slot, n->values);
  FACET_TRY(facet_slots_begin(&x->values));
  FACET_NEW(left, n->values);
  for (int i = 0; i < x->steps; i++)
    for (int j = 0; j < x->step[i].inputs; j++)
      left[x->step[i].input[j]]++;
  FACET_GO(done, status, facet_slots_take(&x->values, value_bytes(x, n->input), &x->slot[n->input]));
  facet_slots_share(&x->values, x->slot[n->input]); /* x stays */
  for (int i = 0; i < x->steps; i++) {
    facet_step *step = &x->step[i];
    int first = step->input[0], slot = x->slot[first];
    bool last = left[first] == 1 && !x->keep[first] && x->values.slot[slot].users == 1;
    bool pointwise = step->lowered->kind == KIND_GATE ||
                     (step->lowered->kind == KIND_DIAGONAL && !(x->options.training && step->lowered->batch_norm));
    for (int j = 0; j < step->inputs; j++)
      step->in_slot[j] = x->slot[step->input[j]];
    if (step->alias || (pointwise && last)) {
      step->out_slot = slot;
      facet_slots_share(&x->values, slot);
    } else {
      FACET_GO(done, status, facet_slots_take(&x->values, value_bytes(x, step->output), &step->out_slot));
    }
    x->slot[step->output] = step->out_slot;
    for (int j = 0; j < step->inputs; j++)
      if (--left[step->input[j]] == 0 && !x->keep[step->input[j]])
        facet_slots_release(&x->values, step->in_slot[j]);
  }
  status = facet_slots_allocate(&x->values);
done:
  facet_free(&left);
  return status;
}

/* The way of one input's adjoint. `have` is the slot it has so far. */
static facet_status plan_way(facet_executor *x, facet_step *step, int j, int *have)
{
  int v = step->input[j];
  facet_way *way = &step->way[j];
  facet_slots *slots = &x->adjoints;
  size_t bytes = (size_t)x->options.rows * value_bytes(x, v);
  bool outside = v == x->network->input; /* its adjoint is W: in the caller's memory */
  facet_kind kind = step->lowered->kind;
  *way = (facet_way){.to = NO_SLOT, .addend = have[v], .scratch = NO_SLOT};
  if (have[v] == NO_SLOT) {
    bool pass = (kind == KIND_SUM && step->lowered->coefficient[j] == 1) || (kind == KIND_MOVE && step->alias);
    bool in_place = (kind == KIND_GATE || kind == KIND_DIAGONAL) && slots->slot[step->g_slot].users == 1;
    if (!outside && (pass || in_place)) {
      way->to = step->g_slot;
      facet_slots_share(slots, step->g_slot);
    } else if (outside) {
      way->to = OUTSIDE;
    } else {
      FACET_TRY(facet_slots_take(slots, bytes, &way->to));
    }
  } else if (outside || slots->slot[have[v]].users == 1) {
    way->to = have[v];
  } else { /* others still read it */
    FACET_TRY(facet_slots_take(slots, bytes, &way->to));
    facet_slots_release(slots, have[v]);
  }
  if ((kind == KIND_LINEAR || (kind == KIND_DIAGONAL && step->lowered->batch_norm)) && way->addend != NO_SLOT) {
    FACET_TRY(facet_slots_take(slots, bytes, &way->scratch));
    facet_slots_release(slots, way->scratch);
  }
  have[v] = way->to;
  return FACET_OK;
}

/* Where a linear step adds the last part to the adjoint of what the gate right before it put out, the gate can do the
 * adding: one pass over memory less. */
static void leave_sums_to_gates(facet_executor *x)
{
  for (int i = 1; i < x->steps; i++) {
    facet_step *linear = &x->step[i], *gate = linear - 1;
    if (linear->lowered->kind != KIND_LINEAR || linear->way[0].addend == NO_SLOT || gate->lowered->kind != KIND_GATE ||
        gate->output != linear->input[0] || gate->way[0].addend != NO_SLOT || gate->sources > 0)
      continue;
    linear->left_to_gate = true;
    gate->first = linear->way[0].addend;
    gate->more = linear->way[0].scratch;
  }
}

/* The gate right before a linear step, if the kernel can do the gate's pullback with its own: it writes to where the
 * gate would, and must not read its own input there. */
static facet_step *gate_to_fuse(const facet_step *linear)
{
  facet_step *gate = (facet_step *)(uintptr_t)(linear - 1);
  bool fits = gate->lowered->kind == KIND_GATE && gate->output == linear->input[0] && gate->sources == 0 &&
              gate->way[0].addend == NO_SLOT && gate->g_slot == linear->way[0].to && gate->way[0].to != linear->g_slot;
  return fits ? gate : NULL;
}

static facet_status fuse_pullbacks(facet_executor *x)
{
  const facet_kernels *k = x->options.kernels;
  int64_t most = 0;
  for (int i = 0; i < x->steps; i++) {
    facet_step *step = &x->step[i];
    bool plain = step->lowered->viewed || step->lowered->adjoint || x->options.training;
    int offered = step->pullback && !plain ? k->conv_fuses(step->pullback) : 0;
    step->sums_with_pullback = offered & FACET_FUSES_SUMS && step->sources > 0;
    if (step->sums_with_pullback) {
      facet_layout l = x->layout[step->output];
      most = facet_layout_size(l) / l.spatial > most ? facet_layout_size(l) / l.spatial : most;
    }
    if (i > 0 && offered & FACET_FUSES_GATE && (step->gate = gate_to_fuse(step)))
      step->gate->done_by_linear = true;
  }
  size_t adjoints = (size_t)(x->options.batch * x->options.rows);
  return most ? facet_executor_own(x, (size_t)most * adjoints, sizeof *x->adjoint_sums, &x->adjoint_sums) : FACET_OK;
}

static facet_status plan_backward(facet_executor *x)
{
  const facet_network *n = x->network;
  int *have = NULL;
  facet_status status = FACET_OK;
  FACET_TRY(facet_slots_begin(&x->adjoints));
  if (x->options.rows == 0)
    return FACET_OK;
  FACET_NEW(have, n->values);
  for (int v = 0; v < n->values; v++)
    have[v] = NO_SLOT;
  FACET_GO(done, status,
           facet_slots_take(&x->adjoints, (size_t)x->options.rows * value_bytes(x, n->output), &have[n->output]));
  x->output_adjoint = have[n->output];
  for (int i = x->steps - 1; i >= 0; i--) {
    facet_step *step = &x->step[i];
    step->g_slot = have[step->output];
    for (int j = 0; j < step->inputs; j++)
      FACET_GO(done, status, plan_way(x, step, j, have));
    facet_slots_release(&x->adjoints, step->g_slot);
  }
  x->input_adjoint = have[n->input];
  leave_sums_to_gates(x);
  FACET_GO(done, status, fuse_pullbacks(x));
  if (x->options.training) { /* nobody wants W there */
    FACET_GO(done, status, facet_executor_own(x, value_bytes(x, n->input), 1, &x->whole));
    x->adjoints.slot[OUTSIDE].data = x->whole;
  }
  status = facet_slots_allocate(&x->adjoints);
done:
  facet_free(&have);
  return status;
}

/* ---- creating and destroying ---- */

/* Whether a node adds a constant of its own. */
static bool adds_constant(const facet_lowered *l)
{
  bool offset = false;
  for (int p = 0; l->kind == KIND_GATE && p < l->pieces; p++)
    offset = offset || l->offset[p] != 0;
  return l->bias != NO_VALUE || l->shift || l->batch_norm || offset || (l->kind == KIND_SELECT && l->constants > 0) ||
         (l->kind == KIND_MOVE && (l->fill != 0 || l->fill_of));
}

static facet_status number_constants(facet_executor *x)
{
  FACET_NEW(x->constant_name, x->network->nodes);
  for (int i = 0; i < x->steps; i++) {
    facet_step *step = &x->step[i];
    FACET_NEW(step->source, step->folds + 1);
    for (int j = -1; j < step->folds; j++) {
      const facet_node *node = j < 0 ? step->node : step->fold[j];
      if (!adds_constant(node->lowered))
        continue;
      step->source[step->sources++] = (facet_source){.node = node, .constant = x->constants};
      x->constant_name[x->constants++] = node->name;
    }
  }
  return FACET_OK;
}

/* ---- constants ---- */

void facet_executor_put(const facet_executor *x, void *array, int64_t i, double value)
{
  if (x->options.real == FACET_F64)
    ((double *)array)[i] = value;
  else
    ((float *)array)[i] = (float)value;
}

facet_status facet_executor_spread(facet_executor *x, const facet_step *step, const facet_tensor *constant,
                                   void *pointer_to_pointer)
{
  facet_layout layout = x->layout[step->output];
  void *array;
  FACET_TRY(facet_executor_own(x, (size_t)facet_layout_size(layout), x->real, &array));
  memcpy(pointer_to_pointer, &array, sizeof array);
  for (int64_t i = 0; i < layout.channels * layout.spatial; i++)
    facet_executor_put(x, array, facet_layout_at(layout, i / layout.spatial, i % layout.spatial),
                       facet_tensor_get(constant, facet_spread_index(constant->shape, step->lowered->full, i)));
  return FACET_OK;
}

/* Factor and constant of a folded diagonal in channel c. */
static void channel_of(const facet_network *n, const facet_lowered *l, int64_t c, double *scale, double *shift)
{
  int64_t inner = facet_shape_size(l->full) / l->full.dim[1];
  facet_diagonal_element(n, l, c * inner, scale, shift);
}

facet_status facet_fold_channels(facet_executor *x, facet_step *step, int64_t channels, const double *own)
{
  for (int k = 0; k < step->sources; k++)
    if (!step->source[k].by_channel)
      FACET_TRY(facet_executor_own(x, (size_t)channels, sizeof(double), &step->source[k].by_channel));
  if (!step->total)
    FACET_TRY(facet_executor_own(x, (size_t)channels, sizeof(double), &step->total));
  for (int64_t c = 0; c < channels; c++) {
    double scale, shift;
    int k = step->sources - 1;
    step->total[c] = 1;
    for (int j = step->folds - 1; j >= 0; j--) {
      channel_of(x->network, step->fold[j]->lowered, c, &scale, &shift);
      if (k >= 0 && step->source[k].node == step->fold[j])
        step->source[k--].by_channel[c] = shift * step->total[c];
      step->total[c] *= scale;
    }
    if (k == 0 && own)
      step->source[0].by_channel[c] = own[c] * step->total[c];
  }
  return FACET_OK;
}

void facet_channels_bias(facet_executor *x, const facet_step *step, int64_t sample, const void *g, double *b)
{
  int64_t images;
  facet_layout layout = facet_step_channels(x, step, &images);
  (void)sample;
  for (int64_t i = 0; i < images; i++) {
    x->e->channel_sums(layout, (const char *)g + (size_t)(i * facet_layout_size(layout)) * x->real, x->sums);
    for (int k = 0; k < step->sources; k++)
      for (int64_t c = 0; step->source[k].by_channel && c < layout.channels; c++)
        b[step->source[k].constant] += x->sums[c] * step->source[k].by_channel[c];
  }
}

static facet_status compile(facet_executor *x)
{
  const facet_network *n = x->network;
  int64_t channels = 1, largest = 1;
  FACET_TRY(make_steps(x));
  FACET_TRY(choose_layouts(x));
  FACET_TRY(choose_kept(x));
  FACET_TRY(number_constants(x));
  FACET_TRY(facet_network_parameter_list(n, &x->parameter, &x->parameters));
  for (int i = 0; i < x->parameters; i++)
    largest = x->parameter[i].size > largest ? x->parameter[i].size : largest;
  for (int v = 0; v < n->values; v++)
    channels = x->layout[v].channels > channels ? x->layout[v].channels : channels;
  for (int i = 0; i < x->steps; i++) {
    const facet_conv_shape *c = &x->step[i].lowered->conv;
    channels = c->out_channels > channels ? c->out_channels : channels;
    channels = c->in_channels > channels ? c->in_channels : channels;
  }
  FACET_TRY(facet_executor_own(x, (size_t)largest, x->real, &x->scratch));
  FACET_TRY(facet_executor_own(x, (size_t)channels, sizeof *x->sums, &x->sums));
  FACET_TRY(facet_executor_own(x, (size_t)x->options.batch, sizeof *x->ties, &x->ties));
  FACET_TRY(facet_executor_own(x, (size_t)x->options.batch, sizeof *x->unsure, &x->unsure));
  for (int i = 0; i < x->steps; i++)
    FACET_TRY(kinds[x->step[i].lowered->kind]->create(x, &x->step[i]));
  FACET_TRY(plan_forward(x));
  FACET_TRY(plan_backward(x));
  return facet_executor_refresh(x);
}

/* `blocks`: the kernel set whose liking decides the layouts. */
static facet_status create(const facet_network *network, facet_executor_options options, const facet_kernels *blocks,
                           facet_executor **executor)
{
  facet_executor *x;
  FACET_CHECK(network->finished, FACET_INTERNAL, "the network is not finished");
  FACET_NEW(x, 1);
  if (!options.kernels)
    options.kernels = options.real == FACET_F64 ? &facet_kernels_reference : &facet_kernels_dense;
  if (options.training)
    options.rows = 1;
  x->network = network;
  x->options = options;
  x->blocks = blocks ? blocks : options.kernels;
  x->e = facet_elementwise_of(options.real);
  x->real = facet_type_size(options.real);
  facet_status status = compile(x);
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
    void *owned[] = {&s->in_slot, &s->way,       &s->run,   &s->runs,      &s->fold,     &s->total,
                     &s->scale,   &s->shift,     &s->slope, &s->offset,    &s->slope_of, &s->rival,
                     &s->winner,  &s->constants, &s->mean,  &s->deviation, &s->source};
    for (size_t o = 0; o < sizeof owned / sizeof owned[0]; o++)
      facet_free(owned[o]);
  }
  facet_slots_end(&x->values);
  facet_slots_end(&x->adjoints);
  void *owned[] = {&x->layout, &x->slot,      &x->keep,    &x->step,  &x->constant_name, &x->ties,
                   &x->sums,   &x->parameter, &x->scratch, &x->whole, &x->unsure,        &x->adjoint_sums};
  for (size_t o = 0; o < sizeof owned / sizeof owned[0]; o++)
    facet_free(owned[o]);
  facet_free(executor);
}

facet_status facet_executor_refresh(facet_executor *x)
{
  facet_executor_destroy(&x->exact); /* made anew from the new constants when needed */
  for (int i = 0; i < x->steps; i++) {
    const facet_kind_row *kind = kinds[x->step[i].lowered->kind];
    if (kind->refresh)
      FACET_TRY(kind->refresh(x, &x->step[i]));
  }
  return FACET_OK;
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
  return x->own_bytes + facet_slots_bytes(&x->values) + facet_slots_bytes(&x->adjoints) +
         (x->exact ? facet_executor_bytes(x->exact) : 0);
}

/* ---- running ---- */

/* Runs steps up to `last` for the samples given; batch norm and all as compiled. */
static facet_status forward(facet_executor *x, const void *samples, int64_t count, int last)
{
  FACET_CHECK(count >= 1 && count <= x->options.batch, FACET_INTERNAL, "%lld samples in a batch of %lld",
              (long long)count, (long long)x->options.batch);
  int input = x->network->input;
  int64_t size = facet_value_size(x, input);
  char *to = facet_value_data(x, x->slot[input]);
  memcpy(to, samples, (size_t)(count * size) * x->real);
  memset(facet_at(x, to, count * size), 0, (size_t)((x->options.batch - count) * size) * x->real);
  memset(x->ties, 0, (size_t)x->options.batch * sizeof *x->ties);
  memset(x->unsure, 0, (size_t)x->options.batch * sizeof *x->unsure);
  x->count = count;
  for (int i = 0; i < last; i++)
    FACET_TRY(kinds[x->step[i].lowered->kind]->forward(x, &x->step[i]));
  return FACET_OK;
}

/* Takes the pattern of sample s from the double-precision executor, for the steps that it has run. */
static void take_pattern(facet_executor *x, int64_t s, int last)
{
  for (int i = 0; i < last; i++) {
    facet_step *to = &x->step[i];
    const facet_step *from = &x->exact->step[i];
    int64_t size = facet_value_size(x, to->output);
    if (to->winner)
      memcpy(to->winner + s * size, from->winner, (size_t)size * sizeof *to->winner);
    for (int64_t j = 0; to->slope && j < size; j++)
      ((float *)to->slope)[s * size + j] = (float)((const double *)from->slope)[j];
    for (int64_t j = 0; to->offset && j < size; j++)
      ((float *)to->offset)[s * size + j] = (float)((const double *)from->offset)[j];
  }
}

facet_status facet_executor_ready(facet_executor *x)
{
  facet_executor_options options = {.kernels = &facet_kernels_exact, .real = FACET_F64, .batch = 1};
  if (x->exact || x->options.real != FACET_F32 || x->options.training)
    return FACET_OK;
  return create(x->network, options, x->blocks, &x->exact);
}

/* A gate whose input is within rounding of 0 may stand on the wrong side in float, and one such gate changes whole
 * rows of W.  So samples that have one run once more in double, as far as needed, and take their pattern from there. */
facet_status facet_executor_settle(facet_executor *x, const double *samples)
{
  if (x->options.real != FACET_F32 || x->options.training)
    return FACET_OK;
  int64_t inputs = facet_value_size(x, x->network->input);
  for (int64_t s = 0; s < x->count; s++) {
    if (!x->unsure[s])
      continue;
    FACET_TRY(facet_executor_ready(x));
    FACET_TRY(forward(x->exact, samples + s * inputs, 1, x->unsure[s]));
    take_pattern(x, s, x->unsure[s]);
  }
  return FACET_OK;
}

facet_status facet_executor_forward(facet_executor *x, const void *samples, int64_t count)
{
  return forward(x, samples, count, x->steps);
}

facet_status facet_executor_value(const facet_executor *x, int value, double *out)
{
  FACET_CHECK(x->keep[value] || value == x->network->input, FACET_INTERNAL, "value %s is not kept",
              x->network->value[value].name);
  facet_layout layout = x->layout[value];
  for (int64_t s = 0; s < x->count; s++)
    x->e->unpack(layout, facet_at(x, facet_value_data(x, x->slot[value]), s * facet_layout_size(layout)),
                 out + s * layout.channels * layout.spatial);
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
  const facet_kind_row *kind = kinds[step->lowered->kind];
  int64_t size = facet_value_size(x, step->output);
  if (kind->bias && step->sources > 0)
    for (int64_t a = 0; a < facet_adjoints(x); a++)
      kind->bias(x, step, a / x->options.rows, facet_at(x, facet_adjoint_data(x, step->g_slot), a * size),
                 b_node + a * x->constants);
}

/* Steps from last to first; each time the adjoint of an output is complete, b takes what meets its constants. */
static facet_status backward(facet_executor *x, double *b_node, float *gradient)
{
  for (int i = x->steps - 1; i >= 0; i--) {
    facet_step *step = &x->step[i];
    const facet_kind_row *kind = kinds[step->lowered->kind];
    if (b_node && !step->sums_with_pullback)
      take_bias(x, step, b_node);
    if (gradient && kind->gradient)
      FACET_TRY(kind->gradient(x, step, gradient));
    bool unread = x->options.training && step->lowered->kind == KIND_LINEAR && step->way[0].to == OUTSIDE;
    if (!step->done_by_linear && !unread) /* in training nobody wants W */
      FACET_TRY(kind->pullback(x, step));
    if (b_node && step->sums_with_pullback)
      facet_linear_bias_late(x, step, b_node);
  }
  return FACET_OK;
}

facet_status facet_executor_pullback(facet_executor *x, const int32_t *row, void *w, double *b_node)
{
  FACET_CHECK(x->options.rows > 0 && !x->options.training && x->count > 0, FACET_INTERNAL,
              "pullback without rows or forward pass");
  int output = x->network->output;
  facet_layout layout = x->layout[output];
  int64_t size = facet_layout_size(layout), outputs = layout.channels * layout.spatial;
  void *g = facet_adjoint_data(x, x->output_adjoint);
  memset(g, 0, (size_t)(x->options.batch * x->options.rows * size) * x->real);
  for (int64_t a = 0; a < facet_adjoints(x); a++) {
    if (row[a] < 0)
      continue;
    FACET_CHECK(row[a] < outputs, FACET_INTERNAL, "row %d of %lld outputs", row[a], (long long)outputs);
    int64_t at = a * size + facet_layout_at(layout, row[a] / layout.spatial, row[a] % layout.spatial);
    if (x->options.real == FACET_F64)
      ((double *)g)[at] = 1;
    else
      ((float *)g)[at] = 1;
  }
  memset(b_node, 0, (size_t)(facet_adjoints(x) * x->constants) * sizeof *b_node);
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
