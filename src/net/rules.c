/* Rules of propagation: see rules.h.  All values of a sample are kept, as for derivatives, whose linear nodes and terms
 * these are. */
#include "rules.h"

#include <math.h>
#include <string.h>

#include "derivative_parts.h"

static const double same = 1e-10; /* what secants take for one point: Captum's */

struct facet_rules {
  facet_derivative *d;
  double gamma;
  double *weight, *raised;              /* flat */
  double **baseline;                    /* by value: what it is at the baseline */
  double *kept, *part;                  /* one value each */
  int map;                              /* the value of the last convolution; NO_VALUE */
  facet_status (*pause)(void *context); /* NULL: nothing */
  void *pause_context;
};

/* ---- memory ---- */

static int last_convolution(const facet_network *network)
{
  int found = NO_VALUE;
  for (int i = 0; i < network->nodes; i++) {
    const facet_node *node = &network->node[i];
    if (strcmp(node->type, "Conv") == 0 && network->value[node->lowered->output].shape.rank > 1)
      found = node->lowered->output;
  }
  return found;
}

/* w + gamma max(w, 0), of the weights as their node has them. */
static void raise_weights(facet_rules *r)
{
  const facet_network *n = r->d->network;
  int64_t count = r->d->weights;
  facet_derivative_start(r->d, r->weight);
  memcpy(r->raised, r->weight, (size_t)count * sizeof *r->raised);
  for (int i = 0; i < n->nodes; i++) {
    const facet_lowered *l = n->node[i].lowered;
    int64_t at = l->kind == KIND_LINEAR ? r->d->node[i].offset : -1;
    for (int64_t j = at; at >= 0 && j < at + facet_shape_size(n->value[l->weight].shape); j++)
      if (l->weight_factor * r->weight[j] > 0)
        r->raised[j] = (1 + r->gamma) * r->weight[j];
  }
}

static facet_status make(facet_rules *r)
{
  int64_t largest = 0;
  const facet_derivative *d = r->d;
  FACET_NEW(r->weight, d->weights);
  FACET_NEW(r->raised, d->weights);
  FACET_NEW(r->baseline, d->network->values);
  for (int v = 0; v < d->network->values; v++) {
    largest = d->value[v].size > largest ? d->value[v].size : largest;
    if (d->value[v].u)
      FACET_NEW(r->baseline[v], d->value[v].size);
  }
  FACET_NEW(r->kept, largest);
  FACET_NEW(r->part, largest);
  r->map = last_convolution(d->network);
  raise_weights(r);
  return FACET_OK;
}

facet_status facet_rules_create(const facet_network *network, double gamma, facet_rules **rules)
{
  facet_rules *r;
  *rules = NULL;
  FACET_NEW(r, 1);
  r->gamma = gamma;
  facet_status status = facet_derivative_create(network, (facet_derivative_options){.batch = 1}, &r->d);
  if (status == FACET_OK)
    status = make(r);
  if (status != FACET_OK)
    facet_rules_destroy(&r);
  *rules = r;
  return status;
}

void facet_rules_destroy(facet_rules **rules)
{
  facet_rules *r = *rules;
  if (!r)
    return;
  for (int v = 0; r->baseline && v < r->d->network->values; v++)
    facet_free(&r->baseline[v]);
  FACET_FREE(&r->weight, &r->raised, &r->baseline, &r->kept, &r->part);
  facet_derivative_destroy(&r->d);
  facet_free(rules);
}

void facet_rules_pauses(facet_rules *r, facet_status (*pause)(void *context), void *context)
{
  r->pause = pause;
  r->pause_context = context;
}

/* ---- what all rules share ---- */

static const facet_lowered *node_of(const facet_rules *r, int node)
{
  return r->d->network->node[node].lowered;
}

static facet_status rest(const facet_rules *r)
{
  return r->pause ? r->pause(r->pause_context) : FACET_OK;
}

static facet_status forward(facet_rules *r, const double *x)
{
  facet_derivative *d = r->d;
  facet_derivative_value *in = &d->value[d->network->input];
  memcpy(in->u, x, (size_t)in->size * sizeof *x);
  for (int i = 0; i < d->network->nodes; i++) {
    FACET_TRY(rest(r));
    if (node_of(r, i)->kind == KIND_LINEAR)
      FACET_TRY(facet_derivative_linear_forward(d, i, r->weight, NULL));
    else
      facet_derivative_terms_forward(d, i, false);
  }
  return FACET_OK;
}

/* What goes back begins as `start` at the row, and 0 elsewhere. */
static facet_status begin(facet_rules *r, int32_t row, double start)
{
  facet_derivative *d = r->d;
  FACET_CHECK(row >= 0 && row < d->value[d->network->output].size, FACET_INTERNAL, "no row %d", row);
  for (int v = 0; v < d->network->values; v++)
    if (d->value[v].g)
      memset(d->value[v].g, 0, (size_t)d->value[v].size * sizeof(double));
  d->value[d->network->output].g[row] = start;
  return FACET_OK;
}

/* To the input of a linear node, by its transpose; times: factors of the elements, or NULL. */
static facet_status linear_back(facet_rules *r, int node, const double *weight, const double *times)
{
  facet_derivative_value *in = &r->d->value[node_of(r, node)->input[0]];
  const facet_derivative_value *out = &r->d->value[node_of(r, node)->output];
  FACET_TRY(facet_derivative_linear_apply(r->d, node, true, weight, out->g, r->part));
  for (int64_t i = 0; i < in->size; i++)
    in->g[i] += (times ? times[i] : 1) * r->part[i];
  return FACET_OK;
}

/* Element i of a node's output gives its inputs `share`, each times its factor in it. */
static void terms_back(facet_rules *r, int node, int64_t i, double share, bool times_input)
{
  double constant;
  int64_t count = facet_derivative_terms(r->d, node, 0, i, &constant);
  for (int64_t t = 0; t < count; t++) {
    const facet_term *term = &r->d->term[t];
    facet_derivative_value *in = &r->d->value[node_of(r, node)->input[term->input]];
    in->g[term->element] += term->factor * share * (times_input ? in->u[term->element] : 1);
  }
}

/* ---- relevance ---- */

static facet_status lrp_linear(facet_rules *r, int node, double epsilon, bool raised)
{
  facet_derivative_value *out = &r->d->value[node_of(r, node)->output];
  const double *weight = raised ? r->raised : r->weight;
  size_t bytes = (size_t)out->size * sizeof(double);
  memcpy(r->kept, out->u, bytes);
  if (raised)
    FACET_TRY(facet_derivative_linear_forward(r->d, node, weight, NULL));
  for (int64_t i = 0; i < out->size; i++)
    out->g[i] /= out->u[i] + (out->u[i] < 0 ? -epsilon : epsilon);
  memcpy(out->u, r->kept, bytes);
  return linear_back(r, node, weight, r->d->value[node_of(r, node)->input[0]].u);
}

static void lrp_terms(facet_rules *r, int node, double epsilon)
{
  const facet_lowered *l = node_of(r, node);
  const facet_derivative_value *out = &r->d->value[l->output];
  facet_derivative_value *in = &r->d->value[l->input[0]];
  for (int64_t i = 0; i < out->size; i++) {
    double z = out->u[i];
    if (l->kind == KIND_GATE)
      in->g[i] += out->g[i];
    else if (l->kind == KIND_MOVE)
      terms_back(r, node, i, out->g[i], false);
    else if (out->g[i] != 0)
      terms_back(r, node, i, out->g[i] / (z + (z < 0 ? -epsilon : epsilon)), true);
  }
}

facet_status facet_rules_lrp(facet_rules *r, const double *x, double epsilon, bool raised, int32_t row,
                             double *relevance)
{
  const facet_network *n = r->d->network;
  FACET_TRY(forward(r, x));
  FACET_TRY(begin(r, row, 0));
  r->d->value[n->output].g[row] = r->d->value[n->output].u[row];
  for (int i = n->nodes - 1; i >= 0; i--) {
    FACET_TRY(rest(r));
    if (node_of(r, i)->kind == KIND_LINEAR)
      FACET_TRY(lrp_linear(r, i, epsilon, raised));
    else
      lrp_terms(r, i, epsilon);
  }
  memcpy(relevance, r->d->value[n->input].g, (size_t)r->d->value[n->input].size * sizeof *relevance);
  return FACET_OK;
}

/* ---- secants ---- */

/* Between the present values and those of the baseline. */
static void swap_values(facet_rules *r)
{
  for (int v = 0; v < r->d->network->values; v++) {
    double *u = r->d->value[v].u;
    r->d->value[v].u = r->baseline[v];
    r->baseline[v] = u;
  }
}

static double before(const facet_rules *r, int value, int64_t i)
{
  return r->baseline[value][i];
}

static void gate_secants(facet_rules *r, int node)
{
  const facet_lowered *l = node_of(r, node);
  facet_derivative_value *in = &r->d->value[l->input[0]];
  const facet_derivative_value *out = &r->d->value[l->output];
  for (int64_t i = 0; i < out->size; i++) {
    double moved = in->u[i] - before(r, l->input[0], i);
    if (fabs(moved) < same)
      terms_back(r, node, i, out->g[i], false);
    else
      in->g[i] += out->g[i] * (out->u[i] - before(r, l->output, i)) / moved;
  }
}

/* A share of a maximum's change to who won, as a slope of the secant; where there is none, the gradient. */
static void give_winner(facet_rules *r, int node, int64_t i, double change, double slope)
{
  double constant;
  const facet_lowered *l = node_of(r, node);
  if (facet_derivative_terms(r->d, node, 0, i, &constant) == 0)
    return; /* a constant has won */
  int input = l->input[r->d->term[0].input];
  int64_t at = r->d->term[0].element;
  double moved = r->d->value[input].u[at] - before(r, input, at); /* or the other way round, and so is `change` */
  r->d->value[input].g[at] += fabs(moved) < same ? slope : change / moved;
}

/* What the output gained goes to who has won at the sample, and what it lost to who has won at the baseline. */
static void maximum_secants(facet_rules *r, int node)
{
  const facet_lowered *l = node_of(r, node);
  const facet_derivative_value *out = &r->d->value[l->output];
  for (int64_t i = 0; i < out->size; i++) {
    double z = out->u[i], z0 = before(r, l->output, i), gained = l->sign * (z - z0);
    double g = out->g[i];
    if (g == 0)
      continue;
    give_winner(r, node, i, gained > 0 ? g * (z - z0) : 0, g);
    swap_values(r);
    give_winner(r, node, i, gained > 0 ? 0 : g * (z0 - z), 0);
    swap_values(r);
  }
}

static facet_status secants(facet_rules *r, int node)
{
  const facet_lowered *l = node_of(r, node);
  const facet_derivative_value *out = &r->d->value[l->output];
  if (l->kind == KIND_LINEAR)
    return linear_back(r, node, r->weight, NULL);
  if (l->kind == KIND_GATE)
    gate_secants(r, node);
  else if (l->kind == KIND_SELECT || (l->kind == KIND_WINDOW && l->maximum))
    maximum_secants(r, node);
  else
    for (int64_t i = 0; i < out->size; i++)
      terms_back(r, node, i, out->g[i], false);
  return FACET_OK;
}

facet_status facet_rules_deeplift(facet_rules *r, const double *x, const double *baseline, int32_t row,
                                  double *attribution)
{
  const facet_network *n = r->d->network;
  const facet_derivative_value *in = &r->d->value[n->input];
  FACET_TRY(forward(r, baseline));
  swap_values(r);
  FACET_TRY(forward(r, x));
  FACET_TRY(begin(r, row, 1));
  for (int i = n->nodes - 1; i >= 0; i--) {
    FACET_TRY(rest(r));
    FACET_TRY(secants(r, i));
  }
  for (int64_t i = 0; i < in->size; i++)
    attribution[i] = (x[i] - baseline[i]) * in->g[i];
  return FACET_OK;
}

/* ---- the last convolution ---- */

facet_shape facet_rules_map(const facet_rules *r)
{
  facet_shape map = {.rank = 0};
  if (r->map == NO_VALUE)
    return map;
  facet_shape shape = r->d->network->value[r->map].shape;
  map.rank = shape.rank - 1;
  for (int i = 0; i < map.rank; i++)
    map.dim[i] = shape.dim[i + 1];
  return map;
}

facet_status facet_rules_gradcam(facet_rules *r, const double *x, int32_t row, double *map)
{
  const facet_network *n = r->d->network;
  FACET_CHECK(r->map != NO_VALUE, FACET_INTERNAL, "Grad-CAM of a network without convolutions");
  FACET_TRY(forward(r, x));
  FACET_TRY(begin(r, row, 1));
  for (int i = n->nodes - 1; i > n->value[r->map].producer; i--) {
    FACET_TRY(rest(r));
    if (node_of(r, i)->kind == KIND_LINEAR)
      FACET_TRY(linear_back(r, i, r->weight, NULL));
    else
      for (int64_t j = 0; j < r->d->value[node_of(r, i)->output].size; j++)
        terms_back(r, i, j, r->d->value[node_of(r, i)->output].g[j], false);
  }
  const facet_derivative_value *v = &r->d->value[r->map];
  int64_t channels = n->value[r->map].shape.dim[0], plane = v->size / channels;
  memset(map, 0, (size_t)plane * sizeof *map);
  for (int64_t c = 0; c < channels; c++) {
    double mean = 0;
    for (int64_t i = 0; i < plane; i++)
      mean += v->g[c * plane + i] / (double)plane;
    for (int64_t i = 0; i < plane; i++)
      map[i] += mean * v->u[c * plane + i];
  }
  for (int64_t i = 0; i < plane; i++)
    map[i] = fmax(map[i], 0);
  return FACET_OK;
}
