/* `facet inspect`: a table of the nodes of an ONNX file, supported or not. */
#include <stdio.h>
#include <string.h>

#include "onnx/graph.h"

static int64_t zeros_in(const facet_tensor *t)
{
  int64_t zeros = 0;
  for (int64_t i = 0; i < facet_shape_size(t->shape); i++)
    zeros += facet_tensor_get(t, i) == 0;
  return zeros;
}

/* Nodes with shapes, parameters and zeros of a network that was read. */
static void print_network(const facet_network *n)
{
  int64_t parameters = 0, weights = 0, weight_zeros = 0;
  facet_parameter *list = NULL;
  int count = 0;
  if (facet_network_parameter_list(n, &list, &count) != FACET_OK)
    count = 0;
  printf("%-36s %-20s %-18s %12s %22s\n", "node", "operator", "output", "parameters", "zeros in weights");
  for (int i = 0; i < n->nodes; i++) {
    const facet_node *node = &n->node[i];
    int64_t own = 0, size = 0, zeros = 0;
    for (int p = 0; p < count; p++) {
      if (list[p].node != i)
        continue;
      own += list[p].size;
      if (list[p].role == FACET_WEIGHT) {
        size += list[p].size;
        zeros += zeros_in(n->value[list[p].value].constant);
      }
    }
    printf("%-36s %-20s %-18s", node->name, node->type, facet_shape_text(n->value[node->output[0]].shape));
    if (own)
      printf(" %12lld", (long long)own);
    if (size)
      printf(" %12lld  %7.3f %%", (long long)zeros, 100.0 * (double)zeros / (double)size);
    printf("\n");
    parameters += own;
    weights += size;
    weight_zeros += zeros;
  }
  facet_free(&list);
  printf("\ninput       %s  N x %s\n", n->value[n->input].name, facet_shape_text(facet_network_input_shape(n)));
  printf("output      %s  N x %s\n", n->value[n->output].name, facet_shape_text(n->value[n->output].shape));
  printf("opset       %d\n", n->opset);
  printf("parameters  %lld, of them %lld weights that pruning may remove, %lld zero (%.3f %%)\n", (long long)parameters,
         (long long)weights, (long long)weight_zeros, weights ? 100.0 * (double)weight_zeros / (double)weights : 0.0);
  if (n->softmax_stripped)
    printf("note        a last Softmax is left out: the logits before it are explained\n");
  printf("supported   yes\n");
}

/* A Softmax within the network is known, but not supported. */
static bool is_inner_softmax(const Onnx__GraphProto *graph, const Onnx__NodeProto *p)
{
  bool softmax =
      facet_onnx_node_known(p) && (strcmp(p->op_type, "Softmax") == 0 || strcmp(p->op_type, "LogSoftmax") == 0);
  for (size_t i = 0; softmax && p->n_output > 0 && i < graph->n_node; i++)
    for (size_t j = 0; j < graph->node[i]->n_input; j++)
      if (strcmp(graph->node[i]->input[j], p->output[0]) == 0)
        return true;
  return false;
}

/* One node, and whether it is supported. */
static bool print_node(const Onnx__GraphProto *graph, size_t i)
{
  const Onnx__NodeProto *p = graph->node[i];
  char *name = facet_onnx_node_name(p, i);
  char why[FACET_REASON] = "not piecewise linear, unless it comes last";
  bool refused = facet_onnx_refused(p, why) || is_inner_softmax(graph, p);
  printf("%-36s %-20s", name ? name : "", p->op_type ? p->op_type : "");
  if (refused)
    printf(" not supported");
  if (!facet_onnx_standard(p->domain))
    printf(": of domain %s", p->domain);
  else if (refused && strcmp(why, "operator is not supported") != 0)
    printf(": %s", why);
  printf("\n");
  facet_free(&name);
  return !refused;
}

/* What the file holds, when facet cannot run it: every node that is not supported is marked. */
static void print_graph(const Onnx__ModelProto *model)
{
  facet_onnx_inlined inlined;
  bool whole = facet_onnx_inline(model, &inlined) == FACET_OK;
  const Onnx__GraphProto *graph = whole ? &inlined.graph : model->graph;
  size_t unknown = 0;
  printf("%-36s %s\n", "node", "operator");
  for (size_t i = 0; i < graph->n_node; i++)
    unknown += !print_node(graph, i);
  printf("\nopset       %d\n", facet_onnx_imported(model->n_opset_import, model->opset_import));
  printf("supported   no");
  if (unknown)
    printf(": %zu of %zu nodes are not", unknown, graph->n_node);
  printf("\n");
  facet_onnx_inlined_clear(&inlined);
}

facet_status facet_onnx_inspect(const char *path)
{
  Onnx__ModelProto *model;
  facet_network *network;
  FACET_TRY(facet_onnx_unpack_file(path, &model));
  facet_status status = facet_onnx_build(model, path, &network);
  if (status == FACET_OK)
    print_network(network);
  else if (status == FACET_BAD_INPUT)
    print_graph(model);
  facet_network_destroy(&network);
  facet_onnx_free(&model);
  return status == FACET_OK ? FACET_OK : facet_raise_in(status, "%s: ", path);
}
