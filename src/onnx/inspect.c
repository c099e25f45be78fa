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

/* What the file holds, when facet cannot run it: every node that is not supported is marked. */
static void print_graph(const Onnx__ModelProto *model)
{
  const Onnx__GraphProto *graph = model->graph;
  size_t unknown = 0;
  printf("%-36s %s\n", "node", "operator");
  for (size_t i = 0; i < graph->n_node; i++) {
    const Onnx__NodeProto *p = graph->node[i];
    char *name = facet_onnx_node_name(p, i);
    bool known = facet_onnx_node_known(p);
    printf("%-36s %-20s", name ? name : "", p->op_type ? p->op_type : "");
    if (!known)
      printf(" not supported");
    if (!facet_onnx_standard(p->domain))
      printf(": of domain %s", p->domain);
    printf("\n");
    unknown += !known;
    facet_free(&name);
  }
  printf("\nopset       %d\n", facet_onnx_opset(model));
  printf("supported   no");
  if (unknown)
    printf(": %zu of %zu nodes are not", unknown, graph->n_node);
  printf("\n");
}

static facet_status inspect_bytes(const uint8_t *bytes, size_t count, bool *supported)
{
  Onnx__ModelProto *model;
  facet_network *network = NULL;
  FACET_TRY(facet_onnx_unpack(bytes, count, &model));
  facet_status status = facet_onnx_build(model, &network);
  *supported = status == FACET_OK;
  if (*supported)
    print_network(network);
  else if (status == FACET_BAD_INPUT)
    print_graph(model);
  facet_network_destroy(&network);
  facet_onnx_free(&model);
  return status;
}

facet_status facet_onnx_inspect(const char *path, bool *supported)
{
  uint8_t *bytes;
  size_t count;
  *supported = false;
  FACET_TRY(facet_read_file(path, &bytes, &count));
  facet_status status = inspect_bytes(bytes, count, supported);
  facet_free(&bytes);
  return status == FACET_OK ? FACET_OK : facet_raise_in(status, "%s: ", path);
}
