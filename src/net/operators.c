/* The operator table: one row per ONNX operator.
 *
 * A lower function sees a node whose inputs have shapes, checks it against the ONNX specification of its operator and
 * fills node->lowered (see lowered.h).  To add an operator, write its function beside its family (operator_*.c) and add
 * its row here. */
#include <string.h>

#include "lower.h"

/* What the families give. */
facet_lower facet_lower_conv, facet_lower_conv_transpose, facet_lower_gemm, facet_lower_matmul;
facet_lower facet_lower_batch_norm, facet_lower_add, facet_lower_sub, facet_lower_mul, facet_lower_div, facet_lower_sum,
    facet_lower_mean, facet_lower_neg, facet_lower_relu, facet_lower_leaky_relu, facet_lower_prelu, facet_lower_clip,
    facet_lower_abs, facet_lower_hard_sigmoid, facet_lower_max, facet_lower_min;
facet_lower facet_lower_curve, facet_lower_power, facet_lower_layer_norm, facet_lower_instance_norm,
    facet_lower_group_norm, facet_lower_softmax;
facet_lower facet_lower_identity, facet_lower_flatten, facet_lower_reshape, facet_lower_squeeze, facet_lower_unsqueeze,
    facet_lower_transpose, facet_lower_slice, facet_lower_pad, facet_lower_concat, facet_lower_gather,
    facet_lower_gather_nd, facet_lower_expand, facet_lower_tile, facet_lower_depth_to_space, facet_lower_space_to_depth,
    facet_lower_cast;
facet_lower facet_lower_max_pool, facet_lower_average_pool, facet_lower_global_average_pool,
    facet_lower_global_max_pool, facet_lower_reduce_mean, facet_lower_reduce_sum, facet_lower_reduce_max,
    facet_lower_reduce_min, facet_lower_resize;

static const facet_operator operators[] = {
    {"Abs", KIND_GATE, false, facet_lower_abs, ""},
    {"Add", KIND_SUM, true, facet_lower_add, " axis:i broadcast:i "},
    {"AveragePool", KIND_WINDOW, false, facet_lower_average_pool,
     " auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape:I pads:I strides:I "},
    {"BatchNormalization", KIND_DIAGONAL, false, facet_lower_batch_norm,
     " epsilon:f is_test:i momentum:f spatial:i training_mode:i "},
    {"Cast", KIND_MOVE, false, facet_lower_cast, " saturate:i to:is round_mode:s "},
    {"CastLike", KIND_MOVE, false, facet_lower_cast, " saturate:i round_mode:s "},
    {"Celu", KIND_CURVE, false, facet_lower_curve, " alpha:f "},
    {"Clip", KIND_GATE, false, facet_lower_clip, " max:f min:f "},
    {"Concat", KIND_MOVE, false, facet_lower_concat, " axis:i "},
    {"Constant", KIND_MOVE, false, NULL,
     " value:t value_float:f value_floats:F value_int:i value_ints:I value_string:s "},
    {"ConstantOfShape", KIND_MOVE, false, NULL, " value:t "},
    {"Conv", KIND_LINEAR, false, facet_lower_conv, " auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I "},
    {"ConvTranspose", KIND_LINEAR, false, facet_lower_conv_transpose,
     " auto_pad:s dilations:I group:i kernel_shape:I output_padding:I output_shape:I pads:I strides:I "},
    {"DepthToSpace", KIND_MOVE, false, facet_lower_depth_to_space, " blocksize:i mode:s "},
    {"Div", KIND_DIAGONAL, true, facet_lower_div, " axis:i broadcast:i "},
    {"Dropout", KIND_MOVE, false, facet_lower_identity, " is_test:i ratio:f seed:i "},
    {"Elu", KIND_CURVE, false, facet_lower_curve, " alpha:f "},
    {"Erf", KIND_CURVE, false, facet_lower_curve, ""},
    {"Exp", KIND_CURVE, false, facet_lower_curve, ""},
    {"Expand", KIND_MOVE, false, facet_lower_expand, ""},
    {"Flatten", KIND_MOVE, false, facet_lower_flatten, " axis:i "},
    {"Gather", KIND_MOVE, false, facet_lower_gather, " axis:i "},
    {"GatherND", KIND_MOVE, false, facet_lower_gather_nd, " batch_dims:i "},
    {"Gelu", KIND_CURVE, false, facet_lower_curve, " approximate:s "},
    {"Gemm", KIND_LINEAR, false, facet_lower_gemm, " alpha:f beta:f broadcast:i transA:i transB:i "},
    {"GlobalAveragePool", KIND_WINDOW, false, facet_lower_global_average_pool, ""},
    {"GlobalMaxPool", KIND_WINDOW, false, facet_lower_global_max_pool, ""},
    {"GroupNormalization", KIND_NORM, false, facet_lower_group_norm, " epsilon:f num_groups:i stash_type:i "},
    {"HardSigmoid", KIND_GATE, false, facet_lower_hard_sigmoid, " alpha:f beta:f "},
    {"HardSwish", KIND_CURVE, false, facet_lower_curve, ""},
    {"Identity", KIND_MOVE, false, facet_lower_identity, ""},
    {"InstanceNormalization", KIND_NORM, false, facet_lower_instance_norm, " epsilon:f "},
    {"LayerNormalization", KIND_NORM, false, facet_lower_layer_norm, " axis:i epsilon:f stash_type:i "},
    {"LeakyRelu", KIND_GATE, false, facet_lower_leaky_relu, " alpha:f "},
    {"Log", KIND_CURVE, false, facet_lower_curve, ""},
    {"LogSoftmax", KIND_MOVE, false, NULL, " axis:i "},
    {"MatMul", KIND_LINEAR, false, facet_lower_matmul, ""},
    {"Max", KIND_SELECT, true, facet_lower_max, ""},
    {"MaxPool", KIND_WINDOW, false, facet_lower_max_pool,
     " auto_pad:s ceil_mode:i dilations:I kernel_shape:I pads:I storage_order:i strides:I "},
    {"Mean", KIND_SUM, true, facet_lower_mean, ""},
    {"Min", KIND_SELECT, true, facet_lower_min, ""},
    {"Mish", KIND_CURVE, false, facet_lower_curve, ""},
    {"Mul", KIND_DIAGONAL, true, facet_lower_mul, " axis:i broadcast:i "},
    {"Neg", KIND_DIAGONAL, false, facet_lower_neg, ""},
    {"PRelu", KIND_GATE, false, facet_lower_prelu, ""},
    {"Pad", KIND_MOVE, false, facet_lower_pad, " mode:s paddings:I pads:I value:f "},
    {"Pow", KIND_CURVE, false, facet_lower_power, " axis:i broadcast:i "},
    {"RMSNormalization", KIND_NORM, false, facet_lower_layer_norm, " axis:i epsilon:f stash_type:i "},
    {"Reciprocal", KIND_CURVE, false, facet_lower_curve, ""},
    {"ReduceMax", KIND_WINDOW, false, facet_lower_reduce_max, " axes:I keepdims:i noop_with_empty_axes:i "},
    {"ReduceMean", KIND_WINDOW, false, facet_lower_reduce_mean, " axes:I keepdims:i noop_with_empty_axes:i "},
    {"ReduceMin", KIND_WINDOW, false, facet_lower_reduce_min, " axes:I keepdims:i noop_with_empty_axes:i "},
    {"ReduceSum", KIND_WINDOW, false, facet_lower_reduce_sum, " axes:I keepdims:i noop_with_empty_axes:i "},
    {"Relu", KIND_GATE, false, facet_lower_relu, ""},
    {"Reshape", KIND_MOVE, false, facet_lower_reshape, " allowzero:i shape:I "},
    {"Resize", KIND_WINDOW, false, facet_lower_resize,
     " antialias:i axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i extrapolation_value:f "
     "keep_aspect_ratio_policy:s mode:s nearest_mode:s "},
    {"Selu", KIND_CURVE, false, facet_lower_curve, " alpha:f gamma:f "},
    {"SequenceAt", KIND_MOVE, false, NULL, ""},
    {"Shape", KIND_MOVE, false, NULL, " end:i start:i "},
    {"Sigmoid", KIND_CURVE, false, facet_lower_curve, ""},
    {"Size", KIND_MOVE, false, NULL, ""},
    {"Slice", KIND_MOVE, false, facet_lower_slice, " axes:I ends:I starts:I "},
    {"Softmax", KIND_CONSTANT, false, facet_lower_softmax, " axis:i "},
    {"Softplus", KIND_CURVE, false, facet_lower_curve, ""},
    {"Softsign", KIND_CURVE, false, facet_lower_curve, ""},
    {"SpaceToDepth", KIND_MOVE, false, facet_lower_space_to_depth, " blocksize:i "},
    {"Split", KIND_MOVE, false, NULL, " axis:i num_outputs:i split:I "},
    {"SplitToSequence", KIND_MOVE, false, NULL, " axis:i keepdims:i "},
    {"Sqrt", KIND_CURVE, false, facet_lower_curve, ""},
    {"Squeeze", KIND_MOVE, false, facet_lower_squeeze, " axes:I "},
    {"Sub", KIND_SUM, true, facet_lower_sub, " axis:i broadcast:i "},
    {"Sum", KIND_SUM, true, facet_lower_sum, ""},
    {"Swish", KIND_CURVE, false, facet_lower_curve, " alpha:f "},
    {"Tanh", KIND_CURVE, false, facet_lower_curve, ""},
    {"Tile", KIND_MOVE, false, facet_lower_tile, ""},
    {"Transpose", KIND_MOVE, false, facet_lower_transpose, " perm:I "},
    {"Unsqueeze", KIND_MOVE, false, facet_lower_unsqueeze, " axes:I "},
    {"Upsample", KIND_WINDOW, false, facet_lower_resize, " height_scale:f mode:s scales:F width_scale:f "},
};

/* Operators that only constants go through: see fold.c. */
static const struct {
  const char *type, *attributes;
} of_constants[] = {
    {"And", " axis:i broadcast:i "},
    {"Ceil", ""},
    {"Equal", " axis:i broadcast:i "},
    {"Floor", ""},
    {"Greater", " axis:i broadcast:i "},
    {"GreaterOrEqual", ""},
    {"Less", " axis:i broadcast:i "},
    {"LessOrEqual", ""},
    {"Mod", " fmod:i "},
    {"Not", ""},
    {"Or", " axis:i broadcast:i "},
    {"Range", ""},
    {"ReduceProd", " axes:I keepdims:i noop_with_empty_axes:i "},
    {"ScatterND", " reduction:s "},
    {"Where", ""},
};

const facet_operator *facet_operator_find(const char *type)
{
  for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
    if (strcmp(operators[i].type, type) == 0)
      return &operators[i];
  return NULL;
}

const char *facet_operator_attributes(const char *type)
{
  const facet_operator *found = facet_operator_find(type);
  if (found)
    return found->attributes;
  for (size_t i = 0; i < sizeof of_constants / sizeof of_constants[0]; i++)
    if (strcmp(of_constants[i].type, type) == 0)
      return of_constants[i].attributes;
  return "";
}

bool facet_operator_known(const char *type)
{
  for (size_t i = 0; i < sizeof of_constants / sizeof of_constants[0]; i++)
    if (strcmp(of_constants[i].type, type) == 0)
      return true;
  return facet_operator_find(type) != NULL;
}
