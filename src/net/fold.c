/* Constant expressions: nodes whose result is known when a network is loaded become constants.
 *
 * Exporters write them around shapes (Shape, Gather, Unsqueeze, Concat into Reshape) and around weights (Transpose,
 * Mul).  What only moves elements or works on one value is evaluated through the lowered form that the operator has
 * anyway; arithmetic of several constants is done here.  Whole numbers stay whole. */
#include <math.h>
#include <string.h>

#include "lower.h"

/* Takes the tensor over, in any case. */
static facet_status set_constant(facet_network *network, const facet_node *node, facet_tensor *tensor)
{
  facet_status status = facet_node_count(network, node, tensor->shape);
  for (int64_t i = 0; status == FACET_OK && tensor->type != FACET_I64 && i < facet_shape_size(tensor->shape); i++)
    if (isnan(facet_tensor_get(tensor, i)))
      status = facet_node_raise(node, "its inputs are constants, and make NaN");
  if (status != FACET_OK) {
    facet_tensor_destroy(&tensor);
    return status;
  }
  facet_value *value = &network->value[node->output[0]];
  value->constant = tensor;
  value->shape = tensor->shape;
  value->whole = true;
  return FACET_OK;
}

static int64_t whole_number(const facet_tensor *t, int64_t i)
{
  return t->type == FACET_I64 ? ((const int64_t *)t->data)[i] : facet_whole_of(facet_tensor_get(t, i));
}

/* ---- arithmetic of several constants ---- */

static double real_result(const char *type, double a, double b, bool *known)
{
  *known = true;
  if (strcmp(type, "Add") == 0 || strcmp(type, "Sum") == 0 || strcmp(type, "Mean") == 0)
    return a + b;
  if (strcmp(type, "Sub") == 0)
    return a - b;
  if (strcmp(type, "Mul") == 0)
    return a * b;
  if (strcmp(type, "Div") == 0)
    return a / b;
  if (strcmp(type, "Max") == 0)
    return a > b ? a : b;
  if (strcmp(type, "Min") == 0)
    return a < b ? a : b;
  if (strcmp(type, "Pow") == 0)
    return pow(a, b);
  *known = false;
  return 0;
}

static int64_t whole_result(const facet_node *node, int64_t a, int64_t b, bool *known)
{
  const char *type = node->type;
  uint64_t x = (uint64_t)a, y = (uint64_t)b; /* these wrap round, as ONNX's do */
  *known = true;
  if (strcmp(type, "Add") == 0)
    return (int64_t)(x + y);
  if (strcmp(type, "Sub") == 0)
    return (int64_t)(x - y);
  if (strcmp(type, "Mul") == 0)
    return (int64_t)(x * y);
  bool divides = b != 0 && !(a == INT64_MIN && b == -1);
  if (strcmp(type, "Div") == 0)
    return divides ? a / b : 0;
  if (strcmp(type, "Mod") == 0) {
    int64_t rest = divides ? a % b : 0;
    bool floored = facet_node_int(node, "fmod", 0) == 0;
    return floored && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
  if (strcmp(type, "And") == 0)
    return a && b;
  if (strcmp(type, "Or") == 0)
    return a || b;
  return facet_whole_of(real_result(type, (double)a, (double)b, known));
}

static bool compare(const char *type, double a, double b, bool *result)
{
  if (strcmp(type, "Equal") == 0)
    *result = a == b;
  else if (strcmp(type, "Less") == 0)
    *result = a < b;
  else if (strcmp(type, "LessOrEqual") == 0)
    *result = a <= b;
  else if (strcmp(type, "Greater") == 0)
    *result = a > b;
  else if (strcmp(type, "GreaterOrEqual") == 0)
    *result = a >= b;
  else
    return false;
  return true;
}

/* a OP b with NumPy broadcasting; *out NULL: not an operation of two constants. */
static facet_status combine(const facet_node *node, const facet_tensor *a, const facet_tensor *b, facet_tensor **out)
{
  facet_shape shape;
  bool known = false, holds = false, whole = a->type == FACET_I64 && b->type == FACET_I64;
  *out = NULL;
  (void)(whole ? (double)whole_result(node, 1, 1, &known) : real_result(node->type, 1, 1, &known));
  bool compares = compare(node->type, 0, 0, &holds);
  if (!known && !compares)
    return FACET_OK;
  if (!facet_broadcast(a->shape, b->shape, &shape))
    return facet_node_raise(node, "constants of %s and %s", facet_shape_text(a->shape), facet_shape_text(b->shape));
  FACET_TRY(facet_node_size(node, shape));
  facet_type type = compares || whole                              ? FACET_I64
                    : a->type == FACET_F64 || b->type == FACET_F64 ? FACET_F64
                                                                   : FACET_F32;
  FACET_TRY(facet_tensor_create(type, shape, out));
  for (int64_t i = 0; i < facet_shape_size(shape); i++) {
    int64_t at = facet_spread_index(a->shape, shape, i), bt = facet_spread_index(b->shape, shape, i);
    double x = facet_tensor_get(a, at), y = facet_tensor_get(b, bt);
    if (compares) {
      (void)compare(node->type, x, y, &holds);
      ((int64_t *)(*out)->data)[i] = holds;
    } else if (whole) {
      ((int64_t *)(*out)->data)[i] = whole_result(node, whole_number(a, at), whole_number(b, bt), &known);
    } else {
      facet_tensor_set(*out, i, real_result(node->type, x, y, &known));
    }
  }
  return FACET_OK;
}

static facet_status combine_all(const facet_network *network, const facet_node *node, facet_tensor **out)
{
  static const char *const of_any[] = {"Max", "Min", "Sum", "Mean"}; /* also of one input, which they then are */
  bool combines = node->inputs > 1;
  for (size_t i = 0; i < sizeof of_any / sizeof of_any[0]; i++)
    combines = combines || strcmp(node->type, of_any[i]) == 0;
  *out = NULL;
  if (!combines)
    return FACET_OK;
  for (int i = 0; i < node->inputs; i++)
    if (!facet_node_has(node, i)) /* bounds of a Clip may be left out, operands may not */
      return FACET_OK;
  facet_tensor *so_far = NULL;
  FACET_TRY(facet_tensor_copy(facet_node_constant(network, node, 0), &so_far));
  for (int i = 1; i < node->inputs && so_far; i++) {
    facet_tensor *next = NULL;
    facet_status status = combine(node, so_far, facet_node_constant(network, node, i), &next);
    facet_tensor_destroy(&so_far);
    FACET_TRY(status);
    so_far = next;
  }
  for (int64_t i = 0; so_far && strcmp(node->type, "Mean") == 0 && i < facet_shape_size(so_far->shape); i++)
    facet_tensor_set(so_far, i, facet_tensor_get(so_far, i) / node->inputs);
  *out = so_far;
  return FACET_OK;
}

static facet_status choose(const facet_network *network, const facet_node *node, facet_tensor **out)
{
  const facet_tensor *c = facet_node_constant(network, node, 0), *a = facet_node_constant(network, node, 1),
                     *b = facet_node_constant(network, node, 2);
  facet_shape shape;
  if (!c || !a || !b || !facet_broadcast(a->shape, b->shape, &shape) || !facet_broadcast(shape, c->shape, &shape))
    return facet_node_raise(node, "its three inputs do not fit");
  FACET_TRY(facet_node_size(node, shape));
  FACET_TRY(facet_tensor_create(a->type, shape, out));
  for (int64_t i = 0; i < facet_shape_size(shape); i++) {
    bool first = facet_tensor_get(c, facet_spread_index(c->shape, shape, i)) != 0;
    const facet_tensor *from = first ? a : b;
    int64_t at = facet_spread_index(from->shape, shape, i);
    if (a->type == FACET_I64)
      ((int64_t *)(*out)->data)[i] = whole_number(from, at);
    else
      facet_tensor_set(*out, i, facet_tensor_get(from, at));
  }
  return FACET_OK;
}

/* ---- of one constant ---- */

static bool unary_result(const char *type, double x, double *y)
{
  if (strcmp(type, "Sqrt") == 0)
    *y = sqrt(x);
  else if (strcmp(type, "Reciprocal") == 0)
    *y = 1 / x;
  else if (strcmp(type, "Exp") == 0)
    *y = exp(x);
  else if (strcmp(type, "Log") == 0)
    *y = log(x);
  else if (strcmp(type, "Floor") == 0)
    *y = floor(x);
  else if (strcmp(type, "Ceil") == 0)
    *y = ceil(x);
  else if (strcmp(type, "Not") == 0)
    *y = x == 0;
  else if (strcmp(type, "Neg") == 0)
    *y = -x;
  else
    return false;
  return true;
}

static facet_status unary(const facet_network *network, const facet_node *node, facet_tensor **out)
{
  const facet_tensor *u = facet_node_constant(network, node, 0);
  double y;
  *out = NULL;
  if (node->inputs != 1 || !unary_result(node->type, 1, &y))
    return FACET_OK;
  FACET_TRY(facet_tensor_create(u->type, u->shape, out));
  for (int64_t i = 0; i < facet_shape_size(u->shape); i++) {
    (void)unary_result(node->type, facet_tensor_get(u, i), &y);
    facet_tensor_set(*out, i, y);
  }
  return FACET_OK;
}

static facet_status cast(const facet_network *network, const facet_node *node, facet_tensor **out)
{
  enum { FLOAT = 1, INT64 = 7, DOUBLE = 11 };
  const facet_tensor *u = facet_node_constant(network, node, 0), *like = facet_node_constant(network, node, 1);
  int64_t to = facet_node_int(node, "to", !like ? FLOAT : like->type == FACET_I64 ? INT64 : FLOAT);
  bool real = to == 1 || to == 10 || to == DOUBLE || to == 16;
  if (to == 8)
    return facet_node_raise(node, "casts to text");
  FACET_TRY(facet_tensor_create(!real ? FACET_I64 : to == DOUBLE ? FACET_F64 : FACET_F32, u->shape, out));
  for (int64_t i = 0; i < facet_shape_size(u->shape); i++)
    if (real)
      facet_tensor_set(*out, i, facet_tensor_get(u, i));
    else if (to == 9)
      ((int64_t *)(*out)->data)[i] = facet_tensor_get(u, i) != 0;
    else if (u->type == FACET_I64 || fabs(facet_tensor_get(u, i)) < 0x1p63)
      ((int64_t *)(*out)->data)[i] = whole_number(u, i);
    else
      return facet_node_raise(node, "casts %g to a whole number", facet_tensor_get(u, i));
  return FACET_OK;
}

static facet_status reduce_product(const facet_network *network, const facet_node *node, facet_tensor **out)
{
  const facet_tensor *u = facet_node_constant(network, node, 0);
  int64_t axes[FACET_MAX_RANK];
  int count;
  FACET_TRY(facet_node_integers(network, node, "axes", 1, FACET_MAX_RANK, axes, &count));
  if (u->shape.rank > 1 || count > 1)
    return facet_node_raise(node, "a product over some axes of %s is not supported", facet_shape_text(u->shape));
  facet_shape shape = {.rank = facet_node_int(node, "keepdims", 1) != 0 ? u->shape.rank : 0, .dim = {1}};
  double product = 1;
  for (int64_t i = 0; i < facet_shape_size(u->shape); i++)
    product *= facet_tensor_get(u, i);
  FACET_TRY(facet_tensor_create(u->type, shape, out));
  facet_tensor_set(*out, 0, product);
  return FACET_OK;
}

/* ---- shapes ---- */

static facet_status shape_of(const facet_network *network, const facet_node *node, facet_tensor **out)
{
  if (!facet_node_has(node, 0))
    return facet_node_raise(node, "has no input");
  facet_shape full = facet_full_shape(network, node->input[0]);
  if (strcmp(node->type, "Size") == 0) {
    FACET_TRY(facet_tensor_create(FACET_I64, (facet_shape){0}, out));
    ((int64_t *)(*out)->data)[0] = facet_shape_size(full);
    return FACET_OK;
  }
  int64_t start = facet_node_int(node, "start", 0), end = facet_node_int(node, "end", full.rank);
  start += start < 0 ? full.rank : 0;
  end += end < 0 ? full.rank : 0;
  start = start < 0 ? 0 : start > full.rank ? full.rank : start;
  end = end < start ? start : end > full.rank ? full.rank : end;
  FACET_TRY(facet_tensor_create(FACET_I64, (facet_shape){1, {end - start}}, out));
  for (int64_t d = start; d < end; d++)
    ((int64_t *)(*out)->data)[d - start] = full.dim[d];
  return FACET_OK;
}

static facet_status constant_of_shape(const facet_network *network, const facet_node *node, facet_tensor **out)
{
  facet_shape shape = {0};
  const facet_attribute *value = facet_node_attribute(node, "value");
  int count;
  FACET_TRY(facet_node_integers(network, node, "", 0, FACET_MAX_RANK, shape.dim, &count));
  if (count < 0)
    return facet_node_raise(node, "its shape must be a constant");
  shape.rank = count;
  for (int d = 0; d < count; d++)
    if (shape.dim[d] < 0)
      return facet_node_raise(node, "dimension %d is %lld", d, (long long)shape.dim[d]);
  if (value && (value->kind != FACET_TENSOR || facet_shape_size(value->tensor->shape) != 1))
    return facet_node_raise(node, "attribute value must be one number");
  FACET_TRY(facet_node_size(node, shape));
  FACET_TRY(facet_tensor_create(value ? value->tensor->type : FACET_F32, shape, out));
  for (int64_t i = 0; value && i < facet_shape_size(shape); i++)
    facet_tensor_set(*out, i, facet_tensor_get(value->tensor, 0));
  return FACET_OK;
}

static facet_status range(const facet_network *network, const facet_node *node, facet_tensor **out)
{
  double x[3];
  for (int i = 0; i < 3; i++) {
    bool given;
    FACET_TRY(facet_node_scalar(network, node, i, &given, &x[i]));
    if (!given || !isfinite(x[i]))
      return facet_node_raise(node, "needs start, limit and delta");
  }
  double count = x[2] == 0 ? -1 : ceil((x[1] - x[0]) / x[2]);
  if (x[2] == 0 || count > 1 << 24)
    return facet_node_raise(node, "from %g to %g by %g", x[0], x[1], x[2]);
  facet_shape shape = {1, {count > 0 ? (int64_t)count : 0}};
  FACET_TRY(facet_tensor_create(facet_node_constant(network, node, 0)->type, shape, out));
  for (int64_t i = 0; i < shape.dim[0]; i++)
    facet_tensor_set(*out, i, x[0] + (double)i * x[2]);
  return FACET_OK;
}

/* ScatterND: `updates` where `indices` say, over a copy of the first input. */
static facet_status scatter(const facet_network *network, const facet_node *node, facet_tensor **out)
{
  const facet_tensor *data = facet_node_constant(network, node, 0), *at = facet_node_constant(network, node, 1),
                     *update = facet_node_constant(network, node, 2);
  const facet_attribute *reduction = facet_node_attribute(node, "reduction");
  if (reduction && (reduction->kind != FACET_TEXT || strcmp(reduction->text, "none") != 0))
    return facet_node_raise(node, "attribute reduction must be none");
  if (!at || !update || at->type != FACET_I64 || at->shape.rank < 1 || update->type != data->type)
    return facet_node_raise(node, "needs indices, and updates of the type of its data");
  int64_t depth = at->shape.dim[at->shape.rank - 1], each = 1;
  if (depth > data->shape.rank)
    return facet_node_raise(node, "indices of %lld dimensions", (long long)depth);
  for (int d = (int)depth; d < data->shape.rank; d++)
    each *= data->shape.dim[d];
  int64_t places = depth > 0 ? facet_shape_size(at->shape) / depth : 0;
  if (places * each != facet_shape_size(update->shape))
    return facet_node_raise(node, "updates of %s for %lld x %lld", facet_shape_text(update->shape), (long long)places,
                            (long long)each);
  FACET_TRY(facet_tensor_copy(data, out));
  size_t bytes = (size_t)each * facet_type_size(data->type);
  for (int64_t p = 0; p < places; p++) {
    int64_t place = 0;
    for (int d = 0; d < depth; d++) {
      int64_t index = ((const int64_t *)at->data)[p * depth + d], size = data->shape.dim[d];
      index += index < 0 ? size : 0;
      if (index < 0 || index >= size)
        return facet_node_raise(node, "index %lld is out of range", (long long)index);
      place = place * size + index;
    }
    memcpy((char *)(*out)->data + (size_t)place * bytes, (const char *)update->data + (size_t)p * bytes, bytes);
  }
  return FACET_OK;
}

/* ---- through the lowered form ---- */

static double element_of(const facet_network *network, const facet_lowered *l, int64_t i)
{
  const facet_tensor *u = network->value[l->input[0]].constant;
  if (l->kind == KIND_CURVE)
    return facet_curve_at(l, facet_tensor_get(u, i));
  if (l->kind == KIND_GATE) {
    double x = facet_tensor_get(u, i);
    int p = 0;
    while (p < l->pieces - 1 && x > l->at[p])
      p++;
    return l->slope[p] * x + l->offset[p];
  }
  double sum = 0;
  for (int64_t t = l->begin[i]; t < l->begin[i + 1]; t++) {
    double x = facet_tensor_get(u, l->position[t]);
    if (l->maximum)
      sum = t == l->begin[i] || l->sign * x > l->sign * sum ? x : sum;
    else
      sum += x * (l->tap ? l->tap[t] : 1);
  }
  return l->maximum ? sum : sum * l->weight_of[i];
}

static facet_status evaluate_lowered(const facet_network *network, const facet_node *node, facet_tensor **out)
{
  const facet_lowered *l = node->lowered;
  const facet_tensor *first = network->value[l->input[0]].constant;
  bool known = l->kind == KIND_MOVE || l->kind == KIND_GATE || l->kind == KIND_CURVE;
  if (!known && (l->kind != KIND_WINDOW || !l->flat))
    return facet_node_raise(node, "all inputs are constants: such an expression is not supported");
  FACET_TRY(facet_tensor_create(first->type, l->full, out));
  for (int64_t i = 0; i < facet_shape_size(l->full); i++) {
    if (l->kind != KIND_MOVE) {
      facet_tensor_set(*out, i, element_of(network, l, i));
      continue;
    }
    int64_t at = facet_move_source(l, i);
    const facet_tensor *from = network->value[l->input[l->from ? l->from[i] : 0]].constant;
    if (at >= 0 && (*out)->type == FACET_I64)
      ((int64_t *)(*out)->data)[i] = whole_number(from, at);
    else
      facet_tensor_set(*out, i, at >= 0 ? facet_tensor_get(from, at) : l->fill);
  }
  return FACET_OK;
}

/* Lowers the node as if its first input (Concat: every one) were data, and runs the lowered form. */
static facet_status through_lowered(facet_network *network, facet_node *node, facet_tensor **out)
{
  const facet_operator *op = facet_operator_find(node->type);
  if (!op || !op->lower || node->inputs < 1 || node->input[0] == NO_VALUE)
    return facet_node_raise(node, "all inputs are constants: such an expression is not supported");
  int most = strcmp(node->type, "Concat") == 0 ? node->inputs : 1;
  for (int i = 0; i < most; i++) /* what lowers a node counts on data that is there */
    if (node->input[i] != NO_VALUE && facet_shape_size(network->value[node->input[i]].shape) == 0)
      return facet_node_raise(node, "its input is an empty constant");
  FACET_NEW(node->lowered, 1);
  facet_lowered *l = node->lowered;
  facet_status status = FACET_OK;
  FACET_NEW_GO(done, status, l->input, node->inputs);
  for (int i = 0; i < most; i++)
    if (node->input[i] != NO_VALUE)
      l->input[l->inputs++] = node->input[i];
  l->kind = op->kind;
  l->weight = l->bias = l->gamma = l->beta = l->mean = l->variance = l->slope_of = NO_VALUE;
  FACET_GO(done, status, op->lower(network, node));
  status = evaluate_lowered(network, node, out);
done:
  facet_lowered_destroy(&node->lowered);
  return status;
}

/* ---- all of it ---- */

/* An empty list goes through moves unseen. */
static facet_status pass_empty(const facet_network *network, const facet_node *node, facet_tensor **out)
{
  const facet_tensor *u = facet_node_constant(network, node, 0);
  static const char *const passing[] = {"Identity", "Cast", "Unsqueeze", "Squeeze"};
  for (size_t i = 0; u && facet_shape_size(u->shape) == 0 && i < sizeof passing / sizeof passing[0]; i++)
    if (strcmp(node->type, passing[i]) == 0)
      return facet_tensor_copy(u, out);
  return FACET_OK;
}

/* Concat leaves empty parts out. */
static void drop_empty_parts(const facet_network *network, facet_node *node)
{
  int kept = 0;
  for (int i = 0; strcmp(node->type, "Concat") == 0 && i < node->inputs; i++) {
    const facet_tensor *c = facet_node_constant(network, node, i);
    if (!c || facet_shape_size(c->shape) > 0)
      node->input[kept++] = node->input[i];
  }
  if (kept > 0)
    node->inputs = kept;
}

static facet_status evaluate(facet_network *network, facet_node *node, facet_tensor **out)
{
  static const struct {
    const char *type;
    facet_status (*evaluate)(const facet_network *, const facet_node *, facet_tensor **);
  } rows[] = {{"Shape", shape_of},
              {"Size", shape_of},
              {"ConstantOfShape", constant_of_shape},
              {"Range", range},
              {"Where", choose},
              {"Cast", cast},
              {"CastLike", cast},
              {"ReduceProd", reduce_product},
              {"ScatterND", scatter}};
  if (!facet_node_has(node, 0))
    return facet_node_raise(node, "has no first input");
  FACET_TRY(pass_empty(network, node, out));
  for (size_t i = 0; !*out && i < sizeof rows / sizeof rows[0]; i++)
    if (strcmp(rows[i].type, node->type) == 0)
      return rows[i].evaluate(network, node, out);
  if (!*out)
    FACET_TRY(combine_all(network, node, out));
  if (!*out)
    FACET_TRY(unary(network, node, out));
  drop_empty_parts(network, node);
  return *out ? FACET_OK : through_lowered(network, node, out);
}

facet_status facet_fold(facet_network *network, facet_node *node, bool *folded)
{
  *folded = false;
  if (node->outputs < 1 || node->output[0] == NO_VALUE)
    return FACET_OK;
  facet_tensor *out = NULL;
  bool constant = node->inputs > 0, shape = strcmp(node->type, "Shape") == 0 || strcmp(node->type, "Size") == 0;
  int deciding = strcmp(node->type, "CastLike") == 0 ? 1 : node->inputs; /* of its second input the type alone counts */
  for (int i = 0; i < deciding; i++)
    constant = constant && (node->input[i] == NO_VALUE || network->value[node->input[i]].constant);
  if (strcmp(node->type, "Constant") == 0) {
    const facet_attribute *a = facet_node_attribute(node, "value");
    if (!a || a->kind != FACET_TENSOR)
      return facet_node_raise(node, "only the attribute value (a tensor) is supported");
    FACET_TRY(facet_tensor_copy(a->tensor, &out));
  } else if (constant || shape) {
    facet_status status = evaluate(network, node, &out);
    if (status != FACET_OK) {
      facet_tensor_destroy(&out);
      return status;
    }
  } else {
    return FACET_OK;
  }
  *folded = true;
  return set_constant(network, node, out);
}
