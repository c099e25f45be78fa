/* The plain trainable architecture: convolutions with batch norm, ReLU and max pooling, then dense layers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/net.h"

typedef struct {
  facet_network *n;
  facet_random random;
  int layer;     /* numbers names */
  char last[32]; /* the value built so far */
} builder;

static facet_status add_constant(builder *b, const char *name, facet_shape shape, double value, facet_tensor **tensor)
{
  FACET_TRY(facet_tensor_create(FACET_F32, shape, tensor));
  for (int64_t i = 0; i < facet_shape_size(shape); i++)
    facet_tensor_set(*tensor, i, value);
  return facet_network_add_constant(b->n, name, *tensor);
}

/* Kaiming-normal, fan in (He et al. 2015): deviation sqrt(2 / inputs of one output). */
static facet_status add_weights(builder *b, const char *name, facet_shape shape)
{
  facet_tensor *t;
  int64_t size = facet_shape_size(shape), inputs = size / shape.dim[0];
  double deviation = sqrt(2.0 / (double)inputs);
  FACET_TRY(add_constant(b, name, shape, 0, &t));
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
static facet_status window_attributes(int64_t kernel, int64_t pad, int64_t stride, facet_attribute **attribute)
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

/* A node from the last value, with up to four constants, to a new last value. */
static facet_status add_node(builder *b, const char *type, const char *name, int constants, const char *const *constant,
                             int attributes, facet_attribute *attribute)
{
  const char *input[5] = {b->last};
  char output[32];
  const char *outputs[1] = {output};
  for (int i = 0; i < constants; i++)
    input[i + 1] = constant[i];
  snprintf(output, sizeof output, "%s_out", name);
  FACET_TRY(facet_network_add_node(b->n, type, name, 1 + constants, input, 1, outputs, attributes, attribute));
  memcpy(b->last, output, sizeof output);
  return FACET_OK;
}

static facet_status add_conv(builder *b, int64_t in, int64_t out, bool pool)
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
  FACET_TRY(window_attributes(3, 1, 1, &attribute));
  FACET_TRY(add_node(b, "Conv", name, 1, weights, 3, attribute));
  snprintf(name, sizeof name, "norm%d", layer);
  for (int i = 0; i < 4; i++) {
    norm[i] = constant[i];
    snprintf(constant[i], sizeof constant[i], "norm%d.%s", layer, suffix[i]);
    FACET_TRY(add_constant(b, constant[i], (facet_shape){1, {out}}, i == 0 || i == 3, &t));
  }
  FACET_TRY(add_node(b, "BatchNormalization", name, 4, norm, 0, NULL));
  snprintf(name, sizeof name, "relu%d", layer);
  FACET_TRY(add_node(b, "Relu", name, 0, NULL, 0, NULL));
  if (!pool)
    return FACET_OK;
  snprintf(name, sizeof name, "pool%d", layer);
  FACET_TRY(window_attributes(2, 0, 2, &attribute));
  return add_node(b, "MaxPool", name, 0, NULL, 3, attribute);
}

static facet_status add_dense(builder *b, int64_t in, int64_t out, bool relu)
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
  FACET_TRY(add_constant(b, bias, (facet_shape){1, {out}}, 0, &t));
  FACET_NEW(attribute, 1);
  *attribute = (facet_attribute){.name = facet_copy_text("transB"), .kind = FACET_INT, .integer = 1};
  FACET_TRY(add_node(b, "Gemm", name, 2, constants, 1, attribute));
  snprintf(name, sizeof name, "relu%d", layer);
  return relu ? add_node(b, "Relu", name, 0, NULL, 0, NULL) : FACET_OK;
}

static facet_status build(builder *b, facet_shape input, int convs, const int64_t *conv, int denses,
                          const int64_t *dense, int64_t classes)
{
  FACET_TRY(facet_network_set_input(b->n, "input", input));
  snprintf(b->last, sizeof b->last, "input");
  int64_t channels = input.dim[0], height = input.dim[1], width = input.dim[2];
  for (int i = 0; i < convs; i++) {
    bool pool = i + 1 < convs && height >= 2 && width >= 2;
    FACET_TRY(add_conv(b, channels, conv[i], pool));
    channels = conv[i];
    height = pool ? height / 2 : height;
    width = pool ? width / 2 : width;
  }
  FACET_TRY(add_node(b, "Flatten", "flatten", 0, NULL, 0, NULL));
  int64_t features = channels * height * width;
  for (int i = 0; i < denses; i++) {
    FACET_TRY(add_dense(b, features, dense[i], true));
    features = dense[i];
  }
  FACET_TRY(add_dense(b, features, classes, false));
  FACET_TRY(facet_network_set_output(b->n, b->last));
  return facet_network_finish(b->n);
}

facet_status facet_network_plain(facet_shape input, int convs, const int64_t *conv, int denses, const int64_t *dense,
                                 int64_t classes, uint32_t seed, facet_network **network)
{
  builder b = {.random = {seed, FACET_STREAM_INITIAL}};
  FACET_CHECK(input.rank == 3, FACET_BAD_INPUT, "images are %s, not channel x y x x", facet_shape_text(input));
  FACET_TRY(facet_network_create("facet", 13, &b.n));
  facet_status status = build(&b, input, convs, conv, denses, dense, classes);
  if (status != FACET_OK)
    facet_network_destroy(&b.n);
  *network = b.n;
  return status;
}
