/* What an ONNX file holds, and what is pruned of it: `facet inspect`. */
#ifndef FACET_INSPECT_H
#define FACET_INSPECT_H

#include "net/net.h"

/* Prints nodes, shapes, parameters and zeros per layer of an ONNX file to stdout; where facet cannot run it, its nodes
 * with every operator that is not supported marked, and fails as facet_onnx_read_gates does. What only `gates: secant`
 * runs is marked as frozen. */
facet_status facet_inspect(const char *path);
/* What to say of a network whose batch normalization an export seems to have folded into its convolutions; NULL:
 * nothing. */
const char *facet_folded_note(const facet_network *network);
/* What to say of a network whose file ends in a Sigmoid, as those of several labels at once do; NULL: nothing. */
const char *facet_labels_note(const facet_network *network);

#endif
