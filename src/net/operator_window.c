/* Shape inference of the operators over windows: pooling, Reduce*, Resize by linear interpolation. */
#include <math.h>
#include <string.h>

#include "lower.h"

/* ---- pooling ---- */

/* Lists the input positions of every window; `planes` > 1: of so many planes, one after the other. count_all: divide by
 * the window's size with padding, not by what is in. */
static facet_status window_lists(const facet_node *node, const facet_window_shape *w, int64_t planes, bool count_all)
{
  facet_lowered *l = node->lowered;
  facet_shape all = {.rank = 2 * w->spatial}, in = {.rank = w->spatial}, out = {.rank = w->spatial};
  for (int d = 0; d < w->spatial; d++) {
    all.dim[d] = out.dim[d] = w->out[d];
    all.dim[w->spatial + d] = w->kernel[d];
    in.dim[d] = w->in[d];
  }
  FACET_TRY(facet_node_size(node, all));
  int64_t outs = facet_shape_size(out), taps = facet_shape_size(all) / outs, plane = facet_shape_size(in);
  if (outs > ((int64_t)1 << 24) / planes / taps)
    return facet_node_raise(node, "windows are too many");
  FACET_NEW(l->begin, outs * planes + 1);
  FACET_NEW(l->position, outs * planes * taps);
  if (!l->maximum)
    FACET_NEW(l->weight_of, outs * planes);
  int64_t o[FACET_MAX_SPATIAL] = {0}, used = 0;
  for (int64_t s = 0; s < outs * planes; s++) {
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
        l->position[used++] = s / outs * plane + at;
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

/* Windows over the spatial dimensions of N x C x spatial. */
static facet_status lower_windows(facet_node *node, facet_shape in, const facet_window_shape *w, bool maximum,
                                  bool count_all)
{
  facet_lowered *l = node->lowered;
  l->full = in;
  memcpy(l->full.dim + 2, w->out, (size_t)w->spatial * sizeof w->out[0]);
  l->maximum = maximum;
  l->sign = 1;
  l->flat = l->plain = in.dim[0] != 1; /* several images in one sample */
  FACET_TRY(facet_node_size(node, l->full));
  FACET_TRY(window_lists(node, w, l->flat ? in.dim[0] * in.dim[1] : 1, count_all));
  int64_t outs = 1;
  for (int d = 0; d < w->spatial; d++)
    outs *= w->out[d];
  for (int64_t s = 0; maximum && s < outs; s++)
    if (l->begin[s] == l->begin[s + 1])
      return facet_node_raise(node, "a window lies wholly in the padding");
  return FACET_OK;
}

static facet_status lower_pool(facet_network *network, facet_node *node, bool maximum)
{
  FACET_TRY(facet_node_one_input(node));
  facet_shape in = facet_node_shape(network, node);
  facet_window_shape w;
  FACET_TRY(facet_window_read(node, in, NULL, &w));
  return lower_windows(node, in, &w, maximum, facet_node_int(node, "count_include_pad", 0) != 0);
}

facet_status facet_lower_max_pool(facet_network *network, facet_node *node)
{
  return lower_pool(network, node, true);
}

facet_status facet_lower_average_pool(facet_network *network, facet_node *node)
{
  return lower_pool(network, node, false);
}

static facet_status lower_global_pool(facet_network *network, facet_node *node, bool maximum)
{
  FACET_TRY(facet_node_one_input(node));
  facet_shape in = facet_node_shape(network, node);
  facet_window_shape w = {.spatial = in.rank - 2};
  if (w.spatial < 1 || w.spatial > FACET_MAX_SPATIAL)
    return facet_node_raise(node, "input of shape %s has no 1 to 3 spatial dimensions", facet_shape_text(in));
  for (int d = 0; d < w.spatial; d++) {
    w.in[d] = w.kernel[d] = in.dim[d + 2];
    w.out[d] = w.stride[d] = w.dilation[d] = 1;
  }
  return lower_windows(node, in, &w, maximum, false);
}

facet_status facet_lower_global_average_pool(facet_network *network, facet_node *node)
{
  return lower_global_pool(network, node, false);
}

facet_status facet_lower_global_max_pool(facet_network *network, facet_node *node)
{
  return lower_global_pool(network, node, true);
}

/* ---- Reduce* ---- */

/* Which axes are reduced: `axes` (attribute or second input), all if left out. */
static facet_status reduced_axes(facet_network *network, facet_node *node, facet_shape in, bool *reduced)
{
  int64_t axes[FACET_MAX_RANK];
  int count;
  FACET_TRY(facet_node_integers(network, node, "axes", 1, FACET_MAX_RANK, axes, &count));
  bool all = count <= 0 && facet_node_int(node, "noop_with_empty_axes", 0) == 0;
  for (int d = 0; d < in.rank; d++)
    reduced[d] = all;
  int axis;
  if (all && in.rank > 0)
    FACET_TRY(facet_node_axis(network, node, 0, in, true, &axis));
  for (int i = 0; i < count; i++) {
    FACET_TRY(facet_node_axis(network, node, axes[i], in, true, &axis));
    reduced[axis] = true;
  }
  return FACET_OK;
}

/* Windows of the elements (or, of a batch whose spatial dimensions alone are reduced, positions) that meet in one
 * element of the output. */
static facet_status reduce_lists(facet_node *node, facet_shape in, const bool *reduced, double weight)
{
  facet_lowered *l = node->lowered;
  bool spatial = in.rank > 2 && in.dim[0] == 1 && !reduced[1];
  for (int d = 2; d < in.rank; d++)
    spatial = spatial && reduced[d];
  int64_t size = facet_shape_size(in), outs = 1;
  l->flat = l->plain = !spatial;
  if (spatial) {
    size /= in.dim[1];
  } else {
    for (int d = 0; d < in.rank; d++)
      outs *= reduced[d] ? 1 : in.dim[d];
  }
  int64_t taps = size / outs, index[FACET_MAX_RANK] = {0}, *filled;
  FACET_NEW(l->begin, outs + 1);
  FACET_NEW(l->position, size);
  if (!l->maximum)
    FACET_NEW(l->weight_of, outs);
  for (int64_t s = 0; s < outs; s++) {
    l->begin[s + 1] = (s + 1) * taps;
    if (l->weight_of)
      l->weight_of[s] = weight;
  }
  if (spatial) {
    for (int64_t i = 0; i < size; i++)
      l->position[i] = i;
    return FACET_OK;
  }
  FACET_NEW(filled, outs);
  for (int64_t i = 0; i < size; i++) {
    int64_t out = 0;
    for (int d = 0; d < in.rank; d++)
      if (!reduced[d])
        out = out * in.dim[d] + index[d];
    l->position[l->begin[out] + filled[out]++] = i;
    for (int d = in.rank - 1; d >= 0 && ++index[d] == in.dim[d]; d--)
      index[d] = 0;
  }
  facet_free(&filled);
  return FACET_OK;
}

static facet_status lower_reduce(facet_network *network, facet_node *node, bool maximum, double sign, bool mean)
{
  facet_lowered *l = node->lowered;
  FACET_TRY(facet_node_one_input(node));
  facet_shape in = facet_node_shape(network, node);
  bool reduced[FACET_MAX_RANK] = {false}, keep = facet_node_int(node, "keepdims", 1) != 0;
  FACET_TRY(reduced_axes(network, node, in, reduced));
  int64_t count = 1;
  l->full = (facet_shape){0};
  for (int d = 0; d < in.rank; d++) {
    count *= reduced[d] ? in.dim[d] : 1;
    if (!reduced[d] || keep)
      l->full.dim[l->full.rank++] = reduced[d] ? 1 : in.dim[d];
  }
  l->maximum = maximum;
  l->sign = sign;
  return reduce_lists(node, in, reduced, mean ? 1.0 / (double)count : 1);
}

facet_status facet_lower_reduce_mean(facet_network *network, facet_node *node)
{
  return lower_reduce(network, node, false, 1, true);
}

facet_status facet_lower_reduce_sum(facet_network *network, facet_node *node)
{
  return lower_reduce(network, node, false, 1, false);
}

facet_status facet_lower_reduce_max(facet_network *network, facet_node *node)
{
  return lower_reduce(network, node, true, 1, false);
}

facet_status facet_lower_reduce_min(facet_network *network, facet_node *node)
{
  return lower_reduce(network, node, true, -1, false);
}

/* ---- Resize, Upsample ---- */

/* How one axis is resized: output coordinate to input coordinate (ONNX specification of Resize). */
typedef struct {
  const char *transform, *nearest;
  int64_t in, out;
  double scale, roi_begin, roi_end;
} resizing;

static facet_status original_coordinate(const facet_node *node, const resizing *r, int64_t o, double *x)
{
  double resized = (double)o, in = (double)r->in, out = (double)r->out, exact = in * r->scale;
  if (strcmp(r->transform, "half_pixel") == 0)
    *x = (resized + 0.5) / r->scale - 0.5;
  else if (strcmp(r->transform, "half_pixel_symmetric") == 0)
    *x = in / 2 * (1 - out / exact) + (resized + 0.5) / r->scale - 0.5;
  else if (strcmp(r->transform, "pytorch_half_pixel") == 0)
    *x = out > 1 ? (resized + 0.5) / r->scale - 0.5 : 0;
  else if (strcmp(r->transform, "align_corners") == 0)
    *x = out > 1 ? resized * (in - 1) / (out - 1) : 0;
  else if (strcmp(r->transform, "asymmetric") == 0)
    *x = resized / r->scale;
  else if (strcmp(r->transform, "tf_half_pixel_for_nn") == 0)
    *x = (resized + 0.5) / r->scale;
  else if (strcmp(r->transform, "tf_crop_and_resize") == 0)
    *x = out > 1 ? r->roi_begin * (in - 1) + resized * (r->roi_end - r->roi_begin) * (in - 1) / (out - 1)
                 : 0.5 * (r->roi_begin + r->roi_end) * (in - 1);
  else
    return facet_node_raise(node, "coordinate_transformation_mode %s is not supported", r->transform);
  return FACET_OK;
}

static facet_status nearest_of(const facet_node *node, const char *mode, double x, int64_t *i)
{
  /* Rounding noise of the coordinate must not decide: it is in multiples of small fractions. */
  double near = nearbyint(x * 65536) / 65536;
  if (strcmp(mode, "round_prefer_floor") == 0)
    *i = (int64_t)ceil(near - 0.5);
  else if (strcmp(mode, "round_prefer_ceil") == 0)
    *i = (int64_t)floor(near + 0.5);
  else if (strcmp(mode, "floor") == 0)
    *i = (int64_t)floor(near);
  else if (strcmp(mode, "ceil") == 0)
    *i = (int64_t)ceil(near);
  else
    return facet_node_raise(node, "nearest_mode %s is not known", mode);
  return FACET_OK;
}

/* Up to two input indices and factors of every output index along one axis; index -1: outside, extrapolated. */
typedef struct {
  int64_t index[2];
  double factor[2];
} axis_taps;

static facet_status resize_axis(const facet_node *node, const resizing *r, bool linear, axis_taps *taps)
{
  for (int64_t o = 0; o < r->out; o++) {
    double x;
    FACET_TRY(original_coordinate(node, r, o, &x));
    axis_taps *t = &taps[o];
    *t = (axis_taps){{0, 0}, {1, 0}};
    if (strcmp(r->transform, "tf_crop_and_resize") == 0 && (x < 0 || x > (double)(r->in - 1))) {
      t->index[0] = -1;
      continue;
    }
    if (!linear) {
      FACET_TRY(nearest_of(node, r->nearest, x, &t->index[0]));
    } else {
      t->index[0] = (int64_t)floor(x);
      t->index[1] = t->index[0] + 1;
      t->factor[1] = x - floor(x);
      t->factor[0] = 1 - t->factor[1];
    }
    for (int k = 0; k < 2; k++)
      t->index[k] = t->index[k] < 0 ? 0 : t->index[k] >= r->in ? r->in - 1 : t->index[k];
  }
  return FACET_OK;
}

/* Numbers of a constant input; *count 0: left out or empty. */
static facet_status number_list(const facet_network *network, const facet_node *node, int i, double *list, int *count)
{
  *count = 0;
  if (!facet_node_has(node, i))
    return FACET_OK;
  const facet_tensor *t = facet_node_constant(network, node, i);
  if (!t || facet_shape_size(t->shape) > (int64_t)2 * FACET_MAX_RANK)
    return facet_node_raise(node, "input %d must be a short constant list", i);
  *count = (int)facet_shape_size(t->shape);
  for (int k = 0; k < *count; k++)
    list[k] = facet_tensor_get(t, k);
  return FACET_OK;
}

/* Scales and sizes of every axis of the input, from the inputs of Resize or Upsample and the attributes they had. */
static facet_status resize_sizes(facet_network *network, facet_node *node, facet_shape in, resizing *r)
{
  bool upsample = strcmp(node->type, "Upsample") == 0, old = upsample || network->opset < 11;
  double scale[2 * FACET_MAX_RANK] = {0}, size[2 * FACET_MAX_RANK] = {0}, roi[2 * FACET_MAX_RANK] = {0};
  int64_t axes[FACET_MAX_RANK];
  int scales, sizes = 0, rois = 0, named;
  FACET_TRY(number_list(network, node, old ? 1 : 2, scale, &scales));
  const facet_attribute *a = facet_node_attribute(node, "scales");
  for (int i = 0; a && a->kind == FACET_FLOATS && i < a->count && i < FACET_MAX_RANK; i++)
    scale[scales++] = a->numbers[i];
  if (!old) {
    FACET_TRY(number_list(network, node, 1, roi, &rois));
    FACET_TRY(number_list(network, node, 3, size, &sizes));
  }
  FACET_TRY(facet_node_integers(network, node, "axes", -1, FACET_MAX_RANK, axes, &named));
  int count = named >= 0 ? named : in.rank;
  if ((scales != count && sizes != count) || (scales && sizes) || (rois && rois != 2 * count))
    return facet_node_raise(node, "scales or sizes must be a constant for each of %d axes", count);
  const char *policy = facet_node_text(node, "keep_aspect_ratio_policy", "stretch");
  double common = 0;
  for (int d = 0; d < in.rank; d++)
    r[d].in = r[d].out = in.dim[d], r[d].scale = 1, r[d].roi_begin = 0, r[d].roi_end = 1;
  for (int i = 0; i < count; i++) {
    int d = i;
    if (named >= 0)
      FACET_TRY(facet_node_axis(network, node, axes[i], in, false, &d));
    double s = sizes ? size[i] / (double)in.dim[d] : scale[i];
    if (!(s > 0) || s * (double)in.dim[d] > 1 << 20)
      return facet_node_raise(node, "scale %g of dimension %d", s, d);
    r[d].scale = s;
    r[d].out = sizes ? (int64_t)size[i] : (int64_t)floor(s * (double)in.dim[d] + 1e-9);
    bool larger = strcmp(policy, "not_smaller") == 0;
    common = i == 0 || (larger ? s > common : s < common) ? s : common;
    if (rois) {
      r[d].roi_begin = roi[i];
      r[d].roi_end = roi[count + i];
    }
  }
  for (int i = 0; sizes && strcmp(policy, "stretch") != 0 && i < count; i++) {
    int d = i;
    if (named >= 0)
      FACET_TRY(facet_node_axis(network, node, axes[i], in, false, &d));
    r[d].scale = common;
    r[d].out = (int64_t)nearbyint(common * (double)in.dim[d]);
  }
  return FACET_OK;
}

/* Nearest: an index map. */
static facet_status resize_map(facet_node *node, facet_shape in, axis_taps *const *taps, double outside)
{
  facet_lowered *l = node->lowered;
  int64_t size = facet_shape_size(l->full), index[FACET_MAX_RANK] = {0};
  l->kind = KIND_MOVE;
  l->keeps_axes = true;
  l->fill = outside;
  FACET_NEW(l->source, size);
  for (int64_t i = 0; i < size; i++) {
    int64_t at = 0;
    for (int d = 0; d < in.rank && at >= 0; d++) {
      int64_t u = taps[d][index[d]].index[0];
      at = u < 0 ? -1 : at * in.dim[d] + u;
    }
    l->source[i] = (int32_t)at;
    for (int d = in.rank - 1; d >= 0 && ++index[d] == l->full.dim[d]; d--)
      index[d] = 0;
  }
  return FACET_OK;
}

/* Dimensions from `from` on along which a point may lie between two others; -1 for all others. How many. */
static int find_split(facet_shape full, axis_taps *const *taps, int from, int split[FACET_MAX_RANK])
{
  int splits = 0;
  for (int d = from; d < full.rank; d++) {
    split[d] = -1;
    for (int64_t i = 0; i < full.dim[d] && split[d] < 0; i++)
      if (taps[d][i].factor[1] != 0)
        split[d] = splits++;
  }
  return splits;
}

/* Linear: weighted windows over the spatial plane (`from` 2), or over all elements (`from` 0); what lies outside is the
 * constant. */
static facet_status resize_windows(facet_node *node, facet_shape in, axis_taps *const *taps, int from, double outside)
{
  facet_lowered *l = node->lowered;
  int split[FACET_MAX_RANK];
  const int corners = 1 << find_split(l->full, taps, from, split);
  int64_t outs = 1;
  for (int d = from; d < in.rank; d++)
    outs *= l->full.dim[d];
  if (outs > ((int64_t)1 << 24) / corners)
    return facet_node_raise(node, "output of %s is too large", facet_shape_text(l->full));
  l->flat = l->plain = from == 0;
  if (outside != 0)
    FACET_TRY(facet_tensor_create(FACET_F64, l->full, &l->shift));
  FACET_NEW(l->begin, outs + 1);
  FACET_NEW(l->position, outs * corners);
  FACET_NEW(l->tap, outs * corners);
  FACET_NEW(l->weight_of, outs);
  int64_t index[FACET_MAX_RANK] = {0}, used = 0;
  for (int64_t o = 0; o < outs; o++) {
    for (int corner = 0; corner < corners; corner++) {
      int64_t at = 0;
      double factor = 1;
      for (int d = from; d < in.rank; d++) {
        const axis_taps *t = &taps[d][index[d]];
        int side = split[d] < 0 ? 0 : corner >> split[d] & 1;
        at = t->index[0] < 0 ? -1 : at < 0 ? at : at * in.dim[d] + t->index[side];
        factor *= t->factor[side];
      }
      if (at < 0 && outside != 0)
        facet_tensor_set(l->shift, o, outside);
      if (factor == 0 || at < 0)
        continue;
      l->position[used] = at;
      l->tap[used++] = factor;
    }
    l->begin[o + 1] = used;
    l->weight_of[o] = 1;
    for (int d = in.rank - 1; d >= from && ++index[d] == l->full.dim[d]; d--)
      index[d] = 0;
  }
  return FACET_OK;
}

static facet_status lower_resizing(facet_node *node, facet_shape in, const resizing *r, bool linear, double outside)
{
  facet_lowered *l = node->lowered;
  axis_taps *taps[FACET_MAX_RANK] = {NULL};
  facet_status status = FACET_OK;
  bool same = in.dim[0] == 1; /* batch and channels stay */
  l->full = (facet_shape){.rank = in.rank};
  for (int d = 0; d < in.rank; d++) {
    l->full.dim[d] = r[d].out;
    if (r[d].out < 1)
      return facet_node_raise(node, "output is empty");
    same = same && (d >= 2 || r[d].out == in.dim[d]);
  }
  FACET_TRY(facet_node_size(node, l->full));
  for (int d = 0; d < in.rank; d++) {
    FACET_NEW_GO(done, status, taps[d], r[d].out);
    FACET_GO(done, status, resize_axis(node, &r[d], linear, taps[d]));
  }
  if (!linear) {
    status = resize_map(node, in, taps, outside);
  } else {
    bool crops = strcmp(r->transform, "tf_crop_and_resize") == 0;
    status = resize_windows(node, in, taps, same && in.rank > 2 && !crops ? 2 : 0, crops ? outside : 0);
  }
done:
  for (int d = 0; d < in.rank; d++)
    facet_free(&taps[d]);
  return status;
}

facet_status facet_lower_resize(facet_network *network, facet_node *node)
{
  FACET_TRY(facet_node_one_input(node));
  facet_shape in = facet_node_shape(network, node);
  resizing r[FACET_MAX_RANK];
  if (in.rank == 0)
    return facet_node_raise(node, "its input has no dimensions");
  bool old = strcmp(node->type, "Upsample") == 0 || network->opset < 11;
  const char *mode = facet_node_text(node, "mode", "nearest");
  bool linear = strcmp(mode, "linear") == 0 || strcmp(mode, "bilinear") == 0;
  if (!linear && strcmp(mode, "nearest") != 0)
    return facet_node_raise(node, "mode %s is not supported: nearest and linear are", mode);
  if (facet_node_int(node, "antialias", 0) != 0)
    return facet_node_raise(node, "antialias is not supported");
  FACET_TRY(resize_sizes(network, node, in, r));
  for (int d = 0; d < in.rank; d++) {
    r[d].transform = old ? "asymmetric" : facet_node_text(node, "coordinate_transformation_mode", "half_pixel");
    r[d].nearest = old ? "floor" : facet_node_text(node, "nearest_mode", "round_prefer_floor");
  }
  return lower_resizing(node, in, r, linear, facet_node_float(node, "extrapolation_value", 0));
}
