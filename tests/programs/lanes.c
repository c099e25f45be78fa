/* Which ways of a network go by lanes (src/net/lanes.h), for the tests: lanes MODEL.onnx FORWARD LINEAR ROWS, the first
 * numbers that a study's `batches` say of a variant (docs/results.md). Prints "forward", "back", both or neither. */
#include <stdio.h>
#include <stdlib.h>

#include "net/lanes.h"
#include "rooms.h"

static facet_status ways(char **argument)
{
  facet_network *network;
  facet_executor *forward, *linear;
  facet_executor_options options = {.real = FACET_F32, .batch = atoll(argument[2])};
  FACET_TRY(facet_onnx_read(argument[1], &network));
  FACET_TRY(facet_executor_create(network, options, &forward));
  options.batch = atoll(argument[3]);
  options.rows = atoll(argument[4]);
  FACET_TRY(facet_executor_create(network, options, &linear));
  printf("%s%s\n", facet_lanes_chosen_forward(forward) ? "forward " : "", facet_lanes_chosen(linear) ? "back" : "");
  facet_executor_destroy(&forward);
  facet_executor_destroy(&linear);
  facet_network_destroy(&network);
  return FACET_OK;
}

int main(int argc, char **argv)
{
  facet_status status =
      argc == 5 ? ways(argv) : facet_raise(FACET_USAGE, "usage: lanes MODEL.onnx FORWARD LINEAR ROWS");
  if (status != FACET_OK)
    fprintf(stderr, "lanes: %s\n", facet_message());
  return (int)status;
}
