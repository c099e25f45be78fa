/* Shape inference of the operators that only move elements: index maps. */
#include <math.h>
#include <string.h>

#include "lower.h"

/* ---- shapes alone ---- */

/* Output element i is input element i. */
static facet_status straight_move(facet_network *network, facet_node *node, facet_shape full)
{
  facet_shape in = facet_node_shape(network, node);
  node->lowered->full = full;
  if (facet_shape_size(in) != facet_shape_size(full))
    return facet_node_raise(node, "%s cannot become %s", facet_shape_text(in), facet_shape_text(full));
  return facet_node_size(node, full);
}

facet_status facet_lower_identity(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  return straight_move(network, node, facet_node_shape(network, node));
}

facet_status facet_lower_cast(facet_network *network, facet_node *node)
{
  enum { FLOAT = 1, FLOAT16 = 10, DOUBLE = 11, BFLOAT16 = 16 };
  int64_t to = facet_node_int(node, "to", strcmp(node->type, "CastLike") == 0 ? FLOAT : 0);
  if (to != FLOAT && to != FLOAT16 && to != DOUBLE && to != BFLOAT16)
    return facet_node_raise(node, "rounds to whole numbers: not piecewise linear");
  if (node->lowered->inputs > 1)
    node->lowered->inputs = 1; /* CastLike: the other one only tells the type */
  return facet_lower_identity(network, node);
}

facet_status facet_lower_flatten(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  facet_shape in = facet_node_shape(network, node), full = {.rank = 2, .dim = {1, 1}};
  int64_t axis = facet_node_int(node, "axis", 1);
  axis += axis < 0 ? in.rank : 0;
  if (axis < 0 || axis > in.rank)
    return facet_node_raise(node, "axis %lld is out of range", (long long)axis);
  for (int d = 0; d < in.rank; d++)
    full.dim[d >= axis] *= in.dim[d];
  if (axis == 0 && network->batch != 0 && network->batch != 1 && in.dim[0] == 1)
    return facet_node_raise(node, "works along the batch dimension");
  return straight_move(network, node, full);
}

/* target: dimensions with 0 (as in the input) and -1 (what is left). The file's own batch stands for one sample. */
facet_status facet_lower_reshape(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  facet_shape in = facet_node_shape(network, node), full = {0};
  const facet_value *value = &network->value[node->lowered->input[0]];
  bool batch = !value->constant && !value->whole;
  int64_t target[FACET_MAX_RANK], size = facet_shape_size(in), known = 1;
  int count, open = -1;
  FACET_TRY(facet_node_integers(network, node, "shape", 1, FACET_MAX_RANK, target, &count));
  if (count < 0)
    return facet_node_raise(node, "target shape must be a constant list");
  if (batch && network->batch > 1 && count > 0 && target[0] == network->batch)
    target[0] = 1;
  full.rank = count;
  for (int i = 0; i < count; i++) {
    int64_t d = target[i];
    if (d == 0 && facet_node_int(node, "allowzero", 0) == 0)
      d = i < in.rank ? in.dim[i] : -2;
    if (d == -1 && open < 0) {
      open = i;
      continue;
    }
    if (d == -1)
      return facet_node_raise(node, "target shape has -1 twice");
    if (d < 1 || d > size)
      return facet_node_raise(node, "cannot reshape %s: dimension %d of the target is %lld", facet_shape_text(in), i,
                              (long long)target[i]);
    full.dim[i] = d;
    known *= d;
    if (known > size)
      break;
  }
  if (known > size || (open >= 0 ? size % known != 0 : known != size))
    return facet_node_raise(node, "target shape does not hold one sample of %s", facet_shape_text(in));
  if (open >= 0)
    full.dim[open] = size / known;
  return straight_move(network, node, full);
}

facet_status facet_lower_squeeze(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  facet_shape in = facet_node_shape(network, node), full = {0};
  const facet_value *value = &network->value[node->lowered->input[0]];
  bool drop[FACET_MAX_RANK] = {false};
  int64_t axes[FACET_MAX_RANK];
  int count;
  FACET_TRY(facet_node_integers(network, node, "axes", 1, FACET_MAX_RANK, axes, &count));
  for (int d = 0; count < 0 && d < in.rank; d++) /* an open batch is no dimension of 1 */
    drop[d] = in.dim[d] == 1 && (d > 0 || value->constant || value->whole || network->batch <= 1);
  if (count < 0 && !value->constant && !value->whole && network->batch == FACET_BATCH_OPEN)
    drop[0] = false;
  for (int i = 0; i < count; i++) {
    int d;
    FACET_TRY(facet_node_axis(network, node, axes[i], in, true, &d));
    if (in.dim[d] != 1)
      return facet_node_raise(node, "dimension %d is %lld, not 1", d, (long long)in.dim[d]);
    drop[d] = true;
  }
  for (int d = 0; d < in.rank; d++)
    if (!drop[d])
      full.dim[full.rank++] = in.dim[d];
  return straight_move(network, node, full);
}

facet_status facet_lower_unsqueeze(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  facet_shape in = facet_node_shape(network, node), full = {0};
  int64_t axes[FACET_MAX_RANK];
  int count;
  bool fresh[FACET_MAX_RANK] = {false};
  FACET_TRY(facet_node_integers(network, node, "axes", 1, FACET_MAX_RANK, axes, &count));
  if (count < 0 || in.rank + count > FACET_MAX_RANK)
    return facet_node_raise(node, "axes must be a constant list, for at most %d dimensions in all", FACET_MAX_RANK);
  full.rank = in.rank + count;
  for (int i = 0; i < count; i++) {
    int64_t a = axes[i] < 0 ? axes[i] + full.rank : axes[i];
    if (a < 0 || a >= full.rank || fresh[a])
      return facet_node_raise(node, "axis %lld is out of range or named twice", (long long)axes[i]);
    fresh[a] = true;
  }
  for (int d = 0, from = 0; d < full.rank; d++)
    full.dim[d] = fresh[d] ? 1 : in.dim[from++];
  return straight_move(network, node, full);
}

/* ---- maps by axis ---- */

/* One axis of the output: index i of `count` reads input index at[i] (NULL: start + i * step) of an axis with `limit`
 * entries, `stride` elements apart; an index outside means the fill. */
typedef struct {
  int64_t count, stride, limit, start, step;
  bool wraps; /* an index beyond the last begins anew */
  const int64_t *at;
} move_axis;

/* Fills the index map of an output made of these axes; the output's shape is the caller's to set. */
static facet_status axes_move(facet_node *node, int rank, const move_axis *axis)
{
  facet_lowered *l = node->lowered;
  facet_shape shape = {.rank = rank};
  for (int d = 0; d < rank; d++)
    shape.dim[d] = axis[d].count;
  FACET_TRY(facet_node_size(node, shape));
  if (facet_shape_size(shape) > (int64_t)1 << 25)
    return facet_node_raise(node, "moves too many elements");
  int64_t size = facet_shape_size(shape), index[2 * FACET_MAX_RANK] = {0};
  if (size == 0)
    return facet_node_raise(node, "output is empty");
  FACET_NEW(l->source, size);
  for (int64_t i = 0; i < size; i++) {
    int64_t from = 0;
    for (int d = 0; d < rank; d++) {
      const move_axis *a = &axis[d];
      int64_t u = a->at ? a->at[index[d]] : a->start + index[d] * a->step;
      u = a->wraps ? u % a->limit : u;
      if (u < 0 || u >= a->limit) {
        from = -1;
        break;
      }
      from += u * a->stride;
    }
    l->source[i] = (int32_t)from;
    for (int d = rank - 1; d >= 0 && ++index[d] == axis[d].count; d--)
      index[d] = 0;
  }
  return FACET_OK;
}

/* Every axis of `in` as it is. */
static void whole_axes(facet_shape in, move_axis *axis)
{
  int64_t stride[FACET_MAX_RANK];
  facet_strides(in, stride);
  for (int d = 0; d < in.rank; d++)
    axis[d] = (move_axis){.count = in.dim[d], .stride = stride[d], .limit = in.dim[d], .step = 1};
}

facet_status facet_lower_transpose(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  facet_shape in = facet_node_shape(network, node);
  int64_t perm[FACET_MAX_RANK];
  int count;
  move_axis axis[FACET_MAX_RANK] = {{0}}, turned[FACET_MAX_RANK] = {{0}};
  bool seen[FACET_MAX_RANK] = {false};
  FACET_TRY(facet_node_integers(network, node, "perm", -1, FACET_MAX_RANK, perm, &count));
  for (int d = 0; count < 0 && d < in.rank; d++)
    perm[d] = in.rank - 1 - d;
  if (count >= 0 && count != in.rank)
    return facet_node_raise(node, "perm must name all %d dimensions", in.rank);
  whole_axes(in, axis);
  node->lowered->full.rank = in.rank;
  for (int i = 0; i < in.rank; i++) {
    int from;
    FACET_TRY(facet_node_axis(network, node, perm[i], in, i != 0 && network->batch > 1, &from));
    if (seen[from])
      return facet_node_raise(node, "perm names dimension %d twice", from);
    seen[from] = true;
    node->lowered->full.dim[i] = in.dim[from];
    turned[i] = axis[from];
  }
  return axes_move(node, in.rank, turned);
}

/* start and count of one sliced axis (ONNX specification of Slice). */
static facet_status slice_axis(const facet_node *node, int64_t dim, int64_t start, int64_t end, int64_t step,
                               move_axis *axis)
{
  if (step == 0)
    return facet_node_raise(node, "step is 0");
  step = step > 1 << 24 ? 1 << 24 : step < -(1 << 24) ? -(1 << 24) : step;
  start = start < 0 ? (start < -dim ? -1 : start + dim) : start;
  end = end < 0 ? (end < -dim ? -1 : end + dim) : end;
  if (step > 0) {
    start = start < 0 ? 0 : start > dim ? dim : start;
    end = end < 0 ? 0 : end > dim ? dim : end;
    axis->count = end > start ? (end - start + step - 1) / step : 0;
  } else {
    start = start < 0 ? 0 : start > dim - 1 ? dim - 1 : start;
    end = end < -1 ? -1 : end > dim - 1 ? dim - 1 : end;
    axis->count = start > end ? (start - end - step - 1) / -step : 0;
  }
  axis->start = start;
  axis->step = step;
  return FACET_OK;
}

facet_status facet_lower_slice(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  facet_shape in = facet_node_shape(network, node);
  const facet_value *value = &network->value[node->lowered->input[0]];
  bool batch = !value->constant && !value->whole && network->batch != 0 && network->batch != 1;
  int64_t start[FACET_MAX_RANK], end[FACET_MAX_RANK], axes[FACET_MAX_RANK], step[FACET_MAX_RANK];
  int starts, ends, named, steps;
  move_axis axis[FACET_MAX_RANK] = {{0}};
  FACET_TRY(facet_node_integers(network, node, "starts", 1, FACET_MAX_RANK, start, &starts));
  FACET_TRY(facet_node_integers(network, node, "ends", 2, FACET_MAX_RANK, end, &ends));
  FACET_TRY(facet_node_integers(network, node, "axes", 3, FACET_MAX_RANK, axes, &named));
  FACET_TRY(facet_node_integers(network, node, "steps", 4, FACET_MAX_RANK, step, &steps));
  if (starts < 0 || ends != starts || (named >= 0 && named != starts) || (steps >= 0 && steps != starts))
    return facet_node_raise(node, "starts, ends, axes and steps must be lists of one length");
  whole_axes(in, axis);
  node->lowered->full = in;
  for (int i = 0; i < starts; i++) {
    int d;
    FACET_TRY(facet_node_axis(network, node, named >= 0 ? axes[i] : i, in, false, &d));
    int64_t by = steps >= 0 ? step[i] : 1;
    if (d == 0 && batch) { /* only if all of it is kept */
      if (start[i] != 0 || (end[i] < INT32_MAX && end[i] != network->batch) || by != 1)
        return facet_node_raise(node, "takes a part of the batch");
      continue;
    }
    FACET_TRY(slice_axis(node, in.dim[d], start[i], end[i], by, &axis[d]));
    node->lowered->full.dim[d] = axis[d].count;
  }
  if (facet_shape_size(node->lowered->full) == 0) /* of a list of dimensions that may be */
    return value->constant ? FACET_OK : facet_node_raise(node, "output is empty");
  node->lowered->keeps_axes = true;
  return axes_move(node, in.rank, axis);
}

/* Pads per axis of the input, begin and end, from the list with or without axes. */
static facet_status read_pads(facet_network *network, facet_node *node, facet_shape in, int64_t *begin, int64_t *end)
{
  int64_t pads[2 * FACET_MAX_RANK], axes[FACET_MAX_RANK];
  int count, named;
  const char *list = facet_node_attribute(node, "paddings") ? "paddings" : "pads"; /* opset 1 */
  FACET_TRY(facet_node_integers(network, node, list, 1, 2 * FACET_MAX_RANK, pads, &count));
  FACET_TRY(facet_node_integers(network, node, "axes", 3, FACET_MAX_RANK, axes, &named));
  int most = named >= 0 ? named : in.rank;
  if (count != 2 * most)
    return facet_node_raise(node, "pads must be a constant with %d entries", 2 * most);
  memset(begin, 0, FACET_MAX_RANK * sizeof *begin);
  memset(end, 0, FACET_MAX_RANK * sizeof *end);
  for (int i = 0; i < most; i++) {
    int d = i;
    bool some = pads[i] != 0 || pads[most + i] != 0;
    FACET_TRY(facet_node_axis(network, node, named >= 0 ? axes[i] : i, in, some, &d));
    begin[d] = pads[i];
    end[d] = pads[most + i];
  }
  return FACET_OK;
}

/* The input index that padded position i - begin mirrors, repeats or wraps to. */
static int64_t padded_index(const char *mode, int64_t i, int64_t dim)
{
  if (i >= 0 && i < dim)
    return i;
  if (strcmp(mode, "edge") == 0)
    return i < 0 ? 0 : dim - 1;
  if (strcmp(mode, "wrap") == 0)
    return (i % dim + dim) % dim;
  if (strcmp(mode, "reflect") != 0)
    return -1;
  int64_t period = 2 * (dim - 1);
  i = dim == 1 ? 0 : (i % period + period) % period;
  return i < dim ? i : period - i;
}

facet_status facet_lower_pad(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  facet_shape in = facet_node_shape(network, node);
  int64_t begin[FACET_MAX_RANK], end[FACET_MAX_RANK], *at[FACET_MAX_RANK] = {NULL};
  move_axis axis[FACET_MAX_RANK] = {{0}};
  bool given;
  facet_status status = FACET_OK;
  const char *mode = facet_node_text(node, "mode", "constant");
  FACET_TRY(facet_node_one_input(node));
  if (strcmp(mode, "constant") != 0 && strcmp(mode, "edge") != 0 && strcmp(mode, "reflect") != 0 &&
      strcmp(mode, "wrap") != 0)
    return facet_node_raise(node, "mode %s is not known", mode);
  FACET_TRY(read_pads(network, node, in, begin, end));
  l->keeps_axes = true;
  l->fill = facet_node_float(node, "value", 0);
  FACET_TRY(facet_node_scalar(network, node, 2, &given, &l->fill));
  if (!isfinite(l->fill))
    return facet_node_raise(node, "constant_value is %g", l->fill);
  whole_axes(in, axis);
  l->full = in;
  for (int d = 0; d < in.rank; d++) {
    bool sane = begin[d] >= -in.dim[d] && begin[d] <= 1 << 20 && end[d] >= -in.dim[d] && end[d] <= 1 << 20;
    axis[d].count = l->full.dim[d] = sane ? in.dim[d] + begin[d] + end[d] : 0;
    if (l->full.dim[d] < 1) {
      status = facet_node_raise(node, "pads are %lld, %lld along a dimension of %lld", (long long)begin[d],
                                (long long)end[d], (long long)in.dim[d]);
      goto done;
    }
    FACET_NEW_GO(done, status, at[d], axis[d].count);
    for (int64_t i = 0; i < axis[d].count; i++)
      at[d][i] = padded_index(mode, i - begin[d], in.dim[d]);
    axis[d].at = at[d];
  }
  status = axes_move(node, in.rank, axis);
done:
  for (int d = 0; d < in.rank; d++)
    facet_free(&at[d]);
  return status;
}

facet_status facet_lower_expand(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  facet_lowered *l = node->lowered;
  const facet_value *value = &network->value[l->input[0]];
  facet_shape in = facet_node_shape(network, node), target = {0};
  move_axis axis[FACET_MAX_RANK] = {{0}}, spread[FACET_MAX_RANK] = {{0}};
  int count;
  FACET_TRY(facet_node_integers(network, node, "shape", 1, FACET_MAX_RANK, target.dim, &count));
  if (count < 0)
    return facet_node_raise(node, "shape must be a constant list");
  target.rank = count;
  if (!value->constant && !value->whole && network->batch > 1 && count == in.rank && target.dim[0] == network->batch)
    target.dim[0] = 1;
  for (int d = 0; d < count; d++) /* PyTorch writes -1 for a dimension that stays */
    if (target.dim[d] == -1)
      target.dim[d] = 1;
  for (int d = 0; d < count; d++)
    if (target.dim[d] < 1 || target.dim[d] > 1 << 28)
      return facet_node_raise(node, "dimension %d of the shape is %lld", d, (long long)target.dim[d]);
  if (!facet_broadcast(in, target, &l->full))
    return facet_node_raise(node, "%s does not spread to %s", facet_shape_text(in), facet_shape_text(target));
  FACET_TRY(facet_node_size(node, l->full));
  whole_axes(in, axis);
  for (int d = 0; d < l->full.rank; d++) {
    int from = d - (l->full.rank - in.rank);
    spread[d] = from < 0 ? (move_axis){.limit = 1} : axis[from];
    if (from < 0 || in.dim[from] == 1)
      spread[d].step = 0;
    spread[d].count = l->full.dim[d];
  }
  l->keeps_axes = in.rank == l->full.rank;
  return axes_move(node, l->full.rank, spread);
}

facet_status facet_lower_tile(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  facet_lowered *l = node->lowered;
  facet_shape in = facet_node_shape(network, node);
  int64_t repeat[FACET_MAX_RANK];
  int count;
  move_axis axis[FACET_MAX_RANK] = {{0}};
  FACET_TRY(facet_node_integers(network, node, "repeats", 1, FACET_MAX_RANK, repeat, &count));
  if (count != in.rank)
    return facet_node_raise(node, "repeats must be a constant with %d entries", in.rank);
  l->full = in;
  l->keeps_axes = true;
  whole_axes(in, axis);
  for (int d = 0; d < in.rank; d++) {
    int same;
    FACET_TRY(facet_node_axis(network, node, d, in, repeat[d] != 1, &same));
    if (repeat[d] < 1 || repeat[d] > 1 << 24)
      return facet_node_raise(node, "repeats dimension %d %lld times", d, (long long)repeat[d]);
    axis[d].count = l->full.dim[d] *= repeat[d];
    axis[d].wraps = true;
  }
  return axes_move(node, in.rank, axis);
}

/* With constant indices; the indexed axis becomes the axes of the indices. */
facet_status facet_lower_gather(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  facet_lowered *l = node->lowered;
  facet_shape in = facet_node_shape(network, node);
  const facet_tensor *index = facet_node_constant(network, node, 1);
  int axis = 0;
  if (!index || index->type != FACET_I64)
    return facet_node_raise(node, "indices must be constants");
  FACET_TRY(facet_node_axis(network, node, facet_node_int(node, "axis", 0), in, true, &axis));
  int rank = in.rank - 1 + index->shape.rank;
  int64_t count = facet_shape_size(index->shape), *at;
  if (rank > FACET_MAX_RANK || count > 1 << 24)
    return facet_node_raise(node, "indices of %s are too many", facet_shape_text(index->shape));
  move_axis axes[FACET_MAX_RANK] = {{0}};
  whole_axes(in, axes);
  FACET_NEW(at, count);
  facet_status status = FACET_OK;
  for (int64_t i = 0; i < count && status == FACET_OK; i++) {
    at[i] = ((const int64_t *)index->data)[i];
    at[i] += at[i] < 0 ? in.dim[axis] : 0;
    if (at[i] < 0 || at[i] >= in.dim[axis])
      status = facet_node_raise(node, "index %lld of %lld", (long long)at[i], (long long)in.dim[axis]);
  }
  axes[axis].count = count;
  axes[axis].at = at;
  for (int d = 0; d < rank; d++)
    l->full.dim[d] = d < axis                       ? in.dim[d]
                     : d < axis + index->shape.rank ? index->shape.dim[d - axis]
                                                    : in.dim[d - index->shape.rank + 1];
  l->full.rank = rank;
  l->keeps_axes = rank == in.rank;
  if (status == FACET_OK)
    status = axes_move(node, in.rank, axes);
  facet_free(&at);
  return status;
}

/* Element i of the output of GatherND: where it comes from; -1: an index is out of range. */
static int64_t gather_nd_source(facet_shape in, const facet_tensor *index, int batch, int depth, int64_t slice,
                                int64_t i)
{
  int64_t row = i / slice, rows = facet_shape_size(index->shape) / depth, outer = 1, at = 0;
  for (int d = 0; d < batch; d++)
    outer *= in.dim[d];
  at = row / (rows / outer); /* which of the leading parts, alike in data and indices */
  for (int k = 0; k < depth; k++) {
    int64_t u = ((const int64_t *)index->data)[row * depth + k];
    u += u < 0 ? in.dim[batch + k] : 0;
    if (u < 0 || u >= in.dim[batch + k])
      return -1;
    at = at * in.dim[batch + k] + u;
  }
  return at * slice + i % slice;
}

facet_status facet_lower_gather_nd(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  facet_lowered *l = node->lowered;
  facet_shape in = facet_node_shape(network, node);
  const facet_tensor *index = facet_node_constant(network, node, 1);
  int64_t batch = facet_node_int(node, "batch_dims", 0), slice = 1;
  if (!index || index->type != FACET_I64 || index->shape.rank < 1)
    return facet_node_raise(node, "indices must be constants");
  int64_t depth = index->shape.dim[index->shape.rank - 1];
  bool fits = batch >= 0 && batch < index->shape.rank && depth >= 1 && batch + depth <= in.rank;
  for (int d = 0; fits && d < batch; d++)
    fits = index->shape.dim[d] == in.dim[d];
  int rank = fits ? index->shape.rank - 1 + in.rank - (int)(batch + depth) : FACET_MAX_RANK + 1;
  if (rank > FACET_MAX_RANK || facet_shape_size(index->shape) == 0)
    return facet_node_raise(node, "indices of %s for %s", facet_shape_text(index->shape), facet_shape_text(in));
  int first;
  FACET_TRY(facet_node_axis(network, node, 0, in, batch == 0, &first));
  l->full.rank = rank;
  for (int d = 0; d < rank; d++) {
    bool outer = d < index->shape.rank - 1;
    l->full.dim[d] = outer ? index->shape.dim[d] : in.dim[d - (index->shape.rank - 1) + batch + depth];
    slice *= outer ? 1 : l->full.dim[d];
  }
  FACET_TRY(facet_node_size(node, l->full));
  FACET_NEW(l->source, facet_shape_size(l->full));
  for (int64_t i = 0; i < facet_shape_size(l->full); i++) {
    int64_t at = gather_nd_source(in, index, (int)batch, (int)depth, slice, i);
    if (at < 0)
      return facet_node_raise(node, "an index is out of range");
    l->source[i] = (int32_t)at;
  }
  return FACET_OK;
}

/* ---- channels to positions and back ---- */

/* N x C x H x W seen as more axes, in the order in which the output runs through them. */
static facet_status block_move(facet_node *node, const int64_t *dim, int rank, const int *order)
{
  facet_shape split = {.rank = rank};
  move_axis axis[FACET_MAX_RANK] = {{0}}, turned[FACET_MAX_RANK] = {{0}};
  memcpy(split.dim, dim, (size_t)rank * sizeof *dim);
  whole_axes(split, axis);
  for (int d = 0; d < rank; d++)
    turned[d] = axis[order[d]];
  return axes_move(node, rank, turned);
}

facet_status facet_lower_depth_to_space(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  facet_shape in = facet_node_shape(network, node);
  int64_t b = facet_node_int(node, "blocksize", 0);
  const char *mode = facet_node_text(node, "mode", "DCR");
  bool column_row = strcmp(mode, "CRD") == 0;
  if (in.rank != 4 || b < 1 || b > 1 << 12 || in.dim[1] % (b * b) != 0 || (!column_row && strcmp(mode, "DCR") != 0))
    return facet_node_raise(node, "%s in blocks of %lld, mode %s", facet_shape_text(in), (long long)b, mode);
  int64_t c = in.dim[1] / (b * b);
  node->lowered->full = (facet_shape){4, {in.dim[0], c, in.dim[2] * b, in.dim[3] * b}};
  if (column_row)
    return block_move(node, (int64_t[]){in.dim[0], c, b, b, in.dim[2], in.dim[3]}, 6, (int[]){0, 1, 4, 2, 5, 3});
  return block_move(node, (int64_t[]){in.dim[0], b, b, c, in.dim[2], in.dim[3]}, 6, (int[]){0, 3, 4, 1, 5, 2});
}

facet_status facet_lower_space_to_depth(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  facet_shape in = facet_node_shape(network, node);
  int64_t b = facet_node_int(node, "blocksize", 0);
  if (in.rank != 4 || b < 1 || b > 1 << 12 || in.dim[2] % b != 0 || in.dim[3] % b != 0)
    return facet_node_raise(node, "%s in blocks of %lld", facet_shape_text(in), (long long)b);
  node->lowered->full = (facet_shape){4, {in.dim[0], in.dim[1] * b * b, in.dim[2] / b, in.dim[3] / b}};
  return block_move(node, (int64_t[]){in.dim[0], in.dim[1], in.dim[2] / b, b, in.dim[3] / b, b}, 6,
                    (int[]){0, 3, 5, 1, 2, 4});
}

/* ---- several parts ---- */

/* One part of a concatenation: `run` elements from every outer position on. */
typedef struct {
  int input; /* data input, or -1: a constant */
  const facet_tensor *constant;
  int64_t run;
} part;

static facet_status concat_shape(facet_network *network, facet_node *node, int *axis)
{
  facet_shape out = facet_node_shape(network, node);
  const facet_attribute *attribute = facet_node_attribute(node, "axis");
  int64_t given = attribute && attribute->kind == FACET_INT ? attribute->integer : 1, total = 0;
  FACET_TRY(
      facet_node_axis(network, node, given, out, network->batch > 1, axis)); /* parts of one sample: torch.stack */
  for (int i = 0; i < node->inputs; i++) {
    if (node->input[i] == NO_VALUE)
      return facet_node_raise(node, "part %d is left out", i);
    facet_shape one = facet_full_shape(network, node->input[i]), alike = out;
    if (one.rank == out.rank)
      alike.dim[*axis] = one.dim[*axis];
    if (!facet_shape_same(one, alike))
      return facet_node_raise(node, "parts of %s and %s", facet_shape_text(out), facet_shape_text(one));
    total += one.dim[*axis];
  }
  out.dim[*axis] = total;
  node->lowered->full = out;
  return facet_node_size(node, out);
}

facet_status facet_lower_concat(facet_network *network, facet_node *node)
{
  facet_lowered *l = node->lowered;
  int axis = 0;
  part *parts;
  FACET_TRY(concat_shape(network, node, &axis));
  int64_t size = facet_shape_size(l->full), inner = 1, outer = 1;
  for (int i = 0; i < l->full.rank; i++)
    *(i < axis ? &outer : &inner) *= i == axis ? 1 : l->full.dim[i];
  FACET_NEW(l->source, size);
  FACET_NEW(l->from, size);
  FACET_NEW(parts, node->inputs);
  for (int i = 0, data = 0; i < node->inputs; i++) {
    const facet_tensor *c = facet_node_constant(network, node, i);
    bool constant = c && data < l->inputs && l->input[data] != node->input[i];
    constant = constant || (c && data == l->inputs);
    parts[i] = (part){constant ? -1 : data, c, facet_full_shape(network, node->input[i]).dim[axis] * inner};
    data += !constant;
    if (constant && !l->fill_of && !(l->fill_of = facet_allocate((size_t)size, sizeof *l->fill_of))) {
      facet_free(&parts);
      return FACET_OS;
    }
  }
  for (int64_t o = 0, at = 0; o < outer; o++)
    for (int j = 0; j < node->inputs; j++)
      for (int64_t i = 0; i < parts[j].run; i++, at++) {
        l->from[at] = parts[j].input < 0 ? 0 : parts[j].input;
        l->source[at] = parts[j].input < 0 ? -1 : (int32_t)(o * parts[j].run + i);
        if (parts[j].input < 0)
          l->fill_of[at] = facet_tensor_get(parts[j].constant, o * parts[j].run + i);
      }
  facet_free(&parts);
  l->keeps_axes = !l->fill_of;
  return FACET_OK;
}
