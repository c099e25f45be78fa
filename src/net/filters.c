/* Filters: the weights of a linear node by the output channel they make. */
#include "filters.h"

#include "lowered.h"

int64_t facet_filters(const facet_network *network, int node)
{
  const facet_lowered *l = network->node[node].lowered;
  return l->adjoint ? l->conv.in_channels : l->conv.out_channels;
}

int64_t facet_filter_of(const facet_network *network, int node, int64_t i)
{
  const facet_lowered *l = network->node[node].lowered;
  const facet_conv_shape *conv = &l->conv;
  int64_t size = facet_shape_size(network->value[l->weight].shape), in = conv->in_channels, out = conv->out_channels;
  if (l->transposed)
    return i % out;
  if (!l->adjoint)
    return i / (size / out);
  /* from out channels back to in channels, in / groups of them for each: out x in/groups x kernel */
  int64_t own = in / conv->groups, row = size / out;
  return i / row / (out / conv->groups) * own + i % row / (row / own);
}

facet_status facet_nodes_at_output(const facet_network *network, bool *at_output)
{
  bool *reaches; /* per value */
  FACET_NEW(reaches, network->values);
  reaches[network->output] = true;
  for (int i = network->nodes - 1; i >= 0; i--) {
    const facet_lowered *l = network->node[i].lowered;
    at_output[i] = reaches[l->output];
    for (int j = 0; at_output[i] && l->kind != KIND_LINEAR && j < l->inputs; j++)
      reaches[l->input[j]] = true;
  }
  facet_free(&reaches);
  return FACET_OK;
}
