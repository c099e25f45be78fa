/* Shape inference of the linear operators: Conv, ConvTranspose, Gemm, MatMul. */
#include <string.h>

#include "lower.h"

/* ---- windows: what Conv and pooling share ---- */

/* A list attribute with one number per spatial dimension, from `least` on. */
static facet_status window_list(const facet_node *node, const char *name, int spatial, int64_t least, int64_t *list,
                                int64_t otherwise)
{
  const facet_attribute *a = facet_node_attribute(node, name);
  for (int d = 0; d < spatial; d++)
    list[d] = otherwise;
  if (!a || (a->kind == FACET_INTS && a->count == 0))
    return FACET_OK;
  if (a->kind != FACET_INTS || a->count != spatial)
    return facet_node_raise(node, "%s must have %d entries", name, spatial);
  for (int d = 0; d < spatial; d++) {
    list[d] = a->integers[d];
    if (list[d] < least || list[d] > 1 << 20)
      return facet_node_raise(node, "%s is %lld", name, (long long)list[d]);
  }
  return FACET_OK;
}

/* auto_pad of a node: whether SAME at all, and at the end first (upper). *given: pads count. */
static facet_status pad_mode(const facet_node *node, bool *same, bool *upper, bool *given)
{
  const char *mode = facet_node_text(node, "auto_pad", "NOTSET");
  *upper = strcmp(mode, "SAME_UPPER") == 0;
  *same = *upper || strcmp(mode, "SAME_LOWER") == 0;
  *given = strcmp(mode, "NOTSET") == 0 || mode[0] == '\0';
  if (!*same && !*given && strcmp(mode, "VALID") != 0)
    return facet_node_raise(node, "auto_pad %s is not known", mode);
  return FACET_OK;
}

/* pads as begin and end; 0 where they are left out. */
static facet_status read_pads(const facet_node *node, int spatial, int64_t *begin, int64_t *end)
{
  int64_t both[2 * FACET_MAX_SPATIAL];
  FACET_TRY(window_list(node, "pads", 2 * spatial, 0, both, 0));
  for (int d = 0; d < spatial; d++) {
    begin[d] = both[d];
    end[d] = both[spatial + d];
  }
  return FACET_OK;
}

/* Padding from auto_pad or pads, then the output size (ONNX specification of Conv and the pools). */
static facet_status window_pads(const facet_node *node, facet_window_shape *w)
{
  bool same, upper, given, ceil_mode = facet_node_int(node, "ceil_mode", 0) != 0;
  FACET_TRY(pad_mode(node, &same, &upper, &given));
  FACET_TRY(read_pads(node, w->spatial, w->begin, w->end));
  for (int d = 0; d < w->spatial; d++) {
    int64_t reach = (w->kernel[d] - 1) * w->dilation[d] + 1;
    if (same) {
      w->out[d] = (w->in[d] + w->stride[d] - 1) / w->stride[d];
      int64_t total = (w->out[d] - 1) * w->stride[d] + reach - w->in[d];
      total = total < 0 ? 0 : total;
      w->begin[d] = upper ? total / 2 : total - total / 2;
      w->end[d] = total - w->begin[d];
      continue;
    }
    if (!given)
      w->begin[d] = w->end[d] = 0;
    int64_t room = w->in[d] + w->begin[d] + w->end[d] - reach;
    if (room < 0)
      return facet_node_raise(node, "window of %lld does not fit %lld padded elements", (long long)reach,
                              (long long)(room + reach));
    w->out[d] = room / w->stride[d] + 1;
    if (ceil_mode && room % w->stride[d] != 0 && w->out[d] * w->stride[d] < w->in[d] + w->begin[d])
      w->out[d]++; /* a last window that starts inside the input or its left padding */
  }
  return FACET_OK;
}

facet_status facet_window_read(const facet_node *node, facet_shape in, const int64_t *kernel, facet_window_shape *w)
{
  *w = (facet_window_shape){.spatial = in.rank - 2};
  if (w->spatial < 1 || w->spatial > FACET_MAX_SPATIAL)
    return facet_node_raise(node, "input of shape %s has %d spatial dimensions: 1 to 3 are supported",
                            facet_shape_text(in), w->spatial < 0 ? 0 : w->spatial);
  for (int d = 0; d < w->spatial; d++)
    w->in[d] = in.dim[d + 2];
  FACET_TRY(window_list(node, "kernel_shape", w->spatial, 1, w->kernel, 0));
  for (int d = 0; d < w->spatial; d++) {
    if (kernel && w->kernel[d] != 0 && w->kernel[d] != kernel[d])
      return facet_node_raise(node, "kernel_shape does not fit the weights");
    if (kernel)
      w->kernel[d] = kernel[d];
    if (w->kernel[d] < 1)
      return facet_node_raise(node, "kernel_shape is missing");
  }
  FACET_TRY(window_list(node, "strides", w->spatial, 1, w->stride, 1));
  FACET_TRY(window_list(node, "dilations", w->spatial, 1, w->dilation, 1));
  return window_pads(node, w);
}

/* ---- convolutions ---- */

static void fill_conv(const facet_window_shape *w, facet_conv_shape *conv)
{
  conv->spatial = w->spatial;
  for (int d = 0; d < w->spatial; d++) {
    conv->in[d] = w->in[d];
    conv->out[d] = w->out[d];
    conv->kernel[d] = w->kernel[d];
    conv->stride[d] = w->stride[d];
    conv->dilation[d] = w->dilation[d];
    conv->pad_begin[d] = w->begin[d];
    conv->pad_end[d] = w->end[d];
  }
}

/* Where a value of one sample holds several images: they lie one after the other, in plain order. */
static void view_images(facet_lowered *l, int64_t images, facet_shape in)
{
  int64_t u = 1, z = 1;
  l->images = images;
  if (images == 1)
    return;
  for (int d = 2; d < in.rank; d++) {
    u *= in.dim[d];
    z *= l->full.dim[d];
  }
  l->viewed = l->plain = true;
  l->in = (facet_layout){in.dim[1], u, 1};
  l->out = (facet_layout){l->full.dim[1], z, 1};
}

static facet_status conv_bias(facet_network *network, facet_node *node, int64_t channels)
{
  facet_lowered *l = node->lowered;
  l->weight_factor = l->bias_factor = 1;
  if (!facet_node_has(node, 2))
    return FACET_OK;
  FACET_TRY(facet_node_real(network, node, 2, "bias", &l->bias));
  facet_shape bias = network->value[l->bias].shape;
  if (bias.rank != 1 || bias.dim[0] != channels)
    return facet_node_raise(node, "bias is %s for %lld channels", facet_shape_text(bias), (long long)channels);
  return FACET_OK;
}

/* Weights of shape a x b/groups x kernel for an input with so many channels. */
static facet_status conv_weights(facet_network *network, facet_node *node, facet_shape in, bool transposed,
                                 facet_shape *weight, int64_t *groups)
{
  FACET_TRY(facet_node_one_input(node));
  FACET_TRY(facet_node_real(network, node, 1, "weights", &node->lowered->weight));
  *weight = network->value[node->lowered->weight].shape;
  *groups = facet_node_int(node, "group", 1);
  if (weight->rank != in.rank || in.rank < 3 || facet_shape_size(*weight) == 0)
    return facet_node_raise(node, "weights are %s but the input is %s", facet_shape_text(*weight),
                            facet_shape_text(in));
  bool fits = *groups >= 1 && *groups <= weight->dim[0] && weight->dim[0] % *groups == 0 && weight->dim[1] <= 1 << 24;
  if (!fits || (transposed ? weight->dim[0] : weight->dim[1] * *groups) != in.dim[1])
    return facet_node_raise(node, "weights are %s in %lld groups but the input has %lld channels",
                            facet_shape_text(*weight), (long long)*groups, (long long)in.dim[1]);
  return FACET_OK;
}

facet_status facet_lower_conv(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  facet_shape in = facet_node_shape(network, node), weight;
  facet_window_shape w;
  int64_t groups;
  FACET_TRY(conv_weights(network, node, in, false, &weight, &groups));
  FACET_TRY(facet_window_read(node, in, weight.dim + 2, &w));
  l->conv = (facet_conv_shape){.in_channels = in.dim[1], .out_channels = weight.dim[0], .groups = groups};
  fill_conv(&w, &l->conv);
  l->full = (facet_shape){.rank = in.rank, .dim = {in.dim[0], weight.dim[0]}};
  memcpy(l->full.dim + 2, w.out, (size_t)w.spatial * sizeof w.out[0]);
  view_images(l, in.dim[0], in);
  return conv_bias(network, node, weight.dim[0]);
}

/* Padding and output size of ConvTranspose (ONNX specification). `w` describes the convolution that goes from the
 * output back: w->in is the output, w->out the input. */
static facet_status transpose_pads(const facet_node *node, facet_window_shape *w)
{
  bool same, upper, given;
  int64_t extra[FACET_MAX_SPATIAL], size[FACET_MAX_SPATIAL];
  FACET_TRY(pad_mode(node, &same, &upper, &given));
  FACET_TRY(read_pads(node, w->spatial, w->begin, w->end));
  FACET_TRY(window_list(node, "output_padding", w->spatial, 0, extra, 0));
  FACET_TRY(window_list(node, "output_shape", w->spatial, 1, size, 0));
  for (int d = 0; d < w->spatial; d++) {
    int64_t reach = (w->kernel[d] - 1) * w->dilation[d] + 1;
    int64_t all = (w->out[d] - 1) * w->stride[d] + extra[d] + reach;
    if (same && size[d] == 0)
      size[d] = w->out[d] * w->stride[d];
    if (size[d] > 0) {
      int64_t total = all - size[d];
      if (total < 0) { /* nothing is cut off: what is missing is padded */
        extra[d] -= total;
        total = 0;
      }
      w->begin[d] = upper ? total / 2 : total - total / 2;
      w->end[d] = total - w->begin[d];
    } else {
      if (!given)
        w->begin[d] = w->end[d] = 0;
      size[d] = all - w->begin[d] - w->end[d];
    }
    if (size[d] < 1)
      return facet_node_raise(node, "output is empty");
    if (extra[d] >= w->stride[d])
      return facet_node_raise(node, "output padding %lld is not less than the stride %lld", (long long)extra[d],
                              (long long)w->stride[d]);
    w->in[d] = size[d];
  }
  return FACET_OK;
}

facet_status facet_lower_conv_transpose(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  facet_shape in = facet_node_shape(network, node), weight;
  int64_t groups;
  FACET_TRY(conv_weights(network, node, in, true, &weight, &groups));
  facet_window_shape w = {.spatial = in.rank - 2};
  if (w.spatial > FACET_MAX_SPATIAL)
    return facet_node_raise(node, "input of shape %s has more than 3 spatial dimensions", facet_shape_text(in));
  FACET_TRY(window_list(node, "strides", w.spatial, 1, w.stride, 1));
  FACET_TRY(window_list(node, "dilations", w.spatial, 1, w.dilation, 1));
  FACET_TRY(window_list(node, "kernel_shape", w.spatial, 1, w.kernel, 0));
  for (int d = 0; d < w.spatial; d++) {
    if (w.kernel[d] != 0 && w.kernel[d] != weight.dim[d + 2])
      return facet_node_raise(node, "kernel_shape does not fit the weights");
    w.kernel[d] = weight.dim[d + 2];
    w.out[d] = in.dim[d + 2];
  }
  FACET_TRY(transpose_pads(node, &w));
  int64_t channels = weight.dim[1] * groups;
  l->adjoint = true;
  l->conv = (facet_conv_shape){.in_channels = channels, .out_channels = in.dim[1], .groups = groups};
  fill_conv(&w, &l->conv);
  l->full = (facet_shape){.rank = in.rank, .dim = {in.dim[0], channels}};
  memcpy(l->full.dim + 2, w.in, (size_t)w.spatial * sizeof w.in[0]);
  FACET_TRY(facet_node_size(node, l->full));
  view_images(l, in.dim[0], in);
  if (l->viewed) { /* conv goes from the output to the input */
    facet_layout swap = l->in;
    l->in = l->out;
    l->out = swap;
  }
  return conv_bias(network, node, channels);
}

/* ---- products ---- */

/* A matrix product with one constant side, as one convolution with a kernel of 1.  The data is a matrix whose one
 * dimension is summed over (`sum`) and whose other one (`along`) is carried along. */
typedef struct {
  bool left;     /* the data is the left operand */
  bool sum_last; /* the summed dimension of the data lies last in memory */
  int64_t along, sum, out;
  bool weights_out_first; /* the constant lies out x sum */
} product;

static facet_status lower_product(facet_node *node, const product *p, int64_t images)
{
  facet_lowered *l = node->lowered;
  l->transposed = !p->weights_out_first;
  l->weight_factor = l->bias_factor = 1;
  l->images = images;
  l->conv = (facet_conv_shape){.in_channels = p->sum, .out_channels = p->out, .groups = 1};
  if (p->along == 1 && images == 1)
    return FACET_OK;
  l->conv.spatial = 1;
  l->conv.in[0] = l->conv.out[0] = p->along;
  l->conv.kernel[0] = l->conv.stride[0] = l->conv.dilation[0] = 1;
  l->viewed = l->plain = true;
  l->in = (facet_layout){p->sum, p->along, p->sum_last ? p->sum : 1};
  l->out = (facet_layout){p->out, p->along, p->left ? p->out : 1};
  return facet_node_size(node, l->full);
}

/* A product of two stacks of matrices: a row of weights for every element of the output. */
static facet_status lower_stacks(const facet_network *network, facet_node *node, int side, facet_shape u, facet_shape c,
                                 facet_shape stack)
{
  facet_lowered *l = node->lowered;
  const facet_tensor *constant = facet_node_constant(network, node, 1 - side);
  int64_t rows = l->full.dim[l->full.rank - 2], columns = l->full.dim[l->full.rank - 1];
  int64_t sum = side == 0 ? u.dim[u.rank - 1] : c.dim[c.rank - 1], outs = facet_shape_size(l->full);
  facet_shape u_stack = {.rank = u.rank - 2}, c_stack = {.rank = c.rank - 2};
  memcpy(u_stack.dim, u.dim, sizeof u.dim);
  memcpy(c_stack.dim, c.dim, sizeof c.dim);
  if (outs > ((int64_t)1 << 24) / sum)
    return facet_node_raise(node, "a product of stacks of matrices is too large");
  l->kind = KIND_WINDOW;
  l->flat = l->plain = true;
  FACET_NEW(l->begin, outs + 1);
  FACET_NEW(l->position, outs * sum);
  FACET_NEW(l->tap, outs * sum);
  FACET_NEW(l->weight_of, outs);
  for (int64_t o = 0, t = 0; o < outs; o++) {
    int64_t s = o / (rows * columns), r = o / columns % rows, k = o % columns;
    int64_t u_at = facet_spread_index(u_stack, stack, s) * (side == 0 ? rows : sum) * (side == 0 ? sum : columns);
    int64_t c_at = facet_spread_index(c_stack, stack, s) * (side == 0 ? sum : rows) * (side == 0 ? columns : sum);
    for (int64_t i = 0; i < sum; i++, t++) {
      l->position[t] = u_at + (side == 0 ? r * sum + i : i * columns + k);
      l->tap[t] = facet_tensor_get(constant, c_at + (side == 0 ? i * columns + k : r * sum + i));
    }
    l->begin[o + 1] = t;
    l->weight_of[o] = 1;
  }
  return FACET_OK;
}

/* A vector becomes a matrix of one row (left) or one column (right), as in NumPy's matmul. */
static facet_shape as_matrix(facet_shape s, bool left)
{
  if (s.rank != 1)
    return s;
  return (facet_shape){.rank = 2, .dim = {left ? 1 : s.dim[0], left ? s.dim[0] : 1}};
}

/* The shape of a x b; false: they do not fit. */
static bool matmul_shape(facet_shape a, facet_shape b, facet_shape *stack, facet_shape *full)
{
  facet_shape left = {.rank = a.rank - 2}, right = {.rank = b.rank - 2};
  memcpy(left.dim, a.dim, sizeof a.dim);
  memcpy(right.dim, b.dim, sizeof b.dim);
  if (a.dim[a.rank - 1] != b.dim[b.rank - 2] || !facet_broadcast(left, right, stack))
    return false;
  *full = *stack;
  full->dim[full->rank++] = a.dim[a.rank - 2];
  full->dim[full->rank++] = b.dim[b.rank - 1];
  return true;
}

facet_status facet_lower_matmul(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  if (node->inputs == 2 && l->inputs == 2)
    return facet_lower_matrices(network, node);
  if (node->inputs != 2)
    return facet_node_raise(node, "has %d inputs", node->inputs);
  int side = node->input[0] == l->input[0] ? 0 : 1; /* of the data */
  FACET_TRY(facet_node_real(network, node, 1 - side, "weights", &l->weight));
  facet_shape u = facet_node_shape(network, node), c = network->value[l->weight].shape, stack, full;
  if (u.rank < 1 || c.rank < 1 || facet_shape_size(c) == 0)
    return facet_node_raise(node, "factors of %s and %s", facet_shape_text(u), facet_shape_text(c));
  facet_shape um = as_matrix(u, side == 0), cm = as_matrix(c, side == 1);
  if (!(side == 0 ? matmul_shape(um, cm, &stack, &full) : matmul_shape(cm, um, &stack, &full)))
    return facet_node_raise(node, "weights are %s but the input is %s", facet_shape_text(c), facet_shape_text(u));
  l->full = full;
  FACET_TRY(facet_node_size(node, full));
  int64_t c_stack = facet_shape_size(cm) / (cm.dim[cm.rank - 1] * cm.dim[cm.rank - 2]);
  int64_t u_stack = facet_shape_size(um) / (um.dim[um.rank - 1] * um.dim[um.rank - 2]);
  facet_status status;
  if (c_stack != 1 || facet_shape_size(stack) != u_stack) {
    l->weight = NO_VALUE;
    status = lower_stacks(network, node, side, um, cm, stack);
  } else if (side == 0) { /* all rows of the stack are rows of one matrix */
    int64_t sum = um.dim[um.rank - 1];
    status =
        lower_product(node, &(product){true, true, facet_shape_size(um) / sum, sum, cm.dim[cm.rank - 1], false}, 1);
  } else {
    int64_t sum = um.dim[um.rank - 2];
    status =
        lower_product(node, &(product){false, false, um.dim[um.rank - 1], sum, cm.dim[cm.rank - 2], true}, u_stack);
  }
  /* the matrices that were vectors lose their dimension again */
  if (u.rank == 1 || c.rank == 1) {
    int last = l->full.rank - 1;
    bool row = side == 0 ? u.rank == 1 : c.rank == 1, column = side == 0 ? c.rank == 1 : u.rank == 1;
    if (row) {
      l->full.dim[last - 1] = l->full.dim[last];
      l->full.rank--;
    }
    if (column)
      l->full.rank--;
  }
  return status;
}

/* beta C: per output channel where it can be, else an additive constant of its own. */
static facet_status gemm_bias(facet_network *network, facet_node *node, int64_t channels)
{
  facet_lowered *l = node->lowered;
  int value;
  l->bias_factor = facet_node_float(node, "beta", 1);
  if (!facet_node_has(node, 2))
    return FACET_OK;
  FACET_TRY(facet_node_real(network, node, 2, "bias", &value));
  facet_shape bias = network->value[value].shape;
  int64_t size = facet_shape_size(bias);
  if (!facet_spreads(bias, l->full))
    return facet_node_raise(node, "bias is %s for %lld outputs", facet_shape_text(bias), (long long)channels);
  bool left = !l->viewed || l->out.block != 1 || l->out.spatial == 1;
  if (size == 1 || (left && size == channels && bias.dim[bias.rank - 1] == size)) {
    l->bias = value;
    return FACET_OK;
  }
  FACET_TRY(facet_tensor_create(FACET_F64, bias, &l->shift));
  for (int64_t i = 0; i < size; i++)
    facet_tensor_set(l->shift, i, l->bias_factor * facet_tensor_get(network->value[value].constant, i));
  return FACET_OK;
}

facet_status facet_lower_gemm(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  if (l->inputs != 1 || node->inputs < 2)
    return facet_node_raise(node, "a product of two branches is not piecewise linear");
  int side = node->input[0] == l->input[0] ? 0 : 1;
  if (side == 1 && node->input[1] != l->input[0])
    return facet_node_raise(node, "only one of its first two inputs may depend on the network's input: %s",
                            network->value[l->input[0]].name);
  FACET_TRY(facet_node_real(network, node, 1 - side, "weights", &l->weight));
  facet_shape u = facet_node_shape(network, node), c = network->value[l->weight].shape;
  if (u.rank != 2 || c.rank != 2)
    return facet_node_raise(node, "two matrices are wanted, not %s and %s", facet_shape_text(u), facet_shape_text(c));
  bool u_turned = facet_node_int(node, side == 0 ? "transA" : "transB", 0) != 0;
  bool c_turned = facet_node_int(node, side == 0 ? "transB" : "transA", 0) != 0;
  bool sum_last = (side == 0) != u_turned;          /* the summed dimension of the data is its second one */
  bool weights_out_first = (side == 0) == c_turned; /* the constant's first dimension is that of the output */
  int64_t sum = u.dim[sum_last], along = u.dim[!sum_last], out = c.dim[!weights_out_first];
  if (c.dim[weights_out_first] != sum)
    return facet_node_raise(node, "weights are %s but the input has %lld features", facet_shape_text(c),
                            (long long)sum);
  l->full = (facet_shape){.rank = 2, .dim = {side == 0 ? along : out, side == 0 ? out : along}};
  FACET_TRY(lower_product(node, &(product){side == 0, sum_last, along, sum, out, weights_out_first}, 1));
  l->weight_factor = facet_node_float(node, "alpha", 1);
  return gemm_bias(network, node, out);
}
