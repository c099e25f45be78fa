/* Where values and adjoints lie: planned before anything runs, so that memory is used again after its last reader,
 * forward and backward, and so that steps work in place or leave sums to their neighbours where they can. */
#include "executor.h"

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

/* ---- forward: values ---- */

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
    bool pointwise = step->lowered->kind == KIND_GATE || facet_kind_is_factor(step->lowered->kind) ||
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
done:
  facet_free(&left);
  return status;
}

/* ---- backward: adjoints ---- */

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
    bool pointwise = kind == KIND_GATE || kind == KIND_DIAGONAL || facet_kind_is_factor(kind);
    bool in_place = pointwise && slots->slot[step->g_slot].users == 1;
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
    if (!linear->pulled || linear->lowered->kind != KIND_LINEAR || linear->way[0].addend == NO_SLOT ||
        gate->lowered->kind != KIND_GATE || gate->output != linear->input[0] || gate->way[0].addend != NO_SLOT ||
        gate->sources > 0)
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
    int offered = step->pullback && step->pulled && !plain ? k->conv_fuses(step->pullback) : 0;
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
    if (step->g_slot == NO_SLOT)
      continue;
    for (int j = 0; j < step->ways; j++)
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
done:
  facet_free(&have);
  return status;
}

facet_status facet_executor_need_values(facet_executor *x)
{
  if (x->values_there)
    return FACET_OK;
  FACET_TRY(facet_slots_allocate(&x->values));
  x->values_there = true;
  return FACET_OK;
}

facet_status facet_executor_need_adjoints(facet_executor *x)
{
  if (x->adjoints_there)
    return FACET_OK;
  FACET_TRY(facet_slots_allocate(&x->adjoints));
  x->adjoints_there = true;
  return FACET_OK;
}

void facet_executor_drop_values(facet_executor *x)
{
  facet_slots_empty(&x->values);
  x->values_there = false;
}

void facet_executor_drop_adjoints(facet_executor *x)
{
  facet_slots_empty(&x->adjoints);
  x->adjoints_there = false;
}

facet_status facet_executor_plan_buffers(facet_executor *x)
{
  FACET_TRY(choose_kept(x));
  FACET_TRY(plan_forward(x));
  return plan_backward(x);
}
