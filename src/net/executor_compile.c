/* From a network to steps: diagonals by channel are folded into the node before them, except in training; values that
 * only elementwise kinds connect share a layout, blocked if a convolution touches them. */
#include "executor.h"
#include "lanes.h"

#include <string.h>

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
  step->ways = step->inputs - node->lowered->frozen;
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

/* The last node that reads each value; -1: none. Caller frees. */
static facet_status find_readers(const facet_network *n, int **reader)
{
  FACET_NEW(*reader, n->values);
  for (int v = 0; v < n->values; v++)
    (*reader)[v] = -1;
  for (int i = 0; i < n->nodes; i++)
    for (int j = 0; j < n->node[i].lowered->inputs; j++)
      (*reader)[n->node[i].lowered->input[j]] = i;
  return FACET_OK;
}

static facet_status make_steps(facet_executor *x, const int *reader)
{
  const facet_network *n = x->network;
  facet_status status = FACET_OK;
  bool *folded = NULL;
  FACET_NEW(x->step, n->nodes);
  FACET_NEW(folded, n->nodes);
  for (int i = 0; i < n->nodes; i++) {
    if (folded[i])
      continue;
    facet_step *step = &x->step[x->steps];
    FACET_GO(done, status, fill_step(x, step, &n->node[i]));
    if (takes_folds(x, step->lowered))
      FACET_GO(done, status, collect_folds(x, step, reader, folded));
  }
done:
  facet_free(&folded);
  return status;
}

/* Steps whose nodes a block does go. */
static facet_status join_blocks(facet_executor *x, const int *reader)
{
  facet_status status = FACET_OK;
  int kept = 0;
  bool *joined;
  FACET_NEW(joined, x->network->nodes);
  for (int i = 0; i < x->steps; i++)
    FACET_GO(done, status, facet_block_join(x, reader, &x->step[i], joined));
  for (int i = 0; i < x->steps; i++) {
    facet_step *step = &x->step[i];
    if (joined[step->node - x->network->node])
      FACET_FREE(&step->in_slot, &step->way, &step->run, &step->runs);
    else
      x->step[kept++] = *step;
  }
  memset(x->step + kept, 0, (size_t)(x->steps - kept) * sizeof *x->step);
  x->steps = kept;
done:
  facet_free(&joined);
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
    if (kind != KIND_LINEAR && kind != KIND_MOVE && kind != KIND_PRODUCT && !step->lowered->flat)
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

/* ---- constants that b is split over ---- */

/* Whether a node adds a constant of its own. */
static bool adds_constant(const facet_lowered *l)
{
  bool offset = false;
  for (int p = 0; l->kind == KIND_GATE && p < l->pieces; p++)
    offset = offset || l->offset[p] != 0;
  return l->bias != NO_VALUE || l->shift || l->batch_norm || offset || (l->kind == KIND_SELECT && l->constants > 0) ||
         l->beta != NO_VALUE || l->kind == KIND_CONSTANT || (l->kind == KIND_MOVE && (l->fill != 0 || l->fill_of));
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

/* ---- all of it ---- */

/* From the output on, by ways. */
static facet_status find_pulled(facet_executor *x)
{
  bool *reached;
  FACET_NEW(reached, x->network->values);
  reached[x->network->output] = true;
  for (int i = x->steps - 1; i >= 0; i--) {
    facet_step *step = &x->step[i];
    step->pulled = reached[step->output];
    for (int j = 0; step->pulled && j < step->ways; j++)
      reached[step->input[j]] = true;
  }
  facet_free(&reached);
  return FACET_OK;
}

static facet_status plan_steps(facet_executor *x)
{
  int *reader;
  FACET_TRY(find_readers(x->network, &reader));
  facet_status status = make_steps(x, reader);
  if (status == FACET_OK)
    status = find_pulled(x);
  if (status == FACET_OK)
    status = choose_layouts(x);
  if (status == FACET_OK && x->options.training && x->options.kernels->blocks)
    status = join_blocks(x, reader);
  facet_free(&reader);
  return status;
}

facet_status facet_executor_compile(facet_executor *x)
{
  const facet_network *n = x->network;
  int64_t channels = 1, largest = 1;
  FACET_TRY(plan_steps(x));
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
  FACET_TRY(facet_rounding_create(x));
  for (int i = 0; i < x->steps; i++)
    FACET_TRY(facet_kind_of(&x->step[i])->create(x, &x->step[i]));
  for (int i = 0; i < x->steps; i++)
    if (x->step[i].pulled && facet_step_chooses(&x->step[i]))
      x->patterned = i + 1;
  FACET_TRY(facet_touched_create(x));
  FACET_TRY(facet_executor_plan_buffers(x));
  FACET_TRY(facet_lanes_plan_create(x));
  if (!x->options.blank)
    return facet_executor_refresh(x);
  FACET_TRY(facet_executor_need_values(x));
  return facet_executor_need_adjoints(x);
}
