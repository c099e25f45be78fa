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
facet_lower facet_lower_identity, facet_lower_flatten, facet_lower_reshape, facet_lower_squeeze, facet_lower_unsqueeze,
    facet_lower_transpose, facet_lower_slice, facet_lower_pad, facet_lower_concat, facet_lower_gather,
    facet_lower_gather_nd, facet_lower_expand, facet_lower_tile, facet_lower_depth_to_space, facet_lower_space_to_depth,
    facet_lower_cast;
facet_lower facet_lower_max_pool, facet_lower_average_pool, facet_lower_global_average_pool,
    facet_lower_global_max_pool, facet_lower_reduce_mean, facet_lower_reduce_sum, facet_lower_reduce_max,
    facet_lower_reduce_min, facet_lower_resize;

static const facet_operator operators[] = {
    {"Abs", KIND_GATE, false, facet_lower_abs},
    {"Add", KIND_SUM, true, facet_lower_add},
    {"AveragePool", KIND_WINDOW, false, facet_lower_average_pool},
    {"BatchNormalization", KIND_DIAGONAL, false, facet_lower_batch_norm},
    {"Cast", KIND_MOVE, false, facet_lower_cast},
    {"CastLike", KIND_MOVE, false, facet_lower_cast},
    {"Clip", KIND_GATE, false, facet_lower_clip},
    {"Concat", KIND_MOVE, false, facet_lower_concat},
    {"Constant", KIND_MOVE, false, NULL},
    {"ConstantOfShape", KIND_MOVE, false, NULL},
    {"Conv", KIND_LINEAR, false, facet_lower_conv},
    {"ConvTranspose", KIND_LINEAR, false, facet_lower_conv_transpose},
    {"DepthToSpace", KIND_MOVE, false, facet_lower_depth_to_space},
    {"Div", KIND_DIAGONAL, true, facet_lower_div},
    {"Dropout", KIND_MOVE, false, facet_lower_identity},
    {"Expand", KIND_MOVE, false, facet_lower_expand},
    {"Flatten", KIND_MOVE, false, facet_lower_flatten},
    {"Gather", KIND_MOVE, false, facet_lower_gather},
    {"GatherND", KIND_MOVE, false, facet_lower_gather_nd},
    {"Gemm", KIND_LINEAR, false, facet_lower_gemm},
    {"GlobalAveragePool", KIND_WINDOW, false, facet_lower_global_average_pool},
    {"GlobalMaxPool", KIND_WINDOW, false, facet_lower_global_max_pool},
    {"HardSigmoid", KIND_GATE, false, facet_lower_hard_sigmoid},
    {"Identity", KIND_MOVE, false, facet_lower_identity},
    {"LeakyRelu", KIND_GATE, false, facet_lower_leaky_relu},
    {"LogSoftmax", KIND_MOVE, false, NULL},
    {"MatMul", KIND_LINEAR, false, facet_lower_matmul},
    {"Max", KIND_SELECT, true, facet_lower_max},
    {"MaxPool", KIND_WINDOW, false, facet_lower_max_pool},
    {"Mean", KIND_SUM, true, facet_lower_mean},
    {"Min", KIND_SELECT, true, facet_lower_min},
    {"Mul", KIND_DIAGONAL, true, facet_lower_mul},
    {"Neg", KIND_DIAGONAL, false, facet_lower_neg},
    {"PRelu", KIND_GATE, false, facet_lower_prelu},
    {"Pad", KIND_MOVE, false, facet_lower_pad},
    {"ReduceMax", KIND_WINDOW, false, facet_lower_reduce_max},
    {"ReduceMean", KIND_WINDOW, false, facet_lower_reduce_mean},
    {"ReduceMin", KIND_WINDOW, false, facet_lower_reduce_min},
    {"ReduceSum", KIND_WINDOW, false, facet_lower_reduce_sum},
    {"Relu", KIND_GATE, false, facet_lower_relu},
    {"Reshape", KIND_MOVE, false, facet_lower_reshape},
    {"Resize", KIND_WINDOW, false, facet_lower_resize},
    {"Shape", KIND_MOVE, false, NULL},
    {"Sigmoid", KIND_MOVE, false, NULL},
    {"Size", KIND_MOVE, false, NULL},
    {"Slice", KIND_MOVE, false, facet_lower_slice},
    {"Softmax", KIND_MOVE, false, NULL},
    {"SpaceToDepth", KIND_MOVE, false, facet_lower_space_to_depth},
    {"Split", KIND_MOVE, false, NULL},
    {"Squeeze", KIND_MOVE, false, facet_lower_squeeze},
    {"Sub", KIND_SUM, true, facet_lower_sub},
    {"Sum", KIND_SUM, true, facet_lower_sum},
    {"Tile", KIND_MOVE, false, facet_lower_tile},
    {"Transpose", KIND_MOVE, false, facet_lower_transpose},
    {"Unsqueeze", KIND_MOVE, false, facet_lower_unsqueeze},
    {"Upsample", KIND_WINDOW, false, facet_lower_resize},
};

/* Operators that only constants go through: see fold.c. */
static const char *const of_constants[] = {
    "And", "Ceil", "Equal", "Exp", "Floor", "Greater",    "GreaterOrEqual", "Less", "LessOrEqual", "Log",
    "Mod", "Not",  "Or",    "Pow", "Range", "Reciprocal", "ReduceProd",     "Sqrt", "Where"};

const facet_operator *facet_operator_find(const char *type)
{
  for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
    if (strcmp(operators[i].type, type) == 0)
      return &operators[i];
  return NULL;
}

bool facet_operator_known(const char *type)
{
  for (size_t i = 0; i < sizeof of_constants / sizeof of_constants[0]; i++)
    if (strcmp(of_constants[i], type) == 0)
      return true;
  return facet_operator_find(type) != NULL;
}
