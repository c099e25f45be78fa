/* Derivatives through linear nodes.  z = W u + a with duals: dz = W du + V u; back: g_u = W^T g, with the tangent
 * W^T dg + V^T g; the gradient is g u^T, with the tangent dg u^T + g du^T. */
#include "derivative_parts.h"

/* The kernel's two sides. It sees `images` of them per sample; A goes from `in` to `out`. */
typedef struct {
  facet_layout in, out;
  int64_t images;
} ends;

static facet_layout layout_of(const facet_derivative *d, int value)
{
  facet_shape shape = d->network->value[value].shape;
  int64_t channels = shape.rank > 0 ? shape.dim[0] : 1;
  return (facet_layout){channels, facet_shape_size(shape) / channels, 1};
}

static ends ends_of(const facet_derivative *d, const facet_lowered *l)
{
  facet_layout in = layout_of(d, l->input[0]), out = layout_of(d, l->output);
  if (l->viewed)
    return (ends){l->in, l->out, l->images};
  return l->adjoint ? (ends){out, in, 1} : (ends){in, out, 1};
}

static int64_t offset_of(const facet_derivative *d, int value)
{
  int64_t offset = 0;
  for (int i = 0; i < d->parameters; i++) {
    if (d->parameter[i].role != FACET_WEIGHT)
      continue;
    if (d->parameter[i].value == value)
      return offset;
    offset += d->parameter[i].size;
  }
  return -1; /* the bias of an earlier node, for one */
}

facet_status facet_derivative_linear_create(facet_derivative *d, int node)
{
  const facet_kernels *k = &facet_kernels_reference;
  const facet_lowered *l = d->network->node[node].lowered;
  facet_derivative_node *n = &d->node[node];
  ends e = ends_of(d, l);
  int64_t batch = d->batch * e.images;
  n->offset = offset_of(d, l->weight);
  FACET_TRY(k->conv_create(&l->conv, FACET_F64, FACET_FORWARD, batch, e.in, e.out, &n->forward));
  FACET_TRY(k->conv_create(&l->conv, FACET_F64, FACET_PULLBACK, batch, e.in, e.out, &n->pullback));
  return k->conv_create(&l->conv, FACET_F64, FACET_GRADIENT, batch, e.in, e.out, &n->gradient);
}

static int64_t weights_of(const facet_derivative *d, const facet_lowered *l)
{
  return facet_shape_size(d->network->value[l->weight].shape);
}

facet_status facet_derivative_linear_apply(facet_derivative *d, int node, bool back, const double *flat,
                                           const double *from, double *to)
{
  const facet_kernels *k = &facet_kernels_reference;
  const facet_lowered *l = d->network->node[node].lowered;
  const facet_derivative_node *n = &d->node[node];
  const facet_tensor *own = d->network->value[l->weight].constant;
  int64_t count = weights_of(d, l);
  for (int64_t i = 0; i < count; i++)
    d->plain[i] = l->weight_factor * (n->offset < 0 ? facet_tensor_get(own, facet_weight_place(l, i))
                                                    : flat[n->offset + facet_weight_place(l, i)]);
  facet_conv *conv = back != l->adjoint ? n->pullback : n->forward;
  FACET_TRY(k->conv_weights(conv, d->plain, NULL));
  return conv == n->pullback ? k->conv_pullback(conv, from, to) : k->conv_forward(conv, from, to);
}

static void add_to(double *sum, const double *part, int64_t count)
{
  for (int64_t i = 0; i < count; i++)
    sum[i] += part[i];
}

static void add_constants(const facet_derivative *d, const facet_lowered *l, double *z)
{
  ends e = ends_of(d, l);
  facet_layout layout = l->adjoint ? e.in : e.out;
  if (l->conv.spatial == 0) /* channels are elements, whatever the shape */
    layout = (facet_layout){layout.channels * layout.spatial, 1, 1};
  int64_t size = facet_layout_size(layout);
  const facet_tensor *bias = l->bias == NO_VALUE ? NULL : d->network->value[l->bias].constant;
  for (int64_t a = 0; bias && a < d->batch * e.images; a++)
    for (int64_t c = 0; c < layout.channels; c++) {
      double own = l->bias_factor * facet_tensor_get(bias, facet_shape_size(bias->shape) == 1 ? 0 : c);
      for (int64_t s = 0; s < layout.spatial; s++)
        z[a * size + facet_layout_at(layout, c, s)] += own;
    }
  int64_t whole = d->value[l->output].size;
  for (int64_t i = 0; l->shift && i < d->batch * whole; i++)
    z[i] += facet_tensor_get(l->shift, facet_spread_index(l->shift->shape, l->full, i % whole));
}

facet_status facet_derivative_linear_forward(facet_derivative *d, int node, const double *weight, const double *along)
{
  const facet_lowered *l = d->network->node[node].lowered;
  const facet_derivative_value *in = &d->value[l->input[0]], *out = &d->value[l->output];
  FACET_TRY(facet_derivative_linear_apply(d, node, false, weight, in->u, out->u));
  if (!d->options.absolute)
    add_constants(d, l, out->u);
  if (!along)
    return FACET_OK;
  FACET_TRY(facet_derivative_linear_apply(d, node, false, weight, in->du, out->du));
  if (d->node[node].offset < 0)
    return FACET_OK;
  FACET_TRY(facet_derivative_linear_apply(d, node, false, along, in->u, d->scratch));
  add_to(out->du, d->scratch, d->batch * out->size);
  return FACET_OK;
}

/* Adds the gradient that u and g make. */
static facet_status add_gradient(facet_derivative *d, int node, const double *u, const double *g, double *sum)
{
  const facet_lowered *l = d->network->node[node].lowered;
  const facet_derivative_node *n = &d->node[node];
  int64_t count = weights_of(d, l);
  FACET_TRY(facet_kernels_reference.conv_gradient(n->gradient, l->adjoint ? g : u, l->adjoint ? u : g, d->part, NULL));
  for (int64_t i = 0; i < count; i++)
    sum[n->offset + facet_weight_place(l, i)] += l->weight_factor * d->part[i];
  return FACET_OK;
}

static facet_status add_adjoint(facet_derivative *d, int node, const double *weight, const double *g, double *sum)
{
  FACET_TRY(facet_derivative_linear_apply(d, node, true, weight, g, d->scratch));
  add_to(sum, d->scratch, d->batch * d->value[d->network->node[node].lowered->input[0]].size);
  return FACET_OK;
}

facet_status facet_derivative_linear_backward(facet_derivative *d, int node, const double *weight, const double *along,
                                              double *gradient, double *hessian)
{
  const facet_lowered *l = d->network->node[node].lowered;
  const facet_derivative_value *in = &d->value[l->input[0]], *out = &d->value[l->output];
  bool own = d->node[node].offset >= 0, further = l->input[0] != d->network->input;
  if (own)
    FACET_TRY(add_gradient(d, node, in->u, out->g, gradient));
  if (further)
    FACET_TRY(add_adjoint(d, node, weight, out->g, in->g));
  if (!along)
    return FACET_OK;
  if (own) {
    FACET_TRY(add_gradient(d, node, in->u, out->dg, hessian));
    FACET_TRY(add_gradient(d, node, in->du, out->g, hessian));
  }
  if (further)
    FACET_TRY(add_adjoint(d, node, weight, out->dg, in->dg));
  return further && own ? add_adjoint(d, node, along, out->g, in->dg) : FACET_OK;
}
