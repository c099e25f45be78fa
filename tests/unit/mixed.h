/* A network with nearly every kind of node, for tests. */
#ifndef MIXED_H
#define MIXED_H

#include "nets.h"

/* A network with every kind of node: convolution with folded batch norm, pads with a constant, branches, pooling of
 * both kinds, leaky gates, constants on either side, slices, transposes. `bias` false: nothing but linear parts. */
static inline facet_network *mixed_net(bool bias)
{
  double numbers[2000];
  for (int i = 0; i < 2000; i++)
    numbers[i] = noise((uint64_t)i) / 2;
  double positive[8] = {0.5, 0.75, 1, 1.25, 1.5, 2, 0.25, 3}, zeros[16] = {0};
  facet_network *n = begin_net((facet_shape){3, {3, 9, 9}});
  facet_attribute *a;
  const char *input = "x";
  if (bias) {
    add_numbers(n, "shift", (facet_shape){3, {3, 1, 1}}, numbers);
    add_node(n, "Sub", "shift,x", "shifted", 0, NULL);
    add_numbers(n, "two", (facet_shape){0, {0}}, (double[]){2});
    add_node(n, "Div", "shifted,two", "halved", 0, NULL);
    input = "halved";
  }
  char inputs[60];
  snprintf(inputs, sizeof inputs, bias ? "%s,c1.w,c1.b" : "%s,c1.w", input);
  add_numbers(n, "c1.w", (facet_shape){4, {8, 3, 3, 3}}, numbers + 10);
  if (bias)
    add_numbers(n, "c1.b", (facet_shape){1, {8}}, numbers + 300);
  a = facet_allocate(1, sizeof *a);
  set_ints(a, "pads", 4, (int64_t[]){1, 1, 1, 1});
  add_node(n, "Conv", inputs, "c1", 1, a);
  add_numbers(n, "n.g", (facet_shape){1, {8}}, numbers + 310);
  add_numbers(n, "n.b", (facet_shape){1, {8}}, bias ? numbers + 320 : zeros);
  add_numbers(n, "n.m", (facet_shape){1, {8}}, bias ? numbers + 330 : zeros);
  add_numbers(n, "n.v", (facet_shape){1, {8}}, positive);
  add_node(n, "BatchNormalization", "c1,n.g,n.b,n.m,n.v", "norm", 0, NULL);
  add_node(n, "LeakyRelu", "norm", "leaky", 1, one_float("alpha", 0.1));
  /* a shortcut: every second position, channels padded */
  add_node(n, "Relu", "leaky", "r1", 0, NULL);
  facet_tensor *steps;
  const char *names[4] = {"sl.s", "sl.e", "sl.a", "sl.t"};
  const int64_t lists[4][2] = {{0, 0}, {INT64_MAX, 9}, {2, 3}, {2, 2}};
  for (int i = 0; i < 4; i++) {
    assert_int_equal(facet_tensor_create(FACET_I64, (facet_shape){1, {2}}, &steps), FACET_OK);
    memcpy(steps->data, lists[i], sizeof lists[i]);
    assert_int_equal(facet_network_add_constant(n, names[i], steps), FACET_OK);
  }
  add_node(n, "Slice", "r1,sl.s,sl.e,sl.a,sl.t", "slice", 0, NULL);
  a = facet_allocate(bias ? 2 : 1, sizeof *a);
  set_ints(&a[0], "pads", 8, (int64_t[]){0, 2, 0, 0, 0, 2, 0, 0});
  if (bias) {
    facet_attribute *value = one_float("value", 0.375);
    a[1] = *value;
    facet_free(&value);
  }
  add_node(n, "Pad", "slice", "pad", bias ? 2 : 1, a);
  add_numbers(n, "c2.w", (facet_shape){4, {12, 4, 3, 3}}, numbers + 400);
  a = facet_allocate(3, sizeof *a);
  set_ints(&a[0], "pads", 4, (int64_t[]){1, 1, 1, 1});
  set_ints(&a[1], "strides", 2, (int64_t[]){2, 2});
  facet_attribute *group = one_int("group", 2);
  a[2] = *group;
  facet_free(&group);
  add_node(n, "Conv", "r1,c2.w", "c2", 3, a);
  add_node(n, "Add", "c2,pad", "sum", 0, NULL);
  add_node(n, "Sub", "sum,c2", "back", 0, NULL); /* the branch once more, minus */
  add_node(n, "Concat", "sum,back", "both", 1, one_int("axis", 1));
  add_node(n, "Relu", "both", "r2", 0, NULL);
  a = facet_allocate(3, sizeof *a);
  set_ints(&a[0], "kernel_shape", 2, (int64_t[]){2, 2});
  set_ints(&a[1], "strides", 2, (int64_t[]){1, 2});
  set_ints(&a[2], "pads", 4, (int64_t[]){0, 0, 1, 1});
  add_node(n, "MaxPool", "r2", "max", 3, a);
  a = facet_allocate(2, sizeof *a);
  set_ints(&a[0], "kernel_shape", 2, (int64_t[]){3, 3});
  set_ints(&a[1], "pads", 4, (int64_t[]){1, 1, 1, 1});
  add_node(n, "AveragePool", "max", "mean", 2, a);
  a = facet_allocate(1, sizeof *a);
  set_ints(a, "perm", 4, (int64_t[]){0, 2, 3, 1});
  add_node(n, "Transpose", "mean", "last", 1, a);
  add_node(n, "Flatten", "last", "flat", 0, NULL);
  add_numbers(n, "w", (facet_shape){2, {24 * 15, 5}}, numbers + 200);
  add_node(n, "MatMul", "flat,w", "product", 0, NULL);
  if (!bias)
    return end_net(n, "product");
  add_numbers(n, "w.b", (facet_shape){1, {5}}, numbers + 700);
  add_node(n, "Add", "product,w.b", "logits", 0, NULL);
  add_node(n, "Softmax", "logits", "probabilities", 0, NULL);
  return end_net(n, "probabilities");
}

/* Gates of three pieces, with slopes of their own, absolute values, maxima with constants: 6 inputs, 3 outputs. */
static inline facet_network *other_net(void)
{
  double numbers[900];
  for (int i = 0; i < 900; i++)
    numbers[i] = 2 * noise((uint64_t)i);
  facet_network *n = begin_net((facet_shape){1, {6}});
  add_gemm(n, "x", "a", 6, 12, numbers, numbers + 100);
  add_numbers(n, "low", (facet_shape){0, {0}}, (double[]){-0.5});
  add_numbers(n, "high", (facet_shape){0, {0}}, (double[]){1.5});
  add_node(n, "Clip", "a,low,high", "b", 0, NULL);
  add_gemm(n, "b", "c", 12, 12, numbers + 120, numbers + 300);
  add_node(n, "Abs", "c", "d", 0, NULL);
  add_gemm(n, "d", "e", 12, 12, numbers + 320, numbers + 500);
  add_numbers(n, "slope", (facet_shape){1, {12}}, numbers + 520);
  add_node(n, "PRelu", "e,slope", "f", 0, NULL);
  add_node(n, "HardSigmoid", "f", "g", 0, NULL);
  add_numbers(n, "bar", (facet_shape){1, {12}}, numbers + 540);
  add_node(n, "Min", "g,b,bar", "h", 0, NULL);
  add_gemm(n, "h", "out", 12, 3, numbers + 600, NULL);
  return end_net(n, "out");
}

#endif
