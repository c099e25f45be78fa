/* For src/prune: which weights of a linear node make which of its output channels. */
#ifndef FACET_FILTERS_H
#define FACET_FILTERS_H

#include "net.h"

int64_t facet_filters(const facet_network *network, int node); /* output channels */
/* The output channel that weight i (in the order of the file) belongs to. */
int64_t facet_filter_of(const facet_network *network, int node, int64_t i);
/* Whether the node's output reaches that of the network without another linear node on the way: its channels are
 * classes, or become them. */
facet_status facet_nodes_at_output(const facet_network *network, bool *at_output); /* per node */

#endif
