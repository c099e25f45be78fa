/* What a stage is: one step of a study's run, which reads what the stages before it stored, and stores arrays of its
 * own. list.h has all of them in their order; whatever is done with stages, run, check, resume, walks that list and
 * treats all alike. */
#ifndef FACET_STAGE_H
#define FACET_STAGE_H

#include <stdio.h>

#include "list.h"
#include "plan.h"
#include "tiles.h"

typedef struct facet_reused facet_reused; /* reuse.h */

/* What a stage may read. All of it is borrowed. */
typedef struct {
  MPI_Comm comm;
  const facet_plan *plan; /* sizes, conditions, what is known of variants, what executors handle at once */
  const facet_study_data *data;
  const facet_family *family;
  facet_store *store;   /* open; NULL while a run is planned or forecast */
  facet_reused *reused; /* what is taken over from the store of a version of the study before; NULL: nothing is */
} facet_context;

/* How fast this machine is, on one rank. */
typedef struct {
  const double *forward; /* V: seconds of a forward pass of one sample */
  double corrupting;     /* seconds of one sample under all conditions */
  double product;        /* seconds of a floating-point operation of a matrix product */
} facet_speeds;

enum { FACET_BLAS_BYTES = 6 << 20 }; /* what a BLAS keeps for itself once it was called. Measured. */

typedef struct {
  const char *name; /* of the progress, of the line of `check`, and of /progress/<name> */
  /* What /progress/<name> counts, one mark for each: dimensions of the result file's table, ", " between them; "": one
   * mark for all of it. */
  const char *marks;
  /* Not collective. Whether the study asks for it. NULL: every study does. */
  bool (*wanted)(const facet_plan *plan);
  /* Not collective. Fills in what of the plan the stage alone knows: the sizes of its arrays, what it has to know of
   * variants. Called for all stages, in their order; family: networks, or a sketch of them. FACET_BAD_INPUT where the
   * study's memory is not enough for so many ranks. NULL: nothing. */
  facet_status (*plan)(const facet_study_data *data, const facet_family *family, int ranks, facet_plan *plan);
  /* Not collective, context->comm is nobody's. Bytes that one of so many ranks takes for it at most, beside data and
   * networks: made, measured and thrown away, or summed up. FACET_BAD_INPUT where the study's memory is not enough.
   * NULL: too little to count. */
  facet_status (*memory)(const facet_context *context, int ranks, double *bytes);
  /* Not collective. Bytes of files without a name that it keeps at once in a folder TMPDIR, at most, which `here` of so
   * many ranks share. NULL: none. */
  double (*nameless)(const facet_plan *plan, int ranks, int here);
  /* Not collective. Seconds that it takes so many ranks. NULL: too few to count. */
  facet_status (*seconds)(const facet_context *context, const facet_speeds *speeds, int ranks, double *seconds);
  /* Not collective. Writes what all of its results follow from, beside what `made` says of a plan and what its parts
   * read; not the number of ranks, which may change until it is done. NULL: nothing. */
  facet_status (*follows)(const facet_context *context, FILE *out);
  /* Not collective. What of it is taken over from the store before, which follows from the same, part by part: keeps,
   * of those in `take`, the parts that read nothing but what is the same there. NULL: it is always made anew. */
  facet_status (*still)(const facet_context *context, uint8_t *take);
  /* Not collective. What of it lies beside the store, after its only part was taken over. NULL: nothing. */
  facet_status (*adopt)(const facet_context *context);
  /* Collective, before any stage is run of a store that a run before has left. What of it lies beside the store is held
   * against its digest; what does not hold is said, and does not count as done. NULL: nothing. */
  facet_status (*hold)(const facet_context *context);
  /* Collective. Does what is not done yet and marks it as done, unit by unit, so that a run that was stopped goes on
   * from there. Called unless all marks are set. FACET_INTERRUPTED after a unit. The bits of its results do not depend
   * on the number of ranks. NULL: it is done before there is a plan. */
  facet_status (*run)(const facet_context *context);
  /* Stages of which `run` reads arrays, ' ' between them; "create": those that are written with the file. What these
   * have written is held against its checksums before it is run, and what was made from a part that does not hold does
   * not count as done. NULL: none. */
  const char *reads;
  /* A part, which is of one variant, reads what those have of this variant, and of dense, alone. */
  bool apart;
  /* It reads nothing else but data and networks, and has the same bits whenever it is run: parts of it can be computed
   * again, and held against a file. */
  bool again;
  /* Not collective. Says at the end, on standard error, what a user must not miss, also of a stage that is not wanted.
   * NULL: nothing. */
  void (*warn)(const facet_plan *plan);
} facet_stage;

static inline bool facet_stage_wanted(const facet_stage *stage, const facet_plan *plan)
{
  return !stage->wanted || stage->wanted(plan);
}

/* Collective. Whether all parts of a stage that the study wants are done. */
facet_status facet_stage_done(const facet_context *context, const facet_stage *stage, bool *done);
/* Collective. Runs a stage unless it is done, and marks all of it; what it wrote is durable and seen by all ranks then.
 * What it reads is held against checksums before, once after it was written; what does not hold is computed anew.
 * FACET_IO where it still does not then. */
facet_status facet_stage_run(const facet_context *context, const facet_stage *stage);
/* Collective, of a store that a run before has left. Holds the data of every part that is marked against its checksum.
 * What does not hold, and what a later stage has made from it, is said on standard error and not marked any more.
 * FACET_INTERRUPTED. */
facet_status facet_stages_check(const facet_context *context);
/* Collective. `hold` of all stages. */
facet_status facet_stages_hold(const facet_context *context);
/* What a stage does whose units need things made before, as long as all of them run, and whose memory is measured. */
typedef struct {
  facet_tiles tiles;                              /* but for self */
  int64_t (*count)(const facet_context *context); /* NULL: tiles.count, or where that is 0, the plan's tiles */
  /* Not collective. Makes what lies in *self, zeros at first; what is made is freed in any case. */
  facet_status (*make)(const facet_context *context, int ranks, void *self);
  void (*clear)(void *self);
} facet_tiled;
/* Collective; self: the stage's own. As a stage's run. */
facet_status facet_tiled_run(const facet_context *context, const facet_tiled *tiled, void *self);
/* Not collective. As a stage's memory: all of it made, entered, measured, and thrown away. */
facet_status facet_tiled_memory(const facet_context *context, const facet_tiled *tiled, void *self, double *bytes);
/* Collective. Computes tiles of the analysis again, 1 of `chosen`, and holds them against the store, which was opened
 * for that by facet_again_open: a line for each array that is another; *others: so many of the tiles have one. Tiles
 * whose sums are one, with those that are chosen. */
facet_status facet_analyse_again(const facet_context *context, const uint8_t *chosen, int64_t *others);
/* "analyse of dense, clean, block 3". */
void facet_analyse_name(const facet_plan *plan, int64_t tile, char *text, size_t size);
#define FACET_DECLARE_STAGE(name) extern const facet_stage facet_stage_##name;
FACET_STAGES(FACET_DECLARE_STAGE)
extern const facet_stage *const facet_stages[]; /* all of them in their order; the last is NULL */

#endif
