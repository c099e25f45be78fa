/* The networks of a study: `dense`, trained or read, and its variants, pruned or read; all of them end as
 * ONNX files in <output>/variants/, and what is there already is not made again. */
#ifndef FACET_VARIANTS_H
#define FACET_VARIANTS_H

#include <mpi.h>

#include "making.h"
#include "train/record.h"

typedef struct {
  facet_variant variant; /* name, recipe, asked-for sparsity */
  facet_network *network;
  facet_input_layout input; /* how it takes the samples */
  facet_mask *zeros;        /* what is zero in its prunable layers */
  char *file;               /* in <output>/variants/ */
  char sha256[65];
  char recipe[65];     /* digest of how it is made; "": not known yet, or elsewhere */
  char masks[65];      /* digest of the file of masks it is made with; "": not known yet, or none */
  facet_record record; /* what is remembered of how it was made */
} facet_member;

typedef struct {
  facet_making making; /* borrowed */
  int count;
  facet_member *member; /* member[0] is dense */
  const char *note;     /* what is to be said of the ending of the file that dense is read from, or NULL */
  int diverged;         /* variants that are not members, because their training diverged, and what was said of each */
  char **diverged_line;
} facet_family;

/* Whether a variant is made from dense as it ended; else from its first weights, or it is read from elsewhere, or is
 * dense. */
bool facet_variant_from_dense(const facet_making *making, const facet_variant *variant);
/* What is done to a network to get it, step by step, ", " between them: "prune, train". Caller frees; NULL: no memory.
 */
char *facet_variant_operation(const facet_making *making, const facet_variant *variant);

/* Collective. Makes or reads every network, trains where the study says so, writes the files (rank 0), and leaves the
 * same family on every rank. FACET_BAD_INPUT where networks, data and classes do not fit each other. */
facet_status facet_family_make(MPI_Comm comm, const facet_making *making, facet_family *family);
/* Collective. The networks of these names, in the study's order, as they lie in a folder: nothing is made, nor written.
 * FACET_NO_INPUT, FACET_BAD_INPUT. Clear it in any case. */
facet_status facet_family_read(MPI_Comm comm, const facet_making *making, const char *folder, int count,
                               char *const *name, facet_family *family);
/* Not collective. The family as `facet check` needs it: nothing is trained or written; networks that would be trained
 * have their first weights. Those that the output has already have the SHA-256 of what is there, others none. */
facet_status facet_family_sketch(const facet_making *making, facet_family *family);
/* Not collective. Whether the output has a network that is the study's dense one. */
facet_status facet_family_stands(const facet_making *making, bool *stands);
/* Not collective. Whether a file that a variant was made from, of masks or a network, has changed since; says each. */
facet_status facet_family_changed(const facet_making *making, bool *changed);
/* Not collective. Bytes that a rank of so many takes for training the networks of a sketch, at most one at a time. */
facet_status facet_family_memory(const facet_family *family, int ranks, size_t *bytes);
void facet_family_clear(facet_family *family);

#endif
