/* Planning a forward pass in lanes: what is done together, and in which memory each value lies.
 *
 * A sum of two branches and a gate are done where what they read is stored, if nobody else reads that: the later branch
 * adds the earlier one, in its place if it can.  Moves come as early as they can, so that a branch which only moves is
 * the earlier one. */
#include "lanes.h"

bool facet_lanes_fits_forward(const facet_executor *x, const facet_step *step)
{
  const facet_lowered *l = step->lowered;
  (void)x;
  switch (l->kind) {
  case KIND_LINEAR:
  case KIND_SUM:
    return !l->shift;
  case KIND_DIAGONAL:
    return l->by_channel;
  case KIND_GATE:
    return facet_gate_is_simple(l);
  case KIND_MOVE:
    return l->fill == 0 && !l->fill_of;
  case KIND_WINDOW:
    return !l->shift;
  default:
    return false;
  }
}

/* While slots are dealt out. */
typedef struct {
  facet_executor *x;
  facet_lanes_plan *p;
  int *readers; /* per value: how often steps still read it; what stays is read once more */
  int *user;    /* per value: the last step that reads it */
  int *users;   /* per slot: values that lie there */
} planning;

static void release(planning *d, int v)
{
  if (--d->readers[v] == 0)
    d->users[d->p->slot_of[v]]--;
}

/* The step of a kind that alone reads a value; NULL: there is none. */
static facet_step *only_reader(const planning *d, int v, facet_kind kind)
{
  facet_step *step = &d->x->step[d->user[v]];
  return d->readers[v] == 1 && !d->x->keep[v] && step->lowered->kind == kind ? step : NULL;
}

/* What a step that makes `v` can add so that a sum is done; NO_VALUE: nothing. */
static int added_by(const planning *d, int v, const facet_step *sum)
{
  if (!sum || sum->inputs != 2 || sum->lowered->coefficient[0] != 1 || sum->lowered->coefficient[1] != 1)
    return NO_VALUE;
  int other = sum->input[sum->input[0] == v];
  return other != v && d->p->slot_of[other] != NO_SLOT ? other : NO_VALUE;
}

/* Has a step do the sum and the gate that follow; returns the value that it stores. */
static int join(planning *d, facet_lanes_step *own, int v, int *addend)
{
  facet_step *sum = only_reader(d, v, KIND_SUM), *gate;
  *addend = added_by(d, v, sum);
  if (*addend != NO_VALUE) {
    d->p->step[sum - d->x->step].done = true;
    v = sum->output;
  }
  if ((gate = only_reader(d, v, KIND_GATE))) {
    d->p->step[gate - d->x->step].done = true;
    own->gate = gate;
    v = gate->output;
  }
  return v;
}

/* Whether a step's output is its input. */
static bool passes(const planning *d, const facet_step *step)
{
  return step->lowered->kind == KIND_MOVE && step->alias &&
         facet_lanes_same(&d->p->layout[step->input[0]], &d->p->layout[step->output]);
}

/* Whether a step can store where its first input lies, which nobody else reads. */
static bool in_place(const planning *d, const facet_step *step)
{
  facet_kind kind = step->lowered->kind;
  int v = step->input[0];
  return (kind == KIND_GATE || kind == KIND_DIAGONAL || kind == KIND_SUM) && d->readers[v] == 1 &&
         d->users[d->p->slot_of[v]] == 1;
}

static facet_status plan_step(planning *d, int i)
{
  facet_step *step = &d->x->step[i];
  facet_lanes_step *own = &d->p->step[i];
  bool linear = step->lowered->kind == KIND_LINEAR;
  int v = step->output, addend = NO_VALUE;
  FACET_NEW(own->way, step->inputs);
  for (int j = 0; j < step->inputs; j++)
    own->way[j] = (facet_lanes_way){d->p->slot_of[step->input[j]], NO_SLOT, NO_SLOT};
  if (linear || step->lowered->kind == KIND_DIAGONAL)
    v = join(d, own, v, &addend);
  own->backwards = linear && d->p->turns++ % 2 != 0;
  d->p->order[d->p->runs++] = i;
  int *slot = &d->p->slot_of[v];
  if (addend != NO_VALUE) {
    own->way[0].addend = d->p->slot_of[addend];
    release(d, addend);
  }
  bool over = addend != NO_VALUE && d->readers[addend] == 0 && d->users[own->way[0].addend] == 0;
  if (passes(d, step) || over || in_place(d, step)) {
    *slot = over ? own->way[0].addend : own->way[0].to;
    d->users[*slot]++;
  } else {
    FACET_TRY(facet_lanes_slot(d->p, &d->users, v, slot));
  }
  own->g = *slot;
  own->stores = v;
  for (int j = 0; j < step->inputs; j++)
    release(d, step->input[j]);
  return FACET_OK;
}

/* Moves that are not planned yet, and of what is there. */
static facet_status plan_moves(planning *d)
{
  for (int i = 0; i < d->x->steps; i++) {
    const facet_step *step = &d->x->step[i];
    bool ready = step->lowered->kind == KIND_MOVE && d->p->slot_of[step->output] == NO_SLOT;
    for (int j = 0; j < step->inputs; j++)
      ready = ready && d->p->slot_of[step->input[j]] != NO_SLOT;
    if (ready)
      FACET_TRY(plan_step(d, i));
  }
  return FACET_OK;
}

static bool is_planned(const planning *d, int i)
{
  return d->p->step[i].done || d->p->slot_of[d->x->step[i].output] != NO_SLOT;
}

static facet_status plan_steps(planning *d)
{
  facet_executor *x = d->x;
  for (int i = 0; i < x->steps; i++)
    for (int j = 0; j < x->step[i].inputs; j++) {
      d->readers[x->step[i].input[j]]++;
      d->user[x->step[i].input[j]] = i;
    }
  for (int v = 0; v < x->network->values; v++)
    d->readers[v] += x->keep[v];
  FACET_TRY(facet_lanes_slot(d->p, &d->users, x->network->input, &d->p->slot_of[x->network->input]));
  d->p->input = d->p->slot_of[x->network->input];
  FACET_TRY(plan_moves(d));
  for (int i = 0; i < x->steps; i++)
    if (!is_planned(d, i)) {
      FACET_TRY(plan_step(d, i));
      FACET_TRY(plan_moves(d));
    }
  d->p->output = d->p->slot_of[x->network->output];
  return FACET_OK;
}

facet_status facet_lanes_plan_forward(facet_executor *x)
{
  planning d = {.x = x, .p = x->lanes};
  facet_status status = FACET_OK;
  FACET_NEW(x->lanes->order, x->steps);
  FACET_NEW(x->lanes->slot_of, x->network->values);
  for (int v = 0; v < x->network->values; v++)
    x->lanes->slot_of[v] = NO_SLOT;
  FACET_NEW_GO(done, status, d.readers, x->network->values);
  FACET_NEW_GO(done, status, d.user, x->network->values);
  status = plan_steps(&d);
done:
  FACET_FREE(&d.readers, &d.user, &d.users);
  return status;
}

/* ---- what steps need ---- */

static facet_status find_places(const facet_executor *x, const facet_step *step, facet_lanes_step *own)
{
  const facet_lowered *l = step->lowered;
  const facet_lanes_layout *out = &x->lanes->layout[step->output], *in = &x->lanes->layout[step->input[0]];
  int64_t count = l->begin[out->height * out->width];
  FACET_NEW(own->place, count);
  for (int64_t t = 0; t < count; t++)
    own->place[t] = (int32_t)(facet_lanes_place(in, 0, l->position[t]) - in->before);
  return FACET_OK;
}

facet_status facet_lanes_equip_forward(facet_executor *x, int i)
{
  const facet_step *step = &x->step[i];
  facet_lanes_step *own = &x->lanes->step[i];
  const facet_lanes_layout *layout = x->lanes->layout;
  switch (own->done ? KIND_GATE : step->lowered->kind) {
  case KIND_LINEAR:
    return facet_lanes_create(&step->lowered->conv, x->options.real, FACET_FORWARD, &layout[step->input[0]],
                              &layout[step->output], &own->conv);
  case KIND_MOVE:
    return facet_lanes_find_moves(x, step, own);
  case KIND_WINDOW:
    return find_places(x, step, own);
  case KIND_SUM:
    return facet_lanes_find_factors(x, step, own);
  default:
    return FACET_OK;
  }
}
