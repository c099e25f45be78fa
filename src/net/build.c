/* What the trainable architectures are built of: nodes in a row, weights from Philox, batch norm, dense layers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "build.h"

facet_status facet_build_constant(facet_builder *b, const char *name, facet_shape shape, double value,
                                  facet_tensor **tensor)
{
  FACET_TRY(facet_tensor_create(FACET_F32, shape, tensor));
  for (int64_t i = 0; i < facet_shape_size(shape); i++)
    facet_tensor_set(*tensor, i, value);
  return facet_network_add_constant(b->n, name, *tensor);
}

/* Kaiming-normal, fan in (He et al. 2015): deviation sqrt(2 / inputs of one output). */
static facet_status add_weights(facet_builder *b, const char *name, facet_shape shape)
{
  facet_tensor *t;
  int64_t size = facet_shape_size(shape), inputs = size / shape.dim[0];
  double deviation = sqrt(2.0 / (double)inputs);
  FACET_TRY(facet_build_constant(b, name, shape, 0, &t));
  for (int64_t i = 0; i < size; i += 2) {
    double pair[2];
    facet_random_normal(b->random, (uint64_t)b->layer, (uint64_t)i, pair);
    facet_tensor_set(t, i, deviation * pair[0]);
    if (i + 1 < size)
      facet_tensor_set(t, i + 1, deviation * pair[1]);
  }
  return FACET_OK;
}

/* One integer-list attribute set: kernel_shape, pads, strides of a square window. */
facet_status facet_build_window(int64_t kernel, int64_t pad, int64_t stride, facet_attribute **attribute)
{
  const struct {
    const char *name;
    int count;
    int64_t value;
  } rows[3] = {{"kernel_shape", 2, kernel}, {"pads", 4, pad}, {"strides", 2, stride}};
  FACET_NEW(*attribute, 3);
  for (int i = 0; i < 3; i++) {
    facet_attribute *a = &(*attribute)[i];
    a->name = facet_copy_text(rows[i].name);
    a->kind = FACET_INTS;
    a->count = rows[i].count;
    FACET_NEW(a->integers, rows[i].count);
    for (int j = 0; j < rows[i].count; j++)
      a->integers[j] = rows[i].value;
  }
  return FACET_OK;
}

facet_status facet_build_node(facet_builder *b, const char *type, const char *name, int constants,
                              const char *const *constant, int attributes, facet_attribute *attribute)
{
  const char *input[5] = {b->last};
  char output[32];
  const char *outputs[1] = {output};
  for (int i = 0; i < constants; i++)
    input[i + 1] = constant[i];
  snprintf(output, sizeof output, "%s_out", name);
  FACET_TRY(facet_network_add_node(
      b->n, &(facet_node_words){type, name, 1 + constants, input, 1, outputs, attributes, attribute}));
  memcpy(b->last, output, sizeof output);
  return FACET_OK;
}

facet_status facet_build_conv(facet_builder *b, int64_t in, int64_t out, int64_t stride)
{
  char name[24], weight[24], constant[4][24];
  const char *weights[1] = {weight}, *norm[4];
  static const char *const suffix[4] = {"scale", "shift", "mean", "var"};
  facet_attribute *attribute;
  facet_tensor *t;
  int layer = ++b->layer;
  snprintf(name, sizeof name, "conv%d", layer);
  snprintf(weight, sizeof weight, "conv%d.weight", layer);
  FACET_TRY(add_weights(b, weight, (facet_shape){4, {out, in, 3, 3}}));
  FACET_TRY(facet_build_window(3, 1, stride, &attribute));
  FACET_TRY(facet_build_node(b, "Conv", name, 1, weights, 3, attribute));
  snprintf(name, sizeof name, "norm%d", layer);
  for (int i = 0; i < 4; i++) {
    norm[i] = constant[i];
    snprintf(constant[i], sizeof constant[i], "norm%d.%s", layer, suffix[i]);
    FACET_TRY(facet_build_constant(b, constant[i], (facet_shape){1, {out}}, i == 0 || i == 3, &t));
  }
  return facet_build_node(b, "BatchNormalization", name, 4, norm, 0, NULL);
}

facet_status facet_build_dense(facet_builder *b, int64_t in, int64_t out, bool relu)
{
  char name[24], weight[24], bias[24];
  const char *constants[2] = {weight, bias};
  facet_attribute *attribute;
  facet_tensor *t;
  int layer = ++b->layer;
  snprintf(name, sizeof name, "dense%d", layer);
  snprintf(weight, sizeof weight, "dense%d.weight", layer);
  snprintf(bias, sizeof bias, "dense%d.bias", layer);
  FACET_TRY(add_weights(b, weight, (facet_shape){2, {out, in}}));
  FACET_TRY(facet_build_constant(b, bias, (facet_shape){1, {out}}, 0, &t));
  FACET_NEW(attribute, 1);
  *attribute = (facet_attribute){.name = facet_copy_text("transB"), .kind = FACET_INT, .integer = 1};
  FACET_TRY(facet_build_node(b, "Gemm", name, 2, constants, 1, attribute));
  snprintf(name, sizeof name, "relu%d", layer);
  return relu ? facet_build_node(b, "Relu", name, 0, NULL, 0, NULL) : FACET_OK;
}
