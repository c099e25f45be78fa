/* The making of what is missing of a family, side by side by groups of ranks. */
#ifndef FACET_GROUPS_H
#define FACET_GROUPS_H

#include "recipe.h"
#include "variants.h"

typedef enum { FACET_THERE, FACET_TO_MAKE, FACET_GIVEN_UP } facet_member_state;

/* Collective, all of them. state: of each member, the same on all ranks: a facet_member_state. */

/* What of members first .. end-1 is still to be made, as rank 0 sees the folder: the others may see files late. What
 * was made under another name is copied; what diverged before would do so again. Variants are asked for once dense is
 * there. FACET_BAD_INPUT names a file that has changed since a network was made from it. */
facet_status facet_groups_missing(MPI_Comm comm, facet_family *family, int first, int end, int *state);
/* Makes a network and writes its file. Errors as facet_recipe_make. */
facet_status facet_groups_make_one(MPI_Comm comm, const facet_origin *origin, const facet_member *member);
/* Makes all that is to be made but dense; ranks split into as many groups as there are networks to train, at most, and
 * each takes the next one when it has made one. What comes out does not depend on how. A training that diverges costs
 * its own network alone: state says so. */
facet_status facet_groups_make(MPI_Comm comm, const facet_origin *origin, const facet_family *family, int *state);

#endif
