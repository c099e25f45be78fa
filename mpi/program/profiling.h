/* facet run --profile: where the time of every rank went, phase by phase: the start of the run, and each stage. */
#ifndef FACET_PROFILING_H
#define FACET_PROFILING_H

#include "stages/stage.h"

/* NULL where nobody asked for it; then nothing is done. */
typedef struct facet_profiling facet_profiling;

/* Collective. From now on. wanted: somebody asked. End it in any case. */
facet_status facet_profiling_begin(MPI_Comm comm, bool wanted, facet_profiling **profiling);
void facet_profiling_end(facet_profiling **profiling);
/* Collective. Before the store at `path` is created or opened: what of the plan it needs. A store that is there has
 * room for the ranks that it was begun with, or none, of which rank 0 warns. */
facet_status facet_profiling_plan(const facet_profiling *profiling, const char *path, facet_store_plan *plan);
/* Collective. A phase is over: stage, or NULL for the start. */
facet_status facet_profiling_phase(facet_profiling *profiling, const facet_stage *stage);
/* Collective. Adds what phases took since it was called before to what the store has of them from runs before. */
facet_status facet_profiling_store(facet_profiling *profiling, facet_store *store);
/* Not collective. A line for each phase of this run, on standard output; on rank 0. */
void facet_profiling_print(const facet_profiling *profiling);

#endif
