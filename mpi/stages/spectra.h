/* Spectra of all linearizations of each variant, and the angles between the subspaces of two. */
#ifndef FACET_SPECTRA_H
#define FACET_SPECTRA_H

#include "program/plan.h"

/* Collective. Singular values and directions of the stacked linearizations M of every variant that the plan has a
 * spectrum of, by its method, written to the open store; then principal angles of all pairs of variants whose inputs
 * have one order. FACET_INTERRUPTED; errors of blockmatrix.h and of the store. */
facet_status facet_spectra(MPI_Comm comm, const facet_store_plan *plan, facet_store *store);
/* Not collective. Bytes that one of so many ranks takes at most; floating-point operations of all together. */
double facet_spectra_memory(const facet_store_plan *plan, int ranks);
double facet_spectra_work(const facet_store_plan *plan);

#endif
