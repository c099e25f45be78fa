/* A table of the nodes of an ONNX file, supported or not. */
#include "inspect.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "onnx/onnx.h"
#include "prune.h"

static int64_t zeros_in(const facet_tensor *t)
{
  int64_t zeros = 0;
  for (int64_t i = 0; i < facet_shape_size(t->shape); i++)
    zeros += facet_tensor_get(t, i) == 0;
  return zeros;
}

/* What is said of weights: of one node, or of all. */
typedef struct {
  int64_t parameters, weights, zeros;
} tally;

static tally tally_of(const facet_network *n, const facet_parameter *list, int count, int node)
{
  tally t = {0};
  for (int p = 0; p < count; p++) {
    if (list[p].node != node)
      continue;
    t.parameters += list[p].size;
    if (list[p].role == FACET_WEIGHT) {
      t.weights += list[p].size;
      t.zeros += zeros_in(n->value[list[p].value].constant);
    }
  }
  return t;
}

static double percent(int64_t part, int64_t all)
{
  return all ? 100.0 * (double)part / (double)all : 0.0;
}

/* Of the column of operators, where some are marked as frozen. */
static int type_width(const facet_network *n)
{
  enum { USUAL = 20, MARKED = 29 };
  return facet_network_is_piecewise_linear(n) ? USUAL : MARKED;
}

static void print_row(const facet_network *n, const facet_node *node, const tally *t,
                      const struct facet_channel_layer *channels)
{
  bool frozen = facet_network_frozen(n, (int)(node - n->node)) != FACET_FROZEN_NOT;
  char *type = facet_format("%s%s", node->type, frozen ? ", frozen" : "");
  printf("%-36s %-*s %-18s", node->name, type_width(n), type ? type : node->type,
         facet_shape_text(n->value[node->output[0]].shape));
  facet_free(&type);
  if (t->parameters)
    printf(" %12lld", (long long)t->parameters);
  if (t->weights)
    printf(" %12lld  %7.3f %%", (long long)t->zeros, percent(t->zeros, t->weights));
  if (t->weights && channels)
    printf(" %12lld  %12lld", (long long)channels->zero, (long long)channels->dead);
  printf("\n");
}

/* How much of it is pruned, and what would be left without its dead channels. */
static void print_pruned(const facet_network *n, const tally *all, const facet_channels *channels)
{
  facet_network *smaller = NULL;
  int zero = 0, dead = 0;
  for (int i = 0; i < channels->layers; i++) {
    zero += channels->layer[i].zero > 0;
    dead += channels->layer[i].dead > 0;
  }
  if (all->zeros == 0 && channels->dead == 0)
    return;
  printf("pruned      %lld of %lld weights are zero; %lld of %lld filters are all zero, in %d layers\n",
         (long long)all->zeros, (long long)all->weights, (long long)channels->zero, (long long)channels->channels,
         zero);
  if (channels->dead == 0 || facet_channels_remove(n, &smaller) != FACET_OK)
    return;
  printf("dead        %lld channels in %d layers; their removal would leave %lld parameters\n",
         (long long)channels->dead, dead, (long long)facet_network_parameters(smaller));
  facet_network_destroy(&smaller);
}

static void print_cost(const facet_network *n)
{
  facet_cost *cost;
  if (facet_network_cost(n, &cost) != FACET_OK)
    return;
  printf(
      "cost        %lld multiply-adds per sample, %lld with weights that are not zero; %lld bytes of parameters, %lld "
      "not zero\n",
      (long long)cost->all.products, (long long)cost->all.products_sparse, (long long)cost->all.bytes,
      (long long)cost->all.bytes_sparse);
  facet_cost_destroy(&cost);
}

static tally print_rows(const facet_network *n, const facet_channels *channels)
{
  tally all = {0};
  facet_parameter *list = NULL;
  int count = 0;
  if (facet_network_parameter_list(n, &list, &count) != FACET_OK)
    count = 0;
  printf("%-36s %-*s %-18s %12s %22s %13s %13s\n", "node", type_width(n), "operator", "output", "parameters",
         "zeros in weights", "zero filters", "dead channels");
  for (int i = 0, layer = 0; i < n->nodes; i++) {
    tally t = tally_of(n, list, count, i);
    bool linear = channels && layer < channels->layers && channels->layer[layer].node == i;
    print_row(n, &n->node[i], &t, linear ? &channels->layer[layer++] : NULL);
    all.parameters += t.parameters;
    all.weights += t.weights;
    all.zeros += t.zeros;
  }
  facet_free(&list);
  return all;
}

/* What is frozen at each sample, and of products which of their two values. */
static void print_frozen(const facet_network *n)
{
  int count = 0;
  for (int i = 0; i < n->nodes; i++) {
    int value = facet_network_frozen(n, i);
    count += value != FACET_FROZEN_NOT;
    if (value >= 0)
      printf("frozen      in %s: %s\n", n->node[i].name, n->value[value].name);
  }
  if (count > 0)
    printf("note        not piecewise linear: %d node%s frozen at each sample, which a study wants 'gates: secant' in "
           "'model' for; W is then not the Jacobian\n",
           count, count > 1 ? "s are" : " is");
}

const char *facet_labels_note(const facet_network *network)
{
  return network->stripped && strcmp(network->stripped, "Sigmoid") == 0
             ? "a last Sigmoid is left out: the logits before it are explained; of several labels at once "
               "(multi-label) "
               "the largest alone counts, and losses are those of a Softmax"
             : NULL;
}

/* Nodes with shapes, parameters, zeros and dead channels of a network that was read. */
static void print_network(const facet_network *n)
{
  facet_channels *channels = NULL;
  if (facet_channels_dead(n, &channels) != FACET_OK)
    channels = NULL;
  tally all = print_rows(n, channels);
  printf("\ninput       %s  N x %s\n", n->value[n->input].name, facet_shape_text(facet_network_input_shape(n)));
  printf("output      %s  N x %s\n", n->value[n->output].name, facet_shape_text(n->value[n->output].shape));
  printf("opset       %d\n", n->opset);
  printf("parameters  %lld, of them %lld weights that pruning may remove, %lld zero (%.3f %%)\n",
         (long long)all.parameters, (long long)all.weights, (long long)all.zeros, percent(all.zeros, all.weights));
  print_cost(n);
  if (channels)
    print_pruned(n, &all, channels);
  if (facet_network_classifies(n) != FACET_OK)
    printf("note        no study takes it: it %s\n", facet_message());
  if (facet_labels_note(n))
    printf("note        %s\n", facet_labels_note(n));
  else if (n->stripped)
    printf("note        a last %s is left out: the logits before it are explained\n", n->stripped);
  print_frozen(n);
  if (facet_folded_note(n))
    printf("note        %s\n", facet_folded_note(n));
  printf("supported   yes\n");
  facet_channels_destroy(&channels);
}

/* What the file holds, when facet cannot run it: every node that is not supported is marked. */
static void print_survey(const facet_onnx_survey *survey)
{
  size_t unknown = 0;
  printf("%-36s %s\n", "node", "operator");
  for (size_t i = 0; i < survey->nodes; i++) {
    const facet_onnx_surveyed *node = &survey->node[i];
    unknown += !node->supported;
    printf("%-36s %-20s%s%s%s\n", node->name, node->type, node->supported ? "" : " not supported",
           node->why[0] ? ": " : "", node->why);
  }
  printf("\nopset       %d\nsupported   no", survey->opset);
  if (unknown)
    printf(": %zu of %zu nodes are not", unknown, survey->nodes);
  printf("\n");
}

facet_status facet_inspect(const char *path)
{
  facet_network *network;
  facet_onnx_survey *survey = NULL;
  facet_error aside = {.status = FACET_OK};
  facet_status status = facet_onnx_read_gates(path, FACET_GATES_SECANT, &network);
  if (status == FACET_OK)
    print_network(network);
  facet_error *present = facet_error_use(&aside); /* what is said in the end is why it could not be read */
  if (status == FACET_BAD_INPUT && facet_onnx_survey_read(path, &survey) == FACET_OK)
    print_survey(survey);
  (void)facet_error_use(present);
  facet_onnx_survey_destroy(&survey);
  facet_network_destroy(&network);
  return status;
}
