/* Private to src/net: what is frozen at a sample, and where that is allowed. */
#ifndef FACET_FROZEN_H
#define FACET_FROZEN_H

#include "lower.h"

/* FACET_BAD_INPUT, in the node's name and with `why`, unless the network may freeze what is not piecewise linear. */
facet_status facet_frozen_allowed(const facet_network *network, const facet_node *node, const char *why);
/* Which of the two inputs of a product is frozen: the one that is bounded whatever the sample; of two such, and of
 * none, the second. */
int facet_frozen_operand(const facet_network *network, const facet_lowered *lowered);
/* Whether what a lowered node puts out has a bound, whatever the sample. */
bool facet_frozen_bounded(const facet_network *network, const facet_lowered *lowered);

#endif
