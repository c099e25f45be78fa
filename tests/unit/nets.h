/* Small networks for tests, built through the public builder. */
#ifndef NETS_H
#define NETS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h> /* needs the above */

#include "rooms.h"

static inline void add_numbers(facet_network *n, const char *name, facet_shape shape, const double *numbers)
{
  facet_tensor *t;
  assert_int_equal(facet_tensor_create(FACET_F64, shape, &t), FACET_OK);
  for (int64_t i = 0; i < facet_shape_size(shape); i++)
    facet_tensor_set(t, i, numbers[i]);
  assert_int_equal(facet_network_add_constant(n, name, t), FACET_OK);
}

static inline facet_attribute *one_int(const char *name, int64_t value)
{
  facet_attribute *a = facet_allocate(1, sizeof *a);
  *a = (facet_attribute){.name = facet_copy_text(name), .kind = FACET_INT, .integer = value};
  return a;
}

static inline facet_attribute *one_float(const char *name, double value)
{
  facet_attribute *a = facet_allocate(1, sizeof *a);
  *a = (facet_attribute){.name = facet_copy_text(name), .kind = FACET_FLOAT, .number = value};
  return a;
}

static inline void set_ints(facet_attribute *a, const char *name, int count, const int64_t *value)
{
  *a = (facet_attribute){.name = facet_copy_text(name), .kind = FACET_INTS, .count = count};
  a->integers = facet_allocate((size_t)count, sizeof *a->integers);
  memcpy(a->integers, value, (size_t)count * sizeof *value);
}

/* A node with inputs given as "a,b,c" ("" between commas: left out). */
static inline void add_node(facet_network *n, const char *type, const char *inputs, const char *output, int attributes,
                            facet_attribute *attribute)
{
  char text[200];
  const char *input[8];
  int count = 0;
  snprintf(text, sizeof text, "%s", inputs);
  for (char *at = text; at && count < 8;) {
    char *comma = strchr(at, ',');
    if (comma)
      *comma = 0;
    input[count++] = at;
    at = comma ? comma + 1 : NULL;
  }
  assert_int_equal(
      facet_network_add_node(n, &(facet_node_words){type, output, count, input, 1, &output, attributes, attribute}),
      FACET_OK);
}

/* A fully connected layer, weights out x in. */
static inline void add_gemm(facet_network *n, const char *input, const char *name, int64_t in, int64_t out,
                            const double *w, const double *b)
{
  char weight[40], bias[40], inputs[140];
  snprintf(weight, sizeof weight, "%s.w", name);
  snprintf(bias, sizeof bias, "%s.b", name);
  snprintf(inputs, sizeof inputs, b ? "%s,%s,%s" : "%s,%s", input, weight, bias);
  add_numbers(n, weight, (facet_shape){2, {out, in}}, w);
  if (b)
    add_numbers(n, bias, (facet_shape){1, {out}}, b);
  add_node(n, "Gemm", inputs, name, 1, one_int("transB", 1));
}

static inline facet_network *begin_net(facet_shape input)
{
  facet_network *n;
  assert_int_equal(facet_network_create("test", 13, &n), FACET_OK);
  assert_int_equal(facet_network_set_input(n, "x", input), FACET_OK);
  return n;
}

static inline facet_network *end_net(facet_network *n, const char *output)
{
  assert_int_equal(facet_network_set_output(n, output), FACET_OK);
  facet_status status = facet_network_finish(n);
  if (status != FACET_OK)
    fail_msg("%s", facet_message());
  return n;
}

/* Golden net A of SCIENCE 1, whose numbers follow by hand. */
static inline facet_network *golden_a(void)
{
  facet_network *n = begin_net((facet_shape){1, {2}});
  add_gemm(n, "x", "l1", 2, 3, (double[]){1, -2, 3, 1, -1, 1}, (double[]){1, -2, 0.5});
  add_node(n, "Relu", "l1", "r1", 0, NULL);
  add_gemm(n, "r1", "l2", 3, 2, (double[]){1, -1, 2, -1, 2, 1}, (double[]){-0.5, 0.25});
  add_node(n, "Relu", "l2", "r2", 0, NULL);
  add_gemm(n, "r2", "l3", 2, 2, (double[]){2, -1, -1, 3}, (double[]){0.125, -1});
  return end_net(n, "l3");
}

/* Pseudo-random numbers in (-1, 1). */
static inline double noise(uint64_t i)
{
  return 2 * facet_random_uniform((facet_random){99, 1}, 0, i) - 1;
}

/* Leaves one weight of so many. */
static inline void thin(facet_network *n, int64_t every)
{
  facet_parameter *list;
  int count;
  assert_int_equal(facet_network_parameter_list(n, &list, &count), FACET_OK);
  for (int i = 0; i < count; i++)
    for (int64_t k = 0; list[i].role == FACET_WEIGHT && k < list[i].size; k++)
      if (k % every != 0)
        facet_tensor_set(n->value[list[i].value].constant, k, 0);
  facet_free(&list);
}

#endif
