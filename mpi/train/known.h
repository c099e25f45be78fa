/* Networks that are there already: what a network in <output>/variants/ was made by is in its record, and one that was
 * made as a member of the family would be is that member, whatever its name. */
#ifndef FACET_KNOWN_H
#define FACET_KNOWN_H

#include "variants.h"

/* Not collective, all of them.  The digest of how a member is made: of dense, if it is one made from that, too, whose
 * own digest is known then. "" for a network from elsewhere. And that of its file of masks, if it is made with one. */
facet_status facet_known_recipe(const facet_family *family, facet_member *member);
/* The file of a network that is that member, its own or another; NULL: there is none. What has no record counts for
 * what its name says unless the study was edited. Caller frees. */
facet_status facet_known_find(const facet_family *family, const facet_member *member, char **file);
/* What is remembered of the network of a file. */
facet_record facet_known_record(const char *file);
/* Whether a record is of a network that is made as the member is, with the same masks; `otherwise` where it does not
 * say. */
bool facet_known_same(const facet_record *record, const facet_member *member, bool otherwise);
/* The file, of masks or a network, that a variant was made from as it is not any more; NULL: none. Borrowed. */
facet_status facet_known_changed(const facet_making *making, const facet_member *member, const char **file);
/* A file beside a network's own: "checkpoint", which its training goes on from, or "record". Caller frees. */
char *facet_known_beside(const char *file, const char *what);

#endif
