/* Which attributes ONNX gives an operator in any of its operator sets, and of which kind: what others refuse, a
 * misspelt attribute for one, must not be taken for one that was left out. */
#include <stdio.h>
#include <string.h>

#include "graph.h"

/* Names with a blank on either side, and the letters of their kinds: i and f a number, whole or not, s a text, t a
 * tensor, I and F lists. Operators that are missing have none. */
static const struct {
  const char *type, *attributes;
} rows[] = {
    {"Add", " axis:i broadcast:i "},
    {"And", " axis:i broadcast:i "},
    {"AveragePool", " auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape:I pads:I strides:I "},
    {"BatchNormalization", " epsilon:f is_test:i momentum:f spatial:i training_mode:i "},
    {"Cast", " saturate:i to:is round_mode:s "},
    {"CastLike", " saturate:i round_mode:s "},
    {"Clip", " max:f min:f "},
    {"Concat", " axis:i "},
    {"Constant", " value:t value_float:f value_floats:F value_int:i value_ints:I value_string:s "},
    {"ConstantOfShape", " value:t "},
    {"Conv", " auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I "},
    {"ConvTranspose",
     " auto_pad:s dilations:I group:i kernel_shape:I output_padding:I output_shape:I pads:I strides:I "},
    {"DepthToSpace", " blocksize:i mode:s "},
    {"Div", " axis:i broadcast:i "},
    {"Dropout", " is_test:i ratio:f seed:i "},
    {"Equal", " axis:i broadcast:i "},
    {"Flatten", " axis:i "},
    {"Gather", " axis:i "},
    {"GatherND", " batch_dims:i "},
    {"Gemm", " alpha:f beta:f broadcast:i transA:i transB:i "},
    {"Greater", " axis:i broadcast:i "},
    {"HardSigmoid", " alpha:f beta:f "},
    {"LeakyRelu", " alpha:f "},
    {"Less", " axis:i broadcast:i "},
    {"LogSoftmax", " axis:i "},
    {"MaxPool", " auto_pad:s ceil_mode:i dilations:I kernel_shape:I pads:I storage_order:i strides:I "},
    {"Mod", " fmod:i "},
    {"Mul", " axis:i broadcast:i "},
    {"Or", " axis:i broadcast:i "},
    {"Pad", " mode:s paddings:I pads:I value:f "},
    {"Pow", " axis:i broadcast:i "},
    {"ReduceMax", " axes:I keepdims:i noop_with_empty_axes:i "},
    {"ReduceMean", " axes:I keepdims:i noop_with_empty_axes:i "},
    {"ReduceMin", " axes:I keepdims:i noop_with_empty_axes:i "},
    {"ReduceProd", " axes:I keepdims:i noop_with_empty_axes:i "},
    {"ReduceSum", " axes:I keepdims:i noop_with_empty_axes:i "},
    {"Reshape", " allowzero:i shape:I "},
    {"Resize", " antialias:i axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i "
               "extrapolation_value:f keep_aspect_ratio_policy:s mode:s nearest_mode:s "},
    {"Shape", " end:i start:i "},
    {"Slice", " axes:I ends:I starts:I "},
    {"Softmax", " axis:i "},
    {"SpaceToDepth", " blocksize:i "},
    {"Split", " axis:i num_outputs:i split:I "},
    {"Squeeze", " axes:I "},
    {"Sub", " axis:i broadcast:i "},
    {"Transpose", " perm:I "},
    {"Unsqueeze", " axes:I "},
    {"Upsample", " height_scale:f mode:s scales:F width_scale:f "},
};

static const struct {
  char letter;
  const char *what;
} kinds[] = {[FACET_INT] = {'i', "a whole number"},
             [FACET_FLOAT] = {'f', "a number"},
             [FACET_TEXT] = {'s', "a text"},
             [FACET_INTS] = {'I', "a list of whole numbers"},
             [FACET_FLOATS] = {'F', "a list of numbers"},
             [FACET_TENSOR] = {'t', "a tensor"}};

facet_status facet_onnx_check_attribute(const char *type, const facet_attribute *a)
{
  char word[80];
  const char *found = NULL;
  if (strcmp(a->name, "consumed_inputs") == 0) /* of any operator before operator set 6, and without a meaning */
    return FACET_OK;
  int length = snprintf(word, sizeof word, " %s:", a->name);
  bool one_word = length < (int)sizeof word && !strpbrk(a->name, " :");
  for (size_t i = 0; one_word && i < sizeof rows / sizeof rows[0]; i++)
    if (strcmp(rows[i].type, type) == 0)
      found = strstr(rows[i].attributes, word);
  FACET_CHECK(found, FACET_BAD_INPUT, "there is no attribute %s of this operator", a->name);
  const char *letters = found + length;
  bool fits = memchr(letters, kinds[a->kind].letter, strcspn(letters, " ")) != NULL;
  FACET_CHECK(fits, FACET_BAD_INPUT, "attribute %s cannot be %s", a->name, kinds[a->kind].what);
  return FACET_OK;
}
