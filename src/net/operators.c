/* The operator table: one row per ONNX operator, with its shape inference.
 *
 * A lower function sees a node whose inputs have shapes, checks it against the ONNX specification of its
 * operator, sets the shape of the output and fills node->lowered (see lower.h).  To add an operator, write its
 * function and add its row at the end of this file. */
#include <math.h>
#include <string.h>

#include "net/lower.h"

/* ---- small helpers ---- */

static int64_t attribute_int(const facet_node *node, const char *name, int64_t otherwise)
{
  const facet_attribute *a = facet_node_attribute(node, name);
  return a && a->kind == FACET_INT ? a->integer : otherwise;
}

static double attribute_float(const facet_node *node, const char *name, double otherwise)
{
  const facet_attribute *a = facet_node_attribute(node, name);
  return a && a->kind == FACET_FLOAT ? a->number : otherwise;
}

static const facet_tensor *constant_input(const facet_network *network, const facet_node *node, int i)
{
  return i < node->inputs && node->input[i] != NO_VALUE ? network->value[node->input[i]].constant : NULL;
}

static facet_value *data_input(facet_network *network, const facet_node *node)
{
  return &network->value[node->lowered->input[0]];
}

static facet_shape *output_shape(facet_network *network, const facet_node *node)
{
  return &network->value[node->lowered->output].shape;
}

/* The first input must be the one that depends on the network's input, and the only one. */
static facet_status one_input(const facet_node *node)
{
  if (node->lowered->inputs != 1 || node->lowered->input[0] != node->input[0])
    return facet_node_raise(node, "only its first input may depend on the network's input");
  return FACET_OK;
}

/* Integers from an attribute, or from constant input `i` where newer opsets moved them. *count -1: left out. */
static facet_status integer_list(const facet_network *network, const facet_node *node, const char *name, int i,
                                 int64_t *list, int *count)
{
  const facet_attribute *a = facet_node_attribute(node, name);
  *count = -1;
  if (a) {
    if (a->kind != FACET_INTS || a->count > 2 * FACET_MAX_RANK)
      return facet_node_raise(node, "attribute %s is not a list of integers", name);
    *count = a->count;
    for (int k = 0; k < a->count; k++)
      list[k] = a->integers[k];
  } else if (i >= 0 && i < node->inputs && node->input[i] != NO_VALUE) {
    const facet_tensor *t = constant_input(network, node, i);
    if (!t || t->type != FACET_I64 || facet_shape_size(t->shape) > 2 * FACET_MAX_RANK)
      return facet_node_raise(node, "%s must be a constant list of integers", name);
    *count = (int)facet_shape_size(t->shape);
    for (int k = 0; k < *count; k++)
      list[k] = ((const int64_t *)t->data)[k]; /* not through double: ends may be INT64_MAX */
  }
  return FACET_OK;
}

/* An axis of the ONNX value (batch included) as one of the per-sample shape; rank is the per-sample one. */
static facet_status sample_axis(const facet_node *node, int64_t axis, int rank, int *result)
{
  int64_t a = axis < 0 ? axis + rank + 1 : axis;
  if (a < 0 || a > rank)
    return facet_node_raise(node, "axis %lld is out of range", (long long)axis);
  if (a == 0)
    return facet_node_raise(node, "works along the batch dimension");
  *result = (int)a - 1;
  return FACET_OK;
}

/* ---- windows: what Conv and pooling share ---- */

typedef struct {
  int spatial;
  int64_t in[FACET_MAX_SPATIAL], out[FACET_MAX_SPATIAL], kernel[FACET_MAX_SPATIAL], stride[FACET_MAX_SPATIAL];
  int64_t dilation[FACET_MAX_SPATIAL], begin[FACET_MAX_SPATIAL], end[FACET_MAX_SPATIAL];
} windows;

static facet_status windows_list(const facet_node *node, const char *name, int spatial, int64_t least, int64_t *list,
                                 int64_t otherwise)
{
  const facet_attribute *a = facet_node_attribute(node, name);
  for (int d = 0; d < spatial; d++)
    list[d] = otherwise;
  if (!a)
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

/* Padding from auto_pad or pads, then the output size (ONNX specification of Conv and the pools). */
static facet_status windows_pads(const facet_node *node, windows *w)
{
  const facet_attribute *automatic = facet_node_attribute(node, "auto_pad");
  const char *mode = automatic && automatic->kind == FACET_TEXT ? automatic->text : "NOTSET";
  bool ceil_mode = attribute_int(node, "ceil_mode", 0) != 0;
  bool upper = strcmp(mode, "SAME_UPPER") == 0, lower = strcmp(mode, "SAME_LOWER") == 0;
  const facet_attribute *pads = facet_node_attribute(node, "pads");
  if (pads && (pads->kind != FACET_INTS || pads->count != 2 * w->spatial))
    return facet_node_raise(node, "pads must have %d entries", 2 * w->spatial);
  if (!upper && !lower && strcmp(mode, "NOTSET") != 0 && strcmp(mode, "VALID") != 0)
    return facet_node_raise(node, "auto_pad %s is not known", mode);
  for (int d = 0; d < w->spatial; d++) {
    int64_t reach = (w->kernel[d] - 1) * w->dilation[d] + 1;
    if (upper || lower) {
      w->out[d] = (w->in[d] + w->stride[d] - 1) / w->stride[d];
      int64_t total = (w->out[d] - 1) * w->stride[d] + reach - w->in[d];
      total = total < 0 ? 0 : total;
      w->begin[d] = upper ? total / 2 : total - total / 2;
      w->end[d] = total - w->begin[d];
      continue;
    }
    bool given = pads && strcmp(mode, "NOTSET") == 0;
    w->begin[d] = given ? pads->integers[d] : 0;
    w->end[d] = given ? pads->integers[w->spatial + d] : 0;
    if (w->begin[d] < 0 || w->end[d] < 0 || w->begin[d] > 1 << 20 || w->end[d] > 1 << 20)
      return facet_node_raise(node, "padding %lld, %lld", (long long)w->begin[d], (long long)w->end[d]);
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

/* Everything but the kernel's size, which Conv takes from its weights. */
static facet_status windows_read(const facet_node *node, facet_shape in, const int64_t *kernel, windows *w)
{
  *w = (windows){.spatial = in.rank - 1};
  if (w->spatial < 1 || w->spatial > FACET_MAX_SPATIAL)
    return facet_node_raise(node, "input of shape %s has %d spatial dimensions: 1 to 3 are supported",
                            facet_shape_text(in), w->spatial);
  for (int d = 0; d < w->spatial; d++)
    w->in[d] = in.dim[d + 1];
  FACET_TRY(windows_list(node, "kernel_shape", w->spatial, 1, w->kernel, 0));
  for (int d = 0; d < w->spatial; d++) {
    if (kernel && w->kernel[d] != 0 && w->kernel[d] != kernel[d])
      return facet_node_raise(node, "kernel_shape does not fit the weights");
    if (kernel)
      w->kernel[d] = kernel[d];
    if (w->kernel[d] < 1)
      return facet_node_raise(node, "kernel_shape is missing");
  }
  FACET_TRY(windows_list(node, "strides", w->spatial, 1, w->stride, 1));
  FACET_TRY(windows_list(node, "dilations", w->spatial, 1, w->dilation, 1));
  return windows_pads(node, w);
}

/* ---- linear ---- */

static facet_status constant_real(const facet_network *network, const facet_node *node, int i, const char *what,
                                  int *value)
{
  const facet_tensor *t = constant_input(network, node, i);
  if (!t || t->type == FACET_I64)
    return facet_node_raise(node, "%s must be constant numbers", what);
  *value = node->input[i];
  return FACET_OK;
}

static facet_status lower_conv(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  FACET_TRY(one_input(node));
  facet_shape in = data_input(network, node)->shape;
  FACET_TRY(constant_real(network, node, 1, "weights", &l->weight));
  facet_shape weight = network->value[l->weight].shape;
  int64_t groups = attribute_int(node, "group", 1);
  if (weight.rank != in.rank + 1 || in.rank < 2)
    return facet_node_raise(node, "weights are %s but the input is %s", facet_shape_text(weight), facet_shape_text(in));
  if (groups < 1 || groups > weight.dim[0] || weight.dim[0] % groups != 0 || weight.dim[1] < 1 ||
      weight.dim[1] > in.dim[0] || weight.dim[1] * groups != in.dim[0])
    return facet_node_raise(node, "weights are %s in %lld groups but the input has %lld channels",
                            facet_shape_text(weight), (long long)groups, (long long)in.dim[0]);
  windows w;
  FACET_TRY(windows_read(node, in, weight.dim + 2, &w));
  l->conv = (facet_conv_shape){
      .spatial = w.spatial, .in_channels = in.dim[0], .out_channels = weight.dim[0], .groups = groups};
  facet_shape *out = output_shape(network, node);
  *out = (facet_shape){.rank = in.rank, .dim = {weight.dim[0]}};
  for (int d = 0; d < w.spatial; d++) {
    l->conv.in[d] = w.in[d];
    l->conv.out[d] = out->dim[d + 1] = w.out[d];
    l->conv.kernel[d] = w.kernel[d];
    l->conv.stride[d] = w.stride[d];
    l->conv.dilation[d] = w.dilation[d];
    l->conv.pad_begin[d] = w.begin[d];
    l->conv.pad_end[d] = w.end[d];
  }
  l->weight_factor = l->bias_factor = 1;
  if (node->inputs > 2 && node->input[2] != NO_VALUE) {
    FACET_TRY(constant_real(network, node, 2, "bias", &l->bias));
    facet_shape bias = network->value[l->bias].shape;
    if (bias.rank != 1 || bias.dim[0] != weight.dim[0])
      return facet_node_raise(node, "bias is %s for %lld channels", facet_shape_text(bias), (long long)weight.dim[0]);
  }
  return FACET_OK;
}

/* Inner product of a flat value with constant weights. */
static facet_status lower_product(facet_network *network, facet_node *node, bool transposed)
{
  facet_lowered *l = node->lowered;
  FACET_TRY(one_input(node));
  facet_shape in = data_input(network, node)->shape;
  FACET_TRY(constant_real(network, node, 1, "weights", &l->weight));
  facet_shape weight = network->value[l->weight].shape;
  if (in.rank != 1 || weight.rank != 2)
    return facet_node_raise(node, "a flat input and a matrix are supported, not %s and %s", facet_shape_text(in),
                            facet_shape_text(weight));
  if (weight.dim[transposed ? 0 : 1] != in.dim[0])
    return facet_node_raise(node, "weights are %s but the input has %lld features", facet_shape_text(weight),
                            (long long)in.dim[0]);
  l->transposed = transposed;
  l->conv = (facet_conv_shape){.in_channels = in.dim[0], .out_channels = weight.dim[transposed ? 1 : 0], .groups = 1};
  *output_shape(network, node) = (facet_shape){.rank = 1, .dim = {l->conv.out_channels}};
  l->weight_factor = l->bias_factor = 1;
  return FACET_OK;
}

static facet_status lower_matmul(facet_network *network, facet_node *node)
{
  return lower_product(network, node, true);
}

static facet_status lower_gemm(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  if (attribute_int(node, "transA", 0) != 0)
    return facet_node_raise(node, "transA is not supported");
  FACET_TRY(lower_product(network, node, attribute_int(node, "transB", 0) == 0));
  l->weight_factor = attribute_float(node, "alpha", 1);
  l->bias_factor = attribute_float(node, "beta", 1);
  if (node->inputs > 2 && node->input[2] != NO_VALUE) {
    FACET_TRY(constant_real(network, node, 2, "bias", &l->bias));
    facet_shape bias = network->value[l->bias].shape;
    int64_t size = facet_shape_size(bias);
    if (size != 1 && !(size == l->conv.out_channels && bias.rank > 0 && bias.dim[bias.rank - 1] == size))
      return facet_node_raise(node, "bias is %s for %lld outputs", facet_shape_text(bias),
                              (long long)l->conv.out_channels);
  }
  return FACET_OK;
}

/* ---- diagonal and sums ---- */

static facet_status lower_batch_norm(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  FACET_TRY(one_input(node));
  facet_shape in = data_input(network, node)->shape;
  int *const value[] = {&l->gamma, &l->beta, &l->mean, &l->variance};
  static const char *const what[] = {"scale", "B", "mean", "var"};
  if (attribute_int(node, "training_mode", 0) != 0)
    return facet_node_raise(node, "training_mode is on: export the network in evaluation mode");
  if (in.rank < 1)
    return facet_node_raise(node, "input has no channels");
  for (int i = 0; i < 4; i++) {
    FACET_TRY(constant_real(network, node, i + 1, what[i], value[i]));
    facet_shape shape = network->value[*value[i]].shape;
    if (shape.rank != 1 || shape.dim[0] != in.dim[0])
      return facet_node_raise(node, "%s is %s but the input has %lld channels", what[i], facet_shape_text(shape),
                              (long long)in.dim[0]);
  }
  l->batch_norm = true;
  l->epsilon = attribute_float(node, "epsilon", 1e-5);
  const facet_tensor *variance = network->value[l->variance].constant;
  for (int64_t c = 0; c < in.dim[0]; c++)
    if (!(facet_tensor_get(variance, c) + l->epsilon > 0))
      return facet_node_raise(node, "variance of channel %lld is %g", (long long)c, facet_tensor_get(variance, c));
  *output_shape(network, node) = in;
  return FACET_OK;
}

/* Whether a constant spreads over a per-sample shape without enlarging it (NumPy broadcasting, batch dimension 1). */
static bool spreads(facet_shape constant, facet_shape in)
{
  for (int i = 0; i < constant.rank; i++) {
    int axis = in.rank - constant.rank + i; /* -1 is the batch dimension */
    if (constant.dim[i] != 1 && (axis < 0 || constant.dim[i] != in.dim[axis]))
      return false;
  }
  return constant.rank <= in.rank + 1;
}

static facet_status lower_with_constant(facet_network *network, facet_node *node, char operation)
{
  facet_lowered *l = node->lowered;
  int side = node->input[0] == l->input[0] ? 1 : 0;
  FACET_TRY(constant_real(network, node, side, "the other operand", &l->constant));
  facet_shape in = data_input(network, node)->shape;
  facet_shape constant = network->value[l->constant].shape;
  if (!spreads(constant, in))
    return facet_node_raise(node, "a constant of %s does not spread over %s", facet_shape_text(constant),
                            facet_shape_text(in));
  if (operation == '/' && side == 0)
    return facet_node_raise(node, "a constant divided by a value is not piecewise linear");
  for (int64_t i = 0; operation == '/' && i < facet_shape_size(constant); i++)
    if (facet_tensor_get(network->value[l->constant].constant, i) == 0)
      return facet_node_raise(node, "divides by 0");
  l->kind = KIND_DIAGONAL;
  l->arithmetic = operation == '-' && side == 0 ? 'r' : operation;
  *output_shape(network, node) = in;
  return FACET_OK;
}

static facet_status lower_arithmetic(facet_network *network, facet_node *node, char operation)
{
  facet_lowered *l = node->lowered;
  if (node->inputs != 2)
    return facet_node_raise(node, "has %d inputs", node->inputs);
  if (l->inputs == 1)
    return lower_with_constant(network, node, operation);
  if (operation == '*' || operation == '/')
    return facet_node_raise(node, "a product or quotient of two branches is not piecewise linear");
  facet_shape a = network->value[l->input[0]].shape, b = network->value[l->input[1]].shape;
  if (!facet_shape_same(a, b))
    return facet_node_raise(node, "branches of %s and %s", facet_shape_text(a), facet_shape_text(b));
  l->kind = KIND_SUM;
  FACET_NEW(l->coefficient, 2);
  l->coefficient[0] = 1;
  l->coefficient[1] = operation == '-' ? -1 : 1;
  *output_shape(network, node) = a;
  return FACET_OK;
}

static facet_status lower_add(facet_network *network, facet_node *node)
{
  return lower_arithmetic(network, node, '+');
}

static facet_status lower_sub(facet_network *network, facet_node *node)
{
  return lower_arithmetic(network, node, '-');
}

static facet_status lower_mul(facet_network *network, facet_node *node)
{
  return lower_arithmetic(network, node, '*');
}

static facet_status lower_div(facet_network *network, facet_node *node)
{
  return lower_arithmetic(network, node, '/');
}

/* ---- gates ---- */

static facet_status lower_relu(facet_network *network, facet_node *node)
{
  FACET_TRY(one_input(node));
  *output_shape(network, node) = data_input(network, node)->shape;
  return FACET_OK;
}

static facet_status lower_leaky_relu(facet_network *network, facet_node *node)
{
  node->lowered->alpha = attribute_float(node, "alpha", 0.01);
  return lower_relu(network, node);
}

/* ---- moves ---- */

/* Values that no machine here holds are a damaged file's. */
static facet_status size_is_sane(const facet_node *node, facet_shape out)
{
  if (facet_shape_size(out) > (int64_t)1 << 28)
    return facet_node_raise(node, "output of %s is too large", facet_shape_text(out));
  return FACET_OK;
}

/* source[i] = i over the output's elements: Identity, Flatten, Reshape. */
static facet_status straight_move(facet_network *network, facet_node *node, facet_shape out)
{
  facet_lowered *l = node->lowered;
  int64_t size = facet_shape_size(out);
  FACET_TRY(size_is_sane(node, out));
  *output_shape(network, node) = out;
  FACET_NEW(l->source, size);
  for (int64_t i = 0; i < size; i++)
    l->source[i] = i;
  return FACET_OK;
}

static facet_status lower_identity(facet_network *network, facet_node *node)
{
  FACET_TRY(one_input(node));
  return straight_move(network, node, data_input(network, node)->shape);
}

static facet_status lower_flatten(facet_network *network, facet_node *node)
{
  FACET_TRY(one_input(node));
  facet_shape in = data_input(network, node)->shape;
  int64_t axis = attribute_int(node, "axis", 1);
  if (axis < 0)
    axis += in.rank + 1;
  if (axis < 1 || axis > in.rank + 1)
    return facet_node_raise(node, "axis %lld mixes samples", (long long)axis);
  for (int64_t i = 0; i < axis - 1; i++)
    if (in.dim[i] != 1)
      return facet_node_raise(node, "axis %lld puts parts of a sample into the batch dimension", (long long)axis);
  return straight_move(network, node, (facet_shape){.rank = 1, .dim = {facet_shape_size(in)}});
}

/* target: the ONNX shape with the batch dimension first, entries 0 (as in the input) and -1 (what is left). */
static facet_status lower_reshape(facet_network *network, facet_node *node)
{
  FACET_TRY(one_input(node));
  facet_shape in = data_input(network, node)->shape;
  int64_t target[2 * FACET_MAX_RANK];
  int count;
  FACET_TRY(integer_list(network, node, "shape", 1, target, &count));
  if (count < 1 || count > FACET_MAX_RANK)
    return facet_node_raise(node, "target shape must be a constant with 1 to %d dimensions", FACET_MAX_RANK);
  facet_shape out = {.rank = count - 1};
  int64_t size = facet_shape_size(in), known = 1;
  int open = -1;
  for (int i = 1; i < count; i++) {
    int64_t d = target[i];
    if (d == 0 && attribute_int(node, "allowzero", 0) == 0)
      d = i - 1 < in.rank ? in.dim[i - 1] : -2;
    if (d == -1 && open < 0) {
      open = i - 1;
      continue;
    }
    if (d < 1 || d > size)
      return facet_node_raise(node, "cannot reshape %s: dimension %d of the target is %lld", facet_shape_text(in), i,
                              (long long)target[i]);
    out.dim[i - 1] = d;
    known *= d;
    if (known > size)
      break;
  }
  if (open >= 0 && target[0] == -1)
    return facet_node_raise(node, "target shape has -1 twice");
  if (open >= 0 && known <= size)
    out.dim[open] = size / known;
  if (known > size || (open >= 0 ? size % known != 0 : known != size))
    return facet_node_raise(node, "target shape does not hold one sample of %s", facet_shape_text(in));
  return straight_move(network, node, out);
}

/* Row-major strides of a shape. */
static void strides_of(facet_shape shape, int64_t stride[FACET_MAX_RANK])
{
  int64_t step = 1;
  for (int i = shape.rank - 1; i >= 0; i--) {
    stride[i] = step;
    step *= shape.dim[i];
  }
}

/* Walks the output's elements: source = base + sum_i (start_i + index_i * step_i) * stride_i of the input's axis i of
 * the output; a negative or too large input index means the constant. */
typedef struct {
  int64_t start, step, stride, limit;
} move_axis;

static facet_status affine_move(facet_network *network, facet_node *node, facet_shape out, const move_axis *axis)
{
  facet_lowered *l = node->lowered;
  int64_t size = facet_shape_size(out);
  FACET_TRY(size_is_sane(node, out));
  *output_shape(network, node) = out;
  FACET_NEW(l->source, size);
  int64_t index[FACET_MAX_RANK] = {0};
  for (int64_t i = 0; i < size; i++) {
    int64_t at = 0;
    for (int d = 0; d < out.rank; d++) {
      int64_t u = axis[d].start + index[d] * axis[d].step;
      if (u < 0 || u >= axis[d].limit) {
        at = -1;
        break;
      }
      at += u * axis[d].stride;
    }
    l->source[i] = at;
    for (int d = out.rank - 1; d >= 0 && ++index[d] == out.dim[d]; d--)
      index[d] = 0;
  }
  return FACET_OK;
}

static facet_status lower_transpose(facet_network *network, facet_node *node)
{
  FACET_TRY(one_input(node));
  facet_shape in = data_input(network, node)->shape, out = {.rank = in.rank};
  int64_t perm[2 * FACET_MAX_RANK], stride[FACET_MAX_RANK];
  int count;
  move_axis axis[FACET_MAX_RANK] = {{0, 0, 0, 0}};
  bool seen[FACET_MAX_RANK] = {false};
  FACET_TRY(integer_list(network, node, "perm", -1, perm, &count));
  if (count != in.rank + 1 || perm[0] != 0)
    return facet_node_raise(node, "perm must keep the batch dimension first and name all %d dimensions", in.rank + 1);
  strides_of(in, stride);
  for (int i = 0; i < in.rank; i++) {
    int from;
    FACET_TRY(sample_axis(node, perm[i + 1], in.rank, &from));
    if (seen[from])
      return facet_node_raise(node, "perm names dimension %d twice", from + 1);
    seen[from] = true;
    out.dim[i] = in.dim[from];
    axis[i] = (move_axis){.step = 1, .stride = stride[from], .limit = in.dim[from]};
  }
  return affine_move(network, node, out, axis);
}

/* start and count of one sliced axis (ONNX specification of Slice). */
static facet_status slice_axis(const facet_node *node, int64_t dim, int64_t start, int64_t end, int64_t step,
                               move_axis *axis, int64_t *count)
{
  if (step == 0 || step < -(1 << 20) || step > 1 << 20)
    return facet_node_raise(node, "step is %lld", (long long)step);
  start = start < 0 ? (start < -dim ? -1 : start + dim) : start;
  end = end < 0 ? (end < -dim ? -1 : end + dim) : end;
  if (step > 0) {
    start = start < 0 ? 0 : start > dim ? dim : start;
    end = end < 0 ? 0 : end > dim ? dim : end;
    *count = end > start ? (end - start + step - 1) / step : 0;
  } else {
    start = start < 0 ? 0 : start > dim - 1 ? dim - 1 : start;
    end = end < -1 ? -1 : end > dim - 1 ? dim - 1 : end;
    *count = start > end ? (start - end - step - 1) / -step : 0;
  }
  axis->start = start;
  axis->step = step;
  return FACET_OK;
}

static facet_status lower_slice(facet_network *network, facet_node *node)
{
  FACET_TRY(one_input(node));
  facet_shape in = data_input(network, node)->shape, out = in;
  int64_t start[2 * FACET_MAX_RANK], end[2 * FACET_MAX_RANK], axes[2 * FACET_MAX_RANK], step[2 * FACET_MAX_RANK];
  int starts, ends, named, steps;
  int64_t stride[FACET_MAX_RANK];
  move_axis axis[FACET_MAX_RANK] = {{0, 0, 0, 0}};
  FACET_TRY(integer_list(network, node, "starts", 1, start, &starts));
  FACET_TRY(integer_list(network, node, "ends", 2, end, &ends));
  FACET_TRY(integer_list(network, node, "axes", 3, axes, &named));
  FACET_TRY(integer_list(network, node, "steps", 4, step, &steps));
  if (starts < 0 || ends != starts || (named >= 0 && named != starts) || (steps >= 0 && steps != starts))
    return facet_node_raise(node, "starts, ends, axes and steps must be lists of one length");
  strides_of(in, stride);
  for (int i = 0; i < in.rank; i++)
    axis[i] = (move_axis){.step = 1, .stride = stride[i], .limit = in.dim[i]};
  for (int i = 0; i < starts; i++) {
    int64_t a = named >= 0 ? axes[i] : i;
    if (a == 0 || a == -(in.rank + 1)) { /* the batch: only if all of it is kept */
      if (start[i] != 0 || end[i] < INT32_MAX || (steps >= 0 && step[i] != 1))
        return facet_node_raise(node, "takes a part of the batch");
      continue;
    }
    int d;
    FACET_TRY(sample_axis(node, a, in.rank, &d));
    FACET_TRY(slice_axis(node, in.dim[d], start[i], end[i], steps >= 0 ? step[i] : 1, &axis[d], &out.dim[d]));
  }
  if (facet_shape_size(out) == 0)
    return facet_node_raise(node, "output is empty");
  node->lowered->keeps_axes = true;
  return affine_move(network, node, out, axis);
}

static facet_status lower_pad(facet_network *network, facet_node *node)
{
  FACET_TRY(one_input(node));
  facet_lowered *l = node->lowered;
  facet_shape in = data_input(network, node)->shape, out = in;
  int64_t pads[2 * FACET_MAX_RANK] = {0}, stride[FACET_MAX_RANK];
  int count;
  move_axis axis[FACET_MAX_RANK] = {{0, 0, 0, 0}};
  const facet_attribute *mode = facet_node_attribute(node, "mode");
  if (mode && mode->kind == FACET_TEXT && strcmp(mode->text, "constant") != 0)
    return facet_node_raise(node, "mode %s is not supported", mode->text);
  if (node->inputs > 3 && node->input[3] != NO_VALUE)
    return facet_node_raise(node, "the input axes is not supported");
  FACET_TRY(integer_list(network, node, "pads", 1, pads, &count));
  if (count != 2 * (in.rank + 1))
    return facet_node_raise(node, "pads must be a constant with %d entries", 2 * (in.rank + 1));
  if (pads[0] != 0 || pads[in.rank + 1] != 0)
    return facet_node_raise(node, "pads the batch dimension");
  l->keeps_axes = true;
  l->fill = attribute_float(node, "value", 0);
  if (constant_input(network, node, 2))
    l->fill = facet_tensor_get(constant_input(network, node, 2), 0);
  else if (node->inputs > 2 && node->input[2] != NO_VALUE)
    return facet_node_raise(node, "constant_value must be a constant");
  if (!isfinite(l->fill))
    return facet_node_raise(node, "constant_value is %g", l->fill);
  strides_of(in, stride);
  for (int i = 0; i < in.rank; i++) {
    int64_t begin = pads[i + 1], end = pads[in.rank + 2 + i];
    out.dim[i] =
        begin < -in.dim[i] || begin > 1 << 20 || end < -in.dim[i] || end > 1 << 20 ? 0 : in.dim[i] + begin + end;
    if (out.dim[i] < 1)
      return facet_node_raise(node, "pads are %lld, %lld along a dimension of %lld", (long long)begin, (long long)end,
                              (long long)in.dim[i]);
    axis[i] = (move_axis){.start = -begin, .step = 1, .stride = stride[i], .limit = in.dim[i]};
  }
  return affine_move(network, node, out, axis);
}

static facet_status lower_concat(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  if (l->inputs != node->inputs)
    return facet_node_raise(node, "constant parts are not supported");
  facet_shape out = data_input(network, node)->shape;
  const facet_attribute *attribute = facet_node_attribute(node, "axis");
  int axis;
  FACET_TRY(sample_axis(node, attribute && attribute->kind == FACET_INT ? attribute->integer : 1, out.rank, &axis));
  for (int j = 1; j < l->inputs; j++) {
    facet_shape part = network->value[l->input[j]].shape, alike = out;
    if (part.rank == out.rank)
      alike.dim[axis] = part.dim[axis];
    if (!facet_shape_same(part, alike))
      return facet_node_raise(node, "parts of %s and %s", facet_shape_text(out), facet_shape_text(part));
    out.dim[axis] += part.dim[axis];
  }
  FACET_TRY(size_is_sane(node, out));
  *output_shape(network, node) = out;
  FACET_NEW(l->source, facet_shape_size(out));
  FACET_NEW(l->from, facet_shape_size(out));
  l->keeps_axes = true;
  int64_t inner = 1, outer = 1, at = 0;
  for (int i = 0; i < out.rank; i++)
    *(i < axis ? &outer : &inner) *= i == axis ? 1 : out.dim[i];
  for (int64_t o = 0; o < outer; o++)
    for (int j = 0; j < l->inputs; j++) {
      int64_t run = network->value[l->input[j]].shape.dim[axis] * inner;
      for (int64_t i = 0; i < run; i++, at++) {
        l->from[at] = j;
        l->source[at] = o * run + i;
      }
    }
  return FACET_OK;
}

/* ---- windows ---- */

/* Lists the input positions of every window. count_all: divide by the window's size with padding, not by what is in. */
static facet_status window_lists(const facet_node *node, const windows *w, bool count_all)
{
  facet_lowered *l = node->lowered;
  facet_shape all = {.rank = 2 * w->spatial}, out = {.rank = w->spatial};
  for (int d = 0; d < w->spatial; d++) {
    all.dim[d] = out.dim[d] = w->out[d];
    all.dim[w->spatial + d] = w->kernel[d];
  }
  FACET_TRY(size_is_sane(node, all));
  int64_t outs = facet_shape_size(out), taps = facet_shape_size(all) / outs;
  FACET_NEW(l->begin, outs + 1);
  FACET_NEW(l->position, outs * taps);
  if (!l->maximum)
    FACET_NEW(l->weight_of, outs);
  int64_t o[FACET_MAX_SPATIAL] = {0}, used = 0;
  for (int64_t s = 0; s < outs; s++) {
    int64_t k[FACET_MAX_SPATIAL] = {0}, padded = 0;
    for (int64_t t = 0; t < taps; t++) {
      int64_t at = 0;
      bool inside = true, counted = true;
      for (int d = 0; d < w->spatial; d++) {
        int64_t u = o[d] * w->stride[d] - w->begin[d] + k[d] * w->dilation[d];
        inside = inside && u >= 0 && u < w->in[d];
        counted = counted && u < w->in[d] + w->end[d]; /* what ceil_mode lets stick out counts for nothing */
        at = at * w->in[d] + u;
      }
      if (inside)
        l->position[used++] = at;
      padded += counted;
      for (int d = w->spatial - 1; d >= 0 && ++k[d] == w->kernel[d]; d--)
        k[d] = 0;
    }
    l->begin[s + 1] = used;
    if (l->weight_of) {
      int64_t divisor = count_all ? padded : used - l->begin[s];
      l->weight_of[s] = divisor > 0 ? 1.0 / (double)divisor : 0;
    }
    for (int d = w->spatial - 1; d >= 0 && ++o[d] == w->out[d]; d--)
      o[d] = 0;
  }
  return FACET_OK;
}

static facet_status lower_pool(facet_network *network, facet_node *node, bool maximum)
{
  facet_lowered *l = node->lowered;
  FACET_TRY(one_input(node));
  facet_shape in = data_input(network, node)->shape;
  windows w;
  FACET_TRY(windows_read(node, in, NULL, &w));
  facet_shape *out = output_shape(network, node);
  *out = in;
  for (int d = 0; d < w.spatial; d++)
    out->dim[d + 1] = w.out[d];
  l->maximum = maximum;
  FACET_TRY(window_lists(node, &w, attribute_int(node, "count_include_pad", 0) != 0));
  int64_t outs = facet_shape_size(*out) / out->dim[0];
  for (int64_t s = 0; maximum && s < outs; s++)
    if (l->begin[s] == l->begin[s + 1])
      return facet_node_raise(node, "a window lies wholly in the padding");
  return FACET_OK;
}

static facet_status lower_max_pool(facet_network *network, facet_node *node)
{
  return lower_pool(network, node, true);
}

static facet_status lower_average_pool(facet_network *network, facet_node *node)
{
  return lower_pool(network, node, false);
}

static facet_status lower_global_average_pool(facet_network *network, facet_node *node)
{
  FACET_TRY(one_input(node));
  facet_shape in = data_input(network, node)->shape;
  windows w = {.spatial = in.rank - 1};
  if (w.spatial < 1 || w.spatial > FACET_MAX_SPATIAL)
    return facet_node_raise(node, "input of shape %s has no 1 to 3 spatial dimensions", facet_shape_text(in));
  facet_shape *out = output_shape(network, node);
  *out = in;
  for (int d = 0; d < w.spatial; d++) {
    w.in[d] = w.kernel[d] = in.dim[d + 1];
    w.out[d] = w.stride[d] = w.dilation[d] = out->dim[d + 1] = 1;
  }
  return window_lists(node, &w, false);
}

/* ---- the table ---- */

static const facet_operator operators[] = {
    {"Add", KIND_SUM, lower_add},
    {"AveragePool", KIND_WINDOW, lower_average_pool},
    {"BatchNormalization", KIND_DIAGONAL, lower_batch_norm},
    {"Concat", KIND_MOVE, lower_concat},
    {"Constant", KIND_MOVE, NULL},
    {"Conv", KIND_LINEAR, lower_conv},
    {"Div", KIND_DIAGONAL, lower_div},
    {"Dropout", KIND_MOVE, lower_identity},
    {"Flatten", KIND_MOVE, lower_flatten},
    {"Gemm", KIND_LINEAR, lower_gemm},
    {"GlobalAveragePool", KIND_WINDOW, lower_global_average_pool},
    {"Identity", KIND_MOVE, lower_identity},
    {"LeakyRelu", KIND_GATE, lower_leaky_relu},
    {"LogSoftmax", KIND_MOVE, NULL},
    {"MatMul", KIND_LINEAR, lower_matmul},
    {"MaxPool", KIND_WINDOW, lower_max_pool},
    {"Mul", KIND_DIAGONAL, lower_mul},
    {"Pad", KIND_MOVE, lower_pad},
    {"Relu", KIND_GATE, lower_relu},
    {"Reshape", KIND_MOVE, lower_reshape},
    {"Slice", KIND_MOVE, lower_slice},
    {"Softmax", KIND_MOVE, NULL},
    {"Sub", KIND_SUM, lower_sub},
    {"Transpose", KIND_MOVE, lower_transpose},
};

const facet_operator *facet_operator_find(const char *type)
{
  for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
    if (strcmp(operators[i].type, type) == 0)
      return &operators[i];
  return NULL;
}

bool facet_operator_known(const char *type)
{
  return facet_operator_find(type) != NULL;
}
