/* What the face tells of a network, whose insides it does not show. */
#include "net.h"

const char *facet_network_name(const facet_network *network)
{
  return network->name;
}

int facet_network_opset(const facet_network *network)
{
  return network->opset;
}

int64_t facet_network_inputs(const facet_network *network)
{
  return facet_shape_size(facet_network_input_shape(network));
}

bool facet_network_softmax_stripped(const facet_network *network)
{
  return network->stripped != NULL;
}

int facet_network_nodes(const facet_network *network)
{
  return network->nodes;
}

const char *facet_network_node_name(const facet_network *network, int node)
{
  return network->node[node].name;
}

const char *facet_network_node_type(const facet_network *network, int node)
{
  return network->node[node].type;
}

const char *facet_network_value_name(const facet_network *network, int value)
{
  return network->value[value].name;
}

facet_shape facet_network_value_shape(const facet_network *network, int value)
{
  return network->value[value].shape;
}

static facet_status constant_of(const facet_network *network, int value, facet_tensor **constant)
{
  FACET_CHECK(value >= 0 && value < network->values && network->value[value].constant, FACET_INTERNAL,
              "value %d of network %s is no constant", value, network->name);
  *constant = network->value[value].constant;
  return FACET_OK;
}

facet_status facet_network_numbers(const facet_network *network, int value, double *numbers)
{
  facet_tensor *constant;
  FACET_TRY(constant_of(network, value, &constant));
  for (int64_t i = 0, size = facet_shape_size(constant->shape); i < size; i++)
    numbers[i] = facet_tensor_get(constant, i);
  return FACET_OK;
}

facet_status facet_network_set_numbers(facet_network *network, int value, const double *numbers)
{
  facet_tensor *constant;
  FACET_TRY(constant_of(network, value, &constant));
  for (int64_t i = 0, size = facet_shape_size(constant->shape); i < size; i++)
    facet_tensor_set(constant, i, numbers[i]);
  return FACET_OK;
}
