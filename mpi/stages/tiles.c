/* The driver of tiles: see tiles.h.
 *
 * Units that are not done lie in a row, in the order of the stage, and are dealt by cost (see base/deal.h), so that a
 * rank stays in few groups.  What it begins with a rank runs without asking; the rest is dealt by rank 0.  Ranks ask
 * ahead, when they begin their last unit, and rank 0 answers between its own units and batches, so that nobody waits
 * long even if rank 0 is the slow one.  All messages are a few bytes, and sent, so they need nobody's help to get on
 * their way.
 *
 * Whoever waits hears of signals all the same, and passes them on to who works.
 *
 * A rank that is long in a unit says now and then that it is at work, and rank 0 says so in turn: it does not hang.
 *
 * Every rank but 0 is told once that there is no more; after that it does not ask.  Its last message says that it
 * leaves; rank 0 waits for it, so no message is ever left unread. */
#include "tiles.h"

#include <stdio.h>
#include <string.h>

#include "base/deal.h"
#include "kernels/kernels.h"
#include "ranks/agree.h"
#include "ranks/profile.h"

enum { TAG_REPORT = 1, TAG_ANSWER = 2, ASKS = 1, FAILED = 2, LEAVES = 4, EARLY = 8 };

#define SAY_EVERY                                                                                                      \
  0.25 /* seconds between two reports for the progress line, of up to FEW ranks; of more, less often                   \
        */
#define FEW        64
#define ALIVE      3      /* a rank that is long in a unit says so as often as every third word of a long phase */
#define MARK_EVERY 1      /* seconds: marks wait for the disk, beside what is computed; */
#define MUCH       0x1p26 /* bytes of a rank that the disk is not kept waiting for */

struct facet_dealer {
  MPI_Comm comm;
  int rank, ranks;
  const facet_tiles *tiles;
  facet_store *store;
  facet_deal deal;
  int64_t *place; /* the row: units */
  int group;      /* that was entered; -1: none */
  facet_status status;
  facet_range queue;           /* of this rank */
  bool told;                   /* that there is no more */
  int64_t unmarked, *finished; /* units that are done and not marked yet; */
  int64_t settling;            /* so many of these, the first, are being made durable */
  double marked_at;
  /* ranks but 0 */
  bool asked;
  int64_t early;               /* units that are left of the piece when more is asked for */
  facet_range next;            /* a piece that came while the one before was not quite done */
  int64_t unsaid;              /* units done since the last report */
  double said_at, alive_every; /* seconds */
  /* rank 0 */
  bool *is_told; /* per rank */
  int others;    /* that have not left */
  int64_t done;  /* units, of all ranks */
  facet_progress *progress;
};

/* ---- the row ---- */

static facet_unit unit_of(const facet_tiles *t, int64_t i)
{
  return t->unit ? t->unit(t->self, i) : (facet_unit){.cost = 1, .part = i, .parts = 1};
}

static int64_t part_of(const facet_unit *u, int64_t i)
{
  return u->part + i * (u->step ? u->step : 1);
}

static bool is_done(const facet_unit *u, const uint8_t *done)
{
  int64_t i = 0;
  while (i < u->parts && done[part_of(u, i)])
    i++;
  return i == u->parts;
}

/* done: marks of the stage; NULL: none. */
static facet_status fill_row(facet_dealer *d, const uint8_t *done)
{
  const facet_tiles *t = d->tiles;
  FACET_NEW(d->place, t->count);
  FACET_TRY(facet_deal_begin(d->ranks, t->count, &d->deal));
  FACET_NEW(d->finished, t->count);
  for (int64_t i = 0; i < t->count; i++) {
    facet_unit u = unit_of(t, i);
    if (u.none || (done && is_done(&u, done)))
      continue;
    d->place[d->deal.count] = i;
    facet_deal_add(&d->deal, u.cost);
  }
  return FACET_OK;
}

/* Collective. */
static facet_status make_row(facet_dealer *d)
{
  uint8_t *done = NULL;
  facet_status status = d->store ? facet_store_marks_shared(d->comm, d->store, d->tiles->stage, &done) : FACET_OK;
  if (status == FACET_OK)
    status = fill_row(d, done);
  facet_free(&done);
  return status;
}

/* ---- rank 0: dealing ---- */

/* first -1: there is no more; then end -1: and what was dealt before is not to be run either. */
static void answer(facet_dealer *d, int rank, facet_range piece)
{
  int64_t words[2] = {piece.first, piece.end};
  MPI_Send(words, 2, MPI_INT64_T, rank, TAG_ANSWER, d->comm);
  d->is_told[rank] = piece.first < 0;
}

static void stop_all(facet_dealer *d)
{
  for (int r = 1; r < d->ranks; r++)
    if (!d->is_told[r])
      answer(d, r, (facet_range){-1, -1});
  d->told = true;
}

static void hear(facet_dealer *d)
{
  int64_t words[2];
  MPI_Status from;
  MPI_Recv(words, 2, MPI_INT64_T, MPI_ANY_SOURCE, TAG_REPORT, d->comm, &from);
  int rank = from.MPI_SOURCE;
  d->done += words[0];
  d->others -= (words[1] & LEAVES) != 0;
  if (d->status == FACET_OK)
    d->status = facet_interrupt_check();
  if ((words[1] & FAILED) || d->status != FACET_OK)
    stop_all(d);
  if ((words[1] & ASKS) && !d->is_told[rank]) {
    facet_range piece = facet_deal_next(&d->deal, rank);
    answer(d, rank, facet_range_is_empty(piece) ? (facet_range){-1, 0} : piece);
  }
  facet_progress_at(d->progress, d->done);
}

/* Hears whoever has something to say. */
static void hear_all(facet_dealer *d)
{
  int there = 0;
  while (d->others > 0 && MPI_Iprobe(MPI_ANY_SOURCE, TAG_REPORT, d->comm, &there, MPI_STATUS_IGNORE) == MPI_SUCCESS &&
         there)
    hear(d);
}

/* ---- running ---- */

static void leave(facet_dealer *d)
{
  if (d->group < 0)
    return;
  d->tiles->leave(d->tiles->self);
  d->group = -1;
  facet_kernels_release();
}

static facet_status enter(facet_dealer *d, int group)
{
  if (d->group == group || !d->tiles->enter)
    return FACET_OK;
  leave(d);
  d->group = group;
  return d->tiles->enter(d->tiles->self, group);
}

typedef facet_status marking(facet_store *store, const char *stage, int64_t count, const int64_t *part);

/* The parts of the first so many finished units, which are then no longer unmarked. */
static facet_status mark_units(facet_dealer *d, int64_t units, marking *mark)
{
  int64_t count = 0, *part;
  for (int64_t i = 0; i < units; i++)
    count += unit_of(d->tiles, d->finished[i]).parts;
  FACET_NEW(part, count);
  for (int64_t i = 0, k = 0; i < units; i++) {
    facet_unit u = unit_of(d->tiles, d->finished[i]);
    for (int64_t j = 0; j < u.parts; j++)
      part[k++] = part_of(&u, j);
  }
  facet_status status = count > 0 ? mark(d->store, d->tiles->stage, count, part) : FACET_OK;
  facet_free(&part);
  d->unmarked -= units;
  memmove(d->finished, d->finished + units, (size_t)d->unmarked * sizeof *d->finished);
  return status;
}

/* Whether this rank marks what is done. */
static bool marks(const facet_dealer *d)
{
  return d->store && (!d->tiles->together || d->rank == 0);
}

static facet_status mark_settled(facet_dealer *d)
{
  int64_t units = d->settling;
  d->settling = 0;
  return mark_units(d, units, facet_store_mark_settled);
}

/* Marks what has become durable meanwhile, and begins with what was done since. */
static facet_status keep_marking(facet_dealer *d)
{
  if (!marks(d)) {
    d->unmarked = 0;
    return FACET_OK;
  }
  if (d->settling > 0 && facet_store_settle_over(d->store))
    FACET_TRY(mark_settled(d));
  bool much = (double)facet_store_unsettled(d->store) > MUCH;
  if (d->settling > 0 || (facet_seconds() - d->marked_at < MARK_EVERY && !much))
    return FACET_OK;
  d->marked_at = facet_seconds();
  FACET_TRY(facet_store_settle_begin(d->store));
  d->settling = d->unmarked;
  return FACET_OK;
}

/* All that is done. */
static facet_status mark_finished(facet_dealer *d)
{
  facet_status status = d->settling > 0 ? mark_settled(d) : FACET_OK;
  if (status == FACET_OK && marks(d))
    status = mark_units(d, d->unmarked, facet_store_mark_parts);
  d->unmarked = 0;
  d->marked_at = facet_seconds();
  return status;
}

static facet_status run_next(facet_dealer *d)
{
  int64_t unit = d->place[d->queue.first++];
  FACET_TRY(enter(d, unit_of(d->tiles, unit).group));
  FACET_TRY(d->tiles->run(d->tiles->self, d, unit));
  d->finished[d->unmarked++] = unit;
  facet_profile_unit();
  return keep_marking(d);
}

/* Whatever else happened, what is done is marked. */
static void end(facet_dealer *d)
{
  char first[1000];
  (void)snprintf(first, sizeof first, "%s", facet_message());
  facet_status marked = mark_finished(d);
  d->status = d->status == FACET_OK ? marked : facet_raise(d->status, "%s", first);
  leave(d);
}

static void lead(facet_dealer *d)
{
  for (;;) {
    hear_all(d);
    if (facet_range_is_empty(d->queue))
      d->queue = facet_deal_next(&d->deal, 0);
    if (d->told || facet_range_is_empty(d->queue))
      break;
    facet_status status = facet_interrupt_check();
    if (status == FACET_OK)
      status = run_next(d);
    if (status != FACET_OK) {
      d->status = status;
      break;
    }
    facet_progress_at(d->progress, ++d->done);
  }
  end(d);
  if (d->status != FACET_OK)
    stop_all(d);
  while (d->others > 0) {
    facet_interrupt_await(d->comm, MPI_ANY_SOURCE, TAG_REPORT);
    hear(d);
  }
}

static void run_together(facet_dealer *d)
{
  for (d->queue = (facet_range){0, d->deal.count}; d->status == FACET_OK && !facet_range_is_empty(d->queue);) {
    d->status = facet_agree(d->comm, facet_interrupt_check());
    if (d->status == FACET_OK)
      d->status = facet_agree(d->comm, run_next(d));
    facet_progress_at(d->progress, d->queue.first);
  }
  end(d);
}

/* ---- the other ranks ---- */

static void report(facet_dealer *d, int what)
{
  int64_t words[2] = {d->unsaid, what};
  MPI_Send(words, 2, MPI_INT64_T, 0, TAG_REPORT, d->comm);
  d->unsaid = 0;
  d->said_at = facet_seconds();
}

static void drop(facet_dealer *d)
{
  d->queue = d->next = (facet_range){0, 0};
}

static void listen(facet_dealer *d, bool wait)
{
  int64_t words[2];
  int there = wait;
  if (wait)
    facet_interrupt_await(d->comm, 0, TAG_ANSWER);
  else
    MPI_Iprobe(0, TAG_ANSWER, d->comm, &there, MPI_STATUS_IGNORE);
  if (!there)
    return;
  MPI_Recv(words, 2, MPI_INT64_T, 0, TAG_ANSWER, d->comm, MPI_STATUS_IGNORE);
  d->asked = false;
  d->told = words[0] < 0;
  if (!d->told)
    d->next = (facet_range){words[0], words[1]};
  if (words[1] < 0 || d->status != FACET_OK)
    drop(d);
}

/* A failure is said at once, and nothing is run after it. */
static void note(facet_dealer *d, facet_status status)
{
  d->status = status;
  if (status == FACET_OK)
    return;
  report(d, FAILED);
  drop(d);
}

static void run_and_say(facet_dealer *d)
{
  facet_status status = facet_interrupt_check();
  note(d, status == FACET_OK ? run_next(d) : status);
  d->unsaid += d->status == FACET_OK;
  if (d->status == FACET_OK && facet_seconds() - d->said_at > SAY_EVERY * (1 + (double)d->ranks / FEW))
    report(d, 0);
}

static void follow(facet_dealer *d)
{
  while (!d->told || !facet_range_is_empty(d->queue) || !facet_range_is_empty(d->next)) {
    if (facet_range_is_empty(d->queue)) {
      d->queue = d->next;
      d->next = (facet_range){0, 0};
      d->early = 1 + (d->queue.end - d->queue.first) / EARLY;
    }
    if (d->status == FACET_OK && !d->told && !d->asked && facet_range_is_empty(d->next) &&
        d->queue.end - d->queue.first <= d->early) {
      report(d, ASKS);
      d->asked = true;
    }
    if (facet_range_is_empty(d->queue) && d->status == FACET_OK)
      note(d, mark_finished(d)); /* nothing better to do */
    if (!d->told)
      listen(d, facet_range_is_empty(d->queue));
    if (!facet_range_is_empty(d->queue))
      run_and_say(d);
  }
  end(d);
  report(d, LEAVES);
}

/* ---- the whole ---- */

static facet_status prepare(facet_dealer *d)
{
  FACET_TRY(make_row(d));
  FACET_NEW(d->is_told, d->ranks);
  for (int r = 0; r < d->ranks; r++) {
    facet_range own = facet_deal_first(&d->deal, r);
    d->queue = r == d->rank ? own : d->queue;
  }
  const char *name = d->tiles->name;
  if (!name)
    return FACET_OK;
  return facet_progress_begin(&d->progress, d->tiles->stage, name, d->deal.count, d->deal.count == 0 || d->rank != 0);
}

facet_status facet_tiles_run(MPI_Comm comm, const facet_tiles *tiles, facet_store *store)
{
  facet_dealer d = {.rank = facet_rank(comm),
                    .ranks = facet_ranks(comm),
                    .tiles = tiles,
                    .store = store,
                    .group = -1,
                    .early = 1,
                    .others = facet_ranks(comm) - 1,
                    .said_at = facet_seconds(),
                    .alive_every = ALIVE * facet_phase_every(),
                    .marked_at = facet_seconds()};
  FACET_TRY(facet_mpi_check(MPI_Comm_dup(comm, &d.comm), tiles->stage)); /* no message of others comes between */
  facet_status status = facet_agree(comm, prepare(&d));
  if (status == FACET_OK) {
    if (tiles->together)
      run_together(&d);
    else if (d.rank == 0)
      lead(&d);
    else
      follow(&d);
    status = facet_agree(comm, d.status);
  }
  facet_progress_end(&d.progress);
  facet_deal_clear(&d.deal);
  FACET_FREE(&d.place, &d.finished, &d.is_told);
  MPI_Comm_free(&d.comm);
  return status;
}

facet_status facet_dealer_pause(facet_dealer *d)
{
  if (d->rank == 0)
    hear_all(d);
  else if (!d->tiles->together && facet_seconds() - d->said_at > d->alive_every)
    report(d, 0);
  return facet_interrupt_check();
}

static facet_status run_portion(void *self, facet_dealer *dealer, int64_t i)
{
  const facet_portions *p = self;
  int64_t first = i * p->size, end = p->count - first < p->size ? p->count : first + p->size;
  for (; first < end; first += p->step) {
    FACET_TRY(p->run(p->self, first, end - first < p->step ? end - first : p->step));
    FACET_TRY(facet_dealer_pause(dealer));
  }
  return FACET_OK;
}

facet_status facet_portions_run(MPI_Comm comm, const facet_portions *portions)
{
  facet_portions own = *portions;
  int64_t units = (own.count + own.size - 1) / own.size;
  const facet_tiles tiles = {.stage = own.stage, .count = units, .self = &own, .run = run_portion};
  return facet_tiles_run(comm, &tiles, NULL);
}

facet_status facet_tiles_memory(const facet_tiles *t, size_t *bytes)
{
  facet_status status = FACET_OK;
  bool *seen; /* groups: they come again and again */
  int groups = 0;
  *bytes = 0;
  for (int64_t i = 0; i < t->count; i++) {
    int group = unit_of(t, i).group;
    groups = group < groups ? groups : group + 1;
  }
  FACET_NEW(seen, groups);
  facet_kernels_release();
  size_t before = facet_memory_in_use();
  for (int64_t i = 0; i < t->count && status == FACET_OK; i++) {
    facet_unit u = unit_of(t, i);
    if (u.none || seen[u.group])
      continue;
    seen[u.group] = true;
    status = t->enter(t->self, u.group);
    size_t taken = facet_memory_in_use() - before;
    *bytes = taken > *bytes ? taken : *bytes;
    t->leave(t->self);
    facet_kernels_release();
  }
  facet_free(&seen);
  return status;
}
