/* What facet claims, and the cases that it may refuse although it knows all of their operators, with what it must say
 * then.  Any other refusal is a failure. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "case.h"

/* The README's list. Other operators of facet's table (Exp, Pow, Where ...) are for constants. */
const char *const claims[] = {
    "Abs",
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "ConstantOfShape",
    "ConvTranspose",
    "DepthToSpace",
    "Div",
    "Dropout",
    "Expand",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "Identity",
    "LeakyRelu",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mul",
    "Neg",
    "PRelu",
    "Pad",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Resize",
    "Shape",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Sub",
    "Sum",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Upsample",
    NULL,
};

typedef struct {
  const char *name, *message; /* a pattern of the case's name; a part of the message */
} excuse;

static const excuse excuses[] = {
    /* In training these are random, or depend on the other samples. */
    {"*dropout*", "training_mode"},
    {"batchnorm_*training_mode*", "training_mode"},
    {"batchnorm_*training_mode*", "only the first output is supported"},
    /* Constants that are no numbers, or of a type that no network has. */
    {"castlike_BFLOAT16_*", "data type UINT16"},
    {"castlike_STRING_*", "data type STRING"},
    {"castlike_FLOAT8*", "data type"},
    {"pow_types_*", "data type UINT"},
    /* No elements at all. */
    {"reshape_allowzero_reordered", "is 0"},
    {"slice_start_out_of_bounds", "output is empty"},
    {"split_zero_size_splits*", "is not known"},
    {"*_empty_set*", "is not known"},
    /* A number is no sample. */
    {"range_*", "has 0 dimensions"},
    /* Not piecewise linear: division by a norm, products of branches. What stops facet may be an earlier node, since
     * these split or normalize the batch. */
    {"*_expanded*", "a product or quotient of two branches is not piecewise linear"},
    {"reduce_log_sum_*expanded", "works along the batch dimension"},
    {"layer_normalization_*_expanded*", ""},
    {"mvn_expanded*", ""},
    {"softmax_*", ""},
    {"logsoftmax_*", ""},
    /* CastLike takes a type from its second input: function bodies take it from the data. */
    {"*_expanded*", "(CastLike): only its first input may depend"},
    /* Cubic and smoothing interpolation are linear, too, but not asked for; cropping has regions outside of the image.
     */
    {"resize_*cubic*", "mode cubic is not supported"},
    {"resize_*antialias*", "antialias is not supported"},
    {"resize_tf_crop_and_resize*", "tf_crop_and_resize is not supported"},
};

/* "node Exp_3 (Exp): operator is not supported", and Exp is not claimed. */
static bool excused_operator(const char *message)
{
  char part[100];
  for (size_t i = 0; claims[i]; i++) {
    snprintf(part, sizeof part, "(%s): operator is not supported", claims[i]);
    if (strstr(message, part))
      return false;
  }
  return strstr(message, "operator is not supported") != NULL;
}

bool excused(const onnx_case *c, const char *message)
{
  for (size_t i = 0; i < sizeof excuses / sizeof excuses[0]; i++)
    if (fnmatch(excuses[i].name, c->name, 0) == 0 && strstr(message, excuses[i].message))
      return true;
  return excused_operator(message);
}
