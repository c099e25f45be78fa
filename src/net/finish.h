/* Private to src/net: taking a graph apart and together while it is finished. */
#ifndef FACET_FINISH_H
#define FACET_FINISH_H

#include "lower.h"

/* ---- network.c ---- */

void facet_node_clear(facet_node *node);                                /* leaves it empty: without a type */
int facet_network_find(const facet_network *network, const char *name); /* NO_VALUE: no value has that name */
facet_status facet_network_room(facet_network *network, int more);      /* for so many more nodes */

/* ---- finish.c ---- */

/* Fills what every kind needs, then asks the operator's row; sets the shape of what the node makes. */
facet_status facet_node_lower(facet_network *network, facet_node *node);

/* ---- rewrite.c: the first two may move nodes ---- */

/* Expands the branches of node *i to one shape where they differ; *i moves on to where the node then is. */
facet_status facet_node_expand(facet_network *network, int *i);
/* A Split becomes a Slice for every output that is in use, at the place of node i. */
facet_status facet_node_replace_split(facet_network *network, int i);
/* Refuses a SplitToSequence, node i, of which anything but SequenceAt takes the sequence. */
facet_status facet_node_check_sequence(const facet_network *network, int i);
/* A SequenceAt, node j, of the sequence of a SplitToSequence becomes a Slice, or a Gather, of what was split. */
facet_status facet_node_replace_sequence_at(facet_network *network, int j);

/* ---- choice.c ---- */

/* Whether node i, a Greater, may be part of a Softplus with a threshold: a later Where alone takes it, and says. */
bool facet_choice_follows(const facet_network *network, int i);
/* A Where, node j, that is a Softplus with a threshold becomes one node, and its parts leave their places empty; any
 * other stays. */
facet_status facet_choice_replace(facet_network *network, int j);

#endif
