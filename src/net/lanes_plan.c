/* Planning a pass in lanes: how each value lies, which memory its adjoint has, and what each step needs. The slots of a
 * forward pass are dealt in lanes_forward_plan.c. */
#include "lanes.h"

enum { PLANE = 2 }; /* dimensions of a value beside channels */

/* ---- what is offered ---- */

static bool is_row(const facet_lanes_layout *l)
{
  return l->height * l->width == 1;
}

static bool linear_fits(const facet_executor *x, const facet_step *step)
{
  const facet_lowered *l = step->lowered;
  const facet_lanes_layout *in = &x->lanes->layout[step->input[0]], *out = &x->lanes->layout[step->output];
  bool inner = l->conv.spatial == 0;
  if (l->adjoint || l->images != 1 || (l->viewed && !inner) || (inner && !(is_row(in) && is_row(out))))
    return false;
  return l->conv.in_channels == in->channels && l->conv.out_channels == out->channels;
}

static bool step_fits(const facet_executor *x, const facet_step *step)
{
  if (x->lanes->forward && !facet_lanes_fits_forward(x, step))
    return false;
  switch (step->lowered->kind) {
  case KIND_LINEAR:
    return linear_fits(x, step);
  case KIND_WINDOW:
    return !step->lowered->flat;
  case KIND_SELECT:
  case KIND_CURVE:
  case KIND_SCALE:
  case KIND_NORM:
  case KIND_PRODUCT:
  case KIND_CONSTANT:
    return false;
  default:
    return true;
  }
}

/* Channels, height, width of a value. */
static bool plane_of(const facet_executor *x, int v, int64_t *size)
{
  facet_shape shape = x->network->value[v].shape;
  size[0] = shape.rank > 0 ? shape.dim[0] : 1;
  size[1] = shape.rank == PLANE + 1 ? shape.dim[1] : 1;
  size[2] = shape.rank > 1 ? shape.dim[shape.rank - 1] : 1;
  return shape.rank <= PLANE + 1;
}

/* Values whose pullback is asked for: the input, and what steps put out. */
static bool lay_out(facet_executor *x, int v, int64_t border)
{
  int64_t size[PLANE + 1];
  if (!plane_of(x, v, size))
    return false;
  x->lanes->layout[v] =
      facet_lanes_layout_of(size[0], size[1], size[2], x->network->value[v].shape.rank > 1 ? border : 0);
  if (size[0] > x->lanes->most_channels)
    x->lanes->most_channels = size[0];
  return x->lanes->layout[v].size < INT32_MAX / FACET_MOST_LANES;
}

static bool fits(facet_executor *x)
{
  int64_t border = 0;
  for (int i = 0; i < x->steps; i++) {
    const facet_lowered *l = x->step[i].lowered;
    int64_t own =
        l->kind == KIND_LINEAR ? facet_lanes_border(&l->conv, x->lanes->forward ? FACET_FORWARD : FACET_PULLBACK) : 0;
    if (own < 0)
      return false;
    border = own > border ? own : border;
  }
  bool all = lay_out(x, x->network->input, border);
  for (int i = 0; i < x->steps && all; i++)
    all = lay_out(x, x->step[i].output, border);
  for (int i = 0; i < x->steps && all; i++)
    all = step_fits(x, &x->step[i]);
  return all;
}

/* ---- slots ---- */

/* While slots are dealt out. */
typedef struct {
  facet_executor *x;
  facet_lanes_plan *p;
  int *have;    /* per value: the slot of its adjoint so far */
  int *pending; /* per value: steps that still give to it */
  int *users;   /* per slot */
  int *maker;   /* per value: the linear step that stored its adjoint as it is so far; -1: none */
} planning;

bool facet_lanes_same(const facet_lanes_layout *a, const facet_lanes_layout *b)
{
  return a->channels == b->channels && a->height == b->height && a->width == b->width && a->pitch == b->pitch &&
         a->plane == b->plane;
}

facet_status facet_lanes_slot(facet_lanes_plan *p, int **users, int v, int *slot)
{
  for (int s = 0; *users && s < p->slots; s++)
    if ((*users)[s] == 0 && facet_lanes_same(&p->slot[s], &p->layout[v])) {
      (*users)[s] = 1;
      *slot = s;
      return FACET_OK;
    }
  size_t count = (size_t)p->slots;
  FACET_TRY(facet_grow(&p->slot, count, count + 1, sizeof *p->slot));
  FACET_TRY(facet_grow(users, count, count + 1, sizeof **users));
  p->slot[p->slots] = p->layout[v];
  (*users)[p->slots] = 1;
  *slot = p->slots++;
  return FACET_OK;
}

/* The gate that made value v, if nothing else is still to come to v, or has come to what the gate took. */
static const facet_step *gate_before(const planning *d, int v)
{
  for (int i = 0; i < d->x->steps; i++) {
    const facet_step *step = &d->x->step[i];
    if (step->output == v)
      return step->lowered->kind == KIND_GATE && step->sources == 0 && d->pending[v] == 1 ? step : NULL;
  }
  return NULL;
}

/* Where something is added to value v: its own slot, if nobody else uses that. */
static facet_status add_to(planning *d, int v, int *to)
{
  int old = d->have[v];
  if (old != NO_SLOT && d->users[old] == 1) {
    *to = old;
    return FACET_OK;
  }
  FACET_TRY(facet_lanes_slot(d->p, &d->users, v, to));
  if (old != NO_SLOT)
    d->users[old]--;
  return FACET_OK;
}

/* Whether the input's adjoint is the output's. */
static bool passes(const planning *d, const facet_step *step, int j)
{
  const facet_lowered *l = step->lowered;
  bool same = facet_lanes_same(&d->p->layout[step->input[j]], &d->p->layout[step->output]);
  return d->have[step->input[j]] == NO_SLOT && same &&
         ((l->kind == KIND_SUM && l->coefficient[j] == 1) || (l->kind == KIND_MOVE && step->alias));
}

static facet_status plan_gate(planning *d, const facet_step *gate, facet_lanes_way *way, int v, int maker)
{
  int u = gate->input[0];
  way->after = d->have[u];
  FACET_TRY(add_to(d, v, &way->to)); /* of u's shape as well */
  if (way->after != NO_SLOT)
    d->users[way->after]--;
  d->have[v] = NO_SLOT;
  d->have[u] = way->to;
  d->maker[u] = maker;
  d->pending[u]--;
  return FACET_OK;
}

static facet_status plan_way(planning *d, int i, int j)
{
  facet_step *step = &d->x->step[i];
  facet_lanes_step *own = &d->p->step[i];
  facet_kind kind = step->lowered->kind;
  int v = step->input[j];
  bool pass = passes(d, step, j);
  facet_lanes_way *way = &own->way[j];
  *way = (facet_lanes_way){NO_SLOT, NO_SLOT, NO_SLOT};
  *(kind == KIND_GATE || (kind == KIND_DIAGONAL && !step->lowered->by_channel) ? &way->after : &way->addend) =
      d->have[v];
  if (kind == KIND_LINEAR && (own->gate = gate_before(d, v))) {
    d->p->step[own->gate - d->x->step].done = true;
    FACET_TRY(plan_gate(d, own->gate, way, v, i));
  } else if (pass) {
    way->to = own->g;
    d->users[own->g]++;
    d->have[v] = way->to;
    d->maker[v] = d->maker[step->output];
  } else {
    FACET_TRY(add_to(d, v, &way->to));
    d->have[v] = way->to;
    d->maker[v] = kind == KIND_LINEAR ? i : -1;
  }
  d->pending[v]--;
  return FACET_OK;
}

static bool by_channel(const facet_step *step)
{
  const facet_lowered *l = step->lowered;
  return step->sources > 0 && (l->kind == KIND_LINEAR ? !l->shift : l->kind == KIND_DIAGONAL && l->by_channel);
}

/* Has the step that stored the adjoint of step i's output sum it. */
static void plan_sums(planning *d, int i)
{
  facet_lanes_step *own = &d->p->step[i];
  const facet_step *step = &d->x->step[i];
  own->sums = own->sums_of = -1;
  if (step->lowered->kind == KIND_LINEAR)
    own->backwards = d->p->turns++ % 2 != 0;
  if (!by_channel(step) || d->maker[step->output] < 0)
    return;
  own->sums_of = d->maker[step->output];
  facet_lanes_step *maker = &d->p->step[own->sums_of];
  if (maker->sums < 0) {
    maker->sums = d->p->made_size;
    d->p->made_size += d->p->layout[step->output].channels * facet_lanes_count(d->x->options.real);
  }
}

static facet_status plan_steps(planning *d)
{
  facet_executor *x = d->x;
  for (int i = 0; i < x->steps; i++)
    for (int j = 0; j < x->step[i].inputs; j++)
      d->pending[x->step[i].input[j]]++;
  FACET_TRY(facet_lanes_slot(d->p, &d->users, x->network->output, &d->p->output));
  d->have[x->network->output] = d->p->output;
  for (int i = x->steps - 1; i >= 0; i--) {
    facet_lanes_step *own = &d->p->step[i];
    if (own->done)
      continue;
    FACET_NEW(own->way, x->step[i].inputs);
    own->g = d->have[x->step[i].output];
    plan_sums(d, i);
    for (int j = 0; j < x->step[i].inputs; j++)
      FACET_TRY(plan_way(d, i, j));
    d->users[own->g]--;
  }
  d->p->input = d->have[x->network->input];
  return FACET_OK;
}

static facet_status deal_slots(facet_executor *x)
{
  planning d = {.x = x, .p = x->lanes};
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, d.have, x->network->values);
  FACET_NEW_GO(done, status, d.pending, x->network->values);
  FACET_NEW_GO(done, status, d.maker, x->network->values);
  for (int v = 0; v < x->network->values; v++) {
    d.have[v] = NO_SLOT;
    d.maker[v] = -1;
  }
  status = plan_steps(&d);
done:
  FACET_FREE(&d.have, &d.pending, &d.users, &d.maker);
  return status;
}

/* ---- what steps need ---- */

static facet_status make_moves(facet_lanes_moves *m, int64_t count, bool factors)
{
  int32_t *source, *target;
  double *factor = NULL;
  m->channels = 1;
  FACET_NEW(source, count);
  m->source = source;
  FACET_NEW(target, count);
  m->target = target;
  if (factors)
    FACET_NEW(factor, count);
  m->factor = factor;
  return FACET_OK;
}

static void add_move(facet_lanes_moves *m, int64_t source, int64_t target)
{
  ((int32_t *)(uintptr_t)m->source)[m->count] = (int32_t)source;
  ((int32_t *)(uintptr_t)m->target)[m->count++] = (int32_t)target;
}

/* The input that element i of the output comes from; -1: none. */
static int64_t moves_from(const facet_lowered *l, int64_t i)
{
  return facet_move_source(l, i) < 0 ? -1 : l->from ? l->from[i] : 0;
}

facet_status facet_lanes_find_moves(const facet_executor *x, const facet_step *step, facet_lanes_step *own)
{
  const facet_lowered *l = step->lowered;
  const facet_lanes_layout *out = &x->lanes->layout[step->output];
  int64_t spatial = out->height * out->width, size = out->channels * spatial;
  FACET_NEW(own->moves, step->inputs);
  for (int j = 0; j < step->inputs; j++) {
    const facet_lanes_layout *in = &x->lanes->layout[step->input[j]];
    int64_t inner = in->height * in->width;
    int64_t count = 0;
    for (int64_t i = 0; i < size; i++)
      count += moves_from(l, i) == j;
    FACET_TRY(make_moves(&own->moves[j], count, false));
    for (int64_t i = 0; i < size; i++) {
      int64_t from = facet_move_source(l, i);
      if (moves_from(l, i) != j)
        continue;
      int64_t above = facet_lanes_place(out, i / spatial, i % spatial);
      int64_t below = facet_lanes_place(in, from / inner, from % inner);
      add_move(&own->moves[j], x->lanes->forward ? below : above, x->lanes->forward ? above : below);
    }
  }
  return FACET_OK;
}

static facet_status find_window(const facet_executor *x, const facet_step *step, facet_lanes_step *own)
{
  const facet_lowered *l = step->lowered;
  const facet_lanes_layout *out = &x->lanes->layout[step->output], *in = &x->lanes->layout[step->input[0]];
  facet_layout lies = x->layout[step->input[0]];
  int64_t windows = out->height * out->width;
  if (l->maximum) {
    FACET_NEW(own->place, facet_layout_size(lies));
    for (int64_t c = 0; c < lies.channels; c++)
      for (int64_t s = 0; s < lies.spatial; s++)
        own->place[facet_layout_at(lies, c, s)] = (int32_t)facet_lanes_place(in, c, s);
    return FACET_OK;
  }
  facet_lanes_moves *m = &own->moves[0];
  FACET_TRY(make_moves(m, l->begin[windows], true));
  m->channels = in->channels;
  m->source_step = out->plane;
  m->target_step = in->plane;
  for (int64_t s = 0; s < windows; s++)
    for (int64_t t = l->begin[s]; t < l->begin[s + 1]; t++) {
      ((double *)(uintptr_t)m->factor)[m->count] = l->weight_of[s] * (l->tap ? l->tap[t] : 1);
      add_move(m, facet_lanes_place(out, 0, s), facet_lanes_place(in, 0, l->position[t]));
    }
  return FACET_OK;
}

facet_status facet_lanes_find_factors(const facet_executor *x, const facet_step *step, facet_lanes_step *own)
{
  int64_t channels = x->lanes->layout[step->output].channels;
  if (!(own->factor = facet_allocate((size_t)(step->inputs * channels), x->real)))
    return FACET_OS;
  for (int64_t k = 0; k < step->inputs * channels; k++)
    facet_executor_put(x, own->factor, k, step->lowered->coefficient[k / channels]);
  return FACET_OK;
}

static facet_status equip(facet_executor *x, int i)
{
  const facet_step *step = &x->step[i];
  const facet_lowered *l = step->lowered;
  facet_lanes_step *own = &x->lanes->step[i];
  const facet_lanes_layout *layout = x->lanes->layout;
  switch (l->kind) {
  case KIND_LINEAR:
    return facet_lanes_create(&l->conv, x->options.real, FACET_PULLBACK, &layout[step->output], &layout[step->input[0]],
                              &own->conv);
  case KIND_SUM:
    return facet_lanes_find_factors(x, step, own);
  case KIND_MOVE:
    return facet_lanes_find_moves(x, step, own);
  case KIND_WINDOW:
    FACET_NEW(own->moves, 1);
    return find_window(x, step, own);
  default:
    return FACET_OK;
  }
}

facet_status facet_lanes_plan_create(facet_executor *x)
{
  bool forward = x->options.rows == 0;
  if (x->options.training || !x->may_lanes || (forward && (x->options.real != FACET_F32 || x->options.touched)))
    return FACET_OK;
  FACET_NEW(x->lanes, 1);
  x->lanes->forward = forward;
  FACET_NEW(x->lanes->layout, x->network->values);
  FACET_NEW(x->lanes->step, x->steps);
  if (!fits(x)) {
    facet_lanes_plan_destroy(x);
    return FACET_OK;
  }
  return forward ? facet_lanes_plan_forward(x) : deal_slots(x);
}

facet_status facet_lanes_equip(facet_executor *x)
{
  for (int i = 0; i < x->steps; i++)
    FACET_TRY(x->lanes->forward ? facet_lanes_equip_forward(x, i) : equip(x, i));
  return FACET_OK;
}

static int64_t linear_bytes(const facet_conv_shape *c)
{
  int64_t volume = 1, phases = 1;
  for (int d = 0; d < c->spatial; d++) {
    volume *= c->kernel[d];
    phases *= c->stride[d];
  }
  int64_t begins = (c->in_channels * phases + 1) * (int64_t)sizeof(int64_t);
  return begins + (phases + volume) * FACET_LANES_BYTES + (c->in_channels + c->out_channels) * (int64_t)sizeof(double);
}

int64_t facet_lanes_step_bytes(const facet_executor *x, int i)
{
  const facet_step *step = &x->step[i];
  const facet_lowered *l = step->lowered;
  const facet_lanes_layout *out = &x->lanes->layout[step->output];
  int64_t positions = out->height * out->width, move = 2 * (int64_t)sizeof(int32_t);
  switch (l->kind) {
  case KIND_LINEAR:
    return linear_bytes(&l->conv);
  case KIND_SUM:
    return step->inputs * out->channels * (int64_t)x->real;
  case KIND_MOVE:
    return out->channels * positions * move;
  case KIND_WINDOW:
    return l->maximum && !x->lanes->forward ? facet_value_size(x, step->input[0]) * (int64_t)sizeof(int32_t)
                                            : l->begin[positions] * (move + (int64_t)sizeof(double));
  default:
    return 0;
  }
}

static void strip(const facet_step *step, facet_lanes_step *s)
{
  for (int j = 0; s->moves && j < (step->lowered->kind == KIND_MOVE ? step->inputs : 1); j++) {
    void *source = (void *)(uintptr_t)s->moves[j].source, *target = (void *)(uintptr_t)s->moves[j].target;
    void *factor = (void *)(uintptr_t)s->moves[j].factor;
    FACET_FREE(&source, &target, &factor);
  }
  facet_lanes_destroy(&s->conv);
  FACET_FREE(&s->moves, &s->place, &s->factor);
}

void facet_lanes_release(facet_executor *x)
{
  facet_lanes_plan *p = x->lanes;
  for (int i = 0; p->step && i < x->steps; i++)
    strip(&x->step[i], &p->step[i]);
  for (int i = 0; p->data && i < p->workers * p->slots; i++)
    facet_free(&p->data[i]);
  for (int v = 0; p->kept && v < x->network->values; v++)
    facet_free(&p->kept[v]);
  FACET_FREE(&p->data, &p->sums, &p->made, &p->kept);
  p->bytes = 0;
}

void facet_lanes_plan_destroy(facet_executor *x)
{
  facet_lanes_plan *p = x->lanes;
  if (!p)
    return;
  facet_lanes_release(x);
  for (int i = 0; p->step && i < x->steps; i++)
    facet_free(&p->step[i].way);
  FACET_FREE(&p->layout, &p->step, &p->slot, &p->slot_of, &p->order);
  facet_free(&x->lanes);
}
