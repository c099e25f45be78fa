/* Training by all ranks: see method_run.h.  What happens between steps is computed by every rank alike, from the same
 * weights. */
#include "method_run.h"

#include <stdio.h>

#include "ranks/agree.h"
#include "train/checkpoint.h"

typedef struct {
  MPI_Comm comm;
  facet_method_state state;
  const char *checkpoint; /* or NULL */
  double begun;
  char digest[65];
} run;

/* ---- checkpoints ---- */

/* One that is damaged is said: otherwise nobody would know why a training begins anew. */
static facet_status read_or_say(const char *path, const char digest[65], int pieces, const facet_piece *piece,
                                bool *found)
{
  bool holds = true;
  FACET_TRY(facet_checkpoint_read(path, digest, pieces, piece, found));
  if (!*found && facet_exists(path))
    FACET_TRY(facet_checkpoint_holds(path, &holds));
  if (!holds)
    fprintf(stderr, "facet: %s does not hold its checksum, and the training begins anew\n", path);
  return FACET_OK;
}

facet_status facet_checkpoint_share(MPI_Comm comm, const char *path, const char digest[65], int pieces,
                                    const facet_piece *piece, bool *found)
{
  *found = false;
  FACET_AGREE(comm, facet_rank(comm) == 0 ? read_or_say(path, digest, pieces, piece, found) : FACET_OK);
  FACET_TRY(facet_share(comm, (char *)found, sizeof *found, "checkpoint"));
  for (int i = 0; i < pieces && *found; i++)
    FACET_TRY(facet_share(comm, (char *)piece[i].data, (int64_t)piece[i].bytes, "checkpoint"));
  return FACET_OK;
}

static facet_status go_on(run *r)
{
  bool found = false;
  facet_method_state *m = &r->state;
  if (!r->checkpoint)
    return FACET_OK;
  FACET_AGREE(r->comm, facet_method_pieces(m));
  FACET_TRY(facet_checkpoint_share(r->comm, r->checkpoint, r->digest, m->pieces, m->piece, &found));
  if (found)
    facet_method_filled(m);
  return FACET_OK;
}

static facet_status write_state(run *r)
{
  facet_method_state *m = &r->state;
  double before = m->seconds;
  FACET_TRY(facet_method_pieces(m));
  m->seconds += facet_seconds() - r->begun;
  facet_status status = facet_checkpoint_write(r->checkpoint, r->digest, m->step, m->pieces, m->piece);
  m->seconds = before;
  return status;
}

/* After every epoch, and where a stop is asked for. */
static facet_status keep_state(run *r, bool asked)
{
  bool epoch_ends = r->state.step % r->state.sgd->epoch == 0;
  if (!r->checkpoint || (!epoch_ends && !asked))
    return FACET_OK;
  return facet_agree(r->comm, facet_rank(r->comm) == 0 ? write_state(r) : FACET_OK);
}

/* ---- running ---- */

enum { DEALT_EACH = 16 }; /* steps */

/* Micro-batches to the ranks anew, by how fast these were. */
static facet_status deal(MPI_Comm comm, facet_sgd *sgd)
{
  for (int p = 0; p < sgd->parts; p++)
    sgd->took[p] = p == sgd->part ? facet_sgd_pace(sgd) : 0;
  FACET_TRY(facet_largest(comm, sgd->took, sgd->parts, "training"));
  facet_sgd_deal(sgd, sgd->took);
  return FACET_OK;
}

facet_status facet_train_step(MPI_Comm comm, facet_sgd *sgd, facet_status before, int64_t step, double rate,
                              const facet_mask *mask, bool *asked)
{
  double all[3] = {0}; /* what ranks have in common: the largest gradient, whether one failed, was interrupted */
  if (sgd->parts > 1 && step % DEALT_EACH == 0)
    FACET_TRY(deal(comm, sgd));
  facet_status status = before == FACET_OK ? facet_sgd_gradients(sgd, step, mask, &all[0]) : before;
  all[1] = status != FACET_OK;
  all[2] = facet_interrupted();
  FACET_TRY(facet_largest(comm, all, 3, "training"));
  if (all[1] > 0)
    return facet_agree(comm, status);
  *asked = all[2] > 0;
  FACET_TRY(facet_sgd_sum(sgd, step, all[0]));
  if (sgd->parts > 1)
    FACET_TRY(facet_sum(comm, sgd->sum, sgd->total, "training"));
  facet_sgd_move(sgd, rate, mask);
  return FACET_OK;
}

static facet_status one_step(run *r)
{
  facet_method_state *m = &r->state;
  double rate;
  bool asked = false;
  facet_status status = facet_method_before(m, &rate);
  FACET_TRY(facet_train_step(r->comm, m->sgd, status, m->step, rate, facet_method_mask(m), &asked));
  status = facet_method_after(m);
  if (m->scores)
    FACET_AGREE(r->comm, status);
  if (m->step == m->steps)
    return FACET_OK;
  FACET_TRY(keep_state(r, asked));
  return asked ? facet_raise(FACET_INTERRUPTED, "interrupted while training; run the same command again to go on")
               : FACET_OK;
}

static facet_status run_steps(run *r, facet_progress *progress)
{
  const facet_method_state *m = &r->state;
  double loss;
  facet_progress_at(progress, m->step * m->sgd->batch);
  while (m->step < m->steps) {
    FACET_TRY(one_step(r));
    if (facet_sgd_loss(m->sgd, &loss))
      facet_progress_note(progress, "loss %.3f", loss);
    facet_progress_at(progress, m->step * m->sgd->batch);
  }
  return FACET_OK;
}

static facet_status prepare(run *r, const facet_method_job *job, facet_network *network)
{
  if (r->checkpoint && facet_rank(r->comm) == 0)
    FACET_TRY(facet_method_digest(job, network, r->digest));
  return facet_method_begin(job, network, facet_rank(r->comm), facet_ranks(r->comm), &r->state);
}

facet_status facet_method_run(MPI_Comm comm, const facet_method_job *job, facet_network *network, double *seconds)
{
  run r = {.comm = comm, .checkpoint = job->checkpoint, .begun = facet_seconds()};
  const facet_method_state *m = &r.state;
  const char *stage = job->training.stage;
  facet_progress *progress = NULL;
  facet_status status;
  FACET_GO(done, status, facet_agree(comm, prepare(&r, job, network)));
  FACET_GO(done, status, go_on(&r));
  const long long batch = m->sgd->batch;
  bool quiet = facet_rank(comm) != 0;
  if (m->step > 0 && !quiet) /* a run that was killed tells where it is taken up again */
    fprintf(stderr, "%s: goes on from %lld of %lld samples\n", stage, m->step * batch, m->steps * batch);
  FACET_GO(done, status, facet_agree(comm, facet_progress_begin(&progress, stage, "samples", m->steps * batch, quiet)));
  status = run_steps(&r, progress);
  if (seconds)
    *seconds = m->seconds + facet_seconds() - r.begun;
done:
  facet_progress_end(&progress);
  facet_method_clear(&r.state);
  return status;
}
