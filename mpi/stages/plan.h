/* The plan: what a study's store will hold, and the tiles that fill it. */
#ifndef FACET_PLAN_H
#define FACET_PLAN_H

#include "study/loader.h"
#include "work.h"

typedef struct {
  facet_store_plan store; /* arrays owned by the plan, names borrowed */
  /* what the study says of stages, and of the samples that they see; borrowed */
  facet_sample_source source; /* test samples under the conditions */
  const facet_stage_keys *keys;
  /* what follows */
  int ranks;        /* that run it */
  int64_t blocks;   /* of `store.block` test samples; the last may be short */
  int64_t inputs;   /* D */
  facet_work *work; /* per variant: fixed by the study, so results are too */
  double room;      /* bytes of a rank's memory that executors and data leave */
} facet_plan;

/* Collective. What executors handle at once, and with that the order of tiles, follows from memory that was measured:
 * what rank 0 measured counts for all. */
facet_status facet_plan_share(MPI_Comm comm, facet_plan *plan);

/* Not collective. Numbers of the corrupted conditions that the study asks for: all, or those of a list. The caller
 * frees. */
facet_status facet_plan_corrupted(const facet_store_plan *plan, bool all, const facet_texts *asked, int *count,
                                  int **condition);

/* Not collective. FACET_BAD_INPUT "STUDY: KEY: variant V: ..." unless the network of variant v is piecewise linear:
 * what follows its pattern, or takes W for its Jacobian, asks this in its plan. */
facet_status facet_plan_need_pieces(const facet_plan *plan, const facet_family *family, const char *key, int v);

/* The number of tiles, and tile i: variants outermost, then conditions, then blocks. */
int64_t facet_plan_tiles(const facet_plan *plan);
facet_tile facet_plan_tile(const facet_plan *plan, int64_t i);
int64_t facet_plan_number(const facet_plan *plan, const facet_tile *tile); /* the other way round */
/* The order in which they are run: the tile that comes as number i. Pairs of condition and block go by `span` at a time
 * through all variants. */
facet_tile facet_plan_in_order(const facet_plan *plan, int64_t span, int64_t i);
/* So many pairs that each rank has some of its own, and room for the corrupted pixels of as many. */
int64_t facet_plan_span(const facet_plan *plan, int ranks);

#endif
