/* Networks as they come in, before any training or pruning; and whether a network fits the data and the classes. */
#ifndef FACET_SOURCE_H
#define FACET_SOURCE_H

#include "making.h"

/* Not collective, all of them. `path` stands for the network in messages, which are FACET_BAD_INPUT. */

/* How the network of a recipe (NULL: dense) takes the samples, if it fits them, the labels and the classes. */
facet_status facet_source_fits(const facet_making *making, const facet_recipe *recipe, const char *path,
                               const facet_network *network, facet_input_layout *layout);
/* dense before any training: its first weights, or as it is read; and how it takes the samples. Caller destroys. */
facet_status facet_source_first(const facet_making *making, facet_network **network, facet_input_layout *layout);
/* The network of a recipe that names a file; dense: it has to have as many outputs, NULL: whatever. Caller destroys. */
facet_status facet_source_external(const facet_making *making, const facet_recipe *recipe, const facet_network *dense,
                                   facet_network **network);
/* The masks of a recipe that names a file of them, for the network `like`. Caller destroys. */
facet_status facet_source_mask(const facet_making *making, const facet_variant *variant, const facet_network *like,
                               facet_mask **mask);

#endif
