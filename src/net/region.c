/* A region: its memory, the sample that is entered, points that are carried forward. See region.h. */
#include "region_parts.h"

/* Kernels in double are fastest where channels lie in eights. */
static int64_t eights(int64_t channels)
{
  return channels >= 8 ? 8 : 1;
}

/* ---- memory ---- */

static facet_status add_live(facet_chooser *c, int slot, int64_t size)
{
  FACET_TRY(facet_grow(&c->live, (size_t)c->lives, (size_t)c->lives + 1, sizeof *c->live));
  c->live[c->lives++] = (facet_live_adjoint){slot, size};
  return FACET_OK;
}

/* made: by value, the step that makes it; the input's is -1, and those of constants are too late. have: where adjoints
 * lie once all steps from this one on were pulled back. */
static facet_status find_live(facet_region *r, facet_chooser *c, const int *made, const int *have)
{
  const facet_executor *x = r->own;
  for (int v = 0; v < x->network->values; v++)
    if (have[v] != NO_SLOT && made[v] < c->step)
      FACET_TRY(add_live(c, have[v], facet_value_size(x, v)));
  return FACET_OK;
}

static facet_status find_lives(facet_region *r, int *made, int *have)
{
  const facet_executor *x = r->own;
  for (int v = 0; v < x->network->values; v++) {
    made[v] = x->steps;
    have[v] = NO_SLOT;
  }
  made[x->network->input] = -1;
  for (int i = 0; i < x->steps; i++)
    made[x->step[i].output] = i;
  have[x->network->output] = x->output_adjoint;
  FACET_TRY(find_live(r, &r->chooser[r->choosers], made, have));
  for (int i = x->steps - 1, c = r->choosers - 1; i >= 0; i--) {
    for (int j = 0; j < x->step[i].inputs; j++)
      have[x->step[i].input[j]] = x->step[i].way[j].to;
    if (facet_step_chooses(&x->step[i]))
      FACET_TRY(find_live(r, &r->chooser[c--], made, have));
  }
  return FACET_OK;
}

static facet_status make_lives(facet_region *r)
{
  int *made = NULL, *have = NULL;
  facet_status status;
  FACET_NEW_GO(done, status, made, r->own->network->values);
  FACET_NEW_GO(done, status, have, r->own->network->values);
  status = find_lives(r, made, have);
done:
  FACET_FREE(&made, &have);
  return status;
}

static facet_status make(const facet_network *network, facet_region *r)
{
  FACET_TRY(facet_network_need_pieces(network, "reach"));
  r->kernels = facet_kernels_exact;
  r->kernels.block = eights;
  facet_executor_options options = {.kernels = &r->kernels, .real = FACET_F64, .batch = 1, .rows = FACET_REGION_ROWS};
  FACET_TRY(facet_executor_create(network, options, &r->own));
  options.batch = FACET_REGION_POINTS;
  options.rows = 0;
  FACET_TRY(facet_executor_create(network, options, &r->points));
  int64_t most = 1;
  r->classes = facet_network_outputs(network);
  r->choosers = facet_executor_gates(r->own);
  FACET_NEW(r->chooser, r->choosers + 1);
  for (int i = 0, c = 0; i < r->own->steps; i++) {
    if (!facet_step_chooses(&r->own->step[i]))
      continue;
    int64_t count = facet_step_walls(r->own, &r->own->step[i]);
    r->chooser[c++] = (facet_chooser){.step = i, .part = {.first = r->walls, .count = count}};
    r->walls += count;
    most = count > most ? count : most;
  }
  r->chooser[r->choosers] = (facet_chooser){.step = r->own->steps, .part = {.first = r->walls, .count = r->classes}};
  most = r->classes > most ? r->classes : most;
  FACET_NEW(r->side, r->walls);
  FACET_NEW(r->distance, r->walls + r->classes);
  FACET_NEW(r->logits, r->classes);
  FACET_NEW(r->point_logits, FACET_REGION_POINTS * r->classes);
  FACET_NEW(r->d, most);
  FACET_NEW(r->b_node, FACET_REGION_ROWS * r->own->constants);
  return make_lives(r);
}

facet_status facet_region_create(const facet_network *network, facet_region **region)
{
  *region = NULL;
  facet_region *r;
  FACET_NEW(r, 1);
  facet_status status = make(network, r);
  if (status != FACET_OK)
    facet_region_destroy(&r);
  *region = r;
  return status;
}

void facet_region_destroy(facet_region **region)
{
  facet_region *r = *region;
  if (!r)
    return;
  for (int c = 0; r->chooser && c <= r->choosers; c++)
    facet_free(&r->chooser[c].live);
  facet_executor_destroy(&r->own);
  facet_executor_destroy(&r->points);
  FACET_FREE(&r->chooser, &r->side, &r->distance, &r->logits, &r->point_logits, &r->d, &r->b_node);
  facet_free(region);
}

void facet_region_pauses(facet_region *r, facet_status (*pause)(void *context), void *context)
{
  facet_executor_pauses(r->own, pause, context);
  facet_executor_pauses(r->points, pause, context);
}

/* ---- points ---- */

static void turn(const int8_t *side, int64_t count, double *d)
{
  for (int64_t i = 0; i < count; i++)
    d[i] *= side[i];
}

static void take_walls(facet_region *r, int chooser, facet_wall_sink sink)
{
  const facet_chooser *c = &r->chooser[chooser];
  for (int64_t s = 0; s < r->points->count; s++) {
    double rounding = facet_step_compare(r->points, facet_chooser_step(r, r->points, chooser),
                                         facet_chooser_step(r, r->own, chooser), s, r->d);
    turn(r->side + c->part.first, c->part.count, r->d);
    sink.take(sink.context, s, chooser, r->d, rounding);
  }
}

static facet_status take_contrasts(facet_region *r, facet_wall_sink sink)
{
  FACET_TRY(facet_executor_output(r->points, r->point_logits));
  for (int64_t s = 0; s < r->points->count; s++) {
    const double *logits = r->point_logits + s * r->classes;
    for (int64_t k = 0; k < r->classes; k++)
      r->d[k] = logits[r->predicted] - logits[k];
    sink.take(sink.context, s, r->choosers, r->d, 2 * facet_rounding(r->points, r->points->network->output, s));
  }
  return FACET_OK;
}

facet_status facet_region_carry(facet_region *r, const double *x, int64_t count, facet_wall_sink sink)
{
  facet_executor *y = r->points;
  FACET_TRY(facet_executor_begin(y, x, count));
  for (int i = 0, c = 0; i < y->steps; i++) {
    facet_step *step = &y->step[i];
    FACET_TRY(facet_executor_pause(y));
    facet_rounding_follow(y, step);
    if (!facet_step_chooses(step)) {
      FACET_TRY(facet_kind_of(step)->forward(y, step));
      continue;
    }
    take_walls(r, c++, sink);
    FACET_TRY(facet_step_frozen(y, step, &r->own->step[i]));
  }
  return take_contrasts(r, sink);
}

/* ---- the sample ---- */

/* Which side of every wall it is on: of a gate's boundary, or, of who won, ahead. */
static void take_sample(void *self, int64_t point, int part, const double *d, double rounding)
{
  facet_region *r = self;
  (void)point;
  facet_chooser *c = &r->chooser[part];
  bool gate = part < r->choosers && facet_chooser_step(r, r->own, part)->slope;
  c->part.rounding = rounding;
  for (int64_t i = 0; i < c->part.count; i++) {
    int8_t side = gate && !(d[i] > rounding) ? -1 : 1;
    r->distance[c->part.first + i] = side * d[i];
    if (part < r->choosers)
      r->side[c->part.first + i] = side;
  }
}

facet_status facet_region_enter(facet_region *r, const double *x)
{
  FACET_TRY(facet_executor_forward(r->own, x, 1));
  FACET_TRY(facet_executor_output(r->own, r->logits));
  r->predicted = 0;
  for (int64_t k = 1; k < r->classes; k++)
    r->predicted = r->logits[k] > r->logits[r->predicted] ? k : r->predicted;
  for (int64_t i = 0; i < r->walls; i++)
    r->side[i] = 1;
  return facet_region_carry(r, x, 1, (facet_wall_sink){take_sample, r});
}

int64_t facet_region_walls(const facet_region *r)
{
  return r->walls;
}

const double *facet_region_distances(const facet_region *r)
{
  return r->distance;
}

int64_t facet_region_class(const facet_region *r)
{
  return r->predicted;
}

int facet_region_parts(const facet_region *r)
{
  return r->choosers + 1;
}

facet_wall_part facet_region_part(const facet_region *r, int part)
{
  return r->chooser[part].part;
}

int facet_region_part_of(const facet_region *r, int64_t wall)
{
  int part = 0;
  while (wall >= r->chooser[part].part.first + r->chooser[part].part.count)
    part++;
  return part;
}

facet_wall_name facet_region_name(const facet_region *r, int64_t wall)
{
  int c = facet_region_part_of(r, wall);
  facet_wall_name name =
      facet_step_name(r->own, facet_chooser_step(r, r->own, c), wall - r->chooser[c].part.first, r->side[wall]);
  name.gate = c;
  return name;
}

facet_status facet_region_compare(facet_region *r, const double *x, int64_t count, int64_t *differs, double *logits)
{
  FACET_TRY(facet_executor_forward(r->points, x, count));
  for (int64_t s = 0; s < count; s++) {
    differs[s] = 0;
    for (int c = 0; c < r->choosers; c++)
      differs[s] += facet_executor_gate_differs(r->own, 0, r->points, s, c);
  }
  return facet_executor_output(r->points, logits);
}

/* ---- rows ---- */

static void clear_live(facet_region *r, const facet_chooser *c)
{
  for (int i = 0; i < c->lives; i++)
    memset(facet_adjoint_data(r->own, c->live[i].slot), 0,
           (size_t)(FACET_REGION_ROWS * c->live[i].size) * sizeof(double));
}

static void place_contrast(facet_region *r, int64_t row, int64_t class)
{
  const facet_executor *x = r->own;
  facet_layout l = x->layout[x->network->output];
  double *g = (double *)facet_adjoint_data(x, x->output_adjoint) + row * facet_layout_size(l);
  g[facet_layout_at(l, r->predicted / l.spatial, r->predicted % l.spatial)] += 1;
  g[facet_layout_at(l, class / l.spatial, class % l.spatial)] -= 1;
}

/* Those that belong to a step begin there. */
static void place_walls(facet_region *r, int chooser, int64_t count, const int64_t *wall, double *constant)
{
  const facet_chooser *c = &r->chooser[chooser];
  for (int64_t k = 0; k < count; k++) {
    if (facet_region_part_of(r, wall[k]) != chooser)
      continue;
    if (chooser == r->choosers)
      place_contrast(r, k, wall[k] - r->walls);
    else
      constant[k] = facet_step_place(r->own, facet_chooser_step(r, r->own, chooser), wall[k] - c->part.first, k,
                                     r->side[wall[k]]);
  }
}

facet_status facet_region_rows(facet_region *r, int64_t count, const int64_t *wall, double *row, double *constant)
{
  facet_executor *x = r->own;
  int last = 0;
  x->adjoints.slot[OUTSIDE].data = row;
  memset(row, 0, (size_t)(FACET_REGION_ROWS * facet_network_inputs(x->network)) * sizeof *row);
  memset(r->b_node, 0, (size_t)(FACET_REGION_ROWS * x->constants) * sizeof *r->b_node);
  memset(constant, 0, (size_t)count * sizeof *constant);
  for (int64_t k = 0; k < count; k++)
    last = facet_region_part_of(r, wall[k]) > last ? facet_region_part_of(r, wall[k]) : last;
  clear_live(r, &r->chooser[last]);
  place_walls(r, last, count, wall, constant);
  for (int i = r->chooser[last].step - 1, c = last - 1; i >= 0; i--) {
    FACET_TRY(facet_executor_step_back(x, i, r->b_node, NULL));
    if (c >= 0 && r->chooser[c].step == i)
      place_walls(r, c--, count, wall, constant);
  }
  for (int64_t k = 0; k < count; k++)
    for (int j = 0; j < x->constants; j++)
      constant[k] += r->b_node[k * x->constants + j];
  return FACET_OK;
}
