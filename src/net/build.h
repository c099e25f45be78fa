/* Private to src/net: building trainable architectures, one node after the other. */
#ifndef FACET_BUILD_H
#define FACET_BUILD_H

#include "net.h"

typedef struct {
  facet_network *n;
  facet_random random;
  int layer;     /* numbers names */
  char last[32]; /* the value built so far */
} facet_builder;

/* A constant of one number; *tensor belongs to the network. */
facet_status facet_build_constant(facet_builder *b, const char *name, facet_shape shape, double value,
                                  facet_tensor **tensor);
/* Attributes of a square window: kernel_shape, pads, strides. Three of them. */
facet_status facet_build_window(int64_t kernel, int64_t pad, int64_t stride, facet_attribute **attribute);
/* A node from the last value, with up to four constants, to a new last value. */
facet_status facet_build_node(facet_builder *b, const char *type, const char *name, int constants,
                              const char *const *constant, int attributes, facet_attribute *attribute);
/* The next layer: a 3x3 convolution (padding 1, no bias) and batch norm. */
facet_status facet_build_conv(facet_builder *b, int64_t in, int64_t out, int64_t stride);
/* The next layer: Gemm with a bias, and ReLU if wanted. */
facet_status facet_build_dense(facet_builder *b, int64_t in, int64_t out, bool relu);

#endif
