/* The two passes over a network that its derivatives take, in portions of a few samples, and the loss between them. */
#include <math.h>
#include <string.h>

#include "derivative_parts.h"

enum { PORTION = 32, PORTION_BYTES = 1 << 27 };

/* ---- memory ---- */

static bool depends(const facet_network *network, int v)
{
  return !network->value[v].constant && (network->value[v].producer >= 0 || v == network->input);
}

/* How many samples go at once. It follows from the network and the options alone, so sums are the same everywhere. */
static int64_t portion_of(const facet_derivative *d)
{
  int64_t bytes = 0, fits;
  for (int v = 0; v < d->network->values; v++)
    bytes += d->value[v].size * (int64_t)sizeof(double) * (d->options.tangents ? 4 : 2);
  fits = bytes > 0 ? PORTION_BYTES / bytes : PORTION;
  fits = fits < PORTION ? fits : PORTION;
  fits = fits < d->options.batch ? fits : d->options.batch;
  return fits > 1 ? fits : 1;
}

static facet_status make_values(facet_derivative *d)
{
  const facet_network *n = d->network;
  FACET_NEW(d->value, n->values);
  for (int v = 0; v < n->values; v++)
    if (depends(n, v))
      d->value[v].size = facet_shape_size(n->value[v].shape);
  d->batch = portion_of(d);
  for (int v = 0; v < n->values; v++) {
    facet_derivative_value *value = &d->value[v];
    int64_t count = d->batch * value->size;
    if (!depends(n, v))
      continue;
    FACET_NEW(value->u, count);
    FACET_NEW(value->g, count);
    if (d->options.tangents) {
      FACET_NEW(value->du, count);
      FACET_NEW(value->dg, count);
    }
  }
  return FACET_OK;
}

static facet_status make_scratch(facet_derivative *d)
{
  int64_t value = 0, weights = 0, terms = 1;
  for (int v = 0; v < d->network->values; v++)
    value = d->value[v].size > value ? d->value[v].size : value;
  for (int i = 0; i < d->network->nodes; i++) {
    const facet_lowered *l = d->network->node[i].lowered;
    int64_t size = l->kind == KIND_LINEAR ? facet_shape_size(d->network->value[l->weight].shape) : 0;
    int64_t most = l->kind == KIND_LINEAR ? 0 : facet_derivative_most_terms(d, i);
    weights = size > weights ? size : weights;
    terms = most > terms ? most : terms;
  }
  FACET_NEW(d->scratch, d->batch * value);
  FACET_NEW(d->plain, weights);
  FACET_NEW(d->part, weights);
  FACET_NEW(d->term, terms);
  return FACET_OK;
}

static facet_status make(facet_derivative *d)
{
  const facet_network *n = d->network;
  FACET_TRY(facet_network_parameter_list(n, &d->parameter, &d->parameters));
  for (int i = 0; i < d->parameters; i++)
    d->weights += d->parameter[i].role == FACET_WEIGHT ? d->parameter[i].size : 0;
  FACET_TRY(make_values(d));
  FACET_TRY(make_scratch(d));
  FACET_NEW(d->node, n->nodes);
  for (int i = 0; i < n->nodes; i++) {
    facet_status status = n->node[i].lowered->kind == KIND_LINEAR ? facet_derivative_linear_create(d, i)
                                                                  : facet_derivative_terms_create(d, i);
    if (status != FACET_OK)
      return facet_raise_in(status, "node %s (%s): ", n->node[i].name, n->node[i].type);
  }
  return FACET_OK;
}

facet_status facet_derivative_create(const facet_network *network, facet_derivative_options options,
                                     facet_derivative **derivative)
{
  *derivative = NULL;
  FACET_TRY(facet_network_need_pieces(network, "derivatives by weights"));
  FACET_CHECK(options.batch > 0, FACET_INTERNAL, "derivative of no samples");
  facet_derivative *d;
  FACET_NEW(d, 1);
  d->network = network;
  d->options = options;
  facet_status status = make(d);
  if (status != FACET_OK)
    facet_derivative_destroy(&d);
  *derivative = d;
  return status;
}

void facet_derivative_destroy(facet_derivative **derivative)
{
  facet_derivative *d = *derivative;
  if (!d)
    return;
  for (int v = 0; d->value && v < d->network->values; v++) {
    double **owned[] = {&d->value[v].u, &d->value[v].du, &d->value[v].g, &d->value[v].dg};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
      facet_free(owned[i]);
  }
  for (int i = 0; d->node && i < d->network->nodes; i++) {
    facet_kernels_reference.conv_destroy(&d->node[i].forward);
    facet_kernels_reference.conv_destroy(&d->node[i].pullback);
    facet_kernels_reference.conv_destroy(&d->node[i].gradient);
    facet_free(&d->node[i].scale);
    facet_free(&d->node[i].shift);
  }
  facet_free(&d->parameter);
  facet_free(&d->value);
  facet_free(&d->node);
  facet_free(&d->term);
  facet_free(&d->plain);
  facet_free(&d->part);
  facet_free(&d->scratch);
  facet_free(derivative);
}

int64_t facet_derivative_weights(const facet_derivative *d)
{
  return d->weights;
}

void facet_derivative_start(const facet_derivative *d, double *weight)
{
  for (int p = 0; p < d->parameters; p++) {
    if (d->parameter[p].role != FACET_WEIGHT)
      continue;
    const facet_tensor *own = d->network->value[d->parameter[p].value].constant;
    for (int64_t i = 0; i < d->parameter[p].size; i++)
      *weight++ = facet_tensor_get(own, i);
  }
}

/* ---- the two passes ---- */

static facet_status forward(facet_derivative *d, const double *weight, const double *along)
{
  for (int i = 0; i < d->network->nodes; i++)
    if (d->network->node[i].lowered->kind == KIND_LINEAR)
      FACET_TRY(facet_derivative_linear_forward(d, i, weight, along));
    else
      facet_derivative_terms_forward(d, i, along != NULL);
  return FACET_OK;
}

/* Adds to gradient and hessian. */
static facet_status backward(facet_derivative *d, const double *weight, const double *along, double *gradient,
                             double *hessian)
{
  for (int i = d->network->nodes - 1; i >= 0; i--)
    if (d->network->node[i].lowered->kind == KIND_LINEAR)
      FACET_TRY(facet_derivative_linear_backward(d, i, weight, along, gradient, hessian));
    else
      facet_derivative_terms_backward(d, i, along != NULL);
  return FACET_OK;
}

static void clear_adjoints(facet_derivative *d)
{
  for (int v = 0; v < d->network->values; v++) {
    facet_derivative_value *value = &d->value[v];
    size_t bytes = (size_t)(d->batch * value->size) * sizeof(double);
    if (value->g)
      memset(value->g, 0, bytes);
    if (value->dg)
      memset(value->dg, 0, bytes);
  }
}

/* ---- the loss ---- */

/* Cross-entropy of one sample, and the adjoint of its logits times `share`: p - 1_y, with the tangent
 * p (dl - <p, dl>). */
static double softmax_loss(int64_t classes, const double *logit, const double *tangent, int32_t label, double share,
                           double *g, double *dg)
{
  double largest = logit[0], sum = 0, mean = 0;
  for (int64_t k = 1; k < classes; k++)
    largest = logit[k] > largest ? logit[k] : largest;
  for (int64_t k = 0; k < classes; k++)
    sum += g[k] = exp(logit[k] - largest);
  for (int64_t k = 0; k < classes; k++) {
    g[k] /= sum;
    mean += tangent ? g[k] * tangent[k] : 0;
  }
  for (int64_t k = 0; k < classes; k++) {
    if (tangent)
      dg[k] = share * g[k] * (tangent[k] - mean);
    g[k] = share * (g[k] - (k == label));
  }
  return share * (log(sum) + largest - logit[label]);
}

static void load(facet_derivative *d, const float *x, int64_t count)
{
  facet_derivative_value *in = &d->value[d->network->input];
  memset(in->u, 0, (size_t)(d->batch * in->size) * sizeof(double));
  for (int64_t i = 0; i < count * in->size; i++)
    in->u[i] = x[i];
}

/* One portion; samples beyond `count` have adjoints of 0. */
static facet_status portion(facet_derivative *d, const double *weight, const double *along, facet_labelled samples,
                            double share, facet_loss_derivatives *found)
{
  facet_derivative_value *out = &d->value[d->network->output];
  load(d, samples.x, samples.count);
  FACET_TRY(forward(d, weight, along));
  clear_adjoints(d);
  for (int64_t s = 0; s < samples.count; s++) {
    int64_t at = s * out->size;
    found->loss += softmax_loss(out->size, out->u + at, along ? out->du + at : NULL, samples.label[s], share,
                                out->g + at, along ? out->dg + at : NULL);
  }
  return backward(d, weight, along, found->gradient, found->hessian);
}

facet_status facet_derivative_loss(facet_derivative *d, const double *weight, const double *along,
                                   facet_labelled samples, facet_loss_derivatives *found)
{
  int64_t classes = d->value[d->network->output].size, features = d->value[d->network->input].size;
  int64_t count = samples.count;
  const int32_t *label = samples.label;
  FACET_CHECK(!along || d->options.tangents, FACET_INTERNAL, "derivatives along a direction were not asked for");
  for (int64_t s = 0; s < count; s++)
    FACET_CHECK(label[s] >= 0 && label[s] < classes, FACET_BAD_INPUT, "label %d of sample %lld is not in 0 .. %lld",
                label[s], (long long)s, (long long)classes - 1);
  found->loss = 0;
  memset(found->gradient, 0, (size_t)d->weights * sizeof *found->gradient);
  if (along)
    memset(found->hessian, 0, (size_t)d->weights * sizeof *found->hessian);
  for (int64_t first = 0; first < count; first += d->batch) {
    int64_t now = count - first < d->batch ? count - first : d->batch;
    facet_labelled part = {samples.x + first * features, label + first, now};
    FACET_TRY(portion(d, weight, along, part, 1 / (double)count, found));
  }
  return FACET_OK;
}

facet_status facet_derivative_flow(facet_derivative *d, const double *weight, double *flow, double *gradient)
{
  facet_derivative_value *in = &d->value[d->network->input], *out = &d->value[d->network->output];
  FACET_CHECK(d->options.absolute && d->batch == 1, FACET_INTERNAL, "not the network of synflow");
  for (int64_t i = 0; i < in->size; i++)
    in->u[i] = 1;
  FACET_TRY(forward(d, weight, NULL));
  clear_adjoints(d);
  *flow = 0;
  for (int64_t k = 0; k < out->size; k++) {
    *flow += out->u[k];
    out->g[k] = 1;
  }
  memset(gradient, 0, (size_t)d->weights * sizeof *gradient);
  return backward(d, weight, NULL, gradient, NULL);
}
