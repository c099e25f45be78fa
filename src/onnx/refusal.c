/* Why an operator is refused.  What is supported says the table in src/net; this one tells the user more than "is not
 * supported" where there is more to say. */
#include <stdio.h>
#include <string.h>

#include "graph.h"

static const struct {
  const char *why;
  const char *types; /* with a blank on either side of each */
} reasons[] = {
    {"not piecewise linear",
     " Exp Log Sin Cos "
     "Tan"
     " Asin Acos Atan Sinh Cosh Asinh Acosh Atanh ReduceL2 ReduceLogSum ReduceLogSumExp ReduceProd ReduceSumSquare"
     " LpPool GlobalLpPool Det BitShift Mod FastGelu QuickGelu BiasGelu "},
    {"not piecewise linear: its scale depends on the input", " LRN MeanVarianceNormalization LpNormalization"
                                                             " SimplifiedLayerNormalization SkipLayerNormalization "},
    {"not continuous: no gradient tells what it does",
     " ThresholdedRelu Shrink Sign Floor Round Ceil Hardmax ArgMax ArgMin IsNaN IsInf Greater GreaterOrEqual Less"
     " LessOrEqual Equal And Or Xor Not NonZero "},
    {"not piecewise linear: it multiplies what depends on the input",
     " Attention MultiHeadAttention Einsum LSTM GRU RNN RotaryEmbedding GridSample AffineGrid RoiAlign DeformConv "},
    {"control flow is not supported", " If Loop Scan SequenceMap "},
    {"quantized networks are not supported",
     " QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger "},
    {"its result is random", " RandomNormal RandomNormalLike RandomUniform RandomUniformLike Bernoulli Multinomial "},
    {"sequences, optional values and texts are not supported",
     " SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength"
     " ConcatFromSequence Optional OptionalGetElement OptionalHasElement StringConcat StringNormalizer StringSplit"
     " RegexFullMatch TfIdfVectorizer ImageDecoder "},
};

bool facet_onnx_node_known(const Onnx__NodeProto *p)
{
  return facet_onnx_standard(p->domain) && p->op_type && facet_operator_known(p->op_type);
}

static const char *reason_for(const char *type)
{
  char word[64];
  int length = snprintf(word, sizeof word, " %s ", type);
  bool one_word = length > 2 && length < (int)sizeof word && !strchr(type, ' ');
  for (size_t i = 0; one_word && i < sizeof reasons / sizeof reasons[0]; i++)
    if (strstr(reasons[i].types, word))
      return reasons[i].why;
  return "operator is not supported";
}

bool facet_onnx_refused(const Onnx__NodeProto *p, char *why)
{
  if (facet_onnx_node_known(p))
    return false;
  if (facet_onnx_standard(p->domain))
    snprintf(why, FACET_REASON, "%s", reason_for(p->op_type ? p->op_type : ""));
  else
    snprintf(why, FACET_REASON, "operators of domain %s are not supported", p->domain);
  return true;
}
