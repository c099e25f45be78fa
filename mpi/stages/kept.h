/* What the analysis keeps of W, rows of which come by in chunks: all of it, in the study's precision or as float16 with
 * what that loses, or digests in place of it. */
#ifndef FACET_KEPT_H
#define FACET_KEPT_H

#include "linear/digest.h"
#include "pass.h"
#include "store/store.h"

/* Of a variant that was entered. What it is made with is borrowed. */
typedef struct {
  const facet_store_plan *plan;
  facet_store *store;
  int variant;
  const facet_pass *pass;
  int64_t inputs;
  /* the batch at hand */
  int64_t first, count;
  const double *logits;
  /* float16 */
  uint16_t *half;                                 /* of a chunk */
  double *rounding, *relative, *rounded_residual; /* of each sample of a batch */
  /* what ties touch, where W is kept: of a batch as the network has it, and of one sample as images are */
  uint8_t *touched, *image;
  /* digests, of one part at a time */
  int64_t part, tile; /* tile: the number of its first */
  facet_digest digest;
} facet_kept;

/* Parts of the linearized samples with digests of their own, and blocks of one: filled in where the study wants them;
 * gram: with a Gram matrix. */
void facet_kept_plan(bool gram, facet_store_plan *plan);
/* Whether it is asked what ties touch: executors for it are to remember that (options.touched). */
bool facet_kept_touched(const facet_store_plan *plan);
/* Bytes that facet_kept_make takes at most for a batch of samples, so many rows of each at once. */
double facet_kept_bytes(const facet_store_plan *plan, int64_t batch, int64_t chunk);
/* Not collective. pass: made for linearizing, `chunk` rows of W at once. Clear it in any case. */
facet_status facet_kept_make(const facet_store_plan *plan, facet_store *store, int variant, const facet_pass *pass,
                             int64_t chunk, facet_kept *kept);
void facet_kept_clear(facet_kept *kept);

/* Before the batches of a part, whose tiles are numbered from `tile` on. *done: how many of its samples are added up
 * already, by a run that was interrupted; where that does not hold its checksum any more, with the tiles behind it, a
 * line says so. *from: the sample of the part from which on W is wanted, where a batch begins: earlier where lines of W
 * waited for a Gram matrix. done NULL: whatever is there, it begins anew. */
facet_status facet_kept_begin(facet_kept *kept, int64_t part, int64_t tile, int64_t *done, int64_t *from);
/* Between two batches of a part that is interrupted: what is added up is durable, and the next run goes on from it. */
facet_status facet_kept_leave(facet_kept *kept);
/* Before a batch: who wants its chunks. */
facet_w_sink facet_kept_batch(facet_kept *kept, int64_t first, int64_t count, const double *logits);
/* After a batch: the rest of what it leaves in the store. FACET_BAD_INPUT where float16 does not hold W. */
facet_status facet_kept_write(const facet_kept *kept);
/* After the last batch of a part. */
facet_status facet_kept_end(facet_kept *kept);

#endif
