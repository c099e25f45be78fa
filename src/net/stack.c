/* Networks on networks: a ReLU network made of given numbers, and one set on a value of another, so that both are one
 * network and linearize as one. */
#include <stdio.h>
#include <string.h>

#include "build.h"

/* ---- a network of dense layers ---- */

/* Weights as Gemm takes them, outputs x inputs, from inputs x outputs; and the bias behind them. */
static facet_status dense_constants(facet_builder *b, int layer, int64_t inputs, int64_t outputs, const double *numbers)
{
  char name[40];
  facet_tensor *t;
  snprintf(name, sizeof name, "dense%d.weight", layer);
  FACET_TRY(facet_build_constant(b, name, (facet_shape){2, {outputs, inputs}}, 0, &t));
  for (int64_t i = 0; i < inputs; i++)
    for (int64_t j = 0; j < outputs; j++)
      facet_tensor_set(t, j * inputs + i, numbers[i * outputs + j]);
  snprintf(name, sizeof name, "dense%d.bias", layer);
  FACET_TRY(facet_build_constant(b, name, (facet_shape){1, {outputs}}, 0, &t));
  for (int64_t j = 0; j < outputs; j++)
    facet_tensor_set(t, j, numbers[inputs * outputs + j]);
  return FACET_OK;
}

static facet_status dense_layer(facet_builder *b, int layer, int64_t inputs, int64_t outputs, bool relu,
                                const double *numbers)
{
  char name[24], weight[40], bias[40];
  const char *constants[2] = {weight, bias};
  facet_attribute *attribute;
  FACET_TRY(dense_constants(b, layer, inputs, outputs, numbers));
  snprintf(name, sizeof name, "dense%d", layer);
  snprintf(weight, sizeof weight, "dense%d.weight", layer);
  snprintf(bias, sizeof bias, "dense%d.bias", layer);
  FACET_NEW(attribute, 1);
  *attribute = (facet_attribute){.name = facet_copy_text("transB"), .kind = FACET_INT, .integer = 1};
  FACET_TRY(facet_build_node(b, "Gemm", name, 2, constants, 1, attribute));
  snprintf(name, sizeof name, "relu%d", layer);
  return relu ? facet_build_node(b, "Relu", name, 0, NULL, 0, NULL) : FACET_OK;
}

static facet_status build_dense(facet_builder *b, facet_shape input, int layers, const int64_t *size,
                                const double *numbers)
{
  FACET_TRY(facet_network_set_input(b->n, "input", input));
  snprintf(b->last, sizeof b->last, "input");
  FACET_TRY(facet_build_node(b, "Flatten", "flatten", 0, NULL, 0, NULL));
  for (int i = 0; i < layers; i++) {
    FACET_TRY(dense_layer(b, i + 1, size[i], size[i + 1], i + 1 < layers, numbers));
    numbers += (size[i] + 1) * size[i + 1];
  }
  FACET_TRY(facet_network_set_output(b->n, b->last));
  return facet_network_finish(b->n);
}

facet_status facet_network_dense(facet_shape input, int layers, const int64_t *size, const double *numbers,
                                 facet_network **network)
{
  facet_builder b = {.layer = 0};
  FACET_TRY(facet_network_create("facet", 13, &b.n));
  facet_status status = build_dense(&b, input, layers, size, numbers);
  if (status != FACET_OK)
    facet_network_destroy(&b.n);
  *network = b.n;
  return status;
}

/* ---- one on another ---- */

/* "embed/relu1", of the upper network; its input is the value it stands on. Caller frees. */
static char *upper_name(const facet_network *upper, int value, const char *prefix, const char *below)
{
  if (value < 0)
    return facet_copy_text("");
  return value == upper->input ? facet_copy_text(below) : facet_format("%s/%s", prefix, upper->value[value].name);
}

static facet_status add_upper_node(facet_network *to, const facet_network *upper, const facet_node *node,
                                   const char *prefix, const char *below)
{
  int values = node->inputs + node->outputs;
  facet_attribute *attribute = NULL;
  char **name = NULL, *own = facet_format("%s/%s", prefix, node->name);
  facet_status status;
  FACET_GO(done, status, own ? FACET_OK : FACET_OS);
  FACET_NEW_GO(done, status, name, values);
  for (int i = 0; i < values; i++) {
    name[i] = upper_name(upper, i < node->inputs ? node->input[i] : node->output[i - node->inputs], prefix, below);
    FACET_GO(done, status, name[i] ? FACET_OK : FACET_OS);
  }
  FACET_GO(done, status, facet_attributes_copy(node->attribute, node->attributes, &attribute));
  status =
      facet_network_add_node(to, &(facet_node_words){node->type, own, node->inputs, (const char **)name, node->outputs,
                                                     (const char **)name + node->inputs, node->attributes, attribute});
done:
  for (int i = 0; name && i < values; i++)
    facet_free(&name[i]);
  facet_free(&name);
  facet_free(&own);
  return status;
}

static facet_status add_upper(facet_network *to, const facet_network *upper, const char *prefix, const char *below)
{
  for (int v = 0; v < upper->values; v++) {
    facet_tensor *copy;
    char *name;
    if (!upper->value[v].constant)
      continue;
    FACET_TRY(facet_tensor_copy(upper->value[v].constant, &copy));
    if (!(name = facet_format("%s/%s", prefix, upper->value[v].name)))
      facet_tensor_destroy(&copy);
    facet_status status = name ? facet_network_add_constant(to, name, copy) : FACET_OS;
    facet_free(&name);
    FACET_TRY(status);
  }
  for (int i = 0; i < upper->nodes; i++)
    FACET_TRY(add_upper_node(to, upper, &upper->node[i], prefix, below));
  char *output = upper_name(upper, upper->output, prefix, below);
  facet_status status = output ? facet_network_set_output(to, output) : FACET_OS;
  facet_free(&output);
  return status;
}

facet_status facet_network_stack(const facet_network *lower, int value, const facet_network *upper, const char *prefix,
                                 facet_network **stacked)
{
  facet_network *n = NULL;
  int64_t size = facet_shape_size(lower->value[value].shape);
  *stacked = NULL;
  FACET_CHECK(size == facet_shape_size(facet_network_input_shape(upper)), FACET_BAD_INPUT,
              "value %s has %lld numbers, but %s takes %lld", lower->value[value].name, (long long)size, prefix,
              (long long)facet_shape_size(facet_network_input_shape(upper)));
  FACET_TRY(facet_network_copy_open(lower, &n));
  facet_status status;
  FACET_GO(done, status, add_upper(n, upper, prefix, lower->value[value].name));
  status = facet_network_finish(n);
done:
  if (status != FACET_OK)
    facet_network_destroy(&n);
  *stacked = n;
  return status;
}
