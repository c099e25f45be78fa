/* What is computed over all samples together: spectra of all linearizations of a variant, angles between those of two,
 * and the similarity of features (SCIENCE 6). */
#ifndef FACET_AGGREGATE_H
#define FACET_AGGREGATE_H

#include "program/plan.h"

enum {
  FACET_LARGEST_GRAM = 4096,   /* order of a Gram matrix that is made without being asked for */
  FACET_LARGEST_ASKED = 16384, /* and of one that is: 2 GiB each, several at a time, shared by the ranks */
  FACET_OVERSAMPLING = 10,
  FACET_POWER_ITERATIONS = 2, /* of the random projection */
  FACET_MOST_PAIRED = 400     /* pairs of variant and condition that are all compared; more: see facet_cka_wanted */
};

/* Not collective. How many values the spectra have, and how they are found. FACET_BAD_INPUT with file, line and key for
 * a Gram matrix beyond FACET_LARGEST_ASKED. */
facet_status facet_aggregate_plan(const facet_study *study, facet_store_plan *plan);

/* Collective. Fills /aggregate of the open store, whose tiles are done. FACET_INTERRUPTED, and whatever arithmetic and
 * the store raise. */
facet_status facet_aggregate(MPI_Comm comm, const facet_plan *plan, const facet_study_data *data,
                             const facet_family *family, facet_store *store);

/* Not collective. Bytes that one of so many ranks takes for it at most, beside data and networks; and floating-point
 * operations of all ranks together. */
double facet_aggregate_memory(const facet_plan *plan, const facet_family *family, int ranks);
double facet_aggregate_work(const facet_plan *plan, const facet_family *family);

#endif
